"""The boundary between server and app: whatever the app does, one answer, one close, nothing forged."""

from __future__ import annotations

import contextvars
import sys
import threading
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest

from flask_embed.adapters.serving.boundary import ClientGone, respond

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TEXT = [("Content-Type", "text/plain")]


class Wire:
    """A writer that keeps what was sent."""

    def __init__(self, leaves_after: int | None = None) -> None:
        self.head: tuple[str, list[tuple[str, str]]] | None = None
        self.body = b""
        self.ended = 0
        self.was_cut = 0
        self.leaves_after = leaves_after

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.start(status, headers)
        if body:
            self.write(body)
        self.end()

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        if self.head is not None:
            raise AssertionError("two heads were sent")
        self.head = (status, headers)

    def write(self, data: bytes) -> None:
        if self.head is None or not data or self.ended or self.was_cut:
            raise AssertionError("a body was sent out of place")
        if self.leaves_after is not None and len(self.body) >= self.leaves_after:
            raise ClientGone
        self.body += data

    def end(self) -> None:
        self.ended += 1

    def cut(self) -> None:
        self.was_cut += 1


class Body:
    """A body that counts how often it was closed."""

    def __init__(self, parts: list[bytes | BaseException], closing: BaseException | None = None) -> None:
        self.parts = iter(parts)
        self.closing = closing
        self.closed = 0
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, BaseException):
                raise part
            self.given += 1
            yield part

    def close(self) -> None:
        self.closed += 1
        if self.closing is not None:
            raise self.closing


def answer(app: Callable[..., Any], method: str = "GET", leaves_after: int | None = None) -> Wire:
    wire = Wire(leaves_after)
    environ: WSGIEnvironment = {"REQUEST_METHOD": method}
    setup_testing_defaults(environ)
    respond(app, environ, wire)
    if wire.ended + wire.was_cut != 1:
        raise AssertionError(f"ended {wire.ended} times, cut {wire.was_cut} times")
    return wire


def simple(body: Any, status: str = "200 OK", headers: list[tuple[str, str]] | None = None) -> Callable[..., Any]:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response(status, TEXT if headers is None else headers)
        return body

    return app


def test_a_whole_body_gets_its_length() -> None:
    wire = answer(simple([b"hello"]))
    assert wire.head == ("200 OK", [*TEXT, ("Content-Length", "5")])
    assert (wire.body, wire.ended) == (b"hello", 1)
    assert answer(simple([])).head == ("200 OK", [*TEXT, ("Content-Length", "0")])
    assert answer(simple(Body([]))).head == ("200 OK", [*TEXT, ("Content-Length", "0")])
    assert answer(simple([b"a", b"b"])).head == ("200 OK", TEXT)


def test_a_streamed_body_is_sent_part_by_part_and_closed_once() -> None:
    body = Body([b"", b"a", b"", b"b"])
    wire = answer(simple(body))
    assert (wire.head, wire.body, body.closed) == (("200 OK", TEXT), b"ab", 1)


def test_nothing_is_sent_before_the_first_part() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        yield b""
        start_response("201 Created", TEXT)
        yield b"late"

    wire = answer(app)
    assert (wire.head, wire.body) == (("201 Created", TEXT), b"late")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
def test_where_no_body_may_be_none_is_sent(method: str, status: str) -> None:
    body = Body([b"part", b"part"])
    wire = answer(simple(body, status, [*TEXT, ("Content-Length", "8")]), method)
    assert wire.head is not None
    assert (wire.body, body.closed) == (b"partpart" if (method, status) == ("GET", "200 OK") else b"", 1)
    assert dict(wire.head[1]).get("Content-Length") == (None if status.startswith("204") else "8")
    if not wire.body:
        assert body.given == 1


def test_head_has_the_length_of_a_whole_body() -> None:
    wire = answer(simple([b"hello"]), "HEAD")
    assert (wire.head, wire.body) == (("200 OK", [*TEXT, ("Content-Length", "5")]), b"")


