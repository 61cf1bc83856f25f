"""The training loop. It reads from top to bottom, and every epoch ends in a checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from mien.errors import NetworkError, UnwritableError
from mien.files import written_whole
from mien.picked import Picked
from mien.randomness import generator
from mien.study.recipe import Recipe
from mien.study.record import Epoch
from mien.study.store import CHECKPOINT_FILE, EPOCH_FILES
from mien.training.backend import judged, sharing_devices, taken_in_batches
from mien.training.blending import blend, draw_blend
from mien.training.checkpoint import LoopState, load_checkpoint, save_checkpoint
from mien.training.network import averaged_weights
from mien.training.settling import Settler
from mien.training.window import Window

if TYPE_CHECKING:
    from mien.training.teaching import Teaching

# Below this change of validation loss an epoch counts as no better, as in Keras' own plateau schedule.
PLATEAU_MARGIN = 1e-4


class Watch(Protocol):
    """What a run tells while it goes on."""

    def stage(self, text: str) -> None:
        """A stage begins, such as "fitting statistics"."""

    def step(self, epoch: int, done: int, total: int) -> None:
        """`done` of `total` steps of an epoch are done."""

    def epoch(self, entry: Epoch) -> None:
        """An epoch is over."""


class Ended(StrEnum):
    """How a training loop came to its end."""

    COMPLETE = "complete"
    DIVERGED = "diverged"
    STOPPED = "stopped"


@dataclass(frozen=True, eq=False)
class Material:
    """Input and targets of one role, as the trained part of the network takes them.

    Attributes:
        inputs: shape (N, H, W, C), uint8 images, C 1 or 3; or (N, F), float32 features of a frozen backbone.
        targets: shape (N, K), float32, rows sum to 1.
        teaching: what teachers say of them, where the recipe has teachers.
    """

    inputs: NDArray[Any] | Picked[Any]
    targets: NDArray[np.float32]
    teaching: Teaching | None = None

    def __len__(self) -> int:
        return len(self.inputs)


def fit(
    network: keras.Model,
    settler: Settler,
    trained: keras.Model,
    recipe: Recipe,
    train: Material,
    validation: Material,
    *,
    folder: Path,
    readouts: tuple[int, ...],
    watch: Watch,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Ended, LoopState]:
    """Train a compiled network, or go on where a checkpoint in `folder` stands.

    Args:
        network: the whole network.
        settler: of that network: the averages under which it is validated.
        trained: what is trained: the network itself, or its head on the features of a frozen backbone. Compiled.
        recipe: resolved.
        train: the training role.
        validation: the validation role; the only one that can choose an epoch or lower the learning rate.
        folder: the run's folder, for the checkpoint and the weights of chosen epochs.
        readouts: epochs after which weights are kept for evaluation.
        watch: is told of stages, steps and epochs.
        stop: asked after each epoch whether to stop there; the checkpoint stays.

    Returns:
        How it ended, and the state of the loop with its history.

    Raises:
        NetworkError: several devices share each batch, and cannot share these evenly.
    """
    optimizer = trained.optimizer
    optimizer.build(trained.trainable_variables)
    state = load_checkpoint(folder, network, optimizer)
    # Of a shorter run that this one goes on from, what answered its readouts is not kept.
    state.chosen = {r: epoch for r, epoch in state.chosen.items() if weights_file(folder, epoch).is_file()}
    if stalled(recipe, state.history):
        # It had stopped, and answers for what was asked for since as for what was asked for then.
        last = state.epoch if recipe.select == "last" else state.best_epoch
        if weights_file(folder, last).is_file():
            state.chosen |= {readout: last for readout in readouts if readout > state.epoch}
    batch = min(recipe.batch_size, len(train))
    if (sharing := sharing_devices()) and batch % len(sharing):
        raise NetworkError(
            f"{len(sharing)} GPUs cannot share batches of {batch} images evenly. Choose a batch_size that "
            f"{len(sharing)} divides, or fewer GPUs."
        )
    # Whole batches only: a last batch of two images would upset BatchNorm. The order changes with every epoch, so
    # every image has its turn.
    steps = len(train) // batch
    window = Window(folder, trained, recipe.average_last)
    weights = class_weights(train.targets) if recipe.class_weights == "balanced" else None
    while state.epoch < recipe.epochs and not stalled(recipe, state.history):
        epoch = state.epoch + 1
        order = generator(recipe.seed, "order", str(epoch)).permutation(len(train))[: steps * batch]
        started = time.perf_counter()
        logs = trained.fit(
            **taken_in_batches(batch, len(order), epoch_rows(train, recipe, epoch, order, weights)),
            shuffle=False,
            verbose=0,
            callbacks=[_Steps(watch, epoch, steps)],
        ).history
        seconds = time.perf_counter() - started
        with averaged_weights(trained), window.averaged(epoch):
            watch.stage(f"validating epoch {epoch}")
            gathered = settler.averages()
            settled = settler.estimate()
            own, other = (settled, gathered) if recipe.batch_statistics == "settled" else (gathered, settled)
            checked = _validated(settler, own, trained, recipe, validation)
            compared = _validated(settler, other, trained, recipe, validation) if settler.active else _NOTHING
            entry = Epoch(
                epoch=epoch,
                loss=float(logs["loss"][0]),
                accuracy=float(logs["accuracy"][0]),
                validation_loss=float(checked["loss"]),
                validation_accuracy=float(checked["accuracy"]),
                validation_balanced_accuracy=float(checked.get("balanced_accuracy", np.nan)),
                other_validation_loss=float(compared["loss"]),
                other_validation_accuracy=float(compared["accuracy"]),
                learning_rate=float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
                seconds=seconds,
                images_per_second=len(order) / seconds,
            )
            state.history.append(entry)
            if not math.isfinite(entry.loss) or not math.isfinite(entry.validation_loss):
                settler.put(gathered)
                watch.epoch(entry)
                return Ended.DIVERGED, state
            choose(state, recipe, entry, readouts)
            if epoch in (state.best_epoch, *state.chosen.values()):
                settler.put(own)
                save_weights(folder, network, epoch, other)
            settler.put(gathered)
        if recipe.schedule == "plateau":
            optimizer.learning_rate = plateau_rate(state, recipe, entry)
        save_checkpoint(folder, state, network, optimizer)
        window.drop(epoch)
        drop_weights(folder, keep={state.best_epoch, *state.chosen.values()})
        watch.epoch(entry)
        if stop() and state.epoch < recipe.epochs:
            return Ended.STOPPED, state
    return Ended.COMPLETE, state


def epoch_rows(
    train: Material, recipe: Recipe, epoch: int, order: NDArray[np.int64], weights: NDArray[np.float32] | None
) -> Callable[[slice], tuple[NDArray[Any], ...]]:
    """What gives the images, targets and weights of some places in an epoch, so that none need be held for long.

    Args:
        train: the training role.
        recipe: resolved; its mixup and CutMix blend images and targets.
        epoch: whose random numbers are used.
        order: the samples of the epoch, in their order.
        weights: of the classes, shape (K,); None for none.

    Returns:
        A function of places in the epoch to inputs, targets and, with class weights, the weight of each image. With
        teachers, what they say stands behind the targets, in as many columns again.
    """
    stream = partial(_stream, recipe.seed, epoch)
    how = None
    if train.inputs.ndim == 4:  # images; features of a frozen backbone are not changed at random
        height, width = train.inputs.shape[1:3]
        how = draw_blend(recipe.augmentation, len(order), (height, width), stream)
    teaching = train.teaching
    if teaching is not None:
        views = stream("teacher").integers(0, teaching.views, len(order))

    def taken(places: slice | NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        own = order[places]
        inputs, targets = train.inputs[own], train.targets[own]
        if teaching is None:
            return inputs, targets
        said = teaching.softened(own, views[places])
        return teaching.viewed(inputs, own, views[places]), np.concatenate([targets, said], axis=1)

    def rows(places: slice) -> tuple[NDArray[Any], ...]:
        inputs, targets = taken(places)
        if how is not None:
            inputs, targets = blend((inputs, targets), taken(how.partners[places]), how, places)
        return (inputs, targets) if weights is None else (inputs, *weighed(targets, weights))

    return rows


def _stream(seed: int, epoch: int, name: str) -> np.random.Generator:
    """The random numbers of one purpose in one epoch."""
    return generator(seed, name, str(epoch))


def weighed(
    targets: NDArray[np.float32], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets under class weights: each class's part of a target weighs as the class does.

    A weight for the whole image would lift the common class of a blend or a vote together with the rare one: under
    mixup, classes with shares of 90, 8 and 2 % would have 62, 21 and 18 % of the loss, not a third each.

    Args:
        targets: shape (N, K), rows sum to 1.
        weights: shape (K,).

    Returns:
        Targets whose rows sum to 1, shape (N, K), and weights of the images, shape (N,), float32: row by row, their
        product is target times class weight. A target of one class stays as it is.
    """
    each = targets @ weights
    return targets * weights / each[:, None], each


