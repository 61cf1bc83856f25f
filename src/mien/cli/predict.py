"""`mien predict`: the expression labels of the faces in photos."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.memory import keep_freed_memory
from mien.cli.options import BUNDLE_HELP, FRAMING_HELP, PRIOR_HELP, On, finite
from mien.wording import count_text

if TYPE_CHECKING:
    from rich.progress import Progress

    from mien.api.predicting import Batch
    from mien.inference.results import PhotoResult

EXIT_UNREADABLE = 3
EXIT_INTERRUPTED = 130
_PHOTOS_PER_TABLE = 100
_LEAST_TABLE_WIDTH = 60


def predict(
    # Texts: a path would make one slash of the two in s3://.
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATHS]...", help="Photos, and folders of photos; or addresses, as s3://..."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per photo instead of tables.")] = False,
    csv: Annotated[Path | None, typer.Option(dir_okay=False, help="Write a row per face to this CSV file.")] = None,
    draw: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write a copy of each photo with its faces to this folder.")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search folders within folders.")] = False,
    on: On = None,
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
    # NumPy's library of linear algebra, which photos do not need, starts a thread for each core that looks for work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    keep_freed_memory()
    from mien.api.predicting import predict as read
    from mien.api.predicting import sample_photo

    wanted: list[Path | str] = [*(paths or []), *([sample_photo()] if sample else [])]
    if not wanted:
        raise typer.BadParameter("Name a photo or a folder, or use --sample.", param_hint="PATHS")
    if crops and (draw is not None or largest):
        raise typer.BadParameter("Faces that are cut out already are neither drawn nor chosen from: leave it out.")
    batch = read(
        wanted,
        csv=csv,
        draw=draw,
        recursive=recursive,
        on=on,
        bundle=bundle,
        labels=labels,
        unsure=unsure,
        prior=prior,
        crops=crops,
        framing=framing,
        detector=detector,
        largest=largest,
        provider=provider,
        max_pixels=round(max_megapixels * 1e6),
    )
    try:
        counts = _show(batch, as_json=as_json, quiet=csv is not None)
    except KeyboardInterrupt:
        if csv is not None or draw is not None:
            typer.echo("Interrupted. The same command goes on from here.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if counts.total() > 1 or csv is not None:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common())
        typer.echo(f"{count_text(counts.total(), 'crop' if crops else 'photo')}: {outcomes}", err=True)
    for name, said in batch.recognizer.choices.items():
        typer.echo(f"{name}: {said}", err=True)
    if batch.note:
        typer.echo(f"note: {batch.note}", err=True)
    warning = batch.warning()
    if warning:
        typer.echo(f"warning: {warning}", err=True)
    if counts["unreadable"]:
        raise typer.Exit(EXIT_UNREADABLE)


def _show(batch: Batch, *, as_json: bool, quiet: bool) -> Counter[str]:
    """Print results as they come; returns how many photos had which outcome."""
    counts: Counter[str] = Counter()
    waiting: list[PhotoResult] = []
    # A bar and lines on one terminal would run into each other.
    with (
        closing(iter(batch)) as results,
        _progress(shown=batch.total != 1 and not (as_json and sys.stdout.isatty())) as progress,
    ):
        task = None if progress is None else progress.add_task("photos", total=batch.total)
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
    from mien.api.predicting import results_table
    from mien.cli.console import open_console

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
