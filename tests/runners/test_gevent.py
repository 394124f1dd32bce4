"""``python -m flask_embed.gevent``, started as on the command line."""

from __future__ import annotations

import contextlib
import signal
import socket
import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.serving import DEADLINE, Runner, fails, serving, unix_socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """
import gevent.monkey, sys, threading
patched = gevent.monkey.is_module_patched("socket")
from flask_embed import Flask, redirect, request, session, url_for
app = Flask(__name__)
app.secret_key = "key"

@app.route("/")
def index():
    return f"index {request.script_root} {request.environ['REQUEST_URI']} {patched}"

@app.route("/go")
def go():
    return redirect(url_for("index"))

@app.route("/login")
def login():
    session["user"] = request.args["name"]
    return "in"

@app.route("/whoami")
def whoami():
    return session.get("user", "nobody")

@app.route("/echo", methods=["POST"])
def echo():
    return request.get_data()

@app.route("/stream")
def stream():
    return (f"{number} {request.path}\\n" for number in range(3))

@app.route("/half")
def half():
    def body():
        yield "part"
        raise RuntimeError("broken in the middle")
    return body()

released = threading.Event()
all_here = threading.Barrier(8)

@app.route("/slow")
def slow():
    print("slow has started", file=sys.stderr, flush=True)
    return "slow" if released.wait(20) else "too slow"

@app.route("/release")
def release():
    released.set()
    return "released"

@app.route("/meet")
def meet():
    all_here.wait(20)
    return "met"

def create_app():
    return app
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apps")
    (folder / "shop.py").write_text(APP)
    (folder / "broken.py").write_text("import a_module_that_is_not_there\n")
    (folder / "failing.py").write_text("raise ValueError('the module is at fault')\n")
    return folder


@pytest.fixture(scope="module")
def runner(folder: Path) -> Iterator[Runner]:
    with serving(
        "gevent",
        "shop:app",
        "--bind",
        "127.0.0.1:0",
        "--mount",
        "/blog=shop:create_app()",
        "--prefix",
        "site/",
        cwd=folder,
    ) as runner:
        yield runner


def test_it_says_what_it_serves_where(runner: Runner) -> None:
    assert runner.first_line == (
        f"shop:app is served by gevent at http://127.0.0.1:{runner.port}/site, "
        "with mounts at /blog (1 worker, Ctrl-C stops it)\n"
    )


def test_apps_answer_below_prefix_and_mount(runner: Runner) -> None:
    status, headers, body = runner.get("/site/?q=1")
    assert (status, body) == (200, b"index /site /site/?q=1 True")
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert runner.get("/site/blog/")[2] == b"index /site/blog /site/blog/ True"
    assert runner.get("/site/blog/go")[1]["location"] == "/site/blog/"
    assert runner.get("/site/blog")[1]["location"] == "/site/blog/"
    assert runner.get("/site/login?name=ada")[1]["set-cookie"].endswith("HttpOnly; Path=/site; SameSite=Lax")
    assert runner.get("/site/blog/login?name=eve")[1]["set-cookie"].endswith("HttpOnly; Path=/site/blog; SameSite=Lax")
    assert runner.get("/other")[0] == 404
    assert runner.get("/sitex/")[0] == 404


def test_one_connection_answers_many_requests(runner: Runner) -> None:
    with contextlib.closing(runner.connect()) as connection:
        for body in (b"a", b"", b"x" * 200_000):
            connection.request("POST", "/site/echo", body)
            assert connection.getresponse().read() == body
        connection.request(
            "POST", "/site/echo", iter([b"chunk", b"ed"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
        assert connection.getresponse().read() == b"chunked"
        connection.request("HEAD", "/site/")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        connection.request("GET", "/site/stream")
        assert connection.getresponse().read() == b"0 /stream\n1 /stream\n2 /stream\n"


def test_a_body_that_breaks_is_seen_to_break(runner: Runner) -> None:
    with socket.create_connection((runner.host, runner.port), DEADLINE) as connection:
        connection.sendall(b"GET /site/half HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert not received.endswith(b"0\r\n\r\n")
    assert runner.get("/site/")[0] == 200


def test_requests_wait_beside_each_other(runner: Runner) -> None:
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(runner.get("/site/meet")[2])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert answers == [b"met"] * 8


def wait_until_refused(path: Path) -> None:
    """Return when connections to *path* are refused."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            unix_socket(str(path)).close()
        except ConnectionRefusedError:
            return
    raise AssertionError("connections are still accepted")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_end_and_removes_the_socket(
    folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "app.sock"
    with serving("gevent", "shop:app", "-b", f"unix:{path}", cwd=folder) as runner:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with contextlib.closing(runner.connect()) as idle, contextlib.closing(runner.connect()) as busy:
            idle.request("GET", "/")
            idle.getresponse().read()
            busy.request("GET", "/slow")
            runner.wait_for("slow has started")
            runner.process.send_signal(number)
            wait_until_refused(path)
            idle.request("GET", "/release")
            assert idle.getresponse().read() == b"released"
            answer = busy.getresponse()
            assert (answer.status, answer.read()) == (200, b"slow")
            assert runner.process.wait(DEADLINE) == 0
    assert not path.exists()


def test_a_request_that_does_not_end_in_time_is_answered_with_503(folder: Path) -> None:
    with (
        serving("gevent", "shop:app", "-b", "127.0.0.1:0", "--graceful-timeout", "0.1", cwd=folder) as runner,
        contextlib.closing(runner.connect()) as busy,
    ):
        busy.request("GET", "/slow")
        runner.wait_for("slow has started")
        assert runner.stop() == 0
        assert busy.getresponse().status == 503


def test_a_stale_socket_is_replaced_and_nothing_else_is(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving("gevent", "shop:app", "-b", f"unix:{path}", cwd=folder) as runner:
        assert runner.get("/whoami")[2] == b"nobody"
        status, text = fails("gevent", "shop:app", "-b", f"unix:{path}", cwd=folder)
        assert (status, text.count("\n")) == (2, 1)
        assert "another server answers there" in text
    path.write_text("precious")
    status, text = fails("gevent", "shop:app", "-b", f"unix:{path}", cwd=folder)
    assert (status, "not a socket lies there" in text, path.read_text()) == (2, True, "precious")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing:app"], "there is no module 'missing'"),
        (["missing.inner:app"], "there is no module 'missing'"),
        (["shop:missing"], "'shop' has no attribute 'missing'"),
        (["shop"], "write 'module:app'"),
        (["shop:app; import os"], "write 'module:app'"),
        (["shop:create_app(1)"], "write 'module:app'"),
        (["os:system"], "is not a WSGI callable"),
        (["shop:APP"], "has no attribute 'APP'"),
        (["shop:patched"], "is not a WSGI callable, it is True"),
        (["shop:create_app"], "if it is a factory, write 'shop:create_app()'"),
        (["shop:app", "--mount", "blog=shop:app"], "write '/blog'"),
        (["shop:app", "--mount", "/blog"], "write /PREFIX=module:app"),
        (["shop:app", "--mount", "/a=shop:app", "--mount", "/a/=shop:app"], "'/a/' is taken"),
        (["shop:app", "--prefix", "//x"], "a browser would read a host"),
        (["shop:app", "--bind", "nonsense"], "write HOST:PORT"),
        (["shop:app", "--bind", "127.0.0.1:99999"], "write HOST:PORT"),
        (["shop:app", "--bind", "192.0.2.1:5000"], "cannot listen on '192.0.2.1:5000'"),
        (["shop:app", "--bind", "fd://0"], "fd://0"),
        (["shop:app", "--bind", "unix:"], "1 to 107 bytes"),
        (["shop:app", "--chdir", "nowhere"], "--chdir nowhere: No such file"),
        (["shop:app", "--graceful-timeout", "-1"], "--graceful-timeout"),
        (["shop:app", "--graceful-timeout", "soon"], "'soon' is not a number of seconds"),
        ([], "APP"),
    ],
)
def test_a_typing_mistake_is_one_line_and_status_2(folder: Path, arguments: list[str], message: str) -> None:
    status, text = fails("gevent", *arguments, cwd=folder)
    assert status == 2
    assert message in text
    assert "Traceback" not in text
    assert len([line for line in text.splitlines() if not line.startswith(("usage:", " "))]) == 1


@pytest.mark.parametrize(("module", "message"), [("broken", "a_module_that_is_not_there"), ("failing", "at fault")])
def test_a_fault_of_the_module_shows_its_traceback(folder: Path, module: str, message: str) -> None:
    status, text = fails("gevent", f"{module}:app", cwd=folder)
    assert status == 1
    assert text.startswith("Traceback")
    assert message in text
    assert f"{module}.py" in text


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        status, text = fails("gevent", "shop:app", "--bind", bind, cwd=folder)
    assert (status, text) == (2, f"python -m flask_embed.gevent: cannot listen on '{bind}': Address already in use\n")


def test_without_gevent_it_says_what_to_install(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "gevent.py").write_text("raise ModuleNotFoundError(\"No module named 'gevent'\", name='gevent')\n")
    status, text = fails("gevent", "shop:app", cwd=tmp_path)
    assert (status, text) == (
        2,
        'python -m flask_embed.gevent: gevent is not installed: pip install "flask-embed[gevent]"\n',
    )
