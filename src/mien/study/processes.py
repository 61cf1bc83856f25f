"""A run as it is handed to another process, and what that process says while it works.

The process is `python -m mien.training.worker`, reads one job as JSON from its standard input, and writes one JSON
object a line to its standard output. This module imports no deep learning framework: both sides use it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from mien.datasets.spec import DataSpec
from mien.errors import MienError, UnwritableError
from mien.study.backend import find_backend
from mien.study.plan import PlannedRun
from mien.study.settings import parse

T = TypeVar("T")

# What a worker says, as it says it.
Listener = Callable[[Mapping[str, Any]], None]


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
        keep_checkpoint: whether a longer run may go on from this one's last epoch.
        threads: threads for the backend; None leaves it to it.
        gpus: devices that share each batch.
        fingerprint: of the data when the run was planned, and so named; None where that does not count.
        split: hash of who was in which role then, likewise.
    """

    action: str
    run: PlannedRun
    data: DataSpec
    store: str
    seconds: float | None = None
    keep_weights: bool = True
    keep_checkpoint: bool = False
    threads: int | None = None
    gpus: int = 1
    fingerprint: str | None = None
    split: str | None = None

    def to_json(self) -> str:
        """The job as one line of JSON."""
        return json.dumps({**asdict(self), "run": self.run.to_json()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The job that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "run": PlannedRun.from_json(values["run"]), "data": parse(DataSpec, values["data"])})


class Executor(Protocol):
    """Where a job happens: in a process beside this one, or on another machine."""

    def each(self, do: Callable[[T], None], runs: Sequence[T]) -> None:
        """Do something for each of several runs, which comes to `submit` in the end: here one after another.

        Raises:
            BaseException: what `do` raises; no other run begins then, and none goes on.
        """
        for run in runs:
            do(run)

    def submit(self, job: Job, listen: Listener) -> None:
        """Do a job to its end, passing on what it says.

        Raises:
            MienError: the job refused, with its reason.
            WorkerDiedError: the job's process ended without a word.
        """


class WorkerDiedError(MienError):
    """The process of a run ended before its time."""


class SubprocessExecutor(Executor):
    """Does each job in a fresh process, so that its memory returns when it is done.

    Args:
        threads: threads that a run computes with; None leaves it to the backend.
        gpus: that share each batch of a run.

    Raises:
        MissingExtraError: what trains is not installed.
    """

    def __init__(self, threads: int | None = None, gpus: int = 1) -> None:
        self._threads, self._gpus = threads, gpus
        find_backend()  # before a process is begun that would end without it

    def submit(self, job: Job, listen: Listener) -> None:
        """Do a job; see `Executor`."""
        kills_before = _memory_kills()
        with subprocess.Popen(
            [sys.executable, "-m", "mien.training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            complaints: list[str] = []
            reader = threading.Thread(target=lambda: complaints.extend(process.stderr or []), daemon=True)
            reader.start()
            refusal: MienError | None = None
            try:
                # It stays open: the worker ends when it is closed, be it that this process was killed.
                process.stdin.write(replace(job, threads=self._threads, gpus=self._gpus).to_json() + "\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
                for line in process.stdout or []:
                    said = json.loads(line)
                    if said["say"] == "refused":
                        refusal = (UnwritableError if said["unwritable"] else MienError)(said["reason"])
                    listen(said)
            except BaseException:
                # Ctrl-C, or a listener's error: the worker must not go on alone. Its last checkpoint stays.
                process.kill()
                raise
            process.wait()
            reader.join()
        if refusal is not None:
            raise refusal
        if process.returncode:
            out_of_memory = kills_before is not None and _memory_kills() != kills_before
            raise WorkerDiedError(_last_words(process.returncode, complaints, out_of_memory))


def _last_words(code: int, complaints: list[str], out_of_memory: bool) -> str:
    """Why a worker died, from its exit code and the end of what it printed."""
    if code < 0 and out_of_memory:
        return "The system ended the run's process because memory ran out. A smaller batch_size may help."
    last = next((line.strip() for line in reversed(complaints) if line.strip()), "no word of why")
    if code < 0:
        known = {number.value: number.name for number in signal.Signals}
        name = known.get(-code, f"signal {-code}")
        return f"The run's process was ended from outside or crashed ({name}); memory did not run out. Last: {last}"
    return f"The run's process ended with code {code}: {last}"


def _memory_kills() -> tuple[str, ...] | None:
    """What the kernel has counted of processes that it ended for want of memory; None where it does not count."""
    counts = []
    for path in (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events")):
        with suppress(OSError):
            counts += [line for line in path.read_text(encoding="ascii").splitlines() if line.startswith("oom_kill")]
    return tuple(counts) or None
