"""The three middlewares, between validators and in the hands of a server; and the app that wears them."""

from __future__ import annotations

import re
import runpy
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest
from werkzeug.test import Client as WerkzeugClient
from werkzeug.test import create_environ

from examples import middleware as example
from examples.middleware import middleware
from examples.middleware.middleware import Record, Recorder, RequestID, SecurityHeaders
from flask_embed import Flask
from flask_embed.middleware import PrefixMiddleware
from tests.examples.test_portal import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from flask_embed.testing import Client

    Middleware = Callable[[WSGIApplication], WSGIApplication]

TEXT = [("Content-Type", "text/plain")]

each_middleware = pytest.mark.parametrize("wrap", [RequestID, SecurityHeaders, Recorder])


class Server:
    """A server that records the last status and headers, and the written data."""

    def __init__(self, *, sent: bool = False) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.written: list[bytes] = []
        self.exc_info: Any = None
        #: whether the headers are on their way already
        self.sent = sent

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        if exc_info and self.sent:
            raise exc_info[1]
        self.status, self.headers, self.exc_info = status, headers, exc_info
        return self.written.append

    def get(self, app: WSGIApplication, path: str = "/", **options: Any) -> bytes:
        """The body that *app* answers with, read to its end and closed."""
        body = app(create_environ(path, **options), self.start_response)
        try:
            return b"".join(body)
        finally:
            close(body)

    def values(self, name: str) -> list[str]:
        """The values of the headers of this name, in any case."""
        return [value for known, value in self.headers if known.lower() == name.lower()]


class Body:
    """A body that notes in *events* what happens to it; a block that is an exception is raised."""

    def __init__(self, events: list[str], *blocks: bytes | Exception) -> None:
        self.events = events
        self.blocks = iter(blocks)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = next(self.blocks)
        self.events.append(f"made {block!r}")
        if isinstance(block, Exception):
            raise block
        return block

    def close(self) -> None:
        self.events.append("closed")


def close(body: Iterable[bytes]) -> None:
    getattr(body, "close", lambda: None)()


def answering(body: Iterable[bytes], status: str = "200 OK") -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, TEXT)
        return body

    return app


# Apps that use what PEP 3333 allows


def listing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [b"one ", b"two"]


