"""The audit of a data set: what is wrong with it, which samples to leave out, and the numbers behind both.

Each check looks at one thing that falsifies figures, and gives findings with the samples that they are about. A set
without faults has no finding.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.datasets.cleaning import CleaningEntry
from mien.datasets.dataset import Dataset, Role
from mien.datasets.description import Description, describe, role_name
from mien.datasets.duplicates import CopyKind, Duplicates, Progress, find_duplicates, joined
from mien.datasets.fer2013 import OTHER_ANSWERS
from mien.datasets.folders import ROLE_PREFIXES
from mien.datasets.known import Match, match_known
from mien.datasets.samples import find_role
from mien.labels import find_expression

SCHEMA = 1

# Roles by what a leak into them spoils: a copy is left out of the earlier role, so that the test stays as it is.
_ORDER = (Role.TRAIN, Role.VALIDATION, Role.TEST)
_TINY = 0.5  # share of the data set's side below which an enlarged image shows too little
_LOW_CONTRAST = 4.0  # standard deviation in gray levels
_SHARED_CLASSES = 0.2  # share of a class that has copies in another class, from which the two look like one
_OVERSAMPLED = 2.0  # images for each different picture of a class
_IMBALANCE = 10.0
_ROLE_DRIFT_Z = 6.0
_ROLE_DRIFT = 1.5
_SURE_VOTES = 0.8
_FEW = 20  # images that a share is not taken of
# Certainty of the face detector below which nothing looks like a face; docs/decisions/0005-images-without-a-face.md.
_NO_FACE_SEEN = 0.1


class Severity(StrEnum):
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
    severity: Severity
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


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit found.

    Attributes:
        description: the data set in numbers.
        known: the published set that it is a copy of, or None.
        findings: faults first.
        copies: for each kind of copy and for all together ("any"), how many there are.
        duplicates: the copies.
        sets: shape (N,), int64, the number of the duplicate set of each image: images with one number are copies of
            one picture in any way, by pixels or by file name.
        cleaning: samples to leave out.
    """

    description: Description
    known: Match | None
    findings: tuple[Finding, ...]
    copies: tuple[CopyCount, ...]
    duplicates: Duplicates
    sets: NDArray[np.int64]
    cleaning: tuple[CleaningEntry, ...]

    def to_json(self, ids: NDArray[np.str_], examples: int = 5) -> dict[str, Any]:
        """Plain values for JSON, with the names of a few samples for each finding; all of them are in the lists.

        Args:
            ids: of the data set.
            examples: groups of samples named for each finding.
        """
        return {
            "schema": SCHEMA,
            # By its name alone: where it lies on somebody's machine is nobody else's business.
            "data": self.description.to_json() | {"source": PurePath(self.description.source).name},
            "known": None
            if self.known is None
            else {
                "name": self.known.known.name,
                "source": self.known.known.source,
                "exchanged": self.known.exchanged,
                "differences": [
                    {
                        "role": role_name(difference.role),
                        "expression": difference.expression.value,
                        "known": difference.known,
                        "found": difference.found,
                    }
                    for difference in self.known.differences
                ],
            },
            "findings": [
                {
                    "check": finding.check,
                    "severity": finding.severity.value,
                    "title": finding.title,
                    "text": finding.text,
                    "count": finding.count,
                    "numbers": dict(finding.numbers),
                    "examples": [[str(ids[position]) for position in group] for group in finding.samples[:examples]],
                    "names": list(finding.names[:examples]),
                }
                for finding in self.findings
            ],
            "copies": [count.to_json() for count in self.copies],
            "cleaning": dict(sorted(Counter(entry.reason for entry in self.cleaning).items())),
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


def audit_dataset(
    dataset: Dataset,
    *,
    doubts: Sequence[LabelDoubt] = (),
    face_certainty: NDArray[np.float64] | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Look for everything that makes figures on a data set wrong.

    Args:
        dataset: what to look at. 36,000 images take half a minute of one core.
        doubts: labels that are likely to be wrong, the likeliest first.
        face_certainty: shape (N,), how sure a face detector is that an image shows a face, 0 to 1; None when none
            looked.
        progress: called with steps done and steps to be done while copies are sought.
    """
    duplicates = find_duplicates(dataset.images, dataset.sample_hashes, progress=progress)
    derived = _derived_files(dataset)
    pairs = np.concatenate([np.stack([duplicates.first, duplicates.second], axis=1), derived])
    view = _View(
        dataset=dataset,
        duplicates=duplicates,
        derived=derived,
        sets=joined(len(dataset), pairs[:, 0], pairs[:, 1]),
        known=match_known(dataset),
        doubts=tuple(doubts),
        face_certainty=face_certainty,
    )
    findings = [finding for check in CHECKS for finding in check(view)]
    return Audit(
        description=describe(dataset),
        known=view.known,
        findings=tuple(sorted(findings, key=lambda finding: list(Severity).index(finding.severity))),
        copies=tuple(_copy_counts(view)),
        duplicates=duplicates,
        sets=view.sets,
        cleaning=tuple(_cleaning(view)),
    )


@dataclass(frozen=True, eq=False)
class _View:
    """What every check sees."""

    dataset: Dataset
    duplicates: Duplicates
    derived: NDArray[np.int64]
    sets: NDArray[np.int64]
    known: Match | None
    doubts: tuple[LabelDoubt, ...]
    face_certainty: NDArray[np.float64] | None

    def label(self, number: int) -> str:
        return self.dataset.label_set.expressions[number].value

    def role_masks(self) -> dict[Role, NDArray[np.bool_]]:
        """The roles that occur, without `NONE`, each with its samples."""
        masks = {role: self.dataset.roles == role.value for role in _ORDER}
        return {role: mask for role, mask in masks.items() if mask.any()}


# --- copies ------------------------------------------------------------------------------------------------------


def _groups(sets: NDArray[np.int64], chosen: NDArray[np.bool_] | None = None) -> list[NDArray[np.int64]]:
    """The positions of each set with more than one member; with `chosen`, of sets with a chosen member."""
    order = np.argsort(sets, kind="stable")
    bounds = np.flatnonzero(np.diff(sets[order])) + 1
    groups = [group for group in np.split(order, bounds) if len(group) > 1]
    return groups if chosen is None else [group for group in groups if chosen[group].any()]


def _pairs_of(view: _View, kind: CopyKind) -> NDArray[np.int64]:
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


def _all_exact_pairs(view: _View) -> NDArray[np.int64]:
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


def _copy_counts(view: _View) -> Iterator[CopyCount]:
    kinds = {
        kind.value: _all_exact_pairs(view) if kind is CopyKind.EXACT else _pairs_of(view, kind) for kind in CopyKind
    }
    if len(view.derived):
        kinds["file name"] = view.derived
    kinds["any"] = _set_pairs(view.sets)
    for kind, pairs in kinds.items():
        yield _count_copies(view, kind, pairs)


def _set_pairs(sets: NDArray[np.int64]) -> NDArray[np.int64]:
    pairs = [
        (one, other)
        for group in _groups(sets)
        for place, one in enumerate(group.tolist())
        for other in group[place + 1 :].tolist()
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _count_copies(view: _View, kind: str, pairs: NDArray[np.int64]) -> CopyCount:
    groups = _groups(joined(len(view.dataset), pairs[:, 0], pairs[:, 1]))
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


def _check_copies(view: _View) -> Iterator[Finding]:
    for kind in CopyKind:
        pairs = _all_exact_pairs(view) if kind is CopyKind.EXACT else _pairs_of(view, kind)
        if not len(pairs):
            continue
        counted = _count_copies(view, kind.value, pairs)
        groups = _groups(joined(len(view.dataset), pairs[:, 0], pairs[:, 1]))
        roles = view.dataset.roles
        crossing = [group for group in groups if len(set(roles[group].tolist())) > 1]
        inside = [group for group in groups if len(set(roles[group].tolist())) == 1]
        numbers = counted.to_json()
        across = {place: count for place, count in counted.across.items() if count}
        if across and crossing:
            leaks = ", ".join(f"{count:,} {here} images in {_learnt(there)}" for (here, there), count in across.items())
            yield Finding(
                check=f"copies-across-roles-{kind.value}",
                severity=Severity.FAULT,
                title=f"{_kind_title(kind)} across roles: {leaks}",
                text=f"Copies ({kind.meaning}) lie on two sides of the split: a network is judged by what it has "
                "learnt by heart. Apply the cleaning list, which leaves them out of the earlier role, or report the "
                "figures without these images beside those with them.",
                count=sum(across.values()),
                samples=_ordered(view, crossing),
                numbers=numbers,
            )
        if inside:
            where = " and ".join(f"{count:,} in {_learnt(role)}" for role, count in counted.within.items() if count)
            yield Finding(
                check=f"copies-within-role-{kind.value}",
                severity=Severity.CAUTION,
                title=f"{_kind_title(kind)} within a role: {where}",
                text=f"Pictures that occur more than once ({kind.meaning}) weigh more than others, in training and in "
                "figures, and a validation role made from the training images must keep them together; mien does so "
                "for groups and exact copies, and with copies = 'near' in the protocol for all. The cleaning list "
                "keeps one of each.",
                count=sum(counted.within.values()),
                samples=_ordered(view, inside),
                numbers={} if across and crossing else numbers,
            )


def _kind_title(kind: CopyKind) -> str:
    return {
        CopyKind.EXACT: "Exact copies",
        CopyKind.NEAR: "Near copies",
        CopyKind.TONE: "Copies in another brightness or contrast",
        CopyKind.SHIFTED: "Shifted copies",
        CopyKind.FLIPPED: "Mirrored copies",
    }[kind]


def _learnt(role: str) -> str:
    return {"train": "training", role_name(Role.NONE): "images without a role"}.get(role, role)


def _ordered(view: _View, groups: Sequence[NDArray[np.int64]]) -> tuple[tuple[int, ...], ...]:
    """Groups as tuples, those with labels that differ first: they are what a person wants to see."""
    labels = view.dataset.labels
    ranked = sorted(groups, key=lambda group: (-len(set(labels[group].tolist())), int(group[0])))
    return tuple(tuple(group.tolist()) for group in ranked)


def _check_conflicts(view: _View) -> Iterator[Finding]:
    labels = view.dataset.labels
    conflicts = [group for group in _groups(view.sets) if len(set(labels[group].tolist())) > 1]
    if not conflicts:
        return
    exact = _count_copies(view, CopyKind.EXACT.value, _all_exact_pairs(view)).conflicting
    yield Finding(
        check="conflicting-labels",
        severity=Severity.FAULT,
        title=f"{_plural(len(conflicts), 'picture has', 'pictures have')} copies with labels that differ",
        text=f"At least one label of each is wrong, or people disagree on it ({exact:,} of these groups have equal "
        "pixels throughout). The cleaning list leaves out all copies of a role whose labels differ.",
        count=len(conflicts),
        samples=tuple(tuple(group.tolist()) for group in conflicts),
        numbers={"groups": len(conflicts), "groups_with_exact_conflict": exact},
    )


def _check_shared_classes(view: _View) -> Iterator[Finding]:
    """Two classes that hold the same pictures are one class under two names, or one was copied into the other."""
    labels = view.dataset.labels
    shared: dict[tuple[int, int], set[int]] = defaultdict(set)
    for group in _groups(view.sets):
        present = sorted(set(labels[group].tolist()))
        for place, one in enumerate(present):
            for other in present[place + 1 :]:
                shared[one, other].update(group[np.isin(labels[group], (one, other))].tolist())
    sizes = np.bincount(labels, minlength=len(view.dataset.label_set))
    for (one, other), members in sorted(shared.items()):
        inside = np.array(sorted(members))
        for small in (one, other):
            count = int((labels[inside] == small).sum())
            if sizes[small] >= _FEW and count >= _SHARED_CLASSES * sizes[small]:
                yield Finding(
                    check="classes-that-share-pictures",
                    severity=Severity.FAULT,
                    title=f"{count / sizes[small]:.0%} of {view.label(small)} are copies of images of "
                    f"{view.label(other if small == one else one)}",
                    text="Two classes hold the same pictures: one class under two names, a wrong map from folders or "
                    "numbers to expressions, or one class copied into the other. Check the class map before anything "
                    "else.",
                    count=count,
                    samples=tuple(
                        tuple(group.tolist())
                        for group in _groups(view.sets)
                        if {one, other} <= set(labels[group].tolist())
                    ),
                )
                break


def _check_oversampling(view: _View) -> Iterator[Finding]:
    labels = view.dataset.labels
    for number in range(len(view.dataset.label_set)):
        inside = view.sets[labels == number]
        if len(inside) < _FEW:
            continue
        different = len(np.unique(inside))
        if len(inside) < _OVERSAMPLED * different:
            continue
        members = np.flatnonzero(labels == number)
        groups = [group for group in _groups(view.sets) if (labels[group] == number).any()]
        roles = view.dataset.roles
        torn = sum(len(set(roles[group].tolist())) > 1 for group in groups)
        yield Finding(
            check="oversampled-class",
            severity=Severity.FAULT if torn else Severity.CAUTION,
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


# --- files and names ---------------------------------------------------------------------------------------------

# What augmentation and copying leave in a file's name. Each takes the name of the copy to the name of its source.
_DERIVED_NAMES = (
    re.compile(r"^(?P<base>.+\.(?:jpe?g|png|bmp|tiff?|webp))_?\d+(?P<suffix>\.\w+)$", re.I),  # name.jpg3.jpg
    re.compile(r"^(?P<base>.+?) - copy(?P<suffix>\.\w+)$", re.I),
    re.compile(
        r"^(?P<base>.+?)[ _-](?:aug(?:mented)?|flip(?:ped)?|mirror(?:ed)?|rot(?:ated)?|shift(?:ed)?|zoom(?:ed)?|bright"
        r"|contrast|noise|eq(?:ualized)?|copy|dup(?:licate)?|oversampled?)(?:[ _-]?\d+)?(?P<suffix>\.\w+)$",
        re.I,
    ),
    re.compile(r"^(?P<base>.+?) ?\(\d+\)(?P<suffix>\.\w+)$"),  # name (2).jpg
)


def source_name(name: str) -> str | None:
    """The file name that a copy's name was made from, or None for a name that does not look like a copy's.

    >>> source_name("Training_3908.jpg3.jpg"), source_name("a (2).png"), source_name("Training_3908.jpg")
    ('Training_3908.jpg', 'a.png', None)
    """
    for pattern in _DERIVED_NAMES:
        if match := pattern.match(name):
            base = match["base"]
            return base if re.search(r"\.\w{3,4}$", base) else base + match["suffix"]
    return None


def _derived_files(dataset: Dataset) -> NDArray[np.int64]:
    """Pairs of a file and one that was made from it, by their names within one class: shape (P, 2), ascending."""
    sources: dict[tuple[int, str], int] = {}
    names = [PurePosixPath(path).name for path in dataset.ids.tolist()]
    labels = dataset.labels.tolist()
    for position, (name, label) in enumerate(zip(names, labels, strict=True)):
        if source_name(name) is None:
            sources.setdefault((label, name.lower()), position)
    pairs = []
    for position, (name, label) in enumerate(zip(names, labels, strict=True)):
        source = source_name(name)
        if source is not None:
            # The source itself may be missing: then the first of its copies stands for it.
            first = sources.setdefault((label, source.lower()), position)
            if first != position:
                pairs.append((min(first, position), max(first, position)))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _check_file_names(view: _View) -> Iterator[Finding]:
    groups = _groups(joined(len(view.dataset), view.derived[:, 0], view.derived[:, 1]))
    if not groups:
        return
    roles = view.dataset.roles
    torn = [group for group in groups if len(set(roles[group].tolist())) > 1]
    made = sum(len(group) - 1 for group in groups)
    yield Finding(
        check="augmented-files",
        severity=Severity.FAULT if torn else Severity.CAUTION,
        title=f"{_plural(made, 'file was', 'files were')} made from other files, by their names"
        + (f"; {_plural(len(torn), 'source has', 'sources have')} files in two roles" if torn else ""),
        text="Names such as 'name.jpg3.jpg' or 'name_flip.png' are left behind by augmentation that was done once and "
        "saved. Augmentation belongs to training, behind the split; copies of one picture in two roles are a leak.",
        count=made,
        samples=tuple(tuple(group.tolist()) for group in torn or groups),
        numbers={"made": made, "sources": len(groups), "sources_across_roles": len(torn)},
    )


def _check_two_names(view: _View) -> Iterator[Finding]:
    """One expression under several spellings in the paths: folders that were merged, or a class map with two names."""
    spellings: dict[int, Counter[str]] = defaultdict(Counter)
    example: dict[tuple[int, str], int] = {}
    for position, (path, label) in enumerate(zip(view.dataset.ids.tolist(), view.dataset.labels.tolist(), strict=True)):
        part = next((p for p in reversed(path.split("/")[:-1]) if find_expression(p) is not None), None)
        if part is not None:
            spelling = "".join(character for character in part.lower() if character.isalpha())
            spellings[label][spelling] += 1
            example.setdefault((label, spelling), position)
    for label, counts in sorted(spellings.items()):
        if len(counts) > 1:
            named = ", ".join(f"{name} ({count:,})" for name, count in counts.most_common())
            yield Finding(
                check="two-names-for-one-class",
                severity=Severity.FAULT,
                title=f"{view.label(label)} goes under {len(counts)} names: {named}",
                text="mien reads them as one class. Programs that make a class of every folder make several, and a "
                "class that is split in two cannot be learnt. Where the names stand for two things, the label set is "
                "not the one that mien takes it for.",
                count=sum(counts.values()),
                samples=(tuple(example[label, name] for name in counts),),
                names=tuple(counts),
            )


def _check_role_names(view: _View) -> Iterator[Finding]:
    """The file's own name says another role than its folder: files were moved after they were named."""
    torn = []
    for position, path in enumerate(view.dataset.ids.tolist()):
        *folders, name = path.lower().split("/")
        by_name = next((role for prefix, role in ROLE_PREFIXES.items() if name.startswith(prefix)), None)
        by_folder = next((role for folder in reversed(folders) if (role := find_role(folder)) is not None), None)
        if by_name and by_folder and (by_name is Role.TRAIN) != (by_folder is Role.TRAIN):
            torn.append(position)
    if torn:
        yield Finding(
            check="names-contradict-folders",
            severity=Severity.FAULT,
            title=f"{_plural(len(torn), 'file lies', 'files lie')} in a folder of another role than the name says",
            text="mien goes by the name. If the folders are meant, rename the files; if not, training and test were "
            "exchanged or mixed when the files were moved.",
            count=len(torn),
            samples=tuple((position,) for position in torn),
        )


# --- images ------------------------------------------------------------------------------------------------------


def _check_unreadable(view: _View) -> Iterator[Finding]:
    problems = view.dataset.problems
    if problems:
        yield Finding(
            check="unreadable",
            severity=Severity.CAUTION,
            title=f"{_plural(len(problems), 'file or row', 'files or rows')} could not be used",
            text="They are left out. Many of them point to a download that was cut off.",
            count=len(problems),
            names=tuple(f"{problem.name}: {problem.reason}" for problem in problems),
        )


def _spread(dataset: Dataset) -> NDArray[np.float64]:
    """Shape (N,): the standard deviation of each image's pixels, in gray levels."""
    spread = np.empty(len(dataset))
    for start in range(0, len(dataset), 1024):
        block = np.asarray(dataset.images[start : start + 1024])
        spread[start : start + 1024] = block.reshape(len(block), -1).std(axis=1, dtype=np.float32)
    return spread


def _constant(dataset: Dataset) -> NDArray[np.int64]:
    return np.flatnonzero(_spread(dataset) == 0)


def _check_flat(view: _View) -> Iterator[Finding]:
    spread = _spread(view.dataset)
    for check, positions, what, severity in (
        ("constant", np.flatnonzero(spread == 0), "of one gray level throughout", Severity.FAULT),
        ("low-contrast", np.flatnonzero((spread > 0) & (spread < _LOW_CONTRAST)), "almost flat", Severity.CAUTION),
    ):
        if len(positions):
            yield Finding(
                check=check,
                severity=severity,
                title=f"{_plural(len(positions), 'image is', 'images are')} {what}",
                text="They show no face, and whatever label they have teaches nothing."
                if check == "constant"
                else f"Their gray levels spread by less than {_LOW_CONTRAST:g}. Look whether there is a face in them.",
                count=len(positions),
                samples=tuple((int(position),) for position in positions),
            )


def _check_face_seen(view: _View) -> Iterator[Finding]:
    if view.face_certainty is None:
        return
    # Constant images, and those that the taggers call no face, have findings of their own.
    known = (_spread(view.dataset) == 0) | no_face_mask(view.dataset)
    unseen = np.flatnonzero((view.face_certainty < _NO_FACE_SEEN) & ~known)
    if len(unseen):
        ranked = unseen[np.argsort(view.face_certainty[unseen], kind="stable")]
        yield Finding(
            check="no-face-seen",
            severity=Severity.CAUTION,
            title=f"{_plural(len(unseen), 'image shows', 'images show')} no face, as far as a face detector sees",
            text="Look at them, and put what shows no face on the cleaning list by hand. On FER2013 63 of 67 such "
            "images were no face to the taggers either, which is two in five of all that are none.",
            count=len(ranked),
            samples=tuple((int(position),) for position in ranked),
        )


def _check_tiny(view: _View) -> Iterator[Finding]:
    sizes = view.dataset.source_sizes
    if sizes is None:
        return
    height, width = view.dataset.size
    tiny = np.flatnonzero((sizes[:, 0] < _TINY * height) | (sizes[:, 1] < _TINY * width))
    if len(tiny):
        least = sizes[tiny].min(axis=0)
        yield Finding(
            check="tiny",
            severity=Severity.CAUTION,
            title=f"{_plural(len(tiny), 'image was', 'images were')} enlarged to more than twice the size, from as "
            f"little as {least[1]}x{least[0]} pixels",
            text=f"Brought to {width}x{height} pixels they are blurred, and a network may learn the blur of a class "
            "instead of its expression.",
            count=len(tiny),
            samples=tuple((int(position),) for position in tiny),
        )


# --- counts ------------------------------------------------------------------------------------------------------


def _check_known(view: _View) -> Iterator[Finding]:
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
        severity=Severity.FAULT if match.exchanged else Severity.CAUTION,
        title=f"{match.exchanged} are exchanged, going by the counts of {match.known.name}"
        if match.exchanged
        else f"The counts are not those of {match.known.name}: {missing:,} images missing, {extra:,} too many",
        text=f"Known and found differ in {_plural(len(match.differences), 'place', 'places')}: {found}"
        + (" …" if len(match.differences) > 4 else "")
        + ". Figures on a changed copy cannot be compared with published ones.",
        count=missing + extra,
        numbers={"missing": missing, "extra": extra},
    )


def _check_roles(view: _View) -> Iterator[Finding]:
    sizes = {role: int(mask.sum()) for role, mask in view.role_masks().items()}
    train = sizes.get(Role.TRAIN)
    judged = {role: size for role, size in sizes.items() if role is not Role.TRAIN}
    larger = {role: size for role, size in judged.items() if train is not None and size > train}
    if larger:
        named = " and ".join(f"{role.value} has {size:,}" for role, size in larger.items())
        yield Finding(
            check="roles-exchanged",
            severity=Severity.FAULT,
            title=f"Training has {train:,} images, but {named}: roles look exchanged",
            text="Training is the largest role in nearly every set. Check which folder or word stands for which role.",
            count=train or 0,
        )
    elif judged and train is None:
        yield Finding(
            check="no-training-role",
            severity=Severity.CAUTION,
            title="There are test or validation images, and no training images",
            text="The protocol's roles = 'split' makes all three roles from what is there.",
            count=sum(judged.values()),
        )


def _check_balance(view: _View) -> Iterator[Finding]:
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
        named = ", ".join(f"{view.label(number)} in {_learnt(role.value)}" for role, number in lacking)
        yield Finding(
            check="class-missing-in-role",
            severity=Severity.FAULT,
            title=f"A role has no image of a class: {named}",
            text="What is not taught cannot be answered, and what is not tested cannot be reported. Use a label set "
            "without it, or roles = 'split'.",
            count=len(lacking),
        )
    largest, least = int(counts[present].max()), int(counts[present].min())
    if largest > _IMBALANCE * least:
        yield Finding(
            check="imbalance",
            severity=Severity.CAUTION,
            title=f"{view.label(int(counts.argmax()))} has {largest / least:.0f} times as many images as "
            f"{view.label(int(np.where(present, counts, largest + 1).argmin()))} ({largest:,} and {least:,})",
            text="Accuracy hardly notices the small class. Report balanced accuracy and the recall of each class, and "
            "consider class weights.",
            count=least,
        )
    yield from _drift(view, by_role, counts)


def _drift(view: _View, by_role: Mapping[Role, NDArray[np.int64]], counts: NDArray[np.int64]) -> Iterator[Finding]:
    """A class whose share in a role is far from its share in the others: roles that were not drawn alike."""
    for role, inside in by_role.items():
        outside = counts - inside
        n, m = int(inside.sum()), int(outside.sum())
        if n < _FEW or m < _FEW:
            continue
        for number in range(len(counts)):
            here, there = inside[number] / n, outside[number] / m
            pooled = (inside[number] + outside[number]) / (n + m)
            error = (pooled * (1 - pooled) * (1 / n + 1 / m)) ** 0.5
            ratio = max(here, there) / max(min(here, there), 1.0 / (n + m))
            if error > 0 and abs(here - there) > _ROLE_DRIFT_Z * error and ratio > _ROLE_DRIFT and inside[number]:
                yield Finding(
                    check="balance-differs-between-roles",
                    severity=Severity.CAUTION,
                    title=f"{view.label(number)} is {here:.1%} of {_learnt(role.value)} and {there:.1%} of the rest",
                    text="The roles were not drawn alike, or a class was oversampled in one of them: accuracy then "
                    "measures another mixture than the one that was learnt.",
                    count=int(inside[number]),
                )


def _check_groups(view: _View) -> Iterator[Finding]:
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
            severity=Severity.FAULT,
            title=f"{_plural(len(torn), 'group (person or sequence) lies', 'groups (persons or sequences) lie')} "
            "on two sides of the split",
            text="A network that knows a person's face from training is judged by that person's other images. "
            "roles = 'split' makes roles that keep every group together.",
            count=len(torn),
            samples=tuple(tuple(inside) for inside in torn.values()),
            names=tuple(torn),
        )


