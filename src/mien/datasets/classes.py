"""What the labels of a data set stand for: words in any spelling or language, numbers, and groups of expressions.

Words are looked up in the one table of spellings (`mien.labels.SPELLINGS`). Numbers mean nothing by themselves: they
are read only where the form of the data, the counts of a published set, or the user says which order they count.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mien.datasets.dataset import Problem
from mien.errors import DataError, UnknownLabelError, did_you_mean
from mien.labels import Expression, Group, Label, find_expression
from mien.wording import count_text


@dataclass(frozen=True)
class Order:
    """An order in which published data count the expressions.

    Attributes:
        labels: the expressions by number.
        first: the number of the first of them.
        used_by: where it is found, for messages.
    """

    labels: tuple[Expression, ...]
    first: int
    used_by: str

    def of(self, number: int, first: int | None = None) -> Expression | None:
        """The expression that a number stands for, or None."""
        place = number - (self.first if first is None else first)
        return self.labels[place] if 0 <= place < len(self.labels) else None


def _order(words: str, used_by: str, first: int = 0) -> Order:
    labels = [find_expression(word) for word in words.split()]
    return Order(tuple(label for label in labels if label is not None), first, used_by)


ORDERS: dict[str, Order] = {
    "fer2013": _order("anger disgust fear happiness sadness surprise neutral contempt", "FER2013's table, ckextended"),
    "alphabetical": _order(
        "anger disgust fear happiness neutral sadness surprise",
        "the alphabet, as folders are counted by most libraries",
    ),
    "alphabetical-eight": _order(
        "anger contempt disgust fear happiness neutral sadness surprise", "the alphabet, with contempt"
    ),
    "affectnet": _order("neutral happiness sadness surprise fear disgust anger contempt", "AffectNet"),
    "raf-db": _order("surprise fear disgust happiness sadness anger neutral", "RAF-DB", first=1),
    "ck-plus": _order("neutral anger contempt disgust fear happiness sadness surprise", "CK+"),
}
_FIRST_READINGS = 2
_IDS_SHOWN = 3
# Up to this share of the rows, labels that nobody understands are slips, each listed; above, a class has no name.
_SLIPS = 0.01
_FEWEST_ROWS = 4
_LEAVE_OUT = ("", "-")


@dataclass(frozen=True)
class Classes:
    """What a user says of the labels of a data set; see `parse_classes`.

    Attributes:
        text: the same in one text, by which a record tells it.
        labels: for raw labels, as `_key` writes them, the class that each stands for; None for those to be left out.
        order: the name of a known order, or the classes of the numbers in turn; None where numbers are not named so.
    """

    text: str
    labels: Mapping[str, Label | None] = field(default_factory=dict)
    order: str | tuple[Label | None, ...] | None = None

    def knows(self, raw: str) -> bool:
        """Whether a word is named, so that a folder of that name holds a class."""
        return _key(raw) in self.labels

    def first(self, numbers: Iterable[int]) -> int:
        """The number from which the order counts, by the numbers that occur."""
        there = set(numbers)
        if isinstance(self.order, str):
            order = ORDERS[self.order]
            return 0 if 0 in there else order.first
        return 1 if self.order and 0 not in there and max(there, default=0) == len(self.order) else 0

    def by_number(self, number: int, first: int) -> tuple[bool, Label | None]:
        """Whether the order names a number, and the class."""
        if isinstance(self.order, str):
            label = ORDERS[self.order].of(number, first)
            return label is not None, label
        place = number - first
        if self.order is None or not 0 <= place < len(self.order):
            return False, None
        return True, self.order[place]


def parse_classes(value: str | Sequence[str] | Mapping[str, str]) -> Classes:
    """What `[data] classes` and `--classes` say.

    Args:
        value: one of

            * the name of a known order of numbers (`ORDERS`), such as "fer2013" or "alphabetical";
            * the names of the numbers in turn, "anger,disgust,sadness", or a list of them; numbers may count from 0 or
              from 1, as the data show;
            * what single labels stand for, "viha=anger,ilo=happiness,7=-", or a table of them. "-" leaves a class
              out. A name that is no expression is a group's, into which all of its labels are merged:
              "happy=positive,surprised=positive,sad=negative", or shorter "positive=happy+surprised,negative=sad".

    Raises:
        DataError: it is empty, a part is neither of these, or a name is nearly an expression.
    """
    if isinstance(value, Mapping):
        pairs = [(str(raw), str(name)) for raw, name in value.items()]
        return _parse_pairs(pairs)
    if isinstance(value, str):
        if value.strip().lower() in ORDERS:
            return Classes(value.strip().lower(), order=value.strip().lower())
        parts = [part.strip() for part in value.split(",")]
    elif isinstance(value, Iterable):
        parts = [str(part).strip() for part in value]
    else:
        raise DataError(f"classes is a text, names in turn, or a table. Received: {value!r}. {_expected()}")
    if not any(parts):
        raise DataError(f"classes names no class. {_expected()}")
    if any("=" in part for part in parts):
        bare = next((part for part in parts if part and "=" not in part), None)
        if bare is not None:
            raise DataError(f"classes says nothing of {bare!r}: write LABEL=CLASS for each. {_expected()}")
        return _parse_pairs([(part.partition("=")[0], part.partition("=")[2]) for part in parts if part])
    if len(parts) == 1 and find_expression(parts[0]) is None:
        raise DataError(f"There is no order of classes {parts[0]!r}. {did_you_mean(parts[0], ORDERS)} {_expected()}")
    return Classes(",".join(parts), order=tuple(_class(part) for part in parts))


def _parse_pairs(pairs: Sequence[tuple[str, str]]) -> Classes:
    raw_names: list[tuple[str, str]] = []
    for left, right in pairs:
        if "+" in right:  # a group with the labels that it brings together
            raw_names += [(part.strip(), left.strip()) for part in right.split("+")]
        else:
            raw_names.append((left.strip(), right.strip()))
    members: dict[str, list[Expression]] = defaultdict(list)
    for raw, name in raw_names:
        expression = find_expression(raw)
        if expression is not None:
            members[name].append(expression)
    labels: dict[str, Label | None] = {}
    for raw, name in raw_names:
        if not raw:
            raise DataError(f"classes names no label for {name!r}. {_expected()}")
        if _key(raw) in labels:
            raise DataError(f"classes names the label {raw!r} twice. Name each once.")
        labels[_key(raw)] = _class(name, members[name])
    if not labels:
        raise DataError(f"classes names no class. {_expected()}")
    return Classes(",".join(f"{raw}={name}" for raw, name in raw_names), labels)


def _class(name: str, members: Sequence[Expression] = ()) -> Label | None:
    if name in _LEAVE_OUT:
        return None
    found = find_expression(name)
    if found is not None:
        return found
    near = did_you_mean(name, [expression.value for expression in Expression])
    if near.startswith("Did you mean"):
        raise UnknownLabelError(f"classes names {name!r}, which is no expression. {near}")
    return Group(name, members)


def _expected() -> str:
    return (
        "Expected an order of numbers that mien knows "
        f"({', '.join(ORDERS)}), the names of the numbers in turn (anger,disgust,sadness), or what each label stands "
        "for (viha=anger,ilo=happiness,0=neutral)."
    )


def _key(raw: str) -> str:
    """A raw label as it is compared: without case, blanks around it and the ways to write one letter; 6.0 is 6."""
    text = unicodedata.normalize("NFC", raw).strip().casefold()
    number = as_number(text)
    return text if number is None else str(number)


def as_number(text: str) -> int | None:
    """The whole number that a label is, also as 6.0 or 06; None for anything else.

    >>> as_number("6.0"), as_number(" 3 "), as_number("03_happy"), as_number("6.5")
    (6, 3, None, None)
    """
    text = text.strip()
    whole, dot, rest = text.partition(".")
    if whole.isascii() and whole.isdigit() and len(whole) < 10 and not rest.strip("0"):
        return int(whole)
    return None


@dataclass(frozen=True)
class Named:
    """What the labels of samples stand for.

    Attributes:
        labels: for each sample its class; None where it is left out.
        notes: what was assumed or left out.
        problems: samples whose label nobody understands.
    """

    labels: list[Label | None]
    notes: list[str]
    problems: list[Problem]


def name_labels(
    raw: Sequence[Label | str],
    ids: Sequence[str],
    *,
    where: str,
    classes: Classes | None = None,
    order: str | None = None,
    order_note: str = "",
    by_counts: Callable[[Sequence[int | None]], str | None] | None = None,
) -> Named:
    """What each label stands for.

    Args:
        raw: labels, of which those that are no `Label` yet are as the data have them.
        ids: names of the samples.
        where: the data set, for messages.
        classes: what the user says.
        order: the order of the numbers, where the form of the data tells it.
        order_note: why, for the note.
        by_counts: the order that the counts of the numbers tell, given the number of each sample.

    Raises:
        UnknownLabelError: numbers of which nothing tells what they stand for, or a class whose name is no expression.
    """
    texts = {label for label in raw if not isinstance(label, (Expression, Group))}
    meaning: dict[str, Label | None] = {}
    notes: list[str] = []
    numbers: dict[str, int] = {}
    unknown: set[str] = set()
    for text in texts:
        if classes is not None and classes.knows(text):
            meaning[text] = classes.labels[_key(text)]
        elif (number := as_number(text)) is not None:
            numbers[text] = number
        elif (found := find_expression(text)) is not None:
            meaning[text] = found
        else:
            unknown.add(text)
    if numbers:
        unknown |= _name_numbers(raw, ids, numbers, meaning, notes, where, classes, order, order_note, by_counts)
    understood = {label for label in raw if isinstance(label, (Expression, Group))}
    understood |= {label for label in meaning.values() if label is not None}
    problems = _slips(raw, ids, unknown, where, few=len(understood) < 2)
    labels = [label if isinstance(label, (Expression, Group)) else meaning.get(label) for label in raw]
    left_out = Counter(
        str(label)
        for label in raw
        if not isinstance(label, (Expression, Group)) and label not in unknown and meaning[label] is None
    )
    if left_out:
        said = ", ".join(f"{label} ({count:,})" for label, count in sorted(left_out.items()))
        notes.append(f"left out, as classes says: {said}")
    return Named(labels, notes, problems)


def _name_numbers(
    raw: Sequence[Label | str],
    ids: Sequence[str],
    numbers: Mapping[str, int],
    meaning: dict[str, Label | None],
    notes: list[str],
    where: str,
    classes: Classes | None,
    order: str | None,
    order_note: str,
    by_counts: Callable[[Sequence[int | None]], str | None] | None,
) -> set[str]:
    """Fill in what numbers stand for; returns those that stand for nothing."""
    if classes is not None and classes.order is not None:
        first = classes.first(numbers.values())
        named = {text: classes.by_number(number, first) for text, number in numbers.items()}
        meaning |= {text: label for text, (known, label) in named.items() if known}
        notes.append(f"numbers named as classes says: {_list(_named_numbers(numbers, meaning))}")
        return {text for text, (known, _) in named.items() if not known}
    if classes is not None:
        return set(numbers)
    why = order_note
    if order is None and by_counts is not None:
        order = by_counts([numbers.get(label) if isinstance(label, str) else None for label in raw])
        why = "its counts are those of a published set"
    if order is None:
        raise UnknownLabelError(_readings(raw, ids, numbers, where))
    found = {text: ORDERS[order].of(number) for text, number in numbers.items()}
    meaning |= {text: label for text, label in found.items() if label is not None}
    if why:
        said = _list(_named_numbers(numbers, meaning))
        notes.append(f"labels are numbers, taken in the order of {order} since {why}: {said}; classes says otherwise")
    return {text for text, label in found.items() if label is None}


def _named_numbers(numbers: Mapping[str, int], meaning: Mapping[str, Label | None]) -> dict[int, str]:
    return {n: "-" if (label := meaning[t]) is None else label.value for t, n in numbers.items() if t in meaning}


def _list(named: Mapping[int, str]) -> str:
    return ", ".join(f"{number} {name}" for number, name in sorted(named.items()))


def are_slips(counts: Mapping[str, int], total: int) -> bool:
    """Whether words that nobody understands are slips, each to be listed: single ones among several, or up to 1 %."""
    most = max(counts.values())
    return sum(counts.values()) <= _SLIPS * total or (most == 1 and total >= _FEWEST_ROWS * sum(counts.values()))


def _slips(
    raw: Sequence[Label | str], ids: Sequence[str], unknown: set[str], where: str, *, few: bool
) -> list[Problem]:
    """Samples with a label that nobody understands: problems where they are slips, an error where they are a class."""
    if not unknown:
        return []
    rows = [n for n, label in enumerate(raw) if not isinstance(label, (Expression, Group)) and label in unknown]
    counts = Counter(str(raw[row]) for row in rows)
    if few or not are_slips(counts, len(raw)):
        word, count = counts.most_common(1)[0]
        if not word.strip():
            without = next(str(ids[row]) for row in rows if raw[row] == word)
            raise UnknownLabelError(
                f"{count_text(count, 'image')} of {where} have no label, first {without[:120]}. Give each one, or take "
                "those rows out of the table."
            )
        first = ", ".join(str(ids[row]) for row in rows[: 50 * _IDS_SHOWN] if raw[row] == word)[:120]
        known = did_you_mean(word, [expression.value for expression in Expression])
        others = f" ({len(counts):,} such labels in all)" if len(counts) > 1 else ""
        raise UnknownLabelError(
            f"Unknown expression label {word[:60]!r} in {where}: {count_text(count, 'image')}{others}, such as "
            f"{first}. {known} "
            f"classes says what a label stands for: --classes '{word[:60]}=anger', or '{word[:60]}=-' to leave it out."
        )
    reason = "Its label is {!r}, which is no expression that mien knows."
    return [Problem(str(ids[row]), reason.format(str(raw[row])[:60])) for row in rows]


def _readings(raw: Sequence[Label | str], ids: Sequence[str], numbers: Mapping[str, int], where: str) -> str:
    """Both readings of numbers that nothing names, with counts and pictures to look at, and the key that settles it."""
    there = set(numbers.values())
    fitting = [name for name, order in ORDERS.items() if all(_fits(order, there))]
    shown = fitting[:_FIRST_READINGS]
    rows: dict[int, list[str]] = defaultdict(list)
    counts: Counter[int] = Counter()
    for label, name in zip(raw, ids, strict=True):
        if isinstance(label, str) and label in numbers:
            number = numbers[label]
            counts[number] += 1
            if len(rows[number]) < _IDS_SHOWN:
                rows[number].append(str(name))
    lines = []
    for number in sorted(there):
        names = [_reading(name, number, there) for name in shown]
        said = "" if not names else " " + (names[0] if len(set(names)) == 1 else " or ".join(names))
        lines.append(f"  {number}:{said} ({count_text(counts[number], 'image')}: {', '.join(rows[number])})")
    if shown:
        orders = " or ".join(f"{name} ({ORDERS[name].used_by})" for name in shown)
        head = f"The labels of {where} are numbers, and they could count in the order {orders}"
        more = f", or as {', '.join(fitting[_FIRST_READINGS:])}" if len(fitting) > _FIRST_READINGS else ""
        head += f"{more}; nothing in the data tells which."
        ways = " or ".join(f"--classes {name}" for name in shown)
        way = f"Look at some of these images, then say it: {ways}, or the names in turn"
    else:
        head = f"The labels of {where} are numbers, and nothing says which expressions they stand for."
        way = "Say it: the names in turn"
    example = ",".join(["anger", "disgust", "…"])
    return "\n".join(
        [head, *lines, f"{way} (--classes {example}; in a study file classes in [data]; in Python classes=…)."]
    )


def _fits(order: Order, numbers: set[int]) -> Iterator[bool]:
    first = 0 if 0 in numbers else order.first
    return (order.of(number, first) is not None for number in numbers)


def _reading(name: str, number: int, there: set[int]) -> str:
    order = ORDERS[name]
    label = order.of(number, 0 if 0 in there else order.first)
    return "?" if label is None else label.value
