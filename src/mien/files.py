"""Files that are written whole or not at all, and JSON in one canonical form."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import stat
import sys
import time
import zipfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from mien.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST_NAME = 200


# How long a file that cannot be replaced is tried again, in seconds: Windows refuses while another process reads it (a
# virus scanner, `mien study status`), which is over in a moment as a rule and no reason to give up hours of work.
_PATIENCE_S = 2.0 if sys.platform == "win32" else 0.0
# What `written_whole` calls a file before it is whole.
_PART = re.compile(r".+\.[0-9a-f]{8}\.part")
_swept: set[Path] = set()


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder; looked for once, at the first writing there."""
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError):
        for entry in os.scandir(folder):
            if _PART.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                remove_abandoned(Path(entry.path))


def create_held(name: Callable[[], Path]) -> tuple[BinaryIO, Path]:
    """Make a new file and lock it, which tells other processes that somebody still writes it.

    Args:
        name: gives a path that no file has yet; asked again when another process took the file for an abandoned one
            before it was locked.
    """
    while True:
        path = name()
        file = path.open("xb")
        with suppress(FileNotFoundError):
            if lock(file) is not False and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file, path
        file.close()


def remove_abandoned(path: Path, *, lock_file: str | None = None) -> None:
    """Remove a file, or a folder with `lock_file` in it, unless a process holds it locked or locks are not known.

    A writer and whoever sweeps meet at one step alone: the one that takes the locked file away has the rest.
    """
    locked = path if lock_file is None else path / lock_file
    with suppress(OSError), locked.open("r+b") as file:
        if lock(file):
            remove_held(file, locked)
            if lock_file is not None:
                shutil.rmtree(path)


def remove_held(file: BinaryIO, path: Path) -> None:
    """Remove a file that this process has locked, before anybody else can lock it.

    Raises:
        FileNotFoundError: another process took it away.
    """
    if sys.platform == "win32":
        file.close()  # there an open file cannot be removed, nor can one that another process has open
    path.unlink()
    file.close()


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when the block ends without an error.

    The content goes to a neighbour whose name ends in ".part", is flushed to the disk, and replaces `path` by
    rename. When the block raises (a full disk, a kill), `path` is as it was before. A link stays one: the file that it
    leads to is replaced. A pipe, a device, or what a descriptor such as /dev/stdout stands for, is no file that could
    be half-written: it is written to, and stays.

    Args:
        path: where the file shall be; its folder must exist.

    Yields:
        The open binary file to write to.
    """
    if not path.name or path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    target = _behind_links(path)
    if target is None or (target.exists() and not target.is_file()):
        # A file in its place would take a pipe or /dev/null from every other process.
        with path.open("ab") as stream:
            yield stream
        return
    path = target
    # Named by chance, so that two writers do not meet; `open` gives it the permissions that any other file would have.
    _sweep(path.parent)
    try:
        file, part = create_held(lambda: path.with_name(f"{shortened(path.name)}.{secrets.token_hex(4)}.part"))
    except OSError as error:  # of a name that nobody has asked for
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":
                file.close()  # there an open file cannot be renamed
            _put_in_place(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


_MOST_LINKS = 40


def _behind_links(path: Path) -> Path | None:
    """The file that a path leads to; None where that is something which a process has open, as /dev/stdout is."""
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            break
        folder = os.path.realpath(path.parent)
        if folder in ("/dev", "/dev/fd") or folder.startswith("/proc/"):
            return None
        path = Path(folder, os.readlink(path))
    return path


def _put_in_place(part: Path, path: Path) -> None:
    """Rename a file over another one, which may be held open for a moment."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            os.replace(part, path)
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)
        else:
            return


