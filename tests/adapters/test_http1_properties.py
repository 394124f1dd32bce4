"""Whatever a client sends through serving/http1.py to an app, each answer is one, and the connection stays in step."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_embed.adapters.serving.body import input_of
from flask_embed.adapters.serving.boundary import respond
from flask_embed.adapters.serving.gate import behind_gate, whole_server
from flask_embed.adapters.serving.limits import Limits
from flask_embed.answers import plain
from flask_embed.options import Options
from tests.adapters.talking import new
from tests.wire.answers import answers
from tests.wire.changes import APP, changed, most_answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import WSGIEnvironment

pytestmark = pytest.mark.differential

_names: dict[str, Any] = {}
exec(APP, _names)
app = behind_gate(_names["app"], Options())


class Server:
    """A server without sockets, and the writer of its answers."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.http = new()
        self.waiting: Iterator[bytes] = iter(pieces)
        self.sent = b""
        self.asked: list[tuple[str, str]] = []

    def run(self) -> None:
        http = self.http
        while True:
            while http.environ is None and http.fault is None and self.read():
                pass
            if http.environ is None:
                break
            self.answer(http.environ)
            while http.keep_alive and not http.body.ended and http.body.fault is None:
                self.read()
            if not http.keep_alive:
                break
            http.next()
        if http.fault is not None:
            headers, body = plain(http.fault.status, (http.line or ["GET"])[0])
            self.sent += http.start(http.fault.status, headers) + body

    def read(self) -> bytes:
        data = next(self.waiting, b"")
        self.http.receive(data)
        return data

    def read_body(self) -> None:
        self.sent += self.http.continue_line()
        self.read()

    def answer(self, environ: WSGIEnvironment) -> None:
        self.asked.append((environ["REQUEST_METHOD"], environ["REQUEST_URI"]))
        environ["wsgi.input"] = input_of(self.http.body, self.read_body)
        respond(whole_server if environ["PATH_INFO"] == "*" else app, environ, self)

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.sent += self.http.start(status, headers) + body

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.sent += self.http.start(status, headers)

    def write(self, data: bytes) -> None:
        self.sent += self.http.body_data(data)

    def end(self) -> None:
        self.sent += self.http.end()

    def cut(self) -> None:
        raise AssertionError("an answer was given up")


@given(changed(), st.lists(st.integers(1, 60)))
def test_there_is_one_answer_to_each_request_and_nothing_else(raw: bytes, lengths: list[int]) -> None:
    ends = [*accumulate(lengths, initial=0), len(raw)]
    server = Server(filter(None, [raw[start:end] for start, end in pairwise(ends)]))

    server.run()

    found = answers(server.sent, [method for method, _ in server.asked])
    assert len(found) == len(server.asked) + (server.http.fault is not None) <= most_answers(raw)
    assert {answer.status for answer in found} <= {200, 204, 400, 413, 414, 431, 501, 505}
    for answer in found:
        if answer.status >= 400:
            assert answer.body in (b"Bad Request\n", b"Not Implemented\n", b"HTTP Version Not Supported\n")
    is_closed = server.http.fault is not None or not server.http.keep_alive
    assert [answer.headers.get("connection") == "close" for answer in found] == [
        is_closed and answer is found[-1] for answer in found
    ]


BEGINNINGS = [
    b"",
    b"GET /",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: y",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
]
REPEATED = [
    b"a",
    b"a: b\r\n",
    b"\r\n",
    b"\r",
    b"1\r\na\r\n",
    b"1;a=b\r\na\r\n",
    b"0",
    b" ",
    b";a=b",
    b"/",
    b"\xff",
    b"X: y\r\n z\r\n",
]


@given(st.sampled_from(BEGINNINGS), st.sampled_from(REPEATED) | st.binary(min_size=1, max_size=9), st.integers(1, 50))
@example(BEGINNINGS[8], b"a", 50)
def test_what_goes_on_without_an_end_is_refused_or_handed_on(beginning: bytes, part: bytes, times: int) -> None:
    http = new(Limits(line=100, headers=300, header_count=10))
    http.receive(beginning)

    for _ in range(12_000 // (len(part) * times)):
        http.receive(part * times)
        http.body.backlog.clear()
        if http.fault is not None or http.body.fault is not None or http.body.ended:
            return
        # Of a head no more than its limits, of a line between chunks no more than 4 KiB.
        assert len(http._buffer) - http._at <= (100 + 300 if http.environ is None else 4096) + len(part) * times + 8
    assert http.environ is not None
    assert http.body.received > 0 or beginning.endswith(b"0\r\n")
