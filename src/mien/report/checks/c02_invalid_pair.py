"""C02: a head and a loss that do not go together."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.last:
        if result.unsound:
            yield Found.of(result, result.unsound)


CHECK = Check(
    code="C02",
    title="Head and loss are no valid pair",
    severity=Severity.ERROR,
    explanation=(
        "The loss expects another kind of output than the head gives. Such a configuration is known to be bad whatever "
        "the backbone: its figure is shown, marked, and left out of every comparison of networks. Use softmax with "
        "categorical crossentropy, or sigmoid with binary crossentropy."
    ),
    find=_find,
)
