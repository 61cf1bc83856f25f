"""The protocol: which samples take part, what they are for, and what the network shall answer for each.

A `ProtocolSpec` says it in words, `apply_protocol` does it. The test role comes out sealed: its images can be
seen by everyone, its labels only through `SealedTest.open`, which writes down who opened it and why.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mien.arguments import check_fields
from mien.datasets.dataset import Dataset, Role
from mien.errors import DataError, ProtocolError, did_you_mean
from mien.labels import LabelSet
from mien.picked import Picked
from mien.randomness import generator
from mien.seen import gray_hashes
from mien.votes import Votes, official_majority
from mien.wording import count_text

_CHOICES = {
    "roles": ("auto", "official", "deck", "split"),
    "targets": ("labels", "votes", "majority", "multi_target"),
    "copies": ("exact", "near"),
}
_MIXED = -1
_COPY_WORDS = {"exact": "an exact copy", "near": "an exact or near copy"}
# Share of all votes from which an expression is one of several right ones (Barsoum et al., 2016).
_ONE_OF_SEVERAL = 0.3


@dataclass(frozen=True, kw_only=True)
class ProtocolSpec:
    """What to do with a data set.

    Attributes:
        labels: label set: "dataset" (those that occur), "six", "seven", "eight", or any list of expressions and groups
            of them, "anger,neutral,positive=happiness+surprise". Samples of other expressions are left out.
        roles: "official": as the data set gives them, all three. "deck": test is validation and test together, and
            validation is made from training. "auto": as the data set gives them, and what is missing is made.
            "split": all three are made, whatever the data set says.
        targets: "labels": the label alone. "votes": the distribution of the taggers' votes. "majority": the
            expression that alone has the most votes. "multi_target": equal shares for every expression with at least
            30 % of all votes. With votes in any of these ways, validation and test hold only images of which one
            expression alone has the most votes, and that is their label.
        validation_fraction: share of the training images that become validation, where validation has to be made.
        test_fraction: share of the images that become test, where test has to be made.
        train_fraction: share of the training role that is used, the same share of every expression. A smaller share
            is part of a larger one.
        folds: a number: all images are dealt into so many folds, copies and groups whole, and each fold is the test
            role of a run of its own, so that every image is tested once. "group": as many folds as there are groups
            (persons, clips), each left out once. The data set's own roles do not count then.
        fold: which of the folds is the test role, from 1; 0 for all of them, which a study runs one by one.
        copies: what counts as copies of one picture, which roles that are made never separate, and which figures
            without copies leave out: "exact": images with equal pixels. "near": also those that were recompressed,
            brightened, shifted or mirrored.
        clean: whether the samples that the data's cleaning list names are left out; without a list it changes nothing.
        seed: what chance in the splits is derived from.

    Raises:
        ProtocolError: an unknown word, or a fraction outside its range.
    """

    labels: str = "dataset"
    roles: str = "auto"
    targets: str = "labels"
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    train_fraction: float = 1.0
    folds: int | str | None = None
    fold: int = 0
    copies: str = "exact"
    clean: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.labels != "dataset":
            try:
                LabelSet.parse(self.labels)
            except DataError as error:
                raise ProtocolError(f"labels cannot be {self.labels!r}. {error}") from error
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ProtocolError(f"{name} cannot be {value!r}. {did_you_mean(str(value), choices)}")
        for name in ("validation_fraction", "test_fraction"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ProtocolError(f"{name} must lie between 0 and 1, both excluded. Received: {value}.")
        if not 0 < self.train_fraction <= 1:
            raise ProtocolError(f"train_fraction must be above 0 and at most 1. Received: {self.train_fraction}.")
        if self.seed < 0:
            raise ProtocolError(f"seed must not be negative. Received: {self.seed}.")
        self._check_folds()

    def _check_folds(self) -> None:
        if self.folds is None:
            if self.fold:
                raise ProtocolError(f"fold = {self.fold} needs folds, which says how many there are: folds = 5.")
            return
        if self.folds != "group" and (isinstance(self.folds, str) or self.folds < 2):
            raise ProtocolError(f"folds is a number from 2, or 'group'. Received: {self.folds!r}.")
        if self.fold < 0 or (isinstance(self.folds, int) and self.fold > self.folds):
            most = f" to {self.folds}" if isinstance(self.folds, int) else ""
            raise ProtocolError(f"fold is a number from 1{most}; 0 stands for all. Received: {self.fold}.")
        if self.roles != "auto":
            raise ProtocolError(
                f"folds = {self.folds!r} makes all roles, and roles = {self.roles!r} says otherwise. "
                "Use roles = 'auto', or leave folds out."
            )

    @property
    def each_fold(self) -> bool:
        """Whether this stands for a split a fold, and not for one split."""
        return self.folds is not None and not self.fold


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of one role.

    Attributes:
        picked: shape (N, H, W), or (N, H, W, 3) in colour, uint8: the images, read when they are asked for.
        targets: shape (N, K), float32, each row non-negative and summing to 1.
        labels: shape (N,), int64, class numbers in the split's label set.
        ids: shape (N,), str, the samples' names in their data set.
        hashes: shape (N,), str, equal for exact copies.
        pictures: shape (N,), str, equal for images that count as copies of one picture.
        groups: shape (N,), str, the person or sequence of each, empty where unknown; None where the data set has none.
    """

    picked: Picked[np.uint8]
    targets: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    ids: NDArray[np.str_]
    hashes: NDArray[np.str_] = field(repr=False)
    pictures: NDArray[np.str_] = field(repr=False)
    groups: NDArray[np.str_] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> NDArray[np.uint8]:
        """All of `picked` at once. May be a view of a memory-mapped file: treat as read-only."""
        return self.picked.whole()

    @property
    def gray_hashes(self) -> NDArray[np.str_]:
        """Shape (N,), str: see `mien.seen.gray_hashes`."""
        return gray_hashes(self.images, self.hashes) if self.picked.ndim == 4 else self.hashes


