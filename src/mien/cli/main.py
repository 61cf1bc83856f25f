"""The command `mien`: it translates words into calls, and errors into one sentence."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mien.cli import data, models, study
from mien.cli.demo import demo
from mien.cli.evaluate import evaluate
from mien.cli.explain import explain
from mien.cli.export import export
from mien.cli.predict import predict
from mien.cli.train import train
from mien.errors import MienError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Read facial expressions in still images; train and compare the networks that do. Labels are what people "
    "would call a face, not what someone feels: not for judging people at work or in school.",
)
app.add_typer(data.app, name="data", help="Look at labelled data sets.")
app.add_typer(models.app, name="models", help="The networks that mien knows.")
app.add_typer(study.app, name="study", help="Plan, run and report studies.")
app.command()(predict)
app.command()(explain)
app.command()(train)
app.command()(export)
app.command()(evaluate)
app.command()(demo)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"mien {version('mien')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: ARG001 - typer calls it by its name
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line. Bad input ends with one sentence and exit code 2."""
    try:
        app()
    except MienError as error:
        typer.echo(f"mien: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("mien: stopped; the same command goes on from the last finished epoch.", err=True)
        sys.exit(130)