def making(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return (block for block in (b"one ", b"two"))


def writing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", TEXT)
    write(b"one ")
    return [b"two"]


def changing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        start_response("500 Broken", TEXT, sys.exc_info())
    return [b"one ", b"two"]


# What holds for all three


@each_middleware
@pytest.mark.parametrize("app", [listing, making, writing, changing])
def test_both_sides_are_valid_wsgi(wrap: Middleware, app: WSGIApplication, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server()

    body = server.get(validator(wrap(validator(app))), query_string="a=b")

    assert b"".join([*server.written, body]) == b"one two"
    assert server.status == ("500 Broken" if app is changing else "200 OK")
    assert capsys.readouterr().err == ""  # where the validator tells of what nobody closed


@each_middleware
def test_the_environ_of_the_caller_is_not_changed(wrap: Middleware) -> None:
    environ = create_environ("/", headers={"X-Request-ID": "mine"})
    before = dict(environ)

    close(wrap(listing)(environ, Server().start_response))

    assert environ == before


@each_middleware
def test_the_headers_of_the_app_are_not_changed(wrap: Middleware) -> None:
    Server().get(wrap(listing))

    assert TEXT == [("Content-Type", "text/plain")]


@each_middleware
def test_a_block_is_passed_on_before_the_next_one_is_made(wrap: Middleware) -> None:
    events: list[str] = []
    body = wrap(answering(Body(events, b"one", b"two")))(create_environ(), Server().start_response)

    blocks = iter(body)
    assert events == []
    assert next(blocks) == b"one"
    assert events == ["made b'one'"]
    assert list(blocks) == [b"two"]
    assert events == ["made b'one'", "made b'two'"]
    close(body)
    assert events[2:] == ["closed"]


@each_middleware
def test_a_body_that_nobody_read_is_closed(wrap: Middleware) -> None:
    events: list[str] = []

    close(wrap(answering(Body(events, b"one")))(create_environ(), Server().start_response))

    assert events == ["closed"]


@each_middleware
def test_the_reason_for_a_second_status_is_passed_on(wrap: Middleware) -> None:
    server = Server()

    server.get(wrap(changing))

    assert server.exc_info[0] is RuntimeError


@each_middleware
def test_what_the_server_raises_at_a_second_status_reaches_the_app_and_goes_on(wrap: Middleware) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        Server(sent=True).get(wrap(changing))


@each_middleware
def test_what_the_app_raises_goes_on_without_an_answer(wrap: Middleware) -> None:
    def failing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise RuntimeError("broken")

    server = Server()

    with pytest.raises(RuntimeError, match="broken"):
        server.get(wrap(failing))
    assert server.status == ""


# RequestID


def told(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("x-request-id", "of the app")])
    return [environ["HTTP_X_REQUEST_ID"].encode()]


def test_app_and_client_get_the_same_id() -> None:
    server = Server()

    request_id = server.get(RequestID(told)).decode()

    assert re.fullmatch("[0-9a-f]{16}", request_id)
    assert server.values("X-Request-ID") == [request_id]


def test_each_request_has_another_id() -> None:
    app = RequestID(told)

    assert Server().get(app) != Server().get(app)


def test_an_id_of_the_client_is_replaced() -> None:
    server = Server()

    assert b"forged" not in server.get(RequestID(told), headers={"X-Request-ID": "forged"})
    assert "forged" not in server.values("X-Request-ID")


# SecurityHeaders


def test_headers_are_added_that_tell_a_browser_to_be_careful() -> None:
    server = Server()

    server.get(SecurityHeaders(listing))

    (policy,) = server.values("Content-Security-Policy")
    assert policy.split("; ")[0] == "default-src 'self'"
    assert "frame-ancestors 'none'" in policy.split("; ")
    assert server.values("X-Content-Type-Options") == ["nosniff"]
    assert server.values("Referrer-Policy") == ["same-origin"]
    assert server.values("Content-Type") == ["text/plain"]


def test_a_header_that_the_app_has_set_stays_alone() -> None:
    def framed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*TEXT, ("content-security-policy", "frame-ancestors 'self'")])
        return []

    server = Server()

    server.get(SecurityHeaders(framed))

    assert server.values("Content-Security-Policy") == ["frame-ancestors 'self'"]
    assert server.values("Referrer-Policy") == ["same-origin"]


# Recorder


def recorded(app: WSGIApplication, path: str = "/", **options: Any) -> Record:
    """The one record of a request that is read to its end, or to where it fails."""
    recorder = Recorder(app)
    with suppress(RuntimeError):
        Server().get(recorder, path, **options)
    (record,) = recorder.records()
    return record


def test_a_request_is_recorded_when_its_body_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(middleware, "perf_counter", lambda: now[0])
    recorder = Recorder(making)

    body = recorder(create_environ("/path?secret=1", method="POST"), Server().start_response)
    now[0] = 1.0
    assert b"".join(body) == b"one two"
    now[0] = 1.5
    assert recorder.records() == []
    close(body)

    assert recorder.records() == [Record("POST", "/path", "200", 7, 1500.0, "complete")]


def test_closing_twice_closes_and_records_once() -> None:
    events: list[str] = []
    recorder = Recorder(answering(Body(events)))

    body = recorder(create_environ(), Server().start_response)
    close(body)
    close(body)

    assert events == ["closed"]
    assert len(recorder.records()) == 1


@pytest.mark.parametrize("app", [listing, making, writing])
def test_all_bytes_are_counted(app: WSGIApplication) -> None:
    assert recorded(app).sent == 7


def test_a_client_that_leaves_early_is_recorded() -> None:
    recorder = Recorder(answering(Body([], b"one", b"two")))

    body = recorder(create_environ(), Server().start_response)
    assert next(iter(body)) == b"one"
    close(body)

    (record,) = recorder.records()
    assert (record.status, record.sent, record.ending) == ("200", 3, "left")


