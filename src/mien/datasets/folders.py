"""Data sets kept as one folder of images per expression: a folder tree, or a .zip of one, read in place.

The folder nearest to the file whose name is an expression gives the label (`Training/Training/Angry`,
`train/angry`, `03_happy`, `Angry/part1`). The role comes from the file's prefix as FER2013's exports have it
(`PublicTest_123.jpg`), else from a folder (`train`, `validation`, `Testing`, `FER2013Test`), else there is none. A file
named as in CK+ or JAFFE belongs to the group of its person, and one in a folder below the expression to that folder's.
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

from mien.datasets.classes import Classes, as_number, parse_classes
from mien.datasets.dataset import Dataset, Miss, Problem, Role
from mien.datasets.known import LICENCE_FER2013
from mien.datasets.other_forms import other_form
from mien.datasets.pixels import IMAGE_SUFFIXES, DecodedImage, decode_image
from mien.datasets.samples import (
    LICENCE_NOT_STATED,
    ROLE_WORDS,
    ReadOptions,
    Sample,
    build_dataset,
    find_role,
    says_nothing,
)
from mien.decoding import LARGEST_FILE_BYTES
from mien.errors import DataError, ImageError, UnknownLabelError
from mien.files import read_file
from mien.labels import Expression, Label, find_expression, parse_expression
from mien.wording import count_text

Progress = Callable[[int, int], None]

# File-name prefixes of FER2013's exports: its own words for the roles, finer than a test folder that holds two.
ROLE_PREFIXES = {
    "training_": Role.TRAIN,
    "publictest_": Role.VALIDATION,
    "privatetest_": Role.TEST,
}
_FIRST_WORD = re.compile(r"[^\W\d_]+(?=[\W\d_])")
_ROLE_PREFIX = re.compile("|".join(ROLE_PREFIXES), re.I)

# A list of the classes' names beside folders that are their numbers, and a line of it: "happy", "3 happy", "3: happy".
_CLASS_LIST = re.compile(r"(.*/)?(classes|class_names|labels|label_names|names)\.(txt|names)", re.I)
_CLASS_LINE = re.compile(r"(?:(?P<number>\d{1,2})[\s:=,.;-]+)?(?P<name>[^\W\d_][\w -]*)")

# Names of files that tell whose face it is: CK+ (S010_004_00000017.png), JAFFE (KA.AN1.39.tiff), KDEF (AF01ANS.JPG),
# FERG (aia_anger_1.png); SFEW names the film (Airheads_000519240_00000005.png). They are kept in copies that sort these
# sets into folders by expression.
_PERSON_NAMES = re.compile(
    "|".join(
        (
            r"(?P<ckplus>S\d{3})_\d{3}_\d{8}(?!\d)",
            r"(?P<jaffe>[A-Z]{2})\.(?:AN|DI|FE|HA|NE|SA|SU)\d\.\d+(?!\d)",
            r"(?i:[AB](?P<kdef>[FM]\d\d)(?:AF|AN|DI|HA|NE|SA|SU)(?:S|FL|FR|HL|HR)\.)",
            r"(?P<ferg>aia|bonnie|jules|malcolm|mery|ray)_(?:anger|disgust|fear|joy|neutral|sadness|surprise)_\d+",
            r"(?P<sfew>[A-Za-z0-9]+)_\d{9}_\d{8}(?!\d)",
        )
    )
)

# Frames of a film are named by it: clip12_frame_0003.jpg. A few such names tell nothing: img_frame_1.jpg.
_FRAME_NAME = re.compile(r"(?P<clip>.*[^\W_].*?)[\W_]*frames?[\W_]*\d+\W", re.I)
_FEWEST_CLIPS = 4

_LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
# Spellings so usual that reading them needs no note: the noun and the adjective.
_USUAL_FORMS = frozenset(Expression) | {
    *("angry", "disgusted", "fearful", "happy", "sad", "surprised", "contemptuous"),
}
# Files per task: large enough that handing a task to a thread costs nothing beside decoding it.
_BATCH = 128


# Folders below an expression that tell of no person and no clip.
_NO_GROUP = re.compile(
    r"(part|batch|chunk|images?|imgs?|pictures?|photos?|faces?|crop(s|ped)?|aligned|original|raw|jpe?g|png|set|folder|"
    r"new|data)?[\W_]*\d{0,2}[\W_]*",
    re.I,
)
_PERSON_FOLDER = re.compile(
    r"(s|sub|subj|subject|p|person|participant|actor|id|user|speaker|model|clip|video|seq|sequence|session)[\W_]*\d+",
    re.I,
)
_NAME_WORDS = re.compile(r"[^\W\d_]+")
# So many differently named folders above the expressions are persons or clips, not roles in other words.
_MANY_FOLDERS = 8
# A folder's name that counts as a number of a class: longer ones are clips.
_LONGEST_CLASS_NUMBER = 2


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file of the tree whose place gives it a label and perhaps a role and a group.

    Attributes:
        label: the folder's name, or the class where that is known already.
        above: the folder above the expression that is no role; empty where there is none.
    """

    path: str
    label: Label | str
    role: Role
    group: str = ""
    above: str = ""


