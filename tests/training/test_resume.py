"""A run that is killed again and again ends as one that nobody disturbed."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from mien.datasets.spec import DataSpec
from mien.study.processes import Job
from mien.study.store import Store
from support.in_process import NARROW
from support.loaded import begin

# benchmarks/faults_long.py kills more often, and the process of the study too.
KILLS = 2


def job_of_a_worker(text: str, ear: Connection) -> None:
    """What a worker does, with a narrow mien_small: its graph takes most of the time, and kills do not need it all."""
    from mien.training import mien_small, worker

    mien_small.STAGES = NARROW
    worker.work(Job.from_json(text), worker.Speaker(ear.send))


def work(job: Job, kill_after: float | None = None) -> list[dict]:
    """Do a job in another process; kill it `kill_after` seconds after its training begins. Returns what it said."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = begin(job_of_a_worker, job.to_json(), there)
    there.close()
    said = []
    timer = None
    with here, contextlib.suppress(EOFError):  # it has ended
        while True:
            said.append(here.recv())
            if kill_after is not None and timer is None and said[-1].get("text") == "training":
                timer = threading.Timer(kill_after, process.kill)
                timer.start()
    process.join()
    if timer is not None:
        timer.cancel()
    return said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_at_random_moments_change_nothing(planned, everything, tmp_path: Path):
    run = planned(**everything, epochs=40, readouts=(20, 40))
    data = DataSpec(path="drawn:count=240,size=32,seed=3")

    def job(name: str) -> Job:
        folder = Store.create(tmp_path / name).folder
        return Job(action="run", run=run, data=data, store=str(folder))

    undisturbed = work(job("undisturbed"))
    assert undisturbed[-1] == {"say": "ended", "status": "complete"}
    moments = random.Random(4)
    kills = 0
    # Most kills fall into epochs, some into checkpoints, weights and the way there.
    while kills < KILLS:
        said = work(job("disturbed"), kill_after=moments.uniform(0.0, 1.5))
        assert said[-1]["say"] != "ended", "the run was over before it had been killed often enough"
        kills += 1
    work(job("disturbed"))
    expected, record = (Store.open(tmp_path / name).read(run.id) for name in ("undisturbed", "disturbed"))
    assert [entry.comparable() for entry in record.history] == [entry.comparable() for entry in expected.history]
    assert record.chosen == expected.chosen
    for key, entry in expected.predictions.items():
        assert np.array_equal(record.predictions[key].outputs, entry.outputs)
