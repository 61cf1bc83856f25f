"""What the plan asked for beside what the records hold: one result a run and readout, whatever became of it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from mien.datasets.dataset import Role
from mien.datasets.protocol import ProtocolSpec
from mien.errors import ContradictionError, DataError, NetworkError
from mien.evaluation.intervals import Estimate
from mien.evaluation.metrics import METRICS, Metric, Scores
from mien.labels import Label
from mien.report.measured import Measured, Measurer
from mien.study.backbones import backbone_title
from mien.study.held import why_unanswered
from mien.study.plan import Cell, Plan, PlannedRun
from mien.study.recipe import Recipe
from mien.study.record import RunRecord, RunStatus
from mien.study.settings import parse
from mien.study.spec import READOUT, Study
from mien.wording import count_text

# What marks a model of which there are answers alone.
NOT_TRAINED_HERE = ", not trained here"

# From this share of equal answers on, a network's accuracy is the commonness of one label and hardly anything else.
COLLAPSE_SHARE = 0.95


class State(StrEnum):
    """What there is to show for a result. All but `MISSING` are the states of a run."""

    COMPLETE = RunStatus.COMPLETE.value
    DIVERGED = RunStatus.DIVERGED.value
    FAILED = RunStatus.FAILED.value
    SKIPPED = RunStatus.SKIPPED.value
    MISSING = "not run yet"


@dataclass(frozen=True)
class Collapse:
    """A network that gives one answer to nearly every image.

    Attributes:
        answer: the label that it gives.
        share: of the images that are given it, 0 to 1.
        support: share of the images whose right label it is, 0 to 1.
        silent: share of the images for which all its outputs were equal, so that the label is no answer at all.
    """

    answer: Label
    share: float
    support: float
    silent: float

    def __str__(self) -> str:
        if self.is_silent:
            return f"gives no answer to {_nearly(self.silent)} of the images: all its outputs are equal"
        return f"answers '{self.answer.value}' to {_nearly(self.share)} of the images"

    @property
    def is_silent(self) -> bool:
        """Whether the network does not even prefer the label that counts as its answer."""
        return self.silent >= COLLAPSE_SHARE

    @property
    def badge(self) -> str:
        """The same in two words, for a table."""
        return "no answer" if self.is_silent else f"only '{self.answer.value}'"


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """One planned run, read out after one epoch.

    Attributes:
        run: as planned.
        title: the backbone, and in what the run departs from the study's recipe.
        readout: the epoch after which it is (or would be) evaluated.
        state: what there is to show.
        reason: why, where a run ended without figures; an empty text otherwise.
        record: of the run, where one was written.
        measured: how well it answered for the test role; None unless complete.
        collapse: set when nearly all answers are the same.
        unsound: why its figures say little of the backbone (see `unsound_head`); an empty text otherwise.
        folds: of a figure that pools the answers of folds, the result of each; empty otherwise.
    """

    run: PlannedRun
    title: str
    readout: int
    state: State
    reason: str = ""
    record: RunRecord | None = None
    measured: Measured | None = None
    collapse: Collapse | None = None
    unsound: str = ""
    folds: tuple[Result, ...] = ()

    @property
    def status(self) -> str:
        """The state in a few words, with the epoch at which a run diverged."""
        if self.state is State.DIVERGED and self.record is not None:
            return f"diverged in epoch {_last_epoch(self.record)}"
        return self.state.value

    @property
    def scores(self) -> Scores | None:
        """On the test role; None unless complete."""
        return self.measured.scores if self.measured else None

    @property
    def without_copies(self) -> Estimate | None:
        """Accuracy without the test images that have a copy in another role; None where no image is left."""
        return self.measured.without_copies if self.measured else None

    @property
    def copies(self) -> int:
        """How many test images have a copy in another role."""
        if self.scores is None:
            return 0
        return self.scores.count - (self.without_copies.count if self.without_copies else 0)

    @property
    def floor(self) -> Scores | None:
        """The same images answered without looking at them, with the shares of the labels; None unless complete."""
        return self.measured.floor if self.measured else None

    @property
    def above_floor(self) -> bool:
        """Whether it is shown to be right more often than the commonest label alone, on the same images."""
        return self.beats_floor(METRICS["accuracy"])

    def beats_floor(self, metric: Metric) -> bool:
        """Whether a figure is shown to be better than that of answering blindly, on the same images."""
        return self.measured is not None and self.measured.beats_floor(metric)

    @property
    def backbone(self) -> str:
        """The backbone's name for people."""
        return backbone_title(self.run.recipe.backbone)

    @property
    def chosen_epoch(self) -> int | None:
        """The epoch whose weights were evaluated; None where the record does not say."""
        if self.record is None or self.readout not in self.record.readouts or not self.record.chosen:
            return None
        return self.record.chosen[self.record.readouts.index(self.readout)]

    @property
    def seconds_per_epoch(self) -> float | None:
        """Mean time of a training pass, in seconds; None without a history, or where unlike machines computed it."""
        return _mean(epoch.seconds for record in self.timed for epoch in record.history)

    @property
    def images_per_second(self) -> float | None:
        """Images of the training passes a second; None as `seconds_per_epoch`."""
        return _mean(epoch.images_per_second for record in self.timed for epoch in record.history)

    @property
    def total_seconds(self) -> float | None:
        """All its time, in seconds; None where a record does not say, or unlike machines computed it."""
        known = [record.seconds["total"] for record in self.timed if "total" in record.seconds]
        return sum(known) if known and len(known) == len(self.records) else None

    @property
    def timed(self) -> list[RunRecord]:
        """The records behind it, where their times say something together: all are of one hardware. Else none."""
        return self.records if len({record.hardware for record in self.records}) == 1 else []

    @property
    def records(self) -> list[RunRecord]:
        """The records behind it: one, none, or those of its folds."""
        return [part.record for part in self.folds or (self,) if part.record is not None]

    @property
    def is_foreign(self) -> bool:
        """Whether the model was not trained here, so that there are its answers and nothing else."""
        return self.record is not None and self.record.foreign is not None

    @property
    def run_ids(self) -> str:
        """The runs behind it, by id, with blanks between them."""
        return " ".join(part.run.id for part in self.folds or (self,))


