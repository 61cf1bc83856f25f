"""The photos of a request, read into memory and nowhere else."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from mien.web.limits import Limits
from mien.web.problems import ServiceError
from mien.web.service import Photo, Service

_UNNAMED = "photo"
_LONGEST_NAME = 255


class _InMemory(MultiPartParser):
    # Larger files would go to a temporary file on the disk; how large a body may be is bounded before.
    spool_max_size = sys.maxsize


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
    with service.photos.holding(1) as places:
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
    try:
        form = await _InMemory(request.headers, chunks, max_files=most, max_fields=0).parse()
    except MultiPartException as error:
        raise _refused_form(error.message, most) from error
    except (UnicodeError, ValueError, LookupError) as error:
        raise _refused_form("", most) from error
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    try:
        if not files:
            raise ServiceError(422, "The form has no file.")
        photos = [Photo(_file_name(file.filename), await file.read()) for file in files]
    finally:
        await form.close()
    if any(len(photo.content) > limits.photo_bytes for photo in photos):
        raise _too_large(limits.photo_bytes)
    return photos


def _refused_form(reason: str, most: int) -> ServiceError:
    # The parser tells its own limits by its words alone. Of the rest, its words may hold what the client sent.
    if reason.startswith("Too many files"):
        return ServiceError(413, f"Expected at most {most} photos in one request.", code="too_many")
    if reason.startswith("Too many fields"):
        return ServiceError(
            422, "The form has a field that is no file. Options such as labels go into the address (?labels=six)."
        )
    return ServiceError(400, "This is no multipart/form-data that can be read.")


def _file_name(sent: str | None) -> str:
    """The last part of a name, whatever path and control characters a client put into it."""
    last = re.split(r"[/\\]", sent or "")[-1]
    clean = "".join(character for character in last if character.isprintable()).strip()
    return clean[:_LONGEST_NAME] if clean.strip(".") else _UNNAMED


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _declared_length(request: Request) -> int:
    sent = request.headers.get("content-length", "0")
    return int(sent) if sent.isascii() and sent.isdigit() else 0


def _too_large(largest: int) -> ServiceError:
    return ServiceError(413, f"Expected at most {largest:,} bytes. Send fewer or smaller photos.")
