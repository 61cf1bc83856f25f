"""Every figure of the README and of the manual's start page is one that a committed record or card holds."""

import re
from pathlib import Path

import pytest

from mien.bundle import load_bundle
from mien.datasets.dataset import Role
from mien.evaluation.intervals import Estimate
from mien.evaluation.metrics import score
from mien.study.backbones import BACKBONES
from mien.study.store import Store

ROOT = Path(__file__).parents[2]


def written(estimate) -> str:
    value, low, high = (f"{100 * number:.1f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} % [{low}, {high}]"


def test_the_table_of_networks_is_that_of_the_records():
    store = Store.open(ROOT / "results" / "nine")
    expected = []
    for record in store.records(store.plan()).values():
        accuracies = [score(record.outcome(Role.TEST, epoch), record.label_set).accuracy for epoch in record.readouts]
        title = BACKBONES[record.recipe["backbone"]].title
        expected.append([title, f"{record.network['parameters']:,}", *map(written, accuracies)])
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## All of FER2013")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", section, re.M)]
    assert rows[2:] == expected


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_accuracy_of_the_model_that_comes_along_is_that_of_its_card(page):
    accuracy = Estimate(**load_bundle("default").card["test"]["accuracy"])
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert re.findall(r"[\d.]+ % \[[^]]*\] of [\d,]+", text) == [f"{written(accuracy)} of {accuracy.count:,}"]
