"""Whether probabilities mean what they say, and what to do about it.

Everything here is fitted on the validation role and applied elsewhere: the temperature, the threshold below which
no label is given. `mien.prior` has the arithmetic of priors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.evaluation.intervals import Estimate, as_groups, effective_count, share_of

# Fifteen bins of equal width, as in Guo et al. (2017) and most of what followed.
BINS = 15

COLDEST, HOTTEST = 0.05, 20.0


def fit_temperature(logits: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """The temperature T for which softmax(logits / T) has the least cross-entropy against the targets.

    The loss is convex in 1/T, so its only minimum is where the derivative changes sign; bisection finds it.

    Source: Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017.

    Args:
        logits: shape (N, K), any finite numbers.
        targets: shape (N, K), rows sum to 1: one-hot labels or a vote distribution.

    Returns:
        The temperature, between 0.05 and 20. The ends are met where the least loss lies beyond them (logits without
        a single error, or that say nothing); 1 where the temperature makes no difference.

    Raises:
        DataError: there are no images, the shapes differ, or a logit is not finite.
    """
    z = _checked(logits, "logits")
    t = np.asarray(targets, dtype=np.float64)
    if t.shape != z.shape:
        raise DataError(f"Expected targets of the logits' shape {z.shape}. Received: {t.shape}.")
    z = z - z.max(axis=1, keepdims=True)
    if not z.any():
        return 1.0
    wanted = (t * z).sum(axis=1)

    def slope(inverse: float) -> float:
        """Derivative of the mean cross-entropy by 1/T: the expected logit less the wanted one."""
        weights = np.exp(inverse * z)
        return float(((weights * z).sum(axis=1) / weights.sum(axis=1) - wanted).mean())

    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(60):
        middle = (low + high) / 2
        if slope(float(np.exp(middle))) < 0:
            low = middle
        else:
            high = middle
    return float(np.clip(np.exp(-(low + high) / 2), COLDEST, HOTTEST))


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose top probability lies in one bin.

    Attributes:
        low: lower edge of the bin, itself outside (except 0).
        high: upper edge of the bin, itself inside.
        count: images in it.
        confidence: mean top probability, 0 to 1; None without images.
        accuracy: share of right labels; None without images.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """The bin as plain JSON values."""
        accuracy = None if self.accuracy is None else self.accuracy.to_json()
        return {
            "low": self.low,
            "high": self.high,
            "count": self.count,
            "confidence": self.confidence,
            "accuracy": accuracy,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The bin that `to_json` gave."""
        accuracy = value["accuracy"]
        return cls(**{**value, "accuracy": None if accuracy is None else Estimate.from_json(accuracy)})


def reliability(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.int64],
    bins: int = BINS,
    clusters: NDArray[np.int64] | None = None,
) -> tuple[ReliabilityBin, ...]:
    """A reliability diagram, as data: accuracy against confidence in bins of equal width, from 0 to 1.

    Each bin has the interval of `share_of`.

    Source: Guo et al., ICML 2017 (diagram and expected calibration error of the top label).

    Args:
        probabilities: shape (N, K), rows sum to 1.
        labels: shape (N,), the class numbers that count as right.
        bins: how many.
        clusters: shape (N,), the group of each image as a number (see `Predictions.clusters`); None without.

    Raises:
        DataError: there are no images, the shapes differ, or a probability is not finite.
    """
    confidence, right = _top(probabilities, labels)
    place = bin_of(confidence, bins)
    entries = []
    for index in range(bins):
        inside = place == index
        count = int(inside.sum())
        entries.append(
            ReliabilityBin(
                low=index / bins,
                high=(index + 1) / bins,
                count=count,
                # Sorted: a sum shall not depend on the order of the images.
                confidence=float(np.sort(confidence[inside]).mean()) if count else None,
                accuracy=_share(right, inside, clusters),
            )
        )
    return tuple(entries)


def bin_of(confidence: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """The number of the bin, 0 to `bins` - 1, that each confidence (0 to 1) falls into; upper edges are inside."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


@dataclass(frozen=True)
class Threshold:
    """What happens when labels are given only from a top probability on.

    Attributes:
        value: least top probability at which a label is given, 0 to 1.
        coverage: share of images that get a label.
        risk: share of wrong labels among those; None when none is given.
        count: images that it was measured on.
    """

    value: float
    coverage: Estimate
    risk: Estimate | None
    count: int

    def to_json(self) -> dict[str, Any]:
        """The threshold as plain JSON values."""
        return {
            "value": self.value,
            "coverage": self.coverage.to_json(),
            "risk": None if self.risk is None else self.risk.to_json(),
            "count": self.count,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The threshold that `to_json` gave."""
        risk = value["risk"]
        return cls(
            value=float(value["value"]),
            coverage=Estimate.from_json(value["coverage"]),
            risk=None if risk is None else Estimate.from_json(risk),
            count=int(value["count"]),
        )


def at_threshold(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.int64],
    value: float,
    clusters: NDArray[np.int64] | None = None,
) -> Threshold:
    """Coverage and risk when labels are given only from a top probability on, with the intervals of `share_of`.

    Args:
        probabilities: shape (N, K), rows sum to 1.
        labels: shape (N,), the class numbers that count as right.
        value: the least top probability, 0 to 1.
        clusters: shape (N,), the group of each image as a number (see `Predictions.clusters`); None without.

    Raises:
        DataError: there are no images, the shapes differ, or a probability is not finite.
    """
    confidence, right = _top(probabilities, labels)
    given = confidence >= value
    return Threshold(
        value=value,
        coverage=share_of(given, clusters),
        risk=_share(~right, given, clusters),
        count=len(given),
    )


