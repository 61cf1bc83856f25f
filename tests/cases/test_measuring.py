"""A model is measured on any labelled data, and a message never advises what is refused next."""

import csv
import itertools
import re
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.api.evaluating import evaluate
from mien.bundle import shipped_bundles
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import read_dataset
from mien.datasets.synthetic import draw_faces
from mien.errors import MienError
from mien.labels import EIGHT, SEVEN, SIX, LabelSet

CROPS = draw_faces(80, size=48, seed=3, label_set=EIGHT)


def folder(root: Path, labels: list[str], *, roles: tuple[str, ...] = ("",), each: int = 3) -> Path:
    """Drawn faces of these expressions in folders, below folders of roles."""
    for role, label in itertools.product(roles, labels):
        own = CROPS.images[CROPS.labels == CROPS.label_set.expressions.index(label)][:each]
        place = root / role / label
        place.mkdir(parents=True)
        for number, image in enumerate(own):
            (place / f"{number}.png").write_bytes(cv2.imencode(".png", np.roll(image, len(role)))[1].tobytes())
    return root


ANY = {
    "one folder without roles": (list(SEVEN.expressions), ("",)),
    "six classes": (list(SIX.expressions), ("train", "test")),
    "without neutral": (list(SEVEN.expressions)[:-1], ("train", "test")),
    "only a test role": (list(SEVEN.expressions), ("test",)),
    "only a training role": (list(SEVEN.expressions), ("train",)),
    "with contempt": (list(EIGHT.expressions), ("",)),
    "two expressions": (["anger", "happiness"], ("",)),
}


@pytest.mark.parametrize("model", sorted(shipped_bundles()))
@pytest.mark.parametrize("name", ANY)
def test_every_shipped_model_is_measured_on_any_data_without_options(tmp_path, model, name):
    labels, roles = ANY[name]
    found = evaluate(model, folder(tmp_path / "set", labels, roles=roles), cache=None)
    known = [label for label in labels if label in SEVEN]
    assert found.evaluation.scores.count == 3 * len(known)
    assert [label.value for label in found.label_set.expressions] == known
    if len(known) < len(labels):
        assert any("contempt" in note for note in found.notes)


KEYS = {
    "labels": (None, "six"),
    "roles": (None, "auto", "official", "deck", "split"),
    "targets": (None, "votes"),
    "role": (None, "train"),
}


def refusal(bundle, data, given) -> str:
    """What is said when data cannot be measured so; empty when they can."""
    try:
        evaluate(bundle, data, **given)
    except MienError as error:
        return str(error)
    return ""


def test_what_could_not_be_used_of_the_models_protocol_is_said(tmp_path):
    folder(tmp_path / "data", ["happiness", "sadness"], roles=("train",))
    folder(tmp_path / "data", ["happiness", "sadness", "fear"], roles=("test",))
    found = evaluate("fer2013", tmp_path / "data", cache=None)
    said = [note for note in found.notes if "without the model's protocol" in note]
    assert len(said) == 1
    assert "roles = 'official' needs the roles train, validation and test" in said[0]
    assert found.evaluation.scores.count == 9
    assert "not measured, since the data have no image of it: anger, disgust, surprise, neutral" in found.notes
    six = evaluate("fer2013", tmp_path / "data", labels="happiness,sadness,contempt", cache=None)
    assert "not measured, since the data have no image of it: contempt" in six.notes


def test_a_model_of_votes_says_that_the_data_have_none(tmp_path):
    found = evaluate("default", folder(tmp_path, ["happiness", "sadness"]), cache=None)
    assert any(
        note.startswith("the votes of several taggers are what the model learned from (targets = votes)")
        for note in found.notes
    )


