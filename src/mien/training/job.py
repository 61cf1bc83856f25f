"""A run as it is handed to another process, and what that process says while it works.

The process is `python -m mien.training.worker`, reads one job as JSON from its standard input, and writes one JSON
object a line to its standard output. This module imports no deep learning framework: both sides use it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mien.datasets.dataset import Dataset
from mien.datasets.protocol import Split
from mien.datasets.spec import DataSpec
from mien.study.plan import PlannedRun
from mien.study.settings import parse


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is asked to do.

    Attributes:
        action: "run" trains and evaluates; "measure" takes a few steps to forecast time and memory.
        run: the planned run.
        data: the data set, its path absolute.
        store: folder of the store.
        seconds: time after which the run stops at the next end of an epoch; None for no limit.
        keep_weights: whether the weights stay beside the record.
        threads: threads for the backend; None leaves it to it.
    """

    action: str
    run: PlannedRun
    data: DataSpec
    store: str
    seconds: float | None = None
    keep_weights: bool = True
    threads: int | None = None

    def to_json(self) -> str:
        """The job as one line of JSON."""
        return json.dumps({**asdict(self), "run": self.run.to_json()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The job that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "run": PlannedRun.from_json(values["run"]), "data": parse(DataSpec, values["data"])})


def data_facts(dataset: Dataset, split: Split) -> dict[str, Any]:
    """What a record says of its data, without a look at the test labels."""
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "split": split.hash,
        "source": Path(dataset.source).name,
        "licence": dataset.licence,
        "size": list(dataset.size),
        "notes": list(dict.fromkeys([*dataset.notes, *split.notes])),
        "problems": len(dataset.problems),
        "counts": split.counts,
    }
