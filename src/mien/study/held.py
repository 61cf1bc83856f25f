"""Which runs of a plan a store holds already, under whatever name they were finished.

A run is named by all that can change its result. Names once told of its readouts too, so that another column meant
another name; runs of that time are found by the name that they have. And a run whose schedule does not depend on its
length answers for every readout that it holds, whether it is longer or shorter than the one that is asked for now.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace

from mien.datasets.protocol import ProtocolSpec
from mien.files import written_whole
from mien.study.plan import Cell, Plan, PlannedRun, SplitFacts, identity_of, name_of
from mien.study.record import RunRecord, RunStatus
from mien.study.store import CHECKPOINT_FILE, EPOCH_FILES, Store, resumed_from


def with_held_runs(plan: Plan, facts: Mapping[ProtocolSpec, SplitFacts], store: Store) -> Plan:
    """The plan with what a store holds of it: runs under the names that they have there, and no run without need.

    Args:
        plan: as `make_plan` gives it.
        facts: of each protocol of the plan.
        store: where records are.

    Returns:
        A plan of the same cells. A cell whose readout a finished record of the same course holds is answered by that
        one; its own run is left out where nothing else needs it.
    """
    records = {record.id: record for record in store.summaries() if _can_answer(record)}
    runs: dict[str, PlannedRun] = {}
    answers: dict[tuple[str, int], str] = {}

    def add(run: PlannedRun) -> None:
        known = runs.get(run.id)
        runs[run.id] = run if known is None else replace(known, readouts=_together(known.readouts, run.readouts))

    for run in plan.runs:
        found = _on_course(run, facts[run.protocol], records)
        own = _own(run, found)
        needed = own is not None
        for readout in sorted({cell.readout for cell in plan.cells if cell.run_id == run.id and cell.readout}):
            holders = [record for record in found if record.status is RunStatus.COMPLETE and readout in record.readouts]
            if own is not None and (own in holders or not holders):
                answers[run.id, readout] = own.id
            elif holders:
                answers[run.id, readout] = holders[0].id
                recipe = replace(run.recipe, epochs=holders[0].recipe["epochs"])
                add(PlannedRun(holders[0].id, recipe, run.protocol, (readout,)))
            else:
                needed = True
        if needed:
            name = own.id if own is not None else _begun(run, facts[run.protocol], store)
            add(replace(run, id=name))
            answers.update({(run.id, r): name for r in run.readouts if (run.id, r) not in answers})
    cells = (
        replace(cell, run_id=answers[cell.run_id, cell.readout]) if cell.run_id and cell.readout else cell
        for cell in plan.cells
    )
    return replace(plan, cells=tuple(cells), runs=tuple(runs.values()))


def unanswered(plan: Plan, records: Mapping[str, RunRecord]) -> list[tuple[Cell, str]]:
    """The cells that a finished run does not answer, each with the reason and the way out.

    Args:
        plan: cells and runs.
        records: by run id.
    """
    found = []
    for cell in plan.cells:
        record = records.get(cell.run_id or "")
        if record is not None and record.status is RunStatus.COMPLETE and cell.readout not in record.readouts:
            found.append((cell, why_unanswered(record, cell.readout or 0)))
    return found


def why_unanswered(record: RunRecord, readout: int) -> str:
    """Why a finished run has no answers after an epoch, and how to have them."""
    return (
        f"Run {record.id} was finished before epoch {readout} was asked for, and its weights of that epoch are gone. "
        f"To have it, remove the folder runs/{record.id} from the store: the next mien study run trains it again."
    )


def _can_answer(record: RunRecord) -> bool:
    return record.foreign is None and record.status is not RunStatus.FAILED


def begin_from(run: PlannedRun, facts: SplitFacts, store: Store) -> str:
    """Put the checkpoint of a shorter run of the same course where a run goes on from it.

    Returns:
        What it goes on from, or why a run that is the same but shorter is of no use; an empty text where there is none,
        or where the run has begun already.
    """
    folder = store.run_folder(run.id)
    if (folder / CHECKPOINT_FILE).is_file():
        return ""
    records = {r.id: r for r in store.summaries() if r.status is RunStatus.COMPLETE and r.foreign is None}
    shorter = [r for r in _of_any_length(run, facts, records) if r.recipe["epochs"] < run.recipe.epochs]
    if not shorter:
        return ""
    held = f"run {shorter[0].id}, of {shorter[0].recipe['epochs']} epochs,"
    if not run.recipe.prefix_stable:
        return (
            f"training from the first epoch: {held} is another course, since a {run.recipe.schedule} schedule depends "
            "on its length from the first step on"
        )
    for record in shorter:
        files = resumed_from(store.run_folder(record.id))
        stopped = len(record.history) < record.recipe["epochs"]
        # Where training had stopped, its last weights are the longer run's too.
        end = EPOCH_FILES.replace("*", str(record.chosen[-1]))
        if files and (not stopped or end in {file.name for file in files}):
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                with written_whole(folder / file.name) as copied, file.open("rb") as original:
                    shutil.copyfileobj(original, copied)
            return f"going on from epoch {len(record.history)} of run {record.id}"
    return (
        f"training from the first epoch: {held} kept no checkpoint to go on from; mien study run --keep-checkpoints "
        "keeps them"
    )


def _of_any_length(run: PlannedRun, facts: SplitFacts, records: Mapping[str, RunRecord]) -> list[RunRecord]:
    """The records that differ from a run in their number of epochs alone, the longest first."""
    identity = identity_of(run.recipe, facts)
    lengths = sorted(
        {record.recipe["epochs"] for record in records.values() if "epochs" in record.recipe}, reverse=True
    )
    names = [name_of({**identity, "recipe": {**identity["recipe"], "epochs": epochs}}) for epochs in lengths]
    return [records[name] for name in names if name in records]


def _on_course(run: PlannedRun, facts: SplitFacts, records: Mapping[str, RunRecord]) -> list[RunRecord]:
    """The records of a run's course, of whatever length where its schedule allows; the longest first."""
    identity = identity_of(run.recipe, facts)
    found = {}
    for epochs, readouts in sorted({(r.recipe["epochs"], r.readouts) for r in records.values()}, reverse=True):
        if epochs == run.recipe.epochs or run.recipe.prefix_stable:
            values = {**identity, "recipe": {**identity["recipe"], "epochs": epochs}}
            for name in (name_of(values), name_of({**values, "readouts": list(readouts)})):
                if name in records:
                    found[name] = records[name]
    return list(found.values())


def _own(run: PlannedRun, found: list[RunRecord]) -> RunRecord | None:
    """The record of the run itself: of its own length, and of several the one that holds most of what is asked."""
    same = [record for record in found if record.recipe["epochs"] == run.recipe.epochs]
    return max(same, key=lambda record: len(set(record.readouts) & set(run.readouts)), default=None)


def _begun(run: PlannedRun, facts: SplitFacts, store: Store) -> str:
    """The name under which a run is to be trained: the former one where it was begun under that."""
    former = name_of({**identity_of(run.recipe, facts), "readouts": list(run.readouts)})
    begun = store.run_folder(former).is_dir() and not store.run_folder(run.id).is_dir()
    return former if begun else run.id


def _together(some: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({*some, *others}))
