"""The study file: what is asked, of which data, of which networks, in which tables.

A study file is TOML. It names a data set, a protocol, a base recipe, and tables; each table has an axis of rows and
an axis of columns, and every position on an axis changes some settings of the base recipe.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

from mien.datasets.protocol import ProtocolSpec
from mien.errors import ContradictionError, MienError, StudyFileError, did_you_mean
from mien.evaluation.metrics import METRICS
from mien.study.backbones import BACKBONES
from mien.study.recipe import Recipe
from mien.study.settings import convert, find_line, parse

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Which data set, and how it is read.

    Attributes:
        path: a file or folder, relative to the study file, or "drawn" (see `mien.datasets.reading.read_dataset`).
        reader: name of the reader; None picks it by looking at the path.
        votes: FER+'s table of votes, to be joined to FER2013's CSV.
        size: side to which all images are brought, in pixels; None for the size that most of them have.
        on_mismatch: whether images of another size are resized or refused.
    """

    path: str
    reader: str | None = None
    votes: str | None = None
    size: int | None = None
    on_mismatch: Literal["resize", "refuse"] = "resize"


@dataclass(frozen=True)
class Point:
    """One position on an axis.

    Attributes:
        label: what the table calls it.
        changes: settings that differ from the base recipe, by dotted key ("learning_rate", "preprocessing.zca"),
            or from the protocol ("protocol.train_fraction").
    """

    label: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """The rows or the columns of a table."""

    title: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Table:
    """One table of a study.

    Attributes:
        name: short, unique, for commands and file names.
        title: heading.
        text: what the table asks, for the reader of the report.
        rows: axis of the rows.
        columns: axis of the columns.
        metrics: names from `mien.evaluation.metrics.METRICS`, shown in each cell.
        seeds: one run each per cell.
        fixed: settings that hold in the whole table.
    """

    name: str
    title: str
    text: str
    rows: Axis
    columns: Axis
    metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A study, as its file says.

    Attributes:
        name: short, for file names.
        title: heading of the report.
        text: what is asked, in words.
        data: which data set.
        protocol: what its samples are for.
        recipe: what all runs have in common.
        tables: what is to be drawn; every run is asked for by a table.
    """

    name: str
    title: str
    text: str
    data: DataSpec
    protocol: ProtocolSpec
    recipe: Recipe
    tables: tuple[Table, ...]


@dataclass(frozen=True, kw_only=True)
class _TableKeys:
    """The keys of one [[tables]] entry, before its axes are read."""

    name: str
    rows: Any
    columns: Any = None
    title: str = ""
    text: str = ""
    metrics: tuple[str, ...] = ("accuracy",)
    seeds: tuple[int, ...] = (0,)
    fixed: Any = None


@dataclass(frozen=True, kw_only=True)
class _StudyKeys:
    """The keys at the top of a study file."""

    schema: int
    name: str
    data: DataSpec
    tables: tuple[Any, ...]
    title: str = ""
    text: str = ""
    protocol: ProtocolSpec = field(default_factory=ProtocolSpec)
    recipe: Recipe = field(default_factory=Recipe)


def read_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        StudyFileError: the file is missing, not TOML, or says something impossible. The message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(f"The study file {path} cannot be read: {error}.") from error
    return parse_study(text, name=str(path))


def parse_study(text: str, *, name: str = "study") -> Study:
    """Read the text of a study file; `name` is what messages call it.

    Raises:
        StudyFileError: as `read_study`.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{name} is not TOML: {error}.") from error
    try:
        return _study(values)
    except StudyFileError as error:
        line = find_line(text, error.path)
        place = f"{name}, line {line}" if line else name
        raise type(error)(f"{place}: {error}", error.path) from None


def with_setting(study: Study, changes: Mapping[str, Any]) -> tuple[Recipe, ProtocolSpec]:
    """The base recipe and protocol with some settings changed, by dotted key.

    Raises:
        ContradictionError: the settings are possible one by one but not together.
    """
    return _apply(study.recipe, changes, ""), _apply(study.protocol, changes, "protocol.")


def _apply(base: Any, changes: Mapping[str, Any], prefix: str) -> Any:
    """`base` with the changes that begin with `prefix`; without a prefix, those that are the recipe's."""
    flat: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for key, value in changes.items():
        if prefix and not key.startswith(prefix) or not prefix and key.startswith("protocol."):
            continue
        head, _, rest = key.removeprefix(prefix).partition(".")
        if rest:
            nested.setdefault(head, {})[rest] = value
        else:
            flat[head] = value
    for head, inner in nested.items():
        flat[head] = replace(getattr(base, head), **inner)
    return replace(base, **flat) if flat else base


