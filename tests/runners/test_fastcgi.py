"""``python -m flask_embed.fastcgi``, record by record: valid requests, and malformed ones."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flask_embed.adapters.serving.fcgi_records import encoded_pairs
from tests.adapters.records import (
    ABORT,
    DATA,
    END,
    GET_VALUES,
    PARAMS,
    STDIN,
    STDOUT,
    VALUES,
    Peer,
    asked,
    begin,
    found,
    params,
    parsed,
    record,
)  # fmt: skip
from tests.adapters.test_fcgi_records import FAULTS
from tests.runners.test_documents import block
from tests.serving import DEADLINE, Runner, environment, fails, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = """
import json, os, resource, signal, socket, sys, threading, time
from flask_embed import Flask, request

TEXT = ("Content-Type", "text/plain")
files = []
together = threading.Barrier(8, timeout=10)
ending = threading.Barrier(8, action=lambda: os.kill(os.getpid(), signal.SIGTERM), timeout=10)

def answer(start_response, body, *headers):
    start_response("200 OK", [TEXT, *headers])
    return [body.encode() if isinstance(body, str) else body]

class Endless:
    def __iter__(self):
        return self
    def __next__(self):
        return bytes(65536)
    def close(self):
        print("the stream was closed", file=sys.stderr, flush=True)

class Drip(Endless):
    def __next__(self):
        time.sleep(0.02)
        return b"drip "

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/environ":
        return answer(start_response, json.dumps({k: v for k, v in environ.items() if type(v) in (str, bool)}))
    if path == "/echo":
        return answer(start_response, environ["wsgi.input"].read())
    if path == "/pieces":
        stream = environ["wsgi.input"]
        return answer(start_response, repr([stream.read(3), stream.readline(), stream.readline(2), list(stream)]))
    if path == "/reads":
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            print("the body failed:", error, file=sys.stderr, flush=True)
            raise
        return answer(start_response, "read")
    if path == "/together":
        together.wait()
        return answer(start_response, "all")
    if path == "/endless":
        start_response("200 OK", [TEXT])
        return Endless()
    if path == "/drip":
        start_response("200 OK", [TEXT])
        return Drip()
    if path == "/raises":
        raise ValueError("\\udcff is no character")
    if path == "/raises-oserror":
        raise OSError()
    if path == "/raises-broken-pipe":
        raise BrokenPipeError("of the app's own")
    if path == "/breaks":
        def body():
            yield b"half of it"
            raise ValueError("in the middle")
        start_response("200 OK", [TEXT])
        return body()
    if path == "/text":
        start_response("200 OK", [TEXT])
        return ["text"]
    if path == "/crlf":
        start_response("200 OK", [TEXT, ("X-Split", "a\\r\\nSet-Cookie: b=c")])
        return [b""]
    if path == "/late":
        start_response("200 OK", [TEXT])
        try:
            yield_in = b"x".decode("ascii") + b"\\xff".decode("ascii")
        except UnicodeDecodeError:
            start_response("500 Late", [TEXT], sys.exc_info())
        return [b"late"]
    if path == "/exits":
        sys.exit(7)
    if path == "/status":
        return answer(start_response, "x", ("Status", "404 Not Found"))
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    if path == "/pid":
        return answer(start_response, str(os.getpid()))
    if path == "/open":
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        files.extend(open(os.devnull) for _ in range(1100))
        return answer(start_response, "opened")
    if path == "/fds":
        return answer(start_response, str(len(os.listdir("/proc/self/fd"))))
    if path == "/stop":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
        return answer(start_response, "stopped")
    if path == "/end":
        ending.wait()
        time.sleep(0.3)
        return answer(start_response, "ended")
    if path == "/argv":
        return answer(start_response, repr(sys.argv[1:]))
    if path == "/stdin":
        return answer(start_response, repr(sys.stdin.read() if sys.stdin else None))
    return answer(start_response, "hello")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fastcgi")
    (folder / "fcgi_app.py").write_text(APP)
    return folder


@pytest.fixture(scope="module")
def runner(folder: Path) -> Iterator[Runner]:
    arguments = ["--bind", f"unix:{folder}/app.sock", "--threads", "8", "--limit-body", "1m"]
    with serving("fastcgi", "fcgi_app:app", *arguments, cwd=folder) as runner:
        yield runner