@dataclass(frozen=True)
class Opening:
    """One opening of a sealed test.

    Attributes:
        when: time in UTC, ISO 8601.
        by: the run that asked.
        reason: why, in words.
        count: number of test samples.
        split: hash of the split.
    """

    when: str
    by: str
    reason: str
    count: int
    split: str


class SealedTest:
    """The test role: images for all, labels only by `open`."""

    __slots__ = ("__samples", "__split")

    def __init__(self, samples: Samples, split: str) -> None:
        self.__samples = samples
        self.__split = split

    @property
    def images(self) -> NDArray[np.uint8]:
        """Shape (N, H, W), or (N, H, W, 3) in colour, uint8."""
        return self.__samples.images

    @property
    def picked(self) -> Picked[np.uint8]:
        """The images, read when they are asked for."""
        return self.__samples.picked

    @property
    def ids(self) -> NDArray[np.str_]:
        """Shape (N,), str."""
        return self.__samples.ids

    @property
    def hashes(self) -> NDArray[np.str_]:
        """Shape (N,), str, equal for exact copies."""
        return self.__samples.hashes

    @property
    def pictures(self) -> NDArray[np.str_]:
        """Shape (N,), str, equal for images that count as copies of one picture."""
        return self.__samples.pictures

    def __len__(self) -> int:
        return len(self.__samples)

    def __repr__(self) -> str:
        return f"SealedTest({len(self)} samples)"

    def open(self, *, by: str, reason: str, log: Callable[[Opening], None]) -> Samples:
        """The test samples with their labels.

        Args:
            by: the run that asks.
            reason: why it asks; evaluation at the end of a run is the one good reason.
            log: writes the opening down. It is called first: when it raises, nothing is opened.

        Raises:
            ProtocolError: `by` or `reason` is empty.
        """
        if not by.strip() or not reason.strip():
            raise ProtocolError("The test labels are opened only with the name of a run and a reason.")
        when = datetime.now(UTC).isoformat(timespec="seconds")
        log(Opening(when=when, by=by, reason=reason, count=len(self), split=self.__split))
        return self.__samples


@dataclass(frozen=True, eq=False)
class Split:
    """A data set after a protocol: three roles, ready for training.

    Attributes:
        label_set: the expressions of the class numbers and of the targets' columns.
        train: the training role.
        validation: the validation role.
        test: the test role, sealed.
        hash: of the assignment: label set, kind of targets, what counts as copies, and the samples of each role with
            their labels, in order. Two splits with one hash are the same to a training run.
        counts: for training and validation, the number of samples of each expression. The test role has only
            `len(split.test)`.
        notes: what was left out, and which copies lie on two sides.
    """

    label_set: LabelSet
    train: Samples
    validation: Samples
    test: SealedTest
    hash: str
    counts: dict[str, dict[str, int]]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Answers:
    """What each sample of a data set would answer, under the kind of targets that was chosen.

    Attributes:
        labels: shape (N,), class numbers in the split's label set; arbitrary where a sample is not usable.
        targets: shape (N, K), float32.
        teaches: shape (N,), whether a sample can be used for training.
        judges: shape (N,), whether it can be used for validation and test; never more than `teaches`.
        has_votes: shape (N,), whether some taggers named an expression, and most of them did not see none at all.
        notes: why samples cannot be used, with their numbers.
    """

    labels: NDArray[np.int64]
    targets: NDArray[np.float32]
    teaches: NDArray[np.bool_]
    judges: NDArray[np.bool_]
    has_votes: NDArray[np.bool_]
    notes: tuple[str, ...]


def apply_protocol(dataset: Dataset, spec: ProtocolSpec, *, trained: bool = True) -> Split:
    """Give every sample of a data set its role and its target.

    Where a role has to be made, copies and samples of one group stay on one side, and every expression gives
    the same share of its samples. What the split is depends on the samples and on `spec` alone, not on the order in
    which the samples lie in the data set.

    Args:
        dataset: the data set.
        spec: the protocol.
        trained: whether a network will learn from it. Where none does, a data set of test images alone will do, and
            roles may be empty.

    Raises:
        ProtocolError: the data set has no such roles, votes, expressions or folds, or a role would be empty.
    """
    return split_heads(dataset, spec, (spec.targets,), trained=trained)[0]


