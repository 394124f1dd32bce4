"""Serve a WSGI app with Tornado: its server on the event loop, a thread of a bounded pool for each request.

A request on its way: Tornado reads the head and calls a :class:`_Delegate`, which makes an environ and hands a job to
the threads. In that one thread and one context the app is called, iterated and closed
(:func:`~flask_embed.adapters.serving.boundary.respond`). The body that the app reads waits in a
:class:`~flask_embed.adapters.serving.pipe.Pipe` that the loop fills, and stops filling when it is full; the answer goes
to the loop, and the thread waits until the client has taken it. So neither is ever whole in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from struct import pack
from time import monotonic
from typing import TYPE_CHECKING, Any

from tornado.concurrent import future_add_done_callback
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPInputError, HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.iostream import SSLIOStream, StreamClosedError

from flask_embed.adapters.serving.body import input_of
from flask_embed.adapters.serving.boundary import ClientGone
from flask_embed.adapters.serving.http_environ import connection_environ, environ_of, keeps_alive
from flask_embed.adapters.serving.limits import BODY_CUT_OFF, BadRequestError, Fault
from flask_embed.adapters.serving.pipe import Pipe
from flask_embed.adapters.serving.response_head import LAST_CHUNK, chunk, http_head
from flask_embed.adapters.serving.session import Drain, Session, serving
from flask_embed.adapters.serving.thread_pool import Threads
from flask_embed.adapters.serving.waits import CUT_SECONDS, LINGER_BYTES, LINGER_SECONDS, WORTH_READING
from flask_embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from tornado.http1connection import HTTP1Connection
    from tornado.httputil import HTTPConnection, HTTPHeaders, RequestStartLine

    from flask_embed.adapters.serving.boundary import Log
    from flask_embed.adapters.serving.session import WorkerSession
    from flask_embed.adapters.serving.workers import Worker

    Head = tuple[str, list[tuple[str, str]]]

__all__ = ["WSGIHandler", "serve"]

_READ = 64 * 1024
#: what is handed to the loop at once, and may wait there for the client
_WRITE = 256 * 1024
#: the most that Tornado may let through of a body: it is counted here
_ANY_BODY = 10**18
#: that of every request without one
_NO_BODY = Pipe(0, Options())


def serve(app: WSGIApplication, options: Options | None = None, worker: Worker | None = None) -> None:
    """Serve *app* until SIGTERM or SIGINT; returns when the running requests have ended, or their time is up.

    Raises :exc:`~flask_embed.errors.UsageError` if it cannot listen. Call it from the main thread. *worker* is for the
    supervisor of several processes.
    """
    with asyncio.Runner() as runner:
        stopping = asyncio.Event()
        loop = runner.get_loop()

        def on_signal(number: int, call: Callable[[], object]) -> Callable[[], object]:
            loop.add_signal_handler(number, call)
            return partial(loop.remove_signal_handler, number)

        with serving(app, options, worker, runner="tornado", stop=stopping.set, on_signal=on_signal) as session:
            runner.run(_serve(session, stopping))


async def _serve(session: WorkerSession, stopping: asyncio.Event) -> None:
    options, worker = session.options, session.worker
    handler = WSGIHandler(session.app, session=session)
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
    session.ready()
    while worker.beat() and not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), worker.interval)
    server.stop()
    session.leave()
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
        ``body_timeout`` and ``write_timeout``. Sockets and processes are the Tornado server's, and so is a head that
        takes too long, or is larger than its ``max_header_size``. Its ``max_body_size`` counts only for handlers that
        keep bodies whole
    :param log: gets a line for each request, like :class:`~flask_embed.adapters.serving.logs.AccessLog`
    :param session: for :func:`serve`, in place of the others

    The functions of ``@app.on_startup`` run if the host runs its loop inside of
    ``with flask_embed.lifespan.lifespan(shop_app)``. A host that ends awaits :meth:`close`, between its server's
    ``stop()`` and ``close_all_connections()``. The threads are daemons: one that never ends keeps no process alive.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        prefix: str = "",
        options: Options | None = None,
        log: Log | None = None,
        session: Session | None = None,
    ) -> None:
        if session is None:
            options = options or Options()
            session = Session(app, replace(options, prefix=prefix) if prefix else options, log)
        self.session = session
        self.threads = Threads(session.options.threads)
        #: the requests that are being answered
        self.running: set[_Delegate] = set()
        #: True when every request is answered with 503
        self.is_closed = False
        #: when a connection has last begun to wait for a request
        self.quiet_since = 0.0

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Called by Tornado when a connection begins to wait for a request, or, behind a rule, has its head."""
        self.quiet_since = monotonic()
        return _Delegate(self, request_conn)  # type: ignore[arg-type]

    async def close(self, timeout: float = 0.0) -> None:
        """Let the requests that run end, for up to *timeout* seconds; then cut the others, and end the threads.

        A request that comes meanwhile is answered too, and each answer is the last one of its connection. One that
        comes later is answered with 503. A request that is cut has a second to be closed and torn down.
        """
        self.session.is_draining = True
        drain = Drain(timeout)
        while seconds := drain.wait(bool(self.running) or self.threads.are_busy, self.quiet_since):
            await asyncio.sleep(min(0.02, seconds))
        self.is_closed = True
        for delegate in list(self.running):
            delegate.on_cut()
        deadline = monotonic() + CUT_SECONDS
        while self.threads.are_busy and monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.threads.end()


