"""What runs will cost, from a few steps of each kind of run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mien.files import canonical_json, write_json
from mien.study.plan import PlannedRun, SplitFacts
from mien.study.planning import PlannedStudy
from mien.study.processes import Executor, Job, SubprocessExecutor

FORECAST_FILE = "forecast.json"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Measured on this machine.

    Attributes:
        start_seconds: until the first step is done: import, building, compiling.
        train_seconds_per_image: of a training step.
        predict_seconds_per_image: of answering.
        memory_mib: largest resident memory, without the data set.
    """

    start_seconds: float
    train_seconds_per_image: float
    predict_seconds_per_image: float
    memory_mib: float

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The cost that `to_json` wrote."""
        return cls(**values)

    def minutes(self, run: PlannedRun, facts: SplitFacts) -> float:
        """Forecast of a whole run, in minutes."""
        epoch = facts.train * self.train_seconds_per_image + facts.validation * self.predict_seconds_per_image
        answers = len(run.readouts) * (facts.validation + facts.test) * self.predict_seconds_per_image
        return (self.start_seconds + run.recipe.epochs * epoch + answers) / 60


def cost_key(run: PlannedRun, facts: SplitFacts) -> str:
    """What runs share whose cost is about the same: the network, its input and batch, and what is done to them.

    The optimizer and whitening are left out: they are a few passes over the weights or the pixels, and each key costs
    the time to build and compile a network.
    """
    recipe = run.recipe
    return canonical_json(
        {
            "backbone": recipe.backbone,
            "image_size": facts.image_size,
            "size": recipe.preprocessing.size,
            "batch": recipe.batch_size,
            "precision": recipe.precision,
            "freeze": recipe.freeze,
            "augmentation": recipe.augmentation.active,
        }
    )


def forecast(
    planned: PlannedStudy, cache: Path | None, *, listen: Callable[[PlannedRun], None], executor: Executor | None = None
) -> Iterator[tuple[PlannedRun, Cost]]:
    """Measure what each run will cost, once for all runs of one kind.

    Args:
        planned: the plan and its data.
        cache: a folder in which earlier measurements are kept, and these added; None for none.
        listen: is told of each measurement that begins.
        executor: where measurements happen; by default a process each.

    Yields:
        Each run with its cost, in the plan's order.
    """
    executor = executor or SubprocessExecutor()
    path = cache / FORECAST_FILE if cache else None
    known = _measured(path)
    for run in planned.plan.runs:
        key = cost_key(run, planned.facts[run.protocol])
        if key not in known:
            listen(run)
            said: dict[str, Any] = {}
            job = Job(action="measure", run=run, data=planned.data, store="")
            executor.submit(job, lambda what, said=said: said.update(what) if what["say"] == "measured" else None)  # type: ignore[misc]
            known[key] = {name: value for name, value in said.items() if name != "say"}
            if path:
                write_json(path, known)
        yield run, Cost.from_json(known[key])


def known_minutes(planned: PlannedStudy, cache: Path | None) -> Callable[[PlannedRun], float] | None:
    """The forecast minutes of runs, where every kind of run of the plan has been measured on this machine; else None.

    Args:
        planned: the plan and its data.
        cache: the folder in which `forecast` kept its measurements; None for none.
    """
    known = _measured(cache / FORECAST_FILE if cache else None)
    minutes: dict[str, float] = {}
    for run in planned.plan.runs:
        facts = planned.facts[run.protocol]
        cost = known.get(cost_key(run, facts))
        if cost is None:
            return None
        minutes[run.id] = Cost.from_json(cost).minutes(run, facts)
    return lambda run: minutes[run.id]


def _measured(path: Path | None) -> dict[str, Any]:
    """What a file of measurements holds; nothing where there is none."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
    return known
