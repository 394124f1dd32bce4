"""The streams of tests/wire through raw sockets, on both HTTP runners."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.adapters.talking import Exchange, talk
from tests.runners.asking import HTTP
from tests.security.checks import check, equal, one_of
from tests.serving import DEADLINE, Runner, serving
from tests.wire import CASES, Case
from tests.wire.answers import answers

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = """
from urllib.parse import quote

def app(environ, start_response):
    path, length = quote(environ["PATH_INFO"].encode("latin-1")), len(environ["wsgi.input"].read())
    body = f"{environ['REQUEST_METHOD']} {path} {length}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
#: those of an answer to what is no request
HEADERS = {"content-type", "content-length", "date", "connection", "x-content-type-options"}
LAST = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module", params=HTTP)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a runner."""
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def runner(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder = tmp_path_factory.mktemp("app")
    (folder / "reading.py").write_text(APP)
    # Tornado answers a head that does not end with the end of its patience.
    with serving(name, "reading:app", "--bind", "127.0.0.1:0", "--header-timeout", "1", cwd=folder) as runner:
        yield runner


def sent_back(runner: Runner, raw: bytes, *, ends: bool) -> bytes:
    """All that comes back until the server closes the connection."""
    received = b""
    with socket.create_connection((runner.host, runner.port), DEADLINE) as connection:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(raw)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
    return received


def seen(exchange: Exchange) -> str:
    """The request as the app reports it."""
    environ = exchange.environ
    if environ is None:
        return ""
    return f"{environ['REQUEST_METHOD']} {quote(environ['PATH_INFO'].encode('latin-1'))} {len(exchange.body)}"


def id_of(case: Case) -> str:
    """Its name, behind the number of the promise that it is about."""
    return f"{int(case.keys['promise']):03d}-{case.name}" if "promise" in case.keys else case.name


@pytest.mark.parametrize("case", CASES, ids=id_of)
def test_it_is_answered_as_it_has_to_be(runner: Runner, name: str, case: Case) -> None:
    statuses, closes = case.expected(name)

    # Where the connection stays open, one more request shows that it is in step.
    received = sent_back(runner, case.raw if closes else case.raw + LAST, ends=case.ends)

    found = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
    equal(found, statuses if closes else [*statuses, 200], "the statuses")
    expected = [exchange for exchange in talk([case.raw]) if exchange.environ is not None]
    taken = answers(received, [exchange.environ["REQUEST_METHOD"] for exchange in expected if exchange.environ])
    if not closes:
        equal(taken.pop().body, b"GET /last 0")
    # What both read, they read alike; Tornado reads some that http1.py does not, and the other way round.
    for answer, exchange in zip(taken, expected, strict=False):
        if answer.status == exchange.status == 200 and answer.body:
            equal(answer.body.decode(), seen(exchange))
    for answer in taken:
        if answer.status >= 400:
            one_of(answer.body.decode(), ("", f"{answer.reason}\n"))
            check(answer.headers.keys() <= HEADERS, f"other headers: {answer.headers}")


def test_nothing_was_a_fault_of_the_server(runner: Runner) -> None:
    equal([line for line in runner.lines if "Traceback" in line], [])
