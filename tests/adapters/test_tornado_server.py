"""The Tornado adapter in a server of its own: threads, back-pressure, how answers end, and mounting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
import zlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.web import Application, RequestHandler

from flask_embed import Flask, request, url_for
from flask_embed.adapters import tornado_server
from flask_embed.adapters.serving.pipe import Pipe
from flask_embed.adapters.serving.thread_pool import Threads
from flask_embed.adapters.tornado_server import WSGIHandler
from flask_embed.lifespan import lifespan
from flask_embed.options import Options
from tests.serving import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from concurrent.futures import Future

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TEXT = ("Content-Type", "text/plain")
#: what the adapter hands over at once, and what Tornado reads at once
PART, READ = 256 * 1024, 64 * 1024


class Host:
    """A Tornado server in a thread of its own, for one handler, or an application that has some."""

    def __init__(self, target: Any, handlers: Iterable[WSGIHandler], server_options: dict[str, Any]) -> None:
        self.target = target
        self.handlers = list(handlers)
        self.server_options = server_options
        self.port = 0
        self.started = threading.Event()
        self.loop: asyncio.AbstractEventLoop
        self.server: HTTPServer

    async def main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ending = asyncio.Event()
        self.server = HTTPServer(self.target, **self.server_options)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            self.server.add_socket(listener)
            self.started.set()
            await self.ending.wait()
            self.server.stop()
            for handler in self.handlers:
                await handler.close()
            await self.server.close_all_connections()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        """Run *coroutine* on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as connection:
            yield connection

    def ask(self, request: bytes) -> bytes:
        """All that comes back for *request*, whose last one has to close the connection."""
        with self.connected() as connection:
            connection.sendall(request)
            return rest(connection)


@contextlib.contextmanager
def hosting(*handlers: WSGIHandler, application: Application | None = None, **server_options: Any) -> Iterator[Host]:
    host = Host(application or handlers[0], handlers, server_options)
    thread = threading.Thread(target=lambda: asyncio.run(host.main()))
    thread.start()
    try:
        assert host.started.wait(DEADLINE)
        yield host
    finally:
        host.loop.call_soon_threadsafe(host.ending.set)
        thread.join(DEADLINE)
        assert not thread.is_alive()


def serving(app: WSGIApplication, **options: Any) -> contextlib.AbstractContextManager[Host]:
    return hosting(WSGIHandler(app, options=Options(**options)))


def rest(connection: socket.socket) -> bytes:
    """All that comes until the connection is closed; ``(reset)`` stands behind it if it was reset."""
    received = b""
    try:
        while data := connection.recv(1 << 20):
            received += data
    except ConnectionResetError:
        received += b"(reset)"
    return received


