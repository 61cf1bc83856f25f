import io

import numpy as np
import pytest
from PIL import Image as pillow

from mien.images import read_image
from mien.inference.detector import Box, Face
from mien.inference.drawing import draw_result, save_drawing
from mien.inference.results import FaceResult, Outcome, PhotoResult
from mien.labels import Expression

GRAY = np.full((800, 1000, 3), 128, dtype=np.uint8)


def result_of(*boxes, outcome=Outcome.OK):
    probabilities = () if outcome is Outcome.TOO_SMALL else ((Expression.FEAR, 0.25), (Expression.ANGER, 0.75))
    faces = tuple(
        FaceResult(Face(number, Box(*box), (), 0.9), outcome, probabilities) for number, box in enumerate(boxes, 1)
    )
    return PhotoResult("photo", outcome, "", faces, 1000, 800, (), "tiny@1")


def changed(drawing, photo=GRAY):
    return (drawing.astype(int) != photo).any(axis=2)


def test_the_frame_lies_on_the_box_and_the_face_stays_visible():
    drawing = draw_result(read_image(GRAY), result_of((300, 300, 200, 200)))
    there = changed(drawing)
    assert drawing.shape == GRAY.shape
    assert there[300:500, 300].all()
    assert there[300, 300:500].all()
    assert not there[310:490, 310:490].any()
    assert not there[520:].any()


def test_the_photo_itself_is_not_changed():
    image = read_image(GRAY.copy())
    draw_result(image, result_of((300, 300, 200, 200)))
    np.testing.assert_array_equal(image.pixels, GRAY)


def test_nothing_is_drawn_on_a_photo_without_faces():
    np.testing.assert_array_equal(draw_result(read_image(GRAY), result_of()), GRAY)


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.UNSURE, Outcome.TOO_SMALL])
@pytest.mark.parametrize(
    "box", [(-50, -50, 100, 100), (950, 750, 200, 200), (0, 0, 1000, 800), (500, 2, 3, 3), (990, 0, 9, 9)]
)
def test_words_stay_in_the_picture_for_faces_at_its_border(outcome, box):
    drawing = draw_result(read_image(GRAY), result_of(box, outcome=outcome))
    # The plate of the words is white and at least 12 pixels high somewhere in the picture.
    white = (drawing == 255).all(axis=2)
    assert (white.sum(axis=1) > 40).sum() >= 12


def test_outcomes_differ_in_colour_and_words():
    drawings = [
        draw_result(read_image(GRAY), result_of((300, 300, 200, 200), outcome=outcome))
        for outcome in (Outcome.OK, Outcome.UNSURE, Outcome.TOO_SMALL)
    ]
    assert len({drawing.tobytes() for drawing in drawings}) == 3


def test_words_of_neighbours_do_not_cover_faces_where_there_is_room():
    boxes = [(200, 300, 100, 100), (310, 360, 100, 100), (250, 420, 100, 100)]
    there = changed(draw_result(read_image(GRAY), result_of(*boxes)))
    for x, y, width, height in boxes:
        inner = there[y + 8 : y + height - 8, x + 8 : x + width - 8]
        assert inner.mean() < 0.35  # frames of neighbours cross it, plates do not fill it


@pytest.mark.parametrize(("side", "expected"), [(100, 768), (768, 768), (1500, 1500), (4000, 2048)])
def test_drawings_have_a_size_at_which_words_can_be_read(side, expected):
    image = read_image(np.full((side // 2, side), 128, dtype=np.uint8))
    box = (side * 0.25, side * 0.1, side * 0.2, side * 0.2)
    drawing = draw_result(image, result_of(box))
    assert drawing.shape == (expected // 2, expected, 3)
    assert changed(drawing, np.full(drawing.shape, 128))[int(expected * 0.2), round(expected * 0.25)]


def test_a_reduced_photo_is_drawn_at_the_right_place(monkeypatch):
    monkeypatch.setattr("mien.images.KEPT_PIXELS", 300_000)
    image = read_image(GRAY)
    assert image.reduction == 2
    drawing = draw_result(image, result_of((500, 400, 250, 250)))
    scale = drawing.shape[1] / 1000
    assert changed(drawing, np.full(drawing.shape, 128))[round(500 * scale), round(500 * scale)]


@pytest.mark.parametrize(("name", "form"), [("a.jpg", "JPEG"), ("deep/er/a.png", "PNG")])
def test_a_saved_drawing_has_no_metadata_of_the_photo(tmp_path, name, form):
    exif = pillow.Exif()
    exif[0x010E] = "at home"
    buffer = io.BytesIO()
    pillow.fromarray(GRAY).save(buffer, "JPEG", exif=exif)
    save_drawing(draw_result(read_image(buffer.getvalue()), result_of((300, 300, 90, 90))), tmp_path / name)
    with pillow.open(tmp_path / name) as saved:
        assert saved.format == form
        assert not saved.getexif()
    assert b"at home" not in (tmp_path / name).read_bytes()
