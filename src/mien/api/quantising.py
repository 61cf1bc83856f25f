"""A bundle that computes in 8 bits, from one that does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mien.api.evaluating import data_of_its_run, evaluate
from mien.arguments import checked
from mien.bundle import Bundle, Golden, load_bundle, refuse_other_ending, write_again
from mien.channels import with_channel_axis
from mien.datasets.dataset import Dataset
from mien.datasets.spec import DataSpec
from mien.errors import ExportError, MissingExtraError
from mien.evaluation.calibration import fit_temperature
from mien.evaluation.evaluate import evaluate_predictions
from mien.evaluation.intervals import Estimate
from mien.inference.classifier import Classifier
from mien.inference.crops import resize_crops
from mien.randomness import generator
from mien.training.calibrated import at_temperature, logits_of, unsure_rule
from mien.training.card import calibration_section, test_sections
from mien.training.exported import LARGEST_ACCURACY_LOSS

_FACES = 512
_RISK = 0.2


@dataclass(frozen=True, eq=False)
class Quantised:
    """A bundle that computes in 8 bits, and what that changes on the validation role.

    Attributes:
        bundle: as written.
        before: accuracy of the model that it was made of.
        after: its own accuracy.
        other_labels: images that it gives another label than that model.
    """

    bundle: Bundle
    before: Estimate
    after: Estimate
    other_labels: int


@checked("bundle", "data")
def quantise(
    bundle: Bundle | Path | str, data: Dataset | DataSpec | Path | str, output: Path | str, **keys: Any
) -> Quantised:
    """Write a model again such that it computes in whole numbers of 8 bits (see `mien.training.quantise`).

    The ranges of its layers are measured on images of the training role. Temperature and threshold are fitted anew on
    the validation role, and the card's figures measured anew on the test role.

    Args:
        bundle: the model, or what `mien.load_bundle` takes; its card names the protocol and the split of its run.
        data: the run's data set, or what `mien.read` takes.
        output: where it is written.
        **keys: keys of `DataSpec`, where `data` is a path.

    Raises:
        BundleError: its card names no split, or these are not the data that its run was trained on.
        ExportError: it cannot be computed so, or loses more than 0.3 points of accuracy on the validation role.
        MissingExtraError: onnx is not installed.
    """
    try:
        from mien.training.quantise import quantised
    except ImportError as error:
        raise MissingExtraError("Bringing a model to 8 bits", "train") from error
    output = Path(output)
    refuse_other_ending(output)
    model = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    dataset, split, _ = data_of_its_run(model, data, **keys)
    faces = split.train.images
    chosen = np.sort(generator(0, "quantise").permutation(len(faces))[:_FACES])
    crops = with_channel_axis(resize_crops(np.asarray(faces[chosen]), model.crop_rule.size))
    changed = _with_golden(replace(model, onnx=quantised(model.onnx, crops), temperature=1.0, unsure=None))

    exact = evaluate(model, dataset, role="validation")
    found = evaluate(changed, dataset, role="validation")
    before, after = exact.scores().accuracy, found.scores().accuracy
    if before.value - after.value > LARGEST_ACCURACY_LOSS:
        raise ExportError(
            f"In 8 bits {model.name} is right for {after.value:.2%} of the validation role, before for "
            f"{before.value:.2%}: more than {LARGEST_ACCURACY_LOSS:.1%} are lost. Nothing was written."
        )
    answers = found.predictions
    risk = float(model.card.get("calibration", {}).get("risk_asked_for", _RISK))
    temperature = fit_temperature(logits_of(answers), answers.targets)
    calibrated = at_temperature(answers, temperature)
    rule = unsure_rule(calibrated, risk)
    changed = _with_golden(replace(changed, temperature=temperature, unsure=rule))
    validation = (
        evaluate_predictions(answers, model.label_set),
        evaluate_predictions(calibrated, model.label_set, rule),
    )
    others = int((exact.predictions.outputs.argmax(axis=1) != answers.outputs.argmax(axis=1)).sum())
    card = {
        **model.card,
        **test_sections(evaluate(changed, dataset, role="test").evaluation),
        "calibration": calibration_section(validation, temperature, risk, rule),
        "conversion": {
            **model.card.get("conversion", {}),
            "weights_type": "int8",
            "megabytes": round(len(changed.onnx) / 1e6, 2),
            "accuracy_loss_on_validation": before.value - after.value,
            "computes_in": "8 bits, but for the first convolution and the head",
            "ranges_from": f"{len(crops)} images of the training role",
            "other_labels_in_8_bits": f"{others} of {after.count:,} validation images",
            "made_of": model.identity,
            "made_by": f"mien models quantise (mien {version('mien')})",
        },
    }
    written = write_again(replace(changed, card=card), output)
    Classifier(written)
    return Quantised(written, before, after, others)


def _with_golden(model: Bundle) -> Bundle:
    """The model with its own answers to its golden crops."""
    crops = model.golden.crops
    return replace(model, golden=Golden(crops, Classifier(model, ask_golden=False).predict(crops)))
