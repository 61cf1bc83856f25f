"""Expressions, groups of them, label sets, and the spellings of labels that are found in data sets.

A label is the *expression that people would call a face*, never a claim about what someone feels.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.arguments import checked
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


class Group(str):
    """A class that brings several expressions together under a name of its own, such as "positive".

    It is equal to its name. `members` are the expressions that it holds; empty where only the name is known.
    """

    __slots__ = ("members",)
    members: tuple[Expression, ...]

    def __new__(cls, name: str, members: Iterable[Expression] = ()) -> Group:
        """A group of these members (any order, repeats allowed)."""
        group = super().__new__(cls, name)
        group.members = tuple(sorted(set(members), key=_ORDER.__getitem__))
        return group

    def __getnewargs__(self) -> tuple[str, tuple[Expression, ...]]:  # type: ignore[override]  # for copies and other processes
        return str(self), self.members

    @property
    def value(self) -> str:
        """Its name, as an expression's."""
        return str(self)


Label: TypeAlias = Expression | Group

_ORDER = {expression: index for index, expression in enumerate(Expression)}


def _place(label: Label) -> tuple[int, str]:
    return (_ORDER[label], "") if isinstance(label, Expression) else (len(_ORDER), str(label))


def label_text(label: Label) -> str:
    """A label as records hold it: its name, and for a group its members.

    >>> label_text(Expression.FEAR), label_text(Group("good", [Expression.SURPRISE, Expression.HAPPINESS]))
    ('fear', 'good=happiness+surprise')
    """
    return f"{label}={'+'.join(label.members)}" if isinstance(label, Group) else label.value


def to_label(text: str) -> Label:
    """The label that `label_text` wrote: an expression by its own name, or a group.

    Raises:
        ValueError: it is neither.
    """
    name, equals, members = text.partition("=")
    return Group(name, map(Expression, filter(None, members.split("+")))) if equals else Expression(text)


@dataclass(frozen=True)
class LabelSet:
    """An ordered set of classes; the index of a class in it is its class number.

    Attributes:
        name: "six", "seven", "eight", or "custom" for any other choice.
        expressions: the expressions, in canonical order, then the groups of expressions by name; without repeats.
    """

    name: str
    expressions: tuple[Label, ...]

    @classmethod
    def of(cls, expressions: Iterable[Label]) -> LabelSet:
        """The label set of these classes (any order, repeats allowed), under its usual name."""
        ordered = tuple(sorted(dict.fromkeys(expressions), key=_place))
        for known in (SIX, SEVEN, EIGHT):
            if known.expressions == ordered:
                return known
        return cls("custom", ordered)

    @classmethod
    @checked()
    def named(cls, name: str) -> LabelSet:
        """The label set called "six", "seven" or "eight".

        Raises:
            DataError: the name is none of these.
        """
        for known in (SIX, SEVEN, EIGHT):
            if known.name == name:
                return known
        raise DataError(f"There is no label set {name!r}. {did_you_mean(name, ['six', 'seven', 'eight'])}")

    @classmethod
    @checked()
    def parse(cls, text: str) -> LabelSet:
        """The label set that a text asks for.

        Args:
            text: "six", "seven" or "eight"; or classes with commas between: expressions in any spelling that data sets
                have, and groups with their members, such as "neutral,good=happiness+surprise,bad=anger+fear+sadness".

        Raises:
            DataError: it names no expression, only one class, or an expression twice.
        """
        text = text.strip()
        if text in _NAMED:
            return cls.named(text)
        labels = [_parse_class(part.strip()) for part in text.split(",") if part.strip()]
        label_set = cls.of(labels)
        held = [e for label in labels for e in (label.members if isinstance(label, Group) else (label,))]
        twice = next((e.value for e in held if held.count(e) > 1), None)
        if twice or len(label_set) < len(labels):
            raise DataError(f"The labels {text!r} hold {twice or 'a class'} twice. Name each once.")
        if len(label_set) < 2:
            raise DataError(
                f"A label set needs at least two classes. Received: {text!r}. "
                "Expected six, seven, eight, or expressions with commas between, such as anger,happiness,neutral."
            )
        return label_set

    @property
    def text(self) -> str:
        """The text that `parse` reads as this set."""
        return self.name if self.name in _NAMED else ",".join(map(label_text, self.expressions))

    def __repr__(self) -> str:
        return f"<labels {self.name}: {', '.join(map(label_text, self.expressions))}>"

    def index(self, expression: Label) -> int:
        """The class number of a class; ValueError when it is not in the set."""
        return self.expressions.index(expression)

    def holding(self, label: Label) -> int | None:
        """The class number of what a label counts as here: itself, or the group that it is a member of; else None."""
        if label in self.expressions:
            return self.expressions.index(label)
        if isinstance(label, Group):  # a group counts as another one when that holds all of it
            whole = [n for n, e in enumerate(self.expressions) if label.members and set(label.members) <= _held(e)]
            return whole[0] if whole else None
        return next((number for number, e in enumerate(self.expressions) if label in _held(e)), None)

    def __len__(self) -> int:
        return len(self.expressions)

    def __contains__(self, expression: object) -> bool:
        return expression in self.expressions


