"""What every check of an audit sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.datasets.audit.findings import LabelDoubt
from mien.datasets.dataset import Dataset, Role
from mien.datasets.duplicates import Duplicates
from mien.datasets.known import Match

# Roles by what a leak into them spoils: a copy is left out of the earlier role, so that the test stays as it is.
ROLE_ORDER = (Role.TRAIN, Role.VALIDATION, Role.TEST)
FEW = 20  # images that a share is not taken of


@dataclass(frozen=True, eq=False)
class View:
    """A data set, and what was found out about it before the checks.

    Attributes:
        dataset: the data set.
        duplicates: its copies by pixels.
        derived: shape (P, 2), int64, pairs of positions whose names say that one was made from the other.
        sets: shape (N,), int64, the number of the duplicate set of each image, by pixels or by name.
        known: the published set that it is a copy of, or None.
        doubts: labels that are likely to be wrong, the likeliest first.
        face_certainty: shape (N,), how sure a face detector is that an image shows a face; None when none looked.
    """

    dataset: Dataset
    duplicates: Duplicates
    derived: NDArray[np.int64]
    sets: NDArray[np.int64]
    known: Match | None
    doubts: tuple[LabelDoubt, ...]
    face_certainty: NDArray[np.float64] | None

    def label(self, number: int) -> str:
        """The expression that a label counts."""
        return self.dataset.label_set.expressions[number].value

    def role_masks(self) -> dict[Role, NDArray[np.bool_]]:
        """The roles that occur, without `NONE`, each with its samples."""
        masks = {role: self.dataset.roles == role.value for role in ROLE_ORDER}
        return {role: mask for role, mask in masks.items() if mask.any()}


def groups_of(sets: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The positions of each set with more than one member."""
    order = np.argsort(sets, kind="stable")
    bounds = np.flatnonzero(np.diff(sets[order])) + 1
    return [group for group in np.split(order, bounds) if len(group) > 1]
