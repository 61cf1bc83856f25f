"""Sentences of the summary: each holds for the records it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.evaluation.metrics import score
from mien.labels import SIX
from mien.predictions import Predictions
from mien.report.compared import compare_tables
from mien.report.results import collect
from mien.report.summary import Statement, summarise
from mien.report.tables import study_tables
from mien.study.plan import Plan
from mien.study.record import RunRecord, RunStatus
from support.fake_records import answers, plan_of, predictions_of, record_of

STUDY = """
schema = 1
name = "small"
[data]
path = "drawn"
[protocol]
labels = "six"
train_fraction = 0.1
[recipe]
epochs = 2
[[tables]]
name = "one"
rows = { backbone = ["mien_small", "vgg16", "vgg19"] }
"""
LARGE = (800, 900, 1500, 1100, 700, 1000)


def summary_of(plan: Plan, predictions: Sequence[Predictions | None]) -> dict[str, Statement]:
    pairs = zip(plan.runs, predictions, strict=True)
    records = {run.id: record_of(run, answered) for run, answered in pairs if answered is not None}
    return {statement.heading: statement for statement in told(plan, records)}


def told(plan: Plan, records: Mapping[str, RunRecord]) -> list[Statement]:
    results = collect(plan, records)
    return summarise(results, compare_tables(study_tables(results)))


def test_without_any_record_it_says_so() -> None:
    statements = summary_of(plan_of(STUDY), [None, None, None])
    assert set(statements) == {"No figures yet", "Not run yet"}
    assert statements["Not run yet"].text == "3 of 3 results: mien_small, VGG16 and VGG19."


def test_a_clear_winner_is_set_apart() -> None:
    statements = summary_of(plan_of(STUDY), [answers(LARGE, skill=s) for s in (2.0, 1.0, 0.8)])
    assert statements["Highest accuracy"].text.startswith("mien_small: ")
    assert "of 6,000 test images, 95% interval" in statements["Highest accuracy"].text
    assert "Set apart" in statements
    assert "Too close to rank" not in statements
    assert statements["Floor"].text.endswith("All 3 results lie above it, compared on the same images.")


SEEDS_APART = [
    ('rows.backbone = ["mien_small", "vgg16"]\nseeds = [0, 1]', "mien_small"),  # each has run one of its seeds so far
    ("rows.seed = [1, 2]", "1"),
]


@pytest.mark.parametrize(("axes", "best"), SEEDS_APART)
def test_results_without_a_seed_in_common_are_compared_too(axes: str, best: str) -> None:
    head = STUDY.partition("rows =")[0]
    plan = plan_of(f"{head}{axes}\n")
    for skill, heading in ((0.99, "Too close to rank"), (0.1, "Set apart")):
        chosen = [plan.runs[0], plan.runs[-1]]
        given = [answers(LARGE, skill=1.0), answers(LARGE, skill=skill, seed=5)]
        records = {run.id: record_of(run, some) for run, some in zip(chosen, given, strict=True)}
        statements = {statement.heading: statement for statement in told(plan, records)}
        assert statements["Highest accuracy"].text.startswith(f"{best}: ")
        assert (heading in statements, len({"Too close to rank", "Set apart"} & set(statements))) == (True, 1), skill
        assert "corrected for 1 pair)" in statements[heading].text


def test_what_cannot_be_told_apart_is_named() -> None:
    statements = summary_of(plan_of(STUDY), [answers(skill=2.0, seed=seed) for seed in range(3)])
    assert "Set apart" not in statements
    text = statements["Too close to rank"].text
    assert text.startswith("On the same images the highest cannot be told apart from ")
    assert "corrected for 3 pairs" in text


def test_several_seeds_are_one_result_with_their_mean() -> None:
    """The luckiest of several seeds is not the highest accuracy."""
    plan = plan_of(STUDY + "seeds = [0, 1, 2]")
    skills = {"mien_small": (1.0, 1.0, 1.0), "vgg16": (1.4, 0.6, 0.6), "vgg19": (0.5, 0.5, 0.5)}
    given = [answers(LARGE, skill=skills[run.recipe.backbone][run.recipe.seed]) for run in plan.runs]
    text = summary_of(plan, given)["Highest accuracy"].text
    assert text.startswith("mien_small: the mean of 3 seeds, ")


def test_the_floor_is_the_commonest_label_and_not_one_in_six() -> None:
    text = summary_of(plan_of(STUDY), [answers(skill=0.0), None, None])["Floor"].text
    assert "'happiness', without looking at the image, is right for 25.0% of the test images" in text
    assert "not one in 6 (16.7%)" in text
    assert text.endswith("mien_small is not shown to lie above it, compared on the same images.")


def test_collapsed_networks_share_one_sentence() -> None:
    statement = summary_of(plan_of(STUDY), [answers(), answers(only=2), answers(only=2)])["Collapsed"]
    assert statement.caution
    assert statement.text == (
        "VGG16 and VGG19: each answers 'happiness' to 100% of the images. 25.0% of the test images are labelled "
        "'happiness', which explains accuracies of 25.0%: expressions are not told apart."
    )


def test_a_collapse_under_stale_averages_is_laid_to_them() -> None:
    plan = plan_of(STUDY.replace("epochs = 2", "epochs = 2\nbatch_statistics = 'moving'"))
    stale, plain, usual = plan.runs
    averages = {"layers": 12, "decay": 0.9997, "steps_per_epoch": 100}
    settled = {(2, Role.TEST): answers(skill=2.0)}
    records = {
        stale.id: record_of(stale, answers(only=2), others=settled, network={"averages": averages}),
        plain.id: record_of(plain, answers(only=2)),
        usual.id: record_of(usual, answers()),
    }
    of_averages, of_itself = (one.text for one in told(plan, records) if one.heading == "Collapsed")
    right = score(settled[2, Role.TEST], SIX).accuracy
    assert of_averages.startswith("mien_small: this network answers 'happiness' to 100% of the images.")
    assert of_averages.endswith(
        "an accuracy of 25.0%. The averages of batch normalisation had not settled (C19): under settled ones the same "
        f"weights give {right.value:.1%}."
    )
    assert of_itself.startswith("VGG16: ")
    assert of_itself.endswith("expressions are not told apart.")


def test_a_silent_relu_head_is_a_known_bad_setting() -> None:
    plan = plan_of(STUDY + "fixed = { activation = 'relu' }")
    silent = predictions_of(np.zeros((60, 6)), answers().labels)
    statements = summary_of(plan, [silent, answers(), answers()])
    assert "gives no answer to 100% of the images" in statements["Collapsed"].text
    assert "a relu output under categorical crossentropy is not a valid pair" in statements["Known-bad setting"].text


def test_missing_failed_and_diverged_runs_are_named() -> None:
    plan = plan_of(STUDY)
    first, second, _ = plan.runs
    records = {
        first.id: record_of(first, status=RunStatus.FAILED, reason="Out of memory."),
        second.id: record_of(second, status=RunStatus.DIVERGED, reason="NaN."),
    }
    statements = {statement.heading: statement.text for statement in told(plan, records)}
    assert statements["Failed"] == "1 of 3 results: mien_small."
    assert statements["Diverged"] == "1 of 3 results: VGG16."
    assert statements["Not run yet"] == "1 of 3 results: VGG19."


def test_cells_that_the_plan_leaves_out_are_named() -> None:
    study = STUDY + "columns = [{ label = 'a' }, { label = 'b', optimizer = 'sgd', nesterov = true }]"
    statements = summary_of(plan_of(study), [answers()] * 3)
    assert statements["Left out by the plan"].text.startswith("3 cells are impossible as asked for (mien_small / b")


def test_how_far_each_table_is_filled_is_stated() -> None:
    plan = plan_of(STUDY + "[[tables]]\nname = 'two'\nrows.epochs = [2]\n")
    text = summary_of(plan, [answers(), None, None])["Tables"].text
    assert text == "Cells with a figure, by table. one: 1 of 3 cells; two: 1 of 1 cell."
    assert "Tables" not in summary_of(plan, [answers()] * 3)


def test_the_part_of_the_training_role_and_the_seed_are_stated() -> None:
    statements = summary_of(plan_of(STUDY), [answers()] * 3)
    assert statements["Part of the training role"].text.startswith("Trained on 10% of the training role (60 images).")
    assert "Every run used seed 0." in statements["One seed"].text


def test_several_seeds_are_named() -> None:
    plan = plan_of(STUDY + "seeds = [0, 7]")
    assert "seeds 0 and 7" in summary_of(plan, [answers()] * 6)["Seeds"].text


def test_copies_across_roles_are_counted() -> None:
    statements = summary_of(plan_of(STUDY), [answers(copies=6)] * 3)
    assert statements["Copies across roles"].text.startswith("6 of 60 test images (10.0%) have an exact copy")
    assert "Copies across roles" not in summary_of(plan_of(STUDY), [answers()] * 3)


def test_near_copies_are_called_so() -> None:
    plan = plan_of(STUDY.replace("train_fraction", 'copies = "near"\ntrain_fraction'))
    text = summary_of(plan, [answers(copies=6)] * 3)["Copies across roles"].text
    assert text.startswith("6 of 60 test images (10.0%) have an exact or near copy in")


def test_many_names_are_counted_instead_of_listed() -> None:
    plan = plan_of(STUDY + "seeds = [0, 1, 2, 3]")
    text = summary_of(plan, [answers(), *[None] * 11])["Not run yet"].text
    assert text.startswith("11 of 12 results: mien_small, seed 1; ")
    assert text.endswith("; and 6 more.")
