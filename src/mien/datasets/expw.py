"""ExpW, Expression in-the-Wild: photos with a table of the faces in them.

Zhang et al., *From Facial Expression Recognition to Interpersonal Relation Prediction*, International Journal of
Computer Vision, 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mien.datasets.dataset import Dataset, Problem
from mien.datasets.folders import Progress, decode_files, is_sorted, read_below
from mien.datasets.pixels import DecodedImage
from mien.datasets.samples import ReadOptions, Sample, build_dataset
from mien.errors import DataError
from mien.labels import Expression
from mien.wording import count_text

CODES = {
    "0": Expression.ANGER,
    "1": Expression.DISGUST,
    "2": Expression.FEAR,
    "3": Expression.HAPPINESS,
    "4": Expression.SADNESS,
    "5": Expression.SURPRISE,
    "6": Expression.NEUTRAL,
}
LICENCE = "ExpW: photos from the web, whose image rights are unresolved; ask its makers what you may do."

_LABEL_FILES = ("label/label.lst", "label.lst")
_IMAGE_FOLDERS = ("image/origin", "origin", "image", "images")


@dataclass(frozen=True)
class _Face:
    photo: str
    number: str
    top: int
    left: int
    right: int
    bottom: int
    expression: Expression


@dataclass(frozen=True)
class _Found:
    labels: str
    images: str


def is_expw(path: Path) -> bool:
    """Whether a path is a folder with `label/label.lst` and `image/origin`."""
    found = _find(path) if path.is_dir() else None
    return found is not None and not is_sorted(path) and not is_sorted(path / found.images)


def expw_files(path: Path) -> list[str]:
    """The files that decide what is read, relative to `path`."""
    found = _found(path)
    photos = sorted(file.name for file in (path / found.images).iterdir() if file.is_file())
    return [found.labels, *(f"{found.images}/{name}" for name in photos)]


def read_expw(path: Path, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Cut the labelled faces out of the photos. The group of a face is its photo; there are no roles.

    Args:
        path: the folder that holds `label/label.lst` and `image/origin`.
        options: the size wanted, and what happens to images of another one.
        progress: called with photos done and photos to be done.

    Raises:
        DataError: not such a folder, a line of the table cannot be understood, or no photo can be read.
    """
    found = _found(path)
    faces = _read_faces(path / found.labels)
    unique = list(dict.fromkeys(faces))
    by_photo: dict[str, list[_Face]] = {}
    for face in unique:
        by_photo.setdefault(face.photo, []).append(face)
    photos = list(by_photo)
    decoded = decode_files(photos, read_below(path / found.images), progress, replace(options, framing=None))
    images = (crop for name, photo in zip(photos, decoded, strict=True) for crop in _crops(photo, by_photo[name]))
    repeated = len(faces) - len(unique)
    return build_dataset(
        _samples([face for photo in photos for face in by_photo[photo]]),
        images,
        path=path,
        licence=LICENCE,
        options=options,
        notes=[f"{count_text(repeated, 'line')} of {found.labels} left out: they repeat another"] if repeated else [],
    )


def _find(path: Path) -> _Found | None:
    labels = next((name for name in _LABEL_FILES if (path / name).is_file()), None)
    images = next((name for name in _IMAGE_FOLDERS if (path / name).is_dir()), None)
    return None if labels is None or images is None else _Found(labels, images)


def _found(path: Path) -> _Found:
    found = _find(path)
    if found is None:
        raise DataError(f"{path} is not ExpW. Expected the table label/label.lst and the photos in image/origin.")
    return found


def _read_faces(file: Path) -> list[_Face]:
    faces = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            # From the right, since a photo's name may hold blanks.
            photo, face, top, left, right, bottom, _, code = line.strip().rsplit(maxsplit=7)
            faces.append(_Face(photo, face, int(top), int(left), int(right), int(bottom), CODES[code]))
        except (ValueError, KeyError) as error:
            raise DataError(
                f"Line {number} of {file} is {line[:80]!r}. Expected the name of a photo, the face's number, top, "
                "left, right and bottom of its box, a confidence and a label from 0 to 6, separated by blanks. "
                "Take the file from the makers' archive again."
            ) from error
    return faces


def _samples(faces: Sequence[_Face]) -> list[Sample]:
    samples: dict[str, Sample] = {}
    for face in faces:
        name, times = f"{face.photo} face {face.number}", 1
        while name in samples:  # another box under the same number
            times += 1
            name = f"{face.photo} face {face.number} ({times})"
        samples[name] = Sample(name, face.expression, group=face.photo)
    return list(samples.values())


def _crops(photo: DecodedImage | Problem, faces: Sequence[_Face]) -> Iterator[DecodedImage | Problem]:
    for face in faces:
        if isinstance(photo, Problem):
            yield Problem(f"{face.photo} face {face.number}", photo.reason)
            continue
        if any(note.startswith("kept at 1/") for note in photo.notes):
            yield Problem(f"{face.photo} face {face.number}", "The photo is too large for its boxes to hold.")
            continue
        # A box may reach over the photo's border.
        pixels = photo.pixels[max(face.top, 0) : max(face.bottom, 0), max(face.left, 0) : max(face.right, 0)]
        if pixels.size:
            yield DecodedImage(pixels.copy(), photo.notes)  # a copy, so that the photo can go
        else:
            yield Problem(f"{face.photo} face {face.number}", "Its box holds no pixel of the photo.")
