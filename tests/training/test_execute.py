from __future__ import annotations

import errno
from dataclasses import replace

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.errors import RecordError
from mien.study.record import RunRecord, RunStatus, read_history
from mien.training import execute, fit
from mien.training.checkpoint import CHECKPOINT_FILE
from support.in_process import NARROW


@pytest.fixture(scope="module")
def usual(planned, dataset, split, tmp_path_factory, recorder):
    """A run of three epochs that is read out after each: its store, record and watch, and what the watch saw."""
    from mien.study.store import Store

    store = Store.create(tmp_path_factory.mktemp("usual") / "store")
    seen = {"openings": [], "commit": "before"}

    class Watch(recorder):
        def epoch(self, entry):
            super().epoch(entry)
            seen["openings"] += store.openings()
            seen["commit"] = "after"  # as when someone pulls while a run goes on

    watch = Watch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "_source_commit", lambda: seen["commit"])
        execute.execute(planned(epochs=3, readouts=(1, 2, 3)), dataset, split, store, watch=watch)
    (record,) = store.finished()
    return store, record, watch, seen


@pytest.fixture(scope="module")
def undisturbed(planned, dataset, split, tmp_path_factory, recorder):
    """The record of a run that nobody disturbed; each is run once."""
    from mien.study.store import Store

    store = Store.create(tmp_path_factory.mktemp("undisturbed") / "store")

    def record_of(run):
        if not store.has(run.id):
            execute.execute(run, dataset, split, store, watch=recorder())
        return store.read(run.id)

    return record_of


def comparable(record: RunRecord) -> list[dict[str, float]]:
    return [epoch.comparable() for epoch in record.history]


def test_a_run_leaves_a_whole_record(usual, split):
    store, record, watch, _ = usual
    assert record.status is RunStatus.COMPLETE
    assert [entry.epoch for entry in record.history] == [1, 2, 3]
    assert read_history(store.run_folder(record.id)) == record.history == tuple(watch.epochs)
    assert record.chosen == (1, 2, 3)
    for readout in record.readouts:
        test, validation = record.outcome(Role.TEST, readout), record.outcome(Role.VALIDATION, readout)
        assert test.outputs.shape == (len(split.test), 7)
        assert np.array_equal(test.ids, split.test.ids)
        assert np.array_equal(validation.labels, split.validation.labels)
        np.testing.assert_allclose(test.outputs.sum(axis=1), 1, atol=2e-3)  # kept with 11 bits each
    assert not np.array_equal(record.outcome(Role.TEST, 1).outputs, record.outcome(Role.TEST, 3).outputs)
    assert record.data["counts"]["test"].keys() == record.data["counts"]["train"].keys()
    assert sum(record.data["counts"]["test"].values()) == len(split.test)
    assert record.network["image_size"] == [32, 32]
    assert record.network["statistics"] is None
    assert {"python", "keras", "mien", "commit", "devices"} <= record.environment.keys()
    assert record.peak_memory_mib > 50
    assert sorted(path.name for path in store.run_folder(record.id).iterdir()) == [
        "history.jsonl",
        "network.keras",
        "predictions.npz",
        "run.json",
    ]


def test_a_record_says_on_how_many_images_the_statistics_were_fitted(undisturbed, split, planned, everything):
    statistics = undisturbed(planned(**everything, epochs=4, readouts=(2, 4))).network["statistics"]
    assert statistics["images"] == len(split.train)
    assert 0 < statistics["mean"] < 1
    assert 0 < statistics["std"] < 1
    assert statistics["whitening"] is False


def test_a_record_names_the_code_that_was_there_at_the_start(usual):
    _, record, _, seen = usual
    assert (seen["commit"], record.environment["commit"]) == ("after", "before")


def test_the_test_labels_are_opened_once_at_the_end(usual, split):
    store, record, _, seen = usual
    assert seen["openings"] == []
    (opening,) = store.openings()
    assert (opening.by, opening.count, opening.split) == (record.id, len(split.test), split.hash)


