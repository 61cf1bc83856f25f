"""The heads of a network with several: the figures of each, in the report's table and as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from mien.datasets.dataset import Role
from mien.labels import SEVEN
from mien.report.heads import heads_frame, heads_of
from mien.report.page import write_report
from mien.report.results import collect
from mien.study.record import FurtherHead
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
[[tables]]
name = "one"
rows.backbone = ["mien_small"]
"""
FIRST, SECOND = answers(skill=3.0), answers((9, 9, 9, 9, 9, 9, 20), skill=1.0)


def accuracy(predictions) -> float:
    return float((predictions.outputs.argmax(axis=1) == predictions.labels).mean())


def test_each_head_is_shown_with_its_own_images_and_the_first_counts(tmp_path: Path):
    plan = plan_of(STUDY)
    (run,) = plan.runs
    data = {"split": "another", "counts": {}, "notes": []}
    head = FurtherHead(label_set=SEVEN, protocol={"targets": "votes"}, data=data, predictions={(6, Role.TEST): SECOND})
    record = record_of(run, FIRST, heads={"votes": head})
    (result,) = collect(plan, {run.id: record}).scored
    assert result.scores.accuracy.value == accuracy(FIRST)
    rows = list(csv.DictReader(io.StringIO(heads_frame(heads_of(result)).to_csv())))
    assert [(row["head"], row["classes"], row["images"]) for row in rows] == [
        ("labels", "6", str(len(FIRST))),
        ("votes", "7", str(len(SECOND))),
    ]
    for row, predictions in zip(rows, (FIRST, SECOND), strict=True):
        assert float(row["accuracy"]) == pytest.approx(accuracy(predictions))
        assert float(row["accuracy_low"]) < float(row["accuracy"]) < float(row["accuracy_high"])
    page = write_report(plan, {run.id: record}, tmp_path).read_text(encoding="utf-8")
    assert '<section id="heads">' in page
    assert (tmp_path / "tables" / "heads.csv").is_file()


def test_a_network_with_one_head_has_no_such_table(tmp_path: Path):
    plan = plan_of(STUDY)
    (run,) = plan.runs
    record = record_of(run, FIRST)
    (result,) = collect(plan, {run.id: record}).scored
    assert heads_of(result) == []
    assert 'id="heads"' not in write_report(plan, {run.id: record}, tmp_path).read_text(encoding="utf-8")
