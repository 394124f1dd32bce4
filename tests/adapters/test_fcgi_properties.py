"""FastCGI and CGI, whatever a web server sends: the same in pieces of any size, an environ or a refusal, and a head."""

from __future__ import annotations

import logging
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_embed.adapters.serving.boundary import respond
from flask_embed.adapters.serving.cgi_environ import check_sizes, environ_of
from flask_embed.adapters.serving.fcgi_records import ProtocolError, Records, encoded_pairs, end, finish, output, pairs
from flask_embed.adapters.serving.gate import behind_gate
from flask_embed.adapters.serving.limits import BadRequestError, Limits
from flask_embed.adapters.serving.response_head import cgi_head
from flask_embed.options import Options
from tests.adapters.records import (
    ABORT,
    BEGIN,
    DATA,
    END,
    GET_VALUES,
    PARAMS,
    STDERR,
    STDIN,
    STDOUT,
    UNKNOWN,
    VALUES,
    begin,
    found,
    record,
    renumbered,
    stream,
)  # fmt: skip
from tests.adapters.talking import unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LIMIT = 300
LATIN = st.text(st.characters(max_codepoint=255), max_size=12)
NAMES = st.sampled_from(
    [
        *(
            "REQUEST_METHOD",
            "SCRIPT_NAME",
            "PATH_INFO",
            "QUERY_STRING",
            "REQUEST_URI",
            "CONTENT_LENGTH",
            "CONTENT_TYPE",
        ),
        *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "HTTPS", "REQUEST_SCHEME", "REMOTE_ADDR", "HTTP_HOST", ""),
        *("HTTP_PROXY", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_X_FORWARDED_HOST"),
        *("HTTP_COOKIE", "wsgi.input", "wsgi.url_scheme", "flask_embed.mounts", "werkzeug.request", "AUTH_TYPE"),
    ]
)
VALUES_SENT = LATIN | st.sampled_from(["GET", "POST", "/", "/a//b", "on", "https", "3", "", "-1", "9" * 20, "\xc3\xbc"])
VARIABLES = st.dictionaries(NAMES | LATIN, VALUES_SENT, max_size=8)


KINDS = st.sampled_from([BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, VALUES, UNKNOWN, 0, 99])


@st.composite
def streams(draw: Callable[[Any], Any]) -> bytes:
    """Records of up to two requests, with others between them, and perhaps a change."""
    raw = b""
    for _ in range(draw(st.integers(1, 2))):
        size, padding = draw(st.integers(1, 40)), draw(st.sampled_from([0, 1, 7, 255]))
        variables = encoded_pairs(draw(st.dictionaries(NAMES, VALUES_SENT, max_size=4)))
        records = [begin(role=draw(st.sampled_from([1, 1, 1, 2])), flags=draw(st.integers(0, 1)))]
        records += [
            stream(PARAMS, variables, size, padding),
            stream(STDIN, draw(st.binary(max_size=60)), size, padding),
        ]
        records = [renumbered(b"".join(records), draw(st.sampled_from([1, 1, 2])))]
        records += [
            record(kind, draw(st.binary(max_size=9)), draw(st.integers(0, 2)))
            for kind in draw(st.lists(KINDS, max_size=2))
        ]
        raw += b"".join(draw(st.permutations(records)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=3)) + raw[at + draw(st.integers(0, 3)) :]
    return raw


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Without the log of refused requests, which would fill a report."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


class Taken(NamedTuple):
    """The result of some bytes."""

    number: int | None
    role: int
    variables: dict[str, str] | None
    size: int
    body: bytes
    ended: bool
    aborted: bool
    replies: bytes
    fault: bool


def taken(pieces: Iterable[bytes]) -> Taken:
    """The state of the records when these pieces have come, or when one was refused."""
    records = Records(limit=LIMIT, roles=(1, 2), values={"FCGI_MAX_CONNS": "7"})
    fault = False
    try:
        for piece in pieces:
            records.receive(piece)
    except ProtocolError:
        fault = True
    request = records.request
    if request is None:
        return Taken(None, 0, None, 0, b"", False, False, records.replies, fault)
    assert sum(map(len, request._content)) <= LIMIT
    return Taken(
        request.id,
        request.role,
        request.variables,
        request.size,
        unread(request.body),
        request.input_ended,
        request.aborted,
        records.replies,
        fault,
    )


@given(streams() | st.binary(max_size=60), st.lists(st.integers(1, 30)))
@example(record(GET_VALUES, b"\x80", 0) + begin(), [9])
def test_pieces_change_nothing(raw: bytes, lengths: list[int]) -> None:
    whole = taken([raw])
    ends = [*accumulate(lengths, initial=0), max(len(raw), sum(lengths))]

    assert taken(raw[start:end] for start, end in pairwise(ends)) == whole
    assert taken(raw[at : at + 1] for at in range(len(raw))) == whole
    assert sum(1 for _ in found(whole.replies)) <= 64
    assert len(whole.replies) <= 64 * 32
    assert len(whole.body) <= len(raw)


