"""The settings, rules, hooks and error handlers of an app, and the files beside it."""

from __future__ import annotations

import os
import sys
import warnings
from functools import cached_property, partial
from importlib.util import find_spec
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from werkzeug.datastructures import ImmutableDict

from flask_embed import hints
from flask_embed._werkzeug import LazyRule
from flask_embed.ctx import g, request, session
from flask_embed.errors import SettingWarning
from flask_embed.requests import Request
from flask_embed.responses import Response
from flask_embed.routing import Map

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import timedelta
    from typing import IO, Never

    from jinja2 import BaseLoader, Environment
    from werkzeug.routing import Rule

__all__ = ["Registry"]

F = TypeVar("F", bound="Callable[..., Any]")

#: the status codes of errors (RFC 9110 section 15), which handlers can be registered for
_ERROR_CODES = range(400, 600)


def _default_template_context() -> dict[str, Any]:
    """The variables of every template; the session is opened only if the template uses it."""
    return {"request": request, "session": session, "g": g}


def _root_path(package_name: str) -> str:
    """The folder of a module or package, imported or not; the current folder if it has no file."""
    module = sys.modules.get(package_name)
    file = getattr(module, "__file__", None)
    if module is None:
        try:
            spec = find_spec(package_name)
        except (ImportError, ValueError):
            spec = None
        file = spec.origin if spec is not None and spec.has_location else None
    return os.path.dirname(os.path.abspath(file)) if file else os.getcwd()


def _refuse_arguments(what: str, given: Iterable[str], instead: Mapping[str, str]) -> None:
    """Raise TypeError if *instead* has a hint for one of the arguments *given* to *what*."""
    for name in given:
        if name in instead:
            raise TypeError(f"{what} takes no argument {name!r}: {instead[name]}")


def _refuse_async(function: Callable[..., Any]) -> None:
    """Raise TypeError for a coroutine function or an asynchronous generator: nothing would await it."""
    called = function.func if isinstance(function, partial) else function
    for candidate in (called, getattr(type(called), "__call__", None)):  # noqa: B004 the method itself is wanted
        if iscoroutinefunction(candidate) or isasyncgenfunction(candidate):
            raise TypeError(f"{function!r} is async, and an app calls plain functions: write 'def' without 'async'")


def _settings(classes: Iterable[type]) -> set[str]:
    """The names of the settings: public attributes, other than functions, of the framework's own among *classes*."""
    return {
        name
        for cls in classes
        if cls.__module__.startswith("flask_embed.")  # others belong to the author of a subclass
        for name, value in vars(cls).items()
        if not name.startswith("_") and (isinstance(value, type) or not callable(value))
    }


def _warn_of_setting(name: str, known: set[str], *, guess: bool = True) -> None:
    """Warn that the setting *name* is unknown, if there is a hint for it; once for each line of source."""
    if name.startswith("_") or name in known:
        return
    hint = hints.setting_hint(name, known, guess=guess)
    if hint is not None:
        warnings.warn(f"an app has no setting {name!r}: {hint}", SettingWarning, stacklevel=3)


