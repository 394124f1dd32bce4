"""For any request the URLs that an app builds lead to that app, on a host that no client chose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BuildError

from flask_embed import Flask, request, url_for
from flask_embed.middleware import DispatcherMiddleware, StrictEnviron
from tests.middleware.rules import plain

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PIECES = ["/", "//", "/a", "b", "..", "/..", "\\", "?", "#", "%2f", "@", ":80", ".", " ", "\t", "\r\n", "\0", "<", '"']
SCRIPT_NAMES = st.lists(st.sampled_from([*PIECES, "/.", "\xc3\xbc", "\xff", "evil.example"]), max_size=4).map("".join)
HOSTS = st.one_of(
    st.sampled_from(["good.example", "GOOD.example.", "good.example:8080", "evil.example", "localhost", "[::1]:1", ""]),
    st.lists(st.sampled_from([*PIECES, "good.example", "evil.example", ",", "[::1]", "xn--"]), max_size=4).map("".join),
)
VALUES = st.one_of(
    st.sampled_from(["a", "a/b", "//evil.example", "..", "/", "", "ü", "a b", "\\\\evil", "a?b#c", "\ud800", "a\nb"]),
    st.text(max_size=6),
)
QUERIES = st.dictionaries(st.sampled_from(["q", "next", "ü"]), VALUES | st.integers() | st.none(), max_size=2)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "_external": st.booleans(),
        "_scheme": st.sampled_from(["http", "https"]),
        "_anchor": VALUES,
        "_method": st.sampled_from(["GET", "POST"]),
    },
)
#: how an app knows its hosts, and those that may stand in a URL then
SETTINGS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "trusted hosts": ({"trusted_hosts": [".good.example"]}, {"good.example", "good.example.", "good.example:8080"}),
    "a name": ({"server_name": "named.example:81"}, {"named.example:81", "sub.named.example:81"}),
}
LOOPBACK = {"localhost", "[::1]:1", "localhost:80", "[::1]"}


def make_app(**settings: Any) -> Flask:
    app = Flask(__name__)
    for name, value in settings.items():
        setattr(app, name, value)
    app.logger.disabled = True
    app.add_url_rule("/", "index", lambda: "", methods=["GET", "POST"])
    app.add_url_rule("/<x>/", "one", lambda x: "", methods=["GET", "POST"])
    app.add_url_rule("/p/<path:x>", "all", lambda x: "", methods=["GET", "POST"])
    app.add_url_rule("/sub", "sub", lambda: "", subdomain="sub")
    return app


def is_path(url: str) -> bool:
    """A path that no browser takes for something else."""
    return re.fullmatch(r"/(?![/\\])[!-~]*", url) is not None and not {".", ".."}.intersection(
        urlsplit(url).path.split("/")
    )


@pytest.mark.parametrize("name", SETTINGS)
@given(
    script_name=SCRIPT_NAMES,
    host=HOSTS,
    scheme=st.sampled_from(["http", "https"]),
    endpoint=st.sampled_from(["index", "one", "all", "sub"]),
    value=VALUES,
    query=QUERIES,
    options=OPTIONS,
)
@example("/a", "evil.example", "http", "index", "", {}, {"_external": True})
@example("/a/.", "good.example", "http", "index", "", {}, {})
def test_a_url_leads_to_the_app_on_a_host_that_may_be(
    name: str, script_name: str, host: str, scheme: str, endpoint: str, value: str, query: Any, options: Any
) -> None:
    settings, allowed = SETTINGS[name]
    app = make_app(**settings)
    environ = plain(SCRIPT_NAME=script_name, HTTP_HOST=host, SERVER_NAME="server.example", SERVER_PORT="80")
    environ["wsgi.url_scheme"] = scheme
    with app.request_context(environ):
        try:
            app.check_request()
        except HTTPException:
            return
        values = {"x": value} if endpoint in ("one", "all") else {}
        try:
            url = url_for(endpoint, **values, **query, **options)
        except (BuildError, RuntimeError, ValueError):
            return

    parts = urlsplit(url)
    if parts.netloc:
        assert parts.netloc in allowed | LOOPBACK
        assert parts.scheme == options.get("_scheme", scheme)
        url = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
    assert is_path(url)
    prefix = script_name.rstrip("/").encode("latin-1")
    path = unquote_to_bytes(parts.path)
    assert path.startswith(prefix + b"/")
    expected = {"index": "/", "one": f"/{value}/", "all": f"/p/{value}", "sub": "/sub"}[endpoint]
    assert path[len(prefix) :] == expected.encode("utf-8", "surrogatepass")


@given(SCRIPT_NAMES, HOSTS, VALUES, st.sampled_from(["/shop", "/shop/inner", "/other"]))
def test_a_url_of_another_mount_leads_to_that_mount(script_name: str, host: str, value: str, path: str) -> None:
    built: list[str] = []

    def view() -> str:
        for name, prefix in (("shop:one", "/shop"), ("shop/inner:one", "/shop/inner"), ("one", request.script_root)):
            try:
                url = url_for(name, x=value)
            except (BuildError, ValueError):
                continue
            built.append(url)
            outer = script_name.rstrip("/") if name != "one" else ""
            assert unquote_to_bytes(url).startswith(f"{outer}{prefix}/".encode("latin-1" if name != "one" else "utf-8"))
        return ""

    app = make_app()
    app.view_functions["index"] = view
    mounts = DispatcherMiddleware(None, {"/shop": app, "/shop/inner": app, "/other": app})
    environ: WSGIEnvironment = plain(SCRIPT_NAME=script_name, HTTP_HOST=host, PATH_INFO=path + "/")
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)

    b"".join(StrictEnviron(mounts)(environ, start_response))

    assert statuses in (["200 OK"], ["400 Bad Request"])
    assert all(is_path(url) for url in built)
