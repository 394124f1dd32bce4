"""The behaviours that every way to an app has: one function each, which gets a way and asserts.

The first line of its docstring is what the printed matrix calls it. A way on which one of them fails either has a
fault, or cannot do better and is listed in :mod:`tests.servers.deviations`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.servers.matrix_app import PART, SECRET
from tests.servers.ways import CLIENT, Broken, Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.ways import Reply, Way

__all__ = ["BEHAVIOURS"]

MEGABYTE = 1024 * 1024
#: by name, in the order of the matrix
BEHAVIOURS: dict[str, Callable[[Way], None]] = {}


def behaviour(function: Callable[[Way], None]) -> Callable[[Way], None]:
    """Put a function into the table."""
    BEHAVIOURS[function.__name__] = function
    return function


def same(what: str, found: object, expected: object) -> None:
    """AssertionError with both if they differ."""
    if found != expected:
        raise AssertionError(f"{what}: {found!r}, not {expected!r}")


def answered(reply: Reply, status: int = 200) -> Reply:
    """*reply*, if it is the app's and has this status."""
    same("status", reply.status, status)
    same("answered by", reply.header("x-from"), "app")
    return reply


def content(reply: Reply) -> Any:
    """The JSON that the app has answered with."""
    return json.loads(answered(reply).body)


def environ(way: Way, path: str, **headers: str) -> dict[str, str]:
    """The environ that the app sees for *path*, below its prefix."""
    told: dict[str, str] = content(way.get(path, X_Tell="environ", **headers))
    return told


# Paths


def arrives(way: Way, path: str, path_info: str, query: str = "") -> None:
    """A request for *path* below the prefix comes to the app with this PATH_INFO."""
    told = environ(way, path)
    found = (told.get("SCRIPT_NAME", ""), told.get("PATH_INFO"), told.get("QUERY_STRING", ""))
    same("SCRIPT_NAME, PATH_INFO, QUERY_STRING", found, (way.prefix, path_info, query))


@behaviour
def the_prefix_alone(way: Way) -> None:
    """`/yourapplication` is PATH_INFO `""`"""
    if way.prefix:
        arrives(way, "", "")
    else:
        arrives(way, "/yourapplication", "/yourapplication")


@behaviour
def the_prefix_with_a_slash(way: Way) -> None:
    """`/yourapplication/` is `/`"""
    arrives(way, "/", "/")


@behaviour
def a_path(way: Way) -> None:
    """`…/hello` is `/hello`"""
    arrives(way, "/hello", "/hello")


@behaviour
def an_encoded_slash(way: Way) -> None:
    """`…/hello%20w%2Forld` is decoded, once"""
    arrives(way, "/hello%20w%2Forld", "/hello w/orld")


@behaviour
def double_slashes(way: Way) -> None:
    """`…//double//slash` keeps its slashes"""
    arrives(way, "//double//slash", "//double//slash")


@behaviour
def letters_and_a_query(way: Way) -> None:
    """`…/%C3%BCml%C3%A4ut?x=%26` is UTF-8 as WSGI has it, the query stays encoded"""
    arrives(way, "/%C3%BCml%C3%A4ut?x=%26", "/ümläut".encode().decode("latin-1"), "x=%26")


def is_refused(way: Way, path: str) -> None:
    """A request for *path* below the prefix is answered 400, and the app is not asked."""
    reply = way.get(path, X_Tell="environ")
    if reply.header("x-from") is not None:
        told = content(reply)
        raise AssertionError(f"the app sees {(told.get('SCRIPT_NAME', ''), told.get('PATH_INFO'))!r}")
    same("status", reply.status, 400)


@behaviour
def dot_segments(way: Way) -> None:
    """`…/a/../b` is answered 400"""
    is_refused(way, "/a/../b")


@behaviour
def encoded_dot_segments(way: Way) -> None:
    """`…/%2e%2e/b` is answered 400"""
    is_refused(way, "/%2e%2e/b")


