"""Numbers with their uncertainty: shares by Wilson's interval, everything else by a bootstrap over images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError

LEVEL = 0.95
RESAMPLES = 1000

# Most images that are drawn at once: keeps the memory of a bootstrap below 100 MiB for a data set of any size.
_DRAWN_AT_ONCE = 4_000_000


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
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / count
    shrink = 1.0 + z**2 / count
    centre = (share + z**2 / (2 * count)) / shrink
    half = z / shrink * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    # At a share of 0 or 1 the end meets the share exactly; rounding may leave it 1e-17 on the wrong side.
    return Estimate(share, min(max(0.0, centre - half), share), max(min(1.0, centre + half), share), count)


def resampled_sums(
    contributions: NDArray[np.float64], rng: np.random.Generator, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Column sums over images drawn with replacement: all that a bootstrap needs of a metric that is made of sums.

    Metrics that are computed from the same call meet the same draws, so that their differences are paired.

    Source: Efron & Tibshirani, "An introduction to the bootstrap", 1993.

    Args:
        contributions: shape (N, D), what each image adds to each of D sums; at least one image.
        rng: makes the draws.
        resamples: how often N images are drawn.

    Returns:
        Shape (resamples, D), float64.
    """
    count = len(contributions)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    sums = np.empty((resamples, contributions.shape[1]))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, np.newaxis]
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        sums[start : start + rows] = times.astype(np.float64) @ contributions
    return sums


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
