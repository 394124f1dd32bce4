"""The head of an answer: how its body ends, whether the connection lasts, and what CGI leaves out."""

from __future__ import annotations

import re

import pytest

from flask_embed.adapters.serving.response_head import cgi_head, http_head

LENGTH = ("Content-Length", "2")


def head(
    status: str, *headers: tuple[str, str], method: str = "GET", is_http11: bool = True, keep_alive: bool = True
) -> tuple[list[str], bool, bool]:
    """The lines behind the status line, without Date; True if chunked; True if the connection lasts."""
    data, is_chunked, lasts = http_head(status, list(headers), method, is_http11=is_http11, keep_alive=keep_alive)
    first, *lines = data.decode("latin-1").split("\r\n")
    assert first == f"HTTP/1.1 {status}"
    assert lines[-2:] == ["", ""]
    dates = [line for line in lines if re.fullmatch(r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", line)]
    assert len(dates) == 1
    return [line for line in lines[:-2] if line not in dates], is_chunked, lasts


@pytest.mark.parametrize(
    ("status", "headers", "method", "is_http11", "keep_alive", "lines", "is_chunked", "lasts"),
    [
        ("200 OK", [LENGTH], "GET", True, True, ["Content-Length: 2"], False, True),
        ("200 OK", [LENGTH], "GET", True, False, ["Content-Length: 2", "Connection: close"], False, False),
        ("200 OK", [LENGTH], "GET", False, True, ["Content-Length: 2", "Connection: keep-alive"], False, True),
        ("200 OK", [], "GET", True, True, ["Transfer-Encoding: chunked"], True, True),
        ("200 OK", [], "GET", True, False, ["Transfer-Encoding: chunked", "Connection: close"], True, False),
        ("200 OK", [], "GET", False, True, ["Connection: close"], False, False),
        ("200 OK", [], "HEAD", True, True, [], False, True),
        ("200 OK", [], "HEAD", False, True, ["Connection: keep-alive"], False, True),
        ("204 No Content", [], "GET", True, True, [], False, True),
        ("304 Not Modified", [], "GET", False, True, ["Connection: keep-alive"], False, True),
    ],
)
def test_the_end_of_the_body_can_be_found(
    status: str,
    headers: list[tuple[str, str]],
    method: str,
    is_http11: bool,
    keep_alive: bool,
    lines: list[str],
    is_chunked: bool,
    lasts: bool,
) -> None:
    found = head(status, *headers, method=method, is_http11=is_http11, keep_alive=keep_alive)
    assert found == (lines, is_chunked, lasts)


@pytest.mark.parametrize("name", ["content-length", "CONTENT-LENGTH"])
def test_a_length_counts_however_it_is_spelled(name: str) -> None:
    assert head("200 OK", (name, "2"))[1] is False


def test_a_header_that_ends_like_another_one_is_not_that_one() -> None:
    lines, is_chunked, _ = head("200 OK", ("X-Content-Length", "2"), ("X-Date", "never"))
    assert is_chunked
    assert lines == ["X-Content-Length: 2", "X-Date: never", "Transfer-Encoding: chunked"]


def test_an_app_s_own_date_stays_the_only_one() -> None:
    date = ("Date", "Tue, 15 Nov 1994 08:12:31 GMT")
    data, _, _ = http_head("200 OK", [date, LENGTH], "GET", is_http11=True, keep_alive=True)
    assert data == b"HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 2\r\n\r\n"


def test_cgi_leaves_out_the_app_s_own_status_and_a_location_that_redirects_nothing() -> None:
    own = [("Status", "500 Own"), ("Location", "/other"), ("X", "1")]
    assert cgi_head("200 OK", own) == b"Status: 200 OK\r\nX: 1\r\n\r\n"
    assert cgi_head("302 Found", own) == b"Status: 302 Found\r\nLocation: /other\r\nX: 1\r\n\r\n"
