"""The runs of a study on the nodes of a cluster: each a task in a process of its own, its checkpoints sent back."""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mien.datasets.protocol import Opening
from mien.errors import MienError, UnwritableError
from mien.files import create_held, parse_json, remove_abandoned, written_whole
from mien.scale.cluster import Cluster, check_version, node_name
from mien.study.backbones import OTHER_BACKBONES
from mien.study.backend import find_backend
from mien.study.processes import Executor, Job, Listener, WorkerDiedError
from mien.study.record import RUN_FILE
from mien.study.store import CHECKPOINT_FILE, OPENINGS_FILE, Store, resumed_from
from mien.study.teachers import teacher_files

if TYPE_CHECKING:
    from mien.datasets.dataset import Dataset
    from mien.datasets.spec import DataSpec

T = TypeVar("T")

# So many losses of a run without an epoch between them are no accident.
_TRIES = 4
# What a node may have said before it is heard; checkpoints are large.
_UNHEARD = 4
_PLACE = "mien-run-"
_LOCK_FILE = "lock"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
_CARRIED = ("TF_ENABLE_ONEDNN_OPTS",)


class Abandoned(BaseException):
    """A run is not gone on with, because another one ended the study."""


class RayExecutor(Executor):
    """Does each job as a task of a cluster.

    The data set goes to each node once. What a run writes comes back after each epoch, and this process alone writes it
    into the store; a run whose process or node is lost goes on elsewhere from its last epoch.

    Args:
        cluster: connected.
        dataset: that of the jobs.
        cpus: processors of a run, and the threads that it computes with; None for 1, or on nodes with GPUs for those
            that come with a run's GPUs.
        gpus: GPUs of a run, which share its batches; a part of one, such as 0.5, is shared by runs. None for 1 where
            the nodes have any.
        memory: that a run is expected to need, by its id, in bytes: a node takes no more runs than it has memory for.

    Raises:
        MissingExtraError: what trains is not installed here.
        MienError: no node is large enough for a run.
    """

    def __init__(
        self,
        cluster: Cluster,
        dataset: Dataset,
        *,
        cpus: int | None = None,
        gpus: float | None = None,
        memory: Mapping[str, float] | None = None,
    ) -> None:
        backend = find_backend()
        if gpus is None:
            gpus = 1 if cluster.room(cpus=1, gpus=1) else 0
        if cpus is None:
            cpus = max(1, int(gpus * cluster.cpus_per_gpu())) if gpus else 1
        if not cluster.room(cpus=cpus, gpus=gpus):
            raise MienError(
                f"No node of the cluster has {cpus} processors and {gpus:g} GPUs, as a run shall have. It has: "
                f"{cluster.described()}. Ask for fewer with --cpus and --gpus."
            )
        self._cluster, self._cpus, self._gpus = cluster, cpus, gpus
        # What is larger than any node would wait for ever; it may yet fit, since it is only expected.
        fits = {run: need for run, need in (memory or {}).items() if cluster.room(cpus=cpus, gpus=gpus, memory=need)}
        self._memory, self._most_memory = fits, max(fits.values(), default=0)
        self._going: set[Any] = set()
        ray = cluster.ray
        self._data = ray.put(_in_memory(dataset))
        self._brought = ray.put(_files_of(dataset.spec))
        self._task = ray.remote(
            max_calls=1,
            max_retries=0,  # as the same task once more, it would begin where it began; see `submit`
            runtime_env={"env_vars": environment_of_runs(cpus, backend)},
            _generator_backpressure_num_objects=_UNHEARD,
        )(run_on_node)
        self._over = False

    def each(self, do: Callable[[T], None], runs: Sequence[T]) -> None:
        """Do something for as many runs at once as the nodes have room for; see `Executor`."""
        waiting, going = deque(runs), set[Future[None]]()
        with ThreadPoolExecutor(max(1, len(runs)), thread_name_prefix="mien-run") as pool:
            try:
                while waiting or going:
                    # Asked each time: nodes come and go.
                    while waiting and len(going) < max(1, self._room()):
                        going.add(pool.submit(do, waiting.popleft()))
                    done, going = wait(going, timeout=5, return_when=FIRST_COMPLETED)
                    for one in done:
                        one.result()
            except BaseException:
                self._over = True
                for one in list(self._going):
                    self._cluster.ray.cancel(one, force=True)
                raise

    def _room(self) -> int:
        return self._cluster.room(cpus=self._cpus, gpus=self._gpus, memory=self._most_memory)

    def submit(self, job: Job, listen: Listener) -> None:
        """Do a job; see `Executor`."""
        lost, epochs = 0, 0

        def hear(said: Mapping[str, Any]) -> None:
            nonlocal lost, epochs
            if said["say"] == "epoch":
                lost, epochs = 0, epochs + 1
            listen(said)

        while True:
            try:
                return self._submit_once(job, hear)
            except self._cluster.ray.exceptions.RayError as error:
                if self._over:
                    raise Abandoned from error
                lost += 1
                why = str(error).strip().splitlines()[0]
                if lost == _TRIES:
                    raise WorkerDiedError(f"The run was lost {lost} times without an epoch between: {why}") from error
                listen({"say": "stage", "text": f"going on elsewhere from the last epoch: {why}"})

    def _submit_once(self, job: Job, listen: Listener) -> None:
        store = Store(Path(job.store))
        folder = store.run_folder(job.run.id)
        begun = {path.name: path.read_bytes() for path in resumed_from(folder)}
        needs = {"num_cpus": self._cpus, "num_gpus": self._gpus}
        if job.run.id in self._memory:
            needs["memory"] = self._memory[job.run.id]
        job = replace(job, threads=self._cpus, gpus=max(1, int(self._gpus)))
        going = self._task.options(**needs).remote(
            job.to_json(), self._data, self._brought, _files_of_run(job), teachers_of(job), begun, self._cluster.version
        )
        refusal: MienError | None = None
        self._going.add(going)
        try:
            for reference in going:
                said = self._cluster.get(reference)
                if self._over:
                    raise Abandoned
                if said["say"] == "files":
                    _take_over(said, store, folder)
                    said = said["with"]
                if said["say"] == "refused":
                    refusal = (UnwritableError if said["unwritable"] else MienError)(said["reason"])
                listen(said)
                if said["say"] in ("ended", "refused"):
                    break  # whatever becomes of the node now
        except BaseException:
            self._cluster.ray.cancel(going, force=True)
            raise
        finally:
            self._going.discard(going)
        if refusal is not None:
            raise refusal


