"""The gate before the apps: a plain 400 for an environ that no server should have made.

Servers differ in what they let through; behind the gate an app gets the same requests under each of them.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from flask_embed.answers import bad_request
from flask_embed.composition import Passage
from flask_embed.environ import has_line_break, readable, url_root_fault
from flask_embed.grammar import CONTENT_LENGTH, DOT_SEGMENT, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["StrictEnviron", "environ_fault"]

_logger = logging.getLogger("flask_embed.middleware")

#: Variables with values from the client. The others are the server's own: Apache's SERVER_SIGNATURE ends with a line
#: break, the certificates in SSL_* have many.
_CHOSEN = re.compile(
    r"PATH_INFO|SCRIPT_NAME|QUERY_STRING|SERVER_(?:NAME|PORT|PROTOCOL)|(?:REQUEST|REMOTE|CONTENT|HTTP)_.*", re.DOTALL
)
#: characters of the longest method; the longest one that is registered has 17
_LONGEST_METHOD = 20
_KNOWN_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class StrictEnviron:
    """Pass well-formed requests on to *app*; answer malformed ones with a plain 400 and log the reason in one line.

    Refused are:

    - a method other than a token of up to 20 characters (RFC 9110 section 9.1);
    - a SCRIPT_NAME or PATH_INFO that is neither empty nor begins with a slash, or has a ``.`` or ``..`` segment, which
      a front resolves before it checks a path and a mount does not;
    - a SCRIPT_NAME that a browser could read as a host;
    - a CONTENT_LENGTH other than 1 to 18 digits;
    - a Host header that is malformed or sent twice;
    - one of these variables, or QUERY_STRING, of another type than str;
    - a line break, a NUL or a character above U+00FF (PEP 3333) in a variable with a value from the client;
    - a scheme other than http and https;
    - a command for Werkzeug's debugger, in case one is left in an app by mistake (``?__debugger__=yes``,
      CVE-2024-34069).

    HTTP_PROXY, which libraries read as a setting of their own, is removed (CVE-2016-5385). A slash at the end of
    SCRIPT_NAME is removed too: the root is ``""`` and not ``"/"`` (PEP 3333), which would make a mount below it
    ``//shop``; an empty PATH_INFO behind it becomes ``"/"``. Every runner puts the gate around the app that it
    serves::

        application = StrictEnviron(DispatcherMiddleware(site, {"/blog": blog}))
    """

    def __init__(self, app: WSGIApplication) -> None:
        #: the app that gets the well-formed requests
        self.app = app

    def passes_on(self, environ: WSGIEnvironment) -> Passage:
        """The app with the environ that it gets, or the 400."""
        fault = environ_fault(environ)
        return Passage(self.app, _mended(environ)) if fault is None else Passage(None, environ, f"400: {fault}")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        fault = environ_fault(environ)
        if fault is not None:
            _logger.warning("Refused a request from %s: %s", readable(str(environ.get("REMOTE_ADDR", "-"))), fault)
            return bad_request(environ, start_response)
        return self.app(_mended(environ), start_response)


def _mended(environ: WSGIEnvironment) -> WSGIEnvironment:
    """A well-formed environ without HTTP_PROXY and without a slash at the end of SCRIPT_NAME."""
    script_name = environ.get("SCRIPT_NAME", "")
    if "HTTP_PROXY" in environ or script_name.endswith("/"):
        environ = environ.copy()
        environ.pop("HTTP_PROXY", None)
        if script_name.endswith("/"):
            environ["SCRIPT_NAME"] = script_name.rstrip("/")
            environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"  # both together are the same URL as before
    return environ


def environ_fault(environ: WSGIEnvironment) -> str | None:
    """The fault of a malformed environ in a few words, without any of its values; None if it is well-formed."""
    get = environ.get
    method, host, length = get("REQUEST_METHOD", ""), get("HTTP_HOST", ""), get("CONTENT_LENGTH", "")
    script_name, path, query = get("SCRIPT_NAME", ""), get("PATH_INFO", ""), get("QUERY_STRING", "")
    if not (str is type(method) is type(host) is type(length) is type(script_name) is type(path) is type(query)):
        return "a variable is not text"
    if method not in _KNOWN_METHODS and (len(method) > _LONGEST_METHOD or TOKEN.fullmatch(method) is None):
        return "the method is not a token"
    if path and path[0] != "/":
        return "PATH_INFO does not begin with a slash"
    if "/." in path and DOT_SEGMENT.search(path) is not None:
        return "PATH_INFO holds a dot segment"
    fault = url_root_fault(host, script_name)
    if fault is not None:
        return fault
    if length and CONTENT_LENGTH.fullmatch(length) is None:
        return "CONTENT_LENGTH is not a number of up to 18 digits"
    if environ.get("wsgi.url_scheme") not in ("http", "https"):
        return "the scheme is neither http nor https"
    if query and ("__debugger__" in query or "%" in query) and _is_for_debugger(query):
        return "the query is for a debugger"
    # All values are scanned together: nearly every request has none of these characters.
    values = "".join([value for value in environ.values() if type(value) is str])
    if "\n" in values or "\r" in values or "\0" in values or not _is_made_of_bytes(values):
        for key, value in environ.items():
            if type(value) is str and _CHOSEN.fullmatch(key) is not None:
                if has_line_break(value):
                    return f"{readable(key)} holds a line break or NUL"
                if not _is_made_of_bytes(value):
                    return f"{readable(key)} holds a character above U+00FF"
    return None


def _is_made_of_bytes(value: str) -> bool:
    """True if each character stands for a byte (PEP 3333, "Unicode Issues")."""
    if value.isascii():
        return True
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _is_for_debugger(query: str) -> bool:
    """True if a parameter is called ``__debugger__``, also when it is percent-encoded."""
    names = [pair.partition("=")[0].encode("latin-1", "replace") for pair in query.split("&")]
    return b"__debugger__" in map(unquote_to_bytes, names)
