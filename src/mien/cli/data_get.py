"""`mien data get`: bring a published data set onto this machine, and see whether it is complete."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.bar import Bar

if TYPE_CHECKING:
    from mien.datasets.sources import Source


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
    from mien.datasets.getting import check_copy, get_dataset
    from mien.datasets.sources import SOURCES
    from mien.errors import DataError, did_you_mean

    if name is None:
        _list(list(SOURCES.values()))
        return
    if name not in SOURCES:
        raise DataError(f"mien knows no data set {name!r} to get. {did_you_mean(name, SOURCES)}")
    if url is not None and file is not None:
        raise DataError("--url and --file are two places. Give one of them.")
    source = SOURCES[name]
    _explain(source, url, file)
    if file is None and not yes and not _consents():
        typer.echo("Nothing was fetched.")
        raise typer.Exit(1)
    try:
        with Bar("downloading", in_bytes=True) as bar:
            path = get_dataset(source, output, url=url, file=file, progress=bar.moved)
    except KeyboardInterrupt as stop:
        typer.echo("mien: stopped; the same command goes on where the download is.", err=True)
        raise typer.Exit(130) from stop
    checked = check_copy(source, path)
    typer.echo(f"{path}: {'complete' if checked.fits else 'NOT what was expected; it stays where it is'}.")
    for line in checked.lines:
        typer.echo(f"  {line}")
    if not checked.fits:
        raise typer.Exit(1)
    if source.form != "votes":
        typer.echo(f"Look at it with: mien data describe {path}")
    typer.echo(_how_named(source, path))


def _how_named(source: Source, path: Path) -> str:
    """How a study file names what was got, and what else it takes for that to be found."""
    from mien.datasets.places import FOLDERS_VARIABLE, find_place

    key = "votes" if source.form == "votes" else "path"
    if find_place(source.name, Path()) == path.resolve():
        return f'Studies find it by its name: {key} = "{source.name}"'
    return (
        f'For studies to find it by its name, {key} = "{source.name}", call it {source.names[0]} and put its folder '
        f"into the variable {FOLDERS_VARIABLE}."
    )


def _list(sources: list[Source]) -> None:
    for source in sources:
        typer.echo(f"{source.name}: {source.title}\n  From: {source.place}\n  Terms: {source.licence}")


def _explain(source: Source, url: str | None, file: Path | None) -> None:
    from mien.datasets.download import shown_url

    place = str(file) if file is not None else source.place if url is None else shown_url(url)
    typer.echo(f"{source.name}: {source.title}.\n  {source.origin}\n  Terms: {source.licence}\n  From: {place}")


def _consents() -> bool:
    from mien.errors import DataError

    if not sys.stdin.isatty():
        raise DataError("Nothing is fetched without your consent. Add --yes once you have read the terms above.")
    return typer.confirm("Fetch it, and use it under these terms?")
