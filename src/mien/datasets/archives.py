"""Archives of data sets: which can be read in place, and unpacking the others for the time of reading."""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mien.errors import DataError
from mien.labels import find_expression

_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def is_archive(path: Path) -> bool:
    """Whether a path is a file that is called as a .zip or .tar is."""
    return path.is_file() and path.name.lower().endswith((".zip", *_TAR_ENDINGS))


def zip_is_sorted(path: Path) -> bool:
    """Whether a path is a .zip of folders that are named after expressions, which is read in place.

    A .zip that cannot be opened is one, too: its reader says what is wrong.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return True
    if any(PurePosixPath(name).name.lower() == "manifest.csv" for name in names):
        return False
    folders = {part for name in names for part in name.replace("\\", "/").split("/")[:-1]}
    return any(find_expression(folder) is not None for folder in folders) or not names


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A folder with what an archive holds, for the time of reading; the folder inside where it holds nothing else.

    Raises:
        DataError: it is damaged, protected by a password, or names files outside of it.
    """
    with tempfile.TemporaryDirectory(prefix="mien-") as place:
        folder = Path(place)
        try:
            if path.suffix.lower() == ".zip":
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(folder)  # which takes ".." and roots off names
            else:
                with tarfile.open(path) as tar:
                    tar.extractall(folder, filter="data")
        except RuntimeError as error:
            raise DataError(f"{path} is protected by a password. Unpack it and give the folder.") from error
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError) as error:
            raise DataError(f"{path} is not a complete archive ({error}). Download or copy it again.") from error
        inside = [entry for entry in folder.iterdir() if entry.name != "__MACOSX" and not entry.name.startswith(".")]
        while len(inside) == 1 and inside[0].is_dir():
            folder = inside[0]
            inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        yield folder
