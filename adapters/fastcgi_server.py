"""Serve a WSGI app over FastCGI: one thread waits for all connections, a thread of a bounded pool answers each request.

::

    main thread   wait ─ accept ─ read variables ─┐            ┌─ back to waiting (FCGI_KEEP_CONN)
    pool                                          └─ app, body ─┴─ or closed

A request is handed to the pool when its variables are whole; between two requests a connection holds no thread. The
thread that runs the app (:func:`~flask_embed.adapters.serving.boundary.respond`) writes the answer, and reads the body
when the app asks for it. So neither is ever whole in memory. Of flup stay the class that ``.fcgi`` files name, its
constructor, and what :meth:`WSGIServer.run` returns.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from flup.server.fcgi import WSGIServer as FlupServer

from flask_embed.adapters.serving.fcgi_connection import Connection
from flask_embed.adapters.serving.fcgi_records import RESPONDER
from flask_embed.adapters.serving.listeners import is_listening, web_servers_of
from flask_embed.adapters.serving.poller import Poller
from flask_embed.adapters.serving.session import Drain, serving
from flask_embed.adapters.serving.thread_pool import Threads
from flask_embed.adapters.serving.waits import CUT_SECONDS
from flask_embed.options import Options

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Collection, Mapping

    from _typeshed.wsgi import WSGIApplication

    from flask_embed.adapters.serving.boundary import Log
    from flask_embed.adapters.serving.session import WorkerSession
    from flask_embed.adapters.serving.workers import Worker

__all__ = ["WSGIServer", "serve"]

logger = logging.getLogger("flask_embed.server")


def serve(app: WSGIApplication, options: Options | None = None, worker: Worker | None = None) -> None:
    """Serve *app* until SIGTERM or SIGINT; returns when the running requests have ended, or their time is up.

    Raises :exc:`~flask_embed.errors.UsageError` if it cannot listen. Call it from the main thread. *worker* is for the
    supervisor of several processes.
    """
    with (
        Poller() as poller,
        serving(
            app, options, worker, runner="fastcgi", scheme="fcgi", stop=poller.stop, on_signal=_on_signal
        ) as session,
    ):
        _Server(session, poller).run()


def _on_signal(number: int, call: Callable[[], object]) -> Callable[[], object]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None  # only the main thread may; in another one the server is stopped by a call
    return partial(signal.signal, number, signal.signal(number, lambda *_: call()))


class WSGIServer(FlupServer):  # type: ignore[misc]
    """flup's ``WSGIServer`` for a ``.fcgi`` file: change the import, and the file works as it did::

        #!/usr/bin/env python3
        from flask_embed.adapters.fastcgi_server import WSGIServer
        from yourapplication import app

        WSGIServer(app).run()

    Without *bindAddress* the web server has started the file: the socket is on descriptor 0 (lighttpd's ``bin-path``,
    mod_fcgid), or it is a request to a CGI script, which is answered as one. With it the server is an external one.

    :param application: any WSGI app; the strict gate stands before it
    :param environ: keys that each environ gets beside the variables of the web server
    :param multithreaded: False runs one request at a time
    :param multiprocess: what ``wsgi.multiprocess`` says
    :param bindAddress: a path for a unix socket, or ``(host, port)``; an empty host is 127.0.0.1, and another one than
        the own machine's needs the variable FCGI_WEB_SERVER_ADDRS, as the specification has it: who may connect
    :param umask: of a unix socket; None gives the mode 0660
    :param multiplexed: accepted and ignored: no web server sends several requests over one connection at a time
    :param debug: accepted and ignored: no client gets a traceback
    :param roles: numbers of FastCGI's roles; web servers ask for 1, the responder
    :param forceCGI: answer one request as a CGI script; so does the variable FCGI_FORCE_CGI=Y
    :param maxThreads: requests that are answered at once, 40 by default; *minSpare* and *maxSpare* are ignored
    :param options: an :class:`~flask_embed.options.Options` for the rest
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
        log: Log | None = None,
    ) -> None:
        # Spare threads would be flup's own, which wait for ever.
        super().__init__(
            application, environ, multithreaded, multiprocess, bindAddress, umask, False, False, roles, forceCGI,
            minSpare=0, maxSpare=0,
        )  # fmt: skip
        self.options = options or _options_of(bindAddress, umask)
        self.log = log
        self._threads = 1 if not multithreaded else maxThreads
        self._is_external = bindAddress is not None
        self._poller: Poller | None = None
        self._is_hung_up = False

    def run(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Serve until SIGTERM, SIGINT or SIGHUP; True if it was SIGHUP, as flup has it (a file may start itself anew).

        Raises :exc:`~flask_embed.errors.UsageError` if it cannot listen, :exc:`SystemExit` with a line if no web server
        has started the file.
        """
        if not self._is_external and not self._is_fastcgi():
            self._answer_cgi()
            return False
        self._is_hung_up = False
        with (
            Poller() as self._poller,
            serving(
                self.application, self.options, None,
                runner="fastcgi", scheme="fcgi", stop=self._poller.stop, on_signal=_on_signal,
                hang_up=partial(self._exit, reload=True),
            ) as session,
        ):  # fmt: skip
            session.log = self.log or session.log
            server = _Server(
                session, self._poller, threads=self._threads, roles=self.roles, environ=self.environ,
                multithreaded=self.multithreaded, multiprocess=self.multiprocess,
            )  # fmt: skip
            server.run(announces=self._is_external)
        return self._is_hung_up

    def _exit(self, reload: bool = False) -> None:
        """End :meth:`run`, which returns *reload*; from any thread: the method that flup has for subclasses."""
        self._is_hung_up = reload
        if self._poller is not None:
            self._poller.stop()

    def _is_fastcgi(self) -> bool:
        forced = self.forceCGI or os.environ.get("FCGI_FORCE_CGI", "").upper().startswith("Y")
        return not forced and is_listening(0)

    def _answer_cgi(self) -> None:
        if "REQUEST_METHOD" not in os.environ:
            raise SystemExit(
                f"{sys.argv[0]}: a web server starts this, with a FastCGI socket on descriptor 0 or as a CGI script; "
                "to start it by hand pass bindAddress"
            )
        from flask_embed.adapters.cgi_handler import CGIHandler

        CGIHandler(self.options).run(self.application)


def _options_of(address: str | tuple[str, int] | None, umask: int | None) -> Options:
    """The options for flup's arguments."""
    if address is None:
        return Options(bind="fd://0")
    if isinstance(address, str):
        return Options(bind=f"unix:{address}", socket_mode=0o660 if umask is None else 0o777 & ~umask)
    host, port = address[:2]
    return Options(bind=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


class _Server:
    """Accepts connections, has threads answer their requests, and ends the waits that take too long."""

    def __init__(
        self,
        session: WorkerSession,
        poller: Poller,
        *,
        threads: int | None = None,
        roles: Collection[int] = (RESPONDER,),
        environ: Mapping[str, Any] | None = None,
        multithreaded: bool = True,
        multiprocess: bool = False,
    ) -> None:
        options = session.options
        self.session = session
        self.poller = poller
        threads = threads or options.threads
        self.threads = Threads(threads, self._thread_freed)
        self.roles = roles
        #: the answers to FCGI_GET_VALUES
        self.capability = {"FCGI_MAX_CONNS": "1024", "FCGI_MAX_REQS": str(threads), "FCGI_MPXS_CONNS": "0"}
        #: what every request gets beside the variables of the web server
        self.environ = {
            **(environ or {}),
            "wsgi.multithread": multithreaded,
            "wsgi.multiprocess": multiprocess or options.workers > 1,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        self.is_allowed = web_servers_of(session.worker.listener, options)
        #: the connections with a request that is being answered, or waits for a thread
        self.answering: set[Connection] = set()
        #: True while new connections are left to other workers, because a request on them would have to wait
        self.is_paused = False

    def run(self, announces: bool = True) -> None:
        """Serve until the poller is stopped, or the worker is to end."""
        session, poller, worker = self.session, self.poller, self.session.worker
        poller.listen(worker.listener)
        if announces:
            session.ready()
        interval = min(worker.interval, 1.0)
        due = 0.0
        while not poller.stops:
            has_new = poller.wait(interval)
            now = monotonic()
            if now >= due:
                due = now + interval * 0.9
                if not worker.beat():
                    break
                poller.end_waits()
            if session.options.workers > 1 and self.pause():
                continue
            if has_new and (new := poller.accept()) is not None:
                self.connected(*new)
        self.drain()

    def connected(self, sock: socket.socket, peer: Any) -> None:
        """Begin with a new connection, or close that of a peer that may not connect."""
        if self.is_allowed(peer):
            Connection(self, sock).read()
        else:
            logger.warning(
                "Refused a connection from %s: add it to --web-server-addrs or FCGI_WEB_SERVER_ADDRS if it may connect",
                peer[0],
            )
            sock.close()

    def pause(self) -> bool:
        """Take new connections only while a thread is free; True if none is."""
        # Said before it is checked: a thread that becomes free in between wakes the poller.
        was_paused, self.is_paused = self.is_paused, True
        self.is_paused = self.threads.are_all_busy
        if self.is_paused != was_paused:
            self.poller.pause(self.is_paused)
        return self.is_paused

    def _thread_freed(self) -> None:
        if self.is_paused:
            self.poller.wake()

    def drain(self) -> None:
        """Accept what has connected already, let running requests end, then close what is left.

        Another call to stop, as by a second SIGTERM, ends the wait.
        """
        self.session.is_draining = True
        poller, stops = self.poller, self.poller.stops
        for new in poller.accept_rest():
            self.connected(*new)
        self.session.leave()
        drain = Drain(self.session.options.graceful_timeout)
        while poller.stops == stops:
            is_busy = self.threads.are_busy
            seconds = drain.wait(is_busy, poller.quiet_since)
            if not seconds:
                break
            poller.wait(min(seconds, 0.02 if is_busy else 0.1))
            poller.end_waits()
        for connection in list(self.answering):
            connection.give_up()
        deadline = monotonic() + CUT_SECONDS
        while self.threads.are_busy and monotonic() < deadline:
            sleep(0.02)
        self.threads.end()
        poller.close_quiet()
