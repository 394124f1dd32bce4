"""One request sees nothing of another, and ends whatever happens: contexts and teardown."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest

from flask_embed import (
    Flask,
    Response,
    abort,
    after_this_request,
    current_app,
    flash,
    g,
    get_flashed_messages,
    has_request_context,
    jsonify,
    make_response,
    redirect,
    render_template_string,
    request,
    session,
    stream_with_context,
    url_for,
)
from flask_embed.ctx import current_context
from flask_embed.middleware import DispatcherMiddleware
from tests.security.calls import call, environ_of
from tests.security.checks import check, equal, one_of, present
from tests.security.visiting import OF_FOUR_QUARTERS, REQUESTS, Answered, Asked, Diary, visit, visited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import WSGIApplication

ROOT = Path(__file__).parents[2]
PROXIES: dict[str, Callable[[], object]] = {
    "request": lambda: request.path,
    "session": lambda: session.get("x"),
    "g": lambda: g.get("x"),
    "current_app": lambda: current_app.debug,
}


class Fault(Exception):
    """The exception that the tests raise."""


def fault(*args: Any, **values: Any) -> Any:
    raise Fault


class Timeout(BaseException):
    """One like gevent's."""


def stopped(stop: type[BaseException]) -> Any:
    raise stop


class Teardowns(list[tuple[str, object]]):
    """The calls of teardown functions, in order, with their arguments."""


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
def test_promise_097_a_view_that_raises_leaves_no_context(app: Flask, teardowns: Teardowns, debug: bool) -> None:
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
def test_promise_098_whatever_raises_the_request_ends_once(
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


def test_promise_098_a_request_without_a_fault_ends_with_none(app: Flask, teardowns: Teardowns) -> None:
    equal(call(app, "/").status, 200)
    ended(teardowns, None)
    teardowns.clear()
    equal(call(app, "/missing").status, 404)
    ended(teardowns, None)


def test_promise_098_an_error_that_was_answered_is_none(app: Flask, teardowns: Teardowns) -> None:
    app.errorhandler(Fault)(lambda: "answered")

    equal(call(app, "/fault").text, "answered")

    ended(teardowns, None)


def test_promise_098_a_request_that_is_torn_down_early_ends_once(app: Flask, teardowns: Teardowns) -> None:
    with app.test_request_context("/") as context:
        context.teardown(Fault())
        context.teardown()

    ended(teardowns, Fault)


STOPS: dict[str, type[BaseException]] = {
    stop.__name__: stop for stop in (SystemExit, KeyboardInterrupt, GeneratorExit, Timeout)
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_promise_098_what_is_no_error_ends_the_request_and_goes_on_its_way(
    app: Flask, teardowns: Teardowns, stop: type[BaseException]
) -> None:
    app.add_url_rule("/stop", "stop", lambda: stopped(stop))
    app.errorhandler(500)(lambda: "not asked")

    with pytest.raises(stop):
        call(app, "/stop")

    ended(teardowns, stop)


UNSENT: dict[str, Callable[[Flask, Body], object]] = {
    "after_request raises": lambda app, body: app.after_request(fault),
    "after_request exits": lambda app, body: app.after_request(lambda response: sys.exit(3)),
    "after_request returns None": lambda app, body: app.after_request(lambda response: None),
    "the session is not saved": lambda app, body: replace(app, "save_session"),
    "a header": lambda app, body: app.before_request(lambda: (Response(body), {"X": "a\nb"})),
    "a status": lambda app, body: app.before_request(lambda: (Response(body), "2\r\n")),
    "start_response exits": lambda app, body: None,
}


@pytest.mark.parametrize("break_it", UNSENT.values(), ids=UNSENT)
def test_promise_098_a_response_that_is_not_sent_is_closed(
    app: Flask, teardowns: Teardowns, break_it: Callable[[Flask, Body], object]
) -> None:
    body = Body()
    app.add_url_rule("/stream", "stream", lambda: Response(body))
    break_it(app, body)
    exits = break_it is UNSENT["start_response exits"]

    with contextlib.suppress(SystemExit):
        sent: Any = app(environ_of("/stream"), lambda *head: sys.exit(3) if exits else fault)
        getattr(sent, "close", int)()

    equal((body.closed, body.sent, len(teardowns)), (1, 0, 2))
    unbound()


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
    """The body for the server of a view that streams *body*."""
    app.add_url_rule("/stream", "stream", lambda: stream_with_context(body))
    return app(environ_of("/stream"), lambda *head: lambda data: None)


def test_promise_099_a_stream_ends_the_request_when_it_ends(app: Flask, teardowns: Teardowns) -> None:
    body = Body(3)
    sent = streaming(app, body)
    equal(teardowns, [])
    unbound()

    equal(b"".join(sent), b"xxx")
    sent.close()
    sent.close()

    ended(teardowns, None)
    equal((body.paths, body.closed), ({"/stream"}, 1))


def test_promise_099_everything_of_the_request_is_there_in_the_stream(app: Flask, teardowns: Teardowns) -> None:
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
def test_promise_100_a_client_that_leaves_ends_the_request_at_once(app: Flask, teardowns: Teardowns, read: int) -> None:
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
def test_promise_101_a_stream_that_breaks_is_closed_and_its_error_told(
    app: Flask, teardowns: Teardowns, breaks_at: int
) -> None:
    body = Body(breaks_at=breaks_at)
    sent = streaming(app, body)

    with pytest.raises(Fault):
        list(sent)
    sent.close()

    ended(teardowns, Fault)
    equal((body.sent, body.closed), (breaks_at, 1))


def test_promise_101_a_close_that_raises_is_told_too(app: Flask, teardowns: Teardowns) -> None:
    class Stuck(Body):
        def close(self) -> None:
            raise Fault

    sent = streaming(app, Stuck())
    next(sent)

    with pytest.raises(Fault):
        sent.close()

    ended(teardowns, Fault)


def test_promise_101_nor_does_one_that_raises_spoil_what_was_sent(
    app: Flask, teardowns: Teardowns, caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(Body):
        def close(self) -> None:
            raise Fault

    sent = streaming(app, Stuck(3))

    equal(b"".join(sent), b"xxx")

    sent.close()
    ended(teardowns, Fault)
    equal([record.exc_info[0] for record in caplog.records if record.exc_info], [Fault])


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("closes", [True, False])
def test_promise_101_what_is_no_error_goes_on_its_way_whatever_close_does(
    app: Flask, teardowns: Teardowns, stop: type[BaseException], closes: bool
) -> None:
    class Stopped(Body):
        def __next__(self) -> bytes:
            return super().__next__() if self.sent == 0 else stopped(stop)

        def close(self) -> None:
            super().close()
            if not closes:
                raise Fault

    body = Stopped()
    sent = streaming(app, body)

    with pytest.raises(stop):
        list(sent)
    sent.close()

    ended(teardowns, stop)
    equal(body.closed, 1)


def test_promise_101_a_body_that_is_none_is_closed_and_its_error_told(app: Flask, teardowns: Teardowns) -> None:
    class Broken(Body):
        def __iter__(self) -> Iterator[bytes]:
            raise Fault

    body = Broken()
    app.add_url_rule("/broken", "broken", lambda: Response(body, direct_passthrough=True))
    sent: Any = app(environ_of("/broken"), lambda *head: fault)

    with pytest.raises(Fault):
        next(sent)
    sent.close()

    ended(teardowns, Fault)
    equal(body.closed, 1)


def test_promise_101_a_generator_is_finished_in_its_request(app: Flask, teardowns: Teardowns) -> None:
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
def test_promise_102_a_server_that_never_closes_spoils_no_other_request(
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


def test_promise_102_what_cannot_be_closed_then_is_told_to_the_log(
    app: Flask, teardowns: Teardowns, caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(Body):
        def close(self) -> None:
            raise Fault

    abandoned = streaming(app, Stuck())

    del abandoned

    ended(teardowns, Fault)
    equal([record.exc_info[0] for record in caplog.records if record.exc_info], [Fault])


def test_promise_102_a_close_in_the_middle_of_a_step_is_refused_and_the_request_ends_all_the_same(
    app: Flask, teardowns: Teardowns
) -> None:
    class Waiting(Body):
        def __next__(self) -> bytes:
            begun.set()
            go_on.wait(10)
            return super().__next__()

    begun, go_on = threading.Event(), threading.Event()
    body = Waiting()
    sent = streaming(app, body)
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(next, sent)
        check(begun.wait(10), "the step has not begun")

        with pytest.raises(RuntimeError, match="bound already"):
            sent.close()

        equal(teardowns, [])
        go_on.set()
        equal(step.result(10), b"x")
        del step
    sent.close()

    ended(teardowns, None)
    equal((body.paths, body.closed), ({"/stream"}, 1))


def test_promise_102_streams_of_several_requests_may_be_read_in_turns(app: Flask) -> None:
    app.add_url_rule("/n/<int:n>", "numbers", lambda n: (f"{request.path}{g.setdefault('n', n)} " for _ in range(3)))
    bodies: list[Any] = [app(environ_of(f"/n/{n}"), lambda *head: lambda data: None) for n in range(3)]

    texts = [b"".join(parts).decode() for parts in zip(*bodies, strict=True)]
    for body in bodies:
        body.close()

    equal(texts, ["/n/00 /n/11 /n/22 "] * 3)
    unbound()


def test_promise_102_a_body_may_be_read_and_closed_in_other_threads(app: Flask, teardowns: Teardowns) -> None:
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


# What is left

KINDS: dict[str, Callable[[], Any]] = {
    "whole": lambda: "whole",
    "session": lambda: session.setdefault("x", "saved"),
    "redirect": lambda: redirect("/"),
    "abort": lambda: abort(403),
    "raises": fault,
    "exits": lambda: sys.exit(3),
    "no response": lambda: None,
    "template": lambda: render_template_string("{{ request.path }} {{ g }} {{ session }}"),
    "stream": lambda: iter(["a", "b"]),
    "stream that breaks": lambda: iter([b"a", 1]),
    "stream that cannot be closed": lambda: Response(Unclosable()),
}


class Unclosable:
    def __iter__(self) -> Iterator[bytes]:
        return iter([b"a", b"b"])

    def close(self) -> None:
        raise Fault


@pytest.mark.parametrize("path", [*KINDS, "missing", "slash", "post"])
@pytest.mark.parametrize("handled", [True, False])
@pytest.mark.parametrize("how", ["read", "closed", "dropped"])
def test_promise_105_nothing_of_a_request_waits_for_the_collector(path: str, handled: bool, how: str) -> None:
    app = Flask(__name__)
    app.secret_key = "secret"
    app.logger.disabled = True
    left: list[ref[object]] = []

    @app.before_request
    def look() -> None:
        flash(request.args.get("x", "") + str(g.get("x")))
        context = current_context()
        left.extend(map(ref, (context, context.request, context.g, context.session)))

    for name, view in KINDS.items():
        app.add_url_rule(f"/{name}", name, view)
    app.add_url_rule("/slash/", "slash", str)
    app.add_url_rule("/post", "post", str, methods=["POST"])
    app.teardown_request(fault)
    if handled:
        for key in (403, 404, 405, 500, Fault):
            app.errorhandler(key)(lambda error: (f"{error}", 500))
    collecting = gc.isenabled()
    gc.disable()
    try:
        with contextlib.suppress(Fault, SystemExit, TypeError):
            body: Any = app(environ_of(f"/{path}"), lambda *head: fault)
            for _ in body:
                if how != "read":
                    break
            if how != "dropped":
                getattr(body, "close", int)()
        body = None

        equal([one() for one in left if one() is not None], [])
    finally:
        if collecting:
            gc.enable()
        app.logger.disabled = False
    equal(len(left), 4)


# Many at once


def asked(app: WSGIApplication, asked: Asked) -> Answered:
    """The answer to one request of a visitor. Who leaves closes the body, or drops it as no server should."""
    heads: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        heads.append((status, {name.lower(): value for name, value in headers}))
        return fault

    body: Any = app(environ_of(asked.path, QUERY_STRING=asked.query, HTTP_COOKIE=asked.cookie), start_response)
    parts: list[bytes] = []
    try:
        for part in body:
            parts.append(part)
            if asked.leaves:
                break
    except Exception as error:
        equal(type(error).__name__, "Fault")
    if not asked.leaves or hash(asked.path) % 2:
        getattr(body, "close", int)()
    return Answered(int(heads[0][0][:3]), heads[0][1], b"".join(parts))


def visiting(app: WSGIApplication, token: str, quarter: int | None = None) -> list[str]:
    """The faults that one visitor found."""
    visitor = visit(token, quarter)
    answer = asked(app, next(visitor))
    while True:
        try:
            answer = asked(app, visitor.send(answer))
        except StopIteration as end:
            wrong: list[str] = end.value
            return wrong + [f"a context is left for {token}"] * has_request_context()


def told(diary: Diary, requests: int) -> None:
    """Each request has ended once, where it was begun, with what was its own; and nothing of it is left."""
    expected = {"begun": requests, "ended": requests, "unequal": [], "wrong": [], "moved": [], "left": 0}
    equal(diary.told(), expected)


def test_promise_104_greenlets_see_their_own_request() -> None:
    gevent = pytest.importorskip("gevent")
    app = visited(lambda: gevent.sleep(0))

    try:
        jobs = [gevent.spawn(visiting, app, str(n), n % 4) for n in range(500)]
        gevent.joinall(jobs, timeout=50)
        wrong = [fault for job in jobs for fault in job.get(block=False)]
        del jobs
    finally:
        gevent.get_hub().destroy(destroy_loop=True)

    equal(wrong, [])
    told(app.diary, 125 * OF_FOUR_QUARTERS)  # type: ignore[attr-defined]
    unbound()


@pytest.mark.parametrize("visits", [3, pytest.param(10, marks=pytest.mark.thorough)])
def test_promise_105_threads_see_their_own_request_and_keep_nothing(visits: int) -> None:
    app = visited(lambda: time.sleep(0))
    barrier = threading.Barrier(50, timeout=30)
    interval = sys.getswitchinterval()
    wrong: list[str] = []

    def work(thread: int) -> None:
        barrier.wait()
        for n in range(visits):
            wrong.extend(visiting(app, f"{thread}-{n}"))
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

    check(not any(thread.is_alive() for thread in threads), "a thread hangs")
    equal(wrong, [])
    told(app.diary, 50 * visits * REQUESTS)  # type: ignore[attr-defined]
    unbound()


HELPERS: dict[str, Callable[[], object]] = {
    "url_for": lambda: url_for("index"),
    "flash": lambda: flash("x"),
    "get_flashed_messages": get_flashed_messages,
    "make_response": make_response,
    "jsonify": jsonify,
    "after_this_request": lambda: after_this_request(lambda response: response),
    "stream_with_context": lambda: stream_with_context([]),
    "render_template_string": lambda: render_template_string(""),
}


def thread_of(work: Callable[[], object], inherit: bool) -> threading.Thread:
    """A thread that begins as those of a free-threaded Python do, with the context variables of its parent, or not."""
    context = copy_context() if inherit else Context()
    if sys.version_info >= (3, 14):
        return threading.Thread(target=work, context=context)
    return threading.Thread(target=context.run, args=(work,))


@pytest.mark.parametrize("use", [*PROXIES.values(), *HELPERS.values()], ids=[*PROXIES, *HELPERS])
@pytest.mark.parametrize("inherit", [True, False])
def test_promise_106_a_thread_of_a_view_s_own_has_no_request(
    app: Flask, use: Callable[[], object], inherit: bool
) -> None:
    @app.route("/thread")
    def spawn() -> str:
        told: list[str] = []

        def work() -> None:
            told.append(str(has_request_context()))
            try:
                use()
            except RuntimeError as error:
                told.append(str(error))

        thread = thread_of(work, inherit)
        thread.start()
        thread.join(10)
        use()
        return "|".join(told)

    is_bound, _, text = call(app, "/thread").text.partition("|")

    equal(is_bound, "False")
    present("needs a request" if use is HELPERS["url_for"] else "arguments", text)


def test_promise_106_nor_has_what_was_left_to_do_when_the_request_has_ended(app: Flask) -> None:
    kept: list[Context] = []

    @app.route("/keep")
    def keep() -> str:
        kept.append(copy_context())
        return f"{request.path}"

    @app.route("/stream")
    def stream() -> Iterator[str]:
        for part in ("a", "b"):
            kept.append(copy_context())
            yield part

    equal(call(app, "/keep").text, "/keep")
    body: Any = app(environ_of("/stream"), lambda *head: fault)
    next(body)

    # The same thread, or a later one with its number.
    for context in kept:
        context.run(unbound)
    body.close()
    equal(len(kept), 2)


GREENLETS = """
import gevent, sys, threading
from flask_embed import Flask, request

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
    gevent.spawn_later(0, work).join()
    gevent.get_hub().threadpool.apply(work)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return "|".join([*told, request.path])

print(app.test_client().get("/").text)
"""


@pytest.mark.parametrize("first", ["from gevent import monkey; monkey.patch_all()", ""], ids=["patched", "unpatched"])
def test_promise_106_nor_has_a_greenlet(first: str) -> None:
    pytest.importorskip("gevent")

    run = subprocess.run(
        [sys.executable, *(["-O"] if sys.flags.optimize else []), "-c", first + GREENLETS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    equal((run.returncode, run.stderr), (0, ""))
    *others, view = run.stdout.strip().split("|")
    equal(len(others), 4)
    for other in others:
        present("arguments", other)
    equal(view, "/")


# Contexts in each other


def test_promise_107_the_innermost_context_is_the_current_one() -> None:
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


def test_promise_107_contexts_are_left_in_the_reverse_order() -> None:
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


def test_promise_107_a_context_is_bound_once_at_a_time() -> None:
    context = Flask("app").test_request_context("/")

    with context, pytest.raises(RuntimeError, match="bound"):
        context.__enter__()

    unbound()


@pytest.mark.parametrize("read", [0, 1, 5])
def test_promise_107_a_stream_of_another_app_s_stream_ends_both_once(
    app: Flask, teardowns: Teardowns, read: int
) -> None:
    inner, body = Flask("inner"), Body(4)
    inner.teardown_request(lambda error: teardowns.append(("inner", current_app.package_name)))
    inner.add_url_rule("/", "index", lambda: Response(body))

    @app.route("/outer")
    def outer() -> Any:
        return Response(inner({**request.environ, "PATH_INFO": "/"}, lambda *head: fault))

    sent: Any = app(environ_of("/outer"), lambda *head: fault)
    parts = list(islice(sent, read))
    unbound()
    sent.close()

    equal(parts, [b"x"] * min(read, 4))
    equal(teardowns, [("inner", "inner"), ("second", None), ("first", None)])
    equal((body.paths, body.closed), ({"/"}, 1))
    unbound()


def test_promise_107_a_generator_does_not_keep_another_context_over_its_parts(app: Flask, teardowns: Teardowns) -> None:
    other = Flask("other")
    other.teardown_request(lambda error: teardowns.append(("other", type(error))))

    def generate() -> Iterator[bytes]:
        yield b"x"
        with other.test_request_context("/other"):
            yield b"x"

    sent = streaming(app, generate())
    equal(next(sent), b"x")

    with pytest.raises(RuntimeError, match="has bound a request context"):
        next(sent)

    equal(teardowns, [("other", GeneratorExit), ("second", RuntimeError), ("first", RuntimeError)])
    equal(list(sent), [])
    unbound()


def test_promise_107_apps_that_call_each_other_end_each_once() -> None:
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


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("path", ["/", "/stream"])
def test_promise_110_what_is_no_error_keeps_no_teardown_function_from_its_turn(
    app: Flask, teardowns: Teardowns, stop: type[BaseException], path: str
) -> None:
    app.teardown_request(lambda error: stopped(stop))
    app.add_url_rule("/stream", "stream", lambda: iter(["a", "b"]))

    with pytest.raises(stop):
        call(app, path)

    ended(teardowns, None)


def test_promise_110_nor_does_a_file_of_the_request_that_cannot_be_closed(
    app: Flask, teardowns: Teardowns, caplog: pytest.LogCaptureFixture
) -> None:
    app.before_request(lambda: setattr(request, "close", fault))

    equal(call(app, "/").text, "/ []")

    ended(teardowns, None)
    equal([record.exc_info[0] for record in caplog.records if record.exc_info], [Fault])


def test_promise_110_a_teardown_function_that_raises_changes_nothing_else(
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
