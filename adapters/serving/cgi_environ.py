"""The environ of a request from the meta-variables of CGI (RFC 3875 section 4.1): for FastCGI and CGI.

The web server has parsed the request into variables; PEP 3333 took most of their names over. Variables that servers
leave out, send twice or send for other purposes are corrected here, so that an app sees the same behind each.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from wsgiref.util import FileWrapper

from flask_embed.adapters.serving.limits import BadRequestError
from flask_embed.grammar import CONTENT_LENGTH

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from flask_embed.adapters.serving.limits import Limits

__all__ = ["check_sizes", "environ_of"]

#: a setting of libraries (CVE-2016-5385); a coding that the web server has decoded; twins of variables without HTTP_
_DROPPED = ("HTTP_PROXY", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE")


def environ_of(variables: dict[str, str]) -> WSGIEnvironment:
    """*variables*, made an environ in place, still without ``wsgi.input`` and the keys about processes and threads.

    Strings are latin-1. An absent SCRIPT_NAME, PATH_INFO or QUERY_STRING is empty; an empty CONTENT_LENGTH is left out.
    HTTPS and REQUEST_SCHEME give the scheme: a client cannot set them, its headers begin with ``HTTP_``. A name with a
    dot would be a key of WSGI, and is left out. :exc:`BadRequestError` without a REQUEST_METHOD, and for a
    CONTENT_LENGTH that is not a number.
    """
    environ: WSGIEnvironment = variables
    if not variables.get("REQUEST_METHOD"):
        raise BadRequestError("400 Bad Request", "no REQUEST_METHOD")
    for name in [name for name in variables if "." in name]:
        del environ[name]
    for name in _DROPPED:
        environ.pop(name, None)
    for name in ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"):
        environ.setdefault(name, "")
    for name, default in (("SERVER_NAME", "localhost"), ("SERVER_PORT", "80"), ("SERVER_PROTOCOL", "HTTP/1.1")):
        if not environ.get(name):
            environ[name] = default
    length = environ.get("CONTENT_LENGTH")
    if length == "":
        del environ["CONTENT_LENGTH"]
    elif length is not None and CONTENT_LENGTH.fullmatch(length) is None:
        raise BadRequestError("400 Bad Request", "CONTENT_LENGTH is not a number")
    is_secure = environ.get("HTTPS", "").lower() in ("on", "1") or environ.get("REQUEST_SCHEME") == "https"
    environ["wsgi.url_scheme"] = "https" if is_secure else "http"
    environ["wsgi.version"] = (1, 0)
    environ["wsgi.errors"] = sys.stderr
    environ["wsgi.file_wrapper"] = FileWrapper
    return environ


def check_sizes(environ: WSGIEnvironment, limits: Limits) -> None:
    """:exc:`BadRequestError` if the request target, the headers or the announced body are larger than allowed."""
    limits.check_line(len(environ.get("REQUEST_URI", "")))
    headers = [name for name in environ if name.startswith("HTTP_")]
    limits.check_header_count(len(headers))
    # "HTTP_" is as long as ": " and the line break
    limits.check_headers(sum(len(name) - 1 + len(environ[name]) for name in headers))
    limits.check_body(int(environ.get("CONTENT_LENGTH", "0")))
