"""Runs what a plan asks for and a store lacks. This module imports no deep learning framework."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from mien.datasets.protocol import apply_protocol
from mien.errors import MienError, StoreError, StudyFileError
from mien.others import refuse_while_loading
from mien.study.forecast import expect
from mien.study.held import begin_from
from mien.study.order import order_runs
from mien.study.plan import Plan, PlannedRun, portable
from mien.study.planning import PlannedStudy
from mien.study.processes import Executor, Job, SubprocessExecutor
from mien.study.record import RunRecord, RunStatus, data_facts
from mien.study.spec import Table
from mien.study.store import Store


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

    @property
    def complete(self) -> bool:
        """Whether every run has its record now."""
        return not self.stopped and not self.failed


class StudyWatch(Protocol):
    """What `run_study` tells while it goes on: one thing at a time, of several runs where several go on at once."""

    def run_begins(self, index: int, count: int, run: PlannedRun) -> None:
        """The `index`-th (from 1) of `count` runs begins."""

    def said(self, run: PlannedRun, what: Mapping[str, Any]) -> None:
        """The run's worker said something: "stage", "step", "epoch" or "ended"."""

    def run_ends(self, run: PlannedRun, status: str, reason: str | None) -> None:
        """The run is over for now."""


def run_study(
    planned: PlannedStudy,
    store: Store,
    *,
    watch: StudyWatch,
    tables: Sequence[Table] | None = None,
    executor: Executor | None = None,
    minutes: float | None = None,
    keep_weights: bool = True,
    keep_checkpoints: bool = False,
) -> Progress:
    """Run what the store lacks. The caller holds the store for writing.

    A run that failed is tried again; one that diverged is not, since it would diverge again.

    Args:
        planned: the plan and its data.
        store: where records go.
        watch: is told what happens.
        tables: run only what these tables need; None for all.
        executor: where runs happen; by default a process each.
        minutes: time after which current runs stop at their next end of an epoch, and no other begins. With a limit,
            runs come in the order that answers most questions first (see `order_runs`); else in the plan's order.
        keep_weights: whether the weights of each run stay beside its record.
        keep_checkpoints: whether longer runs of the same course may go on from these: two to three times the bytes of
            the weights.
    """
    refuse_while_loading("runs")
    executor = executor or SubprocessExecutor()
    started = time.monotonic()
    progress = Progress()
    waiting = []
    wanted = wanted_of(planned, tables)
    store.keep_plan(planned.plan)  # before a damaged record can end this: the study that it belongs to is kept already
    runs: Sequence[PlannedRun] = wanted.runs
    records = store.records(planned.plan) if minutes is None else {one.id: one for one in store.summaries()}
    states = {name: record.status for name, record in records.items() if record.status is not RunStatus.FAILED}
    if minutes is not None:
        # Time may be up before the end: what answers most comes first.
        ready = [run.id for run in planned.plan.runs if run.id in states]
        expected = expect(planned, store, records=list(records.values()))
        ahead = order_runs(wanted, lambda run: expected[run.id].minutes, done=ready)
        runs = [*(run for run in wanted.runs if run.id in ready), *ahead]
    for run in runs:
        if run.id in states:
            progress.done[run.id] = states[run.id]
        else:
            waiting.append(run)
    turn = threading.RLock()  # several runs may go on at once: each tells in its turn

    def do(numbered: tuple[int, PlannedRun]) -> None:
        index, run = numbered
        with turn:
            left = None if minutes is None else minutes * 60 - (time.monotonic() - started)
            progress.stopped |= left is not None and left <= 0
            if progress.stopped:
                return
            store.withdraw(run.id)
            watch.run_begins(index, len(waiting), run)
        status, reason = _run(run, planned, store, executor, watch, turn, left, keep_weights, keep_checkpoints)
        with turn:
            watch.run_ends(run, status or "stopped", reason)
            if status is None:
                progress.stopped = True
            elif status is RunStatus.FAILED:
                progress.failed[run.id] = reason or ""
            else:
                progress.done[run.id] = status

    executor.each(do, list(enumerate(waiting, start=1)))
    return progress


def _run(
    run: PlannedRun,
    planned: PlannedStudy,
    store: Store,
    executor: Executor,
    watch: StudyWatch,
    turn: AbstractContextManager[Any],
    seconds: float | None,
    keep_weights: bool,
    keep_checkpoint: bool,
) -> tuple[RunStatus | None, str | None]:
    """One run to its end: its status (None when time ran out), and the reason where it did not complete."""
    facts = planned.facts[run.protocol]
    job = Job(
        action="run",
        run=run,
        data=planned.data,
        store=str(store.folder.resolve()),
        seconds=seconds,
        keep_weights=keep_weights,
        keep_checkpoint=keep_checkpoint,
        fingerprint=facts.fingerprint,
        split=facts.split,
    )
    begun = begin_from(run, facts, store)
    ended: dict[str, Any] = {}

    def listen(said: Mapping[str, Any]) -> None:
        if said["say"] == "ended":
            ended.update(said)
        with turn:
            watch.said(run, said)

    if begun:
        listen({"say": "stage", "text": begun})
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


def wanted_of(planned: PlannedStudy, tables: Sequence[Table] | None) -> Plan:
    """What of a plan is to be run: all of it, or what these tables need.

    Raises:
        StudyFileError: that is no run at all.
    """
    wanted = planned.plan if tables is None else planned.plan.only(tables)
    if not wanted.runs:
        every = "Its one cell is skipped" if len(wanted.cells) == 1 else "Every cell is skipped, the first"
        raise StudyFileError(f"There is nothing to run. {every} because: {_first_skip(wanted)}")
    return wanted


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
