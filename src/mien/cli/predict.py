"""`mien predict`: the expression labels of the faces in photos."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import BUNDLE_HELP, FRAMING_HELP, PRIOR_HELP, finite
from mien.errors import MienError

if TYPE_CHECKING:
    from rich.progress import Progress

    from mien.inference.batch import FoundPhoto, Journal
    from mien.inference.recognizer import Recognizer
    from mien.inference.results import PhotoResult

EXIT_UNREADABLE = 3
EXIT_INTERRUPTED = 130
_PHOTOS_PER_TABLE = 100
_LEAST_TABLE_WIDTH = 60


def predict(
    paths: Annotated[list[Path] | None, typer.Argument(help="Photos, and folders of photos.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per photo instead of tables.")] = False,
    csv: Annotated[Path | None, typer.Option(dir_okay=False, help="Write a row per face to this CSV file.")] = None,
    draw: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write a copy of each photo with its faces to this folder.")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search folders within folders.")] = False,
    labels: Annotated[
        str | None,
        typer.Option(
            help="Keep only these labels: six, seven, a list, or with groups (positive=happiness+surprise,...)."
        ),
    ] = None,
    unsure: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, callback=finite, help="Least probability for a label to be given; 0 always gives one."
        ),
    ] = None,
    prior: Annotated[str, typer.Option(help=PRIOR_HELP)] = "training",
    crops: Annotated[
        bool,
        typer.Option(
            "--crops", help="The images are faces that are cut out already; tables of pixels and arrays are read, too."
        ),
    ] = False,
    bundle: Annotated[str, typer.Option(help=BUNDLE_HELP)] = "default",
    framing: Annotated[str | None, typer.Option(help=FRAMING_HELP)] = None,
    detector: Annotated[
        Path | None, typer.Option(dir_okay=False, help="A YuNet model file, instead of the packaged one.")
    ] = None,
    provider: Annotated[str, typer.Option(help="What computes: cpu, or another of your onnxruntime, as cuda.")] = "cpu",
    largest: Annotated[bool, typer.Option("--largest", help="Only the largest face of each photo.")] = False,
    max_megapixels: Annotated[float, typer.Option(min=0, callback=finite, help="Refuse larger photos.")] = 200,
    sample: Annotated[bool, typer.Option("--sample", help="Take the sample photo that comes with mien.")] = False,
) -> None:
    """Find the faces in photos and say which expression people would see in each.

    A batch with --csv or --draw that was interrupted goes on when the same command is given again. The exit code is 0
    when all photos could be read, 3 when some could not, and 2 when the command was wrong.
    """
    from mien.inference.batch import find_photos
    from mien.inference.detector import Detector
    from mien.inference.recognizer import Recognizer

    wanted = [*(paths or []), *([_sample_photo()] if sample else [])]
    if not wanted:
        raise typer.BadParameter("Name a photo or a folder, or use --sample.", param_hint="PATHS")
    if crops and (draw is not None or largest):
        raise typer.BadParameter("Faces that are cut out already are neither drawn nor chosen from: leave it out.")
    photos = find_photos(wanted, recursive=recursive, leave_out=draw)
    recognizer = Recognizer(
        bundle,
        labels=labels,
        unsure=unsure,
        prior=prior,
        crops=crops,
        framing=framing,
        detector=Detector(detector, provider=provider),
        largest=largest,
        provider=provider,
        max_pixels=round(max_megapixels * 1e6),
    )
    with _write_errors(), _journal(recognizer, photos, csv, draw) as journal:
        results = _results(recognizer, photos, journal, draw)
        try:
            counts = _show(results, None if crops else len(photos), as_json=as_json, quiet=csv is not None)
        except KeyboardInterrupt:
            if journal is not None:
                typer.echo("Interrupted. The same command goes on from here.", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
        if journal is not None:
            _finish(journal, csv, recognizer)
    if counts.total() > 1 or csv is not None:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common())
        typer.echo(f"{counts.total():,} {'crops' if crops else 'photos'}: {outcomes}", err=True)
    for name, said in recognizer.choices.items():
        typer.echo(f"{name}: {said}", err=True)
    if crops:
        _warn_of_photos(recognizer, photos)
    if counts["unreadable"]:
        raise typer.Exit(EXIT_UNREADABLE)


def _results(
    recognizer: Recognizer, photos: list[FoundPhoto], journal: Journal | None, draw: Path | None
) -> Iterator[PhotoResult]:
    """What an earlier, interrupted run has already found, then the rest."""
    from mien.inference.batch import drawing_paths

    drawings = {} if draw is None else drawing_paths(photos, draw)
    done = frozenset(() if journal is None else journal.done)
    if journal is not None:
        yield from journal.results()
    if recognizer.crops:
        for result in _crop_results(recognizer, photos, done):
            if journal is not None:
                journal.append(result)
            yield result
        return
    remaining = [photo.path for photo in photos if str(photo.path) not in done]
    for path, result in zip(remaining, recognizer.recognize_many(remaining), strict=True):
        if result.faces and path in drawings:
            _draw(path, result, drawings[path], recognizer.max_pixels)
        if journal is not None:
            journal.append(result)
        yield result


def _crop_results(recognizer: Recognizer, sources: list[FoundPhoto], done: frozenset[str]) -> Iterator[PhotoResult]:
    """The labels of faces that are cut out: image files, and the images in tables, arrays and other data."""
    from itertools import groupby

    from mien.datasets.dataset import Problem
    from mien.datasets.unlabelled import read_crops
    from mien.inference.batch import PHOTO_SUFFIXES

    def is_photo(source: FoundPhoto) -> bool:
        return source.path.suffix.lower() in PHOTO_SUFFIXES or not source.path.exists()

    for photos, group in groupby(sources, is_photo):
        if photos:
            yield from recognizer.recognize_many([source.path for source in group if str(source.path) not in done])
            continue
        named = ((f"{source.path}: {name}", image) for source in group for name, image in read_crops(source.path))
        yield from recognizer.recognize_named_crops(
            (name, image.reason if isinstance(image, Problem) else image.pixels)
            for name, image in named
            if name not in done
        )


def _warn_of_photos(recognizer: Recognizer, sources: list[FoundPhoto]) -> None:
    """Say where image files that were taken for faces look like whole photos."""
    import numpy as np

    from mien.errors import ImageError
    from mien.images import read_image
    from mien.inference.batch import PHOTO_SUFFIXES
    from mien.inference.crops import gray_of
    from mien.inference.whole_photos import LOOKED_AT, look_for_whole_photos

    files = [source.path for source in sources if source.path.suffix.lower() in PHOTO_SUFFIXES]
    images = []
    for place in np.unique(np.linspace(0, len(files) - 1, min(LOOKED_AT, len(files))).round().astype(int)).tolist():
        try:
            images.append(gray_of(read_image(files[place], max_pixels=recognizer.max_pixels)))
        except (ImageError, OSError):
            continue  # its result says so
    warning = look_for_whole_photos(images, recognizer.detector).warning
    if warning:
        typer.echo(f"warning: {warning}. Leave --crops out to have their faces found.", err=True)


def _draw(photo: Path, result: PhotoResult, path: Path, max_pixels: int) -> None:
    from mien.images import read_image
    from mien.inference.drawing import draw_result, save_drawing

    save_drawing(draw_result(read_image(photo, max_pixels=max_pixels), result), path)


def _show(results: Iterator[PhotoResult], total: int | None, *, as_json: bool, quiet: bool) -> Counter[str]:
    """Print results as they come; returns how many photos had which outcome."""
    counts: Counter[str] = Counter()
    waiting: list[PhotoResult] = []
    # A bar and lines on one terminal would run into each other.
    with _progress(shown=total != 1 and not (as_json and sys.stdout.isatty())) as progress:
        task = None if progress is None else progress.add_task("photos", total=total)
        for result in results:
            counts[result.outcome.value] += 1
            if progress is not None and task is not None:
                progress.advance(task)
            if as_json:
                typer.echo(result.to_json())
            elif not quiet:
                waiting.append(result)
                if len(waiting) == _PHOTOS_PER_TABLE:
                    _print_table(waiting, progress)
                    waiting = []
    if waiting:
        _print_table(waiting, None)
    return counts


def _print_table(results: list[PhotoResult], progress: Progress | None) -> None:
    from mien.cli.console import open_console
    from mien.inference.results import results_table

    if progress is not None:
        progress.stop()
    console = open_console()
    if console.width < _LEAST_TABLE_WIDTH:  # where rich would leave out the photo's name
        for result in results:
            console.print(result.summary(), markup=False)
    else:
        console.print(results_table(results))
    if progress is not None:
        progress.start()


@contextmanager
def _progress(*, shown: bool) -> Iterator[Progress | None]:
    if not (shown and sys.stderr.isatty()):
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from mien.cli.console import open_console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=open_console(stderr=True), transient=True) as progress:
        yield progress


@contextmanager
def _journal(
    recognizer: Recognizer, photos: list[FoundPhoto], csv: Path | None, draw: Path | None
) -> Iterator[Journal | None]:
    """The journal of a batch that writes files; it lies beside the table, or in the folder of the drawings."""
    from mien.inference.batch import Journal

    if csv is not None:
        path = csv.with_name(f"{csv.name}.part")
    elif draw is not None:
        path = draw / "mien-predict.part"
    else:
        yield None
        return
    settings = recognizer.settings() | {"draw": None if draw is None else str(draw)}
    with Journal(path, settings, photos) as journal:
        yield journal


def _finish(journal: Journal, csv: Path | None, recognizer: Recognizer) -> None:
    from mien.inference.batch import write_csv

    if csv is not None:
        write_csv(journal.results(), csv, recognizer.label_set, recognizer.choices)
    journal.delete()


@contextmanager
def _write_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MienError(f"The results cannot be written: {error}.") from error


def _sample_photo() -> Path:
    from importlib import resources

    return Path(str(resources.files("mien") / "data" / "sample.jpg"))
