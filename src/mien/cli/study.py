"""`mien study plan | run | status | report`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import finite

if TYPE_CHECKING:
    from mien.study.planning import PlannedStudy
    from mien.study.spec import Study
    from mien.study.store import Store

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
    from mien.cli.display import budget_table, cells_table, plan_table
    from mien.study.forecast import expect
    from mien.study.spec import read_study, tables_named

    study = read_study(study_file)
    store = _store_in(output or default_store(study))
    planned = _planned(study, study_file.parent, data, store)
    planned = replace(planned, plan=planned.plan.only(tables_named(study, only or [])))
    if measure:
        _measure(planned, store)
    expected = expect(planned, store)
    _print(plan_table(planned, expected, store))
    if cells:
        _print(cells_table(planned.plan))
    if minutes is not None:
        _print(budget_table(planned, expected, store, minutes))


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
    discard_weights: Annotated[
        bool, typer.Option("--discard-weights", help="Keep records only, not the weights of each run.")
    ] = False,
) -> None:
    """Run what a study asks for and its store lacks; after any interruption, go on from the last finished epoch."""
    from mien.study.spec import read_study

    study = read_study(study_file)
    folder = output or default_store(study)
    complete = run_in_store(
        study,
        study_file.read_text(encoding="utf-8"),
        base=study_file.parent,
        folder=folder,
        data=data,
        only=only,
        minutes=minutes,
        discard_weights=discard_weights,
    )
    typer.echo(f"The records are in {folder}. Next: mien study report {folder}")
    if not complete:
        raise typer.Exit(1)


@app.command()
def status(study: StudyOrStore, output: Output = None) -> None:
    """Show which runs of a study are done, waiting, failed or diverged."""
    from mien.cli.display import status_table

    store = _store_of(study, output)
    plan = store.plan()
    _print(status_table(plan, store.records(plan), store))


@app.command()
def report(
    study: StudyOrStore,
    output: Output = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the report. Default: report/ in the store.")
    ] = None,
) -> None:
    """Write the report of a study: one page, with every table as CSV and every figure as SVG."""
    typer.echo(f"The report is {write_report_of(_store_of(study, output), to)}")


def default_store(study: Study) -> Path:
    """Where a study keeps its records when nothing else is said."""
    return Path("stores") / study.name


def run_in_store(
    study: Study,
    text: str,
    *,
    base: Path,
    folder: Path,
    data: str | None = None,
    only: list[str] | None = None,
    minutes: float | None = None,
    discard_weights: bool = False,
) -> bool:
    """Run a study into a store, with a live display. Returns whether every run has its record now."""
    from mien.cli.display import LiveWatch
    from mien.study.processes import SubprocessExecutor
    from mien.study.running import run_study
    from mien.study.spec import tables_named
    from mien.study.store import Store

    executor = SubprocessExecutor()
    planned = _planned(study, base, data, _store_in(folder))
    store = Store.create(folder)
    with _going_on(folder), store.writing(), LiveWatch(planned.plan) as watch:
        if store.keep_study(text):
            watch.note("The study file has changed since it was last run here; runs that it still asks for are kept.")
        store.keep_references(study, base)
        for note in planned.notes:
            watch.note(note)
        progress = run_study(
            planned,
            store,
            watch=watch,
            tables=tables_named(study, only or []),
            executor=executor,
            minutes=minutes,
            keep_weights=not discard_weights,
        )
        if progress.stopped:
            watch.note("Time is up. The same command goes on from here.")
    return not progress.stopped and not progress.failed


@contextmanager
def _going_on(folder: Path) -> Iterator[None]:
    """Let an interruption say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Nothing that was finished is lost: the same command goes on from the last finished epoch. What is there: "
            f"mien study status {folder}"
        ) from None


def write_report_of(store: Store, to: Path | None = None) -> Path:
    """Write the report of what is in a store; returns the page."""
    from mien.cli.bar import Bar
    from mien.report.page import write_report

    plan = store.plan()
    with Bar("Writing the report") as bar:
        return write_report(
            plan,
            store.records(plan),
            foreign=store.foreign(),
            folder=to or store.folder / "report",
            openings=store.openings(),
            references=store.references(plan.study),
            cache=store.cache,
            progress=bar.moved,
        )


def _store_in(folder: Path) -> Store | None:
    """The store in a folder, or None where there is none yet."""
    from mien.study.store import STORE_FILE, Store

    return Store.open(folder) if (folder / STORE_FILE).is_file() else None


def _planned(study: Study, base: Path, data: str | None, store: Store | None) -> PlannedStudy:
    """The plan of a study whose paths are relative to `base`; `data`, where given, is relative to where we are."""
    from mien.datasets.spec import DataSpec
    from mien.study.planning import plan_study
    from mien.study.reference import read_references

    read_references(study, base)  # A mistake in it shall not wait for the report.
    given = study.data
    if data is not None:
        given = replace(given, path=DataSpec(path=data).resolved(Path.cwd()).path, sources=())
    return plan_study(study, given.resolved(base), base, store)


def _measure(planned: PlannedStudy, store: Store | None) -> None:
    from mien.cli.console import open_console
    from mien.study.backbones import backbone
    from mien.study.forecast import measure
    from mien.study.processes import SubprocessExecutor

    messages = open_console(stderr=True)
    with messages.status("measuring"):
        measure(
            planned,
            store,
            SubprocessExecutor(),
            begins=lambda index, count, run: messages.print(
                f"measuring {index} of {count}: {backbone(run.recipe.backbone).title}", markup=False
            ),
        )


def _store_of(study: Path, output: Path | None) -> Store:
    from mien.study.spec import read_study
    from mien.study.store import Store

    if study.is_dir():
        return Store.open(study)
    return Store.open(output or default_store(read_study(study)))


def _print(table: object) -> None:
    from mien.cli.console import open_console

    open_console().print(table)
