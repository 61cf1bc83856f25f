"""Diagrams of structures that are made up: read without Keras, complete, and readable."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mien.report.diagrams import DiagramData, draw_diagram, large
from mien.report.figures import CSS_VARIABLES, inline, render_png, render_svg
from mien.study.structure import Block, NetworkStructure, Stage
from support.drawings import assert_readable


def block(times: int = 1, *, paths=(("3×3, 64",),), joins=(), before=64, after=64, side=28, parameters=10_000) -> Block:
    return Block(
        times=times,
        paths=paths,
        joins=joins,
        input=(side, side, before),
        output=(side, side, after),
        parameters=parameters,
        multiply_adds=parameters * side**2,
    )


SEPARABLE = ("separable 5×5/2, 1344", "separable 5×5, 1344")
CELL = (("1×1, 1344",), SEPARABLE, SEPARABLE, ("mean 3×3",), ("max 3×3/2",), ("gate, 8", "depthwise 7×7/2"))
STRUCTURE = NetworkStructure(
    (224, 224, 3),
    (
        Stage((block(before=3, side=112, parameters=300),)),
        Stage((block(), block(12, joins=(("concatenate (with the input)", 1),), after=1024, parameters=7_000_000))),
        Stage((block(24, paths=CELL, joins=(("add", 5), ("concatenate", 1)), before=1024, after=4032, side=7),)),
        Stage((block(paths=(("max 2×2/2",),), parameters=0, side=3),)),
    ),
)
TALL = NetworkStructure((331, 331, 3), tuple(Stage((block(paths=CELL), block(5, paths=CELL))) for _ in range(6)))


def words(structure: NetworkStructure) -> list[str]:
    figure = draw_diagram(DiagramData("Made-up", structure))
    assert_readable(figure)
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_diagram_says_what_it_knows():
    said = words(STRUCTURE)
    for expected in (
        "Made-up",
        "112 × 112",
        "4,032 channels",
        "× 12",
        "× 24",
        "concatenate (with the input)",
        "1024 → 4032",
        "separable 5×5/2, 1344 → separable 5×5, 1344 (× 2)",
        "add (× 5), concatenate",
        "7.01 M  (100%)",
        "300  (<1%)",
        "0  (0%)",
    ):
        assert expected in said, expected
    assert sum(share.endswith("%)") for share in said) == 2 * len(STRUCTURE.stages)
    assert any(text.startswith("input 224 × 224 × 3") for text in said)


def test_only_words_that_are_used_are_explained():
    explained = " ".join(words(STRUCTURE)[-3:])
    assert "gate, 8:" in explained
    plain = " ".join(words(NetworkStructure((8, 8, 1), (Stage((block(),)),)))[-3:])
    assert "gate" not in plain
    assert "a convolution of 3 by 3" in plain


def test_a_tall_network_shares_lines_to_stay_on_a_page():
    said = words(TALL)
    assert any("  |  " in text for text in said)
    assert draw_diagram(DiagramData("", TALL)).get_size_inches()[1] < 15
    assert "with | between" in " ".join(said)
    assert "with | between" not in " ".join(words(STRUCTURE))


def test_a_diagram_is_a_file_and_part_of_a_page():
    figure = draw_diagram(DiagramData("<b> & co", STRUCTURE))
    svg = render_svg(figure, "network")
    ET.fromstring(svg)
    element = inline(svg, "network", "A network")
    ET.fromstring(element.replace("xlink:href", "href"))
    assert "&lt;b&gt; &amp; co" in element
    assert not any(colour in element for colour in CSS_VARIABLES)
    assert len(render_png(figure)) < 600_000


def test_a_structure_survives_its_file():
    assert NetworkStructure.from_json(STRUCTURE.to_json()) == STRUCTURE


def test_sums():
    assert STRUCTURE.parameters == 300 + 10_000 + 7_000_000 + 10_000
    assert STRUCTURE.stages[1].output == (28, 28, 1024)


@given(st.integers(0, 10**13))
@example(999_500_000_000)
def test_a_large_number_is_short_and_near(number):
    text = large(number)
    value, _, unit = text.partition(" ")
    factor = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
    assert float(value) * factor == pytest.approx(number, rel=0.006)
    assert len(value) <= 5 or number >= 1e12
