"""ProxyFix: the values that count, the environ with them, and the 400 for malformed ones."""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ, run_wsgi_app

from flask_embed.adapters.proxy import ProxyFix
from flask_embed.environ import request_host, url_root_fault
from flask_embed.middleware.strict import environ_fault
from tests.adapters.fronts import ROWS, Row
from tests.security.checks import linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ORIGINAL = "flask_embed.proxy_fix.orig"
ALL: dict[str, Any] = {"x_for": 1, "x_proto": 1, "x_host": 1, "x_port": 1, "x_prefix": 1}


def request(**changes: str) -> WSGIEnvironment:
    """A request from a proxy at 10.0.0.2; ``forwarded_for`` stands for X-Forwarded-For, and so on."""
    environ = create_environ("/path", "http://app.internal:8000/mount")
    environ.update(REMOTE_ADDR="10.0.0.2", REMOTE_PORT="4711", REMOTE_HOST="proxy.internal")
    for key, value in changes.items():
        environ[f"HTTP_X_{key.upper()}" if key.startswith("forwarded_") else key] = value
    return environ


def through(environ: WSGIEnvironment, **options: Any) -> WSGIEnvironment | None:
    """The environ that the app behind a ProxyFix sees, None if the answer is a 400; the caller's stays as it is."""
    seen: list[WSGIEnvironment] = []
    statuses: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return [b"body"]

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda data: None

    before = dict(environ)
    body = ProxyFix(app, **options)(environ, start_response)
    assert environ == before
    assert (statuses, list(body)) == ((["200 OK"], [b"body"]) if seen else (["400 Bad Request"], [b"Bad Request\n"]))
    return seen[0] if seen else None


def changed(environ: WSGIEnvironment, **options: Any) -> dict[str, Any] | None:
    """The keys that ProxyFix has changed, None for one that it has left out; None altogether if the answer is a 400."""
    after = through(environ, **options)
    if after is None:
        return None
    keys = {*environ, *after} - {ORIGINAL}
    found = {key: after.get(key) for key in keys if after.get(key) != environ.get(key)}
    assert (ORIGINAL in after) is bool(found)
    return found


# Which value counts


def test_the_address_of_the_client_takes_the_place_of_the_proxys() -> None:
    assert changed(request(forwarded_for="203.0.113.7")) == {
        "REMOTE_ADDR": "203.0.113.7",
        "REMOTE_PORT": None,
        "REMOTE_HOST": None,
    }


@pytest.mark.parametrize(
    ("header", "hops", "address"),
    [
        ("1.1.1.1", 1, "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1", 1, "1.1.1.1"),
        ("6.6.6.6,1.1.1.1,2.2.2.2", 2, "1.1.1.1"),
        (" 6.6.6.6 ,\t1.1.1.1\t, 2.2.2.2 , 3.3.3.3", 3, "1.1.1.1"),
        ("1.1.1.1, 2.2.2.2", 2, "1.1.1.1"),
        ("<script>, ,,1.1.1.1", 1, "1.1.1.1"),
        ("1.1.1.1, no address", 2, "1.1.1.1"),
        # fewer values than proxies: the request came another way
        ("6.6.6.6", 2, "10.0.0.2"),
        ("<script>", 2, "10.0.0.2"),
        ("6.6.6.6, 5.5.5.5", 3, "10.0.0.2"),
        ("6.6.6.6", 0, "10.0.0.2"),
        ("<script>", 0, "10.0.0.2"),
        ("", 1, "10.0.0.2"),
        (" \t", 1, "10.0.0.2"),
    ],
)
def test_values_are_counted_from_the_right(header: str, hops: int, address: str) -> None:
    environ = through(request(forwarded_for=header), x_for=hops)

    assert environ is not None
    assert environ["REMOTE_ADDR"] == address
    assert environ["HTTP_X_FORWARDED_FOR"] == header


