"""A session of SQLAlchemy for each request: whose it is, and that it ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any
from weakref import WeakSet
from wsgiref.util import FileWrapper

import gevent
import pytest
from sqlalchemy import Engine, MetaData, create_engine, event, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker
from sqlalchemy.pool import QueuePool
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.wsgi import WSGIContainer

from flask_embed import Flask, abort, g, redirect, request, session
from flask_embed.adapters.sqlalchemy_session import ScopedSessionMiddleware, remove_session, request_scoped_session
from flask_embed.lifespan import lifespan
from flask_embed.middleware import DispatcherMiddleware
from tests.security.calls import call, environ_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: seconds after which something that should have happened will not
DEADLINE = 20


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    text: Mapped[str] = mapped_column(primary_key=True)


class Fault(Exception):
    """The exception of the tests."""


def fault(*args: Any, **values: Any) -> Any:
    raise Fault


SCOPES: dict[str, Callable[[sessionmaker[Session]], scoped_session[Session]]] = {
    "the request": request_scoped_session,
    "a thread": scoped_session,
    "of the user's own": lambda factory: scoped_session(factory, scopefunc=threading.get_ident),
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine for a file with one table; at the end of the test nobody may have a connection any more."""
    engine = create_engine(f"sqlite:///{tmp_path}/notes.db", connect_args={"timeout": DEADLINE})
    Base.metadata.create_all(engine)
    yield engine
    assert checked_out(engine) == 0
    engine.dispose()


def checked_out(engine: Engine) -> int:
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


@pytest.fixture
def sessions() -> WeakSet[Session]:
    """The sessions that there are."""
    return WeakSet()


@pytest.fixture
def factory(engine: Engine, sessions: WeakSet[Session]) -> sessionmaker[Session]:
    class Known(Session):
        def __init__(self, *args: Any, **values: Any) -> None:
            super().__init__(*args, **values)
            sessions.add(self)

    # Without autoflush, because SQLite has one writer at a time: what a test adds stays pending until it says flush().
    return sessionmaker(engine, class_=Known, autoflush=False)


@pytest.fixture(params=SCOPES.values(), ids=list(SCOPES))
def db_session(request: pytest.FixtureRequest, factory: sessionmaker[Session]) -> scoped_session[Session]:
    """A session with the scope of each kind."""
    made: scoped_session[Session] = request.param(factory)
    return made


@pytest.fixture
def removals(db_session: scoped_session[Session]) -> list[bool]:
    """For each remove(), whether there was a session."""
    return watched(db_session)


def watched(db_session: scoped_session[Session]) -> list[bool]:
    removals: list[bool] = []
    remove = db_session.remove

    def note() -> None:
        removals.append(db_session.registry.has())
        remove()

    db_session.remove = note  # type: ignore[method-assign]
    return removals


@pytest.fixture
def app(db_session: scoped_session[Session]) -> Flask:
    """An app that writes without committing, and has its session removed."""
    app = Flask(__name__)
    app.secret_key = "secret"
    app.add_url_rule("/add/<text>", "add", lambda text: add(db_session, text))
    app.add_url_rule("/count", "count", lambda: str(count(db_session)))
    app.add_url_rule("/pending", "pending", lambda: str(pending(db_session)))
    app.add_url_rule("/plain", "plain", lambda: "plain")
    remove_session(app, db_session)
    return app


def add(db_session: scoped_session[Session], text: str) -> str:
    """Add a note, flush it, and leave another one pending."""
    db_session.add(Note(text=text))
    db_session.flush()
    db_session.add(Note(text=f"{text} pending"))
    return text


def pending(db_session: scoped_session[Session]) -> list[str]:
    """The notes that are pending, of a session that has a connection."""
    count(db_session)
    return sorted(note.text for note in db_session.new)


def count(db_session: scoped_session[Session]) -> int:
    return db_session.scalars(select(func.count()).select_from(Note)).one()


def stored(engine: Engine) -> list[str]:
    """The notes in the database."""
    with Session(engine) as session:
        return list(session.scalars(select(Note.text).order_by(Note.text)))


def begin(app: WSGIApplication, path: str = "/") -> Any:
    """The body that a server gets, of which it has read nothing yet."""
    return app(environ_of(path), lambda *head: lambda data: None)


