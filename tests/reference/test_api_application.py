"""The chapter API, Application Object: each method and attribute of Flask."""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import DictLoader, TemplateNotFound
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.test import Client, create_environ
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_embed import (
    Flask,
    Request,
    Response,
    abort,
    g,
    redirect,
    render_template,
    render_template_string,
    request,
    session,
    url_for,
)
from tests.reference.servers import fetch, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from jinja2 import BaseLoader

    from flask_embed.sessions import Session
    from tests.reference.project import Project


def hello_app(flask: type[Flask] = Flask) -> Flask:
    """An app with one page."""
    app = flask(__name__)

    @app.route("/")
    def index() -> str:
        return "Hello World"

    return app


# Flask


@pytest.mark.section("API / Flask")
def test_an_app_is_a_wsgi_callable() -> None:
    called: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        called.append((status, headers))

    body = b"".join(hello_app()(create_environ("/"), start_response))

    ((status, headers),) = called
    assert (status, body) == ("200 OK", b"Hello World")
    assert ("Content-Type", "text/html; charset=utf-8") in headers
    assert ("Content-Length", "11") in headers


@pytest.mark.section("API / Flask", "API / Flask.open_resource", "API / Flask.root_path")
@pytest.mark.parametrize(
    ("module", "folder"), [("myapplication.py", ""), ("myapplication/__init__.py", "myapplication/")]
)
@pytest.mark.parametrize("imported", [True, False])
def test_resources_lie_next_to_a_module_or_inside_of_a_package(
    project: Project, module: str, folder: str, imported: bool
) -> None:
    project.write(module, "")
    project.write(f"{folder}schema.sql", "create table t (c)")
    project.write(f"{folder}templates/index.html", "the template")
    project.write(f"{folder}static/style.css", "h1 {}")
    if imported:
        project.load("myapplication")

    app = Flask("myapplication")
    app.add_url_rule("/", "index", lambda: render_template("index.html"))
    with app.open_resource("schema.sql") as resource:
        content = resource.read()

    assert content == b"create table t (c)"
    assert app.root_path == str(project.folder / folder).rstrip("/")
    assert app.test_client().get("/").text == "the template"
    assert app.test_client().get("/static/style.css").text == "h1 {}"


# add_url_rule


@pytest.mark.section("API / Flask.add_url_rule")
@pytest.mark.parametrize("arguments", [("/", "index"), ("index", "/")], ids=["documented", "as printed"])
def test_a_rule_and_a_view_function_make_what_route_makes(arguments: tuple[str, str]) -> None:
    app = Flask(__name__)

    app.add_url_rule(*arguments)
    app.view_functions["index"] = lambda: "the index"

    assert app.test_client().get("/").text == "the index"
    with app.test_request_context():
        assert url_for("index") == "/"


@pytest.mark.section("API / Flask.add_url_rule")
def test_add_url_rule_registers_no_view_function() -> None:
    app = Flask(__name__)

    app.add_url_rule("/", "index")

    assert "index" not in app.view_functions


@pytest.mark.section("API / Flask.add_url_rule")
def test_options_of_a_rule_are_passed_on() -> None:
    app = Flask(__name__)

    app.add_url_rule("/pages/<int:number>", "pages")
    app.add_url_rule("/pages", "pages", defaults={"number": 1}, methods=["GET", "POST"])
    app.view_functions["pages"] = lambda number: f"{request.method} {number}"

    client = app.test_client()
    assert client.get("/pages/2").text == "GET 2"
    assert client.post("/pages").text == "POST 1"
    assert client.post("/pages/2").status_code == 405


# before_request, after_request, and their lists


@pytest.mark.section("API / Flask.before_request", "API / Flask.preprocess_request")
def test_before_request_runs_before_the_view_and_its_value_is_the_response() -> None:
    app = hello_app()
    calls: list[str] = []

    @app.before_request
    def first() -> None:
        calls.append("first")

    @app.before_request
    def gate() -> tuple[str, int] | None:
        calls.append("gate")
        return ("closed", 503) if "closed" in request.args else None

    @app.before_request
    def last() -> None:
        calls.append("last")

    client = app.test_client()
    stopped, passed = client.get("/?closed"), client.get("/")

    assert (stopped.status_code, stopped.text) == (503, "closed")
    assert (passed.status_code, passed.text) == (200, "Hello World")
    assert calls == ["first", "gate", "first", "gate", "last"]


@pytest.mark.section("API / Flask.before_request", "API / g")
def test_what_before_request_stores_on_g_is_seen_by_the_view_and_after_it() -> None:
    app = Flask(__name__)

    @app.before_request
    def load_user() -> None:
        g.user = request.args["user"]

    @app.route("/")
    def index() -> str:
        return f"for {g.user}"

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-User"] = g.user
        return response

    response = app.test_client().get("/?user=ada")

    assert (response.text, response.headers["X-User"]) == ("for ada", "ada")


