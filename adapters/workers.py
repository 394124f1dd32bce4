"""One process that serves, or several over one listening socket: a small prefork supervisor.

The supervisor is the standard library alone. It opens the socket, forks, and watches; each child patches, imports and
serves. From each child comes a pipe, over which it says that it is ready and then, again and again, that its event loop
turns; when the pipe breaks for the child, the supervisor is gone.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import random
import selectors
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, NamedTuple

from flask_embed.adapters.listeners import listening
from flask_embed.adapters.logs import logging_to, reopen_logs

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from flask_embed.options import Options

__all__ = ["AGAIN", "Worker", "alone", "supervise"]

logger = logging.getLogger("flask_embed.workers")

#: the exit status of a worker that wants to be started again at once: its files have changed
AGAIN = 75
#: seconds after which a worker that dies has not died young
_GROWN_UP = 10.0
#: seconds that the import of an app may take at least
_IMPORT = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
#: seconds for what comes after a signal: for the worker's own end behind its graceful_timeout, and for a traceback
_MARGIN = 2.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_READY, _BEAT = b"r", b"."


class Worker:
    """A process that serves: what it listens on, and the supervisor that it tells that it lives.

    An adapter calls :meth:`ready` when the app is started and served, then :meth:`beat` every :attr:`interval` seconds
    from its event loop, and ends after the request :attr:`last_request`.
    """

    def __init__(
        self, listener: socket.socket, options: Options, *, pipe: int | None = None, first: bool = True
    ) -> None:
        self.listener = listener
        #: seconds between two beats
        self.interval = max(min(1.0, options.timeout / 4), 0.02)
        #: the request after which it should end and be replaced, 0 for none; not all workers at the same time
        self.last_request = round(options.max_requests * random.uniform(0.9, 1.1))  # noqa: S311
        if options.max_requests:
            self.last_request = max(self.last_request, 1)
        self._pipe = pipe
        self._is_first = first

    def ready(self, line: str) -> None:
        """The app is served: of several workers the first one says so, with *line* on stderr."""
        if self._is_first:
            print(line, file=sys.stderr, flush=True)
        self._tell(_READY)

    def beat(self) -> bool:
        """Tell that the event loop turns; False if nobody listens any more: then it is time to end."""
        return self._tell(_BEAT)

    def _tell(self, what: bytes) -> bool:
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


class _Child(NamedTuple):
    """A worker, as the supervisor sees it."""

    pid: int
    pipe: int
    born: float


def supervise(options: Options, run: Callable[[Worker], int]) -> int:
    """Keep ``options.workers`` processes running, each of which calls *run*; returns the exit status.

    *run* gets its :class:`Worker` in the child and returns the child's exit status. The first child has to get ready
    before the others are started; if it ends before, nothing is started again and the status is 2. SIGTERM and SIGINT
    let the running requests end, a second one does not; SIGHUP opens the logs anew.
    """
    with (
        logging_to(options, logger.name),
        listening(options.bind, mode=options.socket_mode, group=options.socket_group) as listener,
    ):
        return _Supervisor(options, run, listener).main()


class _Supervisor:
    def __init__(self, options: Options, run: Callable[[Worker], int], listener: socket.socket) -> None:
        self.options = options
        self.run = run
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        #: the children by their pipes
        self.children: dict[int, _Child] = {}
        #: when a child was heard of last, and which ones are ready
        self.heard: dict[int, float] = {}
        self.is_ready: set[int] = set()
        #: those that were told to end because they were silent
        self.aborted: set[int] = set()
        #: when the places of workers that died are to be filled again
        self.due: list[float] = []
        self.pause = 0.0
        self.started = 0
        #: whether there was ever a worker that got ready
        self.works = False
        self.signals, self._wakeup = os.pipe()
        #: when those that have not ended are killed; None while it serves
        self.end: float | None = None

    def main(self) -> int:
        for end in (self.signals, self._wakeup):
            os.set_blocking(end, False)
        self.selector.register(self.signals, selectors.EVENT_READ)
        handlers = {number: signal.signal(number, _woken) for number in _SIGNALS}
        before = signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        try:
            return self.watch()
        finally:
            for child in list(self.children.values()):
                self.kill(child, signal.SIGKILL)
                self.bury(child)
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self.selector.close()
            os.close(self.signals)
            os.close(self._wakeup)

    def watch(self) -> int:
        self.spawn()
        while self.children or (self.end is None and self.due):
            for key, _ in self.selector.select(self.patience()):
                if key.fd == self.signals:
                    for number in os.read(self.signals, 100):
                        self.signalled(number)
                elif (child := self.children.get(key.fd)) is not None:
                    status = self.listen(child)
                    if status is not None:
                        return status
            self.look()
        return 0

    def patience(self) -> float:
        """How long nothing has to be done if nothing happens."""
        now = time.monotonic()
        times = [self.heard[pipe] + self.allowed(pipe) for pipe in self.children]
        if self.end is not None:
            times = [self.end]
        else:
            times += self.due
        return max(min(times, default=now + 1) - now, 0) + 0.001

    def allowed(self, pipe: int) -> float:
        """How long a child may be silent."""
        if pipe in self.aborted:
            return _MARGIN
        return self.options.timeout if pipe in self.is_ready else max(self.options.timeout, _IMPORT)

    def spawn(self) -> None:
        ours, theirs = os.pipe()
        self.started += 1
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that came before the child has its own handlers would be lost in the supervisor's pipe.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            self.become_child(ours, theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(theirs)
        os.set_blocking(ours, False)
        child = _Child(pid, ours, time.monotonic())
        self.children[ours] = child
        self.heard[ours] = child.born
        self.selector.register(ours, selectors.EVENT_READ)

    def become_child(self, ours: int, theirs: int) -> None:
        """Serve in this new process, and end it: nothing of what waits in its caller is its own to do."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            # Until the server of this child is up, and takes signals itself.
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            faulthandler.enable()  # shows where a worker stood still, when SIGABRT ends it
            self.selector.close()
            for end in (ours, self.signals, self._wakeup, *self.children):
                os.close(end)
            os.set_blocking(theirs, False)
            worker = Worker(self.listener, self.options, pipe=theirs, first=self.started == 1)
            status = self.run(worker)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def listen(self, child: _Child) -> int | None:
        """Take what a child has told; an exit status if it ended in a way that ends everything."""
        try:
            told = os.read(child.pipe, 4096)
        except BlockingIOError:
            return None
        if told:
            self.heard[child.pipe] = time.monotonic()
            if child.pipe not in self.is_ready and _READY in told:
                self.is_ready.add(child.pipe)
                if not self.works:
                    self.works = True
                    for _ in range(self.options.workers - 1):
                        self.spawn()
            return None
        was_ready = child.pipe in self.is_ready
        status = self.bury(child)
        if self.end is not None:
            return None
        if not self.works and not self.options.reload:
            return 2  # it has said itself what is wrong
        if status == AGAIN or (status == 0 and was_ready):
            self.due.append(time.monotonic())
            return None
        lived = time.monotonic() - child.born
        self.pause = 0.0 if lived >= _GROWN_UP else min(max(self.pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
        logger.error("Worker %d %s; another one starts in %g s", child.pid, _ending(status), self.pause)
        self.due.append(time.monotonic() + self.pause)
        return None

    def bury(self, child: _Child) -> int:
        """Wait for a child that has closed its pipe; its exit status, negative for a signal."""
        self.selector.unregister(child.pipe)
        os.close(child.pipe)
        del self.children[child.pipe], self.heard[child.pipe]
        self.is_ready.discard(child.pipe)
        self.aborted.discard(child.pipe)
        deadline = time.monotonic() + _MARGIN
        while True:
            pid, wait_status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(wait_status)
            if time.monotonic() > deadline:
                # It has closed the pipe, and lives on: nobody would know how it does.
                self.kill(child, signal.SIGKILL)
                deadline = float("inf")
            time.sleep(0.005)

    def look(self) -> None:
        """Do what is due: fill places, end workers that stand still, kill what does not end."""
        now = time.monotonic()
        if self.end is not None:
            if now >= self.end:
                for child in list(self.children.values()):
                    self.kill(child, signal.SIGKILL)
                self.end = now + _MARGIN
            return
        for due in [due for due in self.due if due <= now]:
            self.due.remove(due)
            self.spawn()
        for child in list(self.children.values()):
            silent = now - self.heard[child.pipe]
            if silent > self.allowed(child.pipe):
                if child.pipe not in self.aborted:
                    logger.error("Worker %d was silent for %.1f s and is ended", child.pid, silent)
                self.kill(child, signal.SIGKILL if child.pipe in self.aborted else signal.SIGABRT)
                self.aborted.add(child.pipe)
                self.heard[child.pipe] = now

    def signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            reopen_logs()
            for child in self.children.values():
                self.kill(child, signal.SIGHUP)
        elif number in (signal.SIGTERM, signal.SIGINT):
            is_second = self.end is not None
            self.end = time.monotonic() + (0 if is_second else self.options.graceful_timeout + _MARGIN)
            for child in self.children.values():
                self.kill(child, signal.SIGTERM)

    def kill(self, child: _Child, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)


def _woken(number: int, frame: object) -> None:
    """Handles a signal: the number comes over the wake-up descriptor."""


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
