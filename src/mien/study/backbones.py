"""The table of backbones. Reading it needs no deep learning framework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mien.errors import NetworkError
from mien.others import OpenTable

SCALINGS = ("signed", "torch", "caffe", "unit", "none")


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One row of the table. Of a network that others bring, title and builder are enough.

    Attributes:
        title: the name that people know it by.
        builder: a function, or "module:function" of one that is imported when the network is built. It takes the shape
            of the input, (height, width, channels), and returns a keras.Model that gives maps (N, h, w, c) or features
            (N, c), without a classifier. A function of keras.applications gets the arguments that it knows.
        minimum_size: least side of the input, in pixels.
        multiply_adds: of convolutions and dense layers, for one image of that size, without a head; None where that is
            not known, as below: then the time of a run cannot be forecast by a formula.
        default_size: side that its ImageNet weights were trained with, in pixels.
        scaling: what its ImageNet weights expect: "signed" (-1..1), "torch" (0..1, then per-channel mean and
            deviation), "caffe" (BGR, per-channel mean off 0..255), "unit" (0..1) or "none" (0..255; the graph scales
            by itself).
        parameters: weights of the backbone without a head, at its own number of input channels.
        depth: layers with a kernel (convolutions and dense layers), counted along the whole graph without head.
        licence: of the code and weights.
        channels: input channels the builder wants: 3, which gray is repeated for; or 1 for as many as the images
            have: 1 in gray, 3 in colour.
        norm_layers: batch normalisation layers; None where that is not known.
        norm_decay: decay of their moving averages, for each step; after n steps the start values weigh decay^n.
        norm_epsilon: what they add to the variance.
        fails_on: Keras backends on which it cannot be built or trained, each with the reason.
    """

    title: str
    builder: str | Callable[..., Any]
    minimum_size: int = 8
    multiply_adds: int | None = None
    default_size: int = 48
    scaling: str = "unit"
    parameters: int | None = None
    depth: int | None = None
    licence: str = "not stated"
    channels: int = 1
    norm_layers: int | None = None
    norm_decay: float = 0.0
    norm_epsilon: float = 0.0
    fails_on: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise NetworkError(f"{self.title}: a backbone takes 1 or 3 channels. Received: channels={self.channels}.")
        if self.scaling not in SCALINGS:
            raise NetworkError(f"{self.title}: scaling is one of {', '.join(SCALINGS)}. Received: {self.scaling!r}.")

    @property
    def has_imagenet_weights(self) -> bool:
        """Whether `weights = "imagenet"` can be asked for (Keras fetches the file once, and keeps it)."""
        return isinstance(self.builder, str) and self.builder.startswith("keras.applications:")


