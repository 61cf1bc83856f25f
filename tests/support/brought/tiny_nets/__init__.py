"""A package of others, as small as can be: it is not installed, and tests put its folder on the path of modules."""
