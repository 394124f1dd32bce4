"""Whatever a server answers to the doctor: a judgement or one line, and nothing that a terminal would act on."""

from __future__ import annotations

import json
import re
import socket
import string
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_embed.doctor import Diagnosis
from flask_embed.doctor_asking import STALE, Address, Answer, Client, Request, Seen, UnreachableError, requests_for
from flask_embed.doctor_asking import _unreachable as unreachable
from flask_embed.doctor_judging import CHECKS, CONFIGURATIONS, judge, recognized
from flask_embed.errors import UsageError
from flask_embed.probe import AUTHORIZATION, OUTSIDE, TOLD

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
ENVIRONS = st.dictionaries(st.sampled_from([*TOLD, "HTTP_AUTHORIZATION", "odd"]), TEXTS, max_size=5)
#: what the probe tells, or somebody who plays it
TOLD_BY = st.fixed_dictionaries(
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
    TOLD_BY.map(json.dumps),
    WHOLE.map(json.dumps),
    ANYTHING.map(json.dumps),
    st.sampled_from(
        ["[" * 5000, "3\r\nabc\r\n0\r\n\r\n", "-1\r\n", "ffffffffffffffff\r\n", "", "first\nreleased\n", "9" * 5000]
    ),
    st.text(string.printable, max_size=20),
)


@st.composite
def answers(draw: Callable[[Any], Any]) -> bytes:
    """What a server sends; ``<word>`` stands for the word that it was sent."""
    head = [draw(STATUS_LINES), *draw(st.lists(LINES, max_size=4)), "", ""]
    raw = "\r\n".join(head).encode("latin-1") + draw(BODIES).encode("utf-8", "surrogatepass")
    return cast("bytes", raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 9)) == 0 else raw)


class Hostile(Client):
    """The doctor, connected with somebody who sends what was made up, over a real connection."""

    def __init__(self, address: Address, sent: list[bytes]) -> None:
        super().__init__(address, "a-token-of-the-tests", 5.0)
        self.sent = sent
        self.count = 0
        self.others: list[socket.socket] = []

    def connect(self, until: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.others.append(theirs)
        return ours

    def open(self, request: Request, until: float, word: str = "") -> Any:
        connection, reader = super().open(request, until, word)
        theirs = self.others[-1]
        theirs.sendall(self.sent[self.count % len(self.sent)].replace(b"<word>", word.encode()))
        theirs.shutdown(socket.SHUT_WR)
        self.count += 1
        return connection, reader

    def close(self) -> None:
        for connection in self.others:
            connection.close()


def is_harmless(text: str) -> bool:
    """Whether a terminal writes all of it, on one line, and in its order."""
    return not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text)


def check_judged(seen: Seen) -> None:
    """A judgement that can be printed, for people and for scripts."""
    diagnosis = Diagnosis(seen, judge(seen))
    assert list(diagnosis.verdicts) == list(CHECKS)
    assert recognized(seen) in (None, *CONFIGURATIONS)
    assert all(verdict.level in ("ok", "note", "fault") for verdict in diagnosis.verdicts.values())
    assert all(is_harmless(line) for line in diagnosis.lines(80))
    assert json.loads(json.dumps(diagnosis.as_json()))["ok"] is not bool(diagnosis.faults)


@given(st.sampled_from(ADDRESSES), st.lists(answers(), min_size=1, max_size=4))
@example(ADDRESSES[0], [b'HTTP/1.1 200 OK\r\n\r\n{"flask_embed_probe": 1, "word": "<word>", "released": true}'])
def test_any_answers_are_judged_or_refused_in_a_line(address: Address, sent: list[bytes]) -> None:
    client = Hostile(address, sent)
    found: dict[str, Answer] = {}
    try:
        for request in requests_for(address):
            answer = client.ask(request)
            assert is_harmless(answer.problem)
            assert answer.told is None or isinstance(answer.environ, dict)
            found[request.name] = Answer(
                answer.target,
                request.rest or "",
                request.rest is not None,
                answer.status,
                answer.headers,
                answer.told,
                answer.problem,
            )
        streams = {verb: client.stream(verb) for verb in ("stream", "unbuffered")}
    finally:
        client.close()
    if any(found[name].told for name in ("path", "slash", "bare") if name in found):
        check_judged(Seen(address, found, streams))
    else:
        error = unreachable(address, found["path"])
        assert isinstance(error, UnreachableError)
        assert is_harmless(str(error))


@given(
    st.sampled_from(ADDRESSES),
    st.lists(WHOLE | st.none(), min_size=1, max_size=4),
    st.lists(
        st.tuples(st.integers(100, 599), st.sampled_from(["", STALE, "the connection broke: x"]), TEXTS), min_size=1
    ),
)
def test_whatever_the_probe_is_made_to_tell_is_judged(
    address: Address, told: list[Any], others: list[tuple[int, str, str]]
) -> None:
    found = {}
    for place, request in enumerate(requests_for(address)):
        status, problem, text = others[place % len(others)]
        mine = (
            told[place % len(told)] if request.name != "path" else {**(told[0] or {}), "environ": {}, **TOLD_DEFAULTS}
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


TOLD_DEFAULTS = {"body": {"size": 0, "sha256": ""}, "input_terminated": True, "refused": None}


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
    for request in requests_for(address):
        assert re.fullmatch(r"[!-~]+", request.target)


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_released_is_no_answer_to_another_question(address: Address) -> None:
    sent = b'HTTP/1.1 200 OK\r\n\r\n{"flask_embed_probe": 1, "word": "<word>", "released": true}'
    client = Hostile(address, [sent])
    try:
        answer = client.ask(requests_for(address)[0])
    finally:
        client.close()

    assert answer.told is None
