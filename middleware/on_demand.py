"""Dispatchers that create their apps on demand: one for each first segment of the path, or for each subdomain."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from ipaddress import ip_address
from threading import Lock, get_ident
from typing import TYPE_CHECKING

from flask_embed.answers import not_found, unavailable
from flask_embed.bodies import is_whole
from flask_embed.composition import Part, Passage
from flask_embed.environ import escape_controls, request_host, split_port, text, url_root_fault
from flask_embed.errors import PrefixError
from flask_embed.lifespan import AppContainer
from flask_embed.middleware.hosts import normalize_host
from flask_embed.middleware.prefix import moved_below
from flask_embed.middleware.tenants import Making, Tenant, TenantBody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["PathDispatcher", "SubdomainDispatcher"]

_logger = logging.getLogger("flask_embed.middleware")


class _OnDemand(AppContainer, ABC):
    """The base of both dispatchers: their apps by name, the least recently used one first.

    The lock is held for a few look-ups only, never while code of an app runs.
    """

    def __init__(
        self,
        default_app: WSGIApplication | None,
        create_app: Callable[[str], WSGIApplication | None],
        max_apps: int,
    ) -> None:
        if not callable(create_app):
            raise TypeError(f"create_app is {create_app!r}; pass a function that gets a name and returns a WSGI app")
        if default_app is not None and not callable(default_app):
            raise TypeError(f"default_app is {default_app!r}; pass a WSGI app, or None for a plain 404")
        if type(max_apps) is not int or max_apps < 1:
            raise ValueError(f"max_apps is {max_apps!r}; write how many apps may be kept, 1 or more")
        #: answers requests without a tenant
        self.default_app: WSGIApplication = not_found if default_app is None else default_app
        #: gets a name, returns a new app or None
        self.create_app = create_app
        #: the number of apps that are kept
        self.max_apps = max_apps
        self._lock = Lock()
        self._tenants: OrderedDict[str, Tenant] = OrderedDict()
        #: by name, while the creation runs
        self._making: dict[str, Making] = {}
        #: the tenants of bodies that were collected without a close()
        self._lost: deque[Tenant] = deque()
        self._closed = False

    @property
    def apps(self) -> dict[str, WSGIApplication]:
        """The apps that are kept at this moment, by name; the least recently used one comes first."""
        with self._lock:
            return {name: tenant.app for name, tenant in self._tenants.items()}

    def close(self) -> None:
        """Close all apps, each when its last running request has ended. From then on tenants are answered 503.

        Runners do that at their end, and so does the end of every :func:`~flask_embed.lifespan.lifespan`.
        """
        self._end_lost()
        with self._lock:
            self._closed = True
            idle = []
            for tenant in self._tenants.values():
                tenant.left = True
                if not tenant.running:
                    idle.append(tenant)
            self._tenants.clear()
        for tenant in idle:
            tenant.shut()

    def inner_parts(self) -> Iterable[Part]:
        """The default app alone: each tenant has a lifespan of its own and must not start in a second one."""
        return [] if self.default_app is not_found else [Part(self.default_app)]

    def passes_on(self, environ: WSGIEnvironment) -> Passage:
        """The app of the tenant if it is created, or the default app, with the environ that it gets."""
        place = self.place_of(environ)
        if place is None:
            return Passage(self.default_app, environ)
        name, prefix = place
        inner = moved_below(environ, prefix, environ.get("PATH_INFO", "")[len(prefix) :])
        app = self.apps.get(name)
        if app is not None:
            return Passage(app, inner)
        outcome = f"given by the app that is created for {name!r}, or by the default app if there is no such tenant"
        return Passage(None, inner, outcome, is_answered=False)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        place = self.place_of(environ)
        if place is None:
            return self.default_app(environ, start_response)
        name, prefix = place
        tenant = self._enter(name)
        if not isinstance(tenant, Tenant):
            return tenant(environ, start_response)
        try:
            inner = moved_below(environ, prefix, environ["PATH_INFO"][len(prefix) :]) if prefix else environ.copy()
            # No names for url_for; for sessions the key.
            inner["flask_embed.mounts"] = (None, environ, self.key_of(name))
            body = tenant.app(inner, start_response)
        except BaseException:
            self._leave(tenant)
            raise
        if is_whole(body, environ):  # it does not need its app
            self._leave(tenant)
            return body
        return TenantBody(body, tenant, self._leave, self._lost)

    @abstractmethod
    def place_of(self, environ: WSGIEnvironment) -> tuple[str, str] | None:
        """The name of the tenant that a request is for, and its prefix (a WSGI string, which may be empty).

        None if the request is for the default app.
        """

    @abstractmethod
    def key_of(self, name: str) -> str:
        """The place of a tenant, in the form of a dispatcher's key; it keeps the sessions of tenants apart."""

    def on_stop(self) -> None:
        """Close all apps at the end of the lifespan that this dispatcher is part of."""
        self.close()

    def _enter(self, name: str) -> Tenant | WSGIApplication:
        """The tenant of that name, with this request counted as running; or the app that answers instead."""
        self._end_lost()
        while True:
            with self._lock:
                if self._closed:
                    return unavailable
                tenant = self._tenants.get(name)
                if tenant is not None:
                    self._tenants.move_to_end(name)
                    tenant.running += 1
                    return tenant
                making = self._making.get(name)
                if making is None:
                    own = self._making[name] = Making()
                    break
            if making.maker == get_ident():
                raise RuntimeError(
                    f"create_app({name!r}) sends a request to the app that it creates: it waits for itself"
                )
            making.over.wait()
            if making.instead is not None:
                return making.instead
        return self._make(name, own)

    def _make(self, name: str, making: Making) -> Tenant | WSGIApplication:
        """The new tenant of that name, kept; or the app that answers instead."""
        try:
            found = self._create(name)
        except BaseException:  # the thread or greenlet is killed: a waiting request creates the app
            self._end_making(name, making)
            raise
        if not isinstance(found, Tenant):
            self._end_making(name, making, instead=found)
            return found
        evicted = self._end_making(name, making, tenant=found)
        if evicted is not None:
            try:
                evicted.shut()
            except BaseException:
                self._leave(found)
                raise
        return found

    def _end_making(
        self,
        name: str,
        making: Making,
        *,
        tenant: Tenant | None = None,
        instead: WSGIApplication | None = None,
    ) -> Tenant | None:
        """Let the waiting requests go on; returns a tenant that has to be shut for the new one."""
        making.instead = instead
        with self._lock:
            del self._making[name]
            evicted = None if tenant is None else self._keep(tenant)
        making.over.set()
        return evicted

    def _create(self, name: str) -> Tenant | WSGIApplication:
        try:
            app = self.create_app(name)
            if app is None:
                return self.default_app
            if not callable(app):
                raise TypeError(f"create_app({name!r}) returned {app!r}; return a WSGI app, or None for no such tenant")
            tenant = Tenant(name, app)
            try:
                tenant.lifespan.start()
            except BaseException:
                tenant.shut()
                raise
            return tenant
        except (Exception, SystemExit):  # a module that calls sys.exit() must not end the server
            _logger.exception("The app of the tenant %r could not be created", escape_controls(name))
            return unavailable

    def _keep(self, tenant: Tenant) -> Tenant | None:
        """Keep a new tenant; returns one that has to be shut for it. Called with the lock held."""
        if self._closed:
            tenant.left = True  # its first request is its last one
            return None
        self._tenants[tenant.name] = tenant
        if len(self._tenants) <= self.max_apps:
            return None
        oldest = self._tenants.popitem(last=False)[1]
        oldest.left = True
        return None if oldest.running else oldest

    def _leave(self, tenant: Tenant) -> None:
        """A request of *tenant* has ended."""
        with self._lock:
            tenant.running -= 1
            over = tenant.left and not tenant.running
        if over:
            tenant.shut()

    def _end_lost(self) -> None:
        """End the requests whose bodies were collected."""
        while self._lost:
            try:
                tenant = self._lost.popleft()
            except IndexError:  # another thread was faster
                return
            self._leave(tenant)


