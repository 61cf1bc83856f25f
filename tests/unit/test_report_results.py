"""What the plan asked for beside what the records hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.evaluation.metrics import score
from mien.labels import SIX, Expression
from mien.report.measured import blind_answers
from mien.report.results import State, collect, find_collapse, run_titles, unsound_head
from mien.study.recipe import Recipe
from mien.study.record import RunStatus
from support.fake_records import SHARES, answers, history_of, plan_of, predictions_of, record_of

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
name = "one"
rows = { backbone = ["mien_small", "vgg16"] }
"""


def varied(rows: str, columns: str = "{ backbone = ['mien_small', 'vgg16'] }", more: str = "") -> str:
    return STUDY + f"[[tables]]\nname = 'two'\nrows = {rows}\ncolumns = {columns}\n{more}\n"


class TestStates:
    def test_a_run_without_a_record_is_not_run_yet(self) -> None:
        results = collect(plan_of(STUDY), {})
        assert [entry.state for entry in results.entries] == [State.MISSING] * 2
        assert results.scored == []

    @pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.DIVERGED, RunStatus.SKIPPED])
    def test_a_run_that_did_not_complete_keeps_status_and_reason(self, status: RunStatus) -> None:
        plan = plan_of(STUDY)
        run = plan.runs[0]
        entry = collect(plan, {run.id: record_of(run, status=status, reason="Because.")}).entries[0]
        assert (entry.state.value, entry.reason, entry.scores) == (status.value, "Because.", None)

    def test_a_complete_run_is_scored(self) -> None:
        plan = plan_of(STUDY)
        run, predictions = plan.runs[0], answers(copies=6)
        entry = collect(plan, {run.id: record_of(run, predictions)}).entries[0]
        assert entry.state is State.COMPLETE
        assert entry.scores is not None
        assert entry.scores.accuracy == score(predictions, SIX).accuracy
        assert entry.without_copies is not None
        assert entry.without_copies.count == len(predictions) - 6

    def test_when_every_image_has_a_copy_there_are_no_figures_without_them(self) -> None:
        plan = plan_of(STUDY)
        run = plan.runs[0]
        entry = collect(plan, {run.id: record_of(run, answers(copies=sum(SHARES)))}).entries[0]
        assert entry.without_copies is None

    def test_a_complete_record_without_answers_is_missing_not_wrong(self) -> None:
        plan = plan_of(STUDY)
        run = plan.runs[0]
        record = replace(record_of(run), predictions={})
        entry = collect(plan, {run.id: record}).entries[0]
        assert entry.state is State.MISSING
        assert "no answers for the test role" in entry.reason

    def test_answers_that_are_not_numbers_fail_that_run_alone(self) -> None:
        plan = plan_of(STUDY)
        bad = answers()
        bad.outputs[3, 2] = np.nan
        records = {run.id: record_of(run, p) for run, p in zip(plan.runs, (bad, answers()), strict=True)}
        assert [entry.state for entry in collect(plan, records).entries] == [State.FAILED, State.COMPLETE]

    def test_records_that_the_plan_does_not_ask_for_are_left_aside(self) -> None:
        plan = plan_of(STUDY)
        stray = replace(record_of(plan.runs[0]), id="ffffffffffff")
        assert collect(plan, {stray.id: stray}).records == []

    def test_the_epoch_of_a_divergence_is_named(self) -> None:
        plan = plan_of(STUDY)
        run = plan.runs[0]
        record = record_of(run, status=RunStatus.DIVERGED, reason="NaN.", history=history_of(4, nan_from=4))
        assert collect(plan, {run.id: record}).entries[0].status == "diverged in epoch 4"
        record = record_of(run, status=RunStatus.DIVERGED, reason="NaN.", history=())
        assert collect(plan, {run.id: record}).entries[0].status == "diverged in epoch 1"

    def test_the_best_comes_first(self) -> None:
        plan = plan_of(STUDY)
        weak, strong = answers(skill=0.2), answers(skill=4.0)
        records = {run.id: record_of(run, p) for run, p in zip(plan.runs, (weak, strong), strict=True)}
        assert [entry.backbone for entry in collect(plan, records).scored] == ["VGG16", "mien_small"]

    def test_one_run_answers_for_each_of_its_readouts(self) -> None:
        plan = plan_of(varied("{ epochs = [1, 2] }"))
        records = {run.id: record_of(run) for run in plan.runs}
        results = collect(plan, records)
        assert len(plan.runs) == 2
        assert [(entry.backbone, entry.readout) for entry in results.entries] == [
            ("mien_small", 1),
            ("mien_small", 2),
            ("VGG16", 1),
            ("VGG16", 2),
        ]
        assert results.entries[0].title == "mien_small, 1 epoch"
        assert all(results.of(cell) is not None for cell in plan.cells)


