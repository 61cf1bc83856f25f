"""From plain TOML values to frozen dataclasses, with errors that name the key, its line and the nearest right word."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mien.errors import MienError, StudyFileError, did_you_mean

T = TypeVar("T")

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
        raise StudyFileError(f"{_name(path)} must be a table. Received: {values!r}.", path)
    hints = get_type_hints(cls)
    known = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise StudyFileError(f"{_table(path)} has no key {key!r}. {did_you_mean(key, known)}", (*path, key))
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
        raise StudyFileError(str(error), path) from error


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
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(hint), value, path)
    if origin is Literal:
        choices = get_args(hint)
        if value not in choices:
            known = [str(choice) for choice in choices]
            raise StudyFileError(f"{_name(path)} cannot be {value!r}. {did_you_mean(str(value), known)}", path)
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise StudyFileError(f"{_name(path)} must be a list. Received: {value!r}.", path)
        return tuple(convert(get_args(hint)[0], item, path) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is type(None) or not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise StudyFileError(f"{_name(path)} must be {_kind(hint)}. Received: {value!r}.", path)
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
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}.get(hint, str(hint))


def _name(path: KeyPath) -> str:
    return ".".join(path) or "The study file"


def _table(path: KeyPath) -> str:
    return f"[{'.'.join(path)}]" if path else "The study file"


_HEADER = re.compile(r"^\s*(\[\[|\[)\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def find_line(text: str, path: KeyPath) -> int | None:
    """The line, from 1, of a TOML text where the innermost known part of `path` stands; None when none of it does.

    Elements of an array of tables are named by their index, as in ("tables", "1", "columns").
    """
    best, best_length = None, 0
    header: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _HEADER.match(line):
            header = _split(match[2])
            for length in range(1, len(header) + 1):
                prefix = header[:length]
                if length == len(header) and match[1] == "[[":
                    counts[prefix] = counts.get(prefix, -1) + 1
                if prefix in counts:
                    header = (*prefix, str(counts[prefix]), *header[length:])
                    break
            place = header
        elif match := _KEY.match(line):
            place = header + _split(match[1])
        else:
            continue
        if len(place) > best_length and path[: len(place)] == place:
            best, best_length = number, len(place)
    return best


def _split(dotted: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
