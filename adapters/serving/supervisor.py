"""Several processes that serve over one listening socket: a small prefork supervisor.

The supervisor is the standard library alone. It opens the socket, forks, and watches; each child patches, imports and
serves. Over a pipe each child reports that it is ready, and then, again and again, that its event loop turns. A child
whose pipe is broken has lost its supervisor, and ends.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import logging
import os
import selectors
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, NoReturn

from flask_embed.adapters.serving.listeners import listening
from flask_embed.adapters.serving.logs import logging_to, reopen_logs
from flask_embed.adapters.serving.workers import AGAIN, LEAVING, READY, Worker
from flask_embed.errors import UsageError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from flask_embed.options import Options

__all__ = ["supervise"]

logger = logging.getLogger("flask_embed.workers")

#: the exit status of a worker that has printed a usage error
_MISTYPED = 2
#: seconds that a worker has served when its end is no longer taken for a failed start
_GROWN_UP = 10.0
#: seconds that an app may always take to be imported, whatever --timeout says
_IMPORT = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
#: seconds that a worker has beyond its graceful_timeout, and for the traceback that SIGABRT prints
_MARGIN = 2.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_NEVER = float("inf")


def supervise(options: Options, run: Callable[[Worker], int]) -> int:
    """Keep ``options.workers`` processes running, each of which calls *run*; returns the exit status.

    *run* gets its :class:`Worker` in the child and returns the child's exit status. The first child has to get ready
    before the others are started; if it ends before, nothing is started again and the status is 2. SIGTERM and SIGINT
    let the running requests end, a second one does not; SIGHUP opens the logs anew. Call it from the main thread.
    """
    with (
        logging_to(options, logger.name),
        listening(options.bind, mode=options.socket_mode, group=options.socket_group) as listener,
    ):
        return _Supervisor(options, run, listener).main()


class _Child:
    """A worker process, as the supervisor knows it."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self.pipe = pipe
        #: when it was started, and when it has reported last
        self.started = self.reported = time.monotonic()
        self.is_ready = False
        #: True if it ends by itself, and another worker has its place
        self.is_leaving = False
        #: True if it was sent SIGABRT, because it was silent
        self.is_aborted = False


