"""Many photos in one go: read, drawn, and written as a table, so that what was interrupted goes on."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from mien.bundle import Bundle
from mien.errors import ImageError, MienError
from mien.images import read_image
from mien.inference.batch import PHOTO_SUFFIXES, FoundPhoto, Journal, drawing_paths, find_photos, write_csv
from mien.inference.detector import Detector
from mien.inference.recognizer import Recognizer
from mien.inference.results import PhotoResult, results_table

__all__ = ["Batch", "predict", "results_table", "sample_photo"]


class Batch:
    """Photos to be read: going through it gives a result for each, in order, as they are ready.

    Where files are written, a journal lies beside them until all is done: the same batch, asked for again after an
    interruption, gives first what is in the journal, and goes on.

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
        with _write_errors(), self._journal() as journal:
            yield from self._results(journal)
            if journal is not None:
                if self.csv is not None:
                    write_csv(journal.results(), self.csv, self.recognizer.label_set, self.recognizer.choices)
                journal.delete()

    def warning(self) -> str | None:
        """Where image files that were taken for cut-out faces look like whole photos, a sentence that says so."""
        if not self.recognizer.crops:
            return None
        import numpy as np

        from mien.inference.crops import gray_of
        from mien.inference.whole_photos import LOOKED_AT, look_for_whole_photos

        files = [source.path for source in self.sources if source.path.suffix.lower() in PHOTO_SUFFIXES]
        images = []
        for place in np.unique(np.linspace(0, len(files) - 1, min(LOOKED_AT, len(files))).round().astype(int)).tolist():
            try:
                images.append(gray_of(read_image(files[place], max_pixels=self.recognizer.max_pixels)))
            except (ImageError, OSError):
                continue  # its result says so
        warning = look_for_whole_photos(images, self.recognizer.detector).warning
        return f"{warning}. Leave --crops out to have their faces found." if warning else None

    def _results(self, journal: Journal | None) -> Iterator[PhotoResult]:
        """What an earlier, interrupted batch has already found, then the rest."""
        drawings = {} if self.draw is None else drawing_paths(self.sources, self.draw)
        done = frozenset(() if journal is None else journal.done)
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

    def _crop_results(self, done: frozenset[str]) -> Iterator[PhotoResult]:
        """The labels of faces that are cut out: image files, and the images in tables, arrays and other data."""
        from mien.datasets.dataset import Problem
        from mien.datasets.unlabelled import read_crops

        def is_photo(source: FoundPhoto) -> bool:
            return source.path.suffix.lower() in PHOTO_SUFFIXES or not source.path.exists()

        for photos, group in groupby(self.sources, is_photo):
            if photos:
                yield from self.recognizer.recognize_many(
                    [source.path for source in group if str(source.path) not in done]
                )
                continue
            named = ((f"{source.path}: {name}", image) for source in group for name, image in read_crops(source.path))
            yield from self.recognizer.recognize_named_crops(
                (name, image.reason if isinstance(image, Problem) else image.pixels)
                for name, image in named
                if name not in done
            )

    @contextmanager
    def _journal(self) -> Iterator[Journal | None]:
        """The journal of a batch that writes files; it lies beside the table, or in the folder of the drawings."""
        if self.csv is not None:
            path = self.csv.with_name(f"{self.csv.name}.part")
        elif self.draw is not None:
            path = self.draw / "mien-predict.part"
        else:
            yield None
            return
        settings = self.recognizer.settings() | {"draw": None if self.draw is None else str(self.draw)}
        with Journal(path, settings, self.sources) as journal:
            yield journal


def predict(
    paths: Sequence[Path | str] | Path | str,
    *,
    csv: Path | str | None = None,
    draw: Path | str | None = None,
    recursive: bool = False,
    bundle: Bundle | Path | str = "default",
    detector: Path | None = None,
    provider: str = "cpu",
    **options: Any,
) -> Batch:
    """Find the faces in photos and say which expression people would see in each.

    Nothing is read until the batch is gone through: `for result in predict("holiday/", csv="faces.csv"): ...`

    Args:
        paths: photos, and folders of photos.
        csv: write a row per face to this CSV file.
        draw: write a copy of each photo with its faces to this folder.
        recursive: search folders within folders.
        bundle: the model, or what `load_bundle` takes.
        detector: a YuNet model file; None for the packaged one.
        provider: what computes: "cpu", or another of this onnxruntime.
        **options: of `Recognizer`.

    Raises:
        MienError: a folder has no photos.
        BundleError: the model is missing or damaged.
        DataError: an option does not fit.
    """
    wanted = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    folder = None if draw is None else Path(draw)
    photos = find_photos(wanted, recursive=recursive, leave_out=folder)
    recognizer = Recognizer(bundle, detector=Detector(detector, provider=provider), provider=provider, **options)
    return Batch(recognizer, photos, None if csv is None else Path(csv), folder)


def sample_photo() -> Path:
    """The sample photo that comes with mien."""
    from importlib import resources

    return Path(str(resources.files("mien") / "data" / "sample.jpg"))


def _draw(photo: Path, path: Path, result: PhotoResult, max_pixels: int) -> None:
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
