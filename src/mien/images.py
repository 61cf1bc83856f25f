"""A photo in any form that people have, as upright 8-bit pixels. The only reader of photos."""

from __future__ import annotations

import io
import os
import re
import string
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import UnidentifiedImageError

from mien.addresses import Address
from mien.decoding import DECODING, STRIP_PIXELS, allowed_pixels, decoding_bytes, is_jpeg
from mien.errors import ArgumentError, ImageError

MAX_PIXELS = 200_000_000
# A larger photo is kept at a half, a quarter or an eighth: faces that matter have detail to spare there, and a
# 68-megapixel photo is read in the memory of a 17-megapixel one.
KEPT_PIXELS = 24_000_000
# OpenCV cannot warp pixels from beyond 32,766 columns or rows.
_KEPT_SIDE = 32_000
# Only these: Pillow also opens vector, film and scientific formats, some through helper programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "PPM", "WEBP", "AVIF", "TIFF")
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_LARGEST_VALUE = 1e30  # their differences still are numbers of four bytes
_LEAST_READABLE_PART = 0.5
_ORIENTATION_TAG = 0x0112

# Pillow's size limit and Python's warning filters belong to the whole process: they are changed only under this
# lock, for the moment in which headers are read. Decoding, which takes the time, runs outside it.
_HEADER_LOCK = threading.Lock()


