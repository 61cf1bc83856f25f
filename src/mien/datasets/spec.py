"""The one description of data: what readers, workers, commands, records and bundles take and keep."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from mien.arguments import check_fields
from mien.channels import Channels, check_channels
from mien.errors import DataError, did_you_mean
from mien.files import hash_file
from mien.framing import crop_rule_of

OnMismatch: TypeAlias = Literal["resize", "refuse"]

# What holds for every source that does not say otherwise.
_PASSED_ON = ("size", "on_mismatch", "framing", "classes", "groups", "faces", "outside", "channels")


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Which data set, and how it is read.

    Attributes:
        path: a file or folder, relative to the study file; the name of a set that `mien data get` brings; or "drawn"
            (see `mien.datasets.reading.read_dataset`).
        reader: name of the reader; by default it is picked by looking at the path. Or what others bring: a name that
            an installed package registers, or "file.py:function", relative to the study file.
        votes: FER+'s table of votes, to be joined to FER2013: a path likewise, or "fer2013-plus-votes".
        cleaning: list of samples to leave out, written by `mien data audit`; `protocol.clean` says whether it is used.
        size: side to which all images are brought, in pixels; by default the size that most of them have.
        on_mismatch: whether images of another size are resized or refused.
        framing: how the faces are framed, which decides how a photo's faces are cut out for a model of these data:
            "fer2013", "drawn", or in numbers "aligned:margin=1.3,shift=0" (see `mien.framing`); known of FER2013 and
            drawn faces. Without it such a model reads no photos unless the framing is said there.
        classes: what the labels stand for where they are numbers, words of another language, or to be merged: the name
            of an order ("fer2013", "alphabetical"), a list of names by number, or a table of labels and classes, kept
            as one text (see `mien.datasets.classes.parse_classes`).
        groups: "auto": folders below an expression, and files' names that tell of a person, say what no split
            separates; "none": they do not.
        faces: "whole": images are faces that are cut out already. "find": in each image the face is found and cut out
            as in predicting; one without a face is counted, and one with several gives the largest.
        channels: "gray": images are read in gray, colours turned so; "rgb": they are read in colour, and networks take
            three channels. By default gray; what a model of colours measures or names is read in colour.
        outside: whether a manifest may name images that lie outside its folder.
        role: what all images are for, whatever the data say: "train", "validation" or "test".
        sources: several data sets in place of a path, one `[[data.sources]]` entry each, with the keys of this table.
            Classes, size, on_mismatch, groups, faces, outside, channels and framing hold for those that do not say
            otherwise. Where a source has `role = "test"`, the test role is that source alone.
    """

    path: str = ""
    reader: str | None = None
    votes: str | None = None
    cleaning: str | None = None
    size: int | None = None
    on_mismatch: OnMismatch = "resize"
    framing: str | None = None
    classes: str | tuple[str, ...] | dict[str, Any] | None = None
    groups: Literal["auto", "none"] = "auto"
    faces: Literal["whole", "find"] = "whole"
    outside: bool = False
    channels: Channels | None = None
    role: Literal["train", "validation", "test"] | None = None
    sources: tuple[DataSpec, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "size", "classes")
        self._check_sources()
        if self.role not in (None, "train", "validation", "test"):
            raise DataError(f"role is 'train', 'validation' or 'test'. Received: {self.role!r}.")
        if self.size is not None and (not isinstance(self.size, Integral) or self.size < 1):
            raise DataError(f"Images need a side of at least 1 pixel, a whole number. Received: size={self.size!r}.")
        object.__setattr__(self, "size", self.size and int(self.size))
        if self.on_mismatch not in ("resize", "refuse"):
            raise DataError(f"on_mismatch is 'resize' or 'refuse'. Received: {self.on_mismatch!r}.")
        if self.channels is not None:
            object.__setattr__(self, "channels", check_channels(self.channels))
        crop_rule_of(self.framing, 48)  # raises when there is no such framing
        if self.groups not in ("auto", "none"):
            raise DataError(f"groups is 'auto' or 'none'. Received: {self.groups!r}.")
        if self.faces not in ("whole", "find"):
            raise DataError(f"faces is 'whole' or 'find'. Received: {self.faces!r}.")
        if self.classes is not None:
            from mien.datasets.classes import parse_classes  # which imports what this module is for

            object.__setattr__(self, "classes", parse_classes(self.classes).text)

    def _check_sources(self) -> None:
        if not self.sources:
            if not self.path:
                raise DataError("Data need a path, or several of them as [[data.sources]]. Received: neither.")
            return
        alone = [key for key in ("path", "reader", "votes", "role") if getattr(self, key)]
        if alone:
            raise DataError(
                f"{alone[0]} stands beside sources and says nothing of any: say it in the source it is for."
            )
        if len(self.sources) < 2:
            raise DataError("sources are two data sets or more. Received: one. Say its path in [data] instead.")
        if any(source.sources for source in self.sources):
            raise DataError("A source is a data set, and has no sources of its own.")

    @property
    def parts(self) -> tuple[DataSpec, ...]:
        """The sources, with what stands beside them where they do not say otherwise; empty for a single data set."""
        usual = {item.name: item.default for item in fields(self)}
        passed = {key: value for key in _PASSED_ON if (value := getattr(self, key)) != usual[key]}
        return tuple(
            replace(source, **{key: value for key, value in passed.items() if getattr(source, key) == usual[key]})
            for source in self.sources
        )

    @classmethod
    def of(cls, data: Self | str | Path, **keys: Any) -> Self:
        """The description that a caller means: itself, or a path with the keys of this class.

        A `Path`, and what stands for one, is never taken for the word "drawn".

        Raises:
            DataError: there is no such key, a value is impossible, or this is no path.
        """
        if not isinstance(data, (cls, str, os.PathLike)):
            raise DataError(
                f"Data are read from a path, or drawn ('drawn'). Received: {type(data).__name__}. Arrays become a "
                "data set with mien.Dataset.from_arrays(images, labels), and every call that reads data takes that too."
            )
        known = [item.name for item in fields(cls)]
        for key in keys:
            if key not in known:
                raise DataError(f"Reading data takes no {key!r}. {did_you_mean(key, known)}")
        values: dict[str, Any] = {
            key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in keys.items()
        }
        if isinstance(data, cls):
            return replace(data, **values)
        given: Any = data
        path = str(os.fspath(given))  # an os.DirEntry says its path in no other way
        return cls(path=path if isinstance(data, str) or not _names_drawn(path) else f"./{path}", **values)

    @property
    def drawn(self) -> bool:
        """Whether the faces are drawn, so that nothing is read."""
        return _names_drawn(self.path)

    def resolved(self, base: Path) -> Self:
        """The description with absolute paths, where they were relative to the folder `base` or names alone.

        What a file or a package of others reads with is pinned to what is there now (see `mien.others`). A name that is
        no file in `base` is looked for in the folders of data sets (see `mien.datasets.places`), and
        that of votes beside the data too. What is nowhere stays a path in `base`, for reading to complain of.
        """
        from mien.datasets.places import find_place  # which knows the sets that readers, who import this module, read
        from mien.datasets.reading import OTHER_READERS

        path = self.path if self.drawn or self.sources else str(find_place(self.path, base))
        beside = () if self.drawn else (Path(path).parent,)
        votes = self.votes and str(find_place(self.votes, base, *beside))
        cleaning = self.cleaning and str((base / self.cleaning).resolve())
        sources = tuple(source.resolved(base) for source in self.sources)
        reader = self.reader and OTHER_READERS.pinned(self.reader, base)
        return replace(self, path=path, votes=votes, cleaning=cleaning, reader=reader, sources=sources)

    def portable(self) -> dict[str, Any]:
        """What a record keeps: the same on every machine, so files and folders by their names alone.

        A cleaning list is told by its content too, since another list makes other data of the same images.
        """
        from mien.datasets.reading import OTHER_READERS

        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["reader"] = self.reader and OTHER_READERS.portable(self.reader)
        # What is new and not said is left out, so that a record reads as one of before.
        for key in ("role", "sources", "channels"):
            if not values[key]:
                del values[key]
        if self.sources:
            values["sources"] = [source.portable() for source in self.sources]
        for key in ("path", "votes", "cleaning"):
            if values[key] and not (key == "path" and self.drawn):
                values[key] = Path(values[key]).name
        if self.cleaning is not None:
            values["cleaning"] = {"name": values["cleaning"], "sha256": hash_file(Path(self.cleaning))}
        return values


def _names_drawn(path: str) -> bool:
    return path == "drawn" or path.startswith("drawn:")
