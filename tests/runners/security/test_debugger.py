"""The debugger: for one person on one machine, and never through a runner."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.debug import DebuggedApplication
from werkzeug.test import create_environ, run_wsgi_app

from flask_embed import Flask
from flask_embed.adapters.serving.gate import behind_gate
from flask_embed.commands.run import main
from flask_embed.errors import UsageError
from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware
from flask_embed.options import Options
from tests.runners.asking import RUNNERS, asking
from tests.security.checks import absent, check, equal, present
from tests.serving import fails

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from pathlib import Path

    from _typeshed.wsgi import WSGIApplication

    from flask_embed.commands.run import Serve
    from tests.runners.asking import Ask


# In the development server


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments that the development server was started with."""
    calls: list[dict[str, Any]] = []

    def run_simple(hostname: str, port: int, application: Any, **options: Any) -> None:
        calls.append({"hostname": hostname, "port": port, **options})

    monkeypatch.setattr("werkzeug.serving.run_simple", run_simple)
    return calls


REACHABLE = [
    "0.0.0.0",
    "",
    "::",
    "[::]",
    "0",
    "0.0",
    "192.168.1.1",
    "10.0.0.1",
    "example.com",
    "localhost.example.com",
    "notlocalhost",
    "127.0.0.1.example.com",
    "1270.0.0.1",
    "127.0.0.1@example.com",
    "127.0.0.1/8",
    " localhost",
    "localhost\0.example.com",
    "::ffff:0.0.0.0",
    "[::ffff:192.168.1.1]",
    "fe80::1",
    "unix:///tmp/app.sock",
    "*",
]


@pytest.mark.parametrize(
    "options", [{"debug": True}, {"use_debugger": True}, {"use_debugger": True, "debug": False}], ids=str
)
@pytest.mark.parametrize("host", REACHABLE)
def test_promise_133_the_debugger_is_not_started_where_others_reach_it(
    started: list[dict[str, Any]], host: str, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="debugger"):
        Flask(__name__).run(host, 0, **options)

    equal(started, [])


@pytest.mark.parametrize("host", REACHABLE)
def test_promise_133_also_if_the_app_was_in_debug_before(started: list[dict[str, Any]], host: str) -> None:
    app = Flask(__name__)
    app.debug = True

    with pytest.raises(ValueError, match="debugger"):
        app.run(host)

    equal(started, [])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "shop.localhost", "[::1]", "::1"])
def test_promise_133_on_a_name_of_this_machine_it_is_started(started: list[dict[str, Any]], host: str) -> None:
    Flask(__name__).run(host, debug=True)

    equal([(options["hostname"], options["use_debugger"]) for options in started], [(host, True)])


def test_promise_133_where_others_reach_it_it_takes_a_flag_of_its_own(started: list[dict[str, Any]]) -> None:
    Flask(__name__).run("0.0.0.0", debug=True, expose_debugger=True)

    equal([(options["hostname"], options["use_debugger"]) for options in started], [("0.0.0.0", True)])
    check("expose_debugger" not in started[0], "the flag is passed on")


def test_promise_133_without_debug_there_is_no_debugger(started: list[dict[str, Any]]) -> None:
    for host in ("localhost", "0.0.0.0"):
        Flask(__name__).run(host)
    Flask(__name__).run("0.0.0.0", debug=True, use_debugger=False)

    equal([options["use_debugger"] for options in started], [False, False, False])


def test_promise_133_the_development_server_is_for_this_machine_unless_asked(started: list[dict[str, Any]]) -> None:
    Flask(__name__).run()

    equal([options["hostname"] for options in started], ["localhost"])


def test_promise_135_after_ten_wrong_pins_the_right_one_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []

    def make_server(host: str, port: int, app: WSGIApplication, *args: Any, **values: Any) -> None:
        served.append(app)
        raise InterruptedError

    # The development server up to its socket; and a wrong PIN takes no time.
    monkeypatch.setattr("werkzeug.serving.make_server", make_server)
    monkeypatch.setattr("werkzeug.debug.time.sleep", lambda seconds: None)
    monkeypatch.setenv("WERKZEUG_DEBUG_PIN", "123-456-789")
    with pytest.raises(InterruptedError):
        Flask(__name__).run("localhost", 0, debug=True, use_reloader=False)
    (debugger,) = served
    check(isinstance(debugger, DebuggedApplication), f"{debugger!r} is no debugger")

    def answer(pin: str) -> dict[str, bool]:
        query = f"__debugger__=yes&cmd=pinauth&pin={pin}&s={debugger.secret}"
        body, status, _ = run_wsgi_app(debugger, create_environ("/", "http://localhost/", query_string=query))
        equal(status, "200 OK")
        found: dict[str, bool] = json.loads(b"".join(body))
        return found

    equal(answer("123-456-789"), {"auth": True, "exhausted": False})
    equal([answer("1") for _ in range(10)], [{"auth": False, "exhausted": False}] * 10)
    equal([answer(pin) for pin in ("1", "123-456-789")], [{"auth": False, "exhausted": True}] * 2)


# Through the runners

