"""`mien models draw` and `show`: files where they are asked for, and one sentence where something is wrong."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytest.importorskip("keras")

from mien.cli.main import main  # noqa: E402


@pytest.fixture
def mien(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["mien", "models", *map(str, words)])
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        else:
            code = 0
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_a_diagram_is_written_in_both_forms_or_in_the_one_named(mien, tmp_path):
    code, said = mien("draw", "mien_small")
    assert code == 0, said
    assert "48 × 48 × 1" in (tmp_path / "mien_small.svg").read_text(encoding="utf-8")
    assert (tmp_path / "mien_small.png").read_bytes().startswith(b"\x89PNG")
    code, said = mien("draw", "mien_small", "--size", 64, "--output", "folder/small.svg")
    assert code == 0, said
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["small.svg"]
    assert "64 × 64 × 1" in (tmp_path / "folder" / "small.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["draw"], "Expected a backbone, or --all."),
        (["draw", "vgg16", "--all"], "Expected a backbone, or --all."),
        (["draw", "xceptoin"], "Did you mean 'xception'?"),
        (["draw", "vgg16", "--output", "vgg16.jpg"], "A diagram is a .svg or a .png file."),
        (["draw", "vgg16", "--size", "8"], "needs images of at least 32 pixels"),
        (["show", "."], "There is no network.keras in ."),
        (["show", "xceptoin"], "Did you mean 'xception'?"),
        (["show", "mien_small", "--weights", "nowhere.keras"], "There is no weight file nowhere.keras"),
        (["show", "mien_small", "--photo", "nowhere.jpg"], "nowhere.jpg"),
    ],
)
def test_what_is_wrong_is_said(mien, words, expected):
    code, said = mien(*words)
    assert code == 2
    assert expected in said


def test_a_photo_is_shown_through_a_network(mien, tmp_path, portrait):
    code, said = mien("show", "mien_small", "--photo", portrait)
    assert code == 0, said
    for name in ("filters", "maps", "preprocessing"):
        ET.parse(tmp_path / "pictures" / f"{name}.svg")
        assert (tmp_path / "pictures" / f"{name}.png").is_file()


def test_a_picture_without_a_face_is_taken_whole(mien, tmp_path):
    from PIL import Image

    Image.new("L", (60, 40), 128).save(tmp_path / "plain.png")
    code, said = mien("show", "mien_small", "--photo", "plain.png", "--output", Path("out"))
    assert code == 0, said
    assert "No face was found in plain.png" in said
    assert len(list((tmp_path / "out").iterdir())) == 6
