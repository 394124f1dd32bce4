"""The few pages that need no framework, as a bare callable: what is left to save."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from tests.benchmarks import pages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: all that is worth a framework
LACKS = frozenset(
    {
        "form",
        "JSON",
        "session, read",
        "session, read and written",
        "template from a file",
        "template from a string",
        "url_for, three",
        "405",
        "static file",
        "static file, 304",
        "static file, range",
    }
)


def site() -> WSGIApplication:
    return app


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers what can be answered by looking at the path."""
    path = environ["PATH_INFO"]
    if path == "/":
        body = pages.HELLO
    elif path.startswith("/user/"):
        body = f"user {int(path[6:]) + 1}"
    elif path == "/query":
        body = parse_qs(environ["QUERY_STRING"])["q"][0]
    elif path.startswith("/go/"):
        start_response("302 Found", [("Location", f"/user/{int(path[4:])}"), ("Content-Length", "0")])
        return [b""]
    elif path == "/stream":
        start_response("200 OK", [("Content-Type", pages.HTML)])
        return pages.chunks()
    else:
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "9")])
        return [b"Not Found"]
    content = body.encode()
    start_response("200 OK", [("Content-Type", pages.HTML), ("Content-Length", str(len(content)))])
    return [content]
