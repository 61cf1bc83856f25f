from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image as pillow

from mien.errors import MienError
from mien.images import read_image
from mien.inference.detector import LANDMARK_NAMES, Box, Detector


@pytest.fixture(scope="module")
def detector():
    return Detector()


@pytest.fixture(scope="module")
def photo(portrait):
    return read_image(portrait).pixels


def test_the_face_of_a_portrait_is_found_with_its_landmarks(detector, photo):
    (face,) = detector.detect(read_image(photo))
    assert face.id == 1
    assert face.score > 0.9
    # Where the detector put them when the test was written, checked by eye on a drawing of the photo.
    assert np.allclose(face.box, (180, 65, 90, 110), atol=12)
    expected = {"right_eye": (203, 101), "left_eye": (246, 102), "nose_tip": (221, 125)}
    for name, point in zip(LANDMARK_NAMES, face.landmarks, strict=True):
        assert np.allclose(point, expected.get(name, point), atol=6)
        assert face.box.x < point[0] < face.box.x + face.box.width


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (300, 300), (1500, 20)])
def test_a_photo_without_a_face_gives_none(detector, size):
    assert detector.detect(read_image(np.full(size, 128, dtype=np.uint8))) == []


@pytest.mark.parametrize("size", [(3, 900), (900, 3), (8, 1200), (1500, 20), (20, 20), (31, 31), (33, 400)])
def test_the_answer_for_a_narrow_photo_does_not_depend_on_what_memory_held(detector, size):
    strip = read_image(np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8))
    answers = []
    for value in (1e9, -3e5, np.nan):
        # Freed at once, so that the detector's next buffers are made of it.
        [np.full(length, value, np.float32) for length in (3_000, 40_000, 500_000, 2_000_000)]
        answers.append(detector.detect(strip, score_threshold=0.001))
    assert answers.count(answers[0]) == len(answers)


@pytest.mark.parametrize("factor", [0.5, 1, 3, 6])
def test_a_face_is_found_at_every_size_and_in_photo_pixels(detector, photo, factor):
    side = round(512 * factor)
    (face,) = detector.detect(read_image(pillow.fromarray(photo).resize((side, side))))
    assert np.allclose(np.array(face.box) / factor, (180, 65, 90, 110), atol=14)


def test_photos_of_a_batch_are_looked_at_by_one_thread_each_with_the_same_finds(detector, photo):
    many = detector.for_many
    assert many is detector.for_many  # loaded once
    assert many.for_many is many
    assert many.model is detector.model
    assert many.detect(read_image(photo)) == detector.detect(read_image(photo))
    assert Detector(threads=1).for_many.detect(read_image(photo)) == detector.detect(read_image(photo))


def test_a_face_that_fills_a_large_photo_is_found(detector, photo):
    close = pillow.fromarray(photo).crop((165, 50, 285, 190)).resize((1800, 2100))
    (face,) = detector.detect(read_image(close))
    assert face.box.height > 1200


def test_faces_are_numbered_in_reading_order_without_overlap(detector, photo):
    tile = photo[:256, 96:352]
    sheet = np.vstack([np.hstack([tile] * 3), np.hstack([tile] * 3)])
    faces = detector.detect(read_image(sheet))
    assert [face.id for face in faces] == [1, 2, 3, 4, 5, 6]
    columns = [round((face.box.centre[0] - 130) / 256) for face in faces]
    rows = [round((face.box.centre[1] - 120) / 256) for face in faces]
    assert (columns, rows) == ([0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1])


def test_a_reduced_photo_gives_boxes_in_photo_pixels(detector, photo, monkeypatch):
    (whole,) = detector.detect(read_image(photo))
    monkeypatch.setattr("mien.images.KEPT_PIXELS", 100_000)
    image = read_image(photo)
    assert image.reduction == 2
    (face,) = detector.detect(image)
    assert np.allclose(face.box, whole.box, atol=12)


def test_pictures_are_made_of_the_photo_and_of_a_reduced_one_the_smallest_of_the_next(monkeypatch):
    detector, looked_at = Detector(), []
    monkeypatch.setattr(detector._network, "find", lambda picture, _: looked_at.append(picture) or np.zeros((0, 15)))
    photo = np.random.default_rng(0).integers(0, 256, (1500, 1800, 3), dtype=np.uint8)

    def is_made_of(pixels, picture):
        smaller = cv2.resize(pixels, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
        return np.array_equal(picture, smaller)

    detector.detect(read_image(photo))
    assert len(looked_at) == 3
    assert all(is_made_of(photo, picture) for picture in looked_at)
    looked_at.clear()
    monkeypatch.setattr("mien.images.KEPT_PIXELS", 700_000)
    image = read_image(photo)
    detector.detect(image)
    smallest, middle, _ = looked_at
    assert image.reduction == 2
    assert is_made_of(image.pixels, middle)
    assert is_made_of(middle, smallest)
    assert not is_made_of(image.pixels, smallest)


def test_small_and_doubtful_faces_can_be_left_out(detector, photo):
    assert detector.detect(read_image(photo), minimum_size_px=200) == []
    assert detector.detect(read_image(photo), score_threshold=0.99) == []


def test_a_gray_photo_has_the_same_face(detector, photo):
    gray = np.asarray(pillow.fromarray(photo).convert("L"))
    (face,) = detector.detect(read_image(gray))
    assert np.allclose(face.box, (180, 65, 90, 110), atol=14)


def test_threads_do_not_disturb_each_other(detector, photo):
    sizes = [200, 512, 300, 700] * 3
    images = [read_image(pillow.fromarray(photo).resize((side, side))) for side in sizes]
    expected = [detector.detect(image) for image in images]
    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(detector.detect, images)) == expected


def test_a_wrong_or_missing_model_file_is_refused(tmp_path):
    with pytest.raises(MienError, match="no face detector"):
        Detector(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello", encoding="utf-8")
    with pytest.raises(MienError, match="YuNet"):
        Detector(tmp_path / "text.onnx")


def test_a_packaged_model_that_was_changed_is_refused(tmp_path, monkeypatch):
    changed = tmp_path / "face_detection_yunet_2023mar.onnx"
    changed.write_bytes(b"other")
    monkeypatch.setattr("mien.inference.detector._packaged_path", lambda: changed)
    with pytest.raises(MienError, match="sha256"):
        Detector()


def test_boxes_share_the_area_that_both_cover():
    assert Box(0, 0, 10, 10).shared_area(Box(5, 5, 10, 10)) == 25
    assert Box(0, 0, 10, 10).shared_area(Box(20, 0, 5, 5)) == 0


def test_a_drawn_face_is_certain_and_noise_and_nothing_are_not():
    from mien.datasets.synthetic import draw_faces

    detector = Detector()
    assert min(detector.face_certainty(image) for image in draw_faces(40).images) > 0.2
    assert min(detector.face_certainty(image) for image in draw_faces(40, size=120).images) > 0.2
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    assert detector.face_certainty(noise) < 0.1
    assert detector.face_certainty(np.full((48, 48), 120, dtype=np.uint8)) < 0.1


@pytest.mark.parametrize(("scores", "certainty"), [([], 0.0), ([0.5, 0.25], 0.5), ([1.0], 1.0), ([0.25], 0.25)])
def test_certainty_is_the_highest_score(monkeypatch, scores, certainty):
    detector = Detector()
    finds = np.array([[0.0] * 14 + [score] for score in scores], dtype=np.float32).reshape(-1, 15)
    monkeypatch.setattr(detector._network, "find", lambda *_: finds)
    assert detector.face_certainty(np.zeros((48, 48), dtype=np.uint8)) == certainty
