"""A request's body on its way from the connection to the app.

A server puts in what comes, the app reads from ``wsgi.input``::

    connection ── put(), end(), fail() ──► Body ── take() ──► wsgi.input ──► app
                                             ▲                   │
                                             └───── more() ◄─────┘   waits for more, up to --body-timeout

``more()`` is the server's: gevent and FastCGI read from their connection in it, Tornado waits for its loop
(:mod:`~flask_embed.adapters.serving.pipe`), CGI reads from stdin.
"""

from __future__ import annotations

import io
import os
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from flask_embed.adapters.serving.boundary import BodyError
from flask_embed.adapters.serving.limits import BODY_CUT_OFF, BODY_TOO_LARGE, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from _typeshed import WriteableBuffer

__all__ = ["NO_BODY", "Backlog", "Body", "SpooledBacklog", "input_of"]

#: A body may come this slowly, in bytes per second, once its first --body-timeout is used up.
_SLOWEST = 500
_READ = 64 * 1024
_NOTHING = memoryview(b"")


class Backlog:
    """Bytes that came and were not read yet, in memory."""

    __slots__ = ("_waiting", "size")

    def __init__(self) -> None:
        self._waiting: deque[memoryview] = deque()
        #: how many bytes there are
        self.size = 0

    def append(self, data: bytes) -> None:
        """Add *data*, which is not empty."""
        self._waiting.append(memoryview(data))
        self.size += len(data)

    def take(self, most: int) -> memoryview:
        """Up to *most* of the bytes, which are then no longer in it; there are some."""
        first = self._waiting[0]
        if len(first) > most:
            self._waiting[0] = first[most:]
            first = first[:most]
        else:
            self._waiting.popleft()
        self.size -= len(first)
        return first

    def clear(self) -> None:
        """Drop them all."""
        self._waiting.clear()
        self.size = 0


class SpooledBacklog(Backlog):
    """Bytes that came and were not read yet: the first *memory* bytes in memory, the others in a temporary file."""

    __slots__ = ("_file", "_memory", "_on_disk")

    def __init__(self, memory: int) -> None:
        super().__init__()
        self._memory = memory
        self._file: IO[bytes] | None = None
        #: the bytes at the end of the file that are to be read
        self._on_disk = 0

    def append(self, data: bytes) -> None:
        if not self._on_disk and self.size + len(data) <= self._memory:
            super().append(data)
            return
        if self._file is None:
            import tempfile

            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed in close()
        self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        self._on_disk += len(data)
        self.size += len(data)

    def take(self, most: int) -> memoryview:
        if self._waiting or self._file is None:
            return super().take(most)
        self._file.seek(-self._on_disk, os.SEEK_END)
        data = self._file.read(min(most, self._on_disk, _READ))
        self._on_disk -= len(data)
        self.size -= len(data)
        if not self._on_disk:
            self._file.truncate(0)
        return memoryview(data)

    def clear(self) -> None:
        super().clear()
        self._on_disk = 0
        if self._file is not None:
            self._file.truncate(0)

    def close(self) -> None:
        """Remove the temporary file."""
        if self._file is not None:
            self._file.close()


class Body:
    """The body of one request: what came and was not read, its end or its fault. It neither waits nor locks.

    :param length: the bytes that were announced; None where the end of the stream is the end of the body
    :param limit: the most bytes of a body that was not announced, None for any number; a longer one has the fault 413
    :param backlog: where data waits for the app
    """

    __slots__ = ("backlog", "ended", "fault", "left", "length", "limit", "received", "waited")

    def __init__(self, length: int | None = None, limit: int | None = None, backlog: Backlog | None = None) -> None:
        self.backlog = Backlog() if backlog is None else backlog
        #: the bytes that were announced, and those of them that the app has not read; None if unknown
        self.length = self.left = length
        self.limit = limit
        #: bytes that came
        self.received = 0
        #: seconds that were spent waiting for it
        self.waited = 0.0
        #: True if no more comes, and none is missing
        self.ended = length == 0
        #: why no more comes, None if more may
        self.fault: Fault | None = None

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to read, now or later."""
        return self.ended and not self.backlog.size

    def announce(self, length: int | None, limit: int | None) -> None:
        """Set length and limit, where data or the end may have come before they are known."""
        self.length = self.left = length
        self.limit = limit
        fault = None
        if length is None and limit is not None and self.received > limit:
            fault = BODY_TOO_LARGE
        elif length is not None and self.ended and self.received < length:
            fault = BODY_CUT_OFF
        if fault is not None:
            self.ended = False
            self.fail(fault)

    def put(self, data: bytes) -> None:
        """Take what came, which is not empty; beyond the limit and behind the end it is dropped."""
        most = None if self.limit is None or self.length is not None else max(self.limit - self.received, 0)
        self.received += len(data)
        if self.fault is None and not self.ended and most != 0:
            self.backlog.append(data[:most])
        if most is not None and len(data) > most:
            self.fail(BODY_TOO_LARGE)

    def end(self) -> None:
        """No more comes: it is whole, or shorter than announced."""
        if self.length is not None and self.received < self.length:
            self.fail(BODY_CUT_OFF)
        elif self.fault is None:
            self.ended = True

    def fail(self, fault: Fault) -> None:
        """No more comes, and it is not whole; the first fault counts."""
        if not self.ended and self.fault is None:
            self.fault = fault

    def take(self, most: int) -> memoryview | None:
        """Up to *most* bytes for the app: none at the end, None where more has to come first.

        :exc:`~flask_embed.adapters.serving.boundary.BodyError` behind the last byte before a fault.
        """
        left = self.left
        if left == 0:
            return _NOTHING
        if self.backlog.size:
            data = self.backlog.take(most if left is None or most < left else left)
            if left is not None:
                self.left = left - len(data)
            return data
        if self.fault is not None:
            raise BodyError(*self.fault)
        return _NOTHING if self.ended else None

    def patience(self, timeout: float) -> float:
        """Seconds to wait for more: *timeout*, less the time that a client slower than 500 bytes/s has used up."""
        return timeout + min(self.received / _SLOWEST - self.waited, 0)


#: The body of every request without one.
NO_BODY = Body(0)


class _Reader(io.RawIOBase):
    """The end of a body that the app reads from."""

    def __init__(self, body: Body, more: Callable[[], None]) -> None:
        self._body = body
        self._more = more

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._take(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        # io's own takes 8 KiB at a time.
        return b"".join(iter(partial(self._take, _READ), _NOTHING))

    def _take(self, most: int) -> memoryview:
        while (data := self._body.take(most)) is None:
            self._more()
        return data


def input_of(body: Body, more: Callable[[], None]) -> io.BufferedIOBase:
    """The ``wsgi.input`` for a body: a file that calls *more* where the app has to wait for data.

    *more* returns when the body has data, has ended or has failed, and makes it fail where none comes in time. The
    server closes the file when the request is answered: an app that kept it must not read the next one's body.
    """
    return io.BytesIO() if body.is_empty else io.BufferedReader(_Reader(body, more))
