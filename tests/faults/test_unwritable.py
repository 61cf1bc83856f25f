"""Folders that may not be written to, disks without room and Ctrl-C, as the kernel has them: nothing here is played.

Root may write everywhere. Where the tests run as root, the commands do without what lets it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mien

SAMPLE = Path(mien.__file__).parent / "data" / "sample.jpg"
STUDY = """
schema = 1
name = "s"
[data]
path = "drawn:count=60,size=32"
[[tables]]
name = "t"
rows.seed = [0, 1]
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="takes away from root, in Linux' way, what root may do")

# To write, read and change what permissions forbid: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER.
_MAY_ALL = (1, 2, 3)
_PR_CAPBSET_DROP = 24


def as_anyone(room: int | None = None):
    """What a process does before it becomes a command: no more than anyone may, and files of `room` bytes at most."""
    import ctypes
    import resource

    libc = ctypes.CDLL(None, use_errno=True)
    as_root = os.geteuid() == 0

    def prepare() -> None:
        if as_root:
            for power in _MAY_ALL:
                libc.prctl(_PR_CAPBSET_DROP, power, 0, 0, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what a shell begins in the background is deaf to it
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    return prepare


@pytest.fixture
def place(tmp_path):
    """A folder to work in, with a folder `closed` that may not be written to."""
    (tmp_path / "home").mkdir()
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    yield tmp_path
    closed.chmod(0o755)


def command(place: Path, *words: object, home: str = "home", room: int | None = None, **more: object):
    environment = {**os.environ, "HOME": str(place / home), "COLUMNS": "200"}
    environment.pop("XDG_CACHE_HOME", None)
    return subprocess.Popen(
        [sys.executable, "-m", "mien", *map(str, words)],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_anyone(room),
        **more,
    )


def said(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("predict", SAMPLE, "--csv", "closed/x.csv"), "closed/x.csv"),
        (("explain", SAMPLE, "--output", "closed/x.png"), "closed/x.png"),
        (("study", "run", "study.toml", "--output", "closed/store"), "closed/store"),
        (("evaluate", "default", "drawn:count=60", "--csv", "closed/x.csv"), "closed/x.csv"),
        (("notice", "--output", "closed/x.html"), "closed/x.html"),
        (("data", "convert", "drawn:count=30", "--output", "closed/faces"), "closed/faces"),
    ],
    ids=lambda value: " ".join(map(str, value[:2])) if isinstance(value, tuple) else "",
)
def test_a_folder_that_may_not_be_written_to_is_one_sentence(place, words, names):
    code, _, err = said(command(place, *words))
    assert code == 2, err
    (sentence,) = err.splitlines()  # and no test labels were opened for nothing
    assert sentence.startswith("mien: ")
    assert names in sentence
    assert "ermission denied" in sentence
    assert list((place / "closed").iterdir()) == []


@pytest.mark.parametrize("home", ["closed", "gone/home"])
def test_a_home_that_may_not_be_written_to_costs_nothing(place, home):
    code, out, err = said(command(place, "data", "describe", "drawn:count=30", home=home))
    assert (code, err) == (0, "")
    assert "drawn:count=30" in out
    code, out, err = said(command(place, "predict", SAMPLE, home=home))
    assert (code, err) == (0, "")


def test_a_cache_that_may_not_be_written_to_costs_nothing_but_time(place):
    import shutil

    (place / "faces" / "happy").mkdir(parents=True)
    (place / "faces" / "sad").mkdir()
    for number in range(3):
        for label in ("happy", "sad"):
            shutil.copy(SAMPLE, place / "faces" / label / f"{label}{number}.jpg")
    cache = place / "home" / ".cache" / "mien"
    cache.mkdir(parents=True)
    cache.chmod(0o555)
    code, out, err = said(command(place, "data", "describe", "faces"))
    cache.chmod(0o755)
    assert code == 0, err
    assert "nothing was cached" in " ".join((out + err).split())


def test_a_batch_without_room_keeps_what_it_has_and_goes_on(place):
    import shutil

    (place / "photos").mkdir()
    for number in range(4):
        shutil.copy(SAMPLE, place / "photos" / f"{number}.jpg")
    words = ("predict", "photos", "--csv", "table.csv")
    code, _, err = said(command(place, *words, room=1000))
    assert code == 2
    assert err.strip().splitlines()[-1].startswith("mien: The results cannot be written")
    assert not (place / "table.csv").exists()
    code, _, err = said(command(place, *words))
    assert code == 0, err
    again = said(command(place, "predict", "photos", "--csv", "whole.csv"))
    assert again[0] == 0
    assert (place / "table.csv").read_bytes() == (place / "whole.csv").read_bytes()


def test_figures_are_shown_though_their_table_finds_no_room(place):
    code, out, err = said(command(place, "evaluate", "default", "drawn:count=60", "--json", "--csv", "x.csv", room=50))
    assert code == 2
    assert "x.csv cannot be written" in err.splitlines()[-1]
    assert '"accuracy"' in out
    assert not [path.name for path in place.iterdir() if "csv" in path.name]


def test_ctrl_c_in_an_evaluation_is_one_sentence_and_leaves_nothing(place):
    before = sorted(place.rglob("*"))
    words = ("evaluate", "default", "drawn:count=900", "--corruptions", "--csv", "x.csv")
    process = command(place, *words, start_new_session=True)
    assert process.stderr.readline().startswith("test labels opened")
    process.send_signal(signal.SIGINT)
    code, out, err = said(process)
    assert (code, out) == (130, "")
    assert err.splitlines() == [
        "mien: stopped. Nothing was written, and the same command measures from the first image."
    ]
    assert [path for path in sorted(place.rglob("*")) if path not in before and ".cache" not in path.parts] == []