def test_each_header_has_its_own_number() -> None:
    environ = request(
        forwarded_for="1.1.1.1, 2.2.2.2",
        forwarded_proto="https, http",
        forwarded_host="a.example, b.example",
        forwarded_port="1, 2",
        forwarded_prefix="/a, /b",
    )

    after = through(environ, x_for=1, x_proto=2, x_host=1, x_port=2, x_prefix=2)

    assert after is not None
    assert after["REMOTE_ADDR"] == "2.2.2.2"
    assert after["wsgi.url_scheme"] == "https"
    assert after["HTTP_HOST"] == "b.example:1"
    assert after["SCRIPT_NAME"] == "/a/mount"


def test_for_and_proto_alone_count_unless_asked() -> None:
    environ = request(
        forwarded_for="1.1.1.1",
        forwarded_proto="https",
        forwarded_host="evil.com/x",
        forwarded_port="no",
        forwarded_prefix="//evil.com",
    )

    found = changed(environ)

    assert found is not None
    assert sorted(found) == ["HTTPS", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT", "wsgi.url_scheme"]


def test_with_all_numbers_0_nothing_counts() -> None:
    bad = request(forwarded_for="x", forwarded_proto="x", forwarded_host="/", forwarded_port="x", forwarded_prefix="x")

    assert through(bad, x_for=0, x_proto=0) is bad


def test_without_such_headers_the_environ_is_passed_on_as_it_is() -> None:
    environ = request()

    assert through(environ, **ALL) is environ


@pytest.mark.parametrize("row", [row for row in ROWS if row.by == "flup"], ids=str)
def test_without_such_headers_no_front_makes_a_difference(row: Row) -> None:
    environ = row.environ()

    assert through(environ, **ALL) is environ


def test_what_says_nothing_new_changes_nothing() -> None:
    environ = request(forwarded_for="unknown", forwarded_proto="http", forwarded_prefix="/")

    assert through(environ, **ALL) is environ


def test_the_values_before_are_kept_for_logs_and_those_of_the_outer_one_of_two() -> None:
    environ = request(forwarded_for="1.1.1.1, 2.2.2.2", forwarded_prefix="/p")

    outer = through(environ, **ALL)
    assert outer is not None
    inner = through(outer, x_for=2)

    expected = {
        "REMOTE_ADDR": "10.0.0.2",
        "REMOTE_HOST": "proxy.internal",
        "REMOTE_PORT": "4711",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "app.internal:8000",
        "SERVER_NAME": "app.internal",
        "SERVER_PORT": "8000",
        "SCRIPT_NAME": "/mount",
    }
    assert outer[ORIGINAL] == expected
    assert inner is not None
    assert (inner["REMOTE_ADDR"], inner[ORIGINAL]) == ("1.1.1.1", expected)


# X-Forwarded-For


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("203.0.113.7:1234", "203.0.113.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[203.0.113.7]:1", "203.0.113.7"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.7"),
        ("[::1]:_port", "::1"),
    ],
)
def test_an_address_is_taken_without_brackets_and_port(value: str, address: str) -> None:
    environ = through(request(forwarded_for=value))

    assert environ is not None
    assert ip_address(environ["REMOTE_ADDR"]) == ip_address(address)
    assert not {"[", "]"}.intersection(environ["REMOTE_ADDR"])


@pytest.mark.parametrize("value", ["unknown", "Unknown", "_hidden", "_SEVKISEK.a-b", "unknown:80", "_x:_y"])
def test_a_hidden_address_leaves_the_one_of_the_proxy(value: str) -> None:
    assert changed(request(forwarded_for=value)) == {}


@pytest.mark.parametrize(
    "value",
    [
        "<script>",
        "localhost",
        "1.1.1",
        "1.1.1.256",
        "01.1.1.1",
        "0x7f.1",
        "2130706433",
        "1.1.1.1:",
        "1.1.1.1:x",
        "1.1.1.1:123456",
        "1.1.1.1 2.2.2.2",
        "1.1.1.1\n",
        "1.1.1.1\r\nX: 1",
        "1.1.1.1\0",
        "::1]",
        "[::1",
        "[]",
        "[::1]80",
        "[[::1]]",
        "fe80::1%eth0",
        "fe80::1%\r\n",
        ":::",
        "_",
        "_a b",
        "unknownx",
        "unix:",
        '"[::1]"',
        "for=1.1.1.1",
        "1.1.1.1,",
        "\xb2.1.1.1",
    ],
)
def test_an_address_that_is_none_is_refused(value: str) -> None:
    assert through(request(forwarded_for=value)) is None