@pytest.mark.section("API / Flask.after_request")
def test_after_request_changes_the_response_or_returns_another() -> None:
    app = hello_app()

    @app.after_request
    def replace(response: Response) -> Response:
        return Response(f"{response.headers['X-Mark']} and replaced", status=202)

    @app.after_request
    def change(response: Response) -> Response:
        response.headers["X-Mark"] = "marked"
        return response

    response = app.test_client().get("/")

    assert (response.status_code, response.text) == (202, "marked and replaced")


@pytest.mark.section("API / Flask.after_request")
def test_after_request_runs_for_errors_and_for_what_before_request_answers() -> None:
    app = hello_app()

    @app.before_request
    def stop() -> str | None:
        return "stopped" if "stop" in request.args else None

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Mark"] = "marked"
        return response

    client = app.test_client()
    answers = [client.get("/"), client.get("/missing"), client.get("/?stop")]

    assert [answer.status_code for answer in answers] == [200, 404, 200]
    assert [answer.headers["X-Mark"] for answer in answers] == ["marked"] * 3


@pytest.mark.section("API / Flask.before_request_funcs", "API / Flask.after_request_funcs")
def test_the_hooks_are_in_lists_that_may_be_changed() -> None:
    app = hello_app()

    def stop() -> str:
        return "stopped"

    def mark(response: Response) -> Response:
        response.headers["X-Mark"] = "marked"
        return response

    assert (app.before_request_funcs, app.after_request_funcs) == ([], [])
    app.before_request_funcs.append(stop)
    app.after_request_funcs.append(mark)
    stopped = app.test_client().get("/")
    app.before_request_funcs.remove(stop)
    passed = app.test_client().get("/")

    assert (stopped.text, stopped.headers["X-Mark"]) == ("stopped", "marked")
    assert (passed.text, passed.headers["X-Mark"]) == ("Hello World", "marked")


@pytest.mark.section(
    "API / Flask.before_request",
    "API / Flask.after_request",
    "API / Flask.context_processor",
    "API / Flask.errorhandler",
    "API / Flask.route",
)
def test_a_decorator_returns_the_function_it_was_given() -> None:
    app = Flask(__name__)

    def function(*arguments: Any) -> Any: ...

    decorators: list[Callable[[Any], Any]] = [
        app.before_request,
        app.after_request,
        app.context_processor,
        app.errorhandler(404),
        app.route("/"),
    ]
    assert [decorator(function) for decorator in decorators] == [function] * len(decorators)


# context_processor, template_context_processors, update_template_context


@pytest.mark.section("API / Flask.context_processor", "API / Flask.template_context_processors")
def test_context_processors_add_to_each_template() -> None:
    app = Flask(__name__)

    @app.context_processor
    def names() -> dict[str, Any]:
        return {"owner": "ada", "theme": "dark"}

    app.template_context_processors.append(lambda: {"version": 3})

    with app.test_request_context():
        text = render_template_string("{{ owner }} {{ theme }} {{ version }}", theme="light")

    assert text == "ada light 3"


@pytest.mark.section("API / Flask.update_template_context")
def test_update_template_context_injects_request_session_and_g_in_place() -> None:
    app = Flask(__name__)
    context: dict[str, Any] = {"name": "ada"}

    with app.test_request_context("/page"):
        g.user = "bob"
        app.update_template_context(context)
        found = context["request"].path, context["g"].user, dict(context["session"])

    assert found == ("/page", "bob", {})
    assert context["name"] == "ada"


# create_jinja_loader, jinja_env, jinja_options


class InMemory(Flask):
    """Has its templates in a dictionary."""

    def create_jinja_loader(self) -> BaseLoader:
        return DictLoader({"page.html": "from memory: {{ value }}"})


@pytest.mark.section("API / Flask.create_jinja_loader", "API / Flask.jinja_env")
def test_another_loader_is_made_by_overriding_create_jinja_loader() -> None:
    app = InMemory(__name__)

    with app.test_request_context():
        text = render_template("page.html", value="<b>")

    assert text == "from memory: &lt;b&gt;"
    assert app.jinja_env.get_template("page.html").render(value=1) == "from memory: 1"


@pytest.mark.section("API / Flask.create_jinja_loader")
def test_the_default_loader_looks_into_the_folder_templates(project: Project) -> None:
    project.write("application.py", "")
    project.write("templates/mail/welcome.txt", "welcome")
    project.write("outside.html", "no template")

    app = Flask("application")

    assert app.jinja_env.get_template("mail/welcome.txt").render() == "welcome"
    for name in ("outside.html", "../outside.html"):
        with pytest.raises(TemplateNotFound):
            app.jinja_env.get_template(name)


