"""Sessions on a real PostgreSQL, through each runner: whatever requests do, each has its own, and it ends."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.adapters.records import STDOUT, Peer, asked
from tests.servers.postgresql import postgresql
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.postgresql import Server
    from tests.serving import Runner

pytest.importorskip("psycopg")

APP = """
import gc, os, sys, threading, time, weakref
from sqlalchemy import NullPool, create_engine, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker
from flask_embed import Flask, request
from flask_embed.adapters.sqlalchemy_session import remove_session, request_scoped_session

def here():
    return threading.get_ident()

if "gevent" in sys.modules:
    from gevent import getcurrent, sleep as pause
    here = lambda: id(getcurrent())
else:
    pause = time.sleep

url = os.environ["NOTES_URL"]
engine = create_engine(
    url,
    pool_size=int(os.environ["NOTES_POOL"]), max_overflow=0, pool_timeout=15,
    pool_pre_ping="NOTES_PING" in os.environ,
)
alive = weakref.WeakSet()

class Base(DeclarativeBase):
    pass

class Note(Base):
    __tablename__ = "notes"
    text: Mapped[str] = mapped_column(primary_key=True)

class Known(Session):
    def __init__(self, *arguments, **values):
        super().__init__(*arguments, **values)
        alive.add(self)

make = {"request": request_scoped_session, "thread": scoped_session}[os.environ["NOTES_SCOPE"]]
db_session = make(sessionmaker(engine, class_=Known))
#: for each request with a number, where it has begun and where its session was removed
began, removed, faults = {}, {}, []
removals = 0
counting = threading.Lock()
remove = db_session.remove

def counted():
    global removals
    number = db_session.info.get("n") if db_session.registry.has() else None
    try:
        remove()
    finally:
        with counting:
            removals += 1
            now = removals
            if number is not None:
                removed.setdefault(number, []).append(here())
        print("removed", now, file=sys.stderr, flush=True)

db_session.remove = counted
app = Flask(__name__)
remove_session(app, db_session)

@app.on_startup
def make_table():
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(Note(text="there already"))

def begin(n):
    session = db_session()
    if session.info or session.new or session.in_transaction():
        faults.append(f"{n} has found {session.info} {session.new}")
    session.info["n"] = n
    began[n] = here()
    session.add(Note(text=f"flushed {n}"))
    session.flush()
    session.add(Note(text=f"pending {n}"))
    pause(0)
    check(n, session)
    return session

def check(n, session):
    with session.no_autoflush:
        names = {note.text for note in session.new} | set(session.scalars(select(Note.text).where(
            Note.text.not_like("stored %"))))
    if db_session() is not session or session.info != {"n": n} or names != {
        f"flushed {n}", f"pending {n}", "there already"
    }:
        faults.append(f"{n} sees {db_session().info} {sorted(names)}")

@app.route("/view/<int:n>")
def view(n):
    session = begin(n)
    session.rollback()
    session.add(Note(text=f"stored {n}"))
    session.commit()
    return str(n)

@app.route("/fault/<int:n>")
def fault(n):
    begin(n)
    raise ValueError(n)

@app.route("/commit/<int:n>")
def commit(n):
    session = begin(n)
    session.expunge_all()
    session.add(Note(text="there already"))
    session.commit()
    return str(n)

@app.route("/stream/<int:n>/<int:parts>")
def stream(n, parts):
    session = begin(n)
    def generate():
        for _ in range(parts):
            check(n, session)
            yield f"{n} "
            pause(0)
    return generate()

@app.route("/told")
def told():
    # A request that has ended holds its session for some more instructions.
    deadline = time.monotonic() + 5
    while alive and time.monotonic() < deadline:
        gc.collect()
        pause(0.01)
    with Session(engine) as session:
        stored = session.scalars(select(Note.text).where(Note.text.like("stored %"))).all()
    return {
        "faults": faults, "began": began, "removed": removed, "removals": removals, "stored": sorted(stored),
        "checked out": engine.pool.checkedout(), "alive": len(alive),
    }

