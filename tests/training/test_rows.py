"""What an epoch is fed: batch by batch, blended and weighed as the whole would be, and never held as a whole."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mien.randomness import generator  # noqa: E402
from mien.study.recipe import AugmentationSpec, Recipe  # noqa: E402
from mien.training.blending import draw_blend, mix  # noqa: E402
from mien.training.fit import Material, class_weights, epoch_rows, fit, weighed  # noqa: E402
from mien.training.settling import Settler  # noqa: E402

SHARES = (900, 80, 20)


def material(counts: tuple[int, ...] = SHARES, side: int = 4) -> Material:
    rng = np.random.default_rng(0)
    targets = np.eye(len(counts), dtype=np.float32)[np.repeat(np.arange(len(counts)), counts)]
    return Material(rng.integers(0, 256, (len(targets), side, side, 1), dtype=np.uint8), targets)


def loss_shares(train: Material, recipe: Recipe, epochs: int = 20) -> np.ndarray:
    """Each class's share of what the loss sums up, over a few epochs."""
    weights = class_weights(train.targets)
    mass = np.zeros(train.targets.shape[1])
    for epoch in range(1, epochs + 1):
        _, targets, each = epoch_rows(train, recipe, epoch, np.arange(len(train)), weights)(slice(None))
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-5)
        mass += each @ targets
    return mass / mass.sum()


@pytest.mark.parametrize("mixup", [0.0, 0.2, 1.0])
def test_balanced_classes_have_equal_parts_of_the_loss_under_mixup_too(mixup):
    recipe = Recipe(class_weights="balanced", augmentation=AugmentationSpec(mixup=mixup))
    np.testing.assert_allclose(loss_shares(material(), recipe), 1 / 3, atol=0.03)


def test_balanced_classes_have_equal_parts_of_the_loss_of_votes_too():
    rng = np.random.default_rng(1)
    votes = rng.dirichlet((9, 0.8, 0.2), 2000).astype(np.float32)
    train = Material(np.zeros((len(votes), 2, 2, 1), np.uint8), votes)
    np.testing.assert_allclose(loss_shares(train, Recipe(class_weights="balanced"), epochs=1), 1 / 3, atol=1e-4)


def test_a_target_of_one_class_stays_as_it_is_to_the_last_bit():
    targets = material().targets
    weights = class_weights(targets)
    left, each = weighed(targets, weights)
    np.testing.assert_array_equal(left, targets)
    np.testing.assert_array_equal(each, weights[targets.argmax(axis=1)])


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.0, 0.0), (0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_batch_by_batch_gives_what_the_whole_epoch_would(mixup, cutmix):
    train, recipe = material(), Recipe(seed=3, augmentation=AugmentationSpec(mixup=mixup, cutmix=cutmix))
    order = np.random.default_rng(2).permutation(len(train))[:960]
    inputs, targets = train.inputs[order], train.targets[order]
    how = draw_blend(recipe.augmentation, 960, (4, 4), lambda name: generator(3, name, "7"))
    if how is not None:
        inputs, targets = mix(inputs, targets, how)
    rows = epoch_rows(train, recipe, 7, order, None)
    batches = [rows(slice(start, start + 64)) for start in range(0, 960, 64)]
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in batches]), inputs)
    np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), targets)
    assert batches[0][0].dtype == np.uint8
    assert batches[0][1].dtype == np.float32


class Silent:
    def stage(self, text: str) -> None: ...
    def step(self, epoch: int, done: int, total: int) -> None: ...
    def epoch(self, entry: object) -> None: ...


@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_an_epoch_holds_a_batch_and_not_a_copy_of_the_data(tmp_path: Path, mixup):
    train = material((3000, 1500, 1500), side=48)
    recipe = Recipe(batch_size=64, epochs=1, class_weights="balanced", augmentation=AugmentationSpec(mixup=mixup))
    network = keras.Sequential(
        [keras.Input((48, 48, 1)), keras.layers.AveragePooling2D(8), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    network.compile("sgd", "mean_squared_error", metrics=["accuracy"], weighted_metrics=[])
    settler = Settler(network, recipe, train.inputs[:64], train.targets[:64])
    arguments = {"folder": tmp_path, "readouts": (1,), "watch": Silent()}
    tracemalloc.start()
    fit(network, settler, network, recipe, train, Material(train.inputs[:64], train.targets[:64]), **arguments)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < train.inputs.nbytes / 2, f"{peak / 2**20:.1f} MiB"
