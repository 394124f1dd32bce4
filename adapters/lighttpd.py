"""SCRIPT_NAME and PATH_INFO as they should be behind a lighttpd that serves an app at the root of its URLs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask_embed.adapters.serving.request_target import merge_slashes, resolve_dots, target_path
from flask_embed.answers import not_found
from flask_embed.environ import readable
from flask_embed.middleware.prefix import below, normalize_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["CGIRootFix", "LighttpdCGIRootFix"]

_logger = logging.getLogger("flask_embed.adapters")

#: Decoding a path, lighttpd writes a '_' for each control character.
_CONTROLS_AS_UNDERSCORE = dict.fromkeys([*range(32), 127], "_")


class CGIRootFix:
    """*app* with SCRIPT_NAME *app_root*, and the rest of the path that was asked for as PATH_INFO.

    For a lighttpd whose ``fastcgi.server`` has the key ``"/"`` without ``fix-root-scriptname``, which puts the first
    segment of the path into SCRIPT_NAME, and for one that rewrites paths to the name of a script, which then stands
    there. *app_root* is where clients find the app, as people read it: ``"/"`` (the default) or ``"/shop"``; one that
    cannot be a prefix is a :exc:`~flask_embed.errors.PrefixError`.

    The environ is judged by REQUEST_URI, read as lighttpd reads it: decoded, slashes merged, dot segments resolved.
    If SCRIPT_NAME and PATH_INFO together spell that path, or PATH_INFO alone or below *app_root*, the split is made
    anew; a PATH_INFO that flup has invented does not count. If none does, the path was rewritten to another one: then
    the environ stays as it is if SCRIPT_NAME is *app_root*, or if that is the root. An environ that is right already
    stays as it is. All else is not below *app_root*, and answered 404, with one line in the log: no app is called with
    a SCRIPT_NAME that the client has chosen. Where there is no REQUEST_URI, SCRIPT_NAME and PATH_INFO together are the
    path. The version of lighttpd plays no part::

        application = CGIRootFix(app, app_root="/shop")
    """

    def __init__(self, app: WSGIApplication, app_root: str = "/") -> None:
        #: what gets the mended environ
        self.app = app
        #: the SCRIPT_NAME that it is given, as a WSGI string
        self.app_root = normalize_prefix(app_root)
        self._told = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        root = self.app_root
        path = _path(environ, root)
        rest = None if path is None else below(path, root)
        if rest is None and root and (path is not None or environ.get("SCRIPT_NAME", "") != root):
            if not self._told:
                self._told = True
                _logger.warning(
                    "The path %r, with the SCRIPT_NAME %r, is not below app_root, %r, so the answer is 404. Let the "
                    "front pass on what lies below it, or name another app_root. Other such requests are not logged.",
                    readable(environ.get("PATH_INFO", "")),
                    readable(environ.get("SCRIPT_NAME", "")),
                    readable(root),
                )
            return not_found(environ, start_response)
        if rest is not None and (environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")) != (root, rest):
            environ = environ.copy()
            environ["SCRIPT_NAME"] = root
            environ["PATH_INFO"] = rest
        return self.app(environ, start_response)


class LighttpdCGIRootFix(CGIRootFix):
    """:class:`CGIRootFix` for an app at the root itself: SCRIPT_NAME empty, PATH_INFO the whole path.

    Where lighttpd or its configuration has done that already, nothing changes::

        application = LighttpdCGIRootFix(app)
    """

    def __init__(self, app: WSGIApplication) -> None:
        super().__init__(app)


def _path(environ: WSGIEnvironment, root: str) -> str | None:
    """The whole path that the client asked for, None where the environ and REQUEST_URI do not agree on one."""
    script_name = environ.get("SCRIPT_NAME", "")
    path_info = environ.get("PATH_INFO", "")
    if not path_info.startswith("/"):
        path_info = ""  # flup cuts it out of REQUEST_URI by counting characters where lighttpd sends none
    # What lighttpd's key "/" makes of the root is "/": the slash is that of the path.
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
    # What flup cuts out can begin with a slash: "/../b" for "/a/../b", of which lighttpd made SCRIPT_NAME "/b".
    invented = target.partition("?")[0][len(script_name) :]
    return asked if asked == script_name and path_info == invented else None