def elsewhere(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function that is called in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result(DEADLINE)


# The end of a request


def test_the_session_is_removed_once_and_what_was_not_committed_is_gone(
    app: Flask, db_session: scoped_session[Session], removals: list[bool], sessions: WeakSet[Session]
) -> None:
    assert call(app, "/add/a").text == "a"

    assert removals == [True]
    assert not db_session.registry.has()
    gc.collect()
    assert list(sessions) == []
    assert call(app, "/count").text == "0"


def test_a_request_that_needs_no_session_makes_none(app: Flask, removals: list[bool]) -> None:
    assert call(app, "/plain").text == "plain"

    assert removals == [False]


FAULTS: dict[str, tuple[int, Callable[[Flask], object]]] = {
    "view": (500, lambda app: app.view_functions.update(plain=fault)),
    "error of HTTP": (418, lambda app: app.view_functions.update(plain=lambda: abort(418))),
    "error that is answered": (
        200,
        lambda app: (app.view_functions.update(plain=fault), app.errorhandler(Fault)(lambda: "so")),
    ),
    "redirect": (302, lambda app: app.view_functions.update(plain=lambda: redirect("/"))),
    "handler": (500, lambda app: (app.view_functions.update(plain=lambda: abort(418)), app.errorhandler(418)(fault))),
    "handler of 500": (500, lambda app: (app.view_functions.update(plain=fault), app.errorhandler(500)(fault))),
    "before_request": (500, lambda app: app.before_request(fault)),
    "after_request": (500, lambda app: app.after_request(fault)),
    "session that is not saved": (500, lambda app: app.before_request(lambda: session.update(x=object()))),
    "response": (500, lambda app: app.view_functions.update(plain=lambda: ("x", {"X": "\n"}))),
    "teardown function": (200, lambda app: app.teardown_request(fault)),
    "SystemExit": (0, lambda app: app.view_functions.update(plain=lambda: (_ for _ in ()).throw(SystemExit))),
    "debug": (0, lambda app: (app.view_functions.update(plain=fault), vars(app).update(debug=True))),
}


@pytest.mark.parametrize(("status", "break_it"), FAULTS.values(), ids=FAULTS)
def test_whatever_fails_the_session_is_removed_once(
    app: Flask,
    engine: Engine,
    db_session: scoped_session[Session],
    removals: list[bool],
    status: int,
    break_it: Callable[[Flask], object],
) -> None:
    app.before_request_funcs.insert(0, lambda: (add(db_session, "a"), None)[1])
    break_it(app)

    if status:
        assert call(app, "/plain").status == status
    else:
        with pytest.raises((SystemExit, Fault)):
            call(app, "/plain")

    assert removals == [True]
    assert not db_session.registry.has()
    assert stored(engine) == []


def test_a_commit_that_fails_leaves_nothing_to_the_next_request(
    app: Flask, db_session: scoped_session[Session], removals: list[bool]
) -> None:
    @app.route("/commit/<text>")
    def commit(text: str) -> str:
        db_session.add(Note(text=text))
        db_session.commit()
        db_session.expunge_all()
        db_session.add_all([Note(text=f"{text} too"), Note(text=text)])
        db_session.commit()
        return text

    assert call(app, "/commit/a").status == 500

    assert call(app, "/count").text == "1"
    assert removals == [True, True]


def test_the_failed_transaction_of_a_handled_error_is_gone_too(app: Flask, db_session: scoped_session[Session]) -> None:
    @app.errorhandler(IntegrityError)
    def taken(error: IntegrityError) -> tuple[str, int]:
        return "taken", 409

    @app.route("/new/<text>")
    def new(text: str) -> str:
        db_session.add(Note(text=text))
        db_session.commit()
        return text

    assert [call(app, f"/new/{text}").status for text in ("a", "a", "b")] == [200, 409, 200]


def test_other_teardown_functions_have_the_session_whenever_they_were_registered(
    app: Flask, db_session: scoped_session[Session], factory: sessionmaker[Session], removals: list[bool]
) -> None:
    seen: list[Session] = []

    def look(*error: object) -> str:
        seen.append(db_session())
        return "seen"

    other = Flask("other")
    other.teardown_request(look)
    remove_session(other, db_session)
    other.teardown_request(look)
    other.add_url_rule("/", "index", look)

    call(other)

    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert removals == [True]


def test_the_session_of_a_request_that_was_made_up_is_removed(
    app: Flask, db_session: scoped_session[Session], removals: list[bool]
) -> None:
    with app.test_request_context():
        add(db_session, "a")
        assert db_session() is db_session()
    assert not db_session.registry.has()

    with pytest.raises(Fault), app.test_request_context():
        fault(add(db_session, "a"))

    assert removals == [True, True]
    assert call(app, "/count").text == "0"


def test_one_app_may_have_several_sessions(engine: Engine) -> None:
    first, second = (request_scoped_session(sessionmaker(engine)) for _ in range(2))
    third = scoped_session(sessionmaker(engine))
    removals = [watched(each) for each in (first, second, third)]
    app = Flask("several")
    for each in (first, second, third, third, second, first):
        remove_session(app, each)
    app.add_url_rule("/", "index", lambda: str([count(each) for each in (first, second, third)]))

    assert call(app).text == "[0, 0, 0]"

    assert removals == [[True], [True], [True]]


def test_to_be_registered_twice_changes_nothing(
    app: Flask, db_session: scoped_session[Session], removals: list[bool]
) -> None:
    remove_session(app, db_session)
    remove_session(app, db_session)

    call(app, "/add/a")
    with app.test_request_context():
        pass

    assert removals == [True, False]


def test_a_mounted_app_ends_its_session_like_any(
    app: Flask, db_session: scoped_session[Session], removals: list[bool]
) -> None:
    other = Flask("other")
    other.add_url_rule("/", "index", lambda: str(count(db_session)))
    remove_session(other, db_session)
    mounted = DispatcherMiddleware(None, {"/a": app, "/b": other, "/c": DispatcherMiddleware(None, {"/d": app})})

    texts = [call(mounted, path).text for path in ("/a/add/x", "/b/", "/c/d/add/x", "/b/")]

    assert texts == ["x", "0", "x", "0"]
    assert removals == [True] * 4


# A remove() that fails


def test_a_remove_that_raises_is_logged_and_changes_nothing_else(
    app: Flask, db_session: scoped_session[Session], caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[BaseException | None] = []
    app.teardown_request(ended.append)
    app.add_url_rule("/stream", "stream", lambda: (count(db_session), iter(["a", "b"]))[1])
    works, db_session.remove = db_session.remove, fault  # type: ignore[method-assign]

    texts = [call(app, path).text for path in ("/add/a", "/stream")]

    assert texts == ["a", "ab"]
    assert ended == [None, None]
    logged = [record for record in caplog.records if record.name == "flask_embed.adapters"]
    assert [record.exc_info and record.exc_info[0] for record in logged] == [Fault, Fault]
    assert not db_session.registry.has()
    db_session.remove = works  # type: ignore[method-assign]
    assert call(app, "/count").text == "0"


def test_a_database_that_is_gone_fails_nothing_but_its_removal(
    app: Flask, engine: Engine, db_session: scoped_session[Session], caplog: pytest.LogCaptureFixture
) -> None:
    event.listen(engine, "rollback", fault, once=True)

    assert call(app, "/add/a").text == "a"

    logged = [record for record in caplog.records if record.name == "flask_embed.adapters"]
    assert [record.exc_info and record.exc_info[0] for record in logged] == [Fault]
    caplog.clear()  # its traceback has what the session had
    logged.clear()
    assert not db_session.registry.has()
    gc.collect()
    assert call(app, "/count").text == "0"


def test_what_ends_the_thread_is_not_taken_for_a_fault_of_the_database(
    app: Flask, db_session: scoped_session[Session]
) -> None:
    def leave() -> None:
        raise SystemExit

    works, db_session.remove = db_session.remove, leave  # type: ignore[method-assign]

    with pytest.raises(SystemExit):
        call(app, "/add/a")

    assert not db_session.registry.has()
    db_session.remove = works  # type: ignore[method-assign]


# Streams


@pytest.fixture
def seen() -> list[Session]:
    """The sessions that a stream has met, that of its view first."""
    return []


@pytest.fixture
def streaming(app: Flask, db_session: scoped_session[Session], seen: list[Session]) -> Flask:
    """An app whose stream goes on with what its view has begun."""

    @app.route("/stream/<text>")
    def stream(text: str) -> Iterator[str]:
        db_session.add(Note(text=text))
        seen.append(db_session())

        def generate() -> Iterator[str]:
            for _ in range(3):
                seen.append(db_session())
                yield str(pending(db_session))
            if text == "breaks":
                raise Fault

        return generate()

    return app


def test_a_stream_has_the_session_of_its_view_until_it_ends(
    streaming: Flask, seen: list[Session], removals: list[bool]
) -> None:
    body = begin(streaming, "/stream/a")

    parts = [next(body) for _ in range(3)]
    assert removals == []
    assert list(body) == []
    assert removals == [True]
    body.close()
    body.close()

    assert parts == [b"['a']"] * 3
    assert len(set(seen)) == 1
    assert removals == [True]


@pytest.mark.parametrize("read", [0, 1, 2])
def test_a_client_that_leaves_ends_the_session(
    streaming: Flask, db_session: scoped_session[Session], removals: list[bool], read: int
) -> None:
    body = begin(streaming, "/stream/a")
    for _ in range(read):
        next(body)

    body.close()

    assert removals == [True]
    assert not db_session.registry.has()
    assert list(body) == []
    assert call(streaming, "/count").text == "0"


def test_a_stream_that_breaks_ends_the_session(streaming: Flask, removals: list[bool]) -> None:
    body = begin(streaming, "/stream/breaks")

    with pytest.raises(Fault):
        list(body)
    body.close()

    assert removals == [True]


def test_a_stream_may_be_read_and_closed_in_other_threads(
    streaming: Flask, db_session: scoped_session[Session], seen: list[Session], removals: list[bool]
) -> None:
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        body = first.submit(begin, streaming, "/stream/a").result(DEADLINE)
        parts = [thread.submit(next, body).result(DEADLINE) for thread in (second, first, second)]
        elsewhere(body.close)
        left = [thread.submit(db_session.registry.has).result(DEADLINE) for thread in (first, second)]

    assert parts == [b"['a']"] * 3
    assert len(set(seen)) == 1
    assert removals == [True]
    assert left == [False, False]


def test_streams_may_be_read_in_turns(streaming: Flask, seen: list[Session], removals: list[bool]) -> None:
    bodies = [begin(streaming, f"/stream/{name}") for name in ("a", "b", "c")]

    turns = [[next(body) for body in bodies] for _ in range(3)]
    between = call(streaming, "/pending").text
    for body in bodies:
        body.close()

    assert turns == [[b"['a']", b"['b']", b"['c']"]] * 3
    assert between == "[]"
    assert len(set(seen)) == 3
    assert removals == [True] * 4


@pytest.mark.parametrize("read", [0, 2])
def test_a_server_that_never_closes_leaves_the_next_request_clean(
    streaming: Flask,
    db_session: scoped_session[Session],
    removals: list[bool],
    caplog: pytest.LogCaptureFixture,
    read: int,
) -> None:
    abandoned = begin(streaming, "/stream/a")
    for _ in range(read):
        next(abandoned)

    assert not db_session.registry.has()
    assert call(streaming, "/plain").text == "plain"
    assert removals == [False]
    del abandoned
    gc.collect()

    assert removals == [False, True]
    assert ["closed by the server" in record.getMessage() for record in caplog.records] == [True]
    assert call(streaming, "/count").text == "0"


def test_a_request_within_a_request_has_a_session_of_its_own(
    app: Flask, db_session: scoped_session[Session], removals: list[bool]
) -> None:
    outer = Flask("outer")
    remove_session(outer, db_session)

    @outer.route("/")
    def index() -> str:
        db_session.add(Note(text="outer"))
        own = db_session()
        inner = call(app, "/count").text
        assert removals == [True]
        assert db_session() is own
        assert [note.text for note in own.new] == ["outer"]
        db_session.commit()
        return f"{inner} {call(app, '/count').text}"

    assert call(outer).text == "0 1"

    assert removals == [True] * 3


def test_an_app_as_the_response_of_another_has_a_session_of_its_own(
    streaming: Flask, db_session: scoped_session[Session], removals: list[bool]
) -> None:
    outer = Flask("outer")
    remove_session(outer, db_session)
    outer.add_url_rule("/<path:path>", "inner", lambda path: (db_session(), streaming)[1])

    assert call(outer, "/stream/a").text == "['a']" * 3

    assert removals == [True, True]


def test_what_a_thread_has_left_outside_of_requests_is_not_met_by_one(
    app: Flask, db_session: scoped_session[Session], removals: list[bool]
) -> None:
    db_session.add(Note(text="left"))

    assert call(app, "/pending").text == "[]"

    assert removals == [True]
    db_session.remove()


# Whose the session is


@pytest.fixture
def scoped(factory: sessionmaker[Session]) -> scoped_session[Session]:
    """A session with the scope of a request."""
    return request_scoped_session(factory)


def test_it_is_used_like_any_scoped_session(scoped: scoped_session[Session], engine: Engine) -> None:
    class Queried(Base):
        __tablename__ = "queried"
        text: Mapped[str] = mapped_column(primary_key=True)
        query = scoped.query_property()

    Base.metadata.create_all(engine)
    scoped.configure(autoflush=False)
    app = Flask("like any")
    remove_session(app, scoped)

    with app.test_request_context():
        assert scoped(info={"made": "here"}).info == {"made": "here"}
        assert scoped().autoflush is False
        scoped.add(Queried(text="a"))
        scoped.commit()
        assert [row.text for row in Queried.query] == ["a"]
    assert type(scoped) is scoped_session
    Base.metadata.remove(Queried.metadata.tables["queried"])


def test_a_factory_that_is_no_sessionmaker_will_do(engine: Engine) -> None:
    make: Any = lambda: Session(engine)  # noqa: E731
    made = request_scoped_session(make)
    app = Flask("factory")
    remove_session(app, made)
    app.add_url_rule("/", "index", lambda: str(count(made)))

    assert call(app).text == "0"


def test_each_request_has_its_own_also_within_another(scoped: scoped_session[Session]) -> None:
    removals = watched(scoped)
    first, second = Flask("first"), Flask("second")
    for app in (first, second):
        remove_session(app, scoped)

    with first.test_request_context():
        outer = scoped()
        scoped.add(Note(text="outer"))
        with second.test_request_context():
            assert scoped() is not outer
            with first.test_request_context():
                assert scoped() is not outer
        assert removals == [True, True]
        assert scoped() is outer
        assert [note.text for note in outer.new] == ["outer"]
    assert removals == [True] * 3


def test_outside_of_requests_it_is_the_threads_and_no_request_touches_it(scoped: scoped_session[Session]) -> None:
    app = Flask("app")
    remove_session(app, scoped)
    app.add_url_rule("/", "index", lambda: str(pending(scoped)))

    own = scoped()
    own.add(Note(text="script"))
    others = elsewhere(scoped)
    page = call(app).text

    assert scoped() is own
    assert others is not own
    assert page == "[]"
    assert [note.text for note in own.new] == ["script"]
    scoped.remove()
    assert not scoped.registry.has()


def test_a_start_up_function_has_a_session(scoped: scoped_session[Session]) -> None:
    app = Flask("app")
    remove_session(app, scoped)
    app.add_url_rule("/", "index", lambda: str(count(scoped)))

    @app.on_startup
    def first_notes() -> None:
        scoped.add(Note(text="first"))
        scoped.commit()
        scoped.remove()

    with lifespan(app):
        assert call(app).text == "1"


@pytest.mark.parametrize("inherit", [True, False])
def test_a_thread_that_a_view_has_started_has_a_session_of_its_own(
    scoped: scoped_session[Session], sessions: WeakSet[Session], inherit: bool
) -> None:
    app = Flask("app")
    remove_session(app, scoped)

    @app.route("/")
    def index() -> str:
        # What a thread of a free-threaded Python starts with is a copy of its parent's context.
        context = copy_context()
        own = scoped()
        return str(elsewhere(lambda: context.run(scoped) if inherit else scoped()) is own)

    for application in (app, ScopedSessionMiddleware(app, scoped)):
        assert call(application).text == "False"
    gc.collect()
    assert list(sessions) == []  # it has ended with its thread


def test_a_request_in_a_thread_that_a_view_has_started_is_ended_there(scoped: scoped_session[Session]) -> None:
    removals = watched(scoped)
    app = Flask("app")
    remove_session(app, scoped)

    def work(environ: WSGIEnvironment) -> bool:
        with app.request_context(environ):
            add(scoped, "work")
        return scoped.registry.has()

    @app.route("/")
    def index() -> str:
        context, environ = copy_context(), request.environ
        return str(elsewhere(lambda: context.run(work, environ)))

    for application in (app, ScopedSessionMiddleware(app, scoped)):
        removals.clear()
        assert call(application).text == "False"
        assert removals == [True, False]


def in_greenlets(function: Callable[[int], object], number: int) -> list[Any]:
    """The results of a function for each number, in greenlets of this one thread."""
    try:
        jobs = [gevent.spawn(function, n) for n in range(number)]
        gevent.joinall(jobs, timeout=DEADLINE)
        return [job.get(block=False) for job in jobs]
    finally:
        gevent.get_hub().destroy(destroy_loop=True)


@pytest.mark.parametrize("around", [False, True])
def test_greenlets_of_one_thread_have_each_their_own(
    scoped: scoped_session[Session], sessions: WeakSet[Session], around: bool
) -> None:
    removals = watched(scoped)
    app = Flask("app")

    @app.route("/<int:n>")
    def visit(n: int) -> Iterator[str]:
        scoped.add(Note(text=str(n)))
        own = scoped()

        def generate() -> Iterator[str]:
            for _ in range(3):
                gevent.sleep(0)
                yield f"{scoped() is own} {[note.text for note in scoped.new]} "

        gevent.sleep(0)
        return generate()

    application: WSGIApplication = app
    if around:
        application = ScopedSessionMiddleware(app, scoped)
    else:
        remove_session(app, scoped)

    texts = in_greenlets(lambda n: call(application, f"/{n}").text, 50)

    assert texts == [f"True ['{n}'] " * 3 for n in range(50)]
    assert removals == [True] * 50
    gc.collect()
    assert list(sessions) == []


def test_a_greenlet_that_a_view_has_started_has_a_session_of_its_own(
    scoped: scoped_session[Session], sessions: WeakSet[Session]
) -> None:
    app = Flask("app")
    remove_session(app, scoped)
    app.add_url_rule("/", "index", lambda: str(gevent.spawn(scoped).get() is scoped()))

    texts = in_greenlets(lambda n: [call(each).text for each in (app, ScopedSessionMiddleware(app, scoped))], 2)

    assert texts == [["False", "False"]] * 2
    gc.collect()
    assert list(sessions) == []


def test_the_session_of_a_thread_is_not_shared_by_greenlets_without_a_word(
    factory: sessionmaker[Session], engine: Engine
) -> None:
    db_session = scoped_session(factory)
    app = Flask("app")
    app.add_url_rule("/", "index", lambda: str(count(db_session)))
    remove_session(app, db_session)

    def visit(n: int) -> str:
        with pytest.raises(RuntimeError, match="request_scoped_session") as error:
            call(app)
        return str(error.value)

    assert len(in_greenlets(visit, 2)[0].splitlines()) == 1
    assert call(app).text == "0"


def test_without_remove_session_it_is_gone_with_the_request(
    scoped: scoped_session[Session], sessions: WeakSet[Session]
) -> None:
    app = Flask("app")
    app.add_url_rule("/", "index", lambda: add(scoped, "a"))
    app.add_url_rule("/stream", "stream", lambda: iter([add(scoped, "a")]))

    for path in ("/", "/stream", "/"):
        assert call(app, path).text == "a"
        gc.collect()
        assert list(sessions) == []


def test_of_many_requests_in_many_threads_nothing_is_left(
    scoped: scoped_session[Session], sessions: WeakSet[Session]
) -> None:
    removals = watched(scoped)
    app = Flask("app")
    app.logger.disabled = True
    remove_session(app, scoped)

    @app.route("/<int:n>")
    def visit(n: int) -> str:
        assert not scoped.new
        scoped.add(Note(text=str(n)))
        if n % 3 == 0:
            raise Fault
        return str(n)

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda n: call(app, f"/{n}").status, range(120)))

    assert statuses == [200 if n % 3 else 500 for n in range(120)]
    assert removals == [True] * 120
    gc.collect()
    assert list(sessions) == []


