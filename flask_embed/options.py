"""What a runner can be told, with the defaults; :func:`serve` of every adapter takes one of these."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Options"]


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
    #: what the start-up line calls the app
    title: str = "app"
    #: the prefixes that other apps are mounted at, for the start-up line
    mounts: tuple[str, ...] = ()
    #: the prefix that the front sends, for the start-up line
    prefix: str = ""

    def start_line(self, runner: str, address: str) -> str:
        """The line that a runner prints when it is ready: what is served, where, and under which prefixes."""
        if self.prefix:
            address = f"{address}, below {self.prefix}" if address.startswith("unix:") else address[:-1] + self.prefix
        line = f"{self.title} is served by {runner} at {address}"
        if self.mounts:
            line += f", with mounts at {', '.join(self.mounts)}"
        return f"{line} (1 worker, Ctrl-C stops it)"
