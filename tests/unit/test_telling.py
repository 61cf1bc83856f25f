"""A teacher that knows what a run is judged by is refused when the study is planned, not hours later."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mien.bundle import load_bundle
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import read_dataset
from mien.datasets.spec import DataSpec
from mien.labels import Expression, LabelSet
from mien.seen import Seen
from mien.study import teachers, telling
from mien.study.planning import plan_study
from mien.study.record import RunStatus
from mien.study.spec import parse_study
from mien.study.teachers import why_unfit
from support.fake_records import record_of

DATA = DataSpec(path="drawn:count=140,size=16")
STUDY = """
schema = 1
name = "pupils"
data.path = "drawn:count=140,size=16"
recipe.epochs = 1
[protocol]
labels = "seven"
{protocol}
[[tables]]
name = "teachers"
rows.teacher.models = [[], ["default"]]
"""


@pytest.fixture
def split():
    return apply_protocol(read_dataset(DATA), ProtocolSpec(labels="seven"))


def knows(monkeypatch, train) -> None:
    """The shipped model has learned from these images."""
    leaky = replace(load_bundle("default"), seen=Seen.of(train, []))
    monkeypatch.setattr(telling, "load_bundle", lambda name: leaky)


def cells(protocol: str = ""):
    study = parse_study(STUDY.format(protocol=protocol))
    return plan_study(study, study.data.resolved(Path())).plan.cells


@pytest.mark.parametrize("role", ["test", "validation"])
def test_the_plan_says_which_images_a_teacher_would_tell_of(split, monkeypatch, role):
    part = getattr(split, role)
    knows(monkeypatch, part.hashes[:3])
    plain, taught = cells()
    assert plain.reason is None
    assert taught.run_id is None
    assert f"The teacher default has learned from 3 of the {len(part)} {role} images" in taught.reason
    assert "Take a teacher that was trained on the same split." in taught.reason


def test_a_teacher_of_the_same_training_images_is_welcome(split, monkeypatch):
    knows(monkeypatch, split.train.hashes)
    assert [cell.reason for cell in cells()] == [None, None]


def test_what_nobody_knows_is_not_held_against_a_teacher(monkeypatch):
    monkeypatch.setattr(telling, "load_bundle", lambda name: replace(load_bundle("default"), seen=None))
    assert [cell.reason for cell in cells()] == [None, None]


def test_a_teacher_that_does_not_know_the_labels_is_refused_in_the_plan(monkeypatch):
    known = replace(load_bundle("default"), label_set=LabelSet.of([Expression.ANGER, Expression.SADNESS]))
    monkeypatch.setattr(teachers, "load_bundle", lambda name: known)
    plain, taught = cells()
    assert plain.reason is None
    assert taught.run_id is None
    assert "The teacher default does not know what is to be learned: A model of 2 expressions" in taught.reason
    assert "disgust, fear, happiness" in taught.reason


@pytest.mark.parametrize(
    ("activation", "labels", "why"),
    [
        ("softmax", ("anger", "sadness"), "does not know what is to be learned: .* cannot answer for happiness"),
        ("sigmoid", ("anger", "sadness", "happiness"), "gives no probabilities: its activation is no softmax"),
        ("softmax", ("anger", "sadness", "happiness", "fear"), None),
    ],
)
def test_a_run_that_cannot_teach_is_told_by_its_record(tmp_path, activation, labels, why):
    study = parse_study(STUDY.format(protocol="").replace('[[], ["default"]]', "[[]]"))
    (run,) = plan_study(study, study.data.resolved(Path())).plan.runs
    record = record_of(run, status=RunStatus.FAILED, reason="none")
    changed = {"label_set": LabelSet.of(map(Expression, labels)), "recipe": {**record.recipe, "activation": activation}}
    replace(record, **changed).write(tmp_path / "run")
    found = why_unfit(str(tmp_path / "run"), LabelSet.of(map(Expression, ("anger", "sadness", "happiness"))))
    assert found is None if why is None else re.search(why, found)


def test_each_fold_has_teachers_of_its_own(monkeypatch):
    dataset = read_dataset(DATA)
    folds = [apply_protocol(dataset, ProtocolSpec(labels="seven", folds=3, fold=fold)) for fold in (1, 2, 3)]
    knows(monkeypatch, folds[1].train.hashes)
    found = {(cell.row, cell.fold): cell.reason for cell in cells("folds = 3")}
    assert [fold for (row, fold), reason in found.items() if row == "default" and reason is None] == [2]
    assert all(reason is None for (row, _), reason in found.items() if row == "none")
