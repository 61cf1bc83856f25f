"""A bundle's model in whole numbers of 8 bits: a quarter of the size, and faster where a processor counts in them.

Convolutions and the sums of residual blocks are computed so, the preprocessing, the first convolution and the head in
float32. The graph holds QuantizeLinear and DequantizeLinear, which onnxruntime makes whole-number operations of.

What comes out is to be the same on every processor and in a browser, though one number rounded otherwise would change
what follows. So nothing here depends on the order in which a library adds: sums of whole numbers do not, and the first
convolution's weights and the scales of sums are chosen such that float32 holds every step exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from mien.bundle import MODEL_INPUT
from mien.errors import ExportError
from mien.inference import runtime

_BATCH = 64
_LARGEST = 255
_LARGEST_PIXEL = 255
# Where a processor multiplies bytes in pairs, it keeps the sum of two products in 16 bits: 255 × 128 fits, 255 × 129
# does not. Rounding changes a weight by a half at most, so pairs of 127 become 128 at most.
_LARGEST_PAIR = 127
# float32 holds whole numbers of 24 bits; one is left for what rounding adds.
_EXACT_BITS = 23
# Of each tensor about so many values a batch are looked at.
_VALUES = 200_000
# Of a range's two ends, the parts that are tried: values beyond are few, and without them all others are finer.
_PARTS = np.linspace(0.4, 1.0, 25)
# The scale of what is added is so many sixteenths of the sum's.
_SIXTEENTHS = 16

_MOVES = ("Cast", "Reshape", "Transpose", "Concat", "Slice")


def quantised(content: bytes, faces: NDArray[np.uint8]) -> bytes:
    """A bundle's model, computing in 8 bits.

    Args:
        content: the model, see `mien.bundle.Bundle.onnx`; its weights may be stored in fewer bytes.
        faces: crops like those that it will see, shape (N, size, size, channels): the range of each layer is measured
            on them.

    Raises:
        ExportError: its preprocessing is more than a factor, nothing in it is convolved, or it is in 8 bits already.
    """
    model = onnx.load_from_string(content)
    graph = _Graph(model)
    if graph.of_type("QuantizeLinear"):
        raise ExportError("It computes in 8 bits already. Give the model that it was made of.")
    graph.fold_constants()
    convolutions = graph.of_type("Conv")
    if len(convolutions) < 2:
        raise ExportError("In 8 bits convolutions are computed, and this model has fewer than two.")
    first, *others = convolutions
    _make_first_exact(graph, first)
    stored = [graph.after_relu(node.output[0]) for node in convolutions]
    sums = []
    for node in graph.of_type("Add"):
        if set(node.input) <= set(stored):
            sums.append(node)
            stored.append(graph.after_relu(node.output[0]))
    scales = {name: _scale_of(values) for name, values in _values(model, stored, faces).items()}
    _make_sums_exact(graph, sums, scales)
    for node in others:
        _store_weights(graph, node, scales)
    _store_values(graph, scales)
    graph.drop_unused()
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


class _Graph:
    """A model's graph, and what is asked of it here."""

    def __init__(self, model: Any) -> None:
        self.graph = model.graph
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer}

    def of_type(self, kind: str) -> list[Any]:
        return [node for node in self.graph.node if node.op_type == kind]

    def users(self, name: str) -> list[Any]:
        return [node for node in self.graph.node if name in node.input]

    def maker(self, name: str) -> Any:
        return next((node for node in self.graph.node if name in node.output), None)

    def after_relu(self, name: str) -> str:
        """The tensor behind the ReLU that alone takes this one; where there is none, this one."""
        users = self.users(name)
        return str(users[0].output[0]) if [node.op_type for node in users] == ["Relu"] else name

    def set_constant(self, name: str, values: NDArray[Any]) -> None:
        if name in self.constants:
            (old,) = (tensor for tensor in self.graph.initializer if tensor.name == name)
            self.graph.initializer.remove(old)
        self.graph.initializer.append(numpy_helper.from_array(values, name))
        self.constants[name] = values

    def fold_constants(self) -> None:
        """Compute what follows from constants alone: weights that were stored in fewer bytes."""
        for node in list(self.graph.node):
            if node.input and all(name in self.constants for name in node.input):
                given = {name: self.constants[name] for name in node.input}
                for name, values in zip(node.output, ReferenceEvaluator(node).run(None, given), strict=True):
                    self.set_constant(name, np.asarray(values))
                self.graph.node.remove(node)

    def leave_out(self, node: Any, name: str) -> None:
        """Take a node out; who took its output takes `name`."""
        for user in self.users(node.output[0]):
            user.input[:] = [name if taken == node.output[0] else taken for taken in user.input]
        self.graph.node.remove(node)

    def drop_unused(self) -> None:
        used = {name for node in self.graph.node for name in node.input}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)
        del self.graph.value_info[:]


