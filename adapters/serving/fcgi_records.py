"""FastCGI without sockets: records in, requests out; answers in, records out (FastCGI specification 1.0).

::

    records = Records()
    records.receive(data)          # bytes in pieces of any size
    records.replies                # bytes to be sent to the web server now
    records.request                # the request that has begun, None without one
      .variables                   # its variables, None until all are there
      .body, .input_ended          # its body, as far as it has come
    output(request.id, data)       # records for data of the answer
    finish(request.id)             # the records that end it
    records.next()                 # ready for another request on the same connection

One connection carries one request at a time, as with all web servers; a second one that begins before the first has
ended is refused with FCGI_CANT_MPX_CONN (section 5.5). Bodies are handed on as they come; the variables
are kept up to a limit, and what is above it is read and dropped.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from flask_embed.adapters.serving.body import NO_BODY, Body
from flask_embed.adapters.serving.limits import Fault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = [
    "BROKEN",
    "RESPONDER",
    "ProtocolError",
    "Records",
    "Request",
    "encoded_pairs",
    "end",
    "finish",
    "output",
    "pairs",
]

#: the role (section 6) in which an app answers a request; 2 is an authorizer, 3 a filter
RESPONDER = 1

# Types of records (section 8).
_BEGIN_REQUEST, _ABORT_REQUEST, _END_REQUEST, _PARAMS, _STDIN, _STDOUT = 1, 2, 3, 4, 5, 6
_GET_VALUES, _GET_VALUES_RESULT, _UNKNOWN_TYPE = 9, 10, 11
# How a request has ended (section 5.5).
_REQUEST_COMPLETE, _CANT_MPX_CONN, _UNKNOWN_ROLE = 0, 1, 3
_KEEP_CONN = 1

_HEADER = Struct("!BBHHBx")
_BEGIN = Struct("!HB5x")
_END = Struct("!BBHHBx IB3x")
#: content of a record: a multiple of eight, so that full ones need no padding (section 3.3)
_MOST = 65528
#: the content of a record that is kept until it is whole; no web server sends larger ones of these types
_MOST_CONTROL = 4096
#: how many records may ask for a reply on a connection before a request on it is answered
_MOST_REPLIES = 64
_ABORTED = Fault("400 Bad Request", "the web server has given up the request")

#: A malformed record, which makes every web server give up the answer. nginx would take the mere end of a connection
#: for the end of the answer.
BROKEN = _HEADER.pack(0, 0, 0, 0, 0)


class ProtocolError(Exception):
    """The peer breaks the FastCGI specification, or speaks another protocol: the connection is to be closed."""


class Request:
    """A request, as far as it has come."""

    __slots__ = (
        "_content", "aborted", "body", "id", "input_ended", "keeps_connection", "limit", "role", "size", "variables",
    )  # fmt: skip

    def __init__(self, number: int, role: int, keeps_connection: bool, limit: int) -> None:
        self.id = number
        self.role = role
        #: True if the web server will use the connection again (FCGI_KEEP_CONN)
        self.keeps_connection = keeps_connection
        #: the variables (latin-1) when all have come, None before; empty if they were too large
        self.variables: dict[str, str] | None = None
        #: bytes of the variables, and how many there may be
        self.size, self.limit = 0, limit
        #: the body: its length and limit are announced to it when the variables are there
        self.body = Body() if role == RESPONDER else NO_BODY
        #: True if nothing more comes of this request
        self.input_ended = role != RESPONDER  # an authorizer gets none (section 6.3)
        #: True if the web server has aborted the request (FCGI_ABORT_REQUEST)
        self.aborted = False
        self._content: list[bytes] = []


class Records:
    """The records that come on one connection.

    :param limit: bytes of variables that a request may have; :attr:`Request.size` counts all of them
    :param roles: the numbers of the roles that are served
    :param values: the answers to FCGI_GET_VALUES (section 4.1)
    """

    def __init__(
        self,
        limit: int = 96 * 1024,
        roles: Collection[int] = (RESPONDER,),
        values: Mapping[str, str] | None = None,
    ) -> None:
        self.limit = limit
        self._roles = roles
        self._values = values or {}
        self.request: Request | None = None
        #: bytes to send to the web server; the caller that sends them empties it
        self.replies = b""
        self._replied = 0
        #: unread input: the beginning of a header or of a small record
        self._rest = b""
        #: of the record whose content is on its way: its type, its request, and how much of it and its padding is left
        self._type = self._id = self._left = self._padding = 0

    @property
    def is_quiet(self) -> bool:
        """True if no request has begun: the connection may be closed without a loss."""
        return self.request is None and not self._rest and not self._left and not self._padding

    def next(self) -> None:
        """Forget the request, which is answered; the rest of its body is dropped when it comes."""
        self.request = None
        self._replied = 0

    def receive(self, data: bytes) -> None:
        """Take input; :exc:`ProtocolError` if it is not FastCGI."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        position, whole = 0, len(data)
        while True:
            if self._left:
                taken = min(self._left, whole - position)
                if taken == 0:
                    return
                self._take(data[position : position + taken])
                position += taken
                self._left -= taken
                if self._left:
                    return
            if self._padding:
                skipped = min(self._padding, whole - position)
                position += skipped
                self._padding -= skipped
                if self._padding:
                    return
            if position == whole:
                return
            if data[position] != 1:
                raise ProtocolError("a record of another version: the peer has to speak FastCGI 1")
            if whole - position < 8:
                self._rest = data[position:]
                return
            _, kind, number, length, padding = _HEADER.unpack_from(data, position)
            if kind in (_PARAMS, _STDIN) and number:
                position += 8
                self._type, self._id, self._left, self._padding = kind, number, length, padding
                if not length:
                    self._end_stream()
                continue
            if length > _MOST_CONTROL:
                raise ProtocolError(f"a record of type {kind} with {length} bytes")
            if whole - position < 8 + length:
                self._rest = data[position:]
                return
            position += 8
            self._control(kind, number, data[position : position + length])
            position += length
            self._padding = padding

    def _take(self, content: bytes) -> None:
        """Take data of a stream."""
        request = self.request
        if request is None or request.id != self._id:
            return  # the request has ended
        if self._type == _STDIN:
            if request.variables is None:
                raise ProtocolError("a body before the variables")
            if not request.input_ended:
                request.body.put(content)
        elif request.variables is None:
            request.size += len(content)
            if request.size <= self.limit:
                request._content.append(content)
        else:
            raise ProtocolError("variables after their end")

    def _end_stream(self) -> None:
        request = self.request
        if request is None or request.id != self._id:
            return
        if self._type == _STDIN:
            request.input_ended = True
            request.body.end()
        elif request.variables is None:
            content = request._content
            request._content = []
            request.variables = {}
            if request.size <= self.limit:
                request.variables = pairs(content[0] if len(content) == 1 else b"".join(content))

    def _control(self, kind: int, number: int, content: bytes) -> None:
        request = self.request
        if kind == _BEGIN_REQUEST:
            self._begin(number, content)
        elif number == 0:
            if kind == _GET_VALUES:
                asked = pairs(content)
                known = encoded_pairs({name: self._values[name] for name in asked if name in self._values})
                self._reply(_record(_GET_VALUES_RESULT, 0, known))
            else:
                self._reply(_record(_UNKNOWN_TYPE, 0, bytes([kind]) + bytes(7)))
        elif kind == _ABORT_REQUEST and request is not None and request.id == number:
            request.aborted = request.input_ended = True
            request.body.fail(_ABORTED)
        # Other records of a request (section 6.4, FCGI_DATA) are for roles that are not served.

    def _begin(self, number: int, content: bytes) -> None:
        if number == 0 or len(content) != 8:
            raise ProtocolError("a malformed FCGI_BEGIN_REQUEST")
        role, flags = _BEGIN.unpack(content)
        if self.request is not None:
            if self.request.id == number:
                raise ProtocolError("a request begins a second time")
            self._reply(end(number, _CANT_MPX_CONN))
        elif role not in self._roles:
            self._reply(end(number, _UNKNOWN_ROLE))
        else:
            self.request = Request(number, role, bool(flags & _KEEP_CONN), self.limit)

    def _reply(self, record: bytes) -> None:
        self._replied += 1
        if self._replied > _MOST_REPLIES:
            raise ProtocolError("too many records that ask for replies")
        self.replies += record


