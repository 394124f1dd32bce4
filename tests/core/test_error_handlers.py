"""The handler that answers an error, its argument, and the errors that no handler can answer."""

from __future__ import annotations

import gc
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.datastructures import Headers
from werkzeug.debug import DebuggedApplication
from werkzeug.exceptions import Forbidden, HTTPException, InternalServerError, NotFound
from werkzeug.test import Client

from flask_embed import Flask, Response, abort, after_this_request, g, make_response, redirect, request, session

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def app() -> Flask:
    return Flask(__name__)


def as_json(error: Any) -> Any:
    """The generic handler of today's JSON APIs."""
    return {"error": error.name}, error.code


# A response that is raised


@pytest.mark.parametrize("kind", [HTTPException, Exception])
def test_abort_with_a_response_asks_no_handler(app: Flask, kind: type[Exception]) -> None:
    app.errorhandler(kind)(as_json)

    @app.route("/redirected")
    def redirected() -> None:
        abort(redirect("/login"))

    @app.route("/refused")
    def refused() -> None:
        abort(make_response({"error": "token"}, 401))

    client = app.test_client()
    moved, denied = client.get("/redirected"), client.get("/refused")

    assert (moved.status_code, moved.headers["Location"]) == (302, "/login")
    assert (denied.status_code, denied.json) == (401, {"error": "token"})


def test_a_response_that_a_hook_or_a_handler_raises_is_sent(app: Flask) -> None:
    app.errorhandler(HTTPException)(as_json)

    @app.before_request
    def check() -> None:
        if request.path == "/members":
            abort(Response("members only", 403))

    @app.errorhandler(404)
    def missing() -> None:
        abort(Response("gone", 410))

    client = app.test_client()

    assert (client.get("/members").status_code, client.get("/members").text) == (403, "members only")
    assert (client.get("/nothing").status_code, client.get("/nothing").text) == (410, "gone")


@pytest.mark.parametrize("raised", [True, False], ids=["raised", "returned"])
def test_an_http_error_without_status_and_response_is_a_crash(
    app: Flask, raised: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app.errorhandler(HTTPException)(as_json)

    @app.route("/")
    def index() -> Any:
        if raised:
            raise HTTPException("refused")
        return HTTPException("refused")

    response = app.test_client().get("/")

    assert (response.status_code, response.json) == (500, {"error": "Internal Server Error"})
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_an_http_error_without_status_reaches_the_handler_of_its_own_class(app: Flask) -> None:
    class NoCreditError(HTTPException):
        pass

    app.errorhandler(HTTPException)(as_json)
    app.errorhandler(NoCreditError)(lambda error: (error.description, 402))

    @app.route("/")
    def index() -> None:
        raise NoCreditError("pay first")

    response = app.test_client().get("/")

    assert (response.status_code, response.text) == (402, "pay first")


def test_a_handler_that_raises_one_ends_in_a_500(app: Flask) -> None:
    @app.errorhandler(404)
    def missing() -> None:
        raise HTTPException

    assert app.test_client().get("/nothing").status_code == 500


# A crash


def crashing(*keys: Any) -> tuple[Flask, dict[Any, Any]]:
    """An app whose view crashes, with handlers for *keys*, and what each of them got."""
    app, got = Flask(__name__), {}
    for key in keys:

        def handler(error: Any, key: Any = key) -> Any:
            got[key] = error
            return f"{key}", 500

        app.error_handlers[key] = handler

    @app.route("/")
    def index() -> None:
        raise KeyError("of the app")

    return app, got


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        ([HTTPException], HTTPException),
        ([HTTPException, InternalServerError], InternalServerError),
        ([HTTPException, InternalServerError, 500], 500),
        ([HTTPException, InternalServerError, 500, Exception], Exception),
        ([HTTPException, InternalServerError, 500, Exception, LookupError], LookupError),
    ],
)
def test_the_nearest_handler_gets_a_crash(keys: list[Any], asked: Any, caplog: pytest.LogCaptureFixture) -> None:
    app, got = crashing(*keys)

    response = app.test_client().get("/")

    assert (response.status_code, response.text, list(got)) == (500, f"{asked}", [asked])
    error = got[asked]
    if asked in (HTTPException, InternalServerError):
        assert type(error) is InternalServerError
        assert error.code == 500
        error = error.original_exception
    assert type(error) is KeyError
    assert len(caplog.records) == (asked not in (Exception, LookupError))


