"""Faces as bad photos show them: fifteen corruptions in five strengths each, to measure what a model stands.

The corrupted images depend on the images and the seed alone, not on a model, a batch or an order: every model meets the
same ones. Lengths are shares of the side, so that a strength means the same for faces of any size.

Source of the idea, and of the strengths where said: Hendrycks & Dietterich, "Benchmarking neural network robustness to
common corruptions and perturbations", ICLR 2019 (ImageNet-C).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any, Self, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, did_you_mean
from mien.evaluation.comparison import compare
from mien.evaluation.intervals import Estimate
from mien.evaluation.metrics import score
from mien.labels import LabelSet
from mien.predictions import Predictions
from mien.randomness import generator
from mien.seen import gray_hashes, hash_images

STRENGTHS = (1, 2, 3, 4, 5)
# Where the eyes of a face that is cut out lie, from the top, in sides of the image.
_EYES = 0.4

_Image: TypeAlias = NDArray[np.uint8]
_Make: TypeAlias = Callable[[_Image, float, np.random.Generator], Any]


@dataclass(frozen=True)
class Corruption:
    """One way in which a photo of a face is worse than those that models learn from.

    Attributes:
        name: what commands and tables call it.
        does: what it does, in words.
        unit: what `amounts` count.
        amounts: one for each strength, from 1 to 5.
        reason: where the amounts come from.
    """

    name: str
    does: str
    unit: str
    amounts: tuple[float, float, float, float, float]
    reason: str
    _make: _Make


def _blur(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    return cv2.GaussianBlur(image, (0, 0), amount * min(image.shape[:2]), borderType=cv2.BORDER_REPLICATE)


def _noise(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    drawn = rng.normal(0.0, amount * 255, image.shape)
    return cv2.add(image, drawn, dtype=cv2.CV_8U)  # rounds, and stops at 0 and 255


def _jpeg(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    how = [cv2.IMWRITE_JPEG_QUALITY, int(amount)]
    if image.ndim == 2:
        return cv2.imdecode(cv2.imencode(".jpg", image, how)[1], cv2.IMREAD_GRAYSCALE)
    blue_first = np.ascontiguousarray(image[..., ::-1])
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", blue_first, how)[1], cv2.IMREAD_COLOR))[..., ::-1]


def _darkness(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    return cv2.convertScaleAbs(image, alpha=amount)


def _contrast(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    return cv2.convertScaleAbs(image, alpha=amount, beta=(1 - amount) * float(image.mean()))


def _low_resolution(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    height, width = image.shape[:2]
    few = (max(1, round(width * amount)), max(1, round(height * amount)))
    return cv2.resize(
        cv2.resize(image, few, interpolation=cv2.INTER_AREA), (width, height), interpolation=cv2.INTER_LINEAR
    )


def _rotation(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), amount * float(rng.choice([-1, 1])), 1.0)
    return cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _mask(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    height, width = image.shape[:2]
    top = height - max(1, round(height * amount))
    mean = np.atleast_1d(image.mean(axis=(0, 1))).tolist()
    return cv2.rectangle(image.copy(), (0, top), (width - 1, height - 1), mean, cv2.FILLED)


def _shot_noise(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    counted = rng.poisson(image / 255 * amount) * (255 / amount)
    return cv2.convertScaleAbs(counted)


def _salt_and_pepper(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    place = rng.random(image.shape[:2])
    salt = rng.random(image.shape[:2]) < 0.5
    struck = (place < amount) if image.ndim == 2 else (place < amount)[..., np.newaxis]
    return np.where(struck, (salt if image.ndim == 2 else salt[..., np.newaxis]) * np.uint8(255), image)


def _motion_blur(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    length = amount * min(image.shape[:2])
    angle = rng.uniform(0, np.pi)
    # Drawn at eight times its size, so that a line of two pixels has its length and its angle.
    side = 2 * int(length / 2 + 1) + 1
    end = np.array([np.cos(angle), np.sin(angle)]) * length * 4
    middle = (side * 8 - 1) / 2
    first, last = (np.rint(middle + sign * end).astype(int).tolist() for sign in (-1, 1))
    line = cv2.line(np.zeros((side * 8, side * 8), np.float32), first, last, 1.0, thickness=8)
    kernel = cv2.resize(line, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _overexposure(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    return cv2.convertScaleAbs(image, alpha=amount)


def _side_light(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    left = np.linspace(1.0, amount, image.shape[1])
    light = left if rng.random() < 0.5 else left[::-1]
    shape = (1, -1) if image.ndim == 2 else (1, -1, 1)
    return cv2.multiply(image, np.broadcast_to(light.reshape(shape), image.shape).copy(), dtype=cv2.CV_8U)


def _sunglasses(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    height, width = image.shape[:2]
    half = amount * height / 2
    top, bottom = (min(height - 1, round(_EYES * height + sign * half)) for sign in (-1, 1))
    return cv2.rectangle(image.copy(), (0, top), (width - 1, max(top, bottom - 1)), 0, cv2.FILLED)


def _off_centre(image: _Image, amount: float, rng: np.random.Generator) -> Any:
    height, width = image.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    move = np.array([[1, 0, np.cos(angle) * amount * width], [0, 1, np.sin(angle) * amount * height]])
    return cv2.warpAffine(image, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


# A row each; the golden test asks of every one that its strengths grow.
CORRUPTIONS: Mapping[str, Corruption] = {
    row.name: row
    for row in (
        Corruption(
            "blur",
            "out of focus: a Gaussian blur",
            "standard deviation, in sides of the image",
            (0.01, 0.02, 0.03, 0.045, 0.06),
            "from half a pixel of 48, hardly seen, to three, a third of the width of an eye",
            _blur,
        ),
        Corruption(
            "noise",
            "little light: Gaussian noise on every pixel",
            "standard deviation, in the range from black to white",
            (0.08, 0.12, 0.18, 0.26, 0.38),
            "ImageNet-C, gaussian_noise",
            _noise,
        ),
        Corruption(
            "jpeg",
            "compressed by a messenger: JPEG",
            "quality, 0 to 100",
            (25, 18, 15, 10, 7),
            "ImageNet-C, jpeg_compression",
            _jpeg,
        ),
        Corruption(
            "darkness",
            "underexposed: every gray value times a number",
            "what is left of a gray value",
            (0.7, 0.5, 0.35, 0.25, 0.15),
            "about 1, 2, 3, 4 and 6 stops too dark at a display gamma of 2.2",
            _darkness,
        ),
        Corruption(
            "contrast",
            "fog or backlight: gray values drawn towards their mean",
            "what is left of the distance from the mean",
            (0.4, 0.3, 0.2, 0.1, 0.05),
            "ImageNet-C, contrast",
            _contrast,
        ),
        Corruption(
            "low_resolution",
            "a small face: shrunk by area, and enlarged again",
            "side that is left, in sides of the image",
            (2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 6),
            "faces of 32, 24, 16, 12 and 8 pixels, where the image has 48",
            _low_resolution,
        ),
        Corruption(
            "rotation",
            "a leaning head: turned in the plane, to either side",
            "degrees",
            (10, 20, 30, 45, 60),
            "from what aligning by the eyes leaves to a head that lies on a shoulder",
            _rotation,
        ),
        Corruption(
            "mask",
            "a mask or a hand: the lower part of the face covered with its mean gray or colour",
            "height covered, in sides of the image",
            (0.15, 0.25, 0.35, 0.45, 0.55),
            "from the chin, over the mouth (0.35), up to the bridge of the nose, as a medical mask",
            _mask,
        ),
        Corruption(
            "shot_noise",
            "hardly any light: the noise of counted photons",
            "photons of a white pixel",
            (60, 25, 12, 5, 3),
            "ImageNet-C, shot_noise",
            _shot_noise,
        ),
        Corruption(
            "salt_and_pepper",
            "a faulty sensor or transmission: single pixels black or white",
            "share of the pixels",
            (0.03, 0.06, 0.09, 0.17, 0.27),
            "ImageNet-C, impulse_noise",
            _salt_and_pepper,
        ),
        Corruption(
            "motion_blur",
            "a moving head or hand: each pixel drawn out along a line, at any angle",
            "length of the line, in sides of the image",
            (0.04, 0.07, 0.1, 0.15, 0.2),
            "from two pixels of 48 to ten, the width of an eye",
            _motion_blur,
        ),
        Corruption(
            "overexposure",
            "overexposed: every gray value times a number, white where there is no more",
            "times the gray value",
            (1.2, 1.5, 1.9, 2.4, 3),
            "about 0.6, 1.3, 2, 2.8 and 3.5 stops too bright at a display gamma of 2.2",
            _overexposure,
        ),
        Corruption(
            "side_light",
            "light from one side: darker towards the other, evenly",
            "what is left of a gray value at the dark side",
            (0.7, 0.5, 0.3, 0.15, 0.05),
            "from a window in a bright room to a lamp in a dark one",
            _side_light,
        ),
        Corruption(
            "sunglasses",
            "sunglasses: a black bar over the eyes",
            "height covered, in sides of the image",
            (0.06, 0.1, 0.15, 0.2, 0.27),
            "from the pupils alone, over the eyes (0.15), to large glasses that hide the brows",
            _sunglasses,
        ),
        Corruption(
            "off_centre",
            "badly cut out: the face moved in any direction",
            "distance, in sides of the image",
            (0.04, 0.08, 0.12, 0.18, 0.25),
            "from what two face detectors differ by to half of the face's edge outside",
            _off_centre,
        ),
    )
}


def known_corruption(name: str) -> str:
    """The name itself.

    Raises:
        DataError: there is no such corruption.
    """
    if not isinstance(name, str) or name not in CORRUPTIONS:
        raise DataError(f"There is no corruption {name!r}. {did_you_mean(str(name), CORRUPTIONS)}")
    return name


def corrupt(images: NDArray[np.uint8], corruption: str, strength: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Faces as a bad photo shows them.

    >>> corrupt(np.full((1, 4, 4), 200, dtype=np.uint8), "darkness", 2)[0, 0].tolist()
    [100, 100, 100, 100]

    Args:
        images: shape (N, H, W), or (N, H, W, 3) in RGB, uint8: faces that are cut out.
        corruption: a name in `CORRUPTIONS`, such as blur, noise, jpeg or mask.
        strength: 1, hardly seen, to 5.
        seed: what chance in it is derived from, together with the pixels of each image.

    Returns:
        Images of the same shape, uint8. The same image is corrupted in the same way beside any others.

    Raises:
        DataError: there is no such corruption, strength or seed, or the images have another shape or type.
    """
    row = CORRUPTIONS[known_corruption(corruption)]
    if not isinstance(strength, Integral) or strength not in STRENGTHS:
        raise DataError(f"A corruption has the strengths 1 to 5. Received: {strength!r}.")
    if not isinstance(seed, Integral) or seed < 0:
        raise DataError(f"A seed is a whole number from 0 on. Received: {seed!r}.")
    images = np.asarray(images)
    of_faces = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if not of_faces or 0 in images.shape[1:] or images.dtype != np.uint8:
        raise DataError(
            f"Expected images of shape (N, H, W) or (N, H, W, 3), uint8. Received: {images.shape}, {images.dtype}."
        )
    amount = row.amounts[strength - 1]
    made = np.empty_like(images)
    for number, (image, digest) in enumerate(
        zip(images, gray_hashes(images, hash_images(images)).tolist(), strict=True)
    ):
        # One stream for all strengths: a stronger noise is the weaker one, enlarged, and a face leans to one side.
        made[number] = row._make(np.ascontiguousarray(image), amount, generator(seed, "corruption", row.name, digest))
    return made


