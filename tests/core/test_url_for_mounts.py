"""URLs of other mounted apps: by the name of the mount, with its prefix and, if need be, its host."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.middleware.dispatcher import DispatcherMiddleware as WerkzeugDispatcher
from werkzeug.routing import BuildError
from werkzeug.test import Client

from flask_embed import Flask, request, url_for
from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware, StrictEnviron

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def made(name: str) -> Flask:
    """An app that answers with its name, and calls the function in its environ during a request."""
    app = Flask(name)
    app.add_url_rule("/", "index", view_func=lambda: f"{name} {request.script_root}")
    app.add_url_rule("/page/<name>", "page", view_func=lambda name: name)
    app.add_url_rule("/file/<path:name>", "file", view_func=lambda name: name)
    app.before_request(lambda: request.environ.get("test.ask", lambda: None)())
    return app


def url(
    application: WSGIApplication,
    at: str,
    endpoint: str,
    host: str = "http://www.test",
    script_name: str = "",
    **values: Any,
) -> str:
    """The result or the error of ``url_for(endpoint, **values)`` in the app that answers the path *at*."""
    urls: list[str] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            urls.append(url_for(endpoint, **values))
        except Exception as error:
            errors.append(error)

    Client(application).get(at, base_url=f"{host}{script_name}", environ_overrides={"test.ask": ask})
    if errors:
        raise errors[0]
    return urls[0]


def notes(error: BaseException) -> str:
    return " ".join(getattr(error, "__notes__", []))


def guest(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A WSGI app that is not of flask_embed."""
    start_response("200 OK", [])
    return [b"guest"]


@pytest.fixture
def site() -> DispatcherMiddleware:
    dispatcher = DispatcherMiddleware(
        made("root"), {"/blog": made("blog"), "/über/tief": made("deep"), "/guest": guest, "api.test/v1": made("api")}
    )
    dispatcher.mount("/news", made("news"), name="of today")
    return dispatcher


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("index", "/blog/"),
        ("blog:index", "/blog/"),
        ("/blog:index", "/blog/"),
        (":index", "/"),
        ("news:index", "/news/"),
        ("/news:index", "/news/"),
        ("über/tief:index", "/%C3%BCber/tief/"),
        ("of today:index", "/news/"),
        ("api.test/v1:index", "http://api.test/v1/"),
    ],
)
def test_a_mounted_app_is_reached_by_its_name(site: DispatcherMiddleware, endpoint: str, expected: str) -> None:
    assert url(site, "/blog/", endpoint) == expected


@pytest.mark.parametrize("at", ["/", "/blog/none", "/%C3%BCber/tief", "/news/page/x"])
@pytest.mark.parametrize("script_name", ["", "/front", "/fr%C3%B6nt/x", "/front/"])
def test_the_outer_script_name_is_in_front_once(site: DispatcherMiddleware, at: str, script_name: str) -> None:
    front = script_name.rstrip("/")
    assert url(site, at, "blog:index", script_name=script_name) == f"{front}/blog/"
    assert url(site, at, ":index", script_name=script_name) == f"{front}/"
    assert url(site, at, "api.test/v1:index", script_name=script_name) == f"http://api.test{front}/v1/"


def test_values_query_anchor_and_method_are_those_of_the_other_app(site: DispatcherMiddleware) -> None:
    assert url(site, "/", "blog:page", name="a b", tab="x y", _anchor="é") == "/blog/page/a%20b?tab=x+y#%C3%A9"
    assert url(site, "/blog", ":file", name="a/b", _method="GET") == "/file/a/b"
    assert url(site, "/", "api.test/v1:page", name="ü", a="1", _anchor="b") == "http://api.test/v1/page/%C3%BC?a=1#b"


