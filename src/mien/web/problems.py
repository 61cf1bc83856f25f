"""What goes wrong with a request, as a status and one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mien.errors import MienError

# The codes of docs/serve.md. A client decides by the code; people read the message.
CODES = {
    400: "bad_request",
    401: "token",
    403: "cross_origin",
    404: "not_found",
    405: "method",
    408: "slow",
    413: "too_large",
    415: "media_type",
    421: "host",
    422: "invalid",
    429: "busy",
    500: "internal",
    503: "too_slow",
}


class ServiceError(MienError):
    """A request that is refused.

    Attributes:
        status: of HTTP, 400 to 599.
        code: one word for programs.
        headers: further headers of the answer.
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or CODES.get(status, "http")
        self.headers = dict(headers or {})


def busy(message: str, retry_after: int) -> ServiceError:
    """The answer when there is no room: 429 with the seconds after which to ask again."""
    return ServiceError(429, f"{message} Ask again in {retry_after} s.", headers={"Retry-After": str(retry_after)})


def problem_json(path: str, error: ServiceError) -> dict[str, Any]:
    """The body of an error. Under /v2 it is a string, as the open inference protocol wants it."""
    if path.startswith("/v2"):
        return {"error": str(error)}
    return {"error": {"code": error.code, "message": str(error)}}
