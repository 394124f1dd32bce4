"""Serve a WSGI app with gevent: a greenlet per connection, HTTP/1.1 by llhttp.

A request on its way: the greenlet of its connection reads bytes into an :class:`http1.Connection
<flask_embed.adapters.serving.http1.Connection>` until an environ is there, calls
:func:`~flask_embed.adapters.serving.boundary.respond` with itself as the writer, and reads on. One greenlet beside
them, the watch, ends the waits that take too long: it costs less than a timer for each wait.
"""

from __future__ import annotations

import contextlib
import logging
import os
from socket import SHUT_RD, SHUT_RDWR, SHUT_WR, SO_LINGER, SOL_SOCKET
from struct import pack
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent
from gevent import socket as gevent_socket
from gevent.event import Event
from gevent.hub import get_hub
from gevent.monkey import get_original
from gevent.pool import Pool
from gevent.server import StreamServer

from flask_embed.adapters.serving.body import input_of
from flask_embed.adapters.serving.boundary import BodyError, ClientGone
from flask_embed.adapters.serving.http1 import Connection
from flask_embed.adapters.serving.http_environ import connection_environ
from flask_embed.adapters.serving.limits import BODY_TOO_SLOW, HEAD_TOO_SLOW, BadRequestError
from flask_embed.adapters.serving.session import Drain, serving
from flask_embed.adapters.serving.waits import LINGER_BYTES, LINGER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from flask_embed.adapters.serving.session import WorkerSession
    from flask_embed.adapters.serving.workers import Worker
    from flask_embed.options import Options

__all__ = ["serve"]

logger = logging.getLogger("flask_embed.server")

#: a socket that gevent has not patched
_Socket = get_original("socket", "socket")
_READ = 64 * 1024
#: writes of one answer after which other connections get their turn
_WRITES_IN_A_ROW = 64
_NEVER = float("inf")


def serve(app: WSGIApplication, options: Options | None = None, worker: Worker | None = None) -> None:
    """Serve *app* until SIGTERM or SIGINT; returns when the running requests have ended, or their time is up.

    The standard library has to be patched before the app is imported (``gevent.monkey.patch_all()``), or an app
    that waits stops all others; ``python -m flask_embed.gevent`` does that. Raises
    :exc:`~flask_embed.errors.UsageError` if it cannot listen. Call it from the main thread. *worker* is for the
    supervisor of several processes.
    """
    stopping = Event()
    with serving(
        app, options, worker, runner="gevent", stop=stopping.set, on_signal=_on_signal, ends=(gevent.GreenletExit,)
    ) as session:
        server = _Server(session)
        server.start()
        watch = gevent.spawn(server.watch)
        try:
            session.ready()
            while not stopping.wait(session.worker.interval) and session.worker.beat():
                pass
            server.drain()
        finally:
            watch.kill()


def _on_signal(number: int, call: Callable[[], object]) -> Callable[[], object]:
    cancel: Callable[[], object] = gevent.signal_handler(number, call).cancel
    return cancel


class _Server(StreamServer):
    """Accepts connections, and ends the waits that take too long."""

    def __init__(self, session: WorkerSession) -> None:
        self.session = session
        options, listener = session.options, session.worker.listener
        accepting = gevent_socket.socket(fileno=os.dup(listener.fileno()))
        super().__init__(accepting, self.connected, spawn=Pool())
        if options.workers > 1:
            self.max_accept = 1  # the other workers take some, too
        self.base = connection_environ(
            listener.getsockname(), None, software="flask_embed", multithread=True, multiprocess=options.workers > 1
        )
        self.connections: set[_Connection] = set()
        #: how many requests are being answered
        self.answering = 0
        #: set when an answer has ended while draining
        self.answered = Event()
        shortest = min(options.header_timeout, options.body_timeout, options.keep_alive, options.write_timeout)
        self.tick = min(max(shortest / 5, 0.02), 1.0)

    def connected(self, sock: Any, peer: Any) -> None:
        """Answer the requests of one connection, and close it."""
        base = self.base
        if isinstance(peer, tuple):
            base = {**base, "REMOTE_ADDR": peer[0], "REMOTE_PORT": str(peer[1])}
        with _Stream(sock.detach()) as stream:
            connection = _Connection(self, stream, Connection(base, self.session.limits))
            self.connections.add(connection)
            try:
                connection.run()
            finally:
                self.connections.discard(connection)

    def watch(self) -> None:
        """End the waits whose time is over."""
        while True:
            gevent.sleep(self.tick)
            now = monotonic()
            for connection in list(self.connections):
                if connection.deadline < now:
                    connection.expire()

    def drain(self) -> None:
        """Accept nothing more, let running requests end, then close what is left."""
        self.session.worker.listener.close()  # the server has a copy: only without both are new connections refused
        self.close()
        self.session.leave()
        drain = Drain(self.session.options.graceful_timeout)
        while seconds := drain.wait(bool(self.answering), max((c.quiet_since for c in self.connections), default=0.0)):
            self.answered.clear()
            self.answered.wait(seconds)
        self.stop(timeout=0)