Labels: TypeAlias = str | LabelSet | Sequence[str] | Mapping[str, str | Sequence[str]]


def labels_text(labels: Labels) -> str:
    """What a caller of Python says of labels, as the text that `LabelSet.parse` reads.

    Args:
        labels: that text; a label set; names; or names with what belongs to each: {"good": ["happy", "surprise"]}.

    >>> labels_text(["happy", "neutral"])
    'happy,neutral'
    >>> labels_text({"neutral": "neutral", "good": ["happy", "surprise"]})
    'neutral,good=happy+surprise'

    Raises:
        DataError: it is something else.
    """
    if isinstance(labels, str):
        return labels
    if isinstance(labels, LabelSet):
        return labels.text
    names = _names(labels)
    if not isinstance(labels, Mapping):
        return ",".join(label_text(name) if isinstance(name, Group) else name for name in names)
    parts = []
    for name, members in zip(names, map(_names, labels.values()), strict=True):
        alone = [find_expression(member) for member in members] == [find_expression(name)] != [None]
        parts.append(name if alone else f"{name}={'+'.join(members)}")
    return ",".join(parts)


def _names(said: str | Iterable[str]) -> list[str]:
    names = [said] if isinstance(said, str) or not isinstance(said, Iterable) else list(said)
    if not all(isinstance(name, str) for name in names):
        raise DataError(
            "Labels are a text such as 'six' or 'happiness,neutral', names, or names with what belongs to each: "
            f"{{'good': ['happy', 'surprise']}}. Received: {said!r}."
        )
    return names


def _held(label: Label) -> set[Expression]:
    return {label} if isinstance(label, Expression) else set(label.members)


def _parse_class(text: str) -> Label:
    name, equals, members = (part.strip() for part in text.partition("="))
    if not equals:
        found = find_expression(text)
        if found is None:
            known = [*_NAMED, *(e.value for e in Expression)]
            raise UnknownLabelError(
                f"There is no expression and no label set {text!r}. {did_you_mean(text, known)} "
                "A group of expressions names its members: good=happiness+surprise."
            )
        return found
    return Group(
        _group_name(name), [parse_expression(member, where=f"the group {name}") for member in members.split("+")]
    )


def _group_name(name: str) -> str:
    if not name or find_expression(name) is not None:
        raise DataError(f"A group of expressions needs a name of its own, such as positive. Received: {name!r}.")
    return name


_SEVEN = tuple(expression for expression in Expression if expression is not Expression.CONTEMPT)
SIX = LabelSet("six", tuple(expression for expression in _SEVEN if expression is not Expression.DISGUST))
SEVEN = LabelSet("seven", _SEVEN)
EIGHT = LabelSet("eight", tuple(Expression))
_NAMED = ("six", "seven", "eight")

# One table for every reader. Keys are as `plain_letters` writes them. Sources: FER2013 and its Kaggle copies
# ("Suprise"), FER+, RAF-DB, AffectNet, CK+, JAFFE (two-letter codes) and ExpW; then, where a word means no other
# expression in another of them, Spanish, Portuguese, French, Italian and German, noun and adjective.
SPELLINGS: dict[str, Expression] = {
    spelling: expression
    for expression, spellings in {
        Expression.ANGER: "anger angry an ang mad "
        "ira enojo enojado enfado enfadado raiva colere rabbia arrabbiato wut wutend zorn zornig arger argerlich",
        Expression.DISGUST: "disgust disgusted disgusting disgusts di dis asco disgusto nojo repulsa degout ekel",
        Expression.FEAR: "fear fearful afraid scared fe fea miedo temor medo peur paura angst angstlich furcht",
        Expression.HAPPINESS: "happiness happy happines hapiness joy joyful smile ha hap "
        "felicidad feliz alegria alegre felicidade joie joyeux heureux gioia felice felicita freude glucklich frohlich",
        Expression.SADNESS: "sadness sad saddness unhappy sa "
        "tristeza triste tristesse tristezza trauer traurig traurigkeit",
        Expression.SURPRISE: "surprise surprised suprise suprised surpise surprize su sur "
        "sorpresa sorprendido surpresa surpreso surpris sorpreso uberraschung uberrascht",
        Expression.NEUTRAL: "neutral neutrality natural normal calm ne neu neutro neutralidad neutre neutrale",
        Expression.CONTEMPT: "contempt contemptuous contemp desprecio desprezo mepris disprezzo verachtung",
    }.items()
    for spelling in spellings.split()
}