def test_scheme_and_host_are_asked_for_as_of_an_own_endpoint(site: DispatcherMiddleware) -> None:
    for host in ("http://localhost:5000", "https://127.0.0.1:8443"):
        assert url(site, "/", "blog:index", host, _external=True) == f"{host}/blog/"
    assert url(site, "/", "blog:index", "http://localhost", _scheme="https") == "https://localhost/blog/"
    assert url(site, "/", "api.test/v1:index", _scheme="https") == "https://api.test/v1/"
    assert url(site, "/", "api.test/v1:index", "https://www.test") == "https://api.test/v1/"
    assert url(site, "/", "api.test/v1:index", _external=False) == "http://api.test/v1/"
    with pytest.raises(RuntimeError, match="server_name"):
        url(site, "/", "blog:index", "http://evil.test", _external=True)


def test_the_settings_that_make_a_host_safe_are_those_of_the_app_that_the_url_is_for() -> None:
    blog = made("blog")
    blog.server_name = "blog.example"
    dispatcher = DispatcherMiddleware(made("root"), {"/blog": blog})
    assert url(dispatcher, "/", "blog:index", _external=True) == "http://blog.example/blog/"
    assert url(dispatcher, "/", "blog:index") == "/blog/"


@pytest.mark.parametrize("value", ["//evil.com", "/evil.com", "..", ".", "a/b", ""])
def test_a_value_that_would_lead_elsewhere_is_refused_as_always(site: DispatcherMiddleware, value: str) -> None:
    for name in ("blog", "", "api.test/v1"):
        with pytest.raises(BuildError) as caught:
            url(site, "/", f"{name}:page", name=value)
        assert "cannot stand in the path" in notes(caught.value)
    for value_of_a_path in ("//evil.com", "/evil.com", "a/../../b"):
        with pytest.raises(BuildError):
            url(site, "/blog", ":file", name=value_of_a_path)


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("none:index", "'none'"),
        ("guest:index", "guest'"),
        ("blog:none:index", "blog"),
        ("Blog:index", "'Blog'"),
        ("blo:index", "'blo'"),
        ("blog/x:index", "'blog/x'"),
        ("example.com:index", "'example.com'"),
    ],
)
def test_what_is_no_mounted_app_is_a_build_error_that_names_it(
    site: DispatcherMiddleware, endpoint: str, shown: str
) -> None:
    with pytest.raises(BuildError) as caught:
        url(site, "/", endpoint)
    assert caught.value.endpoint == endpoint
    assert shown in notes(caught.value)


@pytest.mark.parametrize("endpoint", ["blog:none", "blog:", ":none"])
def test_an_unknown_endpoint_of_a_mounted_app_is_a_build_error(site: DispatcherMiddleware, endpoint: str) -> None:
    with pytest.raises(BuildError):
        url(site, "/", endpoint)


def test_outside_of_a_request_and_of_a_dispatcher_no_mount_has_a_name() -> None:
    app = made("app")
    with pytest.raises(BuildError) as caught:
        app.url_for("blog:index")
    assert caught.value.endpoint == "blog:index"
    assert "dispatcher" in notes(caught.value)
    with pytest.raises(BuildError):
        url(app, "/", "blog:index")
    with pytest.raises(BuildError):
        url(WerkzeugDispatcher(app, {"/blog": made("blog")}), "/", "blog:index")


def test_an_own_endpoint_with_a_colon_wins(site: DispatcherMiddleware) -> None:
    root = made("root")
    root.add_url_rule("/own", "blog:index", view_func=lambda: "own")
    root.add_url_rule("/colon", ":index", view_func=lambda: "own")
    dispatcher = DispatcherMiddleware(root, {"/blog": made("blog")})
    assert url(dispatcher, "/", "blog:index") == "/own"
    assert url(dispatcher, "/", ":index") == "/colon"
    assert url(dispatcher, "/blog", "blog:index") == "/blog/"


def test_an_own_endpoint_with_a_colon_wins_outside_of_a_request() -> None:
    app = made("app")
    app.add_url_rule("/own", "blog:index", view_func=lambda: "own")
    assert app.url_for("blog:index") == "/own"


