"""Published figures beside a study: what someone else measured and concluded, as data with its source.

A reference is a TOML file in the study file's own folder. Its figures are shown beside the study's own and are never
taken for them; its claims are tried on the study's own records.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mien.errors import StudyFileError, did_you_mean
from mien.evaluation.metrics import METRICS
from mien.files import parse_toml
from mien.study.settings import convert, find_line, parse, refuse_twice
from mien.study.spec import Study

SCHEMA = 1


@dataclass(frozen=True)
class Published:
    """One published figure.

    Attributes:
        value: as printed.
        decimals: how many the source prints, so that rounding is known.
    """

    value: float
    decimals: int

    def matches(self, value: float) -> bool:
        """Whether a number would be printed as this figure, rounded or cut off."""
        return abs(self.value - value) < 10.0**-self.decimals

    def __str__(self) -> str:
        return f"{self.value:.{self.decimals}f}"


@dataclass(frozen=True)
class ReferenceTable:
    """The published figures of one table.

    Attributes:
        name: of the study's table that they belong to.
        text: what the source says of the table.
        columns: labels of the columns, in the source's order.
        metrics: names of the figures at each place.
        figures: by row label, column label and metric. Places without a figure are missing.
    """

    name: str
    text: str
    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    figures: Mapping[tuple[str, str, str], Published]

    @property
    def rows(self) -> tuple[str, ...]:
        """The labels of the rows that have figures, in the source's order."""
        return tuple(dict.fromkeys(row for row, _, _ in self.figures))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that the source concludes: some positions of an axis are better than others.

    Attributes:
        text: the conclusion, in the source's words.
        table: name of the study's table that can tell.
        better: labels of positions on the axis.
        than: labels of positions that are said to be worse.
        axis: which axis they are on.
        among: labels on the other axis that the conclusion is about; empty for all of them.
    """

    text: str
    table: str
    better: tuple[str, ...]
    than: tuple[str, ...]
    axis: Literal["rows", "columns"] = "columns"
    among: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.better or not self.than or set(self.better) & set(self.than):
            raise StudyFileError("A claim needs positions in better and others in than.", ("better",))
        for name in ("better", "than", "among"):
            refuse_twice(name, getattr(self, name), (name,))


@dataclass(frozen=True)
class Reference:
    """A file of published figures.

    Attributes:
        name: what the report calls it.
        source: who published it, where, and on which images.
        tables: the figures, by the name of the study's table.
        claims: what the source concludes.
    """

    name: str
    source: str
    tables: Mapping[str, ReferenceTable]
    claims: tuple[Claim, ...]


@dataclass(frozen=True, kw_only=True)
class _FileKeys:
    schema: int
    name: str
    source: str
    tables: tuple[Any, ...]
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _TableKeys:
    name: str
    columns: tuple[str, ...]
    rows: Any
    metrics: tuple[str, ...] = ("accuracy",)
    text: str = ""


def read_references(study: Study, folder: Path) -> dict[str, Reference]:
    """The references that a study's tables name, by file name.

    Args:
        study: the study.
        folder: where its file, or the copy of it in a store, lies.

    Raises:
        StudyFileError: a file is missing or says something impossible, or holds nothing of the table that names it.
    """
    references: dict[str, Reference] = {}
    for table in study.tables:
        if table.reference is None:
            continue
        if table.reference not in references:
            references[table.reference] = read_reference(folder / table.reference)
        reference = references[table.reference]
        if table.name not in reference.tables:
            raise StudyFileError(
                f"{table.reference} holds no figures of the table {table.name!r}, which names it. "
                f"{did_you_mean(table.name, reference.tables)}"
            )
        found = reference.tables[table.name]
        rows, columns = ({point.label for point in axis.points} for axis in (table.rows, table.columns))
        if not rows & set(found.rows) or not columns & set(found.columns):
            raise StudyFileError(
                f"No figure of {table.name!r} in {table.reference} belongs to a place of that table. Expected labels "
                f"like {sorted(rows)[0]!r} and {sorted(columns)[0]!r}. "
                f"Received: {found.rows[0]!r} and {found.columns[0]!r}."
            )
    return references


def read_reference(path: Path) -> Reference:
    """Read a file of published figures.

    Raises:
        StudyFileError: the file is missing, not TOML, or says something impossible. The message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(f"The reference {path} cannot be read: {error}.") from error
    return parse_reference(text, name=str(path))