@pytest.mark.section("API / Flask.jinja_env")
def test_filters_and_globals_can_be_added_to_the_environment() -> None:
    app = hello_app()
    app.jinja_env.filters["shout"] = lambda text: f"{text.upper()}!"
    app.jinja_env.globals["project"] = "flaskr"

    with app.test_request_context():
        text = render_template_string("{{ project|shout }} {{ url_for('index') }}")

    assert text == "FLASKR! /"


@pytest.mark.section("API / Flask.jinja_options")
def test_autoescaping_is_an_option_that_is_on() -> None:
    class Unescaped(Flask):
        jinja_options = {"autoescape": False, "trim_blocks": True}  # noqa: RUF012 as the document has it

    app, unescaped = Flask(__name__), Unescaped(__name__)

    with app.test_request_context():
        escaped_text = render_template_string("{{ value }}", value="<b>")
    with unescaped.test_request_context():
        plain_text = render_template_string("{% if value %}\n{{ value }}{% endif %}", value="<b>")

    assert Flask.jinja_options["autoescape"] is True
    assert (escaped_text, plain_text) == ("&lt;b&gt;", "<b>")


@pytest.mark.section("API / Flask.jinja_options")
def test_the_blocks_with_and_autoescape_are_built_in() -> None:
    raw = "{% autoescape false %}{{ name }}{% endautoescape %}"

    with Flask(__name__).test_request_context():
        text = render_template_string("{% with name = '<b>' %}{{ name }}" + raw + "{% endwith %}")

    assert text == "&lt;b&gt;<b>"


# debug


@pytest.mark.section("API / Flask.debug")
def test_an_unhandled_exception_is_an_error_page_or_goes_to_the_debugger() -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        raise LookupError("nothing there")

    without = app.test_client().get("/")

    assert without.status == "500 INTERNAL SERVER ERROR"
    assert "nothing there" not in without.text
    app.debug = True
    with pytest.raises(LookupError, match="nothing there"):
        app.test_client().get("/")


@pytest.mark.section("API / Flask.debug")
def test_debug_is_off_by_default() -> None:
    assert not Flask(__name__).debug


# match_request, dispatch_request, preprocess_request, process_response


@pytest.mark.section("API / Flask.dispatch_request")
def test_dispatch_request_returns_what_the_view_or_the_handler_returned() -> None:
    app = hello_app()
    app.error_handlers[404] = lambda error: ("nothing here", 404)

    with app.test_request_context("/"):
        found = app.dispatch_request()
    with app.test_request_context("/missing"):
        missing = app.dispatch_request()
        response = app.make_response(missing)

    assert found == "Hello World"
    assert missing == ("nothing here", 404)
    assert (response.status_code, response.data) == (404, b"nothing here")


@pytest.mark.section("API / Flask.dispatch_request")
def test_dispatch_request_can_be_overridden() -> None:
    class Loud(Flask):
        def dispatch_request(self) -> Any:
            return super().dispatch_request().upper()

    assert hello_app(Loud).test_client().get("/").text == "HELLO WORLD"


def post_app(flask: type[Flask] = Flask) -> Flask:
    """An app with a rule that has a variable, and one that has none."""
    app = flask(__name__)

    @app.route("/post/<int:number>")
    def post(number: int) -> str:
        return f"post {number}"

    @app.route("/closed")
    def closed() -> str:
        return "closed for today"

    return app


@pytest.mark.section("API / Flask.match_request", "API / Request")
def test_match_request_stores_endpoint_and_view_arguments_on_the_request() -> None:
    app = post_app()

    with app.test_request_context("/post/42"):
        app.match_request()
        stored = request.endpoint, request.view_args

    assert stored == ("post", {"number": 42})


@pytest.mark.section("API / Flask.match_request")
def test_match_request_stores_the_exception_where_nothing_matches() -> None:
    app = post_app()

    with app.test_request_context("/missing"):
        with suppress(HTTPException):  # whether it is raised too, the document does not say
            app.match_request()
        endpoint, stored = request.endpoint, request.routing_exception

    assert endpoint is None
    assert isinstance(stored, NotFound)


@pytest.mark.section("API / Flask.match_request")
def test_an_overridden_match_request_decides_which_view_answers() -> None:
    class Closing(Flask):
        def match_request(self) -> tuple[str, dict[str, Any]]:
            request.endpoint, request.view_args = "closed", {}
            return "closed", {}

    response = post_app(Closing).test_client().get("/post/42")

    assert response.text == "closed for today"


