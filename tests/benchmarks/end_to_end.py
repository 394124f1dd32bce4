"""``python -m tests.benchmarks.end_to_end``: an app with flask_embed and one with Flask, under servers of others.

All servers are up at the same time, one process each with one thread for the app, and are put under the load of wrk in
turn, round by round. The figure is the median round; what is judged is the median of the rounds' ratios. A callable
without a framework stands below: what the server and wrk themselves take is in all figures, and no framework can save
it. The exit status is 1 where a target is missed, 2 where something is not installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.contenders import FLASK, OURS
from tests.benchmarks.pages import HELLO, HTML
from tests.benchmarks.servers import Server, requests_per_second

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from types import FrameType
    from typing import IO

ROUNDS = 7
SECONDS = 1
#: how many times Flask's requests per second ours are to be, by server
TARGETS = {"granian": 4.0, "uWSGI": 4.0}
#: seconds after which a server that is not up will not be, and after which one that has not ended is killed
DEADLINE = 20.0
END = 5.0
RIGHT = (200, HTML, HELLO.encode())

#: what is served, in the order of the table
APPS = {
    OURS: "tests.benchmarks.hello_flask_embed:app",
    FLASK: "tests.benchmarks.hello_flask:app",
    "bare": "tests.guests.contenders.bare_app:app",
}
#: the modules that the servers are
PACKAGES = ("granian", "pyuwsgi")
_GRANIAN = "-m granian --interface wsgi --workers 1 --blocking-threads 1 --no-access-log --host 127.0.0.1 --port {port}"
_UWSGI = (
    *(sys.executable, "-c", "import pyuwsgi; pyuwsgi.run()", "--module", "{app}", "--need-app"),
    *("--processes", "1", "--disable-logging", "--die-on-term", "--reuse-port"),
)
#: the commands of the servers, with ``{port}`` and ``{app}`` where these belong. A port is held for each, see
#: :func:`serving`, so they have to share it: granian always does.
SERVERS = {
    "granian": [sys.executable, *_GRANIAN.split(), "{app}"],
    # It closes each connection, and would not tell so, which wrk counts as an error.
    "uWSGI": [*_UWSGI, "--http-socket", "127.0.0.1:{port}", "--add-header", "Connection: close"],
    # What the first one spends on connections is not in this one.
    "uWSGI, connections kept": [*_UWSGI, "--http11-socket", "127.0.0.1:{port}"],
}


class Contender(NamedTuple):
    """An app under a server."""

    server: str
    app: str

    def __str__(self) -> str:
        return f"{self.server}: {self.app}"


class Row(NamedTuple):
    """The results of a contender."""

    contender: Contender
    #: requests per second
    rate: float
    #: of those of Flask under the same server
    ratio: float

    @property
    def target(self) -> float | None:
        """The ratio that it is to have, if there is one."""
        return TARGETS.get(self.contender.server) if self.contender.app == OURS else None

    @property
    def missed(self) -> bool:
        """True if it misses the target."""
        return self.target is not None and self.ratio < self.target


def missing() -> list[str]:
    """The programs that have to be installed before anything can be measured."""
    packages = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    return packages if shutil.which("wrk") else [*packages, "wrk"]


def commands(servers: Mapping[str, Sequence[str]] = SERVERS) -> dict[Contender, list[str]]:
    """The command of each contender, with ``{port}`` still in it."""
    return {
        Contender(server, app): [word.replace("{app}", module) for word in command]
        for server, command in servers.items()
        for app, module in APPS.items()
    }


@contextlib.contextmanager
def serving(commands: Mapping[Contender, Sequence[str]]) -> Iterator[dict[Contender, Server]]:
    """The servers that these commands start, all of them up and checked; ended with the block.

    ``{port}`` in a command becomes a free port of the loopback. It is held by a socket that does not listen, until the
    end: nobody else gets it, and a server that binds it with SO_REUSEPORT does.
    """
    with contextlib.ExitStack() as stack:
        started = {}
        for contender, command in commands.items():
            log = stack.enter_context(tempfile.TemporaryFile())
            started[contender] = (stack.enter_context(_starting(command, log)), log)
        for contender, (server, log) in started.items():
            try:
                _wait_until_up(server)
                check(server)
            except (OSError, AssertionError) as error:
                log.seek(0)
                said = log.read().decode(errors="replace")
                raise AssertionError(f"{contender}: {error}; it has said:\n{said}") from error
        yield {contender: server for contender, (server, _) in started.items()}


@contextlib.contextmanager
def _starting(command: Sequence[str], log: IO[bytes]) -> Iterator[Server]:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        words = [word.replace("{port}", str(port)) for word in command]
        # In a session of its own: Ctrl-C is for the benchmark, which ends it, and its workers are known by the group.
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield Server(process, port)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # and what it has left behind
    process.wait()


def _wait_until_up(server: Server) -> None:
    """Return when it accepts connections."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port), DEADLINE).close()
        except ConnectionRefusedError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def check(server: Server) -> None:
    """AssertionError if it does not say hello as all of them are to do."""
    with contextlib.closing(server.connect()) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        found = (answer.status, answer.headers["Content-Type"], answer.read())
    if found != RIGHT:
        raise AssertionError(f"the answer is {found}, not {RIGHT}")


def measure(
    servers: Mapping[Contender, Server],
    rounds: int = ROUNDS,
    load: Callable[[Server, int], float] = requests_per_second,
) -> list[dict[Contender, float]]:
    """The requests per second of all of them in each round, after one that warms them up."""
    return [{contender: load(server, SECONDS) for contender, server in servers.items()} for _ in range(rounds + 1)][1:]


def rows(rounds: Collection[Mapping[Contender, float]]) -> list[Row]:
    """The medians of these rounds, in the order that the first of them has."""
    found = []
    for contender in next(iter(rounds)):
        flask = contender._replace(app=FLASK)
        rate = statistics.median(one[contender] for one in rounds)
        ratio = statistics.median(one[contender] / one[flask] for one in rounds)
        found.append(Row(contender, rate, ratio))
    return found


def table(found: Collection[Row]) -> str:
    """The table."""
    lines = [f"{'':<40}{'requests/s':>12}{f'of {FLASK}':>12}{'target':>10}"]
    for row in found:
        target = "" if row.target is None else f"{f'≥ {row.target:g}':>10}"
        verdict = "  MISSED" if row.missed else ""
        lines.append(f"{row.contender!s:<40}{row.rate:>12.0f}{row.ratio:>12.2f}{target}{verdict}")
    return "\n".join(lines)


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """Within the block, what asks the process to end has it leave the blocks that end its servers, before it does."""
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, frame: FrameType | None) -> None:
        for one in asked:
            signal.signal(one, signal.SIG_IGN)  # it is ending
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    """Print the table; returns the exit status."""
    if absent := missing():
        print(f"not installed: {', '.join(absent)}", file=sys.stderr)
        return 2
    with ending_in_order(), serving(commands()) as servers:
        found = rows(measure(servers))
    print(table(found))
    missed = [row for row in found if row.missed]
    for row in missed:
        print(f"missed: {row.contender}: {row.ratio:.2f} of {FLASK}'s requests per second, at least {row.target:g}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
