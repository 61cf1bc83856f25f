"""Every check fires where its fault is, and is silent where it is not; docs/checks.md explains each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.labels import LabelSet
from mien.predictions import Predictions
from mien.report.checks import CHECKS, Diagnosis, Evidence, Found, Severity, diagnose
from mien.report.compared import compare_tables
from mien.report.results import collect
from mien.report.tables import study_tables
from mien.study.plan import Plan
from mien.study.record import RunRecord, RunStatus
from mien.study.store import Store
from support.fake_records import answers, history_with, plan_of, record_of
from support.planted_faults import SUPPORT, copies_right, known, outputs, planted, silent

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")

HEAD = """
schema = 1
name = "small"
[data]
path = "drawn"
[protocol]
labels = "six"
"""
QUARTER = 0.25


def study(recipe: str = "", table: str = "rows = { backbone = ['mien_small'] }", epochs: int = 6) -> Plan:
    return plan_of(f"{HEAD}[recipe]\nepochs = {epochs}\n{recipe}\n[[tables]]\nname = 'one'\n{table}\n")


def evidence_of(plan: Plan, records: Mapping[str, RunRecord]) -> Evidence:
    results = collect(plan, records)
    tables = study_tables(results)
    return Evidence(results, tables, compare_tables(tables))


@dataclass(frozen=True)
class Case:
    """A study with its records: one for each run, of answers or of fields in place of the usual ones."""

    plan: Plan
    records: Sequence[Predictions | dict[str, Any]]

    def found(self, code: str) -> tuple[Found, ...]:
        records = {}
        for run, given in zip(self.plan.runs, self.records, strict=True):
            more = given if isinstance(given, dict) else {"predictions": given}
            records[run.id] = record_of(run, **{"predictions": known(), **more})
        findings = diagnose(evidence_of(self.plan, records))
        return next((finding.found for finding in findings if finding.check.code == code), ())


def stuck(share: float) -> Predictions:
    def stick(values: np.ndarray) -> None:
        values *= 0.9
        values[: round(share * len(values)), :3] = 0.999

    return outputs(stick)


def trained_as(**columns: Sequence[float]) -> dict[str, Any]:
    return {"history": history_with(**columns)}


MOVING = "batch_statistics = 'moving'"


def under_both(shown: Predictions, other: Predictions, decay: float) -> dict[str, Any]:
    """Answers under the averages that the recipe asks for, and under the others, after 600 steps."""
    return {
        "predictions": shown,
        "others": {(6, Role.TEST): other},
        "network": {"averages": {"layers": 12, "decay": decay, "steps_per_epoch": 100}},
    }


def never(label: int) -> Predictions:
    def drop(values: np.ndarray) -> None:
        values[:, label] = 0.0

    return outputs(drop)


TWO = "rows = { backbone = ['mien_small', 'vgg16'] }"
RATES = "rows = { learning_rate = [0.5, 0.001] }"
FITTED = "[recipe.preprocessing]\nfeaturewise_center = true\nfeaturewise_std = true"
TRAIN = sum(SUPPORT)


def with_statistics(statistics: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"network": {"parameters": 1, "statistics": statistics}}


# A flat history at the floor of a quarter, and one that learns.
FLAT = trained_as(loss=[1.76] * 6, accuracy=[QUARTER] * 6)
LEARNS = trained_as(loss=[1.7, 1.4, 1.2, 1.1, 1.05, 1.0], accuracy=[0.3, 0.4, 0.5, 0.55, 0.6, 0.62])


def grouped(predictions: Predictions, persons: int) -> dict[str, Any]:
    """Answers for images of so many persons, of whom the wrong answers are all of the first."""
    right = predictions.outputs.argmax(axis=1) == predictions.labels
    number = np.where(right & (persons > 1), 1 + np.cumsum(right) % max(1, persons - 1), 0)
    if persons > 4:  # of many, each has some
        number = np.arange(len(right)) % persons
    return {"predictions": replace(predictions, groups=np.array([f"person {n}" for n in number]))}


HARDER = trained_as(loss=[1.0] * 6, accuracy=[0.6] * 6)


FIRES: dict[str, list[Case]] = {
    "C01": [Case(study(), [known(only=2)]), Case(study(), [known(only=0)])],
    "C02": [
        Case(study("activation = 'relu'"), [known()]),
        Case(study("activation = 'sigmoid'"), [known()]),
        Case(study("activation = 'relu'"), [{"status": RunStatus.DIVERGED, "reason": "NaN."}]),
    ],
    "C03": [Case(study("activation = 'relu'"), [silent(1.0)]), Case(study("activation = 'relu'"), [silent(0.1)])],
    "C04": [Case(study("activation = 'sigmoid'"), [stuck(0.2)])],
    "C05": [Case(study(), [{"status": RunStatus.DIVERGED, "reason": "The loss was no number."}])],
    "C06": [
        Case(study("optimizer = 'rmsprop'\nlearning_rate = 0.01"), [FLAT]),
        Case(study("learning_rate = 1.0"), [{"status": RunStatus.DIVERGED, "reason": "NaN."}]),
        Case(
            study("optimizer = 'sgd'\nlearning_rate = 0.05", "rows = { learning_rate = [0.05, 0.01] }"), [FLAT, LEARNS]
        ),
        Case(study("learning_rate = 0.1"), [trained_as(loss=[1.7] * 4, validation_loss=[1.7, 1.6, 40.0, 2.0])]),
    ],
    "C07": [
        Case(study(FITTED), [with_statistics(None)]),
        Case(study(FITTED), [with_statistics({"images": 0, "mean": 0.5, "std": 0.2, "whitening": False})]),
        Case(study(FITTED), [with_statistics({"images": TRAIN + 9, "mean": 0.5, "std": 0.2, "whitening": False})]),
        Case(study(FITTED), [with_statistics({"images": TRAIN, "mean": 0.0, "std": 1.0, "whitening": False})]),
        Case(study(FITTED), [with_statistics({"images": TRAIN, "mean": 0.5, "std": None, "whitening": False})]),
        Case(
            study("[recipe.preprocessing]\nfeaturewise_center = true\nzca = true"),
            [with_statistics({"images": TRAIN, "mean": 0.5, "std": None, "whitening": False})],
        ),
    ],
    "C08": [
        Case(
            study(),
            [
                trained_as(
                    loss=[1.5, 1.0, 0.7, 0.4], validation_loss=[1.5, 1.2, 1.3, 1.6], accuracy=[0.3, 0.5, 0.7, 0.9]
                )
            ],
        )
    ],
    "C09": [Case(study(), [trained_as(loss=[1.7, 1.6, 1.6, 1.6, 1.6, 1.6], accuracy=[0.3] * 6)])],
    "C10": [Case(study(), [trained_as(loss=[1.7, 1.5, 1.35, 1.2, 1.1, 1.0])])],
    "C11": [Case(study(table=TWO), [known(), known(seed=1)])],
    "C12": [
        Case(study(table=TWO + "\nseeds = [0, 1]"), [known(2.0), known(1.0), known(1.0), known(2.0)]),
    ],
    "C13": [Case(study(table=TWO), [known(), known(0.5)])],
    "C14": [Case(study(), [never(4)])],
    "C15": [Case(study(), [known(0.0)]), Case(study(), [known(only=4)])],
    "C16": [Case(study(), [copies_right(1.0)]), Case(study(), [known(copies=sum(SUPPORT))])],
    "C17": [
        Case(study(), [{"predictions": known(4.0)} | HARDER]),
        Case(study(), [grouped(known(4.0), 100) | HARDER]),
    ],
    "C18": [
        Case(study("select = 'best_loss'"), [LEARNS | {"chosen": (6,)}]),
        Case(study("select = 'best_accuracy'"), [LEARNS | {"chosen": (1,)}]),
    ],
    "C19": [
        Case(study(MOVING), [under_both(known(only=2), known(2.0), decay=0.9997)]),
        Case(study(MOVING), [under_both(known(2.0), known(2.0), decay=0.9997)]),
        Case(study(), [under_both(known(2.0), known(only=2), decay=0.9997)]),
        # Decay 0.99 can be too slow as well, where the weights move fast.
        Case(study(MOVING), [under_both(known(0.5), known(2.0), decay=0.99)]),
    ],
}

SILENT: dict[str, list[Case]] = {
    "C01": [Case(study(), [known(0.1)])],
    "C02": [
        Case(study(), [known()]),
        Case(study("activation = 'sigmoid'\nloss = 'binary_crossentropy'"), [known()]),
    ],
    "C03": [
        Case(study("activation = 'relu'"), [silent(0.01)]),
        Case(study(), [silent(1.0)]),
    ],
    "C04": [Case(study("activation = 'sigmoid'"), [stuck(0.01)]), Case(study(), [stuck(0.5)])],
    "C05": [Case(study(), [known()]), Case(study(), [{"status": RunStatus.FAILED, "reason": "Out of memory."}])],
    "C06": [
        Case(study("optimizer = 'rmsprop'\nlearning_rate = 0.01"), [LEARNS]),
        Case(study("learning_rate = 0.001"), [FLAT]),
        Case(study("learning_rate = 1.0\nactivation = 'relu'"), [FLAT]),
        Case(study("optimizer = 'sgd'", "rows = { learning_rate = [0.05, 0.01] }"), [FLAT, FLAT]),
        Case(study("learning_rate = 0.1"), [trained_as(loss=[1.7] * 4, validation_loss=[1.7, 1.6, 4.0, 2.0])]),
    ],
    "C07": [
        Case(study(FITTED), [with_statistics({"images": TRAIN, "mean": 0.5, "std": 0.2, "whitening": False})]),
        Case(study(FITTED), [{"network": {"parameters": 1}}]),
        Case(study(), [with_statistics(None)]),
    ],
    "C08": [
        Case(study(), [LEARNS]),
        # One epoch is worse than the others, as it happens at a high rate.
        Case(study(), [trained_as(loss=[1.5, 1.0, 0.7, 0.4], validation_loss=[1.5, 1.3, 1.2, 1.6])]),
        Case(study(), [trained_as(loss=[1.5, 1.0, 0.7, 0.4], validation_loss=[1.5, 1.2, 1.2, 1.6])]),
        # Both losses rise: the rate is too high, and nothing is learned by heart.
        Case(study(), [trained_as(loss=[1.5, 1.0, 1.3, 1.4], validation_loss=[1.5, 1.2, 1.3, 1.6])]),
    ],
    "C09": [
        Case(study(), [LEARNS]),
        Case(study(), [trained_as(loss=[1.7] * 6, accuracy=[0.30, 0.31, 0.33, 0.35, 0.37, 0.40])]),
        Case(study(), [trained_as(loss=[1.7] * 6, accuracy=[0.5] * 6, validation_accuracy=[0.3] * 6)]),
    ],
    "C10": [
        Case(study(), [trained_as(loss=[1.7, 1.3, 1.1, 1.0, 1.0, 1.0])]),
        Case(study(), [trained_as(loss=[1.7, 1.5, 1.35, 1.2, 1.0, 1.1])]),
        Case(
            study(), [trained_as(loss=[0.2, 0.1, 0.1, 0.1, 0.1, 0.1], validation_loss=[0.1, 0.0, 0.0, 0.0, 0.0, 0.0])]
        ),
        Case(study("schedule = 'cosine'"), [trained_as(loss=[1.7, 1.5, 1.35, 1.2, 1.1, 1.0])]),
    ],
    "C11": [Case(study(table=TWO), [known(3.0), known(0.5)]), Case(study(), [known()])],
    "C12": [
        Case(study(table=TWO + "\nseeds = [0, 1]"), [known(2.0), known(2.0, seed=1), known(1.0), known(1.0, seed=1)]),
        Case(study(table=TWO), [known(2.0), known(1.0)]),
    ],
    "C13": [
        Case(study(table=TWO + "\nseeds = [0, 1]"), [known()] * 4),
        Case(study(), [known()]),
        Case(study(table="rows.seed = [1, 2]"), [known(), known(0.5)]),
    ],
    "C14": [Case(study(), [known()]), Case(study(), [known(only=2)])],
    "C15": [Case(study(), [known(2.0)]), Case(study(), [known(only=2)])],
    "C16": [Case(study(), [known()])],
    "C17": [
        Case(study(), [{"predictions": known(2.0)} | trained_as(loss=[1.0] * 6, accuracy=[0.75] * 6)]),
        Case(study(), [{"predictions": known(4.0), "history": ()}]),
        # One person left out, and four of whom one is hard: that others are easier is no wonder.
        Case(study(), [grouped(known(4.0), 1) | HARDER]),
        Case(study(), [grouped(known(2.0), 4) | trained_as(loss=[1.0] * 6, accuracy=[0.5] * 6)]),
    ],
    "C18": [
        Case(study("select = 'best_loss'"), [LEARNS | {"chosen": (4,)}]),
        Case(study(), [LEARNS | {"chosen": (6,)}]),
    ],
    "C19": [
        Case(study(), [under_both(known(2.0), known(2.0), decay=0.9997)]),
        Case(study(MOVING), [under_both(known(2.0), known(2.0), decay=0.9)]),
        Case(study(), [known(only=2)]),
        Case(study("backbone = 'vgg16'"), [known(only=2)]),
    ],
}


def each(cases: Mapping[str, Sequence[Case]]) -> list[Any]:
    return [
        pytest.param(code, case, id=f"{code}-{i}") for code, listed in cases.items() for i, case in enumerate(listed)
    ]


@pytest.mark.parametrize(("code", "case"), each(FIRES))
def test_a_check_fires_where_its_fault_is(code: str, case: Case) -> None:
    found = case.found(code)
    assert found
    for one in found:
        assert one.subject
        assert one.text.endswith(".")


@pytest.mark.parametrize(("code", "case"), each(SILENT))
def test_a_check_is_silent_where_its_fault_is_not(code: str, case: Case) -> None:
    assert case.found(code) == ()


def test_every_check_has_both_cases() -> None:
    assert list(FIRES) == list(SILENT) == [check.code for check in CHECKS]


def test_nothing_is_found_in_an_empty_store() -> None:
    assert diagnose(evidence_of(study(table=TWO), {})) == []


def test_codes_are_consecutive_and_each_check_has_its_file() -> None:
    assert [check.code for check in CHECKS] == [f"C{number:02}" for number in range(1, len(CHECKS) + 1)]
    files = sorted(path.name[:3].upper() for path in (ROOT / "src/mien/report/checks").glob("c[0-9]*.py"))
    assert files == [check.code for check in CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_the_manual_explains_a_check_as_the_code_does(check) -> None:
    section = PAGE.partition(f"\n## {check.code}: {check.title}\n")[2].partition("\n## ")[0]
    assert f"*{check.severity.value}*" in section
    said = " ".join(section.split())
    assert check.explanation in said
    assert re.search(r"\*\*Fires\*\* when", said)


def test_errors_come_first() -> None:
    findings = diagnose(
        evidence_of(plan := study(table=TWO), {run.id: record_of(run, known(only=2)) for run in plan.runs})
    )
    order = [list(Severity).index(finding.check.severity) for finding in findings]
    assert order == sorted(order)


class TestWhatIsSaid:
    def test_a_collapse_with_the_share_that_explains_the_accuracy(self) -> None:
        (found,) = Case(study(), [known(only=2)]).found("C01")
        assert found.text == (
            "It answers 'happiness' to 100% of the images. 25.0% of the test images are labelled 'happiness', which "
            "explains its accuracy of 25.0%."
        )

    def test_a_rate_beside_one_that_learned(self) -> None:
        case = Case(study("optimizer = 'sgd'", "rows = { learning_rate = [0.5, 0.01] }"), [FLAT, LEARNS])
        (found,) = case.found("C06")
        assert "at a learning rate of 0.5; sgd usually gets 0.01." in found.text
        assert found.text.endswith("With everything else the same, 0.01 learned.")

    def test_overfitting_as_trend_and_gap(self) -> None:
        (found,) = FIRES["C08"][0].found("C08")
        assert "least in epoch 2 (1.200) and rose to 1.600 in epoch 4" in found.text
        assert "training loss fell from 1.000 to 0.400" in found.text
        assert re.search(r"lay \d+\.\d points (above|below) that of the validation role then, and \d+", found.text)

    def test_averages_that_rise_and_fall_are_no_trend_of_the_training(self) -> None:
        """Under averages that have not settled the validation loss goes its own way (C19)."""
        for code, losses in ((code, FIRES[code][0].records[0]) for code in ("C08", "C10")):
            calm = tuple(replace(epoch, other_validation_loss=1.6) for epoch in losses["history"])
            assert Case(study(MOVING), [losses]).found(code)
            assert not Case(study(MOVING), [{"history": calm}]).found(code)
            turned = tuple(replace(e, validation_loss=9.0, other_validation_loss=e.validation_loss) for e in calm)
            (found,) = Case(study(MOVING), [{"history": turned}]).found(code)
            assert "The validation loss (under settled averages) was least in" in found.text

    def test_what_copies_do_to_the_accuracy(self) -> None:
        (found,) = Case(study(), [copies_right(1.0)]).found("C16")
        assert found.text.startswith("300 of 1,200 test images (25.0%) have an exact copy")
        assert "answers 100.0% of them rightly, and 49." in found.text or "and 50." in found.text

    def test_flips_with_their_seeds(self) -> None:
        (found,) = FIRES["C12"][0].found("C12")
        assert found.text.startswith("The order of 1 of 1 pairs depends on the seed.")
        assert "(seed 0)" in found.text
        assert "(seed 1)" in found.text


@pytest.mark.parametrize(
    ("recipe", "shown", "other", "severity"),
    [
        (MOVING, known(only=2), known(2.0), Severity.ERROR),
        (MOVING, known(2.0), known(2.0), Severity.NOTE),
        ("", known(2.0), known(only=2), Severity.NOTE),
    ],
)
def test_only_a_shown_figure_of_stale_averages_is_an_error(recipe, shown, other, severity) -> None:
    plan = study(recipe)
    (run,) = plan.runs
    records = {run.id: record_of(run, **under_both(shown, other, decay=0.9997))}
    (finding,) = [one for one in diagnose(evidence_of(plan, records)) if one.check.code == "C19"]
    assert finding.severity is severity
    (found,) = finding.found
    assert "600 steps at a decay of 0.9997, 83.5% of the start values" in found.text


def test_a_collapse_under_stale_averages_is_not_blamed_on_the_rate() -> None:
    (found,) = Case(study(MOVING), [under_both(known(only=2), known(2.0), decay=0.9997)]).found("C01")
    assert found.text.endswith("see C19.")
    assert "see C19" not in Case(study(), [known(only=2)]).found("C01")[0].text


def test_a_jump_of_the_loss_under_stale_averages_is_no_jump() -> None:
    jumps = history_with(loss=[1.7, 1.5, 1.4], validation_loss=[1.7, 1.6, 40.0])
    calm = tuple(replace(epoch, other_validation_loss=1.6) for epoch in jumps)
    plan = study(f"learning_rate = 1.0\n{MOVING}", epochs=3)
    assert Case(plan, [{"history": jumps}]).found("C06")
    assert not Case(plan, [{"history": calm}]).found("C06")


def test_each_planted_fault_is_named() -> None:
    plan, records = planted()
    findings = {finding.check.code: finding for finding in diagnose(evidence_of(plan, records))}

    def subjects(code: str) -> list[str]:
        finding: Diagnosis = findings[code]
        return [found.subject for found in finding.found]

    assert subjects("C02") == subjects("C03") == ["mien_small, relu"]
    assert "mien_small, learning rate 1" in subjects("C06")
    assert subjects("C01") == ["mien_small, learning rate 1"]
    assert subjects("C16") == ["Test role"]
    assert subjects("C17") == ["mien_small, dropout 0.1"]
    assert "C13" in findings
    about_the_usual_one = [code for code in findings if "mien_small" in subjects(code)]
    assert about_the_usual_one == []


def test_a_second_fault_is_not_hidden_by_the_first() -> None:
    plan, records = planted()
    rate = plan.runs[2]
    records[rate.id] = replace(records[rate.id], status=RunStatus.DIVERGED, reason="NaN.", predictions={})
    codes = {finding.check.code for finding in diagnose(evidence_of(plan, records))}
    assert {"C02", "C03", "C05", "C06", "C13", "C16", "C17"} <= codes


def test_a_report_from_the_cache_finds_what_the_first_one_found(tmp_path: Path) -> None:
    # Classes that are groups of expressions are read back as other objects of the same name.
    labels = LabelSet.parse("anger,neutral,good=happiness+surprise")
    plan = study()
    (run,) = plan.runs
    store = Store.create(tmp_path / "store")
    record_of(run, answers((10, 10, 40), only=2), label_set=labels).write(store.run_folder(run.id))
    found = []
    for _ in range(2):
        results = collect(plan, store.records(plan), cache=store.cache)
        tables = study_tables(results)
        found.append([(d.check.code, d.found) for d in diagnose(Evidence(results, tables, compare_tables(tables)))])
    assert list(store.cache.iterdir())
    assert "C01" in dict(found[0])
    assert found[0] == found[1]
