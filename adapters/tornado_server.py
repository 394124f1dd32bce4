"""Serve a WSGI app with Tornado: its server on the event loop, a thread of a bounded pool for each request.

A request on its way: Tornado reads the head and makes an :class:`_Exchange`, which hands a job to the threads. In that
one thread and one context the app is called, iterated and closed
(:func:`~flask_embed.adapters.serving.boundary.respond`). What the app reads waits in a :class:`_Pipe` that the loop
fills, and stops filling when it is full; what it sends goes to the loop, and the thread waits until the client has
taken it. So neither side is ever whole in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import signal
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from struct import pack
from time import monotonic, time
from typing import TYPE_CHECKING, Any
from wsgiref.handlers import format_date_time

from tornado.concurrent import future_add_done_callback
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPInputError, HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.iostream import SSLIOStream, StreamClosedError

from flask_embed.adapters.serving.boundary import BodyError, ClientGone, respond
from flask_embed.adapters.serving.gate import behind_front, whole_server
from flask_embed.adapters.serving.http_environ import (
    BadRequestError,
    connection_environ,
    environ_of,
    keeps_alive,
    refusal,
)
from flask_embed.adapters.serving.listeners import address_of
from flask_embed.adapters.serving.logs import AccessLog, reopen_logs
from flask_embed.adapters.serving.thread_pool import Threads
from flask_embed.adapters.serving.waits import CUT_SECONDS, LINGER_BYTES, LINGER_SECONDS, QUIET, for_body
from flask_embed.adapters.serving.workers import alone
from flask_embed.lifespan import lifespan
from flask_embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from tornado.http1connection import HTTP1Connection
    from tornado.httputil import HTTPConnection, HTTPHeaders, RequestStartLine

    from flask_embed.adapters.serving.boundary import Log
    from flask_embed.adapters.serving.workers import Worker

__all__ = ["WSGIHandler", "serve"]

logger = logging.getLogger("flask_embed.server")

_READ = 64 * 1024
#: what is handed to the loop at once, and may wait there for the client
_PART = 256 * 1024
#: what Tornado may let through of a body: it is counted here
_ANY_BODY = 10**18
#: how much of a body that the app has left unread is read for the sake of the next request
_WORTH_READING = 64 * 1024


def serve(app: WSGIApplication, options: Options | None = None, worker: Worker | None = None) -> None:
    """Serve *app* until SIGTERM or SIGINT; returns when the running requests have ended, or their time is up.

    Raises :exc:`~flask_embed.errors.UsageError` if it cannot listen. Call it from the main thread. *worker* is for the
    supervisor of several processes.
    """
    options = options or Options()
    if worker is None:
        with alone(options) as this:
            serve(app, options, this)
        return
    with contextlib.ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        stopping = asyncio.Event()
        loop = runner.get_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, reopen_logs)
        log = None
        if options.access_logfile is not None:
            log = AccessLog(options.access_logfile)
            stack.callback(log.close)
        handler = WSGIHandler(app, options=options, log=log)
        handler.limit_requests(worker.last_request, stopping.set)
        stack.enter_context(lifespan(handler.app))
        runner.run(_serve(handler, worker, stopping))


async def _serve(handler: WSGIHandler, worker: Worker, stopping: asyncio.Event) -> None:
    options = handler.options
    head = options.limit_line + options.limit_headers
    server = HTTPServer(
        handler,
        # Tornado has one time for both: a head that is late, and a request that does not come.
        idle_connection_timeout=min(options.header_timeout, options.keep_alive),
        max_header_size=head,
        max_buffer_size=max(4 * head, 4 * _READ),
        chunk_size=_READ,
    )
    worker.listener.setblocking(False)
    server.add_socket(worker.listener)
    worker.ready(options.start_line("tornado", address_of(worker.listener)))
    while worker.beat() and not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), worker.interval)
    server.stop()
    worker.leaving()
    await handler.close(options.graceful_timeout)
    await server.close_all_connections()


class WSGIHandler(HTTPServerConnectionDelegate):
    """Serves a WSGI app, as what a Tornado server calls, or as the target of a rule beside native handlers.

    For a :class:`tornado.web.Application` of your own::

        shop = WSGIHandler(shop_app, prefix="/shop")
        application = Application([(r"/native", NativeHandler), (r"/shop(?:/.*)?", shop)])

    :param app: any WSGI app; the strict gate stands before it
    :param prefix: below which the rule leads to it; the app sees it as SCRIPT_NAME
    :param options: of :class:`~flask_embed.options.Options` those for the front, ``threads``, ``spool``, the limits,
        ``body_timeout`` and ``write_timeout``; what concerns sockets and processes is the Tornado server's, and so is
        a head that takes too long, or is larger than its ``max_header_size``. Its ``max_body_size`` is for handlers
        that keep bodies whole, and counts for them alone
    :param log: gets a line for each request, like :class:`~flask_embed.adapters.serving.logs.AccessLog`

    The functions of ``@app.on_startup`` run if the host runs its loop inside of
    ``with flask_embed.lifespan.lifespan(shop_app)``. A host that ends awaits :meth:`close`, between its server's
    ``stop()`` and ``close_all_connections()``. The threads are daemons: one that never ends keeps no process alive.
    """

    def __init__(
        self, app: WSGIApplication, *, prefix: str = "", options: Options | None = None, log: Log | None = None
    ) -> None:
        self.options = options or Options()
        if prefix:
            self.options = replace(self.options, prefix=prefix)
        #: what answers, behind the gate
        self.app = behind_front(app, self.options)
        self.log = log
        self.threads = Threads(self.options.threads)
        self._to_come: tuple[int, Callable[[], None]] | None = None
        #: the requests that are being answered
        self.running: set[_Exchange] = set()
        #: whether each answer is to be the last one of its connection, and whether there are none any more
        self.is_closing = self.is_closed = False
        #: when a connection has last begun to wait for a request
        self.quiet_since = 0.0

    def limit_requests(self, number: int, spent: Callable[[], None]) -> None:
        """Call *spent* when so many requests have come; 0 is never."""
        self._to_come = (number, spent) if number else None

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Called by Tornado when a connection begins to wait for a request, or, behind a rule, has its head."""
        self.quiet_since = monotonic()
        return _Exchange(self, request_conn)  # type: ignore[arg-type]

    def count(self) -> None:
        """A request has come."""
        if self._to_come is not None:
            number, spent = self._to_come
            self._to_come = (number - 1, spent) if number > 1 else None
            if number == 1:
                spent()

    async def close(self, timeout: float = 0.0) -> None:
        """Let the requests that run end, for up to *timeout* seconds; then cut the others, and end the threads.

        What comes meanwhile is answered too, and each answer is the last one of its connection. What comes later is
        answered with 503, and what is cut has a second to be closed and torn down.
        """
        self.is_closing = True
        deadline = monotonic() + timeout
        while (now := monotonic()) < deadline:
            # A request may be on its way on a connection that has just been used, or opened.
            if not self.running and not self.threads.are_busy and now - self.quiet_since >= QUIET:
                break
            await asyncio.sleep(min(0.02, deadline - now))
        self.is_closed = True
        for exchange in list(self.running):
            exchange.on_cut()
        deadline = monotonic() + CUT_SECONDS
        while self.threads.are_busy and monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.threads.end()

    def on_close(self, server_conn: object) -> None:
        """Called by Tornado when a connection has ended."""


