"""C13: results of one seed each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mien.report.checks.base import Check, Evidence, Found, Severity
from mien.report.compared import TableComparison
from mien.report.summary import listed


def _find(evidence: Evidence) -> Iterator[Found]:
    single = [
        comparison
        for comparison in evidence.comparisons
        if len(comparison.entries) > 1
        and all(entry.seeds == 1 for entry in comparison.entries)
        and not _sets_seeds_against_each_other(comparison)
    ]
    if single:
        titles = listed([f"'{comparison.table.spec.title}'" for comparison in single])
        each = "its results were" if len(single) == 1 else "the results of each were"
        yield Found(
            "Table" if len(single) == 1 else f"{len(single)} tables",
            f"{titles}: {each} trained once. How far another seed would move a figure is not measured, so the order "
            "may be luck where figures are close.",
        )


def _sets_seeds_against_each_other(comparison: TableComparison) -> bool:
    """Whether some of a table's places differ in the seed alone."""
    runs = [result.run for entry in comparison.entries for result in entry.results.values()]
    seen = [(replace(run.recipe, seed=0), run.protocol) for run in runs]
    return any(one in seen[:place] for place, one in enumerate(seen))


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