LabelFiles = Callable[[Iterable[str], str], tuple[list[LabelledFile], list[Problem]]]


def list_folder(folder: Path) -> list[str]:
    """Paths of all files below a folder, relative to it, with "/" between the parts, sorted; hidden ones left out."""
    found: list[str] = []
    _walk(os.fspath(folder), "", frozenset({os.path.realpath(folder)}), found)
    return sorted(found)


def _walk(folder: str, prefix: str, above: frozenset[str], found: list[str]) -> None:
    # A list that grows: passing each name up through generators costs a second look at a large tree half of its time.
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name[0] == "." or name.lower() in _LITTER:
                continue
            if not entry.is_dir():
                found.append(prefix + name)
                continue
            real = os.path.realpath(entry.path)
            if real not in above:  # a link to a folder above would never end
                _walk(entry.path, f"{prefix}{name}/", above | {real}, found)


def is_sorted(folder: Path) -> bool:
    """Whether a folder holds folders named after an expression or a role, so that `read_folder` is meant."""
    inside = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    return any(find_expression(name) is not None or find_role(name) is not None for name in inside)


def holds_expression_folders(folder: Path, depth: int = 4) -> bool:
    """Whether a folder holds, up to some depth, a folder that is named after an expression."""
    inside = [entry for entry in os.scandir(folder) if not _is_litter(entry.name) and entry.is_dir()]
    if any(find_expression(entry.name) is not None for entry in inside):
        return True
    return depth > 1 and any(holds_expression_folders(Path(entry.path), depth - 1) for entry in inside)


def read_folder(
    folder: Path, options: ReadOptions, progress: Progress | None = None, *, label: LabelFiles | None = None
) -> Dataset:
    """Read a folder tree; see the module's text for how labels and roles are found, unless `label` finds them.

    Raises:
        DataError: no image, one expression only, an unknown expression, or a mismatch that is to be refused.
    """
    return _read_files(list_folder(folder), read_below(folder), folder, options, progress, label)


