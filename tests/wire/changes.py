"""Streams of requests as somebody may have broken them: cut, repeated, dropped, and with bytes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

__all__ = ["APP", "changed", "most_answers"]

#: what is asked for below: the path says how much of the body is read, and how the answer is sent
APP = '''
def app(environ, start_response):
    """Read the body, or not, and tell in one part, in some, or in none."""
    path, body = environ["PATH_INFO"], environ["wsgi.input"]
    read = b"" if path == "/unread" else body.read(1 if path == "/some" else -1)
    text = f"{len(read)} bytes".encode("ascii")
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    headers = [("Content-Type", "text/plain")]
    start_response("200 OK", headers if path == "/parts" else [*headers, ("Content-Length", str(len(text)))])
    return [text[:1], text[1:]]
'''

_PATHS = ["/", "/unread", "/some", "/parts", "/empty"]
_HEADERS = [
    "",
    "Connection: keep-alive\r\n",
    "Connection: close\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "X-A: b\r\n",
]
_BODIES = [
    "\r\n",
    "Content-Length: 0\r\n\r\n",
    "Content-Length: 3\r\n\r\nabc",
    "Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n12\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\nX: y\r\n\r\n",
]
_BYTES = [
    *("\r\n", "\r\n\r\n", "\r", "\n", "\0", " ", "\t", "\x0b", "\x7f", "\xff", ":", ",", ";", "=", '"'),
    *("0", "1", "3", "f", "-", "+", "_", "0x", "#", "*", "http://a", "chunked", "identity, "),
    *("Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Host: a\r\n", "0\r\n\r\n", "GET / HTTP/1.1\r\n"),
    *("HTTP/1.0", "HTTP/2.0", "CONNECT", "OPTIONS *"),
]


@st.composite
def _requests(draw: DrawFn) -> bytes:
    line = f"{draw(st.sampled_from(['GET', 'POST']))} {draw(st.sampled_from(_PATHS))}"
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"]))
    headers, body = draw(st.sampled_from(_HEADERS)), draw(st.sampled_from(_BODIES))
    return f"{line} HTTP/{version}\r\nHost: a\r\n{headers}{body}".encode("latin-1")


@st.composite
def changed(draw: DrawFn) -> bytes:
    """Up to four requests behind each other, with up to four changes."""
    raw = b"".join(draw(st.lists(_requests(), min_size=1, max_size=4)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(start + draw(st.integers(0, 12)), len(raw))
        change = draw(st.sampled_from(["end", "drop", "repeat", "insert", "replace", "swap"]))
        if change == "end":
            raw = raw[:start]
        elif change == "drop":
            raw = raw[:start] + raw[end:]
        elif change == "repeat":
            raw = raw[:end] + raw[start:end] * draw(st.integers(1, 3)) + raw[end:]
        elif change == "swap":
            raw = raw[:start] + raw[start:end][::-1] + raw[end:]
        else:
            new = draw(st.sampled_from(_BYTES)).encode("latin-1")
            raw = raw[:start] + new + raw[end if change == "replace" else start :]
    return raw


def most_answers(raw: bytes) -> int:
    """The most answers to *raw*: one for each end of a head, and one to a malformed request."""
    return raw.count(b"\r\n\r\n") + 1
