"""C07: feature-wise preprocessing that never saw the training role."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from mien.report.checks.base import Check, Evidence, Found, Severity
from mien.report.summary import training_images
from mien.study.recipe import PreprocessingSpec


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.last:
        preprocessing = result.run.recipe.preprocessing
        # Records of mien before there was this check do not say.
        if result.record is None or not preprocessing.needs_fit or "statistics" not in result.record.network:
            continue
        reason = _what_is_wrong(result.record.network["statistics"], preprocessing, training_images(result.record))
        if reason:
            yield Found.of(result, f"The recipe asks for feature-wise preprocessing, but {reason}.")


def _what_is_wrong(
    statistics: Mapping[str, Any] | None, preprocessing: PreprocessingSpec, images: int | None
) -> str | None:
    if not statistics or not statistics.get("images"):
        return "its statistics were never fitted"
    if images is not None and statistics["images"] != images:
        return (
            f"its statistics were fitted on {statistics['images']:,} images, and the training role has {images:,}: "
            "other images took part, or some did not"
        )
    std = statistics.get("std")
    if preprocessing.featurewise_std and (std is None or not math.isfinite(std) or std <= 0):
        return f"the standard deviation it divides by is {std}"
    if preprocessing.featurewise_std and (statistics.get("mean"), std) == (0.0, 1.0):
        return "mean 0 and deviation 1 are what a layer has before it is fitted"
    if preprocessing.zca and not statistics.get("whitening"):
        return "no whitening was fitted"
    return None


CHECK = Check(
    code="C07",
    title="Statistics not fitted",
    severity=Severity.ERROR,
    explanation=(
        "Mean, deviation and whitening must be computed from the training role before training, and from nothing else. "
        "A generator that was never fitted leaves the images as they are, often with a mere warning: the column 'with "
        "normalisation' then is the column without. Fit the statistics, and run the study again."
    ),
    find=_find,
)
