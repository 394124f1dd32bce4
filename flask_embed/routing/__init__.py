"""The rules of an app: werkzeug's :class:`~werkzeug.routing.Map`, matched by a matcher of our own.

The Map keeps the rules and their converters and builds URLs; requests are matched by the compiled rules
(:mod:`flask_embed.routing.matcher`).
"""

from __future__ import annotations

import re
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from werkzeug.exceptions import NotFound
from werkzeug.routing import BuildError, RequestRedirect, Rule, RuleFactory, ValidationError
from werkzeug.routing import Map as WerkzeugMap

from flask_embed.environ import path_only, request_host, text, url_quote
from flask_embed.routing.converters import CONVERTERS
from flask_embed.routing.matcher import Matcher, SlashRequired
from flask_embed.routing.rules import Supported, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.routing import MapAdapter

__all__ = ["Map", "subdomain_of"]

_VARIABLE = "<([^>]+)>"


class Map(WerkzeugMap):
    """The rules of an app; adding one takes effect with the next request, also while the app serves.

    Slashes are never merged. Rules for WebSockets, rules that merge slashes and rules with a host (mount the app under
    a host instead) are a ValueError when they are added.
    """

    default_converters = CONVERTERS

    def __init__(self, rules: Iterable[RuleFactory] | None = None, **options: Any) -> None:
        self._in_order: list[Rule] = []
        self._compiled: Matcher | None = None
        self._compile_lock = Lock()
        options.setdefault("merge_slashes", False)
        super().__init__(rules, **options)

    def add(self, rulefactory: RuleFactory) -> None:
        """Add a rule, or the rules of a factory; raises :exc:`ValueError` for one that cannot be matched."""
        rules = Supported(rulefactory)
        with self._compile_lock:
            super().add(rules)
            self._in_order += rules.given  # of two rules that match, the one that was added first answers
            self._compiled = None

    def rules_for(self, endpoint: str) -> Iterator[Rule]:
        """The rules of an endpoint, in the order url_for tries them; empty for an unknown endpoint."""
        try:
            return self.iter_rules(endpoint)
        except KeyError:
            return iter(())

    def build(
        self, endpoint: str, values: dict[str, Any], method: str | None = None, preferred: str = "GET"
    ) -> tuple[str, str]:
        """The subdomain, and the path with its query, percent-encoded, of the URL of *endpoint* with these values.

        Values that are None are left out. With *method*, only rules for that method are tried; without it, rules for
        the *preferred* method first. Raises :exc:`~werkzeug.routing.BuildError`.
        """
        given = {name: value for name, value in values.items() if value is not None}
        for wanted in (preferred, None) if method is None else (method,):
            for rule in self.rules_for(endpoint):
                if rule.suitable_for(given, wanted):
                    built = rule.build(given)
                    if built is not None:
                        return built
        raise BuildError(endpoint, given, method, self.bind(""))

    def match(self, environ: WSGIEnvironment, server_name: str | None = None) -> tuple[Rule, dict[str, Any]]:
        """The rule that matches the request, and the values of its variables.

        Subdomains are those of *server_name*; another host has none. Raises the errors of :meth:`Matcher.match`, and
        :exc:`~werkzeug.routing.RequestRedirect` with a path-only URL that keeps prefix and query string.
        """
        matcher = self._compiled or self._new_matcher()
        path = environ.get("PATH_INFO", "")
        if not path:
            script_name = environ.get("SCRIPT_NAME", "")
            # An empty path is the root of a host (RFC 9110 section 4.2.3), and a redirect would lead to "/shop/".
            if not script_name or script_name.endswith("/"):
                path = "/"
        domain = ""
        if matcher.has_subdomains and server_name:
            domain = subdomain_of(request_host(environ), server_name)
        method = environ["REQUEST_METHOD"]
        try:
            leaf, values = matcher.match(path, method, domain)
        except SlashRequired:
            url = self._redirect_url(environ, url_quote(text(path)) + "/")
            if not _is_asked_for(url, environ):
                raise (RequestRedirect if path else MountRedirect)(url) from None
            leaf, values = matcher.match(path + "/", method, domain)  # a front has removed the slash
        if leaf.redirects:
            self._redirect(leaf.rule, values, environ, server_name, domain)
        return leaf.rule, values

    def _new_matcher(self) -> Matcher:
        with self._compile_lock:
            matcher = self._compiled
            if matcher is None:
                matcher = self._compiled = Matcher(self._in_order)
            return matcher

    def _redirect(
        self, rule: Rule, values: dict[str, Any], environ: WSGIEnvironment, server_name: str | None, domain: str
    ) -> None:
        """Raise RequestRedirect if *rule* with these values belongs to another URL; NotFound if none can be built."""
        scheme, method = environ.get("wsgi.url_scheme", "http"), environ["REQUEST_METHOD"]
        adapter = self.bind(server_name or "", "/", subdomain=domain, url_scheme=scheme, default_method=method)
        target = None
        try:
            if rule.redirect_to is not None:
                target = _written_target(rule, values, adapter)
            elif self.redirect_defaults:
                target = self._canonical_url(rule, values, adapter)
        except (ValidationError, BuildError):
            raise NotFound from None
        if target is None:
            return
        parts = urlsplit(target)
        if not parts.netloc and parts.path == url_quote(text(environ.get("PATH_INFO", ""))):
            return  # a redirect to itself: no other rule has this URL
        if not parts.netloc and _is_asked_for(self._redirect_url(environ, parts.path), environ):
            if rule.redirect_to is not None:
                raise NotFound  # a rule that redirects has no page
            return
        if rule.redirect_to is not None and parts.netloc:
            raise RequestRedirect(target)
        host = f"{scheme}://{parts.netloc}" if parts.netloc else ""  # another subdomain of ours
        raise RequestRedirect(host + self._redirect_url(environ, parts.path, parts.query, parts.fragment))

    def _canonical_url(self, rule: Rule, values: dict[str, Any], adapter: MapAdapter) -> str | None:
        """The URL of the rule that these values belong to, if that is not *rule* itself.

        For an alias it is the first rule of the endpoint (NotFound if that cannot hold the values), else the rule whose
        defaults these values are.
        """
        for other in self.iter_rules(rule.endpoint):
            if other is rule:
                return None
            if (rule.alias or other.provides_defaults_for(rule)) and other.suitable_for(values, adapter.default_method):
                built = other.build({**values, **(other.defaults or {})}, append_unknown=False)
                if built is None and rule.alias:
                    raise NotFound  # an alias is another name for a URL, and there is none for these values
                if built is None:
                    return None
                domain, path = built
                return path if domain == adapter.subdomain else f"//{adapter.get_host(domain)}{path}"
        return None

    @staticmethod
    def _redirect_url(environ: WSGIEnvironment, path: str, query: str = "", fragment: str = "") -> str:
        """*path* (percent-encoded) behind the prefix, with the query string, without scheme and host.

        A client can send any Host header; a path-only Location (RFC 9110 section 10.2.2) does not use it.
        """
        prefix = url_quote(text(environ.get("SCRIPT_NAME", "").rstrip("/")))
        asked = quote(environ.get("QUERY_STRING", "").encode("latin-1", "replace"), safe="!$&'()*+,/:;=?@%")
        query = "&".join(filter(None, (query, asked)))
        return path_only(prefix + path) + (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")


class MountRedirect(RequestRedirect):
    """The redirect from ``/shop`` to ``/shop/``, where an app is mounted.

    It is a 307: browsers keep a 308 for good, and a mount may move.
    """

    code = 307


def _is_asked_for(url: str, environ: WSGIEnvironment) -> bool:
    """True if *url*, path-only, is the URL of the request: a redirect to it would never end."""
    target: str = environ.get("REQUEST_URI", "")
    return bool(target) and unquote(target.partition("?")[0]) == unquote(url.partition("?")[0])


def _written_target(rule: Rule, values: dict[str, Any], adapter: MapAdapter) -> str:
    """The target of redirect_to for these values: on another host only if the author of the rule wrote that host."""
    written = rule.redirect_to
    if callable(written):
        target = author = written(adapter, **values)
    else:
        found = parse(rule, rule.rule)[1]
        target = re.sub(_VARIABLE, lambda name: found[name[1]].to_url(values[name[1]]), written or "")
        author = re.sub(_VARIABLE, "", written or "")
    parts = urlsplit(author)
    if parts.scheme and parts.netloc:
        return target
    return path_only(target if target.startswith("/") else f"/{target}")


def subdomain_of(host: str, server_name: str) -> str:
    """The labels in front of *server_name* in *host*; empty if *host* is not below it."""
    name = host.partition(":")[0].removesuffix(".")
    base = "." + server_name.lower().partition(":")[0]
    return name.removesuffix(base) if name.endswith(base) else ""
