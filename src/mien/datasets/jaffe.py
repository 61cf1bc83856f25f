"""JAFFE, the Japanese Female Facial Expression data set: one folder of images whose names hold person and expression.

Lyons et al., *Coding Facial Expressions with Gabor Wavelets*, Automatic Face and Gesture Recognition 1998.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mien.datasets.dataset import Dataset, Problem
from mien.datasets.folders import Progress, decode_files, is_sorted, read_below
from mien.datasets.samples import ReadOptions, Sample, build_dataset
from mien.errors import DataError
from mien.labels import parse_expression

LICENCE = "JAFFE: for non-commercial scientific research, with its source named; ask its makers for access."

# Person, expression and its number, number of the image: KA.AN1.39.tiff.
_NAME = re.compile(r"(?P<person>[A-Z]{2})\.(?P<expression>AN|DI|FE|HA|NE|SA|SU)\d\.\d+\.\w+")
_INNER = ("jaffe", "jaffedbase")


def is_jaffe(path: Path) -> bool:
    """Whether a path is a folder that holds images such as KA.AN1.39.tiff, and none sorted by expression."""
    return path.is_dir() and _find(path) is not None and not is_sorted(path)


def jaffe_files(path: Path) -> list[str]:
    """The files that decide what is read, relative to `path`."""
    folder = _found(path)
    return [os.path.relpath(folder / name, path) for name in _names(folder)]


def read_jaffe(path: Path, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Read the images; label and person come from each file's name. The group is the person; there are no roles.

    Args:
        path: the folder of the images, or the one above if that is named `jaffe` or `jaffedbase`.
        options: the size wanted, and what happens to images of another one.
        progress: called with images done and images to be done.

    Raises:
        DataError: no file is named as in JAFFE, or none can be read.
    """
    folder = _found(path)
    samples: list[Sample] = []
    problems: list[Problem] = []
    for name in _names(folder):
        match = _NAME.fullmatch(name)
        if match is None:
            problems.append(Problem(name, "Its name is not one of JAFFE's, such as KA.AN1.39.tiff."))
        else:
            samples.append(Sample(name, parse_expression(match["expression"]), group=match["person"]))
    return build_dataset(
        samples,
        decode_files([sample.id for sample in samples], read_below(folder), progress, options),
        path=path,
        licence=LICENCE,
        options=options,
        problems=problems,
    )


def _find(path: Path) -> Path | None:
    for folder in (path, *(path / name for name in _INNER)):
        if folder.is_dir() and any(map(_NAME.fullmatch, os.listdir(folder))):
            return folder
    return None


def _found(path: Path) -> Path:
    folder = _find(path) if path.is_dir() else None
    if folder is None:
        raise DataError(f"{path} is not JAFFE. Expected a folder of images such as KA.AN1.39.tiff.")
    return folder


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith("."))