class PathDispatcher(_OnDemand):
    """Serve one app for each first segment of the path, created when the first request for it comes.

    ``create_app(name)`` gets the segment as text and returns a new WSGI app, or None if there is no such tenant: then
    *default_app* answers, with the environ as it came (a plain 404 if it is None). The created app gets the segment at
    the end of SCRIPT_NAME and the rest of the path as PATH_INFO::

        def create_app(name):
            return make_wiki(name) if name in customers else None

        application = PathDispatcher(site, create_app, max_apps=50)

    *default_app* gets the path ``/`` too, and every path whose first segment is empty, ``.`` or ``..``, not UTF-8, or
    holds an unprintable character or one of ``\\ ? #``: create_app is not called for those. It is called for every
    other segment that clients send, so look the name up before it becomes part of a file name or of a query.

    Requests that come while an app is created wait for it and are answered by it; those for other names do not wait.
    None is not remembered: the next request calls create_app again. If it raises, the traceback is logged, these
    requests are answered 503, and the next one tries again; so it has to fail quickly. The ``on_startup`` functions of
    a flask_embed app, and of all inside it, run when it is created.

    At most *max_apps* apps are kept. If there is one more, the least recently used one leaves, and is closed when its
    last running request has ended: the ``on_shutdown`` functions of a flask_embed app run; of another app ``close()``
    is called if it has one. A later request for it creates a new app, also while the old one still sends a response, so
    create_app must not return one app twice. A body that the server never closes counts as running until it is
    collected; its app is then closed with the next request.

    TypeError if an app or create_app is not callable, ValueError if *max_apps* is not a number from 1 on.
    """

    def __init__(
        self,
        default_app: WSGIApplication | None,
        create_app: Callable[[str], WSGIApplication | None],
        *,
        max_apps: int = 100,
    ) -> None:
        super().__init__(default_app, create_app, max_apps)

    def place_of(self, environ: WSGIEnvironment) -> tuple[str, str] | None:
        path: str = environ.get("PATH_INFO", "")
        end = path.find("/", 1)
        prefix = path if end < 0 else path[:end]
        # The app would answer 400 to another SCRIPT_NAME anyway.
        if len(prefix) < 2 or url_root_fault("", prefix) is not None:
            return None
        name = text(prefix[1:])
        return (name, prefix) if name.isprintable() else None

    def key_of(self, name: str) -> str:
        return f"/{name}"