def output(number: int, data: bytes) -> Iterator[bytes]:
    """*data* as records of FCGI_STDOUT, each with its header and padding."""
    if len(data) <= _MOST:
        yield _record(_STDOUT, number, data)
        return
    view = memoryview(data)
    for begin in range(0, len(view), _MOST):
        yield _record(_STDOUT, number, view[begin : begin + _MOST])


def end(number: int, protocol_status: int = _REQUEST_COMPLETE, app_status: int = 0) -> bytes:
    """The record that ends a request (section 5.5)."""
    return _END.pack(1, _END_REQUEST, number, 8, 0, app_status, protocol_status)


def finish(number: int) -> bytes:
    """The records that end the output of a request, and the request."""
    return _HEADER.pack(1, _STDOUT, number, 0, 0) + end(number)


def _record(kind: int, number: int, content: bytes | memoryview) -> bytes:
    length = len(content)
    padding = -length % 8
    return b"".join((_HEADER.pack(1, kind, number, length, padding), content, bytes(padding)))


def pairs(data: bytes) -> dict[str, str]:
    """Names and values (section 3.4), latin-1; the last of one name counts, since the web server's own comes last.

    :exc:`ProtocolError` where a length points beyond the end.
    """
    found = {}
    text = data.decode("latin-1")
    position, whole = 0, len(data)
    try:
        while position < whole:
            length = data[position]
            if length < 128:
                position += 1
            else:
                length = int.from_bytes(data[position : position + 4]) & 0x7FFFFFFF
                position += 4
            size = data[position]
            if size < 128:
                position += 1
            else:
                size = int.from_bytes(data[position : position + 4]) & 0x7FFFFFFF
                position += 4
            middle = position + length
            name = text[position:middle]
            position = middle + size
            found[name] = text[middle:position]
    except IndexError:
        position = whole + 1
    if position > whole:
        raise ProtocolError("a pair of name and value is cut off")
    return found


def encoded_pairs(values: Mapping[str, str]) -> bytes:
    """Names and values as they are sent (section 3.4)."""
    return b"".join(_length(name) + _length(value) + (name + value).encode("latin-1") for name, value in values.items())


def _length(text: str) -> bytes:
    return bytes([len(text)]) if len(text) < 128 else (len(text) | 1 << 31).to_bytes(4)
