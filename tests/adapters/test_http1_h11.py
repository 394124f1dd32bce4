"""h11 as the peer: what it refuses as a server, ours refuses; what ours takes, it reads as the same request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.adapters.talking import cut, talk
from tests.wire import CASES, DIFFERENCES, Case

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

pytestmark = pytest.mark.differential


class Read(NamedTuple):
    """A request as one of the two has read it."""

    method: str
    target: str
    names: frozenset[str]
    body: bytes


def ours(raw: bytes) -> list[Read]:
    """The requests that our side answers as such, whatever the app says to them."""
    return [
        Read(
            exchange.environ["REQUEST_METHOD"],
            exchange.environ["REQUEST_URI"],
            frozenset(name for name in exchange.environ if name.startswith("HTTP_")),
            exchange.body,
        )
        for exchange in talk([raw])
        if exchange.environ is not None and exchange.is_whole
    ]


def theirs(raw: bytes) -> list[Read]:
    """The requests that h11 reads before it refuses, or needs more."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=10_000_000)
    found: list[Read] = []
    connection.receive_data(raw)
    request: h11.Request | None = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            match event:
                case h11.Request():
                    request, body = event, b""
                case h11.Data():
                    body += bytes(event.data)
                case h11.EndOfMessage():
                    if request is None:
                        return found
                    names = {name.decode("latin-1").upper().replace("-", "_") for name, _ in request.headers}
                    keys = frozenset(f"HTTP_{name}" for name in names)
                    found.append(Read(request.method.decode(), request.target.decode("latin-1"), keys, body))
                    connection.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
                    connection.send(h11.EndOfMessage())
                    if request.http_version == b"1.0" and (b"connection", b"keep-alive") in request.headers:
                        # For h11 that is the last request of a connection; to another one it is followed by the next.
                        return found + theirs(connection.trailing_data[0])
                    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                        return found
                    connection.start_next_cycle()
                case _:  # needs more, paused or closed
                    return found
    except h11.RemoteProtocolError:
        return found


def difference(raw: bytes) -> str | None:
    """The requests that ours takes and h11 does not, or reads differently."""
    taken, known = ours(raw), theirs(raw)
    if len(taken) > len(known):
        return f"{len(taken)} requests are taken where h11 reads {len(known)}"
    for mine, other in zip(taken, known, strict=False):
        if (mine.method, mine.target, mine.body) != (other.method, other.target, other.body):
            return f"{mine} is {other} for h11"
        if not mine.names <= other.names | {"HTTP_HOST"}:
            return f"the headers {mine.names - other.names} are none for h11"
    return None


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_h11_refuses_is_refused(case: Case) -> None:
    assert (difference(case.raw) is not None) == (case.name in DIFFERENCES), difference(case.raw)


def test_the_file_of_differences_names_streams() -> None:
    assert set(DIFFERENCES) <= {case.name for case in CASES}


SMALL = [case.raw for case in CASES if len(case.raw) < 400 and case.name not in DIFFERENCES]
CHARACTERS = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b";", b"0", b"1", b"\0", b"\x0b", b"\x7f", b"\xff"]
LINES = [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: localhost\r\n", b"Connection: close\r\n"]
BYTES = st.sampled_from([*CHARACTERS, *LINES, b"chunked"])


@given(st.data())
def test_what_h11_refuses_of_changed_streams_is_refused(data: DataObject) -> None:
    raw = b"".join(data.draw(st.lists(st.sampled_from(SMALL), min_size=1, max_size=3)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        gone = data.draw(st.integers(0, 3))
        raw = raw[:at] + data.draw(BYTES | st.just(b"")) + raw[at + gone :]

    assert difference(raw) is None
    pieces = list(cut(raw, data.draw(st.integers(0, len(raw)))))
    assert talk(pieces) == talk([raw])