def test_a_json_api_answers_its_crashes_as_its_errors(app: Flask) -> None:
    app.errorhandler(HTTPException)(as_json)
    app.add_url_rule("/", "index", lambda: 1 / 0)

    client = app.test_client()

    assert (client.get("/").json, client.get("/nothing").json) == (
        {"error": "Internal Server Error"},
        {"error": "Not Found"},
    )


def test_a_handler_for_crashes_that_fails_gives_way_to_the_next(caplog: pytest.LogCaptureFixture) -> None:
    app, got = crashing(500, HTTPException)

    def failing(error: Any) -> None:
        raise ValueError("in the handler")

    app.error_handlers[InternalServerError] = failing
    del app.error_handlers[500]

    response = app.test_client().get("/")

    assert (response.status_code, list(got)) == (500, [HTTPException])
    assert type(got[HTTPException].original_exception) is ValueError
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError, ValueError]


def test_debug_raises_a_crash_and_asks_nobody() -> None:
    app, got = crashing(500, HTTPException)
    app.debug = True

    with pytest.raises(KeyError, match="of the app"):
        app.test_client().get("/")

    assert got == {}


def test_a_crash_leaves_no_cycle_to_collect() -> None:
    app, got = crashing(HTTPException)
    client = app.test_client()
    client.get("/")
    got.clear()
    gc.collect()
    gc.disable()
    try:
        client.get("/").close()
        got.clear()
        assert gc.collect() == 0
    finally:
        gc.enable()


# Headers of a tuple


PAIRS = [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("Link", "</a>"), ("X-Own", "new"), ("Content-Type", "text/css")]


