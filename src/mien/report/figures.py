"""Figures, data first and drawing second; the house style, which `diagrams` and `pictures` draw in, too.

Every figure is a frozen data class and a function that draws it. `render_svg` gives a file on white for slides and
print, and `inline` makes of it the element of a page whose colours are CSS variables, so that one drawing fits the
light page, the dark page and paper. matplotlib's own settings are left as they were.
"""

from __future__ import annotations

import functools
import html
import io
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.errors import MissingExtraError
from mien.evaluation.calibration import ReliabilityBin
from mien.evaluation.intervals import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

Data = TypeVar("Data")

# Colours of the files on white, and the CSS variable that takes each one's place on the page. Blue and vermilion are
# Okabe & Ito's, told apart by all common forms of colour blindness; line style and marker repeat what they say.
GROUND, INK, FAINT, GRID = "#ffffff", "#1c1e22", "#63676e", "#d8dade"
FIRST, SECOND, ON_FIRST = "#0072b2", "#d55e00", "#fffffe"
CSS_VARIABLES = {
    GROUND: "var(--ground)",
    INK: "var(--ink)",
    FAINT: "var(--ink-faint)",
    GRID: "var(--rule)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    ON_FIRST: "var(--on-first)",
}

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": GROUND,
    "figure.edgecolor": GROUND,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.7,
    "text.color": INK,
    # A title is text, whatever dollar signs it holds.
    "text.parse_math": False,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    # Text stays text: it can be selected, searched and read aloud.
    "svg.fonttype": "none",
}

# Characters of a line's label before it is broken.
_LABEL_WIDTH = 46

_OFFSET: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8}

# Offsets in points from a dot to its label, the first free one is taken, and how the text stands to that place.
_LABEL_PLACES: tuple[tuple[float, float, str, str], ...] = (
    (6, 0, "left", "center"),
    (-6, 0, "right", "center"),
    (0, 6, "center", "bottom"),
    (0, -6, "center", "top"),
    (5, 7, "left", "bottom"),
    (5, -7, "left", "top"),
    (-5, 7, "right", "bottom"),
    (-5, -7, "right", "top"),
)


@dataclass(frozen=True)
class CurvesData:
    """Learning curves of one run.

    Attributes:
        epochs: shape (E,), from 1.
        loss: shape (E,), on the training batches as they went by; NaN where it was not a number.
        accuracy: likewise, 0 to 1.
        validation_loss: shape (E,), after each epoch, on the validation role.
        validation_accuracy: likewise, 0 to 1.
        chosen: the epochs whose weights were evaluated.
    """

    epochs: tuple[int, ...]
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    chosen: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class ConfusionData:
    """A confusion matrix.

    Attributes:
        labels: K names.
        counts: shape (K, K), images by label (row) and by answer (column).
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class ReliabilityData:
    """How probable answers were said to be, and how often they were right: the bins that hold images."""

    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot: its label, its accuracy, and a remark ("answers only …") or an empty text."""

    label: str
    accuracy: Estimate
    remark: str = ""


@dataclass(frozen=True)
class ForestData:
    """Accuracies with their intervals, against the floors that need no network.

    Attributes:
        rows: from the top down.
        floors: label and accuracy of each floor.
    """

    rows: tuple[ForestRow, ...]
    floors: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class CostPoint:
    """One run in a plot of accuracy against cost.

    Attributes:
        label: written beside the point; empty for a point without a name.
        accuracy: with its interval.
        parameters: of the network; None when unknown.
        seconds: of an epoch; None when unknown.
    """

    label: str
    accuracy: Estimate
    parameters: float | None
    seconds: float | None


@dataclass(frozen=True)
class CostData:
    """Accuracy against what it costs: points, and the floors as label and accuracy."""

    points: tuple[CostPoint, ...]
    floors: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class RecallData:
    """Recall by class and run.

    Attributes:
        labels: K names.
        rows: each run's label and its K recalls, None where the role holds no image of the class; from the top down.
    """

    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Estimate | None, ...]], ...]


def _style(**more: object) -> AbstractContextManager[None]:
    try:
        from matplotlib import rc_context
    except ModuleNotFoundError as error:
        raise MissingExtraError("The report", "report") from error
    context: AbstractContextManager[None] = rc_context({**_STYLE, **more})
    return context


def styled(draw: Callable[[Data], Figure]) -> Callable[[Data], Figure]:
    """The function, drawing in the house style and leaving matplotlib's settings as they were."""

    @functools.wraps(draw)
    def drawn(data: Data) -> Figure:
        with _style():
            return draw(data)

    return drawn


