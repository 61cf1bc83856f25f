"""The photos of a request, read into memory and nowhere else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from mien.web.limits import Limits
from mien.web.problems import ServiceError
from mien.web.service import Photo, Service
from mien.wording import count_text

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_UNNAMED = "photo"
_LONGEST_NAME = 255


@asynccontextmanager
async def photos_of(request: Request, service: Service, *, most: int | None = None) -> AsyncIterator[list[Photo]]:
    """The photos of a request; while the block lasts they count as held.

    Args:
        request: with one photo as its body, or several as multipart/form-data.
        service: whose limits and room hold.
        most: photos that are allowed; None for the service's limit.

    Raises:
        ServiceError: 400, 408, 413, 415, 422 or 429.
    """
    limits = service.limits
    most = limits.photos if most is None else most
    kind = _media_type(request)
    multipart = kind == "multipart/form-data"
    if not (multipart or kind.startswith("image/") or kind == "application/octet-stream"):
        raise ServiceError(
            415,
            "Expected a photo (Content-Type image/..., or application/octet-stream) or several (multipart/form-data). "
            f"Received: {kind or 'no Content-Type'}.",
        )
    # One place is taken before anything is read, so that a full service says so at once.
    with service.place() as places:
        async with chunks_of(request, service, limits.body_bytes if multipart else limits.photo_bytes) as chunks:
            if multipart:
                photos = await _parts(request, chunks, limits, most)
            else:
                photos = [Photo(_UNNAMED, b"".join([chunk async for chunk in chunks]))]
            places.take(len(photos) - 1)
            yield photos


@asynccontextmanager
async def chunks_of(request: Request, service: Service, largest: int) -> AsyncIterator[AsyncGenerator[bytes, None]]:
    """The body of a request as it arrives; while the block lasts it counts as held.

    Raises:
        ServiceError: 400 (it ended early), 408 (it came too slowly), 413 or 429; the last three also from the chunks.
    """
    declared = _declared_length(request)
    if declared > largest:
        raise _too_large(largest)
    with service.bytes.holding(declared) as held:

        async def chunks() -> AsyncGenerator[bytes, None]:
            length = 0
            async for chunk in _in_time(request, service.limits):
                length += len(chunk)
                if length > largest:
                    raise _too_large(largest)
                if length > held.amount:  # its length was not said
                    held.take(length - held.amount)
                yield chunk

        yield chunks()


async def _in_time(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    clock = asyncio.get_running_loop().time
    end = clock() + limits.body_seconds
    stream = request.stream()
    while True:
        try:
            if clock() > end:
                raise TimeoutError
            async with asyncio.timeout(min(limits.idle_seconds, end - clock())):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise ServiceError(
                408,
                f"The request came too slowly: it may pause for {limits.idle_seconds:g} s and take "
                f"{limits.body_seconds:g} s.",
            ) from error
        except ClientDisconnect as error:
            raise ServiceError(400, "The request ended before it was complete.") from error
        if chunk is None:
            return
        yield chunk


async def _parts(request: Request, chunks: AsyncGenerator[bytes, None], limits: Limits, most: int) -> list[Photo]:
    _, options = parse_options_header(request.headers["content-type"])
    form = _Form(limits.photo_bytes, most)
    try:
        parser = MultipartParser(options[b"boundary"], form.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    except (FormParserError, KeyError) as error:
        raise _no_form() from error
    return form.photos()


class _Form:
    """Takes the files of a form as a parser comes across them."""

    def __init__(self, photo_bytes: int, most: int) -> None:
        self._photo_bytes = photo_bytes
        self._most = most
        self._names: list[str] = []
        self._contents: list[bytearray] = []
        self._field = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._ended = False

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._take,
            "on_end": self._end,
        }

    def photos(self) -> list[Photo]:
        """The files, once all of the form was read."""
        if not self._ended:
            raise _no_form()
        if not self._names:
            raise ServiceError(422, "The form has no file.")
        return [Photo(name, bytes(content)) for name, content in zip(self._names, self._contents, strict=True)]

    def _begin_part(self) -> None:
        self._disposition = b""

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"filename" not in options:
            raise ServiceError(
                422, "The form has a field that is no file. Options such as labels go into the address (?labels=six)."
            )
        if len(self._names) == self._most:
            raise ServiceError(
                413, f"Expected at most {count_text(self._most, 'photo')} in one request.", code="too_many"
            )
        self._names.append(_file_name(options[b"filename"].decode("utf-8", "replace")))
        self._contents.append(bytearray())

    def _take(self, data: bytes, start: int, end: int) -> None:
        content = self._contents[-1]
        if len(content) + end - start > self._photo_bytes:
            raise _too_large(self._photo_bytes)
        content += data[start:end]

    def _end(self) -> None:
        self._ended = True


def _file_name(sent: str) -> str:
    """The last part of a name, whatever path and control characters a client put into it."""
    last = re.split(r"[/\\]", sent)[-1]
    clean = "".join(character for character in last if character.isprintable()).strip()
    return clean[:_LONGEST_NAME] if clean.strip(".") else _UNNAMED


def _no_form() -> ServiceError:
    # The parser's own words are not passed on: they may hold what the client sent.
    return ServiceError(400, "This is no multipart/form-data that can be read.")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _declared_length(request: Request) -> int:
    sent = request.headers.get("content-length", "0")
    return int(sent) if sent.isascii() and sent.isdigit() else 0


def _too_large(largest: int) -> ServiceError:
    return ServiceError(413, f"Expected at most {largest:,} bytes. Send fewer or smaller photos.")
