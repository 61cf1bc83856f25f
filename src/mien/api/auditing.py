"""What is wrong with a data set, before figures are made with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.arguments import checked
from mien.channels import images_in_channels
from mien.datasets.audit.findings import Finding, LabelDoubt
from mien.datasets.audit.run import Audit, audit_dataset
from mien.datasets.cleaning import write_cleaning
from mien.datasets.dataset import Dataset, Role
from mien.datasets.reading import as_dataset
from mien.datasets.spec import DataSpec
from mien.errors import DataError, MissingExtraError, ReportError
from mien.evaluation.agreement import Agreement, measure_agreement
from mien.evaluation.label_noise import doubt_labels
from mien.files import write_json, write_text
from mien.frame import Rows, frame
from mien.inference.detector import Detector
from mien.predictions import clusters_of
from mien.study.record import RunRecord
from mien.study.store import find_run

_PAGE, _JSON, _CLEANING, _COPIES, _DOUBTS = "audit.html", "audit.json", "cleaning.csv", "copies.csv", "label-noise.csv"
_BLOCK = 500

# Is told what is being done, how many steps of it are done, and of how many.
Doing = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class DataAudit:
    """What an audit found in a data set.

    Attributes:
        dataset: what was looked at.
        found: findings, copies, and the samples to leave out.
        agreement: how far the taggers agree, on "all" images and in each role; empty without votes of people.
        doubts: labels that a run's network doubts, the likeliest to be wrong first; empty where no run was named.
    """

    dataset: Dataset
    found: Audit
    agreement: dict[str, Agreement]
    doubts: tuple[LabelDoubt, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, faults first."""
        return self.found.findings

    def frame(self) -> Any:
        """The findings as a table, faults first; see `mien.frame.frame`."""
        columns = ("severity", "check", "title", "count")
        return frame(
            [{name: str(getattr(f, name)) for name in columns[:3]} | {"count": f.count} for f in self.findings],
            columns,
        )

    def __repr__(self) -> str:
        count = len(self.findings)
        return f"<audit of {self.dataset.name}: {count} findings; .frame() lists them, .write(folder) shows them>"

    def _repr_html_(self) -> str:
        return str(self.frame()._repr_html_())

    def to_json(self) -> dict[str, Any]:
        """The audit as plain JSON values, with a few samples for each finding; `write` lists all of them."""
        agreement = {role: measured.to_json() for role, measured in self.agreement.items()}
        return self.found.to_json(self.dataset.ids) | {"agreement": agreement}

    def write(self, folder: Path | str) -> str | None:
        """Write the page with pictures, the JSON, the lists of copies and doubted labels, and the cleaning list.

        Args:
            folder: made where needed.

        Returns:
            Why there is no page; None where there is one.

        Raises:
            ReportError: the folder cannot be written to.
        """
        folder = Path(folder)
        files = [_JSON, _CLEANING, _COPIES] + [_DOUBTS] * bool(self.doubts)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / _JSON, self.to_json())
            write_cleaning(folder / _CLEANING, self.found.cleaning)
            write_text(folder / _COPIES, _copies_text(self.dataset, self.found))
            if self.doubts:
                write_text(folder / _DOUBTS, _doubts_text(self.dataset, self.doubts))
        except OSError as error:
            raise ReportError(
                f"The audit cannot be written to {folder}: {error.strerror or error}. Name another folder, or make "
                "room."
            ) from error
        try:
            from mien.report.audit_page import write_audit_page

            write_audit_page(self.dataset, self.found, folder / _PAGE, agreement=self.agreement, files=files)
        except MissingExtraError as error:
            return f"mien: There is no page, but everything else was written. {error}"
        return None


@checked("data")
def audit(
    data: Dataset | DataSpec | Path | str,
    *,
    run: Path | str | None = None,
    faces: bool = False,
    progress: Doing | None = None,
    **keys: Any,
) -> DataAudit:
    """Look for what makes figures wrong: copies across roles, wrong labels, mixed-up roles and classes, empty images.

    Args:
        data: a data set, or what `mien.read` takes. 36,000 images take half a minute of one core.
        run: a run on these data, its folder or a store that has no other: its answers rank labels that are likely
            wrong.
        faces: look with a face detector for images that show no face, which takes a few minutes for 36,000 images.
        progress: is told what is being done, how many steps of it are done, and of how many.
        **keys: keys of `DataSpec`, where `data` is a path.

    Raises:
        DataError: the data cannot be read, or the run is about others or has no answers.
        RecordError: the run cannot be read.
    """
    tell = progress or (lambda doing, done, total: None)
    dataset = as_dataset(data, **keys)
    doubts = () if run is None else _doubts(dataset, find_run(Path(run)))
    certainty = _face_certainty(dataset, tell) if faces else None
    found = audit_dataset(
        dataset,
        doubts=doubts,
        face_certainty=certainty,
        progress=lambda done, total: tell("comparing images", done, total),
    )
    return DataAudit(dataset, found, _agreement(dataset), doubts)


