"""Studies: what they will run, running them, how far they have got, and their report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mien.arguments import checked
from mien.datasets.spec import DataSpec
from mien.errors import MienError, MissingExtraError, StoreError
from mien.frame import frame
from mien.machine import core_count, has_gpu
from mien.report.results import run_titles
from mien.study import planning, running
from mien.study.backbones import backbone
from mien.study.backend import find_backend
from mien.study.forecast import Expected, expect, measure
from mien.study.held import unanswered
from mien.study.order import order_runs
from mien.study.plan import Cell, Plan, PlannedRun
from mien.study.processes import Executor, SubprocessExecutor
from mien.study.record import STORE_FILE, Epoch, RunRecord
from mien.study.reference import read_references
from mien.study.running import Progress, StudyWatch
from mien.study.spec import Study, parse_study, read_study, tables_named
from mien.study.store import Store
from mien.wording import count_text


class Unwatched(StudyWatch):
    """Tells nobody how runs go on."""

    def run_begins(self, index: int, count: int, run: PlannedRun) -> None:
        """Say nothing."""

    def said(self, run: PlannedRun, what: Mapping[str, Any]) -> None:
        """Say nothing."""

    def run_ends(self, run: PlannedRun, status: str, reason: str | None) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Turn:
    """A run in the order in which runs come when time is short.

    Attributes:
        run: the run.
        minutes: that it is expected to take.
        until: minutes from the beginning to its end.
        in_time: whether it ends in time.
    """

    run: PlannedRun
    minutes: float
    until: float
    in_time: bool


@dataclass(frozen=True, eq=False)
class StudyPlan:
    """What a study would run, what it skips and why, and how long it will take.

    Attributes:
        planned: the whole plan, with its data.
        text: the study file.
        base: the folder that paths in it are relative to.
        folder: where the records go.
        only: the tables that are asked for; empty for all.
    """

    planned: planning.PlannedStudy
    text: str
    base: Path
    folder: Path
    only: tuple[str, ...] = ()

    @cached_property
    def plan(self) -> Plan:
        """The part of the plan that the tables asked for need."""
        return self.planned.plan.only(tables_named(self.planned.plan.study, self.only))

    @cached_property
    def titles(self) -> dict[str, str]:
        """What each run is, in words, by its id."""
        return run_titles(self.plan)

    @property
    def store(self) -> Store | None:
        """The store, or None where there is none yet."""
        return Store.open(self.folder) if (self.folder / STORE_FILE).is_file() else None

    @cached_property
    def done(self) -> frozenset[str]:
        """The ids of the runs that have ended and are not run again; those that failed are."""
        store = self.store
        return frozenset(run.id for run in self.plan.runs if store is not None and store.is_done(run.id))

    @cached_property
    def expected(self) -> dict[str, Expected]:
        """What each run is expected to cost here, by its id. Nothing is measured for it."""
        return expect(replace(self.planned, plan=self.plan), self.store)

    @property
    def unanswered(self) -> list[tuple[Cell, str]]:
        """The cells that a finished run does not answer, each with the reason and the way out."""
        store = self.store
        return unanswered(self.plan, {} if store is None else {record.id: record for record in store.summaries()})

    @property
    def advice(self) -> str | None:
        """How the runs that wait would be done sooner on this machine; None where nothing is known to help."""
        cores, waiting = core_count(), len(self.plan.runs) - len(self.done)
        if waiting < 2 or cores < 2 or has_gpu():
            return None
        return (
            f"Sooner: --on ray (pip install 'mien[scale]') computes {min(cores, waiting)} of these runs at once, a "
            "thread each; on two cores that was 1.6 to 1.7 times as fast as one run after another with all threads."
        )

    def images(self, run: PlannedRun) -> int:
        """How many images a run learns from."""
        return self.planned.facts[run.protocol].train

    def network(self, run: PlannedRun) -> str:
        """The title of a run's network."""
        return backbone(run.recipe.backbone).title

    def measure(self, begins: Callable[[int, int, PlannedRun], None] = lambda index, count, run: None) -> None:
        """First take a few steps of each kind of run, once for this machine, for better forecasts.

        Args:
            begins: is told the number (from 1) of each measurement that begins, how many there are, and its run.

        Raises:
            MissingExtraError: Keras is not installed.
        """
        measure(replace(self.planned, plan=self.plan), self.store, SubprocessExecutor(), begins=begins)
        self.__dict__.pop("expected", None)

    def within(self, minutes: float) -> list[Turn]:
        """The runs that wait, in the order that answers most first, with those that fit into a time."""
        turns, until = [], 0.0
        for run in order_runs(self.plan, lambda run: self.expected[run.id].minutes, done=list(self.done)):
            needed = self.expected[run.id].minutes
            until += needed
            turns.append(Turn(run, needed, until, until <= minutes))
        return turns

    def frame(self) -> Any:
        """The runs as a table, a row each; see `mien.frame.frame`."""
        return frame(
            [
                {
                    "run": run.id,
                    "title": self.titles[run.id],
                    "images": self.images(run),
                    "epochs": run.recipe.epochs,
                    "minutes": self.expected[run.id].minutes,
                    "known_from": self.expected[run.id].source.value,
                    "memory_mib": self.expected[run.id].cost.memory_mib,
                    "done": run.id in self.done,
                }
                for run in self.plan.runs
            ]
        )

    def __repr__(self) -> str:
        runs, cells = count_text(len(self.plan.runs), "run"), count_text(len(self.plan.cells), "cell")
        return (
            f"<plan of {self.plan.study.name}: {runs}, {len(self.done)} of them done, for {cells}; .frame() lists them>"
        )

    def _repr_html_(self) -> str:
        return str(self.frame()._repr_html_())