def test_a_body_that_fails_is_closed_and_recorded_with_what_was_sent() -> None:
    events: list[str] = []

    record = recorded(answering(Body(events, b"one", RuntimeError("broken"))))

    assert events[-1] == "closed"
    assert (record.status, record.sent, record.ending) == ("200", 3, "error")


def test_a_body_that_fails_to_close_is_recorded_and_the_exception_goes_on() -> None:
    class Clinging(Body):
        def close(self) -> None:
            raise RuntimeError("does not close")

    recorder = Recorder(answering(Clinging([], b"one")))

    with pytest.raises(RuntimeError, match="does not close"):
        Server().get(recorder)
    assert [(record.sent, record.ending) for record in recorder.records()] == [(3, "error")]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_app_that_raises_at_once_is_recorded_without_a_status(error: type[BaseException]) -> None:
    def failing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise error

    recorder = Recorder(failing)

    with pytest.raises(error):
        recorder(create_environ(), Server().start_response)
    (record,) = recorder.records()
    assert (record.status, record.sent, record.ending) == ("", 0, "error")


def test_a_second_status_counts_if_the_server_takes_it() -> None:
    assert recorded(changing).status == "500"


def test_a_second_status_that_comes_too_late_does_not_count() -> None:
    recorder = Recorder(changing)

    with pytest.raises(RuntimeError, match="broken"):
        Server(sent=True).get(recorder)
    (record,) = recorder.records()
    assert (record.status, record.ending) == ("200", "error")


def test_an_app_may_start_its_response_with_its_first_block() -> None:
    def late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("404 Not Found", TEXT)
        yield b"nothing"

    assert recorded(late)[2:4] == ("404", 7)


