"""The matcher answers as werkzeug's Map does, for any rules and any path, except for intended deviations."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map as WerkzeugMap
from werkzeug.routing import RequestRedirect, Rule

from flask_embed.routing import Map

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

pytestmark = pytest.mark.differential

SERVER = "good.example"
#: what stands before every rule and path for werkzeug where it would strip slashes
FENCE = "/fence"

UUID = "12345678-1234-1234-1234-123456789abc"
STATICS = [
    "a",
    "b",
    "ab",
    "a.b",
    ".",
    "..",
    "-",
    "1",
    "12",
    "ü",
    "%41",
    "a b",
    "(a)",
    "$",
    "\\d",
    "x",
    "1.5",
    "|",
    "+",
    "*",
]
#: the converters with texts that they take, and texts that they almost take
CONVERTERS: dict[str, list[str]] = {
    "": ["a", "b", "ab", "1", "ü", ".", "a b", "%2F", "-"],
    "string": ["a", "12"],
    "string(minlength=2)": ["ab", "a", "abc"],
    "string(maxlength=2)": ["a", "ab", "abc"],
    "string(length=1)": ["a", "ab", "ü"],
    "int": ["1", "12", "0", "01", "-1", "a", "٣"],
    "int(signed=True)": ["1", "-1", "--1", "-"],
    "int(fixed_digits=2)": ["12", "01", "1", "123"],
    "int(min=1, max=5)": ["1", "5", "6", "0"],
    "float": ["1.5", "0.0", "1", "1.", "-1.5"],
    "float(signed=True)": ["1.5", "-1.5"],
    "any(a, b)": ["a", "b", "ab", "c"],
    'any("a.b", "1", "(a)")': ["a.b", "1", "aXb", "(a)"],
    "uuid": [UUID, UUID.upper(), UUID[:-1]],
    "path": ["a", "a/b", "a/", "a//b", "/a", "1/2", ".", "a/..", "b/a/b"],
}
#: what a converter makes of a text
PYTHON: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "uuid": uuid.UUID}
#: subdomains of rules with those of requests that they take, or almost
DOMAINS: dict[str, list[str]] = {
    "": [""],
    "a": ["a"],
    "b.a": ["b.a"],
    "<s>": ["a", "1", "b.a", "q"],
    "<int:s>": ["1", "a", "12"],
    "x-<s>": ["x-1", "x-", "x"],
    "<s>.a": ["b.a", "q.a", ".a", "a"],
}
ENDPOINTS = ["one", "two"]
METHODS = ["GET", "POST", "HEAD", "OPTIONS", "DELETE"]


@dataclass(frozen=True)
class Spec:
    """The arguments of a rule, which is made anew for each map."""

    #: texts, and pairs of a variable and its converter; a slash is a text
    pieces: tuple[str | tuple[str, str], ...]
    options: dict[str, Any] = field(default_factory=dict)
    endpoint: str = "one"

    @property
    def text(self) -> str:
        return "".join(
            piece if isinstance(piece, str) else f"<{piece[1] + ':' if piece[1] else ''}{piece[0]}>"
            for piece in self.pieces
        )

    def rule(self) -> Rule:
        return Rule(self.text, endpoint=self.endpoint, **self.options)

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Rule({self.text!r}, endpoint={self.endpoint!r}{options})"


@dataclass(frozen=True)
class Request:
    """A request to match."""

    path: str
    method: str = "GET"
    subdomain: str = ""
    script_name: str = ""
    query: str = ""
    #: REQUEST_URI, where the server sets one
    uri: str = ""

    def environ(self) -> WSGIEnvironment:
        return {
            **({"REQUEST_URI": self.uri} if self.uri else {}),
            "REQUEST_METHOD": self.method,
            "PATH_INFO": self.path.encode().decode("latin-1"),
            "SCRIPT_NAME": self.script_name,
            "QUERY_STRING": self.query,
            "HTTP_HOST": f"{self.subdomain}.{SERVER}" if self.subdomain else SERVER,
            "wsgi.url_scheme": "http",
        }


# What is asked


def segments(draw: Callable[[Any], Any]) -> tuple[str | tuple[str, str], ...]:
    """The pieces of a rule's path; variables are named in their order, so that rules share them."""
    pieces: list[str | tuple[str, str]] = []
    variables = 0
    for _ in range(draw(st.integers(0, 3))):
        pieces.append("/")
        for kind in draw(st.sampled_from(["s", "s", "v", "v", "sv", "vs", "svs", "vsv", "vv", ""])):
            if kind == "s":
                pieces.append(draw(st.sampled_from(STATICS)))
            else:
                pieces.append((f"v{variables}", draw(st.sampled_from(list(CONVERTERS)))))
                variables += 1
    if not pieces or draw(st.booleans()):
        pieces.append("/")
    while pieces[:2] == ["/", "/"]:  # refused: a browser would read a host
        del pieces[0]
    return tuple(pieces)


