"""Which images a model has seen: hashes that go into its bundle, so that an evaluation can name them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.channels import images_in_channels


@dataclass(frozen=True, eq=False)
class Seen:
    """The images that a model was made with, as hashes of 8 bytes.

    Two different images share such a hash with a chance below one in 10^9, for a hundred thousand images on each side.

    Attributes:
        train: shape (N,), uint64, ascending: what it learned from.
        validation: shape (M,), uint64, ascending: what served to choose its epoch, temperature and threshold.
    """

    train: NDArray[np.uint64]
    validation: NDArray[np.uint64]

    @classmethod
    def of(cls, train: Iterable[str], validation: Iterable[str]) -> Seen:
        """From the hashes of images, as `gray_hashes` gives them."""
        return cls(np.unique(short_hashes(train)), np.unique(short_hashes(validation)))

    def learned_from(self, hashes: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Shape (N,): which of these images, by their hashes, the model has learned from."""
        return np.isin(short_hashes(hashes), self.train)

    def chosen_with(self, hashes: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Shape (N,): which of these images served to choose the model, and it has not learned from."""
        return np.isin(short_hashes(hashes), self.validation) & ~self.learned_from(hashes)


def hash_images(images: NDArray[np.uint8]) -> NDArray[np.str_]:
    """A hash of each image's pixels and size.

    Args:
        images: shape (N, H, W), or (N, H, W, 3) in colour; uint8.

    Returns:
        Shape (N,), 32 hexadecimal digits each; equal exactly for exact copies of one size.
    """
    shape = "x".join(map(str, images.shape[1:]))
    begun = hashlib.blake2b(f"{shape}:".encode(), digest_size=16)

    def hash_one(image: NDArray[np.uint8]) -> str:
        whole = begun.copy()
        whole.update(np.ascontiguousarray(image).data)
        return whole.hexdigest()

    return np.array([hash_one(image) for image in images], dtype="U32")


def gray_hashes(images: NDArray[np.uint8], hashes: NDArray[np.str_]) -> NDArray[np.str_]:
    """Hashes by which a model knows what it has learned from, whether that is read in colour or in gray.

    Args:
        images: shape (N, H, W), or (N, H, W, 3) in colour, uint8.
        hashes: of these images, as `hash_images` gives them.

    Returns:
        Shape (N,): the hashes of the images in gray.
    """
    return hashes if images.ndim == 3 else hash_images(images_in_channels(images, "gray"))


def short_hashes(hashes: Iterable[str]) -> NDArray[np.uint64]:
    """The first 8 bytes of hashes of 32 digits, shape (N,), uint64."""
    return np.fromiter((int(str(text)[:16], 16) for text in hashes), dtype=np.uint64)
