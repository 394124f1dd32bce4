"""Response bodies (PEP 3333, "Buffering and Streaming"): which are whole, and one with a step of its own at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["ClosingBody", "is_whole"]


def is_whole(body: Iterable[bytes], environ: WSGIEnvironment) -> bool:
    """True if sending *body* runs no code of the app: a list, a tuple, or a file in the server's ``wsgi.file_wrapper``.

    A server does better with such a body as it is (Content-Length, sendfile).
    """
    if type(body) in (list, tuple):
        return True
    wrapper = environ.get("wsgi.file_wrapper")  # a class with most servers, a function with some
    return isinstance(wrapper, type) and isinstance(body, wrapper)


class ClosingBody(ABC):
    """The body of an app, and :meth:`ended`, which is called once when it is closed, after the app's own ``close()``.

    PEP 3333 has the server call ``close()``. A body that is collected without it is :meth:`abandoned`.
    """

    __slots__ = ("_body", "_iterator", "is_open")

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = body
        self._iterator: Iterator[bytes] | None = None
        #: False once it is closed
        self.is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        iterator = self._iterator
        if iterator is None:  # only now: iter() runs code of the app
            iterator = self._iterator = iter(self._body)
        return next(iterator)

    def close(self) -> None:
        """Close the app's body and call :meth:`ended`; the second time nothing happens."""
        self.close_after(None)

    def close_after(self, error: BaseException | None) -> None:
        """:meth:`close` after *error* in the body, if there was one. Raises what the app's ``close()`` raises."""
        if not self.is_open:
            return
        self.is_open = False
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                close()
        except BaseException as failure:
            self.ended(error or failure)
            raise
        self.ended(error)

    def __del__(self) -> None:
        if self.is_open:
            self.abandoned()

    @abstractmethod
    def ended(self, error: BaseException | None) -> None:
        """Called when the body is closed, with the error that ended it."""

    @abstractmethod
    def abandoned(self) -> None:
        """Called when the body is collected and was not closed; the collector runs in any thread or greenlet."""
