"""Files that are written whole or not at all."""

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from mien import files
from mien.files import canonical_json, create_held, remove_abandoned, remove_held, write_json, write_text, written_whole


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "run.json"
    write_text(path, "old")

    def write_half():
        with written_whole(path) as file:
            file.write(b"half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_keeps_its_line_ends_and_letters(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "é\nsecond\r\n")
    assert path.read_bytes() == "é\nsecond\r\n".encode()


def test_json_comes_back_and_refuses_nan(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"b": [1, 2.5, None], "a": "ü"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"b": [1, 2.5, None], "a": "ü"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8"))["a"] == "ü"


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": 1, "a": [True]}) == canonical_json({"a": [True], "b": 1}) == '{"a":[true],"b":1}'


def sweeping_meets(monkeypatch, step):
    """Let `step` happen in another process just when a sweeper has opened a file and is about to lock it."""
    lock = files.lock

    def late(file):
        step()
        return lock(file)

    monkeypatch.setattr(files, "lock", late)


def test_a_file_that_its_writer_finishes_is_not_swept(tmp_path, monkeypatch):
    """A sweeper that opened the file while it was written gets its lock once the writer is through."""
    file, part = create_held(lambda: tmp_path / "a.part")

    def finish():
        (tmp_path / "a.part").rename(tmp_path / "a")
        file.close()

    sweeping_meets(monkeypatch, finish)
    remove_abandoned(part)
    assert (tmp_path / "a").exists()


def test_a_folder_that_its_writer_finishes_is_not_swept(tmp_path, monkeypatch):
    (tmp_path / "part").mkdir()
    file, _ = create_held(lambda: tmp_path / "part" / "lock")
    (tmp_path / "part" / "content").write_text("whole")
    sweeping_meets(monkeypatch, lambda: remove_held(file, tmp_path / "part" / "lock"))
    remove_abandoned(tmp_path / "part", lock_file="lock")
    assert (tmp_path / "part" / "content").read_text() == "whole"


def test_a_writer_whose_new_file_was_swept_takes_another_name(tmp_path, monkeypatch):
    names = iter([tmp_path / "a.part", tmp_path / "b.part"])
    lock = files.lock

    def late(file):
        monkeypatch.setattr(files, "lock", lock)
        remove_abandoned(tmp_path / "a.part")
        return lock(file)

    monkeypatch.setattr(files, "lock", late)
    file, path = create_held(lambda: next(names))
    file.close()
    assert path == tmp_path / "b.part"
    assert [left.name for left in tmp_path.iterdir()] == ["b.part"]


def test_a_file_that_is_held_stays_and_an_abandoned_one_goes(tmp_path):
    file, part = create_held(lambda: tmp_path / "a.part")
    remove_abandoned(part)
    assert part.exists()
    file.close()
    remove_abandoned(part)
    assert not part.exists()


@pytest.mark.parametrize(("patience_s", "refused", "whole"), [(9.0, 3, True), (0.2, 10**9, False), (0.0, 1, False)])
def test_a_file_that_is_held_open_is_replaced_a_moment_later(tmp_path, monkeypatch, patience_s, refused, whole):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(b"old")
    asked: list[Path] = []
    replace = os.replace

    def held_open(part, to):
        asked.append(to)
        if len(asked) <= refused:
            raise PermissionError(13, "The process cannot access the file", str(to))
        replace(part, to)

    monkeypatch.setattr("mien.files.os.replace", held_open)
    monkeypatch.setattr("mien.files._PATIENCE_S", patience_s)
    with nullcontext() if whole else pytest.raises(PermissionError), written_whole(path) as file:
        file.write(b"new")
    assert path.read_bytes() == (b"new" if whole else b"old")
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.npz"]


@pytest.fixture
def windows(monkeypatch):
    """Windows' way to lock a byte, which moves the place that is read from and written at."""
    locked = []

    def locking(descriptor, _mode, _count):
        locked.append(os.lseek(descriptor, 0, os.SEEK_CUR))

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    monkeypatch.setattr(sys, "platform", "win32")
    return locked


def test_a_lock_far_behind_the_content_leaves_the_place_where_it_was(tmp_path, windows):
    write_text(tmp_path / "new.txt", "hello")
    assert (tmp_path / "new.txt").read_bytes() == b"hello"
    with (tmp_path / "new.txt").open("r+b") as file:
        assert file.read(2) == b"he"
        assert files.lock(file)
        assert file.read() == b"llo"
    assert set(windows) == {1 << 40}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there")
def test_a_link_stays_one_and_the_file_that_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    target, link, above = tmp_path / "far" / "real.csv", tmp_path / "table.csv", tmp_path / "above.csv"
    target.write_bytes(b"before")
    link.symlink_to("far/real.csv")
    above.symlink_to(link)
    for name in (link, above):
        with written_whole(name) as file:
            file.write(str(name).encode())
            assert target.read_bytes() != str(name).encode()
        assert (name.is_symlink(), target.read_bytes()) == (True, str(name).encode())
    with pytest.raises(ZeroDivisionError), written_whole(link):
        _ = 1 / 0
    assert target.read_bytes() == str(above).encode()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["above.csv", "far", "real.csv", "table.csv"]


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="there are no descriptors by name")
def test_what_a_process_has_open_is_written_to_and_not_replaced(tmp_path):
    # As /dev/stdout is where a shell sends it to a file.
    with (tmp_path / "out.csv").open("ab", buffering=0) as out:
        out.write(b"said before;")
        with written_whole(Path(f"/dev/fd/{out.fileno()}")) as file:
            file.write(b"a,b")
        assert os.fstat(out.fileno()).st_nlink == 1
    assert (tmp_path / "out.csv").read_bytes() == b"said before;a,b"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
