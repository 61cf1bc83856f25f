"""A model in 8 bits: close to the one that it was made of, and the same in every batch, in any number of threads."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mien.api import quantising
from mien.api.evaluating import evaluate
from mien.bundle import load_bundle
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.synthetic import draw_faces
from mien.errors import BundleError, ExportError
from mien.inference.classifier import Classifier
from mien.training.export import comparison_images
from mien.training.quantise import quantised

NAME = "fer2013"  # shipped, and computes in float32


@pytest.fixture(scope="module")
def exact():
    return load_bundle(NAME)


@pytest.fixture(scope="module")
def faces(exact):
    return comparison_images(exact.crop_rule, 200)[..., np.newaxis]


@pytest.fixture(scope="module")
def content(exact, faces):
    return quantised(exact.onnx, faces)


@pytest.fixture(scope="module")
def eight_bits(exact, content):
    return replace(exact, onnx=content)


@pytest.fixture(scope="module")
def graph(content):
    return onnx.load_from_string(content).graph


@pytest.fixture(scope="module")
def constants(graph):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def test_it_answers_nearly_as_the_model_that_it_was_made_of(exact, eight_bits, content):
    images = comparison_images(exact.crop_rule, 500)
    before, after = (Classifier(bundle, ask_golden=False).predict(images) for bundle in (exact, eight_bits))
    differences = np.abs(before - after).max(axis=1)
    assert differences.mean() < 0.02
    assert (before.argmax(axis=1) == after.argmax(axis=1)).mean() > 0.97
    assert len(content) < 0.6 * len(exact.onnx)


def test_a_face_has_the_same_maps_to_the_last_bit_in_any_batch_and_any_number_of_threads(eight_bits, faces):
    classifier = Classifier(eight_bits, threads=1, ask_golden=False)
    together = classifier.features(faces)
    one_by_one = np.concatenate([classifier.features(faces[number : number + 1]) for number in range(len(faces))])
    np.testing.assert_array_equal(together, one_by_one)
    np.testing.assert_array_equal(together, Classifier(eight_bits, threads=2, ask_golden=False).features(faces))


def test_the_sums_of_the_first_convolution_are_exact_in_any_order(graph, constants):
    first = next(node for node in graph.node if node.op_type == "Conv")
    kernel, bias = (constants[name] for name in first.input[1:])
    rng = np.random.default_rng(0)
    for pixels in (rng.integers(0, 256, (50, 1, 9)), np.full((1, 1, 9), 255)):
        products = pixels.astype(np.float32) * kernel.reshape(1, -1, 9)
        terms = np.concatenate([products, np.broadcast_to(bias[:, np.newaxis], (*products.shape[:2], 1))], axis=2)
        expected = terms.sum(axis=2, dtype=np.float64)
        for _ in range(5):
            order = rng.permutation(10)
            np.testing.assert_array_equal(np.cumsum(terms[..., order], axis=2, dtype=np.float32)[..., -1], expected)


def test_the_products_of_two_neighbours_fit_16_bits(constants):
    kernels = [values for values in constants.values() if values.dtype == np.int8]
    assert len(kernels) == 11
    for kernel in kernels:
        pairs = np.abs(kernel[:, 0::2].astype(int)) + np.abs(kernel[:, 1::2].astype(int))
        assert 100 < pairs.max() <= 128
        assert 255 * pairs.max() < 2**15


def test_what_is_added_is_whole_sixteenths_of_the_sum(graph, constants):
    sums = [node for node in graph.node if node.op_type == "Add" and all("/restored" in name for name in node.input)]
    assert len(sums) == 4
    scale_of = {node.output[0]: constants[node.input[1]] for node in graph.node if node.op_type == "DequantizeLinear"}
    takers = {name: node for node in graph.node for name in node.input}
    for node in sums:
        after_relu = takers[node.output[0]].output[0]
        for name in node.input:
            ratio = scale_of[name] / scale_of[f"{after_relu}/restored"]
            assert ratio.dtype == np.float32
            assert ratio * 16 == round(float(ratio) * 16)


def test_other_preprocessing_than_a_factor_is_refused(exact, faces):
    model = onnx.load_from_string(exact.onnx)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("Cast_1/x:0"):  # what is added after the factor
            tensor.CopyFrom(numpy_helper.from_array(np.float32(-0.5).reshape(()), tensor.name))
    with pytest.raises(ExportError, match="multiplies pixels by one number.*Add before its first convolution"):
        quantised(model.SerializeToString(), faces)


def test_a_model_that_computes_in_8_bits_already_is_refused(content, faces):
    with pytest.raises(ExportError, match="in 8 bits already"):
        quantised(content, faces)


def test_a_model_without_convolutions_is_refused(bundle_maker, tmp_path, faces):
    with pytest.raises(ExportError, match="fewer than two"):
        quantised(bundle_maker(tmp_path / "tiny.mien").onnx, faces)


@pytest.fixture(scope="module")
def data():
    return draw_faces(70, size=48, seed=3)


@pytest.fixture(scope="module")
def of_drawn_faces(exact, data):
    """The model, as if it had been trained on drawn faces."""
    protocol = {"labels": "seven"}
    split = apply_protocol(data, ProtocolSpec(**protocol))
    recipe = {key: value for key, value in exact.card["recipe"].items() if key != "heads"}
    said = {**exact.card["data"], "split": split.hash}
    return replace(exact, card={**exact.card, "data": said, "protocol": protocol, "recipe": recipe})


def test_the_new_bundle_has_its_own_figures_and_says_how_it_was_made(of_drawn_faces, data, tmp_path, monkeypatch):
    monkeypatch.setattr(quantising, "LARGEST_ACCURACY_LOSS", 1.0)
    made = quantising.quantise(of_drawn_faces, data, tmp_path / "new.mien")
    bundle = load_bundle(tmp_path / "new.mien")
    assert bundle.identity == made.bundle.identity
    assert bundle.fingerprint != of_drawn_faces.fingerprint
    assert len(bundle.onnx) < 0.6 * len(of_drawn_faces.onnx)
    conversion = bundle.card["conversion"]
    assert (conversion["weights_type"], conversion["made_of"]) == ("int8", of_drawn_faces.identity)
    assert conversion["accuracy_loss_on_validation"] == made.before.value - made.after.value
    assert conversion["other_labels_in_8_bits"].startswith(f"{made.other_labels} of {made.after.count} ")
    assert bundle.card["calibration"]["temperature"] == bundle.temperature
    assert bundle.card["origin"] == of_drawn_faces.card["origin"]
    found = evaluate(bundle, data).evaluation.scores
    assert bundle.card["test"]["accuracy"]["value"] == found.accuracy.value
    assert bundle.card["test"]["images"] == found.count
    np.testing.assert_array_equal(bundle.seen.train, of_drawn_faces.seen.train)


def test_a_model_that_loses_accuracy_is_refused(of_drawn_faces, data, tmp_path, monkeypatch):
    monkeypatch.setattr(quantising, "LARGEST_ACCURACY_LOSS", -1.0)
    with pytest.raises(ExportError, match="are lost. Nothing was written"):
        quantising.quantise(of_drawn_faces, data, tmp_path / "new.mien")
    assert not (tmp_path / "new.mien").exists()


def test_other_data_are_refused(of_drawn_faces, tmp_path):
    with pytest.raises(BundleError, match="is not what fer2013 was trained on"):
        quantising.quantise(of_drawn_faces, draw_faces(70, size=48, seed=4), tmp_path / "new.mien")
