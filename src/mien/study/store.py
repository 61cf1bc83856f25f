"""A store: a folder of run records, with a lock for writers and a log of every opening of test labels."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from mien.arguments import checked
from mien.datasets.dataset import Role
from mien.datasets.protocol import Opening, ProtocolSpec, Split
from mien.datasets.spec import DataSpec
from mien.errors import StoreError, StoreLockedError, StudyFileError, UnwritableError
from mien.evaluation.metrics import METRICS, score
from mien.files import hash_file, parse_json, text_bytes, write_json, write_text, written_whole
from mien.frame import frame
from mien.likeness import Likeness
from mien.seen import Seen
from mien.study.plan import Plan
from mien.study.recipe import Recipe
from mien.study.record import RUN_FILE, STORE_FILE, Epoch, RunRecord, RunStatus, is_complete
from mien.study.reference import Reference, read_references
from mien.study.settings import parse
from mien.study.spec import Study, read_study
from mien.wording import count_text

# Of a run that goes on, or may be gone on from.
CHECKPOINT_FILE = "checkpoint.npz"
EPOCH_FILES, WINDOW_FILES = "epoch-*.npz", "window-*.npz"
STUDY_FILE = "study.toml"
PLAN_FILE = "plan.json"
OPENINGS_FILE = "openings.jsonl"
SEEN_FOLDER = "seen"
LISTS_FOLDER = "lists"


class Store:
    """A folder of run records.

    Layout: `store.json` (schema), `study.toml` and `plan.json` (the study as last run), copies of the published figures
    that it names, `runs/ID/` (one record each, or the checkpoint of a run that is not finished), `features/` (a frozen
    backbone's outputs), `seen/` (hashes of the images that the runs of a split were trained and chosen with, and what
    these look like), `lists/` (cleaning lists), `cache/` (what reports have measured), `openings.jsonl`.
    """

    SCHEMA = 1

    @checked()
    def __init__(self, folder: Path | str) -> None:
        """Name a store; nothing is read or written yet."""
        self.folder = Path(folder)

    @classmethod
    def open(cls, folder: Path | str) -> Store:
        """The store in an existing folder, for reading.

        Raises:
            StoreError: there is no store, or a newer mien made it.
        """
        store = cls(folder)
        store._check_schema()
        return store

    @classmethod
    def create(cls, folder: Path | str) -> Store:
        """The store in `folder`, made where it does not exist yet.

        Raises:
            StoreError: the folder holds something else, cannot be made, or a newer mien made the store.
        """
        store = cls(folder)
        folder = store.folder
        marker = folder / STORE_FILE
        if not marker.exists():
            if folder.is_dir() and any(folder.iterdir()):
                raise StoreError(f"{folder} is not empty and not a store of mien. Name a new folder with --output.")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_json(marker, {"schema": cls.SCHEMA})
            except OSError as error:
                raise StoreError(f"The store {folder} cannot be made: {error.strerror or error}.") from error
        store._check_schema()
        return store

    def _check_schema(self) -> None:
        marker = self.folder / STORE_FILE
        try:
            schema = int(parse_json(marker.read_text(encoding="utf-8"))["schema"])
        except (OSError, ValueError, KeyError, TypeError):
            raise StoreError(f"{self.folder} is not a store of mien: it has no readable {STORE_FILE}.") from None
        if schema > self.SCHEMA:
            raise StoreError(
                f"The store {self.folder} has schema {schema}, and this mien knows up to {self.SCHEMA}. "
                "Update: pip install -U mien"
            )

    @property
    def cache(self) -> Path:
        """Where reports keep what they have measured of the records; it may be removed at any time."""
        return self.folder / "cache"

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return self.folder / "runs"

    def keep_study(self, text: str) -> bool:
        """Remember the study file, so that a report can be made from the store alone.

        Returns:
            Whether the store knew another text before. Its finished runs stay valid wherever the new study asks for
            the same: they are named by what they are.
        """
        path = self.folder / STUDY_FILE
        with self._reporting(path):
            changed = path.is_file() and path.read_bytes() != text_bytes(text)
            write_text(path, text)
        return changed

    def keep_references(self, study: Study, folder: Path) -> None:
        """Remember the published figures that a study names; `folder` is where its file lies.

        Raises:
            StudyFileError: as `read_references`; nothing is kept then.
        """
        for name in read_references(study, folder):
            path = self.folder / name
            with self._reporting(path):
                write_text(path, (folder / name).read_text(encoding="utf-8"))

    def references(self, study: Study) -> dict[str, Reference]:
        """The published figures of a study that was run here, by file name.

        Raises:
            StudyFileError: as `read_references`.
        """
        return read_references(study, self.folder)

    def keep_plan(self, plan: Plan) -> None:
        """Remember which run answers which cell."""
        path = self.folder / PLAN_FILE
        with self._reporting(path):
            write_json(path, plan.to_json())

    def plan(self) -> Plan:
        """The plan of the study that was last run here. Needs neither the data set nor a deep learning framework.

        A store that holds nothing but answers of models that were trained elsewhere has a plan without runs.

        Raises:
            StoreError: nothing was run here yet, or a file is damaged.
            StudyFileError: the study file that is kept here cannot be read.
        """
        study_file, plan_file = self.folder / STUDY_FILE, self.folder / PLAN_FILE
        if not study_file.is_file() and (brought := self.foreign()):
            return _plan_of_none(self.folder, brought[0])
        if not study_file.is_file() or not plan_file.is_file():
            raise StoreError(f"Nothing was run in the store {self.folder} yet: mien study run STUDY")
        study = read_study(study_file, kept=True)
        try:
            plan = Plan.from_json(study, parse_json(plan_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, LookupError, TypeError, StudyFileError) as error:
            raise StoreError(
                f"{plan_file} is damaged ({type(error).__name__}: {error}). mien study run writes it anew; "
                "finished runs are kept."
            ) from error
        # The two are written one after the other, and either may have been changed by hand.
        places = {(t.name, r.label, c.label) for t in study.tables for r in t.rows.points for c in t.columns.points}
        strange = next((cell for cell in plan.cells if (cell.table, cell.row, cell.column) not in places), None)
        if strange is not None:
            raise StoreError(
                f"{plan_file} is not of the study that lies beside it: {STUDY_FILE} has no place {strange.table}, "
                f"{strange.row} / {strange.column}. mien study run writes it anew; finished runs are kept."
            )
        return plan

    def records(self, plan: Plan) -> dict[str, RunRecord]:
        """The finished records of a plan, by id; their predictions stay on the disk until they are asked for."""
        return {run.id: RunRecord.read(self.run_folder(run.id), answers=False) for run in plan.runs if self.has(run.id)}

    def foreign(self) -> list[RunRecord]:
        """The records of models that were not trained here, by name; their predictions stay on the disk."""
        found = [record for record in self.summaries() if record.foreign is not None]
        return sorted(found, key=lambda record: str((record.foreign or {})["name"]))

    def summaries(self) -> Iterator[RunRecord]:
        """Every finished record that is here, of whatever study, without its predictions."""
        for folder in sorted(self.runs.glob("*")):
            if is_complete(folder):
                yield RunRecord.read(folder, answers=False)

    def run_folder(self, run_id: str) -> Path:
        """Where a run keeps its checkpoint and, at the end, its record."""
        return self.runs / run_id

    def has(self, run_id: str) -> bool:
        """Whether a finished record of the run is here."""
        return is_complete(self.run_folder(run_id))

    def is_done(self, run_id: str) -> bool:
        """Whether a run has ended with what it can give. One that failed is tried again, and is not done."""
        folder = self.run_folder(run_id)
        return is_complete(folder) and RunRecord.read(folder, answers=False).status is not RunStatus.FAILED

    def under_way(self, run_id: str) -> tuple[Epoch, ...] | None:
        """The epochs that a run without a record has behind it; None where it has not been begun.

        They are those of its checkpoint: of a run that is going on in another process, too. Of a checkpoint that cannot
        be read nothing is known, and none are told.
        """
        folder = self.run_folder(run_id)
        if self.has(run_id) or not folder.is_dir():
            return None
        with (
            suppress(OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile),
            (folder / CHECKPOINT_FILE).open("rb") as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            return tuple(Epoch.from_json(entry) for entry in json.loads(str(arrays["state"]))["history"])
        return ()

    def withdraw(self, run_id: str) -> None:
        """Take back the record of a run that failed and is begun again: until it ends there is nothing to say of it."""
        path = self.run_folder(run_id) / RUN_FILE
        with self._reporting(path):
            path.unlink(missing_ok=True)

    def read(self, run_id: str) -> RunRecord:
        """The record of a run; RecordError when it is missing or damaged."""
        return RunRecord.read(self.run_folder(run_id))

    def finished(self) -> list[RunRecord]:
        """Every record that is here, whatever study asked for it, in the order of their names.

        Raises:
            StoreError: there is no store.
            RecordError: a record is damaged.
        """
        self._check_schema()
        return [self.read(folder.name) for folder in sorted(self.runs.glob("*")) if self.has(folder.name)]

    def add(self, record: RunRecord) -> RunRecord:
        """Put a record here, such as `mien.foreign_run` gives; the store is made where it does not exist yet.

        Raises:
            StoreError: the folder is not a store, or cannot be written to.
        """
        Store.create(self.folder)
        with self.writing():
            record.write(self.run_folder(record.id))
        return record

    def frame(self) -> Any:
        """One flat table of all records: a row for each run and readout, its figures on the test role with intervals.

        What a run does not have is None or NaN. See `mien.frame.frame`.
        """
        return frame([row for record in self.finished() for row in _flat(record)])

    def __repr__(self) -> str:
        runs = sum(map(is_complete, self.runs.glob("*")))
        return f"<store {self.folder}: {count_text(runs, 'finished run')}>"

    def keep_data(self, split: Split, spec: DataSpec | None) -> None:
        """Remember what an export needs of the data: which images were learned from, how they look, the cleaning list.

        The list is small, and without it the same images make another data set.
        """
        path = self.folder / SEEN_FOLDER / f"{split.hash}.npz"
        with self._reporting(path):
            path.parent.mkdir(exist_ok=True)
            kept = False
            with suppress(StoreError):  # a damaged file is written anew
                kept = "mean" in _arrays_of(path)
            if not kept:
                seen = Seen.of(split.train.gray_hashes, split.validation.gray_hashes)
                likeness = Likeness.of(split.train.images, split.validation.images)
                with written_whole(path) as file:
                    np.savez(file, train=seen.train, validation=seen.validation, mean=likeness.mean, axes=likeness.axes)
        if spec is not None and spec.cleaning is not None:
            source = Path(spec.cleaning)
            path = self._kept_list(hash_file(source))
            with self._reporting(path):
                path.parent.mkdir(exist_ok=True)
                write_text(path, source.read_text(encoding="utf-8"))

    def seen(self, record: RunRecord) -> Seen | None:
        """The images that a run was trained and chosen with, as hashes; None when the store does not know."""
        arrays = _arrays_of(self._seen_file(record))
        return Seen(arrays["train"], arrays["validation"]) if arrays else None

    def likeness(self, record: RunRecord) -> Likeness | None:
        """What the images look like that a run was trained and chosen with; None when the store does not know."""
        arrays = _arrays_of(self._seen_file(record))
        return Likeness(arrays["mean"], arrays["axes"]) if "mean" in arrays else None

    def _seen_file(self, record: RunRecord) -> Path:
        return self.folder / SEEN_FOLDER / f"{record.data.get('taught', record.data['split'])}.npz"

    def data_of(
        self, record: RunRecord, path: str, *, votes: Path | None = None, cleaning: Path | None = None
    ) -> DataSpec:
        """How a run's data are read again.

        Args:
            record: of the run.
            path: where its data set is now.
            votes: the table of votes, where the run had one; by default the file of that name beside `path`.
            cleaning: the cleaning list, where the run had one; by default the copy that the store has kept.

        Raises:
            StoreError: votes or a list are needed, and not to be found.
        """
        read = dict(record.data["read"] or {})
        if read.get("sources") and not path.lower().endswith(".toml"):
            names = " and ".join(source["path"] for source in read["sources"])
            raise StoreError(
                f"Run {record.id} was trained on several sources ({names}). Name a data file with them: a .toml with "
                "one [[sources]] entry each, as under [data] in the study file."
            )
        for key in ("path", "votes", "cleaning", "sources"):
            read.pop(key, None)
        said = record.data["read"] or {}
        if votes is None and said.get("votes"):
            votes = Path(path).parent / said["votes"]
            if not votes.is_file():
                raise StoreError(f"Run {record.id} was trained with the votes {said['votes']}: name them with --votes.")
        if cleaning is None and said.get("cleaning"):
            cleaning = self._kept_list(said["cleaning"]["sha256"])
            if not cleaning.is_file():
                raise StoreError(
                    f"Run {record.id} was trained with the cleaning list {said['cleaning']['name']}, which the store "
                    "no longer has: name it with --cleaning."
                )
        return DataSpec.of(path, votes=votes, cleaning=cleaning, **read)

    def _kept_list(self, digest: str) -> Path:
        return self.folder / LISTS_FOLDER / f"{digest[:16]}.csv"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store for writing, so that two programs never compute into one store.

        Raises:
            StoreLockedError: another process holds it. The lock goes with its process, so none is ever left behind.
            StoreError: the folder cannot be written to.
        """
        path = self.folder / "store.lock"
        lock = FileLock(path)
        try:
            with self._reporting(path):
                lock.acquire(timeout=0)
        except Timeout:
            raise StoreLockedError(
                f"Another process is writing to the store {self.folder}. Wait for it to end, or name another "
                "folder with --output."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def log_opening(self, opening: Opening) -> None:
        """Append one opening of test labels to the log.

        Raises:
            StoreError: the log cannot be written, so nothing may be opened.
        """
        path = self.folder / OPENINGS_FILE
        with self._reporting(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(opening)) + "\n")

    def openings(self) -> list[Opening]:
        """Every opening of test labels so far, in order.

        Raises:
            StoreError: a line of the log is damaged.
        """
        path = self.folder / OPENINGS_FILE
        if not path.is_file():
            return []
        openings = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                openings.append(Opening(**parse_json(line)))
            except (ValueError, TypeError) as error:
                raise StoreError(f"{path}, line {number} is damaged ({error}). Repair or remove that line.") from error
        return openings

    @contextmanager
    def _reporting(self, path: Path) -> Iterator[None]:
        """Turn what the system says of a file of the store into one sentence."""
        try:
            yield
        except Timeout:
            raise
        except OSError as error:
            raise UnwritableError(
                f"{path} cannot be written: {error.strerror or error}. Nothing was lost: make room or permit writing, "
                "and run the same command again."
            ) from error


