"""Start a runner as its user does, and stop it again."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent
#: seconds after which something that should have happened will not
DEADLINE = 20.0

_ADDRESS = re.compile(r" at (?:(?:http|fcgi)://\[?(?P<host>[^/\]]+?)\]?:(?P<port>\d+)|unix:(?P<path>[^ ,]+))")


@dataclass
class Runner:
    """A runner that is serving."""

    process: subprocess.Popen[str]
    first_line: str
    host: str = ""
    port: int = 0
    path: str = ""
    lines: list[str] = field(default_factory=list)
    #: notified with each line
    written: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, line: str) -> None:
        """Return when it has written this line to stderr."""
        with self.written:
            if not self.written.wait_for(lambda: f"{line}\n" in self.lines, DEADLINE):
                raise AssertionError(f"{line!r} was not written: {''.join(self.lines)}")

    def read(self) -> None:
        """Collect what it writes, so that a full pipe never stops it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self.written:
                self.lines.append(line)
                self.written.notify_all()

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it; close it yourself."""
        connection = http.client.HTTPConnection(self.host or "localhost", self.port, timeout=DEADLINE)
        if self.path:
            connection.sock = unix_socket(self.path)
        return connection

    def get(self, target: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of a GET on a connection of its own."""
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


def portal_files(folder: Path) -> dict[str, str]:
    """The variables that let the examples of the portal keep in *folder* what they store."""
    databases = ("FLASKR", "MINITWIT", "TODO", "LIBRARY", "EXPENSES", "POLLS")
    named = {f"{name}_DATABASE": str(folder / f"{name.lower()}.db") for name in databases}
    return {**named, "UPLOADS_FOLDER": str(folder / "uploads")}


def unix_socket(path: str) -> socket.socket:
    """A connection to a unix socket; close it yourself."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(DEADLINE)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def command(runner: str, *arguments: str) -> list[str]:
    """The command line of a runner, with warnings as errors, and optimized where the tests are."""
    optimized = ["-O"] * sys.flags.optimize
    return [sys.executable, *optimized, "-W", "error", "-m", f"flask_embed.{runner}", *arguments]


def environment() -> dict[str, str]:
    """The environment of a runner: it finds flask_embed and the examples wherever it is started."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def serving(
    runner: str, *arguments: str, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Runner]:
    """A runner that is ready, with more *variables* in its environment, stopped at the end of the block."""
    env = {**environment(), **(variables or {})}
    process = subprocess.Popen(command(runner, *arguments), cwd=cwd or ROOT, env=env, stderr=subprocess.PIPE, text=True)
    too_late = threading.Timer(DEADLINE, process.kill)
    too_late.start()
    assert process.stderr is not None
    lines: list[str] = []
    reader = None
    try:
        match = None
        for line in process.stderr:
            lines.append(line)
            match = _ADDRESS.search(line)
            if match is not None:
                break
        too_late.cancel()
        if match is None:
            raise AssertionError(f"the runner did not start: {''.join(lines)}")
        found = match.groupdict()
        started = Runner(process, lines[-1], found["host"] or "", int(found["port"] or 0), found["path"] or "", lines)
        reader = threading.Thread(target=started.read)
        reader.start()
        yield started
    finally:
        too_late.cancel()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(DEADLINE)
        if reader is not None:
            reader.join(DEADLINE)
        process.stderr.close()


def fails(runner: str, *arguments: str, cwd: Path | None = None) -> tuple[int, str]:
    """The exit status and the stderr of a runner that is expected not to serve."""
    ended = subprocess.run(
        command(runner, *arguments),
        cwd=cwd or ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return ended.returncode, ended.stderr
