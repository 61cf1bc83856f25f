"""From what a data set says of its images, and the images, to a `Dataset`: the last step of every reader of images."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.channels import Channels
from mien.datasets.classes import Classes, are_slips, name_labels
from mien.datasets.dataset import Dataset, Miss, Missed, Problem, Role
from mien.datasets.known import order_by_counts
from mien.datasets.other_forms import other_form
from mien.datasets.pixels import IMAGE_SUFFIXES, DecodedImage, stack_images
from mien.datasets.spec import OnMismatch
from mien.errors import DataError, UnknownLabelError, did_you_mean
from mien.labels import Expression, Label, LabelSet, find_expression, plain_letters
from mien.wording import count_text

LICENCE_NOT_STATED = "Not stated by the data set; check before you publish."

# Words for a role in the names of folders, files, columns and cells; every reader has these and no others. Behind the
# English ones Spanish, Portuguese, French, Italian and German.
ROLE_WORDS = {
    name: role
    for role, names in {
        Role.TRAIN: "train training trainset trainingset "
        "entrenamiento treinamento treino entrainement apprentissage addestramento trainingsdaten",
        Role.VALIDATION: "validation val valid validate validationset valset dev devset development publictest "
        "validacion validacao validazione validierung validierungsdaten",
        Role.TEST: "test testing testset testingset eval evaluation evalset holdout privatetest "
        "prueba pruebas teste tests prova testdaten",
    }.items()
    for name in names.split()
}
# Words beside a role that change nothing: train_data, Training Images, FER2013Test, Val_Aligned_Faces_new.
_BESIDE_A_ROLE = frozenset(
    "a all aligned annotation annotations crop cropped crops csv data dataset face faces file files folder fold images "
    "image imgs img info jpg label labels list metadata new npy of part png pictures photos samples set sets split "
    "subset the conjunto de datos dados daten donnees dati imagenes imagens bilder immagini fotos".split()
)

# Columns of votes in a table: one for each expression, and one for each answer that is none.
VOTES = "votes:"
OTHER_VOTES = "other_votes:"

# Above this share of images that could not be used, the note is a warning, and stands beside every figure.
_MOST_LOST = 0.01
# Faces that are cut out are square or nearly so, and rarely large.
_MOST_OBLONG = 1.2
_LEAST_PHOTO_PX = 120
_MOST_PHOTOS = 0.1
LOSS_WARNING = "warning: "
# The way out where images have to be of one size, for whoever has a study file and whoever has none.
BRING_TO_SIZE = (
    "Say to which size they shall be brought: size = 48 in [data] of a study file or in a data file, or "
    "mien data convert --size 48."
)
_ENDINGS = (".gz", ".csv", ".tsv", ".txt", ".tar", ".tgz", ".zip", ".npz", ".parquet", ".h5", ".hdf5")
_LONGEST_ROLE = 60
# A capital after a small letter begins a word: FER2013Train, TrainingData.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
Groups: TypeAlias = Literal["auto", "none"]


class FaceCutter(Protocol):
    """Cuts the face out of a photo while a data set is read; see `mien.datasets.framing`."""

    @property
    def key(self) -> str:
        """All that can change what is cut out, for the cache."""

    def cut(self, data: bytes) -> DecodedImage | Miss:
        """The face in an encoded photo, or why there is none."""


# Decoded images of a data set lie in memory together until they are one array.
LARGEST_IMAGES_BYTES = 8 * 2**30


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a data set is read, as readers take it: what `mien.datasets.spec.DataSpec` says, ready for use.

    Attributes:
        size: side of the square images wanted, in pixels; None for the most common size in the data set.
        on_mismatch: what happens to images of another size or other channels: "resize" (with a note) or "refuse".
        channels: what all images get: "gray" or "rgb".
        votes: FER+'s table of votes, for FER2013 as a table, a folder or a .zip.
        classes: what the labels stand for, where the data do not say it in words that mien knows.
        groups: "auto": folders below an expression, and names that tell of a person, are groups; "none": they are not.
        framing: cuts the face out of each image; None where images are taken as they are.
        outside: whether a manifest may name images that lie outside its folder.
    """

    size: int | None = None
    on_mismatch: OnMismatch = "resize"
    channels: Channels = "gray"
    votes: Path | None = None
    classes: Classes | None = None
    groups: Groups = "auto"
    framing: FaceCutter | None = None
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """What a data set says of one image.

    Attributes:
        id: its name inside the data set, unique.
        label: its class; or as the data have it, for `build_dataset` to name.
        role: what it is for; or the word that the data have for it.
        group: the person or sequence it belongs to; empty when unknown.
        votes: the taggers' votes: for the expressions that have a column, then for answers that are no expression.
    """

    id: str
    label: Label | str
    role: Role | str = Role.NONE
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
    """The role that a folder, a file's prefix or a cell names, or None.

    Case, digits and punctuation do not count, nor do words such as "data" and "images", or what a data set is called.

    >>> find_role("Training"), find_role("FER2013Valid"), find_role("test_data"), find_role("train station")
    (<Role.TRAIN: 'train'>, <Role.VALIDATION: 'validation'>, <Role.TEST: 'test'>, None)
    """
    role = ROLE_WORDS.get(plain_letters(text))
    if role is not None or len(text) > _LONGEST_ROLE:
        return role
    words = _words(text)
    while words and words[-1] in _BESIDE_A_ROLE:
        words.pop()
    # "public test" and "training set" are two words each.
    for count in (2, 1):
        if len(words) >= count and (role := ROLE_WORDS.get("".join(words[-count:]))) is not None:
            return role
    return None


