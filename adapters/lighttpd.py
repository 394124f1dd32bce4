"""The right SCRIPT_NAME and PATH_INFO behind a lighttpd that serves an app at the root of its URLs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask_embed.adapters.serving.request_target import merge_slashes, resolve_dots, target_path
from flask_embed.answers import not_found
from flask_embed.log_once import LogOnce
from flask_embed.middleware.prefix import below, normalize_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["CGIRootFix", "LighttpdCGIRootFix"]

_logger = logging.getLogger("flask_embed.adapters")

#: lighttpd replaces each control character of a decoded path with '_'.
_CONTROLS_AS_UNDERSCORE = dict.fromkeys([*range(32), 127], "_")


class CGIRootFix:
    """*app* with SCRIPT_NAME *app_root*, and the rest of the requested path as PATH_INFO.

    For a lighttpd whose ``fastcgi.server`` has the key ``"/"`` without ``fix-root-scriptname``, which puts the first
    segment of the path into SCRIPT_NAME, and for one that rewrites paths to the name of a script, which it then puts
    there. *app_root* is the prefix of the app in URLs, as text: ``"/"`` (the default) or ``"/shop"``; a malformed one
    raises :exc:`~flask_embed.errors.PrefixError`.

    The environ is compared with REQUEST_URI, read as lighttpd reads it: decoded, slashes merged, dot segments resolved.
    If SCRIPT_NAME and PATH_INFO together are that path, or PATH_INFO alone or below *app_root*, the path is split anew;
    a PATH_INFO that flup has made up does not count. Otherwise the path was rewritten to another one: then the environ
    is left as it is if SCRIPT_NAME is *app_root*, or if that is the root. A right environ is left as it is. Any other
    request is not below *app_root*: it is answered 404, and the first one is logged, so that no app is called with a
    SCRIPT_NAME that the client has chosen. Without REQUEST_URI, SCRIPT_NAME and PATH_INFO together are the path. All
    versions of lighttpd are treated alike::

        application = CGIRootFix(app, app_root="/shop")
    """

    def __init__(self, app: WSGIApplication, app_root: str = "/") -> None:
        #: the app that gets the mended environ
        self.app = app
        #: the SCRIPT_NAME that it gets, as a WSGI string
        self.app_root = normalize_prefix(app_root)
        self._log = LogOnce(_logger)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        root = self.app_root
        path = _path(environ, root)
        rest = None if path is None else below(path, root)
        if rest is None and root and (path is not None or environ.get("SCRIPT_NAME", "") != root):
            self._log.warning(
                "The PATH_INFO %r with the SCRIPT_NAME %r is not below app_root %r: answered 404. Let the front "
                "pass on paths below app_root alone, or give the fixer another app_root.",
                environ.get("PATH_INFO", ""),
                environ.get("SCRIPT_NAME", ""),
                root,
            )
            return not_found(environ, start_response)
        if rest is not None and (environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")) != (root, rest):
            environ = environ.copy()
            environ["SCRIPT_NAME"] = root
            environ["PATH_INFO"] = rest
        return self.app(environ, start_response)


class LighttpdCGIRootFix(CGIRootFix):
    """:class:`CGIRootFix` for an app at the root itself: SCRIPT_NAME empty, PATH_INFO the whole path.

    Where lighttpd or its configuration has set them so already, nothing changes::

        application = LighttpdCGIRootFix(app)
    """

    def __init__(self, app: WSGIApplication) -> None:
        super().__init__(app)


def _path(environ: WSGIEnvironment, root: str) -> str | None:
    """The whole path of the request, None if the environ and REQUEST_URI do not agree."""
    script_name = environ.get("SCRIPT_NAME", "")
    path_info = environ.get("PATH_INFO", "")
    if not path_info.startswith("/"):
        path_info = ""  # where lighttpd sends none, flup takes it out of REQUEST_URI by counting characters
    # For the root lighttpd's key "/" sets SCRIPT_NAME to "/": the slash is that of the path.
    joined = ("" if script_name == "/" else script_name) + path_info or "/"
    target = environ.get("REQUEST_URI")
    if not target:
        return joined
    decoded = target_path(target)
    if decoded is None:
        return None
    asked = resolve_dots(merge_slashes(decoded.translate(_CONTROLS_AS_UNDERSCORE)))
    if asked in (joined, path_info, root + path_info):
        return asked
    # The PATH_INFO of flup can begin with a slash: "/../b" for "/a/../b", where lighttpd has set SCRIPT_NAME to "/b".
    made_up = target.partition("?")[0][len(script_name) :]
    return asked if asked == script_name and path_info == made_up else None
