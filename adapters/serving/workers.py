"""A process that serves: its listening socket, and its reports to the supervisor."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from typing import TYPE_CHECKING

from flask_embed.adapters.serving.listeners import listening

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from flask_embed.options import Options

__all__ = ["AGAIN", "LEAVING", "READY", "Worker", "alone"]

#: the exit status of a worker that is to be started again at once: its files have changed
AGAIN = 75
#: the reports of a worker to its supervisor, a byte each
READY, _BEAT, LEAVING = b"r", b".", b"l"


class Worker:
    """A process that serves: its listening socket, and its reports to the supervisor.

    An adapter calls :meth:`ready` when the app is started and served, then :meth:`beat` every :attr:`interval` seconds
    from its event loop. It ends after the request :attr:`last_request`, and when :meth:`beat` is False; whatever the
    reason, it calls :meth:`leaving` when it accepts nothing more.
    """

    def __init__(
        self,
        listener: socket.socket,
        options: Options,
        *,
        pipe: int | None = None,
        first: bool = True,
        announces: bool = True,
    ) -> None:
        self.listener = listener
        longest = 0.2 if options.reload else 1.0
        #: seconds between two beats
        self.interval = max(min(longest, options.timeout / 4), 0.02) if options.timeout else longest
        #: the request after which it should end and be replaced, 0 for none; spread, so that workers do not end
        #: together
        self.last_request = round(options.max_requests * random.uniform(0.9, 1.1))  # noqa: S311
        if options.max_requests:
            self.last_request = max(self.last_request, 1)
        #: True for the first process of a command that tries to serve
        self.is_first = first
        self._announces = announces
        self._pipe = pipe
        self._is_over = False

    def ready(self, line: str) -> None:
        """Report that the app is served; the first of several workers prints *line* on stderr."""
        if self._announces:
            print(line, file=sys.stderr, flush=True)
        self._report(READY)

    def beat(self) -> bool:
        """Report that the event loop turns; False if it is time to end: by :meth:`stop`, or without a supervisor."""
        return self._report(_BEAT) and not self._is_over

    def leaving(self) -> None:
        """Report that it accepts nothing more and is silent while it answers the rest: another worker is started."""
        if not self._is_over:  # else it is to be started again itself
            self._report(LEAVING)

    def stop(self) -> None:
        """Make the next :meth:`beat` False; from any thread."""
        self._is_over = True

    def _report(self, what: bytes) -> bool:
        if self._pipe is None:
            return True
        try:
            os.write(self._pipe, what)
        except BlockingIOError:
            pass  # the supervisor is slow, not gone
        except OSError:
            return False
        return True


@contextlib.contextmanager
def alone(options: Options) -> Iterator[Worker]:
    """The one process that serves, with its socket, which is closed at the end of the block."""
    with listening(options.bind, mode=options.socket_mode, group=options.socket_group) as listener:
        yield Worker(listener, options)
