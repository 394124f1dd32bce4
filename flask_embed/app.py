"""The application object and the life of a request."""

from __future__ import annotations

import logging
from functools import cache, cached_property, lru_cache
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from werkzeug.exceptions import (
    BadRequest,
    BadRequestKeyError,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    SecurityError,
)
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_embed.ctx import RequestContext, bound_context, current_context, has_request_context
from flask_embed.environ import DEVELOPMENT, host_is_trusted, is_loopback, readable, url_root_fault
from flask_embed.registry import Registry
from flask_embed.responses import replace_headers, vary_on_cookie
from flask_embed.streaming import follow
from flask_embed.urls import url_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from flask_embed.requests import Request
    from flask_embed.responses import Response
    from flask_embed.sessions import Session
    from flask_embed.testing import Client

__all__ = ["Flask"]


class Flask(Registry):
    """A web application: a WSGI callable, and the registry of its rules, hooks and settings.

    *package_name* is the name of the module or package that holds the app, always ``__name__``; templates and
    static files lie next to it::

        from flask_embed import Flask

        app = Flask(__name__)

        @app.route("/")
        def index():
            return "Hello World!"
    """

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The app as a WSGI callable; see :meth:`wsgi_app`."""
        return self.wsgi_app(environ, start_response)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI application itself: the life of a request.

        It is separate from ``__call__`` so that middleware can wrap it::

            app.wsgi_app = Middleware(app.wsgi_app)
        """
        with self.request_context(environ) as context:
            try:
                try:
                    self.check_request()
                except Exception:
                    context.is_refused = True
                    raise
                rv = self.preprocess_request()
                if rv is None:
                    rv = self.dispatch_request()
                response = self.make_response(rv)
                rv = None  # an HTTPException refers to this frame: a cycle, which would wait for the collector
            except Exception as error:
                response = self.respond_to(error)
            try:
                response = self.process_response(response)
                body = response(environ, start_response)
            except Exception as error:
                response.close()
                body = self.respond_to(error)(environ, start_response)
            except BaseException:
                response.close()
                raise
            return body if type(body) is list else follow(context, body)

    def request_context(self, environ: WSGIEnvironment) -> RequestContext:
        """The context of a request with this environ, bound during a ``with`` block::

        with app.request_context(environ):
            assert request.method == "POST"
        """
        return RequestContext(self, environ)

    def check_request(self) -> None:
        """Refuse a request (400) whose Host or SCRIPT_NAME cannot be part of a URL, or whose Host is not trusted.

        Neither before_request nor after_request functions are called for it: the latter may use what the former open.
        """
        context = bound_context()
        environ = context.environ
        fault = url_root_fault(environ.get("HTTP_HOST", ""), environ.get("SCRIPT_NAME", ""))
        if fault is not None:
            error = BadRequest(fault)
        elif self.trusted_hosts is not None and not host_is_trusted(environ, self.trusted_hosts):
            error = SecurityError("the host is not trusted")
        else:
            return
        # The app's own error page may build URLs: the refused values must not be part of those either.
        context.environ = {**environ, "HTTP_HOST": "", "SCRIPT_NAME": ""}
        raise error

    def preprocess_request(self) -> Any:
        """Call the before_request functions; the first value that is not None is the response."""
        for function in self.before_request_funcs:
            rv = function()
            if rv is not None:
                return rv
        return None

    def match_request(self) -> tuple[str, dict[str, Any]]:
        """The endpoint and the view arguments of the rule that matches the current request.

        The context calls it once for each request, and keeps what it returns or raises.
        """
        context = bound_context()
        rule, values = self.url_map.match(context.environ, self.server_name)
        context.url_rule = rule
        return rule.endpoint, values

    def explain_request(self, environ: WSGIEnvironment) -> tuple[str | None, dict[str, Any], str]:
        """Endpoint and values of the rule for a well-formed request, and its answer in words; no view is called."""
        from flask_embed.explanation import explain_request

        return explain_request(self, environ)

    def dispatch_request(self) -> Any:
        """The return value of the view function of the matching rule, or of the handler of an error."""
        try:
            endpoint, view_args = bound_context().match()
            view = self.view_functions.get(endpoint)
            if view is None:
                raise LookupError(f"the endpoint {endpoint!r} has a rule but no view function")
            return view(**view_args) if view_args else view()
        except Exception as error:
            return self.handle_error(error)

    def make_response(self, rv: Any) -> Response:
        """The response for the return value of a view, which may be:

        a response · a str or bytes, the body · a tuple ``(body, status, headers)``, ``(body, status)``,
        ``(body, headers)``, or a longer one, the arguments of :attr:`response_class` · a dict or list, sent as JSON ·
        an iterator, a streamed body · a WSGI app, which is run. Anything else is a TypeError that names the endpoint.
        """
        response_class = self.response_class
        if isinstance(rv, (str, bytes, bytearray)):
            return response_class(rv)
        if isinstance(rv, response_class):
            return rv
        if isinstance(rv, tuple) and rv:
            return self._response_of_tuple(rv)
        if isinstance(rv, (dict, list)):
            from flask_embed.helpers import json_dumps

            return response_class(json_dumps(rv), mimetype="application/json")
        environ = current_context().environ
        if isinstance(rv, HTTPException):
            if rv.response is None and rv.code is None:
                raise TypeError(f"{rv!r} has neither a status code nor a response: it would be sent as a success")
            if rv.response is None and type(rv).get_response is HTTPException.get_response:
                return response_class(rv.get_body(environ), rv.code, rv.get_headers(environ))
            rv = rv.get_response(environ)
        if hasattr(rv, "__next__"):
            return response_class(rv)
        if callable(rv) and not isinstance(rv, type):
            return response_class.force_type(cast("WSGIApplication", rv), environ)
        raise TypeError(
            f"the view function of the endpoint {current_context().endpoint!r} returned {rv!r}: "
            "return a string, bytes, a tuple, a dict, a list, an iterator or a response"
        )

    def _response_of_tuple(self, rv: tuple[Any, ...]) -> Response:
        if len(rv) > 3:
            return self.response_class(*rv)
        body, status, headers = (*rv, None, None)[:3]
        if status is not None and not isinstance(status, int | str):
            status, headers = None, status
        response = self.make_response("" if body is None else body)
        try:
            if status is not None:
                response.status = status
            if headers is not None:
                replace_headers(response.headers, headers)
        except Exception:
            response.close()
            raise
        return response

    def process_response(self, response: Response) -> Response:
        """Call the after_request functions, the last one first, and save the session if it was used.

        One that raises does not stop the others: they get the response to the error.
        """
        context = bound_context()
        functions = self.after_request_funcs
        if functions or context.after_this_request is not None:
            if context.is_refused:
                functions = []
            for function in [*(context.after_this_request or ()), *reversed(functions)]:
                try:
                    response = self._response_of(function, response)
                except Exception as error:
                    response.close()
                    response = self.respond_to(error)
        session = context.opened_session
        if session is None:
            cookies = context.environ.get("HTTP_COOKIE")
            # The answer for a static file sets no cookie, so that caches may store it.
            if (
                cookies is not None
                and self.session_refresh
                and self.session_cookie_name in cookies
                and context.endpoint != "static"
                and not context.is_refused
            ):
                session = context.open_session()
        if session is not None:
            if context.session_touched:
                vary_on_cookie(response)  # or a cache sends one visitor's page to another (CVE-2023-30861)
            self.save_session(session, response)
        return response

    @staticmethod
    def _response_of(function: Callable[[Any], Any], response: Response) -> Response:
        rv = function(response)
        if not isinstance(rv, WerkzeugResponse):
            raise TypeError(f"the after_request function {function!r} returned {rv!r}: return a response")
        return rv  # type: ignore[return-value]

    # Errors

    def handle_error(self, error: Exception) -> Any:
        """The return value that answers *error*: that of its handler, or an HTTPException itself."""
        if isinstance(error, RequestRedirect):
            return error
        if isinstance(error, MethodNotAllowed) and current_context().environ["REQUEST_METHOD"] == "OPTIONS":
            return self.response_class(headers={"Allow": ", ".join(error.valid_methods or ())})
        if isinstance(error, HTTPException):
            if error.response is not None:
                return error  # of abort(response): it has its response
            if error.code is None:
                # A bug in the app, and not an answer: a handler for all HTTP errors would send it as a success.
                classes = type(error).__mro__
                handler = self._handler_for(*classes[: classes.index(HTTPException)])
                return self.handle_exception(error) if handler is None else _answer_of(handler, error)
            if self.debug and isinstance(error, BadRequestKeyError):
                self._name_missing_key(error)
            handler = self._handler_for(error.code, *type(error).__mro__)
            return error if handler is None else _answer_of(handler, error)
        handler = self._handler_for(*type(error).__mro__)
        return self.handle_exception(error) if handler is None else _answer_of(handler, error)

    def _handler_for(self, *keys: int | type) -> Callable[..., Any] | None:
        """The handler of the first of *keys* (status codes or classes) that has one; none that failed already."""
        handlers: dict[Any, Callable[..., Any]] = self.error_handlers
        if handlers:
            for key in keys:
                handler = handlers.get(key)
                if handler is not None and handler not in current_context().called_handlers:
                    return handler
        return None

    def handle_exception(self, error: Exception) -> Any:
        """Answer an exception without a handler of its own: it is logged and answered 500, or raised in debug.

        The handler for 500 gets the exception. Without that one, the handler for InternalServerError or HTTPException
        gets an InternalServerError with the exception as its ``original_exception``.
        """
        current_context().error = error
        if self.debug:
            raise error
        self.log_exception(error)
        handler = self._handler_for(500)
        if handler is not None:
            return _answer_of(handler, error)
        answer = InternalServerError(original_exception=error)
        handler = self._handler_for(InternalServerError, HTTPException)
        return answer if handler is None else _answer_of(handler, answer)

    def _name_missing_key(self, error: BadRequestKeyError) -> None:
        """Log the key that a view did not find; under the debugger, show it on the page too."""
        key = error.args[0] if error.args else None
        self.logger.warning("Bad request: there is no %r in the form, the query or the files of this request", key)
        if "werkzeug.debug.preserve_context" in current_context().environ:
            error.show_exception = True

    def log_exception(self, error: Exception) -> None:
        """Log the traceback of *error*, without query string and headers, which may hold secrets."""
        environ = current_context().environ
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        self.logger.error("Exception on %s [%s]", readable(path), readable(environ["REQUEST_METHOD"]), exc_info=error)

    def respond_to(self, error: Exception) -> Response:
        """The response to *error*. An error in its handler is answered too, in the end with a plain 500."""
        try:
            return self.make_response(self.handle_error(error))
        except Exception as raised:
            if isinstance(raised, HTTPException) and (raised.code is not None or raised.response is not None):
                return self.make_response(raised)
            if self.debug:
                raise
            current_context().error = raised
            self.log_exception(raised)
        return self.make_response(InternalServerError())

    # URLs, sessions

    def url_for(
        self,
        endpoint: str,
        *,
        _anchor: str | None = None,
        _method: str | None = None,
        _scheme: str | None = None,
        _external: bool | None = None,
        **values: Any,
    ) -> str:
        """The URL of an endpoint: a path with the prefix of the current request, if there is one.

        With *_external* it has scheme and host: the host is :attr:`server_name`, or the request's if
        :attr:`trusted_hosts` is set or if it is a name of this machine. Otherwise a RuntimeError is raised, because a
        client can write any Host. *_scheme* (``"https"``) implies *_external*. *_anchor* follows a ``#``, *_method*
        selects among several rules of the endpoint. :exc:`~werkzeug.routing.BuildError` for an unknown endpoint, a
        missing value, or a value that would lead to another page.

        ``"blog:index"`` is the endpoint *index* of the flask_embed app that a dispatcher has mounted as *blog*, for a
        request that came through that dispatcher.
        """
        environ = current_context().environ if has_request_context() else {}
        return url_of(self, environ, endpoint, values, _anchor, _method, _scheme, _external)

    def open_session(self, request: Request) -> Session:
        """The session of the request's cookie if its signature is valid, else a new one; read-only without a key."""
        session: Session = _sessions().read(self, request)
        return session

    def save_session(self, session: Session, response: Response) -> None:
        """Store the session in a cookie of the response if it was changed, or is permanent and due for refresh."""
        _sessions().write(self, session, current_context().environ, response)

    # Without a server

    @cached_property
    def logger(self) -> logging.Logger:
        """The logger with the name of the package; to stderr where logging is not configured."""
        logger = logging.getLogger(self.package_name)
        if not logger.hasHandlers():
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)s in %(module)s: %(message)s"))
            logger.addHandler(handler)
        if self.debug and not logger.level:
            logger.setLevel(logging.DEBUG)
        return logger

    def test_client(self, use_cookies: bool = True) -> Client:
        """A client that calls the app without a server, and keeps cookies unless *use_cookies* is False::

            client = app.test_client()
            assert b"Hello" in client.get("/").data

        In ``with app.test_client() as client:`` the context of the last request stays bound.
        """
        from flask_embed.testing import Client

        return Client(self, self.response_class, use_cookies)

    def test_request_context(self, *args: Any, **kwargs: Any) -> RequestContext:
        """The context of a request that no client sent; arguments as in :class:`werkzeug.test.EnvironBuilder`::

        with app.test_request_context("/hello", method="POST"):
            assert request.path == "/hello"
        """
        from flask_embed.testing import create_environ

        if self.server_name is not None and len(args) < 2:
            kwargs.setdefault("base_url", f"http://{self.server_name}/")
        return self.request_context(create_environ(*args, **kwargs))

    def run(self, host: str = "localhost", port: int = 5000, **options: Any) -> None:
        """Serve the app with werkzeug's development server; in production use a runner.

        *options* are those of :func:`werkzeug.serving.run_simple`; ``debug=True`` sets :attr:`debug`, which starts
        reloader and debugger. The debugger runs any code that a client sends. So a *host* that other machines reach is
        a ValueError with it, unless ``expose_debugger=True`` allows that.
        """
        from werkzeug.serving import run_simple

        self.debug = options.pop("debug", self.debug)
        exposed = options.pop("expose_debugger", False)
        options.setdefault("use_reloader", self.debug)
        options.setdefault("use_debugger", self.debug)
        if options["use_debugger"] and not is_loopback(host) and not exposed:
            raise ValueError(
                f"the debugger runs code for every client that reaches {host!r}: bind it to 'localhost', "
                "or pass expose_debugger=True if that is intended"
            )
        options.setdefault("threaded", True)

        def developed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ[DEVELOPMENT] = True
            return self(environ, start_response)

        run_simple(host, port, developed, **options)


@cache
def _sessions() -> ModuleType:
    """The module of the sessions, loaded on first use: an app without sessions needs no itsdangerous."""
    from flask_embed import sessions

    return sessions


@lru_cache(maxsize=256)
def _takes_nothing(handler: Callable[..., Any]) -> bool:
    """True if an error handler has no parameter."""
    return not signature(handler).parameters


def _answer_of(handler: Callable[..., Any], error: Exception) -> Any:
    """The return value of an error handler, called with the error if it takes one. A failed one is not called again."""
    context = current_context()
    called_before = context.called_handlers
    context.called_handlers = (*called_before, handler)
    value = handler() if _takes_nothing(handler) else handler(error)
    context.called_handlers = called_before
    return value