def read_zip(
    path: Path, options: ReadOptions, progress: Progress | None = None, *, label: LabelFiles | None = None
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
                size = members[name].file_size  # what is declared; no more is unpacked
                if size > LARGEST_FILE_BYTES:
                    raise ImageError(f"has {size / 1e6:,.0f} MB, and {LARGEST_FILE_BYTES / 1e6:,.0f} are read at most.")
                return archive.read(members[name])

            return _read_files(sorted(members), read, path, options, progress, label)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is not a complete zip archive ({error}). Download or copy it again.") from error


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _read_files(
    paths: Sequence[str],
    read: Callable[[str], bytes],
    source: Path,
    options: ReadOptions,
    progress: Progress | None,
    label: LabelFiles | None,
) -> Dataset:
    named_by: list[str] = []
    if label is None:
        if options.classes is None and (listed := _list_of_classes(paths, read)) is not None:
            list_file, classes = listed
            options = replace(options, classes=classes)
            paths = [path for path in paths if path != list_file]
            named_by = [f"numbers are named by {list_file}"]
        files, problems = label_files(paths, str(source), options.classes)
        named_by += _two_class_notes(files, options.classes)
        if not files:
            files, problems, named_by = _label_names(paths)
    else:
        files, problems = label(paths, str(source))
    if not files:
        raise DataError(_nothing_found(source, paths, problems))
    if (roles := named_roles([file.path for file in files if not file.role])) is not None:
        first = next(file.path for file in files if not file.role)
        files = [file if file.role else replace(file, role=roles[file.path], above="") for file in files]
        named_by.append(f"roles taken from the files' names, such as {first!r}")
    files, group_notes = (
        _with_groups(files) if options.groups == "auto" else ([replace(f, group="") for f in files], [])
    )
    dataset = build_dataset(
        [Sample(file.path, file.label, file.role, file.group) for file in files],
        decode_files([file.path for file in files], read, progress, options),
        path=source,
        licence=LICENCE_FER2013 if any(_prefix_role(file.path) for file in files) else LICENCE_NOT_STATED,
        options=options,
        problems=problems,
    )
    used = set(dataset.ids.tolist())
    read_files = [file for file in files if file.path in used]
    return replace(
        dataset,
        notes=(*named_by, *_spelling_notes(read_files), *_role_notes(read_files), *group_notes, *dataset.notes),
        problems=tuple(sorted(dataset.problems, key=lambda problem: problem.name)),
    )


def label_files(
    paths: Iterable[str], where: str, classes: Classes | None = None
) -> tuple[list[LabelledFile], list[Problem]]:
    """Label, role and group of each file by its place in the tree.

    Args:
        paths: relative paths, with "/" between the parts.
        where: the tree's own path, for the message.
        classes: what the user says of the folders' names.

    Returns:
        The files that have a label, and the rest, each with the reason.

    Raises:
        UnknownLabelError: a folder that directly holds images has a name that is no expression and no role.
    """
    files: list[LabelledFile] = []
    problems: list[Problem] = []
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_folder[path.rpartition("/")[0] or "."].append(path)
    parts_of = {folder: [] if folder == "." else folder.split("/") for folder in by_folder}
    named = {folder: _named_places(parts, classes) for folder, parts in parts_of.items()}
    # How many files have an expression's folder at each depth: a person called Joy is below some of them alone.
    at_depth = Counter[int]()
    for folder, inside in by_folder.items():
        at_depth.update(dict.fromkeys(named[folder], len(inside)))
    told = not at_depth and bool(_label_files([path for inside in by_folder.values() for path in inside]))
    for folder, inside in by_folder.items():
        parts = parts_of[folder]
        place = max(named[folder], key=lambda depth: (at_depth[depth], depth), default=_numbered_place(parts))
        if place is None:
            problems += _without_label(parts, inside, "" if told else where)
            continue
        roles = [find_role(part) for number, part in enumerate(parts) if number != place]
        role = next((found for found in reversed(roles) if found is not None), Role.NONE)
        below = [part for part in parts[place + 1 :] if find_role(part) is None and not _NO_GROUP.fullmatch(part)]
        above = [part for part in parts[:place] if find_role(part) is None]
        files += [
            LabelledFile(
                path,
                parts[place],
                _prefix_role(path) or role,
                name_group(path) or (below[0] if below else ""),
                above[-1] if above and role is Role.NONE else "",
            )
            for path in inside
        ]
    return files, problems


def named_roles(paths: Sequence[str]) -> dict[str, Role] | None:
    """The role of each file by the word that its name begins with (test_1.jpg); None unless all tell one."""
    words = {path: _FIRST_WORD.match(path, path.rfind("/") + 1) for path in paths}
    roles = {path: role for path, word in words.items() if word and (role := ROLE_WORDS.get(word[0].lower()))}
    return roles if len(roles) == len(words) and len(set(roles.values())) > 1 else None


def _list_of_classes(paths: Sequence[str], read: Callable[[str], bytes]) -> tuple[str, Classes] | None:
    """The list beside folders that are numbers (classes.txt), which names an expression in each line, and its path."""
    for path in paths:
        if not _CLASS_LIST.fullmatch(path):
            continue
        if not any(as_number(name) is not None for other in paths for name in other.split("/")[:-1]):
            return None  # nothing for it to name
        lines = [line.strip() for line in read(path).decode("utf-8-sig", "replace").splitlines() if line.strip()]
        found = [_CLASS_LINE.fullmatch(line) for line in lines]
        names = [match["name"] for match in found if match and find_expression(match["name"]) is not None]
        numbers = [match["number"] for match in found if match and match["number"]]
        if len(names) < max(2, len(lines)):
            continue
        if len(numbers) == len(names):
            return path, parse_classes(dict(zip(numbers, names, strict=True)))
        if not numbers:
            return path, parse_classes(names)
    return None


def _label_names(paths: Iterable[str]) -> tuple[list[LabelledFile], list[Problem], list[str]]:
    """Labels from the names of the files (happy_001.jpg), for a tree whose folders name no class; and a note of it."""
    files: list[LabelledFile] = []
    problems: list[Problem] = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        words = {
            word for word in _NAME_WORDS.findall(name.rpartition(".")[0]) if len(word) > 2 and find_expression(word)
        }
        meant = {find_expression(word) for word in words}
        if len(meant) != 1 or not _looks_like_image(path):
            problems.append(Problem(path, "Neither its folder nor its name says which expression it shows."))
            continue
        roles = [role for part in folder.split("/") if (role := find_role(part)) is not None]
        role = _prefix_role(path) or (roles[-1] if roles else Role.NONE)
        files.append(LabelledFile(path, min(words), role, name_group(path)))
    if not files:
        return files, problems, []
    return files, problems, [f"labels taken from the files' names, such as {files[0].path!r}"]


def _named_places(parts: Sequence[str], classes: Classes | None) -> dict[int, str]:
    """Which folders of a path name a class in words, and which class."""

    def meant(part: str) -> str | None:
        return part if classes is not None and classes.knows(part) else find_expression(part)

    return {place: name for place, part in enumerate(parts) if (name := meant(part)) is not None}


def _numbered_place(parts: Sequence[str]) -> int | None:
    """Which folder of a path names the class by a number: the nearest."""
    for place in reversed(range(len(parts))):
        if len(parts[place]) <= _LONGEST_CLASS_NUMBER and as_number(parts[place]) is not None:
            return place
    return None


def _two_class_notes(files: Sequence[LabelledFile], classes: Classes | None) -> list[str]:
    """What is said of files that lie below folders of two expressions."""
    folders = Counter((file.path.rpartition("/")[0], file.label) for file in files)
    doubtful = {
        key: count for key, count in folders.items() if len(set(_named_places(key[0].split("/"), classes).values())) > 1
    }
    if not doubtful:
        return []
    folder, label = min(doubtful)
    return [
        f"{count_text(sum(doubtful.values()), 'image')} below folders of two expressions, such as {folder!r}: read as "
        f"{label}, since most images have an expression's folder at that depth"
    ]


def _with_groups(files: Sequence[LabelledFile]) -> tuple[list[LabelledFile], list[str]]:
    """The files with the folders above the expressions as groups where those tell of persons; and what was done."""
    notes = []
    files, clips = _with_clips(files)
    if clips:
        notes.append(
            f"{clips:,} files named as frames, such as {_first_frame(files)!r}: what stands before is their group (a "
            "clip each), which no split that is made separates; groups = 'none' says otherwise"
        )
    named = {file.path: file for file in files if name_group(file.path)}
    if named:
        persons = {file.group for file in named.values()}
        notes.append(
            f"{count_text(len(named), 'image')} named as in CK+, JAFFE, KDEF, FERG or SFEW, of "
            f"{len(persons):,} {'person or film' if len(persons) == 1 else 'persons or films'}: their names are groups"
        )
    below = {file.group for file in files if file.group and file.path not in named and not clips}
    if below:
        notes.append(
            f"{count_text(len(below), 'folder')} below the expressions, such as {min(below)!r}, taken as groups (a "
            "clip or a person each), which no split that is made separates; groups = 'none' says otherwise"
        )
    above = {file.above for file in files if file.above}
    persons_above = len(above) > 1 and (len(above) >= _MANY_FOLDERS or all(map(_PERSON_FOLDER.fullmatch, above)))
    if not persons_above:
        return list(files), notes
    notes.append(
        f"{count_text(len(above), 'folder')} above the expressions, such as {min(above)!r}, taken as groups (a person "
        "or a clip each), which no split that is made separates; groups = 'none' says otherwise"
    )
    return [replace(file, group=file.group or file.above, above="") for file in files], notes


def _with_clips(files: Sequence[LabelledFile]) -> tuple[list[LabelledFile], int]:
    """The files that have no group with the clip that their names tell of, and how many these are."""
    clips = {
        file.path: match["clip"]
        for file in files
        if not file.group
        and (match := _FRAME_NAME.match(file.path, file.path.rfind("/") + 1))
        and (any(map(str.isdigit, match["clip"])) or find_expression(match["clip"]) is None)
    }
    if len(set(clips.values())) < _FEWEST_CLIPS:
        return list(files), 0
    return [replace(file, group=clips.get(file.path, file.group)) for file in files], len(clips)


def _first_frame(files: Sequence[LabelledFile]) -> str:
    return next(file.path for file in files if _FRAME_NAME.match(file.path, file.path.rfind("/") + 1))


def _role_notes(files: Sequence[LabelledFile]) -> list[str]:
    """Folders above the expressions that are no roles that mien knows, where there is more than one."""
    above = Counter(file.above for file in files if file.above)
    if len(above) < 2 and not (above and any(file.role for file in files)):
        return []
    said = ", ".join(f"{name} ({count_text(count, 'image')})" for name, count in above.most_common(5))
    more = f" and {len(above) - 5:,} more" if len(above) > 5 else ""
    return [
        f"folders above the expressions that name no role: {said}{more}; their images have no role, and a protocol "
        "gives them one (roles are called train, validation and test)"
    ]


def _without_label(parts: list[str], inside: list[str], where: str) -> list[Problem]:
    """Files without a label; an error where their folder should be an expression's, unless `where` is empty."""
    if (
        where
        and parts
        and find_role(parts[-1]) is None
        and not says_nothing(parts[-1])
        and any(map(_looks_like_image, inside))
    ):
        _refuse_folder(parts[-1], where)
    return [Problem(path, "It lies in no folder that is named after an expression.") for path in inside]


def _refuse_folder(name: str, where: str) -> None:
    try:
        parse_expression(name, where=f"the folders of {where}")
    except UnknownLabelError as error:
        raise UnknownLabelError(
            f"{error} classes says what a folder stands for: --classes '{name}=anger', or '{name}=-' to leave it out."
        ) from None


def _prefix_role(path: str) -> Role | None:
    found = _ROLE_PREFIX.match(path, path.rfind("/") + 1)
    return ROLE_PREFIXES[found[0].lower()] if found else None


def _looks_like_image(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES


def _nothing_found(source: Path, paths: Sequence[str], problems: Sequence[Problem]) -> str:
    expected = (
        "Expected one folder of images per expression, such as train/happy/1.jpg, or a table with the columns path and "
        "label beside the images."
    )
    if not paths:
        return f"{source} holds no files. {expected}"
    boxes = [path for path in paths if path.lower().endswith(".txt") and "labels" in path.lower().split("/")[:-1]]
    if boxes:
        return (
            f"{source} is in YOLO's form: {count_text(len(boxes), 'file')} of boxes such as {boxes[0]} beside the "
            f"images. mien reads faces that are cut out. Cut the boxes out into one folder per expression. {expected}"
        )
    packed = [path for path in paths if path.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))]
    if packed:
        return (
            f"{source} holds {count_text(len(packed), 'archive')}, {', '.join(packed)[:120]}. One is read by its own "
            f"path; unpack several into folders beside one another. {expected}"
        )
    told = _label_files(paths)
    if told:
        return (
            f"{source} has a file for each image that says what it shows, such as {told}, as Pascal VOC, WebDataset "
            "and others keep them. Write them into one table: a .csv with the columns path and label; cut out faces "
            f"that are given as boxes. {expected}"
        )
    others = [(path, way) for path in paths if (way := other_form(path)) is not None]
    if others:
        return f"{source} holds {others[0][0]}: {others[0][1]} {expected}"
    tables = [path for path in paths if path.lower().endswith((".csv", ".csv.gz"))]
    if tables:
        return f"{source} holds no folder of images, but the table {tables[0]}: give that file. {expected}"
    return f"{source} holds no folder that is named after an expression ({len(problems):,} files seen). {expected}"


