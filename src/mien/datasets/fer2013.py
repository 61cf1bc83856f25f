"""FER2013 as a table of pixels (`emotion`, `pixels`, `Usage`) in the forms people have, and the votes of FER+.

FER2013: Goodfellow et al., *Challenges in Representation Learning*, 2013. FER+: Barsoum et al., *Training Deep
Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution*, 2016.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.folders import LICENCE_FER2013, Progress
from mien.datasets.pixels import GrayImage, stack_images
from mien.datasets.samples import LICENCE_NOT_STATED, dataset_name
from mien.datasets.spec import OnMismatch
from mien.errors import DataError
from mien.labels import EIGHT, SEVEN

USAGE_ROLES = {"training": Role.TRAIN, "publictest": Role.VALIDATION, "privatetest": Role.TEST}
# FER+ answers that are no expression, in the order of `Dataset.other_votes`.
OTHER_ANSWERS = ("unknown", "NF")

_FORM = "columns emotion, pixels and, where known, Usage"
_PROGRESS_ROWS = 500


@dataclass(frozen=True)
class _Columns:
    emotion: int
    pixels: int
    usage: int | None


@dataclass
class _Rows:
    """What the table holds, as it is read."""

    images: list[GrayImage] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    count: int = 0


class _RowError(Exception):
    """Why a row cannot be used, as a sentence."""


def read_csv(
    path: Path,
    *,
    size: int | None,
    on_mismatch: OnMismatch,
    votes: Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read fer2013.csv, icml_face_data.csv or the challenge's train.csv, plain or compressed (.gz).

    Labels are FER2013's own. With `votes` the label set is the eight expressions that FER+ asked for, and
    `Dataset.votes` and `Dataset.other_votes` hold the taggers' counts.

    Args:
        path: the table.
        size: side of the images wanted, in pixels; None for the table's own.
        on_mismatch: whether images of another size are resized or refused.
        votes: FER+'s table, fer2013new.csv, whose rows go with the rows of `path`.
        progress: called with the bytes of the file that have been read, and all its bytes.

    Raises:
        DataError: not such a table, no labels in it, damaged, no usable row, or `votes` does not go with it.
    """
    try:
        rows = _read_rows(path, progress)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is not a complete .gz file ({error}). Download or copy it again.") from error
    if not rows.images:
        first = f" First: {rows.problems[0].name}: {rows.problems[0].reason}" if rows.problems else ""
        raise DataError(f"None of the {rows.count:,} rows of {path} can be used.{first}")
    ids = [f"row {number}" for number in rows.numbers]
    name = dataset_name(path)
    images, notes = stack_images(rows.images, ids, name=name, size=size, on_mismatch=on_mismatch)
    if len(set(rows.labels)) < 2:
        raise DataError(f"{path} has images of one expression only. A data set needs at least two expressions.")
    dataset = Dataset(
        name=name,
        images=images,
        labels=np.array(rows.labels, dtype=np.int64),
        label_set=SEVEN,
        roles=np.array([role.value for role in rows.roles], dtype="U10"),
        ids=np.array(ids),
        source=str(path),
        licence=LICENCE_FER2013 if any(rows.roles) else LICENCE_NOT_STATED,
        source_sizes=np.array([image.pixels.shape for image in rows.images], dtype=np.int64),
        notes=tuple(notes),
        problems=tuple(rows.problems),
    )
    return dataset if votes is None else _join_votes(dataset, rows, votes)


def _read_rows(path: Path, progress: Progress | None) -> _Rows:
    total = path.stat().st_size
    with path.open("rb") as file:

        def report() -> None:
            if progress is not None:
                progress(file.tell(), total)

        if path.suffix.lower() != ".gz":
            return _parse_rows(file, path, report)
        with gzip.GzipFile(fileobj=file) as unpacked:
            return _parse_rows(unpacked, path, report)


def _parse_rows(lines: Iterable[bytes], path: Path, report: Callable[[], None]) -> _Rows:
    rows = _Rows()
    lines = iter(lines)
    columns = _find_columns(next(lines, b""), path)
    for line in lines:
        cells = _cells(line)
        if cells == [b""]:
            continue
        rows.count += 1
        if rows.count % _PROGRESS_ROWS == 0:
            report()
        try:
            label, role = _label(cells, columns), _role(cells, columns)
            image = parse_pixels(_cell(cells, columns.pixels, "pixels"))
        except _RowError as error:
            rows.problems.append(Problem(f"row {rows.count}", str(error)))
            continue
        rows.images.append(GrayImage(image))
        rows.labels.append(label)
        rows.roles.append(role)
        rows.numbers.append(rows.count)
    report()
    return rows


def _cells(line: bytes) -> list[bytes]:
    # No cell of these tables holds a comma, so that quotes need no more than to be taken off.
    return [cell.strip(b' "\t\r\n') for cell in line.split(b",")]


