"""The strict gate, fixers, mounts and an app, on any environ: what passes is a request, and URLs lead to this site.

An input is variables, ``NAME=value`` with a byte 1E between two; a name alone is left out of the environ.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask_embed import Flask, request, url_for
from flask_embed.adapters.lighttpd import CGIRootFix, LighttpdCGIRootFix
from flask_embed.adapters.nginx import PathInfoFromRequestUriFix
from flask_embed.adapters.proxy import ProxyFix
from flask_embed.environ import url_root_fault
from flask_embed.middleware import (
    DispatcherMiddleware,
    PathDispatcher,
    PrefixMiddleware,
    StrictEnviron,
    SubdomainDispatcher,
)
from tests.fuzzing import Target
from tests.middleware.rules import is_request, plain
from tests.security.checks import check, equal, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

site = Flask(__name__)
site.logger.disabled = True
site.add_url_rule("/", "index", lambda: f"{url_for('index')} {url_for('page', name='b')} {request.url}")
site.add_url_rule("/<name>/", "page", lambda name: f"{url_for('page', name=name)} {request.full_path} {request.args}")
site.add_url_rule("/old/<path:name>", "old", redirect_to="/<name>")


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say nothing, and leave behind what was seen."""
    seen.append(environ.copy())
    start_response("200 OK", [])
    return [b""]


seen: list[WSGIEnvironment] = []
mounted = DispatcherMiddleware(
    echo,
    {"/a": DispatcherMiddleware(echo, {"/b": echo}), "good.example/a": echo, "*.example:80/": echo, "[::1]/ü": echo},
)
#: what only moves the border between SCRIPT_NAME and PATH_INFO
MOUNTS: tuple[WSGIApplication, ...] = (
    mounted,
    PrefixMiddleware(echo, "/a"),
    PathDispatcher(echo, lambda name: mounted),
    SubdomainDispatcher("example", lambda name: mounted, default_app=echo),
)
FIXERS: tuple[WSGIApplication, ...] = (
    PathInfoFromRequestUriFix(echo),
    PathInfoFromRequestUriFix(echo, "/a"),
    LighttpdCGIRootFix(echo),
    CGIRootFix(echo, "/a"),
    ProxyFix(echo, 1, 1, 1, 1, 1),
)
strict = StrictEnviron(echo)
whole = LighttpdCGIRootFix(
    ProxyFix(StrictEnviron(DispatcherMiddleware(site, {"/a": site, "/a/b": site})), 1, 1, 1, 1, 1)
)


def run(data: bytes) -> None:
    environ = plain(SERVER_NAME="server.example", SERVER_PORT="80")
    for part in data.split(b"\x1e"):
        name, equals, value = part.decode("latin-1").partition("=")
        if equals:
            environ[name] = value
        elif name != "REQUEST_METHOD":  # which PEP 3333 has in each
            environ.pop(name, None)
    check_gate(environ)
    script_name, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
    for mount in MOUNTS:
        one_of(answer(mount, environ)[0], ("200 OK", "404 Not Found"))
        for inner in seen:
            equal(inner.get("SCRIPT_NAME", "") + inner.get("PATH_INFO", ""), script_name + path, "the whole path")
    for fixer in FIXERS:
        status, *_ = answer(fixer, environ)
        refusal = "400 Bad Request" if isinstance(fixer, ProxyFix) else "404 Not Found"  # outside of the prefix
        one_of(status, ("200 OK", refusal))
        equal(bool(seen), status == "200 OK", "whether the app was asked")
        for inner in [*seen]:
            check_fixed(environ, inner)
            answer(fixer, inner)  # a second one finds nothing more to do
            if not isinstance(fixer, ProxyFix):
                equal([each.get("PATH_INFO") for each in seen], [inner.get("PATH_INFO")], "PATH_INFO, fixed twice")
    check_site(environ)


def check_gate(environ: WSGIEnvironment) -> None:
    status, _, body = answer(strict, environ)
    equal(status, "200 OK" if is_request(environ) else "400 Bad Request", "what the gate answers")
    equal(bool(seen), status == "200 OK", "whether the app was asked")
    for inner in seen:
        check(is_request(inner), "what has passed would not pass again")
        check("HTTP_PROXY" not in inner, "HTTP_PROXY has passed")
    check(body in (b"", b"Bad Request\n"), f"the body is {body!r}")