# X-Forwarded-Proto


@pytest.mark.parametrize("value", ["https", "HTTPS", "Https"])
def test_the_scheme_is_taken_in_any_case(value: str) -> None:
    assert changed(request(forwarded_proto=value)) == {"wsgi.url_scheme": "https", "HTTPS": "on"}


def test_a_scheme_without_tls_takes_https_away() -> None:
    environ = request(forwarded_proto="http", HTTPS="on")
    environ["wsgi.url_scheme"] = "https"

    assert changed(environ) == {"wsgi.url_scheme": "http", "HTTPS": None}
    after = through(environ)
    assert after is not None
    assert (after[ORIGINAL]["wsgi.url_scheme"], after[ORIGINAL]["HTTPS"]) == ("https", "on")


@pytest.mark.parametrize(
    "value", ["javascript", "ws", "https:", "https://", "http s", "http\n", "htt\u017f", "on", ","]
)
def test_a_scheme_that_is_none_is_refused(value: str) -> None:
    assert through(request(forwarded_proto=value)) is None


# X-Forwarded-Host and -Port


@pytest.mark.parametrize(
    ("headers", "host", "name", "port", "url_host"),
    [
        ({"host": "public.example"}, "public.example", "public.example", "80", "public.example"),
        ({"host": "Public.Example:8080"}, "Public.Example:8080", "Public.Example", "8080", "public.example:8080"),
        ({"host": "public.example:80"}, "public.example", "public.example", "80", "public.example"),
        ({"host": "public.example:"}, "public.example", "public.example", "80", "public.example"),
        ({"host": "my_host"}, "my_host", "my_host", "80", "my_host"),
        ({"host": "[::1]"}, "[::1]", "[::1]", "80", "[::1]"),
        ({"host": "[::1]:8443"}, "[::1]:8443", "[::1]", "8443", "[::1]:8443"),
        ({"host": "a.example", "proto": "https"}, "a.example", "a.example", "443", "a.example"),
        ({"host": "a.example:80", "proto": "https"}, "a.example:80", "a.example", "80", "a.example:80"),
        ({"host": "a.example", "port": "8443"}, "a.example:8443", "a.example", "8443", "a.example:8443"),
        ({"host": "a.example:1", "port": "2"}, "a.example:2", "a.example", "2", "a.example:2"),
        ({"host": "[::1]:1", "port": "443", "proto": "https"}, "[::1]", "[::1]", "443", "[::1]"),
        ({"port": "8443"}, "app.internal:8443", "app.internal", "8443", "app.internal:8443"),
        ({"port": "0443", "proto": "https"}, "app.internal", "app.internal", "443", "app.internal"),
        ({"port": "80", "proto": "https"}, "app.internal:80", "app.internal", "80", "app.internal:80"),
        ({"proto": "https"}, "app.internal:8000", "app.internal", "8000", "app.internal:8000"),
    ],
)
def test_host_name_and_port_agree(headers: dict[str, str], host: str, name: str, port: str, url_host: str) -> None:
    environ = through(request(**{f"forwarded_{key}": value for key, value in headers.items()}), **ALL)

    assert environ is not None
    assert (environ["HTTP_HOST"], environ["SERVER_NAME"], environ["SERVER_PORT"]) == (host, name, port)
    assert request_host(environ) == url_host
    if "host" in headers or "port" in headers:
        # a client of HTTP/1.0 sends no Host: the URL is the same then
        assert request_host({**environ, "HTTP_HOST": ""}) == url_host


