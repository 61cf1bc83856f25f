"""mien_small: a compact residual network of our own for gray faces of about 48 by 48 pixels."""

from __future__ import annotations

from collections.abc import Callable

import keras

# Channels, and residual blocks that follow the strided convolution, for each halving of the image. Time goes into
# the early, large maps, so these are narrow; the parameters (and what they can learn) are in the late, small ones.
STAGES = ((32, 1), (64, 1), (128, 2), (256, 0))


def convolution(x: keras.KerasTensor, channels: int, *, name: str, strides: int = 1) -> keras.KerasTensor:
    """A convolution of 3 by 3 without a bias, and its batch normalisation."""
    x = keras.layers.Conv2D(
        channels,
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)


def residual_block(
    x: keras.KerasTensor, *, name: str, last: Callable[..., keras.KerasTensor] | None = None
) -> keras.KerasTensor:
    """Two convolutions whose result is added to what came in (He et al., 2016), without a bottleneck.

    Args:
        x: maps.
        name: what the names of its layers begin with.
        last: a change of the second convolution's result before it is added: a function of maps and `name`.

    Returns:
        Maps of the same shape.
    """
    channels = x.shape[-1]
    y = convolution(x, channels, name=f"{name}_a")
    y = keras.layers.ReLU(name=f"{name}_a_relu")(y)
    y = convolution(y, channels, name=f"{name}_b")
    if last is not None:
        y = last(y, name=name)
    x = keras.layers.Add(name=f"{name}_add")([x, y])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def mien_small(input_shape: tuple[int, int, int]) -> keras.Model:
    """Build the graph without its classifier.

    Plain 3 by 3 convolutions rather than depthwise ones: on a CPU they use the arithmetic units better, and
    the network is small enough to afford them.

    Args:
        input_shape: height, width and channels; the sides at least 32.

    Returns:
        A model from images, float, to maps of shape (N, ceil(height / 16), ceil(width / 16), 256).
    """
    image = x = keras.Input(input_shape)
    for stage, (channels, blocks) in enumerate(STAGES, start=1):
        x = convolution(x, channels, strides=2, name=f"stage{stage}_down")
        x = keras.layers.ReLU(name=f"stage{stage}_down_relu")(x)
        for block in range(1, blocks + 1):
            x = residual_block(x, name=f"stage{stage}_block{block}")
    return keras.Model(image, x, name="mien_small")