@dataclass(frozen=True, eq=False)
class StudyState:
    """How far a study has got.

    Attributes:
        plan: as it was last run.
        records: of finished runs, by id.
        store: where they are.
    """

    plan: Plan
    records: Mapping[str, RunRecord]
    store: Store

    @cached_property
    def titles(self) -> dict[str, str]:
        """What each run is, in words, by its id."""
        return run_titles(self.plan)

    @property
    def unanswered(self) -> list[tuple[Cell, str]]:
        """The cells that a finished run does not answer, each with the reason and the way out."""
        return unanswered(self.plan, self.records)

    @property
    def openings(self) -> int:
        """How many times test labels were opened, each by a finished run."""
        return len(self.store.openings())

    @cached_property
    def under_way(self) -> dict[str, tuple[Epoch, ...]]:
        """The epochs of each run that was begun and has no record yet, by its id: as far as its last checkpoint."""
        found = {run.id: self.store.under_way(run.id) for run in self.plan.runs if run.id not in self.records}
        return {run_id: epochs for run_id, epochs in found.items() if epochs is not None}

    def state(self, run: PlannedRun) -> str:
        """The status of a run's record with its reason; "begun" or "waiting" where there is none."""
        record = self.records.get(run.id)
        if record is None:
            return "begun" if run.id in self.under_way else "waiting"
        return record.status.value + (f": {record.reason}" if record.reason else "")

    def history(self, run: PlannedRun) -> tuple[Epoch, ...]:
        """The epochs that a run has behind it; none where it waits."""
        record = self.records.get(run.id)
        return self.under_way.get(run.id, ()) if record is None else record.history

    def frame(self) -> Any:
        """The runs as a table, a row each; see `mien.frame.frame`."""
        rows: list[dict[str, Any]] = []
        for run in self.plan.runs:
            history = self.history(run)
            rows.append(
                {
                    "run": run.id,
                    "title": self.titles[run.id],
                    "state": self.state(run),
                    "epochs": run.recipe.epochs,
                    "epochs_done": len(history),
                    "validation_accuracy": history[-1].validation_accuracy if history else None,
                }
            )
        return frame(rows)

    def __repr__(self) -> str:
        return f"<{self.plan.study.name}: {len(self.records)} of {len(self.plan.runs)} runs have their record>"

    def _repr_html_(self) -> str:
        return str(self.frame()._repr_html_())


