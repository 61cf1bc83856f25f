import numpy as np
import pytest

from mien.errors import BundleError, DataError
from mien.images import read_image
from mien.inference.classifier import Classifier
from mien.inference.crops import crop_face
from mien.inference.detector import Detector
from mien.inference.explanation import (
    Method,
    class_activation_map,
    deletion_curve,
    draw_explanations,
    explain,
    occlusion_map,
)
from mien.labels import SEVEN, Expression
from mien.randomness import generator

HAPPINESS = SEVEN.index(Expression.HAPPINESS)


def random_classifier(folder, bundle_maker, onnx_maker, seed):
    """A random convolution; most of its labels depend on where in the crop there is structure."""
    random = generator(seed, "explained")
    kernel = random.normal(size=(8, 1, 5, 5)).astype(np.float32)
    kernel -= kernel.mean(axis=(2, 3), keepdims=True)
    weights = random.normal(size=(8, 7)).astype(np.float32) * 12
    path = folder / f"{seed}.mien"
    return Classifier(bundle_maker(path, onnx=onnx_maker(kernel, weights), cam_weights=weights), threads=1)


@pytest.fixture(scope="module")
def bright_is_happy(tmp_path_factory, bundle_maker, onnx_maker):
    """A network whose one feature is local brightness, and whose label happiness is all brightness."""
    kernel = np.full((1, 1, 5, 5), 1 / 25, dtype=np.float32)
    weights = np.zeros((1, 7), dtype=np.float32)
    weights[0, HAPPINESS] = 10
    path = tmp_path_factory.mktemp("bright") / "bright.mien"
    return Classifier(bundle_maker(path, onnx=onnx_maker(kernel, weights), cam_weights=weights), threads=1)


@pytest.fixture(scope="module")
def spot():
    """A dark crop with a bright spot at its upper right."""
    crop = np.full((48, 48), 20, dtype=np.uint8)
    crop[8:16, 32:40] = 250
    return crop


@pytest.fixture(scope="module")
def face_crop(portrait, bundle):
    image = read_image(portrait)
    (face,) = Detector().detect(image)
    return crop_face(image, face, bundle.crop_rule)


@pytest.mark.parametrize("make", [class_activation_map, occlusion_map])
def test_maps_mark_the_place_that_the_label_depends_on(bright_is_happy, spot, make):
    heat = make(bright_is_happy, spot, Expression.HAPPINESS)
    assert heat.shape == (48, 48)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 6 <= row < 18
    assert 30 <= column < 42
    assert heat[8:16, 32:40].mean() > 5 * abs(heat[24:, :24].mean())


def test_occlusion_says_that_brightness_speaks_against_the_other_labels(bright_is_happy, spot):
    assert occlusion_map(bright_is_happy, spot, Expression.FEAR)[8:16, 32:40].max() < 0


def test_the_mean_of_a_class_activation_map_is_the_logit(bright_is_happy, spot):
    # Probabilities of happiness and of a label with logit 0 give the logit back.
    probabilities = bright_is_happy.predict(spot[None])[0]
    logit = np.log(probabilities[HAPPINESS] / probabilities[0]) * bright_is_happy.bundle.temperature
    heat = class_activation_map(bright_is_happy, spot, Expression.HAPPINESS)
    assert heat.mean() == pytest.approx(logit, rel=0.03)


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_deleting_marked_parts_first_beats_random_orders(tmp_path, bundle_maker, onnx_maker, face_crop, method, seed):
    classifier = random_classifier(tmp_path, bundle_maker, onnx_maker, seed)
    expression = SEVEN.expressions[int(classifier.predict(face_crop[None]).argmax())]
    heat = explain(classifier, face_crop, expression, method).heat
    random = generator(seed, "orders")
    marked = deletion_curve(classifier, face_crop, expression, heat).mean()
    others = [deletion_curve(classifier, face_crop, expression, random.random(heat.shape)).mean() for _ in range(10)]
    assert marked < np.mean(others)


@pytest.mark.parametrize("method", Method)
def test_other_weights_give_another_map(tmp_path, bundle_maker, onnx_maker, face_crop, method):
    maps = [
        explain(random_classifier(tmp_path, bundle_maker, onnx_maker, seed), face_crop, Expression.FEAR, method).heat
        for seed in range(6)
    ]
    correlations = np.corrcoef([heat.ravel() for heat in maps])[np.triu_indices(6, 1)]
    assert np.abs(correlations).mean() < 0.7
    again = explain(random_classifier(tmp_path, bundle_maker, onnx_maker, 0), face_crop, Expression.FEAR, method).heat
    np.testing.assert_allclose(again, maps[0], atol=1e-6)


def test_a_deletion_curve_starts_at_the_whole_crop_and_ends_at_an_empty_one(bright_is_happy, spot):
    curve = deletion_curve(bright_is_happy, spot, Expression.HAPPINESS, spot)
    empty = np.full_like(spot, round(spot.mean()))
    assert curve.shape == (25,)
    assert curve[0] == pytest.approx(bright_is_happy.predict(spot[None])[0, HAPPINESS])
    assert curve[-1] == pytest.approx(bright_is_happy.predict(empty[None])[0, HAPPINESS])
    assert curve[1] < curve[0]


def test_the_method_is_cam_where_the_bundle_has_it_and_occlusion_for_all(bright_is_happy, bundle, spot):
    assert explain(bright_is_happy, spot, Expression.FEAR).method is Method.CAM
    without = Classifier(bundle, threads=1)
    assert explain(without, spot, Expression.FEAR).method is Method.OCCLUSION
    with pytest.raises(BundleError, match="Occlusion works for every model"):
        explain(without, spot, Expression.FEAR, Method.CAM)


def test_a_label_that_the_model_does_not_know_is_refused(bright_is_happy, spot):
    with pytest.raises(DataError, match="contempt"):
        explain(bright_is_happy, spot, Expression.CONTEMPT)


def test_the_picture_is_changed_only_within_the_square_of_the_face(portrait, bundle):
    image = read_image(portrait)
    (face,) = Detector().detect(image)
    explanation = explain(Classifier(bundle, threads=1), crop_face(image, face, bundle.crop_rule), Expression.FEAR)
    picture = draw_explanations(image, [(face, explanation)], bundle.crop_rule)
    untouched = draw_explanations(image, [], bundle.crop_rule)
    scale = len(picture) / 512
    rows, columns = np.nonzero((picture != untouched).any(axis=2))
    side = bundle.crop_rule.margin * np.sqrt(face.box.area)
    for found, centre in ((columns, face.box.centre[0]), (rows, face.box.centre[1])):
        assert abs((found.min() + found.max()) / 2 / scale - centre) < 3
        assert side * 0.95 < (found.max() - found.min()) / scale < side * 1.1