def head(target: str, *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    return "\r\n".join([f"{method} {target} {version}", "Host: localhost", *lines, "", ""]).encode()


def post(target: str, *lines: str) -> bytes:
    return head(target, *lines, method="POST")


def answer(start_response: StartResponse, body: str | bytes) -> list[bytes]:
    body = body.encode() if isinstance(body, str) else body
    start_response("200 OK", [TEXT, ("Content-Length", str(len(body)))])
    return [body]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def streams_of(host: Host, count: int) -> list[IOStream]:
    """The server's ends of its connections, when there are so many."""
    wait_until(lambda: len(host.server._connections) == count)
    return [connection.stream for connection in list(host.server._connections)]


def in_threads(count: int, function: Callable[[], object]) -> None:
    threads = [threading.Thread(target=function) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)


LAST = head("/last", "Connection: close")


# One thread and one context for a request


def test_call_iteration_and_close_are_one_job_in_one_thread_and_one_context() -> None:
    variable: ContextVar[object] = ContextVar("variable", default=None)
    local = threading.local()
    requests: list[list[tuple[int, object, object]]] = []
    before: list[object] = []
    all_threads = threading.Barrier(4)

    class Body:
        def __init__(self, seen: list[tuple[int, object, object]]) -> None:
            self.seen = seen
            self.parts = iter([b"one", b"two", b"three"])

        def look(self) -> None:
            self.seen.append((threading.get_ident(), variable.get(), local.request))

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            self.look()
            return next(self.parts)

        def close(self) -> None:
            self.look()
            requests.append(self.seen)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        before.append(variable.get())
        token = object()
        variable.set(token)
        local.request = token
        all_threads.wait(DEADLINE)
        start_response("200 OK", [TEXT])
        body = Body([(threading.get_ident(), token, token)])
        body.look()
        return body

    with serving(app, threads=4) as host:
        in_threads(20, lambda: host.ask(LAST))

    assert len(requests) == 20
    assert before == [None] * 20  # nothing of the request that had the thread before
    assert len({seen[0][0] for seen in requests}) == 4
    for seen in requests:
        assert len(seen) == 7
        assert len(set(seen)) == 1


def test_no_more_threads_than_told_answer_at_once() -> None:
    lock, two_are_here, released = threading.Lock(), threading.Semaphore(0), threading.Event()
    at_once: list[int] = []
    running = 0

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        nonlocal running
        with lock:
            running += 1
            at_once.append(running)
        two_are_here.release()
        assert released.wait(DEADLINE)
        with lock:
            running -= 1
        return answer(start_response, "done")

    answers: list[bytes] = []
    with serving(app, threads=2) as host:
        asking = threading.Thread(target=in_threads, args=(6, lambda: answers.append(host.ask(LAST))))
        asking.start()
        assert two_are_here.acquire(timeout=DEADLINE)
        assert two_are_here.acquire(timeout=DEADLINE)
        released.set()
        asking.join(DEADLINE)
    assert len(answers) == 6
    assert max(at_once) == 2


def test_a_thread_that_has_a_job_is_not_counted_on_for_the_next_one() -> None:
    threads = Threads(2)
    both_run = threading.Barrier(3)

    def meet() -> None:
        both_run.wait(DEADLINE)

    for _ in range(200):
        threads.submit(meet)
        threads.submit(meet)
        meet()
    threads.end()
    wait_until(lambda: not threads.are_busy)


def test_the_threads_end_with_the_handler() -> None:
    threads: set[threading.Thread] = set()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        threads.add(threading.current_thread())
        return answer(start_response, "done")

    with serving(app, threads=3) as host:
        in_threads(6, lambda: host.ask(LAST))
        assert all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


# Back-pressure


def test_an_upload_waits_for_the_app_and_not_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[int] = []
    put = Pipe.put

    def watched(pipe: Pipe, data: bytes) -> None:
        put(pipe, data)
        waiting.append(pipe.backlog.size)

    monkeypatch.setattr(Pipe, "put", watched)
    is_full = threading.Event()
    part = bytes(range(256)) * 4096  # 1 MiB
    size, spool = 100 * len(part), 256 * 1024

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert is_full.wait(DEADLINE)
        stream, length, checksum = environ["wsgi.input"], 0, 0
        while data := stream.read(PART):
            length += len(data)
            checksum = zlib.crc32(data, checksum)
        return answer(start_response, f"{length} {checksum}")

    when_room = Pipe.when_room

    def watched_room(pipe: Pipe, tell: Callable[[], None]) -> None:
        is_full.set()
        when_room(pipe, tell)

    monkeypatch.setattr(Pipe, "when_room", watched_room)
    checksum = 0
    with serving(app, spool=spool) as host, host.connected() as connection:
        connection.sendall(post("/", f"Content-Length: {size}", "Connection: close"))
        for _ in range(100):
            connection.sendall(part)
            checksum = zlib.crc32(part, checksum)
        received = rest(connection)
    assert received.endswith(f"\r\n\r\n{size} {checksum}".encode())
    assert spool <= max(waiting) < spool + READ


def test_a_download_waits_for_the_client_and_not_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, unsent, most = threading.Lock(), 0, 0
    has_to_wait = threading.Event()
    write = IOStream.write

    def watched(stream: Any, data: bytes) -> Any:
        nonlocal unsent, most
        written = write(stream, data)
        if not written.done():
            with lock:
                unsent += len(data)
                most = max(most, unsent)
            has_to_wait.set()
            written.add_done_callback(lambda future: taken(len(data)))
        return written

    def taken(length: int) -> None:
        nonlocal unsent
        with lock:
            unsent -= length

    monkeypatch.setattr(IOStream, "write", watched)
    part, count = bytes(1024 * 1024), 100

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [TEXT])
        return (part for _ in range(count))

    received = 0
    with serving(app) as host, host.connected() as connection:
        connection.sendall(LAST)
        assert has_to_wait.wait(DEADLINE)
        while data := connection.recv(1 << 20):
            received += len(data)
    assert received > count * len(part)
    assert 0 < most <= PART + 1000