@st.composite
def specs(draw: Callable[[Any], Any], subdomains: bool) -> Spec:
    """A rule that matches paths, with some of the options."""
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        options["methods"] = draw(st.sampled_from([["GET"], ["POST"], ["GET", "POST"], ["DELETE"]]))
    if draw(st.integers(0, 2)) == 0:
        options["strict_slashes"] = draw(st.booleans())
    if draw(st.integers(0, 9)) == 0:
        options["build_only"] = True
    if subdomains:
        options["subdomain"] = draw(st.sampled_from(list(DOMAINS)))
    return Spec(segments(draw), options, draw(st.sampled_from(ENDPOINTS)))


@st.composite
def companions(draw: Callable[[Any], Any], spec: Spec) -> Spec:
    """A rule for the same endpoint and variables: one that gives some of them by defaults, or an alias."""
    variables = [piece for piece in spec.pieces if not isinstance(piece, str)]
    options = {name: value for name, value in spec.options.items() if name != "build_only"}
    if variables and draw(st.booleans()):
        name, converter = draw(st.sampled_from(variables))
        value = draw(st.sampled_from(CONVERTERS[converter]))
        with suppress(ValueError):
            value = PYTHON.get(converter.partition("(")[0], str)(value)
        options["defaults"] = {name: value}
        start = draw(st.sampled_from(["/", "/all", "/a", "/all/"]))
        others = [other for other in variables if other[0] != name]
        if not others:
            return Spec((start,), options, spec.endpoint)
        rest = tuple(piece for other in others for piece in ("/", other))
        return Spec((start.rstrip("/"), *rest), options, spec.endpoint)
    options["alias"] = True
    return Spec(("/alias", *(piece for other in variables for piece in ("/", other))), options, spec.endpoint)


@st.composite
def redirections(draw: Callable[[Any], Any]) -> Spec:
    """A rule that leads to another place, named by a text or a function."""
    pieces = segments(draw)
    target: Any = draw(st.sampled_from(["/new", "new", "/new/", "/new/x", "new/x"]))
    variables = [piece[0] for piece in pieces if not isinstance(piece, str)]
    if not target.startswith("/"):  # werkzeug resolves such a target, and loses one of two slashes in a value
        variables = [piece[0] for piece in pieces if not isinstance(piece, str) and piece[1] != "path"]
    if variables and draw(st.booleans()):
        target += f"/<{draw(st.sampled_from(variables))}>"
    if draw(st.integers(0, 3)) == 0:
        text = target.partition("<")[0]
        return Spec(pieces, {"redirect_to": lambda adapter, **values: text}, "moved")
    return Spec(pieces, {"redirect_to": target}, "moved")


