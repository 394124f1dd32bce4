"""The one boundary between a server and a WSGI app: call it, iterate its body, close it (PEP 3333).

Every runner answers every request through :func:`respond`, so an app behaves the same under each of them:

- call, iteration and close happen here, one after the other, in one thread or greenlet and in a context of
  their own (PEP 567): no context variable of one request is seen by the next;
- ``close()`` is called exactly once, also when the app raises, the body raises or the client has left;
- status and headers are checked before anything is sent, by ``if`` and not by ``assert``;
- an exception before the headers is a 500; after them the connection is cut, so that the client can see
  that the answer is not whole. Where the client's own body was at fault, the status is that 4xx.
"""

from __future__ import annotations

import logging
import re
from contextvars import copy_context
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from flask_embed.answers import plain
from flask_embed.environ import readable
from flask_embed.grammar import CONTENT_LENGTH, FIELD_VALUE, FINAL_STATUS_LINE, TOKEN

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

__all__ = ["BodyError", "ClientGone", "Log", "Writer", "respond"]

logger = logging.getLogger("flask_embed.server")

#: The server's own business (PEP 3333, "Other HTTP Features"; RFC 9110 section 7.6.1).
_HOP_BY_HOP = re.compile(
    "connection|keep-alive|proxy-authenticate|proxy-authorization|proxy-connection|te|trailer|transfer-encoding|upgrade"
)


class ClientGone(Exception):
    """Raised by a :class:`Writer` when the client has left: the app is closed, nothing is logged."""


class BodyError(OSError):
    """Raised by a ``wsgi.input``: the client's body is malformed, too large, too slow, or shorter than announced.

    Werkzeug's streams and many frameworks take an OSError there for a client that is gone. If nothing catches it, the
    request is answered with *status*, and no error is logged.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        #: a status line like ``400 Bad Request``
        self.status = status


class Log(Protocol):
    """A log with a line for each request."""

    def write(self, environ: WSGIEnvironment, status: str, length: int) -> None:
        """Log one request that was answered with this status line and so many bytes of body."""


class Writer(Protocol):
    """The sender of one answer; each server's adapter has one. Any method may raise :exc:`ClientGone`.

    An answer is either one ``send()``, or ``start()``, any number of ``write()`` and ``end()``. Nothing follows
    ``cut()``.
    """

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send a whole answer; the body is empty where the status or HEAD allows none."""

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        """Send the head; both arguments have been checked, and are latin-1."""

    def write(self, data: bytes) -> None:
        """Send data of the body, which is not empty."""

    def end(self) -> None:
        """End the answer: it is whole."""

    def cut(self) -> None:
        """Close the connection so that the client can see that the answer is not whole."""


def respond(app: WSGIApplication, environ: WSGIEnvironment, writer: Writer, log: Log | None = None) -> None:
    """Answer one request: call *app* with *environ* and send the body that it returns through *writer*.

    Returns when the answer was sent and closed, or given up; an exception of the app is logged with its
    traceback, not raised. A BaseException (GreenletExit, KeyboardInterrupt, SystemExit) is raised, after
    the body was closed and the connection cut. *log* gets a line at the end.
    """
    exchange = _Exchange(environ, writer)
    try:
        copy_context().run(exchange.run, app)
    finally:
        if log is not None:
            log.write(environ, exchange.status or "-", exchange.sent)


