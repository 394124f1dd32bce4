"""The chapter API: useful functions and classes, message flashing and template rendering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import TemplateNotFound
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

import flask_embed
from flask_embed import (
    Flask,
    Markup,
    Response,
    abort,
    escape,
    flash,
    get_flashed_messages,
    redirect,
    render_template,
    render_template_string,
    request,
    url_for,
)

if TYPE_CHECKING:
    from tests.reference.project import Project

DOCUMENTED_NAMES = [
    "Flask",
    "Markup",
    "Request",
    "Response",
    "abort",
    "escape",
    "flash",
    "g",
    "get_flashed_messages",
    "redirect",
    "render_template",
    "render_template_string",
    "request",
    "session",
    "url_for",
]


@pytest.mark.section("API / Flask")
def test_all_documented_names_are_exported() -> None:
    assert sorted(set(DOCUMENTED_NAMES) - set(flask_embed.__all__)) == []
    assert [name for name in DOCUMENTED_NAMES if not hasattr(flask_embed, name)] == []


# url_for


@pytest.mark.section("API / url_for")
@pytest.mark.parametrize(
    ("endpoint", "values", "url"),
    [
        ("index", {}, "/"),
        ("post", {"number": 42}, "/post/42"),
        ("post", {"number": 42, "tab": "comments"}, "/post/42?tab=comments"),
        ("files", {"name": "a folder/a file"}, "/files/a%20folder/a%20file"),
        ("static", {"filename": "style.css"}, "/static/style.css"),
    ],
)
def test_url_for_fills_the_variables_of_a_rule(endpoint: str, values: dict[str, Any], url: str) -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "index")
    app.add_url_rule("/post/<int:number>", "post")
    app.add_url_rule("/files/<path:name>", "files")

    with app.test_request_context():
        assert url_for(endpoint, **values) == url


@pytest.mark.section("API / url_for")
def test_a_rule_that_url_for_does_not_know_is_an_error() -> None:
    with Flask(__name__).test_request_context(), pytest.raises(LookupError, match="missing"):
        url_for("missing")


# abort


@pytest.mark.section("API / abort")
@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 500, 503])
def test_abort_raises_the_exception_for_a_status(code: int) -> None:
    with pytest.raises(HTTPException) as raised:
        abort(code)

    assert raised.value.code == code


@pytest.mark.section("API / abort")
def test_abort_answers_with_the_page_of_the_status() -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        abort(404)

    response = app.test_client().get("/")

    assert response.status == "404 NOT FOUND"
    assert "<h1>Not Found</h1>" in response.text


# redirect


@pytest.mark.section("API / redirect")
@pytest.mark.parametrize("code", [301, 302, 303, 305, 307])
def test_redirect_returns_a_response_with_a_location(code: int) -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "index", lambda: redirect("/target?x=y", code))

    response = app.test_client().get("/")

    assert response.status_code == code
    assert response.headers["Location"] == "/target?x=y"
    assert "/target?x=y" in response.text


@pytest.mark.section("API / redirect")
def test_the_code_of_a_redirect_is_302_by_default() -> None:
    assert redirect("/target").status_code == 302


@pytest.mark.section("API / redirect")
@pytest.mark.parametrize("code", [200, 300, 304, 404])
def test_other_codes_are_no_redirects(code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        redirect("/target", code)


@pytest.mark.section("API / redirect")
def test_a_location_with_other_letters_is_encoded() -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "index", lambda: redirect("/größe?n=ä"))
    app.add_url_rule("/größe", "size", lambda: f"size {request.args['n']}")
    client = app.test_client()

    answer = client.get("/")

    assert answer.headers["Location"] == "/gr%C3%B6%C3%9Fe?n=%C3%A4"
    assert client.get("/", follow_redirects=True).text == "size ä"


@pytest.mark.section("API / redirect")
def test_the_class_of_a_redirect_can_be_passed() -> None:
    class Own(Response):
        default_mimetype = "text/x-own"

    assert isinstance(redirect("/target"), WerkzeugResponse)
    assert type(redirect("/target", Response=Own)) is Own
    assert type(redirect("/target", 301, WerkzeugResponse)) is WerkzeugResponse


@pytest.mark.section("API / redirect")
def test_a_redirect_is_a_wsgi_app() -> None:
    called: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        called.append((status, dict(headers)))

    with Flask(__name__).test_request_context():
        b"".join(redirect("/target")(request.environ, start_response))

    ((status, headers),) = called
    assert (status, headers["Location"]) == ("302 FOUND", "/target")


# escape, Markup


@pytest.mark.section("API / escape")
def test_escape_replaces_five_characters_and_marks_the_rest_as_safe() -> None:
    escaped = escape("&<>'\" and text")

    assert escaped == "&amp;&lt;&gt;&#39;&#34; and text"
    assert isinstance(escaped, Markup)
    assert escape(escaped) == escaped


class Link:
    """Something with a form in HTML."""

    def __html__(self) -> str:
        return '<a href="#">foo</a>'


@pytest.mark.section("API / Markup")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Hello <em>World</em>!", "Hello <em>World</em>!"),
        (Link(), '<a href="#">foo</a>'),
        (42, "42"),
    ],
)
def test_markup_takes_what_it_is_given_as_safe(value: Any, text: str) -> None:
    markup = Markup(value)

    assert (type(markup), str(markup)) == (Markup, text)


@pytest.mark.section("API / Markup")
def test_markup_is_a_string_whose_methods_escape_and_return_markup() -> None:
    joined = Markup("<br>").join(["<a>", Markup("<b>")])

    assert issubclass(Markup, str)
    assert Markup("<em>x</em>").__html__() == "<em>x</em>"
    assert (type(joined), joined) == (Markup, Markup("&lt;a&gt;<br><b>"))
    assert Markup("<em>{}</em>").format("<i>") == Markup("<em>&lt;i&gt;</em>")
    assert type(Markup("<em>").upper()) is Markup


@pytest.mark.section("API / Markup")
def test_operations_on_markup_escape_their_arguments() -> None:
    by_position = Markup("<em>%s</em>") % "foo & bar"
    by_name = Markup("<strong>%(text)s</strong>") % {"text": "<blink>hacker here</blink>"}
    added = Markup("<em>Hello</em> ") + "<foo>"

    assert by_position == Markup("<em>foo &amp; bar</em>")
    assert by_name == Markup("<strong>&lt;blink&gt;hacker here&lt;/blink&gt;</strong>")
    assert added == Markup("<em>Hello</em> &lt;foo&gt;")
    assert {type(by_position), type(by_name), type(added)} == {Markup}


@pytest.mark.section("API / Markup")
def test_markup_shows_itself_as_markup() -> None:
    assert repr(Markup("Hello <em>World</em>!")) == "Markup('Hello <em>World</em>!')"


@pytest.mark.section("API / Markup.escape")
def test_markup_escape_takes_everything_as_unsafe() -> None:
    escaped = Markup.escape("Hello <em>World</em>!")

    assert escaped == Markup("Hello &lt;em&gt;World&lt;/em&gt;!")
    assert type(escaped) is Markup


@pytest.mark.section("API / Markup.escape")
def test_markup_escape_of_a_subclass_returns_the_subclass() -> None:
    class Own(Markup):
        """Markup of another class."""

    assert type(Own.escape("<em>")) is Own
    assert Own.escape("<em>") == "&lt;em&gt;"


@pytest.mark.section("API / Markup.striptags")
def test_striptags_leaves_the_text_with_its_spaces_normalized() -> None:
    stripped = Markup("Main &raquo; \n\t <em>About</em>").striptags()

    assert stripped == "Main \xbb About"
    assert type(stripped) is str


@pytest.mark.section("API / Markup.unescape")
def test_unescape_resolves_entities_and_keeps_tags() -> None:
    unescaped = Markup("Main &raquo; <em>About</em>").unescape()

    assert unescaped == "Main \xbb <em>About</em>"
    assert type(unescaped) is str


# Message Flashing


def flashing_app() -> Flask:
    """Flashes on one page, and shows what was flashed, asking twice, on another."""
    app = Flask(__name__)
    app.secret_key = "the key of this test"

    @app.route("/flash/<message>")
    def keep(message: str) -> str:
        flash(message)
        return "kept"

    @app.route("/show")
    def show() -> list[Any]:
        return [get_flashed_messages(), get_flashed_messages()]

    @app.route("/both")
    def both() -> list[Any]:
        flash("at once")
        return get_flashed_messages()

    return app


@pytest.mark.section("API / flash", "API / get_flashed_messages")
def test_messages_are_kept_in_order_and_taken_out_once() -> None:
    client = flashing_app().test_client()
    client.get("/flash/first")
    client.get("/flash/second")

    shown, later = client.get("/show"), client.get("/show")

    assert shown.json == [["first", "second"], ["first", "second"]]
    assert later.json == [[], []]


@pytest.mark.section("API / flash")
def test_a_message_belongs_to_the_client_that_it_was_flashed_to() -> None:
    app = flashing_app()
    client, other = app.test_client(), app.test_client()
    client.get("/flash/hello")

    assert other.get("/show").json == [[], []]
    assert client.get("/show").json == [["hello"], ["hello"]]


@pytest.mark.section("API / get_flashed_messages")
def test_a_message_can_be_read_in_the_request_that_flashed_it() -> None:
    client = flashing_app().test_client()

    assert client.get("/both").json == ["at once"]
    assert client.get("/show").json == [[], []]


@pytest.mark.section("API / get_flashed_messages")
def test_a_template_takes_the_messages_escaped() -> None:
    app = flashing_app()
    source = "{% for message in get_flashed_messages() %}[{{ message }}]{% endfor %}"
    app.add_url_rule("/page", "page", lambda: render_template_string(source * 2))
    client = app.test_client()
    client.get("/flash/<b>")

    assert client.get("/page").text == "[&lt;b&gt;][&lt;b&gt;]"
    assert client.get("/page").text == ""


# Template Rendering


@pytest.mark.section("API / render_template")
def test_render_template_renders_a_file_with_the_variables(project: Project) -> None:
    project.write("application.py", "")
    project.write("templates/mail/hello.html", "Hello {{ name }}, {{ count + 1 }} at {{ request.path }}")

    with Flask("application").test_request_context("/page"):
        text = render_template("mail/hello.html", name="<ada>", count=1)
        with pytest.raises(TemplateNotFound, match=r"missing\.html"):
            render_template("missing.html")

    assert text == "Hello &lt;ada&gt;, 2 at /page"


@pytest.mark.section("API / render_template")
def test_a_variable_that_is_not_passed_is_empty(project: Project) -> None:
    project.write("application.py", "")
    project.write("templates/hello.html", "[{{ name }}]")

    with Flask("application").test_request_context():
        assert render_template("hello.html") == "[]"


@pytest.mark.section("API / render_template_string")
def test_render_template_string_renders_a_source_with_the_variables() -> None:
    app = Flask(__name__)
    app.add_url_rule("/post/<int:number>", "post")

    with app.test_request_context("/page"):
        text = render_template_string(
            "{{ name }} {{ request.path }} {{ url_for('post', number=number) }}", name="<ada>", number=42
        )

    assert text == "&lt;ada&gt; /page /post/42"


@pytest.mark.section("API / render_template_string")
def test_a_source_may_extend_a_template_of_the_folder(project: Project) -> None:
    project.write("application.py", "")
    project.write("templates/layout.html", "<main>{% block body %}{% endblock %}</main>")

    with Flask("application").test_request_context():
        source = "{% extends 'layout.html' %}{% block body %}{{ text }}{% endblock %}"
        text = render_template_string(source, text="hello")

    assert text == "<main>hello</main>"
