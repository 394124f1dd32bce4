"""Hosts as keys of mounts: what one may be, and which of them a request is for.

A host is compared without case, without a trailing dot and with the port that its scheme stands for; an address of
IPv6 in its shortest form (RFC 5952).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from flask_embed.environ import front_fault, request_host, split_port
from flask_embed.errors import PrefixError
from flask_embed.grammar import PORT

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["host_keys", "normalize_host"]


#: letters that IDNA 2003 folds, as Python and old browsers do, and IDNA 2008 keeps (UTS 46 section 2.3)
_DEVIATIONS = frozenset("ßς\u200c\u200d")


def normalize_host(host: str) -> str:
    """The form in which the host of a mount is compared; :exc:`PrefixError` for what is no host.

    Forms: ``example.com``, ``example.com:8080``, ``[::1]:8000``, ``*.example.com`` for all names below one (one label
    or more). Letters beyond ASCII become what browsers send (IDNA).

    >>> normalize_host("WWW.Example.com.")
    'www.example.com'
    """
    if ":" in host and host[0] != "[" and _is_address(host):
        raise PrefixError(f"the host {host!r} is an address of IPv6 without its brackets; write '[{host}]'")
    wildcard = "*." if host.startswith("*.") else ""
    name, port = split_port(host.removeprefix("*."))
    if not name.isascii():
        if _DEVIATIONS.intersection(name):
            raise PrefixError(f"the host {host!r} is not the same for all browsers; write its form with 'xn--'")
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise PrefixError(f"the host {host!r} has no form that a browser could send; leave it out") from None
    shown = f"{name}:{port}" if port else name
    if "*" in name:
        raise PrefixError(f"the host {host!r} holds a '*' that is not its whole first label; write '*.example.com'")
    if PORT.fullmatch(port) and not 0 < int(port) < 65536:
        raise PrefixError(f"the host {host!r} has no port that there could be; write one from 1 to 65535")
    is_none = front_fault(shown, "") is not None or "" in name.removesuffix(".").split(".")
    if is_none or (name.startswith("[") and "]" not in host):
        raise PrefixError(
            f"the host {host!r} is none; write 'example.com', 'example.com:8080', '[::1]:8080' or '*.example.com'"
        )
    if wildcard and _is_address(name):
        raise PrefixError(f"the host {host!r} is an address, which has no names below it; write it without '*.'")
    return wildcard + _compared(name) + (f":{int(port)}" if port else "")


def host_keys(environ: WSGIEnvironment) -> tuple[str, ...]:
    """The hosts that a mount for this request may have, the most exact one first.

    With its port and without, then with a wildcard for each of the domains that it lies below. None for a Host that
    is none: the app that the path leads to will refuse the request.
    """
    if front_fault(environ.get("HTTP_HOST", ""), "") is not None:
        return ()
    return _host_keys(request_host(environ), environ.get("wsgi.url_scheme", "http"))


@lru_cache(maxsize=128)
def _host_keys(host: str, scheme: str) -> tuple[str, ...]:
    name, port = split_port(host)
    name = _compared(name)
    # Without a Host the port is the server's, and that of a socket file may be anything.
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
    if name.startswith("["):
        try:
            return f"[{ip_address(name[1:-1]).compressed}]"
        except ValueError:
            return name.lower()
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return "%" not in name  # behind which a scope may be any text
