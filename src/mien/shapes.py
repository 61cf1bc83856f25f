"""Whether plain values that were read from a file have the types that their reader expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

# A type; a tuple of shapes, one of which holds; a list of one shape, that of every item; or a table: a shape for each
# key, where a key that ends in "?" may be missing and the key "*" stands for all that are not named.
Shape: TypeAlias = "type | None | tuple[Any, ...] | list[Any] | Mapping[str, Any]"


def check_shape(value: Any, shape: Shape, where: str = "") -> None:
    """Raise ValueError when a value has another shape than expected, saying where. A whole number passes for a float.

    >>> check_shape({"epochs": 3, "name": None}, {"epochs": int, "name": (str, None)})
    >>> check_shape({"epochs": [1, "2"]}, {"epochs": [int]})
    Traceback (most recent call last):
    ...
    ValueError: epochs[1] is '2', and a whole number was expected
    """
    if isinstance(shape, tuple):
        for option in shape:
            try:
                check_shape(value, option, where)
            except ValueError:
                continue
            return
        raise ValueError(_text(value, " or ".join(map(_named, shape)), where))
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise ValueError(_text(value, "a list", where))
        for number, item in enumerate(value):
            check_shape(item, shape[0], f"{where}[{number}]")
    elif isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(_text(value, "a table", where))
        _check_table(value, shape, where)
    elif not _has_type(value, shape):
        raise ValueError(_text(value, _named(shape), where))


def _check_table(value: Mapping[Any, Any], shape: Mapping[str, Any], where: str) -> None:
    known = {key.removesuffix("?"): inside for key, inside in shape.items() if key != "*"}
    for key, inside in known.items():
        if key in value:
            check_shape(value[key], inside, f"{where}.{key}".lstrip("."))
        elif key in shape:
            raise ValueError(f"{where}.{key}".lstrip(".") + " is missing")
    if "*" in shape:
        for key in value.keys() - known.keys():
            check_shape(value[key], shape["*"], f"{where}.{key}".lstrip("."))


def _has_type(value: Any, shape: Any) -> bool:
    if shape is None:
        return value is None
    if shape is object:
        return True
    if shape is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))


def _named(shape: Any) -> str:
    if isinstance(shape, (list, Mapping)):
        return "a list" if isinstance(shape, list) else "a table"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", None: "nothing"}
    return words.get(shape, str(shape))


def _text(value: Any, expected: str, where: str) -> str:
    return f"{where or 'It'} is {repr(value)[:60]}, and {expected} was expected"
