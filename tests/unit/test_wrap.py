"""Models of others: what is known of them, and a bundle of any classifier in ONNX."""

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import mien
from mien.channels import with_channel_axis
from mien.cli.main import command_line
from mien.datasets.synthetic import draw_faces
from mien.errors import DataError, ExportError, MissingExtraError
from mien.inference import runtime
from mien.inference.classifier import Classifier
from mien.inference.contracts import CONTRACTS, scaling_of
from mien.inference.crops import resize_crops
from mien.labels import Expression
from support.colour import colour_faces, write_folder

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SIZE = 24
ORDER = ["neutral", "happy", "surprise", "sad", "anger", "disgust", "fear", "contempt"]
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def model_file(folder, *, layout="nchw", channels=3, gives="logits", dtype="float32", batch="N", outputs=8, opset=17):
    """A linear classifier over all pixels; an image times random weights, in any of the forms that exist."""
    shape = [batch, channels, SIZE, SIZE] if layout == "nchw" else [batch, SIZE, SIZE, channels]
    weights = np.random.default_rng(3).normal(0, 0.05, (channels * SIZE * SIZE, outputs)).astype(np.float32)
    if dtype == "uint8":
        weights /= 255
    nodes = [
        helper.make_node("Cast", ["faces"], ["x"], to=TensorProto.FLOAT),  # a name that a bundle's model has too
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["logits" if gives == "logits" else "scores"]),
    ]
    if gives == "probabilities":
        nodes.append(helper.make_node("Softmax", ["scores"], ["logits"], axis=1))
    if batch == 1:  # held fast inside, as exporters do
        nodes[1] = helper.make_node("Reshape", ["x", "one"], ["flat"])
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("faces", TYPES[dtype], shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, outputs])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array([1, channels * SIZE**2]), "one")],
    )
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def said(**changes):
    return {"labels": ORDER, "channels": "rgb", "scale": "imagenet", "gives": "logits", **changes}


