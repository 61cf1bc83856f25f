"""Drawn faces: what is promised of them, and that they show what their label says."""

import cv2
import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.datasets.synthetic import contact_sheet, draw_faces
from mien.errors import DataError
from mien.labels import EIGHT, SEVEN, SIX, LabelSet

COUNT = 420


@pytest.fixture(scope="module")
def drawn():
    return draw_faces(COUNT)


def test_a_set_has_the_form_of_any_other(drawn):
    assert drawn.images.shape == (COUNT, 48, 48)
    assert drawn.images.dtype == np.uint8
    assert drawn.label_set == SEVEN
    assert drawn.name == "drawn"
    assert "no restriction" in drawn.licence
    assert len(set(drawn.ids.tolist())) == COUNT


def test_the_same_arguments_give_the_same_faces(drawn):
    assert draw_faces(COUNT).fingerprint == drawn.fingerprint
    assert draw_faces(COUNT, seed=1).fingerprint != drawn.fingerprint


def test_a_smaller_set_is_the_beginning_of_a_larger_one(drawn):
    smaller = draw_faces(50)
    for column in ("images", "labels", "roles", "ids"):
        np.testing.assert_array_equal(getattr(smaller, column), getattr(drawn, column)[:50])


def test_no_two_faces_are_equal_even_between_seeds(drawn):
    hashes = np.concatenate([drawn.sample_hashes, draw_faces(COUNT, seed=1).sample_hashes])
    assert len(set(hashes.tolist())) == 2 * COUNT


def test_roles_have_their_shares_in_every_class(drawn):
    for label in range(len(SEVEN)):
        roles = drawn.roles[drawn.labels == label]
        assert (roles == Role.TRAIN.value).mean() == pytest.approx(0.7, abs=0.05)
        assert (roles == Role.VALIDATION.value).mean() == pytest.approx(0.15, abs=0.05)
        assert (roles == Role.TEST.value).mean() == pytest.approx(0.15, abs=0.05)


@pytest.mark.parametrize("label_set", [SIX, SEVEN, EIGHT], ids=lambda label_set: label_set.name)
def test_classes_are_mildly_uneven(label_set):
    counts = np.bincount(draw_faces(160, size=16, label_set=label_set).labels, minlength=len(label_set))
    assert counts.min() >= 5
    assert 1.5 < counts.max() / counts.min() < 4


@pytest.mark.parametrize("size", [16, 33, 48, 112, 224])
def test_any_size_shows_the_same_people(size):
    small, other = draw_faces(8, hardness=0, size=48), draw_faces(8, hardness=0, size=size)
    np.testing.assert_array_equal(other.labels, small.labels)
    assert other.size == (size, size)
    # The mean gray of a photo does not depend on how many pixels it is cut into.
    np.testing.assert_allclose(other.images.mean(axis=(1, 2)), small.images.mean(axis=(1, 2)), atol=3)


@pytest.mark.parametrize("hardness", [0.0, 1.0, 2.0])
def test_every_face_uses_the_range_of_grays(hardness):
    images = draw_faces(100, hardness=hardness, label_set=EIGHT).images.reshape(100, -1)
    assert (images.std(axis=1) > 6).all()
    assert ((images == 0) | (images == 255)).mean() < 0.25


def linear_accuracy(hardness):
    """Accuracy, on faces not trained on, of a ridge regression of the labels on histograms of oriented gradients."""
    dataset = draw_faces(700, hardness=hardness)
    histograms = cv2.HOGDescriptor((48, 48), (16, 16), (8, 8), (8, 8), 9)
    features = np.stack([histograms.compute(image).ravel() for image in dataset.images]).astype(np.float64)
    training = dataset.roles == Role.TRAIN.value
    features -= features[training].mean(axis=0)
    known, targets = features[training], np.eye(len(SEVEN))[dataset.labels[training]]
    weights = np.linalg.solve(known @ known.T + np.eye(len(known)), targets - targets.mean(axis=0))
    answers = (features[~training] @ known.T @ weights + targets.mean(axis=0)).argmax(axis=1)
    return (answers == dataset.labels[~training]).mean()


def test_faces_show_their_expression_and_hardness_hides_it():
    assert linear_accuracy(0.0) > 0.95
    assert 0.5 < linear_accuracy(1.0) < 0.8
    assert linear_accuracy(2.0) < 0.45


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"count": 0}, "At least one face must be drawn. Received: count=0"),
        ({"size": 15}, "fewer than 16 pixels a side. Received: size=15"),
        ({"seed": -1}, "seed is a whole number from 0 on"),
        ({"hardness": 2.5}, "between 0 and 2. Received: hardness=2.5"),
        ({"hardness": float("nan")}, "hardness lies between"),
        ({"label_set": LabelSet.of([])}, "without expressions"),
    ],
)
def test_impossible_arguments_are_refused(arguments, sentence):
    with pytest.raises(DataError, match=sentence):
        draw_faces(**{"count": 5, **arguments})


def test_a_contact_sheet_has_a_row_per_expression(drawn):
    sheet = contact_sheet(drawn, columns=5)
    assert sheet.dtype == np.uint8
    assert sheet.shape[0] == 7 * (48 + 2) + 2
    width = 5 * (48 + 2)
    for row in range(7):
        top = 2 + row * 50
        first = drawn.images[np.flatnonzero(drawn.labels == row)[0]]
        left = sheet.shape[1] - width
        np.testing.assert_array_equal(sheet[top : top + 48, left : left + 48], first)
        assert (sheet[top : top + 48, : left - 2] < 128).any()  # the name


def test_a_contact_sheet_leaves_places_empty_where_faces_are_few():
    sheet = contact_sheet(draw_faces(10), columns=12)
    assert (sheet[:, -48:] == 255).all()


def test_a_contact_sheet_needs_columns(drawn):
    with pytest.raises(DataError, match="Received: columns=0"):
        contact_sheet(drawn, columns=0)