def test_parts_are_sent_without_waiting_for_those_before() -> None:
    # Tornado lets small writes wait for the client's ACK on a connection that has had an answer.
    released = threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [TEXT])
        yield b"part"
        if environ["PATH_INFO"] == "/second":
            assert released.wait(DEADLINE)

    with serving(app) as host, host.connected() as connection:
        connection.sendall(head("/first"))
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(1000)
        connection.sendall(head("/second"))
        received = b""
        while b"part" not in received:
            received += connection.recv(1000)
        (stream,) = streams_of(host, 1)
        assert stream.socket is not None
        assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        released.set()


# Clients that leave


class Endless:
    """A body without end that tells when it is closed."""

    def __init__(self, part: bytes, waits_at: int) -> None:
        self.part = part
        self.waits_at = waits_at
        self.parts = self.parts_since = 0
        self.client_has_left = threading.Event()
        self.closed = threading.Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [TEXT])
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.parts += 1
        if self.parts == self.waits_at:
            assert self.client_has_left.wait(DEADLINE)
        self.parts_since += self.client_has_left.is_set()
        return self.part

    def close(self) -> None:
        self.closed.set()


REQUESTS = {"with its request sent": head("/"), "in the middle of it": post("/", "Content-Length: 100") + b"abc"}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
def test_a_stream_is_closed_within_a_few_parts_when_its_client_has_left(request_: bytes) -> None:
    endless = Endless(b"part", waits_at=3)
    with serving(endless) as host:
        with host.connected() as connection:
            connection.sendall(request_)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        endless.client_has_left.set()
        assert endless.closed.wait(DEADLINE)
    assert endless.parts_since < 10


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
def test_a_stream_whose_client_leaves_while_it_waits_is_closed_at_once(request_: bytes) -> None:
    endless = Endless(bytes(READ), waits_at=0)
    with serving(endless, write_timeout=10 * DEADLINE) as host:
        with host.connected() as connection:
            connection.sendall(request_)
            (stream,) = streams_of(host, 1)
            wait_until(stream.writing)
            seen: list[int] = []

            def stands_still() -> bool:
                seen.append(endless.parts)
                return len(seen) >= 10 and len(set(seen[-10:])) == 1

            wait_until(stands_still)
        assert endless.closed.wait(DEADLINE)


def test_reading_ends_when_the_client_has_left() -> None:
    found: list[object] = []
    is_reading, has_ended = threading.Event(), threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        stream = environ["wsgi.input"]
        found.append(stream.read(3))
        is_reading.set()
        try:
            found.append(stream.read())
        except OSError as error:
            found.append(str(error))
        has_ended.set()
        return answer(start_response, "nobody reads that")

    with serving(app) as host:
        with host.connected() as connection:
            connection.sendall(post("/", "Content-Length: 10") + b"abcde")
            assert is_reading.wait(DEADLINE)
        assert has_ended.wait(DEADLINE)
    assert found == [b"abc", "the body is shorter than announced"]


def test_a_request_whose_client_does_not_wait_for_the_answer_is_answered() -> None:
    done = threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["wsgi.input"].read() == b"abc":
            done.set()
        return answer(start_response, "done")

    with serving(app) as host:
        with host.connected() as connection:
            connection.sendall(post("/", "Content-Length: 3") + b"abc")
        assert done.wait(DEADLINE)


# How answers end


