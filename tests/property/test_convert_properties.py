"""Laws of converting: a data set that is written as a manifest or as Parquet and read again is the same data set."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets.dataset import Dataset
from mien.datasets.manifest import read_manifest, write_manifest
from mien.datasets.parquet import read_parquet, write_parquet
from mien.datasets.samples import ReadOptions
from mien.labels import EIGHT, SEVEN


@st.composite
def datasets(draw):
    count = draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    voted = draw(st.booleans())
    label_set = EIGHT if voted else SEVEN
    labels = rng.integers(0, 7, count)
    labels[:2] = (0, 3)
    odd = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), max_size=8)
    return Dataset(
        name="made up",
        images=rng.integers(0, 256, (count, draw(st.integers(1, 9)), draw(st.integers(1, 9))), dtype=np.uint8),
        labels=labels,
        label_set=label_set,
        roles=rng.choice(["train", "validation", "test", ""], count).astype("U10"),
        ids=np.array([f'{n}, "{draw(odd)}"' for n in range(count)]),
        source="here",
        licence="Made up: no restriction.",
        votes=rng.integers(0, 11, (count, 8)).astype(float) if voted else None,
        other_votes=rng.integers(0, 3, (count, 2)).astype(float) if voted else None,
        groups=rng.choice(["", "a", "person, b"], count) if draw(st.booleans()) else None,
    )


FORMS = {
    "manifest": (write_manifest, read_manifest, "set"),
    "parquet": (write_parquet, read_parquet, "set.parquet"),
}


@pytest.mark.parametrize("form", FORMS)
@given(dataset=datasets())
@settings(max_examples=20, deadline=None)
def test_convert_then_read_gives_the_same_data_set(form, dataset):
    write, read_back, name = FORMS[form]
    with tempfile.TemporaryDirectory() as folder:
        write(dataset, Path(folder) / name)
        read = read_back(Path(folder) / name, ReadOptions(on_mismatch="refuse"))
    assert read.fingerprint == dataset.fingerprint
    assert read.ids.tolist() == dataset.ids.tolist()
    assert read.licence == dataset.licence
    np.testing.assert_array_equal(read.images, dataset.images)
    for votes, expected in ((read.votes, dataset.votes), (read.other_votes, dataset.other_votes)):
        np.testing.assert_array_equal(votes, expected)
    if dataset.groups is not None and (dataset.groups != "").any():
        assert read.groups.tolist() == dataset.groups.tolist()
    else:
        assert read.groups is None
    assert read.problems == read.notes == ()
