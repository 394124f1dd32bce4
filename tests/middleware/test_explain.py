"""explain() and iter_rules() describe requests and rules as calls answer them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client, create_environ
from werkzeug.testapp import test_app as foreign

from flask_embed import Flask
from flask_embed.composition import parts_of
from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware, StrictEnviron
from flask_embed.middleware.explain import PublicRule, explain, iter_rules

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def made(name: str, *rules: str) -> Flask:
    """An app without static files, with a rule for each text, whose endpoint is the text too."""

    class Bare(Flask):
        static_path = None

    app = Bare(name)
    for path in rules or ("/", "/page/<int:number>"):
        app.add_url_rule(path, path, view_func=lambda **values: name)
    return app


def guest(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"guest"]


def itself(app: WSGIApplication) -> WSGIApplication:
    return app


def below_nothing(app: WSGIApplication) -> WSGIApplication:
    return PrefixMiddleware(app, "")


def in_a_dispatcher(app: WSGIApplication) -> WSGIApplication:
    return DispatcherMiddleware(app, {"/x": guest})


def shadows(app: Any) -> dict[str, str]:
    """By public path, what gets the path of a rule instead."""
    return {rule.path: rule.shadowed_by for rule in iter_rules(app)}


def test_a_path_is_explained_to_the_endpoint() -> None:
    shop = made("shop")
    dispatcher = DispatcherMiddleware(made("root"), {"/shop": shop, "/shopping": guest, "/shop/old": guest})
    found = dispatcher.explain("/shop/page/7?full=1#part", "get")
    assert (found.mounts, found.script_name, found.path_info) == (["/shop"], "/shop", "/page/7")
    assert (found.app, found.endpoint, found.values) == (shop, "/page/<int:number>", {"number": 7})
    assert (found.method, found.url) == ("GET", "/shop/page/7?full=1#part")
    assert str(found).splitlines() == [
        "GET /shop/page/7?full=1#part",
        "  mount        /shop",
        "  SCRIPT_NAME  /shop",
        "  PATH_INFO    /page/7",
        "  answer       endpoint '/page/<int:number>' of 'shop' with {'number': 7}",
        "  not          /shopping: the path is not below it",
        "               /shop/old: the path is not below it",
    ]


def test_no_app_is_called_and_none_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any) -> Any:
        raise AssertionError("explain called an app")

    dispatcher = DispatcherMiddleware(never, {"/lazy": "no_such_module_for_explain:app", "/guest": never})
    assert dispatcher.explain("/x").app is never
    assert dispatcher.explain("/guest/x").app is never
    lazy = dispatcher.explain("/lazy/x")
    assert (lazy.mounts, lazy.script_name, lazy.path_info, lazy.endpoint) == (["/lazy"], "/lazy", "/x", None)
    assert "no_such_module_for_explain:app" in lazy.outcome
    assert "imported with its first request" in lazy.outcome


def test_a_lazy_app_that_is_loaded_is_explained_to_the_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "an_explained_app.py").write_text(
        "from flask_embed import Flask\napp = Flask(__name__)\napp.add_url_rule('/', 'index', view_func=lambda: '')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    dispatcher = DispatcherMiddleware(None, {"/lazy": "an_explained_app:app"})
    assert list(dispatcher.iter_rules()) == []
    dispatcher.preload()
    assert dispatcher.explain("/lazy/").endpoint == "index"
    assert "/lazy/" in {rule.path for rule in dispatcher.iter_rules()}


@pytest.mark.parametrize(
    ("url", "method", "code"),
    [
        ("/shop/", "GET", 200),
        ("/shop/", "HEAD", 200),
        ("/shop/", "OPTIONS", 200),
        ("/shop/", "POST", 405),
        ("/shop/none", "GET", 404),
        ("/shop/none", "OPTIONS", 404),
        ("/shop", "GET", 307),
        ("/shop", "HEAD", 307),
        ("/shop", "POST", 404),
        ("/shop?a=1", "GET", 307),
        ("/shop/folder", "GET", 308),
        ("/shop/page/x", "GET", 404),
        ("/outside", "GET", 404),
        ("/shop/%00", "GET", 400),
        ("/shop/%0d%0a", "GET", 400),
        ("/shop/%ff", "GET", 404),
        ("/shop//", "GET", 404),
        ("/shop/../", "GET", 400),
        ("/shop/..", "GET", 400),
        ("/shop/./folder", "GET", 400),
        ("/shop/%2e%2e/shop/", "GET", 400),
        ("/shop/folder%2f..", "GET", 400),
        ("/shop/...", "GET", 404),
        ("/shop/..x/", "GET", 404),
    ],
)
def test_the_outcome_is_that_of_a_call_behind_the_gate(url: str, method: str, code: int) -> None:
    dispatcher = DispatcherMiddleware(None, {"/shop": made("shop", "/", "/folder/", "/page/<int:number>")})
    environ = create_environ(url, method=method)
    statuses: list[str] = []
    for part in StrictEnviron(dispatcher)(environ, lambda status, *rest: statuses.append(status)):  # type: ignore[arg-type]
        assert part is not None
    assert statuses[0].startswith(str(code))
    told = dispatcher.explain(url, method)
    if code == 200:
        assert not told.outcome[:1].isdigit()
    else:
        assert (told.outcome[:3], told.endpoint) == (str(code), None)


def test_the_words_for_what_is_no_page() -> None:
    dispatcher = DispatcherMiddleware(None, {"/shop": made("shop", "/", "/folder/")})
    assert dispatcher.explain("/x").outcome == "404: no mount is for this path, and there is no app for the rest"
    assert (dispatcher.explain("/x").app is dispatcher, dispatcher.explain("/x").mounts) == (True, [])
    assert dispatcher.explain("/shop/x").outcome == "404: no rule of 'shop' matches"
    assert dispatcher.explain("/shop/folder?a=1").outcome == "308 to /shop/folder/?a=1"
    assert dispatcher.explain("/shop?a=1").outcome == "307 to /shop/?a=1"
    assert dispatcher.explain("/shop/a/../folder").outcome == "400: PATH_INFO holds a dot segment"
    assert (
        "POST is not among the methods of this path, GET, HEAD, OPTIONS" in dispatcher.explain("/shop/", "POST").outcome
    )


def test_a_host_that_the_app_does_not_trust_is_a_400() -> None:
    app = made("app")
    app.trusted_hosts = ["good.example"]
    assert Client(app).get("/", base_url="http://evil.example").status_code == 400
    assert explain(app, "http://evil.example/").outcome.startswith("400")
    assert explain(app, "http://good.example/").endpoint == "/"


def test_hosts_decide_and_each_loser_has_its_reason() -> None:
    keys = [
        "www.test/shop",
        "*.test/shop/x",
        "other.test/shop",
        "/shop/x/y",
        "/sho",
        "/news",
        "www.test/shop/x/z",
        "/shop",
    ]
    dispatcher = DispatcherMiddleware(made("root"), dict.fromkeys(keys, guest))
    found = dispatcher.explain("http://WWW.test.:8080/shop/x/y")
    assert found.mounts == ["www.test/shop"]
    assert dict(found.losers) == {
        "*.test/shop/x": "the host of www.test/shop is more exact",
        "other.test/shop": "the request is for another host",
        "/shop/x/y": "the host of www.test/shop is more exact",
        "/sho": "the path only begins like it, in the middle of a segment",
        "/news": "the path is not below it",
        "www.test/shop/x/z": "the path is not below it",
        "/shop": "the host of www.test/shop is more exact",
    }
    assert dict(dispatcher.explain("http://a.org/shop/x/y").losers)["/shop"] == "/shop/x/y is longer"
    assert dict(dispatcher.explain("http://a.org/").losers)["/shop"] == "the path is not below it"


def test_the_app_for_the_rest_is_named_by_the_root() -> None:
    for dispatcher in (
        DispatcherMiddleware(guest, {"/x": guest}),
        DispatcherMiddleware(None, {"/": guest, "/x": guest}),
    ):
        found = dispatcher.explain("/y")
        assert (found.mounts, found.losers) == (["/"], [("/x", "the path is not below it")])
        assert dispatcher.explain("/x").losers == []


@pytest.mark.parametrize(("count", "shown", "rest"), [(20, 20, None), (21, 20, 1), (50, 20, 30)])
def test_of_many_losers_twenty_are_shown_and_the_others_counted(count: int, shown: int, rest: int | None) -> None:
    found = DispatcherMiddleware(guest, {f"/m{number}": guest for number in range(count)}).explain("/x")
    assert len(found.losers) == count
    assert str(found).count("the path is not below it") == shown
    if rest is None:
        assert "more" not in str(found)
    else:
        assert re.search(rf"\b{rest} more mounts", str(found))


def test_middleware_on_the_way_changes_what_is_explained() -> None:
    app = made("app")
    wrapped = StrictEnviron(PrefixMiddleware(DispatcherMiddleware(None, {"/shop": app}), "/über"))
    found = explain(wrapped, "/%C3%BCber/shop/page/1")
    assert (found.script_name, found.path_info, found.app, found.values) == (
        "/über/shop",
        "/page/1",
        app,
        {"number": 1},
    )
    outside = explain(wrapped, "/shop/page/1")
    assert outside.outcome == "404: the path is not below the prefix /über"
    stripped = explain(PrefixMiddleware(app, "/front", mode="stripped"), "/page/2")
    assert (stripped.script_name, stripped.path_info, stripped.values) == ("/front", "/page/2", {"number": 2})


def test_what_the_gate_refuses_is_a_400() -> None:
    gate = StrictEnviron(guest)
    assert explain(gate, "/%00").outcome.startswith("400: PATH_INFO holds a line break or NUL")
    assert explain(gate, "/", "B@D").outcome == "400: the method is not a token"


@pytest.mark.parametrize(
    "around",
    [
        StrictEnviron,
        ProxyFix,
        below_nothing,
        in_a_dispatcher,
    ],
)
def test_middleware_in_the_place_of_wsgi_app_leads_to_its_app(around: Any) -> None:
    app = made("app")
    app.wsgi_app = around(app.wsgi_app)  # type: ignore[method-assign]
    for outermost, path in ((app, "/"), (DispatcherMiddleware(None, {"/shop": app}), "/shop/")):
        found = explain(outermost, path)
        assert (found.app, found.endpoint) == (app, "/")
    assert shadows(DispatcherMiddleware(None, {"/shop": app})) == {"/shop/": "", "/shop/page/<int:number>": ""}


def test_the_wsgi_app_of_an_app_leads_to_the_app_and_to_its_mounts() -> None:
    app, blog = made("app"), made("blog", "/", "/post")
    mounts: dict[str, WSGIApplication] = {"/blog": blog.wsgi_app}
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, mounts)  # type: ignore[method-assign]
    assert (explain(app, "/").app, explain(app, "/blog/post").app) == (app, blog)
    assert explain(app, "/blog/post").mounts == ["/blog"]
    assert shadows(app) == {"/": "", "/page/<int:number>": "", "/blog/": "", "/blog/post": ""}


def test_a_guest_ends_the_explanation() -> None:
    for app in (guest, foreign):
        found = DispatcherMiddleware(None, {"/guest": app}).explain("/guest/x")
        assert (found.app, found.endpoint, found.path_info) == (app, None, "/x")
        assert found.outcome == f"given by {app!r}"
        assert list(DispatcherMiddleware(None, {"/guest": app}).iter_rules()) == []


@pytest.mark.parametrize(
    "url",
    [
        "shop",
        "shop/cart",
        "example.com/shop",
        "example.com:80/shop",
        "localhost:5000/x",
        "*",
        "ftp://example.com/x",
        "mailto:x@example.com",
        "http:/x",
        "http:x",
        "http:///x",
        "http://[::1/x",
        "http://a\u2100b/x",
        "javascript:alert(1)",
        "../x",
    ],
)
def test_what_is_no_url_is_shown_with_the_way_out(url: str) -> None:
    for explained in (DispatcherMiddleware(guest).explain, lambda url: explain(guest, url)):
        with pytest.raises(ValueError, match=r"write '/shop/cart' or 'http://example\.com/shop/cart'") as caught:
            explained(url)
        assert repr(url) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://user:pw@www.test/x", "http://b\u00fccher.test/x", "HTTP://WWW.test:80/x", "http://www.test"]
)
def test_a_url_is_for_the_host_that_a_browser_would_ask_with_it(url: str) -> None:
    dispatcher = DispatcherMiddleware(guest, {"www.test/": guest, "bücher.test/": guest})
    assert dispatcher.explain(url).mounts == ["xn--bcher-kva.test/" if "cher" in url else "www.test/"]


def test_a_path_has_no_host_so_that_no_mount_of_a_host_gets_it() -> None:
    dispatcher = DispatcherMiddleware(made("root"), {"localhost/": made("local"), "/blog": made("blog")})
    assert dispatcher.explain("/blog/").mounts == ["/blog"]
    assert dispatcher.explain("http://localhost/blog/").mounts == ["localhost/"]


def test_a_path_of_two_slashes_is_a_path_as_it_is_for_a_server() -> None:
    dispatcher = DispatcherMiddleware(guest, {"/shop": guest, "shop/": guest})
    found = dispatcher.explain("//shop/cart")
    assert (found.mounts, found.path_info) == (["/"], "//shop/cart")


@pytest.mark.parametrize("url", ["/%1b%5b31mred", "/a%0Ab", "/\x1b[31mred", "/x?\x9b", "/%C2%9b", "/%E2%80%A8"])
def test_what_is_printed_keeps_control_characters_from_the_terminal(url: str) -> None:
    printed = str(DispatcherMiddleware(made("root"), {"/other": guest}).explain(url))
    assert re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", printed) is None
    assert printed.count("\n") == 5


def test_a_dispatcher_in_itself_is_explained_as_far_as_the_path_goes() -> None:
    dispatcher = DispatcherMiddleware(made("root"))
    dispatcher.mount("/again", dispatcher)
    found = dispatcher.explain("/again/again/page/1")
    assert (found.mounts, found.script_name) == (["/again", "/again", "/"], "/again/again")
    assert [part.prefix for part in parts_of(dispatcher) if isinstance(part.app, Flask)] == [""]
    assert shadows(dispatcher) == {"/": "", "/page/<int:number>": ""}


@pytest.mark.timeout(2)
@pytest.mark.parametrize("key", ["/", "any.test/"])
@pytest.mark.parametrize("around", [StrictEnviron, itself, below_nothing])
def test_a_dispatcher_that_is_its_own_app_for_the_rest_is_explained_all_the_same(key: str, around: Any) -> None:
    dispatcher = DispatcherMiddleware(None, {"/shop": made("shop")})
    dispatcher.mount(key, around(dispatcher))
    assert {part.prefix for part in parts_of(dispatcher)} == {"", "/shop"}
    assert dispatcher.explain("http://any.test/x").endpoint is None
    assert {rule.path for rule in dispatcher.iter_rules()} == {"/shop/", "/shop/page/<int:number>"}


@pytest.mark.timeout(2)
def test_two_dispatchers_in_each_other_have_an_end() -> None:
    one, other = DispatcherMiddleware(made("one")), DispatcherMiddleware(made("other"))
    one.mount("/other", other)
    other.mount("/one", one)
    assert [part.prefix for part in parts_of(one) if isinstance(part.app, Flask)] == ["", "/other"]
    assert set(shadows(one)) == {"/", "/page/<int:number>", "/other/", "/other/page/<int:number>"}
    assert one.explain("/other/one/other/").mounts == ["/other", "/one", "/other", "/"]


def test_every_rule_has_its_public_path_methods_and_mounts() -> None:
    inner = DispatcherMiddleware(None, {"/leaf": made("leaf", "/<name>")})
    api = made("api", "/v1")
    api.add_url_rule("/v1", "change", methods=["PUT"], view_func=lambda: "")
    dispatcher = DispatcherMiddleware(
        made("root", "/"), {"/ü": PrefixMiddleware(inner, "/p"), "*.test/api": api, "/guest": guest}
    )
    assert list(iter_rules(dispatcher)) == [
        PublicRule("/", ("GET", "HEAD"), "/", ("/",), ""),
        PublicRule("/ü/p/leaf/<name>", ("GET", "HEAD"), "/<name>", ("/ü", "/leaf"), ""),
        PublicRule("*.test/api/v1", ("GET", "HEAD"), "/v1", ("*.test/api",), ""),
        PublicRule("*.test/api/v1", ("PUT",), "change", ("*.test/api",), ""),
    ]
    assert [rule.mounts for rule in iter_rules(made("x", "/y"))] == [()]


@pytest.mark.parametrize(
    ("rule", "shadow"),
    [
        ("/shop", "/shop"),
        ("/shop/", "/shop"),
        ("/shop/cart", "/shop"),
        ("/shop/<name>", "/shop"),
        ("/shop/a<name>", "/shop"),
        ("/shop/<path:name>/x", "/shop"),
        ("/shop/deep/x", "/shop/deep"),
        ("/shop/deep/<name>", "/shop/deep"),
        ("/shopping", ""),
        ("/shop<name>", ""),
        ("/<name>", ""),
        ("/<path:name>", ""),
        ("/<name>/cart", ""),
        ("/Shop/x", ""),
        ("/über/x", "/über"),
        ("/", ""),
    ],
)
def test_a_rule_is_shadowed_by_the_mount_that_gets_all_of_its_paths(rule: str, shadow: str) -> None:
    mounts = {"/shop": guest, "/shop/deep": guest, "/über": guest}
    assert shadows(DispatcherMiddleware(made("root", rule), mounts)) == {rule: shadow}


def test_a_rule_with_characters_that_a_url_has_a_meaning_for_is_looked_up_as_it_is() -> None:
    dispatcher = DispatcherMiddleware(made("root", "/a%2Fb", "/a/b", "/%73hop"), {"/a": guest, "/shop": guest})
    assert shadows(dispatcher) == {"/a%2Fb": "", "/a/b": "/a", "/%73hop": ""}


def test_an_app_that_is_mounted_twice_has_its_rules_twice_and_shadows_itself() -> None:
    app = made("app", "/", "/b/c")
    dispatcher = DispatcherMiddleware(None, {"/a": app, "/a/b": app})
    assert shadows(dispatcher) == {"/a/": "", "/a/b/c": "/a/b", "/a/b/": "", "/a/b/b/c": ""}


def test_a_mount_of_one_host_shadows_no_rule_of_all_hosts() -> None:
    for host in ("localhost", "any.example.com", "any", "example.com"):
        dispatcher = DispatcherMiddleware(
            made("root", "/r"), {f"{host}/": made("host", "/h"), "/blog": made("blog", "/b")}
        )
        assert shadows(dispatcher) == {"/r": "", f"{host}/h": "", "/blog/b": ""}


def test_a_mount_of_one_name_shadows_no_rule_of_all_below_the_domain() -> None:
    for label in ("any", "www", "x"):
        dispatcher = DispatcherMiddleware(None, {"*.test/": made("wild", "/w"), f"{label}.test/": made("one", "/o")})
        assert shadows(dispatcher) == {"*.test/w": "", f"{label}.test/o": ""}


def test_a_rule_below_a_host_is_shadowed_by_a_deeper_mount_of_that_host_only() -> None:
    mounts: dict[str, WSGIApplication] = {
        "www.test/": made("www", "/shop/x", "/blog/x"),
        "www.test/shop": guest,
        "/blog": guest,
    }
    assert shadows(DispatcherMiddleware(None, mounts)) == {"www.test/shop/x": "www.test/shop", "www.test/blog/x": ""}


def test_the_host_of_a_rule_is_that_of_the_innermost_mount() -> None:
    inner = DispatcherMiddleware(None, {"www.test/x": made("x", "/r")})
    assert shadows(DispatcherMiddleware(None, {"*.test/in": inner})) == {"www.test/in/x/r": ""}


def test_a_rule_of_a_nested_app_is_shadowed_from_outside() -> None:
    inner = DispatcherMiddleware(made("inner", "/x/y", "/z"), {"/x": guest})
    dispatcher = DispatcherMiddleware(None, {"/in": inner, "/in/z": guest})
    assert shadows(dispatcher) == {"/in/x/y": "/x", "/in/z": "/in/z"}
