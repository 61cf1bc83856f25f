"""`mien data get`: bring a published data set onto this machine, and see whether it is complete."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.bar import Bar
from mien.errors import DataError


def get(
    name: Annotated[str | None, typer.Argument(help="A data set, such as fer2013; without it, all are listed.")] = None,
    url: Annotated[str | None, typer.Option(help="Fetch it from this address (http or https).")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A file, archive or folder that you have downloaded; nothing is fetched.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder to put it in; made where needed.")] = Path("data"),
    yes: Annotated[bool, typer.Option("--yes", help="You have read where the data come from; do not ask.")] = False,
) -> None:
    """Get a published data set, after saying where it comes from and under which terms, and check its counts.

    Ends with exit code 1 when the counts are not the known ones; the file stays.
    """
    from mien.api.data import get as bring
    from mien.api.data import known_sources, source_named

    if name is None:
        for source in known_sources():
            typer.echo(f"{source.name}: {source.title}\n  From: {source.place}\n  Terms: {source.licence}")
        return
    source, place = source_named(name, url=url, file=file)
    typer.echo(f"{source.name}: {source.title}.\n  {source.origin}\n  Terms: {source.licence}\n  From: {place}")
    if file is None and not yes and not _consents():
        typer.echo("Nothing was fetched.")
        raise typer.Exit(1)
    try:
        with Bar("downloading", in_bytes=True) as bar:
            got = bring(name, output, url=url, file=file, progress=bar.moved)
    except KeyboardInterrupt as stop:
        typer.echo("mien: stopped; the same command goes on where the download is.", err=True)
        raise typer.Exit(130) from stop
    fits = got.checked.fits
    typer.echo(f"{got.path}: {'complete' if fits else 'NOT what was expected; it stays where it is'}.")
    for line in got.checked.lines:
        typer.echo(f"  {line}")
    if not fits:
        raise typer.Exit(1)
    if source.form != "votes":
        typer.echo(f"Look at it with: mien data describe {got.path}")
    typer.echo(got.how_named)


def _consents() -> bool:
    if not sys.stdin.isatty():
        raise DataError("Nothing is fetched without your consent. Add --yes once you have read the terms above.")
    return typer.confirm("Fetch it, and use it under these terms?")
