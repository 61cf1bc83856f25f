"""C14: an expression that is never given as an answer."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity
from mien.report.summary import listed


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.results.scored:
        # A collapsed network never gives the others, which C01 says already.
        if result.scores is None or result.collapse is not None:
            continue
        never = [entry for entry in result.scores.classes if entry.support and not entry.predicted.value]
        if never:
            names = [f"'{entry.expression.value}' ({entry.support:,} test images)" for entry in never]
            yield Found.of(result, f"It never answers {listed(names)}.")


CHECK = Check(
    code="C14",
    title="Expression never predicted",
    severity=Severity.WARNING,
    explanation=(
        "The network does not know one of the expressions at all; accuracy hides that where the expression is rare. "
        "Look at balanced accuracy or macro F1, and try class weights or more epochs."
    ),
    find=_find,
)
