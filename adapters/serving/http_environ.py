"""The environ of an HTTP request, from its head (PEP 3333, RFC 9110, RFC 9112).

A server's parser gives the pieces; :func:`environ_of` checks what parsers let pass, so that each runner refuses the
same requests and an app sees the same environ under each of them.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from flask_embed.adapters.serving.limits import BadRequestError
from flask_embed.grammar import ABSOLUTE_FORM, CONTENT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["connection_environ", "environ_of", "keeps_alive"]

#: RFC 3986 without fragment: a front and an app could read the text behind a ``#`` differently
_TARGET = re.compile(r"[!\"$-~]+")
#: headers of which a second one would be ambiguous
_ONCE = ("HTTP_HOST", "CONTENT_LENGTH", "CONTENT_TYPE")


def _refused(reason: str) -> BadRequestError:
    return BadRequestError("400 Bad Request", reason)


def connection_environ(
    server: Any, peer: Any, *, software: str, multithread: bool, multiprocess: bool
) -> WSGIEnvironment:
    """The keys of an environ that all requests of a connection share.

    *server* and *peer* are what ``getsockname()`` and ``getpeername()`` return. A unix socket has no host: its
    SERVER_NAME is ``localhost`` and its REMOTE_ADDR is empty.
    """
    environ: WSGIEnvironment = {
        "SCRIPT_NAME": "",
        "SERVER_SOFTWARE": software,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }
    if isinstance(server, tuple):
        environ["SERVER_NAME"], environ["SERVER_PORT"] = server[0], str(server[1])
    if isinstance(peer, tuple):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = peer[0], str(peer[1])
    return environ


def environ_of(
    base: WSGIEnvironment, method: str, target: str, protocol: str, headers: Iterable[tuple[str, str]]
) -> WSGIEnvironment:
    """The environ of a request, still without ``wsgi.input``; :exc:`BadRequestError` for a malformed one.

    *base* is from :func:`connection_environ`, *protocol* is ``HTTP/1.0`` or ``HTTP/1.1``. Strings are
    latin-1. Headers with ``_`` in their names are left out: they would be taken for those with ``-`` (and
    ``Proxy``, which would become HTTP_PROXY, CVE-2016-5385). Several of one name are joined with a comma, cookies
    with a semicolon (RFC 9110 section 5.3, RFC 6265). Transfer-Encoding is left out too: the server decodes the body.
    """
    environ = base.copy()
    environ["REQUEST_METHOD"] = method
    environ["SERVER_PROTOCOL"] = protocol
    environ["REQUEST_URI"] = target
    for name, value in headers:
        key = _key_of(name) if len(name) < 64 else _made_key(name)
        if key is None:
            continue
        if key not in environ:
            environ[key] = value
        elif key in _ONCE:
            raise _refused(f"two {key} headers")
        else:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
    if "HTTP_HOST" not in environ and protocol == "HTTP/1.1":
        raise _refused("no Host header")  # RFC 9112 section 3.2
    if target[:1] != "/" or method == "CONNECT":
        target = _origin_form(method, target, environ)
    if _TARGET.fullmatch(target) is None:
        raise _refused("the request target has characters that no URL may have")
    path, _, environ["QUERY_STRING"] = target.partition("?")
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    if "HTTP_TRANSFER_ENCODING" in environ:
        coding: str = environ.pop("HTTP_TRANSFER_ENCODING")
        if protocol == "HTTP/1.0":
            raise _refused("Transfer-Encoding in HTTP/1.0")  # RFC 9112 section 6.1
        if "CONTENT_LENGTH" in environ:
            raise _refused("Transfer-Encoding beside Content-Length")
        if coding.strip(" \t").lower() != "chunked":
            raise BadRequestError("501 Not Implemented", "a transfer coding other than chunked")
    elif "CONTENT_LENGTH" in environ:
        length = environ["CONTENT_LENGTH"] = environ["CONTENT_LENGTH"].strip(" \t")
        if CONTENT_LENGTH.fullmatch(length) is None:
            raise _refused("Content-Length is not a number")
    return environ


def keeps_alive(environ: WSGIEnvironment) -> bool:
    """True if the client wants its connection to last (RFC 9112 section 9.3)."""
    is_new: bool = environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    if "HTTP_CONNECTION" not in environ:
        return is_new
    options = [option.strip(" \t") for option in environ["HTTP_CONNECTION"].lower().split(",")]
    return "close" not in options and (is_new or "keep-alive" in options)


def _origin_form(method: str, target: str, environ: WSGIEnvironment) -> str:
    """Path and query of a target in another form (RFC 9112 section 3.2); ``*`` stays."""
    if target == "*" and method == "OPTIONS":
        return target
    if method == "CONNECT":
        raise BadRequestError("501 Not Implemented", "CONNECT is for proxies")
    absolute = ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise _refused("the request target is neither a path nor an absolute URL")
    authority = absolute["authority"]
    environ.setdefault("HTTP_HOST", authority)
    host: str = environ["HTTP_HOST"]
    default_port = ":443" if absolute["scheme"].lower() == "https" else ":80"
    if host.lower().removesuffix(default_port) != authority.lower().removesuffix(default_port):
        raise _refused("the request target names another host than the Host header")
    rest = absolute["rest"] or "/"
    return rest if rest.startswith("/") else f"/{rest}"


def _made_key(name: str) -> str | None:
    key = name.upper().replace("-", "_")
    if "_" in name or key == "PROXY":
        return None
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


_key_of = lru_cache(maxsize=1024)(_made_key)
