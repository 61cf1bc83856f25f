"""Runs of a study in the process that asks for them, for tests of what comes before and after a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mien.datasets.protocol import apply_protocol
from mien.datasets.reading import read_dataset
from mien.study.processes import Job, Listener, SubprocessExecutor
from mien.study.store import Store

# What a run does does not depend on the size of mien_small, and most of a short run's time goes into its graph.
NARROW = ((8, 0),)


class _Watch:
    def __init__(self, listen: Listener) -> None:
        self.listen = listen

    def stage(self, text: str) -> None:
        self.listen({"say": "stage", "text": text})

    def step(self, epoch: int, done: int, total: int) -> None:
        self.listen({"say": "step", "epoch": epoch, "done": done, "total": total})

    def epoch(self, entry: Any) -> None:
        self.listen({"say": "epoch", "entry": entry.to_json()})


def submit(executor: SubprocessExecutor, job: Job, listen: Listener) -> None:
    """Do a job as `mien.training.worker` does, but here."""
    from mien.training.execute import execute

    assert job.action == "run"
    dataset = read_dataset(job.data)
    split = apply_protocol(dataset, job.run.protocol)
    record = execute(
        job.run,
        dataset,
        split,
        Store.open(Path(job.store)),
        watch=_Watch(listen),
        keep_weights=job.keep_weights,
        keep_checkpoint=job.keep_checkpoint,
    )
    listen({"say": "ended", "status": None if record is None else record.status.value})


def train_here() -> None:
    """From now on, do runs in this process, with a narrow and shallow mien_small."""
    from mien.training.backend import choose_backend

    choose_backend()

    def narrow(executor: SubprocessExecutor, job: Job, listen: Listener) -> None:
        from mien.training import mien_small

        mien_small.STAGES = NARROW
        submit(executor, job, listen)

    SubprocessExecutor.submit = narrow  # type: ignore[method-assign]
