"""Figures of all sizes: they are drawn, they are XML, and what they draw is readable text."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mien.errors import MissingExtraError
from mien.evaluation.intervals import wilson
from mien.report import figures

LONG = "a backbone with a title, " * 8
NAN = float("nan")

CURVES = figures.CurvesData(
    epochs=(1, 2, 3),
    loss=(1.8, 1.6, NAN),
    accuracy=(0.2, 0.3, 0.3),
    validation_loss=(1.9, NAN, float("inf")),
    validation_accuracy=(0.2, 0.25, 0.2),
    chosen=(2,),
)
ONE_EPOCH = figures.CurvesData((1,), (1.8,), (0.2,), (1.9,), (0.2,), (1,))
ALL_NAN = figures.CurvesData((1,), (NAN,), (NAN,), (NAN,), (NAN,))


def confusion(size: int) -> figures.ConfusionData:
    counts = np.arange(size * size).reshape(size, size)
    counts[-1] = 0  # a label without images
    return figures.ConfusionData(tuple(f"label {index}" for index in range(size)), counts)


def forest(rows: int) -> figures.ForestData:
    accuracies = [wilson(min(20 + index, 60), 60) for index in range(rows)]
    return figures.ForestData(
        tuple(
            figures.ForestRow(f"{LONG} {index}", accuracy, "only 'fear'") for index, accuracy in enumerate(accuracies)
        ),
        (("always 'happiness'", 0.25),),
    )


def cost(*points: tuple[float | None, float | None]) -> figures.CostData:
    return figures.CostData(
        tuple(figures.CostPoint(f"net {index}", wilson(30, 60), *point) for index, point in enumerate(points)),
        (("always 'happiness'", 0.25),),
    )


def recall(classes: int, rows: int) -> figures.RecallData:
    recalls = (None, wilson(0, 9), *(wilson(5, 9) for _ in range(classes - 2)))
    return figures.RecallData(
        tuple(f"label {index}" for index in range(classes)), tuple((LONG, recalls) for _ in range(rows))
    )


DRAWN: list[tuple[str, Callable[[Any], Any], Any]] = [
    ("curves", figures.draw_curves, CURVES),
    ("one-epoch", figures.draw_curves, ONE_EPOCH),
    ("all-nan", figures.draw_curves, ALL_NAN),
    ("two-classes", figures.draw_confusion, confusion(2)),
    ("eight-classes", figures.draw_confusion, confusion(8)),
    ("forest", figures.draw_forest, forest(9)),
    ("forest-of-one", figures.draw_forest, forest(1)),
    ("cost", figures.draw_cost, cost((1e6, 20.0), (4e7, 300.0), (4.01e7, 301.0))),
    ("cost-of-one", figures.draw_cost, cost((1e6, 0.004))),
    ("cost-unknown", figures.draw_cost, cost((None, None))),
    ("recall-of-two", figures.draw_recall, recall(2, 1)),
    ("recall-of-eight", figures.draw_recall, recall(8, 4)),
]


@pytest.mark.parametrize(("name", "draw", "data"), DRAWN, ids=[name for name, *_ in DRAWN])
def test_every_figure_is_drawn(name: str, draw: Callable[[Any], Any], data: Any) -> None:
    rendered = figures.render(draw(data), name, "What it shows.")
    ET.fromstring(rendered.svg)
    ET.fromstring(rendered.inline.replace("xlink:href", "href"))
    assert rendered.png.startswith(b"\x89PNG")
    assert not any(colour in rendered.inline for colour in figures.CSS_VARIABLES)


def test_ids_of_two_figures_differ_and_each_reference_has_its_target() -> None:
    drawings = [
        figures.render(figures.draw_curves(data), name, "").inline for name, data in (("a", CURVES), ("b", ONE_EPOCH))
    ]
    ids, references = [], []
    for drawing in drawings:
        for element in ET.fromstring(drawing.replace("xlink:href", "href")).iter():
            ids += [element.get("id")] if element.get("id") else []
            references += [element.get("href", "").lstrip("#")] if element.get("href") else []
            references += [element.get("clip-path", "")[5:-1]] if element.get("clip-path") else []
    assert len(ids) == len(set(ids))
    assert set(references) <= set(ids)


def test_the_same_data_gives_the_same_bytes() -> None:
    first, second = (figures.render(figures.draw_confusion(confusion(3)), "same", "") for _ in range(2))
    assert first == second


def test_labels_stay_text_and_are_escaped() -> None:
    data = figures.ForestData((figures.ForestRow("<b>bold</b> & $x$", wilson(3, 9)),))
    inline = figures.render(figures.draw_forest(data), "escaped", '"quoted" <b>').inline
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; $x$" in inline
    assert "<b>" not in inline


def test_matplotlib_is_left_as_it_was() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.render(figures.draw_curves(CURVES), "untouched", "")
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"The report needs .* pip install 'mien\[report\]'"):
        figures.draw_curves(CURVES)