# Around any app


class Steps:
    """A foreign app that uses the session at each step, and remembers with which."""

    def __init__(self, db_session: scoped_session[Session], parts: int = 3, raises: str = "") -> None:
        self.db_session = db_session
        self.parts = parts
        self.raises = raises
        self.sessions: list[Session] = []
        self.events: list[str] = []

    def step(self, name: str) -> None:
        self.events.append(name)
        self.sessions.append(self.db_session())
        count(self.db_session)
        if name == self.raises:
            raise Fault

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        self.step("call")
        return self

    def __iter__(self) -> Iterator[bytes]:
        self.step("iter")
        self.left = self.parts
        return self

    def __next__(self) -> bytes:
        self.step("next")
        if not self.left:
            raise StopIteration
        self.left -= 1
        return b"x"

    def close(self) -> None:
        self.step("close")


def test_any_app_has_one_session_for_a_request_until_its_body_is_closed(
    db_session: scoped_session[Session], removals: list[bool]
) -> None:
    steps = Steps(db_session)
    application = ScopedSessionMiddleware(steps, db_session)

    body = begin(application)
    parts = [next(body) for _ in range(3)]
    assert removals == []
    body.close()
    body.close()

    assert parts == [b"x"] * 3
    assert steps.events == ["call", "iter", "next", "next", "next", "close"]
    assert len(set(steps.sessions)) == 1
    assert removals == [True]
    assert list(body) == []


