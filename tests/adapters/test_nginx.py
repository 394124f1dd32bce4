"""PATH_INFO from REQUEST_URI: each different measured environ, and targets made to mislead a front or the fixer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ

from flask_embed.adapters.nginx import PathInfoFromRequestUriFix
from flask_embed.errors import PrefixError
from flask_embed.middleware.prefix import below
from tests.adapters.fronts import ROWS, Row, different, fixed, fixed_or_refused, simplified
from tests.security.checks import linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

WITH_TARGET = [row for row in ROWS if row.request_uri is not None]
WITHOUT_TARGET = [row for row in ROWS if row.request_uri is None]
#: Fronts that split the path right; those that merge slashes too.
RIGHT = ("a", "b2_", "d_", "e2_", "h4_", "h6_", "i", "j_", "k", "l_", "m_", "m2_", "m4_")
#: The fronts that this fixer is for.
WHOLE_PATH = ("g_", "h1_", "h2_", "h3_", "h5_", "o_")


def fix(script_name: str | None) -> Callable[[WSGIApplication], WSGIApplication]:
    return lambda app: PathInfoFromRequestUriFix(app, script_name)


def request(script_name: str, path_info: str, request_uri: str) -> WSGIEnvironment:
    environ = create_environ()
    environ.update(SCRIPT_NAME=script_name, PATH_INFO=path_info, REQUEST_URI=request_uri)
    return environ


@pytest.mark.parametrize("row", different(WITH_TARGET), ids=str)
def test_the_path_is_split_behind_the_script_name_that_is_given_and_is_not_there_outside_of_it(row: Row) -> None:
    rest = below(row.asked, "/yourapplication")

    seen = fixed_or_refused(fix("yourapplication/"), row.environ())

    if rest is None:
        assert seen is None
    else:
        assert seen is not None
        assert (seen[0], seen[1] or "") == ("/yourapplication", rest)


@pytest.mark.parametrize("row", different(WITH_TARGET), ids=str)
def test_the_whole_path_is_path_info_at_the_root(row: Row) -> None:
    assert fixed(fix("/"), row.environ()) == ("", row.asked)


@pytest.mark.parametrize("row", different([row for row in ROWS if row.front.startswith("c_")]), ids=str)
def test_a_path_without_its_slash_and_still_encoded_is_made_anew(row: Row) -> None:
    assert fixed(fix(None), row.environ()) == ("/yourapplication", row.asked.removeprefix("/yourapplication"))


@pytest.mark.parametrize("row", different([row for row in ROWS if row.front.startswith(("m3_", "n_"))]), ids=str)
def test_a_path_without_a_script_name_is_made_anew(row: Row) -> None:
    assert fixed(fix(None), row.environ()) == ("", row.asked)


@pytest.mark.parametrize("row", different([row for row in ROWS if row.front.startswith(RIGHT)]), ids=str)
def test_what_is_right_stays_apart_from_slashes_that_the_front_has_merged(row: Row) -> None:
    script_name, path_info = fixed(fix(None), row.environ())

    if "//" in row.target:
        assert (script_name, path_info) == (row.script_name, row.asked.removeprefix(row.script_name))
    else:
        assert (script_name, path_info) == (row.script_name, row.path_info)


@pytest.mark.parametrize("row", different([row for row in ROWS if row.front.startswith(WHOLE_PATH)]), ids=str)
def test_the_whole_path_in_script_name_is_left_alone_where_nothing_says_what_of_it_is_the_prefix(row: Row) -> None:
    assert fixed(fix(None), row.environ()) == (row.script_name, row.path_info)


@pytest.mark.parametrize("row", different([row for row in ROWS if row.front.startswith(("b1_", "b3_", "e_"))]), ids=str)
def test_a_script_name_that_the_path_is_not_below_is_left_alone(row: Row) -> None:
    script_name, path_info = fixed(fix(None), row.environ())

    assert script_name == row.script_name
    if path_info != row.path_info:
        assert script_name + (path_info or "") == row.asked


@pytest.mark.parametrize("row", different(WITHOUT_TARGET), ids=str)
def test_behind_an_http_proxy_nothing_changes_and_the_prefix_has_to_be_there_already(row: Row) -> None:
    for script_name in (None, "/"):
        assert fixed(fix(script_name), row.environ()) == (row.script_name, row.path_info)

    assert fixed_or_refused(fix("/yourapplication"), row.environ()) is None
    environ = {**row.environ(), "SCRIPT_NAME": "/yourapplication"}
    assert fixed(fix("/yourapplication"), environ) == ("/yourapplication", row.path_info)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://abs.example:81/app/hello", ("/app", "/hello")),
        ("HTTPS://abs.example/app?x", ("/app", "")),
        ("http://user:word@abs.example/app/x", ("/app", "/x")),
        ("http://[::1]:81/app/x#y", ("/app", "/x")),
        ("http://abs.example/app/@evil.com/x", ("/app", "/@evil.com/x")),
    ],
)
def test_other_forms_of_a_target(target: str, expected: tuple[str, str]) -> None:
    # what flup makes of an absolute-form target behind Apache
    assert fixed(fix("/app"), request("/app/hello", "pp/hello", target)) == expected


@pytest.mark.parametrize("target", ["http://abs.example?/app/x", "http://abs.example", "HTTPS://app/"])
def test_an_absolute_target_is_judged_by_its_path_alone(target: str) -> None:
    for script_name in ("/app/hello", "/app", ""):
        assert fixed_or_refused(fix("/app"), request(script_name, "pp/hello", target)) is None


@pytest.mark.parametrize(
    "target",
    [
        "",
        "http:///app/x",
        "http://evil\\/app/x",
        "http://e vil/app/x",
        "ftp://abs.example/app/x",
        "abs.example:81",
        "*",
        "app/x",
        "?/app/x",
        "/app/\u20ac",
        "/app/admin//../public",
    ],
)
def test_a_target_that_tells_no_path_passes_with_the_prefix_of_the_front_alone(target: str) -> None:
    for path_info in ("pp/hello", "/hello", ""):
        assert fixed(fix("/app"), request("/app", path_info, target)) == ("/app", path_info)
        assert fixed(fix("/"), request("", path_info, target)) == ("", path_info)
        for script_name in ("/app/hello", "/app/", "/appx", "/APP", "", "/", "//app"):
            assert fixed_or_refused(fix("/app"), request(script_name, path_info, target)) is None
        assert fixed_or_refused(fix("/"), request("/hello", path_info, target)) is None


def test_an_absolute_target_without_a_path_is_the_root() -> None:
    for target in ("http://abs.example", "http://abs.example?x=/y", "http://abs.example/#/y"):
        assert fixed(fix(""), request("/", "", target)) == ("", "/")


@pytest.mark.parametrize(
    ("target", "path_info"),
    [
        ("/app//evil.com", "//evil.com"),
        ("/app/%2Fevil.com", "//evil.com"),
        ("/app/\\evil.com", "/\\evil.com"),
        ("/app/%5Cevil.com", "/\\evil.com"),
        ("/app/x/../y", "/y"),
        ("/app/x/%2e%2e/y", "/y"),
        ("/app/x/.%2E/y", "/y"),
        ("/app/x/..%2fy", "/y"),
        ("/app/x%2f../y", "/y"),
        ("/app/x/%252e%252e/y", "/x/%2e%2e/y"),
        ("/app/x/..;/y", "/x/..;/y"),
        ("/app/x/..\\y", "/x/..\\y"),
        ("/app/.../y", "/.../y"),
        ("/app/x/.", "/x/"),
        ("/app/x/..", "/"),
        ("/x/../../app/y", "/y"),
        ("/%61pp/y", "/y"),
        ("/app%2Fy", "/y"),
        ("/app/%00", "/\0"),
        ("/app/%0d%0aX:1", "/\r\nX:1"),
        ("/app/%3Fx%23y?z", "/?x#y"),
        ("/app?/../../x", ""),
        ("/app/%C3%BC%FF\xe9", "/\xc3\xbc\xff\xe9"),
        ("/app/a+b;c=d&e", "/a+b;c=d&e"),
        ("/app/%zz%", "/%zz%"),
    ],
)
def test_a_target_below_the_prefix_is_decoded_once_and_its_dots_resolved(target: str, path_info: str) -> None:
    assert fixed(fix("/app"), request("/app/x", "?", target)) == ("/app", path_info)
    assert fixed(fix(None), request("/app", "?", target)) == ("/app", path_info or "?")


@pytest.mark.parametrize(
    "target",
    [
        "/app/../x",
        "/app/%2e%2e/x",
        "/app/..%2fx",
        "/app/x/../../y",
        "/app/x/../..",
        "/appx",
        "/app%00/x",
        "/APP/x",
        "/app\\x",
        "//app/x",
        "//evil.com/app/x",
        "/x/app",
        "/%2561pp/x",
    ],
)
def test_a_target_that_is_not_below_the_prefix_is_not_there_if_it_was_given_and_left_alone_if_not(target: str) -> None:
    assert fixed(fix(None), request("/app", "x", target)) == ("/app", "x")
    for method in ("GET", "HEAD", "POST"):
        environ = {**request("/app", "x", target), "REQUEST_METHOD": method}
        assert fixed_or_refused(fix("/app"), environ) is None


@pytest.mark.parametrize(
    ("script_name", "path_info", "target"),
    [
        ("/shopfoo", "", "/shopfoo"),
        ("/shopfoo", "", "/shopfoo?/shop/x"),
        ("/shop", "foo", "/shopfoo"),
        ("", "/shopfoo/x", "/shopfoo/x"),
        ("/", "", "/"),
        ("/evil/shop/x", "", "/evil/shop/x"),
        ("/evil", "/x", "/shop/../evil/x"),
        ("/shop", "/x", "/evil/x"),
        ("//evil.com/shop", "", "//evil.com/shop"),
        ("/x", "", "http://shop/x"),
    ],
)
def test_what_is_not_below_the_prefix_that_was_given_is_a_404_and_calls_no_app(
    script_name: str, path_info: str, target: str
) -> None:
    environ = request(script_name, path_info, target)

    assert fixed_or_refused(fix("/shop"), environ) is None
    assert fixed_or_refused(fix(None), environ) is not None


@pytest.mark.parametrize(
    ("target", "seen_by_front"),
    [
        ("/admin//../public", "/public"),
        ("/admin/%2F../public", "/public"),
        ("/admin/.//%2e%2E/public", "/public"),
        ("/a/b///../../c", "/c"),
    ],
)
def test_a_target_that_leads_elsewhere_when_slashes_are_merged_first_is_left_alone(
    target: str, seen_by_front: str
) -> None:
    # nginx has let the request pass as one for /public: it must not become one for /admin/public
    assert fixed(fix("/"), request("", seen_by_front, target)) == ("", seen_by_front)


@pytest.mark.parametrize("target", ["/a/../b//c", "/a//./b", "//a/b/../c", "/a//b/../c"])
def test_slashes_are_kept_where_merging_them_first_leads_to_the_same(target: str) -> None:
    assert fixed(fix("/"), request("", "/x", target)) == ("", without_dots(target))


def only_warning(caplog: pytest.LogCaptureFixture) -> str:
    """The only line of the log: printable, with the way out, and without query string and password."""
    (record,) = caplog.records
    message = record.getMessage()
    assert (record.name, record.levelname) == ("flask_embed.adapters", "WARNING")
    assert message.isprintable()
    assert "(--script-name, in Python script_name)" in message
    assert "secret" not in message
    assert "word" not in message
    return message


def test_a_doubt_is_told_once_per_instance_in_one_line_with_the_way_out(caplog: pytest.LogCaptureFixture) -> None:
    app = PathInfoFromRequestUriFix(lambda environ, start_response: [])

    with caplog.at_level(logging.INFO):
        for environ in (
            request("/app", "/x", "/app/x?fine"),
            request("/elsewhere\x9b", "/x", "http://user:word@host/x%0a%1b[31m?secret"),
            request("/elsewhere", "/x", "/y"),
            request("/app", "/x", ""),
        ):
            app(environ, lambda *args: lambda data: None)

    message = only_warning(caplog)
    assert "/x" in message
    assert "/elsewhere" in message


def test_what_is_outside_of_the_prefix_is_told_once_per_instance_in_one_line_with_the_way_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = PathInfoFromRequestUriFix(lambda environ, start_response: [], "/büro")

    with caplog.at_level(logging.INFO):
        for environ in (
            request("/x", "", "/b%C3%BCro/x"),
            request("/told\x9b", "/told", "http://user:word@host/x%0a%1b[31m?secret"),
            request("/elsewhere", "/x", "/y"),
            request("/elsewhere", "/x", ""),
            request("/b\xc3\xbcro", "/x", ""),
        ):
            app(environ, lambda *args: lambda data: None)

    message = only_warning(caplog)
    assert r"'/x\\n\\x1b[31m'" in message
    assert "404" in message
    assert "told" not in message


def test_a_missing_request_uri_is_told_with_the_line_to_add(caplog: pytest.LogCaptureFixture) -> None:
    environ = request("/app", "x", "")
    del environ["REQUEST_URI"]

    assert fixed(fix("/app"), environ) == ("/app", "x")

    (record,) = caplog.records
    assert "fastcgi_param REQUEST_URI $request_uri;" in record.getMessage()
    assert "(--script-name, in Python script_name)" in record.getMessage()


def test_what_is_sure_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert fixed(fix(None), request("/app", "x", "/app/x")) == ("/app", "/x")
        assert fixed(fix("/app"), request("/app/x", "", "/app/x")) == ("/app", "/x")
        assert fixed(fix(None), request("/app", "", "/app")) == ("/app", "")

    assert caplog.records == []


def test_what_is_absent_is_empty() -> None:
    assert fixed(fix(None), {"REQUEST_URI": "/x"}) == ("", "/x")
    assert fixed(fix(None), {"REQUEST_URI": "/x", "PATH_INFO": "/x"}) == ("", "/x")
    assert fixed(fix(None), {"REQUEST_URI": "/x", "SCRIPT_NAME": "/x"}) == ("/x", None)
    assert fixed(fix("/x"), {"REQUEST_URI": "/x/y", "SCRIPT_NAME": "/x"}) == ("/x", "/y")
    assert fixed(fix("/x"), {"REQUEST_URI": "/x/y"}) == ("/x", "/y")
    assert fixed(fix("/x"), {"SCRIPT_NAME": "/x"}) == ("/x", None)
    assert fixed(fix("/"), {}) == ("", None)
    assert fixed(fix(None), {}) == ("", None)
    assert fixed_or_refused(fix("/x"), {}) is None
    assert fixed_or_refused(fix("/x"), {"PATH_INFO": "/x/y"}) is None


def test_a_script_name_beyond_ascii_is_compared_as_bytes() -> None:
    environ = request("/b\xc3\xbcro/x", "", "/b%C3%BCro/x")

    assert fixed(fix("/büro"), environ) == ("/b\xc3\xbcro", "/x")


@pytest.mark.parametrize("script_name", ["//app", "/a b", "/../x", "/%61", "/a?b"])
def test_a_script_name_that_is_no_prefix_is_refused_at_construction(script_name: str) -> None:
    with pytest.raises(PrefixError, match="the prefix"):
        PathInfoFromRequestUriFix(lambda environ, start_response: [], script_name)


@pytest.mark.parametrize("part", ["/..", "//", "//..", "/.%2e", "/x", "%00", "@"])
def test_a_long_target_takes_linear_time(part: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        environ: dict[str, Any] = {"SCRIPT_NAME": "/x", "PATH_INFO": "/y", "REQUEST_URI": "/x/" + part * size}
        app = PathInfoFromRequestUriFix(lambda environ, start_response: [], "/x")
        return lambda: app(environ, lambda *args: lambda data: None)

    linear(prepare, 64 * 1024 // 4 // len(part))


def without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4, step by step as it is written there."""
    left, output = path, ""
    while left:
        if left.startswith("/./"):
            left = left[2:]
        elif left == "/.":
            left = "/"
        elif left.startswith("/../"):
            left, output = left[3:], output.rpartition("/")[0]
        elif left == "/..":
            left, output = "/", output.rpartition("/")[0]
        else:
            end = left.find("/", 1)
            end = len(left) if end < 0 else end
            left, output = left[end:], output + left[:end]
    return output


