"""Groups that change after a run: another split is another run, and of the same split the plan says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import read_dataset
from mien.datasets.spec import DataSpec
from mien.errors import RecordError
from mien.labels import SEVEN
from mien.study import planning
from mien.study.planning import plan_study
from mien.study.record import read_groups
from mien.study.spec import parse_study
from mien.study.store import Store
from support.fake_records import predictions_of, record_of

DATA = "drawn:count=140,size=16"
STUDY = f"""
schema = 1
name = "persons"
data.path = "{DATA}"
recipe.epochs = 1
[[tables]]
name = "rates"
rows.learning_rate = [0.001, 0.002]
"""
SAID = "had the test images in other groups (persons, clips) than the data have now"


@pytest.fixture
def dataset():
    return read_dataset(DataSpec(path=DATA))


def planned(monkeypatch, dataset, store):
    """The plan of a study over these data."""
    monkeypatch.setattr(planning, "read_dataset", lambda data: dataset)
    study = parse_study(STUDY)
    return plan_study(study, study.data.resolved(Path()), store=store)


def run_all(plan, dataset, store) -> None:
    """Records as runs over these data leave them."""
    test = apply_protocol(dataset, ProtocolSpec()).test
    groups = None if dataset.groups is None else dataset.groups[np.isin(dataset.ids, test.ids)]
    labels = np.arange(len(test)) % 7
    answered = replace(predictions_of(np.full((len(test), 7), 1 / 7), labels), ids=test.ids, groups=groups)
    for run in plan.runs:
        record_of(run, answered, label_set=SEVEN).write(store.run_folder(run.id))


def grouped(dataset, size: int, name: str = "person"):
    """The data with so many images in a row of one person."""
    return replace(dataset, groups=np.array([f"{name} {number // size}" for number in range(len(dataset))]))


@pytest.mark.parametrize(("before", "after"), [(None, 5), (5, None), (5, 4)])
def test_other_groups_in_the_same_roles_are_the_same_runs_and_the_plan_says_so(
    monkeypatch, tmp_path, dataset, before, after
):
    then, now = (dataset if size is None else grouped(dataset, size) for size in (before, after))
    store = Store.create(tmp_path / "s")
    first = planned(monkeypatch, then, store)
    run_all(first.plan, then, store)
    second = planned(monkeypatch, now, store)
    assert [run.id for run in second.plan.runs] == [run.id for run in first.plan.runs]
    assert not any(SAID in note for note in planned(monkeypatch, then, store).notes)
    (said,) = (note for note in second.notes if SAID in note)
    assert said.startswith(f"2 finished runs (runs/{first.plan.runs[0].id}, ")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: grouped(data, 5, name="s"),
        lambda data: replace(grouped(data, 4), ids=np.array([f"new {name}" for name in data.ids])),
    ],
    ids=["groups called otherwise", "images called otherwise"],
)
def test_other_names_are_no_other_groups(monkeypatch, tmp_path, dataset, change):
    store, then = Store.create(tmp_path / "s"), grouped(dataset, 5)
    run_all(planned(monkeypatch, then, store).plan, then, store)
    assert not any(SAID in note for note in planned(monkeypatch, change(then), store).notes)


def test_damaged_answers_keep_no_plan_from_being_made(monkeypatch, tmp_path, dataset):
    store, data = Store.create(tmp_path / "s"), grouped(dataset, 5)
    plan = planned(monkeypatch, data, store).plan
    run_all(plan, data, store)
    path = store.run_folder(plan.runs[0].id) / "predictions.npz"
    content = bytearray(path.read_bytes())
    place = content.index(b"test/ids.npy")
    content[place + 40 : place + 60] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(RecordError):
        read_groups(path.parent, Role.TEST)
    assert planned(monkeypatch, data, store).plan == plan


@pytest.mark.parametrize("protocol", [ProtocolSpec(roles="split"), ProtocolSpec(folds=3, fold=1)])
def test_where_roles_are_made_other_groups_are_another_split(dataset, protocol):
    splits = [apply_protocol(grouped(dataset, size), protocol).hash for size in (5, 7)]
    assert splits[0] != splits[1]
