"""Data sets kept as one folder of images per expression: a folder tree, or a .zip of one, read in place.

The folder nearest to the file whose name is an expression gives the label (`Training/Training/Angry`,
`train/angry`, `03_happy`, `Angry/part1`). The role comes from the file's prefix as FER2013's exports have it
(`PublicTest_123.jpg`), else from a folder (`train`, `validation`, `Testing`, `PrivateTest`), else there is none.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.pixels import GrayImage, OnMismatch, decode_gray, stack_images
from mien.errors import DataError, ImageError
from mien.labels import Expression, LabelSet, find_expression, parse_expression

Progress = Callable[[int, int], None]

LICENCE_NOT_STATED = "Not stated by the data set; check before you publish."
LICENCE_FER2013 = (
    "FER2013: research data. The images were collected by web search, and their image rights are unresolved."
)

ROLE_FOLDERS = {
    name: role
    for role, names in {
        Role.TRAIN: "train training trainset trainingset",
        Role.VALIDATION: "validation val valid publictest",
        Role.TEST: "test testing testset privatetest",
    }.items()
    for name in names.split()
}
# File-name prefixes of FER2013's exports: its own words for the roles, finer than a test folder that holds two.
ROLE_PREFIXES = {
    "training_": Role.TRAIN,
    "publictest_": Role.VALIDATION,
    "privatetest_": Role.TEST,
}

_IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".heic", ".heif"}
)
_LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
# Spellings so usual that reading them needs no note: the noun and the adjective.
_USUAL_FORMS = frozenset(Expression) | {
    *("angry", "disgusted", "fearful", "happy", "sad", "surprised", "contemptuous"),
}
# Files per task: large enough that handing a task to a thread costs nothing beside decoding it.
_BATCH = 128


@dataclass(frozen=True)
class LabelledFile:
    """A file of the tree whose place gives it a label and perhaps a role."""

    path: str
    label: str
    expression: Expression
    role: Role


LabelFiles = Callable[[Iterable[str], str], tuple[list[LabelledFile], list[Problem]]]


def dataset_name(path: Path) -> str:
    """The name of a data set by its path: without the folders above and without ".zip", ".csv" or ".csv.gz"."""
    name = path.resolve().name
    for ending in (".gz", ".csv", ".zip"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name or "dataset"


def list_folder(folder: Path) -> list[str]:
    """Paths of all files below a folder, relative to it, with "/" between the parts, sorted; hidden ones left out."""
    return sorted(_walk(folder, "", frozenset({os.path.realpath(folder)})))


def _walk(folder: Path, prefix: str, above: frozenset[str]) -> Iterator[str]:
    for entry in os.scandir(folder):
        if _is_litter(entry.name):
            continue
        if not entry.is_dir():
            yield prefix + entry.name
            continue
        real = os.path.realpath(entry.path)
        if real not in above:  # a link to a folder above would never end
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", above | {real})


def read_folder(
    folder: Path,
    *,
    size: int | None,
    on_mismatch: OnMismatch,
    progress: Progress | None = None,
    label: LabelFiles | None = None,
) -> Dataset:
    """Read a folder tree; see the module's text for how labels and roles are found, unless `label` finds them.

    Raises:
        DataError: no image, one expression only, an unknown expression, or a mismatch that is to be refused.
    """

    def read(path: str) -> bytes:
        return (folder / path).read_bytes()

    return _read_files(
        list_folder(folder),
        read,
        folder,
        dataset_name(folder),
        size=size,
        on_mismatch=on_mismatch,
        progress=progress,
        label=label or label_files,
    )


def read_zip(
    path: Path,
    *,
    size: int | None,
    on_mismatch: OnMismatch,
    progress: Progress | None = None,
    label: LabelFiles | None = None,
) -> Dataset:
    """Read a .zip of a folder tree without unpacking it.

    Raises:
        DataError: as `read_folder`, or the archive is damaged or encrypted.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                info.filename.replace("\\", "/"): info
                for info in archive.infolist()
                if not info.is_dir() and not any(map(_is_litter, info.filename.replace("\\", "/").split("/")))
            }
            if any(info.flag_bits & 0x1 for info in members.values()):
                raise DataError(f"{path} is protected by a password. Unpack it and give the folder.")

            def read(name: str) -> bytes:
                return archive.read(members[name])

            return _read_files(
                sorted(members),
                read,
                path,
                dataset_name(path),
                size=size,
                on_mismatch=on_mismatch,
                progress=progress,
                label=label or label_files,
            )
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is not a complete zip archive ({error}). Download or copy it again.") from error


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _read_files(
    paths: Sequence[str],
    read: Callable[[str], bytes],
    source: Path,
    name: str,
    *,
    size: int | None,
    on_mismatch: OnMismatch,
    progress: Progress | None,
    label: LabelFiles,
) -> Dataset:
    files, problems = label(paths, str(source))
    if not files:
        raise DataError(_nothing_found(source, paths, problems))
    images: list[GrayImage] = []
    kept: list[LabelledFile] = []
    for file, result in zip(files, decode_files([file.path for file in files], read, progress), strict=True):
        if isinstance(result, Problem):
            problems.append(result)
        else:
            images.append(result)
            kept.append(file)
    if not images:
        raise DataError(
            f"None of the {len(files):,} files in {source} is a readable image. "
            f"First: {problems[0].name}: {problems[0].reason}"
        )
    label_set = LabelSet.of(file.expression for file in kept)
    if len(label_set) < 2:
        raise DataError(
            f"{source} has images of one expression only ({label_set.expressions[0]}). "
            "A data set needs at least two expressions, each in a folder of its own."
        )
    ids = [file.path for file in kept]
    stacked, notes = stack_images(images, ids, name=name, size=size, on_mismatch=on_mismatch)
    class_numbers = {expression: index for index, expression in enumerate(label_set.expressions)}
    return Dataset(
        name=name,
        images=stacked,
        labels=np.array([class_numbers[file.expression] for file in kept], dtype=np.int64),
        label_set=label_set,
        roles=np.array([file.role.value for file in kept], dtype="U10"),
        ids=np.array(ids),
        source=str(source),
        licence=LICENCE_FER2013 if any(_prefix_role(file.path) for file in kept) else LICENCE_NOT_STATED,
        source_sizes=np.array([image.pixels.shape for image in images], dtype=np.int64),
        notes=(*_spelling_notes(kept), *notes),
        problems=tuple(sorted(problems, key=lambda problem: problem.name)),
    )


