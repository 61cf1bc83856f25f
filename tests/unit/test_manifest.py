"""The manifest: its columns, its errors, and how it is recognised."""

import cv2
import numpy as np
import pytest

from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import read_dataset
from mien.errors import DataError, UnknownLabelError


@pytest.fixture
def faces(tmp_path):
    """Images 0.png … 5.png, and a function that writes a manifest about them."""
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8), dtype=np.uint8)
        (tmp_path / f"{number}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())

    def write(text, name="faces.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def read(path):
    return read_dataset(path, cache=None)


def test_path_and_label_are_enough(faces):
    dataset = read(faces("path,label\n0.png,Angry\n1.png,Suprise\n"))
    assert [dataset.label_set.expressions[label].value for label in dataset.labels] == ["anger", "surprise"]
    assert dataset.ids.tolist() == ["0.png", "1.png"]
    assert set(dataset.roles.tolist()) == {""}
    assert dataset.groups is None
    assert dataset.votes is None


def test_roles_groups_and_ids_are_kept_in_any_order_of_columns(faces):
    dataset = read(faces("\ufeffgroup, id,label,role,path\nkim,a,happy,Training,0.png\n,b,sad,val,1.png\n"))
    assert dataset.roles.tolist() == ["train", "validation"]
    assert dataset.groups.tolist() == ["kim", ""]
    assert dataset.ids.tolist() == ["a", "b"]


def test_a_folder_with_a_manifest_is_read_by_it(faces):
    table = faces("path,label\n0.png,happy\n1.png,sad\n", "manifest.csv")
    assert read(table.parent).fingerprint == read(table).fingerprint


def test_what_cannot_be_read_is_a_problem(faces):
    dataset = read(faces("path,label\n0.png,happy\n1.png,sad\nmissing.png,sad\nfaces.csv,sad\n"))
    assert len(dataset) == 2
    assert [problem.name for problem in dataset.problems] == ["missing.png", "faces.csv"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\n0.png,hapyness\n", "happiness"),
        ("path,label,role\n0.png,happy,tset\n", "Did you mean 'test'"),
        ("path,label\n,happy\n", "path is empty"),
        ("path,label\n0.png,happy\n0.png,sad\n", "different labels for 1 of 1 images"),
        ("id,path,label\na,0.png,happy\na,1.png,happy\na,1.png,sad\n", "different labels for 1 of 2"),
        ("path,label,role\n0.png,happy,train\n0.png,happy,test\n1.png,sad,test\n", "twice"),
        ("path,label\n0.png,happy\n1.png,happy\n", "one expression only"),
        ("path,label\nno.png,happy\n", "None of the 1 images"),
        ("path,label,votes:anger,votes:fear\n0.png,anger,9,x\n", "not a number"),
        ("path,label,votes:anger,votes:fear\n0.png,anger,9,-1\n", "not a number of people"),
        ("path,label,votes:angry,votes:unknown\n0.png,anger,9,1\n", "'unknown'.*in a column other_votes:unknown"),
        ("path,label,votes:anger,votes:angry\n0.png,anger,9,1\n", "two columns of the votes for anger"),
        ("path,label,votes:fear,other_votes:x,Other_Votes:X\n0.png,fear,9,1,0\n", "two columns of the votes for x"),
        ("path,label,votes:angre\n0.png,anger,9\n", "'angre' .*Did you mean 'anger'"),
    ],
)
def test_errors_name_the_cause(faces, text, said):
    with pytest.raises((DataError, UnknownLabelError), match=said):
        read(faces(text))


def test_no_split_separates_the_persons_of_a_manifest(faces):
    rows = [
        f"{n}.png,{label},{person}"
        for n, (label, person) in enumerate(zip(["happy", "sad"] * 3, "aabbcc", strict=True))
    ]
    dataset = read(faces("path,label,group\n" + "\n".join(rows) + "\n"))
    spec = ProtocolSpec(roles="split", test_fraction=0.4, validation_fraction=0.5)
    split = apply_protocol(dataset, spec)
    group_of = dict(zip(dataset.ids.tolist(), dataset.groups.tolist(), strict=True))
    sides = [{group_of[name] for name in role.ids.tolist()} for role in (split.train, split.validation, split.test)]
    assert sorted(person for side in sides for person in side) == ["a", "b", "c"]


def test_columns_of_votes_are_read_in_any_case_and_the_same_in_all_tables(faces):
    table = faces("path,label,Votes:Fear,votes:anger,OTHER_VOTES:x\n0.png,fear,9,1,2\n1.png,anger,0,8,1\n")
    dataset = read(table)
    assert dataset.votes.tolist() == [[1, 9], [8, 0]]
    assert dataset.other_votes.tolist() == [[2], [1]]
    table.unlink()
    faces("path,label,votes:fear,votes:anger\n0.png,fear,9,1\n", "train.csv")
    faces("path,label,votes:anger,votes:fear\n1.png,anger,9,1\n", "test.csv")
    with pytest.raises(DataError, match="different columns of votes"):
        read(table.parent)
