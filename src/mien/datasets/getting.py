"""A data set onto this machine: from Kaggle, from an address, or from a file that a person downloaded.

What arrives is read by mien's own reader and compared with what is known of the published set.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from mien.datasets.download import MOST_BYTES, download, shown_url
from mien.datasets.fer2013 import count_votes
from mien.datasets.folders import Progress
from mien.datasets.known import KNOWN_SETS, match_known
from mien.datasets.reading import read_dataset
from mien.datasets.sources import Source
from mien.errors import DataError, MissingExtraError
from mien.files import written_whole

_FILE_NAME = re.compile(r"[\w][\w .-]*\.(csv|csv\.gz|zip|tar|tar\.gz|tgz)", re.ASCII | re.IGNORECASE)
_BLOCK = 1 << 20
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, RuntimeError, NotImplementedError),
)
_SHOWN = 4


@dataclass(frozen=True)
class Checked:
    """What became of a comparison with the published set.

    Attributes:
        path: what was compared.
        fits: whether it is complete and has the known counts.
        lines: what agrees and what differs, in sentences.
    """

    path: Path
    fits: bool
    lines: tuple[str, ...]


def get_dataset(
    source: Source,
    folder: Path,
    *,
    url: str | None = None,
    file: Path | None = None,
    most_bytes: int = MOST_BYTES,
    progress: Progress | None = None,
) -> Path:
    """Put a data set into a folder.

    Args:
        source: what is wanted, a row of `mien.datasets.sources.SOURCES`.
        folder: made where needed.
        url: where to fetch it; None for the source's own place.
        file: a file, archive or folder that is here already; nothing is fetched then.
        most_bytes: a file that is longer, fetched or unpacked, is refused.
        progress: called with bytes fetched and bytes to be fetched.

    Returns:
        The file or folder that was written, or `file` itself where it lies in `folder` already.

    Raises:
        DataError: it cannot be fetched, is not there, is no such data, or something of its name is there already.
        MissingExtraError: it comes from Kaggle, and the package kagglehub is missing.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if file is not None:
            return _take(source, file, folder, most_bytes)
        url = url or source.url
        if url is None:
            return _take(source, _fetch_from_kaggle(source), folder, most_bytes)
        fetched = _free(folder / _name_of(url, source))
        download(url, fetched, most_bytes=most_bytes, progress=progress)
        if source.form == "images" or not _is_archive(fetched):
            return fetched
        taken = _take(source, fetched, folder, most_bytes)
        fetched.unlink()
        return taken
    except OSError as error:
        raise DataError(f"{source.name} cannot be written to {folder}: {error.strerror or error}.") from error


def check_copy(source: Source, path: Path) -> Checked:
    """Compare what was got with what is known of the published set.

    A checksum or fingerprint that is unknown is no fault: tables are saved again and images packed again without a
    change. Counts decide.
    """
    if source.form == "votes":
        return _check_votes(source, path)
    try:
        dataset = read_dataset(path)
    except DataError as error:
        return Checked(path, False, (f"It cannot be read: {error}",))
    match = match_known(dataset)
    lines = []
    if match is None:
        known = [name for name in source.known if any(known.name == name for known in KNOWN_SETS)]
        lines.append(f"Its counts are near none of: {', '.join(known)}. It has {len(dataset):,} images.")
    elif match.differences:
        lines.append(f"Its counts are not those of {match.known.name}.")
        lines += [
            f"{difference.role.value or 'without a role'}, {difference.expression.value}: {difference.found:,} images "
            f"where {difference.known:,} are known."
            for difference in match.differences[:_SHOWN]
        ]
        if len(match.differences) > _SHOWN:
            lines.append(f"{len(match.differences) - _SHOWN:,} more counts differ.")
    elif match.known.name not in source.known:
        lines.append(f"Its counts are those of {match.known.name}, not of {' or '.join(source.known)}.")
    fits = not lines
    if fits and match is not None:
        lines.append(
            f"Its counts, by role and expression, are those of {match.known.name}: {match.known.total:,} images."
        )
    if path.is_file() and source.checksums:
        lines.append(_checksum_line(source, path))
    said = source.fingerprints.get(dataset.fingerprint)
    lines.append(f"Its fingerprint is {dataset.fingerprint}{f', that of {said}' if said else ''}.")
    return Checked(path, fits, tuple(lines))


def _check_votes(source: Source, path: Path) -> Checked:
    try:
        found = count_votes(path)
    except DataError as error:
        return Checked(path, False, (str(error),))
    known = next(known for known in KNOWN_SETS if known.name == "FER2013")
    wanted = {role: sum(numbers.values()) for role, numbers in known.counts.items()}
    lines = tuple(
        f"It has {found.get(role, 0):,} rows of votes for {role.value} where {count:,} are known."
        for role, count in wanted.items()
        if found.get(role, 0) != count
    )
    if lines:
        return Checked(path, False, lines)
    fits = f"It has votes for each of FER2013's {known.total:,} images, by role as in FER2013."
    return Checked(path, True, (fits, _checksum_line(source, path)))