def refuse_unwritable(path: Path) -> None:
    """Raise what writing a file or folder would raise for want of permission: before the work that it is for.

    Raises:
        PermissionError: it cannot be written.
    """
    place = path if path.exists() and not path.is_file() else path.absolute().parent
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def shortened(name: str) -> str:
    """A file's name with room for an ending: as it is, or cut to 200 bytes. File systems take names of 255."""
    raw = os.fsencode(name)
    return name if len(raw) <= _LONGEST_NAME else os.fsdecode(raw[:_LONGEST_NAME]).encode("utf-8", "ignore").decode()


def write_text(path: Path, text: str) -> None:
    """Write text (`text_bytes`) with its line ends as they are, whole or not at all."""
    with written_whole(path) as file:
        file.write(text_bytes(text))


def text_bytes(text: str) -> bytes:
    r"""Text in UTF-8.

    What no text has, such as a byte of a file's name in another encoding, becomes \udcff, which JSON reads back.
    """
    return text.encode("utf-8", "backslashreplace")


def json_text(value: Any) -> str:
    """Readable JSON, as it is written to files. NaN and infinity are refused (ValueError): they are not JSON."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `json_text` of a value, whole or not at all."""
    write_text(path, json_text(value))


def parse_json(text: str | bytes, *, names_once: bool = False) -> Any:
    """The value of a JSON text from a file, which may hold anything.

    Args:
        text: JSON.
        names_once: refuse what names a key twice, as people do; else the last one counts.

    Raises:
        ValueError: it is not JSON: NaN and infinity are not, nor is a number too large for either, nor what is nested
            deeper than Python follows.
    """

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no number of JSON")

    def number(word: str) -> float:
        value = float(word)
        return value if math.isfinite(value) else refuse(word[:40])

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            raise ValueError("it names a key twice")
        return values

    try:
        return json.loads(
            text, parse_constant=refuse, parse_float=number, object_pairs_hook=once if names_once else None
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def parse_toml(text: str, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        TOMLDecodeError: it is not TOML, is nested deeper than Python follows, or has a number of thousands of digits.
    """
    import tomllib  # photos are read without it

    try:
        return tomllib.loads(text, parse_float=parse_float)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("it is nested too deeply") from error
    except ValueError as error:  # a number of more digits than Python turns into one
        raise tomllib.TOMLDecodeError(str(error)) from error


def read_npz(
    file: BinaryIO, *, largest_bytes: int, wanted: Container[str] | None = None
) -> dict[str, NDArray[np.generic]]:
    """The arrays of an .npz, which may hold anything. Nothing is unpickled, and nothing is unpacked beyond a limit.

    Args:
        file: the archive.
        largest_bytes: how large the arrays may be together.
        wanted: names of the arrays to be read; None for all.

    Raises:
        ValueError: it is damaged, an array's header declares other than the archive holds, or it is over the limit.
    """
    from numpy.lib.format import read_array

    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            arrays: dict[str, NDArray[np.generic]] = {}
            room = largest_bytes
            for name, entry in entries.items():
                if wanted is not None and name not in wanted:
                    continue
                room -= entry.file_size
                if room < 0:
                    raise ValueError(f"its arrays have more than {largest_bytes / 1e6:,.0f} MB")
                with archive.open(entry) as member:
                    _check_npy(member, entry.file_size)
                with archive.open(entry) as member:
                    arrays[name] = read_array(member, allow_pickle=False)
            return arrays
    except (OSError, ValueError):
        raise
    except Exception as error:  # of zipfile, zlib, tokenize and ast, for what they cannot read
        raise ValueError(f"{type(error).__name__} {error}".strip()) from error


def npz_names(file: BinaryIO) -> list[str]:
    """The names of the arrays in an .npz.

    Raises:
        ValueError: it is damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def read_npy(path: Path, *, largest_bytes: int) -> NDArray[np.generic]:
    """The array of an .npy file, under the promises of `read_npz`.

    Raises:
        ValueError: as `read_npz`.
    """
    from numpy.lib.format import read_array

    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > largest_bytes:
                raise ValueError(f"it has more than {largest_bytes / 1e6:,.0f} MB")
            _check_npy(file, size)
            file.seek(0)
            return read_array(file, allow_pickle=False)
    except (OSError, ValueError):
        raise
    except Exception as error:  # of tokenize and ast, for a header they cannot read
        raise ValueError(f"{type(error).__name__} {error}".strip()) from error


def _check_npy(file: IO[bytes], size: int) -> None:
    """Raise ValueError when an array's header declares more bytes than there are: NumPy would reserve them all."""
    import numpy as np

    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"an array has version {version}, and only plain ones (1.0 and 2.0) are read")
    if dtype.hasobject:
        raise ValueError("Object arrays are not read")
    if any(side < 0 for side in shape) or math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"an array declares the shape {str(shape)[:80]}, and the file holds {size:,} bytes")