@dataclass(frozen=True, eq=False)
class Image:
    """A photo's pixels, upright.

    Attributes:
        pixels: shape (H, W, 3), uint8, RGB; or (H, W), uint8, for a gray photo.
        name: the file's path, or what the photo was given as ("array", "bytes", "image").
        notes: what was done to the photo on the way, each a short phrase for the user.
        reduction: photo pixels per pixel of `pixels` along a side: 1, or 2, 4, 8 for a photo too large to be kept
            whole, or asked for no larger.
        finest: the least `reduction` at which this photo can be read.
        photo_size: width and height of the upright photo, in photo pixels.
    """

    pixels: NDArray[np.uint8]
    name: str
    notes: tuple[str, ...]
    reduction: int
    photo_size: tuple[int, int]
    finest: int = 1

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The pixels with three channels, shape (H, W, 3)."""
        return self.pixels if self.pixels.ndim == 3 else np.repeat(self.pixels[:, :, None], 3, axis=2)


# The bits of a pixel that cameras and converters give, of arrays whose numbers have room for more.
DEPTHS = (8, 10, 12, 14, 16)


def depth_of(largest: float) -> int:
    """The bits of whole numbers from 0 to at most 65,535: the fewest of `DEPTHS` that hold the largest of them.

    >>> depth_of(255), depth_of(4000), depth_of(60_000)
    (8, 12, 16)
    """
    return next(bits for bits in DEPTHS if largest < 2**bits)


# No text, so that what reads a function's types from outside can follow it.
PhotoSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Address | NDArray[Any] | pillow.Image | Image


def read_image(
    source: PhotoSource, *, max_pixels: int = MAX_PIXELS, least_pixels: int | None = None, name: str | None = None
) -> Image:
    """Read a photo: turned upright by its EXIF tag, 8 bits, RGB or gray, the first frame, transparency on white.

    A JPEG file that is cut off is read as far as it goes when at least half of its rows are there.

    Args:
        source: a path; the bytes of a file; a file object, open in binary mode, which is read from where it stands; a
            Pillow image; or an array of shape (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, as uint8, other whole
            numbers of 8, 10, 12, 14 or 16 bits (as many as the largest needs), or floating-point numbers in 0..1. An
            `Image` is returned as it is.
        max_pixels: a photo with more pixels is refused before it is decoded. It holds for what is decoded in at most
            5 bytes a pixel; other formats may have fewer (a WebP, at 16 bytes a pixel, 5/16 of it).
        name: what the bytes of a file are called in the result and in errors; None for "bytes".
        least_pixels: a JPEG is decoded at a half, a quarter or an eighth of its sides, which takes less time and
            memory, when at least so many pixels are left; None for the whole photo.

    Raises:
        ImageError: no such file, not a picture, damaged, or over the limit.
        TypeError: the source is of another type.
    """
    source, name = kept(source, name)
    if isinstance(source, Image):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, bytes):
        return _from_file(io.BytesIO(source), name or "bytes", max_pixels, least_pixels)
    if isinstance(source, (str, Path)):
        path = Path(source)
        try:
            if not path.exists():
                raise ImageError(_why_no_file(str(source)))
            if not path.is_file():
                raise ImageError(f"{path} is not a file. Expected: one picture.")
            with path.open("rb") as file:
                return _from_file(file, str(source), max_pixels, least_pixels)
        except (OSError, ValueError) as error:
            if looks_encoded(str(source)):
                raise ImageError(_why_no_file(str(source))) from error
            raise ImageError(f"{shown(str(source))} cannot be opened: {_reason(error)}") from error
    if isinstance(source, pillow.Image):
        return _from_pillow(source, "image", max_pixels, [])
    hint = " Several photos: Recognizer().recognize_many(photos)." if isinstance(source, (list, tuple, set)) else ""
    raise ArgumentError(
        "A photo is a path, the bytes of a file, an open file, an array or a Pillow image. "
        f"Received: {type(source).__name__}.{hint}"
    )


def kept(source: PhotoSource, name: str | None = None) -> tuple[PhotoSource, str | None]:
    """A source that can be read more than once, and what it is called: of a file object its content, which is read now.

    Args:
        source: as for `read_image`. What stands for a path, such as an `os.DirEntry`, becomes the path.
        name: what it is called; None for its own name.

    Raises:
        ImageError: a file object or an address cannot be read.
        TypeError: a file object is open in text mode.
    """
    if isinstance(source, os.PathLike) and not isinstance(source, Path):
        return Path(source), name
    read = getattr(source, "read", None)
    if isinstance(source, (Image, pillow.Image)) or not callable(read):
        return source, name
    name = name or str(getattr(source, "name", "file"))
    try:
        content = None if isinstance(source, io.TextIOBase) else read()
    except (OSError, ValueError) as error:  # the latter of one that is closed
        raise ImageError(f"{shown(name)} cannot be read: {_reason(error)}") from error
    if not isinstance(content, bytes):
        raise ArgumentError("A photo is read from a file that is open in binary mode. Received: one in text mode.")
    return content, name


# More of a name is no name: a photo that was given as text has millions of letters.
_LONGEST_SHOWN = 80
_LEAST_ENCODED = 200


def shown(name: str) -> str:
    """A name as messages and tables show it: cut where it is too long for one.

    >>> shown("a.jpg"), len(shown("x" * 5000))
    ('a.jpg', 80)
    """
    return name if len(name) <= _LONGEST_SHOWN else f"{name[: _LONGEST_SHOWN - 1]}…"


def looks_encoded(text: str) -> bool:
    """Whether a text is a photo's bytes written in letters (base64), and no path."""
    letters = set(text[:2000])
    return text.startswith("data:image/") or (
        len(text) >= _LEAST_ENCODED and letters <= set(string.ascii_letters + string.digits + "+/=-_")
    )


def _why_no_file(text: str) -> str:
    if re.match(r"(?i)https?:/", text):
        return (
            f"{shown(text)} is a web address, and mien loads nothing from the web. Save the photo, and name the file."
        )
    if looks_encoded(text):
        return (
            f"{shown(text[:24])}… is a photo's content written as text (base64), not a path. Decode it and give the "
            "bytes: base64.b64decode(text)."
        )
    return f"There is no file {shown(text)}."


def _from_file(file: BinaryIO, name: str, max_pixels: int, least_pixels: int | None) -> Image:
    notes: list[str] = []
    head = file.read(32)
    if not head:
        raise ImageError(f"{name} is empty (0 bytes).")
    file.seek(0)
    try:
        image = _open(file, head, notes)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not a picture that mien can read. Expected: JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP or TIFF."
        ) from error
    except ImportError as error:
        raise ImageError(
            f"{name} is a HEIC picture, and the reader for it is not installed: pip install 'mien[heic]'"
        ) from error
    except Exception as error:
        # A damaged header makes Pillow's format plug-ins raise nearly anything (struct.error, KeyError, ...).
        raise ImageError(f"{name} has a damaged header: {_reason(error)}") from error
    with image:
        return _from_pillow(image, name, max_pixels, notes, file, least_pixels)