class _Exchange:
    """One request and its answer: nothing is sent before the first data of the body is there."""

    __slots__ = ("bodiless", "ended", "environ", "headers", "left", "length", "sent", "sent_head", "status", "writer")

    def __init__(self, environ: WSGIEnvironment, writer: Writer) -> None:
        self.environ = environ
        self.writer = writer
        #: the status line from start_response
        self.status: str | None = None
        self.headers: list[tuple[str, str]] = []
        #: the Content-Length among the headers
        self.length: int | None = None
        self.sent_head = False
        self.ended = False
        #: bytes of the body that Content-Length still promises, None without one
        self.left: int | None = None
        self.bodiless = environ["REQUEST_METHOD"] == "HEAD"
        #: bytes of the body that were sent
        self.sent = 0

    def run(self, app: WSGIApplication) -> None:
        body: Any = None
        is_stopped = False
        try:
            try:
                body = app(self.environ, self.start_response)
                self.send_body(body)
            except Exception:
                raise
            except BaseException:
                is_stopped = True
                raise
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    try:
                        close()
                    except Exception:
                        if not is_stopped:
                            raise
                        self.log_error()  # the exception that stops this thread or greenlet is raised
        except ClientGone:
            self.writer.cut()
        except BodyError as error:
            self.refuse(error.status)
        except Exception:
            self.log_error()
            self.refuse("500 Internal Server Error")
        except BaseException:
            if not self.ended:
                self.writer.cut()
            raise

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None) -> Any:
        """PEP 3333: called again only with *exc_info*, which is raised if the head was sent already."""
        if exc_info is not None:
            try:
                if self.sent_head and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a cycle through the traceback
        elif self.status is not None:
            raise RuntimeError("start_response was called a second time without exc_info (PEP 3333)")
        self.headers = list(headers)
        self.length = _checked_length(status, self.headers)
        self.status = status
        return self.write

    def write(self, data: bytes) -> None:
        """Send data of the body at once: what start_response returns (PEP 3333), and what each item goes through."""
        if type(data) is not bytes:
            raise TypeError(f"a body is made of bytes, the app sent {type(data).__name__} (PEP 3333)")
        if not data:
            return
        if not self.sent_head:
            self.send_head()
        if self.bodiless:
            return
        if self.left is not None:
            if len(data) > self.left:
                raise ValueError("the body is longer than its Content-Length")
            self.left -= len(data)
        self.sent += len(data)
        self.writer.write(data)

    def send_body(self, body: Any) -> None:
        if (
            (type(body) is list or type(body) is tuple)
            and len(body) == 1
            and type(body[0]) is bytes
            and self.status is not None
            and not self.sent_head
        ):
            self.send_whole(body[0])
            return
        for data in body:
            self.write(data)
            if self.bodiless and self.sent_head:
                break
        if not self.sent_head:
            self.send_whole(b"")
            return
        if self.left and not self.bodiless:
            raise ValueError(f"the body ended {self.left} bytes before its Content-Length")
        self.writer.end()
        self.ended = True

    def send_whole(self, body: bytes) -> None:
        """Send the whole answer at once."""
        status, headers = self.framed(len(body))
        if self.bodiless:
            body = b""
        elif self.left != len(body):
            raise ValueError(f"the body has {len(body)} bytes, its Content-Length says {self.left}")
        self.sent_head = True
        self.sent = len(body)
        self.writer.send(status, headers, body)
        self.ended = True

    def send_head(self) -> None:
        status, headers = self.framed(None)
        self.sent_head = True
        self.writer.start(status, headers)

    def framed(self, whole: int | None) -> tuple[str, list[tuple[str, str]]]:
        """The status and headers to send; *whole* is the length of the body where it is known."""
        status, headers = self.status, self.headers
        if status is None:
            raise RuntimeError("the app returned without calling start_response (PEP 3333)")
        length = self.length
        if status.startswith(("204", "304")):
            if length is not None and status.startswith("204"):  # RFC 9110 section 8.6
                headers = [header for header in headers if header[0].lower() != "content-length"]
            self.bodiless = True
        elif length is not None:
            self.left = length
        elif whole is not None and not (self.bodiless and whole == 0):
            headers.append(("Content-Length", str(whole)))
            self.left = whole
        return status, headers

    def log_error(self) -> None:
        """Log the exception that is being handled."""
        environ = self.environ
        logger.exception(
            "Error while answering %s %s",
            readable(environ["REQUEST_METHOD"]),
            readable(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")),
        )

    def refuse(self, status: str) -> None:
        """Answer with *status* in place of the app, or cut the connection where the head was sent."""
        if self.ended:
            return  # close() has failed, but the client has its answer
        try:
            if self.sent_head:
                self.writer.cut()
                return
            self.sent_head = True
            headers, body = plain(status, self.environ["REQUEST_METHOD"])
            self.status = status
            self.sent = len(body)
            self.writer.send(status, headers, body)
        except ClientGone:
            self.writer.cut()


def _checked_length(status: str, headers: list[tuple[str, str]]) -> int | None:
    """The Content-Length among *headers*, None without one; TypeError or ValueError for a malformed head."""
    _check_status(status)
    length = None
    for name, value in headers:
        announced = _content_length(name, value)
        if announced is not None:
            if length is not None:
                raise ValueError("the response has more than one Content-Length")
            length = announced
    return length


@lru_cache(maxsize=64)
def _check_status(status: str) -> None:
    if type(status) is not str:
        raise TypeError(f"the status is a str, the app sent {status!r}")
    if FINAL_STATUS_LINE.fullmatch(status) is None:
        raise ValueError(f"the status {status!r} is not a status line like '200 OK'")


@lru_cache(maxsize=512)
def _content_length(name: str, value: str) -> int | None:
    """The value of a Content-Length header, None for another one; TypeError or ValueError if it must not be sent."""
    if type(name) is not str or type(value) is not str:
        raise TypeError(f"a header is two str, the app sent {name!r}: {value!r}")
    if TOKEN.fullmatch(name) is None:
        raise ValueError(f"the header name {name!r} is not a token (RFC 9110 section 5.6.2)")
    if FIELD_VALUE.fullmatch(value) is None:
        raise ValueError(
            f"the value {value!r} of the header {name!r} has a character that no header may have (RFC 9110 section 5.5)"
        )
    lower = name.lower()
    if _HOP_BY_HOP.fullmatch(lower):
        raise ValueError(f"the header {name!r} is for the server to send (PEP 3333, hop-by-hop)")
    if lower != "content-length":
        return None
    if CONTENT_LENGTH.fullmatch(value) is None:
        raise ValueError(f"the Content-Length {value!r} is not a number of bytes")
    return int(value)
