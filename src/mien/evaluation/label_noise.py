"""Which labels are likely to be wrong, going by what a network answered for images that it had not learnt.

Source: Northcutt, Jiang & Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70, 2021. A
label is doubted when the network is as sure of another class as it is, on average, of the images that have that class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError


@dataclass(frozen=True, eq=False)
class LabelDoubts:
    """The labels that a network doubts, the most doubtful first.

    Attributes:
        index: shape (D,), int64, rows of the probabilities.
        answers: shape (D,), int64, the class that the network gives in place of the label.
        own: shape (D,), float64, probability of the label.
        other: shape (D,), float64, probability of the answer.
        thresholds: shape (K,), float64, mean probability of each class on the images that have it; NaN for a class
            without images.
    """

    index: NDArray[np.int64]
    answers: NDArray[np.int64]
    own: NDArray[np.float64]
    other: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.index)


def doubt_labels(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> LabelDoubts:
    """Rank the labels that are likely to be wrong.

    Args:
        probabilities: shape (N, K), rows sum to 1. They must be out of sample: of images that the network did not
            learn from, or every label looks right.
        labels: shape (N,), class numbers.

    Returns:
        The rows whose likeliest confident class (one whose probability reaches the threshold of the class) is not the
        label, by the margin between answer and label, the widest first; ties by row.

    Raises:
        DataError: the shapes do not fit.
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    if shares.ndim != 2 or len(shares) != len(labels):
        raise DataError(f"Expected probabilities for {len(labels):,} labels. Received shape: {shares.shape}.")
    rows = np.arange(len(labels))
    own = shares[rows, labels]
    counts = np.bincount(labels, minlength=shares.shape[1])
    sums = np.bincount(labels, weights=own, minlength=shares.shape[1])
    thresholds = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    # Comparisons with NaN are False: a class without images is never confident.
    confident = np.where(shares >= thresholds, shares, -1.0)
    answers = confident.argmax(axis=1)
    doubted = np.flatnonzero((confident.max(axis=1) >= 0) & (answers != labels))
    margin = shares[doubted, answers[doubted]] - own[doubted]
    ranked = doubted[np.argsort(-margin, kind="stable")]
    return LabelDoubts(ranked, answers[ranked], own[ranked], shares[ranked, answers[ranked]], thresholds)
