"""Mounting by host: the forms of keys, the key that a request is for, and malformed Host headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client

from flask_embed.errors import PrefixError
from flask_embed.middleware import DispatcherMiddleware
from flask_embed.middleware.hosts import host_keys, normalize_host

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def named(name: str) -> WSGIApplication:
    """A WSGI app that answers with its name and where it sees itself."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{name} {environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]

    return app


def mounted(*keys: str) -> DispatcherMiddleware:
    """A dispatcher with an app at each key that answers with its key."""
    return DispatcherMiddleware(None, {key: named(key) for key in keys})


def ask(dispatcher: DispatcherMiddleware, host: str | None, path: str = "/", **environ: Any) -> tuple[str, bytes]:
    """Status and body of the answer to a request with exactly this Host."""
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)

    asked = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "wsgi.url_scheme": "http", **environ}
    if host is not None:
        asked["HTTP_HOST"] = host
    before = dict(asked)
    body = b"".join(dispatcher(asked, start_response))
    assert asked == before
    return statuses[0], body


def winner(dispatcher: DispatcherMiddleware, host: str, path: str = "/", **environ: Any) -> str:
    """The key of the mount that answers, empty for the 404."""
    status, body = ask(dispatcher, host, path, **environ)
    return body.decode("latin-1").partition(" ")[0] if status == "200 OK" else ""


LONGEST = ".".join(["a" * 63] * 4)  # 255 characters


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("example.com.", "example.com"),
        ("example.com.:8080", "example.com:8080"),
        ("example.com:", "example.com"),
        ("example.com:08080", "example.com:8080"),
        ("example.com:80", "example.com:80"),
        ("example.com:65535", "example.com:65535"),
        ("localhost", "localhost"),
        ("container_name:5000", "container_name:5000"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]:8000", "[::1]:8000"),
        ("[0000:0000:0000:0000:0000:0000:0000:0001]", "[::1]"),
        ("[2001:DB8::00FF]", "[2001:db8::ff]"),
        ("[2001:db8:0:0:1:0:0:1]", "[2001:db8::1:0:0:1]"),
        ("*.example.com", "*.example.com"),
        ("*.EXAMPLE.com.:8080", "*.example.com:8080"),
        ("*.com", "*.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example.:81", "xn--bcher-kva.example:81"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("bücher\u3002example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        (LONGEST, LONGEST),
    ],
)
def test_a_host_has_one_stored_form_that_is_its_own(written: str, stored: str) -> None:
    assert normalize_host(written) == stored
    assert normalize_host(stored) == stored


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("a b", "write 'example.com'"),
        ("a\tb", "write 'example.com'"),
        ("user@example.com", "write 'example.com'"),
        ("a,b", "write 'example.com'"),
        ("a%62", "write 'example.com'"),
        ("a\\b", "write 'example.com'"),
        ("a?b", "write 'example.com'"),
        ("a#b", "write 'example.com'"),
        ("a\r\nX: y", "write 'example.com'"),
        ("a\0", "write 'example.com'"),
        (".", "write 'example.com'"),
        ("..", "write 'example.com'"),
        (".example.com", "write 'example.com'"),
        ("a..b", "write 'example.com'"),
        ("a.b..", "write 'example.com'"),
        (":8080", "write 'example.com'"),
        ("a:b", "write 'example.com'"),
        ("a:8:8", "write 'example.com'"),
        ("a:-1", "write 'example.com'"),
        ("a:٣", "write 'example.com'"),
        ("a" * 256, "write 'example.com'"),
        ("[]", "write "),
        ("[::1]x", "write 'example.com'"),
        ("[::1]x:80", "write 'example.com'"),
        ("[::1%eth0]", "write "),
        ("::1%\x1b", "write 'example.com'"),
        ("[zz]", "write "),
        ("\u2100.example", "write 'example.com'"),
        ("*.", "write 'example.com'"),
        ("*", "write '*.example.com'"),
        ("*:80", "write '*.example.com'"),
        ("*example.com", "write '*.example.com'"),
        ("www.*.com", "write '*.example.com'"),
        ("*.*.example.com", "write '*.example.com'"),
        ("\uff0aexample.com", "write '*.example.com'"),
        ("*.127.0.0.1", "write it without '*.'"),
        ("*.[::1]", "write it without '*.'"),
        ("example.com:0", "write one from 1 to 65535"),
        ("example.com:65536", "write one from 1 to 65535"),
        ("ü..example", "leave it out"),
        ("ü" * 64, "leave it out"),
        ("\ud800.example", "leave it out"),
    ],
)
def test_what_is_no_host_is_shown_with_the_way_out(written: str, hint: str) -> None:
    with pytest.raises(PrefixError) as caught:
        DispatcherMiddleware(None, {f"{written}/shop": named("x")})
    assert repr(written) in str(caught.value)
    assert hint in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("written", ["[::1", "[::::]", "[1.2.3.4]", "[...]", "[1::2::3]"])
