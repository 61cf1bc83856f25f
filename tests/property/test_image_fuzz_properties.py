import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as pillow

from mien.errors import ImageError
from mien.images import read_image
from mien.randomness import generator

FORMS = {
    "JPEG": {"quality": 80},
    "PNG": {},
    "GIF": {},
    "BMP": {},
    "WEBP": {},
    "AVIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "PPM": {},
}


def encoded(form):
    pixels = generator(0, "fuzz").integers(0, 256, (24, 40, 3), dtype=np.uint8)
    exif = pillow.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    options = {"exif": exif} if form in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF") else {}
    pillow.fromarray(pixels).save(buffer, form, **FORMS[form], **options)
    return buffer.getvalue()


FILES = {form: encoded(form) for form in FORMS}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=30, deadline=5000)
@given(data=st.data())
def test_a_damaged_file_gives_an_image_or_an_image_error(form, data):
    content = bytearray(FILES[form])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    start = data.draw(st.integers(0, len(content)))
    match data.draw(st.sampled_from(["as is", "cut", "spliced", "without a part"])):
        case "cut":
            content = content[:start]
        case "spliced":
            content = content[:start] + FILES[data.draw(st.sampled_from(sorted(FORMS)))][start:]
        case "without a part":
            content = content[:start] + content[start + data.draw(st.integers(1, 40)) :]
    try:
        image = read_image(bytes(content), max_pixels=4_000_000)
    except ImageError:
        return
    assert image.pixels.dtype == np.uint8
    assert image.pixels.size > 0


@settings(max_examples=60, deadline=5000)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_image_or_an_image_error(content):
    with pytest.raises(ImageError):
        read_image(content)
