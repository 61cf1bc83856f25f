"""Answers of models that mien did not train, brought into a store as runs."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.api.training import Run
from mien.arguments import checked
from mien.datasets.dataset import Dataset, Role
from mien.datasets.protocol import Opening, ProtocolSpec, Samples, apply_protocol, copies_in_training
from mien.datasets.reading import as_dataset
from mien.datasets.spec import DataSpec
from mien.errors import DataError
from mien.evaluation.evaluate import pack_predictions
from mien.files import canonical_json, read_npz
from mien.inference.classifier import softmax
from mien.labels import (
    Expression,
    Group,
    Label,
    LabelSet,
    find_expression,
    labels_text,
    parse_expression,
    plain_letters,
)
from mien.study.record import RunRecord, RunStatus, data_facts
from mien.study.store import Store

Kind = Literal["probabilities", "logits", "labels"]

UNKNOWN = {
    "seen images": "Which images the model learned from is unknown: some of these may be among them.",
    "preprocessing": "How the images were prepared for the model is unknown to mien.",
    "network": "Parameters, depth and cost are unknown.",
}
# Sums of rounded probabilities stray: two decimals and seven classes give up to 0.035.
_STRAY = 0.05
_LARGEST_ANSWERS = 4 * 2**30
# What people call a column of answers, blanks and underscores left out, and one of labels that may be answers.
_ANSWER_COLUMNS = ("answer", "answers", "prediction", "predictions", "predicted", "predictedlabel", "pred", "output")
_LABEL_COLUMNS = ("label", "emotion", "expression")
_PROBABILITY = "probability:"  # before the classes in the tables of `mien evaluate`
_ID_COLUMNS = ("id", "ids", "image", "path", "file", "file_name", "filename")


@checked("answers", "data", "labels")
def foreign_run(
    name: str,
    answers: ArrayLike,
    data: Dataset | DataSpec | Path | str,
    *,
    role: Literal["validation", "test"] = "test",
    kind: Kind | None = None,
    labels: Sequence[str] | LabelSet | None = None,
    ids: Sequence[str] | None = None,
    protocol: ProtocolSpec | None = None,
    known: Mapping[str, str] | None = None,
    log: Callable[[Opening], None] = lambda opening: None,
    **keys: Any,
) -> RunRecord:
    """A record of another model's answers for a role of a data set; `Store.add` puts it beside mien's own runs.

    Args:
        name: what the model is called, in tables and reports.
        answers: shape (N, K): probabilities or logits, one column for each label; or shape (N,): the names of the
            labels that were answered, or their numbers in `labels`.
        data: the data set, or what `mien.read` takes.
        role: which images were answered.
        kind: what the answers are; None to tell by their form. Numbers that are no probabilities must be called logits.
        labels: the model's labels in the order of its columns or numbers. Nothing is assumed: without it only names
            are taken.
        ids: shape (N,): the image of each answer, as `Dataset.ids` names it. Without it the answers are in the order of
            the role, and must be as many.
        protocol: roles, label set and targets; by default those of the data set.
        known: what is known of the model, in words, by heading. What mien cannot know is "seen images" (what it learned
            from), "preprocessing" and "network"; a heading that is named here is not among what a report calls unknown.
        log: is told when test labels are opened.
        **keys: keys of `DataSpec`, where `data` is a path.

    Raises:
        DataError: the order of the labels is not said, the answers do not fit the images, or an image is missing.
    """
    dataset = as_dataset(data, **keys)
    protocol = protocol or ProtocolSpec()
    split = apply_protocol(dataset, protocol, trained=False)
    probabilities, order, found = _probabilities(np.asarray(answers), kind, labels, split.label_set)
    missing = [e.value for e in split.label_set.expressions if e not in order]
    if missing:
        raise DataError(
            f"{name} has no answer for {', '.join(missing)}. It knows: {', '.join(e.value for e in order)}. Leave the "
            "others out: ProtocolSpec(labels=...), or --label-set."
        )
    known_by = {"foreign": name, "split": split.hash, "role": role, "labels": [e.value for e in order]}
    content = canonical_json(known_by).encode() + np.ascontiguousarray(probabilities).tobytes()
    identity = hashlib.sha256(content).hexdigest()[:12]
    if role == "test":
        samples: Samples = split.test.open(by=identity, reason=f"answers of {name}", log=log)
        copies = copies_in_training(split)
    elif role == "validation":
        samples, copies = split.validation, np.zeros(len(split.validation), dtype=bool)
    else:
        raise DataError(f"role is 'validation' or 'test'. Received: {role!r}.")
    if not len(samples):
        raise DataError(f"{dataset.name} has no {role} images under this protocol. Name the role that was answered.")
    rows = _rows(samples, ids, len(probabilities), name, role)
    own = LabelSet.of(order)
    columns = probabilities[rows][:, [order.index(expression) for expression in own.expressions]]
    predictions = pack_predictions(
        columns,
        own,
        split.label_set,
        labels=samples.labels,
        targets=samples.targets,
        ids=samples.ids,
        copies=copies,
        groups=samples.groups,
    )
    facts = data_facts(dataset, split)
    tally = np.bincount(samples.labels, minlength=len(split.label_set))
    facts["counts"] = {
        **facts["counts"],
        role: {e.value: int(n) for e, n in zip(split.label_set.expressions, tally, strict=True)},
    }
    unknown = {heading: text for heading, text in UNKNOWN.items() if heading not in (known or {})}
    if found == "labels":
        unknown["probabilities"] = "It gave labels alone: losses and calibration say nothing of it."
    if len(probabilities) > len(rows):
        unknown["other answers"] = (
            f"{len(probabilities) - len(rows):,} of its {len(probabilities):,} answers are for no image of the {role} "
            "role, and do not count."
        )
    said: dict[str, Any] = {"name": name, "answers": found, "labels": [e.value for e in order], "unknown": unknown}
    if known:
        said["known"] = dict(known)
    return RunRecord(
        id=identity,
        status=RunStatus.COMPLETE,
        reason=None,
        recipe={},
        protocol=asdict(protocol),
        data=facts,
        label_set=split.label_set,
        readouts=(1,),
        chosen=(1,),
        predictions={(1, Role(role)): predictions},
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        foreign=said,
    )


@checked("data")
def import_answers(
    name: str,
    answers: Path | str,
    data: Dataset | DataSpec | Path | str,
    store: Store | Path | str = "stores/imported",
    *,
    role: Literal["validation", "test"] = "test",
    kind: Kind | None = None,
    labels: Sequence[str] | None = None,
    label_set: str = "dataset",
    roles: str = "auto",
    targets: str = "labels",
    **keys: Any,
) -> Run:
    """Put another model's answers, from a file, into a store as a run that was not trained here; see `foreign_run`.

    Args:
        name: what the model is called, in tables and reports.
        answers: a .csv or .npz; see `read_answers`.
        data: the data set, or what `read_dataset` takes.
        store: where the run goes; made where needed. It logs that test labels were opened.
        role: which images were answered.
        kind: what the answers are; None to tell by their form.
        labels: the model's labels in the order of its columns; None for what the file says.
        label_set: label set, as in a protocol.
        roles: where roles come from, as in a protocol.
        targets: what counts as right, as in a protocol.
        **keys: keys of `DataSpec`, where `data` is a path.

    Raises:
        DataError: the file or the data cannot be read, or do not fit each other.
        StoreError: the store cannot be written to.
    """
    values, order, ids = read_answers(Path(answers))

    def place() -> Store:
        """Made when there is something to put into it, and not for answers that are refused."""
        return Store.create(store.folder if isinstance(store, Store) else Path(store))

    record = foreign_run(
        name,
        values,
        data,
        role=role,
        kind=kind,
        labels=order if labels is None else labels,
        ids=ids,
        protocol=ProtocolSpec(labels=label_set, roles=roles, targets=targets),
        log=lambda opening: place().log_opening(opening),
        **keys,
    )
    kept = place()
    kept.add(record)
    return Run(record, kept.run_folder(record.id))


def read_answers(path: Path) -> tuple[NDArray[Any], list[str] | None, list[str] | None]:
    """Read answers from a file.

    Args:
        path: a CSV with a line of names: one column for each label (happiness, or probability:happiness as in the table
            of `mien evaluate`), or one column answer or label, and perhaps one of ids; or an .npz with the array
            probabilities, logits, labels or answers, and perhaps ids and classes.

    Returns:
        Answers, the order of the labels where the file says it, and the ids where it has them: see `foreign_run`.

    Raises:
        DataError: the file cannot be read as either.
    """
    try:
        if path.suffix.lower() == ".npz":
            with path.open("rb") as file:
                return _from_arrays(read_npz(file, largest_bytes=_LARGEST_ANSWERS), path)
        return _from_table(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"The answers {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _from_arrays(
    arrays: dict[str, NDArray[Any]], path: Path
) -> tuple[NDArray[Any], list[str] | None, list[str] | None]:
    known = [name for name in ("probabilities", "logits", "answers", "labels") if name in arrays]
    if not known:
        raise DataError(
            f"{path} has no array probabilities, logits, labels or answers. Received: {', '.join(arrays) or 'none'}."
        )
    classes, ids = arrays.get("classes"), arrays.get("ids")
    return (
        arrays[known[0]],
        None if classes is None else [str(text) for text in classes.tolist()],
        None if ids is None else [str(text) for text in ids.tolist()],
    )


def _from_table(text: str, path: Path) -> tuple[NDArray[Any], list[str] | None, list[str] | None]:
    table = csv.DictReader(io.StringIO(text))
    names = [name.strip() for name in table.fieldnames or []]
    rows = []
    for row in table:
        if None in row or None in row.values():
            raise DataError(f"{path}, line {table.line_num}: expected {len(names)} cells, as the first line has.")
        rows.append({key.strip(): value.strip() for key, value in row.items()})
    ids = next((name for name in names if name.lower() in _ID_COLUMNS), None)
    found_ids = None if ids is None else [row[ids] for row in rows]
    words = {name: name.removeprefix(_PROBABILITY) for name in names if name != ids}
    # A column without a number is of a class that the model does not know: `mien predict` has one for contempt. What is
    # called a probability is one of a group where its name is no expression's.
    columns = {
        name: word
        for name, word in words.items()
        if (name != word or find_expression(word) is not None) and (not rows or any(row[name] for row in rows))
    }
    if columns:
        numbers = [
            [_number(row[name], f"{path}, row {n}: {name}") for name in columns] for n, row in enumerate(rows, 1)
        ]
        return np.array(numbers), [*columns.values()], found_ids
    # Beside a column of answers, one of labels says what is right.
    called = [[name for name in names if plain_letters(name) in known] for known in (_ANSWER_COLUMNS, _LABEL_COLUMNS)]
    answers = called[0] or called[1]
    if not answers:
        raise DataError(
            f"{path} has neither a column for each expression nor one called answer or label. Received: "
            f"{', '.join(names)}."
        )
    if len(answers) > 1:
        raise DataError(
            f"Any of the columns {', '.join(answers)} of {path} may hold the answers. Call that one answer."
        )
    return np.array([row[answers[0]] for row in rows]), None, found_ids


def _number(cell: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise DataError(f"{where} is {cell[:40]!r}, which is no number.") from None


def _probabilities(
    answers: NDArray[Any], kind: Kind | None, labels: Sequence[str] | LabelSet | None, label_set: LabelSet
) -> tuple[NDArray[np.float64], list[Label], Kind]:
    """The answers as probabilities, the expression of each column, and what they were given as."""
    order = None
    if kind not in (None, *get_args(Kind)):
        raise DataError(f"kind is one of {', '.join(get_args(Kind))}. Received: {kind!r}.")
    if answers.ndim and not len(answers):
        raise DataError("There are no answers. Expected one for each image of the role.")
    if labels is not None:
        named = labels.expressions if isinstance(labels, LabelSet) else labels
        if isinstance(named, str) or not isinstance(named, Sequence):
            named = labels_text(named).split(",")  # raises for what is neither a text nor names
        groups = {label.value: label for label in label_set.expressions if isinstance(label, Group)}
        order = [
            e if isinstance(e, (Expression, Group)) else groups.get(str(e)) or parse_expression(str(e), where="labels")
            for e in named
        ]
        if len(set(order)) < len(order):
            raise DataError(f"The labels name an expression twice: {', '.join(e.value for e in order)}.")
    if answers.ndim == 1:
        if kind not in (None, "labels"):
            raise DataError(f"Expected {kind} of shape (N, K). Received: {answers.shape}.")
        return _from_labels(answers, order, label_set)
    if answers.ndim != 2 or answers.dtype.kind not in "fiu" or not len(answers) or kind == "labels":
        raise DataError(
            "Expected answers of shape (N, K), numbers, or (N,), labels. "
            f"Received: {answers.shape}, {answers.dtype}{'' if kind is None else f', called {kind}'}."
        )
    if order is None:
        raise DataError(
            f"Which label do the {answers.shape[1]} columns stand for? Models differ in their order, and a wrong one "
            "looks plausible. Say it: labels=['anger', ...] in Python, --labels anger,... on the command line."
        )
    if len(order) != answers.shape[1]:
        raise DataError(f"{len(order)} labels were named and the answers have {answers.shape[1]} columns.")
    values = answers.astype(np.float64)
    with np.errstate(over="ignore"):
        large = np.isfinite(values).all() and not np.isfinite(values.sum(axis=1)).all()
    if large:
        raise DataError("The answers are no probabilities and no logits: rows sum to more than a number can hold.")
    if not np.isfinite(values).all():
        raise DataError(f"{int((~np.isfinite(values)).any(axis=1).sum()):,} answers hold what is no finite number.")
    sums = values.sum(axis=1)
    likely = bool((values >= 0).all() and (values <= 1 + 1e-6).all() and (np.abs(sums - 1) <= _STRAY).all())
    if kind is None and not likely:
        raise DataError(
            f"The answers are no probabilities: rows sum to {sums.min():.3g} to {sums.max():.3g}. If they are logits, "
            "say so: kind='logits', or --kind logits."
        )
    if kind == "probabilities" and not ((values >= 0).all() and (sums > 0).all()):
        raise DataError("Probabilities are not negative, and a row has more than 0. Received others.")
    if kind == "logits":
        return softmax(values), order, "logits"
    return values / sums[:, None], order, "probabilities"


def _from_labels(
    answers: NDArray[Any], order: list[Label] | None, label_set: LabelSet
) -> tuple[NDArray[np.float64], list[Label], Kind]:
    if answers.dtype.kind in "iu":
        if order is None:
            raise DataError(
                "The answers are numbers, and nothing says which labels they stand for: labels=[...], or --labels."
            )
        if answers.min() < 0 or answers.max() >= len(order):
            raise DataError(
                f"Numbers of labels lie in 0..{len(order) - 1}. Received: {answers.min()}..{answers.max()}."
            )
        numbers = answers.astype(np.int64)
    else:
        words = {
            text: parse_expression(text, where="the answers") for text in dict.fromkeys(map(str, answers.tolist()))
        }
        order = order or list(dict.fromkeys([*label_set.expressions, *words.values()]))
        strange = [text for text, expression in words.items() if expression not in order]
        if strange:
            raise DataError(f"The answer {strange[0]!r} is none of the labels that were named.")
        numbers = np.array([order.index(words[str(text)]) for text in answers.tolist()])
    return np.eye(len(order))[numbers], order, "labels"


def _rows(samples: Samples, ids: Sequence[str] | None, count: int, name: str, role: str) -> NDArray[np.int64]:
    """The answer of each sample."""
    if ids is None:
        if count != len(samples):
            raise DataError(
                f"{name} gave {count:,} answers, and the {role} role has {len(samples):,} images. Name the image of "
                "each answer with ids, or answer for all, in the order of the role."
            )
        return np.arange(count)
    if len(ids) != count:
        raise DataError(f"{count:,} answers and {len(ids):,} ids.")
    place = {text: row for row, text in enumerate(map(str, ids))}
    if len(place) < count:
        raise DataError(f"{count - len(place):,} ids occur more than once among the answers of {name}.")
    absent = [text for text in samples.ids.tolist() if text not in place]
    if absent:
        raise DataError(
            f"{name} has no answer for {len(absent):,} of {len(samples):,} images of the {role} role, the first is "
            f"{absent[0]!r}. Ids are named as `mien data describe` reads them. Answer for all images."
        )
    return np.array([place[text] for text in samples.ids.tolist()], dtype=np.int64)
