"""Names of today's Flask that an app does not have, settings that are none, and async functions: what is said."""

from __future__ import annotations

import warnings
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import pytest

import flask_embed
from flask_embed import Flask, hints
from flask_embed.errors import SettingWarning

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def app() -> Flask:
    return Flask(__name__)


# Attributes


@pytest.mark.parametrize("name", sorted(hints.APP))
def test_a_name_of_today_s_flask_says_what_is_here_instead(app: Flask, name: str) -> None:
    assert not hasattr(app, name)
    with pytest.raises(AttributeError, match=rf"^'Flask' object has no attribute '{name}': .") as caught:
        getattr(app, name)
    assert (caught.value.name, caught.value.obj) == (name, app)
    assert str(caught.value).count("\n") == 0


def test_another_name_is_missing_as_usual(app: Flask) -> None:
    with pytest.raises(AttributeError, match=r"^'Flask' object has no attribute 'nothing'$"):
        app.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_an_error_within_a_property_is_not_covered_up() -> None:
    class Own(Flask):
        @property
        def broken(self) -> Any:
            raise AttributeError("what really failed")

        def create_jinja_loader(self) -> Any:
            raise AttributeError("no loader")

    with pytest.raises(AttributeError, match="what really failed"):
        Own(__name__).broken  # noqa: B018
    with pytest.raises(AttributeError, match="no loader"):
        Own(__name__).jinja_env  # noqa: B018


@pytest.mark.parametrize("name", sorted(hints.MODULE))
def test_so_does_a_name_of_the_package(name: str) -> None:
    assert name not in flask_embed.__all__
    with pytest.raises(ImportError, match=rf"^flask_embed has no '{name}': ."):
        exec(f"from flask_embed import {name}")


# Arguments


@pytest.mark.parametrize("name", sorted(hints.CONSTRUCTOR))
def test_an_argument_of_today_s_flask_says_what_is_here_instead(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^Flask takes no argument '{name}': .") as caught:
        Flask(__name__, **{name: "x"})  # type: ignore[arg-type]
    assert "Registry" not in str(caught.value)


def test_another_argument_is_refused_without_an_inner_name() -> None:
    class Own(Flask):
        def __init__(self, name: str, theme: str, **options: Any) -> None:
            super().__init__(name, **options)
            self.theme = theme

    assert Own(__name__, "dark").theme == "dark"
    with pytest.raises(TypeError, match=r"^Flask takes no argument 'colour': package_name is the only one$"):
        Own(__name__, "dark", colour="red")


def test_an_option_of_a_rule_says_it_too(app: Flask) -> None:
    with pytest.raises(TypeError, match=r"takes no argument 'provide_automatic_options': every rule answers OPTIONS"):
        app.route("/", provide_automatic_options=False)(str)


# Settings


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("testing", "app.debug"),
        ("config", "settings are attributes"),
        ("static_folder", "override send_static_file"),
        ("SECRET_KEY", "write 'secret_key'"),
        ("MAX_CONTENT_LENGTH", "write 'max_content_length'"),
        ("TESTING", "app.debug"),
        ("secret_kye", "did you mean 'secret_key'"),
        ("sesion_cookie_name", "did you mean 'session_cookie_name'"),
        ("trusted_host", "did you mean 'trusted_hosts'"),
    ],
)
def test_a_setting_that_is_none_is_told_with_the_one_that_may_be_meant(app: Flask, name: str, said: str) -> None:
    with pytest.warns(SettingWarning, match=rf"^an app has no setting '{name}': .*{said}") as caught:
        setattr(app, name, "value")
    assert caught[0].filename == __file__
    assert getattr(app, name) == "value"

    with pytest.warns(SettingWarning, match=f"'{name}'") as caught:
        type("Own", (Flask,), {name: "value"})
    assert caught[0].filename == __file__


def test_it_is_told_once_for_each_place() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", SettingWarning)
        for _ in range(3):
            Flask(__name__).testing = True  # type: ignore[attr-defined]
    assert len(caught) == 1


def test_an_override_that_would_never_be_called_is_told() -> None:
    with pytest.warns(SettingWarning, match="'handle_user_exception': override handle_error"):
        type("Own", (Flask,), {"handle_user_exception": lambda self, error: None})


def test_a_name_is_compared_with_the_framework_s_alone() -> None:
    class Own(Flask):
        colour = "red"

        def __init__(self, name: str) -> None:
            super().__init__(name)
            self.left: list[int] = []
            self.let = 1
            self.colours = ["red"]

    Own(__name__).lefts = []  # type: ignore[attr-defined]


def test_whatever_else_an_app_is_given_is_its_owner_s_business(app: Flask) -> None:
    class Own(Flask):
        database = "sqlite://"
        session_cookie_name = "own"
        _cache: Any = None

        def make_database(self) -> None:
            """A method of its own."""

        def open_session(self, request: Any) -> Any:
            return super().open_session(request)

    own = Own(__name__)
    for name in ("db", "users", "database", "secret_key", "debug", "url_map", "jinja_env", "before_request_funcs"):
        setattr(own, name, None)


# Async functions


async def coroutine(*args: Any) -> str:
    return "never awaited"


async def generator(*args: Any) -> Any:
    yield "never iterated"


class Callable_:
    async def __call__(self, *args: Any) -> str:
        return "never awaited"


REGISTRATIONS: dict[str, Callable[[Flask], Callable[[Any], Any]]] = {
    "route": lambda app: app.route("/x", endpoint="x"),
    "get": lambda app: app.get("/x", endpoint="x"),
    "add_url_rule": lambda app: lambda view: app.add_url_rule("/x", "x", view),
    "errorhandler": lambda app: app.errorhandler(404),
    "before_request": lambda app: app.before_request,
    "after_request": lambda app: app.after_request,
    "teardown_request": lambda app: app.teardown_request,
    "on_startup": lambda app: app.on_startup,
    "on_shutdown": lambda app: app.on_shutdown,
    "context_processor": lambda app: app.context_processor,
}


@pytest.mark.parametrize(
    "function", [coroutine, generator, partial(coroutine, 1), Callable_()], ids=lambda f: type(f).__name__
)
@pytest.mark.parametrize("how", REGISTRATIONS)
def test_an_async_function_is_refused_where_it_is_registered(app: Flask, how: str, function: Any) -> None:
    rules = len(list(app.url_map.iter_rules()))
    with pytest.raises(TypeError, match="is async, and an app calls plain functions: write 'def' without 'async'"):
        REGISTRATIONS[how](app)(function)
    assert len(list(app.url_map.iter_rules())) == rules
    assert app.view_functions.keys() == {"static"}


def test_a_plain_wrapper_of_one_is_no_async_function(app: Flask) -> None:
    @app.route("/")
    @wraps(coroutine)
    def index() -> str:
        return "here"

    assert app.test_client().get("/").text == "here"
