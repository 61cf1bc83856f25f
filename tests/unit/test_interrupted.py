"""Ctrl-C is Ctrl-C, also where a library makes an error of its own of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mien.cli import main as command
from mien.errors import MienError
from mien.inference import runtime

# What a module of pybind11 does that meets Ctrl-C while it loads.
INTERRUPTED = """
try:
    raise KeyboardInterrupt
except KeyboardInterrupt as stop:
    raise ImportError("initialization failed") from stop
"""


def test_a_network_whose_runtime_was_stopped_while_it_loaded_is_not_called_damaged(monkeypatch, tmp_path: Path):
    (tmp_path / "onnxruntime.py").write_text(INTERRUPTED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(KeyboardInterrupt):
        runtime.start(b"")
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no such library')", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(ImportError, match="no such library"):
        runtime.start(b"")


def of_a_library():
    exec(INTERRUPTED)


def of_ours():
    try:
        exec(INTERRUPTED)
    except ImportError as error:
        raise MienError("The model does not load: initialization failed") from error


def plain():
    raise KeyboardInterrupt("Nothing is lost.")


def another():
    raise MienError("A word is empty.") from ValueError("no word")


@pytest.mark.parametrize(("raises", "code"), [(of_a_library, 130), (of_ours, 130), (plain, 130), (another, 2)])
def test_the_command_ends_as_stopped_whatever_became_of_the_interrupt(monkeypatch, capsys, raises, code):
    monkeypatch.setattr(command, "command_line", lambda words: raises())
    monkeypatch.setattr(sys, "argv", ["mien", "predict", "--sample"])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == code
    assert ("stopped" in capsys.readouterr().err) == (code == 130)


def test_what_goes_wrong_after_an_interrupt_is_told(monkeypatch, capsys):
    def stopped(words):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise MienError("The checkpoint cannot be written.")  # noqa: B904 - as a clean-up does

    monkeypatch.setattr(command, "command_line", stopped)
    monkeypatch.setattr(sys, "argv", ["mien", "predict", "--sample"])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == 2
    assert "The checkpoint cannot be written." in capsys.readouterr().err
