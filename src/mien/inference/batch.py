"""Many photos in one go: find them, keep what is done so that an interrupted batch can go on, write the table."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

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
        path: the file.
        name: its path below the folder that was searched; the file's name when it was named itself.
    """

    path: Path
    name: Path


def find_photos(paths: Iterable[Path], *, recursive: bool = False, leave_out: Path | None = None) -> list[FoundPhoto]:
    """The photos that paths stand for, each once: a file itself, of a folder its photos in the order of their names.

    Args:
        paths: files and folders. A path that does not exist is kept: reading it says so.
        recursive: whether folders within folders are searched.
        leave_out: a folder that is not searched, because results are written to it.

    Raises:
        MienError: a folder has no photos.
    """
    found: dict[Path, FoundPhoto] = {}
    for path in paths:
        if not os.path.isdir(path):  # unlike Path.is_dir, not surprised by a name that no file can have
            found.setdefault(path, FoundPhoto(path, Path(path.name)))
            continue
        within = list(_photos_within(path, recursive, leave_out))
        if not within:
            hint = "" if recursive else " Photos in folders below it are taken with --recursive (recursive=True)."
            raise MienError(f"The folder {path} has no photos ({', '.join(PHOTO_SUFFIXES)}).{hint}")
        for photo in within:
            found.setdefault(photo, FoundPhoto(photo, photo.relative_to(path)))
    return list(found.values())


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


def drawing_paths(photos: Sequence[FoundPhoto], folder: Path) -> dict[Path, Path]:
    """Where the drawing of each photo goes: "a/b.png" to "a/b.png.faces.jpg" below a folder, without clashes."""
    paths: dict[Path, Path] = {}
    taken: set[Path] = set()
    for photo in photos:
        stem = shortened(photo.name.name)
        path, number = folder / photo.name.with_name(f"{stem}.faces.jpg"), 1
        while path in taken:
            number += 1
            path = path.with_name(f"{stem}.{number}.faces.jpg")
        taken.add(path)
        paths[photo.path] = path
    return paths


def manifest(photos: Sequence[FoundPhoto]) -> dict[str, Any]:
    """What tells one list of photos from another: their number, and a hash of names, sizes and times of change."""
    return {"count": len(photos), "hash": hash_listing(Path(), (str(photo.path) for photo in photos))[:16]}


class Journal:
    """The results of a batch that is under way, a line each, so that it can be interrupted and go on.

    Its file is locked, so that two programs never write one table. The lock goes with its process.

    Args:
        path: the file; made if it is not there.
        settings: all that the results depend on beside the photos, as plain JSON values (`Recognizer.settings`).
        photos: the batch's photos. They and the settings are what a batch must have in common to be gone on with.

    Raises:
        MienError: the file holds a batch of other settings or other photos, another process writes it, or it cannot be
            opened.

    Attributes:
        done: the photos that have a result, as `PhotoResult.photo` names them.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], photos: Sequence[FoundPhoto]) -> None:
        self.path = path
        self.done: set[str] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open()
        try:
            self._begin({"schema": _JOURNAL_SCHEMA, "settings": {**settings, "photos": manifest(photos)}})
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

    def _begin(self, head: dict[str, Any]) -> None:
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            self._file.truncate(0)
            self._append(json.dumps(head))
            return
        found = _json_or_none(first)
        if found != head:
            raise MienError(
                f"{self.path} holds an unfinished batch of other settings or photos ({_differences(found, head)}). "
                "Finish it with those, or delete the file to begin anew."
            )
        end = self._file.tell()
        for line in self._file:
            value = _json_or_none(line)
            if not line.endswith(b"\n") or not isinstance(value, dict) or not isinstance(value.get("photo"), str):
                break  # the line that was being written at the interruption
            self.done.add(value["photo"])
            end += len(line)
        self._file.truncate(end)

    def append(self, result: PhotoResult) -> None:
        """Keep one more result."""
        self._append(result.to_json())
        self.done.add(result.photo)

    def results(self) -> Iterator[PhotoResult]:
        """All results so far, read from the file, so that they need no memory."""
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                try:
                    yield PhotoResult.from_json(line.decode("utf-8"))
                except (DataError, UnicodeDecodeError) as error:
                    raise MienError(f"{self.path} is damaged. Delete it to begin anew.") from error

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


def _json_or_none(line: bytes) -> Any:
    try:
        return parse_json(line)
    except ValueError:
        return None


def _differences(found: Any, head: dict[str, Any]) -> str:
    """In which settings two heads of a journal differ, in words."""
    if not isinstance(found, dict) or found.get("schema") != head["schema"] or not isinstance(found["settings"], dict):
        return "it was written by another version of mien"
    here, now = found["settings"], head["settings"]
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
