"""Rows of results, for notebooks and tables: as a pandas data frame where pandas is installed, plain otherwise."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import ReportError

_SHOWN = 60


@dataclass(frozen=True, repr=False)
class Drawing:
    """A drawing that a notebook shows.

    Attributes:
        svg: all of it, as the text of an SVG file.
    """

    svg: str

    def save(self, path: Path | str) -> Path:
        """Write it as an SVG file. Returns the path.

        Raises:
            ReportError: the name does not end in .svg, or the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise ReportError(f"A drawing is written as SVG. Received: {path}. Let its name end in .svg.")
        try:
            path.write_text(self.svg, encoding="utf-8")
        except OSError as error:
            raise ReportError(f"The drawing cannot be written to {path}: {error.strerror or error}.") from error
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<drawing of {len(self.svg):,} characters; a notebook shows it, .save(path) writes it>"


@dataclass(frozen=True)
class Rows:
    """A table without pandas: what `frame` gives where that is not installed.

    Attributes:
        columns: names of the columns, in order.
        rows: a mapping a row; what is missing is None.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """The values of a column."""
        if column not in self.columns:
            raise KeyError(column)
        return [row.get(column) for row in self.rows]

    def __repr__(self) -> str:
        return "\n".join(
            ["  ".join(self.columns), *("  ".join(_text(row.get(c)) for c in self.columns) for row in self._shown())]
        ) + ("" if len(self) <= _SHOWN else f"\n… {len(self):,} rows")

    def to_csv(self) -> str:
        """The table as CSV, with a line of names; what is missing is an empty cell."""
        import csv

        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([row.get(column) for column in self.columns] for row in self.rows)
        return out.getvalue()

    def _shown(self) -> Sequence[Mapping[str, Any]]:
        return self.rows[:_SHOWN]

    def _repr_html_(self) -> str:
        import html

        head = "".join(f"<th>{html.escape(column)}</th>" for column in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_text(row.get(column)))}</td>" for column in self.columns) + "</tr>"
            for row in self._shown()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Any:
    """A table of rows.

    Args:
        rows: a mapping a row.
        columns: names of the columns, in order; by default those of the rows as they first occur.

    Returns:
        A `pandas.DataFrame` where pandas is installed, `Rows` otherwise. A number that is missing is NaN or None, never
        an empty text.
    """
    names = tuple(columns) if columns is not None else tuple(dict.fromkeys(key for row in rows for key in row))
    try:
        import pandas
    except ModuleNotFoundError:
        return Rows(names, tuple(rows))
    return pandas.DataFrame([{name: row.get(name) for name in names} for row in rows], columns=list(names))


@dataclass(frozen=True, eq=False)
class Display:
    """Something to look at: numbers first, a drawing second.

    Attributes:
        title: what it shows.
        rows: its numbers.
        draw: gives the drawing, an SVG.
    """

    title: str
    rows: Sequence[Mapping[str, Any]]
    draw: Callable[[], str]

    def frame(self) -> Any:
        """The numbers as a table; see `mien.frame.frame`."""
        return frame(self.rows)

    def plot(self) -> Drawing:
        """The drawing, which a notebook shows; `plot().save("curves.svg")` writes it.

        Raises:
            MissingExtraError: what draws is not installed.
        """
        return Drawing(self.draw())

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self.rows):,} rows; .frame() for the numbers, .plot() for the drawing>"

    def _repr_html_(self) -> str:
        import html

        table = Rows(tuple(dict.fromkeys(key for row in self.rows for key in row)), tuple(self.rows))
        return f"<p>{html.escape(self.title)}</p>{table._repr_html_()}"


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