@dataclass(frozen=True, eq=False)
class Results:
    """All results of a plan.

    Attributes:
        plan: what was asked for.
        titles: of the runs, by id, and of what pools folds.
        entries: one a planned run and readout, in the plan's order.
        pooled: one a figure that pools the answers of folds, in the plan's order.
        foreign: one a model that was not trained here, and whose answers lie in the store.
    """

    plan: Plan
    titles: Mapping[str, str]
    entries: tuple[Result, ...]
    pooled: tuple[Result, ...] = ()
    foreign: tuple[Result, ...] = ()

    @property
    def everyone(self) -> list[Result]:
        """The results with scores, those of models that were not trained here among them, best accuracy first."""
        return _by_accuracy([*self.scored, *self.foreign])

    @property
    def scored(self) -> list[Result]:
        """The results with scores, best accuracy first; those of folds pooled."""
        return _by_accuracy([*(entry for entry in self.entries if not entry.run.protocol.fold), *self.pooled])

    @property
    def scored_runs(self) -> list[Result]:
        """The results of single runs that have scores, each fold by itself, best accuracy first."""
        return _by_accuracy(self.entries)

    @property
    def records(self) -> list[RunRecord]:
        """The records behind the results, each once, in the plan's order."""
        unique = {entry.run.id: entry.record for entry in self.entries if entry.record is not None}
        return list(unique.values())

    def of(self, cell: Cell) -> Result | None:
        """The result that answers a cell, pooled where it has folds, or None for a cell that the plan skips."""
        if cell.fold:
            pools = (e for e in self.pooled for f in e.folds if (f.run.id, f.readout) == (cell.run_id, cell.readout))
            return next(pools, None)
        return next((e for e in self.entries if (e.run.id, e.readout) == (cell.run_id, cell.readout)), None)


