"""Draws one face from its parameters: one function per feature of the face, from the back to the front.

Everything is drawn as polygons on a canvas of several times the wanted resolution, which is then averaged down. Each
side of the face is drawn by the same code with `side` -1 (left in the image) or +1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.datasets._face_parameters import (
    ActionUnits,
    Beard,
    DrawnFace,
    DrawnPhoto,
    HairStyle,
    Identity,
    Occlusion,
    Pose,
)

Points = NDArray[np.float64]

# Detail finer than this many canvas pixels a side does not survive the averaging to the usual 48.
_LEAST_CANVAS_PX = 144
_FACE_UNITS_PER_IMAGE = 2.2
_SUBPIXEL_BITS = 4
# The face as an ellipsoid: how far the middle stands in front of the outline, and where its surface ends.
_RELIEF = 0.5
_RELIEF_HALF_WIDTH = 0.95
_RELIEF_HALF_HEIGHT = 1.25
_HEAD_CENTRE_Y = 0.06  # the chin would be cut off if the middle of the face lay in the middle of the image

_ANGLES = np.linspace(0.0, 2.0 * math.pi, 28, endpoint=False)
_SIN, _COS = np.sin(_ANGLES), np.cos(_ANGLES)
_DISC_SIN, _DISC_COS = _SIN[::2], _COS[::2]
_CROWN_SIN, _CROWN_COS = np.sin(np.linspace(0.5, -0.5, 13) * math.pi), np.cos(np.linspace(0.5, -0.5, 13) * math.pi)
_ALONG = np.linspace(-1.0, 1.0, 11)  # from one corner of an eye or mouth to the other
_BOW = 1.0 - _ALONG**2
_ROUND = np.sqrt(_BOW)
_CUPID = 1.0 - 0.35 * np.exp(-((_ALONG / 0.16) ** 2))


def draw_face(face: DrawnFace, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a face.

    Args:
        face: what to draw.
        size: height and width of the image in pixels.
        rng: where the sensor noise comes from.

    Returns:
        Shape (size, size), uint8.
    """
    canvas = Canvas(size, face.pose)
    draw_background(canvas, face.photo)
    draw_hair_behind(canvas, face.identity)
    draw_neck_and_clothes(canvas, face.identity, face.photo)
    draw_head(canvas, face)
    draw_soft_relief(canvas, face)
    canvas.soften()
    draw_creases(canvas, face)
    draw_beard(canvas, face)
    draw_nose(canvas, face)
    draw_mouth(canvas, face)
    for side, units in _sides(face):
        draw_eye(canvas, face, side, units)
        draw_brow(canvas, face.identity, side, units)
    draw_hair_in_front(canvas, face.identity)
    if face.identity.glasses:
        draw_glasses(canvas, face.identity)
    draw_occlusion(canvas, face)
    return expose(canvas.averaged(size), face.photo, rng)


