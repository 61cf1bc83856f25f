import json
import shutil
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

import mien
from mien.bundle import load_bundle
from mien.datasets.dataset import Role
from mien.datasets.synthetic import draw_faces
from mien.errors import ExportError, MienError
from mien.evaluation.metrics import score
from mien.inference.classifier import Classifier
from mien.inference.crops import likeness_of
from mien.study.recipe import PreprocessingSpec, Recipe

DATA = "drawn:count=240,size=32,seed=3"
# Ten epochs on so few faces leave a network that is little better than chance, and how much differs between processors.
RISK = 0.99


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """Make networks shallow, but wide enough that most of a model is its weights."""
    from mien.training import face_mobilenet, mien_small

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(face_mobilenet, "_CHANNELS", (16, 64))
        patch.setattr(mien_small, "STAGES", ((16, 0), (64, 1)))
        yield


@pytest.fixture(scope="module", autouse=True)
def converted_once():
    """The same weights become the same model: converting them again and again took half of the time of these tests."""
    from mien.training import export

    convert, known = export.to_onnx, {}

    def remembered(network, *, mirror=False):
        key = (mirror, network.to_json(), *(weights.tobytes() for weights in network.get_weights()))
        if key not in known:
            known[key] = convert(network, mirror=mirror)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "to_onnx", remembered)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory, planned, dataset, split):
    """The folder of a finished run of mien_small."""
    from mien.study.store import Store
    from mien.training.execute import execute

    class Quiet:
        def stage(self, text): ...

        def step(self, epoch, done, total): ...

        def epoch(self, entry): ...

    store = Store.create(tmp_path_factory.mktemp("export") / "store")
    spec = PreprocessingSpec(featurewise_center=True, featurewise_std=True)
    plan = planned(epochs=10, learning_rate=0.003, preprocessing=spec)
    execute(plan, dataset, split, store, watch=Quiet())
    return store.run_folder(plan.id)


@pytest.fixture(scope="module")
def record(run):
    from mien.study.record import RunRecord

    return RunRecord.read(run)


@pytest.fixture(scope="module")
def network(run):
    from mien.training.export import load_network

    return load_network(run / "network.keras")


def mean_log_probability(network, images):
    both = [network.predict(faces[..., None], verbose=0) for faces in (images, images[:, :, ::-1])]
    return np.log(both).mean(axis=0)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    from mien.training.export import ExportOptions, export_run

    path = tmp_path_factory.mktemp("bundle") / "small.mien"
    return export_run(run, path, ExportOptions(name="small", risk=RISK, licence="CC0-1.0"))


def cli(*arguments, code=0):
    from mien.cli.main import command_line

    result = CliRunner().invoke(command_line(), [str(argument) for argument in arguments])
    if isinstance(result.exception, MienError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def logits_of(content, images):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"faces": images[..., np.newaxis]})[0]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_a_bundle_answers_as_the_record_says(exported, record, split):
    bundle = load_bundle(exported.bundle.source)
    assert bundle.label_set == record.label_set
    assert bundle.crop_rule.size == 32
    recorded = record.outcome(Role.TEST)
    logits = logits_of(bundle.onnx, split.test.images)
    np.testing.assert_allclose(softmax(logits), recorded.outputs, atol=4e-4)  # the record keeps 11 bits
    np.testing.assert_array_equal(logits.argmax(axis=1), recorded.outputs.argmax(axis=1))
    tempered = softmax(logits.astype(np.float64) / bundle.temperature)
    np.testing.assert_allclose(Classifier(bundle).predict(split.test.images), tempered, atol=1e-6)
    assert exported.parity.images == 1000
    assert exported.parity.difference <= 1e-4


def test_feature_maps_and_head_give_the_logits(exported, network, split):
    bundle = exported.bundle
    images = split.test.images[:5]
    features = Classifier(bundle).features(images)
    bias = np.asarray(network.get_layer("head").bias)
    logits = features.mean(axis=(1, 2)) @ bundle.cam_weights + bias
    np.testing.assert_allclose(logits, logits_of(bundle.onnx, images), atol=1e-4)


