"""The threads that answer requests under Tornado and FastCGI."""

from __future__ import annotations

import logging
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads"]

logger = logging.getLogger("flask_embed.server")


class Threads:
    """A pool of up to *most* threads, started when they are needed; a job waits for a free one.

    Not an executor, for whose threads Python waits at its end, however long their jobs take. *freed* is called, in
    the thread, each time that one becomes free.
    """

    def __init__(self, most: int, freed: Callable[[], None] | None = None) -> None:
        self._most = most
        self._freed = freed
        self._lock = threading.Lock()
        #: how many threads there are; how many of them are free; and how many jobs wait for one
        self._started = self._free = self._waiting = 0
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    @property
    def are_busy(self) -> bool:
        """True if a job runs or waits."""
        with self._lock:
            return self._free < self._started

    @property
    def are_all_busy(self) -> bool:
        """True if a job would have to wait."""
        with self._lock:
            return not self._free and self._started == self._most

    def submit(self, job: Callable[[], None]) -> None:
        """Have *job* run by a free thread, a new one, or the next one to become free."""
        is_new = False
        with self._lock:
            # Counted here, not when a thread takes the job: until then it would count as free for the next job.
            if self._free:
                self._free -= 1
            elif self._started < self._most:
                self._started += 1
                is_new = True
            else:
                self._waiting += 1
        self._jobs.put(job)
        if is_new:
            threading.Thread(target=self._work, name=f"wsgi-{self._started}", daemon=True).start()

    def end(self) -> None:
        """Let each thread end when no job waits."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except BaseException:
                logger.exception("A job of the thread pool failed")  # and must not end the thread
            del job
            with self._lock:
                if self._waiting:
                    self._waiting -= 1
                else:
                    self._free += 1
            if self._freed is not None:
                self._freed()
