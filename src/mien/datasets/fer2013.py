"""FER2013 as a table of pixels (`emotion`, `pixels`, `Usage`) in the forms people have, and the votes of FER+.

FER2013: Goodfellow et al., *Challenges in Representation Learning*, 2013. FER+: Barsoum et al., *Training Deep
Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution*, 2016.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.folders import Progress
from mien.datasets.known import LICENCE_FER2013, match_known
from mien.datasets.pixels import DecodedImage
from mien.datasets.samples import LICENCE_NOT_STATED, ReadOptions, Sample, build_dataset, refuse_repeated_ids
from mien.datasets.tables import (
    Columns,
    find_tables,
    normal_name,
    open_table,
    other_tables,
    role_of,
    root_of,
    unused_notes,
)
from mien.errors import DataError
from mien.labels import EIGHT

USAGE_ROLES = {"training": Role.TRAIN, "publictest": Role.VALIDATION, "privatetest": Role.TEST}
# FER+ answers that are no expression, in the order of `Dataset.other_votes`.
OTHER_ANSWERS = ("unknown", "NF")

_FORM = "columns emotion, pixels and, where known, Usage"
_LIST_MARKS = bytes.maketrans(b"[],", b"   ")
# FER2013's own words for roles: a table that has them counts the expressions as FER2013 does.
_OWN_USAGES = frozenset({"publictest", "privatetest"})


@dataclass
class _Rows:
    """What the tables hold, as they are read."""

    images: list[DecodedImage] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    count: int = 0


class RowError(Exception):
    """Why a row cannot be used, as a sentence."""


def is_pixel_table(path: Path) -> bool:
    """Whether a path is a table of pixels, or a folder of such tables: by their first lines."""
    return bool(pixel_tables(path))


def pixel_tables(path: Path) -> list[Path]:
    """The tables of pixels that a path stands for."""
    return find_tables(path, lambda columns: columns.holds_pixels)


def read_csv(path: Path, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Read fer2013.csv, icml_face_data.csv, the challenge's train.csv or any table of pixels, plain or compressed.

    Labels are words, or numbers: FER2013's where the table has FER2013's columns or counts, else as
    `ReadOptions.classes` says. With votes the label set is the eight expressions that FER+ asked for, and
    `Dataset.votes` and `Dataset.other_votes` hold the taggers' counts.

    Args:
        path: the table; or a folder of tables whose names are roles (train.csv, val.csv, test.csv).
        options: the size wanted (None for the table's own), FER+'s votes, and what the labels stand for.
        progress: called with the bytes of the file that have been read, and all its bytes.

    Raises:
        DataError: not such a table, no labels in it, damaged, no usable row, or the votes do not go with it.
    """
    files = [path] if path.is_file() else pixel_tables(path)
    if not files:
        raise DataError(f"{path} holds no table of pixels. Expected {_FORM}.")
    rows, own_words, fer_columns = _Rows(), False, False
    kinds: list[Columns] = []
    for file in files:
        with open_table(file, progress) as (columns, lines):
            _check_columns(columns, file)
            kinds.append(columns)
            fer_columns |= {"emotion", "pixels", "usage"} <= set(map(normal_name, columns.names))
            several = f"{file.relative_to(root_of(files)).as_posix()} " if len(files) > 1 else ""
            own_words |= _read_rows(columns, lines, rows, several, role_of(file, files))
    if not rows.samples:
        first = f" First: {rows.problems[0].name}: {rows.problems[0].reason}" if rows.problems else ""
        raise DataError(f"None of the {rows.count:,} rows of {path} can be used.{first}")
    refuse_repeated_ids(rows.samples, str(path))
    left_out = other_tables(files) if path.is_dir() else []
    dataset = build_dataset(
        rows.samples,
        rows.images,
        path=path,
        licence=LICENCE_NOT_STATED,
        options=options,
        notes=[
            *([f"tables that hold no labelled images left out: {', '.join(left_out)}"] if left_out else []),
            *unused_notes(kinds),
        ],
        problems=rows.problems,
        order="fer2013" if own_words or fer_columns else None,
        order_note="" if own_words else "the columns are FER2013's (emotion, pixels, Usage)",
        by_counts=True,
    )
    match = match_known(dataset)
    if (own_words and options.classes is None) or (match is not None and match.known.name.startswith("FER2013")):
        dataset = replace(dataset, licence=LICENCE_FER2013)
    return dataset if options.votes is None else _join_votes(dataset, rows, options.votes)


