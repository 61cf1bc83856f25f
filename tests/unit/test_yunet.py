"""YuNet through onnxruntime gives what OpenCV's own reading of it gives."""

import cv2
import numpy as np
import pytest

from mien.datasets.synthetic import draw_faces
from mien.errors import MienError
from mien.images import read_image
from mien.inference.detector import Detector, _packaged_path
from mien.inference.yunet import STEP, FaceNetwork, _strips, without_overlap

SIZES = [(320, 320), (97, 130), (64, 64), (33, 200), (500, 353), (641, 480)]


@pytest.fixture(scope="module")
def network():
    return FaceNetwork(_packaged_path().read_bytes(), _packaged_path(), threads=1)


@pytest.fixture(scope="module")
def sheet(portrait):
    """Faces of three kinds and sizes, some of them close together."""
    photo = read_image(portrait).pixels
    drawn = [np.repeat(image[:, :, None], 3, axis=2) for image in draw_faces(4, size=128).images]
    small = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    return np.vstack([np.hstack([drawn[0], drawn[1], small[:128]]), np.hstack([small[64:192], drawn[2], drawn[3]])])


def opencv_finds(pixels, threshold):
    height, width = pixels.shape[:2]
    reference = cv2.FaceDetectorYN.create(str(_packaged_path()), "", (width, height), threshold, 0.3, 5000)
    _, rows = reference.detect(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return np.zeros((0, 15), np.float32) if rows is None else rows


@pytest.mark.parametrize("threshold", [0.7, 0.02])
@pytest.mark.parametrize("size", SIZES)
def test_boxes_landmarks_and_scores_are_those_of_opencv(network, sheet, size, threshold):
    pixels = cv2.resize(sheet, size, interpolation=cv2.INTER_AREA)
    expected, received = opencv_finds(pixels, threshold), network.find(pixels, threshold)
    assert expected.shape == received.shape
    assert np.allclose(expected, received, atol=2e-2)
    assert np.allclose(expected[:, 14], received[:, 14], atol=1e-4)


def test_some_faces_are_found_in_the_pictures_of_these_tests(network, sheet):
    assert len(network.find(sheet, 0.7)) >= 5


@pytest.mark.parametrize("size", [(1000, 700), (333, 1203), (100, 4096), (1120, 1120)])
def test_strips_of_a_picture_give_what_the_whole_gives(network, sheet, size, monkeypatch):
    half = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    pixels = np.tile(half, (40, 40, 1))[: size[1], : size[0]]
    received = network.find(pixels, 0.05)
    monkeypatch.setattr("mien.inference.yunet.cut", lambda *_: None)
    whole = FaceNetwork(network._model, _packaged_path(), threads=1)
    assert (len(network._parts), len(whole._parts)) == (2, 1)
    assert np.array_equal(received, whole.find(pixels, 0.05))
    assert len(received) >= 1


def test_strips_are_whole_steps_and_cover_the_picture():
    for rows, columns in [(32, 32), (1024, 1024), (4096, 64), (64, 4096), (1120, 1120), (992, 1312), (32, 4096)]:
        strips = list(_strips(rows, columns))
        assert [top for top, _ in strips] == [0, *(bottom for _, bottom in strips[:-1])]
        assert strips[-1][1] == rows
        assert all(side % STEP == 0 for strip in strips for side in strip)


def test_the_overlap_rule_is_that_of_opencv():
    random = np.random.default_rng(0)
    for _ in range(20):
        boxes = np.hstack([random.uniform(0, 60, (300, 2)), random.uniform(3, 40, (300, 2))]).astype(np.float32)
        scores = random.uniform(0.1, 1, 300).astype(np.float32)
        whole = [tuple(int(value) for value in box) for box in boxes]
        expected = cv2.dnn.NMSBoxes(whole, scores.tolist(), 0.0, 0.3, top_k=5000)
        finds = np.hstack([boxes, np.zeros((300, 10), np.float32), scores[:, None]])
        assert np.array_equal(without_overlap(finds), finds[np.asarray(expected).ravel()])


def test_a_gray_picture_is_three_equal_channels(network, sheet):
    gray = np.ascontiguousarray(sheet[:, :, 1])
    assert np.array_equal(network.find(gray, 0.1), network.find(np.repeat(gray[:, :, None], 3, axis=2), 0.1))


def test_another_network_and_one_of_a_fixed_size_are_refused(tmp_path):
    model = _packaged_path().read_bytes()
    with pytest.raises(MienError, match="320 x 640 pixels only"):
        # The last of the two sides is 320 (varint c0 02) instead of 640.
        FaceNetwork(model.replace(b"\x0a\x03\x08\x80\x05\x62", b"\x0a\x03\x08\xc0\x02\x62", 1), tmp_path / "a.onnx")
    with pytest.raises(MienError, match="is not a face detector"):
        FaceNetwork(model.replace(b"kps_16", b"pts_16"), tmp_path / "a.onnx")


def test_a_provider_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(MienError, match="no provider 'abacus'. Available: .*cpu"):
        Detector(provider="abacus")
    assert Detector(provider="CPUExecutionProvider").model == Detector(provider="cpu").model


class TakenInBetween(list):
    """Rooms of which another thread takes the last one after it was seen."""

    def __bool__(self):
        return True


def test_two_looks_that_begin_at_once_each_have_memory_of_their_own(network):
    network._rooms = TakenInBetween()
    assert network.find(np.zeros((64, 64, 3), np.uint8), 0.5).shape == (0, 15)
    assert len(network._rooms) == 1
