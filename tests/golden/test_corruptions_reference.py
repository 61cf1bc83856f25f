"""Every corruption keeps what an image is, grows with its strength, and is what another library makes of it."""

import numpy as np
import pytest

from mien.datasets.synthetic import draw_faces
from mien.errors import DataError
from mien.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt

FACES = {size: draw_faces(24, size=size, seed=2).images for size in (48, 96)}


BY_CHANCE = (
    "noise",
    "rotation",
    "shot_noise",
    "salt_and_pepper",
    "motion_blur",
    "side_light",
    "off_centre",
)


def changes(images: np.ndarray, name: str, strength: int) -> np.ndarray:
    made = corrupt(images, name, strength)
    return np.abs(made.astype(float) - images).mean(axis=(1, 2))


@pytest.mark.parametrize("size", FACES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_strength_five_changes_every_face_more_than_strength_one(name, size):
    weak, strong = (changes(FACES[size], name, strength) for strength in (1, 5))
    assert (strong > weak).all()
    assert (weak > 0).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_strength_changes_faces_more_than_the_one_before(name):
    means = [changes(FACES[48], name, strength).mean() for strength in STRENGTHS]
    assert means == sorted(means)
    amounts = CORRUPTIONS[name].amounts
    assert len(set(amounts)) == len(STRENGTHS)
    assert list(amounts) in (sorted(amounts), sorted(amounts, reverse=True))


@pytest.mark.parametrize("shape", [(48, 48), (64, 40), (7, 9), (1, 1)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_shape_and_type_are_kept_and_the_images_are_left_alone(name, shape):
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    images.flags.writeable = False
    before = images.copy()
    for strength in STRENGTHS:
        made = corrupt(images, name, strength)
        assert made.shape == images.shape
        assert made.dtype == np.uint8
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_made_depends_on_the_image_and_the_seed_alone(name):
    images = FACES[48][:6]
    whole = corrupt(images, name, 3)
    alone = np.concatenate([corrupt(images[number : number + 1], name, 3) for number in reversed(range(6))])[::-1]
    np.testing.assert_array_equal(whole, alone)
    other = corrupt(images, name, 3, seed=1)
    assert (other != whole).any() == (name in BY_CHANCE)


@pytest.mark.parametrize(
    "name",
    ["blur", "darkness", "contrast", "low_resolution", "mask", "motion_blur", "overexposure", "off_centre"],
)
def test_a_gray_surface_keeps_its_gray_but_in_wrong_light(name):
    made = corrupt(np.full((1, 48, 48), 120, dtype=np.uint8), name, 5)
    assert set(made.ravel().tolist()) == {{"darkness": 18, "overexposure": 255}.get(name, 120)}


def test_noise_has_the_deviation_that_it_says():
    images = np.full((4, 96, 96), 127, dtype=np.uint8)
    made = corrupt(images, "noise", 1).astype(float)
    assert made.std() == pytest.approx(0.08 * 255, rel=0.03)
    assert made.mean() == pytest.approx(127, abs=0.5)


def test_shot_noise_has_the_deviation_of_counting():
    images = np.full((4, 96, 96), 51, dtype=np.uint8)  # a fifth of white: 5 of 25 photons
    made = corrupt(images, "shot_noise", 2).astype(float)
    assert made.mean() == pytest.approx(51, abs=0.5)
    assert made.std() == pytest.approx(5**0.5 / 25 * 255, rel=0.03)
    assert set(np.unique(made)) <= {round(count * 255 / 25) for count in range(26)}


def test_salt_and_pepper_strike_as_many_pixels_as_scikit_image_does():
    util = pytest.importorskip("skimage.util")
    face = np.clip(FACES[96], 1, 254)
    made = corrupt(face, "salt_and_pepper", 4)
    struck = made != face
    expected = util.random_noise(face / 255, mode="s&p", amount=0.17, rng=0) != face / 255
    assert struck.mean() == pytest.approx(expected.mean(), rel=0.03)
    assert set(np.unique(made[struck])) == {0, 255}
    assert (made[struck] == 255).mean() == pytest.approx(0.5, abs=0.02)


def test_motion_blurs_along_one_line_alone():
    point = np.zeros((8, 97, 97), dtype=np.uint8)
    point[:, 48, 48] = 255
    for made, number in zip(corrupt(point, "motion_blur", 5, seed=3).astype(float), range(8), strict=True):
        rows, columns = np.nonzero(made)
        spread = np.linalg.svd(np.cov(np.stack([rows, columns]), aweights=made[rows, columns]), compute_uv=False)
        assert spread[1] < 0.02 * spread[0], number
        # A line of even weight and length L has a variance of L²/12.
        assert (12 * spread[0]) ** 0.5 == pytest.approx(0.2 * 97, rel=0.12), number


def test_side_light_is_a_slope_from_one_side_to_the_other():
    made = corrupt(FACES[48], "side_light", 4).astype(float)
    falls = np.linspace(1, 0.15, 48)
    for face, lit in zip(FACES[48].astype(float), made, strict=True):
        assert min(np.abs(lit - face * slope).max() for slope in (falls, falls[::-1])) <= 0.51


def test_sunglasses_cover_the_eyes_and_a_shift_moves_the_face():
    glasses = corrupt(FACES[48], "sunglasses", 3)
    rows = (glasses == 0).all(axis=(0, 2))
    assert np.flatnonzero(rows).tolist() == list(range(16, 23))
    np.testing.assert_array_equal(glasses[:, ~rows], FACES[48][:, ~rows])
    ndimage = pytest.importorskip("scipy.ndimage")
    centre = np.zeros((6, 49, 49), dtype=np.uint8)
    centre[:, 20:29, 20:29] = 200
    moves = [np.subtract(ndimage.center_of_mass(one), 24) for one in corrupt(centre, "off_centre", 4, seed=5)]
    assert [np.hypot(*move) for move in moves] == pytest.approx([0.18 * 49] * 6, abs=0.05)


def test_blur_is_that_of_scikit_image():
    filters = pytest.importorskip("skimage.filters")
    face = FACES[96][0]
    expected = filters.gaussian(face.astype(float), 0.03 * 96, mode="nearest", truncate=6)
    made = corrupt(face[np.newaxis], "blur", 3)[0]
    assert np.abs(made - expected).max() < 2.5
    assert np.abs(made - expected).mean() < 0.6


def test_rotation_is_that_of_scikit_image():
    transform = pytest.importorskip("skimage.transform")
    face = FACES[96][1]
    made = corrupt(face[np.newaxis], "rotation", 2)[0]
    both = [transform.rotate(face.astype(float), angle, mode="edge", preserve_range=True) for angle in (20, -20)]
    assert min(np.abs(made - one).mean() for one in both) < 1.0
    assert max(np.abs(made - one).mean() for one in both) > 5.0


def test_a_head_leans_to_one_side_in_all_strengths_and_heads_to_both():
    turned = [corrupt(FACES[48], "rotation", strength).astype(float) for strength in (2, 3)]
    mirrored = [corrupt(FACES[48], "rotation", strength, seed=1).astype(float) for strength in (2, 3)]
    apart = [np.abs(one - other).mean(axis=(1, 2)) > 0 for one, other in zip(turned, mirrored, strict=True)]
    np.testing.assert_array_equal(*apart)
    assert 0 < apart[0].sum() < len(FACES[48])


def test_a_mask_covers_the_lower_part_alone():
    made = corrupt(FACES[48], "mask", 3)
    top = 48 - round(0.35 * 48)
    np.testing.assert_array_equal(made[:, :top], FACES[48][:, :top])
    assert (made[:, top:].std(axis=(1, 2)) == 0).all()


@pytest.mark.parametrize(
    ("images", "name", "strength", "says"),
    [
        (FACES[48], "blurr", 1, "Did you mean 'blur'"),
        (FACES[48], "blur", 0, "strengths 1 to 5"),
        (FACES[48], "blur", 6, "strengths 1 to 5"),
        (FACES[48][0], "blur", 1, "shape \\(N, H, W\\)"),
        (FACES[48] / 255, "blur", 1, "uint8"),
    ],
)
def test_what_cannot_be_is_refused(images, name, strength, says):
    with pytest.raises(DataError, match=says):
        corrupt(images, name, strength)
