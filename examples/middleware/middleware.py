"""Three middlewares: each is a WSGI app around another one, and knows nothing of the framework.

What PEP 3333 asks of them, and what is easily got wrong:

- The environ belongs to who made it: what is changed is a copy.
- ``start_response`` is called by the app, when it likes and maybe twice; a middleware hands it a function of its own,
  with the same three arguments, and returns the ``write`` that the server gave.
- The body is passed on block by block, as it comes. Who wraps it passes on ``close()`` as well, once.
"""

from __future__ import annotations

import secrets
from collections import deque
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Headers = list[tuple[str, str]]
    Write = Callable[[bytes], object]


class RequestID:
    """Give each request an id: the app reads it as the header X-Request-ID, the client gets it as one.

    An id that the client sends is replaced: it may be anything, and the same one twice.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = secrets.token_hex(8)

        def start(status: str, headers: Headers, exc_info: OptExcInfo | None = None, /) -> Write:
            others = [(name, value) for name, value in headers if name.lower() != "x-request-id"]
            return start_response(status, [*others, ("X-Request-ID", request_id)], exc_info)

        return self.app({**environ, "HTTP_X_REQUEST_ID": request_id}, start)


class SecurityHeaders:
    """Add headers that restrict what a browser does with an answer; those that the app has set stay as they are."""

    #: Nothing from other hosts, no inline scripts or styles; no page elsewhere may frame ours, or learn its address.
    HEADERS = (
        (
            "Content-Security-Policy",
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
            "frame-ancestors 'none'",
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
    )

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: Headers, exc_info: OptExcInfo | None = None, /) -> Write:
            present = {name.lower() for name, _ in headers}
            missing = [header for header in self.HEADERS if header[0].lower() not in present]
            return start_response(status, [*headers, *missing], exc_info)

        return self.app(environ, start)


class Record(NamedTuple):
    """A request that has ended, and its answer."""

    method: str
    #: its path, without the query string, which may be confidential
    path: str
    #: the three digits; empty if the app raised before it had any, so that the server had to answer
    status: str
    #: bytes of the body that went to the server
    sent: int
    #: from the call of the app until the body was closed
    milliseconds: float
    #: "complete"; "error" if the app raised; "left" if the body was closed before its end, as the client was gone
    ending: str


class Recorder:
    """Keep a record of each of the last requests, however they end.

    The body is wrapped to be counted, so a server no longer sees that it is a file (``wsgi.file_wrapper``), and
    sends it block by block.
    """

    def __init__(self, app: WSGIApplication, most: int = 10) -> None:
        self.app = app
        self._records: deque[Record] = deque(maxlen=most)
        self._lock = Lock()  # a deque must not change while it is read

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = _Answer(environ, start_response, self.keep)
        try:
            answer.body = self.app(environ, answer.start_response)
        except BaseException:
            answer.end("error")
            raise
        return answer

    def keep(self, record: Record) -> None:
        """Add a record; the oldest one makes room for it."""
        with self._lock:
            self._records.appendleft(record)

    def records(self) -> list[Record]:
        """The records, the newest first."""
        with self._lock:
            return list(self._records)


class _Answer:
    """The answer of an app to one request, measured on its way to the server, which gets this as the body.

    It is a class and not a generator around the body: closing a generator that was never started runs nothing of it.
    """

    #: what the app returned
    body: Iterable[bytes] = ()

    _status = ""
    _sent = 0
    _ending = "left"
    _closed = False

    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse, keep: Callable[[Record], None]) -> None:
        self._method = _shown(environ["REQUEST_METHOD"], 10)  # read now: the app may change the environ
        self._path = _shown(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), 60)
        self._start_response = start_response
        self._keep = keep
        self._started = perf_counter()

    def start_response(self, status: str, headers: Headers, exc_info: OptExcInfo | None = None, /) -> Write:
        """The start_response of the app. A second status counts only if the server accepts it and does not raise."""
        write = self._start_response(status, headers, exc_info)
        self._status = status[:3]

        def counted(block: bytes) -> object:
            result = write(block)
            self._sent += len(block)
            return result

        return counted

    def __iter__(self) -> Iterator[bytes]:
        """The blocks of the body, each as soon as the app has it."""
        try:
            for block in self.body:
                self._sent += len(block)
                yield block
        except Exception:
            self._ending = "error"
            raise
        self._ending = "complete"

    def close(self) -> None:
        """Close the body and end the answer; the second time nothing happens."""
        if self._closed:
            return
        self._closed = True
        close = getattr(self.body, "close", None)
        try:
            if close is not None:
                close()
        except BaseException:
            self._ending = "error"
            raise
        finally:
            self.end(self._ending)

    def end(self, ending: str) -> None:
        """Make the record: nothing more is coming."""
        milliseconds = (perf_counter() - self._started) * 1000
        self._keep(Record(self._method, self._path, self._status, self._sent, milliseconds, ending))


def _shown(value: str, most: int) -> str:
    """The text of a WSGI string, cut to so many characters: a client can send very long ones.

    The characters of such a string stand for bytes of UTF-8 (PEP 3333), which may be broken.
    """
    text = value.encode("latin-1", "replace").decode("utf-8", "replace")
    return text if len(text) <= most else f"{text[: most - 1]}…"