def _find_columns(header: bytes, path: Path) -> _Columns:
    names = [cell.decode("utf-8", "replace").lower() for cell in _cells(header.removeprefix(b"\xef\xbb\xbf"))]
    if "pixels" not in names:
        votes = "neutral" in names and "nf" in names
        hint = " These are the votes of FER+: give the table of pixels, and this file as the votes." if votes else ""
        shown = ", ".join(names)[:120]
        raise DataError(f"{path} is no table of pixels. Expected {_FORM}. Received: {shown!r}.{hint}")
    if "emotion" not in names:
        raise DataError(
            f"{path} has no column 'emotion': its images have no labels. Expected {_FORM}. "
            "Give fer2013.csv, icml_face_data.csv or train.csv instead."
        )
    return _Columns(names.index("emotion"), names.index("pixels"), names.index("usage") if "usage" in names else None)


def _cell(cells: list[bytes], column: int, name: str) -> bytes:
    if column >= len(cells):
        raise _RowError(f"It has {len(cells)} cells, and none for {name}.")
    return cells[column]


def _label(cells: list[bytes], columns: _Columns) -> int:
    text = _cell(cells, columns.emotion, "emotion")
    if not (text.isdigit() and int(text) < len(SEVEN)):
        raise _RowError(f"Its emotion is {text[:20].decode('utf-8', 'replace')!r}; expected 0 to {len(SEVEN) - 1}.")
    return int(text)


def _role(cells: list[bytes], columns: _Columns) -> Role:
    if columns.usage is None:
        return Role.NONE
    usage = _cell(cells, columns.usage, "Usage").decode("utf-8", "replace")
    role = USAGE_ROLES.get(usage.lower())
    if role is None:
        raise _RowError(f"Its Usage is {usage[:20]!r}; expected Training, PublicTest or PrivateTest.")
    return role


def parse_pixels(text: bytes) -> NDArray[np.uint8]:
    """The square image that blank-separated numbers stand for.

    Args:
        text: numbers from 0 to 255, row by row.

    Returns:
        Shape (S, S), uint8.
    """
    if not text.strip() or text.translate(None, b"0123456789 "):
        raise _RowError("Its pixels are not whole numbers from 0 to 255, separated by blanks.")
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    if values.max() > 255:
        raise _RowError(f"It has a pixel value of {values.max()}; expected 0 to 255.")
    side = math.isqrt(len(values))
    if side * side != len(values):
        raise _RowError(f"Its {len(values):,} pixels do not make a square image.")
    return values.astype(np.uint8).reshape(side, side)


def count_votes(path: Path) -> Counter[Role]:
    """How many rows FER+'s table has for each role.

    Raises:
        DataError: it cannot be read, or is not that table.
    """
    return Counter(vote.role or Role.NONE for vote in read_votes(path))


def _join_votes(dataset: Dataset, rows: _Rows, path: Path) -> Dataset:
    table = list(read_votes(path))
    if len(table) != rows.count:
        raise DataError(
            f"The votes do not go with the images: {path} has {len(table):,} rows, {dataset.source} has "
            f"{rows.count:,}. Row n of the one must be about row n of the other."
        )
    index = [number - 1 for number in rows.numbers]
    for position, role in zip(index, rows.roles, strict=True):
        if role and table[position].role is not role:
            raise DataError(
                f"The votes do not go with the images: in row {position + 1} {path} says {table[position].usage!r}, "
                f"{dataset.source} has the role {role.value!r}. Row n of the one must be about row n of the other."
            )
    return replace(
        dataset,
        label_set=EIGHT,
        votes=np.array([table[position].expressions for position in index], dtype=np.float64),
        other_votes=np.array([table[position].others for position in index], dtype=np.float64),
    )


@dataclass(frozen=True)
class Vote:
    """A row of FER+'s table.

    Attributes:
        name: of the image's file, or "".
        usage: the role as FER2013 calls it, or "".
        role: that role; None where it is not named, or under another word.
        expressions: votes for the eight expressions, in the order of `EIGHT`.
        others: votes for the answers that are no expression, in the order of `OTHER_ANSWERS`.
    """

    name: str
    usage: str
    role: Role | None
    expressions: list[float]
    others: list[float]


def read_votes(path: Path) -> Iterator[Vote]:
    """The rows of FER+'s table, in order.

    Raises:
        DataError: it cannot be read, or is not that table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            wanted = [*(expression.value for expression in EIGHT.expressions), *OTHER_ANSWERS]
            missing = [name for name in wanted if name not in (table.fieldnames or [])]
            if missing:
                raise DataError(
                    f"{path} is not FER+'s table of votes (fer2013new.csv): it has no column {', '.join(missing)}."
                )
            for number, row in enumerate(table, start=1):
                yield _vote(row, number, path)
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path} with votes.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The votes in {path} cannot be read: {error}.") from error


def _vote(row: dict[str, str], number: int, path: Path) -> Vote:
    usage = (row.get("Usage") or "").strip()
    try:
        expressions = [float(row[expression.value]) for expression in EIGHT.expressions]
        others = [float(row[name]) for name in OTHER_ANSWERS]
    except (TypeError, ValueError) as error:
        raise DataError(f"Row {number} of {path} has a vote that is not a number.") from error
    if not all(0 <= vote < math.inf for vote in (*expressions, *others)):
        raise DataError(f"Row {number} of {path} has a vote that is not a number of people.")
    name = (row.get("Image name") or "").strip()
    return Vote(name, usage, USAGE_ROLES.get(usage.lower()) if usage else None, expressions, others)
