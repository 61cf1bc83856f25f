"""The studies of the record model can be planned: every place has its run, once what it learns from is there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mien.datasets.protocol import ProtocolSpec
from mien.study.plan import SplitFacts, make_plan
from mien.study.spec import read_study

STUDIES = Path(__file__).parents[2] / "studies"


def facts_of(protocol: ProtocolSpec) -> SplitFacts:
    shared = protocol.targets != "labels"
    return SplitFacts("f" * 16, f"split {protocol}", 48, 7, 28_709, 3_589, 3_589, shared, voted=True)


@pytest.fixture
def plan(tmp_path):
    """A study's plan, with files in the place of weights and teachers."""
    (tmp_path / "face-mobilenet-v1.npz").write_bytes(b"weights")
    store = tmp_path.parent / "stores" / "record-teachers"
    for name in ("a", "b"):
        folder = store / "runs" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(json.dumps({"id": name}))
        (folder / "network.keras").write_bytes(b"")
    (store / "store.json").write_text("{}")
    (tmp_path / "record_teachers.py").write_text((STUDIES / "record_teachers.py").read_text(encoding="utf-8"))

    def make(name: str):
        return make_plan(read_study(STUDIES / name), facts_of, base=tmp_path)

    return make


@pytest.mark.parametrize(
    ("name", "cells", "runs"),
    [
        ("record.toml", 5, 5),
        ("record-teachers.toml", 4, 4),
        ("record-distilled.toml", 4, 4),
        ("record-heads.toml", 2, 2),
    ],
)
def test_every_place_has_a_run_of_its_own(plan, name, cells, runs):
    planned = plan(name)
    assert [cell.reason for cell in planned.cells] == [None] * cells
    assert len(planned.runs) == runs


def test_each_row_adds_to_the_one_before_it(plan):
    recipes = [run.recipe for run in plan("record.toml").runs][:4]
    changed = [
        {name for name, value in second.to_json().items() if first.to_json()[name] != value}
        for first, second in zip(recipes, recipes[1:], strict=False)
    ]
    assert changed == [{"augmentation"}, {"average_last"}, {"logit_adjustment", "select"}]


def test_the_network_that_learns_is_trained_as_in_the_first_step(plan):
    taught = plan("record-distilled.toml").runs[0].recipe
    alone = plan("record.toml").runs[2].recipe
    assert len(taught.teacher.models) == 2
    assert replace(taught, teacher=alone.teacher, dropout=alone.dropout) == alone


def test_one_head_is_the_run_of_the_first_step_and_two_differ_in_nothing_else(plan):
    alone, both = plan("record-heads.toml").runs
    assert alone.id == plan("record.toml").runs[2].id
    assert replace(both.recipe, heads=()) == alone.recipe
