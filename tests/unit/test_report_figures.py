"""Figures of all sizes: they are drawn, they are XML, and what they draw is readable text."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mien.errors import MissingExtraError
from mien.evaluation.calibration import reliability
from mien.evaluation.intervals import wilson
from mien.randomness import generator
from mien.report import figures
from mien.report.sketch import sketch_confusion, sketch_curves, sketch_reliability

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


_RNG = generator(3, "reliability")
_TOPS = np.append(_RNG.uniform(0.5, 1.0, size=400), 1.0)
RELIABILITY = figures.ReliabilityData(
    reliability(np.stack([_TOPS, 1 - _TOPS], axis=1), (_RNG.uniform(size=401) > _TOPS).astype(np.int64))
)

DRAWN: list[tuple[str, Callable[[Any], Any], Any]] = [
    ("curves", sketch_curves, CURVES),
    ("one-epoch", sketch_curves, ONE_EPOCH),
    ("all-nan", sketch_curves, ALL_NAN),
    ("two-classes", sketch_confusion, confusion(2)),
    ("eight-classes", sketch_confusion, confusion(8)),
    ("reliability", sketch_reliability, RELIABILITY),
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
    svg = svg_of(draw(data), name)
    ET.fromstring(svg)
    element = figures.inline(svg, name, "What it shows.")
    ET.fromstring(element.replace("xlink:href", "href"))
    assert not any(colour in element for colour in figures.CSS_VARIABLES)
    assert seen_in(element.replace("xlink:href", "href")) == seen_in(svg)
    assert len(element) < 1.1 * len(svg)


def seen_in(svg: str) -> dict[str, Any]:
    """What a drawing shows: how many elements of each kind, and its words."""
    elements = [
        element for element in ET.fromstring(svg).iter() if element.tag.rpartition("}")[2] not in ("style", "defs")
    ]
    kinds = Counter(element.tag.rpartition("}")[2] for element in elements)
    return {**kinds, "words": [element.text for element in elements if element.tag.endswith("text")]}


def svg_of(drawn: Any, name: str) -> str:
    return drawn if isinstance(drawn, str) else figures.render_svg(drawn, name)


@pytest.mark.parametrize("size", range(2, 9))
def test_a_matrix_tells_every_share_and_count_and_the_words_stay_on_it(size: int) -> None:
    data = confusion(size)
    root = ET.fromstring(sketch_confusion(data))
    texts = [element for element in root.iter() if element.tag.endswith("text")]
    said = [element.text for element in texts]
    for row in data.counts[:-1]:
        for count in row:
            assert f"{count:,}" in said
            assert f"{count / row.sum():.0%}" in said
    assert "label 0  (" in " ".join(filter(None, said))
    width, height = (float(root.get(side, "").removesuffix("pt")) for side in ("width", "height"))
    for element in texts:
        assert 0 < float(element.get("x", "")) < width
        assert 8 < float(element.get("y", "")) < height


def test_reliability_stands_where_its_bins_are() -> None:
    root = ET.fromstring(sketch_reliability(RELIABILITY))
    dots = [element for element in root.iter() if element.tag.endswith("circle")]
    left, right, bottom, top = 46, 236, 214, 24
    filled = [entry for entry in RELIABILITY.bins if entry.accuracy is not None]
    assert [entry.count > 0 for entry in RELIABILITY.bins] == [entry in filled for entry in RELIABILITY.bins]
    for dot, entry in zip(dots, filled, strict=True):
        assert float(dot.get("cx", "")) == pytest.approx(left + (right - left) * entry.confidence, abs=0.06)
        assert float(dot.get("cy", "")) == pytest.approx(bottom - (bottom - top) * entry.accuracy.value, abs=0.06)
    bars = [element for element in root.iter() if "fill-opacity: 0.550" in element.get("style", "")]
    heights = [float(bar.get("height", "")) for bar in bars]
    assert np.argmax(heights) == np.argmax([entry.count for entry in filled])


@pytest.mark.parametrize("data", [CURVES, ONE_EPOCH, ALL_NAN], ids=["three", "one", "nan"])
def test_curves_break_where_a_loss_is_no_number_and_stay_in_their_panels(data: figures.CurvesData) -> None:
    svg = sketch_curves(data)
    assert "nan" not in svg
    assert "inf" not in svg
    root = ET.fromstring(svg)
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    curves = [line for line in lines if "stroke-width: 1.7" in line.get("style", "")][:-2]  # without the legend
    for line in curves:
        for point in line.get("points", "").split():
            x, y = map(float, point.split(","))
            assert 42 <= x <= 512
            assert 24 <= y <= 146
    finite = [
        sum(np.isfinite(v) for v in values)
        for values in (data.loss, data.validation_loss, data.accuracy, data.validation_accuracy)
    ]
    assert sum(len(line.get("points", "").split()) for line in curves) == sum(finite)


def test_ids_of_two_figures_differ_and_each_reference_has_its_target() -> None:
    drawings = [
        figures.inline(figures.render_svg(figures.draw_forest(forest(rows)), name), name, "")
        for name, rows in (("a", 1), ("b", 3))
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
    first, second = (figures.render_svg(figures.draw_recall(recall(3, 2)), "same") for _ in range(2))
    assert first == second


def test_labels_stay_text_and_are_escaped() -> None:
    data = figures.ForestData((figures.ForestRow("<b>bold</b> & $x$", wilson(3, 9)),))
    inline = figures.inline(figures.render_svg(figures.draw_forest(data), "escaped"), "escaped", '"quoted" <b>')
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; $x$" in inline
    assert "<b>" not in inline


def test_matplotlib_is_left_as_it_was() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.render_svg(figures.draw_forest(forest(2)), "untouched")
    figures.render_png(figures.draw_forest(forest(2)))
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"The report needs .* pip install 'mien\[report\]'"):
        figures.draw_forest(forest(1))
