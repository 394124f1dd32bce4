"""An app whose answers name their request, and visitors that check that it was theirs.

In-process tests and those of runners share both: :func:`visited` makes the app, :func:`visit` says what one visitor
asks for and what it finds wrong, and whoever runs it sends the requests.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs
from weakref import ref

from flask_embed import Flask, Response, current_app, g, redirect, request, session, url_for
from flask_embed.ctx import current_context
from flask_embed.middleware import DispatcherMiddleware
from tests.security.calls import call

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from _typeshed.wsgi import WSGIApplication

__all__ = [
    "OF_FOUR_QUARTERS",
    "REQUESTS",
    "Answered",
    "Asked",
    "Diary",
    "here",
    "visit",
    "visited",
    "visited_by_greenlets",
]

#: how many requests of the app a visitor makes, and four that each do a quarter; one that is nested in another counts
REQUESTS, OF_FOUR_QUARTERS = 11, 17
#: of how many parts a stream is made that has an end
_PARTS = 3


class Fault(Exception):
    """The exception that the views raise."""


def here() -> tuple[int, int]:
    """The thread and the greenlet that runs this."""
    greenlet = sys.modules.get("greenlet")
    return threading.get_native_id(), 0 if greenlet is None else id(greenlet.getcurrent())


class Diary:
    """The records of an app about its requests, beside its answers."""

    def __init__(self) -> None:
        #: how often the request of each target was begun, and ended
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        #: what a request has seen that was not its own
        self.wrong: list[str] = []
        #: the targets of the requests that were ended in another thread or greenlet than begun in
        self.moved: list[str] = []
        #: the contexts, and what belonged to them
        self.objects: list[ref[object]] = []
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Called when a request begins."""
        target, context = request.full_path, current_context()
        with self._lock:
            self.objects += [ref(context), ref(context.request), ref(context.g)]
            self.begun[target] += 1
            if list(g):
                self.wrong.append(f"{target} begins with {list(g)} on g")
        g.target, g.token, g.where = target, request.path.rpartition("/")[2], here()

    def end(self, error: BaseException | None) -> None:
        """Called when a request ends."""
        target, opened = request.full_path, current_context().opened_session
        with self._lock:
            if opened is not None:
                self.objects.append(ref(opened))
            self.ended[target] += 1
            if (g.target, request.path.rpartition("/")[2]) != (target, g.token):
                self.wrong.append(f"{target} ends with the g of {g.target}")
            if g.where != here():
                self.moved.append(target)

    def told(self) -> dict[str, Any]:
        """All of it, as JSON can hold it; of the objects how many are left."""
        gc.collect()
        with self._lock:
            self.objects = [one for one in self.objects if one() is not None]
            return {
                "begun": self.begun.total(),
                "ended": self.ended.total(),
                "unequal": sorted((self.begun - self.ended) + (self.ended - self.begun)),
                "wrong": self.wrong,
                "moved": self.moved,
                "left": len(self.objects),
            }


def visited(pause: Callable[[], object] = lambda: time.sleep(0.001)) -> DispatcherMiddleware:
    """The app, with another one below ``/inner``; *pause* lets others run. Its diary is the attribute ``diary``."""
    outer, inner = Flask("outer"), Flask("inner")
    mounted = DispatcherMiddleware(outer, {"/inner": inner})
    diary = Diary()
    mounted.diary = diary  # type: ignore[attr-defined]
    for app in (outer, inner):
        app.secret_key = "secret"
        app.logger.disabled = True
        app.before_request(lambda: None if request.path == "/diary" else diary.begin())
        app.teardown_request(lambda error: None if request.path == "/diary" else diary.end(error))

    @outer.after_request
    def sign(response: Response) -> Response:
        response.headers["X-Token"] = g.get("token", "")
        return response

    def seen(token: str) -> dict[str, Any]:
        """The request as a view sees it after a pause."""
        g.page = session["page"] = token
        pause()
        return {
            "path": request.path,
            "query": request.args.get("q"),
            "g": [g.token, g.page],
            "session": [session.get("user"), session["page"]],
            "app": current_app.package_name,
            "url": url_for("page", token=token),
        }

    for app in (outer, inner):
        app.add_url_rule("/page/<token>", "page", seen)

    @outer.route("/login/<token>")
    def login(token: str) -> str:
        pause()
        session["user"] = token
        pause()
        return str(session["user"])

    @outer.route("/nested/<token>")
    def nested(token: str) -> dict[str, Any]:
        before = seen(token)
        answer = call(mounted, f"/inner/page/{token}", QUERY_STRING="q=inner")
        return {"before": before, "inner": json.loads(answer.body), "after": seen(token)}

    @outer.route("/error/<token>")
    @outer.route("/fail/<token>", endpoint="fail")
    def error(token: str) -> str:
        pause()
        raise (Fault if request.endpoint == "error" else RuntimeError)(token)

    @outer.errorhandler(Fault)
    def answer_error(error: Fault) -> tuple[str, int]:
        pause()
        return f"{error} {g.token} {request.path}", 418

    @outer.errorhandler(500)
    def answer_failure(error: Exception) -> tuple[str, int]:
        pause()
        return f"{error} {g.token} {request.path}", 500

    @outer.errorhandler(404)
    def answer_missing() -> tuple[str, int]:
        pause()
        return f"{g.token} {request.path}", 404

    @outer.route("/redirect/<token>")
    def to_page(token: str) -> Response:
        pause()
        return redirect(url_for("page", token=token, q=g.token))

    @outer.route("/stream/<token>")
    def stream(token: str) -> Iterator[str]:
        for _ in range(_PARTS):
            pause()
            yield f"{token} {g.token} {request.path} {session['user']}\n"

    @outer.route("/breaks/<token>")
    def breaks(token: str) -> Iterator[str]:
        yield f"{token} {g.token}\n"
        pause()
        raise Fault

    @outer.route("/endless/<token>")
    def endless(token: str) -> Iterator[str]:
        while True:
            yield f"{token} {g.token} {request.path}\n" * 10
            pause()

    outer.add_url_rule("/diary", "diary", diary.told)
    return mounted


