"""Each request is torn down once, in the thread or greenlet that began it, through the runners that serve several."""

from __future__ import annotations

import contextlib
import re
import socket
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.adapters.records import END, STDIN, asked, record
from tests.serving import DEADLINE, Runner, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """
import sys, threading, time
from collections import Counter
from itertools import count
from flask_embed import Flask, Response, g, has_request_context, request

app = Flask(__name__)
gevent = sys.modules.get("gevent")
wait = time.sleep if gevent is None else gevent.sleep
released = Counter()

class Fault(Exception):
    pass

class Timeout(BaseException):
    "Like that of gevent."

class GreenletExit(BaseException):
    "Like that of gevent."

if gevent is not None:
    from gevent import GreenletExit

ENDS = {"fault": Fault, "exit": SystemExit, "interrupt": KeyboardInterrupt, "timeout": Timeout, "kill": GreenletExit}

def stop(kind):
    if gevent is not None and kind == "timeout":
        with gevent.Timeout(0.01):
            gevent.sleep(20)
    raise ENDS[kind]

def tell(line):
    sys.stderr.write(line + "\\n")
    sys.stderr.flush()

def here():
    greenlet = sys.modules.get("greenlet")
    return threading.get_native_id(), greenlet and id(greenlet.getcurrent())

@app.before_request
def begin():
    if list(g):
        tell(f"{request.path} begins with {list(g)}")
    g.where, g.parts = here(), 0

@app.teardown_request
def end(error):
    place = "in place" if g.where == here() else "elsewhere"
    tell(f"{request.path} ended by {type(error).__name__} {place} after {g.parts}")

@app.teardown_request
def breaks(error):
    if request.args:
        stop(request.args["teardown"])

@app.on_shutdown
def shut_down():
    tell("shut down" + " in a request" * has_request_context())

@app.route("/alive")
def alive():
    return "alive"

@app.route("/whole/<n>")
def whole(n):
    return "whole"

@app.route("/view/<kind>/<n>")
def view(kind, n):
    stop(kind)

@app.route("/body/<kind>/<n>")
def body(kind, n):
    g.parts = 1
    yield "part"
    stop(kind)

class Stuck:
    def __init__(self, parts):
        self.parts = parts
    def __iter__(self):
        return self.parts
    def close(self):
        raise RuntimeError("stuck")

@app.route("/stuck/<n>")
def stuck(n):
    return Response(Stuck(iter([b"part"])))

@app.route("/stuck/<kind>/<n>", endpoint="stuck_too")
def stuck_too(kind, n):
    return Response(Stuck(body(kind, n)))

@app.route("/steps/<n>")
def steps(n):
    for g.parts in count(1):
        while released[n] < g.parts:
            wait(0.005)
        yield "part" * 100

@app.route("/release/<n>")
def release(n):
    released[n] += 1
    return "released"

@app.route("/endless/<n>")
def endless(n):
    for g.parts in count(1):
        yield "part" * 100
        wait(0.005)

@app.route("/reads/<n>", methods=["POST"])
def reads(n):
    tell(f"{request.path} reads")
    return request.get_data()

raw_closed = []

def raw(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Stuck(raw_parts(environ["PATH_INFO"][1:]))

def raw_parts(kind):
    yield b"part"
    stop(kind)
"""

RUNNERS = {
    "gevent": ["gevent"],
    "gevent that patches nothing": ["gevent", "--no-patch"],
    "tornado": ["tornado"],
    "fastcgi": ["fastcgi"],
}
#: how an app may end a request, and what teardown functions are told then
ENDS = {
    "fault": "Fault",
    "exit": "SystemExit",
    "interrupt": "KeyboardInterrupt",
    "timeout": "Timeout",
    "kill": "GreenletExit",
}

_numbers = count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apps")
    (folder / "ending.py").write_text(APP)
    return folder


