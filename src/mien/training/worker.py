"""The process in which one run happens, so that its memory returns when it is done."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mien.datasets.protocol import apply_protocol
from mien.datasets.reading import read_dataset
from mien.errors import MienError, UnwritableError
from mien.study.processes import Job
from mien.study.record import Epoch
from mien.study.store import Store
from mien.training.backend import choose_backend


class Speaker:
    """Tells the parent what happens, one JSON object a line."""

    # More often than this, steps are not worth a line.
    STEP_SECONDS = 0.2

    def __init__(self, descriptor: int) -> None:
        self._out = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)
        self._last_step = 0.0

    def say(self, what: str, **values: Any) -> None:
        """Write one line."""
        self._out.write(json.dumps({"say": what, **values}) + "\n")

    def stage(self, text: str) -> None:
        """A stage begins."""
        self.say("stage", text=text)

    def step(self, epoch: int, done: int, total: int) -> None:
        """Steps of an epoch are done."""
        now = time.monotonic()
        if now - self._last_step >= self.STEP_SECONDS or done == total:
            self._last_step = now
            self.say("step", epoch=epoch, done=done, total=total)

    def epoch(self, entry: Epoch) -> None:
        """An epoch is over."""
        self.say("epoch", entry=entry.to_json())


def _end_with_parent() -> None:
    """End this process when the one that started it is gone: its end of standard input is closed then.

    Nothing is lost, since every file is written whole, and nobody would hear what else this process has to say.
    """

    def watch() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, name="mien-parent", daemon=True).start()


def main() -> int:
    """Do the job that standard input names. Returns the exit code: 0 done or stopped, 2 refused."""
    # Libraries print to standard output as they like; the parent reads ours alone.
    speaker = Speaker(os.dup(1))
    os.dup2(2, 1)
    started = time.monotonic()
    try:
        job = Job.from_json(sys.stdin.readline())
        _end_with_parent()
        choose_backend()
        speaker.stage("starting")
        # Keras reads its backend when it is imported, so nothing that imports it may come before the choice.
        from mien.training import backend
        from mien.training.execute import execute
        from mien.training.measure import measure

        backend.configure(threads=job.threads)
        dataset = read_dataset(job.data)
        split = apply_protocol(dataset, job.run.protocol)
        if job.action == "measure":
            cost = measure(job.run, dataset.size, len(split.label_set))
            speaker.say("measured", **cost.to_json())
            return 0
        record = execute(
            job.run,
            dataset,
            split,
            Store.open(Path(job.store)),
            watch=speaker,
            stop=lambda: job.seconds is not None and time.monotonic() - started > job.seconds,
            keep_weights=job.keep_weights,
            keep_checkpoint=job.keep_checkpoint,
        )
        speaker.say("ended", status=None if record is None else record.status.value)
    except MienError as error:
        speaker.say("refused", reason=str(error), unwritable=isinstance(error, UnwritableError))
        return 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        speaker.say("refused", reason=f"{error.filename or job.store}: {error.strerror}.", unwritable=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
