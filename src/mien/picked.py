"""Rows of an array that are read when they are asked for, so that no others need be in memory."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


class Picked(Generic[T]):
    """Some rows of an array, in an order: nothing is copied before it is asked for.

    Of an array that is a file, mapped into memory for reading, no more stays in this process than what was asked for
    last: the system keeps what it has room for, and the processes that read one file share that.

    Args:
        source: shape (N, ...).
        index: shape (M,), int64: which rows.
    """

    __slots__ = ("_index", "_source")

    def __init__(self, source: NDArray[T], index: NDArray[np.int64]) -> None:
        self._source, self._index = source, index

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, ...)."""
        return (len(self._index), *self._source.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._source.ndim

    @property
    def dtype(self) -> np.dtype[T]:
        """Of the values."""
        return self._source.dtype

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, places: slice | NDArray[Any]) -> NDArray[T]:
        """The rows at some of the M places, as an array of their own."""
        rows: NDArray[T] = np.asarray(self._source[self._index[places]])
        _give_back(self._source)
        return rows

    def __repr__(self) -> str:
        return f"Picked({len(self)} of {len(self._source)} rows, {self.dtype})"

    def whole(self) -> NDArray[T]:
        """All rows: a view of the array where they lie in it side by side, else a copy."""
        index = self._index
        if len(index) and np.array_equal(index, np.arange(index[0], index[0] + len(index))):
            return self._source[index[0] : index[0] + len(index)]
        return self[:]

    def seen(self, view: Callable[[NDArray[T]], NDArray[T]]) -> Picked[T]:
        """The same rows of a view of the array, such as one with a further axis."""
        return Picked(view(self._source), self._index)


def _give_back(array: NDArray[Any]) -> None:
    """Give the system back the pages of the file that an array is a view of, if it is one and mapped for reading."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    # Of a mapping that takes changes without writing them to the file, the changes would be lost.
    if isinstance(owner, mmap.mmap) and memoryview(owner).readonly and hasattr(mmap, "MADV_DONTNEED"):
        with suppress(OSError):
            owner.madvise(mmap.MADV_DONTNEED)