# --- votes -------------------------------------------------------------------------------------------------------


def no_face_mask(dataset: Dataset) -> NDArray[np.bool_]:
    """Shape (N,): whether no answer has more votes than "not a face". All False without FER+'s votes."""
    if dataset.votes is None or dataset.other_votes is None or dataset.other_votes.shape[1] != len(OTHER_ANSWERS):
        return np.zeros(len(dataset), dtype=bool)
    no_face = dataset.other_votes[:, OTHER_ANSWERS.index("NF")]
    most = np.maximum(dataset.votes.max(axis=1), dataset.other_votes.max(axis=1))
    return np.asarray((no_face > 0) & (no_face >= most), dtype=np.bool_)


def _check_no_face(view: _View) -> Iterator[Finding]:
    none = np.flatnonzero(no_face_mask(view.dataset))
    if len(none) and view.dataset.votes is not None and view.dataset.other_votes is not None:
        votes = view.dataset.other_votes[none, OTHER_ANSWERS.index("NF")]
        total = view.dataset.votes[none].sum(axis=1) + view.dataset.other_votes[none].sum(axis=1)
        half = int((votes >= total / 2).sum())
        yield Finding(
            check="not-a-face",
            severity=Severity.FAULT,
            title=f"{_plural(len(none), 'image shows', 'images show')} no face, say the taggers",
            text=f"No answer has more votes than 'not a face'; in {half:,} of them it has half of the votes or more. "
            "Targets made from votes leave them out; FER2013's own labels do not.",
            count=len(none),
            samples=tuple((int(position),) for position in none),
            numbers={"most_votes": len(none), "half_of_the_votes": half},
        )


