"""The behaviour of a mounted app, whatever it is written with: each check answers "yes", or the difference.

A check asks an app that follows the contract of the guests in this folder, by URL alone. So the same checks look
at guests in our dispatcher, at our app in the hosts of others, and at what a runner serves.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from hashlib import sha256
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from werkzeug.test import create_environ

from tests.guests import blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from tests.serving import Runner

YES = "yes"
STYLE = b"body { margin: 2rem; }\n"
#: every byte, line ends and the beginning of a boundary among them, and more than one read of anybody
FILE = bytes(range(256)) * 1200 + b"\r\n--guest\r\r\n--"
#: the paths below a mount that all guests know
PATHS = ["", "/", "/where/x", "/style", "/go/x", "/echo/x", "/static/style.css", "/stream", "/missing"]


class Answer(NamedTuple):
    """An answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, empty without one."""
        return next((value for known, value in self.headers if known.lower() == name), "")

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Site(ABC):
    """A served app and a browser's cookies for it."""

    #: the URL path of the mount that is looked at: ``/one``
    place: str
    #: the URL path of another mount with an app of the same kind
    neighbour: str
    #: the cookies by name and path
    cookies: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The Host header of its requests."""
        return "localhost"

    @abstractmethod
    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send a request and read all of the answer."""

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """The answer for a path from the root, with the cookies that a browser sends there (RFC 6265 section 5)."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        fitting = [f"{name}={value}" for (name, where), value in self.cookies.items() if _is_below(path, where)]
        if fitting:
            sent["Cookie"] = "; ".join(fitting)
        answer = self.send(method, path, sent, body)
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                for key, morsel in SimpleCookie(value).items():
                    self.cookies[key, morsel["path"]] = morsel.value
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        """The answer for a path below the mount."""
        return self.ask("GET", self.place + path, b"", **headers)


def _is_below(path: str, where: str) -> bool:
    return path == where or (path.startswith(where) and (where.endswith("/") or path[len(where)] == "/"))


@dataclass
class InProcess(Site):
    """A site whose WSGI app is called here, as PEP 3333 has it."""

    app: WSGIApplication = field(kw_only=True)
    #: the names of what an answer has changed in the environ of its caller
    changed: set[str] = field(default_factory=set)

    def begin(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Begun:
        """Call the app; nothing of its body is read."""
        environ = create_environ(path, method=method, headers=headers, data=body)
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")  # as it came, be it UTF-8 or not
        environ["wsgi.errors"] = io.StringIO()
        begun = Begun(environ)
        begun.body = self.app(environ, begun.start_response)
        return begun

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        begun = self.begin(method, path, headers, body)
        try:
            read = b"".join(begun.body)
        finally:
            begun.close()
        self.changed |= begun.changed()
        return Answer(int(begun.status[:3]), begun.headers, b"".join(begun.written) + read)


class Begun:
    """A call of a WSGI app: what it has told so far, and its body."""

    body: Iterable[bytes]
    status: str
    headers: list[tuple[str, str]]

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.written: list[bytes] = []
        self._environ = environ
        self._before = dict(environ)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, headers
        return self.written.append

    def changed(self) -> set[str]:
        """The names in the environ whose values are others than before the call."""
        names = {*self._before, *self._environ}
        return {name for name in names if self._before.get(name) is not self._environ.get(name)}

    def close(self) -> None:
        close = getattr(self.body, "close", None)
        if close is not None:
            close()


@dataclass
class OverHTTP(Site):
    """A site that a runner serves."""

    runner: Runner = field(kw_only=True)

    @property
    def host(self) -> str:
        return f"{self.runner.host}:{self.runner.port}"

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        with contextlib.closing(self.runner.connect()) as connection:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())


def place(site: Site) -> str:
    """Checks that SCRIPT_NAME and PATH_INFO are seen as the two halves of the path."""
    answer = site.get("/")
    if answer.status != 200:
        return f"{answer.status}"
    seen = answer.text
    expected = f"{unquote(site.place)}|/"
    if seen == expected:
        return YES
    return "bytes for letters" if _without_decoding(expected) == seen else seen


def _without_decoding(text: str) -> str:
    return text.encode().decode("latin-1")


def bare(site: Site) -> str:
    """The answer to the mount's path without a slash at its end."""
    answer = site.get("")
    if answer.status in (307, 308) and urlsplit(answer.header("location")).path == f"{site.place}/":
        return "redirects"
    seen = answer.text.removesuffix("/").removesuffix("|")
    return "answers" if (answer.status, seen) == (200, site.get("/").text.removesuffix("|/")) else f"{answer.status}"


