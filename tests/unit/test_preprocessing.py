from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras")

from mien.errors import NetworkError  # noqa: E402
from mien.study.recipe import PreprocessingSpec  # noqa: E402
from mien.training.preprocessing import (  # noqa: E402
    FeaturewiseNormalization,
    GrayToRGB,
    ImageNetScaling,
    Resize,
    SamplewiseNormalization,
    ZCAWhitening,
    estimate_zca_cost,
    fit_statistics,
    preprocess,
)

HEIGHT, WIDTH = 8, 9


def drawn(count: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, HEIGHT, WIDTH), dtype=np.uint8)


def graph(spec: PreprocessingSpec, images: np.ndarray, *, scaling: str = "unit", channels: int = 1):
    faces = keras.Input((*images.shape[1:], 1))
    statistics = fit_statistics(images, spec)
    return keras.Model(faces, preprocess(faces, spec, statistics, scaling=scaling, channels=channels))


def result(model, images: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(images[..., None]))


def square(images: np.ndarray) -> np.ndarray:
    return images[:, :HEIGHT, :HEIGHT]


@pytest.mark.parametrize(("rescale", "low", "high"), [("none", 0, 255), ("unit", 0, 1), ("signed", -1, 1)])
def test_rescaling_maps_black_and_white(rescale, low, high):
    images = np.stack([np.zeros((8, 8)), np.full((8, 8), 255)]).astype(np.uint8)
    scaled = result(graph(PreprocessingSpec(rescale=rescale, size=8), images), images)
    np.testing.assert_allclose(scaled[0], low, atol=1e-6)
    np.testing.assert_allclose(scaled[1], high, atol=1e-6)


def test_bytes_and_floats_are_treated_alike():
    images = square(drawn())
    model = graph(PreprocessingSpec(rescale="unit", size=8), images)
    np.testing.assert_array_equal(result(model, images), result(model, images.astype(np.float32)))


def test_samplewise_normalisation_gives_each_image_mean_zero_and_deviation_one():
    images = square(drawn())
    spec = PreprocessingSpec(rescale="unit", samplewise_center=True, samplewise_std=True, size=8)
    normal = result(graph(spec, images), images)
    np.testing.assert_allclose(normal.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std(axis=(1, 2, 3)), 1, atol=1e-4)


@pytest.mark.parametrize("rescale", ["none", "unit", "signed"])
@pytest.mark.parametrize("value", [0, 1, 200, 255])
def test_a_constant_image_becomes_zeros_not_noise(rescale, value):
    images = np.full((2, 48, 48), value, np.uint8)
    spec = PreprocessingSpec(rescale=rescale, samplewise_center=True, samplewise_std=True, size=48)
    assert np.abs(result(graph(spec, images), images)).max() < 0.05


@pytest.mark.parametrize("statistics", ["scalar", "pixel"])
@pytest.mark.parametrize("samplewise", [False, True])
@pytest.mark.parametrize("rescale", ["none", "signed"])
def test_featurewise_normalisation_of_the_training_role(statistics, samplewise, rescale):
    images = square(drawn(2500))
    spec = PreprocessingSpec(
        rescale=rescale,
        samplewise_center=samplewise,
        samplewise_std=samplewise,
        featurewise_center=True,
        featurewise_std=True,
        statistics=statistics,
        size=8,
    )
    normal = result(graph(spec, images), images).astype(np.float64)
    axis = 0 if statistics == "pixel" else None
    np.testing.assert_allclose(normal.mean(axis=axis), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std(axis=axis), 1, atol=1e-5)


def test_a_pixel_that_never_changes_stays_finite():
    images = square(drawn())
    images[:, 3, 3] = 77
    spec = PreprocessingSpec(rescale="unit", featurewise_center=True, featurewise_std=True, statistics="pixel", size=8)
    assert np.abs(result(graph(spec, images), images)[:, 3, 3]).max() < 0.05


def test_whitened_training_images_have_uncorrelated_pixels_of_unit_variance():
    images = square(drawn(1000))
    spec = PreprocessingSpec(rescale="unit", featurewise_center=True, zca=True, statistics="pixel", size=8)
    whitened = result(graph(spec, images), images).reshape(len(images), -1).astype(np.float64)
    np.testing.assert_allclose(np.cov(whitened, rowvar=False, bias=True), np.eye(64), atol=1e-3)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(2, 30), epsilon=st.sampled_from([1e-6, 1e-3, 1.0]))
def test_whitening_is_symmetric_finite_and_never_amplifies_beyond_epsilon(seed, count, epsilon):
    spec = PreprocessingSpec(rescale="unit", featurewise_center=True, zca=True, zca_epsilon=epsilon, statistics="pixel")
    whitening = fit_statistics(drawn(count, seed), spec).whitening.astype(np.float64)
    np.testing.assert_array_equal(whitening, whitening.T)
    assert np.linalg.eigvalsh(whitening).max() <= epsilon**-0.5 * (1 + 1e-4)


def test_the_fit_reads_in_blocks_and_reports_its_progress():
    seen = []
    spec = PreprocessingSpec(rescale="unit", featurewise_center=True)
    images = drawn(2500)
    statistics = fit_statistics(images, spec, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2500, 2500)
    assert len(seen) > 1
    assert statistics.count == 2500
    np.testing.assert_allclose(statistics.mean, [(images / 255).mean()], rtol=1e-6)
    assert statistics.std is None


def test_nothing_is_fitted_where_nothing_needs_it():
    assert fit_statistics(drawn(), PreprocessingSpec(rescale="unit")) is None


def test_a_fit_needs_images():
    with pytest.raises(NetworkError, match="N > 0"):
        fit_statistics(drawn(0), PreprocessingSpec(rescale="unit", featurewise_center=True))