def split_heads(
    dataset: Dataset, spec: ProtocolSpec, heads: Sequence[str], *, trained: bool = True
) -> tuple[Split, ...]:
    """The split of each head of a network that answers for several kinds of targets.

    The first is what `apply_protocol` gives. The others have the same roles, so that no image that one head is judged
    by teaches another, and the classes of the first that their own targets name in training. What the first cannot use
    (an image without votes, say), another can, as far as the data set says the roles itself; where they are made, they
    are made of the images that the first can use.

    Args:
        dataset: the data set.
        spec: the protocol.
        heads: kinds of targets, the first of them `spec.targets`.
        trained: as in `apply_protocol`.

    Raises:
        ProtocolError: as `apply_protocol`, for any of the heads.
    """
    label_set = _label_set(dataset, spec)
    answers = _answers(dataset, label_set, spec.targets)
    pictures = _pictures(dataset, spec)
    if spec.folds is None:
        given, notes = _given_roles(dataset, spec, trained)
    else:
        given, notes = _roles_of_fold(dataset, answers, pictures, spec)
    roles = _made_roles(dataset, given, answers, pictures, spec)
    # After the roles were made: with the list and without it, a sample that stays has the same role.
    kept, cleaning_notes = _kept(dataset, answers.teaches, clean=spec.clean)
    notes += cleaning_notes
    in_role = {role: (roles == role.value) & kept for role in (Role.TRAIN, Role.VALIDATION, Role.TEST)}
    if spec.train_fraction < 1:
        train = np.flatnonzero(in_role[Role.TRAIN] & answers.teaches)
        positions = _positions(dataset, train, answers.labels, pictures, spec.seed, "train_fraction")
        in_role[Role.TRAIN] = np.zeros(len(dataset), dtype=bool)
        in_role[Role.TRAIN][train[positions <= spec.train_fraction]] = True
    splits = [_split(dataset, spec, label_set, answers, pictures, roles, in_role, notes, trained)]
    if spec.folds is not None or not np.array_equal(given, roles):
        in_role = {role: mask & answers.teaches for role, mask in in_role.items()}
    for kind in heads[1:]:
        own_set, own = _answers_of_head(dataset, label_set, kind, in_role[Role.TRAIN])
        own_spec = replace(spec, targets=kind)
        splits.append(_split(dataset, own_spec, own_set, own, pictures, roles, in_role, [], trained))
    return tuple(splits)


def _answers_of_head(
    dataset: Dataset, label_set: LabelSet, targets: str, train: NDArray[np.bool_]
) -> tuple[LabelSet, _Answers]:
    """The classes that a further head can learn, and what each sample would answer for it."""
    answers = _answers(dataset, label_set, targets)
    named = set(answers.labels[train & answers.teaches].tolist())
    if len(named) < 2:
        raise ProtocolError(
            f"The head '{targets}' needs images of two expressions at least in training, and {dataset.name} has "
            f"{len(named)}. Leave it out of heads, or choose another label set."
        )
    own = LabelSet.of(label for number, label in enumerate(label_set.expressions) if number in named)
    return own, _answers(dataset, own, targets)


def _split(
    dataset: Dataset,
    spec: ProtocolSpec,
    label_set: LabelSet,
    answers: _Answers,
    pictures: NDArray[np.str_],
    roles: NDArray[np.str_],
    in_role: Mapping[Role, NDArray[np.bool_]],
    notes: Sequence[str],
    trained: bool,
) -> Split:
    """The split of one kind of targets, of the samples that may be in each role."""
    usable = {Role.TRAIN: answers.teaches, Role.VALIDATION: answers.judges, Role.TEST: answers.judges}
    samples = {
        role: _samples(dataset, answers, pictures, np.flatnonzero(mask & usable[role]))
        for role, mask in in_role.items()
    }
    if trained:
        _check_filled(samples, label_set, spec, {role for role in Role if dataset.count(role)})
    split_hash = _split_hash(samples, label_set, spec)
    return Split(
        label_set=label_set,
        train=samples[Role.TRAIN],
        validation=samples[Role.VALIDATION],
        test=SealedTest(samples[Role.TEST], split_hash),
        hash=split_hash,
        counts={role.value: _counts(samples[role], label_set) for role in (Role.TRAIN, Role.VALIDATION)},
        notes=(
            *answers.notes,
            *notes,
            *_undecided_notes(answers, *_undecided_roles(roles, spec.targets)),
            *_copy_notes(samples, spec.copies),
            *_group_notes(dataset, roles),
            *_gap_notes(samples, label_set),
        ),
    )


def taught_together(dataset: Dataset, splits: Sequence[Split]) -> Split:
    """What a network with several heads is trained and validated on: the images of any of its heads.

    Args:
        dataset: the data set.
        splits: of its heads, as `split_heads` gives them.

    Returns:
        A split whose targets stand side by side, in the order of the heads: (N, K + L + ...), with zeros for a head
        that an image has no target for. Labels are those of the first head, -1 where it has none. The test role and
        the counts are the first head's; the hash is of all. Of a single head, its split itself.
    """
    if len(splits) == 1:
        return splits[0]
    return replace(
        splits[0],
        train=_together(dataset, [split.train for split in splits]),
        validation=_together(dataset, [split.validation for split in splits]),
        hash=hashlib.sha256("+".join(split.hash for split in splits).encode()).hexdigest()[:16],
    )


