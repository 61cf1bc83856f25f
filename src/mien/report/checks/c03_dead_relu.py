"""C03: a relu head that is silent."""

from __future__ import annotations

from collections.abc import Iterator

from mien.datasets.dataset import Role
from mien.report.checks.base import Check, Evidence, Found, Severity

# From this share of silent images on, the head is called dead: fewer are a handful of odd images.
LEAST_SHARE = 0.05


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.results.scored_runs:
        if result.run.recipe.activation != "relu" or result.record is None:
            continue
        outputs = result.record.outcome(Role.TEST, result.readout).outputs
        silent = float((outputs <= 0).all(axis=1).mean())
        if silent >= LEAST_SHARE:
            dead = int((outputs <= 0).all(axis=0).sum())
            yield Found.of(
                result,
                f"All outputs are 0 for {silent:.1%} of the test images, and {dead} of the {outputs.shape[1]} outputs "
                "are 0 for every image.",
            )


CHECK = Check(
    code="C03",
    title="Dead relu head",
    severity=Severity.ERROR,
    explanation=(
        "Where all outputs of a relu head are 0 there is neither an answer nor a gradient: those images are counted as "
        "the first label, and training cannot bring them back. Use softmax."
    ),
    find=_find,
)
