"""One process that serves, or several over one listening socket: a small prefork supervisor.

The supervisor is the standard library alone. It opens the socket, forks, and watches; each child patches, imports and
serves. From each child comes a pipe, over which it says that it is ready and then, again and again, that its event loop
turns; when the pipe breaks for the child, the supervisor is gone.
"""

from __future__ import annotations

import atexit
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
from typing import TYPE_CHECKING, NoReturn

from flask_embed.adapters.serving.listeners import listening
from flask_embed.adapters.serving.logs import logging_to, reopen_logs
from flask_embed.errors import UsageError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator

    from flask_embed.options import Options

__all__ = ["AGAIN", "Worker", "alone", "supervise"]

logger = logging.getLogger("flask_embed.workers")

#: the exit status of a worker that wants to be started again at once: its files have changed
AGAIN = 75
#: the exit status of a worker that has told in a line what was typed wrong
_MISTYPED = 2
#: seconds after which a worker that dies has not died young
_GROWN_UP = 10.0
#: seconds that the import of an app may take at least
_IMPORT = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
#: seconds for what comes after a signal: for the worker's own end behind its graceful_timeout, and for a traceback
_MARGIN = 2.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_READY, _BEAT, _LEAVING = b"r", b".", b"l"
_NEVER = float("inf")


