"""C08: the training loss falls while the validation loss has turned."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity, settled
from mien.study.record import Epoch

# The least rise of the validation loss after its minimum that counts, in nats and as a share of the minimum.
LEAST_RISE, LEAST_SHARE = 0.05, 0.05


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.last:
        history, under = settled(result)
        if len(history) < 3:
            continue
        best, last = min(history, key=lambda epoch: epoch.validation_loss), history[-1]
        # The steps of a high rate throw the loss of a single epoch up; what is learned by heart stays.
        rise = min(epoch.validation_loss for epoch in history[-2:]) - best.validation_loss
        if rise < max(LEAST_RISE, LEAST_SHARE * best.validation_loss) or last.loss >= best.loss:
            continue
        used = "" if result.chosen_epoch in (None, last.epoch) else f" Epoch {result.chosen_epoch} was evaluated."
        yield Found.of(
            result,
            f"The validation loss{under} was least in epoch {best.epoch} ({best.validation_loss:.3f}) and rose to "
            f"{last.validation_loss:.3f} in epoch {last.epoch}, while the training loss fell from {best.loss:.3f} to "
            f"{last.loss:.3f}. Training accuracy lay {_gap(best)} that of the validation role then, and {_gap(last)} "
            f"it at the end.{used}",
        )


def _gap(epoch: Epoch) -> str:
    """How far training accuracy lies from that of the validation role."""
    points = 100 * (epoch.accuracy - epoch.validation_accuracy)
    return f"{abs(points):.1f} points {'below' if points < 0 else 'above'}"


CHECK = Check(
    code="C08",
    title="Overfitting",
    severity=Severity.WARNING,
    explanation=(
        "From some epoch on the network learned its training images and nothing about others: the training loss went "
        "on falling, the validation loss rose. Choose the epoch on the validation role (select), augment, regularise, "
        "or stop earlier."
    ),
    find=_find,
)
