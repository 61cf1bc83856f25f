"""What is known of sets that many people use: how many images each role and expression has."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.datasets.classes import ORDERS
from mien.datasets.dataset import Dataset, Role
from mien.labels import SIX, Expression, Label

# Share of a known set's images by which a data set may differ and still count as a copy of it.
_NEAR = 0.1
# The same where the counts decide what numbers mean: FER2013's classes in another order differ by far more.
_NEAR_ORDER = 0.05

LICENCE_FER2013 = (
    "FER2013: research data. The images were collected by web search, and their image rights are unresolved."
)

Counts = Mapping[Role, Mapping[Label, int]]


@dataclass(frozen=True)
class KnownSet:
    """A published set in one of its forms.

    Attributes:
        name: for people.
        counts: for each role, the images of each expression; `Role.NONE` alone where the form has no roles.
        source: where the numbers are from.
    """

    name: str
    counts: Counts
    source: str

    @property
    def total(self) -> int:
        """All images."""
        return sum(sum(numbers.values()) for numbers in self.counts.values())


@dataclass(frozen=True)
class Difference:
    """A role and expression whose number of images is not the known one."""

    role: Role
    expression: Label
    known: int
    found: int


@dataclass(frozen=True)
class Match:
    """A data set beside the known set that it is nearest to.

    Attributes:
        known: that set.
        differences: where the counts differ; empty for a complete copy.
        exchanged: what, exchanged, would make the counts agree ("training and validation", "anger and fear"), or None.
    """

    known: KnownSet
    differences: tuple[Difference, ...]
    exchanged: str | None


# In FER2013's order.
_SEVEN = tuple(expression for expression in Expression if expression is not Expression.CONTEMPT)


def _by_role(**numbers: str) -> dict[Role, dict[Label, int]]:
    """Counts of the seven expressions in FER2013's order, by role."""
    roles = {"train": Role.TRAIN, "validation": Role.VALIDATION, "test": Role.TEST, "none": Role.NONE}
    return {roles[role]: dict(zip(_SEVEN, map(int, text.split()), strict=True)) for role, text in numbers.items()}


def _added(counts: Counts, *merged: Role, into: Role) -> dict[Role, dict[Label, int]]:
    """The counts with some roles brought together."""
    sums: dict[Role, dict[Label, int]] = {}
    for role, numbers in counts.items():
        place = sums.setdefault(into if role in merged else role, dict.fromkeys(numbers, 0))
        for expression, number in numbers.items():
            place[expression] += number
    return sums


_FER2013 = _by_role(
    train="3995 436 4097 7215 4830 3171 4965",
    validation="467 56 496 895 653 415 607",
    test="491 55 528 879 594 416 626",
)
_RAF_DB = _by_role(train="705 717 281 4772 1982 1290 2524", test="162 160 74 1185 478 329 680")


def _fer2013_forms() -> Iterator[KnownSet]:
    source = "Goodfellow et al., Challenges in Representation Learning, 2013"
    everything = (Role.TRAIN, Role.VALIDATION, Role.TEST)
    forms = {
        "FER2013": _FER2013,
        "FER2013, public and private test in one": _added(_FER2013, Role.VALIDATION, Role.TEST, into=Role.TEST),
        "FER2013 without roles": _added(_FER2013, *everything, into=Role.NONE),
        "FER2013's training images": {Role.TRAIN: _FER2013[Role.TRAIN]},
        "FER2013's training images without roles": {Role.NONE: _FER2013[Role.TRAIN]},
    }
    for name, counts in forms.items():
        yield KnownSet(name, counts, source)
        six = {role: {e: n for e, n in numbers.items() if e in SIX} for role, numbers in counts.items()}
        yield KnownSet(f"{name}, without disgust", six, source)


_CK_PLUS_TABLE = _by_role(none="45 59 25 69 28 83 593")
_CK_PLUS_TABLE[Role.NONE][Expression.CONTEMPT] = 18

KNOWN_SETS: tuple[KnownSet, ...] = (
    *_fer2013_forms(),
    KnownSet("CK+ as a table (ckextended.csv)", _CK_PLUS_TABLE, "Lucey et al., CVPR Workshops 2010, and the table"),
    KnownSet("RAF-DB, aligned, single label", _RAF_DB, "Li et al., Reliable Crowdsourcing, CVPR 2017"),
)


