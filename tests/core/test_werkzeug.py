"""The reaches into werkzeug and Jinja2: a test for each, which fails when a release changes what it relies on.

Read flask_embed/_werkzeug.py and flask_embed/_jinja.py beside this file. The second half holds the faults of werkzeug
3.1.9 that the framework works around: when one is gone, so may the code be that works around it.
"""

from __future__ import annotations

import ast
import io
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_date
from werkzeug.local import LocalProxy
from werkzeug.routing import Map, Rule
from werkzeug.test import Client, EnvironBuilder, create_environ
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response as WerkzeugResponse
from werkzeug.wsgi import LimitedStream

from flask_embed import Flask, Request, Response
from flask_embed._jinja import FreshTemplate
from flask_embed._werkzeug import (
    LazyRule,
    add_cookies,
    functions_on_close,
    headers_of_pairs,
    multidict_of,
    proxy,
    update_cookies,
)
from flask_embed.forms import FormParser

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FENCES = {ROOT / "flask_embed/_werkzeug.py", ROOT / "flask_embed/_jinja.py"}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("flask_embed", "adapters", "middleware"):
        links = [path for path in (ROOT / folder).iterdir() if path.is_symlink()]
        for file in sorted((ROOT / folder).rglob("*.py")):
            if not any(file.is_relative_to(link) for link in links):
                yield file, ast.parse(file.read_text(encoding="utf-8"))


def private(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("_") and not name.endswith("__")}


def private_names_of_libraries() -> set[str]:
    """The private attributes of each class that the framework subclasses, or has instances of."""
    app_map = Map([Rule("/")])
    environ = create_environ()
    multidict: ImmutableMultiDict[str, str] = ImmutableMultiDict()
    things: list[object] = [
        WerkzeugRequest(environ),
        WerkzeugResponse(),
        Headers(),
        multidict,
        LimitedStream(io.BytesIO(), 1),
        FormDataParser(),
        Client(WerkzeugResponse()),
        EnvironBuilder(),
        app_map,
        next(app_map.iter_rules()),
        app_map.bind(""),
        jinja2.Environment(),
        jinja2.Template(""),
    ]
    classes = [LocalProxy, *map(type, things)]
    return private({name for cls in classes for name in dir(cls)} | {name for one in things for name in vars_of(one)})


def vars_of(thing: object) -> set[str]:
    return set(getattr(thing, "__dict__", ()))


