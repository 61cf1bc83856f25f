"""Data sets that declare more than they hold, or name what is not theirs."""

import contextlib
import os
import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest

from mien.bundle import load_bundle
from mien.datasets import folders, pixels, samples
from mien.datasets.reading import read_dataset
from mien.errors import BundleError, DataError, ImageError, StudyFileError
from mien.images import png_bytes
from mien.study.spec import parse_study


def png_that_claims(width, height):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def face(number, size=16):
    return png_bytes(np.random.default_rng(number).integers(0, 255, (size, size), dtype=np.uint8))


@pytest.fixture
def faces(tmp_path):
    for number, label in enumerate(("happy", "sad", "happy", "sad")):
        (tmp_path / "faces" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "faces" / label / f"{number}.png").write_bytes(face(number))
    return tmp_path / "faces"


def read(path, **keys):
    return read_dataset(path, cache=None, **keys)


def test_a_picture_of_900_megapixels_is_listed(faces):
    (faces / "sad" / "huge.png").write_bytes(png_that_claims(30_000, 30_000))
    dataset = read(faces)
    assert len(dataset) == 4
    assert [(p.name, "more than the limit" in p.reason) for p in dataset.problems] == [("sad/huge.png", True)]


@pytest.mark.parametrize("place", [8, -12])  # the length of the first chunk, or of the last
def test_a_png_whose_chunks_claim_more_than_the_file_holds_is_not_for_opencv(monkeypatch, place):
    whole = face(1)
    damaged = bytearray(whole)
    struct.pack_into(">I", damaged, place % len(whole), 1000)
    handed = []
    plain = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda data, flags: (handed.append(bytes(data)), plain(data, flags))[1])
    pixels.decode_image(whole)
    with contextlib.suppress(ImageError):
        pixels.decode_image(bytes(damaged))
    assert handed == [whole]


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_too_large_is_listed_and_not_unpacked(faces, tmp_path, monkeypatch, packed):
    monkeypatch.setattr(folders, "LARGEST_FILE_BYTES", 2000)
    (faces / "sad" / "large.png").write_bytes(face(9) + b"\0" * 5000)
    path = faces
    if packed:
        path = tmp_path / "faces.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in faces.rglob("*.png"):
                archive.write(file, file.relative_to(faces))
    dataset = read(path)
    assert len(dataset) == 4
    assert [problem.name for problem in dataset.problems] == ["sad/large.png"]
    assert "at most" in dataset.problems[0].reason


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.timeout(20)
def test_a_pipe_among_images_is_listed_and_not_waited_for(faces, tmp_path):
    os.mkfifo(faces / "sad" / "pipe.png")
    dataset = read(faces)
    assert [(p.name, "a pipe" in p.reason) for p in dataset.problems] == [("sad/pipe.png", True)]


def test_images_that_are_too_many_for_memory_are_refused_unless_their_size_is_said(faces, monkeypatch):
    monkeypatch.setattr(samples, "LARGEST_IMAGES_BYTES", 3 * 16 * 16)
    with pytest.raises(DataError, match="the first 4 of 4 do.* size = 48"):
        read(faces)
    dataset = read(faces, size=8)
    assert dataset.images.shape == (4, 8, 8)
    assert dataset.source_sizes.tolist() == [[16, 16]] * 4
    assert any("4 of 4 images resized from 16x16 to 8x8" in note for note in dataset.notes)


def test_what_is_resized_at_once_is_resized_as_later(faces):
    whole = read(faces)
    np.testing.assert_array_equal(read(faces, size=16).images, whole.images)


@pytest.mark.parametrize("ending", [".npz", ""])
def test_an_array_that_declares_terabytes_is_refused(tmp_path, ending):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 48, 48), }"
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 100
    path = tmp_path / f"data{ending}"
    if ending:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images.npy", array)
            archive.writestr("labels.npy", array)
    else:
        path.mkdir()
        (path / "images.npy").write_bytes(array)
        (path / "labels.npy").write_bytes(array)
    with pytest.raises(DataError, match="declares the shape"):
        read(path)


def manifest(folder, names):
    rows = "".join(f"{name},{('happy', 'sad')[n % 2]}\n" for n, name in enumerate(names))
    (folder / "manifest.csv").write_text("path,label\n" + rows, encoding="utf-8")
    return folder / "manifest.csv"


@pytest.mark.parametrize("way", ["above", "absolute", "link", "linked folder"])
def test_a_manifest_names_files_of_its_folder_unless_more_is_allowed(faces, tmp_path, way):
    inside = tmp_path / "inside"
    inside.mkdir()
    for number in (4, 5):
        (inside / f"{number}.png").write_bytes(face(number))
    other = faces / "sad" / "1.png"
    match way:
        case "above":
            name = "../faces/sad/1.png"
        case "absolute":
            name = str(other)
        case "link":
            (inside / "link.png").symlink_to(other)
            name = "link.png"
        case "linked folder":
            (inside / "more").symlink_to(other.parent)
            name = "more/1.png"
    path = manifest(inside, ["4.png", "5.png", name])
    with pytest.raises(DataError, match="1 of 3 images outside its folder.*--allow-outside"):
        read(path)
    assert len(read(path, outside=True)) == 3


def test_a_folder_of_a_manifest_may_be_a_link_itself(faces, tmp_path):
    manifest(faces, ["happy/0.png", "sad/1.png"])
    (tmp_path / "link").symlink_to(faces)
    assert len(read(tmp_path / "link" / "manifest.csv")) == 2


def test_a_small_bundle_that_unpacks_to_gigabytes_is_refused(bundle_maker, tmp_path, monkeypatch):
    made = bundle_maker(tmp_path / "a.mien", cam_weights=np.zeros((8, 7)))
    monkeypatch.setattr("mien.bundle._LARGEST_ARRAYS_BYTES", 5000)
    with pytest.raises(BundleError, match="arrays have more than"):
        load_bundle(made.source)


def test_a_short_row_of_a_table_without_names_is_listed(tmp_path):
    """Found by benchmarks/faults_long.py."""
    pixels = " ".join(["7"] * 16)
    rows = "".join(f"{n % 2 + 3},{' '.join(str(n + i) for i in range(16))}\n" for n in range(20))
    (tmp_path / "faces.csv").write_text(rows + "3\n" + f"4,{pixels}\n", encoding="utf-8")
    try:
        dataset = read(tmp_path / "faces.csv", classes="fer2013")
    except DataError as error:
        pytest.fail(f"such a table is read: {error}")
    assert [problem.name for problem in dataset.problems] == ["row 21"]


def test_a_number_of_thousands_of_digits_is_refused_in_a_study():
    with pytest.raises(StudyFileError, match="is not TOML"):
        parse_study(f"schema = {'1' * 9_000}")
