"""The registry of an app, and the way of a request through it."""

from __future__ import annotations

import logging
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from werkzeug.exceptions import Forbidden, HTTPException, NotFound
from werkzeug.test import create_environ, run_wsgi_app
from werkzeug.wrappers import Response as WerkzeugResponse

import flask_embed
from flask_embed import Flask, Request, Response, abort, after_this_request, g, request, session
from flask_embed.middleware import StrictEnviron
from flask_embed.routing import Map

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@pytest.fixture
def app() -> Flask:
    return Flask(__name__)


def test_every_public_name_is_there_and_in_order() -> None:
    assert flask_embed.__all__ == sorted(flask_embed.__all__)
    for name in flask_embed.__all__:
        assert getattr(flask_embed, name) is not None
        assert name in dir(flask_embed)
    with pytest.raises(AttributeError, match="no attribute 'Flusk'"):
        getattr(flask_embed, "Flusk")  # noqa: B009 the access is the test


def test_defaults_are_the_documented_ones(app: Flask) -> None:
    assert Flask.request_class is Request
    assert Flask.response_class is Response
    assert (Flask.static_path, Flask.secret_key, Flask.session_cookie_name) == ("/static", None, "session")
    assert Flask.jinja_options == {"autoescape": True}
    assert (app.debug, app.package_name, app.error_handlers) == (False, __name__, {})
    assert list(app.view_functions) == ["static"]
    assert (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs) == ([], [], [])
    assert len(app.template_context_processors) == 1
    assert isinstance(app.url_map, Map)


def test_add_url_rule_registers_no_view_by_itself(app: Flask) -> None:
    app.add_url_rule("/", "index")
    assert "index" not in app.view_functions
    assert app.test_client().get("/").status_code == 500
    app.view_functions["index"] = lambda: "here"
    assert app.test_client().get("/").text == "here"


def test_add_url_rule_takes_the_printed_order_and_a_view(app: Flask) -> None:
    app.add_url_rule("index", "/", view_func=lambda: "here")
    assert app.test_client().get("/").text == "here"
    with pytest.raises(ValueError, match="needs an endpoint or a view function"):
        app.add_url_rule("/nothing")


def test_an_endpoint_is_not_taken_twice(app: Flask) -> None:
    app.add_url_rule("/", "index", view_func=lambda: "first")
    with pytest.raises(ValueError, match="'index' of the rule '/again' is taken"):
        app.add_url_rule("/again", "index", view_func=lambda: "second")
    assert app.test_client().get("/again").status_code == 404


def test_methods_are_a_list(app: Flask) -> None:
    with pytest.raises(TypeError, match=r"methods=\['POST'\]"):
        app.route("/", methods="POST")(lambda: "")


def test_methods_default_to_get_and_head_is_implied(app: Flask) -> None:
    app.route("/")(lambda: "body")
    client = app.test_client()
    head = client.head("/")
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", "4")
    refused = client.post("/")
    assert refused.status_code == 405
    assert refused.allow is not None
    assert set(refused.allow) == {"GET", "HEAD", "OPTIONS"}


def test_options_is_answered_by_itself_unless_a_view_does(app: Flask) -> None:
    app.route("/")(lambda: "body")

    @app.route("/own", methods=["OPTIONS"])
    def own() -> str:
        return "mine"

    client = app.test_client()
    answer = client.options("/")
    assert (answer.status_code, answer.data) == (200, b"")
    assert set(answer.allow or ()) == {"GET", "HEAD", "OPTIONS"}
    assert client.options("/own").text == "mine"
    assert client.options("/nowhere").status_code == 404


def test_shortcuts_register_their_method(app: Flask) -> None:
    for name in ("get", "post", "put", "patch", "delete"):
        getattr(app, name)(f"/{name}", endpoint=name)(lambda: request.method)
    client = app.test_client()
    for name in ("get", "post", "put", "patch", "delete"):
        assert getattr(client, name)(f"/{name}").text == name.upper()
        assert client.open(f"/{name}", method="DELETE" if name != "delete" else "PUT").status_code == 405


