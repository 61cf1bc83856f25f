"""What the tests of training share: a small drawn data set, and runs that take seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mien.datasets.dataset import Dataset
from mien.datasets.protocol import ProtocolSpec, Split, apply_protocol
from mien.datasets.synthetic import draw_faces
from mien.study.plan import PlannedRun, SplitFacts, name_run
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe
from mien.study.record import Epoch
from mien.study.store import Store
from mien.training.backend import choose_backend
from support.in_process import NARROW

DATA = "drawn:count=240,size=32,seed=3"


@pytest.fixture(scope="session", autouse=True)
def _backend() -> None:
    pytest.importorskip("keras")
    choose_backend()


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """Make mien_small narrow and shallow, in this process, also for what the tests of a module share."""
    from mien.training import mien_small

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mien_small, "STAGES", NARROW)
        yield


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return draw_faces(240, size=32, seed=3)


@pytest.fixture(scope="session")
def split(dataset: Dataset) -> Split:
    return apply_protocol(dataset, ProtocolSpec())


@pytest.fixture(scope="session")
def facts(dataset: Dataset, split: Split) -> SplitFacts:
    return SplitFacts(
        dataset.fingerprint,
        split.hash,
        32,
        len(split.label_set),
        len(split.train),
        len(split.validation),
        len(split.test),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture(scope="session")
def planned(facts: SplitFacts) -> Callable[..., PlannedRun]:
    """A run of mien_small on the small data set: `planned(epochs=2, readouts=(1, 2), optimizer="sgd")`."""

    def make(*, readouts: tuple[int, ...] | None = None, **changes: Any) -> PlannedRun:
        recipe = Recipe(**{"batch_size": 16, "epochs": 2, **changes}).resolved(32)
        readouts = readouts or (recipe.epochs,)
        return PlannedRun(name_run(recipe, facts), recipe, ProtocolSpec(), readouts)

    return make


@pytest.fixture(scope="session")
def everything() -> dict[str, Any]:
    """Settings under which every kind of state matters: moments, averages, schedule, best epoch, random streams."""
    return {
        "optimizer": "adamw",
        "weight_decay": 0.01,
        "learning_rate": 0.003,
        "schedule": "plateau",
        "plateau_patience": 1,
        "plateau_factor": 0.5,
        "select": "best_loss",
        "ema": 0.9,
        "average_last": 2,
        "logit_adjustment": 0.5,
        "dropout": 0.2,
        "label_smoothing": 0.1,
        "class_weights": "balanced",
        "augmentation": AugmentationSpec(
            flip=True,
            shift=0.1,
            rotation=10,
            zoom=0.1,
            brightness=0.1,
            contrast=0.1,
            blur=0.03,
            noise=0.05,
            erasing=0.5,
            mixup=0.2,
            cutmix=0.5,
        ),
        "preprocessing": PreprocessingSpec(featurewise_center=True, featurewise_std=True),
    }


@dataclass
class Recorder:
    """A watch that remembers, and can be told to die at a step."""

    die_at: tuple[int, int] | None = None
    stages: list[str] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    steps: list[tuple[int, int, int]] = field(default_factory=list)

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def step(self, epoch: int, done: int, total: int) -> None:
        self.steps.append((epoch, done, total))
        if self.die_at == (epoch, done):
            raise KeyboardInterrupt

    def epoch(self, entry: Epoch) -> None:
        self.epochs.append(entry)


@pytest.fixture(scope="session")
def recorder() -> type[Recorder]:
    return Recorder
