"""Drawn faces: a data set of any size that needs no download and no licence.

Each face is drawn from parameters that follow the action units of its expression, with a random person, pose and
photo around them. It serves the demo, the tutorial and the tests. It says nothing about real faces: a network
trained on it reads drawings.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.datasets._face_drawing import draw_face
from mien.datasets._face_parameters import sample_face
from mien.datasets.dataset import Dataset, Role
from mien.datasets.samples import LARGEST_IMAGES_BYTES
from mien.errors import DataError
from mien.labels import SEVEN, Expression, LabelSet
from mien.randomness import generator

MINIMUM_SIZE = 16
MAXIMUM_HARDNESS = 2.0

# How often each expression comes in a block of samples: mildly uneven, as real sets are.
_FREQUENCIES = {
    Expression.ANGER: 5,
    Expression.DISGUST: 3,
    Expression.FEAR: 5,
    Expression.HAPPINESS: 7,
    Expression.SADNESS: 5,
    Expression.SURPRISE: 4,
    Expression.NEUTRAL: 6,
    Expression.CONTEMPT: 3,
}

# The roles of the first, second, … sample of each class, then again from the start: 70 %, 15 %, 15 %. Spread out so
# that four samples of a class already have every role.
_ROLE_CYCLE = tuple(
    {"t": Role.TRAIN, "v": Role.VALIDATION, "e": Role.TEST}[letter] for letter in "ttevttttevtttttevttt"
)

_SHEET_GAP_PX = 2
_SHEET_PAPER = 255
_SHEET_INK = 30


def draw_faces(
    count: int, *, size: int = 48, seed: int = 0, label_set: LabelSet = SEVEN, hardness: float = 1.0
) -> Dataset:
    """Draw a data set of faces.

    The first samples are the same whatever `count` is, and other sizes show the same people.

    Args:
        count: number of samples, at least 1. From four samples a class on, each class has samples in every role.
        size: height and width of the images in pixels, at least 16.
        seed: what the random numbers are derived from, not negative.
        label_set: the expressions to draw.
        hardness: 0 for full expressions in plain frontal photos, 1 for a set on which a small network that
            has seen 2,000 faces errs for a sixth or so, at most 2.

    Returns:
        A data set named "drawn" with roles in shares of 70 % (train), 15 % (validation) and 15 % (test) within
        each class.

    Raises:
        DataError: an argument is outside its range.
    """
    _check(count, size, seed, label_set, hardness)
    expressions = _expressions(count, seed, label_set)
    images = np.empty((count, size, size), dtype=np.uint8)
    for position, expression in enumerate(expressions):
        rng = generator(seed, "drawn", label_set.name, str(position))
        images[position] = draw_face(sample_face(rng, expression, hardness), size, rng)
    return Dataset(
        name="drawn",
        images=images,
        labels=np.array([label_set.index(expression) for expression in expressions], dtype=np.int64),
        label_set=label_set,
        roles=_roles(expressions),
        ids=np.array([f"drawn-{position + 1:06d}" for position in range(count)]),
        source=f"drawn by mien, seed {seed}",
        licence="Drawn by mien: no restriction.",
        framing="drawn",
    )


def contact_sheet(dataset: Dataset, *, columns: int = 12) -> NDArray[np.uint8]:
    """The first samples of each expression on one sheet: a row per expression, its name in front.

    Args:
        dataset: any data set; a class with fewer samples than `columns` leaves places empty.
        columns: faces in a row, at least 1.

    Returns:
        Shape (H, W), uint8.

    Raises:
        DataError: `columns` is below 1.
    """
    if columns < 1:
        raise DataError(f"A contact sheet needs at least one column. Received: columns={columns}.")
    height, width = dataset.size
    names = [expression.value for expression in dataset.label_set.expressions]
    margin = _name_width_px(names, height)
    step_y, step_x = height + _SHEET_GAP_PX, width + _SHEET_GAP_PX
    sheet = np.full((len(names) * step_y + _SHEET_GAP_PX, margin + columns * step_x), _SHEET_PAPER, dtype=np.uint8)
    for row, name in enumerate(names):
        top = _SHEET_GAP_PX + row * step_y
        _write_name(sheet, name, height, baseline_px=top + round(0.55 * height))
        for column, position in enumerate(np.flatnonzero(dataset.labels == row)[:columns]):
            left = margin + column * step_x
            sheet[top : top + height, left : left + width] = dataset.images[position]
    return sheet


def _check(count: int, size: int, seed: int, label_set: LabelSet, hardness: float) -> None:
    if count < 1:
        raise DataError(f"At least one face must be drawn. Received: count={count}.")
    if size < MINIMUM_SIZE:
        raise DataError(f"Faces cannot be drawn on fewer than {MINIMUM_SIZE} pixels a side. Received: size={size}.")
    if count * size * size > LARGEST_IMAGES_BYTES:
        raise DataError(
            f"{count:,} faces of {size:,} pixels a side take {count * size * size / 1e9:,.0f} GB, and "
            f"{LARGEST_IMAGES_BYTES / 1e9:.0f} are held at most. Draw fewer, or smaller ones."
        )
    if seed < 0:
        raise DataError(f"A seed is a whole number from 0 on. Received: seed={seed}.")
    if not len(label_set):
        raise DataError("A label set without expressions has no faces to draw. Give it at least one.")
    if not 0.0 <= hardness <= MAXIMUM_HARDNESS:
        raise DataError(f"The hardness lies between 0 and {MAXIMUM_HARDNESS:g}. Received: hardness={hardness}.")


def _expressions(count: int, seed: int, label_set: LabelSet) -> list[Expression]:
    """What each sample shows: shuffled blocks that each hold every expression at its frequency."""
    block = [
        expression for expression in map(Expression, label_set.expressions) for _ in range(_FREQUENCIES[expression])
    ]
    shown: list[Expression] = []
    for number in range(math.ceil(count / len(block))):
        order = generator(seed, "drawn", label_set.name, "expressions", str(number)).permutation(len(block))
        shown.extend(block[position] for position in order)
    return shown[:count]


def _roles(expressions: list[Expression]) -> NDArray[np.str_]:
    drawn = dict.fromkeys(Expression, 0)
    roles = []
    for expression in expressions:
        roles.append(_ROLE_CYCLE[drawn[expression] % len(_ROLE_CYCLE)].value)
        drawn[expression] += 1
    return np.array(roles)


def _font_scale(face_height_px: int) -> float:
    return max(0.3, face_height_px / 150.0)


def _name_width_px(names: list[str], face_height_px: int) -> int:
    scale = _font_scale(face_height_px)
    widths = [int(cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0]) for name in names]
    return max(widths) + 4 * _SHEET_GAP_PX


def _write_name(sheet: NDArray[np.uint8], name: str, face_height_px: int, *, baseline_px: int) -> None:
    place = (2 * _SHEET_GAP_PX, baseline_px)
    scale = _font_scale(face_height_px)
    cv2.putText(sheet, name, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _SHEET_INK, 1, cv2.LINE_AA)