def splits_of_run(dataset: Dataset, spec: ProtocolSpec, heads: Sequence[str], head: str) -> tuple[Split, Split]:
    """Who was in which role of a run: the split of one of its heads, and that of all that its network learned from.

    Args:
        dataset: the data set of the run.
        spec: its protocol; of the targets those of the first head count.
        heads: the targets of its heads, in their order; of a network with one head its own.
        head: one of them.
    """
    splits = split_heads(dataset, replace(spec, targets=heads[0]), heads)
    return splits[list(heads).index(head)], taught_together(dataset, splits)


def _together(dataset: Dataset, parts: Sequence[Samples]) -> Samples:
    places = {name: place for place, name in enumerate(dataset.ids.tolist())}
    rows = [np.array([places[name] for name in part.ids.tolist()], dtype=np.int64) for part in parts]
    index = np.unique(np.concatenate(rows))
    ends = np.cumsum([part.targets.shape[1] for part in parts])
    targets = np.zeros((len(index), ends[-1]), dtype=np.float32)
    labels = np.full(len(index), -1, dtype=np.int64)
    pictures = np.zeros(len(index), dtype=np.result_type(*(part.pictures for part in parts)))
    for place, (part, row, end) in enumerate(zip(parts, rows, ends, strict=True)):
        own = np.searchsorted(index, row)
        targets[own, end - part.targets.shape[1] : end] = part.targets
        pictures[own] = part.pictures
        if place == 0:
            labels[own] = part.labels
    return Samples(
        picked=Picked(dataset.images, index),
        targets=targets,
        labels=labels,
        ids=dataset.ids[index],
        hashes=dataset.sample_hashes[index],
        pictures=pictures,
        groups=None if dataset.groups is None else dataset.groups[index],
    )


def count_folds(dataset: Dataset, spec: ProtocolSpec) -> int:
    """How many folds a protocol makes of a data set.

    Raises:
        ProtocolError: the protocol has no folds, or the data set cannot be dealt into them.
    """
    label_set = _label_set(dataset, spec)
    answers = _answers(dataset, label_set, spec.targets)
    return int(_folds(dataset, answers, _pictures(dataset, spec), spec).max())


def copies_in_training(split: Split) -> NDArray[np.bool_]:
    """Which test images have a copy, of the kind that the protocol counts, in the training or the validation role.

    Figures on the others are free of that leak. No label is needed or shown.

    Returns:
        Shape (len(split.test),), bool.
    """
    return np.isin(split.test.pictures, np.concatenate([split.train.pictures, split.validation.pictures]))


def _pictures(dataset: Dataset, spec: ProtocolSpec) -> NDArray[np.str_]:
    """Shape (N,): equal for samples that count as copies of one picture."""
    if spec.copies == "exact":
        return dataset.sample_hashes
    from mien.datasets.near_copies import picture_names

    return picture_names(dataset)


def _label_set(dataset: Dataset, spec: ProtocolSpec) -> LabelSet:
    if spec.labels == "dataset":
        return occurring_labels(dataset, spec.targets)
    label_set = LabelSet.parse(spec.labels)
    held = {label_set.holding(label) for label in dataset.label_set.expressions}
    missing = [label.value for number, label in enumerate(label_set.expressions) if number not in held]
    if missing:
        raise ProtocolError(
            f"labels = {spec.labels!r} asks for {', '.join(missing)}, which {dataset.name} does not have. "
            f"It has: {', '.join(dataset.label_set.expressions)}. Use labels = 'dataset' or a smaller set."
        )
    return label_set


def occurring_labels(dataset: Dataset, targets: str = "labels") -> LabelSet:
    """The classes that occur in a data set: as labels, or in its votes where these are what counts."""
    if targets == "labels":
        there = np.bincount(dataset.labels, minlength=len(dataset.label_set)) > 0
    else:
        there = np.ones(len(dataset.label_set), dtype=bool)
    return LabelSet.of(
        label for label, occurs in zip(dataset.label_set.expressions, there.tolist(), strict=True) if occurs
    )


def measured_samples(
    dataset: Dataset, label_set: LabelSet, targets: str, role: Role | None
) -> tuple[Samples, tuple[str, ...]]:
    """The labelled images of a role, or all, without any split: what a model that is there already is measured on.

    Args:
        dataset: any data set.
        label_set: the classes that count; images of others are left out.
        targets: what is right, as in a protocol.
        role: which images; None for all.

    Returns:
        The samples, and what was left out.

    Raises:
        ProtocolError: the data set has no votes where they are asked for, or no image is left.
    """
    answers = _answers(dataset, label_set, targets)
    asked = np.ones(len(dataset), dtype=bool) if role is None else dataset.roles == role.value
    kept, cleaning_notes = _kept(dataset, answers.judges & asked)
    index = np.flatnonzero(answers.judges & asked & kept)
    if not len(index):
        raise ProtocolError(f"{dataset.name} has no image of {', '.join(label_set.expressions)} to measure on.")
    notes = (*answers.notes, *_undecided_notes(answers, asked), *cleaning_notes)
    return _samples(dataset, answers, dataset.sample_hashes, index), notes


