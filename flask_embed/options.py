"""What a runner can be told, with the defaults; :func:`serve` of every adapter takes one of these."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIXES", "Options"]

#: the fixers for fronts that set SCRIPT_NAME or PATH_INFO wrong
FIXES = ("lighttpd-root", "nginx-path-info")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How an app is served.

    The command line fills one, and so can a program::

        from flask_embed.adapters.gevent_server import serve
        from flask_embed.options import Options

        serve(app, Options(bind="127.0.0.1:8000"))
    """

    #: where to listen: ``host:port`` (``[::1]:port``), ``unix:PATH`` or ``fd://N``; port 0 takes a free one
    bind: str = "127.0.0.1:5000"
    #: seconds that running requests have to end after SIGTERM or SIGINT
    graceful_timeout: float = 30.0
    #: the prefix that the front sends in front of all paths
    prefix: str = ""
    #: the prefix that the front has taken off all paths
    script_name: str = ""
    #: fixers for the front, of :data:`FIXES`; the first one sees a request first
    fix: tuple[str, ...] = ()
    #: how many proxies in front set X-Forwarded-For, -Proto, -Host, -Port and -Prefix, or clear them; 0 ignores these
    trust_proxy: int = 0
    #: the peers that these headers are taken from: addresses, networks, ``unix`` for a socket
    forwarded_allow_ips: tuple[str, ...] = ("127.0.0.1",)
    #: what the start-up line calls the app
    title: str = "app"
    #: the places that other apps are mounted at, for the start-up line
    mounts: tuple[str, ...] = ()

    def start_line(self, runner: str, address: str) -> str:
        """The line that a runner prints when it is ready: what is served, where, and under which prefixes."""
        prefix = self.script_name + self.prefix
        if prefix:
            address = f"{address}, below {prefix}" if address.startswith("unix:") else address[:-1] + prefix
        line = f"{self.title} is served by {runner} at {address}"
        if self.mounts:
            line += f", with mounts at {', '.join(self.mounts)}"
        return f"{line} (1 worker, Ctrl-C stops it)"