# Parameters, depth, normalisation and multiply-adds are those of `include_top=False`; the contract test recomputes all
# of them from the graph of each row.
BACKBONES: dict[str, Backbone] = {
    "mien_small": Backbone(
        title="mien_small",
        builder="mien.training.mien_small:mien_small",
        minimum_size=32,
        multiply_adds=22_487_040,
        default_size=48,
        scaling="unit",
        parameters=1_074_080,
        depth=12,
        norm_layers=12,
        norm_decay=0.9,
        norm_epsilon=0.001,
        licence="MIT",
        channels=1,
    ),
    "mien_medium": Backbone(
        title="mien_medium",
        builder="mien.training.mien_medium:mien_medium",
        minimum_size=32,
        multiply_adds=57_164_800,
        default_size=48,
        scaling="unit",
        parameters=2_754_736,
        depth=19,
        norm_layers=15,
        norm_decay=0.9,
        norm_epsilon=0.001,
        licence="MIT",
        channels=1,
    ),
    "face_mobilenet": Backbone(
        title="face_mobilenet",
        builder="mien.training.face_mobilenet:face_mobilenet",
        minimum_size=32,
        multiply_adds=11_586_048,
        default_size=224,
        scaling="caffe",
        parameters=3_200_992,
        depth=27,
        norm_layers=0,
        licence="MIT (code); weights: see their file",
        channels=3,
    ),
    "resnet50": Backbone(
        title="ResNet50",
        builder="keras.applications:ResNet50",
        minimum_size=32,
        multiply_adds=78_692_352,
        default_size=224,
        scaling="caffe",
        parameters=23_587_712,
        depth=53,
        norm_layers=53,
        norm_decay=0.99,
        norm_epsilon=1.001e-05,
        licence="MIT",
        channels=3,
    ),
    "resnet101": Backbone(
        title="ResNet101",
        builder="keras.applications:ResNet101",
        minimum_size=32,
        multiply_adds=154_451_968,
        default_size=224,
        scaling="caffe",
        parameters=42_658_176,
        depth=104,
        norm_layers=104,
        norm_decay=0.99,
        norm_epsilon=1.001e-05,
        licence="MIT",
        channels=3,
    ),
    "resnet50v2": Backbone(
        title="ResNet50V2",
        builder="keras.applications:ResNet50V2",
        minimum_size=32,
        multiply_adds=71_024_640,
        default_size=224,
        scaling="signed",
        parameters=23_564_800,
        depth=53,
        norm_layers=49,
        norm_decay=0.99,
        norm_epsilon=1.001e-05,
        licence="MIT",
        channels=3,
    ),
    "resnet101v2": Backbone(
        title="ResNet101V2",
        builder="keras.applications:ResNet101V2",
        minimum_size=32,
        multiply_adds=146_784_256,
        default_size=224,
        scaling="signed",
        parameters=42_626_560,
        depth=104,
        norm_layers=100,
        norm_decay=0.99,
        norm_epsilon=1.001e-05,
        licence="MIT",
        channels=3,
    ),
    "inceptionv3": Backbone(
        title="InceptionV3",
        builder="keras.applications:InceptionV3",
        minimum_size=75,
        multiply_adds=201_477_728,
        default_size=299,
        scaling="signed",
        parameters=21_802_784,
        depth=94,
        norm_layers=94,
        norm_decay=0.99,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "inceptionresnetv2": Backbone(
        title="InceptionResNetV2",
        builder="keras.applications:InceptionResNetV2",
        minimum_size=75,
        multiply_adds=433_287_264,
        default_size=299,
        scaling="signed",
        parameters=54_336_736,
        depth=244,
        norm_layers=204,
        norm_decay=0.99,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "densenet121": Backbone(
        title="DenseNet121",
        builder="keras.applications:DenseNet121",
        minimum_size=32,
        multiply_adds=57_819_136,
        default_size=224,
        scaling="torch",
        parameters=7_037_504,
        depth=120,
        norm_layers=121,
        norm_decay=0.99,
        norm_epsilon=1.001e-05,
        licence="BSD-3-Clause",
        channels=3,
    ),
    "densenet169": Backbone(
        title="DenseNet169",
        builder="keras.applications:DenseNet169",
        minimum_size=32,
        multiply_adds=68_534_272,
        default_size=224,
        scaling="torch",
        parameters=12_642_880,
        depth=168,
        norm_layers=169,
        norm_decay=0.99,
        norm_epsilon=1.001e-05,
        licence="BSD-3-Clause",
        channels=3,
    ),
    "vgg16": Backbone(
        title="VGG16",
        builder="keras.applications:VGG16",
        minimum_size=32,
        multiply_adds=313_196_544,
        default_size=224,
        scaling="caffe",
        parameters=14_714_688,
        depth=13,
        norm_layers=0,
        licence="CC-BY-4.0",
        channels=3,
    ),
    "vgg19": Backbone(
        title="VGG19",
        builder="keras.applications:VGG19",
        minimum_size=32,
        multiply_adds=398_131_200,
        default_size=224,
        scaling="caffe",
        parameters=20_024_384,
        depth=16,
        norm_layers=0,
        licence="CC-BY-4.0",
        channels=3,
    ),
    "nasnetmobile": Backbone(
        title="NASNetMobile",
        builder="keras.applications:NASNetMobile",
        minimum_size=32,
        multiply_adds=11_449_120,
        default_size=224,
        scaling="signed",
        parameters=4_269_716,
        depth=196,
        norm_layers=192,
        norm_decay=0.9997,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
        fails_on=(("torch", "the graph of NASNetMobile cannot be built by Keras on PyTorch"),),
    ),
    "nasnetlarge": Backbone(
        title="NASNetLarge",
        builder="keras.applications:NASNetLarge",
        minimum_size=32,
        multiply_adds=209_615_904,
        default_size=331,
        scaling="signed",
        parameters=84_916_818,
        depth=268,
        norm_layers=264,
        norm_decay=0.9997,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "mobilenet": Backbone(
        title="MobileNet",
        builder="keras.applications:MobileNet",
        minimum_size=32,
        multiply_adds=11_586_048,
        default_size=224,
        scaling="signed",
        parameters=3_228_864,
        depth=27,
        norm_layers=27,
        norm_decay=0.99,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "mobilenetv2": Backbone(
        title="MobileNetV2",
        builder="keras.applications:MobileNetV2",
        minimum_size=32,
        multiply_adds=6_112_128,
        default_size=224,
        scaling="signed",
        parameters=2_257_984,
        depth=52,
        norm_layers=52,
        norm_decay=0.999,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "mobilenetv3small": Backbone(
        title="MobileNetV3Small",
        builder="keras.applications:MobileNetV3Small",
        minimum_size=32,
        multiply_adds=1_569_728,
        default_size=224,
        scaling="none",
        parameters=939_120,
        depth=52,
        norm_layers=34,
        norm_decay=0.999,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "mobilenetv3large": Backbone(
        title="MobileNetV3Large",
        builder="keras.applications:MobileNetV3Large",
        minimum_size=32,
        multiply_adds=5_845_440,
        default_size=224,
        scaling="none",
        parameters=2_996_352,
        depth=62,
        norm_layers=46,
        norm_decay=0.999,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "efficientnetb0": Backbone(
        title="EfficientNetB0",
        builder="keras.applications:EfficientNetB0",
        minimum_size=32,
        multiply_adds=8_462_048,
        default_size=224,
        scaling="torch",
        parameters=4_049_564,
        depth=81,
        norm_layers=49,
        norm_decay=0.99,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "efficientnetb1": Backbone(
        title="EfficientNetB1",
        builder="keras.applications:EfficientNetB1",
        minimum_size=32,
        multiply_adds=12_685_280,
        default_size=240,
        scaling="torch",
        parameters=6_575_232,
        depth=115,
        norm_layers=69,
        norm_decay=0.99,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "efficientnetb2": Backbone(
        title="EfficientNetB2",
        builder="keras.applications:EfficientNetB2",
        minimum_size=32,
        multiply_adds=14_706_416,
        default_size=260,
        scaling="torch",
        parameters=7_768_562,
        depth=115,
        norm_layers=69,
        norm_decay=0.99,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "efficientnetb3": Backbone(
        title="EfficientNetB3",
        builder="keras.applications:EfficientNetB3",
        minimum_size=32,
        multiply_adds=21_437_456,
        default_size=300,
        scaling="torch",
        parameters=10_783_528,
        depth=130,
        norm_layers=78,
        norm_decay=0.99,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "efficientnetv2b0": Backbone(
        title="EfficientNetV2B0",
        builder="keras.applications:EfficientNetV2B0",
        minimum_size=32,
        multiply_adds=15_639_072,
        default_size=224,
        scaling="none",
        parameters=5_919_312,
        depth=91,
        norm_layers=59,
        norm_decay=0.9,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "efficientnetv2b1": Backbone(
        title="EfficientNetV2B1",
        builder="keras.applications:EfficientNetV2B1",
        minimum_size=32,
        multiply_adds=21_879_328,
        default_size=240,
        scaling="none",
        parameters=6_931_124,
        depth=111,
        norm_layers=73,
        norm_decay=0.9,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "efficientnetv2b2": Backbone(
        title="EfficientNetV2B2",
        builder="keras.applications:EfficientNetV2B2",
        minimum_size=32,
        multiply_adds=25_324_656,
        default_size=260,
        scaling="none",
        parameters=8_769_374,
        depth=116,
        norm_layers=76,
        norm_decay=0.9,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "efficientnetv2b3": Backbone(
        title="EfficientNetV2B3",
        builder="keras.applications:EfficientNetV2B3",
        minimum_size=32,
        multiply_adds=35_087_104,
        default_size=300,
        scaling="none",
        parameters=12_930_622,
        depth=136,
        norm_layers=88,
        norm_decay=0.9,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "efficientnetv2s": Backbone(
        title="EfficientNetV2S",
        builder="keras.applications:EfficientNetV2S",
        minimum_size=32,
        multiply_adds=61_725_120,
        default_size=384,
        scaling="none",
        parameters=20_331_360,
        depth=170,
        norm_layers=110,
        norm_decay=0.9,
        norm_epsilon=0.001,
        licence="Apache-2.0",
        channels=3,
    ),
    "convnexttiny": Backbone(
        title="ConvNeXtTiny",
        builder="keras.applications:ConvNeXtTiny",
        minimum_size=32,
        multiply_adds=90_913_536,
        default_size=224,
        scaling="none",
        parameters=27_820_128,
        depth=58,
        norm_layers=0,
        licence="MIT",
        channels=3,
    ),
    "xception": Backbone(
        title="Xception",
        builder="keras.applications:Xception",
        minimum_size=71,
        multiply_adds=551_126_824,
        default_size=299,
        scaling="signed",
        parameters=20_861_480,
        depth=40,
        norm_layers=40,
        norm_decay=0.99,
        norm_epsilon=0.001,
        licence="MIT",
        channels=3,
    ),
}


OTHER_BACKBONES = OpenTable("backbone", "mien.backbones", BACKBONES, NetworkError)


def backbone(name: str) -> Backbone:
    """The row of a backbone.

    Args:
        name: a key of `BACKBONES`: the Keras function's name in lower case, or a network of our own; or what another
            package or a file brings (see `mien.others`).

    Raises:
        NetworkError: there is no such row; the message names the nearest one, and what packages bring.
    """
    if name in BACKBONES:
        OTHER_BACKBONES.refuse_namesake(name)
        return BACKBONES[name]
    row = OTHER_BACKBONES.row(name, Backbone)
    # Of a plain function nothing is known, nor of what is in a record and no longer here.
    return row or Backbone(title=backbone_title(name), builder=partial(_build, name))


def backbone_title(name: str) -> str:
    """The name that people know a backbone by; of one that others bring, its own. Nothing is loaded for it."""
    return BACKBONES[name].title if name in BACKBONES else OTHER_BACKBONES.title(name)


def _build(name: str, shape: tuple[int, int, int]) -> Any:
    return OTHER_BACKBONES.load(name)(shape)


@dataclass(frozen=True)
class Listed:
    """Every backbone that can be named.

    Attributes:
        rows: by name, mien's own first.
        origins: of those that other packages bring, the package with its version.
        refused: names that packages bring and that cannot be used, with the reason.
    """

    rows: dict[str, Backbone]
    origins: dict[str, str]
    refused: dict[str, str]


def list_backbones() -> Listed:
    """Every backbone of mien and of the packages that are installed; these are loaded."""
    rows, origins, refused = dict(BACKBONES), {}, {}
    for name, package in OTHER_BACKBONES.others().items():
        try:
            rows[name] = backbone(name)
            origins[name] = package
        except NetworkError as error:
            refused[name] = str(error)
    return Listed(rows, origins, refused)
