"""What the names of files and folders say: files made from others, two names for one class, files that were moved."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mien.datasets.audit.findings import Finding, Gravity, plural
from mien.datasets.audit.view import View, groups_of
from mien.datasets.dataset import Dataset, Role
from mien.datasets.duplicates import joined
from mien.datasets.folders import ROLE_PREFIXES
from mien.datasets.samples import find_role
from mien.labels import find_expression

# What augmentation and copying leave in a file's name. Each takes the name of the copy to the name of its source.
_DERIVED_NAMES = (
    re.compile(r"^(?P<base>.+\.(?:jpe?g|png|bmp|tiff?|webp))_?\d+(?P<suffix>\.\w+)$", re.I),  # name.jpg3.jpg
    re.compile(r"^(?P<base>.+?) - copy(?P<suffix>\.\w+)$", re.I),
    re.compile(
        r"^(?P<base>.+?)[ _-](?:aug(?:mented)?|flip(?:ped)?|mirror(?:ed)?|rot(?:ated)?|shift(?:ed)?|zoom(?:ed)?|bright"
        r"|contrast|noise|eq(?:ualized)?|copy|dup(?:licate)?|oversampled?)(?:[ _-]?\d+)?(?P<suffix>\.\w+)$",
        re.I,
    ),
    re.compile(r"^(?P<base>.+?) ?\(\d+\)(?P<suffix>\.\w+)$"),  # name (2).jpg
)


def source_name(name: str) -> str | None:
    """The file name that a copy's name was made from, or None for a name that does not look like a copy's.

    >>> source_name("Training_3908.jpg3.jpg"), source_name("a (2).png"), source_name("Training_3908.jpg")
    ('Training_3908.jpg', 'a.png', None)
    """
    for pattern in _DERIVED_NAMES:
        if match := pattern.match(name):
            base = match["base"]
            return base if re.search(r"\.\w{3,4}$", base) else base + match["suffix"]
    return None


def derived_files(dataset: Dataset) -> NDArray[np.int64]:
    """Pairs of a file and one that was made from it, by their names within one class: shape (P, 2), ascending."""
    sources: dict[tuple[int, str], int] = {}
    names = [PurePosixPath(path).name for path in dataset.ids.tolist()]
    labels = dataset.labels.tolist()
    for position, (name, label) in enumerate(zip(names, labels, strict=True)):
        if source_name(name) is None:
            sources.setdefault((label, name.lower()), position)
    pairs = []
    for position, (name, label) in enumerate(zip(names, labels, strict=True)):
        source = source_name(name)
        if source is not None:
            # The source itself may be missing: then the first of its copies stands for it.
            first = sources.setdefault((label, source.lower()), position)
            if first != position:
                pairs.append((min(first, position), max(first, position)))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def check_file_names(view: View) -> Iterator[Finding]:
    """Files that were made from other files."""
    groups = groups_of(joined(len(view.dataset), view.derived[:, 0], view.derived[:, 1]))
    if not groups:
        return
    roles = view.dataset.roles
    torn = [group for group in groups if len(set(roles[group].tolist())) > 1]
    made = sum(len(group) - 1 for group in groups)
    yield Finding(
        check="augmented-files",
        severity=Gravity.FAULT if torn else Gravity.CAUTION,
        title=f"{plural(made, 'file was', 'files were')} made from other files, by their names"
        + (f"; {plural(len(torn), 'source has', 'sources have')} files in two roles" if torn else ""),
        text="Names such as 'name.jpg3.jpg' or 'name_flip.png' are left behind by augmentation that was done once and "
        "saved. Augmentation belongs to training, behind the split; copies of one picture in two roles are a leak.",
        count=made,
        samples=tuple(tuple(group.tolist()) for group in torn or groups),
        numbers={"made": made, "sources": len(groups), "sources_across_roles": len(torn)},
    )


def check_two_names(view: View) -> Iterator[Finding]:
    """One expression under several spellings in the paths: folders that were merged, or a class map with two names."""
    spellings: dict[int, Counter[str]] = defaultdict(Counter)
    example: dict[tuple[int, str], int] = {}
    for position, (path, label) in enumerate(zip(view.dataset.ids.tolist(), view.dataset.labels.tolist(), strict=True)):
        part = next((p for p in reversed(path.split("/")[:-1]) if find_expression(p) is not None), None)
        if part is not None:
            spelling = "".join(character for character in part.lower() if character.isalpha())
            spellings[label][spelling] += 1
            example.setdefault((label, spelling), position)
    for label, counts in sorted(spellings.items()):
        if len(counts) > 1:
            named = ", ".join(f"{name} ({count:,})" for name, count in counts.most_common())
            yield Finding(
                check="two-names-for-one-class",
                severity=Gravity.FAULT,
                title=f"{view.label(label)} goes under {len(counts)} names: {named}",
                text="mien reads them as one class. Programs that make a class of every folder make several, and a "
                "class that is split in two cannot be learnt. Where the names stand for two things, the label set is "
                "not the one that mien takes it for.",
                count=sum(counts.values()),
                samples=(tuple(example[label, name] for name in counts),),
                names=tuple(counts),
            )


def check_role_names(view: View) -> Iterator[Finding]:
    """The file's own name says another role than its folder: files were moved after they were named."""
    torn = []
    for position, path in enumerate(view.dataset.ids.tolist()):
        *folders, name = path.lower().split("/")
        by_name = next((role for prefix, role in ROLE_PREFIXES.items() if name.startswith(prefix)), None)
        by_folder = next((role for folder in reversed(folders) if (role := find_role(folder)) is not None), None)
        if by_name and by_folder and (by_name is Role.TRAIN) != (by_folder is Role.TRAIN):
            torn.append(position)
    if torn:
        yield Finding(
            check="names-contradict-folders",
            severity=Gravity.FAULT,
            title=f"{plural(len(torn), 'file lies', 'files lie')} in a folder of another role than the name says",
            text="mien goes by the name. If the folders are meant, rename the files; if not, training and test were "
            "exchanged or mixed when the files were moved.",
            count=len(torn),
            samples=tuple((position,) for position in torn),
        )
