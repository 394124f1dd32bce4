"""The promises about a served app, kept by each runner: how it is started, and the requests that reach it.

Bytes on the wire of HTTP are in test_wire.py beside it, those of FastCGI in tests/runners/test_fastcgi.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from tests.adapters.records import Peer, asked
from tests.runners.asking import HTTP, RUNNERS, asking
from tests.security.checks import absent, check, equal, one_of, present
from tests.serving import DEADLINE, Runner, fails, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.runners.asking import Ask

APP = r"""
import contextvars, json, os, sys, threading, time
from flask_embed import Flask, Response, request

seen = contextvars.ContextVar("seen", default="nothing")
local = threading.local()
app = Flask(__name__)
app.secret_key = "secret"

@app.route("/")
def index():
    return "index"

@app.route("/url")
def url():
    from flask_embed import url_for
    return url_for("index")

@app.route("/environ")
def environ():
    told = {key: value for key, value in request.environ.items() if type(value) is str}
    return {"environ": told, "os": dict(os.environ)}

@app.route("/prints")
def prints():
    print("printed by a view")
    os.write(1, b"written by a view\n")
    return "not printed"

@app.route("/exits")
def exits():
    sys.exit("left by a view")

@app.route("/fails")
def fails():
    raise RuntimeError("told to the log alone")

@app.route("/whole")
def whole():
    return "whole"

@app.route("/empty")
def empty():
    return "a body", 204

@app.route("/slow")
def slow():
    print("a slow request has begun", file=sys.stderr, flush=True)
    time.sleep(1)
    return "answered"

class Body:
    # Tells in which threads and contexts it is made, read and closed.
    def __init__(self):
        self.where = [self.here()]
        self.left = 3
        seen.set("something")
        local.user = "somebody"
    def here(self):
        return threading.get_ident(), id(contextvars.copy_context().get(marker))
    def __iter__(self):
        return self
    def __next__(self):
        self.where.append(self.here())
        self.left -= 1
        if self.left < 0:
            raise StopIteration
        time.sleep(0.005)
        return b"part "
    def close(self):
        self.where.append(self.here())
        is_one = len(set(self.where)) == 1 and len(self.where) == 6
        sys.stderr.write("closed once\n" if is_one else f"closed as {self.where}\n")
        sys.stderr.flush()

marker = contextvars.ContextVar("marker", default=None)

