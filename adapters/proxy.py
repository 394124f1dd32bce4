"""Client address and URL as a proxy in front reports them in X-Forwarded-* headers."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from flask_embed.answers import bad_request
from flask_embed.environ import escape_controls, split_port, text, url_root_fault
from flask_embed.grammar import PORT
from flask_embed.middleware.prefix import normalize_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["ProxyFix"]

_logger = logging.getLogger("flask_embed.adapters")

_ORIGINAL = "flask_embed.proxy_fix.orig"
#: the keys that ProxyFix may change, and keeps the values of
_CHANGED = (
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "wsgi.url_scheme",
    "HTTPS",
    "HTTP_HOST",
    "SERVER_NAME",
    "SERVER_PORT",
    "SCRIPT_NAME",
)
#: RFC 7239 section 6, without quotes: a nodename (an address, "unknown" or an obfuscated name) and perhaps a port
_NODE = re.compile(
    r"(?:(?P<hidden>unknown|_[A-Za-z0-9._-]+)|\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+))"
    r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
    r"|(?P<v6>[0-9A-Fa-f:.]+)",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class ProxyFix:
    """*app* with the client's address, scheme, host, port and prefix as the proxies in front report them.

    Each number is the number of proxies that set that header, or append to it; the value so many places from the right
    counts, all lines of the header together, because a client can write any value to the left of that. A header with
    fewer values does not count, one with the number 0 is ignored; all stay in the environ.

    ``x_for``, X-Forwarded-For
        becomes REMOTE_ADDR; REMOTE_PORT and REMOTE_HOST, which are the proxy's, are removed. ``unknown`` and names
        like ``_x`` (RFC 7239 section 6) change nothing.
    ``x_proto``, X-Forwarded-Proto
        becomes wsgi.url_scheme and HTTPS.
    ``x_host``, X-Forwarded-Host
        becomes HTTP_HOST, SERVER_NAME and SERVER_PORT.
    ``x_port``, X-Forwarded-Port
        becomes SERVER_PORT and the port in HTTP_HOST, from which the default port of the scheme is left out.
    ``x_prefix``, X-Forwarded-Prefix
        is put in front of SCRIPT_NAME, which may hold the prefix of an outer mount already.

    A malformed value that counts is answered with a plain 400 that does not repeat it; the log names the header.
    ``environ["flask_embed.proxy_fix.orig"]`` holds the values before, by their keys, if any was changed.

    *trusted* limits all this to peers with these addresses: ``"10.0.0.1"``, ``"10.0.0.0/8"``, ``"::1"``, and
    ``"unix"`` for a peer without an address, on a unix socket. Headers of other peers do not count. None, the default,
    trusts every peer: right only where clients can reach the server through the proxy alone.

    ValueError or TypeError for a malformed number or address::

        application = ProxyFix(app, x_for=1, x_proto=1, x_host=1, trusted=["127.0.0.1", "unix"])
    """

    def __init__(
        self,
        app: WSGIApplication,
        x_for: int = 1,
        x_proto: int = 1,
        x_host: int = 0,
        x_port: int = 0,
        x_prefix: int = 0,
        *,
        trusted: Collection[str] | None = None,
    ) -> None:
        #: the app that gets the mended environ
        self.app = app
        #: the number of proxies that set X-Forwarded-For
        self.x_for = _hops("x_for", x_for)
        #: the number of proxies that set X-Forwarded-Proto
        self.x_proto = _hops("x_proto", x_proto)
        #: the number of proxies that set X-Forwarded-Host
        self.x_host = _hops("x_host", x_host)
        #: the number of proxies that set X-Forwarded-Port
        self.x_port = _hops("x_port", x_port)
        #: the number of proxies that set X-Forwarded-Prefix
        self.x_prefix = _hops("x_prefix", x_prefix)
        headers = (
            ("HTTP_X_FORWARDED_FOR", self.x_for),
            ("HTTP_X_FORWARDED_PROTO", self.x_proto),
            ("HTTP_X_FORWARDED_HOST", self.x_host),
            ("HTTP_X_FORWARDED_PORT", self.x_port),
            ("HTTP_X_FORWARDED_PREFIX", self.x_prefix),
        )
        self._headers = tuple((key, hops) for key, hops in headers if hops)
        self._is_trusted = None if trusted is None else _peer_check(trusted)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        values_by_key: dict[str, str] = {}
        for key, hops in self._headers:
            if key in environ:
                values = environ[key].rsplit(",", hops)
                # An empty header counts as a missing one.
                if len(values) >= hops and (len(values) > 1 or values[0].strip(" \t")):
                    values_by_key[key] = values[-hops].strip(" \t")
        if not values_by_key or not (self._is_trusted is None or self._is_trusted(environ.get("REMOTE_ADDR", ""))):
            return self.app(environ, start_response)
        try:
            changes = _changes(environ, values_by_key)
        except _BadHeaderError as error:
            peer = escape_controls(environ.get("REMOTE_ADDR", "") or "-")
            _logger.warning("Refused a request from %s: %s", peer, error)
            return bad_request(environ, start_response)
        if any(environ.get(key) != value for key, value in changes.items()):
            before = {key: environ[key] for key in _CHANGED if key in environ}
            environ = environ.copy()
            environ.setdefault(_ORIGINAL, before)  # of two in a row, the outer one got the real peer
            for key, value in changes.items():
                if value is None:
                    environ.pop(key, None)
                else:
                    environ[key] = value
        return self.app(environ, start_response)


class _BadHeaderError(Exception):
    """A header that counts is malformed; the text names the header, never its value."""


def _changes(environ: WSGIEnvironment, sent: dict[str, str]) -> dict[str, str | None]:
    """The new values of the environ for the headers that were *sent*, None for a key to remove."""
    changes: dict[str, str | None] = {}
    if "HTTP_X_FORWARDED_FOR" in sent:
        address = _address(sent["HTTP_X_FORWARDED_FOR"])
        if address is not None:
            changes.update(REMOTE_ADDR=address, REMOTE_PORT=None, REMOTE_HOST=None)
    scheme = environ.get("wsgi.url_scheme", "http")
    if "HTTP_X_FORWARDED_PROTO" in sent:
        scheme = sent["HTTP_X_FORWARDED_PROTO"].lower()
        if scheme not in _DEFAULT_PORTS:
            raise _BadHeaderError("X-Forwarded-Proto is neither http nor https")
        changes.update({"wsgi.url_scheme": scheme, "HTTPS": "on" if scheme == "https" else None})
    default_port = _DEFAULT_PORTS.get(scheme, "80")
    port = _port(sent["HTTP_X_FORWARDED_PORT"], "Port") if "HTTP_X_FORWARDED_PORT" in sent else ""
    if "HTTP_X_FORWARDED_HOST" in sent:
        host = sent["HTTP_X_FORWARDED_HOST"]
        if not host or url_root_fault(host, "") is not None:
            raise _BadHeaderError("X-Forwarded-Host is malformed")
        name, own_port = split_port(host)
        own_port = _port(own_port, "Host") if own_port else ""
        port = port or own_port
        changes.update(HTTP_HOST=_host(name, port, default_port), SERVER_NAME=name, SERVER_PORT=port or default_port)
    elif port:
        changes["SERVER_PORT"] = port
        host = environ.get("HTTP_HOST", "")
        # A malformed Host stays as it is: with another port it could pass for a well-formed one.
        if host and url_root_fault(host, "") is None:
            changes["HTTP_HOST"] = _host(split_port(host)[0], port, default_port)
    if "HTTP_X_FORWARDED_PREFIX" in sent:
        changes["SCRIPT_NAME"] = _prefix(sent["HTTP_X_FORWARDED_PREFIX"]) + environ.get("SCRIPT_NAME", "")
    return changes


def _address(value: str) -> str | None:
    """The address of a node, without brackets and port; None for a node that hides its address."""
    node = _NODE.fullmatch(value)
    if node is not None:
        if node["hidden"]:
            return None
        try:
            return str(ip_address(node["bracketed"] or node["v4"] or node["v6"]))
        except ValueError:
            pass
    raise _BadHeaderError("X-Forwarded-For is not an address")


def _port(value: str, header: str) -> str:
    if PORT.fullmatch(value) is None or not 0 < int(value) < 65536:
        raise _BadHeaderError(f"X-Forwarded-{header} has a port out of range (1 to 65535)")
    return str(int(value))


def _host(name: str, port: str, default_port: str) -> str:
    return f"{name}:{port}" if port and port != default_port else name


def _prefix(value: str) -> str:
    """The prefix as a WSGI string; URLs hold it as it is, so it is refused rather than mended."""
    try:
        if value.startswith("/") and len(value) <= 255:
            return normalize_prefix(text(value))
    except ValueError:  # a PrefixError, or malformed UTF-8
        pass
    raise _BadHeaderError("X-Forwarded-Prefix is not a prefix")


def _hops(name: str, number: int) -> int:
    """*number*, if it can be a number of proxies; TypeError or ValueError otherwise."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} is {number!r}; write how many proxies set that header: 0, 1, 2")
    if number < 0:
        raise ValueError(f"{name} is {number!r}; write how many proxies set that header, 0 to ignore it")
    return number


