"""One file by HTTP: resumed after an interruption, checked for its length, and under its name only when complete."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, build_opener

from mien.datasets.folders import Progress
from mien.errors import DataError
from mien.files import parse_json

MOST_BYTES = 4 * 1024**3
TIMEOUT_S = 30.0

_BLOCK = 1 << 18
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)$")
_PAGE_STARTS = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class _Begun:
    """A download that was begun: what a server must confirm before more bytes are put behind those that are there.

    Attributes:
        address: hash of the address, which may hold a secret and is not kept itself.
        validator: the server's ETag or time of change, or "".
        length: bytes of the whole file; None when the server did not say.
    """

    address: str
    validator: str
    length: int | None


class _StartOverError(Exception):
    """The server's answer does not continue what was begun."""


def download(
    url: str,
    target: Path,
    *,
    most_bytes: int = MOST_BYTES,
    timeout_s: float = TIMEOUT_S,
    progress: Progress | None = None,
) -> None:
    """Fetch a file. What was fetched before an interruption stays in TARGET.part, and the next call goes on there.

    Bytes are put behind it only when the server says that they are a part (206), from the right place on, of a file
    with the same validator and length; otherwise the download starts over.

    Args:
        url: an http or https address.
        target: where the file shall be; its folder must exist. It is replaced when everything is there.
        most_bytes: a longer file is refused.
        timeout_s: how long the server may be silent.
        progress: called with bytes that are there and bytes of the whole, where the server says how many.

    Raises:
        DataError: the address is none, the server refuses or breaks off, or what it sends is a web page.
    """
    shown = shown_url(url)
    part = target.with_name(target.name + ".part")
    try:
        try:
            _fetch(url, part, _begun(part, url), most_bytes, timeout_s, progress)
        except _StartOverError:
            _fetch(url, part, None, most_bytes, timeout_s, progress)
        with part.open("r+b") as file:  # Windows flushes only what is open for writing
            os.fsync(file.fileno())
        os.replace(part, target)
        _note(part).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{shown} cannot be written to {target.parent}: {error.strerror or error}.") from error


def shown_url(url: str) -> str:
    """An address as it may be shown: without a query, which may hold a secret.

    Raises:
        DataError: it is no address of the web, or holds a password.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        place = f":{parts.port}" if parts.port else ""
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise DataError("An address begins with http:// or https:// and names a server. Give a file with --file.")
    if "@" in parts.netloc:
        raise DataError(f"The address of {host} holds a name or password. Download the file and give it with --file.")
    return f"{parts.scheme}://{host}{place}{parts.path}"


def _fetch(
    url: str, part: Path, begun: _Begun | None, most_bytes: int, timeout_s: float, progress: Progress | None
) -> None:
    shown = shown_url(url)
    with _answer(url, part, begun, timeout_s) as answer:
        start, length = _place(answer, part, begun, shown)
        if length is not None and length > most_bytes:
            raise DataError(f"{shown} has {_megabytes(length)}; at most {_megabytes(most_bytes)} are fetched.")
        first = _read(answer, shown)
        if _is_page(answer, first if start == 0 else b""):
            raise DataError(
                f"{shown} answered with a web page and not with a file: it may want you to sign in. Download the file "
                "with a browser and give it with --file."
            )
        if not first and not start:
            raise DataError(f"{shown} answered with nothing. Download the file with a browser and give it with --file.")
        # A part need not repeat the validator that it was asked for by; the next part is asked for by it again.
        validator = _validator(answer) or (begun.validator if begun is not None and start else "")
        with part.open("r+b" if start else "wb") as file:
            # After the bytes of another file are gone: a stop in between must not leave them under this file's note.
            _note(part).write_text(json.dumps(asdict(_Begun(_hash(url), validator, length))), encoding="utf-8")
            file.seek(start)
            done, block = start, first
            while block:
                file.write(block)
                done += len(block)
                if done > most_bytes:
                    raise DataError(f"{shown} sends more than the {_megabytes(most_bytes)} that are fetched at most.")
                if progress is not None and length is not None:
                    progress(done, length)
                block = _read(answer, shown)
    if length is not None and done != length:
        raise DataError(
            f"{shown} broke off after {_megabytes(done)} of {_megabytes(length)}. The same command goes on there."
        )


@contextmanager
def _answer(url: str, part: Path, begun: _Begun | None, timeout_s: float) -> Iterator[HTTPResponse]:
    # A packed answer would make lengths and places speak of other bytes than those of the file.
    request = Request(url, headers={"User-Agent": "mien", "Accept-Encoding": "identity"})
    if begun is not None:
        request.add_header("Range", f"bytes={part.stat().st_size}-")
        if begun.validator:
            request.add_header("If-Range", begun.validator)
    shown = shown_url(url)
    try:
        answer = build_opener().open(request, timeout=timeout_s)
    except HTTPError as error:
        error.close()
        if begun is not None and error.code == 416:  # there is nothing from that place on: another file than before
            raise _StartOverError from error
        raise DataError(f"{shown} cannot be fetched: the server answers {error.code} ({error.reason}).") from error
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        text = "it does not answer" if isinstance(reason, TimeoutError) else getattr(reason, "strerror", None) or reason
        raise DataError(f"{shown} cannot be reached: {text}.") from error
    with answer:
        yield answer


def _place(answer: HTTPResponse, part: Path, begun: _Begun | None, shown: str) -> tuple[int, int | None]:
    """From which byte on the answer is to be written, and the length of the whole."""
    if answer.status != 206:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    if begun is None:
        raise DataError(
            f"{shown} sends a part of the file where the whole was asked for. Download it with a browser and give it "
            "with --file."
        )
    found = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != part.stat().st_size:
        raise _StartOverError
    # A server that was asked with If-Range may leave the validator out of a part, having compared it itself.
    if begun.length not in (None, int(found[2])) or _validator(answer) not in ("", begun.validator):
        raise _StartOverError
    return int(found[1]), int(found[2])


def _read(answer: HTTPResponse, shown: str) -> bytes:
    try:
        return answer.read(_BLOCK)
    except (OSError, HTTPException) as error:
        raise DataError(f"{shown} broke off. The same command goes on there.") from error


def _is_page(answer: HTTPResponse, start: bytes) -> bool:
    return answer.headers.get_content_type() == "text/html" or start.lstrip()[:20].lower().startswith(_PAGE_STARTS)


def _validator(answer: HTTPResponse) -> str:
    tag = answer.headers.get("ETag", "")
    # A weak tag promises the same meaning and not the same bytes.
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _begun(part: Path, url: str) -> _Begun | None:
    """What can be gone on with, or None: bytes of this address, and a way to tell that the file is still the same."""
    try:
        if not part.stat().st_size:
            return None
        values = parse_json(_note(part).read_text(encoding="utf-8"))
        begun = _Begun(str(values["address"]), str(values["validator"]), values["length"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known = begun.address == _hash(url) and (begun.validator or begun.length is not None)
    return begun if known else None


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _hash(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"
