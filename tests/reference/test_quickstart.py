"""The chapter Quickstart: each of its examples, and what its text says comes out of it."""

from __future__ import annotations

import json
import sys
from base64 import urlsafe_b64decode
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Barrier
from typing import TYPE_CHECKING, Any

import gevent
import gevent.event
import pytest
from werkzeug.test import create_environ

from flask_embed import (
    Flask,
    Markup,
    abort,
    current_app,
    escape,
    flash,
    g,
    get_flashed_messages,
    redirect,
    render_template,
    request,
    secure_filename,
    session,
    url_for,
)
from tests.reference.servers import fetch, run, running

if TYPE_CHECKING:
    from pathlib import Path

    from werkzeug.wrappers import Response as WerkzeugResponse

    from tests.reference.project import Project

#: the script of "A Minimal Application", but for the port: a free one
HELLO = """
    from flask_embed import Flask

    app = Flask(__name__)

    @app.route("/")
    def hello_world():
        return "Hello World!"

    if __name__ == "__main__":
        app.run({arguments})
"""


# A Minimal Application


@pytest.mark.section("Quickstart / A Minimal Application")
def test_a_function_with_a_route_answers_its_url() -> None:
    app = Flask(__name__)

    @app.route("/")
    def hello_world() -> str:
        return "Hello World!"

    response = app.test_client().get("/")

    assert response.status == "200 OK"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.text == "Hello World!"


@pytest.mark.section("Quickstart / A Minimal Application")
@pytest.mark.parametrize("arguments", ["port=0", "host='127.0.0.1', port=0"])
def test_the_script_serves_until_it_is_interrupted(project: Project, arguments: str) -> None:
    project.write("hello.py", HELLO.format(arguments=arguments))

    with running([sys.executable, "hello.py"], project.folder) as server:
        port = server.wait_for(r"Running on http://(?:localhost|127\.0\.0\.1):(\d+)")[1]
        answer = fetch(port)
        status = server.interrupt()

    assert (answer.status, answer.text) == (200, "Hello World!")
    assert status == 0


@pytest.mark.section("Quickstart / A Minimal Application")
def test_the_script_serves_nothing_when_it_is_imported(project: Project) -> None:
    project.write("hello.py", HELLO.format(arguments="port=0"))

    done = run("-c", "import hello; print('imported', type(hello.app).__name__)", folder=project.folder)

    assert (done.returncode, done.stdout, done.stderr) == (0, "imported Flask\n", "")


@pytest.mark.section("Quickstart / A Minimal Application")
def test_a_script_finds_its_templates_and_static_files_next_to_it(project: Project) -> None:
    project.write(
        "hello.py",
        """
        from flask_embed import Flask, render_template

        app = Flask(__name__)

        @app.route("/")
        def index():
            return render_template("index.html")

        if __name__ == "__main__":
            client = app.test_client()
            print(client.get("/").text, client.get("/static/name.txt").text)
        """,
    )
    project.write("templates/index.html", "the template")
    project.write("static/name.txt", "the file")

    done = run(project.folder / "hello.py", folder=project.folder.parent)

    assert (done.stdout, done.stderr) == ("the template the file\n", "")


@pytest.mark.section("Quickstart / A Minimal Application")
def test_the_name_of_the_function_makes_its_url() -> None:
    app = Flask(__name__)

    @app.route("/some/where")
    def hello_world() -> str:
        return url_for("hello_world")

    assert app.test_client().get("/some/where").text == "/some/where"


# Debug Mode


@pytest.mark.section("Quickstart / Debug Mode")
@pytest.mark.parametrize("start", ["app.debug = True\napp.run(port=0)\n", "app.run(port=0, debug=True)\n"])
def test_both_ways_to_debug_show_the_debugger_and_reload_the_code(project: Project, start: str) -> None:
    source = """
        from flask_embed import Flask

        app = Flask(__name__)

        @app.route("/")
        def index():
            return "the {} version"

        @app.route("/broken")
        def broken():
            raise ValueError("the cable is unplugged")

        """
    script = project.write("application.py", source.format("first"), start)

    with running([sys.executable, script], project.folder) as server:
        port = server.wait_for(r"Running on http://\S+:(\d+)")[1]
        server.wait_for("Debugger is active")
        before = fetch(port)
        broken = fetch(port, "/broken")
        project.write("application.py", source.format("second"), start)
        server.wait_for("Debugger is active")
        after = fetch(port)

    assert before.text == "the first version"
    assert broken.status == 500
    assert "ValueError: the cable is unplugged" in broken.text
    assert "__debugger__" in broken.text
    assert after.text == "the second version"


