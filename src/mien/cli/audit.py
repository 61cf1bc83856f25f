"""`mien data audit`: what is wrong with a data set, before figures are made with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import mien
from mien.cli.bar import Bar
from mien.cli.options import CHANNELS_HELP, CLASSES_HELP, DATA_HELP, OUTSIDE_HELP, ChannelsChoice, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from mien.datasets.audit.run import Audit
    from mien.evaluation.agreement import Agreement


def audit(
    path: Annotated[str, typer.Argument(help=DATA_HELP)],
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes (fer2013new.csv) for FER2013.")] = None,
    reader: Annotated[str | None, typer.Option(help="Name of the reader; chosen by the path if not given.")] = None,
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
    channels: Annotated[ChannelsChoice | None, typer.Option(help=CHANNELS_HELP)] = None,
    allow_outside: Annotated[bool, typer.Option("--allow-outside", help=OUTSIDE_HELP)] = False,
    record: Annotated[
        Path | None, typer.Option(help="A run's folder in a store: its answers rank labels that are likely wrong.")
    ] = None,
    faces: Annotated[
        bool, typer.Option("--faces/--no-faces", help="Look with a face detector for images that show no face.")
    ] = True,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the page with pictures, the JSON, and the lists.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Look for what makes figures wrong: copies across roles, wrong labels, mixed-up roles and classes, empty images.

    With --output, a page shows it with pictures, and cleaning.csv lists the images to leave out, for a study's [data].
    """
    from mien.cli.console import open_console

    with Bar("reading") as bar:
        found = mien.audit(
            path,
            run=record,
            faces=faces,
            progress=bar.doing,
            reader=reader,
            votes=votes,
            classes=classes,
            channels=channels,
            outside=allow_outside,
        )
    remark = None if output is None else found.write(output)
    if as_json:
        print_json(found.to_json())
    else:
        _show(found.found, found.agreement, open_console())
        if output is not None:
            typer.echo(f"Written to {output}: {', '.join(sorted(entry.name for entry in output.iterdir()))}")
    if remark:
        typer.echo(remark, err=True)


def _show(found: Audit, agreement: dict[str, Agreement], console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    described = found.description
    total = sum(sum(numbers.values()) for numbers in described.counts.values())
    console.print(f"[bold]{escape(described.name)}[/bold]: {total:,} images, fingerprint {described.fingerprint}")
    if found.known is not None and not found.known.differences:
        console.print(f"The counts are those of {found.known.known.name}.")
    if not found.findings:
        console.print("Nothing was found.")
    else:
        table = Table("", "finding")
        for finding in found.findings:
            table.add_row(finding.severity.value, escape(finding.title))
        console.print(table)
    copies = Table("copies", "groups", "images", "labels differ", *(f"{a} in {b}" for a, b in found.copies[0].across))
    for count in found.copies:
        numbers = (count.groups, count.images, count.conflicting, *count.across.values())
        copies.add_row(count.kind, *(f"{number:,}" for number in numbers))
    console.print(copies)
    if agreement:
        people = Table("people", "images", "one against the rest", "two agree")
        for role, measured in agreement.items():
            estimates = (measured.one_against_rest, measured.pairwise)
            people.add_row(
                role, f"{measured.pairwise.count:,}", *(f"{e.value:.1%} [{e.low:.1%}, {e.high:.1%}]" for e in estimates)
            )
        console.print(people)
    if found.cleaning:
        console.print(f"The cleaning list leaves out {len(found.cleaning):,} images.")
