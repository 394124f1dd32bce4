"""Checks of the strings of an environ, shared by the core and the gate.

PEP 3333 passes text as latin-1 strings whose bytes are UTF-8. A value that can become part of a URL, a header or a log
line is checked here once, so that an app refuses the same values in-process and under a runner.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask_embed.grammar import LINE_BREAK

if TYPE_CHECKING:
    from collections.abc import Collection

    from _typeshed.wsgi import WSGIEnvironment

__all__ = [
    "DEVELOPMENT",
    "escape_controls",
    "has_line_break",
    "host_is_trusted",
    "is_loopback",
    "path_only",
    "readable",
    "request_host",
    "split_port",
    "text",
    "url_quote",
    "url_root_fault",
]

#: RFC 9110 section 7.2 by way of RFC 3986 host, narrowed to names that DNS or a container network can hold
#: (so ``_``, but no percent encoding and none of the sub-delims), with an optional port.
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{0,5}))?", re.ASCII)
#: characters and segments that a browser could read as something else than a path, or that end a header
_SCRIPT_NAME_REFUSED = re.compile(r"^//|[\\?#\x00-\x1f\x7f]|(?:^|/)\.\.?(?:/|$)")
#: the key in an environ that the test client or ``app.run`` has made; no header of a client becomes a key with a dot
DEVELOPMENT = "flask_embed.development"
#: Loaded here: a process without free file descriptors could not import it to log that.
_escaped = codecs.getencoder("unicode_escape")
#: The characters of a path segment and the slash (WHATWG URL path-segment string, RFC 3986 pchar).
_PATH_SAFE = "!$&'()*+,/:;=@"


def text(value: str) -> str:
    """The text of a WSGI string; :exc:`UnicodeError` if its bytes are not UTF-8 (PEP 3333, "Unicode Issues")."""
    if value.isascii():
        return value
    return value.encode("latin-1").decode("utf-8")


def readable(value: str) -> str:
    """The text of a WSGI string on one line, for logs; control characters and bytes that are not UTF-8 are escaped."""
    if not value.isascii():
        value = value.encode("latin-1", "backslashreplace").decode("utf-8", "backslashreplace")
    return escape_controls(value)


def has_line_break(value: str) -> bool:
    """True if *value* holds a NUL, CR or LF, which a string of an environ must not."""
    return LINE_BREAK.search(value) is not None


@lru_cache(maxsize=128)
def url_root_fault(host: str, script_name: str) -> str | None:
    """The reason for a 400 if URLs cannot begin with this Host and this SCRIPT_NAME, or None.

    Both become part of the URLs that an app builds. An empty *host* stands for a request without one.
    The same few values come again and again, so the result is cached.

    >>> url_root_fault("shop.example:8000", "/shop") is None
    True
    >>> url_root_fault("good@evil.example", "")
    'the Host header is malformed'
    """
    if host and not _is_host(host):
        return "the Host header is malformed"
    if script_name and (not script_name.startswith("/") or _SCRIPT_NAME_REFUSED.search(script_name)):
        return "SCRIPT_NAME is not a path prefix"
    try:
        text(script_name)
    except UnicodeError:
        return "SCRIPT_NAME is not UTF-8"
    return None


def _is_host(host: str) -> bool:
    """True for a host that urlsplit() accepts as well: its port is in range, and brackets hold an IPv6 address."""
    match = _HOST.fullmatch(host)
    if match is None or int(match["port"] or "0") > 65535:
        return False
    if host[0] == "[":
        try:
            IPv6Address(host[1 : host.index("]")])
        except ValueError:
            return False
    return True


def request_host(environ: WSGIEnvironment) -> str:
    """The ``host`` or ``host:port`` that the request was sent to, in lower case, without its scheme's default port.

    It is the Host header, or the server's own name for an HTTP/1.0 request without one; empty if that is malformed.
    """
    scheme = environ.get("wsgi.url_scheme", "http")
    host: str = environ.get("HTTP_HOST") or ""
    if not host:
        host = environ.get("SERVER_NAME") or ""
        port = environ.get("SERVER_PORT") or ""
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        if host and port:
            host = f"{host}:{port}"
        if url_root_fault(host, "") is not None:  # a socket file, or an address with a scope: not part of any URL
            host = ""
    host = host.lower()
    return host.removesuffix(":443" if scheme == "https" else ":80").removesuffix(":")


def is_loopback(host: str) -> bool:
    """True if *host* (port allowed) is this machine: ``localhost``, ``*.localhost``, 127.x.x.x, ``[::1]``."""
    name = host.rpartition("]")[0].removeprefix("[") or (host if host.count(":") > 1 else host.partition(":")[0])
    name = name.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def host_is_trusted(environ: WSGIEnvironment, trusted: Collection[str]) -> bool:
    """True if the request was sent to a host of the list *trusted*; case and a trailing dot are ignored.

    An entry is a name or an address, with a port if it is for that port alone. One that starts with a dot stands for a
    domain and all names below it. Names of this machine that are not listed are trusted in the test client and under
    ``app.run`` alone: elsewhere a front may run on the same machine. TypeError for a str in place of a list.
    """
    host = request_host(environ)
    if environ.get(DEVELOPMENT) and is_loopback(host):
        return True
    if isinstance(trusted, str):
        raise TypeError(f"trusted_hosts is {trusted!r}; write a list: [{trusted!r}]")
    return bool(host) and _is_listed(host, environ.get("wsgi.url_scheme", "http"), tuple(trusted))


@lru_cache(maxsize=128)
def _is_listed(host: str, scheme: str, trusted: tuple[str, ...]) -> bool:
    name, port = _name_and_port(host)
    port = port or ("443" if scheme == "https" else "80")
    for entry in trusted:
        known, known_port = _name_and_port(entry.lower())
        if known_port and known_port != port:
            continue
        if name == known.removeprefix(".") or (known.startswith(".") and name.endswith(known)):
            return True
    return False


def split_port(host: str) -> tuple[str, str]:
    """``name`` and ``port`` of a host; the port is empty if there is none. IPv6 stands in brackets (RFC 3986)."""
    if host.startswith("["):
        name, _, rest = host.partition("]")
        return f"{name}]", rest.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


def _name_and_port(host: str) -> tuple[str, str]:
    """The name of a host as browsers send it (IDNA), and its port without leading zeros."""
    name, port = split_port(host)
    if not name.isascii():
        dot = "." if name.startswith(".") else ""
        name = dot + name.removeprefix(".").encode("idna").decode("ascii")
    return name.removesuffix("."), port.lstrip("0")


def url_quote(path: str) -> str:
    """*path* (text) percent-encoded; slashes are kept, backslashes are encoded."""
    return quote(path, safe=_PATH_SAFE)


def path_only(path: str) -> str:
    """*path* so that a browser cannot read its beginning as a host: a second leading slash is encoded.

    >>> path_only("//evil.example/x")
    '/%2Fevil.example/x'
    """
    if path.startswith("//"):
        rest = path.lstrip("/")
        return "/" + "%2F" * (len(path) - len(rest) - 1) + rest
    return path


def escape_controls(value: str) -> str:
    r"""*value* on one line for a log or a terminal: invisible characters are written as ``\n``, ``\x1b``, ``\u202e``.

    These are the ones for which :meth:`str.isprintable` is False: control characters, line separators, marks that
    change the direction of text, spaces beyond ASCII, and unassigned code points.
    """
    if value.isprintable():
        return value
    return "".join([char if char.isprintable() else _escaped(char)[0].decode("ascii") for char in value])
