"""The square of a photo that a network sees of a face, by the rule of its bundle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.channels import Channels, channels_of, image_in_channels, images_in_channels
from mien.framing import CropKind, CropRule
from mien.images import Image
from mien.inference.detector import Face
from mien.likeness import Likeness

# Where the five landmarks of an upright frontal face lie, relative to their mean, in any unit: medians over the
# faces that YuNet finds in FER2013's PublicTest images, made symmetric (docs/decisions/0003-crop-rule.md).
_UPRIGHT_LANDMARKS = np.array([[-0.183, -0.191], [0.183, -0.191], [0.0, 0.019], [-0.149, 0.18], [0.149, 0.18]])


# Faces that are cut out are square or nearly so.
MOST_OBLONG = 1.2


def roll_degrees(landmarks: Sequence[tuple[float, float]]) -> float:
    """How far a face leans in the picture's plane, clockwise, in -180..180 degrees.

    It is the rotation of the best similarity between an upright face's five landmarks and these (Umeyama,
    "Least-squares estimation of transformation parameters", PAMI 1991; in the plane it has this closed form). The
    line between the eyes alone would be unstable for a face in profile.

    Args:
        landmarks: five points in the order of `mien.inference.detector.LANDMARK_NAMES`.

    Returns:
        The lean; 0 for a face without landmarks.
    """
    if not landmarks:
        return 0.0
    points = np.asarray(landmarks, dtype=np.float64)
    points = points - points.mean(axis=0)
    along = float((_UPRIGHT_LANDMARKS * points).sum())
    across = float((_UPRIGHT_LANDMARKS[:, 0] * points[:, 1] - _UPRIGHT_LANDMARKS[:, 1] * points[:, 0]).sum())
    return math.degrees(math.atan2(across, along))


def crop_side(face: Face, rule: CropRule) -> float:
    """The side of the square that the rule cuts for a face, in photo pixels."""
    return rule.margin * math.sqrt(max(face.box.area, 1.0))


def crop_corners(face: Face, rule: CropRule) -> NDArray[np.float64]:
    """The square that the rule cuts for a face.

    Returns:
        Shape (3, 2): top left, top right and bottom left corner, (x, y) in photo pixels; may lie outside the photo.
    """
    side = crop_side(face, rule)
    lean = roll_degrees(face.landmarks)
    # Without aligning, a face keeps its lean, but one in a photo that lies on its side is still turned with it.
    angle = math.radians(lean if rule.kind is CropKind.ALIGNED else 90 * round(lean / 90))
    right = np.array([math.cos(angle), math.sin(angle)]) * side
    down = np.array([-math.sin(angle), math.cos(angle)]) * side
    top_left = np.array(face.box.centre) + rule.vertical_shift * down - right / 2 - down / 2
    return np.stack([top_left, top_left + right, top_left + down])


def crop_to_photo(face: Face, rule: CropRule) -> NDArray[np.float64]:
    """The affine map from pixel centres of the crop to pixel centres of the photo, shape (2, 3)."""
    top_left, top_right, bottom_left = crop_corners(face, rule)
    x_step, y_step = (top_right - top_left) / rule.size, (bottom_left - top_left) / rule.size
    return np.column_stack([x_step, y_step, top_left + (x_step + y_step) / 2 - 0.5])


def crop_face(image: Image, face: Face, rule: CropRule) -> NDArray[np.uint8]:
    """Cut a face out of a photo: square, without aliasing, gray or in colour; beyond the photo its edge pixels go on.

    Returns:
        Shape (rule.size, rule.size), or (rule.size, rule.size, 3) in RGB, as `rule.channels` says; uint8. Gray is
        0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), as in the data sets.
    """
    to_photo = crop_to_photo(face, rule)
    oversampling = max(1, math.ceil(math.hypot(*to_photo[:, 0]) / image.reduction))
    fine_to_crop = _scaling(1 / oversampling)
    photo_to_pixels = _scaling(1 / image.reduction)
    fine_to_pixels = (photo_to_pixels @ np.vstack([to_photo, [0, 0, 1]]) @ fine_to_crop)[:2]
    # Sampling at the photo's own density and averaging blocks: sampling the small crop directly would alias.
    cut = cv2.warpAffine(
        image.pixels,
        fine_to_pixels,
        (rule.size * oversampling, rule.size * oversampling),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    cut = image_in_channels(np.asarray(cut, dtype=np.uint8), rule.channels)
    return np.asarray(cv2.resize(cut, (rule.size, rule.size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _scaling(factor: float) -> NDArray[np.float64]:
    """The map, shape (3, 3), from pixel centres at one resolution to pixel centres at `factor` times of it."""
    shift = (factor - 1) / 2
    return np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]])


def resize_crops(crops: NDArray[np.uint8], size: int, channels: Channels | None = None) -> NDArray[np.uint8]:
    """Faces that are crops already, at the size and with the channels that a network wants.

    Args:
        crops: shape (N, H, W), gray, or (N, H, W, 3), RGB; uint8.
        size: side of the result, in pixels.
        channels: of the result; None for those that the crops have.

    Returns:
        Shape (N, size, size) or (N, size, size, 3), uint8.
    """
    crops = images_in_channels(crops, channels or channels_of(crops))
    if crops.shape[1:3] == (size, size):
        return crops
    method = cv2.INTER_AREA if min(crops.shape[1:3]) > size else cv2.INTER_LINEAR
    resized = [cv2.resize(crop, (size, size), interpolation=method) for crop in crops]
    return np.array(resized, dtype=np.uint8).reshape(-1, size, size, *crops.shape[3:])


def likeness_of(train: NDArray[np.uint8], validation: NDArray[np.uint8], rule: CropRule) -> Likeness:
    """What faces look like, as a model that takes crops by a rule has learned them.

    Args:
        train: the faces that it learned from, shape (N, H, W) or (N, H, W, 3), uint8.
        validation: those by which it was chosen, likewise.
        rule: for the size of the crops and their channels.
    """
    return Likeness.of(*(resize_crops(np.asarray(faces), rule.size, rule.channels) for faces in (train, validation)))


def warp_crops(crops: NDArray[np.uint8], maps: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Faces that are crops already, each resampled by a map of its own, bilinearly.

    What lies outside of a crop takes the value of the nearest pixel of its border.

    Args:
        crops: shape (N, H, W) or (N, H, W, C), uint8.
        maps: shape (N, 2, 3): from the pixels (x, y, 1) of each result to the pixels of its crop.

    Returns:
        Of the shape of `crops`, uint8.
    """
    warped = np.empty_like(crops)
    height, width = crops.shape[1:3]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for crop, matrix, result in zip(crops, maps, warped, strict=True):
        moved = cv2.warpAffine(crop, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        result[:] = moved.reshape(result.shape)  # OpenCV leaves out a last axis of one
    return warped
