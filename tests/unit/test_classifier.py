from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper

from mien.bundle import Golden
from mien.errors import BundleError, DataError
from mien.inference.classifier import Classifier, softmax
from mien.labels import SIX
from mien.randomness import generator

CROPS = generator(0, "classifier").integers(0, 256, (9, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def classifier(bundle):
    return Classifier(bundle, threads=1)


def network_by_hand(kernel, weights, crops, temperature):
    """The tiny network of conftest.py in plain numpy."""
    padded = np.pad(crops / 255, ((0, 0), (2, 2), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))[:, ::4, ::4]
    features = np.maximum(0, np.einsum("nhwij,cij->nhwc", windows, kernel[:, 0]))
    logits = features.mean((1, 2)) @ weights / temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return features, powers / powers.sum(1, keepdims=True)


def test_probabilities_and_features_are_those_of_the_network(tmp_path, bundle_maker, onnx_maker):
    random = generator(3, "by hand")
    kernel, weights = random.normal(size=(4, 1, 5, 5)), random.normal(size=(4, 7))
    onnx = onnx_maker(kernel.astype(np.float32), weights.astype(np.float32))
    bundle = bundle_maker(tmp_path / "b.mien", onnx=onnx, temperature=0.7, cam_weights=weights)
    classifier = Classifier(bundle)
    features, probabilities = network_by_hand(kernel, weights, CROPS, 0.7)
    np.testing.assert_allclose(classifier.predict(CROPS), probabilities, atol=1e-5)
    np.testing.assert_allclose(classifier.features(CROPS), features, atol=1e-5)
    assert classifier.has_features


def test_rows_sum_to_one_and_both_shapes_are_taken(classifier):
    probabilities = classifier.predict(CROPS)
    assert probabilities.shape == (9, 7)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-12)
    np.testing.assert_array_equal(classifier.predict(CROPS[..., None]), probabilities)


def test_a_batch_of_n_equals_n_batches_of_one(classifier):
    singles = np.concatenate([classifier.predict(crop[None]) for crop in CROPS])
    np.testing.assert_allclose(classifier.predict(CROPS), singles, atol=1e-6)


def test_threads_may_share_a_classifier(classifier):
    expected = classifier.predict(CROPS)
    with ThreadPoolExecutor(4) as executor:
        for received in executor.map(classifier.predict, [CROPS] * 12):
            np.testing.assert_allclose(received, expected, atol=1e-6)


@pytest.mark.parametrize("crops", [CROPS[:, :40], CROPS.astype(np.float32), CROPS[0], CROPS[..., None, None]])
def test_other_crops_are_refused(classifier, crops):
    with pytest.raises(DataError, match="48"):
        classifier.predict(crops)


def test_a_model_that_answers_otherwise_than_its_golden_example_is_refused(bundle):
    golden = Golden(bundle.golden.crops, bundle.golden.probabilities[:, ::-1])
    with pytest.raises(BundleError, match="golden"):
        Classifier(replace(bundle, golden=golden))
    golden = Golden(bundle.golden.crops, np.full_like(bundle.golden.probabilities, np.nan))
    with pytest.raises(BundleError, match="golden"):
        Classifier(replace(bundle, golden=golden))


def test_a_model_with_other_labels_is_refused(bundle):
    golden = Golden(bundle.golden.crops, bundle.golden.probabilities[:, :6])
    with pytest.raises(BundleError, match="6 labels"):
        Classifier(replace(bundle, label_set=SIX, golden=golden))


def test_what_is_no_model_is_refused(bundle):
    with pytest.raises(BundleError, match="does not load"):
        Classifier(replace(bundle, onnx=b"no model"))


def test_a_model_with_another_signature_is_refused(bundle):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "other",
        [value("x", TensorProto.FLOAT, ["N", 7])],
        [value("y", TensorProto.FLOAT, ["N", 7])],
    )
    onnx = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
    with pytest.raises(BundleError, match="Expected: one input 'faces'"):
        Classifier(replace(bundle, onnx=onnx))


def test_a_bundle_without_weights_for_its_features_has_no_activation_maps(classifier):
    assert not classifier.has_features


def test_softmax_does_not_overflow():
    np.testing.assert_array_equal(softmax(np.array([[1e6, 0.0, -1e6]])), [[1, 0, 0]])
