"""Sessions: what a cookie holds, when it goes out, and whose it is."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from markupsafe import Markup
from werkzeug.http import parse_cookie
from werkzeug.test import Client

from flask_embed import Flask, flash, get_flashed_messages, session
from flask_embed.middleware import DispatcherMiddleware, PathDispatcher, SubdomainDispatcher
from flask_embed.sessions import Signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.test import TestResponse


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")
    app.secret_key = "key"

    @app.route("/set/<name>/<value>")
    def set_value(name: str, value: str) -> str:
        session[name] = value
        return "set"

    @app.route("/get/<name>")
    def get_value(name: str) -> str:
        return repr(session.get(name))

    @app.route("/untouched")
    def untouched() -> str:
        return "untouched"

    @app.route("/clear")
    def clear() -> str:
        session.clear()
        return "cleared"

    @app.route("/permanent")
    def permanent() -> str:
        session.permanent = True
        return "kept"

    return app


def test_a_cookie_goes_out_only_when_the_session_was_modified(app: Flask) -> None:
    client = app.test_client()
    assert "Set-Cookie" not in client.get("/get/user").headers
    assert "Set-Cookie" in client.get("/set/user/ada").headers
    answer = client.get("/get/user")
    assert (answer.text, "Set-Cookie" in answer.headers, answer.headers["Vary"]) == ("'ada'", False, "Cookie")
    untouched = client.get("/untouched")
    assert ("Set-Cookie" in untouched.headers, "Vary" in untouched.headers) == (False, False)


def test_the_cookie_has_its_flags(app: Flask) -> None:
    cookie = app.test_client().get("/set/a/b").headers["Set-Cookie"]
    assert cookie.partition(";")[2].strip() == "HttpOnly; Path=/; SameSite=Lax"
    cookie = app.test_client().get("/set/a/b", base_url="https://localhost/pre fix/").headers["Set-Cookie"]
    assert cookie.partition(";")[2].strip() == "Secure; HttpOnly; Path=/pre%20fix; SameSite=Lax"
    app.session_cookie_name = "own"
    app.session_cookie_path = "/shared"
    app.session_cookie_domain = "example.com"
    app.session_cookie_secure = True
    app.session_cookie_httponly = False
    app.session_cookie_samesite = "Strict"
    cookie = app.test_client().get("/set/a/b").headers["Set-Cookie"]
    assert cookie.startswith("own=")
    assert cookie.partition(";")[2].strip() == "Domain=example.com; Secure; Path=/shared; SameSite=Strict"


def test_an_emptied_session_deletes_its_cookie(app: Flask) -> None:
    client = app.test_client()
    client.get("/set/user/ada")
    answer = client.get("/clear")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert "Set-Cookie" not in client.get("/clear").headers


def test_new_and_modified_are_told(app: Flask) -> None:
    with app.test_request_context():
        assert (session.new, session.modified) == (True, False)
        session["list"] = [1]
        assert session.modified
    client = app.test_client()
    with client.session_transaction() as stored:
        stored["list"] = [1]
    with client:
        client.get("/get/list")
        assert (session.new, session.modified) == (False, False)
        session["list"].append(2)
        assert not session.modified


def test_without_a_key_it_is_read_as_empty_and_writing_names_the_key(app: Flask) -> None:
    keys: list[str | list[str] | None] = [None, "", []]
    for key in keys:
        app.secret_key = key
        app.debug = False
        assert app.test_client().get("/get/user").text == "None"
        app.debug = True
        with pytest.raises(RuntimeError, match="secret_key"):
            app.test_client().get("/set/user/ada")
    with app.test_request_context():
        for write in (
            lambda: session.pop("x", None),
            lambda: session.update(x=1),
            lambda: session.setdefault("x", 1),
            session.clear,
            lambda: flash("message"),
        ):
            with pytest.raises(RuntimeError, match="secret_key"):
                write()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many seconds pass, for all that signs and verifies."""
    started = time.time()
    return lambda seconds: monkeypatch.setattr(Signer, "get_timestamp", lambda self: int(started + seconds))


DAY = 24 * 60 * 60


