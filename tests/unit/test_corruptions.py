"""Measuring a model under corruptions: the figures, in text, JSON, table and CSV."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import mien
from mien.api.evaluating import evaluate
from mien.bundle import write_again
from mien.errors import DataError
from mien.evaluation.corruptions import CORRUPTIONS, CorruptedScores, corrupt
from mien.evaluation.intervals import wilson
from mien.inference.classifier import Classifier
from mien.seen import Seen, hash_images

DATA = mien.read("drawn:count=60,size=48", cache=None)


@pytest.fixture(scope="module")
def found(bundle):
    return evaluate(bundle, DATA, corruptions=["blur", "noise"])


def test_there_is_a_figure_for_each_strength_and_it_is_the_classifiers(bundle, found):
    assert [(one.corruption, one.strength) for one in found.corrupted] == [
        (name, strength) for name in ("blur", "noise") for strength in range(1, 6)
    ]
    numbers = [DATA.ids.tolist().index(name) for name in found.predictions.ids.tolist()]
    images, right = DATA.images[numbers], found.predictions.labels
    clean = Classifier(bundle).predict(images).argmax(axis=1) == right
    for one in found.corrupted:
        hit = Classifier(bundle).predict(corrupt(images, one.corruption, one.strength)).argmax(axis=1) == right
        assert one.accuracy == wilson(int(hit.sum()), len(hit))
        assert one.change.value == pytest.approx(hit.mean() - clean.mean())
        assert one.change.low <= one.change.value <= one.change.high
        assert one.balanced_accuracy.low <= one.balanced_accuracy.value <= one.balanced_accuracy.high
        assert CorruptedScores.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_the_figures_without_corruptions_are_the_same(bundle, found):
    plain = evaluate(bundle, DATA)
    assert plain.evaluation == found.evaluation
    assert plain.corrupted == ()
    assert len(plain.corruptions()) == 0


def test_all_are_measured_when_none_is_named_and_progress_is_told(bundle):
    steps: list[tuple[int, int]] = []
    few = evaluate(bundle, DATA.take(np.arange(20)), role=None, corruptions=True, progress=lambda *at: steps.append(at))
    count = few.evaluation.scores.count
    assert {one.corruption for one in few.corrupted} == set(CORRUPTIONS)
    assert len(few.corruptions()) == 75
    assert steps[-1] == (76 * count, 76 * count)
    assert steps == sorted(steps)


def test_images_that_the_model_has_seen_are_left_out_here_too(bundle, tmp_path):
    knowing = write_again(replace(bundle, seen=Seen.of(hash_images(DATA.images[:10]), [])), tmp_path / "knowing.mien")
    data = mien.Dataset.from_arrays(
        DATA.images[:30], [DATA.label_set.expressions[n].value for n in DATA.labels[:30]], roles=["test"] * 30
    )
    found = evaluate(knowing, data, unseen_only=True, corruptions=["mask"])
    assert {one.accuracy.count for one in found.corrupted} == {found.evaluation.scores.count} == {20}


def test_a_wrong_name_is_answered_before_anything_is_read(bundle):
    with pytest.raises(DataError, match="no corruption 'fog'"):
        evaluate(bundle, "no/such/folder", corruptions=["fog"])


@pytest.mark.parametrize("wrong", [None, 1, ["blur", 3], [["blur"]], ""])
def test_what_is_no_name_is_refused(bundle, wrong):
    with pytest.raises(DataError, match=r"no corruption|corruptions is True"):
        evaluate(bundle, "no/such/folder", corruptions=wrong)


@pytest.mark.parametrize(("corruption", "strength"), [(3, "mask"), ("mask", "3"), ("mask", 3.0), ("mask", 0)])
def test_a_name_and_a_strength_are_taken_in_this_order(corruption, strength):
    with pytest.raises(DataError, match=r"no corruption 3|strengths 1 to 5"):
        corrupt(DATA.images[:1], corruption, strength)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(DataError, match="A seed is"):
        corrupt(DATA.images[:1], "noise", 3, seed=seed)


@pytest.mark.parametrize("images", [DATA, DATA.images[0], DATA.images[:1].astype(float), np.zeros((1, 0, 4), np.uint8)])
def test_what_is_no_stack_of_images_is_refused(images):
    with pytest.raises(DataError, match="Expected images of shape"):
        corrupt(images, "blur", 1)


def test_a_table_of_no_corruptions_is_not_written(bundle, tmp_path):
    found = evaluate(bundle, DATA)
    with pytest.raises(DataError, match="measure with corruptions=True"):
        found.write_csv(tmp_path / "table.csv", corrupted=True)
    assert not any(tmp_path.iterdir())


def test_the_command_shows_and_writes_them(bundle, found, tmp_path):
    from mien.cli.evaluate import evaluate as command

    app = typer.Typer()
    app.command()(command)
    path = tmp_path / "table.csv"
    arguments = [bundle.source, "drawn:count=60,size=48", "--corruptions-csv", str(path)]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "150"})
    assert result.exit_code == 0, result.output
    assert "Accuracy under corruptions" in result.stdout
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 75
    first = found.corrupted[0]
    assert float(rows[0]["accuracy"]) == first.accuracy.value
    assert f"{first.accuracy.value:.1%}" in result.stdout
    assert found.to_json()["corruptions"][0] == first.to_json()


def test_the_docs_name_every_corruption_with_its_strengths():
    page = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text(encoding="utf-8")
    for row in CORRUPTIONS.values():
        amounts = ", ".join(f"{amount:.3g}" for amount in row.amounts)
        assert f"| {row.name} | {row.does} | {amounts} ({row.unit}) | {row.reason} |" in page
