"""The rules of the strict gate once more, one after the other and in plain words, to compare it with."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["JUDGED", "NAME", "is_request", "plain"]

TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
NAME = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-")
DIGITS = frozenset("0123456789")
#: the variables that are judged one by one; a server may leave any of them out, but for the method
JUDGED = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH", "HTTP_HOST")


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
    """Whether an environ, all of whose variables are texts, is to pass."""
    method, script_name, path, query, length, host = (environ.get(key, "") for key in JUDGED)
    texts = [value for key, value in environ.items() if isinstance(value, str) and not key.startswith("SSL_")]
    return (
        0 < len(method) <= 20
        and TOKEN.issuperset(method)
        and path[:1] in ("", "/")
        and is_script_name(script_name)
        and len(length) <= 18
        and DIGITS.issuperset(length)
        and (not host or is_host(host))
        and environ.get("wsgi.url_scheme") in ("http", "https")
        and all(unquote(pair.partition("=")[0], "latin-1") != "__debugger__" for pair in query.split("&"))
        and not any(char in "\0\r\n" or ord(char) > 255 for text in texts for char in text)
    )


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
    if path and (path[0] != "/" or path[:2] == "//" or {".", ".."}.intersection(path.split("/"))):
        return False
    if any(char in "\\?#\x7f" or ord(char) < 32 for char in path):
        return False
    try:
        path.encode("latin-1").decode()
    except UnicodeError:
        return False
    return True