@app.route("/count")
def count():
    return str(db_session.scalar(select(func.count()).select_from(Note)))

@app.route("/cut")
def cut():
    "The connection of this request is cut by the server after the last statement."
    backend = db_session.scalar(select(func.pg_backend_pid()))
    other = create_engine(url, poolclass=NullPool)
    with other.connect() as connection:
        connection.scalar(select(func.pg_terminate_backend(backend, 10_000)))
    return "cut"

@app.route("/ticks")
def ticks():
    "How often another greenlet gets its turn while a query waits."
    import gevent
    turns = 0
    def tick():
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0)
    ticking = gevent.spawn(tick)
    gevent.sleep(0)
    turns = 0
    db_session.execute(select(func.pg_sleep(0.05)))
    seen = turns
    ticking.kill()
    return str(seen)
"""


class Way(NamedTuple):
    """A runner, and what it is started with."""

    runner: str
    scope: str
    options: tuple[str, ...] = ()
    #: connections of the pool: without patching a request that waits for one would stop all others
    pool: int = 6


WAYS = {
    "gevent": Way("gevent", "request"),
    "gevent --no-patch": Way("gevent", "request", ("--no-patch",), pool=20),
    "tornado": Way("tornado", "request", ("--threads", "8")),
    "fastcgi": Way("fastcgi", "request", ("--threads", "8")),
    "gevent, a session per greenlet": Way("gevent", "thread"),
    "tornado, a session per thread": Way("tornado", "thread", ("--threads", "8")),
    "fastcgi, a session per thread": Way("fastcgi", "thread", ("--threads", "8")),
}


class Asking:
    """A client of a runner, over HTTP or FastCGI."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body."""
        if self.runner.path:
            with Peer(self.runner.path) as peer:
                answer = peer.ask(path)
                return int(answer.status[:3]), answer.body.decode()
        status, _, body = self.runner.get(path)
        return status, body.decode()

    def leave(self, path: str) -> None:
        """Ask for a stream, and leave when it has begun."""
        if self.runner.path:
            with Peer(self.runner.path) as peer:
                peer.send(asked(path))
                while peer.record()[0] != STDOUT:
                    pass
            return
        with contextlib.closing(self.runner.connect()) as connection:
            connection.request("GET", path)
            with connection.getresponse() as answer:
                answer.read(1)

    def told(self) -> Any:
        """The notes of the app about the requests before this one, all of which are in the log by then."""
        told = json.loads(self.ask("/told")[1])
        self.runner.wait_for(f"removed {told['removals'] + 1}")
        return told

    def log(self) -> str:
        """The lines on stderr."""
        return "".join(self.runner.lines)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notes")
    (folder / "notes.py").write_text(APP)
    return folder


@contextlib.contextmanager
def serving_notes(way: Way, server: Server, folder: Path, **variables: str) -> Iterator[Asking]:
    bind = f"unix:{folder}/notes.sock" if way.runner == "fastcgi" else "127.0.0.1:0"
    variables.update(NOTES_URL=server.url, NOTES_POOL=str(way.pool), NOTES_SCOPE=way.scope)
    with serving(way.runner, "notes:app", "--bind", bind, *way.options, cwd=folder, variables=variables) as runner:
        yield Asking(runner)


@pytest.fixture(scope="module", params=list(WAYS))
def asking(request: pytest.FixtureRequest, server: Server, folder: Path) -> Iterator[Asking]:
    with serving_notes(WAYS[request.param], server, folder) as asking:
        yield asking


