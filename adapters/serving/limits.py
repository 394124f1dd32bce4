"""The largest request that is read, and the faults of a larger, slower or malformed one, each worded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from flask_embed.options import Options

__all__ = [
    "BODY_CUT_OFF",
    "BODY_TOO_LARGE",
    "BODY_TOO_SLOW",
    "HEAD_TOO_SLOW",
    "BadRequestError",
    "Fault",
    "Limits",
]


class Fault(NamedTuple):
    """A fault of a request."""

    #: the status line that it is answered with, like ``400 Bad Request``
    status: str
    #: for the log and for the app that reads the body
    reason: str


BODY_CUT_OFF = Fault("400 Bad Request", "the body is shorter than announced")
BODY_TOO_LARGE = Fault("413 Content Too Large", "the body is larger than --limit-body")
BODY_TOO_SLOW = Fault("408 Request Timeout", "the body took longer than --body-timeout")
HEAD_TOO_SLOW = Fault("408 Request Timeout", "the head took longer than --header-timeout")


class BadRequestError(Exception):
    """A request that no app gets to see: it is answered with *status*, and the reason is logged."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        #: a status line like ``400 Bad Request``
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes of the largest request, in bytes; each method raises :exc:`BadRequestError` for a larger one."""

    line: int = 8 * 1024
    headers: int = 64 * 1024
    header_count: int = 100
    #: None for a body of any length
    body: int | None = None

    @classmethod
    def of(cls, options: Options) -> Limits:
        """The limits that the options name."""
        return cls(options.limit_line, options.limit_headers, options.limit_header_count, options.limit_body)

    def check_line(self, length: int) -> None:
        """414 for a longer request line."""
        if length > self.line:
            raise BadRequestError("414 URI Too Long", "the request line is longer than --limit-line")

    def check_headers(self, size: int) -> None:
        """431 for larger headers."""
        if size > self.headers:
            raise BadRequestError("431 Request Header Fields Too Large", "the headers are larger than --limit-headers")

    def check_header_count(self, count: int) -> None:
        """431 for more headers."""
        if count > self.header_count:
            raise BadRequestError(
                "431 Request Header Fields Too Large", "there are more headers than --limit-header-count"
            )

    def check_body(self, length: int) -> None:
        """413 for a longer body, by the Content-Length that announces it."""
        if self.body is not None and length > self.body:
            raise BadRequestError(*BODY_TOO_LARGE)
