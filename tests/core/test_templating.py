"""Templates: what they see, and that everything is escaped."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from jinja2 import DictLoader, TemplateNotFound, TemplateSyntaxError

from flask_embed import Flask, Markup, escape, flash, g, jsonify, render_template, render_template_string, session

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


# Options


def _shown(app: Flask) -> str:
    with app.test_request_context():
        return render_template_string("{{ x }}", x="<")


@pytest.mark.parametrize("options", [{}, {"trim_blocks": True}, {"extensions": ["jinja2.ext.do"]}], ids=repr)
@pytest.mark.parametrize("how", ["class", "assigned", "changed"])
def test_options_without_a_word_on_escaping_leave_it_on(how: str, options: dict[str, Any], app: Flask) -> None:
    if how == "class":
        app = type("Own", (Flask,), {"jinja_options": options})(__name__)
    elif how == "assigned":
        app.jinja_options = options
    else:
        del app.jinja_options["autoescape"]
        app.jinja_options.update(options)

    assert _shown(app) == "&lt;"


def test_escaping_is_switched_off_by_name(app: Flask) -> None:
    app.jinja_options = {"autoescape": False}
    assert _shown(app) == "<"


def test_the_options_of_one_app_are_none_of_another_s() -> None:
    class Own(Flask):
        jinja_options = {"extensions": ["jinja2.ext.do"]}  # noqa: RUF012

    for kind in (Flask, Own):
        one, other = kind("one"), kind("other")
        one.jinja_options["autoescape"] = False
        one.jinja_options["trim_blocks"] = True
        one.jinja_options.setdefault("extensions", []).append("jinja2.ext.loopcontrols")
        assert (_shown(one), _shown(other), _shown(kind("later"))) == ("<", "&lt;", "&lt;")
        assert not other.jinja_env.trim_blocks
        assert "loopcontrols" not in f"{other.jinja_env.extensions}"
    with pytest.raises(TypeError):
        Flask.jinja_options["autoescape"] = False


def test_a_loader_may_stand_among_the_options(app: Flask) -> None:
    app.jinja_options["loader"] = DictLoader({"own.html": "{{ '<' }}"})
    with app.test_request_context():
        assert render_template("own.html") == "&lt;"


# What templates and the macros that they import see


MACROS = """\
{% set first = session.user %}
{% macro nav() %}{{ request.path }} {{ session.user }} {{ g.theme }} {{ first }}{% endmacro %}
"""


@pytest.mark.parametrize(
    "source",
    [
        "{% from 'm.html' import nav %}{{ nav() }}",
        "{% import 'm.html' as m %}{{ m.nav() }}",
        "{% from 'm.html' import nav with context %}{{ nav() }}",
        "{{ env.get_template('m.html').module.nav() }}",
    ],
)
def test_imported_macros_see_the_request_of_each_visitor(app: Flask, tmp_path: Path, source: str) -> None:
    (tmp_path / "templates" / "m.html").write_text(MACROS)
    app.jinja_env.globals["env"] = app.jinja_env

    for user in ("ada", "grace"):
        with app.test_request_context(f"/{user}"):
            session["user"], g.theme = user, "dark"
            assert render_template_string(source) == f"/{user} {user} dark {user}"


def test_an_asynchronous_environment_imports_as_well(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "templates" / "m.html").write_text(MACROS)
    app.jinja_options["enable_async"] = True
    with app.test_request_context("/a"):
        source = "{% from 'm.html' import nav %}{{ nav() }}"
        assert asyncio.run(app.jinja_env.from_string(source).render_async()) == "/a   "
        with pytest.raises(RuntimeError, match="async"):
            app.jinja_env.get_template("m.html").module  # noqa: B018


def test_without_the_first_processor_templates_have_their_names_all_the_same(app: Flask) -> None:
    app.template_context_processors.clear()
    with app.test_request_context("/a"):
        assert render_template_string("{{ request.path }}{{ session.user }}{{ g.get('x', 1) }}") == "/a1"


def test_the_later_processor_wins_and_a_view_s_value_beats_all(app: Flask) -> None:
    app.context_processor(lambda: {"a": "first", "b": "first", "c": "first", "g": "own"})
    app.context_processor(lambda: {"b": "second", "c": "second"})
    with app.test_request_context():
        assert render_template_string("{{ a }} {{ b }} {{ c }} {{ g }}", c="view") == "first second view own"


def test_tojson_takes_what_jsonify_takes(app: Flask) -> None:
    @dataclass
    class Point:
        x: int

    value = {
        "day": date(2026, 5, 4),
        "price": Decimal("1.10"),
        "id": UUID(int=0),
        "at": Point(1),
        "raw": Markup("<b>"),
        1: None,
    }
    with app.test_request_context():
        text = render_template_string("<script>var v = {{ value|tojson }};</script>", value=value)
        expected = jsonify(value).get_json()
    assert "<b>" not in text
    assert json.loads(text.removeprefix("<script>var v = ").removesuffix(";</script>")) == expected


def test_of_several_names_the_first_template_there_is_is_taken(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "templates" / "plain.html").write_text("{{ '<' }}")
    with app.test_request_context():
        for names in (
            ["theme/none.html", "plain.html"],
            ("plain.html", "none.html"),
            iter(["../secret.html", "plain.html"]),
        ):
            assert render_template(names) == "&lt;"
        for names in (["none.html", "../secret.html"], []):
            with pytest.raises(TemplateNotFound):
                render_template(names)


def test_rendering_needs_a_request(app: Flask) -> None:
    with pytest.raises(RuntimeError, match="test_request_context"):
        render_template_string("")


# Templates from strings are compiled once


def _compilations(app: Flask) -> list[str]:
    """The sources that are compiled from now on."""
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
