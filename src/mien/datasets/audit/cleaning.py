"""Which samples an audit leaves out, and why."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mien.datasets.audit.images import constant_images
from mien.datasets.audit.view import ROLE_ORDER, View, groups_of
from mien.datasets.audit.votes import no_face_mask
from mien.datasets.cleaning import CleaningEntry
from mien.datasets.dataset import Dataset, Role
from mien.datasets.description import role_name


def cleaning_list(view: View) -> Iterator[CleaningEntry]:
    """Which samples to leave out, in the order of the data set, each for its first reason."""
    dataset = view.dataset
    reasons: dict[int, tuple[str, str]] = {}
    for position in constant_images(dataset).tolist():
        reasons[position] = ("constant image", "")
    for position in np.flatnonzero(no_face_mask(dataset)).tolist():
        reasons.setdefault(position, ("not a face", "most votes"))
    for group in groups_of(view.sets):
        _clean_group(dataset, [position for position in group.tolist() if position not in reasons], reasons)
    for position in sorted(reasons):
        yield CleaningEntry(str(dataset.ids[position]), *reasons[position])


def _clean_group(dataset: Dataset, group: list[int], reasons: dict[int, tuple[str, str]]) -> None:
    """Leave copies of one picture in the latest role alone, once; nowhere in a role where their labels differ."""
    order = {role.value: place for place, role in enumerate((Role.NONE, *ROLE_ORDER))}
    group = sorted(group, key=lambda position: (-order[str(dataset.roles[position])], position))
    for position in list(group):
        role = str(dataset.roles[position])
        latest = group[0]
        if role != dataset.roles[latest]:
            there = role_name(Role(str(dataset.roles[latest])))
            reasons[position] = (f"copy of a {there} image", str(dataset.ids[latest]))
    kept = [position for position in group if position not in reasons]
    if len({int(dataset.labels[position]) for position in kept}) > 1:
        for position in kept:
            other = next(p for p in kept if dataset.labels[p] != dataset.labels[position])
            reasons[position] = ("copies with labels that differ", str(dataset.ids[other]))
    else:
        for position in kept[1:]:
            reasons[position] = ("copy in the same role", str(dataset.ids[kept[0]]))