def _words(text: str) -> list[str]:
    plain = text if text.isascii() else re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text))
    return [word.lower() for word in _WORDS.findall(plain)]


def says_nothing(name: str) -> bool:
    """Whether a folder's name is of words such as "images" or "data" alone, which name no class and no role."""
    words = _words(name)
    return bool(words) and _BESIDE_A_ROLE.issuperset(words)


def name_roles(raw: Sequence[Role | str], ids: Sequence[str], where: str) -> tuple[list[Role | None], list[Problem]]:
    """The role of each sample; none when the cell is empty, None where the word is no role.

    Args:
        raw: roles, of which those that are no `Role` yet are as the data have them.
        ids: names of the samples.
        where: the data set, for messages.

    Returns:
        The roles; and a problem for each sample whose word is no role, where these are few.

    Raises:
        DataError: more than a few samples have a word that is no role.
    """
    words = {text: find_role(text) for text in set(raw) if not isinstance(text, Role) and any(map(str.isalnum, text))}
    unknown = {text for text, role in words.items() if role is None}
    roles = [role if isinstance(role, Role) else words.get(role, Role.NONE) for role in raw]
    rows = [number for number, role in enumerate(raw) if role in unknown and not isinstance(role, Role)]
    counts = Counter(str(raw[row]) for row in rows)
    if rows and not are_slips(counts, len(raw)):
        said = ", ".join(f"{word[:40]!r} ({count_text(count, 'image')})" for word, count in counts.most_common(5))
        near = did_you_mean(counts.most_common(1)[0][0], ["train", "validation", "test"])
        raise DataError(
            f"Unknown role {said} in {where}. {near} Expected train, validation or test, in any usual spelling."
        )
    reason = "Its role is {!r}, which is none that mien knows (train, validation, test)."
    return roles, [Problem(str(ids[row]), reason.format(str(raw[row])[:40])) for row in rows]


def refuse_repeated_ids(samples: Iterable[Sample], where: str) -> None:
    """Raise DataError when two samples have one name."""
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise DataError(f"{where} names {sample.id!r} twice. Every sample needs a name of its own.")
        seen.add(sample.id)


