"""How far a face is from those that a model learned from: the measures, the distance, and who tells of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn
from scipy.spatial.distance import mahalanobis
from scipy.stats import mannwhitneyu
from typer.testing import CliRunner

import mien
from mien.api.evaluating import add_seen
from mien.bundle import SCHEMA, load_bundle, write_again
from mien.channels import to_gray
from mien.cli.main import command_line
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.errors import BundleError
from mien.evaluation.corruptions import corrupt, told_apart
from mien.inference.classifier import Classifier
from mien.inference.crops import likeness_of
from mien.inference.recognizer import Recognizer
from mien.inference.results import CSV_COLUMNS, FaceResult, PhotoResult
from mien.likeness import MEASURES, Likeness, measures
from mien.randomness import generator
from mien.seen import Seen

FACES = mien.read("drawn:count=400,size=48,seed=5", cache=None).images


@pytest.fixture(scope="module")
def likeness():
    return Likeness.of(FACES[:300], FACES[300:])


@pytest.fixture(scope="module")
def knowing(bundle, likeness, tmp_path_factory):
    """A model that knows what the drawn faces look like."""
    path = tmp_path_factory.mktemp("knowing") / "knowing.mien"
    return write_again(replace(bundle, seen=Seen.of([], []), likeness=likeness), path)


def measured_by_hand(image):
    """The 32 measures of one gray image, by SciPy's cosine transform and by loops."""
    size = len(image)
    power = dctn(image.astype(float), norm="ortho") ** 2
    bands = [[] for _ in range(16)]
    for down in range(size):
        for across in range(size):
            if down or across:
                radius = (down**2 + across**2) ** 0.5 / size
                bands[min(int(radius / 1.4 * 16), 15)].append(power[down, across])
    edges = [size * number // 4 for number in range(5)]
    cells = [image[edges[r] : edges[r + 1], edges[c] : edges[c + 1]].astype(float) for r in range(4) for c in range(4)]
    return np.log1p([*(np.mean(band) for band in bands), *(cell.std() for cell in cells)])


@pytest.mark.parametrize("size", [24, 33, 48, 100])
def test_the_measures_are_those_of_a_reference(size):
    images = generator(1, "likeness").integers(0, 256, (3, size, size), dtype=np.uint8)
    np.testing.assert_allclose(measures(images), [measured_by_hand(image) for image in images], rtol=1e-9)


@pytest.mark.parametrize("at_once", [1, 5000])
def test_how_many_are_measured_at_once_changes_nothing(at_once, monkeypatch):
    whole = measures(FACES[:7])
    monkeypatch.setattr("mien.likeness._PIXELS_AT_ONCE", at_once)
    np.testing.assert_allclose(measures(FACES[:7]), whole, rtol=1e-12)


def test_a_face_in_colour_is_measured_in_gray():
    colours = generator(2, "likeness").integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(measures(colours), measures(np.array([to_gray(image) for image in colours])))


def test_the_distance_is_that_of_mahalanobis_in_units_that_99_of_100_faces_keep_within(likeness):
    learned = np.array([measured_by_hand(image) for image in FACES[:300]])
    mean, spread = learned.mean(axis=0), learned.std(axis=0)
    covariance = np.corrcoef(learned.T) + 1e-3 * np.eye(MEASURES)
    inverse = np.linalg.inv(covariance * np.outer(spread, spread))
    expected = np.array([mahalanobis(measured_by_hand(image), mean, inverse) for image in FACES[300:]])
    received = likeness.distances(FACES[300:])
    np.testing.assert_allclose(received, expected / np.quantile(expected, 0.99), rtol=1e-6)
    assert (received <= 1).mean() == 0.99


def test_corrupted_faces_and_what_is_no_face_are_further(likeness):
    usual = likeness.distances(FACES[300:])
    for corruption in ("blur", "noise", "mask", "low_resolution", "salt_and_pepper"):
        assert told_apart(usual, likeness.distances(corrupt(FACES[300:], corruption, 4))) > 0.9, corruption
    noise = generator(3, "no face").integers(0, 256, (20, 48, 48), dtype=np.uint8)
    flat = np.full((20, 48, 48), 90, dtype=np.uint8)
    assert likeness.distances(np.concatenate([noise, flat])).min() > 2


@pytest.mark.parametrize("image", [np.zeros((48, 48), np.uint8), np.full((8, 8), 255, np.uint8)], ids=["0", "255"])
def test_faces_that_are_all_the_same_are_no_failure(image):
    same = Likeness.of(np.array([image] * 3), np.array([image]))
    assert np.isfinite(same.axes).all()
    assert same.distances(np.array([image])) == pytest.approx(0, abs=1e-6)
    assert same.distances(np.zeros((0, *image.shape), np.uint8)).shape == (0,)


def test_how_often_is_that_of_mann_and_whitney():
    random = generator(4, "ranks")
    usual, others = random.integers(0, 9, 40).astype(float), random.integers(2, 12, 70).astype(float)
    expected = mannwhitneyu(others, usual).statistic / (40 * 70)
    assert told_apart(usual, others) == pytest.approx(expected)


def test_a_bundle_keeps_it_and_one_without_is_as_before(bundle, knowing, likeness, tmp_path):
    loaded = load_bundle(knowing.source)
    np.testing.assert_array_equal(loaded.likeness.mean, likeness.mean)
    np.testing.assert_array_equal(loaded.likeness.axes, likeness.axes)
    assert bundle.likeness is None
    for model, schema in ((bundle, 2), (knowing, SCHEMA)):
        write_again(
            replace(model, seen=Seen.of([], [])), tmp_path / str(schema)
        )  # and is not lost where the hashes are written again
        assert f'"schema": {schema},' in (tmp_path / str(schema) / "bundle.json").read_text(encoding="utf-8")
        assert (tmp_path / str(schema) / "likeness.npz").exists() == (model is knowing)


@pytest.mark.parametrize(
    ("mean", "axes"),
    [
        (np.zeros(31), np.eye(32)),
        (np.zeros(32), np.eye(31)),
        (np.full(32, np.nan), np.eye(32)),
        (np.zeros(32, dtype="U3"), np.eye(32)),
    ],
    ids=["short mean", "small axes", "not a number", "text"],
)
def test_a_damaged_one_is_refused(bundle, tmp_path, mean, axes):
    with pytest.raises(BundleError, match="damaged"):
        write_again(replace(bundle, seen=Seen.of([], []), likeness=Likeness(mean, axes)), tmp_path / "damaged.mien")


def test_a_result_tells_it_in_every_form(knowing, likeness, tmp_path):
    usual, odd = FACES[0], corrupt(FACES[:1], "mask", 5)[0]
    for name, image in (("usual.png", usual), ("odd.png", odd)):
        Image.fromarray(image).save(tmp_path / name)
    recognizer = Recognizer(knowing, crops=True)
    results = [recognizer.recognize(tmp_path / name) for name in ("usual.png", "odd.png")]
    expected = likeness.distances(np.array([usual, odd]))
    assert [result.faces[0].distance for result in results] == pytest.approx(expected)
    assert [result.faces[0].unlike for result in results] == [False, True]
    assert [face.distance for face in recognizer.recognize_crops(np.array([usual, odd]))] == pytest.approx(expected)
    for result in results:
        assert PhotoResult.from_json(result.to_json()) == result
        assert result.to_rows()[0]["distance"] == result.faces[0].distance
        assert ("unlike those that the model learned from" in result.summary()) == bool(result.faces[0].unlike)
        assert ("unlike" in repr(result.faces[0])) == bool(result.faces[0].unlike)
        assert ("unlike" in result._repr_html_()) == bool(result.faces[0].unlike)


def test_the_command_says_which_faces_are_unlike_those_of_the_model(knowing, tmp_path):
    Image.fromarray(corrupt(FACES[:1], "mask", 5)[0]).save(tmp_path / "odd.png")
    arguments = ["predict", str(tmp_path / "odd.png"), "--crops", "--bundle", knowing.source]
    shown = CliRunner().invoke(command_line(), arguments, env={"COLUMNS": "200"})
    assert "The face is unlike those that the model learned from." in shown.output
    path = tmp_path / "rows.csv"
    CliRunner().invoke(command_line(), [*arguments, "--csv", str(path)])
    with path.open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["distance"]) > 1


