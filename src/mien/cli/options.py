"""What is said of options that several commands share."""

BUNDLE_HELP = "A model: the name of one that comes with mien, a folder, or a .mien file."
