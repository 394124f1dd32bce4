"""Prefixes: their form, the split of a path at one, and the middleware."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from werkzeug.test import Client

from flask_embed.errors import PrefixError
from flask_embed.middleware.prefix import PrefixMiddleware, below, longest_match, normalize_prefix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def tell(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """A WSGI app that answers with where it sees itself."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("/shop", "/shop"),
        ("/shop/", "/shop"),
        ("shop", "/shop"),
        ("shop/", "/shop"),
        ("/a/b", "/a/b"),
        ("", ""),
        ("/", ""),
        ("/über", "/Ã¼ber"),
        ("/a.b/..c", "/a.b/..c"),
        ("/a:b@c", "/a:b@c"),
    ],
)
def test_a_prefix_has_one_stored_form(written: str, stored: str) -> None:
    assert normalize_prefix(written) == stored


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("//app", "write '/app'"),
        ("//evil.com/x", "write '/evil.com/x'"),
        ("/a//b", "write '/a/b'"),
        ("/a//", "write '/a'"),
        ("/a b", "white space"),
        ("/a\u00a0b", "white space"),
        ("/a\tb", "white space or a control character"),
        ("/a\x7fb", "control character"),
        ("/../x", "segment"),
        ("/x/.", "segment"),
        ("/%61", "'%'"),
        ("/a?b", "'?'"),
        ("/a#b", "'#'"),
        ("/a\\b", "'\\\\'"),
        ("/\ud800", "UTF-8"),
        ("//", "//"),
        ("//a\x1b\n", r"write '/a\x1b\n'"),
    ],
)
def test_a_prefix_that_cannot_be_one_is_named_with_the_way_out(written: str, hint: str) -> None:
    with pytest.raises(PrefixError) as caught:
        normalize_prefix(written)
    assert repr(written) in str(caught.value)
    assert hint in str(caught.value)
    assert str(caught.value).isprintable()


def test_prefix_is_matched_at_segment_border() -> None:
    assert [below(path, "/app") for path in ("/app", "/app/", "/app//x", "/appx", "/APP/x", "/")] == [
        "",
        "/",
        "//x",
        None,
        None,
        None,
    ]
    assert below("/x", "") == "/x"


def test_the_longest_prefix_wins_within_the_depth() -> None:
    prefixes = {"/a", "/a/b", "/a/b/c/d"}
    for path, expected in {
        "/a": "/a",
        "/a/": "/a",
        "/a/b": "/a/b",
        "/a/b/c": "/a/b",
        "/a/b/c/d/e": "/a/b/c/d",
        "/a//b": "/a",
        "/ab": "",
        "a/b": "",
        "": "",
    }.items():
        assert longest_match(path, {prefix: prefix for prefix in prefixes}, 4, "") == expected


def test_verbatim_moves_the_prefix_and_tells_the_broken_contract_once(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(PrefixMiddleware(tell, "/app/"))
    assert client.get("/app/x//y").text == "/app|/x//y"
    assert client.get("/app").text == "/app|"
    assert client.get("/app/x", base_url="http://localhost/outer").text == "/outer/app|/x"
    assert caplog.records == []
    for path in ("/appx", "/", "/bad%0Apath"):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (404, "Not Found\n")
    assert len(caplog.records) == 1
    assert "'/appx' is not below the prefix '/app'" in caplog.text
    assert "use the mode 'stripped'" in caplog.text


def test_stripped_sets_only_script_name(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(PrefixMiddleware(tell, "app", mode="stripped"))
    assert client.get("/x").text == "/app|/x"
    assert client.get("/appx", base_url="http://localhost/outer").text == "/outer/app|/appx"
    assert client.get("/x/app").text == "/app|/x/app"
    assert caplog.records == []


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/x%0a%1b", "/app//x"])
def test_stripped_serves_a_path_with_the_prefix_still_there_and_tells_it_once(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(PrefixMiddleware(tell, "/app", mode="stripped"))
    for asked in ("/x", path, path, "/app/other"):
        answer = client.get(asked, base_url="http://localhost/outer")
        assert (answer.status_code, answer.text) == (200, f"/outer/app|{unquote(asked)}")
    (record,) = caplog.records
    message = record.getMessage()
    assert (record.name, record.levelname) == ("flask_embed.middleware", "WARNING")
    assert message.isprintable()
    assert "'/app'" in message
    assert "use the mode 'verbatim'" in message


@pytest.mark.parametrize("prefix", ["", "/"])
def test_stripped_of_nothing_there_is_nothing_to_tell(prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(PrefixMiddleware(tell, prefix, mode="stripped"))
    assert client.get("/").text == "|/"
    assert client.get("/x").text == "|/x"
    assert caplog.records == []


@pytest.mark.parametrize(
    ("option", "mode", "other"),
    [
        ("--prefix", "verbatim", "use --script-name in place of --prefix."),
        ("--script-name", "stripped", "use --prefix in place of --script-name."),
    ],
)
def test_the_option_that_a_prefix_comes_from_is_named_with_the_other_one(
    option: Any, mode: Any, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(PrefixMiddleware(tell, "/büro", mode, option=option))

    client.get("/x" if mode == "verbatim" else "/büro/x")

    assert f"{option} '/büro'" in caplog.messages[0]
    assert other in caplog.messages[0]
    assert "mode" not in caplog.messages[0]


def test_each_middleware_tells_its_own_broken_contract(caplog: pytest.LogCaptureFixture) -> None:
    for prefix in ("/a", "/b"):
        Client(PrefixMiddleware(tell, prefix, mode="stripped")).get(f"{prefix}/x")
        Client(PrefixMiddleware(tell, prefix)).get("/x")
    assert len(caplog.records) == 4


def test_the_callers_environ_is_left_alone() -> None:
    environ: dict[str, Any] = {"SCRIPT_NAME": "/outer", "PATH_INFO": "/app/x", "REQUEST_METHOD": "GET"}
    before = dict(environ)
    assert PrefixMiddleware(tell, "/app")(environ, lambda *args: lambda data: None) == [b"/outer/app|/x"]
    assert environ == before


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="'strip' is unknown"):
        PrefixMiddleware(tell, "/app", mode="strip")  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", [None, 5, b"/shop"])
def test_what_is_no_text_is_no_prefix(prefix: object) -> None:
    with pytest.raises(TypeError, match=re.escape(repr(prefix))):
        normalize_prefix(prefix)  # type: ignore[arg-type]
