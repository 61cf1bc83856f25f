"""The models that come with mien: small, labelled by their cards, and good for the sample photo."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mien import Recognizer
from mien.bundle import load_bundle, shipped_bundles
from mien.cli.main import command_line
from mien.labels import SEVEN, Expression
from mien.study.store import Store

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"

# The study of each, what its evaluation needs beside FER2013's table, and where its card says that the weights began.
STUDIES = {"default": "record-tuned", "fer2013": "shipped-labels", "large": "record-medium-tuned"}
_VOTES = ["--votes", str(DATA / "fer2013new.csv")]
MORE = {"default": _VOTES, "fer2013": [], "large": _VOTES}
BEGAN = {"default": "random", "fer2013": "'default'", "large": "random"}


@pytest.fixture(scope="module", params=STUDIES)
def bundle(request):
    return load_bundle(request.param)


@pytest.fixture(scope="module")
def recognizer(bundle):
    return Recognizer(bundle)


def test_these_are_all_of_them_and_they_are_small():
    shipped = shipped_bundles()
    assert shipped.keys() == STUDIES.keys()
    sizes = {name: path.stat().st_size for name, path in shipped.items()}
    assert max(sizes.values()) <= 6_000_000
    assert sum(sizes.values()) <= 10_000_000


def test_it_knows_seven_expressions_and_when_it_is_unsure(bundle):
    assert bundle.label_set == SEVEN
    assert bundle.unsure is not None


def test_its_card_says_where_all_of_it_comes_from(bundle):
    card = bundle.card
    assert card["data"]["fingerprint"]
    assert card["licence"]["model"]
    assert BEGAN[bundle.name] in card["licence"]["pretrained_weights"]
    assert card["origin"]["study"] == STUDIES[bundle.name]
    assert card["conversion"]["other_labels"] == 0
    assert {"test", "test_by_expression", "test_without_copies", "test_without_copies_by_expression"} <= card.keys()


def test_computing_in_8_bits_cost_the_default_at_most_a_fifth_of_a_point():
    conversion = load_bundle("default").card["conversion"]
    assert conversion["computes_in"].startswith("8 bits")
    assert abs(conversion["accuracy_loss_on_validation"]) <= 0.002
    assert conversion["made_of"] == "default@d61e14443182"


@pytest.mark.parametrize("name", [name for name, more in MORE.items() if more])
def test_the_card_has_what_was_measured_of_both_kinds_of_labels(name):
    card = load_bundle(name).card
    votes, labels = (card[f"measured_on_fer2013_test_by_{right}"] for right in ("votes", "labels"))
    assert votes["accuracy"] == card["test"]["accuracy"]
    assert labels["images"] > votes["images"]
    assert {
        "Accuracy for what taggers said: FER+'s own majority rule",
        "accuracy under all of these",
        "speed, one thread",
    } <= votes.keys()


def test_the_run_that_made_it_is_in_the_results(bundle):
    store = Store.open(ROOT / "results" / STUDIES[bundle.name])
    record = store.read(bundle.card["origin"]["run"])
    assert record.data["fingerprint"] == bundle.card["data"]["fingerprint"]
    assert record.environment["commit"]


def test_the_sample_photo_is_a_happy_face(recognizer):
    with resources.as_file(resources.files("mien") / "data" / "sample.jpg") as path:
        (face,) = recognizer.recognize(path).faces
    assert face.label == Expression.HAPPINESS
    assert face.probability > 0.8


def test_a_picture_without_a_face_gets_no_label(recognizer):
    result = recognizer.recognize(np.full((200, 300, 3), 90, dtype=np.uint8))
    assert (result.outcome.value, len(result.faces)) == ("no_face", 0)


def test_the_documentation_has_the_figures_of_the_card(bundle):
    text = " ".join((ROOT / "docs" / "predict.md").read_text(encoding="utf-8").split())
    for section in ("test", "test_without_copies"):
        value, low, high = (100 * bundle.card[section]["accuracy"][key] for key in ("value", "low", "high"))
        assert f"{value:.1f} % [{low:.1f}, {high:.1f}]" in text
    rows = bundle.card["test_by_expression"]
    assert list(rows) == [expression.value for expression in SEVEN.expressions]
    assert " | ".join(f"{100 * row['recall']['value']:.1f} %" for row in rows.values()) in text
    assert " | ".join(f"{row['images']:,}" for row in rows.values()) in text
    assert f"{bundle.unsure.threshold:.3f}" in text
    assert f"{100 * (1 - bundle.card['test']['coverage_of_sure']['value']):.1f} %" in text
    assert f"{100 * bundle.card['test']['risk_of_sure']['value']:.1f} %" in text


def test_the_readme_has_the_figure_of_the_default():
    accuracy = load_bundle("default").card["test"]["accuracy"]
    value, low, high = (100 * accuracy[key] for key in ("value", "low", "high"))
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    images = sum(row["images"] for row in load_bundle("default").card["test_by_expression"].values())
    assert f"{value:.1f} % [{low:.1f}, {high:.1f}] of {images:,} faces" in text


@pytest.mark.skipif(not DATA.is_dir(), reason="FER2013 is not here")
def test_evaluating_it_gives_the_figures_of_its_card(bundle):
    command = ["evaluate", bundle.name, str(DATA / "fer2013.csv.gz"), *MORE[bundle.name], "--json"]
    found = json.loads(CliRunner().invoke(command_line(), command).stdout)
    assert found["same_data_as_card"]
    for figures, section in (("scores", "test"), ("leak_free", "test_without_copies")):
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "calibration_error"):
            expected = bundle.card[section][name]["value"]
            assert found[figures][name]["value"] == pytest.approx(expected, abs=1e-4), (section, name)
        by_expression = bundle.card[f"{section}_by_expression"]
        for entry in found[figures]["classes"]:
            assert entry["recall"]["value"] == pytest.approx(by_expression[entry["expression"]]["recall"]["value"])