_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def read_file(path: str | Path, *, largest_bytes: int) -> bytes:
    """The bytes of a file. A pipe or a device is refused, never waited for.

    Raises:
        OSError: it cannot be read, is none, or is larger.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device, and not a file", str(path))
    if status.st_size > largest_bytes:
        text = f"it has {status.st_size / 1e6:,.0f} MB, and {largest_bytes / 1e6:,.0f} are read at most"
        raise OSError(errno.EFBIG, text, str(path))
    # Without a file object: that costs, for a small file, as much again as reading it.
    descriptor = os.open(path, _OPEN_FLAGS)
    try:
        content = os.read(descriptor, status.st_size + 1)
        while part := os.read(descriptor, 1 << 20) if len(content) != status.st_size else b"":
            content += part  # it has grown, or a file system gives a part at a time
            if len(content) > largest_bytes:
                raise OSError(errno.EFBIG, "it grows while it is read", str(path))
        return content
    finally:
        os.close(descriptor)


def toml_text(value: Any) -> str:
    """A value as TOML: a text, a number (also one of NumPy), a switch, a path, a list, or a table of these.

    >>> toml_text({"path": "😀", "flip": True, "seeds": (1, 2)})
    '{ "path" = "😀", "flip" = true, "seeds" = [1, 2] }'

    Raises:
        ArgumentError: it is something else, which TOML has no words for.
    """
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{toml_text(str(key))} = {toml_text(item)}' for key, item in value.items())} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, PurePath):
        return toml_text(str(value))
    if getattr(value, "shape", None) == () and not isinstance(value, str):
        return toml_text(value.item())  # of NumPy
    # Unlike JSON, TOML takes no pairs of surrogates: what is outside of ASCII stands as it is.
    if isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise ArgumentError(f"Expected a text, a number, True or False, or a list of these. Received: {value!r}.")


def toml_key(dotted: str) -> str:
    """A dotted key as TOML: a part that is no bare word stands in quotes, so that it stays what it is.

    >>> toml_key("augmentation.flip"), toml_key("lernrate für alle.x")
    ('augmentation.flip', '"lernrate für alle".x')
    """
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else toml_text(part) for part in dotted.split("."))


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
    place, stat_of = os.path.join(folder, ""), os.stat
    for path in paths:
        try:
            # Joining costs a third of the whole, and few paths are such that it is needed.
            plain = path[:1] not in ("/", "\\") and path[1:2] != ":"
            status = stat_of(place + path if plain else os.path.join(place, path))
            line = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
        except (OSError, ValueError):  # who reads the files says which cannot be read
            line = f"{path}\0missing\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def lock(file: IO[bytes]) -> bool | None:
    """Lock an open file for this process, until it is closed or the process ends.

    Returns:
        False when another process, or another opening in this one, holds it; None on a file system without locks.
    """
    if sys.platform == "win32":
        import msvcrt

        place = file.tell()
        file.seek(1 << 40)  # locked bytes cannot be read: one that lies far behind the content
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(place)  # or what is written next would lie behind a terabyte of nothing
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
