"""Plain answers of the project's own: text that repeats the status and nothing of the request (404, 400, 503)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["RETRY_AFTER", "bad_request", "not_found", "plain", "unavailable"]

#: seconds that a client should wait after a 503 (RFC 9110 section 10.2.3)
RETRY_AFTER = 5


def plain(status: str, method: str, *headers: tuple[str, str]) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of the plain answer with this status line; *headers* are added. HEAD gets no body.

    >>> plain("404 Not Found", "GET")[1]
    b'Not Found\\n'
    """
    body = f"{status[4:]}\n".encode("ascii")
    head = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        *headers,
        ("Content-Length", str(len(body))),
    ]
    return head, b"" if method == "HEAD" else body


def bad_request(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """400 for a malformed request, as a WSGI app."""
    return _sent("400 Bad Request", environ, start_response)


def not_found(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """404 for a path without an app, as a WSGI app."""
    return _sent("404 Not Found", environ, start_response)


def unavailable(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """503 for an app that cannot answer at the moment, as a WSGI app."""
    return _sent("503 Service Unavailable", environ, start_response, ("Retry-After", str(RETRY_AFTER)))


def _sent(
    status: str, environ: WSGIEnvironment, start_response: StartResponse, *headers: tuple[str, str]
) -> list[bytes]:
    head, body = plain(status, environ.get("REQUEST_METHOD", ""), *headers)
    start_response(status, head)
    return [body] if body else []
