"""What a drawn face looks like, in numbers: action units, identity, pose, and the circumstances of the photo.

The action units of each expression are those of EMFACS (Ekman & Friesen, *EMFACS-7*, 1983; Ekman, Friesen & Hager,
*Facial Action Coding System*, 2002): happiness 6+12, sadness 1+4+15, surprise 1+2+5+26, fear 1+2+4+5+7+20+26,
anger 4+5+7+23, disgust 9+15+16, contempt 12+14 on one side.

Lengths are in face units: the origin lies in the middle of the face, x to the right, y downwards, and the chin at
y = 1. Shades are gray values, 0 black to 255 white.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.labels import Expression

Kind = TypeVar("Kind", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class ActionUnits:
    """Intensity of each action unit on one side of the face, 0 at rest to about 1 at full strength."""

    inner_brow_raiser: float = 0.0  # AU 1
    outer_brow_raiser: float = 0.0  # AU 2
    brow_lowerer: float = 0.0  # AU 4
    upper_lid_raiser: float = 0.0  # AU 5
    cheek_raiser: float = 0.0  # AU 6
    lid_tightener: float = 0.0  # AU 7
    nose_wrinkler: float = 0.0  # AU 9
    lip_corner_puller: float = 0.0  # AU 12
    dimpler: float = 0.0  # AU 14
    lip_corner_depressor: float = 0.0  # AU 15
    lower_lip_depressor: float = 0.0  # AU 16
    lip_stretcher: float = 0.0  # AU 20
    lip_tightener: float = 0.0  # AU 23
    jaw_drop: float = 0.0  # AU 26

    def vector(self) -> NDArray[np.float64]:
        """Shape (14,): the intensities in the order of the fields."""
        return np.array([getattr(self, field.name) for field in fields(self)])


PROTOTYPES: dict[Expression, ActionUnits] = {
    Expression.ANGER: ActionUnits(brow_lowerer=1.0, upper_lid_raiser=0.4, lid_tightener=0.8, lip_tightener=1.0),
    Expression.DISGUST: ActionUnits(nose_wrinkler=1.0, lip_corner_depressor=0.6, lower_lip_depressor=0.8),
    Expression.FEAR: ActionUnits(
        inner_brow_raiser=1.0,
        outer_brow_raiser=0.5,
        brow_lowerer=0.5,
        upper_lid_raiser=1.0,
        lid_tightener=0.3,
        lip_stretcher=1.0,
        jaw_drop=0.4,
    ),
    Expression.HAPPINESS: ActionUnits(cheek_raiser=0.9, lip_corner_puller=1.0),
    Expression.SADNESS: ActionUnits(inner_brow_raiser=0.9, brow_lowerer=0.4, lip_corner_depressor=1.0),
    Expression.SURPRISE: ActionUnits(inner_brow_raiser=1.0, outer_brow_raiser=1.0, upper_lid_raiser=0.9, jaw_drop=1.0),
    Expression.NEUTRAL: ActionUnits(),
    Expression.CONTEMPT: ActionUnits(lip_corner_puller=0.75, dimpler=1.0),
}
_PROTOTYPE_VECTORS = {expression: units.vector() for expression, units in PROTOTYPES.items()}

# What a face does without meaning anything by it: habitual frowns, half-open mouths, corners that hang.
_RESTING_TONE = ActionUnits(
    inner_brow_raiser=0.10,
    outer_brow_raiser=0.10,
    brow_lowerer=0.10,
    upper_lid_raiser=0.10,
    cheek_raiser=0.10,
    lid_tightener=0.13,
    nose_wrinkler=0.04,
    lip_corner_puller=0.10,
    dimpler=0.05,
    lip_corner_depressor=0.10,
    lower_lip_depressor=0.03,
    lip_stretcher=0.04,
    lip_tightener=0.11,
    jaw_drop=0.04,
).vector()

_BLENDED_SHARE = 0.16
_MOST_OF_THE_OTHER = 0.4


class HairStyle(StrEnum):
    """How the hair lies."""

    BALD = "bald"
    SHORT = "short"
    FRINGE = "fringe"
    PARTED = "parted"
    LONG = "long"


class Beard(StrEnum):
    """What grows below the nose."""

    NONE = "none"
    STUBBLE = "stubble"
    MOUSTACHE = "moustache"
    FULL = "full"


class Occlusion(StrEnum):
    """What hides a part of the face."""

    NONE = "none"
    HAND = "hand"
    LOCK = "lock of hair"


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same when a person's expression changes. Lengths in face units, shades in gray values."""

    half_width: float
    jaw_taper: float
    eye_distance: float
    eye_height: float
    eye_width: float
    eye_opening: float
    brow_gap: float
    brow_thickness: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_drop: float
    mouth_width: float
    lip_thickness: float
    creases: float
    skin: float
    hair: float
    iris: float
    hair_style: HairStyle
    hairline: float
    beard: Beard
    glasses: bool