# The validation figures where there is no other kind of batch statistics.
_NOTHING = {"loss": np.nan, "accuracy": np.nan}


def _validated(
    settler: Settler, averages: list[NDArray[np.float32]], trained: keras.Model, recipe: Recipe, validation: Material
) -> dict[str, float]:
    """Loss and accuracy on the validation role under these averages of batch normalisation, which stay in place."""
    settler.put(averages)
    return judged(trained, validation.inputs, validation.targets, recipe.batch_size)


def choose(state: LoopState, recipe: Recipe, entry: Epoch, readouts: tuple[int, ...]) -> None:
    """Note the best epoch so far and, at a readout, the epoch that answers for it; validation figures alone decide.

    Where training stops here, the epoch answers for all readouts that were to come.
    """
    if recipe.select != "last":
        value = {
            "best_loss": entry.validation_loss,
            "best_accuracy": -entry.validation_accuracy,
            "best_balanced_accuracy": -entry.validation_balanced_accuracy,
        }[recipe.select]
        if value < state.best_value:
            state.best_epoch, state.best_value = entry.epoch, value
    over = stalled(recipe, state.history)
    for readout in readouts:
        if readout == entry.epoch or (over and readout > entry.epoch):
            state.chosen[readout] = entry.epoch if recipe.select == "last" else state.best_epoch


