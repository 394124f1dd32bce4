"""The folder of the static file, and a streamed body that records what is done to it: all guests share them."""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Self

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

STATIC = str(Path(__file__).parent / "static")
#: how many blocks a stream has
COUNT = 3
#: what was done to the streams of this process, in order
log: list[str] = []
#: With this variable set each block but the first waits until somebody has asked :func:`control` for it.
_WAITS = "GUESTS_WAIT" in os.environ
_asked = threading.Semaphore(0)
_closed = threading.Event()


class Blocks:
    """A body of three lines, each with its number and the URL that *url* builds at that moment."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._number == COUNT:
            raise StopIteration
        if self._number and _WAITS and not _asked.acquire(timeout=10):
            raise TimeoutError("nobody asked for the next block: the ones before it have not arrived")
        self._number += 1
        log.append(f"block {self._number}")
        return f"{self._number} {self._url()}\n".encode()

    def close(self) -> None:
        """Called by whoever has the body last."""
        log.append("close")
        _closed.set()


def control(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """A WSGI app beside the guests: ``/next`` lets a stream go on, anything else tells its log when it was closed."""
    body = ""
    if environ["PATH_INFO"] == "/next":
        _asked.release()
    else:
        _closed.wait(timeout=10)  # the end of a body may arrive before close() was called
        body = " ".join(log)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]


def measured(file: IO[bytes]) -> str:
    """Size and checksum of an uploaded file, as every guest answers."""
    content = file.read()
    return f"{len(content)} {sha256(content).hexdigest()}"