# For each form of model: the model, what is said of it, and what is done with pixels for it, written out by hand.
FORMS = {
    "nchw rgb logits": ({}, {}, lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
    "nchw bgr": (
        {},
        {"channels": "bgr"},
        lambda x: (x[..., ::-1] / 255 - [0.406, 0.456, 0.485]) / [0.225, 0.224, 0.229],
    ),
    "nhwc bgr": ({"layout": "nhwc"}, {"channels": "bgr", "scale": "0..1"}, lambda x: x[..., ::-1] / 255),
    "gray three times": (
        {},
        {"channels": "gray3"},
        lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
    ),
    "nhwc gray": ({"layout": "nhwc", "channels": 1}, {"channels": "gray", "scale": "-1..1"}, lambda x: x / 127.5 - 1),
    "nhwc probabilities": (
        {"layout": "nhwc", "gives": "probabilities"},
        {"gives": "probabilities", "scale": "mean=10,20,30 std=255"},
        lambda x: (x - [10, 20, 30]) / 255,
    ),
    "one at a time": ({"batch": 1}, {"scale": "0..1"}, lambda x: x / 255),
    "one at a time, old": ({"batch": 1, "opset": 8}, {"scale": "0..1"}, lambda x: x / 255),
    "uint8": ({"dtype": "uint8"}, {"scale": "0..255"}, lambda x: x),
    "float16": ({"dtype": "float16"}, {"scale": "0..1"}, lambda x: x / 255),
    "two outputs left out": ({"outputs": 10}, {"labels": [*ORDER, "-", "-"], "scale": "0..1"}, lambda x: x / 255),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_bundle_answers_as_the_bare_model_whatever_its_form(tmp_path, form):
    made, changes, scale = FORMS[form]
    path = model_file(tmp_path, **made)
    wrapped = mien.wrap(path, tmp_path / "net.mien", **said(**changes))
    in_colour = made.get("channels", 3) == 3 and changes.get("channels") != "gray3"
    assert wrapped.bundle.channels == ("rgb" if in_colour else "gray")
    shape = (5, SIZE, SIZE, 3) if in_colour else (5, SIZE, SIZE)
    crops = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    received = Classifier(mien.load_bundle(tmp_path / "net.mien")).predict(crops)

    repeated = crops if in_colour else np.repeat(crops[..., None], made.get("channels", 3), axis=3)
    images = scale(repeated.astype(np.float64))
    if made.get("layout", "nchw") == "nchw":
        images = images.transpose(0, 3, 1, 2)
    session = runtime.start(path.read_bytes())
    dtype = np.dtype(made.get("dtype", "float32"))
    bare = np.concatenate([session.run(None, {"faces": image[None].astype(dtype)})[0] for image in images])
    if made.get("gives") != "probabilities":
        powers = np.exp(bare[:, :8].astype(np.float64))
        bare = powers / powers.sum(axis=1, keepdims=True)
    names = ["anger", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt"]
    assert received == pytest.approx(bare[:, [ORDER.index(name) for name in names]], abs=1e-4)
    assert received.max() > 0.3  # the test tells models apart
    assert wrapped.difference <= 1e-4
    assert wrapped.one_by_one == (made.get("batch") == 1)
    assert Classifier(wrapped.bundle).predict(crops[:0]).shape == (0, 8)


def test_a_wrapped_model_is_measured_and_reads_photos_as_any_other(tmp_path):
    path = model_file(tmp_path, layout="nhwc", channels=1)
    words = ["wrap", str(path), "--labels", ",".join(ORDER), "--channels", "gray", "--scale", "-1..1"]
    words += ["--gives", "logits", "--framing", "drawn", "--output", str(tmp_path / "net.mien")]
    done = CliRunner().invoke(command_line(words), words)
    assert done.exit_code == 0, done.output
    assert "differs from the bare model by at most" in done.output
    measured = mien.evaluate(tmp_path / "net.mien", "drawn:count=70")
    assert measured.evaluation.scores.count > 0
    assert not measured.familiar.known
    result = mien.Recognizer(tmp_path / "net.mien").recognize(draw_photo())
    assert len(result.faces) == 1
    assert sum(value for _, value in result.faces[0].probabilities) == pytest.approx(1)


def test_an_onnx_of_floats_with_channels_first_goes_to_a_report_beside_another(tmp_path):
    bundle = mien.wrap(model_file(tmp_path), tmp_path / "net.mien", framing="drawn", **said()).bundle
    data = mien.read("drawn:count=140,size=24", cache=None)
    measured = mien.evaluate(bundle, data)
    assert len(mien.Recognizer(bundle).recognize(draw_photo()).faces) == 1
    store = mien.Store(tmp_path / "store")
    for name, found in {"net": measured, "default": mien.evaluate("default", data)}.items():
        answers, ids = found.predictions.probabilities, found.predictions.ids.tolist()
        store.add(mien.foreign_run(name, answers, data, labels=found.label_set, ids=ids))
    words = ["study", "report", str(store.folder)]
    assert CliRunner().invoke(command_line(words), words).exit_code == 0
    page = (store.folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "net, not trained here" in page
    assert mien.compare(store).pairs[0].images == len(measured.predictions)


def draw_photo():
    face = draw_faces(1, seed=0).images[0]
    return np.pad(np.repeat(face[..., None], 3, axis=2), ((40, 40), (40, 40), (0, 0)), constant_values=128)


@pytest.mark.parametrize(
    ("made", "changes", "message"),
    [
        ({}, {"labels": ORDER[:7]}, "gives 8 numbers for an image, and 7 labels"),
        ({}, {"labels": [*ORDER[:7], "anger"]}, "name anger twice"),
        ({}, {"labels": None, "scale": None}, "Not said: labels, scale"),
        ({}, {"channels": "gray", "scale": "0..1"}, "3 channels.*A model that takes gray three times is gray3"),
        ({}, {"size": 48}, "Expected squares of 48 pixels"),
        ({}, {"layout": "nhwc"}, "24 channels"),
        ({}, {"gives": "probabilities"}, "no probabilities"),
        ({"gives": "probabilities"}, {}, "no logits"),
        ({"batch": 4}, {}, "exactly 4 images"),
        ({"dtype": "uint8"}, {"scale": "0..1"}, "takes uint8"),
        ({}, {"model_output": "logit"}, "Did you mean 'logits'"),
        ({}, {"channels": "rbg"}, "There is no channels 'rbg'"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(tmp_path, made, changes, message):
    path = model_file(tmp_path, **made)
    with pytest.raises(ExportError, match=message):
        mien.wrap(path, tmp_path / "net.mien", **said(**changes))
    assert not (tmp_path / "net.mien").exists()


def test_labels_are_also_named_in_one_text_as_on_the_command_line(tmp_path):
    path = model_file(tmp_path)
    texts = [
        mien.wrap(path, tmp_path / name, **said(labels=given))
        for name, given in {"a": ORDER, "b": ", ".join(ORDER)}.items()
    ]
    assert texts[0].bundle.label_set == texts[1].bundle.label_set
    with pytest.raises(ExportError, match="fewer than two expressions: happy"):
        mien.wrap(path, tmp_path / "c", **said(labels="happy"))


def test_a_batch_that_is_answered_otherwise_than_its_images_is_refused(tmp_path):
    path = model_file(tmp_path, batch=1)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"  # which is not true
    onnx.save(model, path)
    with pytest.raises(ExportError, match="does not run on a batch"):
        mien.wrap(path, tmp_path / "net.mien", **said())


def test_without_the_library_the_way_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match="train"):
        mien.wrap(tmp_path / "net.onnx", tmp_path / "net.mien", **said())


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no model at all")
    with pytest.raises(ExportError, match="is not a model in ONNX"):
        mien.wrap(tmp_path / "net.onnx", tmp_path / "net.mien", **said())


@pytest.mark.parametrize("text", ["0..2", "mean=1 std=0", "mean=1,2 std=1", "mean=x std=1"])
def test_an_impossible_scaling_is_refused(text):
    with pytest.raises(DataError, match="scaling"):
        scaling_of(text, "rgb")


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_known_contract_is_one_that_wrapping_takes(name):
    contract = CONTRACTS[name]
    assert len(set(contract.labels)) == len(contract.labels) >= 5
    assert set(contract.labels) <= set(Expression)
    scaling_of(contract.scale, contract.channels)


def test_a_contract_says_what_is_not_said(tmp_path):
    path = model_file(tmp_path)
    wrapped = mien.wrap(path, tmp_path / "net.mien", contract="hsemotion-8", size=SIZE)
    assert wrapped.bundle.card["contract"]["labels"].startswith("anger, contempt, disgust")
    with pytest.raises(DataError, match="Did you mean 'hsemotion-8'"):
        mien.wrap(path, tmp_path / "net.mien", contract="hsemotoin-8")


def learned_file(folder, order, data=None, channels="gray"):
    """A linear classifier of faces, fitted in closed form, that takes pixels of -1 to 1; gray drawn ones by default."""
    data = draw_faces(210, seed=0) if data is None else data
    x = with_channel_axis(resize_crops(data.images, SIZE))[..., :: -1 if channels == "bgr" else 1] / 127.5 - 1
    planes = x.shape[3]
    x = x.transpose(0, 3, 1, 2).reshape(len(data), -1)
    x = np.hstack([x, np.ones((len(x), 1))])
    wanted = np.array([[data.label_set.expressions[n] == label for label in order] for n in data.labels], float)
    fitted = np.linalg.solve(x.T @ x + 5 * np.eye(x.shape[1]), x.T @ wanted).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["in"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["out"])],
        "net",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["N", planes, SIZE, SIZE])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", len(order)])],
        [numpy_helper.from_array(fitted[:-1], "w"), numpy_helper.from_array(fitted[-1], "b")],
    )
    path = folder / "learned.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_trying_finds_the_contract_that_a_model_was_made_for(tmp_path):
    order = CONTRACTS["hsemotion-7"].labels
    path = learned_file(tmp_path, order)
    best, second, *_ = mien.try_contracts(path, "drawn:count=210")
    assert (best.labels, best.channels, best.scale) == (tuple(order), "gray", "-1..1")
    assert best.accuracy.low > second.accuracy.value
    words = ["wrap", str(path), "--try", "drawn:count=210", "--scale", "-1..1"]
    shown = CliRunner().invoke(command_line(words), words)
    assert "--labels anger,disgust,fear,happiness,neutral,sadness,surprise" in shown.output.splitlines()[0]
    assert f"{best.accuracy.value:.1%}" in shown.output.splitlines()[0]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_trying_tells_the_order_of_colours(channels, tmp_path):
    images, labels = colour_faces(90, size=SIZE)
    data = mien.Dataset.from_arrays(images, labels, channels="rgb")
    order = list(data.label_set.expressions)
    path = learned_file(tmp_path, order, data, channels)
    folder = write_folder(tmp_path / "faces", images, labels)
    for given in (data, folder):
        best, *others = mien.try_contracts(path, given, labels=[label.value for label in order], scale="-1..1")
        assert (best.channels, best.accuracy.value) == (channels, 1.0)
        assert {tried.channels for tried in others} == {"rgb", "bgr", "gray3"} - {channels}
        assert all(tried.accuracy.value < 0.9 for tried in others)


def test_trying_refuses_a_number_of_labels_that_nothing_known_has(tmp_path):
    with pytest.raises(ExportError, match="Name the labels"):
        mien.try_contracts(model_file(tmp_path, outputs=10), "drawn:count=70")
    with pytest.raises(ExportError, match="8 labels were named"):
        mien.try_contracts(model_file(tmp_path, outputs=10), "drawn:count=70", labels=ORDER)


def test_every_known_contract_states_a_licence_or_that_there_is_none():
    assert all(contract.licence for contract in CONTRACTS.values())
    # EfficientNet B0 of facetorch has seven classes, B2 eight.
    assert [len(CONTRACTS[name].labels) for name in ("facetorch-b0", "facetorch-b2")] == [7, 8]


def test_known_contracts_are_printed():
    shown = CliRunner().invoke(command_line(), ["models", "known", "--json"])
    assert [row["name"] for row in json.loads(shown.output)] == list(CONTRACTS)
    lines = CliRunner().invoke(command_line(), ["models", "known"], env={"COLUMNS": "40"}).output.splitlines()
    assert [line.split(":")[0] for line in lines if line and not line.startswith(" ")] == list(CONTRACTS)
    assert [line.split(None, 1)[1] for line in lines if line.startswith("  licence ")] == [
        contract.licence for contract in CONTRACTS.values()
    ]