def test_at_the_end_of_the_body_it_is_closed_and_the_session_removed(
    db_session: scoped_session[Session], removals: list[bool]
) -> None:
    steps = Steps(db_session)

    answer = call(ScopedSessionMiddleware(steps, db_session))

    assert answer.body == b"xxx"
    assert steps.events == ["call", "iter", *["next"] * 4, "close"]
    assert removals == [True]


@pytest.mark.parametrize("where", ["call", "iter", "next", "close"])
def test_wherever_an_app_raises_its_session_is_removed(
    db_session: scoped_session[Session], removals: list[bool], where: str
) -> None:
    steps = Steps(db_session, raises=where)

    with pytest.raises(Fault):
        call(ScopedSessionMiddleware(steps, db_session))

    assert removals == [True]
    assert steps.events.count("close") == (where != "call")
    assert len(set(steps.sessions)) == 1
    assert not db_session.registry.has()


@pytest.mark.parametrize("whole", [[b"a", b"b"], (b"ab",), []])
def test_a_whole_body_goes_to_the_server_as_it_is(
    db_session: scoped_session[Session], removals: list[bool], whole: Iterable[bytes]
) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        count(db_session)
        return whole

    assert begin(ScopedSessionMiddleware(app, db_session)) is whole
    assert removals == [True]


