"""How long servers wait, and how much they read on, where no option says so."""

from __future__ import annotations

__all__ = ["CUT_SECONDS", "LINGER_BYTES", "LINGER_SECONDS", "QUIET", "for_body"]

#: How much of a body that the app has left unread is read before a connection is closed, and for how long. Closing with
#: input unread resets the connection (RFC 9112 section 9.6), and the answer is lost: a web server in front sends all of
#: an upload before it reads any answer.
LINGER_BYTES, LINGER_SECONDS = 64 * 1024 * 1024, 2.0
#: How long a connection has to be without a request before a server that ends may close it, in seconds.
QUIET = 1.0
#: How long a server that ends waits for requests that it has cut to be closed and torn down, each in its own thread.
CUT_SECONDS = 1.0
#: A body may come this slowly, in bytes per second, once its first time is used up.
_SLOWEST_BODY = 500


def for_body(seconds: float, received: int, waited: float) -> float:
    """How long the next part of a body may take: *seconds*, less what it was waited for longer than a trickle takes."""
    return seconds + min(received / _SLOWEST_BODY - waited, 0)
