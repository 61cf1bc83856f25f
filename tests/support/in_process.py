"""Runs of a study in the process that asks for them, for tests of what comes before and after a run."""

from __future__ import annotations

from mien.study.processes import Job, Listener, SubprocessExecutor

# What a run does does not depend on the size of mien_small, and most of a short run's time goes into its graph.
NARROW = ((8, 0),)


def submit(executor: SubprocessExecutor, job: Job, listen: Listener) -> None:
    """Do a job in this process."""
    from mien.training.worker import Speaker, work

    assert work(job, Speaker(listen)), "the run was refused"


def train_here() -> None:
    """From now on, do runs in this process, with a narrow and shallow mien_small."""
    from mien.training.backend import choose_backend

    choose_backend()

    def narrow(executor: SubprocessExecutor, job: Job, listen: Listener) -> None:
        from mien.training import mien_small

        mien_small.STAGES = NARROW
        submit(executor, job, listen)

    SubprocessExecutor.submit = narrow  # type: ignore[method-assign]
