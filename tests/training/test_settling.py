"""Settled averages, against batch statistics computed layer by layer with NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.randomness import generator
from mien.study.recipe import AugmentationSpec, Recipe
from mien.study.record import RunRecord

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """Layers behind layers: what the second is given depends on how the first has settled."""
    from mien.training import mien_small

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mien_small, "STAGES", ((8, 0), (16, 0)))
        yield


def statistics(network, images: np.ndarray, batch: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and variance of what each batch normalisation is given, the mean over batches, by the layer's name."""
    body = network.get_layer("backbone")
    layers = [layer for layer in body.layers if isinstance(layer, keras.layers.BatchNormalization)]
    probe = keras.Model(body.input, [layer.input for layer in layers])
    sums = {layer.name: [0.0, 0.0] for layer in layers}
    count = len(images) // batch
    for start in range(0, count * batch, batch):
        # What comes before the backbone is a division alone, without statistics or random changes.
        for layer, given in zip(layers, probe(images[start : start + batch] / 255.0, training=True), strict=True):
            given = np.asarray(given, dtype=np.float64)
            sums[layer.name][0] += given.mean(axis=(0, 1, 2)) / count
            sums[layer.name][1] += given.var(axis=(0, 1, 2)) / count
    return {name: (mean, variance) for name, (mean, variance) in sums.items()}


def trained_network(planned, dataset, split, store, recorder, **changes):
    """A finished run's saved network, with the images that its averages were taken over, in their order."""
    from mien.training.execute import NETWORK_FILE, execute

    run = planned(**changes)
    record = execute(run, dataset, split, store, watch=recorder())
    network = keras.saving.load_model(store.run_folder(run.id) / NETWORK_FILE, compile=False)
    order = generator(run.recipe.seed, "settling").permutation(len(split.train))
    images = split.train.images[order][..., np.newaxis].astype(np.float32)
    return record, network, images, run


def assert_settled(network, images, batch):
    # The probe moves the averages of the network that it shares layers with: what was saved is read first.
    layers = [
        layer
        for layer in network.get_layer("backbone").layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    saved = {layer.name: (np.array(layer.moving_mean), np.array(layer.moving_variance)) for layer in layers}
    expected = statistics(network, images, batch)
    assert saved
    for name, values in saved.items():
        for got, wanted in zip(values, expected[name], strict=True):
            np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("ema", [0.0, 0.8])
def test_the_saved_averages_are_those_of_the_training_images(dataset, split, store, planned, recorder, ema):
    _, network, images, run = trained_network(planned, dataset, split, store, recorder, ema=ema, learning_rate=0.01)
    assert_settled(network, images, run.recipe.batch_size)


def test_frozen_layers_keep_their_statistics(dataset, split, store, planned, recorder, tmp_path):
    from mien.training.network import build_network

    start = build_network(
        Recipe().resolved(32), image_size=(32, 32), classes=len(split.label_set), statistics=None
    ).get_layer("backbone")
    norms = [layer for layer in start.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.moving_mean.assign(np.full(layer.moving_mean.shape, 0.25))
    start.save_weights(tmp_path / "start.weights.h5")
    changes = {"weights": str(tmp_path / "start.weights.h5"), "freeze": 0.5}
    record, network, images, run = trained_network(planned, dataset, split, store, recorder, **changes)
    body = network.get_layer("backbone")
    half = body.layers[: round(0.5 * len(body.layers))]
    frozen = [layer for layer in half if isinstance(layer, keras.layers.BatchNormalization)]
    assert frozen
    assert record.network["averages"]["layers"] == len(norms) - len(frozen) > 0
    for layer in frozen:
        np.testing.assert_array_equal(np.array(layer.moving_mean), 0.25)
        layer.trainable = False
    assert_settled(network, images, run.recipe.batch_size)


def test_a_resumed_run_settles_as_one_that_was_not_disturbed(dataset, split, planned, recorder, tmp_path):
    from mien.study.store import Store
    from mien.training.execute import execute

    run = planned(epochs=3, readouts=(1, 3), augmentation=AugmentationSpec(flip=True, mixup=0.2), dropout=0.2)
    whole, torn = Store.create(tmp_path / "whole"), Store.create(tmp_path / "torn")
    expected = execute(run, dataset, split, whole, watch=recorder())
    with pytest.raises(KeyboardInterrupt):
        execute(run, dataset, split, torn, watch=recorder(die_at=(2, 2)))
    record = execute(run, dataset, split, torn, watch=recorder())
    assert [entry.comparable() for entry in record.history] == [entry.comparable() for entry in expected.history]
    for kind in ("predictions", "others"):
        ours, theirs = getattr(record, kind), getattr(expected, kind)
        assert ours.keys() == theirs.keys()
        for key, entry in theirs.items():
            assert np.array_equal(ours[key].outputs, entry.outputs)


@pytest.fixture(scope="module")
def of_both_kinds(dataset, split, planned, recorder, tmp_path_factory) -> dict[str, RunRecord]:
    """The record of one training, as it is shown under either kind of averages."""
    from mien.study.store import Store
    from mien.training.execute import execute

    records = {}
    for kind in ("settled", "moving"):
        run = planned(batch_statistics=kind, readouts=(1, 2))
        store = Store.create(tmp_path_factory.mktemp("both") / kind)
        execute(run, dataset, split, store, watch=recorder())
        records[kind] = store.read(run.id)
    return records


@pytest.mark.parametrize(("kind", "other"), [("settled", "moving"), ("moving", "settled")])
def test_a_record_holds_the_answers_under_both_kinds(of_both_kinds, kind, other):
    ours, theirs = of_both_kinds[kind], of_both_kinds[other]
    for key, entry in ours.predictions.items():
        # Training does not depend on the kind, so that each record holds what the other shows.
        assert np.array_equal(entry.outputs, theirs.others[key].outputs)
        assert not np.array_equal(entry.outputs, ours.others[key].outputs)
    labels = ours.outcome(Role.VALIDATION).labels
    for shown, predictions in (("validation_accuracy", ours.predictions), ("other_validation_accuracy", ours.others)):
        accuracy = (predictions[2, Role.VALIDATION].outputs.argmax(axis=1) == labels).mean()
        assert getattr(ours.history[-1], shown) == pytest.approx(accuracy)


def test_nothing_is_settled_where_nothing_gathers(dataset, split, store, planned, recorder, monkeypatch):
    from mien.training import face_mobilenet
    from mien.training.execute import execute

    monkeypatch.setattr(face_mobilenet, "_CHANNELS", (8, 8))
    run = planned(backbone="face_mobilenet", epochs=1)
    assert run.recipe.batch_statistics == "moving"
    record = execute(run, dataset, split, store, watch=recorder())
    assert record.others == {}
    assert np.isnan(record.history[0].other_validation_loss)
    assert store.read(run.id).network["averages"] == {
        "layers": 0,
        "decay": None,
        "steps_per_epoch": len(split.train) // 16,
    }
