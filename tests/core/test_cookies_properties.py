"""Any cookie, sent or received: sessions are what was signed or empty, and a cookie brings nothing with it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st
from itsdangerous.encoding import base64_encode
from markupsafe import Markup
from werkzeug.sansio.http import parse_cookie

from flask_embed import Flask, Response, session
from flask_embed.sessions import Session, Signer, dumps, loads

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def signer_of(*keys: bytes) -> Signer:
    return Signer(list(keys), __name__)


SIGNER = signer_of(b"new", b"old")
KEYS = st.text(max_size=4) | st.sampled_from([" t", " b", " i", " x", "_permanent", ""])
#: what JSON has
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=6,
)
#: what a session may hold
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.text(max_size=3).map(Markup)
    | st.uuids()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS | st.integers() | st.booleans() | st.none(), inner, max_size=2)
    ),
    max_leaves=6,
)
TEXTS = st.text(max_size=8) | st.text('aB1;=, \\"\r\n\t\0/%\x1f\x7fé€.-', max_size=8)


def make_app(*keys: str) -> Flask:
    """An app that answers with its session, and counts in it."""
    app = Flask(__name__)
    app.secret_key = list(keys)
    app.logger.disabled = True
    app.add_url_rule("/", "show", lambda: {"session": dict(session)})
    app.add_url_rule("/count", "count", lambda: {"count": count()})
    return app


def count() -> int:
    found = session.get("count", 0)
    session["count"] = found + 1 if isinstance(found, int) else 1
    return int(session["count"])


APP = make_app("new", "old")
REAL = {
    key: make_app(key).test_client().get("/count").headers["Set-Cookie"].partition(";")[0] for key in ("new", "old")
}


def told(cookie: str, path: str = "/") -> tuple[Any, list[str]]:
    """The app's answer to a request with this Cookie header, and the cookies that it sets."""
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "HTTP_HOST": "good.example",
        "HTTP_COOKIE": cookie,
        "wsgi.url_scheme": "http",
    }

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        heads.append((status, headers))

    body = b"".join(APP(environ, start_response))
    ((status, headers),) = heads
    assert status == "200 OK"
    return json.loads(body), [value for name, value in headers if name == "Set-Cookie"]


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_a_session_comes_back_as_it_was(content: dict[str, Any]) -> None:
    cookie = dumps(Session(content), SIGNER)

    found = loads(cookie, SIGNER, 60)

    assert found == content
    assert types(found) == types(content)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", cookie)


