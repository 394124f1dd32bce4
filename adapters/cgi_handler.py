"""Answer the one request that a web server has started this process for: CGI (RFC 3875).

The request is in the variables of the environment and on stdin, the answer goes to stdout. Both descriptors are moved
first: the output of an app, a C library or a child process lands in the error log, and code that reads stdin does not
get the body of the request.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import stat
import sys
from typing import TYPE_CHECKING

from flask_embed.adapters.serving.body import Body, SpooledBacklog, input_of
from flask_embed.adapters.serving.boundary import ClientGone
from flask_embed.adapters.serving.cgi_environ import check_sizes, environ_of
from flask_embed.adapters.serving.limits import BODY_CUT_OFF, BadRequestError
from flask_embed.adapters.serving.response_head import cgi_head
from flask_embed.adapters.serving.session import Session, access_log
from flask_embed.answers import plain
from flask_embed.grammar import CONTENT_LENGTH
from flask_embed.lifespan import lifespan
from flask_embed.options import Options

if TYPE_CHECKING:
    from types import FrameType

    from _typeshed import ReadableBuffer
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from flask_embed.adapters.serving.workers import Worker

__all__ = ["NO_REQUEST", "CGIHandler", "serve"]

logger = logging.getLogger("flask_embed.server")

#: for a user who starts it by hand
NO_REQUEST = (
    "REQUEST_METHOD is not set: a web server starts this once for each request; "
    "to try it by hand, put REQUEST_METHOD=GET PATH_INFO=/ in front of the command"
)
_READ = 64 * 1024
#: bytes that can be written without blocking when poll() reports a descriptor writable (PIPE_BUF)
_NEVER_WAITS = 4096


def serve(app: WSGIApplication, options: Options | None = None, worker: Worker | None = None) -> None:
    """Answer the request of this process with *app*: ``CGIHandler(options).run(app)``; *worker* is ignored."""
    CGIHandler(options).run(app)


class CGIHandler:
    """Answers one request, that of the environment; replaces :class:`wsgiref.handlers.CGIHandler`.

    A whole script::

        from flask_embed.adapters.cgi_handler import CGIHandler
        from yourapplication import app

        CGIHandler().run(app)

    The constructor makes descriptor 1 a copy of 2, empties descriptor 0, and removes HTTP_PROXY from the environment:
    a client can set it, and libraries take it for their own setting (CVE-2016-5385). Make it before the app is
    imported if that starts other programs. The descriptors may be pipes, files or sockets.

    Of *options* those for the front, the limits and ``access_logfile`` count. The arguments of the command do not:
    where a query has no ``=``, servers turn it into arguments (RFC 3875 section 4.4). Scripts whose names begin with
    ``nph-``, which answer in HTTP itself (section 5), are not supported.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        os.environ.pop("HTTP_PROXY", None)
        self._stdin, stdout = _taken()
        #: True if the web server has stored the whole body in a file
        self._is_file = stat.S_ISREG(os.fstat(self._stdin).st_mode)
        self._method = os.environ.get("REQUEST_METHOD")
        self._answer = _Answer(stdout, self._method)
        self._backlog = SpooledBacklog(self.options.spool)
        #: True while SIGTERM ends the request
        self._is_answering = False

    def run(self, app: WSGIApplication) -> None:
        """Answer the request with *app*, between its startup and its shutdown functions; call it once.

        Returns when the answer was sent, or when the web server has gone. SystemExit if it had to be cut off (status
        1), if the web server has sent SIGTERM (143), and if there is no request (2, with one line on stderr).
        :exc:`~flask_embed.errors.UsageError` for impossible *options*.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._backlog.close)
            stack.callback(self.refuse)  # where an exception is on its way
            if self._method is None:
                print(f"{os.path.basename(sys.argv[0]) or 'CGIHandler'}: {NO_REQUEST}", file=sys.stderr, flush=True)
                raise SystemExit(2)
            log = stack.enter_context(access_log(self.options))
            session = Session(app, self.options, log, ends=(_TerminatedError, KeyboardInterrupt))
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                with contextlib.suppress(ValueError):  # a thread other than the main one may not
                    stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, self._terminated))
            self._is_answering = True
            try:
                with lifespan(session.app):
                    try:
                        self._serve(session)
                    finally:
                        self._is_answering = False
            except _TerminatedError:
                raise SystemExit(128 + signal.SIGTERM) from None
        if self._answer.is_cut:
            raise SystemExit(1)

    def close(self) -> None:
        """End the answer, in a process that goes on; a process that ends need not call it, and can still log.

        Web servers end a script that has ended its answer, even while it is still writing its log.
        """
        os.close(self._stdin)
        self._answer.close()

    def refuse(self) -> None:
        """Answer 500 if there is a request without an answer so far: for a caller that has found no app."""
        self._answer.refuse()

    def _serve(self, session: Session) -> None:
        variables = {name.decode("latin-1"): value.decode("latin-1") for name, value in os.environb.items()}
        coding = variables.get("HTTP_TRANSFER_ENCODING")
        try:
            environ = environ_of(variables)
            check_sizes(environ, session.limits)
            stdin = _Stdin(self._stdin, Body(_length(environ, coding), session.limits.body, self._backlog))
        except BadRequestError as error:
            self._refuse(variables, error, session)
            return
        if not self._is_file:
            self._answer.stdin = stdin
        with input_of(stdin.body, stdin.read) as body:
            environ["wsgi.input"] = body
            environ["wsgi.input_terminated"] = True
            environ["wsgi.multithread"] = False
            environ["wsgi.multiprocess"] = True
            environ["wsgi.run_once"] = True
            session.answer(environ, self._answer)
            self._let_go(stdin)

    def _refuse(self, variables: dict[str, str], error: BadRequestError, session: Session) -> None:
        """Answer a malformed request."""
        with contextlib.suppress(ClientGone):
            self._answer.send(*session.refuse(error, variables))
        length = variables.get("CONTENT_LENGTH", "")
        self._let_go(_Stdin(self._stdin, Body(int(length) if CONTENT_LENGTH.fullmatch(length) else 0)))

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        """Handler of SIGTERM: the web server waits no longer. The shutdown of the app is not interrupted."""
        if self._is_answering:
            self._is_answering = False
            raise _TerminatedError

    def _let_go(self, stdin: _Stdin) -> None:
        """Take the rest of the body from the web server, which may give up the answer with it otherwise (Apache)."""
        if not self._is_file and not self._answer.is_over:
            stdin.drain()


class _TerminatedError(BaseException):
    """The web server has ended the request: a BaseException, which apps do not catch."""


class _Answer:
    """The answer on stdout: the writer for :func:`~flask_embed.adapters.serving.boundary.respond`."""

    def __init__(self, fileno: int, method: str | None) -> None:
        self._fileno = fileno
        #: that of the request, None without a request
        self._method = method
        #: the body that the web server may have to hand over before it takes the answer
        self.stdin: _Stdin | None = None
        #: the head of an answer whose body has not begun
        self._unsent = b""
        self._has_begun = self._is_gone = False
        #: True if it was cut off before its end, and the web server is there to notice
        self.is_cut = False

    @property
    def is_over(self) -> bool:
        """True if it was cut off."""
        return self._is_gone or self.is_cut

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        head = cgi_head(status, headers)
        if len(body) < _READ:
            self._transmit(head + body)
        else:
            self._transmit(head)
            self._transmit(body)

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self._unsent = cgi_head(status, headers)

    def write(self, data: bytes) -> None:
        if self._unsent:
            data, self._unsent = self._unsent + data, b""
        self._transmit(data)

    def end(self) -> None:
        if self._unsent:
            self._transmit(self._unsent)

    def cut(self) -> None:
        """Send 500 if nothing was sent, else no more: only a Content-Length shows that the answer is not whole."""
        if self._has_begun:
            self.is_cut = not self._is_gone
        self.refuse()

    def refuse(self) -> None:
        """Send 500 if nothing was sent."""
        if not self._has_begun and self._method is not None:
            status = "500 Internal Server Error"
            with contextlib.suppress(ClientGone):
                self.send(status, *plain(status, self._method))

    def close(self) -> None:
        os.close(self._fileno)

    def _transmit(self, data: ReadableBuffer) -> None:
        self._has_begun = True
        rest = memoryview(data)
        try:
            while rest:
                part = rest
                if self.stdin is not None and self.stdin.is_open:
                    part = rest[:_NEVER_WAITS]
                    self.stdin.make_way(self._fileno)
                rest = rest[os.write(self._fileno, part) :]
        except OSError as error:
            self._is_gone = True
            if not isinstance(error, BrokenPipeError | ConnectionResetError):
                logger.error("The answer cannot be written: %s", error.strerror)
            raise ClientGone from None


class _Stdin:
    """The body of the request, as it comes on stdin.

    Apache takes nothing of the answer before it has handed over the body. So where an answer has to wait, the body
    that has come moves to the backlog, from which the app may still read it.
    """

    def __init__(self, fileno: int, body: Body) -> None:
        self._fileno = fileno
        self.body = body
        self._has_ended = False

    @property
    def is_open(self) -> bool:
        """True if more may come on stdin."""
        length = self.body.length
        return not self._has_ended and (length is None or self.body.received < length)

    def read(self) -> None:
        """Wait for more, and put it into the body."""
        body = self.body
        most = _READ if body.length is None else min(_READ, body.length - body.received)
        try:
            data = os.read(self._fileno, most)
        except ConnectionResetError:
            self._has_ended = True
            body.fail(BODY_CUT_OFF)
            return
        if data:
            body.put(data)
        else:
            self._has_ended = True
        if not self.is_open:
            body.end()

    def make_way(self, fileno: int) -> None:
        """Return when *fileno* can be written to, or the body is at its end; what comes meanwhile is kept."""
        import select

        poll = select.poll()
        poll.register(fileno, select.POLLOUT)
        poll.register(self._fileno, select.POLLIN)
        while self.is_open and fileno not in dict(poll.poll()):
            self.read()

    def drain(self) -> None:
        """Read the rest of stdin, and drop it."""
        while self.is_open:
            self.read()
            self.body.backlog.clear()


def _length(environ: WSGIEnvironment, coding: str | None) -> int | None:
    """The bytes of stdin that are the body; None for all of it.

    Without CONTENT_LENGTH there is no body (RFC 3875 section 4.1.2), except that Apache's mod_cgi and mod_cgid decode a
    chunked body, pass on Transfer-Encoding with it, and then close stdin.
    """
    if "CONTENT_LENGTH" in environ:
        return int(environ["CONTENT_LENGTH"])
    if not coding:
        return 0
    if coding.strip(" \t").lower() != "chunked":
        raise BadRequestError("501 Not Implemented", "a transfer coding other than chunked")
    return None


def _taken() -> tuple[int, int]:
    """Copies of the descriptors 0 and 1 that no child inherits; 0 is empty from now on, and 1 is a copy of 2.

    A descriptor that the process was started without is /dev/null.
    """
    while (nothing := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    stdin, stdout = os.dup(0), os.dup(1)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # like stderr: a web server may end the process at any time
    for fileno in (stdin, stdout):
        if not os.get_blocking(fileno):  # some servers hand over a non-blocking socket
            os.set_blocking(fileno, True)
    return stdin, stdout