def votes_of(dataset: Dataset, label_set: LabelSet) -> Votes | None:
    """What the taggers of a data set said of each of its samples, over these classes; None without votes."""
    if dataset.votes is None:
        return None
    answers = _answers(dataset, label_set, "votes")
    others = np.zeros((len(dataset), 0)) if dataset.other_votes is None else dataset.other_votes
    given = np.concatenate([dataset.votes, others], axis=1)
    held = [label_set.holding(label) for label in dataset.label_set.expressions]
    columns = np.array([-1 if place is None else place for place in held] + [-1] * others.shape[1], dtype=np.int64)
    # The members of a group agree with one another.
    merged = [given[:, columns == place].sum(axis=1) for place in range(len(label_set))]
    most = np.column_stack([*merged, given[:, columns < 0]]).max(axis=1)
    return Votes(
        ids=dataset.ids,
        agreement=most / np.maximum(given.sum(axis=1), np.finfo(float).tiny),
        plurality=np.where(answers.judges, answers.labels, -1),
        official=official_majority(given, columns, len(label_set)),
        shares=answers.targets.astype(np.float64),
    )


def _answers(dataset: Dataset, label_set: LabelSet, targets: str) -> _Answers:
    columns = _columns(dataset.label_set, label_set)
    if targets == "labels":
        return _answers_by_label(dataset, columns)
    if dataset.votes is None:
        raise ProtocolError(
            f"targets = {targets!r} needs the votes of several taggers, and {dataset.name} has none. Give their "
            "table (--votes, votes=, or votes under [data]; for FER2013 fer2013-plus-votes), or use targets = 'labels'."
        )
    return _answers_by_votes(dataset, dataset.votes, columns, targets)


def _columns(own: LabelSet, wanted: LabelSet) -> list[list[int]]:
    """For each class that is wanted, which of the data set's own classes count as it."""
    held = [wanted.holding(label) for label in own.expressions]
    return [
        [number for number, place in enumerate(held) if place == wanted_place] for wanted_place in range(len(wanted))
    ]


def _answers_by_label(dataset: Dataset, columns: list[list[int]]) -> _Answers:
    class_numbers = np.full(len(dataset.label_set), -1)
    for place, own in enumerate(columns):
        class_numbers[own] = place
    labels = class_numbers[dataset.labels]
    usable = labels >= 0
    notes = []
    if not usable.all():
        left_out = [e.value for index, e in enumerate(dataset.label_set.expressions) if class_numbers[index] < 0]
        left_out = [name for name in left_out if (dataset.labels == _number_of(dataset, name)).any()]
        notes.append(f"{_number(~usable)} left out: their expression is {' or '.join(left_out)}")
    return _Answers(labels, _one_hot(labels, len(columns)), usable, usable, usable, tuple(notes))


def _number_of(dataset: Dataset, name: str) -> int:
    return [e.value for e in dataset.label_set.expressions].index(name)


def _answers_by_votes(dataset: Dataset, votes: NDArray[np.float64], columns: list[list[int]], targets: str) -> _Answers:
    inside = np.stack([votes[:, own].sum(axis=1) for own in columns], axis=1)
    used = [number for own in columns for number in own]
    mass = inside.sum(axis=1)
    labels = inside.argmax(axis=1).astype(np.int64)
    others = np.zeros((len(dataset), 1)) if dataset.other_votes is None else dataset.other_votes
    # A group has the votes of its members together.
    rest = [number for number in range(votes.shape[1]) if number not in used]
    answers = np.concatenate([inside, votes[:, rest], others], axis=1)
    most = answers.max(axis=1)
    no_expression = others.max(axis=1) > votes.max(axis=1)
    alone = (answers == most[:, None]).sum(axis=1) == 1
    judges = alone & (mass > 0) & (inside.max(axis=1) == most)
    has_votes = (mass > 0) & ~no_expression
    # Three of ten votes are 30 %, whatever 0.3 is in binary.
    several = inside >= _ONE_OF_SEVERAL * answers.sum(axis=1, keepdims=True) - 1e-9
    several &= inside > 0
    teaches = {
        "votes": has_votes,
        "majority": judges,
        "multi_target": has_votes & several.any(axis=1),
    }[targets]
    notes = []
    for reason, left_out in (
        ("most taggers saw no expression or no face", no_expression),
        ("no tagger named one of the expressions", (mass == 0) & ~no_expression),
    ):
        if left_out.any():
            notes.append(f"{_number(left_out)} left out: {reason}")
    weak = has_votes & ~teaches
    if targets == "multi_target" and weak.any():
        notes.append(f"{_number(weak)} left out of training: no expression has {_ONE_OF_SEVERAL:.0%} of the votes")
    if targets == "majority":
        distribution = _one_hot(labels, len(columns))
    else:
        shares = several if targets == "multi_target" else inside
        total = shares.sum(axis=1, keepdims=True)
        distribution = (shares / np.maximum(total, np.finfo(float).tiny)).astype(np.float32)
    return _Answers(labels, distribution, teaches, judges, has_votes, tuple(notes))