@pytest.fixture
def peer(runner: Runner) -> Iterator[Peer]:
    with Peer(runner.path) as peer:
        yield peer


def lives(runner: Runner) -> bool:
    with Peer(runner.path) as peer:
        return peer.ask("/").body == b"hello"


# What it does


def test_the_start_line_says_where_it_is(runner: Runner, folder: Path) -> None:
    assert runner.first_line == (
        f"fcgi_app:app is served by fastcgi at unix:{folder}/app.sock (1 worker, Ctrl-C stops it)\n"
    )


def test_a_port_is_told_as_apache_writes_it(folder: Path) -> None:
    with (
        serving("fastcgi", "fcgi_app:app", "--bind", "127.0.0.1:0", cwd=folder) as runner,
        Peer((runner.host, runner.port)) as peer,
    ):
        assert f" at fcgi://127.0.0.1:{runner.port} " in runner.first_line.replace("/ ", " ")
        assert peer.ask("/").body == b"hello"


def test_the_socket_is_for_its_owner_and_group(runner: Runner) -> None:
    assert oct(os.stat(runner.path).st_mode)[-4:] == "0660"


def test_a_connection_is_kept_when_the_web_server_wants_that(peer: Peer) -> None:
    for _ in range(3):
        assert peer.ask("/echo", "POST", b"some text").body == b"some text"


def test_and_closed_after_the_answer_when_it_does_not(peer: Peer) -> None:
    peer.send(asked("/"))

    records = list(found(peer.rest()))

    assert [record[0] for record in records] == [STDOUT, STDOUT, END]
    assert parsed(records[0][2]) == ("200 OK", {"content-type": "text/plain", "content-length": "5"}, b"hello")


def test_the_answer_goes_to_the_request_that_asked(peer: Peer) -> None:
    peer.send(asked("/", number=513))

    assert {number for _, number, _ in found(peer.rest())} == {513}


def test_the_environ_is_what_the_web_server_tells(peer: Peer) -> None:
    import json

    environ = json.loads(
        peer.ask(
            "/environ",
            SCRIPT_NAME="/shop",
            QUERY_STRING="a=b",
            HTTPS="on",
            SERVER_NAME="",
            SERVER_PORT="",
            CONTENT_LENGTH="",
            HTTP_PROXY="http://evil.example/",
            HTTP_TRANSFER_ENCODING="chunked",
            HTTP_CONTENT_LENGTH="5",
            HTTP_CONTENT_TYPE="x/y",
            REQUEST_URI="/shop/environ?a=b",
            OTHER="of the configuration",
            **{"wsgi.input_terminated": "", "werkzeug.request": "x", "flask_embed.mounts": "x"},
        ).body
    )

    assert environ == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/shop",
        "PATH_INFO": "/environ",
        "QUERY_STRING": "a=b",
        "REQUEST_URI": "/shop/environ?a=b",
        "HTTP_HOST": "good.example",
        "HTTPS": "on",
        "OTHER": "of the configuration",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "flask_embed",
        "wsgi.url_scheme": "https",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def test_a_body_without_a_length_ends_where_its_stream_does(peer: Peer) -> None:
    assert peer.ask("/echo", "POST", b"chunked once", CONTENT_LENGTH="").body == b"chunked once"


def test_a_body_is_read_by_lines_as_it_has_to_be(peer: Peer) -> None:
    assert (
        peer.ask("/pieces", "POST", b"abcdef\nghi\nj\nk").body
        == b"[b'abc', b'def\\n', b'gh', [b'i\\n', b'j\\n', b'k']]"
    )


def test_a_body_that_the_app_does_not_read_is_no_part_of_the_next_request(peer: Peer) -> None:
    assert peer.ask("/", "POST", b"x" * 500_000).body == b"hello"
    assert peer.ask("/echo", "POST", b"mine").body == b"mine"


def test_an_answer_is_there_before_a_large_body_was_sent(peer: Peer) -> None:
    head = begin() + params(REQUEST_METHOD="POST", PATH_INFO="/", HTTP_HOST="good.example", CONTENT_LENGTH="900000")
    peer.send(head + record(STDIN, bytes(60_000)))

    assert peer.answer().body == b"hello"