def _peer_check(trusted: Collection[str]) -> Callable[[str], bool]:
    """A function that returns True for a REMOTE_ADDR among *trusted*."""
    if isinstance(trusted, str | bytes):
        raise TypeError(f"trusted is {trusted!r}; write a list: [{trusted!r}]")
    networks: list[IPv4Network | IPv6Network] = []
    unix = False
    for entry in trusted:
        if not isinstance(entry, str):
            raise TypeError(f"trusted holds {entry!r}; write an address as text, like '127.0.0.1'")
        if entry == "unix":
            unix = True
        else:
            networks.append(_network(entry))

    @lru_cache(maxsize=128)
    def is_trusted(peer: str) -> bool:
        if not peer:
            return unix
        try:
            address: IPv4Address | IPv6Address = ip_address(peer)
        except ValueError:
            return False
        # A socket for both versions of IP reports 127.0.0.1 as ::ffff:127.0.0.1 (RFC 4291 section 2.5.5.2).
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any(address in network or (mapped is not None and mapped in network) for network in networks)

    return is_trusted


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry)
    except ValueError:
        pass
    try:
        hint = f"its network is {str(ip_network(entry, strict=False))!r}"
    except ValueError:
        hint = "write an address ('127.0.0.1'), a network ('10.0.0.0/8') or 'unix'"
    raise ValueError(f"trusted holds {entry!r}, which is neither an address nor a network; {hint}")
