"""Data sets as a manifest: a table with a row for each image file, and the files beside it.

The columns `path` (relative to the table) and `label` are required, under these or other usual names
(`mien.datasets.tables.NAMES`). `role`, `group` (a person or a sequence, never to be separated), `id`, and the votes of
taggers (`votes:EXPRESSION`, `other_votes:ANSWER`) may be there.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mien.datasets.boxes import has_boxes
from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.folders import Progress, decode_files, holds_expression_folders, named_roles, read_below
from mien.datasets.samples import (
    LICENCE_NOT_STATED,
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
from mien.datasets.tables import (
    Columns,
    find_tables,
    open_table,
    other_tables,
    read_columns,
    role_of,
    root_of,
    unused_notes,
)
from mien.errors import DataError, did_you_mean
from mien.files import write_text
from mien.images import png_bytes
from mien.labels import Label, find_expression
from mien.wording import count_text

MANIFEST_FILE = "manifest.csv"
LICENCE_FILE = "LICENCE.txt"


# Where images are looked for, beside the table, when they are not where it says.
_IMAGE_FOLDERS = ("images", "image", "img", "imgs", "faces", "data", "photos", "pictures")
_ENDINGS = ("", ".jpg", ".png", ".jpeg")
_TRIED = 50
# Up to this share of the images, those with several labels are slips.
_MOST_DISPUTED = 0.01


@dataclass(frozen=True)
class _Table:
    """What the tables say.

    Attributes:
        paths: of the images, relative to `folder`, one for each sample.
        expressions: those that have a column of votes.
    """

    folder: Path
    paths: list[str]
    samples: list[Sample]
    expressions: list[Label]
    problems: list[Problem]
    notes: list[str]


def is_manifest(path: Path) -> bool:
    """Whether a path is a table that names image files, or a folder that holds one, by the tables' first lines.

    A folder that is sorted by expression is one only where the table is called manifest.csv.
    """
    if path.is_dir() and not (path / MANIFEST_FILE).is_file() and holds_expression_folders(path):
        return False
    return bool(_tables_of(path))


def manifest_files(path: Path) -> list[str]:
    """The tables and the image files that they name, relative to the path's folder; missing ones are left out."""
    table = _read_tables(path)
    folder = path if path.is_dir() else path.parent
    names = [*(file for file in _tables_of(path)), *(table.folder / name for name in table.paths)]
    return [_relative(name, folder) for name in names if name.is_file()]


def _relative(path: Path, folder: Path) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another drive of Windows
        return str(path)


