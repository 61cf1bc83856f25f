"""Plans and run records made from random numbers, for what reads records: no data set and no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.datasets.dataset import Role
from mien.datasets.protocol import ProtocolSpec
from mien.labels import SIX, LabelSet
from mien.predictions import Predictions
from mien.study.plan import Plan, PlannedRun, SplitFacts, make_plan
from mien.study.record import Epoch, RunRecord, RunStatus
from mien.study.spec import parse_study

# Images by expression in a test role of 60: happiness (the fourth share of SIX is sadness) is the commonest.
SHARES = (8, 9, 15, 11, 7, 10)


def plan_of(text: str) -> Plan:
    """The plan of a study file over a data set of 48-pixel images that does not exist."""

    def facts(protocol: ProtocolSpec) -> SplitFacts:
        split = f"split-{protocol.roles}-{protocol.train_fraction:g}"
        return SplitFacts("9f3a01bc77aa1122", split, 48, 6, round(400 * protocol.train_fraction), 60, 60)

    return make_plan(parse_study(text), facts)


def answers(
    support: Sequence[int] = SHARES, *, skill: float = 2.0, only: int | None = None, copies: int = 0, seed: int = 0
) -> Predictions:
    """What a network might answer for `support` images of each class.

    Args:
        support: images by class.
        skill: how much higher the right class's logit is, on average; 0 knows nothing.
        only: the class that is answered whatever the image is; None for a network that looks.
        copies: how many of the images, from the first on, have an exact copy in another role.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(support)), support)
    logits = rng.normal(size=(len(labels), len(support)))
    logits[np.arange(len(labels)), labels] += skill
    if only is not None:
        logits[:] = 0.0
        logits[:, only] = 1.0
    outputs = np.exp(logits)
    return predictions_of(outputs / outputs.sum(axis=1, keepdims=True), labels, copies=copies)


def predictions_of(outputs: NDArray[np.float64], labels: NDArray[np.int64], *, copies: int = 0) -> Predictions:
    """Outputs beside one-hot labels, as a record holds them."""
    count, classes = outputs.shape
    return Predictions(
        outputs=outputs.astype(np.float32),
        targets=np.eye(classes, dtype=np.float32)[labels],
        labels=labels.astype(np.int64),
        ids=np.array([f"test/{index}.png" for index in range(count)]),
        copies=np.arange(count) < copies,
    )


def history_of(epochs: int, *, nan_from: int | None = None) -> tuple[Epoch, ...]:
    """A history whose losses fall, or are not a number from one epoch on."""
    return tuple(
        Epoch(
            epoch=epoch,
            loss=float("nan") if nan_from is not None and epoch >= nan_from else 1.8 / epoch**0.5,
            accuracy=0.6 - 0.4 / epoch,
            validation_loss=1.9 / epoch**0.4,
            validation_accuracy=0.55 - 0.35 / epoch,
            learning_rate=0.01,
            seconds=30.0 + epoch,
            images_per_second=90.0,
        )
        for epoch in range(1, epochs + 1)
    )


def history_with(
    loss: Sequence[float],
    validation_loss: Sequence[float] | None = None,
    accuracy: Sequence[float] | None = None,
    validation_accuracy: Sequence[float] | None = None,
) -> tuple[Epoch, ...]:
    """A history with these figures, one each an epoch; those of validation are as those of training by default."""
    accuracy = accuracy or [0.5] * len(loss)
    columns = zip(loss, validation_loss or loss, accuracy, validation_accuracy or accuracy, strict=True)
    return tuple(
        Epoch(
            epoch=epoch,
            loss=a,
            accuracy=c,
            validation_loss=b,
            validation_accuracy=d,
            learning_rate=0.01,
            seconds=30.0,
            images_per_second=90.0,
        )
        for epoch, (a, b, c, d) in enumerate(columns, start=1)
    )


def record_of(
    run: PlannedRun,
    predictions: Predictions | Sequence[Predictions] | None = None,
    *,
    status: RunStatus = RunStatus.COMPLETE,
    reason: str | None = None,
    label_set: LabelSet = SIX,
    **more: Any,
) -> RunRecord:
    """A record of a planned run.

    Args:
        run: as planned.
        predictions: for the test role, the same after each readout or one for each; None for answers of medium skill.
            A run that is not complete holds none.
        status: what became of it.
        reason: why it is not complete.
        label_set: the expressions of the outputs.
        **more: fields of the record in place of the usual ones.
    """
    if predictions is None:
        predictions = answers(seed=int(run.id, 16) % 1000)
    if isinstance(predictions, Predictions):
        predictions = [predictions] * len(run.readouts)
    complete = status is RunStatus.COMPLETE
    support = np.bincount(predictions[0].labels, minlength=len(label_set))
    counts = {expression.value: int(count) for expression, count in zip(label_set.expressions, support, strict=True)}
    usual: dict[str, Any] = {
        "protocol": asdict(run.protocol),
        "data": {
            "name": "made-up-faces",
            "fingerprint": "9f3a01bc77aa1122",
            "split": f"split-{run.protocol.roles}-{run.protocol.train_fraction:g}",
            "source": "nowhere",
            "licence": "Made for tests.",
            "size": [48, 48],
            "notes": ["'Suprise' was read as surprise."],
            "counts": {"train": counts, "validation": counts, "test": int(support.sum())},
        },
        "chosen": run.readouts if complete else (),
        "network": {
            "parameters": 1_240_000,
            "trainable": 1_230_000,
            "depth": 21,
            "image_size": [48, 48],
            "backbone_size": 48,
        },
        "history": history_of(run.recipe.epochs) if complete else (),
        "environment": {"python": "3.11.9", "keras": "3.12.0", "platform": "Linux x86_64"},
        "seconds": {"fit_statistics": 1.2, "train": 120.0, "evaluate": 3.0, "total": 125.0},
        "peak_memory_mib": 812.0,
        "started": "2026-01-31T12:00:00+00:00",
    }
    return RunRecord(
        id=run.id,
        status=status,
        reason=reason,
        recipe=run.recipe.to_json(),
        label_set=label_set,
        readouts=run.readouts,
        predictions={(r, Role.TEST): p for r, p in zip(run.readouts, predictions, strict=True)} if complete else {},
        **{**usual, **more},
    )
