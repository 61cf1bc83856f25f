"""Tables of text: which file is one, how its cells are divided, and which column holds what.

Commas, semicolons, tabs or blanks may divide the cells, with a line of names above or without one. Quotes are honoured,
and blanks around a name, its case and a byte order mark do not count.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mien.datasets.classes import as_number
from mien.datasets.dataset import Role
from mien.datasets.pixels import IMAGE_SUFFIXES
from mien.datasets.samples import find_role
from mien.errors import DataError
from mien.labels import find_expression

TABLE_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".lst")

# What people call the columns, the likelier name first.
NAMES: Mapping[str, tuple[str, ...]] = {
    "label": (
        *("label", "emotion", "expression", "class", "emotion_label", "label_name", "class_name", "labels", "emotions"),
        *("expressions", "emotion_name", "expr", "category", "target", "classes", "y"),
        *("emotion_id", "label_id", "class_id", "expression_id"),
    ),
    "pixels": ("pixels", "pixel", "pixel_values", "image_pixels"),
    "path": (
        *("path", "file", "file_name", "filename", "image", "image_path", "img_path", "image_name", "img_name", "img"),
        *("filepath", "file_path", "pth", "images", "image_file", "imagename", "subdirectory_filepath", "name"),
    ),
    "role": ("role", "usage", "split", "set", "subset", "partition", "fold_name"),
    "group": ("group", "person", "subject", "subject_id", "person_id", "sequence", "clip", "video", "actor", "user_id"),
    "id": ("id",),
}
_ONE_PIXEL = re.compile(r"(pixel|px|p)?_?\d+")
_FEWEST_PIXELS = 16
# Columns of votes begin so (`mien.datasets.samples.VOTES`), and pandas calls a column of row numbers so.
_OWN_COLUMNS = ("votes:", "other_votes:")
_NUMBERING = re.compile(r"unnamed: \d+|index|no|nr|row|#", re.I)
_MOST_NAMED = 8
# A table with other answers than images and labels for a contest: its labels are made up.
_SUBMISSION = re.compile(r"submission", re.I)
# As many rows are looked at to know whether a column stands for each class.
_ROWS_LOOKED_AT = 20
_EXCEL_DELIMITER = re.compile(r'"?sep=(.)"?\s*', re.I)
# A cell of pixels is long: 224 x 224 numbers are 200,000 characters.
_LONGEST_CELL = 1 << 26


@dataclass(frozen=True)
class Columns:
    """Which column of a table holds what.

    Attributes:
        names: the names as they are written, without blanks around them; empty where the table has no such line.
        at: for "label", "path", "pixels", "role", "group" and "id" the number of its column, where there is one.
        pixels: the columns that hold one pixel each, where pixels are spread so.
        classes: those that hold a 1 for the images of one class each, where the label is told so.
    """

    names: tuple[str, ...]
    at: Mapping[str, int]
    pixels: tuple[int, ...] = ()
    classes: tuple[int, ...] = ()

    @property
    def holds_pixels(self) -> bool:
        """Whether images stand in the table itself."""
        return "pixels" in self.at or bool(self.pixels)

    @property
    def holds_paths(self) -> bool:
        """Whether images are files that the table names."""
        return "path" in self.at and not self.holds_pixels

    @property
    def unused(self) -> list[str]:
        """The names of columns that nothing is read from; those that number the rows left out."""
        used = {*self.at.values(), *self.pixels, *self.classes}
        return [
            name
            for number, name in enumerate(self.names)
            if number not in used and name and not name.startswith(_OWN_COLUMNS) and not _NUMBERING.fullmatch(name)
        ]

    def cell(self, cells: Sequence[str], kind: str) -> str:
        """A cell of a row without the blanks around it; empty where the table has no such column or the row ends."""
        place = self.at.get(kind)
        return cells[place].strip() if place is not None and place < len(cells) else ""


def is_table(path: Path) -> bool:
    """Whether a path is a file that is called as tables are."""
    return path.name.lower().endswith(TABLE_ENDINGS) and path.is_file()


def read_columns(path: Path) -> Columns | None:
    """Which column of a table holds what; None where it cannot be read, or holds no images."""
    try:
        with open_table(path) as (columns, _):
            return columns if columns.at else None
    except DataError:
        return None


@contextmanager
def open_table(
    path: Path, report: Callable[[int, int], None] | None = None
) -> Iterator[tuple[Columns, Iterator[list[str]]]]:
    """The columns of a table and its rows, empty ones left out; read as they are asked for.

    Args:
        path: plain text, or gzip where it ends in ".gz".
        report: called now and then with the bytes of the file that have been read, and all its bytes.

    Raises:
        DataError: it cannot be read, or is damaged.
    """
    try:
        with path.open("rb") as file:
            packed = path.suffix.lower() == ".gz"
            with gzip.GzipFile(fileobj=file) if packed else file as stream, _text(stream) as lines:
                yield _columns_and_rows(lines, _reporter(file, path, report))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is not a complete .gz file ({error}). Download or copy it again.") from error
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: {error}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _reporter(file: BinaryIO, path: Path, report: Callable[[int, int], None] | None) -> Callable[[], None]:
    total = path.stat().st_size
    return lambda: None if report is None else report(file.tell(), total)


def _text(stream: BinaryIO | gzip.GzipFile) -> io.TextIOWrapper:
    buffered = io.BufferedReader(stream) if isinstance(stream, gzip.GzipFile) else stream
    start = buffered.peek(2)[:2] if isinstance(buffered, io.BufferedReader) else b""
    if start in (b"\xff\xfe", b"\xfe\xff"):
        return io.TextIOWrapper(buffered, encoding="utf-16", errors="replace", newline="")
    codecs.register_error("mien-windows", _as_windows)
    return io.TextIOWrapper(buffered, encoding="utf-8-sig", errors="mien-windows", newline="")


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """What is no UTF-8 in the letters of western Windows, as Excel writes a .csv there."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