def test_temperature_and_threshold_come_from_the_validation_role(exported, record):
    from mien.evaluation.calibration import at_threshold, fit_temperature

    bundle, validation = exported.bundle, record.outcome(Role.VALIDATION)
    logits = np.log(np.maximum(validation.probabilities, 1e-38))
    assert bundle.temperature == pytest.approx(fit_temperature(logits, validation.targets))
    assert bundle.unsure is not None
    tempered = softmax(logits / bundle.temperature).astype(np.float32)
    # The threshold is the top probability of one of these images: by another processor's rounding it may fall below it.
    measured = at_threshold(tempered, validation.labels, bundle.unsure.threshold - 1e-6)
    assert bundle.unsure.coverage == pytest.approx(measured.coverage.value)
    assert bundle.unsure.risk == pytest.approx(measured.risk.value)
    assert 0 < bundle.unsure.risk <= RISK


def test_the_card_says_what_was_measured_and_under_which_licence(exported, record):
    card, scores = exported.bundle.card, score(record.outcome(Role.TEST), record.label_set)
    assert card["test"]["accuracy"] == scores.accuracy.to_json()
    assert card["test_by_expression"]["fear"]["images"] == scores.classes[2].support
    assert sum(entry["right"]["count"] for entry in card["test_right_by_probability"].values()) == scores.count
    assert card["data"]["fingerprint"] == record.data["fingerprint"]
    assert card["licence"]["model"] == "CC0-1.0"
    assert card["licence"]["data"] == record.data["licence"]
    assert card["origin"]["run"] == record.id
    assert card["recipe"]["preprocessing.featurewise_std"] is True
    assert not [key for key in card["recipe"] if key.startswith("teacher.")]  # those that differ from the defaults
    assert "teachers" not in card["licence"]
    assert card["conversion"]["other_labels"] == 0


def test_evaluating_the_bundle_gives_the_figures_of_its_card(exported):
    result = cli("evaluate", exported.bundle.source, DATA, "--json")
    card, found = exported.bundle.card, json.loads(result.stdout)
    assert found["same_data_as_card"]
    assert found["scores"]["accuracy"] == card["test"]["accuracy"]
    for name in ("balanced_accuracy", "macro_f1", "log_loss", "brier", "calibration_error"):
        # The card is of the answers as a record keeps them, in 11 bits.
        assert found["scores"][name]["value"] == pytest.approx(card["test"][name]["value"], abs=1e-4)
    for entry in found["scores"]["classes"]:
        assert entry["recall"] == card["test_by_expression"][entry["expression"]]["recall"]
    assert found["answers"]["coverage"] == card["test"]["coverage_of_sure"]
    assert "test labels opened" in result.stderr


def test_the_bundle_carries_the_framing_and_what_it_was_made_with(exported, split):
    bundle = exported.bundle
    assert bundle.crop_rule.framing == "drawn"
    assert bundle.seen.learned_from(split.train.hashes).all()
    assert bundle.seen.chosen_with(split.validation.hashes).all()
    assert not bundle.seen.learned_from(split.test.hashes).any()
    looks = likeness_of(split.train.images, split.validation.images, bundle.crop_rule)
    np.testing.assert_allclose(bundle.likeness.distances(split.test.images), looks.distances(split.test.images))


def test_a_store_from_before_leaves_a_bundle_that_says_how_it_learns_what_faces_look_like(run, tmp_path):
    shutil.copytree(run.parents[1], tmp_path / "store")
    (path,) = (tmp_path / "store" / "seen").iterdir()
    seen = dict(np.load(path))
    np.savez(path, train=seen["train"], validation=seen["validation"])
    said = cli("export", tmp_path / "store", "--output", tmp_path / "old.mien", "--risk", RISK).output
    assert "With --data it will" in said
    old = load_bundle(tmp_path / "old.mien")
    assert (old.likeness, len(old.seen.train)) == (None, len(seen["train"]))