def test_brackets_that_hold_no_address_of_ipv6_are_refused(written: str) -> None:
    with pytest.raises(PrefixError) as caught:
        normalize_host(written)
    assert repr(written) in str(caught.value)


def test_an_address_of_ipv6_without_brackets_is_refused_with_its_spelling_in_brackets() -> None:
    with pytest.raises(PrefixError, match=r"\[::1\]"):
        normalize_host("::1")


@pytest.mark.parametrize("key", ["example.com/a b", "example.com//x", "example.com/../x", "a b/shop", "*/shop", "a:0/"])
def test_a_bad_key_with_a_host_is_shown_as_it_was_written(key: str) -> None:
    with pytest.raises(PrefixError) as caught:
        DispatcherMiddleware(None, {key: named("x")})
    assert repr(key) in str(caught.value)


def test_a_key_with_a_scheme_is_refused_with_the_key_without_it() -> None:
    with pytest.raises(PrefixError) as caught:
        DispatcherMiddleware(None, {"http://example.com/shop": named("x")})
    assert "write 'example.com/shop'" in str(caught.value)


@pytest.mark.parametrize("key", ["example.com", "localhost:5000", "*.example.com", "[::1]:80", "*"])
def test_a_key_without_a_slash_is_refused_with_both_spellings(key: str) -> None:
    with pytest.raises(PrefixError) as caught:
        DispatcherMiddleware(None, {key: named("x")})
    assert f"write '/{key}' for a path, '{key}/' for a host" in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("example.com/", "EXAMPLE.COM./"),
        ("example.com/shop", "example.com/shop/"),
        ("example.com:8080/", "example.com:08080/"),
        ("[::1]/x", "[0:0::1]/x/"),
        ("*.example.com/", "*.Example.com./"),
        ("bücher.example/", "xn--bcher-kva.example/"),
        ("example.com/über", "example.com/über/"),
    ],
)
def test_duplicates_are_refused_after_normalising_hosts(one: str, other: str) -> None:
    with pytest.raises(PrefixError) as caught:
        DispatcherMiddleware(None, {one: named("1"), other: named("2")})
    assert f"{other!r} is taken" in str(caught.value)
    dispatcher = mounted(one)
    with pytest.raises(PrefixError, match="taken"):
        dispatcher.mount(other, named("2"))
    dispatcher.mounts[other] = named("other")
    assert len(dispatcher.mounts) == 1
    dispatcher.unmount(one)
    assert len(dispatcher.mounts) == 0


@pytest.mark.parametrize(
    ("key", "hosts", "others"),
    [
        (
            "example.com/",
            ["example.com", "EXAMPLE.com", "example.com.", "example.com:80", "example.com:8080", "example.com.:81"],
            ["www.example.com", "example.org", "evilexample.com", "example.com.evil.org", "xample.com", "", "com"],
        ),
        (
            "example.com:8080/",
            ["example.com:8080", "EXAMPLE.com.:8080"],
            ["example.com", "example.com:80", "example.com:808", "example.com:18080", "example.com:8080.evil.org"],
        ),
        ("example.com:80/", ["example.com", "example.com:80", "example.com:", "example.com."], ["example.com:443"]),
        (
            "[::1]/",
            ["[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]", "[0::1]:1"],
            ["[::2]", "::1", "localhost", "127.0.0.1"],
        ),
        ("[2001:db8::ff]:80/", ["[2001:DB8:0::00ff]", "[2001:db8::FF]:80"], ["[2001:db8::ff]:81"]),
        ("127.0.0.1/", ["127.0.0.1", "127.0.0.1:5000", "127.0.0.1."], ["127.0.0.2", "x.127.0.0.1", "[::ffff:7f00:1]"]),
        (
            "*.example.com/",
            ["www.example.com", "a.b.c.example.com", "WWW.Example.Com.:99", "_x.example.com"],
            ["example.com", "evilexample.com", "www.example.com.evil.org", "example.com.", "wwwexample.com", "x.com"],
        ),
        ("*.example.com:8080/", ["a.example.com:8080", "a.b.example.com:8080"], ["a.example.com", "example.com:8080"]),
        ("*.com/", ["a.com", "b.a.com"], ["com", "acom", "a.org", "127.0.0.1"]),
        ("*.1/", [], ["127.0.0.1", "[::1]", "1"]),
        ("bücher.example/", ["xn--bcher-kva.example", "XN--BCHER-KVA.example:1"], ["bcher-kva.example"]),
        (f"{LONGEST}/", [LONGEST, LONGEST.upper(), f"{LONGEST}:8080"], [LONGEST[1:], f"a{LONGEST}"]),
        (f"*.{LONGEST[64:]}/", [LONGEST], [LONGEST[64:]]),
    ],
)
def test_a_mount_gets_its_hosts_and_no_other(key: str, hosts: list[str], others: list[str]) -> None:
    dispatcher = mounted(key)
    assert {host: winner(dispatcher, host) for host in hosts} == dict.fromkeys(hosts, key)
    for host in others:
        assert ask(dispatcher, host) == ("404 Not Found", b"Not Found\n")


