from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mien.errors import NetworkError  # noqa: E402
from mien.study.backbones import BACKBONES  # noqa: E402
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe  # noqa: E402
from mien.training import mien_small  # noqa: E402
from mien.training.face_mobilenet import face_identity_tensors  # noqa: E402
from mien.training.network import (  # noqa: E402
    averaged_weights,
    build_backbone,
    build_network,
    compile_network,
    describe_network,
    feature_extractor,
    head_model,
    load_backbone_weights,
    logits_model,
)
from mien.training.preprocessing import ImageNetScaling, fit_statistics  # noqa: E402

SIDE, CLASSES = 32, 3
WHOLE = mien_small.STAGES
FACE_WEIGHTS = Path(__file__).parents[2] / ".." / "shared" / "weights" / "face-mobilenet-v1.npz"


# What is asked here does not depend on the size of mien_small, and most of a test's time goes into building it.
STAGES = ((8, 1), (16, 0))


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """Make mien_small narrow and shallow, unless a test asks for `whole`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mien_small, "STAGES", STAGES)
        yield


@pytest.fixture
def whole(monkeypatch) -> None:
    """mien_small as it is."""
    monkeypatch.setattr(mien_small, "STAGES", WHOLE)


def faces(count: int = 12, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, side, side, 1), dtype=np.uint8)


def targets(count: int = 12) -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[np.arange(count) % CLASSES]


def network(side: int = SIDE, **settings):
    recipe = Recipe(**settings).resolved(side)
    statistics = fit_statistics(faces(50, side)[..., 0], recipe.preprocessing)
    return build_network(recipe, image_size=(side, side), classes=CLASSES, statistics=statistics)


def compiled(steps: int = 1, **settings):
    model = network(**settings)
    compile_network(model, Recipe(**settings).resolved(SIDE), steps)
    model.run_eagerly = True  # a few steps do not repay the tracing of a graph
    return model


def outputs(model, images: np.ndarray | None = None) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(faces() if images is None else images, training=False))


def step(model, smoothed: np.ndarray | None = None) -> float:
    return float(model.train_on_batch(faces(), targets() if smoothed is None else smoothed)[0])


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[Path, Path, Path]:
    """Weights of a backbone, a backbone and a whole network, of mien_small, all the same."""
    folder = tmp_path_factory.mktemp("weights")
    model = network(seed=7)
    body = model.get_layer("backbone")
    body.save_weights(folder / "body.weights.h5")
    body.save(folder / "body.keras")
    model.save(folder / "network.keras")
    return folder / "body.weights.h5", folder / "body.keras", folder / "network.keras"


def test_raw_faces_go_in_and_probabilities_come_out():
    model = network(side=40)
    assert [tensor.name for tensor in model.inputs] == ["faces"]
    probabilities = outputs(model, faces(side=40))
    assert probabilities.shape == (12, CLASSES)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities, outputs(model, faces(side=40).astype(np.float32)))


def test_the_seed_and_nothing_else_decides_the_weights():
    keras.utils.set_random_seed(1)
    first = network(seed=3)
    keras.utils.set_random_seed(2)
    again = network(seed=3, augmentation=AugmentationSpec(flip=True, erasing=0.5), dropout=0.5)
    np.testing.assert_array_equal(outputs(first), outputs(again))
    assert np.abs(outputs(first) - outputs(network(seed=4))).max() > 0


def test_a_network_cannot_be_built_without_its_statistics():
    recipe = Recipe(preprocessing=PreprocessingSpec(featurewise_center=True)).resolved(SIDE)
    with pytest.raises(NetworkError, match="must be fitted"):
        build_network(recipe, image_size=(SIDE, SIDE), classes=CLASSES, statistics=None)


def test_a_recipe_that_is_not_resolved_is_refused():
    with pytest.raises(NetworkError, match=r"Recipe\.resolved"):
        build_network(Recipe(), image_size=(SIDE, SIDE), classes=CLASSES, statistics=None)


def test_a_whole_network_is_saved_with_preprocessing_and_augmentation(tmp_path):
    whitened = PreprocessingSpec(featurewise_center=True, zca=True, zca_epsilon=0.1)
    model = network(preprocessing=whitened, augmentation=AugmentationSpec(flip=True, brightness=0.1))
    model.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(outputs(again), outputs(model), atol=1e-6)


@pytest.mark.usefixtures("whole")
def test_images_below_the_least_size_are_enlarged_and_the_description_says_so():
    model = network(backbone="mien_small", preprocessing=PreprocessingSpec(size=64))
    description = describe_network(model)
    row = BACKBONES["mien_small"]
    head = 256 * CLASSES + CLASSES
    assert description["image_size"] == (SIDE, SIDE)
    assert description["backbone_size"] == (64, 64)
    assert description["parameters"] == row.parameters + head
    assert description["depth"] == row.depth + 1
    # the moving mean and variance of BatchNormalization are parameters that are not trained
    assert row.parameters * 0.99 < description["trainable"] < row.parameters + head


def test_fitted_preprocessing_is_not_counted_as_parameters():
    fitted_spec = PreprocessingSpec(featurewise_center=True, featurewise_std=True, statistics="pixel")
    plain, fitted = network(), network(preprocessing=fitted_spec)
    assert describe_network(plain) == describe_network(fitted)


@pytest.mark.parametrize("own_scaling", [False, True])
@pytest.mark.parametrize("name", ["mobilenetv3small", "efficientnetv2b0", "convnexttiny"])
def test_pixels_are_scaled_once(name, own_scaling):
    body = build_backbone(BACKBONES[name], (SIDE, SIDE, 3), own_scaling=own_scaling)
    scalers = [layer for layer in body.layers if isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization)]
    assert bool(scalers) is own_scaling


def efficientnet_as_its_weights_have_it(faces, mean, variance):
    """What EfficientNetB0 of Keras does to pixels, by the layers that it gets with its ImageNet weights."""
    faces = keras.layers.Normalization(mean=mean, variance=variance)(keras.layers.Rescaling(1 / 255)(faces))
    return keras.layers.Rescaling([deviation**-0.5 for deviation in variance])(faces)


@pytest.mark.slow
def test_efficientnet_gets_what_its_weights_expect_and_scales_nothing_itself():
    row = BACKBONES["efficientnetb0"]
    body = build_backbone(row, (SIDE, SIDE, 3))
    assert not any(isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization) for layer in body.layers)
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.float32)
    # The file of its weights holds the deviations as variances; Keras mends that by a second scaling.
    expected = efficientnet_as_its_weights_have_it(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    np.testing.assert_allclose(ImageNetScaling(row.scaling)(pixels), expected, atol=1e-5)
    whole = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    body.set_weights(whole.get_weights()[3:])  # mean, variance and count of its own scaling
    np.testing.assert_allclose(outputs(body, pixels / 255), outputs(whole, pixels), atol=1e-4)


def test_a_family_that_scales_by_itself_gets_raw_pixels_with_its_imagenet_scaling():
    scaled = network(backbone="mobilenetv3small", preprocessing=PreprocessingSpec(rescale="imagenet"))
    signed = network(backbone="mobilenetv3small", preprocessing=PreprocessingSpec(rescale="signed"))
    np.testing.assert_allclose(outputs(scaled), outputs(signed), atol=1e-5)


def test_imagenet_scaling_of_our_own_network_is_its_own():
    own = network(preprocessing=PreprocessingSpec(rescale="imagenet"))
    np.testing.assert_allclose(outputs(own), outputs(network()), atol=1e-5)


def test_weights_are_taken_from_any_file_that_holds_the_backbone(saved):
    expected = feature_extractor(network(seed=7))
    for path in saved:
        np.testing.assert_allclose(
            outputs(feature_extractor(network(seed=0, weights=str(path)))), outputs(expected), atol=1e-6
        )


def test_a_missing_weight_file_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="There is no weight file"):
        network(weights=str(tmp_path / "absent.weights.h5"))


def test_weights_of_another_network_are_refused(saved):
    for path in saved:
        with pytest.raises(NetworkError, match="do not fit"):
            network(weights=str(path), backbone="face_mobilenet")


@pytest.mark.parametrize("name", ["weights.npz", "weights.keras", "some.weights.h5"])
def test_a_damaged_weight_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(NetworkError, match="damaged"):
        network(weights=str(tmp_path / name))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "weights.pkl").write_bytes(b"")
    with pytest.raises(NetworkError, match=r"\.keras, \.weights\.h5 or \.npz"):
        network(weights=str(tmp_path / "weights.pkl"))


def test_our_networks_have_no_imagenet_weights():
    with pytest.raises(NetworkError, match="no ImageNet weights"):
        network(weights="imagenet")


@pytest.fixture(scope="module")
def face_body():
    return build_backbone(BACKBONES["face_mobilenet"], (SIDE, SIDE, 3))


def random_face_tensors(body) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(0, 0.1, (1, 1, *weight.shape) if weight.ndim == 2 else weight.shape).astype(np.float32)
        for layer, names in face_identity_tensors().items()
        for name, weight in zip(names, body.get_layer(layer).get_weights(), strict=True)
    }


def test_face_identity_weights_are_loaded_by_name(face_body, tmp_path):
    tensors = random_face_tensors(face_body)
    np.savez(tmp_path / "face.npz", **tensors, age=np.zeros(3, np.float32))
    load_backbone_weights(face_body, tmp_path / "face.npz")
    scale, shift = face_body.get_layer("conv_dw_5_scale").get_weights()
    np.testing.assert_array_equal(scale, tensors["conv_dw_5_bn/batchnorm_1/mul"])
    np.testing.assert_array_equal(shift, tensors["conv_dw_5_bn/batchnorm_1/sub"])
    matrix, bias = face_body.get_layer("conv_pw_5").get_weights()
    np.testing.assert_array_equal(matrix, tensors["conv_pw_5/convolution/merged_input"][0, 0])
    np.testing.assert_array_equal(bias, tensors["conv_pw_5_bn/batchnorm_1/sub"])


def test_an_incomplete_face_identity_file_names_what_is_missing(face_body, tmp_path):
    tensors = random_face_tensors(face_body)
    del tensors["conv_dw_3/depthwise_kernel"]
    np.savez(tmp_path / "face.npz", **tensors)
    with pytest.raises(NetworkError, match="1 tensors are missing, the first is 'conv_dw_3/depthwise_kernel'"):
        load_backbone_weights(face_body, tmp_path / "face.npz")


def test_a_face_identity_tensor_of_another_shape_is_named(face_body, tmp_path):
    tensors = random_face_tensors(face_body) | {"conv_dw_3/depthwise_kernel": np.zeros((5, 5, 128, 1), np.float32)}
    np.savez(tmp_path / "face.npz", **tensors)
    with pytest.raises(NetworkError, match=r"conv_dw_3/depthwise_kernel.*\(5, 5, 128, 1\).*\(3, 3, 128, 1\)"):
        load_backbone_weights(face_body, tmp_path / "face.npz")


@pytest.mark.skipif(not FACE_WEIGHTS.is_file(), reason="the weight file is not here")
def test_the_face_identity_file_fits():
    network(backbone="face_mobilenet", weights=str(FACE_WEIGHTS), preprocessing=PreprocessingSpec(rescale="imagenet"))


def test_a_frozen_backbone_keeps_its_weights_and_batch_statistics(saved):
    model = compiled(weights=str(saved[0]), freeze="all", learning_rate=0.1)
    body, head = model.get_layer("backbone"), model.get_layer("head")
    before, head_before = body.get_weights(), head.get_weights()
    step(model)
    for was, now in zip(before, body.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    assert np.abs(head.get_weights()[0] - head_before[0]).max() > 0
    assert describe_network(model)["trainable"] == head.count_params()


def test_a_share_freezes_the_first_layers_with_their_batch_statistics(saved):
    model = compiled(weights=str(saved[0]), freeze=0.5, learning_rate=0.1)
    body = model.get_layer("backbone")
    before = {layer.name: layer.get_weights() for layer in body.layers if layer.weights}
    step(model)
    moved = {
        name: any(np.abs(was - now).max() > 0 for was, now in zip(old, body.get_layer(name).get_weights(), strict=True))
        for name, old in before.items()
    }
    first_moved = list(moved.values()).index(True)
    assert not any(list(moved.values())[:first_moved])
    assert all(list(moved.values())[first_moved:])
    assert 0.25 < first_moved / len(moved) < 0.75


def test_the_parts_of_a_network_make_the_whole():
    model = network(augmentation=AugmentationSpec(flip=True, erasing=0.9), dropout=0.5)
    extractor, head = feature_extractor(model), head_model(model)
    features = keras.ops.convert_to_numpy(extractor(faces(), training=True))
    assert features.shape == (12, STAGES[-1][0])
    assert not any(layer.name.startswith("random") for layer in extractor.layers)
    features = outputs(extractor)
    np.testing.assert_allclose(outputs(head, features), outputs(model), atol=1e-6)


def test_a_head_trained_on_features_is_the_networks_head():
    model = network()
    head = head_model(model)
    compile_network(head, Recipe(learning_rate=0.1).resolved(SIDE), 1)
    before = outputs(model)
    head.train_on_batch(outputs(feature_extractor(model)), targets())
    assert np.abs(outputs(model) - before).max() > 0


def test_logits_become_the_output_by_the_activation():
    model = network()
    logits, maps = logits_model(model, maps=True)(faces(), training=False)
    np.testing.assert_allclose(keras.ops.softmax(logits), outputs(model), atol=1e-6)
    assert maps.shape == (12, 8, 8, STAGES[-1][0])
    kernel, bias = model.get_layer("head").get_weights()
    np.testing.assert_allclose(np.asarray(maps).mean(axis=(1, 2)) @ kernel + bias, logits, atol=1e-4)
    np.testing.assert_allclose(outputs(logits_model(model)), logits, atol=1e-6)


@pytest.mark.parametrize("activation", ["softmax", "relu", "sigmoid"])
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "binary_crossentropy", "mean_squared_error"])
def test_every_head_trains_with_every_loss(activation, loss):
    model = compiled(activation=activation, loss=loss)
    assert np.isfinite(step(model)) or activation == "relu"
    assert not (outputs(model) < 0).any()


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
        {"optimizer": "rmsprop", "momentum": 0.5},
        {"optimizer": "adam"},
        {"optimizer": "adamw", "weight_decay": 0.05},
    ],
    ids=lambda settings: settings["optimizer"],
)
def test_the_optimizer_is_the_recipes(settings):
    optimizer = compiled(**settings).optimizer
    assert type(optimizer).__name__.lower() == settings["optimizer"]
    for name, value in settings.items():
        if name != "optimizer":
            assert getattr(optimizer, name) == value


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_the_learning_rate_can_be_set(schedule):
    optimizer = compiled(schedule=schedule, learning_rate=0.25).optimizer
    assert float(optimizer.learning_rate) == 0.25
    optimizer.learning_rate = 0.125
    assert float(optimizer.learning_rate) == 0.125


def test_cosine_rises_in_the_warm_up_and_falls_to_zero():
    model = compiled(steps=10, schedule="cosine", warmup_epochs=2.5, epochs=10, learning_rate=0.5)
    rate = model.optimizer._learning_rate
    rates = np.array([float(rate(at)) for at in range(101)])
    np.testing.assert_allclose(rates[:26], np.linspace(0, 0.5, 26), atol=1e-6)
    assert (np.diff(rates[25:]) <= 1e-7).all()
    np.testing.assert_allclose(rates[[25, 100]], [0.5, 0], atol=1e-6)
    np.testing.assert_allclose(rates[25 + 75 // 2], 0.25, atol=0.01)


def test_cosine_without_warm_up_begins_at_the_top():
    rate = compiled(steps=5, schedule="cosine", epochs=2, learning_rate=0.5).optimizer._learning_rate
    assert float(rate(0)) == 0.5
    assert float(rate(10)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "binary_crossentropy", "mean_squared_error"])
def test_label_smoothing_equals_smoothed_targets(loss):
    smoothed = targets() * 0.7 + 0.3 / CLASSES
    by_recipe, by_hand = compiled(loss=loss, label_smoothing=0.3), compiled(loss=loss)
    assert step(by_recipe) == pytest.approx(step(by_hand, smoothed), rel=1e-5)


LOSSES = {
    "categorical_crossentropy": lambda y, p: -(y * np.log(np.clip(p / p.sum(1, keepdims=True), 1e-7, 1 - 1e-7))).sum(1),
    "binary_crossentropy": lambda y, p: -(y * np.log(p + 1e-7) + (1 - y) * np.log(1 - p + 1e-7)).mean(1),
    "mean_squared_error": lambda y, p: ((y - p) ** 2).mean(1),
}


@pytest.mark.parametrize(
    ("activation", "loss", "eager"),
    [
        *((*pair, True) for pair in product(["softmax", "sigmoid"], LOSSES)),
        ("sigmoid", "categorical_crossentropy", False),
    ],
)
def test_the_loss_is_of_the_outputs_whatever_they_come_from(activation, loss, eager):
    # On TensorFlow, Keras would train a sigmoid head under categorical cross-entropy as a softmax.
    model = compiled(activation=activation, loss=loss)
    model.run_eagerly = eager
    expected = LOSSES[loss](targets(), outputs(model).astype(np.float64)).mean()
    assert model.evaluate(faces(), targets(), verbose=0)[0] == pytest.approx(expected, rel=1e-4)


def test_accuracy_is_the_share_of_right_answers():
    model = compiled()
    right = outputs(model).argmax(axis=1) == targets().argmax(axis=1)
    figures = model.evaluate(faces(), targets(), verbose=0, return_dict=True)
    assert set(figures) == {"loss", "accuracy"}
    assert figures["accuracy"] == pytest.approx(right.mean())


def test_averages_take_the_place_of_the_weights_and_give_it_back():
    model = compiled(ema=0.5, optimizer="sgd", learning_rate=0.5)
    head = model.get_layer("head")
    trail = []
    for _ in range(3):
        model.fit(faces(), targets(), verbose=0, shuffle=False)  # the end of a fit must leave the weights alone
        trail.append(head.get_weights()[0])
    expected = trail[0]
    for weights in trail[1:]:
        expected = 0.5 * expected + 0.5 * weights
    with averaged_weights(model):
        np.testing.assert_allclose(head.get_weights()[0], expected, atol=1e-6)
    np.testing.assert_array_equal(head.get_weights()[0], trail[-1])
    assert np.abs(expected - trail[-1]).max() > 1e-4


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_without_averages_or_steps_the_weights_stay(ema):
    model = compiled(ema=ema)
    before = outputs(model)
    with averaged_weights(model):
        np.testing.assert_array_equal(outputs(model), before)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_stays_inside_the_backbone(precision):
    model = compiled(precision=precision, ema=0.9)
    assert keras.config.dtype_policy().name == "float32"
    assert model.get_layer("backbone").layers[1].compute_dtype == precision.removeprefix("mixed_")
    assert outputs(model).dtype == np.float32
    assert np.isfinite(step(model))
    model.optimizer.learning_rate = 0.5
    assert float(model.optimizer.learning_rate) == 0.5
    with averaged_weights(model):
        assert np.isfinite(outputs(model)).all()


def test_a_checkpoint_of_all_variables_resumes_training_exactly():
    settings = {
        "augmentation": AugmentationSpec(flip=True, rotation=10, erasing=0.5),
        "dropout": 0.3,
        "ema": 0.9,
        "schedule": "cosine",
    }
    model = compiled(steps=3, **settings)
    step(model)
    checkpoint = [np.array(keras.ops.convert_to_numpy(v)) for v in (*model.variables, *model.optimizer.variables)]
    expected = [step(model) for _ in range(2)]
    resumed = compiled(steps=3, **settings, seed=0)
    resumed.optimizer.build(resumed.trainable_variables)
    for variable, value in zip((*resumed.variables, *resumed.optimizer.variables), checkpoint, strict=True):
        variable.assign(value)
    assert [step(resumed) for _ in range(2)] == pytest.approx(expected, rel=1e-6)


def test_a_recipe_can_be_built_at_another_size_than_its_data():
    recipe = replace(Recipe(), preprocessing=PreprocessingSpec(size=40)).resolved(48)
    model = build_network(recipe, image_size=(48, 56), classes=CLASSES, statistics=None)
    assert outputs(model, np.zeros((1, 48, 56, 1), np.uint8)).shape == (1, CLASSES)
