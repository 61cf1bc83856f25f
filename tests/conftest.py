"""Small models and photos that several test files share."""

from __future__ import annotations

import gc
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from mien.bundle import Bundle, Golden, write_bundle
from mien.channels import count_of, shape_of, with_channel_axis
from mien.framing import CropRule
from mien.labels import SEVEN, LabelSet
from mien.randomness import generator
from support.browser import BROWSERS, unavailable


def pytest_configure() -> None:
    """Before the first import of onnxruntime: it is not to report the tests to its maker."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow tests begin first, or the last of them would run alone. Those of one file, which share things, together.

    Each process of tests is given a piece of the list, one after another: each piece begins with some of them.
    """
    slow: dict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("slow"):
            slow[item.path].append(item)
    others = [item for item in items if not item.get_closest_marker("slow")]
    pieces = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ends = [len(items) * piece // pieces for piece in range(1, pieces + 1)]
    ordered: list[pytest.Item] = []
    for piece, end in enumerate(ends):
        ordered += chain.from_iterable(list(slow.values())[piece::pieces])
        missing = max(0, end - len(ordered))
        ordered += others[:missing]
        del others[:missing]
    items[:] = ordered + others


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is collected stays, a million objects: a search through them for garbage took half a second each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        unavailable("There is no Chromium on this machine.")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("Playwright is not installed.")
    # As root Chromium starts only without its sandbox.
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if as_root else [])
        yield browser
        browser.close()


def make_onnx(
    *, size: int = 48, classes: int = 7, seed: int = 0, channels: int = 8, steepness: float = 2.0, colours: int = 1
) -> bytes:
    """A network of one random convolution, averaged and mapped to logits, with the signature of a bundle's model."""
    random = generator(seed, "tiny onnx")
    kernel = random.normal(size=(channels, colours, 5, 5)).astype(np.float32)
    weights = random.normal(size=(channels, classes)).astype(np.float32) * np.float32(steepness)
    return conv_onnx(kernel, weights, size=size)


def conv_onnx(kernel: np.ndarray, weights: np.ndarray, *, size: int = 48) -> bytes:
    """pixels / 255, convolution with stride 4, ReLU ("features"), average, `weights` ("logits")."""
    channels, classes = weights.shape
    side, pad = kernel.shape[2], kernel.shape[2] // 2
    constants = {"scale": np.float32(1 / 255), "kernel": kernel, "weights": weights}
    nodes = [
        helper.make_node("Cast", ["faces"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "Conv", ["planes", "kernel"], ["maps"], kernel_shape=[side, side], strides=[4, 4], pads=[pad] * 4
        ),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("Transpose", ["positive"], ["features"], perm=[0, 2, 3, 1]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["N", size, size, kernel.shape[1]])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", None, None, channels]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def make_bundle(
    path: Path,
    *,
    label_set: LabelSet = SEVEN,
    seed: int = 0,
    temperature: float = 1.5,
    onnx: bytes | None = None,
    crop_rule: CropRule | None = None,
    **others: Any,
) -> Bundle:
    """A bundle of a tiny model; its golden probabilities come from the runtime itself, not from mien's classifier."""
    rule = crop_rule or CropRule()
    import onnxruntime

    onnx = onnx or make_onnx(size=rule.size, classes=len(label_set), seed=seed, colours=count_of(rule.channels))
    shape = shape_of(rule.channels, 3, rule.size, rule.size)
    crops = generator(seed, "golden").integers(0, 256, shape, dtype=np.uint8)
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"faces": with_channel_axis(crops)})[0].astype(np.float64) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    parts: dict[str, Any] = {
        "name": "tiny",
        "onnx": onnx,
        "label_set": label_set,
        "crop_rule": rule,
        "temperature": temperature,
        "unsure": None,
        "card": {"intended_use": "tests"},
        "golden": Golden(crops, powers / powers.sum(axis=1, keepdims=True)),
    }
    return write_bundle(path, **{**parts, **others})


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of seven labels, in a single file."""
    return make_bundle(tmp_path_factory.mktemp("bundle") / "tiny.mien")


@pytest.fixture(scope="session")
def bundle_maker() -> Callable[..., Bundle]:
    """`make_bundle`: writes a bundle of a tiny model to a path."""
    return make_bundle


@pytest.fixture(scope="session")
def onnx_maker() -> Callable[..., bytes]:
    """`conv_onnx`: a tiny network with a kernel and weights of one's choice."""
    return conv_onnx


@pytest.fixture(scope="session")
def portrait() -> Path:
    """The sample photo: one face, 512 x 512 pixels."""
    return Path(str(resources.files("mien") / "data" / "sample.jpg"))


@pytest.fixture
def photo_folder(tmp_path: Path, portrait: Path) -> Path:
    """A folder of photos: a.jpg and sub/d.jpg with a face, b.png without, c.jpg not readable, notes.txt no photo."""
    from PIL import Image

    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(portrait, folder / "a.jpg")
    Image.new("RGB", (200, 160), (90, 120, 200)).save(folder / "b.png")
    (folder / "c.jpg").write_bytes(b"this is not a picture")
    shutil.copy(portrait, folder / "sub" / "d.jpg")
    (folder / "notes.txt").write_text("not a photo", encoding="utf-8")
    return folder
