"""Servers that are none of ours: a request ends once there, too, in its context, and no thread keeps anything of it.

What one of them cannot do is said where it is, with what holds instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from socketserver import BaseServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

import gevent
import pytest
from a2wsgi import WSGIMiddleware
from gevent import pywsgi
from gevent.event import Event
from tornado.httpserver import HTTPServer
from tornado.wsgi import WSGIContainer
from werkzeug.serving import WSGIRequestHandler as WerkzeugHandler
from werkzeug.serving import make_server

from flask_embed import Flask, Response, abort, g, has_request_context, request, session
from tests.serving import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

#: how many threads the pools have, and how many parts the body of ``/parts``
THREADS, PARTS = 4, 50


class Fault(Exception):
    """The exception of the app."""


class Ended(NamedTuple):
    """The end of a request."""

    path: str
    error: str
    #: whether it was in the thread and greenlet that has called the view
    in_place: bool


def here() -> tuple[int, int]:
    return threading.get_ident(), id(gevent.getcurrent())


class Parts:
    """A body, each part of which is made when it is let."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.left = PARTS

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self.left:
            raise StopIteration
        assert self.app.let.acquire(timeout=DEADLINE)
        self.left -= 1
        self.app.note(self.app.made, request.path)
        return b"part" * 100

    def close(self) -> None:
        self.app.note(self.app.closed, request.path)


class App(Flask):
    """An app that fails in each way, and notes how its requests end."""

    def __init__(self) -> None:
        super().__init__(__name__)
        self.secret_key = "secret"
        self.noted = threading.Condition()
        #: the ends of its requests, and what was bound before one had begun
        self.ends: list[Ended] = []
        self.unclean: list[object] = []
        #: the paths of the requests whose bodies have made a part, or were closed, or whose clients have left
        self.made: list[str] = []
        self.closed: list[str] = []
        self.left: list[str] = []
        #: how many parts may be made
        self.let = threading.Semaphore(0)
        self.before_request(self.begin)
        self.after_request(self.sign)
        self.teardown_request(self.end)
        self.errorhandler(418)(fault)
        for path, view in VIEWS.items():
            self.add_url_rule(path, path[1:], view)
        self.add_url_rule("/parts", "parts", lambda: Response(Parts(self)))
        self.add_url_rule("/own/<token>", "own", own)

    def wsgi_app(self, environ: Any, start_response: Any) -> Any:
        if has_request_context():
            self.note(self.unclean, environ["PATH_INFO"])
        return super().wsgi_app(environ, start_response)

    def begin(self) -> None:
        if list(g):
            self.note(self.unclean, list(g))
        g.where = here()
        if request.path == "/before":
            raise Fault

    def sign(self, response: Response) -> Response:
        if request.path == "/after":
            raise Fault
        response.headers["X-Path"] = request.path
        return response

    def end(self, error: BaseException | None) -> None:
        self.note(self.ends, Ended(request.path, type(error).__name__, g.where == here()))
        if request.path == "/teardown":
            raise Fault

    def note(self, notes: list[Any], note: object) -> None:
        with self.noted:
            notes.append(note)
            self.noted.notify_all()

    def wait_until(self, happened: Callable[[], object]) -> None:
        """Wait for something that is noted."""
        with self.noted:
            assert self.noted.wait_for(happened, DEADLINE), (self.ends, self.made)

    def ended(self, path: str) -> Ended:
        """The end of the request for *path*, which is the only one."""
        self.wait_until(lambda: self.ends)
        (ended,) = self.ends
        assert ended.path == path
        return ended


def fault(*args: object) -> Any:
    raise Fault


def own(token: str) -> Iterator[str]:
    g.token = token
    for _ in range(3):
        time.sleep(0.001)
        yield f"{request.path} {g.token} "


def breaks() -> Iterator[str]:
    yield request.path
    raise Fault


def three() -> Iterator[str]:
    for _ in range(3):
        yield f"{request.path} "


def save() -> str:
    session["x"] = object()
    return "not saved"


class Unclosable:
    def __iter__(self) -> Iterator[bytes]:
        return iter([b"all"])

    def close(self) -> None:
        raise Fault


VIEWS: dict[str, Callable[[], Any]] = {
    "/whole": lambda: request.path,
    "/stream": three,
    "/view": fault,
    "/handler": lambda: abort(418),
    "/before": lambda: "not called",
    "/after": lambda: "replaced",
    "/session": save,
    "/breaks": breaks,
    "/unclosable": lambda: Response(Unclosable()),
    "/teardown": lambda: request.path,
}
#: the status of each answer and what teardown functions are told; with the body where the view has made it
ENDS: dict[str, tuple[int, str, bytes | None]] = {
    "/whole": (200, "NoneType", b"/whole"),
    "/stream": (200, "NoneType", b"/stream /stream /stream "),
    "/view": (500, "Fault", None),
    "/handler": (500, "Fault", None),
    "/before": (500, "Fault", None),
    "/after": (500, "Fault", None),
    "/session": (500, "TypeError", None),
    "/unclosable": (200, "Fault", b"all"),
    "/teardown": (200, "NoneType", b"/teardown"),
}


