"""Every figure that mien reports of a network's answers, each with its 95 % interval. docs/metrics.md defines them.

Figures need nothing but `Predictions`, so a metric can be added or corrected long after the network is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.evaluation.calibration import BINS, ReliabilityBin, bin_of, reliability
from mien.evaluation.intervals import (
    Estimate,
    clustered_mean,
    clustered_share,
    draws_of,
    f1_of,
    mover_mean,
    percentile_estimate,
    wilson,
    wilson_f1,
)
from mien.frame import frame
from mien.labels import Label, LabelSet, label_text, to_label
from mien.predictions import Predictions

# Probabilities are raised to this before the logarithm (as Keras does), so that one confident error costs 16.1 and not
# infinity.
LEAST_PROBABILITY = 1e-7


# Below so many images of a class, a bootstrap of the means over classes no longer covers what it should.
FEW = 30


@dataclass(frozen=True)
class ClassScores:
    """The figures of one expression.

    Attributes:
        expression: which one.
        support: images whose right label it is.
        predicted: share of all images that were given this label.
        precision: share of right ones among the images given this label; None when it was given to none.
        recall: share of its images that were given it; None when it has no images.
        f1: harmonic mean of precision and recall (0 when none of its images was found); None when it has no images.
    """

    expression: Label
    support: int
    predicted: Estimate
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None

    def cells(self) -> Iterator[tuple[str, Any]]:
        """The cells of its row in a table, by column."""
        yield from (("label", self.expression.value), ("images", self.support))
        for name in ("precision", "recall", "f1"):
            estimate: Estimate | None = getattr(self, name)
            for end in ("value", "low", "high"):
                yield name if end == "value" else f"{name}_{end}", None if estimate is None else getattr(estimate, end)

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "expression": label_text(self.expression),
            "support": self.support,
            "predicted": self.predicted.to_json(),
            "precision": _json_or_none(self.precision),
            "recall": _json_or_none(self.recall),
            "f1": _json_or_none(self.f1),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The figures that `to_json` gave."""
        return cls(
            expression=to_label(value["expression"]),
            support=int(value["support"]),
            predicted=Estimate.from_json(value["predicted"]),
            precision=_estimate_or_none(value["precision"]),
            recall=_estimate_or_none(value["recall"]),
            f1=_estimate_or_none(value["f1"]),
        )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How well a network answered for a set of images.

    The label that a network gives is the one of its largest output, the first of equals.

    Attributes:
        label_set: the expressions, in the order of `classes` and of the rows and columns of `confusion`.
        count: images.
        undecided: images for which all outputs were equal (a silent relu head); they count as the first label.
        confusion: images by right label (row) and given label (column).
        majority: the commonest right label, the first of equals.
        majority_share: accuracy of always giving that label: what any network has to beat.
        accuracy: share of right labels.
        balanced_accuracy: mean recall of the expressions that have images; chance is one over their number.
        macro_f1: mean F1 of the expressions that have images.
        top2: share of images whose right label is one of the two with the largest outputs.
        log_loss: mean cross-entropy against the targets, in nats; see `LEAST_PROBABILITY`.
        log_loss_floor: mean entropy of the targets, in nats: no network goes below it; 0 for one-hot targets.
        brier: mean squared distance between probabilities and targets, 0 to 2.
        calibration_error: expected calibration error of the given label, 0 to 1 (15 bins).
        reliability: those bins: how probable the given labels were said to be, and how often they were right.
        classes: the figures of each expression.
    """

    label_set: LabelSet
    count: int
    undecided: int
    confusion: tuple[tuple[int, ...], ...]
    majority: Label
    majority_share: Estimate
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    top2: Estimate
    log_loss: Estimate
    log_loss_floor: float
    brier: Estimate
    calibration_error: Estimate
    reliability: tuple[ReliabilityBin, ...]
    classes: tuple[ClassScores, ...]

    def figures(self) -> dict[str, Any]:
        """The figures of `METRICS`, by name, as plain JSON values."""
        return {name: metric.of(self).to_json() for name, metric in METRICS.items()}

    def frame(self) -> Any:
        """The figures of each expression as a table, a row each, with 95 % intervals; see `mien.frame.frame`."""
        return frame([dict(entry.cells()) for entry in self.classes])

    def __repr__(self) -> str:
        figures = ", ".join(f"{metric.title.lower()} {metric.text(metric.of(self))}" for metric in METRICS.values())
        return f"<scores on {self.count:,} images: {figures}; .frame() for each label>"

    def _repr_html_(self) -> str:
        return str(self.frame()._repr_html_())

    def to_json(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "labels": [label_text(label) for label in self.label_set.expressions],
            "count": self.count,
            "undecided": self.undecided,
            "confusion": [list(row) for row in self.confusion],
            "majority": label_text(self.majority),
            "majority_share": self.majority_share.to_json(),
            **self.figures(),
            "log_loss_floor": self.log_loss_floor,
            "reliability": [entry.to_json() for entry in self.reliability],
            "classes": [entry.to_json() for entry in self.classes],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The scores that `to_json` gave."""
        return cls(
            label_set=LabelSet.of(map(to_label, value["labels"])),
            count=int(value["count"]),
            undecided=int(value["undecided"]),
            confusion=tuple(tuple(int(cell) for cell in row) for row in value["confusion"]),
            majority=to_label(value["majority"]),
            majority_share=Estimate.from_json(value["majority_share"]),
            log_loss_floor=float(value["log_loss_floor"]),
            reliability=tuple(ReliabilityBin.from_json(entry) for entry in value["reliability"]),
            classes=tuple(ClassScores.from_json(entry) for entry in value["classes"]),
            **{name: Estimate.from_json(value[name]) for name in METRICS},
        )


