"""Whether the finished runs of a plan were tested under other groups (persons, clips) than the data have now.

A run is named by who is in which role. Groups decide that where roles or folds are made, and another assignment is then
another run. Where it stays the same they change nothing of what was learned or answered, and so no name: but intervals
and comparisons go by the groups that a record holds.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from mien.datasets.dataset import Dataset, Role
from mien.errors import RecordError
from mien.predictions import clusters_of
from mien.study.plan import Plan
from mien.study.record import read_groups
from mien.study.store import Store
from mien.wording import count_text


def note_on_groups(plan: Plan, dataset: Dataset, store: Store) -> str | None:
    """A sentence on the finished runs whose test images are grouped otherwise now, with the way out; None without any.

    Images that the data call by another name now are not compared: nobody knows which they are.
    """
    places = {name: place for place, name in enumerate(dataset.ids.tolist())}
    changed = []
    for run in plan.runs:
        held = None
        with suppress(RecordError):  # the report says it of a damaged one, which keeps no other from being planned
            held = read_groups(store.run_folder(run.id), Role.TEST) if store.is_done(run.id) else None
        if held is None:
            continue
        ids, groups = held
        rows = [places.get(name, -1) for name in ids.tolist()]
        if (groups is None and dataset.groups is None) or -1 in rows:
            continue
        now = None if dataset.groups is None else dataset.groups[rows]
        if not np.array_equal(_together(groups, ids), _together(now, ids)):
            changed.append(run.id)
    if not changed:
        return None
    names = ", ".join(f"runs/{name}" for name in changed[:3]) + (", …" if len(changed) > 3 else "")
    return (
        f"{count_text(len(changed), 'finished run')} ({names}) had the test images in other groups (persons, clips) "
        "than the data have now. Roles and answers are the same, and intervals and comparisons go by the groups of "
        "that time: for those of now, remove these folders and run again"
    )


def _together(groups: NDArray[np.str_] | None, ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Shape (N,): which images are together, whatever their groups are called; each alone where groups say nothing."""
    numbers = clusters_of(groups, ids)
    if numbers is None:
        return np.arange(len(ids))
    _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    return np.asarray(first[place], dtype=np.int64)