def test_the_path_is_the_one_that_was_asked_for_as_text() -> None:
    def moving(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["SCRIPT_NAME"] = environ["PATH_INFO"] = "/moved"
        return listing(environ, start_response)

    assert recorded(moving, "/küche", base_url="http://localhost/büro/").path == "/büro/küche"


@pytest.mark.parametrize(
    ("path", "shown"), [("/\xff", "/�"), ("/" + "x" * 59, "/" + "x" * 59), ("/" + "x" * 60, "/" + "x" * 58 + "…")]
)
def test_a_path_that_is_broken_or_long_can_be_shown(path: str, shown: str) -> None:
    assert recorded(listing, environ_overrides={"PATH_INFO": path}).path == shown


def test_a_long_method_is_cut() -> None:
    assert recorded(listing, method="X" * 5000).method == "XXXXXXXXX…"


def test_the_oldest_record_makes_room() -> None:
    recorder = Recorder(listing, most=2)

    for path in ("/first", "/second", "/third"):
        Server().get(recorder, path)

    assert [record.path for record in recorder.records()] == ["/third", "/second"]


# The app


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of the app, with a new recorder, and a slow page that does not wait."""
    monkeypatch.setattr(example, "recorder", Recorder(example.recorder.app))
    monkeypatch.setattr(example.app, "wsgi_app", example.recorder)
    monkeypatch.setattr(example, "PAUSE", 0)
    return example.app.test_client()


def get(client: Client, path: str) -> str:
    """A page, read to its end and closed, as a server does."""
    return client.get(path, buffered=True).text


def table(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr>\s*<td>.*?</tr>", page, re.DOTALL)
    return [[re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row)] for row in rows]


def test_the_front_page_shows_the_id_of_its_request(client: Client) -> None:
    response = client.get("/", headers={"X-Request-ID": "forged"})

    assert f"<code>{response.headers['X-Request-ID']}</code>" in response.text
    assert "forged" not in response.text


def test_the_first_visit_finds_no_requests_and_the_second_one_the_first(client: Client) -> None:
    first = get(client, "/?secret=1")

    assert "None has ended so far" in first
    ((method, path, status, sent, milliseconds),) = table(get(client, "/"))
    assert (method, path, status, sent) == ("GET", "/", "200", str(len(first.encode())))
    assert re.fullmatch(r"\d+\.\d", milliseconds)


def test_the_table_has_the_last_ten_requests(client: Client) -> None:
    for number in range(11):
        get(client, f"/{number}")

    assert [row[1] for row in table(get(client, "/"))] == [f"/{number}" for number in range(10, 0, -1)]


def test_the_slow_page_is_sent_while_it_is_made(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(example, "sleep", pauses.append)
    response = client.get("/slow")

    assert pauses == []
    page = ""
    for block in response.iter_encoded():
        page += block.decode()
        lines = page.count("was made and sent")
        assert len(pauses) - lines in (0, 1)
    response.close()

    assert page.count("was made and sent") == example.LINES
    assert table(get(client, "/"))[0][1:4] == ["/slow", "200", str(len(page))]


def test_who_leaves_the_slow_page_is_recorded_as_gone(client: Client) -> None:
    response = client.get("/slow")
    next(iter(response.iter_encoded()))
    response.close()

    assert table(get(client, "/"))[0][1:3] == ["/slow", "200, left"]


def test_the_broken_page_is_a_500_in_the_table_and_a_traceback_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.get("/broken", buffered=True)

    assert response.status_code == 500
    assert "<h1>That went wrong</h1>" in response.text
    assert "RuntimeError" not in response.text
    assert "RuntimeError: This view raises" in caplog.text
    assert table(get(client, "/"))[0][1:3] == ["/broken", "500"]


def test_an_exception_that_the_app_lets_through_has_no_status(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example.app, "debug", True)

    with pytest.raises(RuntimeError, match="This view raises"):
        get(client, "/broken")

    assert table(get(client, "/"))[0][1:3] == ["/broken", "none, error"]


def test_a_path_is_shown_escaped_and_on_its_own(client: Client) -> None:
    get(client, "/<script>\u202e")

    assert "<bdi>/&lt;script&gt;\u202e</bdi>" in get(client, "/")


def test_an_error_page_keeps_status_and_headers(client: Client) -> None:
    response = client.post("/slow", buffered=True)

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert "<h1>Method Not Allowed</h1>" in response.text


@pytest.mark.parametrize("path", ["/", "/slow", "/broken", "/nothing", "/static/style.css"])
def test_every_answer_has_the_headers_of_the_layers(client: Client, path: str) -> None:
    headers = client.get(path, buffered=True).headers

    assert len(headers.getlist("X-Request-ID")) == 1
    assert [headers.getlist(name) for name, _ in SecurityHeaders.HEADERS] == [
        [value] for _, value in SecurityHeaders.HEADERS
    ]


@pytest.mark.parametrize("path", ["/", "/slow", "/broken", "/nothing", "/static/style.css"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_app_is_valid_wsgi_between_all_layers(
    client: Client, path: str, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app: WSGIApplication = partial(Flask.wsgi_app, example.app)
    for wrap in (RequestID, SecurityHeaders, Recorder):
        app = wrap(validator(app))
    server = Server()

    body = server.get(validator(app), path, method=method, query_string="a=b")

    assert bool(body) == (method == "GET")
    assert "Iterator garbage collected" not in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/", "/slow", "/broken", "/nothing"])
def test_below_a_prefix_every_link_carries_it(client: Client, path: str) -> None:
    below = WerkzeugClient(PrefixMiddleware(client.application, "/mounted"))

    found = Links(below.get(f"/mounted{path}", buffered=True).text).found

    assert found >= {"/mounted/", "/mounted/static/style.css"}
    assert all(link.startswith("/mounted/") for link in found)
    assert table(below.get("/mounted/", buffered=True).text)[0][1] == f"/mounted{path}"


def test_run_as_a_module_it_serves(served: list[Flask]) -> None:
    runpy.run_module("examples.middleware", run_name="__main__")

    assert served == [example.app]