class _Exchange(HTTPMessageDelegate):
    """One request and its answer. What begins with ``on_`` or is Tornado's runs on the loop, the rest in the thread.

    Answers go to the stream, and not through Tornado's ``write_headers()``: that forgets who waits for a write when the
    client leaves, and sends the end of an answer only when the request was read to its own.
    """

    def __init__(self, handler: WSGIHandler, connection: HTTP1Connection) -> None:
        self.handler = handler
        self.connection = connection
        self.stream: Any = connection.stream
        self.loop = asyncio.get_running_loop()
        self.pipe = _Pipe(handler.options)
        self.environ: WSGIEnvironment = {}
        self.method = self.version = ""
        #: bytes of the body that are to come, None where nobody knows
        self.left: int | None = 0
        #: whether the body has been read to its end
        self.is_whole = False
        #: bytes of the body that nobody has read any more
        self.discarded = 0
        #: whether nobody takes the answer any more, and whether it is this side that has closed the connection
        self.is_gone = self.is_closed = False
        #: whether the head of the answer was written, and whether all of it was sent
        self.has_begun = self.is_answered = False
        #: whether the answer is sent in chunks, and whether the connection ends with it
        self.in_chunks = self.closes = False
        #: ends a wait that nobody else ends
        self._timer: asyncio.TimerHandle | None = None
        #: the head of an answer whose body has not begun, in the thread
        self._unsent: tuple[str, list[tuple[str, str]]] | None = None

    # The request, on the loop

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Awaitable[None] | None:
        """Make an environ, and have it answered."""
        handler = self.handler
        if self.stream.closed():
            return None  # the client has left meanwhile
        handler.count()
        self.method, self.version = start_line.method, start_line.version
        try:
            self.environ = self._environ_of(start_line, headers)
        except BadRequestError as error:
            return self.refuse(start_line, error)
        self.connection.set_close_callback(self.on_connection_close)
        self.connection.set_max_body_size(_ANY_BODY)
        self.closes = self.connection.params.no_keep_alive or not keeps_alive(self.environ)
        self.environ["wsgi.input"] = io.BytesIO() if self.left == 0 else io.BufferedReader(_Body(self.pipe))
        handler.running.add(self)
        handler.threads.submit(self.run)
        return None

    def _environ_of(self, start_line: RequestStartLine, headers: HTTPHeaders) -> WSGIEnvironment:
        options, context = self.handler.options, self.connection.context
        if self.handler.is_closed:
            raise BadRequestError("503 Service Unavailable", "it came when the server had ended")
        if start_line.version not in ("HTTP/1.0", "HTTP/1.1"):
            raise BadRequestError("505 HTTP Version Not Supported", "another version of HTTP")
        if len(start_line.method) + len(start_line.path) + len(start_line.version) + 2 > options.limit_line:
            raise BadRequestError("414 URI Too Long", "the request line is too long")
        pairs = list(headers.get_all())
        if len(pairs) > options.limit_header_count:
            raise BadRequestError("431 Request Header Fields Too Large", "too many headers")
        if sum(len(name) + len(value) + 4 for name, value in pairs) > options.limit_headers:
            raise BadRequestError("431 Request Header Fields Too Large", "the headers are too large")
        socket, address = self.stream.socket, getattr(context, "address", None)
        base = connection_environ(
            socket.getsockname(), address, software="flask_embed", multithread=True, multiprocess=options.workers > 1
        )
        base["wsgi.url_scheme"] = getattr(context, "protocol", "http")
        remote = getattr(context, "remote_ip", None)
        if base["REMOTE_ADDR"] and remote and remote != base["REMOTE_ADDR"]:
            base["REMOTE_ADDR"] = remote  # the host's server believes its front (xheaders)
            base.pop("REMOTE_PORT", None)
        environ = environ_of(base, start_line.method, start_line.path, start_line.version, pairs)
        if "Transfer-Encoding" in headers:
            self.left = None
        elif "CONTENT_LENGTH" in environ:
            self.left = int(environ["CONTENT_LENGTH"])
            if options.limit_body is not None and self.left > options.limit_body:
                raise BadRequestError("413 Content Too Large", "the body is larger than --limit-body")
        return environ

    def data_received(self, chunk: bytes) -> asyncio.Future[None] | None:
        """Hand a part of the body to the app; Tornado reads on when the future that is returned is done."""
        if self.left is not None:
            self.left -= len(chunk)
        if self.is_answered or self.is_closed:
            self.discarded += len(chunk)
            if self.discarded > LINGER_BYTES:
                self.on_close()
            return None
        if self.pipe.put(chunk):
            return None
        room: asyncio.Future[None] = self.loop.create_future()
        self.pipe.when_room(lambda: self._tell_loop(room.set_result, None))
        return room

    def finish(self) -> None:
        """The body has ended."""
        if self.is_closed:
            raise HTTPInputError("more has come when the connection was closed")  # or Tornado goes on with it
        self.is_whole = True
        self.left = 0
        self.pipe.end()
        if self.is_answered:
            self.on_next()

    def on_connection_close(self) -> None:
        """The client has left, or what it has sent was no body."""
        self.is_gone = True
        self.pipe.fail("400 Bad Request", "the body ended before its time")
        self._settle()

    async def refuse(self, start_line: RequestStartLine, error: BadRequestError) -> None:
        """Answer what is no request, and close the connection."""
        self.connection.detach()  # Tornado would go on, and answer again or ask for the body
        peer = getattr(self.connection.context, "address", None)
        logger.warning("Refused a request from %s: %s", peer[0] if isinstance(peer, tuple) else "unix", error)
        headers, body = refusal(error.status, self.method)
        if self.handler.log is not None:
            request = {
                "REQUEST_METHOD": start_line.method,
                "REQUEST_URI": start_line.path,
                "SERVER_PROTOCOL": start_line.version,
                "REMOTE_ADDR": peer[0] if isinstance(peer, tuple) else "",
            }
            self.handler.log.write(request, error.status, len(body))
        self.closes = True
        try:
            with contextlib.suppress(StreamClosedError, TimeoutError):
                answer = self._head(error.status, headers) + body
                await asyncio.wait_for(self.stream.write(answer), self.handler.options.write_timeout)
                self._end_output()
                async with asyncio.timeout(LINGER_SECONDS):
                    while self.discarded < LINGER_BYTES:
                        self.discarded += len(await self.stream.read_bytes(_READ, partial=True))
        finally:
            self.stream.close()

    # The answer, in the thread: the writer of the boundary

    def run(self) -> None:
        if self.has_begun:
            return  # it was cut when it still waited for a thread
        handler = self.handler
        app = whole_server if self.environ["PATH_INFO"] == "*" else handler.app
        body: io.BufferedIOBase = self.environ["wsgi.input"]
        try:
            respond(app, self.environ, self, handler.log)
        finally:
            body.close()
            self.pipe.abandon()

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        if len(body) > _PART:
            self.start(status, headers)
            self.write(body)
            self.end()
        else:
            self._tell_loop(self.on_whole, (status, headers), body)

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self._unsent = (status, headers)

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), _PART):
            head, self._unsent = self._unsent, None
            taken: Future[None] = Future()
            try:
                self.loop.call_soon_threadsafe(self.on_part, head, data[at : at + _PART], taken)
                taken.result(self.handler.options.write_timeout)
            except (StreamClosedError, TimeoutError, RuntimeError) as error:
                # A RuntimeError is that of a loop that has ended, and all its connections with it.
                raise ClientGone from error

    def end(self) -> None:
        self._tell_loop(self.on_whole, self._unsent, b"")

    def cut(self) -> None:
        self._tell_loop(self.on_cut)

    def _tell_loop(self, function: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # as in write()
            self.loop.call_soon_threadsafe(function, *arguments)

    # The answer, on the loop

    def on_part(self, head: tuple[str, list[tuple[str, str]]] | None, data: bytes, taken: Future[None]) -> None:
        """Write *data*, and the head before the first of it; *taken* is told when the client has taken it."""

        def tell(written: asyncio.Future[None]) -> None:
            error = written.exception()
            if error is None:
                taken.set_result(None)
            else:
                taken.set_exception(error)

        try:
            if self.is_gone:
                raise StreamClosedError
            start = b"" if head is None else self._head(*head)
            if self.in_chunks:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            future_add_done_callback(self.stream.write(start + data), tell)
        except Exception as error:
            taken.set_exception(error)

    def on_whole(self, head: tuple[str, list[tuple[str, str]]] | None, body: bytes) -> None:
        """Write what makes the answer whole. Nobody waits for it, so the client has its time here to take it."""
        if self.is_gone:
            return
        start = b"" if head is None else self._head(*head)
        with contextlib.suppress(StreamClosedError):
            written = self.stream.write(start + body + (b"0\r\n\r\n" if self.in_chunks else b""))
            if not written.done():
                self._timer = self.loop.call_later(self.handler.options.write_timeout, self.on_close)
            future_add_done_callback(written, self.on_answered)

    def _head(self, status: str, headers: list[tuple[str, str]]) -> bytes:
        """The head of the answer; what becomes of the connection behind it is decided here."""
        self.has_begun = True
        # Between two requests Tornado lets small writes wait for the client's ACK of the one before.
        self.stream.set_nodelay(True)
        head = f"HTTP/1.1 {status}\r\n" + "".join([f"{name}: {value}\r\n" for name, value in headers])
        lower = head.lower()
        if "\ndate:" not in lower:
            head += f"Date: {format_date_time(int(time()))}\r\n"  # RFC 9110 section 6.6.1
        if "\ncontent-length:" not in lower and self.method != "HEAD" and not status.startswith(("204", "304")):
            if self.version == "HTTP/1.1":
                self.in_chunks = True
                head += "Transfer-Encoding: chunked\r\n"
            else:
                self.closes = True  # only the end of the connection ends the body
        if self.handler.is_closing or self.pipe.has_failed or not (self.is_whole or self._is_worth_reading()):
            self.closes = True
        if self.closes:
            head += "Connection: close\r\n"
        elif self.version == "HTTP/1.0":
            head += "Connection: keep-alive\r\n"
        return (head + "\r\n").encode("latin-1")

    def _is_worth_reading(self) -> bool:
        return self.left is not None and self.left <= _WORTH_READING

    def on_answered(self, written: asyncio.Future[None]) -> None:
        """All of the answer is sent: go on when the rest of the body was read, if it is worth that."""
        if written.exception() is not None:
            return  # the client has left, which Tornado tells
        self.is_answered = True
        self._settle()
        if self.is_whole:
            self.on_next()
            return
        self.pipe.fail("400 Bad Request", "the answer was sent before the body was read")
        if self.closes:
            self._end_output()
        patience = LINGER_SECONDS if self.closes else self.handler.options.body_timeout
        self._timer = self.loop.call_later(patience, self.on_close)

    def on_next(self) -> None:
        """Let Tornado go on to the next request, or close the connection."""
        self._settle()
        if self.closes:
            self.on_close()
        else:
            self.connection.finish()

    def _end_output(self) -> None:
        """Tell the client that it has all, and let it read that: closing with input unread would reset the connection.

        RFC 9112 section 9.6. Tornado, too, can answer no more: a fault in a body that nobody reads would be a second
        answer. With TLS there is no such half.
        """
        if not self.stream.closed() and not isinstance(self.stream, SSLIOStream):
            with contextlib.suppress(OSError):
                self.stream.socket.shutdown(SHUT_WR)

    def on_cut(self) -> None:
        """Close the connection so that the client can see that the answer is not whole."""
        if self.is_gone or self.is_answered:
            return
        if not self.has_begun:
            self.closes = True
            self.on_whole(("503 Service Unavailable", [("Content-Length", "0")]), b"")
            self.is_gone = True  # for the app
            self.pipe.fail("503 Service Unavailable", "the server has ended")
            return
        if not self.stream.closed():
            # A reset: where only the end of the connection ends the body, a plain close would look like one.
            with contextlib.suppress(OSError):
                self.stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        self.on_close()

    def on_close(self) -> None:
        """Close the connection."""
        self.is_closed = True
        self.connection.close()
        self.on_connection_close()

    def _settle(self) -> None:
        """The answer is sent, or will never be."""
        self.handler.running.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Pipe:
    """A body between the loop, which fills it, and the thread, which empties it; about ``spool`` bytes wait in it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._condition = threading.Condition()
        self._parts: deque[memoryview] = deque()
        self._waiting = 0
        self._received = 0
        self._waited = 0.0
        self._has_ended = False
        self._fault: tuple[str, str] | None = None
        self._is_abandoned = False
        self._room: Callable[[], None] | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the body is none."""
        return self._fault is not None

    def put(self, data: bytes) -> bool:
        """Take a part; whether there is room for another one."""
        with self._condition:
            self._received += len(data)
            limit = self._options.limit_body
            if limit is not None and self._received > limit:
                self._fault = ("413 Content Too Large", "the body is larger than --limit-body")
            elif not self._is_abandoned:
                self._parts.append(memoryview(data))
                self._waiting += len(data)
            self._condition.notify()
            return self._waiting < self._options.spool or self._is_abandoned

    def when_room(self, tell: Callable[[], None]) -> None:
        """Call *tell* when there is room again, from another thread or at once."""
        with self._condition:
            if self._waiting >= self._options.spool and not self._is_abandoned:
                self._room = tell
                return
        tell()

    def end(self) -> None:
        """No more comes."""
        with self._condition:
            self._has_ended = True
            self._condition.notify()

    def fail(self, status: str, reason: str) -> None:
        """No more comes, and it is not whole."""
        with self._condition:
            if not self._has_ended and self._fault is None:
                self._fault = (status, reason)
            self._condition.notify()
            tell, self._room = self._room, None
        if tell is not None:
            tell()

    def abandon(self) -> None:
        """Nobody reads any more."""
        with self._condition:
            self._is_abandoned = True
            self._parts.clear()
            self._waiting = 0
            tell, self._room = self._room, None
        if tell is not None:
            tell()

    def read_into(self, buffer: memoryview) -> int:
        """Fill *buffer* with what is there, waiting until something is; 0 at the end, :exc:`BodyError` for a fault."""
        tell = None
        with self._condition:
            if not self._parts:
                self._wait()
            if not self._parts:
                if self._fault is not None:
                    raise BodyError(*self._fault)
                return 0
            part = self._parts[0]
            count = min(len(buffer), len(part))
            buffer[:count] = part[:count]
            if count == len(part):
                self._parts.popleft()
            else:
                self._parts[0] = part[count:]
            self._waiting -= count
            if self._room is not None and self._waiting < self._options.spool:
                tell, self._room = self._room, None
        if tell is not None:
            tell()
        return count

    def _wait(self) -> None:
        allowed = for_body(self._options.body_timeout, self._received, self._waited)
        begun = monotonic()
        self._condition.wait_for(lambda: self._parts or self._has_ended or self._fault is not None, allowed)
        self._waited += monotonic() - begun
        if not self._parts and not self._has_ended and self._fault is None:
            self._fault = ("408 Request Timeout", "the body took longer than --body-timeout")


class _Body(io.RawIOBase):
    """The end of the pipe that the app reads from."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._pipe.read_into(memoryview(buffer))
