"""How well a model does on a data set, and which of its images the model has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.bundle import Bundle, load_bundle, with_seen
from mien.datasets.dataset import Dataset
from mien.datasets.protocol import Opening, ProtocolSpec, Samples, Split, apply_protocol, copies_in_training
from mien.datasets.reading import read_dataset
from mien.datasets.spec import DataSpec
from mien.errors import BundleError, DataError
from mien.evaluation.evaluate import Evaluation, evaluate_predictions, pack_predictions
from mien.evaluation.metrics import leak_free
from mien.inference.classifier import Classifier
from mien.inference.crops import resize_crops
from mien.predictions import Predictions
from mien.seen import Seen, hash_images

_BATCH = 64

RoleName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Familiar:
    """How many of the images of an evaluation the model has seen before.

    Attributes:
        known: whether the bundle says which images it was made with. Where it does not, the images that have a copy in
            the training or validation role of these data are taken for seen, which is a guess.
        learned: images that the model has learned from, exact copies included.
        chosen: further images that served to choose its epoch, temperature and threshold.
    """

    known: bool
    learned: int
    chosen: int


@dataclass(frozen=True, eq=False)
class ModelEvaluation:
    """How well a model does on a role of a data set.

    Attributes:
        model: name and fingerprint of the bundle.
        data: "name", "fingerprint", "split" and "role".
        same_data_as_card: whether these are the data and the protocol that the model was measured on for its card.
        familiar: what of these images the model has seen.
        evaluation: the figures, on all images and on those that it has not seen.
        predictions: what it answered for each image.
    """

    model: str
    data: dict[str, str]
    same_data_as_card: bool
    familiar: Familiar
    evaluation: Evaluation
    predictions: Predictions

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain JSON values."""
        return {
            "model": self.model,
            "data": self.data,
            "same_data_as_card": self.same_data_as_card,
            "seen": {
                "known": self.familiar.known,
                "learned_from": self.familiar.learned,
                "chosen_with": self.familiar.chosen,
            },
            **self.evaluation.to_json(),
        }


def evaluate(
    bundle: Bundle | Path | str,
    data: Dataset | DataSpec | Path | str,
    *,
    role: RoleName = "test",
    labels: str | None = None,
    roles: str | None = None,
    targets: str | None = None,
    unseen_only: bool = False,
    log: Callable[[Opening], None] = lambda opening: None,
    **keys: Any,
) -> ModelEvaluation:
    """Measure a model on a data set whose images are faces that are cut out already.

    What is not said of labels, roles and targets is as in the protocol on the model's card, so that the same data give
    the card's figures again.

    Args:
        bundle: the model, or what `load_bundle` takes.
        data: a data set, or what `read_dataset` takes.
        role: which images.
        labels: label set, as in a protocol.
        roles: where roles come from, as in a protocol.
        targets: what counts as right, as in a protocol.
        unseen_only: leave out the images that the model has seen.
        log: is told when test labels are opened.
        **keys: keys of `DataSpec`, where `data` is a path.

    Raises:
        BundleError: the model is missing or damaged.
        DataError: the data cannot be read, or the model does not know one of their expressions.
        ProtocolError: the data cannot be used under the protocol.
    """
    model = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    dataset = data if isinstance(data, Dataset) else read_dataset(data, **keys)
    said = {"labels": labels, "roles": roles, "targets": targets}
    protocol = ProtocolSpec(**{**model.card.get("protocol", {}), **{key: word for key, word in said.items() if word}})
    split = apply_protocol(dataset, protocol)
    _check_labels(model, split)
    samples = _samples(split, role, model, log)
    same = split.hash == model.card.get("data", {}).get("split")
    familiar, seen = _familiar(model, samples, split, role, same)
    predictions = pack_predictions(
        _answers(Classifier(model), samples.images),
        model.label_set,
        split.label_set,
        labels=samples.labels,
        targets=samples.targets,
        ids=samples.ids,
        copies=seen,
    )
    if unseen_only:
        if seen.all():
            raise DataError(f"{model.name} has seen every image of the {role} role of {dataset.name}: nothing is left.")
        predictions = leak_free(predictions)
    return ModelEvaluation(
        model=model.identity,
        data={"name": dataset.name, "fingerprint": dataset.fingerprint, "split": split.hash, "role": role},
        same_data_as_card=same,
        familiar=familiar,
        evaluation=evaluate_predictions(predictions, split.label_set, model.unsure),
        predictions=predictions,
    )


