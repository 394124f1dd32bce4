"""The compiled rules of a map: they lead from a path and a method to a rule.

    a dict   path → method → rule        rules without a variable: one look-up answers most requests
    a dict   all but the last segment    rules whose only variable is the last segment: most of the others
    a tree   segment by segment          all rules: everything that is in neither dict,
                                         other variables, slash redirects, 404 and 405

All give the same answer; the dicts are only faster. In the tree a static segment wins over a variable one, and
variables are tried in the order of their converters' weights. An edge takes one segment (a converter that
accepts slashes takes all that are left), so a node is visited at most once per request, and a path of a
thousand segments costs no more than its length.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, Map, Rule, ValidationError
from werkzeug.routing.converters import NumberConverter

from flask_embed.environ import has_line_break, text
from flask_embed.routing.converters import IntegerConverter, PathConverter, StringConverter
from flask_embed.routing.rules import Segment, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

__all__ = ["Leaf", "Matcher", "SlashRequired", "parse"]


class Leaf:
    """A rule at the end of its path, and the conversion of the matched strings to the view's arguments."""

    __slots__ = ("conversions", "defaults", "methods", "redirects", "rule")

    def __init__(self, rule: Rule, found: dict[str, BaseConverter]) -> None:
        self.rule = rule
        self.methods: Collection[str] | None = rule.methods
        self.defaults = dict(rule.defaults or {})
        #: name and ``to_python`` per variable, in the order of the rule; None where the string is the value
        self.conversions = tuple((name, _conversion(converter)) for name, converter in found.items())
        #: True if the rule may redirect to another URL: redirect_to, an alias, or defaults of another rule
        self.redirects = (
            rule.redirect_to is not None
            or rule.alias
            or any(other.provides_defaults_for(rule) for other in rule.map.iter_rules(rule.endpoint))
        )

    def accepts(self, method: str) -> bool:
        """True if the rule answers this method."""
        return self.methods is None or method in self.methods

    def enter(self, by_method: dict[str | None, Leaf]) -> None:
        """Add the leaf to a dict of leaves by method (None stands for all methods), behind those added before it."""
        if None not in by_method:  # an earlier rule for all methods wins over every later one
            for method in self.methods or (None,):
                by_method.setdefault(method, self)

    def values(self, strings: tuple[str, ...]) -> dict[str, Any]:
        """The view's arguments; ValidationError if a converter refuses its string after all."""
        values: dict[str, Any] = {}
        for (name, to_python), string in zip(self.conversions, strings):  # noqa: B905 as many as there are variables
            try:
                values[name] = string if to_python is None else to_python(string)
            except ValueError as error:
                if to_python is int:  # more digits than Python converts
                    raise ValidationError from error
                raise
        if self.defaults:
            values.update(self.defaults)
        return values


def _conversion(converter: BaseConverter) -> Callable[[str], Any] | None:
    """The function that converts a matched string; None where the string is the value."""
    to_python = type(converter).to_python
    if to_python is BaseConverter.to_python:
        return None
    if isinstance(converter, IntegerConverter) and to_python is NumberConverter.to_python:
        is_bounded = converter.fixed_digits or converter.min is not None or converter.max is not None
        return converter.to_python if is_bounded else int
    return converter.to_python


class Edge:
    """A variable segment of a path and the node behind it."""

    __slots__ = (
        "is_whole",
        "longest",
        "matches",
        "node",
        "optional_slash",
        "source",
        "takes_rest",
        "variables",
        "weight",
    )

    def __init__(self, segment: Segment) -> None:
        self.source = segment.source
        self.weight = segment.weight
        self.variables = segment.variables
        #: True if the matched text is the value of the only variable, so that no :class:`re.Match` is needed
        self.is_whole = segment.is_whole
        self.takes_rest = segment.takes_rest
        #: True if the last group of the pattern is the slash that ends the rule, which the path may lack
        self.optional_slash = segment.optional_slash
        #: returns a false value for text that does not match; None where every segment that is not empty matches
        self.matches: Callable[[str], Any] | None
        kind = (segment.source, segment.takes_rest)
        self.matches = _MATCHES[kind] if segment.is_whole and kind in _MATCHES else re.compile(segment.source).match
        #: the most characters of a match (:func:`_longest`)
        self.longest = _longest(segment.variables)
        self.node = Node()


