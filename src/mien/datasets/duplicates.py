"""Copies of images: exact ones, and those that were recompressed, brightened, shifted or mirrored on the way.

Three steps, each cheaper a pair than the next is sure: a short descriptor of every image, compared with every other;
a comparison at half size for the pairs that are alike; a comparison at full size, over small shifts, for what is left.
The descriptor holds the low frequencies whose signs make a perceptual hash (pHash; Zauner, "Implementation and
benchmarking of perceptual image hash functions", 2010). Kept as numbers and compared by a matrix product, all pairs of
36,000 images are looked at, and none is missed by the choice of a bucket.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.randomness import generator

# Images are compared at this side, whatever theirs is, so that thresholds mean the same for every data set.
SIDE = 48
# Largest shift that is looked for, in pixels of SIDE: an eighth of the side, a usual augmentation.
REACH = 6
# Correlation from which two images are the same picture, and from which they are after both were equalised. Of 8
# million pairs of drawn faces none reaches it; a copy with noise of 12 gray levels does in 97 of 100 cases.
SAME = 0.93
# The same for images that match best when one is shifted: of many shifts the best is easily a good one.
SAME_SHIFTED = 0.95
SAME_EQUALISED = 0.96

_WINDOW = SIDE - 8
_FREQUENCIES = 8
# Where windows lie: a step of four pixels each way, and half-way between along the diagonals, where a shift would be
# further from all of them than anywhere else.
_STEP = (-4, 0, 4)
_OFFSETS = (
    *((down, right) for down in _STEP for right in _STEP),
    *((down, right) for down in (-2, 2) for right in (-2, 2)),
)
# Cosine of two descriptors from which a pair is looked at. A shift by two pixels one way leaves 99 of 100 copies above
# 0.62, and no shift up to four pixels is further than that from a window; other changes stay above 0.8.
_ALIKE = 0.72
_ALIKE_SHIFTED = 0.62
_ALIKE_MIRRORED = 0.80
# A shift by half a pixel of the small image, both ways, leaves more than 99 of 100 copies above this (at 0.74: 95).
_HALF_SAME = 0.68
_MAYBE_EQUALISED = 0.55
# Most pairs that go on from one comparison of descriptors, as a mean over the images: keeps the time bounded for sets
# whose images are all alike.
_PAIRS_AN_IMAGE = 30
_ROWS, _COLUMNS = 512, 4096
_FLAT = 2.0  # standard deviation in gray levels below which an image shows nothing to compare
# A copy whose contrast and brightness hardly changed; beyond, it counts as a copy in another tone.
_SAME_CONTRAST = 0.06
_SAME_BRIGHTNESS = 6.0

Progress = Callable[[int, int], None]


class CopyKind(StrEnum):
    """How a copy differs from the other image."""

    EXACT = "exact"
    NEAR = "near"
    TONE = "tone"
    SHIFTED = "shifted"
    FLIPPED = "flipped"

    @property
    def meaning(self) -> str:
        """The kind in words."""
        return {
            CopyKind.EXACT: "equal pixels",
            CopyKind.NEAR: "the same picture with noise or other compression",
            CopyKind.TONE: "the same picture in another brightness, contrast or tone",
            CopyKind.SHIFTED: "the same picture shifted",
            CopyKind.FLIPPED: "the same picture mirrored",
        }[self]


@dataclass(frozen=True, eq=False)
class Duplicates:
    """The copies among N images.

    Attributes:
        count: N.
        first: shape (P,), int64, positions; always smaller than `second`.
        second: shape (P,), int64.
        kinds: shape (P,), str, values of `CopyKind`.
        scores: shape (P,), float64, correlation of the two images, 1 for exact copies.
        shifts: shape (P, 2), int64, by how many pixels of a 48-pixel image the second lies lower and further right.
    """

    count: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    kinds: NDArray[np.str_]
    scores: NDArray[np.float64]
    shifts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def sets(self) -> NDArray[np.int64]:
        """Shape (N,): the number of the duplicate set of each image, by its first image; images without copies too."""
        return joined(self.count, self.first, self.second)

    def of_kind(self, kind: CopyKind) -> NDArray[np.int64]:
        """Shape (Q, 2): the pairs of one kind."""
        chosen = self.kinds == kind.value
        return np.stack([self.first[chosen], self.second[chosen]], axis=1)


def joined(count: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Shape (count,): the smallest position that a chain of pairs leads to, from each position."""
    roots = np.arange(count, dtype=np.int64)
    while True:
        # Every end of a pair takes the smaller root of the two, then follows it to its end.
        lower = np.minimum(roots[first], roots[second])
        new = roots.copy()
        np.minimum.at(new, roots[first], lower)
        np.minimum.at(new, roots[second], lower)
        while not np.array_equal(new, new[new]):
            new = new[new]
        if np.array_equal(new, roots):
            return roots
        roots = new


