import math

import numpy as np
import pytest
from PIL import Image as pillow

from mien.framing import CropKind, CropRule
from mien.images import Image, read_image
from mien.inference.crops import crop_corners, crop_face, crop_to_photo, resize_crops, roll_degrees
from mien.inference.detector import Box, Detector, Face

UPRIGHT = CropRule(kind=CropKind.UPRIGHT, margin=1.0)


def ramp(height: int, width: int) -> np.ndarray:
    return np.add.outer(np.arange(height), np.arange(width) * 2).astype(np.uint8)


def test_an_upright_crop_at_its_own_size_is_a_slice_of_the_photo():
    pixels = ramp(80, 100)
    face = Face(1, Box(20, 10, 48, 48), (), 1.0)
    np.testing.assert_array_equal(crop_face(read_image(pixels), face, UPRIGHT), pixels[10:58, 20:68])


def test_a_crop_at_twice_its_size_averages_blocks():
    pixels = np.random.default_rng(0).integers(0, 256, (120, 120), dtype=np.uint8)
    face = Face(1, Box(10, 14, 96, 96), (), 1.0)
    expected = pixels[14:110, 10:106].reshape(48, 2, 48, 2).mean((1, 3))
    assert np.abs(crop_face(read_image(pixels), face, UPRIGHT) - expected).max() <= 1


def test_margin_and_shift_move_the_square():
    face = Face(1, Box(100, 100, 40, 90), (), 1.0)
    corners = crop_corners(face, CropRule(kind=CropKind.UPRIGHT, margin=2.0, vertical_shift=0.25))
    side = 2 * math.sqrt(40 * 90)
    assert np.allclose(corners[0], (120 - side / 2, 145 - side / 2 + side / 4))
    assert np.allclose(corners[1] - corners[0], (side, 0))
    assert np.allclose(corners[2] - corners[0], (0, side))


def test_beyond_the_photo_its_edge_goes_on():
    pixels = np.full((50, 50), 200, dtype=np.uint8)
    crop = crop_face(read_image(pixels), Face(1, Box(-30, -30, 60, 60), (), 1.0), UPRIGHT)
    assert crop.min() == crop.max() == 200


def test_colour_becomes_gray_by_bt601():
    pixels = np.full((60, 60, 3), (200, 100, 50), dtype=np.uint8)
    crop = crop_face(read_image(pixels), Face(1, Box(0, 0, 60, 60), (), 1.0), UPRIGHT)
    assert np.abs(crop.astype(float) - (0.299 * 200 + 0.587 * 100 + 0.114 * 50)).max() <= 1


@pytest.mark.parametrize("angle", [-60, -25, 10, 35, 90, 180])
def test_an_aligned_crop_does_not_depend_on_how_the_face_leans(portrait, angle):
    photo = pillow.open(portrait)
    detector = Detector()
    (face,) = detector.detect(read_image(photo))
    expected = crop_face(read_image(photo), face, CropRule())
    centre = face.box.centre
    turned = read_image(photo.rotate(-angle, resample=pillow.Resampling.BICUBIC, center=centre))
    # The detector's own box is not used here: the landmarks are turned with the photo.
    radians = math.radians(angle)
    turn = np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])
    landmarks = (np.array(face.landmarks) - centre) @ turn.T + centre
    leaning = Face(1, face.box, tuple(map(tuple, landmarks.tolist())), 1.0)
    crop = crop_face(turned, leaning, CropRule())
    assert np.abs(crop.astype(float) - expected.astype(float)).mean() < 3


def test_a_reduced_photo_gives_the_same_crop(portrait):
    photo = pillow.open(portrait)
    whole = read_image(photo)
    half = Image(np.asarray(photo.reduce(2)), "half", (), 2, (512, 512))
    face = Face(1, Box(170, 55, 110, 130), (), 1.0)
    difference = crop_face(whole, face, UPRIGHT).astype(float) - crop_face(half, face, UPRIGHT)
    assert np.abs(difference).mean() < 3


def test_a_face_without_landmarks_does_not_lean():
    assert roll_degrees(()) == 0


def test_pixel_centres_map_to_pixel_centres():
    to_photo = crop_to_photo(Face(1, Box(20, 10, 48, 48), (), 1.0), UPRIGHT)
    assert np.allclose(to_photo @ [0, 0, 1], (20, 10))
    assert np.allclose(to_photo @ [47, 47, 1], (67, 57))


def test_crops_are_resized_only_when_they_must_be():
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    assert resize_crops(crops, 48) is crops
    assert resize_crops(crops, 24).shape == (3, 24, 24)
    assert resize_crops(crops[:0], 64).shape == (0, 64, 64)
    assert np.abs(resize_crops(crops, 24) - crops.reshape(3, 24, 2, 24, 2).mean((2, 4))).max() <= 1