@st.composite
def requests(draw: Callable[[Any], Any], known: list[Spec]) -> Request:
    """A request that one of the rules answers, or almost."""
    spec = draw(st.sampled_from(known))
    domains = DOMAINS[spec.options.get("subdomain", "")]
    return Request(
        draw(paths(spec)),
        draw(st.sampled_from(METHODS)),
        draw(st.sampled_from(domains if draw(st.integers(0, 3)) else ["", "a", "other"])),
        draw(st.sampled_from(["", "/app", "/app/"])),
        draw(st.sampled_from(["", "", "q=%20&r=/"])),
    )


@st.composite
def paths(draw: Callable[[Any], Any], spec: Spec) -> str:
    """A path that the rule matches, or almost."""
    if draw(st.integers(0, 7)) == 0:
        return "".join(draw(st.lists(st.sampled_from(["/", "/", *STATICS, *CONVERTERS["path"]]), max_size=5)))
    path = ""
    for piece in spec.pieces:
        if isinstance(piece, str):
            path += piece
        else:
            values = CONVERTERS[piece[1]]
            path += draw(st.sampled_from(values if draw(st.integers(0, 5)) else [*STATICS, ""]))
    change = draw(st.integers(0, 9))
    if change == 0:
        path = path.removesuffix("/")
    if change == 1:
        path += "/"
    if change == 2:
        at = draw(st.integers(0, len(path)))
        path = path[:at] + draw(st.sampled_from(["/", "//", "a", ".", ""])) + path[at + draw(st.integers(0, 2)) :]
    if change == 3:
        path += draw(st.sampled_from(["/a", "a", "//", "/.", "\u200b"]))
    return path


@st.composite
def cases(draw: Callable[[Any], Any], subdomains: bool = False) -> tuple[list[Spec], dict[str, Any], list[Request]]:
    """Rules, options of the map, and requests for it."""
    known = draw(st.lists(specs(subdomains), min_size=1, max_size=6))
    if draw(st.booleans()):
        known.insert(draw(st.integers(0, len(known))), draw(companions(draw(st.sampled_from(known)))))
    if draw(st.integers(0, 3)) == 0:
        known.insert(draw(st.integers(0, len(known))), draw(redirections()))
    options = {
        "strict_slashes": draw(st.integers(0, 3)) > 0,
        "redirect_defaults": draw(st.integers(0, 3)) > 0,
    }
    return known, options, draw(st.lists(requests(known), min_size=4, max_size=10))


# What is answered


def answer_of(rules: list[Rule], match: Callable[[], tuple[Rule, Any]]) -> tuple[Any, ...]:
    """The outcome of a match, in a form that can be compared: which rule, or which error."""
    try:
        rule, values = match()
    except RequestRedirect as error:
        return "redirect", error.code, error.new_url
    except MethodNotAllowed as error:
        return "method", sorted({*(error.valid_methods or ()), "OPTIONS"})
    except HTTPException as error:
        return "error", error.code
    except Exception as error:
        return "broken", type(error).__name__
    return "match", next(at for at, known in enumerate(rules) if known is rule), dict(values)


class Theirs:
    """Werkzeug's answer, written like ours.

    Its Map strips slashes from the beginning of a path, ours does not: behind a fence it sees them too. Our
    redirects keep the prefix and the query string as it came, and name no host but another one; the one to the root
    of a mount is a 307. An app without rules for subdomains answers for each.
    """

    def __init__(self, specs: list[Spec], options: dict[str, Any], fence: str) -> None:
        self.fence = fence
        self.rules = [Spec((fence, *spec.pieces), spec.options, spec.endpoint).rule() for spec in specs]
        self.map = WerkzeugMap(self.rules, converters=Map.default_converters, merge_slashes=False, **options)
        self.has_subdomains = any(rule.subdomain for rule in self.rules if not rule.build_only)

    def answer(self, request: Request) -> tuple[Any, ...]:
        path = request.path
        if not path and (not request.script_name or request.script_name.endswith("/")):
            path = "/"
        if path and not path.startswith("/"):
            return "error", 404
        subdomain = request.subdomain if self.has_subdomains else ""
        adapter = self.map.bind(SERVER, "/", subdomain, path_info=self.fence + path, default_method=request.method)
        answer = answer_of(self.rules, lambda: adapter.match(return_rule=True))
        if answer[0] != "redirect":
            return answer
        url = urlsplit(answer[2])
        place = "" if url.netloc == adapter.get_host(None) else f"http://{url.netloc}"
        query = f"?{request.query}" if request.query else ""
        target = url.path.removeprefix(self.fence)
        code = 307 if not path and target == "/" else answer[1]  # a mount may be elsewhere tomorrow
        return "redirect", code, place + request.script_name.rstrip("/") + target + query


