"""Noticing tables that say where in a photo each face is, by what people call the columns of a box."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Words around the name of an edge: face_x1, bbox_left, x_bbox.
_AROUND = re.compile(
    r"^((face|bbox|box|bb|bndbox|boundingbox|bounding|rect|rectangle|roi)+)|((bbox|box|bb|rect|roi)+)$"
)
_ALONE = frozenset({"bbox", "bboxes", "box", "boxes", "facebox", "facebbox", "boundingbox", "boundingboxes", "bndbox"})
_CORNERS = (
    *(("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("x0", "y0", "x1", "y1")),
    *(("left", "top", "right", "bottom"), ("upperleftx", "upperlefty", "lowerrightx", "lowerrighty")),
    *(("topleftx", "toplefty", "bottomrightx", "bottomrighty"), ("tlx", "tly", "brx", "bry")),
)
_STARTS = (
    *(("x", "y"), ("left", "top"), ("xmin", "ymin"), ("x1", "y1"), ("topleftx", "toplefty")),
    *(("xcenter", "ycenter"), ("centerx", "centery"), ("cx", "cy")),
)
_SIDES = (("width", "height"), ("w", "h"))
_FORMS = tuple(map(frozenset, (*_CORNERS, *((*start, *sides) for start in _STARTS for sides in _SIDES))))


def has_boxes(names: Sequence[str]) -> bool:
    """Whether columns of these names hold a box.

    >>> has_boxes(["image", "label", "face_x", "face_y", "face_width", "face_height"]), has_boxes(["path", "width"])
    (True, False)
    """
    plain = {re.sub(r"[\W_]+", "", name.lower()) for name in names}
    edges = {_AROUND.sub("", name) for name in plain}
    return bool(plain & _ALONE) or any(form <= plain or form <= edges for form in _FORMS)
