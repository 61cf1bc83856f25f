"""C09: training has come to rest far from its own images."""

from __future__ import annotations

from collections.abc import Iterator

from mien.report.checks.base import Check, Evidence, Found, Severity, majority_of_training, trained

# What a network must reach of the way from the commonest label's share to 1, on its own training images.
LEAST_WAY = 0.5
# Both roles alike: a gap below this, in accuracy. At rest: less progress over the last epochs than this, in accuracy.
LARGEST_GAP, LEAST_PROGRESS = 0.05, 0.01


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.last:
        history = trained(result)
        # Of collapsed networks and invalid pairs, other checks say more.
        if len(history) < 4 or result.record is None or result.collapse is not None or result.unsound:
            continue
        share = majority_of_training(result.record)
        last, third = history[-1], max(1, len(history) // 3)
        if share is None:
            continue
        way = (last.accuracy - share) / (1 - share) if share < 1 else 1.0
        gap = last.accuracy - last.validation_accuracy
        progress = last.accuracy - history[-1 - third].accuracy
        if way < LEAST_WAY and gap < LARGEST_GAP and progress < LEAST_PROGRESS:
            yield Found.of(
                result,
                f"The training accuracy ended at {last.accuracy:.1%} (the commonest label gives {share:.1%}), "
                f"{100 * gap:.1f} points from that of the validation role, and moved by {100 * progress:.1f} points in "
                f"the last {third} epochs.",
            )


CHECK = Check(
    code="C09",
    title="Underfitting",
    severity=Severity.WARNING,
    explanation=(
        "The network does not even learn its training images, does as badly on others, and has stopped improving. More "
        "epochs alone will not help: try another learning rate, a network with more capacity, or less augmentation and "
        "regularisation."
    ),
    find=_find,
)