@pytest.mark.section("Quickstart / Debug Mode")
def test_without_debug_the_server_tells_nothing_about_an_error(project: Project) -> None:
    project.write(
        "application.py",
        """
        from flask_embed import Flask

        app = Flask(__name__)

        @app.route("/")
        def broken():
            raise ValueError("the cable is unplugged")

        app.run(port=0)
        """,
    )

    with running([sys.executable, "application.py"], project.folder) as server:
        answer = fetch(server.wait_for(r"Running on http://\S+:(\d+)")[1])

    assert answer.status == 500
    assert "Internal Server Error" in answer.text
    assert "cable" not in answer.text
    assert "__debugger__" not in answer.text


# Routing


@pytest.mark.section("Quickstart / Routing")
def test_each_url_has_its_function() -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        return "Index Page"

    @app.route("/hello")
    def hello() -> str:
        return "Hello World"

    client = app.test_client()

    assert client.get("/").text == "Index Page"
    assert client.get("/hello").text == "Hello World"
    assert client.get("/other").status_code == 404


@pytest.mark.section("Quickstart / Routing")
def test_a_function_may_have_several_rules() -> None:
    app = Flask(__name__)

    @app.route("/")
    @app.route("/start")
    @app.route("/start/<page>")
    def start(page: str = "first") -> str:
        return page

    client = app.test_client()

    assert [client.get(url).text for url in ("/", "/start", "/start/second")] == ["first", "first", "second"]


# Variable Rules


@pytest.mark.section("Quickstart / Variable Rules")
def test_variable_parts_are_passed_as_keyword_arguments() -> None:
    app = Flask(__name__)

    @app.route("/user/<username>")
    def show_user_profile(*, username: str) -> str:
        return f"user {username!r}"

    @app.route("/post/<int:post_id>")
    def show_post(*, post_id: int) -> str:
        return f"post {post_id!r}"

    client = app.test_client()

    assert client.get("/user/ada").text == "user 'ada'"
    assert client.get("/post/42").text == "post 42"
    assert client.get("/post/first").status_code == 404


@pytest.mark.section("Quickstart / Variable Rules", "API / Flask.route")
@pytest.mark.parametrize(
    ("rule", "path", "expected"),
    [
        ("/<value>", "/word", "'word'"),
        ("/<value>", "/two/words", None),
        ("/<int:value>", "/42", "42"),
        ("/<int:value>", "/4.5", None),
        ("/<int:value>", "/forty", None),
        ("/<float:value>", "/4.5", "4.5"),
        ("/<float:value>", "/forty", None),
        ("/<path:value>", "/word", "'word'"),
        ("/<path:value>", "/two/words", "'two/words'"),
    ],
)
def test_a_converter_says_what_a_variable_part_accepts(rule: str, path: str, expected: str | None) -> None:
    app = Flask(__name__)

    @app.route(rule)
    def show(value: Any) -> str:
        return repr(value)

    response = app.test_client().get(path)

    if expected is None:
        assert response.status_code == 404
    else:
        assert response.text == expected


# URL Building


def site() -> Flask:
    """The app of the examples that build URLs."""
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        return "index"

    @app.route("/login")
    def login() -> str:
        return "login"

    @app.route("/user/<username>")
    def profile(username: str) -> str:
        return username

    return app


@pytest.mark.section("Quickstart / URL Building")
def test_url_for_builds_the_url_of_a_function() -> None:
    with site().test_request_context():
        built = [url_for("index"), url_for("login"), url_for("profile", username="John Doe")]

    assert built == ["/", "/login", "/user/John%20Doe"]


@pytest.mark.section("Quickstart / URL Building")
@pytest.mark.parametrize("username", ["John Doe", "Jörg", "日本", "a&b=c", "50%", "<b>", "what?", "#1"])
def test_special_characters_survive_the_way_through_a_url(username: str) -> None:
    app = site()
    with app.test_request_context():
        url = url_for("profile", username=username)

    response = app.test_client().get(url)

    assert url.isascii()
    assert response.text == username