def test_as_many_requests_are_answered_at_once_as_there_are_threads(runner: Runner) -> None:
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(runner.path)) for _ in range(8)]
        for peer in peers:
            peer.send(asked("/together"))
        assert [peer.answer().body for peer in peers] == [b"all"] * 8


def test_more_connections_than_threads_wait_and_none_is_turned_away(runner: Runner) -> None:
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(runner.path)) for _ in range(60)]
        assert [peer.ask("/").body for peer in peers] == [b"hello"] * 60  # all of them kept, with 8 threads
        for peer in peers[:16]:
            peer.send(asked("/together"))
        assert [peer.answer().body for peer in peers[:16]] == [b"all"] * 16


def test_descriptors_above_those_of_select_are_served(folder: Path) -> None:
    with (
        serving("fastcgi", "fcgi_app:app", "--bind", f"unix:{folder}/many.sock", cwd=folder) as runner,
        Peer(runner.path) as low,
    ):
        assert low.ask("/open").body == b"opened"
        with Peer(runner.path) as peer:
            assert int(peer.ask("/fds").body) > 1100
            assert peer.ask("/echo", "POST", b"x" * 100_000).body == b"x" * 100_000


# What apps do wrong


@pytest.mark.parametrize(
    "path", ["/raises", "/raises-oserror", "/raises-broken-pipe", "/text", "/crlf", "/late", "/exits"]
)
def test_a_fault_of_the_app_is_an_answer_without_a_traceback(peer: Peer, path: str) -> None:
    answer = peer.ask(path)

    if path == "/late":  # PEP 3333: nothing was sent yet, so the second head counts
        assert answer[:3:2] == ("500 Late", b"late")
    else:
        assert answer.status[:1] == "5"
        assert b"Traceback" not in answer.body
    assert "set-cookie" not in answer.headers
    assert peer.ask("/").body == b"hello"


def test_a_fault_in_mid_body_is_no_end(peer: Peer) -> None:
    peer.send(asked("/breaks", flags=1))

    records = list(found(peer.rest()))

    assert b"half of it" in b"".join(content for kind, _, content in records if kind == STDOUT)
    assert END not in [kind for kind, _, _ in records]


def test_a_header_that_is_the_status_of_cgi_is_not_sent(peer: Peer) -> None:
    peer.send(asked("/status"))

    assert peer.rest().count(b"Status: ") == 1


@pytest.mark.parametrize(("path", "method"), [("/", "HEAD"), ("/empty", "GET")])
def test_what_has_no_body_has_no_length_of_none(peer: Peer, path: str, method: str) -> None:
    answer = peer.ask(path, method)

    assert answer.body == b""
    assert answer.headers.get("content-length") != "0"


# Web servers that leave


def test_a_stream_is_closed_when_the_web_server_leaves(folder: Path) -> None:
    with serving("fastcgi", "fcgi_app:app", "--bind", f"unix:{folder}/leave.sock", cwd=folder) as runner:
        with Peer(runner.path) as peer:
            peer.send(asked("/endless"))
            peer.record()
        runner.wait_for("the stream was closed")


def test_or_when_it_gives_the_request_up(folder: Path) -> None:
    with (
        serving("fastcgi", "fcgi_app:app", "--bind", f"unix:{folder}/abort.sock", cwd=folder) as runner,
        Peer(runner.path) as peer,
    ):
        peer.send(asked("/drip"))
        peer.record()
        peer.send(record(ABORT))
        runner.wait_for("the stream was closed")


@pytest.mark.parametrize("how", ["leaves", "aborts", "ends early"])
def test_a_body_that_is_cut_off_is_told_to_the_app(folder: Path, how: str) -> None:
    with serving("fastcgi", "fcgi_app:app", "--bind", f"unix:{folder}/cut.sock", cwd=folder) as runner:
        with Peer(runner.path) as peer:
            head = params(REQUEST_METHOD="POST", PATH_INFO="/reads", HTTP_HOST="good.example", CONTENT_LENGTH="99")
            peer.send(begin() + head + record(STDIN, b"only this"))
            if how == "aborts":
                peer.send(record(ABORT))
            elif how == "ends early":
                peer.send(record(STDIN))
            if how != "leaves":
                assert peer.answer().status == "400 Bad Request"
        with runner.written:
            assert runner.written.wait_for(lambda: any("the body failed" in line for line in runner.lines), DEADLINE)
        assert lives(runner)
        assert not any("Traceback" in line for line in runner.lines)


