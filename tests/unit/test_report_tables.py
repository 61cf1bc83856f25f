"""Tables of a study as data, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import pytest

from mien.evaluation.metrics import METRICS, Metric
from mien.report.compared import compare_tables
from mien.report.results import Results, collect
from mien.report.tables import (
    Frame,
    TableData,
    classes_frame,
    confusion_frame,
    history_frame,
    runs_frame,
    study_tables,
)
from mien.study.record import RunRecord, RunStatus
from support.fake_records import SHARES, answers, history_of, plan_of, record_of

STUDY = """
schema = 1
name = "small"
[data]
path = "drawn"
[protocol]
labels = "six"
[recipe]
epochs = 2
[[tables]]
name = "optimizers"
metrics = ["accuracy", "log_loss"]
seeds = [0, 1]
rows = { backbone = ["mien_small", "vgg16"] }
columns = [{ label = "sgd", optimizer = "sgd" }, { label = "nesterov", optimizer = "sgd", nesterov = true }]
"""

ACCURACY, LOG_LOSS = METRICS["accuracy"], METRICS["log_loss"]


def table_of(records: Mapping[str, RunRecord] | None = None) -> TableData:
    return study_tables(collect(plan_of(STUDY), records or {}))[0]


def results_of(**kept: RunRecord) -> Results:
    return collect(plan_of(STUDY), kept)


def records_by_place() -> dict[tuple[str, str, int], RunRecord]:
    """A record for each cell that can be run."""
    plan = plan_of(STUDY)
    runs = {run.id: run for run in plan.runs}
    return {(c.row, c.column, c.seed): record_of(runs[c.run_id]) for c in plan.cells if c.run_id}


class TestCells:
    def test_one_seed_has_its_interval_over_images(self) -> None:
        record = records_by_place()["VGG16", "sgd", 1]
        cell = table_of({record.id: record}).cells["VGG16", "sgd"]
        value = cell.value(ACCURACY)
        assert value is not None
        assert value.seeds == 1
        assert 0 < value.low < value.value < value.high < 1
        assert [(gap.status, gap.seeds) for gap in cell.gaps] == [("not run yet", (0,))]

    def test_several_seeds_give_mean_and_range(self) -> None:
        records = {r.id: r for place, r in records_by_place().items() if place[:2] == ("VGG16", "sgd")}
        results = collect(plan_of(STUDY), records)
        accuracies = [entry.scores.accuracy.value for entry in results.scored if entry.scores]
        value = study_tables(results)[0].cells["VGG16", "sgd"].value(ACCURACY)
        assert value is not None
        assert (value.low, value.high, value.seeds) == (min(accuracies), max(accuracies), 2)
        assert value.value == pytest.approx(sum(accuracies) / 2)

    def test_a_cell_that_the_plan_skips_says_why_once(self) -> None:
        table = table_of()
        (gap,) = table.cells["VGG16", "nesterov"].gaps
        assert gap.status == "skipped"
        assert gap.seeds == (0, 1)
        assert "momentum" in gap.reason
        assert gap.reason in table.footnotes

    def test_a_cell_names_the_collapse_of_its_networks_once(self) -> None:
        plan = plan_of(STUDY)
        records = {run.id: record_of(run, answers(only=2)) for run in plan.runs}
        assert table_of(records).cells["VGG16", "sgd"].badges == ["only 'happiness'"]

    def test_a_pair_of_activation_and_loss_that_is_none_has_a_footnote(self) -> None:
        plan = plan_of(STUDY + "fixed = { activation = 'relu' }")
        records = {run.id: record_of(run) for run in plan.runs}
        table = study_tables(collect(plan, records))[0]
        reason = table.cells["VGG16", "sgd"].unsound
        assert reason.startswith("A relu output under categorical crossentropy")
        assert reason in table.footnotes
        assert table_of({}).cells["VGG16", "sgd"].unsound == ""


def leaders(table: TableData, metric: Metric) -> set[tuple[str, str]]:
    return compare_tables([table], metric)[0].leaders


class TestLeaders:
    def test_the_best_and_what_cannot_be_told_apart_from_it(self) -> None:
        plan = plan_of(STUDY)
        skills = {"mien_small": 0.1, "vgg16": 5.0}
        records = {r.id: record_of(r, answers(skill=skills[r.recipe.backbone])) for r in plan.runs}
        assert leaders(table_of(records), ACCURACY) == {("VGG16", "sgd")}

    def test_a_lower_log_loss_leads(self) -> None:
        plan = plan_of(STUDY)
        skills = {"mien_small": 0.1, "vgg16": 5.0}
        records = {r.id: record_of(r, answers(skill=skills[r.recipe.backbone])) for r in plan.runs}
        assert leaders(table_of(records), LOG_LOSS) == {("VGG16", "sgd")}

    @pytest.mark.parametrize("metric", [ACCURACY, LOG_LOSS])
    def test_nothing_leads_that_is_no_better_than_the_floor(self, metric: Metric) -> None:
        records = {run.id: record_of(run, answers(skill=0.0)) for run in plan_of(STUDY).runs}
        assert leaders(table_of(records), metric) == set()

    def test_collapsed_networks_and_invalid_pairs_do_not_lead(self) -> None:
        plan = plan_of(STUDY)
        given = {"mien_small": answers(), "vgg16": answers(only=2)}
        records = {run.id: record_of(run, given[run.recipe.backbone]) for run in plan.runs}
        assert {row for row, _ in leaders(table_of(records), ACCURACY)} == {"mien_small"}
        text = STUDY + "fixed = { activation = 'relu' }"
        results = collect(plan_of(text), {run.id: record_of(run) for run in plan_of(text).runs})
        assert leaders(study_tables(results)[0], ACCURACY) == set()

    def test_nothing_leads_where_nothing_was_computed(self) -> None:
        assert leaders(table_of(), ACCURACY) == set()


def test_the_floor_below_a_table() -> None:
    records = {r.id: r for r in records_by_place().values()}
    ((text, floor),) = table_of(records).floors
    assert text == "Floor: always 'happiness'"
    assert floor["accuracy"].value == pytest.approx(SHARES[2] / sum(SHARES))


class TestFrames:
    def test_csv_is_read_back(self) -> None:
        frame = Frame(("name", "value"), (('a, "b"', 0.5), ("ü\nnew line", None), ("nan", float("nan"))))
        rows = list(csv.reader(io.StringIO(frame.to_csv())))
        assert rows == [["name", "value"], ['a, "b"', "0.5"], ["ü\nnew line", ""], ["nan", ""]]

    def test_a_table_has_a_line_for_every_cell_seed_and_metric(self) -> None:
        frame = table_of().frame()
        assert len(frame.rows) == 2 * 2 * 2 * 2
        assert all(len(row) == len(frame.columns) for row in frame.rows)

    def test_every_frame_is_rectangular_whatever_became_of_the_runs(self) -> None:
        plan = plan_of(STUDY)
        states = [
            record_of(plan.runs[0]),
            record_of(plan.runs[1], status=RunStatus.FAILED, reason="Out of memory."),
            record_of(plan.runs[2], status=RunStatus.DIVERGED, reason="NaN.", history=history_of(2, nan_from=2)),
        ]
        results = results_of(**{record.id: record for record in states})
        for frame in (runs_frame(results), classes_frame(results), confusion_frame(results), history_frame(results)):
            assert frame.rows
            assert all(len(row) == len(frame.columns) for row in frame.rows)

    def test_the_confusion_frame_counts_every_image_once(self) -> None:
        record = next(iter(records_by_place().values()))
        frame = confusion_frame(results_of(**{record.id: record}))
        assert sum(row[-1] for row in frame.rows) == sum(SHARES)

    def test_a_loss_that_is_not_a_number_is_an_empty_field(self) -> None:
        run = plan_of(STUDY).runs[0]
        record = record_of(run, status=RunStatus.DIVERGED, reason="NaN.", history=history_of(2, nan_from=2))
        last = history_frame(results_of(**{run.id: record})).to_csv().splitlines()[-1]
        assert last.startswith(f"{run.id},2,,")
