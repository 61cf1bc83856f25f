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


def reliability_display(scores: Scores) -> Display:
    """How probable the answers were said to be, and how often they were right: a row for each bin that holds images."""
    rows = [
        {
            "probability_from": entry.low,
            "probability_to": entry.high,
            "images": entry.count,
            "mean_probability": entry.confidence,
            "right": entry.accuracy.value,
            "right_low": entry.accuracy.low,
            "right_high": entry.accuracy.high,
        }
        for entry in scores.reliability
        if entry.accuracy is not None
    ]

    def draw() -> str:
        from mien.report.figures import ReliabilityData
        from mien.report.sketch import sketch_reliability

        return sketch_reliability(ReliabilityData(scores.reliability))

    return Display("Reliability", rows, draw)