def test_an_unresolved_rescaling_is_refused():
    with pytest.raises(NetworkError, match=r"Recipe\.resolved"):
        fit_statistics(drawn(), PreprocessingSpec(featurewise_center=True))


def test_an_unresolved_size_is_refused():
    with pytest.raises(NetworkError, match=r"Recipe\.resolved"):
        graph(PreprocessingSpec(rescale="unit"), drawn())


def test_preprocessing_that_was_not_fitted_cannot_be_built():
    spec = PreprocessingSpec(rescale="unit", featurewise_center=True, size=8)
    with pytest.raises(NetworkError, match="must be fitted"):
        preprocess(keras.Input((8, 8, 1)), spec, None, scaling="unit", channels=1)


@pytest.mark.parametrize("changes", [{"statistics": "pixel"}, {"featurewise_std": True}])
def test_statistics_of_another_preprocessing_are_refused(changes):
    fitted = fit_statistics(square(drawn()), PreprocessingSpec(rescale="unit", featurewise_center=True))
    spec = PreprocessingSpec(rescale="unit", featurewise_center=True, size=8, **changes)
    with pytest.raises(NetworkError, match="Fit the statistics with the same"):
        preprocess(keras.Input((8, 8, 1)), spec, fitted, scaling="unit", channels=1)


def test_resizing_up_keeps_a_gradient_and_makes_a_square():
    images = np.tile(np.linspace(0, 240, WIDTH).astype(np.uint8), (1, HEIGHT, 1))
    large = result(graph(PreprocessingSpec(rescale="none", size=32), images), images)
    assert large.shape == (1, 32, 32, 1)
    assert (np.diff(large[0, 16, :, 0]) >= -1e-3).all()
    np.testing.assert_allclose(large.mean(), images.mean(), atol=1)


def test_shrinking_averages_fine_stripes_instead_of_picking_some():
    images = np.zeros((1, 64, 64), np.uint8)
    images[:, :, ::2] = 200
    small = result(graph(PreprocessingSpec(rescale="none", size=9), images), images)
    np.testing.assert_allclose(small, 100, atol=12)


def test_images_of_the_right_size_are_not_resampled():
    model = graph(PreprocessingSpec(rescale="unit", size=8), square(drawn()))
    assert not any(isinstance(layer, Resize) for layer in model.layers)


@pytest.mark.parametrize(("scaling", "module"), [("signed", "resnet_v2"), ("torch", "densenet"), ("caffe", "vgg16")])
def test_imagenet_scaling_is_that_of_the_networks_authors(scaling, module):
    images = square(drawn())
    spec = PreprocessingSpec(rescale="imagenet", size=8)
    received = result(graph(spec, images, scaling=scaling, channels=3), images)
    rgb = np.repeat(images[..., None], 3, axis=-1).astype(np.float32)
    expected = getattr(keras.applications, module).preprocess_input(rgb, data_format="channels_last")
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-4)


def test_caffe_scaling_swaps_red_and_blue():
    pixels = np.array([255.0, 128.0, 0.0], np.float32).reshape(1, 1, 1, 3)
    scaled = keras.ops.convert_to_numpy(ImageNetScaling("caffe")(pixels))
    np.testing.assert_allclose(scaled.ravel(), [0 - 103.939, 128 - 116.779, 255 - 123.68], rtol=1e-5)


def test_scaling_by_channel_needs_three_channels():
    with pytest.raises(NetworkError, match="three channels"):
        ImageNetScaling("torch")(np.zeros((1, 8, 8, 1), np.float32))


def test_an_unknown_scaling_is_refused():
    with pytest.raises(NetworkError, match="caffe"):
        ImageNetScaling("pytorch")


@pytest.mark.parametrize(
    "layer",
    [
        SamplewiseNormalization(divide=True, least_std=0.5),
        FeaturewiseNormalization("pixel", divide=True),
        ZCAWhitening(),
        Resize(12),
        GrayToRGB(),
        ImageNetScaling("signed"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_survives_its_configuration(layer):
    config = keras.saving.serialize_keras_object(layer)
    assert config["registered_name"].startswith("mien>")
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == layer.get_config()
    images = np.float32(drawn(3)[..., None])
    np.testing.assert_array_equal(again(images), layer(images))


def test_statistics_are_saved_with_the_network(tmp_path):
    images = square(drawn(200))
    spec = PreprocessingSpec(rescale="unit", featurewise_center=True, zca=True, statistics="pixel", size=12)
    model = graph(spec, images)
    model.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    np.testing.assert_array_equal(result(again, images), result(model, images))


def test_a_run_says_what_zca_will_take_and_fits_it():
    from types import SimpleNamespace

    from mien.study.recipe import Recipe
    from mien.training.execute import _fit_statistics

    recipe = Recipe(preprocessing=PreprocessingSpec(featurewise_center=True, zca=True)).resolved(12)
    images = np.random.default_rng(0).integers(0, 256, (20, 12, 12), dtype=np.uint8)

    class Role(SimpleNamespace):
        def __len__(self) -> int:
            return len(self.picked)

    said: list[str] = []
    statistics = _fit_statistics(recipe, SimpleNamespace(train=Role(picked=images)), SimpleNamespace(stage=said.append))
    assert statistics.whitening.shape == (144, 144)
    assert said[0].startswith("fitting ZCA whitening on 20 images: about ")


def test_the_estimate_of_zca_grows_with_size_and_number():
    seconds, memory = estimate_zca_cost((48, 48), 28_273)
    assert 1 < seconds < 30
    assert memory < 2**30
    assert estimate_zca_cost((96, 96), 28_273)[0] > 10 * seconds
    assert estimate_zca_cost((96, 96), 28_273)[1] > 10 * memory
    assert estimate_zca_cost((48, 48), 100)[0] < seconds
