"""The mean of the weights after the last epochs, for the length of an evaluation (`Recipe.average_last`)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from mien.errors import RecordError, UnwritableError
from mien.files import written_whole
from mien.study.store import WINDOW_FILES


class Window:
    """Keeps the weights of the last epochs in a run's folder, a file an epoch, and puts their mean into a network.

    Averaging weights along a training (Izmailov et al., 2018) needs no state in the training itself: that goes on from
    the weights as they are, and an interrupted run finds the files of its epochs again.

    Args:
        folder: the run's.
        network: whose trainable weights are meant.
        count: over how many epochs; 0 or 1 for none, and then nothing is done.
    """

    def __init__(self, folder: Path, network: keras.Model, count: int) -> None:
        self._folder, self._network, self._count = folder, network, count

    @contextmanager
    def averaged(self, epoch: int) -> Iterator[None]:
        """Keep the weights as they are now as those of an epoch, and have the mean in their place inside the block.

        Raises:
            UnwritableError: the weights cannot be written.
            RecordError: those of an epoch before are not there any more.
        """
        if self._count < 2:
            yield
            return
        variables = self._network.trainable_variables
        now = [keras.ops.convert_to_numpy(variable) for variable in variables]
        try:
            with written_whole(self._file(epoch)) as file:
                np.savez(file, *now)
        except OSError as error:
            reason = error.strerror or error
            raise UnwritableError(
                f"The weights of epoch {epoch} cannot be written to {self._folder}: {reason}."
            ) from error
        epochs = range(max(1, epoch - self._count + 1), epoch + 1)
        sums = [np.zeros(value.shape, np.float64) for value in now]
        for one in epochs:
            for total, value in zip(sums, self._read(one, len(now)), strict=True):
                total += value
        for variable, total in zip(variables, sums, strict=True):
            variable.assign((total / len(epochs)).astype(np.float32))
        try:
            yield
        finally:
            for variable, value in zip(variables, now, strict=True):
                variable.assign(value)

    def drop(self, epoch: int) -> None:
        """Remove what no epoch after this one needs; call it when the epoch's checkpoint is written."""
        needed = {self._file(one) for one in range(epoch - self._count + 2, epoch + 1)}
        for path in window_files(self._folder):
            if path not in needed:
                path.unlink()

    def _file(self, epoch: int) -> Path:
        return self._folder / WINDOW_FILES.replace("*", str(epoch))

    def _read(self, epoch: int, count: int) -> list[NDArray[np.float32]]:
        path = self._file(epoch)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return [arrays[f"arr_{i}"] for i in range(count)]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RecordError(
                f"The weights of epoch {epoch}, {path}, are missing or damaged ({error}), and average_last = "
                f"{self._count} needs them. Remove the folder to start this run anew."
            ) from error


def window_files(folder: Path) -> list[Path]:
    """The files of a run that its next epochs need for their means."""
    return sorted(folder.glob(WINDOW_FILES))
