"""The command line; it translates and nothing more."""
