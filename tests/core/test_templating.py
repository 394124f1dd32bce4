"""Templates: what they see, and that everything is escaped."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import DictLoader, TemplateNotFound, TemplateSyntaxError

from flask_embed import Flask, escape, flash, g, render_template, render_template_string, session

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Template


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask(__name__)
    app.root_path = str(tmp_path)
    app.secret_key = "key"
    (tmp_path / "templates").mkdir()
    (tmp_path / "secret.html").write_text("secret")
    return app


@pytest.mark.parametrize("name", ["page.html", "page.htm", "page.xml", "page.svg", "page.txt", "page"])
def test_every_template_is_escaped(app: Flask, tmp_path: Path, name: str) -> None:
    (tmp_path / "templates" / name).write_text("{{ x }}")
    with app.test_request_context():
        assert render_template(name, x="<script>") == "&lt;script&gt;"
        assert render_template_string("{{ x }}", x="<script>") == "&lt;script&gt;"


def test_a_template_sees_the_request_the_session_and_g(app: Flask) -> None:
    with app.test_request_context("/path?a=1"):
        session["user"] = "ada"
        g.theme = "dark"
        source = "{{ request.path }} {{ request.args.a }} {{ session.user }} {{ session.nobody }} {{ g.theme }}"
        assert render_template_string(source) == "/path 1 ada  dark"
        flash("<b>")
        assert render_template_string("{{ get_flashed_messages()[0] }}") == "&lt;b&gt;"
        assert render_template_string("{{ url_for('static', filename='x.css') }}") == "/static/x.css"


def test_a_template_that_does_not_use_the_session_does_not_open_it(app: Flask) -> None:
    app.route("/plain", endpoint="plain")(lambda: render_template_string("{{ request.path }}"))
    app.route("/used", endpoint="used")(lambda: render_template_string("{{ session.user }}"))
    client = app.test_client()
    assert "Vary" not in client.get("/plain").headers
    assert client.get("/used").headers["Vary"] == "Cookie"


def test_a_value_of_the_view_wins_over_a_processors(app: Flask) -> None:
    app.context_processor(lambda: {"name": "processor", "other": "processor"})
    with app.test_request_context():
        assert render_template_string("{{ name }} {{ other }} {{ request }}", name="view", request="own") == (
            "view processor own"
        )


@pytest.mark.parametrize("name", ["../secret.html", "/etc/passwd", "a\0b", "..\\secret.html", "", ".", "missing.html"])
def test_a_name_outside_the_folder_is_not_found(app: Flask, name: str) -> None:
    with app.test_request_context(), pytest.raises(TemplateNotFound):
        render_template(name)


def test_the_loader_and_the_options_can_be_replaced() -> None:
    class Own(Flask):
        jinja_options = {**Flask.jinja_options, "trim_blocks": True}  # noqa: RUF012

        def create_jinja_loader(self) -> DictLoader:
            return DictLoader({"a.html": "{% if x %}\n{{ x }}{% endif %}"})

    app = Own(__name__)
    app.jinja_env.filters["shout"] = str.upper
    with app.test_request_context():
        assert render_template("a.html", x="<") == "&lt;"
        assert render_template_string("{{ 'x'|shout }}") == "X"
    assert app.jinja_env is app.jinja_env


def test_rendering_needs_a_request(app: Flask) -> None:
    with pytest.raises(RuntimeError, match="test_request_context"):
        render_template_string("")


# Templates from strings are compiled once


def _compilations(app: Flask) -> list[str]:
    """What is compiled from now on."""
    compiled: list[str] = []
    compile_one = app.jinja_env.from_string

    def noting(source: Any, *args: Any, **options: Any) -> Template:
        compiled.append(source)
        return compile_one(source, *args, **options)

    app.jinja_env.from_string = noting  # type: ignore[method-assign]
    return compiled


def test_a_string_is_compiled_once_and_rendered_with_each_ones_values(app: Flask) -> None:
    compiled = _compilations(app)

    for name in ("ada", "<grace>", "ada"):
        with app.test_request_context(f"/{name}"):
            assert render_template_string("{{ name }} {{ request.path }}", name=name) == escape(f"{name} /{name}")

    assert len(compiled) == 1


def test_so_many_strings_are_kept_and_no_long_one(app: Flask) -> None:
    compiled = _compilations(app)
    with app.test_request_context():
        for number in range(150):
            assert render_template_string(f"{number}") == f"{number}"
        del compiled[:]
        for number in (149, 60):
            render_template_string(f"{number}")
        assert compiled == []
        render_template_string("0")
        assert compiled == ["0"]
        for _ in range(2):
            render_template_string("long" * 10_000)
    assert len(compiled) == 3


def test_what_the_environment_is_given_later_counts(app: Flask) -> None:
    env = app.jinja_env
    with app.test_request_context():
        assert render_template_string("{{ word|default('none') }} {{ '<' }}") == "none &lt;"
        env.globals["word"] = "global"
        env.filters["default"] = lambda value, other: f"{value}, filtered"
        assert render_template_string("{{ word|default('none') }} {{ '<' }}") == "global, filtered &lt;"
        env.autoescape = False
        assert render_template_string("{{ name }}", name="<") == "<"
        env.autoescape = True
        assert render_template_string("{{ name }}", name="<") == "&lt;"
        app.jinja_env = env.overlay(variable_start_string="[[", variable_end_string="]]")
        assert render_template_string("{{ name }}", name="<") == "{{ name }}"


def test_what_does_not_compile_is_told_each_time(app: Flask) -> None:
    with app.test_request_context():
        for _ in range(2):
            with pytest.raises(TemplateSyntaxError):
                render_template_string("{{")


def test_an_app_takes_its_templates_with_it() -> None:
    app = Flask(__name__)
    with app.test_request_context():
        render_template_string("{{ request.path }}")
    env = weakref.ref(app.jinja_env)

    del app
    gc.collect()

    assert env() is None
