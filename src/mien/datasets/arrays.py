"""Data sets as NumPy arrays: one .npz, a folder of .npy files, or one HDF5 file.

Either images and labels (`images`, `data`, `x`, `faces`; `labels`, `y`, `emotion`), with `classes`, `roles`, `groups`
and `ids` where they are known; or a pair for each role, such as `X_train` and `y_train`, `test_images` and
`test_labels`, or `Training_pixel` and `Training_label`.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.channels import IN_COLOUR, Channels, has_equal_channels, images_in_channels
from mien.datasets.dataset import Dataset, Miss, Problem, Role
from mien.datasets.folders import Progress, is_sorted
from mien.datasets.pixels import DecodedImage
from mien.datasets.samples import (
    LICENCE_NOT_STATED,
    LOSS_WARNING,
    ReadOptions,
    Sample,
    build_dataset,
    find_role,
    refuse_repeated_ids,
)
from mien.errors import DataError, MissingExtraError
from mien.files import npz_names, read_npy, read_npz
from mien.images import depth_of, png_bytes
from mien.labels import parse_expression

_IMAGES = frozenset({"x", "images", "image", "imgs", "img", "data", "pixels", "pixel", "faces", "features"})
_LABELS = frozenset({"y", "labels", "label", "targets", "target", "emotions", "emotion", "expressions", "expression"})
_OTHER = frozenset({"classes", "roles", "groups", "ids"})
_FORM = "the arrays images and labels, or x_train and y_train and so on"
_HDF5 = (".h5", ".hdf5", ".hdf")

# RuntimeError: an encrypted archive.
_DAMAGED = (
    *(ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error),
    *(NotImplementedError, RuntimeError),
)

# All arrays of a data set together: they lie in memory as a whole.
LARGEST_ARRAYS_BYTES = 8 * 2**30

_Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class _Part:
    """Images with their labels; the arrays by their names, for messages."""

    images: str
    labels: str
    role: Role | None


def is_arrays(path: Path) -> bool:
    """Whether a path is an .npz, an HDF5 file, or a folder with such arrays as .npy files."""
    if path.suffix.lower() in (".npz", *_HDF5):
        return path.is_file()
    return path.is_dir() and bool(_parts(file.stem for file in path.glob("*.npy"))) and not is_sorted(path)


def is_folder_of_arrays(path: Path) -> bool:
    """Whether a folder holds an array of images as a .npy file, whatever else is known of them."""
    return path.is_dir() and any(_kind(file.stem)[0] == "images" for file in path.glob("[!.]*.npy"))


def arrays_files(path: Path) -> list[str]:
    """The .npy files of a folder."""
    return sorted(file.name for file in path.glob("[!.]*.npy"))


def read_arrays(path: Path, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Read arrays. Nothing in them is ever unpickled, since unpickling can run code.

    Images have shape (N, H, W), (N, H, W, 1), (N, H, W, 3) in RGB, (N, 1, H, W) or (N, S·S), and are uint8, or numbers
    from 0 to 255 or from 0 to 1, or whole numbers of 10 to 16 bits; what was done to them is in the notes. Labels have
    shape (N,), expressions as text or whole numbers (the names in `classes`, or what `ReadOptions.classes` says), or
    (N, K), one-hot. `roles`, `groups` and `ids` have shape (N,) and hold text.

    Args:
        path: an .npz, an HDF5 file, or a folder of .npy files named after the arrays.
        options: the size wanted, what happens to images of another one, and what the labels stand for.
        progress: called with images done and images to be done.

    Raises:
        DataError: an array is missing, has another shape or dtype, holds Python objects, or is damaged.
        MissingExtraError: an HDF5 file, and h5py is not installed.
    """
    arrays, names = _load(path)
    parts = _parts(arrays)
    if not parts:
        raise DataError(
            f"{path} is not a data set of arrays. Expected {_FORM}. Received: {', '.join(names)[:200] or 'none'}."
        )
    samples: list[Sample] = []
    images: list[DecodedImage | Problem] = []
    problems: list[Problem] = []
    notes: list[str] = []
    for part in parts:
        what = f"{part.images} of {path}"
        pixels, in_colour = _images(arrays[part.images], what, notes, part.images, options.channels)
        labels = _labels(arrays, part, len(pixels), path)
        columns = _columns(arrays, part, len(pixels), path)
        for index, label in enumerate(labels):
            if isinstance(label, Problem):
                problems.append(label)
                continue
            role, group, name = columns[index]
            samples.append(Sample(name, label, role, group))
            images.append(_framed(DecodedImage(pixels[index], (IN_COLOUR,) if in_colour else ()), options, name))
    refuse_repeated_ids(samples, str(path))
    if progress is not None:
        progress(len(images), len(images))
    return build_dataset(
        samples,
        images,
        path=path,
        licence=LICENCE_NOT_STATED,
        options=options,
        notes=notes,
        problems=problems,
        by_counts=True,
    )


