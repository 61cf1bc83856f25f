"""The report: one self-contained HTML page beside its tables (CSV) and figures (SVG)."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.datasets.protocol import Opening
from mien.errors import MissingExtraError, ReportError
from mien.evaluation.metrics import METRICS, Metric
from mien.files import text_bytes, write_text
from mien.report import figures
from mien.report.averages import averages_frame, averages_of
from mien.report.beside import METRIC_NAMES, beside_table, facts_of, foreign_statement, unknown_of
from mien.report.checks import Diagnosis, Evidence, diagnose
from mien.report.compared import (
    AxisEffect,
    Choice,
    TableComparison,
    axis_effects,
    choices,
    compare_tables,
    compared_frame,
    corrected,
    written_points,
)
from mien.report.conclusions import Tried, claimed, conclude, tried_claim
from mien.report.diagrams import DiagramData, draw_diagram, large
from mien.report.heads import heads_frame, heads_of
from mien.report.published import PublishedTable, agreement, beside, contradictions
from mien.report.results import NOT_TRAINED_HERE, Result, Results, collect, flat_settings
from mien.report.sketch import sketch_confusion, sketch_curves, sketch_reliability
from mien.report.summary import summarise
from mien.report.tables import (
    Frame,
    TableData,
    classes_frame,
    confusion_frame,
    history_frame,
    reliability_frame,
    runs_frame,
    study_tables,
)
from mien.study.backbones import backbone_title
from mien.study.plan import Plan, PlannedRun
from mien.study.record import RunRecord
from mien.study.reference import Reference
from mien.study.structure import NetworkStructure
from mien.wording import count_text

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_FILE = "report.html"

# The columns of the overview that follow the two accuracies.
_OVERVIEW = tuple(METRICS[name] for name in ("balanced_accuracy", "macro_f1", "top2", "log_loss"))


_OF_VOTES = " It has learned which share of the taggers would agree; the answer of most is right more often than that."


@dataclass(frozen=True)
class FigureView:
    """A figure on the page.

    Attributes:
        name: of its files, without suffix.
        title: above it.
        caption: below it: how to read it.
        svg: the drawing, as a file of its own.
    """

    name: str
    title: str
    caption: str
    svg: str

    @property
    def inline(self) -> str:
        """The drawing as an element of the page."""
        return figures.inline(self.svg, self.name, f"{self.title}. {self.caption}")


class Gallery:
    """Draws the figures of a report, and takes those that are there already and show the same data.

    A file says in its last line what it was drawn from (a hash of data and drawing code) and what it holds (a hash of
    itself): one that was changed or cut is drawn again.
    """

    def __init__(self, folder: Path) -> None:
        """Take figures from this folder, which may be missing."""
        self.folder = folder

    def view(self, name: str, title: str, caption: str, draw: Callable[[Any], Any], data: Any) -> FigureView:
        """A figure of the page.

        Args:
            name: of its file, without suffix.
            title: above it.
            caption: below it.
            draw: gives a matplotlib figure, or an SVG, of the data.
            data: a data class of `figures` or `diagrams`.
        """
        text = json.dumps(
            asdict(data), default=lambda value: value.tolist() if hasattr(value, "tolist") else str(value)
        )
        key = _hash(f"{_drawing_code()} {draw.__name__} {name} {text}")
        with suppress(OSError, ValueError):
            svg, last = (self.folder / f"{name}.svg").read_text(encoding="utf-8").rsplit("<!-- ", 1)
            if last == _last_line(key, svg):
                return FigureView(name, title, caption, svg + "<!-- " + last)
        drawn = draw(data)
        svg = drawn if isinstance(drawn, str) else figures.render_svg(drawn, name)
        return FigureView(name, title, caption, f"{svg}<!-- {_last_line(key, svg)}")


def _last_line(key: str, svg: str) -> str:
    return f"mien {key} {_hash(svg)} -->\n"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def _drawing_code() -> str:
    """Names the code that draws, so that no figure outlives a change of it."""
    try:
        folder = Path(__file__).parent
        sources = [(folder / f"{name}.py").read_text(encoding="utf-8") for name in ("figures", "diagrams", "sketch")]
        return _hash("".join([*sources, version("matplotlib")]))
    except (OSError, PackageNotFoundError):
        return version("mien")


@dataclass(frozen=True, eq=False)
class ResultView:
    """One readout in the details of a run.

    Attributes:
        result: its figures.
        figures: its confusion matrix and its reliability, where it has scores.
    """

    result: Result
    figures: tuple[FigureView, ...]


@dataclass(frozen=True, eq=False)
class RunView:
    """The details of one run: its readouts, its learning curves, its settings."""

    run: PlannedRun
    title: str
    record: RunRecord | None
    readouts: tuple[ResultView, ...]
    curves: FigureView | None
    settings: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class ForeignView:
    """The details of a model that was not trained here.

    Attributes:
        view: its result, and the figures of it.
        facts: what was said of it.
        unknown: what is not known of it, by heading.
    """

    view: ResultView
    facts: Mapping[str, str]
    unknown: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class NetworkView:
    """A backbone, for images of one size, that runs were made with.

    Attributes:
        title: the backbone's name for people.
        outcome: what it costs, in a few words.
        diagram: its stages and blocks.
    """

    title: str
    outcome: str
    diagram: FigureView


@dataclass(frozen=True, eq=False)
class TableView:
    """One table of the study with all that is said of it.

    Attributes:
        data: the table.
        comparisons: by metric, which of its results differ; of accuracy always.
        effects: of its axes.
        chosen: the columns that its rows are judged by, where it chooses them.
        published: figures of others beside its own; None without a reference.
    """

    data: TableData
    comparisons: Mapping[str, TableComparison]
    effects: tuple[AxisEffect, ...]
    chosen: tuple[Choice, ...]
    published: PublishedTable | None

    @property
    def comparison(self) -> TableComparison:
        """Which of its results differ in accuracy."""
        return self.comparisons["accuracy"]

    @property
    def leaders(self) -> dict[str, set[tuple[str, str]]]:
        """By metric, the places that are shaded."""
        return {metric.name: self.comparisons[metric.name].leaders for metric in self.data.metrics}


@dataclass(frozen=True, eq=False)
class DataView:
    """One data set and split that runs were made on.

    Attributes:
        facts: term and text.
        expressions: the columns of the counts.
        counts: by role, images of each expression and in all; None where the record does not say.
        notes: what reading and splitting told.
        runs: how many runs used it.
    """

    facts: Mapping[str, str]
    expressions: tuple[str, ...]
    counts: Mapping[str, tuple[int | None, ...]]
    notes: tuple[str, ...]
    runs: int


def write_report(
    plan: Plan,
    records: Mapping[str, RunRecord],
    folder: Path,
    *,
    foreign: Sequence[RunRecord] = (),
    openings: Sequence[Opening] = (),
    references: Mapping[str, Reference] | None = None,
    now: datetime | None = None,
    cache: Path | None = None,
    page_only: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write the report of a study, as far as its runs have got.

    Args:
        plan: of the study.
        records: by run id. Runs of the plan may be missing; others are left aside.
        folder: gets `report.html`, `tables/*.csv` and `figures/*.svg`; made where needed. Files of these names are
            replaced, but figures that show the same as before are kept. With `page_only` it may be a file that ends in
            ".html": the page itself.
        foreign: records of models that were not trained here, to stand beside the study's.
        openings: the store's log of openings of test labels.
        references: published figures that tables of the study name, by file name; those that are missing are not shown.
        now: the date on the page; the present when None.
        cache: a folder that keeps the scores of records, so that the next report need not compute them; see `Measurer`.
        page_only: write the page alone, which then names no other file.
        progress: told how many of how many steps are done.

    Returns:
        The path of the page, which needs no other file, no network and no script.

    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
        ReportError: the folder cannot be written to, or is named as a page.
    """
    path = folder / PAGE_FILE
    if folder.suffix.lower() == ".html" and not folder.is_dir():
        if not page_only:
            raise ReportError(
                f"{folder} would be a page alone, and a report is a folder with a page, tables and figures. Name the "
                f"folder, such as {folder.with_suffix('')}, or say --page-only (page_only=True)."
            )
        folder, path = folder.parent, folder
    environment = page_environment()
    environment.globals["page_only"] = page_only
    references = references or {}
    steps = 2 * len(plan.runs) + 1
    compared = METRIC_NAMES if foreign else ()
    results = collect(
        plan,
        records,
        foreign=foreign,
        metrics=compared,
        cache=cache,
        progress=lambda done, _: progress(done, steps),
    )
    progress(len(plan.runs), steps)
    gallery = Gallery(folder / "figures")
    beside_others = beside_table(results)
    asked = study_tables(results)
    tables, tried = _table_views(plan, [*asked, beside_others] if beside_others else asked, references)
    own = tables[: len(asked)]
    findings = diagnose(Evidence(results, [view.data for view in own], [view.comparison for view in own]))
    effects = [effect for view in tables for effect in view.effects]
    overview = _overview_figures(results, gallery)
    runs = []
    for run in plan.runs:
        runs.append(_run_view(results, run, gallery))
        progress(len(plan.runs) + len(runs), steps)
    others = [_foreign_view(result, gallery) for result in results.foreign]
    networks = _network_views(results, gallery)
    averages = [entry for result in results.scored_runs if (entry := averages_of(result)) is not None]
    heads = [entry for result in results.scored_runs for entry in heads_of(result)]
    frames = {
        **{name: frame for view in tables for name, frame in _table_frames(view).items()},
        **{name: frame for name, frame in _finding_frames(findings, effects, tried).items() if frame.rows},
        **({"averages": averages_frame(averages)} if averages else {}),
        **({"heads": heads_frame(heads)} if heads else {}),
        "runs": runs_frame(results),
        "classes": classes_frame(results),
        "confusion": confusion_frame(results),
        "history": history_frame(results),
        "reliability": reliability_frame(results),
    }
    page = environment.get_template("report.html.j2").render(
        study=plan.study,
        version=version("mien"),
        now=now or datetime.now(UTC),
        results=results,
        statements=[*summarise(results, [view.comparison for view in tables]), *foreign_statement(results)],
        tables=tables,
        findings=findings,
        conclusions=conclude(
            [view.comparison for view in tables], effects, [choice for view in tables for choice in view.chosen]
        ),
        tried=tried,
        agreement=agreement([view.published for view in tables if view.published]),
        contradictions=contradictions(results, references),
        accuracy=METRICS["accuracy"],
        metrics=_OVERVIEW,
        overview=overview,
        runs=runs,
        others=others,
        mark=NOT_TRAINED_HERE,
        networks=networks,
        data=_data_views(results),
        protocol=_protocol_view(plan),
        openings=openings,
        averages=averages,
        heads=heads,
        environments=_environments(results.records),
        frames=sorted(frames),
    )
    drawn = overview + [view for run in runs for view in _views_of(run)] + [network.diagram for network in networks]
    drawn += [view for one in others for view in one.view.figures]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not page_only:
            _write_files(folder, frames, drawn)
        write_text(path, page)
    except OSError as error:
        raise ReportError(
            f"The report cannot be written to {folder}: {error.strerror or error}. Name another folder, or make room."
        ) from error
    return path


