"""`mien data get`: nothing without consent, nothing half-way, nothing outside the folder, and counts are checked."""

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import sys
import tarfile
import threading
import types
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mien.cli.main import main
from mien.datasets import getting, known
from mien.datasets.dataset import Role
from mien.datasets.download import download, shown_url
from mien.datasets.getting import check_copy, get_dataset
from mien.datasets.known import KnownSet
from mien.datasets.sources import SOURCES
from mien.errors import DataError, MissingExtraError
from mien.labels import SEVEN

COUNTS = {Role.TRAIN: 3, Role.VALIDATION: 1, Role.TEST: 1}
USAGES = {Role.TRAIN: "Training", Role.VALIDATION: "PublicTest", Role.TEST: "PrivateTest"}
SMALL = KnownSet("FER2013", {role: dict.fromkeys(SEVEN.expressions, n) for role, n in COUNTS.items()}, "made up")
VOTES_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def table() -> bytes:
    """A table of FER2013's form with a few rows of each expression."""
    rng = np.random.default_rng(0)
    lines = ["emotion,pixels,Usage"]
    for role, count in COUNTS.items():
        for emotion in range(7):
            for _ in range(count):
                pixels = " ".join(map(str, rng.integers(0, 256, 36).tolist()))
                lines.append(f"{emotion},{pixels},{USAGES[role]}")
    return ("\n".join(lines) + "\n").encode()


TABLE = table()
VOTES = "\n".join(
    [VOTES_HEADER] + [f"{USAGES[role]},a.png,10,0,0,0,0,0,0,0,0,0" for role, n in COUNTS.items() for _ in range(7 * n)]
).encode()


@pytest.fixture(autouse=True)
def small_world(monkeypatch, tmp_path):
    """FER2013 has 35 images here, so that a complete copy is quick to make and to read."""
    monkeypatch.setattr(known, "KNOWN_SETS", (SMALL,))
    monkeypatch.setattr(getting, "KNOWN_SETS", (SMALL,))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@dataclass
class Server:
    """What the server sends, and what it was asked."""

    content: bytes = TABLE
    kind: str = "text/csv"
    tag: str = '"one"'
    status: int = 200
    ranges: bool = True
    says_length: bool = True
    wrong_place: int = 0
    cut_after: int | None = None
    repeats_tag: bool = True
    address: str = ""
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
            state.asked.append((wanted, condition))
            content, start = state.content, 0
            if state.ranges and wanted and condition in (None, state.tag):
                start = int(wanted.removeprefix("bytes=").rstrip("-")) + state.wrong_place
            if start > len(content):
                self.send_response(416)
                self.end_headers()
                return
            self.send_response(206 if start else state.status)
            self.send_header("Content-Type", state.kind)
            if state.tag and (state.repeats_tag or not start):
                self.send_header("ETag", state.tag)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if state.says_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : state.cut_after])

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.address = f"http://127.0.0.1:{running.server_address[1]}/some/fer2013.csv"
        thread = threading.Thread(
            target=running.serve_forever, args=(0.01,), daemon=True
        )  # seconds until it sees its end
        thread.start()
        yield state
        running.shutdown()
        thread.join()


