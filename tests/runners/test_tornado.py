"""``python -m flask_embed.tornado``, started as on the command line, and stopped."""

from __future__ import annotations

import contextlib
import signal
import socket
import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.serving import DEADLINE, Runner, serving, unix_socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """
import sys, threading
from flask_embed import Flask, request
app = Flask(__name__)
released = threading.Event()
all_here = threading.Barrier(4)

def tell(what):
    print(what, file=sys.stderr, flush=True)

@app.on_shutdown
def stop():
    tell("shop has stopped")

@app.route("/")
def index():
    return f"index {request.script_root} {request.environ['REQUEST_URI']}"

@app.route("/meet")
def meet():
    all_here.wait(20)
    return "met"

@app.route("/slow")
def slow():
    tell("slow has begun")
    answer = "slow" if released.wait(20) else "too slow"
    tell(f"{answer} has ended")
    return answer

@app.route("/release")
def release():
    released.set()
    return "released"

@app.route("/stuck", methods=["GET", "POST"])
def stuck():
    tell("stuck has begun")
    threading.Event().wait(60)
    return "nobody waits for that"

def create_app():
    return app
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apps")
    (folder / "shop.py").write_text(APP)
    return folder


@contextlib.contextmanager
def running(folder: Path, *options: str, bind: str = "127.0.0.1:0") -> Iterator[Runner]:
    with serving("tornado", "shop:app", "--bind", bind, *options, cwd=folder) as runner:
        yield runner


def wait_until_refused(path: Path) -> None:
    """Return when connections to *path* are refused."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            unix_socket(str(path)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)  # who asks without a pause is all that the server is busy with
    raise AssertionError("connections are still accepted")


def test_it_says_what_it_serves_where_and_serves_it(folder: Path) -> None:
    with running(folder, "--mount", "/blog=shop:create_app()", "--prefix", "/site") as runner:
        assert runner.first_line == (
            f"shop:app is served by tornado at http://127.0.0.1:{runner.port}/site, "
            "with mounts at /blog (1 worker, Ctrl-C stops it)\n"
        )
        status, headers, body = runner.get("/site/?q=1")
        assert (status, body) == (200, b"index /site /site/?q=1")
        assert "server" not in headers
        assert headers["date"].endswith(" GMT")
        assert runner.get("/site/blog/")[2] == b"index /site/blog /site/blog/"
        assert runner.get("/other")[0] == 404


def test_requests_are_answered_beside_each_other(folder: Path) -> None:
    answers: list[bytes] = []
    with running(folder, "--threads", "4") as runner:
        threads = [threading.Thread(target=lambda: answers.append(runner.get("/meet")[2])) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
    assert answers == [b"met"] * 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_end_and_removes_the_socket(
    folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "app.sock"
    with running(folder, bind=f"unix:{path}") as runner:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with contextlib.closing(runner.connect()) as idle, contextlib.closing(runner.connect()) as busy:
            idle.request("GET", "/")
            idle.getresponse().read()
            busy.request("GET", "/slow")
            runner.wait_for("slow has begun")
            runner.process.send_signal(number)
            wait_until_refused(path)
            idle.request("GET", "/release")
            answer = idle.getresponse()
            assert (answer.read(), answer.getheader("Connection")) == (b"released", "close")
            answer = busy.getresponse()
            assert (answer.status, answer.read()) == (200, b"slow")
            assert runner.process.wait(DEADLINE) == 0
    assert runner.lines[-1] == "shop has stopped\n"
    assert not path.exists()


def test_a_request_whose_client_has_left_ends_before_the_server(folder: Path) -> None:
    with running(folder) as runner, contextlib.closing(runner.connect()) as idle:
        idle.request("GET", "/")
        idle.getresponse().read()
        with contextlib.closing(runner.connect()) as leaving:
            leaving.request("GET", "/slow")
            runner.wait_for("slow has begun")
        runner.process.send_signal(signal.SIGTERM)
        idle.request("GET", "/release")
        assert idle.getresponse().read() == b"released"
        assert runner.process.wait(DEADLINE) == 0
    assert "slow has ended\n" in runner.lines


def test_a_request_that_does_not_end_in_time_is_answered_with_503_and_keeps_nothing_alive(folder: Path) -> None:
    with running(folder, "--graceful-timeout", "0.1") as runner, contextlib.closing(runner.connect()) as busy:
        busy.request("GET", "/stuck")
        runner.wait_for("stuck has begun")
        assert runner.stop() == 0
        answer = busy.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (503, "close")


def test_an_upload_that_nobody_reads_does_not_hold_up_the_end(folder: Path) -> None:
    head = b"POST /stuck HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n"
    with (
        running(folder, "--graceful-timeout", "0.1", "--spool", "64k") as runner,
        socket.create_connection((runner.host, runner.port), DEADLINE) as connection,
    ):
        connection.sendall(head + bytes(200_000))
        runner.wait_for("stuck has begun")
        assert runner.stop() == 0


def test_hangup_opens_the_logs_anew(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with running(folder, "--access-logfile", str(log)) as runner:
        runner.get("/first")
        deadline = time.monotonic() + DEADLINE
        while not log.read_text():  # the thread that has answered writes it when the answer is sent
            assert time.monotonic() < deadline
        log.rename(tmp_path / "access.old")
        runner.process.send_signal(signal.SIGHUP)
        while not log.exists():
            assert time.monotonic() < deadline
            runner.get("/second")
        runner.get("/third")
    assert '"GET /first HTTP/1.1" 404' in (tmp_path / "access.old").read_text()
    assert '"GET /third HTTP/1.1" 404' in log.read_text()
