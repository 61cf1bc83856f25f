"""Runs what a plan asks for and a store lacks. This module imports no deep learning framework."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mien.datasets.dataset import Dataset
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import read_dataset
from mien.datasets.spec import DataSpec
from mien.errors import MienError, StoreError, StudyFileError
from mien.files import write_json
from mien.study.order import order_runs
from mien.study.plan import Plan, PlannedRun, SplitFacts, make_plan, portable
from mien.study.record import RunRecord, RunStatus
from mien.study.spec import Study, Table
from mien.study.store import Store
from mien.training.backend import choose_backend
from mien.training.forecast import Cost, cost_key
from mien.training.job import Job, data_facts

FORECAST_FILE = "forecast.json"

# What a worker says, as it says it.
Listener = Callable[[Mapping[str, Any]], None]


class Executor(Protocol):
    """Where a job happens: in a process beside this one, or one day on another machine."""

    def submit(self, job: Job, listen: Listener) -> None:
        """Do a job to its end, passing on what it says.

        Raises:
            MienError: the job refused, with its reason.
            WorkerDiedError: the job's process ended without a word.
        """


class WorkerDiedError(MienError):
    """The process of a run ended before its time."""


class SubprocessExecutor:
    """Does each job in a fresh process, so that its memory returns when it is done."""

    def submit(self, job: Job, listen: Listener) -> None:
        """Do a job; see `Executor`."""
        with subprocess.Popen(
            [sys.executable, "-m", "mien.training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            complaints: list[str] = []
            reader = threading.Thread(target=lambda: complaints.extend(process.stderr or []), daemon=True)
            reader.start()
            refusal = None
            try:
                process.stdin.write(job.to_json())  # type: ignore[union-attr]
                process.stdin.close()  # type: ignore[union-attr]
                for line in process.stdout or []:
                    said = json.loads(line)
                    if said["say"] == "refused":
                        refusal = said["reason"]
                    listen(said)
            except BaseException:
                # Ctrl-C, or a listener's error: the worker must not go on alone. Its last checkpoint stays.
                process.kill()
                raise
            process.wait()
            reader.join()
        if refusal is not None:
            raise MienError(refusal)
        if process.returncode:
            raise WorkerDiedError(_last_words(process.returncode, complaints))


@dataclass
class Progress:
    """What became of a `run_study`.

    Attributes:
        done: runs that have their record now, by id.
        failed: runs that failed, with the reason.
        stopped: whether time ran out before all runs were done.
    """

    done: dict[str, RunStatus] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


class StudyWatch(Protocol):
    """What `run_study` tells while it goes on."""

    def run_begins(self, index: int, count: int, run: PlannedRun) -> None:
        """The `index`-th (from 1) of `count` runs begins."""

    def said(self, run: PlannedRun, what: Mapping[str, Any]) -> None:
        """The run's worker said something: "stage", "step", "epoch" or "ended"."""

    def run_ends(self, run: PlannedRun, status: str, reason: str | None) -> None:
        """The run is over for now."""


@dataclass(frozen=True)
class PlannedStudy:
    """A plan with the facts of its data."""

    plan: Plan
    facts: Mapping[ProtocolSpec, SplitFacts]
    data: DataSpec
    dataset: Dataset
    notes: tuple[str, ...]


def plan_study(study: Study, data: DataSpec, base: Path | None = None) -> PlannedStudy:
    """Read the data set and work out the plan.

    Args:
        study: what is asked.
        data: its data, with absolute paths.
        base: folder that the study's weight files are relative to; None for the current one.
    """
    # Before the data: whoever lacks the extra need not wait to be told.
    backend = choose_backend()
    dataset = read_dataset(data)
    facts: dict[ProtocolSpec, SplitFacts] = {}
    notes: dict[str, None] = dict.fromkeys(dataset.notes)

    def facts_of(protocol: ProtocolSpec) -> SplitFacts:
        split = apply_protocol(dataset, protocol)
        notes.update(dict.fromkeys(split.notes))
        facts[protocol] = SplitFacts(
            fingerprint=dataset.fingerprint,
            split=split.hash,
            image_size=max(dataset.size),
            classes=len(split.label_set),
            train=len(split.train),
            validation=len(split.validation),
            test=len(split.test),
        )
        return facts[protocol]

    plan = make_plan(study, facts_of, backend=backend, base=base)
    return PlannedStudy(plan, facts, data, dataset, tuple(notes))