def _arrays_of(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file; none where there is no file.

    Raises:
        StoreError: it is damaged.
    """
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise StoreError(
            f"{path}, which says what a run has learned from, is damaged ({error}). Remove it: mien export knows it "
            "from the data instead, given with --data."
        ) from error


def _plan_of_none(folder: Path, record: RunRecord) -> Plan:
    """The plan of a store in which nothing was trained; what its study says of data and protocol is the record's."""
    study = Study(
        name=folder.resolve().name,
        title="Models that were not trained here",
        text="",
        data=DataSpec(path=record.data["name"]),
        protocol=parse(ProtocolSpec, record.protocol),
        recipe=Recipe(),
        tables=(),
    )
    return Plan(study, (), ())


def resumed_from(folder: Path) -> list[Path]:
    """The files of a run's folder that it goes on from; the checkpoint last, since with it all is there."""
    checkpoint = folder / CHECKPOINT_FILE
    weights = (path for name in (EPOCH_FILES, WINDOW_FILES) for path in sorted(folder.glob(name)))
    return [*weights, checkpoint] if checkpoint.is_file() else []


def find_run(path: Path) -> Path:
    """The folder of the run that a path names: that folder itself, or a store in which a single run is complete.

    Raises:
        StoreError: it is neither, or the store has several complete runs or none.
    """
    if not (path / STORE_FILE).is_file():
        if not path.is_dir():
            raise StoreError(f"There is no folder {path}. Expected a run (STORE/runs/ID) or a store with a single run.")
        return path
    store = Store.open(path)
    trained = [record for record in store.finished() if record.foreign is None]
    complete = [record for record in trained if record.status is RunStatus.COMPLETE]
    if not complete:
        raise StoreError(f"The store {path} has no complete run. What it holds: mien study status STUDY.")
    if len(complete) > 1:
        choices = "\n".join(f"  {store.run_folder(record.id)}: {_described(record)}" for record in complete)
        raise StoreError(f"The store {path} has {len(complete)} complete runs. Name one of them:\n{choices}")
    return store.run_folder(complete[0].id)


_FRAMED = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "calibration_error")


