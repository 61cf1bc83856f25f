"""C15: no better than always giving the commonest label."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.results.scored:
        if result.scores is None:
            continue
        accuracy, share = result.scores.accuracy, result.scores.majority_share.value
        collapsed_to_majority = result.collapse is not None and result.collapse.answer == result.scores.majority
        if not result.above_floor and not collapsed_to_majority:
            below = "below" if accuracy.value < share else "not shown to be above"
            yield Found.of(
                result,
                f"Its accuracy of {accuracy.value:.1%} [{accuracy.low:.1%}, {accuracy.high:.1%}] is {below} what "
                f"always answering '{result.scores.majority.value}' gives: {share:.1%}.",
            )


CHECK = Check(
    code="C15",
    title="Not above the majority floor",
    severity=Severity.ERROR,
    explanation=(
        "Always giving the commonest label, without a look at the image, is as good or better, or cannot be told apart "
        "from it on these images. That floor, and not one "
        "in the number of expressions, is what a network has to beat. Look at the confusion matrix and at C01 to C06 "
        "for the cause."
    ),
    find=_find,
)
