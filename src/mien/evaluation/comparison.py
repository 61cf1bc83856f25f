"""Are two networks different? Paired tests on the same images, corrected for many comparisons, over seeds.

Two accuracies on the same images differ far more surely than their two intervals suggest, because most images are right
or wrong for both networks. So pairs are compared image by image, and never by whether intervals overlap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, MissingExtraError
from mien.evaluation.intervals import LEVEL, Estimate, cluster_variance, t_quantile


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
        difference: figure of the first less that of the second, with its 95 % interval.
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
    log_factorial = _log_factorials(1 << total.bit_length())
    log_mass = log_factorial[total] - log_factorial[counts] - log_factorial[total - counts] - total * math.log(2)
    mass = np.exp(log_mass)
    tail = 2.0 * float(mass.sum())
    if first_only == second_only:
        return McNemar(first_only, second_only, 1.0, 1.0)
    return McNemar(first_only, second_only, min(1.0, tail), min(1.0, max(0.0, tail - float(mass[-1]))))


def compare(
    first: NDArray[np.bool_], second: NDArray[np.bool_], clusters: NDArray[np.int64] | None = None
) -> Comparison:
    """Compare two results on the same images by whether they were right.

    With one seed each: McNemar's mid-p, and Bonett and Price's interval. With several, or with images that come in
    groups: `compare_means`, which speaks of other seeds, and of other images or groups.

    Source: Bonett & Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data", J. Educ. Behav. Stat. 37, 2012.

    Args:
        first: shape (S, N), whether the result of each seed was right for each image.
        second: likewise, of the same shape.
        clusters: shape (N,), from 0, the group (person, clip) of each image; None where each is by itself.

    Raises:
        DataError: the shapes differ, or there are no images.
    """
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        raise DataError(
            f"Expected two arrays of one shape (seeds, images) that are not empty. "
            f"Received: {first.shape}, {second.shape}."
        )
    if len(first) > 1 or clusters is not None:
        found = compare_means(first, second, bound=1.0, clusters=clusters)
        return found if len(first) > 1 else replace(found, discordant=int((first != second).sum()))
    test = mcnemar(int((first & ~second).sum()), int((second & ~first).sum()))
    difference = paired_difference(test.first_only, test.second_only, first.size)
    return Comparison(difference, test.mid, 1, test.first_only + test.second_only)


def compare_means(
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    *,
    bound: float = math.inf,
    clusters: NDArray[np.int64] | None = None,
) -> Comparison:
    """Compare what each image says of two results: right answers, losses, any figure that is a mean over images.

    A t test whose variance is that of each result's mean over its seeds plus that of the difference over images, so
    that it speaks of other seeds and of other images. What the two have in common is counted on both sides, which errs
    towards caution. Of several seeds the degrees of freedom are Welch's: from one less than their number, where one
    result varies far more with its seed than the other, to twice that, where both vary alike. Few seeds tell little,
    whatever the number of images. (Counting the images in, as Satterthwaite would, calls two equal networks different
    in 10 to 14 of 100 cases with two seeds, instead of 5.) With one seed the test is over the images alone. Images that
    come in groups vary with their group: the variance is that of the groups' sums, and there are as many degrees of
    freedom as groups less one.

    Source: Welch, "The generalization of 'Student's' problem when several different population variances are involved",
    Biometrika 34, 1947.

    Args:
        first: shape (S, N), what each image says of each seed of the first result.
        second: likewise, of the same shape and images.
        bound: the difference lies within plus or minus this: 1 for a difference of shares.
        clusters: shape (N,), from 0, the group (person, clip) of each image; None where each is by itself.

    Raises:
        DataError: the shapes differ, or there are no images.
    """
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        raise DataError(
            f"Expected two arrays of one shape (seeds, images) that are not empty. "
            f"Received: {first.shape}, {second.shape}."
        )
    seeds, images = first.shape
    each = first.mean(axis=0, dtype=np.float64) - second.mean(axis=0, dtype=np.float64)
    value = float(each.mean())
    if clusters is None:
        units, of_images = images, float(each.var(ddof=1)) / images if images > 1 else 0.0
    else:
        units = int(clusters.max()) + 1
        of_images = cluster_variance(np.bincount(clusters, each - value).astype(np.float64)) / images**2
    of_seeds, freedom = 0.0, float(max(1, units - 1))
    if seeds > 1:
        parts = [float(side.mean(axis=1, dtype=np.float64).var(ddof=1)) / seeds for side in (first, second)]
        of_seeds, freedom = sum(parts), min(freedom, welch_freedom(parts, [seeds, seeds]))
    difference, p = t_difference(value, of_seeds + of_images, freedom, images, bound=bound)
    return Comparison(difference, p, seeds, None)


def welch_freedom(variances: Sequence[float], counts: Sequence[int]) -> float:
    """Welch's degrees of freedom of a difference of two means.

    Args:
        variances: of each mean, 0 or more.
        counts: of what each mean was taken over, 2 or more.

    Returns:
        From the smaller count less one to the sum of both counts less two; the latter where neither varies.
    """
    most = sum(count - 1 for count in counts)
    shares = sum(variance**2 / (count - 1) for variance, count in zip(variances, counts, strict=True))
    return sum(variances) ** 2 / shares if shares else float(most)


def t_difference(
    value: float, variance: float, freedom: float, count: int, *, bound: float = math.inf
) -> tuple[Estimate, float]:
    """A difference with its 95 % interval and the two-sided p of no difference, by Student's t.

    Args:
        value: the difference.
        variance: of that difference, 0 or more. Of none, any difference but 0 is certain.
        freedom: degrees of freedom of the variance.
        count: what the estimate names as its number.
        bound: the difference lies within plus or minus this.
    """
    if variance <= 0.0:
        return Estimate(value, value, value, count), float(value == 0.0)
    error = variance**0.5
    half = t_quantile(0.5 + LEVEL / 2, freedom) * error
    p = t_tail(abs(value) / error, freedom)
    return Estimate(value, max(-bound, value - half), min(bound, value + half), count), p


def paired_difference(first_only: int, second_only: int, count: int) -> Estimate:
    """The difference of two accuracies on the same images, with the interval of Bonett and Price (see `compare`).

    Args:
        first_only: images that only the first network got right.
        second_only: images that only the second one got right.
        count: all images, at least one.
    """
    value = (first_only - second_only) / count
    more, less = (first_only + 1) / (count + 2), (second_only + 1) / (count + 2)
    middle = more - less
    half = NormalDist().inv_cdf(0.5 + LEVEL / 2) * ((more + less - middle**2) / (count + 2)) ** 0.5
    return Estimate(value, min(max(-1.0, middle - half), value), max(min(1.0, middle + half), value), count)


@cache
def _log_factorials(below: int) -> NDArray[np.float64]:
    """The logarithms of 0! to (below - 1)!, kept: thousands of pairs ask for the same ones."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, below)))])


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

    These are the maximal cliques of the graph of pairs that do not differ.

    Source: Piepho, "An algorithm for a letter-based representation of all-pairwise comparisons", J. Comput. Graph.
    Stat. 13, 2004; found as Bron & Kerbosch do, Comm. ACM 16, 1973, with the pivot of Tomita et al., 2006.

    Args:
        different: shape (K, K), symmetric, whether two of K results differ.

    Returns:
        Each group as ascending indices, none inside another, in the order of their first members. Every result is in
        at least one.
    """
    if not len(different):
        return []
    # Sets of results are the bits of whole numbers.
    alike = [sum(1 << int(other) for other in np.flatnonzero(~row)) & ~(1 << one) for one, row in enumerate(different)]
    found: list[tuple[int, ...]] = []
    waiting: list[tuple[tuple[int, ...], int, int]] = [((), (1 << len(different)) - 1, 0)]
    while waiting:
        group, candidates, tried = waiting.pop()
        if not candidates | tried:
            found.append(tuple(sorted(group)))
            continue
        pivot = max(_members(candidates | tried), key=lambda one: (candidates & alike[one]).bit_count())
        for one in _members(candidates & ~alike[pivot]):
            waiting.append(((*group, one), candidates & alike[one], tried & alike[one]))
            candidates &= ~(1 << one)
            tried |= 1 << one
    return sorted(found)


def _members(bits: int) -> list[int]:
    """The positions of the bits that are set."""
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found


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
    variance = float(array.var(ddof=1)) / len(array)
    return t_difference(float(array.mean()), variance, len(array) - 1, len(array) if count is None else count)[0]


def t_tail(value: float, freedom: float) -> float:
    """The two-sided p of a value of Student's t, 0 or more."""
    try:
        from scipy.special import stdtr
    except ModuleNotFoundError as error:
        raise MissingExtraError("Comparing over seeds", "report") from error
    return float(2.0 * stdtr(freedom, -value))
