"""Serve a WSGI app over FastCGI: flup's server around records, connections and threads of this project.

What stays of flup (1.0.3) is the constructor that ``.fcgi`` files call, its accept loop and its hooks. That loop waits
for one descriptor and calls ``accept()``; here it is given a :class:`_Gate`, which is readable when a web server
connects *or* when a connection that was quiet has something to read. So one thread waits for all of them, a request is
handed to a thread of a bounded pool when its variables are whole, and between two requests a connection holds none::

    main thread   select ─ accept ─ read variables ─┐            ┌─ back to the gate (FCGI_KEEP_CONN)
    pool                                            └─ app, body ─┴─ or closed

An answer is written by the thread that runs the app (:func:`~flask_embed.adapters.serving.boundary.respond`); a body
is read by it when the app asks for it. So neither is ever whole in memory.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import select
import signal
import socket
import sys
import threading
from ipaddress import ip_address, ip_network
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from flup.server.fcgi import WSGIServer as FlupServer
from flup.server.threadedserver import ThreadedServer

from flask_embed.adapters.serving.boundary import BodyError, ClientGone, respond
from flask_embed.adapters.serving.cgi_environ import cgi_head, check_sizes, environ_of
from flask_embed.adapters.serving.fcgi_records import BROKEN, RESPONDER, ProtocolError, Records, finish, output
from flask_embed.adapters.serving.gate import behind_front
from flask_embed.adapters.serving.http_environ import BadRequestError, refusal
from flask_embed.adapters.serving.listeners import address_of, is_listening
from flask_embed.adapters.serving.logs import AccessLog, reopen_logs
from flask_embed.adapters.serving.thread_pool import Threads
from flask_embed.adapters.serving.waits import CUT_SECONDS, LINGER_BYTES, LINGER_SECONDS, QUIET, for_body
from flask_embed.adapters.serving.workers import Worker, alone
from flask_embed.errors import UsageError
from flask_embed.lifespan import lifespan
from flask_embed.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from flask_embed.adapters.serving.boundary import Log
    from flask_embed.adapters.serving.fcgi_records import Request

__all__ = ["WSGIServer", "serve"]

logger = logging.getLogger("flask_embed.server")

_READ = 64 * 1024
#: What the variables may have beside the request line and the headers: those that the web server adds.
_OWN_VARIABLES = 32 * 1024
_AWAITED = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT


def serve(app: WSGIApplication, options: Options | None = None, worker: Worker | None = None) -> None:
    """Serve *app* until SIGTERM or SIGINT; returns when the running requests have ended, or their time is up.

    Raises :exc:`~flask_embed.errors.UsageError` if it cannot listen. Call it from the main thread. *worker* is for the
    supervisor of several processes.
    """
    options = options or Options()
    if worker is None:
        with alone(options) as this:
            serve(app, options, this)
        return
    with contextlib.ExitStack() as stack:
        log = None
        if options.access_logfile is not None:
            log = AccessLog(options.access_logfile)
            stack.callback(log.close)
        WSGIServer(app, options=options, worker=worker, log=log).run()


class WSGIServer(FlupServer):  # type: ignore[misc]
    """flup's ``WSGIServer`` for a ``.fcgi`` file: change the import, and the file works as it did::

        #!/usr/bin/env python3
        from flask_embed.adapters.fastcgi_server import WSGIServer
        from yourapplication import app

        WSGIServer(app).run()

    Without *bindAddress* the web server has started the file: the socket is on descriptor 0 (lighttpd's ``bin-path``,
    mod_fcgid), or it is a request to a CGI script, which is answered as one. With it the server is an external one.

    :param application: any WSGI app; the strict gate stands before it
    :param environ: variables that each request gets beside those of the web server
    :param multithreaded: False runs one request at a time
    :param multiprocess: what ``wsgi.multiprocess`` says
    :param bindAddress: a path for a unix socket, or ``(host, port)``; an empty host is 127.0.0.1, and another one than
        the own machine's needs the variable FCGI_WEB_SERVER_ADDRS, as the specification has it: who may connect
    :param umask: of a unix socket; None gives the mode 0660
    :param multiplexed: taken and not used: no web server sends several requests over one connection at a time
    :param debug: taken and not used: no traceback is shown to a client
    :param roles: numbers of FastCGI's roles; 1 is what web servers ask for
    :param forceCGI: answer one request as a CGI script, as the variable FCGI_FORCE_CGI=Y asks for
    :param maxThreads: how many requests are answered at once, 40 without it; *minSpare* and *maxSpare* are not used
    :param options: more to say, an :class:`~flask_embed.options.Options`
    :param worker: the process among several, from the supervisor
    :param log: gets a line for each request
    """

    def __init__(
        self,
        application: WSGIApplication,
        environ: Mapping[str, Any] | None = None,
        multithreaded: bool = True,
        multiprocess: bool = False,
        bindAddress: str | tuple[str, int] | None = None,
        umask: int | None = None,
        multiplexed: bool = False,
        debug: bool = False,
        roles: Collection[int] = (RESPONDER,),
        forceCGI: bool = False,
        *,
        minSpare: int = 0,
        maxSpare: int = 0,
        maxThreads: int | None = None,
        options: Options | None = None,
        worker: Worker | None = None,
        log: Log | None = None,
    ) -> None:
        # Spare threads would be flup's own, which wait for ever.
        super().__init__(
            application, environ, multithreaded, multiprocess, bindAddress, umask, False, False, roles, forceCGI,
            minSpare=0, maxSpare=0,
        )  # fmt: skip
        self.options = options or _options_of(bindAddress, umask)
        threads = 1 if not multithreaded else maxThreads or self.options.threads
        self._jobClass = _Connection
        self._threadPool = _Pool(threads, self._go_on)
        self.capability = {"FCGI_MAX_CONNS": "1024", "FCGI_MAX_REQS": str(threads), "FCGI_MPXS_CONNS": "0"}
        #: what answers, behind the gate
        self.app = behind_front(application, self.options)
        self.log = log
        self.worker = worker
        #: whether a file has made it, and no runner
        self._is_script = worker is None
        self.stack = contextlib.ExitStack()
        self._oldSIGs: list[tuple[int, Any]] = []
        #: the connections with a request that is being answered, or waits for a thread
        self.answering: set[_Connection] = set()
        #: how many requests have come
        self.requests = 0
        self._counting = threading.Lock()
        #: whether nothing more is accepted, and each answer is the last one of its connection
        self.is_draining = False
        self._hurry = 0
        self._last_beat = monotonic()

    def run(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Serve until SIGTERM, SIGINT or SIGHUP; True if it was SIGHUP, as flup has it (a file may start itself anew).

        Raises :exc:`~flask_embed.errors.UsageError` if it cannot listen, :exc:`SystemExit` with a line if no web server
        has started the file.
        """
        with self.stack:
            gate = self._setupSocket()
            if gate is None:
                return False
            try:
                return bool(ThreadedServer.run(self, gate, self.worker.interval if self.worker else 1.0))
            finally:
                self._cleanupSocket(gate)
                self.shutdown()
                if self._is_script:
                    self.worker = None

    # flup's hooks

    def _setupSocket(self) -> _Gate | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What the accept loop waits for; None if it was a request to a CGI script, which is answered."""
        if self.worker is None:
            if self._bindAddress is None and not self._is_fastcgi():
                self._answer_cgi()
                return None
            self.worker = self.stack.enter_context(alone(self.options))
        listener = self.worker.listener
        self._web_server_addrs = _allowed_peers(listener, self.options)
        self.stack.enter_context(lifespan(self.app))
        self.gate = _Gate(self, listener)
        return self.gate

    def _is_fastcgi(self) -> bool:
        forced = self.forceCGI or os.environ.get("FCGI_FORCE_CGI", "").upper().startswith("Y")
        return not forced and is_listening(0)

    def _answer_cgi(self) -> None:
        if "REQUEST_METHOD" not in os.environ:
            raise SystemExit(
                f"{sys.argv[0]}: a web server starts this, with a FastCGI socket on descriptor 0 or as a CGI script; "
                "to start it by hand give bindAddress"
            )
        from flask_embed.adapters.cgi_handler import CGIHandler

        CGIHandler(self.options).run(self.application)

    def _cleanupSocket(self, sock: _Gate) -> None:
        """Accept nothing more, and let the running requests end."""
        self.is_draining = True
        try:
            sock.drain(self.options.graceful_timeout)
        finally:
            sock.close()
            for number, handler in self._oldSIGs:
                signal.signal(number, handler)
            self._oldSIGs.clear()

    def _isClientAllowed(self, addr: Any) -> bool:
        """Whether a web server at this address may connect; who may use a unix socket its mode says."""
        allowed = self._web_server_addrs
        if allowed is None or not isinstance(addr, tuple):
            return True
        peer = ip_address(addr[0].partition("%")[0])
        if any(peer in network for network in allowed):
            return True
        logger.warning("Refused a connection from %s: it is none of FCGI_WEB_SERVER_ADDRS", addr[0])
        return False

    def _installSignalHandlers(self) -> None:
        """SIGTERM, SIGINT and SIGHUP end the accept loop; in another thread than the main one, :meth:`_exit` does.

        With that it is ready, and says so.
        """
        if threading.current_thread() is threading.main_thread():
            for number, handler in (
                (signal.SIGTERM, self._intHandler),
                (signal.SIGINT, self._intHandler),
                (signal.SIGHUP, self._hupHandler),
            ):
                self._oldSIGs.append((number, signal.signal(number, handler)))
        if self.worker is not None and (not self._is_script or self._bindAddress is not None):
            self.worker.ready(self.options.start_line("fastcgi", address_of(self.gate.listener, "fcgi")))

    def _restoreSignalHandlers(self) -> None:
        """Nothing yet: a second signal, while the running requests end, is to be noticed too."""

    def _intHandler(self, signum: int, frame: object) -> None:
        self._hurry += 1
        self._exit()

    def _hupHandler(self, signum: int, frame: object) -> None:
        if self._is_script:
            self._exit(reload=True)
        else:
            reopen_logs()

    def _exit(self, reload: bool = False) -> None:
        """End the accept loop; from any thread."""
        super()._exit(reload)
        self.gate.wake()

    def _mainloopPeriodic(self) -> None:
        """Called by the accept loop when nothing has come for a while, and by the gate: beat, and end waits."""
        now = monotonic()
        if self.worker is None or now - self._last_beat < min(self.worker.interval, 1.0) * 0.9:
            return
        self._last_beat = now
        if not self.worker.beat():
            self._exit()
        self.gate.end_waits(now)

    # What connections ask for

    def count(self) -> None:
        """A request has come."""
        with self._counting:
            self.requests += 1
            is_last = self.worker is not None and self.requests == self.worker.last_request
        if is_last:
            self._exit()

    def _go_on(self) -> None:
        """A thread is free."""
        if self.gate.is_paused:
            self.gate.wake()

    def environ_of(self, request: Request) -> WSGIEnvironment:
        """The environ of a request, still without ``wsgi.input``; :exc:`BadRequestError` for what is none."""
        if request.size > request.limit:
            raise BadRequestError("431 Request Header Fields Too Large", "the variables are too large")
        environ = environ_of(request.variables or {})
        environ.update(self.environ)
        environ["SERVER_SOFTWARE"] = environ.get("SERVER_SOFTWARE") or "flask_embed"
        environ["wsgi.multithread"] = self.multithreaded
        environ["wsgi.multiprocess"] = self.multiprocess or self.options.workers > 1
        environ["wsgi.run_once"] = False
        environ["wsgi.input_terminated"] = True
        check_sizes(environ, self.options)
        return environ


def _options_of(address: str | tuple[str, int] | None, umask: int | None) -> Options:
    """What flup's arguments say, as options."""
    if address is None:
        return Options(bind="fd://0")
    if isinstance(address, str):
        return Options(bind=f"unix:{address}", socket_mode=0o660 if umask is None else 0o777 & ~umask)
    host, port = address[:2]
    return Options(bind=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def _allowed_peers(listener: socket.socket, options: Options) -> Collection[Any] | None:
    """The networks of those that may connect, None for everyone; :exc:`UsageError` if that would be the whole world."""
    if listener.family == socket.AF_UNIX:
        return None
    named = options.web_server_addrs or tuple(
        filter(None, os.environ.get("FCGI_WEB_SERVER_ADDRS", "").replace(" ", "").split(","))
    )
    if "any" in named:
        return None
    host = listener.getsockname()[0]
    if not named and not ip_address(host.partition("%")[0]).is_loopback:
        raise UsageError(
            f"FastCGI at {host}: whoever connects is believed to be the web server; name those that may with "
            "--web-server-addrs 10.0.0.2,10.0.1.0/24 (or any)"
        )
    try:
        return [ip_network(name) for name in named] or None
    except ValueError:
        raise UsageError(
            f"--web-server-addrs or FCGI_WEB_SERVER_ADDRS: {','.join(named)!r} is no list of addresses; write "
            "10.0.0.2,10.0.1.0/24 (or any)"
        ) from None


class _Gate:
    """What the accept loop takes for its listening socket: new connections, and those that were quiet."""

    def __init__(self, server: WSGIServer, listener: socket.socket) -> None:
        self.server = server
        self.listener = listener
        #: whether other workers wait for the same connections
        self.is_shared = server.options.workers > 1
        listener.setblocking(False)
        self._epoll = select.epoll()
        if self._epoll.fileno() >= 1024:  # flup's loop waits with select()
            raise UsageError("the app has opened more than 1,000 files before it is served")
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        #: written to by signals and by other threads that want the loop to look up
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._epoll.register(self._woken.fileno(), select.EPOLLIN)
        #: whether new connections are left to other workers, because a request on them would have to wait
        self.is_paused = False
        #: the connections that wait for a request
        self.quiet: dict[int, _Connection] = {}
        #: when one has last begun to wait
        self.quiet_since = 0.0
        self._wakeup_before: int | None = None
        if threading.current_thread() is threading.main_thread():
            self._wakeup_before = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; BlockingIOError where there is none, after what else was ready got its turn."""
        has_new = self.look()
        self.server._mainloopPeriodic()
        if self.is_shared:
            has_new = self.pause() and has_new
        if not has_new:
            raise BlockingIOError(errno.EAGAIN, "no connection")
        try:
            return self.listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                logger.error("Cannot accept a connection: %s", error.strerror)
                sleep(0.05)  # those that are open go on
            raise BlockingIOError(errno.EAGAIN, "no connection") from None

    def look(self, timeout: float = 0) -> bool:
        """Let quiet connections read what has come; True if there is a new connection."""
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
                has_new = has_new or number == self.listener.fileno()
        return has_new

    def pause(self) -> bool:
        """Wait for new connections only while a thread is free; True if one is."""
        threads = self.server._threadPool.threads
        # Said before it is looked at: a thread that becomes free in between wakes the loop up.
        was_paused, self.is_paused = self.is_paused, True
        self.is_paused = threads.are_all_busy
        if self.is_paused != was_paused:
            self._epoll.modify(self.listener.fileno(), 0 if self.is_paused else select.EPOLLIN)
        return not self.is_paused

    def watch(self, connection: _Connection) -> None:
        """Call its ``read()`` when it has something to read; from any thread."""
        number = connection.fileno
        # Known before it is awaited, or the loop could hear of one that it does not know.
        self.quiet[number] = connection
        self.quiet_since = monotonic()
        try:
            if connection.is_registered:
                self._epoll.modify(number, _AWAITED)
            else:
                connection.is_registered = True
                self._epoll.register(number, _AWAITED)
        except ValueError:  # the gate was closed meanwhile
            self.quiet.pop(number, None)
            connection.close()

    def wake(self) -> None:
        """Let the loop look up."""
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def end_waits(self, now: float) -> None:
        """Close the connections that have been quiet for too long."""
        for number, connection in list(self.quiet.items()):
            if connection.deadline < now and self.quiet.pop(number, None) is not None:
                connection.expire()

    def drain(self, timeout: float) -> None:
        """Take what has connected already, let running requests end, then close what is left."""
        server, pool = self.server, self.server._threadPool
        with contextlib.suppress(OSError):
            while True:
                sock, address = self.listener.accept()
                if server._isClientAllowed(address):
                    pool.addJob(_Connection(sock, address, server))
                else:
                    sock.close()
        self._epoll.unregister(self.listener.fileno())
        self.listener.close()
        if server.worker is not None:
            server.worker.leaving()
        deadline, hurry = monotonic() + timeout, server._hurry
        while (now := monotonic()) < deadline and server._hurry == hurry:
            # A request may be on its way on a connection that has just been used, or opened.
            is_busy = pool.threads.are_busy
            if not is_busy and (not self.quiet or now - self.quiet_since >= QUIET):
                break
            self.look(0.02 if is_busy else 0.1)
            self.end_waits(now)
        for connection in list(server.answering):
            connection.give_up()
        deadline = monotonic() + CUT_SECONDS
        while pool.threads.are_busy and monotonic() < deadline:
            sleep(0.02)

    def close(self) -> None:
        """Close what is left."""
        if self._wakeup_before is not None:
            signal.set_wakeup_fd(self._wakeup_before)
        for number in list(self.quiet):
            connection = self.quiet.pop(number, None)
            if connection is not None:
                connection.close()
        self.listener.close()
        self._epoll.close()
        self._woken.close()
        self._waker.close()


class _Pool:
    """The threads, behind the two methods that flup's accept loop calls."""

    def __init__(self, most: int, freed: Callable[[], None]) -> None:
        self.threads = Threads(most, freed)

    def addJob(self, job: _Connection, allowQueuing: bool = True) -> bool:
        """Begin with a new connection; none is turned away."""
        job.read()
        return True

    def shutdown(self) -> None:
        """Let the threads end; they are daemons, so one that does not keeps no process alive."""
        self.threads.end()


class _Connection:
    """One connection with the web server: reads its requests, has them answered, and is the writer of the answers.

    It is always in one hand: the loop's while it waits for a request, a thread's while it answers one.
    """

    def __init__(self, sock: socket.socket, addr: Any, server: WSGIServer, timeout: object = None) -> None:
        sock.setblocking(False)
        options = server.options
        self.sock = sock
        self.fileno = sock.fileno()
        self.server = server
        limit = options.limit_line + options.limit_headers + _OWN_VARIABLES
        self.records = Records(limit, server.roles, server.capability)
        #: when the current wait of the loop is to end
        self.deadline = monotonic() + options.header_timeout
        #: whether a request was answered on it, and whether the gate has heard of its descriptor
        self.is_used = False
        self.is_registered = False
        #: whether nothing can be read or sent any more
        self.is_over = False
        #: bytes that may still be read from a web server that is to read its answer; None while it is served
        self.lingers: int | None = None
        # Of the request that is answered: bytes of its body that came, seconds waited for them, the head that is yet
        # to be sent, and whether anything was sent.
        self.received = 0
        self.waited = 0.0
        self.unsent = b""
        self.has_begun = False
        #: whether the connection goes on behind this answer, as its end has it
        self.goes_on = False

    # On the loop

    def read(self) -> None:
        """Read what has come: have a request answered, or wait for the rest of it."""
        try:
            data = self.sock.recv(_READ)
            if not data:
                self.close()
            elif self.lingers is not None:
                self.linger(len(data))
            else:
                self.take(data)
        except BlockingIOError:
            self.server.gate.watch(self)
        except ProtocolError as error:
            logger.warning("Closed a FastCGI connection: %s", error)
            self.close()
        except OSError:
            self.close()

    def take(self, data: bytes) -> None:
        """Take the beginning of a request, or more of it."""
        records, server = self.records, self.server
        was_quiet = records.is_quiet
        records.receive(data)
        if records.replies:
            self.reply()
        if records.request is not None and records.request.variables is not None:
            server.count()
            server.answering.add(self)
            server._threadPool.threads.submit(self.answer)
            return
        if was_quiet and not records.is_quiet and self.is_used:
            self.deadline = monotonic() + server.options.header_timeout
        server.gate.watch(self)

    def linger(self, length: int) -> None:
        """Read on for a while, so that the web server gets to read its answer."""
        self.lingers = (self.lingers or 0) - length
        if self.lingers < 0:
            self.close()
        else:
            self.server.gate.watch(self)

    def reply(self) -> None:
        """Send what the web server has asked for beside a request; a few bytes, or it does not read at all."""
        replies, self.records.replies = self.records.replies, b""
        if self.sock.send(replies) < len(replies):
            raise ProtocolError("replies that nobody reads")

    def expire(self) -> None:
        """The wait has taken too long."""
        if not self.records.is_quiet and self.lingers is None:
            logger.warning("Closed a FastCGI connection: a request took longer than --header-timeout to come")
        self.close()

    def give_up(self) -> None:
        """Let the thread that answers find that nobody reads the answer any more; from any thread."""
        self.is_over = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.is_over = True
        self.sock.close()

    # In a thread

    def answer(self) -> None:
        """Answer the request that has come, and hand the connection back."""
        request = self.request
        self.received, self.waited, self.unsent, self.has_begun, self.goes_on = 0, 0.0, b"", False, False
        try:
            if not self.is_over:  # or it was given up when it still waited for a thread
                self.respond(request)
        except BadRequestError as error:
            self.refuse(error)
        except BaseException:
            # sys.exit() in an app, for one: it may not end the thread.
            logger.exception("What is no error has left an app")
            if not self.has_begun:
                self.cut()
        finally:
            self.server.answering.discard(self)
        self.hand_back(request)

    def respond(self, request: Request) -> None:
        """Have the app answer; :exc:`BadRequestError` for what is no request."""
        server = self.server
        environ = server.environ_of(request)
        whole = request.input_ended and not request.parts
        with io.BytesIO() if whole else io.BufferedReader(_Body(self, environ)) as body:
            environ["wsgi.input"] = body
            respond(server.app, environ, self, server.log)
        # It is closed: whoever keeps it must not read the next request's.

    @property
    def request(self) -> Request:
        """The request that is answered."""
        request = self.records.request
        if request is None:
            raise RuntimeError("no request is answered")
        return request

    def refuse(self, error: BadRequestError) -> None:
        """Answer what is no request."""
        request, log = self.request, self.server.log
        variables = {"REQUEST_METHOD": "-", "REQUEST_URI": "-", "SERVER_PROTOCOL": "-", **(request.variables or {})}
        logger.warning("Refused a request from %s: %s", variables.get("REMOTE_ADDR") or "unix", error)
        headers, body = refusal(error.status, variables["REQUEST_METHOD"])
        if log is not None:
            log.write({"REMOTE_ADDR": "", **variables}, error.status, len(body))
        with contextlib.suppress(ClientGone):
            self.send(error.status, headers, body)

    def hand_back(self, request: Request) -> None:
        """Let the gate wait for the next request, or close the connection when the web server has its answer."""
        if self.is_over:
            self.close()
        elif self.goes_on:
            self.records.next()
            self.is_used = True
            self.deadline = monotonic() + self.server.options.keep_alive
            self.server.gate.watch(self)
        elif request.input_ended:
            self.close()
        else:
            # Closing with input unread would reset the connection, and the answer could be lost.
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
            self.lingers = LINGER_BYTES
            self.deadline = monotonic() + LINGER_SECONDS
            self.server.gate.watch(self)

    def read_body(self) -> None:
        """Wait for more of the body; :exc:`BodyError` if none comes."""
        options, records = self.server.options, self.records
        begun = monotonic()
        latest = begun + for_body(options.body_timeout, self.received, self.waited)
        try:
            while True:
                try:
                    data = self.sock.recv(_READ)
                    break
                except BlockingIOError:
                    if not _ready(self.fileno, select.POLLIN, latest - monotonic()):
                        raise BodyError("408 Request Timeout", "the body took longer than --body-timeout") from None
        except BodyError:
            raise
        except OSError as error:
            raise BodyError("400 Bad Request", "the web server has gone") from error
        if not data:
            raise BodyError("400 Bad Request", "the web server has gone")
        try:
            records.receive(data)
            if records.replies:
                self.reply()
        except (ProtocolError, OSError) as error:
            self.is_over = True
            raise BodyError("400 Bad Request", str(error)) from None
        self.waited += monotonic() - begun

    def listen_in(self) -> None:
        """Notice that the web server has no use for the answer any more; read nothing that the app may want to."""
        request = self.request
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

    # The writer of the answers

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        number, head = self.request.id, cgi_head(status, headers)
        if len(body) < _READ:
            self.finish(b"".join(output(number, head + body)))
        else:
            self.unsent = head
            self.write_records(body)
            self.end()

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.unsent = cgi_head(status, headers)

    def write(self, data: bytes) -> None:
        self.listen_in()
        self.write_records(data)

    def write_records(self, data: bytes) -> None:
        if self.unsent and len(data) < _READ:
            data, self.unsent = self.unsent + data, b""
        else:
            self.flush_head()
        for record in output(self.request.id, data):
            self.transmit(record)

    def flush_head(self) -> None:
        head, self.unsent = self.unsent, b""
        if head:
            self.transmit(b"".join(output(self.request.id, head)))

    def end(self) -> None:
        self.flush_head()
        self.finish(b"")

    def finish(self, data: bytes) -> None:
        """Send the last records. Where the web server would keep a connection that is to end, it reads both at once.

        If the end came a moment later it could have sent the next request meanwhile, and a POST is not sent twice.
        """
        request = self.request
        data += finish(request.id)
        self.goes_on = request.keeps_connection and not self.server.is_draining
        if self.goes_on or not request.keeps_connection:
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
                    if not _ready(self.fileno, select.POLLOUT, self.server.options.write_timeout):
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


def _ready(fileno: int, events: int, seconds: float) -> bool:
    """Wait until a descriptor is ready for these events; False when the time is over."""
    poll = select.poll()
    poll.register(fileno, events)
    return bool(poll.poll(max(seconds, 0) * 1000))


class _Body(io.RawIOBase):
    """The body of the current request, read from the connection when the app asks for it.

    It ends where its stream does, or its CONTENT_LENGTH; a stream that ends before that is a :exc:`BodyError`.
    """

    def __init__(self, connection: _Connection, environ: WSGIEnvironment) -> None:
        self._connection = connection
        self._request = connection.request
        length = environ.get("CONTENT_LENGTH")
        self._left = None if length is None else int(length)
        self._limit = connection.server.options.limit_body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        connection, request = self._connection, self._request
        parts = request.parts
        if self._left == 0:
            return 0
        while not parts:
            if request.aborted:
                raise BodyError("400 Bad Request", "the web server has given the request up")
            if request.input_ended:
                if self._left:
                    raise BodyError("400 Bad Request", f"the body ended {self._left} bytes before its CONTENT_LENGTH")
                return 0
            connection.read_body()
        view = memoryview(buffer)
        part = parts[0]
        count = min(len(view), len(part)) if self._left is None else min(len(view), len(part), self._left)
        view[:count] = part[:count]
        if count == len(part):
            parts.popleft()
        else:
            parts[0] = part[count:]
        connection.received += count
        if self._left is not None:
            self._left -= count
        elif self._limit is not None and connection.received > self._limit:
            raise BodyError("413 Content Too Large", "the body is larger than --limit-body")
        return count
