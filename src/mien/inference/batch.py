"""Many photos in one go: find them, keep what is done so that an interrupted batch can go on, write the table."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO, Self

from mien.addresses import Address, find_files, is_address, is_web
from mien.errors import DataError, MienError
from mien.files import hash_listing, lock, parse_json, shortened, written_whole
from mien.inference.results import PhotoResult, columns_of
from mien.labels import LabelSet

# Endings that are taken from a folder; a file that is named itself may have any.
PHOTO_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib", ".ppm", ".pgm"),
    *(".webp", ".avif", ".tif", ".tiff", ".heic", ".heif"),
)
_JOURNAL_SCHEMA = 2


@dataclass(frozen=True)
class FoundPhoto:
    """A photo to read.

    Attributes:
        path: the file, or its address.
        name: its path below the folder that was searched; the file's name when it was named itself.
    """

    path: Path | Address
    name: Path


def find_photos(
    paths: Iterable[Path | str], *, recursive: bool = False, leave_out: Path | None = None, data_sets: bool = False
) -> list[FoundPhoto]:
    """The photos that paths stand for, each once: a file itself, of a folder its photos in the order of their names.

    Args:
        paths: files and folders, each a path or an address, as a text. A path that does not exist is kept: reading it
            says so.
        recursive: whether folders within folders are searched.
        leave_out: a folder that is not searched, because results are written to it.
        data_sets: whether a folder without photos may be a data set, and stands for itself.

    Raises:
        MienError: a folder has no photos, or an address cannot be reached.
    """
    found: dict[Path | Address, FoundPhoto] = {}
    for named in paths:
        path = Path(named)
        if is_address(str(named)):
            found |= {photo.path: photo for photo in _photos_at(str(named), recursive) if photo.path not in found}
            continue
        if not os.path.isdir(path):  # unlike Path.is_dir, not surprised by a name that no file can have
            found.setdefault(path, FoundPhoto(path, Path(path.name)))
            continue
        within = list(_photos_within(path, recursive, leave_out))
        if not within and leave_out is not None and path.resolve() == leave_out.resolve():
            raise MienError(f"The drawings go to {path}, and photos are not looked for there. Name another folder.")
        if not within and data_sets:
            within = [path]
        if not within:
            raise _no_photos(path, recursive)
        for photo in within:
            found.setdefault(photo, FoundPhoto(photo, photo.relative_to(path)))
    return list(found.values())


def _no_photos(folder: Path | str, recursive: bool) -> MienError:
    hint = "" if recursive else " Photos in folders below it are taken with --recursive (recursive=True)."
    return MienError(f"The folder {folder} has no photos ({', '.join(PHOTO_SUFFIXES)}).{hint}")


def _photos_at(address: str, recursive: bool) -> list[FoundPhoto]:
    files = None if is_web(address) else find_files(address, recursive=recursive)
    if files is None:
        return [FoundPhoto(Address(address), Path(PurePosixPath(address.partition("::")[0]).name))]
    photos = [
        FoundPhoto(file, _name_here(below))
        for file, below in files
        if file.suffix.lower() in PHOTO_SUFFIXES and not Path(below).name.startswith(".")
    ]
    if not photos:
        raise _no_photos(address, recursive)
    return photos


def _name_here(below: str) -> Path:
    """A name at an address as a path of this system that leads nowhere else: for the photo's drawing."""
    parts = [part for part in re.split(r"[/\\]", below) if part not in ("", ".", "..")]
    return Path(*(re.sub(r'[<>:"|?*\x00-\x1f]', "_", part) for part in parts))


def _photos_within(folder: Path, recursive: bool, leave_out: Path | None) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        if leave_out is not None and Path(place).resolve() == leave_out.resolve():
            folders.clear()
            continue
        folders[:] = sorted(folders) if recursive else []
        for name in sorted(files):
            # A leading dot: previews and resource forks that systems leave beside photos.
            if Path(name).suffix.lower() in PHOTO_SUFFIXES and not name.startswith("."):
                yield Path(place) / name


def drawing_paths(photos: Sequence[FoundPhoto], folder: Path) -> dict[Path | Address, Path]:
    """Where the drawing of each photo goes: "a/b.png" to "a/b.png.faces.jpg" below a folder, without clashes."""
    paths: dict[Path | Address, Path] = {}
    taken: set[str] = set()
    for photo in photos:
        stem = shortened(photo.name.name)
        path, number = folder / photo.name.with_name(f"{stem}.faces.jpg"), 1
        while (key := _as_one_file(path)) in taken:
            number += 1
            path = path.with_name(f"{stem}.{number}.faces.jpg")
        taken.add(key)
        paths[photo.path] = path
    return paths


