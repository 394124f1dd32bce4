"""Each header takes time that grows with its length, whatever it is filled with."""

from __future__ import annotations

from itertools import combinations
from time import process_time
from typing import TYPE_CHECKING, Any

import pytest

from flask_embed import Flask, refuse_cross_origin, request, send_file, session
from flask_embed.adapters.proxy import ProxyFix
from flask_embed.middleware import DispatcherMiddleware, StrictEnviron, SubdomainDispatcher
from tests.security.calls import call
from tests.security.checks import check, linear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import WSGIApplication

#: characters of a header
LENGTH = 32_000
#: seconds of processor time: work that takes less for this length does not grow with its square
NOTHING = 0.05

SEEDS = ' \t,";=\\1'
#: what headers are filled with: each character, and each two together
FILLINGS = [*SEEDS, *map("".join, combinations(SEEDS, 2))]

#: by variable, what stands before the filling and behind it
HEADERS: dict[str, list[tuple[str, str]]] = {
    "HTTP_RANGE": [("", ""), ("bytes=", ""), ("bytes=", "x"), ("bytes=1", "-"), ("bytes=-", "x")],
    "HTTP_IF_RANGE": [("", ""), ('W/"', '"'), ('"', "")],
    "HTTP_IF_NONE_MATCH": [("", ""), ('W/"', '"'), ('"', "")],
    "HTTP_IF_MATCH": [("", ""), ('W/"', '"'), ('"', "")],
    "HTTP_IF_MODIFIED_SINCE": [("", ""), ("Mon, 04 May 2026 ", " GMT")],
    "HTTP_IF_UNMODIFIED_SINCE": [("", ""), ("Mon, 04 May 2026 ", " GMT")],
    "HTTP_COOKIE": [
        *[("session=", '"'), ("session=a", '"'), ('session="a"', "x"), ("session", '"'), ("session =", "x"), ("", '"')],
        ("", ""),
        ("session=", ""),
        ('session="', '"'),
        ("session=a.b.", ""),
        ("a=b; ", "session=x"),
    ],
    "CONTENT_TYPE": [
        *[("", ""), ("application/json;", ""), ("application/x-www-form-urlencoded;charset=", "")],
        *[("multipart/form-data; boundary=", ""), ('multipart/form-data; boundary="', '"'), ("text/plain; a*=", "")],
    ],
    "HTTP_ACCEPT": [
        ("a", "x"),
        ('a/b;x="', '"'),
        ("a/b", ";x"),
        ("", ""),
        ("text/html;q=", ""),
        ("text/html;", ",*/*"),
    ],
    "HTTP_ACCEPT_LANGUAGE": [("", ""), ("de;q=", "")],
    "HTTP_ACCEPT_ENCODING": [("", ""), ("gzip;q=", "")],
    "HTTP_ACCEPT_CHARSET": [("", ""), ("utf-8;q=", "")],
    "HTTP_AUTHORIZATION": [("", ""), ("Basic ", ""), ("Bearer ", ""), ("Digest ", ""), ('Digest a="', '"')],
    "HTTP_CACHE_CONTROL": [("", ""), ("max-age=", "")],
    "HTTP_X_FORWARDED_FOR": [("", ""), ("1.1.1.1", "1.1.1.1"), ("[", "]")],
    "HTTP_X_FORWARDED_PROTO": [("", ""), ("http", "https")],
    "HTTP_X_FORWARDED_HOST": [("", ""), ("a", "example.com:80")],
    "HTTP_X_FORWARDED_PORT": [("", ""), ("1", "80")],
    "HTTP_X_FORWARDED_PREFIX": [("", ""), ("/a", "/b")],
    "HTTP_FORWARDED": [("", ""), ("for=", "")],
    "HTTP_HOST": [("", ""), ("a.", ".example.com"), ("[", "]:80"), ("good.example:", "")],
    "HTTP_ORIGIN": [("", ""), ("http://", "")],
    "HTTP_SEC_FETCH_SITE": [("", "")],
    "HTTP_USER_AGENT": [("", "")],
    "HTTP_REFERER": [("", ""), ("http://", "/")],
    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": [("", "")],
    "HTTP_ACCESS_CONTROL_REQUEST_METHOD": [("", "")],
    "HTTP_CONTENT_MD5": [("", "")],
    "HTTP_DATE": [("", ""), ("Mon, 04 May 2026 ", " GMT")],
}

