"""A session of SQLAlchemy for each request, removed when the request ends, also after an error.

For an app of flask_embed two lines are enough, under the runners and every other server::

    db_session = request_scoped_session(sessionmaker(engine))
    remove_session(app, db_session)

The scope of the session:

- In a request the session belongs to that request. A request inside of another one (an app that calls an app, or
  ``test_request_context`` in a ``with`` block of one) has its own session: its end neither commits, rolls back nor
  detaches the work of the outer one, and it does not see the uncommitted work of the outer one.
- Below a :class:`ScopedSessionMiddleware` the session belongs to the request that the middleware was called with, and
  everything inside shares it.
- Elsewhere (a script, a shell, a start-up function, a thread or greenlet that a view has started) it belongs to the
  running thread or greenlet, and never to a request. End it there with ``db_session.remove()``; otherwise it ends with
  the thread or greenlet.

A ``scoped_session(sessionmaker(engine))`` of SQLAlchemy belongs to a thread. It can be passed here as well: then the
thread has the session of a request while it runs a step of that request, and no session before and after.

docs/sqlalchemy.md is about gevent and about databases that are restarted.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.util import ScopedRegistry, ThreadLocalRegistry

from flask_embed.bodies import ClosingBody, is_whole
from flask_embed.composition import is_flask_embed
from flask_embed.ctx import current_context, has_request_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from flask_embed.app import Flask

__all__ = ["ScopedSessionMiddleware", "remove_session", "request_scoped_session"]

S = TypeVar("S", bound=Session)

_logger = logging.getLogger("flask_embed.adapters")


def request_scoped_session(session_factory: sessionmaker[S]) -> scoped_session[S]:
    """A ``scoped_session`` whose scope is the request, and not a thread, which several requests may share.

    *session_factory* is a ``sessionmaker``, or another callable that makes a new ``Session``. The result is of
    SQLAlchemy's own class: it stands for the session, a call returns it, and it has ``query_property()`` and
    ``configure()``. The streamed body of a response belongs to its request, in whichever thread the server reads it.
    The scope outside of requests is described at the top of this module.

    :func:`remove_session` or :class:`ScopedSessionMiddleware` ends the session with the request. Without either of
    them it ends when the request is collected.

    TypeError for an engine, a session, a ``scoped_session``, and objects of ``sqlalchemy.ext.asyncio``, which make no
    sessions::

        engine = create_engine("postgresql+psycopg://localhost/shop")
        db_session = request_scoped_session(sessionmaker(engine))

    SQLAlchemy's manual describes such scopes in "Using Custom Created Scopes".
    """
    given: Any = session_factory
    if isinstance(given, scoped_session):
        fault = "has a scope already"
    elif _is_async(given) or _is_async(getattr(given, "class_", given)):
        fault = "is for asyncio, not for a WSGI app"
    elif not callable(given) or (isinstance(given, type) and not issubclass(given, Session)):
        fault = "does not make sessions"
    else:
        made = scoped_session(session_factory)
        made.registry = _RequestRegistry(session_factory)
        return made
    raise TypeError(f"session_factory is {given!r}, which {fault}: pass sessionmaker(engine)")


def remove_session(app: Flask, db_session: scoped_session[Any]) -> None:
    """Remove the session of each request of *app* when the request ends, once, also after an error.

    *db_session* is a :func:`request_scoped_session` or another ``scoped_session``. Its ``remove()`` is called in the
    scope of the request, after all teardown functions of the app, even if the session was not used: uncommitted work is
    rolled back, and the connection returns to its pool. With a streamed response that is when the body has ended, has
    failed, or was closed because the client has disconnected, so a generator can use the session. The app need not
    close anything. A ``remove()`` that raises, because the database is gone, is logged and changes nothing else; the
    next request has a new session.

    Call it once for each ``scoped_session`` that the app uses; a second call for the same one does nothing. TypeError
    if *app* is not a Flask object of flask_embed, or if *db_session* is not a ``scoped_session``: all requests would
    share one session, and those of ``sqlalchemy.ext.asyncio`` are not for WSGI apps::

        from flask_embed.adapters.sqlalchemy_session import remove_session
        from yourapplication.database import db_session

        remove_session(app, db_session)

    A ``scoped_session`` of another scope, such as a thread, is treated as :class:`ScopedSessionMiddleware` does, inside
    of ``app.wsgi_app``: no request gets a session that another one or the thread has left there. A context made with
    ``test_request_context`` is not called through it; it uses the session of the scope, and removes it when it ends.

    WSGI middleware around the app is outside of its requests. If that uses the session too, put a
    :class:`ScopedSessionMiddleware` around it, which removes the session then. (SQLAlchemy's manual, "Using
    Thread-Local Scope with Web Applications".)
    """
    if not is_flask_embed(app):
        raise TypeError(
            f"app is {app!r}, which is not a Flask object of flask_embed: wrap another WSGI app, "
            "ScopedSessionMiddleware(app, db_session)"
        )
    _check(db_session)
    functions = app.teardown_request_funcs
    if any(isinstance(function, _Removal) and function.db_session is db_session for function in functions):
        return
    functions.insert(0, _Removal(db_session))  # called last: the others may need the session
    if not isinstance(db_session.registry, _RequestRegistry):
        app.wsgi_app = _AroundApp(app.wsgi_app, db_session)  # type: ignore[method-assign]


class ScopedSessionMiddleware:
    """*app* with a session for each request, removed after its body was closed: for any WSGI app.

    *db_session* is a ``scoped_session`` of any scope, a :func:`request_scoped_session` included. A request begins
    without a session: one that was left in the scope outside of requests is closed. Its own session is in the scope
    during each step (the call, each step of the body, its ``close()``) and in no scope in between. So it stays with the
    request if the server reads a body in several threads, or several bodies in turns, or leaves one unread. A request
    inside of another one has its own session, and restores the scope at its end.

    ``db_session.remove()`` is called once for each request: at once if the app has raised or has returned a whole body
    (a list, a tuple, the server's file wrapper); otherwise when the body has ended, has raised or was closed, after its
    own ``close()``, which is called then (PEP 3333 has it called by the server). A body that the server neither reads
    to its end nor closes is closed when it is collected, with a line in the log. A ``remove()`` that raises is logged
    and changes nothing else.

    TypeError if *app* is not callable or *db_session* is not a ``scoped_session``. Several greenlets that share one
    thread, because nothing was patched, would share its session: a request in one is a RuntimeError then::

        application = ScopedSessionMiddleware(bottle_app, db_session)
    """

    def __init__(self, app: WSGIApplication, db_session: scoped_session[Any]) -> None:
        if not callable(app):
            raise TypeError(f"app is {app!r}, which is not callable: ScopedSessionMiddleware(app, db_session)")
        _check(db_session)
        #: the app that is called with each request
        self.app = app
        #: the scoped_session that is removed with each request
        self.db_session = db_session

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        registry = self.db_session.registry
        if _is_shared_by_greenlets(registry):
            raise RuntimeError(
                "db_session has one session for a whole thread, which several greenlets run in here: make it with "
                "request_scoped_session(sessionmaker(engine)), or let gevent patch before SQLAlchemy is imported"
            )
        if not has_request_context() and _Request.running(registry) is None:
            _close(_taken(registry))
        request = _Request(self)
        with request:
            try:
                body = self.app(environ, start_response)
            except BaseException:
                request.remove()
                raise
            if is_whole(body, environ):
                request.remove()
                return body
        return _Body(request, body)


class _AroundApp(ScopedSessionMiddleware):
    """The middleware that :func:`remove_session` puts around an app; one that its user put around it goes first."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        around = _Request.running(self.db_session.registry)
        if around is not None and not isinstance(around.middleware, _AroundApp):
            return self.app(environ, start_response)
        return super().__call__(environ, start_response)


class _Request:
    """A request below a middleware: moves its session into the current scope while a step runs, and out again after it.

    A step is a ``with`` block; :meth:`remove` is called in one.
    """

    __slots__ = ("_around", "_place", "_replaced", "_session", "_token", "middleware")

    def __init__(self, middleware: ScopedSessionMiddleware) -> None:
        self.middleware = middleware
        #: the session between two steps, if there is one
        self._session: Session | None = None
        #: the thread or greenlet that runs a step
        self._place: object | None = None
        #: the request that the step runs in, and the session that was in the scope before it
        self._around: _Request | None = None
        self._replaced: Session | None = None

    def __enter__(self) -> None:
        if self._place is not None:
            raise RuntimeError("the server runs two steps of one response at a time")
        registry = self.middleware.db_session.registry
        self._replaced = _taken(registry)
        if self._session is not None:
            registry.set(self._session)
            self._session = None
        self._around = _innermost.get()
        self._token = _innermost.set(self)
        self._place = _here()

    def __exit__(self, *error: object) -> None:
        registry = self.middleware.db_session.registry
        self._place = self._around = None
        _innermost.reset(self._token)
        self._session = _taken(registry)
        if self._replaced is not None:
            registry.set(self._replaced)
            self._replaced = None

    def remove(self) -> None:
        """End the session, in its scope."""
        _remove(self.middleware.db_session)

    @staticmethod
    def running(registry: ScopedRegistry[Any]) -> _Request | None:
        """The request of which this thread or greenlet runs a step, and whose session *registry* holds, if any."""
        request = _innermost.get()
        if request is not None:
            here = _here()
            # A thread or greenlet may have inherited the context variables of another one.
            while request is not None:
                if request._place is here and request.middleware.db_session.registry is registry:
                    break
                request = request._around
        return request


#: the request whose step runs; it knows the request around it
_innermost: ContextVar[_Request | None] = ContextVar("flask_embed.sqlalchemy_session", default=None)


class _Body(ClosingBody):
    """A body that is made while it is sent: each step with the session of its request."""

    __slots__ = ("_request",)

    def __init__(self, request: _Request, body: Iterable[bytes]) -> None:
        super().__init__(body)
        self._request = request

    def __next__(self) -> bytes:
        if not self.is_open:
            raise StopIteration
        with self._request:
            try:
                return super().__next__()
            except BaseException as error:
                self.close_after(error)
                raise

    def close(self) -> None:
        if self.is_open:
            with self._request:
                super().close()

    def ended(self, error: BaseException | None) -> None:
        self._request.remove()

    def abandoned(self) -> None:
        _logger.warning("A body was neither read to its end nor closed by the server (PEP 3333 requires close())")
        try:
            self.close()
        except Exception:
            _logger.exception("It could not be closed")


class _Removal:
    """The teardown function of :func:`remove_session`."""

    def __init__(self, db_session: scoped_session[Any]) -> None:
        self.db_session = db_session

    def __call__(self, error: BaseException | None) -> None:
        # A middleware around this app removes it, at the end of everything inside.
        if _Request.running(self.db_session.registry) is None:
            _remove(self.db_session)

    def is_due(self) -> bool:
        """True if a test has opened a session in a context that was kept after its end."""
        registry = self.db_session.registry
        return isinstance(registry, _RequestRegistry) and _Request.running(registry) is None and registry.has()


class _RequestRegistry(ScopedRegistry[S]):
    """The sessions of running requests, and of threads and greenlets outside of requests.

    A session that is not removed ends with its request, thread or greenlet.
    """

    registry: MutableMapping[object, S]

    def __init__(self, createfunc: Callable[[], S]) -> None:
        super().__init__(createfunc, self._scope)
        self.registry = WeakKeyDictionary()

    def _scope(self) -> object:
        # Below a middleware it is the thread or greenlet of the step: the middleware moves the session there.
        if has_request_context() and _Request.running(self) is None:
            return current_context()
        return _here()


class _Thread(threading.local):
    """An object for each thread, which ends with it."""

    def __init__(self) -> None:
        self.place = _Place()


class _Place:
    """The key of a thread."""

    __slots__ = ("__weakref__",)


_thread = _Thread()


def _here() -> object:
    """The key of the running thread, or the greenlet that runs in it."""
    greenlet = _greenlet()
    return _thread.place if greenlet is None else greenlet


def _greenlet() -> object | None:
    """The running greenlet; None if it is the one that each thread begins with."""
    # Until the library is imported there are no greenlets. Another thread may be importing it.
    getcurrent = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    if getcurrent is None:
        return None
    greenlet: Any = getcurrent()
    return None if greenlet.parent is None else greenlet


def _is_shared_by_greenlets(registry: ScopedRegistry[Any]) -> bool:
    """True if a registry by thread is used in a greenlet, and was not patched to be one by greenlet."""
    return (
        isinstance(registry, ThreadLocalRegistry)
        and type(registry.registry).__module__ == "_thread"
        and _greenlet() is not None
    )


def _taken(registry: ScopedRegistry[Any]) -> Session | None:
    """The session of this scope, if there is one, removed from it."""
    if not registry.has():
        return None
    session: Session = registry()
    registry.clear()
    return session


def _remove(db_session: scoped_session[Any]) -> None:
    """Remove the session of this scope. A failure is logged; the scope is empty in any case."""
    try:
        db_session.remove()
    except Exception:
        _logger.exception("The session of a request could not be removed, and is dropped")
    finally:
        # A remove() that fails leaves it there, and the next request in this scope would get it.
        _close(_taken(db_session.registry))


def _close(session: Session | None) -> None:
    """Close a session that nothing else uses; errors are ignored."""
    if session is not None:
        with suppress(Exception):  # its database may be gone: then the pool has dropped the connection
            session.close()


def _check(db_session: object) -> None:
    """Raise TypeError unless *db_session* is a scoped_session of plain sessions."""
    way_out = "pass request_scoped_session(sessionmaker(engine)), or another scoped_session"
    factory = getattr(db_session, "session_factory", None) if isinstance(db_session, scoped_session) else db_session
    if _is_async(db_session) or _is_async(getattr(factory, "class_", factory)):
        fault = "is for asyncio, not for a WSGI app"
    elif isinstance(db_session, scoped_session):
        return
    elif isinstance(db_session, Session):
        fault = "is one session, which all requests would share"
    elif isinstance(db_session, sessionmaker):
        fault = "makes sessions, and has no scope"
    else:
        fault = "is not a scoped_session"
    raise TypeError(f"db_session is {db_session!r}, which {fault}: {way_out}")


def _is_async(given: object) -> bool:
    """True for a class of SQLAlchemy's asyncio extension or an instance of one, without loading that."""
    cls = given if isinstance(given, type) else type(given)
    return any(base.__module__.startswith("sqlalchemy.ext.asyncio") for base in cls.__mro__)
