"""A bundle from any classifier in ONNX: what mien gives and takes is put in front of it and behind it, as a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.arguments import checked
from mien.bundle import LOGITS_OUTPUT, MODEL_INPUT, Bundle, Golden, write_bundle
from mien.channels import count_of, has_equal_channels, images_in_channels, shape_of, with_channel_axis
from mien.datasets.dataset import Dataset, Role
from mien.datasets.protocol import measured_samples, occurring_labels
from mien.datasets.reading import as_dataset
from mien.datasets.spec import DataSpec
from mien.datasets.synthetic import draw_faces
from mien.errors import DataError, ExportError, MissingExtraError, did_you_mean
from mien.evaluation.intervals import Estimate, wilson
from mien.framing import CropRule, crop_rule_of
from mien.inference import runtime
from mien.inference.classifier import softmax
from mien.inference.contracts import (
    CHANNELS,
    CONTRACTS,
    GIVES,
    Channels,
    Gives,
    Scaling,
    contract_of,
    crop_channels,
    scaling_of,
)
from mien.inference.crops import resize_crops
from mien.labels import Expression, LabelSet, parse_expression
from mien.randomness import generator
from mien.training.card import INTENDED_USE, LICENCE_NOT_STATED, NOT_FOR

Layout = Literal["nchw", "nhwc"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
NO_LABEL = "-"
LARGEST_DIFFERENCE = 1e-4

_OLDEST_OPSET = 9  # older ones lack operations that are put around the model
_NEWER_OPSET = 13
_COMPARED = 16  # drawn faces, and as many images of noise
_GOLDEN_CROPS = 4
_SMALLEST = np.float32(np.finfo(np.float32).tiny)
# Probabilities are rounded by some models, and computed in half precision by others.
_STRAY = 0.05


@dataclass(frozen=True, eq=False)
class Wrapped:
    """A bundle of another's model, and how far its answers are from the bare model's.

    Attributes:
        bundle: as written.
        images: compared.
        difference: largest difference of a probability over them.
        one_by_one: whether the model takes one image at a time and is run once for each image of a batch.
    """

    bundle: Bundle
    images: int
    difference: float
    one_by_one: bool


@dataclass(frozen=True, eq=False)
class _Shape:
    """The bare model's input and answer."""

    given: Any  # its graph's input
    answer: Any  # its graph's output
    size: int
    layout: Layout
    one_by_one: bool
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class TriedContract:
    """How often a model is right when it is taken to have a contract.

    Attributes:
        labels: the expressions in the order of its outputs.
        channels: as in `wrap`.
        scale: as in `wrap`.
        accuracy: share of right labels, with a 95 % interval.
    """

    labels: tuple[str, ...]
    channels: Channels
    scale: str
    accuracy: Estimate


