"""Many visitors at the same time, through each runner that serves several: each gets its own data, and no other.

Their requests, and the check of the answers, are in tests/security/visiting.py.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.adapters.records import STDOUT, Peer, asked
from tests.security.visiting import OF_FOUR_QUARTERS, REQUESTS, Answered, visit
from tests.serving import DEADLINE, Runner, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.security.visiting import Asked

#: how many threads of the test share the visitors: of one thread's all have asked before it reads the first answer
_THREADS = 25


class Line(Protocol):
    """The connection of a visitor; a new one is opened when it has ended."""

    def send(self, asked: Asked, /) -> None:
        """Send a request."""

    def receive(self, asked: Asked, /) -> Answered:
        """The answer; its status is 0 if it was cut off, and then it may be empty."""
        ...

    def close(self) -> None:
        """Close the connection."""


class HTTPLine:
    """A visitor over HTTP."""

    def __init__(self, runner: Runner) -> None:
        self.connection = runner.connect()
        self.connection.connect()

    def send(self, asked: Asked) -> None:
        target = f"{asked.path}?{asked.query}" if asked.query else asked.path
        self.connection.request("GET", target, headers={"Cookie": asked.cookie} if asked.cookie else {})

    def receive(self, asked: Asked) -> Answered:
        try:
            answer = self.connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            body = answer.readline() if asked.leaves else answer.read()
        except (http.client.HTTPException, ConnectionError):
            self.close()
            return Answered(0, {}, b"")
        if asked.leaves:
            self.close()
            answer.close()
        return Answered(answer.status, headers, body)

    def close(self) -> None:
        self.connection.close()


class FastCGILine:
    """A visitor behind a web server that keeps its connection."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.peer = self.connected()

    def connected(self) -> Peer:
        return Peer((self.runner.host, self.runner.port), DEADLINE)

    def send(self, asked_for: Asked) -> None:
        variables = {"QUERY_STRING": asked_for.query, "HTTP_COOKIE": asked_for.cookie}
        self.peer.send(asked(asked_for.path, variables=variables, flags=1))

    def receive(self, asked: Asked) -> Answered:
        try:
            if not asked.leaves:
                answer = self.peer.answer()
                return Answered(int(answer.status[:3]), answer.headers, answer.body)
            output = b""
            while b"\n" not in output.partition(b"\r\n\r\n")[2]:
                kind, _, content = self.peer.record()
                output += content * (kind == STDOUT)
        except (EOFError, ConnectionError, AssertionError):
            output = b""
        self.close()
        self.peer = self.connected()
        return Answered(200 if output else 0, {}, output.partition(b"\r\n\r\n")[2])

    def close(self) -> None:
        self.peer.socket.close()


def visiting(lines: Sequence[Line], names: Sequence[str], quarters: bool, wrong: list[str]) -> None:
    """Send a request over each line, then read all answers."""
    visitors = [visit(name, number % 4 if quarters else None) for number, name in enumerate(names)]
    requests = [next(visitor) for visitor in visitors]
    while requests:
        for line, request in zip(lines, requests, strict=True):
            line.send(request)
        answers = [line.receive(request) for line, request in zip(lines, requests, strict=True)]
        requests = []
        for visitor, answer in zip(visitors, answers, strict=True):
            try:
                requests.append(visitor.send(answer))
            except StopIteration as end:
                wrong += end.value


def crowd(make: Callable[[], Line], size: int, rounds: int, quarters: bool) -> list[str]:
    """The faults found with this many visitors at the same time, in this many rounds."""
    wrong: list[str] = []
    barrier = threading.Barrier(_THREADS, timeout=DEADLINE)

    def work(thread: int) -> None:
        with contextlib.ExitStack() as stack:
            try:
                lines = [make() for _ in range(size // _THREADS)]
                for line in lines:
                    stack.callback(line.close)
                for number in range(rounds):
                    barrier.wait()
                    names = [f"{thread}-{number}-{line}" for line in range(len(lines))]
                    visiting(lines, names, quarters, wrong)
            except Exception as error:
                barrier.abort()
                wrong.append(repr(error))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * DEADLINE)
    assert not any(thread.is_alive() for thread in threads)
    return wrong


def diary(runner: Runner, requests: int) -> dict[str, Any]:
    """The notes of the app, taken when all requests have ended or should have ended."""
    latest = time.monotonic() + DEADLINE
    while True:
        if "fcgi:" in runner.first_line:
            with Peer((runner.host, runner.port)) as peer:
                body = peer.ask("/diary").body
        else:
            body = runner.get("/diary")[2]
        told: dict[str, Any] = json.loads(body)
        if told["ended"] >= requests or time.monotonic() > latest:
            return told
        time.sleep(0.01)  # those that clients have left


#: runner, app and options; how visitors ask; how many at once; how often; and whether each does a quarter
CROWDS: dict[str, tuple[list[str], Callable[[Runner], Line], int, int, bool]] = {
    "gevent": (["gevent", "visited()"], HTTPLine, 500, 1, True),
    "gevent that patches nothing": (["gevent", "visited_by_greenlets()", "--no-patch"], HTTPLine, 500, 1, True),
    "tornado": (["tornado", "visited()", "--threads", "50"], HTTPLine, 50, 3, False),
    "fastcgi": (["fastcgi", "visited()", "--threads", "50"], FastCGILine, 50, 3, False),
}


@pytest.mark.parametrize("name", CROWDS)
def test_each_visitor_of_a_crowd_gets_its_own(name: str) -> None:
    (runner_name, app, *options), line, size, rounds, quarters = CROWDS[name]
    requests = size // 4 * OF_FOUR_QUARTERS if quarters else size * rounds * REQUESTS
    with serving(runner_name, f"tests.security.visiting:{app}", "--bind", "127.0.0.1:0", *options) as runner:
        wrong = crowd(lambda: line(runner), size, rounds, quarters)

        told = diary(runner, requests)

    assert wrong == []
    assert told == {"begun": requests, "ended": requests, "unequal": [], "wrong": [], "moved": [], "left": 0}
