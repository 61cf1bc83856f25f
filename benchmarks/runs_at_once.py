"""What several training runs at once, of one thread each, give beside one run with all of the machine's threads.

    python benchmarks/runs_at_once.py [BACKBONE ...]

As many processes as there are processors take training steps on 32 drawn faces of 48 pixels with one thread each, then
one process with all threads, in turn; the figure is the ratio of images a second, all processes of a turn together.
That is what `mien study run` with and without `--on ray` does with a study's runs. Nothing else may run beside it.
Time: about three minutes a network.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import numpy as np

from mien.datasets.synthetic import draw_faces
from mien.study.recipe import Recipe
from mien.training.backend import choose_backend

BATCH = 32
SECONDS = 20
ROUNDS = 3


def train(backbone: str, threads: int) -> float:
    """Images a second of training steps in this process, which begin when a line comes in."""
    choose_backend()
    from mien.training import backend
    from mien.training.network import build_network, compile_network

    backend.configure(threads=threads)
    recipe = Recipe(backbone=backbone, optimizer="adamw", batch_size=BATCH).resolved(48)
    data = draw_faces(BATCH, size=48)
    network = build_network(recipe, image_size=(48, 48), classes=len(data.label_set), statistics=None)
    compile_network(network, recipe, steps_per_epoch=10)
    images, targets = data.images[..., np.newaxis], np.eye(len(data.label_set), dtype=np.float32)[data.labels]
    for _ in range(2):
        network.train_on_batch(images, targets)
    print("ready", flush=True)
    sys.stdin.readline()
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        network.train_on_batch(images, targets)
        steps += 1
    return steps * BATCH / (time.perf_counter() - started)


def together(backbone: str, *, processes: int, threads: int) -> float:
    """Images a second of so many processes together."""
    command = [sys.executable, __file__, "--one", backbone, str(threads)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for process in running:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise SystemExit(f"{backbone} does not train: see above.")
    for process in running:  # all of them, before any is waited for
        if process.stdin is not None:
            process.stdin.write("begin\n")
            process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in running)


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[1] == "--one":
        print(train(sys.argv[2], int(sys.argv[3])))
        return
    cores = os.cpu_count() or 1
    for backbone in sys.argv[1:] or ["nasnetmobile", "densenet121"]:
        pairs = [
            (together(backbone, processes=cores, threads=1), together(backbone, processes=1, threads=cores))
            for _ in range(ROUNDS)
        ]
        at_once, alone = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratios = sorted(one / other for one, other in pairs)
        print(
            f"{backbone}: {at_once:.0f} images a second in {cores} runs of one thread, {alone:.0f} in one of {cores}: "
            f"{statistics.median(ratios):.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
