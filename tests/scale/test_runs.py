"""Runs of a study on the nodes of a cluster: nothing is lost, and the records are those of one machine."""

import subprocess
import sys
from dataclasses import asdict

import pytest

import mien
from mien.api.studying import Unwatched
from mien.study.record import RunStatus
from mien.study.store import Store

pytest.importorskip("keras")
pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

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
DRIVER = """
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
    import numpy as np

    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    with subprocess.Popen([sys.executable, "-c", DRIVER, nodes.on], stdout=subprocess.PIPE, text=True) as driver:
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