def _share(
    successes: NDArray[np.bool_], among: NDArray[np.bool_], clusters: NDArray[np.int64] | None
) -> Estimate | None:
    """The share of some of the images; None of none."""
    return share_of(successes, clusters, among=among) if among.any() else None


def choose_unsure_threshold(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.int64],
    risk: float,
    confidence: float = 0.95,
    clusters: NDArray[np.int64] | None = None,
) -> Threshold | None:
    """The lowest threshold on the top probability that keeps a promised risk.

    Selection with guaranteed risk: a binary search over the observed top probabilities, in which a threshold passes
    when an exact binomial test rejects "more than `risk` of the given labels are wrong". The level of the tests is
    divided by their number, so that with probability `confidence` the promise holds for further images of the same
    kind, not only for these. Where images come in groups (persons, clips), each test is made with the effective number
    of images of `mien.evaluation.intervals.effective_count`, and the promise speaks of other groups.

    Source: Geifman & El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017.

    Args:
        probabilities: shape (N, K), rows sum to 1; of the validation role.
        labels: shape (N,), the class numbers that count as right.
        risk: largest share of wrong labels among those given, above 0 and below 1.
        confidence: the probability that the promise holds, above 0 and below 1.
        clusters: shape (N,), the group of each image as a number (see `Predictions.clusters`); None without.

    Returns:
        The threshold with the coverage and the risk measured on these images, or None when no threshold keeps the
        promise. The threshold is 0 when a label may always be given.

    Raises:
        DataError: there are no images, the shapes differ, a probability is not finite, or `risk` is out of range.
    """
    if not 0 < risk < 1 or not 0 < confidence < 1:
        raise DataError(f"Risk and confidence lie between 0 and 1. Received: {risk}, {confidence}.")
    top, right = _top(probabilities, labels)
    order = np.argsort(-top, kind="stable")
    wrong = ~right[order]
    groups = as_groups(None if clusters is None else clusters[order])
    # Thresholds with as many images each as reach them; equal probabilities are given a label together or not at all.
    last_of_equals = np.flatnonzero(np.append(np.diff(top[order]) != 0, True))
    tests = int(np.ceil(np.log2(len(last_of_equals) + 1)))
    level = (1 - confidence) / max(1, tests)

    passed = -1
    low, high = 0, len(last_of_equals) - 1
    while low <= high:
        middle = (low + high) // 2
        given = slice(last_of_equals[middle] + 1)
        if _at_most(wrong[given], None if groups is None else groups[given], risk, level):
            passed, low = middle, middle + 1
        else:
            high = middle - 1
    if passed < 0:
        return None
    everything = passed == len(last_of_equals) - 1
    value = 0.0 if everything else float(top[order][last_of_equals[passed]])
    return at_threshold(probabilities, labels, value, clusters)


def _at_most(wrong: NDArray[np.bool_], groups: NDArray[np.int64] | None, risk: float, level: float) -> bool:
    """Whether an exact binomial test at a level rejects that more than `risk` of the labels are wrong."""
    found, count = int(wrong.sum()), len(wrong)
    if groups is not None:
        counts = np.bincount(groups)
        # A test looks to one side alone, an interval of this level to both.
        effective = effective_count(np.bincount(groups[wrong], minlength=len(counts)), counts, 1 - 2 * level)
        found, count = math.ceil(found * effective / count), math.floor(effective)
    return count > 0 and _binomial_cdf(found, count, risk) <= level


def _checked(values: NDArray[np.floating], what: str) -> NDArray[np.float64]:
    checked = np.asarray(values, dtype=np.float64)
    if checked.ndim != 2 or not checked.size or not np.isfinite(checked).all():
        raise DataError(
            f"Expected {what} of shape (N, K), finite, of at least one image. Received: shape {checked.shape}, "
            f"{int((~np.isfinite(checked)).sum())} not finite."
        )
    return checked


def _top(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Top probability of each image, and whether its class is the right one."""
    checked = _checked(probabilities, "probabilities")
    if labels.shape != (len(checked),):
        raise DataError(f"Expected {len(checked)} labels. Received: {labels.shape}.")
    return checked.max(axis=1), checked.argmax(axis=1) == labels


def _binomial_cdf(successes: int, count: int, share: float) -> float:
    """Probability of at most `successes` in `count` draws that succeed with probability `share` (0 < share < 1)."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    k = np.arange(successes + 1)
    log_ways = log_factorial[count] - log_factorial[k] - log_factorial[count - k]
    return float(np.exp(log_ways + k * np.log(share) + (count - k) * np.log1p(-share)).sum())
