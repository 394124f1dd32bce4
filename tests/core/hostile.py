"""The doctor, connected with a server whose answers are made up."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any

from flask_embed.doctor import Diagnosis
from flask_embed.doctor.address import Address
from flask_embed.doctor.checks import CHECKS, judge
from flask_embed.doctor.client import Answer, Client, Question, UnreachableError
from flask_embed.doctor.known import CONFIGURATIONS, recognized
from flask_embed.doctor.questions import Seen, questions_for, unreachable
from tests.security.checks import check, equal, one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Hostile", "check_asked", "check_judged", "is_harmless"]


class Hostile(Client):
    """The doctor's client, which gets the elements of *sent* in turn, over a real connection.

    In these ``<word>`` stands for the word that the doctor has sent.
    """

    def __init__(self, address: Address, sent: Sequence[bytes]) -> None:
        super().__init__(address, "a-token-of-the-tests", 5.0)
        self.sent = sent
        self.count = 0
        self.others: list[socket.socket] = []

    def connect(self, until: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.others.append(theirs)
        return ours

    def open(self, request: Question, until: float, word: str = "") -> Any:
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
    """True if a terminal writes all of it, on one line, and does nothing else."""
    return not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text)


def check_judged(seen: Seen) -> None:
    """AssertionError unless the verdicts can be printed, for people and for scripts."""
    diagnosis = Diagnosis(seen, judge(seen))
    equal(list(diagnosis.verdicts), list(CHECKS))
    one_of(recognized(seen), (None, *CONFIGURATIONS))
    for verdict in diagnosis.verdicts.values():
        one_of(verdict.level, ("ok", "note", "fault"))
    for line in diagnosis.lines(80):
        check(is_harmless(line), f"a line for people is {line!r}")
    check(json.loads(json.dumps(diagnosis.as_json()))["ok"] is not bool(diagnosis.faults), "ok, with faults")


def check_asked(address: Address, sent: Sequence[bytes]) -> None:
    """Send every question to a server that answers with *sent*; AssertionError unless that is judged, or refused."""
    client = Hostile(address, sent)
    found: dict[str, Answer] = {}
    try:
        for request in questions_for(address):
            answer = client.ask(request)
            check(is_harmless(answer.problem), f"the problem is {answer.problem!r}")
            is_below = request.rest is not None
            found[request.name] = Answer(
                answer.target,
                request.rest or "",
                is_below,
                answer.status,
                answer.headers,
                answer.report,
                answer.problem,
            )
        streams = {verb: client.stream(verb) for verb in ("stream", "unbuffered")}
    finally:
        client.close()
    if any(found[name].report for name in ("path", "slash", "bare") if name in found):
        check_judged(Seen(address, found, streams))
        return
    error = unreachable(address, found["path"])
    check(isinstance(error, UnreachableError), f"the error is {error!r}")
    check(is_harmless(str(error)), f"the error is {str(error)!r}")