def raw(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/body":
        if seen.get() != "nothing":
            print("a context is another's", file=sys.stderr, flush=True)
        marker.set(object())
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()
    status, headers = "200 OK", [("Content-Type", "text/plain")]
    if path == "/value":
        headers.append(("X-Split", "a\r\nX-Forged: b"))
    if path == "/name":
        headers.append(("X-Split: a\r\nX-Forged", "b"))
    if path == "/space":
        headers.append(("X Split", "b"))
    if path == "/status":
        status = "200 OK\r\nX-Forged: b"
    if path == "/nul":
        headers.append(("X-Split", "a\0b"))
    if path == "/latin":
        headers.append(("X-Snowman", "\u2603"))
    start_response(status, headers)
    return [b"answered"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    (folder / "shop.py").write_text(APP)
    return folder


@pytest.fixture(scope="module", params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def ask(runner: str, folder: Path) -> Iterator[Ask]:
    """Asks the app."""
    with asking(runner, "shop:app", folder) as ask:
        yield ask


@pytest.fixture(scope="module")
def ask_raw(runner: str, folder: Path) -> Iterator[Ask]:
    """Asks what answers without a framework."""
    (folder / runner).mkdir()
    with asking(runner, "shop:raw", folder / runner, "--chdir", str(folder)) as ask:
        yield ask


def log_of(ask: Ask, mark: str, count: int) -> str:
    """The log of a server once *mark* stands there so often; it may be written later than the answer is read."""
    latest = monotonic() + DEADLINE
    while (log := ask("/").log).count(mark) < count and log and monotonic() < latest:
        pass
    return log


# Prefixes, schemes and what clients claim


@pytest.mark.parametrize(
    "script_name", ["//evil.example", "/\\evil.example", "/a/../b", "/app\r\nX: 1", "/a b\x1b", "app"]
)
def test_promise_016_017_019_a_script_name_that_is_none_is_refused(runner: str, ask: Ask, script_name: str) -> None:
    if runner in HTTP:
        # No request sets it there: the options do.
        answer = ask("/url", HTTP_SCRIPT_NAME="/evil.example")
        equal((answer.status, answer.body), (200, b"/"))
        return

    answer = ask("/url", SCRIPT_NAME=script_name)

    equal((answer.status, answer.body), (400, b"Bad Request\n"))


CLAIMS = {
    "HTTP_X_FORWARDED_PREFIX": "/evil",
    "HTTP_X_FORWARDED_PROTO": "javascript",
    "HTTP_X_FORWARDED_HOST": "evil.example/x",
    "HTTP_SCRIPT_NAME": "/evil",
    "HTTP_PATH_INFO": "/evil",
    "HTTP_X_SCRIPT_NAME": "/evil",
}


def test_promise_020_023_136_what_a_client_claims_counts_for_nothing(ask: Ask) -> None:
    answer = ask("/environ", **CLAIMS)

    environ = json.loads(answer.body)["environ"]
    equal([environ[key] for key in ("SCRIPT_NAME", "PATH_INFO", "wsgi.url_scheme")], ["", "/environ", "http"])
    one_of(environ["HTTP_HOST"].partition(":")[0], ("localhost", "127.0.0.1"))


@pytest.fixture(scope="module")
def ask_behind_proxy(runner: str, folder: Path) -> Iterator[Ask]:
    (folder / f"{runner}-proxy").mkdir()
    with asking(runner, "shop:app", folder / f"{runner}-proxy", "--chdir", str(folder), "--trust-proxy", "1") as ask:
        yield ask


@pytest.mark.parametrize("prefix", ["//evil.example", "/a/../b", "/a b", "javascript:", "/%0d%0a", "/" + "a" * 300])
def test_promise_021_a_prefix_of_a_trusted_proxy_is_one_or_the_request_is_refused(
    ask_behind_proxy: Ask, prefix: str
) -> None:
    equal(ask_behind_proxy("/url", HTTP_X_FORWARDED_PREFIX="/app").body, b"/app/")

    equal(ask_behind_proxy("/url", HTTP_X_FORWARDED_PREFIX=prefix).status, 400)


@pytest.mark.parametrize(
    "claim", [{"HTTP_X_FORWARDED_PROTO": "javascript"}, {"HTTP_X_FORWARDED_HOST": "evil.example/x"}], ids=str
)
def test_promise_021_136_so_are_its_scheme_and_its_host(ask_behind_proxy: Ask, claim: dict[str, str]) -> None:
    equal(ask_behind_proxy("/url", **claim).status, 400)


def test_promise_128_the_proxy_header_is_no_setting(ask: Ask) -> None:
    answer = ask("/environ", HTTP_PROXY="http://evil.example")

    told = json.loads(answer.body)
    equal([set(told[part]) & {"HTTP_PROXY", "http_proxy"} for part in ("environ", "os")], [set(), set()])


# Lengths


@pytest.mark.parametrize("length", ["-1", "+3", "1_0", "abc", " 3 x", "9" * 30])
def test_promise_070_a_length_that_is_no_number_is_refused(runner: str, ask: Ask, length: str) -> None:
    answer = ask("/", CONTENT_LENGTH=length) if runner not in HTTP else ask("/", HTTP_CONTENT_LENGTH=length)

    equal(answer.status, 400)


# Answers


@pytest.mark.parametrize(
    "path",
    ["/value", "/nul", "/name", "/space", "/status", "/latin"],
)
def test_promise_075_076_077_078_what_no_head_may_hold_is_a_500_and_forges_nothing(ask_raw: Ask, path: str) -> None:
    answer = ask_raw(path)

    equal((answer.status, answer.body), (500, b"Internal Server Error\n"))
    equal([name for name in answer.headers if "forged" in name or "split" in name or "snow" in name], [])
    equal(ask_raw("/").status, 200)


def test_promise_081_where_no_body_may_be_there_is_none(ask: Ask) -> None:
    answer = ask("/empty")

    equal((answer.status, answer.body), (204, b""))
    equal(answer.headers.get("content-length"), None)
    equal(ask("/whole").body, b"whole")


def test_promise_088_a_fault_is_told_to_the_log_alone(ask: Ask) -> None:
    answer = ask("/fails")

    equal((answer.status, answer.headers["content-type"]), (500, "text/html; charset=utf-8"))
    absent(b"told", answer.body)
    absent(b"/", answer.body.replace(b"</", b""))
    present("RuntimeError: told to the log alone", answer.log + log_of(ask, "RuntimeError: told to the log alone\n", 1))


def test_promise_096_a_path_that_is_no_text_is_not_found(runner: str, ask: Ask) -> None:
    path = "/%ff" if runner in HTTP else "/\xff"

    equal(ask(path).status, 404)


@pytest.mark.parametrize("mark", ["\n", "\x1b[31m", "\u2028"])
def test_promise_089_091_a_request_is_one_line_of_the_log_without_its_secrets(
    folder: Path, runner: str, mark: str, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    options = ["--chdir", str(folder), "--access-logfile", str(log)]
    escaped = {"\n": "%0A", "\x1b[31m": "%1B[31m", "\u2028": "%E2%80%A8"}[mark]
    with asking(runner, "shop:app", tmp_path, *options) as ask:
        path = f"/a{escaped}" if runner in HTTP else "/a" + mark.encode().decode("latin-1")
        secrets = {"HTTP_AUTHORIZATION": "Basic hush", "HTTP_COOKIE": "session=hush"}
        answer = ask(path, HTTP_USER_AGENT="a\tb", REQUEST_URI=f"/a{escaped}", **secrets)

    one_of(answer.status, (404, 400))
    written = log.read_text()
    equal(written.count("\n"), 1, written)
    for absent_one in ("hush", "\x1b", "\u2028", "\t"):
        absent(absent_one, written + answer.log.replace("\t", " "))


def test_promise_129_what_is_printed_is_no_part_of_the_answer(ask: Ask) -> None:
    answer = ask("/prints")

    equal((answer.status, answer.body), (200, b"not printed"))


def test_promise_129_nor_does_an_app_that_exits_end_the_server(ask: Ask) -> None:
    one_of(ask("/exits").status, (500, 503))

    equal(ask("/whole").body, b"whole")


# Threads and contexts


def test_promise_103_call_body_and_close_are_in_one_thread_and_in_a_context_of_their_own(
    runner: str, folder: Path, tmp_path: Path
) -> None:
    if runner == "cgi":
        with asking(runner, "shop:raw", folder) as ask:
            equal((ask("/body").body, ask("/body").log), (b"part part part ", "closed once\n"))
        return
    threads = [] if runner == "gevent" else ["--threads", "4"]
    bodies: list[bytes] = []
    with asking(runner, "shop:raw", tmp_path, "--chdir", str(folder), *threads) as ask:
        clients = [threading.Thread(target=lambda: bodies.append(ask("/body").body)) for _ in range(20)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(DEADLINE)
        lines = log_of(ask, "\n", 21).splitlines()[1:]

    equal(bodies, [b"part part part "] * 20)
    equal(lines, ["closed once"] * 20)


# Time


@pytest.fixture(scope="module", params=HTTP)
def hurried(request: pytest.FixtureRequest, folder: Path) -> Iterator[Runner]:
    """A server whose clients have to hurry."""
    waits = ["--header-timeout", "1", "--body-timeout", "1", "--keep-alive", "1"]
    with serving(request.param, "shop:app", "--bind", "127.0.0.1:0", *waits, cwd=folder) as runner:
        yield runner


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1",
    ],
    ids=["in the head", "in the body"],
)
def test_promise_119_120_two_hundred_slow_clients_keep_nobody_waiting_and_are_closed(
    hurried: Runner, sent: bytes
) -> None:
    with contextlib.ExitStack() as stack:
        address = (hurried.host, hurried.port)
        slow = [stack.enter_context(socket.create_connection(address, DEADLINE)) for _ in range(200)]
        for connection in slow:
            connection.sendall(sent)

        equal(hurried.get("/whole")[::2], (200, b"whole"), "the answer to another client")
        for connection in slow:
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(65536):
                    pass


def test_promise_123_a_request_that_runs_is_answered_and_no_other_accepted(
    runner: str, folder: Path, tmp_path: Path
) -> None:
    if runner == "cgi":
        return  # there is nothing to stop: the process ends with its request
    path = tmp_path / "stops.sock"
    with serving(runner, "shop:app", "--bind", f"unix:{path}", cwd=folder) as server:
        with contextlib.ExitStack() as stack:
            answered = stack.enter_context(contextlib.closing(_begin(runner, server, "/slow")))
            server.wait_for("a slow request has begun")
            server.process.send_signal(signal.SIGTERM)
            present(b"answered", answered.read())
        equal(server.process.wait(DEADLINE), 0, "the exit status")
    check(not path.exists(), "the socket is still there")


class _Answer:
    """The bytes that come until the server closes the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self) -> bytes:
        data = b""
        while part := self._connection.recv(65536):
            data += part
        return data

    def close(self) -> None:
        self._connection.close()


def _begin(runner: str, server: Runner, path: str) -> _Answer:
    """Ask over a connection of its own, and wait for nothing."""
    if runner == "fastcgi":
        peer = Peer(server.path)
        peer.send(asked(path))
        return _Answer(peer.socket)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(DEADLINE)
    connection.connect(server.path)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return _Answer(connection)


# Sockets


SERVERS = [runner for runner in RUNNERS if runner != "cgi"]


@pytest.mark.parametrize("server", SERVERS)
def test_promise_124_a_socket_is_for_its_owner_and_group(server: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mode.sock"
    before = os.umask(0)
    try:
        with serving(server, "shop:app", "--bind", f"unix:{path}", cwd=folder):
            mode = stat.S_IMODE(path.stat().st_mode)
    finally:
        os.umask(before)

    equal(oct(mode), "0o660")


@pytest.mark.parametrize("mode", ["0666", "0662", "0777", "777"])
@pytest.mark.parametrize("server", SERVERS)
def test_promise_124_one_for_everybody_is_refused(server: str, folder: Path, tmp_path: Path, mode: str) -> None:
    status, told = fails(server, "shop:app", "--bind", f"unix:{tmp_path}/a.sock", "--socket-mode", mode, cwd=folder)

    equal((status, told.count("\n")), (2, 1), told)
    present(f"--socket-mode {mode.zfill(4)}", told)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("there", [lambda path: path.write_text("mine"), lambda path: path.mkdir(), os.mkfifo])
def test_promise_125_what_is_no_socket_is_left_alone(
    server: str, folder: Path, tmp_path: Path, there: Callable[[Any], Any]
) -> None:
    path = tmp_path / "there"
    there(path)
    before = path.stat()

    status, told = fails(server, "shop:app", "--bind", f"unix:{path}", cwd=folder)

    equal((status, told.count("\n")), (2, 1), told)
    present(str(path), told)
    equal(
        (path.stat().st_ino, path.stat().st_mode, path.stat().st_size), (before.st_ino, before.st_mode, before.st_size)
    )


@pytest.mark.parametrize("server", SERVERS)
def test_promise_125_nor_is_a_socket_that_answers_taken_away(server: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "live.sock"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()

        status, told = fails(server, "shop:app", "--bind", f"unix:{path}", cwd=folder)

    equal((status, told.count("\n")), (2, 1), told)
    check(path.is_socket(), "the socket is gone")


@pytest.mark.parametrize("server", SERVERS)
def test_promise_126_without_an_address_it_is_this_machine_s(server: str, folder: Path) -> None:
    with serving(server, "shop:app", "--bind", ":0", cwd=folder) as runner:
        equal(runner.host, "127.0.0.1")


def test_promise_126_127_whoever_is_no_web_server_is_not_heard(folder: Path) -> None:
    forged = {"REMOTE_ADDR": "10.0.0.1", "HTTPS": "on", "SCRIPT_NAME": "/forged"}
    for allowed, is_heard in (("127.0.0.1", True), ("192.0.2.1", False)):
        options = ["--bind", "127.0.0.1:0", "--web-server-addrs", allowed]
        with (
            serving("fastcgi", "shop:app", *options, cwd=folder) as server,
            Peer((server.host, server.port)) as peer,
        ):
            with contextlib.suppress(ConnectionError):
                peer.send(asked("/url", variables=forged))
            equal(b"/forged/" in peer.rest(), is_heard, f"an answer to 127.0.0.1 where {allowed} may connect")


@pytest.mark.parametrize("forged", [{"SCRIPT_NAME": "//evil.example"}, {"HTTP_HOST": "evil.example/x"}], ids=str)
def test_promise_127_and_what_a_web_server_says_is_judged_too(folder: Path, forged: dict[str, str]) -> None:
    with asking("fastcgi", "shop:app", folder) as ask:
        equal(ask("/url", **forged).status, 400)