class _Stream:
    """A connected socket that its greenlet waits for.

    gevent's own tries to read before it waits. A client has seldom sent its next request when the last one has been
    answered, and a connection that always finds data keeps all others waiting; so this one waits before it reads, which
    also takes half the time.
    """

    def __init__(self, fileno: int) -> None:
        self._sock = _Socket(fileno=fileno)
        self._sock.setblocking(False)
        self.setsockopt = self._sock.setsockopt
        self.shutdown = self._sock.shutdown
        self._hub = get_hub()
        self._readable = self._hub.loop.io(fileno, 1)
        self._writable = self._hub.loop.io(fileno, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._readable.close()
        self._writable.close()
        self._sock.close()

    def recv(self, most: int) -> bytes:
        while True:
            self._wait(self._readable)
            try:
                data: bytes = self._sock.recv(most)
                return data
            except BlockingIOError:
                pass  # woken without data

    def send_now(self, data: bytes | memoryview) -> int:
        """Send what can be sent without waiting, and return how much that was."""
        try:
            sent: int = self._sock.send(data)
            return sent
        except BlockingIOError:
            return 0

    def send(self, data: memoryview) -> int:
        """Wait until some of it can be sent, and return how much that was."""
        self._wait(self._writable)
        return self.send_now(data)

    def _wait(self, watcher: Any) -> None:
        watcher.start(gevent.getcurrent().switch)
        try:
            self._hub.switch()
        finally:
            watcher.stop()


class _Connection:
    """One connection: reads its requests, has them answered, and is the writer of the answers."""

    __slots__ = (
        "deadline",
        "expired",
        "http",
        "is_over",
        "quiet_since",
        "reading",
        "server",
        "stream",
        "unsent",
        "writes",
    )

    def __init__(self, server: _Server, stream: _Stream, http: Connection) -> None:
        self.server = server
        self.stream = stream
        self.http = http
        #: when the current wait is to end
        self.deadline = _NEVER
        #: True if the watch has ended a wait
        self.expired = False
        #: True while it waits for input, False for output
        self.reading = True
        #: True if nothing can be sent or read any more
        self.is_over = False
        #: since when no request has come
        self.quiet_since = monotonic()
        #: how often an answer was written to
        self.writes = 0
        #: the head of an answer whose body has not begun
        self.unsent = b""

    def run(self) -> None:
        """Answer one request after the other."""
        http, options = self.http, self.server.session.options
        try:
            self.read_head(options.header_timeout)
            while http.environ is not None:
                self.answer(http.environ)
                if http.keep_alive and not http.body.ended:
                    self.read_rest()
                if not http.keep_alive:
                    break
                http.next()
                self.quiet_since = monotonic()
                self.read_head(options.keep_alive)
            if http.fault is not None:
                self.refuse(http.fault)
            if http.input_is_open and not self.is_over:
                self.linger()
        except (OSError, ClientGone):
            pass  # the client is gone
        except gevent.GreenletExit:
            pass  # the server ends
        except Exception:
            logger.exception("A connection failed")

    # Input

    def read_head(self, patience: float) -> None:
        """Read until the head of a request is there, or a fault, or the end; the first bytes may take *patience*."""
        http = self.http
        was_quiet = http.is_quiet
        if http.environ is None:
            # Where the beginning came with the request before, its time runs from now on.
            self.deadline = self.quiet_since + (patience if was_quiet else self.server.session.options.header_timeout)
        while http.environ is None and http.fault is None:
            data = self.stream.recv(_READ)
            http.receive(data)
            if not data:
                if self.expired and http.fault is not None:
                    http.fault = BadRequestError(*HEAD_TOO_SLOW)
                break
            if was_quiet and http.environ is None:
                was_quiet = False
                self.deadline = monotonic() + self.server.session.options.header_timeout
        self.deadline = _NEVER

    def read_body(self) -> None:
        """Wait for more of the body; :exc:`~flask_embed.adapters.serving.boundary.BodyError` if the client is gone."""
        http = self.http
        line = http.continue_line()
        begun = monotonic()
        try:
            if line:
                self.transmit(line)
            self.deadline = begun + http.body.patience(self.server.session.options.body_timeout)
            data = self.stream.recv(_READ)
        except (OSError, ClientGone) as error:
            raise BodyError("400 Bad Request", "the client has gone") from error
        self.deadline = _NEVER
        if self.expired:
            http.fail_body(BODY_TOO_SLOW)
        http.receive(data)
        http.body.waited += monotonic() - begun

    def read_rest(self) -> None:
        """Read the part of a body that the app has left, to get to the next request."""
        body = self.http.body
        while not body.ended and body.fault is None:
            self.read_body()
            body.backlog.clear()

    def linger(self) -> None:
        """Let the client read its answer: closing with input unread would reset the connection (RFC 9112, 9.6)."""
        self.stream.shutdown(SHUT_WR)
        self.deadline = monotonic() + LINGER_SECONDS
        left = LINGER_BYTES
        while left > 0 and (data := self.stream.recv(_READ)):
            left -= len(data)

    def expire(self) -> None:
        """End the wait: the greenlet wakes up as if the client had gone."""
        self.expired = True
        self.deadline = _NEVER
        with contextlib.suppress(OSError):
            self.stream.shutdown(SHUT_RD if self.reading else SHUT_RDWR)

    # Requests

    def answer(self, environ: WSGIEnvironment) -> None:
        """Have the request answered."""
        server, session = self.server, self.server.session
        body = environ["wsgi.input"] = input_of(self.http.body, self.read_body)
        session.count()
        server.answering += 1
        try:
            session.answer(environ, self)
        finally:
            body.close()
            server.answering -= 1
            if session.is_draining:
                server.answered.set()

    def refuse(self, error: BadRequestError) -> None:
        """Answer a malformed request."""
        http = self.http
        line = dict(zip(("REQUEST_METHOD", "REQUEST_URI", "SERVER_PROTOCOL"), http.line or (), strict=False))
        self.send(*self.server.session.refuse(error, {**http.base, **line}))

    # The writer of the answers

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.start(status, headers)
        if len(body) < _READ:
            head, self.unsent = self.unsent, b""
            self.transmit(head + body)
        else:
            self.flush()
            self.transmit(body)

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        if self.server.session.is_draining:
            self.http.keep_alive = False
        self.unsent = self.http.start(status, headers)

    def write(self, data: bytes) -> None:
        data = self.http.body_data(data)
        if self.unsent:
            data, self.unsent = self.unsent + data, b""
        self.transmit(data)
        self.writes += 1
        if self.writes % _WRITES_IN_A_ROW == 0:
            gevent.sleep(0)  # a client that takes everything at once must not keep the others waiting

    def end(self) -> None:
        self.unsent += self.http.end()
        self.flush()

    def flush(self) -> None:
        data, self.unsent = self.unsent, b""
        if data:
            self.transmit(data)

    def cut(self) -> None:
        http = self.http
        http.keep_alive = False
        with contextlib.suppress(OSError, ClientGone):
            if not http.started:
                self.transmit(http.start("503 Service Unavailable", [("Content-Length", "0")]))
            else:
                # A reset: where only the end of the connection ends the body, a plain close would look like one.
                self.is_over = True
                self.stream.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))

    def transmit(self, data: bytes) -> None:
        """Send all of it; :exc:`ClientGone` if the client does not take it, or has gone."""
        stream = self.stream
        try:
            sent = stream.send_now(data)
            if sent < len(data):
                self.reading = False
                left = memoryview(data)[sent:]
                while left:
                    self.deadline = monotonic() + self.server.session.options.write_timeout
                    left = left[stream.send(left) :]
                self.deadline = _NEVER
                self.reading = True
        except OSError as error:
            self.is_over = True
            raise ClientGone from error
