"""Data sets kept as one folder of images per expression: a folder tree, or a .zip of one, read in place.

The folder nearest to the file whose name is an expression gives the label (`Training/Training/Angry`,
`train/angry`, `03_happy`, `Angry/part1`). The role comes from the file's prefix as FER2013's exports have it
(`PublicTest_123.jpg`), else from a folder (`train`, `validation`, `Testing`, `PrivateTest`), else there is none. A file
named as in CK+ or JAFFE belongs to the group of its person.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.pixels import GrayImage, decode_gray
from mien.datasets.samples import LICENCE_NOT_STATED, Sample, build_dataset, counted, find_role
from mien.datasets.spec import OnMismatch
from mien.errors import DataError, ImageError
from mien.labels import Expression, find_expression, parse_expression

Progress = Callable[[int, int], None]

LICENCE_FER2013 = (
    "FER2013: research data. The images were collected by web search, and their image rights are unresolved."
)

# File-name prefixes of FER2013's exports: its own words for the roles, finer than a test folder that holds two.
ROLE_PREFIXES = {
    "training_": Role.TRAIN,
    "publictest_": Role.VALIDATION,
    "privatetest_": Role.TEST,
}

# Names of files that tell whose face it is: CK+ (S010_004_00000017.png) and JAFFE (KA.AN1.39.tiff). They are kept in
# copies that sort these sets into folders by expression.
_PERSON_NAMES = (
    re.compile(r"(?P<person>S\d{3})_\d{3}_\d{8}(?!\d)"),
    re.compile(r"(?P<person>[A-Z]{2})\.(AN|DI|FE|HA|NE|SA|SU)\d\.\d+(?!\d)"),
)

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


def is_sorted(folder: Path) -> bool:
    """Whether a folder holds folders named after an expression or a role, so that `read_folder` is meant."""
    inside = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    return any(find_expression(name) is not None or find_role(name) is not None for name in inside)


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
    *,
    size: int | None,
    on_mismatch: OnMismatch,
    progress: Progress | None,
    label: LabelFiles,
) -> Dataset:
    files, problems = label(paths, str(source))
    if not files:
        raise DataError(_nothing_found(source, paths, problems))
    samples = [Sample(file.path, file.expression, file.role, name_group(file.path)) for file in files]
    dataset = build_dataset(
        samples,
        decode_files([file.path for file in files], read, progress),
        path=source,
        licence=LICENCE_FER2013 if any(_prefix_role(file.path) for file in files) else LICENCE_NOT_STATED,
        size=size,
        on_mismatch=on_mismatch,
        problems=problems,
    )
    used = set(dataset.ids.tolist())
    return replace(
        dataset,
        notes=(*_spelling_notes([file for file in files if file.path in used]), *_group_notes(dataset), *dataset.notes),
        problems=tuple(sorted(dataset.problems, key=lambda problem: problem.name)),
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
        role = next((found for part in reversed(parts) if (found := find_role(part)) is not None), Role.NONE)
        files += [LabelledFile(path, label, expression, _prefix_role(path) or role) for path in inside]
    return files, problems


def _without_label(parts: list[str], inside: list[str], where: str) -> list[Problem]:
    if parts and find_role(parts[-1]) is None and any(map(_looks_like_image, inside)):
        parse_expression(parts[-1], where=f"the folders of {where}")
    return [Problem(path, "It lies in no folder that is named after an expression.") for path in inside]


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


def name_group(path: str) -> str:
    """The person whom a file's name tells of, as CK+ and JAFFE name their files; empty for other names.

    >>> name_group("anger/S010_004_00000017.png"), name_group("KA.AN1.39.tiff"), name_group("1.png")
    ('S010', 'KA', '')
    """
    name = path.rsplit("/", 1)[-1]
    found = next((match for pattern in _PERSON_NAMES if (match := pattern.match(name))), None)
    return found["person"] if found else ""


def _group_notes(dataset: Dataset) -> list[str]:
    if dataset.groups is None:
        return []
    persons = dataset.groups[dataset.groups != ""]
    return [f"{counted(len(persons), 'image')} named as in CK+ or JAFFE, of {counted(len(set(persons)), 'person')}"]


def _spelling_notes(files: Sequence[LabelledFile]) -> list[str]:
    counts = Counter((file.label, file.expression) for file in files)
    notes = []
    for (label, expression), count in sorted(counts.items()):
        letters = "".join(character for character in label.lower() if character.isalpha())
        if letters not in _USUAL_FORMS:
            notes.append(f"{label} read as {expression} ({counted(count, 'image')})")
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
