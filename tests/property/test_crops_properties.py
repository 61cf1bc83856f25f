import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.framing import CropKind, CropRule
from mien.images import read_image
from mien.inference.crops import crop_corners, crop_face, roll_degrees
from mien.inference.detector import Box, Face

coordinates = st.floats(-200, 400)
sizes = st.floats(0.5, 500)
rules = st.builds(
    CropRule,
    kind=st.sampled_from(CropKind),
    margin=st.floats(0.5, 3),
    vertical_shift=st.floats(-0.5, 0.5),
    size=st.sampled_from([1, 24, 48, 80]),
)
points = st.lists(st.tuples(coordinates, coordinates), min_size=5, max_size=5).map(tuple)
faces = st.builds(
    Face,
    id=st.just(1),
    box=st.builds(Box, coordinates, coordinates, sizes, sizes),
    landmarks=points,
    score=st.just(0.9),
)


@settings(max_examples=60, deadline=None)
@given(faces, rules, st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_every_face_gives_a_crop_of_the_rules_size_from_the_photos_range(face, rule, height, width, gray):
    pixels = np.random.default_rng(0).integers(90, 160, (height, width) if gray else (height, width, 3), dtype=np.uint8)
    crop = crop_face(read_image(pixels), face, rule)
    assert crop.shape == (rule.size, rule.size)
    assert crop.dtype == np.uint8
    assert crop.min() >= pixels.min() - 1
    assert crop.max() <= pixels.max() + 1


@settings(max_examples=60, deadline=None)
@given(faces, rules)
def test_the_corners_are_a_square_of_the_side_that_the_rule_says(face, rule):
    top_left, top_right, bottom_left = crop_corners(face, rule)
    side = rule.margin * math.sqrt(max(face.box.area, 1))
    assert math.isclose(np.linalg.norm(top_right - top_left), side, rel_tol=1e-6)
    assert math.isclose(np.linalg.norm(bottom_left - top_left), side, rel_tol=1e-6)
    assert abs((top_right - top_left) @ (bottom_left - top_left)) < 1e-6 * side**2


@settings(max_examples=60, deadline=None)
@given(st.floats(-179, 179), st.floats(5, 300), coordinates, coordinates)
def test_the_lean_of_a_turned_face_is_the_angle_it_was_turned_by(angle, scale, x, y):
    face = np.array([[-0.2, -0.2], [0.2, -0.2], [0.0, 0.02], [-0.15, 0.19], [0.15, 0.19]]) * scale
    radians = math.radians(angle)
    turn = np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])
    landmarks = tuple(map(tuple, (face @ turn.T + (x, y)).tolist()))
    assert math.isclose(roll_degrees(landmarks), angle, abs_tol=1e-6)