def test_decorators_return_what_they_are_given(app: Flask) -> None:
    def function(*args: Any) -> Any:
        return None

    for register in (app.route("/f"), app.errorhandler(404), app.before_request, app.after_request):
        assert register(function) is function
    for register in (app.teardown_request, app.context_processor):
        assert register(function) is function


def test_a_slash_at_the_end_is_redirected_to_and_nothing_is_merged(app: Flask) -> None:
    app.route("/folder/")(lambda: "folder")
    client = app.test_client()
    answer = client.get("/folder?a=1&b=%C3%BC", base_url="http://localhost/prefix")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/prefix/folder/?a=1&b=%C3%BC")
    assert client.get("//folder/").status_code == 404
    assert client.get("/folder//").status_code == 404


def test_an_empty_path_below_a_prefix_is_redirected_and_at_the_root_is_the_root(app: Flask) -> None:
    app.route("/")(lambda: "root")
    client = app.test_client()
    below = client.get("/?a=1", environ_overrides={"SCRIPT_NAME": "/prefix", "PATH_INFO": ""})
    assert (below.status_code, below.headers["Location"]) == (307, "/prefix/?a=1")
    for script_name in ("", "/", "/prefix/", "/prefix//"):
        assert client.get("/", environ_overrides={"SCRIPT_NAME": script_name, "PATH_INFO": ""}).text == "root"


# Redirects behind a front: how it splits the path of a URL into SCRIPT_NAME and PATH_INFO, and what it does to slashes


def below_x(path: str) -> tuple[str, str]:
    return "/x", path.removeprefix("/x")


def below_x_with_its_slash(path: str) -> tuple[str, str]:
    """The root of the mount is "/x/" and nothing more, as with Apache's ``WSGIScriptAlias /x/``."""
    return ("/x/", "") if path == "/x/" else below_x(path)


def below_x_slash(path: str) -> tuple[str, str]:
    """SCRIPT_NAME is the prefix as it was written into the configuration."""
    return "/x/", path.removeprefix("/x")


def at_the_root(path: str) -> tuple[str, str]:
    return "", path


def at_the_root_without_a_path(path: str) -> tuple[str, str]:
    return "", "" if path == "/" else path


def at_the_root_called_slash(path: str) -> tuple[str, str]:
    return "/", "" if path == "/" else path


def without_a_slash_at_the_end(path: str) -> tuple[str, str]:
    return "/x", path.removeprefix("/x").rstrip("/")


def without_a_slash_at_the_end_at_the_root(path: str) -> tuple[str, str]:
    return "", path.rstrip("/")


def with_a_number_at_the_end(path: str) -> tuple[str, str]:
    """Rewrites the pages of a list to what a rule with defaults leads away from."""
    return "/x", path.removeprefix("/x") + "1" * path.endswith("/all/")


FRONTS: list[tuple[Callable[[str], tuple[str, str]], str]] = [
    (below_x, "/x"),
    (below_x_with_its_slash, "/x"),
    (below_x_slash, "/x"),
    (at_the_root, ""),
    (at_the_root_without_a_path, ""),
    (at_the_root_called_slash, ""),
]
#: fronts that only a server with a REQUEST_URI can stand behind: the rest of the environ does not tell what they did
CHANGING_FRONTS: list[tuple[Callable[[str], tuple[str, str]], str]] = [
    (without_a_slash_at_the_end, "/x"),
    (without_a_slash_at_the_end_at_the_root, ""),
    (with_a_number_at_the_end, "/x"),
]
BEHIND_FRONTS = [(front, place, with_uri) for with_uri in (True, False) for front, place in FRONTS]
BEHIND_FRONTS += [(front, place, True) for front, place in CHANGING_FRONTS]


@pytest.fixture
def browsed(app: Flask) -> Flask:
    """An app with a slash at the end of some URLs, which answers with its endpoint and the method."""

    def answer(**values: Any) -> str:
        return f"{request.endpoint} {request.method}"

    methods = ["GET", "POST", "PUT"]
    for rule in ("/", "/about/", "/über uns/", "/plain"):
        app.add_url_rule(rule, rule, answer, methods=methods)
    app.add_url_rule("/all/", "list", answer, defaults={"page": 1}, methods=methods)
    app.add_url_rule("/all/<int:page>", "list", answer, methods=methods)
    return app


