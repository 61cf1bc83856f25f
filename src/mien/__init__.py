"""mien reads facial expressions in still images, and compares the networks that do."""
