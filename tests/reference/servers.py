"""Real servers in their own processes: start, wait for their output, send requests, stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from email.message import Message
    from typing import IO

__all__ = ["ROOT", "Answer", "Server", "environment", "fetch", "run", "running"]

ROOT = Path(__file__).parents[2]

#: seconds that anything may take before a test gives up on it
PATIENCE = 20


class Server:
    """A process that serves, and the lines that it has printed to stdout and stderr."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.printed: list[str] = []
        self._lines: Queue[str | None] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The match in the next line that has one; fails when the process ends or takes too long."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except Empty:
                line = None
            if line is None:
                raise AssertionError(f"{pattern!r} was not printed:\n{''.join(self.printed)}")
            match = re.search(pattern, line)
            if match is not None:
                return match

    def interrupt(self) -> int:
        """Send the signal of Ctrl-C; returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def stop(self) -> None:
        """End the process and those that it started."""
        if self.process.returncode is None:  # nobody has waited for it yet, so the number is still its own
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        stream = self.process.stdout
        if stream is not None:
            with stream:
                for line in stream:
                    self.printed.append(line)
                    self._lines.put(line)
        self._lines.put(None)


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    headers: Message
    text: str


def environment(*folders: Path, **variables: str) -> dict[str, str]:
    """The variables for a process that imports the project, and modules from *folders*."""
    path = os.pathsep.join(map(str, [*folders, ROOT]))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WERKZEUG_")}
    return {**inherited, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **variables}


def _take_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell starts what runs in the background without them


@contextmanager
def running(
    command: Sequence[str | Path], folder: Path, stdin: IO[bytes] | int = subprocess.DEVNULL
) -> Iterator[Server]:
    """A server started by *command* in *folder*, for the length of a ``with`` block."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(folder),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_take_interrupts,  # noqa: PLW1509 no other thread runs here but one that only reads
    )
    server = Server(process)
    try:
        yield server
    finally:
        server.stop()


def run(
    *arguments: str | Path, folder: Path, variables: Mapping[str, str] | None = None, data: str = ""
) -> subprocess.CompletedProcess[str]:
    """A Python that runs to its end in *folder*, with *data* on stdin."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(folder, **(variables or {})),
        input=data,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def fetch(port: int | str, path: str = "/", form: str | None = None) -> Answer:
    """Ask the server on the loopback interface; with *form* it is a POST of a form."""
    connection = HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE)
    try:
        if form is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())
    finally:
        connection.close()
