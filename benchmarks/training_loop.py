"""Does mien's training loop cost anything beside a bare loop over `train_on_batch`?

    python benchmarks/training_loop.py

Both train the same network on the same images with the same batch, in turn, in one process; the figure is the ratio of
images a second, pair by pair. Time: about three minutes on two cores.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from mien.datasets.synthetic import draw_faces
from mien.study.recipe import AugmentationSpec, Recipe
from mien.training.backend import choose_backend

PAIRS = 7
IMAGES = 3072
BATCH = 64


class Silent:
    """A watch that only listens."""

    def stage(self, text: str) -> None: ...
    def step(self, epoch: int, done: int, total: int) -> None: ...
    def epoch(self, entry: object) -> None: ...


def main() -> None:
    choose_backend()
    from mien.training import backend
    from mien.training.fit import Material, fit
    from mien.training.network import build_network, compile_network

    backend.configure()
    recipe = Recipe(batch_size=BATCH, epochs=1, augmentation=AugmentationSpec(flip=True, shift=0.1)).resolved(48)
    data = draw_faces(IMAGES, size=48)
    images = data.images[..., np.newaxis]
    targets = np.eye(len(data.label_set), dtype=np.float32)[data.labels]
    material = Material(images, targets)
    few = Material(images[:BATCH], targets[:BATCH])

    def ours() -> float:
        with tempfile.TemporaryDirectory() as folder:
            _, state = fit(network, network, recipe, material, few, folder=Path(folder), readouts=(1,), watch=Silent())
        return state.history[0].images_per_second

    def bare() -> float:
        started = time.perf_counter()
        for start in range(0, IMAGES, BATCH):
            network.train_on_batch(images[start : start + BATCH], targets[start : start + BATCH])
        return IMAGES / (time.perf_counter() - started)

    network = build_network(recipe, image_size=(48, 48), classes=targets.shape[1], statistics=None)
    compile_network(network, recipe, steps_per_epoch=IMAGES // BATCH)
    ours(), bare()  # tracing is no part of either
    pairs = [(ours(), bare()) for _ in range(PAIRS)]
    ratios = [mine / other for mine, other in pairs]
    for mine, other in pairs:
        print(f"mien {mine:7.1f} images/s   bare loop {other:7.1f} images/s   ratio {mine / other:.3f}")
    print(f"ratio: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()
