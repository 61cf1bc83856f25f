"""`mien data convert`: which form it writes, and what it refuses."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from mien.cli.data import app
from mien.datasets import reading
from mien.datasets.manifest import write_manifest
from mien.datasets.parquet import write_parquet
from mien.datasets.reading import read_dataset
from mien.datasets.synthetic import draw_faces
from mien.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "default_cache", lambda: tmp_path / "cache")


def convert(*arguments):
    return CliRunner().invoke(app, ["convert", "drawn:count=60", *map(str, arguments)])


@pytest.mark.parametrize(
    ("output", "to", "written"),
    [
        ("faces", None, "faces/manifest.csv"),
        ("faces", "manifest", "faces/manifest.csv"),
        ("faces.parquet", None, "faces.parquet"),
        ("new/faces.parquet", "parquet", "new/faces.parquet"),
        ("faces", "parquet", "faces/data.parquet"),
    ],
)
def test_the_form_is_named_or_told_by_the_output(tmp_path, output, to, written):
    done = convert("--output", tmp_path / output, *([] if to is None else ["--to", to]))
    assert done.exit_code == 0, done.output
    assert (tmp_path / written).is_file()
    assert "60 images are in" in done.output
    read = read_dataset(tmp_path / output)
    assert read.fingerprint == draw_faces(60).fingerprint
    assert read.name == "faces"
    assert read.licence == draw_faces(60).licence


@pytest.mark.parametrize(
    ("name", "to"), [("faces.zip", None), ("faces.csv", "parquet"), ("faces.npz", None), ("FACES.JPG", None)]
)
def test_no_folder_is_made_under_the_name_of_another_file(tmp_path, name, to):
    done = convert("--output", tmp_path / name, *([] if to is None else ["--to", to]))
    assert isinstance(done.exception, DataError)
    assert "as a folder, or as one file that ends in .parquet" in str(done.exception)
    assert not (tmp_path / name).exists()


def test_what_is_there_is_never_overwritten(tmp_path):
    (tmp_path / "faces.parquet").write_bytes(b"mine")
    done = convert("--output", tmp_path / "faces.parquet")
    assert isinstance(done.exception, DataError)
    assert "already" in str(done.exception)
    assert (tmp_path / "faces.parquet").read_bytes() == b"mine"


@pytest.mark.parametrize(("write", "name"), [(write_manifest, "faces"), (write_parquet, "faces.parquet")])
def test_a_name_that_is_no_text_is_one_sentence_and_nothing_is_written(tmp_path, write, name):
    faces = draw_faces(60)
    ids = faces.ids.astype("U20")
    ids[7] = "happy/\udcff.png"  # how Python holds a file name that is no UTF-8
    with pytest.raises(DataError, match=r"not UTF-8.*Rename"):
        write(replace(faces, ids=ids), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    done = convert("--output", tmp_path / "file/faces.parquet")
    assert isinstance(done.exception, DataError)
    assert "Name another file" in str(done.exception)


def test_the_table_tells_others_what_its_columns_are(tmp_path):
    import pyarrow.parquet

    convert("--output", tmp_path / "faces.parquet")
    schema = pyarrow.parquet.read_schema(tmp_path / "faces.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    assert features["image"] == {"_type": "Image"}
    assert features["label"]["_type"] == "ClassLabel"
    assert features["label"]["names"][0] == "anger"
