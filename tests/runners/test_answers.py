"""Answers of an app through both HTTP runners: no forged header, no body where none is allowed, none out of step."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.serving import DEADLINE, Runner, serving
from tests.wire.answers import Answer, answers

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = """
TEXT = ("Content-Type", "text/plain")
ANSWERS = {
    "/value": ("200 OK", [("X", "a\\r\\nSet-Cookie: evil=1")]),
    "/value-lf": ("200 OK", [("X", "a\\nSet-Cookie: evil=1")]),
    "/value-nul": ("200 OK", [("X", "a\\0evil")]),
    "/value-wide": ("200 OK", [("X", "\\u20acevil")]),
    "/name": ("200 OK", [("X: evil\\r\\nY", "a")]),
    "/name-space": ("200 OK", [("X evil", "a")]),
    "/name-colon": ("200 OK", [("X:evil", "a")]),
    "/name-empty": ("200 OK", [("", "evil")]),
    "/status": ("200 OK\\r\\nX: evil", []),
    "/status-101": ("101 Switching Protocols", [("X", "evil")]),
    "/two-lengths": ("200 OK", [("Content-Length", "4"), ("content-length", "4"), ("X", "evil")]),
    "/length": ("200 OK", [("Content-Length", "+4"), ("X", "evil")]),
    "/connection": ("200 OK", [("Connection", "close"), ("X", "evil")]),
    "/coding": ("200 OK", [("Transfer-Encoding", "chunked"), ("X", "evil")]),
    "/empty": ("204 No Content", [TEXT, ("Content-Length", "4")]),
    "/unchanged": ("304 Not Modified", [("Content-Length", "4")]),
    "/length-told": ("200 OK", [TEXT, ("Content-Length", "4")]),
    "/parts": ("200 OK", [TEXT]),
    "/": ("200 OK", [TEXT, ("Content-Length", "4")]),
}

def app(environ, start_response):
    start_response(*ANSWERS[environ["PATH_INFO"]])
    return [b"ev", b"il"] if environ["PATH_INFO"] != "/" else [b"last"]
"""


@pytest.fixture(scope="module", params=["gevent", "tornado"])
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder = tmp_path_factory.mktemp("app")
    (folder / "answering.py").write_text(APP)
    with serving(request.param, "answering:app", "--bind", "127.0.0.1:0", cwd=folder) as runner:
        yield runner


def ask(runner: Runner, *requests: str) -> tuple[bytes, list[Answer]]:
    """The answers to *requests* and to one more: as bytes, and parsed."""
    lines = [*requests, "GET /"]
    raw = "".join(f"{line} HTTP/1.1\r\nHost: localhost\r\n\r\n" for line in lines[:-1])
    received = b""
    with socket.create_connection((runner.host, runner.port), DEADLINE) as connection:
        connection.sendall(f"{raw}{lines[-1]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        while data := connection.recv(65536):
            received += data
    return received, answers(received, [line.split()[0] for line in lines])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        "/value",
        "/value-lf",
        "/value-nul",
        "/value-wide",
        "/name",
        "/name-space",
        "/name-colon",
        "/name-empty",
        "/status",
        "/status-101",
        "/two-lengths",
        "/length",
        "/connection",
        "/coding",
    ],
)
def test_what_must_not_be_sent_is_a_500_that_forges_nothing(runner: Runner, path: str, method: str) -> None:
    received, (first, last) = ask(runner, f"{method} {path}")
    assert (first.status, first.body) == (500, b"" if method == "HEAD" else b"Internal Server Error\n")
    assert first.headers.keys() <= {"content-type", "content-length", "date", "x-content-type-options"}
    assert (last.status, last.body) == (200, b"last")
    for part in (b"evil", b"Traceback", b"ValueError"):
        assert part not in received


@pytest.mark.parametrize(
    ("request_line", "status", "length"),
    [
        ("HEAD /length-told", 200, "4"),
        ("HEAD /parts", 200, None),
        ("GET /empty", 204, None),
        ("HEAD /empty", 204, None),
        ("GET /unchanged", 304, "4"),
        ("HEAD /unchanged", 304, "4"),
    ],
)
def test_where_no_body_may_be_none_is_sent_and_the_next_answer_is_found(
    runner: Runner, request_line: str, status: int, length: str | None
) -> None:
    received, (first, second, last) = ask(runner, request_line, request_line)
    assert first[:1] == second[:1] == (status,)
    assert first.headers.get("content-length") == length
    assert "transfer-encoding" not in first.headers
    assert (last.status, last.body) == (200, b"last")
    assert b"evil" not in received


def test_a_body_of_parts_is_sent_so_that_its_end_is_found(runner: Runner) -> None:
    _, found = ask(runner, "GET /parts", "POST /parts", "GET /length-told")
    assert [answer.body for answer in found] == [b"evil", b"evil", b"evil", b"last"]
    assert [answer.headers.get("transfer-encoding") for answer in found] == ["chunked", "chunked", None, None]
