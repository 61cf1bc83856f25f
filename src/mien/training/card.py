"""The card of an exported model: what it is, how it was made, how well it does, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mien.bundle import UnsureRule
from mien.datasets.dataset import Role
from mien.evaluation.evaluate import Evaluation
from mien.evaluation.metrics import Scores, right_by_probability
from mien.files import canonical_json, parse_json
from mien.study.recipe import Recipe
from mien.study.record import RunRecord

INTENDED_USE = (
    "Naming the expression that people would most probably see in a face in a still photo: for research, teaching, and "
    "sorting one's own pictures. The input is one roughly frontal face, cut out by the crop rule of this bundle."
)
NOT_FOR = (
    "Saying what someone feels, thinks or intends: a label names how a face looks to others.",
    "Judging people: hiring, schooling, policing, insurance, medicine or care.",
    "Telling people apart, or guessing age, sex or origin.",
    "People and pictures unlike those it was trained on, without measuring it there first: mien evaluate BUNDLE DATA.",
)
LICENCE_NOT_STATED = (
    "Not stated by whoever exported the model. What was learned from the data may be bound to the data's licence."
)


def figures(scores: Scores) -> dict[str, Any]:
    """The figures of a card, each with its interval; `mien evaluate` gives the same ones."""
    return {"images": scores.count, **scores.figures(), "majority_share": scores.majority_share.to_json()}


def figures_by_expression(scores: Scores) -> dict[str, Any]:
    """Images, precision, recall and F1 of each expression."""
    rows = {}
    for entry in scores.classes:
        values = entry.to_json()
        rows[entry.expression.value] = {
            "images": entry.support,
            **{name: values[name] for name in ("precision", "recall", "f1") if values[name] is not None},
        }
    return rows


def test_sections(test: Evaluation) -> dict[str, Any]:
    """What a card says of the test role: figures on all images and without copies, confusions, and reliability."""
    sections = {
        "test": {**figures(test.scores), **_answers(test)},
        "test_by_expression": figures_by_expression(test.scores),
    }
    if test.leak_free is not None:
        sections |= {
            "test_without_copies": {"left_out": test.copies, **figures(test.leak_free)},
            "test_without_copies_by_expression": figures_by_expression(test.leak_free),
        }
    return {
        **sections,
        "test_given_label_by_right_label": _confusion(test.scores),
        "test_right_by_probability": right_by_probability(test.scores),
    }


def make_card(
    record: RunRecord,
    *,
    study: str | None,
    licence: str | None,
    weights_note: str | None,
    conversion: Mapping[str, Any],
    adjust_prior: float,
    mirror: bool,
    validation: tuple[Evaluation, Evaluation],
    test: Evaluation,
    temperature: float,
    risk: float,
    unsure: UnsureRule | None,
) -> dict[str, Any]:
    """The card of a bundle, as plain JSON values.

    Args:
        record: of the run that trained the network.
        study: name of the study that asked for the run.
        licence: of the exported weights, in words.
        weights_note: where pretrained weights come from, in words.
        conversion: what was measured when the network was converted.
        adjust_prior: how strongly common expressions were made less preferred, 0 to 1.
        mirror: whether the model answers for each face and its mirror image together.
        validation: on the validation role, before and after the temperature.
        test: on the test role, after the temperature.
        temperature: divisor of the logits.
        risk: the share of wrong labels that was asked for.
        unsure: the rule that was found for it, or None.
    """
    network = {key: value for key, value in record.network.items() if key != "structure"}
    return {
        "intended_use": INTENDED_USE,
        "not_for": list(NOT_FOR),
        "licence": {
            "model": licence or LICENCE_NOT_STATED,
            "data": record.data["licence"],
            "pretrained_weights": weights_note or _pretrained(record.recipe),
            **taught_by(record.recipe),
        },
        "data": {key: record.data[key] for key in _OF_DATA if key in record.data},
        "protocol": dict(record.protocol),
        "images": record.data["counts"],
        **test_sections(test),
        "calibration": calibration_section(validation, temperature, risk, unsure),
        "network": {"backbone": record.recipe["backbone"], **network},
        "recipe": _recipe(record.recipe),
        "conversion": dict(conversion),
        "adjusted_for_prior": adjust_prior,
        "mirrored": mirror,
        "origin": {
            "made_by": f"mien export (mien {version('mien')})",
            "study": study or "not known",
            "run": record.id,
            "trained": record.started,
            "epoch": record.chosen[-1],
            "minutes": round(record.seconds.get("total", 0.0) / 60, 1),
        },
        "trained_with": {key: value for key, value in record.environment.items() if value is not None},
    }


# Channels are there for data in colour alone.
_OF_DATA = ("name", "fingerprint", "split", "source", "channels", "framing", "notes")


def _answers(evaluation: Evaluation) -> dict[str, Any]:
    """What the rule for leaving a face unlabelled does on these images."""
    answers = evaluation.answers
    if answers is None:
        return {}
    values: dict[str, Any] = {"coverage_of_sure": answers.coverage.to_json()}
    return values if answers.risk is None else {**values, "risk_of_sure": answers.risk.to_json()}


def _confusion(scores: Scores) -> dict[str, Any]:
    names = [expression.value for expression in scores.label_set.expressions]
    return {right: dict(zip(names, row, strict=True)) for right, row in zip(names, scores.confusion, strict=True)}


def calibration_section(
    validation: tuple[Evaluation, Evaluation], temperature: float, risk: float, unsure: UnsureRule | None
) -> dict[str, Any]:
    """What a card says of the temperature and the rule for "unsure"; the arguments are those of `make_card`."""
    before, after = (evaluation.scores for evaluation in validation)
    rule: Any = "No threshold keeps that risk on the validation role: a label is always given."
    if unsure is not None:
        rule = {"threshold": unsure.threshold, "risk": unsure.risk, "coverage": unsure.coverage}
    return {
        "measured_on": f"{Role.VALIDATION.value} role, {after.count} images",
        "temperature": temperature,
        "log_loss_before": before.log_loss.to_json(),
        "log_loss_after": after.log_loss.to_json(),
        "calibration_error_before": before.calibration_error.to_json(),
        "calibration_error_after": after.calibration_error.to_json(),
        "accuracy": after.accuracy.to_json(),
        "risk_asked_for": risk,
        "unsure_below": rule,
    }


def _recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that differ from mien's defaults, nested ones by their path, and those always asked for."""
    # As a record has them: a list where the recipe has a tuple.
    defaults = _flat(parse_json(canonical_json(Recipe().to_json())))
    asked_for = ("backbone", "weights", "epochs", "batch_size", "optimizer", "learning_rate", "loss", "seed")
    values = _flat({**recipe, "weights": _file_name(recipe["weights"])})
    return {key: value for key, value in values.items() if key in asked_for or value != defaults.get(key)}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def taught_by(recipe: Mapping[str, Any]) -> dict[str, str]:
    """What a card says of a recipe's teachers, whose own licences may bind; nothing where there are none."""
    models = recipe.get("teacher", {}).get("models", ())
    if not models:
        return {}
    return {"teachers": f"Learned from what these models say of the training images: {', '.join(models)}."}


def _pretrained(recipe: Mapping[str, Any]) -> str:
    if recipe["weights"] == "none":
        return "None: trained from random weights."
    return "ImageNet weights of keras.applications, trained on ImageNet (research use)."


def _file_name(weights: str) -> str:
    return weights if weights in ("none", "imagenet") else Path(weights).name
