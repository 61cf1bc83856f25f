"""The data set's own promises: shapes, fingerprint, hashes, selection."""

from dataclasses import replace

import numpy as np
import pytest

from mien.datasets.dataset import Dataset, Role
from mien.errors import DataError
from mien.labels import SEVEN


@pytest.fixture
def dataset():
    rng = np.random.default_rng(2)
    return Dataset(
        name="made up",
        images=rng.integers(0, 256, (5, 3, 4), dtype=np.uint8),
        labels=np.array([0, 1, 2, 3, 6]),
        label_set=SEVEN,
        roles=np.array(["train", "train", "test", "", "validation"]),
        ids=np.array(list("abcde")),
        source="here",
        licence="none",
    )


def test_size_and_counts(dataset):
    assert len(dataset) == 5
    assert dataset.size == (3, 4)
    assert [dataset.count(role) for role in Role] == [2, 1, 1, 1]


def test_the_fingerprint_is_of_the_content_in_any_order(dataset):
    fingerprint = dataset.fingerprint
    assert dataset.take(np.array([4, 2, 0, 1, 3])).fingerprint == fingerprint
    renamed = replace(dataset, name="other", source="there", ids=np.array(list("vwxyz")), notes=("read",))
    assert renamed.fingerprint == fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"images": np.zeros((5, 3, 4), dtype=np.uint8)},
        {"labels": np.array([0, 1, 2, 3, 5])},
        {"roles": np.array(["train", "test", "test", "", "validation"])},
        {"votes": np.ones((5, 7))},
        {"other_votes": np.ones((5, 2))},
    ],
)
def test_the_fingerprint_changes_with_the_content(dataset, change):
    assert replace(dataset, **change).fingerprint != dataset.fingerprint


def test_equal_pixels_have_equal_hashes_in_one_shape_only(dataset):
    images = dataset.images.copy()
    images[1] = images[0]
    copied = replace(dataset, images=images)
    assert copied.sample_hashes[0] == copied.sample_hashes[1]
    assert len(set(copied.sample_hashes.tolist())) == 4
    turned = replace(dataset, images=dataset.images.reshape(5, 4, 3))
    assert turned.sample_hashes[0] != dataset.sample_hashes[0]


def test_take_keeps_the_columns_together(dataset):
    full = replace(
        dataset,
        votes=np.arange(35.0).reshape(5, 7),
        other_votes=np.arange(10.0).reshape(5, 2),
        groups=np.array(list("pqrst")),
    )
    hashes = full.sample_hashes
    taken = full.take(np.array([3, 1]))
    assert taken.ids.tolist() == ["d", "b"]
    assert taken.groups.tolist() == ["s", "q"]
    assert taken.votes[:, 0].tolist() == [21, 7]
    assert taken.other_votes[:, 0].tolist() == [6, 2]
    assert taken.sample_hashes.tolist() == hashes[[3, 1]].tolist()
    assert replace(taken).sample_hashes.tolist() == taken.sample_hashes.tolist()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"images": np.zeros((5, 3, 4))}, "uint8"),
        ({"images": np.zeros((5, 12), dtype=np.uint8)}, r"\(N, H, W\)"),
        ({"labels": np.array([0, 1])}, "5 images but 2 labels"),
        ({"labels": np.array([0, 1, 2, 3, 7])}, r"0\.\.6"),
        ({"other_votes": np.zeros((4, 2))}, "5 images but 4 other_votes"),
    ],
)
def test_columns_that_do_not_fit_are_refused(dataset, change, sentence):
    with pytest.raises(DataError, match=sentence):
        replace(dataset, **change)