def _label_files(paths: Sequence[str]) -> str:
    """The first of the files that have the images' names, in any folder, and may tell their labels; empty if none."""
    images = {PurePosixPath(path).stem for path in paths if _looks_like_image(path)}
    told = [
        path
        for path in paths
        if path.lower().endswith((".cls", ".txt", ".json", ".label", ".lbl", ".xml"))
        and PurePosixPath(path).stem in images
    ]
    return told[0] if images and len(told) >= len(images) / 2 else ""


def name_group(path: str) -> str:
    """The person whom a file's name tells of, as CK+ and JAFFE name their files; empty for other names.

    >>> name_group("anger/S010_004_00000017.png"), name_group("KA.AN1.39.tiff"), name_group("1.png")
    ('S010', 'KA', '')
    """
    found = _PERSON_NAMES.match(path, path.rfind("/") + 1)
    return found[found.lastgroup or 0] if found else ""


def _spelling_notes(files: Sequence[LabelledFile]) -> list[str]:
    counts = Counter(file.label for file in files if not isinstance(file.label, Expression))
    notes = []
    for label, count in sorted(counts.items()):
        letters = "".join(character for character in label.lower() if character.isalpha())
        expression = find_expression(label)
        if expression is not None and letters not in _USUAL_FORMS:
            notes.append(f"{label} read as {expression} ({count_text(count, 'image')})")
    return notes


