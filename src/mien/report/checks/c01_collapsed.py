"""C01: one answer to every image."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.averages import averages_of
from mien.report.checks.base import Check, Evidence, Found, Severity


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.results.scored:
        if result.collapse is not None and result.scores is not None:
            text = (
                f"It {result.collapse}. {result.collapse.support:.1%} of the test images are labelled "
                f"'{result.collapse.answer.value}', which explains its accuracy of {result.scores.accuracy.value:.1%}."
            )
            averages = averages_of(result)
            if averages is not None and averages.stale:
                text += f" Under settled averages the same weights give {averages.settled.accuracy.value:.1%}: see C19."
            yield Found.of(result, text)


CHECK = Check(
    code="C01",
    title="Collapsed to one answer",
    severity=Severity.ERROR,
    explanation=(
        "The network gives one answer to at least 95% of the images, so its accuracy is the share of one label and "
        "says nothing of how it tells expressions apart. Look at C19 first: averages that had not settled make "
        "one answer of a network that has learned. Otherwise the learning rate is too high for the network most often, "
        "or the head and the loss do not go together; lower the rate, warm it up, or add normalisation layers."
    ),
    find=_find,
)
