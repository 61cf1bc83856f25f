"""What teachers say of views of the training images, stored once for all epochs (`Recipe.teacher`)."""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from mien.bundle import load_bundle
from mien.channels import channels_of_input, with_channel_axis
from mien.datasets.protocol import Split
from mien.errors import NetworkError
from mien.files import canonical_json, written_whole
from mien.inference.classifier import Classifier
from mien.inference.crops import resize_crops, warp_crops
from mien.labels import LabelSet, project
from mien.picked import Picked
from mien.randomness import generator
from mien.study.recipe import AugmentationSpec, Recipe
from mien.study.record import NETWORK_FILE, RunRecord
from mien.study.store import Store
from mien.study.teachers import is_run, teacher_identity, why_unfit
from mien.study.telling import why_it_tells
from mien.training.backend import answers_of
from mien.training.network import single_head

_BATCH = 256
# Of a probability below this its logarithm is that of this: what is stored has 11 bits.
_SMALLEST = 1e-7

# Gives probabilities, (N, classes), for faces, (N, H, W) uint8.
Answers = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Teaching:
    """Views of N training images, and what the teachers say of each.

    Attributes:
        maps: shape (N, K, 2, 3), float32: from the pixels of each view to those of its image.
        answers: shape (N, K, classes), float16: logarithms of the mean of the teachers' probabilities.
        temperature: that answers are softened by.
    """

    maps: NDArray[np.float32]
    answers: NDArray[np.float16]
    temperature: float

    @property
    def views(self) -> int:
        """How many there are of each image."""
        return int(self.maps.shape[1])

    def viewed(
        self, images: NDArray[np.uint8], samples: NDArray[np.int64], views: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Images (n, H, W, C) as these views of these samples show them, of the same shape."""
        return warp_crops(images, self.maps[samples, views])

    def softened(self, samples: NDArray[np.int64], views: NDArray[np.int64]) -> NDArray[np.float32]:
        """The answers for these views of these samples, (n, classes), at the temperature; rows sum to 1."""
        powers = np.exp(self.answers[samples, views].astype(np.float32) / self.temperature)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def view_maps(spec: AugmentationSpec, count: int, size: tuple[int, int], view: int) -> NDArray[np.float32]:
    """How one view of each image is made: shape (count, 2, 3), from the pixels of the view to those of the image.

    The first view, 0, is the image as it is. The others are drawn in the ranges of flip, shift, rotation and zoom, as
    `RandomAffine` draws them, and are the same whatever the recipe's seed: runs of several seeds share what is stored.

    Args:
        spec: of the recipe.
        count: images.
        size: their height and width, in pixels.
        view: which one, from 0.
    """
    height, width = size
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    rng = generator(0, "teacher", "view", str(view))
    on = 0.0 if view == 0 else 1.0
    mirrored = rng.random(count) < 0.5
    shift_x, shift_y, angle, zoom = (on * rng.uniform(-1, 1, count) for _ in range(4))
    sign = np.where(mirrored & bool(view) & spec.flip, -1.0, 1.0)
    angle *= math.radians(spec.rotation)
    scale = 1 + spec.zoom * zoom
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    to_x, to_y = centre_x + spec.shift * shift_x * width, centre_y + spec.shift * shift_y * height
    maps = np.empty((count, 2, 3), np.float32)
    maps[:, 0] = np.stack([sign * cosine, sign * sine, centre_x - sign * (cosine * to_x + sine * to_y)], axis=1)
    maps[:, 1] = np.stack([-sine, cosine, centre_y + sine * to_x - cosine * to_y], axis=1)
    return maps


def prepare_teaching(
    recipe: Recipe, split: Split, store: Store, say: Callable[[str], None], *, judged_by: Sequence[Split] = ()
) -> Teaching | None:
    """Ask the teachers of a recipe, unless the store has their answers already.

    Answers are kept for each teacher and view by itself, so that another set of teachers, or more views, asks only for
    what is new, and an interrupted run goes on.

    Args:
        recipe: resolved.
        split: its training role is asked about.
        store: keeps the answers.
        say: is told what is being done.
        judged_by: splits of several heads, whose test images no teacher may have learned from either.

    Returns:
        None where the recipe has no teacher.

    Raises:
        MienError: a teacher cannot be loaded, does not know the labels, or has learned from images that this run is
            tested or validated on.
    """
    spec = recipe.teacher
    if not spec.models:
        return None
    images, label_set = split.train.picked, split.label_set
    size = (int(images.shape[1]), int(images.shape[2]))
    maps = [view_maps(recipe.augmentation, len(images), size, view) for view in range(spec.views)]
    sums = np.zeros((len(images), spec.views, len(label_set)), np.float32)
    for place in spec.models:
        folder = store.folder / "teachers" / _key(place, recipe, split)
        folder.mkdir(parents=True, exist_ok=True)
        answers: Answers | None = None
        for view in range(spec.views):
            path = folder / f"view-{view}.npy"
            kept = _kept(path, (len(images), len(label_set)))
            if kept is None:
                if answers is None:
                    answers = _teacher(place, split, judged_by or (split,))
                say(f"asking the teacher {Path(place).name} of view {view + 1} of {spec.views}")
                kept = _asked(answers, images, maps[view], mirror=spec.mirror)
                with written_whole(path) as file:
                    np.save(file, kept)
            sums[:, view] += np.exp(kept.astype(np.float32)) / len(spec.models)
    return Teaching(np.stack(maps, axis=1), np.log(np.maximum(sums, _SMALLEST)).astype(np.float16), spec.temperature)


def _key(place: str, recipe: Recipe, split: Split) -> str:
    """Names everything that a teacher's answers depend on."""
    ranges = asdict(recipe.augmentation)
    identity = {
        "teacher": teacher_identity(place),
        "mirror": recipe.teacher.mirror,
        "ranges": {name: ranges[name] for name in ("flip", "shift", "rotation", "zoom")},
        "labels": split.label_set.text,
        "images": hashlib.sha256(np.ascontiguousarray(split.train.hashes).tobytes()).hexdigest(),
    }
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:16]


