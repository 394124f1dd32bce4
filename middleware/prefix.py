"""Prefixes: what one may be, where a path is split, and the middleware that puts an app below one.

The only place where a path is compared with a prefix. Both are WSGI strings here (latin-1 characters that stand
for the bytes of UTF-8, PEP 3333), so nothing is decoded on the way and the two parts add up to the whole.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Literal, TypeVar

from flask_embed.answers import not_found
from flask_embed.composition import Part
from flask_embed.environ import readable
from flask_embed.errors import PrefixError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["PrefixMiddleware", "below", "longest_match", "moved_below", "normalize_prefix"]

V = TypeVar("V")

_logger = logging.getLogger("flask_embed.middleware")

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\s]")


def normalize_prefix(prefix: str) -> str:
    """The form in which a prefix is compared: ``""``, or ``/segment/…`` as a WSGI string.

    *prefix* is written as people read it: ``"/shop"``, ``"shop/"``, ``"/über"``; ``"/"`` and ``""`` are the root.
    Whatever a URL could not carry there, or a browser would read as something else, is a :exc:`PrefixError`.

    >>> normalize_prefix("shop/")
    '/shop'
    """
    if not isinstance(prefix, str):
        raise TypeError(f"the prefix {prefix!r} is no text; write '/shop'")
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
        raise PrefixError(f"the prefix {prefix!r} holds a character that UTF-8 has no form for; leave it out") from None


def below(path: str, prefix: str) -> str | None:
    """What is left of *path* below *prefix*, ``""`` or ``/…``; None if it lies elsewhere. ``/app`` is not ``/appx``.

    >>> below("/app//x", "/app"), below("/app", "/app"), below("/appx", "/app")
    ('//x', '', None)
    """
    if not path.startswith(prefix):
        return None
    rest = path[len(prefix) :]
    return rest if not rest or rest[0] == "/" else None


def longest_match(path: str, by_prefix: Mapping[str, V], depth: int, rest: V) -> V:
    """What stands in *by_prefix* for the longest prefix that *path* lies below, *rest* if there is none.

    No prefix is empty or has more than *depth* segments: so many look-ups are made at most, however many prefixes
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
    """A copy of *environ* for an app below *prefix*: SCRIPT_NAME grown by it, PATH_INFO the *rest*."""
    inner = environ.copy()
    inner["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
    inner["PATH_INFO"] = rest
    return inner


class PrefixMiddleware:
    """*app* below *prefix*, for a server or front that sends everything to the root.

    The mode says what the front does with the prefix:

    ``"verbatim"``
        it sends the whole path. The prefix moves from PATH_INFO to SCRIPT_NAME; a path outside of it is a 404,
        and one line in the log says which contract was broken.
    ``"stripped"``
        it has taken the prefix off already. Only SCRIPT_NAME is set; a path that begins with the prefix all the same
        is logged once.

    An outer SCRIPT_NAME stays in front; the caller's environ is not changed::

        application = PrefixMiddleware(app, "/shop")
    """

    def __init__(self, app: WSGIApplication, prefix: str, mode: Literal["verbatim", "stripped"] = "verbatim") -> None:
        if mode not in ("verbatim", "stripped"):
            raise ValueError(f"the mode {mode!r} is neither 'verbatim' nor 'stripped'")
        #: the app below the prefix
        self.app = app
        #: the prefix as a WSGI string
        self.prefix = normalize_prefix(prefix)
        self.mode = mode
        self._told = False

    def inner_parts(self) -> Iterable[Part]:
        """The app, below the prefix."""
        return [Part(self.app, self.prefix)]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        rest = below(path, self.prefix)
        if self.mode == "stripped":
            if rest is not None and self.prefix and not self._told:
                self._told = True
                _logger.warning(
                    "The path %r begins with the prefix %r, which the front is expected to take off. If it sends the "
                    "whole path, use --prefix in place of --script-name (in Python the mode 'verbatim'). Other such "
                    "paths are not logged.",
                    readable(path),
                    readable(self.prefix),
                )
            rest = path
        if rest is not None:
            return self.app(moved_below(environ, self.prefix, rest), start_response)
        if not self._told:
            self._told = True
            _logger.warning(
                "The path %r is not below the prefix %r. The front is expected to send the whole path (verbatim); "
                "if it takes the prefix off, use --script-name in place of --prefix (in Python the mode 'stripped'). "
                "Other such paths are not logged.",
                readable(path),
                readable(self.prefix),
            )
        return not_found(environ, start_response)