#: the paths of that app, with the endpoint that answers and the path that it answers at
PATHS = {
    "/": ("/", "/"),
    "/about": ("/about/", "/about/"),
    "/about/": ("/about/", "/about/"),
    "/%C3%BCber%20uns": ("/über uns/", "/%C3%BCber%20uns/"),
    "/%C3%BCber%20uns/": ("/über uns/", "/%C3%BCber%20uns/"),
    "/plain": ("/plain", "/plain"),
    "/all": ("list", "/all/"),
    "/all/": ("list", "/all/"),
    "/all/1": ("list", "/all/"),
    "/all/2": ("list", "/all/2"),
}


def follow(
    app: WSGIApplication,
    url: str,
    front: Callable[[str], tuple[str, str]],
    method: str,
    with_uri: bool,
) -> tuple[str, list[tuple[int, str]]]:
    """The text of the page that a client comes to from *url*, and the redirects on the way, each to another URL."""
    way: list[tuple[int, str]] = []
    while True:
        path, _, query = url.partition("?")
        environ = create_environ("/", method=method, query_string=query)
        script_name, path_info = front(unquote(path, "latin-1"))
        environ.update(SCRIPT_NAME=script_name, PATH_INFO=path_info, REQUEST_URI=url)
        if not with_uri:
            del environ["REQUEST_URI"], environ["RAW_URI"]
        body, status, headers = run_wsgi_app(app, environ)
        text = b"".join(body).decode()
        if status[0] == "2":
            return text, way
        assert status[:3] in ("307", "308"), (status, url, way)
        assert headers["Location"] not in [url, *(known for _, known in way)], way
        url = headers["Location"]
        way.append((int(status[:3]), url))


