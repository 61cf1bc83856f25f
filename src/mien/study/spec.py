"""The study file: what is asked, of which data, of which networks, in which tables.

A study file is TOML. It names a data set, a protocol, a base recipe, and tables; each table has an axis of rows and
an axis of columns, and every position on an axis changes some settings of the base recipe.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

from mien.datasets.protocol import ProtocolSpec
from mien.datasets.spec import DataSpec
from mien.errors import ContradictionError, MienError, NetworkError, StudyFileError, did_you_mean
from mien.evaluation.metrics import METRICS
from mien.files import parse_toml
from mien.study.backbones import OTHER_BACKBONES, backbone_title
from mien.study.recipe import Recipe
from mien.study.settings import convert, find_line, nearest, parse, refuse_twice, setting_name

SCHEMA = 1

# A setting of a cell, not of a recipe: the epoch after which its run is evaluated, where that is not the last one.
READOUT = "readout"


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

    def named(self, label: str) -> str:
        """A point's label as it can stand alone: a bare number is said with what it is a number of."""
        return f"{self.title} = {label}" if label.replace(".", "", 1).replace("e-", "", 1).isdigit() else label


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
        seeds: one run each per cell; empty: one run, with the seed that the recipe has there.
        fixed: settings that hold in the whole table.
        reference: name of a file beside the study file that holds published figures of this table; None for none.
        choose: "columns" when each row is judged by the column that is best on the validation role; None otherwise.
    """

    name: str
    title: str
    text: str
    rows: Axis
    columns: Axis
    metrics: tuple[str, ...]
    seeds: tuple[int, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    reference: str | None = None
    choose: Literal["columns"] | None = None


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
    """The keys of one [[tables]] entry, before its axes are read.

    Attributes:
        name: short and unique; part of the names of the files that a report writes.
        rows: the axis of the rows: `rows.SETTING = [values]` or a list of tables with a label each.
        columns: the axis of the columns, likewise; without it the table has one column.
        title: heading in the report; by default the name.
        text: what the table asks, for the reader of the report.
        metrics: what each cell shows.
        seeds: one run each per cell; by default one run, with the seed of the recipe.
        fixed: settings that hold in the whole table, by dotted key.
        reference: name of a file beside this one with published figures of this table, to be shown beside ours.
        choose: "columns" judges each row by the column that is best on the *validation* role.
    """

    name: str
    rows: Any
    columns: Any = None
    title: str = ""
    text: str = ""
    metrics: tuple[str, ...] = ("accuracy",)
    seeds: tuple[int, ...] | None = None
    fixed: Any = None
    reference: str | None = None
    choose: Literal["columns"] | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise StudyFileError("A table needs a name that is not empty.", ("name",))
        # A store keeps a copy beside its copy of the study file, so that a report needs the store alone.
        if self.reference is not None and not re.fullmatch(r"[\w-]+\.toml", self.reference):
            raise StudyFileError(
                "reference is the name of a .toml file in the study file's own folder, without a path. "
                f"Received: {self.reference!r}.",
                ("reference",),
            )


@dataclass(frozen=True, kw_only=True)
class _StudyKeys:
    """The keys at the top of a study file.

    Attributes:
        schema: version of this format: 1.
        name: letters, digits, - and _; records go to `stores/NAME` unless `--output` says otherwise.
        data: the data set.
        tables: what is to be drawn, one `[[tables]]` entry each, at least one.
        title: heading of the report; by default the name.
        text: what is asked, in words, for the reader of the report.
        protocol: what the samples are for.
        recipe: what all runs have in common.
    """

    schema: int
    name: str
    data: DataSpec
    tables: tuple[Any, ...]
    title: str = ""
    text: str = ""
    protocol: ProtocolSpec = field(default_factory=ProtocolSpec)
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]+", self.name):
            raise StudyFileError(
                f"name becomes a folder's name, so it must be of letters, digits, - and _. Received: {self.name!r}.",
                ("name",),
            )


def read_study(path: Path, *, kept: bool = False) -> Study:
    """Read a study file.

    Args:
        path: the file.
        kept: whether it is a store's copy: what others bring to its tables was there when it was run, and need not be
            here now.

    Raises:
        StudyFileError: the file is missing, not TOML, or says something impossible. The message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(f"The study file {path} cannot be read: {error}.") from error
    return parse_study(text, name=str(path), base=path.parent, kept=kept)


