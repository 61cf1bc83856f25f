"""Drawings with their numbers that several results have."""

from __future__ import annotations

import numpy as np

from mien.evaluation.metrics import Scores
from mien.frame import Display


def confusion_display(scores: Scores) -> Display:
    """How often each label got each answer: a row for each pair."""
    names = tuple(expression.value for expression in scores.label_set.expressions)
    counts = np.array(scores.confusion)
    rows = [
        {"label": names[i], "answer": names[j], "images": int(counts[i, j])}
        for i in range(len(names))
        for j in range(len(names))
    ]

    def draw() -> str:
        from mien.report.figures import ConfusionData
        from mien.report.sketch import sketch_confusion

        return sketch_confusion(ConfusionData(names, counts))

    return Display("Confusion matrix", rows, draw)
