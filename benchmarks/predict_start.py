"""What does `mien predict PHOTO --json` cost from a cold start, beside a bare script with the same two models?

    python benchmarks/predict_start.py [--bundle B.mien] [--photo PHOTO] [--repeats 11]

Expected: half a minute; the median of whole processes, in turn: mien, the bare script, an empty Python. The bare
script imports cv2 and onnxruntime, reads the photo, finds the faces at one size and classifies them; it has no command
line, no second look at other sizes, no checks. Below: where mien's time goes, from one process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

from mien.bundle import load_bundle
from mien.inference.detector import Detector

BARE = """
import json, sys
import cv2, numpy as np, onnxruntime
photo, detector_file, model_file = sys.argv[1:]
image = cv2.imread(photo)
height, width = image.shape[:2]
detector = cv2.FaceDetectorYN.create(detector_file, "", (width, height), 0.7)
rows = detector.detect(image)[1]
session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
size = session.get_inputs()[0].shape[1]
gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
crops = []
for row in rows:
    x, y, w, h = row[:4].astype(int)
    crops.append(cv2.resize(gray[max(0, y) : y + h, max(0, x) : x + w], (size, size)))
logits = session.run(["logits"], {"faces": np.array(crops)[..., None]})[0]
powers = np.exp(logits - logits.max(1, keepdims=True))
print(json.dumps((powers / powers.sum(1, keepdims=True)).tolist()))
"""

STAGES = """
import sys, time
start = time.perf_counter()
def lap(name):
    global start
    now = time.perf_counter()
    print(f"{1000 * (now - start):6.0f} ms  {name}")
    start = now
import numpy, numpy.lib; lap("import numpy")
import cv2; lap("import cv2")
import onnxruntime; lap("import onnxruntime")
import PIL.Image; lap("import Pillow")
import typer, mien.cli.main; mien.cli.main.command_line(["predict"]); lap("import typer and the command line")
from mien.inference.recognizer import Recognizer; lap("import the rest of mien")
from mien.bundle import load_bundle
from mien.inference.classifier import Classifier
from mien.inference.detector import Detector
from mien.images import read_image
bundle = load_bundle(sys.argv[2]); lap("load the bundle")
Classifier(bundle); lap("start the classifier and check its golden example")
detector = Detector(); lap("start the detector")
recognizer = Recognizer(bundle, detector=detector); start = time.perf_counter()
image = read_image(sys.argv[1]); lap("read the photo")
detector.detect(image); lap("find the faces")
recognizer.recognize(image).to_json(); lap("find them once more, cut out, classify, JSON")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--photo", type=Path, default=Path(str(resources.files("mien") / "data" / "sample.jpg")))
    parser.add_argument("--repeats", type=int, default=11)
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        model.write_bytes(bundle.onnx)
        detector = Path(folder) / "detector.onnx"
        detector.write_bytes(Detector().model)
        mien = Path(sys.executable).with_name("mien.exe" if os.name == "nt" else "mien")
        commands = {
            "mien": [str(mien), "predict", str(arguments.photo), "--json", "--bundle", arguments.bundle],
            "bare": [sys.executable, "-c", BARE, str(arguments.photo), str(detector), str(model)],
            "empty": [sys.executable, "-c", ""],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.repeats):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                times[name].append(time.perf_counter() - start)
    for name, values in times.items():
        print(f"{name:6} {statistics.median(values):.3f} s (fastest {min(values):.3f}, slowest {max(values):.3f})")
    print(f"mien / bare: {statistics.median(times['mien']) / statistics.median(times['bare']):.2f}")
    stages = [sys.executable, "-c", STAGES, str(arguments.photo), arguments.bundle]
    subprocess.run(stages, check=True)


if __name__ == "__main__":
    main()
