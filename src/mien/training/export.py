"""From a run to a bundle: convert the network, prove that it answers as before, calibrate it, and write its card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

# Loading a network needs the classes of its layers; importing them makes them known to Keras.
import mien.training.augmentation
import mien.training.network
import mien.training.preprocessing  # noqa: F401
from mien.bundle import Bundle, Golden, write_bundle
from mien.channels import shape_of, with_channel_axis
from mien.datasets.dataset import Dataset, Role
from mien.datasets.protocol import ProtocolSpec, Split, splits_of_run
from mien.datasets.synthetic import draw_faces
from mien.errors import BundleError, ExportError
from mien.evaluation.calibration import fit_temperature
from mien.evaluation.evaluate import evaluate_predictions
from mien.evaluation.metrics import score
from mien.framing import CropRule, crop_rule_of
from mien.inference.classifier import Classifier, softmax
from mien.inference.crops import likeness_of, resize_crops
from mien.predictions import Predictions
from mien.randomness import generator
from mien.seen import Seen
from mien.study.record import NETWORK_FILE, RunRecord, RunStatus
from mien.study.spec import read_study
from mien.study.store import STUDY_FILE, Store
from mien.training.backend import answers_of, litert_function
from mien.training.calibrated import SMALLEST, at_temperature, logits_of, unsure_rule
from mien.training.card import make_card
from mien.training.convert import WeightsType, in_float32, store_weights, to_keras, to_litert, to_onnx
from mien.training.exported import LARGEST_ACCURACY_LOSS, Exported, MeasuredExport, Parity
from mien.training.network import describe_network, single_head

LARGEST_DIFFERENCE = 1e-4
COMPARED_IMAGES = 1000

_GOLDEN_CROPS = 4
_SINGLE_IMAGES = 16
_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is asked of an export.

    Attributes:
        name: short name of the model.
        weights_type: how weights are stored; all but "float32" need the data set.
        risk: largest share of wrong labels among those given, above 0 and below 1: what the threshold for "unsure" is
            chosen for.
        licence: of the exported weights, in words; None when it is not stated.
        weights_note: where pretrained weights come from, in words; needed where the run began with a weight file.
        adjust_prior: 0 to 1. So many times the logarithm of each expression's share of the training images is taken
            from its logit: 0 leaves the network as it is, 1 makes it answer as if all expressions were equally common
            (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021).
        mirror: whether the model answers for each face and its mirror image together, with the mean of their logits.
            It takes twice as long for a face, and needs the data set.
        head: which head of a network with several; None for the first.
    """

    name: str
    weights_type: WeightsType = "float32"
    risk: float = 0.2
    licence: str | None = None
    weights_note: str | None = None
    adjust_prior: float = 0.0
    mirror: bool = False
    head: str | None = None


