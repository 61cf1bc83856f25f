import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mien.cli.evaluate import evaluate
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.synthetic import draw_faces
from mien.errors import DataError, MienError
from mien.evaluation.intervals import wilson
from mien.inference.classifier import Classifier
from mien.inference.crops import resize_crops
from mien.labels import EIGHT, SEVEN, SIX, project

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture
def run(bundle):
    """Run the command with the tiny bundle; an error that the program's entry would print is raised."""

    def run(data, *arguments, source=bundle.source):
        result = CliRunner().invoke(app, [source, str(data), *arguments], env={"COLUMNS": "150"})
        if isinstance(result.exception, MienError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result

    return run


def drawn(count=70, size=48):
    dataset = draw_faces(count, size=size, seed=5)
    return f"drawn:count={count},size={size},seed=5", apply_protocol(dataset, ProtocolSpec())


def test_the_figures_are_those_of_the_classifier(run, bundle):
    data, split = drawn()
    found = json.loads(run(data, "--json").stdout)
    test = split.test.open(by="test", reason="to compare", log=lambda opening: None)
    right = int((Classifier(bundle).predict(test.images).argmax(axis=1) == test.labels).sum())
    assert found["scores"]["accuracy"] == wilson(right, len(test)).to_json()
    assert found["model"] == bundle.identity
    assert found["data"]["split"] == split.hash
    assert found["data"]["role"] == "test"
    assert not found["same_data_as_card"]


def test_only_the_test_role_is_opened_and_that_is_said(run):
    data, split = drawn()
    assert "test labels opened: 20" in run(data).stderr
    for role in ("validation", "train"):
        result = run(data, "--role", role, "--json")
        assert result.stderr == ""
        assert json.loads(result.stdout)["scores"]["count"] == len(getattr(split, role))


def test_fewer_labels_and_another_size_of_images(run, bundle):
    found = json.loads(run("drawn:count=70,size=32,seed=5", "--labels", "six", "--role", "train", "--json").stdout)
    dataset = draw_faces(70, size=32, seed=5)
    split = apply_protocol(dataset, ProtocolSpec(labels="six"))
    answers = project(Classifier(bundle).predict(resize_crops(split.train.images, 48)), SEVEN, SIX)
    right = int((answers.argmax(axis=1) == split.train.labels).sum())
    assert found["scores"]["accuracy"] == wilson(right, len(split.train)).to_json()
    assert found["scores"]["labels"] == [expression.value for expression in SIX.expressions]


def test_the_protocol_of_the_card_is_the_default(run, bundle_maker, tmp_path):
    bundle_maker(tmp_path / "six.mien", card={"protocol": {"labels": "six"}})
    data, _ = drawn()
    found = json.loads(run(data, "--json", source=str(tmp_path / "six.mien")).stdout)
    assert len(found["scores"]["labels"]) == 6
    found = json.loads(run(data, "--json", "--labels", "seven", source=str(tmp_path / "six.mien")).stdout)
    assert len(found["scores"]["labels"]) == 7


def test_expressions_that_the_model_does_not_know_are_refused_with_the_way_out(run):
    data = f"drawn:count=80,size=48,labels={EIGHT.name}"
    with pytest.raises(DataError, match="cannot answer for contempt.*--labels seven"):
        run(data)
    assert json.loads(run(data, "--labels", "seven", "--json").stdout)["scores"]["count"] > 0


@pytest.fixture
def copied(tmp_path) -> Path:
    """A folder in which the first test image of each expression is a training image, too."""
    dataset = draw_faces(140, size=48, seed=6)
    for index, expression in enumerate(SEVEN.expressions):
        images = dataset.images[dataset.labels == index][:8]
        test = np.concatenate([images[:1], images[4:7]])
        roles = {"train": images[:4], "validation": images[7:], "test": test}
        for role, chosen in roles.items():
            folder = tmp_path / "faces" / role / expression.value
            folder.mkdir(parents=True)
            for number, image in enumerate(chosen):
                Image.fromarray(image).save(folder / f"{expression.value}{number}.png")
    return tmp_path / "faces"


def test_copies_are_told_apart_and_can_be_left_out(run, copied):
    found = json.loads(run(copied, "--json").stdout)
    assert (found["scores"]["count"], found["copies"], found["leak_free"]["count"]) == (28, 7, 21)
    without = json.loads(run(copied, "--json", "--no-copies").stdout)
    assert without["scores"] == found["leak_free"]
    assert without["leak_free"] is None


def test_the_table_shows_intervals_for_everything(run, copied):
    text = run(copied).stdout
    assert "without the 7 with a copy" in text
    assert "Expressions, without copies" in text
    assert "Balanced accuracy" in text
    assert text.count("surprise") >= 2
    assert "n=28" in text
    assert "n=21" in text