def count_roles(dataset: Dataset) -> dict[Role, dict[Label, int]]:
    """For each role that occurs, the images of each expression that occurs at all."""
    present = [e for e in dataset.label_set.expressions if (dataset.labels == dataset.label_set.index(e)).any()]
    counts = {}
    for role in Role:
        inside = np.bincount(dataset.labels[dataset.roles == role.value], minlength=len(dataset.label_set))
        if inside.any():
            counts[role] = {e: int(inside[dataset.label_set.index(e)]) for e in present}
    return counts


def match_known(dataset: Dataset) -> Match | None:
    """The known set that a data set is a copy of, or a damaged copy; None when it is like none of them."""
    found = count_roles(dataset)
    matches = []
    for known in KNOWN_SETS:
        if _unlike(found, known) <= _NEAR * known.total:
            differences = tuple(_differences(found, known.counts))
            exchanged = _exchange(found, known.counts) if differences else None
            matches.append(Match(known, differences, exchanged))
    return min(matches, key=_distance, default=None)


def known_framing(dataset: Dataset) -> str | None:
    """The framing (see `mien.framing`) of a data set whose images are known; None when nobody has measured it."""
    if dataset.licence == LICENCE_FER2013:
        return "fer2013"
    match = match_known(dataset)
    return "fer2013" if match and match.known.name.startswith("FER2013") and not match.differences else None


def order_by_counts(numbers: Sequence[int | None], roles: Sequence[Role]) -> str | None:
    """The order in which labels that are numbers count, where the counts are those of a published set.

    Args:
        numbers: the label of each sample; None where it is no number.
        roles: the role of each sample.

    Returns:
        The name of one of `mien.datasets.classes.ORDERS`; None where no set, or more than one order, fits.
    """
    pairs = Counter((role, number) for role, number in zip(roles, numbers, strict=True) if number is not None)
    found: dict[str, int] = {}
    for name, order in ORDERS.items():
        counts: dict[Role, dict[Label, int]] = {}
        for (role, number), count in pairs.items():
            label = order.of(number)
            if label is None:
                break
            counts.setdefault(role, {})[label] = count
        else:
            for known in KNOWN_SETS:
                apart = sum(abs(d.found - d.known) for d in _differences(counts, known.counts))
                if apart <= _NEAR_ORDER * known.total:
                    found[name] = min(apart, found.get(name, apart))
    if not found:
        return None
    best = min(found, key=found.__getitem__)
    return best if list(found.values()).count(found[best]) == 1 else None


def _distance(match: Match) -> tuple[bool, int]:
    """Complete copies and those with something exchanged first, then by the number of images that differ."""
    unexplained = bool(match.differences) and match.exchanged is None
    return unexplained, sum(abs(difference.found - difference.known) for difference in match.differences)


def _unlike(found: Counts, known: KnownSet) -> int:
    """By how many images the sorted sizes of the classes differ: whatever roles and expressions they are under."""
    sizes = [sorted(_sums(counts).values(), reverse=True) for counts in (found, known.counts)]
    return sum(abs(one - other) for one, other in itertools.zip_longest(*sizes, fillvalue=0))


def _sums(counts: Counts) -> dict[Label, int]:
    sums: dict[Label, int] = {}
    for numbers in counts.values():
        for expression, number in numbers.items():
            sums[expression] = sums.get(expression, 0) + number
    return sums


def _differences(found: Counts, known: Counts) -> Iterator[Difference]:
    for role in Role:
        here, there = found.get(role, {}), known.get(role, {})
        for expression in Expression:
            if here.get(expression, 0) != there.get(expression, 0):
                yield Difference(role, expression, there.get(expression, 0), here.get(expression, 0))


def _exchange(found: Counts, known: Counts) -> str | None:
    """Two roles, or two expressions, whose exchange makes the counts agree."""
    names = {Role.TRAIN: "training", Role.VALIDATION: "validation", Role.TEST: "test"}
    for one, other in itertools.combinations(names, 2):
        exchanged = {{one: other, other: one}.get(role, role): numbers for role, numbers in found.items()}
        if not any(_differences(exchanged, known)):
            return f"{names[one]} and {names[other]}"
    for first, second in itertools.combinations(Expression, 2):
        swap: dict[Label, Label] = {first: second, second: first}
        exchanged = {role: {swap.get(e, e): n for e, n in numbers.items()} for role, numbers in found.items()}
        if not any(_differences(exchanged, known)):
            return f"{first.value} and {second.value}"
    return None