def parse_reference(text: str, *, name: str = "reference") -> Reference:
    """Read the text of a reference; `name` is what messages call it.

    Raises:
        StudyFileError: as `read_reference`.
    """
    try:
        # As text, a figure keeps the number of decimals that it was printed with.
        values = parse_toml(text, parse_float=_printed)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{name} is not TOML: {error}.") from error
    try:
        return _reference(values)
    except StudyFileError as error:
        line = find_line(text, error.path)
        place = f"{name}, line {line}" if line else name
        raise StudyFileError(f"{place}: {error}", error.path) from None


def _printed(text: str) -> Any:
    match = re.fullmatch(r"[+-]?[\d_]+\.([\d_]+)", text)
    return Published(float(text), len(match[1].replace("_", "")) if match else 0)


def _reference(values: Mapping[str, Any]) -> Reference:
    schema = values.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise StudyFileError(
            f"The reference has schema {schema}, and this mien knows up to {SCHEMA}. Update: pip install -U mien",
            ("schema",),
        )
    keys = parse(_FileKeys, values)
    if keys.schema != SCHEMA:
        raise StudyFileError(f"schema must be {SCHEMA}. Received: {keys.schema}.", ("schema",))
    if not keys.source.strip():
        raise StudyFileError("Figures without a source cannot be shown: say who published them.", ("source",))
    tables: dict[str, ReferenceTable] = {}
    for index, entry in enumerate(keys.tables):
        table = _table(entry, ("tables", str(index)))
        if table.name in tables:
            raise StudyFileError(f"Two tables are called {table.name!r}.", ("tables", str(index), "name"))
        tables[table.name] = table
    return Reference(keys.name, " ".join(keys.source.split()), tables, keys.claims)


def _table(values: object, path: tuple[str, ...]) -> ReferenceTable:
    keys = parse(_TableKeys, values, path)
    for metric in keys.metrics:
        if metric not in METRICS:
            raise StudyFileError(f"There is no metric {metric!r}. {did_you_mean(metric, METRICS)}", (*path, "metrics"))
    for name in ("metrics", "columns"):
        refuse_twice(name, getattr(keys, name), (*path, name))
    if not isinstance(keys.rows, Mapping) or not keys.rows:
        raise StudyFileError(f"rows must be a table of lists. Received: {keys.rows!r}.", (*path, "rows"))
    figures: dict[tuple[str, str, str], Published] = {}
    for row, entries in keys.rows.items():
        place = (*path, "rows", row)
        if not isinstance(entries, list) or len(entries) != len(keys.columns):
            raise StudyFileError(
                f"Row {row!r} must hold one entry for each of the {len(keys.columns)} columns. Received: {entries!r}.",
                place,
            )
        for column, entry in zip(keys.columns, entries, strict=True):
            for metric, figure in _figures(entry, keys.metrics, place).items():
                figures[row, column, metric] = figure
    if not figures:
        raise StudyFileError(f"The table {keys.name!r} holds no figure.", (*path, "rows"))
    return ReferenceTable(keys.name, " ".join(keys.text.split()), keys.columns, keys.metrics, figures)


def _figures(entry: object, metrics: tuple[str, ...], path: tuple[str, ...]) -> dict[str, Published]:
    """The figures of one place: a number, a list of one for each metric, or an empty list for none."""
    if entry == []:
        return {}
    listed = entry if isinstance(entry, list) else [entry]
    if len(listed) != len(metrics):
        raise StudyFileError(f"A place must hold {len(metrics)} figures ({', '.join(metrics)}), or none: [].", path)
    return {
        metric: Published(float(figure), 0)
        if isinstance(figure, int) and not isinstance(figure, bool)
        else convert(Published, figure, path)
        for metric, figure in zip(metrics, listed, strict=True)
    }
