"""A batch whose results are kept in parts: each part's photos are read anywhere, and its file is written whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from mien.errors import DataError, MienError
from mien.files import parse_json, write_text
from mien.inference.batch import BatchFile, FoundPhoto
from mien.inference.results import PhotoResult

# Photos of a part: some minutes of work, and a whole number of those that go to the network together.
PART_PHOTOS = 512
_MANIFEST = "manifest.json"


class Parts(BatchFile):
    """The results of a batch that is under way, a file for each part of its photos.

    The folder holds `manifest.json`, which says of what batch they are and is locked while one is written, and
    `part-000000.jsonl` and so on, a line of JSON a photo. A part is there as a whole or not at all.

    Args:
        folder: made if it is not there.
        settings: all that the results depend on beside the photos (`Recognizer.settings`).
        photos: the batch's photos, in order.
        size: photos of a part.

    Raises:
        MienError: as `BatchFile`.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], photos: Sequence[FoundPhoto], *, size: int = PART_PHOTOS
    ) -> None:
        if size < 1:
            raise DataError(f"A part has at least one photo. Received: {size}.")
        self.folder = folder
        self._photos, self._size = photos, size
        super().__init__(folder / _MANIFEST, {**settings, "photos of a part": size}, photos)
        if self.is_new:  # what lies here without a manifest is of nobody knows what
            for left in folder.glob("part-*.jsonl"):
                left.unlink()

    @classmethod
    def left(cls, folder: Path, settings: Mapping[str, Any], photos: Sequence[FoundPhoto]) -> Self | None:
        """The parts that an interrupted batch has left, of whatever size; None where there are none.

        Raises:
            MienError: as `BatchFile`.
        """
        try:
            with (folder / _MANIFEST).open("rb") as file:
                size = int(parse_json(file.readline())["settings"]["photos of a part"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError):
            size = PART_PHOTOS  # what it is then, opening it says
        return cls(folder, settings, photos, size=max(1, size))

    def __len__(self) -> int:
        return -(-len(self._photos) // self._size)

    def photos(self, number: int) -> Sequence[FoundPhoto]:
        """The photos of a part, by its number from 0."""
        return self._photos[number * self._size : (number + 1) * self._size]

    def has(self, number: int) -> bool:
        """Whether a part is done."""
        return self._path(number).is_file()

    def write(self, number: int, results: Sequence[str]) -> None:
        """Keep a part.

        Args:
            number: of the part, from 0.
            results: `PhotoResult.to_json` of each of its photos, in order.
        """
        write_text(self._path(number), "".join(line + "\n" for line in results))

    def read(self, number: int) -> list[PhotoResult]:
        """The results of a part that is done.

        Raises:
            MienError: its file is damaged.
        """
        path = self._path(number)
        try:
            results = [PhotoResult.from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except (DataError, UnicodeDecodeError) as error:
            raise MienError(f"{path} is damaged. Delete it, and the same command reads its photos again.") from error
        if [result.photo for result in results] != [str(photo.path) for photo in self.photos(number)]:
            raise MienError(f"{path} is of other photos. Delete it, and the same command reads its own again.")
        return results

    def results(self) -> Iterator[PhotoResult]:
        """All results, in order; a part at a time is in memory."""
        for number in range(len(self)):
            yield from self.read(number)

    def delete(self) -> None:
        """Remove the folder: the batch is finished."""
        super().delete()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.jsonl"
