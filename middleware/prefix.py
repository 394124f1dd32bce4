"""Prefixes: their form, the split of a path at one, and the middleware that puts an app below one.

Paths are compared with prefixes here and nowhere else. Both are WSGI strings (latin-1 characters that stand for the
bytes of UTF-8, PEP 3333), so nothing is decoded on the way: prefix and rest together are the whole path.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Literal, TypeVar

from flask_embed.answers import not_found
from flask_embed.composition import Part, Passage
from flask_embed.environ import readable
from flask_embed.errors import PrefixError
from flask_embed.log_once import LogOnce

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["PrefixMiddleware", "below", "longest_match", "moved_below", "normalize_prefix"]

V = TypeVar("V")

_logger = logging.getLogger("flask_embed.middleware")

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\s]")


def normalize_prefix(prefix: str) -> str:
    """The form in which a prefix is compared: ``""``, or ``/segment/…`` as a WSGI string.

    *prefix* is text: ``"/shop"``, ``"shop/"``, ``"/über"``; ``"/"`` and ``""`` are the root. A prefix that no URL can
    hold, or that a browser would read as something else, raises :exc:`PrefixError`.

    >>> normalize_prefix("shop/")
    '/shop'
    """
    if not isinstance(prefix, str):
        raise TypeError(f"the prefix {prefix!r} is not text; write '/shop'")
    stripped = prefix.removesuffix("/")
    if not stripped:
        return ""
    if prefix.startswith("//"):
        raise PrefixError(
            f"the prefix {prefix!r} starts with '//': a browser would read a host; write {'/' + prefix.strip('/')!r}"
        )
    path = stripped if stripped.startswith("/") else f"/{stripped}"
    if "//" in path or path.endswith("/"):
        raise PrefixError(
            f"the prefix {prefix!r} holds an empty segment; write {re.sub('/+', '/', path).rstrip('/')!r}"
        )
    if "%" in path:
        raise PrefixError(f"the prefix {prefix!r} holds a '%': write the characters themselves, not their encoding")
    for mark in "\\?#":
        if mark in path:
            raise PrefixError(f"the prefix {prefix!r} holds {mark!r}, which ends a path for browsers; leave it out")
    if _UNPRINTABLE.search(path):
        raise PrefixError(f"the prefix {prefix!r} holds white space or a control character; write a '-' instead")
    if {".", ".."}.intersection(path.split("/")):
        raise PrefixError(f"the prefix {prefix!r} holds a '.' or '..' segment, which browsers resolve; leave it out")
    try:
        return path.encode().decode("latin-1")
    except UnicodeEncodeError:
        raise PrefixError(f"the prefix {prefix!r} holds a surrogate, which UTF-8 cannot encode; leave it out") from None


def below(path: str, prefix: str) -> str | None:
    """The rest of *path* below *prefix*, ``""`` or ``/…``; None if it lies elsewhere. ``/appx`` is not below ``/app``.

    >>> below("/app//x", "/app"), below("/app", "/app"), below("/appx", "/app")
    ('//x', '', None)
    """
    if not path.startswith(prefix):
        return None
    rest = path[len(prefix) :]
    return rest if not rest or rest[0] == "/" else None


def longest_match(path: str, by_prefix: Mapping[str, V], depth: int, rest: V) -> V:
    """The value in *by_prefix* of the longest prefix that *path* lies below, *rest* if there is none.

    No prefix is empty or has more than *depth* segments: at most so many look-ups are made, however many prefixes
    there are and however long the path is.
    """
    end = path.find("/", 1)
    while end > 0:
        rest = by_prefix.get(path[:end], rest)
        depth -= 1
        if depth <= 0:
            return rest
        end = path.find("/", end + 1)
    return by_prefix.get(path, rest)


def moved_below(environ: WSGIEnvironment, prefix: str, rest: str) -> WSGIEnvironment:
    """A copy of *environ* for an app below *prefix*: the prefix appended to SCRIPT_NAME, PATH_INFO the *rest*."""
    inner = environ.copy()
    inner["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
    inner["PATH_INFO"] = rest
    return inner


class PrefixMiddleware:
    """*app* below *prefix*, for a server or front that sends every request to the root.

    The mode says what the front does with the prefix:

    ``"verbatim"``
        it sends the whole path. The prefix moves from PATH_INFO to SCRIPT_NAME; a path outside of it is answered 404,
        and the first one is logged.
    ``"stripped"``
        it has removed the prefix already. Only SCRIPT_NAME is set; the first path that begins with the prefix all the
        same is logged.

    An outer SCRIPT_NAME stays in front; the caller's environ is not changed. *option* is the command-line option that
    the prefix comes from, for the log::

        application = PrefixMiddleware(app, "/shop")
    """

    def __init__(
        self,
        app: WSGIApplication,
        prefix: str,
        mode: Literal["verbatim", "stripped"] = "verbatim",
        *,
        option: Literal["--prefix", "--script-name"] | None = None,
    ) -> None:
        if mode not in ("verbatim", "stripped"):
            raise ValueError(f"the mode {mode!r} is unknown; write 'verbatim' or 'stripped'")
        #: the app below the prefix
        self.app = app
        #: the prefix as a WSGI string
        self.prefix = normalize_prefix(prefix)
        self.mode = mode
        self._option = option
        self._log = LogOnce(_logger)

    def inner_parts(self) -> Iterable[Part]:
        """The app, below the prefix."""
        return [Part(self.app, self.prefix)]

    def passes_on(self, environ: WSGIEnvironment) -> Passage:
        """The app with the environ that it gets, or the 404 for a path outside."""
        path = environ.get("PATH_INFO", "")
        rest = path if self.mode == "stripped" else below(path, self.prefix)
        if rest is None:
            return Passage(None, environ, f"404: the path is not below the prefix {readable(self.prefix)}")
        return Passage(self.app, moved_below(environ, self.prefix, rest))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        rest = below(path, self.prefix)
        if self.mode == "stripped":
            if rest is not None and self.prefix:
                self._log_unexpected(path)
            rest = path
        if rest is None:
            self._log_unexpected(path)
            return not_found(environ, start_response)
        return self.app(moved_below(environ, self.prefix, rest), start_response)

    def _log_unexpected(self, path: str) -> None:
        if self.mode == "stripped":
            place = self._option or "the prefix"
            other = "--prefix in place of --script-name" if self._option else "the mode 'verbatim'"
            self._log.warning(
                f"The path %r begins with {place} %r, which the front is expected to remove. If it sends the whole "
                f"path, use {other}.",
                path,
                self.prefix,
            )
        else:
            place = self._option or "the prefix"
            other = "--script-name in place of --prefix" if self._option else "the mode 'stripped'"
            self._log.warning(
                f"The path %r is not below {place} %r: answered 404. The front is expected to send the whole path "
                f"(verbatim); if it removes the prefix, use {other}.",
                path,
                self.prefix,
            )