class Registry:
    """The part of :class:`~flask_embed.Flask` that is filled before the first request.

    Settings are attributes: assign them on the instance, or in a subclass; there is no second way. The lists and
    dicts are read for each request, and may be changed in place.
    """

    #: the class of request objects
    request_class: type[Request] = Request
    #: the class of response objects
    response_class: type[Response] = Response
    #: the prefix of static files, read once by the constructor; None serves no static files
    static_path: str | None = "/static"
    #: seconds that a browser may reuse a static file without a request; None makes it ask each time
    static_max_age: int | None = None
    #: True if a symbolic link in the static folder may lead out of it
    follow_symlinks: bool = False
    #: the key that signs sessions: long, random and secret. Of a list the first signs and all are accepted.
    secret_key: str | bytes | Sequence[str | bytes] | None = None
    #: the name of the session cookie
    session_cookie_name: str = "session"
    #: the path of the session cookie; None is the prefix of the app
    session_cookie_path: str | None = None
    #: the domain of the session cookie; None is the host that set it alone
    session_cookie_domain: str | None = None
    #: True if the session cookie is sent over HTTPS only; None: if it was set over HTTPS
    session_cookie_secure: bool | None = None
    #: True if scripts cannot read the session cookie
    session_cookie_httponly: bool = True
    #: ``"Lax"``, ``"Strict"``, ``"None"``, or None to send no such attribute
    session_cookie_samesite: str | None = "Lax"
    #: True if browsers keep one session cookie for each site that shows the app in a frame (CHIPS); it is Secure then
    session_cookie_partitioned: bool = False
    #: the lifetime of a session, a timedelta or seconds; a permanent one ends so long after the last visit
    permanent_session_lifetime: timedelta | float = 31 * 24 * 60 * 60
    #: True if visits prolong a permanent session: it gets a new cookie when the old one is older than a tenth of the
    #: lifetime, or than a day
    session_refresh: bool = True
    #: the salt of the signature, which keeps out the sessions of other apps; None is the package name with the keys of
    #: its mounts. Apps with one salt and one key share sessions; their cookie needs one path, too.
    session_salt: str | None = None
    #: the hosts of the app: ``"example.com"``, ``"example.com:8443"`` for that port alone, ``".example.com"`` with all
    #: names below it; None allows any. Others are a 400. ``localhost`` and 127.0.0.1 have to be listed too, except for
    #: the test client and :meth:`run`.
    trusted_hosts: Collection[str] | None = None
    #: ``host`` or ``host:port`` of the app in external URLs, and the base of subdomains
    server_name: str | None = None
    #: the most bytes of a request's body, None for no limit; more is a 413
    max_content_length: int | None = 16 * 1024 * 1024
    #: the most fields and files of a form; more is a 413
    max_form_parts: int = 1000
    #: the most bytes of an urlencoded form, of a field of a multipart form (files excepted), and of all headers in such
    #: a form; None for the limit of the body alone. More is a 413.
    max_form_memory_size: int | None = 500_000
    #: the most bytes of JSON, None for the limit of the body alone; more is a 413
    max_json_size: int | None = 2 * 1024 * 1024
    #: options for the Jinja2 environment, read when it is made. Each app has its own copy. Templates are escaped unless
    #: ``autoescape`` is changed here.
    jinja_options: dict[str, Any] = ImmutableDict(autoescape=True)

    def __init__(self, package_name: str, **unknown: Never) -> None:
        _refuse_arguments("Flask", unknown, hints.CONSTRUCTOR)
        if unknown:
            raise TypeError(f"Flask takes no argument {next(iter(unknown))!r}: package_name is the only one")
        self.jinja_options = {
            option: list(value) if isinstance(value, list) else value for option, value in self.jinja_options.items()
        }
        #: the debugger and the reloader for :meth:`run`; errors are raised instead of answered. Never in production.
        self.debug: bool = False
        #: the name of the module or package, as passed to the constructor
        self.package_name: str = package_name
        #: the folder that the app lies in
        self.root_path: str = _root_path(package_name)
        #: the view functions by endpoint
        self.view_functions: dict[str, Callable[..., Any]] = {}
        #: the error handlers by status code or exception class
        self.error_handlers: dict[int | type[Exception], Callable[..., Any]] = {}
        #: called before each request
        self.before_request_funcs: list[Callable[[], Any]] = []
        #: called with the response of each request, the last one first
        self.after_request_funcs: list[Callable[[Any], Any]] = []
        #: called at the end of each request with the exception that it failed with, or None; the last one first
        self.teardown_request_funcs: list[Callable[[BaseException | None], Any]] = []
        #: called once in each worker before its first request
        self.startup_funcs: list[Callable[[], Any]] = []
        #: called once in each worker after its last request, the last one first
        self.shutdown_funcs: list[Callable[[], Any]] = []
        #: called without arguments for each template that is rendered; each returns a dict of its variables
        self.template_context_processors: list[Callable[[], dict[str, Any]]] = [_default_template_context]
        #: the rules
        self.url_map: Map = Map()
        #: the names of all these attributes
        self._documented = frozenset(self.__dict__)
        if self.static_path is not None:
            self.add_url_rule(
                f"{self.static_path.rstrip('/')}/<path:filename>", "static", view_func=self.send_static_file
            )

    if not TYPE_CHECKING:  # or a type checker would allow every attribute

        def __init_subclass__(cls, **options):
            super().__init_subclass__(**options)
            for name, value in vars(cls).items():
                if not any(name in vars(base) for base in cls.__mro__[1:]):
                    _warn_of_setting(name, _settings(cls.__mro__[1:]), guess=not callable(value))

        def __getattr__(self, name):
            if name in hints.APP:
                text = f"{type(self).__name__!r} object has no attribute {name!r}: {hints.APP[name]}"
                raise AttributeError(text, name=name, obj=self)
            return super().__getattribute__(name)  # the usual error, or that of a property

        def __setattr__(self, name, value):
            if "_documented" in self.__dict__ and name not in self.__dict__ and not hasattr(type(self), name):
                _warn_of_setting(name, {*self.__dict__["_documented"], *_settings(type(self).__mro__)})
            super().__setattr__(name, value)

    def send_static_file(self, filename: str) -> Response:
        """The view of the endpoint ``static``: sends a file from the folder *static* next to the app."""
        from flask_embed.files import send_from_directory

        return send_from_directory(
            "static", filename, follow_symlinks=self.follow_symlinks, max_age=self.static_max_age
        )

    def open_resource(self, resource: str, mode: str = "rb") -> IO[Any]:
        """A file next to the app, opened for reading; folders in *resource* are separated by slashes.

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
        """The loader of templates: from the folder *templates* next to the app. Override it to load others."""
        from jinja2 import FileSystemLoader

        return FileSystemLoader(os.path.join(self.root_path, "templates"))

    @cached_property
    def jinja_env(self) -> Environment:
        """The Jinja2 environment, made on first access; add filters and globals to it."""
        from flask_embed.templating import create_environment

        return create_environment(self)

    def update_template_context(self, context: dict[str, Any]) -> None:
        """Add the variables of the context processors to *context*, in place.

        A later processor overrides an earlier one; the values that *context* holds already, the view's, override all.
        """
        own = context.copy()
        for processor in self.template_context_processors:
            context.update(processor())
        context.update(own)

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Callable[..., Any] | None = None, **options: Any
    ) -> None:
        """Add a rule for an endpoint, and its view function if one is given.

        *options* are those of :class:`werkzeug.routing.Rule`: ``methods`` (default GET; HEAD and OPTIONS are answered
        without a view), ``defaults``, ``strict_slashes``, ``subdomain``, ``redirect_to`` and others. The order
        ``(endpoint, rule)`` is accepted too. ValueError for an endpoint that has another view function::

            app.add_url_rule("/", "index")
            app.view_functions["index"] = index
        """
        if not rule.startswith("/") and endpoint is not None and endpoint.startswith("/"):
            rule, endpoint = endpoint, rule
        _refuse_arguments("a rule", options, hints.RULE)
        if view_func is not None:
            _refuse_async(view_func)
        if endpoint is None:
            if view_func is None:
                raise ValueError(f"the rule {rule!r} needs an endpoint or a view function")
            endpoint = view_func.__name__
        methods = options.pop("methods", None) or ("GET",)
        if isinstance(methods, str):
            raise TypeError(f"the methods of the rule {rule!r} are a list: write methods=[{methods!r}]")
        known = self.view_functions.get(endpoint)
        if view_func is not None and known is not None and known != view_func:
            raise ValueError(f"the endpoint {endpoint!r} of the rule {rule!r} is taken by {known!r}; pass endpoint=")
        self.url_map.add(LazyRule(rule, endpoint=endpoint, methods=methods, **options))
        if view_func is not None:
            self.view_functions[endpoint] = view_func

    def iter_rules(self) -> Iterable[Rule]:
        """The rules of the app, in the order of adding."""
        return self.url_map.iter_rules()

    def route(self, rule: str, **options: Any) -> Callable[[F], F]:
        """A decorator that registers a view function for a rule; the endpoint is ``endpoint=`` or its name.

        ``<name>`` matches one segment of the path, ``<int:name>``, ``<float:name>``, ``<path:name>`` (slashes too),
        ``<any(a, b):name>`` and ``<uuid:name>`` convert it. Several may share a segment (``<year>-<month>``), of up to
        800 characters with two of them, 150 with three, 60 with more. A rule that ends in a slash redirects a path
        without it; one without it answers a path with it 404::

            @app.route("/post/<int:post_id>", methods=["GET", "POST"])
            def show_post(post_id):
                ...
        """

        def register(function: F) -> F:
            self.add_url_rule(rule, options.pop("endpoint", None), view_func=function, **options)
            return function

        return register

    def get(self, rule: str, **options: Any) -> Callable[[F], F]:
        """:meth:`route` for GET."""
        return self.route(rule, methods=["GET"], **options)

    def post(self, rule: str, **options: Any) -> Callable[[F], F]:
        """:meth:`route` for POST."""
        return self.route(rule, methods=["POST"], **options)

    def put(self, rule: str, **options: Any) -> Callable[[F], F]:
        """:meth:`route` for PUT."""
        return self.route(rule, methods=["PUT"], **options)

    def patch(self, rule: str, **options: Any) -> Callable[[F], F]:
        """:meth:`route` for PATCH."""
        return self.route(rule, methods=["PATCH"], **options)

    def delete(self, rule: str, **options: Any) -> Callable[[F], F]:
        """:meth:`route` for DELETE."""
        return self.route(rule, methods=["DELETE"], **options)

    def errorhandler(self, code: int | type[Exception]) -> Callable[[F], F]:
        """A decorator that registers the handler of an error, by status code or by class of exception.

        It is called with the exception, or without arguments if it has no parameter, and returns what a view may. A
        handler for 500 gets the exceptions without a handler of their own::

            @app.errorhandler(404)
            def page_not_found(error):
                return render_template("page_not_found.html"), 404
        """
        given: object = code
        if isinstance(given, int) and given not in _ERROR_CODES:
            raise ValueError(f"the status code {code} is out of range: write 400 to 599, or a class of exceptions")
        if not isinstance(given, int) and not (isinstance(given, type) and issubclass(given, Exception)):
            raise TypeError(f"{code!r} is neither a status code nor a class of exceptions: write 404, or KeyError")

        def register(function: F) -> F:
            _refuse_async(function)
            self.error_handlers[code] = function
            return function

        return register

    def before_request(self, f: F) -> F:
        """Call *f* before each request; a value that it returns, other than None, is the response."""
        _refuse_async(f)
        self.before_request_funcs.append(f)
        return f

    def after_request(self, f: F) -> F:
        """Call *f* with the response of each request; it returns this or another response."""
        _refuse_async(f)
        self.after_request_funcs.append(f)
        return f

    def teardown_request(self, f: F) -> F:
        """Call *f* once at the end of each request, also after an error, with the exception or None."""
        _refuse_async(f)
        self.teardown_request_funcs.append(f)
        return f

    def on_startup(self, f: F) -> F:
        """Call *f* once in each worker, before its first request; outside of any request context.

        Runners do so, and :func:`flask_embed.lifespan.lifespan` for other servers. An exception in it is logged.
        """
        _refuse_async(f)
        self.startup_funcs.append(f)
        return f

    def on_shutdown(self, f: F) -> F:
        """Call *f* once in each worker, after its last request, on SIGTERM too; see :meth:`on_startup`."""
        _refuse_async(f)
        self.shutdown_funcs.append(f)
        return f

    def context_processor(self, f: F) -> F:
        """Call *f* for each template that is rendered; it returns a dict of its variables."""
        _refuse_async(f)
        self.template_context_processors.append(f)
        return f
