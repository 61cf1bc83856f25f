"""One suite for every row of the table of backbones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mien.errors import NetworkError  # noqa: E402
from mien.report.diagrams import DiagramData, draw_diagram  # noqa: E402
from mien.study.backbones import BACKBONES  # noqa: E402
from mien.study.recipe import Recipe  # noqa: E402
from mien.study.structure import NetworkStructure  # noqa: E402
from mien.training.network import build_backbone, build_network, compile_network, kernel_depth  # noqa: E402
from mien.training.structure import network_structure, stage_ends, unnested  # noqa: E402
from support.drawings import assert_readable  # noqa: E402

CLASSES = 7

# Of those that take part in studies of whole published tables, or ship with mien, one of each kind of layers: they must
# survive the whole path.
TRAINED = (
    "resnet50v2",
    "inceptionv3",
    "densenet121",
    "vgg16",
    "nasnetmobile",
    "mien_small",
    "mien_medium",
    "face_mobilenet",
)
# Of the others, one of each kind of layers. A deeper network has the same, more often.
ANSWERING = (
    "resnet50",
    "inceptionresnetv2",
    "mobilenet",
    "mobilenetv2",
    "mobilenetv3small",
    "efficientnetb0",
    "efficientnetv2b0",
    "convnexttiny",
    "xception",
)


@pytest.fixture(autouse=True)
def _free_memory():
    yield
    keras.backend.clear_session()


def works_here(name: str) -> None:
    reason = dict(BACKBONES[name].fails_on).get(keras.backend.backend())
    if reason:
        pytest.skip(reason)


def network(name: str):
    recipe = Recipe(backbone=name, optimizer="sgd", learning_rate=1e-3).resolved(32)
    model = build_network(recipe, image_size=(32, 32), classes=CLASSES, statistics=None)
    compile_network(model, recipe, steps_per_epoch=1)
    # One step does not repay the tracing of a graph.
    model.run_eagerly = True
    return model


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 1), dtype=np.uint8)


def outputs(model) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(faces(2), training=False))


def described(name: str) -> keras.Model:
    """The backbone of a row without values of its weights, which is built in half the time."""
    row = BACKBONES[name]
    with keras.StatelessScope():
        return build_backbone(row, (row.minimum_size, row.minimum_size, row.channels))


def check_row(name: str, body: keras.Model) -> None:
    row = BACKBONES[name]
    size = row.minimum_size
    assert body.input_shape == (None, size, size, row.channels)
    assert len(body.output_shape) == 4
    assert body.count_params() == row.parameters
    assert kernel_depth(body) == row.depth
    norms = [layer for layer in unnested(body) if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(layer.momentum, layer.epsilon) for layer in norms} <= {(row.norm_decay, row.norm_epsilon)}
    assert len(norms) == row.norm_layers


def check_answers(model: keras.Model) -> None:
    probabilities = outputs(model)
    assert probabilities.shape == (2, CLASSES)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def counted_from_kernels(model: keras.Model) -> int:
    """Multiply-adds, counted from the shapes of each kernel and of what its layer gives for an image."""
    total = 0
    for layer in unnested(model):
        kernels = [weight for weight in layer.weights if "kernel" in weight.name]
        for kernel in kernels:
            total += math.prod(kernel.shape) * math.prod(layer.output.shape[1:-1])
    return total


def check_stages(name: str, model) -> None:
    structure = network_structure(model)
    assert structure.parameters == model.count_params()
    assert structure.multiply_adds == counted_from_kernels(model) == BACKBONES[name].multiply_adds
    assert structure.input == model.input_shape[1:]
    assert structure.stages[-1].output == model.output_shape[1:]
    blocks = [block for stage in structure.stages for block in stage.blocks]
    assert all(block.times >= 1 and block.paths for block in blocks)
    # Every block takes what the one before it gives, as to size; only its neighbours further off may add to it.
    assert [block.input[:2] for block in blocks[1:]] == [block.output[:2] for block in blocks[:-1]]
    ends = [end.output.shape[1:] for end in stage_ends(model)]
    assert ends == [stage.output for stage in structure.stages]
    assert NetworkStructure.from_json(structure.to_json()) == structure
    assert len(blocks) <= 24  # folded far enough for a page
    assert_readable(draw_diagram(DiagramData(BACKBONES[name].title, structure)))


def check_training_and_files(name: str, model, folder: Path) -> None:
    before = model.get_layer("head").get_weights()[0]
    loss = model.train_on_batch(faces(4), np.eye(CLASSES, dtype=np.float32)[:4])[0]
    assert np.isfinite(loss)
    assert np.abs(model.get_layer("head").get_weights()[0] - before).max() > 0
    expected = model.get_weights()
    model.save_weights(folder / "network.weights.h5")
    for variable in model.weights:
        variable.assign(keras.ops.zeros_like(variable))
    model.load_weights(folder / "network.weights.h5")
    for loaded, saved in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(loaded, saved)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_describes_its_network_which_trains_saves_and_loads(name, tmp_path):
    works_here(name)
    model = network(name) if name in (*TRAINED, *ANSWERING) else None
    body = described(name) if model is None else model.get_layer("backbone")
    check_row(name, body)
    check_stages(name, body)
    if model is not None:
        check_answers(model)
    if name in TRAINED:
        check_training_and_files(name, model, tmp_path)


@pytest.mark.parametrize("name", [name for name, row in BACKBONES.items() if row.minimum_size > 32])
def test_an_input_below_the_least_size_is_refused(name):
    row = BACKBONES[name]
    side = row.minimum_size - 1
    with pytest.raises(NetworkError, match=f"at least {row.minimum_size}"):
        build_backbone(row, (side, side, row.channels))
