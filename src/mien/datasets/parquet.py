"""Data sets as Parquet, as the Hugging Face hub keeps them: encoded images and their labels in one table.

A column of images (a struct of `bytes` and `path`, or the bytes alone; `image`, or the one of such a type) and a column
`label` (text, or numbers whose names stand in the table's `huggingface` metadata or in `classes`). `role` or `split`,
`group`, `id`, and the votes of taggers (`votes:EXPRESSION`, `other_votes:ANSWER`) may be there. Without a column the
role comes from the file's name or folder.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.datasets.boxes import has_boxes
from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.emonet_face import RATINGS_NOTE, label_by_ratings, rating_columns
from mien.datasets.folders import Progress, decode_files, holds_expression_folders, list_folder
from mien.datasets.pixels import DecodedImage
from mien.datasets.samples import (
    LICENCE_NOT_STATED,
    LOSS_WARNING,
    OTHER_VOTES,
    VOTES,
    ReadOptions,
    Sample,
    build_dataset,
    find_role,
    refuse_repeated_ids,
    refuse_unwritable_ids,
    vote_columns,
)
from mien.datasets.tables import NAMES, normal_name
from mien.errors import DataError, MissingExtraError
from mien.files import parse_json, written_whole
from mien.images import png_bytes
from mien.labels import Label

_ENDING = ".parquet"
# Rows that are decoded, or encoded, before the next are taken: a large table never lies in memory as a whole.
_BATCH_ROWS = 256
# How a table is called that was written in parts; a hash behind it, where there is one, tells versions apart.
_PART = re.compile(r"(?P<table>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?:-[0-9a-f]+)?\.parquet$", re.I)
# What pyarrow raises for damaged files; its own errors derive from these.
_ARROW_ERRORS = (OSError, ValueError, NotImplementedError)


@dataclass(frozen=True)
class _Columns:
    """Which columns of a table hold what.

    Attributes:
        names: the names of the classes that whole numbers count, or None where labels are text.
        ratings: the column of each of EmoNet-Face's categories, where there are no labels; else empty.
    """

    image: str
    label: str | None
    names: list[str] | None
    role: str | None
    group: str | None
    id: str | None
    votes: list[str]
    ratings: Mapping[str, str]

    def all(self) -> list[str]:
        """The columns to be read."""
        optional = [name for name in (self.role, self.group, self.id) if name is not None]
        labels = [*self.ratings.values()] if self.label is None else [self.label]
        return [self.image, *labels, *optional, *self.votes]


def is_parquet(path: Path) -> bool:
    """Whether a path is a .parquet, or a folder that holds such files at any depth and is not sorted by expression."""
    if path.is_dir():
        return not holds_expression_folders(path) and bool(parquet_files(path))
    return path.name.lower().endswith(_ENDING)


def parquet_files(path: Path) -> list[str]:
    """The .parquet files below a folder, relative to it."""
    return [name for name in list_folder(path) if name.lower().endswith(_ENDING)]


def read_parquet(path: Path, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Read one .parquet file, or all below a folder as one data set.

    Args:
        path: the file or the folder.
        options: the size wanted, what happens to images of another one, and what the labels stand for.
        progress: called with rows done and rows to be done.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataError: a column is missing, labels are numbers without names, a file is damaged or there in two versions,
            or no image can be read.
    """
    files = [path / name for name in parquet_files(path)] if path.is_dir() else [path]
    missing = _missing_parts([file.relative_to(path).as_posix() for file in files]) if path.is_dir() else []
    if not files:
        raise DataError(f"{path} holds no {_ENDING} files.")
    tables = [_open(file) for file in files]
    columns = [_find_columns(table.schema_arrow, file) for table, file in zip(tables, files, strict=True)]
    votes = columns[0].votes
    if any(found.votes != votes for found in columns):
        raise DataError(f"The files of {path} have different columns of votes. Give one of them.")
    total = sum(table.metadata.num_rows for table in tables)
    rows = _Rows(options)

    rated = [found.ratings for found in columns if found.ratings]

    def report() -> None:
        if progress is not None:
            progress(rows.count, total)

    for table, file, found in zip(tables, files, columns, strict=True):
        where = file.relative_to(path).as_posix() if path.is_dir() else file.name
        _read_table(table, found, where, rows, report)
    samples = _named(rows, by_id=all(found.id is not None for found in columns))
    refuse_repeated_ids(samples, str(path))
    return build_dataset(
        samples,
        rows.images,
        path=path,
        licence=next(filter(None, (_licence(table.schema_arrow) for table in tables)), LICENCE_NOT_STATED),
        options=options,
        problems=[*missing, *rows.problems],
        notes=[*([RATINGS_NOTE] if rated else []), *_box_notes(tables, options)],
        by_counts=True,
        voted=vote_columns(votes, str(path))[1],
    )


