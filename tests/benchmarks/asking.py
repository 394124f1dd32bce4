"""Requests to an app in this process: the environ as a server makes it, and the answer read as a server reads it."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

HOST = "www.example.com"

#: what a server and a browser put into each environ
_BASE: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8000",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SERVER_SOFTWARE": "benchmarks",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "50000",
    "HTTP_HOST": HOST,
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.5",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


class Ask(NamedTuple):
    """A request."""

    path: str = "/"
    query: str = ""
    method: str = "GET"
    body: bytes = b""
    content_type: str = ""
    #: further variables of the environ
    variables: dict[str, str] | None = None

    def environ(self) -> WSGIEnvironment:
        """A new environ of this request."""
        environ = {
            **_BASE,
            "REQUEST_METHOD": self.method,
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "wsgi.input": BytesIO(self.body),
        }
        if self.body:
            environ["CONTENT_LENGTH"] = str(len(self.body))
            environ["CONTENT_TYPE"] = self.content_type
        if self.variables is not None:
            environ.update(self.variables)
        return environ


class Answer(NamedTuple):
    """An answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, several joined by commas; empty without one."""
        return ", ".join(value for known, value in self.headers if known.lower() == name.lower())

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that it sets: the text of each as it is sent back, by name."""
        pairs = [value.partition(";")[0] for name, value in self.headers if name.lower() == "set-cookie"]
        return {pair.partition("=")[0]: pair for pair in pairs}


def ask(app: WSGIApplication, request: Ask) -> Answer:
    """The answer of *app*."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        begun.append((status, headers))
        return written.append

    chunks = app(request.environ(), start_response)
    try:
        written.extend(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, headers = begun[-1]
    return Answer(int(status[:3]), headers, b"".join(written))


def _start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
    return len


def answer_all(app: WSGIApplication, environs: list[WSGIEnvironment]) -> None:
    """Have *app* answer these from the last to the first; each is let go when it was answered, as a server does it."""
    while environs:
        chunks = app(environs.pop(), _start_response)
        for _ in chunks:
            pass
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


class Visitor:
    """A browser in front of an app: it keeps the cookies and the validators that the app has sent."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._cookies: dict[int, str] = {}
        self._validators: dict[str, dict[str, str]] = {}

    def cookie(self, number: int) -> str:
        """The session cookie of the visitor with this number, who has logged in once."""
        if number not in self._cookies:
            self._cookies[number] = "; ".join(ask(self._app, Ask(f"/login/{number}")).cookies.values())
        return self._cookies[number]

    def validators(self, path: str) -> dict[str, str]:
        """The variables with which a browser asks again for a file that it has (RFC 9111 section 4.3.1)."""
        if path not in self._validators:
            answer = ask(self._app, Ask(path))
            found = {
                "HTTP_IF_NONE_MATCH": answer.header("ETag"),
                "HTTP_IF_MODIFIED_SINCE": answer.header("Last-Modified"),
            }
            self._validators[path] = {name: value for name, value in found.items() if value}
        return self._validators[path]
