"""Every figure of the README and of the manual's start page is one that a committed record or card holds."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from mien.bundle import load_bundle
from mien.datasets.dataset import Role
from mien.evaluation.intervals import Estimate
from mien.evaluation.metrics import score
from mien.study.backbones import BACKBONES
from mien.study.reference import read_reference
from mien.study.spec import tables_named
from mien.study.store import Store

ROOT = Path(__file__).parents[2]


def written(estimate) -> str:
    value, low, high = (f"{100 * number:.1f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} % [{low}, {high}]"


def test_the_table_of_networks_is_that_of_the_records():
    store = Store.open(ROOT / "results" / "nine")
    deck = read_reference(ROOT / "studies" / "deck-reference.toml").tables["epochs"].figures
    expected = []
    plan = store.plan()
    for record in store.records(plan.only(tables_named(plan.study, ["networks"]))).values():
        accuracies = [score(record.outcome(Role.TEST, epoch), record.label_set).accuracy for epoch in record.readouts]
        title = BACKBONES[record.recipe["backbone"]].title
        printed = [figure.value for (row, _, _), figure in deck.items() if row == title]
        published = ", ".join(f"{100 * value:.1f} %" for value in printed)
        expected.append([title, f"{record.network['parameters']:,}", *map(written, accuracies), published])
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## All of FER2013")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", section, re.M)]
    assert rows[2:] == expected


def test_what_further_seeds_gave_is_what_the_records_hold():
    store = Store.open(ROOT / "results" / "nine")
    seeded = [record for record in store.records(store.plan()).values() if record.recipe["seed"]]
    assert {record.recipe["backbone"] for record in seeded} == {"mien_small"}
    assert len(seeded) == 2
    (text,) = {
        f"With two further seeds mien_small is right for {100 * accuracy.value:.1f} % of the test images both times"
        for accuracy in (score(record.outcome(Role.TEST), record.label_set).accuracy for record in seeded)
    }
    assert text in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_accuracy_of_the_model_that_comes_along_is_that_of_its_card(page):
    accuracy = Estimate(**load_bundle("default").card["test"]["accuracy"])
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert re.findall(r"[\d.]+ % \[[^]]*\] of [\d,]+", text) == [f"{written(accuracy)} of {accuracy.count:,}"]


def test_what_the_deck_page_says_of_averages_is_what_the_records_hold():
    record = Store.open(ROOT / "results" / "nine").read("e234ded64ade")
    rows = {}
    for name, outcome in (("settled", record.outcome(Role.TEST, 8)), ("moving", record.others[8, Role.TEST])):
        scores = score(outcome, record.label_set)
        rows[name] = f"| {name} | {written(scores.accuracy)} | {scores.log_loss.value:.3f} |"
    page = (ROOT / "docs" / "deck.md").read_text(encoding="utf-8")
    assert all(row in page for row in rows.values()), rows
    first, last = record.history[2], record.history[-1]
    for name in ("validation_accuracy", "other_validation_accuracy"):
        assert f"from {100 * getattr(first, name):.1f} to {100 * getattr(last, name):.1f} %" in page


def test_what_the_deck_page_says_of_one_label_is_what_the_records_hold():
    store = Store.open(ROOT / "results" / "deck-why")
    page = (ROOT / "docs" / "deck.md").read_text(encoding="utf-8")
    records = list(store.records(store.plan()).values())
    assert records
    for record in records:
        shown = record.outcome(Role.TEST, 4)
        scores = score(shown, record.label_set)
        said = max(np.bincount(shown.outputs.argmax(axis=1))) / len(shown.labels)
        rate = f"a rate of {record.recipe['learning_rate']:g}"
        title = BACKBONES[record.recipe["backbone"]].title
        (row,) = (
            line for line in page.splitlines() if line.startswith(f"| {title}") and rate.partition(" of ")[2] in line
        )
        assert f" {written(scores.accuracy)}" in row
        assert "every face" in row if said == 1 else f"{100 * said:.1f} % of the faces" in row
        if record.others:
            assert row.endswith(f"| {written(score(record.others[4, Role.TEST], record.label_set).accuracy)} |")


def test_what_the_decision_on_averages_says_is_what_its_study_gave():
    with (ROOT / "results" / "averages" / "averages.csv").open(encoding="utf-8", newline="") as file:
        figures = list(csv.DictReader(file))
    expected = []
    for row in figures:
        accuracy = " → ".join(f"{100 * float(row[f'{kind}_accuracy']):.1f}" for kind in ("moving", "settled"))
        loss = " → ".join(f"{float(row[f'{kind}_log_loss']):.3f}" for kind in ("moving", "settled"))
        expected.append(f"| {row['title']} | {100 * float(row['left']):.1f} % | {accuracy} % | {loss} |")
    page = (ROOT / "docs" / "decisions" / "0007-settled-averages.md").read_text(encoding="utf-8")
    table = page.partition("## The study")[2]
    assert re.findall(r"^\| .*→.*\|$", table, re.M) == expected
    better = sum(float(row["settled_accuracy"]) > float(row["moving_accuracy"]) for row in figures)
    lower = sum(float(row["settled_log_loss"]) < float(row["moving_log_loss"]) for row in figures)
    assert f"higher under settled averages in {better} of {len(figures)}" in page
    assert f"the log loss lower in {lower}" in page


def test_what_the_decision_on_the_record_model_says_is_what_its_steps_gave():
    with (ROOT / "results" / "record-short" / "steps.csv").open(encoding="utf-8", newline="") as file:
        steps = list(csv.DictReader(file))
    page = (ROOT / "docs" / "decisions" / "0017-record-model.md").read_text(encoding="utf-8")
    for step in steps:
        record = Store.open(ROOT / "results" / step["study"]).read(step["run"])
        scores = score(record.outcome(Role.VALIDATION), record.label_set)
        assert float(step["accuracy"]) == pytest.approx(scores.accuracy.value)
        row = re.search(rf"^\| {step['network']}\b.*$", page, re.M).group().split(" | ")[1:]
        balanced, loss = f"{100 * scores.balanced_accuracy.value:.1f} %", f"{scores.log_loss.value:.3f} |"
        epochs = str(record.recipe["epochs"])
        assert row == [f"{record.network['parameters']:,}", epochs, written(scores.accuracy), balanced, loss]
    exported = {step["network"]: step for step in steps if step["doubt"]}
    small, medium = exported["mien_small"], exported["mien_medium"]
    for title, name, form in (
        ("accuracy", "mirrored_accuracy", "{:.1%}"),
        ("FER+'s own majority rule", "official", "{:.1%}"),
        ("divergence of the votes", "divergence", "{:.3f}"),
        ("doubt where taggers doubt", "doubt", "{:.3f}"),
        ("corrupted faces, accuracy", "corrupted_accuracy", "{:.1%}"),
    ):
        cells = [form.format(float(step[name])).replace("%", " %") for step in (small, medium)]
        assert f"| {title} | {cells[0]} | {cells[1]} |" in page
    gaps = " | ".join(f"{100 * float(step['corrupted_gap']):+.1f} points" for step in (small, medium))
    assert f"| {gaps} |" in page
    record = Store.open(ROOT / "results" / medium["study"]).read(medium["run"]).of_head("labels")
    found = score(record.outcome(Role.VALIDATION), record.label_set).accuracy
    assert f"{100 * found.value:.1f} % of PublicTest's own labels" in page


def test_what_the_decision_on_the_larger_network_says_is_what_its_steps_gave():
    steps = []
    for study in ("record-tuned", "record-medium-tuned"):
        with (ROOT / "results" / study / "steps.csv").open(encoding="utf-8", newline="") as file:
            steps += [step for step in csv.DictReader(file) if step["study"] in (study, "record-medium")]
    assert [step["study"] for step in steps] == ["record-tuned", "record-medium", "record-medium-tuned"]
    page = (ROOT / "docs" / "decisions" / "0020-larger-network.md").read_text(encoding="utf-8")
    for title, name, form in (
        ("balanced accuracy", "balanced_accuracy", "{:.1%}"),
        ("FER+'s own majority rule", "official", "{:.1%}"),
        ("divergence of the votes", "divergence", "{:.3f}"),
        ("doubt where taggers doubt", "doubt", "{:.3f}"),
        ("corrupted faces, accuracy", "corrupted_accuracy", "{:.1%}"),
    ):
        figures = " | ".join(form.format(float(step[name])).replace("%", " %") for step in steps)
        assert f"| {title} | {figures} |" in page
    for step in steps[1:]:
        assert Store.open(ROOT / "results" / step["study"]).has(step["run"])
