"""A model's answers against the votes of several taggers: by how far they agree, and by which rule they decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.evaluation.agreement import entropy_bits
from mien.evaluation.intervals import Estimate, mean_of, rank_correlation, share_of
from mien.evaluation.metrics import LEAST_PROBABILITY
from mien.votes import Votes

TENTHS = 10
VOTE_ACCURACY = "Accuracy for what taggers said"


@dataclass(frozen=True)
class AgreementStratum:
    """Images on which the taggers agree to one degree.

    Attributes:
        name: how many agree, in words: "7 of 10", also where there are more or fewer than ten taggers.
        low: share of the votes for the commonest answer above which the stratum begins.
        high: the largest share in it.
        accuracy: share of the plurality's labels that the model gives too; its `count` is the number of images.
    """

    name: str
    low: float
    high: float
    accuracy: Estimate

    def to_json(self) -> dict[str, Any]:
        """The stratum as plain JSON values."""
        return {"name": self.name, "low": self.low, "high": self.high, "accuracy": self.accuracy.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The stratum that `to_json` gave."""
        return cls(value["name"], float(value["low"]), float(value["high"]), Estimate.from_json(value["accuracy"]))


@dataclass(frozen=True)
class VoteScores:
    """How well a model answers for what several taggers said, whatever counts as right elsewhere.

    Attributes:
        plurality: accuracy on the images of which one class alone has the most votes.
        official: accuracy on the images to which FER+'s own majority rule gives a label; None where it gives none.
        divergence: mean Kullback-Leibler divergence of the model's probabilities from the votes, in nats, on the images
            of `plurality`; 0 when they are the same.
        entropy: Spearman's rank correlation of the entropy of the model's probabilities with that of the votes, on the
            images of `plurality`: 1 when the model is the less sure of an image, the less people agree on it. None
            where either is the same for all images.
        halves: the images where more than half of the votes are for the commonest answer, and the others.
        tenths: the images by tenths of the votes for the commonest answer, the most agreed first.
    """

    plurality: Estimate
    official: Estimate | None
    divergence: Estimate
    entropy: Estimate | None
    halves: tuple[AgreementStratum, ...]
    tenths: tuple[AgreementStratum, ...]

    def figures(self) -> Iterator[tuple[str, str, Estimate]]:
        """Each figure with its title and the images that it is of, in words."""
        yield VOTE_ACCURACY, "one answer alone has the most votes", self.plurality
        if self.official is not None:
            yield VOTE_ACCURACY, "FER+'s own majority rule", self.official
        for stratum in (*self.halves, *self.tenths):
            yield VOTE_ACCURACY, f"{stratum.name} taggers agree", stratum.accuracy
        yield "Divergence of the votes", "one answer alone has the most votes", self.divergence
        if self.entropy is not None:
            yield "Doubt where taggers doubt (rank correlation)", "one answer alone has the most votes", self.entropy

    def to_json(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "plurality": self.plurality.to_json(),
            "official_majority": None if self.official is None else self.official.to_json(),
            "divergence": self.divergence.to_json(),
            "entropy": None if self.entropy is None else self.entropy.to_json(),
            "halves": [stratum.to_json() for stratum in self.halves],
            "tenths": [stratum.to_json() for stratum in self.tenths],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The scores that `to_json` gave."""
        official, entropy = value["official_majority"], value.get("entropy")
        return cls(
            plurality=Estimate.from_json(value["plurality"]),
            official=None if official is None else Estimate.from_json(official),
            divergence=Estimate.from_json(value["divergence"]),
            entropy=None if entropy is None else Estimate.from_json(entropy),
            halves=tuple(map(AgreementStratum.from_json, value["halves"])),
            tenths=tuple(map(AgreementStratum.from_json, value["tenths"])),
        )


def score_votes(
    probabilities: NDArray[np.floating], votes: Votes, clusters: NDArray[np.int64] | None = None
) -> VoteScores | None:
    """Score a model's answers against the votes.

    Shares have Wilson intervals, the divergence the percentile interval of a bootstrap over images, and the correlation
    that of `rank_correlation`. Where images come in groups (persons, clips), all of them are for other groups: shares
    and divergence as `score` has them then.

    Args:
        probabilities: shape (N, K), rows sum to 1.
        votes: of the same images, over the same classes.
        clusters: shape (N,), the group of each image as a number (see `Predictions.clusters`); None without.

    Returns:
        The scores; None when no image has a class that alone has the most votes.

    Raises:
        DataError: the shapes differ.
    """
    if probabilities.shape != votes.shares.shape:
        raise DataError(f"Expected probabilities of shape {votes.shares.shape}. Received: {probabilities.shape}.")
    decided = votes.plurality >= 0
    if not decided.any():
        return None
    answers = probabilities.argmax(axis=1)
    right, agreement = (answers == votes.plurality)[decided], votes.agreement[decided]
    official = votes.official >= 0
    groups = None if clusters is None else clusters[decided]
    # Shares are quotients of small whole numbers: a hair's breadth of rounding must not move 5 of 10.
    tenth = np.ceil(agreement * TENTHS - 1e-9).astype(np.int64)
    halves = [
        ("more than half of the", 0.5, 1.0, tenth > TENTHS // 2),
        ("half or fewer of the", 0.0, 0.5, tenth <= TENTHS // 2),
    ]
    tenths = [
        (f"{number} of {TENTHS}", (number - 1) / TENTHS, number / TENTHS, tenth == number)
        for number in range(TENTHS, 0, -1)
    ]
    shares, answered = votes.shares[decided], probabilities[decided]
    return VoteScores(
        plurality=share_of(right, groups),
        official=_share((answers == votes.official)[official], None if clusters is None else clusters[official]),
        divergence=mean_of(_divergence(shares, answered), groups, "divergence"),
        # Rounded, or the order of the classes would break ties between votes that are spread alike.
        entropy=rank_correlation(entropy_bits(answered).round(9), entropy_bits(shares).round(9), groups),
        halves=_strata(halves, right, groups),
        tenths=_strata(tenths, right, groups),
    )


def _strata(
    parts: list[tuple[str, float, float, NDArray[np.bool_]]],
    right: NDArray[np.bool_],
    groups: NDArray[np.int64] | None,
) -> tuple[AgreementStratum, ...]:
    found = [
        (name, low, high, _share(right[inside], None if groups is None else groups[inside]))
        for name, low, high, inside in parts
    ]
    return tuple(AgreementStratum(name, low, high, share) for name, low, high, share in found if share is not None)


def _share(right: NDArray[np.bool_], groups: NDArray[np.int64] | None) -> Estimate | None:
    return share_of(right, groups) if len(right) else None


def _divergence(shares: NDArray[np.float64], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sum of v ln(v / p) of each row, in nats; p is raised to at least `LEAST_PROBABILITY`, as in the log loss."""
    ratio = np.where(shares > 0, shares / np.maximum(probabilities, LEAST_PROBABILITY), 1.0)
    return np.asarray((shares * np.log(ratio)).sum(axis=1), dtype=np.float64)
