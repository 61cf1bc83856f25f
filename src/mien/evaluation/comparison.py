"""Are two networks different? Paired tests on the same images, corrected for many comparisons, over seeds.

Two accuracies on the same images differ far more surely than their two intervals suggest, because most images are right
or wrong for both networks. So pairs are compared image by image, and never by whether intervals overlap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, MissingExtraError
from mien.evaluation.intervals import LEVEL, Estimate
from mien.randomness import generator

# A difference has at most three values an image, so that many resamples cost nothing.
RESAMPLES = 10_000


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two networks on the same images: of those that just one got right, is it half each?

    Attributes:
        first_only: images that only the first network got right.
        second_only: images that only the second one got right.
        exact: two-sided p of the exact (binomial) test, 0 to 1; it keeps its level and is cautious.
        mid: the mid-p, 0 to 1: half the probability of what was seen is counted; nearly unbiased.
    """

    first_only: int
    second_only: int
    exact: float
    mid: float


@dataclass(frozen=True)
class Comparison:
    """What the same images say of two results.

    Attributes:
        difference: accuracy of the first less that of the second, with its 95 % interval.
        p: two-sided p of no difference, 0 to 1.
        seeds: of each result; with one, neither interval nor p say anything of another seed.
        discordant: images that just one of the two got right; None with several seeds.
    """

    difference: Estimate
    p: float
    seeds: int
    discordant: int | None