def export_run(
    folder: Path,
    path: Path,
    options: ExportOptions,
    *,
    dataset: Dataset | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Make a bundle from a run.

    Temperature and threshold are fitted on the validation role, and the card's figures measured on the test role: on
    the answers that the record holds or, with the data set, on those of the very model that is written. Test labels
    come from the record; they are not opened again.

    Args:
        folder: of the run, in a store: with its record and its network.
        path: of the bundle: a single file when the name ends in ".mien", otherwise a folder.
        options: what is asked.
        dataset: the data set of the run.
        say: is told what is being done.

    Raises:
        ExportError: the run cannot be exported, the data set is not that of the run, or the converted model does not
            answer as the network does.
        RecordError: there is no complete record in `folder`, or its network has no such head.
    """
    whole = RunRecord.read(folder)
    record = whole.of_head(options.head)
    _check_exportable(record, folder, options, dataset)
    say(f"loading {folder / NETWORK_FILE}")
    shift = _prior_shift(record, options.adjust_prior)
    network = _adjusted_network(whole, folder, options, shift)
    if whole.heads:
        sizes = describe_network(network)
        record = replace(record, network={**record.network, "parameters": sizes["parameters"]})
    say("converting to ONNX")
    exact = to_onnx(network, mirror=options.mirror)
    exact_classifier = _classifier(record, exact)
    say(f"comparing the answers for {COMPARED_IMAGES:,} images")
    compared = comparison_images(_crop_rule(record), COMPARED_IMAGES)
    parity = compare(network, exact_classifier, compared, mirror=options.mirror)

    content = store_weights(exact, options.weights_type)
    classifier = _classifier(record, content)
    batch_difference = _check_batches(classifier, compared[:: COMPARED_IMAGES // _SINGLE_IMAGES])
    validation, test = (_shifted(record.outcome(role), shift) for role in (Role.VALIDATION, Role.TEST))
    measured = int8 = effect = None
    exact_answers = validation
    store = _store_of(folder)
    if dataset is None:
        seen, likeness = store.seen(record), store.likeness(record)
    else:
        say("answering for the validation and test roles")
        split, taught = _splits(whole, record, dataset)
        seen = Seen.of(taught.train.gray_hashes, taught.validation.gray_hashes)
        likeness = likeness_of(taught.train.images, taught.validation.images, _crop_rule(record))
        images = {Role.VALIDATION: split.validation.images, Role.TEST: split.test.images}
        if options.mirror:
            exact_answers = _answers(exact_classifier, images[Role.VALIDATION], validation)
        validation = _answers(classifier, images[Role.VALIDATION], validation)
        measured = _measured(content, validation, exact_answers)
        _check_loss(measured, options.weights_type)
        test = _answers(classifier, images[Role.TEST], test)
        if options.weights_type == "float32":
            smaller = store_weights(exact, "int8")
            answers = _answers(_classifier(record, smaller), images[Role.VALIDATION], validation)
            int8 = _measured(smaller, answers, exact_answers)
    if options.adjust_prior or options.mirror:
        as_trained = record.outcome(Role.VALIDATION)
        effect = score(as_trained, record.label_set), score(exact_answers, record.label_set)

    temperature = fit_temperature(logits_of(validation), validation.targets)
    calibrated = at_temperature(validation, temperature)
    unsure = unsure_rule(calibrated, options.risk)
    card = make_card(
        record,
        study=_study_name(folder),
        licence=options.licence,
        weights_note=options.weights_note,
        conversion=_conversion(options, content, parity, batch_difference, measured),
        adjust_prior=options.adjust_prior,
        mirror=options.mirror,
        validation=(
            evaluate_predictions(validation, record.label_set),
            evaluate_predictions(calibrated, record.label_set, unsure),
        ),
        test=evaluate_predictions(at_temperature(test, temperature), record.label_set, unsure),
        temperature=temperature,
        risk=options.risk,
        unsure=unsure,
    )
    bundle = write_bundle(
        path,
        name=options.name,
        onnx=content,
        label_set=record.label_set,
        crop_rule=_crop_rule(record),
        temperature=temperature,
        unsure=unsure,
        card=card,
        golden=_golden(network, classifier, compared[:_GOLDEN_CROPS], temperature, options),
        cam_weights=np.asarray(network.get_layer("head").kernel),
        seen=seen,
        likeness=likeness,
    )
    Classifier(bundle)
    return Exported(bundle, parity, measured, int8, effect)


def convert_run(
    folder: Path,
    ending: str,
    options: ExportOptions,
    *,
    dataset: Dataset | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[bytes, Parity]:
    """The network of a run as a file of another form than ONNX, read back and compared with the network.

    Args:
        folder: of the run, as `export_run` takes it.
        ending: of the file: ".keras" or ".tflite".
        options: what is asked; weights are float32 here.
        dataset: the data set of the run, where `export_run` needs it.
        say: is told what is being done.

    Returns:
        The file's content, and how far its answers are from the network's.

    Raises:
        ExportError: the run cannot be exported so, or what was read back does not answer as the network does.
    """
    if options.weights_type != "float32":
        raise ExportError(
            f"A {ending} file is written with float32 weights alone. Received: {options.weights_type}. Weights are "
            "stored in fewer bytes in bundles (.mien) and .onnx files."
        )
    whole = RunRecord.read(folder)
    record = whole.of_head(options.head)
    _check_exportable(record, folder, options, dataset)
    network = _adjusted_network(whole, folder, options, _prior_shift(record, options.adjust_prior))
    write, read = _FORMS[ending]
    say(f"converting to {ending}, and comparing the answers")
    content = write(network, mirror=options.mirror)
    try:
        model = _Model(read(content))
    except Exception as error:  # what reads it may raise anything
        raise ExportError(f"The {ending} file that was made of the network cannot be read back: {error}") from error
    images = comparison_images(_crop_rule(record), COMPARED_IMAGES)
    parity = compare(network, model, images, mirror=options.mirror)
    _check_batches(model, images[:: COMPARED_IMAGES // _SINGLE_IMAGES])
    return content, parity


class Answering(Protocol):
    """What answers for faces, (N, size, size) or (N, size, size, 3) uint8, with probabilities, (N, classes)."""

    def predict(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The answers."""


@dataclass(frozen=True)
class _Model:
    function: Callable[[NDArray[Any]], NDArray[Any]]

    def predict(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.asarray(self.function(with_channel_axis(crops)), dtype=np.float64)


def _keras_function(content: bytes) -> Callable[[NDArray[Any]], NDArray[Any]]:
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        model = load_network(path)
    return lambda faces: np.asarray(keras.ops.convert_to_numpy(model(faces, training=False)))


# What a run is written as without a bundle, by the file's ending; ONNX is taken from the bundle.
_FORMS: dict[str, tuple[Callable[..., bytes], Callable[[bytes], Callable[[NDArray[Any]], NDArray[Any]]]]] = {
    ".keras": (to_keras, _keras_function),
    ".tflite": (to_litert, litert_function),
}


def _adjusted_network(
    whole: RunRecord, folder: Path, options: ExportOptions, shift: NDArray[np.float32]
) -> keras.Model:
    """The run's network in float32, of several heads the one asked for, with a shift of its logits."""
    network = load_network(folder / NETWORK_FILE)
    if whole.recipe["precision"] != "float32":
        network = in_float32(network)
    place = whole.place_of_head(options.head)
    if place is not None:
        network = single_head(network, place)
    head = network.get_layer("head")
    head.bias.assign(np.asarray(head.bias) + shift)
    return network


def load_network(path: Path) -> keras.Model:
    """The network that a run has left.

    Raises:
        ExportError: the file is missing or damaged.
    """
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ExportError(f"The network {path} cannot be loaded: {error}") from error


def compare(network: keras.Model, classifier: Answering, images: NDArray[np.uint8], *, mirror: bool = False) -> Parity:
    """Compare a network with its converted model, image by image.

    Args:
        network: with a softmax.
        classifier: of the converted model, without temperature.
        images: shape (N, size, size), or (N, size, size, 3) in colour, uint8.
        mirror: whether the converted model answers for each image and its mirror image together.

    Raises:
        ExportError: a probability differs by more than 1e-4, an image whose two likeliest labels lie more than 2e-4
            apart gets another label, or an answer is not finite.
    """
    expected = _network_answers(network, images, mirror)
    received = _predict(classifier, images)
    if not (np.isfinite(expected).all() and np.isfinite(received).all()):
        raise ExportError(f"The answers for {len(images):,} images are not all finite numbers. Nothing was written.")
    difference = float(np.abs(expected - received).max())
    # Where two labels are as probable but for what the answers may differ, either is right.
    first, second = np.sort(expected, axis=1)[:, :-3:-1].T
    tied = first - second <= 2 * LARGEST_DIFFERENCE
    flips = int(((expected.argmax(axis=1) != received.argmax(axis=1)) & ~tied).sum())
    if difference > LARGEST_DIFFERENCE or flips:
        raise ExportError(
            f"The converted model does not answer as the network does: over {len(images):,} images a probability "
            f"differs by up to {difference:.2g} (allowed: {LARGEST_DIFFERENCE:g}), and {flips} images get another "
            "label (allowed: none). Nothing was written."
        )
    return Parity(len(images), difference, flips)


def _network_answers(network: keras.Model, images: NDArray[np.uint8], mirror: bool) -> NDArray[np.float64]:
    """What the network itself says, shape (N, classes); with `mirror`, put together here and not in a graph."""

    def answers(faces: NDArray[np.uint8]) -> NDArray[np.float64]:
        given = answers_of(network, with_channel_axis(faces), _BATCH)
        return np.asarray(given, dtype=np.float64)

    if not mirror:
        return answers(images)
    both = [np.log(np.maximum(answers(faces), SMALLEST)) for faces in (images, images[:, :, ::-1])]
    return softmax((both[0] + both[1]) / 2)


@lru_cache(maxsize=1)
def comparison_images(rule: CropRule, count: int) -> NDArray[np.uint8]:
    """Images on which a network and its converted model are compared: drawn faces, as they are and spoiled, and noise.

    Args:
        rule: says their size, and whether they are in colour. Colours are such that no channel tells of another.
        count: how many; a multiple of five.

    Returns:
        Shape (count, size, size), or (count, size, size, 3) in colour, uint8, not to be written to; the same in every
        call.
    """
    size = rule.size
    count //= 5
    faces = resize_crops(draw_faces(count, seed=0).images, size)
    noise = generator(0, "export", "noise").integers(0, 256, (count, size, size), dtype=np.uint8)
    dark, bright = faces // 4, 255 - (255 - faces) // 4
    images = np.concatenate([faces, dark, bright, faces // 2 + noise // 2, noise])
    if rule.channels == "rgb":
        images = np.stack([images, np.roll(images, 1, axis=0), np.roll(images, 2, axis=0)], axis=-1)
    images.setflags(write=False)
    return images


def _check_exportable(record: RunRecord, folder: Path, options: ExportOptions, dataset: Dataset | None) -> None:
    if record.status is not RunStatus.COMPLETE:
        raise ExportError(f"Run {record.id} is {record.status.value}: {record.reason} Only a complete run is exported.")
    if not (folder / NETWORK_FILE).is_file():
        raise ExportError(
            f"{folder} has no {NETWORK_FILE}: the weights were not kept. Remove the folder and run the study again "
            "without --discard-weights."
        )
    activation, precision = record.recipe["activation"], record.recipe["precision"]
    if activation != "softmax":
        raise ExportError(
            f"A bundle's probabilities come from a softmax. Received: a run with activation {activation!r}."
        )
    height, width = record.network["image_size"]
    if height != width:
        raise ExportError(f"A bundle's crops are square. Received: a network for images of {height}x{width} pixels.")
    if record.recipe["weights"] not in ("none", "imagenet") and not options.weights_note:
        raise ExportError(
            f"The run began with the weights of {Path(record.recipe['weights']).name}, and the card must say where "
            "they come from and under which licence: --weights-note TEXT."
        )
    if dataset is None and options.mirror:
        raise ExportError(
            "A model that answers for a face and its mirror image answers otherwise than the record says: what that "
            "brings must be measured. Name the run's data set with --data PATH."
        )
    if dataset is None and (options.weights_type != "float32" or precision != "float32"):
        raise ExportError(
            f"Weights stored as {options.weights_type}, of a network trained in {precision}, do not answer exactly as "
            "in the record: what they cost must be measured. Name the run's data set with --data PATH."
        )


def _classifier(record: RunRecord, onnx: bytes) -> Classifier:
    """The runtime for a model that has no bundle yet, without temperature."""
    rule = _crop_rule(record)
    nothing = Golden(
        np.zeros(shape_of(rule.channels, 0, rule.size, rule.size), np.uint8), np.zeros((0, len(record.label_set)))
    )
    draft = Bundle(
        name=record.id,
        label_set=record.label_set,
        crop_rule=rule,
        temperature=1.0,
        unsure=None,
        onnx=onnx,
        card={},
        golden=nothing,
        cam_weights=None,
        fingerprint="",
        source=f"run {record.id}",
    )
    try:
        return Classifier(draft, ask_golden=False)
    except BundleError as error:
        raise ExportError(f"The converted model does not work: {error}") from error


def _crop_rule(record: RunRecord) -> CropRule:
    channels = record.data.get("channels", "gray")
    return crop_rule_of(record.data["framing"], int(record.network["image_size"][0]), channels)


def _predict(classifier: Answering, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    blocks = [classifier.predict(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    return np.concatenate(blocks)


def _check_batches(classifier: Answering, images: NDArray[np.uint8]) -> float:
    """The largest difference between answers in one batch and one by one."""
    together = classifier.predict(images)
    alone = np.concatenate([classifier.predict(images[index : index + 1]) for index in range(len(images))])
    difference = float(np.abs(together - alone).max())
    if not difference <= LARGEST_DIFFERENCE or (together.argmax(axis=1) != alone.argmax(axis=1)).any():
        raise ExportError(
            f"The converted model answers {len(images)} images in one batch otherwise than one by one: a probability "
            f"differs by {difference:.2g} (allowed: {LARGEST_DIFFERENCE:g}). Nothing was written."
        )
    return difference


def _splits(whole: RunRecord, record: RunRecord, dataset: Dataset) -> tuple[Split, Split]:
    """Who is in which role, as in the run: of the head that is exported, and of all that the network learned from."""
    protocol = ProtocolSpec(**whole.protocol)
    heads = whole.head_names or (protocol.targets,)
    split, taught = splits_of_run(dataset, protocol, heads, record.network["head"] if whole.heads else heads[0])
    for what, wanted, received in (
        ("fingerprint", record.data["fingerprint"], dataset.fingerprint),
        ("split", record.data["split"], split.hash),
    ):
        if wanted != received:
            raise ExportError(
                f"{dataset.source} is not the data set of run {record.id} ({record.data['name']}): expected the {what} "
                f"{wanted}. Received: {received}. Name the same data with --data, its votes with --votes, and "
                "its cleaning list with --cleaning."
            )
    return split, taught


def _store_of(folder: Path) -> Store:
    return Store(folder.resolve().parents[1])


def _answers(classifier: Classifier, images: NDArray[np.uint8], recorded: Predictions) -> Predictions:
    return replace(recorded, outputs=_predict(classifier, images).astype(np.float32))


def _measured(content: bytes, answers: Predictions, exact: Predictions) -> MeasuredExport:
    accuracy, before = (float((p.outputs.argmax(axis=1) == p.labels).mean()) for p in (answers, exact))
    return MeasuredExport(len(content) / 1e6, before - accuracy)


def _check_loss(measured: MeasuredExport, weights_type: WeightsType) -> None:
    if not measured.acceptable:
        raise ExportError(
            f"Stored as {weights_type}, the model loses {measured.accuracy_loss:.2%} of accuracy on the validation "
            f"role against the exact model (allowed: {LARGEST_ACCURACY_LOSS:.1%}). Nothing was written. Choose a "
            "larger --weights-type; if it is float32 already, the network is not the one that the record speaks of."
        )


def _prior_shift(record: RunRecord, strength: float) -> NDArray[np.float32]:
    """What is added to the logits, shape (K,), so that common expressions are preferred less."""
    if not 0 <= strength <= 1:
        raise ExportError(f"The adjustment for the prior lies between 0 and 1. Received: {strength}.")
    counts = record.data["counts"][Role.TRAIN.value]
    images = np.array([counts[expression.value] for expression in record.label_set.expressions], dtype=np.float64)
    if strength and not images.all():
        missing = [expression.value for expression in record.label_set.expressions if not counts[expression.value]]
        raise ExportError(f"There is no share to adjust for: the training role has no image of {', '.join(missing)}.")
    return np.asarray(-strength * np.log(np.maximum(images, 1) / images.sum()), dtype=np.float32)


def _shifted(predictions: Predictions, shift: NDArray[np.float32]) -> Predictions:
    return replace(predictions, outputs=softmax(logits_of(predictions) + shift).astype(np.float32))


def _golden(
    network: keras.Model,
    classifier: Classifier,
    crops: NDArray[np.uint8],
    temperature: float,
    options: ExportOptions,
) -> Golden:
    """Drawn faces with the network's own answers; those of the model where its weights are stored less exactly."""
    if options.weights_type == "float32":
        answers = _network_answers(network, crops, options.mirror)
    else:
        answers = classifier.predict(crops)
    return Golden(crops, softmax(np.log(np.maximum(answers, SMALLEST)) / temperature))


def _conversion(
    options: ExportOptions, content: bytes, parity: Parity, batch_difference: float, measured: MeasuredExport | None
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "converter": f"tf2onnx {version('tf2onnx')}, keras {keras.__version__}",
        "compared_images": parity.images,
        "largest_probability_difference": parity.difference,
        "other_labels": parity.flips,
        "largest_difference_in_a_batch": batch_difference,
        "weights_type": options.weights_type,
        "megabytes": round(len(content) / 1e6, 2),
    }
    if measured is None:
        return {**values, "figures_from": "the run's record"}
    return {
        **values,
        "accuracy_loss_on_validation": measured.accuracy_loss,
        "figures_from": "the answers of this model",
    }


def _study_name(folder: Path) -> str | None:
    """The study that is kept in the run's store."""
    path = folder.resolve().parents[1] / STUDY_FILE
    return read_study(path, kept=True).name if path.is_file() else None
