"""Counts: against those of a published set, between roles, between classes, and groups that a split tears apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from mien.datasets.audit.findings import Finding, Gravity, learnt, plural
from mien.datasets.audit.view import FEW, View
from mien.datasets.dataset import Role
from mien.datasets.description import role_name

_IMBALANCE = 10.0
_ROLE_DRIFT_Z = 6.0
_ROLE_DRIFT = 1.5


def check_known(view: View) -> Iterator[Finding]:
    """Counts that are not those of the published set that this seems to be."""
    match = view.known
    if match is None or not match.differences:
        return
    missing = sum(max(0, d.known - d.found) for d in match.differences)
    extra = sum(max(0, d.found - d.known) for d in match.differences)
    found = ", ".join(
        f"{role_name(d.role)}/{d.expression.value} {d.found:,} of {d.known:,}" for d in match.differences[:4]
    )
    yield Finding(
        check="known-counts",
        severity=Gravity.FAULT if match.exchanged else Gravity.CAUTION,
        title=f"{match.exchanged} are exchanged, going by the counts of {match.known.name}"
        if match.exchanged
        else f"The counts are not those of {match.known.name}: {missing:,} images missing, {extra:,} too many",
        text=f"Known and found differ in {plural(len(match.differences), 'place', 'places')}: {found}"
        + (" …" if len(match.differences) > 4 else "")
        + ". Figures on a changed copy cannot be compared with published ones.",
        count=missing + extra,
        numbers={"missing": missing, "extra": extra},
    )


def check_roles(view: View) -> Iterator[Finding]:
    """Roles that look exchanged, or no training role at all."""
    sizes = {role: int(mask.sum()) for role, mask in view.role_masks().items()}
    train = sizes.get(Role.TRAIN)
    judged = {role: size for role, size in sizes.items() if role is not Role.TRAIN}
    larger = {role: size for role, size in judged.items() if train is not None and size > train}
    if larger:
        named = " and ".join(f"{role.value} has {size:,}" for role, size in larger.items())
        yield Finding(
            check="roles-exchanged",
            severity=Gravity.FAULT,
            title=f"Training has {train:,} images, but {named}: roles look exchanged",
            text="Training is the largest role in nearly every set. Check which folder or word stands for which role.",
            count=train or 0,
        )
    elif judged and train is None:
        yield Finding(
            check="no-training-role",
            severity=Gravity.CAUTION,
            title="There are test or validation images, and no training images",
            text="The protocol's roles = 'split' makes all three roles from what is there.",
            count=sum(judged.values()),
        )


def check_balance(view: View) -> Iterator[Finding]:
    """Classes that a role lacks, that are rare, or whose share differs between roles."""
    dataset = view.dataset
    counts = np.bincount(dataset.labels, minlength=len(dataset.label_set))
    present = counts > 0
    masks = view.role_masks()
    by_role = {role: np.bincount(dataset.labels[mask], minlength=len(counts)) for role, mask in masks.items()}
    lacking = [
        (role, number)
        for role, inside in by_role.items()
        for number in np.flatnonzero(present & (inside == 0)).tolist()
    ]
    if lacking:
        named = ", ".join(f"{view.label(number)} in {learnt(role.value)}" for role, number in lacking)
        yield Finding(
            check="class-missing-in-role",
            severity=Gravity.FAULT,
            title=f"A role has no image of a class: {named}",
            text="What is not taught cannot be answered, and what is not tested cannot be reported. Use a label set "
            "without it, or roles = 'split'.",
            count=len(lacking),
        )
    largest, least = int(counts[present].max()), int(counts[present].min())
    if largest > _IMBALANCE * least:
        yield Finding(
            check="imbalance",
            severity=Gravity.CAUTION,
            title=f"{view.label(int(counts.argmax()))} has {largest / least:.0f} times as many images as "
            f"{view.label(int(np.where(present, counts, largest + 1).argmin()))} ({largest:,} and {least:,})",
            text="Accuracy hardly notices the small class. Report balanced accuracy and the recall of each class, and "
            "consider class weights.",
            count=least,
        )
    yield from _drift(view, by_role, counts)


def check_groups(view: View) -> Iterator[Finding]:
    """Persons or sequences on two sides of the split."""
    groups = view.dataset.groups
    if groups is None:
        return
    roles = view.dataset.roles
    members: dict[str, list[int]] = defaultdict(list)
    for position, group in enumerate(groups.tolist()):
        if group:
            members[group].append(position)
    torn = {group: inside for group, inside in members.items() if len({roles[p] for p in inside} - {""}) > 1}
    if torn:
        yield Finding(
            check="groups-across-roles",
            severity=Gravity.FAULT,
            title=f"{plural(len(torn), 'group (person or sequence) lies', 'groups (persons or sequences) lie')} "
            "on two sides of the split",
            text="A network that knows a person's face from training is judged by that person's other images. "
            "roles = 'split' makes roles that keep every group together.",
            count=len(torn),
            samples=tuple(tuple(inside) for inside in torn.values()),
            names=tuple(torn),
        )


def _drift(view: View, by_role: Mapping[Role, NDArray[np.int64]], counts: NDArray[np.int64]) -> Iterator[Finding]:
    """A class whose share in a role is far from its share in the others: roles that were not drawn alike."""
    for role, inside in by_role.items():
        outside = counts - inside
        n, m = int(inside.sum()), int(outside.sum())
        if n < FEW or m < FEW:
            continue
        for number in range(len(counts)):
            here, there = inside[number] / n, outside[number] / m
            pooled = (inside[number] + outside[number]) / (n + m)
            error = (pooled * (1 - pooled) * (1 / n + 1 / m)) ** 0.5
            ratio = max(here, there) / max(min(here, there), 1.0 / (n + m))
            if error > 0 and abs(here - there) > _ROLE_DRIFT_Z * error and ratio > _ROLE_DRIFT and inside[number]:
                yield Finding(
                    check="balance-differs-between-roles",
                    severity=Gravity.CAUTION,
                    title=f"{view.label(number)} is {here:.1%} of {learnt(role.value)} and {there:.1%} of the rest",
                    text="The roles were not drawn alike, or a class was oversampled in one of them: accuracy then "
                    "measures another mixture than the one that was learnt.",
                    count=int(inside[number]),
                )
