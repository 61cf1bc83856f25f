"""Whatever is given to a command, it says one sentence and ends with a code that means something."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mien
from mien.cli.main import main
from mien.study.processes import _last_words

SAMPLE = str(Path(mien.__file__).parent / "data" / "sample.jpg")
WORDS = [
    ["predict", ""],
    ["predict", "--sample", "--csv", ""],
    ["predict", "--sample", "--csv="],
    ["predict", "--sample", "--csv", "."],
    ["predict", "--sample", "--max-megapixels", "nan"],
    ["predict", "--sample", "--max-megapixels", "inf"],
    ["predict", "--sample", "--unsure", "nan"],
    ["predict", "--sample", "--detector", "."],
    ["predict", "--sample", "--bundle", "x" * 304],
    ["predict", "--sample", "--csv", "x" * 304],
    ["study", "plan", "deep.toml"],
    ["study", "plan", "x" * 304],
    ["study", "run", "deep.toml", "--minutes", "nan"],
    ["train", "drawn", "--minutes", "inf"],
    ["train", "drawn", "--set", "epochs=" + "9" * 5000],
    ["data", "describe", "x" * 304],
    ["data", "describe", "drawn:count=" + "9" * 5000],
    ["explain", "x" * 304],
    ["explain", SAMPLE, "--output", "/"],
    ["notice", "--output", "."],
    ["evaluate", "default", "drawn:count=60", "--csv", "/"],
    ["evaluate", "default", "drawn:count=60", "--corruptions-csv", "gone/x.csv"],
    ["evaluate", "default", "drawn:count=60", "--csv", "x.csv", "--corruptions-csv", "x.csv"],
    ["data", "describe", "drawn:count=50,count=60"],
    ["data", "describe", "drawn:count=10,size=100000"],
    ["data", "describe", "circle.toml"],
    ["data", "describe", "there.toml"],
    ["data", "describe", "again.toml"],
    ["study", "plan", "zero.toml"],
    ["train", "drawn", "--set", "epochs=1", "--set", "epochs=2"],
]
FILES = {
    "deep.toml": "a = " + "[" * 3000,
    "circle.toml": '[[data.sources]]\npath = "circle.toml"\n[[data.sources]]\npath = "drawn:count=50"',
    "there.toml": '[[data.sources]]\npath = "drawn:count=50"\n[[data.sources]]\npath = "back.toml"',
    "back.toml": '[[data.sources]]\npath = "there.toml"\n[[data.sources]]\npath = "drawn:count=50"',
    "again.toml": 'path = "circle.toml"',
    "zero.toml": 'schema = 1\nname = "s"\n[data]\npath = "drawn"\n[recipe]\nbackbone = "x\\u0000.py:f"\n'
    '[[tables]]\nname = "t"\nrows.seed = [0]',
}


@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words)[:60])
def test_a_value_that_cannot_be_used_is_one_sentence_and_exit_code_2(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["mien", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err
    assert end.value.code == 2, said
    assert "Traceback" not in said
    assert "fault of mien" not in said


def test_a_photo_of_an_impossible_name_is_unreadable(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mien", "predict", "x" * 304, "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 3
    assert '"outcome": "unreadable"' in capsys.readouterr().out


def test_a_fault_of_mien_is_one_sentence_and_its_traceback_is_there_on_request(monkeypatch, capsys):
    def broken(*_, **__):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("mien.cli.main.command_line", lambda words: broken)
    for words, traceback in ([], False), (["--debug"], True):
        monkeypatch.setattr(sys, "argv", ["mien", "predict", *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr().err
        assert end.value.code == 1
        assert "a fault of mien, not of yours: ZeroDivisionError: oh. Please report it" in said
        assert ("Traceback" in said) is traceback


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("output", ["full", "closed"])
def test_an_output_that_cannot_be_written_is_said(output):
    target = "1>/dev/full" if output == "full" else "1>&-"
    command = f"'{sys.executable}' -c 'from mien.cli.main import main; main()' models list {target}"
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr.startswith("mien: ")
    assert "Traceback" not in answer.stderr


def test_an_end_of_input_is_no_ctrl_c(monkeypatch, capsys):
    def broken(words, prog_name):
        try:
            raise EOFError("cut off")
        except EOFError as error:  # as typer does
            raise SystemExit(1) from error

    monkeypatch.setattr("mien.cli.main.command_line", lambda words: broken)
    monkeypatch.setattr(sys, "argv", ["mien", "predict"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "a fault of mien, not of yours: EOFError: cut off" in capsys.readouterr().err


def test_a_worker_whose_driver_is_gone_ends_at_once():
    script = "import time; from mien.training.worker import _end_with_parent; _end_with_parent(); print(1, flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", script + "; time.sleep(60)"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdin.close()
    started = time.monotonic()
    process.wait(timeout=30)
    process.stdout.close()
    assert time.monotonic() - started < 2


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_a_killed_worker_ran_out_of_memory_only_where_the_kernel_says_so():
    assert "memory ran out" in _last_words(-signal.SIGKILL, [], out_of_memory=True)
    said = _last_words(-signal.SIGKILL, ["step 3"], out_of_memory=False)
    assert "SIGKILL" in said
    assert "memory did not run out" in said
