"""How far people agree on the expression of a face, from the votes of several taggers.

What a network can reach on labels that people gave is bounded by how well people agree on them: a person who is asked
about the same images gives the label of the others no more often than `one_against_rest` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.evaluation.intervals import Estimate, mean_of, share_of

# Shares of the commonest answer that bound the strata: at least nine of ten is unanimous but for a slip, and below six
# of ten the others outweigh it in most pairs of people.
UNANIMOUS = 0.9
CLEAR = 0.6


@dataclass(frozen=True)
class Stratum:
    """Images on which people agree to a similar degree.

    Attributes:
        name: "unanimous", "clear" or "ambiguous".
        share: of the images.
        entropy: mean entropy of the answers, in bits; 0 where all agree.
        one_against_rest: as in `Agreement`, on these images; None when there are none.
    """

    name: str
    share: Estimate
    entropy: float
    one_against_rest: Estimate | None


@dataclass(frozen=True)
class Agreement:
    """How far the taggers of some images agree.

    Attributes:
        one_against_rest: how often one tagger gives the answer that most of the others gave. Where k answers of the
            others are tied for the most, giving one of them counts 1/k.
        pairwise: how often two taggers of an image give one answer.
        strata: the images by how far people agree on them.
    """

    one_against_rest: Estimate
    pairwise: Estimate
    strata: tuple[Stratum, ...]

    def to_json(self) -> dict[str, Any]:
        """The agreement as plain JSON values."""
        return {
            "one_against_rest": self.one_against_rest.to_json(),
            "pairwise": self.pairwise.to_json(),
            "strata": [
                {
                    "name": stratum.name,
                    "share": stratum.share.to_json(),
                    "entropy_bits": stratum.entropy,
                    "one_against_rest": stratum.one_against_rest and stratum.one_against_rest.to_json(),
                }
                for stratum in self.strata
            ],
        }


def measure_agreement(votes: NDArray[np.float64], clusters: NDArray[np.int64] | None = None) -> Agreement:
    """Measure how far taggers agree.

    Shares have Wilson intervals, means the percentile interval of a bootstrap over images. Where images come in groups
    (persons, clips), both speak of other groups: `share_of`, `mean_of`.

    Args:
        votes: shape (N, M), whole non-negative numbers: how many taggers gave each of M answers. Images with fewer
            than two votes say nothing about agreement and are left out. M counts every answer that could be given,
            "unknown" too where it was offered.
        clusters: shape (N,), the group of each image as a number (see `Predictions.clusters`); None without.

    Raises:
        DataError: no image has two votes, or a number of votes is not whole.
    """
    votes = np.asarray(votes, dtype=np.float64)
    if votes.ndim != 2 or (votes < 0).any() or (votes != np.floor(votes)).any():
        raise DataError("Votes are counts of people: whole numbers from 0 on, a row for each image.")
    several = votes.sum(axis=1) >= 2
    votes, clusters = votes[several], None if clusters is None else clusters[several]
    if not len(votes):
        raise DataError("Agreement needs images with the votes of at least two taggers. None has them.")
    alone, pairs = one_against_rest(votes), pairwise(votes)
    return Agreement(
        one_against_rest=mean_of(alone, clusters, "agreement", most=1.0),
        pairwise=mean_of(pairs, clusters, "agreement", most=1.0),
        strata=_strata(votes, alone, clusters),
    )


def one_against_rest(votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (N,): the mean credit of an image's taggers against the rest; see `Agreement`.

    Args:
        votes: shape (N, M), at least two votes a row.
    """
    credit = np.zeros(len(votes))
    for answer in range(votes.shape[1]):
        gave = votes[:, answer] > 0
        others = votes[gave].copy()
        others[:, answer] -= 1
        most = others.max(axis=1)
        tied = (others == most[:, None]).sum(axis=1)
        credit[gave] += votes[gave, answer] * np.where(others[:, answer] == most, 1.0 / tied, 0.0)
    return np.asarray(credit / votes.sum(axis=1), dtype=np.float64)


def pairwise(votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (N,): the share of an image's pairs of taggers that gave one answer.

    Args:
        votes: shape (N, M), at least two votes a row.
    """
    total = votes.sum(axis=1)
    return np.asarray((votes * (votes - 1)).sum(axis=1) / (total * (total - 1)), dtype=np.float64)


def entropy_bits(votes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Shape (N,): entropy of the answers to each image, in bits; 0 where all agree, log2(M) at most."""
    given = votes.astype(np.float64)
    shares = given / given.sum(axis=1, keepdims=True)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(np.maximum(-(shares * logs).sum(axis=1), 0.0), dtype=np.float64)


def strata_of(votes: NDArray[np.float64]) -> NDArray[np.str_]:
    """Shape (N,): "unanimous", "clear" or "ambiguous", by the share of the commonest answer."""
    # Shares are quotients of small whole numbers: a hair's breadth of rounding must not move 6 of 10.
    share = votes.max(axis=1) / votes.sum(axis=1) + 1e-9
    return np.where(share >= UNANIMOUS, "unanimous", np.where(share >= CLEAR, "clear", "ambiguous"))


def _strata(
    votes: NDArray[np.float64], alone: NDArray[np.float64], clusters: NDArray[np.int64] | None
) -> tuple[Stratum, ...]:
    names, entropy = strata_of(votes), entropy_bits(votes)
    strata = []
    for name in ("unanimous", "clear", "ambiguous"):
        inside = names == name
        estimate, mean = None, 0.0
        if inside.any():
            own = None if clusters is None else clusters[inside]
            estimate = mean_of(alone[inside], own, "agreement", name, most=1.0)
            mean = float(entropy[inside].mean())
        strata.append(Stratum(name, share_of(inside, clusters), mean, estimate))
    return tuple(strata)
