"""What is fitted on the validation role for a bundle: the temperature and the rule for "unsure"."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mien.bundle import UnsureRule
from mien.datasets.dataset import Role
from mien.evaluation.calibration import choose_unsure_threshold
from mien.inference.classifier import softmax
from mien.predictions import Predictions

SMALLEST = float(np.finfo(np.float32).tiny)


def logits_of(predictions: Predictions) -> NDArray[np.float64]:
    """Logits up to a constant for each image, which softmax does not see: the logarithms of its probabilities."""
    return np.log(np.maximum(predictions.probabilities, SMALLEST))


def at_temperature(predictions: Predictions, temperature: float) -> Predictions:
    """The same answers with their logits divided by the temperature."""
    return replace(predictions, outputs=softmax(logits_of(predictions) / temperature).astype(np.float32))


def unsure_rule(validation: Predictions, risk: float) -> UnsureRule | None:
    """The rule that keeps to the risk on the validation role; None where no threshold does.

    Args:
        validation: answers at the model's temperature.
        risk: largest share of wrong labels among those given, above 0 and below 1.
    """
    found = choose_unsure_threshold(validation.probabilities, validation.labels, risk, clusters=validation.clusters)
    if found is None or found.risk is None:
        return None
    measured_on = f"{Role.VALIDATION.value} role, {found.count} images"
    return UnsureRule(found.value, found.risk.value, found.coverage.value, measured_on)
