"""Where data sets lie on this machine, so that a study can name one without saying where it is."""

from __future__ import annotations

import os
from pathlib import Path

from mien.datasets.sources import SOURCES

FOLDERS_VARIABLE = "MIEN_DATA"
USUAL_FOLDER = "data"


def data_folders() -> list[Path]:
    """The folders in which data sets are looked for, in order: those of MIEN_DATA, then `data` where we are.

    MIEN_DATA holds one folder, or several as PATH does. `mien data get` puts what it brings into `data`.
    """
    named = [Path(name) for name in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if name]
    return [*named, Path(USUAL_FOLDER)]


def find_place(text: str, *beside: Path) -> Path:
    """The file or folder that a study means.

    Args:
        text: a path; or a name alone, of a file or of a set that `mien data get` knows.
        *beside: the folders that a path is relative to, the first one first. Where nothing lies there, a name alone is
            looked for in the data folders.

    Returns:
        The absolute path of what is there; where nothing is, of what would be there under the first folder.
    """
    paths = [folder / text for folder in beside]
    if Path(text).name == text:
        names = SOURCES[text].names if text in SOURCES else (text,)
        paths += [folder / name for folder in (*beside[1:], *data_folders()) for name in names]
    return next((path for path in paths if path.exists()), paths[0]).resolve()


def why_missing(path: Path) -> str:
    """What to say of a data set or a part of one that is not there."""
    name = path.name
    if name not in SOURCES:
        return f"There is no data set at {path}: no such file or folder."
    looked = " or ".join(str(folder) for folder in data_folders())
    return (
        f"The data set {name!r} is not on this machine: neither {path} nor, in {looked}, any of "
        f"{', '.join(SOURCES[name].names)}. `mien data get {name}` brings it into the folder {USUAL_FOLDER}, "
        f"--data PATH points to a copy, and the variable {FOLDERS_VARIABLE} names folders to look in."
    )
