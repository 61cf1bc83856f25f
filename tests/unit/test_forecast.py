"""How long a plan will take is said at once, and said where it is known from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mien.machine import core_count, has_wide_vectors, processor_name
from mien.study import forecast as forecast_module
from mien.study.backbones import BACKBONES
from mien.study.cost import Cost, cost_key, costs_of_records, formula_cost
from mien.study.forecast import SPEEDS_FILE, ForecastSource, expect, measure
from mien.study.planning import PlannedStudy, plan_study
from mien.study.processes import Executor, Job
from mien.study.record import RunRecord, RunStatus
from mien.study.spec import parse_study
from mien.study.store import Store
from support.fake_records import record_of

STUDY = """
schema = 1
name = "short"
[data]
path = "drawn:count=240,size=32,seed=3"
[recipe]
epochs = 2
batch_size = 32
[[tables]]
name = "networks"
rows.backbone = ["vgg16", "mien_small"]
columns.optimizer = ["sgd", "adamw"]
"""
SIZE = {"size": [32, 32], "counts": {"train": {"a": 100}, "validation": {"a": 20}, "test": {"a": 30}}}


@pytest.fixture(scope="module")
def planned() -> PlannedStudy:
    study = parse_study(STUDY)
    return plan_study(study, study.data.resolved(Path()))


class Stopwatch(Executor):
    """Plays a worker that measures: the first network steps in 10 ms an image, the next in 20 ms."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job, listen) -> None:
        self.jobs.append(job)
        step = 0.01 * len(self.jobs)
        cost = Cost(start_seconds=6, train_seconds_per_image=step, predict_seconds_per_image=0.005, memory_mib=100)
        listen({"say": "measured", **cost.to_json()})


def record_with(run, *, here: bool, step: float = 0.01, **more):
    """A record of a run that took `step` seconds for an image, on this machine or on another one."""
    record = record_of(run, **more)
    history = tuple(
        replace(epoch, images_per_second=1 / (9 * step if epoch.epoch == 1 else step)) for epoch in record.history
    )
    environment = {"processor": processor_name() if here else "Abacus 3000", "cores": core_count(), "tensorflow": "2"}
    seconds = {"train": 12.0, "evaluate": 0.1, "total": 12.0}
    return replace(record, history=history, environment=environment, seconds=seconds, data={**record.data, **SIZE})


@pytest.fixture(autouse=True)
def _on_tensorflow(monkeypatch) -> None:
    monkeypatch.setattr(forecast_module, "find_backend", lambda: "tensorflow")


def test_a_plan_has_times_before_anything_was_measured(planned, tmp_path):
    expected = expect(planned, None, folder=tmp_path)
    assert {run.source for run in expected.values()} == {ForecastSource.FORMULA}
    assert all(0 < run.minutes < 60 for run in expected.values())
    assert not list(tmp_path.iterdir())


def test_each_kind_of_run_is_measured_once_and_kept_for_this_machine(planned, tmp_path):
    watch, begun = Stopwatch(), []
    measure(
        planned, None, watch, begins=lambda *said: begun.append((*said[:2], said[2].recipe.backbone)), folder=tmp_path
    )
    assert begun == [(1, 2, "vgg16"), (2, 2, "mien_small")]
    expected = expect(planned, None, folder=tmp_path)
    assert {run.source for run in expected.values()} == {ForecastSource.MEASURED}
    run = planned.plan.runs[0]
    facts = planned.facts[run.protocol]
    seconds = 6 + 2 * (facts.train * 0.01 + facts.validation * 0.005) + (facts.validation + facts.test) * 0.005
    assert expected[run.id].minutes == pytest.approx(seconds / 60)
    measure(planned, None, watch, begins=lambda *said: pytest.fail("measured again"), folder=tmp_path)


def test_who_stops_while_measuring_keeps_what_was_measured(planned, tmp_path):
    class Stopped(Stopwatch):
        def submit(self, job: Job, listen) -> None:
            if self.jobs:
                raise KeyboardInterrupt
            super().submit(job, listen)

    with pytest.raises(KeyboardInterrupt):
        measure(planned, None, Stopped(), begins=lambda *said: None, folder=tmp_path)
    sources = [run.source for run in expect(planned, None, folder=tmp_path).values()]
    assert sources == [ForecastSource.MEASURED, ForecastSource.MEASURED, ForecastSource.FORMULA, ForecastSource.FORMULA]


