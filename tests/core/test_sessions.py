"""Sessions: what a cookie holds, when it goes out, and whose it is."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markupsafe import Markup
from werkzeug.http import parse_cookie
from werkzeug.test import Client

from flask_embed import Flask, flash, get_flashed_messages, session
from flask_embed.middleware import DispatcherMiddleware


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


def test_a_permanent_session_is_refreshed_on_each_request(app: Flask) -> None:
    client = app.test_client()
    assert "Max-Age=2678400" in client.get("/permanent").headers["Set-Cookie"]
    answer = client.get("/untouched")
    assert "Max-Age=2678400" in answer.headers["Set-Cookie"]
    assert answer.headers["Vary"] == "Cookie"
    app.session_refresh = False
    assert "Set-Cookie" not in client.get("/untouched").headers
    app.session_refresh = True
    app.permanent_session_lifetime = timedelta(hours=1)
    assert "Max-Age=3600" in client.get("/untouched").headers["Set-Cookie"]


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
