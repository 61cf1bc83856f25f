"""`mien train`: one run, as a study with one cell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.options import CHANNELS_HELP, CLASSES_HELP, DATA_HELP, LABELS_HELP, ChannelsChoice, finite


def train(
    data: Annotated[str, typer.Argument(help=DATA_HELP)],
    backbone: Annotated[str, typer.Option(help="A name from `mien models list`, or file.py:function.")] = "mien_small",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 10,
    labels: Annotated[str, typer.Option(help=LABELS_HELP)] = "dataset",
    roles: Annotated[str, typer.Option(help="Roles: auto, official, deck or split.")] = "auto",
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
    channels: Annotated[ChannelsChoice | None, typer.Option(help=CHANNELS_HELP)] = None,
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes (fer2013new.csv) for FER2013.")] = None,
    test: Annotated[
        str | None,
        typer.Option("--test", metavar="DATA", help="Another data set: all its images are the test role."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting of a recipe, as in a study file. Repeatable."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="Folder of the run record.")] = Path("stores/train"),
    minutes: Annotated[
        float | None, typer.Option(min=0.0, callback=finite, help="Stop after this time; run again to go on.")
    ] = None,
) -> None:
    """Train one network, evaluate it on the test role, and write its record and report."""
    from mien.api.studying import check_training_and_report
    from mien.api.training import plan_training
    from mien.cli.study import tell_report, watched

    check_training_and_report()
    ahead = plan_training(
        data,
        backbone,
        epochs=epochs,
        labels=labels,
        roles=roles,
        test=test,
        settings=_settings(settings or []),
        store=output,
        classes=classes,
        channels=channels,
        votes=votes,
    )
    complete = watched(ahead, minutes=minutes, keep_checkpoints=True)
    tell_report(output)
    if not complete:
        raise typer.Exit(1)


def _settings(texts: list[str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for key, value in map(_setting, texts):
        if key in said:
            raise typer.BadParameter(f"--set says {key} twice")
        said[key] = value
    return said


def _setting(text: str) -> tuple[str, Any]:
    """KEY=VALUE, the value as in a study file; a bare word is a text."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise typer.BadParameter(f"expected KEY=VALUE, as in optimizer=adam. Received: {text!r}")
    from mien.api.training import parse_value

    return key.strip(), parse_value(value)
