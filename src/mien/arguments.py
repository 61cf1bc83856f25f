"""What a caller in Python gives, against what a function or a class says that it takes: its annotations.

A command line gives texts and a study file is checked by its keys; here a caller can give anything, and what is of
another kind shall be named at the door, not fail somewhere inside.
"""

from __future__ import annotations

import functools
import inspect
import os
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np

from mien.errors import ArgumentError

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST = 60


class _UnfitError(Exception):
    """A value is of another kind."""


def checked(*own: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Have a function refuse arguments of another kind than it is annotated with, before it does anything.

    Numbers and texts of NumPy become Python's own, and what can be asked for its path becomes one.

    Args:
        *own: arguments that the function itself says more of, which it is given as they are.
    """

    def door(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def checking(*given: P.args, **named: P.kwargs) -> T:
            signature, hints = _said_of(function)
            try:
                bound = signature.bind(*given, **named)
            except TypeError:
                return function(*given, **named)  # Python's own words for a name that there is not
            for name, value in bound.arguments.items():
                if name in hints and name not in own and signature.parameters[name].kind not in _SEVERAL:
                    bound.arguments[name] = fitting(value, hints[name], f"{_called(function)}: {name}")
            return function(*bound.args, **bound.kwargs)

        return checking

    return door


def check_fields(item: Any, *own: str) -> None:
    """Have a frozen dataclass refuse values of another kind than its fields are annotated with; for `__post_init__`.

    Args:
        item: the new object. Numbers and texts of NumPy in it become Python's own.
        *own: fields that the class itself says more of.
    """
    cls: Any = type(item)
    for name, hint in _hints_of(cls).items():
        value = getattr(item, name)
        if name not in own and (fit := fitting(value, hint, f"{cls.__name__}: {name}")) is not value:
            object.__setattr__(item, name, fit)


def fitting(value: Any, hint: Any, where: str) -> Any:
    """A value as an annotation says it.

    Args:
        value: as it was given.
        hint: the annotation. Of a `Literal` the kind alone is looked at, since whoever knows the words says more.
        where: what messages call the place.

    Raises:
        ArgumentError: it is of another kind.
    """
    try:
        return _fit(value, hint)
    except _UnfitError:
        shown = repr(value)
        shown = f"{shown[:_LONGEST]} …" if len(shown) > _LONGEST else shown
        kind = "" if value is None else f" ({type(value).__name__})"
        raise ArgumentError(f"{where} is {kind_of(hint)}. Received: {' '.join(shown.split())}{kind}.") from None


_SEVERAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@functools.cache
def _said_of(function: Callable[..., Any]) -> tuple[inspect.Signature, dict[str, Any]]:
    return inspect.signature(function), typing.get_type_hints(function)


@functools.cache
def _hints_of(cls: Hashable) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}  # type: ignore[arg-type]


def _called(function: Callable[..., Any]) -> str:
    return str(function.__qualname__).removesuffix(".__init__")


def _fit(value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        for option in get_args(hint):
            try:
                return _fit(value, option)
            except _UnfitError:
                continue
        raise _UnfitError
    if origin is Literal:
        return _fit(value, type(get_args(hint)[0]))
    if hint in (None, types.NoneType):
        return _kept(value, value is None)
    if hint is bool:
        return bool(_kept(value, isinstance(value, (bool, np.bool_))))
    if hint is int:
        return int(_kept(value, isinstance(value, Integral) and not isinstance(value, bool)))
    if hint is float:
        value = _kept(value, isinstance(value, Real) and not isinstance(value, bool))
        return value if isinstance(value, (int, float)) and not isinstance(value, np.generic) else float(value)
    if hint is str:
        value = _kept(value, isinstance(value, str))
        return str(value) if isinstance(value, np.str_) else value
    if hint is Path:
        return Path(_kept(value, isinstance(value, (str, os.PathLike)) and isinstance(os.fspath(value), str)))
    if origin is Callable:
        return _kept(value, callable(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(value, *get_args(hint)[:1])
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return _several(value, get_args(hint)[0])
    named = isinstance(hint, type) and origin is None and not getattr(hint, "_is_protocol", False)
    return _kept(value, not named or isinstance(value, hint))


def _kept(value: Any, fits: bool) -> Any:
    if not fits:
        raise _UnfitError
    return value


def _mapping(value: Any, keys: Any) -> Any:
    for key in _kept(value, isinstance(value, Mapping)):
        _fit(key, keys)
    return value


def _several(value: Any, inner: Any) -> Any:
    # A text is a sequence of texts, and hardly ever meant so.
    array = isinstance(value, np.ndarray) and value.ndim == 1
    _kept(value, array or isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, np.ndarray)))
    if isinstance(value, Sequence) or array:
        for item in value:
            _fit(item, inner)
    return value


_WORDS = {
    types.NoneType: "None",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
}


def kind_of(hint: Any) -> str:
    """What an annotation asks for, in words.

    >>> kind_of(Path | str | None), kind_of(Sequence[str]), kind_of(Literal["rows", "columns"])
    ('a path or None', 'a list of texts', "'rows' or 'columns'")
    """
    return " or ".join(dict.fromkeys(_kinds(hint)))


def _kinds(hint: Any) -> list[str]:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(hint) if not (option is str and Path in get_args(hint))]
        return [word for option in options for word in _kinds(option)]
    if origin is Literal:
        return [repr(choice) for choice in get_args(hint)]
    if origin is Callable:
        return ["a function"]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return ["a dictionary"]
    if isinstance(origin, type) and issubclass(origin, Iterable):
        inner = kind_of(get_args(hint)[0]).removeprefix("a ")
        return [f"a list of {inner}s"]
    return [_WORDS.get(hint) or f"a {getattr(hint, '__name__', hint)}"]
