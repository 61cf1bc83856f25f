"""`mien` itself: which command a start calls, and what it says where there is no such command."""

import io
import sys

import pytest
from typer.testing import CliRunner

from mien.cli.console import open_console
from mien.cli.main import command_line, expanded, write_any_letter


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--version"], 0, "mien "),
        (["prdict", "photo.jpg"], 2, "Did you mean 'predict'?"),
        (["--verbose", "predict"], 2, "No such option: --verbose"),
        (["predict", "study", "--help"], 0, "Usage: mien predict"),
    ],
)
def test_every_start_is_answered_as_if_all_commands_were_there(words, code, message):
    results = [CliRunner().invoke(command_line(given), words, prog_name="mien") for given in (words, [])]
    assert [result.exit_code for result in results] == [code, code]
    assert message in results[0].output
    assert results[0].output == results[1].output


@pytest.mark.parametrize(("columns", "width"), [(None, 200), ("", 200), ("wide", 200), ("100", 100)])
def test_what_goes_to_no_terminal_is_not_broken_at_the_width_of_one(monkeypatch, columns, width):
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert open_console().width == width
    assert open_console(stderr=True).width == width


def test_patterns_are_expanded_where_no_shell_does_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.jpg", "a [1].jpg", "note.txt"):
        (tmp_path / name).touch()
    words = ["predict", "*.jpg", "a [1]*", "none*.png", "--labels=six*", "s3://b/*.jpg"]
    monkeypatch.setattr(sys, "platform", "linux")
    assert expanded(words) == words
    monkeypatch.setattr(sys, "platform", "win32")
    found = ["a [1].jpg", "a.jpg", "b.jpg", "a [1].jpg"]
    assert expanded(words) == ["predict", *found, "none*.png", "--labels=six*", "s3://b/*.jpg"]


@pytest.mark.parametrize(("encoding", "written"), [("cp1252", "\\u0444é"), ("ascii", "\\u0444\\xe9"), ("utf-8", "фé")])
def test_letters_that_an_output_cannot_hold_end_no_command(encoding, written):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    write_any_letter(stream)
    stream.write("фé")
    stream.flush()
    assert raw.getvalue().decode(encoding) == written