# What nobody should send


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_fastcgi_ends_the_connection_and_nothing_else(runner: Runner, fault: str) -> None:
    with Peer(runner.path) as before:
        before.ask("/")
        with Peer(runner.path) as peer:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                peer.send(FAULTS[fault])
            assert b"Traceback" not in peer.rest()
        assert before.ask("/").body == b"hello"
    assert not any("Traceback" in line for line in runner.lines if fault in line)


@pytest.mark.parametrize("fault", ["HTTP", "ten thousand begins", "a name that is cut off", "a request begun twice"])
def test_descriptors_are_flat_under_it(runner: Runner, fault: str) -> None:
    with Peer(runner.path) as watching:
        before = int(watching.ask("/fds").body)
        for _ in range(50):
            with Peer(runner.path) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                peer.send(FAULTS[fault])
                peer.rest()
        assert int(watching.ask("/fds").body) <= before + 1


@pytest.mark.parametrize("variables", [b"", params(PATH_INFO="/"), params(PATH_INFO="/", REQUEST_METHOD="")])
def test_a_request_without_a_method_is_refused(peer: Peer, runner: Runner, variables: bytes) -> None:
    peer.send(begin(flags=1) + (variables or record(PARAMS)) + record(STDIN))

    assert peer.answer().status == "400 Bad Request"
    assert peer.ask("/").body == b"hello"
    assert not any("KeyError" in line for line in runner.lines)


def test_a_length_that_is_no_number_is_refused(peer: Peer) -> None:
    assert peer.ask("/echo", "POST", b"x", CONTENT_LENGTH="1_0").status == "400 Bad Request"
    assert peer.ask("/").body == b"hello"


@pytest.mark.parametrize("told", [True, False])
def test_a_body_above_the_limit_is_refused(peer: Peer, told: bool) -> None:
    variables = {} if told else {"CONTENT_LENGTH": ""}

    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        peer.send(asked("/echo", "POST", bytes(2**20 + 1), variables))

    assert peer.answer().status == "413 Content Too Large"


def test_headers_above_the_limit_are_refused_and_those_below_are_not(peer: Peer) -> None:
    assert peer.ask("/", HTTP_COOKIE="x" * 60_000).status == "200 OK"
    assert peer.ask("/", HTTP_COOKIE="x" * 66_000).status == "431 Request Header Fields Too Large"
    assert peer.ask("/", HTTP_COOKIE="x" * 400_000).status == "431 Request Header Fields Too Large"
    assert peer.ask("/", **{f"HTTP_X_{n}": "x" for n in range(101)}).status == "431 Request Header Fields Too Large"
    assert peer.ask("/", REQUEST_URI="/" + "x" * 9000).status == "414 URI Too Long"
    assert peer.ask("/").status == "200 OK"


def test_forged_names_of_the_gate_are_refused(peer: Peer) -> None:
    assert peer.ask("/", SCRIPT_NAME="//evil.example").status == "400 Bad Request"
    assert peer.ask("/", HTTP_HOST="evil.example/x").status == "400 Bad Request"
    assert peer.ask("no-slash").status == "400 Bad Request"


@pytest.mark.parametrize("sent", [b"", begin(), begin() + record(PARAMS, b"\1\1Ab"), begin()[:5]])
def test_whoever_is_silent_is_let_go(folder: Path, sent: bytes) -> None:
    arguments = ["--bind", f"unix:{folder}/silent.sock", "--header-timeout", "0.3", "--timeout", "1"]
    with serving("fastcgi", "fcgi_app:app", *arguments, cwd=folder) as runner, Peer(runner.path) as peer:
        peer.send(sent)

        assert peer.rest() == b""
        assert lives(runner)


