"""`mien models`: the networks that can be trained and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.network_pictures import draw, left_out, show
from mien.cli.options import BUNDLE_HELP, CLASSES_HELP, print_json

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
    """List the backbones, those of other packages too: input sizes, parameters, depth, licence, and where they fail."""
    from mien.api.networks import backbone_rows

    rows = backbone_rows(left_out=left_out)
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    from mien.cli.console import open_console

    table = Table(title="Backbones (parameters and depth without a head)")
    table.add_column("name", no_wrap=True)
    for heading in ("least size", "usual size", "parameters", "depth"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("normalisation", justify="right")
    table.add_column("licence")
    table.add_column("from")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['minimum_size']} px",
            f"{row['default_size']} px",
            "-" if row["parameters"] is None else f"{row['parameters'] / 1e6:.1f} M",
            "-" if row["depth"] is None else str(row["depth"]),
            f"{row['norm_layers']}, {row['norm_decay']:g}" if row["norm_layers"] else "-",
            row["licence"],
            row["from"],
        )
    open_console().print(table)
    for row in rows:
        for backend, reason in row["fails_on"].items():
            typer.echo(f"{row['title']} does not work on Keras' {backend} backend: {reason}")


@app.command()
def known(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List what expression models of others take and give, for `mien wrap --contract`."""
    from mien.api.networks import contract_rows

    rows = contract_rows()
    if as_json:
        print_json(rows)
        return
    # Nine facts do not fit beside each other on a terminal of 80 columns: a paragraph each.
    for row in rows:
        known_by = "running it" if row["tried"] else "reading it"
        typer.echo(f"{row['name']}: {row['source']} (known by {known_by})")
        typer.echo(f"  labels  {', '.join(row['labels'])}")
        typer.echo(f"  input   {' or '.join(map(str, row['sizes']))} pixels, {row['channels']}, scale {row['scale']}")
        typer.echo(f"  crop    {row['crop']}")
        typer.echo(f"  gives   {row['gives']}")
        typer.echo(f"  licence {row['licence']}\n")


@app.command()
def quantise(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help=BUNDLE_HELP)],
    data: Annotated[str, typer.Option("--data", help="The data set that its run was trained on.")],
    output: Annotated[Path, typer.Option("--output", help="The bundle that is written.")],
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes, where the run had them.")] = None,
    cleaning: Annotated[Path | None, typer.Option(help="The run's cleaning list, where it had one.")] = None,
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
) -> None:
    """Let a model compute in whole numbers of 8 bits: faster, a quarter of the size, and measured anew."""
    from mien.api.quantising import quantise as quantise_bundle

    made = quantise_bundle(bundle, data, output, votes=votes, cleaning=cleaning, classes=classes)
    typer.echo(f"{output}: {made.bundle.identity}, model of {len(made.bundle.onnx) / 1e6:.2f} MB")
    typer.echo(
        f"On the validation role: accuracy {made.after.value:.1%}, before {made.before.value:.1%}; another label for "
        f"{made.other_labels} of {made.after.count:,} images."
    )


@app.command()
def seen(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help=BUNDLE_HELP)],
    data: Annotated[str, typer.Option("--data", help="The data set that its run was trained on.")],
    output: Annotated[Path, typer.Option("--output", help="The bundle that is written.")],
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes, where the run had them.")] = None,
    cleaning: Annotated[Path | None, typer.Option(help="The run's cleaning list, where it had one.")] = None,
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
) -> None:
    """Add to an older bundle what is known of the images that it was made with.

    Their hashes, so that `mien evaluate` knows them, and what they look like, so that `mien predict` says which faces
    are unlike them.
    """
    from mien.api.evaluating import add_seen

    written, found = add_seen(bundle, data, output, votes=votes, cleaning=cleaning, classes=classes)
    typer.echo(
        f"{output}: {written.identity}, learned from {len(found.train):,} different images and was chosen with "
        f"{len(found.validation):,}"
    )
