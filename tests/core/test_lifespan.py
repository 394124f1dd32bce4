"""Startup and shutdown functions: found wherever an app stands, run once, in order, and apart from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware as WerkzeugDispatcher
from werkzeug.test import Client

from flask_embed import Flask
from flask_embed.lifespan import lifespan
from flask_embed.middleware import DispatcherMiddleware, PathDispatcher, PrefixMiddleware, StrictEnviron

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from _typeshed.wsgi import WSGIApplication


@pytest.fixture
def calls() -> list[str]:
    """The calls, in order."""
    return []


@pytest.fixture
def make(calls: list[str]) -> Callable[[str], Flask]:
    """Makes an app that notes its two startup and two shutdown functions."""

    def made(name: str) -> Flask:
        app = Flask(name)
        for number in (1, 2):
            app.on_startup(lambda number=number: calls.append(f"{name} up {number}"))
            app.on_shutdown(lambda number=number: calls.append(f"{name} down {number}"))
        return app

    return made


def test_functions_run_in_order_and_on_the_way_down_in_reverse(make: Callable[[str], Flask], calls: list[str]) -> None:
    with lifespan(make("a")):
        assert calls == ["a up 1", "a up 2"]
        calls.clear()

    assert calls == ["a down 2", "a down 1"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda app: app,
        lambda app: app.wsgi_app,
        lambda app: PrefixMiddleware(app, "/p"),
        lambda app: StrictEnviron(PrefixMiddleware(app.wsgi_app, "/p", "stripped")),
        lambda app: DispatcherMiddleware(None, {"/p": app}),
        lambda app: DispatcherMiddleware(app),
        lambda app: DispatcherMiddleware(None, {"example.com/p": DispatcherMiddleware(None, {"/q": app})}),
        lambda app: WerkzeugDispatcher(lambda environ, start_response: [], {"/p": app}),
        lambda app: DispatcherMiddleware(app, {"/twice": app, "/thrice": app.wsgi_app}),
    ],
)
def test_an_app_is_found_inside_and_started_once(
    make: Callable[[str], Flask], calls: list[str], wrap: Callable[[Flask], WSGIApplication]
) -> None:
    with lifespan(wrap(make("a"))):
        pass

    assert calls == ["a up 1", "a up 2", "a down 2", "a down 1"]


def test_an_app_that_wraps_its_own_wsgi_app_is_started_once_with_what_it_mounts(
    make: Callable[[str], Flask], calls: list[str]
) -> None:
    app, blog = make("a"), make("blog")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/blog": blog})  # type: ignore[method-assign]

    with lifespan(app):
        assert calls == ["a up 1", "a up 2", "blog up 1", "blog up 2"]
        calls.clear()

    assert calls == ["blog down 2", "blog down 1", "a down 2", "a down 1"]


def test_one_that_fails_is_logged_and_stops_no_other(
    make: Callable[[str], Flask], calls: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("broken")

    app = Flask("broken")
    app.on_startup(broken)
    app.on_shutdown(broken)

    with lifespan(DispatcherMiddleware(app, {"/a": make("a")})):
        pass

    assert calls == ["a up 1", "a up 2", "a down 2", "a down 1"]
    assert [record.getMessage().split()[1] for record in caplog.records] == ["on_startup", "on_shutdown"]
    assert all(record.exc_info is not None for record in caplog.records)


def test_shutdown_runs_when_serving_fails(make: Callable[[str], Flask], calls: list[str]) -> None:
    def serve() -> None:
        with lifespan(make("a")):
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        serve()
    assert calls[2:] == ["a down 2", "a down 1"]


def test_what_is_mounted_later_starts_then_and_not_twice(make: Callable[[str], Flask], calls: list[str]) -> None:
    late = make("late")
    dispatcher = DispatcherMiddleware(None)
    with lifespan(dispatcher):
        dispatcher.mount("/late", late)
        dispatcher.mounts["/again"] = late
        assert calls == ["late up 1", "late up 2"]
        dispatcher.unmount("/late")

    assert calls[2:] == ["late down 2", "late down 1"]
    dispatcher.mount("/after", make("after"))
    assert len(calls) == 4


def test_a_lazy_app_starts_when_it_is_imported(
    calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lazy_guest.py").write_text(
        "from flask_embed import Flask\n"
        "calls = []\n"
        "app = Flask(__name__)\n"
        "app.on_startup(lambda: calls.append('up'))\n"
        "app.on_shutdown(lambda: calls.append('down'))\n"
        "app.add_url_rule('/', 'index', view_func=lambda: ' '.join(calls))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    dispatcher = DispatcherMiddleware(None, {"/lazy": "lazy_guest:app", "/never": "no.such:app"})
    with lifespan(dispatcher):
        client = Client(dispatcher)
        assert client.get("/lazy/").text == "up"
        assert client.get("/lazy/").text == "up"

    from importlib import import_module

    module: Any = import_module("lazy_guest")
    assert module.calls == ["up", "down"]


def test_the_apps_of_tenants_are_shut_down_with_the_rest(make: Callable[[str], Flask], calls: list[str]) -> None:
    dispatcher = DispatcherMiddleware(make("site"), {"/wiki": PathDispatcher(None, make)})
    with lifespan(dispatcher):
        assert Client(dispatcher).get("/wiki/ada/").status_code == 404
        assert calls == ["site up 1", "site up 2", "ada up 1", "ada up 2"]
        calls.clear()

    assert calls == ["ada down 2", "ada down 1", "site down 2", "site down 1"]
