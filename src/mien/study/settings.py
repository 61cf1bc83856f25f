"""From plain TOML values to frozen dataclasses, with errors that name the key, its line and the nearest right word."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mien.errors import MienError, StudyFileError, did_you_mean

T = TypeVar("T")

# What other programs call a setting, as letters alone.
_OTHER_NAMES = {
    **dict.fromkeys(("earlystopping", "earlystop", "earlystoppingpatience", "patience"), "stop_patience"),
    **dict.fromkeys(("lr", "rate"), "learning_rate"),
    **dict.fromkeys(("nepochs", "numepochs", "maxepochs"), "epochs"),
    **dict.fromkeys(("bs", "batch"), "batch_size"),
    **dict.fromkeys(("kfold", "kfolds", "nfolds", "nsplits", "cv", "crossvalidation", "leaveout", "loso"), "folds"),
    **dict.fromkeys(("wd", "l2"), "weight_decay"),
    **dict.fromkeys(("colormode", "color", "colour", "colors", "colours", "grayscale", "greyscale", "rgb"), "channels"),
    **dict.fromkeys(("model", "network", "architecture", "arch"), "backbone"),
}

KeyPath = tuple[str, ...]


def parse(cls: type[T], values: object, path: KeyPath = ()) -> T:
    """Make a dataclass from a TOML table.

    Args:
        cls: a dataclass whose fields are bool, int, float, str, `Literal`, tuples, unions of these, or dataclasses.
        values: the table.
        path: the keys that lead to the table, for messages.

    Raises:
        StudyFileError: an unknown or missing key, a value of another type, or one that `cls` refuses.
    """
    if not isinstance(values, Mapping):
        raise StudyFileError(f"{setting_name(path)} must be a table. Received: {values!r}.", path)
    hints = get_type_hints(cls)
    known = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise StudyFileError(f"{_table(path)} has no key {key!r}. {nearest(key, known)}", (*path, key))
    arguments = {key: convert(hints[key], value, (*path, key)) for key, value in values.items()}
    for name, field in known.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            raise StudyFileError(f"{_table(path)} lacks the key {name!r}.", path)
    try:
        return cls(**arguments)
    except StudyFileError as error:
        error.path = path + error.path
        raise
    except MienError as error:
        raise StudyFileError(str(error), path + _refused_alone(cls, arguments)) from error


def refuse_twice(name: str, values: Sequence[object], path: KeyPath = ()) -> None:
    """Refuse a list that names one thing twice: it would count once, or twice, unseen.

    Raises:
        StudyFileError: it does.
    """
    twice = next((value for place, value in enumerate(values) if value in values[:place]), None)
    if twice is not None:
        raise StudyFileError(f"{name} names {twice!r} twice: {', '.join(map(str, values))}.", path)


def nearest(key: str, known: Iterable[str]) -> str:
    """A sentence that names the key that was meant, also where other programs call it otherwise.

    >>> nearest("EarlyStopping", ["epochs", "stop_patience"])
    "It is called 'stop_patience' here."
    """
    known = list(known)
    other = _OTHER_NAMES.get("".join(filter(str.isalnum, key.lower())))
    fitting = [name for name in known if other and name.rpartition(".")[2] == other]
    return f"It is called {fitting[0]!r} here." if fitting else did_you_mean(key, known)


def _refused_alone(cls: type[Any], arguments: Mapping[str, Any]) -> KeyPath:
    """The key whose value a class with defaults for all others refuses by itself; nothing where there is none."""
    for key, value in arguments.items():
        try:
            cls(**{key: value})
        except MienError:
            return (key,)
        except TypeError:
            return ()
    return ()


def convert(hint: Any, value: object, path: KeyPath) -> Any:
    """A TOML value as a field's type; an int passes for a float, nothing else is bent.

    Raises:
        StudyFileError: the value is of another type or not among the choices.
    """
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else parse(hint, value, path)
    origin = get_origin(hint)
    if origin is dict:
        hint = dict
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(hint), value, path)
    if origin is Literal:
        choices = get_args(hint)
        if value not in choices:
            known = [str(choice) for choice in choices]
            raise StudyFileError(f"{setting_name(path)} cannot be {value!r}. {did_you_mean(str(value), known)}", path)
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            brackets = f" of tables: write [[{setting_name(path)}]]" if isinstance(value, Mapping) else ""
            raise StudyFileError(f"{setting_name(path)} must be a list{brackets}. Received: {value!r}.", path)
        inner = get_args(hint)[0]
        # Of a table in a list, messages name the line.
        places = [(*path, str(place)) if dataclasses.is_dataclass(inner) else path for place in range(len(value))]
        return tuple(convert(inner, item, place) for item, place in zip(value, places, strict=True))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and "\0" in value:
        raise StudyFileError(f"{setting_name(path)} holds a zero byte, which no name and no path has.", path)
    if hint is type(None) or not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise StudyFileError(f"{setting_name(path)} must be {_kind(hint)}. Received: {value!r}.", path)
    return value


def _convert_union(options: tuple[Any, ...], value: object, path: KeyPath) -> Any:
    if value is None and type(None) in options:
        return None
    errors = []
    for option in options:
        if option is not type(None):
            try:
                return convert(option, value, path)
            except StudyFileError as error:
                errors.append(error)
    raise errors[0]


def _kind(hint: Any) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text", dict: "a table"}.get(
        hint, str(hint)
    )


def setting_name(path: KeyPath) -> str:
    """How messages call the place that keys lead to; which of several tables it is in, the line tells."""
    return ".".join(_words(path)) or "The study file"


def _table(path: KeyPath) -> str:
    if not path:
        return "The study file"
    name = ".".join(_words(path))
    return f"[[{name}]]" if path[-1].isdigit() else f"[{name}]"


def _words(path: KeyPath) -> KeyPath:
    return tuple(key for key in path if not key.isdigit())


_HEADER = re.compile(r"^\s*(\[\[|\[)\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_LONG_TEXT = re.compile(r'"""|\'\'\'')


def find_line(text: str, path: KeyPath) -> int | None:
    """The line, from 1, of a TOML text where the innermost known part of `path` stands; None when none of it does.

    Elements of an array are named by their index, as in ("tables", "1", "columns").
    """
    best, best_length = None, 0
    header: KeyPath = ()
    array, element = header, -1
    counts: dict[KeyPath, int] = {}
    for number, line in _lines_outside_texts(text):
        if match := _HEADER.match(line):
            header = place = _indexed(_split(match[2]), match[1] == "[[", counts)
        elif match := _KEY.match(line):
            place = header + _split(match[1])
            array, element = place, line.count("{") - 1
        elif line.lstrip().startswith("{"):
            # An element of an array that was opened on a line above.
            element += 1
            place = (*array, str(element))
        else:
            continue
        # A dotted key stands for the tables on its way too.
        length = min(len(place), len(path))
        if length > best_length and path[:length] == place[:length]:
            best, best_length = number, length
    return best


def _lines_outside_texts(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a TOML text with their numbers, without those that begin inside a text of several lines."""
    closing: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if closing is None:
            yield number, line
        for mark in _LONG_TEXT.findall(line):
            if closing is None:
                closing = mark
            elif mark == closing:
                closing = None


def _indexed(names: KeyPath, is_array: bool, counts: dict[KeyPath, int]) -> KeyPath:
    """The place that a header names, each array of tables on the way followed by the index of its last element."""
    place: KeyPath = ()
    for position, name in enumerate(names, start=1):
        place = (*place, name)
        if is_array and position == len(names):
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, str(counts[place]))
    return place


def _split(dotted: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
