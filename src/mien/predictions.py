"""What a network answered for a set of images, beside what was right: all that evaluation needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one network answered for the images of one role.

    Attributes:
        outputs: shape (N, K), float32, the head's output as it is; only a softmax head gives probabilities.
        targets: shape (N, K), float32, rows sum to 1: one-hot labels or a vote distribution.
        labels: shape (N,), int64, the class number that counts as right.
        ids: shape (N,), str, sample names.
        copies: shape (N,), bool, whether the image has an exact copy in the training or validation role.
    """

    outputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: NDArray[np.str_]
    copies: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Shape (N, K), rows sum to 1: the outputs, cut at 0 and divided by their sum.

        A row without any positive output (a relu head that is silent) becomes uniform: it prefers no class.
        """
        positive = np.maximum(self.outputs.astype(np.float64), 0.0)
        mass = positive.sum(axis=1, keepdims=True)
        shares = np.full_like(positive, 1.0 / positive.shape[1])
        np.divide(positive, mass, out=shares, where=mass > 0)
        return shares
