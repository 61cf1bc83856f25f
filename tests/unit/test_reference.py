"""Files of published figures: what they hold, and what is said against bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.errors import StudyFileError
from mien.study.reference import Claim, Published, parse_reference, read_reference, read_references
from mien.study.spec import parse_study

REFERENCE = """
schema = 1
name = "the paper"
source = '''
Somebody, somewhere,
2019.
'''
[[tables]]
name = "optimizers"
metrics = ["log_loss", "accuracy"]
columns = ["sgd", "adam"]
[tables.rows]
VGG16 = [[1.50, 0.6], []]
mien_small = [[], [1, 0.250]]
[[claims]]
text = "Adam is better."
table = "optimizers"
better = ["adam"]
than = ["sgd"]
"""

STUDY = """
schema = 1
name = "s"
[data]
path = "drawn"
[[tables]]
name = "optimizers"
reference = "paper.toml"
rows.backbone = ["mien_small", "vgg16"]
columns.optimizer = ["sgd", "adam"]
"""


def refusal(text: str) -> str:
    with pytest.raises(StudyFileError) as caught:
        parse_reference(text, name="paper.toml")
    return str(caught.value)


def test_figures_keep_their_decimals_and_places_may_be_empty() -> None:
    table = parse_reference(REFERENCE).tables["optimizers"]
    assert table.figures == {
        ("VGG16", "sgd", "log_loss"): Published(1.5, 2),
        ("VGG16", "sgd", "accuracy"): Published(0.6, 1),
        ("mien_small", "adam", "log_loss"): Published(1.0, 0),
        ("mien_small", "adam", "accuracy"): Published(0.25, 3),
    }
    assert str(table.figures["mien_small", "adam", "accuracy"]) == "0.250"
    assert table.rows == ("VGG16", "mien_small")


def test_source_and_claims_are_kept() -> None:
    reference = parse_reference(REFERENCE)
    assert reference.source == "Somebody, somewhere, 2019."
    assert reference.claims == (
        Claim(text="Adam is better.", table="optimizers", better=("adam",), than=("sgd",), axis="columns"),
    )


@pytest.mark.parametrize(("value", "same"), [(0.2510, True), (0.2503, True), (0.2519, True), (0.2521, False)])
def test_a_number_matches_a_figure_that_it_would_be_printed_as(value: float, same: bool) -> None:
    assert Published(0.251, 3).matches(value) is same


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("schema = 1", "schema = 2", "Update: pip install -U mien"),
        ("schema = 1", "", "lacks the key 'schema'"),
        ("Somebody, somewhere,\n2019.", "", "line 4: Figures without a source"),
        ('"accuracy"]', '"acuracy"]', "Did you mean 'accuracy'?"),
        ("VGG16 = [[1.50, 0.6], []]", "VGG16 = [[1.50, 0.6]]", "line 13: Row 'VGG16' must hold one entry for each of"),
        ("[1.50, 0.6]", "[1.50]", "A place must hold 2 figures (log_loss, accuracy)"),
        ("[1.50, 0.6]", "[1.50, 'good']", "Received: 'good'"),
        ('than = ["sgd"]', 'than = ["adam"]', "A claim needs positions"),
        ("[[1.50, 0.6], []]", "[[], []]\n", ""),
        ('than = ["sgd"]', 'than = ["sgd", "sgd"]', "than names 'sgd' twice: sgd, sgd."),
        ('"accuracy"]', '"log_loss"]', "metrics names 'log_loss' twice: log_loss, log_loss."),
        ('than = ["sgd"]', "", "lacks the key 'than'"),
        ("name =", "name", "is not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, said: str) -> None:
    text = REFERENCE.replace(old, new, 1)
    if said:
        assert said in refusal(text)
    else:
        parse_reference(text)


def test_a_study_finds_the_references_that_its_tables_name(tmp_path: Path) -> None:
    (tmp_path / "paper.toml").write_text(REFERENCE, encoding="utf-8")
    assert read_references(parse_study(STUDY), tmp_path) == {"paper.toml": read_reference(tmp_path / "paper.toml")}
    assert read_references(parse_study(STUDY.replace('reference = "paper.toml"', "")), tmp_path) == {}


def test_a_missing_reference_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"The reference .*paper\.toml cannot be read"):
        read_references(parse_study(STUDY), tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "optimizers"', 'name = "optimisers"', "Did you mean 'optimisers'"),
        ('columns = ["sgd", "adam"]', 'columns = ["SGD", "Adam"]', "No figure of 'optimizers'"),
    ],
)
def test_a_reference_that_does_not_fit_the_table_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "paper.toml").write_text(REFERENCE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(StudyFileError, match=said):
        read_references(parse_study(STUDY), tmp_path)


@pytest.mark.parametrize("name", ["../paper.toml", "folder/paper.toml", "paper.csv", ""])
def test_a_reference_lies_beside_its_study(name: str) -> None:
    with pytest.raises(StudyFileError, match="line 8: reference is the name of a .toml file"):
        parse_study(STUDY.replace("paper.toml", name))