def test_an_app_that_is_mounted_twice_has_two_names_and_stays_where_it_is() -> None:
    twice = made("twice")
    dispatcher = DispatcherMiddleware(None, {"/a": twice, "/b/c": twice})
    for at in ("/a", "/b/c"):
        assert url(dispatcher, at, "index") == f"{at}/"
        assert url(dispatcher, at, "a:index") == "/a/"
        assert url(dispatcher, at, "b/c:index") == "/b/c/"


def test_a_name_that_was_given_is_more_than_the_key_of_another() -> None:
    dispatcher = DispatcherMiddleware(None, {"/blog": made("blog"), "blog/": made("host")})
    assert url(dispatcher, "/blog", "blog:index") == "/blog/"
    assert url(dispatcher, "/blog", "blog/:index") == "http://blog/"
    dispatcher.mount("/news", made("news"), name="blog")
    assert url(dispatcher, "/blog", "blog:index") == "/news/"
    assert url(dispatcher, "/blog", "/blog:index") == "/blog/"
    dispatcher.unmount("/news")
    assert url(dispatcher, "/blog", "blog:index") == "/blog/"


def test_names_are_those_of_the_moment_of_the_request() -> None:
    dispatcher = DispatcherMiddleware(made("root"), {"/blog": made("blog")})
    dispatcher.mount("/late", made("late"))
    assert url(dispatcher, "/", "late:index") == "/late/"
    dispatcher.unmount("/late")
    with pytest.raises(BuildError):
        url(dispatcher, "/", "late:index")


def nested() -> DispatcherMiddleware:
    inner = DispatcherMiddleware(made("inner root"), {"/leaf": made("leaf"), "/both": made("inner both")})
    return DispatcherMiddleware(
        made("root"), {"/outer": PrefixMiddleware(inner, "/p"), "/both": made("outer both"), "/side": made("side")}
    )


@pytest.mark.parametrize(
    ("at", "endpoint", "expected"),
    [
        ("/side", "outer:leaf:index", "/outer/p/leaf/"),
        ("/side", "outer:index", "/outer/p/"),
        ("/side", "outer::index", "/outer/p/"),
        ("/side", "both:index", "/both/"),
        ("/outer/p/leaf", "leaf:index", "/outer/p/leaf/"),
        ("/outer/p/leaf", "outer:leaf:index", "/outer/p/leaf/"),
        ("/outer/p/leaf", "side:index", "/side/"),
        ("/outer/p/leaf", "both:index", "/outer/p/both/"),
        ("/outer/p/leaf", ":index", "/outer/p/"),
        ("/outer/p", ":index", "/outer/p/"),
    ],
)
def test_names_are_looked_up_from_the_inside_out_and_reach_into_mounts(at: str, endpoint: str, expected: str) -> None:
    assert url(nested(), at, endpoint) == expected
    assert url(nested(), at, endpoint, script_name="/front") == f"/front{expected}"


def test_a_name_of_an_inner_dispatcher_is_not_known_beside_it() -> None:
    with pytest.raises(BuildError) as caught:
        url(nested(), "/side", "leaf:index")
    assert "'leaf'" in notes(caught.value)
    with pytest.raises(BuildError):
        url(nested(), "/side", "outer:leaf:leaf:index")


def test_the_name_of_a_dispatcher_is_that_of_its_app_for_the_rest_and_of_no_other() -> None:
    inner = DispatcherMiddleware(None, {"/leaf": made("leaf")})
    dispatcher = DispatcherMiddleware(made("root"), {"/outer": inner})
    with pytest.raises(BuildError):
        url(dispatcher, "/", "outer:index")
    inner.mount("/", made("rest"))
    assert url(dispatcher, "/", "outer:index") == "/outer/"


