"""How common the expressions are: in what a model learned from, and where its answers are to hold.

A model's probabilities contain how common each expression was among its training faces. Where they are as common in
another way, and only where that is known and said, Bayes' rule takes the one out and puts the other in. Nothing here
guesses: shares that were estimated from the answers themselves (by expectation maximisation) diverged on all foreign
sets that were tried.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.bundle import Bundle
from mien.errors import BundleError, DataError, UnknownLabelError, did_you_mean
from mien.files import parse_json
from mien.labels import Group, Label, LabelSet, find_expression, project

TRAINING, UNIFORM = "training", "uniform"
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Prior:
    """How common the classes are said to be.

    Attributes:
        name: "training", as among the model's training faces, so that its answers stay as they are; "uniform", all
            equally common; or the name of the file that gives the shares.
        shares: of the classes by name, as the file has them; empty for the other two.
    """

    name: str
    shares: Mapping[str, float]

    @property
    def is_training(self) -> bool:
        """Whether it leaves a model's answers as they are."""
        return self.name == TRAINING and not self.shares

    def to_json(self) -> Any:
        """The prior as plain JSON values: its name, or the shares of its file."""
        return dict(self.shares) if self.shares else self.name

    def __str__(self) -> str:
        said = " ".join(f"{name} {value:g}" for name, value in self.shares.items())
        return f"{self.name} ({said})" if said else self.name

    def of(self, label_set: LabelSet) -> NDArray[np.float64]:
        """The shares of these classes, shape (K,), summing to 1; not for "training".

        Raises:
            DataError: the file does not name one of the classes, names another one, or gives all of them none.
        """
        if not self.shares:
            return np.full(len(label_set), 1 / len(label_set))
        given: dict[str, float] = {}
        for name, share in self.shares.items():
            if _name(name) in given:
                raise DataError(f"The prior {self.name} gives {_name(name)} a share twice, once as {name}.")
            given[_name(name)] = share
        shares = np.array([_share(label, given, self.name) for label in label_set.expressions])
        known = {label.value for label in label_set.expressions}
        known |= {
            member.value for label in label_set.expressions if isinstance(label, Group) for member in label.members
        }
        unknown = [name for name in given if name not in known]
        if unknown:
            raise DataError(
                f"The prior {self.name} gives a share to {', '.join(unknown)}, which is none of the classes. "
                f"Expected: {', '.join(label_set.expressions)}."
            )
        if not (shares > 0).any():
            raise DataError(f"The prior {self.name} gives no class a share above 0.")
        shares = shares / shares.max()  # first, so that no sum is too large for a number
        return np.asarray(shares / shares.sum(), dtype=np.float64)

    def adjust(self, probabilities: NDArray[np.float64], bundle: Bundle, label_set: LabelSet) -> NDArray[np.float64]:
        """What a model answers where the classes are as common as this says.

        Args:
            probabilities: shape (N, K), rows sum to 1, of the classes.
            bundle: the model.
            label_set: the classes, each of the model or a group of its own.

        Raises:
            BundleError: nobody knows how common they were among the model's training faces.
            DataError: the file's shares do not fit the classes.
        """
        if self.is_training:
            return probabilities
        return adjust_prior(probabilities, training_prior(bundle, label_set), self.of(label_set))