@pytest.mark.section("API / Flask.match_request")
def test_an_overridden_match_request_can_change_the_view_arguments() -> None:
    class Doubling(Flask):
        def match_request(self) -> tuple[str, dict[str, Any]]:
            endpoint, values = super().match_request()
            request.view_args = {name: 2 * value for name, value in values.items()}
            return endpoint, request.view_args

    response = post_app(Doubling).test_client().get("/post/21")

    assert response.text == "post 42"


@pytest.mark.section("API / Flask.preprocess_request")
def test_preprocess_request_can_be_overridden() -> None:
    class Closing(Flask):
        def preprocess_request(self) -> Any:
            if "closed" in request.args:
                return "closed", 503
            return super().preprocess_request()

    client = hello_app(Closing).test_client()

    assert client.get("/?closed").status_code == 503
    assert client.get("/").text == "Hello World"


@pytest.mark.section("API / Flask.preprocess_request")
def test_preprocess_request_calls_the_functions_until_one_returns_a_value() -> None:
    app = hello_app()
    calls: list[str] = []
    app.before_request(lambda: calls.append("first"))
    app.before_request(lambda: "the value")
    app.before_request(lambda: calls.append("third"))

    with app.test_request_context("/"):
        value = app.preprocess_request()

    assert (value, calls) == ("the value", ["first"])


@pytest.mark.section("API / Flask.process_response")
def test_process_response_can_be_overridden_to_change_the_response() -> None:
    class Stamping(Flask):
        def process_response(self, response: Response) -> Response:
            processed = super().process_response(response)
            processed.headers["X-Stamp"] = "stamped"
            return processed

    app = hello_app(Stamping)

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Mark"] = "marked"
        return response

    response = app.test_client().get("/")

    assert (response.headers["X-Stamp"], response.headers["X-Mark"]) == ("stamped", "marked")


@pytest.mark.section("API / Flask.process_response")
def test_process_response_may_return_a_new_response() -> None:
    class Replacing(Flask):
        def process_response(self, response: Response) -> Response:
            return self.response_class("replaced", status=203)

    response = hello_app(Replacing).test_client().get("/")

    assert (response.status_code, response.text) == (203, "replaced")


# errorhandler, error_handlers


def with_decorator(app: Flask) -> None:
    @app.errorhandler(404)
    def page_not_found() -> tuple[str, int]:
        return "This page does not exist", 404


def with_dictionary(app: Flask) -> None:
    def page_not_found() -> tuple[str, int]:
        return "This page does not exist", 404

    app.error_handlers[404] = page_not_found


@pytest.mark.section("API / Flask.errorhandler", "API / Flask.error_handlers")
@pytest.mark.parametrize("register", [with_decorator, with_dictionary])
def test_an_error_handler_is_registered_by_code(register: Callable[[Flask], None]) -> None:
    app = hello_app()
    register(app)

    response = app.test_client().get("/missing")

    assert (response.status, response.text) == ("404 NOT FOUND", "This page does not exist")
    assert app.test_client().get("/").text == "Hello World"
    assert list(app.error_handlers) == [404]


@pytest.mark.section("API / Flask.errorhandler")
@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 418, 500, 503])
def test_an_error_handler_answers_abort(code: int) -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> None:
        abort(code)

    @app.errorhandler(code)
    def handle(error: Any) -> tuple[str, int]:
        return f"handled {error.code}", code

    response = app.test_client().get("/")

    assert (response.status_code, response.text) == (code, f"handled {code}")


@pytest.mark.section("API / Flask.errorhandler")
def test_the_handler_for_500_answers_an_unhandled_exception() -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        raise LookupError("nothing there")

    @app.errorhandler(500)
    def handle(error: Exception) -> tuple[str, int]:
        return f"sorry: {type(error).__name__}", 500

    response = app.test_client().get("/")

    assert (response.status_code, response.text) == (500, "sorry: LookupError")


# make_response