def environment_of_runs(cpus: int, backend: str | None) -> dict[str, str]:
    """The variables of a run's process on a node: what decides here on the numbers decides there.

    Args:
        cpus: of one run.
        backend: Keras' backend, where it is known here.
    """
    said = {name: os.environ[name] for name in _CARRIED if name in os.environ}
    return {**dict.fromkeys(_THREADS, str(cpus)), **said, **({} if backend is None else {"KERAS_BACKEND": backend})}


def run_on_node(
    text: str,
    dataset: Dataset,
    brought: Mapping[str, bytes],
    run_files: Mapping[str, bytes],
    teachers: Mapping[str, Mapping[str, bytes]],
    begun: Mapping[str, bytes],
    version: str | None,
) -> Iterator[Mapping[str, Any]]:
    """On a node: do one job, and say what the worker says, with the files that it has written.

    Args:
        text: the job.
        dataset: its data.
        brought: content of the files that the description of the data names, by path.
        run_files: likewise, those that the recipe names.
        teachers: likewise, those of each teacher, as `teachers_of` gives them.
        begun: content of the files of a run that was begun before, by name.
        version: the mien that is asked for.
    """
    check_version(version)
    from mien.training.worker import Speaker, work

    with _place() as place:
        store = Store.create(place / "store")
        job = _with_files(replace(Job.from_json(text), store=str(store.folder)), run_files, place / "run")
        job = with_teachers(job, teachers, place / "teachers")
        if dataset.spec is not None:
            spec = _spec_with_files(dataset.spec, brought, place / "data")
            dataset = dataset.annotated(spec=spec)
        folder = store.run_folder(job.run.id)
        folder.mkdir(parents=True)
        for name, content in begun.items():
            (folder / name).write_bytes(content)
        sent = _Sent(store, folder)
        heard: queue.Queue[Mapping[str, Any] | BaseException | None] = queue.Queue(_UNHEARD)

        def hear(said: Mapping[str, Any]) -> None:
            # With its files: whoever has heard of an epoch can go on from it.
            if said["say"] in ("epoch", "ended"):
                said = {"say": "files", "with": said, **sent.news(whole=said["say"] == "ended")}
            heard.put(said)

        def do() -> None:
            try:
                work(job, Speaker(hear), dataset=dataset, about={"node": node_name()})
                heard.put(None)
            except BaseException as error:
                heard.put(error)

        threading.Thread(target=do, name="mien-run", daemon=True).start()
        while (said := heard.get()) is not None:
            if isinstance(said, BaseException):
                raise said
            yield said


@contextmanager
def _place() -> Iterator[Path]:
    """A folder for a run, which is removed with what killed processes have left of theirs."""
    folder = Path(tempfile.gettempdir())
    for left in folder.glob(f"{_PLACE}*"):
        remove_abandoned(left, lock_file=_LOCK_FILE)
    held, lock_file = create_held(lambda: Path(tempfile.mkdtemp(prefix=_PLACE)) / _LOCK_FILE)
    with held:
        try:
            yield lock_file.parent
        finally:
            shutil.rmtree(lock_file.parent, ignore_errors=True)


