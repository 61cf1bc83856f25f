"""Photos and runs on the nodes of a cluster: each once, whatever is killed, and as one machine would have done them."""

import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mien
from mien.api.predicting import predict
from mien.api.studying import Unwatched
from mien.errors import MienError
from mien.inference.recognizer import Recognizer
from mien.scale.cluster import OtherVersionError, installed
from mien.scale.photos import read_on_node
from mien.study.record import RunStatus
from mien.study.store import Store

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

PHOTOS = 26
PART = 4

# A driver that stands still when the first part is there, so that it can be killed.
DRIVER = """
import sys, time
from mien.api.predicting import predict

for result in predict("photos", csv="table.csv", on=sys.argv[1], bundle=sys.argv[2], part_photos=4):
    print(result.photo, flush=True)
    time.sleep(600)
"""


STUDY = """
schema = 1
name = "small"
[data]
path = "drawn:count=60,size=16,seed=3"
[recipe]
epochs = 8
batch_size = 16
dropout = 0.2
backbone = "net.py:tiny"
[[tables]]
name = "rates"
rows.learning_rate = [0.01]
"""
NETWORK = """
def tiny(input_shape=None, **keys):
    import keras

    images = keras.Input(input_shape)
    return keras.Model(images, keras.layers.Conv2D(4, 3, strides=2, activation="relu")(images))
"""
# A driver that stands still after its second epoch, so that it can be killed there.
RUN_DRIVER = """
import sys, time
import mien
from mien.api.studying import Unwatched

class Still(Unwatched):
    def said(self, run, what):
        if what["say"] == "epoch" and what["entry"]["epoch"] == 2:
            print("second epoch", flush=True)
            time.sleep(600)

mien.run_study("study.toml", store="store", on=sys.argv[1], watch=Still())
"""


@pytest.fixture
def photos(tmp_path, portrait, monkeypatch) -> Path:
    """A folder of photos, one of them not readable, beside which the test works."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    face = Image.open(portrait).convert("L").resize((160, 160))
    for number in range(PHOTOS):
        picture = np.roll(np.asarray(face), number, axis=1)
        Image.fromarray(picture).save(folder / f"{number:02}.png")
    (folder / "05.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def expected(photos, bundle) -> bytes:
    """The table of one machine."""
    list(predict("photos", csv="expected.csv", bundle=bundle.source, threads=1))
    return Path("expected.csv").read_bytes()


def test_the_table_is_that_of_one_machine_though_driver_and_nodes_are_killed(nodes, photos, expected, bundle):
    command = [sys.executable, "-c", DRIVER, nodes.on, bundle.source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout.readline() == "photos/00.png\n"
        driver.kill()
    kept = sorted(Path("table.csv.parts").glob("part-*.jsonl"))
    assert kept
    times = [path.stat().st_mtime_ns for path in kept]
    assert not Path("table.csv").exists()

    with pytest.raises(MienError, match="unfinished batch of other settings or photos"):
        list(predict("photos", csv="table.csv", on=nodes.on, bundle=bundle.source, part_photos=PART + 1))

    results = []
    for result in predict("photos", csv="table.csv", on=nodes.on, bundle=bundle.source, part_photos=PART):
        if not results:
            assert [path.stat().st_mtime_ns for path in kept] == times  # what was done is not done again
            nodes.kill(nodes.names()[0])
        results.append(result)
    assert Path("table.csv").read_bytes() == expected
    assert [result.photo for result in results] == [f"photos/{number:02}.png" for number in range(PHOTOS)]
    assert [result.photo for result in results if result.outcome == "unreadable"] == ["photos/05.png"]
    assert not Path("table.csv.parts").exists()


def test_photos_are_read_by_address(nodes, photos, expected, bundle):
    list(predict(f"file://{photos}", csv="table.csv", on=nodes.on, bundle=bundle.source, part_photos=PHOTOS))
    assert Path("table.csv").read_bytes().replace(f"file://{photos}".encode(), b"photos") == expected


def test_a_folder_that_a_node_lacks_is_no_folder_of_unreadable_photos(photos, bundle, monkeypatch):
    recognizer = Recognizer(bundle, threads=1)
    monkeypatch.setattr("mien.scale.photos.fetched", lambda reference: reference)
    with pytest.raises(MienError, match="has no folder .*elsewhere.*share the folder"):
        read_on_node([recognizer], recognizer.settings(), installed(), ["elsewhere/a.png"], ["elsewhere"], os.getcwd())


def test_a_node_with_another_mien_is_named_before_anything_is_read(nodes, photos, bundle, tmp_path):
    other = tmp_path / "other" / "mien-0.0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: mien\nVersion: 0.0.1\n", encoding="utf-8")
    (name,) = nodes.add(PYTHONPATH=str(other.parent))
    try:
        with pytest.raises(OtherVersionError, match=r"Here: 0\.\d.*: 0\.0\.1, source"):
            list(predict("photos", csv="table.csv", on=nodes.on, bundle=bundle.source))
    finally:
        nodes.kill(name)
    assert not list(Path("table.csv.parts").glob("part-*"))
    shutil.rmtree("table.csv.parts")


class Killer(Unwatched):
    """Kills the node that works after the epoch that is named."""

    def __init__(self, nodes, epoch):
        self.nodes, self.epoch, self.epochs, self.killed = nodes, epoch, [], None

    def said(self, run, what):
        if what["say"] == "epoch":
            self.epochs.append(what["entry"]["epoch"])
            if self.killed is None and self.epochs[-1] == self.epoch:
                (self.killed,) = self.nodes.working()
                self.nodes.kill(self.killed)


def content(record):
    """A record without its times and places."""
    about = {
        "status": record.status,
        "recipe": record.recipe,
        "data": record.data,
        "network": record.network,
        "history": [epoch.comparable() for epoch in record.history],
    }
    return about, {key: asdict(answers) for key, answers in record.predictions.items()}


def test_a_run_outlives_its_driver_and_its_node_and_is_the_run_of_one_machine(nodes, until, tmp_path, monkeypatch):
    pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    with subprocess.Popen([sys.executable, "-c", RUN_DRIVER, nodes.on], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout.readline() == "second epoch\n"
        driver.kill()
    until(lambda: not nodes.working())  # the cluster ends the work of a driver that is gone

    killer = Killer(nodes, epoch=3)
    assert mien.run_study("study.toml", store="store", on=nodes.on, watch=killer).complete
    assert killer.killed
    assert killer.epochs == [3, 4, 5, 6, 7, 8]  # from the last epoch each time, and no epoch twice
    store = Store.open(tmp_path / "store")
    (record,) = store.finished()
    assert record.status is RunStatus.COMPLETE
    assert record.environment["node"]
    assert record.environment["threads"] == 1
    assert len(store.openings()) == 1
    assert {path.name for path in store.run_folder(record.id).iterdir()} == {
        "run.json",
        "history.jsonl",
        "predictions.npz",
        "network.keras",
    }

    mien.run_study("study.toml", store="local", cpus=1)
    local = Store.open(tmp_path / "local")
    (other,) = local.finished()
    assert other.id == record.id
    (about, answers), (other_about, other_answers) = content(record), content(other)
    assert about == other_about
    np.testing.assert_equal(answers, other_answers)
    assert [p.name for p in (store.folder / "seen").iterdir()] == [p.name for p in (local.folder / "seen").iterdir()]
