"""The environ that the HTTP runners make of a request's head, and the heads that they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flask_embed.adapters.serving.http_environ import connection_environ, environ_of, keeps_alive
from flask_embed.adapters.serving.limits import BadRequestError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

BASE = connection_environ(("::1", 8000), ("192.0.2.1", 4711), software="test", multithread=True, multiprocess=False)


def environ(
    *headers: tuple[str, str], method: str = "GET", target: str = "/", protocol: str = "HTTP/1.1"
) -> WSGIEnvironment:
    return environ_of(BASE, method, target, protocol, [("Host", "a"), *headers])


def status(*headers: tuple[str, str], method: str = "GET", target: str = "/", protocol: str = "HTTP/1.1") -> str:
    with pytest.raises(BadRequestError) as caught:
        environ_of(BASE, method, target, protocol, headers)
    return caught.value.status[:3]


def test_a_connection_knows_both_ends() -> None:
    found = {key: BASE[key] for key in ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT", "SCRIPT_NAME")}
    assert found == {
        "SERVER_NAME": "::1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "4711",
        "SCRIPT_NAME": "",
    }


def test_a_unix_socket_has_a_name_and_no_peer() -> None:
    found = connection_environ("/run/app.sock", "", software="test", multithread=False, multiprocess=True)
    assert (found["SERVER_NAME"], found["SERVER_PORT"], found["REMOTE_ADDR"]) == ("localhost", "80", "")
    assert "REMOTE_PORT" not in found


def test_the_base_is_left_alone() -> None:
    before = dict(BASE)
    environ(("X-A", "1"), target="/a?b")
    assert before == BASE


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a%20b?c=%20?d", "/a b", "c=%20?d"),
        ("/%C3%BC%ff", "/\xc3\xbc\xff", ""),
        ("//a//b/../c", "//a//b/../c", ""),
        ("/?", "/", ""),
        ("http://a", "/", ""),
        ("HTTP://A:80?x", "/", "x"),
        ("http://a/b/", "/b/", ""),
    ],
)
def test_the_target_is_split_and_decoded_once(target: str, path: str, query: str) -> None:
    found = environ(target=target)
    assert (found["PATH_INFO"], found["QUERY_STRING"], found["REQUEST_URI"]) == (path, query, target)


def test_headers_are_named_and_joined() -> None:
    found = environ(
        ("X-One", "1"), ("x-ONE", "2"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("Content-Type", "text/plain")
    )
    assert (found["HTTP_X_ONE"], found["HTTP_COOKIE"], found["CONTENT_TYPE"]) == ("1,2", "a=1; b=2", "text/plain")
    assert "HTTP_CONTENT_TYPE" not in found


def test_headers_that_pass_for_others_are_left_out() -> None:
    found = environ(
        ("X_One", "1"), ("Content_Length", "5"), ("Proxy", "http://evil"), ("SCRIPT_NAME", "/x"), ("_", "1")
    )
    assert {key for key in found if key not in BASE} == {
        "HTTP_HOST",
        "REQUEST_METHOD",
        "REQUEST_URI",
        "SERVER_PROTOCOL",
        "PATH_INFO",
        "QUERY_STRING",
    }
    assert found["SCRIPT_NAME"] == ""


def test_a_header_with_a_long_name_is_one_like_others() -> None:
    assert environ(("X-" + "a" * 100, "1"))["HTTP_X_" + "A" * 100] == "1"


@pytest.mark.parametrize("length", ["-1", "+3", "1_0", "abc", "", "3 3", "1" * 19, "\u0663"])
def test_a_length_is_a_number(length: str) -> None:
    assert status(("Host", "a"), ("Content-Length", length), method="POST") == "400"


def test_space_around_a_length_does_not_count() -> None:
    assert environ(("Content-Length", " 3\t"), method="POST")["CONTENT_LENGTH"] == "3"


def test_the_coding_of_the_body_is_no_business_of_the_app() -> None:
    assert "HTTP_TRANSFER_ENCODING" not in environ(("Transfer-Encoding", "Chunked"), method="POST")


@pytest.mark.parametrize(
    ("headers", "protocol", "expected"),
    [
        ([("Transfer-Encoding", "gzip, chunked")], "HTTP/1.1", "501"),
        ([("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")], "HTTP/1.1", "501"),
        ([("Transfer-Encoding", "chunked"), ("Content-Length", "3")], "HTTP/1.1", "400"),
        ([("Transfer-Encoding", "chunked")], "HTTP/1.0", "400"),
        ([("Host", "b")], "HTTP/1.1", "400"),
        ([("Content-Type", "a/b"), ("Content-Type", "c/d")], "HTTP/1.1", "400"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(
    headers: list[tuple[str, str]], protocol: str, expected: str
) -> None:
    assert status(("Host", "a"), *headers, method="POST", protocol=protocol) == expected


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "*", "400"),
        ("GET", "a", "400"),
        ("GET", "", "400"),
        ("GET", "/a#b", "400"),
        ("GET", "/\xfc", "400"),
        ("GET", "/a b", "400"),
        ("GET", "http://b/", "400"),
        ("GET", "http://u@a/", "400"),
        ("GET", "http:///", "400"),
        ("GET", "ftp://a/", "400"),
        ("CONNECT", "a:443", "501"),
    ],
)
def test_targets_that_name_no_path_here_are_refused(method: str, target: str, expected: str) -> None:
    assert status(("Host", "a"), method=method, target=target) == expected


def test_a_host_is_needed_from_http_1_1_on() -> None:
    assert status() == "400"
    assert "HTTP_HOST" not in environ_of(BASE, "GET", "/", "HTTP/1.0", [])
    assert environ_of(BASE, "GET", "http://b:81/x", "HTTP/1.0", [])["HTTP_HOST"] == "b:81"


@pytest.mark.parametrize(
    ("protocol", "value", "expected"),
    [
        ("HTTP/1.1", None, True),
        ("HTTP/1.1", "keep-alive, Upgrade", True),
        ("HTTP/1.1", "x , Close", False),
        ("HTTP/1.1", "closed", True),
        ("HTTP/1.0", None, False),
        ("HTTP/1.0", "Keep-Alive", True),
        ("HTTP/1.0", "keep-alive,close", False),
    ],
)
def test_a_connection_lasts_if_the_client_wants_it_to(protocol: str, value: str | None, expected: bool) -> None:
    headers = [] if value is None else [("Connection", value)]
    assert keeps_alive(environ(*headers, protocol=protocol)) is expected
