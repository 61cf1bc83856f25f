"""Copies, and the faults that they bring: leaks, labels that conflict, classes that share pictures, oversampling."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mien.datasets.audit.findings import CopyCount, Finding, Gravity, learnt, plural
from mien.datasets.audit.view import FEW, View, groups_of
from mien.datasets.dataset import Role
from mien.datasets.description import role_name
from mien.datasets.duplicates import CopyKind, joined

_SHARED_CLASSES = 0.2  # share of a class that has copies in another class, from which the two look like one
_OVERSAMPLED = 2.0  # images for each different picture of a class


def copy_counts(view: View) -> Iterator[CopyCount]:
    """How many copies of each kind there are, and of all kinds together ("any")."""
    kinds = {
        kind.value: _all_exact_pairs(view) if kind is CopyKind.EXACT else _pairs_of(view, kind) for kind in CopyKind
    }
    if len(view.derived):
        kinds["file name"] = view.derived
    kinds["any"] = _set_pairs(view.sets)
    for kind, pairs in kinds.items():
        yield _count_copies(view, kind, pairs)


def check_copies(view: View) -> Iterator[Finding]:
    """Copies across roles, which falsify figures, and within a role."""
    for kind in CopyKind:
        pairs = _all_exact_pairs(view) if kind is CopyKind.EXACT else _pairs_of(view, kind)
        if not len(pairs):
            continue
        counted = _count_copies(view, kind.value, pairs)
        groups = groups_of(joined(len(view.dataset), pairs[:, 0], pairs[:, 1]))
        roles = view.dataset.roles
        crossing = [group for group in groups if len(set(roles[group].tolist())) > 1]
        inside = [group for group in groups if len(set(roles[group].tolist())) == 1]
        numbers = counted.to_json()
        across = {place: count for place, count in counted.across.items() if count}
        if across and crossing:
            leaks = ", ".join(f"{count:,} {here} images in {learnt(there)}" for (here, there), count in across.items())
            yield Finding(
                check=f"copies-across-roles-{kind.value}",
                severity=Gravity.FAULT,
                title=f"{_kind_title(kind)} across roles: {leaks}",
                text=f"Copies ({kind.meaning}) lie on two sides of the split: a network is judged by what it has "
                "learnt by heart. Apply the cleaning list, which leaves them out of the earlier role, or report the "
                "figures without these images beside those with them.",
                count=sum(across.values()),
                samples=_ordered(view, crossing),
                numbers=numbers,
            )
        if inside:
            where = " and ".join(f"{count:,} in {learnt(role)}" for role, count in counted.within.items() if count)
            yield Finding(
                check=f"copies-within-role-{kind.value}",
                severity=Gravity.CAUTION,
                title=f"{_kind_title(kind)} within a role: {where}",
                text=f"Pictures that occur more than once ({kind.meaning}) weigh more than others, in training and in "
                "figures, and a validation role made from the training images must keep them together; mien does so "
                "for groups and exact copies, and with copies = 'near' in the protocol for all. The cleaning list "
                "keeps one of each.",
                count=sum(counted.within.values()),
                samples=_ordered(view, inside),
                numbers={} if across and crossing else numbers,
            )


def check_conflicts(view: View) -> Iterator[Finding]:
    """Copies of one picture under two labels."""
    labels = view.dataset.labels
    conflicts = [group for group in groups_of(view.sets) if len(set(labels[group].tolist())) > 1]
    if not conflicts:
        return
    exact = _count_copies(view, CopyKind.EXACT.value, _all_exact_pairs(view)).conflicting
    yield Finding(
        check="conflicting-labels",
        severity=Gravity.FAULT,
        title=f"{plural(len(conflicts), 'picture has', 'pictures have')} copies with labels that differ",
        text=f"At least one label of each is wrong, or people disagree on it ({exact:,} of these groups have equal "
        "pixels throughout). The cleaning list leaves out all copies of a role whose labels differ.",
        count=len(conflicts),
        samples=tuple(tuple(group.tolist()) for group in conflicts),
        numbers={"groups": len(conflicts), "groups_with_exact_conflict": exact},
    )


def check_shared_classes(view: View) -> Iterator[Finding]:
    """Two classes that hold the same pictures are one class under two names, or one was copied into the other."""
    labels = view.dataset.labels
    shared: dict[tuple[int, int], set[int]] = defaultdict(set)
    for group in groups_of(view.sets):
        present = sorted(set(labels[group].tolist()))
        for place, one in enumerate(present):
            for other in present[place + 1 :]:
                shared[one, other].update(group[np.isin(labels[group], (one, other))].tolist())
    sizes = np.bincount(labels, minlength=len(view.dataset.label_set))
    for (one, other), members in sorted(shared.items()):
        inside = np.array(sorted(members))
        for small in (one, other):
            count = int((labels[inside] == small).sum())
            if sizes[small] >= FEW and count >= _SHARED_CLASSES * sizes[small]:
                yield Finding(
                    check="classes-that-share-pictures",
                    severity=Gravity.FAULT,
                    title=f"{count / sizes[small]:.0%} of {view.label(small)} are copies of images of "
                    f"{view.label(other if small == one else one)}",
                    text="Two classes hold the same pictures: one class under two names, a wrong map from folders or "
                    "numbers to expressions, or one class copied into the other. Check the class map before anything "
                    "else.",
                    count=count,
                    samples=tuple(
                        tuple(group.tolist())
                        for group in groups_of(view.sets)
                        if {one, other} <= set(labels[group].tolist())
                    ),
                )
                break


def check_oversampling(view: View) -> Iterator[Finding]:
    """Classes that were made larger by copies."""
    labels = view.dataset.labels
    for number in range(len(view.dataset.label_set)):
        inside = view.sets[labels == number]
        if len(inside) < FEW:
            continue
        different = len(np.unique(inside))
        if len(inside) < _OVERSAMPLED * different:
            continue
        members = np.flatnonzero(labels == number)
        groups = [group for group in groups_of(view.sets) if (labels[group] == number).any()]
        roles = view.dataset.roles
        torn = sum(len(set(roles[group].tolist())) > 1 for group in groups)
        yield Finding(
            check="oversampled-class",
            severity=Gravity.FAULT if torn else Gravity.CAUTION,
            title=f"{view.label(number)} looks oversampled{' before the split' if torn else ''}: "
            f"{len(members):,} images of {different:,} pictures",
            text=(
                f"{torn:,} of these pictures lie on two sides of the split, so that figures for this class are too "
                "good. Split first, then oversample the training role alone; the cleaning list takes the copies out."
                if torn
                else "Copies make a class larger without making it richer. Class weights do the same openly."
            ),
            count=len(members),
            samples=_ordered(view, sorted(groups, key=len, reverse=True)[:50]),
            numbers={"images": len(members), "pictures": different, "across_roles": torn},
        )


def _kind_title(kind: CopyKind) -> str:
    return {
        CopyKind.EXACT: "Exact copies",
        CopyKind.NEAR: "Near copies",
        CopyKind.TONE: "Copies in another brightness or contrast",
        CopyKind.SHIFTED: "Shifted copies",
        CopyKind.FLIPPED: "Mirrored copies",
    }[kind]


def _ordered(view: View, groups: Sequence[NDArray[np.int64]]) -> tuple[tuple[int, ...], ...]:
    """Groups as tuples, those with labels that differ first: they are what a person wants to see."""
    labels = view.dataset.labels
    ranked = sorted(groups, key=lambda group: (-len(set(labels[group].tolist())), int(group[0])))
    return tuple(tuple(group.tolist()) for group in ranked)


def _pairs_of(view: View, kind: CopyKind) -> NDArray[np.int64]:
    """All pairs of a kind, between any exact copies of the pictures that were compared."""
    pairs = view.duplicates.of_kind(kind)
    if kind is CopyKind.EXACT or not len(pairs):
        return pairs
    exact = view.duplicates.of_kind(CopyKind.EXACT)
    members = _members(joined(len(view.dataset), exact[:, 0], exact[:, 1]))
    return np.array(
        [(one, other) for first, second in pairs.tolist() for one in members[first] for other in members[second]],
        dtype=np.int64,
    )


def _members(sets: NDArray[np.int64]) -> dict[int, list[int]]:
    members: dict[int, list[int]] = defaultdict(list)
    for position, number in enumerate(sets.tolist()):
        members[number].append(position)
    return members


def _all_exact_pairs(view: View) -> NDArray[np.int64]:
    """Every pair of exact copies: `Duplicates` pairs each with the first alone."""
    exact = view.duplicates.of_kind(CopyKind.EXACT)
    members = _members(joined(len(view.dataset), exact[:, 0], exact[:, 1]))
    pairs = [
        (one, other)
        for group in members.values()
        if len(group) > 1
        for place, one in enumerate(group)
        for other in group[place + 1 :]
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _set_pairs(sets: NDArray[np.int64]) -> NDArray[np.int64]:
    pairs = [
        (one, other)
        for group in groups_of(sets)
        for place, one in enumerate(group.tolist())
        for other in group[place + 1 :].tolist()
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _count_copies(view: View, kind: str, pairs: NDArray[np.int64]) -> CopyCount:
    groups = groups_of(joined(len(view.dataset), pairs[:, 0], pairs[:, 1]))
    labels, masks = view.dataset.labels, view.role_masks()
    if not masks:
        masks = {Role.NONE: np.ones(len(view.dataset), dtype=bool)}
    return CopyCount(
        kind=kind,
        groups=len(groups),
        images=sum(map(len, groups)),
        conflicting=sum(len(set(labels[group].tolist())) > 1 for group in groups),
        within={role_name(role): len(_images_with(pairs, mask, mask)) for role, mask in masks.items()},
        across={
            (here.value, there.value): len(_images_with(pairs, masks[here], masks[there]))
            for here, there in ((Role.VALIDATION, Role.TRAIN), (Role.TEST, Role.TRAIN), (Role.TEST, Role.VALIDATION))
            if here in masks and there in masks
        },
    )


def _images_with(pairs: NDArray[np.int64], here: NDArray[np.bool_], there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions in `here` that have a pair in `there`."""
    one, other = pairs[:, 0], pairs[:, 1]
    return np.unique(np.concatenate([one[here[one] & there[other]], other[here[other] & there[one]]]))