def test_a_port_without_a_host_header_is_the_servers() -> None:
    environ = request(forwarded_port="8443")
    del environ["HTTP_HOST"]

    assert changed(environ, x_port=1) == {"SERVER_PORT": "8443"}


def test_a_host_without_a_port_has_that_of_the_scheme_of_the_server() -> None:
    environ = request(forwarded_host="public.example")
    environ["wsgi.url_scheme"] = "https"

    assert changed(environ, x_host=1) == {
        "HTTP_HOST": "public.example",
        "SERVER_NAME": "public.example",
        "SERVER_PORT": "443",
    }


@pytest.mark.parametrize("host", ["good.example:80@evil.com", "[::1]evil.com:80", "a:1:2", "a,b:80", "a b:80"])
def test_a_bad_host_of_the_client_is_not_made_a_good_one(host: str) -> None:
    environ = through(request(HTTP_HOST=host, forwarded_port="443"), x_port=1)

    assert environ is not None
    assert environ["HTTP_HOST"] == host
    assert environ_fault(environ) is not None


@pytest.mark.parametrize(
    "value",
    [
        "evil.com/x",
        "good@evil.com",
        "a b",
        "evil.com\r\nX: 1",
        "evil.com\\",
        "evil.com#",
        "a:b",
        "a:0",
        "a:65536",
        "a:99999",
        "a:123456",
        "[::1",
        "::1",
        "[::1]x",
        ":80",
        "b\xfccher.example",
        "a.example,",
        "<script>",
        "x" * 256,
    ],
)
def test_a_host_that_is_none_is_refused(value: str) -> None:
    assert through(request(forwarded_host=value), x_host=1) is None


@pytest.mark.parametrize(
    "value", ["0", "65536", "99999", "123456", "-1", "+1", "1_0", "8 0", "x", "80x", "\xb2", "1.0"]
)
def test_a_port_that_is_none_is_refused(value: str) -> None:
    assert through(request(forwarded_port=value), x_port=1) is None


# X-Forwarded-Prefix


@pytest.mark.parametrize(
    ("value", "script_name"),
    [
        ("/outer", "/outer/mount"),
        ("/outer/", "/outer/mount"),
        ("/a/b", "/a/b/mount"),
        ("/", "/mount"),
        ("/b\xc3\xbcro", "/b\xc3\xbcro/mount"),
        ("/" + "x" * 254, "/" + "x" * 254 + "/mount"),
    ],
)
def test_the_prefix_is_put_in_front_of_script_name(value: str, script_name: str) -> None:
    environ = through(request(forwarded_prefix=value), x_prefix=1)

    assert environ is not None
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, "/path")


def test_a_prefix_stands_alone_where_there_is_no_script_name() -> None:
    environ = request(forwarded_prefix="/outer")
    del environ["SCRIPT_NAME"]

    assert changed(environ, x_prefix=1) == {"SCRIPT_NAME": "/outer"}


@pytest.mark.parametrize(
    "value",
    [
        "//evil.com",
        "///evil.com",
        "//",
        "/\\evil.com",
        "\\evil.com",
        "/a/../b",
        "/..",
        "/./a",
        "/a b",
        "/a\tb",
        "/a//b",
        "/a//",
        "javascript:",
        "https://evil.com",
        "evil.com",
        "outer",
        "/%0d%0a",
        "/%2e%2e",
        "/a\r\nX: 1",
        "/a\0",
        "/a?b",
        "/a#b",
        "/a\x85b",
        "/\xff",
        "/b\xfcro",
        "/" + "x" * 255,
        "/" + "\xc3\xbc" * 128,
        "/a,",
    ],
)
def test_a_prefix_that_is_none_is_refused(value: str) -> None:
    assert through(request(forwarded_prefix=value), x_prefix=1) is None


# What a refusal says