@dataclass(frozen=True, slots=True)
class Pose:
    """Head position. Angles in radians; shifts as shares of the image; gaze as a share of the eye's half width."""

    yaw: float
    pitch: float
    roll: float
    scale: float
    shift_x: float
    shift_y: float
    gaze: float


@dataclass(frozen=True, slots=True)
class DrawnPhoto:
    """The circumstances of the photo. Lighting as relative change from the middle to the border of the image."""

    background: float
    background_edge: float
    clothes: float
    light_x: float
    light_y: float
    vignette: float
    contrast: float
    brightness: float
    blur_px: float
    noise: float
    occlusion: Occlusion
    occlusion_x: float
    occlusion_y: float


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """All that is needed to draw one face; `left` and `right` as seen in the image."""

    left: ActionUnits
    right: ActionUnits
    identity: Identity
    pose: Pose
    photo: DrawnPhoto


def sample_face(rng: np.random.Generator, expression: Expression, hardness: float) -> DrawnFace:
    """A random face that shows an expression.

    Args:
        rng: where the random numbers come from.
        expression: what the face shows.
        hardness: 0 for full expressions in plain frontal photos; 1 for faint and blended ones, turned heads, bad
            light, noise, blur and occlusion.
    """
    left, right = sample_action_units(rng, expression, hardness)
    identity = sample_identity(rng, hardness)
    return DrawnFace(left, right, identity, sample_pose(rng, hardness), sample_photo(rng, hardness))


def sample_action_units(
    rng: np.random.Generator, expression: Expression, hardness: float
) -> tuple[ActionUnits, ActionUnits]:
    """Action units of the left and right side: the prototype, made fainter, blended, uneven and lopsided."""
    intensity = max(0.15, 1.0 - 0.8 * hardness * rng.beta(1.5, 3.5))
    units = _PROTOTYPE_VECTORS[expression] * intensity
    # One muscle moves more than another, and people differ in which.
    units = units * rng.uniform(1.0 - 0.32 * hardness, 1.0, units.size)
    if expression is Expression.HAPPINESS:
        units += ActionUnits(jaw_drop=0.55).vector() * intensity * max(0.0, rng.uniform(-0.6, 1.0))
    sides = np.stack([units, units]) * (1.0 + hardness * rng.uniform(-0.16, 0.16, (2, 1)))
    if expression is Expression.CONTEMPT:
        sides[rng.integers(2)] *= 0.1
    if rng.random() < _BLENDED_SHARE * hardness:
        other = list(Expression)[rng.integers(len(Expression))]
        share = rng.uniform(0.0, _MOST_OF_THE_OTHER)
        sides = (1.0 - share) * sides + share * _PROTOTYPE_VECTORS[other]
    sides = sides + hardness * np.abs(rng.standard_normal(units.size)) * _RESTING_TONE
    left, right = np.minimum(sides, 1.2).tolist()
    return ActionUnits(*left), ActionUnits(*right)