def _kept(dataset: Dataset, used: NDArray[np.bool_], *, clean: bool = True) -> tuple[NDArray[np.bool_], list[str]]:
    """Which samples the cleaning list leaves in, and how many of those that are used otherwise it leaves out."""
    if dataset.left_out is None or not clean:
        return np.ones(len(dataset), dtype=bool), []
    left_out = dataset.left_out & used
    return ~dataset.left_out, [f"{_number(left_out)} left out by the cleaning list"] if left_out.any() else []


def _undecided_roles(roles: NDArray[np.str_], targets: str) -> tuple[NDArray[np.bool_], str]:
    """In which roles images need one expression with the most votes, and what these are called."""
    if targets == "majority":
        return np.ones(len(roles), dtype=bool), ""
    return roles != Role.TRAIN.value, " of validation and test"


def _undecided_notes(answers: _Answers, affected: NDArray[np.bool_], where: str = "") -> list[str]:
    undecided = answers.has_votes & ~answers.judges & affected
    if not undecided.any():
        return []
    return [f"{_number(undecided)} left out{where}: no single expression of the label set has the most votes"]


def _number(mask: NDArray[np.bool_]) -> str:
    return count_text(int(mask.sum()), "sample")


def _one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    encoded: NDArray[np.float32] = (labels[:, None] == np.arange(classes)).astype(np.float32)
    return encoded


def _given_roles(dataset: Dataset, spec: ProtocolSpec, trained: bool) -> tuple[NDArray[np.str_], list[str]]:
    """Each sample's role before any is made: samples without a role are training images."""
    if spec.roles == "split":
        return np.full(len(dataset), Role.TRAIN.value, dtype="U10"), []
    missing = [role.value for role in (Role.TRAIN, Role.VALIDATION, Role.TEST) if not dataset.count(role)]
    has_test = len({Role.VALIDATION.value, Role.TEST.value} - set(missing)) > 0
    if spec.roles == "official" and missing:
        raise ProtocolError(
            f"roles = 'official' needs the roles train, validation and test, and {dataset.name} has no "
            f"{' and no '.join(missing)}. "
            + (
                "Use roles = 'auto', which makes what is missing."
                if dataset.count(Role.TRAIN) or dataset.count(Role.NONE)
                else "Use roles = 'split', which makes all three."
            )
        )
    if spec.roles == "deck" and (Role.TRAIN.value in missing or not has_test):
        raise ProtocolError(
            f"roles = 'deck' needs a training role and a test or validation role, and {dataset.name} has no "
            f"{' and no '.join(missing)}. Use roles = 'split', which makes all three."
        )
    roles = dataset.roles.copy()
    notes = []
    without = roles == Role.NONE.value
    if without.any() and not without.all():
        notes.append(f"{_number(without)} without a role used as training images")
    roles[without] = Role.TRAIN.value
    if spec.roles == "deck":
        roles[roles == Role.VALIDATION.value] = Role.TEST.value
    if trained and not (roles == Role.TRAIN.value).any():
        raise ProtocolError(
            f"{dataset.name} has no training images, only {' and '.join(sorted(set(roles.tolist())))}. "
            "Use roles = 'split', which makes all three roles from all images."
        )
    return roles, notes


def _roles_of_fold(
    dataset: Dataset, answers: _Answers, pictures: NDArray[np.str_], spec: ProtocolSpec
) -> tuple[NDArray[np.str_], list[str]]:
    """One fold as the test role, all others as training images, whatever the data set's own roles are."""
    folds = _folds(dataset, answers, pictures, spec)
    count = int(folds.max())
    if not 1 <= spec.fold <= count:
        which = f"fold = {spec.fold}" if spec.fold else "no fold"
        raise ProtocolError(
            f"folds = {spec.folds!r} makes {count} splits of {dataset.name}, and one is needed here: name it with "
            f"fold, from 1 to {count}. Received: {which}. A study runs all of them (mien study run)."
        )
    notes = []
    named = set() if dataset.groups is None else set(dataset.groups[folds > 0].tolist())
    if spec.folds == "group" and len(named) > count:
        notes.append(
            f"{len(named)} groups make {count} folds: some share copies of one picture and are left out together"
        )
    roles = np.where(folds == spec.fold, Role.TEST.value, Role.TRAIN.value).astype("U10")
    if set(dataset.roles.tolist()) != {Role.NONE.value}:
        notes.append(f"the data set's own roles do not count: every image is tested once, in one of {count} folds")
    return roles, notes