@pytest.mark.parametrize(
    ("lifetime", "fresh", "due"),
    [
        (31 * DAY, DAY - 5, DAY + 5),
        (timedelta(days=31), DAY - 5, DAY + 5),
        (timedelta(hours=1), 355, 365),
        (3600.5, 355, 365),
        (5 * DAY, DAY / 2 - 5, DAY / 2 + 5),
    ],
)
def test_a_permanent_session_is_refreshed_when_its_cookie_has_some_age(
    app: Flask, later: Callable[[float], None], lifetime: Any, fresh: float, due: float
) -> None:
    app.permanent_session_lifetime = lifetime
    seconds = int(lifetime.total_seconds() if isinstance(lifetime, timedelta) else lifetime)
    client = app.test_client()
    assert f"Max-Age={seconds};" in client.get("/permanent").headers["Set-Cookie"]

    for path in ("/untouched", "/get/user", "/static/missing"):
        assert "Set-Cookie" not in client.get(path).headers
    later(fresh)
    assert "Set-Cookie" not in client.get("/untouched").headers
    later(due)
    app.session_refresh = False
    assert "Set-Cookie" not in client.get("/untouched").headers
    app.session_refresh = True
    assert "Set-Cookie" not in client.get("/static/missing").headers
    answer = client.get("/untouched")
    assert f"Max-Age={seconds};" in answer.headers["Set-Cookie"]
    assert answer.headers["Vary"] == "Cookie"
    assert "Set-Cookie" not in client.get("/untouched").headers
    later(due + seconds - 5)
    assert client.get("/get/_permanent").text == "True"


def test_an_answer_that_comes_late_undoes_no_log_out(app: Flask) -> None:
    client = app.test_client()
    client.get("/permanent")
    client.get("/set/user/ada")
    late = app.test_client()
    late.set_cookie("session", client.get_cookie("session").value)  # type: ignore[union-attr]
    client.get("/clear")

    answer = late.get("/get/user")

    assert (answer.text, "Set-Cookie" in answer.headers) == ("'ada'", False)


def test_a_session_that_is_not_permanent_is_never_refreshed(app: Flask, later: Callable[[float], None]) -> None:
    client = app.test_client()
    client.get("/set/user/ada")
    later(20 * DAY)
    assert "Set-Cookie" not in client.get("/get/user").headers


@pytest.mark.parametrize("lifetime", ["a day", None, [1]])
def test_a_lifetime_that_is_none_is_an_error(app: Flask, lifetime: Any) -> None:
    app.permanent_session_lifetime = lifetime
    app.debug = True
    with pytest.raises((TypeError, ValueError)):
        app.test_client().get("/get/user", headers={"Cookie": "session=x"})


def test_a_cookie_for_frames_is_kept_apart_by_site(app: Flask) -> None:
    app.session_cookie_partitioned = True
    app.session_cookie_samesite = "None"
    client = app.test_client()

    for path in ("/set/user/ada", "/clear"):
        options = client.get(path, base_url="https://localhost/").headers["Set-Cookie"].split("; ")
        assert {"Secure", "SameSite=None", "Partitioned"} <= set(options)


def test_so_many_cookies_with_the_session_s_name_are_tried(app: Flask) -> None:
    client = app.test_client()
    client.get("/set/user/ada")
    value = client.get_cookie("session").value  # type: ignore[union-attr]
    for others, found in ((7, "'ada'"), (8, "None")):
        cookies = "session=x; " * others + f"session={value}"
        assert app.test_client(use_cookies=False).get("/get/user", headers={"Cookie": cookies}).text == found


# The place of a mount


def create_app(name: str = "") -> Flask:
    """A factory: all of its apps have one package name, and one key."""
    app = Flask("factory")
    app.secret_key = "key"

    @app.route("/login")
    def login() -> str:
        session["user"] = "ada"
        return "in"

    @app.route("/")
    def me() -> str:
        return f"{session.get('user')}"

    return app


def places(shared: bool = False) -> dict[str, Any]:
    """A WSGI app for each way to mount apps of the factory, and two URLs that lead to two of them."""
    make = create_app
    if shared:

        def make(name: str = "") -> Flask:
            app = create_app(name)
            app.session_salt = "shared"
            return app

    alpha, beta = make(), make()
    inner = DispatcherMiddleware(alpha, {"/deep": beta})
    return {
        "paths": (DispatcherMiddleware(None, {"/a": alpha, "/b": beta}), "http://x/a/", "http://x/b/"),
        "root and path": (DispatcherMiddleware(alpha, {"/b": beta}), "http://x/", "http://x/b/"),
        "one app twice": (DispatcherMiddleware(None, {"/a": alpha, "/b": alpha}), "http://x/a/", "http://x/b/"),
        "around wsgi_app": (around(make(), beta), "http://x/", "http://x/b/"),
        "hosts": (DispatcherMiddleware(alpha, {"b.example/": beta}), "http://a.example/", "http://b.example/"),
        "host and path": (
            DispatcherMiddleware(None, {"/b": alpha, "b.example/b": beta}),
            "http://a.example/b/",
            "http://b.example/b/",
        ),
        "nested": (DispatcherMiddleware(None, {"/a": inner}), "http://x/a/", "http://x/a/deep/"),
        "nested twice": (
            DispatcherMiddleware(None, {"/a": inner, "/b": inner}),
            "http://x/a/deep/",
            "http://x/b/deep/",
        ),
        "path tenants": (PathDispatcher(None, make), "http://x/a/", "http://x/b/"),
        "path tenants, case": (PathDispatcher(None, make), "http://x/a/", "http://x/A/"),
        "subdomain tenants": (SubdomainDispatcher("x.example", make), "http://a.x.example/", "http://b.x.example/"),
        "the domain itself": (SubdomainDispatcher("x.example", make), "http://x.example/", "http://b.x.example/"),
        "tenants, mounted": (
            DispatcherMiddleware(None, {"/s": PathDispatcher(None, make), "/t": PathDispatcher(None, make)}),
            "http://x/s/a/",
            "http://x/t/a/",
        ),
    }