def write_parquet(dataset: Dataset, file: Path) -> Path:
    """Write a data set as one table with its images as PNG: read again in its channels, it has the same fingerprint.

    Labels are numbers, and the table's `huggingface` metadata has their names, so that `datasets.load_dataset` shows
    images and names.

    Args:
        dataset: any data set.
        file: the .parquet; its folder is made where needed. It appears whole or not at all.

    Returns:
        `file`.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataError: there is such a file already, it cannot be written, or a name is no UTF-8.
    """
    arrow, parquet = _libraries("Writing Parquet")
    if file.exists():
        raise DataError(f"There is a file {file} already. Name another one, or remove it first.")
    refuse_unwritable_ids(dataset)
    schema = _schema(dataset, arrow)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(file) as stream, parquet.ParquetWriter(stream, schema) as writer:
            for start in range(0, len(dataset), _BATCH_ROWS):
                rows = range(start, min(start + _BATCH_ROWS, len(dataset)))
                writer.write_table(arrow.table(_columns_of(dataset, rows), schema=schema))
    except OSError as error:
        raise DataError(
            f"The data set cannot be written to {file}: {error.strerror or error}. Name another file, or make room."
        ) from error
    return file


def _box_notes(tables: Sequence[Any], options: ReadOptions) -> list[str]:
    """A warning where tables say where in an image the face is: the images may be whole photos."""
    names = [name for table in tables for name in table.schema_arrow.names]
    if options.framing is not None or not has_boxes(names):
        return []
    return [
        f"{LOSS_WARNING}the columns {', '.join(dict.fromkeys(names))[:90]} hold boxes, which are not used: of "
        "whole photos no face is cut out. `mien data convert --crop-faces`, faces = 'find' in [data] and "
        "`mien evaluate --find-faces` cut it out"
    ]


