"""YuNet, the network that finds faces, through onnxruntime: from pixels to boxes, landmarks and scores.

Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20 (2023). Its answers
are read as OpenCV's FaceDetectorYN reads them (OpenCV 4.14, modules/objdetect/src/face_detect.cpp), and a test holds
them to that. docs/finding-faces.md has the rule in words.
"""

from __future__ import annotations

import math
import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError
from mien.inference import runtime

# Each position of an output answers for a square of so many pixels a side.
STRIDES = (8, 16, 32)
# Sides that the network takes are multiples of it; the picture is filled up with black on the right and below.
STEP = 32
_OVERLAP_LIMIT = 0.3
_MOST_FINDS = 5000
_OUTPUTS = tuple(f"{kind}_{stride}" for stride in STRIDES for kind in ("cls", "obj", "bbox", "kps"))
# The file declares a picture of 640 x 640 and its graph is bound to no size. A dimension of 640 is as long as a
# dimension with a name of one letter, so the one is written over the other (onnx.proto3, TensorShapeProto.Dimension:
# field 1 is the number, field 2 the name).
_FIXED_SIZE = bytes.fromhex("0a03088005 0a03088005")
_ANY_SIZE = b"\x0a\x03\x12\x01h" + b"\x0a\x03\x12\x01w"


class FaceNetwork:
    """YuNet's 2023 model, for pictures of any size. May be used from several threads at once.

    Args:
        model: the bytes of its ONNX file.
        path: the file, for messages.
        threads: threads that work on one picture; None for as many as there are cores.
        provider: see `mien.inference.runtime.start`.

    Raises:
        MienError: this is another network, or takes pictures of one size only.
    """

    def __init__(self, model: bytes, path: Path, *, threads: int | None = None, provider: str = "cpu") -> None:
        self._model, self._path = model, path
        self._given: dict[str, Any] = {"threads": threads, "provider": provider}
        expected = "Expected: a YuNet model file (.onnx) of 2023, such as face_detection_yunet_2023mar.onnx."
        try:
            self._session = runtime.start(model.replace(_FIXED_SIZE, _ANY_SIZE, 1), threads=threads, provider=provider)
        except MienError:
            raise
        except Exception as error:  # onnxruntime's own classes share no base below Exception
            reason = runtime.first_line(error)
            raise MienError(f"{path} cannot be used as a face detector. {expected} ({reason})") from error
        inputs = self._session.get_inputs()
        outputs = {output.name for output in self._session.get_outputs()}
        if len(inputs) != 1 or not outputs.issuperset(_OUTPUTS):
            raise MienError(
                f"{path} is not a face detector that mien can read. {expected} Received: a network with inputs "
                f"{[entry.name for entry in inputs]} and outputs {sorted(outputs)}."
            )
        if any(isinstance(side, int) for side in inputs[0].shape[2:]):
            height, width = inputs[0].shape[2:]
            raise MienError(
                f"The face detector {path} takes pictures of {width} x {height} pixels only. {expected} One with "
                "named dimensions instead of numbers works, too."
            )
        self._input = inputs[0].name
        # A large picture takes 80 MiB while it is looked at. As many looks at once as keep the cores busy, if two
        # threads work on one, are enough.
        cores = os.cpu_count() or 1
        self._turns = threading.Semaphore(max(1, cores // min(2, threads or cores)))
        self._rooms: list[NDArray[np.float32]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the network is loaded anew."""
        return partial(FaceNetwork, **self._given), (self._model, self._path)

    def find(self, pixels: NDArray[np.uint8], threshold: float) -> NDArray[np.float32]:
        """Faces in a picture at its own size, without overlap.

        Args:
            pixels: shape (H, W, 3), RGB, or (H, W), gray; uint8.
            threshold: only finds with a higher score are given, 0 to 1.

        Returns:
            Shape (N, 15), float32, the surest first: x and y of the top left corner, width, height, x and y of the
            five landmarks, in pixels, and the score, 0 to 1.
        """
        with self._turns:
            # The largest input so far is kept for the next one, for each look that may be under way.
            room = self._rooms.pop() if self._rooms else np.empty(0, dtype=np.float32)
            picture, room = _network_input(pixels, room)
            columns = picture.shape[3]
            answers = dict(zip(_OUTPUTS, self._session.run(_OUTPUTS, {self._input: picture}), strict=True))
            self._rooms.append(room)
        finds = np.concatenate([_finds(answers, stride, columns // stride, threshold) for stride in STRIDES])
        return without_overlap(finds)


def _network_input(
    pixels: NDArray[np.uint8], room: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shape (1, 3, H, W), float32, 0..255, in the order blue, green, red, both sides filled up to whole steps.

    It lies in `room`, shape (N,), or, where that is too small, in a larger one; the second result is which.
    """
    height, width = pixels.shape[:2]
    rows, columns = (math.ceil(side / STEP) * STEP for side in (height, width))
    if room.size < 3 * rows * columns:
        room = np.empty(3 * rows * columns, dtype=np.float32)
    picture = room[: 3 * rows * columns].reshape(1, 3, rows, columns)
    picture[:, :, height:] = 0
    picture[:, :, :, width:] = 0
    picture[0, :, :height, :width] = pixels if pixels.ndim == 2 else pixels[:, :, ::-1].transpose(2, 0, 1)
    return picture, room


def _finds(answers: dict[str, NDArray[np.float32]], stride: int, columns: int, threshold: float) -> NDArray[np.float32]:
    """The finds of one stride with a score above the threshold, shape (N, 15)."""
    face, box, points = (answers[f"{kind}_{stride}"][0] for kind in ("cls", "bbox", "kps"))
    scores = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(answers[f"obj_{stride}"][0][:, 0], 0, 1))
    (chosen,) = np.nonzero(scores > threshold)
    place = np.stack([chosen % columns, chosen // columns], axis=1).astype(np.float32)
    centre = (place + box[chosen, :2]) * stride
    with np.errstate(over="ignore"):
        size = np.exp(box[chosen, 2:]) * stride
    landmarks = (np.tile(place, 5) + points[chosen]) * stride
    rows = np.hstack([centre - size / 2, size, landmarks, scores[chosen, None]]).astype(np.float32)
    return rows[np.isfinite(rows).all(axis=1)]


def without_overlap(finds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep the surest of finds that show the same face: those that share more than 0.3 of the area that they cover.

    Corners and sides are cut to whole pixels before, as OpenCV does it; for the smallest faces it matters.

    Args:
        finds: shape (N, 15), as `FaceNetwork.find` gives them.

    Returns:
        Shape (M, 15), the surest first.
    """
    finds = finds[np.argsort(-finds[:, 14], kind="stable")][:_MOST_FINDS]
    left, top, width, height = np.trunc(finds[:, :4].astype(np.float64)).T
    area = width * height
    remaining = np.arange(len(finds))
    kept = []
    while len(remaining):
        best, rest = remaining[0], remaining[1:]
        kept.append(best)
        beside = np.minimum(left[best] + width[best], left[rest] + width[rest]) - np.maximum(left[best], left[rest])
        below = np.minimum(top[best] + height[best], top[rest] + height[rest]) - np.maximum(top[best], top[rest])
        shared = np.maximum(beside, 0) * np.maximum(below, 0)
        union = area[best] + area[rest] - shared
        remaining = rest[shared <= _OVERLAP_LIMIT * union]
    return finds[kept]
