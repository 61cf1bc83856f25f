"""What a network answered for a set of images, beside what was right: all that evaluation needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


def clusters_of(groups: NDArray[np.str_] | None, ids: NDArray[np.str_]) -> NDArray[np.int64] | None:
    """The group of each image as a number; see `Predictions.clusters`."""
    if groups is None or not (groups != "").any():
        return None
    names = np.where(groups == "", np.char.add("\0", ids), np.char.add("g", groups))
    numbers = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return numbers if 1 < numbers.max() + 1 < len(numbers) else None


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one network answered for the images of one role.

    Attributes:
        outputs: shape (N, K), float32, the head's output as it is; only a softmax head gives probabilities.
        targets: shape (N, K), float32, rows sum to 1: one-hot labels or a vote distribution.
        labels: shape (N,), int64, the class number that counts as right.
        ids: shape (N,), str, sample names.
        copies: shape (N,), bool, whether the image has an exact copy in the training or validation role.
        groups: shape (N,), str, the person or sequence that each image is of, empty where unknown; None without any.
    """

    outputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: NDArray[np.str_]
    copies: NDArray[np.bool_]
    groups: NDArray[np.str_] | None = None

    def __repr__(self) -> str:
        return f"<predictions for {len(self):,} images, {self.outputs.shape[1]} classes>"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def clusters(self) -> NDArray[np.int64] | None:
        """Shape (N,), from 0, the group of each image as a number; an image of unknown group is one by itself.

        None where images say nothing of one another: no groups are known, each holds one image, or all are of one.
        """
        return clusters_of(self.groups, self.ids)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """The predictions at `index` (positions or a mask), in that order."""
        return type(self)(
            outputs=self.outputs[index],
            targets=self.targets[index],
            labels=self.labels[index],
            ids=self.ids[index],
            copies=self.copies[index],
            groups=None if self.groups is None else self.groups[index],
        )

    @classmethod
    def pooled(cls, parts: Sequence[Self]) -> Self:
        """The answers of several networks to different images of one label set, as one."""
        groups = [part.groups for part in parts if part.groups is not None]
        return cls(
            outputs=np.concatenate([part.outputs for part in parts]),
            targets=np.concatenate([part.targets for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
            ids=np.concatenate([part.ids for part in parts]),
            copies=np.concatenate([part.copies for part in parts]),
            groups=np.concatenate(groups) if len(groups) == len(parts) else None,
        )

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