def find_duplicates(
    images: NDArray[np.uint8], hashes: NDArray[np.str_], *, progress: Progress | None = None
) -> Duplicates:
    """Find the copies among images.

    An exact copy is paired with the first image of its pixels. Copies of other kinds are sought among images that
    differ, and pair the first image of each.

    Args:
        images: shape (N, H, W), uint8.
        hashes: shape (N,), equal for images with equal pixels.
        progress: called with what has been done and what is to be done, in steps.
    """
    _, representatives, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    original = representatives[inverse]
    copies = np.flatnonzero(original != np.arange(len(images)))
    exact = (original[copies], copies, np.full(len(copies), CopyKind.EXACT.value, dtype="U8"))
    unlike = np.sort(representatives)
    first, second, kinds, scores, shifts = _similar(images, unlike, progress or (lambda done, of: None))
    return Duplicates(
        count=len(images),
        first=np.concatenate([exact[0], first]),
        second=np.concatenate([exact[1], second]),
        kinds=np.concatenate([exact[2], kinds]),
        scores=np.concatenate([np.ones(len(copies)), scores]),
        shifts=np.concatenate([np.zeros((len(copies), 2), dtype=np.int64), shifts]),
    )


_Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.str_], NDArray[np.float64], NDArray[np.int64]]


def _similar(images: NDArray[np.uint8], positions: NDArray[np.int64], progress: Progress) -> _Found:
    """Copies that are not exact, among the images at `positions`."""
    small = np.empty((len(positions), SIDE, SIDE), dtype=np.uint8)
    for index, position in enumerate(positions):
        small[index] = _at_side(images[position])
    shows = small.reshape(len(small), -1).std(axis=1) >= _FLAT
    positions, small = positions[shows], small[shows]
    steps = len(_OFFSETS) + 4
    candidates: list[NDArray[np.int64]] = []
    for step, pairs in enumerate(_alike(small), start=1):
        candidates.append(pairs)
        progress(step, steps)
    plain, flipped = _distinct(candidates[:-1], len(small)), _distinct(candidates[-1:], len(small))
    comparison = _Comparison(small)
    found = [(*pair, False) for pair in plain.tolist()] + [(*pair, True) for pair in flipped.tolist()]
    found = comparison.keep_half_same(found)
    progress(steps - 1, steps)
    verified: dict[tuple[int, int], tuple[str, float, int, int]] = {}
    for (one, other, _), result in zip(found, comparison.full(found), strict=True):
        # A picture that is symmetric is a copy both plain and mirrored: the better match says which it is.
        if result is not None and result[1] > verified.get((one, other), ("", 0.0, 0, 0))[1]:
            verified[one, other] = result
    progress(steps, steps)
    pairs = np.array(sorted(verified), dtype=np.int64).reshape(-1, 2)
    results = [verified[one, other] for one, other in pairs.tolist()]
    return (
        positions[pairs[:, 0]],
        positions[pairs[:, 1]],
        np.array([result[0] for result in results], dtype="U8"),
        np.array([result[1] for result in results], dtype=np.float64),
        np.array([result[2:] for result in results], dtype=np.int64).reshape(-1, 2),
    )


