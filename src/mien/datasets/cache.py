"""Data sets as they were read, kept in the user's cache so that the next reading takes no time.

An entry is a folder named by a hash of the content it was read from: `images.npy`, which is memory-mapped,
`samples.npz` with one array per column, and `dataset.json` with the rest. It appears whole, by rename, or not at
all, so that several processes may write the same entry. A damaged or outdated entry counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets.dataset import Dataset, Missed, Problem, Role
from mien.errors import MienError
from mien.files import canonical_json, create_held, parse_json, remove_abandoned, remove_held
from mien.labels import LabelSet, label_text, to_label
from mien.machine import user_folder

# Raised whenever readers give something else for the same files.
SCHEMA = 6
# Held while an entry is being written, so that what a killed process left can be told from it.
_LOCK_FILE = "writing"
_OPTIONAL = ("votes", "other_votes", "groups", "source_sizes", "faces")


def default_cache() -> Path:
    """The folder in which data sets are kept for this user, by the custom of the operating system."""
    return user_folder() / "datasets"


def entry_name(settings: dict[str, Any]) -> str:
    """The name of the entry for content and reading options that JSON can hold."""
    return hashlib.sha256(canonical_json({"schema": SCHEMA, **settings}).encode()).hexdigest()[:32]


class CacheEntryError(MienError):
    """An entry is there and cannot be used."""


def load_entry(entry: Path, *, name: str, source: str) -> Dataset | None:
    """The data set kept in an entry, its images memory-mapped, or None when there is no such entry.

    Args:
        entry: the entry's folder.
        name: the data set's name.
        source: where it is read from this time.

    Raises:
        CacheEntryError: the entry is damaged or has another schema.
    """
    if not entry.exists():
        return None
    try:
        about = parse_json((entry / "dataset.json").read_text(encoding="utf-8"))
        if about["schema"] != SCHEMA:
            raise CacheEntryError(f"schema {about['schema']}")
        with np.load(entry / "samples.npz", allow_pickle=False) as columns:
            samples = {key: columns[key] for key in columns.files}
        hashes = samples.pop("sample_hashes")
        dataset = Dataset(
            name=name,
            source=source,
            images=np.load(entry / "images.npy", mmap_mode="r", allow_pickle=False),
            label_set=LabelSet.of(map(to_label, about["expressions"])),
            licence=about["licence"],
            notes=tuple(about["notes"]),
            problems=tuple(Problem(**problem) for problem in about["problems"]),
            missed=tuple(
                Missed(name, to_label(label), Role(role), outcome) for name, label, role, outcome in about["missed"]
            ),
            **samples,
        )
        if len(hashes) != len(dataset):
            raise CacheEntryError("columns of different lengths")
        return dataset.with_known_hashes(hashes, about["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, MienError) as error:
        raise CacheEntryError(f"The cache entry {entry} is damaged ({error}).") from error


def save_entry(entry: Path, dataset: Dataset) -> None:
    """Write an entry, whole or not at all; a damaged one that is there already is replaced.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    for left in entry.parent.glob("*.part"):
        remove_abandoned(left, lock_file=_LOCK_FILE)
    writing, lock_file = create_held(
        lambda: Path(tempfile.mkdtemp(dir=entry.parent, prefix=f"{entry.name}.", suffix=".part")) / _LOCK_FILE
    )
    part = lock_file.parent
    try:
        with writing:
            _write_entry(part, dataset)
            remove_held(writing, lock_file)
        _move(part, entry)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_entry(part: Path, dataset: Dataset) -> None:
    np.save(part / "images.npy", dataset.images, allow_pickle=False)
    optional = {key: getattr(dataset, key) for key in _OPTIONAL if getattr(dataset, key) is not None}
    np.savez(
        part / "samples.npz",
        labels=dataset.labels,
        roles=dataset.roles,
        ids=dataset.ids,
        sample_hashes=dataset.sample_hashes,
        **optional,
    )
    about = {
        "schema": SCHEMA,
        "expressions": [label_text(label) for label in dataset.label_set.expressions],
        "licence": dataset.licence,
        "notes": list(dataset.notes),
        "problems": [{"name": problem.name, "reason": problem.reason} for problem in dataset.problems],
        "missed": [[miss.id, label_text(miss.label), miss.role.value, miss.outcome] for miss in dataset.missed],
        "fingerprint": dataset.fingerprint,
    }
    (part / "dataset.json").write_text(json.dumps(about), encoding="utf-8")


def _move(part: Path, entry: Path) -> None:
    try:
        os.rename(part, entry)
    except OSError:
        # An entry is there already: another process was faster and had the same content, or it is damaged.
        if _is_usable(entry):
            return
        shutil.rmtree(entry, ignore_errors=True)
        os.rename(part, entry)


def _is_usable(entry: Path) -> bool:
    try:
        return load_entry(entry, name="", source="") is not None
    except CacheEntryError:
        return False