@pytest.mark.section("Quickstart / URL Building")
def test_urls_begin_with_the_place_that_the_app_is_put_at() -> None:
    with site().test_request_context(base_url="http://localhost/myapplication/"):
        built = [url_for("index"), url_for("login"), url_for("static", filename="style.css")]

    assert built == ["/myapplication/", "/myapplication/login", "/myapplication/static/style.css"]


# HTTP Methods


def methods_app() -> Flask:
    """An app with a rule for each set of methods that the section names."""
    app = Flask(__name__)

    @app.route("/login", methods=["GET", "POST"])
    def login() -> str:
        return "do the login" if request.method == "POST" else "show the form"

    @app.route("/page")
    def page() -> str:
        return "a page"

    @app.route("/document", methods=["PUT", "DELETE"])
    def document() -> str:
        return f"{request.method} {request.get_data(as_text=True)}".strip()

    return app


@pytest.mark.section("Quickstart / HTTP Methods")
def test_one_function_answers_several_methods() -> None:
    client = methods_app().test_client()

    assert client.get("/login").text == "show the form"
    assert client.post("/login").text == "do the login"


@pytest.mark.section("Quickstart / HTTP Methods")
def test_a_rule_answers_get_alone_by_default() -> None:
    client = methods_app().test_client()

    refused = client.post("/page")

    assert client.get("/page").status_code == 200
    assert refused.status_code == 405
    assert {"GET", "HEAD"} <= {method.strip() for method in refused.headers["Allow"].split(",")}


@pytest.mark.section("Quickstart / HTTP Methods")
@pytest.mark.parametrize("path", ["/page", "/login"])
def test_head_is_added_to_get_and_answered_without_a_body(path: str) -> None:
    client = methods_app().test_client()

    got, head = client.get(path), client.head(path)

    assert head.status == "200 OK"
    assert head.headers.to_wsgi_list() == got.headers.to_wsgi_list()
    assert (head.data, head.headers["Content-Length"]) == (b"", str(len(got.data)))


@pytest.mark.section("Quickstart / HTTP Methods")
def test_head_is_not_added_where_get_is_missing() -> None:
    assert methods_app().test_client().head("/document").status_code == 405


@pytest.mark.section("Quickstart / HTTP Methods")
def test_put_and_delete_reach_their_function() -> None:
    client = methods_app().test_client()

    assert client.put("/document", data="new text").text == "PUT new text"
    assert client.delete("/document").text == "DELETE"
    assert client.get("/document").status_code == 405


# Static Files


@pytest.mark.section("Quickstart / Static Files")
def test_a_folder_named_static_is_served(project: Project) -> None:
    project.write("application.py", "from flask_embed import Flask\napp = Flask(__name__)\n")
    project.write("static/style.css", "h1 { color: teal }\n")
    app: Flask = project.load("application").app
    with app.test_request_context():
        url = url_for("static", filename="style.css")

    response = app.test_client().get(url)

    assert url == "/static/style.css"
    assert response.status == "200 OK"
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert response.text == "h1 { color: teal }\n"
    assert app.test_client().get("/static/missing.css").status_code == 404


# Rendering Templates

HELLO_VIEW = """
    from flask_embed import Flask, render_template

    app = Flask(__name__)

    @app.route("/hello/")
    @app.route("/hello/<name>")
    def hello(name=None):
        return render_template("hello.html", name=name)
"""

HELLO_TEMPLATE = """
    <!doctype html>
    <title>A greeting</title>
    {% if name %}
      <h1>Hello {{ name }}!</h1>
    {% else %}
      <h1>Hello World!</h1>
    {% endif %}
"""


@pytest.mark.section("Quickstart / Rendering Templates")
@pytest.mark.parametrize(
    ("module", "template"),
    [
        ("application.py", "templates/hello.html"),
        ("application/__init__.py", "application/templates/hello.html"),
    ],
)
def test_templates_lie_next_to_a_module_or_in_a_package(project: Project, module: str, template: str) -> None:
    project.write(module, HELLO_VIEW)
    project.write(template, HELLO_TEMPLATE)
    client = project.load("application").app.test_client()

    plain, named = client.get("/hello/"), client.get("/hello/Ada")

    assert plain.headers["Content-Type"] == "text/html; charset=utf-8"
    assert plain.text.startswith("<!doctype html>\n<title>A greeting</title>\n")
    assert "<h1>Hello World!</h1>" in plain.text
    assert "<h1>Hello Ada!</h1>" in named.text


