"""Data sets whose file names hold person and expression, and no folder needs to: KDEF and FERG.

KDEF: Lundqvist, Flykt & Öhman, *The Karolinska Directed Emotional Faces*, Karolinska Institutet, 1998. FERG: Aneja et
al., *Modeling Stylized Character Expressions via Deep Learning*, ACCV 2016.
"""

from __future__ import annotations

import heapq
import os
import re
from dataclasses import dataclass
from itertools import filterfalse
from operator import methodcaller
from pathlib import Path

from mien.datasets.dataset import Dataset, Problem
from mien.datasets.folders import Progress, decode_files, list_folder, read_below
from mien.datasets.samples import ReadOptions, Sample, build_dataset
from mien.errors import DataError
from mien.labels import Expression


@dataclass(frozen=True)
class NamedSet:
    """A data set that is known by its files' names.

    Attributes:
        name: what people call it.
        pattern: of a file's name, with the groups "person" and "expression".
        codes: what the second stands for.
        example: such a name.
        licence: one sentence.
    """

    name: str
    pattern: re.Pattern[str]
    codes: dict[str, Expression]
    example: str
    licence: str


KDEF = NamedSet(
    "KDEF",
    # Session, sex and number of the person, expression, angle: AF01ANS.JPG. The session is not the person.
    re.compile(r"[AB](?P<person>[FM]\d\d)(?P<expression>AF|AN|DI|HA|NE|SA|SU)(S|FL|FR|HL|HR)\.(jpe?g|png)", re.I),
    {
        "AF": Expression.FEAR,
        "AN": Expression.ANGER,
        "DI": Expression.DISGUST,
        "HA": Expression.HAPPINESS,
        "NE": Expression.NEUTRAL,
        "SA": Expression.SADNESS,
        "SU": Expression.SURPRISE,
    },
    "AF01ANS.JPG",
    "KDEF: for non-commercial research, with its source named; see kdef.se for the terms.",
)
FERG = NamedSet(
    "FERG",
    re.compile(
        r"(?P<person>aia|bonnie|jules|malcolm|mery|ray)_(?P<expression>anger|disgust|fear|joy|neutral|sadness|surprise)"
        r"_\d+\.(png|jpe?g)",
        re.I,
    ),
    {
        "ANGER": Expression.ANGER,
        "DISGUST": Expression.DISGUST,
        "FEAR": Expression.FEAR,
        "JOY": Expression.HAPPINESS,
        "NEUTRAL": Expression.NEUTRAL,
        "SADNESS": Expression.SADNESS,
        "SURPRISE": Expression.SURPRISE,
    },
    "aia_anger_1.png",
    "FERG: drawn characters, for non-commercial research; see its makers' page for the terms.",
)


_is_hidden = methodcaller("startswith", ".")
_LOOKED_AT = 50


def is_named(path: Path, named: NamedSet, *, depth: int = 3) -> bool:
    """Whether a path is a folder whose images are called as this set's: by the first of them."""
    if not path.is_dir():
        return False
    # Of names and not of paths, which cost many times as much to make and to compare.
    listed = os.listdir(path)
    names = heapq.nsmallest(_LOOKED_AT, listed)
    if any(map(_is_hidden, names)):  # rare, and to ask every name of a large folder costs most of the whole
        names = heapq.nsmallest(_LOOKED_AT, filterfalse(_is_hidden, listed))
    if any(named.pattern.fullmatch(name) for name in names):
        return True
    return depth > 1 and any(is_named(path / name, named, depth=depth - 1) for name in names if (path / name).is_dir())


def read_named(path: Path, named: NamedSet, options: ReadOptions, progress: Progress | None = None) -> Dataset:
    """Read the images; label and person come from each file's name. The group is the person; there are no roles.

    Args:
        path: the folder of the images, in any nesting.
        named: which set.
        options: the size wanted, and what happens to images of another one.
        progress: called with images done and images to be done.

    Raises:
        DataError: no file is named as in this set, or none can be read.
    """
    samples: list[Sample] = []
    problems: list[Problem] = []
    for name in list_folder(path) if path.is_dir() else []:
        match = named.pattern.fullmatch(name.rpartition("/")[2])
        if match is None:
            problems.append(Problem(name, f"Its name is not one of {named.name}'s, such as {named.example}."))
        else:
            label = named.codes[match["expression"].upper()]
            samples.append(Sample(name, label, group=match["person"].upper()))
    if not samples:
        raise DataError(f"{path} is not {named.name}. Expected a folder of images such as {named.example}.")
    return build_dataset(
        samples,
        decode_files([s.id for s in samples], read_below(path), progress, options),
        path=path,
        licence=named.licence,
        options=options,
        problems=problems,
    )