def _make_first_exact(graph: _Graph, node: Any) -> None:
    """Let the first convolution take pixels as they are, with weights for which its sums are exact in float32.

    Each output channel's weights become multiples of one power of two, so few that the sum over the brightest image is
    held exactly, whatever is added first.
    """
    factor = _take_factor(graph, node.input[0])
    kernel, bias = _weights(graph, node)
    kernel = kernel * factor
    largest = _LARGEST_PIXEL * np.abs(kernel).sum(axis=(1, 2, 3)) + np.abs(bias)
    step = 2.0 ** (np.ceil(np.log2(np.maximum(largest, np.finfo(np.float32).tiny))) - _EXACT_BITS)
    steps = step[:, np.newaxis, np.newaxis, np.newaxis]
    _set_weights(graph, node, np.round(kernel / steps) * steps, np.round(bias / step) * step)


def _take_factor(graph: _Graph, name: str) -> float:
    """Take the factor between pixels and a tensor out of the graph, and return it."""
    factor = 1.0
    while name != MODEL_INPUT:
        node = graph.maker(name)
        constants = [graph.constants[taken] for taken in node.input if taken in graph.constants]
        given = next(taken for taken in node.input if taken not in graph.constants)
        if node.op_type == "Mul" and len(constants) == 1 and constants[0].size == 1:
            factor *= float(constants[0].ravel()[0])
            graph.leave_out(node, given)
        elif node.op_type == "Add" and len(constants) == 1 and not constants[0].any():
            graph.leave_out(node, given)
        elif node.op_type not in _MOVES:
            raise ExportError(
                "A model is brought to 8 bits where its preprocessing multiplies pixels by one number (rescale = "
                f'"unit") and nothing else. Received: one with {node.op_type} before its first convolution.'
            )
        name = given
    return factor