@pytest.mark.section("Quickstart / Rendering Templates")
def test_what_is_passed_to_a_template_is_escaped(project: Project) -> None:
    project.write("application.py", HELLO_VIEW)
    project.write("templates/hello.html", HELLO_TEMPLATE)

    response = project.load("application").app.test_client().get("/hello/%3Cscript%3E")

    assert "<h1>Hello &lt;script&gt;!</h1>" in response.text


@pytest.mark.section("Quickstart / Rendering Templates")
def test_markup_and_the_filter_safe_are_not_escaped(project: Project) -> None:
    project.write("application.py", "from flask_embed import Flask\napp = Flask(__name__)\n")
    project.write("templates/page.html", "{{ trusted }} {{ text|safe }} {{ text }}")

    with project.load("application").app.test_request_context():
        page = render_template("page.html", trusted=Markup("<em>wiki</em>"), text="<b>bold</b>")

    assert page == "<em>wiki</em> <b>bold</b> &lt;b&gt;bold&lt;/b&gt;"


@pytest.mark.section("Quickstart / Rendering Templates")
def test_a_template_sees_request_session_g_and_the_flashed_messages(project: Project) -> None:
    project.write(
        "application.py",
        """
        from flask_embed import Flask, flash, g, render_template, session

        app = Flask(__name__)
        app.secret_key = "a key for this test"

        @app.route("/page")
        def page():
            session["theme"] = "dark"
            g.user = "ada"
            flash("saved")
            return render_template("page.html")
        """,
    )
    project.write(
        "templates/page.html",
        "{{ request.path }} {{ session.theme }} {{ g.user }} {{ get_flashed_messages()|join }} {{ url_for('page') }}",
    )

    response = project.load("application").app.test_client().get("/page")

    assert response.text == "/page dark ada saved /page"


@pytest.mark.section("Quickstart / Rendering Templates")
def test_markup_escapes_what_is_put_into_it() -> None:
    greeting = Markup("<strong>Hello %s!</strong>") % "<blink>hacker</blink>"

    assert greeting == Markup("<strong>Hello &lt;blink&gt;hacker&lt;/blink&gt;!</strong>")
    assert Markup.escape("<blink>hacker</blink>") == Markup("&lt;blink&gt;hacker&lt;/blink&gt;")
    assert Markup("<em>Marked up</em> &raquo; HTML").striptags() == "Marked up \xbb HTML"


# Accessing Request Data: Context Locals


@pytest.mark.section("Quickstart / Context Locals")
def test_a_request_can_be_made_up_for_the_length_of_a_block() -> None:
    app = Flask(__name__)

    with app.test_request_context("/hello", method="POST"):
        path, method = request.path, request.method

    assert (path, method) == ("/hello", "POST")
    with pytest.raises(RuntimeError, match="test_request_context"):
        request.path  # noqa: B018 reading it is the test


@pytest.mark.section("Quickstart / Context Locals")
def test_a_wsgi_environment_can_be_bound() -> None:
    app = Flask(__name__)
    environ = create_environ("/hello", method="POST")

    with app.request_context(environ):
        method, bound = request.method, request.environ

    assert method == "POST"
    assert bound is environ


@pytest.mark.section("Quickstart / Context Locals")
def test_each_thread_has_its_own_request() -> None:
    app = Flask(__name__)
    both_are_inside = Barrier(2, timeout=10)

    @app.route("/")
    def index() -> str:
        g.name = request.args["name"]
        both_are_inside.wait()
        return f"{request.args['name']} {g.name}"

    with ThreadPoolExecutor(2) as threads:
        texts = list(threads.map(lambda name: app.test_client().get(f"/?name={name}").text, ["ada", "bob"]))

    assert texts == ["ada ada", "bob bob"]