@pytest.mark.parametrize(
    "app",
    [
        simple("text"),
        simple(["text"]),
        simple([5]),
        simple(None),
        simple([b"x"], status="200"),
        simple([b"x"], status="OK"),
        simple([b"x"], status="200 OK\r\nX: y"),
        simple([b"x"], status="99 Low"),
        simple([b"x"], status="101 Switching"),
        simple([b"x"], status=b"200 OK"),  # type: ignore[arg-type]
        simple([b"x"], headers=[("X", "a\r\nSet-Cookie: b")]),
        simple([b"x"], headers=[("X", "a\0")]),
        simple([b"x"], headers=[("X", "\u20ac")]),
        simple([b"x"], headers=[("X y", "a")]),
        simple([b"x"], headers=[("X:", "a")]),
        simple([b"x"], headers=[("X\r\nY", "a")]),
        simple([b"x"], headers=[("", "a")]),
        simple([b"x"], headers=[("X", 5)]),  # type: ignore[list-item]
        simple([b"x"], headers=[("Connection", "close")]),
        simple([b"x"], headers=[("transfer-encoding", "chunked")]),
        simple([b"x"], headers=[("Content-Length", "+1")]),
        simple([b"x"], headers=[("Content-Length", "1"), ("content-length", "1")]),
        lambda environ, start_response: [b"no start_response"],
        lambda environ, start_response: [],
        lambda environ: [b"not WSGI"],
        lambda environ, start_response: 1 // 0,
        lambda environ, start_response: simple(Body([ZeroDivisionError()]))(environ, start_response),
    ],
)
def test_a_fault_before_the_headers_is_a_500(app: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    for method in ("GET", "HEAD"):
        wire = answer(app, method)
        assert wire.head is not None
        assert wire.head[0] == "500 Internal Server Error"
        assert wire.body == (b"Internal Server Error\n" if method == "GET" else b"")
    assert "Error while answering GET /" in caplog.text


def test_a_fault_in_mid_body_cuts_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    body = Body([b"part", LookupError("broken")])
    wire = answer(simple(body))
    assert (wire.body, wire.was_cut, body.closed) == (b"part", 1, 1)
    assert "broken" in caplog.text


@pytest.mark.parametrize(("length", "sent"), [("3", b""), ("5", b"part")])
def test_a_body_that_is_not_as_long_as_it_says_cuts_the_connection(
    length: str, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    body = Body([b"part"])
    wire = answer(simple(body, headers=[("Content-Length", length)]))
    assert (wire.body, wire.was_cut, body.closed) == (sent, 1, 1)
    assert "Content-Length" in caplog.text


def test_a_client_that_leaves_closes_the_app_and_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    body = Body([b"a", b"b", b"c"])
    wire = answer(simple(body), leaves_after=1)
    assert (wire.body, wire.was_cut, body.given, body.closed) == (b"a", 1, 2, 1)
    assert caplog.records == []


def test_a_close_that_fails_is_logged_and_leaves_the_answer_whole(caplog: pytest.LogCaptureFixture) -> None:
    body = Body([b"a"], closing=LookupError("closing"))
    wire = answer(simple(body))
    assert (wire.body, wire.ended, body.closed) == (b"a", 1, 1)
    assert "closing" in caplog.text
    broken = Body([b"a", ZeroDivisionError()], closing=LookupError("closing"))
    assert (answer(simple(broken)).was_cut, broken.closed) == (1, 1)


def test_what_is_no_error_is_raised_after_close() -> None:
    body = Body([b"a", KeyboardInterrupt()])
    wire = Wire()
    environ: WSGIEnvironment = {}
    setup_testing_defaults(environ)
    with pytest.raises(KeyboardInterrupt):
        respond(simple(body), environ, wire)
    assert (body.closed, wire.was_cut) == (1, 1)


def test_start_response_a_second_time_needs_exc_info() -> None:
    def twice(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", TEXT)
        start_response("201 Created", TEXT)
        return [b""]

    def replaced(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", TEXT)
        try:
            raise LookupError
        except LookupError:
            start_response("503 Busy", TEXT, sys.exc_info())
        return [b"busy"]

    def late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"sent"
        try:
            raise LookupError("too late")
        except LookupError:
            start_response("503 Busy", TEXT, sys.exc_info())

    first = answer(twice).head
    assert first is not None
    assert first[0] == "500 Internal Server Error"
    second = answer(replaced)
    assert second.head is not None
    assert (second.head[0], second.body) == ("503 Busy", b"busy")
    third = answer(late)
    assert (third.body, third.was_cut) == (b"sent", 1)


def test_write_sends_at_once_and_before_the_body() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"first ")
        return [b"second"]

    wire = answer(app)
    assert (wire.head, wire.body) == (("200 OK", TEXT), b"first second")


def test_call_iteration_and_close_share_one_thread_and_one_fresh_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[tuple[str, str, int]] = []

    class Watched:
        def __iter__(self) -> Iterator[bytes]:
            seen.append(("next", variable.get(), threading.get_ident()))
            yield b"x"

        def close(self) -> None:
            seen.append(("close", variable.get(), threading.get_ident()))

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Watched:
        seen.append(("call", variable.get(), threading.get_ident()))
        variable.set("this request")
        start_response("200 OK", TEXT)
        return Watched()

    for _ in range(2):
        seen.clear()
        answer(app)
        here = threading.get_ident()
        assert seen == [("call", "unset", here), ("next", "this request", here), ("close", "this request", here)]
    assert variable.get() == "unset"


def test_the_log_has_one_line_for_a_path_with_line_breaks(caplog: pytest.LogCaptureFixture) -> None:
    environ: WSGIEnvironment = {"PATH_INFO": "/a\nb\x1b[31m\u2028", "SCRIPT_NAME": "/p"}
    setup_testing_defaults(environ)
    respond(lambda environ, start_response: 1 // 0, environ, Wire())  # type: ignore[arg-type, return-value]
    assert caplog.records[0].getMessage() == r"Error while answering GET /p/a\nb\x1b[31m\u2028"
