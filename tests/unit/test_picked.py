"""Rows that are read when they are asked for: the same as of the array, and no others in memory."""

from __future__ import annotations

import pickle
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mien.channels import with_channel_axis
from mien.datasets.cache import load_entry, save_entry
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.synthetic import draw_faces
from mien.picked import Picked

ROWS, SIDE = 4096, 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of 16 MiB."""
    images = np.random.default_rng(0).integers(0, 256, (ROWS, SIDE, SIDE), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    return tmp_path / "images.npy"


def resident_mib(path: Path) -> float:
    """How much of a file this process has in memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    found = 0
    for line in lines:
        if line.endswith(str(path)):
            found += int(next(entry for entry in lines if entry.startswith("Rss:")).split()[1])
    return found / 1024


@pytest.mark.parametrize("mode", [None, "r", "c", "r+"])
def test_the_rows_are_those_of_the_array(file, mode):
    source = np.load(file, mmap_mode=mode)
    index = np.random.default_rng(1).permutation(ROWS)[:1000]
    picked = Picked(source, index)
    assert (picked.shape, picked.ndim, picked.dtype, len(picked)) == ((1000, SIDE, SIDE), 3, np.uint8, 1000)
    order = np.random.default_rng(2).permutation(1000)
    for places in (slice(10, 74), slice(990, 2000), slice(0, 0), order[:64], order % 2 == 0):
        taken = picked[places]
        assert type(taken) is np.ndarray
        np.testing.assert_array_equal(taken, np.load(file)[index[places]])
    with_axis = picked.seen(with_channel_axis)
    assert with_axis.shape == (1000, SIDE, SIDE, 1)
    np.testing.assert_array_equal(with_axis[order][..., 0], picked.whole()[order])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(picked))[:], picked.whole())  # noqa: S301


@pytest.mark.parametrize(("index", "shared"), [(np.arange(5, 50), True), (np.arange(50, 5, -1), False)])
def test_all_rows_are_a_view_where_they_lie_side_by_side(index, shared):
    source = np.arange(400).reshape(100, 4)
    whole = Picked(source, index).whole()
    np.testing.assert_array_equal(whole, source[index])
    assert np.shares_memory(whole, source) is shared
    assert Picked(source, index[:0]).whole().shape == (0, 4)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_of_a_file_only_what_is_asked_for_is_in_memory(file):
    source = np.load(file, mmap_mode="r")
    assert resident_mib(file) < 1
    np.asarray(source).sum()
    assert resident_mib(file) > 15
    picked = Picked(source, np.arange(ROWS)[::-1]).seen(with_channel_axis)
    for start in range(0, ROWS, 64):
        picked[start : start + 64]
        assert resident_mib(file) < 1


def test_what_was_written_into_a_copy_of_the_file_stays(file):
    source = np.load(file, mmap_mode="c")
    source[7] = 3
    source.setflags(write=False)
    picked = Picked(source, np.array([7, 8]))
    for _ in range(2):
        assert (picked[:1] == 3).all()


def test_a_split_copies_no_image_of_the_cache(tmp_path):
    dataset = draw_faces(600, size=SIDE, seed=0)
    save_entry(tmp_path / "entry", dataset)
    kept = load_entry(tmp_path / "entry", name="drawn", source="here")
    tracemalloc.start()
    split = apply_protocol(kept, ProtocolSpec(roles="split"))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < kept.images.nbytes / 2
    taken = split.train.picked[np.array([5, 2])]
    np.testing.assert_array_equal(taken, dataset.images[np.isin(dataset.ids, split.train.ids)][[5, 2]])
    np.testing.assert_array_equal(split.train.images, dataset.images[np.isin(dataset.ids, split.train.ids)])
