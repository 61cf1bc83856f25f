"""Encoded images of a data set as pixels of one size, gray or in colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.channels import (
    IN_COLOUR,
    IN_GRAY,
    Channels,
    has_equal_channels,
    image_in_channels,
    shape_of,
    to_gray,
)
from mien.datasets.spec import OnMismatch
from mien.decoding import DECODING, STRIP_PIXELS
from mien.errors import DataError, ImageError
from mien.images import KEPT_PIXELS, read_image

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bit depth and colour type of a PNG header: 8-bit gray and 8-bit RGB.
_PLAIN_PNG = (b"\x08\x00", b"\x08\x02")
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".heic", ".heif"}
)
# The markers of a JPEG that begin a frame, whose size follows: C0 to CF without those of tables and of arithmetic.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# What OpenCV takes for a pixel of a plain picture: its colours, and what a progressive JPEG keeps.
_PLAIN_BYTES = 9


@dataclass(frozen=True, eq=False, slots=True)
class DecodedImage:
    """One decoded image.

    Attributes:
        pixels: shape (H, W), gray, or (H, W, 3), RGB; uint8.
        notes: what was done to the image on the way, each a short phrase.
        faces: how many faces the photo shows out of which this one was cut; None where nothing was cut.
        size_found: height and width that it had before it was resized; None where it was not.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    faces: int | None = None
    size_found: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width as the data set has them."""
        return self.size_found or (self.pixels.shape[0], self.pixels.shape[1])

    def resized(self, side: int) -> DecodedImage:
        """This image as a square; it remembers the size that it had."""
        if self.pixels.shape[:2] == (side, side):
            return self
        return replace(self, pixels=_resize(self.pixels, side, side), size_found=self.shape)


def decode_image(data: bytes, channels: Channels = "gray") -> DecodedImage:
    """Decode the bytes of an image file, upright, 8 bits, transparency on white.

    Args:
        data: the file's content.
        channels: "gray": colours are turned gray (ITU-R BT.601 luma); "rgb": they are kept. An image whose channels are
            equal is gray, and has one, under both.

    Raises:
        ImageError: not an image, damaged, or cut off; the message is a phrase such as "is cut off".
    """
    pixels = _decode_plain(data)
    notes: list[str] = []
    if pixels is None:
        pixels = _decode_any(data, notes)
    if pixels.ndim == 3:
        pixels = _as_wanted(pixels, channels, notes)
    return DecodedImage(pixels, tuple(notes))


def _decode_plain(data: bytes) -> NDArray[np.uint8] | None:
    """RGB or gray pixels of a complete JPEG or 8-bit PNG without peculiarities, several times faster; else None."""
    if data.startswith(b"\xff\xd8"):
        # Adobe's marker goes with CMYK and with JPEGs that hold RGB; the end marker says that nothing is cut off.
        plain = b"Adobe" not in data and data.endswith(b"\xff\xd9")
    else:
        plain = (
            data.startswith(_PNG_SIGNATURE) and data[24:26] in _PLAIN_PNG and b"tRNS" not in data and _chunks_fit(data)
        )
    pixels_declared = _declared_pixels(data) if plain else None
    if pixels_declared is None or pixels_declared > KEPT_PIXELS:
        return None
    # Here and not above: a data set that the cache holds is looked at in little more time than importing OpenCV takes.
    import cv2

    try:
        with DECODING.take(pixels_declared * _PLAIN_BYTES) if pixels_declared > STRIP_PIXELS else nullcontext():
            decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_ANYCOLOR)
    except cv2.error:
        return None
    if decoded is None:
        return None
    pixels: NDArray[np.uint8] = decoded
    return pixels if pixels.ndim == 2 else pixels[:, :, ::-1]


def _chunks_fit(data: bytes) -> bool:
    """Whether the chunks of a PNG end with IEND where the file does: OpenCV reserves what a chunk claims, unread."""
    place, kind = len(_PNG_SIGNATURE), b""
    while place + 12 <= len(data) and kind != b"IEND":
        kind = data[place + 4 : place + 8]
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return kind == b"IEND" and place == len(data)


def _declared_pixels(data: bytes) -> int | None:
    """How many pixels a JPEG or PNG declares; None where its header cannot be found."""
    if data.startswith(_PNG_SIGNATURE):
        return int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big")
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAME_MARKERS:
            height, width = data[place + 5 : place + 7], data[place + 7 : place + 9]
            return int.from_bytes(height, "big") * int.from_bytes(width, "big")
        if marker == 0xFF:  # a byte of padding
            place += 1
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None


def _decode_any(data: bytes, notes: list[str]) -> NDArray[np.uint8]:
    try:
        image = read_image(data)
    except ImageError as error:
        raise ImageError(str(error).removeprefix("bytes ")) from error
    for note in image.notes:
        if "cut off" in note:
            raise ImageError(f"{note}.")
        notes.append(note)
    return image.pixels


def _as_wanted(rgb: NDArray[np.uint8], channels: Channels, notes: list[str]) -> NDArray[np.uint8]:
    # Many gray data sets are stored with three equal channels: those are gray already, and need no note.
    if has_equal_channels(rgb):
        return np.ascontiguousarray(rgb[:, :, 0])
    if channels == "rgb":
        return np.ascontiguousarray(rgb)
    notes.append(IN_COLOUR)
    return to_gray(rgb)


def stack_images(
    images: Sequence[DecodedImage],
    ids: Sequence[str],
    *,
    name: str,
    size: int | None,
    on_mismatch: OnMismatch,
    channels: Channels = "gray",
) -> tuple[NDArray[np.uint8], list[str]]:
    """Images as one array of one size.

    Args:
        images: the decoded images; at least one.
        ids: their names, for the message.
        name: the data set's name, for the message.
        size: side of the square images wanted, in pixels; None for the most common size among the images.
        on_mismatch: whether images of another size, or of other channels, are converted with a note, or refused.
        channels: what all images shall have.

    Returns:
        Shape (N, H, W), or (N, H, W, 3) for "rgb", uint8, and the notes.

    Raises:
        DataError: an image differs and `on_mismatch` is "refuse".
    """
    sizes = Counter(image.shape for image in images)
    height, width = sizes.most_common(1)[0][0] if size is None else (size, size)
    if on_mismatch == "refuse":
        _refuse_mismatches(images, ids, name, (height, width), channels)
    stacked = np.empty(shape_of(channels, len(images), height, width), dtype=np.uint8)
    for index, image in enumerate(images):
        fits = image.pixels.shape[:2] == (height, width)
        stacked[index] = image_in_channels(image.pixels if fits else _resize(image.pixels, height, width), channels)
    notes = [
        f"{count:,} {'image' if count == 1 else 'images'}: {note}"
        for note, count in Counter(note for image in images for note in image.notes).most_common()
    ]
    gray = sum(image.pixels.ndim == 2 for image in images) if channels == "rgb" else 0
    if gray:
        notes.append(f"{gray:,} of {len(images):,} images are {IN_GRAY}")
    resized = len(images) - sizes[(height, width)]
    if resized:
        others = sorted(shape for shape in sizes if shape != (height, width))
        found = f"{_text(others[0])}" + (f" to {_text(others[-1])}" if len(others) > 1 else "")
        notes.append(f"{resized:,} of {len(images):,} images resized from {found} to {_text((height, width))} pixels")
    return stacked, notes


def _refuse_mismatches(
    images: Sequence[DecodedImage], ids: Sequence[str], name: str, wanted: tuple[int, int], channels: Channels
) -> None:
    colour = [i for i, image in enumerate(images) if IN_COLOUR in image.notes or image.pixels.ndim == 3]
    for what, odd in (
        (f"are not {_text(wanted)} pixels", [i for i, image in enumerate(images) if image.shape != wanted]),
        ("are in colour", colour if channels == "gray" else []),
        ("are gray", sorted(set(range(len(images))) - set(colour)) if channels == "rgb" else []),
    ):
        if odd:
            raise DataError(
                f"{name}: {len(odd):,} of {len(images):,} images {what}. First: {ids[odd[0]]} "
                f"({_text(images[odd[0]].shape)}). Convert them, or read with on_mismatch='resize'."
            )


def _resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    import cv2

    # Area averaging when the image shrinks, so that fine texture does not alias; it would draw blocks when it grows.
    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), dtype=np.uint8)


def _text(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