class Canvas:
    """A gray image that is drawn on in face units, as seen from the pose of the head."""

    def __init__(self, size: int, pose: Pose) -> None:
        enlargement = max(2, math.ceil(_LEAST_CANVAS_PX / size))
        self.side_px = size * enlargement
        self.unit_px = pose.scale * self.side_px / _FACE_UNITS_PER_IMAGE
        self.pixels = np.zeros((self.side_px, self.side_px), dtype=np.uint8)
        cos, sin = math.cos(pose.roll), math.sin(pose.roll)
        turn = np.array([[cos, sin], [-sin, cos]])
        foreshortening = np.array(
            [
                [math.cos(pose.yaw), 0.0],
                [0.0, math.cos(pose.pitch)],
                [_RELIEF * math.sin(pose.yaw), _RELIEF * math.sin(pose.pitch)],
            ]
        )
        subpixels = 2**_SUBPIXEL_BITS
        self._projection = foreshortening @ turn * (self.unit_px * subpixels)
        middle = np.array([0.5 + pose.shift_x, 0.5 + pose.shift_y]) * self.side_px
        middle -= 0.5 + _HEAD_CENTRE_Y * self.unit_px * np.array([0.0, 1.0])
        self._origin = middle * subpixels

    def fill(self, x: NDArray[np.float64], y: NDArray[np.float64], shade: float, *, flat: bool = False) -> None:
        """Fill a polygon, on the surface of the face or (`flat`) in the plane of its outline."""
        cv2.fillPoly(self.pixels, [self._place(x, y, flat)], round(shade), cv2.LINE_AA, _SUBPIXEL_BITS)

    def stroke(
        self, x: NDArray[np.float64], y: NDArray[np.float64], shade: float, width: float, *, closed: bool = False
    ) -> None:
        """Draw a line of a width in face units on the surface of the face."""
        thickness = max(1, round(width * self.unit_px))
        points = self._place(x, y, flat=False)
        cv2.polylines(self.pixels, [points], closed, round(shade), thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def soften(self) -> None:
        """Blur what has been drawn so far, so that shapes on the skin become shading."""
        width = 2 * round(0.06 * self.unit_px) + 1
        self.pixels = cv2.GaussianBlur(self.pixels, (width, width), 0)

    def averaged(self, size: int) -> NDArray[np.float32]:
        """Shape (size, size): the canvas averaged over squares, in gray values."""
        averaged: NDArray[np.float32] = cv2.resize(
            self.pixels.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA
        )
        return averaged

    def _place(self, x: NDArray[np.float64], y: NDArray[np.float64], flat: bool) -> NDArray[np.int32]:
        points = np.zeros((len(x), 3))
        points[:, 0] = x
        points[:, 1] = y
        if not flat:
            height = 1.0 - (points[:, 0] / _RELIEF_HALF_WIDTH) ** 2 - (points[:, 1] / _RELIEF_HALF_HEIGHT) ** 2
            points[:, 2] = np.sqrt(np.maximum(height, 0.0))
        placed: NDArray[np.int32] = np.rint(points @ self._projection + self._origin).astype(np.int32)
        return placed


def draw_background(canvas: Canvas, photo: DrawnPhoto) -> None:
    """A wall with one vertical edge."""
    canvas.pixels[:] = round(photo.background)
    edge_px = round((0.5 + 0.5 * photo.background_edge) * canvas.side_px)
    canvas.pixels[:, edge_px:] = round(0.75 * photo.background + 20.0)


def draw_hair_behind(canvas: Canvas, identity: Identity) -> None:
    """Hair that shows beside the head: down to the ears, or to the shoulders."""
    if identity.hair_style in (HairStyle.BALD, HairStyle.SHORT):
        return
    half = 1.16 * identity.half_width
    canvas.fill(half * _SIN, 1.16 * np.minimum(_COS, 0.5) - 0.08, identity.hair, flat=True)
    if identity.hair_style is HairStyle.LONG:
        x = half * np.array([-1.0, -0.9, 0.9, 1.0, 1.12, 1.05, -1.05, -1.12])
        y = np.array([-0.1, -0.4, -0.4, -0.1, 0.8, 1.5, 1.5, 0.8])
        canvas.fill(x, y, identity.hair, flat=True)


def draw_neck_and_clothes(canvas: Canvas, identity: Identity, photo: DrawnPhoto) -> None:
    """The neck in the shadow of the chin, and shoulders."""
    neck = 0.62 * identity.half_width
    canvas.fill(
        np.array([-neck, neck, neck * 1.15, -neck * 1.15]),
        np.array([0.5, 0.5, 1.6, 1.6]),
        0.72 * identity.skin,
        flat=True,
    )
    canvas.fill(
        np.array([-1.6, -0.75, 0.0, 0.75, 1.6, 1.6, -1.6]),
        np.array([1.45, 1.2, 1.45, 1.2, 1.45, 2.2, 2.2]),
        photo.clothes,
        flat=True,
    )


def draw_head(canvas: Canvas, face: DrawnFace) -> None:
    """Ears and the skin of the face."""
    identity = face.identity
    for side in (-1, 1):
        x = side * (identity.half_width + 0.02) + 0.1 * _DISC_SIN
        canvas.fill(x, 0.02 + 0.2 * _DISC_COS, 0.84 * identity.skin, flat=True)
    canvas.fill(*_outline(face), identity.skin, flat=True)


def draw_soft_relief(canvas: Canvas, face: DrawnFace) -> None:
    """Shapes that become soft shading: eye sockets, cheeks, the sides of the nose, the shadow under the lip."""
    identity, skin = face.identity, face.identity.skin
    mouth_y = _mouth_y(identity)
    for side, units in _sides(face):
        # The cheek raiser lifts the cheek's highlight towards the lower lid.
        lift = 0.08 * units.cheek_raiser + 0.05 * units.lip_corner_puller
        glow = 1.03 + 0.09 * units.cheek_raiser
        canvas.fill(
            side * 0.42 + 0.17 * _DISC_SIN, identity.eye_height + 0.4 - lift + 0.12 * _DISC_COS, min(250.0, glow * skin)
        )
        canvas.fill(
            side * identity.eye_distance + 0.2 * _DISC_SIN, identity.eye_height - 0.04 + 0.12 * _DISC_COS, 0.86 * skin
        )
        canvas.fill(
            side * np.array([0.03, 0.07, identity.nose_width + 0.02, 0.05]),
            np.array([identity.eye_height - 0.05, identity.eye_height, _nose_y(identity), _nose_y(identity)]),
            0.85 * skin,
        )
    shadow_y = mouth_y + 0.17 + 0.3 * _jaw_drop(face)
    canvas.fill(0.17 * _DISC_SIN, shadow_y + 0.035 * _DISC_COS, 0.84 * skin)


def draw_creases(canvas: Canvas, face: DrawnFace) -> None:
    """Wrinkles that the muscles fold into the skin."""
    identity = face.identity
    _draw_forehead_creases(canvas, face)
    for side, units in _sides(face):
        _crease(canvas, identity, [side * 0.07, side * 0.06], _at_brows(identity, [0.0, -0.16]), units.brow_lowerer)
        _draw_nose_wrinkles(canvas, identity, side, units)
        _draw_nasolabial_fold(canvas, identity, side, units)
        _draw_cheek_creases(canvas, identity, side, units)


def _draw_forehead_creases(canvas: Canvas, face: DrawnFace) -> None:
    """Horizontal lines over raised brows: in the middle for AU 1, all across for AU 1 and 2."""
    inner = min(face.left.inner_brow_raiser, face.right.inner_brow_raiser)
    outer = min(face.left.outer_brow_raiser, face.right.outer_brow_raiser)
    half = 0.18 + 0.25 * min(outer, 1.0)
    for height in (-0.2, -0.29):
        y = _at_brows(face.identity, [height, height - 0.02, height])
        _crease(canvas, face.identity, [-half, 0.0, half], y, 0.8 * inner)


def _draw_nose_wrinkles(canvas: Canvas, identity: Identity, side: int, units: ActionUnits) -> None:
    """Lines across the root of the nose and beside it (AU 9)."""
    top = identity.eye_height
    for offset in (-0.02, 0.06):
        _crease(canvas, identity, [0.0, side * 0.09], [top + offset, top + offset - 0.05], units.nose_wrinkler)
    _crease(canvas, identity, [side * 0.1, side * 0.15], [top + 0.1, top + 0.2], units.nose_wrinkler)


def _draw_nasolabial_fold(canvas: Canvas, identity: Identity, side: int, units: ActionUnits) -> None:
    """The fold from the wing of the nose around the corner of the mouth (AU 9, AU 12)."""
    start_x = identity.nose_width + 0.04
    strength = 0.2 * identity.creases + 0.6 * units.lip_corner_puller + 0.9 * units.nose_wrinkler
    corner_x, corner_y = _mouth_corner(identity, units)
    start_y = _nose_y(identity) - 0.05 - 0.05 * units.nose_wrinkler
    bulge = 0.1 + 0.04 * units.lip_corner_puller
    x = [side * start_x, side * (0.5 * (start_x + corner_x) + bulge), side * (corner_x + bulge)]
    _crease(canvas, identity, x, [start_y, start_y + 0.1, max(corner_y, start_y + 0.18)], strength)


def _draw_cheek_creases(canvas: Canvas, identity: Identity, side: int, units: ActionUnits) -> None:
    """Bags and crow's feet of the raised cheek (AU 6), and the dimple beside the mouth (AU 14)."""
    eye_x, eye_y = identity.eye_distance, identity.eye_height
    x = [side * (eye_x - 0.12), side * eye_x, side * (eye_x + 0.14)]
    _crease(canvas, identity, x, [eye_y + 0.1, eye_y + 0.13, eye_y + 0.08], units.cheek_raiser)
    for rise in (-0.05, 0.06):
        x = [side * (eye_x + identity.eye_width + 0.03), side * (eye_x + identity.eye_width + 0.13)]
        _crease(canvas, identity, x, [eye_y, eye_y + rise], 0.8 * units.cheek_raiser)
    corner_x, corner_y = _mouth_corner(identity, units)
    x = [side * (corner_x + 0.05), side * (corner_x + 0.08), side * (corner_x + 0.05)]
    _crease(canvas, identity, x, [corner_y - 0.1, corner_y, corner_y + 0.09], 1.3 * units.dimpler)


def draw_nose(canvas: Canvas, face: DrawnFace) -> None:
    """Nostrils, wings and the shadow under the tip; AU 9 pulls the wings up and apart."""
    identity = face.identity
    for side, units in _sides(face):
        wing_x = identity.nose_width * (1.0 + 0.15 * units.nose_wrinkler + 0.08 * units.lip_corner_puller)
        wing_y = _nose_y(identity) - 0.06 * units.nose_wrinkler
        canvas.stroke(
            side * np.array([wing_x - 0.01, wing_x + 0.015, wing_x - 0.03]),
            np.array([wing_y - 0.08, wing_y - 0.01, wing_y + 0.035]),
            0.66 * identity.skin,
            0.018,
        )
        canvas.fill(side * 0.5 * wing_x + 0.04 * _DISC_SIN, wing_y + 0.025 + 0.018 * _DISC_COS, 0.36 * identity.skin)
    canvas.stroke(
        identity.nose_width * np.array([-0.5, 0.0, 0.5]),
        _nose_y(identity) + np.array([0.04, 0.055, 0.04]),
        0.68 * identity.skin,
        0.018,
    )


def draw_beard(canvas: Canvas, face: DrawnFace) -> None:
    """Stubble, a moustache or a full beard, in a mixture of skin and hair."""
    identity = face.identity
    if identity.beard is Beard.NONE:
        return
    shade = _mix(identity.skin, identity.hair, 0.25 if identity.beard is Beard.STUBBLE else 0.7)
    mouth_y = _mouth_y(identity)
    if identity.beard is not Beard.MOUSTACHE:
        x, y = _outline(face)
        jaw = y > 0.1
        order = np.argsort(x[jaw])
        # The upper edge runs from the ears down over the cheeks to the moustache.
        edge_y = mouth_y + 0.02 - 0.12 * _BOW + (0.05 - mouth_y) * _ALONG**4
        canvas.fill(
            np.concatenate([identity.half_width * _ALONG, x[jaw][order][::-1]]),
            np.concatenate([edge_y, y[jaw][order][::-1]]),
            shade,
            flat=True,
        )
    half = identity.mouth_width + 0.05
    lip = identity.lip_thickness
    canvas.fill(
        half * np.array([-1.0, -0.4, 0.0, 0.4, 1.0, 0.0]),
        mouth_y + np.array([0.05, -0.13, -0.11, -0.13, 0.05, -lip]),
        shade,
    )


def draw_mouth(canvas: Canvas, face: DrawnFace) -> None:
    """Lips, and between them the dark of the mouth and the teeth."""
    identity, left, right = face.identity, face.left, face.right
    left_x, left_y = _mouth_corner(identity, left)
    right_x, right_y = _mouth_corner(identity, right)
    x = np.where(_ALONG < 0.0, left_x * _ALONG, right_x * _ALONG)
    corner_y = np.where(_ALONG < 0.0, left_y, right_y)
    smile = 0.5 * (left.lip_corner_puller + right.lip_corner_puller)
    middle_y = _mouth_y(identity) + 0.03 * smile - 0.05 * _mean(left.lip_corner_depressor, right.lip_corner_depressor)
    seam = middle_y + (corner_y - middle_y) * np.abs(_ALONG) ** 1.7

    tightened = _mean(left.lip_tightener, right.lip_tightener)
    stretched = _mean(left.lip_stretcher, right.lip_stretcher)
    wrinkled = _mean(left.nose_wrinkler, right.nose_wrinkler)
    depressed = _mean(left.lower_lip_depressor, right.lower_lip_depressor)
    jaw = _jaw_drop(face)
    raised = (0.05 * wrinkled + 0.05 * min(jaw, 0.4)) * _BOW
    lowered = (0.36 * jaw + 0.07 * depressed + 0.05 * stretched) * (_ROUND if jaw > 0.2 else _BOW)
    # A dropped jaw rounds the mouth; stretched and smiling mouths keep their corners sharp.
    thickness = identity.lip_thickness * max(0.12, 1.0 - 0.85 * tightened - 0.35 * stretched - 0.3 * smile)
    upper, lower = seam - raised, seam + lowered
    upper_edge = upper - thickness * _CUPID * _BOW**0.7
    lower_edge = lower + 1.15 * thickness * _BOW**0.7

    lip = 0.68 * identity.skin
    canvas.fill(np.concatenate([x, x[::-1]]), np.concatenate([upper_edge, upper[::-1] + 0.01]), 0.9 * lip)
    canvas.fill(np.concatenate([x, x[::-1]]), np.concatenate([lower - 0.01, lower_edge[::-1]]), lip)
    gap = lower - upper
    if gap.max() > 0.035:
        canvas.fill(np.concatenate([x, x[::-1]]), np.concatenate([upper, lower[::-1]]), 0.18 * identity.skin)
        inner = 0.92 * x
        teeth = np.minimum(gap, 0.05 + 0.06 * smile + 0.03 * stretched)
        canvas.fill(
            np.concatenate([inner, inner[::-1]]),
            np.concatenate([upper, (upper + teeth)[::-1]]),
            0.35 * identity.skin + 140,
        )
        lower_teeth = np.minimum(0.45 * gap, 0.05 * depressed + 0.03 * stretched)
        if lower_teeth.max() > 0.02:
            canvas.fill(
                np.concatenate([inner, inner[::-1]]),
                np.concatenate([lower - lower_teeth, lower[::-1]]),
                0.3 * identity.skin + 125,
            )
    else:
        canvas.stroke(x, seam, 0.35 * identity.skin, 0.022 + 0.012 * tightened)


def draw_eye(canvas: Canvas, face: DrawnFace, side: int, units: ActionUnits) -> None:
    """The white between the lids, iris and pupil cut off by them, and the lash line."""
    identity = face.identity
    centre_x, centre_y = side * identity.eye_distance, identity.eye_height
    opening = identity.eye_opening * max(
        0.18,
        1.0
        + 0.75 * units.upper_lid_raiser
        - 0.35 * units.lid_tightener
        - 0.3 * units.cheek_raiser
        - 0.4 * units.nose_wrinkler
        - 0.2 * units.lip_corner_depressor,
    )
    sagging = identity.eye_opening * max(
        0.1,
        0.75
        + 0.15 * units.upper_lid_raiser
        - 0.5 * units.lid_tightener
        - 0.6 * units.cheek_raiser
        - 0.4 * units.nose_wrinkler,
    )
    # The pull of AU 1 lifts the inner part of the upper lid, that of AU 4 presses it down.
    slant = side * 0.03 * (units.brow_lowerer - units.inner_brow_raiser)
    x = centre_x + identity.eye_width * _ALONG
    upper = centre_y - opening * _BOW - slant * _ALONG * _BOW
    lower = centre_y + sagging * _BOW
    white = min(245.0, 0.45 * identity.skin + 135.0)
    canvas.fill(np.concatenate([x, x[::-1]]), np.concatenate([upper, lower[::-1]]), white)

    iris_x = centre_x + face.pose.gaze * identity.eye_width
    for radius, shade in ((0.078, identity.iris), (0.04, 12.0)):
        disc_x = iris_x + radius * _DISC_SIN
        disc_y = centre_y - 0.01 + radius * _DISC_COS
        disc_y = np.clip(disc_y, np.interp(disc_x, x, upper), np.interp(disc_x, x, lower))
        canvas.fill(disc_x, disc_y, shade)
    canvas.stroke(x, upper, 0.25 * identity.skin, 0.026)
    canvas.stroke(x, lower, 0.62 * identity.skin, 0.012)
    canvas.stroke(x, upper - 0.045 + 0.02 * units.upper_lid_raiser, 0.72 * identity.skin, 0.014)


def draw_brow(canvas: Canvas, identity: Identity, side: int, units: ActionUnits) -> None:
    """A tapering brow: AU 1 lifts its inner end, AU 2 its outer end, AU 4 lowers and draws it inwards."""
    lifted_inner = 0.15 * units.inner_brow_raiser - 0.13 * units.brow_lowerer - 0.07 * units.nose_wrinkler
    lifted_middle = (
        0.07 * units.inner_brow_raiser
        + 0.13 * units.outer_brow_raiser
        - 0.07 * units.brow_lowerer
        - 0.05 * units.nose_wrinkler
    )
    lifted_outer = 0.15 * units.outer_brow_raiser - 0.02 * units.brow_lowerer - 0.03 * units.inner_brow_raiser
    inner_x = identity.eye_distance - 0.19 - 0.04 * units.brow_lowerer
    x = side * np.array([inner_x, inner_x + 0.1, identity.eye_distance + 0.06, identity.eye_distance + 0.25])
    y = _at_brows(
        identity,
        [
            -lifted_inner,
            -0.6 * lifted_inner - 0.4 * lifted_middle - 0.6 * identity.brow_arch,
            -lifted_middle - identity.brow_arch,
            0.04 - lifted_outer,
        ],
    )
    half = identity.brow_thickness * np.array([0.9, 1.1, 0.9, 0.25])
    shade = min(identity.hair, 0.55 * identity.skin)
    canvas.fill(np.concatenate([x, x[::-1]]), np.concatenate([y - half, (y + half)[::-1]]), shade)


def draw_hair_in_front(canvas: Canvas, identity: Identity) -> None:
    """The hair over the forehead: between the hairline and the crown."""
    if identity.hair_style is HairStyle.BALD:
        return
    half = 1.04 * identity.half_width
    hairline = _hairline(identity)
    crown_y = hairline[-1] - (1.2 + hairline[-1]) * _CROWN_COS
    x = np.concatenate([half * _ALONG, 1.07 * half * _CROWN_SIN])
    canvas.fill(x, np.concatenate([hairline, crown_y]), identity.hair, flat=True)
    # A streak where the light falls on the crown.
    x = np.concatenate([0.5 * half * _ALONG, 0.5 * half * _ALONG[::-1]])
    y = np.concatenate([-0.98 - 0.08 * _BOW, -0.94 - 0.08 * _BOW])
    canvas.fill(x, y, min(245.0, 1.1 * identity.hair + 12.0), flat=True)


def _hairline(identity: Identity) -> NDArray[np.float64]:
    """Heights of the hairline along the forehead, from the left temple to the right one."""
    line, outwards = identity.hairline, np.abs(_ALONG)
    match identity.hair_style:
        case HairStyle.FRINGE:
            return line + 0.2 + 0.03 * np.cos(9.0 * _ALONG) + (-0.25 - line) * outwards**5
        case HairStyle.PARTED:
            return line - 0.1 + 0.22 * np.abs(_ALONG - 0.35) + (0.0 - line) * outwards**6
        case HairStyle.LONG:
            return line - 0.08 + 0.3 * outwards**2 + (0.1 - line) * outwards**8
        case _:
            return line + 0.12 * outwards**2 + (-0.3 - line) * outwards**6


def draw_glasses(canvas: Canvas, identity: Identity) -> None:
    """Round rims, a bridge and temples."""
    rim = 25.0
    y = identity.eye_height + 0.01
    for side in (-1, 1):
        centre = side * identity.eye_distance
        canvas.stroke(centre + 0.225 * _SIN, y + 0.185 * _COS, rim, 0.022, closed=True)
        canvas.stroke(
            np.array([centre + side * 0.225, side * identity.half_width]), np.array([y, y - 0.03]), rim, 0.022
        )
    bridge = identity.eye_distance - 0.225
    canvas.stroke(np.array([-bridge, 0.0, bridge]), np.array([y, y - 0.03, y]), rim, 0.022)


def draw_occlusion(canvas: Canvas, face: DrawnFace) -> None:
    """A hand at the cheek or chin, or a lock of hair over the brow and eye."""
    photo, identity = face.photo, face.identity
    side = 1 if photo.occlusion_x > 0.0 else -1
    if photo.occlusion is Occlusion.HAND:
        knuckles_x = side * (0.2 + 0.45 * abs(photo.occlusion_x))
        top = 0.3 + 0.35 * photo.occlusion_y
        for finger, shorter in enumerate((0.05, 0.0, 0.02, 0.08)):
            x = np.array([knuckles_x - side * 0.1 * finger, knuckles_x + side * (0.12 - 0.05 * finger)])
            y = np.array([top + shorter, top + 0.9])
            canvas.stroke(x, y, 0.72 * identity.skin, 0.14)
            canvas.stroke(x, y, 0.95 * identity.skin, 0.115)
    elif photo.occlusion is Occlusion.LOCK:
        x = side * np.array([0.05, 0.3, 0.48, 0.5]) + 0.15 * photo.occlusion_x
        canvas.stroke(x, np.array([-1.0, -0.65, -0.25, 0.2 + 0.4 * photo.occlusion_y]), identity.hair, 0.14)


def expose(image: NDArray[np.float32], photo: DrawnPhoto, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light, contrast, blur and sensor noise, in this order; then 8 bits.

    Args:
        image: shape (H, W), gray values.
        photo: the circumstances.
        rng: where the noise comes from.
    """
    height, width = image.shape
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    light = (1.0 + photo.light_x * x - photo.vignette * 0.5 * x * x) + (
        photo.light_y * y - photo.vignette * 0.5 * y * y
    )
    image = image * light
    image = (image - 128.0) * np.float32(photo.contrast) + np.float32(128.0 + photo.brightness)
    # Blur is given at the scale of a 48 pixel image, so that it hides the same detail at every size.
    sigma_px = photo.blur_px * width / 48.0
    if sigma_px > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), sigma_px)
    image += np.float32(photo.noise) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image), 0.0, 255.0).astype(np.uint8)


def _sides(face: DrawnFace) -> Iterator[tuple[int, ActionUnits]]:
    yield -1, face.left
    yield 1, face.right


def _mean(left: float, right: float) -> float:
    return 0.5 * (left + right)


def _mix(one: float, other: float, share: float) -> float:
    return (1.0 - share) * one + share * other


def _jaw_drop(face: DrawnFace) -> float:
    return _mean(face.left.jaw_drop, face.right.jaw_drop)


def _outline(face: DrawnFace) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The outline of the face: an ellipse that narrows towards the chin, which the jaw takes down with it."""
    identity = face.identity
    x = identity.half_width * _SIN * (1.0 - identity.jaw_taper * np.maximum(_COS, 0.0) ** 1.5)
    y = _COS * np.where(_COS > 0.0, 1.0 + 0.1 * _jaw_drop(face), 1.02)
    return x, y


def _nose_y(identity: Identity) -> float:
    return identity.eye_height + identity.nose_length


def _mouth_y(identity: Identity) -> float:
    return _nose_y(identity) + identity.mouth_drop


def _mouth_corner(identity: Identity, units: ActionUnits) -> tuple[float, float]:
    """Distance of a mouth corner from the middle line, and its height."""
    width = (
        identity.mouth_width
        + 0.1 * units.lip_corner_puller
        + 0.11 * units.lip_stretcher
        + 0.03 * units.dimpler
        - 0.05 * units.lip_tightener
        - 0.08 * units.jaw_drop
    )
    lowered = (
        0.13 * units.lip_corner_depressor
        + 0.03 * units.lip_stretcher
        + 0.08 * units.jaw_drop
        - 0.13 * units.lip_corner_puller
        - 0.02 * units.dimpler
    )
    return width, _mouth_y(identity) + lowered


def _at_brows(identity: Identity, heights: list[float]) -> NDArray[np.float64]:
    """Heights over (negative) or under the resting brows, in face units."""
    return identity.eye_height - identity.brow_gap + np.array(heights)


def _crease(
    canvas: Canvas, identity: Identity, x: list[float], y: list[float] | NDArray[np.float64], strength: float
) -> None:
    """A line darker than the skin; old skin folds deeper. Nothing when it would be too faint to see."""
    depth = min(0.5, strength * (0.18 + 0.25 * identity.creases))
    if depth > 0.04:
        canvas.stroke(np.array(x), np.asarray(y), (1.0 - depth) * identity.skin, 0.018)