def is_beside(way: Way, path: str) -> None:
    """A request for *path* on the whole server comes to the app only if that is at the root."""
    with way.line() as line:
        reply = line.ask("GET", path, [("X-Tell", "environ")]).reply()
    if way.prefix:
        same("answered by", reply.header("x-from"), None)
        if reply.status not in (403, 404):
            raise AssertionError(f"status: {reply.status}, not 404")
    else:
        same("PATH_INFO", content(reply).get("PATH_INFO"), path)


@behaviour
def the_root_of_the_server(way: Way) -> None:
    """`/` is not for an app at a prefix"""
    is_beside(way, "/")


@behaviour
def a_sibling_of_the_prefix(way: Way) -> None:
    """`/yourapplicationfoo` is not for an app at `/yourapplication`"""
    is_beside(way, "/yourapplicationfoo")


def carries(way: Way, query: str) -> None:
    told = environ(way, f"/hello?{query}")
    same("QUERY_STRING, PATH_INFO", (told.get("QUERY_STRING", ""), told.get("PATH_INFO")), (query, "/hello"))


@behaviour
def odd_queries(way: Way) -> None:
    """A query comes as it was sent: `//`, `/../`, `?`, `;`, `&&`"""
    carries(way, "a=1;b=//&/../?&&=&%C3%BC=%2F+%20")


@behaviour
def bare_characters_in_a_query(way: Way) -> None:
    """… with brackets, quotes and others that should have been encoded"""
    carries(way, "x=[]|{}^`'\"<>\\")


@behaviour
def needless_encoding_in_a_query(way: Way) -> None:
    """… with letters that are encoded though they need not be, or in lower case: `%7E`, `%2f`"""
    carries(way, "%7E%41=%2E%2f")


@behaviour
def controls_in_a_query(way: Way) -> None:
    """… with control characters and bytes that are no UTF-8: `%00`, `%0A`, `%FF`"""
    carries(way, "a=%00&b=%0A%7F&c=%FF")


# URLs


@behaviour
def built_urls(way: Way) -> None:
    """url_for builds URLs below the prefix, and external ones with host and port"""
    same(
        "URLs",
        content(way.get("/urls")),
        {
            "item": f"{way.prefix}/item/a%20%C3%BC?q=1%262",
            "static": f"{way.prefix}/static/numbers.txt",
            "external": f"http://{way.host}{way.prefix}/hello",
            "script_root": way.prefix,
        },
    )


@behaviour
def redirects(way: Way) -> None:
    """Redirects of the app and of its routing lead to a path below the prefix"""
    reply = answered(way.get("/away"), 302)
    same("Location", reply.header("location"), f"{way.prefix}/item/%C3%BC")
    reply = answered(way.get("/folder?q=1"), 308)
    same("Location", reply.header("location"), f"{way.prefix}/folder/?q=1")


@behaviour
def host_scheme_address(way: Way) -> None:
    """Host with its port, scheme and address of the client"""
    told = environ(way, "/hello")
    same("HTTP_HOST", told.get("HTTP_HOST"), way.host)
    same("wsgi.url_scheme", told.get("wsgi.url_scheme"), "http")
    same("REMOTE_ADDR", told.get("REMOTE_ADDR"), CLIENT)


# Headers of requests


@behaviour
def authorization(way: Way) -> None:
    """Authorization arrives"""
    told = environ(way, "/hello", Authorization="Basic dXNlcjpwYXNz")
    same("HTTP_AUTHORIZATION", told.get("HTTP_AUTHORIZATION"), "Basic dXNlcjpwYXNz")


@behaviour
def proxy(way: Way) -> None:
    """`Proxy:` never becomes HTTP_PROXY"""
    same("HTTP_PROXY", environ(way, "/hello", Proxy="http://evil.example/").get("HTTP_PROXY"), None)


