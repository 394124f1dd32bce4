"""The rules of the strict gate once more, one after the other, as a model to compare it with."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["JUDGED", "NAME", "is_chosen", "is_request", "passed_on", "plain"]

TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
NAME = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-")
DIGITS = frozenset("0123456789")
#: the variables that are judged one by one; a server may leave any of them out, but for the method
JUDGED = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH", "HTTP_HOST")
#: what a client can choose: these, and all that begins with one of those
CHOSEN = {"PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"}
CHOSEN_BEGINNINGS = ("REQUEST_", "REMOTE_", "CONTENT_", "HTTP_")


def plain(**changes: Any) -> WSGIEnvironment:
    """The environ of a plain request, with changes."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "a=b",
        "HTTP_HOST": "good.example",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.url_scheme": "http",
        "wsgi.input": object(),
        **changes,
    }


def is_request(environ: WSGIEnvironment) -> bool:
    """True if an environ, all of whose variables are texts, has to pass."""
    method, script_name, path, query, length, host = (environ.get(key, "") for key in JUDGED)
    chosen = [value for key, value in environ.items() if isinstance(value, str) and is_chosen(key)]
    return (
        0 < len(method) <= 20
        and TOKEN.issuperset(method)
        and path[:1] in ("", "/")
        and not has_dot_segment(path)
        and is_script_name(script_name)
        and len(length) <= 18
        and DIGITS.issuperset(length)
        and (not host or is_host(host))
        and environ.get("wsgi.url_scheme") in ("http", "https")
        and all(unquote(pair.partition("=")[0], "latin-1") != "__debugger__" for pair in query.split("&"))
        and not any(char in "\0\r\n" or ord(char) > 255 for text in chosen for char in text)
    )


def passed_on(environ: WSGIEnvironment) -> WSGIEnvironment:
    """The environ that an app has to see for a well-formed one."""
    seen = {key: value for key, value in environ.items() if key != "HTTP_PROXY"}
    if seen.get("SCRIPT_NAME", "")[-1:] == "/":
        while seen["SCRIPT_NAME"][-1:] == "/":
            seen["SCRIPT_NAME"] = seen["SCRIPT_NAME"][:-1]
        if not seen.get("PATH_INFO"):
            seen["PATH_INFO"] = "/"
    return seen


def is_chosen(key: str) -> bool:
    """True if a client has chosen the value of a variable, and not the server."""
    return key in CHOSEN or key.startswith(CHOSEN_BEGINNINGS)


def has_dot_segment(path: str) -> bool:
    return any(segment in (".", "..") for segment in path.split("/"))


def is_host(host: str) -> bool:
    """A name or an address of IPv6 in brackets, and perhaps a port."""
    name, colon, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    if colon and not (len(port) <= 5 and DIGITS.issuperset(port) and int(port or "0") < 65536):
        return False
    if name.startswith("[") and name.endswith("]"):
        try:
            return "%" not in name and ip_address(name[1:-1]).version == 6
        except ValueError:
            return False
    return 1 <= len(name) <= 255 and NAME.issuperset(name)


def is_script_name(path: str) -> bool:
    """Empty, or a path that no browser takes for something else."""
    if path and (path[0] != "/" or path[:2] == "//" or has_dot_segment(path)):
        return False
    if any(char in "\\?#\x7f" or ord(char) < 32 for char in path):
        return False
    try:
        path.encode("latin-1").decode()
    except UnicodeError:
        return False
    return True