def failing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path, length = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/call":
        raise RuntimeError("broken at once")
    start_response("200 OK", [TEXT, *([("Content-Length", length)] if length else [])])
    if path == "/first":
        raise RuntimeError("broken before the first part")
    yield b"part"
    raise RuntimeError("broken in the middle")


@pytest.mark.parametrize("target", ["/call", "/first"])
def test_an_exception_before_the_head_is_a_500(target: str) -> None:
    with serving(failing) as host:
        received = host.ask(head(target) + LAST)
    assert received.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"\r\n\r\nInternal Server Error\nHTTP/1.1 200 OK\r\n" in received  # and the connection goes on
    assert b"broken" not in received


@pytest.mark.parametrize(
    "request_", [head("/"), head("/?10"), head("/", version="HTTP/1.0")], ids=["chunks", "length", "HTTP/1.0"]
)
def test_an_exception_behind_the_head_is_seen_by_the_client(request_: bytes) -> None:
    with serving(failing) as host:
        received = host.ask(request_ + head("/call"))
    assert received.count(b"HTTP/1.1 ") <= 1
    assert not received.endswith(b"0\r\n\r\n")
    assert received.endswith(b"(reset)")


def streams(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return (part for part in (b"one", b"two"))


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Content-Length: 10000000", "Transfer-Encoding: chunked"])
def test_an_answer_is_whole_before_the_request_is(framing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tornado_server, "LINGER_SECONDS", 10 * DEADLINE)
    with serving(streams) as host, host.connected() as connection:
        connection.sendall(post("/", framing))
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(1000)
    assert received.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert (b"Connection: close" in received) == (framing != "Content-Length: 10")


def test_a_client_that_sends_chunks_for_nobody_gets_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tornado_server, "LINGER_SECONDS", 10 * DEADLINE)
    with serving(streams) as host:
        for _ in range(5):
            with host.connected() as connection:
                connection.sendall(post("/", "Transfer-Encoding: chunked"))
                for _ in range(10):
                    connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                assert rest(connection).endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_fault_in_a_body_that_nobody_reads_is_no_second_answer() -> None:
    with serving(streams) as host, host.connected() as connection:
        connection.sendall(post("/", "Transfer-Encoding: chunked"))
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(1000)
        connection.sendall(b"no chunk\r\n" + LAST)
        assert rest(connection) in (b"", b"(reset)")


def test_what_is_left_of_a_body_is_not_taken_for_a_request() -> None:
    calls: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        calls.append(environ["PATH_INFO"])
        return answer(start_response, "not read")

    inner = head("/inner")
    with serving(app) as host:
        for size in (len(inner), 70_000):
            with host.connected() as connection:
                connection.sendall(post("/outer", f"Content-Length: {size}"))
                received = b""
                while b"not read" not in received:
                    received += connection.recv(1000)
                with contextlib.suppress(OSError):
                    connection.sendall(inner.ljust(size) + LAST)
                rest(connection)
    assert calls == ["/outer", "/last", "/outer"]


def test_old_clients_are_told_what_becomes_of_their_connection() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return answer(start_response, "known") if environ["PATH_INFO"] == "/known" else streams(environ, start_response)

    keep = "Connection: keep-alive"
    with serving(app) as host:
        known = host.ask(head("/known", keep, version="HTTP/1.0") + LAST)
        unknown = host.ask(head("/unknown", keep, version="HTTP/1.0"))
        plain = host.ask(head("/known", version="HTTP/1.0"))
    assert known.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b"Connection: keep-alive\r\n\r\nknownHTTP/1.1 " in known
    assert unknown.endswith(b"Connection: close\r\n\r\nonetwo")
    assert plain.endswith(b"Connection: close\r\n\r\nknown")


def test_headers_are_sent_as_the_app_writes_them() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("ETag", '"x"'), ("WWW-Authenticate", " Basic"), ("Date", "today")])
        return []

    with serving(app) as host:
        received = host.ask(LAST)
    assert received == (
        b'HTTP/1.1 200 OK\r\nETag: "x"\r\nWWW-Authenticate:  Basic\r\nDate: today\r\nContent-Length: 0\r\n'
        b"Connection: close\r\n\r\n"
    )


