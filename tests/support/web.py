"""A service asked in this process, or through a socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI

from mien.web.limits import Limits
from mien.web.server import make_server

# Small enough that tests can go beyond them.
LIMITS = Limits(
    photo_bytes=200_000,
    body_bytes=600_000,
    held_bytes=2_000_000,
    photos=4,
    pixels=1_000_000,
    crops=8,
)
# For clients that are slow on purpose.
HASTY = replace(LIMITS, idle_seconds=0.3, body_seconds=0.6)
T = TypeVar("T")
JPEG = {"Content-Type": "image/jpeg"}


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives, in a thread of its own: Playwright leaves an event loop running in that of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def ask(app: FastAPI, method: str, path: str, **options: Any) -> httpx.Response:
    """One request, in this process."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8420") as client:
            return await client.request(method, path, **options)

    return run_async(send())


@contextlib.asynccontextmanager
async def listening(app: FastAPI, limits: Limits = LIMITS) -> AsyncIterator[int]:
    """The port of a real server for an application, in this process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = asyncio.Event()
        server = make_server(app, limits, started.set)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.wait_for(started.wait(), 60)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


def with_server(app: FastAPI, work: Callable[[int], Awaitable[Any]], limits: Limits = LIMITS) -> Any:
    """What `work` gives for the port of a server."""

    async def run() -> Any:
        async with listening(app, limits) as port:
            return await work(port)

    return run_async(run())
