"""Requests that real fronts sent (``fronts.json``), as environs for the fixers.

Measured with nginx 1.22.1, lighttpd 1.4.69 and Apache 2.4.71: for each configuration a request per target. A row with
a status never came to the app. ``wire_path_info`` is the front's own value where flup made ``path_info`` of it: null
where the front sent none.
"""

from __future__ import annotations

import json
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.test import create_environ

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["ASKED", "ROWS", "Row", "different", "fixed", "fixed_or_refused", "simplified"]

#: The path of each target, as a WSGI string: decoded once, dots resolved, slashes as they came.
ASKED = {
    "/": "/",
    "/yourapplication": "/yourapplication",
    "/yourapplication/": "/yourapplication/",
    "/yourapplication/hello": "/yourapplication/hello",
    "/yourapplication/hello%20w%2Forld": "/yourapplication/hello w/orld",
    "/yourapplication//double//slash": "/yourapplication//double//slash",
    "/yourapplication/%C3%BCml%C3%A4ut": "/yourapplication/Ã¼mlÃ¤ut",
    "/yourapplicationfoo": "/yourapplicationfoo",
    "/yourapplication/a/../b": "/yourapplication/b",
    "/yourapplication/%2e%2e/b": "/b",
    # mod_proxy_ajp sends the target as it will use it
    "/yourapplication/double/slash": "/yourapplication/double/slash",
    "/yourapplication/b": "/yourapplication/b",
}


class Row(NamedTuple):
    """One request that came through a front."""

    #: the configuration
    front: str
    target: str
    #: "flup", or "wire" where flup changed what the front sent
    by: str
    script_name: str
    #: None where the environ has none
    path_info: str | None
    query_string: str
    #: None behind HTTP proxies, which send no such thing
    request_uri: str | None

    @property
    def asked(self) -> str:
        """The path that the client asked for."""
        return ASKED[(self.request_uri or self.target).partition("?")[0]]

    def environ(self) -> WSGIEnvironment:
        """A new environ of this request."""
        environ = create_environ()
        environ.update(SCRIPT_NAME=self.script_name, QUERY_STRING=self.query_string)
        del environ["PATH_INFO"], environ["REQUEST_URI"], environ["RAW_URI"]
        if self.path_info is not None:
            environ["PATH_INFO"] = self.path_info
        if self.request_uri is not None:
            environ["REQUEST_URI"] = self.request_uri
        return environ

    def __str__(self) -> str:
        return f"{self.front} {self.target} {self.by}"


def _rows() -> list[Row]:
    rows = []
    measured: dict[str, list[dict[str, Any]]] = json.loads(Path(__file__).with_name("fronts.json").read_text("utf-8"))
    for front, requests in measured.items():
        for request in requests:
            if request["status"] is None:
                seen = {"flup": request["path_info"]}
                if "wire_path_info" in request:
                    seen["wire"] = request["wire_path_info"] or ""
                elif request["path_info"] is None:
                    seen["wire"] = ""  # CGI, where a runner puts in what is absent
                rows += [
                    Row(
                        front,
                        request["target"],
                        by,
                        request["script_name"],
                        path_info,
                        request["query_string"],
                        request["request_uri"],
                    )
                    for by, path_info in seen.items()
                ]
    return rows


#: every request that came to the app, twice where flup changed it
ROWS = _rows()


def different(rows: list[Row]) -> list[Row]:
    """The first of all rows that are the same to a fixer: many fronts set the same variables for a target."""
    return list({(row.script_name, row.path_info, row.request_uri, row.asked): row for row in reversed(rows)}.values())


def simplified(path: str) -> str:
    """A decoded path with slashes merged and then dots resolved, by another algorithm than the fixers'."""
    end = "/" if path.endswith(("/", "/.", "/..")) else ""
    return ("/" + normpath(path).strip("/") + end).replace("//", "/")


def fixed(fixer: Callable[[WSGIApplication], WSGIApplication], environ: WSGIEnvironment) -> tuple[str, str | None]:
    """SCRIPT_NAME and PATH_INFO as an app inside *fixer* gets them; AssertionError if anything else is changed.

    The caller's environ has to stay as it is; the same object is passed on if nothing changes.
    """
    seen = fixed_or_refused(fixer, environ)
    assert seen is not None
    return seen


def fixed_or_refused(
    fixer: Callable[[WSGIApplication], WSGIApplication], environ: WSGIEnvironment
) -> tuple[str, str | None] | None:
    """As :func:`fixed`, but None where the answer is a plain 404 and no app was called."""
    seen: list[WSGIEnvironment] = []
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return [b"body"]

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        heads.append((status, headers))

    before = dict(environ)
    body = list(fixer(app)(environ, start_response))
    assert environ == before
    ((status, headers),) = heads
    if not seen:
        assert (status, body) == ("404 Not Found", [] if environ.get("REQUEST_METHOD") == "HEAD" else [b"Not Found\n"])
        assert headers == [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Length", "10"),
        ]
        return None
    assert (status, body) == ("200 OK", [b"body"])
    (after,) = seen
    assert (after is environ) is (after == before)
    assert {**after, "SCRIPT_NAME": "", "PATH_INFO": ""} == {**before, "SCRIPT_NAME": "", "PATH_INFO": ""}
    return after.get("SCRIPT_NAME", ""), after.get("PATH_INFO")
