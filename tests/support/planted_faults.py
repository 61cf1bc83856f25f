"""Answers with a fault in them, and a study in which four faults are planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mien.predictions import Predictions
from mien.study.plan import Plan
from mien.study.record import RunRecord
from support.fake_records import answers, history_with, plan_of, predictions_of, record_of

# Images by expression: happiness is the commonest with a quarter, in a test role of 1,200.
SUPPORT = (160, 180, 300, 220, 140, 200)

PLANTED = """
schema = 1
name = "small"
[data]
path = "drawn"
[protocol]
labels = "six"
[recipe]
epochs = 6
optimizer = "rmsprop"
learning_rate = 0.001
[[tables]]
name = "faults"
rows = [
  { label = "as usual" },
  { label = "relu", activation = "relu" },
  { label = "rate 1", learning_rate = 1.0 },
  { label = "leak" , dropout = 0.1 },
]
"""


def known(skill: float = 2.0, **more: Any) -> Predictions:
    return answers(SUPPORT, skill=skill, **more)


def outputs(change: Callable[[np.ndarray], None]) -> Predictions:
    predictions = known()
    changed = predictions.outputs.astype(np.float64)
    change(changed)
    return predictions_of(changed, predictions.labels)


def silent(share: float) -> Predictions:
    def mute(values: np.ndarray) -> None:
        values[: round(share * len(values))] = 0.0

    return outputs(mute)


def copies_right(accuracy: float) -> Predictions:
    """A quarter of the images are copies, answered rightly that often; the others half of the time."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(6), 200)
    right = rng.random(1_200) < np.where(np.arange(1_200) < 300, accuracy, 0.5)
    return predictions_of(np.eye(6)[np.where(right, labels, (labels + 1) % 6)], labels, copies=300)


def planted() -> tuple[Plan, dict[str, RunRecord]]:
    """A study with a relu head that died, a rate of 1, test labels that leaked into training, and one seed."""
    plan = plan_of(PLANTED)
    usual, relu, rate, leak = plan.runs
    half = [0.3, 0.4, 0.45, 0.48, 0.5, 0.5]
    honest = {"history": history_with([1.7, 1.5, 1.4, 1.35, 1.34, 1.34], accuracy=half)}
    records = {
        usual.id: record_of(usual, copies_right(0.5), **honest),
        relu.id: record_of(relu, silent(0.6), history=history_with([1.7] * 6, accuracy=[0.42] * 6)),
        rate.id: record_of(rate, known(only=2), history=history_with([1.76] * 6, accuracy=[0.25] * 6)),
        leak.id: record_of(leak, copies_right(1.0), **honest),
    }
    return plan, records
