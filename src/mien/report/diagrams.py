"""The diagram of a network: its stages from the top down, their blocks, and what each of them costs."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mien.report.figures import FAINT, FIRST, GRID, GROUND, INK, SECOND, bare_axes, styled
from mien.study.structure import Block, NetworkStructure, Shape, Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches, from the left: where the columns begin, and how wide boxes and bars are.
_WIDTH = 8.0
_SIZES, _BOXES, _PARAMETERS, _ADDS = 0.15, 1.25, 6.0, 7.0
_BOX_WIDTH, _BAR_WIDTH = 4.15, 0.85

# In inches, downwards.
_HEAD, _LINE, _PADDING, _GAP, _STAGE_GAP, _FOOT = 0.98, 0.137, 0.05, 0.1, 0.14, 0.3
_LEAST_STAGE = 0.46
# From this height on, short branches share a line, so that the diagram still is one page.
_PAGE = 11.2

_TEXT = 7.2
# Characters of a box's line at that size.
_CHARACTERS = 64
_BESIDE = "  |  "

_MEANINGS = (
    ("gate", "gate, 8: channels weighed by their global means, by way of 8 numbers"),
    ("depthwise", "depthwise: each channel by itself"),
    ("separable", "separable: depthwise, then 1×1"),
)


@dataclass(frozen=True)
class DiagramData:
    """A network to be drawn: its name for people, and its structure."""

    title: str
    structure: NetworkStructure


@styled
def draw_diagram(data: DiagramData) -> Figure:
    """One page: a row for each stage, with its boxes, and its share of parameters and multiply-adds as bars."""
    structure = data.structure
    for packed in (False, True):
        legend = _legend(structure, packed=packed)
        boxes = [[_lines(block, packed=packed) for block in stage.blocks] for stage in structure.stages]
        heights = [max(_LEAST_STAGE, _stack_height(stage)) for stage in boxes]
        height = _HEAD + sum(heights) + _STAGE_GAP * (2 * len(heights)) + _FOOT + _LINE * len(legend)
        if height <= _PAGE:
            break
    figure, axes = bare_axes(_WIDTH, height)
    _head(axes, data)
    top = _HEAD
    for stage, lines, tall in zip(structure.stages, boxes, heights, strict=True):
        axes.plot([_SIZES, _WIDTH - 0.15], [top, top], color=GRID, linewidth=0.8)
        top += _STAGE_GAP
        _draw_stage(axes, stage, lines, top, tall, structure)
        top += tall + _STAGE_GAP
    axes.plot([_SIZES, _WIDTH - 0.15], [top, top], color=GRID, linewidth=0.8)
    for number, line in enumerate(legend):
        axes.text(_SIZES, top + 0.14 + _LINE * number, line, fontsize=6.6, color=FAINT, va="center")
    return figure


def large(number: float) -> str:
    """A number in three digits and a unit.

    >>> large(23_564_800), large(998), large(3.48e9), large(0)
    ('23.6 M', '998', '3.48 G', '0')
    """
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * size:
            return f"{number / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{number:.0f}"


def shape_text(shape: Shape) -> str:
    """Height, width and channels.

    >>> shape_text((56, 56, 256))
    '56 × 56 × 256'
    """
    return " × ".join(map(str, shape))


def _head(axes: Axes, data: DiagramData) -> None:
    structure = data.structure
    axes.text(_SIZES, 0.24, data.title, fontsize=12, weight="bold", va="center")
    facts = (
        f"input {shape_text(structure.input)}  ·  {large(structure.parameters)} parameters  ·  "
        f"{large(structure.multiply_adds)} multiply-adds an image  ·  without a head"
    )
    axes.text(_SIZES, 0.48, facts, fontsize=8, color=FAINT, va="center")
    for left, title in (
        (_SIZES, "maps"),
        (_BOXES, "blocks, in the order in which an image passes them"),
        (_PARAMETERS, "parameters"),
        (_ADDS, "multiply-adds"),
    ):
        axes.text(left, 0.83, title, fontsize=7, color=FAINT, va="center")


def _draw_stage(
    axes: Axes, stage: Stage, lines: Sequence[list[str]], top: float, tall: float, structure: NetworkStructure
) -> None:
    height, width, channels = stage.output
    middle = top + tall / 2
    axes.text(_SIZES, middle - 0.075, f"{height} × {width}", fontsize=9, weight="bold", va="center")
    axes.text(_SIZES, middle + 0.085, f"{channels:,} channels", fontsize=7, color=FAINT, va="center")
    for left, number, whole in (
        (_PARAMETERS, stage.parameters, structure.parameters),
        (_ADDS, stage.multiply_adds, structure.multiply_adds),
    ):
        share = number / whole if whole else 0.0
        axes.text(left, middle - 0.08, f"{large(number)}  ({_share(number, whole)})", fontsize=_TEXT, va="center")
        axes.barh(middle + 0.07, share * _BAR_WIDTH, height=0.09, left=left, color=FIRST)
        axes.barh(middle + 0.07, _BAR_WIDTH, height=0.09, left=left, color=FIRST, alpha=0.12)
    # A short stage stands in the middle of its row.
    place = middle - _stack_height(lines) / 2
    for number, (block, text) in enumerate(zip(stage.blocks, lines, strict=True)):
        if number:
            _arrow(axes, place - _GAP, place)
        _draw_box(axes, block, text, place)
        place += _box_height(text) + _GAP


def _draw_box(axes: Axes, block: Block, lines: Sequence[str], top: float) -> None:
    tall = _box_height(lines)
    if block.times > 1:
        # A second sheet behind the first says "several", and the number how many.
        _sheet(axes, _BOXES + 0.045, top + 0.035, tall, behind=True)
        axes.text(
            _BOXES + _BOX_WIDTH + 0.1, top + tall / 2, f"× {block.times}", fontsize=9, weight="bold", color=SECOND,
            va="center",
        )  # fmt: skip
    _sheet(axes, _BOXES, top, tall)
    for number, line in enumerate(lines):
        axes.text(_BOXES + 0.07, top + _PADDING + (number + 0.5) * _LINE, line, fontsize=_TEXT, va="center")
    axes.text(
        _BOXES + _BOX_WIDTH - 0.06,
        top + tall - _PADDING - 0.5 * _LINE,
        _channels(block),
        fontsize=6.6,
        color=FAINT,
        va="center",
        ha="right",
    )


def _sheet(axes: Axes, left: float, top: float, tall: float, *, behind: bool = False) -> None:
    options: dict[str, Any] = {"width": _BOX_WIDTH, "bottom": top, "align": "edge"}
    if not behind:
        axes.bar(left, tall, facecolor=GROUND, **options)
        axes.bar(left, tall, facecolor=FIRST, alpha=0.1, **options)
    axes.bar(left, tall, facecolor="none", edgecolor=FIRST, linewidth=0.8, alpha=0.5 if behind else 1.0, **options)


def _arrow(axes: Axes, start: float, end: float) -> None:
    axes.plot([_BOXES + 0.25] * 2, [start, end], color=INK, linewidth=0.8, solid_capstyle="butt")


def _box_height(lines: Sequence[str]) -> float:
    return 2 * _PADDING + _LINE * len(lines)


def _stack_height(boxes: Sequence[Sequence[str]]) -> float:
    return sum(map(_box_height, boxes)) + _GAP * (len(boxes) - 1)


def _share(part: float, whole: float) -> str:
    """A share in percent that says 0 only of nothing."""
    if not part or not whole:
        return "0%"
    return f"{part / whole:.0%}" if part >= 0.005 * whole else "<1%"


def _channels(block: Block) -> str:
    """How the channels change, where they do."""
    before, after = block.input[2], block.output[2]
    return f"{before} → {after}" if before != after else str(after)


def _lines(block: Block, *, packed: bool) -> list[str]:
    """What stands in a box: a line for each path, equal ones once, and the joins; the last has room for channels.

    Args:
        block: what the box stands for.
        packed: whether short paths share a line.
    """
    written: list[str] = []
    for path, count in Counter(block.paths).items():
        text = " → ".join(path) + (f" (× {count})" if count > 1 else "")
        room = next((n for n, line in enumerate(written) if len(line + _BESIDE + text) <= _CHARACTERS), None)
        if packed and room is not None:
            written[room] += _BESIDE + text
        else:
            written += textwrap.wrap(text, _CHARACTERS, subsequent_indent="    ")
    if block.joins:
        joins = (name if count == 1 else f"{name} (× {count})" for name, count in block.joins)
        written.append(", ".join(joins))
    if len(written[-1]) + len(_channels(block)) + 3 > _CHARACTERS:
        written.append("")
    return written


def _legend(structure: NetworkStructure, *, packed: bool) -> list[str]:
    steps = {step for path in _paths(structure) for step in path}
    used = [meaning for word, meaning in _MEANINGS if any(step.startswith(word) for step in steps)]
    text = "; ".join(
        [
            "3×3/2, 64: a convolution of 3 by 3 with stride 2 to 64 channels",
            *used,
            "on the right of a box: its channels",
        ]
    )
    branches = "Each line is a branch, or several with | between them" if packed else "Each line is a branch"
    return textwrap.wrap(
        f"{text}. {branches}. Normalisations and activations are not shown; their parameters count.", 150
    )


def _paths(structure: NetworkStructure) -> Iterator[tuple[str, ...]]:
    for stage in structure.stages:
        for block in stage.blocks:
            yield from block.paths