#: what a view can ask a request for
ASKED = (
    *("accept_charsets", "accept_encodings", "accept_languages", "accept_mimetypes", "access_control_request_headers"),
    *("access_control_request_method", "authorization", "cache_control", "content_md5", "content_type", "cookies"),
    *("date", "host", "if_match", "if_modified_since", "if_none_match", "if_range", "if_unmodified_since", "is_json"),
    *("mimetype", "mimetype_params", "origin", "pragma", "range", "referrer", "remote_addr", "url", "user_agent"),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> WSGIApplication:
    """An app with everything that reads a header, behind all middleware that does."""
    tmp_path = tmp_path_factory.mktemp("app")
    app = Flask("app")
    app.secret_key = "key"
    app.root_path = str(tmp_path)
    app.before_request(refuse_cross_origin)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.txt").write_text("content")

    @app.route("/", methods=["GET", "POST"])
    def index() -> str:
        for name in ASKED:
            getattr(request, name)
        request.get_json(silent=True)
        return f"{list(request.form)} {dict(session)}"

    @app.route("/sent")
    def sent() -> Any:
        return send_file(tmp_path / "static" / "a.txt")

    trusting = Flask("trusting")
    trusting.trusted_hosts = ["good.example", ".example.com"]
    trusting.add_url_rule("/", "index", lambda: request.host)
    mounts = DispatcherMiddleware(app, {"/trusting": trusting, "*.example.com/": trusting})
    return ProxyFix(
        StrictEnviron(SubdomainDispatcher("example.org", lambda name: app, default_app=mounts)), 1, 1, 1, 1, 1
    )


def requests(variable: str) -> Iterator[tuple[str, str, bytes]]:
    """Method, path and body of the requests in which a header may be read."""
    yield "POST", "/", b"a=b"  # reads all that a GET does, and the form
    if variable == "CONTENT_TYPE":
        yield "GET", "/", b""
    if variable in ("HTTP_RANGE", "HTTP_DATE") or variable.startswith("HTTP_IF_"):
        yield "GET", "/static/a.txt", b""
        yield "GET", "/sent", b""
    if variable == "HTTP_HOST":
        yield "GET", "/trusting/", b""


@pytest.mark.parametrize("variable", HEADERS)
def test_promise_060_a_header_costs_what_it_is_long(served: WSGIApplication, variable: str) -> None:
    def prepare(
        method: str, path: str, body: bytes, filled: Callable[[int], str]
    ) -> Callable[[int], Callable[[], object]]:
        def with_length(size: int) -> Callable[[], object]:
            changes: dict[str, Any] = {"CONTENT_TYPE": "application/x-www-form-urlencoded", variable: filled(size)}
            return lambda: call(served, path, method, body, **changes)

        return with_length

    for before, behind in HEADERS[variable]:
        for filling in FILLINGS:
            if {'"', "\\"} & set(filling) and variable == "HTTP_HOST" and len(filling) > 1:
                continue  # refused by its first character, as alone

            def filled(size: int, before: str = before, behind: str = behind, filling: str = filling) -> str:
                return before + (filling * (size // len(filling) + 1))[:size] + behind

            for method, path, body in requests(variable):
                measured = prepare(method, path, body, filled)
                run = measured(LENGTH)
                began = process_time()
                measured(LENGTH // 8)()
                if process_time() - began > NOTHING:  # a square is seen before it takes a minute
                    linear(measured, LENGTH // 64)
                began = process_time()
                run()
                if process_time() - began > NOTHING:
                    try:
                        linear(measured, LENGTH // 16)
                    except AssertionError as error:
                        check(condition=False, message=f"{method} {path}, {before!r} {filling!r}* {behind!r}: {error}")
