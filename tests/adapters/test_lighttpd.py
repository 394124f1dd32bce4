"""The fixers for lighttpd: each different measured environ, also as flup changes it, and paths made to mislead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ

from flask_embed.adapters.lighttpd import CGIRootFix, LighttpdCGIRootFix
from flask_embed.errors import PrefixError
from flask_embed.middleware.prefix import below
from tests.adapters.fronts import ROWS, Row, different, fixed, fixed_or_refused, simplified
from tests.security.checks import linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

LIGHTTPD = [row for row in ROWS if "lighttpd" in row.front and row.request_uri is not None]
OTHERS = [row for row in ROWS if row not in LIGHTTPD]
#: Fronts that split the path right at the key of ``fastcgi.server``.
SPLIT_RIGHT = ("a", "l_", "m_")
#: Fronts that send the whole path in PATH_INFO, and so are right at the root.
RIGHT_AT_THE_ROOT = ("b2_", "d_", "f", "h6_", "i2_", "k1_", "m2_", "p")


def merged(row: Row) -> str:
    """The path that was asked for, as lighttpd reads it."""
    return row.asked.replace("//", "/")


def told_or_asked(row: Row) -> str:
    """The whole path, as the front sends it where there is no REQUEST_URI."""
    return row.script_name + (row.path_info or "") if row.request_uri is None else merged(row)


def root_fix(app_root: str) -> Callable[[WSGIApplication], WSGIApplication]:
    return lambda app: CGIRootFix(app, app_root)


def request(script_name: str, path_info: str, request_uri: str | None) -> WSGIEnvironment:
    environ = create_environ()
    del environ["REQUEST_URI"], environ["RAW_URI"]
    environ.update(SCRIPT_NAME=script_name, PATH_INFO=path_info)
    if request_uri is not None:
        environ["REQUEST_URI"] = request_uri
    return environ


@pytest.mark.parametrize("row", different(LIGHTTPD), ids=str)
def test_the_whole_path_is_path_info_at_the_root(row: Row) -> None:
    assert fixed(LighttpdCGIRootFix, row.environ()) == ("", merged(row))


@pytest.mark.parametrize("row", different(LIGHTTPD), ids=str)
def test_the_path_is_split_behind_the_root_and_is_not_there_outside_of_it(row: Row) -> None:
    rest = below(merged(row), "/yourapplication")

    seen = fixed_or_refused(root_fix("/yourapplication"), row.environ())

    if rest is None:
        assert seen is None
    else:
        assert seen is not None
        assert (seen[0], seen[1] or "") == ("/yourapplication", rest)


@pytest.mark.parametrize("row", different([row for row in LIGHTTPD if row.front.startswith(SPLIT_RIGHT)]), ids=str)
def test_what_lighttpd_splits_right_stays_and_what_only_begins_like_the_root_is_not_there(row: Row) -> None:
    # lighttpd takes "/yourapplicationfoo" for a path of the key "/yourapplication"
    right = (row.script_name, row.path_info) if row.script_name == "/yourapplication" else None

    assert right is not None or row.target == "/yourapplicationfoo"
    assert fixed_or_refused(root_fix("/yourapplication"), row.environ()) == right


@pytest.mark.parametrize("row", different([row for row in ROWS if row.front.startswith(RIGHT_AT_THE_ROOT)]), ids=str)
def test_what_is_right_at_the_root_stays(row: Row) -> None:
    assert fixed(LighttpdCGIRootFix, row.environ()) == ("", row.path_info)


@pytest.mark.parametrize("row", different(OTHERS), ids=str)
def test_behind_another_front_the_path_is_the_one_asked_for_or_nothing_changes_at_the_root(row: Row) -> None:
    script_name, path_info = fixed(LighttpdCGIRootFix, row.environ())

    if (script_name, path_info) != (row.script_name, row.path_info):
        assert (script_name, path_info) == ("", told_or_asked(row))


@pytest.mark.parametrize("row", different(OTHERS), ids=str)
def test_behind_another_front_below_a_root_no_app_sees_another_one(row: Row) -> None:
    seen = fixed_or_refused(root_fix("/yourapplication"), row.environ())

    if seen is None:
        assert row.script_name != "/yourapplication"
    elif seen != (row.script_name, row.path_info):
        assert (seen[0], seen[0] + (seen[1] or "")) == ("/yourapplication", told_or_asked(row))
    else:
        assert seen[0] == "/yourapplication"


@pytest.mark.parametrize(
    ("script_name", "path_info", "expected"),
    [
        ("/", "", ("", "/")),
        ("/hello", "", ("", "/hello")),
        ("/hello", "/world", ("", "/hello/world")),
        ("/", "/x", ("", "/x")),
        ("", "/x", ("", "/x")),
        ("", "", ("", "/")),
        ("/b", "ourapplication/%2e%2e/b", ("", "/b")),
    ],
)
def test_without_request_uri_the_two_are_joined(script_name: str, path_info: str, expected: tuple[str, str]) -> None:
    assert fixed(LighttpdCGIRootFix, request(script_name, path_info, None)) == expected
    assert fixed(LighttpdCGIRootFix, request(script_name, path_info, "")) == expected


def test_what_is_absent_is_empty() -> None:
    assert fixed(root_fix("/x"), {"REQUEST_URI": "/x"}) == ("/x", "")
    assert fixed(root_fix("/x"), {"REQUEST_URI": "/x", "SCRIPT_NAME": "/x"}) == ("/x", None)
    assert fixed(LighttpdCGIRootFix, {"REQUEST_URI": "/x", "PATH_INFO": "/x"}) == ("", "/x")
    assert fixed(LighttpdCGIRootFix, {"REQUEST_URI": "/x", "SCRIPT_NAME": "/x"}) == ("", "/x")
    assert fixed(LighttpdCGIRootFix, {"SCRIPT_NAME": "/x"}) == ("", "/x")
    assert fixed(LighttpdCGIRootFix, {}) == ("", "/")


def test_without_request_uri_a_path_outside_of_the_root_is_not_there() -> None:
    assert fixed(root_fix("/app"), request("/app", "/x", None)) == ("/app", "/x")
    assert fixed(root_fix("/app/sub"), request("/app", "/sub/x", None)) == ("/app/sub", "/x")
    assert fixed_or_refused(root_fix("/app"), request("/appx", "/x", None)) is None
    assert fixed_or_refused(root_fix("/app"), request("", "/", None)) is None
    assert fixed_or_refused(root_fix("/app"), request("", "", None)) is None
    assert fixed_or_refused(root_fix("/app"), {}) is None


@pytest.mark.parametrize(
    ("script_name", "path_info", "target"),
    [
        ("/shopfoo", "", "/shopfoo"),
        ("/shopfoo", "/x", "/shopfoo/x?/shop/x"),
        ("", "/shopfoo", "/shopfoo"),
        ("/", "", "/"),
        ("/SHOP", "/x", "/SHOP/x"),
        ("/evil", "/shop/x", "/evil/shop/x"),
        ("/evil", "", "/shop/../evil"),
        ("/evil", "/x", "/shop/%2e%2e/evil/x"),
        ("/evil", "/x", "http://shop.example/evil/x"),
        ("/evil", "/x", "*"),
        ("/shop/", "/x", "*"),
        ("//shop", "/x", "*"),
        ("", "/shop/x", "shop.example:443"),
        ("/shop.fcgi", "/shop", "/old"),
        ("/new", "/shop/x", "/old"),
    ],
)
def test_what_is_not_below_the_root_is_a_404_and_calls_no_app(script_name: str, path_info: str, target: str) -> None:
    assert fixed_or_refused(root_fix("/shop"), request(script_name, path_info, target)) is None


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_the_404_has_no_body_for_head_alone(method: str) -> None:
    assert fixed_or_refused(root_fix("/shop"), {**request("/evil", "", "/evil"), "REQUEST_METHOD": method}) is None


@pytest.mark.parametrize(
    ("path_info", "target"), [("/new", "/old"), ("", "/old"), ("/x", "*"), ("foo", "/shopfoo"), ("/x", "/shop/\u20ac")]
)
def test_where_request_uri_agrees_with_nothing_the_root_that_the_front_says_counts(path_info: str, target: str) -> None:
    # a path that was rewritten to one below the root, or a target that is no path
    assert fixed(root_fix("/shop"), request("/shop", path_info, target)) == ("/shop", path_info)


def test_a_path_that_flup_cut_out_of_the_target_does_not_count_even_with_a_slash() -> None:
    # lighttpd sent SCRIPT_NAME "/b" alone; flup took the target from its third character on
    assert fixed(LighttpdCGIRootFix, request("/b", "/../b", "/a/../b")) == ("", "/b")
    assert fixed(LighttpdCGIRootFix, request("/b", "/b", "/./b")) == ("", "/b")
    assert fixed(LighttpdCGIRootFix, request("/", "/.", "//.")) == ("", "/")
    assert fixed(LighttpdCGIRootFix, request("/b", "/../b", "/a/../b?/x")) == ("", "/b")


def test_a_script_that_only_the_paths_of_the_app_are_rewritten_to() -> None:
    # url.rewrite-once = ( "^/app(/.*)?$" => "/app.fcgi$1" )
    assert fixed(root_fix("/app"), request("/app.fcgi", "/x", "/app/x?y")) == ("/app", "/x")
    assert fixed(root_fix("/app"), request("/app.fcgi", "", "/app")) == ("/app", "")


def test_a_path_that_was_rewritten_to_another_one_is_left_alone_at_the_root() -> None:
    assert fixed(LighttpdCGIRootFix, request("/app.fcgi", "/new", "/old")) == ("/app.fcgi", "/new")
    assert fixed(LighttpdCGIRootFix, request("/old", "/new", "/old")) == ("/old", "/new")
    assert fixed(LighttpdCGIRootFix, request("/old", "/x", "/new/x")) == ("/old", "/x")


def test_a_root_beyond_ascii_is_compared_as_bytes() -> None:
    environ = request("/b\xc3\xbcro", "/x", "/b%C3%BCro/x")

    assert fixed(root_fix("/büro/x"), environ) == ("/b\xc3\xbcro/x", "")


@pytest.mark.parametrize(
    ("target", "script_name", "path_info"),
    [
        ("*", "*", ""),
        ("localhost:80", "", "localhost:80"),
        ("http://user@localhost\\/x", "/x", ""),
        ("/\u20ac", "/\u20ac", ""),
        ("x", "/x", ""),
    ],
)
def test_a_target_that_is_no_path_is_left_alone(target: str, script_name: str, path_info: str) -> None:
    assert fixed(LighttpdCGIRootFix, request(script_name, path_info, target)) == (script_name, path_info)


@pytest.mark.parametrize(
    ("target", "script_name", "path_info", "expected"),
    [
        ("//evil.com", "/evil.com", "", "/evil.com"),
        ("//evil.com/x", "/evil.com", "/x", "/evil.com/x"),
        ("/%2f/evil.com/", "/evil.com", "/", "/evil.com/"),
        ("/\\evil.com", "/\\evil.com", "", "/\\evil.com"),
        ("/x/%2e%2e/%2E./..%2f../etc", "/etc", "", "/etc"),
        ("/x/%252e%252e/y", "/x", "/%2e%2e/y", "/x/%2e%2e/y"),
        ("/a%00b%0d%0a/%7f", "/a_b__", "/_", "/a_b__/_"),
        ("http://user:word@localhost/x?/y", "/x", "", "/x"),
        ("/a#/../b", "/a", "", "/a"),
        ("/a%3f/..", "/", "", "/"),
        ("/a/%zz/%", "/a", "/%zz/%", "/a/%zz/%"),
    ],
)
def test_a_target_that_is_meant_to_mislead(target: str, script_name: str, path_info: str, expected: str) -> None:
    environ = request(script_name, path_info, target)

    assert fixed(LighttpdCGIRootFix, environ) == ("", expected)


@pytest.mark.parametrize("app_root", ["//app", "/a b", "/../x", "/%61"])
def test_a_root_that_is_no_prefix_is_refused_at_construction(app_root: str) -> None:
    with pytest.raises(PrefixError, match="the prefix"):
        CGIRootFix(lambda environ, start_response: [], app_root)


@pytest.mark.parametrize("part", ["/..", "//", "/.%2e", "/x", "%00"])
def test_a_long_target_takes_linear_time(part: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        environ: dict[str, Any] = {"SCRIPT_NAME": "/x", "PATH_INFO": "/y", "REQUEST_URI": "/" + part * size}
        app = LighttpdCGIRootFix(lambda environ, start_response: [])
        return lambda: app(environ, lambda *args: lambda data: None)

    linear(prepare, 64 * 1024 // 4 // len(part))


SEGMENTS = ["", ".", "..", "%2e", ".%2E", "a", "%61", "app", "%2F", "..%2f..", "b c", "%C3%BC", "\\", "%0a", "%", "%zz"]


@given(
    st.lists(st.sampled_from(SEGMENTS), min_size=1).map(lambda segments: "/" + "/".join(segments)),
    st.sampled_from(["", "?x=/../y"]),
    st.sampled_from(["/", "/a", "/app", "/app/a"]),
    st.sampled_from(["key", "script", "fixed"]),
    st.booleans(),
)
def test_any_target_below_the_root_is_split_behind_it_and_any_other_is_not_there(
    path: str, query: str, app_root: str, config: str, by_flup: bool
) -> None:
    asked = simplified(unquote(path, "latin-1").replace("\n", "_"))
    if config == "key":
        first, slash, others = asked[1:].partition("/")
        environ = request(f"/{first}", slash + others, path + query)
    elif config == "script":
        environ = request("/app.fcgi", asked, path + query)
    else:
        environ = request("", asked, path + query)
    if by_flup and not environ["PATH_INFO"]:
        environ["PATH_INFO"] = path[len(environ["SCRIPT_NAME"]) :]
    rest = below(asked, app_root.rstrip("/"))

    expected = None if rest is None else (app_root.rstrip("/"), rest)

    assert fixed_or_refused(root_fix(app_root), environ) == expected
