"""C04: a sigmoid head whose outputs stick to 0 or 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mien.datasets.dataset import Role
from mien.report.checks.base import Check, Evidence, Found, Severity

# An output this near to 0 or to 1 hardly moves any more.
NEAR = 0.01
LEAST_SHARE = 0.05


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.results.scored_runs:
        if result.run.recipe.activation != "sigmoid" or result.record is None:
            continue
        ranked = np.sort(result.record.outcome(Role.TEST, result.readout).outputs, axis=1)
        several, none = ranked[:, -2] >= 1 - NEAR, ranked[:, -1] <= NEAR
        share = float((several | none).mean())
        if share >= LEAST_SHARE:
            yield Found.of(
                result,
                f"For {share:.1%} of the test images the outputs do not decide: several are above {1 - NEAR:.2f} "
                f"({several.mean():.1%}), or all are below {NEAR:.2f} ({none.mean():.1%}).",
            )


CHECK = Check(
    code="C04",
    title="Saturated sigmoid head",
    severity=Severity.ERROR,
    explanation=(
        "Each output of a sigmoid head is by itself. Under categorical crossentropy nothing keeps them apart: several "
        "go to 1 (or all to 0), where the gradient vanishes, and which of them is largest is a matter of rounding. Use "
        "softmax, or binary crossentropy."
    ),
    find=_find,
)
