"""The same weights under both kinds of averages: the figures of each, in the report's table and as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.evaluation.metrics import score
from mien.labels import SIX
from mien.report.averages import averages_frame, averages_of
from mien.report.page import write_report
from mien.report.results import collect
from support.fake_records import answers, plan_of, record_of

STUDY = """
schema = 1
name = "small"
[data]
path = "drawn"
[protocol]
labels = "six"
[recipe]
epochs = 6
batch_statistics = "{kind}"
[[tables]]
name = "one"
rows.backbone = ["mien_small"]
"""
BAD, GOOD = answers(skill=0.3), answers(skill=3.0)


def accuracy(predictions) -> float:
    return float((predictions.outputs.argmax(axis=1) == predictions.labels).mean())


@pytest.mark.parametrize("kind", ["settled", "moving"])
def test_each_figure_stands_under_its_own_kind(kind, tmp_path: Path):
    plan = plan_of(STUDY.format(kind=kind))
    (run,) = plan.runs
    settled, moving = GOOD, BAD
    shown, other = (settled, moving) if kind == "settled" else (moving, settled)
    facts = {"layers": 12, "decay": 0.999, "steps_per_epoch": 50}
    record = record_of(run, shown, others={(6, Role.TEST): other}, network={"parameters": 1, "averages": facts})
    results = collect(plan, {run.id: record})
    (result,) = results.scored
    entry = averages_of(result)
    assert (entry.settled.accuracy.value, entry.moving.accuracy.value) == (accuracy(settled), accuracy(moving))
    assert entry.left == pytest.approx(0.999**300)
    assert entry.stale is (kind == "moving")
    (row,) = csv.DictReader(io.StringIO(averages_frame([entry]).to_csv()))
    assert (row["shown"], float(row["settled_accuracy"])) == (kind, accuracy(settled))
    page = write_report(plan, {run.id: record}, tmp_path).read_text(encoding="utf-8")
    assert ("averages had not settled" in page) is (kind == "moving")
    assert "Accuracy,<br>settled" in page
    assert (tmp_path / "tables" / "averages.csv").is_file()


def test_a_record_of_one_kind_has_nothing_to_compare():
    plan = plan_of(STUDY.format(kind="settled"))
    (run,) = plan.runs
    (result,) = collect(plan, {run.id: record_of(run, GOOD)}).scored
    assert averages_of(result) is None


def test_where_images_come_in_groups_the_intervals_of_both_kinds_speak_of_groups(tmp_path: Path):
    groups = np.array([f"person {number % 4}" for number in range(len(GOOD))])
    good, bad = (replace(one, groups=groups) for one in (GOOD, BAD))
    plan = plan_of(STUDY.format(kind="settled"))
    (run,) = plan.runs
    network = {"averages": {"layers": 3, "decay": 0.99, "steps_per_epoch": 10}}
    record = record_of(run, good, others={(6, Role.TEST): bad}, network=network)
    (result,) = collect(plan, {run.id: record}).scored
    entry = averages_of(result)
    assert entry is not None
    assert entry.settled.accuracy == score(good, SIX).accuracy
    assert entry.moving.accuracy == score(bad, SIX).accuracy
    assert entry.moving.accuracy != score(BAD, SIX).accuracy
