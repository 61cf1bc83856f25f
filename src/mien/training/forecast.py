"""What a run will cost, from a few steps of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from mien.files import canonical_json
from mien.randomness import generator
from mien.study.plan import PlannedRun, SplitFacts

STEPS = 3


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Measured on this machine.

    Attributes:
        start_seconds: until the first step is done: import, building, compiling.
        train_seconds_per_image: of a training step.
        predict_seconds_per_image: of answering.
        memory_mib: largest resident memory, without the data set.
    """

    start_seconds: float
    train_seconds_per_image: float
    predict_seconds_per_image: float
    memory_mib: float

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The cost that `to_json` wrote."""
        return cls(**values)

    def minutes(self, run: PlannedRun, facts: SplitFacts) -> float:
        """Forecast of a whole run, in minutes."""
        epoch = facts.train * self.train_seconds_per_image + facts.validation * self.predict_seconds_per_image
        answers = len(run.readouts) * (facts.validation + facts.test) * self.predict_seconds_per_image
        return (self.start_seconds + run.recipe.epochs * epoch + answers) / 60


def cost_key(run: PlannedRun, facts: SplitFacts) -> str:
    """What runs share whose cost is about the same: the network, its input and batch, and what is done to them.

    The optimizer and whitening are left out: they are a few passes over the weights or the pixels, and each key costs
    the time to build and compile a network.
    """
    recipe = run.recipe
    return canonical_json(
        {
            "backbone": recipe.backbone,
            "image_size": facts.image_size,
            "size": recipe.preprocessing.size,
            "batch": recipe.batch_size,
            "precision": recipe.precision,
            "freeze": recipe.freeze,
            "augmentation": recipe.augmentation.active,
        }
    )


def measure(run: PlannedRun, image_size: tuple[int, int], classes: int) -> Cost:
    """Build the network of a run and take a few steps on random images, in this process.

    Args:
        run: the planned run.
        image_size: height and width of the data set's images, in pixels.
        classes: number of expressions.
    """
    from mien.training.execute import peak_memory_mib
    from mien.training.network import build_network, compile_network
    from mien.training.preprocessing import fit_statistics

    started = time.perf_counter()
    recipe = run.recipe
    rng = generator(0, "forecast")
    batch = recipe.batch_size
    images = rng.integers(0, 256, (batch, *image_size, 1), dtype=np.uint8)
    targets = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, batch)]
    statistics = fit_statistics(images[..., 0], recipe.preprocessing) if recipe.preprocessing.needs_fit else None
    network = build_network(recipe, image_size=image_size, classes=classes, statistics=statistics)
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