def visited_by_greenlets() -> WSGIApplication:
    """The same, where gevent has not patched what the standard library waits with."""
    import gevent

    return visited(lambda: gevent.sleep(0))


class Asked(NamedTuple):
    """A request of a visitor."""

    path: str
    query: str = ""
    cookie: str = ""
    #: whether it leaves when the first part of the body is there
    leaves: bool = False


class Answered(NamedTuple):
    """The answer; the names of the headers are in lower case.

    Of a body that broke off it is what has come, or nothing with the status 0: a reset may take all of it away.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def visit(token: str, quarter: int | None = None, script_name: str = "") -> Generator[Asked, Answered, list[str]]:
    """The requests of one visitor, each to be sent the answer to it; at the end what was wrong with the answers.

    One with a *quarter* (0 to 3) logs in, looks at a page, and does a quarter of the rest.
    """
    wrong: list[str] = []

    def look(what: str, answer: Answered, status: int, body: object) -> None:
        found: object = json.loads(answer.body) if isinstance(body, dict) else answer.body.decode()
        signed = answer.headers.get("x-token")
        if (answer.status, found, signed) != (status, body, token):
            wrong.append(f"{what} of {token}: {answer.status} {found!r} signed {signed!r}")

    def page(path: str, app: str, query: str | None, user: str | None, prefix: str) -> dict[str, Any]:
        url = f"{script_name}{prefix}/page/{token}"
        return {"path": path, "query": query, "g": [token] * 2, "session": [user, token], "app": app, "url": url}

    answer = yield Asked(f"/login/{token}")
    look("login", answer, 200, token)
    cookie = answer.headers.get("set-cookie", "").partition(";")[0]

    answer = yield Asked(f"/page/{token}", f"q={token}", cookie)
    look("page", answer, 200, page(f"/page/{token}", "outer", token, token, ""))
    cookie = answer.headers.get("set-cookie", "").partition(";")[0]

    def error(answer: Answered) -> None:
        look("error", answer, 418, f"{token} {token} /error/{token}")

    def endless(answer: Answered) -> None:
        if answer.body.decode().partition("\n")[0] != f"{token} {token} /endless/{token}":
            wrong.append(f"endless of {token}: {answer}")

    def fail(answer: Answered) -> None:
        look("fail", answer, 500, f"{token} {token} /fail/{token}")

    def stream(answer: Answered) -> None:
        look("stream", answer, 200, f"{token} {token} /stream/{token} {token}\n" * _PARTS)

    def redirect(answer: Answered) -> None:
        path, _, query = answer.headers.get("location", "").partition("?")
        if (answer.status, path, parse_qs(query)) != (302, f"{script_name}/page/{token}", {"q": [token]}):
            wrong.append(f"redirect of {token}: {answer}")

    def breaks(answer: Answered) -> None:
        if answer.status:
            look("breaks", answer, 200, f"{token} {token}\n")

    def missing(answer: Answered) -> None:
        look("missing", answer, 404, f"{token} /missing/{token}")

    def nested(answer: Answered) -> None:
        outer = page(f"/nested/{token}", "outer", None, token, "")
        inner = page(f"/page/{token}", "inner", "inner", None, "/inner")
        look("nested", answer, 200, {"before": outer, "inner": inner, "after": outer})

    for number, step in enumerate((error, endless, fail, stream, redirect, breaks, missing, nested)):
        if quarter in (None, number % 4):
            name = step.__name__
            step((yield Asked(f"/{name}/{token}", cookie=cookie, leaves=name == "endless")))
    return wrong
