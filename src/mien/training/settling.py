"""Averages of batch normalisation that have settled: mean and variance estimated afresh before an evaluation.

A batch normalisation layer trains with the mean and variance of each batch and is evaluated with moving averages of
them. After n steps at decay d the start values (mean 0, variance 1) still weigh d^n, and what is gathered belongs to
weights of long ago: 0.9997 in NASNet keeps 93 % of the start after 237 steps. An evaluation then tells of the averages,
not of the network. Estimating them afresh from training images with the weights as they are is what Izmailov et al.
(2018, section 3.4) do for averaged weights; nothing of the training changes by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from mien.picked import Picked
from mien.randomness import generator
from mien.study.recipe import Recipe
from mien.training.backend import compiled
from mien.training.blending import draw_blend, mix
from mien.training.structure import unnested

# Training images that the averages are taken over, at most.
IMAGES = 2048


def norm_layers(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The batch normalisation layers of a network that gather averages: trainable ones, nested or not."""
    return [
        layer for layer in unnested(network) if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


class Settler:
    """Puts settled averages into a network for the length of an evaluation.

    Args:
        network: what `build_network` made, before any checkpoint is loaded into it: its random streams are those of
            the seed.
        recipe: resolved; its seed, batch size and augmentation are used.
        images: shape (N, H, W, C), uint8: the training role.
        targets: shape (N, K), float32; only mixup and CutMix need them.
    """

    def __init__(
        self,
        network: keras.Model,
        recipe: Recipe,
        images: NDArray[np.uint8] | Picked[np.uint8],
        targets: NDArray[np.float32],
    ) -> None:
        self.network = network
        self.layers = norm_layers(network)
        self._averages = [average for layer in self.layers for average in (layer.moving_mean, layer.moving_variance)]
        places = {variable.path: i for i, variable in enumerate(network.non_trainable_variables)}
        self._places = [places[average.path] for average in self._averages]
        self._recipe = recipe
        # The same images in the same order with the same random changes at every epoch: only the weights differ.
        self._streams = [keras.ops.convert_to_numpy(v) for v in network.non_trainable_variables]
        self._batches = _batches(recipe, images, targets) if self.layers else []
        self._step = compiled(self._updated)

    @property
    def active(self) -> bool:
        """Whether there are averages to settle."""
        return bool(self.layers)

    def estimate(self) -> list[NDArray[np.float32]]:
        """Mean and variance of each layer in turn: the mean over the batches of each batch's own, float32."""
        network = self.network
        trainable = [variable.value for variable in network.trainable_variables]
        # Frozen layers' averages and fitted preprocessing as they are now; random streams as they were at the start.
        state = [
            keras.ops.convert_to_tensor(start) if "seed_generator" in variable.path else variable.value
            for variable, start in zip(network.non_trainable_variables, self._streams, strict=True)
        ]
        sums = [np.zeros(average.shape, dtype=np.float64) for average in self._averages]
        for images in self._batches:
            state = self._step(trainable, state, images)
            for total, place in zip(sums, self._places, strict=True):
                total += keras.ops.convert_to_numpy(state[place])
        return [(total / len(self._batches)).astype(np.float32) for total in sums]

    def averages(self) -> list[NDArray[np.float32]]:
        """Mean and variance of each layer in turn, as they stand in the network now."""
        return [keras.ops.convert_to_numpy(average).copy() for average in self._averages]

    def put(self, values: list[NDArray[np.float32]]) -> None:
        """Put averages into the network, in the order in which `averages` gives them."""
        for average, value in zip(self._averages, values, strict=True):
            average.assign(value)

    def _updated(self, trainable: list[Any], state: list[Any], images: Any) -> list[Any]:
        """The network's non-trainable variables after one batch, with the batch's own statistics as averages."""
        with _without_memory(self.layers):
            _, updated = self.network.stateless_call(trainable, state, images, training=True)
        return list(updated)


@contextmanager
def _without_memory(layers: list[keras.layers.BatchNormalization]) -> Iterator[None]:
    """Layers whose moving averages are those of the last batch alone, while a graph is traced."""
    decays = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, decay in zip(layers, decays, strict=True):
            layer.momentum = decay


def _batches(
    recipe: Recipe, images: NDArray[np.uint8] | Picked[np.uint8], targets: NDArray[np.float32]
) -> list[NDArray[np.uint8]]:
    """Whole batches of training images, as the recipe's training meets them."""
    size = min(recipe.batch_size, len(images))
    count = max(1, min(IMAGES, len(images)) // size)
    order = generator(recipe.seed, "settling").permutation(len(images))[: count * size]
    chosen = images[order]
    height, width = images.shape[1:3]
    how = draw_blend(
        recipe.augmentation, len(order), (height, width), lambda name: generator(recipe.seed, "settling", name)
    )
    if how is not None:
        chosen, _ = mix(chosen, targets[order], how)
    return [chosen[start : start + size] for start in range(0, len(chosen), size)]