def _open(file: BinaryIO, head: bytes, notes: list[str]) -> pillow.Image:
    with _quiet(notes):
        try:
            return pillow.open(file, formats=FORMATS)
        except UnidentifiedImageError:
            if head[4:8] != b"ftyp" or head[8:12] not in _HEIC_BRANDS:
                raise
            import pillow_heif

            pillow_heif.register_heif_opener()
            file.seek(0)
            return pillow.open(file, formats=("HEIF",))


def _from_pillow(
    image: pillow.Image,
    name: str,
    max_pixels: int,
    notes: list[str],
    file: BinaryIO | None = None,
    least_pixels: int | None = None,
) -> Image:
    width, height = image.size
    if not (width and height):
        raise ImageError(f"{name} has no pixels ({width} x {height}).")
    finest = reduction = _reduction(width, height, name)
    limit = allowed_pixels(image, finest, max_pixels)
    if width * height > limit:
        form = "" if limit == max_pixels else f" for such a {image.format} picture"
        raise ImageError(
            f"{name} has {width} x {height} pixels, which is more than the limit of {limit / 1e6:.3g} megapixels{form}."
            " Raise it (max_pixels, or --max-megapixels) if the photo can be trusted."
        )
    if least_pixels is not None and file is not None and is_jpeg(image):
        reduction = max(finest, *(f for f in (1, 2, 4, 8) if (width // f) * (height // f) >= least_pixels or f == 1))
    frames = _frame_count(image, notes)
    if frames > 1:
        notes.append(f"frame {image.tell() + 1} of {frames}")
    try:
        with DECODING.take(decoding_bytes(image, reduction)):
            image = _decode(image, name, (width // reduction, height // reduction), notes, file)
            orientation = _orientation(image, notes)
            drafted = max(1, round(width / image.width))  # what the JPEG decoder has already done of the reduction
            pixels = _eight_bits(image, max(1, reduction // drafted), notes)
            if file is not None:
                image.close()  # the decoded pixels go before another picture takes their room
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name} needs more memory than there is ({width} x {height} pixels).") from error
    except Exception as error:
        raise ImageError(f"{name} is damaged: {_reason(error)}") from error
    if orientation > 1:
        pixels = upright(pixels, orientation)
        notes.append(f"EXIF rotation {orientation} applied")
    if finest > 1:
        notes.append(f"kept at 1/{finest} of its size")
    size = (height, width) if orientation >= 5 else (width, height)
    return Image(pixels, name, tuple(dict.fromkeys(notes)), reduction, size, finest)


def _decode(
    image: pillow.Image, name: str, wanted: tuple[int, int], notes: list[str], file: BinaryIO | None
) -> pillow.Image:
    """Decode the first frame; of a JPEG at least the `wanted` width and height, of others all pixels."""
    if file is None or not is_jpeg(image):
        with _quiet(notes) if image.format == "TIFF" else nullcontext():  # TIFF tags are parsed again, with warnings
            image.load()
        return image
    image.draft(image.mode, wanted)
    try:
        image.load()
        return image
    except OSError as error:
        if "truncated" not in str(error):
            raise
        return _decode_cut_off(file, name, wanted, notes)


def _decode_cut_off(file: BinaryIO, name: str, wanted: tuple[int, int], notes: list[str]) -> pillow.Image:
    """Decode a cut-off JPEG by ending it properly: the decoder then fills what is missing with middle gray."""
    file.seek(0)
    with _quiet(notes):
        image = pillow.open(io.BytesIO(file.read() + b"\xff\xd9"), formats=("JPEG",))
    image.draft(image.mode, wanted)
    image.load()
    content = (np.asarray(image.convert("L")) != 128).any(axis=1)
    part = (int(np.flatnonzero(content)[-1]) + 1) / len(content) if content.any() else 0.0
    if part < _LEAST_READABLE_PART:
        raise ImageError(f"{name} is cut off: only {part:.0%} of its rows can be read.")
    notes.append("the file is cut off" + (f"; the last {1 - part:.0%} of its rows are missing" if part < 1 else ""))
    return image


def _eight_bits(image: pillow.Image, reduction: int, notes: list[str]) -> NDArray[np.uint8]:
    """8-bit gray or RGB pixels at 1/reduction of the size, strip by strip, so that no second full copy is made."""
    if image.mode.startswith(("I", "F")):
        # Copies, since a view would keep its whole strip.
        picked = [np.asarray(strip)[::reduction, ::reduction].copy() for _, strip in _strips(image, reduction)]
        values = picked[0] if len(picked) == 1 else np.concatenate(picked)
        return _scaled_to_eight_bits(values, notes, of_file=True)
    transparent = image.has_transparency_data
    gray = image.mode in ("L", "LA", "1", "La")
    shape = (-(-image.height // reduction), -(-image.width // reduction))
    pixels = np.empty(shape if gray else (*shape, 3), dtype=np.uint8)
    for top, strip in _strips(image, reduction):
        if transparent:
            strip = _on_white(strip, gray, notes)
        if strip.mode != (mode := "L" if gray else "RGB"):  # converting to the same mode would copy
            strip = strip.convert(mode)
        part = np.asarray(strip.reduce(reduction) if reduction > 1 else strip)
        if len(part) == len(pixels):
            return part
        pixels[top // reduction :][: len(part)] = part
    return pixels


def _strips(image: pillow.Image, reduction: int) -> Iterator[tuple[int, pillow.Image]]:
    """Parts of an image from top to bottom, each with its first row; of whole steps of the reduction."""
    rows = max(1, STRIP_PIXELS // (image.width * reduction)) * reduction
    if image.height <= rows:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _on_white(image: pillow.Image, gray: bool, notes: list[str]) -> pillow.Image:
    layers = image.convert("RGBA")
    if layers.getchannel("A").getextrema()[0] == 255:
        return image.convert("LA" if gray else "RGBA")
    notes.append("transparent parts shown on white")
    white = pillow.new("RGBA", layers.size, (255, 255, 255, 255))
    return pillow.alpha_composite(white, layers)


def _scaled_to_eight_bits(values: NDArray[Any], notes: list[str], *, of_file: bool = False) -> NDArray[np.uint8]:
    """Deep pixels as 8 bits: integers by the depth that holds their largest value, 0..1 by 255, others stretched.

    A file says that it has 16 bits: it may be dark, and is black only where it was written by mistake, with 8.
    """
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if not np.isfinite(values).all():
        raise ImageError("the picture has pixels that are not finite numbers.")
    low, high = float(values.min()), float(values.max())
    if max(-low, high) > _LARGEST_VALUE:
        raise ImageError(f"the picture has values from {low:g} to {high:g}, which are too large for pixels.")
    if values.dtype.kind == "b":
        low, top = 0.0, 1.0
    elif values.dtype == np.uint16 or (values.dtype.kind in "iu" and low >= 0 and 255 < high <= 65535):
        bits = 16 if of_file and high > 255 else depth_of(high)
        low, top = 0.0, 2.0**bits - 1
        notes.append("16-bit numbers up to 255 taken as 8 bits" if bits == 8 else f"{bits} bits scaled to 8")
    elif values.dtype.kind in "iu" and low >= 0 and high <= 255:
        low, top = 0.0, 255.0
    elif values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, top = 0.0, 1.0
    else:
        top = high if high > low else low + max(1.0, abs(low))
        notes.append(f"values from {low:g} to {high:g} stretched to 8 bits")
    scale = np.float32(255 / (top - low))
    pixels = np.empty(values.shape, dtype=np.uint8)
    rows = max(1, STRIP_PIXELS // max(1, values[:1].size))
    for start in range(0, len(values), rows):  # no second full copy in four bytes
        scaled = (values[start : start + rows].astype(np.float32) - np.float32(low)) * scale
        pixels[start : start + rows] = np.clip(scaled + 0.5, 0, 255)
    return pixels


def _from_array(array: NDArray[Any], max_pixels: int) -> Image:
    name = "array"
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ImageError(
            f"Expected an array of shape (H, W), (H, W, 3) RGB or (H, W, 4) RGBA. Received: {array.shape}."
        )
    if array.dtype.kind not in "buif":
        raise ImageError(f"Expected an array of numbers. Received: {array.dtype}.")
    height, width = array.shape[:2]
    if height * width > max_pixels:
        raise ImageError(
            f"The array has {width} x {height} pixels, which is more than the limit of {max_pixels / 1e6:g} "
            "megapixels. Raise max_pixels if it is meant."
        )
    notes: list[str] = []
    reduction = _reduction(width, height, name)
    if reduction > 1:
        array = array[::reduction, ::reduction]
        notes.append(f"kept at 1/{reduction} of its size")
    pixels = _scaled_to_eight_bits(array, notes)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        opacity = pixels[:, :, 3:].astype(np.float32) / 255
        if opacity.min() < 1:
            notes.append("transparent parts shown on white")
        pixels = (pixels[:, :, :3] * opacity + 255 * (1 - opacity) + 0.5).astype(np.uint8)
    return Image(pixels, name, tuple(notes), reduction, (width, height), reduction)


def png_bytes(pixels: NDArray[np.uint8], *, small: bool = True) -> bytes:
    """Pixels as a PNG file.

    Args:
        pixels: shape (H, W), gray, or (H, W, 3), RGB; uint8.
        small: whether the file shall be as small as it can be, for pages that hold their own pictures; or made
            quickly, for one that is looked at once.
    """
    file = io.BytesIO()
    pillow.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", optimize=small, compress_level=9 if small else 1)
    return file.getvalue()


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn pixels as stored into pixels as seen, by the EXIF orientation.

    Args:
        pixels: shape (H, W) or (H, W, C).
        orientation: 1 to 8, as in the EXIF standard (CIPA DC-008, tag 0x0112).

    Returns:
        The turned pixels; H and W change places for 5 to 8.
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _orientation(image: pillow.Image, notes: list[str]) -> int:
    try:
        with _quiet(notes):
            exif = image.getexif()
            if not len(exif) and image.info.get("exif"):
                # Opening a JPEG without a density has asked it already, and dropped what the parser stumbled on.
                pillow.Exif().load(image.info["exif"])
            orientation = exif.get(_ORIENTATION_TAG, 1)
    except Exception:
        # EXIF blocks are often damaged, and Pillow then raises whatever its parser stumbled on. The pixels are fine.
        notes.append("EXIF data is damaged and was ignored")
        return 1
    return int(orientation) if orientation in range(1, 9) else 1


def _frame_count(image: pillow.Image, notes: list[str]) -> int:
    if is_jpeg(image):
        return 1  # further pictures in a JPEG are previews and depth maps
    try:
        with _quiet(notes):
            return int(getattr(image, "n_frames", 1))
    except Exception:
        return 1  # a damaged later frame does not matter for the first


def _reduction(width: int, height: int, name: str) -> int:
    if max(width, height) > 8 * _KEPT_SIDE:
        raise ImageError(f"{name} has {width} x {height} pixels. Expected: at most {8 * _KEPT_SIDE} a side.")
    fits = (f for f in (1, 2, 4) if width * height <= KEPT_PIXELS * f**2 and max(width, height) <= _KEPT_SIDE * f)
    return next(fits, 8)


def _reason(error: BaseException) -> str:
    text = (getattr(error, "strerror", None) or str(error)).strip().rstrip(".")
    return f"{text or type(error).__name__}."


@contextmanager
def _quiet(notes: list[str]) -> Iterator[None]:
    """Let Pillow read headers of any size, and turn its warnings into notes."""
    with _HEADER_LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        limit = pillow.MAX_IMAGE_PIXELS
        pillow.MAX_IMAGE_PIXELS = None  # read_image has its own limit, which the caller can raise
        try:
            yield
        finally:
            pillow.MAX_IMAGE_PIXELS = limit
    for warning in caught:
        text = " ".join(str(warning.message).split())
        is_tag = "exif" in text.lower() or "tag" in text.lower()
        notes.append("EXIF data is damaged and was ignored" if is_tag else f"the file is unusual: {text}")
