"""From photos to results: read, find faces, cut them out, classify in batches across photos."""

from __future__ import annotations

import copy
import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.addresses import Address
from mien.arguments import checked, fitting
from mien.bundle import Bundle, load_bundle
from mien.channels import has_equal_channels, shape_of
from mien.errors import BundleError, DataError, ImageError
from mien.framing import FRAMINGS, crop_rule_of
from mien.images import MAX_PIXELS, Image, PhotoSource, kept, read_image
from mien.inference.batch import find_photos
from mien.inference.classifier import Classifier
from mien.inference.crops import MOST_OBLONG, crop_face, crop_side, resize_crops
from mien.inference.detector import DECODED_PIXELS, Box, Detector, Face, FoundFaces
from mien.inference.results import FaceResult, Outcome, PhotoResult, PhotoResults
from mien.labels import Labels, LabelSet, label_text, labels_text, project, share_kept
from mien.prior import TRAINING, Prior, read_prior

if TYPE_CHECKING:
    from concurrent.futures import Future

_T = TypeVar("_T")

# Half the side of a 48-pixel crop: below it, more than three of four pixels that the network sees are interpolated.
MINIMUM_FACE_PX = 24
BATCH = 32
# Where no label is probable enough, two are given that have three quarters together, and each a quarter: then the label
# of the taggers' majority is one of the two for 94 % of the PublicTest images to which the shipped model gives two.
LEAST_OF_TWO = 0.75
LEAST_OF_EACH = 0.25
# Whose other versions may decode a photo, find a face or compute a probability a little differently.
_DECIDING_PACKAGES = ("mien", "numpy", "onnxruntime", "opencv-python-headless", "pillow")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A photo with its faces cut out, before the network was asked; small enough to keep many of.

    Attributes:
        photo: its name.
        faces: in reading order.
        crops: shape (number of faces that are large enough, size, size), or with 3 behind it in colour, uint8.
        failure: outcome and reason, when there is nothing to classify.
        certain: whether it is clear which way up the photo is; if not, no label is given.
    """

    photo: str
    width: int
    height: int
    notes: tuple[str, ...]
    faces: tuple[Face, ...]
    crops: NDArray[np.uint8]
    failure: tuple[Outcome, str] | None
    certain: bool = True


class Recognizer:
    """Reads expression labels from photos. Loads its two models once; may be used from several threads.

    A label is the word that people would give to a face. It says nothing certain about what someone feels, and is
    not fit for judging people.

    Args:
        bundle: the model; or what `mien.load_bundle` takes: the name of one that is shipped with mien, or a path.
        labels: a smaller label set: "six", "seven", names (["anger", "happiness"]), or groups with their members
            ({"neutral": "neutral", "positive": ["happiness", "surprise"]}), whose probabilities are summed; or the text
            that the command line takes. The other labels are dropped and the rest renormalised.
        unsure: least probability for a label to be given, 0 to 1; None for the bundle's own, which under a smaller
            label set is still held against the probability among all the model's labels, for which it was proven;
            False to always give one.
        prior: how common the labels are where the photos come from: "training", as among the faces that the model
            learned from; "uniform"; or a share for each label, {"anger": 0.1, ...} or a file (see
            `mien.prior.read_prior`). The threshold of `unsure` is held against the probabilities that come of it; what
            it promises was proven for "training".
        crops: whether photos are faces that are cut out already, framed as the model's training faces are: each image
            is one face, and none is looked for.
        framing: how the faces that the model learned from were framed (see `mien.framing.crop_rule_of`), in place of
            what the bundle says; needed for photos where the bundle does not know.
        detector: finds the faces; None for the default one.
        threads: threads for finding faces, for classifying, and for reading photos in `recognize_many`; None for one
            per core.
        minimum_face_px: a face whose box is narrower or lower is `TOO_SMALL`, in photo pixels.
        max_pixels: a photo with more pixels is refused.
        largest: whether only the largest face of a photo is kept.
        provider: what computes, by onnxruntime's name for it, such as "cpu" or "cuda".

    Raises:
        BundleError: the bundle is missing or damaged.
        MienError: the installed onnxruntime has no such provider; the message names those that it has.
        DataError: `labels`, `unsure`, `prior` or `threads` do not fit.
    """

    @checked("bundle", "labels", "unsure", "prior")
    def __init__(
        self,
        bundle: Bundle | Path | str = "default",
        *,
        labels: Labels | None = None,
        unsure: float | Literal[False] | None = None,
        prior: str | Path | Mapping[str, float] | Prior = TRAINING,
        crops: bool = False,
        framing: str | None = None,
        detector: Detector | None = None,
        threads: int | None = None,
        minimum_face_px: float = MINIMUM_FACE_PX,
        max_pixels: int = MAX_PIXELS,
        largest: bool = False,
        provider: str = "cpu",
    ) -> None:
        if threads is not None and threads < 1:
            raise DataError(f"Expected threads of at least 1, or None for one per core. Received: {threads}.")
        if not isinstance(bundle, Bundle):
            bundle = load_bundle(bundle)
        if framing is not None:
            bundle = replace(bundle, crop_rule=crop_rule_of(framing, bundle.crop_rule.size, bundle.channels))
        self.bundle = bundle
        self.prior = read_prior(prior)
        self.crops = crops
        self._choose(labels, unsure)
        self.detector = Detector(threads=threads, provider=provider) if detector is None else detector
        self.classifier = Classifier(bundle, threads=threads, provider=provider)
        self.minimum_face_px = minimum_face_px
        self.max_pixels = max_pixels
        self.largest = largest
        self._threads = threads or os.cpu_count() or 1

    def __repr__(self) -> str:
        chosen = "".join(f", {name} {said}" for name, said in self.choices.items())
        return f"<recognizer with {self.bundle.identity}: {self.label_set.text}{chosen}>"

    def settings(self) -> dict[str, Any]:
        """All that a photo's result depends on beside the photo, as plain JSON values: what a batch is known by."""
        return {
            "model": self.bundle.identity,
            "crop_rule": self.bundle.crop_rule.to_json(),
            "labels": [label_text(label) for label in self.label_set.expressions],
            "unsure": self.unsure_threshold,
            "prior": self.prior.to_json(),
            "crops": self.crops,
            "detector": hashlib.sha256(self.detector.model).hexdigest()[:12],
            "minimum_face_px": self.minimum_face_px,
            "max_megapixels": self.max_pixels / 1e6,
            "largest": self.largest,
            "versions": {name: _version(name) for name in _DECIDING_PACKAGES},
        }

    @property
    def choices(self) -> dict[str, str]:
        """What a result says of how it was asked for, where that is not the usual way; empty otherwise."""
        chosen = {} if self.prior.is_training else {"prior": str(self.prior)}
        if self.crops:
            chosen["crops"] = f"framed as {self.bundle.crop_rule.framing or 'the training faces'}"
        return chosen

    def with_options(self, *, labels: Labels | None = None, unsure: float | Literal[False] | None = None) -> Self:
        """A recognizer with the same models and another choice of labels; it loads nothing.

        Args:
            labels: as for the class.
            unsure: as for the class.

        Raises:
            DataError: `labels` or `unsure` do not fit.
        """
        other = copy.copy(self)
        other._choose(labels, unsure)
        return other

    def recognize(self, photo: PhotoSource, *, order: Literal["rgb", "bgr"] = "rgb") -> PhotoResult:
        """The faces of one photo with their labels. A bad photo gives an `UNREADABLE` result, not an error.

        Args:
            photo: a path, the bytes of a file, a file object open in binary mode, a Pillow image, or an array of shape
                (H, W), (H, W, 3) or (H, W, 4), as `mien.images.read_image` takes it. Its colours are RGB.
            order: "bgr" for an array with the colours in the order blue, green, red, as `cv2.imread` gives it.

        Raises:
            TypeError: the photo is of another type.
            DataError: it is a folder, or `order` is none of these.
        """
        if order not in ("rgb", "bgr"):
            raise DataError(f"order is 'rgb' or 'bgr'. Received: {order!r}.")
        if isinstance(photo, np.ndarray) and photo.ndim == 3 and photo.shape[2] >= 3 and order == "bgr":
            photo = np.concatenate([photo[..., 2::-1], photo[..., 3:]], axis=2)
        if isinstance(photo, (str, os.PathLike)) and os.path.isdir(
            photo
        ):  # not surprised by a name that no file can have
            raise DataError(
                f"{os.fspath(photo)} is a folder: Recognizer().folder({os.fspath(photo)!r}) reads its photos."
            )
        return self._finish([self.prepare(photo)])[0]

    def folder(self, path: Path | str, *, recursive: bool = False) -> PhotoResults:
        """The results of the photos in a folder, in the order of their names.

        Args:
            path: the folder.
            recursive: whether folders within it are searched.

        Raises:
            MienError: it is no folder, or has no photos.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(
                f"folder takes the path of one. Received: {type(path).__name__}. "
                "Several photos: Recognizer().recognize_many(photos)."
            )
        if not os.path.isdir(path):
            raise DataError(f"There is no folder {path}. One photo is read with recognize({str(path)!r}).")
        photos = find_photos([Path(path)], recursive=recursive)
        return PhotoResults(self.recognize_many([photo.path for photo in photos]))

    def recognize_many(self, photos: Iterable[PhotoSource], *, batch: int = BATCH) -> Iterator[PhotoResult]:
        """The results of many photos, in their order, as they are ready.

        Photos are taken from the iterable only a little ahead of the results, so memory does not grow with their
        number. Faces of different photos are classified together.

        Args:
            photos: what `recognize` takes, each.
            batch: number of photos whose faces go to the network together, at least 1.

        Yields:
            One result a photo. What `photos` raises, and the error for something that is no photo, is raised after the
            results of the photos before it.
        """
        if isinstance(photos, (str, os.PathLike)):
            raise TypeError(
                f"recognize_many takes several photos. For those of a folder: folder({os.fspath(photos)!r})."
            )
        if fitting(batch, int, "recognize_many: batch") < 1:
            raise DataError(f"Expected a batch of at least 1 photo. Received: {batch}.")
        failures: list[Exception] = []

        def until_failure(items: Iterable[_T]) -> Iterator[_T]:
            try:
                yield from items
            except Exception as error:
                failures.append(error)

        prepared = until_failure(self._prepare_ahead(until_failure(photos)))
        while group := list(islice(prepared, batch)):
            yield from self._finish(group)
        if failures:
            raise failures[-1]  # of a photo, which came before the one that could not be had

    def recognize_crops(self, crops: NDArray[np.uint8]) -> list[FaceResult]:
        """The labels of faces that are cut out already, as in a data set.

        Args:
            crops: shape (N, H, W) or (N, H, W, 1), gray, or (N, H, W, 3), RGB; uint8. Brought to the size and the
                channels that the model takes.

        Returns:
            One result a crop, its box the whole crop.

        Raises:
            DataError: the crops have another shape or type.
        """
        if not isinstance(crops, np.ndarray):
            raise DataError(
                f"Expected crops as one array, numpy.stack of those of one size. Received: {type(crops).__name__}."
            )
        if crops.ndim == 4 and crops.shape[3] == 1:
            crops = crops[:, :, :, 0]
        if (
            0 in crops.shape[1:]
            or not (crops.ndim == 3 or (crops.ndim == 4 and crops.shape[3] == 3))
            or crops.dtype != np.uint8
        ):
            raise DataError(
                f"Expected crops of shape (N, H, W) or (N, H, W, 3), uint8. Received: {crops.shape}, {crops.dtype}."
            )
        if crops.ndim == 3 and crops.shape[2] in (3, 4):
            raise DataError(
                f"Expected crops of shape (N, H, W) or (N, H, W, 3). Received: {crops.shape}, which looks like one "
                "image in colour: crops[numpy.newaxis, ..., :3]."
            )
        box = Box(0.0, 0.0, float(crops.shape[2]), float(crops.shape[1]))
        faces = [Face(number, box, (), 1.0) for number in range(1, len(crops) + 1)]
        if not faces:
            return []
        resized = self._resized(crops)
        answers = zip(faces, self.classifier.predict(resized), self._distances(resized), strict=True)
        return [self._face_result(face, row, distance) for face, row, distance in answers]

    def recognize_named_crops(
        self, crops: Iterable[tuple[str, NDArray[np.uint8] | str]], *, batch: int = BATCH
    ) -> Iterator[PhotoResult]:
        """The results of faces that are cut out already, one a crop, in their order, as they are ready.

        Args:
            crops: the name of each, and its pixels, shape (H, W) or (H, W, 3) in RGB, uint8; or why it cannot be read.
            batch: number of crops that go to the network together, at least 1.
        """
        crops = iter(crops)
        while group := list(islice(crops, batch)):
            yield from self._finish([self._prepared_crop(name, pixels) for name, pixels in group])

    def _prepared_crop(self, name: str, pixels: NDArray[np.uint8] | str) -> Prepared:
        if isinstance(pixels, str):
            return Prepared(name, 0, 0, (), (), self._no_crops(), (Outcome.UNREADABLE, pixels))
        height, width = pixels.shape[:2]
        notes = self._gray_notes(pixels)
        if max(width, height) > MOST_OBLONG * min(width, height):
            notes = (*notes, f"not square ({width} x {height} pixels), squeezed: faces that are cut out are square")
        crop = self._resized(np.asarray(pixels)[np.newaxis])
        face = Face(1, Box(0.0, 0.0, float(width), float(height)), (), 1.0)
        return Prepared(name, width, height, notes, (face,), crop, None)

    def prepare(self, photo: PhotoSource, *, name: str | None = None) -> Prepared:
        """The first half of `recognize`: read a photo, find its faces and cut them out. The network is not asked.

        Together with `classify` and `result` it lets a service work on photos as they come, and classify the faces of
        those that wait together.

        Args:
            photo: what `recognize` takes.
            name: what the result calls the photo; None for its path, or what it was given as.

        Raises:
            BundleError: nobody knows how the model's training faces were framed, so photos cannot be cut for it.
        """
        return self._prepare(photo, self.detector, name)

    def _prepare(self, photo: PhotoSource, detector: Detector, name: str | None = None) -> Prepared:
        if self.bundle.crop_rule.framing is None and not self.crops:
            raise BundleError(
                f"{self.bundle.name} learned from faces whose framing is unknown, so mien does not know which square "
                "of a photo it wants to see. Say how its data set frames faces: --framing, or Recognizer(framing=...), "
                f"with {' or '.join(FRAMINGS)}, or in numbers such as aligned:margin=1.3. Faces that are cut out "
                "already need none: --crops, or Recognizer(crops=True)."
            )
        try:
            photo, name = kept(photo, name)  # a file object is read once, and a photo twice where its faces are small
            # A crop is read at its full size: it is small, or is to be shrunk in one step.
            least = None if self.crops else DECODED_PIXELS
            image = read_image(photo, max_pixels=self.max_pixels, least_pixels=least, name=name)
            if self.crops:
                return self._prepare_crop(image, name or image.name)
            return self._prepare_image(photo, image, detector, name or image.name)
        except ImageError as error:
            reason = str(error)
        except MemoryError:
            reason = "There is not enough memory for this photo."
        if name is None:
            name = str(photo) if isinstance(photo, (str, Path, Address)) else type(photo).__name__
        return Prepared(name, 0, 0, (), (), self._no_crops(), (Outcome.UNREADABLE, reason))

    def _prepare_crop(self, image: Image, name: str) -> Prepared:
        """A photo that is one face, cut out already."""
        prepared = self._prepared_crop(name, image.pixels)
        return replace(prepared, notes=(*image.notes, *prepared.notes))

    def _prepare_image(self, photo: PhotoSource, image: Image, detector: Detector, name: str) -> Prepared:
        width, height = image.photo_size
        failure = None
        found = FoundFaces([], 0, certain=True)
        if min(width, height) < self.minimum_face_px:
            failure = (
                Outcome.TOO_SMALL,
                (f"The photo has {width} x {height} pixels, and a face needs {self.minimum_face_px:g} a side."),
            )
        else:
            found = detector.detect_any_way_up(image)
        faces = _largest(found.faces) if self.largest else found.faces
        crops = self._crops(photo, image, [face for face in faces if self._large_enough(face)])
        if not crops and failure is None:
            failure = _nothing_to_classify(faces, self.minimum_face_px)
        stacked = np.stack(crops) if crops else self._no_crops()
        turned = () if found.turned == 0 else (f"turned by {found.turned}°, so that its faces are upright",)
        notes = (*image.notes, *turned, *self._gray_notes(image.pixels))
        return Prepared(name, width, height, notes, tuple(faces), stacked, failure, found.certain)

    def _crops(self, photo: PhotoSource, image: Image, faces: list[Face]) -> list[NDArray[np.uint8]]:
        """Cut faces out; where the photo was decoded at a part of its size, too small for one, at its full size."""
        rule = self.bundle.crop_rule
        if image.reduction > image.finest and any(
            crop_side(face, rule) < rule.size * image.reduction for face in faces
        ):
            image = read_image(photo, max_pixels=self.max_pixels)
        return [crop_face(image, face, rule) for face in faces]

    def _prepare_ahead(self, photos: Iterable[PhotoSource]) -> Iterator[Prepared]:
        """Prepare photos in threads, in order, never more than a few ahead of what is asked for."""
        source = iter(photos)
        beginning = list(islice(source, 2))
        if len(beginning) < 2:  # not worth threads
            yield from map(self.prepare, beginning)
            return
        from concurrent.futures import ThreadPoolExecutor

        detector = self.detector if self.crops else self.detector.for_many
        executor = ThreadPoolExecutor(self._threads, thread_name_prefix="mien-photo")
        pending: deque[Future[Prepared]] = deque()
        try:
            for photo in chain(beginning, source):
                pending.append(executor.submit(self._prepare, photo, detector))
                if len(pending) > 2 * self._threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def classify(self, group: Sequence[Prepared]) -> list[NDArray[np.float64]]:
        """Ask the network about the faces of several photos together.

        Args:
            group: what `prepare` gave.

        Returns:
            For each photo, shape (its crops, the bundle's labels): probabilities.
        """
        crops = np.concatenate([prepared.crops for prepared in group])
        rows = self.classifier.predict(crops) if len(crops) else np.zeros((0, len(self.bundle.label_set)))
        ends = np.cumsum([len(prepared.crops) for prepared in group])
        return np.split(rows, ends[:-1])

    def result(self, prepared: Prepared, probabilities: NDArray[np.float64]) -> PhotoResult:
        """The last step of `recognize`: what `classify` gave, as labels of this recognizer's choice.

        Args:
            prepared: a photo, prepared by a recognizer with the same models.
            probabilities: what `classify` gave for it.
        """
        answers = zip(probabilities, self._distances(prepared.crops), strict=True)
        faces = tuple(
            self._face_result(face, *next(answers), certain=prepared.certain)
            if self._large_enough(face)
            else FaceResult(face, Outcome.TOO_SMALL, ())
            for face in prepared.faces
        )
        if prepared.failure is not None:
            outcome, reason = prepared.failure
        elif any(face.outcome is Outcome.OK for face in faces):
            outcome, reason = Outcome.OK, ""
        elif not prepared.certain:
            outcome, reason = Outcome.UNSURE, "It cannot be told which way up the photo is: turn it upright."
        else:
            outcome = Outcome.UNSURE
            reason = f"No label reaches the least probability, {self.unsure_threshold:.3g}."
            if any(face.outcome is Outcome.MIXED for face in faces):
                outcome = Outcome.MIXED
                reason = f"{reason[:-1]}; two together have at least {LEAST_OF_TWO:g}."
        size = (prepared.width, prepared.height)
        return PhotoResult(
            prepared.photo, outcome, reason, faces, *size, prepared.notes, self.bundle.identity, self.choices
        )

    def _finish(self, group: list[Prepared]) -> list[PhotoResult]:
        return [self.result(prepared, rows) for prepared, rows in zip(group, self.classify(group), strict=True)]

    def _distances(self, crops: NDArray[np.uint8]) -> list[float | None]:
        """How far each crop is from the faces that the model learned from, where its bundle knows that."""
        likeness = self.bundle.likeness
        return [None] * len(crops) if likeness is None else likeness.distances(crops).tolist()

    def _face_result(
        self, face: Face, own: NDArray[np.float64], distance: float | None, *, certain: bool = True
    ) -> FaceResult:
        """The labels of a face, from the model's probabilities for all the labels that it knows."""
        row = self._chosen(own[np.newaxis])[0]
        pairs = tuple(zip(self.label_set.expressions, (float(value) for value in row), strict=True))
        # The bundle's threshold was proven for the model's own probabilities. Those of fewer labels are larger: by them
        # labels would be given that the proof does not cover.
        share = 1.0 if self._own_threshold else share_kept(own[np.newaxis], self.bundle.label_set, self.label_set)[0]
        outcome = _outcome(row * share, self.unsure_threshold) if certain else Outcome.UNSURE
        return FaceResult(face, outcome, pairs, distance)

    def _choose(self, labels: Labels | None, unsure: float | Literal[False] | None) -> None:
        self.label_set = self.bundle.label_set if labels is None else LabelSet.parse(labels_text(labels))
        self._chosen(np.ones((1, len(self.bundle.label_set))))  # raises when it cannot
        self.unsure_threshold = _unsure_threshold(unsure, self.bundle)
        self._own_threshold = unsure is not None

    def _chosen(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.prior.adjust(
            project(probabilities, self.bundle.label_set, self.label_set), self.bundle, self.label_set
        )

    def _large_enough(self, face: Face) -> bool:
        return self.crops or min(face.box.width, face.box.height) >= self.minimum_face_px

    def _no_crops(self) -> NDArray[np.uint8]:
        rule = self.bundle.crop_rule
        return np.zeros(shape_of(rule.channels, 0, rule.size, rule.size), dtype=np.uint8)

    def _resized(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Crops of one size, (N, H, W) or (N, H, W, 3), as the model takes them."""
        return resize_crops(crops, self.bundle.crop_rule.size, self.bundle.channels)

    def _gray_notes(self, pixels: NDArray[np.uint8]) -> tuple[str, ...]:
        """What is said of a gray picture where the model was made for colours."""
        if self.bundle.channels == "gray" or not (pixels.ndim == 2 or has_equal_channels(pixels)):
            return ()
        return ("gray, and the model learned from colours",)


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:  # it goes by another name here, as onnxruntime-gpu does
        return None


def _largest(faces: list[Face]) -> list[Face]:
    return [replace(max(faces, key=lambda face: face.box.area), id=1)] if faces else []


def _outcome(probabilities: NDArray[np.float64], threshold: float) -> Outcome:
    """Whether a face has a label, two, or none. Of two labels in all, both would say nothing."""
    second, first = np.sort(probabilities)[-2:]
    if first >= threshold:
        return Outcome.OK
    few = len(probabilities) < 3
    return Outcome.MIXED if not few and second >= LEAST_OF_EACH and first + second >= LEAST_OF_TWO else Outcome.UNSURE


def _unsure_threshold(unsure: float | Literal[False] | None, bundle: Bundle) -> float:
    if unsure is None:
        return 0.0 if bundle.unsure is None else bundle.unsure.threshold
    if unsure is True or not isinstance(unsure, Real) or not 0 <= unsure <= 1:
        raise DataError(f"Expected unsure between 0 and 1. Received: {unsure!r}.")
    return float(unsure)


def _nothing_to_classify(faces: list[Face], minimum_px: float) -> tuple[Outcome, str]:
    if not faces:
        return Outcome.NO_FACE, "No face was found."
    largest = max(min(face.box.width, face.box.height) for face in faces)
    return Outcome.TOO_SMALL, f"The largest face is {largest:.0f} pixels wide, and {minimum_px:g} are needed."