def read_below(folder: Path) -> Callable[[str], bytes]:
    """Gives the bytes of a file by its path below a folder. A pipe, a device, or a file too large raises OSError."""
    place, join = os.fspath(folder), os.path.join
    return lambda name: read_file(join(place, name), largest_bytes=LARGEST_FILE_BYTES)


def decode_files(
    paths: Sequence[str], read: Callable[[str], bytes], progress: Progress | None, options: ReadOptions
) -> Iterator[DecodedImage | Problem]:
    """The image of each path, or why it has none, in order; decoded in threads.

    Args:
        paths: names of files.
        read: gives the bytes of one.
        progress: called with files done and files to be done.
        options: whether the face is cut out of each, and which channels are kept.
    """

    def decode_batch(start: int) -> list[DecodedImage | Problem]:
        return [_decode_one(path, read, options) for path in paths[start : start + _BATCH]]

    done = 0
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for batch in pool.map(decode_batch, range(0, len(paths), _BATCH)):
            yield from batch
            done += len(batch)
            if progress is not None:
                progress(done, len(paths))


def _decode_one(path: str, read: Callable[[str], bytes], options: ReadOptions) -> DecodedImage | Problem:
    try:
        if options.framing is None:
            return decode_image(read(path), options.channels)
        found = options.framing.cut(read(path))
        return replace(found, name=path) if isinstance(found, Miss) else found
    except ImageError as error:
        return Problem(path, _sentence(str(error)))
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        return Problem(path, f"It cannot be read: {getattr(error, 'strerror', None) or error}.")
    except DataError:
        raise
    except Exception as error:  # zlib.error and lzma's own errors, when an archive's member is damaged
        return Problem(path, f"It is damaged: {error}.")


def _sentence(phrase: str) -> str:
    """An image error's phrase ("is empty (0 bytes).", "the file is cut off.") as a sentence."""
    return f"It {phrase}" if phrase.startswith(("is ", "has ", "lies ", "needs ")) else phrase[:1].upper() + phrase[1:]
