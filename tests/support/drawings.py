"""What makes a drawing readable: its words lie on the page, and none covers another."""

from __future__ import annotations

from itertools import combinations
from typing import Any


def assert_readable(figure: Any) -> None:
    """Every text of a figure's axes lies within the figure, and no two texts overlap."""
    figure.draw_without_rendering()
    page = figure.bbox
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    assert boxes
    for words, box in boxes:
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, f"{words!r} leaves the page"
    for (first, one), (second, other) in combinations(boxes, 2):
        assert not one.overlaps(other), f"{first!r} and {second!r} cover each other"