def test_so_is_whoever_sends_no_body(folder: Path) -> None:
    arguments = ["--bind", f"unix:{folder}/slow.sock", "--body-timeout", "0.3"]
    with serving("fastcgi", "fcgi_app:app", *arguments, cwd=folder) as runner, Peer(runner.path) as peer:
        peer.send(begin() + params(REQUEST_METHOD="POST", PATH_INFO="/echo", HTTP_HOST="x", CONTENT_LENGTH="9"))

        assert peer.answer().status == "408 Request Timeout"


def test_and_whoever_takes_no_answer(folder: Path) -> None:
    arguments = ["--bind", f"unix:{folder}/full.sock", "--write-timeout", "0.3"]
    with serving("fastcgi", "fcgi_app:app", *arguments, cwd=folder) as runner, Peer(runner.path) as peer:
        peer.send(asked("/endless"))

        runner.wait_for("the stream was closed")


def test_and_whoever_keeps_a_connection_for_nothing(folder: Path) -> None:
    arguments = ["--bind", f"unix:{folder}/kept.sock", "--keep-alive", "0.3", "--timeout", "1"]
    with serving("fastcgi", "fcgi_app:app", *arguments, cwd=folder) as runner, Peer(runner.path) as peer:
        assert peer.ask("/").body == b"hello"

        assert peer.rest() == b""


def test_values_are_told(peer: Peer) -> None:
    names = ("FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS")
    peer.send(record(GET_VALUES, encoded_pairs(dict.fromkeys(names, "")), 0))

    kind, number, content = peer.record()

    assert (kind, number) == (VALUES, 0)
    assert encoded_pairs({"FCGI_MAX_REQS": "8"}) in content
    assert encoded_pairs({"FCGI_MPXS_CONNS": "0"}) in content
    assert peer.ask("/").body == b"hello"


def test_a_filter_s_data_are_passed_over(peer: Peer) -> None:
    peer.send(begin() + record(DATA, b"data") + asked("/")[16:])

    assert peer.answer().body == b"hello"


# Processes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_though_connections_are_kept(folder: Path, number: signal.Signals) -> None:
    path = folder / "end.sock"
    with serving("fastcgi", "fcgi_app:app", "--bind", f"unix:{path}", cwd=folder) as runner, Peer(runner.path) as peer:
        assert peer.ask("/").body == b"hello"
        assert runner.stop(number) == 0
        assert peer.rest() == b""
    assert not path.exists()


def test_a_running_request_is_answered_before_the_end(folder: Path) -> None:
    with (
        serving("fastcgi", "fcgi_app:app", "--bind", f"unix:{folder}/grace.sock", cwd=folder) as runner,
        Peer(runner.path) as peer,
    ):
        peer.send(asked("/stop", flags=1))
        assert peer.answer().body == b"stopped"
        assert runner.process.wait(DEADLINE) == 0


def test_the_last_answer_of_a_connection_and_its_end_are_seen_at_once(folder: Path) -> None:
    # Else the web server sends the next request on it meanwhile, and a POST that is lost there is not sent again.
    with (
        serving("fastcgi", "fcgi_app:app", "--bind", "127.0.0.1:0", cwd=folder) as runner,
        contextlib.ExitStack() as stack,
    ):
        peers = [stack.enter_context(Peer(("127.0.0.1", runner.port))) for _ in range(8)]
        poll = select.poll()
        for peer in peers:
            poll.register(peer.socket.fileno(), select.POLLIN | select.POLLRDHUP)
            peer.send(asked("/end", flags=1))
        waiting = len(peers)
        while waiting:
            ready = poll.poll(DEADLINE * 1000)
            assert {events for _, events in ready} == {select.POLLIN | select.POLLRDHUP}
            waiting -= len(ready)
            for fileno, _ in ready:
                poll.unregister(fileno)
        assert [peer.answer().body for peer in peers] == [b"ended"] * 8
        assert runner.process.wait(DEADLINE) == 0


def test_one_that_never_ends_does_not_keep_it(folder: Path) -> None:
    arguments = ["--bind", f"unix:{folder}/never.sock", "--graceful-timeout", "0.3"]
    with serving("fastcgi", "fcgi_app:app", *arguments, cwd=folder) as runner, Peer(runner.path) as peer:
        peer.send(asked("/drip"))
        peer.record()
        assert runner.stop() == 0


