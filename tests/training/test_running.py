from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien.api.studying import study_state
from mien.datasets.synthetic import draw_faces
from mien.errors import MienError, StudyFileError
from mien.study.cost import Cost
from mien.study.planning import plan_study
from mien.study.processes import Executor, Job, SubprocessExecutor, WorkerDiedError
from mien.study.record import RunStatus
from mien.study.running import run_study
from mien.study.spec import parse_study
from mien.study.store import Store

TEXT = """
schema = 1
name = "small"
[data]
path = "drawn:count=240,size=32,seed=3"
[recipe]
epochs = 1
batch_size = 32
[[tables]]
name = "rates"
rows.learning_rate = [0.001, 0.002]
"""


# A process of its own knows nothing of a network that was made narrow here.
NETWORK = """
def tiny(input_shape):
    import keras

    images = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 3, strides=2, use_bias=False)(images)
    return keras.Model(images, keras.layers.ReLU()(keras.layers.BatchNormalization()(x)))
"""


@pytest.fixture
def planned_study():
    study = parse_study(TEXT)
    return plan_study(study, study.data.resolved(Path()))


class Watch:
    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, str, str | None]] = []
        self.heard: list[Mapping[str, Any]] = []

    def run_begins(self, index, count, run):
        self.begun.append(f"{index}/{count}")

    def said(self, run, what):
        self.heard.append(what)

    def run_ends(self, run, status, reason):
        self.ended.append((run.id, status, reason))


class FakeExecutor(Executor):
    """Plays a worker: writes a record, refuses, or dies, as told."""

    def __init__(self, store: Store, outcomes: list[str]) -> None:
        self.store, self.outcomes, self.jobs = store, outcomes, []

    def submit(self, job: Job, listen) -> None:
        self.jobs.append(job)
        outcome = self.outcomes.pop(0)
        if outcome == "refuse":
            raise MienError("no such thing")
        if outcome == "die":
            raise WorkerDiedError("out of memory")
        if outcome == "interrupt":
            raise KeyboardInterrupt
        if outcome == "stopped":
            listen({"say": "ended", "status": None})
            return
        folder = self.store.run_folder(job.run.id)
        from support.fake_records import record_of

        record_of(job.run).write(folder)
        listen({"say": "ended", "status": "complete"})


def test_what_is_done_is_not_done_again(planned_study, tmp_path):
    store = Store.create(tmp_path / "s")
    first = run_study(planned_study, store, watch=Watch(), executor=FakeExecutor(store, ["done", "done"]))
    assert set(first.done.values()) == {RunStatus.COMPLETE}
    executor = FakeExecutor(store, [])
    second = run_study(planned_study, store, watch=Watch(), executor=executor)
    assert second.done == first.done
    assert executor.jobs == []


@pytest.mark.parametrize("fault", ["refuse", "die"])
def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(planned_study, tmp_path, fault):
    store = Store.create(tmp_path / "s")
    watch = Watch()
    progress = run_study(planned_study, store, watch=watch, executor=FakeExecutor(store, [fault, "done"]))
    (failed,) = progress.failed
    assert len(progress.done) == 1
    record = store.read(failed)
    assert record.status is RunStatus.FAILED
    assert record.reason
    assert watch.begun == ["1/2", "2/2"]
    again = run_study(planned_study, store, watch=Watch(), executor=FakeExecutor(store, ["done"]))
    assert failed in again.done
    assert store.read(failed).status is RunStatus.COMPLETE


def test_a_failed_run_that_is_under_way_again_is_no_failed_one(planned_study, tmp_path):
    store = Store.create(tmp_path / "s")
    store.keep_study(TEXT)
    run_study(planned_study, store, watch=Watch(), executor=FakeExecutor(store, ["die", "done"]))
    (failed, done) = planned_study.plan.runs
    path = tmp_path / "study.toml"
    path.write_text(TEXT, encoding="utf-8")
    ahead = mien.plan_study(path, store=store.folder)
    assert ahead.done == {done.id}
    assert [turn.run.id for turn in ahead.within(1)] == [failed.id]

    def state() -> str:
        return study_state(store.folder).state(failed)

    assert state().startswith("failed: out of memory")

    class Looking(Executor):
        def submit(self, job: Job, listen) -> None:
            assert state() == "begun"
            raise WorkerDiedError("once more")

    run_study(planned_study, store, watch=Watch(), executor=Looking())
    assert state().startswith("failed: once more")
    with pytest.raises(KeyboardInterrupt):
        run_study(planned_study, store, watch=Watch(), executor=FakeExecutor(store, ["interrupt"]))
    assert state() == "begun"


def test_only_a_table_is_run_but_the_whole_plan_is_kept(tmp_path):
    study = parse_study(TEXT + '[[tables]]\nname = "batches"\nrows.batch_size = [8, 16]\n')
    planned = plan_study(study, study.data.resolved(Path()))
    store = Store.create(tmp_path / "s")
    store.keep_study(TEXT + '[[tables]]\nname = "batches"\nrows.batch_size = [8, 16]\n')
    executor = FakeExecutor(store, ["done", "done"])
    run_study(planned, store, watch=Watch(), tables=study.tables[1:], executor=executor)
    assert [job.run.recipe.batch_size for job in executor.jobs] == [8, 16]
    assert len(store.plan().runs) == 4


