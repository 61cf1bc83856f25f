"""The votes of FER+ joined to images that have no row in a table: by the name of the file, or by the pixels.

By name: `fer2013new.csv` names a file for every row (fer0000000.png), and FER+'s own script writes images under these
names into FER2013Train, FER2013Valid and FER2013Test. By pixels: other copies of FER2013 have names of their own, and
fer2013.csv beside the votes says which row has the pixels of an image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mien.channels import images_in_channels
from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.fer2013 import Vote, read_csv, read_votes
from mien.datasets.folders import LabelFiles, LabelledFile, label_files
from mien.datasets.known import LICENCE_FER2013
from mien.datasets.pixels import DecodedImage, stack_images
from mien.datasets.samples import ReadOptions
from mien.datasets.spec import OnMismatch
from mien.errors import DataError
from mien.labels import EIGHT

# Root mean square difference, in gray levels, up to which two images are one picture. All 35,340 images of the JPEG
# copy of FER2013 (quality 95) lie within 2.02 of a row; for 99.6 in 100 of them no other picture lies within 2.5.
SAME_PIXELS = 2.5
# Less than this share joined: the votes are about other images.
_LEAST_JOINED = 0.5

_TABLES = ("fer2013.csv", "fer2013.csv.gz", "icml_face_data.csv", "icml_face_data.csv.gz")
_EXPORT_FOLDERS = frozenset({"fer2013train", "fer2013valid", "fer2013test"})
_COARSE = 6  # blocks a side: enough to tell nearly all pictures apart, and 64 times fewer numbers than the pixels
_ROWS = 256


def table_beside(votes: Path) -> Path | None:
    """The table of FER2013's pixels in the folder of the votes, or None."""
    return next((path for name in _TABLES if (path := votes.parent / name).is_file()), None)


def read_with_votes(
    read: Callable[[int | None, LabelFiles], Dataset], votes: Path, *, size: int | None, on_mismatch: OnMismatch
) -> Dataset:
    """Read images in folders and join FER+'s votes to them.

    Where folders name the expressions, labels are the folders'; in an export of FER+'s script the label is the
    expression with the most votes (of several, the first in mien's order). An image that cannot be joined has no
    votes, and a note says how many there are.

    Args:
        read: reads the images at a size (None: their own), with a function that says which label each file has.
        votes: FER+'s table.
        size: side of the images wanted, in pixels; None for their own.
        on_mismatch: whether images of another size are resized or refused.

    Raises:
        DataError: the votes are not FER+'s, or are about other images, or a table of pixels is needed and absent.
    """
    table = list(read_votes(votes))
    by_name = {vote.name.lower(): number for number, vote in enumerate(table) if vote.name}

    def label(paths: Iterable[str], where: str) -> tuple[list[LabelledFile], list[Problem]]:
        paths = list(paths)
        if any(part.lower() in _EXPORT_FOLDERS for path in paths for part in path.split("/")[:-1]):
            return _label_by_votes(paths, table, by_name)
        return label_files(paths, where)

    # At their own size: pixels are compared as they are.
    dataset = read(None, label)
    rows = np.array([by_name.get(PurePosixPath(name).name.lower(), -1) for name in dataset.ids.tolist()])
    notes: list[str] = []
    if (rows >= 0).mean() < _LEAST_JOINED:
        rows, notes = _rows_by_pixels(dataset, table, votes)
    _check_roles(dataset, table, rows, votes)
    missing = int((rows < 0).sum())
    if missing:
        notes.append(f"{missing:,} {'image has' if missing == 1 else 'images have'} no votes: no row is about them")
    joined = _with_rows(dataset, table, rows, notes)
    return joined if size is None else _at_size(joined, size, on_mismatch)


def _label_by_votes(
    paths: Sequence[str], table: Sequence[Vote], by_name: dict[str, int]
) -> tuple[list[LabelledFile], list[Problem]]:
    files, problems = [], []
    for path in paths:
        number = by_name.get(PurePosixPath(path).name.lower())
        if number is None:
            problems.append(Problem(path, "No row of the votes names it."))
        elif not any(table[number].expressions):
            problems.append(Problem(path, "No tagger named an expression for it."))
        else:
            vote = table[number]
            expression = EIGHT.expressions[int(np.argmax(vote.expressions))]
            files.append(LabelledFile(path, expression, vote.role or Role.NONE))
    return files, problems


def _rows_by_pixels(dataset: Dataset, table: Sequence[Vote], votes: Path) -> tuple[NDArray[np.int64], list[str]]:
    """The row of each image, -1 for none; exact pixels first, then the nearest, each row once."""
    beside = table_beside(votes)
    if beside is None:
        raise DataError(
            f"The votes name other files than {dataset.source} has. Put fer2013.csv beside {votes}, so that images are "
            "joined to rows by their pixels."
        )
    # With the votes, so that their going with the table row by row is checked on the way.
    pixels = read_csv(beside, ReadOptions(on_mismatch="refuse", votes=votes))
    numbers = np.array([int(name.removeprefix("row ")) - 1 for name in pixels.ids.tolist()])
    if pixels.size != dataset.size:
        height, width = dataset.size
        raise DataError(
            f"Votes are joined by pixels at the table's own size, {pixels.size[1]}x{pixels.size[0]}. {dataset.source} "
            f"has images of {width}x{height} pixels: give a copy that was not resized."
        )
    matches = _match(dataset, pixels)
    rows = np.full(len(dataset), -1, dtype=np.int64)
    for image, (row, _) in matches.items():
        rows[image] = numbers[row]
    if len(matches) < _LEAST_JOINED * len(dataset):
        raise DataError(
            f"The votes do not go with the images: {len(matches):,} of {len(dataset):,} in {dataset.source} have the "
            f"pixels of a row of {beside}."
        )
    exact = sum(difference == 0 for _, difference in matches.values())
    farthest = max(difference for _, difference in matches.values())
    copies = Counter(pixels.sample_hashes.tolist())
    several = sum(copies[pixels.sample_hashes[row]] > 1 for row, _ in matches.values())
    notes = [f"votes joined by pixels: {exact:,} images equal a row of {beside.name}"]
    if exact < len(matches):
        notes[0] += f", {len(matches) - exact:,} lie within {farthest:.2f} gray levels of one"
    if several:
        notes.append(f"{several:,} images have several rows with equal pixels, of which each was used once")
    return rows, notes