def _check_votes(view: _View) -> Iterator[Finding]:
    """The label that nobody gave, where nearly all gave another."""
    votes = view.dataset.votes
    if votes is None:
        return
    total = np.maximum(
        votes.sum(axis=1) + (0 if view.dataset.other_votes is None else view.dataset.other_votes.sum(axis=1)), 1
    )
    own = votes[np.arange(len(votes)), view.dataset.labels]
    wrong = np.flatnonzero((own == 0) & (votes.max(axis=1) >= _SURE_VOTES * total))
    if not len(wrong):
        return
    said = votes[wrong].argmax(axis=1)
    pairs = Counter(
        (view.label(label), view.label(vote))
        for label, vote in zip(view.dataset.labels[wrong].tolist(), said.tolist(), strict=True)
    )
    commonest = ", ".join(f"{label} that is {vote} ({count:,})" for (label, vote), count in pairs.most_common(3))
    yield Finding(
        check="label-against-votes",
        severity=Severity.CAUTION,
        title=f"{_plural(len(wrong), 'image has', 'images have')} a label that no tagger gave, where at least "
        f"{_SURE_VOTES:.0%} gave another",
        text=f"The commonest: {commonest}. Train and judge on the votes (targets = 'majority' or 'votes') rather than "
        "on these labels.",
        count=len(wrong),
        samples=tuple((int(position),) for position in wrong),
        numbers={f"{label} to {vote}": count for (label, vote), count in pairs.most_common()},
    )