def sample_identity(rng: np.random.Generator, hardness: float) -> Identity:
    """A random person; `hardness` adds glasses and beards."""
    skin = rng.uniform(95.0, 215.0)
    return Identity(
        half_width=rng.uniform(0.68, 0.84),
        jaw_taper=rng.uniform(0.08, 0.34),
        eye_distance=rng.uniform(0.29, 0.36),
        eye_height=rng.uniform(-0.17, -0.07),
        eye_width=rng.uniform(0.135, 0.175),
        eye_opening=rng.uniform(0.062, 0.095),
        brow_gap=rng.uniform(0.20, 0.28),
        brow_thickness=rng.uniform(0.022, 0.05),
        brow_arch=rng.uniform(0.01, 0.06),
        nose_length=rng.uniform(0.36, 0.46),
        nose_width=rng.uniform(0.10, 0.16),
        mouth_drop=rng.uniform(0.22, 0.30),
        mouth_width=rng.uniform(0.23, 0.31),
        lip_thickness=rng.uniform(0.035, 0.085),
        creases=rng.uniform(0.1, 1.0),
        skin=skin,
        # Hair must differ from the skin, or a bald and a fair-haired head are the same.
        hair=rng.uniform(15.0, 70.0) if rng.random() < 0.75 else min(235.0, skin + rng.uniform(20.0, 60.0)),
        iris=rng.uniform(20.0, 90.0),
        hair_style=_choice(rng, HairStyle, (0.12, 0.3, 0.18, 0.2, 0.2)),
        hairline=rng.uniform(-0.78, -0.62),
        beard=_choice(rng, Beard, (0.68, 0.12, 0.08, 0.12)) if rng.random() < hardness else Beard.NONE,
        glasses=bool(rng.random() < 0.16 * hardness),
    )


def sample_pose(rng: np.random.Generator, hardness: float) -> Pose:
    """A random head position, frontal and centred at hardness 0."""
    spread = hardness * rng.standard_normal(7)
    yaw, pitch, roll, size, shift_x, shift_y, gaze = np.clip(spread, -2.2, 2.2).tolist()
    return Pose(
        yaw=0.17 * yaw,
        pitch=0.10 * pitch,
        roll=0.09 * roll,
        scale=1.0 + 0.05 * size,
        shift_x=0.02 * shift_x,
        shift_y=0.02 * shift_y,
        gaze=0.16 * gaze,
    )


def sample_photo(rng: np.random.Generator, hardness: float) -> DrawnPhoto:
    """Random circumstances of a photo; `hardness` adds slanted light, blur, noise and occlusion."""
    spread = np.clip(hardness * rng.standard_normal(4), -2.2, 2.2).tolist()
    return DrawnPhoto(
        background=rng.uniform(20.0, 235.0),
        background_edge=rng.uniform(-0.9, 0.9),
        clothes=rng.uniform(15.0, 230.0),
        light_x=0.18 * spread[0],
        light_y=0.13 * spread[1] - 0.05,
        vignette=rng.uniform(0.1, 0.3),
        contrast=float(np.clip(1.0 + 0.18 * spread[2], 0.45, 1.5)),
        brightness=14.0 * spread[3],
        blur_px=0.4 * hardness * rng.random() ** 2,
        noise=1.0 + 6.5 * hardness * rng.random() ** 2,
        occlusion=_choice(rng, Occlusion, (0.5, 0.25, 0.25)) if rng.random() < 0.16 * hardness else Occlusion.NONE,
        occlusion_x=rng.uniform(-1.0, 1.0),
        occlusion_y=rng.uniform(0.0, 1.0),
    )


def _choice(rng: np.random.Generator, kinds: type[Kind], shares: tuple[float, ...]) -> Kind:
    """One member of an enumeration, drawn with these shares (which sum to 1)."""
    position = int(np.searchsorted(np.cumsum(shares), rng.random(), side="right"))
    members = list(kinds)
    return members[min(position, len(members) - 1)]