def urls(site: Site) -> str:
    """Checks that the URL of an endpoint is below the mount, encoded, and leads to the endpoint."""
    return _url_of(site, "x")


def urls_with_letters(site: Site) -> str:
    """The same of one with letters and a space in it."""
    return _url_of(site, "%C3%BC%20%E2%82%AC")


def _url_of(site: Site, name: str) -> str:
    answer = site.get(f"/where/{name}")
    return _leads(site, answer.text, f"/echo/{name}") if answer.status == 200 else f"{answer.status}"


def _leads(site: Site, url: str, path: str) -> str:
    if url == site.place + path:
        answer = site.get(path)
        return YES if (answer.status, answer.text) == (200, unquote(path).rpartition("/")[2]) else f"{answer.status}"
    encoded = quote(url, safe="/%")  # as a browser does it
    status = site.ask("GET", encoded).status
    if encoded == site.place + path and status == 200:
        return "unencoded"
    return f"a {status}"


def redirects(site: Site) -> str:
    """A redirect to the URL of an endpoint arrives there, and its Location is a path."""
    return _redirected(site, "x")


def redirects_with_letters(site: Site) -> str:
    """The same of one with letters in it."""
    return _redirected(site, "%C3%BCnter")


def _redirected(site: Site, name: str) -> str:
    answer = site.get(f"/go/{name}")
    if answer.status not in (302, 303):
        return f"{answer.status}"
    location = answer.header("location")
    base = f"http://{site.host}"
    absolute = location.startswith(base)
    # The characters of a header are bytes, and a browser that sees one which is not ASCII encodes it.
    found = _leads(site, quote(location.removeprefix(base), safe="/%", encoding="latin-1"), f"/echo/{name}")
    if found == YES and not location.isascii():
        found = "unencoded"
    if absolute:
        found = "absolute" if found == YES else f"absolute, {found}"
    return found


def static(site: Site) -> str:
    """Checks that a static file is sent, sent again only if it has changed, and nothing beside its folder."""
    answer = site.get("/static/style.css")
    if (answer.status, answer.body) != (200, STYLE) or not answer.header("content-type").startswith("text/css"):
        return f"{answer.status}"
    for way_out in (
        "/static/../blocks.py",
        "/static/%2e%2e/blocks.py",
        "/static/..%2fblocks.py",
        "/static//etc/passwd",
    ):
        if site.get(way_out).status == 200:
            return f"sends {way_out}"
    again = site.get("/static/style.css", If_Modified_Since=answer.header("last-modified"))
    return YES if (again.status, again.body) == (304, b"") else f"a {again.status} for a 304"


def static_url(site: Site) -> str:
    """Checks that the URL of a static file is below the mount that is asked, after another one was asked."""
    other = site.ask("GET", f"{site.neighbour}/style").text
    if other != f"{site.neighbour}/static/style.css":
        return f"not the mount's: {other}"
    url = site.get("/style").text
    if url == other:
        return "the first mount's"
    if url == f"{site.place}/static/style.css":
        return YES if site.ask("GET", url).body == STYLE else "leads elsewhere"
    encoded = quote(url, safe="/%")
    return "unencoded" if site.ask("GET", encoded).body == STYLE else f"a {site.ask('GET', encoded).status}"


def cookie(site: Site) -> str:
    """Checks that a cookie whose path is the mount comes back there, and stays there."""
    return _counted(site, "/count")


def session(site: Site) -> str:
    """The same of the session that the framework brings, as it is set up by itself."""
    return "has none" if (found := _counted(site, "/session")) == "404" else found