def _check_doubts(view: _View) -> Iterator[Finding]:
    doubts = view.doubts
    if not doubts:
        return
    pairs = Counter((doubt.label, doubt.answer) for doubt in doubts)
    commonest = ", ".join(f"{label} that looks like {answer} ({n:,})" for (label, answer), n in pairs.most_common(3))
    yield Finding(
        check="label-noise",
        severity=Severity.CAUTION,
        title=f"{_plural(len(doubts), 'label is', 'labels are')} doubted by the network of the run",
        text=f"The commonest: {commonest}. Shown are the ones that are doubted most. The network may be the one that "
        "is wrong: look at the images, and do not take test images out because a network fails on them.",
        count=len(doubts),
        samples=tuple((doubt.position,) for doubt in doubts),
        names=tuple(
            f"{view.dataset.ids[doubt.position]}: {doubt.label} ({doubt.own:.0%}), or {doubt.answer} "
            f"({doubt.other:.0%})?"
            for doubt in doubts
        ),
        numbers={f"{label} to {answer}": count for (label, answer), count in pairs.most_common()},
    )


CHECKS: tuple[Callable[[_View], Iterator[Finding]], ...] = (
    _check_copies,
    _check_conflicts,
    _check_shared_classes,
    _check_oversampling,
    _check_file_names,
    _check_two_names,
    _check_role_names,
    _check_roles,
    _check_known,
    _check_groups,
    _check_flat,
    _check_no_face,
    _check_face_seen,
    _check_votes,
    _check_doubts,
    _check_unreadable,
    _check_tiny,
    _check_balance,
)


# --- the cleaning list -------------------------------------------------------------------------------------------


def _cleaning(view: _View) -> Iterator[CleaningEntry]:
    """Which samples to leave out, in the order of the data set, each for its first reason."""
    dataset = view.dataset
    reasons: dict[int, tuple[str, str]] = {}
    for position in _constant(dataset).tolist():
        reasons[position] = ("constant image", "")
    for position in np.flatnonzero(no_face_mask(dataset)).tolist():
        reasons.setdefault(position, ("not a face", "most votes"))
    for group in _groups(view.sets):
        _clean_group(dataset, [position for position in group.tolist() if position not in reasons], reasons)
    for position in sorted(reasons):
        yield CleaningEntry(str(dataset.ids[position]), *reasons[position])


def _clean_group(dataset: Dataset, group: list[int], reasons: dict[int, tuple[str, str]]) -> None:
    """Leave copies of one picture in the latest role alone, once; nowhere in a role where their labels differ."""
    order = {role.value: place for place, role in enumerate((Role.NONE, *_ORDER))}
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


def _plural(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