class Node:
    """A position between two segments, with the ways that lead on from it."""

    __slots__ = ("edges", "leaves", "only_edge", "static")

    def __init__(self) -> None:
        self.static: dict[str, Node] = {}
        self.edges: list[Edge] = []
        #: the edge, if there is only one and its whole segment is a value
        self.only_edge: Edge | None = None
        self.leaves: list[Leaf] = []


class ShortWay(NamedTuple):
    """The way to rules whose only variable is the segment behind a static head that has no other edge."""

    static: Collection[str]
    """The fixed texts of this segment in other rules."""
    matches: Callable[[str], Any] | None
    by_method: dict[str | None, Leaf]


def _no_slash_first(text: str) -> bool:
    """True if a path converter matches *text*: it is not empty and does not begin with a slash."""
    return text != "" and text[0] != "/"


def _digits(text: str) -> bool:
    """True if an int converter matches *text*."""
    return text.isascii() and text.isdecimal()


#: functions that are faster than the regular expressions of the most frequent variables which have a segment, or the
#: rest of the path, to themselves: by the expression and True for the rest. They match the same, except for the empty
#: segment.
_MATCHES: dict[tuple[str, bool], Callable[[str], bool] | None] = {
    (rf"(?P<_0>{StringConverter(Map()).regex})\Z", False): None,
    (rf"(?P<_0>{PathConverter.regex})\Z", True): _no_slash_first,
    (rf"(?P<_0>{IntegerConverter.regex})\Z", False): _digits,
}


class SlashRequired(Exception):
    """The path matches a rule except for the slash at its end."""


