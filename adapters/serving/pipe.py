"""A request's body between a loop, which fills it, and the thread of the app, which empties it."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from flask_embed.adapters.serving.body import Body
from flask_embed.adapters.serving.limits import BODY_TOO_SLOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_embed.adapters.serving.limits import Fault
    from flask_embed.options import Options

__all__ = ["Pipe"]


class Pipe(Body):
    """A :class:`~flask_embed.adapters.serving.body.Body` for two threads, in which about ``--spool`` bytes wait.

    The loop calls :meth:`put`, :meth:`when_room`, :meth:`end` and :meth:`fail`; the thread :meth:`take`, :meth:`wait`
    and :meth:`abandon`.
    """

    __slots__ = ("_changed", "_is_abandoned", "_room", "_spool", "_timeout")

    def __init__(self, length: int | None, options: Options) -> None:
        super().__init__(length, options.limit_body)
        self._spool = options.spool
        self._timeout = options.body_timeout
        self._changed = threading.Condition()
        self._is_abandoned = False
        self._room: Callable[[], None] | None = None

    @property
    def has_room(self) -> bool:
        """True if the loop may go on reading from the connection."""
        return self.backlog.size < self._spool or self._is_abandoned

    def put(self, data: bytes) -> None:
        with self._changed:
            super().put(data)
            if self._is_abandoned:
                self.backlog.clear()
            self._changed.notify()

    def when_room(self, call: Callable[[], None]) -> None:
        """Call *call* when there is room again: in the other thread, or at once."""
        with self._changed:
            if not self.has_room:
                self._room = call
                return
        call()

    def end(self) -> None:
        with self._changed:
            super().end()
            self._changed.notify()

    def fail(self, fault: Fault) -> None:
        with self._changed:
            super().fail(fault)
            self._changed.notify()
            call, self._room = self._room, None
        if call is not None:
            call()

    def abandon(self) -> None:
        """Drop the rest: the app has answered."""
        with self._changed:
            self._is_abandoned = True
            self.backlog.clear()
            call, self._room = self._room, None
        if call is not None:
            call()

    def take(self, most: int) -> memoryview | None:
        with self._changed:
            data = super().take(most)
            call = None
            if self._room is not None and self.has_room:
                call, self._room = self._room, None
        if call is not None:
            call()
        return data

    def wait(self) -> None:
        """Wait until it has data, has ended or has failed; after --body-timeout it fails."""
        with self._changed:
            begun = monotonic()
            came = self._changed.wait_for(
                lambda: self.backlog.size or self.ended or self.fault is not None, self.patience(self._timeout)
            )
            self.waited += monotonic() - begun
            if not came:
                super().fail(BODY_TOO_SLOW)