@pytest.fixture
def mien(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["mien", "data", "get", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr()

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- the download ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_arrives_whole(server, tmp_path, says_length):
    server.says_length = says_length
    moved = []
    download(server.address, tmp_path / "a.csv", progress=lambda done, total: moved.append((done, total)))
    assert (tmp_path / "a.csv").read_bytes() == TABLE
    assert names(tmp_path) == ["a.csv"]
    assert moved[-1:] == ([(len(TABLE), len(TABLE))] if says_length else [])


def cut(server, target):
    server.cut_after = len(TABLE) // 2
    with pytest.raises(DataError, match="broke off"):
        download(server.address, target)
    server.cut_after = None
    assert not target.exists()
    part = target.with_name(target.name + ".part")
    assert part.read_bytes() == TABLE[: len(TABLE) // 2]
    return part


def test_what_was_cut_half_way_goes_on_and_gives_the_same_bytes(server, tmp_path):
    cut(server, tmp_path / "a.csv")
    download(server.address, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == TABLE
    assert server.asked == [(None, None), (f"bytes={len(TABLE) // 2}-", '"one"')]
    assert names(tmp_path) == ["a.csv"]


def test_a_part_without_a_tag_goes_on_under_the_tag_of_the_whole(server, tmp_path):
    server.repeats_tag = False
    cut(server, tmp_path / "a.csv")
    server.cut_after = len(TABLE) * 3 // 4
    with pytest.raises(DataError, match="broke off"):
        download(server.address, tmp_path / "a.csv")
    server.cut_after, server.tag, server.content = None, '"two"', TABLE[::-1]
    download(server.address, tmp_path / "a.csv")
    assert server.asked[-1][1] == '"one"'
    assert (tmp_path / "a.csv").read_bytes() == TABLE[::-1]


def test_a_stop_before_the_first_byte_of_a_changed_file_mixes_nothing(server, tmp_path, monkeypatch):
    part = cut(server, tmp_path / "a.csv")
    server.tag, server.content = '"two"', TABLE[::-1]

    def stop(path, mode="r", *words, **named):
        if path == part and mode == "wb":
            raise KeyboardInterrupt
        return open(path, mode, *words, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", stop)
        with pytest.raises(KeyboardInterrupt):
            download(server.address, tmp_path / "a.csv")
    download(server.address, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == TABLE[::-1]


def test_what_is_flushed_to_the_disk_is_open_for_writing(server, tmp_path, monkeypatch):
    # Windows refuses to flush a file that is open for reading; so does this.
    monkeypatch.setattr("mien.datasets.download.os.fsync", lambda number: os.write(number, b""))
    download(server.address, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == TABLE


OTHER = {
    "no_ranges": {"ranges": False},
    "changed": {"tag": '"two"', "content": TABLE[::-1]},
    "shorter": {"content": TABLE[:100]},
    "wrong_place": {"wrong_place": 5},
    "no_tag_and_another_length": {"tag": "", "content": TABLE + b"more"},
}


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_what_cannot_be_gone_on_with_starts_over(server, tmp_path, change):
    if change.get("tag") == "":
        server.tag = ""
    cut(server, tmp_path / "a.csv")
    for name, value in change.items():
        setattr(server, name, value)
    download(server.address, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == server.content


@pytest.mark.parametrize("damage", ["other_address", "no_note", "bad_note"])
def test_a_part_of_something_else_is_not_gone_on_with(server, tmp_path, damage):
    part = cut(server, tmp_path / "a.csv")
    note = part.with_name(part.name + ".json")
    if damage == "no_note":
        note.unlink()
    elif damage == "bad_note":
        note.write_text("[1]", encoding="utf-8")
    download(server.address + ("?other" if damage == "other_address" else ""), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == TABLE
    assert server.asked[-1] == (None, None)


def test_an_address_that_may_hold_a_secret_is_neither_kept_nor_shown(server, tmp_path):
    server.address += "?token=secret"
    part = cut(server, tmp_path / "a.csv")
    assert "secret" not in part.with_name(part.name + ".json").read_text(encoding="utf-8")
    server.status = 403
    server.ranges = False
    with pytest.raises(DataError) as caught:
        download(server.address, tmp_path / "a.csv")
    assert "403" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.org/b", "fer2013.csv", "http://", "http://[x/a"])
def test_only_addresses_of_the_web_are_fetched(url):
    with pytest.raises(DataError, match="begins with http"):
        shown_url(url)


def test_a_password_in_an_address_is_refused():
    with pytest.raises(DataError, match="password") as caught:
        shown_url("https://me:hidden@a.org/b")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"status": 404}, "answers 404"),
        ({"kind": "text/html"}, "web page"),
        ({"content": b"\n<!DOCTYPE html><p>Sign in"}, "web page"),
        ({"content": b""}, "answered with nothing"),
        ({"status": 206}, "a part of the file where the whole"),
    ],
)
def test_what_is_no_file_is_refused_and_leaves_nothing(server, tmp_path, change, sentence):
    for name, value in change.items():
        setattr(server, name, value)
    with pytest.raises(DataError, match=sentence):
        download(server.address, tmp_path / "a.csv")
    assert names(tmp_path) == []


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_that_is_too_long_is_refused(server, tmp_path, says_length):
    server.says_length = says_length
    with pytest.raises(DataError, match="at most"):
        download(server.address, tmp_path / "a.csv", most_bytes=100)
    assert not (tmp_path / "a.csv").exists()


def test_a_server_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot be reached"):
        download("http://127.0.0.1:9/a.csv", tmp_path / "a.csv", timeout_s=5)


# --- files and archives ------------------------------------------------------------------------------------------


def tar_of(path: Path, *members: tuple[str, bytes | None]) -> Path:
    """A packed archive; a member without content is a link to /etc/passwd."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content or b""))
    return path


def zip_of(path: Path, *members: tuple[str, bytes | None]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            if content is None:
                info.external_attr = 0o120777 << 16
            archive.writestr(info, content or b"/etc/passwd")
    return path


@pytest.mark.parametrize("pack", [tar_of, zip_of])
@pytest.mark.parametrize("inside", ["fer2013/fer2013.csv", "../../fer2013.csv", "/fer2013.csv", "..\\fer2013.csv"])
def test_an_archive_gives_its_table_and_writes_nowhere_else(tmp_path, pack, inside):
    given = pack(tmp_path / "given", ("fer2013/README", b"read me"), (inside, TABLE))
    output = tmp_path / "in" / "data"
    path = get_dataset(SOURCES["fer2013"], output, file=given)
    assert path == output / "fer2013.csv"
    assert path.read_bytes() == TABLE
    assert names(output) == ["fer2013.csv"]
    assert names(tmp_path / "in") == ["data"]
    assert check_copy(SOURCES["fer2013"], path).fits


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_a_link_in_an_archive_is_not_followed(tmp_path, pack):
    given = pack(tmp_path / "given", ("fer2013.csv", None))
    with pytest.raises(DataError, match="holds none of"):
        get_dataset(SOURCES["fer2013"], tmp_path / "data", file=given)
    assert names(tmp_path / "data") == []


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, pack):
    given = pack(tmp_path / "given", ("fer2013.csv", b"0" * 10_000_000))
    with pytest.raises(DataError, match="at most"):
        get_dataset(SOURCES["fer2013"], tmp_path / "data", file=given, most_bytes=1_000_000)
    assert names(tmp_path / "data") == []


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_a_damaged_archive_is_refused(tmp_path, pack):
    given = pack(tmp_path / "given", ("fer2013.csv", np.random.default_rng(0).bytes(100_000)))
    data = given.read_bytes()
    # A zip has its list of members at the end: damage in the middle; a tar that is cut off has lost its end.
    given.write_bytes(data[:50_000] + (bytes(100) + data[50_100:] if pack is zip_of else b""))
    with pytest.raises(DataError, match=r"given"):
        get_dataset(SOURCES["fer2013"], tmp_path / "data", file=given)
    assert names(tmp_path / "data") == []


PACKED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("place", [60, 0.5, -6])
@pytest.mark.parametrize("damage", ["cut off", "overwritten"])
def test_a_damaged_packed_archive_never_passes_for_the_table(tmp_path, packed, place, damage):
    whole = PACKED[packed](gzip.decompress(tar_of(tmp_path / "a.tar.gz", ("fer2013.csv", TABLE)).read_bytes()))
    place = int(len(whole) * place) if isinstance(place, float) else place % len(whole)
    rest = b"" if damage == "cut off" else bytes(byte ^ 0xFF for byte in whole[place : place + 4]) + whole[place + 4 :]
    given = tmp_path / f"given.tar.{packed}"
    given.write_bytes(whole[:place] + rest)
    # What is damaged at its start is not known for an archive and copied as it is; the check finds it.
    with contextlib.suppress(DataError):
        assert not check_copy(SOURCES["fer2013"], get_dataset(SOURCES["fer2013"], tmp_path / "data", file=given)).fits
    assert "fer2013.csv" not in names(tmp_path / "data")


@pytest.mark.parametrize("output", ["given/data", "given"])
def test_a_folder_is_not_copied_into_itself(tmp_path, output):
    (tmp_path / "given" / "happy").mkdir(parents=True)
    with pytest.raises(DataError, match="copied into itself"):
        get_dataset(SOURCES["fer2013-folders"], tmp_path / output, file=tmp_path / "given")
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_that_is_given_is_copied_and_nothing_is_overwritten(tmp_path):
    given = tmp_path / "fer2013.csv.gz"
    given.write_bytes(gzip.compress(TABLE))
    path = get_dataset(SOURCES["fer2013"], tmp_path / "data", file=given)
    assert path.read_bytes() == given.read_bytes()
    assert check_copy(SOURCES["fer2013"], path).fits
    assert get_dataset(SOURCES["fer2013"], tmp_path / "data", file=path) == path
    with pytest.raises(DataError, match="there already"):
        get_dataset(SOURCES["fer2013"], tmp_path / "data", file=given)
    with pytest.raises(DataError, match="no file or folder"):
        get_dataset(SOURCES["fer2013"], tmp_path / "data", file=tmp_path / "absent.csv")


def faces(folder: Path) -> Path:
    from mien.images import png_bytes

    rng = np.random.default_rng(0)
    for role, count in COUNTS.items():
        for expression in SEVEN.expressions:
            for number in range(count):
                path = folder / role.value / expression.value / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(png_bytes(rng.integers(0, 256, (8, 8), dtype=np.uint8)))
    return folder


def test_a_folder_of_images_is_copied_without_its_links(tmp_path):
    given = faces(tmp_path / "faces")
    (given / "train" / "happiness" / "link.png").symlink_to("/etc/passwd")
    path = get_dataset(SOURCES["fer2013-folders"], tmp_path / "data", file=given)
    assert path == tmp_path / "data" / "fer2013-folders"
    assert not (path / "train" / "happiness" / "link.png").exists()
    assert check_copy(SOURCES["fer2013-folders"], path).fits
    assert names(tmp_path / "data") == ["fer2013-folders"]
    with pytest.raises(DataError, match=r"no \.zip"):
        get_dataset(SOURCES["fer2013-folders"], tmp_path / "data", file=given / "train" / "happiness" / "0.png")


# --- the check ---------------------------------------------------------------------------------------------------


def test_a_missing_row_is_named(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(b"\n".join(TABLE.splitlines()[:-1]) + b"\n")
    checked = check_copy(SOURCES["fer2013"], path)
    assert not checked.fits
    assert "test, neutral: 0 images where 1 are known." in checked.lines


def test_another_set_and_no_set_are_named(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(b"\n".join(TABLE.splitlines()[:5]) + b"\n" + TABLE.splitlines()[5] + b"\n")
    assert not check_copy(SOURCES["fer2013"], path).fits
    path.write_text("hello\n", encoding="utf-8")
    [line] = check_copy(SOURCES["fer2013"], path).lines
    assert line.startswith("It cannot be read")


def test_a_published_file_is_known_by_its_bytes(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(TABLE)
    source = SOURCES["fer2013"]
    assert any("Its bytes are not" in line for line in check_copy(source, path).lines)
    source = replace(source, checksums={hashlib.md5(TABLE).hexdigest(): "fer2013.csv"})
    assert any("byte for byte" in line for line in check_copy(source, path).lines)


def test_votes_are_counted_by_role(tmp_path):
    path = tmp_path / "fer2013new.csv"
    path.write_bytes(VOTES)
    assert check_copy(SOURCES["fer2013-plus-votes"], path).fits
    path.write_bytes(b"\n".join(VOTES.splitlines()[:-1]))
    checked = check_copy(SOURCES["fer2013-plus-votes"], path)
    assert not checked.fits
    assert checked.lines == ("It has 6 rows of votes for test where 7 are known.",)
    path.write_bytes(TABLE)
    assert not check_copy(SOURCES["fer2013-plus-votes"], path).fits


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_source_says_where_it_is_from_and_how_it_is_checked(source):
    assert source.place.startswith("https://")
    assert source.licence
    assert source.origin
    assert (source.form == "votes") or source.known
    assert (source.form == "images") != bool(source.files)


# --- Kaggle ------------------------------------------------------------------------------------------------------


class ForbiddenError(Exception):
    """As requests raises it: with the answer, and with words that hold a signed address."""

    response = types.SimpleNamespace(status_code=403)


@pytest.fixture
def kaggle(monkeypatch, tmp_path):
    """A kagglehub that hands out what is put into its folder."""
    module = types.ModuleType("kagglehub")
    folder = tmp_path / "kaggle"
    folder.mkdir()
    calls = []

    def competition_download(handle, path=None):
        calls.append((handle, path))
        if not (folder / path).exists():
            raise ForbiddenError("403 for https://storage/x?signature=secret")
        return str(folder / path)

    def dataset_download(handle, path=None):
        calls.append((handle, path))
        return str(folder)

    module.competition_download, module.dataset_download = competition_download, dataset_download
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    return folder, calls


def test_fer2013_comes_from_the_challenge(kaggle, tmp_path):
    folder, calls = kaggle
    tar_of(folder / "fer2013.tar.gz", ("fer2013/fer2013.csv", TABLE))
    path = get_dataset(SOURCES["fer2013"], tmp_path / "data")
    assert path.read_bytes() == TABLE
    assert calls == [
        ("challenges-in-representation-learning-facial-expression-recognition-challenge", "fer2013.tar.gz")
    ]
    assert (folder / "fer2013.tar.gz").exists()


def test_folders_come_from_a_data_set(kaggle, tmp_path):
    folder, calls = kaggle
    faces(folder)
    path = get_dataset(SOURCES["fer2013-folders"], tmp_path / "data")
    assert check_copy(SOURCES["fer2013-folders"], path).fits
    assert calls == [("msambare/fer2013", None)]


def test_a_refusal_of_kaggle_says_what_to_do_and_no_secret(kaggle, tmp_path):
    with pytest.raises(DataError, match=r"403.*accept the rules at https://www\.kaggle\.com") as caught:
        get_dataset(SOURCES["fer2013"], tmp_path / "data")
    assert "secret" not in str(caught.value)


def test_kagglehub_is_optional(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MissingExtraError, match=r"mien\[get\]"):
        get_dataset(SOURCES["fer2013"], tmp_path / "data")


# --- the command -------------------------------------------------------------------------------------------------


def test_the_terms_come_first_and_nothing_is_fetched_without_consent(mien, server, tmp_path):
    code, said = mien("fer2013", "--url", server.address)
    assert code == 2
    assert "image rights are unresolved" in said.out
    assert "127.0.0.1" in said.out
    assert "--yes" in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert server.asked == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
def test_a_person_at_a_terminal_is_asked(mien, server, monkeypatch, answer, code):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *words: answer)
    assert mien("fer2013", "--url", server.address)[0] == code
    assert bool(server.asked) == answer


def test_a_complete_copy_ends_well(mien, server, tmp_path):
    code, said = mien("fer2013", "--url", server.address, "--yes", "--output", "here")
    assert code == 0, said.err
    assert "complete" in said.out
    assert "mien data describe" in said.out
    assert names(tmp_path / "here") == ["fer2013.csv"]


def test_an_archive_behind_an_address_is_unpacked(mien, server, tmp_path):
    server.content = tar_of(tmp_path / "a.tgz", ("fer2013/fer2013.csv", TABLE)).read_bytes()
    server.address = server.address.replace("fer2013.csv", "fer2013.tar.gz")
    assert mien("fer2013", "--url", server.address, "--yes")[0] == 0
    assert names(tmp_path / "data") == ["fer2013.csv"]


def test_wrong_content_stays_and_the_code_says_so(mien, server, tmp_path):
    server.content = b"name,age\nx,3\n"
    code, said = mien("fer2013", "--url", server.address, "--yes")
    assert code == 1
    assert "NOT what was expected" in said.out
    assert (tmp_path / "data" / "fer2013.csv").read_bytes() == server.content


def test_a_strange_name_in_an_address_is_not_used(server, tmp_path):
    server.address = server.address.replace("fer2013.csv", "..%2F..%2Fevil.sh")
    assert get_dataset(SOURCES["fer2013"], tmp_path / "data", url=server.address).name == "fer2013.csv"


def test_a_given_file_needs_no_consent(mien, tmp_path):
    (tmp_path / "fer2013.csv").write_bytes(TABLE)
    assert mien("fer2013", "--file", "fer2013.csv")[0] == 0


def test_the_sets_are_listed_and_a_wrong_name_is_near_one(mien):
    code, said = mien()
    assert code == 0
    assert all(name in said.out for name in SOURCES)
    code, said = mien("fer2014")
    assert code == 2
    assert "Did you mean 'fer2013'?" in said.err
    assert mien("fer2013", "--url", "http://a.org/b", "--file", "c")[0] == 2