def test_validation_figures_are_those_of_the_predictions(usual, split):
    _, record, _, _ = usual
    outputs = record.outcome(Role.VALIDATION).outputs
    accuracy = (outputs.argmax(axis=1) == split.validation.labels).mean()
    assert record.history[-1].validation_accuracy == pytest.approx(accuracy)
    loss = -np.log(np.maximum((outputs * split.validation.targets).sum(axis=1), 1e-7)).mean()
    assert record.history[-1].validation_loss == pytest.approx(loss, rel=1e-4)


def test_the_best_validation_epoch_is_what_is_evaluated(dataset, split, store, planned, recorder):
    run = planned(epochs=4, readouts=(2, 4), select="best_loss", learning_rate=0.02)
    record = execute.execute(run, dataset, split, store, watch=recorder())
    losses = [entry.validation_loss for entry in record.history]
    assert record.chosen == (1 + int(np.argmin(losses[:2])), 1 + int(np.argmin(losses)))
    for readout, epoch in zip((2, 4), record.chosen, strict=True):
        outputs = record.outcome(Role.VALIDATION, readout).outputs
        accuracy = (outputs.argmax(axis=1) == split.validation.labels).mean()
        assert record.history[epoch - 1].validation_accuracy == pytest.approx(accuracy)


def test_a_run_reads_out_fewer_epochs_as_a_shorter_run_would(usual, undisturbed, planned):
    _, long, _, _ = usual
    short = undisturbed(planned(epochs=2))
    assert comparable(long)[:2] == comparable(short)
    assert np.array_equal(long.outcome(Role.TEST, 2).outputs, short.outcome(Role.TEST, 2).outputs)


def test_a_loss_that_is_no_number_ends_the_run_as_diverged(dataset, split, store, planned, recorder):
    run = planned(optimizer="sgd", learning_rate=1000.0, momentum=0.9999, epochs=40)
    record = execute.execute(run, dataset, split, store, watch=recorder())
    assert record.status is RunStatus.DIVERGED
    assert "learning rate" in record.reason
    assert not np.isfinite(record.history[-1].loss) or not np.isfinite(record.history[-1].validation_loss)
    assert store.read(run.id).status is RunStatus.DIVERGED
    assert store.openings() == []


def test_two_seeds_differ_and_one_seed_does_not(usual, dataset, split, store, planned, recorder):
    _, first, _, _ = usual
    again = execute.execute(planned(epochs=3, readouts=(1, 2, 3)), dataset, split, store, watch=recorder())
    second = execute.execute(planned(epochs=3, seed=1), dataset, split, store, watch=recorder())
    assert first.recipe["seed"] != 1
    assert comparable(first) == comparable(again) != comparable(second)


def test_a_frozen_backbone_answers_once_for_all_heads(dataset, split, store, planned, recorder, tmp_path):
    pretrained = execute.execute(planned(epochs=1), dataset, split, store, watch=recorder())
    weights = str(store.run_folder(pretrained.id) / execute.NETWORK_FILE)
    common = {"weights": weights, "freeze": "all", "epochs": 3}
    first, second = recorder(), recorder()
    frozen = planned(**common)
    record = execute.execute(frozen, dataset, split, store, watch=first)
    execute.execute(planned(**common, learning_rate=0.01), dataset, split, store, watch=second)
    assert any(stage.startswith("computing the frozen") for stage in first.stages)
    assert not any(stage.startswith("computing the frozen") for stage in second.stages)
    for path in (store.folder / "features").iterdir():
        path.write_bytes(path.read_bytes()[:200])
    third = recorder()
    again = execute.execute(planned(**common, learning_rate=0.01, seed=0), dataset, split, store, watch=third)
    assert any(stage.startswith("computing the frozen") for stage in third.stages)
    assert again.status is RunStatus.COMPLETE
    assert record.network["trainable"] == 7 * (NARROW[-1][0] + 1)  # the head, with its bias
    # What the whole network answers in evaluation is what its head learned on the features.
    outputs = record.outcome(Role.VALIDATION).outputs
    accuracy = (outputs.argmax(axis=1) == split.validation.labels).mean()
    assert record.history[-1].validation_accuracy == pytest.approx(accuracy)