def right_by_probability(scores: Scores) -> dict[str, Any]:
    """For each range of probability with images: what it was on average, and how often the answer was right.

    Returns:
        Plain JSON values, as a card has them.
    """
    return {
        f"{entry.low:.3f} to {entry.high:.3f}": {
            "mean_probability": entry.confidence,
            "right": entry.accuracy.to_json(),
        }
        for entry in scores.reliability
        if entry.accuracy is not None
    }


@dataclass(frozen=True)
class Metric:
    """A figure of `Scores` that networks can be compared by.

    Attributes:
        name: its name in study files and JSON, and the attribute of `Scores`.
        title: its name for people.
        higher_is_better: whether more of it is better.
        format: how its numbers are written.
    """

    name: str
    title: str
    higher_is_better: bool = True
    format: str = ".1%"

    def of(self, scores: Scores) -> Estimate:
        """This figure of the scores."""
        estimate: Estimate = getattr(scores, self.name)
        return estimate

    def text(self, estimate: Estimate) -> str:
        """The estimate with its interval and count, in this figure's format."""
        return format(estimate, self.format)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy"),
        Metric("balanced_accuracy", "Balanced accuracy"),
        Metric("macro_f1", "Macro F1"),
        Metric("top2", "Top-2 accuracy"),
        Metric("log_loss", "Log loss", higher_is_better=False, format=".3f"),
        Metric("brier", "Brier score", higher_is_better=False, format=".3f"),
        Metric("calibration_error", "Calibration error", higher_is_better=False),
    )
}


def score(predictions: Predictions, label_set: LabelSet) -> Scores:
    """Score a network's answers.

    Intervals hold for the network as it is and for images drawn like these ones; they say nothing of another training
    run. Shares have Wilson intervals, the other figures the percentile interval of 1,000 resamples of the images; the
    F1 of a class with fewer than `FEW` images, and the means over classes where there is one, have intervals made of
    Wilson's. Where images come in groups (persons, clips), they hold for other groups like these: shares as in
    `clustered_share`, the other figures by Student's t of the groups' sums. The same predictions give the same scores,
    in whatever order they come.

    Args:
        predictions: of at least one image.
        label_set: the expressions that the outputs stand for, in order.

    Raises:
        DataError: there are no images, the outputs do not fit the label set, or an output is not finite.
    """
    _check(predictions, label_set)
    clusters = predictions.clusters
    probabilities, targets = predictions.probabilities, predictions.targets.astype(np.float64)
    count, classes = probabilities.shape
    cells, contributions = _contributions(probabilities, targets, predictions.labels)
    tables = np.bincount(cells, minlength=classes**2).astype(np.float64)
    measured = _Figures.of(tables[np.newaxis], contributions.sum(axis=0, keepdims=True), count)
    table = measured.tables[0].astype(np.int64)
    support = table.sum(axis=1)
    majority = int(support.argmax())
    over: _OverImages | _OverGroups
    if clusters is None:
        draws = draws_of(count, "bootstrap", "images")
        resampled = _Figures.of(*draws.counts_and_sums(cells, classes**2, contributions), count)
        over = _OverImages(table, measured, resampled)
    else:
        over = _OverGroups(predictions, probabilities.argmax(axis=1), clusters, measured)
    top = _among_top(probabilities, predictions.labels, 2)
    return Scores(
        label_set=label_set,
        count=count,
        undecided=int((probabilities.max(axis=1) == probabilities.min(axis=1)).sum()),
        confusion=tuple(tuple(int(cell) for cell in row) for row in table),
        majority=label_set.expressions[majority],
        majority_share=over.share(predictions.labels == majority),
        accuracy=over.share(predictions.labels == probabilities.argmax(axis=1)),
        balanced_accuracy=over.figure("balanced_accuracy"),
        macro_f1=over.figure("macro_f1"),
        top2=over.share(top),
        log_loss=over.figure("log_loss"),
        log_loss_floor=float(_cross_entropy(targets, targets).mean()),
        brier=over.figure("brier"),
        calibration_error=over.figure("calibration_error"),
        reliability=reliability(probabilities, predictions.labels, clusters=clusters),
        classes=tuple(over.class_scores(number, label) for number, label in enumerate(label_set.expressions)),
    )


