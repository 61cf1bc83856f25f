"""The cache: whole entries, damaged entries, and entries that two processes write at once."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from mien.datasets import cache
from mien.datasets.cache import CacheEntryError, entry_name, load_entry, save_entry
from mien.datasets.dataset import Dataset, Problem
from mien.files import hash_listing
from mien.labels import SEVEN


@pytest.fixture
def dataset():
    rng = np.random.default_rng(3)
    return Dataset(
        name="made up",
        images=rng.integers(0, 256, (6, 4, 5), dtype=np.uint8),
        labels=np.arange(6),
        label_set=SEVEN,
        roles=np.array(["train"] * 3 + ["test", "validation", ""]),
        ids=np.array([f"ü {n}" for n in range(6)]),
        source="here",
        licence="none",
        votes=rng.integers(0, 9, (6, 7)).astype(float),
        other_votes=np.ones((6, 2)),
        groups=np.array(["a", "a", "", "b", "", ""]),
        notes=("one",),
        problems=(Problem("x.jpg", "It is empty."),),
    )


def test_an_entry_gives_back_what_was_saved(tmp_path, dataset):
    entry = tmp_path / "entry"
    assert load_entry(entry, name="n", source="s") is None
    save_entry(entry, dataset)
    loaded = load_entry(entry, name="made up", source="there")
    for column in ("images", "labels", "roles", "ids", "votes", "other_votes", "groups", "sample_hashes"):
        np.testing.assert_array_equal(getattr(loaded, column), getattr(dataset, column))
    for value in ("name", "label_set", "licence", "notes", "problems", "fingerprint"):
        assert getattr(loaded, value) == getattr(dataset, value)
    assert loaded.source == "there"
    assert isinstance(loaded.images, np.memmap)
    recomputed = replace(loaded)
    assert recomputed.fingerprint == dataset.fingerprint


def damage_json(entry):
    (entry / "dataset.json").write_text("{", encoding="utf-8")


def damage_schema(entry):
    about = json.loads((entry / "dataset.json").read_text(encoding="utf-8"))
    (entry / "dataset.json").write_text(json.dumps({**about, "schema": 99}), encoding="utf-8")


def damage_images(entry):
    data = (entry / "images.npy").read_bytes()
    (entry / "images.npy").write_bytes(data[:-1])


def damage_samples(entry):
    data = bytearray((entry / "samples.npz").read_bytes())
    data[len(data) // 3] ^= 0xFF
    (entry / "samples.npz").write_bytes(data)


def lose_images(entry):
    (entry / "images.npy").unlink()


@pytest.mark.parametrize("damage", [damage_json, damage_schema, damage_images, damage_samples, lose_images])
def test_a_damaged_entry_is_told_and_replaced(tmp_path, dataset, damage):
    entry = tmp_path / "entry"
    save_entry(entry, dataset)
    damage(entry)
    with pytest.raises(CacheEntryError):
        load_entry(entry, name="n", source="s")
    save_entry(entry, dataset)
    assert load_entry(entry, name="n", source="s").fingerprint == dataset.fingerprint


def test_a_failed_write_leaves_nothing(tmp_path, dataset, monkeypatch):
    def full_disk(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_entry(tmp_path / "entry", dataset)
    assert list(tmp_path.iterdir()) == []


def test_writers_of_one_entry_do_not_disturb_each_other(tmp_path, dataset):
    errors = []

    def write():
        try:
            for _ in range(5):
                save_entry(tmp_path / "entry", dataset)
                assert load_entry(tmp_path / "entry", name="n", source="s").fingerprint == dataset.fingerprint
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_names_depend_on_the_settings_and_listings_on_the_files(tmp_path):
    assert entry_name({"size": 1}) != entry_name({"size": 2})
    (tmp_path / "a").write_bytes(b"1")
    before = hash_listing(tmp_path, ["a"])
    assert hash_listing(tmp_path, ["a"]) == before
    (tmp_path / "a").write_bytes(b"12")
    assert hash_listing(tmp_path, ["a"]) != before
    (tmp_path / "a").unlink()
    missing = hash_listing(tmp_path, ["a"])
    (tmp_path / "a").write_bytes(b"")
    assert hash_listing(tmp_path, ["a"]) not in (before, missing)
