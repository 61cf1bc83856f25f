"""How well a model does on a data set, and which of its images the model has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.api.displays import confusion_display, reliability_display
from mien.arguments import checked
from mien.bundle import Bundle, load_bundle, refuse_other_ending, write_again
from mien.datasets.dataset import Dataset, Missed, Role
from mien.datasets.protocol import (
    Opening,
    ProtocolSpec,
    Samples,
    Split,
    apply_protocol,
    copies_in_training,
    measured_samples,
    occurring_labels,
    splits_of_run,
    votes_of,
)
from mien.datasets.reading import as_dataset, read_dataset
from mien.datasets.samples import LOSS_WARNING
from mien.datasets.spec import DataSpec
from mien.errors import BundleError, DataError, ProtocolError
from mien.evaluation.corruptions import (
    CORRUPTIONS,
    STRENGTHS,
    CorruptedScores,
    corrupt,
    known_corruption,
    score_corrupted,
)
from mien.evaluation.evaluate import Evaluation, evaluate_predictions, pack_predictions
from mien.evaluation.intervals import Estimate, share_of
from mien.evaluation.metrics import METRICS, Scores, leak_free, right_by_probability
from mien.evaluation.votes import VOTE_ACCURACY, VoteScores, score_votes
from mien.files import refuse_unwritable, write_text
from mien.frame import Display, Rows, frame
from mien.inference.batch import PHOTO_SUFFIXES
from mien.inference.classifier import Classifier
from mien.inference.crops import likeness_of, resize_crops
from mien.inference.whole_photos import look_for_whole_photos
from mien.labels import Label, Labels, LabelSet, labels_text, shared_labels
from mien.machine import processor_name
from mien.predictions import Predictions
from mien.prior import TRAINING, Prior, read_prior, training_prior
from mien.seen import Seen, hash_images
from mien.votes import Votes
from mien.wording import count_text

_BATCH = 64

RoleName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Familiar:
    """How many of the images of an evaluation the model has seen before.

    Attributes:
        known: whether the bundle says which images it was made with. Where it does not, the images that have a copy in
            the training or validation role of these data are taken for seen, which is a guess.
        learned: images that the model has learned from, exact copies included.
        chosen: further images that served to choose its epoch, temperature and threshold.
    """

    known: bool
    learned: int
    chosen: int


@dataclass(frozen=True, eq=False)
class ModelEvaluation:
    """How well a model does on a role of a data set.

    Attributes:
        model: name and fingerprint of the bundle.
        data: "name", "fingerprint", "split", "role", and as "targets" what counts as right.
        same_data_as_card: whether these are the data and the protocol that the model was measured on for its card.
        familiar: what of these images the model has seen.
        evaluation: the figures, on all images and on those that it has not seen.
        predictions: what it answered for each image.
        notes: what was left out, assumed, or stands in doubt; warnings first.
        missed: labelled photos in which no face was found, where faces were looked for.
        votes: what the taggers said of the images, in the order of the predictions; None for data without votes.
        corrupted: the figures under each corruption that was asked for, by strength.
        prior: how common the classes were said to be.
        distances: of each image from the faces that the model learned from, shape (images,), in the order of the
            predictions (see `mien.likeness`); None where the model does not say.
    """

    model: str
    data: dict[str, str]
    same_data_as_card: bool
    familiar: Familiar
    evaluation: Evaluation
    predictions: Predictions
    notes: tuple[str, ...] = ()
    missed: tuple[Missed, ...] = ()
    votes: Votes | None = None
    corrupted: tuple[CorruptedScores, ...] = ()
    prior: Prior = field(default_factory=lambda: Prior(TRAINING, {}))
    distances: NDArray[np.float64] | None = None

    @property
    def told_apart(self) -> float | None:
        """How often a corrupted image is further from the faces that the model learned from than one as it is.

        The mean over the corruptions and strengths that were asked for; 0.5 is chance. None without any, or where the
        model does not say.
        """
        found = [one.told_apart for one in self.corrupted if one.told_apart is not None]
        return float(np.mean(found)) if found else None

    @property
    def confidence_gap(self) -> float | None:
        """Mean probability of the answers to corrupted images less the share of right ones: above 0 too sure.

        The mean over the corruptions and strengths that were asked for; None without any.
        """
        gaps = [one.confidence - one.accuracy.value for one in self.corrupted]
        return float(np.mean(gaps)) if gaps else None

    @property
    def unlike(self) -> NDArray[np.bool_] | None:
        """Which images are unlike the faces that the model learned from; None where it does not say."""
        return None if self.distances is None else self.distances > 1

    @property
    def accuracy_of_unlike(self) -> Estimate | None:
        """How often the model is right on images that are unlike the faces that it learned from; None without any."""
        if self.unlike is None or not self.unlike.any():
            return None
        right = self.predictions.outputs.argmax(axis=1) == self.predictions.labels
        return share_of(right, self.predictions.clusters, among=self.unlike)

    @cached_property
    def vote_scores(self) -> VoteScores | None:
        """How well the model answers for what the taggers said; None for data without votes."""
        return (
            None
            if self.votes is None
            else score_votes(self.predictions.probabilities, self.votes, self.predictions.clusters)
        )

    def scores(self) -> Scores:
        """The figures on all images, with intervals; `scores().frame()` has a row a label."""
        return self.evaluation.scores

    def confusion(self) -> Display:
        """How often each label got each answer: a row for each pair."""
        return confusion_display(self.evaluation.scores)

    def reliability(self) -> Display:
        """How probable the answers were said to be, and how often they were right: a row for each bin."""
        return reliability_display(self.evaluation.scores)

    @property
    def label_set(self) -> LabelSet:
        """The classes of the figures."""
        return self.evaluation.scores.label_set

    @property
    def with_misses(self) -> dict[str, Estimate]:
        """Accuracy, and recall by class, with photos in which no face was found counted as wrong; empty without any."""
        if not self.missed:
            return {}
        labels, right = self.predictions.labels, self.predictions.outputs.argmax(axis=1) == self.predictions.labels
        missed = np.array(
            [-1 if (held := self.label_set.holding(miss.label)) is None else held for miss in self.missed]
        )
        labels, right = np.append(labels, missed), np.append(right, np.zeros(len(missed), dtype=bool))
        clusters = self.predictions.clusters
        if clusters is not None:  # whose a photo without a face is, nobody knows: each is by itself
            clusters = np.append(clusters, clusters.max() + 1 + np.arange(len(missed)))
        found = {"accuracy": share_of(right, clusters)}
        for number, label in enumerate(self.label_set.expressions):
            of_class = labels == number
            if of_class.any():
                found[label.value] = share_of(right, clusters, among=of_class)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """One row an image, the photos in which no face was found last.

        Columns: id, label, answer, right, outcome, seen (whether the model has seen it), where the model says it the
        distance from the faces that it learned from, with votes agreement (share of the commonest answer), and the
        probability of each class. What does not apply is "".
        """
        names = [label.value for label in self.label_set.expressions]
        probabilities = self.predictions.probabilities.round(6).tolist()
        answers = self.predictions.outputs.argmax(axis=1).tolist()
        agreement = None if self.votes is None else self.votes.agreement.round(6).tolist()
        distances = None if self.distances is None else self.distances.round(6).tolist()
        rows: list[dict[str, Any]] = [
            {
                "id": name,
                "label": names[label],
                "answer": names[answers[number]],
                "right": label == answers[number],
                "outcome": "ok",
                "seen": seen,
                **({} if distances is None else {"distance": distances[number]}),
                **({} if agreement is None else {"agreement": agreement[number]}),
                **{f"probability:{n}": p for n, p in zip(names, probabilities[number], strict=True)},
            }
            for number, (name, label, seen) in enumerate(
                zip(
                    self.predictions.ids.tolist(),
                    self.predictions.labels.tolist(),
                    self.predictions.copies.tolist(),
                    strict=True,
                )
            )
        ]
        columns = dict.fromkeys(rows[0], "")
        rows += [
            {
                **columns,
                "id": miss.id,
                "label": names[self.label_set.holding(miss.label) or 0],
                "right": False,
                "outcome": miss.outcome,
            }
            for miss in self.missed
        ]
        return rows

    def write_csv(self, path: Path | str, *, corrupted: bool = False) -> None:
        """Write a row an image as CSV; see `rows`.

        Args:
            path: the file.
            corrupted: write the figures under corruptions instead, a row for each kind and strength.

        Raises:
            DataError: it cannot be written, or no corruptions were asked for.
        """
        if corrupted and not self.corrupted:
            raise DataError(
                f"There are no figures under corruptions to write to {path}: measure with corruptions=True, or with "
                "names of some."
            )
        rows = [scores.row() for scores in self.corrupted] if corrupted else self.rows()
        try:
            write_text(Path(path), Rows(tuple(rows[0]), tuple(rows)).to_csv())
        except OSError as error:
            raise DataError(f"{path} cannot be written: {error.strerror or error}. Name another file.") from error

    def frame(self) -> Any:
        """The figures as a table: a row for each, on all images and without those that the model has seen."""
        parts = [("all", self.evaluation.scores), ("unseen", self.evaluation.leak_free)]
        rows = [
            {"figure": metric.title, "on": images, **asdict(metric.of(scores))}
            for images, scores in parts
            if scores is not None
            for metric in METRICS.values()
        ]
        return frame([*rows, *self._vote_rows()])

    def corruptions(self) -> Any:
        """The figures under each corruption as a table: a row for each strength; empty where none was asked for."""
        return frame([scores.row() for scores in self.corrupted])

    def _vote_rows(self) -> Iterator[dict[str, Any]]:
        if self.vote_scores is None:
            return
        for title, on, estimate in self.vote_scores.figures():
            yield {"figure": title, "on": on, **asdict(estimate)}

    def __repr__(self) -> str:
        accuracy, seen, role = self.evaluation.scores.accuracy, self.familiar, self.data["role"]
        learned = f"{seen.learned:,} of them learned from" if seen.known else "what it learned from is unknown"
        images = "all images" if role == "all" else f"the {role} role"
        return f"<{self.model} on {images} of {self.data['name']}: {accuracy:.1%}; {learned}>"

    def _repr_html_(self) -> str:
        return str(self.frame()._repr_html_())

    def on_card(self, bundle: Bundle, output: Path | str) -> Bundle:
        """Write the model again with these figures as a section of its card, beside what stands there.

        The section is named by the data, the role and what counts as right, and replaces an earlier one of that name.

        Args:
            bundle: the model that was measured.
            output: where it is written; may be where it is now.

        Raises:
            BundleError: another model was measured, or the output's name promises a model of another form.
        """
        if bundle.identity != self.model:
            raise BundleError(f"These are the figures of {self.model}. Received: {bundle.identity}.")
        name = "_".join(["measured_on", self.data["name"], self.data["role"], "by", self.data["targets"]])
        section = {**self._section(), "speed, one thread": _speed(bundle)}
        return write_again(replace(bundle, card={**bundle.card, name: section}), Path(output))

    def _section(self) -> dict[str, Any]:
        scores, unseen = self.scores(), self.evaluation.leak_free
        section: dict[str, Any] = {
            "images": scores.count,
            "labels": self.label_set.text,
            "data": self.data["fingerprint"],
            **({} if self.prior.is_training else {"prior": str(self.prior)}),
            **scores.figures(),
            **({} if unseen is None else {"accuracy_without_images_seen": unseen.accuracy.to_json()}),
            "right_by_probability": right_by_probability(scores),
        }
        if self.vote_scores is not None:
            section |= {f"{title}: {on}": figure.to_json() for title, on, figure in self.vote_scores.figures()}
        for one in self.corrupted:
            section.setdefault(f"accuracy under {one.corruption}, by strength", []).append(one.accuracy.value)
        if self.corrupted:
            section["accuracy under all of these"] = float(np.mean([one.accuracy.value for one in self.corrupted]))
            section["confidence above accuracy there"] = self.confidence_gap
        if self.told_apart is not None:
            section["corrupted faces told apart (AUROC)"] = self.told_apart
        return section

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain JSON values."""
        return {
            "model": self.model,
            "data": self.data,
            "same_data_as_card": self.same_data_as_card,
            "prior": self.prior.to_json(),
            "seen": {
                "known": self.familiar.known,
                "learned_from": self.familiar.learned,
                "chosen_with": self.familiar.chosen,
            },
            "notes": list(self.notes),
            "missed": dict(Counter(miss.outcome for miss in self.missed)),
            "with_misses": {name: estimate.to_json() for name, estimate in self.with_misses.items()},
            "votes": None if self.vote_scores is None else self.vote_scores.to_json(),
            "corruptions": [scores.to_json() for scores in self.corrupted],
            "confidence_gap": self.confidence_gap,
            "told_apart": self.told_apart,
            "unlike": None if self.unlike is None else int(self.unlike.sum()),
            "accuracy_of_unlike": None if self.accuracy_of_unlike is None else self.accuracy_of_unlike.to_json(),
            **self.evaluation.to_json(),
        }


