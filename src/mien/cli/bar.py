"""A bar for work whose steps are counted, where there is a terminal."""

from __future__ import annotations


class Bar:
    """Shows how far something is, while a `with` block lasts; nothing where standard error is no terminal.

    Args:
        doing: what is done, in a word or two.
        in_bytes: whether what is counted is bytes.
    """

    def __init__(self, doing: str, *, in_bytes: bool = False) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        from mien.cli.console import open_console

        console = open_console(stderr=True)
        shape = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        columns = shape if in_bytes else Progress.get_default_columns()
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task(doing, total=None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def moved(self, done: int, total: int) -> None:
        """Tell how much is done, and of how much."""
        self._progress.update(self._task, completed=done, total=total)

    def doing(self, doing: str, done: int, total: int) -> None:
        """As `moved`, where one call does several things in turn."""
        self._progress.update(self._task, description=doing, completed=done, total=total)
