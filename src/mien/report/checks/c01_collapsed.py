"""C01: one answer to every image."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.results.scored:
        if result.collapse is not None and result.scores is not None:
            yield Found.of(
                result,
                f"It {result.collapse}. {result.collapse.support:.1%} of the test images are labelled "
                f"'{result.collapse.answer.value}', which explains its accuracy of {result.scores.accuracy.value:.1%}.",
            )


CHECK = Check(
    code="C01",
    title="Collapsed to one answer",
    severity=Severity.ERROR,
    explanation=(
        "The network gives one answer to at least 95% of the images, so its accuracy is the share of one label and "
        "says nothing of how it tells expressions apart. Most often the learning rate is too high for the network, or "
        "the head and the loss do not go together; lower the rate, warm it up, or add normalisation layers."
    ),
    find=_find,
)