def _speed(bundle: Bundle) -> dict[str, Any]:
    """What a face takes on this machine, alone and among 64: the thread's own time, whatever else is running."""
    classifier = Classifier(bundle, threads=1)
    faces = np.resize(bundle.golden.crops, (_BATCH, *bundle.golden.crops.shape[1:]))

    def seconds(crops: NDArray[np.uint8], times: int) -> float:
        taken = []
        for _ in range(times):
            start = thread_time()
            classifier.predict(crops)
            taken.append(thread_time() - start)
        return median(taken)

    return {
        "milliseconds_a_face": round(1000 * seconds(faces[:1], 31), 3),
        "faces_a_second_of_64": round(_BATCH / seconds(faces, 7)),
        "processor": processor_name(),
    }


def refuse_place(path: Path) -> None:
    """Refuse a file that could not be written, before hours of measuring.

    Raises:
        DataError: there is no folder for it, it is one, it may not be written, or it is called as photos are.
    """
    if path.suffix.lower() in PHOTO_SUFFIXES:
        raise DataError(f"{path} is called as photos are, and one would be lost under the table. Name it {path}.csv.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise DataError(f"{path} cannot be written: there is no folder for it, or it is one. Name another file.")
    try:
        refuse_unwritable(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Name another file.") from error


def refuse_model_place(path: Path) -> None:
    """Refuse a place that a model could not be written to, before hours of measuring.

    Raises:
        BundleError: the name promises a model of another form.
        DataError: as `refuse_place`, for the file of a model.
    """
    refuse_other_ending(path)
    if path.suffix:  # else it is a folder
        refuse_place(path)


@checked("bundle", "data", "labels", "prior", "corruptions")
def evaluate(
    bundle: Bundle | Path | str,
    data: Dataset | DataSpec | Path | str,
    *,
    role: RoleName | None = None,
    labels: Labels | None = None,
    roles: str | None = None,
    targets: str | None = None,
    unseen_only: bool = False,
    find_faces: bool = False,
    prior: str | Path | Mapping[str, float] | Prior = TRAINING,
    corruptions: bool | Sequence[str] = False,
    log: Callable[[Opening], None] = lambda opening: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    **keys: Any,
) -> ModelEvaluation:
    """Measure a model on any labelled data set.

    On the data of the model's card, what is not said of labels, roles and targets is as in its protocol, so that they
    give the card's figures again. On other data all images are measured, or those of the test role where there are
    some; the classes are those that the model and the data share, and `notes` says what was left out. A model of
    colours gets colours, any other gets gray; where images were changed for that, `notes` says so.

    Args:
        bundle: the model, or what `mien.load_bundle` takes.
        data: a data set, or what `mien.read` takes.
        role: which images; None for the test role, or all images of data without one.
        labels: label set, as in a protocol: "six", "dataset", names, or groups of them (see `mien.labels.labels_text`).
        roles: where roles come from, as in a protocol.
        targets: what counts as right, as in a protocol.
        find_faces: find the face in each image and cut it out as in predicting; images without one count as wrong in
            `ModelEvaluation.with_misses`. Only where `data` is read here.
        unseen_only: leave out the images that the model has seen.
        prior: how common the classes are said to be, as for `mien.Recognizer`; the answers are what they would be then.
            Never taken from the data that are measured.
        corruptions: measure again with the images corrupted, in five strengths each: True for all of
            `mien.CORRUPTIONS`, or names of some. For each the model answers for all images five times more.
        log: is told when test labels are opened.
        progress: is told how many images have been answered for, and of how many.
        **keys: keys of `DataSpec`, where `data` is a path.

    Raises:
        BundleError: the model is missing or damaged.
        DataError: the data cannot be read, or the model does not know one of their expressions.
        ProtocolError: the data cannot be used under the protocol.
    """
    model = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    wanted, said = _wanted(corruptions), read_prior(prior)
    asked = None if labels is None else labels_text(labels)
    ProtocolSpec(**_given(roles=roles, targets=targets))  # raises for an unknown word
    dataset = _read(model, data, find_faces, keys).in_channels(model.channels)
    measured = _measured(model, dataset, role, asked, roles, targets, said, log)
    samples = measured.samples
    same = measured.split is not None and measured.split.hash == model.card.get("data", {}).get("split")
    familiar, seen = _familiar(model, samples, measured.split, measured.role, same)
    if unseen_only and seen.all():
        raise DataError(f"{model.name} has seen every image that is measured of {dataset.name}: nothing is left.")
    classifier = Classifier(model)
    total, done = len(samples) * (1 + len(wanted) * len(STRENGTHS)), 0

    def answered(number: int) -> None:
        nonlocal done
        done += number
        progress(done, total)

    def predict(
        change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    ) -> tuple[Predictions, NDArray[np.float64] | None]:
        answers, distances = _answers(classifier, samples.images, change, answered)
        predictions = pack_predictions(
            answers,
            model.label_set,
            measured.label_set,
            labels=samples.labels,
            targets=samples.targets,
            ids=samples.ids,
            copies=seen,
            groups=samples.groups,
        )
        adjusted = said.adjust(predictions.probabilities, model, measured.label_set).astype(np.float32)
        predictions = replace(predictions, outputs=predictions.outputs if said.is_training else adjusted)
        if not unseen_only:
            return predictions, distances
        return leak_free(predictions), None if distances is None else distances[~predictions.copies]

    def under(name: str, strength: int) -> CorruptedScores:
        answers, there = predict(partial(corrupt, corruption=name, strength=strength))
        both = None if distances is None or there is None else (distances, there)
        return score_corrupted(name, strength, predictions, answers, measured.label_set, distances=both)

    predictions, distances = predict(lambda images: images)
    corrupted = tuple(under(name, strength) for name in wanted for strength in STRENGTHS)
    votes = votes_of(dataset, measured.label_set)
    missed = [
        miss
        for miss in dataset.missed
        if measured.label_set.holding(miss.label) is not None and measured.role in ("all", miss.role.value)
    ]
    # The rule for leaving a face unlabelled was proven for the model's own answers.
    rule = model.unsure_for(measured.label_set) if said.is_training else None
    split_hash = "" if measured.split is None else measured.split.hash
    notes = [*measured.notes, *dataset.notes, *_photo_notes(dataset, samples)]
    if unseen_only:
        why = "the model has seen them" if familiar.known else "copies in the training or validation role of these data"
        notes += [f"{count_text(int(seen.sum()), 'image')} left out: {why}"] if seen.any() else []
        familiar = Familiar(familiar.known, 0, 0)
    return ModelEvaluation(
        model=model.identity,
        data={
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "split": split_hash,
            "role": measured.role,
            "targets": measured.targets,
        },
        same_data_as_card=same,
        familiar=familiar,
        evaluation=evaluate_predictions(predictions, measured.label_set, rule),
        prior=said,
        predictions=predictions,
        notes=tuple(sorted(notes, key=lambda note: not note.startswith(LOSS_WARNING))),
        missed=tuple(missed),
        votes=None if votes is None else votes.of(predictions.ids),
        corrupted=corrupted,
        distances=distances,
    )


def _photo_notes(dataset: Dataset, samples: Samples) -> list[str]:
    """A warning where images that were measured as faces look like whole photos."""
    said_already = any(note.startswith(LOSS_WARNING) and "shaped as photos" in note for note in dataset.notes)
    if dataset.faces is not None or said_already:
        return []
    found = look_for_whole_photos(samples.images)
    return [f"{LOSS_WARNING}{found.warning}; --find-faces (find_faces=True) does it"] if found.warning else []


def _wanted(corruptions: bool | Sequence[str]) -> tuple[str, ...]:
    """The names of the corruptions that are asked for."""
    if isinstance(corruptions, bool):
        return tuple(CORRUPTIONS) if corruptions else ()
    names = [corruptions] if isinstance(corruptions, str) else corruptions
    if not isinstance(names, Iterable):
        raise DataError(f"corruptions is True, False, or names such as ['blur', 'noise']. Received: {corruptions!r}.")
    return tuple(dict.fromkeys(map(known_corruption, names)))


def _given(**words: str | None) -> dict[str, Any]:
    """Those that are given, by name."""
    return {name: word for name, word in words.items() if word is not None}


def _read(model: Bundle, data: Dataset | DataSpec | Path | str, find_faces: bool, keys: dict[str, Any]) -> Dataset:
    keys = _in_channels_of(model, data, keys)
    if isinstance(data, Dataset) or not find_faces:
        return as_dataset(data, **keys, **({"find_faces": True} if find_faces else {}))
    from mien.datasets.framing import Framer
    from mien.inference.recognizer import Recognizer

    return read_dataset(data, framer=Framer(Recognizer(model)), **{**keys, "faces": "find"})


def _in_channels_of(model: Bundle, data: Dataset | DataSpec | Path | str, keys: dict[str, Any]) -> dict[str, Any]:
    """How data are read for a model: in colour where it learned from colours, unless it is said or they are read."""
    return keys if model.channels == "gray" or isinstance(data, Dataset) else {"channels": model.channels, **keys}


@dataclass(frozen=True, eq=False)
class _Measured:
    samples: Samples
    label_set: LabelSet
    role: str
    targets: str
    split: Split | None
    notes: tuple[str, ...]


def _measured(
    model: Bundle,
    dataset: Dataset,
    role: RoleName | None,
    labels: str | None,
    roles: str | None,
    targets: str | None,
    prior: Prior,
    log: Callable[[Opening], None],
) -> _Measured:
    """Which images are measured, over which classes."""
    if role not in (None, "train", "validation", "test"):
        raise DataError(f"role is 'train', 'validation' or 'test'. Received: {role!r}.")
    card = model.card.get("protocol", {})
    notes: list[str] = []
    wanted_targets = card.get("targets", "labels") if targets is None else targets
    if wanted_targets != "labels" and dataset.votes is None:
        said = "were asked for as what is right" if targets else "are what the model learned from"
        notes.append(
            f"the votes of several taggers {said} (targets = {wanted_targets}), and these data have one label an "
            "image: measured on the labels"
        )
        wanted_targets = "labels"
    words = card.get("labels", "dataset") if labels is None else labels
    there = occurring_labels(dataset, wanted_targets)
    wanted = there if words == "dataset" else LabelSet.parse(words)
    label_set = shared_labels(model.label_set, LabelSet.of(_within(wanted, there)))
    notes += _not_measured(wanted, there, label_set)
    if not prior.is_training:
        # Raise before the test labels are opened, and not after all images have been answered for.
        prior.of(label_set)
        training_prior(model, label_set)
    given = {"labels": label_set.text, "targets": wanted_targets, **_given(roles=roles)}
    try:
        split = _as_in_its_run(model, dataset, label_set, wanted_targets, roles)
        split = split or apply_protocol(dataset, ProtocolSpec(**{**card, **given}))
    except ProtocolError as error:
        if role in ("train", "validation") or roles:
            raise
        split = None
        # Data without roles, or with a test role alone, are what many people have: no split was meant.
        if dataset.count(Role.TEST) and dataset.count(Role.TRAIN):
            notes.append(f"measured on the test role as it stands, without the model's protocol: {error}")
    is_card = split is not None and split.hash == model.card.get("data", {}).get("split")
    has_test = dataset.count(Role.TEST) > 0
    if split is not None and (role is not None or roles or is_card or (has_test and dataset.count(Role.TRAIN))):
        return _Measured(
            _samples(split, role or "test", model, log),
            label_set,
            role or "test",
            wanted_targets,
            split,
            (*notes, *split.notes),
        )
    samples, left_out = measured_samples(dataset, label_set, wanted_targets, Role.TEST if has_test else None)
    if not has_test:
        notes.append("all images are measured: the data set names no test role")
    return _Measured(samples, label_set, "test" if has_test else "all", wanted_targets, None, (*notes, *left_out))


def _as_in_its_run(
    model: Bundle, dataset: Dataset, label_set: LabelSet, targets: str, roles: str | None
) -> Split | None:
    """Of a model that was one of several heads, the split that its run judged it by; None for others and other data.

    Roles that its run made were made for the first head.
    """
    if roles or not model.card.get("recipe", {}).get("heads") or model.card["protocol"]["targets"] != targets:
        return None
    try:
        split, _ = _of_its_run(model, dataset)
    except ProtocolError:
        return None
    same = split.hash == model.card.get("data", {}).get("split") and split.label_set == label_set
    return split if same else None


def _not_measured(wanted: LabelSet, there: LabelSet, label_set: LabelSet) -> list[str]:
    """Classes that are asked for and have no figure, by what lacks them."""
    # The images of a member of a group are measured as the group's.
    absent = [label for label in wanted.expressions if label_set.holding(label) is None]
    held = {wanted.holding(label) for label in there.expressions}
    of_data = [label.value for label in absent if label not in there and wanted.index(label) not in held]
    of_model = [label.value for label in absent if label.value not in of_data]
    notes = [f"not measured, since the data have no image of it: {', '.join(of_data)}"] if of_data else []
    return notes + ([f"not measured, since the model does not know it: {', '.join(of_model)}"] if of_model else [])


def _within(wanted: LabelSet, there: LabelSet) -> list[Label]:
    """Those of the wanted classes that the data have, under one of their names."""
    held = {wanted.holding(label) for label in there.expressions}
    own = [label for label in wanted.expressions if label in there]
    return (
        [label for number, label in enumerate(wanted.expressions) if number in held] or own or list(there.expressions)
    )


def figure_texts(scores: Scores) -> list[tuple[str, str]]:
    """The title and the value, in words, of each figure."""
    return [(metric.title, metric.text(metric.of(scores))) for metric in METRICS.values()]


def vote_texts(scores: VoteScores) -> list[tuple[str, str, str]]:
    """The title of each figure against the votes, the images that it is of, and its value in words."""
    return [
        (title, on, format(estimate, ".1%" if title == VOTE_ACCURACY else ".3f"))
        for title, on, estimate in scores.figures()
    ]


def add_seen(
    bundle: Bundle | Path | str, data: Dataset | DataSpec | Path | str, output: Path, **keys: Any
) -> tuple[Bundle, Seen]:
    """Write a model again with what is known of the images that it was made with, from the data of its run.

    That is the hashes of these images, by which an evaluation knows them, and what they look like, by which a face is
    found to be unlike them.

    Args:
        bundle: the model, or what `mien.load_bundle` takes; its card names the protocol and the split of its run.
        data: the run's data set, or what `mien.read` takes.
        output: where it is written; may be where it is now.
        **keys: keys of `DataSpec`, where `data` is a path.

    Returns:
        The new bundle, and the hashes.

    Raises:
        BundleError: its card names no split, or these are not the data that its run was trained on.
    """
    model = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    _, _, taught = data_of_its_run(model, data, **keys)
    size = model.crop_rule.size
    seen = Seen.of(_hashes(taught.train, size), _hashes(taught.validation, size))
    likeness = likeness_of(taught.train.images, taught.validation.images, model.crop_rule)
    return write_again(replace(model, seen=seen, likeness=likeness), output), seen


def data_of_its_run(model: Bundle, data: Dataset | DataSpec | Path | str, **keys: Any) -> tuple[Dataset, Split, Split]:
    """The data set that a model's run was trained on.

    Args:
        model: its card names the protocol and the split of its run.
        data: the data set, or what `mien.read` takes.
        **keys: keys of `DataSpec`, where `data` is a path.

    Returns:
        The data set, its split, and the split of all that the network learned from (which is more with several heads).

    Raises:
        BundleError: the card names no split, or these are other data.
    """
    wanted = model.card.get("data", {}).get("split")
    if wanted is None:
        raise BundleError(f"The card of {model.name} does not say which split its run was trained on.")
    dataset = as_dataset(data, **_in_channels_of(model, data, keys))
    split, taught = _of_its_run(model, dataset)
    if split.hash != wanted:
        raise BundleError(
            f"{dataset.source} is not what {model.name} was trained on: expected the split {wanted}. Received: "
            f"{split.hash}. Name the same data, with the same votes and cleaning list."
        )
    return dataset, split, taught


def _of_its_run(model: Bundle, dataset: Dataset) -> tuple[Split, Split]:
    """The split of a model's own run, if these are its data: of its head, and of all that its network learned from."""
    protocol = ProtocolSpec(**model.card.get("protocol", {}))
    heads = model.card.get("recipe", {}).get("heads") or [protocol.targets]
    return splits_of_run(dataset, protocol, heads, protocol.targets)


def _samples(split: Split, role: RoleName, model: Bundle, log: Callable[[Opening], None]) -> Samples:
    if role == "test":
        return split.test.open(by=model.identity, reason="evaluation of a bundle", log=log)
    return split.train if role == "train" else split.validation


def _familiar(
    model: Bundle, samples: Samples, split: Split | None, role: str, same: bool
) -> tuple[Familiar, NDArray[np.bool_]]:
    """What of the samples the model has seen, in numbers and one by one."""
    none = np.zeros(len(samples), dtype=bool)
    copies = copies_in_training(split) if role == "test" and split is not None else none
    if model.seen is None:
        return Familiar(False, 0, 0), copies
    hashes = _hashes(samples, model.crop_rule.size)
    learned, chosen = model.seen.learned_from(hashes), model.seen.chosen_with(hashes)
    # Near copies, where the protocol looks for them, are known within its own split alone.
    seen = learned | chosen | (copies if same else none)
    return Familiar(True, int(learned.sum()), int(chosen.sum())), seen


def _hashes(samples: Samples, size: int) -> NDArray[np.str_]:
    """Hashes of the images in the model's size and in gray: one size of the same data, or gray, knows another again."""
    if samples.images.shape[1:3] == (size, size):
        return samples.gray_hashes
    return hash_images(resize_crops(np.asarray(samples.images), size, "gray"))


def _answers(
    classifier: Classifier,
    images: NDArray[np.uint8],
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    answered: Callable[[int], None],
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """For images that were changed first, a batch after another: probabilities of the model's own labels, distances."""
    size, likeness = classifier.bundle.crop_rule.size, classifier.bundle.likeness
    rows, distances = [], []
    for start in range(0, len(images), _BATCH):
        block = np.asarray(images[start : start + _BATCH])
        crops = resize_crops(change(block), size)
        rows.append(classifier.predict(crops))
        if likeness is not None:
            distances.append(likeness.distances(crops))
        answered(len(block))
    return np.concatenate(rows), None if likeness is None else np.concatenate(distances)
