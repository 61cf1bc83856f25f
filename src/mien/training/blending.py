"""Images blended with other images of the epoch, and their targets with them: mixup and CutMix.

Both change the targets too, which a layer does not see; so the trainer blends an epoch's images on the host, before the
other augmentation. The partners are a permutation: each image is used twice an epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.study.recipe import AugmentationSpec

_BLOCK = 1024  # images blended at a time


@dataclass(frozen=True, eq=False)
class Blend:
    """With which other image each of N images is blended, and how.

    Attributes:
        partners: shape (N,), int: places of the others.
        shares: shape (N,), float32, 0..1: the image's own share of its target, and of its pixels where none are cut.
        boxes: shape (N, 4), int: top, bottom, left and right, in pixels, of what is the other image's; all zero where
            pixels are mixed instead.
        cut: shape (N,), bool: whether a box is taken from the other image.
    """

    partners: NDArray[np.int64]
    shares: NDArray[np.float32]
    boxes: NDArray[np.int64]
    cut: NDArray[np.bool_]


def draw_blend(
    spec: AugmentationSpec, count: int, size: tuple[int, int], stream: Callable[[str], np.random.Generator]
) -> Blend | None:
    """How the images of an epoch are blended: by mixup (Zhang et al., 2018), CutMix (Yun et al., 2019), or each by one.

    Args:
        spec: of the recipe; where both are asked for, each image is blended by one of them, drawn with equal chance.
        count: images.
        size: their height and width, in pixels.
        stream: gives the generator of a name; hand in one that depends on the epoch.

    Returns:
        None where nothing is blended.
    """
    if not spec.mixup and not spec.cutmix:
        return None
    shares = np.ones(count, np.float32)
    boxes = np.zeros((count, 4), np.int64)
    cut = np.zeros(count, bool)
    if spec.mixup:
        rng = stream("mixup")
        partners = rng.permutation(count)
        shares = rng.beta(spec.mixup, spec.mixup, count).astype(np.float32)
    if spec.cutmix:
        rng = stream("cutmix")
        others, drawn = _draw_boxes(spec.cutmix, count, size, rng)
        partners = partners if spec.mixup else others
        cut = rng.random(count) < 0.5 if spec.mixup else np.ones(count, bool)
        boxes[cut] = drawn[cut]
        top, bottom, left, right = boxes[cut].T
        # Of the pixels that are pasted in truth: a box at the border is cut off there.
        shares[cut] = 1 - (bottom - top) * (right - left) / (size[0] * size[1])
    return Blend(partners, shares, boxes, cut)


def _draw_boxes(
    alpha: float, count: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Partners, and boxes of the image's own form whose middles lie anywhere, cut off at the border."""
    partners = rng.permutation(count)
    side = np.sqrt(1 - rng.beta(alpha, alpha, count))
    ends = []
    for pixels in size:
        half = (pixels * side).astype(np.int64) // 2
        middle = rng.integers(0, pixels, count)
        ends += [np.maximum(middle - half, 0), np.minimum(middle + half, pixels)]
    return partners, np.stack(ends, axis=1)


def blend(
    own: tuple[NDArray[np.uint8], NDArray[np.floating]],
    others: tuple[NDArray[np.uint8], NDArray[np.floating]],
    how: Blend,
    places: slice = slice(None),
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Images and targets with those of their partners.

    Args:
        own: images, shape (N, H, W) or (N, H, W, C), uint8, and targets, shape (N, classes).
        others: likewise, of the partners.
        how: of the whole epoch, as `draw_blend` drew it.
        places: of these N images in the epoch.

    Returns:
        Blended images of the same shape, rounded to uint8, and targets, float32.
    """
    shares, cut = how.shares[places], how.cut[places]
    # A cut image keeps its own pixels but for the box.
    kept = np.where(cut, np.float32(1), shares).reshape(-1, *(1,) * (own[0].ndim - 1))
    images = np.rint(kept * own[0] + (1 - kept) * others[0]).astype(np.uint8)
    for place, (top, bottom, left, right) in zip(np.flatnonzero(cut), how.boxes[places][cut], strict=True):
        images[place, top:bottom, left:right] = others[0][place, top:bottom, left:right]
    shares = shares[:, None]
    return images, (shares * own[1] + (1 - shares) * others[1]).astype(np.float32)


def mix(
    images: NDArray[np.uint8], targets: NDArray[np.floating], how: Blend
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Each image and its target blended with its partner's, a part at a time.

    Args:
        images: shape (N, H, W) or (N, H, W, C), uint8.
        targets: shape (N, classes).
        how: as `draw_blend` drew it for N images.

    Returns:
        Blended images of the same shape, rounded to uint8, and targets, float32.

    Raises:
        DataError: there is not one target and one partner for each image.
    """
    if not len(images) == len(targets) == len(how.partners):
        raise DataError(
            f"Blending needs one target and one partner for each image. Received: {len(images)} images, {len(targets)} "
            f"targets and {len(how.partners)} partners."
        )
    mixed, blended = np.empty_like(images), np.empty(targets.shape, np.float32)
    for start in range(0, len(images), _BLOCK):
        part = slice(start, start + _BLOCK)
        partners = how.partners[part]
        own, others = (images[part], targets[part]), (images[partners], targets[partners])
        mixed[part], blended[part] = blend(own, others, how, part)
    return mixed, blended
