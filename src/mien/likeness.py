"""How far a face is from those that a model learned from: statistics that go into its bundle.

What a network was never shown it answers as surely as anything else. Its own features tell little of that: distances in
those of the shipped model find corrupted faces hardly better than a coin does. Two plain measures of the crop itself
tell more: how much of it lies in coarse and in fine structure, and how its contrast is spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mien.channels import images_in_channels

BANDS = 16
CELLS = 4
MEASURES = BANDS + CELLS**2
# Of the faces by which a model was chosen, so many are nearer than a distance of 1.
SHARE_WITHIN = 0.99
# The highest frequencies along both sides lie at 1.41 of the highest along one.
_HIGHEST = 1.4
# What correlations are moved towards zero by, so that measures that say nearly the same do not count many times.
_RIDGE = 1e-3
# Where all faces are alike, what is left between them is rounding.
_LEAST_SPREAD, _LEAST_LIMIT = 1e-9, 1e-3
# How many pixels are measured at once, so that large faces take no more memory than small ones.
_PIXELS_AT_ONCE = 1024 * 48 * 48


@dataclass(frozen=True, eq=False)
class Likeness:
    """What the faces look like that a model learned from, as far as 32 measures tell; see `measures`.

    Attributes:
        mean: shape (32,), float64: the mean of each measure over those faces.
        axes: shape (32, 32), float64: differences from the mean, times these, have the length that is the distance
            (Mahalanobis, 1936), in units of the one below which 99 % of the faces lie by which the model was chosen.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def of(cls, train: NDArray[np.uint8], validation: NDArray[np.uint8]) -> Likeness:
        """Fit to the faces that a model learned from, and to those by which it was chosen.

        Args:
            train: shape (N, size, size), or (N, size, size, 3) in RGB; uint8; at least one.
            validation: likewise.
        """
        learned = measures(train)
        mean, spread = learned.mean(axis=0), learned.std(axis=0)
        spread[spread < _LEAST_SPREAD] = 1.0  # a measure that is the same for all faces
        scaled = (learned - mean) / spread
        variances, directions = np.linalg.eigh(scaled.T @ scaled / len(scaled) + _RIDGE * np.eye(MEASURES))
        whitening = directions / np.sqrt(variances) / spread[:, np.newaxis]
        limit = np.quantile(np.linalg.norm((measures(validation) - mean) @ whitening, axis=1), SHARE_WITHIN)
        return cls(mean, whitening / max(float(limit), _LEAST_LIMIT))

    def distances(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """How far each face is from those that the model learned from; 1 where 99 % of such faces are nearer.

        Args:
            crops: shape (N, size, size), or (N, size, size, 3) in RGB; uint8.

        Returns:
            Shape (N,), 0 or more.
        """
        return np.asarray(np.linalg.norm((measures(crops) - self.mean) @ self.axes, axis=1), dtype=np.float64)


def measures(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the distance is made of, for each crop in gray.

    First the mean power of its cosine transform (DCT-II, orthonormal) in 16 bands of frequency, the mean gray value
    left out; then the standard deviation in 4 x 4 parts, row by row. Of each the logarithm of 1 more is taken.

    Args:
        crops: shape (N, size, size), or (N, size, size, 3) in RGB; uint8.

    Returns:
        Shape (N, 32), float64.
    """
    step = max(1, _PIXELS_AT_ONCE // (crops.shape[1] * crops.shape[2]))
    parts = [_measures(np.asarray(crops[start : start + step])) for start in range(0, len(crops), step)]
    return np.concatenate(parts) if parts else np.zeros((0, MEASURES))


def _measures(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    gray = images_in_channels(crops, "gray").astype(np.float64)
    size = gray.shape[1]
    cosines, bands = _cosines(size), _bands(size)
    power = np.square(cosines @ gray @ cosines.T).reshape(len(gray), -1)
    ends = [size * cell // CELLS for cell in range(CELLS + 1)]
    spreads = [
        gray[:, top:bottom, left:right].std(axis=(1, 2))
        for top, bottom in pairwise(ends)
        for left, right in pairwise(ends)
    ]
    return np.asarray(np.log1p(np.concatenate([power @ bands, np.stack(spreads, axis=1)], axis=1)))


@cache
def _cosines(size: int) -> NDArray[np.float64]:
    """Shape (size, size): a row for each frequency."""
    frequencies, places = np.ogrid[:size, :size]
    rows = np.cos(np.pi * frequencies * (2 * places + 1) / (2 * size)) * np.sqrt(2 / size)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows)


@cache
def _bands(size: int) -> NDArray[np.float64]:
    """Shape (size * size, 16): the weight of each frequency in each band's mean."""
    down, across = np.ogrid[:size, :size]
    number = np.minimum(np.hypot(down, across) * BANDS / (_HIGHEST * size), BANDS - 1).astype(int).ravel()
    member = number[:, np.newaxis] == np.arange(BANDS)
    member[0] = False  # the mean gray value
    return np.asarray(member / np.maximum(member.sum(axis=0), 1), dtype=np.float64)