def test_no_message_advises_what_is_refused_next(tmp_path, bundle):
    """Over all combinations of data and options: an option that an error names, given instead, leads on."""
    for name, (labels, roles) in ANY.items():
        data = read_dataset(folder(tmp_path / name.replace(" ", "-"), labels, roles=roles), cache=None)
        for values in itertools.product(*KEYS.values()):
            given = {key: value for key, value in zip(KEYS, values, strict=True) if value}
            met: list[str] = []
            while (said := refusal(bundle, data, given)) and len(met) < 3:
                assert said not in met, (name, values, met)
                met.append(said)
                advised = re.search(r"[Uu]se (labels|roles|targets) = '(\w+)'", said)
                if advised is None:
                    break
                assert given.get(advised[1]) != advised[2], (name, values, said)
                given[advised[1]] = advised[2]
            assert len(met) < 3, (name, values, met)


def test_groups_are_sums_in_training_and_in_measuring(tmp_path, bundle):
    data = read_dataset(folder(tmp_path / "set", list(SEVEN.expressions)), cache=None)
    text = "neutral,good=happiness+surprise,bad=anger+fear+sadness+disgust"
    found = evaluate(bundle, data, labels=text)
    counts = Counter(found.label_set.expressions[label].value for label in found.predictions.labels)
    assert counts == {"neutral": 3, "good": 6, "bad": 12}
    split = apply_protocol(data, ProtocolSpec(labels=text, roles="split", validation_fraction=0.3))
    assert split.label_set == LabelSet.parse(text)


def test_merged_data_are_measured_with_a_model_of_expressions(tmp_path, bundle):
    path = folder(tmp_path / "set", list(SEVEN.expressions))
    found = evaluate(bundle, path, cache=None, classes="good=happiness+surprise,bad=anger+fear+sadness+disgust")
    assert [label.value for label in found.label_set.expressions] == ["neutral", "bad", "good"]


def test_every_image_has_a_row(tmp_path, bundle):
    found = evaluate(bundle, folder(tmp_path / "set", ["anger", "happiness"]), cache=None)
    rows = found.rows()
    assert [row["id"] for row in rows] == [f"{label}/{n}.png" for label in ("anger", "happiness") for n in range(3)]
    assert sum(row["right"] for row in rows) == round(found.evaluation.scores.accuracy.value * 6)
    assert all(abs(row["probability:anger"] + row["probability:happiness"] - 1) < 1e-5 for row in rows)


def test_the_rows_are_written(tmp_path, bundle):
    import typer
    from typer.testing import CliRunner

    from mien.cli.evaluate import evaluate as command

    app = typer.Typer()
    app.command()(command)
    path = folder(tmp_path / "set", ["anger", "happiness"])
    result = CliRunner().invoke(app, [bundle.source, str(path), "--csv", str(tmp_path / "rows.csv")])
    assert result.exit_code == 0, result.output
    with (tmp_path / "rows.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 6


def test_photos_without_a_face_count_as_wrong(tmp_path):
    for label, level in (("anger", 40), ("happiness", 200)):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "set" / label / f"{number}.png").write_bytes(
                cv2.imencode(".png", np.full((120, 160), level, np.uint8))[1].tobytes()
            )
    from importlib import resources

    photo = (resources.files("mien") / "data" / "sample.jpg").read_bytes()
    for label in ("anger", "happiness"):
        (tmp_path / "set" / label / "sample.jpg").write_bytes(photo)
    found = evaluate("default", tmp_path / "set", cache=None, find_faces=True)
    assert found.evaluation.scores.count == 2
    assert Counter(miss.outcome for miss in found.missed) == {"no_face": 4}
    right = round(found.evaluation.scores.accuracy.value * 2)
    assert found.with_misses["accuracy"].count == 6
    assert found.with_misses["accuracy"].value == pytest.approx(right / 6)
    assert any("could not be used (66.7%): No face was found (4)" in note for note in found.notes)
    assert [row["outcome"] for row in found.rows()].count("no_face") == 4


def test_images_that_are_no_crops_are_noticed(tmp_path):
    for label in ("anger", "happiness"):
        (tmp_path / label).mkdir()
        scene = np.random.default_rng(len(label)).integers(0, 256, (160, 285), dtype=np.uint8)
        (tmp_path / label / "scene.png").write_bytes(cv2.imencode(".png", scene)[1].tobytes())
    notes = read_dataset(tmp_path, cache=None).notes
    assert any(note.startswith("warning: 2 of 2 images are shaped as photos are (285x160") for note in notes)