class Ours:
    """The answer of flask_embed's Map."""

    def __init__(self, specs: list[Spec], options: dict[str, Any]) -> None:
        self.rules = [spec.rule() for spec in specs]
        self.map = Map(self.rules, **options)

    def answer(self, request: Request) -> tuple[Any, ...]:
        return answer_of(self.rules, lambda: self.map.match(request.environ(), SERVER))


def same(specs: list[Spec], options: dict[str, Any], requests: list[Request]) -> None:
    """AssertionError unless both answer each request alike."""
    ours = Ours(specs, options)
    theirs_behind = functools.cache(functools.partial(Theirs, specs, options))  # few requests need one with the fence
    for request in requests:
        answer = ours.answer(request)
        theirs = theirs_behind(FENCE if request.path.startswith("//") else "").answer(request)
        if theirs[0] == "broken":  # werkzeug cannot build the URL that it redirects to
            assert answer[0] in ("broken", "error", "match"), request
        elif leads_to_itself(theirs, request):
            assert answer[0] in ("error", "match"), request
        else:
            assert answer == theirs, request


def leads_to_itself(answer: tuple[Any, ...], request: Request) -> bool:
    """True if a client that follows *answer* sends the same request again."""
    if answer[0] != "redirect":
        return False
    parts = urlsplit(answer[2])
    return not parts.netloc and unquote(parts.path) == request.script_name.rstrip("/") + request.path


@given(cases())
def test_it_matches_as_werkzeug_does(case: tuple[list[Spec], dict[str, Any], list[Request]]) -> None:
    same(*case)


@given(cases(subdomains=True))
def test_it_matches_subdomains_as_werkzeug_does(case: tuple[list[Spec], dict[str, Any], list[Request]]) -> None:
    same(*case)


@given(cases())
def test_rules_may_be_added_between_requests(case: tuple[list[Spec], dict[str, Any], list[Request]]) -> None:
    specs, options, requests = case
    at_once, one_by_one = Ours(specs, options), Ours([], options)

    for spec in specs:
        one_by_one.rules.append(spec.rule())
        one_by_one.map.add(one_by_one.rules[-1])
        one_by_one.answer(requests[0])

    assert [one_by_one.answer(request) for request in requests] == [at_once.answer(request) for request in requests]


#: what rules end in behind a head that they share, and what is asked for there
LAST: list[tuple[str | tuple[str, str], ...]] = [
    (),
    ("a",),
    ("1",),
    ("a", "/"),
    *((("v0", converter),) for converter in ("", "int", "int(max=5)", "path", "any(a, b)")),
    (("v0", ""), "/"),
    (("v0", ""), "/a"),
    (("v0", ""), "/", ("v1", "int")),
    ("x", ("v0", "")),
]
ASKED = ["", "a", "1", "9", "b", "xa", "a/", "1/", "a/a", "a/1", "/", "/1", "//", "٣", "9" * 5000]