def label_files(paths: Iterable[str], where: str) -> tuple[list[LabelledFile], list[Problem]]:
    """Label and role of each file by its place in the tree.

    Args:
        paths: relative paths, with "/" between the parts.
        where: the tree's own path, for the message.

    Returns:
        The files that have a label, and the rest, each with the reason.

    Raises:
        UnknownLabelError: a folder that directly holds images has a name that is no expression and no role.
    """
    files: list[LabelledFile] = []
    problems: list[Problem] = []
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_folder[str(PurePosixPath(path).parent)].append(path)
    for folder, inside in by_folder.items():
        parts = [] if folder == "." else folder.split("/")
        label = next((part for part in reversed(parts) if find_expression(part) is not None), None)
        if label is None:
            problems += _without_label(parts, inside, where)
            continue
        expression = parse_expression(label)
        role = next((found for part in reversed(parts) if (found := _folder_role(part)) is not None), Role.NONE)
        files += [LabelledFile(path, label, expression, _prefix_role(path) or role) for path in inside]
    return files, problems


def _without_label(parts: list[str], inside: list[str], where: str) -> list[Problem]:
    if parts and _folder_role(parts[-1]) is None and any(map(_looks_like_image, inside)):
        parse_expression(parts[-1], where=f"the folders of {where}")
    return [Problem(path, "It lies in no folder that is named after an expression.") for path in inside]


def _folder_role(name: str) -> Role | None:
    return ROLE_FOLDERS.get("".join(character for character in name.lower() if character.isalpha()))


def _prefix_role(path: str) -> Role | None:
    name = path.rsplit("/", 1)[-1].lower()
    return next((role for prefix, role in ROLE_PREFIXES.items() if name.startswith(prefix)), None)


def _looks_like_image(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in _IMAGE_SUFFIXES


def _nothing_found(source: Path, paths: Sequence[str], problems: Sequence[Problem]) -> str:
    expected = "Expected one folder of images per expression, such as train/happy/1.jpg."
    if not paths:
        return f"{source} holds no files. {expected}"
    tables = [path for path in paths if path.lower().endswith((".csv", ".csv.gz"))]
    if tables:
        return f"{source} holds no folder of images, but the table {tables[0]}: give that file. {expected}"
    return f"{source} holds no folder that is named after an expression ({len(problems):,} files seen). {expected}"


def _spelling_notes(files: Sequence[LabelledFile]) -> list[str]:
    counts = Counter((file.label, file.expression) for file in files)
    notes = []
    for (label, expression), count in sorted(counts.items()):
        letters = "".join(character for character in label.lower() if character.isalpha())
        if letters not in _USUAL_FORMS:
            notes.append(f"{label} read as {expression} ({count:,} {'image' if count == 1 else 'images'})")
    return notes


def decode_files(
    paths: Sequence[str], read: Callable[[str], bytes], progress: Progress | None
) -> Iterator[GrayImage | Problem]:
    """The image of each path, or why it has none, in order; decoded in threads.

    Args:
        paths: names of files.
        read: gives the bytes of one.
        progress: called with files done and files to be done.
    """

    def decode_batch(start: int) -> list[GrayImage | Problem]:
        return [_decode_one(path, read) for path in paths[start : start + _BATCH]]

    done = 0
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for batch in pool.map(decode_batch, range(0, len(paths), _BATCH)):
            yield from batch
            done += len(batch)
            if progress is not None:
                progress(done, len(paths))


def _decode_one(path: str, read: Callable[[str], bytes]) -> GrayImage | Problem:
    try:
        return decode_gray(read(path))
    except ImageError as error:
        return Problem(path, _sentence(str(error)))
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        return Problem(path, f"It cannot be read: {getattr(error, 'strerror', None) or error}.")
    except Exception as error:  # zlib.error and lzma's own errors, when an archive's member is damaged
        return Problem(path, f"It is damaged: {error}.")


def _sentence(phrase: str) -> str:
    """An image error's phrase ("is empty (0 bytes).", "the file is cut off.") as a sentence."""
    return f"It {phrase}" if phrase.startswith(("is ", "has ", "needs ")) else phrase[:1].upper() + phrase[1:]