def wsgi_function(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A WSGI app that stands for another framework."""
    start_response("202 Accepted", [("Content-Type", "text/plain"), ("X-Path", environ["PATH_INFO"])])
    yield b"in two "
    yield b"parts"


@pytest.mark.section("API / Flask.make_response")
@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("text", "200 OK", "text/html; charset=utf-8", b"text"),
        ("grüße", "200 OK", "text/html; charset=utf-8", "grüße".encode()),
        (b"\x00\xff", "200 OK", "text/html; charset=utf-8", b"\x00\xff"),
        ("", "200 OK", "text/html; charset=utf-8", b""),
        (("text", 404), "404 NOT FOUND", "text/html; charset=utf-8", b"text"),
        (("text", "299 Nearly"), "299 Nearly", "text/html; charset=utf-8", b"text"),
        (("{}", 201, {"Content-Type": "text/css"}), "201 CREATED", "text/css", b"{}"),
        (("{}", 201, [("Content-Type", "text/css")]), "201 CREATED", "text/css", b"{}"),
        (("{}", 201, None, "application/json"), "201 CREATED", "application/json", b"{}"),
        (("{}", None, None, None, "text/x-own"), "200 OK", "text/x-own", b"{}"),
        (wsgi_function, "202 ACCEPTED", "text/plain", b"in two parts"),
    ],
)
def test_make_response_takes_what_views_do(value: Any, status: str, content_type: str, body: bytes) -> None:
    app = Flask(__name__)

    with app.test_request_context("/page"):
        response = app.make_response(value)

    assert isinstance(response, app.response_class)
    assert response.status.upper() == status.upper()
    assert response.headers["Content-Type"] == content_type
    assert response.data == body


@pytest.mark.section("API / Flask.make_response")
def test_a_response_is_returned_unchanged() -> None:
    app = Flask(__name__)
    response = Response("text", status=201)

    with app.test_request_context():
        assert app.make_response(response) is response


@pytest.mark.section("API / Flask.make_response")
def test_a_view_may_return_a_wsgi_function() -> None:
    app = Flask(__name__)
    app.add_url_rule("/page", "page", lambda: wsgi_function)

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Length"] = str(len(response.data))
        return response

    response = app.test_client().get("/page")

    assert (response.status_code, response.text) == (202, "in two parts")
    assert response.headers["X-Path"] == "/page"
    assert response.headers["X-Length"] == "12"


@pytest.mark.section("API / Flask.make_response")
@pytest.mark.parametrize("value", [None, 42, 4.2, object(), ()])
def test_other_values_are_an_error_that_names_the_endpoint(value: Any) -> None:
    app = Flask(__name__)
    app.debug = True
    app.add_url_rule("/", "the_index", lambda: value)

    with pytest.raises(TypeError, match="the_index"):
        app.test_client().get("/")


# open_resource


@pytest.mark.section("API / Flask.open_resource")
def test_resources_in_subfolders_are_named_with_slashes(project: Project) -> None:
    project.write("myapplication.py", "")
    project.write("schema.sql", "-- grüße")
    project.write("static/style.css", "h1 {}")
    project.write("templates/layout.html", "a layout")
    app = Flask("myapplication")

    with app.open_resource("schema.sql") as f:
        contents = f.read()
    with app.open_resource("static/style.css") as f:
        style = f.read()
    with app.open_resource("templates/layout.html", mode="r") as f:
        layout = f.read()

    assert (contents, style, layout) == ("-- grüße".encode(), b"h1 {}", "a layout")
    with pytest.raises(FileNotFoundError):
        app.open_resource("missing.sql")


# open_session, save_session


class Remembering(Flask):
    """Keeps its sessions in a dictionary; the cookie holds a number."""

    def __init__(self, package_name: str) -> None:
        super().__init__(package_name)
        self.kept: dict[str, dict[str, Any]] = {}

    def open_session(self, request: Request) -> Session:
        from flask_embed.sessions import Session

        number = request.cookies.get(self.session_cookie_name)
        return Session(dict(self.kept[number])) if number in self.kept else Session(new=True)

    def save_session(self, session: Session, response: Response) -> None:
        if session.modified:
            number = request.cookies.get(self.session_cookie_name) or str(len(self.kept))
            self.kept[number] = dict(session)
            response.set_cookie(self.session_cookie_name, number)


def counting_app(flask: type[Flask] = Flask) -> Flask:
    """Counts the visits of one page in the session, and only reads it on another."""
    app = flask(__name__)
    app.secret_key = "the key of this test"

    @app.route("/")
    def index() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return str(session["visits"])

    @app.route("/read")
    def read() -> str:
        return str(session.get("visits"))

    @app.route("/without")
    def without() -> str:
        return "no session"

    return app


@pytest.mark.section("API / Flask.open_session", "API / Flask.save_session")
def test_sessions_can_be_kept_elsewhere_by_overriding_two_methods() -> None:
    app = counting_app(Remembering)
    app.secret_key = None
    client, other = app.test_client(), app.test_client()

    texts = [client.get(url).text for url in ("/", "/", "/read", "/")] + [other.get("/").text]

    assert texts == ["1", "2", "2", "3", "1"]
    cookie = client.get_cookie("session")
    assert cookie is not None
    assert cookie.value == "0"


@pytest.mark.section("API / Flask.save_session")
def test_a_session_is_saved_only_if_it_was_changed() -> None:
    client = counting_app().test_client()

    unread, changed = client.get("/without"), client.get("/")
    read, later = client.get("/read"), client.get("/without")

    assert "Set-Cookie" in changed.headers
    assert [answer.headers.get("Set-Cookie") for answer in (unread, read, later)] == [None] * 3
    assert read.text == "1"


@pytest.mark.section("API / Flask.open_session", "API / Flask.save_session")
def test_a_session_is_opened_from_a_request_and_saved_to_a_response() -> None:
    app = counting_app()
    client = app.test_client()
    client.get("/")
    cookie = client.get_cookie("session")
    assert cookie is not None

    with app.test_request_context(headers={"Cookie": f"session={cookie.value}"}):
        opened = app.open_session(app.request_class(request.environ))
        content = dict(opened)
        opened["visits"] = 10
        response = app.response_class()
        app.save_session(opened, response)
    client.set_cookie("session", response.headers["Set-Cookie"].partition("=")[2].partition(";")[0])

    assert content == {"visits": 1}
    assert client.get("/read").text == "10"


# package_name, request_class, response_class


@pytest.mark.section("API / Flask.package_name")
def test_package_name_is_what_the_constructor_was_given() -> None:
    assert Flask(__name__).package_name == __name__


@pytest.mark.section("API / Flask.request_class", "API / Request")
def test_requests_are_of_the_apps_class() -> None:
    class Polite(Request):
        @property
        def greeting(self) -> str:
            return f"Good day, {self.args['name']}"

    class App(Flask):
        request_class = Polite

    app = App(__name__)

    @app.route("/")
    def index() -> str:
        current: Any = request
        return f"{current.greeting} {isinstance(request, Polite)}"

    assert Flask.request_class is Request
    assert app.test_client().get("/?name=Ada").text == "Good day, Ada True"


@pytest.mark.section("API / Flask.response_class", "API / Response")
def test_responses_are_of_the_apps_class() -> None:
    class Plain(Response):
        default_mimetype = "text/plain"

    app = hello_app()
    app.response_class = Plain

    response = app.test_client().get("/")

    assert Flask.response_class is Response
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert isinstance(response, Plain)


# request_context, test_request_context, test_client


@pytest.mark.section("API / Flask.request_context")
def test_request_context_binds_an_environ_for_the_length_of_a_block() -> None:
    app = Flask(__name__)
    environ = create_environ("/page?x=y", method="PUT")

    with app.request_context(environ):
        seen = request.method, request.path, request.args["x"]

    assert seen == ("PUT", "/page", "y")
    with pytest.raises(RuntimeError):
        str(request.method)


@pytest.mark.section("API / Flask.request_context")
def test_contexts_may_stand_inside_of_one_another() -> None:
    app = Flask(__name__)

    with app.test_request_context("/outer"):
        with app.test_request_context("/inner"):
            inner = request.path
        outer = request.path

    assert (inner, outer) == ("/inner", "/outer")


@pytest.mark.section("API / Flask.test_request_context")
def test_test_request_context_takes_what_werkzeug_takes() -> None:
    app = Flask(__name__)

    with app.test_request_context(
        "/page",
        "https://www.example.com/below/",
        query_string={"x": "y"},
        method="POST",
        data={"field": "value"},
        headers={"X-Mark": "marked"},
    ):
        url, form, header = request.url, request.form["field"], request.headers["X-Mark"]
        method, script_root = request.method, request.script_root

    assert url == "https://www.example.com/below/page?x=y"
    assert (form, header) == ("value", "marked")
    assert (method, script_root) == ("POST", "/below")


@pytest.mark.section("API / Flask.test_client")
def test_the_test_client_calls_the_app_and_keeps_cookies() -> None:
    app = counting_app()
    client, other = app.test_client(), app.test_client()

    assert [client.get("/").text, client.get("/").text, other.get("/").text] == ["1", "2", "1"]


# route


@pytest.mark.section("API / Flask.route")
def test_route_binds_rules_with_and_without_variables() -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        return "index"

    @app.route("/<username>")
    def show_user(username: str) -> str:
        return f"user {username}"

    @app.route("/post/<int:post_id>")
    def show_post(post_id: int) -> str:
        return f"post {post_id + 1}"

    client = app.test_client()

    assert [client.get(url).text for url in ("/", "/ada", "/post/41")] == ["index", "user ada", "post 42"]


@pytest.mark.section("API / Flask.route")
@pytest.mark.parametrize(
    ("url", "location"),
    [("/projects", "/projects/"), ("/projects?page=2", "/projects/?page=2")],
)
def test_a_missing_slash_at_the_end_is_redirected_to(url: str, location: str) -> None:
    app = Flask(__name__)

    @app.route("/projects/")
    def projects() -> str:
        return f"projects {request.args.get('page')}"

    client = app.test_client()
    answer, page = client.get(url), client.get(url, follow_redirects=True)

    assert answer.status_code == 308
    assert answer.headers["Location"] == location
    assert page.status_code == 200
    assert page.text.startswith("projects")


@pytest.mark.section("API / Flask.route")
def test_a_redirect_to_the_slash_stays_below_the_prefix_and_keeps_the_form() -> None:
    app = Flask(__name__)

    @app.route("/projects/", methods=["POST"])
    def projects() -> str:
        return request.form["name"]

    answer = app.test_client().post(
        "/projects", base_url="http://localhost/below/", data={"name": "flaskr"}, follow_redirects=True
    )

    assert (answer.status_code, answer.text) == (200, "flaskr")
    assert answer.request.url == "http://localhost/below/projects/"


@pytest.mark.section("API / Flask.route")
def test_a_slash_too_many_at_the_end_is_not_found() -> None:
    app = Flask(__name__)

    @app.route("/about")
    def about() -> str:
        return "about"

    client = app.test_client()

    assert client.get("/about").text == "about"
    assert client.get("/about/").status_code == 404


@pytest.mark.section("API / Flask.route")
def test_strict_slashes_can_be_switched_off() -> None:
    app = Flask(__name__)

    @app.route("/projects/", strict_slashes=False)
    def projects() -> str:
        return "projects"

    client = app.test_client()

    assert client.get("/projects").text == "projects"
    assert client.get("/projects/").text == "projects"


@pytest.mark.section("API / Flask.route")
def test_methods_limit_a_rule() -> None:
    app = Flask(__name__)

    @app.route("/", methods=["GET"])
    def show() -> str:
        return "shown"

    @app.route("/", methods=["POST", "PUT"])
    def store() -> str:
        return f"stored by {request.method}"

    client = app.test_client()
    refused = client.delete("/")

    assert client.get("/").text == "shown"
    assert client.put("/").text == "stored by PUT"
    assert (client.head("/").status_code, client.head("/").data) == (200, b"")
    assert refused.status_code == 405
    assert {"GET", "HEAD", "POST", "PUT"} <= set(refused.headers["Allow"].split(", "))


@pytest.mark.section("API / Flask.route")
def test_a_rule_may_be_for_a_subdomain() -> None:
    app = Flask(__name__)
    app.server_name = "example.com"

    @app.route("/")
    def index() -> str:
        return "the front page"

    @app.route("/", subdomain="admin")
    def admin() -> str:
        return "the office"

    @app.route("/home", subdomain="<user>")
    def home(user: str) -> str:
        return f"home of {user}"

    client = app.test_client()

    assert client.get("/", base_url="http://example.com").text == "the front page"
    assert client.get("/", base_url="http://admin.example.com").text == "the office"
    assert client.get("/home", base_url="http://ada.example.com").text == "home of ada"
    assert client.get("/home", base_url="http://example.com").status_code == 404


@pytest.mark.section("API / Flask.route")
def test_other_options_reach_the_rule() -> None:
    app = Flask(__name__)

    @app.route("/users/", defaults={"page": 1})
    @app.route("/users/page/<int:page>", endpoint="users")
    def users(page: int) -> str:
        return f"page {page} of {request.endpoint}"

    @app.route("/old", redirect_to="/users/")
    def old() -> str:
        return "never shown"

    client = app.test_client()

    assert client.get("/users/").text == "page 1 of users"
    assert client.get("/users/page/2").text == "page 2 of users"
    assert client.get("/old").headers["Location"] == "/users/"


# run


@pytest.mark.section("API / Flask.run")
def test_run_listens_on_localhost_at_port_5000_by_default() -> None:
    parameters = inspect.signature(Flask.run).parameters

    assert (parameters["host"].default, parameters["port"].default) == ("localhost", 5000)


@pytest.mark.section("API / Flask.run")
def test_run_passes_its_arguments_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []

    def run_simple(*arguments: Any, **options: Any) -> None:
        calls.append((*arguments, options))

    monkeypatch.setattr("werkzeug.serving.run_simple", run_simple)
    app = hello_app()

    app.run()
    app.run("0.0.0.0", 8080, processes=2, threaded=False)

    (first, second) = calls
    assert first[:2] == ("localhost", 5000)
    assert second[:2] == ("0.0.0.0", 8080)
    assert Client(first[2]).get("/").text == app.test_client().get("/").text
    assert second[3]["processes"] == 2
    assert second[3]["threaded"] is False


@pytest.mark.section("API / Flask.run")
@pytest.mark.parametrize("debug", [True, False])
def test_the_debug_flag_brings_reloader_and_debugger(monkeypatch: pytest.MonkeyPatch, debug: bool) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("werkzeug.serving.run_simple", lambda *arguments, **options: calls.append(options))
    by_flag, by_option = hello_app(), hello_app()

    by_flag.debug = debug
    by_flag.run()
    by_option.run(debug=debug)

    assert [(options["use_reloader"], options["use_debugger"]) for options in calls] == [(debug, debug)] * 2
    assert calls[0] == calls[1]
    assert by_option.debug is debug


@pytest.mark.section("API / Flask.run", "API / Flask.static_path")
def test_the_development_server_serves_static_files_and_takes_the_servers_options(project: Project) -> None:
    project.write(
        "application.py",
        """
        from flask_embed import Flask

        class Bare(Flask):
            static_path = None

        app = Flask(__name__)
        bare = Bare(__name__)

        if __name__ == "__main__":
            import sys

            served = {"app": app, "bare": bare}[sys.argv[1]]
            served.run(port=0, static_files={"/more": "more"})
        """,
    )
    project.write("static/name.txt", "a static file")
    project.write("more/name.txt", "one more")

    answers = {}
    for name in ("app", "bare"):
        with running([sys.executable, "application.py", name], project.folder) as server:
            port = server.wait_for(r"Running on http://\S+:(\d+)")[1]
            answers[name] = fetch(port, "/static/name.txt"), fetch(port, "/more/name.txt")

    assert [(answer.status, answer.text) for answer in answers["app"]] == [
        (200, "a static file"),
        (200, "one more"),
    ]
    assert [answer.status for answer in answers["bare"]] == [404, 200]


# session_cookie_name, static_path


@pytest.mark.section("API / Flask.session_cookie_name")
def test_the_session_cookie_has_the_name_that_is_set() -> None:
    app, other = counting_app(), counting_app()
    other.session_cookie_name = "visit"
    client, other_client = app.test_client(), other.test_client()

    client.get("/")
    other_client.get("/")

    assert Flask.session_cookie_name == "session"
    assert (client.get_cookie("session") is None, client.get_cookie("visit") is None) == (False, True)
    assert (other_client.get_cookie("session") is None, other_client.get_cookie("visit") is None) == (
        True,
        False,
    )
    assert other_client.get("/").text == "2"


@pytest.mark.section("API / Flask.secret_key")
def test_there_is_no_secret_key_by_default() -> None:
    assert Flask.secret_key is None
    assert Flask(__name__).secret_key is None


@pytest.mark.section("API / Flask.static_path")
@pytest.mark.parametrize(
    ("path", "found", "missing"),
    [("/static", "/static/name.txt", "/name.txt"), ("/assets", "/assets/name.txt", "/static/name.txt")],
)
def test_static_files_lie_below_static_path(project: Project, path: str, found: str, missing: str) -> None:
    class App(Flask):
        static_path = path

    project.write("application.py", "")
    project.write("static/name.txt", "a static file")
    app = App("application")

    client = app.test_client()

    assert Flask.static_path == "/static"
    assert client.get(found).text == "a static file"
    assert client.get(missing).status_code == 404
    with app.test_request_context():
        assert url_for("static", filename="name.txt") == found


@pytest.mark.section("API / Flask.static_path")
def test_without_a_static_path_there_is_no_rule(project: Project) -> None:
    class Bare(Flask):
        static_path = None

    project.write("application.py", "")
    project.write("static/name.txt", "a static file")

    app = Bare("application")

    assert app.test_client().get("/static/name.txt").status_code == 404
    assert [rule.endpoint for rule in app.url_map.iter_rules()] == []


# view_functions, wsgi_app


@pytest.mark.section("API / Flask.view_functions")
def test_view_functions_are_known_by_their_names() -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        return "the first"

    before = app.test_client().get("/").text
    registered = app.view_functions["index"]
    app.view_functions["index"] = lambda: "the second"

    assert registered is index
    assert before == "the first"
    assert app.test_client().get("/").text == "the second"


class Shouting:
    """Middleware that changes what the app sees and what it says."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = environ["PATH_INFO"].lower()
        return [part.upper() for part in self.app(environ, start_response)]


@pytest.mark.section("API / Flask.wsgi_app")
def test_middleware_is_put_around_wsgi_app() -> None:
    app = Flask(__name__)

    @app.route("/hello")
    def hello() -> str:
        return "hello"

    app.wsgi_app = Shouting(app.wsgi_app)  # type: ignore[method-assign]

    response = app.test_client().get("/HELLO")

    assert (response.status_code, response.text) == (200, "HELLO")
    assert hello() == "hello"


@pytest.mark.section("API / Flask.wsgi_app")
def test_a_response_of_werkzeug_is_made_one_of_the_app() -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> WerkzeugResponse:
        return WerkzeugResponse("from werkzeug", status=201, mimetype="text/plain")

    @app.route("/away")
    def away() -> WerkzeugResponse:
        return redirect("/")

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Class"] = type(response).__module__
        return response

    response = app.test_client().get("/")

    assert (response.status_code, response.text) == (201, "from werkzeug")
    assert response.headers["X-Class"] == Response.__module__
    assert app.test_client().get("/away").headers["X-Class"] == Response.__module__
