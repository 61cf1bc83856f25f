"""`mien models`: the networks that can be trained and compared."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="Look at the networks that can be compared.")


@app.callback()
def models() -> None:
    """Look at the networks that can be compared."""


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the backbones: least and usual input size, parameters, depth, licence, and where they fail."""
    rows = _rows()
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Backbones (parameters and depth without a head)")
    table.add_column("name", no_wrap=True)
    table.add_column("title", no_wrap=True)
    for heading in ("least size", "usual size", "parameters", "depth"):
        table.add_column(heading, justify="right")
    table.add_column("licence")
    table.add_column("fails on")
    for row in rows:
        table.add_row(
            row["name"],
            row["title"],
            str(row["minimum_size"]),
            str(row["default_size"]),
            f"{row['parameters']:,}",
            str(row["depth"]),
            row["licence"],
            ", ".join(row["fails_on"]),
        )
    Console().print(table)


def _rows() -> list[dict[str, Any]]:
    from mien.study.backbones import BACKBONES

    shown = ("title", "minimum_size", "default_size", "parameters", "depth", "licence", "channels")
    return [
        {"name": name, **{key: asdict(row)[key] for key in shown}, "fails_on": dict(row.fails_on)}
        for name, row in BACKBONES.items()
    ]