def test_a_study_of_skipped_cells_alone_is_refused(tmp_path):
    study = parse_study(TEXT.replace("rows.learning_rate = [0.001, 0.002]", "rows.preprocessing.size = [16]"))
    planned = plan_study(study, study.data.resolved(Path()))
    with pytest.raises(StudyFileError, match="at least 32 pixels"):
        run_study(planned, Store.create(tmp_path / "s"), watch=Watch())


def test_what_is_refused_changes_no_store(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(TEXT.replace("rows.learning_rate = [0.001, 0.002]", "rows.preprocessing.size = [16]"))
    with pytest.raises(StudyFileError, match="Its one cell is skipped because: .*at least 32 pixels"):
        mien.run_study(path, store=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    store = Store.create(tmp_path / "store")
    store.keep_study(TEXT)
    with pytest.raises(StudyFileError, match="nothing to run"):
        mien.run_study(path, store=store.folder)
    assert (store.folder / "study.toml").read_text() == TEXT


def test_no_run_begins_when_time_is_up(planned_study, tmp_path):
    store = Store.create(tmp_path / "s")
    executor = FakeExecutor(store, ["done"])
    progress = run_study(planned_study, store, watch=Watch(), executor=executor, minutes=0.0)
    assert progress.stopped
    assert executor.jobs == []


def test_a_run_that_stops_for_time_stops_the_study(planned_study, tmp_path):
    store = Store.create(tmp_path / "s")
    executor = FakeExecutor(store, ["stopped"])
    progress = run_study(planned_study, store, watch=Watch(), executor=executor, minutes=5)
    assert progress.stopped
    assert not progress.done
    assert 290 < executor.jobs[0].seconds <= 300


def test_an_interrupt_is_passed_on_and_leaves_no_record(planned_study, tmp_path):
    store = Store.create(tmp_path / "s")
    with pytest.raises(KeyboardInterrupt):
        run_study(planned_study, store, watch=Watch(), executor=FakeExecutor(store, ["interrupt"]))
    assert not list(store.folder.rglob("run.json"))


def test_a_job_survives_its_text(planned_study):
    job = Job(action="run", run=planned_study.plan.runs[0], data=planned_study.data, store="s", seconds=1.5, threads=2)
    assert Job.from_json(job.to_json()) == job


@pytest.fixture
def small_study(tmp_path, monkeypatch):
    """One run of a network of a single convolution: the text of its study, and the plan."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    text = TEXT.replace("[0.001, 0.002]", "[0.001]").replace("[recipe]", '[recipe]\nbackbone = "net.py:tiny"')
    study = parse_study(text)
    return text, plan_study(study, study.data.resolved(Path()))


@pytest.mark.slow
def test_a_study_runs_in_processes_of_its_own(small_study, tmp_path):
    text, planned_study = small_study
    store = Store.create(tmp_path / "s")
    store.keep_study(text)
    watch = Watch()
    progress = run_study(planned_study, store, watch=watch, minutes=10)
    assert set(progress.done.values()) == {RunStatus.COMPLETE}
    assert {said["say"] for said in watch.heard} == {"stage", "step", "epoch", "ended"}
    assert json.loads((store.folder / "plan.json").read_text())["cells"]
    assert store.plan().to_json() == planned_study.plan.to_json()


@pytest.mark.slow
def test_a_worker_says_why_it_refuses_and_why_it_died(planned_study, tmp_path):
    run = planned_study.plan.runs[0]
    missing = Job(action="run", run=run, data=planned_study.data.resolved(Path()), store=str(tmp_path / "none"))
    with pytest.raises(MienError, match="not a store"):
        SubprocessExecutor().submit(missing, lambda said: None)


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["labels", "roles"])
def test_data_that_change_after_the_plan_are_not_recorded_under_its_name(tmp_path, monkeypatch, changed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    faces = draw_faces(60, size=16)
    arrays = {"images": faces.images, "labels": faces.labels, "roles": np.array(["train"] * 40 + ["test"] * 20)}
    names = np.array([label.value for label in faces.label_set.expressions])

    def save() -> None:
        np.savez(tmp_path / "faces.npz", **{**arrays, "labels": names[arrays["labels"]]})

    save()
    text = TEXT.replace("[0.001, 0.002]", "[0.001]").replace("[recipe]", '[recipe]\nbackbone = "net.py:tiny"')
    study = parse_study(re.sub(r"(?m)^path = .*$", 'path = "faces.npz"', text))
    planned_study = plan_study(study, study.data.resolved(Path()))
    arrays[changed] = np.roll(arrays[changed], 1)
    save()
    store = Store.create(tmp_path / "s")
    progress = run_study(planned_study, store, watch=Watch())
    assert ["has changed since this run was planned" in reason for reason in progress.failed.values()] == [True]
    again = plan_study(study, study.data.resolved(Path()))
    assert {run.id for run in again.plan.runs}.isdisjoint(run.id for run in planned_study.plan.runs)
    assert run_study(again, store, watch=Watch()).complete


@pytest.mark.slow
def test_measuring_gives_plausible_costs(small_study):
    _, planned_study = small_study
    heard: list[Mapping[str, Any]] = []
    job = Job(action="measure", run=planned_study.plan.runs[0], data=planned_study.data, store="")
    SubprocessExecutor().submit(job, heard.append)
    assert [said["say"] for said in heard] == ["stage", "measured"]
    cost = Cost.from_json({key: value for key, value in heard[-1].items() if key != "say"})
    assert 0 < cost.predict_seconds_per_image < cost.train_seconds_per_image < 1
    assert cost.memory_mib > 50
