"""The one door to all readers: choice of reader, cache, drawn faces, and the command that describes a data set."""

import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli.data import app
from mien.datasets import reading
from mien.datasets.dataset import Role
from mien.datasets.reading import READERS, read_dataset
from mien.errors import DataError
from support.field_samples import FORMS


def make_folder(root: Path) -> Path:
    rng = np.random.default_rng(5)
    for name in ("train/happy", "train/sad", "test/happy", "test/sad"):
        (root / name).mkdir(parents=True)
        for index in range(2):
            _, data = cv2.imencode(".png", rng.integers(0, 256, (6, 6), dtype=np.uint8))
            (root / name / f"{index}.png").write_bytes(data.tobytes())
    return root


def make_zip(root: Path) -> Path:
    folder = make_folder(root)
    path = root / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder).as_posix())
    return path


def make_csv(root: Path) -> Path:
    path = root / "fer2013.csv"
    path.write_text("emotion,pixels,Usage\n3,1 2 3 4,Training\n4,5 6 7 8,PrivateTest\n", encoding="utf-8")
    return path


def make_manifest(root: Path) -> Path:
    files = sorted(path.relative_to(root).as_posix() for path in make_folder(root).rglob("*.png"))
    rows = [f"{file},{file.split('/')[1]},{file.split('/')[0]}" for file in files]
    (root / "faces.csv").write_text("\n".join(["path,label,role", *rows]) + "\n", encoding="utf-8")
    return root / "faces.csv"


EXAMPLES = {"manifest": make_manifest, "folders": make_folder, "zip": make_zip, "fer2013-csv": make_csv}
EXAMPLES |= {name: lambda root, make=make: make(root).path for name, make in FORMS.values()}
WITHOUT_ROLES = {"ck-plus", "jaffe", "expw", "kdef", "ferg"}


def test_every_reader_has_an_example():
    assert set(EXAMPLES) == set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_every_reader_is_found_by_the_path_and_by_name(tmp_path, name):
    path = EXAMPLES[name](tmp_path)
    by_path = read_dataset(str(path), cache=None)
    by_name = read_dataset(path, reader=name, cache=None)
    assert by_path.fingerprint == by_name.fingerprint
    assert (by_path.count(Role.TRAIN) >= 1) is (name not in WITHOUT_ROLES)
    assert (by_path.count(Role.TEST) >= 1) is (name not in WITHOUT_ROLES)
    assert by_path.source == str(path)


@pytest.mark.parametrize("name", READERS)
def test_every_reader_is_cached_by_content(tmp_path, name, monkeypatch):
    (tmp_path / "data").mkdir()
    path, cache = EXAMPLES[name](tmp_path / "data"), tmp_path / "cache"
    first = read_dataset(path, cache=cache)
    with monkeypatch.context() as patch:
        patch.setitem(READERS, name, replace(READERS[name], read=None))  # reading again would fail
        second = read_dataset(path, cache=cache)
    assert second.fingerprint == first.fingerprint
    assert second.notes == first.notes
    assert isinstance(second.images, np.memmap)
    assert len(list(cache.iterdir())) == 1
    read_dataset(path, cache=cache, size=3)
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_entry_is_made_again_with_a_note(tmp_path):
    (tmp_path / "data").mkdir()
    path, cache = make_csv(tmp_path / "data"), tmp_path / "cache"
    first = read_dataset(path, cache=cache)
    [entry] = cache.iterdir()
    (entry / "dataset.json").write_text("{", encoding="utf-8")
    again = read_dataset(path, cache=cache)
    assert again.fingerprint == first.fingerprint
    assert "has been made again" in again.notes[-1]
    assert not read_dataset(path, cache=cache).notes


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    path = make_csv(tmp_path)
    blocked = tmp_path / "a file, not a folder"
    blocked.write_bytes(b"")
    dataset = read_dataset(path, cache=blocked / "cache")
    assert len(dataset) == 2
    assert "nothing was cached" in dataset.notes[-1]


@pytest.mark.parametrize(
    ("path", "keys", "sentence"),
    [
        ("absent", {}, "no such file or folder"),
        ("strange.xyz", {}, "not in a form that mien can read"),
        ("fer2013.csv", {"reader": "fer2013"}, "Did you mean 'fer2013-csv'"),
        ("fer2013.csv", {"votes": Path("absent.csv")}, "no file absent.csv with votes"),
        (".", {"votes": Path("fer2013.csv")}, "is not FER"),
        ("fer2013.csv", {"size": 0}, "at least 1 pixel"),
        ("fer2013.csv", {"on_mismatch": "ignore"}, "'resize' or 'refuse'"),
        ("drawn:number=3", {}, "no setting 'number'"),
        ("drawn:count=many", {}, "whole number"),
        ("drawn:labels=nine", {}, "no label set 'nine'"),
    ],
)
def test_bad_input_is_one_clear_sentence(tmp_path, monkeypatch, path, keys, sentence):
    monkeypatch.chdir(tmp_path)
    make_csv(tmp_path)
    (tmp_path / "strange.xyz").write_bytes(b"")
    with pytest.raises(DataError, match=sentence):
        read_dataset(path, cache=tmp_path / "cache", **keys)


def test_drawn_faces_are_asked_for_by_a_word(tmp_path):
    dataset = read_dataset("drawn:count=24, size=20,seed=1,labels=six", cache=tmp_path)
    assert dataset.images.shape == (24, 20, 20)
    assert dataset.label_set.name == "six"
    assert dataset.source == "drawn:count=24, size=20,seed=1,labels=six"
    again = read_dataset("drawn:count=24,seed=1,labels=six", size=20, cache=tmp_path)
    assert again.fingerprint == dataset.fingerprint
    assert again.source == "drawn:count=24,seed=1,labels=six"
    assert len(list(tmp_path.iterdir())) == 1


def test_describe_prints_tables_and_json(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "default_cache", lambda: tmp_path / "cache")
    folder = make_folder(tmp_path / "data")
    (folder / "train/happy/copy.png").write_bytes((folder / "test/sad/0.png").read_bytes())
    (folder / "train/happy/empty.png").write_bytes(b"")
    shown = CliRunner().invoke(app, ["describe", str(folder)])
    assert shown.exit_code == 0
    assert "happiness" in shown.output
    assert "1 could not be used" in shown.output
    result = CliRunner().invoke(app, ["describe", str(folder), "--json"])
    description = json.loads(result.output)
    assert description["counts"] == {
        "train": {"happiness": 3, "sadness": 2},
        "test": {"happiness": 2, "sadness": 2},
    }
    assert description["copies"] == {
        "groups": 1,
        "images": 2,
        "conflicting": 1,
        "within": {"train": 0, "test": 0},
        "across": [{"images_of": "test", "copied_in": "train", "count": 1}],
    }
    assert [problem["name"] for problem in description["problems"]] == ["train/happy/empty.png"]


def test_what_is_wrong_inside_an_archive_is_said_of_the_archive(tmp_path):
    with tarfile.open(tmp_path / "faces.tar", "w") as archive:
        for name in ("1.png", "1.cls"):
            archive.addfile(tarfile.TarInfo(f"inside/{name}"), io.BytesIO())
    with pytest.raises(DataError, match=f"^{tmp_path}/faces.tar has a file for each image"):
        read_dataset(tmp_path / "faces.tar", cache=None)
