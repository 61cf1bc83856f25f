"""C05: a loss that is no number any more."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity
from mien.report.results import State


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.last:
        if result.state is State.DIVERGED:
            yield Found.of(result, f"It {result.status}. {result.reason}")


CHECK = Check(
    code="C05",
    title="Diverged",
    severity=Severity.ERROR,
    explanation=(
        "The loss became infinite or undefined, and training ended there without a figure. Lower the learning rate, "
        "warm it up, or check the precision and the data for values that are no numbers."
    ),
    find=_find,
)