@checked("labels")
def wrap(
    model: Path | str,
    output: Path | str = "model.mien",
    *,
    labels: Sequence[str] | None = None,
    channels: Channels | None = None,
    scale: str | None = None,
    gives: Gives | None = None,
    size: int | None = None,
    layout: Layout | None = None,
    contract: str | None = None,
    framing: str | None = None,
    name: str | None = None,
    licence: str | None = None,
    model_output: str | None = None,
) -> Wrapped:
    """Make a bundle of a classifier in ONNX, and refuse where it does not answer as the bare model does.

    The bundle takes what every bundle takes, uint8 crops: in colour, shape (N, size, size, 3), for a model of colours,
    and gray, shape (N, size, size, 1), for any other.

    Args:
        model: an ONNX file with one input, of four dimensions.
        output: the bundle: a single file when it ends in ".mien", otherwise a folder.
        labels: the expressions in the order of the model's outputs, in any spelling that data sets have; "-" for an
            output that is no expression and is left out.
        channels: "gray" (one channel); "gray3" (gray, three times); "rgb" or "bgr" for colours.
        scale: what the model wants done with pixels of 0..255: "0..255" (nothing), "0..1", "-1..1", "imagenet", or
            "mean=122.8,117,104.3 std=255".
        gives: "probabilities" or "logits".
        size: side of its input, in pixels; None where the model says it.
        layout: "nchw" or "nhwc"; None to tell by its shape.
        contract: a name of `mien models known`, from which comes what is not said otherwise.
        framing: how the faces were framed that the model learned from, see `mien.framing.crop_rule_of`; None when
            nobody knows: then photos are read only where it is said.
        name: short name of the model; None for the output's name.
        licence: of the model, in words, for its card.
        model_output: the output that holds the answers, where there are several.

    Raises:
        ExportError: the model has another form than was said, or does not answer as it does when run bare.
        DataError: a label, scaling or contract is not known.
        MissingExtraError: onnx is not installed.
    """
    _check_onnx()
    if contract is not None:
        known = contract_of(contract)
        labels = labels or [label.value for label in known.labels]
        channels = channels or known.channels
        scale = scale or known.scale
        gives = gives or next((word for word in GIVES if word == known.gives), None)
        size = size or (known.sizes[0] if len(known.sizes) == 1 else None)
    if labels is None or channels is None or scale is None or gives is None:
        said = {"labels": labels, "channels": channels, "scale": scale, "gives": gives}
        missing = [key for key, value in said.items() if value is None]
        raise ExportError(
            f"Models differ in what they take and give, and a wrong guess looks plausible. Not said: "
            f"{', '.join(missing)}. Say it, or name a known contract (mien models known)."
        )
    _check_word("channels", channels, CHANNELS)
    _check_word("gives", gives, GIVES)
    order = _labels(labels)
    label_set = LabelSet.of(label for label in order if label is not None)
    scaling = scaling_of(scale, channels)
    bare = _load(model)
    shape = _shape(bare, str(model), channels, size, layout, model_output)
    if shape.dtype == np.uint8 and scale != "0..255":
        raise ExportError(f"The model takes uint8, pixels as they are: scale 0..255. Received: {scale}.")
    rule = crop_rule_of(framing, shape.size, crop_channels(channels))
    crops = _crops(rule)
    content = bytes(bare.SerializeToString())
    expected = _bare_answers(content, shape, _prepared(crops, shape, channels, scaling), str(model))
    _check_answers(expected, order, gives)
    places = {label: place for place, label in enumerate(order)}
    columns = [places[parse_expression(label)] for label in label_set.expressions]
    expected = _probabilities(expected[:, columns], gives)
    wrapped = _wrapped(bare, shape, channels, scaling, columns, len(order), gives)
    difference = _check_parity(wrapped, crops, expected)
    bundle = write_bundle(
        Path(output),
        name=name or Path(output).stem,
        onnx=wrapped,
        label_set=label_set,
        crop_rule=rule,
        temperature=1.0,
        unsure=None,
        card={
            "intended_use": INTENDED_USE,
            "not_for": list(NOT_FOR),
            "licence": {"model": licence or LICENCE_NOT_STATED},
            "contract": {
                "labels": ", ".join(NO_LABEL if label is None else label.value for label in order),
                "channels": channels,
                "scale": scale,
                "gives": gives,
                "size": shape.size,
                "layout": shape.layout,
                "known_as": contract or "said by whoever wrapped it",
            },
            "conversion": {"compared_images": len(crops), "largest_probability_difference": difference},
            "origin": {"made_by": f"mien wrap (mien {version('mien')})", "model": Path(model).name},
            "unknown": "mien did not train this model: what it learned from, and how well it does, is not known.",
        },
        golden=Golden(crops[:_GOLDEN_CROPS], expected[:_GOLDEN_CROPS]),
    )
    return Wrapped(bundle, len(crops), difference, shape.one_by_one)