@checked()
def plan_study(
    study: Path | str, *, data: Path | str | None = None, store: Path | str | None = None, only: Sequence[str] = ()
) -> StudyPlan:
    """Work out what a study would run. Nothing is trained or measured, and Keras is not needed.

    Args:
        study: the study file (TOML).
        data: read this data set instead of the one that the file names.
        store: folder of the run records; None for stores/NAME of the study.
        only: only what these tables need; empty for all.

    Raises:
        StudyFileError: the file, or one that it names, has a mistake, or has no such table.
        DataError: the data cannot be read.
        ProtocolError: they cannot be used under the study's protocol.
    """
    path = Path(study)
    return planned_of(
        read_study(path), path.read_text(encoding="utf-8"), path.parent, data=data, store=store, only=only
    )


def plan_demo(store: Path | str = "mien-demo") -> StudyPlan:
    """The plan of a small study of real networks on drawn faces; it needs no download.

    Args:
        store: folder of the run records.
    """
    text = files("mien").joinpath("data", "demo.toml").read_text(encoding="utf-8")
    return planned_of(parse_study(text, name="demo.toml"), text, Path.cwd(), store=store)


def planned_of(
    study: Study,
    text: str,
    base: Path,
    *,
    data: Path | str | None = None,
    store: Path | str | None = None,
    only: Sequence[str] = (),
) -> StudyPlan:
    """As `plan_study`, for a study whose file is read already; paths in it are relative to `base`."""
    tables_named(study, only)  # A mistake shall not wait for the data,
    read_references(study, base)  # nor one in the published figures for the report.
    given = study.data
    if data is not None:
        given = replace(given, path=DataSpec(path=str(data)).resolved(Path.cwd()).path, sources=())
    folder = default_store(study) if store is None else Path(store)
    there = Store.open(folder) if (folder / STORE_FILE).is_file() else None
    planned = planning.plan_study(study, given.resolved(base), base, there)
    return StudyPlan(planned, text, base, folder, tuple(only))


def default_store(study: Study) -> Path:
    """Where a study keeps its records when nothing else is said."""
    return Path("stores") / study.name


