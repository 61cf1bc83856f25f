"""How many faces and photos a second, and does memory stay flat?

    python benchmarks/predict_throughput.py FOLDER [--bundle B.mien] [--before B.mien] [--tflite MODEL.tflite]
        [--photos 2000]

Expected: some minutes. Three tables, each measured in one process and in turn:
1. faces a second of the classifier, batch 1 and 64, one thread and two; in the same rounds with --before also of an
   older bundle, and with --tflite of another model (for instance emotion_model_quantized.tflite of the package `fer`;
   needs TensorFlow or ai-edge-litert);
2. photos a second over the photos of FOLDER: `recognize_many` against `for photo: recognize`;
3. peak memory (as Linux counts it) while --photos photos pass through `recognize_many` (those of FOLDER, repeated).
"""

from __future__ import annotations

import argparse
import itertools
import resource
import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from mien.bundle import Bundle, load_bundle
from mien.inference.batch import find_photos
from mien.inference.classifier import Classifier
from mien.inference.recognizer import Recognizer
from mien.randomness import generator

SECONDS = 1.0
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--tflite", type=Path)
    parser.add_argument("--photos", type=int, default=2000)
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    print(f"{bundle.identity}\n")
    before = None if arguments.before is None else load_bundle(arguments.before)
    faces_a_second(bundle, before, arguments.tflite)
    paths = [photo.path for photo in find_photos([arguments.folder])]
    recognizer = Recognizer(bundle)
    photos_a_second(recognizer, paths)
    memory(recognizer, paths, arguments.photos)


def faces_a_second(bundle: Bundle, before: Bundle | None, tflite: Path | None) -> None:
    candidates: dict[str, Callable[[int], object]] = {}
    size = bundle.crop_rule.size
    for threads in (1, 2):
        for name, model in (("mien", bundle), ("before", before)):
            if model is not None:
                classifier = Classifier(model, threads=threads)
                candidates[f"{name}, {threads} thread(s)"] = lambda count, c=classifier: c.predict(crops(count, size))
        if tflite is not None:
            candidates[f"{tflite.name}, {threads} thread(s)"] = tflite_model(tflite, threads)
    print("faces a second (median of rounds in turn)        batch 1   batch 64")
    rates: dict[tuple[str, int], list[float]] = {}
    for _, (name, predict), batch in itertools.product(range(ROUNDS), candidates.items(), (1, 64)):
        rates.setdefault((name, batch), []).append(rate(predict, batch))
    for name in candidates:
        one, many = (statistics.median(rates[name, batch]) for batch in (1, 64))
        print(f"{name:46} {one:9,.0f}  {many:9,.0f}")
    print()


@cache
def crops(count: int, size: int) -> np.ndarray:
    return generator(0, "benchmark").integers(0, 256, (count, size, size, 1), dtype=np.uint8)


def rate(predict: Callable[[int], object], batch: int) -> float:
    predict(batch)
    done, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < SECONDS / ROUNDS:
        predict(batch)
        done += batch
    return done / passed


def tflite_model(path: Path, threads: int) -> Callable[[int], object]:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow

        Interpreter = tensorflow.lite.Interpreter
    interpreter = Interpreter(str(path), num_threads=threads)
    (entry,) = interpreter.get_input_details()

    def predict(count: int) -> object:
        shape = (count, *entry["shape"][1:])
        if tuple(interpreter.get_input_details()[0]["shape"]) != shape:
            interpreter.resize_tensor_input(entry["index"], shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], crops(count, shape[1]).astype(entry["dtype"]))
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    interpreter.allocate_tensors()
    return predict


def photos_a_second(recognizer: Recognizer, paths: list[Path]) -> None:
    one_by_one, together = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        faces = sum(len(recognizer.recognize(path).faces) for path in paths)
        one_by_one.append(len(paths) / (time.perf_counter() - start))
        start = time.perf_counter()
        faces_together = sum(len(result.faces) for result in recognizer.recognize_many(paths))
        together.append(len(paths) / (time.perf_counter() - start))
        assert faces == faces_together
    slow, fast = statistics.median(one_by_one), statistics.median(together)
    print(f"photos a second over {len(paths)} photos with {faces} faces")
    print(f"for photo: recognize {slow:.1f}   recognize_many {fast:.1f}   ratio {fast / slow:.2f}\n")


def memory(recognizer: Recognizer, paths: list[Path], count: int) -> None:
    print("photos   peak memory, MiB")
    photos = itertools.islice(itertools.cycle(paths), count)
    for number, _ in enumerate(recognizer.recognize_many(photos), start=1):
        if number in (len(paths), count // 4, count // 2, count):
            print(f"{number:6,}   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f}")


if __name__ == "__main__":
    main()
