"""What decoding a picture costs in memory: known from its header, and shared by all threads.

A file of a few kilobytes can declare a picture of gigabytes. So the bytes that a decoder will take are reckoned from
format, mode and size before anything is decoded, and taken from one budget.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image as pillow

# What all threads together may decode at a time. A single picture that needs more is decoded alone.
BUDGET_BYTES = 1_000_000_000
# What one picture may take, for each pixel of the limit that the user sets: 1 GB at 200 megapixels.
BYTES_PER_ALLOWED_PIXEL = 5
# An encoded picture within a data set, a table or an archive; such a file is read as a whole.
LARGEST_FILE_BYTES = 256 * 2**20
# Pixels that are turned into 8 bits at a time, and the bytes that this takes for each, at most.
STRIP_PIXELS = 1_000_000
_STRIP_BYTES = 24

# Measured with Pillow 13.0 and pillow-heif 1.8 (docs/reliability.md), rounded up.
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
_OTHER_MODES_BYTES = 4
# Beside the pixels of its mode: canvases and planes that the format's decoder keeps.
_DECODER_BYTES = {"WEBP": 12, "AVIF": 12, "HEIF": 8}
# A progressive JPEG is complete only after its last scan: until then all coefficients are kept, two bytes each.
_PROGRESSIVE_BYTES = {"L": 2, "CMYK": 8}
_PROGRESSIVE_COLOUR_BYTES = 6
_TILE_WIDTH, _TILE_HEIGHT, _BITS = 322, 323, 258


def is_jpeg(image: pillow.Image) -> bool:
    """Whether a picture is a JPEG file, which can be decoded at a half, a quarter or an eighth of its sides."""
    return image.format in ("JPEG", "MPO")


def bytes_per_pixel(image: pillow.Image, reduction: int) -> float:
    """What decoding takes for each pixel of a picture that has been opened, but not decoded.

    Args:
        image: the picture; one that was never a file costs nothing more to decode, but is counted alike.
        reduction: photo pixels per pixel kept, along a side.

    Returns:
        Bytes; for a TIFF with tiles or strips larger than itself, as many as these take.
    """
    own = _MODE_BYTES.get(image.mode, _OTHER_MODES_BYTES)
    if is_jpeg(image):
        coefficients = _PROGRESSIVE_BYTES.get(image.mode, _PROGRESSIVE_COLOUR_BYTES)
        return own / reduction**2 + (coefficients if image.info.get("progressive") else 0)
    if image.format == "TIFF":
        return own + max(own, _tile_bytes(image) / max(1, image.width * image.height))
    return own + _DECODER_BYTES.get(image.format or "", 0)


def allowed_pixels(image: pillow.Image, reduction: int, max_pixels: int) -> int:
    """How many pixels a picture of this format and mode may have: fewer than `max_pixels` where each takes much."""
    return int(max_pixels * min(1.0, BYTES_PER_ALLOWED_PIXEL / bytes_per_pixel(image, reduction)))


def decoding_bytes(image: pillow.Image, reduction: int) -> int:
    """What it takes to decode a picture and turn it into 8-bit pixels at 1/reduction of its size, in bytes."""
    pixels = image.width * image.height
    kept = pixels // reduction**2 * (3 if image.mode in ("1", "L", "P", "LA", "La") else 5)
    return int(pixels * bytes_per_pixel(image, reduction)) + kept + min(pixels, STRIP_PIXELS) * _STRIP_BYTES


def _tile_bytes(image: pillow.Image) -> int:
    """What one tile of a TIFF takes. It is decoded whole, however small the picture is."""
    tags = getattr(image, "tag_v2", {})
    try:
        sides = int(tags.get(_TILE_WIDTH, 0)) * int(tags.get(_TILE_HEIGHT, 0))
        return sides * sum(map(int, tags.get(_BITS, (8,)))) // 8
    except (TypeError, ValueError):  # a damaged tag; the decoder will say so
        return 0


class Budget:
    """Bytes that several threads share. First come, first served, so that a large picture gets its turn.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken = 0
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextmanager
    def take(self, amount: int) -> Iterator[None]:
        """Hold `amount` bytes while the block runs, after waiting until they are free; more than all there is, alone.

        A block may not take again: two that wait for each other would never end.
        """
        amount = min(amount, self.size)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._taken + amount <= self.size)
            self._taken += amount
        try:
            yield
        finally:
            with self._changed:
                self._taken -= amount
                self._changed.notify_all()


DECODING = Budget(BUDGET_BYTES)