def _counted(site: Site, path: str) -> str:
    site.cookies.clear()
    first, second = (site.ask("POST", site.place + path) for _ in range(2))
    if (first.status, first.body) != (200, b"1"):
        return f"{first.status}"
    if second.body != b"2":
        return "does not come back"
    elsewhere = site.ask("POST", site.neighbour + path).body
    third = site.ask("POST", site.place + path).body
    if (elsewhere, third) == (b"1", b"3"):
        return YES
    if (elsewhere, third) == (b"3", b"4"):
        return "shared: Path=/" if {where for _, where in site.cookies} == {"/"} else "shared"
    return f"{elsewhere!r} {third!r}"


def upload(site: Site) -> str:
    """Checks that a file of a form arrives whole."""
    body = (
        b'--guests\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--guests\r\n'
        b'Content-Disposition: form-data; name="file"; filename="f.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + FILE + b"\r\n--guests--\r\n"
    )
    answer = site.ask("POST", f"{site.place}/upload", body, Content_Type="multipart/form-data; boundary=guests")
    expected = f"{len(FILE)} {sha256(FILE).hexdigest()}"
    return YES if (answer.status, answer.text) == (200, expected) else f"{answer.status}"


def letters(site: Site) -> str:
    """Checks that a part of the path is text for the view."""
    answer = site.get("/echo/%C3%BC%E2%82%AC")
    return YES if (answer.status, answer.text) == (200, "ü€") else f"{answer.status}"


def no_utf8(site: Site) -> str:
    """The answer to bytes in the path that are not UTF-8."""
    try:
        answer = site.get("/echo/%FF")
    except UnicodeError:
        return "raises"
    seen = {"\N{REPLACEMENT CHARACTER}": "U+FFFD", "%FF": "%FF"}
    return seen.get(answer.text, answer.text) if answer.status == 200 else f"{answer.status}"


def slashes(site: Site) -> str:
    """The answer to an empty segment before a known path."""
    answer = site.get("//echo/x")
    if answer.status == 308 and answer.header("location").endswith(f"{site.place}/echo/x"):
        return "redirects to one"
    return "taken as one" if (answer.status, answer.body) == (200, b"x") else f"{answer.status}"


def border(site: Site) -> str:
    """Checks that a path that only begins like the mount is not below it."""
    return YES if site.ask("GET", f"{site.place}echo/x").status == 404 else "not kept"


def missing(site: Site) -> str:
    """Checks that the 404 below the mount is the app's own page."""
    answer = site.get("/missing")
    ours = b"Not Found\n"
    return YES if answer.status == 404 and answer.body not in (b"", ours) else f"{answer.status}"


def broken(site: Site) -> str:
    """The answer of a view that raises; the neighbour has to answer afterwards."""
    try:
        answer = site.get("/broken")
        found = YES if answer.status == 500 else f"{answer.status}"
    except RuntimeError:
        found = "raises"
    neighbour = site.ask("GET", f"{site.neighbour}/")
    return found if neighbour.status == 200 else f"{found}, then the neighbour fails"


def head(site: Site) -> str:
    """Checks that HEAD gets the head of GET without a body, and a streamed body is closed all the same."""
    got, answer = site.get("/"), site.ask("HEAD", f"{site.place}/")
    if answer.status != 200 or answer.header("content-type") != got.header("content-type"):
        return f"{answer.status}"
    blocks.log.clear()
    streamed = site.ask("HEAD", f"{site.place}/stream")
    closed = blocks.log.count("close")
    if closed != 1:
        return "not closed" if not closed else f"closed {closed} times"
    return "sends the body" if answer.body or streamed.body else YES


def stream(site: InProcess) -> str:
    """Checks that blocks pass one by one, and the body is closed once: at its end, and when the client leaves."""
    blocks.log.clear()
    begun = site.begin("GET", f"{site.place}/stream")
    with contextlib.closing(begun):
        if not begun.status.startswith("200"):
            return begun.status[:3]
        body = iter(begun.body)
        for number in range(1, blocks.COUNT + 1):
            line = next(body).decode()
            if line != f"{number} {line.partition(' ')[2]}":
                return f"block {number} is {line!r}"
            if blocks.log[-1] != f"block {number}":
                return "read ahead"
        if next(body, b""):
            return "more than was sent"
    if blocks.log.count("close") != 1:
        return f"closed {blocks.log.count('close')} times"
    blocks.log.clear()
    with contextlib.closing(site.begin("GET", f"{site.place}/stream")) as left:
        next(iter(left.body))
    closed = blocks.log.count("close")
    if "block 2" in blocks.log:
        return "goes on after the client left"
    return YES if closed == 1 else "closed twice" if closed == 2 else f"closed {closed} times if left"


