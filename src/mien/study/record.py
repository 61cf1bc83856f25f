"""The run record: one folder that holds everything that a report needs to know of a run.

A record's folder holds `predictions.npz` (what the network answered for every image), `history.jsonl` (one line
an epoch) and `run.json`, which is written last, by rename: its presence means that the run is complete. Reading a
record needs neither the data set nor a deep learning framework.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Self, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from mien.datasets.dataset import Dataset, Role
from mien.datasets.protocol import Split
from mien.errors import MienError, RecordError, UnwritableError, did_you_mean
from mien.evaluation.metrics import Scores, score
from mien.files import json_text, parse_json, read_npz, text_bytes, written_whole
from mien.labels import LabelSet, label_text, to_label
from mien.predictions import Predictions
from mien.shapes import check_shape
from mien.study.recipe import Head, Recipe
from mien.study.settings import convert

# Marks a folder as a store of runs.
STORE_FILE = "store.json"
RUN_FILE = "run.json"
# The weights of the last readout, where they are kept.
NETWORK_FILE = "network.keras"
HISTORY_FILE = "history.jsonl"
PREDICTIONS_FILE = "predictions.npz"
# Likewise of a further head of the network.
HEAD_FILE = "predictions-{}.npz"

# Far above any: the answers of a hundred readouts to a million images.
_LARGEST_PREDICTIONS_BYTES = 4 * 2**30

_SHAPE = {
    "id": str,
    "status": str,
    "reason": (str, None),
    "recipe": {"backbone?": str},
    "protocol": dict,
    "data": {
        "name?": str,
        "channels?": str,
        "framing?": (str, None),
        "read?": (dict, None),
        "fingerprint?": str,
        "split?": str,
        "taught?": str,
        "source?": str,
        "licence?": str,
        "notes?": [str],
        "counts?": {"*": (int, {"*": int})},  # of a sealed role the number alone
    },
    "labels": [str],
    "readouts": [int],
    "chosen": [int],
    "network": {
        **dict.fromkeys(("parameters?", "trainable?", "depth?"), int),
        "image_size?": (int, [int]),
        "statistics?": (dict, None),
    },
    "environment": dict,
    "seconds": {"*": float},
    "peak_memory_mib": float,
    "started": str,
    "heads?": {"*": {"labels": [str], "protocol": dict, "data": {"split": str, "counts": dict, "notes": [str]}}},
}


_EPOCH_SHAPE = {
    "epoch": int,
    **dict.fromkeys(("loss", "accuracy", "validation_loss", "validation_accuracy"), (float, None)),
    **dict.fromkeys(("learning_rate", "seconds", "images_per_second"), (float, None)),
}

# What reading a damaged file raises.
_DAMAGE = (LookupError, ValueError, TypeError, AttributeError, OSError, zipfile.BadZipFile, MienError)


class RunStatus(StrEnum):
    """What became of a run. A skipped run never started; a failed or diverged one has its reason."""

    COMPLETE = "complete"
    DIVERGED = "diverged"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the history. Losses are means over images; accuracies are shares in 0..1.

    Attributes:
        epoch: from 1.
        loss: on the training batches, as they went by (augmented, while the weights changed).
        accuracy: likewise.
        validation_loss: after the epoch, on the validation role.
        validation_accuracy: likewise.
        other_validation_loss: likewise under the other kind of batch statistics (see `Recipe.batch_statistics`): the
            moving averages where the recipe says "settled", and the other way round. NaN where no layer gathers any.
        other_validation_accuracy: likewise.
        validation_balanced_accuracy: the mean of the classes' recalls on the validation role, where the recipe chooses
            by it; NaN otherwise.
        learning_rate: at the end of the epoch.
        seconds: of the training pass, without validation.
        images_per_second: of the training pass.
    """

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    images_per_second: float
    other_validation_loss: float = np.nan
    other_validation_accuracy: float = np.nan
    validation_balanced_accuracy: float = np.nan

    def to_json(self) -> dict[str, float | None]:
        """Plain values; a figure that is not finite is None."""
        return {key: value if np.isfinite(value) else None for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The line that `to_json` gave; None becomes NaN."""
        check_shape(dict(values), _EPOCH_SHAPE)
        numbers: dict[str, Any] = {key: np.nan if value is None else value for key, value in values.items()}
        return cls(**numbers)

    def comparable(self) -> dict[str, float]:
        """The line without its timings: what two undisturbed runs of one recipe agree on."""
        return {key: value for key, value in asdict(self).items() if key not in ("seconds", "images_per_second")}


@dataclass(frozen=True, kw_only=True, eq=False)
class FurtherHead:
    """What a record says of a head of its network beside the first (see `Recipe.heads`).

    Attributes:
        label_set: the expressions that its outputs stand for, in order.
        protocol: the run's, with the targets of this head.
        data: "split", "counts" and "notes" of its own images, as in `RunRecord.data`.
        predictions: as in `RunRecord`, for its own images.
    """

    label_set: LabelSet
    protocol: dict[str, Any]
    data: dict[str, Any]
    predictions: Mapping[tuple[int, Role], Predictions]

    def to_json(self) -> dict[str, Any]:
        """The part that goes into run.json."""
        return {"labels": _texts(self.label_set), "protocol": self.protocol, "data": self.data}


@dataclass(frozen=True, kw_only=True, eq=False)
class RunRecord:
    """A run that came to an end, for better or worse.

    Attributes:
        id: the run's name, a hash of all that can change its result.
        status: what became of it.
        reason: why, where the status is not complete; None otherwise.
        recipe: the resolved recipe, as plain values.
        protocol: the protocol, as plain values.
        data: "name", "fingerprint", "split", "source", "licence", "size", "channels" where they are not
            gray, "framing" (see `mien.framing`), "notes",
            "counts" by role and expression, and "read": how the data were read, as `DataSpec.portable` says it, or None
            where that is not known. With several heads also "taught": the hash of all that the network learned from.
        label_set: the expressions that the outputs stand for, in order; of several heads, those of the first.
        readouts: the epochs at which the network was evaluated, ascending; the last is the last epoch asked for.
        chosen: for each readout, the epoch whose weights were evaluated (another one where `select` takes the best).
        network: "parameters", "trainable", "depth", "image_size", "backbone_size", and "statistics": of the fitted
            feature-wise preprocessing, "images", mean "mean" and "std", and whether there is "whitening"; None without.
        history: one entry an epoch.
        predictions: by readout and role (validation and test); empty unless the run is complete. Of a record that was
            read for a report they stay on the disk (`UnreadPredictions`).
        others: likewise, under the other kind of batch statistics; empty where no layer gathers any averages.
        environment: versions, platform, device, commit.
        seconds: wall-clock seconds by stage: "fit_statistics", "train", "evaluate", "total".
        peak_memory_mib: largest resident memory of the process, in MiB.
        started: ISO 8601, UTC.
        foreign: for answers that were brought from elsewhere, what is said and what is unknown of them, by heading;
            None for a network that was trained here.
        heads: of a network with several, what there is of the others, by name and in their order. All else that is said
            of answers is of the first; `of_head` gives the record of another.
    """

    SCHEMA = 2

    id: str
    status: RunStatus
    reason: str | None
    recipe: dict[str, Any]
    protocol: dict[str, Any]
    data: dict[str, Any]
    label_set: LabelSet
    readouts: tuple[int, ...]
    chosen: tuple[int, ...] = ()
    network: dict[str, Any] = field(default_factory=dict)
    history: tuple[Epoch, ...] = ()
    predictions: Mapping[tuple[int, Role], Predictions] = field(default_factory=dict)
    others: Mapping[tuple[int, Role], Predictions] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mib: float = 0.0
    started: str = ""
    foreign: dict[str, Any] | None = None
    heads: Mapping[str, FurtherHead] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The part that goes into run.json: all but history and predictions."""
        return {
            "schema": self.SCHEMA,
            "id": self.id,
            "status": self.status.value,
            "reason": self.reason,
            "recipe": self.recipe,
            "protocol": self.protocol,
            "data": self.data,
            "labels": _texts(self.label_set),
            "readouts": list(self.readouts),
            "chosen": list(self.chosen),
            "network": self.network,
            "environment": self.environment,
            "seconds": self.seconds,
            "peak_memory_mib": self.peak_memory_mib,
            "started": self.started,
            "foreign": self.foreign,
            **({"heads": {name: head.to_json() for name, head in self.heads.items()}} if self.heads else {}),
        }

    def write(self, folder: Path) -> None:
        """Write the record into `folder`, which is made where needed; run.json comes last.

        Raises:
            UnwritableError: the disk is full or the folder cannot be written to. What was there before stays.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Every byte is on the disk before the first file gets its name; the names come in reverse order.
            with ExitStack() as files:
                run_file, history_file, predictions_file, *head_files = (
                    files.enter_context(written_whole(folder / name))
                    for name in (RUN_FILE, HISTORY_FILE, PREDICTIONS_FILE, *map(HEAD_FILE.format, self.heads))
                )
                for head_file, head in zip(head_files, self.heads.values(), strict=True):
                    _write_predictions(head_file, head.predictions, {})
                _write_predictions(predictions_file, self.predictions, self.others)
                history_file.write(_history_text(self.history).encode())
                run_file.write(text_bytes(json_text(self.to_json())))
                for file in (*head_files, predictions_file, history_file, run_file):
                    file.flush()
        except OSError as error:
            raise UnwritableError(
                f"The record of run {self.id} cannot be written to {folder}: {error.strerror or error}. "
                "Nothing was lost: make room or permit writing, and run the same command again."
            ) from error

    @classmethod
    def read(cls, folder: Path, *, answers: bool = True) -> Self:
        """Read the record in `folder`.

        Args:
            folder: as `write` was given it.
            answers: whether to read the predictions now, which are nearly all of its bytes; otherwise they are read
                each time that they are asked for, and not kept, so that many records fit into memory.

        Raises:
            RecordError: no complete record is there, a file is damaged, or a newer mien wrote it.
        """
        values = _read_run_file(folder)
        try:
            if values["schema"] == 1:
                values = _from_schema_1(values)
            check_shape(values, _SHAPE)
            _check_recipe(values["recipe"])
            label_set = LabelSet.of(map(to_label, values["labels"]))
            predictions, others = _predictions(folder / PREDICTIONS_FILE, len(label_set), answers)
            return cls(
                id=values["id"],
                status=RunStatus(values["status"]),
                reason=values["reason"],
                recipe=values["recipe"],
                protocol=values["protocol"],
                data=values["data"],
                label_set=label_set,
                readouts=tuple(values["readouts"]),
                chosen=tuple(values["chosen"]),
                network=values["network"],
                history=read_history(folder),
                predictions=predictions,
                others=others,
                environment=values["environment"],
                seconds=values["seconds"],
                peak_memory_mib=values["peak_memory_mib"],
                started=values["started"],
                foreign=values["foreign"],
                heads=_read_heads(folder, values.get("heads", {}), answers),
            )
        except _DAMAGE as error:
            raise _damaged(folder, error) from error

    def __repr__(self) -> str:
        made = f"answers of {self.foreign['name']}" if self.foreign else self.recipe.get("backbone")
        return f"<record {self.id}: {made} on {self.data.get('name')}, {self.status.value}>"

    @property
    def head_names(self) -> tuple[str, ...]:
        """The heads of a network with several, the first first; none of a network with one."""
        return (str(self.protocol["targets"]), *self.heads) if self.heads else ()

    def place_of_head(self, name: str | None = None) -> slice | None:
        """The columns of a head, None for the first, among the network's outputs; None where it has one head alone.

        Raises:
            RecordError: it has no such head.
        """
        self._check_head(name)
        if not self.heads:
            return None
        sizes = [len(self.label_set), *(len(head.label_set) for head in self.heads.values())]
        number = 0 if name is None else self.head_names.index(name)
        return slice(sum(sizes[:number]), sum(sizes[: number + 1]))

    def of_head(self, name: str | None = None) -> Self:
        """The record of one head, as if the network had no other; None for the first. See `Recipe.heads`.

        Raises:
            RecordError: the network has no such head.
        """
        self._check_head(name)
        if not self.heads:
            return self
        name = name or self.head_names[0]
        own = replace(self, heads={}, network={**self.network, "head": name})
        if name not in self.heads:
            return own
        head = self.heads[name]
        return replace(
            own,
            label_set=head.label_set,
            protocol=head.protocol,
            data={**self.data, **head.data},
            predictions=head.predictions,
            others={},
        )

    def _check_head(self, name: str | None) -> None:
        if name is None or name in self.head_names:
            return
        if not self.heads:
            raise RecordError(f"Run {self.id} has one head, and was not asked for another. Received: head {name!r}.")
        raise RecordError(f"Run {self.id} has no head {name!r}. {did_you_mean(name, self.head_names)}")

    @property
    def hardware(self) -> str:
        """What computed it, in words; times are comparable between records of one hardware alone."""
        about = self.environment
        devices = [name for name in about.get("devices") or () if name != "cpu:0"]
        given = about.get("threads")
        said = [about.get("processor"), about.get("cores") and f"{about['cores']} cores", *devices]
        said.append(None if given in (None, about.get("cores")) else f"{given} of them used")
        return ", ".join(str(part) for part in said if part)

    def scores(self, role: Role | str = Role.TEST, readout: int | None = None) -> Scores:
        """The figures on a role, at the last readout or the one named.

        Raises:
            RecordError: the run holds no answers there.
        """
        return score(self.outcome(Role(role), readout), self.label_set)

    def outcome(self, role: Role, readout: int | None = None) -> Predictions:
        """The predictions for a role, at the last readout or the one named.

        Raises:
            RecordError: the run holds none (it did not complete, or was not read out there).
        """
        key = (self.readouts[-1] if readout is None else readout, role)
        if key not in self.predictions:
            raise RecordError(
                f"Run {self.id} ({self.status.value}) holds no predictions for the {role.value} role after epoch "
                f"{key[0]}. It was read out after: {', '.join(map(str, self.readouts))}."
            )
        return self.predictions[key]


def data_facts(dataset: Dataset, split: Split) -> dict[str, Any]:
    """What a record says of its data, without a look at the test labels."""
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "split": split.hash,
        "source": Path(dataset.source).name,
        "licence": dataset.licence,
        "size": list(dataset.size),
        # Of gray images, of which there were no others once, nothing is said.
        **({} if dataset.channels == "gray" else {"channels": dataset.channels}),
        "framing": dataset.framing,
        "read": None if dataset.spec is None else dataset.spec.portable(),
        "notes": list(dict.fromkeys([*dataset.notes, *split.notes])),
        "problems": len(dataset.problems),
        "counts": split.counts,
        **({} if dataset.sources is None else {"sources": _counts_of(dataset.sources)}),
    }


def _texts(label_set: LabelSet) -> list[str]:
    return [label_text(label) for label in label_set.expressions]


def _counts_of(names: NDArray[np.str_]) -> dict[str, int]:
    found, counts = np.unique(names, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


class UnreadPredictions(Mapping[tuple[int, Role], Predictions]):
    """The predictions of a record that lie on the disk: read when they are asked for, and not kept."""

    def __init__(self, path: Path, what: str, classes: int) -> None:
        """Name the file, whose table of contents is read, and which of its answers are meant (one of `_OUTPUTS`)."""
        self.path = path
        self._what = what
        self._classes = classes
        with zipfile.ZipFile(path) as file:
            keys = [name.removesuffix(".npy").split("/") for name in file.namelist()]
        self._keys = [(int(key[2]), Role(key[0])) for key in keys if key[1] == what]

    def __getitem__(self, key: tuple[int, Role]) -> Predictions:
        """The predictions for a readout and role.

        Raises:
            KeyError: there are none.
            RecordError: the file is damaged.
        """
        if key not in self._keys:
            raise KeyError(key)
        try:
            outputs = f"{key[1].value}/{self._what}/{key[0]}"
            wanted = {outputs, *(f"{key[1].value}/{what}" for what in (*_DESCRIBED, *_DESCRIBED_SOME))}
            return _read_predictions(self.path, self._classes, wanted)[_OUTPUTS.index(self._what)][key]
        except _DAMAGE as error:
            raise _damaged(self.path.parent, error) from error

    def __iter__(self) -> Iterator[tuple[int, Role]]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _damaged(folder: Path, error: Exception) -> RecordError:
    return RecordError(
        f"The record in {folder} is damaged ({type(error).__name__}: {error}). "
        "Remove that folder and run the study again; the other records stay valid."
    )


def is_complete(folder: Path) -> bool:
    """Whether a finished record lies in `folder`."""
    return (folder / RUN_FILE).is_file()


def read_groups(folder: Path, role: Role) -> tuple[NDArray[np.str_], NDArray[np.str_] | None] | None:
    """The names of a role's images, and the person or clip of each, as a record holds them; its answers are not read.

    Returns:
        Shapes (N,), the second None where the data had no groups; None where the record has no such images.

    Raises:
        RecordError: the file is damaged.
    """
    path = folder / PREDICTIONS_FILE
    ids, groups = f"{role.value}/ids", f"{role.value}/groups"
    try:
        with path.open("rb") as file:
            arrays = dict(read_npz(file, largest_bytes=_LARGEST_PREDICTIONS_BYTES, wanted={ids, groups}))
    except _DAMAGE as error:
        raise _damaged(folder, error) from error
    if ids not in arrays:
        return None
    return arrays[ids].astype(np.str_), arrays[groups].astype(np.str_) if groups in arrays else None


def read_history(folder: Path) -> tuple[Epoch, ...]:
    """Read the history of a record: one JSON object a line, in which null stands for a loss that is not a number."""
    lines = (folder / HISTORY_FILE).read_text(encoding="utf-8").splitlines()
    return tuple(Epoch.from_json(parse_json(line)) for line in lines)


def _history_text(history: tuple[Epoch, ...]) -> str:
    return "".join(json.dumps(epoch.to_json(), allow_nan=False) + "\n" for epoch in history)


def _read_run_file(folder: Path) -> dict[str, Any]:
    path = folder / RUN_FILE
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"There is no complete record in {folder}: {RUN_FILE} is missing.") from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read ({error}). Remove its folder and run the study again.") from error
    schema = values.get("schema") if isinstance(values, dict) else None
    if not isinstance(schema, int) or schema < 1:
        raise RecordError(f"{path} is not a run record of mien: it has no schema number.")
    if schema > RunRecord.SCHEMA:
        raise RecordError(
            f"{path} has schema {schema}, and this mien knows up to {RunRecord.SCHEMA}. Update: pip install -U mien"
        )
    return dict(values)


def _from_schema_1(values: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1 as one of 2. It did not say how its data were read; the framing follows from the licence."""
    data = values["data"]
    licence = str(data.get("licence", ""))
    framing = "fer2013" if "FER2013" in licence else "drawn" if licence.startswith("Drawn by mien") else None
    return {**values, "schema": 2, "data": {**data, "framing": framing, "read": None}, "foreign": None}


# Answers, by what they are called in the file: the recipe's own, and those under the other kind of batch statistics.
_OUTPUTS = ("outputs", "other_outputs")

# What describes the images of a role.
_DESCRIBED = ("targets", "labels", "ids", "copies")
# Likewise, where the data have them.
_DESCRIBED_SOME = ("groups",)


def _write_predictions(file: BinaryIO, *kinds: Mapping[tuple[int, Role], Predictions]) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    for what, predictions in zip(_OUTPUTS, kinds, strict=True):
        for (readout, role), entry in predictions.items():
            arrays[f"{role.value}/{what}/{readout}"] = _compact(entry.outputs)
    for (_, role), entry in kinds[0].items():
        # Readouts of a role share their images: what describes them is stored once.
        arrays[f"{role.value}/targets"] = entry.targets
        arrays[f"{role.value}/labels"] = entry.labels
        arrays[f"{role.value}/ids"] = entry.ids
        arrays[f"{role.value}/copies"] = entry.copies
        if entry.groups is not None:
            arrays[f"{role.value}/groups"] = entry.groups
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _compact(outputs: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
    """Outputs in half the bytes where that loses nothing (see `rounded`)."""
    with np.errstate(over="ignore"):
        halves = outputs.astype(np.float16)
    return halves if np.array_equal(halves, outputs) else outputs


def rounded(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs as a record keeps them: in the precision of float16 (11 bits), as far as they fit its range.

    Args:
        outputs: shape (N, K), float32.

    Returns:
        The same shape, float32; the outputs themselves where one lies outside ±65,504.
    """
    if not (np.abs(outputs) <= np.finfo(np.float16).max).all():
        return outputs
    return outputs.astype(np.float16).astype(np.float32)


def _check_recipe(recipe: dict[str, Any]) -> None:
    """Raise StudyFileError when a setting that this mien knows has a value that it cannot have."""
    hints = get_type_hints(Recipe)
    for key in recipe.keys() & hints.keys():
        convert(hints[key], recipe[key], ("recipe", key))


def _read_predictions(
    path: Path, classes: int, wanted: Container[str] | None = None
) -> tuple[dict[tuple[int, Role], Predictions], ...]:
    """The answers under the recipe's kind of batch statistics, and those under the other."""
    with path.open("rb") as file:
        arrays: dict[str, NDArray[Any]] = dict(read_npz(file, largest_bytes=_LARGEST_PREDICTIONS_BYTES, wanted=wanted))
    described: dict[str, dict[str, Any]] = {}
    for role in {key.split("/")[0] for key in arrays}:
        some = [what for what in _DESCRIBED_SOME if f"{role}/{what}" in arrays]
        described[role] = {what: arrays[f"{role}/{what}"] for what in (*_DESCRIBED, *some)}
    found: dict[str, dict[tuple[int, Role], Predictions]] = {what: {} for what in _OUTPUTS}
    for key, array in arrays.items():
        role, what, *readout = key.split("/")
        if what in _OUTPUTS:
            outputs = array.astype(np.float32)
            predictions = Predictions(outputs=outputs, **described[role])
            found[what][int(readout[0]), Role(role)] = _checked(predictions, classes, key)
    return tuple(found.values())


def _predictions(path: Path, classes: int, read_now: bool) -> Sequence[Mapping[tuple[int, Role], Predictions]]:
    """The answers under the recipe's kind of batch statistics, and those under the other, now or when asked for."""
    if read_now:
        return _read_predictions(path, classes)
    return [UnreadPredictions(path, what, classes) for what in _OUTPUTS]


def _read_heads(folder: Path, values: Mapping[str, Any], read_now: bool) -> dict[str, FurtherHead]:
    found = {}
    for name, head in values.items():
        if name not in get_args(Head):
            raise ValueError(f"there is no head {name!r}")
        label_set = LabelSet.of(map(to_label, head["labels"]))
        answers, _ = _predictions(folder / HEAD_FILE.format(name), len(label_set), read_now)
        found[name] = FurtherHead(
            label_set=label_set, protocol=head["protocol"], data=head["data"], predictions=answers
        )
    return found


def _checked(predictions: Predictions, classes: int, what: str) -> Predictions:
    count = len(predictions.outputs)
    expected = {
        "outputs": ("f", (count, classes)),
        "targets": ("f", (count, classes)),
        "labels": ("i", (count,)),
        "ids": ("U", (count,)),
        "copies": ("b", (count,)),
    } | ({} if predictions.groups is None else {"groups": ("U", (count,))})
    for name, (kind, shape) in expected.items():
        array = getattr(predictions, name)
        if array.dtype.kind != kind or array.shape != shape:
            raise ValueError(f"{name} of {what} have shape {array.shape} and dtype {array.dtype}; expected {shape}")
    if count and not 0 <= predictions.labels.min() <= predictions.labels.max() < classes:
        raise ValueError(f"labels of {what} are not from 0 to {classes - 1}")
    return predictions
