"""The application object and the life of a request."""

from __future__ import annotations

import logging
import os
from functools import cache, cached_property, lru_cache
from inspect import signature
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from werkzeug.exceptions import (
    BadRequest,
    BadRequestKeyError,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    SecurityError,
)
from werkzeug.routing import BuildError, RequestRedirect
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_embed.ctx import RequestContext, bound_context, current_context, has_request_context
from flask_embed.environ import (
    DEVELOPMENT,
    host_is_trusted,
    is_loopback,
    path_only,
    readable,
    request_host,
    text,
    url_quote,
    url_root_fault,
)
from flask_embed.registry import Registry
from flask_embed.responses import replace_headers, vary_on_cookie
from flask_embed.routing import subdomain_of
from flask_embed.streaming import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import IO

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from jinja2 import BaseLoader, Environment
    from werkzeug.routing import Rule

    from flask_embed.requests import Request
    from flask_embed.responses import Response
    from flask_embed.sessions import Session
    from flask_embed.testing import Client

__all__ = ["Flask"]


class Flask(Registry):
    """A web application: a WSGI callable, and the registry of all that it is made of.

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

        It is apart from ``__call__`` so that middleware can be put around it::

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
                rv = None  # an HTTP error refers to this frame: a cycle that would have to be collected
            except Exception as error:
                response = self.respond_to(error)
            try:
                response = self.process_response(response)
                body = response.__call__(environ, start_response)  # called by name it takes a shorter way
            except Exception as error:
                response.close()
                body = self.respond_to(error)(environ, start_response)
            except BaseException:
                response.close()
                raise
            return body if type(body) is list else follow(context, body)

    def request_context(self, environ: WSGIEnvironment) -> RequestContext:
        """The context of a request with this environ.

        It is bound for the length of a ``with`` block::

            with app.request_context(environ):
                assert request.method == "POST"
        """
        return RequestContext(self, environ)

    def check_request(self) -> None:
        """Refuse a request whose Host or SCRIPT_NAME must not get into a URL, or whose Host is not trusted.

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
        # An app's own page for the error may build URLs: what was refused must not get into those either.
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
        """Match the current request against the rules: endpoint and view arguments.

        Both are stored on the request too, and what is raised if no rule matches as its routing_exception.
        """
        context = bound_context()
        try:
            rule, values = self.url_map.match(context.environ, self.server_name)
        except HTTPException as error:
            context.routing_exception = error
            raise
        context.url_rule = rule
        context.endpoint = rule.endpoint
        context.view_args = values
        return rule.endpoint, values

    def iter_rules(self) -> Iterable[Rule]:
        """The rules of the app, in the order of adding."""
        return self.url_map.iter_rules()

    def explain_request(self, environ: WSGIEnvironment) -> tuple[str | None, dict[str, Any], str]:
        """Endpoint and values of the rule that matches a request, and its answer in words; no view is called."""
        from flask_embed.explanation import explain_request

        return explain_request(self, environ)

    def dispatch_request(self) -> Any:
        """Match the request and call its view function: what that returns, or the handler of the error."""
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
        ``(body, headers)``, or longer, the arguments of :attr:`response_class` · a dict or list, sent as JSON ·
        an iterator, a streamed body · a WSGI app, which is run. Anything else is a TypeError with the endpoint.
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
            f"the view function of the endpoint {current_context().endpoint!r} returned {rv!r}, which is no response: "
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
        """Call the after_request functions, the last one first, and save the session if anybody used it.

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
            # A static file sets no cookie: caches keep it.
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
                vary_on_cookie(response)  # or a cache shows one visitor's page to another (CVE-2023-30861)
            self.save_session(session, response)
        return response

    @staticmethod
    def _response_of(function: Callable[[Any], Any], response: Response) -> Response:
        """What an after_request function makes of *response*."""
        rv = function(response)
        if not isinstance(rv, WerkzeugResponse):
            raise TypeError(f"the after_request function {function!r} returned {rv!r}; it has to return a response")
        return rv  # type: ignore[return-value]

    # Errors

    def handle_error(self, error: Exception) -> Any:
        """The return value that answers *error*: its handler's, or the error itself if it is one of HTTP."""
        if isinstance(error, RequestRedirect):
            return error
        if isinstance(error, MethodNotAllowed) and current_context().environ["REQUEST_METHOD"] == "OPTIONS":
            return self.response_class(headers={"Allow": ", ".join(error.valid_methods or ())})
        if isinstance(error, HTTPException):
            if error.response is not None:
                return error  # of abort(response): the answer is there already
            if error.code is None:
                # It is a fault of the app, and not an answer: a handler for all HTTP errors would send no error status.
                classes = type(error).__mro__
                handler = self._handler_for(*classes[: classes.index(HTTPException)])
                return self.handle_exception(error) if handler is None else _ask(handler, error)
            if self.debug and isinstance(error, BadRequestKeyError):
                self._name_missing_key(error)
            handler = self._handler_for(error.code, *type(error).__mro__)
            return error if handler is None else _ask(handler, error)
        handler = self._handler_for(*type(error).__mro__)
        return self.handle_exception(error) if handler is None else _ask(handler, error)

    def _handler_for(self, *keys: int | type) -> Callable[..., Any] | None:
        """The handler for the first of *keys*, status codes or classes, that has one which has not failed before."""
        handlers: dict[Any, Callable[..., Any]] = self.error_handlers
        if handlers:
            for key in keys:
                handler = handlers.get(key)
                if handler is not None and handler not in current_context().asked_handlers:
                    return handler
        return None

    def handle_exception(self, error: Exception) -> Any:
        """Answer an exception that has no handler of its own: logged and answered with 500; raised in debug.

        The handler for 500 gets the exception; that for InternalServerError or HTTPException, where there is none for
        500, gets an InternalServerError whose ``original_exception`` it is.
        """
        current_context().error = error
        if self.debug:
            raise error
        self.log_exception(error)
        handler = self._handler_for(500)
        if handler is not None:
            return _ask(handler, error)
        answer = InternalServerError(original_exception=error)
        handler = self._handler_for(InternalServerError, HTTPException)
        return answer if handler is None else _ask(handler, answer)

    def _name_missing_key(self, error: BadRequestKeyError) -> None:
        """Say which key a view has looked for in vain: in the log, and to the debugger's only visitor on the page."""
        key = error.args[0] if error.args else None
        self.logger.warning("Bad request: there is no %r in the form, the query or the files of this request", key)
        if "werkzeug.debug.preserve_context" in current_context().environ:
            error.show_exception = True

    def log_exception(self, error: Exception) -> None:
        """Write the traceback of *error* to the log; neither query string nor headers, which may be secret."""
        environ = current_context().environ
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        self.logger.error("Exception on %s [%s]", readable(path), readable(environ["REQUEST_METHOD"]), exc_info=error)

    def respond_to(self, error: Exception) -> Response:
        """The response to *error*. What its handler raises is answered too, at the last with a bare 500."""
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

    # URLs, sessions, files, templates

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

        *_external* asks for scheme and host too: the host is :attr:`server_name`, or the request's if
        :attr:`trusted_hosts` is set, or if it is a name of this machine; otherwise a RuntimeError, because a client can
        write any Host. *_scheme* (``"https"``) implies it. *_anchor* is the part behind ``#``, *_method* picks
        among rules for one endpoint. :exc:`~werkzeug.routing.BuildError` for an unknown endpoint, a missing
        value, or a value that would lead to another page.

        ``"blog:index"`` is the endpoint *index* of the flask_embed app that a dispatcher has mounted as *blog*, for a
        request that came through that dispatcher.
        """
        environ = current_context().environ if has_request_context() else {}
        if ":" in endpoint and next(self.url_map.rules_for(endpoint), None) is None:
            app, name, environ, host = _mounted(endpoint, environ)
        else:
            app, name, host = self, endpoint, ""
        return app._build_url(environ, name, values, host, _anchor, _method, _scheme, _external)

    def _build_url(
        self,
        environ: WSGIEnvironment,
        endpoint: str,
        values: dict[str, Any],
        mounted_under: str,
        _anchor: str | None,
        _method: str | None,
        _scheme: str | None,
        _external: bool | None,
    ) -> str:
        """The URL for a request with this environ; *mounted_under* is the host of the app, if it is another one."""
        try:
            subdomain, path = self.url_map.build(endpoint, values, _method, environ.get("REQUEST_METHOD", "GET"))
        except BuildError as error:
            if any(rule.suitable_for(values, _method) for rule in self.url_map.rules_for(endpoint)):
                error.add_note(f"One of the values cannot stand in the path of {endpoint!r}: {values!r}")
            raise
        url = path_only(url_quote(text(environ.get("SCRIPT_NAME", "")).rstrip("/")) + path)
        if _anchor is not None:
            url += "#" + quote(_anchor, safe="!$&'()*+,/:;=?@")
        scheme = _scheme or environ.get("wsgi.url_scheme", "http")
        if mounted_under:
            return f"{scheme}://{mounted_under}{url}"
        server_name = self.server_name
        if _external is None:
            here = subdomain_of(request_host(environ), server_name) if environ and server_name else ""
            _external = _scheme is not None or subdomain != here
        if not _external:
            return url
        if server_name is not None:
            return f"{scheme}://{subdomain}.{server_name}{url}" if subdomain else f"{scheme}://{server_name}{url}"
        host = request_host(environ)
        trusted = self.trusted_hosts
        if not subdomain and environ and (is_loopback(host) if trusted is None else host_is_trusted(environ, trusted)):
            return f"{scheme}://{host}{url}"
        raise RuntimeError(
            f"the external URL of {endpoint!r} needs a host that no client can choose: set app.server_name = "
            "'www.example.com' (a subdomain needs it), or app.trusted_hosts = ['www.example.com']"
        )

    def open_session(self, request: Request) -> Session:
        """The session of a request: what its cookie holds, if we signed that; else a new one.

        Without a secret key it is empty and cannot be written.
        """
        session: Session = _sessions().read(self, request)
        return session

    def save_session(self, session: Session, response: Response) -> None:
        """Put the session into a cookie of the response if it was changed, or is permanent and due for refresh."""
        _sessions().write(self, session, current_context().environ, response)

    def open_resource(self, resource: str, mode: str = "rb") -> IO[Any]:
        """Open a file next to the app for reading; folders in *resource* are separated by slashes.

        *mode* is ``"rb"`` or ``"r"`` (text, UTF-8). ValueError for a name that leads out of the app's folder::

            with app.open_resource("schema.sql", "r") as f:
                db.executescript(f.read())
        """
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"a resource is opened for reading: mode 'rb' or 'r', not {mode!r}")
        path = os.path.normpath(os.path.join(self.root_path, resource))
        if "\0" in resource or not path.startswith(os.path.join(self.root_path, "")):
            raise ValueError(f"the resource {resource!r} does not lie below {self.root_path!r}")
        return open(path, mode, encoding=None if "b" in mode else "utf-8")

    def create_jinja_loader(self) -> BaseLoader:
        """The loader of templates: from the folder *templates* next to the app. Override it for others."""
        from jinja2 import FileSystemLoader

        return FileSystemLoader(os.path.join(self.root_path, "templates"))

    @cached_property
    def jinja_env(self) -> Environment:
        """The Jinja2 environment, made when it is first asked for; add filters and globals to it."""
        from flask_embed.templating import create_environment

        return create_environment(self)

    def update_template_context(self, context: dict[str, Any]) -> None:
        """Add what the context processors return to *context*, in place.

        Of several processors the later one wins; what *context* holds already, the view's own values, wins over all.
        """
        own = context.copy()
        for processor in self.template_context_processors:
            context.update(processor())
        context.update(own)

    # Outside of a server

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
        """A client that calls the app without a server, and keeps its cookies unless it is to use none::

            client = app.test_client()
            assert b"Hello" in client.get("/").data

        In ``with app.test_client() as client:`` the context of the last request stays readable.
        """
        from flask_embed.testing import Client

        return Client(self, self.response_class, use_cookies)

    def test_request_context(self, *args: Any, **kwargs: Any) -> RequestContext:
        """The context of a request that is made up.

        Arguments as in :class:`werkzeug.test.EnvironBuilder`::

            with app.test_request_context("/hello", method="POST"):
                assert request.path == "/hello"
        """
        from flask_embed.testing import create_environ

        if self.server_name is not None and len(args) < 2:
            kwargs.setdefault("base_url", f"http://{self.server_name}/")
        return self.request_context(create_environ(*args, **kwargs))

    def run(self, host: str = "localhost", port: int = 5000, **options: Any) -> None:
        """Serve the app with werkzeug's development server; never in production, the runners are for that.

        *options* are those of :func:`werkzeug.serving.run_simple`; ``debug=True`` sets :attr:`debug`, which brings
        reloader and debugger. The debugger runs code for whoever reaches it: on a *host* that others reach,
        ValueError, unless ``expose_debugger=True`` says that this is meant.
        """
        from werkzeug.serving import run_simple

        self.debug = options.pop("debug", self.debug)
        exposed = options.pop("expose_debugger", False)
        options.setdefault("use_reloader", self.debug)
        options.setdefault("use_debugger", self.debug)
        if options["use_debugger"] and not is_loopback(host) and not exposed:
            raise ValueError(
                f"the debugger runs code for whoever reaches {host!r}: bind it to 'localhost', "
                "or pass expose_debugger=True if that is what you want"
            )
        options.setdefault("threaded", True)

        def developed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ[DEVELOPMENT] = True
            return self(environ, start_response)

        run_simple(host, port, developed, **options)


@cache
def _sessions() -> ModuleType:
    """The module of the sessions, with what signs them: an app that has none does without it."""
    from flask_embed import sessions

    return sessions


@lru_cache(maxsize=256)
def _takes_nothing(handler: Callable[..., Any]) -> bool:
    return not signature(handler).parameters


def _mounted(endpoint: str, environ: WSGIEnvironment) -> tuple[Flask, str, WSGIEnvironment, str]:
    """The app and the endpoint that ``"name:endpoint"`` means, and what that app would see of this request.

    The last one is the host that it is mounted under, if the request was sent to another one. The dispatchers
    that the request came through are asked from the inside out.
    """
    name, _, own = endpoint.rpartition(":")
    error = BuildError(endpoint, {}, None)
    around = environ
    while "flask_embed.mounts" in around:
        table, around, _ = around["flask_embed.mounts"]
        if table is None:  # of a dispatcher that makes its apps on demand: they have no names
            continue
        try:
            part = table.locate(name, environ)
        except LookupError as reason:
            error.add_note(f"{name!r}: {reason}")
            continue
        return part.app, own, {**environ, "SCRIPT_NAME": around.get("SCRIPT_NAME", "") + part.prefix}, part.host
    if around is environ:
        error.add_note(f"{name!r} would be the name of a mount, but no dispatcher has passed this request on.")
    raise error


def _ask(handler: Callable[..., Any], error: Exception) -> Any:
    """The value of an error handler, which may do without the error. One that fails is not asked again."""
    context = current_context()
    asked_before = context.asked_handlers
    context.asked_handlers = (*asked_before, handler)
    value = handler() if _takes_nothing(handler) else handler(error)
    context.asked_handlers = asked_before
    return value
