"""Results drawn on a copy of the photo: a frame and a few words at each face."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.files import written_whole
from mien.images import Image
from mien.inference.detector import Box
from mien.inference.results import FaceResult, Outcome, PhotoResult, describe

if TYPE_CHECKING:
    from PIL import Image as pillow
    from PIL import ImageDraw, ImageFont

LARGEST_SIDE = 2048
SMALLEST_SIDE = 768
_LEAST_FONT_PX = 12
_LARGEST_FONT_PX = 40
_PAPER = (255, 255, 255)
_INK = (20, 20, 20)
# Okabe and Ito's palette, which people with colour-blind vision can tell apart; the words say the same.
_COLOURS = {
    Outcome.OK: (0, 158, 115),
    Outcome.MIXED: (86, 180, 233),
    Outcome.UNSURE: (230, 159, 0),
    Outcome.TOO_SMALL: (150, 150, 150),
}


def draw_result(image: Image, result: PhotoResult) -> NDArray[np.uint8]:
    """Draw the faces of a photo and what was said of them.

    Args:
        image: the photo that the result is about.
        result: what `Recognizer.recognize` gave for it.

    Returns:
        Shape (H, W, 3), uint8, RGB: a copy, made smaller or larger until its longest side lies between
        `SMALLEST_SIDE` and `LARGEST_SIDE`.
    """
    canvas, scale = canvas_of(image)
    draw_faces(canvas, result.faces, scale)
    return np.asarray(canvas)


def canvas_of(image: Image) -> tuple[pillow.Image, float]:
    """A copy of a photo to draw on, and its pixels per photo pixel."""
    from PIL import Image as pillow

    canvas = pillow.fromarray(image.rgb)
    longest = max(canvas.size)
    factor = min(LARGEST_SIDE, max(SMALLEST_SIDE, longest)) / longest
    size = (max(1, round(canvas.width * factor)), max(1, round(canvas.height * factor)))
    if size != canvas.size:
        canvas = canvas.resize(size, pillow.Resampling.LANCZOS)
    return canvas, factor / image.reduction


def draw_faces(canvas: pillow.Image, faces: Iterable[FaceResult], scale: float) -> None:
    """Draw frames and words onto a canvas.

    Args:
        canvas: an RGB picture, changed in place.
        faces: with boxes in photo pixels.
        scale: canvas pixels per photo pixel.
    """
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas)
    faces = list(faces)
    boxes = [Box(*(value * scale for value in face.face.box)) for face in faces]
    width = max(2, round(max(canvas.size) / 500))
    for face, box in zip(faces, boxes, strict=True):
        left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
        # A light frame around a coloured one is seen on dark and on light photos.
        draw.rectangle((left - width, top - width, right + width, bottom + width), outline=_PAPER, width=width)
        draw.rectangle((left, top, right, bottom), outline=_COLOURS[face.outcome], width=width)
    occupied = list(boxes)
    for face, box in zip(faces, boxes, strict=True):
        occupied.append(_draw_words(draw, canvas.size, face, box, width, occupied))


def save_drawing(drawing: NDArray[np.uint8], path: Path) -> None:
    """Write a drawing as JPEG or PNG, by the path's ending. Nothing of the photo's own metadata goes with it."""
    from PIL import Image as pillow

    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        pillow.fromarray(drawing).save(file, format="PNG" if path.suffix.lower() == ".png" else "JPEG", quality=90)


def png_of(drawing: NDArray[np.uint8]) -> bytes:
    """A drawing as the bytes of a PNG file."""
    from PIL import Image as pillow

    file = io.BytesIO()
    pillow.fromarray(drawing).save(file, format="PNG")
    return file.getvalue()


def _draw_words(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], face: FaceResult, box: Box, width: int, occupied: Sequence[Box]
) -> Box:
    """Write a face's words where they cover least of the faces and words that are there; returns their place."""
    words = f"{face.face.id}  {describe(face)}"
    font = _font(max(_LEAST_FONT_PX, min(_LARGEST_FONT_PX, box.width / 6)))
    text = draw.textbbox((0, 0), words, font=font)
    margin = width + 1
    plate_width, plate_height = text[2] + 2 * margin + width, text[3] + 2 * margin
    columns = (box.x - width, box.x + box.width + width - plate_width)
    rows = (box.y - width - plate_height, box.y + box.height + width, box.y + width)
    places = [
        Box(_inside(x, plate_width, size[0]), _inside(y, plate_height, size[1]), plate_width, plate_height)
        for y in rows
        for x in columns
    ]
    place = min(places, key=lambda place: sum(place.shared_area(other) for other in occupied))
    left, top = place.x, place.y
    draw.rectangle((left, top, left + plate_width, top + plate_height), fill=_PAPER)
    draw.rectangle((left, top, left + width, top + plate_height), fill=_COLOURS[face.outcome])
    draw.text((left + margin + width, top + margin), words, fill=_INK, font=font)
    return place


def _inside(start: float, length: float, whole: int) -> float:
    return max(0.0, min(start, whole - length))


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
