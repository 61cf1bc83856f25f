"""ZCA whitening against two computations of another kind: a singular value decomposition, and scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")
decomposition = pytest.importorskip("sklearn.decomposition")

from mien.study.recipe import PreprocessingSpec  # noqa: E402
from mien.training.preprocessing import fit_statistics  # noqa: E402

SIDE, COUNT = 10, 1500


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Correlated gray images: white noise seen through a 3 by 3 window, brighter below."""
    noise = np.random.default_rng(7).normal(size=(COUNT, SIDE + 2, SIDE + 2))
    windows = sum(noise[:, i : i + SIDE, j : j + SIDE] for i in range(3) for j in range(3))
    light = np.linspace(80, 160, SIDE)[:, None]
    return np.clip(light + 15 * windows, 0, 255).astype(np.uint8)


def whitening_spec(epsilon: float) -> PreprocessingSpec:
    return PreprocessingSpec(rescale="unit", featurewise_center=True, zca=True, zca_epsilon=epsilon, statistics="pixel")


def test_whitening_matrix_equals_one_from_singular_values(images):
    epsilon = 1e-3
    pixels = images.reshape(COUNT, -1) / 255
    _, singular, rows = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
    expected = (rows.T / np.sqrt(singular**2 / COUNT + epsilon)) @ rows
    statistics = fit_statistics(images, whitening_spec(epsilon))
    np.testing.assert_allclose(statistics.whitening, expected, atol=2e-5)
    np.testing.assert_allclose(statistics.mean.ravel(), pixels.mean(axis=0), atol=1e-6)


def test_whitened_images_equal_whitened_principal_components_turned_back(images):
    pixels = images.reshape(COUNT, -1) / 255
    components = decomposition.PCA(whiten=True, svd_solver="full").fit(pixels)
    # scikit-learn divides by N - 1
    expected = components.transform(pixels) @ components.components_ * np.sqrt(COUNT / (COUNT - 1))
    statistics = fit_statistics(images, whitening_spec(1e-12))
    whitened = (pixels - statistics.mean.ravel()) @ statistics.whitening
    np.testing.assert_allclose(whitened, expected, atol=2e-3)


def test_a_whitened_training_set_has_the_identity_as_its_covariance(images):
    statistics = fit_statistics(images, whitening_spec(1e-9))
    whitened = (images.reshape(COUNT, -1) / 255 - statistics.mean.ravel()) @ statistics.whitening
    covariance = np.cov(whitened, rowvar=False, bias=True)
    np.testing.assert_allclose(covariance, np.eye(SIDE * SIDE), atol=1e-3)