def around(outer: Flask, inner: Flask) -> Flask:
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/b": inner})  # type: ignore[method-assign]
    return outer


def asked(application: Any, url: str, **options: Any) -> TestResponse:
    scheme, _, host, path = url.split("/", 3)
    client = Client(application, use_cookies=False)
    return client.get(f"/{path}", base_url=f"{scheme}//{host}/", **options)


def cookie_from(application: Any, base: str) -> str:
    return asked(application, f"{base}login").headers["Set-Cookie"].partition(";")[0]


def user_at(application: Any, base: str, cookie: str) -> str:
    return asked(application, base, headers={"Cookie": cookie}).text


@pytest.mark.parametrize("way", places())
def test_a_cookie_is_valid_where_it_was_set_and_nowhere_else(way: str) -> None:
    application, here, there = places()[way]
    for one, other in ((here, there), (there, here)):
        cookie = cookie_from(application, one)
        assert user_at(application, one, cookie) == "ada"
        assert user_at(application, other, cookie) == "None"


@pytest.mark.parametrize("way", places())
def test_one_salt_shares_it(way: str) -> None:
    application, here, there = places(shared=True)[way]
    assert user_at(application, there, cookie_from(application, here)) == "ada"


def test_an_app_that_is_not_mounted_keeps_its_cookies_and_so_does_one_for_the_rest() -> None:
    app = create_app()
    cookie = cookie_from(app, "http://x/")
    for application in (
        DispatcherMiddleware(app, {"/b": create_app()}),
        DispatcherMiddleware(None, {"/": app}),
        DispatcherMiddleware(DispatcherMiddleware(app)),
        PathDispatcher(app, lambda name: None),
        app,
    ):
        assert user_at(application, "http://x/", cookie) == "ada"


@pytest.mark.parametrize(
    "changes",
    [{"SCRIPT_NAME": "/b"}, {"SCRIPT_NAME": "/a"}, {"HTTP_HOST": "b.example"}, {"HTTP_X_FORWARDED_PREFIX": "/b"}],
)
def test_what_comes_from_outside_is_no_part_of_the_place(changes: dict[str, str]) -> None:
    application = DispatcherMiddleware(None, {"/a": create_app(), "/b": create_app()})
    cookie = cookie_from(application, "http://x/a/")

    for path, user in (("/a/", "ada"), ("/b/", "None")):
        client = Client(application, use_cookies=False)
        answer = client.get(path, headers={"Cookie": cookie}, environ_overrides=changes)
        assert answer.text == user


def test_a_client_s_spelling_of_a_host_is_the_same_place() -> None:
    application = DispatcherMiddleware(None, {"*.example/a": create_app()})
    cookie = cookie_from(application, "http://b.example/a/")
    for host in ("B.EXAMPLE", "b.example:8080", "c.example", "b.example."):
        assert user_at(application, f"http://{host}/a/", cookie) == "ada"


def test_a_prefix_that_no_cookie_path_could_hold_is_encoded() -> None:
    app = create_app()
    for script_name, path in (("/a b", "/a%20b"), ("/a;b", "/a%3Bb"), ("/\xc3\xbc", "/%C3%BC"), ("", "/")):
        answer = app.test_client().get("/login", environ_overrides={"SCRIPT_NAME": script_name})
        assert f"Path={path}" in answer.headers["Set-Cookie"].split("; ")


def test_a_session_ends_with_its_lifetime(app: Flask) -> None:
    client = app.test_client()
    client.get("/set/user/ada")
    app.permanent_session_lifetime = -1
    assert client.get("/get/user").text == "None"