def collect(
    plan: Plan,
    records: Mapping[str, RunRecord],
    *,
    foreign: Sequence[RunRecord] = (),
    metrics: Iterable[str] = (),
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Results:
    """Score what the records hold of a plan.

    Args:
        plan: what was asked for.
        records: by run id; runs may be missing, and records that the plan does not ask for are left aside.
        foreign: records of models that were not trained here.
        metrics: figures that are compared, beside those of the study's tables.
        cache: a folder that keeps the scores of records, see `Measurer`.
        progress: told how many of how many runs have been scored.
    """
    titles = run_titles(plan)
    readouts = {readout for run in plan.runs for readout in run.readouts}
    measurer = Measurer({*metrics, *(name for table in plan.study.tables for name in table.metrics)}, cache)
    entries = []
    for done, run in enumerate(plan.runs):
        progress(done, len(plan.runs))
        for readout in run.readouts:
            title = titles[run.id] + (f", {count_text(readout, 'epoch')}" if len(readouts) > 1 else "")
            entries.append(_result(run, title, readout, records.get(run.id), measurer))
    pooled = _pooled(plan, entries, measurer)
    others = _foreign(foreign, measurer)
    titles |= {entry.run.id: entry.title for entry in (*pooled, *others)}
    return Results(plan, titles, tuple(entries), pooled, others)


def _foreign(records: Sequence[RunRecord], measurer: Measurer) -> tuple[Result, ...]:
    """The results of models that were not trained here, each marked in its title."""
    names = [str((record.foreign or {})["name"]) for record in records]
    found = []
    for record, name in zip(records, names, strict=True):
        title = f"{name} ({record.id[:6]})" if names.count(name) > 1 else name
        run = PlannedRun(record.id, Recipe(backbone=name), parse(ProtocolSpec, record.protocol), record.readouts)
        found.append(_result(run, title + NOT_TRAINED_HERE, record.readouts[-1], record, measurer))
    return tuple(found)


def _by_accuracy(results: Iterable[Result]) -> list[Result]:
    return sorted(
        (result for result in results if result.scores is not None),
        key=lambda result: -result.scores.accuracy.value if result.scores else 0.0,
    )


def _pooled(plan: Plan, entries: Sequence[Result], measurer: Measurer) -> tuple[Result, ...]:
    """The figures that pool the answers of folds, one a place and seed, those that are the same once."""
    by_run = {(entry.run.id, entry.readout): entry for entry in entries}
    places: dict[tuple[str, str, str, int], list[Result]] = {}
    for cell in plan.cells:
        if cell.fold and cell.run_id is not None and cell.readout is not None:
            places.setdefault(cell.place, []).append(by_run[cell.run_id, cell.readout])
    found: dict[str, Result] = {}
    for folds in places.values():
        result = _pool(folds, measurer)
        found.setdefault(f"{result.run.id} {result.readout}", result)
    return tuple(found.values())


def _pool(folds: Sequence[Result], measurer: Measurer) -> Result:
    first = folds[0]
    name = hashlib.sha256(" ".join(fold.run.id for fold in folds).encode()).hexdigest()[:12]
    run = replace(first.run, id=name, protocol=replace(first.run.protocol, fold=0))
    title = first.title.replace(f", fold {first.run.protocol.fold}", f", {count_text(len(folds), 'fold')} pooled")
    empty = replace(first, run=run, title=title, folds=tuple(folds), record=None, measured=None, collapse=None)
    without = [fold for fold in folds if fold.measured is None]
    if without:
        state = next((fold.state for fold in without if fold.state is not State.MISSING), State.MISSING)
        done = f"{len(folds) - len(without)} of {len(folds)} folds have figures"
        why = next((fold.reason for fold in without if fold.reason), "")
        return replace(empty, state=state, reason=f"{done}. {why}".removesuffix(" "))
    try:
        measured = measurer.of_folds(name, empty.records, first.readout)
    except DataError as error:
        return replace(empty, state=State.FAILED, reason=str(error))
    return replace(empty, state=State.COMPLETE, reason="", measured=measured, collapse=find_collapse(measured.scores))


def run_titles(plan: Plan) -> dict[str, str]:
    """A title for each run, by id: its backbone, then the settings in which it departs from the study's recipe.

    Only settings that the study varies are named; the number of epochs belongs to the readout. Should two titles still
    be equal, both get the beginning of the run's id.
    """
    study = plan.study
    settings = {run.id: _all_settings(run.recipe, run.protocol) for run in plan.runs}
    titles = {}
    for run in plan.runs:
        own, usual = settings[run.id], _usual_settings(study, run)
        named = [_setting(key, own[key]) for key in _varied(study, settings.values()) if own[key] != usual[key]]
        fold = [f"fold {run.protocol.fold}"] * bool(run.protocol.fold)
        titles[run.id] = ", ".join([backbone_title(run.recipe.backbone), *named, *fold])
    seen = list(titles.values())
    return {run_id: title if seen.count(title) == 1 else f"{title} ({run_id[:6]})" for run_id, title in titles.items()}


def _usual_settings(study: Study, run: PlannedRun) -> dict[str, Any]:
    """The study's recipe as it would be resolved for the backbone of a run, but for a size that it leaves open."""
    recipe = replace(study.recipe, backbone=run.recipe.backbone)
    try:
        resolved = recipe.resolved(run.recipe.preprocessing.size or 0)
    except (ContradictionError, NetworkError):
        resolved = recipe
    usual = _all_settings(resolved, study.protocol)
    return usual | {"preprocessing.size": recipe.preprocessing.size}


def _varied(study: Study, settings: Iterable[Mapping[str, Any]]) -> list[str]:
    """The settings that the study's tables change and that runs differ in, but for backbone and epochs."""
    asked = ["seed"]
    for table in study.tables:
        for changes in (table.fixed, *(point.changes for point in (*table.rows.points, *table.columns.points))):
            asked += changes
    settings = list(settings)
    return [
        key
        for key in dict.fromkeys(asked)
        if key not in ("backbone", "epochs", READOUT) and len({str(values[key]) for values in settings}) > 1
    ]


def _all_settings(recipe: Recipe, protocol: ProtocolSpec) -> dict[str, Any]:
    return flat_settings({**recipe.to_json(), "protocol": asdict(protocol)})


def unsound_head(recipe: Recipe) -> str:
    """Why the head's activation and the loss do not go together, in a sentence; an empty text when they do."""
    if recipe.activation == "relu" and recipe.loss != "mean_squared_error":
        return (
            f"A relu output under {recipe.loss.replace('_', ' ')} is not a valid pair: all outputs can be 0, and then "
            "no gradient is left to learn from. The figure speaks of that pair, not of the backbone."
        )
    if recipe.activation == "sigmoid" and recipe.loss == "categorical_crossentropy":
        return (
            "A sigmoid output under categorical crossentropy is not a valid pair: it gives a probability for each "
            "expression by itself, and the loss expects shares of one. The figure speaks of that pair, not of the "
            "backbone."
        )
    return ""


def copies_text(record: RunRecord) -> str:
    """Which copies the protocol of a run looks for: "an exact", or "an exact or near"."""
    return "an exact or near" if record.protocol.get("copies") == "near" else "an exact"


def find_collapse(scores: Scores) -> Collapse | None:
    """The answer that a network gives to at least 95 % of the images, if there is one."""
    most = max(scores.classes, key=lambda entry: entry.predicted.value)
    if most.predicted.value < COLLAPSE_SHARE:
        return None
    return Collapse(most.expression, most.predicted.value, most.support / scores.count, scores.undecided / scores.count)


def _result(run: PlannedRun, title: str, readout: int, record: RunRecord | None, measurer: Measurer) -> Result:
    """What there is to show for a readout of a run."""
    empty = Result(
        run=run, title=title, readout=readout, state=State.MISSING, record=record, unsound=unsound_head(run.recipe)
    )
    if record is None:
        return empty
    if (readout, Role.TEST) not in record.predictions:
        if record.status is RunStatus.COMPLETE:
            if readout not in record.readouts:
                return replace(empty, reason=why_unanswered(record, readout))
            return replace(empty, reason=f"Its record holds no answers for the test role after epoch {readout}.")
        return replace(empty, state=State(record.status.value), reason=record.reason or "No reason was recorded.")
    try:
        measured = measurer.of_record(record, readout)
    except DataError as error:
        return replace(empty, state=State.FAILED, reason=str(error))
    return replace(empty, state=State.COMPLETE, measured=measured, collapse=find_collapse(measured.scores))


def _last_epoch(record: RunRecord) -> int:
    """The epoch at which a diverged run ended: the last of its history, or the one that did not get into it."""
    if not record.history:
        return 1
    last = record.history[-1]
    return last.epoch + 1 if math.isfinite(last.loss) and math.isfinite(last.validation_loss) else last.epoch


def _mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else None


def _nearly(share: float) -> str:
    """A share as a percentage that says 100% only when it is all."""
    return f"{min(share, 0.999):.1%}" if share < 1 else "100%"


def flat_settings(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted keys.

    >>> flat_settings({"seed": 0, "preprocessing": {"zca": True}})
    {'seed': 0, 'preprocessing.zca': True}
    """
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


# Settings that their last word does not tell from others.
_NAMES = {"protocol.seed": "split seed", "teacher.models": "teacher"}


def _setting(key: str, value: Any) -> str:
    parent, _, last = key.rpartition(".")
    name = _NAMES.get(key, f"teacher {last}" if parent == "teacher" else last.replace("_", " "))
    if isinstance(value, bool):
        return f"{'with' if value else 'without'} {name}"
    if key in ("optimizer", "activation"):
        return str(value)
    if isinstance(value, float):
        return f"{name} {value:g}"
    if isinstance(value, (tuple, list)):
        return f"{name} {' and '.join(map(_last, value)) or 'none'}"
    return f"{name} {_last(value)}"


def _last(value: Any) -> str:
    """Of the path of a file, its name."""
    return re.split(r"[/\\]", str(value))[-1]
