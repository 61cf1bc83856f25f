"""What an export comes to."""

from __future__ import annotations

from dataclasses import dataclass

from mien.bundle import Bundle
from mien.evaluation.metrics import Scores

LARGEST_ACCURACY_LOSS = 0.003


@dataclass(frozen=True)
class Parity:
    """How far a converted model is from its network.

    Attributes:
        images: compared.
        difference: largest difference of a probability.
        flips: images that get another label, though their two likeliest labels are not tied (see `compare`).
    """

    images: int
    difference: float
    flips: int


@dataclass(frozen=True)
class MeasuredExport:
    """A model on the validation role, against the model whose weights are stored exactly.

    Attributes:
        megabytes: size of the model file, in 10^6 bytes.
        accuracy_loss: accuracy of the exact model less that of this one, -1 to 1. The exact model's is in the record,
            or was measured where it answers otherwise than the network in the record (`ExportOptions.mirror`).
    """

    megabytes: float
    accuracy_loss: float

    @property
    def acceptable(self) -> bool:
        """Whether so small a loss may be shipped."""
        return self.accuracy_loss <= LARGEST_ACCURACY_LOSS


@dataclass(frozen=True, eq=False)
class Exported:
    """A bundle, and what was measured on the way.

    Attributes:
        bundle: as written.
        parity: of the converted model, before its weights were stored otherwise.
        measured: on the validation role; None without the data set.
        int8: what int8 weights would give; None without the data set, or where it is what was asked for.
        effect: scores on the validation role of the network as trained, and with what was asked for on top, the
            adjustment for the prior and mirroring; None when neither was.
    """

    bundle: Bundle
    parity: Parity
    measured: MeasuredExport | None
    int8: MeasuredExport | None
    effect: tuple[Scores, Scores] | None

    def __repr__(self) -> str:
        parity = self.parity
        return (
            f"<exported {self.bundle!r}; its probabilities are within {parity.difference:.1g} of the network's on "
            f"{parity.images:,} images>"
        )