def test_the_refusal_says_nothing_of_the_request_and_the_log_no_value(caplog: pytest.LogCaptureFixture) -> None:
    environ = request(forwarded_prefix="//evil.com", REMOTE_ADDR="\x1b[31m\n")

    with caplog.at_level(logging.DEBUG):
        body, status, headers = run_wsgi_app(ProxyFix(lambda environ, start_response: [], x_prefix=1), environ)

    assert (status, b"".join(body)) == ("400 Bad Request", b"Bad Request\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Length"] == "12"
    (record,) = caplog.records
    assert record.name == "flask_embed.adapters"
    assert record.getMessage() == r"Refused a request from \x1b[31m\n: X-Forwarded-Prefix is not a prefix"


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        ("forwarded_for", "evil", "X-Forwarded-For is not an address"),
        ("forwarded_proto", "evil", "X-Forwarded-Proto is neither http nor https"),
        ("forwarded_host", "/evil", "X-Forwarded-Host is malformed"),
        ("forwarded_host", "evil:0", "X-Forwarded-Host has a port out of range (1 to 65535)"),
        ("forwarded_port", "evil", "X-Forwarded-Port has a port out of range (1 to 65535)"),
        ("forwarded_prefix", "evil", "X-Forwarded-Prefix is not a prefix"),
    ],
)
def test_the_log_names_the_header(header: str, value: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    assert through(request(**{header: value}, REMOTE_ADDR=""), **ALL) is None

    assert caplog.messages == [f"Refused a request from -: {message}"]


def test_the_refusal_of_a_head_request_has_no_body() -> None:
    environ = request(forwarded_proto="x", REQUEST_METHOD="HEAD")

    body, status, _ = run_wsgi_app(ProxyFix(lambda environ, start_response: []), environ)

    assert (status, b"".join(body)) == ("400 Bad Request", b"")


# Who is trusted

FORGED = {
    "forwarded_for": "127.0.0.1",
    "forwarded_proto": "https",
    "forwarded_host": "evil.com",
    "forwarded_port": "1",
    "forwarded_prefix": "/evil",
}


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.0.0.2", ["10.0.0.2"]),
        ("10.0.0.2", ["192.0.2.0/24", "10.0.0.0/8"]),
        ("10.0.0.2", {"0.0.0.0/0"}),
        ("::1", ("::1",)),
        ("0:0:0:0:0:0:0:1", ["::1"]),
        ("2001:db8::7", ["2001:DB8::/32"]),
        ("::ffff:10.0.0.2", ["10.0.0.0/8"]),
        ("::ffff:10.0.0.2", ["::ffff:10.0.0.2"]),
        ("", ["unix"]),
        ("", ["127.0.0.1", "unix"]),
        ("10.0.0.2", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_what_a_trusted_peer_sends_counts(peer: str, trusted: Any) -> None:
    environ = through(request(**FORGED, REMOTE_ADDR=peer), **ALL, trusted=trusted)

    assert environ is not None
    assert environ["SCRIPT_NAME"] == "/evil/mount"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_HOST"] == "evil.com:1"


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.0.0.2", []),
        ("10.0.0.2", ["10.0.0.1"]),
        ("10.0.0.2", ["10.0.0.0/31", "unix", "::/0"]),
        ("11.0.0.2", ["10.0.0.0/8"]),
        ("::1", ["0.0.0.0/0"]),
        ("::ffff:11.0.0.2", ["10.0.0.0/8"]),
        ("", ["127.0.0.1", "0.0.0.0/0", "::/0"]),
        ("unix", ["unix"]),
        ("nonsense", ["unix", "0.0.0.0/0", "::/0"]),
        ("10.0.0.2, 10.0.0.1", ["10.0.0.0/8"]),
        (" 10.0.0.2", ["10.0.0.0/8"]),
    ],
)
def test_nothing_that_another_peer_forges_counts(peer: str, trusted: list[str]) -> None:
    environ = request(**FORGED, REMOTE_ADDR=peer)
    hostile = request(forwarded_prefix="//evil.com", forwarded_for="<script>", REMOTE_ADDR=peer)

    assert through(environ, **ALL, trusted=trusted) is environ
    assert through(hostile, **ALL, trusted=trusted) is hostile