def _face_certainty(dataset: Dataset, tell: Doing) -> NDArray[np.float64]:
    detector = Detector(threads=1)
    found = np.empty(len(dataset))
    # Threads gain little within an image of this size; one image for each core gains nearly all of it.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(dataset), _BLOCK):
            block = images_in_channels(np.asarray(dataset.images[start : start + _BLOCK]), "gray")
            found[start : start + len(block)] = list(pool.map(detector.face_certainty, block))
            tell("looking for faces", start + len(block), len(dataset))
    return found


def _agreement(dataset: Dataset) -> dict[str, Agreement]:
    """How far the taggers agree, on all images and in each role; nothing without votes that are counts of people."""
    if dataset.votes is None:
        return {}
    votes = dataset.votes if dataset.other_votes is None else np.hstack([dataset.votes, dataset.other_votes])
    if (votes != np.floor(votes)).any():
        return {}
    groups = dataset.groups
    parts = {"all": np.ones(len(dataset), dtype=bool)}
    parts |= {role.value: dataset.roles == role.value for role in Role if role is not Role.NONE}
    return {
        name: measure_agreement(
            votes[inside], clusters_of(None if groups is None else groups[inside], dataset.ids[inside])
        )
        for name, inside in parts.items()
        if (votes[inside].sum(axis=1) >= 2).any()
    }


def _doubts(dataset: Dataset, folder: Path) -> tuple[LabelDoubt, ...]:
    """The labels that a run's network doubts: of its validation and test images, which it did not learn from."""
    record = RunRecord.read(folder)
    parts = [record.predictions[key] for role in Role if (key := (record.readouts[-1], role)) in record.predictions]
    if not parts:
        raise DataError(
            f"The run in {folder} has no answers: it is {record.status.value}. Name a run that is complete."
        )
    ids = np.concatenate([part.ids for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    positions = {name: position for position, name in enumerate(dataset.ids.tolist())}
    strange = [name for name in ids.tolist() if name not in positions]
    if strange:
        raise DataError(
            f"The run in {folder} is about another data set ({record.data.get('name')}): {len(strange):,} of its "
            f"images are not in {dataset.name}, the first is {strange[0]!r}. Name a run on this data set."
        )
    found = doubt_labels(np.concatenate([part.probabilities for part in parts]), labels)
    expressions = record.label_set.expressions
    return tuple(
        LabelDoubt(positions[ids[row]], expressions[labels[row]].value, expressions[answer].value, own, other)
        for row, answer, own, other in zip(
            found.index.tolist(), found.answers.tolist(), found.own.tolist(), found.other.tolist(), strict=True
        )
    )


def _copies_text(dataset: Dataset, found: Audit) -> str:
    names = [expression.value for expression in dataset.label_set.expressions]
    copies = found.duplicates
    columns = zip(
        copies.first.tolist(), copies.second.tolist(), copies.kinds, copies.scores, copies.shifts, strict=True
    )
    rows: list[tuple[object, ...]] = []
    for one, other, kind, score, (down, right) in columns:
        described = [
            value for p in (one, other) for value in (dataset.ids[p], dataset.roles[p], names[dataset.labels[p]])
        ]
        rows.append((*described, kind, f"{score:.3f}", down, right))
    header = ("id", "role", "label", "copy_id", "copy_role", "copy_label", "kind", "score", "down_px", "right_px")
    return _csv_text(header, rows)


def _doubts_text(dataset: Dataset, doubts: tuple[LabelDoubt, ...]) -> str:
    """The ranking, beside the votes for label and answer where there are votes."""
    names = [expression.value for expression in dataset.label_set.expressions]
    rows: list[tuple[object, ...]] = []
    for doubt in doubts:
        votes = [
            "" if dataset.votes is None else f"{dataset.votes[doubt.position, names.index(name)]:g}"
            for name in (doubt.label, doubt.answer)
        ]
        place = (dataset.ids[doubt.position], dataset.roles[doubt.position])
        rows.append((*place, doubt.label, doubt.answer, f"{doubt.own:.4f}", f"{doubt.other:.4f}", *votes))
    header = ("id", "role", "label", "answer", "probability_label", "probability_answer", "votes_label", "votes_answer")
    return _csv_text(header, rows)


def _csv_text(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    return Rows(header, tuple(dict(zip(header, row, strict=True)) for row in rows)).to_csv()