def names_in(tree: ast.Module) -> set[str]:
    """The attributes that are read or written, and the functions that are defined in classes."""
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for cls in ast.walk(tree):
        if isinstance(cls, ast.ClassDef):
            found |= {node.name for node in cls.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return found


#: all that the two modules use
USED = {
    "_add_cookies_to_wsgi",
    "_compile_builder",
    "_get_current_object",
    "_get_default_module",
    "_get_default_module_async",
    "_list",
    "_on_close",
    "_update_cookies_from_response",
}


def names_a_library(tree: ast.Module) -> bool:
    """True if the module imports werkzeug or Jinja2; elsewhere the same private name is one of our own classes'."""
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return any(name.partition(".")[0] in ("werkzeug", "jinja2") for name in imported)


def test_no_private_name_of_theirs_is_used_outside_of_the_two_modules() -> None:
    theirs = private_names_of_libraries()
    found = {
        file.relative_to(ROOT).as_posix(): names_in(tree) & (theirs if names_a_library(tree) else USED)
        for file, tree in sources()
        if file not in FENCES
    }

    assert {file: names for file, names in found.items() if names} == {}


def test_these_are_all_that_the_two_modules_use() -> None:
    theirs = private_names_of_libraries()

    assert {
        name for file, tree in sources() if file in FENCES for name in names_in(tree) | strings_in(tree)
    } & theirs == USED


def strings_in(tree: ast.Module) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


# The reaches


def test_headers_keep_their_pairs_in_list() -> None:
    pairs = [("Content-Type", "text/html"), ("X-A", "1"), ("x-a", "2")]

    ours = headers_of_pairs(pairs)

    assert Headers(pairs)._list == pairs
    assert vars(ours) == vars(Headers(pairs))
    assert ours.getlist("X-A") == ["1", "2"]


def test_a_multidict_is_a_dict_of_lists_and_nothing_else() -> None:
    values = {"a": ["1", "2"], "b": ["3"]}

    ours = multidict_of(values)
    theirs: ImmutableMultiDict[str, str] = ImmutableMultiDict([("a", "1"), ("a", "2"), ("b", "3")])

    assert ours == theirs
    assert dict(dict.items(theirs)) == dict(dict.items(ours)) == dict(values)  # type: ignore[comparison-overlap]
    assert vars(ours) == vars(theirs) == {}
    assert ours.to_dict(flat=False) == values


def test_a_response_keeps_what_it_calls_when_it_is_closed_in_on_close() -> None:
    response = WerkzeugResponse()
    called: list[str] = []
    response.call_on_close(lambda: called.append("closed"))

    (function,) = functions_on_close(response)
    function()

    assert called == ["closed"]


def test_the_functions_of_a_response_of_werkzeug_are_called_once() -> None:
    called: list[str] = []
    response = WerkzeugResponse("x")
    response.call_on_close(lambda: called.append("closed"))

    Response.force_type(response).close()

    assert called == ["closed"]


def test_a_response_has_the_attributes_that_werkzeugs_constructor_sets() -> None:
    """Response.__init__ does not call it: an attribute that a release adds would be missing."""
    assert vars(WerkzeugResponse()).keys() == {
        "_on_close",
        "_status",
        "_status_code",
        "direct_passthrough",
        "headers",
        "response",
    }


def test_a_request_has_the_attributes_that_werkzeugs_constructor_sets() -> None:
    """Request.__init__ does not call it: each attribute is a lazy one, or is set there."""
    environ = create_environ("/path?a=b", "http://example.com:8080/root", headers={"X-A": "b"})
    theirs = WerkzeugRequest(dict(environ))

    ours = Request(environ, populate_request=False)

    assert vars(theirs).keys() == {
        "environ",
        "headers",
        "method",
        "path",
        "query_string",
        "remote_addr",
        "root_path",
        "scheme",
        "server",
        "shallow",
    }
    for name in vars(theirs).keys() - {"environ", "headers"}:
        assert getattr(ours, name) == getattr(theirs, name)
    assert list(ours.headers) == list(theirs.headers)


def test_a_test_client_adds_and_keeps_cookies_as_with_a_request_of_its_own() -> None:
    client = Client(WerkzeugResponse())
    environ = create_environ("/", "http://localhost")

    update_cookies(client, "localhost", "/", ["a=b; Path=/"])
    add_cookies(client, environ)

    assert client.get_cookie("a") is not None
    assert environ["HTTP_COOKIE"] == "a=b"


def test_a_rule_builds_its_urls_with_what_compile_builder_returns() -> None:
    rules = [cls("/a/<int:x>", endpoint="a") for cls in (Rule, LazyRule)]
    theirs, ours = (Map([rule]).bind("localhost") for rule in rules)

    assert ours.build("a", {"x": 1, "q": "ä"}) == theirs.build("a", {"x": 1, "q": "ä"})
    assert list(signature(Rule._compile_builder).parameters) == ["self", "append_unknown"]


def test_a_rule_compiles_nothing_before_a_url_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[bool] = []
    real = Rule._compile_builder

    def counted(rule: Rule, append_unknown: bool = True) -> Any:
        compiled.append(append_unknown)
        return real(rule, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", counted)

    urls = Map([LazyRule("/a/<int:x>", endpoint="a")]).bind("localhost")
    before = compiled.copy()
    urls.build("a", {"x": 1})

    assert before == []
    assert compiled == [True]


def test_all_operations_of_a_proxy_go_through_get_current_object() -> None:
    target = {"a": 1}
    ours: dict[str, int] = proxy("ours", lambda: target, dict)

    assert "_get_current_object" in LocalProxy.__slots__
    assert isinstance(ours, LocalProxy)
    assert (len(ours), ours == {"a": 1}, list(ours), ours.get("a"), "a" in ours) == (1, True, ["a"], 1, True)
    assert ours._get_current_object() is target


def test_jinja_asks_the_template_for_the_module_that_others_import() -> None:
    calls: list[str] = []

    class Counted(FreshTemplate):
        def _get_default_module(self, ctx: Any = None) -> Any:
            calls.append(self.name or "")
            return super()._get_default_module(ctx)

    environment = jinja2.Environment(
        loader=jinja2.DictLoader(
            {"macros": "{% macro m() %}x{% endmacro %}", "page": "{% import 'macros' as o %}{{ o.m() }}"}
        ),
        autoescape=True,
    )
    environment.template_class = Counted

    assert [environment.get_template("page").render() for _ in range(2)] == ["x", "x"]
    assert calls == ["macros", "macros"]
    for name in ("_get_default_module", "_get_default_module_async"):
        assert signature(getattr(jinja2.Template, name)).parameters.keys() == {"self", "ctx"}


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (Rule.get_converter, ["self", "variable_name", "converter_name", "args", "kwargs"]),
        (Rule.suitable_for, ["self", "values", "method"]),
        (Rule.provides_defaults_for, ["self", "rule"]),
        (Rule.build, ["self", "values", "append_unknown"]),
    ],
)
def test_the_methods_of_a_rule_that_are_marked_as_internal_have_these_parameters(
    method: Any, parameters: list[str]
) -> None:
    assert list(signature(method).parameters) == parameters


