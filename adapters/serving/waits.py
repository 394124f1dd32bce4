"""Times and sizes of the ends of connections and servers, which no option sets."""

from __future__ import annotations

__all__ = ["CUT_SECONDS", "LINGER_BYTES", "LINGER_SECONDS", "QUIET", "WORTH_READING"]

#: How much of a body that the app has left unread is read before a connection is closed, and for how long. Closing
#: with input unread resets the connection (RFC 9112 section 9.6), and the answer is lost: fronts send all of an upload
#: before they read any answer.
LINGER_BYTES, LINGER_SECONDS = 64 * 1024 * 1024, 2.0
#: How much of a body that the app has left unread is read for the sake of the next request on the connection.
WORTH_READING = 64 * 1024
#: How long a connection has to be without a request before a server that ends may close it, in seconds.
QUIET = 1.0
#: How long a server that ends waits for requests that it has cut to be closed and torn down, each in its own thread.
CUT_SECONDS = 1.0
