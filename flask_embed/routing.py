"""From a path to a rule: werkzeug's :class:`~werkzeug.routing.Map` with a matcher of our own.

The Map keeps the rules and their converters and builds URLs. What a request needs is compiled from its rules:

    a dict   path → method → rule        rules without a variable: one look-up answers most requests
    a tree   segment by segment          all rules: answers whatever the dict has no answer for,
                                         variables, slash redirects, 404 and 405

Both answer alike; the dict only says it sooner. In the tree a static segment wins over a variable one, and
variables are tried in the order of their converters' weights. An edge takes one segment (a converter that
accepts slashes takes all that are left), so a node is visited at most once per request, and a path of a
thousand segments costs no more than its length.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from werkzeug.exceptions import BadRequest, MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, RequestRedirect, Rule, RuleFactory, ValidationError
from werkzeug.routing import Map as WerkzeugMap
from werkzeug.routing.rules import parse_converter_args

from flask_embed.converters import CONVERTERS, StringConverter
from flask_embed.environ import has_line_break, path_only, request_host, text, url_quote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.routing import MapAdapter

__all__ = ["Map", "Matcher", "subdomain_of"]


class Leaf:
    """A rule at the end of its path, and what turns the matched strings into the view's arguments."""

    __slots__ = ("conversions", "defaults", "methods", "redirects", "rule")

    def __init__(self, rule: Rule, found: dict[str, BaseConverter]) -> None:
        self.rule = rule
        self.methods: Collection[str] = rule.methods or ()
        self.defaults = dict(rule.defaults or {})
        #: name and ``to_python`` per variable, in the order of the rule; None where the string is the value
        self.conversions: tuple[tuple[str, Callable[[str], Any] | None], ...] = tuple(
            (name, None if type(converter).to_python is BaseConverter.to_python else converter.to_python)
            for name, converter in found.items()
        )
        #: whether the rule may answer with another URL: redirect_to, alias, or defaults that another rule shows
        self.redirects = (
            rule.redirect_to is not None
            or rule.alias
            or any(other.provides_defaults_for(rule) for other in rule.map.iter_rules(rule.endpoint))
        )

    def accepts(self, method: str) -> bool:
        """Whether the rule answers this method."""
        return not self.methods or method in self.methods


class Edge(NamedTuple):
    """A variable part of a path and the node behind it."""

    source: str
    matches: Callable[[str], re.Match[str] | None] | None
    """None where every segment that is not empty is taken as it is, which spares a regular expression."""
    variables: int
    takes_rest: bool
    optional_slash: bool
    """The last group of the pattern is the slash that ends the rule, and may be missing in the path."""
    weight: tuple[Any, ...]
    node: Node


class Node:
    """A border between two segments."""

    __slots__ = ("edges", "leaves", "static")

    def __init__(self) -> None:
        self.static: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.leaves: list[Leaf] = []


class Part(NamedTuple):
    """One segment of a rule: a fixed text, or the pattern of an edge."""

    static: str | None
    source: str = ""
    variables: int = 0
    takes_rest: bool = False
    optional_slash: bool = False
    weight: tuple[Any, ...] = ()


_TOKEN = re.compile(
    r"(?P<slash>/)|(?P<static>[^</]+)"
    r"|<(?:(?P<converter>[a-zA-Z_][a-zA-Z0-9_]*)(?:\((?P<arguments>.*?)\))?:)?(?P<variable>[a-zA-Z_][a-zA-Z0-9_]*)>"
)
_PLAIN_SEGMENT = rf"(?P<_0>{StringConverter(WerkzeugMap()).regex})\Z"


def parse(rule: Rule, pattern: str) -> tuple[list[Part], dict[str, BaseConverter]]:
    """The parts of *pattern* (the path of a bound rule, or its subdomain), and its converters by variable."""
    found: dict[str, BaseConverter] = {}
    parts: list[Part] = []
    tokens: list[re.Match[str]] = []
    takes_rest = False
    for token in _TOKEN.finditer(pattern):
        if variable := token["variable"]:
            args, kwargs = parse_converter_args(token["arguments"] or "")
            found[variable] = rule.get_converter(variable, token["converter"] or "default", args, kwargs)
            takes_rest = takes_rest or not found[variable].part_isolating
        if token["slash"] and not takes_rest:
            parts.append(_part(tokens, found, takes_rest=False))
            tokens = []
        else:
            tokens.append(token)
    # A rule that ends in a slash behind a converter which takes slashes: that slash may be missing, as anywhere.
    optional_slash = takes_rest and bool(tokens[-1]["slash"])
    if optional_slash:
        tokens.pop()
    parts.append(_part(tokens, found, takes_rest, optional_slash))
    if optional_slash:
        parts.append(Part(""))
    return parts, found