def test_a_model_that_does_not_know_says_nothing(bundle):
    (face,) = Recognizer(bundle).recognize_crops(FACES[:1])
    assert (face.distance, face.unlike) == (None, None)
    assert face.to_dict()["distance"] is None
    before = {key: value for key, value in face.to_dict().items() if key != "distance"}  # as an older mien wrote it
    assert FaceResult.from_dict(before) == face
    assert "distance" in CSV_COLUMNS


def test_an_evaluation_measures_how_well_it_finds_corrupted_faces(knowing, likeness):
    data = mien.read("drawn:count=140,size=48,seed=6", cache=None)
    found = mien.evaluate(knowing, data, corruptions=["blur"])
    images = data.images[[data.ids.tolist().index(name) for name in found.predictions.ids.tolist()]]
    usual = likeness.distances(images)
    np.testing.assert_allclose(found.distances, usual)
    right = Classifier(knowing).predict(images).argmax(axis=1) == found.predictions.labels
    assert found.accuracy_of_unlike is None or found.accuracy_of_unlike.value == right[usual > 1].mean()
    for one in found.corrupted:
        there = likeness.distances(corrupt(images, "blur", one.strength))
        assert one.unlike == (there > 1).mean()
        assert one.told_apart == pytest.approx(mannwhitneyu(there, usual).statistic / len(usual) ** 2)
        assert one.confidence == pytest.approx(
            Classifier(knowing).predict(corrupt(images, "blur", one.strength)).max(1).mean()
        )
    gaps = [one.confidence - one.accuracy.value for one in found.corrupted]
    assert found.confidence_gap == found.to_json()["confidence_gap"] == pytest.approx(np.mean(gaps))
    assert found.told_apart == pytest.approx(np.mean([one.told_apart for one in found.corrupted]))
    told = json.loads(json.dumps(found.to_json()))
    assert told["unlike"] == (usual > 1).sum()
    assert told["told_apart"] == found.told_apart
    assert [row["distance"] for row in found.rows()] == pytest.approx(usual, abs=1e-6)


def test_an_older_model_learns_it_from_the_data_of_its_run(bundle, tmp_path):
    data = mien.read("drawn:count=140,size=40,seed=6", cache=None)
    split = apply_protocol(data, ProtocolSpec())
    card = {**bundle.card, "data": {"split": split.hash}}
    written, _ = add_seen(replace(bundle, card=card), data, tmp_path / "new.mien")
    expected = likeness_of(split.train.images, split.validation.images, bundle.crop_rule)
    np.testing.assert_allclose(written.likeness.axes, expected.axes)


@pytest.mark.parametrize("name", ["default", "fer2013"])
def test_the_shipped_models_know_the_sample_for_a_face_and_a_wall_for_none(name, portrait):
    recognizer = Recognizer(name)
    (face,) = recognizer.recognize(portrait).faces
    assert face.unlike is False
    wall = generator(5, "wall").normal(128, 20, (1, 48, 48)).clip(0, 255).astype(np.uint8)
    assert recognizer.recognize_crops(wall)[0].unlike
