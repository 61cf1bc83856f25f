"""What a check is, what it is given, and what it finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mien.report.compared import TableComparison
from mien.report.results import Result, Results
from mien.report.tables import TableData
from mien.study.record import Epoch, RunRecord


class Severity(StrEnum):
    """How much of a figure is left."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Evidence:
    """All that a check may look at.

    Attributes:
        results: one a run and readout.
        tables: filled as far as the records go.
        comparisons: one a table, in the same order.
    """

    results: Results
    tables: Sequence[TableData]
    comparisons: Sequence[TableComparison]

    @property
    def last(self) -> list[Result]:
        """The last result of each run: what is said of a run's history is said once."""
        return list({result.run.id: result for result in self.results.entries}.values())


@dataclass(frozen=True)
class Found:
    """One thing that a check found.

    Attributes:
        subject: title of the result or table.
        text: what was found, with its numbers, as a sentence.
        run_id: the run; None where a table or the study is meant.
        severity: where it is not the check's own.
    """

    subject: str
    text: str
    run_id: str | None = None
    severity: Severity | None = None

    @classmethod
    def of(cls, result: Result, text: str, severity: Severity | None = None) -> Found:
        """Something found of one result."""
        return cls(result.title, text, result.run.id, severity)


@dataclass(frozen=True)
class Check:
    """One numbered check.

    Attributes:
        code: "C" and two digits; never given to another check.
        title: what is found, in a few words.
        severity: an error's figure says nothing of the backbone, a warning's needs care, a note is good to know. What
            is found may be less than that.
        explanation: what it means, and what to do about it. docs/checks.md has the same under the code.
        find: what the check finds in the evidence.
    """

    code: str
    title: str
    severity: Severity
    explanation: str
    find: Callable[[Evidence], Iterator[Found]]


def trained(result: Result) -> list[Epoch]:
    """The history of a result up to its readout, as far as its losses are numbers."""
    if result.record is None:
        return []
    finite = (e for e in result.record.history if math.isfinite(e.loss) and math.isfinite(e.validation_loss))
    return [epoch for epoch in finite if epoch.epoch <= result.readout]


def settled(result: Result) -> tuple[list[Epoch], str]:
    """The history as `trained` gives it, with validation figures under settled averages where it has both kinds.

    What is shown under others rises and falls with the averages, and tells nothing of the training (C19).

    Returns:
        The history, and what to say of the figures where they are not those shown: a text that may be empty.
    """
    history = trained(result)
    if result.run.recipe.batch_statistics != "moving" or not all(
        math.isfinite(e.other_validation_loss) for e in history
    ):
        return history, ""
    others = [
        replace(e, validation_loss=e.other_validation_loss, validation_accuracy=e.other_validation_accuracy)
        for e in history
    ]
    return others, " (under settled averages)"


def majority_of_training(record: RunRecord) -> float | None:
    """Share of the commonest label of the training role, 0 to 1; None where the record does not say."""
    counts = record.data.get("counts", {}).get("train")
    if not isinstance(counts, dict) or not sum(counts.values()):
        return None
    return float(max(counts.values()) / sum(counts.values()))


def learned_nothing(result: Result) -> bool:
    """Whether a run's training accuracy ended no more than two points above the commonest label's share."""
    history = trained(result)
    share = majority_of_training(result.record) if result.record else None
    return bool(history) and share is not None and history[-1].accuracy <= share + 0.02
