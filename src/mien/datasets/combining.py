"""Several data sets as one: the names of each kept apart, label sets merged, and copies between them noticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.datasets.dataset import Dataset, Missed, Problem, Role
from mien.datasets.samples import BRING_TO_SIZE, LOSS_WARNING
from mien.errors import DataError
from mien.labels import LabelSet
from mien.wording import count_text


@dataclass(frozen=True, eq=False)
class Part:
    """A data set among several.

    Attributes:
        dataset: what was read of it.
        role: what all its images are for, whatever it says itself; None for its own roles.
    """

    dataset: Dataset
    role: Role | None = None


def with_role(dataset: Dataset, role: Role | None) -> Dataset:
    """The data set with all images in one role; None leaves them as they are."""
    if role is None or set(dataset.roles.tolist()) == {role.value}:
        return dataset
    changed = replace(
        dataset,
        roles=np.full(len(dataset), role.value, dtype="U10"),
        missed=tuple(replace(miss, role=role) for miss in dataset.missed),
    )
    if "sample_hashes" in dataset.__dict__:
        changed.__dict__["sample_hashes"] = dataset.sample_hashes
    return changed


def combine(parts: Sequence[Part]) -> Dataset:
    """One data set of several, in their order.

    Samples, groups and problems are named by their source first, so that no two are taken for one: "S01" of two
    data sets are two persons. Where a source is given the test (or the validation) role, that role is of such sources
    alone: images that others have for it are left out, and counted in a note.

    Args:
        parts: at least two, with images of one size.

    Raises:
        DataError: their images differ in size, or their classes cannot stand beside one another.
    """
    sizes = {part.dataset.size for part in parts}
    if len(sizes) > 1:
        said = ", ".join(f"{p.dataset.name} {p.dataset.size[1]}x{p.dataset.size[0]}" for p in parts)
        raise DataError(f"The images of several sources must have one size. Received: {said}. {BRING_TO_SIZE}")
    if len({part.dataset.channels for part in parts}) > 1:
        said = ", ".join(f"{p.dataset.name} {p.dataset.channels}" for p in parts)
        raise DataError(
            f"The images of several sources must all be gray, or all in colour. Received: {said}. Say channels in "
            "[data]."
        )
    names = _names([part.dataset.name for part in parts])
    label_set = _merged_labels(parts)
    kept, notes = _without_replaced_roles(parts, names)
    whole = [with_role(part.dataset, part.role) for part in kept]
    hashes = np.concatenate([dataset.sample_hashes for dataset in whole])
    sources = np.repeat(np.array(names), [len(dataset) for dataset in whole])
    labels = np.concatenate([_columns(dataset, label_set)[dataset.labels] for dataset in whole])
    votes, vote_notes = _votes(whole, names, label_set)
    groups = _groups(whole, names)
    said = ", ".join(
        f"{name} ({count_text(len(dataset), 'image')}{f', all for {part.role.value}' if part.role else ''})"
        for name, dataset, part in zip(names, whole, parts, strict=True)
    )
    framings = {dataset.framing for dataset in whole}
    combined = Dataset(
        name="+".join(names),
        images=np.concatenate([dataset.images for dataset in whole]),
        labels=labels,
        label_set=label_set,
        roles=np.concatenate([dataset.roles for dataset in whole]).astype("U10"),
        ids=_prefixed([dataset.ids for dataset in whole], names),
        source=" + ".join(dataset.source for dataset in whole),
        licence=" ".join(
            f"{name}: {dataset.licence}" for name, dataset in zip(names, whole, strict=True) if dataset.licence
        ),
        votes=votes,
        groups=groups,
        sources=sources,
        source_sizes=_if_all([dataset.source_sizes for dataset in whole]),
        faces=_if_all([dataset.faces for dataset in whole]),
        left_out=_left_out(whole),
        framing=framings.pop() if len(framings) == 1 else None,
        notes=(
            f"{len(parts)} sources: {said}",
            *notes,
            *vote_notes,
            *_copy_notes(hashes, labels, sources, names),
            *(
                note if note.startswith(LOSS_WARNING) else f"{name}: {note}"
                for name, dataset in zip(names, whole, strict=True)
                for note in dataset.notes
            ),
        ),
        problems=tuple(
            Problem(f"{name}/{problem.name}", problem.reason)
            for name, dataset in zip(names, whole, strict=True)
            for problem in dataset.problems
        ),
        missed=tuple(
            Missed(f"{name}/{miss.id}", miss.label, miss.role, miss.outcome)
            for name, dataset in zip(names, whole, strict=True)
            for miss in dataset.missed
        ),
    )
    combined.__dict__["sample_hashes"] = hashes
    return combined


def _names(names: Sequence[str]) -> list[str]:
    """Names that are told apart: the second of one name gets a number."""
    return [
        name if name not in names[:place] else f"{name}-{names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]


def _merged_labels(parts: Sequence[Part]) -> LabelSet:
    label_set = LabelSet.of(label for part in parts for label in part.dataset.label_set.expressions)
    twice = [
        (label, other)
        for label in label_set.expressions
        for other in label_set.expressions
        if label is not other and (label in getattr(other, "members", ()) or (label.value == other.value))
    ]
    if twice:
        label, group = twice[0]
        raise DataError(
            f"One source has the class {label.value} and another has it inside the group {group.value}, so that an "
            "image would have two right answers. Give both sources the same classes, or group them in the protocol: "
            "labels = 'neutral,positive=happiness+surprise'."
        )
    return label_set


def _without_replaced_roles(parts: Sequence[Part], names: Sequence[str]) -> tuple[list[Part], list[str]]:
    kept, notes = list(parts), []
    for role in (Role.TEST, Role.VALIDATION):
        given = [name for name, part in zip(names, parts, strict=True) if part.role is role]
        if not given:
            continue
        for place, (name, part) in enumerate(zip(names, kept, strict=True)):
            own = part.dataset.roles == role.value
            if part.role is None and own.any():
                kept[place] = replace(part, dataset=part.dataset.take(~own))
                notes.append(
                    f"{role.value} is {' and '.join(given)} alone: {count_text(int(own.sum()), f'{role.value} image')} "
                    f"of {name} left out"
                )
    return kept, notes


def _columns(dataset: Dataset, label_set: LabelSet) -> NDArray[np.int64]:
    return np.array([label_set.index(label) for label in dataset.label_set.expressions], dtype=np.int64)


def _votes(
    whole: Sequence[Dataset], names: Sequence[str], label_set: LabelSet
) -> tuple[NDArray[np.float64] | None, list[str]]:
    having = [name for name, dataset in zip(names, whole, strict=True) if dataset.votes is not None]
    if len(having) < len(whole):
        return None, [f"the votes of {' and '.join(having)} are not used: the other sources have none"] * bool(having)
    votes = np.zeros((sum(map(len, whole)), len(label_set)))
    start = 0
    for dataset in whole:
        if dataset.votes is not None:
            votes[start : start + len(dataset), _columns(dataset, label_set)] = dataset.votes
        start += len(dataset)
    return votes, []


def _groups(whole: Sequence[Dataset], names: Sequence[str]) -> NDArray[np.str_] | None:
    if all(dataset.groups is None for dataset in whole):
        return None
    parts = []
    for name, dataset in zip(names, whole, strict=True):
        own = np.array([""] * len(dataset)) if dataset.groups is None else dataset.groups
        parts.append(np.where(own == "", "", np.char.add(f"{name}/", own.astype(str))))
    return np.concatenate(parts)


def _prefixed(columns: Sequence[NDArray[np.str_]], names: Sequence[str]) -> NDArray[np.str_]:
    return np.concatenate([np.char.add(f"{name}/", own) for name, own in zip(names, columns, strict=True)])


def _if_all(columns: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    there = [column for column in columns if column is not None]
    return np.concatenate(there) if len(there) == len(columns) else None


def _left_out(whole: Sequence[Dataset]) -> NDArray[np.bool_] | None:
    if all(dataset.left_out is None for dataset in whole):
        return None
    return np.concatenate(
        [np.zeros(len(dataset), dtype=bool) if dataset.left_out is None else dataset.left_out for dataset in whole]
    )


def _copy_notes(
    hashes: NDArray[np.str_], labels: NDArray[np.int64], sources: NDArray[np.str_], names: Sequence[str]
) -> list[str]:
    """How many images of a source are exact copies of images of an earlier one, and how many of these disagree."""
    notes = []
    first: dict[str, tuple[str, int]] = {}
    for name in names:
        own = np.flatnonzero(sources == name)
        met: dict[str, list[bool]] = {}
        for index in own.tolist():
            known = first.setdefault(str(hashes[index]), (name, int(labels[index])))
            if known[0] != name:
                met.setdefault(known[0], []).append(known[1] != labels[index])
        for other, conflicts in met.items():
            verb = "is an exact copy" if len(conflicts) == 1 else "are exact copies"
            but = f", {sum(conflicts):,} of them under another label" if any(conflicts) else ""
            notes.append(f"{count_text(len(conflicts), 'image')} of {name} {verb} of images of {other}{but}")
    return notes
