"""One request sees nothing of another's database session, and none outlives its request."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest
from sqlalchemy import Engine, create_engine, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker
from sqlalchemy.pool import QueuePool

from flask_embed import Flask
from flask_embed.adapters.sqlalchemy_session import ScopedSessionMiddleware, remove_session, request_scoped_session
from tests.security.calls import call, environ_of
from tests.security.checks import check, equal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import WSGIApplication

    Made = tuple[WSGIApplication, scoped_session[Session]]


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    text: Mapped[str] = mapped_column(primary_key=True)


class Fault(Exception):
    """The exception that the tests raise."""


def fault(*args: Any) -> Any:
    raise Fault


class Removals:
    """The calls of a session's remove(): their number and their places."""

    def __init__(self, db_session: scoped_session[Session]) -> None:
        self._lock = threading.Lock()
        self._remove = db_session.remove
        self.threads: list[int] = []
        db_session.remove = self.remove  # type: ignore[method-assign]

    def remove(self) -> None:
        with self._lock:
            self.threads.append(threading.get_ident())
        self._remove()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine for a file with one table, and with a connection for each of the threads of a test."""
    engine = create_engine(f"sqlite:///{tmp_path}/notes.db", pool_size=20, connect_args={"timeout": 30})
    Base.metadata.create_all(engine)
    yield engine
    equal(checked_out(engine), 0, "the connections that are still in use")
    engine.dispose()


def checked_out(engine: Engine) -> int:
    pool = engine.pool
    check(isinstance(pool, QueuePool), f"another pool: {pool!r}")
    return pool.checkedout()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def alive() -> WeakSet[Session]:
    """The sessions that there are."""
    return WeakSet()


@pytest.fixture
def factory(engine: Engine, alive: WeakSet[Session]) -> sessionmaker[Session]:
    class Known(Session):
        def __init__(self, *args: Any, **values: Any) -> None:
            super().__init__(*args, **values)
            alive.add(self)

    return sessionmaker(engine, class_=Known, autoflush=False)


def app_with(db_session: scoped_session[Session]) -> Flask:
    """An app in which each request leaves something pending, and fails in its own way."""
    app = Flask(__name__)
    app.logger.disabled = True
    app.pause = lambda: None  # type: ignore[attr-defined]

    def begin(n: int) -> Session:
        session = db_session()
        if session.new or session.in_transaction() or session.info:
            raise AssertionError(f"{n} has found {session.new} {session.info}")
        session.info["n"] = n
        session.add(Note(text=f"pending {n}"))
        session.scalar(select(func.count()).select_from(Note))
        app.pause()  # type: ignore[attr-defined]
        return session

    def own(n: int, session: Session) -> str:
        if db_session() is not session or session.info != {"n": n}:
            raise AssertionError(f"{n} has another session: {db_session().info}")
        return f"{n} {sorted(note.text for note in session.new)}"

    @app.route("/view/<int:n>")
    def view(n: int) -> str:
        return own(n, begin(n))

    @app.route("/fault/<int:n>")
    def failing(n: int) -> str:
        begin(n)
        raise Fault

    @app.route("/commit/<int:n>")
    def commit(n: int) -> str:
        session = begin(n)
        session.expunge_all()
        session.add(Note(text="there already"))
        session.commit()
        return str(n)

    @app.route("/stream/<int:n>")
    def stream(n: int) -> Iterator[str]:
        session = begin(n)
        for _ in range(3):
            app.pause()  # type: ignore[attr-defined]
            yield own(n, session)

    return app


def visit(app: WSGIApplication, n: int) -> list[str]:
    """The faults in the answers to a request of each kind, and to one whose client disconnects."""
    own = f"{n} ['pending {n}']"
    expected = {"view": (200, own), "fault": (500, None), "commit": (500, None), "stream": (200, own * 3)}
    wrong = []
    for kind, (status, text) in expected.items():
        answer = call(app, f"/{kind}/{n}")
        if answer.status != status or text not in (None, answer.text):
            wrong.append(f"{kind} {n}: {answer}")
    leaving: Any = app(environ_of(f"/stream/{n}"), lambda *head: lambda data: None)
    if next(leaving) != own.encode():
        wrong.append(f"{n} left with another's")
    leaving.close()
    return wrong


def of_an_app(db_session: scoped_session[Session]) -> Made:
    app = app_with(db_session)
    remove_session(app, db_session)
    return app, db_session


def around_an_app(db_session: scoped_session[Session]) -> Made:
    return ScopedSessionMiddleware(app_with(db_session), db_session), db_session


WAYS: dict[str, Callable[[sessionmaker[Session]], Made]] = {
    "remove_session, of the request": lambda factory: of_an_app(request_scoped_session(factory)),
    "remove_session, of the thread": lambda factory: of_an_app(scoped_session(factory)),
    "middleware, of the request": lambda factory: around_an_app(request_scoped_session(factory)),
    "middleware, of the thread": lambda factory: around_an_app(scoped_session(factory)),
}


def store_one(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add(Note(text="there already"))


def stored(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return list(session.scalars(select(Note.text)))


@pytest.mark.parametrize("make", WAYS.values(), ids=list(WAYS))
def test_promise_108_each_request_of_many_in_threads_ends_its_own_session(
    engine: Engine, factory: sessionmaker[Session], alive: WeakSet[Session], make: Callable[..., Made]
) -> None:
    app, db_session = make(factory)
    removals = Removals(db_session)
    store_one(engine)

    with ThreadPoolExecutor(8) as pool:
        wrong = [fault for faults in pool.map(lambda n: visit(app, n), range(40)) for fault in faults]
        equal(checked_out(engine), 0, "the connections that are still in use")

    equal(wrong, [])
    equal(len(removals.threads), 40 * 5, "the removals")
    equal(stored(engine), ["there already"])
    gc.collect()
    equal(list(alive), [], "the sessions that are left")


@pytest.mark.parametrize("make", WAYS.values(), ids=list(WAYS))
def test_promise_108_it_is_removed_where_the_request_has_run(
    factory: sessionmaker[Session], make: Callable[..., Made]
) -> None:
    app, db_session = make(factory)
    removals = Removals(db_session)

    for _ in range(3):
        with ThreadPoolExecutor(1) as pool:
            thread = pool.submit(threading.get_ident).result()
            pool.submit(visit, app, 1).result()
            equal(pool.submit(db_session.registry.has).result(), False)
        equal(removals.threads, [thread] * 5)
        removals.threads.clear()


@pytest.mark.parametrize("make", WAYS.values(), ids=list(WAYS))
def test_promise_108_steps_of_a_stream_in_other_threads_have_the_session_of_their_request(
    factory: sessionmaker[Session], make: Callable[..., Made]
) -> None:
    app, db_session = make(factory)
    removals = Removals(db_session)

    def begin(n: int) -> Any:
        return app(environ_of(f"/stream/{n}"), lambda *head: lambda data: None)

    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        bodies = [first.submit(begin, n).result() for n in range(2)]
        for thread in (second, first, second):
            parts = [thread.submit(next, body).result() for body in bodies]
            equal(parts, [f"{n} ['pending {n}']".encode() for n in range(2)])
        for body in bodies:
            first.submit(body.close).result()
        left = [thread.submit(db_session.registry.has).result() for thread in (first, second)]

    equal(left, [False, False])
    equal(len(removals.threads), 2)


@pytest.mark.parametrize("make", WAYS.values(), ids=list(WAYS))
def test_promise_108_a_server_that_never_closes_leaves_the_next_request_clean(
    factory: sessionmaker[Session], make: Callable[..., Made]
) -> None:
    app, _ = make(factory)
    abandoned: Any = app(environ_of("/stream/1"), lambda *head: lambda data: None)
    next(abandoned)

    equal(call(app, "/view/2").text, "2 ['pending 2']")

    abandoned.close()


@pytest.mark.parametrize("make", WAYS.values(), ids=list(WAYS))
def test_promise_108_an_inner_request_ends_its_own_session_alone(
    factory: sessionmaker[Session], make: Callable[..., Made]
) -> None:
    inner, db_session = make(factory)
    outer = Flask("outer")
    remove_session(outer, db_session)

    @outer.route("/")
    def index() -> str:
        db_session.add(Note(text="outer"))
        own = db_session()
        inner_text = call(inner, "/view/1").text
        return f"{inner_text} {db_session() is own} {[note.text for note in own.new]}"

    equal(call(outer).text, "1 ['pending 1'] True ['outer']")


@pytest.mark.parametrize("way", ["remove_session", "middleware"])
def test_promise_109_greenlets_of_one_thread_never_share_a_session(
    engine: Engine, factory: sessionmaker[Session], alive: WeakSet[Session], way: str
) -> None:
    gevent = pytest.importorskip("gevent")
    app, db_session = WAYS[f"{way}, of the request"](factory)
    removals = Removals(db_session)
    flask_app: Any = app if way == "remove_session" else app.app  # type: ignore[attr-defined]
    flask_app.pause = lambda: gevent.sleep(0)
    store_one(engine)

    try:
        jobs = [gevent.spawn(visit, app, n) for n in range(20)]
        gevent.joinall(jobs, timeout=50)
        wrong = [fault for job in jobs for fault in job.get(block=False)]
    finally:
        gevent.get_hub().destroy(destroy_loop=True)

    equal(wrong, [])
    equal(len(removals.threads), 20 * 5)
    equal(set(removals.threads), {threading.get_ident()})  # nothing is patched
    equal(checked_out(engine), 0, "the connections that are still in use")
    gc.collect()
    equal(list(alive), [], "the sessions that are left")


@pytest.mark.parametrize("way", ["remove_session", "middleware"])
def test_promise_109_what_would_be_shared_by_greenlets_answers_nothing(
    factory: sessionmaker[Session], way: str
) -> None:
    gevent = pytest.importorskip("gevent")
    app, _ = WAYS[f"{way}, of the thread"](factory)

    def ask() -> str:
        try:
            return call(app, "/view/1").text
        except RuntimeError as error:
            return str(error)

    try:
        text = gevent.spawn(ask).get()
    finally:
        gevent.get_hub().destroy(destroy_loop=True)

    check("request_scoped_session" in text, text)


def test_promise_109_a_greenlet_that_a_view_has_started_does_not_get_its_session(
    factory: sessionmaker[Session],
) -> None:
    gevent = pytest.importorskip("gevent")
    db_session = request_scoped_session(factory)
    app = Flask("app")
    app.add_url_rule("/", "index", lambda: str(gevent.spawn(db_session).get() is db_session()))

    try:
        texts = [
            gevent.spawn(call, application).get().text
            for application in (app, ScopedSessionMiddleware(app, db_session))
        ]
    finally:
        gevent.get_hub().destroy(destroy_loop=True)

    equal(texts, ["False", "False"])


@pytest.mark.parametrize("make", WAYS.values(), ids=list(WAYS))
@pytest.mark.parametrize("path", ["/view/1", "/stream/1"])
def test_promise_110_a_remove_that_raises_is_logged_and_changes_nothing_else(
    factory: sessionmaker[Session],
    caplog: pytest.LogCaptureFixture,
    make: Callable[..., Made],
    path: str,
) -> None:
    app, db_session = make(factory)
    flask_app: Any = app if isinstance(app, Flask) else app.app  # type: ignore[attr-defined]
    ended: list[str] = []
    flask_app.teardown_request_funcs[:] = [
        lambda error: ended.append("first"),
        *flask_app.teardown_request_funcs,
        lambda error: ended.append("last"),
    ]
    works, db_session.remove = db_session.remove, fault  # type: ignore[method-assign]

    answer = call(app, path)

    equal(answer.status, 200)
    equal(answer.text, "1 ['pending 1']" * (3 if path == "/stream/1" else 1))
    equal(ended, ["last", "first"])
    equal([record.exc_info[0] for record in caplog.records if record.exc_info], [Fault], "what is in the log")
    db_session.remove = works  # type: ignore[method-assign]
    equal(call(app, "/view/2").text, "2 ['pending 2']")


@pytest.mark.parametrize("make", WAYS.values(), ids=list(WAYS))
def test_promise_110_nor_does_a_database_that_is_gone(
    engine: Engine, factory: sessionmaker[Session], caplog: pytest.LogCaptureFixture, make: Callable[..., Made]
) -> None:
    app, _ = make(factory)
    event.listen(engine, "rollback", fault, once=True)

    equal(call(app, "/view/1").text, "1 ['pending 1']")

    equal([record.exc_info[0] for record in caplog.records if record.exc_info], [Fault], "what is in the log")
    caplog.clear()  # its traceback has what the session had
    equal(call(app, "/view/2").text, "2 ['pending 2']")
    gc.collect()
