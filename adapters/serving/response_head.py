"""The head of an answer of HTTP/1.1 (RFC 9112), with its chunks, and of CGI and FastCGI (RFC 3875 section 6)."""

from __future__ import annotations

import time

__all__ = ["LAST_CHUNK", "cgi_head", "chunk", "http_head"]

#: the end of a chunked body (RFC 9112 section 7.1)
LAST_CHUNK = b"0\r\n\r\n"


def http_head(
    status: str, headers: list[tuple[str, str]], method: str, *, is_http11: bool, keep_alive: bool
) -> tuple[bytes, bool, bool]:
    """The head of an answer to a client of HTTP/1.1 or 1.0; True if its body is chunked; True if the connection lasts.

    The boundary has checked *status* and *headers*. An answer without a Content-Length is chunked for HTTP/1.1; for
    HTTP/1.0 the end of the connection ends it. *keep_alive* says whether a request may follow otherwise.
    """
    head = f"HTTP/1.1 {status}\r\n" + "".join([f"{name}: {value}\r\n" for name, value in headers])
    lower = head.lower()
    if "\ndate:" not in lower:
        head += _date_line()  # RFC 9110 section 6.6.1
    is_chunked = False
    # For HEAD the length that a GET would have may be left out (RFC 9110 section 8.6); 204 and 304 have no body.
    if "\ncontent-length:" not in lower and method != "HEAD" and not status.startswith(("204", "304")):
        if is_http11:
            is_chunked = True
            head += "Transfer-Encoding: chunked\r\n"
        else:
            keep_alive = False
    if not keep_alive:
        head += "Connection: close\r\n"
    elif not is_http11:
        head += "Connection: keep-alive\r\n"
    return (head + "\r\n").encode("latin-1"), is_chunked, keep_alive


def chunk(data: bytes) -> bytes:
    """*data*, which is not empty, as a chunk (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def cgi_head(status: str, headers: list[tuple[str, str]]) -> bytes:
    """The head of an answer to a web server (RFC 3875 section 6.2).

    An app's own ``Status`` header is left out: it would be another status. So is a ``Location`` with the status 200,
    where it has no meaning (RFC 9110 section 10.2.2): Apache would answer with what is at that place (section 6.2.2).
    """
    left_out = ("status", "location") if status.startswith("200") else ("status",)
    lines = [f"{name}: {value}\r\n" for name, value in headers if name.lower() not in left_out]
    return f"Status: {status}\r\n{''.join(lines)}\r\n".encode("latin-1")


_date, _next_date = "", 0.0


def _date_line() -> str:
    """The Date header, made once a second."""
    global _date, _next_date  # noqa: PLW0603
    now = time.time()
    if not _next_date - 1 <= now < _next_date:  # the clock may have been set back
        from wsgiref.handlers import format_date_time

        _next_date = int(now) + 1.0
        _date = f"Date: {format_date_time(now)}\r\n"
    return _date
