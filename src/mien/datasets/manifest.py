"""Data sets as a manifest: a table with a row for each image file, and the files beside it.

The columns `path` (relative to the table) and `label` are required. `role`, `group` (a person or a sequence, never to
be separated), `id`, and the votes of taggers (`votes:EXPRESSION`, `other_votes:ANSWER`) may be there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.folders import LICENCE_NOT_STATED, ROLE_FOLDERS, Progress, dataset_name, decode_files
from mien.datasets.pixels import GrayImage, OnMismatch, stack_images
from mien.errors import DataError, did_you_mean
from mien.files import write_text
from mien.images import png_bytes
from mien.labels import Expression, LabelSet, parse_expression

MANIFEST_FILE = "manifest.csv"
LICENCE_FILE = "LICENCE.txt"

_VOTES = "votes:"
_OTHER_VOTES = "other_votes:"


@dataclass(frozen=True)
class _Row:
    path: str
    expression: Expression
    role: Role
    group: str
    id: str
    votes: tuple[float, ...]


@dataclass(frozen=True)
class _Table:
    rows: list[_Row]
    columns: list[str]
    expressions: list[Expression]
    others: list[str]


def is_manifest(path: Path) -> bool:
    """Whether a path is a manifest, or a folder that holds one: by the head line of its table."""
    path = _table_of(path)
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.readline(4096).removeprefix(b"\xef\xbb\xbf")
    columns = {cell.strip(b' "\r\n').lower() for cell in head.split(b",")}
    return {b"path", b"label"} <= columns


def manifest_files(path: Path) -> list[str]:
    """The image files that a manifest names, relative to its folder; those that are missing are left out."""
    table = _table_of(path)
    return [row.path for row in _read_table(table).rows if (table.parent / row.path).is_file()]


def read_manifest(
    path: Path, *, size: int | None, on_mismatch: OnMismatch, progress: Progress | None = None
) -> Dataset:
    """Read a manifest and its images.

    Args:
        path: the table, or the folder that holds it as manifest.csv.
        size: side of the square images wanted, in pixels; None for the most common size.
        on_mismatch: whether images of another size or in colour are converted, with a note, or refused.
        progress: called with images done and images to be done.

    Raises:
        DataError: a column is missing, a row cannot be understood, no image can be read, or there is one class only.
    """
    file = _table_of(path)
    table = _read_table(file)
    problems: list[Problem] = []
    images: list[GrayImage] = []
    kept: list[_Row] = []
    decoded = decode_files([row.path for row in table.rows], lambda name: (file.parent / name).read_bytes(), progress)
    for row, result in zip(table.rows, decoded, strict=True):
        if isinstance(result, Problem):
            problems.append(result)
        else:
            images.append(result)
            kept.append(row)
    if not images:
        first = f" First: {problems[0].name}: {problems[0].reason}" if problems else ""
        raise DataError(f"None of the {len(table.rows):,} images that {file} names can be read.{first}")
    label_set = LabelSet.of([*(row.expression for row in kept), *table.expressions])
    if len(label_set) < 2:
        raise DataError(f"{file} has images of one expression only. A data set needs at least two expressions.")
    ids = [row.id for row in kept]
    name = dataset_name(path)
    stacked, notes = stack_images(images, ids, name=name, size=size, on_mismatch=on_mismatch)
    votes, others = _vote_arrays(kept, table, label_set)
    groups = np.array([row.group for row in kept])
    licence = file.parent / LICENCE_FILE
    return Dataset(
        name=name,
        images=stacked,
        labels=np.array([label_set.index(row.expression) for row in kept], dtype=np.int64),
        label_set=label_set,
        roles=np.array([row.role.value for row in kept], dtype="U10"),
        ids=np.array(ids),
        source=str(path),
        licence=licence.read_text(encoding="utf-8").strip() if licence.is_file() else LICENCE_NOT_STATED,
        votes=votes,
        other_votes=others,
        groups=groups if (groups != "").any() else None,
        source_sizes=np.array([image.pixels.shape for image in images], dtype=np.int64),
        notes=tuple(notes),
        problems=tuple(problems),
    )


def write_manifest(dataset: Dataset, folder: Path) -> Path:
    """Write a data set as a manifest with its images as gray PNG files: read again, it has the same fingerprint.

    Args:
        dataset: any data set.
        folder: gets manifest.csv, LICENCE.txt and images/; made where needed.

    Returns:
        The path of manifest.csv, which is written last: its presence means that all images are there.

    Raises:
        DataError: there is a manifest already, or the folder cannot be written to.
    """
    table = folder / MANIFEST_FILE
    if table.exists():
        raise DataError(f"{folder} holds a manifest already. Name another folder, or remove it first.")
    names = [expression.value for expression in dataset.label_set.expressions]
    columns = ["path", "label", "role", "group", "id"]
    columns += [] if dataset.votes is None else [_VOTES + name for name in names]
    others = 0 if dataset.other_votes is None else dataset.other_votes.shape[1]
    columns += [f"{_OTHER_VOTES}{number}" for number in range(others)]
    width = len(str(len(dataset)))
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        lines = [columns]
        for position in range(len(dataset)):
            path = f"images/{position + 1:0{width}d}.png"
            (folder / path).write_bytes(png_bytes(dataset.images[position]))
            lines.append([path, *_row_of(dataset, position, names)])
        write_text(folder / LICENCE_FILE, dataset.licence + "\n")
        write_text(table, _csv_text(lines))
    except OSError as error:
        raise DataError(
            f"The data set cannot be written to {folder}: {error.strerror or error}. Name another folder, or make room."
        ) from error
    return table


def _row_of(dataset: Dataset, position: int, names: Sequence[str]) -> list[str]:
    group = "" if dataset.groups is None else str(dataset.groups[position])
    row = [names[dataset.labels[position]], str(dataset.roles[position]), group, str(dataset.ids[position])]
    for votes in (dataset.votes, dataset.other_votes):
        row += [] if votes is None else [repr(float(vote)) for vote in votes[position]]
    return row


def _csv_text(lines: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _table_of(path: Path) -> Path:
    return path / MANIFEST_FILE if path.is_dir() else path


def _read_table(path: Path) -> _Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            for name in ("path", "label"):
                if name not in columns:
                    raise DataError(
                        f"{path} is no manifest: it has no column {name!r}. {did_you_mean(name, columns)} "
                        "Expected the columns path, label and, where known, role and group."
                    )
            voted = [name for name in columns if name.startswith(_VOTES)]
            others = [name for name in columns if name.startswith(_OTHER_VOTES)]
            rows = [_row(row, number, [*voted, *others], path) for number, row in enumerate(reader, start=1)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The manifest {path} cannot be read: {error}.") from error
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise DataError(f"The manifest {path} names {row.id!r} twice. Every sample needs a name of its own.")
        seen.add(row.id)
    expressions = [parse_expression(name.removeprefix(_VOTES), where=str(path)) for name in voted]
    return _Table(rows, columns, expressions, others)


def _row(row: dict[str, str], number: int, voted: Sequence[str], path: Path) -> _Row:
    where = f"row {number} of {path}"
    name = (row["path"] or "").strip()
    if not name:
        raise DataError(f"In {where} the path is empty.")
    try:
        votes = tuple(float(row[column]) for column in voted)
    except (TypeError, ValueError) as error:
        raise DataError(f"In {where} a vote is not a number.") from error
    if not all(0 <= vote < float("inf") for vote in votes):
        raise DataError(f"In {where} a vote is not a number of people.")
    return _Row(
        path=name,
        expression=parse_expression(row["label"] or "", where=where),
        role=_role(row.get("role") or "", where),
        group=(row.get("group") or "").strip(),
        id=(row.get("id") or "").strip() or name,
        votes=votes,
    )


def _role(text: str, where: str) -> Role:
    word = "".join(character for character in text.lower() if character.isalpha())
    if not word:
        return Role.NONE
    if word not in ROLE_FOLDERS:
        raise DataError(f"Unknown role {text!r} in {where}. {did_you_mean(word, ['train', 'validation', 'test'])}")
    return ROLE_FOLDERS[word]


def _vote_arrays(
    rows: Sequence[_Row], table: _Table, label_set: LabelSet
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    values = np.array([row.votes for row in rows], dtype=np.float64).reshape(len(rows), -1)
    split = len(table.expressions)
    votes = None
    if split:
        votes = np.zeros((len(rows), len(label_set)))
        votes[:, [label_set.index(expression) for expression in table.expressions]] = values[:, :split]
    return votes, values[:, split:] if table.others else None
