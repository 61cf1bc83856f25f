"""The plan: every cell of every table, and the runs that answer them, each computed once."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from mien.channels import Channels
from mien.datasets.places import find_place
from mien.datasets.protocol import ProtocolSpec
from mien.errors import ContradictionError, NetworkError, ProtocolError
from mien.files import canonical_json
from mien.study.backbones import OTHER_BACKBONES, backbone
from mien.study.recipe import Recipe
from mien.study.settings import parse
from mien.study.spec import READOUT, Study, Table, with_setting
from mien.study.teachers import find_teachers, teacher_identity, teacher_title, why_no_teacher

# Raised whenever a change of mien's own code changes what the same recipe gives, so that old records are not
# mistaken for new ones.
ENGINE = 1


@dataclass(frozen=True)
class SplitFacts:
    """What of a data set under a protocol goes into a run's name, and what a forecast needs to know.

    Attributes:
        fingerprint: of the data set's content.
        split: hash of who is in which role.
        image_size: side of the images, in pixels (the longer one).
        classes: number of expressions.
        train: images in the training role that are used.
        validation: images in the validation role.
        test: images in the test role.
        shared: whether the target of an image can be shared between expressions, as votes are.
        folds: of a protocol that stands for several splits, how many; 0 otherwise.
        channels: what the images have.
        voted: whether they have votes, so that a head can answer them.
    """

    fingerprint: str
    split: str
    image_size: int
    classes: int
    train: int
    validation: int
    test: int
    shared: bool = False
    folds: int = 0
    channels: Channels = "gray"
    voted: bool = False


@dataclass(frozen=True)
class PlannedRun:
    """A run that at least one cell asks for.

    Attributes:
        id: its name: a hash of everything that can change its result.
        recipe: resolved; its `epochs` is the largest number that any cell asks for.
        protocol: what the samples are for.
        readouts: epochs after which the network is evaluated, ascending.
    """

    id: str
    recipe: Recipe
    protocol: ProtocolSpec
    readouts: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """The run as plain values."""
        return {
            "id": self.id,
            "recipe": self.recipe.to_json(),
            "protocol": asdict(self.protocol),
            "readouts": list(self.readouts),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The run that `to_json` wrote."""
        return cls(
            id=values["id"],
            # Before there was a choice, the averages were those that training had gathered.
            recipe=parse(Recipe, {"batch_statistics": "moving", **values["recipe"]}),
            protocol=parse(ProtocolSpec, values["protocol"]),
            readouts=tuple(values["readouts"]),
        )


@dataclass(frozen=True)
class Cell:
    """One place of one table, for one seed.

    Attributes:
        table: the table's name.
        row: label of its row.
        column: label of its column.
        seed: of the run.
        run_id: the run that answers it; None when it is skipped.
        readout: the epoch after which it is answered; None when it is skipped.
        reason: why it is skipped; None otherwise.
        fold: which part of the place it answers, where the protocol deals the images into folds; 0 for all of it.
    """

    table: str
    row: str
    column: str
    seed: int
    run_id: str | None
    readout: int | None
    reason: str | None = None
    fold: int = 0

    @property
    def place(self) -> tuple[str, str, str, int]:
        """Table, row, column, seed: equal for the folds of one figure."""
        return self.table, self.row, self.column, self.seed


@dataclass(frozen=True)
class Plan:
    """A study's cells and runs, in the order of its tables."""

    study: Study
    cells: tuple[Cell, ...]
    runs: tuple[PlannedRun, ...]

    @property
    def epochs_asked(self) -> int:
        """Epochs that the cells ask for, each by itself."""
        return sum(cell.readout or 0 for cell in self.cells)

    @property
    def epochs_run(self) -> int:
        """Epochs that are trained, each run once."""
        return sum(run.recipe.epochs for run in self.runs)

    @property
    def same(self) -> list[str]:
        """Which positions of an axis are the same runs wherever they have any, a sentence for each group of them."""
        found = []
        for table in self.study.tables:
            cells = [cell for cell in self.cells if cell.table == table.name and cell.run_id is not None]
            for name, axis in (("rows", table.rows), ("columns", table.columns)):
                runs: dict[str, dict[tuple[str, int, int], tuple[str | None, int | None]]] = {}
                for cell in cells:
                    own, other = (cell.row, cell.column) if name == "rows" else (cell.column, cell.row)
                    runs.setdefault(own, {})[other, cell.seed, cell.fold] = (cell.run_id, cell.readout)
                labels = [point.label for point in axis.points if point.label in runs]
                for first in labels:
                    alike = [label for label in labels if runs[label] == runs[first]]
                    if len(alike) > 1 and alike[0] == first:
                        found.append(
                            f"In '{table.title}' the {name} {', '.join(alike[:-1])} and {alike[-1]} are the same runs: "
                            "what sets them apart changes nothing here."
                        )
        return found

    def only(self, tables: Sequence[Table]) -> Plan:
        """The part of the plan that these tables need."""
        names = {table.name for table in tables}
        cells = tuple(cell for cell in self.cells if cell.table in names)
        needed = {cell.run_id for cell in cells}
        return replace(self, cells=cells, runs=tuple(run for run in self.runs if run.id in needed))

    def to_json(self) -> dict[str, Any]:
        """Cells and runs as plain values, without a path; the study itself is kept as its file's text."""
        return {
            "cells": [asdict(cell) for cell in self.cells],
            "runs": [run.to_json() | {"recipe": portable(run.recipe)} for run in self.runs],
        }

    @classmethod
    def from_json(cls, study: Study, values: Mapping[str, Any]) -> Self:
        """The plan that `to_json` wrote."""
        cells = tuple(Cell(**cell) for cell in values["cells"])
        return cls(study, cells, tuple(PlannedRun.from_json(run) for run in values["runs"]))


