"""A trained network as an ONNX model with the signature of a bundle's model, and smaller forms of it."""

from __future__ import annotations

import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mien.bundle import FEATURES_OUTPUT, LOGITS_OUTPUT, MODEL_INPUT
from mien.errors import ExportError, MissingExtraError
from mien.training.backend import backend_name
from mien.training.network import logits_model

WeightsType = Literal["float32", "float16", "int8"]
WEIGHTS_TYPES: tuple[WeightsType, ...] = get_args(WeightsType)

_BATCH = "N"
_LARGEST_INT8 = 127
# Smaller tensors (biases, scales) are kept as they are: they weigh little.
_LEAST_STORED = 1024


def to_onnx(network: keras.Model, *, mirror: bool = False) -> bytes:
    """Convert a network of mien: from raw pixels to logits and feature maps, without augmentation and activation.

    Keras' own ONNX export does the work, by way of tf2onnx.

    Args:
        network: what `build_network` made, all of it in float32.
        mirror: whether it answers for each face and its mirror image together (see `logits_model`).

    Returns:
        An ONNX model: input "faces" uint8 (N, H, W, C), outputs "logits" float32 (N, classes) and "features" float32
        (N, h, w, channels), N free.

    Raises:
        ExportError: Keras runs on another backend than TensorFlow, or a layer cannot be converted.
        MissingExtraError: tf2onnx is not installed.
    """
    _check_backend()
    signature = keras.InputSpec(shape=(None, *network.input_shape[1:]), dtype="uint8", name=MODEL_INPUT)
    with tempfile.TemporaryDirectory(prefix="mien-") as folder, _quiet():
        path = Path(folder) / "model.onnx"
        try:
            logits = logits_model(_rebuilt(network, _convertible), maps=True, mirror=mirror)
            logits.export(path, format="onnx", verbose=False, input_signature=[signature])
            model = onnx.load(path)
        except ImportError as error:
            raise MissingExtraError("Exporting", "train") from error
        except Exception as error:  # the converter's errors share no base below Exception
            raise ExportError(f"The network {network.name} cannot be converted to ONNX: {error}") from error
    _name_signature(model)
    return _checked(model)


def to_keras(network: keras.Model, *, mirror: bool = False) -> bytes:
    """A network of mien as a .keras file: from raw pixels (N, H, W, C) to probabilities, without augmentation.

    Args:
        network: what `build_network` made, all of it in float32.
        mirror: whether it answers for each face and its mirror image together (see `logits_model`).
    """
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        path = Path(folder) / "model.keras"
        _answering(network, mirror).save(path)
        return path.read_bytes()


def to_litert(network: keras.Model, *, mirror: bool = False) -> bytes:
    """Convert a network of mien to LiteRT: from raw pixels, float32 (N, H, W, C), to probabilities.

    Keras' own export does the work, by way of TensorFlow's converter.

    Args:
        network: what `build_network` made, all of it in float32.
        mirror: whether it answers for each face and its mirror image together (see `logits_model`).

    Raises:
        ExportError: Keras runs on another backend than TensorFlow, is too old, or a layer cannot be converted.
    """
    _check_backend()
    signature = keras.InputSpec(shape=(None, *network.input_shape[1:]), dtype="float32", name=MODEL_INPUT)
    with tempfile.TemporaryDirectory(prefix="mien-") as folder, _quiet():
        path = Path(folder) / "model.tflite"
        try:
            model = _answering(_rebuilt(network, _convertible), mirror)
            model.export(path, format="litert", verbose=False, input_signature=[signature])
            return path.read_bytes()
        except Exception as error:  # the converter's errors share no base below Exception
            raise ExportError(
                f"The network {network.name} cannot be converted to LiteRT by Keras {keras.__version__}, which must be "
                f"3.13 or newer for that: {error}"
            ) from error


def _answering(network: keras.Model, mirror: bool) -> keras.Model:
    logits = logits_model(network, mirror=mirror)
    activation = network.get_layer("activation")
    return keras.Model(logits.input, activation(logits.output), name=network.name)