@pytest.fixture(scope="module", params=RUNNERS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@contextlib.contextmanager
def running(name: str, folder: Path, *options: str, app: str = "app") -> Iterator[Runner]:
    """A runner; at its end, each request was torn down once, and where it was begun."""
    runner, *own = RUNNERS[name]
    with serving(runner, f"ending:{app}", "--bind", "127.0.0.1:0", *own, *options, cwd=folder) as started:
        yield started
        assert started.process.poll() is None, "".join(started.lines)
    told = [line for line in started.lines if " ended by " in line and not line.startswith(("/alive ", "/release/"))]
    assert sorted({line.split()[0] for line in told}) == sorted(line.split()[0] for line in told)
    assert [line for line in started.lines if "elsewhere" in line or "begins with" in line] == []


@pytest.fixture(scope="module")
def runner(name: str, folder: Path) -> Iterator[Runner]:
    with running(name, folder) as started:
        yield started


def request_for(runner: Runner, path: str) -> bytes:
    """A request that closes its connection."""
    if "fcgi:" in runner.first_line:
        path, _, query = path.partition("?")
        return asked(path, variables={"QUERY_STRING": query})
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


@contextlib.contextmanager
def asking(runner: Runner, request: bytes) -> Iterator[socket.socket]:
    """A connection on which *request* was sent; it is closed, read or not, at the end of the block."""
    with socket.create_connection((runner.host, runner.port), DEADLINE) as connection:
        connection.sendall(request)
        yield connection


def received(connection: socket.socket, until: bytes = b"") -> bytes:
    """The bytes received up to *until*, or until the connection is closed or reset."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while not (until and until in data) and (more := connection.recv(65536)):
            data += more
    return data


def ask(runner: Runner, path: str) -> bytes:
    """The bytes received for a request."""
    with asking(runner, request_for(runner, path)) as connection:
        return received(connection)


def is_whole(answer: bytes) -> bool:
    """True if the body was sent to its end: the last chunk, or the last record, is there."""
    return answer.endswith((b"\r\n0\r\n\r\n", record(END, bytes(8))))


def ended(runner: Runner, path: str, error: str, parts: int = 0) -> None:
    """Check that the request for *path* ended with this error, and that the worker serves on."""
    runner.wait_for(f"{path} ended by {error} in place after {parts}")
    assert b"alive" in ask(runner, "/alive")


def a_number() -> str:
    return str(next(_numbers))


@pytest.mark.parametrize("kind", ENDS)
def test_a_view_that_ends_ends_its_request(runner: Runner, kind: str) -> None:
    path = f"/view/{kind}/{a_number()}"

    answer = ask(runner, path)

    status = b"500 INTERNAL SERVER ERROR" if kind == "fault" else b"503 Service Unavailable"
    assert re.match(rb"(?:HTTP/1\.1|.{8}Status:) " + status, answer, re.DOTALL), answer
    ended(runner, path, ENDS[kind])


@pytest.mark.parametrize("kind", ENDS)
def test_a_body_that_ends_ends_its_request(runner: Runner, kind: str) -> None:
    path = f"/body/{kind}/{a_number()}"

    answer = ask(runner, path)

    assert b"part" in answer
    assert not is_whole(answer)
    ended(runner, path, ENDS[kind], 1)


@pytest.mark.parametrize("kind", ENDS)
def test_so_does_one_that_cannot_be_closed(runner: Runner, kind: str) -> None:
    path = f"/stuck/{kind}/{a_number()}"

    assert b"part" in ask(runner, path)

    ended(runner, path, ENDS[kind], 1)


def test_a_body_that_is_whole_and_cannot_be_closed_is_sent(runner: Runner) -> None:
    path = f"/stuck/{a_number()}"

    answer = ask(runner, path)

    assert b"part" in answer
    assert is_whole(answer)
    ended(runner, path, "RuntimeError")


@pytest.mark.parametrize("kind", ENDS)
def test_a_teardown_function_that_ends_keeps_no_other_from_its_turn(runner: Runner, kind: str) -> None:
    path = f"/whole/{a_number()}"

    answer = ask(runner, f"{path}?teardown={kind}")

    # What is no error is not for an app to answer, not even behind its view.
    assert (b"whole" if kind == "fault" else b"503 Service Unavailable") in answer
    ended(runner, path, "NoneType")


def test_a_client_that_leaves_ends_its_request_within_a_part_or_two(runner: Runner) -> None:
    number = a_number()
    assert b"released" in ask(runner, f"/release/{number}")
    with asking(runner, request_for(runner, f"/steps/{number}")) as connection:
        assert b"part" in received(connection, until=b"part")

    # The first part that comes for a client that has left is what it answers with a reset.
    lines = [f"/steps/{number} ended by NoneType in place after {parts}\n" for parts in (2, 3)]
    for _ in lines:
        if not set(lines) & set(runner.lines):
            assert b"released" in ask(runner, f"/release/{number}")
    with runner.written:
        assert runner.written.wait_for(lambda: set(lines) & set(runner.lines), DEADLINE), runner.lines


@pytest.fixture(scope="module")
def raw(name: str, folder: Path) -> Iterator[Runner]:
    """A runner of an app without a framework."""
    with running(name, folder, app="raw") as started:
        yield started


def test_what_is_no_error_is_not_lost_to_a_close_that_raises(raw: Runner, name: str) -> None:
    assert b"part" in ask(raw, "/exit")

    raw.wait_for("  RuntimeError: stuck")
    raw.wait_for("  SystemExit")
    if name.startswith("gevent"):
        # The greenlet of the connection ends, whatever a close() says.
        with asking(raw, b"GET /kill HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
            assert b"part" in received(connection)
        with raw.written:
            stuck = "  RuntimeError: stuck\n"
            assert raw.written.wait_for(lambda: sum(stuck in line for line in raw.lines) == 2, DEADLINE)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_cut_when_the_server_ends_is_torn_down_before_that(name: str, folder: Path, workers: str) -> None:
    number = a_number()
    reads, endless = f"/reads/{number}", f"/endless/{number}"
    runner_name, *own = RUNNERS[name]
    own += ["--graceful-timeout", "0.2", "--workers", workers]
    with serving(runner_name, "ending:app", "--bind", "127.0.0.1:0", *own, cwd=folder) as runner:
        upload = f"POST {reads} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n".encode()
        if name == "fastcgi":
            upload = asked(reads, "POST", variables={"CONTENT_LENGTH": "10"}).removesuffix(record(STDIN))
        with asking(runner, request_for(runner, endless)) as stream, asking(runner, upload):
            assert b"part" in received(stream, until=b"part")
            runner.wait_for(f"{reads} reads")
            assert runner.stop() == 0

    told = [line for line in runner.lines if " ended by " in line or line.startswith("shut down")]
    # A worker that was not ready yet has nothing to shut down.
    assert sorted({line.split()[0] for line in told}) == [endless, reads, "shut"]
    assert sum("in place" in line for line in told) == 2
    if workers == "1":
        assert told[-1] == "shut down\n"


def test_what_is_cut_when_it_waits_for_a_thread_is_not_begun(folder: Path) -> None:
    for name in ("tornado", "fastcgi"):
        number = a_number()
        options = ["--graceful-timeout", "0.2", "--threads", "1"]
        with (
            serving(name, "ending:app", "--bind", "127.0.0.1:0", *options, cwd=folder) as runner,
            asking(runner, request_for(runner, f"/endless/{number}")) as stream,
        ):
            assert b"part" in received(stream, until=b"part")
            with asking(runner, request_for(runner, f"/whole/{number}")) as waiting:
                assert runner.stop() == 0
                assert b"whole" not in received(waiting)

        (told,) = [line for line in runner.lines if " ended by " in line]
        assert told.startswith(f"/endless/{number} ")
