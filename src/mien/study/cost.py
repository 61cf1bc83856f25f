"""What runs of one kind cost: as measured, as an earlier run took, or by a formula."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from mien.files import canonical_json
from mien.study.backbones import BACKBONES, OTHER_BACKBONES, Backbone, backbone
from mien.study.plan import PlannedRun, SplitFacts
from mien.study.record import RunRecord

# The formula: nanoseconds of a training step for a million multiply-adds of an image, and for a layer with a kernel
# (normalisation, activations and copies go with the layers), on two cores that compute with vectors of 512 bits.
_NS_PER_MILLION = 32_000
_NS_PER_LAYER = 28_000
_CORES = 2
# By how much processors without such vectors are slower.
_NARROW = 2.1
# Answering is the first third of a training step; building and tracing go with the layers.
_ANSWERING = 0.35
_START_SECONDS = 5.0
_START_SECONDS_PER_LAYER = 0.2


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What runs of one kind cost on a machine.

    Attributes:
        start_seconds: until the first step is done: import, building, compiling.
        train_seconds_per_image: of a training step.
        predict_seconds_per_image: of answering.
        memory_mib: largest resident memory; None where it is not known.
    """

    start_seconds: float
    train_seconds_per_image: float
    predict_seconds_per_image: float
    memory_mib: float | None

    def to_json(self) -> dict[str, float | None]:
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

    def times(self, factor: float) -> Self:
        """The cost on a machine that is slower by `factor`."""
        return replace(
            self,
            start_seconds=self.start_seconds * factor,
            train_seconds_per_image=self.train_seconds_per_image * factor,
            predict_seconds_per_image=self.predict_seconds_per_image * factor,
        )


def cost_key(run: PlannedRun, facts: SplitFacts) -> str:
    """What runs share whose cost is about the same: the network, its input and batch, and what is done to them.

    The optimizer and whitening are left out: they are a few passes over the weights or the pixels, and each key costs
    the time to build and compile a network.
    """
    recipe = run.recipe
    return _key(recipe.to_json(), facts.image_size, augmentation=recipe.augmentation.active)


def _key(recipe: Mapping[str, Any], image_size: int, *, augmentation: bool) -> str:
    return canonical_json(
        {
            "backbone": OTHER_BACKBONES.portable(recipe["backbone"]),
            "image_size": image_size,
            "size": recipe["preprocessing"]["size"],
            "batch": recipe["batch_size"],
            "precision": recipe["precision"],
            "freeze": recipe["freeze"],
            "augmentation": augmentation,
        }
    )


def costs_of_records(records: Sequence[RunRecord]) -> dict[str, Cost]:
    """What finished runs took, by `cost_key`: of several runs of one kind, the middle one."""
    found: dict[str, list[Cost]] = {}
    for record in records:
        if record.history and record.seconds:
            augmentation = any(record.recipe["augmentation"].values())
            key = _key(record.recipe, max(record.data["size"]), augmentation=augmentation)
            found.setdefault(key, []).append(_cost_of(record))
    return {
        key: Cost(**{item.name: statistics.median(getattr(cost, item.name) for cost in costs) for item in fields(Cost)})
        for key, costs in found.items()
    }


def formula_knows(row: Backbone) -> bool:
    """Whether it is known of a backbone what the formula needs."""
    return row.multiply_adds is not None and row.depth is not None


def row_of(key: str) -> Backbone:
    """The backbone of runs of a kind, as `cost_key` names them."""
    return backbone(json.loads(key)["backbone"])


def formula_cost(key: str, row: Backbone | None = None, *, cores: int, wide_vectors: bool = True) -> Cost:
    """What runs of a kind cost by the formula at the top of this module: for a plan before anything was measured.

    Source: images a second in training, float32, batch 64, Keras on TensorFlow with oneDNN's operations, two cores of
    an AMD EPYC. With vectors of 512 bits: the records of mien_small, DenseNet169, ResNet101V2, VGG19 and
    InceptionResNetV2 in results/nine, each within a factor of 1.5, and eight networks on Zen 4, within 1.6. Without:
    ResNet50V2 and VGG16 there, within 1.3. The records of NASNetMobile, DenseNet121 and InceptionV3 there are of the
    time before oneDNN's operations were asked for: they took 1.8 times what the formula says without such vectors,
    within 1.4.

    Args:
        key: as `cost_key` gives it.
        row: their backbone; None for the one that the key names. Where it does not say what the formula needs, it is
            taken to be as mien_small.
        cores: of the machine; time is taken to go down with them.
        wide_vectors: whether its processor computes with vectors of 512 bits (`mien.machine.has_wide_vectors`).
    """
    kind = json.loads(key)
    row = row or row_of(key)
    row = row if formula_knows(row) else BACKBONES["mien_small"]
    multiply_adds, depth = row.multiply_adds or 0, row.depth or 0
    million = multiply_adds / 1e6 * (kind["size"] / row.minimum_size) ** 2
    step = (million * _NS_PER_MILLION + depth * _NS_PER_LAYER) / 1e9 * _CORES / cores
    step *= 1.0 if wide_vectors else _NARROW
    answer = step * _ANSWERING
    return Cost(
        start_seconds=_START_SECONDS + depth * _START_SECONDS_PER_LAYER,
        # Of a frozen backbone nothing is learned: its images pass it forwards alone.
        train_seconds_per_image=answer if kind["freeze"] == "all" else step,
        predict_seconds_per_image=answer,
        memory_mib=None,
    )


def _cost_of(record: RunRecord) -> Cost:
    """What one run took. The first epoch traces the graph: where there are others, it tells nothing of a step."""
    epochs = record.history[1:] or record.history
    step = 1 / statistics.median(epoch.images_per_second for epoch in epochs)
    images = {role: sum(counts.values()) for role, counts in record.data["counts"].items() if isinstance(counts, dict)}
    answered = len(set(record.chosen)) * (images.get("validation", 0) + images.get("test", 0))
    answer = record.seconds["evaluate"] / answered if answered and "evaluate" in record.seconds else step * _ANSWERING
    steady = len(record.history) * (images.get("train", 0) * step + images.get("validation", 0) * answer)
    start = record.seconds["total"] - record.seconds.get("evaluate", 0.0) - steady
    return Cost(
        # A run that was interrupted knows the seconds of its last process alone.
        start_seconds=max(start, 0.0),
        train_seconds_per_image=step,
        predict_seconds_per_image=answer,
        memory_mib=record.peak_memory_mib,
    )
