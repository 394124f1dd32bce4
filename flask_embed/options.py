"""The options of a server, with their defaults; ``serve`` of every adapter takes an :class:`Options`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIXES", "LOG_LEVELS", "Options"]

#: the fixers for fronts that set a wrong SCRIPT_NAME or PATH_INFO
FIXES = ("lighttpd-root", "nginx-path-info")
#: the levels of the error log, the one with the most lines first
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a server. Times are in seconds, sizes in bytes.

    The command line fills one, and so can a program::

        from flask_embed.adapters.gevent_server import serve
        from flask_embed.options import Options

        serve(app, Options(bind="127.0.0.1:8000"))
    """

    #: the address to listen on: ``host:port`` (``[::1]:port``), ``unix:PATH`` or ``fd://N``; port 0 takes a free one
    bind: str = "127.0.0.1:5000"
    #: the prefix of all paths, if the front sends it
    prefix: str = ""
    #: the prefix of all paths, if the front removes it; ``/`` tells the fixer ``nginx-path-info`` that it has none
    script_name: str = ""
    #: fixers for the front, of :data:`FIXES`, in the order in which they get a request
    fix: tuple[str, ...] = ()
    #: the number of proxies in front that set or clear X-Forwarded-For, -Proto, -Host, -Port and -Prefix; 0 ignores
    #: these headers
    trust_proxy: int = 0
    #: the peers whose X-Forwarded headers are used: addresses, networks, ``unix`` for a unix socket
    forwarded_allow_ips: tuple[str, ...] = ("127.0.0.1",)
    #: the web servers that may connect over FastCGI: addresses, networks, ``any``; empty for those of the environment
    #: variable FCGI_WEB_SERVER_ADDRS, or else those of this machine
    web_server_addrs: tuple[str, ...] = ()

    #: the number of processes that answer; more than one needs the command line, whose supervisor imports no app
    workers: int = 1
    #: the requests that a process answers at the same time, where threads answer them (Tornado, FastCGI)
    threads: int = 40
    #: the number of requests, roughly, after which a worker is replaced; 0 for never
    max_requests: int = 0

    #: for development: True restarts a worker when a file of its app changes
    reload: bool = False
    #: True serves an app with ``debug = True`` also where other machines reach it
    allow_debug: bool = False

    #: the time that running requests have to end after SIGTERM or SIGINT
    graceful_timeout: float = 30.0
    #: the time after which a worker whose event loop does not respond is replaced; 0 for never
    timeout: float = 60.0
    #: the time for the head of a request
    header_timeout: float = 30.0
    #: the time for the next data of a body; for all of it there is this time and a second for every 500 bytes
    body_timeout: float = 60.0
    #: the time for the next request on a connection; Tornado has one time for this and for heads, the shorter of both
    keep_alive: float = 75.0
    #: the time for a client to read the next data of an answer
    write_timeout: float = 60.0

    #: the size of the longest request line
    limit_line: int = 8 * 1024
    #: the size of all headers of a request together
    limit_headers: int = 64 * 1024
    #: the number of headers of a request
    limit_header_count: int = 100
    #: the size of the longest body, None for any; the app's own limit applies as well
    limit_body: int | None = None
    #: the size of the data of a body that waits in memory for an app that reads slowly
    spool: int = 1024 * 1024

    #: the mode of a unix socket
    socket_mode: int = 0o660
    #: the group of a unix socket, None for that of the process
    socket_group: str | None = None

    #: the file that gets one line for each request, ``-`` for stderr, None for no such log
    access_logfile: str | None = None
    #: the file that gets warnings and errors, ``-`` for stderr
    error_logfile: str = "-"
    #: the lowest level that the error log has, of :data:`LOG_LEVELS`
    log_level: str = "info"

    #: the name of the app in the start-up line
    title: str = "app"
    #: the keys of the app's mounts, for the start-up line
    mounts: tuple[str, ...] = ()

    def start_line(self, runner: str, address: str) -> str:
        """The line that a runner prints when it is ready: the app, its address with the prefix, its mounts."""
        prefix = self.script_name.rstrip("/") + self.prefix
        if prefix:
            address = f"{address}, below {prefix}" if address.startswith("unix:") else address[:-1] + prefix
        line = f"{self.title} is served by {runner} at {address}"
        if self.mounts:
            line += f", with mounts at {', '.join(self.mounts)}"
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{line} ({workers}, Ctrl-C stops it)"