def test_the_default_port_is_that_of_the_scheme() -> None:
    dispatcher = mounted("example.com:80/", "example.com:443/", "/")
    assert winner(dispatcher, "example.com") == "example.com:80/"
    assert winner(dispatcher, "example.com", **{"wsgi.url_scheme": "https"}) == "example.com:443/"
    assert winner(dispatcher, "example.com:443") == "example.com:443/"
    assert winner(dispatcher, "example.com:80", **{"wsgi.url_scheme": "https"}) == "example.com:80/"
    assert winner(dispatcher, "example.com:8080", **{"wsgi.url_scheme": "https"}) == "/"


def test_without_a_host_header_the_server_has_the_name() -> None:
    dispatcher = mounted("example.com:8080/", "[::1]/", "/")
    for absent in (None, ""):
        assert ask(dispatcher, absent, SERVER_NAME="example.com", SERVER_PORT="unix")[1].startswith(b"/ ")
        assert ask(dispatcher, absent, SERVER_NAME="a..b/c", SERVER_PORT="")[1].startswith(b"/ ")
        assert ask(dispatcher, absent, SERVER_NAME="example.com", SERVER_PORT="8080")[1].startswith(b"example.com")
        assert ask(dispatcher, absent, SERVER_NAME="::1", SERVER_PORT="8080")[1].startswith(b"[::1]/")
        assert ask(dispatcher, absent)[1].startswith(b"/ ")


def test_the_most_exact_host_wins_whatever_the_order() -> None:
    keys = [
        "a.b.example.com:8080/",
        "a.b.example.com/",
        "*.b.example.com:8080/",
        "*.b.example.com/",
        "*.example.com:8080/",
        "*.example.com/",
        "*.com:8080/",
        "*.com/",
        "/",
    ]
    for first in range(len(keys)):
        left = keys[first:]
        for order in (left, left[::-1]):
            assert winner(mounted(*order), "a.b.example.com:8080") == left[0]


def test_a_host_without_a_mount_for_the_path_falls_through_to_the_next() -> None:
    dispatcher = mounted("www.example.com/shop", "*.example.com/blog", "/wiki", "/shop", "/")
    assert winner(dispatcher, "www.example.com", "/shop/x") == "www.example.com/shop"
    assert winner(dispatcher, "www.example.com", "/blog/x") == "*.example.com/blog"
    assert winner(dispatcher, "www.example.com", "/wiki/x") == "/wiki"
    assert winner(dispatcher, "www.example.com", "/shopping") == "/"
    assert winner(dispatcher, "other.example.com", "/shop") == "/shop"
    assert winner(dispatcher, "other.org", "/blog") == "/"


def test_a_longer_prefix_without_host_loses_to_a_shorter_one_with_it() -> None:
    dispatcher = mounted("example.com/a", "/a/b/c", "*.com/a/b")
    assert winner(dispatcher, "example.com", "/a/b/c") == "example.com/a"
    assert winner(dispatcher, "other.com", "/a/b/c") == "*.com/a/b"
    assert winner(dispatcher, "other.org", "/a/b/c") == "/a/b/c"


