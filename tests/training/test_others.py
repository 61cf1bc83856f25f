"""What others bring goes all the way: from a study to a report and a bundle, each run in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import keras
import pytest

import mien
from mien.cli.main import main
from mien.errors import NetworkError
from mien.study.backbones import Backbone, backbone
from mien.training.network import build_backbone

SAMPLE = Path(mien.__file__).parent / "data" / "sample.jpg"
BROUGHT = Path(__file__).parents[1] / "support" / "brought"
NETS = '''
import keras

def own(input_shape):
    """Features, not maps: pooled already."""
    image = x = keras.Input(input_shape)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalMaxPooling2D()(keras.ops.relu(x))
    return keras.Model(image, keras.layers.Dense(12)(x))'''
FACES = """
from mien.datasets.synthetic import draw_faces
from mien.labels import SEVEN

def read(path):
    return draw_faces(int(path.read_text()), size=24, seed=1, label_set=SEVEN)
"""
STUDY = """
schema = 1
name = "brought"
[data]
path = "../faces.count"
reader = "faces.py:read"
framing = "drawn"
[recipe]
epochs = 1
batch_size = 32
[[tables]]
name = "networks"
rows.backbone = ["tiny_net", "nets.py:own"]
"""


def run(monkeypatch, capsys, *words):
    """`mien study` with these words: its exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "200")  # tables that are not folded
    monkeypatch.setattr(sys, "argv", ["mien", "study", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().out


@pytest.mark.slow
def test_networks_and_a_reader_of_others_from_a_study_to_report_and_bundle(monkeypatch, capsys, tmp_path):
    monkeypatch.syspath_prepend(BROUGHT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(BROUGHT), os.environ.get("PYTHONPATH", "")]))
    folder = tmp_path / "studies"  # not where we are: paths are relative to the study file
    folder.mkdir()
    for name, text in {"nets.py": NETS, "faces.py": FACES, "study.toml": STUDY}.items():
        (folder / name).write_text(text, encoding="utf-8")
    (tmp_path / "faces.count").write_text("120", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code, planned = run(monkeypatch, capsys, "plan", "studies/study.toml")
    assert code == 0
    assert "nets.py:own" in planned
    assert "guess" in planned
    assert run(monkeypatch, capsys, "run", "studies/study.toml")[0] == 0

    # Neither file nor package is there any more: all that follows does without.
    for path in folder.iterdir():
        path.unlink()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    store = mien.Store.open(Path("stores/brought"))
    records = {record.recipe["backbone"].split(" ")[0]: record for record in store.finished()}
    assert records["tiny_net"].recipe["backbone"] == "tiny_net (tiny-nets 1.2)"
    assert records["tiny_net"].network["depth"] == 3
    assert records["nets.py:own"].recipe["backbone"].startswith("nets.py:own (sha256 ")
    assert records["nets.py:own"].data["read"]["reader"].startswith("faces.py:read (sha256 ")
    assert run(monkeypatch, capsys, "report", "stores/brought")[0] == 0
    page = (tmp_path / "stores" / "brought" / "report" / "report.html").read_text(encoding="utf-8")
    assert "nets.py:own" in page
    bundle = mien.export(store.run_folder(records["nets.py:own"].id), "own.mien").bundle
    assert bundle.card["network"]["backbone"] == records["nets.py:own"].recipe["backbone"]
    assert len(mien.evaluate(bundle, "drawn:count=60,size=24,seed=2").predictions) > 0
    assert len(mien.Recognizer(bundle).recognize(str(SAMPLE)).faces) >= 1


class Own(keras.layers.Layer):
    def call(self, x):
        return x


def maps(shape, layer=None, image=None):
    image = keras.Input(shape) if image is None else image
    x = keras.layers.Conv2D(4, 3)(image)
    return keras.Model(image, x if layer is None else layer(x))


@pytest.mark.parametrize(
    ("builder", "said"),
    [
        (lambda shape: 3, r"Received: int. The function returns keras.Model\(image, features\)"),
        (lambda shape: keras.Sequential([keras.layers.Dense(3)]), "Received: Sequential"),
        (lambda shape: maps((20, 20, 1)), "Received: inputs 20×20×1, outputs 18×18×4"),
        (lambda shape: maps(shape, lambda x: [x, x]), "Received: inputs 24×24×1, outputs 22×22×4, 22×22×4"),
        (lambda shape: maps(shape, keras.layers.Reshape((22, 88))), "Received: an output of 22×88"),
        (lambda shape: maps(shape, keras.layers.MaxPooling2D(50)), "Received: an output of 0×0×4|cannot be built"),
        (
            lambda shape: maps(shape, Own()),
            "Received: own.*, a Own. A network is kept as a file",
        ),
        (lambda shape: maps(shape, keras.layers.Lambda(lambda x: x)), "a Lambda. A network is kept as a file"),
        (lambda: None, r"mine .*cannot be built for images of 24×24×1: TypeError: .*0 positional arguments"),
        (lambda shape: 1 / 0, r"ZeroDivisionError: division by zero \(test_others.py, line \d+\)"),
    ],
)
def test_what_is_no_backbone_is_refused_with_what_was_expected(builder, said):
    with pytest.raises(NetworkError, match=f"(?s){said}"):
        build_backbone(Backbone(title="mine", builder=builder), (24, 24, 1))


def test_a_row_may_name_a_network_of_keras_that_mien_has_not():
    row = Backbone(
        title="ConvNeXtSmall", builder="keras.applications:ConvNeXtSmall", minimum_size=32, scaling="none", channels=3
    )
    assert row.has_imagenet_weights
    assert build_backbone(row, (32, 32, 3)).output_shape == (None, 1, 1, 768)


def test_the_facts_of_the_package_in_the_tests_are_those_of_its_network(monkeypatch):
    monkeypatch.syspath_prepend(BROUGHT)
    row = backbone("tiny_net")
    network = build_backbone(row, (16, 16, 3))
    assert (network.count_params(), row.norm_layers) == (row.parameters, 2)