def _weights(graph: _Graph, node: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kernel and bias of a convolution; a bias of zeros where it has none."""
    kernel = graph.constants[node.input[1]].astype(np.float64)
    bias = graph.constants[node.input[2]].astype(np.float64) if len(node.input) > 2 else np.zeros(len(kernel))
    return kernel, bias


def _set_weights(graph: _Graph, node: Any, kernel: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
    names = [f"{node.output[0]}/kernel", f"{node.output[0]}/bias"]
    for name, values in zip(names, (kernel, bias), strict=True):
        graph.set_constant(name, values.astype(np.float32))
    node.input[:] = [node.input[0], *names]


def _values(model: Any, names: list[str], faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Some of the values of each tensor, as many of one face as of another, its least and largest among them."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = runtime.start(watched.SerializeToString())
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for start in range(0, len(faces), _BATCH):
        for name, values in zip(names, session.run(names, {MODEL_INPUT: faces[start : start + _BATCH]}), strict=True):
            flat = values.ravel()
            parts[name] += [flat[:: max(1, flat.size // _VALUES)], np.array([flat.min(), flat.max()])]
    return {name: np.concatenate(found) for name, found in parts.items()}


def _scale_of(values: NDArray[np.float32]) -> tuple[float, int]:
    """Scale and zero point of the 256 steps that values are told apart by: those with the least squared error."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    best = (np.inf, 1.0, 0)
    for part in _PARTS:
        scale = (high - low) * part / _LARGEST or 1.0
        zero = round(-low * part / scale)
        steps = np.clip(np.round(values / scale) + zero, 0, _LARGEST)
        error = float(np.square((steps - zero) * scale - values).mean())
        best = min(best, (error, scale, zero))
    return best[1], best[2]


def _make_sums_exact(graph: _Graph, sums: list[Any], scales: dict[str, tuple[float, int]]) -> None:
    """Choose scales such that what is added is a few sixteenths of the sum's: then the sum is exact in float32.

    The last sums first, since what comes out of one is added in the next.
    """
    for node in reversed(sums):
        name = graph.after_relu(node.output[0])
        if not any(name in other.input for other in sums):
            scales[name] = _short(scales[name][0]), scales[name][1]
        for added in node.input:
            scale, zero = scales[added]
            sixteenths = max(1, int(np.ceil(scale / scales[name][0] * _SIXTEENTHS - 1e-9)))
            scales[added] = scales[name][0] * sixteenths / _SIXTEENTHS, zero


def _short(scale: float) -> float:
    """The next larger number of eight bits, so that sixteenths of sixteenths of it are float32 still."""
    mantissa, exponent = np.frexp(scale)
    return float(np.ldexp(np.ceil(mantissa * 256) / 256, exponent))


def _store_weights(graph: _Graph, node: Any, scales: Mapping[str, tuple[float, int]]) -> None:
    """Store a convolution's weights in 8 bits, a scale for each output channel, and its bias in whole numbers."""
    if node.input[0] not in scales:
        return
    kernel, bias = _weights(graph, node)
    channels = np.abs(kernel)
    if channels.shape[1] % 2:
        channels = np.concatenate([channels, np.zeros_like(channels[:, :1])], axis=1)
    largest = (channels[:, 0::2] + channels[:, 1::2]).max(axis=(1, 2, 3))
    scale = np.where(largest > 0, largest / _LARGEST_PAIR, 1.0).astype(np.float32)
    steps = scale * np.float32(scales[node.input[0]][0])
    whole = np.round(kernel / scale[:, np.newaxis, np.newaxis, np.newaxis]).astype(np.int8)
    names = [f"{node.output[0]}/kernel", f"{node.output[0]}/bias"]
    for name, values, unit in ((names[0], whole, scale), (names[1], np.round(bias / steps).astype(np.int32), steps)):
        graph.set_constant(f"{name}/whole", values)
        graph.set_constant(f"{name}/scale", unit)
        graph.graph.node.insert(
            0, helper.make_node("DequantizeLinear", [f"{name}/whole", f"{name}/scale"], [name], axis=0)
        )
    node.input[:] = [node.input[0], *names]


def _store_values(graph: _Graph, scales: Mapping[str, tuple[float, int]]) -> None:
    """Let each of these tensors be stored in 8 bits by what makes it, and restored for what takes it."""
    for name, (scale, zero) in scales.items():
        graph.set_constant(f"{name}/scale", np.array(scale, dtype=np.float32))
        graph.set_constant(f"{name}/zero", np.array(zero, dtype=np.uint8))
    nodes = list(_with_storing(graph, scales))
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)


def _with_storing(graph: _Graph, scales: Mapping[str, tuple[float, int]]) -> Iterator[Any]:
    for node in graph.graph.node:
        node.input[:] = [f"{name}/restored" if name in scales else name for name in node.input]
        yield node
        for name in node.output:
            if name in scales:
                steps = [f"{name}/scale", f"{name}/zero"]
                yield helper.make_node("QuantizeLinear", [name, *steps], [f"{name}/stored"])
                yield helper.make_node("DequantizeLinear", [f"{name}/stored", *steps], [f"{name}/restored"])
