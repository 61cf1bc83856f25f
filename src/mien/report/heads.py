"""The further heads of networks with several: how each answers for its own kind of targets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mien.datasets.dataset import Role
from mien.report.averages import Figures, figures_of
from mien.report.results import Result
from mien.report.tables import Frame


@dataclass(frozen=True, eq=False)
class HeadFigures:
    """One head of a result, on the test images that it can be judged by.

    Attributes:
        result: which one; its own figures are those of the first head.
        name: of the head: its kind of targets.
        first: whether it is the first.
        classes: how many expressions it tells apart.
        figures: on its test images.
    """

    result: Result
    name: str
    first: bool
    classes: int
    figures: Figures


def heads_of(result: Result) -> list[HeadFigures]:
    """Every head of a result, the first first; none of a network with one, or of a run without figures."""
    record = result.record
    if record is None or result.scores is None or not record.heads:
        return []
    first = HeadFigures(
        result,
        record.head_names[0],
        first=True,
        classes=len(record.label_set),
        figures=Figures(result.scores.accuracy, result.scores.log_loss.value),
    )
    return [
        first,
        *(
            HeadFigures(
                result,
                name,
                first=False,
                classes=len(head.label_set),
                figures=figures_of(head.predictions[result.readout, Role.TEST]),
            )
            for name, head in record.heads.items()
        ),
    ]


def heads_frame(entries: Iterable[HeadFigures]) -> Frame:
    """One line a head: which, how many classes and test images, and its figures."""
    columns = "run title epochs head first classes images accuracy accuracy_low accuracy_high log_loss"
    return Frame(
        tuple(columns.split()),
        tuple(
            (
                entry.result.run.id,
                entry.result.title,
                entry.result.readout,
                entry.name,
                entry.first,
                entry.classes,
                entry.figures.accuracy.count,
                entry.figures.accuracy.value,
                entry.figures.accuracy.low,
                entry.figures.accuracy.high,
                entry.figures.log_loss,
            )
            for entry in entries
        ),
    )