def image_values(predictions: Predictions, metric: str) -> NDArray[np.float64]:
    """What each image says of a figure: numbers whose mean is the figure, so that two networks are compared by them.

    Accuracy, top-2 accuracy, log loss and Brier score are means over images already. The others are taken as linear in
    the images around their value (the influence function, or infinitesimal jackknife), which gives the same interval as
    a bootstrap where classes are not tiny.

    Source: Efron & Tibshirani, "An introduction to the bootstrap", 1993, chapter 21.

    Args:
        predictions: of at least one image.
        metric: a name of `METRICS`.

    Returns:
        Shape (N,), in the order of the predictions.
    """
    labels, probabilities = predictions.labels, predictions.probabilities
    count, classes = probabilities.shape
    given = probabilities.argmax(axis=1)
    right = (labels == given).astype(np.float64)
    values: NDArray[np.float64]
    match metric:
        case "accuracy":
            values = right
        case "top2":
            values = _among_top(probabilities, labels, 2).astype(np.float64)
        case "log_loss":
            values = _cross_entropy(predictions.targets.astype(np.float64), probabilities)
        case "brier":
            values = ((probabilities - predictions.targets) ** 2).sum(axis=1)
        case "calibration_error":
            bins, gap = bin_of(probabilities.max(axis=1)), right - probabilities.max(axis=1)
            values = np.sign(np.bincount(bins, gap, minlength=BINS))[bins] * gap
        case "balanced_accuracy":
            support = np.bincount(labels, minlength=classes)
            recalls = np.bincount(labels, right, minlength=classes) / np.maximum(support, 1)
            present = support > 0
            values = recalls[present].mean() + count * (right - recalls[labels]) / support[labels] / present.sum()
        case "macro_f1":
            support = np.bincount(labels, minlength=classes)
            present = support > 0
            both = np.maximum(support + np.bincount(given, minlength=classes), 1)
            # A label without images is no part of the mean: an answer with it costs the F1 of the right label alone.
            f1s = np.where(present, 2 * np.bincount(labels, right, minlength=classes) / both, 0.0)
            deviation = 2 * right / both[given] - (f1s / both)[labels] - (f1s / both)[given]
            values = f1s[present].mean() + count * deviation / present.sum()
        case _:
            raise ValueError(f"Expected a metric: {', '.join(METRICS)}. Received: {metric!r}.")
    return values


def leak_free(predictions: Predictions) -> Predictions:
    """The predictions for images without an exact copy in the training or validation role; may be empty."""
    return predictions.take(~predictions.copies)


def _check(predictions: Predictions, label_set: LabelSet) -> None:
    count, classes = len(predictions), len(label_set)
    if not count:
        raise DataError("There are no images to score. Expected: at least one.")
    for what, values in (("outputs", predictions.outputs), ("targets", predictions.targets)):
        if values.shape != (count, classes):
            raise DataError(f"Expected {what} of shape ({count}, {classes}). Received: {values.shape}.")
        if not np.isfinite(values).all():
            raise DataError(f"Expected finite {what}. Received: {int((~np.isfinite(values)).sum())} that are not.")
    if predictions.labels.min() < 0 or predictions.labels.max() >= classes:
        raise DataError(f"Expected labels in 0..{classes - 1}. Received: {sorted(set(predictions.labels.tolist()))}.")


