"""Many photos in one go: read, drawn, and written as a table, so that what was interrupted goes on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, groupby, islice, takewhile
from pathlib import Path
from typing import Any

from mien.addresses import Address
from mien.arguments import checked, fitting
from mien.bundle import DATA, Bundle
from mien.errors import DataError, ImageError, MienError
from mien.images import read_image
from mien.inference.batch import PHOTO_SUFFIXES, FoundPhoto, Journal, drawing_paths, find_photos, write_csv
from mien.inference.detector import Detector
from mien.inference.parts import PART_PHOTOS, Parts
from mien.inference.recognizer import Recognizer
from mien.inference.results import PhotoResult, results_table
from mien.wording import count_text

__all__ = ["Batch", "predict", "results_table", "sample_photo"]


class Batch:
    """Photos to be read: going through it gives a result for each, in order, as they are ready.

    Where files are written, a journal lies beside them until all is done: the same batch, asked for again after an
    interruption, gives first what is in the journal, and goes on. What a cluster had read of it is taken over.

    Attributes:
        recognizer: what reads them.
        sources: the photos, or with crops the files, tables and arrays of them.
        csv: the table that is written, a row a face, or None.
        draw: the folder of the drawings, or None.
    """

    def __init__(
        self, recognizer: Recognizer, sources: Sequence[FoundPhoto], csv: Path | None, draw: Path | None
    ) -> None:
        """Name a batch; nothing is read or written yet."""
        self.recognizer = recognizer
        self.sources = sources
        self.csv = csv
        self.draw = draw

    @property
    def total(self) -> int | None:
        """How many results there will be; None where a table or an array of crops may hold many."""
        return None if self.recognizer.crops else len(self.sources)

    def __iter__(self) -> Generator[PhotoResult, None, None]:
        """The results, in order.

        Raises:
            MienError: an unfinished batch of other photos or settings, or another process, writes the same files, or
                they cannot be written.
        """
        with _write_errors(), self._journal() as journal, self._parts_left(journal) as parts:
            yield from self._results(journal)
            if journal is not None:
                if self.csv is not None:
                    write_csv(journal.results(), self.csv, self.recognizer.label_set, self.recognizer.choices)
                if parts is not None:
                    parts.delete()
                journal.delete()

    @property
    def note(self) -> str | None:
        """Where photos are named by two paths each, such as a relative and an absolute one, a sentence that says so.

        Each name has rows of its own, since somebody asked for it, and is read for them.
        """
        paths = Counter(os.path.abspath(photo.path) for photo in self.sources if isinstance(photo.path, Path))
        twice = sum(count > 1 for count in paths.values())
        if not twice:
            return None
        verb = (
            "is named by several paths: it is read, and has rows,"
            if twice == 1
            else ("are named by several paths each: they are read, and have rows,")
        )
        return f"{count_text(twice, 'photo')} {verb} for each of them."

    def warning(self) -> str | None:
        """Where image files that were taken for cut-out faces look like whole photos, a sentence that says so."""
        if not self.recognizer.crops:
            return None
        import numpy as np

        from mien.inference.whole_photos import LOOKED_AT, look_for_whole_photos

        named = [source.path for source in self.sources if isinstance(source.path, Path)]
        files = [path for path in named if path.suffix.lower() in PHOTO_SUFFIXES]
        images = []
        for place in np.unique(np.linspace(0, len(files) - 1, min(LOOKED_AT, len(files))).round().astype(int)).tolist():
            try:
                images.append(read_image(files[place], max_pixels=self.recognizer.max_pixels).pixels)
            except (ImageError, OSError):
                continue  # its result says so
        warning = look_for_whole_photos(images, self.recognizer.detector).warning
        return f"{warning}. Leave --crops out to have their faces found." if warning else None

    def _results(self, journal: Journal | None) -> Iterator[PhotoResult]:
        """What an earlier, interrupted batch has already found, then the rest."""
        drawings = {} if self.draw is None else drawing_paths(self.sources, self.draw)
        done = Counter[str]() if journal is None else Counter(journal.done)
        if journal is not None:
            yield from journal.results()
        if self.recognizer.crops:
            found = self._crop_results(done)
        else:
            found = self.recognizer.recognize_many(
                [photo.path for photo in self.sources if str(photo.path) not in done]
            )
        places = {str(path): (path, place) for path, place in drawings.items()}
        for result in found:
            if result.faces and result.photo in places:
                _draw(*places[result.photo], result, self.recognizer.max_pixels)
            if journal is not None:
                journal.append(result)
            yield result

    def _crop_results(self, done: Counter[str]) -> Iterator[PhotoResult]:
        """The labels of faces that are cut out: image files, and the images in tables, arrays and other data."""
        from mien.datasets.dataset import Problem
        from mien.datasets.unlabelled import read_crops

        left = Counter(done)  # a table may call several of its rows alike
        for photos, group in groupby(self.sources, _is_photo):
            if photos:
                yield from self.recognizer.recognize_many(
                    [source.path for source in group if str(source.path) not in done]
                )
                continue
            channels = self.recognizer.bundle.channels
            tables = [source.path for source in group if isinstance(source.path, Path)]
            named = ((f"{table}: {name}", image) for table in tables for name, image in read_crops(table, channels))
            yield from self.recognizer.recognize_named_crops(
                (name, image.reason if isinstance(image, Problem) else image.pixels)
                for name, image in named
                if not _taken(left, name)
            )

    @contextmanager
    def _journal(self) -> Iterator[Journal | None]:
        """The journal of a batch that writes files; it lies beside the table, or in the folder of the drawings."""
        if self.csv is not None:
            path = _journal_path(self.csv)
        elif self.draw is not None:
            path = self.draw / "mien-predict.part"
        else:
            yield None
            return
        with Journal(path, self._journal_settings(), self.sources) as journal:
            yield journal

    def _journal_settings(self) -> dict[str, Any]:
        return self.recognizer.settings() | {"draw": None if self.draw is None else str(self.draw)}

    @contextmanager
    def _parts_left(self, journal: Journal | None) -> Iterator[Parts | None]:
        """What a cluster has left of this batch, which was interrupted there; read into the journal."""
        parts = None
        if journal is not None and self.csv is not None:
            settings = self._journal_settings() if self.draw else self.recognizer.settings()  # of no other batch
            parts = Parts.left(_parts_folder(self.csv), settings, self.sources)
        if journal is None or parts is None:
            yield None
            return
        with parts:
            # The first parts alone, as the journal keeps the order of the photos.
            for number in takewhile(parts.has, range(len(parts))):
                for result in parts.read(number):
                    if not journal.done[result.photo]:
                        journal.append(result)
            yield parts


class ClusterBatch(Batch):
    """A batch whose photos are read on the nodes of a Ray cluster, in parts of some hundred.

    Parts that are done lie in a folder beside the table, NAME.parts, until all are: the same batch, asked for again
    after an interruption, reads the others. Each photo is in the table exactly once, as in one of a single machine.
    What one of a single machine had read before it was interrupted is taken over, as far as it fills parts.

    Attributes:
        on: the cluster, as `mien.run_study` takes it.
    """

    def __init__(
        self, recognizer: Recognizer, sources: Sequence[FoundPhoto], csv: Path, *, on: str, part_photos: int
    ) -> None:
        """Name a batch; nothing is read or written yet."""
        super().__init__(recognizer, sources, csv, None)
        self.on = on
        self._path, self._part_photos = csv, part_photos

    def __iter__(self) -> Generator[PhotoResult, None, None]:
        """The results, in order; see `Batch`.

        Raises:
            MienError: also where the cluster cannot be reached, or a node has another mien or lacks the photos' folder.
        """
        settings = self.recognizer.settings()
        with (
            _write_errors(),
            Parts(_parts_folder(self._path), settings, self.sources, size=self._part_photos) as parts,
            self._journal_left(parts) as journal,
        ):
            yield from self._results_in_order(parts)
            write_csv(parts.results(), self._path, self.recognizer.label_set, self.recognizer.choices)
            if journal is not None:
                journal.delete()
            parts.delete()

    @contextmanager
    def _journal_left(self, parts: Parts) -> Iterator[Journal | None]:
        """What an interrupted batch of a single machine has left; read into the parts that it fills."""
        path = _journal_path(self._path)
        if not path.is_file():
            yield None
            return
        with Journal(path, self._journal_settings(), self.sources) as journal:
            results = journal.results()
            for number in range(len(parts)):
                own = list(islice(results, len(parts.photos(number))))
                if [result.photo for result in own] != [str(photo.path) for photo in parts.photos(number)]:
                    break
                if not parts.has(number):
                    parts.write(number, [result.to_json() for result in own])
            yield journal

    def _results_in_order(self, parts: Parts) -> Iterator[PhotoResult]:
        shown = 0
        for _ in chain([None], self._read_missing(parts)):  # first what is there already
            while shown < len(parts) and parts.has(shown):
                yield from parts.read(shown)
                shown += 1

    def _read_missing(self, parts: Parts) -> Iterator[int]:
        from mien.scale.cluster import connected
        from mien.scale.photos import read_parts

        if not all(map(parts.has, range(len(parts)))):
            with connected(self.on) as cluster:
                yield from read_parts(cluster, parts, self.recognizer)


@checked("paths", "bundle")
def predict(
    paths: Sequence[Path | str] | Path | str,
    *,
    csv: Path | str | None = None,
    draw: Path | str | None = None,
    recursive: bool = False,
    on: str | None = None,
    part_photos: int = PART_PHOTOS,
    bundle: Bundle | Path | str = "default",
    detector: Path | None = None,
    provider: str = "cpu",
    **options: Any,
) -> Batch:
    """Find the faces in photos and say which expression people would see in each.

    Nothing is read until the batch is gone through: `for result in predict("holiday/", csv="faces.csv"): ...`

    Args:
        paths: photos, and folders of photos; as texts also addresses that fsspec reaches, such as s3://bucket/folder.
        csv: write a row per face to this CSV file.
        draw: write a copy of each photo with its faces to this folder.
        recursive: search folders within folders.
        on: where photos are read: None for here; "ray" for processes on this machine, "ray:ADDRESS" for the nodes of a
            Ray cluster (see `mien.run_study`). Needs the extra `scale`, and `csv`.
        part_photos: how many photos a node is given at a time.
        bundle: the model, or what `load_bundle` takes.
        detector: a YuNet model file; None for the packaged one.
        provider: what computes: "cpu", or another of this onnxruntime.
        **options: of `Recognizer`.

    Raises:
        MienError: a folder has no photos, or an address cannot be reached.
        BundleError: the model is missing or damaged.
        DataError: an option does not fit.
    """
    several: Sequence[Path | str] = [paths] if isinstance(paths, (str, Path)) else paths
    wanted = list(fitting(several, Sequence[Path | str], "predict: paths"))
    folder = None if draw is None else Path(draw)
    crops = bool(options.get("crops"))
    photos = find_photos(wanted, recursive=recursive, leave_out=folder, data_sets=crops)
    if csv is not None and Path(csv).suffix.lower() in PHOTO_SUFFIXES:
        raise DataError(f"{csv} is called as photos are, and one would be lost under the table. Name it {csv}.csv.")
    if on is not None:
        # Each processor reads photos of its own.
        options = {**options, "threads": 1}
    # Several photos are looked at by one thread each; so it need not be loaded a second time for them.
    finder = Detector(detector, provider=provider, threads=1 if len(photos) > 1 else options.get("threads"))
    recognizer = Recognizer(bundle, detector=finder, provider=provider, **options)
    if on is not None:
        if csv is None or folder is not None:
            raise DataError("On a cluster results go to a table and nothing is drawn: give csv (--csv), and not draw.")
        if crops and (tables := [str(photo.path) for photo in photos if not _is_photo(photo)]):
            raise DataError(
                f"{tables[0]} is no image file, and a cluster reads these alone. Leave on (--on) out for it."
            )
        return ClusterBatch(recognizer, photos, Path(csv), on=on, part_photos=part_photos)
    return Batch(recognizer, photos, None if csv is None else Path(csv), folder)


def sample_photo() -> Path:
    """The sample photo that comes with mien."""
    return DATA / "sample.jpg"


def _is_photo(source: FoundPhoto) -> bool:
    path = source.path
    return path.suffix.lower() in PHOTO_SUFFIXES or isinstance(path, Address) or not path.exists()


def _journal_path(table: Path) -> Path:
    return table.with_name(f"{table.name}.part")


def _parts_folder(table: Path) -> Path:
    return table.with_name(f"{table.name}.parts")


def _taken(counts: Counter[str], name: str) -> bool:
    """Whether one of a name is left, which is then taken away."""
    counts[name] -= 1
    return counts[name] >= 0


def _draw(photo: Path | Address, path: Path, result: PhotoResult, max_pixels: int) -> None:
    from mien.inference.drawing import draw_result, save_drawing

    save_drawing(draw_result(read_image(photo, max_pixels=max_pixels), result), path)


@contextmanager
def _write_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MienError(f"The results cannot be written: {error}.") from error
