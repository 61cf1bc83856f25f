"""`mien data audit` and `mien data convert`: what they print and what they leave behind."""

import csv
import json
import re
import sys

import numpy as np
import pytest

from mien.cli.main import main
from mien.datasets.cleaning import read_cleaning
from mien.datasets.reading import read_dataset
from mien.datasets.synthetic import draw_faces
from mien.images import png_bytes
from mien.labels import SIX
from support.fake_records import plan_of, predictions_of, record_of

STUDY = """
schema = 1
name = "made-up"
[data]
path = "x"
[[tables]]
name = "t"
rows.backbone = ["mien_small"]
"""


@pytest.fixture
def mien(monkeypatch, capsys, tmp_path):
    """Run the command line; returns what it printed."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        said = capsys.readouterr()
        assert not code, said.err
        return said.out

    return run


@pytest.fixture
def faces(tmp_path):
    """A folder of drawn faces of which one test image is a training image mirrored."""
    dataset = draw_faces(60, size=32, label_set=SIX)
    images = np.array(dataset.images)
    source = int(np.flatnonzero(dataset.roles == "train")[0])
    copy = int(np.flatnonzero((dataset.roles == "test") & (dataset.labels == dataset.labels[source]))[0])
    images[copy] = images[source][:, ::-1]
    paths = []
    for position, image in enumerate(images):
        label = SIX.expressions[dataset.labels[position]].value
        path = tmp_path / "faces" / str(dataset.roles[position]) / label / f"{position}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(image))
        paths.append(path.relative_to(tmp_path / "faces").as_posix())
    return tmp_path / "faces", paths[source], paths[copy]


def test_an_audit_leaves_a_page_numbers_and_lists(mien, faces, tmp_path):
    folder, source, copy = faces
    out = tmp_path / "audit"
    said = mien("data", "audit", folder, "--output", out)
    assert "Mirrored copies" in said
    assert {path.name for path in out.iterdir()} == {"audit.html", "audit.json", "cleaning.csv", "copies.csv"}
    page = (out / "audit.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r"""(?:src|href)=["']https?:""", page)
    assert str(tmp_path) not in page
    values = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert [finding["check"] for finding in values["findings"]] == ["copies-across-roles-flipped"]
    assert [entry.id for entry in read_cleaning(out / "cleaning.csv")] == [source]
    with (out / "copies.csv").open(encoding="utf-8", newline="") as file:
        [pair] = csv.DictReader(file)
    assert {pair["id"], pair["copy_id"]} == {source, copy}
    assert pair["kind"] == "flipped"
    cleaned = read_dataset(folder, cleaning=out / "cleaning.csv", cache=None)
    assert cleaned.ids[cleaned.left_out].tolist() == [source]


def test_a_clean_set_is_said_to_be_clean(mien):
    values = json.loads(mien("data", "audit", "drawn:count=60", "--json"))
    assert values["findings"] == []
    assert values["agreement"] == {}


def test_a_run_ranks_labels_that_are_likely_wrong(mien, faces, tmp_path):
    folder, *_ = faces
    dataset = read_dataset(folder, cache=None)
    test = np.flatnonzero(dataset.roles == "test")
    labels = dataset.labels[test]
    outputs = np.full((len(test), 6), 0.02)
    outputs[np.arange(len(test)), labels] = 0.9
    wrong = (labels[0] + 1) % 6
    outputs[0] = 0.02
    outputs[0, wrong] = 0.9
    answers = predictions_of(outputs, labels)
    object.__setattr__(answers, "ids", dataset.ids[test])
    [run] = plan_of(STUDY).runs
    record_of(run, answers).write(tmp_path / "run")
    out = tmp_path / "audit"
    values = json.loads(mien("data", "audit", folder, "--record", tmp_path / "run", "--output", out, "--json"))
    assert "label-noise" in [finding["check"] for finding in values["findings"]]
    with (out / "label-noise.csv").open(encoding="utf-8", newline="") as file:
        [doubt] = csv.DictReader(file)
    assert doubt["id"] == dataset.ids[test[0]]
    assert doubt["answer"] == SIX.expressions[wrong].value


def test_converting_keeps_the_fingerprint(mien, faces, tmp_path):
    folder, *_ = faces
    said = mien("data", "convert", folder, "--output", tmp_path / "converted")
    read = read_dataset(tmp_path / "converted", cache=None)
    assert read.fingerprint == read_dataset(folder, cache=None).fingerprint
    assert read.fingerprint in said
