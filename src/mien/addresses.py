"""Files by address: what fsspec reaches, such as s3://bucket/a.jpg, gs://, hf:// or file://."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from mien.errors import ImageError, MienError, MissingExtraError

# Two letters at least: C:/ is a drive.
_FORM = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://.+", re.S)


def is_address(text: str) -> bool:
    """Whether a text is an address, and not a path.

    >>> is_address("s3://bucket/a.jpg"), is_address("C:/photos")
    (True, False)
    """
    return _FORM.fullmatch(text) is not None


def is_web(text: str) -> bool:
    """Whether a text is the address of a page, or of a picture on one."""
    return text.lower().startswith(("http://", "https://"))


@dataclass(frozen=True)
class Address:
    """A file that is read from its address when its turn comes, wherever that is.

    Attributes:
        name: the address.
        stamp: what tells its content from another one's, as far as the place says: size, time of change, tag.
    """

    name: str
    stamp: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name

    @property
    def suffix(self) -> str:
        """The ending of its name, with the dot."""
        return PurePosixPath(self.name.partition("::")[0]).suffix

    def read(self) -> bytes:
        """Its content.

        Raises:
            ImageError: it is not there, or cannot be read.
            MissingExtraError: fsspec is not installed.
            MienError: what reads such addresses is not installed.
        """
        if is_web(self.name):
            raise ImageError(
                f"{self.name} is a web address, and mien loads nothing from the web. Save the photo, and name the file."
            )
        system, path = _place(self.name)
        try:
            content = system.cat_file(path)
        except FileNotFoundError as error:
            raise ImageError(f"There is no file {self.name}.") from error
        except Exception as error:  # each kind of place has errors of its own
            raise ImageError(f"{self.name} cannot be read: {_told(error)}.") from error
        return bytes(content)


def find_files(address: str, *, recursive: bool) -> list[tuple[Address, str]] | None:
    """The files below an address with their names below it, in order; None where it is a file itself.

    Args:
        address: of a file or folder.
        recursive: whether folders within it are searched.

    Raises:
        MissingExtraError: fsspec is not installed.
        MienError: what reads such addresses is not installed, or the place cannot be asked.
    """
    system, path = _place(address)
    try:
        if not system.isdir(path):
            return None
        found = dict(_listed(system, path, recursive))
    except Exception as error:  # as above
        raise MienError(f"{address} cannot be listed: {_told(error)}.") from error
    top = path.rstrip("/") + "/"
    named = sorted((name.removeprefix(top), name) for name in found)
    _, chained, through = address.partition("::")  # zip://faces::s3://bucket/photos.zip

    def whole(name: str) -> str:
        return str(system.unstrip_protocol(name)) + chained + through

    return [(Address(whole(name), _stamp(found[name])), below) for below, name in named]


def _listed(system: Any, path: str, recursive: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    listed = system.find(path, maxdepth=None if recursive else 1, detail=True)
    return ((name, about) for name, about in listed.items() if about.get("type") != "directory")


def _stamp(about: dict[str, Any]) -> str:
    told = (about.get(key) for key in ("size", "mtime", "created", "LastModified", "updated", "ETag", "etag", "oid"))
    return " ".join(str(value) for value in told if value is not None)


def _place(address: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise MissingExtraError("Reading from an address", "scale") from error
    try:
        system, path = fsspec.core.url_to_fs(address)
    except Exception as error:  # no such kind of place, its package is not installed, or what holds it is not there
        raise MienError(f"{address} cannot be reached: {_told(error)}.") from error
    return system, str(path)


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
