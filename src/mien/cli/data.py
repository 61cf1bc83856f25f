"""`mien data`: look at a data set before it is used."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.audit import audit
from mien.cli.data_get import get
from mien.cli.options import CHANNELS_HELP, CLASSES_HELP, DATA_HELP, OUTSIDE_HELP, ChannelsChoice, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mien.datasets.description import Copies, Description

app = typer.Typer(no_args_is_help=True, help="Look at data sets.")

app.command()(audit)
app.command()(get)

_PROBLEMS_SHOWN = 10


class Form(StrEnum):
    """What `convert` writes."""

    MANIFEST = "manifest"
    PARQUET = "parquet"


@app.callback()
def data() -> None:
    """Look at data sets."""


@app.command()
def describe(
    path: Annotated[str, typer.Argument(help=DATA_HELP)],
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes (fer2013new.csv) for FER2013.")] = None,
    reader: Annotated[
        str | None, typer.Option(help="Name of the reader, such as folders; chosen by the path if not given.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
    channels: Annotated[ChannelsChoice | None, typer.Option(help=CHANNELS_HELP)] = None,
    allow_outside: Annotated[bool, typer.Option("--allow-outside", help=OUTSIDE_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what is in a data set: roles, expressions, copies, licence, and what could not be read."""
    from mien.api.data import describe as describe_data

    description = describe_data(
        path, reader=reader, votes=votes, classes=classes, channels=channels, outside=allow_outside
    )
    if as_json:
        print_json(description.to_json())
        return
    from mien.cli.console import open_console

    _show(description, open_console())


@app.command()
def convert(
    path: Annotated[str, typer.Argument(help=DATA_HELP)],
    output: Annotated[
        Path, typer.Option(help="Folder for manifest.csv and the images, or a .parquet; made where needed.")
    ],
    to: Annotated[
        Form | None, typer.Option(help="Form to write; parquet where OUTPUT ends in .parquet, else manifest.")
    ] = None,
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes (fer2013new.csv) for FER2013.")] = None,
    reader: Annotated[str | None, typer.Option(help="Name of the reader; chosen by the path if not given.")] = None,
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
    channels: Annotated[ChannelsChoice | None, typer.Option(help=CHANNELS_HELP)] = None,
    allow_outside: Annotated[bool, typer.Option("--allow-outside", help=OUTSIDE_HELP)] = False,
    crop_faces: Annotated[
        bool, typer.Option("--crop-faces", help="Find the face in each image and cut it out, as predicting does.")
    ] = False,
    size: Annotated[int | None, typer.Option(min=1, help="Side of the images, in pixels.")] = None,
) -> None:
    """Write a data set as a manifest or as Parquet, with label, role, group and votes, and its images as PNG.

    With --crop-faces, faces.csv beside it says of each photo whether it shows one face, several or none.
    """
    from mien.api.data import convert as convert_data

    written = convert_data(
        path,
        output,
        None if to is None else to.value,
        votes=votes,
        reader=reader,
        classes=classes,
        channels=channels,
        faces="find" if crop_faces else "whole",
        size=size,
        outside=allow_outside,
    )
    dataset = written.dataset
    typer.echo(f"{len(dataset):,} images are in {written.path}, fingerprint {dataset.fingerprint}")
    for note in dataset.notes:
        typer.echo(f"note: {note}", err=True)
    if written.faces is not None:
        typer.echo(f"What was found in each photo is in {written.faces}", err=True)


def _show(description: Description, console: Console) -> None:
    from rich.markup import escape

    height, width = description.size
    total = sum(sum(numbers.values()) for numbers in description.counts.values())
    votes = ", with the votes of several taggers" if description.has_votes else ""
    form = "gray images" if description.channels == "gray" else "images in colour"
    console.print(f"[bold]{escape(description.name)}[/bold]: {total:,} {form} of {width}x{height} pixels{votes}")
    console.print(_count_table(description))
    console.print(_remarks(description))
    if description.problems:
        shown = min(len(description.problems), _PROBLEMS_SHOWN)
        console.print(f"{len(description.problems):,} could not be used, {shown} of them shown; --json lists all.")


def _remarks(description: Description) -> Table:
    from rich.markup import escape
    from rich.table import Table

    problems = [f"{problem.name}: {problem.reason}" for problem in description.problems[:_PROBLEMS_SHOWN]]
    table = Table.grid(padding=(0, 2))
    for heading, lines in (
        ("Source", [description.source]),
        ("Fingerprint", [description.fingerprint]),
        ("Licence", [description.licence]),
        ("Copies", _copy_lines(description.copies)),
        ("Notes", description.notes),
        ("Problems", problems),
    ):
        for position, line in enumerate(lines):
            table.add_row(heading if position == 0 else "", escape(line))
    return table


def _count_table(description: Description) -> Table:
    from rich.table import Table

    table = Table("expression")
    for role in description.counts:
        table.add_column(role, justify="right")
    columns = list(description.counts.values())
    for expression in columns[0]:
        table.add_row(expression, *(f"{column[expression]:,}" for column in columns))
    table.add_section()
    table.add_row("all", *(f"{sum(column.values()):,}" for column in columns))
    return table


def _copy_lines(copies: Copies) -> list[str]:
    if not copies.groups:
        return ["no two images are equal"]
    lines = [
        f"{copies.images:,} images are exact copies of one another, in {copies.groups:,} groups; "
        f"{copies.conflicting:,} groups with labels that differ"
    ]
    lines += [f"{count:,} images of {role} have a copy within {role}" for role, count in copies.within.items() if count]
    lines += [
        f"{count:,} images of {here} have a copy in {there}" for (here, there), count in copies.across.items() if count
    ]
    return lines
