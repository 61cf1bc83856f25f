"""`mien evaluate`: how well any bundle does on any labelled data set."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import BUNDLE_HELP

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from mien.bundle import Bundle
    from mien.datasets.protocol import Opening, ProtocolSpec, Samples, Split
    from mien.evaluation.evaluate import Evaluation
    from mien.evaluation.metrics import Scores
    from mien.inference.classifier import Classifier
    from mien.labels import LabelSet
    from mien.predictions import Predictions

_BATCH = 64


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
        bool, typer.Option("--no-copies", help="Leave out test images with a copy in training or validation.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure a bundle on a data set, with intervals, for each expression, with and without copies.

    The images are taken as faces that are cut out already. What is not said of labels, roles and targets is as in the
    protocol on the bundle's card, so that the same data give the card's figures again.
    """
    from mien.bundle import load_bundle
    from mien.datasets.protocol import apply_protocol
    from mien.datasets.reading import read_dataset
    from mien.evaluation.evaluate import evaluate_predictions
    from mien.evaluation.metrics import leak_free
    from mien.inference.classifier import Classifier

    model = load_bundle(bundle)
    classifier = Classifier(model)
    dataset = read_dataset(data, votes=votes)
    split = apply_protocol(dataset, _protocol(model, labels, roles, targets))
    _check_labels(model, split.label_set)
    samples, copies = _samples(split, role, model)
    predictions = _predictions(classifier, samples, copies, split.label_set)
    if no_copies:
        predictions = leak_free(predictions)
    evaluation = evaluate_predictions(predictions, split.label_set, model.unsure)
    facts = {
        "model": model.identity,
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint, "split": split.hash, "role": role.value},
        "same_data_as_card": split.hash == model.card.get("data", {}).get("split"),
    }
    if as_json:
        typer.echo(json.dumps({**facts, **evaluation.to_json()}, indent=1))
        return
    _show(facts, evaluation)


def _protocol(model: Bundle, labels: str | None, roles: str | None, targets: str | None) -> ProtocolSpec:
    from mien.datasets.protocol import ProtocolSpec

    said = {"labels": labels, "roles": roles, "targets": targets}
    return ProtocolSpec(**{**model.card.get("protocol", {}), **{key: word for key, word in said.items() if word}})


def _check_labels(model: Bundle, label_set: LabelSet) -> None:
    from mien.errors import DataError

    missing = [expression.value for expression in label_set.expressions if expression not in model.label_set]
    if missing:
        raise DataError(
            f"{model.name} cannot answer for {', '.join(missing)}. It knows: "
            f"{', '.join(model.label_set.expressions)}. Leave the others out with --labels {model.label_set.name}."
        )


def _samples(split: Split, role: RoleChoice, model: Bundle) -> tuple[Samples, NDArray[np.bool_]]:
    """The samples of a role, and which of them have a copy in the roles that the model may have seen."""
    import numpy as np

    from mien.datasets.protocol import copies_in_training

    if role is RoleChoice.TEST:
        copies = copies_in_training(split)
        return split.test.open(by=model.identity, reason="mien evaluate", log=_log), copies
    samples = split.train if role is RoleChoice.TRAIN else split.validation
    return samples, np.zeros(len(samples), dtype=bool)


def _log(opening: Opening) -> None:
    typer.echo(f"test labels opened: {opening.when}, {opening.count:,} images, split {opening.split}", err=True)


def _predictions(
    classifier: Classifier, samples: Samples, copies: NDArray[np.bool_], label_set: LabelSet
) -> Predictions:
    import numpy as np

    from mien.evaluation.evaluate import pack_predictions
    from mien.inference.crops import resize_crops

    size = classifier.bundle.crop_rule.size
    blocks = [samples.images[start : start + _BATCH] for start in range(0, len(samples), _BATCH)]
    return pack_predictions(
        np.concatenate([classifier.predict(resize_crops(np.asarray(block), size)) for block in blocks]),
        classifier.bundle.label_set,
        label_set,
        labels=samples.labels,
        targets=samples.targets,
        ids=samples.ids,
        copies=copies,
    )


def _show(facts: dict[str, Any], evaluation: Evaluation) -> None:
    from rich.markup import escape

    from mien.cli.console import open_console

    console, data = open_console(), facts["data"]
    console.print(
        f"{escape(facts['model'])} on the {data['role']} role of {escape(data['name'])}, split {data['split']}"
    )
    if facts["same_data_as_card"]:
        console.print("These are the data and the protocol of the model's card.")
    console.print(_figure_table(evaluation))
    console.print(_class_table("Expressions", evaluation.scores))
    if evaluation.leak_free is not None:
        console.print(_class_table("Expressions, without copies", evaluation.leak_free))
    answers = evaluation.answers
    if answers is not None:
        risk = "" if answers.risk is None else f"; of those a wrong one: {answers.risk}"
        console.print(
            f"Surely labelled, from probability {answers.value:.3f} on: {answers.coverage}{risk}", markup=False
        )


def _figure_table(evaluation: Evaluation) -> Table:
    from rich.table import Table

    from mien.evaluation.metrics import METRICS

    columns = [("all images", evaluation.scores)]
    if evaluation.leak_free is not None:
        columns.append(
            (f"without the {evaluation.copies:,} with a copy in training or validation", evaluation.leak_free)
        )
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
