import io
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow
from PIL import ImageOps, TiffImagePlugin

import mien.images
from mien.decoding import Budget
from mien.errors import ImageError
from mien.images import Image, read_image, upright
from mien.randomness import generator

CORNERS = np.zeros((24, 40, 3), dtype=np.uint8)
CORNERS[:8, :8] = (255, 0, 0)
CORNERS[:8, -8:] = (0, 255, 0)
CORNERS[-8:, :8] = (0, 0, 255)


def encoded(image: pillow.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def textured(height: int = 200, width: int = 300) -> np.ndarray:
    return generator(0, "texture").integers(0, 120, (height, width, 3), dtype=np.uint8)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_exif_tag_says(orientation):
    exif = pillow.Exif()
    exif[0x0112] = orientation
    content = encoded(pillow.fromarray(CORNERS), "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(pillow.open(io.BytesIO(content))))
    image = read_image(content)
    np.testing.assert_array_equal(image.pixels, expected)
    assert image.photo_size == (expected.shape[1], expected.shape[0])
    assert bool(image.notes) == (orientation > 1)


def test_upright_leaves_orientation_1_alone():
    np.testing.assert_array_equal(upright(CORNERS, 1), CORNERS)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP", "AVIF", "JPEG", "GIF", "PPM"])
def test_every_format_gives_the_picture(form, tmp_path):
    path = tmp_path / f"photo.{form.lower()}"
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}, "AVIF": {"quality": 95}}
    path.write_bytes(encoded(pillow.fromarray(CORNERS), form, **options.get(form, {})))
    image = read_image(path)
    assert image.name == str(path)
    assert image.pixels.dtype == np.uint8
    assert np.abs(image.pixels[3, 3].astype(int) - [255, 0, 0]).max() < 25
    assert image.notes == ()


def test_sixteen_bits_are_scaled_and_not_clipped():
    values = np.array([[0, 257, 25700, 65535]], dtype=np.uint16)
    image = read_image(encoded(pillow.fromarray(values), "PNG"))
    assert image.pixels.tolist() == [[0, 1, 100, 255]]
    assert "16 bits scaled to 8" in image.notes


def test_a_cmyk_jpeg_has_its_colours():
    red = pillow.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixel = read_image(encoded(red, "JPEG", quality=95)).pixels[8, 8]
    assert pixel[0] > 230
    assert pixel[1] < 40


def test_a_gray_photo_stays_gray_and_has_an_rgb_view():
    image = read_image(encoded(pillow.fromarray(CORNERS[:, :, 0]), "JPEG"))
    assert image.pixels.shape == (24, 40)
    assert image.rgb.shape == (24, 40, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_shown_on_white_and_it_is_said(mode):
    picture = pillow.new("RGBA", (10, 10), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 5, 10))
    image = read_image(encoded(picture.convert(mode), "PNG"))
    assert image.rgb[5, 2].tolist() == [0, 0, 0]
    assert image.rgb[5, 8].tolist() == [255, 255, 255]
    assert "transparent parts shown on white" in image.notes


def test_an_opaque_alpha_channel_is_not_worth_a_note():
    assert read_image(encoded(pillow.new("RGBA", (10, 10), (9, 9, 9, 255)), "PNG")).notes == ()


