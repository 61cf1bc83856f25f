"""C12: an order of results that depends on the seed."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity
from mien.report.compared import TestedPair, distinct


def _find(evidence: Evidence) -> Iterator[Found]:
    for comparison in distinct(evidence.comparisons):
        compared = [pair for pair in comparison.pairs if pair.comparison.seeds > 1]
        flips = [pair for pair in compared if _signs(pair) == {True, False}]
        if flips:
            # The entries stand in the order of their accuracy: the first flip is the one nearest to the top.
            pair = min(flips, key=lambda pair: -pair.first.estimate.value)
            differences = [f"{100 * value:+.1f} (seed {seed})" for seed, value in _differences(pair).items()]
            yield Found(
                comparison.table.spec.title,
                f"The order of {len(flips)} of {len(compared)} pairs depends on the seed. {pair.first.title} less "
                f"{pair.second.title}, in points: {', '.join(differences)}.",
            )


def _differences(pair: TestedPair) -> dict[int, float]:
    one, other = pair.first.accuracies, pair.second.accuracies
    return {seed: one[seed] - other[seed] for seed in one if seed in other}


def _signs(pair: TestedPair) -> set[bool]:
    return {value > 0 for value in _differences(pair).values() if value}


CHECK = Check(
    code="C12",
    title="Order depends on the seed",
    severity=Severity.WARNING,
    explanation=(
        "With one seed one result is ahead, with another the other. A ranking from one seed would have been a matter "
        "of luck. Compare means over seeds with their intervals, and treat the pair as equal where those do not tell."
    ),
    find=_find,
)
