"""The tables of a study as data: what a cell holds, and one flat frame of each table for CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mien.evaluation.comparison import mean_estimate
from mien.evaluation.intervals import Estimate
from mien.evaluation.metrics import METRICS, Metric
from mien.report.results import Result, Results, State
from mien.study.plan import Cell
from mien.study.spec import Table


@dataclass(frozen=True)
class Frame:
    """A flat table.

    Attributes:
        columns: their names.
        rows: one value a column; None where there is nothing to say.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def to_csv(self) -> str:
        """The frame as CSV: a header, then a line a row; nothing, NaN and infinity are empty fields."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_field(value) for value in row] for row in self.rows)
        return text.getvalue()


@dataclass(frozen=True)
class CellValue:
    """The number that a cell shows for one metric.

    Attributes:
        value: with one seed what was measured, with several their mean.
        low: with one seed the lower end of the 95 % interval over images, with several the least value of a seed.
        high: the upper end, or the greatest value of a seed.
        seeds: how many seeds it is made of.
        interval: the 95 % interval: over images with one seed, Student's t over the seeds with several.
    """

    value: float
    low: float
    high: float
    seeds: int
    interval: Estimate

    @property
    def half_width(self) -> float:
        """Half of the interval: what stands behind ±."""
        return (self.interval.high - self.interval.low) / 2


@dataclass(frozen=True, eq=False)
class SeedEntry:
    """What one seed contributes to a cell.

    Attributes:
        cell: as planned.
        result: what became of it; None when the plan skips it.
    """

    cell: Cell
    result: Result | None

    @property
    def state(self) -> State:
        """What there is to show."""
        return State.SKIPPED if self.result is None else self.result.state

    @property
    def status(self) -> str:
        """The state in a few words."""
        return self.state.value if self.result is None else self.result.status

    @property
    def reason(self) -> str:
        """Why there is no number; an empty text when there is one."""
        return (self.cell.reason or "") if self.result is None else self.result.reason


@dataclass(frozen=True)
class Gap:
    """Why some seeds of a cell have no number.

    Attributes:
        status: in a few words.
        reason: in a sentence.
        seeds: which ones.
    """

    status: str
    reason: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class CellData:
    """One cell of a table: an entry a seed."""

    entries: tuple[SeedEntry, ...]

    def value(self, metric: Metric) -> CellValue | None:
        """The number to show, made of the seeds that have one; None when none has."""
        estimates = [metric.of(e.result.scores) for e in self.entries if e.result is not None and e.result.scores]
        if not estimates:
            return None
        if len(estimates) == 1:
            return CellValue(estimates[0].value, estimates[0].low, estimates[0].high, 1, estimates[0])
        values = [estimate.value for estimate in estimates]
        mean = mean_estimate(values)
        return CellValue(mean.value, min(values), max(values), len(values), mean)

    @property
    def gaps(self) -> list[Gap]:
        """Why seeds have no number, each reason once."""
        seeds: dict[tuple[str, str], list[int]] = {}
        for entry in self.entries:
            if entry.state is not State.COMPLETE:
                seeds.setdefault((entry.status, entry.reason), []).append(entry.cell.seed)
        return [Gap(*why, tuple(of)) for why, of in seeds.items()]

    @property
    def badges(self) -> list[str]:
        """What sets the networks behind the number apart ("only 'happiness'"), each remark once."""
        collapses = [e.result.collapse for e in self.entries if e.result is not None and e.result.collapse]
        return list(dict.fromkeys(collapse.badge for collapse in collapses))

    @property
    def unsound(self) -> str:
        """Why the number says little of the backbone; an empty text when it does, or when there is no number."""
        reasons = (e.result.unsound for e in self.entries if e.result is not None and e.result.scores)
        return next(filter(None, reasons), "")


@dataclass(frozen=True, eq=False)
class TableData:
    """One table of a study, filled as far as the records go.

    Attributes:
        spec: as asked for in the study file.
        metrics: the figures in each cell.
        cells: by row and column label.
        floors: a description and, by metric, the figures of answering blindly; one for each set of test images met.
    """

    spec: Table
    metrics: tuple[Metric, ...]
    cells: Mapping[tuple[str, str], CellData]
    floors: tuple[tuple[str, Mapping[str, Estimate]], ...]

    @property
    def rows(self) -> list[str]:
        """The labels of the rows."""
        return [point.label for point in self.spec.rows.points]

    @property
    def columns(self) -> list[str]:
        """The labels of the columns."""
        return [point.label for point in self.spec.columns.points]

    @property
    def pooling(self) -> str:
        """What the figures pool, in sentences, where the protocol deals the images into folds; else an empty text."""
        shown = [entry.result for cell in self.cells.values() for entry in cell.entries if entry.result]
        numbers = sorted({len(result.folds) for result in shown if result.folds})
        if not numbers:
            return ""
        groups = {
            int(result.measured.clusters.max()) + 1
            for result in shown
            if result.measured is not None and result.measured.clusters is not None
        }
        over = f" Intervals hold for other groups (persons, clips) like the {groups.pop()} here." if groups else ""
        return (
            f"Each figure pools the answers of {' or '.join(map(str, numbers))} folds: every image is answered by the "
            f"run that did not learn from its fold, and the runs are listed by their fold below.{over}"
        )

    @property
    def footnotes(self) -> dict[str, int]:
        """Why cells have no number, or one that says little: each reason once, with its mark."""
        reasons = [
            reason for cell in self.cells.values() for reason in (*(gap.reason for gap in cell.gaps), cell.unsound)
        ]
        return {reason: mark for mark, reason in enumerate(dict.fromkeys(filter(None, reasons)), start=1)}

    def frame(self) -> Frame:
        """One line a cell, seed and metric."""
        columns = "row column seed epochs run status reason metric value low high images collapsed_to".split()
        rows = []
        for (row, column), cell in self.cells.items():
            for entry in cell.entries:
                for metric in self.metrics:
                    scores = entry.result.scores if entry.result else None
                    collapse = entry.result.collapse if entry.result else None
                    runs = entry.result.run_ids if entry.result else None
                    head = (row, column, entry.cell.seed, entry.cell.readout, runs, entry.status)
                    numbers = _numbers(metric.of(scores)) if scores else (None,) * 4
                    answer = collapse.answer.value if collapse else None
                    rows.append((*head, entry.reason or None, metric.name, *numbers, answer))
        return Frame(tuple(columns), tuple(rows))


def study_tables(results: Results) -> list[TableData]:
    """The tables that the study asks for, in its order."""
    return [_table(spec, results) for spec in results.plan.study.tables]


def runs_frame(results: Results) -> Frame:
    """One line a run and readout: every metric with its interval, cost and status."""
    metrics = [name + end for name in (*METRICS, "accuracy_without_copies") for end in ("", "_low", "_high")]
    columns = (
        "run title trained_here backbone seed epochs evaluated_epoch status reason images".split()
        + ["majority", "majority_share"]
        + metrics
        + "collapsed_to parameters trainable depth seconds_per_epoch images_per_second total_seconds".split()
        + ["peak_memory_mib"]
    )
    return Frame(
        tuple(columns), tuple(_run_row(result) for result in (*results.entries, *results.pooled, *results.foreign))
    )


def classes_frame(results: Results) -> Frame:
    """One line a result and expression: precision, recall and F1 with their intervals, and share of the answers."""
    figures = [name + end for name in ("precision", "recall", "f1", "predicted") for end in ("", "_low", "_high")]
    rows = [
        (
            result.run_ids,
            result.readout,
            entry.expression.value,
            entry.support,
            *(
                number
                for estimate in (entry.precision, entry.recall, entry.f1, entry.predicted)
                for number in _numbers(estimate)[:3]
            ),
        )
        for result in results.everyone
        if result.scores
        for entry in result.scores.classes
    ]
    return Frame(("run", "epochs", "expression", "images", *figures), tuple(rows))


def confusion_frame(results: Results) -> Frame:
    """One line a result, label and answer, with the number of images."""
    rows = []
    for result in results.everyone:
        if result.scores is None:
            continue
        names = [expression.value for expression in result.scores.label_set.expressions]
        for label, counts in zip(names, result.scores.confusion, strict=True):
            for answer, count in zip(names, counts, strict=True):
                rows.append((result.run_ids, result.readout, label, answer, count))
    return Frame(("run", "epochs", "label", "answer", "images"), tuple(rows))


def reliability_frame(results: Results) -> Frame:
    """One line a result and bin of probability that holds images: how probable its answers were, how often right."""
    rows = [
        (result.run_ids, result.readout, entry.low, entry.high, entry.count, entry.confidence)
        + _numbers(entry.accuracy)[:3]
        for result in results.everyone
        if result.scores
        for entry in result.scores.reliability
        if entry.count
    ]
    columns = ("run", "epochs", "probability_from", "probability_to", "images", "mean_probability")
    return Frame((*columns, "right", "right_low", "right_high"), tuple(rows))


def history_frame(results: Results) -> Frame:
    """One line a run and epoch, as the training saw it."""
    columns = "epoch loss accuracy validation_loss validation_accuracy learning_rate seconds images_per_second".split()
    rows = [
        (record.id, *(getattr(epoch, name) for name in columns))
        for record in results.records
        for epoch in record.history
    ]
    return Frame(("run", *columns), tuple(rows))


def _table(spec: Table, results: Results) -> TableData:
    entries: dict[tuple[str, str], list[SeedEntry]] = {
        (row.label, column.label): [] for row in spec.rows.points for column in spec.columns.points
    }
    for cell in results.plan.cells:
        if cell.table == spec.name and cell.fold <= 1:  # what the first of several folds stands for is all of them
            entries[cell.row, cell.column].append(SeedEntry(cell, results.of(cell)))
    cells = {place: CellData(tuple(found)) for place, found in entries.items()}
    metrics = tuple(METRICS[name] for name in spec.metrics)
    shown = [entry.result for cell in cells.values() for entry in cell.entries if entry.result]
    return TableData(spec, metrics, cells, floors(shown, metrics))


def floors(results: Iterable[Result], metrics: Sequence[Metric]) -> tuple[tuple[str, Mapping[str, Estimate]], ...]:
    """The floors of the test images that the results were scored on, each once."""
    found = {}
    for result in results:
        if result.floor is not None:
            text = f"Floor: always '{result.floor.majority.value}'"
            found[text] = {metric.name: metric.of(result.floor) for metric in metrics}
    return tuple(found.items())


def _run_row(result: Result) -> tuple[Any, ...]:
    record, scores, recipe = next(iter(result.records), None), result.scores, result.run.recipe
    network: Mapping[str, Any] = record.network if record else {}
    estimates = [metric.of(scores) if scores else None for metric in METRICS.values()]
    estimates.append(result.without_copies)
    return (
        result.run_ids,
        result.title,
        not result.is_foreign,
        *((None,) * 3 if result.is_foreign else (recipe.backbone, recipe.seed, result.readout)),
        result.chosen_epoch,
        result.status,
        result.reason or None,
        scores.count if scores else None,
        scores.majority.value if scores else None,
        scores.majority_share.value if scores else None,
        *(number for estimate in estimates for number in _numbers(estimate)[:3]),
        result.collapse.answer.value if result.collapse else None,
        network.get("parameters"),
        network.get("trainable"),
        network.get("depth"),
        result.seconds_per_epoch,
        result.images_per_second,
        result.total_seconds,
        record.peak_memory_mib if record else None,
    )


def _numbers(estimate: Estimate | None) -> tuple[Any, ...]:
    """Value, ends of the interval, count."""
    return (None,) * 4 if estimate is None else (estimate.value, estimate.low, estimate.high, estimate.count)


def _field(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else value
