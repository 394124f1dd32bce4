"""CGIHandler: from the environment and stdin to one answer on stdout, in this process, whose descriptors it gets."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest

from flask_embed import Flask, request
from flask_embed.adapters.cgi_handler import CGIHandler
from flask_embed.errors import UsageError
from flask_embed.options import Options
from tests.serving import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "/shop.cgi",
    "PATH_INFO": "/item",
    "QUERY_STRING": "",
    "SERVER_NAME": "shop.example",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "HTTP_HOST": "shop.example",
}
TEXT = [("Content-Type", "text/plain")]


class Answer(NamedTuple):
    """The output on stdout, and the end of run()."""

    raw: bytes
    #: what SystemExit said, None where run() has returned
    exit_status: int | None

    @property
    def status(self) -> str:
        return self.headers["Status"]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        return dict(line.split(": ", 1) for line in lines)

    @property
    def body(self) -> bytes:
        head, end, body = self.raw.partition(b"\r\n\r\n")
        assert end, head
        return body


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Within the block these are all variables of the environment, written as WSGI strings."""
    before = dict(os.environb)
    os.environb.clear()
    os.environb.update({name.encode("latin-1"): value.encode("latin-1") for name, value in variables.items()})
    try:
        yield
    finally:
        os.environb.clear()
        os.environb.update(before)


@contextlib.contextmanager
def descriptors(stdin: int, stdout: int) -> Iterator[None]:
    """Within the block these are the descriptors 0 and 1; they are closed."""
    before = os.dup(0), os.dup(1)
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    os.close(stdin)
    os.close(stdout)
    try:
        yield
    finally:
        for number, saved in enumerate(before):
            os.dup2(saved, number)
            os.close(saved)


def empty() -> int:
    """A descriptor that nothing comes from."""
    return os.open(os.devnull, os.O_RDONLY)


def call(
    app: WSGIApplication,
    body: bytes = b"",
    options: Options | None = None,
    *,
    run: Callable[[CGIHandler], None] | None = None,
    **variables: str | None,
) -> Answer:
    """Have *app* answer a request whose body is all that comes on stdin; a variable that is None is left out."""
    stdin, source = os.pipe()
    sink, stdout = os.pipe()
    parts: list[bytes] = []

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), open(source, "wb", buffering=0) as file:
            file.write(body)

    def read() -> None:
        with open(sink, "rb") as file:
            parts.append(file.read())

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    given = {name: value for name, value in {**REQUEST, **variables}.items() if value is not None}
    exit_status: int | None = None
    with environment(given):
        with descriptors(stdin, stdout):
            for thread in threads:
                thread.start()
            handler = CGIHandler(options)
            try:
                if run is None:
                    handler.run(app)
                else:
                    run(handler)
            except SystemExit as ending:
                exit_status = cast("int", ending.code)
            finally:
                handler.close()
        for thread in threads:
            thread.join(DEADLINE)
    return Answer(b"".join(parts), exit_status)


def seen(app_body: bytes = b"", options: Options | None = None, **variables: str | None) -> WSGIEnvironment:
    """The environ that an app gets."""
    environs: list[WSGIEnvironment] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environs.append(environ)
        start_response("200 OK", TEXT)
        return [b"seen"]

    assert call(app, app_body, options, run=None, **variables).status == "200 OK"
    return environs[0]


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [b"hello"]


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", TEXT)
    return [body]


# The environ


def test_an_answer_has_its_status_in_a_header() -> None:
    assert call(hello).raw == b"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


def test_variables_become_wsgi_strings() -> None:
    environ = seen(PATH_INFO="/\xc3\xbcber", HTTP_X_RAW="\xff\xfe", QUERY_STRING="q=%C3%BC")

    assert environ["PATH_INFO"] == "/\xc3\xbcber"
    assert environ["HTTP_X_RAW"] == "\xff\xfe"
    assert environ["QUERY_STRING"] == "q=%C3%BC"
    assert environ["SCRIPT_NAME"] == "/shop.cgi"


def test_the_environ_says_that_the_process_is_for_one_request() -> None:
    environ = seen()

    assert environ["wsgi.run_once"] is True
    assert environ["wsgi.multithread"] is False
    assert environ["wsgi.multiprocess"] is True
    assert environ["wsgi.input_terminated"] is True
    assert environ["wsgi.version"] == (1, 0)