@dataclass(frozen=True)
class CorruptedScores:
    """How well a model answers for images under one corruption.

    Attributes:
        corruption: its name.
        strength: 1 to 5.
        amount: what that means, in the unit of the row.
        accuracy: share of right labels.
        change: accuracy less that for the same images as they are, -1 to 1, with an interval for paired shares.
        balanced_accuracy: mean recall of the expressions that have images.
        confidence: mean probability of the answers, 0 to 1; above `accuracy` the model is too sure.
        unlike: share of the images that are unlike the faces that the model learned from, 0 to 1; None where it does
            not say.
        told_apart: how often an image is further from those faces under the corruption than another one is as it is,
            0.5 for no better than chance (the area under the ROC curve); None as for `unlike`.
    """

    corruption: str
    strength: int
    amount: float
    accuracy: Estimate
    change: Estimate
    balanced_accuracy: Estimate
    confidence: float
    unlike: float | None = None
    told_apart: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The scores that `to_json` gave."""
        return cls(
            corruption=str(value["corruption"]),
            strength=int(value["strength"]),
            amount=float(value["amount"]),
            accuracy=Estimate.from_json(value["accuracy"]),
            change=Estimate.from_json(value["change"]),
            balanced_accuracy=Estimate.from_json(value["balanced_accuracy"]),
            confidence=float(value["confidence"]),
            unlike=value.get("unlike"),
            told_apart=value.get("told_apart"),
        )

    def row(self) -> dict[str, Any]:
        """The scores as one flat row of a table."""
        figures = {"accuracy": self.accuracy, "change": self.change, "balanced_accuracy": self.balanced_accuracy}
        ends = {
            f"{name}{part}": value
            for name, estimate in figures.items()
            for part, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high))
        }
        return {
            "corruption": self.corruption,
            "strength": self.strength,
            "amount": self.amount,
            "images": self.accuracy.count,
            **ends,
            "confidence": self.confidence,
            "unlike": self.unlike,
            "told_apart": self.told_apart,
        }


def score_corrupted(
    corruption: str,
    strength: int,
    clean: Predictions,
    corrupted: Predictions,
    label_set: LabelSet,
    *,
    distances: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> CorruptedScores:
    """Score a model's answers for corrupted images beside those for the same images as they are.

    Args:
        corruption: a name in `CORRUPTIONS`.
        strength: 1 to 5.
        clean: what it answers for the images as they are.
        corrupted: what it answers for them under the corruption, in the same order.
        label_set: the classes.
        distances: of the images as they are, and under the corruption, from the faces that the model learned from;
            shape (images,) each. None where the model does not say.
    """
    before, after = (part.outputs.argmax(axis=1) == part.labels for part in (clean, corrupted))
    scores = score(corrupted, label_set)
    change = compare(after[np.newaxis], before[np.newaxis], clusters=clean.clusters).difference
    amount = CORRUPTIONS[corruption].amounts[strength - 1]
    unlike = None if distances is None else (float((distances[1] > 1).mean()), told_apart(*distances))
    confidence = float(corrupted.probabilities.max(axis=1).mean())
    figures = (scores.accuracy, change, scores.balanced_accuracy, confidence)
    return CorruptedScores(corruption, strength, amount, *figures, *(unlike or (None, None)))


def told_apart(usual: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """How often one of the others is larger than one of the usual values; equal ones count half.

    The area under the ROC curve (Hanley and McNeil, 1982).

    >>> told_apart(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875

    Args:
        usual: shape (N,), at least one.
        others: shape (M,), at least one.
    """
    ordered = np.sort(usual)
    below, up_to = (np.searchsorted(ordered, others, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(ordered)))