@pytest.mark.section("Quickstart / Context Locals")
def test_each_greenlet_has_its_own_request() -> None:
    app = Flask(__name__)
    second_was_here = gevent.event.Event()

    @app.route("/first")
    def first() -> str:
        g.name = "first"
        second_was_here.wait(10)
        return f"{request.path} {g.name}"

    @app.route("/second")
    def second() -> str:
        g.name = "second"
        second_was_here.set()
        return f"{request.path} {g.name}"

    client = app.test_client()
    greenlets = [gevent.spawn(client.get, path) for path in ("/first", "/second")]
    gevent.joinall(greenlets, timeout=10, raise_error=True)

    assert [greenlet.get().text for greenlet in greenlets] == ["/first first", "/second second"]


@pytest.mark.section("Quickstart / Context Locals")
def test_an_app_may_call_another_app_inside_of_a_request() -> None:
    inner, outer = Flask("inner"), Flask("outer")

    @inner.route("/inner")
    def inside() -> str:
        return f"{current_app.package_name} at {request.path}"

    @outer.route("/outer")
    def outside() -> str:
        called = inner.test_client().get("/inner").text
        return f"{called}, {current_app.package_name} at {request.path}"

    assert outer.test_client().get("/outer").text == "inner at /inner, outer at /outer"


# Accessing Request Data: The Request Object


def login_app() -> Flask:
    """The log-in of the section: a form, its two fields, and an error for the wrong ones."""
    app = Flask(__name__)

    @app.route("/login", methods=["POST", "GET"])
    def login() -> str:
        error = None
        if request.method == "POST":
            if (request.form["username"], request.form["password"]) == ("ada", "secret"):
                return f"welcome, {request.form['username']}"
            error = "Invalid username/password"
        return f"the form ({error})"

    return app


@pytest.mark.section("Quickstart / The Request Object")
def test_form_data_of_a_post_is_read_from_form() -> None:
    client = login_app().test_client()

    assert client.get("/login").text == "the form (None)"
    assert client.post("/login", data={"username": "ada", "password": "secret"}).text == "welcome, ada"
    wrong = client.post("/login", data={"username": "ada", "password": "guess"})
    assert wrong.text == "the form (Invalid username/password)"


@pytest.mark.section("Quickstart / The Request Object")
def test_a_missing_field_is_a_bad_request() -> None:
    response = login_app().test_client().post("/login", data={"username": "ada"})

    assert response.status == "400 BAD REQUEST"
    assert "Bad Request" in response.text


@pytest.mark.section("Quickstart / The Request Object")
def test_a_missing_field_is_a_bad_request_in_debug_too() -> None:
    app = login_app()
    app.debug = True

    assert app.test_client().post("/login", data={"username": "ada"}).status_code == 400


@pytest.mark.section("Quickstart / The Request Object")
def test_a_missing_field_can_be_caught_as_a_key_error() -> None:
    app = Flask(__name__)

    @app.route("/", methods=["POST"])
    def index() -> str:
        try:
            return request.form["username"]
        except KeyError:
            return "nobody"

    response = app.test_client().post("/", data={})

    assert (response.status_code, response.text) == (200, "nobody")


@pytest.mark.section("Quickstart / The Request Object")
def test_parameters_of_the_url_are_read_from_args() -> None:
    app = Flask(__name__)

    @app.route("/search")
    def search() -> str:
        return f"got {request.args.get('q', '')!r}"

    @app.route("/strict")
    def strict() -> str:
        return request.args["q"]

    client = app.test_client()

    assert client.get("/search?q=tea+time").text == "got 'tea time'"
    assert client.get("/search").text == "got ''"
    assert client.get("/strict").status_code == 400


# Accessing Request Data: File Uploads


def upload_app(folder: Path) -> Flask:
    """An app that keeps uploaded files in *folder*."""
    app = Flask(__name__)

    @app.route("/upload", methods=["GET", "POST"])
    def upload_file() -> str:
        if request.method == "POST":
            file = request.files["the_file"]
            file.save(folder / "uploaded_file.txt")
            return "stored"
        return "the form"

    @app.route("/named", methods=["POST"])
    def upload_named() -> str:
        file = request.files["the_file"]
        name = secure_filename(file.filename or "")
        file.save(folder / name)
        return f"{file.filename} as {name}"

    @app.route("/read", methods=["POST"])
    def read() -> bytes:
        file = request.files["the_file"]
        content: bytes = file.readline() + b"|" + file.read()
        return content

    return app


