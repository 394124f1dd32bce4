"""One request sees nothing of another, and ends whatever happens: contexts and teardown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flask_embed import (
    Flask,
    abort,
    current_app,
    g,
    has_request_context,
    request,
    session,
    stream_with_context,
    url_for,
)
from flask_embed.middleware import DispatcherMiddleware
from tests.security.calls import call, environ_of
from tests.security.checks import check, equal, one_of, present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PROXIES: dict[str, Callable[[], object]] = {
    "request": lambda: request.path,
    "session": lambda: session.get("x"),
    "g": lambda: g.get("x"),
    "current_app": lambda: current_app.debug,
}


class Fault(Exception):
    """What the tests raise."""


def fault(*args: Any, **values: Any) -> Any:
    raise Fault


class Teardowns(list[tuple[str, object]]):
    """Which teardown functions ran, in order, with what."""


@pytest.fixture
def teardowns() -> Teardowns:
    return Teardowns()


@pytest.fixture
def app(teardowns: Teardowns) -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"
    app.teardown_request(lambda error: teardowns.append(("first", type(error) if error else None)))
    app.teardown_request(lambda error: teardowns.append(("second", type(error) if error else None)))
    app.add_url_rule("/", "index", lambda: f"{request.path} {sorted(g)}")
    app.add_url_rule("/fault", "fault", fault)
    return app


def unbound() -> None:
    """Nothing is left of any request here."""
    check(not has_request_context(), "a request context is left")
    for name, use in PROXIES.items():
        try:
            use()
        except RuntimeError as error:
            present("test_request_context", str(error))
        else:
            raise AssertionError(f"{name} is still bound")


def ended(teardowns: Teardowns, error: type[BaseException] | None) -> None:
    equal(teardowns, [("second", error), ("first", error)], "the teardown functions")
    unbound()


@pytest.mark.parametrize("debug", [True, False])
def test_row_116_a_view_that_raises_leaves_no_context(app: Flask, teardowns: Teardowns, debug: bool) -> None:
    app.debug = debug

    if debug:
        with pytest.raises(Fault):
            call(app, "/fault")
    else:
        equal(call(app, "/fault").status, 500)

    ended(teardowns, Fault)
    equal(call(app, "/").text, "/ []")


def replace(app: Flask, name: str) -> None:
    """Let a method of the app raise, in a request that uses its session."""
    setattr(app, name, fault)
    app.before_request(lambda: session.get("x"))


def in_debug(app: Flask) -> None:
    app.debug = True
    app.after_request(fault)


FAULTS: dict[str, Callable[[Flask], object]] = {
    "before_request": lambda app: app.before_request(fault),
    "after_request": lambda app: app.after_request(fault),
    "after_request in debug": in_debug,
    "opening the session": lambda app: replace(app, "open_session"),
    "saving the session": lambda app: replace(app, "save_session"),
    "what the session holds": lambda app: app.before_request(lambda: session.update(x=object())),
    "error handler": lambda app: (app.before_request(lambda: abort(418)), app.errorhandler(418)(fault)),
    "handler of 500": lambda app: (app.before_request(fault), app.errorhandler(500)(fault)),
    "make_response": lambda app: app.before_request(lambda: 1),
    "the response": lambda app: app.before_request(lambda: ("x", {"X": "\n"})),
    "SystemExit": lambda app: app.before_request(lambda: sys.exit(3)),
    "KeyboardInterrupt": lambda app: app.before_request(lambda: (_ for _ in ()).throw(KeyboardInterrupt)),
    "start_response": lambda app: None,
}


@pytest.mark.parametrize("break_it", FAULTS.values(), ids=FAULTS)
def test_row_117_whatever_raises_the_request_ends_once(
    app: Flask, teardowns: Teardowns, break_it: Callable[[Flask], object]
) -> None:
    break_it(app)

    try:
        if break_it is FAULTS["start_response"]:
            body = app(environ_of("/"), fault)
        else:
            body = app(environ_of("/"), lambda *head: lambda data: None)
        list(body)
        close = getattr(body, "close", None)
        if close is not None:
            close()
    except (Fault, SystemExit, KeyboardInterrupt, TypeError):
        pass

    equal([name for name, _ in teardowns], ["second", "first"])
    check(all(error is not None for _, error in teardowns), f"they got no exception: {teardowns}")
    unbound()


def test_row_117_a_request_without_a_fault_ends_with_none(app: Flask, teardowns: Teardowns) -> None:
    equal(call(app, "/").status, 200)
    ended(teardowns, None)
    teardowns.clear()
    equal(call(app, "/missing").status, 404)
    ended(teardowns, None)


def test_row_117_an_error_that_was_answered_is_none(app: Flask, teardowns: Teardowns) -> None:
    app.errorhandler(Fault)(lambda: "answered")

    equal(call(app, "/fault").text, "answered")

    ended(teardowns, None)


def test_row_117_a_request_that_is_torn_down_early_ends_once(app: Flask, teardowns: Teardowns) -> None:
    with app.test_request_context("/") as context:
        context.teardown(Fault())
        context.teardown()

    ended(teardowns, Fault)


# Streams


class Body:
    """A body of many parts that remembers what happened to it."""

    def __init__(self, parts: int = 200, breaks_at: int | None = None) -> None:
        self.parts = parts
        self.breaks_at = breaks_at
        self.sent = 0
        self.closed = 0
        self.paths: set[str] = set()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.paths.add(request.path)
        if self.sent == self.breaks_at:
            raise Fault
        if self.sent == self.parts:
            raise StopIteration
        self.sent += 1
        return b"x"

    def close(self) -> None:
        self.paths.add(request.path)
        self.closed += 1


def streaming(app: Flask, body: Any) -> Any:
    """What the server gets from a view that streams *body*."""
    app.add_url_rule("/stream", "stream", lambda: stream_with_context(body))
    return app(environ_of("/stream"), lambda *head: lambda data: None)


def test_row_119_a_stream_ends_the_request_when_it_ends(app: Flask, teardowns: Teardowns) -> None:
    body = Body(3)
    sent = streaming(app, body)
    equal(teardowns, [])
    unbound()

    equal(b"".join(sent), b"xxx")
    sent.close()
    sent.close()

    ended(teardowns, None)
    equal((body.paths, body.closed), ({"/stream"}, 1))


def test_row_119_everything_of_the_request_is_there_in_the_stream(app: Flask, teardowns: Teardowns) -> None:
    @app.route("/all/<name>")
    def everything(name: str) -> Any:
        g.name = name

        def generate() -> Iterator[str]:
            yield f"{request.args['q']} {g.name} {current_app.package_name} {url_for('everything', name=g.name)}"
            yield f" {session.get('x')} {len(teardowns)}"

        return generate()

    answer = call(app, "/all/ada", QUERY_STRING="q=1", SCRIPT_NAME="/app")

    equal(answer.text, f"1 ada {__name__} /app/all/ada None 0")
    ended(teardowns, None)


@pytest.mark.parametrize("read", [0, 1, 4])
def test_row_120_a_client_that_leaves_ends_the_request_at_once(app: Flask, teardowns: Teardowns, read: int) -> None:
    body = Body()
    sent = streaming(app, body)
    for _ in range(read):
        next(sent)

    sent.close()

    ended(teardowns, None)
    check(body.sent <= read + 1, f"{body.sent} parts were made for {read}")
    equal(body.closed, 1)
    equal(list(sent), [])


@pytest.mark.parametrize("breaks_at", [0, 1, 2])
def test_row_121_a_stream_that_breaks_is_closed_and_its_error_told(
    app: Flask, teardowns: Teardowns, breaks_at: int
) -> None:
    body = Body(breaks_at=breaks_at)
    sent = streaming(app, body)

    with pytest.raises(Fault):
        list(sent)
    sent.close()

    ended(teardowns, Fault)
    equal((body.sent, body.closed), (breaks_at, 1))


def test_row_121_a_close_that_raises_is_told_too(app: Flask, teardowns: Teardowns) -> None:
    class Stuck(Body):
        def close(self) -> None:
            raise Fault

    sent = streaming(app, Stuck())
    next(sent)

    with pytest.raises(Fault):
        sent.close()

    ended(teardowns, Fault)


def test_row_121_a_generator_is_finished_in_its_request(app: Flask, teardowns: Teardowns) -> None:
    finished: list[str] = []

    def generate() -> Iterator[bytes]:
        try:
            yield b"x"
            yield b"x"
        finally:
            finished.append(request.path)

    sent = streaming(app, generate())
    next(sent)
    sent.close()

    equal(finished, ["/stream"])
    ended(teardowns, None)


@pytest.mark.parametrize("read", [0, 2])
def test_row_122_a_server_that_never_closes_spoils_no_other_request(
    app: Flask, teardowns: Teardowns, caplog: pytest.LogCaptureFixture, read: int
) -> None:
    app.before_request(lambda: setattr(g, "before", request.path))
    abandoned = streaming(app, Body())
    for _ in range(read):
        next(abandoned)

    equal(call(app, "/").text, "/ ['before']")
    teardowns.clear()
    del abandoned

    equal(len(teardowns), 2)
    one_of(True, ["close" in record.getMessage() for record in caplog.records], "whether it is in the log")
    unbound()


def test_row_122_streams_of_several_requests_may_be_read_in_turns(app: Flask) -> None:
    app.add_url_rule("/n/<int:n>", "numbers", lambda n: (f"{request.path}{g.setdefault('n', n)} " for _ in range(3)))
    bodies: list[Any] = [app(environ_of(f"/n/{n}"), lambda *head: lambda data: None) for n in range(3)]

    texts = [b"".join(parts).decode() for parts in zip(*bodies, strict=True)]
    for body in bodies:
        body.close()

    equal(texts, ["/n/00 /n/11 /n/22 "] * 3)
    unbound()


def test_row_122_a_body_may_be_read_and_closed_in_other_threads(app: Flask, teardowns: Teardowns) -> None:
    body = Body(4)
    sent = streaming(app, body)
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            equal(pool.submit(next, sent).result(), b"x")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(sent.close).result()
        pool.submit(unbound).result()

    ended(teardowns, None)
    equal((body.paths, body.closed), ({"/stream"}, 1))


# Many at once


def visiting_app() -> Flask:
    """An app whose answer shows whose request it was, after a pause in which others run."""
    app = Flask(__name__)
    app.secret_key = "secret"
    app.pause = lambda: None  # type: ignore[attr-defined]

    @app.route("/<int:n>")
    def visit(n: int) -> dict[str, Any]:
        g.n = n
        session["n"] = n
        app.pause()  # type: ignore[attr-defined]
        if n % 7 == 0:
            raise Fault
        return {"path": request.path, "g": g.n, "session": session["n"], "arg": request.args["n"]}

    @app.route("/stream/<int:n>")
    def stream(n: int) -> Iterator[str]:
        g.n = n
        for _ in range(3):
            app.pause()  # type: ignore[attr-defined]
            yield f"{request.path.rpartition('/')[2]}={g.n} "

    return app


def visit(app: Flask, n: int) -> list[str]:
    """What is wrong with the answers of two requests."""
    wrong = []
    answer = call(app, f"/{n}", QUERY_STRING=f"n={n}")
    expected = {"path": f"/{n}", "g": n, "session": n, "arg": str(n)}
    if (answer.status != 500) if n % 7 == 0 else (json.loads(answer.body) != expected):
        wrong.append(f"{n}: {answer}")
    streamed = call(app, f"/stream/{n}").text
    if streamed != f"{n}={n} " * 3:
        wrong.append(f"{n}: {streamed}")
    if has_request_context():
        wrong.append(f"{n}: a context is left")
    return wrong


def test_row_124_greenlets_see_their_own_request() -> None:
    gevent = pytest.importorskip("gevent")
    app = visiting_app()
    app.logger.disabled = True
    app.pause = lambda: gevent.sleep(0)  # type: ignore[attr-defined]

    try:
        jobs = [gevent.spawn(visit, app, n) for n in range(1, 501)]
        gevent.joinall(jobs, timeout=50)
        wrong = [fault for job in jobs for fault in job.get(block=False)]
    finally:
        app.logger.disabled = False
        gevent.get_hub().destroy()

    equal(wrong, [])
    unbound()


def test_row_125_threads_see_their_own_request_and_keep_nothing() -> None:
    app = visiting_app()
    app.logger.disabled = True
    barrier = threading.Barrier(50, timeout=30)
    interval = sys.getswitchinterval()
    wrong: list[str] = []

    def work(thread: int) -> None:
        barrier.wait()
        for n in range(8):
            wrong.extend(visit(app, thread * 8 + n + 1))
        try:
            unbound()
        except AssertionError as error:
            wrong.append(str(error))

    sys.setswitchinterval(1e-4)
    try:
        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(50)
    finally:
        sys.setswitchinterval(interval)
        app.logger.disabled = False

    check(not any(thread.is_alive() for thread in threads), "a thread hangs")
    equal(wrong, [])
    unbound()


@pytest.mark.parametrize("use", PROXIES.values(), ids=PROXIES)
@pytest.mark.parametrize("inherit", [True, False])
def test_row_126_a_thread_of_a_view_s_own_has_no_request(app: Flask, use: Callable[[], object], inherit: bool) -> None:
    @app.route("/thread")
    def spawn() -> str:
        told: list[str] = []

        def work() -> None:
            try:
                use()
            except RuntimeError as error:
                told.append(str(error))

        # What a thread of a free-threaded Python starts with is a copy of its parent's context.
        context = copy_context()
        thread = threading.Thread(target=lambda: context.run(work) if inherit else work())
        thread.start()
        thread.join(10)
        use()
        return "".join(told)

    text = call(app, "/thread").text

    present("arguments", text)
    present("thread", text)


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, io, sys, threading
from flask_embed import Flask, has_request_context, request

app = Flask("greenlets")

@app.route("/")
def index():
    told = []
    def work():
        try:
            told.append(request.path)
        except RuntimeError as error:
            told.append(str(error))
    gevent.spawn(work).join()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return "|".join([*told, request.path])

sent = app.test_client().get("/").text
print(sent)
"""