HIDDEN = """
from werkzeug.debug import DebuggedApplication
from flask_embed import Flask
from flask_embed.middleware import DispatcherMiddleware

app = Flask(__name__)
app.debug = True

@app.route("/")
def index():
    return "index"

@app.route("/fails")
def fails():
    raise RuntimeError("told to the log alone")

debugged = DebuggedApplication(app, evalex=True, pin_security=False)
site = DispatcherMiddleware(app, {"/inner": debugged})

def hidden(environ, start_response):
    return debugged(environ, start_response)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("debugged")
    (folder / "shop.py").write_text(HIDDEN)
    return folder


@pytest.mark.parametrize("target", ["shop:debugged", "shop:site"])
@pytest.mark.parametrize("runner", RUNNERS)
def test_promise_134_no_runner_serves_a_debugger(
    folder: Path, runner: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUEST_METHOD", "GET")  # for a CGI script
    bind = [] if runner == "cgi" else ["--bind", f"unix:{folder}/never.sock"]

    status, told = fails(runner, target, *bind, cwd=folder)

    equal(status, 2, told)
    present("DebuggedApplication", told)
    equal(told.count("\n"), 1, told)


def behind_middleware(app: WSGIApplication) -> WSGIApplication:
    shop = Flask("shop")
    shop.wsgi_app = app  # type: ignore[assignment,method-assign]
    return PrefixMiddleware(shop, "/shop")


@pytest.mark.parametrize(
    "around",
    [
        lambda app: app,
        behind_middleware,
        lambda app: DispatcherMiddleware(Flask("root"), {"/a": DispatcherMiddleware(Flask("b"), {"/b": app})}),
        lambda app: app.__call__,
    ],
)
def test_promise_134_it_is_found_behind_middleware_and_mounts(around: Callable[[Any], Any]) -> None:
    app = around(DebuggedApplication(Flask("shop"), evalex=True, pin_security=False))

    with pytest.raises(UsageError, match="DebuggedApplication"):
        behind_gate(app, Options())


COMMANDS = [
    "__debugger__=yes&cmd=resource&f=style.css",
    "a=b&__debugger__=yes&cmd=resource&f=style.css",
    "%5f%5fdebugger%5F%5f=yes&cmd=resource&f=style.css",
    "__%64ebugger__=y%65s&cmd=resource&f=style.css",
]


@pytest.mark.parametrize("query", COMMANDS)
def test_promise_134_a_debugger_that_is_hidden_would_answer(query: str) -> None:
    debugger = DebuggedApplication(Flask("shop"), evalex=True, pin_security=False)

    body, status, _ = run_wsgi_app(debugger, create_environ("/", "http://localhost/", query_string=query))

    equal(status, "200 OK")
    present(b"div.debugger", b"".join(body))


@pytest.fixture(scope="module", params=RUNNERS)
def ask(request: pytest.FixtureRequest, folder: Path) -> Any:
    with asking(request.param, "shop:hidden", folder) as ask:
        yield ask


@pytest.mark.parametrize("query", [*COMMANDS, "__debugger__=yes&cmd=printpin", "__debugger__=yes&cmd=1%2B1&frm=0"])
def test_promise_134_and_gets_no_command_through_a_runner(ask: Ask, query: str) -> None:
    answer = ask("/", query)

    equal((answer.status, answer.body), (400, b"Bad Request\n"))


def test_promise_134_a_word_in_a_value_is_none(ask: Ask) -> None:
    answer = ask("/", "q=__debugger__&__debugger=yes&x%5f%5fdebugger__=yes")

    equal((answer.status, answer.body), (200, b"index"))


@pytest.mark.parametrize("runner", RUNNERS)
def test_promise_134_an_app_in_debug_shows_nothing_either(folder: Path, runner: str) -> None:
    with asking(runner, "shop:app", folder) as ask:
        answer = ask("/fails")

    equal((answer.status, answer.body), (500, b"Internal Server Error\n"))
    absent("told to the log alone", json.dumps(dict(answer.headers)))


def debugging() -> Flask:
    app = Flask("shop")
    app.debug = True
    return app


@pytest.mark.parametrize("bind", ["0.0.0.0:80", "[::]:80", "192.168.1.1:80", "shop.example:80", "localhost.example:80"])
@pytest.mark.parametrize(
    "around", [lambda app: app, behind_middleware, lambda app: DispatcherMiddleware(Flask("root"), {"/a": app})]
)
def test_promise_133_an_app_in_debug_is_not_for_others_without_a_flag(bind: str, around: Callable[[Any], Any]) -> None:
    app = around(debugging())

    with pytest.raises(UsageError, match="--allow-debug") as caught:
        behind_gate(app, Options(bind=bind))

    present(bind, str(caught.value))
    behind_gate(app, Options(bind=bind, allow_debug=True))
    behind_gate(around(Flask("shop")), Options(bind=bind))


@pytest.mark.parametrize(
    "bind", ["127.0.0.1:80", ":80", "[::1]:80", "localhost:80", "unix:/run/shop.sock", "unix:shop.example:80", "fd://3"]
)
def test_promise_133_where_one_machine_or_a_web_server_reaches_it_it_is_served(bind: str) -> None:
    behind_gate(debugging(), Options(bind=bind))


@pytest.mark.parametrize("flag", [False, True])
def test_promise_133_the_flag_is_an_option_of_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: bool
) -> None:
    served = []
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.chdir(os.curdir)  # and back

    def start(arguments: Namespace) -> Serve:
        return lambda app, options, worker=None: served.append(behind_gate(app, options))

    flags = ["--allow-debug"] if flag else []
    status = main("test", "test", start, ["shop:app", "--chdir", str(folder), "--bind", "shop.example:80", *flags])

    told = capsys.readouterr().err
    equal((status, len(served), told.count("\n")), (0, 1, 0) if flag else (2, 0, 1), told)
    check(flag or "shop has debug = True" in told.replace("'", ""), told)
