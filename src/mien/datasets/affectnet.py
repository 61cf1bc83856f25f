"""AffectNet, the manually annotated images, as released in 2021: `train_set` and `val_set`, annotations as .npy files.

Mollahosseini, Hasani & Mahoor, *AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the
Wild*, IEEE Transactions on Affective Computing, 2017.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.folders import Progress, decode_files
from mien.datasets.samples import Sample, build_dataset, counted
from mien.datasets.spec import OnMismatch
from mien.errors import DataError
from mien.labels import Expression

CODES: dict[float, Expression] = {
    0: Expression.NEUTRAL,
    1: Expression.HAPPINESS,
    2: Expression.SADNESS,
    3: Expression.SURPRISE,
    4: Expression.FEAR,
    5: Expression.DISGUST,
    6: Expression.ANGER,
    7: Expression.CONTEMPT,
}
# Answers of the annotators that name no expression.
OTHER_CODES: dict[float, str] = {8: "none", 9: "uncertain", 10: "no face"}
LICENCE = "AffectNet: for research only, given out to heads of laboratories who sign its agreement; ask its makers."

_ENDING = "_exp.npy"
_PARTS = ("train_set", "val_set", "test_set")


def is_affectnet(path: Path) -> bool:
    """Whether a path is a folder with `train_set` or `val_set`, each with `images` and `annotations`."""
    return path.is_dir() and bool(_parts(path))


def affectnet_files(path: Path) -> list[str]:
    """The files that decide what is read, relative to `path`: the images, and the annotations of their expression."""
    return [name for part in _parts(path) for image, annotation in _pairs(path, part) for name in (image, annotation)]


def read_affectnet(
    path: Path, *, size: int | None, on_mismatch: OnMismatch, progress: Progress | None = None
) -> Dataset:
    """Read the images and their expressions; valence, arousal and landmarks are not used.

    AffectNet's own test was not given out, and results are reported on `val_set`. So `val_set` is the test, and
    validation is left to the protocol; only where a copy has a `test_set` is `val_set` validation.

    Args:
        path: the folder that holds `train_set` and `val_set`.
        size: side of the square images wanted, in pixels; None for the most common size.
        on_mismatch: whether images of another size or in colour are converted, with a note, or refused.
        progress: called with images done and images to be done.

    Raises:
        DataError: not such a folder, or no image has an annotation that can be read.
    """
    parts = _parts(path)
    if not parts:
        raise DataError(
            f"{path} is not AffectNet. Expected train_set/images and train_set/annotations, and val_set alike."
        )
    roles = {
        "train_set": Role.TRAIN,
        "val_set": Role.VALIDATION if "test_set" in parts else Role.TEST,
        "test_set": Role.TEST,
    }
    samples: list[Sample] = []
    problems: list[Problem] = []
    others: Counter[str] = Counter()
    for part in parts:
        for image, annotation in _pairs(path, part):
            code = _read_code(path, annotation)
            if isinstance(code, Problem):
                problems.append(code)
            elif code in OTHER_CODES:
                others[OTHER_CODES[code]] += 1
            else:
                samples.append(Sample(image, CODES[code], roles[part]))
    notes = []
    if others:
        answers = ", ".join(f"{answer} {count:,}" for answer, count in others.most_common())
        notes.append(f"{counted(others.total(), 'image')} left out, annotated with no expression ({answers})")
    return build_dataset(
        samples,
        decode_files([sample.id for sample in samples], lambda name: (path / name).read_bytes(), progress),
        path=path,
        licence=LICENCE,
        size=size,
        on_mismatch=on_mismatch,
        notes=notes,
        problems=problems,
    )


def _parts(path: Path) -> list[str]:
    return [part for part in _PARTS if (path / part / "images").is_dir() and _annotates(path / part / "annotations")]


def _annotates(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(entry.name.endswith(_ENDING) for entry in entries)


def _pairs(path: Path, part: str) -> Iterator[tuple[str, str]]:
    """Each image with the annotation of its expression, relative to the set's folder; images without one included."""
    for name in sorted(os.listdir(path / part / "images")):
        if not name.startswith("."):
            yield f"{part}/images/{name}", f"{part}/annotations/{name.partition('.')[0]}{_ENDING}"


def _read_code(path: Path, annotation: str) -> float | Problem:
    try:
        # Some copies store the number as text. Never objects: unpickling them can run code.
        code = float(np.load(io.BytesIO((path / annotation).read_bytes()), allow_pickle=False).item())
    except FileNotFoundError:
        return Problem(annotation, "It is missing, so that its image has no label.")
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        return Problem(annotation, f"It holds no number of an expression: {error}.")
    if code not in CODES and code not in OTHER_CODES:
        return Problem(annotation, f"Its expression is {code:g}; expected 0 to 7, or 8 to 10 for no expression.")
    return code