@dataclass(frozen=True)
class _Request:
    """A cell that can be answered, before cells of one run are merged."""

    cell: Cell
    recipe: Recipe
    protocol: ProtocolSpec
    facts: SplitFacts
    readout: int

    @property
    def trajectory(self) -> str:
        """What cells of one run share: all but the number of epochs, unless the schedule depends on that."""
        values = self.recipe.to_json()
        if self.recipe.prefix_stable:
            del values["epochs"]
        return canonical_json({"recipe": values, "split": self.facts.split})


def make_plan(
    study: Study,
    facts_of: Callable[[ProtocolSpec], SplitFacts],
    *,
    backend: str | None = None,
    base: Path | None = None,
    objection: Callable[[Recipe, ProtocolSpec], str | None] = lambda recipe, protocol: None,
) -> Plan:
    """Work out which runs a study needs.

    Args:
        study: what is asked.
        facts_of: the facts of the study's data set under a protocol; asked once for each protocol, and of one that
            stands for folds (`ProtocolSpec.each_fold`) for each of its folds too.
        backend: name of the Keras backend that would train, where known: backbones that fail on it are skipped.
        base: folder that the paths of files are relative to; None for the current one.
        objection: why a recipe, whose files are found, must not learn under a protocol of one split, or None.

    Returns:
        Every cell of every table, one a fold where there are folds. Cells that are the same run share it, and a run
        whose schedule does not depend on the number of epochs also answers cells that ask for fewer.

    Raises:
        ProtocolError: the data set cannot be used under the study's own protocol. Where only an axis changes the
            protocol into one that it cannot be used under, the cell is skipped.
    """
    facts_of = functools.cache(facts_of)
    asked: list[_Request | Cell] = []
    for table in study.tables:
        for row in table.rows.points:
            for column in table.columns.points:
                changes = {**table.fixed, **row.changes, **column.changes}
                for seed in table.seeds or (changes.get("seed", study.recipe.seed),):
                    changes["seed"] = seed
                    cell = Cell(table.name, row.label, column.label, seed, None, None)
                    asked += _requests(study, changes, cell, facts_of, backend, base or Path(), objection)

    epochs: dict[str, int] = {}
    asked_after: dict[str, set[int]] = {}
    for request in asked:
        if isinstance(request, _Request):
            key = request.trajectory
            epochs[key] = max(epochs.get(key, 0), request.recipe.epochs)
            asked_after.setdefault(key, set()).add(request.readout)
    cells: list[Cell] = []
    runs: dict[str, PlannedRun] = {}
    for request in asked:
        if isinstance(request, Cell):
            cells.append(request)
            continue
        recipe = replace(request.recipe, epochs=epochs[request.trajectory])
        readouts = tuple(sorted(asked_after[request.trajectory] | {recipe.epochs}))
        run_id = name_run(recipe, request.facts)
        runs.setdefault(run_id, PlannedRun(run_id, recipe, request.protocol, readouts))
        cells.append(replace(request.cell, run_id=run_id, readout=request.readout))
    return Plan(study, tuple(cells), tuple(runs.values()))


def name_run(recipe: Recipe, facts: SplitFacts) -> str:
    """The name of a run: 12 hexadecimal digits that change with all that can change its result, and nothing else.

    After which epochs a run is evaluated does not change it. Names told of that once (see `mien.study.held`).

    Args:
        recipe: resolved. Files count by their content, not by their path: of weights, of a backbone, of teachers.
        facts: of the data and the split.
    """
    return name_of(identity_of(recipe, facts))


def identity_of(recipe: Recipe, facts: SplitFacts) -> dict[str, Any]:
    """All that can change the result of a run, as plain values."""
    settings = {**recipe.to_json(), "backbone": OTHER_BACKBONES.identity(recipe.backbone)}
    if recipe.needs_file:
        settings["weights"] = _file_hash(recipe.weights)
    if recipe.batch_statistics == "moving":
        del settings["batch_statistics"]  # the only way there was: runs of that time keep their names
    settings["teacher"] = {**settings["teacher"], "models": sorted(map(teacher_identity, recipe.teacher.models))}
    if not recipe.teacher.models:
        del settings["teacher"]  # likewise
    for name, default in _LATER.items():
        owner, key = _owner(settings, name)
        if owner[key] == default:
            del owner[key]  # likewise
    identity = {"engine": ENGINE, "recipe": settings, "data": facts.fingerprint, "split": facts.split}
    if recipe.class_weights == "balanced" and (recipe.augmentation.mixup or facts.shared):
        # Since each part of a target is weighed by itself, these runs and no others give other results than before.
        identity["class_weights"] = "of each part of a target"
    return identity


