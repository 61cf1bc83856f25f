"""Which parts of a face speak for a label: class activation maps and occlusion sensitivity.

Both say what the *network* used, not what a face expresses; `deletion_curve` checks whether a map is true to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import BundleError, DataError
from mien.framing import CropRule
from mien.images import Image
from mien.inference.classifier import Classifier
from mien.inference.crops import crop_face, crop_to_photo
from mien.inference.detector import Face
from mien.inference.drawing import canvas_of
from mien.inference.results import FaceResult, PhotoResult
from mien.labels import Label, parse_expression
from mien.wording import count_text

if TYPE_CHECKING:
    from mien.inference.recognizer import Recognizer

# A twelfth of the crop about fits an eye or a corner of the mouth; FER2013's 48 pixels give patches of 8 pixels.
_PATCHES_A_SIDE = 6
_STEPS_A_PATCH = 2
_BATCH = 64
_DELETION_STEPS = 24
_STRONGEST = 0.65  # opacity of the largest value, so that the face is still seen
_FOR = np.array([255, 110, 0], dtype=np.float32)
_AGAINST = np.array([0, 90, 255], dtype=np.float32)


class Method(StrEnum):
    """How a map is made."""

    CAM = "cam"
    OCCLUSION = "occlusion"


@dataclass(frozen=True, eq=False)
class Explanation:
    """A map over a crop: how much each place speaks for a label.

    Attributes:
        expression: the label that is explained.
        method: how the map was made.
        heat: shape (size, size), float64. `OCCLUSION`: how far the label's probability falls when the place is
            covered, -1 to 1. `CAM`: its part in the label's logit, any unit. Negative: it speaks against the label.
    """

    expression: Label
    method: Method
    heat: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"<{self.method.value} map of {self.expression.value}, {' x '.join(map(str, self.heat.shape))}>"


@dataclass(frozen=True, eq=False)
class ExplainedFace:
    """A face of a photo with its map.

    Attributes:
        found: the face and its probabilities.
        crop: what the network saw of it, shape (size, size), or (size, size, 3) in RGB, uint8.
        explanation: the map over the crop.
    """

    found: FaceResult
    crop: NDArray[np.uint8]
    explanation: Explanation

    def __repr__(self) -> str:
        return f"<{self.explanation!r} on {self.found!r}>"


def explain_photo(
    recognizer: Recognizer,
    image: Image,
    *,
    label: str | None = None,
    face: int | None = None,
    method: str | None = None,
) -> list[ExplainedFace]:
    """Make the maps of a photo's faces.

    Args:
        recognizer: finds the faces.
        image: the photo.
        label: the name of the expression to explain; None for the most probable one of each face, however unsure.
        face: the number of the only face to explain, as in `recognize`; None for all.
        method: "cam" or "occlusion"; None for "cam" where the bundle allows it.

    Returns:
        The faces that are large enough for the model, in reading order; at least one.

    Raises:
        DataError: the photo has no such face or none to explain; or the label or method is unknown.
        BundleError: "cam" is asked for and the bundle has none.
    """
    if method is not None and method not in tuple(Method):
        raise DataError(f"Expected method cam or occlusion. Received: {method}.")
    asked = None if label is None else parse_expression(label)
    explained = []
    for found in _chosen_faces(recognizer.recognize(image), face):
        expression = asked or found.most_probable
        if expression is not None:  # None: too small for the model
            crop = crop_face(image, found.face, recognizer.bundle.crop_rule)
            made = explain(recognizer.classifier, crop, expression, None if method is None else Method(method))
            explained.append(ExplainedFace(found, crop, made))
    return explained


def _chosen_faces(result: PhotoResult, number: int | None) -> list[FaceResult]:
    asked = [face for face in result.faces if number in (None, face.face.id)]
    if number is not None and not asked:
        raise DataError(f"{result.photo} has {count_text(len(result.faces), 'face')}. Received: face {number}.")
    if not any(face.probabilities for face in asked):
        raise DataError(f"{result.photo} has no face to explain. {result.reason}".rstrip())
    return asked


def explain(
    classifier: Classifier, crop: NDArray[np.uint8], expression: Label, method: Method | None = None
) -> Explanation:
    """Make a map for a label.

    Args:
        classifier: the model.
        crop: shape (size, size) or (size, size, 3), uint8, as the bundle's crop rule cuts it.
        expression: the label to explain, not only the most probable one.
        method: None for a class activation map where the bundle has one, else occlusion.

    Raises:
        DataError: the model does not know the expression.
        BundleError: a class activation map is asked for and the bundle has none.
    """
    label_set = classifier.bundle.label_set
    if expression not in label_set:
        raise DataError(f"The model knows {', '.join(label_set.expressions)}. Received: {expression}.")
    if method is None:
        method = Method.CAM if classifier.has_features else Method.OCCLUSION
    make = class_activation_map if method is Method.CAM else occlusion_map
    return Explanation(expression, method, make(classifier, crop, expression))


def class_activation_map(classifier: Classifier, crop: NDArray[np.uint8], expression: Label) -> NDArray[np.float64]:
    """The feature maps before the average, weighted as the head weighs them for a label.

    Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016.

    Returns:
        Shape (size, size), float64; enlarged from the network's feature map. But for the head's bias its mean is the
        label's logit.

    Raises:
        BundleError: the bundle's model has no features, or no weights for them.
    """
    weights = classifier.bundle.cam_weights
    if weights is None or not classifier.has_features:
        raise BundleError(
            f"The model {classifier.bundle.name} has no class activation maps: its head is not an average and one "
            "dense layer. Occlusion works for every model."
        )
    features = classifier.features(crop[None])[0].astype(np.float64)
    coarse = features @ weights[:, classifier.bundle.label_set.index(expression)].astype(np.float64)
    return np.asarray(cv2.resize(coarse, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float64)


def occlusion_map(classifier: Classifier, crop: NDArray[np.uint8], expression: Label) -> NDArray[np.float64]:
    """How far a label's probability falls when a patch of the crop is covered with the crop's mean, gray or colour.

    Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.

    Returns:
        Shape (size, size), float64, -1 to 1: at each pixel the mean over the patches that cover it.
    """
    index = classifier.bundle.label_set.index(expression)
    patches = _patches(crop.shape[0])
    covered = np.repeat(crop[None], len(patches), axis=0)
    for picture, (rows, columns) in zip(covered, patches, strict=True):
        picture[rows, columns] = _mean(crop)
    whole = classifier.predict(crop[None])[0, index]
    falls = whole - np.concatenate(
        [classifier.predict(covered[i : i + _BATCH])[:, index] for i in range(0, len(covered), _BATCH)]
    )
    total, count = np.zeros(crop.shape[:2]), np.zeros(crop.shape[:2])
    for fall, (rows, columns) in zip(falls, patches, strict=True):
        total[rows, columns] += fall
        count[rows, columns] += 1
    return total / count


def _mean(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean of a crop's pixels, in whole numbers: one value, or one for each channel."""
    return np.asarray(np.round(crop.mean(axis=(0, 1))))