def stalled(recipe: Recipe, history: Sequence[Epoch]) -> bool:
    """Whether the validation loss has not improved for `stop_patience` epochs, so that training stops."""
    best, waited = math.inf, 0
    for entry in history:
        better = entry.validation_loss < best - PLATEAU_MARGIN
        best, waited = (entry.validation_loss, 0) if better else (best, waited + 1)
    return 0 < recipe.stop_patience <= waited


def plateau_rate(state: LoopState, recipe: Recipe, entry: Epoch) -> float:
    """The learning rate of the next epoch: lowered when validation loss has not improved for `plateau_patience`."""
    if entry.validation_loss < state.plateau_best - PLATEAU_MARGIN:
        state.plateau_best, state.plateau_wait = entry.validation_loss, 0
        return entry.learning_rate
    state.plateau_wait += 1
    if state.plateau_wait < recipe.plateau_patience:
        return entry.learning_rate
    state.plateau_wait = 0
    return max(entry.learning_rate * recipe.plateau_factor, recipe.minimum_learning_rate)


def class_weights(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights inverse to the classes' shares of the training role, so that the mean weight of an image is 1.

    Args:
        targets: shape (N, K), rows sum to 1.

    Returns:
        Shape (K,), float32; 0 for a class without samples.
    """
    mass = targets.sum(axis=0, dtype=np.float64)
    weights = np.zeros_like(mass)
    np.divide(mass.sum(), (mass > 0).sum() * mass, out=weights, where=mass > 0)
    return np.asarray(weights, dtype=np.float32)


def weights_file(folder: Path, epoch: int) -> Path:
    """Where the weights of a chosen epoch are kept while the run goes on."""
    return folder / EPOCH_FILES.replace("*", str(epoch))


def save_weights(
    folder: Path, network: keras.Model, epoch: int, other_averages: Sequence[NDArray[np.float32]] = ()
) -> None:
    """Keep the weights of an epoch, whole or not at all. Unlike Keras' own files, without the optimizer's state.

    Args:
        folder: the run's.
        network: with the averages of batch normalisation that the recipe asks for in place.
        epoch: whose weights they are.
        other_averages: those of the other kind, as `Settler.put` takes them.

    Raises:
        UnwritableError: they cannot be written.
    """
    try:
        with written_whole(weights_file(folder, epoch)) as file:
            others = {f"other_{i}": average for i, average in enumerate(other_averages)}
            np.savez(file, *network.get_weights(), **others)  # type: ignore[arg-type]
    except OSError as error:
        reason = error.strerror or error
        raise UnwritableError(f"The weights of epoch {epoch} cannot be written to {folder}: {reason}.") from error


def load_weights(folder: Path, network: keras.Model, epoch: int) -> list[NDArray[np.float32]]:
    """Put the weights that `save_weights` kept into the network. Returns the other averages that lie beside them."""
    with np.load(weights_file(folder, epoch), allow_pickle=False) as arrays:
        others = sum(name.startswith("other_") for name in arrays.files)
        network.set_weights([arrays[f"arr_{i}"] for i in range(len(arrays.files) - others)])
        return [arrays[f"other_{i}"] for i in range(others)]


def drop_weights(folder: Path, keep: set[int]) -> None:
    """Remove kept weights that no readout and no best epoch refers to any more."""
    kept = {weights_file(folder, epoch) for epoch in keep}
    for path in folder.glob(EPOCH_FILES):
        if path not in kept:
            path.unlink()


def drop_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a run that has its record."""
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)


class _Steps(keras.callbacks.Callback):
    """Passes on each step, and ends an epoch whose loss is no number any more."""

    def __init__(self, watch: Watch, epoch: int, steps: int) -> None:
        super().__init__()
        self._watch, self._epoch, self._steps = watch, epoch, steps

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._watch.step(self._epoch, batch + 1, self._steps)
        if logs and not math.isfinite(logs["loss"]):
            self.model.stop_training = True