@pytest.fixture
def tampered(monkeypatch):
    """Conversion goes wrong: `tampered(change)` changes the converted model's initializers."""
    import onnx
    from onnx import numpy_helper

    from mien.training import export

    convert = export.to_onnx

    def tamper(change):
        def wrong(network, **options):
            model = onnx.load_from_string(convert(network, **options))
            for tensor in model.graph.initializer:
                tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
            return model.SerializeToString()

        monkeypatch.setattr(export, "to_onnx", wrong)

    return tamper


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda weights: weights * 1.01 if weights.ndim == 4 else weights, id="other weights"),
        pytest.param(lambda weights: weights[:, ::-1] if weights.shape[-1:] == (7,) else weights, id="other order"),
    ],
)
def test_a_model_that_answers_otherwise_is_refused(run, tmp_path, tampered, change):
    from mien.training.export import ExportOptions, export_run

    tampered(lambda weights: np.ascontiguousarray(change(weights)) if weights.ndim > 1 else weights)
    with pytest.raises(ExportError, match=r"over 1,000 images a probability differs by up to \d.*another label"):
        export_run(run, tmp_path / "wrong.mien", ExportOptions(name="wrong"))
    assert not (tmp_path / "wrong.mien").exists()


def test_int8_is_small_and_its_loss_is_measured(run, tmp_path, exported, dataset, monkeypatch):
    from mien.training.export import ExportOptions, export_run

    # 36 validation images make steps of 2.8 %: the limit itself is not what is tested here.
    monkeypatch.setattr("mien.training.exported.LARGEST_ACCURACY_LOSS", 0.1)
    small = export_run(run, tmp_path / "int8", ExportOptions(name="int8", weights_type="int8"), dataset=dataset)
    assert len(small.bundle.onnx) < 0.3 * len(exported.bundle.onnx)
    assert small.bundle.card["conversion"]["accuracy_loss_on_validation"] == small.measured.accuracy_loss
    found = json.loads(cli("evaluate", tmp_path / "int8", DATA, "--json").stdout)
    assert found["scores"]["accuracy"] == small.bundle.card["test"]["accuracy"]
    assert found["scores"]["log_loss"]["value"] == pytest.approx(small.bundle.card["test"]["log_loss"]["value"])


def test_the_data_set_itself_is_taken_in_python(run, tmp_path, dataset):
    given = mien.export(run, tmp_path / "given.mien", data=dataset)
    assert given.measured is not None
    assert "within" in repr(given)
    with pytest.raises(ExportError, match="is not the data set of run"):
        mien.export(run, tmp_path / "other.mien", data=dataset.take(np.arange(len(dataset) - 1)))


def test_a_loss_of_accuracy_is_refused(run, tmp_path, dataset, monkeypatch):
    from mien.training.export import ExportOptions, export_run

    monkeypatch.setattr("mien.training.exported.LARGEST_ACCURACY_LOSS", -1.0)
    with pytest.raises(ExportError, match="Stored as float16, the model loses"):
        export_run(run, tmp_path / "half.mien", ExportOptions(name="half", weights_type="float16"), dataset=dataset)


def test_an_adjustment_for_the_prior_is_part_of_the_model(run, tmp_path, record, split):
    from mien.training.export import ExportOptions, export_run

    adjusted = export_run(run, tmp_path / "a.mien", ExportOptions(name="a", adjust_prior=0.5))
    counts = record.data["counts"]["train"]
    shares = np.array([counts[expression.value] for expression in record.label_set.expressions]) / len(split.train)
    expected = record.outcome(Role.TEST).probabilities / np.sqrt(shares)
    expected /= expected.sum(axis=1, keepdims=True)
    answers = softmax(logits_of(adjusted.bundle.onnx, split.test.images))
    np.testing.assert_allclose(answers, expected, atol=4e-4)  # likewise
    assert adjusted.bundle.card["adjusted_for_prior"] == 0.5
    before, after = adjusted.effect
    assert before.accuracy == score(record.outcome(Role.VALIDATION), record.label_set).accuracy
    assert after.count == before.count


