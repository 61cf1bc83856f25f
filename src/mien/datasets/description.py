"""What is in a data set, in numbers: the content of `mien data describe`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.channels import Channels
from mien.datasets.dataset import Dataset, Problem, Role


@dataclass(frozen=True)
class Copies:
    """Exact copies of images (equal pixels).

    Attributes:
        groups: number of different images that occur more than once.
        images: number of images in these groups.
        conflicting: number of these groups whose images do not all have one label.
        within: for each role, the number of its images that have a copy in the same role.
        across: for two roles (evaluated, learnt), the number of images of the first with a copy in the second.
    """

    groups: int
    images: int
    conflicting: int
    within: dict[str, int]
    across: dict[tuple[str, str], int]


@dataclass(frozen=True)
class Description:
    """A data set in numbers.

    Attributes:
        name: the data set's name.
        source: where it was read from.
        fingerprint: hash of its content.
        licence: what it may be used for.
        size: height and width in pixels.
        channels: what the images were read in: "gray" or "rgb".
        counts: for each role, the number of images of each expression.
        has_votes: whether it has the votes of several taggers.
        copies: exact copies.
        notes: what the reader noticed.
        problems: what could not be read.
    """

    name: str
    source: str
    fingerprint: str
    licence: str
    size: tuple[int, int]
    channels: Channels
    counts: dict[str, dict[str, int]]
    has_votes: bool
    copies: Copies
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "fingerprint": self.fingerprint,
            "licence": self.licence,
            "height": self.size[0],
            "width": self.size[1],
            "channels": self.channels,
            "counts": self.counts,
            "votes": self.has_votes,
            "copies": {
                "groups": self.copies.groups,
                "images": self.copies.images,
                "conflicting": self.copies.conflicting,
                "within": self.copies.within,
                "across": [
                    {"images_of": here, "copied_in": there, "count": count}
                    for (here, there), count in self.copies.across.items()
                ],
            },
            "notes": list(self.notes),
            "problems": [{"name": problem.name, "reason": problem.reason} for problem in self.problems],
        }


def role_name(role: Role) -> str:
    """The role's word, also for samples without one."""
    return role.value or "no role"


def describe(dataset: Dataset) -> Description:
    """Count what is in a data set."""
    roles = [role for role in Role if dataset.count(role)]
    expressions = [expression.value for expression in dataset.label_set.expressions]
    counts = {}
    for role in roles:
        numbers = np.bincount(dataset.labels[dataset.roles == role.value], minlength=len(expressions))
        counts[role_name(role)] = dict(zip(expressions, numbers.tolist(), strict=True))
    return Description(
        name=dataset.name,
        source=dataset.source,
        fingerprint=dataset.fingerprint,
        licence=dataset.licence,
        size=dataset.size,
        channels=dataset.channels,
        counts=counts,
        has_votes=dataset.votes is not None,
        copies=_find_copies(dataset, roles),
        notes=dataset.notes,
        problems=dataset.problems,
    )


def _find_copies(dataset: Dataset, roles: list[Role]) -> Copies:
    # Pictures as numbers: comparing and sorting texts takes much of the time of a second look at a large data set.
    codes: dict[str, int] = {}
    pictures = np.array([codes.setdefault(text, len(codes)) for text in dataset.sample_hashes.tolist()], dtype=np.int64)
    counts = np.bincount(pictures)
    labelled = np.zeros((len(counts), len(dataset.label_set)), dtype=np.bool_)
    labelled[pictures, dataset.labels] = True
    repeated = counts > 1
    of_role = {role: pictures[dataset.roles == role.value] for role in roles}
    within = {}
    for role, inside in of_role.items():
        numbers = np.bincount(inside)
        within[role_name(role)] = int(numbers[numbers > 1].sum())
    return Copies(
        groups=int(repeated.sum()),
        images=int(counts[repeated].sum()),
        conflicting=int((labelled[repeated].sum(axis=1) > 1).sum()),
        within=within,
        across={
            (here.value, there.value): int(np.isin(of_role[here], of_role[there]).sum())
            for here, there in (
                (Role.VALIDATION, Role.TRAIN),
                (Role.TEST, Role.TRAIN),
                (Role.TEST, Role.VALIDATION),
            )
            if here in of_role and there in of_role
        },
    )