def _at_side(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.shape == (SIDE, SIDE):
        return image
    method = cv2.INTER_AREA if min(image.shape) >= SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.asarray(image), (SIDE, SIDE), interpolation=method), dtype=np.uint8)


def _alike(small: NDArray[np.uint8]) -> Iterator[NDArray[np.int64]]:
    """Pairs with similar descriptors, shape (Q, 2) each: for windows at every offset, then for the mirrored image."""
    middle = (SIDE - _WINDOW) // 2
    plain = _frequencies(small, middle, middle)
    # Neighbouring pixels are alike in every photo: dividing each frequency by its spread lets all of them speak.
    spread = plain.std(axis=0) + 1e-6 if len(plain) else np.ones(plain.shape[1], dtype=np.float32)
    base = _unit(plain / spread)
    for down, right in _OFFSETS:
        centred = down == right == 0
        other = base if centred else _unit(_frequencies(small, middle + down, middle + right) / spread)
        yield _close(base, other, _ALIKE if centred else _ALIKE_SHIFTED)
    yield _close(base, _unit(_frequencies(small[:, :, ::-1], middle, middle) / spread), _ALIKE_MIRRORED)


def _frequencies(images: NDArray[np.uint8], top: int, left: int) -> NDArray[np.float32]:
    """Low frequencies (discrete cosine transform) of a window, without the mean: shape (N, 63), float32."""
    places = np.arange(_WINDOW) + 0.5
    basis = np.cos(np.pi / _WINDOW * np.outer(np.arange(_FREQUENCIES), places)).astype(np.float32)
    found = np.empty((len(images), _FREQUENCIES**2), dtype=np.float32)
    for start in range(0, len(images), 4096):
        window = images[start : start + 4096, top : top + _WINDOW, left : left + _WINDOW].astype(np.float32)
        found[start : start + 4096] = (basis @ window @ basis.T).reshape(len(window), -1)
    return found[:, 1:]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), dtype=np.float32)


def _close(one: NDArray[np.float32], other: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """Pairs (i, j), i < j, for which row i of `one` and row j of `other` have at least this cosine."""
    count = len(one)
    sample = generator(0, "duplicates", "sample").permutation(count)[:1000]
    if count > 1000:
        background = (one[sample] @ other.T).ravel()
        rank = int(min(1.0, _PAIRS_AN_IMAGE / count) * len(background))
        threshold = max(threshold, float(np.partition(background, -rank)[-rank]))
    found = []
    for top in range(0, count, _ROWS):
        for left in range(top, count, _COLUMNS):
            # Tiles that stay in the processor's cache: the product is made faster than memory could take it.
            cosines = one[top : top + _ROWS] @ other[left : left + _COLUMNS].T
            rows, columns = np.divmod(np.flatnonzero(cosines.ravel() > threshold), cosines.shape[1])
            rows, columns = rows + top, columns + left
            ordered = rows < columns
            found.append(np.stack([rows[ordered], columns[ordered]], axis=1))
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)


def _distinct(parts: Sequence[NDArray[np.int64]], count: int) -> NDArray[np.int64]:
    pairs = np.concatenate(parts)
    keys = np.unique(pairs[:, 0] * count + pairs[:, 1])
    return np.stack(np.divmod(keys, max(count, 1)), axis=1)


_Candidate = tuple[int, int, bool]
_Result = tuple[str, float, int, int] | None
_Work = TypeVar("_Work")