@checked("data", "labels")
def try_contracts(
    model: Path | str,
    data: Dataset | DataSpec | Path | str,
    *,
    labels: Sequence[str] | None = None,
    channels: Channels | None = None,
    scale: str | None = None,
    size: int | None = None,
    layout: Layout | None = None,
    model_output: str | None = None,
    images: int = 300,
    **keys: Any,
) -> list[TriedContract]:
    """Which contract a model was made for: how often it is right under each that is plausible.

    What is not said is tried: the orders of labels and the scalings that known contracts have, RGB, BGR and gray three
    times where they differ. The images are those of the training role, or all where data have none, so that no test
    label is opened.

    Args:
        model: as in `wrap`.
        data: labelled faces, framed as the model wants them; or what `mien.read` takes.
        labels: as in `wrap`; None to try.
        channels: as in `wrap`; None to try.
        scale: as in `wrap`; None to try.
        size: as in `wrap`.
        layout: as in `wrap`.
        model_output: as in `wrap`.
        images: how many are asked at most.
        **keys: keys of `DataSpec`, where `data` is a path.

    Returns:
        The contracts that were tried, the best first. On equal accuracy the one that is listed first is first.

    Raises:
        ExportError: the model has another form than was said, or no known order has as many labels.
        DataError: the data have none of the labels.
        MissingExtraError: onnx is not installed.
    """
    _check_onnx()
    if images < 1:
        raise ExportError(f"Contracts are told apart by images, at least 1. Received: images = {images}.")
    bare = _load(model)
    content, where = bytes(bare.SerializeToString()), str(model)
    given = None if labels is None else tuple(_labels(labels))
    shape, choice = _choice(bare, where, channels, size, layout, model_output)
    colours = any(crop_channels(way) == "rgb" for way in choice)
    dataset = as_dataset(data, **({"channels": "rgb", **keys} if colours and not isinstance(data, Dataset) else keys))
    role = Role.TRAIN if dataset.count(Role.TRAIN) else None
    there = occurring_labels(dataset)
    samples, _ = measured_samples(dataset, there, "labels", role)
    chosen = np.sort(generator(0, "wrap", "images").permutation(len(samples))[:images])
    crops = resize_crops(np.ascontiguousarray(samples.images[chosen]), shape.size, "rgb" if colours else "gray")
    if channels is None and colours and has_equal_channels(crops):
        choice = ["rgb", "bgr"]  # without colours there is no telling gray from them
    ways = _ways(shape, choice, scale, apart=colours and not has_equal_channels(crops))
    right = [there.expressions[number] for number in samples.labels[chosen]]
    tried = []
    for way, text, scaling in ways:
        answers = _bare_answers(content, shape, _prepared(crops, shape, way, scaling), where)
        for order in [given] if given is not None else _orders(answers.shape[1]):
            if given is not None:
                _check_count(answers, order)
            kept = [place for place, label in enumerate(order) if label is not None]
            said = [order[kept[place]] for place in answers[:, kept].argmax(axis=1)]
            hits = [a == b for a, b in zip(said, right, strict=True) if b in order]
            if not hits:
                raise DataError(f"{dataset.name} has no image of {', '.join(label for label in order if label)}.")
            words = tuple(NO_LABEL if label is None else label.value for label in order)
            tried.append(TriedContract(words, way, text, wilson(sum(hits), len(hits))))
    return sorted(tried, key=lambda entry: -entry.accuracy.value)


def _orders(count: int) -> list[tuple[Expression | None, ...]]:
    """The known orders of so many labels, each once."""
    orders = list(dict.fromkeys(known.labels for known in CONTRACTS.values() if len(known.labels) == count))
    if not orders:
        raise ExportError(f"The model gives {count} numbers for an image, and no known contract does. Name the labels.")
    return [tuple(order) for order in orders]


def _choice(
    model: Any,
    where: str,
    channels: Channels | None,
    size: int | None,
    layout: Layout | None,
    model_output: str | None,
) -> tuple[_Shape, list[Channels]]:
    """The form of a model, and the channels that can be meant."""
    if channels is not None:
        _check_word("channels", channels, CHANNELS)
        return _shape(model, where, channels, size, layout, model_output), [channels]
    try:
        return _shape(model, where, "rgb", size, layout, model_output), ["rgb", "bgr", "gray3"]
    except ExportError:
        return _shape(model, where, "gray", size, layout, model_output), ["gray"]


def _ways(
    shape: _Shape, choice: Sequence[Channels], scale: str | None, *, apart: bool
) -> list[tuple[Channels, str, Scaling]]:
    """The channels and scalings that can be meant, each that differs once; `apart`: channels differ by themselves."""
    texts = [scale] if scale is not None else list(dict.fromkeys(known.scale for known in CONTRACTS.values()))
    if shape.dtype == np.uint8:
        texts = ["0..255"]
    ways: dict[tuple[Channels | None, Scaling], tuple[Channels, str, Scaling]] = {}
    for way in choice:
        for text in texts:
            try:
                scaling = scaling_of(text, way)
            except DataError:  # a scaling of three channels, for one
                if scale is not None:
                    raise
                continue
            ways.setdefault((way if apart else None, scaling), (way, text, scaling))
    return list(ways.values())