def _as_one_file(path: Path) -> str:
    """A path without what Windows and macOS do not tell names apart by: case, and the ways to write an accent."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def manifest(photos: Sequence[FoundPhoto]) -> dict[str, Any]:
    """What tells one list of photos from another: their number, and a hash of names, sizes and times of change."""
    names = chain.from_iterable(map(_names_of, (photo.path for photo in photos)))
    return {"count": len(photos), "hash": hash_listing(Path(), names)[:16]}


def _names_of(path: Path | Address) -> Iterator[str]:
    if isinstance(path, Address):
        yield f"{path}\0{path.stamp}"
    elif os.path.isdir(path):  # a data set
        yield from sorted(os.path.join(place, name) for place, _, names in os.walk(path) for name in names)
    else:
        yield str(path)


class BatchFile:
    """A file whose first line says what batch it belongs to: the one that is under way.

    It is locked, so that two programs never write one table. The lock goes with its process.

    Args:
        path: the file; made if it is not there.
        settings: all that the results depend on beside the photos, as plain JSON values (`Recognizer.settings`).
        photos: the batch's photos. They and the settings are what a batch must have in common to be gone on with.

    Raises:
        MienError: the file holds a batch of other settings or other photos, another process writes it, or it cannot be
            opened.

    Attributes:
        is_new: whether the file was not there, or without a whole first line.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], photos: Sequence[FoundPhoto]) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open()
        try:
            self.is_new = self._begin({"schema": _JOURNAL_SCHEMA, "settings": {**settings, "photos": manifest(photos)}})
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> BinaryIO:
        while True:
            file = self.path.open("a+b")
            try:
                if lock(file) is False:
                    raise MienError(
                        f"Another process is writing {self.path}. Wait for it to end, or name another file or folder."
                    )
                if os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    return file
            except FileNotFoundError:
                pass
            except BaseException:
                file.close()
                raise
            file.close()  # its process finished, and removed it, while it was being opened

    def _begin(self, head: dict[str, Any]) -> bool:
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            self._file.truncate(0)
            self._append(json.dumps(head))
            return True
        found = _json_or_none(first)
        if found != head:
            raise MienError(
                f"{self.path} holds an unfinished batch of other settings or photos ({_difference(found, head)}). "
                "Finish it with those, or delete the file to begin anew."
            )
        return False

    def close(self) -> None:
        """Close the file and keep it."""
        self._file.close()

    def delete(self) -> None:
        """Remove the file: the batch is finished."""
        if os.name == "nt":  # where an open file cannot be removed
            self.close()
        self.path.unlink(missing_ok=True)
        self.close()

    def _append(self, line: str) -> None:
        self._file.write(line.encode("utf-8") + b"\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Journal(BatchFile):
    """The results of a batch that is under way, a line each, so that it can be interrupted and go on.

    Args:
        path: as `BatchFile`.
        settings: likewise.
        photos: likewise.

    Raises:
        MienError: as `BatchFile`.

    Attributes:
        done: how many results there are for each photo, as `PhotoResult.photo` names it; more than one for rows of a
            table that have one name.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], photos: Sequence[FoundPhoto]) -> None:
        self.done: Counter[str] = Counter()
        super().__init__(path, settings, photos)
        end = self._file.tell()
        for line in self._file:
            value = _json_or_none(line)
            if not line.endswith(b"\n") or not isinstance(value, dict) or not isinstance(value.get("photo"), str):
                break  # the line that was being written at the interruption
            self.done[value["photo"]] += 1
            end += len(line)
        self._file.truncate(end)

    def append(self, result: PhotoResult) -> None:
        """Keep one more result."""
        self._append(result.to_json())
        self.done[result.photo] += 1

    def results(self) -> Iterator[PhotoResult]:
        """All results so far, read from the file, so that they need no memory."""
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                try:
                    yield PhotoResult.from_json(line.decode("utf-8"))
                except (DataError, UnicodeDecodeError) as error:
                    raise MienError(f"{self.path} is damaged. Delete it to begin anew.") from error


def _json_or_none(line: bytes) -> Any:
    try:
        return parse_json(line)
    except ValueError:
        return None


def _difference(found: Any, head: dict[str, Any]) -> str:
    """In what two first lines differ, in words."""
    if not isinstance(found, dict) or found.get("schema") != head["schema"] or not isinstance(found["settings"], dict):
        return "it was written by another version of mien"
    return differences(found["settings"], head["settings"])


def differences(here: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In which settings two batches differ, in words."""
    changed = [name for name in {**now, **here} if here.get(name) != now.get(name)]
    return "; ".join(f"{name}: {_short(here.get(name))}, now {_short(now.get(name))}" for name in changed)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return "none" if value is None else str(value)


def write_csv(
    results: Iterable[PhotoResult], path: Path, labels: LabelSet | None = None, choices: Iterable[str] = ()
) -> None:
    """Write results as a CSV table in UTF-8, a row per face, whole or not at all.

    Args:
        results: taken one at a time.
        path: the file; its folder must exist.
        labels: those that the faces were read by; only groups among them add columns.
        choices: names of the choices that are not usual, which have columns, too.
    """
    with written_whole(path) as file:
        # A file name that is not valid text on its system is written with its bytes as \\xNN.
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="", write_through=True)
        table = csv.DictWriter(text, columns_of(labels.expressions if labels else (), choices), lineterminator="\n")
        table.writeheader()
        for result in results:
            table.writerows(result.to_rows())
        text.detach()