def _check_columns(columns: Columns, path: Path) -> None:
    names = [normal_name(name) for name in columns.names]
    if not columns.holds_pixels:
        votes = "neutral" in names and "nf" in names
        hint = " These are the votes of FER+: give the table of pixels, and this file as the votes." if votes else ""
        if not hint:
            hint = (
                " A table of image files needs two columns: one of paths (path, file, file_name, image) and one of "
                "labels (label, emotion, expression)."
            )
        shown = ", ".join(names)[:120]
        raise DataError(f"{path} is no table of pixels. Expected {_FORM}. Received: {shown!r}.{hint}")
    if "label" not in columns.at:
        raise DataError(
            f"{path} has no column 'emotion': its images have no labels. Expected {_FORM}. "
            "Give fer2013.csv, icml_face_data.csv or train.csv instead. `mien predict --crops` names such images."
        )


def _read_rows(columns: Columns, lines: Iterator[list[str]], rows: _Rows, several: str, file_role: Role | None) -> bool:
    """Add a table's rows; returns whether its roles are in FER2013's own words."""
    own_words = False
    start = rows.count
    for cells in lines:
        rows.count += 1
        name = f"{several}row {rows.count - start}"
        role = columns.cell(cells, "role")
        own_words |= "".join(filter(str.isalpha, role.lower())) in _OWN_USAGES
        try:
            for kind in ("label", "pixels") if "pixels" in columns.at else ("label",):
                if columns.at[kind] >= len(cells):
                    # A table without a first line of names has none to tell.
                    column = columns.names[columns.at[kind]] if columns.names else f"its {kind}"
                    raise RowError(f"It has {len(cells)} cells, and none for {column}.")
            image = parse_pixels(pixel_text(columns, cells))
        except RowError as error:
            rows.problems.append(Problem(name, str(error)))
            continue
        rows.images.append(DecodedImage(image))
        rows.samples.append(
            Sample(
                columns.cell(cells, "id") or name,
                columns.cell(cells, "label"),
                role if "role" in columns.at else file_role or Role.NONE,
                columns.cell(cells, "group"),
            )
        )
        rows.numbers.append(rows.count)
    return own_words


def pixel_text(columns: Columns, cells: Sequence[str]) -> bytes:
    """The pixels of a row, as `parse_pixels` takes them."""
    if "pixels" in columns.at:
        text = cells[columns.at["pixels"]]
    else:
        text = " ".join(cells[place] for place in columns.pixels if place < len(cells))
    data = text.strip().encode()
    # As notebooks write a list or an array: [70, 80, 82].
    return data.translate(_LIST_MARKS) if data[:1] == b"[" or b"," in data else data


def parse_pixels(text: bytes) -> NDArray[np.uint8]:
    """The square image that blank-separated numbers stand for.

    Args:
        text: numbers from 0 to 255, row by row.

    Returns:
        Shape (S, S), uint8.
    """
    if not text.strip() or text.translate(None, b"0123456789 \n\t"):
        raise RowError("Its pixels are not whole numbers from 0 to 255, separated by blanks.")
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    if values.max() > 255:
        raise RowError(f"It has a pixel value of {values.max()}; expected 0 to 255.")
    side = math.isqrt(len(values))
    if side * side != len(values):
        raise RowError(f"Its {len(values):,} pixels do not make a square image.")
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
    kept = set(dataset.ids.tolist())
    index = [n - 1 for n, sample in zip(rows.numbers, rows.samples, strict=True) if sample.id in kept]
    for position, role in zip(index, dataset.roles.tolist(), strict=True):
        if role and table[position].role is not Role(role):
            raise DataError(
                f"The votes do not go with the images: in row {position + 1} {path} says {table[position].usage!r}, "
                f"{dataset.source} has the role {role!r}. Row n of the one must be about row n of the other."
            )
    numbers = np.array([EIGHT.index(label) for label in dataset.label_set.expressions])
    return replace(
        dataset,
        labels=numbers[dataset.labels],
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
