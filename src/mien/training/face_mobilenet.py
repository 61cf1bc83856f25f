"""face_mobilenet: MobileNet v1 whose weights were trained to tell faces apart, with folded batch normalisation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from mien.errors import NetworkError

_CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_STRIDED = (2, 4, 6, 12)

# He et al. (2015) for the nine inputs of a depthwise kernel. Keras' "he_normal" counts all channels as inputs, and the
# maps would fade to nothing over thirteen layers.
_DEPTHWISE_STD = math.sqrt(2 / 9)


@keras.saving.register_keras_serializable(package="mien")
class ChannelScale(keras.layers.Layer):
    """A trainable factor and shift for each channel: a batch normalisation whose statistics have been folded in."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the factor (ones) and the shift (zeros), each of shape (channels,)."""
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        self.shift = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="shift")

    def call(self, inputs: Any) -> Any:
        """Return `inputs * scale + shift`."""
        return inputs * self.scale + self.shift


def face_mobilenet(input_shape: tuple[int, int, int]) -> keras.Model:
    """Build the graph without its classifier: MobileNet v1 (Howard et al., 2017) of width 1.

    Every batch normalisation is a factor and a shift (the bias, after a full convolution), as in the weight file
    of its origin, so that loaded weights give exactly the original function. Untrained, it learns slowly.

    Args:
        input_shape: height, width and 3.

    Returns:
        A model from images (BGR, 0..255, minus the "caffe" means) to maps of shape
        (N, ceil(height / 32), ceil(width / 32), 1024).
    """
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(32, 3, strides=2, padding="same", kernel_initializer="he_normal", name="conv1")(image)
    x = keras.layers.ReLU(6.0, name="conv1_relu")(x)
    for index, channels in enumerate(_CHANNELS, start=1):
        strides = 2 if index in _STRIDED else 1
        x = keras.layers.DepthwiseConv2D(
            3,
            strides=strides,
            padding="same",
            use_bias=False,
            depthwise_initializer=keras.initializers.RandomNormal(stddev=_DEPTHWISE_STD),
            name=f"conv_dw_{index}",
        )(x)
        x = ChannelScale(name=f"conv_dw_{index}_scale")(x)
        x = keras.layers.ReLU(6.0, name=f"conv_dw_{index}_relu")(x)
        # A convolution of 1 by 1 is a matrix product over the channels. Asked for as one, TensorFlow trains it on a
        # CPU more than twice as fast: its gradient of a convolution is slow for small maps.
        x = keras.layers.Dense(channels, kernel_initializer="he_normal", name=f"conv_pw_{index}")(x)
        x = keras.layers.ReLU(6.0, name=f"conv_pw_{index}_relu")(x)
    return keras.Model(image, x, name="face_mobilenet")


def face_identity_tensors() -> dict[str, tuple[str, ...]]:
    """The tensors of a face-identity file that each layer takes, in the order of the layer's weights."""
    tensors: dict[str, tuple[str, ...]] = {"conv1": ("conv1/convolution/merged_input", "conv1_bn/batchnorm_1/sub")}
    for index in range(1, len(_CHANNELS) + 1):
        depthwise, pointwise = f"conv_dw_{index}", f"conv_pw_{index}"
        tensors[depthwise] = (f"{depthwise}/depthwise_kernel",)
        tensors[f"{depthwise}_scale"] = (f"{depthwise}_bn/batchnorm_1/mul", f"{depthwise}_bn/batchnorm_1/sub")
        tensors[pointwise] = (f"{pointwise}/convolution/merged_input", f"{pointwise}_bn/batchnorm_1/sub")
    return tensors


def load_face_identity(model: keras.Model, tensors: dict[str, NDArray[np.float32]], path: Path) -> None:
    """Give a `face_mobilenet` the weights of a face-identity file.

    Args:
        model: what `face_mobilenet` made.
        tensors: the arrays of the file by name; those of other heads are left alone.
        path: where they came from, for messages.

    Raises:
        NetworkError: a tensor is missing, or has another shape; the model is as it was.
    """
    wanted = face_identity_tensors()
    missing = [name for names in wanted.values() for name in names if name not in tensors]
    if missing:
        raise NetworkError(
            f"{path} is not a complete face-identity file for face_mobilenet: {len(missing)} tensors are missing, "
            f"the first is {missing[0]!r}."
        )
    arrays: dict[str, list[NDArray[np.float32]]] = {}
    for layer, names in wanted.items():
        arrays[layer] = []
        for weight, name in zip(model.get_layer(layer).weights, names, strict=True):
            # The file holds the matrix of a 1 by 1 convolution as (1, 1, inputs, outputs).
            pointwise = len(weight.shape) == 2
            expected = (1, 1, *weight.shape) if pointwise else tuple(weight.shape)
            if tensors[name].shape != expected:
                raise NetworkError(f"{path}: tensor {name!r} has shape {tensors[name].shape}. Expected: {expected}.")
            arrays[layer].append(tensors[name][0, 0] if pointwise else tensors[name])
    for layer, weights in arrays.items():
        model.get_layer(layer).set_weights(weights)