# Heads of two lengths without options, and the other method where one is asked for: the tests above mix the rest.
@pytest.mark.parametrize(
    ("options", "heads", "methods"),
    [
        ({}, ("/", "/h/"), ("GET",)),
        ({"methods": ["POST"]}, ("/",), ("GET", "POST")),
        ({"strict_slashes": False}, ("/",), ("GET",)),
    ],
    ids=["plain", "methods", "strict_slashes"],
)
@pytest.mark.parametrize("last", LAST)
def test_rules_that_part_in_their_last_segment(
    last: tuple[str | tuple[str, str], ...], options: dict[str, Any], heads: tuple[str, ...], methods: tuple[str, ...]
) -> None:
    for other in LAST:
        for head in heads:
            asked = [*(head + text for text in ASKED), head[:-1], head[1:] + "1"]
            requests = [Request(path, method) for path in asked for method in methods]

            same([Spec((head, *last), options), Spec((head, *other), {}, "two")], {}, requests)


@pytest.mark.parametrize("path", ["/12/", "/12"])
def test_a_value_that_a_converter_refuses_hides_no_other_rule_s_methods(path: str) -> None:
    specs = [
        Spec(("/12/",), {"methods": ["GET"]}),
        Spec(("/12",), {"methods": ["GET"]}),
        Spec(("/", ("v0", "int(min=1, max=5)")), {"methods": ["POST"], "strict_slashes": False}, "two"),
    ]

    same(specs, {}, [Request(path, "POST")])


# What is meant to differ


@given(cases())
def test_no_redirect_leads_to_the_url_that_was_asked_for(
    case: tuple[list[Spec], dict[str, Any], list[Request]],
) -> None:
    known, options, asked = case
    ours = Ours(known, options)
    for request in asked:
        first = ours.answer(request)
        # What the client asks for when it follows is mapped to the same path by a front that rewrites it.
        if first[0] != "redirect" or first[2].startswith("http://"):
            continue
        path = first[2].partition("?")[0]
        for uri in (first[2], path, f"{path}?more", path.replace("a", "%61")):
            second = ours.answer(replace(request, uri=uri))
            if second[0] == "redirect":
                assert unquote(second[2].partition("?")[0]) != unquote(path), request


@given(cases(), st.sampled_from(["/elsewhere", "/app", "/?/app/", "*", "http://good.example/", "/app/x/y/z"]))
def test_another_request_uri_than_that_of_the_redirect_changes_nothing(
    case: tuple[list[Spec], dict[str, Any], list[Request]], uri: str
) -> None:
    known, options, asked = case
    ours = Ours(known, options)
    for request in asked:
        first = ours.answer(request)
        if first[0] != "redirect" or unquote(first[2].partition("?")[0]) != uri.partition("?")[0]:
            assert ours.answer(replace(request, uri=uri)) == first, request


def answer(rule: str, path: str, **options: Any) -> tuple[Any, ...]:
    """The answer of one rule for a PATH_INFO, a WSGI string."""
    environ = {**Request("").environ(), "PATH_INFO": path, **options.pop("environ", {})}
    rules = [Rule(rule, endpoint="one", **options)]
    map_ = Map(rules)
    return answer_of(rules, lambda: map_.match(environ, SERVER))


@pytest.mark.parametrize("path", ["//a", "///a", "//", "//a/"])
@pytest.mark.parametrize("rule", ["/a", "/a/", "/<x>", "/<path:x>", "/"])
def test_slashes_at_the_beginning_are_kept(rule: str, path: str) -> None:
    assert answer(rule, path) == ("error", 404)


def test_slashes_within_are_kept() -> None:
    assert answer("/<path:x>", "/a//b") == ("match", 0, {"x": "a//b"})
    assert answer("/a/b", "/a//b") == ("error", 404)


@pytest.mark.parametrize("text", ["\xff", "\xc3", "\xed\xa0\x80"])
def test_bytes_that_are_no_text_are_not_found(text: str) -> None:
    assert answer("/<path:x>", f"/{text}") == ("error", 404)


@pytest.mark.parametrize("mark", ["\0", "\r", "\n"])
def test_a_line_break_or_nul_is_a_bad_request(mark: str) -> None:
    assert answer("/<path:x>", f"/a{mark}") == ("error", 400)