@pytest.mark.section("Quickstart / File Uploads")
def test_an_uploaded_file_is_saved(tmp_path: Path) -> None:
    client = upload_app(tmp_path).test_client()

    response = client.post("/upload", data={"the_file": (BytesIO(b"\x00some bytes\xff"), "notes.txt")})

    assert response.text == "stored"
    assert (tmp_path / "uploaded_file.txt").read_bytes() == b"\x00some bytes\xff"
    assert client.get("/upload").text == "the form"


@pytest.mark.section("Quickstart / File Uploads")
def test_a_forged_file_name_stays_in_the_folder(tmp_path: Path) -> None:
    client = upload_app(tmp_path).test_client()

    response = client.post("/named", data={"the_file": (BytesIO(b"text"), "../../etc/passwd")})

    assert response.text == "../../etc/passwd as etc_passwd"
    assert (tmp_path / "etc_passwd").read_bytes() == b"text"


@pytest.mark.section("Quickstart / File Uploads")
def test_an_uploaded_file_is_read_like_any_file(tmp_path: Path) -> None:
    client = upload_app(tmp_path).test_client()

    response = client.post("/read", data={"the_file": (BytesIO(b"one\ntwo\n"), "lines.txt")})

    assert response.data == b"one\n|two\n"


@pytest.mark.section("Quickstart / File Uploads")
def test_a_form_without_the_enctype_brings_no_file(tmp_path: Path) -> None:
    client = upload_app(tmp_path).test_client()

    response = client.post("/upload", data={"the_file": "notes.txt"})

    assert response.status_code == 400
    assert list(tmp_path.iterdir()) == []


# Accessing Request Data: Cookies


@pytest.mark.section("Quickstart / Cookies")
def test_cookies_that_the_client_sends_are_in_a_dictionary() -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        return f"{dict(request.cookies)} {request.cookies.get('size')}"

    client = app.test_client()
    client.set_cookie("theme", "dark")
    client.set_cookie("language", "en")

    response = client.get("/")

    assert response.text == "{'theme': 'dark', 'language': 'en'} None"


# Redirects and Errors


def redirecting_app() -> Flask:
    """Redirects the index to a page that it then refuses."""
    app = Flask(__name__)

    @app.route("/")
    def index() -> WerkzeugResponse:
        return redirect(url_for("login"))

    @app.route("/login")
    def login() -> str:
        abort(401)
        return "never said"

    return app


@pytest.mark.section("Quickstart / Redirects and Errors")
def test_redirect_sends_elsewhere_and_abort_ends_early() -> None:
    client = redirecting_app().test_client()

    first, second = client.get("/"), client.get("/", follow_redirects=True)

    assert (first.status, first.headers["Location"]) == ("302 FOUND", "/login")
    assert second.status == "401 UNAUTHORIZED"
    assert "never said" not in second.text


@pytest.mark.section("Quickstart / Redirects and Errors")
@pytest.mark.parametrize(("code", "name"), [(401, "Unauthorized"), (403, "Forbidden"), (404, "Not Found")])
def test_each_error_has_a_plain_page(code: int, name: str) -> None:
    app = Flask(__name__)

    @app.route("/")
    def index() -> None:
        abort(code)

    response = app.test_client().get("/")

    assert response.status_code == code
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"<h1>{name}</h1>" in response.text


@pytest.mark.section("Quickstart / Redirects and Errors")
def test_an_error_handler_renders_the_page_and_says_the_status(project: Project) -> None:
    project.write(
        "application.py",
        """
        from flask_embed import Flask, render_template

        app = Flask(__name__)

        @app.errorhandler(404)
        def page_not_found(error):
            return render_template("page_not_found.html", error=error), 404

        @app.errorhandler(403)
        def forbidden(error):
            return "all went well"

        @app.route("/forbidden")
        def refuse():
            from flask_embed import abort
            abort(403)
        """,
    )
    project.write("templates/page_not_found.html", "<h1>Nothing here</h1> {{ error.code }}")
    client = project.load("application").app.test_client()

    missing, forbidden = client.get("/missing"), client.get("/forbidden")

    assert (missing.status, missing.text) == ("404 NOT FOUND", "<h1>Nothing here</h1> 404")
    assert (forbidden.status, forbidden.text) == ("200 OK", "all went well")