def test_another_machine_measures_for_itself(planned, tmp_path, monkeypatch):
    measure(planned, None, Stopwatch(), begins=lambda *said: None, folder=tmp_path)
    monkeypatch.setattr(forecast_module, "processor_name", lambda: "Abacus 3000")
    assert {run.source for run in expect(planned, None, folder=tmp_path).values()} == {ForecastSource.FORMULA}
    watch = Stopwatch()
    measure(planned, None, watch, begins=lambda *said: None, folder=tmp_path)
    assert len(watch.jobs) == 2
    assert len(json.loads((tmp_path / SPEEDS_FILE).read_text())["machines"]) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 99}', '{"schema": 1, "machines": {"a": {"b": {"c": 1}}}}'])
def test_a_damaged_file_of_measurements_counts_as_none(planned, tmp_path, content):
    (tmp_path / SPEEDS_FILE).write_text(content, encoding="utf-8")
    assert {run.source for run in expect(planned, None, folder=tmp_path).values()} == {ForecastSource.FORMULA}


def test_records_of_this_machine_come_before_measurements_and_those_of_another_one_after(planned, tmp_path):
    small, other = (next(r for r in planned.plan.runs if r.recipe.backbone == name) for name in ("mien_small", "vgg16"))
    store = Store.create(tmp_path / "s")
    record_with(small, here=True).write(store.run_folder(small.id))
    record_with(other, here=False).write(store.run_folder(other.id))

    def sources() -> dict[str, set[ForecastSource]]:
        expected = expect(planned, store, folder=tmp_path)
        return {
            name: {expected[run.id].source for run in planned.plan.runs if run.recipe.backbone == name}
            for name in ("mien_small", "vgg16")
        }

    assert sources() == {"mien_small": {ForecastSource.RECORD}, "vgg16": {ForecastSource.ELSEWHERE}}
    # Of what a record tells, nothing is measured again.
    watch = Stopwatch()
    measure(planned, store, watch, begins=lambda *said: None, folder=tmp_path)
    assert [job.run.recipe.backbone for job in watch.jobs] == ["vgg16"]
    assert sources() == {"mien_small": {ForecastSource.RECORD}, "vgg16": {ForecastSource.MEASURED}}


def test_a_record_tells_what_a_step_took_without_the_epoch_that_traces(planned):
    run = planned.plan.runs[0]
    (key,) = costs = costs_of_records([record_with(run, here=True, step=0.01)])
    assert key == cost_key(run, planned.facts[run.protocol])
    cost = costs[key]
    assert cost.train_seconds_per_image == pytest.approx(0.01)
    assert cost.predict_seconds_per_image == pytest.approx(0.1 / 50)
    assert cost.start_seconds == pytest.approx(12 - 0.1 - 2 * (100 * 0.01 + 20 * 0.1 / 50))
    assert cost.memory_mib == 812


def test_several_records_of_a_kind_give_the_middle_one_and_a_failed_run_tells_nothing(planned):
    run = planned.plan.runs[0]
    records = [record_with(run, here=True, step=step) for step in (0.01, 0.02, 0.5)]
    failed = record_of(run, status=RunStatus.FAILED, reason="killed")
    (cost,) = costs_of_records([*records, failed]).values()
    assert cost.train_seconds_per_image == pytest.approx(0.02)


def test_the_formula_is_scaled_by_what_is_known_of_this_machine(planned, tmp_path):
    before = expect(planned, None, folder=tmp_path)
    store = Store.create(tmp_path / "s")
    small = next(run for run in planned.plan.runs if run.recipe.backbone == "mien_small")
    key = cost_key(small, planned.facts[small.protocol])
    wide = has_wide_vectors()
    step = 3 * formula_cost(key, cores=core_count(), wide_vectors=wide).train_seconds_per_image
    record_with(small, here=True, step=step).write(store.run_folder(small.id))
    for run_id, run in expect(planned, store, folder=tmp_path).items():
        if run.source is ForecastSource.FORMULA:
            assert run.minutes == pytest.approx(3 * before[run_id].minutes)


# Images a second in training, two cores of a Zen 4, batch 64, 48 pixels (75 for the Inceptions).
MEASURED = {
    "mien_small": 490,
    "resnet50v2": 97,
    "densenet121": 91,
    "vgg16": 51,
    "inceptionv3": 122,
    "nasnetmobile": 128,
    "vgg19": 37,
    "inceptionresnetv2": 37,
}


