"""Photos by address, and the parts in which the results of a large batch are kept."""

import pickle
import zipfile
from pathlib import Path

import pytest

from mien.addresses import Address, find_files, is_address
from mien.api.predicting import predict
from mien.errors import DataError, ImageError, MienError
from mien.inference.batch import find_photos
from mien.inference.parts import Parts
from mien.inference.recognizer import Recognizer

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory(photo_folder):
    """The photos of a folder, in a place that is no folder."""
    system = fsspec.filesystem("memory")
    for path in photo_folder.rglob("*.*"):
        system.pipe(f"/album/{path.relative_to(photo_folder).as_posix()}", path.read_bytes())
    system.pipe("/album/.hidden.jpg", b"")
    yield "memory://album"
    system.rm("/album", recursive=True)


@pytest.mark.parametrize(
    ("text", "so"),
    [("s3://b/a.jpg", True), ("hf://datasets/a/b", True), ("file:///a", True), ("C:/a", False), ("C://a", False)]
    + [("a.jpg", False), ("s3:/b", False), ("://", False)],
)
def test_an_address_is_told_from_a_path(text, so):
    assert is_address(text) is so


def test_a_folder_at_an_address_is_searched_as_one_here(memory, photo_folder):
    for recursive in (False, True):
        there, here = (find_photos([place], recursive=recursive) for place in (memory, photo_folder))
        assert [photo.name for photo in there] == [photo.name for photo in here]
    assert str(there[0].path) == "memory:///album/a.jpg"


def test_results_by_address_are_those_of_the_files(memory, photo_folder, bundle):
    there, here = (list(predict(place, recursive=True, bundle=bundle.source)) for place in (memory, photo_folder))
    assert [result.photo for result in there] == [
        f"memory:///album/{Path(result.photo).relative_to(photo_folder).as_posix()}" for result in here
    ]
    assert [(r.outcome, r.faces, r.notes) for r in there] == [(r.outcome, r.faces, r.notes) for r in here]
    assert {result.outcome.value for result in there} >= {"unreadable"}


def test_a_folder_within_an_archive_is_searched_as_one_here(photo_folder, bundle, tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for path in sorted(photo_folder.rglob("*.*")):
            archive.write(path, f"inside/{path.relative_to(photo_folder).as_posix()}")
    here = list(predict(photo_folder, bundle=bundle.source))
    there = list(predict(f"zip://inside::{tmp_path}/p.zip", bundle=bundle.source))
    assert [result.photo for result in there] == [
        f"zip://inside/{Path(result.photo).name}::{tmp_path}/p.zip" for result in here
    ]
    assert [(r.outcome, r.faces) for r in there] == [(r.outcome, r.faces) for r in here]
    with pytest.raises(MienError, match=r"none\.zip cannot be reached: FileNotFoundError"):
        predict(f"zip://inside::{tmp_path}/none.zip", bundle=bundle.source)


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("../../up.jpg", "up.jpg.faces.jpg"),
        ("/root.jpg", "root.jpg.faces.jpg"),
        ("a/../b.jpg", "a/b.jpg.faces.jpg"),
        ("12:30?.jpg", "12_30_.jpg.faces.jpg"),
        ("C:\\up.jpg", "C_/up.jpg.faces.jpg"),
    ],
)
def test_drawings_of_photos_at_an_address_lie_in_their_folder_under_names_of_any_system(
    portrait, bundle, tmp_path, name, drawn
):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.write(portrait, "a.jpg")
    found = [(Address(f"zip://a.jpg::{tmp_path}/p.zip"), name)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("mien.inference.batch.find_files", lambda *_, **__: found)
        list(predict("memory://album", draw=tmp_path / "drawn", bundle=bundle.source))
    files = [path for path in (tmp_path / "drawn").rglob("*") if path.is_file()]
    assert [path.relative_to(tmp_path / "drawn").as_posix() for path in files] == [drawn]


@pytest.mark.parametrize("address", ["https://example.org/a.jpg", "HTTP://example.org/album"])
def test_a_web_address_is_called_one_and_nothing_is_loaded(address, bundle, monkeypatch):
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda _: pytest.fail("it was asked for"))
    (result,) = predict(address, bundle=bundle.source)
    assert (result.photo, result.outcome) == (address, "unreadable")
    assert result.reason.startswith(f"{address} is a web address")