def test_an_app_behind_middleware_and_bound_methods_is_found() -> None:
    app, blog, shop = made("app"), made("blog"), made("shop")
    blog.wsgi_app = StrictEnviron(blog.wsgi_app)  # type: ignore[method-assign]
    mounts: dict[str, WSGIApplication] = {"/blog": blog.wsgi_app, "/shop": StrictEnviron(PrefixMiddleware(shop, "/p"))}
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, mounts)  # type: ignore[method-assign]
    assert url(app, "/", "blog:index") == "/blog/"
    assert url(app, "/", "shop:index") == "/shop/p/"
    assert url(app, "/blog", ":index") == "/"
    assert url(app, "/shop/p", "blog:index") == "/blog/"


def test_the_names_of_the_hosts_have_their_port_and_their_colons() -> None:
    dispatcher = DispatcherMiddleware(made("root"), {"api.test:8080/v1": made("api"), "[::1]:81/": made("six")})
    assert url(dispatcher, "/", "api.test:8080/v1:index") == "http://api.test:8080/v1/"
    assert url(dispatcher, "/", "[::1]:81:index") == "http://[::1]:81/"
    assert url(dispatcher, "/v1", "api.test:8080/v1:index", "http://api.test:8080") == "/v1/"


def test_from_a_host_to_a_path_and_back_is_a_path_where_the_host_is_the_same() -> None:
    dispatcher = DispatcherMiddleware(made("root"), {"/blog": made("blog"), "api.test/v1": made("api")})
    assert url(dispatcher, "/v1", "blog:index", "http://api.test:8080") == "/blog/"
    assert url(dispatcher, "/blog", "api.test/v1:index", "http://api.test:8080") == "/v1/"
    assert url(dispatcher, "/blog", "api.test/v1:index", "http://API.test.") == "/v1/"
    assert url(dispatcher, "/blog", "api.test/v1:index", "http://www.test") == "http://api.test/v1/"


def test_an_app_for_all_below_a_domain_has_urls_only_there() -> None:
    dispatcher = DispatcherMiddleware(made("root"), {"*.example.com/team": made("team"), "/blog": made("blog")})
    assert url(dispatcher, "/blog", "*.example.com/team:index", "http://a.b.example.com") == "/team/"
    assert url(dispatcher, "/team", "blog:index", "http://a.b.example.com") == "/blog/"
    with pytest.raises(BuildError):
        url(dispatcher, "/blog", "*.example.com/team:index", "http://example.com")


def test_the_error_for_a_wildcard_says_that_it_has_no_host_of_its_own() -> None:
    dispatcher = DispatcherMiddleware(made("root"), {"*.example.com/": made("team")})
    with pytest.raises(BuildError) as caught:
        url(dispatcher, "/", "*.example.com:index", "http://example.org")
    assert "No flask_embed app is mounted" not in notes(caught.value)
    assert "'*.example.com" in notes(caught.value)


def test_a_name_that_the_inner_dispatcher_has_below_a_wildcard_is_looked_up_further_out() -> None:
    inner = DispatcherMiddleware(made("inner"), {})
    inner.mount("*.example.com/x", made("wild"), name="both")
    dispatcher = DispatcherMiddleware(None, {"/inner": inner, "/both": made("both")})
    assert url(dispatcher, "/inner", "both:index", "http://www.test") == "/both/"


def test_an_inner_host_is_that_of_the_url() -> None:
    inner = DispatcherMiddleware(None, {"/x": made("x"), "b.test/y": made("y")})
    dispatcher = DispatcherMiddleware(made("root"), {"/in": inner, "a.test/in": DispatcherMiddleware(made("a"))})
    assert url(dispatcher, "/", "in:b.test/y:index") == "http://b.test/in/y/"
    assert url(dispatcher, "/in/x", "b.test/y:index") == "http://b.test/in/y/"
    assert url(dispatcher, "/in/x", "a.test/in:index") == "http://a.test/in/"


