"""Paired tests between results on the same images."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.api.evaluating import ModelEvaluation
from mien.api.training import Run
from mien.datasets.dataset import Role
from mien.errors import DataError
from mien.evaluation.comparison import Comparison, holm
from mien.evaluation.comparison import compare as compare_pair
from mien.files import canonical_json
from mien.frame import frame
from mien.predictions import Predictions
from mien.study.record import RunRecord, RunStatus
from mien.study.store import Store

Result = Run | RunRecord | ModelEvaluation | Predictions


@dataclass(frozen=True)
class Pair:
    """Two results on the images that both have answered.

    Attributes:
        first: name of one.
        second: name of the other.
        images: that both have answered.
        comparison: of their right answers.
        p_holm: its p, corrected for the number of pairs (Holm).
    """

    first: str
    second: str
    images: int
    comparison: Comparison
    p_holm: float


@dataclass(frozen=True)
class Comparisons:
    """Every pair of some results."""

    pairs: tuple[Pair, ...]

    def frame(self) -> Any:
        """A row for each pair, the difference in accuracy with its 95 % interval; see `mien.frame.frame`."""
        return frame(
            [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "images": pair.images,
                    "difference": pair.comparison.difference.value,
                    "low": pair.comparison.difference.low,
                    "high": pair.comparison.difference.high,
                    "p": pair.comparison.p,
                    "p_holm": pair.p_holm,
                    "discordant": pair.comparison.discordant,
                }
                for pair in self.pairs
            ]
        )

    def __repr__(self) -> str:
        return repr(self.frame())

    def _repr_html_(self) -> str:
        return str(self.frame()._repr_html_())


def compare(results: Store | Mapping[str, Result]) -> Comparisons:
    """Compare results pair by pair, on the images that both have answered: McNemar's test, corrected by Holm.

    Where images come in groups (persons, clips), the test is Student's t over the groups.

    The tests speak of these networks as they are, and not of another training with another seed; a report with
    several seeds does (see `mien.evaluation.comparison`).

    Args:
        results: by name: runs, evaluations of bundles, or predictions. Or a store: all its complete runs, those of the
            folds of one network together, since no two of them answered the same images.

    Raises:
        DataError: there are fewer than two, two have no image in common, or they disagree on what is right.
    """
    if isinstance(results, Store):
        results = _of_store(results)
    if not isinstance(results, Mapping):
        raise DataError(
            "Comparing takes results by the names that the table is to have: mien.compare({'one': a, 'other': b}); or "
            f"a store. Received: {type(results).__name__}."
        )
    if len(results) < 2:
        raise DataError(f"Comparing takes at least two results. Received: {len(results)}.")
    answers = {name: _right(_predictions(result)) for name, result in results.items()}
    found = [(one, other, *_paired(one, other, answers)) for one, other in itertools.combinations(answers, 2)]
    corrected = holm([comparison.p for _, _, _, comparison in found])
    return Comparisons(tuple(Pair(*pair, p) for pair, p in zip(found, corrected, strict=True)))


def _of_store(store: Store) -> dict[str, Result]:
    """The complete runs of a store by name, those of folds pooled."""
    complete = [record for record in store.finished() if record.status is RunStatus.COMPLETE]
    together: dict[str, list[RunRecord]] = {}
    for record in complete:
        fold = record.protocol.get("fold", 0)
        known_by = {"recipe": record.recipe, "data": record.data.get("fingerprint"), "protocol": record.protocol}
        whole = canonical_json({**known_by, "protocol": {**record.protocol, "fold": 0}}) if fold else record.id
        together.setdefault(whole, []).append(record)
    found: dict[str, Result] = {}
    for records in together.values():
        first = records[0]
        if len(records) == 1:
            found[title(first)] = first
        elif len({record.label_set for record in records}) > 1:
            raise DataError(f"The folds of {title(first)} have been trained on different expressions: run them anew.")
        else:
            pooled = Predictions.pooled([record.outcome(Role.TEST) for record in records])
            found[f"{title(first)}, {len(records)} folds"] = pooled
    return found


def title(record: RunRecord) -> str:
    """What a run is called beside others: for a foreign one its own name."""
    name = record.foreign["name"] if record.foreign else record.recipe.get("backbone", "run")
    return f"{name} ({record.id})"


def _predictions(result: Result) -> Predictions:
    if isinstance(result, Predictions):
        return result
    if not isinstance(result, (RunRecord, Run, ModelEvaluation)):
        raise DataError(
            f"Comparing takes runs, evaluations of models, or predictions. Received: {type(result).__name__}."
        )
    return result.outcome(Role.TEST) if isinstance(result, RunRecord) else result.predictions


# By image: what is right, whether it was answered, and its group.
_Right = dict[str, tuple[NDArray[np.float32], bool, int | None]]


def _right(predictions: Predictions) -> _Right:
    right = predictions.probabilities.argmax(axis=1) == predictions.labels
    clusters = predictions.clusters
    groups = [None] * len(predictions) if clusters is None else clusters.tolist()
    about = zip(predictions.targets, right.tolist(), groups, strict=True)
    return dict(zip(predictions.ids.tolist(), about, strict=True))


def _paired(one: str, other: str, answers: Mapping[str, _Right]) -> tuple[int, Comparison]:
    first, second = answers[one], answers[other]
    common = [name for name in first if name in second]
    if not common:
        raise DataError(f"{one} and {other} have no image in common, so they cannot be compared.")
    if any(first[name][0].shape != second[name][0].shape for name in common[:1]) or any(
        first[name][0].argmax() != second[name][0].argmax() for name in common
    ):
        raise DataError(f"{one} and {other} do not agree on what is right for the same images: compare one protocol.")
    pairs = [np.array([side[name][1] for name in common])[None, :] for side in (first, second)]
    groups = [group for name in common if (group := first[name][2]) is not None]
    clusters = np.unique(np.array(groups, dtype=np.int64), return_inverse=True)[1].astype(np.int64)
    # Of one group alone only its own images can tell.
    known = len(groups) == len(common) and clusters.max() > 0
    return len(common), compare_pair(pairs[0], pairs[1], clusters if known else None)
