"""`mien demo`: a small study on drawn faces, from nothing to a report."""

from __future__ import annotations

from importlib.resources import files
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
    from mien.cli.study import run_in_store, write_report_of
    from mien.study.spec import parse_study
    from mien.study.store import Store

    text = files("mien.cli").joinpath("demo.toml").read_text(encoding="utf-8")
    complete = run_in_store(parse_study(text, name="demo.toml"), text, base=Path.cwd(), folder=output, minutes=minutes)
    typer.echo(f"The report is {write_report_of(Store.open(output))}")
    if not complete:
        raise typer.Exit(1)
