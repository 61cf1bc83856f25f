"""The open inference protocol (version 2) for faces that are cut out already.

https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.bundle import Bundle
from mien.channels import Channels, count_of
from mien.errors import DataError
from mien.inference.results import FaceResult

INPUT = "faces"
PROBABILITIES = "probabilities"
LABELS = "labels"
_OUTPUTS = (PROBABILITIES, LABELS)
_LARGEST_SIDE = 1024


def server_metadata(version: str) -> dict[str, Any]:
    """What `GET /v2` says."""
    return {"name": "mien", "version": version, "extensions": []}


def model_metadata(bundle: Bundle) -> dict[str, Any]:
    """What `GET /v2/models/NAME` says; -1 is any number."""
    size = bundle.crop_rule.size
    classes = len(bundle.label_set)
    return {
        "name": bundle.name,
        "versions": [bundle.fingerprint],
        "platform": "onnx_onnxruntime",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, size, size, count_of(bundle.channels)]}],
        "outputs": [
            {"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, classes]},
            {"name": LABELS, "datatype": "BYTES", "shape": [-1]},
        ],
        "parameters": {"labels": ",".join(bundle.label_set.expressions)},
    }


def parse_request(content: bytes) -> dict[str, Any]:
    """The JSON of a request.

    Raises:
        DataError: it is none, or not an object with inputs.
    """
    try:
        request = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError("The request is not JSON.") from error
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), list):
        raise DataError('Expected an object with "inputs".')
    if isinstance(request.get("id"), str) and not request["id"].isprintable():
        # Half of a character, which JSON can say, cannot be sent back.
        raise DataError('Expected an "id" of characters that can be printed.')
    for output in _asked(request):
        if output not in _OUTPUTS:
            raise DataError(f"Expected outputs among {', '.join(_OUTPUTS)}.")
    return request


def crops_of(request: dict[str, Any], most: int, channels: Channels = "gray") -> NDArray[np.uint8]:
    """The faces of a request, (N, H, W) or (N, H, W, 3) in RGB, uint8; any size: they are resized to the model's.

    Raises:
        DataError: there is another input, or it does not say what its shape says.
    """
    inputs = request["inputs"]
    if len(inputs) != 1 or not isinstance(inputs[0], dict) or inputs[0].get("name") != INPUT:
        raise DataError(f"Expected one input, named {INPUT!r}.")
    (given,) = inputs
    if given.get("datatype") != "UINT8":
        raise DataError(f"Expected {INPUT!r} with datatype UINT8.")
    shape = given.get("shape")
    expected = "(N, H, W) or (N, H, W, 1)" if channels == "gray" else "(N, H, W, 3)"
    if not (isinstance(shape, list) and all(type(side) is int for side in shape) and len(shape) in (3, 4)):
        raise DataError(f"Expected a shape of {expected}.")
    if (shape[3] if len(shape) == 4 else 1) != count_of(channels):
        kind = "gray faces" if channels == "gray" else "faces in colour (RGB)"
        raise DataError(f"Expected {kind}, shape {expected}. Received: {shape}.")
    if not 1 <= shape[0] <= most or not all(1 <= side <= _LARGEST_SIDE for side in shape[1:3]):
        raise DataError(f"Expected 1 to {most} faces of 1 to {_LARGEST_SIDE} pixels a side. Received: {shape}.")
    try:
        values = np.asarray(given.get("data"))
    except (ValueError, OverflowError) as error:
        raise DataError("The data are not whole numbers from 0 to 255.") from error
    if values.dtype.kind not in "iu" or values.size == 0 or values.min() < 0 or values.max() > 255:
        raise DataError("The data are not whole numbers from 0 to 255.")
    if values.size != np.prod(shape):
        raise DataError(f"The shape {shape} asks for {np.prod(shape):,} numbers. Received: {values.size:,}.")
    return values.astype(np.uint8).reshape(shape if channels == "rgb" else shape[:3])


def response(bundle: Bundle, request: dict[str, Any], faces: list[FaceResult]) -> dict[str, Any]:
    """The answer to a request. A face without a label has the label "unsure" or "mixed"."""
    values = [value for face in faces for _, value in face.probabilities]
    labels = [face.label.value if face.label else face.outcome.value for face in faces]
    made = {
        PROBABILITIES: {
            "name": PROBABILITIES,
            "datatype": "FP64",
            "shape": [len(faces), len(bundle.label_set)],
            "data": values,
        },
        LABELS: {"name": LABELS, "datatype": "BYTES", "shape": [len(faces)], "data": labels},
    }
    asked = _asked(request) or list(_OUTPUTS)
    answer = {
        "model_name": bundle.name,
        "model_version": bundle.fingerprint,
        "outputs": [made[name] for name in asked],
    }
    return answer | ({"id": request["id"]} if isinstance(request.get("id"), str) else {})


def _asked(request: dict[str, Any]) -> list[str]:
    outputs = request.get("outputs") or []
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise DataError('Expected "outputs" to be a list of objects with a name.')
    return [str(output.get("name")) for output in outputs]
