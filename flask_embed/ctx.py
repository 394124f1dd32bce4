"""The request context and the proxies that reach it: ``request``, ``session``, ``g`` and ``current_app``.

A context is bound to the running code by a context variable (PEP 567), so it belongs to one thread or greenlet.
The request object, the session and ``g`` are made on first access, so a request pays only for what it uses.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING, Any, cast

from werkzeug.exceptions import HTTPException

from flask_embed._werkzeug import proxy
from flask_embed.requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.routing import Rule

    from flask_embed.app import Flask
    from flask_embed.responses import Response
    from flask_embed.sessions import Session

__all__ = ["RequestContext", "current_app", "current_context", "g", "has_request_context", "request", "session"]

_UNBOUND = (
    "no request is being handled here, so there is no {name}; a script or a test makes one with "
    "'with app.test_request_context():'; to a thread or greenlet of your own pass the values it needs as arguments"
)


def _ident_of_greenlet() -> int:
    """The identity of the running greenlet, where gevent has not patched get_ident() to return that."""
    return id(sys.modules["greenlet"].getcurrent())


#: The identity of the running thread, or of the running greenlet if gevent has patched the function.
_identify: Callable[[], int] = get_ident


def _see_greenlets() -> Callable[[], int]:
    """Distinguish greenlets too from now on, if the library is loaded and nothing was patched."""
    global _identify  # noqa: PLW0603 it is found once for all
    if hasattr(sys.modules["greenlet"], "getcurrent"):  # another thread may be importing it
        _identify = _ident_of_greenlet
    return _identify


#: the function that does not distinguish greenlets; None if gevent has patched it
_of_threads = get_ident if get_ident.__module__ == "_thread" else None


class _Nowhere:
    """The placeholder for the context outside of requests."""

    thread = None
    identify = staticmethod(get_ident)

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(_UNBOUND.format(name="request context"))


_NOWHERE = _Nowhere()

_variable: ContextVar[RequestContext] = ContextVar("flask_embed.request_context", default=cast("Any", _NOWHERE))  # noqa: B039 it has no state
#: The context of the running code, for the framework's own steps, which always have one: current_context() unchecked.
bound_context = _variable.get


class Globals:
    """The values that an app stores on ``g`` during one request.

    >>> g = Globals()
    >>> g.user = "ada"
    >>> "user" in g, g.get("theme", "light")
    (True, 'light')
    """

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"g has no {name!r}: nothing has stored it in this request")

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def get(self, name: str, default: Any = None) -> Any:
        """The value stored under *name*, or *default*."""
        return self.__dict__.get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        """Remove and return the value; without a default a missing one is a KeyError."""
        return self.__dict__.pop(name, *default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The value stored under *name*; *default* is stored first if it is missing."""
        return self.__dict__.setdefault(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __repr__(self) -> str:
        return f"<g {sorted(self.__dict__)}>"


class RequestContext:
    """The state of one request, bound during a ``with`` block.

    The teardown functions of the app run once, at the end of the block, or with the body of a streamed response
    (:class:`~flask_embed.streaming.StreamedBody`), whichever comes last.
    """

    # Defaults that most requests keep are class attributes; those that each request sets are not, which is quicker.
    #: the endpoint and the arguments of the view, set by :meth:`match`
    endpoint: str | None = None
    view_args: dict[str, Any] | None = None
    #: the rule that matched, set by :meth:`Flask.match_request`
    url_rule: Rule | None = None
    #: messages that this request has read already
    flashes: list[tuple[str, str]] | None = None
    #: error handlers that were called in this request and have not returned
    called_handlers: tuple[Callable[..., Any], ...] = ()
    #: the function that returned :attr:`thread`
    identify: Callable[[], int] = staticmethod(get_ident)
    #: True if a test client keeps it bound after its end
    is_kept = False
    #: True if the request was refused before any function of the app was called
    is_refused = False
    #: True if a streamed body ends the request, and not the ``with`` block
    is_streamed = False
    #: True if the app has used the session
    session_touched = False

    _g: Globals | None = None
    #: the values on ``g`` at the end of the request, in a context that is kept
    _g_at_end: dict[str, Any]

    def __init__(self, app: Flask, environ: WSGIEnvironment) -> None:
        self.app = app
        self.environ = environ
        #: the thread or greenlet that the context is bound in, None while it is not bound
        self.thread: int | None = None
        #: the error of match_request()
        self.routing_exception: HTTPException | None = None
        #: the session if it was opened
        self.opened_session: Session | None = None
        #: the functions of :func:`flask_embed.after_this_request`
        self.after_this_request: list[Callable[[Response], Response]] | None = None
        #: the exception without a handler, for the teardown functions
        self.error: BaseException | None = None
        self._request: Request | None = None
        self._token: Token[RequestContext] | None = None
        self._matched = False
        self._torn_down = False

    @property
    def request(self) -> Request:
        """The request object, made and matched against the rules on first access.

        It has copies of the endpoint and the other results: a reference to its context would be a cycle.
        """
        request = self._request
        if request is None:
            app = self.app
            request = self._request = app.request_class(self.environ)
            request.app = app
            try:  # noqa: SIM105 suppress() takes longer than the match
                request.endpoint, request.view_args = self.match()
            except HTTPException:
                pass  # raised again before the view is called
            request.url_rule = self.url_rule
            request.routing_exception = self.routing_exception
        return request

    def match(self) -> tuple[str, dict[str, Any]]:
        """The result of the app's match_request(), which is called once; raises the error of that call."""
        if not self._matched:
            if self.routing_exception is not None:
                raise self.routing_exception
            try:
                self.endpoint, self.view_args = self.app.match_request()
            except HTTPException as error:
                self.routing_exception = error
                raise
            self._matched = True
        return self.endpoint, self.view_args  # type: ignore[return-value]

    @property
    def session(self) -> Session:
        """The session, opened on first access."""
        self.session_touched = True
        session = self.opened_session
        return self.open_session() if session is None else session

    def open_session(self) -> Session:
        """The session, for the framework: this does not count as a use of it."""
        session = self.opened_session
        if session is None:
            session = self.opened_session = self.app.open_session(self.request)
        return session

    @property
    def g(self) -> Globals:
        """The storage for this request."""
        if self._g is None:
            self._g = Globals()
        return self._g

    def bind(self) -> Self:
        """Make this the current context of the running thread or greenlet."""
        if self._token is not None:
            raise RuntimeError("this request context is bound already")
        identify = _identify
        if identify is _of_threads and "greenlet" in sys.modules:
            identify = _see_greenlets()
        if identify is not self.identify:
            self.identify = identify
        self._token = _variable.set(self)
        self.thread = identify()
        return self

    def unbind(self) -> None:
        """Make the context before this one current again; contexts are left in reverse order."""
        token = self._token
        if token is None or bound_context() is not self:
            leave_kept_contexts()  # of requests that a test sent within this one
            if token is None or bound_context() is not self:
                raise RuntimeError("this request context is not the current one: contexts are left in reverse order")
        _variable.reset(token)
        self._token = None
        self.thread = None  # code that inherited the variables may outlive the thread, and another one get its number

    __enter__ = bind

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            if not self.is_streamed:
                self.teardown(exc)
        finally:
            self.unbind()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Bind the context during a ``with`` block that does not end it."""
        self.bind()
        try:
            yield
        finally:
            self.unbind()

    def keep(self) -> None:
        """Bind the context again after its end, so that a test can read it; see :func:`leave_kept_contexts`."""
        self.environ.pop("flask_embed.keep_context", None)
        self.is_kept = True
        self._g_at_end = dict(self.g.__dict__)
        self.bind()

    def leave(self) -> None:
        """Leave a context that was kept, and tear it down again if a test has stored or opened anything in it."""
        stored = self.g.__dict__
        is_used = stored.keys() != self._g_at_end.keys() or any(
            value is not self._g_at_end[name] for name, value in stored.items()
        )
        try:
            if is_used or any(getattr(function, "is_due", bool)() for function in self.app.teardown_request_funcs):
                self._torn_down = False
                self.teardown()
        finally:
            self.is_kept = False
            self.unbind()

    def teardown(self, error: BaseException | None = None) -> None:
        """Call the app's teardown functions, once, even if this is called again.

        They get the exception that ended the request, or None. An exception in one is logged; the rest still run. One
        that is not an Exception (SystemExit, KeyboardInterrupt, gevent's GreenletExit and Timeout) is raised again
        after the last function.
        """
        if self._torn_down:
            return
        self._torn_down = True
        app = self.app
        stop: BaseException | None = None
        if app.teardown_request_funcs:
            error = self.error or error
            for function in reversed(app.teardown_request_funcs):
                try:
                    function(error)
                except BaseException as failure:
                    app.logger.exception("A teardown function failed: %r", function)
                    if not isinstance(failure, Exception):
                        stop = stop or failure
        if self._request is not None:
            try:
                self._request.close()
            except Exception:
                app.logger.exception("The files of a request could not be closed")
        # An exception refers to frames that refer to this context: a cycle, which would wait for the collector.
        if self.error is not None:
            self.error = None
        keep = self.environ.get("flask_embed.keep_context")
        if keep is not None:
            keep(self)
        elif self.routing_exception is not None:
            unmatched, self.routing_exception = self.routing_exception, None
            unmatched.__traceback__ = unmatched.__context__ = None  # the request refers to it too
        if stop is not None:
            try:
                raise stop
            finally:
                stop = None  # the same cycle


def current_context(needed_for: str = "request context") -> RequestContext:
    """The context of the running request; RuntimeError, which names what it is *needed_for*, if there is none.

    A context that a thread inherited is not its own: a free-threaded Python hands a new thread the context variables
    of its parent (``sys.flags.thread_inherit_context``).
    """
    context = bound_context()
    if context.thread != context.identify():
        raise RuntimeError(_UNBOUND.format(name=needed_for))
    return context


def has_request_context() -> bool:
    """True if ``request``, ``session``, ``g`` and ``current_app`` are bound here.

    >>> has_request_context()
    False
    """
    context = bound_context()
    return context.thread == context.identify()


def leave_kept_contexts() -> None:
    """Leave the contexts that test clients keep, down to the first one that is bound otherwise."""
    while (context := bound_context()).thread is not None and context.is_kept:
        context.leave()


#: the current request, an instance of the app's :attr:`~Flask.request_class`
request: Request = proxy("request", lambda: current_context("request").request, Request)
#: the current session, a dict that the client keeps and cannot change
session: Session = proxy("session", lambda: current_context("session").session, dict)
#: storage for the length of one request
g: Globals = proxy("g", lambda: current_context("g").g)
#: the app that handles the current request
current_app: Flask = proxy("current_app", lambda: current_context("current_app").app)
