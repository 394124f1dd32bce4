"""adapters/serving/fcgi_records.py and cgi_environ.py: the same however the bytes are cut, and any variables answered.

An input is how it is cut (one byte) and records; or, where the first byte is above 127, variables: ``NAME=value``,
with a byte 1E between two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_embed.adapters.serving.boundary import respond
from flask_embed.adapters.serving.cgi_environ import check_sizes, environ_of
from flask_embed.adapters.serving.fcgi_records import ProtocolError, Records, encoded_pairs, pairs
from flask_embed.adapters.serving.gate import behind_gate
from flask_embed.adapters.serving.limits import BadRequestError, Limits
from flask_embed.adapters.serving.response_head import cgi_head
from flask_embed.options import Options
from tests.adapters.records import GET_VALUES, asked, begin, record, stream
from tests.adapters.talking import unread
from tests.fuzzing import Target
from tests.security.checks import check, equal, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LIMIT = 300
SMALL = Options(limit_line=40, limit_headers=200, limit_header_count=4, limit_body=20)
STATUSES = (b"Status: 204 No Content", b"Status: 404 Not Found", b"Status: 400 Bad Request")


def run(data: bytes) -> None:
    if data[:1] > b"\x7f":
        parts = [part.partition(b"=") for part in data[1:].split(b"\x1e")]
        variables = {name.decode("latin-1"): value.decode("latin-1") for name, _, value in parts}
        equal(pairs(encoded_pairs(variables)), variables, "what comes back of the variables")
        check_variables(variables)
    elif data:
        check_records(data[1:], data[0] % 40 + 1)


def check_records(raw: bytes, size: int) -> None:
    whole = taken([raw])
    equal(taken(raw[at : at + size] for at in range(0, len(raw), size)), whole, f"what comes of pieces of {size}")
    check(len(whole["replies"]) <= 64 * 32, "more replies than the limit")
    check(len(whole["body"]) <= len(raw), "a body that nobody has sent")
    if whole["variables"]:
        check_variables(dict(whole["variables"]))


def taken(pieces: Iterable[bytes]) -> dict[str, Any]:
    """The state of the records when these pieces have come, or when one was refused."""
    records = Records(limit=LIMIT, roles=(1, 2), values={"FCGI_MAX_CONNS": "7"})
    fault = False
    try:
        for piece in pieces:
            records.receive(piece)
    except ProtocolError:
        fault = True
    request = records.request
    found = {"replies": records.replies, "fault": fault, "body": b"", "variables": None}
    if request is not None:
        check(sum(map(len, request._content)) <= LIMIT, "more variables are kept than the limit")
        check(not request.variables or request.size <= LIMIT, "there are more variables than the limit")
        found.update(body=unread(request.body), variables=request.variables, number=request.id, role=request.role)
        found.update(ended=request.input_ended, aborted=request.aborted, size=request.size)
    return found


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


def check_variables(variables: dict[str, str]) -> None:
    told = dict(variables)
    try:
        environ = environ_of(variables)
        check_sizes(environ, Limits.of(SMALL))
    except BadRequestError as error:
        one_of(error.status[:3], ("400", "413", "414", "431"))
        return
    check(sum(key.startswith("HTTP_") for key in environ) <= 4, "more headers than the limit")
    check("HTTP_PROXY" not in environ, "HTTP_PROXY is there")
    seen: list[WSGIEnvironment] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.append(environ)
        start_response("204 No Content", [])
        return []

    for options in (SMALL, Options(prefix="/a", fix=("lighttpd-root",)), Options(script_name="/b", trust_proxy=1)):
        seen.clear()
        written = Written()
        respond(behind_gate(app, options), environ.copy(), written)
        status = written.data.partition(b"\r\n")[0]
        one_of(status, STATUSES)
        equal(bool(seen), status == STATUSES[0], "whether the app was asked")
        for inner in seen:
            check(inner["PATH_INFO"][:1] in ("", "/"), f"PATH_INFO is {inner['PATH_INFO']!r}")
            check(not set("\\?#\r\n\0").intersection(inner["SCRIPT_NAME"]), f"SCRIPT_NAME is {inner['SCRIPT_NAME']!r}")
            check(not inner["SCRIPT_NAME"].startswith("//"), f"SCRIPT_NAME is {inner['SCRIPT_NAME']!r}")
            check(inner["wsgi.url_scheme"] == "https" or told.get("HTTPS", "").lower() not in ("on", "1"), "no https")


def variables(**values: str) -> bytes:
    """An input of variables."""
    return b"\xff" + b"\x1e".join(f"{name}={value}".encode("latin-1") for name, value in values.items())


TARGET = Target(
    run,
    (
        b"\x07" + asked("/a/b", "POST", b"body"),
        b"\x28" + asked("/a/b", "POST", b"body"),
        b"\x01" + asked(flags=1) + asked("/x", flags=1),
        b"\x08" + begin() + stream(4, encoded_pairs({"REQUEST_METHOD": "GET", "PATH_INFO": "/a"}), 9, 3) + record(5),
        b"\x10" + record(GET_VALUES, encoded_pairs({"FCGI_MAX_CONNS": "", "FCGI_OTHER": ""}), 0) + asked(),
        b"\x03" + begin() + begin(2) + record(2) + record(99) + asked(number=2),
        b"\x21" + begin(role=2) + stream(4, encoded_pairs({"REQUEST_METHOD": "GET"}), 99),
        variables(REQUEST_METHOD="GET", SCRIPT_NAME="/a", PATH_INFO="/b", QUERY_STRING="x=y", HTTPS="on"),
        variables(REQUEST_METHOD="POST", REQUEST_URI="/a/b?c", SCRIPT_NAME="/a/b", CONTENT_LENGTH="3", HTTP_HOST="a:1"),
        variables(REQUEST_METHOD="GET", SCRIPT_NAME="/a?b", PATH_INFO="c", HTTP_HOST="a@b"),
        variables(REQUEST_METHOD="GET", HTTP_PROXY="x", HTTP_X_FORWARDED_PREFIX="/p", REMOTE_ADDR="127.0.0.1"),
    ),
    (
        *(b"\x1eREQUEST_METHOD=GET", b"\x1eSCRIPT_NAME=/", b"\x1ePATH_INFO=/", b"\x1eREQUEST_URI=/", b"\x1eHTTPS=on"),
        *(b"\x1eHTTP_X_FORWARDED_FOR=", b"\x1eHTTP_X_FORWARDED_PROTO=https", b"\x1eHTTP_X_FORWARDED_HOST=a"),
        *(b"\x1eHTTP_X_FORWARDED_PORT=1", b"\x1eHTTP_X_FORWARDED_PREFIX=/a", b"\x1eREMOTE_ADDR=127.0.0.1", b"//"),
        *(begin(), record(4), record(5), record(2), b"\x01\x04\x00\x01\x00\x08\x00\x00", b"\x80\x00\x00\x01", b"/.."),
    ),
)