class TestTitles:
    def test_a_backbone_alone_where_nothing_else_varies(self) -> None:
        assert list(run_titles(plan_of(STUDY)).values()) == ["mien_small", "VGG16"]

    def test_only_departures_from_the_study_recipe_are_named(self) -> None:
        plan = plan_of(varied("{ optimizer = ['adamw', 'sgd'], learning_rate = [0.001, 0.1] }", more="seeds = [0, 3]"))
        titles = set(run_titles(plan).values())
        assert {"mien_small", "mien_small, seed 3", "VGG16, seed 3, sgd, learning rate 0.1"} <= titles
        assert len(titles) == len(plan.runs)

    def test_parts_of_preprocessing_and_protocol_are_named(self) -> None:
        rows = "[{ label = 'all' }, { label = 'half', protocol = { train_fraction = 0.5 } }, "
        rows += "{ label = 'centred', preprocessing = { featurewise_center = true } }]"
        titles = list(run_titles(plan_of(varied(rows, "{ backbone = ['vgg16'] }"))).values())
        assert titles == ["mien_small", "VGG16", "VGG16, train fraction 0.5", "VGG16, with featurewise center"]

    def test_what_is_said_of_teachers_says_so(self) -> None:
        rows = "[{ label = 'none' }, { label = 'one', teacher.models = ['default'], teacher.share = 0.7 }]"
        titles = list(run_titles(plan_of(varied(rows, "{ backbone = ['vgg16'] }"))).values())
        assert "VGG16, teacher default, teacher share 0.7" in titles


class TestCollapse:
    def test_one_answer_to_every_image(self) -> None:
        collapse = find_collapse(score(answers(only=2), SIX))
        assert collapse is not None
        assert str(collapse) == "answers 'happiness' to 100% of the images"
        assert collapse.answer is Expression.HAPPINESS
        assert collapse.support == SHARES[2] / sum(SHARES)
        assert collapse.badge == "only 'happiness'"

    def test_nearly_all_is_not_called_all(self) -> None:
        outputs = np.tile(np.eye(6)[2], (60, 1))
        outputs[0] = np.eye(6)[1]
        collapse = find_collapse(score(predictions_of(outputs, answers().labels), SIX))
        assert str(collapse) == "answers 'happiness' to 98.3% of the images"

    def test_a_silent_head_gives_no_answer(self) -> None:
        collapse = find_collapse(score(predictions_of(np.zeros((60, 6)), answers().labels), SIX))
        assert str(collapse) == "gives no answer to 100% of the images: all its outputs are equal"
        assert collapse is not None
        assert collapse.badge == "no answer"

    def test_a_network_that_looks_has_not_collapsed(self) -> None:
        assert find_collapse(score(answers(), SIX)) is None


def test_the_floor_is_the_commonest_label() -> None:
    floor = score(blind_answers(answers(), 6), SIX)
    shares = np.array(SHARES) / sum(SHARES)
    assert floor.accuracy.value == pytest.approx(shares.max())
    assert floor.log_loss.value == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-6)


@pytest.mark.parametrize(
    ("activation", "loss", "unsound"),
    [
        ("softmax", "categorical_crossentropy", False),
        ("relu", "categorical_crossentropy", True),
        ("sigmoid", "categorical_crossentropy", True),
        ("sigmoid", "binary_crossentropy", False),
        ("relu", "mean_squared_error", False),
    ],
)
def test_pairs_of_activation_and_loss(activation: str, loss: str, unsound: bool) -> None:
    assert bool(unsound_head(Recipe(activation=activation, loss=loss))) is unsound  # type: ignore[arg-type]


def test_only_the_test_role_is_scored() -> None:
    plan = plan_of(STUDY)
    run = plan.runs[0]
    record = record_of(run)
    record = replace(record, predictions={(run.readouts[-1], Role.VALIDATION): answers()})
    assert collect(plan, {run.id: record}).scored == []


def test_times_say_something_together_where_one_hardware_took_them() -> None:
    plan = plan_of(STUDY)
    run = plan.runs[0]
    record = replace(record_of(run, answers()), environment={"processor": "P", "cores": 8}, seconds={"total": 60.0})
    result = collect(plan, {run.id: record}).entries[0]
    other = replace(record, environment={"processor": "P", "cores": 8, "threads": 1})
    parts = {name: replace(result, record=one) for name, one in (("first", record), ("second", other))}
    alike = replace(result, folds=(parts["first"], parts["first"]))
    unlike = replace(result, folds=(parts["first"], parts["second"]))
    assert result.seconds_per_epoch is not None
    assert (alike.seconds_per_epoch, alike.total_seconds) == (result.seconds_per_epoch, 120)
    assert (unlike.seconds_per_epoch, unlike.images_per_second, unlike.total_seconds) == (None, None, None)
    assert (record.hardware, other.hardware) == ("P, 8 cores", "P, 8 cores, 1 of them used")
