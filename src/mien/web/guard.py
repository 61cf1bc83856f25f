"""What holds for every request: who may ask, what a browser may do with the answer, what is counted and logged."""

from __future__ import annotations

import hmac
import logging
import secrets
import time
import traceback
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse

from mien.web.metrics import Metrics
from mien.web.problems import ServiceError, problem_json

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger("mien.web")
COOKIE = "mien_session"

# Scripts and everything else from the page's own origin; "wasm-unsafe-eval" lets it compile WebAssembly and nothing
# else. Pictures that the page itself makes are blob: and data:.
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
# What works without the token: the page, which asks for it, and what a monitor and a person in a photo need to read.
_OPEN = frozenset({"/v1/config", "/v1/notice", "/health", "/v2/health/live", "/v2/health/ready", "/openapi.json"})
_GUARDED = ("/v1/", "/v2", "/reports/", "/metrics")


class Guard:
    """Stands before the application.

    Args:
        app: what answers.
        metrics: what is counted.
        token: what clients must send; None when anyone may ask.
        hosts: names and addresses under which the service may be asked; None for any. A page of another site that has
            its name lead to this machine (DNS rebinding) sends its own name.

    Attributes:
        session: what the cookie of a browser holds that has sent the token; new at every start.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, token: str | None, hosts: Iterable[str] | None) -> None:
        self.app = app
        self.session = secrets.token_urlsafe(32)
        self._metrics = metrics
        self._token = None if token is None else token.encode()
        self._hosts = None if hosts is None else {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500
        started = False
        # Whoever asks for the head of an answer, as monitors do, gets that of GET; the server leaves the rest out.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope

        async def send_guarded(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope)
            asked["mien_session"] = self.session
            await self.app(asked, receive, send_guarded)
        except ServiceError as error:
            await problem(scope["path"], error)(scope, receive, send_guarded)
        except Exception as error:
            # Where, and not what: an error's own words may hold the name of a file.
            frames = "".join(traceback.format_tb(error.__traceback__))
            LOG.error("%s\n%s", type(error).__name__, frames)
            if started:
                raise ConnectionAbortedError("An answer broke off.") from None
            sorry = ServiceError(500, "Something went wrong in the service; its log says where.")
            await problem(scope["path"], sorry)(scope, receive, send_guarded)
        finally:
            route = getattr(asked.get("route"), "path", "other")
            seconds = time.perf_counter() - start
            self._metrics.answered(route, status, seconds)
            LOG.info("%s %s %d %.3f s", scope["method"], route, status, seconds)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            raise ServiceError(
                421, f"This service does not answer under that name. Known: {', '.join(sorted(self._hosts))}."
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise ServiceError(403, "This service answers pages of its own origin only.")
        path = scope["path"]
        if self._token is not None and path.startswith(_GUARDED) and path not in _OPEN and not self._known(headers):
            raise ServiceError(
                401,
                "This service wants its token: send the header 'Authorization: Bearer TOKEN'.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _known(self, headers: Headers) -> bool:
        kind, _, sent = headers.get("authorization", "").partition(" ")
        # Both are compared in full, in a time that tells nothing about how much of them is right.
        token = hmac.compare_digest(sent.strip().encode(), self._token or b"") and kind.lower() == "bearer"
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return token or hmac.compare_digest(cookie.encode(), self.session.encode())


def problem(path: str, error: ServiceError) -> JSONResponse:
    """The answer to a request that is refused."""
    return JSONResponse(problem_json(path, error), status_code=error.status, headers=error.headers)


def is_loopback(host: str) -> bool:
    """Whether an address, or name, is one that only this machine can reach."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _name_of(host: str) -> str:
    """The name in a Host header, without its port: "[::1]:8420" gives "::1"."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises when it is no number
    except ValueError:
        return ""
    # What is more than a name and a port, as in "localhost@elsewhere", is none.
    return (parts.hostname or "").lower() if parts.netloc == host and "@" not in host else ""