def test_an_app_under_a_host_sees_only_the_prefix() -> None:
    dispatcher = mounted("example.com/über", "api.example.com/")
    assert ask(dispatcher, "api.example.com", "//x/")[1] == b"api.example.com/ |//x/"
    path = "/über/x".encode().decode("latin-1")
    assert ask(dispatcher, "example.com", path)[1] == b"example.com/\xfcber /\xc3\xbcber|/x"


def test_the_last_mount_of_a_host_takes_the_host_along() -> None:
    dispatcher = mounted("example.com/", "/")
    dispatcher.unmount("EXAMPLE.com:/")
    assert winner(dispatcher, "example.com") == "/"
    assert Client(dispatcher).get("/x", base_url="http://example.com").text == "/ |/x"
    with pytest.raises(KeyError):
        dispatcher.unmount("example.com/")


JUNK = [
    "a b<c>",
    "good@evil.com",
    "example.com/evil",
    "example.com\r\nX: y",
    "example.com,evil.com",
    "[",
    "]",
    "[]",
    "[::1",
    "::1",
    "[[::1]]",
    ":",
    "::",
    ":80",
    "...",
    ".example.com.",
    "*.example.com",
    "*",
    "\x00",
    "\xff\xfe",
    "example.com:" + "9" * 5000,
    "1" * 5000,
    "[" + ":" * 5000 + "]",
    "." * 8000,
]


@pytest.mark.parametrize(
    ("host", "scheme"), [*((host, "http") for host in JUNK), ("::1", "https"), (":80", "https"), (":80", "javascript")]
)
def test_a_junk_host_never_raises(host: str, scheme: str) -> None:
    dispatcher = mounted("other.org/", "[::2]/", "*.other.org:80/", "/")
    assert ask(dispatcher, host, "/x", **{"wsgi.url_scheme": scheme}) == ("200 OK", b"/ |/x")


@given(
    host=st.text(max_size=30) | st.from_regex(r"[\[\]:.*a-b0-1]{0,12}", fullmatch=True),
    scheme=st.sampled_from(["http", "https", ""]),
)
def test_whatever_the_host_says_a_request_is_answered_without_an_exception(host: str, scheme: str) -> None:
    dispatcher = mounted("a.b/", "*.a/", "[::1]:1/", "/")
    status, body = ask(dispatcher, host, "/x", **{"wsgi.url_scheme": scheme})
    assert status == "200 OK"
    assert body.endswith(b" |/x")


@given(host=st.text(max_size=20) | st.from_regex(r"(\*\.)?[\[\]:.*A-Bü0-1]{1,12}(:[0-9]{0,6})?", fullmatch=True))
def test_any_text_is_a_host_with_one_stored_form_or_a_prefix_error(host: str) -> None:
    try:
        stored, said = normalize_host(host), ""
    except PrefixError as error:
        stored, said = "", str(error)
    if stored:
        assert normalize_host(stored) == stored
        assert stored in host_keys({"HTTP_HOST": stored.replace("*", "any")})
    else:
        assert repr(host) in said
        assert "\n" not in said


@pytest.mark.parametrize("host", ["a." * 4000, "." * 8000, "a." * 4000 + "example.com"])
def test_a_long_host_does_not_make_the_keys_grow_with_its_square(host: str) -> None:
    keys = host_keys({"HTTP_HOST": host})
    assert sum(len(key) for key in keys) < 200_000


@pytest.mark.parametrize(
    "host", [".example.com", "..example.com", "\0.example.com", "a@b.example.com", "a,b.example.com"]
)
def test_a_host_that_none_can_be_is_not_below_a_wildcard(host: str) -> None:
    assert winner(mounted("*.example.com/", "/"), host) == "/"


@pytest.mark.parametrize(
    "host",
    [".example.com", "example.com..", "[::1", "[::1].evil.com", "[::1]evil", "example.com:evil", "example.com:80:80"],
)
def test_a_host_that_none_can_be_is_not_an_exact_one(host: str) -> None:
    assert winner(mounted("example.com/", "[::1]/", "/"), host) == "/"


def test_the_port_of_a_request_is_a_number() -> None:
    assert winner(mounted("example.com:8080/", "/"), "example.com:08080") == "example.com:8080/"


@pytest.mark.parametrize(
    ("written", "sent"), [("straße.example", "xn--strae-oqa.example"), ("βόλος.example", "xn--nxasmm1c.example")]
)
def test_a_letter_that_idna_2003_folds_is_what_browsers_send_or_is_refused(written: str, sent: str) -> None:
    try:
        stored = normalize_host(written)
    except PrefixError:
        return
    assert stored == sent