def visit(asking: Asking, n: int) -> str:
    """The fault of the answer to request *n*, whose number gives its kind; empty without a fault."""
    kind = ("view", "fault", "commit", "stream", "leave")[n % 5]
    if kind == "leave":
        asking.leave(f"/stream/{n}/1000000")
        return ""
    path, status, text = {
        "view": (f"/view/{n}", 200, str(n)),
        "fault": (f"/fault/{n}", 500, None),
        "commit": (f"/commit/{n}", 500, None),
        "stream": (f"/stream/{n}/5", 200, f"{n} " * 5),
    }[kind]
    answer = asking.ask(path)
    return "" if answer[0] == status and text in (None, answer[1]) else f"{kind} {n}: {answer}"


def test_500_requests_of_all_kinds_have_each_its_own_session_and_leave_nothing(asking: Asking) -> None:
    before = asking.told()["removals"] + 1  # that of telling

    with ThreadPoolExecutor(8) as clients:
        wrong = [fault for fault in clients.map(lambda n: visit(asking, n), range(500)) if fault]
    asking.runner.wait_for(f"removed {before + 500}")  # those whose clients have left end a little later
    told = asking.told()

    assert wrong == []
    assert told["faults"] == []
    assert told["removals"] == before + 500
    # Each in the thread or greenlet where it has run, and once.
    assert told["removed"] == {n: [place] for n, place in told["began"].items()}
    assert len(told["removed"]) == 500
    assert told["stored"] == sorted(f"stored {n}" for n in range(0, 500, 5))
    assert (told["checked out"], told["alive"]) == (0, 0)


def test_a_connection_that_is_cut_in_a_request_fails_neither_that_nor_the_next(asking: Asking) -> None:
    number = asking.ask("/count")
    asking.told()
    before = asking.log()

    answers = [asking.ask(path) for path in ("/cut", "/count", "/count")]
    told = asking.told()

    assert answers == [(200, "cut"), number, number]
    log = asking.log().removeprefix(before)
    assert log.count("The session of a request could not be removed") == 1
    assert "AdminShutdown" in log
    assert (told["checked out"], told["alive"]) == (0, 0)


def test_a_database_that_was_started_anew_costs_one_error(asking: Asking, server: Server) -> None:
    with ThreadPoolExecutor(4) as clients:  # several connections in the pool
        (number,) = set(clients.map(asking.ask, ["/count"] * 8))
    asking.told()
    before = asking.log()

    server.stop()
    server.start()
    answers = [asking.ask("/count") for _ in range(6)]
    told = asking.told()

    assert [answers[0][0], *answers[1:]] == [500, *[number] * 5]
    log = asking.log().removeprefix(before)
    assert log.count("Exception on /count") == 1
    assert "OperationalError" in log
    assert (told["checked out"], told["alive"]) == (0, 0)


def test_one_that_is_down_is_an_error_until_it_is_up(asking: Asking, server: Server) -> None:
    number = asking.ask("/count")

    server.stop()
    try:
        down = [asking.ask("/count")[0] for _ in range(2)]
    finally:
        server.start()
    up = [asking.ask("/count") for _ in range(2)]

    assert down == [500, 500]
    assert up == [number] * 2
    assert asking.told()["checked out"] == 0


def test_with_pool_pre_ping_it_costs_none(server: Server, folder: Path) -> None:
    with serving_notes(WAYS["gevent"], server, folder, NOTES_PING="1") as asking:
        with ThreadPoolExecutor(4) as clients:
            assert set(clients.map(asking.ask, ["/count"] * 8)) == {(200, "1")}
        server.stop()
        server.start()
        answers = [asking.ask("/count") for _ in range(6)]
        asking.told()

    assert answers == [(200, "1")] * 6
    assert "Error" not in asking.log()


@pytest.mark.parametrize(("asking", "waits"), [("gevent", True), ("gevent --no-patch", False)], indirect=["asking"])
def test_psycopg_waits_without_stopping_other_greenlets_if_gevent_has_patched(asking: Asking, waits: bool) -> None:
    status, turns = asking.ask("/ticks")

    assert status == 200
    assert (int(turns) > 0) is waits