def unlabelled_arrays(path: Path, channels: Channels = "gray") -> Iterator[tuple[str, DecodedImage]]:
    """Each image of arrays, with its name; labels are not looked at and need not be there.

    Args:
        path: a file or folder of arrays.
        channels: what the images are wanted in; gray ones stay gray.

    Raises:
        DataError: there are no images, or they are damaged.
        MissingExtraError: an HDF5 file, and h5py is not installed.
    """
    if path.suffix.lower() == ".npy":
        arrays, names = {path.stem: _load_one(path)}, [path.stem]
        found = names
    else:
        arrays, names = _load(path)
        found = [name for name in sorted(arrays) if _kind(name)[0] == "images"]
    if not found:
        raise DataError(
            f"{path} holds no array of images. Expected one called images, or X. "
            f"Received: {', '.join(names)[:200] or 'none'}."
        )
    for name in found:
        pixels, in_colour = _images(arrays[name], f"{name} of {path}", [], name, channels)
        for number, image in enumerate(pixels):
            yield f"{name}[{number}]", DecodedImage(image, (IN_COLOUR,) if in_colour else ())


def _load_one(path: Path) -> NDArray[np.generic]:
    try:
        return read_npy(path, largest_bytes=LARGEST_ARRAYS_BYTES)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an array: {error}.") from error


def _framed(image: DecodedImage, options: ReadOptions, name: str) -> DecodedImage | Problem:
    if options.framing is None:
        return image
    found = options.framing.cut(png_bytes(image.pixels))
    return Miss(name, found.reason, found.outcome) if isinstance(found, Miss) else found


def _load(path: Path) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    """The arrays that a data set is made of, and the names of all that are there."""
    try:
        if path.is_dir():
            files = {file.stem: file for file in path.glob("[!.]*.npy")}
            room = LARGEST_ARRAYS_BYTES // max(1, len(_wanted(files)))
            return {name: read_npy(files[name], largest_bytes=room) for name in _wanted(files)}, sorted(files)
        if path.suffix.lower() in _HDF5:
            return _load_hdf5(path)
        with path.open("rb") as file:
            names = npz_names(file)
            return read_npz(file, largest_bytes=LARGEST_ARRAYS_BYTES, wanted=_wanted(names)), sorted(names)
    except _DAMAGED as error:
        hint = (
            "An array holds Python objects, which can run code: save text as NumPy text (array.astype(str)) and images "
            "as one uint8 array."
            if "Object arrays" in str(error)
            else "Write it again, or copy it again."
        )
        raise DataError(f"{path} cannot be read as NumPy arrays ({error}). {hint}") from error


def _load_hdf5(path: Path) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtraError("Reading HDF5", "hdf5") from error
    try:
        with h5py.File(path, "r") as file:
            found: dict[str, Any] = {}
            file.visititems(
                lambda name, item: (
                    found.update({name.replace("/", "_"): item}) if isinstance(item, h5py.Dataset) else None
                )
            )
            return {name: _plain(found[name][()]) for name in _wanted(found)}, sorted(found)
    except OSError as error:
        raise DataError(f"{path} is not a complete HDF5 file ({error}). Write it again, or copy it again.") from error


def _plain(array: Any) -> NDArray[np.generic]:
    """HDF5 keeps text as bytes, or as objects that are bytes."""
    values = np.asarray(array)
    if values.dtype.kind in "SO":
        values = np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.ravel()])
    return values