def test_a_url_leads_to_the_app_that_it_is_for_or_is_a_build_error() -> None:
    """A path alone leads to the wrong app if a mount of the request's own host has it."""
    dispatcher = DispatcherMiddleware(made("root"), {"/blog": made("blog"), "api.test/": made("api")})
    try:
        found = url(dispatcher, "/", "blog:index", "http://api.test")
    except BuildError:
        return
    assert leads_to(dispatcher, found, "http://api.test") == "blog"


def test_a_host_that_is_more_exact_for_the_request_does_not_get_the_urls_of_the_other() -> None:
    for key in ("api.test/", "*.test/"):
        dispatcher = DispatcherMiddleware(None, {key: made("less"), "api.test:8080/": made("more")})
        try:
            found = url(dispatcher, "/", f"{key.rstrip('/')}:index", "http://api.test:8080")
        except BuildError:
            continue
        assert leads_to(dispatcher, found, "http://api.test:8080") == "less"


def test_a_mount_that_lies_behind_another_one_has_no_urls() -> None:
    inner = DispatcherMiddleware(made("inner"), {"/x": made("inner x"), "/y": made("inner y")})
    dispatcher = DispatcherMiddleware(made("root"), {"/in": inner, "/in/x": made("x")})
    assert url(dispatcher, "/", "in/x:index") == "/in/x/"
    assert url(dispatcher, "/", "in:y:index") == "/in/y/"
    with pytest.raises(BuildError):
        url(dispatcher, "/", "in:x:index")


def leads_to(dispatcher: DispatcherMiddleware, found: str, host: str) -> str:
    """The name of the app that answers at a URL that was built for a request to *host*."""
    parts = urlsplit(found)
    base = f"{parts.scheme}://{parts.netloc}" if parts.netloc else host
    return Client(dispatcher).get(parts.path, base_url=base).text.partition(" ")[0]


PLACES = [f"{host}{prefix}" for host, prefix in product(["", "a.test", "*.test", "a.test:81"], ["/", "/a", "/a/b"])]


@given(
    keys=st.lists(st.sampled_from(PLACES), min_size=1, max_size=6, unique=True),
    at=st.sampled_from(["/", "/a/", "/a/b/"]),
    host=st.sampled_from(["http://a.test", "http://a.test:81", "http://b.test", "http://other"]),
)
def test_whatever_is_mounted_a_url_leads_to_its_app_or_is_a_build_error(keys: list[str], at: str, host: str) -> None:
    dispatcher = DispatcherMiddleware(None, {key: made(key) for key in keys})
    if Client(dispatcher).get(at, base_url=host).text == "Not Found\n":
        return  # nobody is there to ask
    for mount in dispatcher.iter_mounts():
        try:
            found = url(dispatcher, at, f"{mount.key}:index", host)
        except BuildError:
            continue
        assert leads_to(dispatcher, found, host) == mount.key


def test_a_lazy_app_has_its_urls_before_its_first_request_or_the_error_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_lazy_wiki.py").write_text(
        "from flask_embed import Flask\napp = Flask(__name__)\napp.add_url_rule('/', 'index', lambda: 'wiki')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    dispatcher = DispatcherMiddleware(made("root"), {"/wiki": "a_lazy_wiki:app"})
    try:
        assert url(dispatcher, "/", "wiki:index") == "/wiki/"
    except BuildError as error:
        assert "preload" in notes(error)  # noqa: PT017
    assert Client(dispatcher).get("/wiki/").text == "wiki"
    assert url(dispatcher, "/", "wiki:index") == "/wiki/"


def test_a_host_that_the_client_wrote_gets_into_no_url(site: DispatcherMiddleware) -> None:
    for host in ("http://evil.test", "http://evil.test:81"):
        for endpoint in ("blog:index", ":index", "api.test/v1:index", "of today:index"):
            assert "evil" not in url(site, "/", endpoint, host)
