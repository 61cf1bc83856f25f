"""RAF-DB, the basic expressions: as its makers give it out, or sorted into numbered folders as on Kaggle.

Li, Deng & Du, *Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild*,
CVPR 2017.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.folders import Progress, decode_files, is_sorted, list_folder, read_below
from mien.datasets.samples import ReadOptions, Sample, build_dataset, refuse_repeated_ids
from mien.errors import DataError
from mien.labels import Expression

LABEL_FILE = "list_patition_label.txt"  # the makers' own spelling
CODES = {
    "1": Expression.SURPRISE,
    "2": Expression.FEAR,
    "3": Expression.DISGUST,
    "4": Expression.HAPPINESS,
    "5": Expression.SADNESS,
    "6": Expression.ANGER,
    "7": Expression.NEUTRAL,
}
LICENCE = "RAF-DB: given out on request, with images from the web that its makers do not own; ask them what you may do."

_IMAGE_FOLDERS = ("Image/aligned", "aligned", "Image/original", "original", "Image", "")
_ROLES = {"train": Role.TRAIN, "test": Role.TEST}
_NAME = re.compile(r"(train|test)_\d+(_aligned)?\.\w+")


@dataclass(frozen=True)
class _Found:
    """Where the set lies; without a label file its images are in numbered folders."""

    root: Path
    label_file: Path | None


def is_raf_db(path: Path) -> bool:
    """Whether a path is RAF-DB: a folder with its label file, or with its images in folders 1 to 7."""
    found = _find(path)
    return found is not None and (found.label_file is None or not is_sorted(found.root))


def raf_db_files(path: Path) -> list[str]:
    """The files that decide what is read, relative to `path`."""
    root, label_file = _found(path)
    if label_file is None:
        files = [root / name for name in list_folder(root)]
    else:
        folders = [root / folder for folder in _IMAGE_FOLDERS if (root / folder).is_dir()]
        files = [label_file, *(file for folder in folders for file in folder.iterdir() if file.is_file())]
    # Given Image alone, the label file lies beside it; a path that goes up would be wrong where Image is a link.
    return sorted({str(file.relative_to(path) if file.is_relative_to(path) else file.absolute()) for file in files})


def read_raf_db(path: Path, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Read RAF-DB's basic expressions; roles come from the names of the images (train_00001, test_0001).

    Args:
        path: the folder that holds `EmoLabel/list_patition_label.txt` and `Image/`, the one above (`basic` is found in
            it), `Image` or `EmoLabel` itself; or the folder that holds `train/1` to `train/7` and `test/1` to `test/7`.
        options: the size wanted, and what happens to images of another one.
        progress: called with images done and images to be done.

    Raises:
        DataError: there is no label file, a line of it cannot be understood, or there are no images.
    """
    root, label_file = _found(path)
    notes: list[str] = []
    problems: list[Problem] = []
    if label_file is None:
        names = []
        for name in list_folder(root):
            place = PurePosixPath(name)
            if place.parent.name in CODES and _NAME.fullmatch(place.name):
                names.append(name)
            else:
                problems.append(Problem(name, "It is no image such as train_00001_aligned.jpg in a folder 1 to 7."))
        samples = [_sample(name, PurePosixPath(name).parent.name) for name in names]
    else:
        samples = _read_labels(label_file)
        folder, names = _images(root, samples)
        if folder.endswith("original"):
            notes.append(
                "the aligned images are not there: the original photos are read, with all that is around a face"
            )
    return build_dataset(
        samples,
        decode_files(names, read_below(root), progress, options),
        path=path,
        licence=LICENCE,
        options=options,
        notes=notes,
        problems=problems,
    )


def _find(path: Path) -> _Found | None:
    if not path.is_dir():
        return None
    above = [path.parent] if path.name in ("Image", "EmoLabel") else []
    for root in (*above, path, path / "basic"):
        for label_file in (root / "EmoLabel" / LABEL_FILE, root / LABEL_FILE):
            if label_file.is_file():
                return _Found(root, label_file)
    return next((_Found(root, None) for root in (path, path / "DATASET") if _is_numbered(root)), None)


def _found(path: Path) -> tuple[Path, Path | None]:
    found = _find(path)
    if found is None:
        raise DataError(
            f"{path} is not RAF-DB. Expected EmoLabel/{LABEL_FILE} with Image/aligned beside it, "
            "or images such as train_00001_aligned.jpg in folders train/1 to train/7."
        )
    return found.root, found.label_file


def _is_numbered(root: Path) -> bool:
    # Other sets number their folders too, with other expressions behind the numbers: the files' names decide.
    folders = [folder for role in _ROLES if (root / role).is_dir() for folder in _visible_folders(root / role)]
    return bool(folders) and all(folder.name in CODES and _holds_aligned(folder) for folder in folders)


def _visible_folders(folder: Path) -> list[Path]:
    return [Path(entry) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]


def _holds_aligned(folder: Path) -> bool:
    # Any: which file comes first depends on the file system, and it may be a Thumbs.db.
    return any("_aligned." in name and _NAME.fullmatch(name) for name in os.listdir(folder))


def _sample(name: str, code: str) -> Sample:
    return Sample(name, CODES[code], _ROLES[PurePosixPath(name).name.partition("_")[0]])


def _read_labels(file: Path) -> list[Sample]:
    samples = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or not _NAME.fullmatch(words[0]) or words[1] not in CODES:
            raise DataError(
                f"Line {number} of {file} is {line[:60]!r}. Expected the name of an image and a number from 1 to 7, "
                "such as 'train_00001.jpg 5'. Take the file from the makers' archive again."
            )
        samples.append(_sample(*words))
    refuse_repeated_ids(samples, str(file))
    return samples


def _images(root: Path, samples: Sequence[Sample]) -> tuple[str, list[str]]:
    """The folder of the images, and the path of each, both relative to the root."""
    for folder in _IMAGE_FOLDERS:
        if not (root / folder).is_dir():
            continue
        there = set(os.listdir(root / folder))
        names = [_name_in(there, sample.id) for sample in samples]
        if not there.isdisjoint(names):
            return folder, [f"{folder}/{name}" if folder else name for name in names]
    raise DataError(
        f"{root} holds RAF-DB's labels but not its images. Expected them in Image/aligned: unpack aligned.zip."
    )


def _name_in(there: Set[str], name: str) -> str:
    """The aligned images have "_aligned" in their names; some copies of the label file do too, and some don't."""
    stem, dot, ending = name.partition(".")
    plain = stem.removesuffix("_aligned")
    aligned = f"{plain}_aligned{dot}{ending}"
    return next((known for known in (aligned, plain + dot + ending) if known in there), name)
