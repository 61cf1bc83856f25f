"""The process in which one run happens, so that its memory returns when it is done."""

from __future__ import annotations

import errno
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.datasets.dataset import Dataset
from mien.datasets.protocol import apply_protocol
from mien.datasets.reading import read_dataset
from mien.errors import DataError, MienError, UnwritableError
from mien.study.processes import Job, Listener
from mien.study.record import Epoch
from mien.study.store import Store
from mien.training.backend import choose_backend


class Speaker:
    """Tells whoever asked for the job what happens, as plain values.

    Args:
        hear: takes one thing that is said.
    """

    # More often than this, steps are not worth a line.
    STEP_SECONDS = 0.2

    def __init__(self, hear: Listener) -> None:
        self._hear = hear
        self._last_step = 0.0

    def say(self, what: str, **values: Any) -> None:
        """Say one thing."""
        self._hear({"say": what, **values})

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


# What Keras and TensorFlow load on their way where it is installed, for parts of them that no run uses: tables as
# input, pictures of images, wrappers, networks of JAX. Together about 2 s of computing and 260 MiB a run.
_UNUSED_BY_A_RUN = ("matplotlib", "cv2", "pandas", "sklearn", "jax")


@contextmanager
def _modules_stay() -> Iterator[None]:
    """Import what a run needs without searching for garbage in it, then or later.

    What modules are made of stays, and is much: the searches took a third of the time in which Keras is imported.
    """
    if "keras" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _is_backend(name: str) -> bool:
    """Whether Keras may compute with this library: it is chosen, or Keras is left to choose."""
    return name == "jax" and os.environ.get("KERAS_BACKEND", name) == name


def _import_keras() -> None:
    """Import Keras without what it would load and a run does not use."""
    hidden = [name for name in _UNUSED_BY_A_RUN if name not in sys.modules and not _is_backend(name)]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    import keras  # noqa: F401

    for name in hidden:
        del sys.modules[name]  # a network of the user's own may want it


def main() -> int:
    """Do the job that standard input names. Returns the exit code: 0 done or stopped, 2 refused."""
    # Libraries print to standard output as they like; the parent reads ours alone.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    job = Job.from_json(sys.stdin.readline())
    _end_with_parent()

    def tell(said: Mapping[str, Any]) -> None:
        out.write(json.dumps(said) + "\n")

    return 0 if work(job, Speaker(tell)) else 2


def work(job: Job, speaker: Speaker, *, dataset: Dataset | None = None, about: Mapping[str, Any] | None = None) -> bool:
    """Do a job in this process, which has computed nothing before.

    Args:
        job: what to do.
        speaker: is told how it goes on, and in the end what came of it.
        dataset: the job's data; None for those that its description names.
        about: what the record says of the place, beside what is found there.

    Returns:
        Whether it was done, or stopped as it was asked to; not where it was refused.
    """
    started = time.monotonic()
    try:
        choose_backend()
        store = Store.open(Path(job.store)) if job.action == "run" else None  # before what takes seconds
        speaker.stage("starting")
        # Keras reads its backend when it is imported, so nothing that imports it may come before the choice.
        with _modules_stay():
            _import_keras()
            from mien.training import backend
            from mien.training.execute import execute
            from mien.training.measure import measure

        backend.configure(threads=job.threads, gpus=job.gpus)
        if dataset is None:
            dataset = read_dataset(job.data)
        split = apply_protocol(dataset, job.run.protocol)
        if job.split is not None and (dataset.fingerprint, split.hash) != (job.fingerprint, job.split):
            raise DataError(
                f"{dataset.name} has changed since this run was planned and named, and its record would tell of other "
                "data. The same command plans anew, with the data as they are now."
            )
        if store is None:
            cost = measure(job.run, dataset.size, len(split.label_set), dataset.channels)
            speaker.say("measured", **cost.to_json())
            return True
        record = execute(
            job.run,
            dataset,
            split,
            store,
            watch=speaker,
            stop=lambda: job.seconds is not None and time.monotonic() - started > job.seconds,
            keep_weights=job.keep_weights,
            keep_checkpoint=job.keep_checkpoint,
            about={**({} if job.threads is None else {"threads": job.threads}), **(about or {})},
        )
        speaker.say("ended", status=None if record is None else record.status.value)
    except MienError as error:
        speaker.say("refused", reason=str(error), unwritable=isinstance(error, UnwritableError))
        return False
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        speaker.say("refused", reason=f"{error.filename or job.store}: {error.strerror}.", unwritable=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