@styled
def draw_forest(data: ForestData) -> Figure:
    """One line a run: accuracy as a dot, its 95% interval as a bar; hollow and in another colour with a remark."""
    figure = _figure(8.2, 1.1 + _height_down([row.label for row in data.rows]))
    axes = figure.subplots()
    for label, value in data.floors:
        axes.axvline(value, color=FAINT, linestyle=(0, (4, 3)), linewidth=1.1)
        axes.annotate(
            label, (value, 1), xycoords=axes.get_xaxis_transform(), xytext=(0, 3), **_OFFSET, va="bottom", ha="left"
        )
    _intervals(axes, [(place, row.accuracy, bool(row.remark)) for place, row in enumerate(data.rows)])
    for place, row in enumerate(data.rows):
        if row.remark:
            axes.annotate(row.remark, (row.accuracy.high, place), xytext=(6, 0), **_OFFSET, va="center", color=SECOND)
    _lines_down(axes, [row.label for row in data.rows])
    axes.set_xlim(*_span((row.accuracy for row in data.rows), data.floors))
    axes.xaxis.set_major_formatter(_percent)
    axes.set_xlabel("accuracy on the test role, with its 95% interval")
    return figure


@styled
def draw_cost(data: CostData) -> Figure:
    """Accuracy against parameters and against seconds an epoch, both on logarithmic axes."""
    figure = _figure(7.4, 3.5)
    panels = figure.subplots(1, 2, sharey=True)
    costs = ([point.parameters for point in data.points], [point.seconds for point in data.points])
    for axes, values in zip(panels, costs, strict=True):
        known = [(cost, point) for cost, point in zip(values, data.points, strict=True) if cost]
        axes.set_xscale("log")
        for cost, point in known:
            _upright_interval(axes, cost, point.accuracy, named=bool(point.label))
        for _, value in data.floors:
            axes.axhline(value, color=FAINT, linestyle=(0, (4, 3)), linewidth=1.1)
        _cost_axis(axes, [cost for cost, _ in known])
        axes.grid()
    panels[0].set_ylim(*_span((point.accuracy for point in data.points), data.floors))
    panels[0].yaxis.set_major_formatter(_percent)
    panels[0].set_title("Accuracy on the test role")
    panels[0].set_xlabel("parameters")
    panels[1].set_xlabel("training time per epoch (s)")
    figure.draw_without_rendering()  # puts the axes in their place, so that room for labels can be measured
    for axes, values in zip(panels, costs, strict=True):
        _place_labels(axes, [(cost, point) for cost, point in zip(values, data.points, strict=True) if cost])
    return figure


@styled
def draw_recall(data: RecallData) -> Figure:
    """One column a class, one line a run: recall as a dot with its 95% interval; hollow where it is 0."""
    figure = _figure(3.2 + 0.95 * len(data.labels), 1.05 + _height_down([label for label, _ in data.rows]))
    columns = figure.subplots(1, len(data.labels), sharex=True, sharey=True, squeeze=False)[0]
    for index, axes in enumerate(columns):
        recalls = [(place, known[index]) for place, (_, known) in enumerate(data.rows)]
        _intervals(axes, [(place, one, one.value == 0.0) for place, one in recalls if one is not None], size=4.0)
        _lines_down(axes, [label for label, _ in data.rows] if not index else None)
        axes.set_title(data.labels[index])
        axes.set_xlim(-0.08, 1.08)
        axes.set_xticks([0.0, 0.5, 1.0], ["0", "50", "100"])
    figure.supxlabel("recall (%)", fontsize=_STYLE["font.size"])
    return figure


def render_svg(figure: Figure, name: str) -> str:
    """A drawing as a file of its own, on white.

    Args:
        figure: what a `draw_…` function gave.
        name: unlike that of any other figure of the page; letters, digits, "-" and "_".
    """
    with _style(**{"svg.hashsalt": name}):
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        text = io.StringIO()
        # Without metadata and with a fixed salt, the same data gives the same file, byte for byte. `savefig` would draw
        # it twice, the first time to lay it out.
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(text, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return text.getvalue()


def render_png(figure: Figure) -> bytes:
    """A drawing as PNG on white, 200 dots an inch."""
    with _style():
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=200, metadata={"Software": None})
    return png.getvalue()


def inline(svg: str, name: str, description: str) -> str:
    """The element of a page for an SVG file: ids of its own, CSS colours, the page's typeface and a description.

    Args:
        svg: what `render_svg` or a `sketch_…` function gave.
        name: as for `render_svg`.
        description: what the figure shows, for people who do not see it.
    """
    opening = re.search(r'<svg[^>]*?width="([\d.]+)pt"[^>]*?viewBox="([^"]*)"[^>]*>', svg)
    if opening is None:
        raise ValueError(f"Expected matplotlib's SVG of figure {name}. Received: {svg[:200]!r}")
    # The style element of the file would hold for the whole page.
    inner = re.sub(r"<style.*?</style>", "", svg[opening.end() :], flags=re.DOTALL)
    inner = re.sub(r'\bid="', f'id="{name}-', inner)
    inner = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", inner)
    inner = re.sub(r"font: (?:[a-z]+ )*([\d.]+px)[^;\"]*", r"font-size: \1", inner)
    inner = re.sub(r";? ?font-family: [^;\"]*", "", inner)
    inner = re.sub(
        r"(fill|stroke): (#[0-9a-f]{6})",
        lambda match: f"{match[1]}: {CSS_VARIABLES.get(match[2], match[2])}",
        inner,
    )
    inner = _without_ballast(inner)
    width, box = opening.groups()
    return (
        f'<svg role="img" aria-label="{html.escape(description)}" viewBox="{box}" preserveAspectRatio="xMinYMin" '
        f'style="width: {float(width):.0f}pt; stroke-linejoin: round">{inner}'
    )


