"""Serve a WSGI app with Tornado: its server on the event loop, a thread of a bounded pool for each request.

A request on its way: Tornado reads the head and makes an :class:`_Exchange`, which hands a job to the threads. In that
one thread and one context the app is called, iterated and closed (:func:`~flask_embed.adapters.wsgi.respond`). What the
app reads waits in a :class:`_Pipe` that the loop fills, and stops filling when it is full; what it sends goes to the
loop, and the thread waits until the client has taken it. So neither side is ever whole in memory.
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
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from queue import SimpleQueue
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from struct import pack
from time import monotonic, time
from typing import TYPE_CHECKING, Any
from wsgiref.handlers import format_date_time

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerConnectionDelegate, ResponseStartLine
from tornado.iostream import StreamClosedError

from flask_embed.adapters.front import behind_front, whole_server
from flask_embed.adapters.heads import BadRequestError, connection_environ, environ_of, keeps_alive, refusal
from flask_embed.adapters.listeners import address_of
from flask_embed.adapters.logs import AccessLog, reopen_logs
from flask_embed.adapters.workers import alone
from flask_embed.adapters.wsgi import BodyError, ClientGone, respond
from flask_embed.lifespan import lifespan
from flask_embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from tornado.http1connection import HTTP1Connection
    from tornado.httputil import HTTPConnection, RequestStartLine

    from flask_embed.adapters.workers import Worker
    from flask_embed.adapters.wsgi import Log

__all__ = ["WSGIHandler", "serve"]

logger = logging.getLogger("flask_embed.server")

_READ = 64 * 1024
#: what is handed to the loop at once
_PART = 256 * 1024
#: A body may come this slowly, in bytes per second, once its first ``body_timeout`` is used up.
_SLOWEST_BODY = 500
#: How much of a body that the app has left unread is read for the sake of the next request; and, where there is more,
#: how much is read, and for how long, so that the client gets to read its answer.
_WORTH_READING, _LINGER_BYTES, _LINGER_SECONDS = 64 * 1024, 1024 * 1024, 2.0
#: How long a connection has to be without a request before a server that ends may close it.
_QUIET = 1.0


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
        max_body_size=10**18,  # bodies are counted here
        chunk_size=_READ,
    )
    worker.listener.setblocking(False)
    server.add_socket(worker.listener)
    worker.ready(options.start_line("tornado", address_of(worker.listener)))
    while worker.beat() and not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), worker.interval)
    handler.draining = True
    server.stop()
    worker.leaving()
    deadline = monotonic() + options.graceful_timeout
    while (now := monotonic()) < deadline:
        # A request may be on its way on a connection that has just been used.
        if not handler.answering and now - handler.quiet_since >= _QUIET:
            break
        await asyncio.sleep(0.02)
    await server.close_all_connections()


class WSGIHandler(HTTPServerConnectionDelegate):
    """Serves a WSGI app, as what a Tornado server calls, or as the target of a rule beside native handlers.

    For a :class:`tornado.web.Application` of your own::

        shop = WSGIHandler(shop_app, prefix="/shop")
        application = Application([(r"/native", NativeHandler), (r"/shop(?:/.*)?", shop)])

    :param app: any WSGI app; the strict gate stands before it
    :param prefix: below which the rule leads to it; the app sees it as SCRIPT_NAME
    :param options: of :class:`~flask_embed.options.Options` those for the front, ``threads``, ``spool``,
        ``limit_body``, ``limit_line``, ``limit_header_count``, ``body_timeout`` and ``write_timeout``; what concerns
        sockets and processes is the Tornado server's
    :param log: gets a line for each request, like :class:`~flask_embed.adapters.logs.AccessLog`

    The functions of ``@app.on_startup`` run if the host runs its loop inside of
    ``with flask_embed.lifespan.lifespan(shop_app)``. Its threads are daemons that end with the process.
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
        self.threads = _Threads(self.options.threads)
        self._to_come: tuple[int, Callable[[], None]] | None = None
        #: how many requests are being answered
        self.answering = 0
        self._tasks: set[asyncio.Task[None]] = set()
        #: whether each answer is to be the last one of its connection
        self.draining = False
        #: when an answer has ended last
        self.quiet_since = 0.0

    def limit_requests(self, number: int, spent: Callable[[], None]) -> None:
        """Call *spent* when so many requests have come; 0 is never."""
        self._to_come = (number, spent) if number else None

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold on to *task* until it is done: a loop does not."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Called by Tornado for each request."""
        if self._to_come is not None:
            number, spent = self._to_come
            self._to_come = (number - 1, spent) if number > 1 else None
            if number == 1:
                spent()
        return _Exchange(self, request_conn)  # type: ignore[arg-type]

    def on_close(self, server_conn: object) -> None:
        """Called by Tornado when a connection has ended."""


