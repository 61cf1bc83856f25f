"""Cleaning lists: read, applied by a protocol, refused for another data set."""

import numpy as np
import pytest

from mien.datasets.cleaning import CleaningEntry, read_cleaning, write_cleaning
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import read_dataset
from mien.errors import DataError
from mien.study.spec import parse_study

DRAWN = "drawn:count=140,size=16"


@pytest.fixture
def plain():
    return read_dataset(DRAWN, cache=None)


def cleaned(tmp_path, ids):
    write_cleaning(tmp_path / "list.csv", [CleaningEntry(name, "for a test", "of, no consequence") for name in ids])
    return read_dataset(DRAWN, cleaning=tmp_path / "list.csv", cache=None)


def test_a_list_is_read_as_it_was_written(tmp_path):
    entries = [CleaningEntry("a,b.jpg", "copy", "c"), CleaningEntry('q"t', "constant image")]
    write_cleaning(tmp_path / "list.csv", entries)
    assert read_cleaning(tmp_path / "list.csv") == entries


def test_a_list_written_by_hand_needs_ids_alone(tmp_path):
    (tmp_path / "list.csv").write_text("id\nrow 1\n", encoding="utf-8")
    assert read_cleaning(tmp_path / "list.csv") == [CleaningEntry("row 1", "not stated")]


def test_listed_samples_are_left_out_and_the_others_keep_their_roles(tmp_path, plain):
    ids = [plain.ids[np.flatnonzero(plain.roles == role)[0]] for role in ("train", "train", "test")]
    dataset = cleaned(tmp_path, set(ids))
    assert dataset.fingerprint == plain.fingerprint
    spec = ProtocolSpec(roles="split", seed=3)
    before, after = apply_protocol(plain, spec), apply_protocol(dataset, spec)
    for role in ("train", "validation", "test"):
        kept = [name for name in getattr(before, role).ids.tolist() if name not in ids]
        assert getattr(after, role).ids.tolist() == kept
    assert "2 samples left out by the cleaning list" in after.notes
    assert after.hash != before.hash


def test_a_protocol_can_do_without_the_list(tmp_path, plain):
    dataset = cleaned(tmp_path, plain.ids[:5].tolist())
    assert apply_protocol(dataset, ProtocolSpec(clean=False)).hash == apply_protocol(plain, ProtocolSpec()).hash
    assert apply_protocol(plain, ProtocolSpec(clean=True)).hash == apply_protocol(plain, ProtocolSpec(clean=False)).hash


def test_a_study_sets_both_side_by_side():
    study = parse_study(
        'schema = 1\nname = "s"\n[data]\npath = "drawn"\ncleaning = "list.csv"\n'
        '[[tables]]\nname = "t"\nrows.protocol.clean = [false, true]\n'
    )
    assert study.data.cleaning == "list.csv"
    assert [point.changes for point in study.tables[0].rows.points] == [
        {"protocol.clean": False},
        {"protocol.clean": True},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,reason\nelsewhere.jpg,copy\n", "does not go with drawn: 1 of its 1 samples"),
        ("id,reason\ndrawn-000001,a\ndrawn-000001,b\n", "twice"),
        ("name,reason\ndrawn-000001,a\n", "no column 'id'"),
        (None, "There is no cleaning list"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path, text, said):
    if text is not None:
        (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_dataset(DRAWN, cleaning=tmp_path / "list.csv", cache=None)