def deletion_curve(
    classifier: Classifier, crop: NDArray[np.uint8], expression: Label, heat: NDArray[np.floating]
) -> NDArray[np.float64]:
    """A label's probability while the crop's pixels are covered, those with the most heat first.

    A map that is true to the network makes it fall faster than a random order does. Petsiuk, Das and Saenko, "RISE:
    Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.

    Args:
        classifier: the model.
        crop: shape (size, size) or (size, size, 3), uint8.
        expression: the label.
        heat: shape (size, size).

    Returns:
        Shape (25,), float64, 0 to 1: none, 1/24, 2/24, ... and all of the pixels covered with the crop's mean.
    """
    order = np.argsort(-heat, axis=None, kind="stable")
    pictures = np.repeat(crop.reshape(1, heat.size, -1), _DELETION_STEPS + 1, axis=0)
    for step, picture in enumerate(pictures):
        picture[order[: round(step * heat.size / _DELETION_STEPS)]] = _mean(crop)
    index = classifier.bundle.label_set.index(expression)
    return classifier.predict(pictures.reshape(-1, *crop.shape))[:, index]


def draw_explanations(image: Image, parts: Iterable[tuple[Face, Explanation]], rule: CropRule) -> NDArray[np.uint8]:
    """Lay maps over faces, made gray: orange where a place speaks for the label, blue where it speaks against it.

    Args:
        image: the photo.
        parts: faces, in photo pixels, with their maps.
        rule: the rule by which the faces were cut out.

    Returns:
        Shape (H, W, 3), uint8, RGB: a copy of the photo, at the size of `drawing.draw_result`.
    """
    canvas, scale = canvas_of(image)
    picture = np.array(canvas)
    for face, explanation in parts:
        _lay_over(picture, explanation.heat, crop_to_photo(face, rule), scale)
    return picture


def _lay_over(
    picture: NDArray[np.uint8], heat: NDArray[np.float64], to_photo: NDArray[np.float64], scale: float
) -> None:
    # Pixel centres of the crop to those of the photo, and on to those of the picture.
    to_picture = to_photo * scale + np.array([[0, 0, (scale - 1) / 2]] * 2)
    largest = float(np.abs(heat).max()) or 1.0
    height, width = picture.shape[:2]
    spread = cv2.warpAffine((heat / largest).astype(np.float32), to_picture, (width, height), borderValue=0)
    square = cv2.warpAffine(np.ones_like(heat, dtype=np.float32), to_picture, (width, height), borderValue=0) > 0
    # On gray, because the colours of the map would not be told from those of the photo.
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    opacity = np.abs(spread[square])[:, None] * np.float32(_STRONGEST)
    colour = np.where(spread[square][:, None] >= 0, _FOR, _AGAINST)
    picture[square] = gray[square][:, None] * (1 - opacity) + colour * opacity + np.float32(0.5)


def _patches(size: int) -> list[tuple[slice, slice]]:
    side = max(1, size // _PATCHES_A_SIDE)
    step = max(1, side // _STEPS_A_PATCH)
    # Starting outside the crop, so that its border is covered as often as its middle.
    starts = range(step - side, size, step)
    spans = [slice(max(0, start), min(size, start + side)) for start in starts]
    return [(rows, columns) for rows in spans for columns in spans]