def _folds(dataset: Dataset, answers: _Answers, pictures: NDArray[np.str_], spec: ProtocolSpec) -> NDArray[np.int64]:
    """Shape (N,): the fold of each image, from 1; 0 for images that cannot be used.

    Units (copies and groups) are dealt whole, the largest first, each to the fold that has least of its expressions, so
    that folds are alike in size and in their shares of the expressions.
    """
    folds = np.zeros(len(dataset), dtype=np.int64)
    pool = np.flatnonzero(answers.teaches)
    if spec.folds == "group" and dataset.groups is None:
        raise ProtocolError(
            f"folds = 'group' leaves out one group after another, and {dataset.name} has no groups (persons, clips): a "
            "column group in a table, or a folder for each below or above the expressions. Use folds = 10."
        )
    if spec.folds == "group" and dataset.groups is not None and (dataset.groups[pool] == "").any():
        raise ProtocolError(
            f"folds = 'group' leaves out one group after another, and {_number(dataset.groups[pool] == '')} of "
            f"{dataset.name} belong to none. Use folds = 10."
        )
    units = _units(dataset, pool, pictures)
    count = int(units.max(initial=-1)) + 1
    wanted = count if spec.folds == "group" else int(spec.folds or 0)
    if count < max(2, wanted):
        kind = "groups and copies that stay together" if dataset.groups is not None else "different pictures"
        way_out = f"Use folds = {count}." if count >= 2 else "Use roles = 'auto' without folds."
        raise ProtocolError(f"{dataset.name} has {count} {kind}, too few for folds = {spec.folds!r}. {way_out}")
    if spec.folds == "group":
        folds[pool] = units + 1
        return folds
    classes = answers.targets.shape[1]
    held = np.zeros((count, classes))
    np.add.at(held, (units, answers.labels[pool]), 1.0)
    total = held.sum(axis=0)
    filled = np.zeros((wanted, classes))
    fold_of = np.empty(count, dtype=np.int64)
    line = generator(spec.seed, "folds").permutation(count)
    for unit in line[np.argsort(-held[line].sum(axis=1), kind="stable")]:
        share = held[unit] / np.maximum(total, 1) ** 2
        # The fewest images decide between folds that lack its expressions alike.
        fold = int(np.lexsort((filled.sum(axis=1), (filled @ share).round(12)))[0])
        filled[fold] += held[unit]
        fold_of[unit] = fold + 1
    empty = set(range(1, wanted + 1)) - set(fold_of.tolist())
    if empty:
        raise ProtocolError(f"{dataset.name} cannot be dealt into {wanted} folds. Use folds = {wanted - len(empty)}.")
    folds[pool] = fold_of[units]
    return folds


def _made_roles(
    dataset: Dataset, roles: NDArray[np.str_], answers: _Answers, pictures: NDArray[np.str_], spec: ProtocolSpec
) -> NDArray[np.str_]:
    """The roles with test, then validation, made from the training images where there is none."""
    roles = roles.copy()
    for role, fraction in ((Role.TEST, spec.test_fraction), (Role.VALIDATION, spec.validation_fraction)):
        if not (roles == role.value).any():
            pool = np.flatnonzero((roles == Role.TRAIN.value) & answers.teaches)
            positions = _positions(dataset, pool, answers.labels, pictures, spec.seed, role.value)
            # Of the few persons that are left beside a fold, one at least is for validation.
            least = positions.min(initial=1.0) if spec.folds is not None else 0.0
            roles[pool[positions <= max(fraction, least)]] = role.value
    return roles


