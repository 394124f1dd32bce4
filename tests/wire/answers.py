"""The answers that a server has sent, parsed by h11 as the client."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple

import h11

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Answer", "answers"]


class Answer(NamedTuple):
    """One answer that was no 1xx."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


def answers(received: bytes, methods: Iterable[str] = (), *, is_whole: bool = True) -> list[Answer]:
    """The answers that were *received* on a connection that has ended, to requests with these *methods*, then GET.

    Raises :exc:`h11.RemoteProtocolError` for what is none, and AssertionError for bytes behind the last one. Unless
    *is_whole*, the last one may be broken off.
    """
    client = h11.Connection(h11.CLIENT)
    client.receive_data(received)
    if is_whole:
        client.receive_data(b"")
    found: list[Answer] = []
    for method in chain(methods, repeat("GET")):
        client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        client.send(h11.EndOfMessage())
        if not client.trailing_data[0]:
            return found
        answer = _next(client)
        if answer is None:
            return found
        found.append(answer)
        if client.their_state is not h11.DONE:
            break
        client.start_next_cycle()
    if client.trailing_data[0]:
        raise AssertionError(f"behind the last answer came {client.trailing_data[0]!r}")
    return found


def _next(client: h11.Connection) -> Answer | None:
    response: h11.Response | None = None
    body = b""
    while True:
        match client.next_event():
            case h11.Response() as response:
                pass
            case h11.Data() as part:
                body += bytes(part.data)
            case h11.EndOfMessage() if response is not None:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
                return Answer(response.status_code, response.reason.decode("latin-1"), headers, body)
            case h11.InformationalResponse():
                pass
            case _:
                return None