# What is refused


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post("/", "Content-Length: 101"), b"413 Content Too Large"),
        (post("/", "Content-Length: 101", "Expect: 100-continue"), b"413 Content Too Large"),
        (post("/", "Content-Length: 3", "Content-Length: 5") + b"abcde", b"400 Bad Request"),
        (post("/", "Content-Length: +3", "Expect: 100-continue"), b"400 Bad Request"),
        (post("/", "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n", b"400 Bad Request"),
        (post("/", "Transfer-Encoding: gzip"), b"501 Not Implemented"),
        (head("/" + "a" * 2000), b"414 URI Too Long"),
        (head("/", *(f"X-{number}: a" for number in range(20))), b"431 Request Header Fields Too Large"),
        (head("/", "X: " + "a" * 3000), b"431 Request Header Fields Too Large"),
        (head("no path"), b"400 Bad Request"),
        (head("nopath"), b"400 Bad Request"),
        (head("/", version="HTTP/1.2"), b"505 HTTP Version Not Supported"),
    ],
)
def test_what_is_refused_has_one_answer_and_calls_no_app(request_: bytes, status: bytes) -> None:
    calls: list[WSGIEnvironment] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        calls.append(environ)
        return answer(start_response, "answered")

    limits = {"limit_line": 1000, "limit_headers": 2000, "limit_header_count": 10, "limit_body": 100}
    with serving(app, **limits) as host:
        received = host.ask(request_ + LAST)
    assert received.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert received.count(b"HTTP/1.1 ") == 1
    assert calls == []


def test_a_body_that_grows_too_large_or_is_too_slow_is_an_error_for_the_app() -> None:
    found: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            found.append(str(error))
            raise
        return answer(start_response, "read")

    chunked = post("/", "Transfer-Encoding: chunked")
    with serving(app, limit_body=100, body_timeout=0.2) as host:
        large = host.ask(chunked + b"65\r\n" + bytes(0x65) + b"\r\n")
        slow = host.ask(chunked + b"5\r\nabc")
    assert large.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert slow.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert found == ["the body is larger than --limit-body", "the body took longer than --body-timeout"]


# Beside native handlers


class Native(RequestHandler):
    def get(self) -> None:
        self.write("native")


def test_an_app_stands_beside_native_handlers_and_other_apps() -> None:
    names: list[str] = []
    shop = Flask("shop")
    shop.on_startup(lambda: names.append("shop starts"))
    shop.on_shutdown(lambda: names.append("shop ends"))

    @shop.route("/", methods=["GET", "POST"])
    def index() -> str:
        return f"{url_for('index')} {request.path} {len(request.get_data())}"

    @validator
    def wiki(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return answer(start_response, f"wiki {environ['SCRIPT_NAME']} {environ['PATH_INFO']}")

    handlers = [WSGIHandler(shop, prefix="/shop"), WSGIHandler(wiki, prefix="/w/wiki")]
    application = Application(
        [(r"/native", Native), (r"/shop(?:/.*)?", handlers[0]), (r"/w/wiki(?:/.*)?", handlers[1])]
    )
    with lifespan(shop), hosting(*handlers, application=application) as host:
        received = host.ask(
            head("/native")
            + head("/shop/")
            + post("/shop/", "Content-Length: 3")
            + b"abc"
            + head("/w/wiki")
            + head("/w/wiki/a%2Fb")
            + head("/shopping", "Connection: close")
        )
        assert names == ["shop starts"]
    assert names == ["shop starts", "shop ends"]
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in received.split(b"HTTP/1.1 ")[1:]]
    assert bodies[:5] == [b"native", b"/shop/ / 0", b"/shop/ / 3", b"wiki /w/wiki ", b"wiki /w/wiki /a/b"]
    assert b"HTTP/1.1 404 Not Found\r\nServer: Tornado" in received