def _without_ballast(drawing: str) -> str:
    """The elements of a drawing without what is not seen: half of a page with twenty networks would be that."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', drawing))
    drawing = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", drawing)
    drawing = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", drawing)
    # A hundredth of a point is enough for a place; numbers that are words stay as they are.
    drawing = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), drawing)
    return re.sub(r"\s*\n\s*", "\n", drawing).replace("\nL ", "L").replace('\nz\n"', 'z"')


def _figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, outside pyplot and its global list of figures."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """At most so many round numbers between two ends, for an axis."""
    try:
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError as error:
        raise MissingExtraError("The report", "report") from error
    found = MaxNLocator(most, integer=whole, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(value) for value in found if low <= value <= high]


def bare_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches, and invisible axes over all of it that count inches from the top left corner."""
    figure = _figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_autoscale_on(False)
    return figure, axes


def colour_scale(low: str, middle: str, high: str) -> Any:
    """A scale of colours from one by way of another to a third."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("mien", (low, middle, high))


def _broken(label: str) -> str:
    """A label in lines that leave room for what it labels."""
    return textwrap.fill(label, _LABEL_WIDTH)


def _height_down(labels: Sequence[str]) -> float:
    """Inches that labelled lines need, one below the other."""
    most_lines = max((_broken(label).count("\n") + 1 for label in labels), default=1)
    return len(labels) * (0.1 + 0.16 * most_lines)


def _percent(value: float, _: float) -> str:
    return f"{100 * value:g}%"


def _short(value: float) -> str:
    """A number of any size in a few characters: 0.5, 20, 3 k, 25 M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def _intervals(axes: Axes, estimates: Sequence[tuple[int, Estimate, bool]], *, size: float = 5.5) -> None:
    """Intervals with their dots, each at its place; odd ones hollow and in another colour. Few artists draw fast."""
    for odd, colour in ((False, FIRST), (True, SECOND)):
        chosen = [(place, estimate) for place, estimate, is_odd in estimates if is_odd is odd]
        if chosen:
            places, found = zip(*chosen, strict=True)
            axes.hlines(places, [one.low for one in found], [one.high for one in found], color=colour, linewidth=1.7)
            axes.plot(
                [one.value for one in found],
                places,
                linestyle="",
                marker="o",
                markersize=size,
                color=colour,
                markerfacecolor=GROUND if odd else colour,
            )


def _upright_interval(axes: Axes, cost: float, estimate: Estimate, *, named: bool) -> None:
    colour = FIRST if named else FAINT
    axes.plot([cost, cost], [estimate.low, estimate.high], color=colour, linewidth=1.2)
    axes.plot([cost], [estimate.value], marker="o", markersize=5.5 if named else 3.5, color=colour)


def _lines_down(axes: Axes, labels: Sequence[str] | None) -> None:
    """Labelled lines from the top down, without an axis line; long labels are broken. None: they stand already."""
    if labels is not None:
        axes.set_yticks(range(len(labels)), [_broken(label) for label in labels])
        axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def _span(accuracies: Iterable[Estimate], floors: Sequence[tuple[str, float]]) -> tuple[float, float]:
    """Ends of an axis that holds all intervals and floors with some air."""
    ends = [end for accuracy in accuracies for end in (accuracy.low, accuracy.high)] + [value for _, value in floors]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    air = 0.06 * max(high - low, 0.05)
    return low - air, high + air


def _cost_axis(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis that holds the values with room for their labels, with a few ticks whatever it spans."""
    from matplotlib.ticker import LogLocator

    low, high = (min(values), max(values)) if values else (1.0, 10.0)
    air = max((high / low) ** 0.15, 1.6)
    axes.set_xlim(low / air, high * air)
    steps = (1.0, 2.0, 5.0) if high / low < 100 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.xaxis.set_minor_formatter(lambda *_: "")


def _place_labels(axes: Axes, points: Sequence[tuple[float, CostPoint]]) -> None:
    """Write each point's label where it covers neither another label nor another point, as far as there is room."""
    room = axes.get_window_extent()
    dots = [axes.transData.transform((cost, point.accuracy.value)) for cost, point in points]
    taken: list[Bbox] = []
    for cost, point in sorted(points, key=lambda pair: -pair[1].accuracy.value):
        if not point.label:
            continue
        where = (cost, point.accuracy.value)
        best: tuple[int, int, Annotation, Bbox] | None = None
        for rank, (right, up, ha, va) in enumerate(_LABEL_PLACES):
            text = axes.annotate(point.label, where, xytext=(right, up), **_OFFSET, ha=ha, va=va, in_layout=False)
            box = text.get_window_extent()
            inside = room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
            clashes = box.count_overlaps(taken) + box.count_contains(dots) + 10 * (not inside)
            if best is None or (clashes, rank) < best[:2]:
                if best is not None:
                    best[2].remove()
                best = (clashes, rank, text, box)
            else:
                text.remove()
        if best is not None:
            taken.append(best[3])
