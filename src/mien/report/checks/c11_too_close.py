"""C11: a best result that others cannot be told apart from."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity
from mien.report.compared import distinct
from mien.report.summary import listed


def _find(evidence: Evidence) -> Iterator[Found]:
    for comparison in distinct(evidence.comparisons):
        if not comparison.entries:
            continue
        best = comparison.entries[0]
        close = comparison.equals_of(best)
        if close:
            nearest = comparison.entries[1]
            gap = 100 * (best.estimate.value - nearest.estimate.value)
            yield Found(
                comparison.table.spec.title,
                f"{best.title} has the highest accuracy, {best.estimate.value:.1%}, {gap:.1f} points before the next. "
                f"On the same images it cannot be told apart from {listed([entry.title for entry in close])} "
                f"({comparison.family:,} pairs tested in this report, corrected for their number).",
            )


CHECK = Check(
    code="C11",
    title="Differences smaller than their uncertainty",
    severity=Severity.WARNING,
    explanation=(
        "The best result of a table is not shown to be better than others: the difference is smaller than what chance "
        "makes of it. Name the group, not the winner. More test images or more seeds would tell more."
    ),
    find=_find,
)