class TestInterrupted:
    def test_death_at_any_step_and_stops_between_epochs_change_nothing(
        self, dataset, split, store, planned, recorder, everything, undisturbed
    ):
        run = planned(**everything, epochs=4, readouts=(2, 4))
        expected = undisturbed(run)

        def die(at):
            with pytest.raises(KeyboardInterrupt):
                execute.execute(run, dataset, split, store, watch=recorder(die_at=at))
            assert not store.has(run.id)

        def stop(*, after):
            watch = recorder()
            assert execute.execute(run, dataset, split, store, watch=watch, stop=lambda: True) is None
            assert [entry.epoch for entry in watch.epochs] == [after]  # from where it stood

        die((1, 3))
        stop(after=1)
        die((2, 1))
        die((2, 10))
        stop(after=2)
        die((4, 5))
        record = execute.execute(run, dataset, split, store, watch=recorder())
        assert comparable(record) == comparable(expected)
        assert record.chosen == expected.chosen
        for key, entry in expected.predictions.items():
            assert np.array_equal(record.predictions[key].outputs, entry.outputs)

    def test_a_readout_that_is_asked_for_too_late_is_left_out(self, dataset, split, store, planned, recorder):
        run = planned(epochs=2)
        execute.execute(run, dataset, split, store, watch=recorder(), stop=lambda: True)
        record = execute.execute(replace(run, readouts=(1, 2)), dataset, split, store, watch=recorder())
        assert (record.readouts, record.chosen) == ((2,), (2,))
        assert {readout for readout, _ in record.predictions} == {2}

    def test_cosine_and_momentum_resume_too(self, dataset, split, store, planned, recorder, undisturbed):
        run = planned(optimizer="sgd", momentum=0.9, nesterov=True, schedule="cosine", warmup_epochs=1, epochs=3)
        expected = undisturbed(run)
        execute.execute(run, dataset, split, store, watch=recorder(), stop=lambda: True)
        assert comparable(execute.execute(run, dataset, split, store, watch=recorder())) == comparable(expected)

    def test_a_full_disk_loses_nothing(self, dataset, split, store, planned, recorder, monkeypatch, undisturbed):
        run = planned(epochs=2)
        expected = undisturbed(run)
        execute.execute(run, dataset, split, store, watch=recorder(), stop=lambda: True)

        def full(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        for written in ("mien.training.checkpoint", "mien.training.fit", "mien.study.record"):
            with monkeypatch.context() as patch:
                patch.setattr(f"{written}.written_whole", full)
                with pytest.raises(RecordError, match=r"(?i)no space left"):
                    execute.execute(run, dataset, split, store, watch=recorder())
            assert (store.run_folder(run.id) / CHECKPOINT_FILE).is_file()
            assert not store.has(run.id)
        assert comparable(execute.execute(run, dataset, split, store, watch=recorder())) == comparable(expected)

    def test_the_epochs_of_a_run_that_goes_on_are_told_before_its_end(self, dataset, split, store, planned, recorder):
        run = planned(epochs=2)
        assert store.under_way(run.id) is None
        store.run_folder(run.id).mkdir(parents=True)
        assert store.under_way(run.id) == ()
        execute.execute(run, dataset, split, store, watch=recorder(), stop=lambda: True)
        (epoch,) = store.under_way(run.id)
        path = store.run_folder(run.id) / CHECKPOINT_FILE
        whole = path.read_bytes()
        path.write_bytes(whole[:1000])
        assert store.under_way(run.id) == ()
        path.write_bytes(whole)
        record = execute.execute(run, dataset, split, store, watch=recorder())
        assert record.history[0] == epoch
        assert store.under_way(run.id) is None

    def test_a_damaged_checkpoint_says_what_to_do(self, dataset, split, store, planned, recorder):
        run = planned(epochs=2)
        execute.execute(run, dataset, split, store, watch=recorder(), stop=lambda: True)
        path = store.run_folder(run.id) / CHECKPOINT_FILE
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(RecordError, match="Remove it"):
            execute.execute(run, dataset, split, store, watch=recorder())


def test_class_weights_give_every_class_the_same_say():
    targets = np.eye(3, dtype=np.float32)[[0, 0, 0, 0, 1, 1, 0, 0]]
    weights = fit.class_weights(targets)
    mass = targets.sum(axis=0) * weights
    assert mass[0] == pytest.approx(mass[1])
    assert weights[2] == 0
    assert (targets @ weights).mean() == pytest.approx(1)