def _once(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    yield from pairs


@pytest.mark.parametrize(
    "body",
    ["text", b"bytes", {"json": 1}, ["json"], iter(()), None, Response("own")],
    ids=lambda body: type(body).__name__,
)
@pytest.mark.parametrize("form", [list, tuple, _once])
def test_a_tuple_s_headers_are_all_sent_and_replace_the_response_s(app: Flask, body: Any, form: Any) -> None:
    if isinstance(body, Response):
        body.headers["X-Own"] = "old"
        body.headers.add("Link", "</old>")

    @app.route("/returned")
    def returned() -> Any:
        return body, 200, form(PAIRS)

    @app.route("/made")
    def made() -> Any:
        return make_response(body, 200, form(PAIRS))

    paths = ["/returned"] if hasattr(body, "__next__") or isinstance(body, Response) else ["/returned", "/made"]
    for path in paths:
        headers = app.test_client().get(path).headers
        assert headers.getlist("Set-Cookie") == ["a=1", "b=2"]
        assert headers.getlist("Link") == ["</a>"]
        assert headers.getlist("X-Own") == ["new"]
        assert headers.getlist("Content-Type") == ["text/css"]


@pytest.mark.parametrize(
    "headers",
    [PAIRS, tuple(PAIRS), Headers(PAIRS), MappingProxyType(dict(PAIRS))],
    ids=lambda headers: type(headers).__name__,
)
def test_headers_may_stand_behind_the_body(app: Flask, headers: Any) -> None:
    app.add_url_rule("/", "index", lambda: ("x", headers))

    response = app.test_client().get("/")

    assert (response.status_code, response.headers["Link"], response.text) == (200, "</a>", "x")


def test_a_dict_of_headers_may_have_lists(app: Flask) -> None:
    app.add_url_rule("/", "index", lambda: ("x", {"Link": ["</a>", "</b>"], "X-Own": "one"}))

    headers = app.test_client().get("/").headers

    assert (headers.getlist("Link"), headers.getlist("X-Own")) == (["</a>", "</b>"], ["one"])


# What is refused before any function was called


def test_a_refused_request_is_answered_without_the_hooks(app: Flask) -> None:
    app.trusted_hosts = ["good.example"]
    closed: list[Any] = []

    @app.before_request
    def open_connection() -> None:
        g.db = "connection"

    @app.after_request
    def use_it(response: Response) -> Response:
        response.headers["X-Db"] = g.db
        return response

    app.teardown_request(closed.append)
    app.add_url_rule("/", "index", lambda: "here")
    client = app.test_client()

    good = client.get("/", base_url="http://good.example/")
    evil = client.get("/", base_url="http://evil.example/")

    assert (good.status_code, good.headers["X-Db"]) == (200, "connection")
    assert (evil.status_code, "X-Db" in evil.headers) == (400, False)
    assert len(closed) == 2


def test_a_refused_script_name_is_answered_by_the_own_page_with_its_hooks_of_this_request(app: Flask) -> None:
    app.secret_key = "key"
    app.after_request(lambda response: Response("never"))

    @app.errorhandler(400)
    def bad_request(error: Any) -> Any:
        after_this_request(lambda response: make_response(f"{response.get_data(as_text=True)}!", response.status_code))
        return f"refused {session.get('user')}", 400

    response = app.test_client().get("/", environ_overrides={"SCRIPT_NAME": "//evil"})

    assert (response.status_code, response.text) == (400, "refused None!")
    assert response.headers["Vary"] == "Cookie"


def test_an_own_check_that_refuses_counts_as_well(app: Flask) -> None:
    class Closed(Flask):
        def check_request(self) -> None:
            abort(503)

    closed = Closed(__name__)
    closed.after_request(lambda response: Response(g.db))

    assert closed.test_client().get("/").status_code == 503


def test_a_before_request_function_that_refuses_does_not(app: Flask) -> None:
    app.before_request(lambda: abort(403))
    app.after_request(lambda response: make_response("after", response.status_code))

    response = app.test_client().get("/")

    assert (response.status_code, response.text) == (403, "after")


# A missing key


def _form(app: Flask) -> Flask:
    app.add_url_rule("/", "index", lambda: request.form["user\u202ename"], methods=["POST"])
    return app


def test_debug_logs_which_key_is_missing_and_the_page_does_not_say_it(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    _form(app).debug = True
    with caplog.at_level(logging.WARNING):
        response = app.test_client().post("/")

    assert response.status_code == 400
    assert "name" not in response.text.replace("name=", "")
    assert [record.getMessage() for record in caplog.records] == [
        "Bad request: there is no 'user\\u202ename' in the form, the query or the files of this request"
    ]


def test_without_debug_it_is_logged_nowhere(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    assert _form(app).test_client().post("/").status_code == 400
    assert caplog.records == []


def test_below_the_debugger_the_page_says_it(app: Flask) -> None:
    _form(app).debug = True

    response = Client(DebuggedApplication(app, evalex=True)).post("/")

    assert response.status_code == 400
    assert "KeyError" in response.text


def test_handlers_by_class_still_go_by_the_nearest(app: Flask) -> None:
    app.errorhandler(HTTPException)(as_json)
    app.errorhandler(NotFound)(lambda error: ("nothing", 404))
    app.errorhandler(403)(lambda error: ("closed", 403))
    app.add_url_rule("/closed", "closed", lambda: abort(403))
    app.add_url_rule("/raised", "raised", lambda: (_ for _ in ()).throw(Forbidden()))
    app.add_url_rule("/teapot", "teapot", lambda: abort(418))
    client = app.test_client()

    assert [client.get(path).text for path in ("/nothing", "/closed")] == ["nothing", "closed"]
    assert client.get("/teapot").json == {"error": "I'm a teapot"}