class _Supervisor:
    def __init__(self, options: Options, run: Callable[[Worker], int], listener: socket.socket) -> None:
        self.options = options
        self.run = run
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        #: the children by their process ids
        self.children: dict[int, _Child] = {}
        #: when the places of workers that died are to be filled again
        self.due: list[float] = []
        self.pause = 0.0
        self.started = 0
        #: True if a worker was ever ready
        self.works = False
        self.status = 0
        self.signals, self._wakeup = os.pipe()
        #: when it has woken up last: the time of everything that it does until it waits again
        self.now = time.monotonic()
        #: when workers that have not ended are killed; None while it serves
        self.end: float | None = None

    def main(self) -> int:
        for end in (self.signals, self._wakeup):
            os.set_blocking(end, False)
        self.selector.register(self.signals, selectors.EVENT_READ)
        handlers = {number: signal.signal(number, _woken) for number in _SIGNALS}
        before = signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        try:
            self.spawn()
            while self.children or (self.due and self.end is None):
                self.wait()
                self.reap()
                self.do_due()
            return self.status
        finally:
            for child in self.children.values():
                self.kill(child, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                self.close_pipe(child)
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self.selector.close()
            os.close(self.signals)
            os.close(self._wakeup)

    def wait(self) -> None:
        """Wait for a signal, for reports, or for the time when something is due."""
        patience = self.patience()
        events = self.selector.select(patience)
        before, self.now = self.now, time.monotonic()
        if patience is not None and self.now - before - patience > 1:
            # This process stood still (Ctrl-Z), and so did the workers: their silence does not count.
            for child in self.children.values():
                child.reported = self.now
        self.take_signals()  # first: a worker that leaves by Ctrl-C is not replaced
        for key, _ in events:
            if key.data is not None:
                self.take_reports(key.data)

    def patience(self) -> float | None:
        """Seconds until something is due; None for never."""
        if self.end is not None:
            times = [self.end]
        else:
            times = [child.reported + self.allowed(child) for child in self.children.values()] + self.due
        first = min(times, default=_NEVER)
        return None if first == _NEVER else max(first - self.now, 0) + 0.001

    def allowed(self, child: _Child) -> float:
        """Seconds that a child may be silent."""
        if child.is_aborted:
            return _MARGIN
        if child.is_leaving:
            return self.options.graceful_timeout + _MARGIN
        if not self.options.timeout:
            return _NEVER
        return self.options.timeout if child.is_ready else max(self.options.timeout, _IMPORT)

    def spawn(self) -> None:
        """Start a worker, or try it again later."""
        self.started += 1
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as it is where the descriptor is closed
                with contextlib.suppress(OSError):
                    stream.flush()  # or the child would write it again
        try:
            child = self.forked()
        except OSError as error:
            if not self.works:
                raise UsageError(f"cannot start a worker: {error.strerror}") from None
            self.lengthen_pause()
            logger.error("Cannot start a worker: %s; tried again in %g s", error.strerror, self.pause)
            self.due.append(self.now + self.pause)
            return
        self.children[child.pid] = child
        self.selector.register(child.pipe, selectors.EVENT_READ, child)

    def forked(self) -> _Child:
        """A new process; OSError if the system has none to give."""
        ours, theirs = os.pipe()
        # A signal that came before the child has its own handlers would be lost in the supervisor's pipe.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self.become_child(ours, theirs, mask)
        except OSError:
            os.close(ours)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(theirs)
        os.set_blocking(ours, False)
        return _Child(pid, ours)

    def become_child(self, ours: int, theirs: int, mask: Iterable[int]) -> NoReturn:
        """Serve in this new process, and end it without returning to what its parent was doing."""
        status = 1
        try:
            atexit._clear()
            atexit.register(logging.shutdown)
            signal.set_wakeup_fd(-1)
            # Until the server of this child handles signals itself.
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if sys.__stderr__ is not None:
                faulthandler.enable(sys.__stderr__)  # shows where a worker stood still, when SIGABRT ends it
            self.selector.close()
            for end in (ours, self.signals, self._wakeup, *(child.pipe for child in self.children.values())):
                with contextlib.suppress(OSError):
                    os.close(end)
            os.set_blocking(theirs, False)
            worker = Worker(
                self.listener,
                self.options,
                pipe=theirs,
                first=self.started == 1,
                # With --reload each start is announced: the user waits for a changed file to be served.
                announces=not self.works or self.options.reload,
            )
            status = self.run(worker)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            # os._exit() leaves out what Python does at its end, and an app may count on its atexit functions.
            try:
                atexit._run_exitfuncs()
                for stream in (sys.stdout, sys.stderr):
                    if stream is not None:
                        stream.flush()
            finally:
                os._exit(status & 0xFF)

    def take_reports(self, child: _Child) -> None:
        """Take the reports of a child."""
        try:
            reports = os.read(child.pipe, 4096)
        except BlockingIOError:
            return
        if not reports:
            self.close_pipe(
                child
            )  # it ends; or it has closed descriptors that are not its own, and will count as silent
            return
        child.reported = self.now
        if READY in reports and not child.is_ready:
            child.is_ready = True
            if not self.works:
                self.works = True
                self.due += [child.reported] * (self.options.workers - 1)
        if LEAVING in reports and not child.is_leaving:
            child.is_leaving = True
            if self.end is None:
                self.fill_place(child, "leaves", is_planned=self.options.max_requests > 0)

    def close_pipe(self, child: _Child) -> None:
        """Close the pipe of a child."""
        if child.pipe >= 0:
            self.selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = -1

    def reap(self) -> None:
        """Collect the children that have ended; as process 1 of a container also those of other processes."""
        dead = []
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                child = self.children.pop(ended[0], None)
                if child is not None:
                    if child.pipe >= 0:
                        self.take_reports(child)  # its last ones
                    self.close_pipe(child)
                    dead.append((child, os.waitstatus_to_exitcode(ended[1])))
        self.take_signals()  # nor is one that a signal has ended
        for child, status in dead:
            if self.end is None:
                self.replace(child, status)

    def replace(self, child: _Child, status: int) -> None:
        """Have another worker started for one that has ended, unless its place is taken or it never worked."""
        if not self.works and (status == _MISTYPED or not self.options.reload):
            self.status = _MISTYPED
            if status not in (1, _MISTYPED):  # else it has printed the reason itself
                logger.error("The first worker %s before it served", _ending(status))
            return
        if child.is_leaving:
            if status != 0:
                logger.error("Worker %d %s", child.pid, _ending(status))
            return
        is_planned = (status == AGAIN and self.options.reload) or (
            status == 0 and child.is_ready and self.options.max_requests > 0
        )
        self.fill_place(child, _ending(status), is_planned=is_planned)

    def fill_place(self, child: _Child, what: str, *, is_planned: bool) -> None:
        """Have another worker started: at once, or after growing pauses where workers end soon after they start."""
        pause = 0.0
        if not is_planned:
            if child.is_ready and self.now - child.started >= _GROWN_UP:
                self.pause = 0.0
            else:
                self.lengthen_pause()
            pause = self.pause
            level = logging.WARNING if child.is_leaving else logging.ERROR
            logger.log(level, "Worker %d %s; another one starts in %g s", child.pid, what, pause)
        self.due.append(self.now + pause)

    def lengthen_pause(self) -> None:
        self.pause = min(max(self.pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)

    def do_due(self) -> None:
        """Fill places, end workers that stand still, and kill those that do not end."""
        if self.end is not None:
            if self.now >= self.end:
                for child in self.children.values():
                    logger.error("Worker %d has not ended within --graceful-timeout and is killed", child.pid)
                    self.kill(child, signal.SIGKILL)
                self.end = self.now + _MARGIN
            return
        for due in [due for due in self.due if due <= self.now]:
            self.due.remove(due)
            self.spawn()
        for child in self.children.values():
            silent = self.now - child.reported
            if silent >= self.allowed(child):
                if not child.is_aborted:
                    logger.error("Worker %d was silent for %.1f s (--timeout) and is ended", child.pid, silent)
                self.kill(child, signal.SIGKILL if child.is_aborted else signal.SIGABRT)
                child.is_aborted = True
                child.reported = self.now

    def take_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in os.read(self.signals, 1024):
                self.signalled(number)

    def signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            reopen_logs()
            for child in self.children.values():
                self.kill(child, signal.SIGHUP)
        elif number in (signal.SIGTERM, signal.SIGINT):
            is_second = self.end is not None
            self.end = self.now + (0 if is_second else self.options.graceful_timeout + _MARGIN)
            self.due.clear()
            self.listener.close()  # a client that connects now is refused, and need not wait
            for child in self.children.values():
                self.kill(child, signal.SIGTERM)

    def kill(self, child: _Child, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)


def _woken(number: int, frame: object) -> None:
    """Handler of a signal whose number comes over the wake-up descriptor."""


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