def find_expression(text: str) -> Expression | None:
    """The expression that a spelling stands for, or None. Case, accents, digits, blanks and punctuation do not count.

    >>> find_expression("Suprise"), find_expression("03_happy"), find_expression("Alegría"), find_expression("selfies")
    (<Expression.SURPRISE: 'surprise'>, <Expression.HAPPINESS: 'happiness'>, <Expression.HAPPINESS: 'happiness'>, None)
    """
    return SPELLINGS.get(plain_letters(text))


def plain_letters(text: str) -> str:
    """A text as words are looked up: its letters alone, small and without accents.

    >>> plain_letters("03_Überraschung!")
    'uberraschung'
    """
    letters = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in letters.lower() if letter.isalpha())


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


def shared_labels(model: LabelSet, data: LabelSet) -> LabelSet:
    """The classes that a model can answer for and that a data set has, by the data set's names where groups differ.

    Raises:
        DataError: they share fewer than two.
    """
    # The coarser of the two decides: groups of the model where the data set's classes are members of them, and the data
    # set's own classes where the model can give them.
    known = [label for label in data.expressions if _columns(label, model)]
    held = {n for label in data.expressions if (n := model.holding(label)) is not None}
    coarse = [model.expressions[number] for number in sorted(held)]
    best = max((known, coarse), key=len)
    if len(best) < 2:
        raise DataError(
            f"The model answers for {', '.join(model.expressions)}, and the data have {', '.join(data.expressions)}: "
            f"they share {len(best) or 'none'}. A measurement needs at least two classes that both know."
        )
    return LabelSet.of(best)


def _columns(label: Label, source: LabelSet) -> list[int]:
    """The columns of a label set whose sum is the probability of a label; none where it cannot be told."""
    if label in source:
        return [source.index(label)]
    members = set(label.members) if isinstance(label, Group) else set()
    return [n for n, e in enumerate(source.expressions) if _held(e) and _held(e) <= members]


def project(probabilities: NDArray[np.floating], source: LabelSet, target: LabelSet) -> NDArray[np.float64]:
    """Probabilities over one label set as probabilities over another: what is not there is dropped, the rest is scaled.

    The probability of a group is the sum of those of its members.

    Args:
        probabilities: shape (N, len(source)), each row non-negative.
        source: the label set of the columns.
        target: the label set wanted; each of its expressions must be in `source`, and of each group a member.

    Returns:
        Shape (N, len(target)), float64, rows summing to 1. A row with no mass left becomes uniform.

    Raises:
        DataError: `target` has an expression that `source` lacks, or the shapes differ.
    """
    columns = [_columns(label, source) for label in target.expressions]
    missing = [label.value for label, found in zip(target.expressions, columns, strict=True) if not found]
    if missing:
        raise DataError(
            f"A model of {len(source)} expressions cannot answer for {', '.join(missing)}. "
            f"It knows: {', '.join(e.value for e in source.expressions)}."
        )
    if probabilities.ndim != 2 or probabilities.shape[1] != len(source):
        raise DataError(f"Expected probabilities of shape (N, {len(source)}). Received: {probabilities.shape}.")
    values = np.asarray(probabilities, dtype=np.float64)
    kept = np.stack([values[:, found].sum(axis=1) for found in columns], axis=1)
    mass = kept.sum(axis=1, keepdims=True)
    projected = np.full_like(kept, 1.0 / len(target))
    np.divide(kept, mass, out=projected, where=mass > 0)
    return projected


def share_kept(probabilities: NDArray[np.floating], source: LabelSet, target: LabelSet) -> NDArray[np.float64]:
    """Of probabilities over one label set, the share that `project` keeps for another: shape (N,), 0 to 1.

    What `project` gives, times this share, are the probabilities among all labels of the source.
    """
    columns = sorted({column for label in target.expressions for column in _columns(label, source)})
    kept: NDArray[np.float64] = np.asarray(probabilities, dtype=np.float64)[:, columns].sum(axis=1)
    return kept
