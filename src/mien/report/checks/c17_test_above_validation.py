"""C17: a test role that is easier than it can be."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

from mien.report.checks.base import Check, Evidence, Found, Severity
from mien.report.compared import validation_accuracy
from mien.study.record import RunRecord

# The least advantage of the test role that counts, and the one-sided level at which it is no chance.
LEAST, LEVEL = 0.02, 0.001


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.results.scored_runs:
        validation = validation_accuracy(result)
        images = _validation_images(result.record) if result.record else None
        if result.scores is None or validation is None or not images:
            continue
        test = result.scores.accuracy
        lead = test.value - validation
        error = (test.value * (1 - test.value) / test.count + validation * (1 - validation) / images) ** 0.5
        if lead >= LEAST and lead > NormalDist().inv_cdf(1 - LEVEL) * error:
            yield Found.of(
                result,
                f"{test.value:.1%} of {test.count:,} test images are answered rightly, and {validation:.1%} of "
                f"{images:,} validation images: {100 * lead:.1f} points more, which chance does not explain.",
            )


def _validation_images(record: RunRecord) -> int | None:
    counts = record.data.get("counts", {}).get("validation")
    return sum(counts.values()) if isinstance(counts, dict) else counts


CHECK = Check(
    code="C17",
    title="Test role suspiciously easy",
    severity=Severity.WARNING,
    explanation=(
        "Nothing is chosen on the test role, so it should not be easier than the validation role. Where it is, labels "
        "may have leaked (copies in training, see C16; near copies; frames of one video), or the two roles come from "
        "different sources. Find out before the figure is believed."
    ),
    find=_find,
)
