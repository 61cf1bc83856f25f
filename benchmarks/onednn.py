"""What TensorFlow's oneDNN operations, which mien asks for on every x86 processor, give in training.

    python benchmarks/onednn.py [BACKBONE ...]

Each network takes training steps on 64 drawn faces of 48 pixels, in processes of its own that are told to use these
operations or to leave them, in turn; the figure is the ratio of images a second. Time: about two minutes a network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np

from mien.datasets.synthetic import draw_faces
from mien.study.recipe import Recipe
from mien.training.backend import choose_backend

BATCH = 64
SECONDS = 15


def train(backbone: str) -> float:
    """Images a second of training steps in this process."""
    choose_backend()
    from mien.training import backend
    from mien.training.network import build_network, compile_network

    backend.configure()
    recipe = Recipe(backbone=backbone, optimizer="adamw", batch_size=BATCH).resolved(48)
    data = draw_faces(BATCH, size=48)
    network = build_network(recipe, image_size=(48, 48), classes=len(data.label_set), statistics=None)
    compile_network(network, recipe, steps_per_epoch=10)
    images, targets = data.images[..., np.newaxis], np.eye(len(data.label_set), dtype=np.float32)[data.labels]
    for _ in range(2):
        network.train_on_batch(images, targets)
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        network.train_on_batch(images, targets)
        steps += 1
    return steps * BATCH / (time.perf_counter() - started)


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        print(train(sys.argv[2]))
        return
    for backbone in sys.argv[1:] or ["mien_small", "mien_medium", "resnet50v2"]:
        rates: dict[str, list[float]] = {"0": [], "1": []}
        for said in ("1", "0", "1", "0"):
            command = [sys.executable, __file__, "--one", backbone]
            environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": said}
            found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            rates[said].append(float(found.stdout))
        asked, left = (sum(rates[said]) / len(rates[said]) for said in ("1", "0"))
        print(f"{backbone}: {asked:.0f} images a second with, {left:.0f} without: {asked / left:.2f} times")


if __name__ == "__main__":
    main()