def test_row_126_nor_has_a_greenlet() -> None:
    pytest.importorskip("gevent")

    run = subprocess.run(
        [sys.executable, *(["-O"] if sys.flags.optimize else []), "-c", GREENLETS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    equal((run.returncode, run.stderr), (0, ""))
    greenlet, thread, view = run.stdout.strip().split("|")
    present("arguments", greenlet)
    present("arguments", thread)
    equal(view, "/")


# Contexts in each other


def test_row_127_the_innermost_context_is_the_current_one() -> None:
    outer, inner = Flask("outer"), Flask("inner")

    with outer.test_request_context("/outer"):
        g.own = "outer"
        with inner.test_request_context("/inner"):
            equal((current_app.package_name, request.path, list(g)), ("inner", "/inner", []))
        equal((current_app.package_name, request.path, g.own), ("outer", "/outer", "outer"))
        with pytest.raises(Fault), inner.test_request_context("/inner"):
            raise Fault
        equal(current_app.package_name, "outer")
    unbound()


def test_row_127_contexts_are_left_in_the_reverse_order() -> None:
    outer, inner = Flask("outer").test_request_context("/outer"), Flask("inner").test_request_context("/inner")
    outer.__enter__()
    inner.__enter__()

    with pytest.raises(RuntimeError, match="context"):
        outer.__exit__(None, None, None)

    equal(request.path, "/inner")
    inner.__exit__(None, None, None)
    equal(request.path, "/outer")
    outer.__exit__(None, None, None)
    unbound()


def test_row_127_a_context_is_bound_once_at_a_time() -> None:
    context = Flask("app").test_request_context("/")

    with context, pytest.raises(RuntimeError, match="bound"):
        context.__enter__()

    unbound()


def test_row_127_apps_that_call_each_other_end_each_once() -> None:
    ended_apps: list[str] = []
    apps = {name: Flask(name) for name in ("a", "b", "c")}
    mounted = DispatcherMiddleware(None, {f"/{name}": app for name, app in apps.items()})

    def make(name: str, after: str | None) -> None:
        app = apps[name]
        app.teardown_request(lambda error: ended_apps.append(f"{name} {type(error).__name__}"))

        @app.route("/")
        def view() -> str:
            inner = call(mounted, f"/{after}/").status if after else fault()
            return f"{inner} {current_app.package_name} {request.script_root}"

    make("a", "b")
    make("b", "c")
    make("c", None)

    equal(call(mounted, "/a/").text, "200 a /a")
    equal(ended_apps, ["c Fault", "b NoneType", "a NoneType"])
    unbound()


def test_row_130_a_teardown_function_that_raises_changes_nothing_else(
    app: Flask, teardowns: Teardowns, caplog: pytest.LogCaptureFixture
) -> None:
    app.teardown_request(fault)
    app.add_url_rule("/stream", "stream", lambda: iter(["a", "b"]))

    for path, text in [("/", "/ []"), ("/stream", "ab")]:
        teardowns.clear()
        caplog.clear()
        equal(call(app, path).text, text)
        ended(teardowns, None)
        equal([record.exc_info[0] for record in caplog.records if record.exc_info], [Fault])
