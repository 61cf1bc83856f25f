"""Photos that lie on their side or stand on their head, without a tag that says so."""

import io

import numpy as np
import pytest
from PIL import Image as pillow

from mien.framing import CropKind, CropRule
from mien.images import read_image
from mien.inference.crops import crop_face, roll_degrees
from mien.inference.detector import Detector, FoundFaces
from mien.inference.recognizer import Recognizer
from mien.inference.results import Outcome


@pytest.fixture(scope="module")
def detector():
    return Detector()


@pytest.fixture(scope="module")
def shipped(detector):
    return Recognizer(detector=detector, unsure=False)


@pytest.fixture(scope="module")
def photo(portrait):
    return read_image(portrait).pixels[:400, 20:500]  # not square


def lying(pixels, turned):
    """The photo that has to be turned by so many degrees, clockwise, to be upright."""
    return np.ascontiguousarray(np.rot90(pixels, turned // 90))


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_lying_photo_gets_the_label_of_the_upright_one_and_a_note(shipped, photo, turned):
    upright, result = shipped.recognize(photo), shipped.recognize(lying(photo, turned))
    assert result.notes == (f"turned by {turned}°, so that its faces are upright",)
    assert upright.notes == ()
    (expected,), (face,) = upright.faces, result.faces
    assert (result.outcome, face.label) == (Outcome.OK, expected.label)
    received, wanted = ([value for _, value in each.probabilities] for each in (face, expected))
    np.testing.assert_allclose(received, wanted, atol=0.05)


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_box_and_landmarks_are_in_the_photo_as_it_is(detector, photo, turned):
    (upright,) = detector.detect(read_image(photo))
    (face,) = detector.detect_any_way_up(read_image(lying(photo, turned))).faces
    height, width = photo.shape[:2]
    x, y = np.array([upright.box[:2], *upright.landmarks]).T
    x, y = {90: (y, width - x), 180: (width - x, height - y), 270: (height - y, x)}[turned]
    np.testing.assert_allclose(face.landmarks, np.column_stack([x, y])[1:], atol=2)
    assert np.allclose(sorted(face.box[2:]), sorted(upright.box[2:]), atol=3)
    corners = np.array([face.box[:2], np.add(face.box[:2], face.box[2:])])
    assert np.abs(corners[:, 0] - x[0]).min() < 3
    assert np.abs(corners[:, 1] - y[0]).min() < 3


@pytest.mark.parametrize("kind", CropKind)
@pytest.mark.parametrize("turned", [90, 180, 270])
def test_the_crop_is_upright_with_and_without_aligning(detector, photo, kind, turned):
    rule = CropRule(kind, margin=1.11, vertical_shift=0.0, size=48)
    (upright,) = detector.detect(read_image(photo))
    image = read_image(lying(photo, turned))
    (face,) = detector.detect_any_way_up(image).faces
    assert abs(abs(roll_degrees(face.landmarks)) - min(turned, 360 - turned)) < 15
    wanted = crop_face(read_image(photo), upright, rule).astype(float)
    assert np.abs(crop_face(image, face, rule) - wanted).mean() < 4


def test_nothing_is_turned_where_no_face_is(detector, photo):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    for pixels in (noise, np.full((300, 200), 90, dtype=np.uint8), photo[250:]):
        assert detector.detect_any_way_up(read_image(pixels)) == FoundFaces([], 0, certain=True)


def test_no_label_is_given_where_it_cannot_be_told(shipped, photo, monkeypatch):
    faces = shipped.detector.detect(read_image(photo))
    monkeypatch.setattr(shipped.detector, "detect_any_way_up", lambda _: FoundFaces(faces, 0, certain=False))
    result = shipped.recognize(photo)
    assert (result.outcome, result.faces[0].outcome, result.faces[0].label) == (Outcome.UNSURE, Outcome.UNSURE, None)
    assert "which way up" in result.reason


def test_two_sides_with_as_much_evidence_are_uncertain(detector, photo, monkeypatch):
    image = read_image(photo)
    monkeypatch.setattr("mien.inference.detector._SURELY_UPRIGHT", 1.1)
    monkeypatch.setattr(
        "mien.inference.detector._Search.evidence", lambda _, turned: {0: 0.1, 90: 0.0, 180: 0.11, 270: 0.0}[turned]
    )
    found = detector.detect_any_way_up(image)
    assert (len(found.faces), found.turned, found.certain) == (1, 0, False)
    monkeypatch.setattr(
        "mien.inference.detector._Search.evidence", lambda _, turned: {0: 0.1, 90: 0.0, 180: 0.05, 270: 0.0}[turned]
    )
    assert detector.detect_any_way_up(image).certain


def test_a_photo_is_looked_at_once_in_each_size_from_each_side(detector, photo, monkeypatch):
    large = read_image(pillow.fromarray(photo).resize((1200, 1000)).transpose(pillow.Transpose.ROTATE_90))
    looks = []
    find = detector._network.find
    monkeypatch.setattr(
        detector._network, "find", lambda picture, threshold: looks.append(picture) or find(picture, threshold)
    )
    assert detector.detect_any_way_up(large).turned == 90
    sizes = [picture.shape for picture in looks]
    # Three of the photo as it is, two from each other side, and the third from the side that is the upper one.
    assert [max(size) for size in sizes].count(max(max(size) for size in sizes)) == 2
    assert len(looks) == 3 + 2 * 3 + 1


def test_a_heic_whose_tag_says_that_it_lies_without_a_turn_of_its_own_is_turned(shipped, photo):
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = pillow.Exif()
    exif[0x0112] = 6  # the pixels are to be turned by 90 degrees
    file = io.BytesIO()
    pillow_heif.from_pillow(pillow.fromarray(lying(photo, 90))).save(file, exif=exif.tobytes(), quality=90)
    result = shipped.recognize(file.getvalue())
    assert result.faces[0].label == shipped.recognize(photo).faces[0].label
