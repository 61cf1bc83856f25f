"""Bad input gets one clear sentence and exit code 2, and nothing is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from filelock import FileLock

from mien.cli.main import main

STUDY = """
schema = 1
name = "small"
[data]
path = "drawn:count=60,size=32"
[recipe]
epochs = 1
[[tables]]
name = "one"
rows.epochs = [1]
"""


@pytest.fixture
def mien(monkeypatch, capsys, tmp_path) -> Callable[..., tuple[int, str]]:
    """Run the command line in a folder of its own; returns exit code and what it said on standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, words)])
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        else:
            code = 0
        return code, capsys.readouterr().err

    return run


def image(path: Path, size: int = 8, value: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 255, (size, size), dtype=np.uint8)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def missing(folder: Path) -> Path:
    return folder / "missing"


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def one_class(folder: Path) -> Path:
    image(folder / "faces" / "happy" / "a.png")
    return folder / "faces"


def no_image_at_all(folder: Path) -> Path:
    for name in ("happy", "sad"):
        (folder / "faces" / name).mkdir(parents=True)
        (folder / "faces" / name / "a.jpg").write_text("no image", encoding="utf-8")
    return folder / "faces"


def unknown_label(folder: Path) -> Path:
    image(folder / "faces" / "happy" / "a.png")
    image(folder / "faces" / "hapyness" / "b.png", value=2)
    return folder / "faces"


def csv_without_labels(folder: Path) -> Path:
    (folder / "test.csv").write_text("pixels\n" + " ".join(["0"] * 2304) + "\n", encoding="utf-8")
    return folder / "test.csv"


def csv_of_wrong_size(folder: Path) -> Path:
    (folder / "train.csv").write_text("emotion,pixels\n0,1 2 3\n1,4 5 6\n", encoding="utf-8")
    return folder / "train.csv"


def damaged_zip(folder: Path) -> Path:
    (folder / "faces.zip").write_bytes(b"PK\x03\x04 no zip at all")
    return folder / "faces.zip"


@pytest.mark.parametrize(
    "make",
    [
        missing,
        empty_folder,
        one_class,
        no_image_at_all,
        unknown_label,
        csv_without_labels,
        csv_of_wrong_size,
        damaged_zip,
    ],
)
def test_a_data_set_that_cannot_be_used_is_refused_in_one_sentence(mien, tmp_path, make):
    code, said = mien("data", "describe", make(tmp_path))
    assert code == 2
    assert said.startswith("mien: ")
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("epochs = 1\n[[", "epoch = 1\n[[", "line 7"),
        ("epochs = 1\n[[", "epochs = 0\n[[", "line 7"),
        ("epochs = 1\n[[", 'backbone = "vgg61"\n[[', "vgg19"),
        ("drawn:count=60,size=32", "nowhere.csv", "nowhere.csv"),
        ("schema = 1", "schema = 99", "pip install -U mien"),
        ("[recipe]", "[recipe", "not TOML"),
    ],
)
def test_a_study_file_that_cannot_be_used_is_refused(mien, tmp_path, before, after, says):
    assert before in STUDY
    path = tmp_path / "study.toml"
    path.write_text(STUDY.replace(before, after), encoding="utf-8")
    code, said = mien("study", "plan", path)
    assert (code, said.startswith("mien: ")) == (2, True)
    assert says in said


def test_images_of_other_sizes_are_refused_when_the_study_says_so(mien, tmp_path):
    for name in ("happy", "sad"):
        image(tmp_path / "faces" / name / "a.png", value=len(name))
        image(tmp_path / "faces" / name / "b.png", size=12, value=len(name) + 1)
    text = STUDY.replace("drawn:count=60,size=32", "faces")
    (tmp_path / "study.toml").write_text(text.replace("[recipe]", 'on_mismatch = "refuse"\n[recipe]'), encoding="utf-8")
    code, said = mien("study", "plan", "study.toml")
    assert code == 2
    assert "on_mismatch" in said or "resize" in said


def test_two_tools_never_write_one_store(mien, tmp_path):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    from mien.study.store import Store

    store = Store.create(tmp_path / "store")
    with FileLock(store.folder / "store.lock"):
        code, said = mien("study", "run", "study.toml", "--output", "store")
    assert code == 2
    assert "Another process" in said


def test_a_folder_that_is_no_store_is_left_alone(mien, tmp_path):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work", encoding="utf-8")
    code, said = mien("study", "run", "study.toml", "--output", "full")
    assert code == 2
    assert "--output" in said
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("command", ["status", "report"])
def test_what_was_not_run_cannot_be_shown(mien, tmp_path, command):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    code, said = mien("study", command, "study.toml")
    assert (code, said.startswith("mien: ")) == (2, True)


@pytest.mark.parametrize("setting", ["epoch=1", "optimizer=adm", "preprocessing.zka=true", "learning_rate=fast"])
def test_a_setting_that_there_is_not_is_refused(mien, setting):
    code, said = mien("train", "drawn:count=60,size=32", "--set", setting)
    assert code == 2
    assert said.startswith("mien: ")