def _check_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Wrapping a model", "train") from error


def _load(model: Path | str) -> Any:
    import onnx

    try:
        return onnx.load(Path(model))
    except OSError as error:
        raise ExportError(f"{model} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # what protobuf raises for other files shares no base below it
        raise ExportError(f"{model} is not a model in ONNX: {runtime.first_line(error)}") from error


def _check_word(what: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise ExportError(f"There is no {what} {word!r}. {did_you_mean(word, known)}")


def _labels(labels: Sequence[str]) -> list[Expression | None]:
    """What the outputs stand for; of one text what stands between commas, as on the command line."""
    labels = labels.split(",") if isinstance(labels, str) else labels
    order = [None if text.strip() == NO_LABEL else parse_expression(text, where="the labels") for text in labels]
    named = [label for label in order if label is not None]
    twice = next((label.value for label in named if named.count(label) > 1), None)
    if twice or len(named) < 2:
        raise ExportError(
            f"The labels name {f'{twice} twice' if twice else 'fewer than two expressions'}: {', '.join(labels)}. "
            "Expected the expressions in the order of the model's outputs, each once."
        )
    return order


def _shape(
    model: Any, where: str, channels: Channels, size: int | None, layout: Layout | None, model_output: str | None
) -> _Shape:
    """What the model's graph declares, held against what was said."""
    from onnx import helper

    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise ExportError(f"Expected a model with one input. Received: {[value.name for value in inputs]} in {where}.")
    outputs = {value.name: value for value in graph.output}
    if model_output is None and len(outputs) != 1:
        raise ExportError(
            f"{where} has several outputs: {', '.join(outputs)}. Say which one holds the answers: "
            "model_output=, --model-output."
        )
    if model_output is not None and model_output not in outputs:
        raise ExportError(f"{where} has no output {model_output!r}. {did_you_mean(model_output, outputs)}")
    answer = next(iter(outputs.values())) if model_output is None else outputs[model_output]
    tensor = inputs[0].type.tensor_type
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    if dtype not in (np.float32, np.float16, np.float64, np.uint8):
        raise ExportError(f"Expected an input of floats or uint8. Received: {dtype} in {where}.")
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    shown = f"({', '.join('?' if dim is None else str(dim) for dim in dims)})"
    if len(dims) != 4:
        raise ExportError(f"Expected an input of four dimensions, images. Received: {shown} in {where}.")
    count = 1 if channels == "gray" else 3
    if layout is None:
        fitting: list[Layout] = [word for word in LAYOUTS if dims[1 if word == "nchw" else 3] in (1, 3)]
        if len(fitting) != 1:
            raise ExportError(f"Whether {shown} is nchw or nhwc cannot be told from {where}. Say it: --layout.")
        layout = fitting[0]
    _check_word("layout", layout, LAYOUTS)
    found, height, width = (dims[1], dims[2], dims[3]) if layout == "nchw" else (dims[3], dims[1], dims[2])
    if found not in (None, count):
        hint = " A model that takes gray three times is gray3." if found == 3 else ""
        raise ExportError(
            f"{where} takes {shown}, {layout}: {found} channels. "
            f"Received: channels {channels}, which are {count}.{hint}"
        )
    size = size or height or width
    if size is None:
        raise ExportError(f"{where} takes images of any size, {shown}. Say the side it was made for: --size.")
    if {height, width} - {None, size}:
        raise ExportError(
            f"{where} takes {shown}, {layout}. Expected squares of {size} pixels, the size that was said or declared."
        )
    if dims[0] not in (None, 1):
        raise ExportError(f"{where} takes exactly {dims[0]} images at a time. Expected any number, or one.")
    return _Shape(inputs[0], answer, size, layout, dims[0] == 1, dtype)


def _crops(rule: CropRule) -> NDArray[np.uint8]:
    """What the two are compared on: drawn faces, in colour of three each, and noise; the same in every call."""
    size = rule.size
    faces = resize_crops(draw_faces(_COMPARED, seed=0).images, size)
    if rule.channels == "rgb":
        faces = np.stack([faces, np.roll(faces, 1, axis=0), np.roll(faces, 2, axis=0)], axis=-1)
    shape = shape_of(rule.channels, _COMPARED, size, size)
    noise = generator(0, "wrap", "noise").integers(0, 256, shape, dtype=np.uint8)
    return np.concatenate([faces, noise])


def _prepared(crops: NDArray[np.uint8], shape: _Shape, channels: Channels, scaling: Scaling) -> NDArray[Any]:
    """The crops as the bare model takes them, made here and not in a graph."""
    images = with_channel_axis(images_in_channels(crops, crop_channels(channels)))
    if channels == "gray3":
        images = np.repeat(images, 3, axis=3)
    if channels == "bgr":
        images = images[..., ::-1]
    if shape.dtype != np.uint8:
        mean, std = (np.array(numbers, np.float32) for numbers in (scaling.mean, scaling.std))
        images = ((images.astype(np.float32) - mean) / std).astype(shape.dtype)
    return np.ascontiguousarray(images if shape.layout == "nhwc" else images.transpose(0, 3, 1, 2))


def _bare_answers(content: bytes, shape: _Shape, images: NDArray[Any], where: str) -> NDArray[np.float64]:
    """What the bare model says of one image after the other, shape (N, outputs)."""
    try:
        session = runtime.start(content)
        answers = [
            session.run([shape.answer.name], {shape.given.name: images[n : n + 1]})[0] for n in range(len(images))
        ]
    except Exception as error:  # the runtime's own exception classes share no base below Exception
        raise ExportError(f"{where} does not run: {runtime.first_line(error)}") from error
    return np.stack([np.asarray(answer, dtype=np.float64).ravel() for answer in answers])


def _check_count(answers: NDArray[np.float64], order: Sequence[Expression | None]) -> None:
    if answers.shape[1] != len(order):
        raise ExportError(
            f"The model gives {answers.shape[1]} numbers for an image, and {len(order)} labels were named. "
            f"Name one for each, {NO_LABEL!r} for what is no expression."
        )


def _check_answers(answers: NDArray[np.float64], order: Sequence[Expression | None], gives: Gives) -> None:
    _check_count(answers, order)
    if not np.isfinite(answers).all():
        raise ExportError("The model answers with numbers that are not finite. Perhaps another scale is meant.")
    sums = answers.sum(axis=1)
    likely = bool((answers >= 0).all() and (np.abs(sums - 1) <= _STRAY).all())
    if gives == "probabilities" and (answers < 0).any():
        raise ExportError(f"These are no probabilities: the least is {answers.min():.3g}. Perhaps they are logits.")
    if gives == "probabilities" and not likely and None not in order:
        raise ExportError(
            f"These are no probabilities: an image's sum is {sums.min():.3g} to {sums.max():.3g}. "
            "Perhaps they are logits."
        )
    if gives == "logits" and likely:
        raise ExportError("These are no logits: every image's numbers sum to 1. Expected: gives probabilities.")


def _probabilities(answers: NDArray[np.float64], gives: Gives) -> NDArray[np.float64]:
    return softmax(answers if gives == "logits" else np.log(np.maximum(answers, _SMALLEST)))


def _wrapped(
    model: Any, shape: _Shape, channels: Channels, scaling: Scaling, columns: Sequence[int], outputs: int, gives: Gives
) -> bytes:
    """The model between a bundle's input and output."""
    from onnx import TensorProto, compose, helper, numpy_helper, version_converter

    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)
    if opset < _OLDEST_OPSET:
        try:
            model = version_converter.convert_version(model, _NEWER_OPSET)
        except Exception as error:  # the converter's errors share no base below it
            raise ExportError(
                f"The model has ONNX's opset {opset}, which is too old, and cannot be converted to {_NEWER_OPSET}: "
                f"{runtime.first_line(error)}. Export it anew with opset {_OLDEST_OPSET} or later."
            ) from error
    model = compose.add_prefix(model, "model/")  # so that no name of it is one of ours
    graph = model.graph
    given, answer = f"model/{shape.given.name}", f"model/{shape.answer.name}"
    answer_type = shape.answer.type.tensor_type.elem_type
    count, nchw = (1 if channels == "gray" else 3), shape.layout == "nchw"
    image = [count, shape.size, shape.size] if nchw else [shape.size, shape.size, count]
    nodes: list[Any] = []

    def then(kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"mien/{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(name: str, values: NDArray[Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(values, f"mien/{name}"))
        return f"mien/{name}"

    x = then("Transpose", MODEL_INPUT, perm=[0, 3, 1, 2]) if nchw else MODEL_INPUT
    axis = 1 if nchw else 3
    if channels == "gray3":
        x = then("Concat", x, x, x, axis=axis)
    if channels == "bgr":
        x = then("Gather", x, constant("blue_first", np.array([2, 1, 0])), axis=axis)
    if shape.dtype != np.uint8:
        broadcast = (1, -1, 1, 1) if nchw else (1, 1, 1, -1)
        mean, std = (np.array(n, np.float32).reshape(broadcast) for n in (scaling.mean, scaling.std))
        x = then("Cast", x, to=TensorProto.FLOAT)
        x = then("Div", then("Sub", x, constant("mean", mean)), constant("std", std))
        x = then("Cast", x, to=helper.np_dtype_to_tensor_dtype(shape.dtype))
    inner = list(graph.node)
    if shape.one_by_one:
        # A Loop and not a Scan: onnxruntime refuses to scan over no image at all.
        alone = [
            helper.make_node("Gather", [x, "mien/number"], ["mien/image"], axis=0),
            helper.make_node("Reshape", ["mien/image", constant("one", np.array([1, *image]))], [given]),
        ]
        flat = [
            helper.make_node("Reshape", [answer, constant("flat", np.array([outputs]))], ["mien/answer"]),
            helper.make_node("Identity", ["mien/go"], ["mien/go_on"]),
        ]
        body = helper.make_graph(
            [*alone, *inner, *flat],
            "one_image",
            [
                helper.make_tensor_value_info("mien/number", TensorProto.INT64, []),
                helper.make_tensor_value_info("mien/go", TensorProto.BOOL, []),
            ],
            [
                helper.make_tensor_value_info("mien/go_on", TensorProto.BOOL, []),
                helper.make_tensor_value_info("mien/answer", answer_type, [outputs]),
            ],
        )
        images = then("Gather", then("Shape", x), constant("first", np.array(0)), axis=0)
        x = then("Loop", images, constant("always", np.array(True)), body=body)
    else:
        then("Identity", x, output=given)
        nodes += inner
        x = then("Flatten", answer, axis=1)
    x = then("Cast", x, to=TensorProto.FLOAT)
    x = then("Gather", x, constant("columns", np.array(columns, np.int64)), axis=1)
    if gives == "probabilities":
        x = then("Log", then("Max", x, constant("smallest", np.array([_SMALLEST]))))
    then("Identity", x, output=LOGITS_OUTPUT)
    for part in (graph.node, graph.input, graph.output, graph.value_info):
        del part[:]
    graph.node.extend(nodes)
    square = ["N", shape.size, shape.size, count_of(crop_channels(channels))]
    graph.input.append(helper.make_tensor_value_info(MODEL_INPUT, TensorProto.UINT8, square))
    graph.output.append(helper.make_tensor_value_info(LOGITS_OUTPUT, TensorProto.FLOAT, ["N", len(columns)]))
    model.ir_version = max(model.ir_version, 4)  # before it, constants had to be inputs
    return bytes(model.SerializeToString())


def _check_parity(wrapped: bytes, crops: NDArray[np.uint8], expected: NDArray[np.float64]) -> float:
    """The largest difference of a probability from the bare model's, in one batch and one by one."""
    try:
        session = runtime.start(wrapped)
        batches = [crops, *(crops[n : n + 1] for n in range(_GOLDEN_CROPS))]
        answers = [session.run([LOGITS_OUTPUT], {MODEL_INPUT: with_channel_axis(batch)})[0] for batch in batches]
    except Exception as error:  # as above
        raise ExportError(f"The model does not run on a batch of images: {runtime.first_line(error)}") from error
    wanted = np.concatenate([expected, expected[:_GOLDEN_CROPS]])
    if sum(len(answer) for answer in answers) != len(wanted):
        raise ExportError(f"The model gives {len(answers[0])} answers for a batch of {len(crops)} images.")
    difference = float(np.abs(softmax(np.concatenate(answers).astype(np.float64)) - wanted).max())
    if not difference <= LARGEST_DIFFERENCE:
        raise ExportError(
            f"Wrapped, the model does not answer as it does bare, one image at a time: over {len(crops)} images a "
            f"probability differs by {difference:.2g} (allowed: {LARGEST_DIFFERENCE:g}). Nothing was written."
        )
    return difference
