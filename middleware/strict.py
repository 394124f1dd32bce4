"""The gate before the apps: requests whose environ no server should have made are refused.

Servers differ in what they let through; behind the gate an app sees the same under each of them.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from flask_embed.answers import bad_request
from flask_embed.environ import front_fault, has_line_break, readable
from flask_embed.grammar import CONTENT_LENGTH, DOT_SEGMENT, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["StrictEnviron", "environ_fault"]

_logger = logging.getLogger("flask_embed.middleware")

#: What a client can choose. The rest is the server's own: Apache's SERVER_SIGNATURE ends with a line break, the
#: certificates of SSL_* have many.
_CHOSEN = re.compile(
    r"PATH_INFO|SCRIPT_NAME|QUERY_STRING|SERVER_(?:NAME|PORT|PROTOCOL)|(?:REQUEST|REMOTE|CONTENT|HTTP)_.*", re.DOTALL
)
#: characters of the longest method; the longest one that is registered has 17
_LONGEST_METHOD = 20
_KNOWN_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class StrictEnviron:
    """Pass on to *app* what is a request; answer a plain 400 to what is none, and log why in one line.

    Refused are: a method that is no token of up to 20 characters; a SCRIPT_NAME or PATH_INFO that is neither empty nor
    begins with a slash; either of them with a ``.`` or ``..`` segment, which a front resolves before it judges a path
    and a mount does not; a SCRIPT_NAME that a browser could read as a host; a CONTENT_LENGTH that is no number of up to
    18 digits; a Host header that is malformed or sent twice; one of these variables or QUERY_STRING as something other
    than a str; a line break, a NUL or a character above U+00FF (PEP 3333) in a variable that a client can choose; a
    scheme other than http and https; a command for Werkzeug's debugger, which nobody has meant to be there
    (``?__debugger__=yes``, CVE-2024-34069). HTTP_PROXY, which libraries take for a setting of their own, is left out
    (CVE-2016-5385). A slash at the end of SCRIPT_NAME is left out as well: the root is ``""`` and not ``"/"`` (PEP
    3333), which would make a mount below it ``//shop``; an empty PATH_INFO behind it becomes ``"/"``. Every runner puts
    it around what it serves::

        application = StrictEnviron(DispatcherMiddleware(site, {"/blog": blog}))
    """

    def __init__(self, app: WSGIApplication) -> None:
        #: what gets the requests that pass
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        fault = environ_fault(environ)
        if fault is not None:
            _logger.warning("Refused a request from %s: %s", readable(str(environ.get("REMOTE_ADDR", "-"))), fault)
            return bad_request(environ, start_response)
        script_name = environ.get("SCRIPT_NAME", "")
        if "HTTP_PROXY" in environ or script_name.endswith("/"):
            environ = environ.copy()
            environ.pop("HTTP_PROXY", None)
            if script_name.endswith("/"):
                environ["SCRIPT_NAME"] = script_name.rstrip("/")
                environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"  # the two still spell the URL
        return self.app(environ, start_response)


def environ_fault(environ: WSGIEnvironment) -> str | None:
    """What is wrong with an environ in a few words, without any of its values; None if nothing is."""
    get = environ.get
    method, host, length = get("REQUEST_METHOD", ""), get("HTTP_HOST", ""), get("CONTENT_LENGTH", "")
    script_name, path, query = get("SCRIPT_NAME", ""), get("PATH_INFO", ""), get("QUERY_STRING", "")
    if not (str is type(method) is type(host) is type(length) is type(script_name) is type(path) is type(query)):
        return "a variable is no text"
    if method not in _KNOWN_METHODS and (len(method) > _LONGEST_METHOD or TOKEN.fullmatch(method) is None):
        return "the method is no token"
    if path and path[0] != "/":
        return "PATH_INFO does not begin with a slash"
    if "/." in path and DOT_SEGMENT.search(path) is not None:
        return "there is a segment of dots in PATH_INFO"
    fault = front_fault(host, script_name)
    if fault is not None:
        return fault
    if length and CONTENT_LENGTH.fullmatch(length) is None:
        return "CONTENT_LENGTH is no number"
    if environ.get("wsgi.url_scheme") not in ("http", "https"):
        return "the scheme is neither http nor https"
    if query and ("__debugger__" in query or "%" in query) and _is_for_debugger(query):
        return "the query is for a debugger"
    # One look at all values together: that they hold none is by far the most frequent case.
    values = "".join([value for value in environ.values() if type(value) is str])
    if "\n" in values or "\r" in values or "\0" in values or not _is_made_of_bytes(values):
        for key, value in environ.items():
            if type(value) is str and _CHOSEN.fullmatch(key) is not None:
                if has_line_break(value):
                    return f"there is a line break or NUL in {readable(key)}"
                if not _is_made_of_bytes(value):
                    return f"there is a character that stands for no byte in {readable(key)}"
    return None


def _is_made_of_bytes(value: str) -> bool:
    """Whether each character stands for a byte (PEP 3333, "Unicode Issues")."""
    if value.isascii():
        return True
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _is_for_debugger(query: str) -> bool:
    names = [pair.partition("=")[0].encode("latin-1", "replace") for pair in query.split("&")]
    return b"__debugger__" in map(unquote_to_bytes, names)
