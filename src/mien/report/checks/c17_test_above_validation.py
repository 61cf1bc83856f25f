"""C17: a test role that is easier than it can be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mien.datasets.dataset import Role
from mien.evaluation.intervals import cluster_variance, t_quantile
from mien.predictions import Predictions
from mien.report.checks.base import Check, Evidence, Found, Severity
from mien.report.compared import validation_accuracy
from mien.report.results import Result
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
        if lead < LEAST:
            continue  # which most are, and then no answers are read
        roles = ((Role.TEST, test.value, test.count), (Role.VALIDATION, validation, images))
        spreads = [_spread(_answers(result, role), share, count) for role, share, count in roles]
        if None in spreads:
            continue
        variance = sum(spread[0] for spread in spreads if spread)
        units = min(spread[1] for spread in spreads if spread)
        if lead > t_quantile(1 - LEVEL, max(1, units - 1)) * variance**0.5:
            yield Found.of(
                result,
                f"{test.value:.1%} of {test.count:,} test images are answered rightly, and {validation:.1%} of "
                f"{images:,} validation images: {100 * lead:.1f} points more, which chance does not explain.",
            )


def _answers(result: Result, role: Role) -> Predictions | None:
    """The answers for a role; None where the record does not hold them."""
    return result.record.predictions.get((result.readout, role)) if result.record else None


def _spread(answers: Predictions | None, share: float, count: int) -> tuple[float, int] | None:
    """How far the share of right answers varies (its variance), and over how many images or groups that is known.

    None where all images are of one group (person, clip): how groups differ cannot be told then.
    """
    independent = share * (1 - share) / count, count
    if answers is None or answers.groups is None:
        return independent
    if (clusters := answers.clusters) is None:
        return independent if len(set(answers.groups.tolist()) - {""}) != 1 or count == 1 else None
    right = answers.outputs.argmax(axis=1) == answers.labels
    sums = np.bincount(clusters, right - right.mean()).astype(np.float64)
    return cluster_variance(sums) / count**2, int(clusters.max()) + 1


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
