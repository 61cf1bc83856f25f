"""`mien demo`: a small study on drawn faces, from nothing to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import finite


def demo(
    output: Annotated[Path, typer.Option("--output", help="Folder of the records and the report.")] = Path("mien-demo"),
    minutes: Annotated[
        float | None, typer.Option(min=0.0, callback=finite, help="Stop after this time; run again to go on.")
    ] = None,
) -> None:
    """Run a small study of real networks on drawn faces (no download) and write its report."""
    from mien.api.studying import check_training_and_report, plan_demo
    from mien.cli.study import tell_report, watched

    check_training_and_report()
    complete = watched(plan_demo(output), minutes=minutes)
    tell_report(output)
    if not complete:
        raise typer.Exit(1)
