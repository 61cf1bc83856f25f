"""Data sets as NumPy arrays: one .npz, or a folder of .npy files.

Either `images` and `labels`, with `classes`, `roles`, `groups` and `ids` where they are known; or, for each role,
`x_train` and `y_train`, `x_val` and `y_val`, `x_test` and `y_test`.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.folders import Progress, is_sorted
from mien.datasets.pixels import GrayImage
from mien.datasets.samples import (
    LICENCE_NOT_STATED,
    ROLE_WORDS,
    Sample,
    build_dataset,
    parse_role,
    refuse_repeated_ids,
)
from mien.datasets.spec import OnMismatch
from mien.errors import DataError
from mien.labels import Expression, parse_expression

# What is loaded. Other arrays may lie beside it, such as landmarks, large or of Python objects.
_NAMES = frozenset({"images", "labels", "classes", "roles", "groups", "ids"}) | {
    f"{axis}_{word}" for axis in "xy" for word in ROLE_WORDS
}
_FORM = "the arrays images and labels, or x_train and y_train and so on"

# RuntimeError: an encrypted archive.
_DAMAGED = (
    *(ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error),
    *(NotImplementedError, RuntimeError),
)

_Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class _Part:
    """Images with their labels; the arrays by their names, for messages."""

    images: str
    labels: str
    role: Role


def is_arrays(path: Path) -> bool:
    """Whether a path is an .npz, or a folder with such arrays as .npy files."""
    if path.suffix.lower() == ".npz":
        return path.is_file()
    return path.is_dir() and bool(_parts({file.stem for file in path.glob("*.npy")})) and not is_sorted(path)


def arrays_files(path: Path) -> list[str]:
    """The .npy files of a folder."""
    return sorted(file.name for file in path.glob("*.npy"))


def read_arrays(path: Path, *, size: int | None, on_mismatch: OnMismatch, progress: Progress | None = None) -> Dataset:
    """Read arrays. Nothing in them is ever unpickled, since unpickling can run code.

    `images` has shape (N, H, W) or (N, H, W, 1) and dtype uint8; `labels` shape (N,), expressions as text, or whole
    numbers that count the names in `classes`. `roles`, `groups` and `ids` have shape (N,) and hold text.

    Args:
        path: an .npz, or a folder of .npy files named after the arrays.
        size: side of the square images wanted, in pixels; None for that of the arrays.
        on_mismatch: whether images of another size are converted, with a note, or refused.
        progress: called with images done and images to be done.

    Raises:
        DataError: an array is missing, has another shape or dtype, holds Python objects, or is damaged.
    """
    arrays, names = _load(path)
    parts = _parts(set(arrays))
    if not parts:
        raise DataError(
            f"{path} is not a data set of arrays. Expected {_FORM}. Received: {', '.join(names) or 'none'}."
        )
    samples: list[Sample] = []
    images: list[GrayImage] = []
    problems: list[Problem] = []
    for part in parts:
        pixels = _images(arrays[part.images], f"{part.images} of {path}")
        expressions = _expressions(arrays, part, len(pixels), path)
        columns = _columns(arrays, part, len(pixels), path)
        for index, expression in enumerate(expressions):
            if isinstance(expression, Problem):
                problems.append(expression)
                continue
            role, group, name = columns[index]
            samples.append(Sample(name, expression, role, group))
            images.append(GrayImage(pixels[index]))
    refuse_repeated_ids(samples, str(path))
    if progress is not None:
        progress(len(images), len(images))
    return build_dataset(
        samples, images, path=path, licence=LICENCE_NOT_STATED, size=size, on_mismatch=on_mismatch, problems=problems
    )


def _load(path: Path) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    """The arrays that a data set is made of, and the names of all that are there."""
    try:
        if path.is_dir():
            files = {file.stem: file for file in path.glob("*.npy")}
            return {name: np.load(files[name], allow_pickle=False) for name in files.keys() & _NAMES}, sorted(files)
        # Opened here, since NumPy leaves a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in _NAMES.intersection(archive.files)}, sorted(archive.files)
    except _DAMAGED as error:
        hint = (
            "An array holds Python objects, which can run code: save text as NumPy text (array.astype(str)) and images "
            "as one uint8 array."
            if "Object arrays" in str(error)
            else "Write it again, or copy it again."
        )
        raise DataError(f"{path} cannot be read as NumPy arrays ({error}). {hint}") from error


def _parts(names: set[str]) -> list[_Part]:
    if {"images", "labels"} <= names:
        return [_Part("images", "labels", Role.NONE)]
    return [
        _Part(f"x_{word}", f"y_{word}", role)
        for word, role in ROLE_WORDS.items()
        if {f"x_{word}", f"y_{word}"} <= names
    ]


def _images(array: NDArray[np.generic], what: str) -> NDArray[np.uint8]:
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim != 3 or array.dtype != np.uint8:
        raise DataError(
            f"Expected {what} to be gray images of shape (N, H, W) or (N, H, W, 1) and dtype uint8, from 0 to 255. "
            f"Received: shape {array.shape}, dtype {array.dtype}. Convert them before you save them."
        )
    return np.asarray(array, dtype=np.uint8)


def _expressions(arrays: _Arrays, part: _Part, count: int, path: Path) -> list[Expression | Problem]:
    """The expression of each image, or why it has none."""
    labels = _column(arrays, part.labels, count, path)
    where = f"{part.labels} of {path}"
    if labels.dtype.kind == "U":
        known = {text: parse_expression(text, where=where) for text in np.unique(labels).tolist()}
        return [known[text] for text in labels.tolist()]
    if labels.dtype.kind not in "iu":
        raise DataError(
            f"Expected {where} to hold text or whole numbers. Received: dtype {labels.dtype}. "
            "Convert them, such as with labels.astype(str) or labels.astype(int)."
        )
    if "classes" not in arrays:
        raise DataError(
            f"The labels of {where} are numbers, and nothing says which expressions they stand for. "
            "Add an array classes with the names in the order of the numbers, or save the labels as text."
        )
    classes = [parse_expression(str(text), where=f"classes of {path}") for text in arrays["classes"].tolist()]
    return [
        classes[number]
        if 0 <= number < len(classes)
        else Problem(f"{part.images}[{index}]", f"Its label is {number}; expected 0 to {len(classes) - 1}.")
        for index, number in enumerate(labels.tolist())
    ]


def _columns(arrays: _Arrays, part: _Part, count: int, path: Path) -> list[tuple[Role, str, str]]:
    """Role, group and name of each image."""
    if part.images != "images":
        return [(part.role, "", f"{part.images}[{index}]") for index in range(count)]
    roles = [parse_role(text, f"roles of {path}") for text in _texts(arrays, "roles", count, path)]
    groups = _texts(arrays, "groups", count, path)
    ids = [name or f"images[{index}]" for index, name in enumerate(_texts(arrays, "ids", count, path))]
    return list(zip(roles, groups, ids, strict=True))


def _texts(arrays: _Arrays, name: str, count: int, path: Path) -> Iterator[str]:
    return map(str, _column(arrays, name, count, path).tolist()) if name in arrays else iter([""] * count)


def _column(arrays: _Arrays, name: str, count: int, path: Path) -> NDArray[np.generic]:
    array = arrays[name]
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (count,):
        raise DataError(
            f"Expected {name} of {path} to have shape ({count},), one for each image. Received: {array.shape}."
        )
    return array
