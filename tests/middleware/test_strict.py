"""The gate: what passes, what is refused, and what the refusal says."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ, run_wsgi_app

from flask_embed.middleware import StrictEnviron
from flask_embed.middleware.strict import environ_fault

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


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
        {"PATH_INFO": "/../x"},
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