def _positions(
    dataset: Dataset,
    pool: NDArray[np.int64],
    labels: NDArray[np.int64],
    pictures: NDArray[np.str_],
    seed: int,
    purpose: str,
) -> NDArray[np.float64]:
    """A place between 0 and 1 for each sample of a pool: those up to f are a stratified share f of it.

    Samples that must stay together (a unit) have one place. Units of one expression are lined up in random order,
    each expression for itself, and units of several expressions in a line of their own; a unit's place is the share
    of its line's samples up to its middle. So shares are nested, and large units are no more likely to be taken.

    Returns:
        Shape (len(pool),), float64.
    """
    units = _units(dataset, pool, pictures)
    order = np.argsort(units, kind="stable")
    starts = np.flatnonzero(np.diff(units[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    lowest = np.minimum.reduceat(labels[pool][order], starts) if len(pool) else np.empty(0, dtype=np.int64)
    highest = np.maximum.reduceat(labels[pool][order], starts) if len(pool) else np.empty(0, dtype=np.int64)
    strata = np.where(lowest == highest, lowest, _MIXED)
    places = np.empty(len(starts))
    for stratum in np.unique(strata):
        line = np.flatnonzero(strata == stratum)
        generator(seed, "split", purpose, str(stratum)).shuffle(line)
        ends = np.cumsum(sizes[line])
        places[line] = (ends - sizes[line] / 2) / ends[-1]
    return places[units]


def _units(dataset: Dataset, pool: NDArray[np.int64], pictures: NDArray[np.str_]) -> NDArray[np.int64]:
    """Shape (len(pool),): the number of the unit of each sample, from 0, by its smallest picture.

    Copies of one picture, and samples of one group, are one unit, and so is whatever is linked by a chain of these.
    """
    names, by_picture = np.unique(pictures[pool], return_inverse=True)
    if dataset.groups is None:
        return by_picture.astype(np.int64)
    parents = list(range(len(names)))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    first: dict[str, int] = {}
    for group, node in zip(dataset.groups[pool].tolist(), by_picture.tolist(), strict=True):
        if group:
            one, other = root(first.setdefault(group, node)), root(node)
            parents[max(one, other)] = min(one, other)
    roots = np.array([root(node) for node in range(len(names))], dtype=np.int64)
    return np.unique(roots[by_picture], return_inverse=True)[1].astype(np.int64)


def _samples(dataset: Dataset, answers: _Answers, pictures: NDArray[np.str_], index: NDArray[np.int64]) -> Samples:
    return Samples(
        picked=Picked(dataset.images, index),
        targets=answers.targets[index],
        labels=answers.labels[index],
        ids=dataset.ids[index],
        hashes=dataset.sample_hashes[index],
        pictures=pictures[index],
        groups=None if dataset.groups is None else dataset.groups[index],
    )


def _check_filled(samples: dict[Role, Samples], label_set: LabelSet, spec: ProtocolSpec, given: set[Role]) -> None:
    present = set(np.unique(samples[Role.TRAIN].labels).tolist())
    absent = [e.value for index, e in enumerate(label_set.expressions) if index not in present]
    if absent:
        if spec.train_fraction < 1:
            way_out = "Raise train_fraction"
        else:
            fitting = [f"labels = {name!r}" for name in ("seven", "six") if _fits(name, label_set, absent)]
            way_out = f"Use {fitting[0]}" if fitting else "Choose a label set without it"
        raise ProtocolError(f"The training role has no sample of {', '.join(absent)}. {way_out}, or add images.")
    for role in (Role.VALIDATION, Role.TEST):
        if not len(samples[role]):
            made = spec.roles == "split" or role not in given
            way_out = f"Raise {role.value}_fraction, or add images." if made else "Use roles = 'split'."
            raise ProtocolError(f"The {role.value} role would be empty. {way_out}")


def _fits(name: str, label_set: LabelSet, absent: list[str]) -> bool:
    return all(e in label_set and e.value not in absent for e in LabelSet.named(name).expressions)


def _counts(samples: Samples, label_set: LabelSet) -> dict[str, int]:
    numbers = np.bincount(samples.labels, minlength=len(label_set))
    return {e.value: int(number) for e, number in zip(label_set.expressions, numbers, strict=True)}


def _split_hash(samples: dict[Role, Samples], label_set: LabelSet, spec: ProtocolSpec) -> str:
    # Part of it, as a run's record says which test images have copies. Not for exact ones, which came first: splits
    # keep the names that records have.
    kind = "" if spec.copies == "exact" else f";copies={spec.copies}"
    digest = hashlib.sha256(f"{','.join(label_set.expressions)};{spec.targets}{kind}".encode())
    for role, group in samples.items():
        digest.update(f";{role.value}:{len(group)}:".encode())
        digest.update("".join(group.hashes.tolist()).encode())
        digest.update(group.labels.astype("<i8").tobytes())
        digest.update(group.targets.astype("<f4").tobytes())
    return digest.hexdigest()[:16]


def _copy_notes(samples: dict[Role, Samples], kind: str) -> list[str]:
    notes = []
    pairs: Sequence[tuple[Role, Role]] = (
        (Role.VALIDATION, Role.TRAIN),
        (Role.TEST, Role.TRAIN),
        (Role.TEST, Role.VALIDATION),
    )
    for here, there in pairs:
        copies = int(np.isin(samples[here].pictures, samples[there].pictures).sum())
        if copies:
            name = {Role.TRAIN: "training"}.get(there, there.value)
            verb = "images has" if copies == 1 else "images have"
            notes.append(f"{copies:,} of {len(samples[here]):,} {here.value} {verb} {_COPY_WORDS[kind]} in {name}")
    return notes


def _gap_notes(samples: dict[Role, Samples], label_set: LabelSet) -> list[str]:
    """What the validation role cannot judge. Of the test role nothing is said: its labels are sealed."""
    seen, learned = (
        np.bincount(samples[role].labels, minlength=len(label_set)) for role in (Role.VALIDATION, Role.TRAIN)
    )
    lacking = [
        e.value for e, here, there in zip(label_set.expressions, seen, learned, strict=True) if there and not here
    ]
    if not lacking:
        return []
    return [f"validation has no image of {' and '.join(lacking)}: it cannot tell how well that is learned"]


def _group_notes(dataset: Dataset, roles: NDArray[np.str_]) -> list[str]:
    """Groups that the data set's own roles tear apart; roles that are made never do."""
    if dataset.groups is None:
        return []
    pairs = {(group, role) for group, role in zip(dataset.groups.tolist(), roles.tolist(), strict=True) if group}
    count = sum(number > 1 for number in Counter(group for group, _ in pairs).values())
    if not count:
        return []
    verb = "group (person or sequence) lies" if count == 1 else "groups (persons or sequences) lie"
    return [f"{count:,} {verb} in more than one role, as the data set gives them"]
