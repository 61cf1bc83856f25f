"""`mien models`: the networks that can be trained and compared."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from mien.cli.pictures import draw, show

app = typer.Typer(no_args_is_help=True, help="Look at the networks that can be compared.")
app.command()(draw)
app.command()(show)


@app.callback()
def models() -> None:
    """Look at the networks that can be compared."""


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the backbones: input sizes, parameters, depth, normalisation, licence, and where they fail."""
    rows = _rows()
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    from rich.table import Table

    from mien.cli.console import open_console

    table = Table(title="Backbones (parameters and depth without a head)")
    table.add_column("name", no_wrap=True)
    for heading in ("least size", "usual size", "parameters", "depth"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("normalisation", justify="right")
    table.add_column("licence")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['minimum_size']} px",
            f"{row['default_size']} px",
            f"{row['parameters'] / 1e6:.1f} M",
            str(row["depth"]),
            f"{row['norm_layers']}, {row['norm_decay']:g}" if row["norm_layers"] else "-",
            row["licence"],
        )
    open_console().print(table)
    for row in rows:
        for backend, reason in row["fails_on"].items():
            typer.echo(f"{row['title']} does not work on Keras' {backend} backend: {reason}")


def _rows() -> list[dict[str, Any]]:
    from mien.study.backbones import BACKBONES

    shown = (
        "title",
        "minimum_size",
        "default_size",
        "parameters",
        "depth",
        "norm_layers",
        "norm_decay",
        "norm_epsilon",
        "licence",
        "channels",
    )
    return [
        {"name": name, **{key: asdict(row)[key] for key in shown}, "fails_on": dict(row.fails_on)}
        for name, row in BACKBONES.items()
    ]
