"""Published figures beside the study's own. The two are never mixed: theirs has its source, ours its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mien.evaluation.metrics import METRICS, Metric
from mien.report.compared import place_title, written_points
from mien.report.results import Results
from mien.report.summary import listed
from mien.report.tables import CellData, CellValue, Frame, TableData
from mien.study.reference import Published, Reference


@dataclass(frozen=True)
class Beside:
    """One published figure and what the study has for the same place.

    Attributes:
        row: label of the row.
        column: label of the column.
        metric: which figure.
        ours: the study's number; None where it has none.
        theirs: as printed.
        status: why there is no number of ours; an empty text when there is one.
        remark: what the figures themselves give away ("the share of 'happiness'"); an empty text when nothing.
    """

    row: str
    column: str
    metric: Metric
    ours: CellValue | None
    theirs: Published
    status: str
    remark: str

    @property
    def difference(self) -> float | None:
        """Ours less theirs; None without a number of ours."""
        return None if self.ours is None else self.ours.value - self.theirs.value

    @property
    def inside(self) -> bool | None:
        """Whether their figure lies in our interval, its rounding allowed for; None without a number of ours."""
        if self.ours is None:
            return None
        rounding = 10.0**-self.theirs.decimals / 2
        return self.ours.interval.low - rounding <= self.theirs.value <= self.ours.interval.high + rounding


@dataclass(frozen=True)
class PublishedTable:
    """The published figures of one table beside the study's.

    Attributes:
        name: what the reference is called.
        source: who published it.
        text: what the source says of the table.
        lines: one for each published figure that the study asks for.
        remarks: what is to be known of the published figures, as sentences.
    """

    name: str
    source: str
    text: str
    lines: tuple[Beside, ...]
    remarks: tuple[str, ...]

    def frame(self) -> Frame:
        """One line a published figure."""
        columns = "row column metric ours low high seeds published difference inside_interval status remark source"
        rows = []
        for line in self.lines:
            ours = line.ours
            own = (None,) * 4 if ours is None else (ours.value, ours.interval.low, ours.interval.high, ours.seeds)
            rows.append(
                (
                    line.row,
                    line.column,
                    line.metric.name,
                    *own,
                    str(line.theirs),
                    line.difference,
                    line.inside,
                    line.status or None,
                    line.remark or None,
                    self.source,
                )
            )
        return Frame(tuple(columns.split()), tuple(rows))


def beside(table: TableData, reference: Reference) -> PublishedTable:
    """The published figures of a table beside the study's."""
    held = reference.tables[table.spec.name]
    shares = _label_shares(table)
    lines, elsewhere, copied = [], [], []
    for (row, column, metric), theirs in held.figures.items():
        cell = table.cells.get((row, column))
        if cell is None:
            elsewhere.append(place_title((row, column)))
            continue
        label = _matching_label(theirs, shares) if metric == "accuracy" else None
        if label:
            copied.append(place_title((row, column)))
        lines.append(
            Beside(
                row=row,
                column=column,
                metric=METRICS[metric],
                ours=cell.value(METRICS[metric]),
                theirs=theirs,
                status=_status(cell),
                remark=f"the share of '{label}'" if label else "",
            )
        )
    remarks = []
    if copied:
        remarks.append(
            f"{len(copied)} of the accuracies in {reference.name} are, as printed, the share of one label in the test "
            f"role ({listed(copied)}): what a network scores that answers that label to every face."
        )
    if elsewhere:
        places = listed(list(dict.fromkeys(elsewhere)))
        remarks.append(f"{_capital(reference.name)} also has figures for {places}, which this study does not ask for.")
    return PublishedTable(reference.name, reference.source, held.text, tuple(lines), tuple(remarks))


def contradictions(results: Results, references: Mapping[str, Reference]) -> list[str]:
    """Where a source prints different figures for what is, by the study's plan, one configuration."""
    found: dict[tuple[str, str, int, str], dict[str, Published]] = {}
    for cell in results.plan.cells:
        spec = next(table for table in results.plan.study.tables if table.name == cell.table)
        if spec.reference is None or spec.reference not in references or cell.run_id is None or cell.readout is None:
            continue
        if cell.fold > 1:
            continue
        held = references[spec.reference].tables[cell.table]
        for metric in held.metrics:
            figure = held.figures.get((cell.row, cell.column, metric))
            if figure is not None:
                key = (spec.reference, cell.run_id, cell.readout, metric)
                found.setdefault(key, {})[f"{place_title((cell.row, cell.column))} ({spec.title})"] = figure
    texts = []
    for (file, _, _, metric), figures in found.items():
        values = [figure.value for figure in figures.values()]
        if len(values) > 1 and max(values) - min(values) > 10.0 ** -min(f.decimals for f in figures.values()):
            printed = listed([f"{figure} at {place}" for place, figure in figures.items()])
            texts.append(
                f"{_capital(references[file].name)} prints {METRICS[metric].title.lower()} {printed}. By its recipe "
                "these are one configuration."
            )
    return texts


def agreement(tables: Sequence[PublishedTable]) -> str:
    """How many published accuracies lie in our intervals, in a sentence; an empty text when there are none."""
    lines = [line for table in tables for line in table.lines if line.metric.name == "accuracy"]
    ours = [line for line in lines if line.difference is not None]
    if not ours:
        return ""
    inside = sum(bool(line.inside) for line in ours)
    differences = sorted(line.difference for line in ours if line.difference is not None)
    middle = differences[len(differences) // 2]
    return (
        f"Of {len(lines)} published accuracies that the study asks for, {len(ours)} have a number of ours beside them; "
        f"{inside} of those lie inside our 95% interval. The middle difference, ours less theirs, is "
        f"{written_points(middle)} points, from {written_points(differences[0])} to {written_points(differences[-1])}."
    )


def _label_shares(table: TableData) -> dict[str, float]:
    """The share of each label in the test role of the table's results, 0 to 1."""
    for cell in table.cells.values():
        for entry in cell.entries:
            if entry.result is not None and entry.result.scores is not None:
                scores = entry.result.scores
                return {each.expression.value: each.support / scores.count for each in scores.classes if each.support}
    return {}


def _matching_label(theirs: Published, shares: Mapping[str, float]) -> str | None:
    # With fewer decimals a match would be chance.
    if theirs.decimals < 3:
        return None
    return next((label for label, share in shares.items() if theirs.matches(share)), None)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _status(cell: CellData) -> str:
    if any(entry.result is not None and entry.result.scores for entry in cell.entries):
        return ""
    return cell.gaps[0].status if cell.gaps else "not run yet"
