"""`python -m mien` is the command `mien`."""

from mien.cli.main import main

main()
