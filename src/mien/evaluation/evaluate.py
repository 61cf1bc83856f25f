"""From a model's probabilities for a data set to scores: labels brought together, copies told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.bundle import UnsureRule
from mien.errors import DataError
from mien.evaluation.calibration import Threshold, at_threshold
from mien.evaluation.metrics import Scores, leak_free, score
from mien.labels import LabelSet, project
from mien.predictions import Predictions


@dataclass(frozen=True)
class Evaluation:
    """How well a model answers for a set of labelled images.

    Attributes:
        scores: on all images.
        leak_free: on the images without an exact copy in the training or validation role. None when no image has a
            copy (the scores would be the same) or every image has one.
        copies: images with such a copy.
        answers: coverage and risk under the model's own rule for leaving a face unlabelled; None without a rule.
    """

    scores: Scores
    leak_free: Scores | None
    copies: int
    answers: Threshold | None

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain JSON values."""
        return {
            "scores": self.scores.to_json(),
            "leak_free": None if self.leak_free is None else self.leak_free.to_json(),
            "copies": self.copies,
            "answers": None if self.answers is None else self.answers.to_json(),
        }


def pack_predictions(
    probabilities: NDArray[np.floating],
    source: LabelSet,
    label_set: LabelSet,
    *,
    labels: NDArray[np.int64],
    targets: NDArray[np.floating],
    ids: NDArray[np.str_],
    copies: NDArray[np.bool_],
    groups: NDArray[np.str_] | None = None,
) -> Predictions:
    """A model's probabilities as predictions over the label set of a data set.

    Expressions that the data set lacks are dropped and the rest renormalised.

    Args:
        probabilities: shape (N, len(source)), rows sum to 1.
        source: the expressions that the model knows.
        label_set: the expressions of the data set, each known to the model.
        labels: shape (N,), right class numbers in `label_set`.
        targets: shape (N, len(label_set)), rows sum to 1.
        ids: shape (N,), sample names.
        copies: shape (N,), whether an exact copy lies in the training or validation role.
        groups: shape (N,), the person or sequence of each image, empty where unknown; None without any.

    Raises:
        DataError: the model does not know an expression of `label_set`, or the numbers of images differ.
    """
    lengths = {len(values) for values in (probabilities, labels, targets, ids, copies)}
    if len(lengths) != 1:
        raise DataError(f"Expected one number of images for everything. Received: {sorted(lengths)}.")
    return Predictions(
        outputs=project(probabilities, source, label_set).astype(np.float32),
        targets=np.asarray(targets, dtype=np.float32),
        labels=np.asarray(labels, dtype=np.int64),
        ids=ids,
        copies=np.asarray(copies, dtype=np.bool_),
        groups=groups,
    )


def evaluate_predictions(predictions: Predictions, label_set: LabelSet, unsure: UnsureRule | None = None) -> Evaluation:
    """Score predictions on all images and on those that the model cannot have seen.

    Args:
        predictions: of at least one image.
        label_set: the expressions that the outputs stand for, in order.
        unsure: the model's rule for leaving a face unlabelled.

    Raises:
        DataError: there are no images, or the predictions do not fit the label set.
    """
    unseen, copies = leak_free(predictions), int(predictions.copies.sum())
    scores = score(predictions, label_set)
    return Evaluation(
        scores=scores,
        leak_free=score(unseen, label_set) if copies and len(unseen) else None,
        copies=copies,
        answers=(
            None
            if unsure is None
            else at_threshold(
                predictions.probabilities, predictions.labels, unsure.threshold, clusters=predictions.clusters
            )
        ),
    )