class Worker:
    """A process that serves: what it listens on, and the supervisor that it tells that it lives.

    An adapter calls :meth:`ready` when the app is started and served, then :meth:`beat` every :attr:`interval` seconds
    from its event loop. It ends after the request :attr:`last_request`, and when :meth:`beat` says so; for whatever
    reason it ends, it calls :meth:`leaving` when it accepts nothing more.
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
        #: the request after which it should end and be replaced, 0 for none; not all workers at the same time
        self.last_request = round(options.max_requests * random.uniform(0.9, 1.1))  # noqa: S311
        if options.max_requests:
            self.last_request = max(self.last_request, 1)
        #: whether nobody has tried to serve before it, since the command was typed
        self.is_first = first
        self._announces = announces
        self._pipe = pipe
        self._is_over = False

    def ready(self, line: str) -> None:
        """The app is served: of several workers the first one says so, with *line* on stderr."""
        if self._announces:
            print(line, file=sys.stderr, flush=True)
        self._tell(_READY)

    def beat(self) -> bool:
        """Tell that the event loop turns; False if it is time to end: nobody listens any more, or :meth:`stop`."""
        return self._tell(_BEAT) and not self._is_over

    def leaving(self) -> None:
        """It accepts nothing more, and will be silent while it answers the rest: another worker takes its place."""
        if not self._is_over:  # else it is to be started again itself
            self._tell(_LEAVING)

    def stop(self) -> None:
        """Let the next beat say that it is time to end; from any thread."""
        self._is_over = True

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
    """A worker, as the supervisor sees it."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self.pipe = pipe
        #: when it was started, and when it was heard of last
        self.born = self.heard = time.monotonic()
        self.is_ready = False
        #: whether it ends by itself: its place is given away
        self.is_leaving = False
        #: whether it was told to end, because it was silent
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
        #: whether there was ever a worker that got ready
        self.works = False
        self.status = 0
        self.signals, self._wakeup = os.pipe()
        #: when it has woken up last: what is looked at until it waits again has that time
        self.now = time.monotonic()
        #: when those that have not ended are killed; None while it serves
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
                self.bury()
                self.look()
            return self.status
        finally:
            for child in self.children.values():
                self.kill(child, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                self.unhear(child)
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self.selector.close()
            os.close(self.signals)
            os.close(self._wakeup)

    def wait(self) -> None:
        """Wait for a signal, for what children tell, or for the time when something has to be done."""
        patience = self.patience()
        events = self.selector.select(patience)
        before, self.now = self.now, time.monotonic()
        if patience is not None and self.now - before - patience > 1:
            # This process stood still (Ctrl-Z), and so did the workers: none of them was silent for that.
            for child in self.children.values():
                child.heard = self.now
        self.take_signals()  # first: what leaves by Ctrl-C is not to be replaced
        for key, _ in events:
            if key.data is not None:
                self.hear(key.data)

    def patience(self) -> float | None:
        """How long nothing has to be done if nothing happens."""
        if self.end is not None:
            times = [self.end]
        else:
            times = [child.heard + self.allowed(child) for child in self.children.values()] + self.due
        first = min(times, default=_NEVER)
        return None if first == _NEVER else max(first - self.now, 0) + 0.001

    def allowed(self, child: _Child) -> float:
        """How long a child may be silent."""
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
                    stream.flush()  # or the child would write it once more
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
        """A new process; OSError if there cannot be one."""
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
        """Serve in this new process, and end it: nothing of what waits in its caller is its own to do."""
        status = 1
        try:
            atexit._clear()
            atexit.register(logging.shutdown)
            signal.set_wakeup_fd(-1)
            # Until the server of this child is up, and takes signals itself.
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
                # Who has changed a file wants to know when it is served.
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

    def hear(self, child: _Child) -> None:
        """Take what a child has told."""
        try:
            told = os.read(child.pipe, 4096)
        except BlockingIOError:
            return
        if not told:
            self.unhear(child)  # it ends; or it closes whatever it finds, and will be taken for one that is silent
            return
        child.heard = self.now
        if _READY in told and not child.is_ready:
            child.is_ready = True
            if not self.works:
                self.works = True
                self.due += [child.heard] * (self.options.workers - 1)
        if _LEAVING in told and not child.is_leaving:
            child.is_leaving = True
            if self.end is None:
                self.fill_place(child, "leaves", is_meant=self.options.max_requests > 0)

    def unhear(self, child: _Child) -> None:
        """Close the pipe of a child."""
        if child.pipe >= 0:
            self.selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = -1

    def bury(self) -> None:
        """Take leave of the children that have ended; as process 1 of a container also of those of others."""
        dead = []
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                child = self.children.pop(ended[0], None)
                if child is not None:
                    if child.pipe >= 0:
                        self.hear(child)  # its last words
                    self.unhear(child)
                    dead.append((child, os.waitstatus_to_exitcode(ended[1])))
        self.take_signals()  # nor what has ended by it
        for child, status in dead:
            if self.end is None:
                self.replace(child, status)

    def replace(self, child: _Child, status: int) -> None:
        """Have another worker started for one that has ended, if that is due and makes sense."""
        if not self.works and (status == _MISTYPED or not self.options.reload):
            self.status = _MISTYPED
            if status not in (1, _MISTYPED):  # else it has said itself what is wrong
                logger.error("The first worker %s before it served", _ending(status))
            return
        if child.is_leaving:
            if status != 0:
                logger.error("Worker %d %s", child.pid, _ending(status))
            return
        is_meant = (status == AGAIN and self.options.reload) or (
            status == 0 and child.is_ready and self.options.max_requests > 0
        )
        self.fill_place(child, _ending(status), is_meant=is_meant)

    def fill_place(self, child: _Child, what: str, *, is_meant: bool) -> None:
        """Have another worker started: at once, but later and later where one after the other goes young."""
        pause = 0.0
        if not is_meant:
            if child.is_ready and self.now - child.born >= _GROWN_UP:
                self.pause = 0.0
            else:
                self.lengthen_pause()
            pause = self.pause
            level = logging.WARNING if child.is_leaving else logging.ERROR
            logger.log(level, "Worker %d %s; another one starts in %g s", child.pid, what, pause)
        self.due.append(self.now + pause)

    def lengthen_pause(self) -> None:
        self.pause = min(max(self.pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)

    def look(self) -> None:
        """Do what is due: fill places, end workers that stand still, kill what does not end."""
        if self.end is not None:
            if self.now >= self.end:
                for child in self.children.values():
                    logger.error("Worker %d has not ended in time and is killed", child.pid)
                    self.kill(child, signal.SIGKILL)
                self.end = self.now + _MARGIN
            return
        for due in [due for due in self.due if due <= self.now]:
            self.due.remove(due)
            self.spawn()
        for child in self.children.values():
            silent = self.now - child.heard
            if silent >= self.allowed(child):
                if not child.is_aborted:
                    logger.error("Worker %d was silent for %.1f s and is ended", child.pid, silent)
                self.kill(child, signal.SIGKILL if child.is_aborted else signal.SIGABRT)
                child.is_aborted = True
                child.heard = self.now

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
            self.listener.close()  # or whoever connects now would wait for an answer
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
