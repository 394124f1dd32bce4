"""One thread that waits for all connections: for new ones, and for the quiet ones to have something to read."""

from __future__ import annotations

import contextlib
import errno
import logging
import select
import signal
import socket
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

__all__ = ["Poller", "Quiet", "wait_for"]

logger = logging.getLogger("flask_embed.server")

_READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT


class Quiet(Protocol):
    """A connection that waits for a request: the poller has it until there is something to read."""

    @property
    def fileno(self) -> int: ...

    #: when the wait is to end
    deadline: float
    #: True if the poller knows the descriptor; set by the poller
    is_registered: bool

    def read(self) -> None:
        """Read what has come."""

    def expire(self) -> None:
        """The wait has taken too long."""

    def close(self) -> None:
        """Close it."""


class Poller:
    """Waits for a listening socket and for quiet connections, with epoll; a context manager that closes all of them.

    Only :meth:`watch`, :meth:`wake` and :meth:`stop` may be called from other threads, and from signal handlers.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        #: written to by signals and by other threads
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._epoll.register(self._woken.fileno(), select.EPOLLIN)
        self._wakeup_before: int | None = None
        if threading.current_thread() is threading.main_thread():
            self._wakeup_before = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._listener: socket.socket | None = None
        #: how often :meth:`stop` was called
        self.stops = 0
        #: the connections that wait for a request, by their descriptors
        self.quiet: dict[int, Quiet] = {}
        #: when one has last begun to wait
        self._quiet_since = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._wakeup_before is not None:
            signal.set_wakeup_fd(self._wakeup_before)
        self.close_quiet()
        self._epoll.close()
        self._woken.close()
        self._waker.close()

    def listen(self, listener: socket.socket) -> None:
        """Wait for new connections on *listener*, too, which is not closed here."""
        listener.setblocking(False)
        self._listener = listener
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    @property
    def quiet_since(self) -> float:
        """When a connection has last begun to wait; 0 if none waits."""
        return self._quiet_since if self.quiet else 0.0

    def wait(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds, and let quiet connections read; True if there is a new connection."""
        has_new = False
        for number, _ in self._epoll.poll(timeout):
            connection = self.quiet.pop(number, None)
            if connection is not None:
                connection.read()
            elif number == self._woken.fileno():
                with contextlib.suppress(BlockingIOError):
                    while self._woken.recv(4096):
                        pass
            else:
                has_new = has_new or (self._listener is not None and number == self._listener.fileno())
        return has_new

    def accept(self) -> tuple[socket.socket, Any] | None:
        """The next new connection, without blocking, and its peer; None if there is none."""
        if self._listener is None:
            return None
        try:
            sock, peer = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                logger.error("Cannot accept a connection: %s", error.strerror)
                sleep(0.05)  # those that are open go on
            return None
        sock.setblocking(False)
        return sock, peer

    def accept_rest(self) -> Iterator[tuple[socket.socket, Any]]:
        """Every connection that was made already; then nothing more is accepted, and the listening socket is closed."""
        while (new := self.accept()) is not None:
            yield new
        if self._listener is not None:
            self._epoll.unregister(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def pause(self, is_paused: bool) -> None:
        """Leave new connections to other processes, or wait for them again."""
        if self._listener is not None:
            self._epoll.modify(self._listener.fileno(), 0 if is_paused else select.EPOLLIN)

    def watch(self, connection: Quiet) -> None:
        """Call its ``read()`` when it has something to read."""
        number = connection.fileno
        # Known before it is awaited, or the loop could meet a descriptor that it does not know.
        self.quiet[number] = connection
        self._quiet_since = monotonic()
        try:
            if connection.is_registered:
                self._epoll.modify(number, _READABLE)
            else:
                connection.is_registered = True
                self._epoll.register(number, _READABLE)
        except ValueError:  # the poller was closed meanwhile
            self.quiet.pop(number, None)
            connection.close()

    def wake(self) -> None:
        """Let :meth:`wait` return."""
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def stop(self) -> None:
        """Let the loop notice, by :attr:`stops`, that it is time to end."""
        self.stops += 1
        self.wake()

    def end_waits(self) -> None:
        """Let the connections expire whose time is over."""
        now = monotonic()
        for number, connection in list(self.quiet.items()):
            if connection.deadline < now and self.quiet.pop(number, None) is not None:
                connection.expire()

    def close_quiet(self) -> None:
        """Close the connections that wait for a request."""
        for number in list(self.quiet):
            connection = self.quiet.pop(number, None)
            if connection is not None:
                connection.close()


def wait_for(fileno: int, events: int, seconds: float) -> bool:
    """Wait until a descriptor is ready for these events of ``poll()``; False when the time is over."""
    poll = select.poll()
    poll.register(fileno, events)
    return bool(poll.poll(max(seconds, 0) * 1000))
