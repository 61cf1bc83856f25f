"""One network, trained and evaluated."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mien.api.displays import confusion_display, reliability_display
from mien.api.studying import StudyPlan, planned_of, run_study
from mien.arguments import checked
from mien.datasets.dataset import Dataset, Role
from mien.datasets.reading import refuse_keys
from mien.datasets.spec import DataSpec
from mien.errors import DataError, MienError, StudyFileError
from mien.evaluation.metrics import METRICS, Scores
from mien.files import parse_toml, toml_key, toml_text, written_whole
from mien.frame import Display, frame
from mien.labels import Labels, labels_text
from mien.others import refuse_while_loading
from mien.predictions import Predictions
from mien.study.backbones import OTHER_BACKBONES
from mien.study.record import RunRecord, RunStatus
from mien.study.running import StudyWatch
from mien.study.spec import parse_study
from mien.study.store import Store


@dataclass(frozen=True, eq=False)
class Run:
    """A run with its record: what `train` gives.

    Attributes:
        record: everything that was kept of it.
        folder: where it lies, with its network.
    """

    record: RunRecord
    folder: Path

    @property
    def predictions(self) -> Predictions:
        """Its answers for the test role, after the last epoch asked for."""
        return self.record.outcome(Role.TEST)

    def scores(self, role: str = "test") -> Scores:
        """Its figures on a role, "test" or "validation", with intervals; `scores().frame()` has a row a label."""
        return self.record.scores(Role(role))

    def frame(self) -> Any:
        """Its figures on the test role as a table, a row a figure; see `mien.frame.frame`."""
        scores = self.scores()
        return frame([{"figure": metric.title, **asdict(metric.of(scores))} for metric in METRICS.values()])

    def confusion(self, role: str = "test") -> Display:
        """How often each label got each answer: a row for each pair."""
        return confusion_display(self.scores(role))

    def reliability(self, role: str = "test") -> Display:
        """How probable its answers were said to be, and how often they were right: a row for each bin."""
        return reliability_display(self.scores(role))

    def curves(self) -> Display:
        """Loss and accuracy by epoch: a row for each epoch."""
        history = self.record.history

        def draw() -> str:
            from mien.report.figures import CurvesData
            from mien.report.sketch import sketch_curves

            names = ("loss", "accuracy", "validation_loss", "validation_accuracy")
            columns = {name: tuple(getattr(epoch, name) for epoch in history) for name in names}
            epochs = tuple(epoch.epoch for epoch in history)
            return sketch_curves(CurvesData(epochs=epochs, chosen=self.record.chosen, **columns))

        return Display("Learning curves", [epoch.to_json() for epoch in history], draw)

    def __repr__(self) -> str:
        record = self.record
        figures = f", accuracy {self.scores().accuracy}" if record.status is RunStatus.COMPLETE else ""
        return f"<run {record.id}: {record.recipe.get('backbone')}, {record.status.value}{figures}>"


@checked("data", "backbone", "labels")
def train(
    data: Dataset | DataSpec | Path | str,
    backbone: str | Callable[..., Any] = "mien_small",
    *,
    epochs: int = 10,
    labels: Labels = "dataset",
    roles: str = "auto",
    settings: Mapping[str, Any] | None = None,
    store: Store | Path | str = "stores/train",
    watch: StudyWatch | None = None,
    **keys: Any,
) -> Run:
    """Train one network and evaluate it on the test role; a run that the store has already is not trained again.

    It happens in a process of its own. One that was interrupted goes on from its last finished epoch, and one with more
    epochs than a finished one from there, where its schedule allows that.

    Args:
        data: a data set, or what `mien.read` takes. What was made of arrays is written into the store first.
        backbone: a name from `mien models list`; or a network of your own: "file.py:function", or the function itself,
            defined in a file (see `mien.Backbone`).
        epochs: passes over the training images.
        labels: label set, as in a protocol.
        roles: where roles come from, as in a protocol.
        settings: further settings of the recipe, by dotted key: {"augmentation.flip": True}.
        store: where the record goes.
        watch: is told what happens.
        **keys: keys of `DataSpec`, where `data` is a path.

    Raises:
        DataError: the data cannot be read.
        StudyFileError: there is no such setting.
        MissingExtraError: Keras is not installed.
        MienError: the run failed, with its reason.
    """
    refuse_while_loading("a training")
    network = backbone if isinstance(backbone, str) else OTHER_BACKBONES.text_of(backbone)
    place = store if isinstance(store, Store) else Store.create(Path(store))
    place = Store.create(place.folder)
    spec = _described(data, place, keys)
    _refuse_arguments(settings, "{}", "settings[{!r}]")
    fixed = {"backbone": network, "epochs": epochs, **(settings or {})}
    text = study_text(spec, labels_text(labels), roles, fixed)
    study = parse_study(text, place=lambda path: said_by(path, "{}", "settings[{!r}]"))
    ahead = planned_of(study, text, Path.cwd(), store=place.folder)
    if len(ahead.plan.runs) > 1:
        raise MienError(
            "protocol.folds makes several runs, and mien.train gives one. A study file with folds under [protocol] "
            "runs and pools them (mien study run), and so does mien train with --set protocol.folds=5; "
            "protocol.fold = 1 trains the first alone."
        )
    progress = run_study(ahead, watch=watch, keep_checkpoints=True)
    run = ahead.plan.runs[0]
    if run.id in progress.failed:
        raise MienError(f"The run failed: {progress.failed[run.id]}")
    return Run(place.read(run.id), place.run_folder(run.id))


def plan_training(
    data: Path | str,
    backbone: str,
    *,
    epochs: int,
    labels: str = "dataset",
    roles: str = "auto",
    test: Path | str | None = None,
    settings: Mapping[str, Any] | None = None,
    store: Path | str = "stores/train",
    **keys: Any,
) -> StudyPlan:
    """The plan of one run, or of one for each fold, as a study with a single cell; `run_study` runs it.

    Args:
        data: path of a data set, or "drawn".
        backbone: a name from `mien models list`, or "file.py:function".
        epochs: passes over the training images.
        labels: label set, as in a protocol.
        roles: where roles come from, as in a protocol.
        test: path of another data set, all of whose images are the test role.
        settings: further settings of the recipe, by dotted key.
        store: where the record goes.
        **keys: keys of `DataSpec`, of `data`.

    Raises:
        DataError: the data cannot be read.
        StudyFileError: there is no such setting.
    """
    _refuse_arguments(settings, "--{}", "--set {}")
    spec = DataSpec.of(data, **keys)
    if test is not None:
        spec = DataSpec(sources=(spec, DataSpec(path=str(test), role="test")))
    text = study_text(spec, labels, roles, {"backbone": backbone, "epochs": epochs, **(settings or {})})
    study = parse_study(text, place=lambda path: said_by(path, "--{}", "--set {}"))
    return planned_of(study, text, Path.cwd(), store=store)


def _refuse_arguments(settings: Mapping[str, Any] | None, argument: str, setting: str) -> None:
    """Refuse, among the further settings, what has an argument of its own: only one of the two could count."""
    for key in ("backbone", "epochs"):
        if key in (settings or {}):
            raise StudyFileError(f"{key} is said by {argument.format(key)}. Received: {setting.format(key)}.")


def study_text(data: DataSpec, labels: str, roles: str, fixed: Mapping[str, Any]) -> str:
    """The study file of one run."""
    lines = [
        "schema = 1",
        'name = "train"',
        "title = " + toml_text("One run of " + str(fixed["backbone"])),
        "[data]",
        *_said(data),
        *(line for source in data.sources for line in ("[[data.sources]]", *_said(source))),
        "[protocol]",
        f"labels = {toml_text(labels)}",
        f"roles = {toml_text(roles)}",
        "[[tables]]",
        'name = "run"',
        'metrics = ["accuracy", "balanced_accuracy", "macro_f1"]',
        f"rows.backbone = [{toml_text(fixed['backbone'])}]",
        "[tables.fixed]",
        *(f"{toml_key(key)} = {toml_text(value)}" for key, value in fixed.items() if key != "backbone"),
    ]
    return "\n".join(lines) + "\n"


def said_by(path: Sequence[str], argument: str, setting: str) -> str:
    """What said the part of `study_text` that keys lead to.

    Args:
        path: the keys.
        argument: how an argument of its own is written, with a place for its name.
        setting: how one of the further settings is written, with a place for its key.

    >>> said_by(("tables", "0", "fixed", "augmentation", "flip"), "--{}", "--set {}")
    '--set augmentation.flip'
    """
    words = [word for word in path if not word.isdigit()]
    key = ".".join(words[2:])
    if words[:2] == ["tables", "fixed"] and key and key != "epochs":
        return setting.format(key)
    name = "backbone" if "rows" in words else words[-1] if words else "data"
    return argument.format("data" if name in ("path", "sources") else name)


def _said(data: DataSpec) -> list[str]:
    """The lines of a description, without what is as usual and without its sources."""
    usual = {item.name: item.default for item in fields(DataSpec)}
    said = {key: value for key in usual if key != "sources" and (value := getattr(data, key)) != usual[key]}
    return [f"{key} = {toml_text(value)}" for key, value in said.items()]


def _described(data: Dataset | DataSpec | Path | str, store: Store, keys: Mapping[str, Any]) -> DataSpec:
    """The description by which the run's own process reads the data."""
    if not isinstance(data, Dataset):
        return DataSpec.of(data, **keys).resolved(Path.cwd())
    refuse_keys(data, keys)
    if data.spec is not None:
        return data.spec
    if data.votes is not None:
        raise DataError(
            f"{data.name} has votes and was made or cut out in this process, and the run's process must read it again: "
            "write it with mien.datasets.manifest.write_manifest and train on that folder."
        )
    path = store.folder / "data" / f"{data.fingerprint}.npz"
    if not path.is_file():
        path.parent.mkdir(exist_ok=True)
        names = np.array([expression.value for expression in data.label_set.expressions])
        groups: dict[str, Any] = {} if data.groups is None else {"groups": data.groups}
        with written_whole(path) as file:
            np.savez(file, images=data.images, labels=names[data.labels], roles=data.roles, ids=data.ids, **groups)
    channels = None if data.channels == "gray" else data.channels
    return DataSpec(path=str(path.resolve()), reader="numpy", framing=data.framing, channels=channels)


def parse_value(text: str) -> Any:
    """The value that a text says, as in a study file: 0.1, true, ["a"]; a bare word is a text."""
    try:
        return parse_toml(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()