def _kind(name: str) -> tuple[str, Role | None]:
    """What an array holds by its name ("images", "labels" or nothing), and for which role; None where it says none."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    kinds = {kind for word in words for kind, known in (("images", _IMAGES), ("labels", _LABELS)) if word in known}
    rest = [word for word in words if word not in _LABELS and word not in _IMAGES]
    role = find_role("".join(rest)) if rest else None
    if rest and role is None:
        return "", None
    # train_image_labels are labels.
    return ("labels" if "labels" in kinds else "images" if "images" in kinds else ""), role


def _wanted(names: Iterable[str]) -> list[str]:
    """What is loaded. Other arrays may lie beside it, such as landmarks, large or of Python objects."""
    return [name for name in names if name in _OTHER or _kind(name)[0]]


def _parts(names: Iterable[str]) -> list[_Part]:
    by_role: dict[Role | None, dict[str, str]] = {}
    for name in sorted(names):
        kind, role = _kind(name)
        if kind:
            by_role.setdefault(role, {}).setdefault(kind, name)
    pairs = {role: found for role, found in by_role.items() if len(found) == 2}
    if None in pairs:
        return [_Part(pairs[None]["images"], pairs[None]["labels"], None)]
    order = (Role.TRAIN, Role.VALIDATION, Role.TEST)
    return [_Part(pairs[role]["images"], pairs[role]["labels"], role) for role in order if role in pairs]


def _images(
    array: NDArray[np.generic], what: str, notes: list[str], name: str, channels: Channels
) -> tuple[NDArray[np.uint8], bool]:
    """Images, (N, H, W) or (N, H, W, 3) where colours are kept, and whether they were turned gray; done is noted."""
    shape = array.shape
    if array.ndim == 2 and (side := round(shape[1] ** 0.5)) ** 2 == shape[1] and side > 1:
        array = array.reshape(-1, side, side)
        notes.append(f"{name}: {shape[1]} values a row taken as images of {side}x{side} pixels")
    if array.ndim == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3):
        array = np.moveaxis(array, 1, 3)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] != 3) or array.dtype.kind not in "uifb":
        raise DataError(
            f"Expected {what} to be images of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), numbers from 0 to 255 or "
            f"from 0 to 1. Received: shape {shape}, dtype {array.dtype}. Convert them before you save them."
        )
    pixels = _bytes(array, what, notes, name)
    if pixels.ndim == 3:
        return pixels, False
    if has_equal_channels(pixels):
        notes.append(f"{name}: three equal channels, one of them taken")
        return np.ascontiguousarray(pixels[..., 0]), False
    return images_in_channels(pixels, channels), channels == "gray"


def _bytes(array: NDArray[np.generic], what: str, notes: list[str], name: str) -> NDArray[np.uint8]:
    """The values as uint8; those from 0 to 1 become 0 to 255."""
    if array.dtype == np.uint8 and not (array.size and array.min() == 0 and array.max() == 1):
        return np.asarray(array, dtype=np.uint8)
    if array.dtype == np.uint8:
        notes.append(
            f"{LOSS_WARNING}{name}: 0 and 1 alone, multiplied by 255. Images that were divided by 255 and cut to whole "
            "numbers look so, and have lost all their grays"
        )
        return np.where(array == 0, np.uint8(0), np.uint8(255))
    least, most = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if array.dtype.kind in "iu" and least >= 0 and 255 < most < 2**16:
        bits = depth_of(most)  # of all images alike: one that is dark stays so
        notes.append(f"{name}: {array.dtype} up to {most:.0f} taken as {bits} bits, scaled to 8")
        scaled = np.rint(array.astype(np.float32) * np.float32(255 / (2**bits - 1)))
        return np.asarray(scaled, dtype=np.uint8)
    if not (least >= 0 and most <= 255):
        raise DataError(
            f"Expected {what} to hold numbers from 0 to 255 or from 0 to 1. Received: {least:g} to {most:g}, dtype "
            f"{array.dtype}: they were standardised, or have not-a-number among them. Save the images before that step."
        )
    from_one = array.dtype.kind in "fb" and most <= 1
    values = array.astype(np.float64) * (255.0 if from_one else 1.0)
    rounded = np.rint(values)
    told = "from 0 to 1, multiplied by 255" if from_one else "from 0 to 255"
    exact = "" if np.abs(values - rounded).max(initial=0.0) < 1e-3 else ", and rounded"
    notes.append(f"{name}: {array.dtype} {told}{exact}")
    return rounded.astype(np.uint8)


def _labels(arrays: _Arrays, part: _Part, count: int, path: Path) -> list[str | Problem]:
    """The label of each image as the arrays have it, or why it has none."""
    array = arrays[part.labels]
    where = f"{part.labels} of {path}"
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "uifb" and _is_one_hot(array):
        array = array.argmax(axis=1)
    labels = _column({part.labels: array}, part.labels, count, path)
    if labels.dtype.kind == "U":
        return [str(text) for text in labels.tolist()]
    if labels.dtype.kind == "S":
        return [text.decode("utf-8", "replace") for text in labels.tolist()]
    whole = labels.dtype.kind in "iu" or (labels.dtype.kind == "f" and bool(np.all(labels == np.floor(labels))))
    if not whole:
        raise DataError(
            f"Expected {where} to hold text or whole numbers. Received: dtype {labels.dtype}. "
            "Convert them, such as with labels.astype(str) or labels.astype(int)."
        )
    numbers = labels.astype(np.int64).tolist()
    if "classes" not in arrays:
        return [str(number) for number in numbers]
    classes = [str(text) for text in arrays["classes"].tolist()]
    for text in classes:
        parse_expression(text, where=f"classes of {path}")
    return [
        classes[number]
        if 0 <= number < len(classes)
        else Problem(f"{part.images}[{index}]", f"Its label is {number}; expected 0 to {len(classes) - 1}.")
        for index, number in enumerate(numbers)
    ]


def _is_one_hot(array: NDArray[np.generic]) -> bool:
    return bool(np.all((array == 0) | (array == 1)) and np.all(array.sum(axis=1) == 1))


def _columns(arrays: _Arrays, part: _Part, count: int, path: Path) -> list[tuple[Role | str, str, str]]:
    """Role, group and name of each image."""
    if part.role is not None:
        return [(part.role, "", f"{part.images}[{index}]") for index in range(count)]
    roles = _texts(arrays, "roles", count, path)
    groups = _texts(arrays, "groups", count, path)
    ids = [name or f"{part.images}[{index}]" for index, name in enumerate(_texts(arrays, "ids", count, path))]
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