def types(value: Any) -> Any:
    """The types in a value, which == does not compare: True is 1, and a Markup is its text."""
    if isinstance(value, dict):
        return {repr(key): types(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [types(item) for item in value]
    return type(value)


@given(PLAIN | st.dictionaries(st.sampled_from([" t", " b", " m", " d", " u", " i", " x"]), PLAIN, max_size=1))
@example({" i": [[[], 1]]})
@example({" d": "9" * 5000})
@example({" b": "a"})
def test_any_content_that_we_have_signed_is_a_session_or_none(content: Any) -> None:
    cookie = SIGNER.sign(base64_encode(json.dumps(content))).decode()

    found = loads(cookie, SIGNER, 60)

    if found is not None:
        assert loads(dumps(Session(found), SIGNER), SIGNER, 60) == found


@given(st.binary(max_size=20) | st.text(max_size=10).map(str.encode))
def test_signed_bytes_that_are_no_json_are_none(payload: bytes) -> None:
    for signed in (payload, base64_encode(payload)):
        found = loads(SIGNER.sign(signed).decode("latin-1"), SIGNER, 60)
        assert found is None or found == json.loads(payload)


@given(st.text(st.characters(max_codepoint=255), max_size=40) | TEXTS.map(lambda text: f"session={text}"))
def test_any_cookie_header_gives_an_empty_session(cookie: str) -> None:
    assert told(cookie)[0] == {"session": {}}


@st.composite
def broken(draw: Callable[[Any], Any]) -> str:
    """The value of a real cookie with a change."""
    value = draw(st.sampled_from(sorted(REAL.values()))).partition("=")[2]
    start = draw(st.integers(0, len(value)))
    end = start + draw(st.integers(0, 4))
    new = draw(st.text("aA0._-=", max_size=4) | st.text(st.characters(max_codepoint=255), max_size=3))
    return str(value[:start] + new + value[end:])


@given(broken())
def test_a_real_session_with_any_change_is_empty(value: str) -> None:
    content, cookies = told(f"session={value}")

    received = parse_cookie(f"session={value}").get("session")  # quotes and white space around it are none of it
    assert content == {"session": {"count": 1} if f"session={received}" in REAL.values() else {}}
    assert cookies == []


@given(st.lists(st.sampled_from(["real", "old", "foreign", "empty", "other"]), max_size=5))
def test_of_several_cookies_the_first_that_verifies_counts(kinds: list[str]) -> None:
    spelled = {
        "real": REAL["new"],
        "old": REAL["old"],
        "foreign": "session=e30.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "empty": "session=",
        "other": "a=b",
    }

    content, cookies = told("; ".join(spelled[kind] for kind in kinds), "/count")

    assert content == {"count": 2 if {"real", "old"}.intersection(kinds) else 1}
    (cookie,) = cookies
    newest = signer_of(b"new")
    assert loads(cookie.partition(";")[0].partition("=")[2], newest, 60) == content


AGES: st.SearchStrategy[Any] = (
    st.none() | st.integers(-(10**9), 10**9) | st.timedeltas(timedelta(-(10**6)), timedelta(10**6))
)
EXPIRES: st.SearchStrategy[Any] = (
    st.none() | st.integers(0, 2**32) | st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1)) | TEXTS
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "path": st.none() | TEXTS,
        "domain": st.none() | TEXTS | st.just("shop.example"),
        "secure": st.booleans(),
        "httponly": st.booleans(),
        "samesite": st.none() | TEXTS | st.sampled_from(["lax", "Strict", "NONE"]),
        "partitioned": st.booleans(),
    },
)


@given(st.sampled_from(["a", "a-b", "__Host-a"]) | TEXTS, TEXTS, AGES, EXPIRES, OPTIONS, st.booleans())
@example("a", "\x1a\x1f", None, None, {}, False)
@example("a", "b", None, "\x01", {}, False)
@example("a", "b", None, "x; HttpOnly", {}, False)
@example("a", "b", "1; HttpOnly", "x", {}, False)
@example("a", "b", None, None, {"domain": "a\0b"}, True)
@example("a", "b", None, None, {"domain": "a\uff1bPath=/x"}, False)
def test_a_cookie_is_one_with_its_attributes_or_is_refused(
    key: str, value: str, max_age: Any, expires: Any, options: dict[str, Any], is_deleted: bool
) -> None:
    response = Response("body")
    try:
        if is_deleted:
            response.delete_cookie(key, **options)
        else:
            response.set_cookie(key, value, max_age, expires, **options)
    except ValueError:
        assert "Set-Cookie" not in response.headers
        return

    headers = response.get_wsgi_response({"REQUEST_METHOD": "GET"})[2]

    (cookie,) = [text for name, text in headers if name == "Set-Cookie"]
    # As a browser reads it (RFC 6265 section 5.2).
    pair, *attributes = cookie.split(";")
    name, _, text = pair.partition("=")
    found = {attribute.strip().partition("=")[0].lower(): attribute.partition("=")[2] for attribute in attributes}
    assert TOKEN.fullmatch(key)
    assert name == key
    assert text.isascii()
    assert text.isprintable()
    assert parse_cookie(pair).get(key) == ("" if is_deleted else value)
    assert len(found) == len(attributes)
    expected = {"path"} if options.get("path", "/") is not None else set()
    expected |= {name for name in ("secure", "httponly", "partitioned", "samesite") if options.get(name)}
    expected |= {"domain"} if options.get("domain") is not None else set()
    expected |= {"max-age", "expires"} if is_deleted or max_age is not None else set()
    expected |= {"expires"} if expires is not None else set()
    expected |= {"secure"} if options.get("partitioned") else set()
    assert found.keys() - {"expires"} == expected - {"expires"}
    assert "expires" not in found or "expires" in expected
    if "path" in found:
        assert unquote(found["path"]) == unquote(options.get("path", "/"))
    assert found.get("samesite", "Lax") in ("Strict", "Lax", "None")