def test_keys_rotate(app: Flask) -> None:
    client = app.test_client()
    client.get("/set/user/ada")
    app.secret_key = ["new", "key"]
    assert client.get("/get/user").text == "'ada'"
    client.get("/set/user/eve")
    app.secret_key = "new"
    assert client.get("/get/user").text == "'eve'"
    app.secret_key = "another"
    assert client.get("/get/user").text == "None"


def test_of_several_cookies_the_first_that_verifies_is_taken(app: Flask) -> None:
    client = app.test_client()
    cookie = parse_cookie(client.get("/set/user/ada").headers["Set-Cookie"])["session"]
    others = ("session=forged; {}", "{}; session=forged", "=session=x; {}")
    for header in (other.format(f"session={cookie}") for other in others):
        assert Client(app, use_cookies=False).get("/get/user", headers={"Cookie": header}).text == "'ada'"


def test_the_salt_is_the_package_and_can_be_shared(app: Flask) -> None:
    cookie = parse_cookie(app.test_client().get("/set/user/ada").headers["Set-Cookie"])["session"]
    other = Flask("blog")
    other.secret_key = "key"
    other.route("/")(lambda: repr(session.get("user")))
    headers = {"Cookie": f"session={cookie}"}
    client = Client(other, use_cookies=False)
    assert client.get("/", headers=headers).text == "None"
    other.session_salt = "shop"
    assert client.get("/", headers=headers).text == "'ada'"


def test_two_mounted_apps_do_not_log_each_other_out(app: Flask) -> None:
    blog = Flask("blog")
    blog.secret_key = "key"
    blog.view_functions.update(app.view_functions)
    blog.url_map = app.url_map
    client = Client(DispatcherMiddleware(None, {"/shop": app, "/blog": blog}))
    assert "Path=/shop" in client.get("/shop/set/user/ada").headers["Set-Cookie"]
    assert "Path=/blog" in client.get("/blog/set/user/eve").headers["Set-Cookie"]
    assert client.get("/shop/get/user").text == "'ada'"
    client.get("/blog/clear")
    assert client.get("/blog/get/user").text == "None"
    assert client.get("/shop/get/user").text == "'ada'"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        5,
        2.5,
        "ü",
        [1, [2]],
        {"a": {"b": 1}},
        (1, (2, "x")),
        {1: "one", (2, 3): "two"},
        {" t": "looks like a tag"},
        b"\x00\xff",
        Markup("<b>"),
        uuid.UUID(int=5),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        {"deep": [(1, {"x": b"y"})]},
    ],
)
def test_values_come_back_as_they_were(app: Flask, value: Any) -> None:
    client = app.test_client()
    with client.session_transaction() as stored:
        stored["value"] = value
    with client.session_transaction() as stored:
        assert stored["value"] == value
        assert type(stored["value"]) is type(value)


def test_what_no_cookie_can_hold_is_an_error_that_names_it(app: Flask) -> None:
    with pytest.raises(TypeError, match="object"), app.test_client().session_transaction() as stored:
        stored["value"] = object()
    with pytest.raises(ValueError, match="JSON"), app.test_client().session_transaction() as stored:
        stored["value"] = float("nan")


@pytest.mark.filterwarnings("ignore:The 'session' cookie is too large:UserWarning")  # werkzeug's, once for each size
@pytest.mark.parametrize(("length", "is_told"), [(2_700, False), (3_200, True)])
def test_a_session_that_browsers_would_drop_is_told_in_the_log(
    app: Flask, caplog: pytest.LogCaptureFixture, length: int, is_told: bool
) -> None:
    answer = app.test_client().get(f"/set/name/{'x' * length}")

    assert answer.status_code == 200
    size = len(parse_cookie(answer.headers["Set-Cookie"])["session"])
    assert [record.getMessage().startswith(f"The session takes {size} bytes") for record in caplog.records] == (
        [True] * is_told
    )


def test_flashed_messages_are_kept_until_they_are_read(app: Flask) -> None:
    @app.route("/flash")
    def flash_two() -> str:
        flash("first")
        flash("second", "error")
        return ""

    @app.route("/read")
    def read() -> str:
        assert get_flashed_messages() == get_flashed_messages()
        return repr(get_flashed_messages(with_categories=True))

    client = app.test_client()
    client.get("/flash")
    client.get("/untouched")
    assert client.get("/read").text == "[('message', 'first'), ('error', 'second')]"
    assert client.get("/read").text == "[]"


def test_reading_no_messages_sends_no_cookie(app: Flask) -> None:
    app.route("/read")(lambda: repr(get_flashed_messages()))
    answer = app.test_client().get("/read")
    assert (answer.text, "Set-Cookie" in answer.headers, answer.headers["Vary"]) == ("[]", False, "Cookie")