class _Sent:
    """What of a run's store has been sent already."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder
        self._known: dict[Path, tuple[int, int]] = {path: _stamp(path) for path in folder.iterdir()}

    def news(self, *, whole: bool) -> dict[str, Any]:
        """What has changed since it was asked last.

        Args:
            whole: whether the run is over, so that all is sent that it has written; else what it can go on from.
        """
        there = [path for path in self._folder.iterdir() if path.is_file()] if whole else resumed_from(self._folder)
        beside = [path for name in ("seen", "lists") for path in self._store.folder.glob(f"{name}/*")] if whole else []
        new = [path for path in (*there, *beside) if self._known.get(path) != _stamp(path)]
        self._known |= {path: _stamp(path) for path in new}
        openings = self._store.folder / OPENINGS_FILE
        return {
            "files": {path.relative_to(self._store.folder).as_posix(): path.read_bytes() for path in new},
            "names": [path.name for path in there],
            "openings": openings.read_text(encoding="utf-8").splitlines() if whole and openings.is_file() else [],
        }


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _take_over(said: Mapping[str, Any], store: Store, folder: Path) -> None:
    """Write what a node has sent into the store: run.json last, since with it the run is complete."""
    for line in said["openings"]:
        store.log_opening(Opening(**parse_json(line)))
    last = (CHECKPOINT_FILE, RUN_FILE)
    for name in sorted(said["files"], key=lambda name: (last.index(n) if (n := Path(name).name) in last else -1, name)):
        path = store.folder / name
        if path.parent == folder or not path.exists():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(path) as file:
                    file.write(said["files"][name])
            except OSError as error:
                raise UnwritableError(
                    f"{path} cannot be written: {error.strerror or error}. Make room, and run the same command again."
                ) from error
    for path in resumed_from(folder):
        if path.name not in said["names"]:
            path.unlink()


def _in_memory(dataset: Dataset) -> Dataset:
    """A data set as it can be sent, its images no longer those of a file on this machine; known hashes stay known."""
    hashes, fingerprint = dataset.sample_hashes, dataset.fingerprint
    images = np.ascontiguousarray(dataset.images).view(np.ndarray)
    return replace(dataset, images=images).with_known_hashes(hashes, fingerprint)


def _files_of(spec: DataSpec | None) -> dict[str, bytes]:
    """The cleaning lists that a description of data names: the data themselves are sent as they were read."""
    specs = () if spec is None else (spec, *spec.sources)
    return {one.cleaning: Path(one.cleaning).read_bytes() for one in specs if one.cleaning is not None}


def _spec_with_files(spec: DataSpec, files: Mapping[str, bytes], folder: Path) -> DataSpec:
    """The description with its cleaning lists written to a folder."""
    cleaning = spec.cleaning and str(_written(spec.cleaning, files, folder))
    return replace(
        spec, cleaning=cleaning, sources=tuple(_spec_with_files(source, files, folder) for source in spec.sources)
    )


def _files_of_run(job: Job) -> dict[str, bytes]:
    """The files that a run's recipe names: weights, and a backbone of the user's own."""
    recipe = job.run.recipe
    named = [OTHER_BACKBONES.file_of(recipe.backbone), Path(recipe.weights) if recipe.needs_file else None]
    return {str(path): path.read_bytes() for path in named if path is not None}


def _with_files(job: Job, files: Mapping[str, bytes], folder: Path) -> Job:
    """The job, with the files that its recipe names written to a folder."""
    recipe = job.run.recipe
    for path in files:
        new = str(_written(path, files, folder))
        recipe = replace(
            recipe,
            backbone=new + recipe.backbone.removeprefix(path) if recipe.backbone.startswith(path) else recipe.backbone,
            weights=new if recipe.weights == path else recipe.weights,
        )
    return replace(job, run=replace(job.run, recipe=recipe))


def teachers_of(job: Job) -> dict[str, dict[str, bytes]]:
    """Content of the files of a run's teachers, by teacher and place; none of those that are shipped with mien."""
    return {
        teacher: {place: path.read_bytes() for place, path in teacher_files(teacher).items()}
        for teacher in job.run.recipe.teacher.models
    }


def with_teachers(job: Job, teachers: Mapping[str, Mapping[str, bytes]], folder: Path) -> Job:
    """The job, with its teachers written to a folder."""
    models = []
    for number, (teacher, files) in enumerate(teachers.items()):
        for place, content in files.items():
            path = folder / str(number) / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        # The teacher's own files come first, in the folder that is its name, or as the file of it.
        inside = [Path(place) for place in files]
        parts = inside[0].parts[: inside[0].parts.index(Path(teacher).name) + 1] if inside else ()
        models.append(str(folder.joinpath(str(number), *parts)) if inside else teacher)
    recipe = replace(job.run.recipe, teacher=replace(job.run.recipe.teacher, models=tuple(models)))
    return replace(job, run=replace(job.run, recipe=recipe))


def _written(path: str, files: Mapping[str, bytes], folder: Path) -> Path:
    """A file of the caller's machine, in a folder of this one under its own name."""
    new = folder / str(sorted(files).index(path)) / Path(path).name
    new.parent.mkdir(parents=True, exist_ok=True)
    new.write_bytes(files[path])
    return new
