"""Many apps in one: the app that answers, the environ that it gets, and changes of the mounts."""

from __future__ import annotations

import functools
import threading
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware as WerkzeugDispatcher
from werkzeug.test import Client, create_environ

from flask_embed import Flask, redirect, request, url_for
from flask_embed.errors import LoadError, PrefixError
from flask_embed.middleware import DispatcherMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


class Object:
    """An app that is an object; its class is none."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return named("x")(environ, start_response)

    method = __call__


class Iterated:
    """An app that is a class, as PEP 3333 has it: what it is called for is the body. Its objects can be called, too."""

    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._body = named("x")(environ, start_response)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    @classmethod
    def __call__(cls, *args: object) -> list[bytes]:
        return [b"called"]


@pytest.mark.parametrize(
    "app",
    [named("x"), Object(), Object().method, Iterated, functools.partial(named("x")), DispatcherMiddleware(named("x"))],
    ids=["function", "object", "method", "class", "partial", "dispatcher"],
)
def test_whatever_can_be_called_is_an_app(app: WSGIApplication) -> None:
    assert Client(DispatcherMiddleware(None, {"/app": app})).get("/app/y").text == "x /app|/y"


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
    with pytest.raises(TypeError, match="to mount at '/x' is 1; pass a WSGI app"):
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


def ask(application: WSGIApplication, path: str | None, method: str = "GET", **environ: Any) -> tuple[str, bytes]:
    """Status and body of the answer to a request with exactly this PATH_INFO, which is left out if it is None."""
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)

    asked = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "wsgi.url_scheme": "http", **environ}
    if path is not None:
        asked["PATH_INFO"] = path
    before = dict(asked)
    body = b"".join(application(asked, start_response))
    assert asked == before
    return statuses[0], body


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (None, b"root |"),
        ("", b"root |"),
        ("*", b"root |*"),
        ("app", b"root |app"),
        ("app/x", b"root |app/x"),
        ("x/app", b"root |x/app"),
        ("http://example.com/app", b"root |http://example.com/app"),
        ("//app", b"root |//app"),
        ("/./app", b"root |/./app"),
        ("/app/../sub/x", b"app /app|/../sub/x"),
        ("/app/..", b"app /app|/.."),
        ("/../app", b"root |/../app"),
        ("/app\x00", b"root |/app\x00"),
        ("/app\xff/x", b"root |/app\xff/x"),
        ("/app/\xff\xc3", b"app /app|/\xff\xc3"),
        ("/app;x/y", b"root |/app;x/y"),
        ("/app%2Fx", b"root |/app%2Fx"),
        ("/app\\x", b"root |/app\\x"),
        ("/app/\r\nX: y", b"app /app|/\r\nX: y"),
    ],
)
def test_an_odd_path_gets_no_other_mounts_app(path: str | None, answer: bytes) -> None:
    dispatcher = DispatcherMiddleware(named("root"), {"/app": named("app"), "/sub": named("sub")})
    if path is None:
        bare = DispatcherMiddleware(None, {"/app": named("app")})
        assert ask(bare, None) == ("404 Not Found", b"Not Found\n")
        assert ask(dispatcher, None) == ("200 OK", answer)
    else:
        assert ask(dispatcher, path, "OPTIONS") == ("200 OK", answer)


@pytest.mark.parametrize("path", ["/" * 65536, "/app" * 16384, "/a" * 32768, "a" * 65536, "/app" + "/" * 65536])
def test_a_path_of_64_kilobytes_is_answered_by_the_mount_that_it_lies_below(path: str) -> None:
    mounts = {"/app": named("app"), "/a/a/a/a": named("deep"), "example.com/a": named("host")}
    status, body = ask(DispatcherMiddleware(named("root"), mounts), path)
    expected = "/app" if path.startswith("/app/") else "/a/a/a/a" if path.startswith("/a/a") else ""
    name = {"/app": "app", "/a/a/a/a": "deep", "": "root"}[expected]
    assert status == "200 OK"
    assert body == f"{name} {expected}|{path[len(expected) :]}".encode()


def test_the_path_is_probed_no_deeper_than_the_deepest_mount() -> None:
    looked_up: list[object] = []

    class Path(str):
        def __getitem__(self, part: Any) -> str:
            looked_up.append(part)
            return str.__getitem__(self, part)

    dispatcher = DispatcherMiddleware(
        named("root"), {"/a/b/c": named("abc"), **{f"/m{n}": named("m") for n in range(500)}}
    )
    ask(dispatcher, Path("/x" * 30000))
    assert len(looked_up) <= 4


def test_the_wsgi_app_of_an_app_is_wrapped_with_mounts_as_with_werkzeugs() -> None:
    app, blog = Flask("app"), Flask("blog")
    app.add_url_rule("/", "index", view_func=lambda: f"app {url_for('index')}")
    app.add_url_rule("/blogs", "blogs", view_func=lambda: "blogs")
    blog.add_url_rule("/", "index", view_func=lambda: f"blog {url_for('index')}")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/blog": blog.wsgi_app})  # type: ignore[method-assign]
    client = app.test_client()
    assert client.get("/").text == "app /"
    assert client.get("/blogs").text == "blogs"
    assert client.get("/blog/").text == "blog /blog/"
    assert client.get("/blog/none").status_code == 404
    assert client.get("/blog").headers["Location"] == "/blog/"


def test_the_constructor_takes_the_names_that_werkzeugs_has() -> None:
    root, shop = named("root"), named("shop")
    for made in (
        DispatcherMiddleware(app=root, mounts={"/shop": shop}),
        DispatcherMiddleware(root, {"/shop": shop}),
        WerkzeugDispatcher(app=root, mounts={"/shop": shop}),
    ):
        assert made.app is root
        assert dict(made.mounts) == {"/shop": shop}
    assert dict(DispatcherMiddleware(root).mounts) == dict(WerkzeugDispatcher(root).mounts) == {}


def test_mounts_has_every_method_of_a_mapping() -> None:
    a, b, c = named("a"), named("b"), named("c")
    dispatcher = DispatcherMiddleware(named("root"), {"/a": a, "example.com/b": b, "/ü": c})
    mounts, client = dispatcher.mounts, Client(dispatcher)
    assert isinstance(mounts, MutableMapping)
    assert (list(mounts), list(mounts.keys())) == (["/a", "example.com/b", "/ü"],) * 2
    assert (list(mounts.values()), list(mounts.items())[1]) == ([a, b, c], ("example.com/b", b))
    assert mounts == {"/a": a, "example.com/b": b, "/ü": c}
    assert (mounts.get("/a/"), mounts.get("/none"), mounts.get("none", a)) == (a, None, a)
    assert ("a" in mounts, "EXAMPLE.com./b" in mounts, "/A" in mounts) == (False, True, False)
    assert mounts.setdefault("/a", b) is a
    assert mounts.setdefault("/d", b) is b
    assert client.get("/d/x").text == "b /d|/x"
    assert mounts.pop("/d") is b
    assert mounts.pop("/d", None) is None
    assert client.get("/d/x").text == "root |/d/x"
    mounts.update({"/a": c, "/e/": a}, **{"/f": b})
    assert list(mounts.items()) == [("/a", c), ("example.com/b", b), ("/ü", c), ("/e", a), ("/f", b)]
    assert mounts.popitem()[0] in {"/a", "example.com/b", "/ü", "/e", "/f"}
    assert len(mounts) == 4
    mounts.clear()
    assert (len(mounts), bool(mounts), list(mounts)) == (0, False, [])
    assert client.get("/a", base_url="http://example.com").text == "root |/a"
    with pytest.raises(KeyError):
        mounts.popitem()
    with pytest.raises(KeyError, match="'/none'"):
        mounts["/none"]
    with pytest.raises(KeyError, match="'/none'"):
        mounts.pop("/none")


def test_mounts_is_no_copy_and_may_change_while_it_is_read() -> None:
    dispatcher = DispatcherMiddleware(None, {f"/m{n}": named("m") for n in range(5)})
    mounts = dispatcher.mounts
    for key in mounts:
        del mounts[key]
    assert len(mounts) == 0
    dispatcher.mount("/late", named("late"))
    assert list(mounts) == ["/late"]


def test_a_replaced_mount_keeps_its_place_and_a_new_one_comes_last() -> None:
    dispatcher = DispatcherMiddleware(None, {"/a": named("a"), "/b": named("b"), "/c": named("c")})
    dispatcher.mounts["/b"] = named("new")
    del dispatcher.mounts["/a"]
    dispatcher.mounts["/a"] = named("a")
    assert list(dispatcher.mounts) == ["/b", "/c", "/a"]


def test_deleting_what_cannot_be_a_key_is_a_key_error_as_of_any_mapping() -> None:
    mounts = DispatcherMiddleware(None, {"/a": named("a")}).mounts
    for key in ("/none", "none", "//x", "/a b", "example.com"):
        with pytest.raises(KeyError):
            del mounts[key]


def test_the_app_for_the_rest_is_either_among_the_mounts_or_not() -> None:
    for mounts in (DispatcherMiddleware(named("root"), {"/a": named("a")}).mounts, DispatcherMiddleware().mounts):
        assert ("/" in mounts) is ("/" in list(mounts))


def test_what_is_no_text_is_no_key() -> None:
    dispatcher = DispatcherMiddleware(None, {"/a": named("a")})
    assert 5 not in dispatcher.mounts  # type: ignore[comparison-overlap]
    for key in (5, None, b"/x"):
        with pytest.raises(TypeError) as caught:
            dispatcher.mount(key, named("x"))  # type: ignore[arg-type]
        assert repr(key) in str(caught.value)


def test_assigning_other_mounts_mounts_them_or_is_refused() -> None:
    dispatcher = DispatcherMiddleware(named("root"), {"/a": named("a")})
    try:
        dispatcher.mounts = {"/b": named("b")}
    except AttributeError:
        return
    assert Client(dispatcher).get("/b").text == "b /b|"


def test_assigned_mounts_are_judged_as_those_of_the_constructor() -> None:
    dispatcher = DispatcherMiddleware(named("root"), {"/a": named("a")})
    for mounts in ({"/b": named("b"), "/b/": named("b")}, {"b": named("b")}, {"/b": 1}, {"/b": "no target"}):
        with pytest.raises((AttributeError, PrefixError, TypeError, LoadError)):
            dispatcher.mounts = mounts  # type: ignore[assignment]
        assert list(dispatcher.mounts) == ["/a"]
    assert Client(dispatcher).get("/x").text == "root |/x"


def test_the_app_for_the_rest_is_mounted_replaced_and_unmounted_as_the_root() -> None:
    dispatcher = DispatcherMiddleware(None, {"/a": named("a")})
    assert ask(dispatcher, "/x") == ("404 Not Found", b"Not Found\n")
    assert ask(dispatcher.app, "/x") == ("404 Not Found", b"Not Found\n")
    dispatcher.mount("", named("root"))
    with pytest.raises(PrefixError, match="'/' is taken"):
        dispatcher.mount("/", named("other"))
    dispatcher.mounts["/"] = named("new")
    assert ask(dispatcher, "/x") == ("200 OK", b"new |/x")
    dispatcher.unmount("/")
    assert ask(dispatcher, "/x") == ("404 Not Found", b"Not Found\n")
    with pytest.raises(KeyError):
        dispatcher.unmount("/")


@pytest.mark.parametrize("key", ["/none", "/", "example.com/", "*.example.com/a", "example.com:80/a", "/a/b"])
def test_unmounting_what_is_not_there_is_a_key_error_with_the_key(key: str) -> None:
    dispatcher = DispatcherMiddleware(None, {"/a": named("a"), "example.com/a": named("b")})
    with pytest.raises(KeyError) as caught:
        dispatcher.unmount(key)
    assert caught.value.args == (key,)
    assert len(dispatcher.mounts) == 2


def test_a_mount_of_a_host_is_unmounted_alone() -> None:
    dispatcher = DispatcherMiddleware(
        None, {"/a": named("a"), "example.com/a": named("host"), "*.com/a": named("wild")}
    )
    client = Client(dispatcher)
    answers = []
    for key in ("example.com/a", "*.com/a", "/a"):
        answers.append(client.get("/a", base_url="http://example.com").text)
        dispatcher.unmount(key)
    assert answers == ["host /a|", "wild /a|", "a /a|"]
    assert client.get("/a", base_url="http://example.com").status_code == 404


def test_mounting_one_more_does_not_judge_the_others_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from flask_embed.middleware import mounts as module
    from flask_embed.middleware import prefix as prefix_module

    judged: list[str] = []

    def normalize_prefix(prefix: str) -> str:
        judged.append(prefix)
        return original(prefix)

    original = prefix_module.normalize_prefix
    dispatcher = DispatcherMiddleware(None, {f"/m{n}": named("m") for n in range(1000)})
    before = list(dispatcher.iter_mounts())
    monkeypatch.setattr(module, "normalize_prefix", normalize_prefix)
    dispatcher.mount("/new", named("new"))
    assert judged == ["/new"]
    assert all(one is other for one, other in zip(before, dispatcher.iter_mounts(), strict=False))


def test_who_reads_the_mounts_while_they_change_sees_one_moment() -> None:
    dispatcher = DispatcherMiddleware(None, {f"/m{n}": named("m") for n in range(3)})
    reading = dispatcher.iter_mounts()
    seen = [next(reading).key]
    dispatcher.mount("/new", named("new"))
    dispatcher.unmount("/m1")
    seen += [mount.key for mount in reading]
    assert seen == ["/m0", "/m1", "/m2"]


def test_a_mount_that_is_refused_changes_nothing() -> None:
    dispatcher = DispatcherMiddleware(named("root"))
    dispatcher.mount("/a", named("a"), name="taken")
    before = list(dispatcher.iter_mounts())
    for prefix, app, name in (
        ("/a", named("x"), "x"),
        ("/b", named("x"), "taken"),
        ("/b", named("x"), "x:y"),
        ("/b", named("x"), ""),
        ("b", named("x"), "x"),
        ("/b", "no target", "x"),
        ("/b", None, "x"),
    ):
        with pytest.raises((PrefixError, TypeError, LoadError)):
            dispatcher.mount(prefix, app, name)  # type: ignore[arg-type]
        assert list(dispatcher.iter_mounts()) == before


def test_a_mount_has_the_key_that_people_write_and_the_name_that_was_given() -> None:
    dispatcher = DispatcherMiddleware(named("root"), {"/a/b/": named("x"), "EXAMPLE.com.:081/": named("x")})
    dispatcher.mount("example.com/ü", named("x"))
    dispatcher.mount("/c", named("x"), name="other name")
    assert [(mount.key, mount.name) for mount in dispatcher.iter_mounts()] == [
        ("", ""),
        ("/a/b", ""),
        ("example.com:81/", ""),
        ("example.com/ü", ""),
        ("/c", "other name"),
    ]


@pytest.mark.parametrize("name", ["", ":", "a:b", "blog:"])
def test_a_name_that_url_for_could_not_tell_apart_is_shown_with_the_way_out(name: str) -> None:
    with pytest.raises(PrefixError) as caught:
        DispatcherMiddleware().mount("/blog", named("x"), name=name)
    assert repr(name) in str(caught.value)
    assert "'/blog'" in str(caught.value)
    assert "write one like 'blog'" in str(caught.value)


def test_a_name_that_is_taken_is_shown_with_both_mounts() -> None:
    dispatcher = DispatcherMiddleware()
    dispatcher.mount("/blog", named("blog"), name="blog")
    with pytest.raises(PrefixError) as caught:
        dispatcher.mount("/news", named("news"), name="blog")
    for shown in ("'/blog'", "'/news'", "both called 'blog'", "rename one"):
        assert shown in str(caught.value)
    dispatcher.mount("/news", named("news"), name="news of all")
    dispatcher.unmount("/news")
    dispatcher.mount("/again", named("news"), name="news of all")


def test_two_places_with_the_same_default_name_can_be_mounted_together() -> None:
    dispatcher = DispatcherMiddleware(None, {"/localhost": named("path"), "localhost/": named("host")})
    assert Client(dispatcher).get("/localhost", base_url="http://example.com").text == "path /localhost|"
    assert Client(dispatcher).get("/x").text == "host |/x"


def test_a_mount_keeps_its_name_when_its_app_is_replaced() -> None:
    dispatcher = DispatcherMiddleware()
    dispatcher.mount("/news", named("old"), name="blog")
    dispatcher.mounts["/news"] = named("new")
    assert [mount.name for mount in dispatcher.iter_mounts()] == ["blog"]


def test_each_dispatcher_on_the_way_leaves_its_mounts_and_where_they_lie() -> None:
    seen: list[Any] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        around: Any = environ
        while "flask_embed.mounts" in around:
            around = around["flask_embed.mounts"][1]
            seen.append((around["SCRIPT_NAME"], around["PATH_INFO"]))
        start_response("200 OK", [])
        return [b""]

    nested = DispatcherMiddleware(None, {"/a": DispatcherMiddleware(None, {"/b": DispatcherMiddleware(app)})})
    ask(nested, "/a/b/c", SCRIPT_NAME="/front")
    assert seen == [("/front/a/b", "/c"), ("/front/a", "/b/c"), ("/front", "/a/b/c")]


def test_the_body_of_an_app_is_passed_on_as_it_is_so_that_the_server_closes_it() -> None:
    class Body:
        def __iter__(self) -> Any:
            return iter([b"x"])

        def close(self) -> None:
            raise AssertionError("the dispatcher closed what the server has to close")

    body = Body()
    dispatcher = DispatcherMiddleware(None, {"/a": lambda environ, start_response: body})
    assert dispatcher({"PATH_INFO": "/a", "REQUEST_METHOD": "GET"}, lambda *args: lambda data: None) is body


def test_an_exception_of_an_app_is_passed_on_and_the_environ_stays() -> None:
    def failing(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ["SCRIPT_NAME"] = "/changed"
        raise LookupError("the app is at fault")

    environ = {"PATH_INFO": "/a/b", "SCRIPT_NAME": "/x", "REQUEST_METHOD": "GET"}
    with pytest.raises(LookupError, match="the app is at fault"):
        DispatcherMiddleware(None, {"/a": failing})(environ, lambda *args: lambda data: None)
    assert environ == {"PATH_INFO": "/a/b", "SCRIPT_NAME": "/x", "REQUEST_METHOD": "GET"}
