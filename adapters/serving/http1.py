"""HTTP/1.1 for a server, without sockets: bytes in, requests and bodies out; responses in, bytes out (RFC 9112).

One :class:`Connection` reads one request after the other, and no further than the end of the current one:

    receive() ─► head ──► environ ─► body ─► body.ended ─ next() ─► head …
                   │                   │
                   └► fault            └► body.fault

llhttp (in httptools) checks heads and framing. It is fed no further than one message can reach, so that the input
behind it is a request of its own, read when this one is answered. Malformed input that llhttp lets pass is refused
here and in :mod:`~flask_embed.adapters.serving.http_environ`: requests without version, more than one space in the
request line, blank lines before it, chunk sizes of any length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from flask_embed.adapters.serving.body import NO_BODY, Body
from flask_embed.adapters.serving.http_environ import environ_of, keeps_alive
from flask_embed.adapters.serving.limits import BODY_CUT_OFF, BadRequestError, Fault
from flask_embed.adapters.serving.response_head import LAST_CHUNK, chunk, http_head
from flask_embed.adapters.serving.waits import WORTH_READING
from flask_embed.grammar import METHOD_BEGINNING, TOKEN

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from flask_embed.adapters.serving.limits import Limits

__all__ = ["Connection"]

_VERSIONS = ("HTTP/1.1", "HTTP/1.0")
_VERSION = re.compile(r"HTTP/[0-9]\.[0-9]")
_BARE_LF = re.compile(rb"(?<!\r)\n")
#: RFC 9112 section 7.1: the size of a chunk, and extensions, which llhttp reads
_CHUNK_LINE = re.compile(rb"(?P<size>[0-9A-Fa-f]{1,16})(?:[ \t]*;[^\r\n]*)?\r\n")
_LONGEST_CHUNK_LINE = 4096


class Connection:
    """The protocol of one connection.

    *base* is what the environs of its requests share. Bytes that came go into :meth:`receive`, until :attr:`environ` or
    :attr:`fault` is there, and, while the app asks for more of it, until :attr:`body` has some. The answer goes through
    :meth:`start`, :meth:`part` and :meth:`end`, whose bytes are to be sent; then :meth:`next` reads on, if
    :attr:`keep_alive`.
    """

    def __init__(self, base: WSGIEnvironment, limits: Limits) -> None:
        #: the keys of the environ that all requests share
        self.base = base
        self._limits = limits
        self._parser = self._new_parser()
        #: input, and up to where it was read
        self._buffer = b""
        self._at = 0
        #: how much of the unread input was searched for the end of a head, or of a line between chunks
        self._searched = 0
        self._headers: list[tuple[str, str]] = []
        #: the request that is to be answered, without ``wsgi.input``; None while its head is not whole
        self.environ: WSGIEnvironment | None = None
        #: its method, target and version, also where its head is refused
        self.line: list[str] | None = None
        #: the fault of a malformed request; nothing is read after it
        self.fault: BadRequestError | None = None
        #: the body of that request; nothing is read after a fault of it
        self.body = NO_BODY
        #: bytes of the body that are to come, or of the current chunk with its line break; -1 before the next chunk
        self._left = 0
        self._is_chunked = False
        #: bytes of the trailer section, -1 before it
        self._trailers = -1
        #: True if llhttp has read the message to its end
        self._is_complete = False
        #: True if llhttp has stopped at a request for another protocol
        self._upgrades = False
        #: True if the client waits for 100 Continue before it sends the body
        self.awaits_continue = False
        #: True if a request can follow on this connection
        self.keep_alive = True
        #: True if the head of the answer was made
        self.started = False
        self._chunks_out = False

    # The callbacks of llhttp

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1").rstrip(" \t")))

    def on_body(self, data: bytes) -> None:
        self.body.put(data)

    def on_message_complete(self) -> None:
        self._is_complete = True

    # Input

    @property
    def is_quiet(self) -> bool:
        """True if no request has begun: the connection may be closed without a loss."""
        return self.environ is None and self._at == len(self._buffer)

    @property
    def input_is_open(self) -> bool:
        """True if the client may still send input that will not be read."""
        is_read = self.body.ended and self._at == len(self._buffer)
        return self.fault is not None or self.body.fault is not None or not is_read

    def receive(self, data: bytes) -> None:
        """Take input; ``b""`` is its end."""
        if not data:
            self._end_of_input()
            return
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0
        self._read_on()

    def next(self) -> None:
        """Go on to the next request, which may have begun already."""
        self.environ = self.line = None
        self._headers.clear()
        self.body = NO_BODY
        self._is_complete = self.started = False
        self._trailers = -1
        if self._at < len(self._buffer):
            self._read_on()

    def _read_on(self) -> None:
        """Read the input, up to the end of one message."""
        if self.environ is None and self.fault is None:
            self._read_head()
        body = self.body
        if self.environ is not None and not body.ended and body.fault is None:
            self._read_body()

    def _end_of_input(self) -> None:
        if self.environ is None:
            if self.fault is None and self._at < len(self._buffer):
                self.fault = BadRequestError("400 Bad Request", "the input ended within the head of a request")
                self.keep_alive = False
        else:
            self.fail_body(BODY_CUT_OFF)

    def _read_head(self) -> None:
        data, at = self._buffer, self._at
        end = data.find(b"\r\n\r\n", at + self._searched) + 4
        try:
            if end < 4:
                self._check_beginning(data[at:] if at else data)
                self._searched = max(len(data) - at - 3, 0)
                return
            self._searched = 0
            self.environ = self._parsed(data if at == 0 and end == len(data) else data[at:end])
            self._at = end
        except BadRequestError as error:
            self.fault = error
            self.keep_alive = False

    def _check_beginning(self, data: bytes) -> None:
        """Refuse the beginning of a head that no further input could make a request."""
        limits = self._limits
        if len(data) > min(limits.line, limits.headers):
            line_end = data.find(b"\r\n", 0, limits.line + 2)
            if line_end < 0:
                limits.check_line(len(data) - 1)  # its CR may be there
            else:
                limits.check_headers(len(data) - line_end - 4)
        if _BARE_LF.search(data, max(self._searched - 1, 0)) or not METHOD_BEGINNING.match(data, 0, 64):
            raise BadRequestError("400 Bad Request", "malformed request line")

    def _parsed(self, head: bytes) -> WSGIEnvironment:
        """The environ for a head; from then on the framing of its body is known."""
        limits = self._limits
        line_end = head.find(b"\r\n")
        limits.check_line(line_end)
        parts = head[:line_end].decode("latin-1").split(" ")  # RFC 9112 section 3: one space between them
        # llhttp skips blank lines before a request; h11 and some fronts do not, and could see another method.
        if len(parts) != 3 or head[0] <= 0x20 or (parts[2] not in _VERSIONS and _VERSION.fullmatch(parts[2]) is None):
            raise BadRequestError("400 Bad Request", "malformed request line")
        method, target, protocol = self.line = parts
        if protocol not in _VERSIONS:
            self._check_beginning(head)  # the same fault as for a head that comes in pieces
            raise BadRequestError("505 HTTP Version Not Supported", "a version of HTTP other than 1.0 and 1.1")
        limits.check_headers(len(head) - line_end - 4)
        self._feed(head)
        limits.check_header_count(len(self._headers))
        environ = environ_of(self.base, method, target, protocol, self._headers)
        if self._upgrades:
            self._decline_upgrade(environ)
        self.keep_alive = keeps_alive(environ)
        if self._is_complete:
            return environ
        length = environ.get("CONTENT_LENGTH")
        self._is_chunked = length is None
        if length is None:
            self._left = -1
            self.body = Body(None, limits.body)
        else:
            self._left = int(length)
            limits.check_body(self._left)
            self.body = Body(self._left)
        self.awaits_continue = protocol == "HTTP/1.1" and environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        return environ

    def _decline_upgrade(self, environ: WSGIEnvironment) -> None:
        """Read on in a request that asks for another protocol, which is ignored (RFC 9110 section 7.8).

        llhttp takes the input behind its head for that protocol, also where a body was announced. So another parser
        reads on, which gets a head for the body alone.
        """
        self._upgrades = False
        self._parser = self._new_parser()
        if "CONTENT_LENGTH" in environ:
            framing = f"Content-Length: {environ['CONTENT_LENGTH']}"
        elif any(name.lower() == "transfer-encoding" for name, _ in self._headers):
            framing = "Transfer-Encoding: chunked"
        else:
            return
        self._is_complete = False
        self._feed(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n".encode("ascii"))

    def _new_parser(self) -> HttpRequestParser:
        parser = HttpRequestParser(self)
        # keeps_alive() decides whether a request may follow: llhttp would heed Proxy-Connection and the trailers, too.
        parser.set_dangerous_leniencies(lenient_keep_alive=True)
        return parser

    def _feed(self, data: bytes) -> None:
        """Let llhttp read on; :exc:`BadRequestError` for input that it refuses."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._upgrades = True
        except HttpParserInvalidMethodError:
            if self.line is None or TOKEN.fullmatch(self.line[0]) is None:
                raise BadRequestError("400 Bad Request", "the method is not a token") from None
            self._check_beginning(data)
            raise BadRequestError("501 Not Implemented", "unknown method") from None
        except HttpParserError as error:
            raise BadRequestError("400 Bad Request", str(error)) from None

    def _read_body(self) -> None:
        if self._at == len(self._buffer):
            return
        self.awaits_continue = False
        try:
            if self._is_chunked:
                self._read_chunks()
            else:
                self._read_part()
        except BadRequestError as error:
            self.fail_body(Fault(error.status, str(error)))
        if self.body.fault is not None:
            self.keep_alive = False
        elif self._is_complete:
            self.body.end()

    def _read_part(self) -> None:
        """Read a body, or a chunk, whose length is known, as far as it has come."""
        part = self._buffer[self._at : self._at + self._left]
        self._at += len(part)
        self._left -= len(part)
        self._feed(part)

    def _read_chunks(self) -> None:
        """Read chunks, and the trailers behind the last one, which are dropped."""
        data = self._buffer
        while not self._is_complete and self._at < len(data):
            if self._left > 0:
                self._read_part()
                self._left = self._left or -1
                continue
            end = data.find(b"\r\n", self._at + self._searched) + 2
            length = (len(data) if end < 2 else end) - self._at  # of a whole line, or of its beginning
            if self._trailers >= 0:
                self._limits.check_headers(self._trailers + length)
            elif length > _LONGEST_CHUNK_LINE:
                raise BadRequestError("400 Bad Request", "a line between chunks is too long")
            if end < 2:
                if data.find(b"\n", self._at + self._searched) >= 0:
                    raise BadRequestError("400 Bad Request", "a bare line feed between chunks")
                self._searched = length - 1
                return
            line = data[self._at : end]
            self._at = end
            self._searched = 0
            if self._trailers >= 0:
                self._trailers += length
            else:
                match = _CHUNK_LINE.fullmatch(line)
                if match is None:
                    raise BadRequestError("400 Bad Request", "malformed size of a chunk")
                size = int(match["size"], 16)
                if size:
                    self._left = size + 2
                else:
                    self._trailers = 0
            self._feed(line)

    def fail_body(self, fault: Fault) -> None:
        """Read no more of a body that has not ended."""
        self.body.fail(fault)
        if self.body.fault is not None:
            self.keep_alive = False

    # Output

    def start(self, status: str, headers: list[tuple[str, str]]) -> bytes:
        """The head of the answer to the current request, checked by the boundary before."""
        self.started = True
        method, _, protocol = self.line or ("-", "-", "HTTP/1.1")
        if self.keep_alive and not self.body.ended and not self._is_worth_reading():
            self.keep_alive = False
        head, self._chunks_out, self.keep_alive = http_head(
            status, headers, method, is_http11=protocol == "HTTP/1.1", keep_alive=self.keep_alive
        )
        return head

    def body_data(self, data: bytes) -> bytes:
        """The bytes to send for data of the answer's body, which is not empty."""
        return chunk(data) if self._chunks_out else data

    def end(self) -> bytes:
        """The bytes that end the answer."""
        return LAST_CHUNK if self._chunks_out else b""

    def continue_line(self) -> bytes:
        """The 100 Continue that a client may wait for before it sends its body (RFC 9110 section 10.1.1), or b""."""
        if not self.awaits_continue or self.started:
            return b""
        self.awaits_continue = False
        return b"HTTP/1.1 100 Continue\r\n\r\n"

    def _is_worth_reading(self) -> bool:
        """True if the rest of the request's body is small enough to be read for the sake of the next request.

        A client that waits for 100 Continue may send the body or not: its next bytes could be either.
        """
        return not self.awaits_continue and not self._is_chunked and self._left <= WORTH_READING
