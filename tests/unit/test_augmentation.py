from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

keras = pytest.importorskip("keras")

from mien.study.recipe import AugmentationSpec  # noqa: E402
from mien.training import augmentation  # noqa: E402
from mien.training.augmentation import RandomAffine, RandomErasing, RandomLight, RandomQuality, augment  # noqa: E402

EVERYTHING = AugmentationSpec(
    flip=True, shift=0.1, rotation=10, zoom=0.1, brightness=0.2, contrast=0.2, blur=0.05, noise=0.1, erasing=0.5
)
LAYERS = [
    RandomAffine(True, 0.1, 10.0, 0.1, 3),
    RandomLight(0.2, 0.3, 4),
    RandomQuality(0.1, 0.1, 6),
    RandomErasing(0.7, 5),
]


def faces(count: int = 16, side: int = 12) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, side, side, 1), dtype=np.uint8)


def changed(layer, images: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(layer(images.astype(np.float32), training=True))


def graph(spec: AugmentationSpec = EVERYTHING, seed: int = 0):
    inputs = keras.Input((12, 12, 1))
    return keras.Model(inputs, augment(inputs, spec, seed))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_images_change_in_training_only_and_stay_pixels(layer):
    images = faces()
    np.testing.assert_array_equal(layer(images.astype(np.float32)), images)
    result = changed(layer, images)
    assert result.shape == images.shape
    assert result.dtype == np.float32
    assert np.abs(result - images).max() > 1
    assert result.min() >= 0
    assert result.max() <= 255


def test_layers_compute_by_keras_alone_whatever_the_backend():
    """NumPy beside a tensor works where the backend's tensors let it, and gives an array where they do not."""
    modules = {module.__name__ for module in vars(augmentation).values() if isinstance(module, ModuleType)}
    assert modules == {"keras", "math"}


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_layer_survives_its_configuration_and_starts_the_same_stream(layer):
    config = keras.saving.serialize_keras_object(layer)
    assert config["registered_name"].startswith("mien>")
    again, other = (keras.saving.deserialize_keras_object(config) for _ in range(2))
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(changed(again, faces()), changed(other, faces()))


def test_a_checkpoint_of_the_variables_goes_on_with_the_same_stream():
    model, images = graph(), faces()
    changed(model, images)
    checkpoint = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    assert len(checkpoint) == 4
    expected = [changed(model, images) for _ in range(2)]
    assert np.abs(expected[0] - expected[1]).max() > 1
    resumed = graph(seed=99)
    for variable, value in zip(resumed.variables, checkpoint, strict=True):
        variable.assign(value)
    for values in expected:
        np.testing.assert_array_equal(changed(resumed, images), values)


def test_other_seeds_give_other_changes():
    assert np.abs(changed(graph(seed=1), faces()) - changed(graph(seed=2), faces())).max() > 1


def test_turning_one_change_on_leaves_the_draws_of_the_others():
    flipped = changed(graph(AugmentationSpec(flip=True)), faces())
    with_faint_light = changed(graph(AugmentationSpec(flip=True, brightness=1e-4)), faces())
    np.testing.assert_allclose(flipped, with_faint_light, atol=0.1)


def test_nothing_asked_adds_no_layer():
    assert len(graph(AugmentationSpec(mixup=0.2, cutmix=0.2)).layers) == 1


def test_a_flip_mirrors_about_half_of_the_images_exactly():
    images = faces(200)
    result = changed(RandomAffine(flip=True), images)
    mirrored = np.array([np.allclose(a, b[:, ::-1], atol=0.05) for a, b in zip(result, images, strict=True)])
    same = np.array([np.allclose(a, b, atol=0.05) for a, b in zip(result, images, strict=True)])
    assert (mirrored ^ same).all()
    assert 60 < mirrored.sum() < 140


def test_shifts_are_at_most_the_share_and_go_both_ways():
    images = np.zeros((300, 20, 20, 1), np.uint8)
    images[:, 10, 10] = 200
    result = changed(RandomAffine(shift=0.2), images)[..., 0]
    rows, columns = np.mgrid[:20, :20]
    mass = result.sum(axis=(1, 2))
    for axis in (rows, columns):
        moved = (result * axis).sum(axis=(1, 2)) / mass - 10
        assert np.abs(moved).max() <= 0.2 * 20 + 0.01
        assert moved.min() < -2
        assert moved.max() > 2


def test_rotation_turns_about_the_centre_by_at_most_the_angle():
    side = 41
    images = np.zeros((200, side, side, 1), np.uint8)
    images[:, 20, 35] = 255
    images[:, 20, 20] = 255
    result = changed(RandomAffine(rotation=30), images)[..., 0]
    np.testing.assert_allclose(result[:, 20, 20], 255, atol=0.5)
    result[:, 15:26, 15:26] = 0
    rows, columns = np.mgrid[:side, :side]
    mass = result.sum(axis=(1, 2))
    down, right = ((result * axis).sum(axis=(1, 2)) / mass - 20 for axis in (rows, columns))
    np.testing.assert_allclose(np.hypot(down, right), 15, atol=0.3)
    angles = np.degrees(np.arctan2(down, right))
    assert np.abs(angles).max() <= 30.5
    assert angles.min() < -15
    assert angles.max() > 15


def test_zoom_changes_the_size_within_its_share():
    side = 41
    images = np.zeros((200, side, side, 1), np.uint8)
    images[:, 10:31, 10:31] = 255
    widths = (changed(RandomAffine(zoom=0.3), images)[:, 20, :, 0] / 255).sum(axis=1)
    assert widths.min() >= 21 * 0.7 - 1
    assert widths.max() <= 21 * 1.3 + 1
    assert widths.min() < 18 < 24 < widths.max()


def test_the_border_is_continued():
    images = np.full((8, 12, 12, 1), 90, np.uint8)
    np.testing.assert_allclose(changed(RandomAffine(True, 0.5, 180.0, 0.5), images), 90, atol=0.01)


def test_contrast_is_about_the_mean_and_brightness_moves_it():
    images = np.random.default_rng(0).integers(100, 150, (100, 12, 12, 1), dtype=np.uint8)
    mean, std = images.mean(axis=(1, 2, 3)), images.std(axis=(1, 2, 3))
    contrast = changed(RandomLight(contrast=0.4), images)
    np.testing.assert_allclose(contrast.mean(axis=(1, 2, 3)), mean, atol=0.01)
    factors = contrast.std(axis=(1, 2, 3)) / std
    assert 0.6 <= factors.min() < 0.7
    assert 1.3 < factors.max() <= 1.4
    moved = changed(RandomLight(brightness=0.2), images).mean(axis=(1, 2, 3)) - mean
    assert -51.1 <= moved.min() < -30
    assert 30 < moved.max() <= 51.1


def test_half_of_the_images_are_blurred_by_gaussians_up_to_the_largest():
    side = 41
    images = np.zeros((400, side, side, 2), np.float32)
    images[:, 20, 20] = 255
    result = changed(RandomQuality(blur=0.06), images)[..., 0] / 255
    np.testing.assert_allclose(result.sum(axis=(1, 2)), 1, atol=1e-4)
    distances = np.arange(side) - 20
    for axis in (1, 2):
        deviations = np.sqrt((result.sum(axis=axis) * distances**2).sum(axis=1))
        blurred = deviations > 0.11
        assert 150 < blurred.sum() < 250
        assert 2.2 < deviations.max() <= 0.06 * side * 1.01
    # The whole picture against SciPy's Gaussian of the same width.
    strongest = int(deviations.argmax())
    expected = gaussian_filter(images[strongest, :, :, 0] / 255, deviations[strongest], truncate=8)
    np.testing.assert_allclose(result[strongest], expected, atol=1e-4)


def test_blur_keeps_even_pictures_even_up_to_the_border():
    np.testing.assert_allclose(changed(RandomQuality(blur=0.3), np.full((8, 12, 10, 1), 90, np.uint8)), 90, atol=0.01)


def test_half_of_the_images_have_noise_of_deviations_up_to_the_largest():
    images = np.full((300, 24, 24, 1), 128, np.uint8)
    noise = changed(RandomQuality(noise=0.1), images) - 128
    deviations = noise.std(axis=(1, 2, 3)) / 255
    noisy = deviations > 0
    assert 110 < noisy.sum() < 190
    assert 0.09 < deviations.max() <= 0.105
    assert deviations[noisy].min() < 0.02
    assert np.abs(noise.mean(axis=(1, 2, 3))).max() < 6


def test_blur_leaves_the_noise_as_it_was():
    images = np.full((20, 12, 12, 1), 128, np.uint8)  # what blurring leaves as it is
    without, with_blur = (changed(RandomQuality(blur, 0.1, 3), images) for blur in (0.0, 0.05))
    np.testing.assert_allclose(with_blur, without, atol=0.01)


def test_erasing_hits_its_share_of_the_images_with_rectangles_of_allowed_size():
    images = np.full((400, 32, 32, 1), 300, np.float32)  # no noise has this value
    erased = changed(RandomErasing(0.5), images)[..., 0] != 300
    hit = erased.any(axis=(1, 2))
    assert 150 < hit.sum() < 250
    for mask in erased[hit]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    shares = erased[hit].mean(axis=(1, 2))
    assert shares.min() > 0.005
    assert shares.max() < 0.45
