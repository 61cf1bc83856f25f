from __future__ import annotations

import os
import platform

import numpy as np
import pytest

from mien.picked import Picked
from mien.training import backend


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    return (
        rng.integers(0, 256, (10, 4, 4, 1), dtype=np.uint8),
        rng.random((10, 3), dtype=np.float32),
        rng.random(10, dtype=np.float32),
    )


@pytest.mark.parametrize("given", [1, 2, 3])
def test_batches_hold_every_sample_once_and_in_order(columns, given):
    batches = list(backend.in_batches(4, *columns[:given])["x"])
    assert [len(batch[0]) for batch in batches] == [4, 4, 2]
    for position, column in enumerate(columns[:given]):
        together = np.concatenate([np.asarray(batch[position]) for batch in batches])
        np.testing.assert_array_equal(together, column)
        assert together.dtype == column.dtype


def test_batches_are_not_tuned_by_a_thread_that_an_epoch_waits_for(columns):
    assert backend.in_batches(4, *columns)["x"].options().autotune.enabled is False


def test_a_network_answers_in_batches_as_it_does_for_arrays(columns):
    import keras

    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    images = columns[0]
    expected = model.predict_on_batch(images)
    np.testing.assert_allclose(model.predict(**backend.in_batches(4, images), verbose=0), expected, rtol=1e-5)


def test_other_backends_take_the_arrays(columns, monkeypatch):
    monkeypatch.setattr(backend, "backend_name", lambda: "jax")
    inputs, targets, weights = columns
    assert backend.in_batches(4, inputs) == {"x": inputs, "batch_size": 4}
    given = backend.in_batches(4, inputs, targets, weights)
    assert given["y"] is targets
    assert given["sample_weight"] is weights


@pytest.mark.parametrize("name", ["tensorflow", "jax"])
def test_rows_that_are_read_when_they_are_asked_for_are_never_made_one_array(columns, monkeypatch, name):
    monkeypatch.setattr(backend, "backend_name", lambda: name)
    inputs, targets, _ = columns
    rows = Picked(inputs, np.arange(len(inputs))[::-1].copy())
    given = backend.in_batches(4, rows, targets)["x"]
    batches = list(given) if name == "tensorflow" else [given[number] for number in range(len(given))]
    together = [np.concatenate([np.asarray(batch[place]) for batch in batches]) for place in (0, 1)]
    np.testing.assert_array_equal(together[0], inputs[::-1])
    np.testing.assert_array_equal(together[1], targets)


@pytest.mark.parametrize(
    ("machine", "set_by_user", "expected"),
    [("x86_64", None, "1"), ("AMD64", None, "1"), ("x86_64", "0", "0"), ("arm64", None, None), ("aarch64", "1", "1")],
)
def test_faster_convolutions_are_asked_for_on_x86_unless_the_user_has_a_say(
    monkeypatch, machine, set_by_user, expected
):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", set_by_user or "")
    if set_by_user is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    backend.choose_backend()
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == expected
