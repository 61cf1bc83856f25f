"""What a report needs of a network's answers, measured once, so that the answers themselves need not stay in memory."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import mien.evaluation
from mien.datasets.dataset import Role
from mien.errors import DataError, MienError
from mien.evaluation.comparison import Comparison, compare, compare_means
from mien.evaluation.intervals import LEVEL, Estimate, share_of
from mien.evaluation.metrics import METRICS, Metric, Scores, image_values, score
from mien.labels import LabelSet, label_text
from mien.predictions import Predictions
from mien.study.record import RunRecord, UnreadPredictions

# A (corrected) p below this: two results differ.
SIGNIFICANCE = 1.0 - LEVEL

# What reading a file of the cache raises that is missing, damaged, or of something else.
_UNUSABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, MienError)

Values = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class Measured:
    """How well a network answered for one set of images.

    Attributes:
        scores: on all images.
        without_copies: accuracy on the images without a copy in another role; None where no image is left.
        floor: the same images answered without looking at them, with the shares of the labels.
        floor_p: by metric, p of no difference between the network and that floor, on the same images.
        images: names the images and their labels, in whatever order they came.
        values: by metric, what each image says of the figure (see `image_values`), shape (N,), in the order of the
            images' names: bool of the figures that count images, float32 of the others.
        clusters: the group of each image, likewise (see `Predictions.clusters`); None where each is by itself.
    """

    scores: Scores
    without_copies: Estimate | None
    floor: Scores
    floor_p: Mapping[str, float]
    images: str
    values: Values
    clusters: NDArray[np.int64] | None = None

    def to_json(self) -> dict[str, Any]:
        """All but the values, as plain JSON values."""
        return {
            "scores": self.scores.to_json(),
            "without_copies": self.without_copies.to_json() if self.without_copies else None,
            "floor": self.floor.to_json(),
            "floor_p": dict(self.floor_p),
            "images": self.images,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], values: Values, clusters: NDArray[np.int64] | None = None) -> Self:
        """What `to_json` gave, with the values and groups."""
        without = value["without_copies"]
        return cls(
            scores=Scores.from_json(value["scores"]),
            without_copies=Estimate.from_json(without) if without else None,
            floor=Scores.from_json(value["floor"]),
            floor_p={str(name): float(p) for name, p in value["floor_p"].items()},
            images=str(value["images"]),
            values=values,
            clusters=clusters,
        )

    def beats_floor(self, metric: Metric) -> bool:
        """Whether it is shown to be better than answering without a look: the paired comparison says so."""
        lead = metric.of(self.scores).value - metric.of(self.floor).value
        return self.floor_p[metric.name] < SIGNIFICANCE and (lead > 0 if metric.higher_is_better else lead < 0)


def compare_values(
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    metric: Metric,
    clusters: NDArray[np.int64] | None = None,
) -> Comparison:
    """Compare two results by what the same images say of a figure.

    Args:
        first: `Measured.values` of each seed of one result, shape (S, N).
        second: likewise, of the same seeds and images.
        metric: the figure.
        clusters: `Measured.clusters` of both.
    """
    if first.dtype == np.bool_:
        return compare(first.astype(np.bool_), second.astype(np.bool_), clusters)
    return compare_means(first, second, bound=1.0 if metric.format.endswith("%") else math.inf, clusters=clusters)


class Measurer:
    """Measures answers; those for the same images share their floor."""

    def __init__(self, metrics: Iterable[str] = (), cache: Path | None = None) -> None:
        """Measure for reports whose tables show these metrics; accuracy is always among them.

        Args:
            metrics: names of `METRICS`.
            cache: a folder that keeps what was measured, by the content of the records and the code that measures. It
                may be missing, read-only, damaged or removed: then it is measured again.
        """
        self._cache = cache
        self.metrics = tuple(name for name in METRICS if name == "accuracy" or name in set(metrics))
        self._digests: dict[Path, bytes] = {}
        self._floors: dict[tuple[bytes, LabelSet], tuple[Scores, Values]] = {}

    def of_record(self, record: RunRecord, readout: int) -> Measured:
        """What a report needs of a record's answers for the test role after a readout.

        Raises:
            DataError: there are no images, or the predictions do not fit the label set.
            RecordError: the record is damaged, or holds no such answers.
        """
        return self._of(record.id, [record], readout)

    def of_folds(self, name: str, records: Sequence[RunRecord], readout: int) -> Measured:
        """What a report needs of the answers of several folds together, each image answered by the run that tests it.

        Args:
            name: what the figure is kept as.
            records: one a fold.
            readout: the epoch.

        Raises:
            DataError: the folds know different expressions.
            RecordError: as `of_record`.
        """
        if len({record.label_set for record in records}) > 1:
            raise DataError("The folds have been trained on different expressions: run them anew.")
        return self._of(name, records, readout)

    def _of(self, name: str, records: Sequence[RunRecord], readout: int) -> Measured:
        def measured() -> Measured:
            parts = [record.outcome(Role.TEST, readout) for record in records]
            return self.measure(parts[0] if len(parts) == 1 else Predictions.pooled(parts), records[0].label_set)

        stored = [record.predictions for record in records]
        files = [one.path for one in stored if isinstance(one, UnreadPredictions)]
        if self._cache is None or len(files) < len(records):
            return measured()
        path = self._cache / f"{name}-{readout}.npz"
        key = self._key(files, records[0], readout)
        with suppress(*_UNUSABLE):
            return _read(path, key, self.metrics)
        found = measured()
        with suppress(OSError):
            _write(path, key, found)
        return found

    def _key(self, paths: Sequence[Path], record: RunRecord, readout: int) -> str:
        """Names all that the measurement depends on: the answers, what they stand for, the figures, the code."""
        for path in paths:
            if path not in self._digests:
                with path.open("rb") as file:
                    self._digests[path] = hashlib.file_digest(file, "sha256").digest()
        asked = f"{readout} {[label_text(label) for label in record.label_set.expressions]} {self.metrics}"
        return _digest(_code(), *(self._digests[path] for path in paths), asked.encode()).hex()

    def measure(self, predictions: Predictions, label_set: LabelSet) -> Measured:
        """What a report needs of these answers.

        Raises:
            DataError: there are no images, or the predictions do not fit the label set.
        """
        scores = score(predictions, label_set)
        predictions = _by_name(predictions)
        values = self._values(predictions)
        floor, blind = self._floor(predictions, label_set)
        clusters = predictions.clusters
        floor_p = {
            name: compare_values(values[name][None], blind[name][None], METRICS[name], clusters).p for name in values
        }
        kept = ~predictions.copies
        return Measured(
            scores=scores,
            without_copies=accuracy_of(predictions.take(kept)) if kept.any() else None,
            floor=floor,
            floor_p=floor_p,
            images=_digest("\n".join(predictions.ids.tolist()).encode(), predictions.labels.tobytes()).hex()[:32],
            values=values,
            clusters=clusters,
        )

    def _values(self, predictions: Predictions) -> Values:
        return {
            name: image_values(predictions, name).astype(np.bool_ if name in ("accuracy", "top2") else np.float32)
            for name in self.metrics
        }

    def _floor(self, predictions: Predictions, label_set: LabelSet) -> tuple[Scores, Values]:
        clusters = b"" if predictions.clusters is None else predictions.clusters.tobytes()
        images = _digest(predictions.labels.tobytes(), predictions.targets.tobytes(), clusters), label_set
        if images not in self._floors:
            blind = blind_answers(predictions, len(label_set))
            self._floors[images] = score(blind, label_set), self._values(blind)
        return self._floors[images]


@cache
def _code() -> bytes:
    """Names the code that measures, so that nothing outlives a corrected figure."""
    folder = Path(mien.evaluation.__file__).parent
    sources = [Path(__file__), *sorted(folder.glob("*.py"))]
    try:
        return _digest(*(path.read_bytes() for path in sources), np.__version__.encode())
    except OSError:  # installed without its sources
        return f"{version('mien')} {np.__version__}".encode()


def _read(path: Path, key: str, metrics: Iterable[str]) -> Measured:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        head = json.loads(arrays["head"].tobytes())
        if head["key"] != key:
            raise ValueError(key)
        clusters = arrays["clusters"] if "clusters" in arrays.files else None
        return Measured.from_json(head["measured"], {name: arrays[name] for name in metrics}, clusters)


def _write(path: Path, key: str, measured: Measured) -> None:
    head = json.dumps({"key": key, "measured": measured.to_json()}, allow_nan=False).encode()
    path.parent.mkdir(exist_ok=True)
    # The file of a half-dead disk is worth nothing and costs nothing: it is not flushed, only renamed.
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            columns: dict[str, Any] = dict(measured.values)
            if measured.clusters is not None:
                columns["clusters"] = measured.clusters
            np.savez(file, head=np.frombuffer(head, dtype=np.uint8), **columns)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def blind_answers(predictions: Predictions, classes: int) -> Predictions:
    """Every image answered alike, with the shares of the labels: the best that can be had blindly."""
    shares = np.bincount(predictions.labels, minlength=classes) / len(predictions)
    return replace(predictions, outputs=np.tile(shares.astype(np.float32), (len(predictions), 1)))


def _by_name(predictions: Predictions) -> Predictions:
    return predictions.take(np.argsort(predictions.ids, kind="stable"))


def accuracy_of(predictions: Predictions) -> Estimate:
    """The share of right answers, with the interval of `score`: over groups where the images come in such."""
    return share_of(predictions.probabilities.argmax(axis=1) == predictions.labels, predictions.clusters)


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)} ".encode() + part)
    return digest.digest()