@pytest.mark.parametrize(
    ("script_name", "expected"),
    [
        ("", ("match", 0, {})),
        ("/", ("match", 0, {})),
        ("/app", ("redirect", 307, "/app/")),
        ("/a/b", ("redirect", 307, "/a/b/")),
        ("/app/", ("match", 0, {})),
        ("/app//", ("match", 0, {})),
    ],
)
def test_an_empty_path_is_the_root_of_a_host_and_leads_to_that_of_a_mount(
    script_name: str, expected: tuple[Any, ...]
) -> None:
    assert answer("/", "", environ={"SCRIPT_NAME": script_name}) == expected


@pytest.mark.parametrize(
    ("rule", "script_name", "path", "uri", "expected"),
    [
        ("/", "/app", "", "/app/", ("match", 0, {})),
        ("/", "/app", "", "/app/?q=1", ("match", 0, {})),
        ("/", "/app", "", "/%61pp/", ("match", 0, {})),
        ("/", "/b\xc3\xbcro", "", "/b%C3%BCro/", ("match", 0, {})),
        ("/", "/app", "", "/app", ("redirect", 307, "/app/")),
        ("/", "/app", "", "/app?/", ("redirect", 307, "/app/")),
        ("/", "/app", "", "/app//", ("redirect", 307, "/app/")),
        ("/", "/app", "", "/", ("redirect", 307, "/app/")),
        ("/", "/app", "", "", ("redirect", 307, "/app/")),
        ("/about/", "/app", "/about", "/app/about/", ("match", 0, {})),
        ("/about/", "/app/", "/about", "/app/about/", ("match", 0, {})),
        ("/about/", "/app", "/about", "/app/about", ("redirect", 308, "/app/about/")),
        ("/about/", "/app", "/about", "/about/", ("redirect", 308, "/app/about/")),
        ("/about/", "", "/about", "/about/", ("match", 0, {})),
        ("/<path:x>/", "/app", "/a//b", "/app/a//b/", ("match", 0, {"x": "a//b"})),
        ("/<x>/", "/app", "/a b", "/app/a%20b/", ("match", 0, {"x": "a b"})),
        ("/<x>/", "/app", "/a?b", "/app/a%3Fb/", ("match", 0, {"x": "a?b"})),
    ],
)
def test_a_slash_that_the_front_has_taken_off_is_not_asked_for_again(
    rule: str, script_name: str, path: str, uri: str, expected: tuple[Any, ...]
) -> None:
    environ = {"SCRIPT_NAME": script_name, "REQUEST_URI": uri}

    assert answer(rule, path, environ=environ) == expected


def test_a_slash_that_the_front_has_taken_off_is_none_for_a_method_that_has_no_such_rule() -> None:
    environ = {"SCRIPT_NAME": "/app", "REQUEST_URI": "/app/about/", "REQUEST_METHOD": "POST"}

    assert answer("/about/", "/about", environ=environ, methods=["GET"]) == ("error", 404)
    assert answer("/about/", "/about", environ=environ, methods=["POST"]) == ("match", 0, {})


@pytest.mark.parametrize("query", ["a=1", "a=%20&b=+", "?", "a=1&a=2", "%zz", "a=/&b=?"])
def test_a_redirect_keeps_the_query_string_as_it_came(query: str) -> None:
    environ = {"QUERY_STRING": query, "HTTP_HOST": "evil.example"}

    assert answer("/a/", "/a", environ=environ) == ("redirect", 308, f"/a/?{query}")
    assert answer("/a", "/a", environ=environ, redirect_to="/b") == ("redirect", 308, f"/b?{query}")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/b?x=1", "/b?x=1&q=2"),
        ("/b#there", "/b?q=2#there"),
        ("/b?x=1#there", "/b?x=1&q=2#there"),
        ("b", "/b?q=2"),
        ("https://other.example/b", "https://other.example/b"),
    ],
)
def test_a_target_of_the_author_s_may_have_a_query_of_its_own(target: str, expected: str) -> None:
    assert answer("/a", "/a", redirect_to=target, environ={"QUERY_STRING": "q=2"}) == ("redirect", 308, expected)