def parse_study(
    text: str,
    *,
    name: str = "study",
    base: Path | None = None,
    kept: bool = False,
    place: Callable[[tuple[str, ...]], str] | None = None,
) -> Study:
    """Read the text of a study file.

    Args:
        text: of the file.
        name: what messages call it, with the line.
        base: folder that its paths are relative to; None for the current one.
        kept: as in `read_study`.
        place: for a text that nobody wrote: what messages call the place that keys lead to, such as an option.

    Raises:
        StudyFileError: as `read_study`.
    """
    try:
        values = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{name} is not TOML: {error}.") from error
    try:
        study = _study(values)
        if not kept:
            _check_backbones(values, base or Path())
        return study
    except StudyFileError as error:
        line = find_line(text, error.path)
        where = f"{name}, line {line}" if line else name
        raise type(error)(f"{place(error.path) if place else where}: {error}", error.path) from None


def with_setting(study: Study, changes: Mapping[str, Any]) -> tuple[Recipe, ProtocolSpec]:
    """The base recipe and protocol with some settings changed, by dotted key; a readout changes neither.

    Raises:
        ContradictionError: the settings are possible one by one but not together.
    """
    changes = {key: value for key, value in changes.items() if key != READOUT}
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
    # Names that differ in case alone would be one file on some systems.
    names = [table.name.casefold() for table in tables]
    for index, table in enumerate(tables):
        if names[index] in names[:index]:
            raise StudyFileError(f"Two tables are called {table.name!r}.", ("tables", str(index), "name"))
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
    refuse_twice("metrics", keys.metrics, (*path, "metrics"))
    table = Table(
        name=keys.name,
        title=keys.title or keys.name,
        text=keys.text.strip(),
        rows=_axis(keys.rows, (*path, "rows")),
        columns=Axis("", (Point("", {}),)) if keys.columns is None else _axis(keys.columns, (*path, "columns")),
        metrics=keys.metrics,
        seeds=() if keys.seeds is None else _seeds(keys.seeds, (*path, "seeds")),
        fixed=_changes({} if keys.fixed is None else keys.fixed, (*path, "fixed")),
        reference=keys.reference,
        choose=keys.choose,
    )
    if table.choose is not None and len(table.columns.points) < 2:
        raise StudyFileError("choose = 'columns' needs at least two columns to choose from.", (*path, "choose"))
    _check_set_once(table, path)
    return table


