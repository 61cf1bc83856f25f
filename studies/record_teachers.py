"""The wide networks of record-teachers.toml: residual networks for gray faces of 48 pixels, too large to ship."""

import keras

WIDTHS = (64, 128, 256, 512)


def _convolution(x, channels, strides=1):
    x = keras.layers.Conv2D(
        channels, 3, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal"
    )(x)
    return keras.layers.BatchNormalization(momentum=0.9)(x)


def _block(x, channels, strides):
    y = keras.layers.ReLU()(_convolution(x, channels, strides))
    y = _convolution(y, channels)
    if strides > 1 or x.shape[-1] != channels:
        if strides > 1:
            x = keras.layers.AveragePooling2D(2, padding="same")(x)
        x = keras.layers.Conv2D(channels, 1, use_bias=False, kernel_initializer="he_normal")(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.layers.ReLU()(keras.layers.Add()([x, y]))


def _network(image, x, first_strides):
    for stage, channels in enumerate(WIDTHS):
        x = _block(x, channels, first_strides if stage == 0 else 2)
        x = _block(x, channels, 1)
    return keras.Model(image, x)


def wide(input_shape):
    """A stem of two convolutions at the image's own size."""
    image = keras.Input(input_shape)
    x = keras.layers.ReLU()(_convolution(image, WIDTHS[0] // 2))
    x = keras.layers.ReLU()(_convolution(x, WIDTHS[0]))
    return _network(image, x, 1)


def wide_pooled(input_shape):
    """A stem that looks at seven by seven pixels, and halves the maps at once."""
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(WIDTHS[0], 7, padding="same", use_bias=False, kernel_initializer="he_normal")(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.MaxPooling2D(2, padding="same")(x)
    return _network(image, x, 1)
