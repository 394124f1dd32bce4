"""Connections to both HTTP runners through raw sockets: bodies, waits, and what each side is sent."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.serving import DEADLINE, Runner, serving, unix_socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """
import sys, threading
from wsgiref.validate import validator
from flask_embed.middleware import DispatcherMiddleware

TEXT = ("Content-Type", "text/plain")

def answer(start_response, body, *headers):
    body = body.encode()
    start_response("200 OK", [TEXT, ("Content-Length", str(len(body))), *headers])
    return [body]

def echo(environ, start_response):
    return answer(start_response, f"{environ['REQUEST_METHOD']} {len(environ['wsgi.input'].read())}")

def pieces(environ, start_response):
    stream = environ["wsgi.input"]
    return answer(start_response, repr([stream.read(3), stream.readline(), list(stream), stream.read()]))

def never_reads(environ, start_response):
    return answer(start_response, "no thanks")

def refuses(environ, start_response):
    start_response("403 Forbidden", [TEXT, ("Content-Length", "2")])
    return [b"no"]

def reads_and_tells(environ, start_response):
    try:
        environ["wsgi.input"].read()
    except OSError as error:
        print("the body failed:", error, file=sys.stderr, flush=True)
        raise
    return answer(start_response, "read")

class Endless:
    def __iter__(self):
        return self
    def __next__(self):
        return bytes(65536)
    def close(self):
        print("the stream was closed", file=sys.stderr, flush=True)

def endless(environ, start_response):
    start_response("200 OK", [TEXT])
    return Endless()

def leaves(environ, start_response):
    sys.exit("an app has no say in that")

class Timeout(BaseException):
    "Like that of gevent."

def times_out(environ, start_response):
    raise Timeout(1)

def file(environ, start_response):
    start_response("200 OK", [TEXT])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"), 100)

def seen(environ, start_response):
    names = ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "SERVER_PROTOCOL", "SERVER_NAME", "REMOTE_ADDR",
             "HTTP_HOST", "HTTP_X_ONE", "HTTP_COOKIE", "HTTP_PROXY", "wsgi.multithread", "wsgi.multiprocess")
    return answer(start_response, "|".join(str(environ.get(name)) for name in names))

kept = []

def keeps_its_input(environ, start_response):
    kept.append(environ["wsgi.input"])
    return answer(start_response, "kept")

def reads_what_was_kept(environ, start_response):
    try:
        found = kept[0].read()
    except ValueError as error:
        found = f"ValueError: {error}"
    return answer(start_response, str(found))

@validator
def checked(environ, start_response):
    return answer(start_response, f"{environ['REQUEST_METHOD']} {environ['wsgi.input'].read(1000)}")

views = [echo, pieces, never_reads, refuses, reads_and_tells, endless, leaves, times_out, file, seen, keeps_its_input,
         reads_what_was_kept]
app = DispatcherMiddleware(None, {"/checked": checked, **{f"/{view.__name__}": view for view in views}})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apps")
    (folder / "raw.py").write_text(APP)
    return folder


@pytest.fixture(scope="module", params=["gevent", "tornado"])
def name(request: pytest.FixtureRequest) -> str:
    """The name of a runner."""
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def runner(name: str, folder: Path) -> Iterator[Runner]:
    with serving(name, "raw:app", "--bind", "127.0.0.1:0", cwd=folder) as runner:
        yield runner


@pytest.fixture(scope="module")
def hurried(name: str, folder: Path) -> Iterator[Runner]:
    """A runner with short waits."""
    waits = [f"--{wait}=0.2" for wait in ("header-timeout", "body-timeout", "keep-alive", "write-timeout")]
    with serving(name, "raw:app", "--bind", "127.0.0.1:0", *waits, cwd=folder) as runner:
        yield runner