def nowhere(function: Callable[[], None]) -> None:
    """Of a server that keeps no thread."""


class Served(NamedTuple):
    """A server that runs, what runs a function in each of the threads that it keeps, and its event loop."""

    port: int
    in_each_thread: Callable[[Callable[[], None]], None] = nowhere
    loop: Any = None


# The servers


def in_each(pool: ThreadPoolExecutor, function: Callable[[], None]) -> None:
    """Run it in each thread of a pool."""
    barrier = threading.Barrier(THREADS, timeout=DEADLINE)

    def run() -> None:
        barrier.wait()
        function()

    for job in [pool.submit(run) for _ in range(THREADS)]:
        job.result(DEADLINE)


@contextlib.contextmanager
def looping(
    main: Callable[[asyncio.Event, Callable[[int], None]], Coroutine[Any, Any, None]],
) -> Iterator[tuple[int, Any]]:
    """An event loop in a thread of its own, which runs *main* until it is stopped; its port, and the loop."""
    started = threading.Event()
    told: dict[str, Any] = {}

    async def run() -> None:
        told.update(loop=asyncio.get_running_loop(), stop=asyncio.Event())

        def listens(port: int) -> None:
            told["port"] = port
            started.set()

        await main(told["stop"], listens)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(DEADLINE)
    try:
        yield told["port"], told["loop"]
    finally:
        told["loop"].call_soon_threadsafe(told["stop"].set)
        thread.join(DEADLINE)
        assert not thread.is_alive()


@contextlib.contextmanager
def container(app: App, pool: ThreadPoolExecutor | None = None) -> Iterator[Served]:
    """Tornado's own: the app on the thread of the event loop, or the call and each ``next()`` in threads of *pool*."""

    async def main(stop: asyncio.Event, listens: Callable[[int], None]) -> None:
        server = HTTPServer(WSGIContainer(app, pool))
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        server.add_socket(listener)
        listens(listener.getsockname()[1])
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    with looping(main) as (port, loop):

        def on_loop(function: Callable[[], None]) -> None:
            async def run() -> None:
                function()

            asyncio.run_coroutine_threadsafe(run(), loop).result(DEADLINE)
            if pool is not None:
                in_each(pool, function)

        yield Served(port, on_loop, loop)


@contextlib.contextmanager
def container_with_threads(app: App) -> Iterator[Served]:
    with ThreadPoolExecutor(THREADS) as pool, container(app, pool) as served:
        yield served


@contextlib.contextmanager
def asgi(app: App, send_raises: bool = False) -> Iterator[Served]:
    """a2wsgi, behind a server of ASGI. What is sent to a client that has left is dropped, as most do, or an OSError."""
    middleware = WSGIMiddleware(cast("Any", app), workers=THREADS)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def watch() -> None:
            with contextlib.suppress(ConnectionError):
                await reader.read()
            app.note(app.left, path)

        async def send(message: Any) -> None:
            if path in app.left:
                if send_raises:
                    raise OSError("the client has left")  # as ASGI has it since 2.4
                return
            if message["type"] == "http.response.start":
                head = b"".join(b"%b: %b\r\n" % header for header in message["headers"])
                writer.write(b"HTTP/1.1 %d \r\n%bConnection: close\r\n\r\n" % (message["status"], head))
            else:
                writer.write(message.get("body", b""))
            with contextlib.suppress(ConnectionError):
                await writer.drain()

        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        watching = asyncio.create_task(watch())
        try:
            headers = [(b"host", b"localhost")]
            scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "http_version": "1.1"}
            await middleware({**scope, "headers": headers}, receive, send)  # type: ignore[arg-type]
        except Fault:
            writer.transport.abort()
        finally:
            writer.close()
            watching.cancel()

    async def main(stop: asyncio.Event, listens: Callable[[int], None]) -> None:
        if send_raises:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # a2wsgi loses the OSError
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        listens(server.sockets[0].getsockname()[1])
        await stop.wait()
        server.close()

    with middleware.executor as pool, looping(main) as (port, loop):
        yield Served(port, lambda function: in_each(pool, function), loop)


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """wsgiref's, with a thread for each connection."""

    daemon_threads = False
    #: of those that come at once: who finds no place asks the kernel again a second later, and then two
    request_queue_size = 32


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def get_stderr(self) -> Any:
        return io.StringIO()


