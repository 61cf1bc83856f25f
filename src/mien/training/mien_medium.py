"""mien's larger own backbone: for gray faces of about 48 by 48 pixels, where mien_small has too few parameters."""

from __future__ import annotations

import keras

from mien.training.mien_small import convolution, residual_block

# Channels, residual blocks, and whether channels are weighed, for each size of the maps. The first stage keeps the
# image's own pixels, which at 48 by 48 are few; each stage takes about the same time.
STAGES = ((24, 1, False), (48, 1, False), (96, 1, False), (192, 1, True), (256, 1, True))

# Squeezed channels are so many times fewer.
_SQUEEZED = 8


def _halved(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Maps of half the size: every second pixel of maps that were blurred with 1-2-1 before (Zhang, 2019).

    Two means of two pixels are that blur, and need no weights.
    """
    x = keras.layers.AveragePooling2D(2, strides=1, padding="same", name=f"{name}_blur")(x)
    return keras.layers.AveragePooling2D(2, strides=2, padding="same", name=f"{name}_half")(x)


def _weighed(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Each channel times a factor that depends on the means of all: squeeze and excitation (Hu et al., 2018)."""
    channels = x.shape[-1]
    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    y = keras.layers.Dense(channels // _SQUEEZED, activation="relu", name=f"{name}_reduce")(y)
    y = keras.layers.Dense(channels, activation="sigmoid", name=f"{name}_expand")(y)
    return keras.layers.Multiply(name=f"{name}_excite")([x, y])


def mien_medium(input_shape: tuple[int, int, int]) -> keras.Model:
    """Build the graph without its classifier.

    As mien_small, with a first stage at the image's own size, a blur before each halving, so that a face that is a
    pixel off gives about the same maps, and weighed channels in the last two stages.

    Args:
        input_shape: height, width and channels; the sides at least 32.

    Returns:
        A model from images, float, to maps of shape (N, ceil(height / 16), ceil(width / 16), 256).
    """
    image = x = keras.Input(input_shape)
    for stage, (channels, blocks, weighed) in enumerate(STAGES, start=1):
        if stage > 1:
            x = _halved(x, name=f"stage{stage}")
        x = convolution(x, channels, name=f"stage{stage}_in")
        x = keras.layers.ReLU(name=f"stage{stage}_in_relu")(x)
        for block in range(1, blocks + 1):
            x = residual_block(x, name=f"stage{stage}_block{block}", last=_weighed if weighed else None)
    return keras.Model(image, x, name="mien_medium")