def _part(
    tokens: list[re.Match[str]], found: dict[str, BaseConverter], takes_rest: bool, optional_slash: bool = False
) -> Part:
    """The part made of *tokens*, the text between two borders of segments."""
    if not any(token["variable"] for token in tokens):
        return Part("".join(token[0] for token in tokens))
    source = ""
    variables: list[int] = []
    statics: list[tuple[int, int]] = []
    for token in tokens:
        if token["variable"]:
            converter = found[token["variable"]]
            source += f"(?P<_{len(variables)}>{converter.regex})"
            variables.append(converter.weight)
        else:
            source += re.escape(token[0])
            if token["static"]:
                statics.append((len(statics), -len(token[0])))
    source += r"(?<!/)(/?)\Z" if optional_slash else r"\Z"
    # More fixed text goes first, then more variables, then the lighter converters: the order that Map gives.
    weight = (-len(statics), statics, -len(variables), variables)
    return Part(None, source, len(variables), takes_rest, optional_slash, weight)


class _SlashRequired(Exception):
    """The path is a rule's but for the slash at its end."""


class Matcher:
    """The rules of a map, compiled: from a path and a method to a rule and its values."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.domains = Node()
        self.static: dict[str, dict[str | None, Leaf]] = {}
        for rule in rules:
            if not rule.build_only:
                self._add(rule)
        self.has_subdomains = bool(self.domains.edges or self.domains.static.keys() - {""})
        # Where a walk begins: at the domain, or behind it if all rules have the same.
        self._root, self._root_at = self.domains, 0
        if self.has_subdomains:
            self.static.clear()  # a path alone no longer says which rule is meant
        elif "" in self.domains.static:
            self._root, self._root_at = self.domains.static[""], 1

    def _add(self, rule: Rule) -> None:
        domain, found = parse(rule, rule.subdomain or "")
        path, path_variables = parse(rule, rule.rule.removeprefix("/"))
        found.update(path_variables)
        leaf = Leaf(rule, found)
        node = self.domains
        for part in domain + path:
            node = self._step(node, part)
        node.leaves.append(leaf)
        if not found:
            by_method = self.static.setdefault(rule.rule.encode().decode("latin-1"), {})
            if None not in by_method:  # an earlier rule for all methods wins over every later one
                for method in rule.methods or (None,):
                    by_method.setdefault(method, leaf)

    @staticmethod
    def _step(node: Node, part: Part) -> Node:
        """The node behind *part*, made if it is not there yet; edges stay in the order of their weights."""
        if part.static is not None:
            return node.static.setdefault(part.static, Node())
        for edge in node.edges:
            if (edge.source, edge.takes_rest, edge.weight) == (part.source, part.takes_rest, part.weight):
                return edge.node
        matches = None if part.source == _PLAIN_SEGMENT else re.compile(part.source).match
        behind = Node()
        node.edges.append(
            Edge(part.source, matches, part.variables, part.takes_rest, part.optional_slash, part.weight, behind)
        )
        node.edges.sort(key=lambda edge: edge.weight)
        return behind

    def match(self, path: str, method: str, domain: str = "") -> tuple[Leaf, dict[str, Any]]:
        """The leaf and the values for a PATH_INFO (a WSGI string) and a method.

        Raises :exc:`~werkzeug.exceptions.NotFound`, :exc:`~werkzeug.exceptions.MethodNotAllowed`, a
        :exc:`~werkzeug.exceptions.BadRequest` for a line break or NUL, or ``_SlashRequired``.
        """
        by_method = self.static.get(path)
        if by_method is not None:
            leaf = by_method.get(method) or by_method.get(None)
            if leaf is not None:
                return leaf, leaf.defaults.copy()
        leaf, strings = self._find_leaf(path, method, domain)
        values: dict[str, Any] = {}
        for (name, to_python), string in zip(leaf.conversions, strings, strict=True):
            if to_python is None:
                values[name] = string
            else:
                try:
                    values[name] = to_python(string)
                except ValidationError:
                    raise NotFound from None
        values.update(leaf.defaults)
        return leaf, values

    def _find_leaf(self, path: str, method: str, domain: str) -> tuple[Leaf, tuple[str, ...]]:
        if not (path.isascii() and path.isprintable()):
            path = _readable(path)
        segments = path.split("/")
        if segments[0]:  # no slash in front: the front sends something that is no path of ours
            raise NotFound
        allowed: set[str] = set()
        segments[0] = domain
        found = self._walk(self._root, segments, self._root_at, method, (), allowed)
        if found is not None:
            return found
        if allowed:
            raise MethodNotAllowed(sorted(allowed | {"OPTIONS"}))
        raise NotFound

    def _walk(
        self, node: Node, segments: list[str], at: int, method: str, values: tuple[str, ...], allowed: set[str]
    ) -> tuple[Leaf, tuple[str, ...]] | None:
        """Follow ``segments[at:]`` from *node*; methods of rules that only the method excludes go to *allowed*."""
        while at < len(segments) and segments[at]:  # as long as only one way leads on, there is nothing to come back to
            behind = node.static.get(segments[at])
            if behind is None:
                if len(node.edges) != 1 or node.edges[0].matches is not None:
                    break
                values = (*values, segments[at])
                behind = node.edges[0].node
            elif node.edges:
                break
            node = behind
            at += 1
        if at == len(segments):
            for leaf in node.leaves:
                if leaf.accepts(method):
                    return leaf, values
                allowed.update(leaf.methods)
            with_slash = node.static.get("")
            for leaf in with_slash.leaves if with_slash is not None else ():
                if leaf.accepts(method):
                    if leaf.rule.strict_slashes:
                        raise _SlashRequired
                    return leaf, values
            return None
        segment = segments[at]
        behind = node.static.get(segment)
        if behind is not None:
            found = self._walk(behind, segments, at + 1, method, values, allowed)
            if found is not None:
                return found
        for edge in node.edges:
            if edge.matches is None:
                if not segment:
                    continue
                found = self._walk(edge.node, segments, at + 1, method, (*values, segment), allowed)
            elif edge.takes_rest:
                match = edge.matches("/".join(segments[at:]))
                if match is None:
                    continue
                left = [""] if edge.optional_slash and match[match.re.groups] == "/" else []
                found = self._walk(edge.node, left, 0, method, values + _strings(match, edge), allowed)
            else:
                match = edge.matches(segment)
                if match is None:
                    continue
                found = self._walk(edge.node, segments, at + 1, method, values + _strings(match, edge), allowed)
            if found is not None:
                return found
        if not segment and at == len(segments) - 1:
            # Only the slash at the end is left over: rules that are not strict about it take the path.
            for leaf in node.leaves:
                if leaf.rule.strict_slashes:
                    continue
                if leaf.accepts(method):
                    return leaf, values
                allowed.update(leaf.methods)
        return None


def _readable(path: str) -> str:
    """*path* as text, or the error that answers bytes which are no path."""
    if has_line_break(path):
        raise BadRequest
    try:
        return text(path)
    except UnicodeError:
        raise NotFound from None


def _strings(match: re.Match[str], edge: Edge) -> tuple[str, ...]:
    return tuple(match[f"_{number}"] for number in range(edge.variables))


class Map(WerkzeugMap):
    """The rules of an app; adding one takes effect with the next request, also while the app serves.

    Slashes are never merged. Rules for WebSockets, rules that merge slashes and rules by host (mount the app
    under a host instead) are refused when they are added.
    """

    default_converters = CONVERTERS

    def __init__(self, rules: Iterable[RuleFactory] | None = None, **options: Any) -> None:
        self._in_order: list[Rule] = []
        self._compiled: Matcher | None = None
        self._compile_lock = Lock()
        options.setdefault("merge_slashes", False)
        super().__init__(rules, **options)

    def add(self, rulefactory: RuleFactory) -> None:
        """Add a rule, or the rules that a factory gives; raises :exc:`ValueError` for what cannot be matched."""
        rules = _Supported(rulefactory)
        super().add(rules)
        self._in_order += rules.given  # of two rules that match, the one that was added first answers
        self._compiled = None

    def rules_for(self, endpoint: str) -> Iterator[Rule]:
        """The rules of an endpoint, none for an unknown one."""
        return (rule for rule in self._in_order if rule.endpoint == endpoint)

    def match(self, environ: WSGIEnvironment, server_name: str | None = None) -> tuple[Rule, dict[str, Any]]:
        """The rule that answers the request, and the values of its variables.

        *server_name* is what a host's subdomain is the rest of; a host outside of it has none. Raises what
        :meth:`Matcher.match` raises, and :exc:`~werkzeug.routing.RequestRedirect` with a path-only URL that
        keeps prefix and query string.
        """
        matcher = self._compiled or self._compile()
        path = environ.get("PATH_INFO", "")
        if not path and not environ.get("SCRIPT_NAME", "").strip("/"):
            path = "/"  # the root of a host has no other spelling: nothing to redirect to (RFC 9110, 4.2.3)
        domain = ""
        if matcher.has_subdomains and server_name:
            domain = subdomain_of(request_host(environ), server_name)
        method = environ["REQUEST_METHOD"]
        try:
            leaf, values = matcher.match(path, method, domain)
        except _SlashRequired:
            raise RequestRedirect(self._redirect_url(environ, url_quote(text(path)) + "/")) from None
        if leaf.redirects:
            self._redirect(leaf.rule, values, environ, domain)
        return leaf.rule, values

    def _compile(self) -> Matcher:
        with self._compile_lock:
            matcher = self._compiled
            if matcher is None:
                matcher = self._compiled = Matcher(self._in_order)
            return matcher

    def _redirect(self, rule: Rule, values: dict[str, Any], environ: WSGIEnvironment, domain: str) -> None:
        """Raise RequestRedirect if *rule* with these values belongs to another URL."""
        adapter = self.bind("", "/", subdomain=domain, default_method=environ["REQUEST_METHOD"])
        target: str | None = None
        if rule.alias and self.redirect_defaults:
            target = adapter.build(rule.endpoint, values, append_unknown=False)
        elif rule.redirect_to is None:
            target = self._default_url(rule, values, adapter) if self.redirect_defaults else None
        elif callable(rule.redirect_to):
            target = urljoin("/", rule.redirect_to(adapter, **values))
        else:
            found = parse(rule, rule.rule)[1]
            target = re.sub("<([^>]+)>", lambda name: found[name[1]].to_url(values[name[1]]), rule.redirect_to)
            target = urljoin("/", target)
        if target is not None:
            elsewhere = urlsplit(target).netloc  # the rule's author, or another subdomain, names a host
            raise RequestRedirect(target if elsewhere else self._redirect_url(environ, target))

    def _default_url(self, rule: Rule, values: dict[str, Any], adapter: MapAdapter) -> str | None:
        """The URL of the rule for the same endpoint whose defaults are these *values*, if there is one."""
        for other in self.iter_rules(rule.endpoint):
            if other is rule:
                return None
            if other.provides_defaults_for(rule) and other.suitable_for(values, adapter.default_method):
                return adapter.build(rule.endpoint, {**values, **(other.defaults or {})})
        return None

    @staticmethod
    def _redirect_url(environ: WSGIEnvironment, path: str) -> str:
        """*path* (percent-encoded) behind the prefix, with the query string, without scheme and host.

        A client chooses its Host header; a path-only Location (RFC 9110, 10.2.2) leaves it out of the game.
        """
        prefix = url_quote(text(environ.get("SCRIPT_NAME", "").rstrip("/")))
        query = quote(environ.get("QUERY_STRING", "").encode("latin-1", "replace"), safe="!$&'()*+,/:;=?@%")
        return path_only(prefix + path) + (f"?{query}" if query else "")


class _Supported(RuleFactory):
    """A rule factory that lets through what the matcher can match, and remembers it."""

    def __init__(self, factory: RuleFactory) -> None:
        self.factory = factory
        self.given: list[Rule] = []

    def get_rules(self, map: WerkzeugMap) -> Iterator[Rule]:
        for rule in self.factory.get_rules(map):
            reason = None
            if rule.websocket:
                reason = "a WebSocket cannot be served by a WSGI app"
            elif rule.merge_slashes:
                reason = "slashes are never merged"
            elif rule.rule.startswith("//"):
                reason = "a browser would read the beginning of its URL as a host"
            elif rule.host is not None:
                reason = "mount an app under a host with DispatcherMiddleware"
            if reason:
                raise ValueError(f"the rule {rule.rule!r} cannot be added: {reason}")
            self.given.append(rule)
            yield rule


def subdomain_of(host: str, server_name: str) -> str:
    """What stands in front of *server_name* in *host*; empty if *host* is another's, as an address is."""
    name = host.partition(":")[0].removesuffix(".")
    base = "." + server_name.lower().partition(":")[0]
    return name.removesuffix(base) if name.endswith(base) else ""