def test_workers_share_the_socket_and_none_takes_what_it_has_no_thread_for(folder: Path) -> None:
    arguments = ["--bind", f"unix:{folder}/workers.sock", "--workers", "2", "--threads", "1"]
    with serving("fastcgi", "fcgi_app:app", *arguments, cwd=folder) as runner, Peer(runner.path) as holding:
        holding.send(asked("/drip"))
        holding.record()
        pids: set[bytes] = set()
        for _ in range(20):
            with Peer(runner.path) as peer:
                pids.add(peer.ask("/pid").body)
        assert len(pids) == 1
        assert str(runner.process.pid).encode() not in pids


def test_a_worker_is_replaced_after_so_many_requests_and_none_is_lost(folder: Path) -> None:
    arguments = ["--bind", f"unix:{folder}/max.sock", "--max-requests", "20"]
    with serving("fastcgi", "fcgi_app:app", *arguments, cwd=folder) as runner:
        pids = set()
        for _ in range(100):
            with Peer(runner.path) as peer:
                pids.add(peer.ask("/pid").body)
        assert len(pids) > 2


def test_a_regular_file_and_a_live_socket_are_left_alone(folder: Path, runner: Runner) -> None:
    (folder / "file").write_text("mine")

    for path, reason in ((folder / "file", "a file that is not a socket lies there"), (runner.path, "another server")):
        status, told = fails("fastcgi", "fcgi_app:app", "--bind", f"unix:{path}", cwd=folder)
        assert status == 2
        assert reason in told
        assert told.count("\n") == 1
    assert (folder / "file").read_text() == "mine"
    assert lives(runner)


def test_without_an_address_it_says_what_to_do(folder: Path) -> None:
    status, told = fails("fastcgi", "fcgi_app:app", cwd=folder)

    assert status == 2
    assert told == (
        "python -m flask_embed.fastcgi: --bind is missing: write the address that the web server connects to, "
        "unix:PATH or 127.0.0.1:PORT (only a process that a web server starts, and passes a socket to, needs none)\n"
    )


@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0"])
def test_another_address_than_the_own_machine_s_needs_to_know_who_may_connect(folder: Path, bind: str) -> None:
    status, told = fails("fastcgi", "fcgi_app:app", "--bind", bind, cwd=folder)

    assert status == 2
    assert "name those that may with --web-server-addrs" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("allowed", "is_served"),
    [("127.0.0.1", True), ("10.0.0.1, 127.0.0.0/8", True), ("any", True), ("10.0.0.1", False), ("::1", False)],
)
@pytest.mark.parametrize("by_variable", [True, False])
def test_who_may_connect(folder: Path, allowed: str, is_served: bool, by_variable: bool) -> None:
    arguments = [] if by_variable else ["--web-server-addrs", allowed]
    variables = {"FCGI_WEB_SERVER_ADDRS": allowed} if by_variable else {}
    with (
        serving(
            "fastcgi", "fcgi_app:app", "--bind", "127.0.0.1:0", *arguments, cwd=folder, variables=variables
        ) as runner,
        Peer(("127.0.0.1", runner.port)) as peer,
    ):
        if is_served:
            assert peer.ask("/").body == b"hello"
        else:
            assert peer.rest() == b""


@pytest.mark.parametrize("allowed", ["10.0.0", "10.0.0.1/8", "localhost", "10.0.0.1;10.0.0.2"])
def test_a_list_that_is_none_is_told(folder: Path, allowed: str) -> None:
    status, told = fails("fastcgi", "fcgi_app:app", "--bind", "127.0.0.1:0", "--web-server-addrs", allowed, cwd=folder)

    assert status == 2
    assert told == (
        f"python -m flask_embed.fastcgi: --web-server-addrs or FCGI_WEB_SERVER_ADDRS: {allowed!r} is not a list of "
        "addresses; write 10.0.0.2,10.0.1.0/24 (or any)\n"
    )


# What web servers start


