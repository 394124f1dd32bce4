"""The app that answers a URL, and the reason; and every rule of all mounted apps with the path that clients ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from inspect import getattr_static
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

from flask_embed.composition import Passage, is_flask_embed, parts_of
from flask_embed.environ import escape_controls, readable
from flask_embed.errors import PrefixError
from flask_embed.middleware.hosts import normalize_host
from flask_embed.middleware.strict import environ_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["Explanation", "PublicRule", "explain", "iter_rules"]


@dataclass
class Explanation:
    """The app that answers a request, and the environ that it gets; printed, it is a few lines for a person."""

    method: str
    url: str
    #: the keys of the mounts on the way, from the outside in
    mounts: list[str] = field(default_factory=list)
    #: as the app gets them, as text
    script_name: str = ""
    path_info: str = ""
    #: the app that answers, None without one
    app: Any = None
    #: of the rule that matches; None without one, and for an app that is not a flask_embed app
    endpoint: str | None = None
    #: the values of its variables
    values: dict[str, Any] = field(default_factory=dict)
    #: the answer, in a few words
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
            lines.append(f"  {'':<12} and {len(self.losers) - len(shown)} more mounts")
        return "\n".join(map(escape_controls, lines))


class PublicRule(NamedTuple):
    """A rule of a mounted app."""

    #: the path that clients ask for, with the variables of the rule; behind a host if the mount has one
    path: str
    methods: tuple[str, ...]
    endpoint: str
    #: the keys of the mounts that lead to its app, from the outside in
    mounts: tuple[str, ...]
    #: the mount that gets these paths instead, so that no request reaches the rule; empty without one
    shadowed_by: str


def explain(app: Any, url: str, method: str = "GET", *, losers: bool = True) -> Explanation:
    """The app inside *app* that answers a request for *url*, its environ, and why no other does; no app is called.

    *url* is a path with or without a query string, or has scheme and host too. ValueError if it is neither. Without
    *losers* the mounts that were passed over are left out: to find their reasons takes time for each mount.
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
            found.app, found.outcome = None, "none: the app there passes the request back to itself"
            break
        passed.add(at)
        on_the_way.append(app)
        found.app = app
        if losers and getattr_static(type(app), "passed_over", None) is not None:  # a dispatcher
            found.losers += app.passed_over(environ)
        app, environ, found.outcome, mount, is_answered = _passage(app, environ, found, on_the_way)
        if mount is not None:
            found.mounts.append(mount)
        if not is_answered:
            found.app = None
    found.script_name, found.path_info = (readable(environ[key]) for key in ("SCRIPT_NAME", "PATH_INFO"))


def _environ(url: str, method: str) -> WSGIEnvironment:
    """The environ of a request for the URL, as a server would build it."""
    scheme, host, target = "http", "", url
    if not url.startswith("/"):
        scheme, mark, rest = url.partition("://")
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        host = _sent(authority.rpartition("@")[2])  # the user is not sent in Host
        target = rest[len(authority) :] or "/"
        scheme = scheme.lower()
        if not mark or scheme not in ("http", "https") or not host:
            raise ValueError(
                f"{url!r} is neither a path nor a URL; write '/shop/cart' or 'http://example.com/shop/cart'"
            )
    path, _, query = target.partition("#")[0].partition("?")
    return _request(method, unquote_to_bytes(path or "/").decode("latin-1"), scheme, host, query)


def _sent(host: str) -> str:
    """The Host header that a browser sends for *host*; empty if it is malformed."""
    try:
        normalized = normalize_host(host)
    except PrefixError:
        return ""
    return host if host.isascii() else normalized


def _request(method: str, path: str, scheme: str, host: str, query: str = "") -> WSGIEnvironment:
    """The environ of a request for *path*, a WSGI string; with an empty host no mount of a host gets it."""
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


def _passage(app: Any, environ: WSGIEnvironment, found: Explanation, on_the_way: list[Any]) -> Passage:
    """The step that a request takes at *app*; at a flask_embed app its answer is found too."""
    if isinstance(app, MethodType):
        owner = app.__self__
        if not (is_flask_embed(owner) and any(owner is one for one in on_the_way)):
            return Passage(owner, environ)
        found.app = owner  # its own wsgi_app, with middleware around
        return Passage(None, environ, _answer(owner, environ, found))
    if getattr_static(type(app), "passes_on", None) is not None:
        passage: Passage = app.passes_on(environ)
        return passage
    for name in ("wsgi_app", "app"):  # the habits of Flask and of other middleware
        inner = vars(app).get(name) if hasattr(app, "__dict__") else None
        if callable(inner):
            return Passage(inner, environ)
    return Passage(None, environ, _answer(app, environ, found) if is_flask_embed(app) else f"given by {app!r}")


def _answer(app: Any, environ: WSGIEnvironment, found: Explanation) -> str:
    """The outcome at a flask_embed app; endpoint and values are stored."""
    fault = environ_fault(environ)
    if fault is not None:
        return f"400: {fault}"
    found.endpoint, found.values, outcome = app.explain_request(environ)
    return str(outcome)


def iter_rules(app: Any) -> Iterator[PublicRule]:
    """Every rule of *app* and of the flask_embed apps inside it, from the outside in, in the order of adding."""
    for part in parts_of(app):
        if is_flask_embed(part.app):
            for rule in part.app.iter_rules():
                path = f"{part.host}{readable(part.prefix)}{rule.rule}"
                methods = tuple(sorted(rule.methods or ()))
                keys = tuple(key or "/" for key in part.keys)
                yield PublicRule(path, methods, rule.endpoint, keys, _shadow(app, keys, path, part.host))


def _shadow(outermost: Any, keys: tuple[str, ...], path: str, host: str) -> str:
    """The mount that gets the paths of the rule with this path; empty if the app at these *keys* gets them."""
    literal, variable, _ = path.removeprefix(host).partition("<")
    if variable:
        literal = literal[: literal.rfind("/") + 1]  # "/shop<name>" also matches paths that are not below "/shop"
    found = Explanation("GET", path)
    wsgi_path = literal.encode("utf-8", "replace").decode("latin-1")
    _follow(outermost, _request("GET", wsgi_path, "http", host.replace("*", "any-other-name")), found, losers=False)
    if found.app is None or _without_rest(found.mounts) == _without_rest(keys):
        return ""
    return found.mounts[-1] if found.mounts else ""


def _without_rest(keys: Iterable[str]) -> list[str]:
    """Keys without those of apps for the rest: an app that holds its own dispatcher is the app for the rest in it."""
    return [key for key in keys if key != "/"]
