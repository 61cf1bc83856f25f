"""Pictures of what a network makes of a face: first filters, maps of the stages, steps of the preprocessing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.insides import FirstFilters, PreprocessingStep, StageMaps
from mien.report.figures import FAINT, FIRST, GROUND, SECOND, bare_axes, colour_scale, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST_ROW = 12
_MOST_FILTERS = 96
_TEXT = 7.0

_STEPS = {
    "faces": "the face as it comes",
    "rgb_to_gray": "turned gray",
    "rescale": "rescaled",
    "samplewise": "its own mean off",
    "featurewise": "the training role's mean off",
    "zca": "ZCA whitening",
    "resize": "resized",
    "imagenet_scaling": "scaled as for ImageNet",
}


@dataclass(frozen=True, eq=False)
class FiltersData:
    """The first filters of a network, and its name for people."""

    title: str
    filters: FirstFilters


@dataclass(frozen=True, eq=False)
class MapsData:
    """A face, its maps after each stage, and the network's name for people."""

    title: str
    face: NDArray[np.uint8]
    stages: tuple[StageMaps, ...]


@dataclass(frozen=True)
class StepsData:
    """A face after each step of the preprocessing, and the network's name for people."""

    title: str
    steps: tuple[PreprocessingStep, ...]


@styled
def draw_filters(data: FiltersData) -> Figure:
    """The filters side by side, on one scale: positive weights in one colour, negative ones in another, zero blank."""
    kernels = data.filters.kernels
    shown = kernels[:_MOST_FILTERS]
    columns = min(_LONGEST_ROW, math.ceil(math.sqrt(2 * len(shown))))
    rows = math.ceil(len(shown) / columns)
    side, gap, head, foot = 0.5, 0.09, 0.72, 0.34
    width = max(5.2, 0.3 + columns * (side + gap))
    figure, axes = bare_axes(width, head + rows * (side + gap) + foot)
    count = f"{len(shown)} of {len(kernels)}" if len(shown) < len(kernels) else f"all {len(kernels)}"
    size = "×".join(map(str, kernels.shape[1:]))
    _head(axes, data.title, f"first filters: {count}, {size} pixels, layer {data.filters.layer}")
    limit = float(np.abs(kernels).max()) or 1.0
    scale = colour_scale(SECOND, GROUND, FIRST)
    for number, kernel in enumerate(shown):
        row, column = divmod(number, columns)
        left, top = 0.15 + column * (side + gap), head + row * (side + gap)
        _image(axes, kernel, left, top, side, limits=(-limit, limit), scale=scale)
    axes.text(
        0.15, head + rows * (side + gap) + 0.14, f"blue: up to {limit:.2g}; orange: down to {-limit:.2g}; white: 0",
        fontsize=_TEXT, color=FAINT, va="center",
    )  # fmt: skip
    return figure


@styled
def draw_maps(data: MapsData) -> Figure:
    """A row for each stage: some of its maps, each from its least value (black) to its greatest (white)."""
    most = max(len(stage.shown) for stage in data.stages)
    side, gap, left, head = 0.78, 0.1, 1.35, 0.72
    rows = len(data.stages) + 1
    figure, axes = bare_axes(left + most * (side + gap) + 0.1, head + rows * (side + 0.24) + 0.1)
    _head(axes, data.title, "maps after each stage: those that differ most between places; each from black to white")
    _row_label(axes, head + side / 2, "the face", "{} × {}".format(*data.face.shape))
    _image(axes, data.face, left, head, side)
    for number, stage in enumerate(data.stages, start=1):
        top = head + number * (side + 0.24)
        height, width = stage.maps.shape[1:]
        _row_label(axes, top + side / 2, f"{height} × {width}", f"{len(stage.shown)} of {stage.channels:,} channels")
        for column, (channel, values) in enumerate(zip(stage.shown, stage.maps, strict=True)):
            place = left + column * (side + gap)
            _image(axes, values, place, top, side)
            axes.text(place, top + side + 0.07, f"{channel}", fontsize=5.5, color=FAINT, va="center")
    return figure


@styled
def draw_steps(data: StepsData) -> Figure:
    """The steps from left to right, each from its least value (black) to its greatest (white), with its figures."""
    side, gap, head = 1.6, 0.25, 0.98
    figure, axes = bare_axes(max(5.6, 0.3 + len(data.steps) * (side + gap)), head + side + 0.82)
    _head(axes, data.title, "what the backbone is given; each picture from its least value (black) to its greatest")
    for number, step in enumerate(data.steps):
        left = 0.15 + number * (side + gap)
        axes.text(left, head - 0.12, _STEPS.get(step.name, step.name.replace("_", " ")), fontsize=8, va="center")
        _image(axes, step.image, left, head, side)
        image = step.image
        facts = (
            f"{image.shape[0]} × {image.shape[1]}: {image.min():.3g} to {image.max():.3g}",
            f"mean {image.mean():.3g}, deviation {image.std():.3g}",
            f"neighbours correlate by {step.neighbour_correlation:.2f}",
        )
        for line, fact in enumerate(facts):
            axes.text(left, head + side + 0.13 + 0.15 * line, fact, fontsize=_TEXT, color=FAINT, va="center")
    return figure


def _head(axes: Axes, title: str, words: str) -> None:
    axes.text(0.15, 0.22, title, fontsize=12, weight="bold", va="center")
    axes.text(0.15, 0.46, words, fontsize=8, color=FAINT, va="center")


def _row_label(axes: Axes, middle: float, title: str, words: str) -> None:
    axes.text(0.15, middle - 0.075, title, fontsize=9, weight="bold", va="center")
    axes.text(0.15, middle + 0.085, words, fontsize=_TEXT, color=FAINT, va="center")


def _image(
    axes: Axes,
    values: NDArray[np.generic],
    left: float,
    top: float,
    side: float,
    *,
    limits: tuple[float, float] | None = None,
    scale: Any = "gray",
) -> None:
    """An image in a square of `side` inches, its pixels with sharp edges, within a thin frame."""
    low, high = (float(values.min()), float(values.max())) if limits is None else limits
    axes.imshow(
        values,
        extent=(left, left + side, top + side, top),
        cmap=scale,
        vmin=low,
        vmax=high if high > low else low + 1.0,
        interpolation="nearest",
        aspect="auto",
    )
    axes.bar(left, side, width=side, bottom=top, align="edge", facecolor="none", edgecolor=FAINT, linewidth=0.4)
