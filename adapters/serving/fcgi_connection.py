"""A FastCGI connection with a web server: its requests, read, answered by a thread, and written."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from flask_embed.adapters.serving.body import input_of
from flask_embed.adapters.serving.boundary import ClientGone
from flask_embed.adapters.serving.cgi_environ import check_sizes, environ_of
from flask_embed.adapters.serving.fcgi_records import BROKEN, ProtocolError, Records, finish, output
from flask_embed.adapters.serving.limits import BODY_TOO_SLOW, BadRequestError, Fault
from flask_embed.adapters.serving.poller import wait_for
from flask_embed.adapters.serving.response_head import cgi_head
from flask_embed.adapters.serving.waits import LINGER_BYTES, LINGER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from _typeshed.wsgi import WSGIEnvironment

    from flask_embed.adapters.serving.fcgi_records import Request
    from flask_embed.adapters.serving.poller import Poller
    from flask_embed.adapters.serving.session import Session
    from flask_embed.adapters.serving.thread_pool import Threads

__all__ = ["Connection", "Server"]

logger = logging.getLogger("flask_embed.server")

_READ = 64 * 1024
#: what the variables may have beside the request line and the headers: those that the web server adds
_OWN_VARIABLES = 32 * 1024
_GONE = Fault("400 Bad Request", "the web server has gone")


class Server(Protocol):
    """The server of a connection."""

    @property
    def session(self) -> Session: ...

    @property
    def poller(self) -> Poller: ...

    @property
    def threads(self) -> Threads: ...

    @property
    def roles(self) -> Collection[int]:
        """The numbers of the roles that are served."""
        ...

    @property
    def capability(self) -> Mapping[str, str]:
        """The answers to FCGI_GET_VALUES."""
        ...

    @property
    def environ(self) -> Mapping[str, Any]:
        """The keys that every environ gets beside the variables of the web server."""
        ...

    @property
    def answering(self) -> set[Connection]:
        """The connections with a request that is being answered, or waits for a thread."""
        ...


class Connection:
    """One connection with the web server: reads its requests, has them answered, and is the writer of the answers.

    It is always in one hand: the poller's while it waits for a request, a thread's while it answers one.
    """

    def __init__(self, server: Server, sock: socket.socket) -> None:
        options = server.session.options
        self.server = server
        self.sock = sock
        self.fileno = sock.fileno()
        limit = options.limit_line + options.limit_headers + _OWN_VARIABLES
        self.records = Records(limit, server.roles, server.capability)
        #: when the current wait of the poller is to end
        self.deadline = monotonic() + options.header_timeout
        #: True if the poller knows its descriptor
        self.is_registered = False
        #: True if a request was answered on it
        self.is_used = False
        #: True if nothing can be read or sent any more
        self.is_over = False
        #: bytes that may still be read from a web server that is to read its answer; None while it is served
        self.lingers: int | None = None
        #: the head of an answer whose body has not begun
        self.unsent = b""
        #: True if anything of the answer was sent
        self.has_begun = False
        #: True if the connection lasts beyond this answer
        self.keep_alive = False

    # Input, in the poller's thread

    def read(self) -> None:
        """Read what has come: have a request answered, or wait for the rest of it."""
        try:
            data = self.sock.recv(_READ)
            if not data:
                self.close()
            elif self.lingers is not None:
                self.linger(len(data))
            else:
                self.receive(data)
        except BlockingIOError:
            self.server.poller.watch(self)
        except ProtocolError as error:
            logger.warning("Closed a FastCGI connection: %s", error)
            self.close()
        except OSError:
            self.close()

    def receive(self, data: bytes) -> None:
        """Take the beginning of a request, or more of it."""
        records, server = self.records, self.server
        was_quiet = records.is_quiet
        records.receive(data)
        if records.replies:
            self.reply()
        request = records.request
        if request is not None and request.variables is not None:
            server.session.count()
            server.answering.add(self)
            server.threads.submit(partial(self.answer, request))
            return
        if was_quiet and not records.is_quiet and self.is_used:
            self.deadline = monotonic() + server.session.options.header_timeout
        server.poller.watch(self)

    def linger(self, length: int) -> None:
        """Read on for a while, so that the web server gets to read its answer."""
        self.lingers = (self.lingers or 0) - length
        if self.lingers < 0:
            self.close()
        else:
            self.server.poller.watch(self)

    def reply(self) -> None:
        """Send the web server what it has asked for beside a request; a few bytes, or it does not read at all."""
        replies, self.records.replies = self.records.replies, b""
        if self.sock.send(replies) < len(replies):
            raise ProtocolError("the web server does not read the replies that it asks for")

    def expire(self) -> None:
        """The wait has taken too long."""
        if not self.records.is_quiet and self.lingers is None:
            logger.warning("Closed a FastCGI connection: a request took longer than --header-timeout to come")
        self.close()

    def give_up(self) -> None:
        """Let the thread that answers find the connection closed; from any thread."""
        self.is_over = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.is_over = True
        self.sock.close()

    # Input, in the thread that answers

    def read_body(self) -> None:
        """Wait for more of the body."""
        body, records = self.request.body, self.records
        begun = monotonic()
        latest = begun + body.patience(self.server.session.options.body_timeout)
        try:
            data = self._recv(latest)
        except TimeoutError:
            body.fail(BODY_TOO_SLOW)
            return
        except OSError:
            data = b""
        if not data:
            body.fail(_GONE)
            return
        try:
            records.receive(data)
            if records.replies:
                self.reply()
        except (ProtocolError, OSError) as error:
            self.is_over = True
            body.fail(Fault("400 Bad Request", str(error)))
        body.waited += monotonic() - begun

    def _recv(self, latest: float) -> bytes:
        while True:
            try:
                return self.sock.recv(_READ)
            except BlockingIOError:
                if not wait_for(self.fileno, select.POLLIN, latest - monotonic()):
                    raise TimeoutError from None

    def check_for_abort(self, request: Request) -> None:
        """:exc:`ClientGone` if the web server has no use for the answer any more; the body is left to the app."""
        if request.input_ended:
            try:
                data = self.sock.recv(4096)
                if data:
                    self.records.receive(data)
            except BlockingIOError:
                return
            except (ProtocolError, OSError) as error:
                self.is_over = True
                raise ClientGone from error
        if request.aborted:
            raise ClientGone

    # Requests, in a thread

    @property
    def request(self) -> Request:
        """The request that is answered."""
        request = self.records.request
        if request is None:
            raise RuntimeError("no request is answered")
        return request

    def answer(self, request: Request) -> None:
        """Have the request answered, and hand the connection back."""
        self.unsent, self.has_begun, self.keep_alive = b"", False, False
        session = self.server.session
        try:
            if not self.is_over:  # or it was given up when it still waited for a thread
                environ = self.environ_of(request)
                with input_of(request.body, self.read_body) as body:
                    environ["wsgi.input"] = body
                    session.answer(environ, self)
        except BadRequestError as error:
            with contextlib.suppress(ClientGone):
                self.send(*session.refuse(error, request.variables or {}))
        except Exception:
            logger.exception("A connection failed")
            self.cut()
        finally:
            self.server.answering.discard(self)
        self.hand_back(request)

    def environ_of(self, request: Request) -> WSGIEnvironment:
        """The environ of a request, still without ``wsgi.input``; :exc:`BadRequestError` for a malformed one."""
        server, limits = self.server, self.server.session.limits
        if request.size > request.limit:
            raise BadRequestError(
                "431 Request Header Fields Too Large",
                "the variables are larger than --limit-line and --limit-headers allow",
            )
        environ = environ_of(request.variables or {})
        environ.update(server.environ)
        environ["SERVER_SOFTWARE"] = environ.get("SERVER_SOFTWARE") or "flask_embed"
        check_sizes(environ, limits)
        length = environ.get("CONTENT_LENGTH")
        request.body.announce(None if length is None else int(length), limits.body)
        return environ

    def hand_back(self, request: Request) -> None:
        """Let the poller wait for the next request, or close the connection when the web server has its answer."""
        if self.is_over:
            self.close()
        elif self.keep_alive:
            self.records.next()
            self.is_used = True
            self.deadline = monotonic() + self.server.session.options.keep_alive
            self.server.poller.watch(self)
        elif request.input_ended:
            self.close()
        else:
            # Closing with input unread would reset the connection, and the answer could be lost.
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
            self.lingers = LINGER_BYTES
            self.deadline = monotonic() + LINGER_SECONDS
            self.server.poller.watch(self)

    # The writer of the answers

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        head = cgi_head(status, headers)
        if len(body) < _READ:
            self.finish(b"".join(output(self.request.id, head + body)))
        else:
            self.unsent = head
            self.transmit_output(body)
            self.end()

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.unsent = cgi_head(status, headers)

    def write(self, data: bytes) -> None:
        self.check_for_abort(self.request)
        self.transmit_output(data)

    def transmit_output(self, data: bytes) -> None:
        if self.unsent and len(data) < _READ:
            data, self.unsent = self.unsent + data, b""
        else:
            self.flush()
        for record in output(self.request.id, data):
            self.transmit(record)

    def flush(self) -> None:
        head, self.unsent = self.unsent, b""
        if head:
            self.transmit(b"".join(output(self.request.id, head)))

    def end(self) -> None:
        self.flush()
        self.finish(b"")

    def finish(self, data: bytes) -> None:
        """Send the last records. A web server that would keep a connection that is to end reads both at once.

        If the end came a moment later it could have sent the next request meanwhile, and a POST is not sent twice.
        """
        request = self.request
        data += finish(request.id)
        self.keep_alive = request.keeps_connection and not self.server.session.is_draining
        if self.keep_alive or not request.keeps_connection:
            self.transmit(data)
            return
        is_tcp = self.sock.family != socket.AF_UNIX
        with contextlib.suppress(OSError):
            if is_tcp:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.transmit(data)
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        if not self.has_begun and not self.is_over:
            with contextlib.suppress(ClientGone):
                self.send("503 Service Unavailable", [("Content-Length", "0")], b"")
            return
        self.is_over = True
        with contextlib.suppress(OSError):
            self.sock.send(BROKEN)

    def transmit(self, data: bytes) -> None:
        """Send all of it; :exc:`ClientGone` if the web server does not take it, or has gone."""
        self.has_begun = True
        try:
            sent = self._send_now(data)
            if sent < len(data):
                left = memoryview(data)[sent:]
                while left:
                    if not wait_for(self.fileno, select.POLLOUT, self.server.session.options.write_timeout):
                        raise TimeoutError
                    left = left[self._send_now(left) :]
        except OSError as error:
            self.is_over = True
            raise ClientGone from error

    def _send_now(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0
