"""One run from its plan to its record, in this process."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import psutil
from numpy.typing import NDArray

from mien.channels import channels_of, with_channel_axis
from mien.datasets.dataset import Dataset, Role
from mien.datasets.protocol import Samples, Split, copies_in_training, split_heads, taught_together
from mien.errors import RecordError, UnwritableError
from mien.files import canonical_json, written_whole
from mien.labels import LabelSet
from mien.machine import core_count, processor_name
from mien.picked import Picked
from mien.predictions import Predictions
from mien.randomness import generator
from mien.study.backbones import OTHER_BACKBONES
from mien.study.plan import PlannedRun, portable
from mien.study.recipe import Recipe
from mien.study.record import NETWORK_FILE, FurtherHead, RunRecord, RunStatus, data_facts, rounded
from mien.study.store import Store
from mien.training import backend
from mien.training.checkpoint import LoopState
from mien.training.fit import Ended, Material, Watch, drop_checkpoint, drop_weights, fit, load_weights, stalled
from mien.training.heads import places_of
from mien.training.losses import logit_offsets
from mien.training.network import (
    build_network,
    compile_network,
    describe_network,
    feature_extractor,
    head_model,
)
from mien.training.preprocessing import Statistics, estimate_zca_cost, fit_statistics, left_channels
from mien.training.settling import Settler
from mien.training.window import window_files

if TYPE_CHECKING:
    from mien.training.teaching import Teaching


def execute(
    run: PlannedRun,
    dataset: Dataset,
    split: Split,
    store: Store,
    *,
    watch: Watch,
    stop: Callable[[], bool] = lambda: False,
    keep_weights: bool = True,
    keep_checkpoint: bool = False,
    about: Mapping[str, Any] | None = None,
) -> RunRecord | None:
    """Train and evaluate one run, and write its record into the store.

    Args:
        run: what to do.
        dataset: the data set, for its facts.
        split: the data set under the run's protocol.
        store: where checkpoint and record go; where the opening of the test labels is logged.
        watch: is told of stages, steps and epochs.
        stop: asked after each epoch whether to stop there.
        keep_weights: whether the weights of the last readout stay beside the record, for export.
        keep_checkpoint: whether a longer run of the same course may go on from this one's last epoch.
        about: what the record says of the place, beside what is found here.

    Returns:
        The record; None when the run was stopped before its end, with its checkpoint in the store.
    """
    folder = store.run_folder(run.id)
    folder.mkdir(parents=True, exist_ok=True)
    clock = _Clock()
    recipe = run.recipe
    # At the start: when a long run ends, other code may lie in the checkout.
    computed_with = {**environment(), **(about or {})}

    heads = split_heads(dataset, run.protocol, recipe.heads) if recipe.heads else (split,)
    taught = taught_together(dataset, heads)
    with clock("fit_statistics"):
        statistics = _fit_statistics(recipe, taught, watch)
    with clock("teachers"):
        teaching = _prepare_teaching(recipe, taught, store, watch, heads) if recipe.teacher.models else None
    watch.stage("building the network")
    network = build_network(
        recipe,
        image_size=dataset.size,
        classes=[len(head.label_set) for head in heads],
        statistics=statistics,
        channels=dataset.channels,
    )
    settler = Settler(network, recipe, _as_trained_on(taught.train, teaching), taught.train.targets)
    described = {
        **describe_network(network),
        "statistics": _described(statistics),
        "averages": _averages(settler, recipe, len(taught.train)),
    }
    with clock("train"):
        ended, state = _train(network, settler, run, taught, teaching, store, folder, watch, stop)
    if ended is Ended.STOPPED:
        return None

    answered: list[_Answered] = [({}, {}) for _ in heads]
    if ended is Ended.COMPLETE:
        # Readouts that were asked for after their epoch was over, while the run was interrupted, cannot be had.
        run = replace(run, readouts=tuple(readout for readout in run.readouts if readout in state.chosen))
        if not run.readouts:
            raise RecordError(f"The weights that run {run.id} ended with are gone. Remove {folder} to start it anew.")
        with clock("evaluate"):
            watch.stage("evaluating")
            answered = _evaluate(network, settler, run, heads, taught, store, folder, state)
    (predictions, others), *further = answered
    data = _data_of(dataset, split, run, predictions)
    if recipe.heads:
        data["taught"] = taught.hash
    record = RunRecord(
        id=run.id,
        status=RunStatus.COMPLETE if ended is Ended.COMPLETE else RunStatus.DIVERGED,
        reason=None if ended is Ended.COMPLETE else _why_diverged(state),
        recipe=portable(recipe),
        protocol=asdict(run.protocol),
        data=data,
        label_set=split.label_set,
        readouts=run.readouts,
        chosen=tuple(state.chosen[readout] for readout in run.readouts if readout in state.chosen),
        network=described,
        history=tuple(state.history),
        predictions=predictions,
        others=others,
        environment=computed_with,
        seconds=clock.seconds | {"total": clock.total},
        peak_memory_mib=peak_memory_mib(),
        started=clock.started,
        heads={
            name: _further_head(dataset, head, run, name, answers)
            for name, head, (answers, _) in zip(recipe.heads[1:], heads[1:], further, strict=True)
        },
    )
    if predictions and keep_weights:
        load_weights(folder, network, state.chosen[run.readouts[-1]])
        _save_network(network, folder / NETWORK_FILE)
        store.keep_data(taught, dataset.spec)
    record.write(folder)
    kept = keep_checkpoint and ended is Ended.COMPLETE and recipe.prefix_stable
    if not kept:
        drop_checkpoint(folder)
        for path in window_files(folder):
            path.unlink()
    # A longer run may choose the best of this one; of one that had stopped, it has the end.
    best, end = recipe.select != "last", stalled(recipe, state.history)
    drop_weights(folder, keep={state.best_epoch if best else state.epoch} if kept and (best or end) else set())
    return record


def environment() -> dict[str, Any]:
    """What a run was computed with: versions, platform, devices."""
    names = ("mien", "numpy", "scipy", "h5py")
    return {
        "commit": _source_commit(),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        **backend.backend_versions(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "devices": backend.device_names(),
        "cores": core_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _save_network(network: keras.Model, path: Path) -> None:
    """Save the whole network as a .keras file, without the optimizer's state, whole or not at all."""
    part = path.with_name(f"part-{path.name}")
    # A second model of the same layers: it was never compiled, so there is no optimizer to save.
    try:
        keras.Model(network.inputs, network.outputs, name=network.name).save(part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UnwritableError(f"The network cannot be written to {path}: {error}.") from error


def _fit_statistics(recipe: Recipe, split: Split, watch: Watch) -> Statistics | None:
    spec = recipe.preprocessing
    if not spec.needs_fit:
        return None
    if spec.zca:
        height, width = split.train.picked.shape[1:3]
        channels = left_channels(channels_of(split.train.picked), spec)
        seconds, memory = estimate_zca_cost((height, width), len(split.train), channels)
        watch.stage(
            f"fitting ZCA whitening on {len(split.train):,} images: about {seconds:.0f} s and {memory / 2**20:.0f} MiB"
        )
    else:
        watch.stage(f"fitting statistics on {len(split.train):,} images")
    return fit_statistics(split.train.picked, spec)


def _prepare_teaching(
    recipe: Recipe, taught: Split, store: Store, watch: Watch, heads: Sequence[Split]
) -> Teaching | None:
    # It loads OpenCV and what recognizes faces, which other runs need not.
    from mien.training.teaching import prepare_teaching

    return prepare_teaching(recipe, taught, store, watch.stage, judged_by=heads)


def _described(statistics: Statistics | None) -> dict[str, Any] | None:
    """What a record says of the fitted statistics: enough to tell that they were fitted, and on how many images."""
    if statistics is None:
        return None
    return {
        "images": statistics.count,
        "mean": float(statistics.mean.mean()),
        "std": None if statistics.std is None else float(statistics.std.mean()),
        "whitening": statistics.whitening is not None,
    }


def _averages(settler: Settler, recipe: Recipe, images: int) -> dict[str, Any]:
    """What a record says of the averages of batch normalisation: enough to tell what is left of their start values."""
    return {
        "layers": len(settler.layers),
        "decay": max((layer.momentum for layer in settler.layers), default=None),
        "steps_per_epoch": images // min(recipe.batch_size, images),
    }


def _train(
    network: keras.Model,
    settler: Settler,
    run: PlannedRun,
    split: Split,
    teaching: Teaching | None,
    store: Store,
    folder: Path,
    watch: Watch,
    stop: Callable[[], bool],
) -> tuple[Ended, LoopState]:
    recipe = run.recipe
    roles = (split.train, split.validation)
    if recipe.freeze == "all" and not recipe.augmentation.active and teaching is None:
        # A frozen backbone answers the same in every epoch: ask it once, and train the head on its answers.
        trained = head_model(network)
        inputs: list[NDArray[Any] | Picked[Any]] = [
            _features(network, samples, recipe, split.hash, store, watch) for samples in roles
        ]
    else:
        trained = network
        inputs = [samples.picked.seen(with_channel_axis) for samples in roles]
    batch = min(recipe.batch_size, len(split.train))
    offsets = logit_offsets(recipe, split.train.targets)
    compile_network(trained, recipe, steps_per_epoch=len(split.train) // batch, offsets=offsets)
    train, validation = (Material(values, samples.targets) for values, samples in zip(inputs, roles, strict=True))
    train = replace(train, teaching=teaching)
    watch.stage("training")
    return fit(
        network,
        settler,
        trained,
        recipe,
        train,
        validation,
        folder=folder,
        readouts=run.readouts,
        watch=watch,
        stop=stop,
    )


def _as_trained_on(samples: Samples, teaching: Teaching | None) -> NDArray[np.uint8] | Picked[np.uint8]:
    """The training images as an epoch meets them before the network, (N, H, W, C): with teachers, one view of each."""
    if teaching is None or teaching.views == 1:
        return samples.picked.seen(with_channel_axis)
    views = generator(0, "settling", "views").integers(0, teaching.views, len(samples))
    return teaching.viewed(with_channel_axis(samples.images), np.arange(len(samples)), views)


def _features(
    network: keras.Model, samples: Samples, recipe: Recipe, split: str, store: Store, watch: Watch
) -> NDArray[np.float32]:
    """The frozen backbone's features of a role, from the store where another run has computed them already."""
    # Everything that the features depend on: the weights as they are, and what comes before them in the network.
    extractor = feature_extractor(network)
    identity = {
        "weights": _digest(extractor.get_weights()),
        "backbone": OTHER_BACKBONES.identity(recipe.backbone),
        "preprocessing": asdict(recipe.preprocessing),
        "precision": recipe.precision,
        "split": split,
        "images": _digest([samples.hashes]),
    }
    path = store.folder / "features" / f"{_digest([np.array(canonical_json(identity))])}.npy"
    with suppress(OSError, ValueError, EOFError):  # there are none yet, or a damaged file is to be written anew
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    watch.stage(f"computing the frozen backbone's features of {len(samples):,} images")
    features = backend.answers_of(extractor, samples.picked.seen(with_channel_axis), recipe.batch_size)
    path.parent.mkdir(exist_ok=True)
    with written_whole(path) as file:
        np.save(file, features.astype(np.float32))
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _digest(arrays: list[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


# Images of a batch in the evaluation. 256 would take the same time on a CPU, and 50 MiB more with a small network.
_ANSWERED_TOGETHER = 64

# Answers under the kind of batch statistics that a recipe asks for, and those under the other.
_Answered = tuple[dict[tuple[int, Role], Predictions], dict[tuple[int, Role], Predictions]]


def _evaluate(
    network: keras.Model,
    settler: Settler,
    run: PlannedRun,
    heads: Sequence[Split],
    taught: Split,
    store: Store,
    folder: Path,
    state: LoopState,
) -> list[_Answered]:
    """Answers of each head for its validation and test at every readout; the one place where test labels are opened.

    Returns:
        For each head the answers under the kind of batch statistics that the recipe asks for, and those under the
        other; the latter empty where no layer gathers any.
    """
    places = places_of([len(head.label_set) for head in heads])

    def answered() -> list[tuple[NDArray[np.float32], ...]]:
        return [
            tuple(
                rounded(backend.answers_of(network, images, _ANSWERED_TOGETHER).astype(np.float32)[:, place])
                for images in (head.validation.picked.seen(with_channel_axis), head.test.picked.seen(with_channel_axis))
            )
            for head, place in zip(heads, places, strict=True)
        ]

    answers: dict[int, list[list[tuple[NDArray[np.float32], ...]]]] = {}
    for epoch in sorted(set(state.chosen.values())):
        other_averages = load_weights(folder, network, epoch)
        answers[epoch] = [answered()]
        if settler.active:
            settler.put(other_averages)
            answers[epoch].append(answered())
    # The network is done and its answers are fixed before the labels are seen.
    found: list[_Answered] = []
    for number, head in enumerate(heads):
        reason = "evaluation at the end of the run" + (f", head {run.recipe.heads[number]}" if number else "")
        test_samples = head.test.open(by=run.id, reason=reason, log=store.log_opening)
        copies = copies_in_training(replace(taught, test=head.test))
        none = np.zeros(len(head.validation), dtype=bool)
        kinds: _Answered = ({}, {})
        for readout in run.readouts:
            for predictions, given in zip(kinds, answers[state.chosen[readout]], strict=False):
                validation, test = given[number]
                predictions[readout, Role.VALIDATION] = _pack(validation, head.validation, none)
                predictions[readout, Role.TEST] = _pack(test, test_samples, copies)
        found.append(kinds)
    return found


def _data_of(
    dataset: Dataset, split: Split, run: PlannedRun, predictions: Mapping[tuple[int, Role], Predictions]
) -> dict[str, Any]:
    """What the record says of the data; of the test labels once they were opened."""
    data = data_facts(dataset, split)
    if predictions:
        test = predictions[run.readouts[-1], Role.TEST]
        data["counts"] = {**data["counts"], Role.TEST.value: _test_counts(test, split.label_set)}
    return data


def _further_head(
    dataset: Dataset,
    head: Split,
    run: PlannedRun,
    name: str,
    predictions: Mapping[tuple[int, Role], Predictions],
) -> FurtherHead:
    data = _data_of(dataset, head, run, predictions)
    return FurtherHead(
        label_set=head.label_set,
        protocol={**asdict(run.protocol), "targets": name},
        data={key: data[key] for key in ("split", "counts", "notes")},
        predictions=predictions,
    )


def _pack(outputs: NDArray[np.float32], samples: Samples, copies: NDArray[np.bool_]) -> Predictions:
    return Predictions(outputs, samples.targets, samples.labels, samples.ids, copies, samples.groups)


def _test_counts(test: Predictions, label_set: LabelSet) -> dict[str, int]:
    tally = np.bincount(test.labels, minlength=len(label_set))
    return {e.value: int(count) for e, count in zip(label_set.expressions, tally, strict=True)}


def _why_diverged(state: LoopState) -> str:
    entry = state.history[-1]
    what = "training" if not np.isfinite(entry.loss) else "validation"
    return (
        f"The {what} loss was no finite number any more in epoch {entry.epoch}, at a learning rate of "
        f"{entry.learning_rate:g}. A lower learning rate or a warm-up may help."
    )


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far, in MiB."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _source_commit() -> str | None:
    """The commit of the checkout that this code runs from, with "-dirty" when it was changed since; None elsewhere."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        tracked = subprocess.run(["git", "ls-files", "--error-unmatch", __file__], cwd=here, capture_output=True)
        if tracked.returncode:
            return None
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


class _Clock:
    """Wall-clock seconds by stage."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    @property
    def total(self) -> float:
        return time.perf_counter() - self._start

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