@behaviour
def forged_forwarding(way: Way) -> None:
    """X-Forwarded-* and Script-Name of a client change nothing"""
    told = environ(
        way,
        "/hello",
        X_Forwarded_Prefix="/forged",
        X_Forwarded_Host="forged.example",
        X_Forwarded_Proto="https",
        X_Forwarded_Port="4711",
        X_Forwarded_For="192.0.2.66",
        Forwarded="for=192.0.2.66;host=forged.example;proto=https",
        X_Script_Name="/forged",
        Script_Name="/forged",
        X_Real_IP="192.0.2.66",
    )
    expected = {"SCRIPT_NAME": way.prefix, "PATH_INFO": "/hello", "HTTP_HOST": way.host, "REMOTE_ADDR": CLIENT}
    for name, value in expected.items():
        same(name, told.get(name), value)
    same("scheme", (told["wsgi.url_scheme"], told.get("HTTPS", "off")), ("http", "off"))
    urls = content(way.get("/urls", X_Forwarded_Prefix="/forged", X_Forwarded_Host="forged.example"))
    same("URL", urls["external"], f"http://{way.host}{way.prefix}/hello")


@behaviour
def underscores(way: Way) -> None:
    """Headers with an underscore do not count"""
    headers = [("X-Tell", "environ"), ("X-Token", "true"), ("X_Token", "forged"), ("X_Forwarded_Prefix", "/forged")]
    told = content(way.ask("GET", "/hello", [*headers, ("Content_Length", "5")]))
    same("HTTP_X_TOKEN", told.get("HTTP_X_TOKEN"), "true")
    same("SCRIPT_NAME", told.get("SCRIPT_NAME", ""), way.prefix)
    same("CONTENT_LENGTH", told.get("CONTENT_LENGTH") or "0", "0")
    if told.get("HTTP_X_FORWARDED_PREFIX") == "/forged":
        raise AssertionError("HTTP_X_FORWARDED_PREFIX: made of X_Forwarded_Prefix")


@behaviour
def a_header_of_8_kb(way: Way) -> None:
    """A header of 8 KB arrives"""
    value = "x" * 8000
    same("length of it", len(environ(way, "/hello", X_Long=value).get("HTTP_X_LONG", "")), len(value))


@behaviour
def headers_of_60_kb(way: Way) -> None:
    """60 KB of headers arrive"""
    names = [f"X_Long_{number}" for number in range(8)]
    told = environ(way, "/hello", **dict.fromkeys(names, "x" * 7500))
    same("their length", sum(len(told.get(f"HTTP_{name.upper()}", "")) for name in names), 60_000)


@behaviour
def latin_1_in_a_request(way: Way) -> None:
    """A header with bytes that are no ASCII arrives, byte for byte"""
    same("HTTP_X_NAME", environ(way, "/hello", X_Name="größe").get("HTTP_X_NAME"), "größe")


# Methods and bodies


@behaviour
def head(way: Way) -> None:
    """HEAD has the headers of GET, and no body"""
    got, reply = answered(way.get("/hello")), answered(way.ask("HEAD", "/hello"))
    same("body", reply.body, b"")
    same("Content-Type", reply.header("content-type"), got.header("content-type"))
    if reply.header("content-length") not in (None, "12"):
        raise AssertionError(f"Content-Length: {reply.header('content-length')!r}, not '12'")


@behaviour
def other_methods(way: Way) -> None:
    """PUT, PATCH and DELETE, with bodies"""
    for method in ("PUT", "PATCH", "DELETE"):
        same("body", answered(way.ask(method, "/method", body=b"some words")).body.decode(), f"{method} some words")


@behaviour
def options(way: Way) -> None:
    """OPTIONS comes to the app, which tells its methods"""
    reply = answered(way.ask("OPTIONS", "/method"))
    same("Allow", set((reply.header("allow") or "").split(", ")), {"DELETE", "OPTIONS", "PATCH", "PUT"})


@behaviour
def a_form(way: Way) -> None:
    """A form, and an empty one"""
    kind = "application/x-www-form-urlencoded"
    body = b"name=gr%C3%B6%C3%9Fe&name=2&empty="
    told = content(way.ask("POST", "/form", [("Content-Type", kind)], body))
    same("form", told, {"form": {"name": ["größe", "2"], "empty": [""]}, "type": kind, "length": len(body)})
    same("form", content(way.ask("POST", "/form", [("Content-Type", kind)], b""))["form"], {})


