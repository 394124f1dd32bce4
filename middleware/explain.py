"""What would answer a URL, and why; and every rule of every mounted app with the path that clients ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect

from flask_embed.composition import is_flask_embed, parts_of
from flask_embed.environ import escape_controls, host_is_trusted, readable
from flask_embed.errors import PrefixError
from flask_embed.middleware.dispatcher import DispatcherMiddleware, Mount
from flask_embed.middleware.hosts import host_keys, normalize_host
from flask_embed.middleware.lazy_app import LazyApp
from flask_embed.middleware.on_demand import PathDispatcher, SubdomainDispatcher
from flask_embed.middleware.prefix import PrefixMiddleware, below
from flask_embed.middleware.strict import StrictEnviron, environ_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["Explanation", "PublicRule", "explain", "iter_rules"]


@dataclass
class Explanation:
    """Which app answers a request, and what it sees; printed, it is a few lines for a person."""

    method: str
    url: str
    #: the keys of the mounts on the way, from the outside in
    mounts: list[str] = field(default_factory=list)
    #: as the app sees them, as text
    script_name: str = ""
    path_info: str = ""
    #: the app that answers, None if none does
    app: Any = None
    #: of the rule that matches, None if none does or the app is no flask_embed app
    endpoint: str | None = None
    #: the values of its variables
    values: dict[str, Any] = field(default_factory=dict)
    #: what comes of it, in a few words
    outcome: str = ""
    #: the mounts that were passed over, and why
    losers: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{self.method} {self.url}",
            f"  mount        {' > '.join(self.mounts) or 'none'}",
            f"  SCRIPT_NAME  {self.script_name or '(empty)'}",
            f"  PATH_INFO    {self.path_info or '(empty)'}",
            f"  answer       {self.outcome}",
        ]
        shown = self.losers[:20]
        for place, (key, reason) in enumerate(shown):
            lines.append(f"  {'not' if place == 0 else '':<12} {key}: {reason}")
        if len(self.losers) > len(shown):
            lines.append(f"  {'':<12} and {len(self.losers) - len(shown)} mounts more")
        return "\n".join(map(escape_controls, lines))


class PublicRule(NamedTuple):
    """A rule of a mounted app."""

    #: the path that clients ask for, with the variables of the rule; behind a host if the mount has one
    path: str
    methods: tuple[str, ...]
    endpoint: str
    #: the keys of the mounts that lead to its app, from the outside in
    mounts: tuple[str, ...]
    #: the mount that gets these paths instead, so that the rule is never asked; empty if none does
    shadowed_by: str


def explain(app: Any, url: str, method: str = "GET", *, losers: bool = True) -> Explanation:
    """Which app inside *app* answers a request for *url*, what it sees, and why no other; no app is called.

    *url* is a path with or without a query string, or has scheme and host too. ValueError if it is neither. Without
    *losers* the mounts that were passed over are not looked at, which costs as much as there are.
    """
    found = Explanation(method.upper(), url)
    _follow(app, _environ(url, found.method), found, losers)
    return found


def _follow(app: Any, environ: WSGIEnvironment, found: Explanation, losers: bool) -> None:
    """Walk with a request from the outermost app to the one that answers."""
    on_the_way: list[Any] = []
    passed: set[tuple[int, str]] = set()
    while app is not None:
        at = (id(app), environ["PATH_INFO"])
        if at in passed:
            found.app, found.outcome = None, "nothing: what is mounted there leads to itself again"
            break
        passed.add(at)
        on_the_way.append(app)
        found.app = app
        app = _step(app, environ, found, on_the_way, losers)
    found.script_name, found.path_info = (readable(environ[key]) for key in ("SCRIPT_NAME", "PATH_INFO"))


def _environ(url: str, method: str) -> WSGIEnvironment:
    """What a server would make of the URL."""
    scheme, host, target = "http", "", url
    if not url.startswith("/"):
        scheme, mark, rest = url.partition("://")
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        host = _sent(authority.rpartition("@")[2])  # who logs in is no part of the Host
        target = rest[len(authority) :] or "/"
        scheme = scheme.lower()
        if not mark or scheme not in ("http", "https") or not host:
            raise ValueError(
                f"{url!r} is neither a path nor a URL; write '/shop/cart' or 'http://example.com/shop/cart'"
            )
    path, _, query = target.partition("#")[0].partition("?")
    return _request(method, unquote_to_bytes(path or "/").decode("latin-1"), scheme, host, query)


def _sent(host: str) -> str:
    """The Host header that a browser sends for *host*; empty if it is none."""
    try:
        normalized = normalize_host(host)
    except PrefixError:
        return ""
    return host if host.isascii() else normalized


def _request(method: str, path: str, scheme: str, host: str, query: str = "") -> WSGIEnvironment:
    """The environ of a request for *path*, a WSGI string; without a host it is for none that a mount may have."""
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": host,
        "SERVER_NAME": "",
        "SERVER_PORT": "443" if scheme == "https" else "80",
        "wsgi.url_scheme": scheme,
    }


def _step(app: Any, environ: WSGIEnvironment, found: Explanation, on_the_way: list[Any], losers: bool) -> Any:
    """Where *app* passes the request on to, with what it would change in the environ; None if it ends there."""
    if isinstance(app, MethodType):
        owner = app.__self__
        if not (is_flask_embed(owner) and any(owner is one for one in on_the_way)):
            return owner
        found.app = owner  # its own wsgi_app, with middleware around
        found.outcome = _answer(owner, environ, found)
        return None
    if isinstance(app, DispatcherMiddleware):
        return _through_dispatcher(app, environ, found, losers)
    if isinstance(app, PrefixMiddleware):
        rest = environ["PATH_INFO"] if app.mode == "stripped" else below(environ["PATH_INFO"], app.prefix)
        if rest is None:
            found.outcome = f"404: the path is not below the prefix {readable(app.prefix)}"
            return None
        environ["SCRIPT_NAME"] += app.prefix
        environ["PATH_INFO"] = rest
        return app.app
    if isinstance(app, PathDispatcher | SubdomainDispatcher):
        return _through_tenants(app, environ, found)
    if isinstance(app, LazyApp) and app.app is None:
        found.outcome = f"{app.target}, which is imported with its first request"
        return None
    if isinstance(app, StrictEnviron) and (fault := environ_fault(environ)) is not None:
        found.outcome = f"400: {fault}"
        return None
    for name in ("wsgi_app", "app"):
        inner = vars(app).get(name) if hasattr(app, "__dict__") else None
        if callable(inner):
            return inner
    found.outcome = _answer(app, environ, found) if is_flask_embed(app) else f"whatever {app!r} answers"
    return None


def _through_dispatcher(app: DispatcherMiddleware, environ: WSGIEnvironment, found: Explanation, losers: bool) -> Any:
    path, hosts = environ["PATH_INFO"], host_keys(environ)
    mount = app.find_mount(environ)
    for other in app.iter_mounts() if losers else ():
        if other is not mount and (other.host or other.prefix):
            found.losers.append((other.key, _why_not(other, mount, path, hosts)))
    if mount is None:
        found.outcome = "404: no mount is for this path, and there is no app for the rest"
        return None
    found.mounts.append(mount.key or "/")
    environ["SCRIPT_NAME"] += mount.prefix
    environ["PATH_INFO"] = path[len(mount.prefix) :]
    return mount.app


def _through_tenants(app: PathDispatcher | SubdomainDispatcher, environ: WSGIEnvironment, found: Explanation) -> Any:
    place = app.place_of(environ)
    if place is None:
        return app.default_app
    name, prefix = place
    environ["SCRIPT_NAME"] += prefix
    environ["PATH_INFO"] = environ["PATH_INFO"][len(prefix) :]
    tenant = app.apps.get(name)
    if tenant is None:
        found.app = None
        found.outcome = f"the app that is created for {name!r}, or the default app if there is no such tenant"
    return tenant


def _why_not(other: Mount, winner: Mount | None, path: str, hosts: tuple[str, ...]) -> str:
    if other.host and other.host not in hosts:
        return "the request is for another host"
    if below(path, other.prefix) is None:
        if path.startswith(other.prefix):
            return "the path only begins like it, in the middle of a segment"
        return "the path is not below it"
    if winner is not None and winner.host != other.host:
        return f"the host of {winner.key} is more exact"
    return f"{winner.key if winner else 'another prefix'} is longer"


def _answer(app: Any, environ: WSGIEnvironment, found: Explanation) -> str:
    """What a flask_embed app makes of the request."""
    fault = environ_fault(environ)
    if fault is not None:
        return f"400: {fault}"
    if app.trusted_hosts is not None and not host_is_trusted(environ, app.trusted_hosts):
        return f"400: the host is not among the trusted_hosts of {app.package_name!r}"
    try:
        rule, values = app.url_map.match(environ, app.server_name)
    except RequestRedirect as redirect:
        return f"{redirect.code} to {redirect.new_url}"
    except MethodNotAllowed as error:
        if found.method == "OPTIONS":
            return f"the methods of this path: {', '.join(sorted(error.valid_methods or ()))}"
        return (
            f"405: {found.method} is not among the methods of this path, {', '.join(sorted(error.valid_methods or ()))}"
        )
    except HTTPException as error:
        return f"{error.code}: no rule of {app.package_name!r} matches"
    found.endpoint, found.values = rule.endpoint, values
    return f"endpoint {rule.endpoint!r} of {app.package_name!r}" + (f" with {values!r}" if values else "")


def iter_rules(app: Any) -> Iterator[PublicRule]:
    """Every rule of *app* and of the flask_embed apps inside it, from the outside in, in the order of adding."""
    for part in parts_of(app):
        if is_flask_embed(part.app):
            for rule in part.app.url_map.iter_rules():
                path = f"{part.host}{readable(part.prefix)}{rule.rule}"
                methods = tuple(sorted(rule.methods or ()))
                keys = tuple(key or "/" for key in part.keys)
                yield PublicRule(path, methods, rule.endpoint, keys, _shadow(app, keys, path, part.host))


def _shadow(outermost: Any, keys: tuple[str, ...], path: str, host: str) -> str:
    """The mount that gets what the rule with this path could match; empty if the app at these *keys* gets it."""
    literal, variable, _ = path.removeprefix(host).partition("<")
    if variable:
        literal = literal[: literal.rfind("/") + 1]  # "/shop<name>" also matches what is not below "/shop"
    found = Explanation("GET", path)
    wsgi_path = literal.encode("utf-8", "replace").decode("latin-1")
    _follow(outermost, _request("GET", wsgi_path, "http", host.replace("*", "any-other-name")), found, losers=False)
    if found.app is None or _without_rest(found.mounts) == _without_rest(keys):
        return ""
    return found.mounts[-1] if found.mounts else ""


def _without_rest(keys: Iterable[str]) -> list[str]:
    """Keys without those of apps for the rest: an app that holds its dispatcher is such a one in it, too."""
    return [key for key in keys if key != "/"]