def _flat(record: RunRecord) -> Iterator[dict[str, Any]]:
    """The rows of a record in a flat table."""
    about: dict[str, Any] = {
        "run": record.id,
        "status": record.status.value,
        "trained_here": record.foreign is None,
        "network": record.foreign["name"] if record.foreign else record.recipe.get("backbone"),
        "data": record.data.get("name"),
        "split": record.data.get("split"),
        "labels": len(record.label_set),
        **{key: record.recipe.get(key) for key in ("optimizer", "learning_rate", "batch_size", "seed")},
        "parameters": record.network.get("parameters"),
        "seconds": record.seconds.get("total"),
    }
    for readout in record.readouts:
        row = {**about, "epochs": None if record.foreign else readout}
        answers = record.predictions.get((readout, Role.TEST))
        scores = None if answers is None else score(answers, record.label_set)
        row["images"] = None if scores is None else scores.count
        for name in _FRAMED:
            estimate = None if scores is None else METRICS[name].of(scores)
            row |= {
                name: None if estimate is None else estimate.value,
                f"{name}_low": None if estimate is None else estimate.low,
                f"{name}_high": None if estimate is None else estimate.high,
            }
        yield row


def _described(record: RunRecord) -> str:
    epochs = record.history
    best = f", best validation accuracy {max(epoch.validation_accuracy for epoch in epochs):.1%}" if epochs else ""
    return f"{record.recipe.get('backbone', '')}, {len(epochs)} epochs{best}"