# Settings that came after the first records, with the value that says what was done before there was a choice.
_LATER = {
    "stop_patience": 0,
    "average_last": 0,
    "logit_adjustment": 0.0,
    "heads": (),
    "augmentation.cutmix": 0.0,
    "augmentation.blur": 0.0,
    "augmentation.noise": 0.0,
    "preprocessing.channels": None,
}


def _owner(settings: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The table that a setting stands in, and its key there."""
    table, _, key = name.rpartition(".")
    return (settings[table] if table else settings), key


def name_of(identity: Mapping[str, Any]) -> str:
    """The name that an identity gives."""
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:12]


def why_impossible(recipe: Recipe, backend: str | None, base: Path) -> str | None:
    """Why a recipe cannot be run, in one sentence, or None. The path of a weight file is relative to `base`."""
    row = backbone(recipe.backbone)
    if recipe.weights == "imagenet" and not row.has_imagenet_weights:
        return f"{row.title} has no ImageNet weights."
    if recipe.needs_file and not find_place(recipe.weights, base).is_file():
        return f"There is no weight file {recipe.weights}."
    for teacher in find_teachers(recipe.teacher.models, base):
        why = why_no_teacher(teacher)
        if why:
            return why
    for name, reason in row.fails_on:
        if name == backend:
            return f"{row.title} does not work on Keras' {name} backend: {reason}"
    return None


def why_no_heads(recipe: Recipe, protocol: ProtocolSpec, facts: SplitFacts) -> str | None:
    """Why a network cannot have the heads of its recipe on these data, in one sentence, or None."""
    if not recipe.heads:
        return None
    if recipe.heads[0] != protocol.targets:
        return (
            f"The first head is what the protocol asks for, and its figures are the run's: protocol.targets = "
            f"'{protocol.targets}', heads begins with '{recipe.heads[0]}'. Set protocol.targets = '{recipe.heads[0]}', "
            f"or put '{protocol.targets}' first."
        )
    if not facts.voted:
        wanting = next(head for head in recipe.heads if head != "labels")
        return (
            f"heads has '{wanting}', which needs the votes of several taggers, and the data have none: give their "
            "table (--votes, votes=, or votes under [data]; for FER2013 fer2013-plus-votes), or leave heads out."
        )
    return None


def _requests(
    study: Study,
    changes: Mapping[str, Any],
    cell: Cell,
    facts_of: Callable[[ProtocolSpec], SplitFacts],
    backend: str | None,
    base: Path,
    objection: Callable[[Recipe, ProtocolSpec], str | None],
) -> Sequence[_Request | Cell]:
    """The cell with its recipe, one a fold; or the cell with the reason why it is skipped."""
    readout = changes.get(READOUT)
    try:
        recipe, protocol = with_setting(study, changes)
        recipe = replace(recipe, backbone=OTHER_BACKBONES.pinned(recipe.backbone, base))
        facts = facts_of(protocol)
        splits = [(0, protocol, facts)]
        if facts.folds:
            protocols = [replace(protocol, fold=fold) for fold in range(1, facts.folds + 1)]
            splits = [(one.fold, one, facts_of(one)) for one in protocols]
        recipe = recipe.resolved(facts.image_size, facts.channels)
    except (ContradictionError, NetworkError) as error:
        return [replace(cell, reason=str(error))]
    except ProtocolError as error:
        if protocol == study.protocol:
            raise
        return [replace(cell, reason=str(error))]
    reason = why_impossible(recipe, backend, base) or why_no_heads(recipe, protocol, facts)
    if readout is not None and readout > recipe.epochs:
        reason = f"readout = {readout} lies after the run's last epoch, epochs = {recipe.epochs}."
    if reason:
        return [replace(cell, reason=reason)]
    if recipe.needs_file:
        recipe = replace(recipe, weights=str(find_place(recipe.weights, base)))
    if recipe.teacher.models:
        models = find_teachers(recipe.teacher.models, base)
        recipe = replace(recipe, teacher=replace(recipe.teacher, models=models))
    asked: list[_Request | Cell] = []
    for fold, split, its_facts in splits:
        own, why = replace(cell, fold=fold), objection(recipe, split)
        asked.append(
            replace(own, reason=why) if why else _Request(own, recipe, split, its_facts, readout or recipe.epochs)
        )
    return asked


def portable(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values that say the same on every machine: files by their names and contents."""
    values = {**recipe.to_json(), "backbone": OTHER_BACKBONES.portable(recipe.backbone)}
    if recipe.needs_file:
        values["weights"] = f"{Path(recipe.weights).name} (sha256 {_file_hash(recipe.weights)})"
    values["teacher"]["models"] = [teacher_title(model) for model in recipe.teacher.models]
    return values


def _file_hash(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
