"""One process that runs the application: sockets, patience with slow clients, logs, the browser."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mien.errors import MienError
from mien.web.guard import is_loopback
from mien.web.limits import Limits

_SHUTDOWN_SECONDS = 10
_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
_ARENAS = 2


def serve(
    app: Any,
    *,
    host: str,
    port: int,
    limits: Limits,
    started: Callable[[str], None],
    open_page: bool = False,
) -> None:
    """Run an application until the process is told to stop.

    Args:
        app: what `create_app` gave.
        host: address to listen on.
        port: port to listen on; 0 for any that is free.
        limits: how long slow clients are waited for, and how many connections are held.
        started: told the address of the page, once it can be asked.
        open_page: whether a browser is opened on it.

    Raises:
        MienError: the address cannot be listened on.
    """
    with _listen(host, port) as listening:
        address = _address(host, listening.getsockname()[1])
        server = make_server(app, limits, lambda: _tell(address, started, open_page=open_page))
        # KeyboardInterrupt: stopped from the keyboard, after what was asked has been answered.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def make_server(app: Any, limits: Limits, on_started: Callable[[], None]) -> uvicorn.Server:
    """A server for an application, set up but not started.

    Args:
        app: what `create_app` gave.
        limits: as for `serve`.
        on_started: called once it can be asked.
    """
    config = uvicorn.Config(
        app,
        http=patient_protocol(limits),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    return _Server(config, on_started)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()


def patient_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """A protocol for uvicorn that gives up clients who send or take too slowly.

    uvicorn itself waits for ever for the end of a header, of the body of a request that was answered early, and for a
    client that does not take its answer.
    """

    class PatientProtocol(H11Protocol):
        _sending: asyncio.TimerHandle | None = None
        _taking: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_request()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and self.cycle.response_complete:
                self.cycle.body.clear()  # of a request that was refused; uvicorn holds it until the next one
            if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
                self._wait_for_request()
            else:
                self._stop_waiting()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._taking = self.loop.call_later(limits.idle_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._taking is not None:
                self._taking.cancel()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._stop_waiting()
            if self._taking is not None:
                self._taking.cancel()

        def _wait_for_request(self) -> None:
            if self._sending is None:
                # Somewhat longer than the application waits for a body: it says in words that it was too slow.
                wait = limits.body_seconds + limits.idle_seconds
                self._sending = self.loop.call_later(wait, self.transport.abort)

        def _stop_waiting(self) -> None:
            if self._sending is not None:
                self._sending.cancel()
                self._sending = None

    return PatientProtocol


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(2048)
        except BaseException:
            listening.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        of_host = isinstance(error, socket.gaierror | UnicodeError) or getattr(error, "errno", 0) == errno.EADDRNOTAVAIL
        way = (
            "Name an address of this machine with --host"
            if of_host
            else "Take another with --port, or any that is free with --port 0"
        )
        raise MienError(f"The service cannot listen on {host}, port {port}: {reason}. {way}.") from error
    listening.setblocking(False)
    return listening


def _address(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "") else "::1" if host == "::" else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"


def _tell(address: str, started: Callable[[str], None], *, open_page: bool) -> None:
    started(address)
    if open_page:
        # In a thread of its own: some systems wait for the browser to come up.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def spare_memory() -> None:
    """Let the threads of this process share what they free; to be called before the first of them starts.

    glibc keeps up to eight heaps a core, and each grows to the largest photos that its threads have met.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library has no such choice
            ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def known_hosts(host: str, others: tuple[str, ...]) -> tuple[str, ...] | None:
    """The names under which a service that listens on `host` may be asked; None for any.

    Only this machine reaches a loopback address, so a request under any other name was led here by somebody else's.
    """
    if is_loopback(host):
        return ("localhost", "127.0.0.1", "::1", host, *others)
    return (host, "localhost", "127.0.0.1", "::1", *others) if others else None


def log_to_stderr(level: int = logging.INFO) -> None:
    """A line for each answer, and what went wrong: time, method, route, status, seconds; nothing that was sent."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    # The parser of forms warns of each that is broken, in words that come from it.
    levels = {"mien.web": level, "uvicorn.error": logging.ERROR, "python_multipart": logging.CRITICAL}
    for name, least in levels.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(least)