# Sessions


def session_app() -> Flask:
    """Remembers who logged in."""
    app = Flask(__name__)
    app.secret_key = "the key of this test"

    @app.route("/")
    def index() -> str:
        if "username" in session:
            return f"Logged in as {escape(session['username'])}"
        return "You are not logged in"

    @app.route("/login", methods=["GET", "POST"])
    def login() -> WerkzeugResponse | str:
        if request.method == "POST":
            session["username"] = request.form["username"]
            return redirect(url_for("index"))
        return '<form action="" method="post"><input name="username"></form>'

    @app.route("/logout")
    def logout() -> WerkzeugResponse:
        session.pop("username", None)
        return redirect(url_for("index"))

    return app


@pytest.mark.section("Quickstart / Sessions")
def test_a_session_lasts_from_one_request_to_the_next_until_it_is_emptied() -> None:
    client = session_app().test_client()
    other = client.application.test_client()

    texts = [
        client.get("/").text,
        client.post("/login", data={"username": "<ada>"}, follow_redirects=True).text,
        client.get("/").text,
        other.get("/").text,
        client.get("/logout", follow_redirects=True).text,
        client.get("/").text,
    ]

    assert texts == [
        "You are not logged in",
        "Logged in as &lt;ada&gt;",
        "Logged in as &lt;ada&gt;",
        "You are not logged in",
        "You are not logged in",
        "You are not logged in",
    ]
    assert 'name="username"' in client.get("/login").text


@pytest.mark.section("Quickstart / Sessions")
def test_logging_out_without_being_logged_in_is_no_error() -> None:
    assert session_app().test_client().get("/logout").status_code == 302


def session_cookie(app: Flask, username: str) -> str:
    """The cookie that *app* gives to who logs in."""
    client = app.test_client()
    client.post("/login", data={"username": username})
    cookie = client.get_cookie("session")
    assert cookie is not None
    return cookie.value


def greeting_for(app: Flask, cookie: str) -> str:
    """The answer of *app* to a browser that sends this cookie."""
    client = app.test_client()
    client.set_cookie("session", cookie)
    return client.get("/").text


@pytest.mark.section("Quickstart / Sessions")
def test_the_user_can_read_the_cookie_and_not_change_it() -> None:
    app = session_app()
    cookie = session_cookie(app, "ada")
    content, dot, signature = cookie.partition(".")

    seen = json.loads(urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    other_content = session_cookie(app, "bob").partition(".")[0]

    assert seen == {"username": "ada"}
    assert greeting_for(app, cookie) == "Logged in as ada"
    assert greeting_for(app, other_content + dot + signature) == "You are not logged in"
    assert greeting_for(app, content) == "You are not logged in"


@pytest.mark.section("Quickstart / Sessions")
def test_another_key_opens_no_session() -> None:
    app, same, other = session_app(), session_app(), session_app()
    other.secret_key = "another key"
    cookie = session_cookie(app, "ada")

    assert greeting_for(same, cookie) == "Logged in as ada"
    assert greeting_for(other, cookie) == "You are not logged in"


@pytest.mark.section("Quickstart / Sessions", "API / Flask.secret_key")
def test_a_session_needs_a_secret_key() -> None:
    app = session_app()
    app.secret_key = None
    app.debug = True
    client = app.test_client()

    assert client.get("/").text == "You are not logged in"
    with pytest.raises(RuntimeError, match="secret_key"):
        client.post("/login", data={"username": "ada"})


# Message Flashing


@pytest.mark.section("Quickstart / Message Flashing")
def test_a_message_is_seen_in_the_next_request_and_only_there() -> None:
    app = Flask(__name__)
    app.secret_key = "the key of this test"

    @app.route("/save")
    def save() -> str:
        flash("It was saved")
        return "saved"

    @app.route("/quiet")
    def quiet() -> str:
        return "nothing to tell"

    @app.route("/tell")
    def tell() -> list[Any]:
        return get_flashed_messages()

    client = app.test_client()
    client.get("/save")
    client.get("/quiet")

    first, second = client.get("/tell"), client.get("/tell")

    assert first.json == ["It was saved"]
    assert second.json == []
