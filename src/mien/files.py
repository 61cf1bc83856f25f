"""Files that are written whole or not at all, and JSON in one canonical form."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when the block ends without an error.

    The content goes to a neighbour whose name ends in ".part", is flushed to the disk, and replaces `path` by
    rename. When the block raises (a full disk, a kill), `path` is as it was before.

    Args:
        path: where the file shall be; its folder must exist.

    Yields:
        The open binary file to write to.
    """
    # Named by chance, so that two writers do not meet; `open` gives it the permissions that any other file would have.
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with its line ends as they are, whole or not at all."""
    with written_whole(path) as file:
        file.write(text.encode("utf-8"))


def json_text(value: Any) -> str:
    """Readable JSON, as it is written to files. NaN and infinity are refused (ValueError): they are not JSON."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `json_text` of a value, whole or not at all."""
    write_text(path, json_text(value))


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal values give equal text, so that it can be hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def hash_file(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_listing(folder: Path, paths: Iterable[str]) -> str:
    """Hash of the names, sizes and times of change of files: changes when any is written to, comes or goes."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = os.stat(folder / path)
            state = f"{status.st_size}\0{status.st_mtime_ns}"
        except (OSError, ValueError):  # who reads the files says which cannot be read
            state = "missing"
        digest.update(f"{path}\0{state}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def hold(file: BinaryIO) -> bool:
    """Lock an open file for this process, until it is closed or the process ends.

    Returns:
        False when another process, or another opening in this one, holds it. On a file system without locks always
        True.
    """
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 40)  # locked bytes cannot be read: one that lies far behind the content
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