@checked()
def run_study(
    study: StudyPlan | Path | str,
    *,
    on: str | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
    minutes: float | None = None,
    keep_weights: bool = True,
    keep_checkpoints: bool = False,
    watch: StudyWatch | None = None,
    note: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Progress:
    """Run what a study asks for and its store lacks; after any interruption, go on from the last finished epoch.

    Args:
        study: a plan, or the study file.
        on: where runs are computed: None for this machine, one after another; "ray" for as many at once as it has room
            for; "ray:ADDRESS" for the nodes of a Ray cluster ("ray:auto" on one of them). Needs the extra `scale`.
        cpus: processors of a run, and the threads that it computes with. None leaves the threads to the backend here,
            and on Ray takes 1, or with GPUs those that come with them.
        gpus: GPUs of a run; several share each of its batches, which needs Keras on JAX. On Ray also 0.5, for two runs
            on each. None for 1 where there are any.
        minutes: time after which current runs stop at their next end of an epoch, and no other begins; runs come in
            the order that answers most first then.
        keep_weights: whether the weights of each run stay beside its record.
        keep_checkpoints: whether longer runs of the same course may go on from these later.
        watch: is told what happens.
        note: is told what else is worth knowing.
        **options: of `plan_study`, where `study` is a file.

    Returns:
        What became of the runs; `.complete` says whether each has its record now.

    Raises:
        StudyFileError: the file has a mistake, or there is nothing to run.
        StoreError: the store cannot be written to.
        MissingExtraError: Keras is not installed, or Ray where it is asked for.
        MienError: the cluster cannot be reached, has no room for a run, or has a node with another mien.
    """
    for name, given, least in (("minutes", minutes, 0), ("cpus", cpus, 1)):
        if given is not None and not least <= given < math.inf:
            raise MienError(f"{name} is a number from {least} on, or None. Received: {name} = {given}.")
    find_backend()  # Before anything is planned or read: whoever lacks the extra need not wait to be told.
    ahead = study if isinstance(study, StudyPlan) else plan_study(study, **options)
    asked = ahead.planned.plan.study
    tables = tables_named(asked, ahead.only)
    running.wanted_of(ahead.planned, tables)  # Before the store is told of it: what cannot be run changes nothing.
    store = Store.create(ahead.folder)
    with store.writing(), _executor(ahead, on, cpus, gpus) as executor:
        store.keep_references(asked, ahead.base)
        if store.keep_study(ahead.text):
            note(
                "This store was last run for something else: its runs are kept, and the report will be of those that "
                "are asked for now."
            )
        for text in ahead.planned.notes:
            note(text)
        progress = running.run_study(
            ahead.planned,
            store,
            watch=watch or Unwatched(),
            tables=tables,
            executor=executor,
            minutes=minutes,
            keep_weights=keep_weights,
            keep_checkpoints=keep_checkpoints,
        )
    if progress.stopped:
        note("Time is up. The same command goes on from here.")
    return progress


@contextmanager
def _executor(ahead: StudyPlan, on: str | None, cpus: int | None, gpus: float | None) -> Iterator[Executor]:
    if on is None:
        if gpus is not None and (gpus < 1 or gpus % 1):
            raise MienError(
                f"A run on this machine takes 1 GPU or several. Received: gpus = {gpus:g}. Runs share a GPU, or do "
                "without those that there are, on Ray alone: on = 'ray' (--on ray)."
            )
        yield SubprocessExecutor(threads=cpus, gpus=int(gpus or 1))
        return
    from mien.scale.cluster import connected
    from mien.scale.runs import RayExecutor

    known = {run.id: ahead.expected[run.id].cost.memory_mib for run in ahead.plan.runs}
    memory = {run: mib * 2**20 for run, mib in known.items() if mib is not None}
    with connected(on) as cluster:
        yield RayExecutor(cluster, ahead.planned.dataset, cpus=cpus, gpus=gpus, memory=memory)


@checked()
def study_state(study: Path | str, store: Path | str | None = None) -> StudyState:
    """Which runs of a study are done, waiting, failed or diverged.

    Args:
        study: the study file, or the folder of its store.
        store: folder of the run records, where `study` is a file; None for stores/NAME of the study.

    Raises:
        StoreError: nothing was run there yet, or a file is damaged.
        StudyFileError: the study file has a mistake.
    """
    place = _store_of(Path(study), store)
    plan = place.plan()
    return StudyState(plan, place.records(plan), place)


def check_training_and_report() -> None:
    """Say what training, or the report that it shall end with, lacks here, before minutes of work.

    Raises:
        MissingExtraError: Keras or its backend, or jinja2, matplotlib or SciPy is not installed.
    """
    find_backend()
    if any(find_spec(package) is None for package in ("jinja2", "matplotlib", "scipy")):
        raise MissingExtraError("The report", "report")


@checked()
def write_report(
    study: Store | Path | str,
    to: Path | str | None = None,
    *,
    store: Path | str | None = None,
    page_only: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write the report of a study: one page, with every table as CSV and every figure as SVG.

    Args:
        study: a store, its folder, or the study file.
        to: folder of the report; None for report/ in the store. With `page_only` also the page, named with ".html".
        store: folder of the run records, where `study` is a file; None for stores/NAME of the study.
        page_only: write the page alone, to be handed on as one file.
        progress: told how many of how many steps are done.

    Returns:
        The path of the page.

    Raises:
        StoreError: nothing was run there yet, or a file is damaged.
        MissingExtraError: jinja2 or matplotlib is not installed.
        ReportError: the folder cannot be written to, or is named as a page.
    """
    from mien.report.page import write_report as write

    place = study if isinstance(study, Store) else _store_of(Path(study), store)
    plan = place.plan()
    records, foreign = place.records(plan), place.foreign()
    if not (records or foreign):
        # A page that is there may tell of records which have gone since: an empty one must not take its place.
        raise StoreError(
            f"No run in the store {place.folder} has a record yet, so there is nothing to report: mien study run "
            f"STUDY. How far its runs are: mien study status {place.folder}"
        )
    return write(
        plan,
        records,
        foreign=foreign,
        folder=place.folder / "report" if to is None else Path(to),
        openings=place.openings(),
        references=place.references(plan.study),
        cache=place.cache,
        page_only=page_only,
        progress=progress,
    )


def _store_of(study: Path, store: Path | str | None) -> Store:
    if study.is_dir():
        return Store.open(study)
    return Store.open(default_store(read_study(study)) if store is None else Path(store))