def read_manifest(path: Path, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Read tables that name image files, and these.

    Args:
        path: the table, or the folder that holds it as manifest.csv, under another name, or as one table a role.
        options: the size wanted, what happens to images of another one, and what the labels stand for.
        progress: called with images done and images to be done.

    Raises:
        DataError: a column is missing, no image can be read, or there is one class only.
    """
    table = _read_tables(path, boxes=options.framing is not None)
    if not options.outside:
        refuse_outside(table.folder, table.paths, path)
    licence = table.folder / LICENCE_FILE
    return build_dataset(
        table.samples,
        decode_files(table.paths, read_below(table.folder), progress, options),
        path=path,
        licence=licence.read_text(encoding="utf-8").strip() if licence.is_file() else LICENCE_NOT_STATED,
        options=options,
        voted=table.expressions,
        notes=table.notes,
        problems=table.problems,
        by_counts=True,
    )


def refuse_outside(folder: Path, paths: Sequence[str], path: Path) -> None:
    """Raise DataError when a table names files outside its folder, be it by a link: it may come from anyone."""
    root = os.path.realpath(folder)
    outside = [name for name in paths if not _lies_in(root, os.path.realpath(folder / name))]
    if outside:
        raise DataError(
            f"{path} names {len(outside):,} of {len(paths):,} images outside its folder, first {outside[0]!r}."
            " If you trust it, allow that: --allow-outside, or outside = true in [data] of a study file."
        )


def _lies_in(root: str, path: str) -> bool:
    return path.startswith(root.rstrip(os.sep) + os.sep)


def write_manifest(dataset: Dataset, folder: Path) -> Path:
    """Write a data set as a manifest with its images as PNG: read again in its channels, it has the same fingerprint.

    Args:
        dataset: any data set.
        folder: gets manifest.csv, LICENCE.txt and images/; made where needed.

    Returns:
        The path of manifest.csv, which is written last: its presence means that all images are there.

    Raises:
        DataError: there is a manifest already, the folder cannot be written to, or a name is no UTF-8.
    """
    table = folder / MANIFEST_FILE
    if table.exists():
        raise DataError(f"{folder} holds a manifest already. Name another folder, or remove it first.")
    refuse_unwritable_ids(dataset)
    names = [expression.value for expression in dataset.label_set.expressions]
    columns = ["path", "label", "role", "group", "id"]
    columns += [] if dataset.votes is None else [VOTES + name for name in names]
    others = 0 if dataset.other_votes is None else dataset.other_votes.shape[1]
    columns += [f"{OTHER_VOTES}{number}" for number in range(others)]
    width = len(str(len(dataset)))
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        lines = [columns]
        for position in range(len(dataset)):
            path = f"images/{position + 1:0{width}d}.png"
            (folder / path).write_bytes(png_bytes(dataset.images[position]))
            lines.append([path, *_row_of(dataset, position, names)])
        write_text(folder / LICENCE_FILE, dataset.licence + "\n")
        write_text(table, _csv_text(lines))
    except OSError as error:
        raise DataError(
            f"The data set cannot be written to {folder}: {error.strerror or error}. Name another folder, or make room."
        ) from error
    return table


def _row_of(dataset: Dataset, position: int, names: Sequence[str]) -> list[str]:
    group = "" if dataset.groups is None else str(dataset.groups[position])
    row = [names[dataset.labels[position]], str(dataset.roles[position]), group, str(dataset.ids[position])]
    for votes in (dataset.votes, dataset.other_votes):
        row += [] if votes is None else [repr(float(vote)) for vote in votes[position]]
    return row


def _csv_text(lines: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _tables_of(path: Path) -> list[Path]:
    if path.is_dir() and (path / MANIFEST_FILE).is_file():
        path = path / MANIFEST_FILE
    return find_tables(path, lambda columns: columns.holds_paths and "label" in columns.at)


def _read_tables(path: Path, *, boxes: bool = True) -> _Table:
    """The rows of all tables; those with boxes are refused, unless that does not matter."""
    files = _tables_of(path)
    if path.is_file() and (columns := read_columns(path)) and {"Usage", "Image name"} <= set(columns.names):
        raise DataError(
            f"{path} holds FER+'s votes and no images. Give FER2013 as the data, and this table as its votes "
            "(--votes, votes=, or votes under [data])."
        )
    if not files:
        raise DataError(_no_manifest(path / MANIFEST_FILE if path.is_dir() else path))
    root = root_of(files)
    left_out = other_tables(files) if path.is_dir() else []
    notes = [f"tables that hold no labelled images left out: {', '.join(left_out)}"] if left_out else []
    paths: list[str] = []
    samples: list[Sample] = []
    problems: list[Problem] = []
    expressions: list[Label] = []
    of_votes = set[tuple[str, ...]]()
    kinds: list[Columns] = []
    boxed: Sequence[str] = ()
    for file in files:
        names: list[str] = []
        read: list[Sample] = []
        with open_table(file) as (columns, lines):
            if not boxes:
                _refuse_boxes(file, columns.names)
            kinds.append(columns)
            boxed = columns.names if has_boxes(columns.names) else boxed
            voted, expressions = vote_columns(columns.names, str(file))
            of_votes.add((*expressions, *map(str.lower, voted[len(expressions) :])))
            if len(of_votes) > 1:
                raise DataError(
                    f"The tables of {path} have different columns of votes. Give them the same, in one order."
                )
            votes = [columns.names.index(name) for name in voted]
            several = f"{file.relative_to(root).as_posix()} " if len(files) > 1 else ""
            for number, cells in enumerate(lines, start=1):
                row = _row(columns, cells, votes, f"row {number} of {file}", role_of(file, files))
                if isinstance(row, Problem):
                    problems.append(Problem(f"{several}row {number}", row.reason))
                    continue
                names.append(row[0])
                read.append(row[1])
        located, note = locate(file.parent, names, read, file.name.partition(".")[0])
        below = "" if file.parent == root else f"{file.parent.name}/"
        paths += [below + name for name in located]
        samples += [replace(sample, id=below + sample.id) for sample in read] if below else read
        notes += [] if note is None or note in notes else [note]
    if boxed and len(set(paths)) < len(paths):
        raise DataError(
            f"{path} has boxes, and several of one photo: its columns are {', '.join(boxed)[:120]}. mien reads faces "
            "that are cut out, and where it is to find them, one in each photo. Cut the boxes out into one folder per "
            "expression."
        )
    if all("role" not in columns.at for columns in kinds) and not any(sample.role for sample in samples):
        samples, role_notes = _with_roles(samples, paths)
        notes += role_notes
    paths, samples, repeated, repeated_notes = _once_each(path, paths, samples)
    if len(set(paths)) == len(paths) and len({sample.id for sample in samples}) < len(samples):
        notes += ["images are called by their paths: their own names repeat"]
        samples = [replace(sample, id=name) for sample, name in zip(samples, paths, strict=True)]
    refuse_repeated_ids(samples, f"The manifest {path}")
    notes += [*repeated_notes, *unused_notes(kinds)]
    return _Table(root, paths, samples, expressions, [*problems, *repeated], notes)


def _with_roles(samples: list[Sample], paths: Sequence[str]) -> tuple[list[Sample], list[str]]:
    """The samples with the roles that folders in their paths tell, or else the names of all files; and a note of it."""
    folders = [
        _folder_role(path) or _folder_role(sample.id.replace("\\", "/")) or Role.NONE
        for sample, path in zip(samples, paths, strict=True)
    ]
    named = named_roles(paths)
    roles = folders if len({role for role in folders if role}) > 1 else [named[path] for path in paths] if named else []
    if not roles:
        return samples, []
    return [replace(sample, role=role) for sample, role in zip(samples, roles, strict=True)], [
        f"roles taken from the paths, such as {paths[0]!r}"
    ]


def _folder_role(path: str) -> Role | None:
    return next((role for part in reversed(path.split("/")[:-1]) if (role := find_role(part))), None)


def _once_each(
    path: Path, paths: list[str], samples: list[Sample]
) -> tuple[list[str], list[Sample], list[Problem], list[str]]:
    """Each image once: rows that repeat another are left out, and so are the few images that have several labels.

    Raises:
        DataError: many images have several labels, as where several people label each.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(paths):
        rows[name].append(row)
    if len(rows) == len(paths):
        return paths, samples, [], []
    several = {
        name: there for name, there in rows.items() if len({str(samples[row].label).casefold() for row in there}) > 1
    }
    if len(several) > _MOST_DISPUTED * len(rows):
        name, there = min(several.items())
        said = ", ".join(str(samples[row].label) for row in there[:5])
        raise DataError(
            f"{path} has several rows with different labels for {len(several):,} of {len(rows):,} images, first "
            f"{name!r} ({said[:80]}). Where several people label an image, give it one row: the label that most "
            "gave, and how many gave each in columns votes:anger, votes:fear and so on."
        )
    seen = set[tuple[object, ...]]()
    kept: list[int] = []
    for row, (name, sample) in enumerate(zip(paths, samples, strict=True)):
        what = (name, sample.label, sample.role, sample.group, sample.votes)
        if name not in several and what not in seen:
            kept.append(row)
        seen.add(what)
    problems = [
        Problem(name, f"It has the labels {', '.join(str(samples[row].label) for row in there)}.")
        for name, there in several.items()
    ]
    again = len(paths) - len(kept) - sum(map(len, several.values()))
    notes = (
        [f"{count_text(again, 'row')} that {'repeats' if again == 1 else 'repeat'} another left out"] if again else []
    )
    return [paths[row] for row in kept], [samples[row] for row in kept], problems, notes


def _refuse_boxes(file: Path, names: Sequence[str]) -> None:
    """Refuse a table that says where in a photo each face is: the whole photos would be read for faces."""
    if has_boxes(names):
        raise DataError(
            f"{file} has boxes: its columns are {', '.join(names)[:120]}. mien reads faces that are cut out. If the "
            "images are, take these columns away. Else cut the boxes out into one folder per expression, or have the "
            "faces of the photos found (mien data convert --crop-faces, mien evaluate --find-faces)."
        )


def _no_manifest(file: Path) -> str:
    columns = read_columns(file)
    names = [] if columns is None else list(columns.names)
    near = did_you_mean("path" if columns is not None and "label" in columns.at else "label", names, known=False)
    classes = [name for name in names if find_expression(name) is not None]
    if columns is not None and "path" in columns.at and len(classes) > 1:
        near = (
            f"Where {', '.join(classes)} are votes, call them votes:{classes[0]} and so on, and give the label in a "
            "column of its own; where they mark the label, 1 stands in one of them and 0 in all others."
        )
    return (
        f"{file} is no manifest. Expected a column of paths (path, file, file_name, filename, image or image_path) and "
        f"a column of labels (label, emotion or expression); and, where known, role and group. "
        f"Received: {', '.join(names)[:120] or 'no such table'}. {near}"
    ).strip()


def _row(
    columns: Columns, cells: Sequence[str], voted: Sequence[int], where: str, file_role: Role | None
) -> tuple[str, Sample] | Problem:
    """The path of an image and what the row says of it."""
    name = columns.cell(cells, "path")
    if not name:
        raise DataError(f"In {where} the path is empty.")
    if (what := no_file(name)) is not None:
        return Problem(name[:80], what)
    try:
        votes = tuple(float(cells[place]) for place in voted)
    except (IndexError, ValueError) as error:
        raise DataError(f"In {where} a vote is not a number.") from error
    if not all(0 <= vote < float("inf") for vote in votes):
        raise DataError(f"In {where} a vote is not a number of people.")
    sample = Sample(
        id=columns.cell(cells, "id") or name,
        label=columns.cell(cells, "label"),
        role=columns.cell(cells, "role") if "role" in columns.at else file_role or Role.NONE,
        group=columns.cell(cells, "group"),
        votes=votes,
    )
    return name, sample


def no_file(name: str) -> str | None:
    """What a cell holds in place of a file's name, as a sentence; None where it may be one."""
    if re.match(r"(https?|s3|gs|ftp)://", name, re.I):
        return "It is a web address, and mien reads files: fetch the images first, and name the files."
    if name.startswith("data:image") or (len(name) > 1000 and re.fullmatch(r"[A-Za-z0-9+/=\s]+", name[:2000])):
        return "It is an image as base64 text, and mien reads files: decode it into one first, and name that."
    return None


def locate(folder: Path, names: Sequence[str], samples: Sequence[Sample], stem: str) -> tuple[list[str], str | None]:
    """Where the images that a table names are: as it says, or where images usually lie.

    Args:
        folder: that of the table.
        names: what the table calls each image.
        samples: what it says of each, for images that are sorted by role or label.
        stem: the table's name without its ending: a folder may be called so.

    Returns:
        The path of each image, relative to the folder; and a note where that is not what the table says.
    """
    plain = [name.replace("\\", "/") for name in names]
    if all((folder / name).is_file() for name in plain[:_TRIED]):
        return plain, None
    places = ["", *(f"{inner}/" for inner in (*_IMAGE_FOLDERS, stem))]
    roles = {place: _role_folders(folder / place, samples) for place in places}
    ways: list[tuple[str, Callable[[int], str]]] = []
    for place in places:
        for ending in _ENDINGS:
            ways += [
                (f"{place}…{ending}", lambda n, p=place, e=ending: f"{p}{plain[n]}{e}"),  # type: ignore[misc]
                (f"{place}ROLE/…{ending}", lambda n, p=place, e=ending: f"{p}{roles[p][n]}/{plain[n]}{e}"),  # type: ignore[misc]
                (
                    f"{place}LABEL/…{ending}",
                    lambda n, p=place, e=ending: f"{p}{samples[n].label}/{plain[n]}{e}",  # type: ignore[misc]
                ),
                (
                    f"{place}ROLE/LABEL/…{ending}",
                    lambda n, p=place, e=ending: f"{p}{roles[p][n]}/{samples[n].label}/{plain[n]}{e}",  # type: ignore[misc]
                ),
            ]
    # A path of another machine: its end may be found here.
    depth = max((name.count("/") for name in plain[:_TRIED]), default=0)
    for dropped in range(1, depth + 1):
        for place in places[:3]:
            ways.append(
                (f"{place}… without its first folders", lambda n, p=place, d=dropped: p + _without(plain[n], d))  # type: ignore[misc]
            )
    tried = range(0, len(plain), max(1, len(plain) // _TRIED))
    most, (best, way) = max(
        ((sum((folder / way(n)).is_file() for n in tried), (name, way)) for name, way in ways),
        key=lambda entry: entry[0],
    )
    if not most or best == "…":
        return plain, None
    paths = [moved if (folder / (moved := way(n))).is_file() else plain[n] for n in range(len(plain))]
    return paths, f"images are not where the table says, but at {best}"


def _role_folders(folder: Path, samples: Sequence[Sample]) -> list[str]:
    """The name of the folder of each sample's role: as the sample has it, or under another word for the same role."""
    inside = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
    known = {role: name for name in reversed(inside) if (role := find_role(name)) is not None}
    words = {str(sample.role) for sample in samples}
    names = {word: word if word in inside else known.get(find_role(word) or Role.NONE, word) for word in words}
    return [names[str(sample.role)] for sample in samples]


def _without(name: str, folders: int) -> str:
    return name.split("/", folders)[-1] if name.count("/") >= folders else name
