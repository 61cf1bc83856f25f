"""What a run will cost, from a few steps of it in this process."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from mien.channels import Channels, shape_of, with_channel_axis
from mien.randomness import generator
from mien.study.cost import Cost
from mien.study.plan import PlannedRun

STEPS = 3


def measure(run: PlannedRun, image_size: tuple[int, int], classes: int, channels: Channels = "gray") -> Cost:
    """Build the network of a run and take a few steps on random images, in this process.

    Args:
        run: the planned run.
        image_size: height and width of the data set's images, in pixels.
        classes: number of expressions.
        channels: what the images have.
    """
    from mien.training.execute import peak_memory_mib
    from mien.training.network import build_network, compile_network
    from mien.training.preprocessing import fit_statistics

    started = time.perf_counter()
    recipe = replace(run.recipe, heads=())  # a few columns more cost nothing
    rng = generator(0, "forecast")
    batch = recipe.batch_size
    images = rng.integers(0, 256, shape_of(channels, batch, *image_size), dtype=np.uint8)
    targets = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, batch)]
    statistics = fit_statistics(images, recipe.preprocessing) if recipe.preprocessing.needs_fit else None
    images = with_channel_axis(images)
    network = build_network(recipe, image_size=image_size, classes=classes, statistics=statistics, channels=channels)
    compile_network(network, recipe, steps_per_epoch=STEPS)
    network.train_on_batch(images, targets)
    start_seconds = time.perf_counter() - started
    # The first answer traces the graph, and is not what the others cost.
    network.predict_on_batch(images)
    return Cost(
        start_seconds=start_seconds,
        train_seconds_per_image=_seconds(lambda: network.train_on_batch(images, targets)) / batch,
        predict_seconds_per_image=_seconds(lambda: network.predict_on_batch(images)) / batch,
        memory_mib=peak_memory_mib(),
    )


def _seconds(step: Any) -> float:
    """The middle of a few timings of one step."""
    timings = []
    for _ in range(STEPS):
        started = time.perf_counter()
        step()
        timings.append(time.perf_counter() - started)
    return float(np.median(timings))
