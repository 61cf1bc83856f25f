"""Models that were not trained here, beside those that were: one table with paired tests, and what is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mien.evaluation.metrics import METRICS
from mien.labels import label_text
from mien.report.compared import validation_accuracy
from mien.report.results import NOT_TRAINED_HERE, Result, Results
from mien.report.summary import Statement, listed
from mien.report.tables import CellData, SeedEntry, TableData, floors
from mien.study.plan import Cell
from mien.study.record import RunRecord
from mien.study.spec import Axis, Point, Table

TABLE = "not-trained-here"
# Figures that need no probabilities, since some give labels alone.
METRIC_NAMES = ("accuracy", "balanced_accuracy", "macro_f1")
_SEEN = "seen images"


def beside_table(results: Results) -> TableData | None:
    """Models of others beside ours, each a row; None where the store holds none of others.

    Of each of our networks the result stands there that is best on the validation role, so that the test role has no
    part in the choice.
    """
    if not results.foreign:
        return None
    rows = {result.title: result for result in (*_ours(results), *results.foreign)}
    cells = {
        (title, ""): CellData((SeedEntry(Cell(TABLE, title, "", 0, result.run.id, result.readout), result),))
        for title, result in rows.items()
    }
    spec = Table(
        name=TABLE,
        title="Beside models that were not trained here",
        text=(
            "The answers of the marked models were brought from elsewhere. Of each network that was trained here the "
            "result with the best accuracy on the validation role stands beside them. What a marked model learned "
            "from is not known unless it is said below: some of these images may be among it, and then its figures "
            "are too high."
        ),
        rows=Axis("Model", tuple(Point(title, {"backbone": title}) for title in rows)),
        columns=Axis("", (Point("", {}),)),
        metrics=METRIC_NAMES,
    )
    metrics = tuple(METRICS[name] for name in METRIC_NAMES)
    return TableData(spec, metrics, cells, floors(rows.values(), metrics))


def _ours(results: Results) -> list[Result]:
    """Of each of our networks the result that is best on the validation role."""
    best: dict[str, Result] = {}
    for result in results.scored:
        known = best.get(result.backbone)
        if known is None or (validation_accuracy(result) or 0.0) > (validation_accuracy(known) or 0.0):
            best[result.backbone] = result
    return list(best.values())


def foreign_statement(results: Results) -> list[Statement]:
    """What the summary says of models that were not trained here."""
    if not results.foreign:
        return []
    names = listed([result.title.removesuffix(NOT_TRAINED_HERE) for result in results.foreign])
    open_ones = [result for result in results.foreign if result.record and _SEEN in unknown_of(result.record)]
    verb = "was" if len(results.foreign) == 1 else "were"
    text = f"{names} {verb} not trained here: the answers were brought in."
    if open_ones:
        all_of_them = "it" if len(results.foreign) == 1 else "they"
        whose = all_of_them if len(open_ones) == len(results.foreign) else f"{len(open_ones)} of them"
        text += f" What {whose} learned from is unknown, and some of these test images may be among it."
    return [Statement("Not trained here", text, caution=bool(open_ones))]


def unknown_of(record: RunRecord) -> Mapping[str, str]:
    """What is not known of the model behind a foreign record, by heading."""
    return dict((record.foreign or {}).get("unknown", {}))


def facts_of(record: RunRecord) -> dict[str, str]:
    """What was said of the model behind a foreign record, for people."""
    said: Mapping[str, Any] = record.foreign or {}
    order: Sequence[str] = said.get("labels", [label_text(label) for label in record.label_set.expressions])
    facts = {
        "Answers": str(said.get("answers", "")),
        "Its labels, in its order": ", ".join(order),
        **{heading[0].upper() + heading[1:]: text for heading, text in said.get("known", {}).items()},
        "Brought in": record.started,
    }
    return {term: text for term, text in facts.items() if text}
