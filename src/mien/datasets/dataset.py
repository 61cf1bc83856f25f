"""The one form in which every data set is used: images, labels, names, roles, and where they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.channels import (
    IN_COLOUR,
    IN_GRAY,
    Channels,
    channels_of,
    check_channels,
    images_in_channels,
)
from mien.datasets.spec import DataSpec
from mien.errors import DataError
from mien.frame import frame
from mien.labels import Expression, Label, LabelSet, parse_expression
from mien.seen import hash_images


class Role(StrEnum):
    """What a sample is for. `NONE`: the data set does not say, the protocol decides."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    NONE = ""


@dataclass(frozen=True)
class Problem:
    """A file or row that could not be used, and why.

    Attributes:
        name: the file's path inside the data set, or the row.
        reason: one sentence.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Miss(Problem):
    """A photo in which no face was found that could be cut out.

    Attributes:
        outcome: why, in the words of `mien.inference.results.Outcome`: "no_face", "too_small".
    """

    outcome: str = "no_face"


@dataclass(frozen=True)
class Missed:
    """A labelled photo without a face that could be cut out: an evaluation counts it as answered wrongly.

    Attributes:
        id: its name in the data set.
        label: its right label.
        role: what it is for.
        outcome: as `Miss.outcome`.
    """

    id: str
    label: Label
    role: Role
    outcome: str


_OPTIONAL_COLUMNS = ("votes", "other_votes", "groups", "sources", "source_sizes", "faces", "left_out")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled face images, all gray or all in colour.

    Attributes:
        name: short name, for tables and file names.
        images: shape (N, H, W), uint8, gray, 0 black to 255 white; or (N, H, W, 3), uint8, RGB. May be memory-mapped:
            treat as read-only.
        labels: shape (N,), int64, class numbers in `label_set`.
        label_set: the expressions that the class numbers stand for.
        roles: shape (N,), str, values of `Role`.
        ids: shape (N,), str, the sample's name inside its source (a path or a row), unique.
        source: where it was read from, for people (not part of the fingerprint).
        licence: one sentence on what the data may be used for.
        votes: shape (N, len(label_set)), float64, non-negative votes of the taggers for each expression, or None.
        other_votes: shape (N, M), float64, votes for M answers that are no expression (FER+: unknown, not a face), or
            None. They decide whether an expression has the majority.
        groups: shape (N,), str; samples with the same non-empty group must never fall on two sides of a split
            (subject, sequence). None when unknown.
        sources: shape (N,), str, which of several data sets each is from; None for a single one.
        source_sizes: shape (N, 2), int64, height and width of each image before all were brought to one size; None when
            unknown.
        faces: shape (N,), int64, how many faces each photo shows, where the largest was cut out; else None.
        left_out: shape (N,), bool, the samples that a cleaning list names; a protocol may leave them out. None
            without a list.
        notes: what a reader should tell the user (spellings mapped, images resized).
        problems: what could not be read, each with its reason.
        framing: how its faces are framed (see `mien.framing.crop_rule_of`); None when nobody knows.
        spec: the description by which another process reads the same; None for what was made here or taken from a
            larger data set.
        missed: labelled photos in which no face was found, where faces were cut out; they are among `problems`, too.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    label_set: LabelSet
    roles: NDArray[np.str_]
    ids: NDArray[np.str_]
    source: str
    licence: str
    votes: NDArray[np.float64] | None = None
    other_votes: NDArray[np.float64] | None = None
    groups: NDArray[np.str_] | None = None
    sources: NDArray[np.str_] | None = None
    source_sizes: NDArray[np.int64] | None = None
    faces: NDArray[np.int64] | None = None
    left_out: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = field(default=(), repr=False)
    framing: str | None = None
    spec: DataSpec | None = field(default=None, repr=False)
    missed: tuple[Missed, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        count = len(self.images)
        form = self.images.ndim == 3 or (self.images.ndim == 4 and self.images.shape[3] == 3)
        if not form or self.images.dtype != np.uint8:
            raise DataError(
                f"{self.name}: expected images of shape (N, H, W), or (N, H, W, 3) in colour, uint8. "
                f"Received: {self.images.shape}, {self.images.dtype}."
            )
        for what in ("labels", "roles", "ids", *_OPTIONAL_COLUMNS):
            values = getattr(self, what)
            if values is not None and len(values) != count:
                raise DataError(f"{self.name}: {count} images but {len(values)} {what}.")
        if count and (int(self.labels.min()) < 0 or int(self.labels.max()) >= len(self.label_set)):
            raise DataError(f"{self.name}: labels must lie in 0..{len(self.label_set) - 1}.")

    @classmethod
    def from_arrays(
        cls,
        images: ArrayLike,
        labels: ArrayLike,
        *,
        classes: Sequence[str] | LabelSet | None = None,
        roles: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        channels: Channels | None = None,
        order: Literal["rgb", "bgr"] = "rgb",
        name: str = "arrays",
        licence: str = "Not stated.",
        framing: str | None = None,
    ) -> Self:
        """A data set of arrays.

        Args:
            images: shape (N, H, W) or (N, H, W, 1), uint8, gray, 0 black to 255 white; or (N, H, W, 3), uint8, with
                `channels`.
            labels: shape (N,): names of expressions, or numbers that count `classes`.
            classes: the expressions that numbers stand for, in their order.
            roles: shape (N,): "train", "validation", "test" or "" each; None to let the protocol decide.
            groups: shape (N,): samples of one group never fall on two sides of a split; "", None or NaN for a sample of
                unknown group.
            ids: shape (N,): unique names; None for numbers.
            channels: "rgb" keeps colours, so that networks take three channels; "gray" turns them gray. None for gray
                images: three channels are refused then, since it is not said what shall become of them.
            order: "bgr" for colours in the order blue, green, red, as `cv2.imread` gives them.
            name: short name.
            licence: what the data may be used for.
            framing: how the faces are framed (see `mien.framing.crop_rule_of`); None when it is not known.

        Raises:
            DataError: shapes or types do not fit, or nothing says what numbers stand for.
        """
        pixels = np.asarray(images)
        pixels = pixels[..., 0] if pixels.ndim == 4 and pixels.shape[3] == 1 else pixels
        if order not in ("rgb", "bgr"):
            raise DataError(f"order is 'rgb' or 'bgr'. Received: {order!r}.")
        if isinstance(classes, str):
            raise DataError(
                f"classes are several names: a list such as {[part.strip() for part in classes.split(',')]}. "
                f"Received: {classes!r}."
            )
        if pixels.dtype != np.uint8:
            raise DataError(
                f"{name}: expected images of shape (N, H, W), uint8. Received: {pixels.shape}, {pixels.dtype}. "
                "Numbers in 0..1 become such with (255 * images).round().astype('uint8'), and those in 0..255 with "
                "images.round().astype('uint8')."
            )
        if pixels.ndim == 4 and pixels.shape[3] == 4:
            raise DataError(
                f"{name}: expected images of shape (N, H, W) or (N, H, W, 3), uint8. Received: {pixels.shape}. Leave "
                "the fourth channel out: images[..., :3]."
            )
        if pixels.ndim == 4 and channels is None:
            raise DataError(
                f"{name}: expected gray images of shape (N, H, W), uint8. Received: {pixels.shape}. Colours are kept "
                "with channels='rgb' and turned gray with channels='gray'; order='bgr' says that blue comes first."
            )
        if pixels.ndim == 4 and order == "bgr":
            pixels = np.ascontiguousarray(pixels[..., ::-1])
        expressions = _expressions(np.asarray(labels), classes, name)
        label_set = LabelSet.of(expressions)
        count = len(pixels)

        def texts(values: ArrayLike | None) -> NDArray[np.str_]:
            given = np.full(count, None) if values is None else np.atleast_1d(np.asarray(values, dtype=object))
            return np.array([_text(value) for value in given.tolist()], dtype=np.str_)

        strange = sorted(set(texts(roles).tolist()) - {role.value for role in Role})
        if strange:
            raise DataError(f"{name}: {strange[0]!r} is no role. Expected train, validation, test or nothing.")
        names = np.array([f"{number:06d}" for number in range(count)]) if ids is None else texts(ids)
        if len(set(names.tolist())) < len(names) or "" in names:
            raise DataError(f"{name}: an id is missing, or occurs more than once.")
        dataset = cls(
            name=name,
            images=pixels,
            labels=np.array([label_set.index(expression) for expression in expressions], dtype=np.int64),
            label_set=label_set,
            roles=texts(roles).astype("U10"),  # wide enough for the roles that a protocol gives
            ids=names,
            source=name,
            licence=licence,
            groups=None if groups is None else texts(groups),
            framing=framing,
        )
        return dataset if channels is None else dataset.in_channels(channels)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{self.count(role):,} {role.value or 'without a role'}" for role in Role if self.count(role)
        )
        height, width = self.size
        known = self.label_set.name != "custom"
        labels = f"{self.label_set.name} labels" if known else "labels " + self.label_set.text
        form = "" if self.channels == "gray" else " in colour"
        return f"<data set {self.name}: {len(self):,} images of {width}x{height}{form} ({counts}), {labels}>"

    def frame(self) -> Any:
        """How many images each expression has: a row each, a column for each role that occurs, and "all".

        Images without a role are in the column "no role". See `mien.frame.frame`.
        """
        roles = [role for role in Role if self.count(role)]
        numbers = {
            role: np.bincount(self.labels[self.roles == role.value], minlength=len(self.label_set)) for role in roles
        }
        return frame(
            [
                {
                    "label": label.value,
                    **{role.value or "no role": int(numbers[role][number]) for role in roles},
                    "all": int((self.labels == number).sum()),
                }
                for number, label in enumerate(self.label_set.expressions)
            ]
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return (int(self.images.shape[1]), int(self.images.shape[2]))

    @property
    def channels(self) -> Channels:
        """What the images have: "gray" or "rgb"."""
        return channels_of(self.images)

    def in_channels(self, channels: Channels) -> Self:
        """The same samples with images of these channels, and a note where that changed them.

        Colours are turned gray by ITU-R BT.601 luma; gray is repeated, which has no colours still.

        Raises:
            DataError: `channels` is none of "gray" and "rgb".
        """
        if check_channels(channels) == self.channels:
            return self
        how = IN_COLOUR if channels == "gray" else IN_GRAY
        images = images_in_channels(self.images, channels)
        return replace(self, images=images, spec=None, notes=(*self.notes, f"{len(self):,} images: {how}"))

    @cached_property
    def sample_hashes(self) -> NDArray[np.str_]:
        """Shape (N,): a hash of each image's pixels; equal exactly for exact duplicates of one size."""
        return hash_images(self.images)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the content: pixels, expression, role and votes of every sample, in any order.

        Names, groups, source and order do not count, so a folder, its zip and a converted copy have one fingerprint.
        """
        names = [e.value for e in self.label_set.expressions]
        lines = []
        for index, pixels in enumerate(self.sample_hashes):
            line = f"{pixels} {names[self.labels[index]]} {self.roles[index]}"
            if self.votes is not None:
                line += " " + ",".join(
                    f"{name}={vote:g}" for name, vote in zip(names, self.votes[index], strict=True) if vote
                )
            if self.other_votes is not None:
                line += " other=" + ",".join(f"{vote:g}" for vote in self.other_votes[index])
            lines.append(line)
        lines.sort()
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def count(self, role: Role) -> int:
        """The number of samples with a role."""
        return int((self.roles == role.value).sum())

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """The samples at `index` (positions or a mask), in that order."""
        taken = replace(
            self,
            images=self.images[index],
            labels=self.labels[index],
            roles=self.roles[index],
            ids=self.ids[index],
            spec=None,
            **{name: values[index] for name in _OPTIONAL_COLUMNS if (values := getattr(self, name)) is not None},
        )
        if "sample_hashes" in self.__dict__:
            taken.__dict__["sample_hashes"] = self.sample_hashes[index]
        return taken

    def annotated(self, **changes: Any) -> Self:
        """The same samples with other notes, framing, spec or marks; hashes that are known stay known."""
        known = {key: value for key, value in self.__dict__.items() if key in ("sample_hashes", "fingerprint")}
        changed = replace(self, **changes)
        changed.__dict__.update(known)
        return changed

    def with_known_hashes(self, sample_hashes: NDArray[np.str_], fingerprint: str) -> Self:
        """The same data set with `sample_hashes` and `fingerprint` as computed earlier, so that they cost nothing."""
        known = replace(self)
        known.__dict__.update(sample_hashes=sample_hashes, fingerprint=fingerprint)
        return known


def _text(value: object) -> str:
    """A role, a group or an id as text; "" for what Python (None), NumPy (NaN) and pandas (NA) call missing."""
    missing = value is None or (not isinstance(value, str) and str(value) in ("nan", "<NA>", "NaT"))
    return "" if missing else str(value)


def _expressions(labels: NDArray[np.generic], classes: Sequence[str] | LabelSet | None, name: str) -> list[Expression]:
    """The expression of each label."""
    if labels.ndim != 1:
        raise DataError(f"{name}: expected labels of shape (N,). Received: {labels.shape}.")
    if labels.dtype.kind not in "iu":
        known = {text: parse_expression(text, where=name) for text in dict.fromkeys(map(str, labels.tolist()))}
        return [known[str(text)] for text in labels.tolist()]
    if classes is None:
        raise DataError(
            f"{name}: the labels are numbers, and nothing says which expressions they stand for. Name them in the "
            "order of the numbers: classes=['anger', ...]."
        )
    order = classes.expressions if isinstance(classes, LabelSet) else classes
    named = [parse_expression(str(text), where="classes") for text in order]
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(named):
        raise DataError(f"{name}: labels lie in 0..{len(named) - 1}. Received: {labels.min()}..{labels.max()}.")
    return [named[int(number)] for number in labels.tolist()]
