"""From what a data set says of its images, and the images, to a `Dataset`: the last step of every reader of images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.pixels import GrayImage, stack_images
from mien.datasets.spec import OnMismatch
from mien.errors import DataError, did_you_mean
from mien.labels import Expression, LabelSet

LICENCE_NOT_STATED = "Not stated by the data set; check before you publish."

ROLE_WORDS = {
    name: role
    for role, names in {
        Role.TRAIN: "train training trainset trainingset",
        Role.VALIDATION: "validation val valid publictest",
        Role.TEST: "test testing testset privatetest",
    }.items()
    for name in names.split()
}

# Columns of votes in a table: one for each expression, and one for each answer that is none.
VOTES = "votes:"
OTHER_VOTES = "other_votes:"

_ENDINGS = (".gz", ".csv", ".zip", ".npz", ".parquet")


@dataclass(frozen=True)
class Sample:
    """What a data set says of one image.

    Attributes:
        id: its name inside the data set, unique.
        expression: its label.
        role: what it is for.
        group: the person or sequence it belongs to; empty when unknown.
        votes: the taggers' votes: for the expressions that have a column, then for answers that are no expression.
    """

    id: str
    expression: Expression
    role: Role = Role.NONE
    group: str = ""
    votes: tuple[float, ...] = ()


def dataset_name(path: Path) -> str:
    """The name of a data set by its path: without the folders above and without endings such as ".zip" or ".csv.gz"."""
    name = path.resolve().name
    for ending in _ENDINGS:
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name or "dataset"


def find_role(text: str) -> Role | None:
    """The role that a folder, a file's prefix or a cell names, or None. Case and all but letters do not count."""
    return ROLE_WORDS.get("".join(character for character in text.lower() if character.isalpha()))


def parse_role(text: str, where: str) -> Role:
    """The role that a cell names; none when it is empty.

    Raises:
        DataError: the word is no role.
    """
    if not any(map(str.isalnum, text)):
        return Role.NONE
    role = find_role(text)
    if role is None:
        raise DataError(f"Unknown role {text!r} in {where}. {did_you_mean(text, ['train', 'validation', 'test'])}")
    return role


def refuse_repeated_ids(samples: Iterable[Sample], where: str) -> None:
    """Raise DataError when two samples have one name."""
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise DataError(f"{where} names {sample.id!r} twice. Every sample needs a name of its own.")
        seen.add(sample.id)


def refuse_unwritable_ids(dataset: Dataset) -> None:
    """Raise DataError when a sample has a name that no table can hold: that of a file whose name is no UTF-8."""
    for name in dataset.ids.tolist():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"The name {name!r} holds bytes that are not UTF-8, so that no table can hold it. Rename the file."
            ) from error


def counted(number: int, thing: str) -> str:
    """A number with its noun.

    >>> counted(1, "image"), counted(4002, "image")
    ('1 image', '4,002 images')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def build_dataset(
    samples: Sequence[Sample],
    decoded: Iterable[GrayImage | Problem],
    *,
    path: Path,
    licence: str,
    size: int | None,
    on_mismatch: OnMismatch,
    notes: Sequence[str] = (),
    problems: Sequence[Problem] = (),
    voted: Sequence[Expression] = (),
) -> Dataset:
    """The data set of samples whose images could be decoded.

    Args:
        samples: what is said of each image.
        decoded: for each of them, in the same order, its image or why there is none.
        path: where the data set is.
        licence: one sentence on what it may be used for.
        size: side of the square images wanted, in pixels; None for the most common size.
        on_mismatch: whether images of another size or in colour are converted, with a note, or refused.
        notes: what the reader has to tell.
        problems: what the reader could not use; those of decoding are added.
        voted: the expressions that `Sample.votes` begins with.

    Raises:
        DataError: no image can be read, there is one expression only, or a mismatch that is to be refused.
    """
    problems = list(problems)
    kept: list[Sample] = []
    images: list[GrayImage] = []
    for sample, image in zip(samples, decoded, strict=True):
        if isinstance(image, Problem):
            problems.append(image)
        else:
            kept.append(sample)
            images.append(image)
    if not kept:
        first = f" First: {problems[0].name}: {problems[0].reason}" if problems else ""
        raise DataError(f"None of the {len(samples) or len(problems):,} images of {path} can be read.{first}")
    label_set = LabelSet.of([*(sample.expression for sample in kept), *voted])
    if len(label_set) < 2:
        raise DataError(
            f"{path} has images of one expression only ({label_set.expressions[0]}). "
            "A data set needs at least two expressions."
        )
    ids = [sample.id for sample in kept]
    name = dataset_name(path)
    stacked, stacking_notes = stack_images(images, ids, name=name, size=size, on_mismatch=on_mismatch)
    votes, other_votes = _vote_arrays(kept, voted, label_set)
    groups = np.array([sample.group for sample in kept])
    return Dataset(
        name=name,
        images=stacked,
        labels=np.array([label_set.index(sample.expression) for sample in kept], dtype=np.int64),
        label_set=label_set,
        roles=np.array([sample.role.value for sample in kept], dtype="U10"),
        ids=np.array(ids),
        source=str(path),
        licence=licence,
        votes=votes,
        other_votes=other_votes,
        groups=groups if (groups != "").any() else None,
        source_sizes=np.array([image.pixels.shape for image in images], dtype=np.int64),
        notes=(*notes, *stacking_notes),
        problems=tuple(problems),
    )


def _vote_arrays(
    samples: Sequence[Sample], voted: Sequence[Expression], label_set: LabelSet
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    values = np.array([sample.votes for sample in samples], dtype=np.float64).reshape(len(samples), -1)
    votes = None
    if voted:
        votes = np.zeros((len(samples), len(label_set)))
        votes[:, [label_set.index(expression) for expression in voted]] = values[:, : len(voted)]
    others = values[:, len(voted) :]
    return votes, others if others.shape[1] else None
