"""Paths that are matched against rules, whatever they hold and however long they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Rule

from flask_embed import Flask, request
from flask_embed.routing import Map
from tests.security.calls import call, environ_of, wsgi
from tests.security.checks import absent, check, equal, linear, one_of, present

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment


def app_with(*rules: str) -> Flask:
    """An app that answers each rule with the values of its variables."""
    app = Flask(__name__)
    for rule in rules:
        app.add_url_rule(rule, rule, lambda **values: repr(sorted(values.items())))
    return app


@pytest.mark.parametrize(
    "segment",
    [
        "9" * 5_000,
        "9" * 100_000,
        "-1",
        "--1",
        "+1",
        " 1",
        "1 ",
        "1\n",
        "1\r",
        "1\t",
        "\n1",
        "1_0",
        "_1",
        "1.0",
        "1.",
        "1e3",
        "0x10",
        "1,000",
        "1L",
        "٣",
        "१",
        "\uff11",
        "1٣",
        "²",
        "①",
        "Ⅷ",
        "\U0001d7d9",
        "1\u200b",
        "\u202e1",
        "1\0",
        "",
        "a",
        "1;x",
        "1%00",
        "NaN",
    ],
)
@pytest.mark.parametrize(
    "rule", ["/<int:n>", "/<int:n>/x", "/a<int:n>b", "/<int(min=0, max=10):n>", "/<int(fixed_digits=3):n>"]
)
def test_promise_093_an_int_is_ascii_digits_alone(rule: str, segment: str) -> None:
    path = rule.replace(re.findall("<.*>", rule)[0], segment)

    one_of(call(app_with(rule), wsgi(path)).status, (400, 404) if set(segment) & set("\0\r\n") else (404,))


@pytest.mark.parametrize("segment", ["9" * 4_000, "0" * 4_000, "007", "0", "18446744073709551616"])
def test_promise_093_digits_are_an_int(segment: str) -> None:
    equal(call(app_with("/<int:n>"), f"/{segment}").text, repr([("n", int(segment))]))


@pytest.mark.parametrize("segment", ["-", "-٣", "--1", "+1", "1", "-1", "- 1", "-9" + "9" * 5_000])
def test_promise_093_a_signed_int_may_have_a_minus(segment: str) -> None:
    answer = call(app_with("/<int(signed=True):n>"), wsgi(f"/{segment}"))

    equal(answer.status, 200 if re.fullmatch(r"-?[0-9]{1,4000}", segment) else 404)


@pytest.mark.parametrize(
    "segment",
    [
        "1",
        "1.",
        ".5",
        "1e5",
        "1.0e5",
        "nan",
        "inf",
        "-1.0",
        "+1.0",
        "1_0.0",
        "1.0_0",
        "1,0",
        "1.0 ",
        "1.0\n",
        "٣.٣",
        "\uff11.\uff10",
        "9" * 400 + ".0",
        "0x1.8",
        "1.0.0",
        "",
    ],
)
def test_promise_093_a_float_is_ascii_digits_and_a_dot(segment: str) -> None:
    one_of(call(app_with("/<float:n>"), wsgi(f"/{segment}")).status, (400, 404) if "\n" in segment else (404,))


@pytest.mark.parametrize(
    "segment",
    [
        "{12345678-1234-1234-1234-123456789012}",
        "urn:uuid:12345678-1234-1234-1234-123456789012",
        "12345678123412341234123456789012",
        "12345678-1234-1234-1234-12345678901",
        "12345678-1234-1234-1234-1234567890123",
        "12345678-1234-1234-1234-12345678901g",
        "12345678-1234-1234-1234-12345678901\n",
        "1234567٣-1234-1234-1234-123456789012",
    ],
)
def test_promise_093_a_uuid_has_one_form(segment: str) -> None:
    one_of(call(app_with("/<uuid:n>"), wsgi(f"/{segment}")).status, (400, 404) if "\n" in segment else (404,))


@pytest.mark.parametrize("segment", ["about\n", "about ", "About", "abouthelp", "", "a", "help\0"])
def test_promise_093_any_takes_what_it_lists(segment: str) -> None:
    one_of(call(app_with("/<any(about, help):n>"), wsgi(f"/{segment}")).status, (400, 404))


RULES = [
    "/<name>",
    "/<name>/",
    "/<name>.html",
    "/x<name>x",
    "/<string(minlength=2):name>/y",
    "/<string(length=3):name>",
    "/<int:n>/x",
    "/<float:n>/x",
    "/<int(signed=True):n>x",
    "/<uuid:n>",
    "/<any(a, aa, aaa):n>/x",
    "/<path:rest>/",
    "/<path:rest>/x",
    "/<path:rest>.html",
    "/x/<path:rest>/y/",
    "/<int:n>/<path:rest>/y",
]
TEXTS: dict[str, Callable[[int], str]] = {
    "letters": lambda n: "/" + "a" * n,
    "digits": lambda n: "/" + "1" * n,
    "digits and a letter": lambda n: "/" + "1" * n + "a/x",
    "digits and dots": lambda n: "/" + "1." * (n // 2),
    "slashes": lambda n: "/" * n,
    "segments": lambda n: "/x" * (n // 2),
    "endings": lambda n: "/a" + "/x/" * (n // 3),
    "dots": lambda n: "/a" + ".html" * (n // 5),
    "almost a UUID": lambda n: "/" + "12345678-1234-" * (n // 14),
    "minus signs": lambda n: "/" + "-" * n,
    "a slash at the end": lambda n: "/x/" + "a" * n + "/",
    "not ASCII": lambda n: wsgi("/" + "ü" * (n // 2)),
}


@pytest.mark.parametrize("rule", RULES)
def test_promise_094_our_converters_cost_the_length_of_the_path(rule: str) -> None:
    app = app_with(rule)
    for make in TEXTS.values():

        def prepare(length: int, make: Callable[[int], str] = make) -> Callable[[], object]:
            environ = environ_of(make(length))
            return lambda: _match(app.url_map, environ)

        linear(prepare, 12_500)


def _match(map_: Map, environ: WSGIEnvironment) -> object:
    """The rule and the values, or the error."""
    try:
        return map_.match(environ)
    except HTTPException as error:
        return error


def test_promise_094_all_of_them_together_do_too() -> None:
    app = app_with(*RULES)
    for make in TEXTS.values():

        def prepare(length: int, make: Callable[[int], str] = make) -> Callable[[], object]:
            environ = environ_of(make(length))
            return lambda: _match(app.url_map, environ)

        linear(prepare, 12_500)


SEVERAL: dict[str, Callable[[int], str]] = {
    "/<a>-<b>.html": lambda n: "/" + "-" * n,
    "/<a>-<b>-<c>.html": lambda n: "/" + "-" * n,
    "/<a>-<b>-<int:c>": lambda n: "/" + "-" * n + "x",
    "/<a><b><c>!": lambda n: "/" + "a" * n,
    "/<int:a><int:b><int:c>": lambda n: "/" + "1" * n + "x",
    "/<float:a><float:b><float:c>": lambda n: "/" + "1.1" * (n // 3) + "x",
    "/<path:a>-<b>.<c>": lambda n: "/" + "-." * (n // 2) + "/",
    "/<path:a>/x/<path:b>/y": lambda n: "/a" + "/x" * (n // 2),
    "/<path:a>/<path:b>/<path:c>/y": lambda n: "/a" * (n // 2),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("rule", "path"), SEVERAL.items(), ids=SEVERAL)
def test_promise_094_several_of_them_in_a_segment_cost_no_more(rule: str, path: Callable[[int], str]) -> None:
    app = app_with(rule)

    def prepare(length: int) -> Callable[[], object]:
        environ = environ_of(path(length))
        return lambda: _match(app.url_map, environ)

    linear(prepare, 250)
    linear(prepare, 2_000)


MANY: dict[str, tuple[Callable[[int], list[str]], str]] = {
    "static": (lambda n: [f"/page/{i}" for i in range(n)], "/page/x"),
    "variables at the end": (lambda n: [f"/page{i}/<int:x>" for i in range(n)], "/page7/x"),
    "variables at the beginning": (lambda n: [f"/<x>/page{i}" for i in range(n)], "/x/page"),
    "one tree": (lambda n: [f"/a/<x>/b/<int:y>/c{i}/<path:z>/d" for i in range(n)], "/a/x/b/1/c7/z/e"),
    "one prefix": (lambda n: [f"/a{i}-<x>/b" for i in range(n)], "/a-x/b"),
    "one regular expression each": (lambda n: [f"/<any(a{i}, b):x>/c" for i in range(n)], "/b/d"),
    "path converters": (lambda n: [f"/<path:x>/end{i}" for i in range(n)], "/a/b/c/end"),
    "endings": (lambda n: [f"/<x>.e{i}" for i in range(n)], "/x.f"),
    "methods": (lambda n: [f"/m/<x>/{i}" for i in range(n)], "/m/x/y"),
    "depth": (lambda n: ["/a" * (i % 50 + 1) + f"/<x>/{i}" for i in range(n)], "/a" * 51 + "/x/y"),
}


@pytest.mark.parametrize(("rules", "path"), MANY.values(), ids=MANY)
def test_promise_095_a_miss_costs_the_number_of_rules_at_most(rules: Callable[[int], list[str]], path: str) -> None:
    environ = environ_of(path)

    def prepare(count: int) -> Callable[[], object]:
        app = app_with(*rules(count))
        equal(call(app, path).status, 404)
        return lambda: [_match(app.url_map, environ) for _ in range(10)]

    linear(prepare, 100)


INVALID = [
    "\xff",
    "\xc3",
    "\xc3(",
    "\xc0\xaf",
    "\xe0\x80\xaf",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\xf8\x88\x80\x80\x80",
    "\x80",
    "ok\xff",
    "\xfe\xff",
    "\xc0\xae\xc0\xae",
]


@pytest.mark.parametrize("text", INVALID)
@pytest.mark.parametrize(
    "rule", ["/<path:rest>", "/<name>", "/<name>/", "/<path:rest>/", "/x<name>", "/fixed", "/static/<path:filename>"]
)
@pytest.mark.parametrize("start", ["/", "/x", "/x/", "/fixed/"])
def test_promise_096_bytes_that_are_no_text_are_not_found(start: str, rule: str, text: str) -> None:
    app = Flask(__name__)
    app.add_url_rule(rule, "view", lambda **values: "view")

    for method in ("GET", "POST", "HEAD"):
        answer = call(app, start + text, method)
        equal(answer.status, 404)
        equal(answer.values("Location"), [])


@pytest.mark.parametrize("text", INVALID)
def test_promise_096_whatever_asks_for_the_path_gets_something(text: str) -> None:
    app = Flask(__name__)
    seen: list[object] = []

    @app.before_request
    def look() -> None:
        seen.append((request.path, request.full_path, request.url, request.base_url, request.endpoint, str(request)))

    @app.errorhandler(404)
    def not_found(error: Exception) -> tuple[str, int]:
        return request.path + request.url + repr(request), 404

    for path in (f"/{text}", f"//{text}"):
        equal(call(app, path).status, 404)
    equal(len(seen), 2)


@pytest.mark.parametrize("mark", ["\0", "\r", "\n", "\r\n"])
@pytest.mark.parametrize("rule", ["/<path:rest>", "/<name>", "/<name>/", "/fixed"])
@pytest.mark.parametrize("path", ["/a{}b", "/{}", "/fixed{}", "/a/b{}", "//{}"])
def test_promise_096_a_line_break_or_nul_is_a_bad_request(rule: str, path: str, mark: str) -> None:
    app = Flask(__name__)
    app.add_url_rule(rule, "view", lambda **values: "view")

    equal(call(app, path.format(mark)).status, 400)


@pytest.mark.parametrize(
    "method",
    ["", "get", "GET ", "GET\r\nX: 1", "\0", "G" * 100_000, "ü", "GET/", "*", "HEAD\n", "OPTIONS ", "__class__"],
)
@pytest.mark.parametrize("path", ["/", "/x", "/x/", "/missing/x/y"])
def test_promise_096_a_method_that_is_none_is_none_of_a_rule(path: str, method: str) -> None:
    app = app_with("/", "/<name>", "/<int:n>/")

    answer = call(app, path, wsgi(method))

    one_of(answer.status, (400, 404, 405))
    if method.strip():
        absent(method, answer.head + answer.text)


def test_promise_096_a_map_that_refused_a_rule_goes_on() -> None:
    map_ = Map([Rule("/a", endpoint="a")])
    for rule in (
        Rule("/ws", endpoint="b", websocket=True),
        Rule("/h", endpoint="b", host="x"),
        Rule("/m", endpoint="b", merge_slashes=True),
    ):
        with pytest.raises(ValueError, match="cannot be added") as caught:
            map_.add(rule)
        present(repr(rule.rule), str(caught.value))

    rule, values = map_.match(environ_of("/a"))

    equal((rule.endpoint, dict(values)), ("a", {}))
    check(isinstance(_match(map_, environ_of("/ws")), NotFound), "a refused rule is matched")
