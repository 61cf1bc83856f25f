"""Noticing photos where faces that are cut out already are expected: by how much of an image its face fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.channels import image_in_channels
from mien.images import read_image
from mien.inference.detector import Detector

# Faces in smaller images are too small to be found, were they a part of them only.
LEAST_SIDE_PX = 120
# A crop's side is one to two sizes of its face's box, in all framings that are known (see `mien.framing`).
_MOST_SIDES = 2.0
# How many images are looked at, evenly spread.
LOOKED_AT = 40
_MOST_PHOTOS = 0.1


@dataclass(frozen=True)
class Looked:
    """What a look at some of the images has shown.

    Attributes:
        images: how many were looked at; 0 where they are too small to be whole photos.
        whole: in how many the largest face fills less than half of the shorter side.
    """

    images: int
    whole: int

    @property
    def warning(self) -> str:
        """What to say of it; empty where nothing is wrong."""
        if self.whole <= _MOST_PHOTOS * self.images:
            return ""
        return (
            f"in {self.whole} of {self.images} images that were looked at, the face fills less than half of the side: "
            "they are whole photos, and no face was cut out of them"
        )


def look_for_whole_photos(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], detector: Detector | None = None
) -> Looked:
    """Look at up to 40 images, evenly spread, whether they are photos rather than faces that are cut out.

    Args:
        images: shape (H, W) or (H, W, 3), uint8, each.
        detector: finds the faces; None for the default one, which is loaded only where an image is large enough.
    """
    large = [number for number, image in enumerate(images) if min(image.shape[:2]) >= LEAST_SIDE_PX]
    if not large:
        return Looked(0, 0)
    detector = Detector() if detector is None else detector
    places = np.unique(np.linspace(0, len(large) - 1, min(LOOKED_AT, len(large))).round().astype(int))
    whole = 0
    for place in places.tolist():
        image = image_in_channels(np.asarray(images[large[place]]), "gray")
        faces = detector.detect(read_image(image))
        largest = max((face.box.area for face in faces), default=0.0) ** 0.5
        whole += 0 < largest * _MOST_SIDES < min(image.shape)
    return Looked(len(places), whole)
