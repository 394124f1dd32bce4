"""Any answer of a server to the doctor gives verdicts or one line, without control characters for a terminal."""

from __future__ import annotations

import json
import re
import string
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_embed.doctor.address import Address
from flask_embed.doctor.client import STALE, Answer, UnreachableError
from flask_embed.doctor.questions import Seen, questions_for
from flask_embed.errors import UsageError
from flask_embed.probe import AUTHORIZATION, OUTSIDE, REPORTED
from tests.core.hostile import Hostile, check_asked, check_judged, is_harmless

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESSES = [
    Address.of("http://site.example:8080/shop"),
    Address.of("https://site.example"),
    Address.of("http://[::1]/ü"),
]
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", "/", "/shop", "/shop/hello/there", "/hello/there", "hello", "//", "/%2541", "on", "http", "https"]
    ),
    st.sampled_from(["\x1b[2J", "\u202e", "\u2028", "\ud800", "€", "\xff", "\0", "x" * 3000, "%", "site.example:8080"]),
    st.sampled_from(["nginx", "lighttpd", "apache", "203.0.113.7", "/forged-by-x-forwarded-prefix", "/forged-by-a_-b"]),
    st.sampled_from([OUTSIDE, AUTHORIZATION, "x=%26", "4242", "203.0.113.8", "twin.example"]),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
ENVIRONS = st.dictionaries(st.sampled_from([*REPORTED, "HTTP_AUTHORIZATION", "odd"]), TEXTS, max_size=5)
#: the report of the probe, or of a server that imitates it
REPORTS = st.fixed_dictionaries(
    {"flask_embed_probe": st.just(1), "word": st.just("<word>")},
    optional={
        "environ": ENVIRONS | ANYTHING,
        "body": st.fixed_dictionaries({"size": st.integers() | ANYTHING, "sha256": TEXTS | ANYTHING}) | ANYTHING,
        "input_terminated": st.booleans() | ANYTHING,
        "refused": TEXTS | st.none() | ANYTHING,
        "released": ANYTHING,
    },
)
WHOLE = st.fixed_dictionaries(
    {
        "flask_embed_probe": st.just(1),
        "word": st.just("<word>"),
        "environ": ENVIRONS,
        "body": st.fixed_dictionaries({"size": st.integers(), "sha256": TEXTS}),
        "input_terminated": st.booleans(),
        "refused": TEXTS | st.none(),
    }
)
LINES = st.sampled_from(
    [
        *("Server: nginx/1", "Server: \x1b[2J", "Location: /shop/", "Location: http://[", "Location: \xff\x1b"),
        *("Content-Length: 3", "Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: x"),
        *("Transfer-Encoding: chunked", "Connection: close", "Content-Encoding: gzip", "X: " + "y" * 300),
        *(" folded", ": none", "\0", "A\rB: c"),
    ]
)
STATUS_LINES = st.sampled_from(
    [f"HTTP/1.1 {status} X" for status in (200, 200, 200, 204, 301, 304, 400, 401, 404, 411, 500, 503, 100, 999)]
    + [
        "HTTP/1.0 200 OK",
        "HTTP/1.1 200",
        "HTTP/1.1 abc",
        "HTTP/9.9 200 OK",
        "200 OK",
        "",
        "HTTP/1.1 -200 OK",
        "ICY 200 OK",
    ]
)
BODIES = st.one_of(
    REPORTS.map(json.dumps),
    WHOLE.map(json.dumps),
    ANYTHING.map(json.dumps),
    st.sampled_from(
        ["[" * 5000, "3\r\nabc\r\n0\r\n\r\n", "-1\r\n", "ffffffffffffffff\r\n", "", "first\nreleased\n", "9" * 5000]
    ),
    st.text(string.printable, max_size=20),
)


@st.composite
def answers(draw: Callable[[Any], Any]) -> bytes:
    """The bytes of an answer; ``<word>`` stands for the word of the request."""
    head = [draw(STATUS_LINES), *draw(st.lists(LINES, max_size=4)), "", ""]
    raw = "\r\n".join(head).encode("latin-1") + draw(BODIES).encode("utf-8", "surrogatepass")
    return cast("bytes", raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 9)) == 0 else raw)


@given(st.sampled_from(ADDRESSES), st.lists(answers(), min_size=1, max_size=4))
@example(ADDRESSES[0], [b'HTTP/1.1 200 OK\r\n\r\n{"flask_embed_probe": 1, "word": "<word>", "released": true}'])
def test_any_answers_are_judged_or_refused_in_a_line(address: Address, sent: list[bytes]) -> None:
    check_asked(address, sent)


@given(
    st.sampled_from(ADDRESSES),
    st.lists(WHOLE | st.none(), min_size=1, max_size=4),
    st.lists(
        st.tuples(st.integers(100, 599), st.sampled_from(["", STALE, "the connection broke: x"]), TEXTS), min_size=1
    ),
)
def test_any_report_of_the_probe_is_judged(
    address: Address, reports: list[Any], others: list[tuple[int, str, str]]
) -> None:
    found = {}
    for place, request in enumerate(questions_for(address)):
        status, problem, text = others[place % len(others)]
        mine = (
            reports[place % len(reports)]
            if request.name != "path"
            else {**(reports[0] or {}), "environ": {}, **DEFAULTS}
        )
        found[request.name] = Answer(
            request.target,
            request.rest or "",
            request.rest is not None,
            200 if mine else status,
            {"server": text, "location": text},
            mine,
            "" if mine else problem,
        )

    check_judged(Seen(address, found, {"stream": others[0][2]}))


DEFAULTS = {"body": {"size": 0, "sha256": ""}, "input_terminated": True, "refused": None}


def address_or_refusal(url: str) -> Address | UsageError:
    try:
        return Address.of(url)
    except UsageError as error:
        return error


@given(
    st.one_of(
        st.text(max_size=30),
        st.text("htps:/[]@?#%.ü€-_\\1x \n", max_size=20).map(lambda text: f"http://{text}"),
        st.text("/%2eücab.\\? \n", max_size=12).map(lambda text: f"https://site.example{text}"),
    )
)
def test_any_url_is_an_address_or_refused_in_a_line(url: str) -> None:
    address = address_or_refusal(url)
    if isinstance(address, UsageError):
        assert not isinstance(address, UnreachableError)
        assert is_harmless(str(address))
        return
    assert Address.of(address.url) == address
    assert all(text.isascii() and text.isprintable() for text in (address.url, address.netloc, address.host))
    assert address.url.startswith(f"{address.scheme}://{address.netloc}")
    for request in questions_for(address):
        assert re.fullmatch(r"[!-~]+", request.target)


@pytest.mark.parametrize("missing", ["environ", "body", "input_terminated", "refused", "word", "flask_embed_probe"])
@pytest.mark.parametrize("more", [{}, {"released": True}])
def test_half_an_answer_is_none(missing: str, more: dict[str, Any]) -> None:
    whole = {"flask_embed_probe": 1, "word": "<word>", "environ": {}, "body": {"size": 0, "sha256": ""}}
    whole.update(input_terminated=True, refused=None, **more)
    for answer, is_taken in ((whole, True), ({key: whole[key] for key in whole if key != missing}, False)):
        client = Hostile(ADDRESSES[0], [b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(answer).encode()])
        try:
            found = client.ask(questions_for(ADDRESSES[0])[0])
        finally:
            client.close()
        assert (found.report is not None) == is_taken