@pytest.mark.parametrize("gate", [StrictEnviron, lambda app: app], ids=["behind the gate", "alone"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize(("front", "place", "with_uri"), BEHIND_FRONTS)
def test_no_redirect_leads_in_a_circle_and_each_keeps_the_method_and_the_query(
    browsed: Flask,
    front: Callable[[str], tuple[str, str]],
    place: str,
    with_uri: bool,
    method: str,
    gate: Callable[[WSGIApplication], WSGIApplication],
) -> None:
    served = gate(browsed)
    for (path, (endpoint, canonical)), query in product(PATHS.items(), ("", "?a=1&b=/")):
        text, way = follow(served, place + path + query, front, method, with_uri)

        assert text == f"{endpoint} {method}"
        assert way == ([] if path == canonical else [(308, place + canonical + query)])


@pytest.mark.parametrize("gate", [StrictEnviron, lambda app: app], ids=["behind the gate", "alone"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("with_uri", [True, False])
@pytest.mark.parametrize("front", [below_x, below_x_with_its_slash])
def test_the_mount_itself_leads_to_its_root_for_now(
    browsed: Flask,
    front: Callable[[str], tuple[str, str]],
    with_uri: bool,
    method: str,
    gate: Callable[[WSGIApplication], WSGIApplication],
) -> None:
    page = f"/ {method}"

    assert follow(gate(browsed), "/x", front, method, with_uri) == (page, [(307, "/x/")])
    assert follow(gate(browsed), "/x?a=1", front, method, with_uri) == (page, [(307, "/x/?a=1")])
    assert follow(gate(browsed), "/x/", front, method, with_uri) == (page, [])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_mount_whose_slash_the_front_takes_off_is_served_where_it_was_asked_for(browsed: Flask, method: str) -> None:
    page = f"/ {method}"

    assert follow(browsed, "/x/", without_a_slash_at_the_end, method, True) == (page, [])
    assert follow(browsed, "/x", without_a_slash_at_the_end, method, True) == (page, [(307, "/x/")])
    assert follow(browsed, "/x/about/", without_a_slash_at_the_end, method, True) == (f"/about/ {method}", [])


def test_the_redirect_to_the_root_of_a_mount_is_for_now_and_has_no_host(browsed: Flask) -> None:
    environ = {**create_environ("/", "http://evil.example"), "SCRIPT_NAME": "/x", "PATH_INFO": "", "REQUEST_URI": "/x"}

    body, status, headers = run_wsgi_app(browsed, environ)

    assert (status, headers["Location"]) == ("307 TEMPORARY REDIRECT", "/x/")
    assert b"evil" not in b"".join(body)


def test_the_other_redirects_to_a_slash_are_for_good(browsed: Flask) -> None:
    for script_name in ("", "/", "/x", "/x/"):
        environ = {**create_environ("/about", method="POST"), "SCRIPT_NAME": script_name}

        _, status, headers = run_wsgi_app(browsed, environ)

        assert (status, headers["Location"]) == ("308 PERMANENT REDIRECT", f"{script_name.rstrip('/')}/about/")


# What a view may return


def wsgi_guest(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("201 Created", [("X-Guest", "yes"), ("Content-Type", "text/x-guest")])
    return [b"guest ", environ["PATH_INFO"].encode()]


def generate() -> Iterator[str]:
    yield "a"
    yield request.path


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("text ü", 200, "text/html; charset=utf-8", "text ü".encode()),
        (b"bytes", 200, "text/html; charset=utf-8", b"bytes"),
        (bytearray(b"array"), 200, "text/html; charset=utf-8", b"array"),
        (Response("r", status=203), 203, "text/html; charset=utf-8", b"r"),
        (WerkzeugResponse("w", 202), 202, "text/plain; charset=utf-8", b"w"),
        (("t", 404), 404, "text/html; charset=utf-8", b"t"),
        (("t", "418 Teapot"), 418, "text/html; charset=utf-8", b"t"),
        (("t", {"Content-Type": "text/x"}), 200, "text/x", b"t"),
        (("t", 201, [("Content-Type", "text/x")]), 201, "text/x", b"t"),
        (("t", 201, None, "text/plain"), 201, "text/plain; charset=utf-8", b"t"),
        ((Response("r"), 201), 201, "text/html; charset=utf-8", b"r"),
        (({"k": [1]}, 201), 201, "application/json", b'{"k":[1]}'),
        ((None, 204), 204, "text/html; charset=utf-8", b""),
        ({"k": "ü"}, 200, "application/json", b'{"k":"\\u00fc"}'),
        ([1, "two"], 200, "application/json", b'[1,"two"]'),
        (wsgi_guest, 201, "text/x-guest", b"guest /"),
        (NotFound("gone"), 404, "text/html; charset=utf-8", None),
        (iter([b"x", b"y"]), 200, "text/html; charset=utf-8", b"xy"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int | str | bytes) else None,
)
def test_a_view_may_return(app: Flask, value: Any, status: int, content_type: str, body: bytes | None) -> None:
    app.route("/")(lambda: value)
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)
    assert body is None or answer.data == body


def test_a_generator_is_streamed_and_has_its_request(app: Flask) -> None:
    app.route("/here")(generate)
    answer = app.test_client().get("/here")
    assert (answer.text, answer.headers.get("Content-Length")) == ("a/here", None)


@pytest.mark.parametrize("value", [None, 5, 5.0, object(), ValueError, int, ()])
def test_what_is_no_response_is_an_error_that_names_the_endpoint(app: Flask, value: Any) -> None:
    app.add_url_rule("/", "broken_view", view_func=lambda: value)
    app.debug = True
    with pytest.raises(TypeError, match="'broken_view'"):
        app.test_client().get("/")
    app.debug = False
    assert app.test_client().get("/").status_code == 500


def test_the_response_class_is_enforced(app: Flask) -> None:
    class Own(Response):
        default_mimetype = "text/x-own"

    app.response_class = Own
    kinds: list[type] = []

    @app.after_request
    def look(response: Response) -> Response:
        kinds.append(type(response))
        return response

    app.route("/text")(lambda: "t")
    app.route("/base", endpoint="base")(lambda: Response("b"))
    app.route("/foreign", endpoint="foreign")(lambda: WerkzeugResponse("f"))
    client = app.test_client()
    assert client.get("/text").headers["Content-Type"] == "text/x-own; charset=utf-8"
    assert client.get("/base").headers["Content-Type"] == "text/html; charset=utf-8"
    assert client.get("/foreign").headers["Content-Type"] == "text/plain; charset=utf-8"
    assert client.get("/missing").status_code == 404
    assert kinds == [Own] * 4


# Errors and hooks


def test_a_missing_key_is_a_400_that_can_be_caught(app: Flask) -> None:
    @app.route("/raise", methods=["POST"])
    def raises() -> str:
        return str(request.form["missing"])

    @app.route("/catch")
    def catches() -> str:
        try:
            return str(request.args["missing"])
        except KeyError:
            return "caught"

    for debug in (False, True):
        app.debug = debug
        assert app.test_client().post("/raise").status_code == 400
        assert app.test_client().get("/catch").text == "caught"
    app.errorhandler(400)(lambda error: ("handled", 400))
    assert app.test_client().post("/raise").text == "handled"


def test_error_handlers_go_by_code_and_by_nearest_class(app: Flask) -> None:
    class Problem(Exception):
        pass

    class Special(Problem):
        pass

    app.error_handlers[404] = lambda: ("no parameter", 404)
    app.errorhandler(Problem)(lambda error: (f"problem {error}", 409))
    app.errorhandler(Forbidden)(lambda error: "by class")
    app.errorhandler(HTTPException)(lambda error: (f"any {error.code}", error.code))

    @app.route("/<kind>")
    def fail(kind: str) -> str:
        raise {"special": Special("s"), "forbidden": Forbidden(), "gone": NotFound()}[kind]

    client = app.test_client()
    assert client.get("/special").text == "problem s"
    assert client.get("/special").status_code == 409
    assert client.get("/forbidden").text == "by class"
    assert client.get("/gone").text == "no parameter"
    assert client.post("/gone").text == "any 405"


@pytest.mark.parametrize(
    ("given", "error"), [(200, ValueError), (1000, ValueError), ("404", TypeError), (int, TypeError)]
)
def test_what_no_error_is_cannot_have_a_handler(app: Flask, given: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        app.errorhandler(given)


def test_an_unhandled_exception_is_logged_and_answered_with_500(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    app.route("/boom", endpoint="boom")(lambda: 1 // 0)
    answer = app.test_client().get("/boom?token=secret")
    assert answer.status_code == 500
    assert b"division" not in answer.data
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage() == "Exception on /boom [GET]"
    assert caplog.records[0].exc_info is not None
    assert "secret" not in caplog.text


def test_the_500_handler_gets_the_exception(app: Flask) -> None:
    app.route("/boom")(lambda: 1 // 0)
    app.errorhandler(500)(lambda error: (type(error).__name__, 500))
    answer = app.test_client().get("/boom")
    assert (answer.status_code, answer.text) == (500, "ZeroDivisionError")
    app.debug = True
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/boom")


def test_an_error_handler_that_fails_is_asked_once(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str] = []

    @app.errorhandler(500)
    def fail(error: Exception) -> str:
        asked.append(type(error).__name__)
        raise LookupError("the handler")

    app.route("/boom")(lambda: 1 // 0)
    answer = app.test_client().get("/boom")
    assert (answer.status_code, asked) == (500, ["ZeroDivisionError"])
    assert "ZeroDivisionError" in caplog.text
    assert "the handler" in caplog.text


def test_a_handler_may_abort(app: Flask) -> None:
    app.errorhandler(404)(lambda error: abort(410))
    assert app.test_client().get("/missing").status_code == 410


def test_before_request_ends_the_request_with_its_first_value(app: Flask) -> None:
    calls: list[str] = []

    @app.before_request
    def first() -> None:
        calls.append(f"first {request.endpoint} {request.view_args}")

    @app.before_request
    def second() -> str:
        calls.append("second")
        return "stopped"

    @app.before_request
    def third() -> None:
        calls.append("third")

    @app.after_request
    def after(response: Response) -> Response:
        response.headers["X-After"] = "yes"
        return response

    @app.route("/<name>")
    def view(name: str) -> str:
        calls.append("view")
        return name

    answer = app.test_client().get("/x")
    assert (answer.text, answer.headers["X-After"]) == ("stopped", "yes")
    assert calls == ["first view {'name': 'x'}", "second"]


@pytest.mark.parametrize("hook", ["before_request", "view", "after_request"])
def test_abort_works_in_every_place_and_after_request_still_runs(app: Flask, hook: str) -> None:
    @app.before_request
    def before() -> None:
        if hook == "before_request":
            abort(403)

    @app.route("/")
    def view() -> str:
        if hook == "view":
            abort(403)
        return "view"

    @app.after_request
    def runs_last(response: Response) -> Response:
        response.headers["X-After"] = "yes"
        return response

    @app.after_request
    def runs_first(response: Response) -> Response:
        if hook == "after_request":
            abort(403)
        return response

    answer = app.test_client().get("/")
    assert (answer.status_code, answer.headers["X-After"]) == (403, "yes")


def test_after_request_runs_in_reverse_and_the_session_is_saved_after_it(app: Flask) -> None:
    app.secret_key = "key"
    order: list[str] = []

    @app.after_request
    def registered_first(response: Response) -> Response:
        order.append("first")
        session["late"] = 1
        return response

    @app.after_request
    def registered_last(response: Response) -> Response:
        order.append("last")
        return response

    @app.route("/")
    def view() -> str:
        @after_this_request
        def only_here(response: Response) -> Response:
            order.append("this")
            return response

        return ""

    answer = app.test_client().get("/")
    assert order == ["this", "last", "first"]
    assert "session=" in answer.headers["Set-Cookie"]


def test_every_step_can_be_overridden() -> None:
    calls: list[str] = []

    class Traced(Flask):
        def __getattribute__(self, name: str) -> Any:
            if name in STEPS:
                calls.append(name)
            return super().__getattribute__(name)

    app = Traced(__name__)
    app.secret_key = "key"

    @app.route("/")
    def view() -> str:
        session["seen"] = True
        return ""

    app.test_client().get("/")
    assert [name for name in calls if name in STEPS] == STEPS


STEPS = [
    "wsgi_app",
    "request_context",
    "preprocess_request",
    "dispatch_request",
    "match_request",
    "open_session",
    "make_response",
    "process_response",
    "save_session",
]


def test_middleware_goes_around_wsgi_app(app: Flask) -> None:
    app.route("/")(lambda: request.environ["wrapped"])
    inner = app.wsgi_app

    def outer(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        return inner({**environ, "wrapped": "yes"}, start_response)

    app.wsgi_app = outer  # type: ignore[method-assign]
    assert app.test_client().get("/").text == "yes"


# Teardown


@pytest.mark.parametrize("fault", ["none", "before", "view", "after", "session", "handler", "handled", "abort"])
def test_teardown_runs_once_in_reverse_with_the_exception(
    app: Flask, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[str, str]] = []

    @app.teardown_request
    def registered_first(error: BaseException | None) -> None:
        seen.append(("first", type(error).__name__))

    @app.teardown_request
    def breaks(error: BaseException | None) -> None:
        seen.append(("breaks", type(error).__name__))
        raise LookupError("teardown")

    @app.before_request
    def before() -> None:
        if fault == "before":
            raise ZeroDivisionError

    @app.after_request
    def after(response: Response) -> Response:
        if fault == "after":
            raise ZeroDivisionError
        return response

    @app.route("/")
    def view() -> str:
        if fault in ("view", "handler"):
            raise ZeroDivisionError
        if fault == "session":
            session["x"] = 1
        if fault == "handled":
            raise KeyError
        if fault == "abort":
            abort(404)
        return ""

    if fault == "handler":
        app.errorhandler(500)(lambda error: 1 // 0)
    app.errorhandler(KeyError)(lambda error: "handled")
    expected = {"session": "RuntimeError", "none": "NoneType", "handled": "NoneType", "abort": "NoneType"}.get(
        fault, "ZeroDivisionError"
    )
    status = app.test_client().get("/").status_code
    assert status == {"none": 200, "handled": 200, "abort": 404}.get(fault, 500)
    assert seen == [("breaks", expected), ("first", expected)]
    assert "A teardown function failed" in caplog.text
    assert not flask_embed.has_request_context()


def test_a_streamed_body_is_torn_down_at_its_end_or_close(app: Flask) -> None:
    events: list[str] = []
    app.teardown_request(lambda error: events.append(f"teardown {type(error).__name__}"))

    def body() -> Iterator[str]:
        try:
            for number in range(3):
                events.append(f"{number} {request.path} {g.get('mark')}")
                g.mark = "kept"
                yield str(number)
        finally:
            events.append("closed")

    app.route("/stream")(body)

    def call() -> Any:
        from werkzeug.test import create_environ

        return app(create_environ("/stream"), lambda *args: lambda data: None)

    assert b"".join(call()) == b"012"
    whole = ["0 /stream None", "1 /stream kept", "2 /stream kept", "closed", "teardown NoneType"]
    assert events == whole
    events.clear()
    started = call()
    assert next(started) == b"0"
    assert not flask_embed.has_request_context()
    started.close()
    started.close()
    assert events == ["0 /stream None", "closed", "teardown NoneType"]


def test_a_streamed_body_that_raises_hands_the_exception_to_teardown(app: Flask) -> None:
    seen: list[str] = []
    app.teardown_request(lambda error: seen.append(repr(error)))

    def body() -> Iterator[str]:
        yield "part"
        raise LookupError("broken")

    app.route("/")(body)
    with pytest.raises(LookupError, match="broken"):
        app.test_client().get("/", buffered=True)
    assert seen == ["LookupError('broken')"]


def test_an_abandoned_body_is_torn_down_with_a_line_in_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    app.teardown_request(lambda error: seen.append("teardown"))
    app.add_url_rule("/", "endless", view_func=lambda: iter("abc"))
    from werkzeug.test import create_environ

    body = app(create_environ("/"), lambda *args: lambda data: None)
    assert seen == []
    del body
    assert seen == ["teardown"]
    assert "The body of endless was neither read to its end nor closed" in caplog.text


def test_the_logger_has_the_name_of_the_package(app: Flask) -> None:
    assert app.logger.name == __name__
    assert app.logger is app.logger
    app = Flask("another_name")
    app.debug = True
    assert app.logger.level == logging.DEBUG


def test_resources_lie_next_to_the_app(app: Flask, tmp_path: Any) -> None:
    app.root_path = str(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "schema.sql").write_text("select 'ü';\n", "utf-8")
    with app.open_resource("sub/schema.sql") as file:
        assert file.read() == "select 'ü';\n".encode()
    with app.open_resource("sub/schema.sql", "r") as file:
        assert file.read() == "select 'ü';\n"
    for outside in ("../x", "/etc/passwd", "sub/../../x", "a\0b", "", "."):
        with pytest.raises(ValueError, match="does not lie below"):
            app.open_resource(outside)
    with pytest.raises(ValueError, match="reading"):
        app.open_resource("sub/schema.sql", "w")


def test_run_refuses_a_debugger_that_others_can_reach(app: Flask) -> None:
    for host in ("0.0.0.0", "example.com", "::", "localhost.evil.com", "127.0.0.1.evil.com"):
        with pytest.raises(ValueError, match="expose_debugger=True"):
            app.run(host, debug=True)


def test_run_passes_its_options_on(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr("werkzeug.serving.run_simple", lambda *args, **options: calls.append((*args, options)))
    app.run()
    app.run("127.0.0.1", 8000, debug=True, use_reloader=False)
    app.run("0.0.0.0", debug=True, expose_debugger=True)
    assert calls[0][:2] == ("localhost", 5000)
    assert calls[0][3] == {"use_reloader": False, "use_debugger": False, "threaded": True}
    assert calls[1][:2] == ("127.0.0.1", 8000)
    assert calls[1][3] == {"use_reloader": False, "use_debugger": True, "threaded": True}
    assert calls[2][0] == "0.0.0.0"
    assert app.debug