def test_what_the_server_has_left_out_is_empty() -> None:
    environ = seen(PATH_INFO=None, SCRIPT_NAME=None, QUERY_STRING=None)

    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]) == ("", "", "")


@pytest.mark.parametrize(("value", "scheme"), [("on", "https"), ("1", "https"), ("ON", "https"), ("off", "http")])
def test_https_tells_the_scheme(value: str, scheme: str) -> None:
    assert seen(HTTPS=value)["wsgi.url_scheme"] == scheme


def test_without_https_the_scheme_is_http() -> None:
    assert seen()["wsgi.url_scheme"] == "http"


def test_a_variable_with_a_dot_is_no_key_of_wsgi() -> None:
    dotted: dict[str, Any] = {"wsgi.file_wrapper": "x", "werkzeug.request": "y"}

    environ = seen(**dotted)

    assert environ["wsgi.file_wrapper"] != "x"
    assert "werkzeug.request" not in environ


def test_http_proxy_is_in_no_environment_while_the_app_runs() -> None:
    found: list[bool] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found.extend(["HTTP_PROXY" in environ, "HTTP_PROXY" in os.environ, "http_proxy" in os.environ])
        return hello(environ, start_response)

    call(app, HTTP_PROXY="http://evil.example", http_proxy="http://proxy.example")

    assert found == [False, False, True]


def test_options_for_the_front_count() -> None:
    environ = seen(
        options=Options(prefix="/blog", trust_proxy=1, forwarded_allow_ips=("192.0.2.1",)),
        SCRIPT_NAME="",
        PATH_INFO="/blog/item",
        HTTP_X_FORWARDED_PROTO="https",
    )

    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/blog", "/item")
    assert environ["wsgi.url_scheme"] == "https"


def test_the_gate_stands_before_the_app() -> None:
    assert call(hello, HTTP_HOST="good@evil.example").status == "400 Bad Request"


# The request's body


def test_the_body_is_what_content_length_says_and_not_more() -> None:
    answer = call(echo, b"twelve bytes and more", REQUEST_METHOD="POST", CONTENT_LENGTH="12")

    assert answer.body == b"twelve bytes"


def test_without_a_length_there_is_no_body() -> None:
    assert call(echo, b"what is this", REQUEST_METHOD="POST").body == b""
    assert call(echo, b"what is this", REQUEST_METHOD="POST", CONTENT_LENGTH="").body == b""


def test_an_empty_length_is_left_out() -> None:
    assert "CONTENT_LENGTH" not in seen(CONTENT_LENGTH="")


def test_chunks_that_the_server_has_put_together_go_to_the_end_of_stdin() -> None:
    body = b"x" * 200_000
    environs: list[WSGIEnvironment] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environs.append(environ)
        return echo(environ, start_response)

    answer = call(app, body, REQUEST_METHOD="POST", HTTP_TRANSFER_ENCODING="chunked")

    assert answer.body == body
    assert "HTTP_TRANSFER_ENCODING" not in environs[0]


def test_werkzeug_reads_such_a_body() -> None:
    app = Flask(__name__)

    @app.route("/item", methods=["POST"])
    def item() -> str:
        return request.form["name"]

    answer = call(
        app,
        b"name=in+chunks",
        REQUEST_METHOD="POST",
        HTTP_TRANSFER_ENCODING="chunked",
        CONTENT_TYPE="application/x-www-form-urlencoded",
    )

    assert answer.body == b"in chunks"


def test_a_length_beside_chunks_counts() -> None:
    answer = call(echo, b"1234567", REQUEST_METHOD="POST", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="3")

    assert answer.body == b"123"


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "chunked, chunked"])
def test_another_transfer_coding_is_not_understood(coding: str) -> None:
    answer = call(echo, b"x", REQUEST_METHOD="POST", HTTP_TRANSFER_ENCODING=coding)

    assert answer.status == "501 Not Implemented"