def test_a_mirrored_model_answers_for_a_face_and_its_mirror_image_together(run, tmp_path, network, dataset, split):
    from mien.training.export import ExportOptions, export_run

    options = ExportOptions(name="m", mirror=True, adjust_prior=0.25)
    mirrored = export_run(run, tmp_path / "m.mien", options, dataset=dataset)
    images = split.test.images
    logits = logits_of(mirrored.bundle.onnx, images)
    np.testing.assert_allclose(logits, logits_of(mirrored.bundle.onnx, images[:, :, ::-1]), atol=1e-4)
    shift = logits_of(mirrored.bundle.onnx, images) - mean_log_probability(network, images)
    # The same shift for every image, up to what softmax does not see: that of the prior.
    shift -= shift.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-3)
    assert mirrored.bundle.card["mirrored"] is True
    assert mirrored.parity.flips == 0
    before, after = mirrored.effect
    assert after.count == before.count
    # The maps still add up to the logits, so that they can be drawn.
    classifier = Classifier(mirrored.bundle)
    maps = classifier.features(images[:8])
    from_maps = maps.mean(axis=(1, 2)) @ mirrored.bundle.cam_weights
    rest = logits[:8] - from_maps
    np.testing.assert_allclose(rest, np.broadcast_to(rest[0], rest.shape), atol=1e-4)
    with pytest.raises(ExportError, match="mirror image.*--data PATH"):
        export_run(run, tmp_path / "none.mien", ExportOptions(name="none", mirror=True))
    assert not (tmp_path / "none.mien").exists()


def test_what_cannot_be_measured_or_is_other_data_is_refused(run, tmp_path):
    from mien.training.export import ExportOptions, export_run

    with pytest.raises(ExportError, match="--data PATH"):
        export_run(run, tmp_path / "a.mien", ExportOptions(name="a", weights_type="int8"))
    with pytest.raises(ExportError, match="not the data set of run"):
        export_run(run, tmp_path / "a.mien", ExportOptions(name="a"), dataset=draw_faces(240, size=32, seed=4))
    assert list(tmp_path.iterdir()) == []


def test_runs_that_have_no_weights_are_refused(run, tmp_path):
    import shutil

    from mien.training.export import ExportOptions, export_run

    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "network.keras").write_bytes(b"PK")
    with pytest.raises(ExportError, match="cannot be loaded"):
        export_run(folder, tmp_path / "a.mien", ExportOptions(name="a"))
    (folder / "network.keras").unlink()
    with pytest.raises(ExportError, match="--discard-weights"):
        export_run(folder, tmp_path / "a.mien", ExportOptions(name="a"))


