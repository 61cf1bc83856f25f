"""How faces are framed: which square of a photo holds the face as a network has learned it.

A data set frames its faces in one way, and a network that learned from them reads a photo's faces rightly only when
they are cut out in the same way. So the framing belongs to the description of the data and goes into the bundle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from mien.channels import Channels, check_channels
from mien.errors import BundleError, DataError, did_you_mean


class CropKind(StrEnum):
    """How a face is turned before it is cut out: not at all, or until it stands upright."""

    UPRIGHT = "upright"
    ALIGNED = "aligned"


@dataclass(frozen=True)
class CropRule:
    """Which square of a photo a network wants to see of a face. Stored with the weights that were trained for it.

    The defaults fit FER2013; docs/decisions/0003-crop-rule.md has the measurements.

    Attributes:
        kind: whether the square is turned with the face.
        margin: side of the square, as a multiple of the geometric mean of the face box's width and height.
        vertical_shift: how far the square's centre lies below the box's centre, in sides of the square.
        size: side of the crop, in pixels.
        framing: what this is the framing of: a name in `FRAMINGS`, or what someone said; None when nobody knows how the
            network's training faces were framed. Then the rule is a guess, and photos are not read by it.
        channels: what the crop has: gray, or the photo's colours (RGB).
    """

    kind: CropKind = CropKind.ALIGNED
    margin: float = 1.11
    vertical_shift: float = 0.0
    size: int = 48
    framing: str | None = "fer2013"
    channels: Channels = "gray"

    def __post_init__(self) -> None:
        if not (0.2 <= self.margin <= 10 and -1 <= self.vertical_shift <= 1 and 1 <= self.size <= 1024):
            raise BundleError(
                "A crop rule has a margin of 0.2 to 10, a vertical shift of -1 to 1 and a size of 1 to 1024. "
                f"Received: margin={self.margin}, vertical_shift={self.vertical_shift}, size={self.size}."
            )

    def to_json(self) -> dict[str, Any]:
        """The rule as plain JSON values. Rules for gray crops, of which there were no others once, say no channels."""
        values = {**asdict(self), "kind": self.kind.value}
        if self.channels == "gray":
            del values["channels"]
        return values

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The rule that `to_json` gave.

        Raises:
            BundleError: a key is missing or unknown, or a value is impossible.
        """
        try:
            return cls(
                kind=CropKind(value["kind"]),
                margin=float(value["margin"]),
                vertical_shift=float(value["vertical_shift"]),
                size=int(value["size"]),
                framing=None if value["framing"] is None else str(value["framing"]),
                channels=check_channels(value.get("channels", "gray")),
            )
        except (KeyError, TypeError, ValueError, DataError) as error:
            raise BundleError(
                "A crop rule needs kind (upright or aligned), margin, vertical_shift, size and framing. "
                f"Received: {value!r}."
            ) from error


@dataclass(frozen=True)
class Framing:
    """A known framing.

    Attributes:
        name: what a study file, a command or a bundle calls it.
        kind: whether the square is turned with the face.
        margin: as in `CropRule`.
        vertical_shift: as in `CropRule`.
        source: how it is known.
    """

    name: str
    kind: CropKind
    margin: float
    vertical_shift: float
    source: str


FRAMINGS: dict[str, Framing] = {
    framing.name: framing
    for framing in (
        Framing(
            "fer2013",
            CropKind.ALIGNED,
            1.11,
            0.0,
            "Measured with the face detector on 3,589 images of FER2013 (docs/decisions/0003-crop-rule.md).",
        ),
        Framing(
            "drawn",
            CropKind.ALIGNED,
            1.37,
            -0.015,
            "Measured in the same way on 150 faces that mien draws: the median.",
        ),
    )
}

_SAID = re.compile(r"(?:(aligned|upright)\b[:,]?)?\s*margin=([\d.]+)(?:\s*,\s*shift=(-?[\d.]+))?")


def crop_rule_of(framing: str | None, size: int, channels: Channels = "gray") -> CropRule:
    """The crop rule of a framing.

    Args:
        framing: a name in `FRAMINGS`; or "aligned:margin=1.3,shift=0.05" (the side of the square in sizes of the face
            box, and how far its centre lies below that of the box; "upright" where faces were not turned); or None
            when nobody knows.
        size: side of the crop, in pixels.
        channels: what the crop has.

    Raises:
        BundleError: there is no such framing, or the numbers are impossible.
    """
    if framing is None:
        return CropRule(size=size, framing=None, channels=channels)
    if framing in FRAMINGS:
        known = FRAMINGS[framing]
        return CropRule(known.kind, known.margin, known.vertical_shift, size, framing, channels)
    said = _SAID.fullmatch(framing.strip())
    if said is None:
        raise BundleError(
            f"There is no framing {framing!r}. {did_you_mean(framing, FRAMINGS)} "
            "Or say it in numbers: aligned:margin=1.11,shift=0."
        )
    try:
        kind = CropKind(said[1] or "aligned")
        return CropRule(kind, float(said[2]), float(said[3] or 0), size, framing.strip(), channels)
    except ValueError as error:
        raise BundleError(f"The framing {framing!r} has a number that is none: {error}.") from error