def slug(name: str) -> str:
    """A name as part of a file name or of an anchor: letters, digits and hyphens.

    >>> slug("Epochs: 10 / 15")
    'epochs-10-15'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"


def page_environment() -> Environment:
    """The templates of pages, with their filters.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingExtraError("The report", "report") from error
    environment = Environment(
        loader=PackageLoader("mien.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["page_only"] = False
    environment.filters.update(slug=slug, number=_number, count=count_text, points=_points)
    return environment


def _write_files(folder: Path, frames: Mapping[str, Frame], drawn: Sequence[FigureView]) -> None:
    for name in ("tables", "figures"):
        (folder / name).mkdir(exist_ok=True)
    for name, frame in frames.items():
        _write_changed(folder / "tables" / f"{name}.csv", frame.to_csv())
    for view in drawn:
        _write_changed(folder / "figures" / f"{view.name}.svg", view.svg)


def _write_changed(path: Path, text: str) -> None:
    """Write a file unless it holds that already: of a report that is written again, most have not changed."""
    with suppress(OSError):
        if path.read_bytes() == text_bytes(text):
            return
    write_text(path, text)


def _table_views(
    plan: Plan, tables: Sequence[TableData], references: Mapping[str, Reference]
) -> tuple[list[TableView], list[Tried]]:
    """All tables with what is said of them, and the claims of others; tests are corrected over all of these."""
    compared: dict[str, dict[str, TableComparison]] = {table.spec.name: {} for table in tables}
    for metric in METRICS.values():
        asked = [table for table in tables if metric in table.metrics or metric.name == "accuracy"]
        for found in compare_tables(asked, metric):
            compared[found.table.spec.name][metric.name] = found
    effects = {table.spec.name: axis_effects(plan.study, table) for table in tables}
    claims = claimed(tables, references)
    known = corrected(
        [one.effect for found in effects.values() for one in found] + [one.effect for one in claims if one.effect]
    )
    views = []
    for table in tables:
        reference = references.get(table.spec.reference or "")
        views.append(
            TableView(
                data=table,
                comparisons=compared[table.spec.name],
                effects=tuple(replace(one, effect=known[one.effect]) for one in effects[table.spec.name]),
                chosen=tuple(choices(table)),
                published=beside(table, reference) if reference else None,
            )
        )
    return views, [tried_claim(replace(one, effect=known[one.effect]) if one.effect else one) for one in claims]


def _table_frames(view: TableView) -> dict[str, Frame]:
    name = slug(view.data.spec.name)
    frames = {f"table-{name}": view.data.frame()}
    compared = compared_frame(list(view.comparisons.values()))
    if compared.rows:
        frames[f"compared-{name}"] = compared
    if view.published:
        frames[f"published-{name}"] = view.published.frame()
    return frames


def _finding_frames(
    findings: Sequence[Diagnosis], effects: Sequence[AxisEffect], tried: Sequence[Tried]
) -> dict[str, Frame]:
    return {
        "findings": Frame(
            ("code", "severity", "title", "subject", "run", "text"),
            tuple(
                (finding.check.code, finding.severity.value, finding.check.title, f.subject, f.run_id, f.text)
                for finding in findings
                for f in finding.found
            ),
        ),
        "effects": Frame(
            (
                "table",
                "position",
                "baseline",
                "difference",
                "low",
                "high",
                "p",
                "adjusted_p",
                "over",
                "verdict",
                "remark",
            ),
            tuple(
                (
                    one.table,
                    one.position,
                    one.baseline,
                    one.effect.difference.value,
                    one.effect.difference.low,
                    one.effect.difference.high,
                    one.effect.p,
                    one.effect.adjusted,
                    one.effect.over,
                    one.effect.verdict,
                    one.effect.remark or None,
                )
                for one in effects
            ),
        ),
        "claims": Frame(
            ("source", "claim", "outcome", "reason"),
            tuple((one.reference, one.claim.text, one.outcome.value, one.reason) for one in tried),
        ),
    }


def _views_of(run: RunView) -> list[FigureView]:
    curves = [] if run.curves is None else [run.curves]
    return curves + [view for readout in run.readouts for view in readout.figures]


# --- figures ---------------------------------------------------------------------------------------------------


def _overview_figures(results: Results, gallery: Gallery) -> list[FigureView]:
    scored = results.everyone
    if not scored:
        return []
    floors = _floor_lines(scored)
    drawn = [
        gallery.view(
            "accuracy",
            "Accuracy of all results",
            "Dot: share of right answers; bar: its 95% interval over test images. Dashed: always giving the commonest "
            "label. Hollow and in another colour: the figure does not speak of the backbone, for the reason beside it.",
            figures.draw_forest,
            figures.ForestData(
                tuple(figures.ForestRow(r.title, r.scores.accuracy, _remark(r)) for r in scored if r.scores), floors
            ),
        ),
        gallery.view(
            "recall",
            "Recall of each expression",
            "Share of the images of each label that were given that label, with its 95% interval. Hollow: none was. "
            "A network that is good on average can miss an expression altogether.",
            figures.draw_recall,
            _recall_data(scored),
        ),
    ]
    timed = _timed_on(results.scored)
    if points := _cost_points(results.scored, timed[:1]):
        drawn.append(
            gallery.view(
                "cost",
                "Accuracy against cost",
                "Named: the best result of each backbone; small grey dots: its others. Bars are 95% intervals, the "
                "dashed line is the floor. Both horizontal axes are logarithmic."
                + (f" Seconds are those of {timed[0]} alone: times of unlike machines say nothing." * (len(timed) > 1)),
                figures.draw_cost,
                figures.CostData(tuple(points), floors),
            )
        )
    return drawn


def _run_view(results: Results, run: PlannedRun, gallery: Gallery) -> RunView:
    entries = [entry for entry in results.entries if entry.run.id == run.id]
    record, title = entries[0].record, results.titles[run.id]
    return RunView(
        run=run,
        title=title,
        record=record,
        readouts=tuple(ResultView(entry, _result_figures(entry, gallery)) for entry in entries),
        curves=_curves_view(title, record, gallery) if record and record.history else None,
        settings=_shown(run.recipe.to_json()),
    )


def _foreign_view(result: Result, gallery: Gallery) -> ForeignView:
    record = result.record
    if record is None:
        raise ValueError(f"Expected the record of a model that was not trained here. Received: {result.title}.")
    return ForeignView(ResultView(result, _result_figures(result, gallery)), facts_of(record), unknown_of(record))


def _curves_view(title: str, record: RunRecord, gallery: Gallery) -> FigureView:
    history = record.history
    data = figures.CurvesData(
        epochs=tuple(epoch.epoch for epoch in history),
        loss=tuple(epoch.loss for epoch in history),
        accuracy=tuple(epoch.accuracy for epoch in history),
        validation_loss=tuple(epoch.validation_loss for epoch in history),
        validation_accuracy=tuple(epoch.validation_accuracy for epoch in history),
        chosen=record.chosen,
    )
    return gallery.view(
        f"curves-{slug(record.id)}",
        f"Learning curves of {title}",
        "Dashed: training batches as they went by, while the weights changed. Solid: validation role after each epoch. "
        "Circled: the epochs whose weights were evaluated.",
        sketch_curves,
        data,
    )


def _result_figures(result: Result, gallery: Gallery) -> tuple[FigureView, ...]:
    scores = result.scores
    if scores is None:
        return ()
    labels = tuple(expression.value for expression in scores.label_set.expressions)
    name = f"{slug(result.run.id)}-{result.readout}"
    when = "" if result.is_foreign else f" after {count_text(result.readout, 'epoch')}"
    return (
        gallery.view(
            f"confusion-{name}",
            f"Confusion matrix{when}",
            "Each row: the images of one label, as shares of the row and as counts. The diagonal is recall.",
            sketch_confusion,
            figures.ConfusionData(labels, np.array(scores.confusion, dtype=np.int64)),
        ),
        gallery.view(
            f"reliability-{name}",
            f"Reliability{when}",
            "Dots: how often answers of about one probability were right, with the 95% interval. On the dashed line "
            "they mean what they say; below it the network is too sure. Bars: how many images have such a probability."
            + _OF_VOTES
            * (result.run.protocol.targets == "votes"),
            sketch_reliability,
            figures.ReliabilityData(scores.reliability),
        ),
    )


def _network_views(results: Results, gallery: Gallery) -> list[NetworkView]:
    """One view for each backbone and size of its input, of the records that say how their network is built."""
    found: dict[tuple[str, NetworkStructure], None] = {}
    for record in results.records:
        # Records of older versions do not have it, and one that cannot be read is no reason to have no report.
        with suppress(LookupError, TypeError, ValueError):
            structure = NetworkStructure.from_json(record.network["structure"])
            found.setdefault((record.recipe["backbone"], structure))
    views = []
    for backbone, structure in found:
        title = backbone_title(backbone)
        size = "×".join(map(str, structure.input[:2]))
        views.append(
            NetworkView(
                title=title,
                outcome=f"input {size}, {count_text(len(structure.stages), 'stage')}, "
                f"{large(structure.parameters)} parameters, {large(structure.multiply_adds)} multiply-adds an image",
                diagram=gallery.view(
                    f"network-{slug(backbone)}-{size.replace('×', 'x')}",
                    f"Stages and blocks of {title}",
                    "From the top down: the size of the maps, the blocks (× says how often in a row), and each stage's "
                    "share of parameters and of multiply-adds (convolutions and dense layers), all without the head.",
                    draw_diagram,
                    DiagramData(title, structure),
                ),
            )
        )
    return views


def _floor_lines(scored: Sequence[Result]) -> tuple[tuple[str, float], ...]:
    shares = {(f"always '{r.scores.majority.value}'", r.scores.majority_share.value): None for r in scored if r.scores}
    return tuple(shares)


def _remark(result: Result) -> str:
    remarks = [result.collapse.badge] if result.collapse else []
    return ", ".join(remarks + ["invalid pair"] * bool(result.unsound))


def _recall_data(scored: Sequence[Result]) -> figures.RecallData:
    """Recalls by expression, over all the expressions that occur: studies may compare label sets."""
    labels = list(dict.fromkeys(entry.expression.value for r in scored if r.scores for entry in r.scores.classes))
    rows = []
    for result in scored:
        if result.scores is not None:
            recalls = {entry.expression.value: entry.recall for entry in result.scores.classes}
            rows.append((result.title, tuple(recalls.get(label) for label in labels)))
    return figures.RecallData(tuple(labels), tuple(rows))


def _timed_on(scored: Sequence[Result]) -> list[str]:
    """The hardware on which results were computed, the one of most results first."""
    return [name for name, _ in Counter(r.records[0].hardware for r in scored if r.timed).most_common()]


def _cost_points(scored: Sequence[Result], timed: Sequence[str]) -> list[figures.CostPoint]:
    """Accuracy against what it costs, in seconds where they are of the hardware `timed`."""
    named: set[str] = set()
    points = []
    for result in scored:
        record = next(iter(result.records), None)
        if result.scores is None or record is None:
            continue
        name = result.run.recipe.backbone
        points.append(
            figures.CostPoint(
                label="" if name in named else result.backbone,
                accuracy=result.scores.accuracy,
                parameters=record.network.get("parameters"),
                seconds=result.seconds_per_epoch if record.hardware in timed else None,
            )
        )
        named.add(name)
    return points


# --- words and numbers -----------------------------------------------------------------------------------------


def _data_views(results: Results) -> list[DataView]:
    groups: dict[tuple[Any, Any], list[RunRecord]] = {}
    foreign = [result.record for result in results.foreign if result.record is not None]
    for record in [*results.records, *foreign]:
        groups.setdefault((record.data.get("fingerprint"), record.data.get("split")), []).append(record)
    scored = {r.record.id: r.scores for r in (*results.scored_runs, *results.foreign) if r.record and r.scores}
    views = []
    for records in groups.values():
        data = records[0].data
        expressions = tuple(expression.value for expression in records[0].label_set.expressions)
        counts = {role: _counts(value, expressions) for role, value in data.get("counts", {}).items()}
        # The labels of the test role are known from the evaluation that opened them, not from the split.
        tested = next((scored[record.id] for record in records if record.id in scored), None)
        if tested is not None:
            counts["test"] = (*(entry.support for entry in tested.classes), tested.count)
        facts = {
            "Name": data.get("name"),
            "Licence": data.get("licence"),
            "Images": _size(data.get("size"), data.get("channels", "gray")),
            "Fingerprint of the content": data.get("fingerprint"),
            "Hash of the split": data.get("split"),
        }
        views.append(
            DataView(
                facts={term: str(text) for term, text in facts.items() if text},
                expressions=expressions,
                counts=counts,
                notes=tuple(data.get("notes", ())),
                runs=len(records),
            )
        )
    return views


def _counts(value: Any, expressions: Sequence[str]) -> tuple[int | None, ...]:
    """Images of each expression and in all, of a mapping or of a bare total."""
    if isinstance(value, Mapping):
        numbers = [int(value.get(name, 0)) for name in expressions]
        return (*numbers, sum(numbers))
    return (*(None for _ in expressions), int(value))


def _size(value: Any, channels: str) -> str | None:
    if value is None:
        return None
    sides = list(value) if isinstance(value, Sequence) else [value, value]
    return " × ".join(str(side) for side in sides) + f" pixels, {'in colour' if channels == 'rgb' else channels}"


def _environments(records: Sequence[RunRecord]) -> dict[str, dict[str, int]]:
    """For each fact of the environment, its values with the number of runs that had it."""
    return _values(record.environment for record in records)


def _protocol_view(plan: Plan) -> dict[str, str]:
    """The protocol that the runs were asked for, which tables may change; with the number of runs where it differs."""
    # Which fold a run tests is no choice of the study, unless it names one.
    own = plan.study.protocol
    asked = [asdict(replace(run.protocol, fold=own.fold)) for run in plan.runs] or [asdict(own)]
    return {
        key: ", ".join(f"{value} ({count_text(runs, 'run')})" for value, runs in found.items())
        if len(found) > 1
        else "".join(found)
        for key, found in _values(asked).items()
    }


def _values(settings: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """For each key its values, as they are shown, with how many times there is each."""
    found: dict[str, Counter[str]] = {}
    for one in settings:
        for key, value in _shown(one).items():
            found.setdefault(key, Counter())[value] += 1
    return {key: dict(values) for key, values in found.items()}


def _shown(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: _written(value) for key, value in flat_settings(values).items()}


def _written(value: Any) -> str:
    """A setting as it stands in a study file."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _points(value: float | None, metric: Metric) -> str:
    """A difference of figures with its sign: in points where they are shares, else as they are written."""
    if value is None:
        return "–"
    return written_points(value) if metric.format.endswith("%") else f"{value:+{metric.format}}"


def _number(value: Any, format_spec: str | Metric = ",.0f") -> str:
    """A number in a format, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return format(value, format_spec.format if isinstance(format_spec, Metric) else format_spec)
