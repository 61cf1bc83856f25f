"""Another readout renames no run, and what was finished under a former name is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from mien.api.studying import StudyState
from mien.cli.display import status_table
from mien.datasets.protocol import ProtocolSpec
from mien.report.results import State, collect
from mien.study.held import unanswered, with_held_runs
from mien.study.plan import Plan, PlannedRun, SplitFacts, identity_of, make_plan, name_of, name_run
from mien.study.recipe import Recipe
from mien.study.record import RunStatus
from mien.study.spec import parse_study
from mien.study.store import Store
from support.fake_records import record_of

FACTS = SplitFacts("f" * 16, "split", 48, 7, 1000, 100, 200)
HEAD = 'schema = 1\nname = "s"\n[data]\npath = "drawn"\n[recipe]\nbatch_statistics = "moving"\n'


def plan_of(columns: str, recipe: str = "", rows: str = "rows.backbone = ['mien_small']") -> Plan:
    text = f"{HEAD}{recipe}\n[[tables]]\nname = 't'\n{rows}\n{columns}\n"
    return make_plan(parse_study(text), lambda protocol: FACTS)


def held(plan: Plan, store: Store) -> Plan:
    return with_held_runs(plan, {ProtocolSpec(): FACTS}, store)


def former(run: PlannedRun) -> str:
    return name_of({**identity_of(run.recipe, FACTS), "readouts": list(run.readouts)})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def finish(store: Store, plan: Plan, *, formerly: bool = False, **more) -> list[str]:
    """Records of all runs of a plan; formerly: under the names that they had when names told of readouts."""
    names = []
    for run in plan.runs:
        name = former(run) if formerly else run.id
        record_of(PlannedRun(name, run.recipe, run.protocol, run.readouts), **more).write(store.run_folder(name))
        names.append(name)
    return names


# As version 0.1.0 of November 2026 named them, before names left the readouts out.
FORMER = {
    "95c12e8622a8": (Recipe(), (10,)),
    "3e1f3f4744b1": (Recipe(epochs=15, schedule="plateau", optimizer="sgd", momentum=0.9), (10, 15)),
    "43ea3eef3c57": (Recipe(schedule="cosine", warmup_epochs=1.0, backbone="vgg16"), (10,)),
}


@pytest.mark.parametrize("name", FORMER)
def test_a_former_name_is_that_of_its_time(name, store):
    recipe, readouts = FORMER[name]
    recipe = Recipe(**{**vars(recipe), "batch_statistics": "moving"}).resolved(48)
    run = PlannedRun(name_run(recipe, FACTS), recipe, ProtocolSpec(), readouts)
    assert former(run) == name
    old = PlannedRun(name, recipe, ProtocolSpec(), readouts)
    record_of(old).write(store.run_folder(name))
    study = parse_study(HEAD + "[[tables]]\nname = 't'\nrows.epochs = [1]\n")
    assert held(Plan(study, (), (run,)), store).runs == (old,)


def test_another_readout_renames_no_run():
    few, more = (plan_of(f"columns.readout = {readouts}", "epochs = 10") for readouts in ([10], [5, 10]))
    assert [run.id for run in few.runs] == [run.id for run in more.runs]
    assert [run.readouts for run in more.runs] == [(5, 10)]
    cosine = "epochs = 10\nschedule = 'cosine'"
    few, more = (plan_of(f"columns.readout = {readouts}", cosine) for readouts in ([10], [5, 10]))
    assert [run.id for run in few.runs] == [run.id for run in more.runs]


@pytest.mark.parametrize("formerly", [False, True])
def test_what_is_finished_is_found_and_not_asked_for_again(store, formerly):
    plan = plan_of("columns.epochs = [5, 10]", rows="rows.backbone = ['mien_small', 'vgg16']")
    names = finish(store, plan, formerly=formerly)
    found = held(plan, store)
    assert [run.id for run in found.runs] == names
    assert all(store.has(cell.run_id) for cell in found.cells)
    assert [(cell.row, cell.column, cell.readout) for cell in found.cells] == [
        (cell.row, cell.column, cell.readout) for cell in plan.cells
    ]


@pytest.mark.parametrize("formerly", [False, True])
def test_a_finished_run_answers_what_it_holds_and_says_what_it_lacks(store, formerly):
    (name,) = finish(store, plan_of("columns.epochs = [10]"), formerly=formerly)
    plan = held(plan_of("columns.epochs = [5, 10]"), store)
    assert [run.id for run in plan.runs] == [name]
    records = store.records(plan)
    ((cell, reason),) = unanswered(plan, records)
    assert cell.column == "5"
    assert "before epoch 5 was asked for" in reason
    assert f"remove the folder runs/{name}" in reason
    lacking, answered = collect(plan, records).entries
    assert (lacking.state, lacking.reason) == (State.MISSING, reason)
    assert answered.state is State.COMPLETE
    console = Console(width=200)
    with console.capture() as capture:
        console.print(status_table(StudyState(plan, records, store)))
    assert "not answered: t, mien_small / 5" in capture.get()


@pytest.mark.parametrize("formerly", [False, True])
def test_a_longer_column_is_trained_and_what_a_shorter_run_holds_is_answered_meanwhile(store, formerly):
    (short,) = finish(store, plan_of("columns.epochs = [5]"), formerly=formerly)
    plan = plan_of("columns.epochs = [5, 10]")
    (long,) = plan.runs
    found = held(plan, store)
    assert [cell.run_id for cell in found.cells] == [short, long.id]
    assert long in found.runs
    # Once it is there, the run itself answers for both.
    finish(store, plan)
    assert held(plan, store) == plan


def test_a_column_that_goes_costs_no_run(store):
    (name,) = finish(store, plan_of("columns.epochs = [5, 10]"), formerly=True)
    found = held(plan_of("columns.epochs = [5]"), store)
    assert [cell.run_id for cell in found.cells] == [run.id for run in found.runs] == [name]
    assert store.has(name)


def test_a_schedule_that_depends_on_the_length_answers_for_no_other_length(store):
    finish(store, plan_of("columns.epochs = [5]", "schedule = 'cosine'"))
    plan = plan_of("columns.epochs = [5, 10]", "schedule = 'cosine'")
    assert held(plan, store) == plan


def test_a_run_that_failed_or_diverged_under_its_former_name_keeps_it(store):
    plan = plan_of("columns.epochs = [10]")
    (name,) = finish(store, plan, formerly=True, status=RunStatus.DIVERGED, reason="no number")
    assert held(plan, store).runs[0].id == name
    finish(store, plan, formerly=True, status=RunStatus.FAILED, reason="killed")
    assert held(plan, store).runs[0].id == name


def test_a_run_that_was_begun_under_its_former_name_goes_on_there(store):
    plan = plan_of("columns.epochs = [10]")
    folder = store.run_folder(former(plan.runs[0]))
    folder.mkdir(parents=True)
    (folder / "checkpoint.npz").write_bytes(b"")
    assert held(plan, store).runs[0].id == folder.name
    store.run_folder(plan.runs[0].id).mkdir(parents=True)
    assert held(plan, store) == plan


def test_the_status_tells_the_epochs_of_a_run_that_is_under_way(store):
    plan = plan_of("", "epochs = 10", rows="rows.backbone = ['mien_small', 'vgg16']")
    begun, _ = plan.runs
    epochs = [epoch.to_json() for epoch in record_of(begun).history[:4]]
    folder = store.run_folder(begun.id)
    folder.mkdir(parents=True)
    np.savez(folder / "checkpoint.npz", state=np.array(json.dumps({"history": epochs})), weights=np.zeros(9))
    state = StudyState(plan, store.records(plan), store)
    console = Console(width=200)
    with console.capture() as capture:
        console.print(status_table(state))
    first, waiting = (line for line in capture.get().splitlines() if "of 10" in line)
    accuracy = f"{epochs[-1]['validation_accuracy']:.1%}"
    assert [word in first for word in ("begun", "4 of 10", accuracy)] == [True] * 3
    assert [word in waiting for word in ("waiting", "0 of 10", "%")] == [True, True, False]
    assert [len(state.history(run)) for run in plan.runs] == [4, 0]
