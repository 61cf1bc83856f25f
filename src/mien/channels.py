"""Gray or colour: how many channels images have, and how they become the other. The one place that knows."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, did_you_mean
from mien.picked import Picked

# What images have for each pixel: one value, or red, green and blue (sRGB, in this order).
Channels = Literal["gray", "rgb"]
CHANNELS: tuple[Channels, ...] = get_args(Channels)
IN_COLOUR = "in colour, turned gray"
IN_GRAY = "gray, with three equal channels"

_Pixels = TypeVar("_Pixels", bound=np.generic)


def check_channels(channels: Any) -> Channels:
    """The word for channels that was said.

    Raises:
        DataError: it is none.
    """
    if channels not in CHANNELS:
        hint = " An array in the order of OpenCV has order='bgr'." if channels == "bgr" else ""
        raise DataError(f"channels is 'gray' or 'rgb'. Received: {channels!r}.{hint or ' ' + _near(channels)}")
    return "rgb" if channels == "rgb" else "gray"


def _near(channels: Any) -> str:
    return did_you_mean(str(channels), CHANNELS)


def channels_of(images: NDArray[Any] | Picked[Any]) -> Channels:
    """What images, shape (N, H, W) or (N, H, W, 3), have."""
    return "rgb" if images.ndim == 4 else "gray"


def count_of(channels: Channels) -> int:
    """How many values a pixel has: 1 or 3."""
    return 3 if channels == "rgb" else 1


def channels_of_input(shape: tuple[int | None, ...]) -> Channels:
    """What a network takes, by the shape of its input, (N, H, W, 1) or (N, H, W, 3)."""
    return "rgb" if shape[3] == 3 else "gray"


def shape_of(channels: Channels, *sides: int) -> tuple[int, ...]:
    """The shape of images of these sides: the sides alone in gray, with 3 behind them in colour."""
    return (*sides, 3) if channels == "rgb" else sides


def with_channel_axis(images: NDArray[_Pixels]) -> NDArray[_Pixels]:
    """Images as a network takes them: shape (N, H, W) becomes (N, H, W, 1), and (N, H, W, 3) stays as it is."""
    return images[..., np.newaxis] if images.ndim == 3 else images


def to_gray(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gray of colour, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601 luma): shape (H, W, 3) to (H, W), uint8."""
    import cv2

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def image_in_channels(pixels: NDArray[np.uint8], channels: Channels) -> NDArray[np.uint8]:
    """One image, shape (H, W) or (H, W, 3) in RGB, with these channels: gray is repeated, colour is turned gray."""
    if channels == "gray":
        return to_gray(pixels) if pixels.ndim == 3 else pixels
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)


def images_in_channels(images: NDArray[np.uint8], channels: Channels) -> NDArray[np.uint8]:
    """Images, shape (N, H, W) or (N, H, W, 3) in RGB, with these channels.

    Returns:
        The same array where it has them; else shape (N, H, W) or (N, H, W, 3), uint8.
    """
    if channels_of(images) == channels:
        return images
    converted = np.empty(shape_of(channels, *images.shape[:3]), dtype=np.uint8)
    for image, result in zip(images, converted, strict=True):
        result[...] = image_in_channels(np.asarray(image), channels)
    return converted


def has_equal_channels(rgb: NDArray[np.uint8]) -> bool:
    """Whether all pixels of images, shape (..., 3), are gray."""
    return np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 0], rgb[..., 2])
