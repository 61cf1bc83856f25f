"""The three figures that every run has, as SVG written directly: confusion matrix, reliability and learning curves.

matplotlib takes a fifth of a second for each of them, and a report of three hundred runs has nine hundred. What they
show is little: boxes, words, two lines. Data, colours and forms are those of `figures`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mien.report.figures import (
    FAINT,
    FIRST,
    GRID,
    GROUND,
    INK,
    ON_FIRST,
    SECOND,
    ConfusionData,
    CurvesData,
    ReliabilityData,
    ticks,
)

Point = tuple[float, float]

# Points (1/72 inch) of a matrix: what stands around it, and one of its cells.
_LEFT, _TOP, _BELOW, _CELL = 108.0, 26.0, 36.0, (56.0, 33.0)

# Points of the square of reliability, and of the bars below it.
_SQUARE, _SIDE, _BARS = (46.0, 24.0), 190.0, 40.0

# Points of the two panels of curves.
_PANEL, _PANELS, _CURVES = (200.0, 122.0), ((42.0, 24.0), (312.0, 24.0)), (533.0, 202.0)


@dataclass
class Sketch:
    """A drawing in points from the top left corner.

    Attributes:
        width: of the drawing.
        height: of the drawing.
    """

    width: float
    height: float
    _parts: list[str] = field(default_factory=list)
    _texts: dict[str, list[str]] = field(default_factory=dict)

    def box(self, corner: Point, size: Point, colour: str, opacity: float = 1.0) -> None:
        """A filled box."""
        at = f'x="{corner[0]:.1f}" y="{corner[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
        self._parts.append(f'<rect {at} style="fill: {colour}; fill-opacity: {opacity:.3f}"/>')

    def text(
        self, at: Point, text: str, size: float = 9.0, colour: str = INK, anchor: str = "middle", bold: bool = False
    ) -> None:
        """Words whose baseline begins, ends or has its middle at a place. All words lie above all forms."""
        weight = "; font-weight: bold" if bold else ""
        style = f"font-size: {size:g}px; text-anchor: {anchor}; fill: {colour}{weight}"
        # Those of one style together, which is then said once: a matrix of eight classes has 150.
        self._texts.setdefault(style, []).append(f'<text x="{at[0]:.1f}" y="{at[1]:.1f}">{html.escape(text)}</text>')

    def line(self, points: Sequence[Point], colour: str, width: float, *, dashed: bool = False) -> None:
        """A line through points."""
        dashes = "; stroke-dasharray: 6 3" if dashed else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        style = f"fill: none; stroke: {colour}; stroke-width: {width:g}{dashes}"
        self._parts.append(f'<polyline points="{path}" style="{style}"/>')

    def dot(self, at: Point, radius: float, colour: str, *, hollow: bool = False) -> None:
        """A dot, or a ring."""
        style = f"fill: none; stroke: {colour}; stroke-width: 1" if hollow else f"fill: {colour}"
        self._parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:g}" style="{style}"/>')

    def svg(self) -> str:
        """The drawing as a file of its own, on white."""
        box, texts = f"0 0 {self.width:g} {self.height:g}", self._texts.items()
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:g}pt" height="{self.height:g}pt" '
            f'viewBox="{box}">\n<rect width="{self.width:g}" height="{self.height:g}" style="fill: {GROUND}"/>\n'
            f"<g style=\"font-family: 'DejaVu Sans', sans-serif\">\n"
            + "\n".join([*self._parts, *(f'<g style="{style}">{"".join(words)}</g>' for style, words in texts)])
            + "\n</g>\n</svg>\n"
        )


def sketch_confusion(data: ConfusionData) -> str:
    """An SVG of the matrix: the share of each label's images as depth of colour and as text, and the count below it."""
    size = len(data.labels)
    wide, tall = _CELL
    sketch = Sketch(_LEFT + size * wide + 10, _TOP + size * tall + _BELOW)
    sketch.text((_LEFT + 2, 15), "Rows: label (images)", 9.5, anchor="start")
    for row, name in enumerate(data.labels):
        total = int(data.counts[row].sum())
        top = _TOP + row * tall
        sketch.text((_LEFT - 6, top + tall / 2 + 3), f"{name}  ({total:,})", anchor="end")
        sketch.text((_LEFT + (row + 0.5) * wide, _TOP + size * tall + 13), name)
        for column in range(size if total else 0):
            count = int(data.counts[row, column])
            share = count / total
            ink = ON_FIRST if share > 0.7 else INK
            left = _LEFT + column * wide
            sketch.box((left + 1, top + 1), (wide - 2, tall - 2), FIRST, 0.04 + 0.96 * share)
            sketch.text((left + wide / 2, top + tall / 2), f"{share:.0%}", 8, ink, bold=row == column)
            sketch.text((left + wide / 2, top + tall / 2 + 10), f"{count:,}", 6.5, ink)
    sketch.text((_LEFT + size * wide / 2, _TOP + size * tall + 28), "answer of the network")
    return sketch.svg()