class CarelessHandler(ServerHandler):
    """One that reads a part of each body, and never calls close()."""

    def finish_response(self) -> None:
        if self.result is not None:
            self.write(next(iter(self.result)))

    def close(self) -> None:
        self.result = None


@contextlib.contextmanager
def in_a_thread(server: BaseServer) -> Iterator[None]:
    """*server* serves for the length of the block, in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(DEADLINE)
        server.server_close()


@contextlib.contextmanager
def standard(app: App) -> Iterator[Served]:
    """The server of the standard library."""
    server = ThreadingServer(("127.0.0.1", 0), QuietHandler)
    server.set_app(app)
    with in_a_thread(server):
        yield Served(server.server_port)


@contextlib.contextmanager
def careless(app: App) -> Iterator[Served]:
    """The same with a handler that never calls close(), answering one after the other in one thread."""

    class Handler(QuietHandler):
        def handle(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if self.parse_request():
                handler = CarelessHandler(self.rfile, self.wfile, self.get_stderr(), self.get_environ())  # type: ignore[arg-type]
                handler.run(self.server.get_app())  # type: ignore[attr-defined]

    server = WSGIServer(("127.0.0.1", 0), Handler)
    server.set_app(app)
    with in_a_thread(server):
        yield Served(server.server_port)


@contextlib.contextmanager
def werkzeug(app: App) -> Iterator[Served]:
    """The development server, behind ``app.run()``."""

    class Quiet(WerkzeugHandler):
        def log(self, type: str, message: str, *args: object) -> None:
            pass

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    with in_a_thread(server):
        yield Served(server.server_port)


@contextlib.contextmanager
def gevents(app: App) -> Iterator[Served]:
    """gevent's pywsgi, in a thread with a hub of its own, unpatched."""
    started = threading.Event()
    told: dict[str, Any] = {}

    def run() -> None:
        hub = gevent.get_hub()
        hub.exception_stream = None  # pyright: ignore[reportAttributeAccessIssue]
        server = pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None, error_log=None)
        server.start()
        stop = Event()
        watcher = hub.loop.async_()
        watcher.start(stop.set)
        told.update(port=server.server_port, stop=watcher)
        started.set()
        stop.wait()
        watcher.stop()
        watcher.close()
        server.stop(timeout=1)
        hub.destroy(destroy_loop=True)

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(DEADLINE)
    try:
        yield Served(told["port"])
    finally:
        told["stop"].send()
        thread.join(DEADLINE)
        assert not thread.is_alive()


SERVERS = {
    "Tornado's container": container,
    "Tornado's container with threads": container_with_threads,
    "a2wsgi": asgi,
    "wsgiref": standard,
    "Werkzeug": werkzeug,
    "pywsgi": gevents,
}
#: those that run the steps of one body in several threads
IN_MANY_THREADS = ("Tornado's container with threads",)
#: those that notice a client that has left
NOTICING = ("wsgiref", "Werkzeug", "pywsgi")


@pytest.fixture
def app() -> App:
    app = App()
    app.logger.disabled = True
    return app


@contextlib.contextmanager
def asking(served: Served, path: str) -> Iterator[socket.socket]:
    """A connection on which *path* was asked for."""
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        yield connection


def answered(connection: socket.socket) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    data = b""
    while part := connection.recv(65536):
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        body = b"".join(body.split(b"\r\n")[1::2])
    return int(head.split(b" ")[1]), body


def unbound() -> None:
    """Nothing is left of a request in this thread."""
    assert not has_request_context()
    with pytest.raises(RuntimeError, match="no request is being handled"):
        request.path  # noqa: B018 the access is the test


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("path", ENDS)
def test_each_request_ends_once_and_leaves_nothing(name: str, app: App, path: str) -> None:
    status, error, body = ENDS[path]
    with SERVERS[name](app) as served:
        with asking(served, path) as connection:
            told, sent = answered(connection)
        ended = app.ended(path)
        with asking(served, "/whole") as connection:
            assert answered(connection) == (200, b"/whole")
        served.in_each_thread(unbound)

    assert (told, ended.error) == (status, error)
    assert body in (None, sent)
    assert ended.in_place or name in IN_MANY_THREADS
    assert [end.path for end in app.ends] == [path, "/whole"]
    assert app.unclean == []


