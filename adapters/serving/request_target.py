"""The path in a request target, as fronts read it: the fixers for them compare an environ with it.

REQUEST_URI is the target as the client sent it (RFC 9112 section 3.2): percent-encoded, with the query. All strings
here are WSGI strings, latin-1 characters that stand for bytes (PEP 3333).
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from flask_embed.grammar import ABSOLUTE_FORM

__all__ = ["merge_slashes", "resolve_dots", "target_path"]

#: nginx, lighttpd and Apache all end the path at a '#' too, although no target may hold one (RFC 9112 section 3.2)
_PATH_END = re.compile(r"[?#]")
_SLASHES = re.compile(r"//+")


def target_path(target: str) -> str | None:
    """The path of a request target, decoded once; None if it is in another form than origin-form and absolute-form.

    The query is cut off before anything is decoded. Slashes and dot segments stay.

    >>> target_path("/a//b%20c?x=%2F"), target_path("http://user@host:81/a"), target_path("*")
    ('/a//b c', '/a', None)
    """
    absolute = ABSOLUTE_FORM.match(target)
    if absolute is not None:
        target = target[absolute.end("authority") :]
    path = _PATH_END.split(target, maxsplit=1)[0]
    if absolute is not None and not path:
        return "/"  # RFC 9110 section 4.2.3: of http and https an empty path is the root
    if not path.startswith("/"):
        return None
    try:
        return unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    except UnicodeEncodeError:
        return None  # not a WSGI string: its bytes are unknown


def resolve_dots(path: str) -> str:
    """*path* without ``.`` and ``..`` segments (RFC 3986 section 5.2.4); empty segments count as segments.

    >>> resolve_dots("/a/./b/../c"), resolve_dots("/a//.."), resolve_dots("/../x")
    ('/a/c', '/a/', '/x')
    """
    if "/." not in path:
        return path
    segments = path.split("/")[1:]
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def merge_slashes(path: str) -> str:
    """*path* with one slash wherever several follow each other.

    >>> merge_slashes("//a///b/")
    '/a/b/'
    """
    return _SLASHES.sub("/", path)