class _Delegate(HTTPMessageDelegate):
    """One request, and the writer of its answer.

    Methods that begin with ``on_`` and those that Tornado calls run on the loop, the others in the thread. Answers go
    to the stream, and not through Tornado's ``write_headers()``: that forgets who waits for a write when the client
    leaves, and sends the end of an answer only when the request was read to its own.
    """

    def __init__(self, handler: WSGIHandler, connection: HTTP1Connection) -> None:
        self.handler = handler
        self.connection = connection
        self.stream: Any = connection.stream
        self.loop = asyncio.get_running_loop()
        self.body = _NO_BODY
        self.environ: WSGIEnvironment = {}
        self.method = self.version = ""
        #: bytes of the body that are to come, None if unknown
        self.left: int | None = 0
        #: True if the body has been read to its end; bytes of it that were dropped
        self.is_whole, self.discarded = False, 0
        #: True if the answer cannot be sent any more; True if this side has closed the connection
        self.is_gone = self.is_closed = False
        #: True if the head of the answer was written; True if all of the answer was sent
        self.has_begun = self.is_answered = False
        #: True if the answer is chunked; True if the connection ends with it
        self.is_chunked = self.closes = False
        #: ends a wait that nothing else ends
        self._timer: asyncio.TimerHandle | None = None
        #: the head of an answer whose body has not begun, in the thread
        self._unsent: Head | None = None

    # The request, on the loop

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Awaitable[None] | None:
        """Make an environ, and have it answered."""
        handler = self.handler
        if self.stream.closed():
            return None  # the client has left meanwhile
        handler.session.count()
        self.method, self.version = start_line.method, start_line.version
        try:
            environ = self.environ = self._environ_of(start_line, headers)
        except BadRequestError as error:
            return self.refuse(start_line, error)
        self.connection.set_close_callback(self.on_connection_close)
        self.connection.set_max_body_size(_ANY_BODY)
        self.closes = self.connection.params.no_keep_alive or not keeps_alive(environ)
        if self.left != 0:
            self.body = Pipe(self.left, handler.session.options)
        environ["wsgi.input"] = input_of(self.body, self.body.wait)
        handler.running.add(self)
        handler.threads.submit(self.answer)
        return None

    def _environ_of(self, start_line: RequestStartLine, headers: HTTPHeaders) -> WSGIEnvironment:
        session, context = self.handler.session, self.connection.context
        limits = session.limits
        if self.handler.is_closed:
            raise BadRequestError("503 Service Unavailable", "it came when the server had ended")
        if start_line.version not in ("HTTP/1.0", "HTTP/1.1"):
            raise BadRequestError("505 HTTP Version Not Supported", "a version of HTTP other than 1.0 and 1.1")
        limits.check_line(len(start_line.method) + len(start_line.path) + len(start_line.version) + 2)
        pairs = list(headers.get_all())
        limits.check_header_count(len(pairs))
        limits.check_headers(sum(len(name) + len(value) + 4 for name, value in pairs))
        own, peer = self.stream.socket.getsockname(), getattr(context, "address", None)
        workers = session.options.workers
        base = connection_environ(own, peer, software="flask_embed", multithread=True, multiprocess=workers > 1)
        base["wsgi.url_scheme"] = getattr(context, "protocol", "http")
        remote = getattr(context, "remote_ip", None)
        if base["REMOTE_ADDR"] and remote and remote != base["REMOTE_ADDR"]:
            base["REMOTE_ADDR"] = remote  # the host's server trusts its front (xheaders)
            base.pop("REMOTE_PORT", None)
        environ = environ_of(base, start_line.method, start_line.path, start_line.version, pairs)
        if "Transfer-Encoding" in headers:
            self.left = None
        elif "CONTENT_LENGTH" in environ:
            self.left = int(environ["CONTENT_LENGTH"])
            limits.check_body(self.left)
        return environ

    def data_received(self, chunk: bytes) -> asyncio.Future[None] | None:
        """Hand data of the body to the app; Tornado reads on when the future that is returned is done."""
        if self.left is not None:
            self.left -= len(chunk)
        if self.is_answered or self.is_closed:
            self.discarded += len(chunk)
            if self.discarded > LINGER_BYTES:
                self.on_close()
            return None
        self.body.put(chunk)
        if self.body.has_room:
            return None
        room: asyncio.Future[None] = self.loop.create_future()
        self.body.when_room(lambda: self._call_on_loop(room.set_result, None))
        return room

    def finish(self) -> None:
        """The body has ended."""
        if self.is_closed:
            raise HTTPInputError("more has come when the connection was closed")  # or Tornado goes on with it
        self.is_whole = True
        self.left = 0
        self.body.end()
        if self.is_answered:
            self.on_next()

    def on_connection_close(self) -> None:
        """The client has left, or its body was malformed."""
        self.is_gone = True
        self.body.fail(BODY_CUT_OFF)
        self._settle()

    async def refuse(self, start_line: RequestStartLine, error: BadRequestError) -> None:
        """Answer a malformed request, and close the connection."""
        self.connection.detach()  # Tornado would go on, and answer again or ask for the body
        session = self.handler.session
        peer = getattr(self.connection.context, "address", None)
        request = {"REQUEST_METHOD": start_line.method, "REQUEST_URI": start_line.path}
        request["SERVER_PROTOCOL"] = start_line.version
        request["REMOTE_ADDR"] = peer[0] if isinstance(peer, tuple) else ""
        status, headers, body = session.refuse(error, request)
        self.closes = True
        try:
            with contextlib.suppress(StreamClosedError, TimeoutError):
                answer = self._head(status, headers) + body
                await asyncio.wait_for(self.stream.write(answer), session.options.write_timeout)
                self._end_output()
                async with asyncio.timeout(LINGER_SECONDS):
                    while self.discarded < LINGER_BYTES:
                        self.discarded += len(await self.stream.read_bytes(_READ, partial=True))
        finally:
            self.stream.close()

    # The answer, in the thread: the writer of the boundary

    def answer(self) -> None:
        """Have the request answered."""
        if self.has_begun:
            return  # it was cut when it still waited for a thread
        with self.environ["wsgi.input"]:
            self.handler.session.answer(self.environ, self)
        self.body.abandon()

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        if len(body) > _WRITE:
            self.start(status, headers)
            self.write(body)
            self.end()
        else:
            self._call_on_loop(self.on_whole, (status, headers), body)

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self._unsent = (status, headers)

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), _WRITE):
            head, self._unsent = self._unsent, None
            taken: Future[None] = Future()
            try:
                self.loop.call_soon_threadsafe(self.on_data, head, data[at : at + _WRITE], taken)
                taken.result(self.handler.session.options.write_timeout)
            except (StreamClosedError, TimeoutError, RuntimeError) as error:
                # A RuntimeError is that of a loop that has ended, and all its connections with it.
                raise ClientGone from error

    def end(self) -> None:
        self._call_on_loop(self.on_whole, self._unsent, b"")

    def cut(self) -> None:
        self._call_on_loop(self.on_cut)

    def _call_on_loop(self, function: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # as in write()
            self.loop.call_soon_threadsafe(function, *arguments)

    # The answer, on the loop

    def on_data(self, head: Head | None, data: bytes, taken: Future[None]) -> None:
        """Write *data*, and the head before the first of it; *taken* is done when the client has taken it."""

        def settle(written: asyncio.Future[None]) -> None:
            if (error := written.exception()) is None:
                taken.set_result(None)
            else:
                taken.set_exception(error)

        try:
            if self.is_gone:
                raise StreamClosedError
            start = self._head(*head) if head else b""
            future_add_done_callback(self.stream.write(start + (chunk(data) if self.is_chunked else data)), settle)
        except Exception as error:
            taken.set_exception(error)

    def on_whole(self, head: Head | None, body: bytes) -> None:
        """Write the end of the answer, or all of it. No thread waits for it, so the client's time runs here."""
        if self.is_gone:
            return
        start = self._head(*head) if head else b""
        with contextlib.suppress(StreamClosedError):
            written = self.stream.write(start + body + (LAST_CHUNK if self.is_chunked else b""))
            if not written.done():
                self._timer = self.loop.call_later(self.handler.session.options.write_timeout, self.on_close)
            future_add_done_callback(written, self.on_answered)

    def _head(self, status: str, headers: list[tuple[str, str]]) -> bytes:
        """The head of the answer; it decides what becomes of the connection."""
        self.has_begun = True
        # Between two requests Tornado lets small writes wait for the client's ACK of the one before.
        self.stream.set_nodelay(True)
        is_worth_reading = self.is_whole or (self.left is not None and self.left <= WORTH_READING)
        if self.handler.session.is_draining or self.body.fault is not None or not is_worth_reading:
            self.closes = True
        head, self.is_chunked, keep_alive = http_head(
            status, headers, self.method, is_http11=self.version != "HTTP/1.0", keep_alive=not self.closes
        )
        self.closes = not keep_alive
        return head

    def on_answered(self, written: asyncio.Future[None]) -> None:
        """All of the answer is sent: go on when the rest of the body was read, if it is worth that."""
        if written.exception() is not None:
            return  # the client has left, which Tornado reports
        self.is_answered = True
        self._settle()
        if self.is_whole:
            self.on_next()
            return
        self.body.fail(Fault("400 Bad Request", "the answer was sent before the body was read"))
        if self.closes:
            self._end_output()
        patience = LINGER_SECONDS if self.closes else self.handler.session.options.body_timeout
        self._timer = self.loop.call_later(patience, self.on_close)

    def on_next(self) -> None:
        """Let Tornado go on to the next request, or close the connection."""
        self._settle()
        if self.closes:
            self.on_close()
        else:
            self.connection.finish()

    def _end_output(self) -> None:
        """Let the client read its answer to the end: closing with input unread would reset the connection.

        RFC 9112 section 9.6. Tornado, too, can answer no more: a fault in the rest of the body would be a second
        answer. TLS has no such half-closed state.
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
            self.body.fail(Fault("503 Service Unavailable", "the server has ended"))
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