def check_fixed(environ: WSGIEnvironment, inner: WSGIEnvironment) -> None:
    """Checks that the path of a fixer is possible, or the one that was there."""
    path = inner.get("PATH_INFO", "")
    check(path == environ.get("PATH_INFO", "") or path[:1] in ("", "/"), f"PATH_INFO is {path!r}")
    for key in ("HTTP_HOST", "SCRIPT_NAME"):
        value, before = inner.get(key, ""), environ.get(key, "")
        if value != before:
            host, script_name = (value, "") if key == "HTTP_HOST" else ("", value.removesuffix(before))
            equal(url_root_fault(host, script_name), None, f"what is wrong with {value!r} for {before!r}")
    if inner.get("wsgi.url_scheme") != environ.get("wsgi.url_scheme"):
        one_of(inner["wsgi.url_scheme"], ("http", "https"))


def check_site(environ: WSGIEnvironment) -> None:
    status, headers, body = answer(whole, environ)
    check(status[:3] in ("200", "204", "302", "307", "308", "400", "404", "405"), f"the status is {status}")
    for location in [value for name, value in headers if name == "Location"]:
        check(re.match(r"/(?![/\\])[!-~]*\Z", location) is not None, f"Location is {location!r}")
    if status[:3] == "200" and environ["REQUEST_METHOD"] != "HEAD" and body:
        url = body.decode().partition(" ")[0]
        check(re.match(r"/(?![/\\])[!-~]*\Z", url) is not None, f"url_for gives {url!r}")


def answer(app: WSGIApplication, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status, headers and body; the environ is as it was, and no header is more than one."""
    seen.clear()
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        heads.append((status, headers))

    before = environ.copy()
    body: Any = app(environ, start_response)
    text = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    equal(environ, before, "the environ behind the call")
    equal(len(heads), 1, "how often start_response was called")
    status, headers = heads[0]
    for line in (status, *(f"{name}: {value}" for name, value in headers)):
        check(re.search(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]", line) is None, f"the head has {line!r}")
    return status, headers, text


def variables(**values: str) -> bytes:
    """An input."""
    return b"\x1e".join(f"{name}={value}".encode("latin-1") for name, value in values.items())


TARGET = Target(
    run,
    (
        variables(
            REQUEST_METHOD="GET", SCRIPT_NAME="/a", PATH_INFO="/b/c", QUERY_STRING="a=b&c=%ff", HTTP_HOST="a.example"
        ),
        variables(REQUEST_METHOD="POST", PATH_INFO="/a//b", CONTENT_LENGTH="0", HTTP_HOST="[::1]:80", HTTP_PROXY="x"),
        variables(PATH_INFO="/page", HTTP_HOST="good.example:8080", **{"wsgi.url_scheme": "https"}),
        variables(PATH_INFO="", SCRIPT_NAME="/a/b", REQUEST_URI="/a/b?c=d", HTTP_X_FORWARDED_PREFIX="/p, /q"),
        variables(PATH_INFO="/b", SCRIPT_NAME="/a", REQUEST_URI="http://good.example/a/%62/../b"),
        variables(
            HTTP_X_FORWARDED_FOR="1.2.3.4, [::1]:80", HTTP_X_FORWARDED_PROTO="https", HTTP_X_FORWARDED_HOST="b:1"
        ),
        variables(PATH_INFO="/\xc3\xbc", HTTP_COOKIE="session=a.b.c", HTTP_X_FORWARDED_PORT="443", REMOTE_ADDR=""),
        b"PATH_INFO\x1eSCRIPT_NAME\x1eQUERY_STRING\x1eHTTP_HOST\x1eSERVER_PORT",
        variables(PATH_INFO="/ab", SCRIPT_NAME="/a?b", HTTP_HOST="good@evil.example"),
        variables(PATH_INFO="/old/x//y", QUERY_STRING="__debugger__=no", SSL_CLIENT_CERT="a\nb"),
    ),
    (
        *(
            b"\x1ePATH_INFO=/",
            b"\x1eSCRIPT_NAME=/",
            b"\x1eQUERY_STRING=",
            b"\x1eREQUEST_URI=/",
            b"\x1eHTTP_HOST=",
            b"//",
        ),
        *(
            b"\x1eREQUEST_METHOD=",
            b"\x1ewsgi.url_scheme=https",
            b"\x1eCONTENT_LENGTH=",
            b"%5f_debugger__",
            b"/..",
            b"/.",
        ),
        *(
            b"\x1eHTTP_X_FORWARDED_PREFIX=/",
            b"\x1eHTTP_X_FORWARDED_HOST=",
            b"\x1eHTTP_X_FORWARDED_FOR=",
            b"%2e%2e",
            b"\\",
        ),
        *(
            b"\x1eSERVER_NAME=",
            b"\x1eSERVER_PORT=",
            b"evil.example",
            b"\xc3\xbc",
            b"\xff",
            b"%2F",
            b"\r\n",
            b"/old/",
            b"?",
        ),
    ),
)