def sketch_curves(data: CurvesData) -> str:
    """An SVG of loss and accuracy by epoch: dashed on training batches, solid on the validation role."""
    sketch = Sketch(*_CURVES)
    _panel(sketch, _PANELS[0], "Loss", data, data.loss, data.validation_loss, lambda value: f"{value:g}")
    _panel(
        sketch,
        _PANELS[1],
        "Accuracy",
        data,
        data.accuracy,
        data.validation_accuracy,
        lambda value: f"{100 * value:g}%",
    )
    low = _CURVES[1] - 8
    sketch.line([(112, low - 3), (136, low - 3)], SECOND, 1.7, dashed=True)
    sketch.text((142, low), "training batches", anchor="start")
    sketch.line([(242, low - 3), (266, low - 3)], FIRST, 1.7)
    sketch.text((272, low), "validation role", anchor="start")
    if data.chosen:
        sketch.dot((366, low - 3), 4.5, INK, hollow=True)
        sketch.text((376, low), "evaluated", anchor="start")
    return sketch.svg()


def sketch_reliability(data: ReliabilityData) -> str:
    """An SVG of the bins: how often right against how probable it was said, with the share of the images below."""
    (left, top), side = _SQUARE, _SIDE
    sketch = Sketch(left + side + 14, top + side + _BARS + 40)
    bottom, most = top + side, max(entry.count for entry in data.bins)

    def place(across: float, up: float) -> Point:
        return left + side * across, bottom - side * up

    sketch.text((left, top - 9), "Share of right answers", 9.5, anchor="start")
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        sketch.line([place(0, value), place(1, value)], GRID, 0.7)
        sketch.text((left - 5, place(0, value)[1] + 3), f"{value:.0%}", anchor="end")
        sketch.text((place(value, 0)[0], bottom + _BARS + 17), f"{value:.0%}")
    sketch.line([place(0, 0), place(1, 1)], FAINT, 1.0, dashed=True)
    for entry in data.bins:
        if entry.accuracy is None or entry.confidence is None:
            continue
        height = (_BARS - 6) * entry.count / most
        begin = place(entry.low, 0)[0] + 0.5
        sketch.box((begin, bottom + _BARS - height), (side * (entry.high - entry.low) - 1, height), SECOND, 0.55)
        ends = [place(entry.confidence, value) for value in (entry.accuracy.low, entry.accuracy.high)]
        sketch.line(ends, FIRST, 1.4)
        sketch.dot(place(entry.confidence, entry.accuracy.value), 3, FIRST)
    for level in (bottom, bottom + _BARS):
        sketch.line([(left, level), (left + side, level)], FAINT, 0.8)
    sketch.text((left - 5, bottom + _BARS / 2 + 5), "images", anchor="end")
    sketch.text((left + side / 2, bottom + _BARS + 32), "probability of the answer")
    return sketch.svg()


def _panel(
    sketch: Sketch,
    corner: Point,
    title: str,
    data: CurvesData,
    training: Sequence[float],
    validation: Sequence[float],
    written: Callable[[float], str],
) -> None:
    """One pair of curves with its axes."""
    (left, top), (width, height) = corner, _PANEL
    known = [value for value in (*training, *validation) if math.isfinite(value)] or [0.0, 1.0]
    spread = max(known) - min(known) or abs(known[0]) or 1.0
    low, high = min(known) - 0.05 * spread, max(known) + 0.05 * spread
    first, last = data.epochs[0], data.epochs[-1]
    margin = 0.05 * (last - first) or 0.5

    def place(epoch: float, value: float) -> Point:
        across = (epoch - first + margin) / (last - first + 2 * margin)
        return left + width * across, top + height * (high - value) / (high - low)

    sketch.text((left, top - 8), title, 9.5, anchor="start")
    for value in ticks(low, high, 6):
        level = place(first, value)[1]
        sketch.line([(left, level), (left + width, level)], GRID, 0.7)
        sketch.text((left - 5, level + 3), written(value), anchor="end")
    for epoch in ticks(first, last, 8, whole=True):
        across = place(epoch, low)[0]
        sketch.line([(across, top + height), (across, top + height + 3)], FAINT, 0.8)
        sketch.text((across, top + height + 14), f"{epoch:g}")
    sketch.line([(left, top), (left, top + height), (left + width, top + height)], FAINT, 0.8)
    sketch.text((left + width / 2, top + height + 27), "epoch")
    for values, colour in ((training, SECOND), (validation, FIRST)):
        for points in _pieces([(e, v) for e, v in zip(data.epochs, values, strict=True)]):
            placed = [place(*point) for point in points]
            sketch.line(placed, colour, 1.7, dashed=values is training)
            if len(data.epochs) < 25:
                for at in placed:
                    sketch.dot(at, 2.2, colour)
    reached = dict(zip(data.epochs, validation, strict=True))
    for epoch in sorted(set(data.chosen)):
        if math.isfinite(reached.get(epoch, math.nan)):
            sketch.dot(place(epoch, reached[epoch]), 4.5, INK, hollow=True)


def _pieces(points: Sequence[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """The runs of points whose values are numbers."""
    pieces: list[list[tuple[int, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            pieces[-1].append(point)
        else:
            pieces.append([])
    return [piece for piece in pieces if piece]
