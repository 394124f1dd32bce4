"""The session that all servers share: requests answered or refused, the last one counted, the end waited for."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Any

import pytest

from flask_embed.adapters.serving import session as session_module
from flask_embed.adapters.serving.limits import BadRequestError
from flask_embed.adapters.serving.session import Drain, Session, access_log, serving
from flask_embed.errors import UsageError
from flask_embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Writer:
    """Keeps an answer."""

    def __init__(self) -> None:
        self.status = ""
        self.body = b""
        self.is_cut = False

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.body = status, body

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status = status

    def write(self, data: bytes) -> None:
        self.body += data

    def end(self) -> None:
        pass

    def cut(self) -> None:
        self.is_cut = True


class Lines:
    """Keeps the lines of an access log."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, int]] = []

    def write(self, environ: WSGIEnvironment, status: str, length: int) -> None:
        self.lines.append((f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}", status, length))


def environ_of(method: str = "GET", path: str = "/") -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "REQUEST_URI": path,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
    }


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["SCRIPT_NAME"].encode() + b" " + environ["PATH_INFO"].encode()]


def test_a_request_goes_through_the_gate_to_the_app_and_into_the_log() -> None:
    lines, writer = Lines(), Writer()
    session = Session(app, Options(prefix="/shop"), lines)

    session.answer(environ_of(path="/shop/1"), writer)

    assert (writer.status, writer.body) == ("200 OK", b"/shop /1")
    assert lines.lines == [("GET /shop/1", "200 OK", 8)]


def test_options_for_the_whole_server_reaches_no_app() -> None:
    writer = Writer()
    Session(app).answer(environ_of("OPTIONS", "*"), writer)
    assert writer.status == "204 No Content"

    writer = Writer()
    Session(app).answer(environ_of("GET", "*"), writer)
    assert writer.status == "400 Bad Request"


@pytest.mark.parametrize("error", [SystemExit("bye"), KeyboardInterrupt(), GeneratorExit()])
def test_an_app_cannot_end_the_server(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    def ending(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise error

    writer = Writer()
    Session(ending).answer(environ_of(), writer)

    assert writer.is_cut
    assert caplog.messages == [
        f"The app raised {type(error).__name__}, which would end the server; its request was cut off, "
        "the server goes on"
    ]


def test_an_exception_that_ends_the_server_passes() -> None:
    def ending(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise KeyboardInterrupt

    writer = Writer()
    with pytest.raises(KeyboardInterrupt):
        Session(ending, ends=(KeyboardInterrupt,)).answer(environ_of(), writer)
    assert writer.is_cut


@pytest.mark.parametrize(
    ("request_", "line", "peer", "body"),
    [
        ({}, "- -", "unix", b"Bad Request\n"),
        (
            {"REQUEST_METHOD": "HEAD", "REQUEST_URI": "/x", "REMOTE_ADDR": "192.0.2.1"}, "HEAD /x", "192.0.2.1", b"",
        ),
        ({"REMOTE_ADDR": "\x1b[31m\n"}, "- -", r"\x1b[31m\n", b"Bad Request\n"),
    ],
)  # fmt: skip
def test_a_refused_request_is_logged_twice_and_answered(
    request_: dict[str, str], line: str, peer: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    lines = Lines()
    error = BadRequestError("400 Bad Request", "it is malformed")

    status, headers, sent = Session(app, log=lines).refuse(error, request_)

    assert (status, sent) == ("400 Bad Request", body)
    assert ("Content-Length", "12") in headers
    assert lines.lines == [(line, "400 Bad Request", len(body))]
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, f"Refused a request from {peer}: it is malformed")
    ]


def test_the_last_request_stops_the_server_once() -> None:
    stops: list[int] = []
    session = Session(app)
    session.count()
    session.last_request, session.stop = 3, lambda: stops.append(session.requests)
    for _ in range(4):
        session.count()
    assert stops == [3]


def test_a_session_is_ready_then_signalled_then_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    happened: list[str] = []
    calls: dict[int, Callable[[], object]] = {}

    def on_signal(number: int, call: Callable[[], object]) -> Callable[[], object]:
        calls[number] = call
        return lambda: happened.append(f"{signal.Signals(number).name} undone")

    options = Options(bind=f"unix:{tmp_path}/app.sock", access_logfile=str(tmp_path / "access.log"), title="shop")
    with serving(
        app, options, None, runner="test", stop=lambda: happened.append("stop"), on_signal=on_signal
    ) as session:
        session.ready()
        assert capsys.readouterr().err == (
            f"shop is served by test at unix:{tmp_path}/app.sock (1 worker, Ctrl-C stops it)\n"
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            calls[number]()
        (tmp_path / "access.log").unlink()
        calls[signal.SIGHUP]()
        session.answer(environ_of(), Writer())
        assert not session.is_draining
        session.leave()
        assert session.is_draining
    assert happened == ["stop", "stop", "SIGHUP undone", "SIGINT undone", "SIGTERM undone"]
    assert '"GET / HTTP/1.1" 200' in (tmp_path / "access.log").read_text()
    assert not (tmp_path / "app.sock").exists()


def test_what_hangs_up_may_be_something_else(tmp_path: Path) -> None:
    calls: dict[int, Callable[[], object]] = {}
    hung_up: list[bool] = []

    def on_signal(number: int, call: Callable[[], object]) -> Callable[[], object]:
        calls[number] = call
        return lambda: None

    with serving(
        app,
        Options(bind=f"unix:{tmp_path}/app.sock"),
        None,
        runner="test",
        stop=lambda: None,
        on_signal=on_signal,
        hang_up=lambda: hung_up.append(True),
    ):
        calls[signal.SIGHUP]()
    assert hung_up == [True]


def test_impossible_options_close_the_socket_again(tmp_path: Path) -> None:
    options = Options(bind=f"unix:{tmp_path}/app.sock", fix=("apache",))
    with (
        pytest.raises(UsageError, match="unknown fix 'apache'"),
        serving(app, options, None, runner="test", stop=lambda: None, on_signal=lambda *_: pytest.fail("a signal")),
    ):
        pass
    assert not (tmp_path / "app.sock").exists()


def test_without_a_file_there_is_no_access_log() -> None:
    with access_log(Options()) as log:
        assert log is None


@pytest.mark.parametrize(
    ("now", "is_busy", "quiet_since", "seconds"),
    [
        (100.0, False, 0.0, 0.0),  # nothing runs, and no connection was used
        (100.0, False, 99.5, 0.5),  # a request may be on its way
        (100.0, False, 98.9, 0.0),
        (100.0, True, 0.0, 30.0),
        (129.0, True, 128.9, 1.0),
        (129.8, False, 129.7, 0.2),  # the time is up before a second is over
        (130.0, True, 129.9, 0.0),
        (131.0, True, 130.9, 0.0),
    ],
)
def test_the_end_is_waited_for_while_something_may_come(
    now: float, is_busy: bool, quiet_since: float, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(session_module, "monotonic", lambda: clock[0])
    drain = Drain(30)
    clock[0] = now

    assert drain.wait(is_busy, quiet_since) == pytest.approx(seconds)