def test_the_command_says_what_it_measured_and_offers_int8(run, tmp_path, monkeypatch):
    monkeypatch.setattr("mien.training.exported.LARGEST_ACCURACY_LOSS", 0.1)
    result = cli("export", run, "--output", tmp_path / "mine.mien", "--data", DATA, "--risk", RISK)
    assert "mine@" in result.stdout
    assert "over 1,000 images; no label differs" in result.stdout
    assert "--weights-type int8" in result.stdout
    assert load_bundle(tmp_path / "mine.mien").card["conversion"]["figures_from"] == "the answers of this model"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"preprocessing": PreprocessingSpec(rescale="signed")}, id="signed"),
        pytest.param(
            {"preprocessing": PreprocessingSpec(samplewise_center=True, samplewise_std=True)}, id="samplewise"
        ),
        pytest.param(
            {
                "preprocessing": PreprocessingSpec(
                    featurewise_center=True, featurewise_std=True, statistics="pixel", size=32
                )
            },
            id="pixelwise",
        ),
        pytest.param(
            {"preprocessing": PreprocessingSpec(featurewise_center=True, zca=True, zca_epsilon=1e-3)}, id="zca"
        ),
        pytest.param({"preprocessing": PreprocessingSpec(size=32)}, id="shrunk"),
        pytest.param({"preprocessing": PreprocessingSpec(size=40)}, id="enlarged"),
        pytest.param({"precision": "mixed_bfloat16"}, id="mixed precision"),
        pytest.param(
            {"backbone": "face_mobilenet", "preprocessing": PreprocessingSpec(rescale="imagenet")}, id="caffe"
        ),
        pytest.param(
            {"backbone": "mobilenetv3small", "preprocessing": PreprocessingSpec(rescale="imagenet")}, id="own scaling"
        ),
    ],
)
def test_every_preprocessing_is_converted(changes):
    import keras

    from mien.training.convert import in_float32, to_onnx
    from mien.training.network import build_network
    from mien.training.preprocessing import fit_statistics

    # ZCA is fitted on all pairs of pixels, so images are small; "shrunk" needs larger ones.
    side = 40 if changes.get("preprocessing") == PreprocessingSpec(size=32) else 32
    images = draw_faces(24, size=side, seed=1).images
    recipe = Recipe(**changes).resolved(side)
    statistics = fit_statistics(images, recipe.preprocessing)
    network = build_network(recipe, image_size=(side, side), classes=7, statistics=statistics)
    if recipe.precision != "float32":
        network = in_float32(network)
    expected = keras.ops.convert_to_numpy(network(images[..., np.newaxis], training=False))
    np.testing.assert_allclose(softmax(logits_of(to_onnx(network), images)), expected, atol=1e-5)


@pytest.mark.parametrize("form", [".onnx", ".keras", ".tflite"])
def test_our_larger_network_is_exported_in_every_form(monkeypatch, form):
    from mien.training import mien_medium
    from mien.training.convert import to_onnx
    from mien.training.export import _FORMS
    from mien.training.network import build_network

    monkeypatch.setattr(mien_medium, "STAGES", ((8, 0, False), (8, 1, True)))
    recipe = Recipe(backbone="mien_medium").resolved(33)  # no even number: its half is rounded
    network = build_network(recipe, image_size=(33, 33), classes=7, statistics=None)
    images = draw_faces(4, size=33, seed=1).images
    expected = network.predict(images[..., np.newaxis], verbose=0)
    assert np.abs(expected - expected[0]).max() > 1e-3
    if form == ".onnx":
        received = softmax(logits_of(to_onnx(network), images))
    else:
        write, read = _FORMS[form]
        received = read(write(network))(images[..., np.newaxis])
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_layers_that_the_converter_does_not_know_are_replaced():
    import keras

    from mien.training.convert import to_onnx

    faces = keras.Input((16, 16, 1), name="faces")
    inner = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(8, 3)(inner)
    x = keras.layers.Conv2D(8, 5, groups=8, padding="same")(x)
    x = keras.layers.Activation("gelu")(x)
    x = keras.Model(inner, x, name="backbone")(faces)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Activation("softmax", name="activation")(keras.layers.Dense(7, name="head")(x))
    network = keras.Model(faces, x)
    images = draw_faces(8, size=16, seed=1).images
    expected = network.predict(images[..., np.newaxis], verbose=0)
    np.testing.assert_allclose(softmax(logits_of(to_onnx(network), images)), expected, atol=1e-5)


