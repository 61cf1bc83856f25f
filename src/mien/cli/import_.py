"""`mien import`: another model's answers, put beside mien's own runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import CHANNELS_HELP, CLASSES_HELP, LABELS_HELP, ChannelsChoice


class KindChoice(StrEnum):
    """What answers can be."""

    PROBABILITIES = "probabilities"
    LOGITS = "logits"
    LABELS = "labels"


class ImportedRole(StrEnum):
    """The roles that can have been answered."""

    VALIDATION = "validation"
    TEST = "test"


def import_(
    answers: Annotated[Path, typer.Argument(metavar="ANSWERS", help="A .csv or .npz of answers.")],
    data: Annotated[str, typer.Option("--data", help="The data set that was answered for.")],
    name: Annotated[str, typer.Option("--name", help="What the model is called in tables.")],
    output: Annotated[Path, typer.Option("--output", help="The store that the run is put into.")] = Path(
        "stores/imported"
    ),
    labels: Annotated[
        str | None,
        typer.Option(help="The model's labels in the order of its columns, with commas. A CSV's header says them too."),
    ] = None,
    kind: Annotated[
        KindChoice | None, typer.Option(help="What the answers are, where their form does not say.")
    ] = None,
    role: Annotated[ImportedRole, typer.Option(help="Which images were answered.")] = ImportedRole.TEST,
    label_set: Annotated[str, typer.Option("--label-set", help=LABELS_HELP)] = "dataset",
    roles: Annotated[str, typer.Option(help="Roles: auto, official, deck or split.")] = "auto",
    targets: Annotated[str, typer.Option(help="What is right: labels, votes, majority or multi_target.")] = "labels",
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes (fer2013new.csv) for FER2013.")] = None,
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
    channels: Annotated[ChannelsChoice | None, typer.Option(help=CHANNELS_HELP)] = None,
) -> None:
    """Put another model's answers for a data set into a store, as a run that was not trained here."""
    from mien.api.foreign import import_answers

    run = import_answers(
        name,
        answers,
        data,
        output,
        role=role.value,
        kind=None if kind is None else kind.value,
        labels=None if labels is None else [word.strip() for word in labels.split(",")],
        label_set=label_set,
        roles=roles,
        targets=targets,
        votes=votes,
        classes=classes,
        channels=channels,
    )
    scores = run.scores(role.value)
    typer.echo(f"{run.folder}: {name}, {scores.count:,} images, accuracy {scores.accuracy:.1%}")
    for text in (run.record.foreign or {})["unknown"].values():
        typer.echo(text)