def read_prior(said: str | Path | Mapping[str, float] | Prior) -> Prior:
    """The prior that is said: "training", "uniform", or a share for each class.

    Args:
        said: a word; the shares, {"anger": 0.1, ...}; or a file of JSON like them or of lines "anger,0.1". Shares need
            not sum to 1.

    Raises:
        DataError: it is neither, or a share is not a number from 0 on.
    """
    if isinstance(said, Prior):
        return said
    if said in (TRAINING, UNIFORM):
        return Prior(str(said), {})
    if isinstance(said, Mapping):
        return _checked("given", said.items())
    if not isinstance(said, (str, os.PathLike)):
        raise DataError(
            f"A prior is 'training', 'uniform', a file, or a share for each class by name: {{'anger': 0.1, ...}}. "
            f"Received: {type(said).__name__}."
        )
    path = Path(said)
    if not path.is_file():
        raise DataError(
            f"There is no prior {str(said)!r}. {did_you_mean(str(said), [TRAINING, UNIFORM])} "
            "Or name a file of lines such as anger,0.1."
        )
    if path.stat().st_size > _LARGEST_FILE:
        raise DataError(f"{path} is too large for the shares of a few classes.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _rows_of(text)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"The prior {path} cannot be read: {error}.") from error
    return _checked(path.name, rows)


def _checked(name_of: str, rows: Iterable[tuple[str, Any]]) -> Prior:
    shares: dict[str, float] = {}
    for name, value in rows:
        try:
            share = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            share = math.nan
        if not 0 <= share < math.inf or name in shares:
            raise DataError(
                f"The prior {name_of} needs a share from 0 on for each class, once. Received: {name} = {value!r}."
            )
        shares[name] = share
    if not shares:
        raise DataError(f"The prior {name_of} names no class. Expected a share for each, such as anger,0.1.")
    return Prior(name_of, shares)


def _rows_of(text: str) -> list[tuple[str, Any]]:
    if text.lstrip().startswith("{"):
        value = parse_json(text, names_once=True)
        return [(str(name), share) for name, share in value.items()]
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
    if rows and len(rows[0]) == 2 and _is_head(rows[0]):
        rows = rows[1:]
    if any(len(row) != 2 for row in rows):
        raise ValueError("a line is not a class and its share, such as anger,0.1")
    return [(row[0], row[1]) for row in rows]


def _is_head(row: list[str]) -> bool:
    return find_expression(row[0]) is None and not row[1].replace(".", "", 1).isdigit()


def training_prior(bundle: Bundle, label_set: LabelSet) -> NDArray[np.float64]:
    """How common the classes were among a model's training faces, as far as its answers still contain it.

    From the counts on its card; where the export made common expressions less preferred (`adjusted_for_prior`), shares
    to the power that is left.

    Args:
        bundle: the model.
        label_set: the classes, each of the model or a group of its own.

    Returns:
        Shape (K,), summing to 1.

    Raises:
        BundleError: the card does not say it.
    """
    images = bundle.card.get("images")
    counts = images.get("train") if isinstance(images, Mapping) else None
    power = bundle.card.get("adjusted_for_prior", 0.0)
    try:
        if not isinstance(counts, Mapping):
            raise TypeError
        shares = np.array([float(counts[label.value]) for label in bundle.label_set.expressions])
        if not (shares > 0).all() or not np.isfinite(shares).all():
            raise ValueError
        left = (shares / shares.sum()) ** (1 - float(power))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"The card of {bundle.name} does not say how many training images it had of each expression, so that no "
            "other prior can take their place. Leave the prior out (training)."
        ) from error
    kept: NDArray[np.float64] = project((left / left.sum())[np.newaxis], bundle.label_set, label_set)[0]
    return kept


def adjust_prior(
    probabilities: NDArray[np.floating], prior_train: NDArray[np.floating], prior_target: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The probabilities that a network would give had the classes been as common as in `prior_target`.

    Bayes' rule with another prior. A uniform target prior favours rare classes, and balanced accuracy with them
    (logit adjustment); the price is paid in accuracy.

    Source: Saerens, Latinne & Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities",
    Neural Computation 14, 2002; Menon et al., "Long-tail learning via logit adjustment", ICLR 2021.

    Args:
        probabilities: shape (N, K), rows sum to 1.
        prior_train: shape (K,), positive, sums to 1: shares of the classes in the training role.
        prior_target: shape (K,), non-negative, sums to 1: the shares wanted.

    Returns:
        Shape (N, K), float64, rows sum to 1.

    Raises:
        DataError: a prior is not a distribution over the classes, or a class has no share of the training role.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    if given.ndim != 2 or not np.isfinite(given).all():
        raise DataError(f"Expected finite probabilities of shape (N, K). Received: shape {given.shape}.")
    train, target = (np.asarray(prior, dtype=np.float64) for prior in (prior_train, prior_target))
    for name, prior in (("training", train), ("target", target)):
        if prior.shape != given.shape[1:] or not (prior >= 0).all() or not np.isclose(prior.sum(), 1.0, atol=1e-6):
            raise DataError(f"Expected a {name} prior of {given.shape[1]} shares that sum to 1. Received: {prior}.")
    if not (train > 0).all():
        raise DataError(f"Every class needs a share above 0 in the training prior. Received: {train}.")
    weighed = given * (target / train)
    mass = weighed.sum(axis=1, keepdims=True)
    # A row whose whole mass lies on classes that the target prior excludes falls back to that prior.
    adjusted = np.tile(target, (len(given), 1))
    np.divide(weighed, mass, out=adjusted, where=mass > 0)
    return adjusted


def _name(text: str) -> str:
    found = find_expression(text)
    return text.strip() if found is None else found.value


def _share(label: Label, given: Mapping[str, float], name: str) -> float:
    """The share of a class; of a group that is not named itself, that of its members together."""
    if label.value in given:
        return given[label.value]
    if isinstance(label, Group) and label.members and all(member.value in given for member in label.members):
        return sum(given[member.value] for member in label.members)
    raise UnknownLabelError(f"The prior {name} gives no share to {label.value}. Every class needs one, 0 or more.")
