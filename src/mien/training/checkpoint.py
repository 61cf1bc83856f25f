"""Checkpoints: after each epoch, all that is needed to go on as if nothing had happened.

A checkpoint is one file, replaced by rename, so that a process killed at any moment leaves either the old one or the
new one. It holds the network's variables (weights, BatchNorm statistics, the state of the random streams of
augmentation and dropout), the optimizer's variables (moments, step count, learning rate, moving averages), and the
state of the loop.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from mien.errors import RecordError, UnwritableError
from mien.files import written_whole
from mien.study.record import Epoch
from mien.study.store import CHECKPOINT_FILE


@dataclass
class LoopState:
    """Where the training loop stands after an epoch.

    Attributes:
        history: one entry for each finished epoch.
        best_epoch: the best epoch so far on the validation role, under the recipe's `select`; 0 before the first.
        best_value: its loss, or minus its accuracy or balanced accuracy.
        plateau_wait: epochs since validation loss last improved, for the plateau schedule.
        plateau_best: that loss.
        chosen: epoch whose weights answer for a readout, by readout.
    """

    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_value: float = float("inf")
    plateau_wait: int = 0
    plateau_best: float = float("inf")
    chosen: dict[int, int] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return len(self.history)

    def to_json(self) -> str:
        """The state as a JSON text; the infinities of a fresh state are kept."""
        return json.dumps({**asdict(self), "history": [epoch.to_json() for epoch in self.history]})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The state that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        values["history"] = [Epoch.from_json(entry) for entry in values["history"]]
        values["chosen"] = {int(readout): epoch for readout, epoch in values["chosen"].items()}
        return cls(**values)


def save_checkpoint(folder: Path, state: LoopState, network: keras.Model, optimizer: keras.Optimizer) -> None:
    """Write the checkpoint of a run into its folder.

    Raises:
        UnwritableError: it cannot be written (a full disk). The checkpoint before it stays.
    """
    arrays = {f"variable/{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_variables(network, optimizer))}
    try:
        with written_whole(folder / CHECKPOINT_FILE) as file:
            np.savez(file, state=np.array(state.to_json()), **arrays)
    except OSError as error:
        raise UnwritableError(
            f"The checkpoint after epoch {state.epoch} cannot be written to {folder}: {error.strerror or error}. "
            "The one before it is kept: make room, and the same command goes on from there."
        ) from error


def load_checkpoint(folder: Path, network: keras.Model, optimizer: keras.Optimizer) -> LoopState:
    """Restore a run's checkpoint into its network and optimizer, which must be built already.

    Returns:
        Where the loop stood; a fresh state when there is no checkpoint.

    Raises:
        RecordError: the checkpoint is damaged, or is another network's.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        return LoopState()
    variables = _variables(network, optimizer)
    try:
        # NumPy leaves a file that it opened itself open when it turns out to be damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            state = LoopState.from_json(str(arrays["state"]))
            values = [arrays[f"variable/{i}"] for i in range(len(arrays.files) - 1)]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RecordError(f"The checkpoint {path} is damaged ({error}). Remove it to start this run anew.") from error
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise RecordError(f"The checkpoint {path} is of another network. Remove it to start this run anew.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return state


def _variables(network: keras.Model, optimizer: keras.Optimizer) -> Sequence[keras.Variable]:
    return [*network.variables, *optimizer.variables]