#: the README's, for this app and this Python
FILE = block("FastCGI").replace("/usr/bin/env python3", f"{sys.executable} -Werror").replace("shop", "fcgi_app")


@contextlib.contextmanager
def started(command: list[str], folder: Path, listener: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """A runner started by a web server: its socket is descriptor 0."""
    process = subprocess.Popen(command, stdin=listener.fileno(), cwd=folder, env=environment())
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "of-the-web-server.sock"))
        listener.listen()
        yield listener


@pytest.mark.parametrize("as_file", [True, False])
def test_it_serves_the_socket_that_a_web_server_hands_over(
    folder: Path, listener: socket.socket, as_file: bool
) -> None:
    command = [sys.executable, "-m", "flask_embed.fastcgi", "fcgi_app:app"]
    if as_file:
        file = folder / "site.fcgi"
        file.write_text(FILE)
        file.chmod(0o755)
        command = [str(file)]
    address = listener.getsockname()
    with started(command, folder, listener) as process:
        with Peer(address) as peer:
            assert peer.ask("/").body == b"hello"
            assert peer.ask("/stdin").body == b"''"
        process.terminate()
        assert process.wait(DEADLINE) == 0
    assert Path(address).exists()  # it is the web server's to remove


def test_the_file_answers_as_a_cgi_script_where_it_is_started_as_one(folder: Path) -> None:
    file = folder / "site.fcgi"
    file.write_text(FILE)
    variables = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "x", "GATEWAY_INTERFACE": "CGI/1.1"}

    ended = subprocess.run(
        [sys.executable, "-Werror", str(file)],
        input=b"",
        capture_output=True,
        cwd=folder,
        env={**environment(), **variables},
        timeout=DEADLINE,
        check=True,
    )

    assert parsed(ended.stdout).body == b"hello"
    assert ended.stderr == b""


def test_started_by_hand_the_file_says_what_it_is_for(folder: Path) -> None:
    file = folder / "site.fcgi"
    file.write_text(FILE)

    ended = subprocess.run(
        [sys.executable, str(file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(),
        timeout=DEADLINE,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr == (
        f"{file}: a web server starts this, with a FastCGI socket on descriptor 0 or as a CGI script; to start it by "
        "hand pass bindAddress\n"
    )


def test_sighup_makes_run_return_true_and_the_file_may_start_itself_anew(folder: Path, listener: socket.socket) -> None:
    (folder / "again.py").write_text(
        "import os, sys\nfrom flask_embed.adapters.fastcgi_server import WSGIServer\nfrom fcgi_app import app\n"
        "if WSGIServer(app).run():\n"
        "    os.execv(sys.executable, [sys.executable, 'again.py', 'anew'])\n"
        "raise SystemExit(3 if 'anew' in sys.argv else 4)\n"
    )
    with started([sys.executable, "again.py"], folder, listener) as process:
        with Peer(listener.getsockname()) as peer:
            assert peer.ask("/argv").body == b"[]"
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + DEADLINE
        told = b"[]"
        while told == b"[]":  # what has connected already the old one answers
            assert time.monotonic() < deadline
            with Peer(listener.getsockname()) as peer:
                told = peer.ask("/argv").body
        assert told == b"['anew']"
        process.terminate()
        assert process.wait(DEADLINE) == 3


def wait_for_line(capfd: pytest.CaptureFixture[str], text: str) -> None:
    deadline, written = time.monotonic() + DEADLINE, ""
    while text not in written:
        written += capfd.readouterr().err
        assert time.monotonic() < deadline, written


def test_it_serves_in_another_thread_than_the_main_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from flask_embed.adapters.fastcgi_server import WSGIServer

    def app(environ, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["OF_THE_SERVER"].encode()]

    path = str(tmp_path / "thread.sock")
    server = WSGIServer(app, {"OF_THE_SERVER": "told"}, bindAddress=path, umask=0o007, multiplexed=True, debug=True)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for_line(capfd, "is served by fastcgi")
        assert oct(os.stat(path).st_mode)[-3:] == "770"
        with Peer(path) as peer:
            assert peer.ask("/").body == b"told"
    finally:
        server._exit()
        thread.join(DEADLINE)
    assert not thread.is_alive()
    assert not Path(path).exists()