@pytest.mark.parametrize("name", MEASURED)
def test_the_formula_is_near_what_was_measured(name, planned):
    run = planned.plan.runs[0]
    size = max(48, BACKBONES[name].minimum_size)
    recipe = replace(run.recipe, backbone=name, preprocessing=replace(run.recipe.preprocessing, size=size))
    key = cost_key(replace(run, recipe=recipe), replace(planned.facts[run.protocol], image_size=48))
    assert 1 / 1.7 < formula_cost(key, cores=2).train_seconds_per_image * MEASURED[name] < 1.7


NINE = Path(__file__).parents[2] / "results" / "nine" / "runs"
# The two machines of results/nine, by what their records say of the system, and whether they have vectors of 512 bits.
WIDE = {"v657": True, "v595": False}
# From then on runs ask for oneDNN's operations. Before, other work on the machine took most of mien_small's time, too.
WITH_ONEDNN = "2026-11-29T01:00"
WITHOUT_ONEDNN = 1.8


def nine_records() -> dict[str, list[RunRecord]]:
    """The records of results/nine by network, those of mien_small as far as little else ran beside them."""
    found: dict[str, list[RunRecord]] = {}
    for folder in sorted(NINE.iterdir()):
        record = RunRecord.read(folder, answers=False)
        name = record.recipe["backbone"]
        if name != "mien_small" or record.started > WITH_ONEDNN:
            found.setdefault(name, []).append(record)
    return found


@pytest.mark.parametrize(
    "name",
    ["mien_small", "densenet121", "densenet169", "resnet50v2", "resnet101v2"]
    + ["vgg16", "vgg19", "inceptionv3", "inceptionresnetv2", "nasnetmobile"],
)
def test_the_formula_is_within_a_factor_of_one_and_a_half_of_the_projects_own_records(name):
    records = nine_records()[name]
    ((key, taken),) = costs_of_records(records).items()
    wide = next(wide for system, wide in WIDE.items() if system in records[0].environment["platform"])
    forecast = formula_cost(key, cores=2, wide_vectors=wide).train_seconds_per_image
    forecast *= 1.0 if records[0].started > WITH_ONEDNN else WITHOUT_ONEDNN
    assert 1 / 1.5 < forecast / taken.train_seconds_per_image < 1.5


def test_a_processor_without_wide_vectors_is_forecast_to_be_slower(planned, tmp_path, monkeypatch):
    minutes = []
    for wide in (True, False):
        monkeypatch.setattr(forecast_module, "has_wide_vectors", lambda wide=wide: wide)
        minutes.append(sum(run.minutes for run in expect(planned, None, folder=tmp_path).values()))
    assert minutes[1] > minutes[0]


def test_more_cores_and_a_frozen_backbone_take_less(planned):
    run = planned.plan.runs[0]
    key = cost_key(run, planned.facts[run.protocol])
    frozen = json.dumps({**json.loads(key), "freeze": "all"})
    slow, fast, still = formula_cost(key, cores=2), formula_cost(key, cores=8), formula_cost(frozen, cores=2)
    assert fast.train_seconds_per_image < slow.train_seconds_per_image
    assert still.train_seconds_per_image < slow.train_seconds_per_image


def test_times_of_unlike_machines_have_no_common_middle(planned, tmp_path):
    run = planned.plan.runs[0]
    store = Store.create(tmp_path / "s")
    for number, (threads, step) in enumerate([(1, 0.3), (8, 0.01), (8, 0.02), (8, 0.03), (1, 0.5)]):
        record = record_with(run, here=False, step=step)
        record = replace(record, id=f"run{number}", environment={**record.environment, "threads": threads})
        record.write(store.run_folder(record.id))
    expected = expect(planned, store, folder=tmp_path)[run.id]
    assert expected.source is ForecastSource.ELSEWHERE
    assert expected.cost.train_seconds_per_image == pytest.approx(0.02)


def test_a_part_of_this_machine_is_another_machine(planned, tmp_path):
    run = planned.plan.runs[0]
    store = Store.create(tmp_path / "s")
    record = record_with(run, here=True)
    for threads, source in ((core_count(), ForecastSource.RECORD), (core_count() + 1, ForecastSource.ELSEWHERE)):
        replace(record, environment={**record.environment, "threads": threads}).write(store.run_folder(record.id))
        assert expect(planned, store, folder=tmp_path)[run.id].source is source
