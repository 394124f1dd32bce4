"""HTTP/1.1 without sockets: limits to the byte, the framing of answers, and what becomes of the connection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from flask_embed.adapters.serving.limits import Limits
from tests.adapters.talking import bytewise, new, statuses, talk
from tests.security.checks import linear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask_embed.adapters.serving.http1 import Connection

LIMITS = Limits(line=40, headers=60, header_count=3, body=10)


def request(*headers: str, line: str = "GET / HTTP/1.1", body: bytes = b"") -> bytes:
    return "\r\n".join([line, "Host: a", *headers, "", ""]).encode("latin-1") + body


def asked(*headers: str, line: str = "GET / HTTP/1.1", body: bytes = b"") -> Connection:
    """A connection with a request to be answered."""
    connection = new()
    connection.receive(request(*headers, line=line, body=body))
    assert connection.environ is not None
    return connection


def line_of(length: int) -> str:
    return f"GET /{'a' * (length - 14)} HTTP/1.1"


def headers_of(length: int) -> str:
    """A header that makes all of them *length* bytes long, with Host and the line breaks."""
    return f"X: {'a' * (length - len('Host: a') - 2 - 3 - 2)}"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (request(line=line_of(40)), ([200], False)),
        (request(line=line_of(41)), ([414], True)),
        (request(headers_of(60)), ([200], False)),
        (request(headers_of(61)), ([431], True)),
        (request("A: 1", "B: 2"), ([200], False)),
        (request("A: 1", "B: 2", "C: 3"), ([431], True)),
        (request("Content-Length: 10", line="POST / HTTP/1.1", body=b"0123456789"), ([200], False)),
        (request("Content-Length: 11", line="POST / HTTP/1.1", body=b"0123456789a"), ([413], True)),
        (
            request("Transfer-Encoding: chunked", line="PUT / HTTP/1.1", body=b"a\r\n0123456789\r\n0\r\n\r\n"),
            ([200], False),
        ),
        (
            request("Transfer-Encoding: chunked", line="PUT / HTTP/1.1", body=b"b\r\n0123456789a\r\n0\r\n\r\n"),
            ([413], True),
        ),
        (request("Transfer-Encoding: chunked", line="PUT / HTTP/1.1", body=b"0\r\nX: 1\r\n\r\n"), ([200], False)),
        (
            request("Transfer-Encoding: chunked", line="PUT / HTTP/1.1", body=b"0\r\n" + b"X: 1\r\n" * 11 + b"\r\n"),
            ([431], True),
        ),
    ],
)
def test_limits_hold_to_the_byte(raw: bytes, expected: tuple[list[int], bool]) -> None:
    assert statuses(talk([raw], LIMITS)) == expected
    assert statuses(talk(bytewise(raw), LIMITS)) == expected


def test_no_more_than_the_limits_is_waited_for() -> None:
    for beginning in (b"GET /" + b"a" * 40, b"GET / HTTP/1.1\r\nX: " + b"a" * 70):
        connection = new(LIMITS)
        connection.receive(beginning)
        assert connection.fault is not None


def sent(
    connection: Connection, status: str, *headers: tuple[str, str], parts: tuple[bytes, ...] = ()
) -> tuple[str, bytes]:
    """Head and body of an answer."""
    head = connection.start(status, list(headers)).decode("latin-1")
    return re.sub(r"Date: .* GMT\r\n", "", head), b"".join(map(connection.body_data, parts)) + connection.end()


def test_an_answer_with_a_length_is_sent_as_it_is() -> None:
    head, body = sent(asked(), "200 OK", ("X", "1"), ("content-length", "4"), parts=(b"ab", b"cd"))
    assert (head, body) == ("HTTP/1.1 200 OK\r\nX: 1\r\ncontent-length: 4\r\n\r\n", b"abcd")


def test_an_answer_without_a_length_is_sent_in_chunks() -> None:
    head, body = sent(asked(), "200 OK", parts=(b"a" * 17, b"b"))
    assert (head, body) == (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"11\r\n" + b"a" * 17 + b"\r\n1\r\nb\r\n0\r\n\r\n",
    )


@pytest.mark.parametrize(
    ("line", "status"),
    [("HEAD / HTTP/1.1", "200 OK"), ("GET / HTTP/1.1", "204 No Content"), ("GET / HTTP/1.1", "304 Not Modified")],
)
def test_an_answer_that_has_no_body_has_no_framing(line: str, status: str) -> None:
    assert sent(asked(line=line), status) == (f"HTTP/1.1 {status}\r\n\r\n", b"")


def test_the_end_of_the_connection_ends_a_body_for_http_1_0() -> None:
    connection = asked("Connection: keep-alive", line="GET / HTTP/1.0")
    assert sent(connection, "200 OK", parts=(b"ab",)) == ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"ab")
    assert not connection.keep_alive


@pytest.mark.parametrize(
    ("line", "header", "says"),
    [
        ("GET / HTTP/1.1", "X: y", ""),
        ("GET / HTTP/1.1", "Connection: close", "Connection: close\r\n"),
        ("GET / HTTP/1.1", "Connection: x,CLOSE", "Connection: close\r\n"),
        ("GET / HTTP/1.0", "X: y", "Connection: close\r\n"),
        ("GET / HTTP/1.0", "Connection: Keep-Alive", "Connection: keep-alive\r\n"),
        ("GET / HTTP/1.0", "Connection: keep-alive, close", "Connection: close\r\n"),
    ],
)
def test_the_answer_says_whether_the_connection_lasts(line: str, header: str, says: str) -> None:
    connection = asked(header, line=line)
    head, _ = sent(connection, "200 OK", ("Content-Length", "0"))
    assert head == f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{says}\r\n"
    assert connection.keep_alive is (says != "Connection: close\r\n")


def test_a_date_is_sent_once() -> None:
    assert asked().start("200 OK", []).count(b"Date: ") == 1
    assert asked().start("200 OK", [("date", "x")]).lower().count(b"date: ") == 1


@pytest.mark.parametrize(
    ("headers", "body", "lasts"),
    [
        (["Content-Length: 70000"], b"", False),
        (["Content-Length: 70000"], b"a" * 10_000, True),
        (["Content-Length: 7"], b"", True),
        (["Content-Length: 7", "Expect: 100-continue"], b"", False),
        (["Content-Length: 7", "Expect: 100-continue"], b"a", True),
        (["Transfer-Encoding: chunked"], b"", False),
        (["Transfer-Encoding: chunked"], b"0\r\n\r\n", True),
    ],
)
def test_a_body_that_was_not_read_ends_the_connection_if_there_is_much_of_it(
    headers: list[str], body: bytes, lasts: bool
) -> None:
    connection = asked(*headers, line="POST / HTTP/1.1", body=body)
    connection.start("403 Forbidden", [("Content-Length", "0")])
    assert connection.keep_alive is lasts


def test_a_client_is_asked_for_its_body_once_and_only_if_it_waits() -> None:
    waiting = asked("Expect: 100-Continue", "Content-Length: 1", line="POST / HTTP/1.1")
    assert waiting.continue_line() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert waiting.continue_line() == b""
    answered = asked("Expect: 100-continue", "Content-Length: 1", line="POST / HTTP/1.1")
    answered.start("403 Forbidden", [])
    assert answered.continue_line() == b""
    for connection in (
        asked("Content-Length: 1", line="POST / HTTP/1.1"),
        asked("Expect: 100-continue", "Content-Length: 1", line="POST / HTTP/1.0"),
        asked("Expect: 100-continue", "Content-Length: 1", line="POST / HTTP/1.1", body=b"x"),
    ):
        assert connection.continue_line() == b""


def test_bodies_are_read_when_nobody_wants_them_too() -> None:
    post = request("Content-Length: 5", line="POST / HTTP/1.1", body=b"GET /")
    exchanges = talk([post, request(line="GET /next HTTP/1.1")], reads=False)
    assert [exchange.environ["PATH_INFO"] for exchange in exchanges if exchange.environ] == ["/", "/next"]


def chunks(number: int) -> bytes:
    body = b"1\r\na\r\n" * number + b"0\r\n\r\n"
    return request("Transfer-Encoding: chunked", line="PUT / HTTP/1.1", body=body)


INPUTS = {
    "a head byte by byte": lambda n: bytewise(request(f"X: {'a' * n}")),
    "many chunks": lambda n: [chunks(n)],
    "chunks byte by byte": lambda n: bytewise(chunks(n)),
    "a body byte by byte": lambda n: bytewise(request(f"Content-Length: {n}", line="PUT / HTTP/1.1", body=b"a" * n)),
    "many requests": lambda n: [request() * n],
    "empty lines": lambda n: [b"\r\n" * n],
    "a line without end": lambda n: bytewise(b"GET /" + b"a" * n),
}


@pytest.mark.parametrize("make", INPUTS.values(), ids=INPUTS)
def test_the_time_grows_with_the_input(make: Callable[[int], Iterable[bytes]]) -> None:
    limits = Limits(line=10**6, headers=10**6)

    def prepare(number: int) -> Callable[[], object]:
        pieces = list(make(number))
        return lambda: talk(pieces, limits)

    linear(prepare, 4000)
