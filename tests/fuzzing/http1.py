"""serving/http1.py with http_environ.py: the same requests however the bytes are cut, within limits, behind the gate.

An input is how it is cut (one byte), whether the limits are small (one byte), and what a client sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_embed.adapters.serving.limits import Limits
from flask_embed.middleware.strict import environ_fault
from tests.adapters.talking import talk
from tests.fuzzing import Target
from tests.security.checks import check, equal, one_of
from tests.wire import CASES

if TYPE_CHECKING:
    from tests.adapters.talking import Exchange

SMALL = Limits(line=60, headers=200, header_count=4, body=40)
STATUSES = (200, 204, 400, 413, 414, 431, 501, 505)


def run(data: bytes) -> None:
    if len(data) < 3:
        return
    size, limits, raw = data[0] % 40 + 1, SMALL if data[1] & 1 else Limits(), data[2:]

    found = talk([raw], limits)

    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    equal(summary(talk(pieces, limits)), summary(found), f"what comes of pieces of {size}")
    check(len(found) <= raw.count(b"\r\n\r\n") + 1, f"{len(found)} answers")
    check(sum(len(exchange.body) for exchange in found) <= len(raw), "a body that nobody has sent")
    for exchange in found:
        one_of(exchange.status, STATUSES)
        if exchange.environ is not None:
            check_request(exchange, limits)


def summary(found: list[Exchange]) -> list[tuple[object, ...]]:
    """The facts that have to be the same. Which fault refuses a request, and how much of it was read, may differ."""
    return [
        (exchange.environ, exchange.body, exchange.goes_on) if exchange.status in (200, 204) else (exchange.environ,)
        for exchange in found
    ]


def check_request(exchange: Exchange, limits: Limits) -> None:
    environ = exchange.environ or {}
    sent = {key: value for key, value in environ.items() if key.isupper()}
    for key, value in sent.items():
        check(type(value) is str, f"{key} is {value!r}")
        check(not set("\r\n\0-").intersection(key), f"the name {key!r}")
        if key != "PATH_INFO":  # in which %0A has become what the gate refuses
            check(not set("\r\n\0").intersection(value), f"{key} is {value!r}")
    for key in ("HTTP_PROXY", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH"):
        check(key not in sent, f"there is {key}")
    check(sent["PATH_INFO"][:1] == "/" or sent["PATH_INFO"] == "*", f"PATH_INFO is {sent['PATH_INFO']!r}")
    check(len(sent["REQUEST_URI"]) <= limits.line, "the line is longer than its limit")
    check(sum(key.startswith("HTTP_") for key in sent) <= limits.header_count, "there are more headers than the limit")
    if exchange.status in (200, 204):
        check(limits.body is None or len(exchange.body) <= limits.body, "the body is longer than its limit")
        check(exchange.status == 204 or environ_fault(environ) is None, "the gate would refuse it")
        if "CONTENT_LENGTH" in sent and exchange.is_whole:
            equal(len(exchange.body), int(sent["CONTENT_LENGTH"]), "bytes of the body")


TARGET = Target(
    run,
    tuple(bytes([at % 40, at % 2]) + case.raw for at, case in enumerate(CASES) if len(case.raw) < 600),
    (
        *(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST", b"HTTP/1.0", b"HTTP/1.1", b"\r\n\r\n", b"\r\n", b"OPTIONS * "),
        *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: a\r\n", b"Connection: close\r\n"),
        *(b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n"),
        *(b"http://a/", b"identity", b"gzip, chunked", b"CONNECT a:1 ", b"PRI * HTTP/2.0", b"\x0b", b"\x80", b"%00"),
    ),
)
