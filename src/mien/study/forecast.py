"""How long the runs of a plan will take here: from records, from a few steps measured before, or by a formula."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mien.errors import MissingExtraError
from mien.files import parse_json, write_json
from mien.machine import core_count, has_wide_vectors, processor_name, user_folder
from mien.study.backbones import Backbone, backbone
from mien.study.backend import find_backend
from mien.study.cost import Cost, cost_key, costs_of_records, formula_cost, formula_knows, row_of
from mien.study.plan import PlannedRun
from mien.study.planning import PlannedStudy
from mien.study.processes import Executor, Job
from mien.study.record import RunRecord
from mien.study.store import Store

SPEEDS_FILE = "speeds.json"
SCHEMA = 1


class ForecastSource(StrEnum):
    """Where the time of a run is known from, the best first."""

    RECORD = "record"
    MEASURED = "measured"
    ELSEWHERE = "record, other machine"
    FORMULA = "formula"
    GUESS = "guess"


@dataclass(frozen=True)
class Expected:
    """What a run is expected to cost.

    Attributes:
        cost: of runs of its kind.
        minutes: of the whole run.
        source: where that is known from.
    """

    cost: Cost
    minutes: float
    source: ForecastSource

    @property
    def guessed(self) -> bool:
        """Whether nothing of its kind has been measured on this machine."""
        return self.source in (ForecastSource.ELSEWHERE, ForecastSource.FORMULA, ForecastSource.GUESS)


def expect(
    planned: PlannedStudy,
    store: Store | None,
    *,
    records: Sequence[RunRecord] | None = None,
    folder: Path | None = None,
) -> dict[str, Expected]:
    """What each run of a plan is expected to cost on this machine, by id. Nothing is measured, so it takes no time.

    Args:
        planned: the plan and its data.
        store: where records of such runs may be; None for no store.
        records: all of the store, where they were read already (`Store.summaries`); None to read them.
        folder: where measurements of this machine are kept; None for the user's own.

    Returns:
        For every run the best of: what records of the store took on this machine, what was measured on it, what
        records took on another one, and the formula, which is scaled by what is known of this machine. A network of
        others of which the formula cannot speak is guessed to cost what mien_small does.
    """
    if records is None:
        records = list(store.summaries()) if store is not None else []
    here = [record for record in records if _made_here(record)]
    known = {
        ForecastSource.RECORD: costs_of_records(here),
        ForecastSource.MEASURED: _measured(folder).get(_machine(), {}),
        ForecastSource.ELSEWHERE: _costs_elsewhere(records),
    }
    factor = _factor({**known[ForecastSource.MEASURED], **known[ForecastSource.RECORD]})
    found = {}
    for run in planned.plan.runs:
        facts = planned.facts[run.protocol]
        key = cost_key(run, facts)
        row = backbone(run.recipe.backbone)
        formula = ForecastSource.FORMULA if formula_knows(row) else ForecastSource.GUESS
        source = next((source for source, costs in known.items() if key in costs), formula)
        cost = _formula_here(key, row).times(factor) if source is formula else known[source][key]
        found[run.id] = Expected(cost, cost.minutes(run, facts), source)
    return found


def measure(
    planned: PlannedStudy,
    store: Store | None,
    executor: Executor,
    *,
    begins: Callable[[int, int, PlannedRun], None],
    folder: Path | None = None,
) -> None:
    """Take a few steps of each kind of run of which neither a record nor an earlier measurement tells, and keep them.

    Args:
        planned: the plan and its data.
        store: where records of such runs may be; None for no store.
        executor: where measurements happen.
        begins: is told the number (from 1) of each measurement that begins, how many there are, and its run.
        folder: where measurements of this machine are kept; None for the user's own.
    """
    expected = expect(planned, store, folder=folder)
    kinds = {
        cost_key(run, planned.facts[run.protocol]): run
        for run in planned.plan.runs
        if expected[run.id].source not in (ForecastSource.RECORD, ForecastSource.MEASURED)
    }
    for index, (key, run) in enumerate(kinds.items(), start=1):
        begins(index, len(kinds), run)
        said: dict[str, Any] = {}
        job = Job(action="measure", run=run, data=planned.data, store="")
        executor.submit(job, lambda what, said=said: said.update(what) if what["say"] == "measured" else None)  # type: ignore[misc]
        cost = Cost.from_json({name: value for name, value in said.items() if name != "say"})
        # After each: whoever stops here keeps what was measured.
        machines = _measured(folder)
        machines.setdefault(_machine(), {})[key] = cost
        _keep(machines, folder)


def _machine() -> str:
    """The name of this machine in the file of measurements: what decides how fast it computes, as far as is known."""
    return _named(processor_name(), core_count(), _backend())


def _made_here(record: RunRecord) -> bool:
    about = record.environment
    if about.get("threads") not in (None, about.get("cores")):
        return False  # a part of a machine is another machine
    backend = _backend()
    backend = next((name for name in ("tensorflow", "jax", "torch") if name in about), "") if backend else backend
    return _named(about.get("processor"), about.get("cores"), backend) == _machine()


def _costs_elsewhere(records: Sequence[RunRecord]) -> dict[str, Cost]:
    """What finished runs took, by kind, each on one machine alone: times of unlike machines have no common middle.

    Of several machines that have run a kind, the one with the most records of the store answers for it.
    """
    machines: dict[str, list[RunRecord]] = {}
    for record in records:
        machines.setdefault(record.hardware, []).append(record)
    costs: dict[str, Cost] = {}
    for own in sorted(machines.values(), key=len):
        costs |= costs_of_records(own)
    return costs


def _named(processor: object, cores: object, backend: str) -> str:
    return f"{processor}, {cores} cores{f', {backend}' if backend else ''}"


def _backend() -> str:
    """The backend that would train, or nothing where that is not known without asking Keras."""
    try:
        return find_backend() or ""
    except MissingExtraError:
        return ""


def _formula_here(key: str, row: Backbone) -> Cost:
    return formula_cost(key, row, cores=core_count(), wide_vectors=has_wide_vectors())


def _factor(known: Mapping[str, Cost]) -> float:
    """By how much this machine is slower than the formula says: the middle of what is known of it."""
    ratios = [
        cost.train_seconds_per_image / _formula_here(key, row).train_seconds_per_image
        for key, cost in known.items()
        if formula_knows(row := row_of(key))
    ]
    return statistics.median(ratios) if ratios else 1.0


def _measured(folder: Path | None) -> dict[str, dict[str, Cost]]:
    """What was measured, by machine and kind. A file that cannot be read counts as none: it can be measured again."""
    path = (folder or user_folder()) / SPEEDS_FILE
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
        if values["schema"] != SCHEMA:
            return {}
        return {
            machine: {key: Cost.from_json(cost) for key, cost in costs.items()}
            for machine, costs in values["machines"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _keep(machines: Mapping[str, Mapping[str, Cost]], folder: Path | None) -> None:
    folder = folder or user_folder()
    folder.mkdir(parents=True, exist_ok=True)
    plain = {machine: {key: cost.to_json() for key, cost in costs.items()} for machine, costs in machines.items()}
    write_json(folder / SPEEDS_FILE, {"schema": SCHEMA, "machines": plain})