def test_a_rule_of_another_subdomain_is_a_redirect_with_a_host() -> None:
    rules = [
        Rule("/all", endpoint="one", defaults={"n": 1}, subdomain="www"),
        Rule("/<int:n>", endpoint="one", subdomain="old"),
    ]
    map_ = Map(rules)
    environ = {**Request("/1", subdomain="old", script_name="/app", query="q=2").environ()}

    found = answer_of(rules, lambda: map_.match(environ, f"{SERVER}:8000"))

    assert found == ("redirect", 308, f"http://www.{SERVER}:8000/app/all?q=2")


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"redirect_to": "/new/<x>"}, "/old/.."),
        ({"redirect_to": "/new/<x>"}, "/old/."),
        ({"redirect_to": "/new/<x>"}, "/old/a/../b"),
    ],
)
def test_a_redirect_whose_url_cannot_be_built_is_not_found(options: dict[str, Any], path: str) -> None:
    assert answer("/old/<path:x>", path, **options) == ("error", 404)


@pytest.mark.parametrize("path", ["/old/..", "/old/a/..", "/old/./a"])
def test_an_alias_whose_url_cannot_be_built_is_not_found(path: str) -> None:
    rules = [Rule("/new/<path:x>", endpoint="one"), Rule("/old/<path:x>", endpoint="one", alias=True)]
    map_ = Map(rules)

    assert answer_of(rules, lambda: map_.match(Request(path).environ())) == ("error", 404)


def answer_among(path: str, *rules: Rule, method: str = "GET") -> tuple[Any, ...]:
    """The answer of several rules for a path."""
    fresh = [rule.empty() for rule in rules]  # a rule belongs to one map
    map_ = Map(fresh)
    return answer_of(fresh, lambda: map_.match(Request(path, method).environ()))


def test_an_alias_for_what_its_rule_cannot_say_answers_itself() -> None:
    rules = Rule("/new/<x>", endpoint="one"), Rule("/old/<path:x>", endpoint="one", alias=True)

    assert answer_among("/old/a", *rules) == ("redirect", 308, "/new/a")
    assert answer_among("/old/a/b", *rules)[0] in ("match", "error")


def test_an_alias_for_what_its_rule_does_not_answer_leads_to_no_circle() -> None:
    rules = (
        Rule("/new/<x>", endpoint="one", methods=["POST"]),
        Rule("/old/<x>", endpoint="one", methods=["GET", "POST"], alias=True),
        Rule("/alone/<x>", endpoint="two", alias=True),
    )

    assert answer_among("/old/a", *rules, method="POST") == ("redirect", 308, "/new/a")
    assert answer_among("/old/a", *rules)[0] in ("match", "error", "redirect")
    assert answer_among("/old/a", *rules) != ("redirect", 308, "/old/a")
    assert answer_among("/alone/a", *rules)[0] in ("match", "error")


def test_defaults_whose_url_cannot_be_built_are_no_redirect() -> None:
    rules = (
        Rule("/all/<name>", endpoint="one", defaults={"n": 1}),
        Rule("/<int:n>/<path:name>", endpoint="one"),
        Rule("/", endpoint="one", build_only=True),
    )

    assert answer_among("/1/a", *rules) == ("redirect", 308, "/all/a")
    assert answer_among("/1/a/b", *rules) == ("match", 1, {"n": 1, "name": "a/b"})


def test_the_url_of_defaults_is_that_of_the_rule_with_the_defaults() -> None:
    rules = (
        Rule("/x/<a>-<b>", endpoint="one"),
        Rule("/<b>", endpoint="one", defaults={"a": "x"}),
        Rule("/", endpoint="one", build_only=True),
    )

    assert answer_among("/x/x-b", *rules) == ("redirect", 308, "/b")
    assert answer_among("/x/x-.", *rules)[0] in ("match", "error")