def test_a_peer_without_remote_addr_is_one_on_a_socket_file() -> None:
    environ = request(**FORGED)
    del environ["REMOTE_ADDR"]

    assert through(environ, **ALL, trusted=["127.0.0.1"]) is environ
    after = through(environ, **ALL, trusted=["unix"])

    assert after is not None
    assert after["REMOTE_ADDR"] == "127.0.0.1"
    assert "REMOTE_ADDR" not in after[ORIGINAL]


# What cannot be configured


@pytest.mark.parametrize("name", ["x_for", "x_proto", "x_host", "x_port", "x_prefix"])
@pytest.mark.parametrize(
    ("number", "error"),
    [(-1, ValueError), (True, TypeError), (False, TypeError), ("1", TypeError), (1.0, TypeError), (None, TypeError)],
)
def test_a_number_that_is_none_is_refused_at_construction(name: str, number: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"^{name} is {number!r}; write how many proxies"):
        ProxyFix(lambda environ, start_response: [], **{name: number})


@pytest.mark.parametrize(
    ("trusted", "error", "text"),
    [
        (["nonsense"], ValueError, "'nonsense', which is neither an address nor a network; write an address"),
        (
            ["10.0.0.1/8"],
            ValueError,
            "'10.0.0.1/8', which is neither an address nor a network; its network is '10.0.0.0/8'",
        ),
        (["10.0.0.0/33"], ValueError, "'10.0.0.0/33'"),
        (["*"], ValueError, "'*'"),
        ([""], ValueError, "''"),
        (["127.0.0.1 "], ValueError, "'127.0.0.1 '"),
        (["Unix"], ValueError, "'Unix'"),
        ([1], TypeError, "trusted holds 1; write an address as text"),
        ([b"::1"], TypeError, "b'::1'"),
        ("127.0.0.1", TypeError, r"\['127.0.0.1'\]"),
        (b"127.0.0.1", TypeError, "a list"),
    ],
)
def test_a_peer_that_cannot_be_one_is_refused_at_construction(trusted: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        ProxyFix(lambda environ, start_response: [], trusted=trusted)


# Whatever is sent

ANY_VALUE = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=40),
    st.text("aZ0.:[]/\\,%_ \t\r\n\xc3\xbc-", max_size=20),
    st.ip_addresses().map(str),
    st.sampled_from(["https", "/outer", "a.example:80", "443", "[::1]:1", "unknown", "//evil.com", "/.."]),
)


@given(
    st.dictionaries(st.sampled_from(sorted(FORGED)), st.lists(ANY_VALUE, min_size=1, max_size=3).map(",".join)),
    st.integers(1, 2),
)
def test_whatever_is_sent_is_refused_or_harmless(headers: dict[str, str], hops: int) -> None:
    environ = through(request(**headers), **dict.fromkeys(ALL, hops))

    if environ is None:
        return
    assert environ["wsgi.url_scheme"] in ("http", "https")
    assert (environ.get("HTTPS") == "on") is (environ["wsgi.url_scheme"] == "https")
    assert environ["REMOTE_ADDR"] == str(ip_address(environ["REMOTE_ADDR"]))
    assert url_root_fault(environ["HTTP_HOST"], environ["SCRIPT_NAME"]) is None
    assert environ["SCRIPT_NAME"].endswith("/mount")
    assert 0 < int(environ["SERVER_PORT"]) < 65536
    assert request_host(environ) == request_host({**environ, "HTTP_HOST": ""})


@pytest.mark.parametrize("key", sorted(FORGED))
@pytest.mark.parametrize("part", [",", "1", ":", "[", "_", "/", ". ", "1.", "\xc3\xbc"])
def test_a_long_value_takes_linear_time(key: str, part: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        environ = request(**{key: "/" + part * size})
        app = ProxyFix(lambda environ, start_response: [], **ALL)
        return lambda: app(environ, lambda *args: lambda data: None)

    linear(prepare, 4096)