class SubdomainDispatcher(_OnDemand):
    """Serve one app for each subdomain of *domain*, created when the first request for it comes.

    ``create_app(subdomain)`` gets the name in front of the domain, in lower case: ``"blog"``, ``"a.b"``, or ``""`` for
    the domain itself. It returns a new WSGI app, or None if there is no such tenant: then *default_app* answers, as it
    does for every other host (a plain 404 if it is None). Whole labels are compared, without case, port or trailing
    dot: ``evilexample.com`` is not below ``example.com``. SCRIPT_NAME and PATH_INFO stay as they are::

        application = SubdomainDispatcher("example.com", create_app, default_app=site)

    A subdomain holds letters of ASCII, digits, ``.``, ``-`` and ``_`` only, and no label of it is empty. The domain may
    be given with a port, which is ignored, and with letters beyond ASCII; those of a subdomain arrive as browsers send
    them (``xn--…``). How apps are created, kept and closed: see :class:`PathDispatcher`.

    TypeError if an app or create_app is not callable or the domain is not text, PrefixError (a ValueError) for a
    malformed domain, ValueError if *max_apps* is not a number from 1 on.
    """

    def __init__(
        self,
        domain: str,
        create_app: Callable[[str], WSGIApplication | None],
        *,
        default_app: WSGIApplication | None = None,
        max_apps: int = 100,
    ) -> None:
        super().__init__(default_app, create_app, max_apps)
        #: in lower case, without port
        self.domain = _domain(domain)

    def place_of(self, environ: WSGIEnvironment) -> tuple[str, str] | None:
        host = request_host(environ)
        if url_root_fault(environ.get("HTTP_HOST") or host, "") is not None:
            return None
        name = split_port(host)[0].removesuffix(".")
        if name == self.domain:
            return "", ""
        subdomain = name.removesuffix(f".{self.domain}")
        if subdomain == name or "" in subdomain.split("."):
            return None
        return subdomain, ""

    def key_of(self, name: str) -> str:
        return f"{name}.{self.domain}/" if name else f"{self.domain}/"


def _domain(domain: str) -> str:
    """The form in which a domain is compared."""
    if not isinstance(domain, str):
        raise TypeError(f"the domain is {domain!r}; write it like 'example.com'")
    if domain.startswith("*."):
        raise PrefixError(f"the domain {domain!r} begins with '*.'; write {domain[2:]!r}: names below it are included")
    name = split_port(normalize_host(domain))[0]
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return name
    raise PrefixError(f"the domain {domain!r} is an address, which has no names below it; write one like 'example.com'")