@pytest.mark.parametrize("name", SERVERS)
def test_a_body_that_raises_ends_its_request(name: str, app: App) -> None:
    # What the client gets is the server's to say: some close the connection, Tornado's container sends nothing at all.
    with SERVERS[name](app) as served:
        with asking(served, "/breaks"):
            ended = app.ended("/breaks")
        with asking(served, "/whole") as connection:
            assert answered(connection) == (200, b"/whole")
        served.in_each_thread(unbound)

    assert ended.error == "Fault"
    assert ended.in_place or name in IN_MANY_THREADS
    assert [end.path for end in app.ends] == ["/breaks", "/whole"]


@pytest.mark.parametrize("name", SERVERS)
def test_requests_that_come_at_once_have_each_its_own(name: str, app: App) -> None:
    paths = [f"/own/{number}" for number in range(20)]

    def ask(path: str) -> tuple[int, bytes]:
        with asking(served, path) as connection:
            return answered(connection)

    with SERVERS[name](app) as served:
        with ThreadPoolExecutor(len(paths)) as pool:
            answers = list(pool.map(ask, paths))
        served.in_each_thread(unbound)

    assert answers == [(200, f"{path} {path[5:]} ".encode() * 3) for path in paths]
    assert sorted(end.path for end in app.ends) == sorted(paths)
    assert {end.error for end in app.ends} == {"NoneType"}
    assert all(end.in_place for end in app.ends) or name in IN_MANY_THREADS
    assert app.unclean == []


# Clients that leave


@contextlib.contextmanager
def leaving(served: Served, app: App, told: bool) -> Iterator[None]:
    """A client that leaves at the beginning of the block, when a part was made, and, if it is *told*, has come."""
    with asking(served, "/parts") as connection:
        app.let.release()
        app.wait_until(lambda: app.made)
        if told:
            while b"partpart" not in connection.recv(65536):  # once stands in the head
                pass
    yield


@pytest.mark.parametrize("name", NOTICING)
def test_a_client_that_leaves_ends_its_request_within_a_part_or_two(name: str, app: App) -> None:
    with SERVERS[name](app) as served, leaving(served, app, told=True):
        # The first part that comes for it is what it answers with a reset.
        for number in (2, 3):
            app.let.release()
            app.wait_until(lambda number=number: app.ends or len(app.made) == number)  # type: ignore[misc]
        ended = app.ended("/parts")

    assert ended == ("/parts", "NoneType", True)
    assert len(app.made) <= 3
    assert app.closed == ["/parts"]


@pytest.mark.parametrize("name", ["Tornado's container", "Tornado's container with threads", "a2wsgi"])
def test_where_nobody_tells_the_app_it_ends_with_its_body(name: str, app: App) -> None:
    # Tornado's container collects the whole body before it sends any of it. a2wsgi calls send(), and servers of ASGI
    # drop what is sent to a client that has left; it does not look at what receive() would tell.
    with SERVERS[name](app) as served, leaving(served, app, told=name == "a2wsgi"):
        for _ in range(PARTS - 1):
            app.let.release()
        ended = app.ended("/parts")
        served.in_each_thread(unbound)

    assert ended.error == "NoneType"
    assert ended.in_place or name in IN_MANY_THREADS
    assert app.made == ["/parts"] * PARTS
    assert app.closed == ["/parts"]


def test_where_a2wsgi_waits_for_ever_the_request_ends_with_the_event_loop(app: App) -> None:
    # A send() that raises ends the task of a2wsgi that empties its queue; what fills it waits in its thread.
    async def waits() -> bool:
        return any("Queue.put" in repr(task.get_coro()) for task in asyncio.all_tasks())

    with asgi(app, send_raises=True) as served, leaving(served, app, told=True):
        app.wait_until(lambda: app.left)
        for _ in range(PARTS - 1):
            app.let.release()
        app.wait_until(lambda: len(app.made) > 12)  # ten wait in the queue, and the next one before it
        latest = time.monotonic() + DEADLINE
        while not asyncio.run_coroutine_threadsafe(waits(), served.loop).result(DEADLINE):
            assert time.monotonic() < latest

    assert app.ended("/parts") == ("/parts", "NoneType", True)
    assert len(app.made) < PARTS
    assert app.closed == ["/parts"]


def test_a_server_that_never_closes_spoils_no_other_request(app: App, caplog: pytest.LogCaptureFixture) -> None:
    app.logger.disabled = False
    with careless(app) as served:
        with asking(served, "/stream") as connection:
            assert answered(connection) == (200, b"/stream ")
        ended = app.ended("/stream")
        with asking(served, "/whole") as connection:
            assert answered(connection) == (200, b"/whole")

    assert ended == ("/stream", "NoneType", True)
    assert [end.path for end in app.ends] == ["/stream", "/whole"]
    assert app.unclean == []
    assert "neither read to its end nor closed" in caplog.text
