"""Files that are written whole or not at all, and JSON in one canonical form."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
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
