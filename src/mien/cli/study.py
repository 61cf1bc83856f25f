"""`mien study plan | run | status | report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import mien
from mien.cli.options import On, finite

if TYPE_CHECKING:
    from mien.api.studying import StudyPlan

app = typer.Typer(no_args_is_help=True)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file (TOML).")]
StudyOrStore = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file, or the folder of its store.")]
Output = Annotated[
    Path | None, typer.Option("--output", help="Folder of the run records. Default: stores/NAME of the study.")
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="PATH", help="Read this data set instead of the one that the study file names."),
]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="TABLE", help="Only what this table needs.")]


@app.command()
def plan(
    study_file: StudyFile,
    output: Output = None,
    data: Data = None,
    only: Only = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="First take a few steps of each kind of run, once for this machine, for better forecasts."
        ),
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.0, callback=finite, help="Show what fits into this time: the runs that answer most come first."
        ),
    ] = None,
    cells: Annotated[bool, typer.Option("--cells", help="List every cell of every table with its run.")] = False,
) -> None:
    """Show at once what a study would run, what it skips and why, and how long it will take."""
    from mien.cli.console import open_console
    from mien.cli.display import budget_table, cells_table, plan_table

    ahead = mien.plan_study(study_file, data=data, store=output, only=only or [])
    if measure:
        messages = open_console(stderr=True)
        with messages.status("measuring"):
            ahead.measure(
                lambda index, count, run: messages.print(
                    f"measuring {index} of {count}: {ahead.network(run)}", markup=False
                )
            )
    console = open_console()
    console.print(plan_table(ahead))
    if cells:
        console.print(cells_table(ahead.plan))
    if minutes is not None:
        console.print(budget_table(ahead, minutes))


@app.command()
def run(
    study_file: StudyFile,
    output: Output = None,
    data: Data = None,
    only: Only = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            callback=finite,
            help="Stop at the end of the epoch in which this time is over. What answers most is run first.",
        ),
    ] = None,
    on: On = None,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="Processors of a run, and the threads that it computes with.")
    ] = None,
    gpus: Annotated[
        float | None,
        typer.Option(
            min=0.0, callback=finite, help="GPUs of a run, which share its batches (on JAX); with --on ray also 0.5."
        ),
    ] = None,
    discard_weights: Annotated[
        bool, typer.Option("--discard-weights", help="Keep records only, not the weights of each run.")
    ] = False,
    keep_checkpoints: Annotated[
        bool, typer.Option("--keep-checkpoints", help="Let longer runs of the same course go on from these later.")
    ] = False,
) -> None:
    """Run what a study asks for and its store lacks; after any interruption, go on from the last finished epoch."""
    ahead = mien.plan_study(study_file, data=data, store=output, only=only or [])
    complete = watched(
        ahead,
        on=on,
        cpus=cpus,
        gpus=gpus,
        minutes=minutes,
        keep_weights=not discard_weights,
        keep_checkpoints=keep_checkpoints,
    )
    typer.echo(f"The records are in {ahead.folder}. Next: mien study report {ahead.folder}")
    if not complete:
        raise typer.Exit(1)


@app.command()
def status(study: StudyOrStore, output: Output = None) -> None:
    """Show which runs of a study are done, waiting, failed or diverged."""
    from mien.api.studying import study_state
    from mien.cli.console import open_console
    from mien.cli.display import status_table

    open_console().print(status_table(study_state(study, output)))


@app.command()
def report(
    study: StudyOrStore,
    output: Output = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Folder of the report, with --page-only also the page: NAME.html. Default: report/ in the store.",
        ),
    ] = None,
    page_only: Annotated[
        bool, typer.Option("--page-only", help="Write the page alone, to be handed on as one file.")
    ] = False,
) -> None:
    """Write the report of a study: one page, with every table as CSV and every figure as SVG."""
    tell_report(study, to, store=output, page_only=page_only)


def watched(ahead: StudyPlan, **options: Any) -> bool:
    """Run a study with a live display; options are those of `mien.run_study`.

    Returns:
        Whether every run has its record now.
    """
    from mien.cli.display import LiveWatch

    try:
        with LiveWatch(ahead.titles) as watch:
            return mien.run_study(ahead, watch=watch, note=watch.note, **options).complete
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Nothing that was finished is lost: the same command goes on from the last finished epoch. What is there: "
            f"mien study status {ahead.folder}"
        ) from None


def tell_report(study: Path, to: Path | None = None, *, store: Path | None = None, page_only: bool = False) -> None:
    """Write a report, with a bar, and say where it is."""
    from mien.cli.bar import Bar

    with Bar("Writing the report") as bar:
        page = mien.write_report(study, to, store=store, page_only=page_only, progress=bar.moved)
    typer.echo(f"The report is {page}")