def pieces(number: int, size: int = MEGABYTE) -> Iterator[bytes]:
    return (number_of_piece.to_bytes(4, "big") * (size // 4) for number_of_piece in range(number))


@functools.cache
def hash_of(number: int, size: int = MEGABYTE) -> str:
    digest = sha256()
    for piece in pieces(number, size):
        digest.update(piece)
    return digest.hexdigest()


@behaviour
def a_large_upload(way: Way) -> None:
    """An upload of 50 MB arrives whole"""
    told = content(way.ask("POST", "/upload", body=pieces(50), length=50 * MEGABYTE))
    same("upload", told, {"sha256": hash_of(50), "length": 50 * MEGABYTE})


@behaviour
def a_chunked_upload(way: Way) -> None:
    """A chunked upload arrives whole"""
    told = content(way.ask("POST", "/upload", body=pieces(40, 50_000)))
    same("upload", told, {"sha256": hash_of(40, 50_000), "length": 2_000_000})


@behaviour
def an_upload_in_pieces(way: Way) -> None:
    """The app reads an upload while it is sent"""
    with Gate() as gate:
        in_time: list[str] = []

        def body() -> Iterator[bytes]:
            yield from pieces(1)
            with contextlib.suppress(TimeoutError):
                in_time.append(gate.word(way.patience))
            yield from pieces(1)

        answered(way.ask("POST", f"/upload?gate={gate.port}", body=body(), length=2 * MEGABYTE))
    if in_time != ["read"]:
        raise AssertionError("the app got nothing before it was all sent")


@behaviour
def an_unread_upload(way: Way) -> None:
    """An app may answer without reading a body of 8 MB"""
    reply = answered(way.ask("POST", "/unread", body=pieces(32, 250_000), length=8_000_000), 403)
    same("body", reply.body, b"not read")


# Answers


@behaviour
def no_content(way: Way) -> None:
    """204 has no body and no length"""
    reply = answered(way.get("/nothing"), 204)
    same("body", reply.body, b"")
    same("Content-Length", reply.header("content-length"), None)


@behaviour
def a_static_file(way: Way) -> None:
    """A static file: whole, 304, and a part of it"""
    whole = answered(way.get("/static/numbers.txt"))
    same("length of the file", len(whole.body), 8000)
    etag, modified = whole.header("etag"), whole.header("last-modified")
    if not etag or not modified:
        raise AssertionError(f"ETag: {etag!r}, Last-Modified: {modified!r}")
    for name, value in {"If_None_Match": etag, "If_Modified_Since": modified}.items():
        reply = answered(way.get("/static/numbers.txt", **{name: value}), 304)
        same("body", reply.body, b"")
        same("ETag", reply.header("etag"), etag)
    part = answered(way.get("/static/numbers.txt", Range="bytes=80-95"), 206)
    same("Content-Range", part.header("content-range"), "bytes 80-95/8000")
    same("part", part.body, b"0000010\n0000011\n")


@behaviour
def cookies(way: Way) -> None:
    """Three cookies are three headers, and that of the session is for the prefix alone"""
    reply = answered(way.get("/cookies"))
    found = {}
    for cookie in reply.all("set-cookie"):
        name, _, rest = cookie.partition("=")
        path = re.search(r"; Path=([^;]*)", rest)
        found[name] = path[1] if path is not None else None
    same("paths of cookies", found, {"first": "/", "second": "/", "session": way.prefix or "/"})
    sent = "; ".join(cookie.partition(";")[0] for cookie in reply.all("set-cookie"))
    same("HTTP_COOKIE", environ(way, "/hello", Cookie=sent).get("HTTP_COOKIE"), sent)


@behaviour
def latin_1_in_an_answer(way: Way) -> None:
    """A header of an answer with bytes that are no ASCII, byte for byte"""
    reply = answered(way.get("/latin"))
    same("X-Latin", reply.header("x-latin"), "größe £")
    same("X-Utf", reply.header("x-utf"), "größe".encode().decode("latin-1"))


@functools.cache
def hash_of_answer(number: int) -> str:
    return sha256(PART * number).hexdigest()


@behaviour
def a_large_answer(way: Way) -> None:
    """An answer of 20 MB is whole, with its length and without"""
    number = 20 * MEGABYTE // len(PART)
    expected = hash_of_answer(number)
    for query in ("&length=1", ""):
        reply = answered(way.get(f"/large?parts={number}{query}"))
        same("length", len(reply.body), number * len(PART))
        same("hash", sha256(reply.body).hexdigest(), expected)


@contextlib.contextmanager
def opened_after(gate: Gate, seconds: float, time: int = 1) -> Iterator[None]:
    """Let the app go on if the block takes long: what holds back a part may hold back the head, too."""
    too_late = threading.Timer(seconds, gate.open, [time])
    too_late.start()
    try:
        yield
    finally:
        too_late.cancel()
        too_late.join()


@behaviour
def an_answer_in_pieces(way: Way) -> None:
    """Each part of an answer is there before the next is made"""
    with Gate() as gate, way.line() as line:
        with opened_after(gate, way.patience):
            answer = line.ask("GET", f"{way.prefix}/parts?gate={gate.port}")
            parts = [answer.piece()]
            in_time = [gate.open()]
        with opened_after(gate, way.patience, 2):
            parts.append(answer.piece())
            in_time.append(gate.open(2))
        parts.append(answer.reply().body)
    same("parts in time", in_time, [True, True])
    same("parts", parts, [b"first part\n", b"second part\n", b"third part\n"])


@behaviour
def a_client_that_leaves(way: Way) -> None:
    """close() is called when the client leaves in the middle of an answer"""
    with Gate() as gate:
        with way.line() as line:
            answer = line.ask("GET", f"{way.prefix}/endless?gate={gate.port}")
            same("status", answer.status, 200)
            answer.piece()
        same("the app's last word", gate.word(way.patience), "closed")


@behaviour
def an_error_before_the_head(way: Way) -> None:
    """An exception before the head is a 500 without a traceback"""
    reply = answered(way.get("/fails"), 500)
    if SECRET.encode() in reply.body or b"Traceback" in reply.body:
        raise AssertionError("the page shows the traceback")


def is_seen_to_break(way: Way, query: str) -> None:
    """An app that fails when the client has the beginning of its answer: the client learns of it."""
    with Gate() as gate, way.line() as line:
        with opened_after(gate, way.patience):
            # A connection that is kept may be closed only when it has been quiet for a while.
            answer = line.ask("GET", f"{way.prefix}/breaks?gate={gate.port}{query}", [("Connection", "close")])
            first = answer.piece()
        gate.open()
        try:
            rest = answer.reply().body
        except Broken:
            return
    if answer.status < 500:
        raise AssertionError(f"a whole answer of {answer.status} with {len(first + rest)} bytes")


@behaviour
def an_error_in_mid_body(way: Way) -> None:
    """An exception in mid-body breaks an answer that has a length"""
    is_seen_to_break(way, "&length=1")


@behaviour
def an_error_in_mid_stream(way: Way) -> None:
    """An exception in mid-body breaks a stream"""
    is_seen_to_break(way, "")


@behaviour
def error_pages(way: Way) -> None:
    """404 and 405 are the app's"""
    same("page", answered(way.get("/missing"), 404).body, b"The app has no such page.")
    reply = answered(way.ask("POST", "/hello"), 405)
    same("Allow", set((reply.header("allow") or "").split(", ")), {"GET", "HEAD", "OPTIONS"})


@behaviour
def keep_alive(way: Way) -> None:
    """A connection serves one request after the other, after HEAD, uploads, 204 and errors"""
    with way.line() as line:
        for method, path, status in (
            ("HEAD", "/hello", 200),
            ("POST", "/upload", 200),
            ("GET", "/nothing", 204),
            ("GET", "/missing", 404),
            ("GET", "/large?parts=3", 200),
        ):
            body = b"some words" if path == "/upload" else b""
            answered(line.ask(method, way.prefix + path, body=body).reply(), status)
