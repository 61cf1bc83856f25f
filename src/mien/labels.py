"""Expressions, label sets, and the spellings of labels that are found in data sets.

A label is the *expression that people would call a face*, never a claim about what someone feels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, UnknownLabelError, did_you_mean


class Expression(StrEnum):
    """The eight expressions, in mien's canonical order: FER2013's seven in FER2013's order, then contempt."""

    ANGER = "anger"
    DISGUST = "disgust"
    FEAR = "fear"
    HAPPINESS = "happiness"
    SADNESS = "sadness"
    SURPRISE = "surprise"
    NEUTRAL = "neutral"
    CONTEMPT = "contempt"


_ORDER = {expression: index for index, expression in enumerate(Expression)}


@dataclass(frozen=True)
class LabelSet:
    """An ordered set of expressions; the index of an expression in it is its class number.

    Attributes:
        name: "six", "seven", "eight", or "custom" for any other choice.
        expressions: the expressions, in canonical order, without repeats.
    """

    name: str
    expressions: tuple[Expression, ...]

    @classmethod
    def of(cls, expressions: Iterable[Expression]) -> LabelSet:
        """The label set of these expressions (any order, repeats allowed), under its usual name."""
        ordered = tuple(sorted(set(expressions), key=_ORDER.__getitem__))
        for known in (SIX, SEVEN, EIGHT):
            if known.expressions == ordered:
                return known
        return cls("custom", ordered)

    @classmethod
    def named(cls, name: str) -> LabelSet:
        """The label set called "six", "seven" or "eight".

        Raises:
            DataError: the name is none of these.
        """
        for known in (SIX, SEVEN, EIGHT):
            if known.name == name:
                return known
        raise DataError(f"There is no label set {name!r}. {did_you_mean(name, ['six', 'seven', 'eight'])}")

    def index(self, expression: Expression) -> int:
        """The class number of an expression; ValueError when it is not in the set."""
        return self.expressions.index(expression)

    def __len__(self) -> int:
        return len(self.expressions)

    def __contains__(self, expression: object) -> bool:
        return expression in self.expressions


_SEVEN = tuple(expression for expression in Expression if expression is not Expression.CONTEMPT)
SIX = LabelSet("six", tuple(expression for expression in _SEVEN if expression is not Expression.DISGUST))
SEVEN = LabelSet("seven", _SEVEN)
EIGHT = LabelSet("eight", tuple(Expression))

# One table for every reader. Keys are lower case, with only letters. Sources: FER2013 and its Kaggle copies
# ("Suprise"), FER+, RAF-DB, AffectNet, CK+, JAFFE (two-letter codes) and ExpW.
SPELLINGS: dict[str, Expression] = {
    spelling: expression
    for expression, spellings in {
        Expression.ANGER: "anger angry an ang mad",
        Expression.DISGUST: "disgust disgusted disgusting disgusts di dis",
        Expression.FEAR: "fear fearful afraid scared fe fea",
        Expression.HAPPINESS: "happiness happy happines hapiness joy joyful smile ha hap",
        Expression.SADNESS: "sadness sad saddness unhappy sa",
        Expression.SURPRISE: "surprise surprised suprise suprised surpise surprize su sur",
        Expression.NEUTRAL: "neutral neutrality natural normal calm ne neu",
        Expression.CONTEMPT: "contempt contemptuous contemp",
    }.items()
    for spelling in spellings.split()
}


def find_expression(text: str) -> Expression | None:
    """The expression that a spelling stands for, or None. Case, digits, blanks and punctuation do not count.

    >>> find_expression("Suprise"), find_expression("03_happy"), find_expression("selfies")
    (<Expression.SURPRISE: 'surprise'>, <Expression.HAPPINESS: 'happiness'>, None)
    """
    return SPELLINGS.get("".join(character for character in text.lower() if character.isalpha()))


def parse_expression(text: str, *, where: str = "") -> Expression:
    """The expression that a spelling stands for.

    Args:
        text: a label as found in a data set.
        where: the place it was found in, for the message.

    Raises:
        UnknownLabelError: the spelling is not in the table; the message names the nearest one.
    """
    found = find_expression(text)
    if found is None:
        place = f" in {where}" if where else ""
        raise UnknownLabelError(
            f"Unknown expression label {text!r}{place}. {did_you_mean(text, [e.value for e in Expression])}"
        )
    return found


def project(probabilities: NDArray[np.floating], source: LabelSet, target: LabelSet) -> NDArray[np.float64]:
    """Probabilities over one label set as probabilities over another: drop what is not there and renormalise.

    Args:
        probabilities: shape (N, len(source)), each row non-negative.
        source: the label set of the columns.
        target: the label set wanted; each of its expressions must be in `source`.

    Returns:
        Shape (N, len(target)), float64, rows summing to 1. A row with no mass left becomes uniform.

    Raises:
        DataError: `target` has an expression that `source` lacks, or the shapes differ.
    """
    missing = [e.value for e in target.expressions if e not in source]
    if missing:
        raise DataError(
            f"A model of {len(source)} expressions cannot answer for {', '.join(missing)}. "
            f"It knows: {', '.join(e.value for e in source.expressions)}."
        )
    if probabilities.ndim != 2 or probabilities.shape[1] != len(source):
        raise DataError(f"Expected probabilities of shape (N, {len(source)}). Received: {probabilities.shape}.")
    kept = np.asarray(probabilities, dtype=np.float64)[:, [source.index(e) for e in target.expressions]]
    mass = kept.sum(axis=1, keepdims=True)
    projected = np.full_like(kept, 1.0 / len(target))
    np.divide(kept, mass, out=projected, where=mass > 0)
    return projected
