"""C19: averages of batch normalisation that had not arrived when the network was evaluated."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.averages import Averages, averages_of
from mien.report.checks.base import Check, Evidence, Found, Severity

# What may be left of the start values without a word: the usual decay of 0.99 is below after 459 steps.
LEFT = 0.01


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.results.scored_runs:
        entry = averages_of(result)
        if entry is not None and (entry.differ or entry.shows_moving and entry.left > LEFT):
            yield Found.of(result, _text(entry), severity=Severity.ERROR if entry.stale else Severity.NOTE)


def _text(entry: Averages) -> str:
    shown = "moving averages" if entry.shows_moving else "settled averages"
    return (
        f"After {entry.steps:,} steps at a decay of {entry.decay:g}, {entry.left:.1%} of the start values are left in "
        f"the moving averages. Under them the accuracy is {entry.moving.accuracy.value:.1%} (log loss "
        f"{entry.moving.log_loss:.3f}), under settled ones {entry.settled.accuracy.value:.1%} "
        f"({entry.settled.log_loss:.3f}), with the same weights. The report shows the figures under {shown}."
    )


CHECK = Check(
    code="C19",
    title="Averages had not settled",
    severity=Severity.ERROR,
    explanation=(
        "Batch normalisation is evaluated with averages of mean and variance. Those that training gathers move by a "
        "small share each step, so that a short training is evaluated with what its layers gave long before, or with "
        "the start values. Where the figure shown is of such averages, it tells of them and not of the network. Set "
        "batch_statistics = 'settled', which estimates them afresh before each evaluation, or train for more steps. "
        "A note says that the averages differ and that the figure shown does not depend on it, or not beyond chance."
    ),
    find=_find,
)