SEGMENTS = ["", ".", "..", "%2e", ".%2E", "a", "%61", "app", "%2F", "..%2f..", "b c", "%C3%BC", "\\", "%0a", "%", "%zz"]


@given(
    st.lists(st.sampled_from(SEGMENTS), min_size=1).map(lambda segments: "/" + "/".join(segments)),
    st.sampled_from(["", "http://host:81"]),
    st.sampled_from(["", "?x=/../y"]),
    st.sampled_from(["", "/a", "/app", "/app/a"]),
    st.sampled_from(["not given", "given", "given and told"]),
    st.sampled_from(["", "x", "/x", "/../x"]),
)
def test_script_name_and_path_info_are_the_path_that_was_asked_for(
    path: str, authority: str, query: str, prefix: str, how: str, path_info: str
) -> None:
    decoded = unquote(path, "latin-1")
    asked = without_dots(decoded)
    rest = below(asked, prefix)
    doubt = simplified(decoded) != simplified(asked)
    environ = request("/told" if how == "given" else prefix, path_info, authority + path + query)

    seen = fixed_or_refused(fix(None if how == "not given" else prefix), environ)

    if how == "not given":
        left_alone = doubt or rest is None or (not rest and path_info)
        assert seen == ((prefix, path_info) if left_alone else (prefix, rest))
    elif doubt:
        assert seen == (None if how == "given" else (prefix, path_info))
    else:
        assert seen == (None if rest is None else (prefix, rest))
