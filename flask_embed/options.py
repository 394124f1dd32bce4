"""What a runner can be told, with the defaults; :func:`serve` of every adapter takes one of these."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIXES", "LOG_LEVELS", "Options"]

#: the fixers for fronts that set SCRIPT_NAME or PATH_INFO wrong
FIXES = ("lighttpd-root", "nginx-path-info")
#: from the most talkative one on
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How an app is served. Times are in seconds, sizes in bytes.

    The command line fills one, and so can a program::

        from flask_embed.adapters.gevent_server import serve
        from flask_embed.options import Options

        serve(app, Options(bind="127.0.0.1:8000"))
    """

    #: where to listen: ``host:port`` (``[::1]:port``), ``unix:PATH`` or ``fd://N``; port 0 takes a free one
    bind: str = "127.0.0.1:5000"
    #: the prefix that the front sends in front of all paths
    prefix: str = ""
    #: the prefix that the front has taken off all paths; ``/`` tells the fixer ``nginx-path-info`` that there is none
    script_name: str = ""
    #: fixers for the front, of :data:`FIXES`; the first one sees a request first
    fix: tuple[str, ...] = ()
    #: how many proxies in front set X-Forwarded-For, -Proto, -Host, -Port and -Prefix, or clear them; 0 ignores these
    trust_proxy: int = 0
    #: the peers that these headers are taken from: addresses, networks, ``unix`` for a socket
    forwarded_allow_ips: tuple[str, ...] = ("127.0.0.1",)
    #: the web servers that may connect over FastCGI: addresses, networks, ``any``; empty is FCGI_WEB_SERVER_ADDRS, or
    #: those of this machine
    web_server_addrs: tuple[str, ...] = ()

    #: how many processes answer; more than one is for the command line, whose supervisor imports no app
    workers: int = 1
    #: how many requests a process answers at once, where threads answer them (Tornado, FastCGI)
    threads: int = 40
    #: a worker is replaced after about this many requests; 0 is never
    max_requests: int = 0

    #: for development: a worker starts again when a file of its app changes
    reload: bool = False
    #: whether an app with ``debug = True`` may be served where others reach it
    allow_debug: bool = False

    #: how long running requests have to end after SIGTERM or SIGINT
    graceful_timeout: float = 30.0
    #: a worker whose event loop stands still for so long is replaced; 0 is never
    timeout: float = 60.0
    #: how long the head of a request may take
    header_timeout: float = 30.0
    #: how long the next part of a body may take; in all it may take that long and a second for every 500 bytes
    body_timeout: float = 60.0
    #: how long a connection may wait for its next request; Tornado has one time for this and for heads: the shorter one
    keep_alive: float = 75.0
    #: how long a client may take to read the next part of an answer
    write_timeout: float = 60.0

    #: the longest request line
    limit_line: int = 8 * 1024
    #: the headers of a request together
    limit_headers: int = 64 * 1024
    #: how many headers a request may have
    limit_header_count: int = 100
    #: the longest body, None for any; an app's own limit counts besides
    limit_body: int | None = None
    #: how much of a body may wait in memory for an app that is slow to read it
    spool: int = 1024 * 1024

    #: the mode of a unix socket
    socket_mode: int = 0o660
    #: the group of a unix socket, None for that of the process
    socket_group: str | None = None

    #: where a line for each request goes: a file, ``-`` for stderr, None for nowhere
    access_logfile: str | None = None
    #: where warnings and errors go: a file, or ``-`` for stderr
    error_logfile: str = "-"
    #: the least important lines that the error log has, of :data:`LOG_LEVELS`
    log_level: str = "info"

    #: what the start-up line calls the app
    title: str = "app"
    #: the places that other apps are mounted at, for the start-up line
    mounts: tuple[str, ...] = ()

    def start_line(self, runner: str, address: str) -> str:
        """The line that a runner prints when it is ready: what is served, where, and under which prefixes."""
        prefix = self.script_name.rstrip("/") + self.prefix
        if prefix:
            address = f"{address}, below {prefix}" if address.startswith("unix:") else address[:-1] + prefix
        line = f"{self.title} is served by {runner} at {address}"
        if self.mounts:
            line += f", with mounts at {', '.join(self.mounts)}"
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{line} ({workers}, Ctrl-C stops it)"
