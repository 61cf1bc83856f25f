"""The one way to a console of rich."""

from __future__ import annotations

import os

from rich.console import Console

# What is written to a file or another program is not to be broken at the 80 columns that rich takes for a terminal.
_WIDE = 200


def open_console(*, stderr: bool = False) -> Console:
    """A console on standard output or standard error: as wide as the terminal, or wide where there is none.

    The variable COLUMNS, where it is set, says how wide in any case.
    """
    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        made.width = _WIDE
    return made