def test_so_does_a_file(db_session: scoped_session[Session], removals: list[bool], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"file")
    with (tmp_path / "file").open("rb") as file:
        wrapper = FileWrapper(file)
        application = ScopedSessionMiddleware(lambda environ, start_response: wrapper, db_session)

        body = application(environ_of("/", **{"wsgi.file_wrapper": FileWrapper}), lambda *head: lambda data: None)

    assert body is wrapper
    assert removals == [False]


def test_each_step_may_be_in_another_thread(db_session: scoped_session[Session], removals: list[bool]) -> None:
    steps = Steps(db_session)
    application = ScopedSessionMiddleware(steps, db_session)

    with contextlib.ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(3)]
        body = threads[0].submit(begin, application).result(DEADLINE)
        parts = [thread.submit(next, body).result(DEADLINE) for thread in threads]
        between = [thread.submit(db_session.registry.has).result(DEADLINE) for thread in threads]
        threads[1].submit(body.close).result(DEADLINE)
        left = [thread.submit(db_session.registry.has).result(DEADLINE) for thread in threads]

    assert parts == [b"x"] * 3
    assert len(set(steps.sessions)) == 1
    assert removals == [True]
    assert between == left == [False] * 3


@pytest.mark.parametrize("read", [0, 2])
def test_a_body_that_is_never_closed_is_not_met_by_the_next_request(
    db_session: scoped_session[Session], removals: list[bool], caplog: pytest.LogCaptureFixture, read: int
) -> None:
    steps = Steps(db_session)
    application = ScopedSessionMiddleware(steps, db_session)
    abandoned = begin(application)
    for _ in range(read):
        next(abandoned)

    call(application)
    assert removals == [True]
    assert steps.sessions[0] is not steps.sessions[-1]
    steps.sessions.clear()
    del abandoned

    assert removals == [True, True]
    assert ["closed by the server" in record.getMessage() for record in caplog.records] == [True]