def _kept(path: Path, shape: tuple[int, int]) -> NDArray[np.float16] | None:
    """Stored answers; None where there are none, or a damaged file is to be written anew."""
    try:
        with path.open("rb") as file:
            kept = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return np.asarray(kept, np.float16) if kept.shape == shape else None


def _asked(
    answers: Answers, images: Picked[np.uint8], maps: NDArray[np.float32], *, mirror: bool
) -> NDArray[np.float16]:
    """Logarithms of a teacher's probabilities for one view of each image."""
    parts = []
    for start in range(0, len(images), _BATCH):
        part = slice(start, start + _BATCH)
        seen = warp_crops(images[part], maps[part])
        probabilities = answers(seen)
        if mirror:
            probabilities = (probabilities + answers(np.ascontiguousarray(seen[:, :, ::-1]))) / 2
        parts.append(np.log(np.maximum(probabilities, _SMALLEST)).astype(np.float16))
    return np.concatenate(parts)


def _teacher(place: str, split: Split, judged_by: Sequence[Split]) -> Answers:
    """A teacher, as a function that answers for the labels of a split."""
    why = why_unfit(place, split.label_set) or why_it_tells(place, split, judged_by)
    if why:
        raise NetworkError(why)
    known, answers = _trained(Path(place)) if is_run(place) else _bundled(place)

    def projected(faces: NDArray[np.uint8]) -> NDArray[np.float64]:
        return project(answers(faces), known, split.label_set)

    return projected


def _bundled(place: str) -> tuple[LabelSet, Answers]:
    bundle = load_bundle(place)
    classifier = Classifier(bundle)
    rule = bundle.crop_rule
    return bundle.label_set, lambda faces: classifier.predict(resize_crops(faces, rule.size, rule.channels))


def _trained(folder: Path) -> tuple[LabelSet, Answers]:
    record = RunRecord.read(folder, answers=False)
    try:
        network = keras.saving.load_model(folder / NETWORK_FILE, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NetworkError(f"The network of the teacher {folder} cannot be loaded: {error}") from error
    place = record.place_of_head()
    if place is not None:  # of several heads, the first is what the record speaks of
        network = single_head(network, place)
    size = network.input_shape[1]
    channels = channels_of_input(network.input_shape)

    def answers(faces: NDArray[np.uint8]) -> NDArray[np.float64]:
        crops = with_channel_axis(resize_crops(faces, size, channels))
        return np.asarray(answers_of(network, crops, _BATCH), dtype=np.float64)

    return record.label_set, answers