def _columns_and_rows(lines: Iterator[str], report: Callable[[], None]) -> tuple[Columns, Iterator[list[str]]]:
    first = next((line for line in lines if line.strip()), "")
    said = _EXCEL_DELIMITER.fullmatch(first)
    if said:
        first = next((line for line in lines if line.strip()), "")
    rows = _split(chain([first] if first else [], lines), said[1] if said else _delimiter(first))
    head = next(rows, [])
    columns = _named_columns(head)
    if not columns.at and not columns.pixels and (found := _columns_of_data(head)) is not None:
        columns, rows = found, chain([head], rows)
    if "label" not in columns.at:
        columns, rows = _with_label(columns, rows)
    return columns, _reported(rows, report)


def _with_label(columns: Columns, rows: Iterator[list[str]]) -> tuple[Columns, Iterator[list[str]]]:
    """The table with a column of labels behind it, where it has a column for each class and a 1 in one of them.

    A row with several is called by all of them, and one with none "none", for whoever names classes.
    """
    places = [number for number, name in enumerate(columns.names) if find_expression(name) is not None]
    first = list(islice(rows, _ROWS_LOOKED_AT)) if len(places) > 1 else []
    rows = chain(first, rows)
    marked = [_marked(row, places) for row in first]
    if sum(row is not None and len(row) == 1 for row in marked) * 2 <= len(first) or None in marked:
        return columns, rows

    def labelled() -> Iterator[list[str]]:
        for row in rows:
            padded = row[: len(columns.names)] + [""] * (len(columns.names) - len(row))
            names = [columns.names[place] for place in _marked(row, places) or []]
            yield [*padded, " and ".join(names) or "none"]

    at = {**columns.at, "label": len(columns.names)}
    return Columns((*columns.names, "label"), at, columns.pixels, tuple(places)), labelled()


def _marked(row: Sequence[str], places: Sequence[int]) -> list[int] | None:
    """The columns of classes that have a 1; None where one has something else than 1 or 0."""
    cells = {place: row[place].strip().lower() if place < len(row) else "" for place in places}
    if not all(cell in ("1", "1.0", "true", "0", "0.0", "false", "") for cell in cells.values()):
        return None
    return [place for place, cell in cells.items() if cell in ("1", "1.0", "true")]


def _reported(rows: Iterator[list[str]], report: Callable[[], None], every: int = 500) -> Iterator[list[str]]:
    for number, row in enumerate(rows):
        if number % every == 0:
            report()
        yield row
    report()


def _delimiter(line: str) -> str | None:
    """What divides the cells of a line; None for blanks."""
    outside = "".join(line.split('"')[::2])
    counts = {mark: outside.count(mark) for mark in (",", ";", "\t")}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] or len(outside.split()) < 2 else None


def _split(lines: Iterator[str], delimiter: str | None) -> Iterator[list[str]]:
    if delimiter is None:
        # From the right: the name of a file may hold blanks.
        yield from (line.strip().rsplit(None, 1) for line in lines if line.strip())
        return
    csv.field_size_limit(_LONGEST_CELL)
    for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
        if any(cell and not cell.isspace() for cell in row):
            yield row


