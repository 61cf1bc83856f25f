"""AffectNet, the manually annotated images: `train_set` and `val_set` with .npy files, or the tables of 2017.

Mollahosseini, Hasani & Mahoor, *AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the
Wild*, IEEE Transactions on Affective Computing, 2017.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mien.datasets.classes import as_number
from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.folders import Progress, decode_files, list_folder, read_below
from mien.datasets.pixels import DecodedImage
from mien.datasets.samples import ReadOptions, Sample, build_dataset, refuse_repeated_ids
from mien.datasets.tables import normal_name, open_table, read_columns
from mien.errors import DataError
from mien.labels import Expression
from mien.wording import count_text

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

_PATH_COLUMN = "subdirectory_filepath"
_ENDING = "_exp.npy"
_PARTS = ("train_set", "val_set", "test_set")


def is_affectnet(path: Path) -> bool:
    """Whether a path is a folder with `train_set` or `val_set`, or with the tables of the older release."""
    return path.is_dir() and bool(_parts(path) or _older_tables(path))


def affectnet_files(path: Path) -> list[str]:
    """The files that decide what is read, relative to `path`: the images, and the annotations of their expression."""
    if tables := _older_tables(path):
        return [*(str(table.relative_to(path)) for table in tables), *list_folder(path)]
    return [name for part in _parts(path) for image, annotation in _pairs(path, part) for name in (image, annotation)]


def read_affectnet(path: Path, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Read the images and their expressions; valence, arousal and landmarks are not used.

    AffectNet's own test was not given out, and results are reported on `val_set`. So `val_set` is the test, and
    validation is left to the protocol; only where a copy has a `test_set` is `val_set` validation.

    Args:
        path: the folder that holds `train_set` and `val_set`.
        options: the size wanted, and what happens to images of another one.
        progress: called with images done and images to be done.

    Raises:
        DataError: not such a folder, or no image has an annotation that can be read.
    """
    if _older_tables(path):
        return _read_older(path, options, progress)
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
        notes.append(f"{count_text(others.total(), 'image')} left out, annotated with no expression ({answers})")
    return build_dataset(
        samples,
        decode_files([sample.id for sample in samples], read_below(path), progress, options),
        path=path,
        licence=LICENCE,
        options=options,
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


def _older_tables(path: Path) -> list[Path]:
    """The tables of the older release: training.csv and validation.csv, beside the images or in a folder."""
    if not path.is_dir():
        return []
    folders = [path, *(entry for entry in sorted(path.iterdir()) if entry.is_dir() and "list" in entry.name.lower())]
    return [
        table
        for folder in folders
        for name in ("training.csv", "validation.csv")
        if (table := folder / name).is_file() and _PATH_COLUMN in _head(table)
    ]


def _head(table: Path) -> list[str]:
    columns = read_columns(table)
    return [] if columns is None else [normal_name(name) for name in columns.names]


def _read_older(path: Path, options: ReadOptions, progress: Progress | None) -> Dataset:
    """The release of 2017: a table names images, expressions as numbers, and the box of the face in each image."""
    samples: list[Sample] = []
    boxes: list[tuple[int, int, int, int] | None] = []
    problems: list[Problem] = []
    others: Counter[str] = Counter()
    for table in _older_tables(path):
        role = Role.TRAIN if table.stem == "training" else Role.TEST
        with open_table(table) as (columns, lines):
            names = [normal_name(name) for name in columns.names]
            for number, cells in enumerate(lines, start=1):
                row = dict(zip(names, cells, strict=False))
                code = as_number(row.get("expression", ""))
                if code is not None and code in OTHER_CODES:
                    others[OTHER_CODES[code]] += 1
                elif code is None or code not in CODES:
                    problems.append(Problem(f"{table.name} row {number}", "Its expression is no number from 0 to 10."))
                else:
                    samples.append(Sample(row[_PATH_COLUMN].strip().replace("\\", "/"), CODES[code], role))
                    boxes.append(_box(row))
    refuse_repeated_ids(samples, str(path))
    root = _older_images(path, samples)
    decoded = decode_files([sample.id for sample in samples], read_below(root), progress, options)
    cut = decoded if options.framing else (_cut(image, box) for image, box in zip(decoded, boxes, strict=True))
    answers = ", ".join(f"{answer} {count:,}" for answer, count in others.most_common())
    return build_dataset(
        samples,
        cut,
        path=path,
        licence=LICENCE,
        options=options,
        notes=[f"{count_text(others.total(), 'image')} left out, annotated with no expression ({answers})"]
        * bool(others),
        problems=problems,
    )


def _older_images(path: Path, samples: Sequence[Sample]) -> Path:
    places = [path, *(entry for entry in sorted(path.iterdir()) if entry.is_dir())]
    places += [inner for place in places[1:] for inner in sorted(place.iterdir()) if inner.is_dir()]
    tried = samples[:50]
    return max(places, key=lambda place: sum((place / sample.id).is_file() for sample in tried))


def _box(row: Mapping[str, str]) -> tuple[int, int, int, int] | None:
    numbers = [as_number(row.get(name, "")) for name in ("face_x", "face_y", "face_width", "face_height")]
    if any(number is None for number in numbers):
        return None
    left, top, width, height = (number or 0 for number in numbers)
    return left, top, left + width, top + height


def _cut(image: DecodedImage | Problem, box: tuple[int, int, int, int] | None) -> DecodedImage | Problem:
    if isinstance(image, Problem) or box is None:
        return image
    left, top, right, bottom = box
    pixels = image.pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    return DecodedImage(pixels.copy(), image.notes) if pixels.size else image