class _Threads:
    """So many threads, started when they are needed; a job waits for a free one.

    Not an executor: its threads are waited for when Python ends, however long their jobs take.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._started = self._idle = 0
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def submit(self, job: Callable[[], None]) -> None:
        with self._lock:
            is_new = self._idle <= self._jobs.qsize() and self._started < self._most
            self._started += is_new
        self._jobs.put(job)
        if is_new:
            threading.Thread(target=self._work, name=f"wsgi-{self._started}", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            job = self._jobs.get()
            with self._lock:
                self._idle -= 1
            try:
                job()
            except BaseException:
                # sys.exit() in an app, for one: it may not end the thread.
                logger.exception("What is no error has left an app")
            del job


class _Exchange(HTTPMessageDelegate):
    """One request and its answer. What begins with ``on_`` or is Tornado's runs on the loop, the rest in the thread."""

    def __init__(self, handler: WSGIHandler, connection: HTTP1Connection) -> None:
        self.handler = handler
        self.connection = connection
        self.stream: Any = connection.stream
        self.loop = asyncio.get_running_loop()
        self.pipe = _Pipe(handler.options)
        self.environ: WSGIEnvironment = {}
        #: whether the body has been read to its end
        self.is_whole = False
        #: whether the client, or the connection, is gone
        self.is_gone = False
        #: whether the head of the answer was written, and whether all of it was
        self.has_begun = self.is_answered = False
        #: whether the connection ends with this answer
        self.closes = False
        self.method = self.version = ""
        self._is_over = False
        #: the head of an answer whose body has not begun, in the thread
        self._unsent: tuple[str, list[tuple[str, str]]] | None = None
        #: bytes of the body that are to come, None where nobody knows
        self.left: int | None = 0
        #: bytes of the body that nobody has read any more
        self.discarded = 0
        self._counted = False

    # The request, on the loop

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        """Make an environ, and have it answered."""
        handler, options = self.handler, self.handler.options
        if self.stream.closed():
            return  # the client has left meanwhile
        self.connection.set_close_callback(self.on_connection_close)
        self.method, self.version = start_line.method, start_line.version
        try:
            self.environ = self._environ_of(start_line, headers)
        except BadRequestError as error:
            self.on_refused(start_line, error)
            return
        self.closes = not keeps_alive(self.environ)
        length = self.environ.get("CONTENT_LENGTH")
        if length:
            self.left = int(length)
        elif "Transfer-Encoding" in headers:
            self.left = None
        if options.limit_body is not None and self.left is not None and self.left > options.limit_body:
            self.on_refused(
                start_line, BadRequestError("413 Content Too Large", "the body is larger than --limit-body")
            )
            return
        self.environ["wsgi.input"] = io.BytesIO() if self.left == 0 else io.BufferedReader(_Body(self.pipe))
        handler.answering += 1
        self._counted = True
        handler.threads.submit(self.run)

    def _environ_of(self, start_line: RequestStartLine, headers: HTTPHeaders) -> WSGIEnvironment:
        options, context = self.handler.options, self.connection.context
        if start_line.version not in ("HTTP/1.0", "HTTP/1.1"):
            raise BadRequestError("505 HTTP Version Not Supported", "another version of HTTP")
        if len(start_line.method) + len(start_line.path) + len(start_line.version) + 2 > options.limit_line:
            raise BadRequestError("414 URI Too Long", "the request line is too long")
        pairs = list(headers.get_all())
        if len(pairs) > options.limit_header_count:
            raise BadRequestError("431 Request Header Fields Too Large", "too many headers")
        socket, address = self.stream.socket, getattr(context, "address", None)
        base = connection_environ(
            socket.getsockname(), address, software="flask_embed", multithread=True, multiprocess=options.workers > 1
        )
        base["wsgi.url_scheme"] = getattr(context, "protocol", "http")
        remote = getattr(context, "remote_ip", None)
        if base["REMOTE_ADDR"] and remote and remote != base["REMOTE_ADDR"]:
            base["REMOTE_ADDR"] = remote  # the host's server believes its front (xheaders)
            base.pop("REMOTE_PORT", None)
        return environ_of(base, start_line.method, start_line.path, start_line.version, pairs)

    def data_received(self, chunk: bytes) -> asyncio.Future[None] | None:
        """Hand a part of the body to the app; Tornado reads on when the future that is returned is done."""
        if self.left is not None:
            self.left -= len(chunk)
        if self.is_answered or self.is_gone:
            self.discarded += len(chunk)
            if self.discarded > _LINGER_BYTES:
                self.on_end()
            return None
        if self.pipe.put(chunk):
            return None
        room: asyncio.Future[None] = self.loop.create_future()
        self.pipe.when_room(lambda: self._tell_loop(room.set_result, None))
        return room

    def finish(self) -> None:
        """The body has ended."""
        self.is_whole = True
        self.left = 0
        self.pipe.end()
        if self.is_answered:
            self.on_end()

    def on_connection_close(self) -> None:
        """The client has left, or what it has sent was no body."""
        self.is_gone = True
        self.pipe.fail("400 Bad Request", "the body ended before its time")
        self.on_counted()

    # The answer, in the thread: the writer of the boundary

    def run(self) -> None:
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
            self._tell_loop(self.on_whole, status, headers, body)

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self._unsent = (status, headers)

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), _PART):
            part = data[at : at + _PART]
            if self._unsent is None:
                self._wait_for(self.on_part, part)
            else:
                (status, headers), self._unsent = self._unsent, None
                self._wait_for(self.on_start, status, headers, part)

    def end(self) -> None:
        if self._unsent is None:
            self._tell_loop(self.on_answered)
        else:
            self._tell_loop(self.on_whole, *self._unsent, b"")

    def cut(self) -> None:
        self._tell_loop(self.on_cut)

    def _tell_loop(self, function: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and all its connections with it
            self.loop.call_soon_threadsafe(function, *arguments)

    def _wait_for(self, function: Callable[..., asyncio.Future[None]], *arguments: object) -> None:
        """Run on the loop what writes; return when the client has taken it, :exc:`ClientGone` if it does not."""
        if self.is_gone:
            raise ClientGone
        done: Future[None] = Future()
        self._tell_loop(self.on_wait, done, function, arguments)
        try:
            done.result(self.handler.options.write_timeout)
        except (StreamClosedError, FutureTimeoutError) as error:
            raise ClientGone from error

    # The answer, on the loop

    def on_wait(self, done: Future[None], function: Callable[..., asyncio.Future[None]], arguments: tuple[Any]) -> None:
        def tell(future: asyncio.Future[None]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        try:
            function(*arguments).add_done_callback(tell)
        except Exception as error:
            done.set_exception(error)

    def on_start(self, status: str, headers: list[tuple[str, str]], body: bytes) -> asyncio.Future[None]:
        """Write the head, and *body* with it."""
        self.has_begun = True
        if self.handler.draining or self.pipe.has_failed or not (self.is_whole or self._is_worth_reading()):
            self.closes = True
        fields = HTTPHeaders()
        for name, value in headers:
            fields.add(name, value.strip(" \t"))  # Tornado refuses a space that others leave out
        if "Date" not in fields:
            fields["Date"] = format_date_time(int(time()))
        if self.version == "HTTP/1.0" and "Content-Length" not in fields:
            self.closes = True  # only the end of the connection ends the body
        if self.closes:
            fields["Connection"] = "close"
        line = ResponseStartLine("HTTP/1.1", int(status[:3]), status[4:])
        return self.connection.write_headers(line, fields, body)

    def _is_worth_reading(self) -> bool:
        return self.left is not None and self.left <= _WORTH_READING

    def on_part(self, data: bytes) -> asyncio.Future[None]:
        return self.connection.write(data)

    def on_whole(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        """Write all of an answer. Nobody waits for it, so the client has its time here to take it."""
        if self.is_gone:
            return
        too_late = self.loop.call_later(self.handler.options.write_timeout, self.connection.close)
        self.on_start(status, headers, body).add_done_callback(lambda future: _taken(future, too_late))
        self.on_answered()

    def on_answered(self) -> None:
        """All of the answer was written: end it when the rest of the body was read, or is not worth that."""
        self.is_answered = True
        if self.is_gone or self.is_whole or self.left is None:
            self.on_end()  # of a body in chunks Tornado would answer a fault, too
        else:
            self.loop.call_later(_LINGER_SECONDS if self.closes else self.handler.options.body_timeout, self.on_end)

    def on_end(self) -> None:
        """Let Tornado go on to the next request, or close the connection when all is sent."""
        if self._is_over:
            return
        self._is_over = True
        self.on_counted()
        if self.is_gone or self.stream.closed():
            return
        self.connection.finish()
        if self.closes and not self.stream.closed():
            self.stream.write(b"").add_done_callback(self._close)

    def _close(self, future: asyncio.Future[None]) -> None:
        future.exception()  # that the client has left is no news
        self.connection.close()

    def on_counted(self) -> None:
        """The request is answered no more."""
        if self._counted:
            self._counted = False
            self.handler.answering -= 1
            self.handler.quiet_since = monotonic()

    def on_cut(self) -> None:
        """Close the connection so that the client can see that the answer is not whole."""
        if self._is_over:
            return
        if not self.has_begun:
            self.closes = True
            self.on_whole("503 Service Unavailable", [("Content-Length", "0")], b"")
            return
        self._is_over = True
        self.on_counted()
        if not self.stream.closed():
            # A reset: where only the end of the connection ends the body, a plain close would look like one.
            with contextlib.suppress(OSError):
                self.stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
            self.connection.close()

    def on_refused(self, start_line: RequestStartLine, error: BadRequestError) -> None:
        """Answer what is no request, and close the connection."""
        peer = getattr(self.connection.context, "address", None)
        logger.warning("Refused a request from %s: %s", peer[0] if isinstance(peer, tuple) else "unix", error)
        headers, body = refusal(error.status, start_line.method)
        if self.handler.log is not None:
            request = {
                "REQUEST_METHOD": start_line.method,
                "REQUEST_URI": start_line.path,
                "SERVER_PROTOCOL": start_line.version,
                "REMOTE_ADDR": peer[0] if isinstance(peer, tuple) else "",
            }
            self.handler.log.write(request, error.status, len(body))
        # Without the stream Tornado reads no further: it would find the same fault, and answer it once more.
        stream = self.connection.detach()
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {error.status}\r\n{fields}Date: {format_date_time(int(time()))}\r\nConnection: close\r\n\r\n"
        self.handler.keep(self.loop.create_task(_last_words(stream, head.encode("ascii") + body)))


async def _last_words(stream: Any, answer: bytes) -> None:
    """Send an answer and close; what the client still sends is read for a while, so that it gets to read that."""
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            await stream.write(answer)
            stream.socket.shutdown(SHUT_WR)
            left = _LINGER_BYTES
            while left > 0:
                left -= len(await stream.read_bytes(_READ, partial=True))
    except (OSError, TimeoutError, StreamClosedError):
        pass  # it has had its time, or has gone
    finally:
        stream.close()


def _taken(future: asyncio.Future[None], too_late: asyncio.TimerHandle) -> None:
    too_late.cancel()
    future.exception()


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
        patience = self._options.body_timeout
        allowed = patience + min(self._received / _SLOWEST_BODY - self._waited, 0)
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
