"""Hosts as keys of mounts: their form, and the keys that match a request.

Hosts are compared without case and without a trailing dot, with the default port of the scheme added; addresses of
IPv6 in their shortest form (RFC 5952).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from flask_embed.environ import request_host, split_port, url_root_fault
from flask_embed.errors import PrefixError
from flask_embed.grammar import PORT

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["host_keys", "normalize_host"]

#: letters that IDNA 2003 folds, as Python and old browsers do, and IDNA 2008 keeps (UTS 46 section 2.3)
_DEVIATIONS = frozenset("ßς\u200c\u200d")


def normalize_host(host: str) -> str:
    """The form in which the host of a mount is compared; :exc:`PrefixError` for a malformed one.

    Forms: ``example.com``, ``example.com:8080``, ``[::1]:8000``, ``*.example.com`` for all names below one (one label
    or more). Letters beyond ASCII become what browsers send (IDNA).

    >>> normalize_host("WWW.Example.com.")
    'www.example.com'
    """
    if ":" in host and host[0] != "[" and _is_address(host):
        raise PrefixError(f"the host {host!r} is an IPv6 address without brackets; write '[{host}]'")
    wildcard = "*." if host.startswith("*.") else ""
    name, port = split_port(host.removeprefix("*."))
    if not name.isascii():
        if _DEVIATIONS.intersection(name):
            raise PrefixError(f"the host {host!r} has two forms in browsers (IDNA); write one of them, with 'xn--'")
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise PrefixError(
                f"the host {host!r} has no form in DNS (IDNA); write another one, or leave it out"
            ) from None
    shown = f"{name}:{port}" if port else name
    if "*" in name:
        raise PrefixError(f"the host {host!r} has a '*' that is not the whole first label; write '*.example.com'")
    if PORT.fullmatch(port) and not 0 < int(port) < 65536:
        raise PrefixError(f"the host {host!r} has a port out of range; write one from 1 to 65535")
    is_malformed = url_root_fault(shown, "") is not None or "" in name.removesuffix(".").split(".")
    if is_malformed or (name.startswith("[") and "]" not in host):
        raise PrefixError(
            f"the host {host!r} is malformed; write 'example.com', 'example.com:8080', '[::1]:8080' or '*.example.com'"
        )
    if wildcard and _is_address(name):
        raise PrefixError(f"the host {host!r} is an address, which has no names below it; write it without '*.'")
    return wildcard + _compared(name) + (f":{int(port)}" if port else "")


def host_keys(environ: WSGIEnvironment) -> tuple[str, ...]:
    """The host keys that match a request, the most exact one first; empty for a malformed Host.

    The host with its port and without, then a wildcard for each of the domains that it lies below. With a malformed
    Host the path alone decides, and the app there answers 400.
    """
    if url_root_fault(environ.get("HTTP_HOST", ""), "") is not None:
        return ()
    return _host_keys(request_host(environ), environ.get("wsgi.url_scheme", "http"))


@lru_cache(maxsize=128)
def _host_keys(host: str, scheme: str) -> tuple[str, ...]:
    name, port = split_port(host)
    name = _compared(name)
    # Without a Host header the port is SERVER_PORT, which may be any text on a unix socket.
    port = str(int(port)) if port.isascii() and port.isdigit() else ("443" if scheme == "https" else "80")
    if "" in name.split("."):
        return ()
    names = [name]
    if not _is_address(name):
        parent = name.partition(".")[2]
        while parent:
            names.append(f"*.{parent}")
            parent = parent.partition(".")[2]
    return tuple(key for each in names for key in (f"{each}:{port}", each))


def _compared(name: str) -> str:
    """A name in the form in which names are compared."""
    if name.startswith("["):
        try:
            return f"[{ip_address(name[1:-1]).compressed}]"
        except ValueError:
            return name.lower()
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    """True for an address of IPv4 or IPv6, with brackets or without."""
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return "%" not in name  # an IPv6 scope: any text may follow