def _checksum_line(source: Source, path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    published = source.checksums.get(digest.hexdigest())
    if published:
        return f"It is the published {published}, byte for byte (MD5 {digest.hexdigest()})."
    return "Its bytes are not those of a published file: saved or packed again, or changed where counts do not show it."


def _free(path: Path) -> Path:
    if path.exists():
        raise DataError(f"{path} is there already. Check it with --file {path}, remove it, or name another --output.")
    return path


def _name_of(url: str, source: Source) -> str:
    shown_url(url)
    if source.form == "images":
        return f"{source.name}.zip"
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return name if _FILE_NAME.fullmatch(name) else source.files[0] if source.files else f"{source.name}.zip"


# --- from Kaggle -------------------------------------------------------------------------------------------------


def _fetch_from_kaggle(source: Source) -> Path:
    """What Kaggle offers, in the folder that kagglehub keeps. kagglehub reads the user's token, and resumes, itself."""
    try:
        import kagglehub
    except ModuleNotFoundError as error:
        raise MissingExtraError("Fetching from Kaggle", "get") from error
    kind, _, handle = str(source.kaggle).partition("/")
    try:
        if kind == "competitions":
            return Path(kagglehub.competition_download(handle, path=source.kaggle_file))
        return Path(kagglehub.dataset_download(handle, path=source.kaggle_file))
    except Exception as error:  # kagglehub lets through what its own libraries raise
        # Not the error's own words: they may hold signed addresses.
        status = getattr(getattr(error, "response", None), "status_code", None)
        said = f"it answers {status}" if status else type(error).__name__
        rules = f" and accept the rules at {source.place}/rules" if kind == "competitions" else ""
        raise DataError(
            f"Kaggle gave no {source.name} ({said}). Sign in at kaggle.com{rules}, make a token for kagglehub there, "
            "or download with a browser and give the file with --file."
        ) from error


# --- from what is here -------------------------------------------------------------------------------------------


def _take(source: Source, given: Path, folder: Path, most_bytes: int) -> Path:
    """Copy what is given into a folder; of an archive, the wanted table alone."""
    if not given.exists():
        raise DataError(f"There is no file or folder {given}.")
    if source.form == "images":
        return _take_images(source, given, folder)
    if given.is_dir():
        inside = [given / name for name in source.files if (given / name).is_file()]
        if not inside:
            raise DataError(f"{given} holds none of {', '.join(source.files)}.")
        given = inside[0]
    if not _is_archive(given):
        return _copy(given, folder / given.name)
    with _archive_member(source, given, most_bytes) as (name, member):
        target = _free(folder / name)
        with written_whole(target) as file:
            _copy_bounded(member, file, most_bytes, given)
    return target


def _take_images(source: Source, given: Path, folder: Path) -> Path:
    if given.is_file():
        if not zipfile.is_zipfile(given):
            raise DataError(f"{given} is no .zip. {source.name} is a folder of images, or a .zip of it.")
        # Browsers call it archive.zip and the like; under this name a study finds it.
        return _copy(given, given if given.resolve().parent == folder.resolve() else folder / f"{source.name}.zip")
    target = folder / source.name
    if given.resolve() == target.resolve():
        return given
    if target.resolve().is_relative_to(given.resolve()):
        raise DataError(f"{target} lies in {given}, which would be copied into itself. Name another --output.")
    part = _free(target).with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        # Links are left out: what they lead to was not part of what was given.
        shutil.copytree(given, part, ignore=lambda place, names: [n for n in names if (Path(place) / n).is_symlink()])
    except shutil.Error as error:
        raise OSError(f"{len(error.args[0]):,} files could not be copied") from error
    return part.rename(target)


def _copy(given: Path, target: Path) -> Path:
    if target.exists() and target.samefile(given):
        return given
    with given.open("rb") as file, written_whole(_free(target)) as copy:
        shutil.copyfileobj(file, copy, _BLOCK)
    return target


def _is_archive(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except (EOFError, zlib.error, lzma.LZMAError) as error:  # tarfile lets through what a packed file ends with
        raise _no_archive(path, error) from error


@contextmanager
def _archive_member(source: Source, path: Path, most_bytes: int) -> Iterator[tuple[str, BinaryIO]]:
    """The wanted table in an archive, by its last name: no path or link of the archive decides where it is written."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                entries = {
                    info.filename: (info.file_size, info)
                    for info in archive.infolist()
                    if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)
                }
                name, chosen = _wanted(source, entries, path, most_bytes)
                with archive.open(entries[chosen][1]) as member:
                    yield name, member  # type: ignore[misc]
        else:
            with tarfile.open(path) as tar:
                members = {info.name: (info.size, info) for info in tar if info.isreg()}
                # tarfile stops where the members end. The checksum of the bytes comes after that.
                while tar.fileobj is not None and tar.fileobj.read(_BLOCK):
                    pass
                name, chosen = _wanted(source, members, path, most_bytes)
                opened = tar.extractfile(members[chosen][1])
                if opened is None:
                    raise DataError(f"{chosen} in {path} is no file.")
                with opened:
                    yield name, opened  # type: ignore[misc]
    except _DAMAGED as error:
        raise _no_archive(path, error) from error


def _no_archive(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be unpacked ({error}). Download it again.")


def _wanted(source: Source, entries: Mapping[str, tuple[int, object]], path: Path, most_bytes: int) -> tuple[str, str]:
    """The name to write and the archive's own name of the best table in it."""
    for name in source.files:
        for entry, (size, _) in entries.items():
            if PurePosixPath(entry.replace("\\", "/")).name.lower() == name:
                if size > most_bytes:
                    raise DataError(f"{name} in {path} has {size:,} bytes; at most {most_bytes:,} are unpacked.")
                return name, entry
    raise DataError(f"{path} holds none of {', '.join(source.files)}.")


def _copy_bounded(member: BinaryIO, file: BinaryIO, most_bytes: int, path: Path) -> None:
    done = 0
    while block := member.read(_BLOCK):
        done += len(block)
        # An archive can say one size and hold another.
        if done > most_bytes:
            raise DataError(f"{path} unpacks to more than the {most_bytes:,} bytes that are allowed.")
        file.write(block)