def add_seen(
    bundle: Bundle | Path | str, data: Dataset | DataSpec | Path | str, output: Path, **keys: Any
) -> tuple[Bundle, Seen]:
    """Write a model again with the hashes of the images that it was made with, from the data of its run.

    Args:
        bundle: the model, or what `load_bundle` takes; its card names the protocol and the split of its run.
        data: the run's data set, or what `read_dataset` takes.
        output: where it is written; may be where it is now.
        **keys: keys of `DataSpec`, where `data` is a path.

    Returns:
        The new bundle, and the hashes.

    Raises:
        BundleError: its card names no split, or these are not the data that its run was trained on.
    """
    model = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    wanted = model.card.get("data", {}).get("split")
    if wanted is None:
        raise BundleError(f"The card of {model.name} does not say which split its run was trained on.")
    dataset = data if isinstance(data, Dataset) else read_dataset(data, **keys)
    split = apply_protocol(dataset, ProtocolSpec(**model.card.get("protocol", {})))
    if split.hash != wanted:
        raise BundleError(
            f"{dataset.source} is not what {model.name} was trained on: expected the split {wanted}. Received: "
            f"{split.hash}. Name the same data, with the same votes and cleaning list."
        )
    seen = _seen_of(split, model.crop_rule.size)
    return with_seen(model, seen, output), seen


def _check_labels(model: Bundle, split: Split) -> None:
    missing = [e.value for e in split.label_set.expressions if e not in model.label_set]
    if missing:
        raise DataError(
            f"{model.name} cannot answer for {', '.join(missing)}. It knows: "
            f"{', '.join(model.label_set.expressions)}. Leave the others out with --labels {model.label_set.name}."
        )


def _samples(split: Split, role: RoleName, model: Bundle, log: Callable[[Opening], None]) -> Samples:
    if role == "test":
        return split.test.open(by=model.identity, reason="evaluation of a bundle", log=log)
    if role not in ("train", "validation"):
        raise DataError(f"role is 'train', 'validation' or 'test'. Received: {role!r}.")
    return split.train if role == "train" else split.validation


def _familiar(
    model: Bundle, samples: Samples, split: Split, role: RoleName, same: bool
) -> tuple[Familiar, NDArray[np.bool_]]:
    """What of the samples the model has seen, in numbers and one by one."""
    none = np.zeros(len(samples), dtype=bool)
    copies = copies_in_training(split) if role == "test" else none
    if model.seen is None:
        return Familiar(False, 0, 0), copies
    hashes = _hashes(samples, model.crop_rule.size)
    learned, chosen = model.seen.learned_from(hashes), model.seen.chosen_with(hashes)
    # Near copies, where the protocol looks for them, are known within its own split alone.
    seen = learned | chosen | (copies if same else none)
    return Familiar(True, int(learned.sum()), int(chosen.sum())), seen


def _seen_of(split: Split, size: int) -> Seen:
    return Seen.of(_hashes(split.train, size), _hashes(split.validation, size))


def _hashes(samples: Samples, size: int) -> NDArray[np.str_]:
    """Hashes of the images as the model gets them, so that one size of the same data knows another again."""
    if samples.images.shape[1:] == (size, size):
        return samples.hashes
    return hash_images(resize_crops(np.asarray(samples.images), size))


def _answers(classifier: Classifier, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    size = classifier.bundle.crop_rule.size
    blocks = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    return np.concatenate([classifier.predict(resize_crops(np.asarray(block), size)) for block in blocks])