def test_a_photo_that_is_not_at_its_address_is_unreadable_with_a_reason(memory, bundle):
    (result,) = predict(f"{memory}/none.jpg", bundle=bundle.source)
    assert (result.photo, result.outcome) == ("memory://album/none.jpg", "unreadable")
    assert result.reason == "There is no file memory://album/none.jpg."
    with pytest.raises(ImageError, match="There is no file"):
        Address("memory://album/none.jpg").read()


@pytest.mark.parametrize(
    ("address", "why"), [("nowhere://a", "cannot be reached"), ("memory://empty", "has no photos.*recursive")]
)
def test_what_cannot_be_reached_or_is_empty_is_said_at_once(address, why):
    fsspec.filesystem("memory").makedirs("/empty", exist_ok=True)
    with pytest.raises(MienError, match=why):
        predict(address)


def test_a_file_that_has_changed_makes_another_batch(memory, bundle, tmp_path):
    system = fsspec.filesystem("memory")
    batch = iter(predict(memory, csv=tmp_path / "a.csv", bundle=bundle.source))
    next(batch)
    batch.close()
    system.pipe("/album/a.jpg", b"another one")
    with pytest.raises(MienError, match="unfinished batch of other settings or photos"):
        list(predict(memory, csv=tmp_path / "a.csv", bundle=bundle.source))


def test_a_recognizer_answers_the_same_in_another_process(bundle, portrait):
    recognizer = Recognizer(bundle, labels="six", threads=1)
    again = pickle.loads(pickle.dumps(recognizer))
    assert again.settings() == recognizer.settings()
    assert again.recognize(portrait) == recognizer.recognize(portrait)


def results_of(recognizer, photos):
    return [recognizer.recognize(photo.path).to_json() for photo in photos]


def test_parts_are_gone_on_with_and_what_is_damaged_is_named(bundle, photo_folder, tmp_path):
    photos, recognizer = find_photos([photo_folder], recursive=True), Recognizer(bundle, threads=1)
    folder = tmp_path / "parts"

    def parts(size=2):
        return Parts(folder, recognizer.settings(), photos, size=size)

    with parts() as first:
        assert len(first) == 2
        first.write(1, results_of(recognizer, first.photos(1)))
        with pytest.raises(MienError, match="Another process"):
            parts()
    with parts() as second:
        assert [second.has(0), second.has(1)] == [False, True]
        second.write(0, results_of(recognizer, second.photos(0)))
        assert [result.photo for result in second.results()] == [str(photo.path) for photo in photos]
    with pytest.raises(MienError, match="photos of a part: 2, now 3"):
        parts(3)
    part = folder / "part-000001.jsonl"
    whole = part.read_text(encoding="utf-8")
    for damaged, said in ((whole[:-20], "damaged"), (whole.split("\n", 1)[1], "of other photos")):
        part.write_text(damaged, encoding="utf-8")
        with parts() as third, pytest.raises(MienError, match=said):
            third.read(1)
    (folder / "manifest.json").unlink()
    with parts() as fourth:  # nobody knows what these were of
        assert not fourth.has(1)
        fourth.delete()
    assert not folder.exists()
    with pytest.raises(DataError, match="at least one photo"):
        parts(0)


@pytest.mark.parametrize("options", [{}, {"draw": "drawn"}, {"csv": "a.csv", "draw": "drawn"}])
def test_a_batch_on_a_cluster_goes_to_a_table_and_nowhere_else(options, photo_folder, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="give csv"):
        predict(photo_folder, on="ray", bundle=bundle.source, **options)


def test_an_address_needs_fsspec(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(MienError, match=r"mien\[scale\]"):
        find_files("memory://album", recursive=False)