def normal_name(name: str) -> str:
    """A column's name as it is compared: without case and with _ for blanks."""
    return re.sub(r"[\s-]+", "_", name.strip().casefold())


def _named_columns(head: Sequence[str]) -> Columns:
    names = [normal_name(cell) for cell in head]
    at: dict[str, int] = {}
    for kind, known in NAMES.items():
        found = next((name for name in known if name in names), None)
        if found is not None and names.index(found) not in at.values():
            at[kind] = names.index(found)
    spread = tuple(number for number, name in enumerate(names) if _ONE_PIXEL.fullmatch(name))
    return Columns(tuple(cell.strip() for cell in head), at, spread if len(spread) >= _FEWEST_PIXELS else ())


def _columns_of_data(row: Sequence[str]) -> Columns | None:
    """The columns of a table without names, by its first row; None where that tells nothing."""
    at: dict[str, int] = {}
    for number, cell in enumerate(row):
        kind = _kind(cell.strip())
        if kind is not None:
            at.setdefault(kind, number)
    return Columns((), at) if "label" in at and ("path" in at or "pixels" in at) else None


def _kind(cell: str) -> str | None:
    if PurePosixPath(cell.replace("\\", "/")).suffix.lower() in IMAGE_SUFFIXES:
        return "path"
    if len(cell.split()) >= _FEWEST_PIXELS and cell.replace(" ", "").isdigit():
        return "pixels"
    if find_expression(cell) is not None or as_number(cell) is not None:
        return "label"
    return "role" if find_role(cell) is not None else None


def find_tables(path: Path, wanted: Callable[[Columns], bool]) -> list[Path]:
    """The tables of a data set: the file itself, or those in a folder that hold labelled images.

    Args:
        path: a table; or a folder that holds tables, has them in folders of roles (train/_classes.csv), or holds
            nothing but one folder of which that is so.
        wanted: whether a table of these columns is meant.
    """
    if path.is_file():
        columns = read_columns(path) if is_table(path) else None
        return [path] if columns is not None and wanted(columns) else []
    if not path.is_dir():
        return []
    for _ in range(2):
        inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        found = _no_submissions([entry for entry in inside if _holds_labels(entry, wanted)])
        if not found:
            # Only those with names of columns: label.csv in FER2013Train, without them, holds boxes and votes (FER+).
            found = [
                table
                for folder in inside
                if folder.is_dir() and find_role(folder.name) is not None
                for table in sorted(folder.iterdir())
                if not table.name.startswith(".")
                and _holds_labels(table, lambda columns: bool(columns.names) and wanted(columns))
            ]
        if found or len(inside) != 1 or not inside[0].is_dir():
            return found
        path = inside[0]
    return []


def _no_submissions(files: list[Path]) -> list[Path]:
    """The tables without what is to be handed in to a contest (sample_submission.csv), unless there are no others."""
    return [file for file in files if not _SUBMISSION.search(file.name)] or files


def _holds_labels(path: Path, wanted: Callable[[Columns], bool]) -> bool:
    columns = read_columns(path) if is_table(path) else None
    return columns is not None and "label" in columns.at and wanted(columns)


def root_of(files: Sequence[Path]) -> Path:
    """The folder that the tables of a data set lie in, or in whose folders of roles they lie."""
    folders = {file.parent for file in files}
    return folders.pop() if len(folders) == 1 else files[0].parent.parent


def role_of(file: Path, files: Sequence[Path]) -> Role | None:
    """The role that a table's name tells, or the folder it lies in, where a data set has several tables."""
    if len(files) < 2:
        return None
    return find_role(file.name.partition(".")[0]) or (
        find_role(file.parent.name) if file.parent != root_of(files) else None
    )


def other_tables(used: Sequence[Path]) -> list[str]:
    """The names of tables beside those that are used: for a note that they are not."""
    if not used:
        return []
    inside = [file for folder in dict.fromkeys(file.parent for file in used) for file in folder.iterdir()]
    return sorted(file.name for file in inside if file not in used and file.name.lower().endswith(TABLE_ENDINGS[:4]))


def unused_notes(columns: Sequence[Columns]) -> list[str]:
    """A note of the columns of tables that nothing is read from."""
    unused = list(dict.fromkeys(name for one in columns for name in one.unused))
    if not unused:
        return []
    more = f" and {len(unused) - _MOST_NAMED:,} more" if len(unused) > _MOST_NAMED else ""
    return [f"columns that are not used: {', '.join(unused[:_MOST_NAMED])[:200]}{more}"]
