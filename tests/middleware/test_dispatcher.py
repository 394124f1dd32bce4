"""Many apps in one: which answers, what it sees, and how mounts change."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware as WerkzeugDispatcher
from werkzeug.test import Client, create_environ

from flask_embed import Flask, redirect, request, url_for
from flask_embed.errors import PrefixError
from flask_embed.middleware import DispatcherMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def named(name: str) -> WSGIApplication:
    """A WSGI app that answers with its name and where it sees itself."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{name} {environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]

    return app


def test_the_longest_prefix_wins_whatever_the_order() -> None:
    mounts = {"/app": named("app"), "/app/sub/deep": named("deep"), "/app/sub": named("sub")}
    for order in (list(mounts), list(mounts)[::-1]):
        client = Client(DispatcherMiddleware(named("root"), {prefix: mounts[prefix] for prefix in order}))
        for path, answer in {
            "/app": "app /app|",
            "/app/": "app /app|/",
            "/app/x": "app /app|/x",
            "/app//x": "app /app|//x",
            "/app/sub/y": "sub /app/sub|/y",
            "/app/sub/deep": "deep /app/sub/deep|",
            "/appx": "root |/appx",
            "/APP/x": "root |/APP/x",
            "/": "root |/",
        }.items():
            assert client.get(path).text == answer


def test_it_answers_as_werkzeugs_does() -> None:
    mounts = {"/a": named("a"), "/a/b": named("b"), "/über": named("u")}
    ours = Client(DispatcherMiddleware(named("root"), mounts))
    theirs = Client(
        WerkzeugDispatcher(named("root"), {key.encode().decode("latin-1"): app for key, app in mounts.items()})
    )
    for path in ("/", "/a", "/a/", "/a/x", "/a/b", "/a/b/c//d", "/ab", "/%C3%BCber/x", "/a//b"):
        assert ours.get(path).data == theirs.get(path).data


def test_without_an_app_the_rest_is_a_404_that_names_no_mount() -> None:
    client = Client(DispatcherMiddleware(None, {"/secret": named("secret")}))
    answer = client.get("/<script>")
    assert (answer.status_code, answer.text, answer.headers["X-Content-Type-Options"]) == (
        404,
        "Not Found\n",
        "nosniff",
    )
    assert client.head("/x").data == b""


@pytest.mark.parametrize("key", ["shop", "//shop", "/a b", "/../x", "/%61"])
def test_a_bad_key_is_refused_at_construction_and_named(key: str) -> None:
    with pytest.raises(PrefixError) as caught:
        DispatcherMiddleware(None, {key: named("x")})
    assert repr(key) in str(caught.value)


def test_duplicates_are_refused_after_normalising() -> None:
    with pytest.raises(PrefixError, match="'/shop/' is taken"):
        DispatcherMiddleware(None, {"/shop": named("a"), "/shop/": named("b")})
    with pytest.raises(PrefixError, match="'/' is taken"):
        DispatcherMiddleware(named("root"), {"/": named("b")})
    assert Client(DispatcherMiddleware(None, {"/": named("root")})).get("/x").text == "root |/x"
    with pytest.raises(TypeError, match="'/x' is no WSGI app"):
        DispatcherMiddleware(None, {"/x": 1})  # type: ignore[dict-item]


def test_mounts_is_a_mapping_that_mounts_and_unmounts() -> None:
    root, shop, blog = named("root"), named("shop"), named("blog")
    dispatcher = DispatcherMiddleware(root, {"/shop": shop, "/über": blog})
    assert dispatcher.app is root
    assert (dict(dispatcher.mounts), len(dispatcher.mounts)) == ({"/shop": shop, "/über": blog}, 2)
    client = Client(dispatcher)
    dispatcher.mounts["/blog"] = blog
    assert client.get("/blog/x").text == "blog /blog|/x"
    dispatcher.mounts["/blog"] = shop
    assert client.get("/blog/x").text == "shop /blog|/x"
    assert (dispatcher.mounts["/blog/"], "/blog" in dispatcher.mounts, "/none" in dispatcher.mounts) == (
        shop,
        True,
        False,
    )
    del dispatcher.mounts["/blog"]
    assert client.get("/blog/x").text == "root |/blog/x"
    with pytest.raises(KeyError):
        dispatcher.unmount("/blog")
    with pytest.raises(PrefixError, match="'/shop' is taken"):
        dispatcher.mount("/shop", blog)


def test_mounting_while_serving_never_answers_with_a_wrong_app() -> None:
    dispatcher = DispatcherMiddleware(named("root"), {"/fixed": named("fixed")})
    wrong: list[str] = []
    done = threading.Event()

    def ask() -> None:
        client = Client(dispatcher)
        while not done.is_set():
            if client.get("/fixed/x").text != "fixed /fixed|/x":
                wrong.append("fixed")
            text = client.get("/moving/x").text
            if text not in ("moving /moving|/x", "root |/moving/x"):
                wrong.append(text)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        dispatcher.mount("/moving", named("moving"))
        dispatcher.unmount("/moving")
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_mount_is_replaced_without_a_moment_in_between() -> None:
    dispatcher = DispatcherMiddleware(named("root"), {"/shop": named("0")})
    seen: set[str] = set()
    done = threading.Event()

    def ask() -> None:
        client = Client(dispatcher)
        while not done.is_set():
            seen.add(client.get("/shop/x").text)

    asking = threading.Thread(target=ask)
    asking.start()
    for number in range(3000):
        dispatcher.mounts["/shop"] = named(str(number % 2))
    done.set()
    asking.join()
    assert seen <= {"0 /shop|/x", "1 /shop|/x"}
    assert seen


def test_nested_dispatchers_add_their_prefixes_and_leave_environs_alone() -> None:
    app = Flask(__name__)
    app.add_url_rule(
        "/here/<name>", "here", view_func=lambda name: f"{request.script_root} {url_for('here', name=name)}"
    )
    app.add_url_rule("/go", "go", view_func=lambda: redirect(url_for("here", name="x")))
    inner = DispatcherMiddleware(None, {"/inner": app})
    outer = DispatcherMiddleware(None, {"/outer": inner})
    client = Client(outer)
    assert client.get("/outer/inner/here/y").text == "/outer/inner /outer/inner/here/y"
    assert client.get("/outer/inner/go").headers["Location"] == "/outer/inner/here/x"
    assert (
        client.get("/outer/inner/go", base_url="http://localhost/front").headers["Location"]
        == "/front/outer/inner/here/x"
    )
    environ = create_environ("/outer/inner/here/y")
    before = dict(environ)
    outer(environ, lambda *args: lambda data: None)
    assert environ == before


def test_an_app_that_fails_leaves_its_sibling_alone() -> None:
    broken, sound = Flask("broken"), Flask("sound")
    broken.route("/")(lambda: 1 // 0)
    sound.route("/")(lambda: "sound")
    client = Client(DispatcherMiddleware(None, {"/broken": broken, "/sound": sound}))
    assert client.get("/broken/").status_code == 500
    assert client.get("/sound/").text == "sound"
