"""What a network makes of a face, against the same worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mien.errors import NetworkError  # noqa: E402
from mien.insides import PreprocessingStep  # noqa: E402
from mien.report.figures import render_png, render_svg  # noqa: E402
from mien.report.network_pictures import (  # noqa: E402
    FiltersData,
    MapsData,
    StepsData,
    draw_filters,
    draw_maps,
    draw_steps,
)
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe  # noqa: E402
from mien.training.looking_inside import first_filters, preprocessing_steps, stage_maps  # noqa: E402
from mien.training.network import build_network, logits_model  # noqa: E402
from mien.training.preprocessing import fit_statistics  # noqa: E402
from support.drawings import assert_readable  # noqa: E402

SIDE = 32


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)


def network(backbone: str = "mien_small", **preprocessing):
    recipe = Recipe(
        backbone=backbone,
        augmentation=AugmentationSpec(flip=True, shift=0.1),
        preprocessing=PreprocessingSpec(**preprocessing),
    ).resolved(SIDE)
    statistics = fit_statistics(faces(60), recipe.preprocessing)
    return build_network(recipe, image_size=(SIDE, SIDE), classes=3, statistics=statistics), statistics


def test_the_steps_are_those_of_the_preprocessing():
    model, statistics = network(featurewise_center=True, zca=True, zca_epsilon=0.01, size=40)
    face = faces(61)[-1]
    steps = preprocessing_steps(model, face)
    assert [step.name for step in steps] == ["faces", "rescale", "featurewise", "zca", "resize"]
    np.testing.assert_array_equal(steps[0].image, face)
    centred = face / 255 - statistics.mean[..., 0]
    np.testing.assert_allclose(steps[2].image, centred, atol=1e-5)
    whitened = (centred.reshape(1, -1) @ statistics.whitening).reshape(SIDE, SIDE)
    np.testing.assert_allclose(steps[3].image, whitened, atol=1e-3)
    assert steps[4].image.shape == (40, 40)


def test_three_channels_of_gray_are_no_step_and_unequal_ones_are_averaged():
    model, _ = network("mobilenetv2", rescale="imagenet")
    steps = preprocessing_steps(model, faces(1)[0])
    assert [step.name for step in steps] == ["faces", "imagenet_scaling"]
    np.testing.assert_allclose(steps[1].image, faces(1)[0] / 127.5 - 1, atol=1e-5)


def test_maps_are_those_of_the_network_and_the_liveliest_come_first():
    model, _ = network()
    face = faces(1)[0]
    stages = stage_maps(model, face, count=5)
    assert [stage.maps.shape for stage in stages] == [(5, 16, 16), (5, 8, 8), (5, 4, 4), (5, 2, 2)]
    assert [stage.channels for stage in stages] == [32, 64, 128, 256]
    _, features = logits_model(model, maps=True)(face[None, ..., None], training=False)
    features = keras.ops.convert_to_numpy(features)[0]
    last = stages[-1]
    np.testing.assert_allclose(last.maps, np.moveaxis(features[..., list(last.shown)], -1, 0), atol=1e-5)
    deviations = features.std(axis=(0, 1))
    assert list(deviations[list(last.shown)]) == sorted(deviations, reverse=True)[:5]


def test_filters_are_summed_over_the_channels_that_hold_the_same_gray():
    model, _ = network("mobilenetv2")
    filters = first_filters(model)
    kernel = keras.ops.convert_to_numpy(model.get_layer("backbone").get_layer(filters.layer).kernel)
    assert filters.kernels.shape == (32, 3, 3)
    np.testing.assert_allclose(filters.kernels[7], kernel[:, :, :, 7].sum(axis=2), rtol=1e-6)


def test_a_face_of_another_size_is_refused():
    model, _ = network()
    with pytest.raises(NetworkError, match=r"takes faces of shape \(32, 32\). Received: a face of shape \(8, 8\)"):
        stage_maps(model, np.zeros((8, 8), dtype=np.uint8))


def test_neighbours_of_a_ramp_are_one_and_of_noise_are_none():
    ramp = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    assert PreprocessingStep("", ramp).neighbour_correlation == pytest.approx(1)
    noise = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    assert abs(PreprocessingStep("", noise).neighbour_correlation) < 0.06
    assert np.isnan(PreprocessingStep("", np.ones((4, 4), dtype=np.float32)).neighbour_correlation)


def test_they_are_drawn_and_readable():
    model, _ = network(featurewise_center=True, featurewise_std=True)
    face = faces(1)[0]
    drawings = [
        draw_filters(FiltersData("mien_small", first_filters(model))),
        draw_maps(MapsData("mien_small", face, tuple(stage_maps(model, face)))),
        draw_steps(StepsData("mien_small", tuple(preprocessing_steps(model, face)))),
        # A face of one value has no contrast to stretch.
        draw_steps(StepsData("flat", (PreprocessingStep("faces", np.zeros((8, 8), dtype=np.float32)),))),
    ]
    for number, figure in enumerate(drawings):
        assert_readable(figure)
        assert "</svg>" in render_svg(figure, f"picture-{number}")
        assert render_png(figure).startswith(b"\x89PNG")
