"""Every error that a user can meet.

All of them derive from `MienError`; the command line prints their message as one sentence and exits with
code 2. A message says what happened, what was expected, what was received, and the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MienError(Exception):
    """Base class of all errors that mien raises on purpose."""


class ArgumentError(MienError, TypeError):
    """A function of mien was given something of another kind than it takes."""


class DataError(MienError):
    """A data set cannot be read, or does not hold what was asked of it."""


class UnknownLabelError(DataError):
    """A label is not the name of an expression that mien knows."""


class ProtocolError(MienError):
    """A protocol cannot be applied to a data set (roles missing, a class without samples, a sealed test)."""


class StudyFileError(MienError):
    """A study file has an unknown key, an impossible value, or is not TOML.

    Attributes:
        path: the keys that lead to the place at fault, from the outermost table on; empty when it is the file itself.
    """

    def __init__(self, message: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class ContradictionError(StudyFileError):
    """Settings that are each possible but not together. In a grid of settings such a cell is skipped."""


class NetworkError(MienError):
    """A network cannot be built as asked (size too small, contradictory preprocessing, unknown backbone)."""


class StoreError(MienError):
    """A store of run records cannot be read or written."""


class StoreLockedError(StoreError):
    """Another process is writing to the same store."""


class RecordError(StoreError):
    """A run record is damaged, or was written by a newer version of mien."""


class UnwritableError(RecordError):
    """A store cannot be written to: its disk is full, or writing is not permitted, so no other run could be kept."""


class ImageError(MienError):
    """A photo cannot be read, or is larger than the limit."""


class BundleError(MienError):
    """A model bundle is damaged, incomplete, or of another version."""


class ExportError(MienError):
    """A model cannot be made a bundle, or does not answer in it as it did before."""


class ReportError(MienError):
    """A report cannot be written."""


class MissingExtraError(MienError):
    """A command needs an optional part of mien that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the optional part '{extra}': pip install 'mien[{extra}]'")


def did_you_mean(word: str, words: Iterable[str], *, known: bool = True) -> str:
    """A sentence that names the nearest known word; when none is near, all of them, or nothing where they are shown.

    >>> did_you_mean("learning_rat", ["learning_rate", "epochs"])
    "Did you mean 'learning_rate'?"
    >>> did_you_mean("zzz", ["one", "two"])
    'Known: one, two.'
    """
    words = list(words)
    near = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(words)}." if known else ""