def run_study(
    planned: PlannedStudy,
    store: Store,
    *,
    watch: StudyWatch,
    tables: Sequence[Table] | None = None,
    executor: Executor | None = None,
    minutes: float | None = None,
    keep_weights: bool = True,
) -> Progress:
    """Run what the store lacks, one run after another. The caller holds the store for writing.

    A run that failed is tried again; one that diverged is not, since it would diverge again.

    Args:
        planned: the plan and its data.
        store: where records go.
        watch: is told what happens.
        tables: run only what these tables need; None for all.
        executor: where runs happen; by default a process each.
        minutes: time after which the current run stops at its next end of an epoch, and no other begins. With a limit,
            runs come in the order that answers most questions first (see `order_runs`); else in the plan's order.
        keep_weights: whether the weights of each run stay beside its record.
    """
    executor = executor or SubprocessExecutor()
    started = time.monotonic()
    progress = Progress()
    waiting = []
    wanted = planned.plan if tables is None else planned.plan.only(tables)
    if not wanted.runs:
        raise StudyFileError(
            f"There is nothing to run: every cell is skipped, the first because: {_first_skip(wanted)}"
        )
    runs: Sequence[PlannedRun] = wanted.runs
    if minutes is not None:
        # Time may be up before the end: what answers most comes first.
        ready = [run.id for run in planned.plan.runs if store.has(run.id)]
        ahead = order_runs(wanted, known_minutes(planned, store.folder), done=ready)
        runs = [*(run for run in wanted.runs if run.id in ready), *ahead]
    for run in runs:
        status = store.read(run.id).status if store.has(run.id) else None
        if status is None or status is RunStatus.FAILED:
            waiting.append(run)
        else:
            progress.done[run.id] = status
    store.keep_plan(planned.plan)
    for index, run in enumerate(waiting, start=1):
        left = None if minutes is None else minutes * 60 - (time.monotonic() - started)
        if left is not None and left <= 0:
            progress.stopped = True
            break
        watch.run_begins(index, len(waiting), run)
        status, reason = _run(run, planned, store, executor, watch, left, keep_weights)
        watch.run_ends(run, status or "stopped", reason)
        if status is None:
            progress.stopped = True
            break
        if status is RunStatus.FAILED:
            progress.failed[run.id] = reason or ""
        else:
            progress.done[run.id] = status
    return progress


def forecast(
    planned: PlannedStudy, cache: Path | None, *, listen: Callable[[PlannedRun], None], executor: Executor | None = None
) -> Iterator[tuple[PlannedRun, Cost]]:
    """Measure what each run will cost, once for all runs of one kind.

    Args:
        planned: the plan and its data.
        cache: a folder in which earlier measurements are kept, and these added; None for none.
        listen: is told of each measurement that begins.
        executor: where measurements happen; by default a process each.

    Yields:
        Each run with its cost, in the plan's order.
    """
    executor = executor or SubprocessExecutor()
    path = cache / FORECAST_FILE if cache else None
    known = _measured(path)
    for run in planned.plan.runs:
        key = cost_key(run, planned.facts[run.protocol])
        if key not in known:
            listen(run)
            said: dict[str, Any] = {}
            job = Job(action="measure", run=run, data=planned.data, store="")
            executor.submit(job, lambda what, said=said: said.update(what) if what["say"] == "measured" else None)  # type: ignore[misc]
            known[key] = {name: value for name, value in said.items() if name != "say"}
            if path:
                write_json(path, known)
        yield run, Cost.from_json(known[key])


def known_minutes(planned: PlannedStudy, cache: Path | None) -> Callable[[PlannedRun], float] | None:
    """The forecast minutes of runs, where every kind of run of the plan has been measured on this machine; else None.

    Args:
        planned: the plan and its data.
        cache: the folder in which `forecast` kept its measurements; None for none.
    """
    known = _measured(cache / FORECAST_FILE if cache else None)
    minutes: dict[str, float] = {}
    for run in planned.plan.runs:
        facts = planned.facts[run.protocol]
        cost = known.get(cost_key(run, facts))
        if cost is None:
            return None
        minutes[run.id] = Cost.from_json(cost).minutes(run, facts)
    return lambda run: minutes[run.id]


def _measured(path: Path | None) -> dict[str, Any]:
    """What a file of measurements holds; nothing where there is none."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
    return known


def _run(
    run: PlannedRun,
    planned: PlannedStudy,
    store: Store,
    executor: Executor,
    watch: StudyWatch,
    seconds: float | None,
    keep_weights: bool,
) -> tuple[RunStatus | None, str | None]:
    """One run to its end: its status (None when time ran out), and the reason where it did not complete."""
    job = Job(
        action="run",
        run=run,
        data=planned.data,
        store=str(store.folder.resolve()),
        seconds=seconds,
        keep_weights=keep_weights,
    )
    ended: dict[str, Any] = {}

    def listen(said: Mapping[str, Any]) -> None:
        if said["say"] == "ended":
            ended.update(said)
        watch.said(run, said)

    try:
        executor.submit(job, listen)
    except StoreError:
        raise
    except MienError as error:
        _record_failure(run, planned, store, str(error))
        return RunStatus.FAILED, str(error)
    if ended.get("status") is None:
        return None, None
    record = store.read(run.id)
    return record.status, record.reason


def _first_skip(plan: Plan) -> str | None:
    return next((cell.reason for cell in plan.cells if cell.reason), None)


def _record_failure(run: PlannedRun, planned: PlannedStudy, store: Store, reason: str) -> None:
    """A failed run has a record too: reports say why a cell is empty."""
    split = apply_protocol(planned.dataset, run.protocol)
    record = RunRecord(
        id=run.id,
        status=RunStatus.FAILED,
        reason=reason,
        recipe=portable(run.recipe),
        protocol=run.to_json()["protocol"],
        data=data_facts(planned.dataset, split),
        label_set=split.label_set,
        readouts=run.readouts,
    )
    record.write(store.run_folder(run.id))


def _last_words(code: int, complaints: list[str]) -> str:
    """Why a worker died, from its exit code and the end of what it printed."""
    if code == -9:
        return "The run's process was killed, most likely because memory ran out. A smaller batch_size may help."
    last = next((line.strip() for line in reversed(complaints) if line.strip()), "no word of why")
    return f"The run's process ended with code {code}: {last}"
