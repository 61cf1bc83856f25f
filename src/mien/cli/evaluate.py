"""`mien evaluate`: how well any bundle does on any labelled data set."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import BUNDLE_HELP

if TYPE_CHECKING:
    from rich.table import Table

    from mien.api.evaluating import ModelEvaluation
    from mien.datasets.protocol import Opening
    from mien.evaluation.evaluate import Evaluation
    from mien.evaluation.metrics import Scores


class RoleChoice(StrEnum):
    """The roles that can be asked for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help=BUNDLE_HELP)],
    data: Annotated[str, typer.Argument(metavar="DATA", help='A data set that mien reads, or "drawn".')],
    role: Annotated[RoleChoice, typer.Option(help="Which images.")] = RoleChoice.TEST,
    labels: Annotated[str | None, typer.Option(help="Label set: dataset, six, seven or eight.")] = None,
    roles: Annotated[str | None, typer.Option(help="Roles: auto, official, deck or split.")] = None,
    targets: Annotated[str | None, typer.Option(help="What is right: labels, votes, majority or multi_target.")] = None,
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes (fer2013new.csv) for FER2013.")] = None,
    no_copies: Annotated[
        bool, typer.Option("--no-copies", help="Leave out the images that the model has seen.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure a bundle on a data set, with intervals, for each expression, with and without images that it has seen.

    The images are taken as faces that are cut out already. What is not said of labels, roles and targets is as in the
    protocol on the bundle's card, so that the same data give the card's figures again.
    """
    from mien.api.evaluating import evaluate as measure

    found = measure(
        bundle,
        data,
        role=role.value,
        labels=labels,
        roles=roles,
        targets=targets,
        unseen_only=no_copies,
        log=_log,
        votes=votes,
    )
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1))
        return
    _show(found)


def _log(opening: Opening) -> None:
    typer.echo(f"test labels opened: {opening.when}, {opening.count:,} images, split {opening.split}", err=True)


def _show(found: ModelEvaluation) -> None:
    from rich.markup import escape

    from mien.cli.console import open_console

    console, data, evaluation = open_console(), found.data, found.evaluation
    console.print(f"{escape(found.model)} on the {data['role']} role of {escape(data['name'])}, split {data['split']}")
    if found.same_data_as_card:
        console.print("These are the data and the protocol of the model's card.")
    console.print(_familiar_line(found))
    console.print(_figure_table(evaluation))
    console.print(_class_table("Expressions", evaluation.scores))
    if evaluation.leak_free is not None:
        console.print(_class_table("Expressions, without images seen", evaluation.leak_free))
    answers = evaluation.answers
    if answers is not None:
        risk = "" if answers.risk is None else f"; of those a wrong one: {answers.risk}"
        console.print(
            f"Surely labelled, from probability {answers.value:.3f} on: {answers.coverage}{risk}", markup=False
        )


def _familiar_line(found: ModelEvaluation) -> str:
    familiar, total = found.familiar, found.evaluation.scores.count
    if not familiar.known:
        return (
            "Which images the model has learned from is unknown: its bundle does not say (mien models seen adds it). "
            "Test images with a copy in these data's own training or validation role are taken for seen."
        )
    return (
        f"Of {total:,} images the model has learned from {familiar.learned:,}, and {familiar.chosen:,} more served to "
        "choose it."
    )


def _figure_table(evaluation: Evaluation) -> Table:
    from rich.table import Table

    from mien.evaluation.metrics import METRICS

    columns = [("all images", evaluation.scores)]
    if evaluation.leak_free is not None:
        columns.append((f"without the {evaluation.copies:,} that the model has seen", evaluation.leak_free))
    table = Table("figure", *(heading for heading, _ in columns))
    for metric in METRICS.values():
        table.add_row(metric.title, *(metric.text(metric.of(scores)) for _, scores in columns))
    table.add_section()
    table.add_row(
        "Always the commonest", *(f"{scores.majority_share} ({scores.majority.value})" for _, scores in columns)
    )
    return table


def _class_table(title: str, scores: Scores) -> Table:
    from rich.table import Table

    table = Table("expression", "images", "precision", "recall", "F1", title=title)
    for entry in scores.classes:
        estimates = (entry.precision, entry.recall, entry.f1)
        shown = ["" if e is None else f"{e.value:.1%} [{e.low:.1%}, {e.high:.1%}]" for e in estimates]
        table.add_row(entry.expression.value, f"{entry.support:,}", *shown)
    return table
