"""Cleaning lists: which samples to leave out, and why. A table beside the data; the data stay as they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.datasets.dataset import Dataset
from mien.errors import DataError
from mien.files import write_text

COLUMNS = ("id", "reason", "detail")


@dataclass(frozen=True)
class CleaningEntry:
    """A sample to leave out.

    Attributes:
        id: its name in the data set.
        reason: a few words, the same for all samples that are left out for it.
        detail: which other sample, or what else a person needs to judge; may be empty.
    """

    id: str
    reason: str
    detail: str = ""


def write_cleaning(path: Path, entries: Sequence[CleaningEntry]) -> None:
    """Write a cleaning list: CSV with the columns id, reason and detail."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((entry.id, entry.reason, entry.detail) for entry in entries)
    write_text(path, text.getvalue())


def read_cleaning(path: Path) -> list[CleaningEntry]:
    """Read a cleaning list. Only the column id is required, so that a list can be written by hand.

    Raises:
        DataError: there is no such file, it is not a table with a column id, or it names a sample twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            if "id" not in (table.fieldnames or []):
                raise DataError(
                    f"{path} is no cleaning list: it has no column 'id'. Expected a CSV with the columns id and reason."
                )
            entries = [
                CleaningEntry(row["id"], row.get("reason") or "not stated", row.get("detail") or "") for row in table
            ]
    except FileNotFoundError as error:
        raise DataError(f"There is no cleaning list {path}.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The cleaning list {path} cannot be read: {error}.") from error
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise DataError(f"The cleaning list {path} names {entry.id!r} twice. Remove one of the two lines.")
        seen.add(entry.id)
    return entries


def apply_cleaning(dataset: Dataset, entries: Sequence[CleaningEntry], path: Path) -> Dataset:
    """The same data set with the samples of a cleaning list marked in `left_out`; a protocol leaves them out.

    Args:
        dataset: what the list is about.
        entries: the list.
        path: where it was read from, for the message.

    Raises:
        DataError: the list names a sample that the data set does not have: it is the list of another data set.
    """
    listed = {entry.id for entry in entries}
    known = set(dataset.ids.tolist())
    strange = sorted(listed - known)
    if strange:
        raise DataError(
            f"The cleaning list {path} does not go with {dataset.name}: {len(strange):,} of its {len(listed):,} "
            f"samples are not there, the first is {strange[0]!r}. "
            "Audit this data set to get its own list."
        )
    return dataset.annotated(left_out=np.isin(dataset.ids, sorted(listed)))
