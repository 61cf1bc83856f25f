"""Two networks: one of which facts are stated, and a plain function."""

from mien import Backbone


def tiny(input_shape):
    import keras

    image = x = keras.Input(input_shape)
    for channels in (8, 16):
        x = keras.layers.Conv2D(channels, 3, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
    return keras.Model(image, x)


TINY = Backbone(
    title="TinyNet",
    builder="tiny_nets.nets:tiny",
    minimum_size=16,
    parameters=1464,
    depth=2,
    multiply_adds=32_256,
    norm_layers=2,
    licence="MIT",
    channels=3,
)