# The largest difference is that of one image near an edge between classes, and moves between processors.
@pytest.mark.parametrize(("weights_type", "largest", "average"), [("float16", 2e-3, 2e-4), ("int8", 0.1, 5e-3)])
def test_stored_weights_are_close_and_compute_in_float32(network, split, weights_type, largest, average):
    from mien.training.convert import store_weights, to_onnx

    exact = to_onnx(network)
    images = split.test.images
    stored = store_weights(exact, weights_type)
    assert store_weights(exact, "float32") == exact
    difference = np.abs(softmax(logits_of(stored, images)) - softmax(logits_of(exact, images)))
    assert 0 < difference.max() < largest
    assert difference.mean() < average


def test_another_backend_is_refused_with_the_way_out(monkeypatch, network):
    from mien.training import convert

    monkeypatch.setattr(convert, "backend_name", lambda: "jax")
    with pytest.raises(ExportError, match="KERAS_BACKEND=tensorflow"):
        convert.to_onnx(network)


@pytest.mark.parametrize("apart", [1e-6, 1.5e-4])
def test_labels_that_are_tied_may_change_places(monkeypatch, apart):
    from mien.training import export

    answers = np.array([[0.4, 0.4 + apart, 0.2 - apart]])
    swapped = answers + np.array([[apart, -apart, 0.0]]) * 0.6
    monkeypatch.setattr(export, "_network_answers", lambda *_: answers)
    monkeypatch.setattr(export, "_predict", lambda *_: swapped)
    assert answers.argmax() != swapped.argmax()
    assert export.compare(None, None, np.zeros((1, 48, 48), np.uint8)).flips == 0


def test_the_model_alone_is_written_under_the_name_of_one(run, exported, tmp_path):
    output = tmp_path / "small.onnx"
    assert str(output) in cli("export", run, "--output", output, "--risk", RISK).output
    alone = Classifier(replace(exported.bundle, onnx=output.read_bytes()))
    crops = exported.bundle.golden.crops
    np.testing.assert_allclose(alone.predict(crops), Classifier(exported.bundle).predict(crops), atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)  # as where a folder may not be written to
        patch.setattr("mien.training.export.load_network", None)  # it is said before anything is done
        for output in (tmp_path / "small.onnx", tmp_path / "small.mien"):
            with pytest.raises(ExportError, match=r"small.* cannot be written: Permission denied\. Name another"):
                mien.export(run, output, risk=RISK)
    with pytest.raises(ExportError, match="no folder .*nowhere"):
        mien.export(run, tmp_path / "nowhere" / "small.onnx", risk=RISK)


@pytest.mark.parametrize("ending", [".keras", ".tflite"])
def test_a_model_of_another_form_answers_as_the_network_does(
    run, network, dataset, split, tmp_path, monkeypatch, ending
):
    import keras

    from mien.training import export
    from mien.training.backend import litert_function
    from mien.training.export import ExportOptions, convert_run

    monkeypatch.setattr(export, "COMPARED_IMAGES", 100)
    output = tmp_path / f"small{ending}"
    exported = mien.export(run, output, risk=RISK)
    assert exported.parity.images == 100
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    faces = split.test.images[..., None]
    expected = network.predict(faces, verbose=0)
    if ending == ".keras":
        received = keras.saving.load_model(output).predict(faces, verbose=0)
    else:
        received = litert_function(output.read_bytes())(faces)
    np.testing.assert_allclose(received, expected, atol=1e-5)

    with pytest.raises(ExportError, match="float32 weights alone"):
        convert_run(run, ending, ExportOptions(name="half", weights_type="float16"))
    both = ExportOptions(name="both", mirror=True, adjust_prior=0.5)
    mirrored, _ = convert_run(run, ending, both, dataset=dataset)
    assert mirrored != output.read_bytes()
    _, read = export._FORMS[ending]
    wrong = {
        ending: (lambda *_, **__: output.read_bytes(), lambda content: lambda batch: read(content)(batch)[:, ::-1])
    }
    monkeypatch.setattr(export, "_FORMS", wrong)
    with pytest.raises(ExportError, match="another label"):
        convert_run(run, ending, ExportOptions(name="wrong"))
