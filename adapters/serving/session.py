"""The session of a server: from its options to an app that is being served, and on to the end of it.

A server calls :func:`serving` and keeps its loop; the rest is the same for all of them::

    with serving(app, options, worker, runner="gevent", on_signal=…, stop=…) as session:
        …accept connections on session.worker.listener
        session.ready()
        …until stop() was called, or session.worker.beat() is False
        session.leave()
        while (seconds := drain.wait(…)): …
        …close what is left

For each request that it has read it calls :meth:`Session.answer` or :meth:`Session.refuse`.
"""

from __future__ import annotations

import contextlib
import logging
import signal
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from flask_embed.adapters.serving.boundary import respond
from flask_embed.adapters.serving.gate import behind_gate, whole_server
from flask_embed.adapters.serving.limits import Limits
from flask_embed.adapters.serving.waits import QUIET
from flask_embed.answers import plain
from flask_embed.environ import readable
from flask_embed.lifespan import lifespan
from flask_embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from flask_embed.adapters.serving.boundary import Log, Writer
    from flask_embed.adapters.serving.limits import BadRequestError
    from flask_embed.adapters.serving.workers import Worker

__all__ = ["Drain", "Session", "WorkerSession", "access_log", "serving"]

logger = logging.getLogger("flask_embed.server")


class OnSignal(Protocol):
    """Has *call* called at each signal of this number; returns the function that undoes it."""

    def __call__(self, number: signal.Signals, call: Callable[[], object], /) -> Callable[[], object]: ...


class Session:
    """An app as a server answers with it: behind its gate, with its limits and its access log.

    :param ends: exceptions that an app may raise because the server ends; every other one ends its request alone
    """

    def __init__(
        self,
        app: WSGIApplication,
        options: Options | None = None,
        log: Log | None = None,
        *,
        ends: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.options = options or Options()
        #: what answers, behind the gate
        self.app = behind_gate(app, self.options)
        self.log = log
        self.limits = Limits.of(self.options)
        #: True from when nothing more is accepted on: each answer is the last one of its connection
        self.is_draining = False
        #: how many requests have come, and after how many of them it is time to stop; 0 is never
        self.requests = self.last_request = 0
        #: has the server stop; from any thread
        self.stop: Callable[[], object] = lambda: None
        self._ends = ends

    def count(self) -> None:
        """Count a request that has come; the last one of ``--max-requests`` stops the server."""
        self.requests += 1
        if self.requests == self.last_request:
            self.stop()

    def answer(self, environ: WSGIEnvironment, writer: Writer) -> None:
        """Have the app answer one request; returns when the answer was sent and closed, or was cut off.

        SystemExit, KeyboardInterrupt and the like, raised by an app, are logged: they end its request, not the server.
        """
        # OPTIONS * asks the server and none of its apps (RFC 9110 section 9.3.7).
        is_for_all = environ["PATH_INFO"] == "*" and environ["REQUEST_METHOD"] == "OPTIONS"
        try:
            respond(whole_server if is_for_all else self.app, environ, writer, self.log)
        except self._ends:
            raise
        except BaseException as error:
            logger.exception(
                "The app raised %s, which would end the server; its request was cut off, the server goes on",
                type(error).__name__,
            )

    def refuse(self, error: BadRequestError, request: Mapping[str, str]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Log a request that no app gets to see; returns status, headers and body of the answer to it.

        *request* has what is known of it: REMOTE_ADDR, REQUEST_METHOD, REQUEST_URI, SERVER_PROTOCOL.
        """
        logger.warning("Refused a request from %s: %s", readable(request.get("REMOTE_ADDR") or "unix"), error)
        environ = {"REQUEST_METHOD": "-", "REQUEST_URI": "-", "SERVER_PROTOCOL": "-", "REMOTE_ADDR": "", **request}
        headers, body = plain(error.status, environ["REQUEST_METHOD"])
        if self.log is not None:
            self.log.write(environ, error.status, len(body))
        return error.status, headers, body


class WorkerSession(Session):
    """The session of a process that listens, from :func:`serving`."""

    def __init__(
        self, app: WSGIApplication, options: Options, log: Log | None, worker: Worker, runner: str, scheme: str,
        ends: tuple[type[BaseException], ...],
    ) -> None:  # fmt: skip
        super().__init__(app, options, log, ends=ends)
        self.worker = worker
        self.last_request = worker.last_request
        self._runner = runner
        self._scheme = scheme

    def ready(self) -> None:
        """Report that the app is started and served: the first worker prints the start-up line."""
        from flask_embed.adapters.serving.listeners import address_of

        address = address_of(self.worker.listener, self._scheme)
        self.worker.ready(self.options.start_line(self._runner, address))

    def leave(self) -> None:
        """Report that nothing more is accepted."""
        self.is_draining = True
        self.worker.leaving()


@contextlib.contextmanager
def serving(
    app: WSGIApplication,
    options: Options | None,
    worker: Worker | None,
    *,
    runner: str,
    stop: Callable[[], object],
    on_signal: OnSignal,
    scheme: str = "http",
    hang_up: Callable[[], object] | None = None,
    ends: tuple[type[BaseException], ...] = (),
) -> Iterator[WorkerSession]:
    """Listen, take signals and start the app, for the length of the block.

    SIGTERM, SIGINT and the last request of ``--max-requests`` call *stop*, SIGHUP calls *hang_up*; without that it has
    the log files opened anew. :exc:`~flask_embed.errors.UsageError` if it cannot listen, and for impossible options.
    """
    from flask_embed.adapters.serving.logs import reopen_logs
    from flask_embed.adapters.serving.workers import alone

    options = options or Options()
    with contextlib.ExitStack() as stack:
        if worker is None:
            worker = stack.enter_context(alone(options))
        log = stack.enter_context(access_log(options))
        session = WorkerSession(app, options, log, worker, runner, scheme, ends)
        session.stop = stop
        calls = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: hang_up or reopen_logs}
        for number, call in calls.items():
            stack.callback(on_signal(number, call))
        stack.enter_context(lifespan(session.app))
        yield session


@contextlib.contextmanager
def access_log(options: Options) -> Iterator[Log | None]:
    """The log that gets a line for each request, closed at the end of the block; None if the options name no file."""
    if options.access_logfile is None:
        yield None
        return
    from flask_embed.adapters.serving.logs import AccessLog

    log = AccessLog(options.access_logfile)
    try:
        yield log
    finally:
        log.close()


class Drain:
    """The time that running requests have to end, when nothing more is accepted."""

    def __init__(self, timeout: float) -> None:
        self._end = monotonic() + timeout

    def wait(self, is_busy: bool, quiet_since: float) -> float:
        """Seconds after which to ask again; 0 where it is over.

        It is over when no request runs and no connection has been used, or opened, for a second: a request could be on
        its way on such a one.
        """
        now = monotonic()
        end = self._end if is_busy else min(quiet_since + QUIET, self._end)
        return max(end - now, 0.0)
