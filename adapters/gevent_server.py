"""Serve a WSGI app with gevent: a greenlet per connection, in one process."""

from __future__ import annotations

import logging
import os
import signal
import sys
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import TYPE_CHECKING, Any

import gevent
from gevent import socket as gevent_socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from flask_embed.adapters.front import behind_front, whole_server
from flask_embed.adapters.listeners import address_of, listening
from flask_embed.adapters.wsgi import ClientGone, respond
from flask_embed.lifespan import lifespan
from flask_embed.options import Options

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

__all__ = ["serve"]

logger = logging.getLogger("flask_embed.server")


def serve(app: WSGIApplication, options: Options | None = None) -> None:
    """Serve *app* until SIGTERM or SIGINT; returns when the running requests have ended, or their time is up.

    The standard library has to be patched before the app is imported (``gevent.monkey.patch_all()``), or an app
    that waits stops all others; ``python -m flask_embed.gevent`` does that. Raises
    :exc:`~flask_embed.errors.UsageError` if it cannot listen. Call it from the main thread.
    """
    options = options or Options()
    app = behind_front(app, options)
    with listening(options.bind) as listener, lifespan(app):
        accepting = gevent_socket.socket(fileno=os.dup(listener.fileno()))
        server = _Server(accepting, app, handler_class=_Handler, spawn=Pool(), log=None, error_log=logger)
        server.start()
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, stop.set)
        print(options.start_line("gevent", address_of(listener)), file=sys.stderr, flush=True)
        stop.wait()
        listener.close()  # the server has a copy: only without both are new connections refused
        server.drain(options.graceful_timeout)


class _Server(WSGIServer):
    """pywsgi's server, knowing which of its connections are answering."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.answering = 0
        self.draining = False
        self.idle = Event()
        self.idle.set()

    def drain(self, timeout: float) -> None:
        """Accept nothing more, let running requests end, then close what is left."""
        self.draining = True
        self.close()
        self.idle.wait(timeout)
        self.stop(timeout=0)


class _Handler(WSGIHandler):
    """One connection: pywsgi reads the requests, the boundary answers them."""

    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]
    application: WSGIApplication  # pyright: ignore[reportIncompatibleVariableOverride]
    environ: WSGIEnvironment  # pyright: ignore[reportIncompatibleVariableOverride]

    def get_environ(self) -> WSGIEnvironment:
        environ: WSGIEnvironment = super().get_environ()
        environ["REQUEST_URI"] = self.path
        environ.pop("HTTP_PROXY", None)  # libraries take it for a proxy setting (CVE-2016-5385)
        return environ

    def run_application(self) -> None:
        server = self.server
        server.answering += 1
        server.idle.clear()
        try:
            environ = self.environ
            asks_server = environ["PATH_INFO"] == "*" and environ["REQUEST_METHOD"] == "OPTIONS"
            respond(whole_server if asks_server else self.application, environ, _Writer(self))
        finally:
            server.answering -= 1
            if server.draining:
                self.close_connection = True
            if not server.answering:
                server.idle.set()


class _Writer:
    """Sends one response through pywsgi's handler."""

    def __init__(self, handler: _Handler) -> None:
        self.handler = handler

    def send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.start(status, headers)
        if body:
            self.write(body)
        self.end()

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.handler.start_response(status, headers)

    def write(self, data: bytes) -> None:
        try:
            self.handler.write(data)
        except OSError as error:
            raise ClientGone from error

    def end(self) -> None:
        handler = self.handler
        try:
            if not handler.headers_sent:
                handler.write(b"")
            if handler.response_use_chunked and handler.command != "HEAD":
                handler.socket.sendall(b"0\r\n\r\n")
        except OSError as error:
            raise ClientGone from error

    def cut(self) -> None:
        handler = self.handler
        handler.close_connection = True
        if handler.headers_sent and handler.socket is not None:
            # A reset: where only the end of the connection ends the body, a plain close would look like one.
            handler.socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