@pytest.mark.parametrize("length", ["x", "-1", "+1", "1 ", "1_0", "1.0", "9" * 19, "\xb2"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    answer = call(echo, b"x", REQUEST_METHOD="POST", CONTENT_LENGTH=length)

    assert answer.status == "400 Bad Request"
    assert answer.body == b"Bad Request\n"
    assert answer.exit_status is None


def test_a_body_that_ends_early_is_refused_when_it_is_read() -> None:
    answer = call(echo, b"short", REQUEST_METHOD="POST", CONTENT_LENGTH="10")

    assert answer.status == "400 Bad Request"


def test_a_body_that_ends_early_is_no_matter_to_who_does_not_read_it() -> None:
    assert call(hello, b"short", REQUEST_METHOD="POST", CONTENT_LENGTH="10").status == "200 OK"


def test_a_body_above_the_limit_is_refused_before_the_app_is_called() -> None:
    called: list[bool] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        called.append(True)
        return hello(environ, start_response)

    limited = Options(limit_body=10)

    answer = call(app, b"x" * 11, limited, REQUEST_METHOD="POST", CONTENT_LENGTH="11")
    assert (answer.status, called) == ("413 Content Too Large", [])
    assert call(app, b"x" * 10, limited, REQUEST_METHOD="POST", CONTENT_LENGTH="10").status == "200 OK"


def test_a_body_of_unknown_length_is_refused_at_the_limit() -> None:
    def upload(size: int) -> Answer:
        options = Options(limit_body=10)
        return call(echo, b"x" * size, options, REQUEST_METHOD="POST", HTTP_TRANSFER_ENCODING="chunked")

    assert upload(11).status == "413 Content Too Large"
    assert upload(300_000).status == "413 Content Too Large"
    assert upload(10).body == b"x" * 10


def test_lines_of_a_body_can_be_read() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        stream = environ["wsgi.input"]
        start_response("200 OK", TEXT)
        return [stream.readline(), stream.readline(2), b"|", *stream]

    answer = call(app, b"one\ntwo\nthree\nbehind", REQUEST_METHOD="POST", CONTENT_LENGTH="13")

    assert answer.body == b"one\ntw|o\nthree"


def test_who_keeps_the_stream_of_a_body_finds_it_closed() -> None:
    environ = seen(b"body", CONTENT_LENGTH="4")

    assert environ["wsgi.input"].closed


def half_duplex(
    app: WSGIApplication, body: bytes, options: Options | None = None, *, blocks: bool = True, **variables: str
) -> bytes:
    """The answer that a web server gets which takes none of it before it has handed over the whole body.

    As behind Apache's mod_cgid, both are one socket.
    """
    server, script = socket.socketpair()
    server.settimeout(DEADLINE)
    found: list[bytes] = []

    def exchange() -> None:
        server.sendall(body)
        server.shutdown(socket.SHUT_WR)
        found.extend(iter(lambda: server.recv(65536), b""))

    thread = threading.Thread(target=exchange)
    script.setblocking(blocks)
    stdin = script.detach()
    given = {**REQUEST, "REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), **variables}
    with server, environment(given):
        with descriptors(stdin, os.dup(stdin)), contextlib.closing(CGIHandler(options)) as handler:
            thread.start()
            handler.run(app)
        thread.join(DEADLINE)
    return b"".join(found)


LARGE = bytes(range(256)) * 16 * 1024


def test_a_large_answer_and_a_large_body_do_not_wait_for_each_other() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        return iter(lambda: environ["wsgi.input"].read(50_000), b"")

    assert half_duplex(app, LARGE).partition(b"\r\n\r\n")[2] == LARGE


def test_a_body_that_nobody_reads_does_not_keep_the_answer() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("403 Forbidden", [("Content-Length", str(len(LARGE)))])
        return [LARGE]

    assert half_duplex(app, LARGE).partition(b"\r\n\r\n")[2] == LARGE


@pytest.mark.parametrize("options", [Options(), Options(limit_body=10)], ids=["by the app", "by the limit"])
def test_an_upload_that_is_refused_is_taken_from_the_server(options: Options) -> None:
    assert half_duplex(hello, LARGE, options).startswith(b"Status: 413" if options.limit_body else b"Status: 200")


def test_a_body_that_ends_early_behind_a_large_answer_is_told_to_who_reads_on() -> None:
    said: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        yield LARGE
        try:
            said.append(str(len(environ["wsgi.input"].read(1000))))
            environ["wsgi.input"].read()
        except OSError as error:
            said.append(str(error))

    half_duplex(app, LARGE, CONTENT_LENGTH=str(len(LARGE) + 7))

    assert said == ["1000", "the body is shorter than announced"]


# Descriptors


def test_files_do_as_well_as_pipes() -> None:
    body = bytes(range(256)) * 1024
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
        source.write(body)
        source.seek(0)
        stdin, stdout = os.dup(source.fileno()), os.dup(sink.fileno())
        variables = {**REQUEST, "REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body))}
        with environment(variables), descriptors(stdin, stdout), contextlib.closing(CGIHandler()) as handler:
            handler.run(echo)
        sink.seek(0)

        assert sink.read().partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize("blocks", [True, False])
def test_a_socket_does_as_well_as_pipes(blocks: bool) -> None:
    assert half_duplex(echo, LARGE, blocks=blocks).partition(b"\r\n\r\n")[2] == LARGE


def test_what_is_printed_is_not_part_of_the_answer(capfd: pytest.CaptureFixture[str]) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        os.write(1, b"from the descriptor\n")
        os.system("echo from a child")
        return hello(environ, start_response)

    answer = call(app)

    assert answer.body == b"hello"
    out, err = capfd.readouterr()
    assert "from the descriptor\n" in err
    assert "from a child\n" in err
    assert out == ""


def test_prints_are_kept_out_from_when_the_handler_is_made(capfd: pytest.CaptureFixture[str]) -> None:
    def run(handler: CGIHandler) -> None:
        os.write(1, b"while the app is imported\n")
        handler.run(hello)

    answer = call(hello, run=run)

    assert answer.raw.startswith(b"Status: ")
    assert "while the app is imported\n" in capfd.readouterr().err


def test_a_child_reads_nothing_of_the_body(tmp_path: Path) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        os.system(f"cat > {tmp_path}/stolen")
        return echo(environ, start_response)

    answer = call(app, b"body", REQUEST_METHOD="POST", CONTENT_LENGTH="4")

    assert answer.body == b"body"
    assert (tmp_path / "stolen").read_bytes() == b""


def test_no_child_inherits_the_descriptors_of_the_request(tmp_path: Path) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        os.system(f"ls /proc/self/fd > {tmp_path}/within")
        return hello(environ, start_response)

    os.system(f"ls /proc/self/fd > {tmp_path}/without")
    call(app)

    assert (tmp_path / "within").read_text() == (tmp_path / "without").read_text()


# The answer


def test_parts_are_sent_when_they_are_there() -> None:
    arrived: list[bytes] = []
    sink, stdout = os.pipe()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        yield b"one"
        arrived.append(os.read(sink, 4096))
        yield b"two"
        arrived.append(os.read(sink, 4096))

    try:
        with environment(REQUEST), descriptors(empty(), stdout), contextlib.closing(CGIHandler()) as handler:
            handler.run(app)
    finally:
        os.close(sink)

    assert arrived == [b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\none", b"two"]


@pytest.mark.parametrize(
    ("method", "status", "body"),
    [("HEAD", "200 OK", b"ignored"), ("GET", "204 No Content", b""), ("GET", "304 Not Modified", b"")],
)
@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_without_a_body_ends_with_its_head(method: str, status: str, body: bytes, streams: bool) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [("X-From", "app")])
        return iter([body, body]) if streams else [body]

    answer = call(app, REQUEST_METHOD=method)

    assert answer.status == status
    assert answer.headers["X-From"] == "app"
    assert answer.body == b""
    assert answer.exit_status is None


def test_a_status_header_of_the_app_is_no_second_status() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("status", "404 Not Found")])
        return [b"hello"]

    assert call(app).raw == b"Status: 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(("status", "is_sent"), [("200 OK", False), ("201 Created", True), ("302 Found", True)])
def test_a_location_is_sent_where_it_means_something(status: str, is_sent: bool) -> None:
    """Beside a 200 Apache would answer with what is there (RFC 3875 section 6.2.2)."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [("Location", "/elsewhere")])
        return [b"body"]

    answer = call(app)

    assert answer.status == status
    assert ("Location" in answer.headers) is is_sent


def test_an_exception_is_a_500_that_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise RuntimeError("the word that only the log may hold")

    answer = call(app)

    assert answer.status == "500 Internal Server Error"
    assert b"Traceback" not in answer.raw
    assert b"the word" not in answer.raw
    assert "the word that only the log may hold" in caplog.text
    assert answer.exit_status is None


def test_an_exception_in_the_middle_leaves_the_answer_short(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "10")])
        yield b"part"
        raise RuntimeError("broken in the middle")

    answer = call(app)

    assert answer.headers["Content-Length"] == "10"
    assert answer.body == b"part"
    assert answer.exit_status == 1
    assert "broken in the middle" in caplog.text


@pytest.mark.parametrize("status", [0, 3])
def test_an_app_that_exits_is_a_500(status: int, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise SystemExit(status)

    answer = call(app)

    assert answer.status == "500 Internal Server Error"
    assert "SystemExit" in caplog.text


def test_a_keyboard_interrupt_is_passed_on_behind_a_500() -> None:
    interrupted: list[bool] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise KeyboardInterrupt

    def run(handler: CGIHandler) -> None:
        try:
            handler.run(app)
        except KeyboardInterrupt:
            interrupted.append(True)

    answer = call(app, run=run)

    assert answer.status == "500 Internal Server Error"
    assert interrupted == [True]


class Body:
    """A body of parts without end that counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b"x" * 1000

    def close(self) -> None:
        self.closed += 1


def test_a_web_server_that_has_gone_closes_the_app_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    body = Body()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return body

    sink, stdout = os.pipe()
    os.close(sink)
    with environment(REQUEST), descriptors(empty(), stdout), contextlib.closing(CGIHandler()) as handler:
        handler.run(app)

    assert body.closed == 1
    assert caplog.text == ""


def test_a_full_disk_is_told(caplog: pytest.LogCaptureFixture) -> None:
    body = Body()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return body

    full = os.open("/dev/full", os.O_WRONLY)
    with environment(REQUEST), descriptors(empty(), full), contextlib.closing(CGIHandler()) as handler:
        handler.run(app)

    assert caplog.messages == ["The answer cannot be written: No space left on device"]
    assert body.closed == 1


def test_sigterm_closes_the_app_and_ends_the_process_quietly(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []
    app = Flask(__name__)

    @app.route("/item")
    def item() -> Iterator[bytes]:
        try:
            yield b"part"
            os.kill(os.getpid(), signal.SIGTERM)
            yield b"never"
        finally:
            closed.append("body")

    @app.on_shutdown
    def shut_down() -> None:
        os.kill(os.getpid(), signal.SIGTERM)  # a second one disturbs nobody
        closed.append("app")

    before = signal.getsignal(signal.SIGTERM)
    answer = call(app)

    assert answer.body == b"part"
    assert closed == ["body", "app"]
    assert answer.exit_status == 143
    assert caplog.text == ""
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_somebody_else_does_on_sigterm_is_left_alone() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            os.kill(os.getpid(), signal.SIGTERM)
            return hello(environ, start_response)

        answer = call(app)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert answer.body == b"hello"
    assert received == [signal.SIGTERM]


def test_it_runs_in_another_thread_too() -> None:
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(call(hello)))
    thread.start()
    thread.join(DEADLINE)

    assert answers[0].body == b"hello"


def test_startup_and_shutdown_run_once_around_the_request() -> None:
    order: list[str] = []
    app = Flask(__name__)
    app.on_startup(lambda: order.append("startup"))
    app.on_shutdown(lambda: order.append("shutdown"))

    @app.route("/item")
    def item() -> Iterator[bytes]:
        order.append("request")
        yield b"item"
        order.append("end")

    assert call(app).body == b"item"
    assert order == ["startup", "request", "end", "shutdown"]


def test_a_line_for_the_request_goes_to_the_access_log(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    options = Options(access_logfile=str(log), limit_body=1)

    call(hello, options=options, REQUEST_URI="/shop.cgi/item?x=1", QUERY_STRING="x=1")
    call(hello, options=options, REQUEST_METHOD="POST", CONTENT_LENGTH="2", REQUEST_URI="/shop.cgi/item")

    first, second = log.read_text().splitlines()
    assert first.startswith("192.0.2.1 - - [")
    assert '"GET /shop.cgi/item?x=1 HTTP/1.1" 200 5 ' in first
    assert '"POST /shop.cgi/item HTTP/1.1" 413 18 ' in second


def test_what_is_no_request_is_told_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    answer = call(hello, REQUEST_METHOD=None)

    assert answer.raw == b""
    assert answer.exit_status == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "REQUEST_METHOD is not set" in line


def test_options_that_cannot_be_are_a_usage_error_and_a_500() -> None:
    raised: list[str] = []

    def run(handler: CGIHandler) -> None:
        try:
            handler.run(hello)
        except UsageError as error:
            raised.append(str(error))

    answer = call(hello, options=Options(trust_proxy=1, forwarded_allow_ips=()), run=run)

    assert answer.status == "500 Internal Server Error"
    assert len(raised) == 1
