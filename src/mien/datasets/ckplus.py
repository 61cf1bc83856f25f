"""CK+, the Extended Cohn-Kanade data set: sequences of frames that go from a neutral face to the peak of an expression.

Lucey et al., *The Extended Cohn-Kanade Dataset (CK+): A complete dataset for action unit and emotion-specified
expression*, CVPR Workshops 2010.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mien.datasets.dataset import Dataset, Problem
from mien.datasets.folders import Progress, decode_files, list_folder, read_below
from mien.datasets.samples import ReadOptions, Sample, build_dataset
from mien.errors import DataError
from mien.labels import Expression
from mien.wording import count_text

CODES: dict[float, Expression] = {
    0: Expression.NEUTRAL,
    1: Expression.ANGER,
    2: Expression.CONTEMPT,
    3: Expression.DISGUST,
    4: Expression.FEAR,
    5: Expression.HAPPINESS,
    6: Expression.SADNESS,
    7: Expression.SURPRISE,
}
LICENCE = "CK+: for research, by an agreement with its makers; ask them before you show or publish faces."
# How many frames at the end of a sequence count as its expression. Three is what most papers take.
PEAK_FRAMES = 3

_IMAGE_FOLDERS = ("cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images")
_LABEL_FOLDERS = ("Emotion", "Emotion_labels/Emotion", "Emotion_labels")
_LABEL_ENDING = "_emotion.txt"


@dataclass(frozen=True)
class _Found:
    images: str
    labels: str


def is_ck_plus(path: Path) -> bool:
    """Whether a path is a folder with `cohn-kanade-images` and `Emotion`."""
    return path.is_dir() and _find(path) is not None


def ck_plus_files(path: Path) -> list[str]:
    """The files that decide what is read, relative to `path`."""
    found = _found(path)
    return [f"{folder}/{name}" for folder in (found.images, found.labels) for name in list_folder(path / folder)]


def read_ck_plus(path: Path, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Read the first frame of each labelled sequence as neutral and the last three as the sequence's expression.

    The group of a frame is its person, so that no split separates one. There are no roles.

    Args:
        path: the folder that holds `cohn-kanade-images` and `Emotion`.
        options: the size wanted, and what happens to images of another one.
        progress: called with images done and images to be done.

    Raises:
        DataError: not such a folder, or no sequence has a label.
    """
    found = _found(path)
    labels, problems = _read_labels(path, found.labels)
    sequences = _sequences(path, found.images)
    samples = [
        sample
        for sequence, frames in sequences.items()
        if sequence in labels
        for sample in _frames(frames, labels[sequence])
    ]
    known = {*labels, *(str(Path(problem.name).relative_to(found.labels).parent.as_posix()) for problem in problems)}
    unlabelled = sum(sequence not in known for sequence in sequences)
    problems += [
        Problem(f"{found.labels}/{sequence}", "Its sequence has a label and no frames.")
        for sequence in labels
        if sequence not in sequences
    ]
    notes = []
    if unlabelled:
        notes.append(
            f"{unlabelled:,} of {count_text(len(sequences), 'sequence')} left out: their makers gave no emotion label"
        )
    if not samples:
        raise DataError(
            f"None of the {len(sequences):,} sequences of {path / found.images} has a label in {path / found.labels}. "
            f"Expected files such as S005/001/S005_001_00000011{_LABEL_ENDING}: unpack Emotion_labels.zip."
        )
    return build_dataset(
        samples,
        decode_files([sample.id for sample in samples], read_below(path), progress, options),
        path=path,
        licence=LICENCE,
        options=options,
        notes=notes,
        problems=problems,
    )


def _find(path: Path) -> _Found | None:
    images = next((folder for folder in _IMAGE_FOLDERS if (path / folder).is_dir()), None)
    labels = next((folder for folder in _LABEL_FOLDERS if (path / folder).is_dir()), None)
    return None if images is None or labels is None else _Found(images, labels)


def _found(path: Path) -> _Found:
    found = _find(path)
    if found is None:
        raise DataError(f"{path} is not CK+. Expected the folders cohn-kanade-images and Emotion in it.")
    return found


def _sequences(path: Path, folder: str) -> dict[str, list[str]]:
    """The frames of each sequence (S005/001) in order, relative to the set's folder."""
    sequences: dict[str, list[str]] = defaultdict(list)
    for name in list_folder(path / folder):
        if name.lower().endswith((".png", ".jpg", ".jpeg")) and name.count("/") == 2:
            sequences[name.rpartition("/")[0]].append(f"{folder}/{name}")
    return sequences


def _read_labels(path: Path, folder: str) -> tuple[dict[str, Expression], list[Problem]]:
    labels: dict[str, Expression] = {}
    problems: list[Problem] = []
    for name in list_folder(path / folder):
        if not name.endswith(_LABEL_ENDING):
            continue
        text = (path / folder / name).read_text(encoding="utf-8", errors="replace").strip()
        try:
            labels[name.rpartition("/")[0]] = CODES[float(text)]
        except (ValueError, KeyError):
            problems.append(Problem(f"{folder}/{name}", f"Its label is {text[:20]!r}; expected a number from 0 to 7."))
    return labels, problems


def _frames(frames: list[str], expression: Expression) -> Iterator[Sample]:
    person = frames[0].split("/")[-3]
    yield Sample(frames[0], Expression.NEUTRAL, group=person)
    # A sequence shorter than four frames has fewer at its peak; no frame counts twice.
    for frame in frames[1:][-PEAK_FRAMES:]:
        yield Sample(frame, expression, group=person)