def test_only_the_first_frame_of_an_animation_is_read_and_it_is_said():
    frames = [pillow.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    image = read_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert image.rgb[4, 4].tolist() == [255, 0, 0]
    assert image.notes == ("frame 1 of 3",)


def test_a_jpeg_that_is_cut_off_late_is_read_as_far_as_it_goes():
    whole = textured()
    content = encoded(pillow.fromarray(whole), "JPEG", quality=90)
    image = read_image(content[: int(len(content) * 0.8)])
    assert image.pixels.shape == whole.shape
    assert any("cut off" in note for note in image.notes)
    np.testing.assert_array_equal(image.pixels[:100], read_image(content).pixels[:100])


def test_a_jpeg_that_is_cut_off_early_is_refused():
    content = encoded(pillow.fromarray(textured()), "JPEG", quality=90)
    with pytest.raises(ImageError, match="cut off"):
        read_image(content[: len(content) // 5])


def test_a_damaged_png_is_refused():
    content = encoded(pillow.fromarray(textured()), "PNG")
    with pytest.raises(ImageError, match="damaged"):
        read_image(content[: len(content) // 2])


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (2_000_000_000, 1), (300_000, 2)])
def test_a_bomb_is_refused_by_its_header(width, height):
    with pytest.raises(ImageError, match=f"{width} x {height}"):
        read_image(png_that_claims(width, height))


@pytest.mark.parametrize(
    ("form", "options", "share"),
    [
        ("JPEG", {}, 1),
        ("JPEG", {"progressive": True}, 5 / 10),
        ("PNG", {}, 1),
        ("BMP", {}, 1),
        ("WEBP", {}, 5 / 16),
        ("AVIF", {}, 5 / 16),
        ("TIFF", {}, 5 / 8),
    ],
)
def test_the_limit_can_be_raised_and_is_lower_for_what_takes_more_memory(form, options, share):
    content = encoded(pillow.fromarray(textured()), form, **options)
    limit = round(60_000 / share)
    assert read_image(content, max_pixels=limit).photo_size == (300, 200)
    with pytest.raises(ImageError, match="max_pixels"):
        read_image(content, max_pixels=limit - 4)


def test_a_small_tiff_with_a_huge_tile_is_refused():
    ifd = TiffImagePlugin.ImageFileDirectory_v2()
    tags = {256: 8, 257: 8, 258: 8, 259: 8, 262: 1, 277: 1, 322: 40_000, 323: 40_000, 324: 8, 325: 12}
    for tag, value in tags.items():
        ifd[tag] = value
    content = io.BytesIO()
    content.write(b"II*\0" + (20).to_bytes(4, "little") + zlib.compress(b"\0" * 64).ljust(12, b"\0")[:12])
    ifd.save(content)
    with pytest.raises(ImageError, match="8 x 8 pixels, which is more than the limit"):
        read_image(content.getvalue())


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for the largest resident memory")
def test_what_decoding_takes_is_known_before_it():
    script = Path(__file__).parents[2] / "benchmarks" / "decoding_memory.py"
    answer = subprocess.run([sys.executable, script, "--megapixels", "1.5"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_threads_share_one_budget_and_a_large_picture_gets_its_turn():
    budget = Budget(100)
    held, most, order = [], [], []
    lock = threading.Lock()

    def work(name, amount):
        with budget.take(amount):
            with lock:
                held.append(min(amount, 100))
                most.append(sum(held))
                order.append(name)
            time.sleep(0.002)
            with lock:
                held.remove(min(amount, 100))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40), [1000 if n == 20 else 30 for n in range(40)]))
    assert max(most) <= 100
    assert 10 <= order.index(20) <= 30


@pytest.mark.parametrize("value", [1e300, -1e38, np.finfo(np.float64).max])
def test_an_array_of_huge_values_is_refused(value):
    with pytest.raises(ImageError, match="too large for pixels"):
        read_image(np.full((40, 40), value))


@pytest.mark.parametrize("value", [0.0, 1e20, -1e25, 7.0])
def test_a_constant_array_is_a_picture(value):
    assert len(np.unique(read_image(np.full((40, 40), value)).pixels)) == 1


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_picture_of_no_height_is_refused(size):
    with pytest.raises(ImageError, match="no pixels"):
        read_image(pillow.new("L", size))


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_huge_photo_is_kept_smaller(form, monkeypatch):
    monkeypatch.setattr(mien.images, "KEPT_PIXELS", 20_000)
    smooth = pillow.linear_gradient("L").resize((300, 200))
    image = read_image(encoded(smooth, form))
    assert image.reduction == 2
    assert image.pixels.shape == (100, 150)
    assert image.photo_size == (300, 200)
    assert "kept at 1/2 of its size" in image.notes
    expected = np.asarray(smooth).astype(float).reshape(100, 2, 150, 2).mean((1, 3))
    assert np.abs(image.pixels - expected).max() <= 3


def test_a_very_long_photo_is_kept_short_enough_for_opencv():
    image = read_image(encoded(pillow.new("L", (70_000, 8)), "PNG"))
    assert image.pixels.shape == (2, 17_500)
    assert image.reduction == 4


def test_strips_do_not_change_the_picture(monkeypatch):
    picture = pillow.fromarray(textured())
    picture.putalpha(120)
    content = encoded(picture, "PNG")
    whole = read_image(content).pixels
    monkeypatch.setattr(mien.images, "STRIP_PIXELS", 7 * 300)
    np.testing.assert_array_equal(read_image(content).pixels, whole)


@pytest.mark.parametrize(
    "block",
    [
        b"II*\0\x08\0\0\0" + b"\x05\0" + b"\x12\x01\x03\0\xff\xff\xff\x7f\xff\xff\xff\x7f" * 3,
        b"no block of this kind",
    ],
)
@pytest.mark.parametrize("density", [None, (72, 72)])
def test_damaged_exif_data_is_a_note_and_no_warning(block, density):
    content = encoded(pillow.fromarray(CORNERS), "JPEG", **({} if density is None else {"dpi": density}))
    exif = b"Exif\0\0" + block
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    image = read_image(content[:2] + segment + content[2:])
    assert image.pixels.shape == CORNERS.shape
    assert image.notes == ("EXIF data is damaged and was ignored",)


def test_heic_without_its_reader_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"pip install 'mien\[heic\]'"):
        read_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "not a picture|damaged"),
    ],
)
def test_what_is_not_a_picture_is_refused(content, message, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(ImageError, match="no file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="not a file"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="no file|cannot be opened"):
        read_image("nul\0byte.jpg")


def test_path_bytes_pillow_and_array_give_the_same_pixels(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(pillow.fromarray(CORNERS), "PNG"))
    sources = [path, str(path), path.read_bytes(), pillow.open(path), pillow.fromarray(CORNERS), CORNERS]
    for source in sources:
        np.testing.assert_array_equal(read_image(source).pixels, CORNERS)
    image = read_image(path)
    assert read_image(image) is image


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]]), [0, 128, 255]),
        (np.array([[0, 25700, 65535]], dtype=np.uint16), [0, 100, 255]),
        (np.array([[0, 100, 255]], dtype=np.int64), [0, 100, 255]),
        (np.array([[False, True, True]]), [0, 255, 255]),
        (np.array([[-1.0, 0.0, 1.0]]), [0, 128, 255]),
    ],
)
def test_arrays_of_other_types_are_scaled_to_eight_bits(array, expected):
    assert read_image(array).pixels.tolist() == [expected]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_whole_numbers_have_the_bits_that_their_largest_needs(dtype, bits):
    most = 2**bits - 1
    for largest in (most, 2 * most // 3):
        image = read_image(np.array([[0, largest // 2, largest]], dtype=dtype))
        expected = np.array([0, largest // 2, largest]) * 255 / most
        np.testing.assert_allclose(image.pixels[0], expected, atol=0.501)
        said = {8: ("16-bit numbers up to 255 taken as 8 bits",) if dtype == np.uint16 else ()}
        assert image.notes == said.get(bits, (f"{bits} bits scaled to 8",))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_a_file_of_sixteen_bits_may_be_dark_and_is_black_by_mistake_alone(form):
    dark = np.array([[0, 2000, 4000]], dtype=np.uint16)
    assert read_image(encoded(pillow.fromarray(dark), form)).pixels.tolist() == [[0, 8, 16]]
    eight = read_image(encoded(pillow.fromarray(np.array([[0, 100, 255]], dtype=np.uint16)), form))
    assert eight.pixels.tolist() == [[0, 100, 255]]
    assert "16-bit numbers up to 255 taken as 8 bits" in eight.notes


def test_a_transparent_array_is_shown_on_white():
    array = np.zeros((2, 2, 4), dtype=np.uint8)
    assert read_image(array).pixels.tolist() == np.full((2, 2, 3), 255).tolist()


@pytest.mark.parametrize(
    "source",
    [np.zeros((0, 5)), np.zeros((5, 5, 2)), np.zeros(5), np.array([["a"]]), np.full((4, 4), np.nan)],
)
def test_other_arrays_are_refused(source):
    with pytest.raises(ImageError):
        read_image(source)


@pytest.mark.parametrize("source", [17, None, ["a.jpg"], {}, io.StringIO("text")])
def test_other_things_are_a_type_error(source):
    with pytest.raises(TypeError, match="Received"):
        read_image(source)


def test_a_file_object_is_read_like_its_bytes(portrait):
    with portrait.open("rb") as file:
        from_file = read_image(file)
    np.testing.assert_array_equal(from_file.pixels, read_image(portrait.read_bytes()).pixels)
    assert from_file.name == str(portrait)
    assert read_image(io.BytesIO(portrait.read_bytes())).photo_size == from_file.photo_size


class Portrait(os.PathLike):
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


def test_what_stands_for_a_path_is_read_as_it(portrait):
    assert read_image(Portrait(portrait)).name == str(portrait)
    (entry,) = (entry for entry in os.scandir(portrait.parent) if entry.name == portrait.name)
    np.testing.assert_array_equal(read_image(entry).pixels, read_image(portrait).pixels)


def test_a_file_object_that_cannot_be_read_is_an_image_error(portrait):
    closed = portrait.open("rb")
    closed.close()
    with pytest.raises(ImageError, match="cannot be read: .*closed file"):
        read_image(closed)


def test_a_large_array_is_kept_smaller(monkeypatch):
    monkeypatch.setattr(mien.images, "KEPT_PIXELS", 20_000)
    image = read_image(textured())
    assert isinstance(image, Image)
    assert (image.reduction, image.pixels.shape, image.photo_size) == (2, (100, 150, 3), (300, 200))


def test_reading_does_not_change_pillows_own_limit(tmp_path: Path):
    limit = pillow.MAX_IMAGE_PIXELS
    read_image(encoded(pillow.fromarray(CORNERS), "PNG"))
    assert limit == pillow.MAX_IMAGE_PIXELS