class Matcher:
    """The compiled rules of a map."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.domains = Node()
        self.static: dict[str, dict[str | None, Leaf]] = {}
        self.short_ways: dict[str, ShortWay] = {}
        heads: dict[str, Node] = {}
        for rule in rules:
            if not rule.build_only:
                self._add(rule, heads)
        for head, node in heads.items():
            if node.only_edge is not None:
                by_method: dict[str | None, Leaf] = {}
                for leaf in node.only_edge.node.leaves:
                    leaf.enter(by_method)
                self.short_ways[head] = ShortWay(node.static, node.only_edge.matches, by_method)
        self.has_subdomains = bool(self.domains.edges or self.domains.static.keys() - {""})
        # A walk begins at the domain, or behind it if all rules have the same.
        self._root, self._root_at = self.domains, 0
        if self.has_subdomains:
            self.static.clear()  # a path alone no longer determines the rule
            self.short_ways.clear()
        elif "" in self.domains.static:
            self._root, self._root_at = self.domains.static[""], 1

    def _add(self, rule: Rule, heads: dict[str, Node]) -> None:
        domain, found = parse(rule, rule.subdomain or "")
        path, path_variables = parse(rule, rule.rule.removeprefix("/"))
        found.update(path_variables)
        leaf = Leaf(rule, found)
        node = self.domains
        before = node
        for segment in domain + path:
            before, node = node, self._step(node, segment)
        node.leaves.append(leaf)
        if len(found) == 1 and path[-1].is_whole:
            heads["/".join(["", *(segment.static or "" for segment in path[:-1])])] = before
        elif not found:
            leaf.enter(self.static.setdefault(rule.rule.encode().decode("latin-1"), {}))

    @staticmethod
    def _step(node: Node, segment: Segment) -> Node:
        """The node behind *segment*, made if it is not there yet; edges stay in the order of their weights."""
        if segment.static is not None:
            return node.static.setdefault(segment.static, Node())
        for edge in node.edges:
            if (edge.source, edge.takes_rest, edge.weight) == (segment.source, segment.takes_rest, segment.weight):
                return edge.node
        edge = Edge(segment)
        node.edges.append(edge)
        node.edges.sort(key=lambda edge: edge.weight)
        node.only_edge = edge if len(node.edges) == 1 and edge.is_whole else None
        return edge.node

    def match(self, path: str, method: str, domain: str = "") -> tuple[Leaf, dict[str, Any]]:
        """The leaf and the values for a PATH_INFO (a WSGI string) and a method.

        Raises :exc:`~werkzeug.exceptions.NotFound`, :exc:`~werkzeug.exceptions.MethodNotAllowed`, a
        :exc:`~werkzeug.exceptions.BadRequest` for a line break or NUL, or :exc:`SlashRequired`.
        """
        by_method = self.static.get(path)
        if by_method is not None:
            leaf = by_method.get(method) or by_method.get(None)
            if leaf is not None:
                return leaf, leaf.defaults.copy()
        if not (path.isascii() and path.isprintable()):
            path = _readable(path)
        head, slash, last = path.rpartition("/")
        short = self.short_ways.get(head)
        if short is not None and slash and last:
            static, matches, by_method = short
            if last not in static and (matches is None or matches(last)):
                leaf = by_method.get(method) or by_method.get(None)
                if leaf is not None:
                    try:
                        return leaf, leaf.values((last,))
                    except ValidationError:
                        pass  # the walk decides between 404 and 405
        segments = path.split("/")
        if segments[0]:  # no slash at the beginning: a front sends another app's path
            raise NotFound
        segments[0] = domain
        allowed: set[str] = set()
        found = self._walk(self._root, segments, self._root_at, method, (), allowed)
        if found is None:
            raise _no_match(allowed)
        leaf, strings = found
        try:
            return leaf, leaf.values(strings)
        except ValidationError:
            raise _no_match(allowed) from None

    def _walk(
        self, node: Node, segments: list[str], at: int, method: str, values: tuple[str, ...], allowed: set[str]
    ) -> tuple[Leaf, tuple[str, ...]] | None:
        """Follow ``segments[at:]`` from *node*; the methods of rules that match but for the method go to *allowed*."""
        end = len(segments)
        while at < end and (segment := segments[at]):  # fast loop: no backtracking while a node has one successor
            behind = node.static.get(segment)
            if behind is None:
                edge = node.only_edge
                if edge is None:
                    break
                if edge.takes_rest:
                    segment = "/".join(segments[at:])
                    at = end - 1
                matches = edge.matches
                if matches is not None and not matches(segment):
                    return None
                values += (segment,)
                behind = edge.node
            elif node.edges:
                break
            node = behind
            at += 1
        if at == end:
            for leaf in node.leaves:
                if leaf.methods is None or method in leaf.methods:
                    return leaf, values
                allowed.update(leaf.methods or ())
            with_slash = node.static.get("")
            for leaf in with_slash.leaves if with_slash is not None else ():
                if leaf.accepts(method):
                    if leaf.rule.strict_slashes:
                        raise SlashRequired
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
                rest = "/".join(segments[at:])
                match = edge.matches(rest) if len(rest) <= edge.longest else None
                if not match:
                    continue
                left = [""] if edge.optional_slash and match[match.re.groups] == "/" else []
                found = self._walk(edge.node, left, 0, method, values + _strings(edge, rest, match), allowed)
            else:
                match = edge.matches(segment) if len(segment) <= edge.longest else None
                if not match:
                    continue
                found = self._walk(
                    edge.node, segments, at + 1, method, values + _strings(edge, segment, match), allowed
                )
            if found is not None:
                return found
        if not segment and at == len(segments) - 1:
            # Only the slash at the end is left: rules without strict_slashes match.
            for leaf in node.leaves:
                if leaf.rule.strict_slashes:
                    continue
                if leaf.accepts(method):
                    return leaf, values
                allowed.update(leaf.methods or ())
        return None


def _longest(variables: int) -> int:
    """The most characters of a text that is divided among so many variables.

    A regular expression tries the ends of each variable for each end of the one before it: the cost grows with the
    length to the power of their number. These bounds keep it at a few milliseconds; one variable is linear.
    """
    return {1: sys.maxsize, 2: 800, 3: 150}.get(variables, 60)


def _no_match(allowed: set[str]) -> HTTPException:
    """The error for a request that no rule matches: 405 if one matches for other methods, else 404."""
    return MethodNotAllowed(sorted(allowed | {"OPTIONS"})) if allowed else NotFound()


def _readable(path: str) -> str:
    """*path* as text; BadRequest (400) for a NUL or line break, NotFound (404) for bytes that are not UTF-8."""
    if has_line_break(path):
        raise BadRequest
    try:
        return text(path)
    except UnicodeError:
        raise NotFound from None


def _strings(edge: Edge, text: str, match: Any) -> tuple[str, ...]:
    """The values of the edge's variables in the matched *text*."""
    if edge.is_whole:
        return (text,)
    return tuple(match[f"_{number}"] for number in range(edge.variables))
