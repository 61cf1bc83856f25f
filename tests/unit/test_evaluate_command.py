import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mien.api.evaluating import add_seen
from mien.bundle import load_bundle
from mien.cli.evaluate import evaluate
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import read_dataset
from mien.datasets.synthetic import draw_faces
from mien.errors import BundleError, MienError
from mien.evaluation.intervals import wilson
from mien.inference.classifier import Classifier
from mien.inference.crops import resize_crops
from mien.labels import EIGHT, SEVEN, SIX, project
from mien.seen import Seen, hash_images

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


def test_expressions_that_the_model_does_not_know_are_left_out_and_counted(run):
    data = f"drawn:count=80,size=48,labels={EIGHT.name}"
    found = json.loads(run(data, "--json").stdout)
    assert found["scores"]["labels"] == [label.value for label in SEVEN.expressions]
    assert any("left out: their expression is contempt" in note for note in found["notes"])
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
    assert "7 images left out: copies in the training or validation role of these data" in without["notes"]


def test_nothing_that_is_measured_was_learned_from_where_that_is_left_out(run, copied, knowing):
    found = json.loads(run(copied, "--json", "--no-copies", source=knowing).stdout)
    assert found["seen"] == {"known": True, "learned_from": 0, "chosen_with": 0}
    assert "7 images left out: the model has seen them" in found["notes"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_files_are_written_where_whoever_read_the_figures_has_gone(bundle, monkeypatch, tmp_path, form):
    def gone(*words, **keys):
        raise BrokenPipeError

    monkeypatch.setattr("mien.cli.evaluate._show", gone)
    monkeypatch.setattr("mien.api.evaluating.ModelEvaluation.to_json", gone)
    words = [bundle.source, "drawn:count=70,size=48", "--csv", str(tmp_path / "rows.csv"), *form]
    assert isinstance(CliRunner().invoke(app, words).exception, BrokenPipeError)
    assert (tmp_path / "rows.csv").read_text(encoding="utf-8").count("\n") > 10


@pytest.mark.parametrize("option", ["--labels", "--targets", "--roles"])
@pytest.mark.parametrize("word", ["", "vote"])
def test_a_word_that_is_none_is_refused(run, option, word):
    with pytest.raises(MienError, match=f"'{word}'"):
        run("drawn:count=70,size=48", option, word)


def test_the_table_shows_intervals_for_everything(run, copied):
    text = run(copied).stdout
    assert "without the 7 that the model has seen" in text
    assert "Expressions, without images seen" in text
    assert "Balanced accuracy" in text
    assert text.count("surprise") >= 2
    assert "n=28" in text
    assert "n=21" in text


@pytest.fixture
def knowing(bundle_maker, tmp_path, copied):
    """A bundle that says what it was made with: the training and validation images of `copied`."""
    split = apply_protocol(read_dataset(copied, cache=None), ProtocolSpec())
    seen = Seen.of(split.train.hashes, split.validation.hashes)
    bundle_maker(tmp_path / "knowing.mien", seen=seen, card={"data": {"split": split.hash}})
    return str(tmp_path / "knowing.mien")


def test_what_the_model_has_learned_from_is_named_whatever_the_split(run, copied, knowing):
    found = json.loads(run(copied, "--json", source=knowing).stdout)
    assert found["seen"] == {"known": True, "learned_from": 7, "chosen_with": 0}
    assert (found["copies"], found["leak_free"]["count"]) == (7, 21)
    # Another split of the same images: most of its test images were learned from.
    other = json.loads(run(copied, "--json", "--roles", "split", source=knowing).stdout)
    split = apply_protocol(read_dataset(copied, cache=None), ProtocolSpec(roles="split"))
    learned = set(apply_protocol(read_dataset(copied, cache=None), ProtocolSpec()).train.hashes.tolist())
    test = split.test.open(by="test", reason="to compare", log=lambda opening: None)
    assert other["seen"]["learned_from"] == sum(name in learned for name in test.hashes.tolist()) > 0
    assert other["leak_free"]["count"] == len(test) - other["copies"]


def test_the_training_images_are_all_known_again_at_another_size(run, bundle_maker, tmp_path):
    split = apply_protocol(read_dataset("drawn:count=70,size=96,seed=5", cache=None), ProtocolSpec())
    seen = Seen.of(hash_images(resize_crops(split.train.images, 48)), [])
    bundle_maker(tmp_path / "small.mien", seen=seen)
    found = run("drawn:count=70,size=96,seed=5", "--role", "train", "--json", source=str(tmp_path / "small.mien"))
    assert json.loads(found.stdout)["seen"]["learned_from"] == len(split.train)


def test_a_bundle_that_does_not_say_is_called_unknown(run, copied):
    assert json.loads(run(copied, "--json").stdout)["seen"]["known"] is False
    assert "unknown" in run(copied).stdout


def test_hashes_are_added_from_the_data_of_the_run_and_from_no_other(copied, knowing, bundle_maker, tmp_path):
    split = apply_protocol(read_dataset(copied, cache=None), ProtocolSpec())
    old = bundle_maker(tmp_path / "old.mien", card={"data": {"split": split.hash}})
    new, seen = add_seen(old.source, copied, tmp_path / "new.mien")
    np.testing.assert_array_equal(seen.train, load_bundle(knowing).seen.train)
    np.testing.assert_array_equal(load_bundle(tmp_path / "new.mien").seen.validation, seen.validation)
    assert new.fingerprint != old.fingerprint
    with pytest.raises(BundleError, match="is not what tiny was trained on"):
        add_seen(old.source, "drawn:count=70", tmp_path / "wrong.mien")
    assert not (tmp_path / "wrong.mien").exists()


def test_a_table_never_takes_the_place_of_a_photo(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"a photo")
    app = typer.Typer()
    app.command()(evaluate)
    result = CliRunner().invoke(app, ["default", "drawn:count=60", "--csv", str(photo)])
    assert isinstance(result.exception, MienError)
    assert "called as photos are" in str(result.exception)
    assert photo.read_bytes() == b"a photo"


def test_the_card_is_written_with_the_figures_or_refused_before_they_are_measured(run, bundle, tmp_path, monkeypatch):
    data, _ = drawn()
    said = run(data, "--card", str(tmp_path / "measured.mien"))
    written = load_bundle(tmp_path / "measured.mien")
    assert written.identity in said.stderr
    accuracy = json.loads(run(data, "--json").stdout)["scores"]["accuracy"]
    assert written.card["measured_on_drawn_test_by_labels"]["accuracy"] == accuracy
    run(data, "--card", str(tmp_path / "measured.mien"), source=str(tmp_path / "measured.mien"))  # where it is
    assert load_bundle(tmp_path / "measured.mien").card.keys() == written.card.keys()
    monkeypatch.setattr("mien.evaluate", lambda *_, **__: pytest.fail("was measured first"))
    for wrong in ("measured.onnx", "no/such/folder/measured.mien"):
        with pytest.raises(MienError):
            run(data, "--card", str(tmp_path / wrong))