def _match(dataset: Dataset, pixels: Dataset) -> dict[int, tuple[int, float]]:
    """For each image that is joined, its row in `pixels` and the difference; no row twice.

    Pairs of equal pixels come first, then those of one role and label, then the nearer ones. Copies of one picture
    are rows of their own with votes of their own, and their role and label are all that tells them apart.
    """
    names = [np.array([e.value for e in part.label_set.expressions])[part.labels] for part in (dataset, pixels)]
    pairs = []
    for image, row, difference in _near_pairs(images_in_channels(dataset.images, "gray"), np.asarray(pixels.images)):
        unlike = int(_other_role(str(dataset.roles[image]), str(pixels.roles[row])))
        unlike += int(names[0][image] != names[1][row])
        pairs.append((difference > 0, unlike, difference, row, image))
    taken: set[int] = set()
    matches: dict[int, tuple[int, float]] = {}
    for _, _, difference, row, image in sorted(pairs):
        if image not in matches and row not in taken:
            matches[image] = (row, difference)
            taken.add(row)
    return matches


def _other_role(one: str, other: str) -> bool:
    """Whether two roles differ; many copies have public and private test in one."""
    return bool(one and other) and (one == Role.TRAIN.value) != (other == Role.TRAIN.value)


def _near_pairs(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> Iterator[tuple[int, int, float]]:
    """Pairs of an image and another that differ by at most `SAME_PIXELS`, with the difference."""
    blocks, share = _block_means(images)
    other_blocks, _ = _block_means(others)
    # Means differ by no more than the pixels that they are means of: nothing is lost by looking at them first.
    limit = SAME_PIXELS**2 / share * blocks.shape[1] + 1.0  # and what is lost to rounding
    lengths, other_lengths = (blocks**2).sum(axis=1), (other_blocks**2).sum(axis=1)
    for start in range(0, len(blocks), _ROWS):
        part = blocks[start : start + _ROWS]
        distances = lengths[start : start + _ROWS, None] + other_lengths[None] - 2 * part @ other_blocks.T
        near, rows = np.nonzero(distances <= limit)
        for image, row in zip((near + start).tolist(), rows.tolist(), strict=True):
            apart = images[image].astype(np.float32) - others[row]
            difference = float(np.sqrt(np.mean(apart * apart)))
            if difference <= SAME_PIXELS:
                yield image, row, difference


def _block_means(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Means of a grid of blocks, shape (N, B), and the share of the pixels that lie in one."""
    count, height, width = images.shape
    down, across = min(_COARSE, height), min(_COARSE, width)
    inner = images[:, : height // down * down, : width // across * across]
    means = inner.reshape(count, down, inner.shape[1] // down, across, -1).mean(axis=(2, 4), dtype=np.float32)
    return means.reshape(count, -1), inner.shape[1] * inner.shape[2] / (height * width)


def _check_roles(dataset: Dataset, table: Sequence[Vote], rows: NDArray[np.int64], votes: Path) -> None:
    torn = [
        image
        for image, row in enumerate(rows.tolist())
        if row >= 0 and _other_role(str(dataset.roles[image]), (table[row].role or Role.NONE).value)
    ]
    if len(torn) > (1 - _LEAST_JOINED) * len(dataset):
        raise DataError(
            f"The votes do not go with the images: for {len(torn):,} of {len(dataset):,} images {votes} has another "
            f"role than {dataset.source}. First: {dataset.ids[torn[0]]}."
        )


def _with_rows(dataset: Dataset, table: Sequence[Vote], rows: NDArray[np.int64], notes: Sequence[str]) -> Dataset:
    none = ([0.0] * len(EIGHT), [0.0] * len(table[0].others))
    found = [none if row < 0 else (table[row].expressions, table[row].others) for row in rows.tolist()]
    numbers = np.array([EIGHT.index(expression) for expression in dataset.label_set.expressions])
    return replace(
        dataset,
        labels=numbers[dataset.labels],
        label_set=EIGHT,
        licence=LICENCE_FER2013,
        votes=np.array([expressions for expressions, _ in found], dtype=np.float64),
        other_votes=np.array([others for _, others in found], dtype=np.float64),
        notes=(*dataset.notes, *notes),
    )


def _at_size(dataset: Dataset, size: int, on_mismatch: OnMismatch) -> Dataset:
    images = [DecodedImage(np.asarray(image)) for image in dataset.images]
    resized, notes = stack_images(
        images,
        dataset.ids.tolist(),
        name=dataset.name,
        size=size,
        on_mismatch=on_mismatch,
        channels=dataset.channels,
    )
    return replace(dataset, images=resized, notes=(*dataset.notes, *notes))