def stream_url(site: InProcess) -> str:
    """Whose URLs a stream builds when another mount is asked between its blocks, in the same thread."""
    begun = site.begin("GET", f"{site.place}/stream")
    with contextlib.closing(begun):
        if not begun.status.startswith("200"):
            return begun.status[:3]
        lines = _lines(site, iter(begun.body))
    return _urls_of(site, lines)


def _lines(site: Site, body: Iterator[bytes]) -> list[str]:
    lines = [next(body)]
    site.ask("GET", f"{site.neighbour}/")
    lines.extend(body)
    return [line.decode() for line in lines]


def _urls_of(site: Site, lines: list[str]) -> str:
    here, there = f"{site.place}/echo/x", f"{site.neighbour}/echo/x"
    found = [line.split()[1] for line in lines]
    if found == [here] * blocks.COUNT:
        return YES
    if [quote(url, safe="/%") for url in found] == [here] * blocks.COUNT:
        return "unencoded"
    if found[1:] == [there, there]:
        return "the last request's"
    without = f"{site.place.rpartition('/')[0]}/echo/x"
    return "without mount" if found == [without] * blocks.COUNT else " ".join(found)


def environ(site: InProcess) -> str:
    """Checks that the caller's environ is as it was."""
    site.changed.clear()
    for path in PATHS:
        for method in ("GET", "POST"):
            with contextlib.suppress(RuntimeError):
                site.send(method, site.place + path, {}, b"")
    return YES if not site.changed else f"changes {', '.join(sorted(site.changed))}"


def stream_over_http(site: OverHTTP) -> str:
    """As :func:`stream` and :func:`stream_url`: a block is made when the one before it has arrived."""
    with contextlib.closing(site.runner.connect()) as connection:
        connection.request("GET", f"{site.place}/stream")
        answer: http.client.HTTPResponse = connection.getresponse()
        lines = [answer.readline().decode()]
        for _ in range(1, blocks.COUNT):
            site.ask("GET", f"{site.neighbour}/")
            site.ask("GET", "/next")
            lines.append(answer.readline().decode())
        if answer.read():
            return "more than was sent"
    told = site.ask("GET", "/log").text
    if told != "block 1 block 2 block 3 close":
        return told
    return _urls_of(site, lines)


#: what is found out in process, in the order of the printed table
CHECKS: dict[str, Callable[[InProcess], str]] = {
    "sees its place": place,
    "without slash": bare,
    "builds URLs": urls,
    "URLs with letters": urls_with_letters,
    "redirects": redirects,
    "redirects, letters": redirects_with_letters,
    "static file": static,
    "URL of static file": static_url,
    "cookie": cookie,
    "session": session,
    "upload": upload,
    "stream": stream,
    "URLs in a stream": stream_url,
    "letters in path": letters,
    "no UTF-8 in path": no_utf8,
    "double slash": slashes,
    "segment border": border,
    "own 404": missing,
    "view that raises": broken,
    "HEAD": head,
    "caller's environ": environ,
}
#: what is found out of a runner
CHECKS_OVER_HTTP: dict[str, Callable[[OverHTTP], str]] = {
    "builds URLs": urls,
    "URLs with letters": urls_with_letters,
    "redirects": redirects,
    "redirects, letters": redirects_with_letters,
    "static file": static,
    "upload": upload,
    "cookie": cookie,
    "no UTF-8 in path": no_utf8,
    "view that raises": broken,
    "stream": stream_over_http,
}


def table(rows: dict[str, dict[str, str]]) -> str:
    """Rows of cells as text, columns under one another."""
    columns = list(next(iter(rows.values())))
    lines = [["", *columns], *([name, *(row[column] for column in columns)] for name, row in rows.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def cells(text: str) -> dict[str, dict[str, str]]:
    """The rows of such a text."""
    first, *others = (re.split(r" {2,}", line.strip()) for line in text.strip("\n").splitlines())
    return {name: dict(zip(first, row, strict=True)) for name, *row in others}
