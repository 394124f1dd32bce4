"""adapters/serving/http1.py reads the same requests in whatever pieces they come, up to the limits, in linear time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from flask_embed.adapters.serving.limits import Limits
from flask_embed.options import Options
from tests.adapters.talking import BASE, Exchange, bytewise, cut, new, talk, unread
from tests.security.checks import linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_embed.adapters.serving.http1 import Connection


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([line, *headers, "", ""]).encode("latin-1")


def get(*headers: str, target: str = "/", version: str = "1.1") -> bytes:
    return head(f"GET {target} HTTP/{version}", "Host: a", *headers)


def post(*headers: str, version: str = "1.1") -> bytes:
    return head(f"POST / HTTP/{version}", "Host: a", *headers)


NEXT = get(target="/next")
CHUNKED = post("Transfer-Encoding: chunked")
WAITING = ("Content-Length: 3", "Expect: 100-continue")
UPGRADE = ("Connection: Upgrade", "Upgrade: h2c")


class Got(NamedTuple):
    """The facts of an exchange that a test compares."""

    status: int
    line: str = ""
    body: bytes = b""


ROOT, POSTED, LAST = Got(200, "GET /"), Got(200, "POST /"), Got(200, "GET /next")
ABC = Got(200, "POST /", b"abc")


def got(raw: bytes, limits: Limits | None = None) -> list[Got]:
    """The exchanges of *raw*: the same whole, byte by byte, and cut in two at every position."""
    whole = talk([raw], limits)
    for pieces in (bytewise(raw), *(cut(raw, at) for at in range(1, len(raw)))):
        in_pieces = talk(pieces, limits)
        if [exchange[:4] for exchange in in_pieces] != [exchange[:4] for exchange in whole]:
            raise AssertionError(f"in pieces it is {in_pieces}, whole {whole}")
    return [Got(exchange.status, _line(exchange), exchange.body) for exchange in whole]


def _line(exchange: Exchange) -> str:
    environ = exchange.environ
    return "" if environ is None else f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}"


def received(*pieces: bytes, limits: Limits | None = None) -> Connection:
    connection = new(limits)
    for piece in pieces:
        connection.receive(piece)
    return connection


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (get(target="/a?b=c"), Got(200, "GET /a?b=c")),
        (head("HEAD / HTTP/1.1", "Host: a"), Got(200, "HEAD /")),
        (post("Content-Length: 3") + b"abc", ABC),
        (post("Content-Length: 0"), POSTED),
        (post(), POSTED),
        (get("Content-Length: 3") + b"abc", Got(200, "GET /", b"abc")),
        (post("Content-Length: 8") + b"\r\n\r\n\r\n\r\n", Got(200, "POST /", b"\r\n\r\n\r\n\r\n")),
        (post(f"Content-Length: {len(NEXT)}") + NEXT, Got(200, "POST /", NEXT)),
        (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", ABC),
        (CHUNKED + b"0\r\n\r\n", POSTED),
        (CHUNKED + b"000\r\n\r\n", POSTED),
        (CHUNKED + b"1\r\na\r\n" * 20 + b"0\r\n\r\n", Got(200, "POST /", b"a" * 20)),
        (CHUNKED + b"00A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", Got(200, "POST /", b"0123456789" * 2)),
        (CHUNKED + b"2\r\n\r\n\r\n0\r\n\r\n", Got(200, "POST /", b"\r\n")),
        (CHUNKED + b'3;a;b=c;d="e;f"\r\nabc\r\n0;x\r\n\r\n', ABC),
        (CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Empty:\r\n\r\n", ABC),
        (post("transfer-ENCODING:cHUNKED") + b"3\r\nabc\r\n0\r\n\r\n", ABC),
        (post(*WAITING) + b"abc", ABC),
        (post(WAITING[1], "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n", ABC),
        (post("Content-Length: 0", WAITING[1]), POSTED),
        (post(*WAITING, version="1.0") + b"abc", ABC),
        (get(*UPGRADE), ROOT),
        (get(*UPGRADE, version="1.0"), ROOT),
        (get(UPGRADE[1]), ROOT),
        (post(*UPGRADE, "Content-Length: 3") + b"abc", ABC),
        (post(*UPGRADE, "Content-Length: 0"), POSTED),
        (post(*UPGRADE, "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", ABC),
        (post(*UPGRADE, *WAITING) + b"abc", ABC),
        (get(target="http://A:80/p?q"), Got(200, "GET http://A:80/p?q")),
        (head("GET http://a/p HTTP/1.0"), Got(200, "GET http://a/p")),
        (head("GET / HTTP/1.0"), ROOT),
        (head("OPTIONS * HTTP/1.1", "Host: a"), Got(204, "OPTIONS *")),
    ],
)
def test_a_request_is_read_in_whatever_pieces_it_comes(raw: bytes, expected: Got) -> None:
    assert got(raw) == [expected]


@pytest.mark.parametrize(
    "first",
    [
        get(),
        head("HEAD / HTTP/1.1", "Host: a"),
        head("OPTIONS * HTTP/1.1", "Host: a"),
        post("Content-Length: 3") + b"abc",
        CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"1;x\r\na\r\n0\r\nX: y\r\n\r\n",
        post(*WAITING) + b"abc",
        get(*UPGRADE),
        get(*UPGRADE) + post(*UPGRADE, "Content-Length: 3") + b"abc" + get(*UPGRADE),
        post(*UPGRADE, "Content-Length: 0"),
        post(*UPGRADE, "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
        get("Connection: keep-alive", version="1.0"),
        post("Connection: keep-alive", "Content-Length: 3", version="1.0") + b"abc",
        # None of these is a Connection header, though llhttp takes them for one.
        get("Proxy-Connection: close"),
        get("Proxy-Connection: upgrade", "Upgrade: h2c"),
        CHUNKED + b"0\r\nConnection: close\r\n\r\n",
        CHUNKED + b"0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        CHUNKED + b"0\r\nProxy-Connection: close\r\n\r\n" + get(),
    ],
)
def test_the_request_behind_another_is_read(first: bytes) -> None:
    found = got(first + NEXT)
    assert {exchange.status for exchange in found} <= {200, 204}
    assert len(found) == first.count(b" HTTP/1.") + 1
    assert found[-1] == LAST


def test_each_body_in_chunks_begins_anew() -> None:
    line_feeds = Got(200, "POST /", b"\na\n")
    raw = CHUNKED + b"3\r\n\na\n\r\n0\r\nX: y\r\n\r\n"
    assert got(raw + raw + raw) == [line_feeds] * 3
    assert [found.status for found in got(raw + CHUNKED + b"X: y\r\n\r\n")] == [200, 400]


@pytest.mark.parametrize(
    ("value", "new_stays", "old_stays"),
    [
        ("close", False, False),
        ("CLOSE", False, False),
        ("\tclose\t", False, False),
        ("x, close", False, False),
        ("close ,x", False, False),
        ("close,", False, False),
        (",close", False, False),
        ("close, keep-alive", False, False),
        ("keep-alive\r\nConnection: close", False, False),
        ("close\r\nConnection: keep-alive", False, False),
        ("keep-alive", True, True),
        ("Keep-Alive", True, True),
        ("x,,keep-alive", True, True),
        ("keep-alive, upgrade", True, True),
        ("", True, False),
        ("closed", True, False),
        ("close x", True, False),
        ("x;close", True, False),
        ('"close"', True, False),
        ("upgrade", True, False),
    ],
)
def test_the_connection_lasts_as_the_client_says(value: str, new_stays: bool, old_stays: bool) -> None:
    for version, stays in (("1.1", new_stays), ("1.0", old_stays)):
        assert got(get(f"Connection: {value}", version=version) + NEXT) == ([ROOT, LAST] if stays else [ROOT])


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (head("GET / HTTP/1.1"), 400),
        (head("GET / HTTP/1.1 ", "Host: a"), 400),
        (head("GET / HTTP/1.2", "Host: a"), 505),
        (head("GET / HTTP/0.9", "Host: a"), 505),
        (head("G\rT / HTTP/1.2", "Host: a"), 400),
        (head("GET / HTTP/1.2", "Host: a\nb"), 400),
        (head("FROB / HTTP/1.1", "Host: a\nb"), 400),
        (head("PRI * HTTP/1.1", "Host: a"), 400),
        (head("FROB / HTTP/1.1", "Host: a"), 501),
        (head("DESCRIBE / HTTP/1.1", "Host: a"), 400),
        (head("G(T / HTTP/1.1", "Host: a"), 400),
        (head("CONNECT a:80 HTTP/1.1", "Host: a"), 501),
        (head("CONNECT / HTTP/1.1", "Host: a"), 501),
        (head("CONNECT http://a/ HTTP/1.1", "Host: a"), 501),
        (head("CONNECT * HTTP/1.1", "Host: a"), 501),
        (get(target="http://b/"), 400),
        (get(target="/#"), 400),
        (get("Host: a"), 400),
        (get("X: a\r\n b"), 400),
        (get("X : a"), 400),
        (get("X: a\rb"), 400),
        (post("Content-Length: +3") + b"abc", 400),
        (post("Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (post("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
        (post("Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n", 400),
        (post("Transfer-Encoding: chunked", version="1.0") + b"0\r\n\r\n", 400),
        # as nobody would send them with an Upgrade
        (post(*UPGRADE, "Content-Length: 3", "Content-Length: 4") + b"abc", 400),
        (post(*UPGRADE, "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (post(*UPGRADE, "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
        (post(*UPGRADE, "Transfer-Encoding: chunked", version="1.0") + b"0\r\n\r\n", 400),
    ],
)
def test_nothing_is_read_behind_what_is_no_request(raw: bytes, status: int) -> None:
    assert got(raw + NEXT) == [Got(status)]
    assert got(get() + raw + NEXT) == [ROOT, Got(status)]


@pytest.mark.parametrize(
    "chunks",
    [
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nab\r\n0\r\n\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b"1 \r\na\r\n0\r\n\r\n",
        b";x\r\na\r\n0\r\n\r\n",
        b"1\na\r\n0\r\n\r\n",
        b"1\r\na\n0\r\n\r\n",
        b"1\ra\r\n0\r\n\r\n",
        b"1;a\0\r\na\r\n0\r\n\r\n",
        b"00000000000000001\r\na\r\n0\r\n\r\n",
        b"0\r\nX\r\n\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"0\r\nX: y\r\n z\r\n\r\n",
        b"0\r\nX: y\nZ: z\r\n\r\n",
        b"0\r\nX: y\rz\r\n\r\n",
        b"0\r\n\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_no_chunk_ends_body_and_connection(chunks: bytes) -> None:
    for raw in (CHUNKED, post(*UPGRADE, "Transfer-Encoding: chunked")):
        (found,) = got(raw + chunks + NEXT)
        assert (found.status, found.line) == (400, "POST /")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        (get(), [ROOT]),
        (b"G", [Got(400)]),
        (get()[:-1], [Got(400)]),
        (get() + b"GET", [ROOT, Got(400)]),
        (post("Content-Length: 3"), [Got(400, "POST /")]),
        (post("Content-Length: 3") + b"ab", [Got(400, "POST /", b"ab")]),
        (CHUNKED, [Got(400, "POST /")]),
        (CHUNKED + b"3", [Got(400, "POST /")]),
        (CHUNKED + b"3\r\nab", [Got(400, "POST /", b"ab")]),
        (CHUNKED + b"3\r\nabc", [Got(400, "POST /", b"abc")]),
        (CHUNKED + b"3\r\nabc\r\n", [Got(400, "POST /", b"abc")]),
        (CHUNKED + b"3\r\nabc\r\n0\r\n", [Got(400, "POST /", b"abc")]),
        (CHUNKED + b"3\r\nabc\r\n0\r\nX: y\r\n", [Got(400, "POST /", b"abc")]),
    ],
)
def test_an_end_within_a_request_is_a_fault_and_one_behind_it_is_none(raw: bytes, expected: list[Got]) -> None:
    assert got(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [b"\r\n", b"\r", b" ", b"\x16\x03\x01", b"\0", b"GET\t", b"G@T", b"GET /\n", b"GET / HTTP/1.1\r\nHost: a\n\n"],
)
def test_what_cannot_become_a_request_is_refused_at_once(raw: bytes) -> None:
    fault = received(raw).fault
    assert fault is not None
    assert fault.status == "400 Bad Request"


@pytest.mark.parametrize("raw", [b"x\r\n", b"1" * 4097, b"1;" + b"x" * 4096, b"1\n", b"\r\n", b"0\r\nX\n"])
def test_what_cannot_become_a_chunk_is_refused_at_once(raw: bytes) -> None:
    fault = received(CHUNKED, *bytewise(raw)).body.fault
    assert fault is not None
    assert fault.status == "400 Bad Request"


@pytest.mark.parametrize(
    "pieces", [[b"G(T / HTTP/1.1\r\n\r\n"], [b"G", b""], [post("Content-Length: 3"), b""], [get(version="3.0")]]
)
def test_the_answer_to_a_fault_says_that_the_connection_ends(pieces: list[bytes]) -> None:
    connection = received(*pieces)
    answer = connection.start("400 Bad Request", [("Content-Length", "0")])
    assert answer.count(b"\r\nConnection: close\r\n") == 1
    assert not connection.keep_alive


# Limits


def test_the_limits_are_those_of_the_options() -> None:
    options = Options()
    assert Limits.of(options) == Limits()


@pytest.mark.parametrize(
    ("field", "raw", "most", "status"),
    [
        ("line", get(target="/" + "a" * 50), len("GET / HTTP/1.1") + 50, 414),
        ("line", get("X: " + "a" * 100), len("GET / HTTP/1.1"), 414),
        ("headers", get("X: " + "a" * 50), len("Host: a\r\nX: \r\n") + 50, 431),
        ("headers", get(*["X:"] * 20), len("Host: a\r\n") + 20 * len("X:\r\n"), 431),
        ("header_count", get("X: a", "X: b", "X_Y: c"), 4, 431),
        ("body", post("Content-Length: 30") + b"a" * 30, 30, 413),
        ("body", post(*UPGRADE, "Content-Length: 30") + b"a" * 30, 30, 413),
        ("body", CHUNKED + b"1e\r\n" + b"a" * 30 + b"\r\n0\r\n\r\n", 30, 413),
        ("body", CHUNKED + b"1\r\na\r\n" * 30 + b"0\r\nX: " + b"a" * 50 + b"\r\n\r\n", 30, 413),
        ("headers", CHUNKED + b"0\r\nX: " + b"a" * 50 + b"\r\n\r\n", len("X: \r\n\r\n") + 50, 431),
        ("headers", CHUNKED + b"0\r\n" + b"X:\r\n" * 20 + b"\r\n", 20 * len("X:\r\n") + 2, 431),
    ],
)
def test_a_limit_is_the_largest_that_is_read(field: str, raw: bytes, most: int, status: int) -> None:
    within = got(raw + get(), Limits(**{field: most}))
    beyond = got(raw + get(), Limits(**{field: most - 1}))
    assert [exchange.status for exchange in within] == [200, 200]
    assert [exchange.status for exchange in beyond] == [status]


def test_where_no_body_is_allowed_an_empty_one_is() -> None:
    assert got(post("Content-Length: 0") + CHUNKED + b"0\r\n\r\n", Limits(body=0)) == [POSTED, POSTED]
    assert got(post("Content-Length: 1") + b"a", Limits(body=0)) == [Got(413)]


def test_a_line_between_chunks_has_4096_bytes_at_most_and_a_trailer_may_have_more() -> None:
    longest = b";" + b"a" * (4096 - len("1;\r\n")) + b"\r\n"
    trailer = b"X: " + b"a" * 5000 + b"\r\n"
    for first, expected in ((b"1", Got(200, "POST /", b"a")), (b"01", Got(400, "POST /"))):
        raw = CHUNKED + first + longest + b"a\r\n0\r\n" + trailer + b"\r\n"
        for at in (1, len(CHUNKED) + 10, len(CHUNKED) + 4095, len(CHUNKED) + 4096, len(raw) - 3, len(raw) - 1):
            (exchange,) = talk(cut(raw, at))
            assert (exchange.status, exchange.body) == (expected.status, expected.body)


@pytest.mark.parametrize(
    ("begun", "limits", "status"),
    [
        (b"GET /", Limits(line=100), "414 URI Too Long"),
        (b"GET", Limits(line=100), "414 URI Too Long"),
        (get()[:-2] + b"X: ", Limits(headers=100), "431 Request Header Fields Too Large"),
        (CHUNKED + b"0\r\nX: ", Limits(headers=100), "431 Request Header Fields Too Large"),
        (CHUNKED + b"ffff\r\n", Limits(body=100), "413 Content Too Large"),
    ],
)
def test_input_without_end_is_refused_when_a_limit_is_reached(begun: bytes, limits: Limits, status: str) -> None:
    connection = received(begun, *bytewise(b"a" * 110), limits=limits)
    fault = connection.fault or connection.body.fault
    assert fault is not None
    assert fault.status == status


# What an adapter asks


def test_a_client_that_was_told_to_go_on_may_send_its_next_request() -> None:
    connection = received(post(*WAITING, *UPGRADE))
    assert connection.continue_line() == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.receive(b"abc" + NEXT)
    assert b"Connection" not in connection.start("200 OK", [("Content-Length", "0")])
    connection.next()
    assert connection.environ is not None
    assert (connection.environ["PATH_INFO"], connection.awaits_continue) == ("/next", False)


@pytest.mark.parametrize(
    ("length", "came", "stays"), [(65536, 0, True), (65537, 0, False), (65537, 1, True), (10**18 - 1, 0, False)]
)
def test_an_unread_rest_of_64_kib_is_worth_the_next_request(length: int, came: int, stays: bool) -> None:
    connection = received(post(f"Content-Length: {length}") + b"a" * came)
    connection.start("200 OK", [("Content-Length", "0")])
    assert connection.keep_alive is stays


@pytest.mark.parametrize("first", [b"", b"a", b"abc", b"abc" + NEXT[:5]])
def test_what_nobody_has_read_is_no_part_of_the_next_request(first: bytes) -> None:
    connection = received(post("Content-Length: 3") + first)
    connection.start("200 OK", [("Content-Length", "0")])
    rest = bytewise((b"abc" + NEXT)[len(first) :])
    while not connection.body.ended:
        connection.receive(next(rest))
    connection.next()
    assert (unread(connection.body), connection.body.received) == (b"", 0)
    for piece in rest:
        connection.receive(piece)
    assert connection.environ is not None
    assert (connection.environ["PATH_INFO"], connection.body.is_empty) == ("/next", True)


def test_the_body_can_be_taken_as_it_comes() -> None:
    connection = received(CHUNKED)
    seen = []
    for piece in (b"2\r\n", b"a", b"b\r\n1", b"\r\nc\r\n", b"0\r\n", b"\r\n"):
        connection.receive(piece)
        seen.append((unread(connection.body), connection.body.received, connection.body.ended))
    assert seen == [
        (b"", 0, False),
        (b"a", 1, False),
        (b"b", 2, False),
        (b"c", 3, False),
        (b"", 3, False),
        (b"", 3, True),
    ]


def test_it_is_quiet_while_nothing_of_a_request_is_there() -> None:
    connection = new()
    seen = [connection.is_quiet]
    for piece in (b"G", get()[1:]):
        connection.receive(piece)
        seen.append(connection.is_quiet)
    connection.start("200 OK", [("Content-Length", "0")])
    connection.next()
    assert [*seen, connection.is_quiet] == [True, False, False, True]


@pytest.mark.parametrize(
    ("raw", "is_open"),
    [
        (get(), False),
        (get() + b"more", True),
        (post("Content-Length: 3") + b"abc", False),
        (post("Content-Length: 3") + b"ab", True),
        (CHUNKED + b"x\r\n", True),
        (b"G(T", True),
    ],
)
def test_input_is_open_while_some_is_unread_or_may_come(raw: bytes, is_open: bool) -> None:
    assert received(raw).input_is_open is is_open


def test_each_answer_is_framed_by_itself() -> None:
    connection = received(get() + NEXT)
    connection.start("200 OK", [])
    assert connection.body_data(b"a") == b"1\r\na\r\n"
    connection.next()
    connection.start("200 OK", [("Content-Length", "4")])
    assert (connection.body_data(b"abcd"), connection.end()) == (b"abcd", b"")


def test_what_requests_share_is_not_changed_by_them() -> None:
    before = dict(BASE)
    talk([post("Content-Length: 3", "Cookie: a", "Connection: x") + b"abc" + NEXT])
    assert before == BASE


# Time


@pytest.mark.parametrize(
    "stream",
    [
        lambda n: get(target="/" + "a" * (n // 4)),
        lambda n: head(f"{'G' * (n // 4)} / HTTP/1.1", "Host: a"),
        lambda n: get(*["X:"] * (n // 4)),
        lambda n: CHUNKED + b"1;%b\r\na\r\n0\r\n\r\n" % (b"a" * (n // 8)),
        lambda n: CHUNKED + b"0\r\nX: %b\r\n\r\n" % (b"a" * n),
        lambda n: CHUNKED + b"0\r\n" + b"X:\r\n" * (n // 4) + b"\r\n",
    ],
    ids=["target", "method", "headers", "extension", "trailer", "trailers"],
)
def test_a_trickle_is_read_in_linear_time(stream: Callable[[int], bytes]) -> None:
    def prepare(size: int) -> Callable[[], object]:
        raw = stream(size)
        return lambda: talk(bytewise(raw), Limits(header_count=10**6))

    linear(prepare, 4000)


@pytest.mark.parametrize(
    "stream",
    [
        lambda n: get(*["X: y"] * n),
        lambda n: get(*[f"X{number}: y" for number in range(n)]),
        lambda n: get("Connection: " + "x," * n),
        lambda n: CHUNKED + b"0\r\n" + b"X: y\r\n" * n + b"\r\n",
        lambda n: (CHUNKED + b"1\r\na\r\n0\r\n\r\n") * (n // 8),
    ],
    ids=["equal headers", "headers", "options", "trailers", "requests in chunks"],
)
def test_what_comes_at_once_is_read_in_linear_time(stream: Callable[[int], bytes]) -> None:
    def prepare(size: int) -> Callable[[], object]:
        raw = stream(size)
        return lambda: talk([raw], Limits(headers=10**7, header_count=10**6))

    linear(prepare, 2000)