class _Comparison:
    """Compares pairs of images over small shifts, by the correlation of what lies between blur and flat light."""

    def __init__(self, small: NDArray[np.uint8]) -> None:
        self._small = small
        self._workers = min(8, os.cpu_count() or 1)
        self._half = np.empty((len(small), SIDE // 2, SIDE // 2), dtype=np.float32)
        for index, image in enumerate(small):
            self._half[index] = cv2.resize(_band(image), (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)

    def keep_half_same(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """The candidates that are alike at half size: much faster than at full size, and no copy is lost."""
        reach = REACH // 2

        def compare(part: list[_Candidate]) -> list[_Candidate]:
            kept = []
            for one, other, mirrored in part:
                inner = self._half[one, reach:-reach, reach:-reach]
                if mirrored:
                    inner = np.ascontiguousarray(inner[:, ::-1])
                if _match(self._half[other], inner)[0] >= _HALF_SAME:
                    kept.append((one, other, mirrored))
            return kept

        return [candidate for part in self._spread(candidates, compare) for candidate in part]

    def full(self, candidates: list[_Candidate]) -> list[_Result]:
        """For each candidate its kind, score and shift, or None when it is no copy."""
        return [
            result
            for part in self._spread(candidates, lambda part: [self._verify(*candidate) for candidate in part])
            for result in part
        ]

    def _spread(
        self, candidates: list[_Candidate], work: Callable[[list[_Candidate]], list[_Work]]
    ) -> Iterator[list[_Work]]:
        parts = [candidates[start : start + 2000] for start in range(0, len(candidates), 2000)]
        with ThreadPoolExecutor(self._workers) as pool:
            yield from pool.map(work, parts)

    def _verify(self, one: int, other: int, mirrored: bool) -> _Result:
        first, second = self._small[one], self._small[other]
        if mirrored:
            first = np.ascontiguousarray(first[:, ::-1])
        score, down, right = _compare(first, second)
        equalised = False
        if _MAYBE_EQUALISED <= score < SAME:
            alike, *shift = _compare(cv2.equalizeHist(first), cv2.equalizeHist(second))
            if alike >= SAME_EQUALISED:
                equalised, score, (down, right) = True, alike, shift
        if score < (SAME_SHIFTED if down or right else SAME):
            return None
        if mirrored:
            kind = CopyKind.FLIPPED
        elif down or right:
            kind = CopyKind.SHIFTED
        elif equalised or not _same_tone(first, second):
            kind = CopyKind.TONE
        else:
            kind = CopyKind.NEAR
        return kind.value, min(score, 1.0), down, right


def _band(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The image without its finest and its coarsest structure: noise and light say little about what it shows."""
    pixels = image.astype(np.float32)
    band = cv2.GaussianBlur(pixels, (0, 0), 0.7) - cv2.GaussianBlur(pixels, (0, 0), 4.0)
    return np.asarray(band, dtype=np.float32)


def _compare(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> tuple[float, int, int]:
    """The correlation of two images at their best shift, and that shift."""
    one, other = _band(first), _band(second)
    score, down, right = _match(other, _inner(one))
    if (down or right) and score >= _MAYBE_EQUALISED:
        # Near an edge the blur of the one had pixels that the other lacks: once more, on what both of them show.
        one = _band(first[max(-down, 0) : SIDE - max(down, 0), max(-right, 0) : SIDE - max(right, 0)])
        other = _band(second[max(down, 0) : SIDE - max(-down, 0), max(right, 0) : SIDE - max(-right, 0)])
        score = _match(other, one)[0]
    return score, down, right


def _inner(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return image[REACH:-REACH, REACH:-REACH]


def _match(image: NDArray[np.float32], inner: NDArray[np.float32]) -> tuple[float, int, int]:
    """The highest correlation of `inner` with a window of `image`, and by how much the window is off the middle."""
    correlations = cv2.matchTemplate(image, inner, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(correlations)
    reach = correlations.shape[0] // 2
    return (float(best) if np.isfinite(best) else 0.0), y - reach, x - reach


def _same_tone(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    one, other = first.astype(np.float64), second.astype(np.float64)
    return bool(
        abs(other.std() / max(one.std(), 1e-9) - 1.0) <= _SAME_CONTRAST
        and abs(other.mean() - one.mean()) <= _SAME_BRIGHTNESS
    )