def mcnemar(first_only: int, second_only: int) -> McNemar:
    """McNemar's test from the two counts that differ.

    Source: McNemar, Psychometrika 12, 1947; exact and mid-p: Fagerland, Lydersen & Laake, "The McNemar test for binary
    matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Med. Res. Methodol. 13, 2013.

    Args:
        first_only: images that only the first network got right, 0 or more.
        second_only: images that only the second one got right, 0 or more.

    Raises:
        DataError: a count is negative.
    """
    if first_only < 0 or second_only < 0:
        raise DataError(f"Expected counts of 0 or more. Received: {first_only}, {second_only}.")
    total, least = first_only + second_only, min(first_only, second_only)
    counts = np.arange(least + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    log_mass = log_factorial[total] - log_factorial[counts] - log_factorial[total - counts] - total * math.log(2)
    mass = np.exp(log_mass)
    tail = 2.0 * float(mass.sum())
    if first_only == second_only:
        return McNemar(first_only, second_only, 1.0, 1.0)
    return McNemar(first_only, second_only, min(1.0, tail), min(1.0, max(0.0, tail - float(mass[-1]))))


def compare(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Comparison:
    """Compare two results on the same images.

    With one seed each: McNemar's mid-p, and a paired bootstrap over the images for the interval. With several: a t test
    whose variance is that of the difference over seeds plus that over images, with Satterthwaite's degrees of freedom,
    so that it speaks of other seeds and of other images. Seeds are paired in the order given. What images and seeds
    have in common is counted on both sides, which errs towards caution.

    Source: Efron & Tibshirani, "An introduction to the bootstrap", 1993; Satterthwaite, Biometrics Bull. 2, 1946.

    Args:
        first: shape (S, N), whether the result of each seed was right for each image.
        second: likewise, of the same shape.

    Raises:
        DataError: the shapes differ, or there are no images.
    """
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        raise DataError(
            f"Expected two arrays of one shape (seeds, images) that are not empty. "
            f"Received: {first.shape}, {second.shape}."
        )
    seeds = len(first)
    if seeds == 1:
        test = mcnemar(int((first & ~second).sum()), int((second & ~first).sum()))
        return Comparison(paired_bootstrap(first[0], second[0]), test.mid, 1, test.first_only + test.second_only)
    return compare_shares(first.astype(np.float64) - second.astype(np.float64))


def compare_shares(differences: NDArray[np.float64]) -> Comparison:
    """Compare by differences image by image, such as the mean difference of several pairs of networks.

    A t test as `compare` makes it of several seeds; with one seed, over the images alone.

    Args:
        differences: shape (S, N), of each seed and image, -1 to 1.

    Raises:
        DataError: there are no images.
    """
    if differences.ndim != 2 or not differences.size:
        raise DataError(f"Expected differences of shape (seeds, images), not empty. Received: {differences.shape}.")
    seeds, images = differences.shape
    of_seeds = float(differences.mean(axis=1).var(ddof=1)) / seeds if seeds > 1 else 0.0
    of_images = float(differences.mean(axis=0).var(ddof=1)) / images if images > 1 else 0.0
    value, variance = float(differences.mean()), of_seeds + of_images
    if variance == 0.0:
        return Comparison(Estimate(value, value, value, images), float(value == 0.0), seeds, None)
    freedom = variance**2 / (of_seeds**2 / max(1, seeds - 1) + of_images**2 / max(1, images - 1))
    half = t_quantile(0.5 + LEVEL / 2, freedom) * variance**0.5
    p = t_tail(abs(value) / variance**0.5, freedom)
    return Comparison(Estimate(value, max(-1.0, value - half), min(1.0, value + half), images), p, seeds, None)


def paired_bootstrap(first: NDArray[np.bool_], second: NDArray[np.bool_], resamples: int = RESAMPLES) -> Estimate:
    """The difference of two accuracies on the same images, with the percentile interval of a paired bootstrap.

    Images are drawn with replacement, each with both answers. Only the number of images that the first, the second or
    neither alone got right matters, so that number is drawn.

    Args:
        first: shape (N,), whether the first network was right for each image.
        second: likewise.
        resamples: how often N images are drawn.

    Raises:
        DataError: the shapes differ, or there are no images.
    """
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise DataError(f"Expected two arrays of one length, not empty. Received: {first.shape}, {second.shape}.")
    count = len(first)
    only = int((first & ~second).sum()), int((second & ~first).sum())
    drawn = generator(0, "paired bootstrap").multinomial(
        count, [only[0] / count, only[1] / count, (count - sum(only)) / count], size=resamples
    )
    value = (only[0] - only[1]) / count
    outside = (1.0 - LEVEL) / 2
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / count, [outside, 1.0 - outside])
    return Estimate(value, min(float(low), value), max(float(high), value), count)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values that may be read beside one another: the chance of any false alarm among all of them stays at the level.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6, 1979.

    Args:
        p_values: of all the tests that were made, 0 to 1.

    Returns:
        The adjusted values in the same order, never below the given ones.
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def groups(different: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Groups of results that cannot be told apart: two share a group when, and only when, they do not differ.

    Source: Piepho, "An algorithm for a letter-based representation of all-pairwise comparisons", J. Comput. Graph.
    Stat. 13, 2004 (insert and absorb).

    Args:
        different: shape (K, K), symmetric, whether two of K results differ.

    Returns:
        Each group as ascending indices, none inside another, in the order of their first members. Every result is in
        at least one.
    """
    found = [frozenset(range(len(different)))] if len(different) else []
    for first, second in np.argwhere(np.triu(different, 1)):
        split: list[frozenset[int]] = []
        for group in found:
            together = first in group and second in group
            split += [group - {int(first)}, group - {int(second)}] if together else [group]
        unique = list(dict.fromkeys(split))
        found = [group for group in unique if not any(group < other for other in unique)]
    return sorted(tuple(sorted(group)) for group in found)


def mean_estimate(values: Sequence[float], count: int | None = None) -> Estimate:
    """The mean of a few measurements with its 95 % interval by Student's t.

    Args:
        values: at least two measurements, such as one for each seed.
        count: what the estimate names as its number; by default the number of values.

    Raises:
        DataError: there are fewer than two values.
    """
    if len(values) < 2:
        raise DataError(f"An interval over seeds or networks needs at least two of them. Received: {len(values)}.")
    array = np.asarray(values, dtype=np.float64)
    value = float(array.mean())
    half = t_quantile(0.5 + LEVEL / 2, len(array) - 1) * float(array.std(ddof=1)) / len(array) ** 0.5
    return Estimate(value, value - half, value + half, len(array) if count is None else count)


def t_quantile(share: float, freedom: float) -> float:
    """The quantile of Student's t distribution below which a share of it lies."""
    try:
        from scipy.special import stdtrit
    except ModuleNotFoundError as error:
        raise MissingExtraError("Comparing over seeds", "report") from error
    return float(stdtrit(freedom, share))


def t_tail(value: float, freedom: float) -> float:
    """The two-sided p of a value of Student's t, 0 or more."""
    try:
        from scipy.special import stdtr
    except ModuleNotFoundError as error:
        raise MissingExtraError("Comparing over seeds", "report") from error
    return float(2.0 * stdtr(freedom, -value))
