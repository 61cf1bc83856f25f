"""Networks of colours: they learn what gray cannot tell, and are exported, measured and explained in colour."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import mien
from mien.channels import images_in_channels, with_channel_axis
from mien.datasets.dataset import Role
from mien.errors import NetworkError
from mien.images import png_bytes
from mien.study.processes import SubprocessExecutor
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe
from mien.training.network import build_network
from mien.training.preprocessing import estimate_zca_cost, fit_statistics, preprocess
from support.colour import colour_faces, write_folder
from support.in_process import submit

STUDY = """
schema = 1
name = "colour"
[data]
path = "faces"
channels = "rgb"
framing = "drawn"
[recipe]
epochs = 5
batch_size = 16
learning_rate = 0.02
augmentation = {flip = true, shift = 0.05, brightness = 0.05, contrast = 0.1, erasing = 0.2, mixup = 0.1}
preprocessing = {featurewise_center = true, featurewise_std = true}
[[tables]]
name = "channels"
rows.preprocessing.channels = ["rgb", "gray"]
"""


@pytest.mark.slow
def test_what_only_colour_tells_is_learned_measured_exported_and_explained(monkeypatch, tmp_path):
    monkeypatch.setattr(SubprocessExecutor, "submit", submit)
    monkeypatch.chdir(tmp_path)
    images, labels = colour_faces(180, size=32)
    folder = write_folder(tmp_path / "faces", images, labels)
    Path("study.toml").write_text(STUDY, encoding="utf-8")
    mien.run_study("study.toml")
    store = mien.Store("stores/colour")
    records = {record.recipe["preprocessing"]["channels"]: record for record in store.finished()}
    assert {record.data["channels"] for record in records.values()} == {"rgb"}
    accuracy = {which: record.scores(Role.TEST).accuracy.value for which, record in records.items()}
    assert accuracy[None] >= 0.9
    assert accuracy["gray"] <= 0.65
    page = mien.write_report(store).read_text(encoding="utf-8")
    assert "32 × 32 pixels, in colour" in page

    run = store.run_folder(records[None].id)
    bundle = mien.export(run, "colour.mien", weights_type="int8", data=folder).bundle
    assert (bundle.channels, bundle.card["data"]["channels"]) == ("rgb", "rgb")
    again = mien.evaluate(bundle, folder)
    assert again.same_data_as_card
    assert again.evaluation.scores.accuracy.value == accuracy[None]
    without = mien.evaluate(bundle, mien.read(folder))
    assert without.evaluation.scores.accuracy.value <= 0.65
    assert any("gray, with three equal channels" in note for note in without.notes)
    assert without.familiar.learned > 100  # though it met them in colour

    of_gray = mien.export(store.run_folder(records["gray"].id), "gray.mien").bundle
    assert of_gray.channels == "rgb"  # it takes colours, and turns them gray itself
    answers = [mien.Recognizer(of_gray, crops=True).recognize_crops(i) for i in (images[:4], with_gray(images[:4]))]
    for one, other in zip(*answers, strict=True):
        assert dict(one.probabilities) == pytest.approx(dict(other.probabilities), abs=0.02)

    recognizer = mien.Recognizer(bundle, crops=True, unsure=False)
    right = [recognizer.recognize(png_bytes(image)).faces[0].label.value for image in images[:20]]
    assert np.mean(np.array(right) == labels[:20]) >= 0.9
    sample = Path(mien.__file__).parent / "data" / "sample.jpg"
    (explained,) = mien.explain(sample, bundle).faces
    assert explained.crop.shape == (32, 32, 3)
    assert explained.explanation.heat.shape == (32, 32)


def with_gray(images):
    """Colour images that are gray."""
    return images_in_channels(images_in_channels(images, "gray"), "rgb")


def answers(network, images):
    return keras.ops.convert_to_numpy(network(with_channel_axis(images), training=False))


def networks(recipe: Recipe, images, gray):
    """The network of a recipe for colours, and that for gray, of the same random numbers."""
    built = []
    for channels, given in (("rgb", images), ("gray", gray)):
        resolved = recipe.resolved(32, channels)
        statistics = fit_statistics(given, resolved.preprocessing)
        built.append(build_network(resolved, image_size=(32, 32), classes=3, statistics=statistics, channels=channels))
    return built


@pytest.mark.parametrize("changes", [{}, {"featurewise_center": True, "featurewise_std": True}, {"rescale": "signed"}])
def test_a_network_that_turns_colours_gray_answers_as_one_of_gray(changes):
    images, _ = colour_faces(24)
    gray = images_in_channels(images, "gray")
    recipe = Recipe(preprocessing=PreprocessingSpec(channels="gray", **changes))
    of_colour, of_gray = networks(recipe, images, gray)
    assert of_colour.input_shape == (None, 32, 32, 3)
    # But for the half gray level that rounding to whole numbers takes.
    np.testing.assert_allclose(answers(of_colour, images), answers(of_gray, gray), atol=0.02)
    np.testing.assert_allclose(answers(of_colour, with_gray(images)), answers(of_gray, gray), atol=0.005)


NET = """
import keras, mien

def net(input_shape):
    image = keras.Input(input_shape)
    return keras.Model(image, keras.layers.Conv2D(8, 3, strides=2, activation="relu")(image))

