"""What an audit says: findings, counts of copies, and labels in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mien.datasets.dataset import Role
from mien.datasets.description import role_name


class Gravity(StrEnum):
    """How bad a finding is. `FAULT`: figures made with the data are wrong. `CAUTION`: look at it, then decide."""

    FAULT = "fault"
    CAUTION = "caution"


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that is wrong with a data set.

    Attributes:
        check: what found it, and for copies of which kind; a word that stays the same between versions.
        severity: how bad it is.
        title: what is wrong, with its number.
        text: what it does to figures, and the way out.
        count: number of images (or files, or groups, as the title says) that it concerns.
        samples: positions in the data set, in groups that belong together (the copies of one picture).
        names: names of files or classes that have no position, each with a reason where there is one.
        numbers: more numbers, for JSON.
    """

    check: str
    severity: Gravity
    title: str
    text: str
    count: int
    samples: tuple[tuple[int, ...], ...] = ()
    names: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CopyCount:
    """Copies of one kind.

    Attributes:
        kind: the kind.
        groups: different pictures that occur more than once in this way.
        images: images in these groups.
        conflicting: groups whose images do not all have one label.
        within: for each role, its images that have such a copy in the same role.
        across: for two roles (evaluated, learnt), the images of the first with such a copy in the second.
    """

    kind: str
    groups: int
    images: int
    conflicting: int
    within: Mapping[str, int]
    across: Mapping[tuple[str, str], int]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "kind": self.kind,
            "groups": self.groups,
            "images": self.images,
            "conflicting": self.conflicting,
            "within": dict(self.within),
            "across": [
                {"images_of": here, "copied_in": there, "count": count} for (here, there), count in self.across.items()
            ],
        }


@dataclass(frozen=True)
class LabelDoubt:
    """A label that a network doubts, which did not learn from the image.

    Attributes:
        position: of the image in the data set.
        label: the label in doubt.
        answer: what the network answers.
        own: probability of the label.
        other: probability of the answer.
    """

    position: int
    label: str
    answer: str
    own: float
    other: float


def plural(count: int, one: str, many: str) -> str:
    """A number with its words: "1 image is" or "2,000 images are"."""
    return f"{count:,} {one if count == 1 else many}"


def learnt(role: str) -> str:
    """A role as it is called in a sentence."""
    return {"train": "training", role_name(Role.NONE): "images without a role"}.get(role, role)