def _cross_entropy(targets: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross-entropy of each row, in nats."""
    entropy: NDArray[np.float64] = -(targets * np.log(np.maximum(probabilities, LEAST_PROBABILITY))).sum(axis=1)
    return np.maximum(entropy, 0.0)  # float32 targets may sum to a hair more than 1


def _contributions(
    probabilities: NDArray[np.float64], targets: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What each image adds to the sums that `_Figures` are made of.

    Returns:
        Its cell of the confusion table, shape (N,), ascending; and shape (N, BINS + 2): the gap of its confidence bin,
        log loss, Brier score. Images are sorted: the bootstrap draws them by position, and shall not depend on the
        order they came in.
    """
    count, classes = probabilities.shape
    given, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rows = np.zeros((count, BINS + 2))
    rows[np.arange(count), bin_of(confidence)] = (labels == given) - confidence
    rows[:, -2] = _cross_entropy(targets, probabilities)
    rows[:, -1] = ((probabilities - targets) ** 2).sum(axis=1)
    order = np.lexsort((confidence, rows[:, -1], rows[:, -2], given, labels))
    return (labels * classes + given)[order], rows[order]


@dataclass(frozen=True, eq=False)
class _Figures:
    """Figures of R sets of images at once; all but the tables are NaN where they are not defined.

    Attributes:
        tables: shape (R, K, K), images by right and given label.
        f1s: shape (R, K).
        balanced_accuracy: shape (R,), as are those that follow.
    """

    tables: NDArray[np.float64]
    f1s: NDArray[np.float64]
    balanced_accuracy: NDArray[np.float64]
    macro_f1: NDArray[np.float64]
    log_loss: NDArray[np.float64]
    brier: NDArray[np.float64]
    calibration_error: NDArray[np.float64]

    @classmethod
    def of(cls, cells: NDArray[np.float64], sums: NDArray[np.float64], count: int) -> Self:
        """The figures of R sets of `count` images: their tables, shape (R, K * K), and their sums, shape (R, D)."""
        classes = math.isqrt(cells.shape[1])
        tables = cells.reshape(-1, classes, classes)
        found, support, given = np.diagonal(tables, axis1=1, axis2=2), tables.sum(axis=2), tables.sum(axis=1)
        f1s = _where_supported(2 * found, support + given, support)
        return cls(
            tables=tables,
            f1s=f1s,
            balanced_accuracy=np.nanmean(_where_supported(found, support, support), axis=1),
            macro_f1=np.nanmean(f1s, axis=1),
            log_loss=sums[:, -2] / count,
            brier=sums[:, -1] / count,
            calibration_error=np.abs(sums[:, :-2]).sum(axis=1) / count,
        )


def _where_supported(
    above: NDArray[np.float64], below: NDArray[np.float64], support: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The ratio for classes that have images, NaN for the others."""
    ratio = np.full(above.shape, np.nan)
    np.divide(above, below, out=ratio, where=support > 0)
    return ratio


class _OverImages:
    """Intervals for images that say nothing of one another."""

    def __init__(self, table: NDArray[np.int64], measured: _Figures, resampled: _Figures) -> None:
        self._table, self._measured, self._resampled = table, measured, resampled
        self._count = int(table.sum())
        # The means over classes where one has few images, which a bootstrap draws too often or not at all.
        self._few = _of_few_images(table)

    def share(self, successes: NDArray[np.bool_]) -> Estimate:
        """The share of all images."""
        return wilson(int(successes.sum()), self._count)

    def figure(self, name: str) -> Estimate:
        """A figure of `METRICS` that is no share."""
        value, resampled = float(getattr(self._measured, name)[0]), getattr(self._resampled, name)
        if name in self._few:
            return self._few[name]
        if name == "calibration_error":
            # A mean of distances grows with every noise, and the draws add theirs: an interval of the draws as they are
            # would lie above the figure. Mirrored at the figure (the basic bootstrap) it takes that bias off instead.
            resampled = np.clip(2 * value - resampled, 0.0, 1.0)
        return percentile_estimate(value, resampled, self._count)

    def class_scores(self, number: int, expression: Label) -> ClassScores:
        """The figures of one class."""
        table = self._table
        found, support, given = int(table[number, number]), int(table[number].sum()), int(table[:, number].sum())
        f1 = None
        if support:
            few = support < FEW
            value = 2 * found / (support + given)
            resampled = self._resampled.f1s[:, number]
            f1 = wilson_f1(found, support, given) if few else percentile_estimate(value, resampled, support)
        return ClassScores(
            expression=expression,
            support=support,
            predicted=wilson(given, self._count),
            precision=wilson(found, given) if given else None,
            recall=wilson(found, support) if support else None,
            f1=f1,
        )


class _OverGroups:
    """Intervals for images that come in groups, so that other groups are spoken of and not other images of these."""

    def __init__(
        self,
        predictions: Predictions,
        given: NDArray[np.int64],
        clusters: NDArray[np.int64],
        measured: _Figures,
    ) -> None:
        self._predictions, self._given, self._clusters, self._measured = predictions, given, clusters, measured
        self._groups = int(clusters.max()) + 1

    def share(self, successes: NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> Estimate:
        """The share of all images, or of some."""
        counted = np.ones(len(successes), dtype=bool) if among is None else among
        found, counts = (
            np.bincount(self._clusters[mask], minlength=self._groups) for mask in (successes & counted, counted)
        )
        return clustered_share(found, counts)

    def figure(self, name: str) -> Estimate:
        """A figure of `METRICS` that is no share: its value, and Student's t of what each group adds to it."""
        value = float(getattr(self._measured, name)[0])
        deviations = image_values(self._predictions, name) - value
        most = 1.0 if METRICS[name].format.endswith("%") else math.inf
        return clustered_mean(value, deviations, self._clusters, most=most)

    def class_scores(self, number: int, expression: Label) -> ClassScores:
        """The figures of one class."""
        labelled, given = self._predictions.labels == number, self._given == number
        found, support = labelled & given, int(labelled.sum())
        return ClassScores(
            expression=expression,
            support=support,
            predicted=self.share(given),
            precision=self.share(found, given) if given.any() else None,
            recall=self.share(found, labelled) if support else None,
            f1=f1_of(self.share(found, labelled | given), support) if support else None,
        )


def _of_few_images(table: NDArray[np.int64]) -> dict[str, Estimate]:
    """The means over classes where one of them has fewer than `FEW` images; empty where none has."""
    support, given = table.sum(axis=1), table.sum(axis=0)
    present = np.flatnonzero(support)
    if support[present].min() >= FEW:
        return {}
    recalls = [wilson(int(table[k, k]), int(support[k])) for k in present]
    f1s = [wilson_f1(int(table[k, k]), int(support[k]), int(given[k])) for k in present]
    return {
        "balanced_accuracy": mover_mean(recalls, int(table.sum())),
        "macro_f1": mover_mean(f1s, int(table.sum()), _f1_correlation(table)[np.ix_(present, present)]),
    }


def _f1_correlation(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """How the F1s of the classes vary together, to first order: an answer that is wrong costs two of them."""
    classes = len(table)
    both = np.maximum(table.sum(axis=1) + table.sum(axis=0), 1)
    influence = np.zeros((classes, classes, classes))  # of an image of a label (second) with an answer (third)
    for k in range(classes):
        f1 = 2 * table[k, k] / both[k]
        influence[k, k, :] -= f1
        influence[k, :, k] -= f1
        influence[k, k, k] += 2
        influence[k] /= both[k]
    flat = influence.reshape(classes, -1)
    covariance = (flat * table.ravel()) @ flat.T
    deviation = np.sqrt(np.diag(covariance))
    scale = np.where(deviation > 0, deviation, 1.0)
    correlation: NDArray[np.float64] = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _among_top(probabilities: NDArray[np.float64], labels: NDArray[np.int64], places: int) -> NDArray[np.bool_]:
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :places]
    among: NDArray[np.bool_] = (ranked == labels[:, np.newaxis]).any(axis=1)
    return among


def _json_or_none(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else estimate.to_json()


def _estimate_or_none(value: Mapping[str, Any] | None) -> Estimate | None:
    return None if value is None else Estimate.from_json(value)