@given(
    st.sampled_from([b"", begin(), begin() + record(PARAMS, b"\x01\x01ab") + record(PARAMS)]),
    st.sampled_from(
        [record(PARAMS, b"a" * 90), record(STDIN, b"a" * 9), record(DATA, bytes(4000)), record(ABORT), b"\1"]
    )
    | streams(),
    st.integers(1, 50),
)
def test_what_goes_on_without_an_end_is_refused_or_handed_on(beginning: bytes, part: bytes, size: int) -> None:
    records = Records(limit=LIMIT)
    raw = beginning + part * (20_000 // len(part))
    for at in range(0, len(raw), size):
        try:
            records.receive(raw[at : at + size])
        except ProtocolError:
            return
        request = records.request
        if request is not None:
            request.body.backlog.clear()
            assert sum(map(len, request._content)) <= LIMIT
        assert len(records._rest) <= 4096 + 8
        assert len(records.replies) <= 64 * 32


@given(st.binary(max_size=80))
def test_names_and_values_are_taken_whole_or_refused(data: bytes) -> None:
    try:
        values = pairs(data)
    except ProtocolError:
        return
    assert sum(len(name) + len(value) for name, value in values.items()) <= len(data)
    assert pairs(encoded_pairs(values)) == values


@given(st.binary(max_size=40), st.sampled_from([0, 65527, 65528, 65529, 131_100]), st.integers(1, 65535))
def test_what_is_sent_is_read_as_it_was(start: bytes, size: int, number: int) -> None:
    data = (start + bytes(size))[: max(size, len(start))]

    sent = b"".join(output(number, data)) + finish(number)

    records = list(found(sent))
    assert b"".join(content for kind, _, content in records if kind == STDOUT) == data
    assert {each for _, each, _ in records} == {number}
    assert records[-1] == (END, number, bytes(8))
    assert sent.endswith(end(number))
    assert len(sent) % 8 == 0


@given(VARIABLES)
def test_any_variables_are_an_environ_or_refused(variables: dict[str, str]) -> None:
    told = dict(variables)
    try:
        environ = environ_of(variables)
        check_sizes(environ, Limits(line=20, headers=100, header_count=2, body=5))
    except BadRequestError:
        return
    own = {"wsgi.url_scheme", "wsgi.version", "wsgi.errors", "wsgi.file_wrapper"}
    assert {name for name in environ if "." in name} == own
    assert environ["wsgi.url_scheme"] == (
        "https" if told.get("HTTPS", "").lower() in ("on", "1") or told.get("REQUEST_SCHEME") == "https" else "http"
    )
    assert environ["REQUEST_METHOD"] == told["REQUEST_METHOD"] != ""
    assert 0 <= int(environ.get("CONTENT_LENGTH", "0")) <= 5
    for name in ("HTTP_PROXY", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"):
        assert name not in environ
    for name in ("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"):
        assert environ[name] == (told.get(name) or environ[name]) != ""
    kept = {name: value for name, value in told.items() if name in environ and value and "." not in name}
    assert kept.items() <= environ.items()


class Written:
    """An answer as a CGI script writes it."""

    def __init__(self) -> None:
        self.data = b""

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.data += cgi_head(status, headers) + body

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.data += cgi_head(status, headers)

    def write(self, data: bytes) -> None:
        self.data += data

    def end(self) -> None:
        pass

    def cut(self) -> None:
        raise AssertionError("an answer was given up")


STATUSES = st.sampled_from(["200 OK", "302 Found", "404 Not Found", "200 \xe9", "503 x"]) | LATIN
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Content-Type", "Location", "Status", "status", "X-A", "Set-Cookie", "Content-Length"])
        | LATIN,
        st.sampled_from(["a", "/x", "200 OK", "1", "a; b", ""]) | LATIN,
    ),
    max_size=4,
)


@given(STATUSES, HEADERS)
def test_an_answer_is_a_head_and_a_body_whatever_the_app_says(status: str, headers: list[tuple[str, str]]) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response(status, headers)
        return [b"x"]

    written = Written()

    respond(app, environ_of({"REQUEST_METHOD": "GET"}), written)

    head, border, body = written.data.partition(b"\r\n\r\n")
    assert border
    first, *rest = head.split(b"\r\n")
    assert first.startswith(b"Status: ")
    # A client, to which a web server sends it as an answer of HTTP.
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(b"HTTP/1.1 " + first[8:] + b"\r\n" + b"".join(line + b"\r\n" for line in rest) + b"\r\n" + body)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    names = [name.lower() for name, _ in headers if name.lower() != "status"]
    if response.status_code == 500 and not status.startswith("500"):
        assert body == b"Internal Server Error\n"
        return
    assert response.status_code == int(status[:3])
    if status.startswith("200"):
        names = [name for name in names if name != "location"]
    assert [name.decode("latin-1") for name, _ in response.headers] == (
        names if "content-length" in names else [*names, "content-length"]
    )


@pytest.mark.parametrize(
    "options", [Options(), Options(prefix="/a", fix=("nginx-path-info",)), Options(script_name="/b")]
)
@given(variables=VARIABLES)
def test_any_request_of_a_web_server_is_answered(options: Options, variables: dict[str, str]) -> None:
    seen: list[WSGIEnvironment] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.append(environ)
        start_response("204 No Content", [])
        return []

    try:
        environ = environ_of({"REQUEST_METHOD": "GET", **variables})
    except BadRequestError:
        return
    written = Written()

    respond(behind_gate(app, options), environ, written)

    status = written.data.partition(b"\r\n")[0]
    assert status in (b"Status: 204 No Content", b"Status: 404 Not Found", b"Status: 400 Bad Request")
    assert (status == b"Status: 204 No Content") == bool(seen)
    for inner in seen:
        assert inner["PATH_INFO"][:1] in ("", "/")
        assert not any(mark in inner["SCRIPT_NAME"] for mark in "\\?#\n")
        assert ("//" in inner["SCRIPT_NAME"]) <= ("//" in variables.get("SCRIPT_NAME", ""))
