"""What the manual says of other models is what the records in results/beside hold."""

from pathlib import Path

import pytest

import mien
from mien.datasets.dataset import Role

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "predict.md").read_text(encoding="utf-8").split())
ROWS = {
    "mien default": "`default`",
    "mien large": "`large`",
    "mien fer2013": "`fer2013`",
    "fer 25.10.3": "fer 25.10.3",
}


def store(kind):
    return mien.Store.open(ROOT / "results" / "beside" / kind)


def accuracies(kind):
    answers = {record.foreign["name"]: record.outcome(Role.TEST) for record in store(kind).foreign()}
    return {name: float((a.probabilities.argmax(axis=1) == a.labels).mean()) for name, a in answers.items()}


@pytest.mark.parametrize("name", ROWS)
def test_the_table_holds_the_accuracies_of_the_records(name):
    labels, votes = accuracies("labels")[name], accuracies("votes")[name]
    assert f"| {ROWS[name]} | {labels:.1%} | {votes:.1%} |".replace("%", " %") in PAGE


def test_the_differences_are_those_of_the_paired_tests():
    pairs = {
        kind: {frozenset(name.split(" (")[0] for name in (pair.first, pair.second)): pair for pair in compared.pairs}
        for kind, compared in ((kind, mien.compare(store(kind))) for kind in ("labels", "votes"))
    }
    alike = {(kind, names) for kind, found in pairs.items() for names, pair in found.items() if pair.p_holm >= 0.05}
    assert alike == {("labels", frozenset({"mien default", "mien large"}))}
    for kind, first, second, words in (
        ("labels", "fer 25.10.3", "mien fer2013", "`fer2013` is {} points above fer [{}, {}]"),
        ("labels", "fer 25.10.3", "mien default", "fer {} points above `default` [{}, {}]"),
        ("votes", "fer 25.10.3", "mien large", "`large` is {} points above fer [{}, {}]"),
        ("votes", "mien default", "mien large", "and {} above `default` [{}, {}]"),
    ):
        found = pairs[kind][frozenset({first, second})].comparison.difference
        ends = sorted(abs(100 * value) for value in (found.low, found.high))
        assert words.format(*(f"{value:.1f}" for value in (abs(100 * found.value), *ends))) in PAGE


def test_what_is_unknown_is_said_of_the_model_of_others_alone():
    unknown = {record.foreign["name"]: record.foreign["unknown"] for record in store("labels").foreign()}
    assert "seen images" in unknown["fer 25.10.3"]
    assert unknown["mien fer2013"] == unknown["mien default"] == unknown["mien large"] == {}
    known = next(r for r in store("labels").foreign() if r.foreign["name"] == "mien fer2013").foreign["known"]
    number = known["seen images"].split("learned from ")[1].split(",")[0]
    assert f"{number} of the 3,589 images are exact copies" in PAGE
