"""What a network makes of a face: its first filters, the maps of its stages, and the steps of its preprocessing."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from mien.channels import channels_of_input, image_in_channels, with_channel_axis
from mien.errors import NetworkError
from mien.insides import FirstFilters, PreprocessingStep, StageMaps
from mien.training.network import layer_chain
from mien.training.preprocessing import GrayToRGB
from mien.training.structure import stage_ends, unnested


def first_filters(network: keras.Model) -> FirstFilters:
    """The filters by which a network sees a face first.

    Args:
        network: what `build_network` made.

    Raises:
        NetworkError: no convolution of it looks at more than single pixels.
    """
    layers = [layer for layer in unnested(network.get_layer("backbone")) if type(layer) is keras.layers.Conv2D]
    layer = next((layer for layer in layers if max(layer.kernel_size) > 1), None)
    if layer is None:
        raise NetworkError(f"{network.name} has no convolution over more than single pixels, so no filters to show.")
    kernel = _numpy(layer.kernel)
    return FirstFilters(layer.name, np.moveaxis(kernel.sum(axis=2), -1, 0))


def stage_maps(network: keras.Model, face: NDArray[np.uint8], *, count: int = 8) -> list[StageMaps]:
    """The maps of a face after each stage of the backbone.

    Args:
        network: what `build_network` made.
        face: shape (H, W), or (H, W, 3) in RGB, uint8, of the network's size.
        count: maps of each stage, at most: those with the largest standard deviation over places.

    Raises:
        NetworkError: the face has another size than the network takes.
    """
    body = network.get_layer("backbone")
    stages = keras.Model(body.input, [end.output for end in stage_ends(body)])
    maps = [_numpy(values)[0] for values in keras.tree.flatten(stages(_prepared(network, face)[-1][1], training=False))]
    found = []
    for values in maps:
        deviations = values.std(axis=(0, 1))
        shown = np.argsort(-deviations, kind="stable")[:count]
        found.append(StageMaps(values.shape[-1], tuple(int(c) for c in shown), np.moveaxis(values[..., shown], -1, 0)))
    return found


def preprocessing_steps(network: keras.Model, face: NDArray[np.uint8]) -> list[PreprocessingStep]:
    """A face as it comes, and after each step of the preprocessing; repeating gray three times is no step.

    Args:
        network: what `build_network` made.
        face: shape (H, W), or (H, W, 3) in RGB, uint8, of the network's size.

    Raises:
        NetworkError: the face has another size than the network takes.
    """
    return [
        PreprocessingStep("faces" if layer is None else layer.name, _numpy(values)[0].mean(axis=-1))
        for layer, values in _prepared(network, face)
        if not isinstance(layer, GrayToRGB)
    ]


def _prepared(network: keras.Model, face: NDArray[np.uint8]) -> list[tuple[keras.layers.Layer | None, Any]]:
    """The face (None), then each layer of the preprocessing with what it gives, of shape (1, h, w, channels)."""
    expected = tuple(network.input_shape[1:3])
    if face.shape[:2] != expected:
        raise NetworkError(f"{network.name} takes faces of shape {expected}. Received: a face of shape {face.shape}.")
    channels = channels_of_input(network.input_shape)
    images = with_channel_axis(image_in_channels(face, channels)[np.newaxis])
    values = keras.ops.convert_to_tensor(images.astype(np.float32))
    prepared: list[tuple[keras.layers.Layer | None, Any]] = [(None, values)]
    for layer in layer_chain(network, None, "backbone")[:-1]:
        values = layer(values)
        prepared.append((layer, values))
    return prepared


def _numpy(values: Any) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(values, "float32")), dtype=np.float32)
