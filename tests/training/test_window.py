"""The mean of the weights after the last epochs: what it is, and that training itself goes on as without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mien.errors import RecordError  # noqa: E402
from mien.study.recipe import Recipe  # noqa: E402
from mien.training.fit import Material, fit, load_weights  # noqa: E402
from mien.training.network import compile_network  # noqa: E402
from mien.training.settling import Settler  # noqa: E402
from mien.training.window import Window, window_files  # noqa: E402

EPOCHS = 4


class Silent:
    def stage(self, text: str) -> None: ...
    def step(self, epoch: int, done: int, total: int) -> None: ...
    def epoch(self, entry: object) -> None: ...


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])


def trained(folder: Path, **changes):
    """Weights after each epoch as they are evaluated, and the history."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    data = Material(rng.integers(0, 256, (12, 2, 2, 1), np.uint8), np.eye(3, dtype=np.float32)[np.arange(12) % 3])
    recipe = Recipe(**{"batch_size": 4, "epochs": EPOCHS, "optimizer": "sgd", "learning_rate": 1e-4, **changes})
    model = network()
    compile_network(model, recipe, 3)
    arguments = {"folder": folder, "readouts": tuple(range(1, EPOCHS + 1)), "watch": Silent()}
    _, state = fit(model, Settler(model, recipe, data.inputs, data.targets), model, recipe, data, data, **arguments)
    weights = []
    for epoch in range(1, EPOCHS + 1):
        load_weights(folder, model, epoch)
        weights.append(model.get_weights())
    return weights, state.history


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_it_is_the_mean_over_the_last_epochs_and_training_knows_nothing_of_it(tmp_path: Path, ema):
    each, history = trained(tmp_path / "each", ema=ema)
    means, their_history = trained(tmp_path / "means", ema=ema, average_last=3)
    for epoch, found in enumerate(means):
        over = each[max(0, epoch - 2) : epoch + 1]
        for variable, value in enumerate(found):
            expected = np.mean([weights[variable].astype(np.float64) for weights in over], axis=0)
            np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert np.abs(each[-1][0] - means[-1][0]).max() > 0
    assert [entry.loss for entry in their_history] == [entry.loss for entry in history]
    assert their_history[0].validation_loss == history[0].validation_loss
    assert their_history[-1].validation_loss != history[-1].validation_loss
    # The next epoch would need the last two.
    assert [path.name for path in window_files(tmp_path / "means")] == ["window-3.npz", "window-4.npz"]
    assert window_files(tmp_path / "each") == []


def test_weights_that_are_gone_are_said(tmp_path: Path):
    window = Window(tmp_path, network(), 2)
    with window.averaged(1):
        pass
    (tmp_path / "window-1.npz").write_bytes(b"no weights")
    with (
        pytest.raises(RecordError, match=r"window-1.npz, are missing or damaged .* Remove the folder"),
        window.averaged(2),
    ):
        pass
