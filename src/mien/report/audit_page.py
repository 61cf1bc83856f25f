"""The page of an audit: one self-contained HTML file with the pictures that its findings are about."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mien.datasets.audit.findings import CopyCount, Finding, Gravity
from mien.datasets.audit.run import Audit
from mien.datasets.dataset import Dataset
from mien.errors import ReportError
from mien.evaluation.agreement import Agreement
from mien.files import write_text
from mien.images import png_bytes
from mien.report.page import page_environment

# Enough to judge a finding by; the lists beside the page hold all.
_GROUPS_SHOWN = 18
_IMAGES_SHOWN = 5
_NAMES_SHOWN = 12


@dataclass(frozen=True)
class Picture:
    """One image on the page.

    Attributes:
        source: its PNG as a data URL.
        label: the expression it has in the data set.
        role: its role, or "".
        votes: what the taggers said most often, as in "happiness 9 of 10"; "" without votes.
        name: its name in the data set.
    """

    source: str
    label: str
    role: str
    votes: str
    name: str


@dataclass(frozen=True, eq=False)
class FindingView:
    """A finding with its pictures.

    Attributes:
        finding: what was found.
        groups: pictures that belong together; the number that is left out of each group goes with it.
        left: groups that are not shown.
    """

    finding: Finding
    groups: tuple[tuple[tuple[Picture, ...], int], ...]
    left: int


def write_audit_page(
    dataset: Dataset,
    audit: Audit,
    path: Path,
    *,
    agreement: Mapping[str, Agreement] | None = None,
    files: Sequence[str] = (),
    now: datetime | None = None,
) -> None:
    """Write the page of an audit.

    Args:
        dataset: what was audited.
        audit: what was found.
        path: of the page; its folder must exist.
        agreement: how far the taggers agree, by role in words; None without votes.
        files: names of the files beside the page.
        now: the date on the page; the present when None.

    Raises:
        MissingExtraError: jinja2 is not installed.
        ReportError: the page cannot be written.
    """
    described = audit.description
    counts = described.counts
    page = (
        page_environment()
        .get_template("audit.html.j2")
        .render(
            audit=audit,
            described=described,
            expressions=list(next(iter(counts.values()), {})),
            totals={role: sum(numbers.values()) for role, numbers in counts.items()},
            known=_known_counts(audit),
            places=_places(audit.copies),
            faults=[f for f in audit.findings if f.severity is Gravity.FAULT],
            cautions=[f for f in audit.findings if f.severity is Gravity.CAUTION],
            views=[_view(dataset, finding) for finding in audit.findings],
            agreement=agreement or {},
            cleaning=sorted(Counter(entry.reason for entry in audit.cleaning).items()),
            names_shown=_NAMES_SHOWN,
            files=files,
            version=version("mien"),
            now=now or datetime.now(UTC),
        )
    )
    try:
        write_text(path, page)
    except OSError as error:
        raise ReportError(
            f"The page cannot be written to {path}: {error.strerror or error}. Name another folder, or make room."
        ) from error


def _known_counts(audit: Audit) -> dict[tuple[str, str], int]:
    """By role and expression, the known number where it is not the one that was found."""
    if audit.known is None:
        return {}
    return {(d.role.value or "no role", d.expression.value): d.known for d in audit.known.differences}


def _places(copies: Sequence[CopyCount]) -> list[tuple[str, str]]:
    return list(copies[0].across) if copies else []


def _view(dataset: Dataset, finding: Finding) -> FindingView:
    shown = finding.samples[:_GROUPS_SHOWN]
    groups = tuple(
        (
            tuple(_picture(dataset, position) for position in group[:_IMAGES_SHOWN]),
            max(0, len(group) - _IMAGES_SHOWN),
        )
        for group in shown
    )
    return FindingView(finding, groups, len(finding.samples) - len(shown))


def _picture(dataset: Dataset, position: int) -> Picture:
    png = png_bytes(np.asarray(dataset.images[position]))
    return Picture(
        source="data:image/png;base64," + base64.b64encode(png).decode("ascii"),
        label=dataset.label_set.expressions[dataset.labels[position]].value,
        role=str(dataset.roles[position]),
        votes=_votes(dataset, position),
        name=str(dataset.ids[position]),
    )


def _votes(dataset: Dataset, position: int) -> str:
    if dataset.votes is None:
        return ""
    votes = dataset.votes[position]
    total = votes.sum() + (0 if dataset.other_votes is None else dataset.other_votes[position].sum())
    best = int(votes.argmax())
    if not votes[best]:
        return "no expression"
    return f"{dataset.label_set.expressions[best].value} {votes[best]:g} of {total:g}"
