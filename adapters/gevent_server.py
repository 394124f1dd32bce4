"""Serve a WSGI app with gevent: a greenlet per connection, HTTP/1.1 by llhttp.

A request on its way: the greenlet of its connection reads bytes into an :class:`http1.Connection
<flask_embed.adapters.serving.http1.Connection>` until an environ is there, calls
:func:`~flask_embed.adapters.serving.boundary.respond` with itself as the writer, and reads on. One greenlet beside
them, the watch, ends the waits that take too long: it costs less than a timer for each wait.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
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

from flask_embed.adapters.serving.boundary import BodyError, ClientGone, respond
from flask_embed.adapters.serving.gate import behind_front, whole_server
from flask_embed.adapters.serving.http1 import Connection, Limits
from flask_embed.adapters.serving.http_environ import BadRequestError, connection_environ, refusal
from flask_embed.adapters.serving.listeners import address_of
from flask_embed.adapters.serving.logs import AccessLog, reopen_logs
from flask_embed.adapters.serving.waits import LINGER_BYTES, LINGER_SECONDS, QUIET, for_body
from flask_embed.adapters.serving.workers import alone
from flask_embed.lifespan import lifespan
from flask_embed.options import Options

if TYPE_CHECKING:
    from typing import Self

    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import WSGIApplication

    from flask_embed.adapters.serving.boundary import Log
    from flask_embed.adapters.serving.workers import Worker

__all__ = ["serve"]

logger = logging.getLogger("flask_embed.server")

#: a socket that waits for nobody
_Socket = get_original("socket", "socket")
_READ = 64 * 1024
_PARTS_IN_A_ROW = 64
_NEVER = float("inf")


def serve(app: WSGIApplication, options: Options | None = None, worker: Worker | None = None) -> None:
    """Serve *app* until SIGTERM or SIGINT; returns when the running requests have ended, or their time is up.

    The standard library has to be patched before the app is imported (``gevent.monkey.patch_all()``), or an app
    that waits stops all others; ``python -m flask_embed.gevent`` does that. Raises
    :exc:`~flask_embed.errors.UsageError` if it cannot listen. Call it from the main thread. *worker* is for the
    supervisor of several processes.
    """
    options = options or Options()
    if worker is None:
        with alone(options) as this:
            serve(app, options, this)
        return
    app = behind_front(app, options)
    stopping = Event()
    with contextlib.ExitStack() as stack:
        for number, handler in (
            (signal.SIGTERM, stopping.set),
            (signal.SIGINT, stopping.set),
            (signal.SIGHUP, reopen_logs),
        ):
            stack.callback(gevent.signal_handler(number, handler).cancel)
        log = None
        if options.access_logfile is not None:
            log = AccessLog(options.access_logfile)
            stack.callback(log.close)
        stack.enter_context(lifespan(app))
        server = _Server(app, options, worker, log, stopping)
        server.start()
        watch = gevent.spawn(server.watch)
        stack.callback(watch.kill)
        worker.ready(options.start_line("gevent", address_of(worker.listener)))
        while not stopping.wait(worker.interval):
            if not worker.beat():
                break
        worker.listener.close()  # the server has a copy: only without both are new connections refused
        server.close()
        worker.leaving()
        server.drain(options.graceful_timeout)


class _Server(StreamServer):
    """Accepts connections, and ends the waits that take too long."""

    def __init__(
        self, app: WSGIApplication, options: Options, worker: Worker, log: Log | None, stopping: Event
    ) -> None:
        listener = worker.listener
        accepting = gevent_socket.socket(fileno=os.dup(listener.fileno()))
        super().__init__(accepting, self.connected, spawn=Pool())
        if options.workers > 1:
            self.max_accept = 1  # the other workers want some, too
        self.app = app
        self.options = options
        self.log = log
        self.limits = Limits(options.limit_line, options.limit_headers, options.limit_header_count, options.limit_body)
        self.base = connection_environ(
            listener.getsockname(), None, software="flask_embed", multithread=True, multiprocess=options.workers > 1
        )
        self.last_request = worker.last_request
        self.requests = 0
        self.connections: set[_Connection] = set()
        #: how many requests are being answered
        self.answering = 0
        self.draining = False
        #: set when it is time to end
        self.stopping = stopping
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
            connection = _Connection(self, stream, Connection(base, self.limits))
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

    def drain(self, timeout: float) -> None:
        """Let running requests end, then close what is left; nothing more is accepted."""
        self.draining = True
        deadline = monotonic() + timeout
        while (now := monotonic()) < deadline:
            # A request may be on its way on a connection that has just been used, or opened.
            quiet_since = max((c.quiet_since for c in self.connections), default=0.0)
            if not self.answering and now - quiet_since >= QUIET:
                break
            wait = deadline if self.answering else quiet_since + QUIET
            self.answered.clear()
            self.answered.wait(max(min(wait, deadline) - now, 0))
        self.stop(timeout=0)


class _Stream:
    """A connected socket that its greenlet waits for.

    gevent's own tries before it waits. A client seldom has its next request sent when the last one has been answered,
    and who always finds something to read keeps all others waiting; so this one waits before it reads, which is also
    half the work.
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
                pass  # somebody else was meant

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
    """One connection: reads its requests, has them answered, and is the writer for the answers."""

    __slots__ = (
        "deadline",
        "expired",
        "http",
        "over",
        "parts",
        "quiet_since",
        "reading",
        "server",
        "stream",
        "unsent",
        "waited",
    )

    def __init__(self, server: _Server, stream: _Stream, http: Connection) -> None:
        self.server = server
        self.stream = stream
        self.http = http
        #: when the current wait is to end
        self.deadline = _NEVER
        #: whether the watch has ended a wait
        self.expired = False
        #: whether it waits for input, not for output
        self.reading = True
        #: whether nothing can be sent or read any more
        self.over = False
        #: since when nothing has been asked
        self.quiet_since = monotonic()
        #: seconds that were spent waiting for the current body
        self.waited = 0.0
        #: parts of answers that were sent
        self.parts = 0
        #: the head of an answer whose body has not begun
        self.unsent = b""

    def run(self) -> None:
        """Answer one request after the other."""
        http, options = self.http, self.server.options
        try:
            self.read_head(options.header_timeout)
            while http.environ is not None:
                self.answer()
                if http.keep_alive and not http.body_ended:
                    self.read_rest()
                if not http.keep_alive:
                    break
                http.next()
                self.quiet_since = monotonic()
                self.read_head(options.keep_alive)
            if http.fault is not None:
                self.refuse()
            if http.input_is_open and not self.over:
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
            self.deadline = self.quiet_since + (patience if was_quiet else self.server.options.header_timeout)
        while http.environ is None and http.fault is None:
            data = self.stream.recv(_READ)
            http.receive(data)
            if not data:
                if self.expired and http.fault is not None:
                    http.fault = BadRequestError("408 Request Timeout", "the head took longer than --header-timeout")
                break
            if was_quiet and http.environ is None:
                was_quiet = False
                self.deadline = monotonic() + self.server.options.header_timeout
        self.deadline = _NEVER

    def read_body(self) -> None:
        """Wait for more of the body."""
        http, options = self.http, self.server.options
        line = http.continue_line()
        if line:
            self.transmit(line)
        begun = monotonic()
        allowed = for_body(options.body_timeout, http.received, self.waited)
        self.deadline = begun + allowed
        http.receive(self.stream.recv(_READ))
        self.deadline = _NEVER
        self.waited += monotonic() - begun
        if self.expired:
            http.body_fault = BadRequestError("408 Request Timeout", "the body took longer than --body-timeout")
            http.keep_alive = False

    def read_rest(self) -> None:
        """Read what the app has left of a body, for the sake of the next request."""
        http = self.http
        while not http.body_ended and http.body_fault is None:
            self.read_body()
            http.parts.clear()

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

    def answer(self) -> None:
        """Have the request answered."""
        http, server = self.http, self.server
        environ = http.environ
        if environ is None:
            return
        whole = http.body_ended and not http.parts
        body: io.BufferedIOBase = io.BytesIO() if whole else io.BufferedReader(_Body(self))
        environ["wsgi.input"] = body
        self.waited = 0.0
        server.answering += 1
        server.requests += 1
        if server.requests == server.last_request:
            server.stopping.set()
        try:
            # Only OPTIONS is let through with this path.
            respond(whole_server if environ["PATH_INFO"] == "*" else server.app, environ, self, server.log)
        except gevent.GreenletExit:
            raise
        except BaseException:
            # sys.exit() in an app, a gevent.Timeout that nobody has caught, a KeyboardInterrupt that no Ctrl-C has
            # raised (that is a signal to gevent): none of them may end the server.
            logger.exception("What is no error has left an app")
        finally:
            body.close()  # whoever keeps it must not read the next request's
            server.answering -= 1
            if server.draining:
                server.answered.set()

    def refuse(self) -> None:
        """Answer what is no request."""
        http, log = self.http, self.server.log
        fault = http.fault
        if fault is None:
            return
        peer = http.base["REMOTE_ADDR"] or "unix"
        logger.warning("Refused a request from %s: %s", peer, fault)
        method, target, version = http.line or ("-", "-", "-")
        headers, body = refusal(fault.status, method)
        if log is not None:
            request = {"REQUEST_METHOD": method, "REQUEST_URI": target, "SERVER_PROTOCOL": version}
            log.write({**http.base, **request}, fault.status, len(body))
        self.transmit(http.start(fault.status, headers) + body)

    # The writer of the answers

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        http = self.http
        if self.server.draining:
            http.keep_alive = False
        head = http.start(status, headers)
        if len(body) < _READ:
            self.transmit(head + body)
        else:
            self.transmit(head)
            self.transmit(body)

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        if self.server.draining:
            self.http.keep_alive = False
        self.unsent = self.http.start(status, headers)

    def write(self, data: bytes) -> None:
        part = self.http.part(data)
        if self.unsent:
            part, self.unsent = self.unsent + part, b""
        self.transmit(part)
        self.parts += 1
        if self.parts % _PARTS_IN_A_ROW == 0:
            gevent.sleep(0)  # a client that takes everything at once may not keep the others waiting

    def end(self) -> None:
        end = self.http.end()
        if self.unsent:
            end, self.unsent = self.unsent + end, b""
        if end:
            self.transmit(end)

    def cut(self) -> None:
        http = self.http
        http.keep_alive = False
        with contextlib.suppress(OSError, ClientGone):
            if not http.started:
                headers = [("Content-Length", "0")]
                self.transmit(http.start("503 Service Unavailable", headers))
            else:
                # A reset: where only the end of the connection ends the body, a plain close would look like one.
                self.over = True
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
                    self.deadline = monotonic() + self.server.options.write_timeout
                    left = left[stream.send(left) :]
                self.deadline = _NEVER
                self.reading = True
        except OSError as error:
            self.over = True
            raise ClientGone from error


class _Body(io.RawIOBase):
    """The body of the current request, read from the connection when the app asks for it."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        http = self._connection.http
        parts = http.parts
        while not parts:
            if http.body_fault is not None:
                raise BodyError(http.body_fault.status, str(http.body_fault))
            if http.body_ended:
                return 0
            try:
                self._connection.read_body()
            except (OSError, ClientGone) as error:
                raise BodyError("400 Bad Request", "the client has gone") from error
        view = memoryview(buffer)
        part = parts[0]
        count = min(len(view), len(part))
        view[:count] = part[:count]
        if count == len(part):
            parts.popleft()
        else:
            parts[0] = part[count:]
        return count