def vote_columns(names: Sequence[str], where: str) -> tuple[list[str], list[Label]]:
    """The columns of votes of a table, those of expressions (`votes:anger`) first, and these expressions.

    Raises:
        UnknownLabelError: one is of no expression.
        DataError: two are of one answer.
    """
    voted, others = ([name for name in names if name.lower().startswith(start)] for start in (VOTES, OTHER_VOTES))
    expressions: list[Label] = []
    for column in voted:
        word = column.partition(":")[2]
        expression = find_expression(word)
        if expression is None:
            raise UnknownLabelError(
                f"Unknown expression {word[:60]!r} in the column {column[:60]!r} of {where}. "
                f"{did_you_mean(word, [one.value for one in Expression])} Votes for what is no expression are in a "
                f"column {OTHER_VOTES}{word[:60]}."
            )
        expressions.append(expression)
    answers = Counter([*expressions, *(name.lower() for name in others)])
    twice = next((answer for answer, count in answers.items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{where} has two columns of the votes for {twice.removeprefix(OTHER_VOTES)}. Leave one.")
    return [*voted, *others], expressions


def refuse_unwritable_ids(dataset: Dataset) -> None:
    """Raise DataError when a sample has a name that no table can hold: that of a file whose name is no UTF-8."""
    for name in dataset.ids.tolist():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"The name {name!r} holds bytes that are not UTF-8, so that no table can hold it. Rename the file."
            ) from error


def build_dataset(
    samples: Sequence[Sample],
    decoded: Iterable[DecodedImage | Problem],
    *,
    path: Path,
    licence: str,
    options: ReadOptions,
    notes: Sequence[str] = (),
    problems: Sequence[Problem] = (),
    voted: Sequence[Label] = (),
    order: str | None = None,
    order_note: str = "",
    by_counts: bool = False,
) -> Dataset:
    """The data set of samples whose labels can be understood and whose images could be decoded.

    Args:
        samples: what is said of each image.
        decoded: for each of them, in the same order, its image or why there is none. It is asked for after the labels
            were understood.
        path: where the data set is.
        licence: one sentence on what it may be used for.
        options: size, what happens to other sizes, what labels stand for.
        notes: what the reader has to tell.
        problems: what the reader could not use; those of labels and decoding are added.
        voted: the expressions that `Sample.votes` begins with.
        order: the order of labels that are numbers, where the form tells it (`mien.datasets.classes.ORDERS`).
        order_note: why, for the note.
        by_counts: whether the counts of a published set may tell the order.

    Raises:
        DataError: no image can be read, there is one expression only, or a mismatch that is to be refused.
        UnknownLabelError: a class has no name that mien understands.
    """
    problems = list(problems)
    names = [sample.id for sample in samples]
    roles, role_problems = name_roles([sample.role for sample in samples], names, str(path))
    known_roles = [role or Role.NONE for role in roles]
    named = name_labels(
        [sample.label for sample in samples],
        names,
        where=str(path),
        classes=options.classes,
        order=order,
        order_note=order_note,
        by_counts=(lambda numbers: order_by_counts(numbers, known_roles)) if by_counts else None,
    )
    problems += [*role_problems, *named.problems]
    kept: list[Sample] = []
    kept_roles: list[Role] = []
    labels: list[Label] = []
    images: list[DecodedImage] = []
    missed: list[Missed] = []
    held = 0
    for sample, role, label, image in zip(samples, roles, named.labels, decoded, strict=True):
        if label is None or role is None:
            continue
        if isinstance(image, Miss):
            missed.append(Missed(sample.id, label, role, image.outcome))
        if isinstance(image, Problem):
            problems.append(image)
        else:
            kept.append(sample)
            kept_roles.append(role)
            labels.append(label)
            if options.size is not None and options.on_mismatch == "resize":
                image = image.resized(options.size)  # at once, so that large originals need not be held
            held += image.pixels.nbytes
            if held > LARGEST_IMAGES_BYTES:
                raise DataError(
                    f"The images of {path} take more than {LARGEST_IMAGES_BYTES / 1e9:.0f} GB: the first "
                    f"{len(images) + 1:,} of {len(samples):,} do, {sample.id} with {image.shape[1]}x{image.shape[0]} "
                    f"pixels. {BRING_TO_SIZE}"
                )
            images.append(image)
    if not kept:
        first = f" First: {problems[0].name}: {problems[0].reason}" if problems else ""
        way = other_form(problems[0].name) if problems else None
        first += f" {way[:1].upper()}{way[1:]}" if way else ""
        raise DataError(f"None of the {len(samples) or len(problems):,} images of {path} can be read.{first}")
    label_set = LabelSet.of([*labels, *voted])
    if len(label_set) < 2:
        raise DataError(
            f"{path} has images of one expression only ({label_set.expressions[0]}). "
            "A data set needs at least two expressions."
        )
    ids = [sample.id for sample in kept]
    name = dataset_name(path)
    stacked, stacking_notes = stack_images(
        images,
        ids,
        name=name,
        size=options.size,
        on_mismatch=options.on_mismatch,
        channels=options.channels,
    )
    votes, other_votes = _vote_arrays(kept, voted, label_set)
    groups = np.array([sample.group for sample in kept])
    numbers = {label: number for number, label in enumerate(label_set.expressions)}
    return Dataset(
        name=name,
        images=stacked,
        labels=np.array([numbers[label] for label in labels], dtype=np.int64),
        label_set=label_set,
        roles=np.array([role.value for role in kept_roles], dtype="U10"),
        ids=np.array(ids),
        source=str(path),
        licence=licence,
        votes=votes,
        other_votes=other_votes,
        groups=groups if (groups != "").any() else None,
        source_sizes=np.array([image.shape for image in images], dtype=np.int64),
        faces=None if options.framing is None else np.array([image.faces or 0 for image in images], dtype=np.int64),
        missed=tuple(missed),
        notes=(
            *notes,
            *named.notes,
            *stacking_notes,
            *_loss_notes(problems, len(kept)),
            *_shape_notes(images, options),
        ),
        problems=tuple(problems),
    )


def _shape_notes(images: Sequence[DecodedImage], options: ReadOptions) -> list[str]:
    """A warning where images are shaped as photos are, and not as faces that were cut out."""
    if options.framing is not None:
        return []
    shapes = [image.pixels.shape[:2] for image in images]
    wide = [shape for shape in shapes if max(shape) > _MOST_OBLONG * min(shape) and max(shape) >= _LEAST_PHOTO_PX]
    if len(wide) <= _MOST_PHOTOS * len(shapes):
        return []
    (height, width), _ = Counter(wide).most_common(1)[0]
    return [
        f"{LOSS_WARNING}{len(wide):,} of {len(shapes):,} images are shaped as photos are ({width}x{height} pixels), "
        "and no face was cut out of them: they are squeezed. `mien data convert --crop-faces`, faces = 'find' in "
        "[data] and `mien evaluate --find-faces` cut the faces out"
    ]


def _loss_notes(problems: Sequence[Problem], used: int) -> list[str]:
    """How many images could not be used, and why; a warning where they are more than 1 %."""
    lost = [problem for problem in problems if not _is_another_file(problem.name)]
    notes = []
    if len(problems) > len(lost):
        notes.append(f"{count_text(len(problems) - len(lost), 'file')} of other types left out")
    if lost:
        share = len(lost) / (len(lost) + used)
        reasons = Counter(problem.reason.removesuffix(".") for problem in lost).most_common(2)
        said = "; ".join(f"{reason} ({count:,})" for reason, count in reasons)
        warning = LOSS_WARNING if share > _MOST_LOST else ""
        notes.append(f"{warning}{len(lost):,} of {len(lost) + used:,} images could not be used ({share:.1%}): {said}")
    return notes


def _is_another_file(name: str) -> bool:
    """Whether a problem is about a file that is called as no image is, such as a README."""
    ending = re.search(r"\.[A-Za-z][A-Za-z0-9]{0,5}$", name)
    return ending is not None and ending[0].lower() not in IMAGE_SUFFIXES and ending[0].lower() != ".parquet"


def _vote_arrays(
    samples: Sequence[Sample], voted: Sequence[Label], label_set: LabelSet
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    values = np.array([sample.votes for sample in samples], dtype=np.float64).reshape(len(samples), -1)
    votes = None
    if voted:
        votes = np.zeros((len(samples), len(label_set)))
        votes[:, [label_set.index(expression) for expression in voted]] = values[:, : len(voted)]
    others = values[:, len(voted) :]
    return votes, others if others.shape[1] else None
