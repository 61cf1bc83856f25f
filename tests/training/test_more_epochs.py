"""Training that stops when it no longer improves, and a finished run that is given more epochs."""

from dataclasses import replace

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.study.held import begin_from
from mien.study.plan import name_run
from mien.study.recipe import Recipe
from mien.study.record import Epoch
from mien.study.store import CHECKPOINT_FILE
from mien.training.checkpoint import LoopState
from mien.training.fit import choose, stalled


def epochs(*losses: float) -> list[Epoch]:
    return [
        Epoch(
            epoch=number,
            loss=1.0,
            accuracy=0.5,
            validation_loss=loss,
            validation_accuracy=0.5,
            learning_rate=0.1,
            seconds=1.0,
            images_per_second=1.0,
        )
        for number, loss in enumerate(losses, start=1)
    ]


@pytest.mark.parametrize(
    ("losses", "patience", "over"),
    [
        ((1.0, 0.9, 0.8), 1, False),
        ((1.0, 0.9, 0.95), 1, True),
        ((1.0, 0.9, 0.95, 0.93), 3, False),
        ((1.0, 0.9, 0.95, 0.93, 0.91), 3, True),
        ((1.0, 1.0, 1.0, 1.0), 0, False),
        ((1.0, 0.99995), 1, True),
    ],
)
def test_training_stops_after_so_many_epochs_without_improvement(losses, patience, over):
    assert stalled(Recipe(stop_patience=patience), epochs(*losses)) is over


@pytest.mark.parametrize(("select", "answers"), [("last", 3), ("best_loss", 2)])
def test_the_epoch_in_which_training_stops_answers_for_those_to_come(select, answers):
    recipe = Recipe(epochs=20, stop_patience=1, select=select)
    state = LoopState()
    for entry in epochs(1.0, 0.9, 0.95):
        state.history.append(entry)
        choose(state, recipe, entry, (1, 10, 20))
    assert state.chosen == {1: 1, 10: answers, 20: answers}


def test_a_recipe_without_it_keeps_its_name(facts):
    recipe = Recipe().resolved(32)
    assert name_run(recipe, facts) != name_run(replace(recipe, stop_patience=3), facts)
    assert name_run(recipe, facts) == name_run(replace(recipe, stop_patience=0), facts)


@pytest.mark.slow
def test_more_epochs_go_on_from_a_finished_run_and_end_as_if_asked_for_at_once(
    planned, facts, dataset, split, store, recorder, tmp_path
):
    from mien.study.store import Store
    from mien.training.execute import execute

    settings = {"select": "best_loss", "optimizer": "adamw", "schedule": "plateau", "plateau_patience": 1}
    short, long = (planned(epochs=n, **settings) for n in (1, 2))
    other = Store.create(tmp_path / "at once")
    whole = execute(long, dataset, split, other, watch=recorder())
    execute(short, dataset, split, store, watch=recorder(), keep_checkpoint=True)
    assert begin_from(long, facts, store) == f"going on from epoch 1 of run {short.id}"
    assert begin_from(long, facts, store) == ""
    watch = recorder()
    continued = execute(long, dataset, split, store, watch=watch)
    assert [entry.epoch for entry in watch.epochs] == [2]
    assert [e.comparable() for e in continued.history] == [e.comparable() for e in whole.history]
    assert np.array_equal(continued.outcome(Role.TEST).outputs, whole.outcome(Role.TEST).outputs)
    assert store.has(short.id)
    assert not (store.run_folder(long.id) / CHECKPOINT_FILE).exists()


def test_where_a_run_cannot_go_on_the_reason_is_said(planned, facts, store):
    from support.fake_records import record_of

    short = planned(epochs=1, schedule="cosine")
    record_of(short).write(store.run_folder(short.id))
    said = begin_from(planned(epochs=2, schedule="cosine"), facts, store)
    assert said.startswith(f"training from the first epoch: run {short.id}, of 1 epochs, is another course")
    assert begin_from(planned(epochs=2, schedule="cosine", seed=5), facts, store) == ""
    record_of(planned(epochs=1)).write(store.run_folder(planned(epochs=1).id))
    assert "kept no checkpoint to go on from" in begin_from(planned(epochs=2), facts, store)


@pytest.mark.slow
@pytest.mark.parametrize(("select", "average"), [("last", 2), ("best_loss", 0)])
def test_a_run_that_had_stopped_answers_for_the_longer_one_too(
    planned, facts, dataset, split, store, recorder, select, average
):
    from mien.training.execute import execute

    # At this rate nothing improves: training stops after its second epoch, however many were asked for.
    settings = {
        "select": select,
        "average_last": average,
        "stop_patience": 1,
        "optimizer": "sgd",
        "learning_rate": 1e-9,
    }
    short, long = (planned(epochs=n, **settings) for n in (4, 6))
    ended = execute(short, dataset, split, store, watch=recorder(), keep_checkpoint=True)
    assert len(ended.history) == 2
    assert begin_from(long, facts, store) == f"going on from epoch 2 of run {short.id}"
    watch = recorder()
    longer = execute(long, dataset, split, store, watch=watch)
    assert watch.epochs == []
    assert (longer.readouts, longer.chosen) == ((6,), ended.chosen)
    assert np.array_equal(longer.outcome(Role.TEST).outputs, ended.outcome(Role.TEST).outputs)


def test_a_run_that_had_stopped_and_lost_its_weights_is_trained_anew(planned, facts, store):
    from support.fake_records import history_of, record_of

    settings = {"stop_patience": 1}
    short, long = (planned(epochs=n, **settings) for n in (4, 6))
    folder = store.run_folder(short.id)
    record_of(short, history=history_of(2), chosen=(2,)).write(folder)
    (folder / CHECKPOINT_FILE).write_bytes(b"")
    assert "kept no checkpoint to go on from" in begin_from(long, facts, store)
    (folder / "epoch-2.npz").write_bytes(b"")
    assert begin_from(long, facts, store).startswith("going on from")
