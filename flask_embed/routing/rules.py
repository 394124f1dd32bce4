"""The rules that an app may have, and the segments and variables in the text of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.routing import RuleFactory
from werkzeug.routing.rules import parse_converter_args

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.routing import BaseConverter, Map, Rule

__all__ = ["Segment", "Supported", "parse"]

_TOKEN = re.compile(
    r"(?P<slash>/)|(?P<static>[^</]+)"
    r"|<(?:(?P<converter>[a-zA-Z_][a-zA-Z0-9_]*)(?:\((?P<arguments>.*?)\))?:)?(?P<variable>[a-zA-Z_][a-zA-Z0-9_]*)>"
)


class Supported(RuleFactory):
    """A rule factory that refuses rules which the matcher cannot match, and keeps the others in ``given``."""

    def __init__(self, factory: RuleFactory) -> None:
        self.factory = factory
        self.given: list[Rule] = []

    def get_rules(self, map: Map) -> Iterator[Rule]:
        for rule in self.factory.get_rules(map):
            reason = None
            if rule.websocket:
                reason = "a WSGI app cannot serve a WebSocket"
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


class Segment(NamedTuple):
    """One segment of a rule: a fixed text, or the pattern of an edge."""

    static: str | None
    source: str = ""
    variables: int = 0
    is_whole: bool = False
    takes_rest: bool = False
    optional_slash: bool = False
    weight: tuple[Any, ...] = ()


def parse(rule: Rule, pattern: str) -> tuple[list[Segment], dict[str, BaseConverter]]:
    """The segments of *pattern* (the path of a bound rule, or its subdomain), and its converters by variable."""
    found: dict[str, BaseConverter] = {}
    segments: list[Segment] = []
    tokens: list[re.Match[str]] = []
    takes_rest = False
    for token in _TOKEN.finditer(pattern):
        if variable := token["variable"]:
            args, kwargs = parse_converter_args(token["arguments"] or "")
            found[variable] = rule.get_converter(variable, token["converter"] or "default", args, kwargs)
            takes_rest = takes_rest or not found[variable].part_isolating
        if token["slash"] and not takes_rest:
            segments.append(_segment(tokens, found, takes_rest=False))
            tokens = []
        else:
            tokens.append(token)
    # In a rule that ends in a slash behind a converter of slashes, that slash is optional, as in any other rule.
    optional_slash = takes_rest and bool(tokens[-1]["slash"])
    if optional_slash:
        tokens.pop()
    segments.append(_segment(tokens, found, takes_rest, optional_slash))
    if optional_slash:
        segments.append(Segment(""))
    return segments, found


def _segment(
    tokens: list[re.Match[str]], found: dict[str, BaseConverter], takes_rest: bool, optional_slash: bool = False
) -> Segment:
    """The segment that *tokens*, the text between two slashes, stand for."""
    if not any(token["variable"] for token in tokens):
        return Segment("".join(token[0] for token in tokens))
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
    # More fixed text goes first, then more variables, then the lighter converters: the order of werkzeug's Map.
    weight = (-len(statics), statics, -len(variables), variables)
    is_whole = len(tokens) == 1 and not optional_slash
    return Segment(None, source, len(variables), is_whole, takes_rest, optional_slash, weight)
