"""The command `mien`: it translates words into calls, and errors into one sentence."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from mien.errors import MienError

# In the order of the help text. Each is in the module of its name; a group has its own commands there.
GROUPS = {
    "data": "Look at labelled data sets.",
    "models": "The networks that mien knows.",
    "study": "Plan, run and report studies.",
}
COMMANDS = ("predict", "explain", "serve", "notice", "train", "export", "evaluate", "demo")


def command_line(words: Sequence[str] = ()) -> typer.Typer:
    """The command `mien`.

    Args:
        words: the arguments of this start. Where they name a command, the others are left out: to load them all and
            look at their options takes a tenth of the time in which `mien predict` reads a photo.
    """
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Read facial expressions in still images; train and compare the networks that do. Labels are what people "
        "would call a face, not what someone feels: not for judging people at work or in school.",
    )
    app.callback()(_options)
    called = next((word for word in words if not word.startswith("-")), None)
    every = called not in {*GROUPS, *COMMANDS}
    for name, text in GROUPS.items():
        if every or name == called:
            app.add_typer(import_module(f"mien.cli.{name}").app, name=name, help=text)
    for name in COMMANDS:
        if every or name == called:
            app.command()(getattr(import_module(f"mien.cli.{name}"), name))
    return app


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"mien {version('mien')}")
        raise typer.Exit


def _options(
    version: Annotated[  # noqa: ARG001 - typer calls it by its name
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line. Bad input ends with one sentence and exit code 2."""
    try:
        command_line(sys.argv[1:])()
    except MienError as error:
        typer.echo(f"mien: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("mien: stopped; the same command goes on from the last finished epoch.", err=True)
        sys.exit(130)
