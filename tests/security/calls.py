"""Calling an app as a server does, with an environ that no client library would send."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.security.checks import check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Answer", "call", "echo", "environ_of", "send", "wsgi"]


class Answer(NamedTuple):
    """An app's answer as the server got it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.line[:3])

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def head(self) -> str:
        """Status line and headers as a server without checks would write them."""
        return "".join(f"{line}\r\n" for line in [self.line, *(f"{name}: {value}" for name, value in self.headers)])

    def values(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        """The value of a header that stands there at most once; None if it is missing."""
        values = self.values(name)
        check(len(values) < 2, f"{name} stands there more than once: {values!r}")
        return values[0] if values else None


def wsgi(text: str) -> str:
    """*text* as a string of an environ: characters that stand for the bytes of UTF-8 (PEP 3333)."""
    return text.encode().decode("latin-1")


def environ_of(path: str = "/", method: str = "GET", body: bytes = b"", /, **changes: Any) -> WSGIEnvironment:
    """An environ with *path* as PATH_INFO, to the letter; a change to None takes the key away."""
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "server.example",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_HOST": "good.example",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    environ.update(changes)
    return {key: value for key, value in environ.items() if value is not None}


def call(app: WSGIApplication, path: str = "/", method: str = "GET", body: bytes = b"", /, **changes: Any) -> Answer:
    """The answer of *app* to the environ that :func:`environ_of` makes."""
    return send(app, environ_of(path, method, body, **changes))


def send(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """The answer of *app* to one request, called, read and closed as PEP 3333 has it.

    AssertionError for a head that would be more lines on the wire than it has parts.
    """
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    parts: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        check(not heads or exc_info, "start_response was called twice")
        heads[:] = [(status, list(headers))]
        return parts.append

    body = app(environ, start_response)
    try:
        parts.extend(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    check(heads, "start_response was not called")
    answer = Answer(*heads[0], b"".join(parts))
    lines = answer.head.encode("latin-1").splitlines()
    check(len(lines) == 1 + len(answer.headers), f"the head has more lines than headers: {lines!r}")
    check("\0" not in answer.head, f"the head holds a NUL: {answer.head!r}")
    return answer


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A WSGI app that answers with the SCRIPT_NAME and the PATH_INFO that it sees."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]
