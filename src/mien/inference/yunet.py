"""YuNet, the network that finds faces, through onnxruntime: from pixels to boxes, landmarks and scores.

Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20 (2023). Its answers
are read as OpenCV's FaceDetectorYN reads them (OpenCV 4.14, modules/objdetect/src/face_detect.cpp), and a test holds
them to that. docs/finding-faces.md has the rule in words.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError
from mien.inference import runtime
from mien.inference.cutting import cut

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
# The first layers, up to the maps of stride 8, make two thirds of the work and nearly all of the memory. They see no
# further than 19 rows of the picture, so they look at strips of it, which stay in the processor's cache: the same
# numbers in six sevenths of the time. Steps between strips are whole rows of the maps.
_FIRST_LAYERS = (
    *("Conv", "Relu", "Conv", "Conv", "Relu", "MaxPool"),
    *("Conv", "Conv", "Relu") * 4,
    "MaxPool",
)
_MAP_STRIDE, _MAP_CHANNELS = 8, 64
_SEEN_ROWS = 24
_STRIP_PIXELS = 3 * 2**16


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
        whole = model.replace(_FIXED_SIZE, _ANY_SIZE, 1)
        parts = cut(whole, _FIRST_LAYERS) or (whole,)
        try:
            self._parts = [runtime.start(part, **self._given) for part in parts]
        except MienError:
            raise
        except Exception as error:  # onnxruntime's own classes share no base below Exception
            reason = runtime.first_line(error)
            raise MienError(f"{path} cannot be used as a face detector. {expected} ({reason})") from error
        inputs = self._parts[0].get_inputs()
        outputs = {output.name for output in self._parts[-1].get_outputs()}
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
        self._inputs = [part.get_inputs()[0].name for part in self._parts]
        # A large picture takes 30 MiB while it is looked at. As many looks at once as keep the cores busy, if two
        # threads work on one, are enough.
        cores = os.cpu_count() or 1
        self._turns = threading.Semaphore(max(1, cores // min(2, threads or cores)))
        self._rooms: list[_Room] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the network is loaded anew."""
        return partial(FaceNetwork, **self._given), (self._model, self._path)

    def of_one_thread(self) -> FaceNetwork:
        """The same network with one thread for each picture: as many pictures at once as there are cores."""
        if self._given["threads"] == 1:
            return self
        return FaceNetwork(self._model, self._path, **{**self._given, "threads": 1})

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
            # Kept for the next look, one for each that may be under way. To ask first whether there is one would let
            # another thread take it in between.
            try:
                room = self._rooms.pop()
            except IndexError:
                room = _Room()
            answers = dict(zip(_OUTPUTS, self._answers(pixels, room), strict=True))
            self._rooms.append(room)
        columns = _filled_up(pixels.shape[1])
        finds = np.concatenate([_finds(answers, stride, columns // stride, threshold) for stride in STRIDES])
        return without_overlap(finds)

    def _answers(self, pixels: NDArray[np.uint8], room: _Room) -> list[NDArray[np.float32]]:
        rows, columns = map(_filled_up, pixels.shape[:2])
        if len(self._parts) == 1:
            picture = _network_input(pixels, (0, rows), room)
            return list(self._parts[0].run(_OUTPUTS, {self._inputs[0]: picture}))
        maps = room.take("maps", (1, _MAP_CHANNELS, rows // _MAP_STRIDE, columns // _MAP_STRIDE))
        for top, bottom in _strips(rows, columns):
            seen = max(0, top - _SEEN_ROWS), min(rows, bottom + _SEEN_ROWS)
            (part,) = self._parts[0].run(None, {self._inputs[0]: _network_input(pixels, seen, room)})
            first, last, start = (row // _MAP_STRIDE for row in (top, bottom, seen[0]))
            maps[:, :, first:last] = part[:, :, first - start : last - start]
        return list(self._parts[1].run(_OUTPUTS, {self._inputs[1]: maps}))


class _Room:
    """Memory for arrays that are made anew for each look, as large as the largest so far."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[np.float32]] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An array of this shape, filled with anything; the one of the same name is no longer needed."""
        size = math.prod(shape)
        if name not in self._held or self._held[name].size < size:
            self._held[name] = np.empty(size, dtype=np.float32)
        return self._held[name][:size].reshape(shape)


def _filled_up(side: int) -> int:
    return math.ceil(side / STEP) * STEP


def _strips(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """The first row of each strip of a picture and the one behind its last, strips as high as one another."""
    count = math.ceil(rows * columns / _STRIP_PIXELS)
    height = _filled_up(math.ceil(rows / count))
    for top in range(0, rows, height):
        yield top, min(rows, top + height)


def _network_input(pixels: NDArray[np.uint8], seen: tuple[int, int], room: _Room) -> NDArray[np.float32]:
    """Rows of a picture, shape (1, 3, rows, W), float32, 0..255, in the order blue, green, red.

    Both sides of the picture are filled up to whole steps.
    """
    top, bottom = seen
    pixels = pixels[top:bottom]
    height, width = pixels.shape[:2]
    picture = room.take("picture", (1, 3, bottom - top, _filled_up(width)))
    picture[:, :, height:] = 0
    picture[:, :, :, width:] = 0
    picture[0, :, :height, :width] = pixels if pixels.ndim == 2 else pixels[:, :, ::-1].transpose(2, 0, 1)
    return picture


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
