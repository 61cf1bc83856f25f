"""C13: results of one seed each."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity


def _find(evidence: Evidence) -> Iterator[Found]:
    for comparison in evidence.comparisons:
        seeds = sorted({seed for entry in comparison.entries for seed in entry.results})
        if len(comparison.entries) > 1 and all(entry.seeds == 1 for entry in comparison.entries):
            named = f"seed {seeds[0]}" if len(seeds) == 1 else "one seed"
            yield Found(
                comparison.table.spec.title,
                f"Each of its {len(comparison.entries)} results was trained once, with {named}. How far another seed "
                "would move a figure is not measured, so the order may be luck where figures are close.",
            )


CHECK = Check(
    code="C13",
    title="One seed",
    severity=Severity.WARNING,
    explanation=(
        "Two trainings of one network that differ in the seed alone give different figures. With one seed each, even a "
        "difference that is sure on these images can be luck of the start. Ask for seeds = [0, 1, 2] in the table."
    ),
    find=_find,
)