@dataclass
class _Rows:
    """What the tables hold, as they are read; `own` is the name that a row gives itself, or empty."""

    options: ReadOptions
    samples: list[Sample] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    images: list[DecodedImage | Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    count: int = 0


def _libraries(what: str) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError(what, "parquet") from error
    return pyarrow, pyarrow.parquet


def _open(file: Path) -> Any:
    _, parquet = _libraries("Reading Parquet")
    try:
        return parquet.ParquetFile(file)
    except _ARROW_ERRORS as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> DataError:
    return DataError(f"{file} is not a complete Parquet file ({error}). Download or copy it again.")


def _missing_parts(names: Sequence[str]) -> list[Problem]:
    """The parts of tables (train-00001-of-00004.parquet) that are not among the files; a part's name says how many.

    Raises:
        DataError: a table is there in two versions, so that its images would be read twice.
    """
    tables: dict[str, list[re.Match[str]]] = defaultdict(list)
    for name in names:
        if part := _PART.match(name):
            tables[part["table"]].append(part)
    problems = []
    for table, parts in tables.items():
        there = {int(part["number"]) for part in parts}
        counts = {int(part["count"]) for part in parts}
        if len(there) < len(parts) or len(counts) > 1:
            raise DataError(
                f"{table} is there in more than one version: {', '.join(part[0] for part in parts)}. "
                "Leave the parts of one version in the folder, or give one file by its own path."
            )
        count = counts.pop()
        problems += [
            Problem(f"{table}-{number:05}-of-{count:05}{_ENDING}", "This part of the table is not there.")
            for number in range(count)
            if number not in there
        ]
    return problems


def _find_columns(schema: Any, file: Path) -> _Columns:
    arrow, _ = _libraries("Reading Parquet")
    there = {normal_name(name): name for name in reversed(schema.names)}

    def known(kind: str) -> str | None:
        return next((there[name] for name in NAMES[kind] if name in there), None)

    kinds = {name: schema.field(name).type for name in schema.names}
    bytes_columns = [name for name, kind in kinds.items() if _holds_bytes(kind, arrow)]
    named = [name for name in ("image", "img") if name in kinds]
    image = named[0] if named else bytes_columns[0] if len(bytes_columns) == 1 else None
    ratings = rating_columns(schema.names)
    label = known("label")
    if image is None or (label is None and not ratings):
        several = f" Of {', '.join(bytes_columns)} any could be the image." if image is None and bytes_columns else ""
        raise DataError(
            f"{file} is no data set of labelled images. Expected the columns image and label. "
            f"Received: {', '.join(schema.names)[:200]}.{several}"
        )
    role = known("role")
    return _Columns(
        image=image,
        label=label,
        names=_features(schema).get(label or "", {}).get("names"),
        role=role if role != label else None,
        group=known("group"),
        id=there.get("id"),
        votes=vote_columns(schema.names, file.name)[0],
        ratings={} if label is not None else ratings,
    )


def _holds_bytes(kind: Any, arrow: Any) -> bool:
    """Whether a column can hold encoded images: bytes, or the hub's struct of bytes and path."""
    types = arrow.types
    if types.is_struct(kind):
        return any(kind.field(n).name == "bytes" for n in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _info(schema: Any) -> dict[str, Any]:
    """What the hub's library keeps of a data set in a table's metadata; empty where it kept nothing."""
    try:
        info = parse_json((schema.metadata or {}).get(b"huggingface", b"{}")).get("info")
    except (ValueError, AttributeError):
        return {}
    return info if isinstance(info, dict) else {}


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    features = _info(schema).get("features")
    return {name: about for name, about in (features or {}).items() if isinstance(about, dict)}


def _licence(schema: Any) -> str:
    return str(_info(schema).get("license") or "")


def _read_table(table: Any, columns: _Columns, where: str, rows: _Rows, report: Callable[[], None]) -> None:
    file_role = _role_of_file(where)
    number = 0
    try:
        for batch in table.iter_batches(_BATCH_ROWS, columns=columns.all()):
            cells = batch.to_pylist()
            encoded: dict[str, bytes] = {}
            for row in cells:
                number += 1
                place = f"{where} row {number}"
                label = _label(row, columns, place)
                if isinstance(label, Problem):
                    rows.problems.append(label)
                    continue
                data, name = _image(row[columns.image], columns, where)
                encoded[place] = data
                rows.samples.append(
                    Sample(
                        id=place,
                        label=label,
                        role=file_role if columns.role is None else _text(row[columns.role]),
                        group="" if columns.group is None else _text(row[columns.group]),
                        votes=tuple(_vote(row[column], place) for column in columns.votes),
                    )
                )
                rows.own.append(name if columns.id is None else _text(row[columns.id]))
            rows.images += decode_files(list(encoded), encoded.__getitem__, None, rows.options)
            rows.count += len(cells)
            report()
    except _ARROW_ERRORS as error:
        raise _damaged(Path(where), error) from error


def _role_of_file(where: str) -> Role:
    """The role by a file's name (train-00000-of-00001.parquet), else by a folder's (default/test/0000.parquet)."""
    *folders, name = PurePosixPath(where).parts
    words = [name.removesuffix(_ENDING).replace("_", "-").partition("-")[0], *reversed(folders)]
    return next((role for word in words if (role := find_role(word)) is not None), Role.NONE)


def _label(row: Mapping[str, object], columns: _Columns, place: str) -> Label | str | Problem:
    """A row's label: as it is, or by its name where the table's metadata tells the names of numbers."""
    if columns.ratings:
        return label_by_ratings({name: row[column] for name, column in columns.ratings.items()}, place)
    label = row[columns.label or ""]
    if isinstance(label, (list, tuple)) and len(label) == 1:
        label = label[0]
    if label is None:
        return Problem(place, "It has no label.")
    if isinstance(label, str):
        return label
    if isinstance(label, bool) or not isinstance(label, (int, float)) or label != int(label):
        raise DataError(
            f"The label in {place} is no text, and no number that has a name. Received: {columns.label}={label!r}. "
            "Expected text, or whole numbers whose names stand in the table's huggingface metadata or in classes."
        )
    if columns.names is None:
        return str(int(label))
    if not 0 <= label < len(columns.names):
        return Problem(place, f"Its label is {label}; expected 0 to {len(columns.names) - 1}.")
    return str(columns.names[int(label)])


def _image(cell: object, columns: _Columns, where: str) -> tuple[bytes, str]:
    """The encoded image, and the name of the file it was made from."""
    if cell is None:
        return b"", ""
    if isinstance(cell, bytes):
        return cell, ""
    if isinstance(cell, Mapping) and "bytes" in cell:
        return cell["bytes"] or b"", _text(cell.get("path"))
    raise DataError(
        f"The column {columns.image} of {where} holds no encoded images. Expected bytes, or a struct of bytes and "
        f"path. Received: {type(cell).__name__}."
    )


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _vote(cell: object, place: str) -> float:
    if not isinstance(cell, int | float) or not 0 <= cell < float("inf"):
        raise DataError(f"In {place} a vote is not a number of people.")
    return float(cell)


def _named(rows: _Rows, *, by_id: bool) -> list[Sample]:
    """The samples under their own names; by file and row where these, if no table's `id`, are missing or not unique."""
    if not by_id and (len(set(rows.own)) < len(rows.own) or "" in rows.own):
        return rows.samples
    return [replace(sample, id=name or sample.id) for sample, name in zip(rows.samples, rows.own, strict=True)]


def _schema(dataset: Dataset, arrow: Any) -> Any:
    """The columns, and what `datasets` wants to know of each in the table's metadata."""
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    fields = [("image", image), ("label", arrow.int64())]
    fields += [(name, arrow.string()) for name in ("role", "group", "id")]
    fields += [(name, arrow.float64()) for name in _vote_columns(dataset)]
    features: dict[str, dict[str, Any]] = {
        name: {"dtype": str(kind).replace("double", "float64"), "_type": "Value"} for name, kind in fields[2:]
    }
    features["image"] = {"_type": "Image"}
    names = [expression.value for expression in dataset.label_set.expressions]
    features["label"] = {"names": names, "_type": "ClassLabel"}
    info = {"license": dataset.licence, "features": {name: features[name] for name, _ in fields}}
    return arrow.schema(fields, metadata={"huggingface": json.dumps({"info": info})})


def _vote_columns(dataset: Dataset) -> dict[str, NDArray[np.float64]]:
    """The columns of votes by name, each of shape (N,)."""
    columns: dict[str, NDArray[np.float64]] = {}
    if dataset.votes is not None:
        columns |= {
            VOTES + expression.value: dataset.votes[:, number]
            for number, expression in enumerate(dataset.label_set.expressions)
        }
    if dataset.other_votes is not None:
        columns |= {f"{OTHER_VOTES}{number}": votes for number, votes in enumerate(dataset.other_votes.T)}
    return columns


def _columns_of(dataset: Dataset, rows: range) -> dict[str, Sequence[object]]:
    index = slice(rows.start, rows.stop)
    groups = [""] * len(rows) if dataset.groups is None else dataset.groups[index].tolist()
    return {
        "image": [{"bytes": png_bytes(dataset.images[row]), "path": f"{row + 1}.png"} for row in rows],
        "label": dataset.labels[index].tolist(),
        "role": dataset.roles[index].tolist(),
        "group": groups,
        "id": dataset.ids[index].tolist(),
        **{name: votes[index].tolist() for name, votes in _vote_columns(dataset).items()},
    }
