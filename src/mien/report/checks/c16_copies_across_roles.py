"""C16: test images that the network has seen in training."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity
from mien.report.results import Result, copies_text


def _find(evidence: Evidence) -> Iterator[Found]:
    """One finding for each test role with copies, on the result that gains most from them."""
    most: dict[str, tuple[float, Result]] = {}
    for result in evidence.results.scored_runs:
        if result.scores is None or result.record is None or not result.copies:
            continue
        rest = result.without_copies
        gain = result.scores.accuracy.value - rest.value if rest else 0.0
        split = str(result.record.data.get("split"))
        if split not in most or gain > most[split][0]:
            most[split] = (gain, result)
    for gain, result in most.values():
        if result.scores is None or result.record is None:
            continue
        every, rest = result.scores.accuracy, result.without_copies
        right = every.value * every.count - (rest.value * rest.count if rest else 0.0)
        text = (
            f"{result.copies:,} of {every.count:,} test images ({result.copies / every.count:.1%}) have "
            f"{copies_text(result.record)} copy in the training or validation role. {result.title} answers "
            f"{right / result.copies:.1%} of them rightly"
        )
        if result.without_copies is not None:
            text += (
                f", and {result.without_copies.value:.1%} of the others: the copies move its accuracy by "
                f"{100 * gain:+.1f} points, the most of all results"
            )
        yield Found("Test role", text + ".")


CHECK = Check(
    code="C16",
    title="Copies across roles",
    severity=Severity.WARNING,
    explanation=(
        "An image of the test role that has an exact copy in training or validation is no test: the network may have "
        "learned its label by heart. Read the accuracy without copies, or make the split with roles = 'split', which "
        "keeps copies on one side."
    ),
    find=_find,
)
