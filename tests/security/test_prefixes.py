"""SCRIPT_NAME, what a client claims about the front, and the middleware that mounts apps."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from flask_embed import Flask, g, request, session, url_for
from flask_embed.adapters.lighttpd import CGIRootFix
from flask_embed.adapters.nginx import PathInfoFromRequestUriFix
from flask_embed.adapters.serving.gate import behind_gate
from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware, StrictEnviron
from flask_embed.options import Options
from tests.security.calls import call, echo, environ_of, send, wsgi
from tests.security.checks import absent, check, equal, linear, one_of, present

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"

    @app.route("/")
    def index() -> str:
        return url_for("foo")

    @app.route("/foo/")
    def foo() -> str:
        session["seen"] = True
        return url_for("foo")

    @app.route("/item/<name>")
    def item(name: str) -> str:
        return f"{request.script_root}|{request.path}|{name}"

    return app


def named(name: str, rule: str = "/<path:rest>") -> Flask:
    """An app that answers every path but the root with its name and the URL of itself."""
    app = Flask(name)
    app.add_url_rule("/", "index", lambda: f"{name} {url_for('index')}", methods=["GET", "POST"])
    app.add_url_rule(rule, "rest", lambda rest: f"{name} {url_for('rest', rest=rest)}")
    return app


def must_not_be_called(environ: object, start_response: object) -> list[bytes]:
    raise AssertionError("an app was called")


# SCRIPT_NAME as the server says it


#: What browsers read as a host, what ends a path, and what is no prefix at all.
NO_PREFIXES = [
    "//evil.com",
    "///evil.com",
    "//",
    "//evil.com/app",
    "/\\evil.com",
    "\\evil.com",
    "\\\\evil.com",
    "/app\\..",
    "/app\\",
    "app",
    "http://evil.com",
    "javascript:alert(1)",
    "/..",
    "/app/..",
    "/../app",
    "/app/../..",
    "/app?x",
    "/app#x",
    "?",
    " /app",
]


@pytest.mark.parametrize("path", ["/", "/foo", "/foo/", "", "/missing"])
@pytest.mark.parametrize("script_name", NO_PREFIXES)
def test_promise_016_017_a_script_name_that_is_no_prefix_is_refused(app: Flask, script_name: str, path: str) -> None:
    answer = call(app, path, SCRIPT_NAME=script_name)

    equal(answer.status, 400)
    equal(answer.values("Location"), [])
    equal(answer.values("Set-Cookie"), [])
    absent("evil", answer.text)


@pytest.mark.parametrize("script_name", [*NO_PREFIXES, "/\xff", "/app/\xc3"])
def test_promise_016_017_the_handler_of_the_refusal_builds_urls_without_it(app: Flask, script_name: str) -> None:
    @app.errorhandler(400)
    def bad_request(error: Exception) -> tuple[str, int]:
        return url_for("foo"), 400

    answer = call(app, "/", SCRIPT_NAME=script_name)

    equal(answer.status, 400)
    equal(answer.text, "/foo/", "the URL")


@pytest.mark.parametrize("path", ["/foo", "/", "/foo/", "/item/x", "/missing"])
@pytest.mark.parametrize("script_name", ["/\xff", "/app/\xc3", "/\xc0\xaf", "/\xed\xa0\x80"])
def test_promise_016_a_script_name_that_is_no_text_is_no_fault_of_the_app(
    app: Flask, script_name: str, path: str
) -> None:
    answer = call(app, path, SCRIPT_NAME=script_name)

    one_of(answer.status, (400, 404))


@pytest.mark.parametrize("script_name", ["/app/", "/app//"])
def test_promise_018_a_slash_at_the_end_of_script_name_is_not_doubled(app: Flask, script_name: str) -> None:
    equal(call(app, "/", SCRIPT_NAME=script_name).text, "/app/foo/")
    equal(call(app, "/foo", SCRIPT_NAME=script_name).value("Location"), "/app/foo/")
    present("; Path=/app;", f"{call(app, '/foo/', SCRIPT_NAME=script_name).value('Set-Cookie')};")


def test_promise_018_a_slash_alone_is_the_root(app: Flask) -> None:
    equal(call(app, "/", SCRIPT_NAME="/").text, "/foo/")
    equal(call(app, "/foo", SCRIPT_NAME="/").value("Location"), "/foo/")
    present("; Path=/;", f"{call(app, '/foo/', SCRIPT_NAME='/').value('Set-Cookie')};")


@pytest.mark.parametrize("path", ["/", "/foo", "/foo/", "/missing"])
@pytest.mark.parametrize("cookie", [None, "session=x"])
@pytest.mark.parametrize(
    "script_name",
    ["/app\r\nX:1", "/app\r\n", "/app\n", "/app\r", "/a\0b", "/a\tb", "/a\x0bb", "/a\x1b[31m", "/a\x7f", "\r\n/app"],
)
def test_promise_019_control_characters_in_script_name_are_refused(
    app: Flask, script_name: str, cookie: str | None, path: str
) -> None:
    answer = call(app, path, SCRIPT_NAME=script_name, HTTP_COOKIE=cookie)

    equal(answer.status, 400)
    equal(answer.values("Location"), [])


# What a client claims about the front


CLAIMS = {
    "HTTP_X_FORWARDED_PREFIX": "/evil",
    "HTTP_X_SCRIPT_NAME": "/evil",
    "HTTP_SCRIPT_NAME": "/evil",
    "HTTP_PATH_INFO": "/evil",
    "HTTP_X_FORWARDED_HOST": "evil.com",
    "HTTP_X_HOST": "evil.com",
    "HTTP_X_FORWARDED_SERVER": "evil.com",
    "HTTP_X_FORWARDED_PORT": "666",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_SSL": "on",
    "HTTP_X_FORWARDED_FOR": "6.6.6.6",
    "HTTP_X_REAL_IP": "6.6.6.6",
    "HTTP_FORWARDED": "for=6.6.6.6;host=evil.com;proto=https",
    "HTTP_X_ORIGINAL_URL": "/evil",
    "HTTP_X_REWRITE_URL": "/evil",
    "HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE",
    "HTTP_X_ORIGINAL_METHOD": "DELETE",
}


@pytest.mark.parametrize(("key", "value"), CLAIMS.items(), ids=CLAIMS)
def test_promise_020_023_136_what_a_client_claims_about_the_front_is_ignored(key: str, value: str) -> None:
    app = Flask(__name__)

    @app.route("/where")
    def where() -> list[Any]:
        return [
            *(request.url, request.host, request.scheme, request.remote_addr, request.is_secure, request.method),
            *(request.script_root, request.path, url_for("where"), list(request.access_route)),
        ]

    plain = call(app, "/where")
    claimed = call(app, "/where", **{key: value})

    equal(plain.status, 200)
    if key != "HTTP_X_FORWARDED_FOR":  # access_route is the name by which an app asks for the claim
        equal(claimed.text, plain.text)
    else:
        equal(claimed.text.rpartition(",[")[0], plain.text.rpartition(",[")[0])


@pytest.mark.parametrize("claim", ["javascript", "https", "JAVASCRIPT:", "http\r\nX: 1"])
def test_promise_136_the_scheme_is_the_server_s(app: Flask, claim: str) -> None:
    app.trusted_hosts = ["good.example"]
    app.add_url_rule("/out", "out", lambda: url_for("index", _external=True))

    equal(call(app, "/out", HTTP_X_FORWARDED_PROTO=claim).text, "http://good.example/")
    absent("Secure", call(app, "/foo/", HTTP_X_FORWARDED_PROTO=claim).value("Set-Cookie") or "")


# Mounts


@pytest.mark.parametrize(
    "path",
    ["/appx", "/app.evil", "/app%2f", "/app;x", "/app\\x", "/ap", "/app\0", "/app\xff", "//app", "/x/app", "app", ""],
)
def test_promise_024_a_prefix_ends_at_the_border_of_a_segment(path: str) -> None:
    mounted = DispatcherMiddleware(echo, {"/app": named("app")})

    equal(call(mounted, path).body.decode("latin-1"), f"|{path}")
    equal(call(DispatcherMiddleware(None, {"/app": echo}), path).status, 404)
    equal(call(PrefixMiddleware(echo, "/app"), path).status, 404)


def test_promise_025_the_prefix_itself_is_the_app_s() -> None:
    for mounted in (DispatcherMiddleware(None, {"/app": echo}), PrefixMiddleware(echo, "/app")):
        equal(call(mounted, "/app").text, "/app|")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_promise_025_the_prefix_itself_answers_or_leads_to_the_root_of_the_app(method: str) -> None:
    app = named("inner")
    for mounted in (DispatcherMiddleware(None, {"/app": app}), PrefixMiddleware(app, "/app")):
        answer = call(mounted, "/app", method, HTTP_HOST="evil.com", QUERY_STRING="a=1")
        equal((answer.status, answer.value("Location")), (307, "/app/?a=1"))
        for uri in ("/app/?a=1", "/app/", "/%61pp/"):  # a front has taken the slash off: no redirect to the same URL
            answer = call(mounted, "/app", method, REQUEST_URI=uri)
            equal((answer.status, answer.text), (200, "inner /app/"))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("gate", [StrictEnviron, lambda app: app], ids=["gate", "alone"])
def test_promise_025_a_slash_at_the_end_of_script_name_is_the_root_of_the_app(
    gate: Callable[[WSGIApplication], WSGIApplication], method: str
) -> None:
    for script_name in ("/x/", "/x//"):
        for path in ("", None):
            answer = call(gate(named("inner")), "/", method, SCRIPT_NAME=script_name, PATH_INFO=path)
            equal((answer.status, answer.text), (200, "inner /x/"))
    equal(call(StrictEnviron(echo), "", SCRIPT_NAME="/x/").text, "/x|/")


#: Paths that a front takes for other ones than a mount does: it resolves the dots before it judges them.
DOTTED = [
    "/app/..",
    "/app/../x",
    "/app/.",
    "/app/./x",
    "/other/../app",
    "/../app/x",
    "/app/x/../../other/",
    "/.",
    "/..",
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", [*DOTTED, "/app//../x", "//../app", "/./app", "/app/x/.."])
def test_promise_024_025_026_no_app_sees_a_segment_of_dots_where_the_gate_stands(path: str, method: str) -> None:
    mounts = {"/app": must_not_be_called, "/other": must_not_be_called}
    for served in (
        DispatcherMiddleware(must_not_be_called, mounts),
        PrefixMiddleware(must_not_be_called, "/app"),
        PrefixMiddleware(must_not_be_called, "/app", mode="stripped"),
        must_not_be_called,
    ):
        answer = call(StrictEnviron(served), path, method)
        equal((answer.status, answer.body), (400, b"" if method == "HEAD" else b"Bad Request\n"))
        equal(answer.values("Location"), [])


@pytest.mark.parametrize(
    "path", ["/app/...", "/app/.hidden", "/app/a.b/..c", "/app/..;/x", "/app/..\\x", "/app/%2e%2e/x"]
)
def test_promise_024_025_026_a_segment_with_other_characters_beside_its_dots_is_one_like_any_other(path: str) -> None:
    for served in (DispatcherMiddleware(None, {"/app": echo}), PrefixMiddleware(echo, "/app")):
        equal(call(StrictEnviron(served), path).text, f"/app|{path.removeprefix('/app')}")


@pytest.mark.parametrize("path", ["/app//x", "/app//", "/app///evil.com", "/app//foo", "/app//evil.com/foo"])
def test_promise_026_slashes_behind_a_prefix_are_kept(app: Flask, path: str) -> None:
    for outer in (DispatcherMiddleware, lambda _, mounts: PrefixMiddleware(mounts["/app"], "/app")):
        equal(call(outer(None, {"/app": echo}), path).text, f"/app|{path.removeprefix('/app')}")
        answer = call(outer(None, {"/app": app}), path)
        equal(answer.status, 404)
        equal(answer.values("Location"), [])


@pytest.mark.parametrize("path", ["/app//x", "/app//evil.com", "/app///"])
def test_promise_026_a_redirect_behind_such_slashes_leads_to_no_host(path: str) -> None:
    app = Flask(__name__)
    app.add_url_rule("/<path:rest>/", "rest", lambda rest: rest)

    for mounted in (
        DispatcherMiddleware(None, {"/app": app}),
        DispatcherMiddleware(app),
        PrefixMiddleware(app, "/app"),
    ):
        location = call(mounted, path).value("Location")
        if location is not None:
            check(location.startswith("/app/"), f"Location is {location!r}")


@pytest.mark.parametrize("path", ["/APP/x", "/App", "/aPp/", "/\uff41pp/x"])
def test_promise_027_prefixes_compare_with_case(path: str) -> None:
    equal(call(DispatcherMiddleware(None, {"/app": echo}), wsgi(path)).status, 404)
    equal(call(PrefixMiddleware(echo, "/app"), wsgi(path)).status, 404)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/app/sub/y", "sub /app/sub/y"),
        ("/app/sub", "sub"),
        ("/app/subx", "app /app/subx"),
        ("/app/x/sub", "app /app/x/sub"),
        ("/app/sub/deep/y", "deep /app/sub/deep/y"),
        ("/app//sub/y", None),
        ("/x/app/sub", "root /x/app/sub"),
    ],
)
def test_promise_028_the_longest_prefix_wins_whatever_the_order(order: int, path: str, expected: str | None) -> None:
    mounts: list[tuple[str, WSGIApplication]] = [
        ("/app", named("app")),
        ("/app/sub", named("sub")),
        ("/app/sub/deep", named("deep")),
    ]

    answer = call(DispatcherMiddleware(named("root"), dict(mounts[::order])), path)

    if expected is None:
        equal(answer.status, 404)
    else:
        check(answer.text.startswith(expected) or answer.status == 307, f"{path} is answered by {answer.text!r}")
        if answer.status == 307:
            equal(answer.value("Location"), f"{path}/")


def test_promise_029_a_mount_in_a_mount_has_both_prefixes_once(app: Flask) -> None:
    inner = DispatcherMiddleware(None, {"/inner": app})
    mounted = PrefixMiddleware(DispatcherMiddleware(None, {"/outer": inner}), "/top")

    equal(call(mounted, "/top/outer/inner/item/x").text, "/top/outer/inner|/item/x|x")
    equal(call(mounted, "/top/outer/inner/").text, "/top/outer/inner/foo/")
    equal(call(mounted, "/top/outer/inner/foo").value("Location"), "/top/outer/inner/foo/")
    equal(call(mounted, "/top/outer/inner/", SCRIPT_NAME="/front").text, "/front/top/outer/inner/foo/")


def test_promise_029_a_prefix_in_itself_counts_twice(app: Flask) -> None:
    mounted = DispatcherMiddleware(None, {"/app": DispatcherMiddleware(None, {"/app": app})})

    equal(call(mounted, "/app/app/").text, "/app/app/foo/")
    equal(call(mounted, "/app/foo/").status, 404)


@pytest.mark.parametrize(
    "mounted",
    [
        DispatcherMiddleware(None, {"/app": echo}),
        DispatcherMiddleware(echo),
        DispatcherMiddleware(DispatcherMiddleware(echo), {"/app": DispatcherMiddleware(echo)}),
        PrefixMiddleware(echo, "/app"),
        PrefixMiddleware(echo, "/app", mode="stripped"),
    ],
)
@pytest.mark.parametrize("path", ["/app/x", "/app", "/else"])
def test_promise_030_the_environ_of_the_caller_is_not_changed(mounted: WSGIApplication, path: str) -> None:
    environ = environ_of(path, SCRIPT_NAME="/front")
    before = copy.copy(environ)

    send(mounted, environ)

    equal(environ, before)


def test_promise_030_an_app_that_changes_its_environ_changes_its_own() -> None:
    def vandal(environ: Any, start_response: Any) -> list[bytes]:
        environ.clear()
        start_response("200 OK", [])
        return []

    environ = environ_of("/app/x")
    before = copy.copy(environ)

    send(DispatcherMiddleware(None, {"/app": vandal}), environ)

    equal(environ, before)


@pytest.mark.parametrize(
    "make", [lambda prefix: DispatcherMiddleware(None, {prefix: echo}), lambda prefix: PrefixMiddleware(echo, prefix)]
)
def test_promise_031_every_spelling_of_a_prefix_is_one(make: Callable[[str], WSGIApplication]) -> None:
    for prefix in ("/app", "/app/"):
        equal(call(make(prefix), "/app/x").text, "/app|/x")
    equal(call(make("/über"), wsgi("/über/x")).body, "/über|/x".encode())


def test_promise_031_a_single_prefix_may_lack_its_first_slash_where_a_key_would_be_a_host() -> None:
    equal(call(PrefixMiddleware(echo, "app/"), "/app/x").text, "/app|/x")
    equal(call(DispatcherMiddleware(None, {"app/": echo}), "/app/x").status, 404)
    equal(call(DispatcherMiddleware(None, {"app/": echo}), "/x", HTTP_HOST="app").text, "|/x")


@pytest.mark.parametrize(
    "make", [lambda prefix: DispatcherMiddleware(None, {prefix: echo}), lambda prefix: PrefixMiddleware(echo, prefix)]
)
@pytest.mark.parametrize(
    "prefix",
    [
        "//app",
        "//evil.com",
        "///",
        "//",
        "/app//",
        "/a//b",
        "/a b",
        " /app",
        "/app ",
        "/a\tb",
        "/a\nb",
        "/a\r\nX: 1",
        "/a\0b",
        "/a\x1bb",
        "/a\x7fb",
        "/a\x85b",
        "/a\xa0b",
        "/a\u2028b",
        "/a\u3000b",
        "/a\ud800b",
        "/../x",
        "/x/..",
        "/..",
        "..",
        "/.",
        "/./x",
        "/x/./y",
        "/a\\b",
        "\\app",
        "/a?b",
        "/a#b",
        "/a%2fb",
        "/%2e%2e",
        "/a%b",
    ],
)
def test_promise_031_a_prefix_that_cannot_be_one_is_an_error_that_names_it(
    make: Callable[[str], WSGIApplication], prefix: str
) -> None:
    with pytest.raises(ValueError, match=r"prefix|key") as caught:
        make(prefix)

    present(repr(prefix), str(caught.value))


@pytest.mark.parametrize(("first", "second"), [("/app", "/app/"), ("/app/", "/app"), ("/ü", "/ü/"), ("app/", "APP./")])
def test_promise_031_two_mounts_of_one_prefix_are_an_error_that_names_it(first: str, second: str) -> None:
    with pytest.raises(ValueError, match="taken") as caught:
        DispatcherMiddleware(None, {first: echo, second: echo})

    present(repr(second), str(caught.value))


@pytest.mark.parametrize("root", ["/", ""])
def test_promise_031_a_second_app_for_the_rest_is_an_error(root: str) -> None:
    with pytest.raises(ValueError, match="taken"):
        DispatcherMiddleware(echo, {root: echo})


PATHS: dict[str, Callable[[int], str]] = {
    "slashes": lambda n: "/" * n,
    "segments": lambda n: "/a" * (n // 2),
    "prefix again and again": lambda n: "/app" * (n // 4),
    "no slash": lambda n: "/" + "a" * n,
    "dots": lambda n: "/.." * (n // 3),
    "escaped": lambda n: "/%2e" * (n // 4),
    "not ASCII": lambda n: wsgi("/ü" * (n // 3)),
}
TREES: dict[str, Callable[[Flask], WSGIApplication]] = {
    "app": lambda app: app,
    "mounted": lambda app: DispatcherMiddleware(None, {"/app": app, "/a/a/a/a/a": app, "/app/app/app": app}),
    "below a prefix": lambda app: PrefixMiddleware(app, "/app"),
    "in mounts": lambda app: DispatcherMiddleware(None, {"/app": DispatcherMiddleware(app, {"/app": app})}),
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_promise_032_a_long_path_is_not_found(
    path: Callable[[int], str], tree: Callable[[Flask], WSGIApplication]
) -> None:
    mounted = tree(deep_app())

    for length in (2_000, 100_000):
        equal(call(mounted, path(length)).status, 404)


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_promise_032_a_long_path_costs_its_length(
    path: Callable[[int], str], tree: Callable[[Flask], WSGIApplication]
) -> None:
    mounted = tree(deep_app())

    def prepare(length: int) -> Callable[[], object]:
        sent = path(length)
        return lambda: call(mounted, sent)

    linear(prepare, 20_000)


def deep_app() -> Flask:
    """An app with rules that a long path is matched against for as long as possible."""
    app = Flask(__name__)
    for rule in (
        "/<a>/<b>/<c>/<d>/x",
        "/a/<b>/a/<d>/x",
        "/<path:rest>/never",
        "/a/<path:rest>/<int:n>",
        "/<int:n>/<path:r>",
    ):
        app.add_url_rule(rule, rule, lambda **values: "view")
    return app


def test_promise_032_a_path_converter_takes_a_long_path() -> None:
    app = named("app")

    equal(call(app, "/" + "a/" * 1_000 + "a").status, 200)
    equal(call(DispatcherMiddleware(None, {"/app": app}), "/app" + "/a" * 1_000).status, 200)


def test_promise_033_an_app_that_raises_leaves_its_siblings_alone(app: Flask) -> None:
    failing = Flask("failing")
    failing.secret_key = "secret"

    @failing.route("/")
    def fail() -> str:
        g.leak = "of failing"
        session["leak"] = "of failing"
        raise RuntimeError

    sibling = Flask("sibling")
    sibling.secret_key = "secret"
    sibling.add_url_rule("/", "index", lambda: {"g": list(g), "session": dict(session), "root": request.script_root})
    mounted = DispatcherMiddleware(app, {"/failing": failing, "/sibling": sibling})

    first = call(mounted, "/failing/")
    second = call(mounted, "/sibling/", HTTP_COOKIE="; ".join(first.values("Set-Cookie")) or None)

    equal(first.status, 500)
    equal((second.status, second.text), (200, '{"g":[],"session":{},"root":"/sibling"}'))


def test_promise_033_apps_that_call_each_other_keep_their_own() -> None:
    outer = Flask("outer")

    @outer.route("/")
    def index() -> str:
        g.own = "outer"
        inner_answer = call(failing, "/x", SCRIPT_NAME="/inner")
        return f"{inner_answer.status} {g.own} {list(g)} {request.path} {url_for('index')}"

    failing = Flask("failing")

    @failing.route("/x")
    def fail() -> str:
        g.own = "failing"
        raise RuntimeError

    equal(call(outer, "/", SCRIPT_NAME="/outer").text, "500 outer ['own'] / /outer/")


# Fixers that were told the prefix


FIXERS: dict[str, Callable[[WSGIApplication], WSGIApplication]] = {
    "nginx": lambda app: PathInfoFromRequestUriFix(app, "/shop"),
    "lighttpd": lambda app: CGIRootFix(app, "/shop"),
    "nginx in lighttpd": lambda app: CGIRootFix(PathInfoFromRequestUriFix(app, "/shop"), "/shop"),
    "a runner's": lambda app: behind_gate(app, Options(fix=("nginx-path-info",), script_name="/shop")),
    "a runner's two": lambda app: behind_gate(
        app, Options(fix=("lighttpd-root", "nginx-path-info"), script_name="/shop")
    ),
    "a runner's with a mount": lambda app: behind_gate(
        app, Options(fix=("nginx-path-info",), script_name="/shop", prefix="/cart")
    ),
}
#: the targets of clients, and what of them a front has let pass
OUTSIDE = {
    "/shopfoo": "/shopfoo",
    "/shopfoo/x?/shop/x": "/shopfoo/x",
    "/": "/",
    "/evil": "/evil",
    "/evil/shop": "/evil/shop",
    "/evil/shop/x": "/evil/shop/x",
    "/SHOP/x": "/SHOP/x",
    "/shop/../evil": "/evil",
    "/shop/%2e%2e/evil": "/evil",
    "/shop/..%2fevil/x": "/evil/x",
    "/shop/x/../../evil": "/evil",
    "/shop%00/x": "/shop_/x",
    "/shop;x/y": "/shop;x/y",
    "/%2573hop/x": "/%73hop/x",
    "http://good.example/evil": "/evil",
    "http://good.example": "/",
    "http://shop/x": "/x",
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("target", OUTSIDE)
@pytest.mark.parametrize("fixer", FIXERS.values(), ids=FIXERS)
def test_promise_034_what_is_outside_of_the_prefix_is_a_404_and_calls_no_app(
    fixer: Callable[[WSGIApplication], WSGIApplication], target: str, method: str
) -> None:
    seen = OUTSIDE[target]
    first, _, rest = seen[1:].partition("/")
    for script_name, path in (
        (seen, ""),  # all of it in SCRIPT_NAME: nginx without more, Apache's mod_proxy_fcgi
        ("", seen),
        (f"/{first}", f"/{rest}" * bool(rest)),  # as lighttpd's key "/" splits it
    ):
        answer = call(fixer(must_not_be_called), path, method, SCRIPT_NAME=script_name, REQUEST_URI=target)

        equal((answer.status, answer.body), (404, b"" if method == "HEAD" else b"Not Found\n"))
        equal(answer.values("Location"), [])
        equal(answer.values("Set-Cookie"), [])


@pytest.mark.parametrize("target", [None, "", "*", "good.example:443", "evil", "ftp://good.example/shop/x"])
@pytest.mark.parametrize("script_name", ["/evil", "", "/", "/shopfoo", "/shop/x", "/SHOP", "/evil/shop", "//shop"])
@pytest.mark.parametrize("fixer", FIXERS.values(), ids=FIXERS)
def test_promise_034_nor_is_a_script_name_believed_where_request_uri_tells_no_path(
    fixer: Callable[[WSGIApplication], WSGIApplication], script_name: str, target: str | None
) -> None:
    seen: list[str] = []

    def app(environ: Any, start_response: Any) -> Any:
        seen.append(environ["SCRIPT_NAME"])
        return echo(environ, start_response)

    # where lighttpd tells no REQUEST_URI, the two together are the path
    answer = call(fixer(app), "/cart/x", SCRIPT_NAME=script_name, REQUEST_URI=target)

    if seen:
        equal((script_name, target or ""), ("/shop/x", ""))
        one_of(seen[0], ("/shop", "/shop/cart"))
    else:
        equal(answer.status, 404)


@pytest.mark.parametrize(
    ("target", "script_name", "path"),
    [
        ("/shop/cart/x", "/shop/cart/x", ""),
        ("/shop/cart/x?y", "/shop", "/cart/x"),
        ("/evil/../shop/cart/x", "/shop/cart/x", ""),
        ("http://good.example/shop/cart/x", "/shop", "/cart/x"),
        ("/%73hop/cart/x", "/shop/cart", "/x"),
        ("*", "/shop", "/cart/x"),
    ],
)
@pytest.mark.parametrize("fixer", FIXERS.values(), ids=FIXERS)
def test_promise_034_what_is_below_the_prefix_comes_to_the_app(
    fixer: Callable[[WSGIApplication], WSGIApplication], target: str | None, script_name: str, path: str
) -> None:
    answer = call(fixer(echo), path, SCRIPT_NAME=script_name, REQUEST_URI=target)

    one_of((answer.status, answer.text), ((200, "/shop|/cart/x"), (200, "/shop/cart|/x")))


@pytest.mark.parametrize("name", [name for name in FIXERS if name != "a runner's two"])
def test_promise_034_also_where_there_is_no_request_uri_and_the_front_has_split_the_path_right(name: str) -> None:
    answer = call(FIXERS[name](echo), "/cart/x", SCRIPT_NAME="/shop", REQUEST_URI=None)

    one_of((answer.status, answer.text), ((200, "/shop|/cart/x"), (200, "/shop/cart|/x")))


def test_promise_034_the_log_has_one_line_without_what_may_be_secret(caplog: pytest.LogCaptureFixture) -> None:
    fixed = PathInfoFromRequestUriFix(must_not_be_called, "/shop")

    for target in ("http://user:word@good.example/evil%0a%1b[31m?token", "/evil", "*"):
        equal(call(fixed, "", SCRIPT_NAME="/told", REQUEST_URI=target).status, 404)

    equal(len(caplog.records), 1, "the number of lines")
    message = caplog.records[0].getMessage()
    check(message.isprintable(), f"the line is {message!r}")
    present("'/shop'", message)
    for secret in ("word", "token", "told"):
        absent(secret, message)
