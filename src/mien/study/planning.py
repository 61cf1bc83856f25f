"""From a study and its data set to a plan. Needs no deep learning framework."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mien.datasets.dataset import Dataset
from mien.datasets.protocol import ProtocolSpec, apply_protocol, count_folds, split_heads, taught_together
from mien.datasets.reading import read_dataset
from mien.datasets.spec import DataSpec
from mien.errors import MissingExtraError
from mien.study.backend import find_backend
from mien.study.held import with_held_runs
from mien.study.plan import Plan, SplitFacts, make_plan
from mien.study.recipe import Recipe
from mien.study.regrouped import note_on_groups
from mien.study.spec import Study
from mien.study.store import Store
from mien.study.teachers import why_unfit
from mien.study.telling import why_it_tells


@dataclass(frozen=True)
class PlannedStudy:
    """A plan with the facts of its data."""

    plan: Plan
    facts: Mapping[ProtocolSpec, SplitFacts]
    data: DataSpec
    dataset: Dataset
    notes: tuple[str, ...]


def plan_study(study: Study, data: DataSpec, base: Path | None = None, store: Store | None = None) -> PlannedStudy:
    """Read the data set and work out the plan.

    Args:
        study: what is asked.
        data: its data, with absolute paths.
        base: folder that the study's weight files are relative to; None for the current one.
        store: where runs may be finished already; None for none.
    """
    try:
        backend = find_backend()
    except MissingExtraError:
        backend = None  # Planning needs no backend; no network is left out for the sake of one.
    dataset = read_dataset(data)
    facts: dict[ProtocolSpec, SplitFacts] = {}
    notes: dict[str, None] = dict.fromkeys(dataset.notes)

    def facts_of(protocol: ProtocolSpec) -> SplitFacts:
        folds = count_folds(dataset, protocol) if protocol.each_fold else 0
        split = apply_protocol(dataset, replace(protocol, fold=1) if folds else protocol)
        notes.update(dict.fromkeys(split.notes))
        facts[protocol] = SplitFacts(
            fingerprint=dataset.fingerprint,
            split=split.hash,
            image_size=max(dataset.size),
            classes=len(split.label_set),
            train=len(split.train),
            validation=len(split.validation),
            test=len(split.test),
            shared=protocol.targets != "labels",
            folds=folds,
            channels=dataset.channels,
            voted=dataset.votes is not None,
        )
        return facts[protocol]

    @functools.cache
    def why_not_taught(teachers: tuple[str, ...], heads: tuple[str, ...], protocol: ProtocolSpec) -> str | None:
        splits = split_heads(dataset, protocol, heads)
        unfit = next(filter(None, (why_unfit(teacher, splits[0].label_set) for teacher in teachers)), None)
        if unfit:
            return unfit
        taught = taught_together(dataset, splits)
        return next(filter(None, (why_it_tells(teacher, taught, splits) for teacher in teachers)), None)

    def objection(recipe: Recipe, protocol: ProtocolSpec) -> str | None:
        teachers = recipe.teacher.models
        return why_not_taught(teachers, recipe.heads or (protocol.targets,), protocol) if teachers else None

    plan = make_plan(study, facts_of, backend=backend, base=base, objection=objection)
    if store is not None:
        plan = with_held_runs(plan, facts, store)
        regrouped = note_on_groups(plan, dataset, store)
        if regrouped:
            notes[regrouped] = None
    return PlannedStudy(plan, facts, data, dataset, tuple(notes))
