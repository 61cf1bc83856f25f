"""C10: training that ended while the validation role still gained."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity, settled
from mien.study.record import Epoch

# Mean fall of the validation loss an epoch, over the last ones, as a share of it; half of it in the very last one.
LEAST_FALL = 0.01
LAST_EPOCHS = 3


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.last:
        history, under = settled(result)
        # A cosine schedule ends where its rate is zero: it is done, whatever its last epochs gained.
        if len(history) <= LAST_EPOCHS or result.run.recipe.schedule == "cosine":
            continue
        last, before = history[-1], history[-1 - LAST_EPOCHS]
        fall = _fall(before, last) / LAST_EPOCHS
        still = _fall(history[-2], last) >= LEAST_FALL / 2
        if last.validation_loss <= min(epoch.validation_loss for epoch in history) and fall >= LEAST_FALL and still:
            yield Found.of(
                result,
                f"The validation loss{under} was least in the last epoch ({last.epoch}): it fell from "
                f"{before.validation_loss:.3f} to {last.validation_loss:.3f} in the last {LAST_EPOCHS} epochs, "
                f"{fall:.1%} an epoch.",
            )


def _fall(before: Epoch, after: Epoch) -> float:
    """The share of its validation loss that an epoch lost since another one; nothing where none was left to lose."""
    return 1 - after.validation_loss / before.validation_loss if before.validation_loss else 0.0


CHECK = Check(
    code="C10",
    title="Stopped too early",
    severity=Severity.WARNING,
    explanation=(
        "The validation loss was still falling when training ended, so the figure is that of an unfinished network, "
        "and networks that learn slowly look worse than they are. Train for more epochs before comparing."
    ),
    find=_find,
)
