"""What several taggers said of images, and the rules by which their votes become one label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Votes:
    """What the taggers of some images said of them.

    Attributes:
        ids: shape (N,), str, the samples' names.
        agreement: shape (N,), float64, share of all votes that the commonest answer has, above 0 to 1.
        plurality: shape (N,), int64, the class that alone has the most votes; -1 where there is none.
        official: shape (N,), int64, the class that FER+'s own majority rule gives; -1 where it gives none.
        shares: shape (N, K), float64, rows sum to 1: the votes for the classes; a row of 0 where none was named.
    """

    ids: NDArray[np.str_]
    agreement: NDArray[np.float64]
    plurality: NDArray[np.int64]
    official: NDArray[np.int64]
    shares: NDArray[np.float64]

    def of(self, ids: NDArray[np.str_]) -> Self:
        """Those of these images, in this order."""
        places = {name: number for number, name in enumerate(self.ids.tolist())}
        rows = np.array([places[name] for name in ids.tolist()], dtype=np.int64)
        return type(self)(
            self.ids[rows], self.agreement[rows], self.plurality[rows], self.official[rows], self.shares[rows]
        )


def official_majority(votes: NDArray[np.float64], columns: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The class that FER+'s own majority rule gives to each image.

    Answers that only one tagger gave are taken away as slips; then the class counts that has more than half of the
    votes that are left. Of other images the rule makes no label, and published figures of "majority voting" leave
    them out.

    Source: Barsoum, Zhang, Canton Ferrer & Zhang, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution", ICMI 2016, and the code published with it (`ferplus.py`).

    Args:
        votes: shape (N, M), how many taggers gave each of M answers, those that are no expression included.
        columns: shape (M,), the class that each answer counts as; -1 for none.
        classes: number of classes.

    Returns:
        Shape (N,), int64; -1 where no class has the majority.
    """
    kept = np.where(votes > 1, votes, 0.0)
    sums = np.zeros((len(votes), classes))
    for answer, column in enumerate(columns.tolist()):
        if column >= 0:
            sums[:, column] += kept[:, answer]
    decided = 2 * sums.max(axis=1) > kept.sum(axis=1)
    return np.where(decided, sums.argmax(axis=1), -1).astype(np.int64)
