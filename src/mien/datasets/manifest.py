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

from mien.datasets.dataset import Dataset
from mien.datasets.folders import Progress, decode_files
from mien.datasets.samples import (
    LICENCE_NOT_STATED,
    OTHER_VOTES,
    VOTES,
    Sample,
    build_dataset,
    parse_role,
    refuse_repeated_ids,
    refuse_unwritable_ids,
)
from mien.datasets.spec import OnMismatch
from mien.errors import DataError, did_you_mean
from mien.files import write_text
from mien.images import png_bytes
from mien.labels import Expression, parse_expression

MANIFEST_FILE = "manifest.csv"
LICENCE_FILE = "LICENCE.txt"


@dataclass(frozen=True)
class _Table:
    paths: list[str]
    samples: list[Sample]
    expressions: list[Expression]


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
    return [name for name in _read_table(table).paths if (table.parent / name).is_file()]


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
    licence = file.parent / LICENCE_FILE
    return build_dataset(
        table.samples,
        decode_files(table.paths, lambda name: (file.parent / name).read_bytes(), progress),
        path=path,
        licence=licence.read_text(encoding="utf-8").strip() if licence.is_file() else LICENCE_NOT_STATED,
        size=size,
        on_mismatch=on_mismatch,
        voted=table.expressions,
    )


def write_manifest(dataset: Dataset, folder: Path) -> Path:
    """Write a data set as a manifest with its images as gray PNG files: read again, it has the same fingerprint.

    Args:
        dataset: any data set.
        folder: gets manifest.csv, LICENCE.txt and images/; made where needed.

    Returns:
        The path of manifest.csv, which is written last: its presence means that all images are there.

    Raises:
        DataError: there is a manifest already, the folder cannot be written to, or a name is no UTF-8.
    """
    table = folder / MANIFEST_FILE
    if table.exists():
        raise DataError(f"{folder} holds a manifest already. Name another folder, or remove it first.")
    refuse_unwritable_ids(dataset)
    names = [expression.value for expression in dataset.label_set.expressions]
    columns = ["path", "label", "role", "group", "id"]
    columns += [] if dataset.votes is None else [VOTES + name for name in names]
    others = 0 if dataset.other_votes is None else dataset.other_votes.shape[1]
    columns += [f"{OTHER_VOTES}{number}" for number in range(others)]
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
            voted = [name for name in columns if name.startswith(VOTES)]
            others = [name for name in columns if name.startswith(OTHER_VOTES)]
            rows = [_row(row, number, [*voted, *others], path) for number, row in enumerate(reader, start=1)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The manifest {path} cannot be read: {error}.") from error
    samples = [sample for _, sample in rows]
    refuse_repeated_ids(samples, f"The manifest {path}")
    expressions = [parse_expression(name.removeprefix(VOTES), where=str(path)) for name in voted]
    return _Table([name for name, _ in rows], samples, expressions)


def _row(row: dict[str, str], number: int, voted: Sequence[str], path: Path) -> tuple[str, Sample]:
    """The path of an image and what the row says of it."""
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
    sample = Sample(
        id=(row.get("id") or "").strip() or name,
        expression=parse_expression(row["label"] or "", where=where),
        role=parse_role(row.get("role") or "", where),
        group=(row.get("group") or "").strip(),
        votes=votes,
    )
    return name, sample
