"""The chapter API: incoming request data, response objects, sessions and application globals."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.datastructures import CombinedMultiDict, FileStorage, Headers, ImmutableMultiDict
from werkzeug.test import create_environ
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response as WerkzeugResponse
from werkzeug.wsgi import wrap_file

from flask_embed import Flask, Request, Response, g, request, session

if TYPE_CHECKING:
    from pathlib import Path

# Incoming Request Data


@pytest.mark.section("API / Request")
def test_the_current_request_remembers_what_it_matched() -> None:
    app = Flask(__name__)

    @app.route("/post/<int:post_id>")
    def show_post(post_id: int) -> str:
        return f"{request.endpoint} {request.view_args}"

    @app.errorhandler(404)
    def page_not_found() -> tuple[str, int]:
        return f"{request.endpoint} {request.view_args}", 404

    client = app.test_client()

    assert client.get("/post/42").text == "show_post {'post_id': 42}"
    assert client.get("/missing").text == "None None"


@pytest.mark.section("API / Request")
def test_a_request_is_made_from_an_environ_and_has_all_of_werkzeugs() -> None:
    environ = create_environ("/page?x=y", headers={"User-Agent": "a browser"})

    made = Request(environ)

    assert isinstance(made, WerkzeugRequest)
    assert (made.path, made.args["x"], made.headers["User-Agent"]) == ("/page", "y", "a browser")
    assert (made.is_secure, made.host) == (False, "localhost")


@pytest.mark.section("API / Request")
def test_the_proxy_stands_for_an_instance_of_the_request_class() -> None:
    with Flask(__name__).test_request_context():
        assert isinstance(request, Request)


@pytest.mark.section("API / request.form")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_form_has_the_fields_of_a_form_and_no_files(method: str) -> None:
    fields = {"name": "ada", "hobby": ["chess", "engines"], "photo": (BytesIO(b"pixels"), "photo.png")}

    with Flask(__name__).test_request_context(method=method, data=fields):
        form, files = request.form, request.files
        assert isinstance(form, ImmutableMultiDict)
        assert (form["name"], form.getlist("hobby")) == ("ada", ["chess", "engines"])
        assert sorted(form) == ["hobby", "name"]
        assert list(files) == ["photo"]


@pytest.mark.section("API / request.args")
def test_args_has_what_stands_behind_the_question_mark() -> None:
    with Flask(__name__).test_request_context("/?name=ada&hobby=chess&hobby=engines&city=K%C3%B6ln+S%C3%BCd"):
        args = request.args
        assert isinstance(args, ImmutableMultiDict)
        assert (args["name"], args.getlist("hobby"), args["city"]) == (
            "ada",
            ["chess", "engines"],
            "Köln Süd",
        )
        assert args.get("age", 36, type=int) == 36


@pytest.mark.section("API / request.values")
def test_values_has_both_form_and_args() -> None:
    with Flask(__name__).test_request_context("/?a=from+args", method="POST", data={"b": "from form"}):
        values = request.values
        assert isinstance(values, CombinedMultiDict)
        assert (values["a"], values["b"]) == ("from args", "from form")


@pytest.mark.section("API / request.cookies")
def test_cookies_is_a_dict_of_all_cookies() -> None:
    with Flask(__name__).test_request_context(headers={"Cookie": "theme=dark; name=ada"}):
        cookies = request.cookies
        assert isinstance(cookies, dict)
        assert (cookies["theme"], cookies["name"], len(cookies)) == ("dark", "ada", 2)


@pytest.mark.section("API / request.stream")
def test_stream_has_the_body_of_what_is_no_form() -> None:
    app = Flask(__name__)

    @app.route("/", methods=["POST"])
    def index() -> str:
        body = json.load(request.stream)
        return f"{body['name']} {dict(request.form)}"

    response = app.test_client().post("/", json={"name": "ada"})

    assert response.text == "ada {}"


@pytest.mark.section("API / request.files")
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_files_has_storages_that_are_read_and_saved(tmp_path: Path, method: str) -> None:
    fields = {"notes": (BytesIO(b"one\ntwo\n"), "notes.txt", "text/x-notes"), "name": "ada"}

    with Flask(__name__).test_request_context(method=method, data=fields):
        file = request.files["notes"]
        assert isinstance(file, FileStorage)
        assert (file.filename, file.content_type) == ("notes.txt", "text/x-notes")
        assert list(file) == [b"one\n", b"two\n"]
        file.seek(0)
        file.save(tmp_path / "saved.txt")

    assert (tmp_path / "saved.txt").read_bytes() == b"one\ntwo\n"


@pytest.mark.section("API / request.files")
def test_a_missing_file_is_a_bad_request() -> None:
    app = Flask(__name__)

    @app.route("/", methods=["POST"])
    def index() -> str:
        return str(request.files["notes"])

    assert app.test_client().post("/", data={"notes": "no file"}).status_code == 400


@pytest.mark.section("API / request.environ", "API / request.method")
def test_environ_is_the_wsgi_environment_and_method_its_method() -> None:
    environ = create_environ("/", method="DELETE", environ_overrides={"server.extra": "a value"})

    with Flask(__name__).request_context(environ):
        seen = request.environ["server.extra"], request.method

    assert seen == ("a value", "DELETE")


@pytest.mark.section(
    "API / request.path",
    "API / request.script_root",
    "API / request.url",
    "API / request.base_url",
    "API / request.url_root",
)
@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("path", "/page.html"),
        ("script_root", "/myapplication"),
        ("url", "http://www.example.com/myapplication/page.html?x=y"),
        ("base_url", "http://www.example.com/myapplication/page.html"),
        ("url_root", "http://www.example.com/myapplication/"),
        ("root_url", "http://www.example.com/myapplication/"),
    ],
)
def test_the_current_url_is_looked_at_in_different_ways(attribute: str, value: str) -> None:
    app = Flask(__name__)

    @app.route("/page.html")
    def page() -> str:
        looked_at: str = getattr(request, attribute)
        return looked_at

    response = app.test_client().get("/page.html?x=y", base_url="http://www.example.com/myapplication/")

    assert response.text == value


# Response Objects


@pytest.mark.section("API / Response")
def test_a_response_is_werkzeugs_with_html_as_its_type() -> None:
    response = Response("<h1>Hello</h1>")

    assert isinstance(response, WerkzeugResponse)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (response.status, response.data) == ("200 OK", b"<h1>Hello</h1>")


@pytest.mark.section("API / Response")
def test_the_arguments_of_a_response_come_in_the_documented_order() -> None:
    names = ["response", "status", "headers", "mimetype", "content_type", "direct_passthrough"]

    parameters = inspect.signature(Response).parameters

    assert list(parameters) == names
    assert [parameters[name].default for name in names] == [None] * 5 + [False]


@pytest.mark.section("API / Response")
@pytest.mark.parametrize(
    ("arguments", "status", "content_type"),
    [
        ({}, "200 OK", "text/html; charset=utf-8"),
        ({"status": 404}, "404 NOT FOUND", "text/html; charset=utf-8"),
        ({"status": "299 Nearly"}, "299 Nearly", "text/html; charset=utf-8"),
        ({"mimetype": "text/plain"}, "200 OK", "text/plain; charset=utf-8"),
        ({"mimetype": "image/png"}, "200 OK", "image/png"),
        ({"content_type": "text/plain"}, "200 OK", "text/plain"),
        ({"headers": {"Content-Type": "text/x-own"}}, "200 OK", "text/x-own"),
    ],
)
def test_a_response_is_sent_as_it_was_made(arguments: dict[str, Any], status: str, content_type: str) -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "index", lambda: Response("text", **arguments))

    response = app.test_client().get("/")

    assert response.status == status
    assert response.headers.getlist("Content-Type") == [content_type]
    assert response.text == "text"


@pytest.mark.section("API / Response")
def test_a_response_without_a_body_is_empty() -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "index", Response)

    response = app.test_client().get("/")

    assert (response.status_code, response.data, response.headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.section("API / Response")
def test_direct_passthrough_hands_the_servers_file_on_untouched() -> None:
    class Wrapper:
        """The file that a server would send with sendfile()."""

        def __init__(self, file: Any, size: int = 8192) -> None:
            self.file = file

        def __iter__(self) -> Any:
            return iter([self.file.read()])

    file = BytesIO(b"a long file")
    app = Flask(__name__)

    @app.route("/")
    def index() -> Response:
        return Response(wrap_file(request.environ, file), direct_passthrough=True)

    environ = create_environ("/", environ_overrides={"wsgi.file_wrapper": Wrapper})
    body = app(environ, lambda status, headers, exc_info=None: lambda data: None)

    assert isinstance(body, Wrapper)
    assert body.file is file


@pytest.mark.section("API / Response.headers")
def test_headers_are_changed_until_they_are_sent() -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> Response:
        response = Response("text", headers={"X-Old": "1", "X-Kept": "2"})
        assert isinstance(response.headers, Headers)
        response.headers["X-New"] = "3"
        response.headers.add("X-New", "4")
        del response.headers["x-old"]
        return response

    response = app.test_client().get("/")

    assert response.headers.getlist("X-New") == ["3", "4"]
    assert (response.headers["X-Kept"], response.headers.get("X-Old")) == ("2", None)


@pytest.mark.section("API / Response.status_code")
def test_status_code_is_the_status_as_a_number() -> None:
    response = Response(status="404 Not Found")
    before = response.status_code

    response.status_code = 410

    assert (before, response.status_code, response.status) == (404, 410, "410 GONE")


@pytest.mark.section("API / Response.data")
def test_data_gets_and_sets_the_body() -> None:
    response = Response("before")
    before = response.data, response.get_data(as_text=True)

    response.data = "grüße"

    assert before == (b"before", "before")
    assert response.data == response.get_data() == "grüße".encode()
    assert response.headers["Content-Length"] == "7"
    response.set_data(b"after")
    assert response.data == b"after"


@pytest.mark.section("API / Response.data")
def test_data_reads_a_body_that_is_made_of_parts() -> None:
    response = Response(part for part in ("one ", "two"))

    assert response.data == b"one two"


@pytest.mark.section("API / Response.mimetype")
def test_mimetype_is_the_type_without_the_charset() -> None:
    response = Response("text")
    before = response.mimetype

    response.mimetype = "text/css"

    assert (before, response.mimetype) == ("text/html", "text/css")
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"


def cookie_header(key: str, *arguments: Any, **options: Any) -> dict[str, str | None]:
    """The attributes of the one cookie that a view sets like this; their names in lower case."""
    app = Flask(__name__)

    @app.route("/")
    def index() -> Response:
        response = Response("text")
        response.set_cookie(key, *arguments, **options)
        return response

    (header,) = app.test_client().get("/").headers.getlist("Set-Cookie")
    first, *rest = (part.partition("=") for part in header.split("; "))
    attributes = {name.lower(): value if equals else None for name, equals, value in rest}
    return {first[0]: first[2], **attributes}


@pytest.mark.section("API / Response.set_cookie")
def test_a_cookie_lasts_as_long_as_the_browsers_session_by_default() -> None:
    assert cookie_header("theme") == {"theme": "", "path": "/"}
    assert cookie_header("theme", "dark") == {"theme": "dark", "path": "/"}


@pytest.mark.section("API / Response.set_cookie")
@pytest.mark.parametrize(
    ("options", "attributes"),
    [
        (
            {"expires": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)},
            {"expires": "Wed, 02 Jan 2030 03:04:05 GMT"},
        ),
        ({"expires": 1893553445}, {"expires": "Wed, 02 Jan 2030 03:04:05 GMT"}),
        ({"path": "/below"}, {"path": "/below"}),
        ({"domain": "example.com"}, {"domain": "example.com"}),
        ({"secure": True}, {"secure": None}),
        ({"httponly": True}, {"httponly": None}),
    ],
)
def test_a_cookie_has_the_attributes_that_are_asked_for(
    options: dict[str, Any], attributes: dict[str, str | None]
) -> None:
    assert cookie_header("theme", "dark", **options) == {"theme": "dark", "path": "/", **attributes}


@pytest.mark.section("API / Response.set_cookie")
def test_a_cookie_may_last_for_seconds() -> None:
    assert cookie_header("theme", "dark", max_age=60)["max-age"] == "60"


@pytest.mark.section("API / Response.set_cookie")
def test_the_arguments_of_set_cookie_come_in_the_documented_order() -> None:
    expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

    attributes = cookie_header("theme", "dark", 60, expires, "/below", "example.com", True, True)

    assert attributes == {
        "theme": "dark",
        "max-age": "60",
        "expires": "Wed, 02 Jan 2030 03:04:05 GMT",
        "path": "/below",
        "domain": "example.com",
        "secure": None,
        "httponly": None,
    }


def cookie_app() -> Flask:
    """An app that sets a cookie with the options of the request, and answers with the cookies it got."""
    app = Flask(__name__)

    @app.route("/set")
    def set_cookie() -> Response:
        response = Response("set")
        options: dict[str, Any] = request.args.to_dict()
        response.set_cookie("name", options.pop("value", 'grüße; "all"'), **options)
        return response

    @app.route("/")
    def index() -> list[str]:
        return request.cookies.getlist("name")

    @app.route("/below/page")
    def below() -> list[str]:
        return request.cookies.getlist("name")

    return app


@pytest.mark.section("API / Response.set_cookie")
def test_the_value_of_a_cookie_may_be_any_text() -> None:
    client = cookie_app().test_client()
    client.get("/set")

    assert client.get("/").json == ['grüße; "all"']


@pytest.mark.section("API / Response.set_cookie")
@pytest.mark.parametrize(
    ("options", "readers"),
    [
        ("", ["http://example.com"]),
        (
            "&domain=.example.com",
            ["http://example.com", "http://www.example.com", "http://foo.example.com"],
        ),
    ],
)
def test_a_cookie_is_readable_in_its_domain(options: str, readers: list[str]) -> None:
    client = cookie_app().test_client()
    sites = ["http://example.com", "http://www.example.com", "http://foo.example.com", "http://example.org"]

    client.get(f"/set?value=dark{options}", base_url="http://example.com")
    read = [site for site in sites if client.get("/", base_url=site).json == ["dark"]]

    assert read == readers


@pytest.mark.section("API / Response.set_cookie")
def test_a_cookie_is_sent_below_its_path() -> None:
    client = cookie_app().test_client()

    client.get("/set?value=dark&path=/below")

    assert (client.get("/").json, client.get("/below/page").json) == ([], ["dark"])


# Sessions


@pytest.fixture
def app() -> Flask:
    """An app with pages that change the session in several ways, and one that shows it."""
    app = Flask(__name__)
    app.secret_key = "the key of this test"

    @app.route("/tell")
    def tell() -> dict[str, Any]:
        return {"new": session.new, "modified": session.modified, "content": dict(session)}

    @app.route("/set/<key>/<value>")
    def set_value(key: str, value: str) -> dict[str, Any]:
        session[key] = value
        return tell()

    @app.route("/start")
    def start() -> dict[str, Any]:
        session["objects"] = [1]
        return tell()

    @app.route("/append")
    def append() -> dict[str, Any]:
        session["objects"].append(42)
        session.modified = session.modified or "mark" in request.args
        return tell()

    return app


@pytest.mark.section("API / session", "API / session.new")
def test_a_session_is_new_until_the_client_brings_it_back(app: Flask) -> None:
    client = app.test_client()

    first, setting, second = client.get("/tell"), client.get("/set/name/ada"), client.get("/tell")

    assert first.json == {"new": True, "modified": False, "content": {}}
    assert setting.json == {"new": True, "modified": True, "content": {"name": "ada"}}
    assert second.json == {"new": False, "modified": False, "content": {"name": "ada"}}


@pytest.mark.section("API / session.modified")
def test_a_change_inside_of_a_value_is_kept_only_if_it_is_marked(app: Flask) -> None:
    client = app.test_client()
    client.get("/start")

    unmarked = client.get("/append")
    after_unmarked = client.get("/tell")
    marked = client.get("/append?mark")
    after_marked = client.get("/tell")

    assert unmarked.json == {"new": False, "modified": False, "content": {"objects": [1, 42]}}
    assert after_unmarked.json is not None
    assert after_unmarked.json["content"] == {"objects": [1]}
    assert marked.json == {"new": False, "modified": True, "content": {"objects": [1, 42]}}
    assert after_marked.json is not None
    assert after_marked.json["content"] == {"objects": [1, 42]}


def delete(name: str) -> None:
    del session[name]


CHANGES = [
    (lambda: session.update(b=2), {"a": 1, "b": 2}),
    (lambda: session.setdefault("b", 2), {"a": 1, "b": 2}),
    (lambda: session.pop("a"), {}),
    (lambda: session.popitem(), {}),
    (lambda: session.clear(), {}),
    (lambda: delete("a"), {}),
    (lambda: session.__ior__({"b": 2}), {"a": 1, "b": 2}),
]


@pytest.mark.section("API / session", "API / session.modified")
@pytest.mark.parametrize(("change", "content"), CHANGES)
def test_every_change_to_the_dict_is_noticed(app: Flask, change: Any, content: dict[str, int]) -> None:
    @app.route("/change")
    def make_change() -> str:
        change()
        return str(session.modified)

    client = app.test_client()
    with client.session_transaction() as stored:
        stored["a"] = 1

    response, after = client.get("/change"), client.get("/tell")

    assert response.text == "True"
    assert after.json is not None
    assert after.json["content"] == content


@pytest.mark.section("API / session")
def test_a_session_is_read_like_a_dict(app: Flask) -> None:
    @app.route("/read")
    def read() -> dict[str, Any]:
        return {
            "is a dict": isinstance(session, dict),
            "get": [session.get("name"), session.get("age"), session.get("age", 36)],
            "in": ["name" in session, "age" in session],
            "items": list(session.items()),
            "length": len(session),
            "true": bool(session),
            "equal": session == {"name": "ada"},
            "popped": session.pop("age", 36),
        }

    client = app.test_client()
    client.get("/set/name/ada")

    assert client.get("/read").json == {
        "is a dict": True,
        "get": ["ada", None, 36],
        "in": [True, False],
        "items": [["name", "ada"]],
        "length": 1,
        "true": True,
        "equal": True,
        "popped": 36,
    }


@pytest.mark.section("API / session")
def test_a_cookie_that_was_not_signed_by_the_app_is_an_empty_session(app: Flask) -> None:
    client = app.test_client()
    client.set_cookie("session", "eyJuYW1lIjoiYWRhIn0.aaaaaa.bbbbbb")

    assert client.get("/tell").json == {"new": True, "modified": False, "content": {}}


# Application Globals


@pytest.mark.section("API / g")
def test_g_is_shared_between_functions_and_empty_in_the_next_request() -> None:
    app = Flask(__name__)

    def remember(name: str) -> None:
        g.name = name

    @app.route("/<name>")
    def index(name: str) -> str:
        before = getattr(g, "name", "nobody")
        remember(name)
        return f"{before}, then {g.name}"

    client = app.test_client()

    assert client.get("/ada").text == "nobody, then ada"
    assert client.get("/bob").text == "nobody, then bob"


@pytest.mark.section("API / g")
def test_g_has_only_what_was_stored_on_it() -> None:
    with Flask(__name__).test_request_context():
        g.user = "ada"
        g.pop("user")
        with pytest.raises(AttributeError):
            g.user  # noqa: B018 reading it is the test


@pytest.mark.section("API / g", "API / request", "API / session")
@pytest.mark.parametrize("proxy", [request, session, g], ids=["request", "session", "g"])
def test_outside_of_a_request_there_is_none(proxy: Any) -> None:
    with pytest.raises(RuntimeError, match="test_request_context"):
        proxy.anything  # noqa: B018 reading it is the test
