"""Rows of results, for notebooks and tables: as a pandas data frame where pandas is installed, plain otherwise."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SHOWN = 60


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
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([row.get(column) for column in self.columns] for row in self.rows)
        return out.getvalue()

    def _shown(self) -> Sequence[Mapping[str, Any]]:
        return self.rows[:_SHOWN]

    def _repr_html_(self) -> str:
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
        draw: gives the drawing, a matplotlib figure.
    """

    title: str
    rows: Sequence[Mapping[str, Any]]
    draw: Callable[[], Any]

    def frame(self) -> Any:
        """The numbers as a table; see `mien.frame.frame`."""
        return frame(self.rows)

    def plot(self) -> Any:
        """The drawing, a matplotlib figure, which a notebook shows.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return self.draw()

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self.rows):,} rows; .frame() for the numbers, .plot() for the drawing>"

    def _repr_html_(self) -> str:
        table = Rows(tuple(dict.fromkeys(key for row in self.rows for key in row)), tuple(self.rows))
        return f"<p>{html.escape(self.title)}</p>{table._repr_html_()}"


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