def test_a_close_that_fails_when_the_body_is_collected_is_logged(
    db_session: scoped_session[Session], removals: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    begin(ScopedSessionMiddleware(Steps(db_session, raises="close"), db_session))

    assert removals == [True]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [Fault]


def test_a_body_that_is_read_and_closed_at_once_keeps_its_session(
    db_session: scoped_session[Session], removals: list[bool]
) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        count(db_session)
        reading.set()
        assert go_on.wait(DEADLINE)
        count(db_session)
        yield b"x"

    body = begin(ScopedSessionMiddleware(app, db_session))
    with ThreadPoolExecutor(1) as pool:
        part = pool.submit(next, body)
        assert reading.wait(DEADLINE)
        with pytest.raises(RuntimeError, match="at a time"):
            body.close()
        go_on.set()
        assert part.result(DEADLINE) == b"x"

    assert removals == []
    body.close()
    assert removals == [True]


def test_a_failing_remove_is_logged_there_too(
    db_session: scoped_session[Session], caplog: pytest.LogCaptureFixture
) -> None:
    works, db_session.remove = db_session.remove, fault  # type: ignore[method-assign]
    application = ScopedSessionMiddleware(Steps(db_session), db_session)

    assert call(application).body == b"xxx"
    with pytest.raises(ZeroDivisionError):
        call(ScopedSessionMiddleware(lambda environ, start_response: [bytes(1 // 0)], db_session))

    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [Fault, Fault]
    db_session.remove = works  # type: ignore[method-assign]
    assert not db_session.registry.has()


@pytest.mark.parametrize("removes", [True, False])
def test_below_it_all_of_a_request_has_one_session_which_it_removes(
    db_session: scoped_session[Session], removals: list[bool], removes: bool
) -> None:
    seen: list[Session] = []

    def look() -> str:
        seen.append(db_session())
        return "x"

    app = Flask("app")
    if removes:
        remove_session(app, db_session)
    app.add_url_rule("/", "index", look)
    app.add_url_rule("/stream", "stream", lambda: (look() for _ in range(2)))
    app.add_url_rule("/inner", "inner", lambda: call(app).text)
    app.teardown_request(lambda error: seen.append(db_session()))

    def log_in(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        look()
        return app(environ, start_response)

    application = ScopedSessionMiddleware(log_in, db_session)
    for path, text, steps in [("/", "x", 3), ("/stream", "xx", 4), ("/inner", "x", 4)]:
        assert call(application, path).text == text
        assert len(seen) == steps
        assert len(set(seen)) == 1
        assert removals == [True]
        seen.clear()
        removals.clear()


def test_one_middleware_in_another_gives_each_request_its_own(
    db_session: scoped_session[Session], removals: list[bool]
) -> None:
    inner = Steps(db_session)

    def outer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        db_session.add(Note(text="outer"))
        own = db_session()
        yield from call(ScopedSessionMiddleware(inner, db_session)).body.splitlines()
        assert removals == [True]
        assert db_session() is own
        yield str([note.text for note in own.new]).encode()

    body = begin(ScopedSessionMiddleware(outer, db_session))

    assert b" ".join(body) == b"xxx ['outer']"
    assert removals == [True, True]


def test_what_was_left_in_the_scope_is_closed_when_a_request_begins(
    db_session: scoped_session[Session], removals: list[bool], engine: Engine
) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [f"{count(db_session)} {checked_out(engine)}".encode()]

    add(db_session, "left")

    assert call(ScopedSessionMiddleware(app, db_session)).body == b"0 1"
    assert removals == [True]


@pytest.mark.parametrize("make", SCOPES.values(), ids=list(SCOPES))
def test_requests_of_two_sessions_do_not_meet(
    factory: sessionmaker[Session], make: Callable[[sessionmaker[Session]], scoped_session[Session]]
) -> None:
    first, second = make(factory), make(factory)
    removals = watched(first), watched(second)
    met: list[tuple[Session, Session]] = []
    app = Flask("app")
    app.add_url_rule("/", "index", lambda: (look() for _ in range(2)))

    def look() -> str:
        met.append((first(), second()))
        return "x"

    def between(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return [look().encode(), *ScopedSessionMiddleware(app, second)(environ, start_response)]

    assert call(ScopedSessionMiddleware(between, first)).body == b"xxx"

    assert len({own for own, _ in met}) == 1
    assert len({own for _, own in met[1:]}) == 1
    assert removals == ([True], [True])
    second.remove()  # that of the middleware, which was outside


def test_tornados_own_container_reads_in_any_thread_and_mixes_no_sessions(
    db_session: scoped_session[Session], removals: list[bool]
) -> None:
    app = Flask("app")
    threads: set[tuple[int, int]] = set()

    @app.route("/<int:n>")
    def stream(n: int) -> Iterator[str]:
        assert not db_session().new
        db_session.add(Note(text=str(n)))
        g.own = db_session()
        began = threading.get_ident()

        def generate() -> Iterator[str]:
            for _ in range(4):
                threads.add((began, threading.get_ident()))
                yield f"{db_session() is g.own} {[note.text for note in db_session.new]} "

        return generate()

    remove_session(app, db_session)

    def ask(port: int, n: int) -> str:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as connection:
            connection.request("GET", f"/{n}")
            return connection.getresponse().read().decode()

    async def serve() -> list[str]:
        with ThreadPoolExecutor(4) as pool, ThreadPoolExecutor(8) as clients:
            server = HTTPServer(WSGIContainer(app, pool))
            (listener,) = bind_sockets(0, "127.0.0.1")
            server.add_socket(listener)
            loop = asyncio.get_running_loop()
            asked = [loop.run_in_executor(clients, ask, listener.getsockname()[1], n) for n in range(80)]
            answers = await asyncio.gather(*asked)
            server.stop()
            await server.close_all_connections()
        return list(answers)

    answers = asyncio.run(serve())

    assert answers == [f"True ['{n}'] " * 4 for n in range(80)]
    assert removals == [True] * 80
    assert any(began != read for began, read in threads)


# Mistakes


#: no checker knows what it may be passed to
ASYNC: Any = AsyncSession


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        pytest.param(lambda engine: Session(engine), "is one session, which all requests would share", id="a session"),
        pytest.param(sessionmaker, "makes sessions, and has no scope", id="a sessionmaker"),
        pytest.param(lambda engine: engine, "is not a scoped_session", id="an engine"),
        pytest.param(lambda engine: Session, "is not a scoped_session", id="the class"),
        pytest.param(lambda engine: None, "is not a scoped_session", id="nothing"),
        pytest.param(lambda engine: Flask("app"), "is not a scoped_session", id="something else"),
        pytest.param(lambda engine: AsyncSession(), "is for asyncio", id="an async session"),
        pytest.param(lambda engine: async_sessionmaker(), "is for asyncio", id="an async sessionmaker"),
        pytest.param(
            lambda engine: async_scoped_session(async_sessionmaker(), threading.get_ident),
            "is for asyncio",
            id="an async scoped session",
        ),
        pytest.param(
            lambda engine: scoped_session(sessionmaker(class_=ASYNC)),
            "is for asyncio",
            id="a scoped session of async ones",
        ),
        pytest.param(lambda engine: scoped_session(ASYNC), "is for asyncio", id="one of the async class"),
    ],
)
@pytest.mark.parametrize("use", [remove_session, ScopedSessionMiddleware])
def test_what_is_no_scoped_session_is_told_in_a_line(
    engine: Engine, make: Callable[[Engine], Any], fault: str, use: Callable[..., Any]
) -> None:
    app = Flask("app")

    with pytest.raises(TypeError) as error:
        use(app, make(engine))

    (line,) = str(error.value).splitlines()
    assert line.startswith("db_session is ")
    assert f", which {fault}" in line
    assert line.endswith("pass request_scoped_session(sessionmaker(engine)), or another scoped_session")
    assert app.teardown_request_funcs == []


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        pytest.param(lambda engine: Session(engine), "does not make sessions", id="a session"),
        pytest.param(lambda engine: engine, "does not make sessions", id="an engine"),
        pytest.param(lambda engine: MetaData, "does not make sessions", id="another class"),
        pytest.param(lambda engine: scoped_session(sessionmaker(engine)), "has a scope already", id="a scoped session"),
        pytest.param(lambda engine: async_sessionmaker(), "is for asyncio", id="an async sessionmaker"),
        pytest.param(lambda engine: ASYNC, "is for asyncio", id="the async class"),
        pytest.param(lambda engine: sessionmaker(class_=ASYNC), "is for asyncio", id="a maker of async ones"),
    ],
)
def test_what_makes_no_sessions_is_told_in_a_line(engine: Engine, make: Callable[[Engine], Any], fault: str) -> None:
    with pytest.raises(TypeError) as error:
        request_scoped_session(make(engine))

    (line,) = str(error.value).splitlines()
    assert line.startswith("session_factory is ")
    assert line.endswith(f", which {fault}: pass sessionmaker(engine)") or line.endswith(
        "which is for asyncio, not for a WSGI app: pass sessionmaker(engine)"
    )


@pytest.mark.parametrize("app", [None, "app:app", Flask, DispatcherMiddleware()])
def test_what_is_no_app_of_flask_embed_is_told_what_to_use(engine: Engine, app: Any) -> None:
    with pytest.raises(TypeError, match="ScopedSessionMiddleware") as error:
        remove_session(app, request_scoped_session(sessionmaker(engine)))

    assert len(str(error.value).splitlines()) == 1


def test_arguments_in_the_wrong_order_are_noticed(engine: Engine) -> None:
    db_session = request_scoped_session(sessionmaker(engine))
    wrong: Any = (db_session, Flask("app"))

    for use in (remove_session, ScopedSessionMiddleware):
        with pytest.raises(TypeError, match=r"^(app|db_session) is "):
            use(*wrong)
    with pytest.raises(TypeError, match="app is None"):
        ScopedSessionMiddleware(None, db_session)  # type: ignore[arg-type]


# What a test opens in a context that its client has kept


def test_a_session_that_a_test_opens_in_a_kept_context_ends_with_it() -> None:
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=3)
    db_session = request_scoped_session(sessionmaker(engine))
    app = Flask(__name__)
    remove_session(app, db_session)
    app.add_url_rule("/", "index", lambda: f"{db_session.execute(select(func.abs(1))).scalar()}")
    pool: Any = engine.pool

    with app.test_client() as client:
        assert client.get("/").text == "1"
        assert pool.checkedout() == 0
        db_session.execute(select(func.abs(1)))
        assert pool.checkedout() == 1
        client.get("/")
        assert pool.checkedout() == 0
        db_session.execute(select(func.abs(1)))
    assert pool.checkedout() == 0
    engine.dispose()


def test_a_greenlet_with_a_copy_of_the_variables_has_a_session_of_its_own() -> None:
    engine = create_engine("sqlite://")
    db_session = request_scoped_session(sessionmaker(engine))
    app = Flask(__name__)
    with app.test_request_context():
        own = db_session()
        other = gevent.spawn(copy_context().run, db_session).get()
        gevent.spawn(copy_context().run, db_session.remove).get()
        assert other is not own
        assert db_session() is own
        db_session.remove()
    engine.dispose()