ROW = mien.Backbone(title="three", builder=net, channels=3)
"""


def test_a_network_of_three_channels_answers_for_gray_in_colour_as_for_gray(tmp_path):
    (tmp_path / "nets.py").write_text(NET, encoding="utf-8")
    images, _ = colour_faces(12)
    gray = images_in_channels(images, "gray")
    of_colour, of_gray = networks(Recipe(backbone=f"{tmp_path / 'nets.py'}:ROW"), images, gray)
    np.testing.assert_allclose(answers(of_colour, with_gray(images)), answers(of_gray, gray), atol=1e-5)
    assert np.abs(answers(of_colour, images) - answers(of_gray, gray)).max() > 1e-4


@pytest.mark.parametrize(
    ("scaling", "module"), [("torch", "densenet"), ("caffe", "vgg16"), ("signed", "mobilenet_v2"), ("unit", None)]
)
def test_colours_are_scaled_as_the_weights_of_imagenet_expect(scaling, module):
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    spec = PreprocessingSpec(rescale="imagenet", size=8)
    faces = keras.Input((8, 8, 3))
    model = keras.Model(faces, preprocess(faces, spec, None, scaling=scaling, channels=3))
    rgb = images.astype(np.float32)
    own = getattr(keras.applications, module).preprocess_input if module else lambda values: values / 255
    np.testing.assert_allclose(answers(model, images), own(rgb.copy()), atol=1e-4)


@pytest.mark.parametrize("statistics", ["scalar", "pixel"])
def test_statistics_of_colours_are_one_for_each_channel(statistics):
    images = np.random.default_rng(1).integers(0, 256, (50, 6, 7, 3), dtype=np.uint8)
    images[..., 2] //= 3
    spec = PreprocessingSpec(
        rescale="unit", featurewise_center=True, featurewise_std=True, statistics=statistics, size=8
    )
    found = fit_statistics(images, spec)
    over = (0, 1, 2) if statistics == "scalar" else 0
    mean = (images / 255).mean(axis=over)
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    if statistics == "pixel":
        np.testing.assert_allclose(found.std, (images / 255).std(axis=over), atol=1e-6)
    assert found.mean.shape == ((3,) if statistics == "scalar" else (6, 7, 3))
    turned = fit_statistics(images, PreprocessingSpec(**{**vars(spec), "channels": "gray"}))
    expected = fit_statistics(images_in_channels(images, "gray"), spec)
    np.testing.assert_allclose(turned.mean, expected.mean, atol=0.002)


def test_whitening_makes_all_channels_uncorrelated():
    rng = np.random.default_rng(2)
    base = rng.integers(60, 196, (600, 4, 4, 1))
    images = np.clip(base + rng.integers(-40, 41, (600, 4, 4, 3)), 0, 255).astype(np.uint8)
    spec = PreprocessingSpec(
        rescale="unit", featurewise_center=True, zca=True, statistics="pixel", zca_epsilon=1e-9, size=8
    )
    statistics = fit_statistics(images, spec)
    assert statistics.whitening.shape == (48, 48)
    faces = keras.Input((4, 4, 3))
    model = keras.Model(faces, preprocess(faces, spec, statistics, scaling="unit", channels=1))
    whitened = answers(keras.Model(faces, model.get_layer("zca").output), images).reshape(600, -1)
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(48), atol=0.01)
    assert estimate_zca_cost((48, 48), 1000, 3)[1] > 8 * estimate_zca_cost((48, 48), 1000)[1]


@pytest.mark.parametrize("change", ["flip", "shift", "rotation", "zoom", "brightness", "contrast"])
def test_channels_are_changed_alike(change):
    from mien.training.augmentation import augment

    images = with_gray(colour_faces(8)[0]).astype(np.float32)
    faces = keras.Input((32, 32, 3))
    spec = AugmentationSpec(**{change: True if change == "flip" else 10.0 if change == "rotation" else 0.2})
    model = keras.Model(faces, augment(faces, spec, seed=3))
    changed = keras.ops.convert_to_numpy(model(images, training=True))
    assert np.abs(changed - images).max() > 1
    np.testing.assert_allclose(changed[..., 0], changed[..., 2], atol=1e-3)


@pytest.mark.parametrize("of", ["rgb", "gray"])
def test_a_teacher_of_other_channels_gets_its_own(of, monkeypatch, tmp_path, store):
    """A teacher that sees gray tells a network of colours of it, and the other way round."""
    from mien.datasets.protocol import ProtocolSpec, apply_protocol
    from mien.study.recipe import TeacherSpec
    from mien.training.teaching import prepare_teaching

    monkeypatch.setattr(SubprocessExecutor, "submit", submit)
    images, labels = colour_faces(60)
    roles = [role for role in ("train", "train", "train", "validation", "test") for _ in range(12)]
    teachers = mien.Dataset.from_arrays(images, labels, roles=roles, channels=of, framing="drawn")
    taught = mien.train(teachers, epochs=1, settings={"batch_size": 16}, store=tmp_path / "teacher").folder
    learners = teachers.in_channels("gray" if of == "rgb" else "rgb")
    split = apply_protocol(learners, ProtocolSpec(labels="dataset"))
    recipe = Recipe(
        teacher=TeacherSpec(models=(str(taught),), views=2), augmentation=AugmentationSpec(flip=True)
    ).resolved(32, learners.channels)
    teaching = prepare_teaching(recipe, split, store, lambda text: None)
    inputs = with_channel_axis(split.train.images)
    samples = np.arange(len(inputs))
    for view in (0, 1):
        assert teaching.viewed(inputs, samples, np.full(len(samples), view)).shape == inputs.shape
    assert teaching.softened(samples, np.zeros(len(samples), int)).sum(axis=1) == pytest.approx(1, abs=1e-3)
    other = apply_protocol(learners, ProtocolSpec(labels="dataset", roles="split"))
    with pytest.raises(NetworkError, match="has learned from"):
        prepare_teaching(recipe, other, store, lambda text: None)