# The faults that are worked around


def test_a_date_out_of_range_is_an_overflow_error() -> None:
    with pytest.raises(OverflowError):
        parse_date("Mon, 01 Jan 99999999999 00:00:00 GMT")


def test_a_cookie_may_hold_control_characters_unescaped() -> None:
    response = WerkzeugResponse()
    response.set_cookie("a", "\x1a")

    assert "\x1a" in response.headers["Set-Cookie"]


BODY = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n--b--\r\n'


def parsed(parser: FormDataParser, cut: int) -> str | None:
    class Cut(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(cut if self.tell() < cut else -1)

    _, form, _ = parser.parse(Cut(BODY), "multipart/form-data", len(BODY), {"boundary": "b"})
    return form.get("a")


def test_a_block_that_ends_within_a_delimiter_gives_its_line_break_to_the_value() -> None:
    cuts = range(BODY.index(b"value"), len(BODY))

    assert {parsed(FormDataParser(), cut) for cut in cuts} != {"value"}
    assert {parsed(FormParser(), cut) for cut in cuts} == {"value"}


def test_an_urlencoded_form_without_a_length_is_read_whole() -> None:
    class Endless(io.RawIOBase):
        read_so_far = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), 100_000 - self.read_so_far)
            buffer[:size] = b"a" * size
            self.read_so_far += size
            return size

    def read_by(parser_class: type[FormDataParser]) -> int:
        stream: Any = Endless()
        parser = parser_class(max_form_memory_size=1000, silent=False)
        with suppress(RequestEntityTooLarge):
            parser.parse(stream, "application/x-www-form-urlencoded", None)
        return int(stream.read_so_far)

    assert read_by(FormDataParser) == 100_000
    assert read_by(FormParser) <= 1001


def test_the_uploaded_files_of_a_request_come_from_the_parsers_stream_factory() -> None:
    app = Flask("uploads")
    files = {"f": (io.BytesIO(b"x"), "a.txt")}

    with app.test_request_context("/", method="POST", data=files) as context:
        uploaded = context.request.files["f"]
        assert not uploaded.stream.closed

    assert uploaded.stream.closed