def _study(values: Mapping[str, Any]) -> Study:
    schema = values.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise StudyFileError(
            f"The study file has schema {schema}, and this mien knows up to {SCHEMA}. Update: pip install -U mien",
            ("schema",),
        )
    keys = parse(_StudyKeys, values)
    if keys.schema != SCHEMA:
        raise StudyFileError(f"schema must be {SCHEMA}. Received: {keys.schema}.", ("schema",))
    if not keys.tables:
        raise StudyFileError("A study needs at least one [[tables]] entry.", ("tables",))
    tables = tuple(_table(table, ("tables", str(index))) for index, table in enumerate(keys.tables))
    names = [table.name for table in tables]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise StudyFileError(f"Two tables are called {name!r}.", ("tables", str(index), "name"))
    return Study(
        name=keys.name,
        title=keys.title or keys.name,
        text=keys.text.strip(),
        data=keys.data,
        protocol=keys.protocol,
        recipe=keys.recipe,
        tables=tables,
    )


def _table(values: object, path: tuple[str, ...]) -> Table:
    keys = parse(_TableKeys, values, path)
    for metric in keys.metrics:
        if metric not in METRICS:
            raise StudyFileError(f"There is no metric {metric!r}. {did_you_mean(metric, METRICS)}", (*path, "metrics"))
    if not keys.seeds:
        raise StudyFileError("seeds must name at least one seed.", (*path, "seeds"))
    return Table(
        name=keys.name,
        title=keys.title or keys.name,
        text=keys.text.strip(),
        rows=_axis(keys.rows, (*path, "rows")),
        columns=Axis("", (Point("", {}),)) if keys.columns is None else _axis(keys.columns, (*path, "columns")),
        metrics=keys.metrics,
        seeds=keys.seeds,
        fixed=_changes(keys.fixed or {}, (*path, "fixed")),
    )


def _axis(values: object, path: tuple[str, ...]) -> Axis:
    """A grid (a table of lists: their product) or a list of points (tables with a label)."""
    if isinstance(values, list) and values:
        points = []
        for index, item in enumerate(values):
            if not isinstance(item, Mapping) or not isinstance(item.get("label"), str):
                raise StudyFileError(
                    f"{'.'.join(path)} must hold tables with a label, like "
                    f'{{ label = "with", featurewise = true }}. Received: {item!r}.',
                    path,
                )
            changes = {key: value for key, value in item.items() if key != "label"}
            points.append(Point(item["label"], _changes(changes, (*path, str(index)))))
        axis = Axis("", tuple(points))
    elif isinstance(values, Mapping) and values:
        lists = _flat(values)
        for key, options in lists.items():
            if not isinstance(options, list) or not options:
                raise StudyFileError(f"{'.'.join(path)}.{key} must be a list. Received: {options!r}.", (*path, key))
        points = []
        for combination in itertools.product(*lists.values()):
            changes = _changes(dict(zip(lists, combination, strict=True)), path)
            points.append(Point(", ".join(_shown(key, value) for key, value in changes.items()), changes))
        axis = Axis(", ".join(lists), tuple(points))
    else:
        raise StudyFileError(f"{'.'.join(path)} must be a table of lists or a list of tables.", path)
    labels = [point.label for point in axis.points]
    if len(set(labels)) < len(labels):
        raise StudyFileError(f"{'.'.join(path)} has two positions with one label: {', '.join(labels)}.", path)
    return axis


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _changes(values: object, path: tuple[str, ...]) -> dict[str, Any]:
    """Changes by dotted key, each checked by itself: whether they go together is the plan's to say."""
    if not isinstance(values, Mapping):
        raise StudyFileError(f"{'.'.join(path)} must be a table. Received: {values!r}.", path)
    return {key: _checked(key, value, path) for key, value in _flat(values).items()}


def _checked(key: str, value: Any, path: tuple[str, ...]) -> Any:
    base: Any = Recipe()
    names = key.split(".")
    if names[0] == "protocol":
        base, names = ProtocolSpec(), names[1:]
    for name in names[:-1]:
        base = getattr(base, name, None)
    owner = type(base)
    known = getattr(owner, "__dataclass_fields__", {})
    if not names or names[-1] not in known:
        options = known or Recipe.__dataclass_fields__
        raise StudyFileError(
            f"{'.'.join(path)} names the setting {key!r}, which there is not. {did_you_mean(names[-1], options)}",
            (*path, *key.split(".")),
        )
    place = (*path, *key.split("."))
    converted = convert(get_type_hints(owner)[names[-1]], value, place)
    try:
        replace(base, **{names[-1]: converted})
    except ContradictionError:
        pass  # Possible in company: the plan decides.
    except MienError as error:
        raise StudyFileError(str(error), place) from error
    return converted


def _shown(key: str, value: Any) -> str:
    """How a grid's position is labelled: a backbone by its title, a number by itself, a switch with its name."""
    if key == "backbone":
        return BACKBONES[value].title
    if isinstance(value, bool):
        return f"{key.rpartition('.')[2]} {'on' if value else 'off'}"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def tables_named(study: Study, names: Sequence[str]) -> tuple[Table, ...]:
    """The tables with these names, in the study's order; all when no name is given.

    Raises:
        StudyFileError: there is no such table.
    """
    known = [table.name for table in study.tables]
    for name in names:
        if name not in known:
            raise StudyFileError(f"The study has no table {name!r}. {did_you_mean(name, known)}")
    return tuple(table for table in study.tables if not names or table.name in names)
