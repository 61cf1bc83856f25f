"""Drawn faces with the votes of ten taggers who do not exist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mien.datasets.dataset import Dataset
from mien.labels import EIGHT


def with_votes(dataset: Dataset, seed: int = 0) -> Dataset:
    """A data set of seven expressions with votes for eight.

    Most votes are for the label. Of each 30 images one is contempt to all taggers, and in one most of them saw no face,
    so that there is a label, and no target of votes.
    """
    rng = np.random.default_rng(seed)
    columns = np.array([EIGHT.index(label) for label in dataset.label_set.expressions])
    labels = columns[dataset.labels]
    shares = 0.3 / len(EIGHT) + 0.7 * np.eye(len(EIGHT))[labels]
    votes = rng.multinomial(10, shares).astype(float)
    others = np.zeros((len(dataset), 2))
    for role in np.unique(dataset.roles):
        places = np.flatnonzero(dataset.roles == role)
        votes[places[::30]] = 10 * np.eye(len(EIGHT))[EIGHT.expressions.index("contempt")]
        votes[places[1::30]] = np.eye(len(EIGHT))[labels[places[1::30]]]
        others[places[1::30], 1] = 9
    return replace(dataset, labels=labels, label_set=EIGHT, votes=votes, other_votes=others)
