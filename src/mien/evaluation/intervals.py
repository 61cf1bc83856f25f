"""Numbers with their uncertainty: shares by Wilson's interval, everything else by a bootstrap over images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.randomness import generator

LEVEL = 0.95
RESAMPLES = 1000

# Most images that are drawn at once: keeps the memory of a bootstrap below 150 MiB for a data set of any size.
_DRAWN_AT_ONCE = 2_000_000

# Most bytes of draws that are kept for the next result on as many images.
_KEPT = 64_000_000


@dataclass(frozen=True)
class Estimate:
    """A number measured on a sample of images, with its confidence interval.

    >>> str(Estimate(0.625, 0.6137, 0.6362, count=7067))
    '62.5% [61.4%, 63.6%], n=7067'
    >>> f"{Estimate(1.04, 1.01, 1.07, count=7067):.2f}"
    '1.04 [1.01, 1.07], n=7067'

    Attributes:
        value: what was measured.
        low: lower end of the interval; never above `value`.
        high: upper end of the interval; never below `value`.
        count: the number of images that it was measured on.
    """

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return format(self, ".1%")

    def __format__(self, spec: str) -> str:
        """The three numbers in one format, a percentage with one decimal unless told otherwise."""
        spec = spec or ".1%"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}], n={self.count}"

    def to_json(self) -> dict[str, Any]:
        """The estimate as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The estimate that `to_json` gave."""
        return cls(float(value["value"]), float(value["low"]), float(value["high"]), int(value["count"]))


def rank_correlation(
    first: NDArray[np.floating], second: NDArray[np.floating], clusters: NDArray[np.int64] | None = None
) -> Estimate | None:
    """Spearman's rank correlation; equal values share their mean rank.

    The interval is that of Bonett and Wright. Where images come in groups (persons, clips), it is Student's t of what
    each group adds to the correlation, on Fisher's scale and to first order, and speaks of other groups.

    Source: Bonett & Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman correlations",
    Psychometrika 65, 2000; what an image adds: Croux & Dehon, "Influence functions of the Spearman and Kendall
    correlation measures", Stat. Methods Appl. 19, 2010.

    Args:
        first: shape (N,).
        second: shape (N,), of the same images in the same order.
        clusters: shape (N,), the number of each image's group; None where each is by itself. Images that are all of one
            group, or each of another, say nothing of groups.

    Returns:
        The correlation, -1 to 1; None where all values of one are equal, or of fewer than four images.
    """
    count = len(first)
    if count < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    a, b = _ranks(first), _ranks(second)
    value = float(a @ b / math.sqrt((a @ a) * (b @ b)))
    if abs(value) >= 1:
        return Estimate(value, value, value, count)
    numbers = as_groups(clusters)
    if numbers is not None:
        order = np.lexsort((second, first, numbers))  # the interval shall not depend on the order of the images
        added = _added_to_correlation(first[order], second[order], value)
        sums = np.bincount(numbers[order], added).astype(np.float64)
        error = cluster_variance(sums) ** 0.5 / count
        reach = t_quantile(0.5 + LEVEL / 2, len(sums) - 1) * error / (1 - value**2)
    else:
        reach = NormalDist().inv_cdf(0.5 + LEVEL / 2) * math.sqrt((1 + value**2 / 2) / (count - 3))
    middle = math.atanh(value)
    return Estimate(value, min(value, math.tanh(middle - reach)), max(value, math.tanh(middle + reach)), count)


def _added_to_correlation(
    first: NDArray[np.floating], second: NDArray[np.floating], value: float
) -> NDArray[np.float64]:
    """Shape (N,), of mean 0: what each image adds to Spearman's correlation, by its place and by the ranks it moves."""
    count = len(first)
    a, b = _ranks(first) / (2 * count), _ranks(second) / (2 * count)  # as shares of the images, about 0

    def moved(values: NDArray[np.floating], others: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of `others` over the images above each one, half of it for its equals: an image raises these ranks."""
        _, place = np.unique(values, return_inverse=True)
        sums = np.bincount(place, others)
        above = sums[::-1].cumsum()[::-1] - sums / 2
        return np.asarray(above[place] / count, dtype=np.float64)

    product = a * b + moved(first, b) + moved(second, a)
    spread_a, spread_b = a**2 + 2 * moved(first, a), b**2 + 2 * moved(second, b)
    scale_a, scale_b = float((a**2).mean()), float((b**2).mean())
    added = product / math.sqrt(scale_a * scale_b) - value / 2 * (spread_a / scale_a + spread_b / scale_b)
    return np.asarray(added - added.mean(), dtype=np.float64)


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Twice the ranks less their mean: whole numbers, of which sums do not depend on the order of the images."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((2 * np.cumsum(counts) - counts - len(values))[place], dtype=np.float64)


def wilson(successes: int, count: int, level: float = LEVEL) -> Estimate:
    """A share with Wilson's score interval, which stays inside 0..1 and is sound at 0, at 1 and for small counts.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.

    Args:
        successes: 0 to `count`.
        count: at least 1.
        level: the interval's confidence level, above 0 and below 1.

    Raises:
        DataError: the share is not defined, because there are no images, or more successes than images.
    """
    if not 0 <= successes <= count or count < 1:
        raise DataError(
            f"A share needs at least one image, and 0 to as many successes. Received: {successes} of {count}."
        )
    return _wilson(successes / count, count, count, level)


def _wilson(share: float, effective: float, count: int, level: float) -> Estimate:
    """Wilson's interval of a share, as of so many independent images."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    shrink = 1.0 + z**2 / effective
    centre = (share + z**2 / (2 * effective)) / shrink
    half = z / shrink * (share * (1 - share) / effective + z**2 / (4 * effective**2)) ** 0.5
    # At a share of 0 or 1 the end meets the share exactly; rounding may leave it 1e-17 on the wrong side.
    return Estimate(share, min(max(0.0, centre - half), share), max(min(1.0, centre + half), share), count)


def clustered_share(successes: NDArray[np.integer], counts: NDArray[np.integer], level: float = LEVEL) -> Estimate:
    """A share of images that come in groups, with an interval that speaks of other groups (persons, clips).

    Wilson's interval for the effective number of images: so many independent ones as would let the share vary as it
    does from group to group, lowered for few groups by Student's t. Where all or none are successes, or all images
    are of one group, nothing tells how groups vary, and each counts as a single image.

    Source: Korn & Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24, 1998.

    Args:
        successes: shape (G,), of each group.
        counts: shape (G,), images of each group; groups without any do not count.
        level: the interval's confidence level.

    Raises:
        DataError: there are no images.
    """
    effective = effective_count(successes, counts, level)
    count = int(counts.sum())
    return _wilson(int(successes.sum()) / count, effective, count, level)


def effective_count(successes: NDArray[np.integer], counts: NDArray[np.integer], level: float = LEVEL) -> float:
    """How many independent images tell as much of a share as images that come in groups: see `clustered_share`.

    Args:
        successes: shape (G,), of each group.
        counts: shape (G,), images of each group; groups without any do not count.
        level: the confidence level of the interval that is to be made of it.

    Raises:
        DataError: there are no images.
    """
    found, sizes = (values[counts > 0].astype(np.float64) for values in (successes, counts))
    count, groups = int(sizes.sum()), len(sizes)
    if not count:
        raise DataError("A share needs at least one image. Received: none.")
    share = float(found.sum()) / count
    effective = count**2 / float((sizes**2).sum())
    variance = cluster_variance(found - share * sizes) / count**2
    if 0.0 < share < 1.0 and groups > 1:
        effective = min(float(count), share * (1 - share) / variance) if variance > 0 else float(count)
    if groups > 1:
        effective *= (NormalDist().inv_cdf(0.5 + level / 2) / t_quantile(0.5 + level / 2, groups - 1)) ** 2
    return effective


def share_of(
    successes: NDArray[np.bool_],
    clusters: NDArray[np.int64] | None = None,
    level: float = LEVEL,
    *,
    among: NDArray[np.bool_] | None = None,
) -> Estimate:
    """A share of images, with Wilson's interval; where they come in groups, that of `clustered_share`.

    Args:
        successes: shape (N,), at least one.
        clusters: shape (N,), the number of each image's group; None where each is by itself. Images that are all of one
            group, or each of another, say nothing of groups.
        level: the interval's confidence level.
        among: shape (N,), the images that the share is of; None for all. Whether images come in groups, all of them
            say: those of a part may be of one.

    Raises:
        DataError: there are no images.
    """
    counted = np.ones(len(successes), dtype=bool) if among is None else among
    numbers = as_groups(clusters)
    if numbers is not None:
        groups = int(numbers.max()) + 1
        found, counts = (np.bincount(numbers[mask], minlength=groups) for mask in (successes & counted, counted))
        return clustered_share(found, counts, level)
    return wilson(int(successes[counted].sum()), int(counted.sum()), level)


def mean_of(
    values: NDArray[np.floating], clusters: NDArray[np.int64] | None, *names: str, most: float = math.inf
) -> Estimate:
    """The mean of what each image says, 0 or more, with the percentile interval of a bootstrap over images.

    Where they come in groups, the interval is that of `clustered_mean`. It does not depend on the order of the images.

    Args:
        values: shape (N,), at least one.
        clusters: as in `share_of`.
        names: say which random numbers are taken.
        most: the largest value that an image can have.
    """
    numbers = as_groups(clusters)
    if numbers is not None:
        order = np.lexsort((values, numbers))
        value = float(values[order].mean())
        return clustered_mean(value, values[order] - value, numbers[order], most=most)
    ordered = np.sort(values)
    sums = Draws(len(ordered), *names).sums(ordered[:, np.newaxis])  # which are by position
    return percentile_estimate(float(ordered.mean()), sums[:, 0] / len(ordered), len(ordered))


def as_groups(clusters: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """The groups numbered from 0 without a gap; None where they say nothing: all are one, or each is of one image."""
    if clusters is None:
        return None
    numbers = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    return numbers if 1 < int(numbers.max(initial=0)) + 1 < len(numbers) else None


def clustered_mean(
    value: float, deviations: NDArray[np.floating], clusters: NDArray[np.int64], *, most: float = math.inf
) -> Estimate:
    """A figure that is the mean over images which come in groups, with Student's t of what each group adds to it.

    Args:
        value: the figure, 0 or more.
        deviations: shape (N,), what each image says of it, less that figure.
        clusters: shape (N,), from 0, the number of each image's group; two groups or more.
        most: the largest value that the figure can have.
    """
    count = len(clusters)
    error = cluster_variance(np.bincount(clusters, deviations).astype(np.float64)) ** 0.5 / count
    half = t_quantile(0.5 + LEVEL / 2, int(clusters.max())) * error
    return Estimate(value, max(0.0, value - half), min(most, value + half), count)


def cluster_variance(sums: NDArray[np.float64]) -> float:
    """The variance of a sum over groups, of each group's own sum (shape (G,)), whose mean is 0; 0 for one group."""
    groups = len(sums)
    return float((sums**2).sum()) * groups / (groups - 1) if groups > 1 else 0.0


def t_quantile(share: float, freedom: float) -> float:
    """The quantile of Student's t distribution below which a share of it lies."""
    try:
        from scipy.special import stdtrit
    except ModuleNotFoundError:
        # With t = sqrt(freedom) tan(angle) the density is a power of the cosine, whose integral is a sum.
        angles = np.linspace(-np.pi / 2, np.pi / 2, 200_001)
        density = np.cos(angles) ** (freedom - 1)
        below = np.cumsum(density) - density / 2
        return float(freedom**0.5 * np.tan(np.interp(share, below / density.sum(), angles)))
    return float(stdtrit(freedom, share))


def wilson_f1(found: int, labelled: int, given: int) -> Estimate:
    """The F1 of one class with an interval that is sound for few images.

    F1 grows with the share found / (labelled + given - found), of images that have the label or were given it; that
    share has Wilson's interval, and its ends become those of F1.

    Args:
        found: images with the label that were given it.
        labelled: images with the label, at least 1.
        given: images that were given it.
    """
    return f1_of(wilson(found, labelled + given - found), labelled)


def f1_of(share: Estimate, labelled: int) -> Estimate:
    """The F1 that the share found / (labelled + given - found) stands for, with the ends of its interval."""
    value, low, high = (2 * end / (1 + end) for end in (share.value, share.low, share.high))
    return Estimate(value, min(low, value), max(high, value), labelled)


def mover_mean(estimates: Sequence[Estimate], count: int, correlation: NDArray[np.float64] | None = None) -> Estimate:
    """The mean of estimates with an interval made of theirs (MOVER), which keeps its level with few images of a class.

    Source: Zou & Donner, "Construction of confidence limits about effect measures: a general approach", Stat. Med. 27,
    2008; with the correlation of the estimates: Zou, "On the estimation of additive interaction by use of the
    four-by-two table and beyond", Am. J. Epidemiol. 168, 2008.

    Args:
        estimates: at least one.
        count: what the mean names as its number of images.
        correlation: shape (K, K), of the K estimates; None where they are independent, as recalls are.
    """
    related = np.eye(len(estimates)) if correlation is None else correlation
    value = float(np.mean([one.value for one in estimates]))
    below = np.array([one.value - one.low for one in estimates])
    above = np.array([one.high - one.value for one in estimates])
    low, high = (max(0.0, float(side @ related @ side)) ** 0.5 / len(estimates) for side in (below, above))
    return Estimate(value, value - low, value + high, count)


class Draws:
    """Images drawn with replacement, many times: all that a bootstrap needs of a metric that is made of sums.

    Metrics that are computed from the same draws are paired. Results on as many images share them: see `draws_of`.

    Source: Efron & Tibshirani, "An introduction to the bootstrap", 1993.
    """

    def __init__(self, count: int, *names: str, resamples: int = RESAMPLES) -> None:
        """Draw `count` of `count` images, `resamples` times; the names say which random numbers are taken."""
        self.count, self.resamples = count, resamples
        self._names = names
        self._kept: list[NDArray[np.uint8]] = []

    def sums(self, contributions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Column sums over the drawn images.

        Args:
            contributions: shape (N, D), what each image adds to each of D sums.

        Returns:
            Shape (R, D), float64.
        """
        return self.counts_and_sums(np.zeros(self.count, dtype=np.int64), 1, contributions)[1]

    def counts_and_sums(
        self, kinds: NDArray[np.int64], number: int, contributions: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How many of the drawn images are of each kind, and their sums.

        Args:
            kinds: shape (N,), ascending, 0 to `number` - 1.
            number: of kinds.
            contributions: shape (N, D), what each image adds to each of D sums.

        Returns:
            Shapes (R, number) and (R, D), float64.
        """
        present, starts = np.unique(kinds, return_index=True)
        counts = np.zeros((self.resamples, number))
        sums = np.empty((self.resamples, contributions.shape[1]))
        start = 0
        for times in self._blocks():
            block = slice(start, start + len(times))
            counts[block, present] = np.add.reduceat(times, starts, axis=1, dtype=np.int32)
            sums[block] = times.astype(np.float64) @ contributions
            start += len(times)
        return counts, sums

    def _blocks(self) -> Iterator[NDArray[np.uint8]]:
        """How often each image was drawn, shape (some resamples, N); kept where that takes little memory."""
        if self._kept:
            yield from self._kept
            return
        rng = generator(0, *self._names)
        at_once = max(1, _DRAWN_AT_ONCE // self.count)
        blocks = []
        for start in range(0, self.resamples, at_once):
            rows = min(at_once, self.resamples - start)
            drawn = rng.integers(self.count, size=(rows, self.count)) + self.count * np.arange(rows)[:, np.newaxis]
            times = np.bincount(drawn.ravel(), minlength=rows * self.count)
            block = times.astype(np.uint8).reshape(rows, self.count)
            if self.resamples * self.count <= _KEPT:
                blocks.append(block)
            yield block
        self._kept = blocks


@lru_cache(maxsize=2)
def draws_of(count: int, *names: str) -> Draws:
    """The draws of a name for so many images, kept, since results of one report are tested on the same images."""
    return Draws(count, *names)


def percentile_estimate(value: float, resampled: NDArray[np.float64], count: int, level: float = LEVEL) -> Estimate:
    """An estimate with the percentile interval of its bootstrap.

    Args:
        value: the metric on all images.
        resampled: shape (R,), the metric on each resample; NaN where it is not defined there, which is left out.
        count: the number of images.
        level: the interval's confidence level.

    Returns:
        The estimate. Where the bootstrap's bias would leave `value` outside, the interval is widened to hold it.
    """
    outside = (1.0 - level) / 2
    low, high = np.nanquantile(resampled, [outside, 1.0 - outside])
    return Estimate(value, min(float(low), value), max(float(high), value), count)