def _check_backbones(values: object, base: Path, path: tuple[str, ...] = ()) -> None:
    """Refuse a backbone that is nowhere, wherever the file names one."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            _check_backbones(value, base, (*path, key))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            _check_backbones(value, base, path if isinstance(value, str) else (*path, str(index)))
    elif isinstance(values, str) and path[-1] == "backbone":
        try:
            OTHER_BACKBONES.pinned(values, base)
        except NetworkError as error:
            raise StudyFileError(str(error), path) from error


def _seeds(seeds: tuple[int, ...], path: tuple[str, ...]) -> tuple[int, ...]:
    if not seeds:
        raise StudyFileError("seeds must name at least one seed.", path)
    refuse_twice("seeds", seeds, path)
    for seed in seeds:
        _checked("seed", seed, path)
    return seeds


def _check_set_once(table: Table, path: tuple[str, ...]) -> None:
    """Refuse a setting that two parts of a table change: one of them would have no effect, unseen."""
    parts = {
        "fixed": set(table.fixed),
        "rows": {key for point in table.rows.points for key in point.changes},
        "columns": {key for point in table.columns.points for key in point.changes},
        "seeds": {"seed"} if table.seeds else set(),
    }
    for (first, some), (second, others) in itertools.combinations(parts.items(), 2):
        for key in sorted(some & others):
            raise StudyFileError(f"Table {table.name!r} changes {key} in {first} and in {second}.", (*path, second))


def _axis(values: object, path: tuple[str, ...]) -> Axis:
    """A grid (a table of lists: their product) or a list of points (tables with a label)."""
    name = setting_name(path)
    if isinstance(values, list) and values:
        axis = _axis_of_points(values, path)
    elif isinstance(values, Mapping) and values:
        axis = _axis_of_grid(values, path)
    else:
        raise StudyFileError(f"{name} must be a table of lists or a list of tables. Received: {values!r}.", path)
    labels = [point.label for point in axis.points]
    if len(set(labels)) < len(labels):
        raise StudyFileError(f"{name} has two positions with one label: {', '.join(labels)}.", path)
    return axis


def _axis_of_points(values: list[Any], path: tuple[str, ...]) -> Axis:
    points = []
    for index, item in enumerate(values):
        place = (*path, str(index))
        if not isinstance(item, Mapping) or not isinstance(item.get("label"), str):
            raise StudyFileError(
                f"{setting_name(path)} must hold tables with a label, like "
                f'{{ label = "mirrored", augmentation.flip = true }}. Received: {item!r}.',
                place,
            )
        changes = {key: value for key, value in item.items() if key != "label"}
        points.append(Point(item["label"], _changes(changes, place)))
    return Axis("", tuple(points))


def _axis_of_grid(values: Mapping[str, Any], path: tuple[str, ...]) -> Axis:
    lists = _flat(values)
    for key, options in lists.items():
        if not isinstance(options, list) or not options:
            place = (*path, *key.split("."))
            raise StudyFileError(f"{setting_name(place)} must be a list of values. Received: {options!r}.", place)
    points = []
    for combination in itertools.product(*lists.values()):
        changes = _changes(dict(zip(lists, combination, strict=True)), path)
        shown = [_shown(key, value, named=key not in lists) for key, value in changes.items()]
        points.append(Point(", ".join(shown) or "unchanged", changes))
    return Axis(", ".join(lists), tuple(points))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _changes(values: object, path: tuple[str, ...]) -> dict[str, Any]:
    """Changes by dotted key, each checked by itself: whether they go together is the plan's to say."""
    if not isinstance(values, Mapping):
        raise StudyFileError(f"{setting_name(path)} must be a table. Received: {values!r}.", path)
    return {key: _checked(key, value, (*path, *key.split("."))) for key, value in _flat(values).items()}


def _owners() -> dict[str, Any]:
    """What holds the settings that can be changed, with its defaults, by the prefix of their dotted keys."""
    recipe = Recipe()
    return {
        "": recipe,
        "preprocessing.": recipe.preprocessing,
        "augmentation.": recipe.augmentation,
        "teacher.": recipe.teacher,
        "protocol.": ProtocolSpec(),
    }


def _checked(key: str, value: Any, path: tuple[str, ...]) -> Any:
    """A changed setting as its own type, in its own range."""
    if key == READOUT:
        return _checked("epochs", value, path)
    owners = _owners()
    known = [prefix + item.name for prefix, owner in owners.items() for item in fields(owner)]
    known = [READOUT, *(name for name in known if f"{name}." not in owners)]
    if key not in known:
        namesakes = [name for name in known if name.endswith(f".{key}")]
        hint = f"Did you mean {namesakes[0]!r}?" if namesakes else nearest(key, known)
        raise StudyFileError(f"There is no setting {key!r}. {hint}", path)
    head, _, name = key.rpartition(".")
    owner = owners[f"{head}." if head else ""]
    converted = convert(get_type_hints(type(owner))[name], value, path)
    try:
        replace(owner, **{name: converted})
    except ContradictionError:
        pass  # Possible in company: the plan decides.
    except MienError as error:
        raise StudyFileError(str(error), path) from error
    return converted


def _shown(key: str, value: Any, *, named: bool = False) -> str:
    """How a grid's position is labelled: a backbone by its title, a number by itself, a switch with its name.

    Where the axis is of whole tables of settings, whose title does not say which these are, each is `named`.
    """
    if key == "backbone":
        return backbone_title(value)
    if named and not isinstance(value, bool):
        return f"{key.rpartition('.')[2]} {_shown(key, value)}"
    if isinstance(value, bool):
        return f"{key.rpartition('.')[2]} {'on' if value else 'off'}"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else str(value)
    if isinstance(value, tuple):
        return " and ".join(map(str, value)) or "none"
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