@contextlib.contextmanager
def connected(runner: Runner) -> Iterator[socket.socket]:
    with socket.create_connection((runner.host, runner.port), DEADLINE) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """The bytes received until the connection is closed, or reset."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return received


def ask(runner: Runner, request: bytes) -> bytes:
    """The bytes received for *request*, whose last request must close the connection."""
    with connected(runner) as connection:
        connection.sendall(request)
        return rest(connection)


def head(target: str, *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


LAST = head("/seen", "Connection: close")


def bodies(received: bytes) -> list[bytes]:
    """The bodies of answers that all have a Content-Length."""
    found = []
    while received:
        one, _, received = received.partition(b"\r\n\r\n")
        length = int(one.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        found.append(received[:length])
        received = received[length:]
    return found


def test_the_environ_is_what_was_sent(runner: Runner) -> None:
    lines = [
        "X-One: 1",
        "X-One: 2",
        "X_One: 3",
        "Cookie: a=1",
        "Cookie: b=2",
        "Proxy: http://evil",
        "Connection: close",
    ]
    received = ask(runner, head("/seen/%C3%BC/a%2Fb?x=%20", *lines))
    assert bodies(received) == [
        "/seen|/Ã¼/a/b|x=%20|/seen/%C3%BC/a%2Fb?x=%20|HTTP/1.1|127.0.0.1|127.0.0.1|localhost|1,2|a=1; b=2|"
        "None|True|False".encode()
    ]


def test_a_unix_socket_has_no_address(name: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with (
        serving(name, "raw:app", "--bind", f"unix:{path}", cwd=folder),
        contextlib.closing(unix_socket(str(path))) as connection,
    ):
        connection.sendall(LAST)
        (body,) = bodies(rest(connection))
    assert body == b"/seen|||/seen|HTTP/1.1|localhost||localhost|None|None|None|True|False"


def test_requests_that_come_at_once_are_answered_in_turn(runner: Runner) -> None:
    post = head("/echo", "Content-Length: 4", method="POST") + b"GET "
    chunked = head("/echo", "Transfer-Encoding: chunked", method="PUT") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    unread = head("/never_reads", "Content-Length: 5", method="POST") + b"GET /"
    received = ask(runner, post + chunked + unread + head("/echo") + LAST)
    assert bodies(received)[:-1] == [b"POST 4", b"PUT 5", b"no thanks", b"GET 0"]


def test_a_body_is_a_file(runner: Runner) -> None:
    body = b"abcdef\nline\nlast"
    received = ask(runner, head("/pieces", f"Content-Length: {len(body)}", "Connection: close", method="POST") + body)
    assert bodies(received) == [b"[b'abc', b'def\\n', [b'line\\n', b'last'], b'']"]


def test_the_validator_of_the_standard_library_has_no_objection(runner: Runner) -> None:
    post = head("/checked", "Content-Length: 3", method="POST") + b"abc"
    received = ask(runner, head("/checked/x?y") + post + head("/checked", "Connection: close"))
    assert bodies(received) == [b"GET b''", b"POST b'abc'", b"GET b''"]


def test_a_client_that_waits_for_a_word_gets_it_when_the_app_reads(runner: Runner) -> None:
    with connected(runner) as connection:
        connection.sendall(
            head("/echo", "Content-Length: 3", "Expect: 100-continue", "Connection: close", method="POST")
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        assert bodies(rest(connection)) == [b"POST 3"]


def test_a_client_that_waits_for_a_word_and_is_refused_stays_in_step(runner: Runner, name: str) -> None:
    body = b"GET /seen HTTP/1.1\r\nHost: localhost\r\n\r\n"
    request = head("/refuses", f"Content-Length: {len(body)}", "Expect: 100-continue", method="POST")
    with connected(runner) as connection:
        connection.sendall(request)
        received = connection.recv(1000)
        with contextlib.suppress(OSError):
            connection.sendall(body + head("/echo", "Connection: close"))
        received += rest(connection)
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", received)
    # gevent: nobody knows whether the body will come, so the connection ends. Tornado asks for the body by itself.
    assert statuses == ([b"403"] if name == "gevent" else [b"100", b"403", b"200"])


def test_a_large_body_that_nobody_reads_ends_the_connection_and_not_the_answer(runner: Runner) -> None:
    with connected(runner) as connection:
        sender = threading.Thread(target=_send_all_of, args=(connection, bytes(5_000_000)))
        connection.sendall(head("/never_reads", "Content-Length: 5000000", method="POST"))
        sender.start()
        received = rest(connection)
        sender.join(DEADLINE)
    assert bodies(received) == [b"no thanks"]
    assert b"Connection: close" in received


def _send_all_of(connection: socket.socket, body: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(body)


def test_what_is_kept_of_a_body_reads_nothing_of_the_next_one(runner: Runner) -> None:
    kept = head("/keeps_its_input", "Content-Length: 1", method="POST") + b"x"
    last = head("/reads_what_was_kept", "Content-Length: 6", "Connection: close", method="POST") + b"secret"
    # A thread of Tornado's may close its own after its answer was read, and the next request answered.
    assert bodies(ask(runner, kept + last))[1].startswith((b"ValueError", b"b'x'"))


@pytest.mark.parametrize("view", ["leaves", "times_out"])
def test_what_is_no_error_ends_the_request_and_not_the_server(runner: Runner, view: str) -> None:
    assert ask(runner, head(f"/{view}")).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert ask(runner, LAST).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_file_is_wrapped(runner: Runner) -> None:
    with contextlib.closing(runner.connect()) as connection:
        connection.request("GET", "/file")
        assert connection.getresponse().read().decode() == APP


def test_a_stream_is_closed_when_its_client_has_left(runner: Runner) -> None:
    with connected(runner) as connection:
        connection.sendall(head("/endless"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    runner.wait_for("the stream was closed")


def test_a_stream_that_is_read_at_once_lets_others_be_answered(runner: Runner) -> None:
    with connected(runner) as greedy:
        greedy.sendall(head("/endless"))
        over = threading.Event()
        reader = threading.Thread(target=_read_until, args=(greedy, over))
        reader.start()
        try:
            assert ask(runner, LAST).startswith(b"HTTP/1.1 200 OK\r\n")
        finally:
            over.set()
            reader.join(DEADLINE)


def _read_until(connection: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        connection.recv(1 << 20)


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: local"])
def test_a_head_that_takes_too_long_ends_the_connection(hurried: Runner, name: str, begun: bytes) -> None:
    # Tornado says nothing then.
    status = b"HTTP/1.1 408 Request Timeout" if begun and name == "gevent" else b""
    assert ask(hurried, begun).split(b"\r\n")[0] == status


@pytest.mark.parametrize(
    "begun",
    [
        head("/echo", "Content-Length: 5", method="POST") + b"abc",
        head("/echo", "Transfer-Encoding: chunked", method="POST") + b"5\r\nabc",
    ],
)
def test_a_body_that_takes_too_long_is_told_and_ends_the_connection(hurried: Runner, begun: bytes) -> None:
    assert ask(hurried, begun).split(b"\r\n")[0] == b"HTTP/1.1 408 Request Timeout"


def test_a_connection_without_another_request_is_closed(hurried: Runner) -> None:
    assert bodies(ask(hurried, head("/echo"))) == [b"GET 0"]


def test_a_client_that_does_not_read_is_left(hurried: Runner) -> None:
    with connected(hurried) as connection:
        connection.sendall(head("/endless"))
        hurried.wait_for("the stream was closed")


def test_a_body_that_ends_too_early_is_told_to_the_app(runner: Runner, name: str) -> None:
    with connected(runner) as connection:
        connection.sendall(head("/reads_and_tells", "Content-Length: 10", method="POST") + b"abc")
        connection.shutdown(socket.SHUT_WR)
        # For Tornado, who has sent all has gone.
        assert rest(connection).startswith(b"HTTP/1.1 400 Bad Request\r\n" if name == "gevent" else b"")
    runner.wait_for("the body failed: the body is shorter than announced")


@pytest.mark.parametrize("framing", ["Content-Length: 200", "Transfer-Encoding: chunked"])
def test_a_body_over_the_limit_is_refused(name: str, folder: Path, framing: str) -> None:
    with serving(name, "raw:app", "--bind", "127.0.0.1:0", "--limit-body", "100", cwd=folder) as runner:
        body = bytes(200) if "200" in framing else b"c8\r\n" + bytes(200) + b"\r\n0\r\n\r\n"
        received = ask(runner, head("/echo", framing, method="POST") + body)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.count(b"HTTP/1.1 ") == 1


def test_options_asks_the_server_itself(runner: Runner) -> None:
    assert ask(runner, head("*", "Connection: close", method="OPTIONS")).startswith(b"HTTP/1.1 204 No Content\r\n")


def test_each_request_is_a_line_of_the_access_log(name: str, folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with serving(name, "raw:app", "--bind", "127.0.0.1:0", "--access-logfile", str(log), cwd=folder) as runner:
        ask(runner, head("/echo?q=1", 'User-Agent: a"b', "Cookie: secret", "Connection: close"))
        ask(runner, b"GET /echo HTTP/1.1\r\n\r\n")
    # The one that is refused may be done with before the one that is answered in a thread is written down.
    first, second = sorted(log.read_text().splitlines(), key=lambda line: '" 400 ' in line)
    assert first.startswith("127.0.0.1 - - [")
    assert first.endswith('] "GET /echo?q=1 HTTP/1.1" 200 5 "-" "a\\x22b"')
    assert second.endswith('] "GET /echo HTTP/1.1" 400 12 "-" "-"')
    assert "secret" not in first
