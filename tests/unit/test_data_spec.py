"""The one description of data: how it is made, and how its paths are resolved."""

import os
from dataclasses import asdict
from pathlib import Path, PurePath

import pytest

from mien.datasets.reading import read_dataset
from mien.datasets.spec import DataSpec
from mien.errors import DataError


def test_a_description_and_its_path_with_keys_read_the_same():
    keys = {"size": 20, "cache": None}
    by_spec = read_dataset(DataSpec(path="drawn:count=24", size=20), cache=None)
    assert by_spec.fingerprint == read_dataset("drawn:count=24", **keys).fingerprint
    assert by_spec.fingerprint == read_dataset(DataSpec(path="drawn:count=24"), **keys).fingerprint


def test_a_path_object_is_never_the_word_drawn():
    assert DataSpec.of("drawn").drawn
    assert not DataSpec.of(Path("drawn")).drawn


def test_what_stands_for_a_path_is_read_as_it(tmp_path):
    (tmp_path / "drawn").mkdir()
    (tmp_path / "votes.csv").write_text("", encoding="utf-8")
    folder, table = sorted(os.scandir(tmp_path), key=lambda entry: entry.name)
    spec = DataSpec.of(folder, votes=table)
    assert (spec.path, spec.votes) == (str(tmp_path / "drawn"), str(tmp_path / "votes.csv"))
    assert not DataSpec.of(PurePath("drawn")).drawn


def test_every_path_is_resolved_and_drawn_faces_have_none(tmp_path):
    spec = DataSpec(path="faces", votes="votes.csv", cleaning="lists/out.csv").resolved(tmp_path)
    assert (spec.path, spec.votes) == (str(tmp_path / "faces"), str(tmp_path / "votes.csv"))
    assert spec.cleaning == str(tmp_path / "lists/out.csv")
    drawn = DataSpec(path="drawn:count=3")
    assert asdict(drawn.resolved(tmp_path)) == asdict(drawn)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"sice": 3}, "Did you mean 'size'"),
        ({"size": 0}, "at least 1 pixel"),
        ({"size": "48"}, "whole number"),
        ({"size": 4.5}, "whole number"),
        ({"classes": 3}, "a text, names in turn, or a table. Received: 3"),
        ({"on_mismatch": "x"}, "'refuse'"),
    ],
)
def test_an_impossible_key_is_one_clear_sentence(keys, sentence):
    with pytest.raises(DataError, match=sentence):
        DataSpec.of("drawn", **keys)
