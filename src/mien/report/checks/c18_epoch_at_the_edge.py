"""C18: the chosen epoch is the first or the last that there was."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity, trained


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.last:
        history = trained(result)
        if result.run.recipe.select == "last" or len(history) < 3:
            continue
        if result.chosen_epoch == history[-1].epoch:
            yield Found.of(
                result,
                f"The best epoch on the validation role is the last of {len(history)}: a later one may be better.",
            )
        elif result.chosen_epoch == history[0].epoch:
            yield Found.of(
                result,
                f"The best epoch on the validation role is the first of {len(history)}: none after it was better.",
            )


CHECK = Check(
    code="C18",
    title="Epoch chosen at the edge",
    severity=Severity.NOTE,
    explanation=(
        "A best epoch at the edge of what was tried is a sign that the range was too small. At the last epoch, train "
        "longer (under a cosine schedule, whose rate ends at zero, the last epoch is where the best is expected); at "
        "the first one, lower the learning rate."
    ),
    find=_find,
)
