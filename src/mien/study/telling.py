"""Whether a teacher would tell a network of the images that the network is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.bundle import load_bundle
from mien.datasets.protocol import Samples, SealedTest, Split
from mien.errors import MienError
from mien.seen import Seen, gray_hashes
from mien.study.record import RunRecord
from mien.study.store import Store
from mien.study.teachers import is_run


def why_it_tells(place: str, taught: Split, heads: Sequence[Split]) -> str | None:
    """Why a run must not learn from a teacher: that has learned from images which the run is judged by.

    Args:
        place: of the teacher, as `find_teachers` gives it.
        taught: what the run is trained and validated on (`taught_together`).
        heads: the split of each head, for its test images.

    Returns:
        One sentence and the way out, or None: the teacher is clean, or nobody knows any more what it has learned from.

    Raises:
        MienError: there is no such teacher, or it is damaged.
    """
    seen = _seen_by(place)
    if seen is None:
        return None
    own = taught.train.gray_hashes
    judged: list[tuple[str, Samples | SealedTest]] = [("test", head.test) for head in heads]
    for role, part in (*judged, ("validation", taught.validation)):
        hashes = gray_hashes(part.images, part.hashes)
        # A data set can have copies of its training images among the others: those the network meets anyway.
        told = seen.learned_from(hashes) & ~np.isin(hashes, own)
        if told.any():
            return (
                f"The teacher {Path(place).name} has learned from {int(told.sum()):,} of the {len(hashes):,} {role} "
                "images of this run, and would tell the network of them. Take a teacher that was trained on the same "
                "split."
            )
    return None


def _seen_by(place: str) -> Seen | None:
    """The images that a teacher has learned from, as far as that is known."""
    if not is_run(place):
        return load_bundle(place).seen
    record = RunRecord.read(Path(place), answers=False)
    try:
        return Store.open(Path(place).parent.parent).seen(record)
    except MienError:
        return None  # a folder that was taken out of its store