def store_weights(content: bytes, weights_type: WeightsType) -> bytes:
    """Store a model's weights in fewer bytes; it still computes in float32, at the same speed.

    Each tensor is turned back to float32 by the model itself, from constants alone, which onnxruntime does once, when
    it loads the model. Preprocessing is kept exact: only what comes from the first convolution on is stored otherwise.

    Args:
        content: what `to_onnx` returned.
        weights_type: "float32" leaves the model as it is; "float16" halves it; "int8" quarters it, with a scale for
            each output channel.
    """
    if weights_type == "float32":
        return content
    model = onnx.load_from_string(content)
    graph = model.graph
    axes = _output_axes(graph)
    restoring = []
    for tensor in list(graph.initializer):
        weights = numpy_helper.to_array(tensor)
        if tensor.name not in axes or weights.size < _LEAST_STORED or weights.dtype != np.float32:
            continue
        graph.initializer.remove(tensor)
        if weights_type == "float16":
            limit = np.finfo(np.float16).max
            _add_constant(graph, f"{tensor.name}/stored", np.clip(weights, -limit, limit).astype(np.float16))
            restoring.append(_cast(f"{tensor.name}/stored", tensor.name))
        else:
            whole, scale = _quantised(weights, axes[tensor.name])
            _add_constant(graph, f"{tensor.name}/stored", whole)
            _add_constant(graph, f"{tensor.name}/scale", scale)
            restoring.append(_cast(f"{tensor.name}/stored", f"{tensor.name}/whole"))
            restoring.append(helper.make_node("Mul", [f"{tensor.name}/whole", f"{tensor.name}/scale"], [tensor.name]))
    for position, node in enumerate(restoring):
        graph.node.insert(position, node)
    return _checked(model)


def _check_backend() -> None:
    if backend_name() != "tensorflow":
        raise ExportError(
            f"Networks are converted by Keras on TensorFlow. Received: {backend_name()}. A network that was trained "
            "on another backend can be converted, too: set KERAS_BACKEND=tensorflow for this command."
        )


def in_float32(network: keras.Model) -> keras.Model:
    """A network that computes in float32 throughout, with the weights of one that was trained in mixed precision."""

    def change(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    return _rebuilt(network, change)


def _rebuilt(network: keras.Model, change: Callable[[keras.layers.Layer], keras.layers.Layer]) -> keras.Model:
    """A network of changed layers with the same weights; a kernel may change its shape, not the order of its values."""
    clone = keras.models.clone_model(network, clone_function=change, recursive=True)
    pairs = zip(network.get_weights(), clone.weights, strict=True)
    clone.set_weights([values.reshape(weight.shape) for values, weight in pairs])
    return clone


def _convertible(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The same layer in operations that the converter knows; both are met in ConvNeXt."""
    config = layer.get_config()
    if isinstance(layer, keras.layers.Conv2D) and 1 < layer.groups == layer.filters:
        kept = ("name", "dtype", "kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias")
        return keras.layers.DepthwiseConv2D(data_format="channels_last", **{key: config[key] for key in kept})
    if isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.gelu:
        return keras.layers.Activation(_gelu, name=layer.name, dtype=layer.dtype_policy)
    return type(layer).from_config(config)


def _gelu(x: Any) -> Any:
    """Exact GELU by the error function; TensorFlow takes its complement, which the converter does not know."""
    return 0.5 * x * (1.0 + keras.ops.erf(x / math.sqrt(2.0)))


def _output_axes(graph: Any) -> dict[str, int]:
    """The axis of the output channels of each weight tensor, by its name, from the first convolution on."""
    axes: dict[str, int] = {}
    convolved = False
    for node in graph.node:
        convolved = convolved or node.op_type == "Conv"
        if not convolved:
            continue
        if node.op_type == "Conv":
            axes[node.input[1]] = 0
        elif node.op_type in ("MatMul", "Gemm"):
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            axes[node.input[1]] = 0 if transposed else -1
    return axes


def _quantised(weights: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers -127..127, and the scale of each channel along `axis`, shaped to be multiplied with them."""
    others = tuple(index for index in range(weights.ndim) if index != axis % weights.ndim)
    largest = np.abs(weights).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / _LARGEST_INT8, 1).astype(np.float32)
    return np.round(weights / scale).astype(np.int8), scale


def _add_constant(graph: Any, name: str, values: NDArray[Any]) -> None:
    graph.initializer.append(numpy_helper.from_array(values, name))


def _cast(source: str, target: str) -> Any:
    return helper.make_node("Cast", [source], [target], to=TensorProto.FLOAT)


def _name_signature(model: Any) -> None:
    """Give input and outputs the names of a bundle's model, and their first dimension one name."""
    graph = model.graph
    values = [*graph.input, *graph.output]
    names = [MODEL_INPUT, LOGITS_OUTPUT, FEATURES_OUTPUT]
    if len(values) != len(names):
        raise ExportError(f"Expected one input and two outputs after conversion. Received: {[v.name for v in values]}.")
    _rename(graph, {value.name: name for value, name in zip(values, names, strict=True)})
    for value, name in zip(values, names, strict=True):
        value.name = name
        value.type.tensor_type.shape.dim[0].dim_param = _BATCH
    del graph.value_info[:]  # shapes that the converter noted on the way, under the old names


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(tensor, tensor) for tensor in tensors]


def _checked(model: Any) -> bytes:
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"The converted model is not valid ONNX: {error}") from error
    return bytes(model.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """The converter warns of its own affairs, and logs optimisations that it then does without."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
