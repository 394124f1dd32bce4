"""A server for :class:`~flask_embed.adapters.serving.http1.Connection`, without sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flask_embed.adapters.serving.body import Body
from flask_embed.adapters.serving.http1 import Connection
from flask_embed.adapters.serving.http_environ import connection_environ
from flask_embed.adapters.serving.limits import Limits
from flask_embed.middleware.strict import environ_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["Exchange", "bytewise", "cut", "new", "statuses", "talk"]

BASE = connection_environ(("127.0.0.1", 80), ("192.0.2.1", 4711), software="test", multithread=True, multiprocess=False)
TEXT = [("Content-Type", "text/plain"), ("Content-Length", "2")]


class Exchange(NamedTuple):
    """A request that was read, or refused, and whether the connection goes on."""

    status: int
    environ: WSGIEnvironment | None
    body: bytes
    goes_on: bool
    #: whether it was read to its end
    is_whole: bool = False


def new(limits: Limits | None = None) -> Connection:
    """A connection."""
    return Connection(BASE, limits or Limits())


def bytewise(raw: bytes) -> Iterator[bytes]:
    """The bytes one by one."""
    return (raw[at : at + 1] for at in range(len(raw)))


def cut(raw: bytes, at: int) -> Iterator[bytes]:
    """The bytes in two pieces."""
    return (piece for piece in (raw[:at], raw[at:]) if piece)


def unread(body: Body) -> bytes:
    """The bytes that came and were not read."""
    found = b""
    while body.backlog.size:
        found += body.backlog.take(7)
    return found


def talk(pieces: Iterable[bytes], limits: Limits | None = None, *, reads: bool = True) -> list[Exchange]:
    """Read all requests of an input that comes in *pieces*, answer each with 200, and read its body before, or not."""
    connection, waiting = new(limits), iter(pieces)
    found: list[Exchange] = []
    while True:
        while connection.environ is None and connection.fault is None:
            data = next(waiting, b"")
            connection.receive(data)
            if not data:
                break
        if connection.fault is not None:
            return [*found, Exchange(int(connection.fault.status[:3]), None, b"", False)]
        environ = connection.environ
        if environ is None:
            return found
        body, status = b"", 200
        if reads:
            body, status = _read(connection, waiting)
        fault = environ_fault(environ) if environ["PATH_INFO"] != "*" else None
        if status == 200 and (fault or environ["PATH_INFO"] == "*"):
            status = 400 if fault else 204
        connection.start(f"{status} Status", TEXT)
        while connection.keep_alive and not connection.body.ended and connection.body.fault is None:
            connection.receive(next(waiting, b""))
        found.append(Exchange(status, environ, body, connection.keep_alive, connection.body.ended))
        if not connection.keep_alive:
            return found
        connection.next()


def _read(connection: Connection, waiting: Iterator[bytes]) -> tuple[bytes, int]:
    body = b""
    while True:
        body += unread(connection.body)
        if connection.body.fault is not None:
            return body, int(connection.body.fault.status[:3])
        if connection.body.ended:
            return body, 200
        connection.receive(next(waiting, b""))


def statuses(exchanges: list[Exchange]) -> tuple[list[int], bool]:
    """The answer, and True if the connection is closed then."""
    return [exchange.status for exchange in exchanges], bool(exchanges) and not exchanges[-1].goes_on
