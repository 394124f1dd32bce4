"""The gate: requests that pass, requests that are refused with 400, and the answer and the log of a refusal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ, run_wsgi_app

from flask_embed.middleware import StrictEnviron
from flask_embed.middleware.strict import environ_fault
from tests.security.checks import linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """A WSGI app that answers with where it sees itself."""
    start_response("200 OK", [])
    return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]


def seen_by_app(**changes: Any) -> tuple[int, WSGIEnvironment | None]:
    """The status of a request with these changes to its environ, and what the app saw, if it was called."""
    seen: list[WSGIEnvironment] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return []

    environ = create_environ("/path", "http://example.com/", query_string="a=b")
    for key, value in changes.items():
        environ[key.replace("wsgi_", "wsgi.")] = value
    before = dict(environ)
    status = run_wsgi_app(StrictEnviron(app), environ)[1]
    assert {key: environ[key] for key in before} == before
    return int(status[:3]), seen[0] if seen else None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"REQUEST_METHOD": "PROPFIND"},
        {"REQUEST_METHOD": "M-SEARCH"},
        {"REQUEST_METHOD": "X" * 20},
        {"PATH_INFO": ""},
        {"PATH_INFO": "//x"},
        {"PATH_INFO": "/..."},
        {"PATH_INFO": "/a/..."},
        {"PATH_INFO": "/.../a"},
        {"PATH_INFO": "/.hidden"},
        {"PATH_INFO": "/..hidden/a"},
        {"PATH_INFO": "/a.b/..c"},
        {"PATH_INFO": "/a./b"},
        {"PATH_INFO": "/a../b"},
        {"PATH_INFO": "/a.."},
        {"PATH_INFO": "/.. /a"},
        {"PATH_INFO": "/..\\a"},
        {"PATH_INFO": "/..;a/b"},
        {"PATH_INFO": "/%2e%2e/a"},
        {"QUERY_STRING": "/../a"},
        {"PATH_INFO": "/\xff"},
        {"PATH_INFO": "/\x1b"},
        {"SCRIPT_NAME": "/a/b"},
        {"SCRIPT_NAME": "/b\xc3\xbcro"},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "0"},
        {"CONTENT_LENGTH": "9" * 18},
        {"HTTP_HOST": "my_container:8080"},
        {"HTTP_HOST": "[::1]:8080"},
        {"HTTP_HOST": ""},
        {"HTTP_X": "tab\tand \xe9"},
        {"SSL_CLIENT_CERT": "-----BEGIN-----\nline\n"},
        {"wsgi_url_scheme": "https"},
        {"QUERY_STRING": "q=__debugger__&x__debugger__=%ff&%&=&&__debugger=yes"},
    ],
    ids=str,
)
def test_a_request_passes(changes: dict[str, str]) -> None:
    status, environ = seen_by_app(**changes)

    assert status == 200
    assert environ is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"REQUEST_METHOD": ""},
        {"REQUEST_METHOD": "X" * 21},
        {"REQUEST_METHOD": "GE{T"},
        {"REQUEST_METHOD": "GET "},
        {"REQUEST_METHOD": "G\xc4T"},
        {"PATH_INFO": "path"},
        {"PATH_INFO": "*"},
        {"PATH_INFO": "http://evil/p"},
        {"PATH_INFO": "/a\0b"},
        {"PATH_INFO": "/a\rb"},
        {"PATH_INFO": "/a\nb"},
        {"PATH_INFO": "/."},
        {"PATH_INFO": "/.."},
        {"PATH_INFO": "/./"},
        {"PATH_INFO": "/../"},
        {"PATH_INFO": "/a/."},
        {"PATH_INFO": "/a/.."},
        {"PATH_INFO": "/../x"},
        {"PATH_INFO": "/./x"},
        {"PATH_INFO": "//../x"},
        {"PATH_INFO": "/a//./b"},
        {"PATH_INFO": "/admin/x/../../shop/"},
        {"PATH_INFO": "/a.b/../c"},
        {"PATH_INFO": "/.../.."},
        {"PATH_INFO": "/\xff/.."},
        {"SCRIPT_NAME": "app"},
        {"SCRIPT_NAME": "//evil.com"},
        {"SCRIPT_NAME": "/\\evil.com"},
        {"SCRIPT_NAME": "/a?b"},
        {"SCRIPT_NAME": "/a#b"},
        {"SCRIPT_NAME": "/a\x1fb"},
        {"SCRIPT_NAME": "/a/../b"},
        {"SCRIPT_NAME": "/a/./b"},
        {"SCRIPT_NAME": "/."},
        {"SCRIPT_NAME": "/.."},
        {"SCRIPT_NAME": "/\xff"},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "+3"},
        {"CONTENT_LENGTH": "1_0"},
        {"CONTENT_LENGTH": " 3"},
        {"CONTENT_LENGTH": "abc"},
        {"CONTENT_LENGTH": "9" * 19},
        {"CONTENT_LENGTH": "\u0661"},
        {"HTTP_HOST": "a,evil"},
        {"HTTP_HOST": "good@evil.com"},
        {"HTTP_HOST": "evil.com/x"},
        {"HTTP_HOST": "a b"},
        {"QUERY_STRING": "a\nb"},
        {"REQUEST_URI": "/a\0"},
        {"SERVER_NAME": "a\r\n"},
        {"REMOTE_ADDR": "1.1.1.1\n"},
        {"REMOTE_USER": "a\0"},
        {"CONTENT_TYPE": "text/plain\r\n x"},
        {"HTTP_X": "a\r\n b"},
        {"wsgi_url_scheme": "javascript"},
        {"wsgi_url_scheme": "HTTP"},
        {"wsgi_url_scheme": ""},
        {"QUERY_STRING": "__debugger__=yes"},
        {"QUERY_STRING": "a=b&&__debugger__"},
        {"QUERY_STRING": "%5F_debu%67ger__=yes"},
        {"QUERY_STRING": "\ud800"},
        {"QUERY_STRING": "\u20ac"},
        {"HTTP_COOKIE": "a=\u20ac"},
        {"QUERY_STRING": b"a=b"},
        {"QUERY_STRING": None},
        {"PATH_INFO": None},
        {"CONTENT_LENGTH": 3},
        {"HTTP_HOST": []},
        {"SCRIPT_NAME": 1},
        {"REQUEST_METHOD": None},
        {"REQUEST_METHOD": "G T", "REMOTE_ADDR": None},
    ],
    ids=str,
)
def test_what_is_no_request_is_refused_and_no_app_called(
    changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        status, environ = seen_by_app(**changes)

    assert status == 400
    assert environ is None
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "evil" not in record.getMessage()


#: What servers and their modules set, as it was seen behind Apache, nginx and lighttpd.
MADE_BY_THE_SERVER = [
    "SERVER_SIGNATURE",
    "SERVER_SOFTWARE",
    "SERVER_ADMIN",
    "SERVER_ADDR",
    "DOCUMENT_ROOT",
    "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "SCRIPT_FILENAME",
    "SCRIPT_URL",
    "SCRIPT_URI",
    "PATH_TRANSLATED",
    "GATEWAY_INTERFACE",
    "AUTH_TYPE",
    "UNIQUE_ID",
    "HTTPS",
    "PATH",
    "REDIRECT_STATUS",
    "REDIRECT_URL",
    "REDIRECT_SSL_CLIENT_CERT",
    "REDIRECT_HTTP_X",
    "SSL_CLIENT_CERT",
    "SSL_SERVER_CERT",
    "SSL_CLIENT_CERT_CHAIN_0",
    "SSL_CLIENT_S_DN",
    "MY_SETTING",
    "mod_wsgi.handler_script",
    "my.text",
    "",
]
CHOSEN_BY_A_CLIENT = [
    "PATH_INFO",
    "SCRIPT_NAME",
    "QUERY_STRING",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "REQUEST_METHOD",
    "REQUEST_URI",
    "REQUEST_SCHEME",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REMOTE_IDENT",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "HTTP_HOST",
    "HTTP_COOKIE",
    "HTTP_PROXY",
    "HTTP_X",
    "HTTP_",
    "HTTP_X\n",
]
#: the signature is that of a stock Debian Apache
UNSENDABLE = ["<address>Apache/2.4.71 (Debian) Server at shop.example Port 80</address>\n", "/a\r", "/a\0", "/\u20ac"]


@pytest.mark.parametrize(
    ("key", "value"),
    [*((key, UNSENDABLE[0]) for key in MADE_BY_THE_SERVER), *(("SSL_CLIENT_CERT", value) for value in UNSENDABLE[1:])],
)
def test_what_the_server_made_is_not_judged(key: str, value: str, caplog: pytest.LogCaptureFixture) -> None:
    environ = {**create_environ("/path"), key: value}

    assert environ_fault(environ) is None
    assert run_wsgi_app(StrictEnviron(hello), environ)[1] == "200 OK"
    assert caplog.records == []


@pytest.mark.parametrize("value", UNSENDABLE)
@pytest.mark.parametrize("key", ["PATH_INFO", "HTTP_X", "REMOTE_USER"])
def test_what_a_client_can_choose_is_judged(key: str, value: str) -> None:
    environ = {**create_environ("/path"), key: value}

    assert environ_fault(environ) is not None
    assert run_wsgi_app(StrictEnviron(hello), environ)[1] == "400 Bad Request"


@pytest.mark.parametrize("key", CHOSEN_BY_A_CLIENT)
def test_what_the_server_made_hides_nothing_that_a_client_has_chosen(key: str) -> None:
    environ = {"SERVER_SIGNATURE": "a\n", **create_environ("/path"), "SSL_CLIENT_CERT": "a\nb\n", key: "/a\n"}

    assert environ_fault(environ) is not None


def test_a_line_break_is_told_with_the_variable_that_a_client_has_chosen() -> None:
    environ = {"SERVER_SIGNATURE": "a\n", "SSL_CLIENT_CERT": "\u20ac", **create_environ("/path")}

    assert environ_fault({**environ, "HTTP_X": "a\n"}) == "HTTP_X holds a line break or NUL"
    assert environ_fault({**environ, "HTTP_X": "\u20ac"}) == "HTTP_X holds a character above U+00FF"


@pytest.mark.parametrize(
    "target", ["/a/%2e%2e", "/a/%2E%2e/b", "/%2e", "/.%2e/x", "/a%2f..%2fb", "/a/%2e/", "/shop/x/../../admin", "/a/."]
)
def test_a_dot_segment_is_one_however_it_was_sent(target: str) -> None:
    environ = {**create_environ("/"), "PATH_INFO": unquote(target, "latin-1"), "REQUEST_URI": target}

    assert environ_fault(environ) == "PATH_INFO holds a dot segment"


def test_a_dot_segment_that_stands_in_request_uri_alone_was_resolved_by_the_front() -> None:
    assert seen_by_app(PATH_INFO="/b", REQUEST_URI="/a/../b")[0] == 200


def test_a_path_of_many_dots_is_judged_in_linear_time() -> None:
    def prepare(size: int) -> Callable[[], object]:
        environ = {**create_environ("/"), "PATH_INFO": "/.../..." * size + "/..x"}
        return lambda: environ_fault(environ)

    linear(prepare, 4_000)


def test_the_refusal_says_nothing_of_the_request() -> None:
    body, status, headers = run_wsgi_app(
        StrictEnviron(lambda environ, start_response: []), {**create_environ("/"), "PATH_INFO": "<script>"}
    )

    assert (status, b"".join(body)) == ("400 Bad Request", b"Bad Request\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Length"] == "12"


def test_the_refusal_of_a_head_request_has_no_body() -> None:
    environ = {**create_environ("/", method="HEAD"), "PATH_INFO": "x"}

    body, status, _ = run_wsgi_app(StrictEnviron(lambda environ, start_response: []), environ)

    assert status.startswith("400")
    assert b"".join(body) == b""


def test_http_proxy_is_left_out_and_all_else_as_it_came() -> None:
    status, environ = seen_by_app(HTTP_PROXY="http://evil", HTTP_X="x")

    assert status == 200
    assert environ is not None
    assert "HTTP_PROXY" not in environ
    assert environ["HTTP_X"] == "x"


@pytest.mark.parametrize(
    ("sent", "seen"), [("/", ""), ("/app/", "/app"), ("/app//", "/app"), ("/a/b/", "/a/b"), ("", ""), ("/a", "/a")]
)
def test_a_prefix_does_not_end_with_a_slash(sent: str, seen: str) -> None:
    status, environ = seen_by_app(SCRIPT_NAME=sent, PATH_INFO="/shop")

    assert status == 200
    assert environ is not None
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (seen, "/shop")


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (("/x/", ""), ("/x", "/")),
        (("/x//", ""), ("/x", "/")),
        (("/a/b/", ""), ("/a/b", "/")),
        (("/", ""), ("", "/")),
        (("/x", ""), ("/x", "")),
        (("", ""), ("", "")),
        (("/x/", "/"), ("/x", "/")),
        (("/x/", "//"), ("/x", "//")),
    ],
)
def test_a_slash_at_the_end_of_the_prefix_is_the_path_where_there_is_none(
    sent: tuple[str, str], seen: tuple[str, str]
) -> None:
    _, environ = seen_by_app(SCRIPT_NAME=sent[0], PATH_INFO=sent[1])

    assert environ is not None
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == seen


def test_a_slash_at_the_end_of_the_prefix_is_the_path_where_the_server_leaves_path_info_out() -> None:
    environ = {**create_environ("/"), "SCRIPT_NAME": "/x/"}
    del environ["PATH_INFO"]
    before = dict(environ)

    assert b"".join(run_wsgi_app(StrictEnviron(hello), environ)[0]) == b"/x|/"
    assert environ == before


@given(
    st.dictionaries(
        st.sampled_from(["REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "CONTENT_LENGTH", "HTTP_HOST", "QUERY_STRING"]),
        st.text(st.characters(max_codepoint=255), max_size=40),
    )
)
def test_any_environ_is_judged_without_an_exception(changes: dict[str, str]) -> None:
    fault = environ_fault({**create_environ("/"), **changes})

    assert fault is None or fault.isascii()
    if any(bad in value for value in changes.values() for bad in "\0\r\n"):
        assert fault is not None
