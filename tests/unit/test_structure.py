"""Stages and blocks, found in the graph: sums that must hold for every backbone, and graphs whose blocks are known."""

from __future__ import annotations

import pytest

keras = pytest.importorskip("keras")

from mien.study.backbones import BACKBONES  # noqa: E402
from mien.training.network import build_backbone  # noqa: E402
from mien.training.structure import multiply_adds, network_structure  # noqa: E402

layers = keras.layers

# Multiply-adds of one image, in millions, at the size that the backbone's weights were trained with, less the
# classifier's (features times 1000 classes). As published by the authors, or by torchvision for its own versions.
PUBLISHED = {
    "vgg16": (15_470, 224, 123.6),  # Simonyan & Zisserman (2015), by torchvision; three dense layers
    "vgg19": (19_630, 224, 123.6),
    "resnet50": (3_800, 224, 2.0),  # He et al. (2016), table 1
    "mobilenet": (569, 224, 1.0),  # Howard et al. (2017), table 4
    "efficientnetb0": (386, 224, 1.3),  # torchvision
    "mobilenetv2": (300, 224, 1.3),  # Sandler et al. (2018), table 4
    "mobilenetv3large": (219, 224, 2.5),  # Howard et al. (2019), table 3; two layers behind the pool
    "mobilenetv3small": (56, 224, 1.6),
    "nasnetmobile": (564, 224, 1.1),  # Zoph et al. (2018), table 2
    "densenet121": (2_830, 224, 1.0),  # torchvision
    "convnexttiny": (4_456, 224, 0.8),  # torchvision
    "inceptionv3": (5_713, 299, 2.0),  # torchvision
}


@pytest.fixture(autouse=True)
def _free_memory():
    yield
    keras.backend.clear_session()


def built(name: str, size: int | None = None) -> keras.Model:
    row = BACKBONES[name]
    reason = dict(row.fails_on).get(keras.backend.backend())
    if reason:
        pytest.skip(reason)
    side = size or row.minimum_size
    with keras.StatelessScope():  # in half the time, without values of the weights
        return build_backbone(row, (side, side, row.channels))


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_multiply_adds_are_those_published(name):
    millions, size, classifier = PUBLISHED[name]
    structure = network_structure(built(name, size))
    assert structure.multiply_adds / 1e6 + classifier == pytest.approx(millions, rel=0.02)


def test_multiply_adds_of_one_layer_by_hand():
    image = keras.Input((10, 8, 6))
    by_hand = [
        (layers.Conv2D(5, 3, strides=2, padding="same"), 5 * 4 * 5 * 9 * 6),
        (layers.Conv2D(6, 3, groups=3, padding="valid"), 8 * 6 * 6 * 9 * 2),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), 80 * 12 * 9),
        (layers.SeparableConv2D(7, (1, 3), padding="same"), 80 * (6 * 3 + 6 * 7)),
        (layers.Dense(4), 80 * 6 * 4),
        (layers.BatchNormalization(), 0),
        (layers.MaxPooling2D(), 0),
        (keras.Sequential([layers.Dense(4), layers.Conv2D(2, 1)]), 80 * (6 * 4 + 4 * 2)),
    ]
    for layer, expected in by_hand:
        layer(image)
        assert multiply_adds(layer) == expected


def residual(x, channels: int, strides: int = 1):
    y = layers.Conv2D(channels, 3, strides=strides, padding="same")(x)
    y = layers.Conv2D(channels, 3, padding="same")(layers.ReLU()(layers.BatchNormalization()(y)))
    if strides > 1:
        x = layers.Conv2D(channels, 1, strides=strides)(x)
    return layers.ReLU()(layers.Add()([x, y]))


def test_repeated_blocks_are_folded_and_halving_begins_a_stage():
    image = x = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, padding="same")(x)
    for strides in (1, 1, 1, 2, 1, 1, 1, 1):
        x = residual(x, 8 if x.shape[1] == 32 and strides == 1 else 16, strides)
    structure = network_structure(keras.Model(image, x))
    assert [stage.output for stage in structure.stages] == [(32, 32, 8), (16, 16, 16)]
    first, second = structure.stages
    assert [(block.times, block.paths, block.joins) for block in first.blocks] == [
        (1, (("3×3, 8",),), ()),
        (3, (("3×3, 8", "3×3, 8"),), (("add (with the input)", 1),)),
    ]
    assert [(block.times, block.paths, block.joins) for block in second.blocks] == [
        (1, (("3×3/2, 16", "3×3, 16"), ("1×1/2, 16",)), (("add", 1),)),
        (4, (("3×3, 16", "3×3, 16"),), (("add (with the input)", 1),)),
    ]


def test_a_plain_chain_is_folded_from_its_strided_layer_on():
    image = x = keras.Input((32, 32, 3))
    for strides in (2, 1, 1, 1, 2, 1, 1):
        x = layers.DepthwiseConv2D(3, strides=strides, padding="same")(x)
        x = layers.ReLU()(layers.Conv2D(16, 1)(x))
    structure = network_structure(keras.Model(image, x))
    assert [[(block.times, block.paths[0][0]) for block in stage.blocks] for stage in structure.stages] == [
        [(1, "depthwise 3×3/2"), (3, "depthwise 3×3")],
        [(1, "depthwise 3×3/2"), (2, "depthwise 3×3")],
    ]


def test_channels_that_grow_by_concatenation_fold_too():
    image = x = keras.Input((16, 16, 8))
    for _ in range(5):
        x = layers.Concatenate()([x, layers.Conv2D(4, 3, padding="same")(x)])
    (stage,) = network_structure(keras.Model(image, x)).stages
    (block,) = stage.blocks
    assert (block.times, block.input[2], block.output[2]) == (5, 8, 28)
    assert block.joins == (("concatenate (with the input)", 1),)


def test_a_gate_is_a_step_of_the_branch_that_it_weighs():
    image = keras.Input((16, 16, 8))
    x = layers.DepthwiseConv2D(3, padding="same")(image)
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="relu")(weights))
    x = layers.Conv2D(8, 1)(layers.Multiply()([x, weights]))
    model = keras.Model(image, layers.Add()([image, x]))
    (stage,) = network_structure(model).stages
    (block,) = stage.blocks
    assert block.paths == (("depthwise 3×3", "gate, 2", "1×1, 8"),)
    assert block.joins == (("add (with the input)", 1),)
    assert block.multiply_adds == 256 * (8 * 9 + 64) + 2 * 16


def test_an_inverted_bottleneck_is_not_cut_where_its_maps_shrink():
    image = x = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.ReLU()(layers.Conv2D(24, 1)(x))
    x = layers.Conv2D(8, 1)(layers.DepthwiseConv2D(3, strides=2, padding="same")(x))
    first, second = network_structure(keras.Model(image, x)).stages
    assert [block.paths for block in first.blocks] == [(("3×3, 4",),)]
    assert [block.paths for block in second.blocks] == [(("1×1, 24", "depthwise 3×3/2", "1×1, 8"),)]


def test_a_network_that_never_shrinks_has_one_stage_and_padding_counts_to_what_reads_it():
    image = keras.Input((16, 16, 1))
    x = layers.Conv2D(4, 3)(layers.ZeroPadding2D(1)(image))
    (stage,) = network_structure(keras.Model(image, x)).stages
    assert [block.paths for block in stage.blocks] == [(("3×3, 4",),)]
