"""Which images show one picture, copies with other pixels included: for splits that must not separate them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.channels import images_in_channels
from mien.datasets.cache import default_cache
from mien.datasets.dataset import Dataset
from mien.files import hash_file, written_whole


def picture_names(dataset: Dataset, *, cache: Path | None = None) -> NDArray[np.str_]:
    """A name for the picture that each image shows: equal for exact, near, toned, shifted and mirrored copies.

    Whatever is linked by a chain of copies has one name, the smallest pixel hash among its images. The order of the
    images does not matter. 36,000 images take half a minute of a core the first time; the outcome is kept.

    Args:
        dataset: any data set.
        cache: folder in which the outcome is kept; None for the user's own cache.

    Returns:
        Shape (N,), str.
    """
    hashes, first, inverse = np.unique(dataset.sample_hashes, return_index=True, return_inverse=True)
    entry = (default_cache() if cache is None else cache) / f"pictures-{_key(hashes)}.npy"
    sets = _kept(entry, len(hashes))
    if sets is None:
        from mien.datasets.duplicates import find_duplicates

        # In the order of their hashes: what is compared may depend on the order for sets of more than 1,000 images.
        sets = find_duplicates(images_in_channels(dataset.images[first], "gray"), hashes).sets
        _keep(entry, sets)
    return np.asarray(hashes[sets][inverse], dtype=np.str_)


def _key(hashes: NDArray[np.str_]) -> str:
    """Of the images and of the code that compares them."""
    code = hash_file(Path(__file__).with_name("duplicates.py"))
    return hashlib.sha256((code + "".join(hashes.tolist())).encode()).hexdigest()[:32]


def _kept(entry: Path, count: int) -> NDArray[np.int64] | None:
    try:
        sets = np.load(entry, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = sets.shape == (count,) and sets.dtype == np.int64 and (sets <= np.arange(count)).all() and (sets >= 0).all()
    return sets if fits else None


def _keep(entry: Path, sets: NDArray[np.int64]) -> None:
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(entry) as file:
            np.save(file, sets)
    except OSError:
        pass  # a cache that cannot be written to costs time and nothing else
