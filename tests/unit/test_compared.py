"""What a table says of differences, effects, published figures and conclusions."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mien.evaluation.comparison import t_difference
from mien.evaluation.intervals import Estimate
from mien.evaluation.metrics import METRICS, Metric
from mien.labels import SEVEN
from mien.predictions import Predictions
from mien.report.compared import (
    Effect,
    TableComparison,
    axis_effects,
    choices,
    compare_tables,
    compared_frame,
    contrast,
    corrected,
    distinct,
)
from mien.report.conclusions import Tried, Verdict, claimed, conclude, tried_claim
from mien.report.published import agreement, beside, contradictions
from mien.report.results import Results, collect, run_titles
from mien.report.summary import summarise
from mien.report.tables import TableData, study_tables
from mien.study.plan import Plan
from mien.study.reference import Reference, parse_reference
from support.fake_records import answers, history_with, plan_of, predictions_of, record_of

HEAD = """
schema = 1
name = "small"
[data]
path = "drawn"
[protocol]
labels = "six"
[recipe]
epochs = 2
optimizer = "rmsprop"
"""
OPTIMIZERS = """
[[tables]]
name = "optimizers"
title = "Optimizers"
rows.backbone = ["mien_small", "vgg16", "vgg19", "resnet50v2"]
columns = [{ label = "RMSprop" }, { label = "Adam", optimizer = "adam" }, { label = "relu", activation = "relu" }]
"""
IMAGES = 1_200
LABELS = np.arange(IMAGES) % 6


def right_for(share: float, *, shift: int = 0) -> Predictions:
    """Answers that are right for a share of the images: the first ones, from `shift` on."""
    right = (np.arange(IMAGES) - shift) % IMAGES < round(share * IMAGES)
    return predictions_of(np.eye(6)[np.where(right, LABELS, (LABELS + 1) % 6)], LABELS)


def filled(text: str, given: Mapping[tuple[str, str, int], Any], name: str = "") -> tuple[Plan, TableData, Results]:
    """The (named or first) table of a study, with records for the given places of any table, by row, column, seed."""
    plan = plan_of(text)
    runs = {run.id: run for run in plan.runs}
    records = {}
    for cell in plan.cells:
        if cell.run_id and (value := given.get((cell.row, cell.column, cell.seed))) is not None:
            more = value if isinstance(value, dict) else {"predictions": value}
            records[cell.run_id] = record_of(runs[cell.run_id], **more)
    results = collect(plan, records)
    tables = study_tables(results)
    return plan, next(table for table in tables if name in ("", table.spec.name)), results


BACKBONES = ("mien_small", "VGG16", "VGG19", "ResNet50V2")


def optimizers(rmsprop: Sequence[float], adam: Sequence[float]) -> tuple[Plan, TableData, Results]:
    given = {}
    for row, one, other in zip(BACKBONES, rmsprop, adam, strict=True):
        given[row, "RMSprop", 0], given[row, "Adam", 0] = right_for(one), right_for(other)
        given[row, "relu", 0] = right_for(0.3)
    return filled(HEAD + OPTIMIZERS, given)


def compare_table(table: TableData) -> TableComparison:
    (found,) = compare_tables([table])
    return found


class TestComparison:
    def test_pairs_are_compared_on_the_same_images_and_corrected(self) -> None:
        _, table, _ = optimizers([0.60, 0.50, 0.505, 0.40], [0.61, 0.50, 0.52, 0.40])
        found = compare_table(table)
        assert len(found.entries) == 8
        assert len(found.pairs) == 8 * 7 // 2
        assert [entry.estimate.value for entry in found.entries] == sorted(
            (entry.estimate.value for entry in found.entries), reverse=True
        )
        for pair in found.pairs:
            shared = set(pair.first.letters) & set(pair.second.letters)
            assert bool(shared) != pair.different
            assert pair.adjusted >= pair.comparison.p
            assert pair.first.estimate.value >= pair.second.estimate.value
        assert found.entries[0].title == "mien_small / Adam"

    def test_results_whose_intervals_overlap_can_still_be_told_apart(self) -> None:
        _, table, _ = optimizers([0.60, 0.5, 0.5, 0.5], [0.63, 0.5, 0.5, 0.5])
        best, second, *_ = compare_table(table).entries
        assert second.estimate.high > best.estimate.low
        assert not set(best.letters) & set(second.letters)

    def test_invalid_pairs_are_left_out_with_their_reason(self) -> None:
        _, table, _ = optimizers([0.6] * 4, [0.5] * 4)
        assert compare_table(table).left_out == {
            f"{row} / relu": "Its activation and loss are not a valid pair." for row in BACKBONES
        }

    def test_results_on_other_images_are_left_out(self) -> None:
        other = answers((9,) * 7)
        given = {
            ("mien_small", "RMSprop", 0): right_for(0.6),
            ("VGG16", "RMSprop", 0): right_for(0.5),
            ("VGG19", "RMSprop", 0): {"predictions": other, "label_set": SEVEN},
        }
        found = compare_table(filled(HEAD + OPTIMIZERS, given)[1])
        assert [entry.title for entry in found.entries] == ["mien_small / RMSprop", "VGG16 / RMSprop"]
        assert found.left_out == {"VGG19 / RMSprop": "It was tested on other images."}

    def test_the_order_of_images_does_not_count(self) -> None:
        turned = np.random.default_rng(0).permutation(IMAGES)
        straight = right_for(0.55)
        shuffled = replace(
            straight,
            outputs=straight.outputs[turned],
            targets=straight.targets[turned],
            labels=straight.labels[turned],
            ids=straight.ids[turned],
            copies=straight.copies[turned],
        )
        given = {("mien_small", "RMSprop", 0): straight, ("VGG16", "RMSprop", 0): shuffled}
        (pair,) = compare_table(filled(HEAD + OPTIMIZERS, given)[1]).pairs
        assert (pair.comparison.p, pair.comparison.discordant) == (1.0, 0)

    def test_places_that_are_one_run_count_once_and_tables_that_repeat_others_are_not_told_twice(self) -> None:
        again = OPTIMIZERS.replace('name = "optimizers"', 'name = "again"').replace(', "resnet50v2"', "")
        given = {(row, "RMSprop", 0): right_for(0.5) for row in BACKBONES}
        plan, _, results = filled(HEAD + OPTIMIZERS + again, given)
        first, second = compare_tables(study_tables(results))
        assert (len(first.entries), len(second.entries)) == (4, 3)
        assert distinct([first, second]) == [first]

    def test_several_seeds_have_their_mean_and_interval(self) -> None:
        text = HEAD + OPTIMIZERS + "seeds = [0, 1, 2]\n"
        given = {("VGG16", "Adam", seed): right_for(share) for seed, share in enumerate((0.50, 0.53, 0.56))}
        given |= {("VGG19", "Adam", seed): right_for(share) for seed, share in enumerate((0.70, 0.73, 0.76))}
        best, second = compare_table(filled(text, given)[1]).entries
        assert best.estimate.value == pytest.approx(0.73)
        # Student's t with two degrees of freedom: 4.303 * 0.03 / sqrt(3).
        assert best.estimate.high - best.estimate.value == pytest.approx(0.0745, abs=1e-3)
        assert best.letters != second.letters

    def test_its_frame_has_a_line_for_each_pair(self) -> None:
        frame = compared_frame([compare_table(optimizers([0.6] * 4, [0.5] * 4)[1])])
        rows = list(csv.DictReader(io.StringIO(frame.to_csv())))
        assert len(rows) == 28
        assert {"first", "difference", "adjusted_p", "different"} <= set(rows[0])

    def test_more_seeds_do_not_make_more_winners(self) -> None:
        """Three networks, 12 points apart: what the seeds scatter by does not hide that the middle one is no winner."""
        text = HEAD + OPTIMIZERS + f"seeds = {list(range(10))}\n"
        scatter = np.linspace(-0.08, 0.08, 10)
        given = {
            (row, "Adam", seed): right_for(share + scatter[(seed + turn) % 10], shift=turn)
            for turn, (row, share) in enumerate((("VGG16", 0.70), ("VGG19", 0.58), ("mien_small", 0.46)))
            for seed in range(10)
        }
        _, table, results = filled(text, given)
        found = compare_table(table)
        assert found.leaders == {("VGG16", "Adam")}
        text = " ".join(statement.text for statement in summarise(results, [found]))
        assert "cannot be told apart" not in text

    def test_shading_letters_and_sentences_agree(self) -> None:
        """Intervals that overlap are no tie, and two results that differ by a hair are."""
        _, table, results = optimizers([0.60, 0.5, 0.5, 0.5], [0.63, 0.5, 0.5, 0.629])
        found = compare_table(table)
        best = found.entries[0]
        assert found.leaders == {("mien_small", "Adam"), ("ResNet50V2", "Adam")}
        assert {entry.places[0] for entry in found.entries if set(entry.letters) & set(best.letters)} == found.leaders
        statements = {one.heading: one.text for one in summarise(results, [found])}
        assert "apart from ResNet50V2 / Adam (paired" in statements["Too close to rank"]

    def test_a_pair_is_corrected_alike_wherever_it_stands(self) -> None:
        again = OPTIMIZERS.replace('name = "optimizers"', 'name = "again"').replace(', "resnet50v2"', "")
        given = {(row, "RMSprop", 0): right_for(0.5 + i / 50) for i, row in enumerate(BACKBONES)}
        first, second = compare_tables(study_tables(filled(HEAD + OPTIMIZERS + again, given)[2]))
        assert (first.family, second.family) == (6, 6)
        whole = {(pair.first.title, pair.second.title): pair.adjusted for pair in first.pairs}
        assert all(whole[pair.first.title, pair.second.title] == pair.adjusted for pair in second.pairs)

    @pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
    def test_every_figure_is_compared_on_the_same_images(self, metric: Metric) -> None:
        text = HEAD + OPTIMIZERS + f"metrics = ['{metric.name}']\n"
        support = (200,) * 6
        given = {
            ("mien_small", "RMSprop", 0): answers(support, skill=4.0),
            ("VGG16", "RMSprop", 0): answers(support, skill=4.0, seed=1),
            ("VGG19", "RMSprop", 0): answers(support, skill=1.0),
        }
        _, table, _ = filled(text, given)
        (found,) = compare_tables([table], metric)
        values = [metric.of(entry.results[0].scores).value for entry in found.entries if entry.results[0].scores]
        assert values == sorted(values, reverse=metric.higher_is_better)
        if metric.name != "calibration_error":  # How sure the drawn answers are goes with their skill.
            assert found.leaders == {("mien_small", "RMSprop"), ("VGG16", "RMSprop")}
        for pair in found.pairs:
            low, value, high = (getattr(pair.comparison.difference, end) for end in ("low", "value", "high"))
            assert low <= value <= high
            assert value == pytest.approx(pair.first.estimate.value - pair.second.estimate.value, abs=1e-6)

    def test_the_frame_names_the_figure_of_each_pair(self) -> None:
        text = HEAD + OPTIMIZERS + "metrics = ['accuracy', 'log_loss']\n"
        given = {(row, "RMSprop", 0): answers(skill=skill) for row, skill in (("VGG16", 1.0), ("VGG19", 2.0))}
        _, table, _ = filled(text, given)
        both = [compare_tables([table], METRICS[name])[0] for name in ("accuracy", "log_loss")]
        rows = list(csv.DictReader(io.StringIO(compared_frame(both).to_csv())))
        assert [row["metric"] for row in rows] == ["accuracy", "log_loss"]


class TestEffects:
    def test_verdicts_are_corrected_for_the_number_of_effects(self) -> None:
        """Of forty settings that do nothing, two are beyond 95 % by themselves; corrected, none is."""
        rng = np.random.default_rng(5)
        alone = shown = 0
        for _ in range(40):
            effects = []
            for _ in range(40):
                values = rng.normal(0.0, 0.01, size=4)
                found, p = t_difference(float(values.mean()), float(values.var(ddof=1)) / 4, 3, 4)
                effects.append(Effect(found, p, p, "4 backbones, 1 seed"))
            known = corrected(effects)
            alone += any(effect.p < 0.05 for effect in effects)
            shown += any(known[effect].direction for effect in effects)
        # A family of forty raises an alarm in 5 % of cases, give or take; uncorrected, in nearly all.
        assert alone > 30
        assert shown <= 5

    def test_an_effect_lost_to_the_correction_says_so(self) -> None:
        one = Effect(Estimate(0.03, 0.01, 0.05, 4), 0.01, 0.01, "4 backbones")
        other = [Effect(Estimate(0.0, -0.1, 0.1, 4), 0.5 + i / 100, 0.5, "4 backbones") for i in range(9)]
        assert one.verdict == "better"
        after = corrected([one, *other])[one]
        assert after.direction == 0
        assert after.verdict == "no difference is shown: one of 10 effects may well be so by chance"

    def test_an_effect_that_stands_twice_is_one_test_and_a_blind_one_none(self) -> None:
        one = Effect(Estimate(0.03, 0.01, 0.05, 4), 0.03, 0.03, "4 backbones")
        turned = replace(one, difference=Estimate(-0.03, -0.05, -0.01, 4))
        blind = replace(one, p=0.5, blind=True)
        known = corrected([one, one, turned, blind])
        assert (known[one].family, known[one].adjusted) == (1, 0.03)
        assert (known[one].direction, known[turned].direction, known[blind].direction) == (1, -1, 0)

    def test_an_effect_is_the_mean_over_backbones_with_their_interval(self) -> None:
        plan, table, _ = optimizers([0.60, 0.50, 0.55, 0.40], [0.63, 0.52, 0.59, 0.43])
        adam, relu = axis_effects(plan.study, table)
        assert (adam.position, adam.baseline) == ("Adam", "RMSprop")
        # Differences of 3, 2, 4 and 3 points: mean 3, deviation 0.816, t of 3 degrees 3.182.
        assert adam.effect.text == "+3.0 points [1.7, 4.3], 4 backbones, 1 seed"
        assert str(adam) == "Adam instead of RMSprop: +3.0 points [1.7, 4.3], 4 backbones, 1 seed"
        assert (adam.effect.direction, adam.effect.verdict) == (1, "better")
        assert relu.effect.remark == "relu is not a valid pair with the loss"

    def test_an_effect_that_could_be_either_way_is_not_shown(self) -> None:
        plan, table, _ = optimizers([0.60, 0.50, 0.55, 0.40], [0.63, 0.47, 0.59, 0.36])
        effect = axis_effects(plan.study, table)[0].effect
        assert effect.direction == 0
        assert effect.verdict.startswith("no difference is shown")

    @pytest.mark.parametrize("above", [False, True])
    def test_networks_at_the_floor_tell_nothing_of_a_setting(self, above: bool) -> None:
        adam = [0.16, 0.17, 0.16, 0.60 if above else 0.17]
        plan, table, _ = optimizers([0.10, 0.11, 0.12, 0.11], adam)
        effect = axis_effects(plan.study, table)[0].effect
        assert effect.difference.value > 0
        assert effect.blind != above
        assert effect.verdict.startswith("nothing is told") != above
        groups = contrast(table, "columns", ["Adam", "RMSprop"], ["RMSprop", "Adam"])
        assert groups is not None
        assert groups.blind != above

    def test_missing_backbones_are_left_out_and_counted(self) -> None:
        given = {(row, "RMSprop", 0): right_for(0.5) for row in BACKBONES}
        given |= {(row, "Adam", 0): right_for(0.52 + i / 100) for i, row in enumerate(BACKBONES[:3])}
        plan, table, _ = filled(HEAD + OPTIMIZERS, given)
        (adam,) = axis_effects(plan.study, table)
        assert adam.effect.over == "3 backbones, 1 seed"

    def test_one_or_two_backbones_speak_for_themselves_alone(self) -> None:
        _, table, _ = optimizers([0.60, 0.50, 0.55, 0.40], [0.30, 0.31, 0.2, 0.2])
        one = contrast(table, "columns", ["RMSprop"], ["Adam"], among=["VGG16"])
        two = contrast(table, "columns", ["RMSprop"], ["Adam"], among=["VGG16", "mien_small"])
        assert one is not None
        assert two is not None
        assert one.over == "1 backbone, 1 seed, for these alone"
        assert one.difference.value == pytest.approx(0.19, abs=1e-3)
        assert two.difference.value == pytest.approx((0.30 + 0.19) / 2, abs=1e-3)
        assert 0.2 < two.difference.low < two.difference.value < two.difference.high < 0.3

    def test_collapsed_networks_behind_an_effect_are_counted(self) -> None:
        given = {(row, "RMSprop", 0): right_for(0.5) for row in BACKBONES}
        collapsed = predictions_of(np.tile(np.eye(6)[0], (IMAGES, 1)), LABELS)
        given |= {(row, "Adam", 0): collapsed for row in BACKBONES}
        plan, table, _ = filled(HEAD + OPTIMIZERS, given)
        (adam,) = axis_effects(plan.study, table)
        assert adam.effect.remark == "4 of 4 backbones collapsed under 'Adam'"

    def test_two_groups_of_networks_are_compared_by_welch(self) -> None:
        from scipy import stats

        _, table, _ = optimizers([0.60, 0.64, 0.50, 0.53], [0.62, 0.60, 0.51, 0.50])
        found = contrast(table, "rows", ["mien_small", "VGG16"], ["VGG19", "ResNet50V2"], among=["RMSprop", "Adam"])
        assert found is not None
        expected = stats.ttest_ind([0.61, 0.62], [0.505, 0.515], equal_var=False).confidence_interval(0.95)
        assert (found.difference.low, found.difference.high) == pytest.approx((expected.low, expected.high), abs=1e-3)
        assert found.over == "2 against 2 backbones"

    def test_epochs_that_are_read_out_of_one_run_are_one_piece_of_evidence(self) -> None:
        text = HEAD + "[[tables]]\nname = 't'\nrows.backbone = ['vgg16', 'vgg19']\ncolumns.epochs = [1, 2, 3]\n"
        given = {("VGG16", "3", 0): right_for(0.6), ("VGG19", "3", 0): right_for(0.5)}
        _, table, _ = filled(text, given)
        found = contrast(table, "rows", ["VGG16"], ["VGG19"])
        assert found is not None
        assert found.over == "1 setting, 1 seed, for these alone"

    def test_places_where_both_sides_are_one_run_tell_of_no_difference(self) -> None:
        # Under Adam momentum has no effect: a difference of 0 there would dilute that under the others.
        text = (
            HEAD + "[[tables]]\nname = 't'\nrows.optimizer = ['sgd', 'rmsprop', 'adam']\ncolumns.momentum = [0, 0.9]\n"
        )
        given = {("sgd", "0", 0): 0.5, ("sgd", "0.9", 0): 0.6, ("rmsprop", "0", 0): 0.5, ("rmsprop", "0.9", 0): 0.6}
        given |= {("adam", "0", 0): 0.4}
        plan, table, _ = filled(text, {place: right_for(share) for place, share in given.items()})
        effect = next(one.effect for one in axis_effects(plan.study, table) if one.position == "momentum = 0.9")
        assert effect.difference.value == pytest.approx(0.1)
        assert effect.over == "2 settings, 1 seed, for these alone"

    def test_positions_that_are_the_same_runs_have_no_effect_and_are_named(self) -> None:
        text = HEAD + (
            "[[tables]]\nname = 't'\nrows.backbone = ['vgg16', 'vgg19']\n"
            "columns = [{ label = 'a' }, { label = 'b', nesterov = false }, { label = 'c', dropout = 0.5 }]\n"
        )
        plan, table, results = filled(text, {("VGG16", "a", 0): right_for(0.5), ("VGG16", "c", 0): right_for(0.6)})
        assert [one.position for one in axis_effects(plan.study, table)] == ["c"]
        said = "In 't' the columns a and b are the same runs: what sets them apart changes nothing here."
        assert plan.same == [said]
        assert said in [statement.text for statement in summarise(results, [compare_table(table)])]

    def test_one_position_is_set_against_the_mean_of_several(self) -> None:
        _, table, _ = optimizers([0.60, 0.50, 0.55, 0.40], [0.63, 0.52, 0.59, 0.43])
        found = contrast(table, "columns", ["Adam"], ["RMSprop", "relu"])
        assert found is not None
        differences = [0.63 - 0.45, 0.52 - 0.40, 0.59 - 0.425, 0.43 - 0.35]
        assert found.difference.value == pytest.approx(np.mean(differences))
        assert found.over == "4 backbones, 1 seed"
        turned = contrast(table, "columns", ["RMSprop", "relu"], ["Adam"])
        assert turned is not None
        assert turned.difference.value == pytest.approx(-np.mean(differences))
        few = contrast(table, "columns", ["Adam"], ["RMSprop", "relu"], among=["VGG16"])
        assert few is not None
        assert few.over == "1 backbone, 1 seed, for these alone"
        assert (few.difference.value, few.direction) == (pytest.approx(0.12), 1)

    def test_nothing_is_said_where_nothing_was_run(self) -> None:
        plan, table, _ = filled(HEAD + OPTIMIZERS, {})
        assert axis_effects(plan.study, table) == []
        assert contrast(table, "columns", ["Adam"], ["RMSprop"]) is None
        assert contrast(table, "columns", ["Adam", "relu"], ["RMSprop"]) is None


CHOICE = """
[[tables]]
name = "rates"
title = "Rates"
choose = "columns"
rows.backbone = ["vgg16", "vgg19"]
columns.learning_rate = [0.01, 0.001]
"""


class TestChoice:
    def tuned(self) -> tuple[Plan, TableData, Results]:
        def with_validation(share: float, validation: float) -> dict[str, Any]:
            history = history_with([1.0, 1.0], accuracy=[0.5, 0.5], validation_accuracy=[0.1, validation])
            return {"predictions": right_for(share), "history": history}

        return filled(
            HEAD + CHOICE,
            {
                ("VGG16", "0.01", 0): with_validation(0.70, 0.50),
                ("VGG16", "0.001", 0): with_validation(0.60, 0.58),
                ("VGG19", "0.01", 0): with_validation(0.55, 0.56),
                ("VGG19", "0.001", 0): with_validation(0.65, 0.54),
            },
        )

    def test_the_column_is_chosen_on_validation_and_not_on_test(self) -> None:
        _, table, _ = self.tuned()
        assert [(choice.row, choice.column, choice.validation) for choice in choices(table)] == [
            ("VGG16", "0.001", 0.58),
            ("VGG19", "0.01", 0.56),
        ]

    def test_rows_are_compared_by_their_chosen_columns(self) -> None:
        plan, table, _ = self.tuned()
        assert [entry.title for entry in compare_table(table).entries] == ["VGG16 / 0.001", "VGG19 / 0.01"]
        assert axis_effects(plan.study, table) == []

    def test_a_column_with_fewer_seeds_is_not_chosen(self) -> None:
        text = HEAD + CHOICE + "seeds = [0, 1]\n"
        good = {"history": history_with([1.0, 1.0], accuracy=[0.9, 0.9])}
        plain = {"history": history_with([1.0, 1.0], accuracy=[0.5, 0.5])}
        given = {("VGG16", "0.01", 0): good, ("VGG16", "0.001", 0): plain, ("VGG16", "0.001", 1): plain}
        (choice,) = choices(filled(text, given)[1])
        assert choice.column == "0.001"


PAPER = """
schema = 1
name = "the paper"
source = "Somebody, 2019."
[[tables]]
name = "optimizers"
columns = ["RMSprop", "Adam", "Adadelta"]
[tables.rows]
mien_small = [0.605, 0.700, 0.3]
VGG16 = [0.167, [], []]
[[tables]]
name = "epochs"
columns = ["2"]
[tables.rows]
mien_small = [0.650]
[[claims]]
text = "Adam is better."
table = "optimizers"
better = ["Adam"]
than = ["RMSprop"]
[[claims]]
text = "Adam is worse."
table = "optimizers"
better = ["RMSprop"]
than = ["Adam"]
[[claims]]
text = "Nobody asked."
table = "elsewhere"
better = ["a"]
than = ["b"]
"""
WITH_PAPER = HEAD + OPTIMIZERS + 'reference = "paper.toml"\n'
EPOCHS = """
[[tables]]
name = "epochs"
title = "Epochs"
reference = "paper.toml"
rows.backbone = ["mien_small"]
columns.epochs = [2]
"""


def tried_on(tables: Sequence[TableData], reference: Reference) -> list[Tried]:
    claims = claimed(tables, {"paper.toml": reference})
    known = corrected([one.effect for one in claims if one.effect])
    return [tried_claim(replace(one, effect=known[one.effect]) if one.effect else one) for one in claims]


class TestPublished:
    reference = parse_reference(PAPER)

    def test_ours_theirs_and_the_difference_stand_side_by_side(self) -> None:
        given = {("mien_small", "RMSprop", 0): right_for(0.6), ("mien_small", "Adam", 0): right_for(0.6)}
        _, table, _ = filled(WITH_PAPER, given)
        found = beside(table, self.reference)
        rmsprop, adam, collapsed = found.lines
        assert rmsprop.ours is not None
        assert (rmsprop.ours.value, rmsprop.theirs.value) == (0.6, 0.605)
        assert rmsprop.difference == pytest.approx(-0.005)
        assert (rmsprop.inside, adam.inside, collapsed.inside) == (True, False, None)
        assert collapsed.ours is None
        assert collapsed.status == "not run yet"
        assert found.source == "Somebody, 2019."

    def test_a_figure_that_is_the_share_of_a_label_says_so(self) -> None:
        _, table, _ = filled(WITH_PAPER, {("mien_small", "Adam", 0): right_for(0.6)})
        found = beside(table, self.reference)
        assert [line.remark for line in found.lines] == ["", "", "the share of 'anger'"]
        assert found.remarks[0].startswith("1 of the accuracies in the paper are, as printed, the share of one label")

    def test_figures_that_the_study_does_not_ask_for_are_named(self) -> None:
        _, table, _ = filled(WITH_PAPER, {})
        assert beside(table, self.reference).remarks == (
            "The paper also has figures for mien_small / Adadelta, which this study does not ask for.",
        )

    def test_no_published_figure_is_in_a_table_of_ours(self) -> None:
        _, table, _ = filled(WITH_PAPER, {})
        assert "0.605" not in table.frame().to_csv()
        rows = list(csv.DictReader(io.StringIO(beside(table, self.reference).frame().to_csv())))
        assert {(row["ours"], row["published"]) for row in rows} == {("", "0.605"), ("", "0.700"), ("", "0.167")}
        assert {row["source"] for row in rows} == {"Somebody, 2019."}

    def test_two_figures_for_one_configuration_are_found(self) -> None:
        _, _, results = filled(WITH_PAPER + EPOCHS, {})
        (text,) = contradictions(results, {"paper.toml": self.reference})
        assert text == (
            "The paper prints accuracy 0.605 at mien_small / RMSprop (Optimizers) and 0.650 at mien_small / 2 "
            "(Epochs). "
            "By its recipe these are one configuration."
        )

    def test_agreement_is_counted(self) -> None:
        given = {("mien_small", "RMSprop", 0): right_for(0.6), ("mien_small", "Adam", 0): right_for(0.6)}
        _, table, _ = filled(WITH_PAPER, given)
        text = agreement([beside(table, self.reference)])
        assert text.startswith(
            "Of 3 published accuracies that the study asks for, 2 have a number of ours beside them; 1"
        )
        assert agreement([]) == ""

    @pytest.mark.parametrize(
        ("adam", "outcomes"),
        [
            ([0.63, 0.52, 0.59, 0.43], [Verdict.HOLDS, Verdict.FAILS]),
            ([0.57, 0.48, 0.51, 0.37], [Verdict.FAILS, Verdict.HOLDS]),
            ([0.63, 0.47, 0.59, 0.36], [Verdict.OPEN, Verdict.OPEN]),
        ],
    )
    def test_a_claim_holds_fails_or_cannot_be_told(self, adam: list[float], outcomes: list[Verdict]) -> None:
        _, table, _ = optimizers([0.60, 0.50, 0.55, 0.40], adam)
        found = tried_on([table], self.reference)
        assert [one.outcome for one in found] == [*outcomes, Verdict.OPEN]
        assert "points" in found[0].reason
        assert found[2].reason == "This study has no table 'elsewhere'."

    def test_networks_at_the_floor_decide_no_claim(self) -> None:
        _, table, _ = optimizers([0.10, 0.11, 0.12, 0.11], [0.16, 0.17, 0.16, 0.17])
        found = tried_on([table], self.reference)
        assert {one.outcome for one in found} == {Verdict.OPEN}
        assert "No result lies above the floor." in found[0].reason

    @pytest.mark.parametrize(
        ("claim", "reason"),
        [
            ({"better": ("Adadelta",)}, "The columns of this study's table 'optimizers' do not have 'Adadelta'."),
            ({"among": ("VGG61",)}, "The rows of this study's table 'optimizers' do not have 'VGG61'."),
            ({"better": ("again",)}, "In this study both are the same runs: what sets them apart has no effect there."),
            ({"better": ("relu",)}, "Too little of it has been run."),
        ],
    )
    def test_a_claim_of_which_nothing_can_be_told_says_why(self, claim: dict[str, Any], reason: str) -> None:
        again = OPTIMIZERS.replace('{ label = "relu"', '{ label = "again", nesterov = false }, { label = "relu"')
        _, table, _ = filled(HEAD + again, {(row, "RMSprop", 0): right_for(0.5) for row in BACKBONES})
        asked = replace(self.reference.claims[0], **claim)
        (found,) = tried_on([table], replace(self.reference, claims=(asked,)))
        assert (found.outcome, found.reason) == (Verdict.OPEN, reason)

    def test_nothing_run_is_nothing_told(self) -> None:
        _, table, _ = filled(WITH_PAPER, {})
        assert tried_on([table], self.reference)[0].reason == "Too little of it has been run."


def test_conclusions_name_the_best_its_equals_and_the_effects() -> None:
    plan, table, _ = optimizers([0.60, 0.50, 0.55, 0.40], [0.63, 0.52, 0.59, 0.43])
    best, effects = conclude([compare_table(table)], axis_effects(plan.study, table), [])
    assert best.text.startswith(
        "mien_small / Adam has the highest accuracy, 63.0% [60.2%, 65.7%], one seed. It is better"
    )
    assert effects.heading == "Effect of optimizers"
    assert effects.text.startswith("Adam instead of RMSprop: +3.0 points [1.7, 4.3], 4 backbones, 1 seed: better.")
    assert conclude([], [], []) == []


def test_titles_leave_out_what_resolving_a_recipe_fills_in() -> None:
    plan = plan_of(
        HEAD
        + "[[tables]]\nname = 'a'\nrows.backbone = ['vgg16', 'inceptionv3']\n"
        + "[[tables]]\nname = 'b'\nfixed.preprocessing.rescale = 'imagenet'\nrows.backbone = ['vgg16']\n"
        + "[[tables]]\nname = 'c'\nrows.preprocessing.size = [64]\nfixed.backbone = 'vgg16'\n"
    )
    assert list(run_titles(plan).values()) == [
        "VGG16, size 48",
        "InceptionV3, size 75",
        "VGG16, rescale imagenet, size 48",
        "VGG16, size 64",
    ]