def test_bodies_stream_through_a_rule_whatever_the_hosts_limit() -> None:
    first_part = threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with what comes while it comes."""
        start_response("200 OK", [TEXT])
        stream = environ["wsgi.input"]
        while data := stream.read1():
            yield data
            first_part.set()

    handler = WSGIHandler(app, prefix="/shop")
    application = Application([(r"/native", Native), (r"/shop(?:/.*)?", handler)])
    with hosting(handler, application=application, max_body_size=1000) as host, host.connected() as connection:
        connection.sendall(post("/shop/", "Transfer-Encoding: chunked"))
        connection.sendall(b"5\r\nfirst\r\n")
        received = b""
        while b"5\r\nfirst\r\n" not in received:
            received += connection.recv(1000)
        assert first_part.wait(DEADLINE)
        connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(1 << 20)
        assert received.count(b"\0") == 0x10000
        assert host.ask(head("/native", "Connection: close")).endswith(b"native")


def test_a_host_that_believes_its_front_tells_the_app() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return answer(start_response, f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']}")

    handler = WSGIHandler(app)
    forwarded = head("/", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "Connection: close")
    with hosting(handler, application=Application([(r".*", handler)]), xheaders=True) as host:
        assert host.ask(forwarded).endswith(b"\r\n\r\n192.0.2.7 https")
    with serving(app) as host:
        assert host.ask(forwarded).endswith(b"\r\n\r\n127.0.0.1 http")


# The end


def test_a_handler_that_closes_answers_what_runs_and_cuts_what_stays() -> None:
    has_begun, released, forever = threading.Semaphore(0), threading.Event(), threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        has_begun.release()
        if environ["PATH_INFO"] == "/ends":
            assert released.wait(DEADLINE)
            return answer(start_response, "ended")
        forever.wait(DEADLINE)
        return answer(start_response, "nobody gets that")

    handler = WSGIHandler(app, options=Options(spool=1000))
    with hosting(handler) as host, host.connected() as ends, host.connected() as stays, host.connected() as idle:
        ends.sendall(head("/ends"))
        stays.sendall(post("/stays", "Content-Length: 1000000") + bytes(100_000))  # more than it takes unread
        assert has_begun.acquire(timeout=DEADLINE)
        assert has_begun.acquire(timeout=DEADLINE)

        closing = host.start(handler.close(DEADLINE))
        wait_until(lambda: handler.session.is_draining)
        released.set()
        received = rest(ends)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert received.endswith(b"Connection: close\r\n\r\nended")
        host.start(handler.close()).result(DEADLINE)
        assert rest(stays).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        idle.sendall(head("/late"))
        assert rest(idle).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        forever.set()
        closing.result(DEADLINE)


def test_a_connection_that_was_opened_before_the_end_is_answered() -> None:
    handler = WSGIHandler(lambda environ, start_response: answer(start_response, "done"))
    with hosting(handler) as host, host.connected() as connection:
        streams_of(host, 1)
        closing = host.start(handler.close(DEADLINE))
        wait_until(lambda: handler.session.is_draining)
        connection.sendall(head("/"))
        assert rest(connection).endswith(b"Connection: close\r\n\r\ndone")
        closing.result(DEADLINE)


def test_a_server_ends_beside_an_app_that_neither_reads_nor_writes() -> None:
    has_begun, forever = threading.Event(), threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [TEXT])
        yield b"part"
        has_begun.set()
        forever.wait(DEADLINE)

    with (
        hosting(WSGIHandler(app, options=Options(spool=1000))) as host,
        host.connected() as connection,
    ):
        connection.sendall(post("/", "Content-Length: 1000000") + bytes(100_000))
        assert has_begun.wait(DEADLINE)
        begun = time.monotonic()
    assert time.monotonic() - begun < DEADLINE / 2
    forever.set()


def test_requests_are_counted_and_not_connections() -> None:
    spent = threading.Event()
    handler = WSGIHandler(lambda environ, start_response: answer(start_response, "done"))
    handler.session.last_request, handler.session.stop = 3, spent.set
    with hosting(handler) as host, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(host.connected()) for _ in range(5)]
        streams_of(host, 5)
        for connection in connections[:3]:
            assert not spent.is_set()
            connection.sendall(LAST)
            rest(connection)
        assert spent.is_set()
