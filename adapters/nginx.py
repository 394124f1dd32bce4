"""The right PATH_INFO behind an nginx, or an Apache, that sets it wrong."""

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

__all__ = ["PathInfoFromRequestUriFix"]

_logger = logging.getLogger("flask_embed.adapters")


class PathInfoFromRequestUriFix:
    """*app* with the PATH_INFO that the client requested, made anew from REQUEST_URI.

    For an nginx that sends PATH_INFO without its slash or still percent-encoded, and for a front that puts the whole
    path into SCRIPT_NAME: nginx with nothing but its ``fastcgi_params``, Apache's mod_proxy_fcgi and mod_proxy_scgi.
    For those *script_name* has to be given: the prefix that the front serves the app at, as text (``"/shop"``,
    ``"/"``). A malformed one raises :exc:`~flask_embed.errors.PrefixError`. A path that is not below it is answered
    404, and the first one is logged: no app is called with a SCRIPT_NAME that the client has chosen. Without
    *script_name* SCRIPT_NAME stays as the front set it.

    The path of REQUEST_URI is decoded, its dot segments are resolved, and the rest below SCRIPT_NAME is PATH_INFO.
    The app gets slashes as the client sent them, also where the front has merged them: ``/shop//x`` gives ``//x``, as
    it does without a front. Apart from that, a right environ keeps its values.

    Where REQUEST_URI leaves a doubt, the environ stays as it is, and the first such request is logged: it is missing;
    it holds no path; the path is not below SCRIPT_NAME; a ``..`` follows an empty segment, so that merging slashes
    first leads elsewhere; or SCRIPT_NAME holds the whole path and PATH_INFO is not empty. The fixer is of no use behind
    a front that rewrites paths to others: REQUEST_URI is the path before that::

        application = PathInfoFromRequestUriFix(app, script_name="/shop")
    """

    def __init__(self, app: WSGIApplication, script_name: str | None = None) -> None:
        #: the app that gets the mended environ
        self.app = app
        #: the SCRIPT_NAME that it gets, as a WSGI string; None for the front's own
        self.script_name = None if script_name is None else normalize_prefix(script_name)
        self._log = LogOnce(_logger)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sent_script_name = environ.get("SCRIPT_NAME", "")
        sent_path_info = environ.get("PATH_INFO", "")
        script_name = sent_script_name if self.script_name is None else self.script_name
        path = _path(environ.get("REQUEST_URI", ""))
        path_info = None if path is None else below(path, script_name)
        # With the prefix given, paths outside are not the app's, and a SCRIPT_NAME from outside does not count.
        if path_info is None and self.script_name is not None and (path is not None or sent_script_name != script_name):
            self._log_outside(environ)
            return not_found(environ, start_response)
        if path_info is None or (self.script_name is None and not path_info and sent_path_info):
            self._log_unclear(environ, script_name)
        elif (sent_script_name, sent_path_info) != (script_name, path_info):
            environ = environ.copy()
            environ["SCRIPT_NAME"] = script_name
            environ["PATH_INFO"] = path_info
        return self.app(environ, start_response)

    def _log_outside(self, environ: WSGIEnvironment) -> None:
        self._log.warning(
            "REQUEST_URI, with the path %r, is not below the prefix %r (--script-name, in Python script_name): "
            "answered 404. Let the front pass on paths below that prefix alone, or give another prefix.",
            target_path(environ.get("REQUEST_URI", "")) or "",
            self.script_name or "/",
        )

    def _log_unclear(self, environ: WSGIEnvironment, script_name: str) -> None:
        target = environ.get("REQUEST_URI", "")
        if not target:
            self._log.warning(
                "REQUEST_URI is missing, so PATH_INFO stays as the front set it. Let the front send it (nginx: "
                "fastcgi_param REQUEST_URI $request_uri;), or leave this fixer out; give the prefix (--script-name, in "
                "Python script_name) if SCRIPT_NAME is wrong too."
            )
            return
        self._log.warning(
            "REQUEST_URI, with the path %r, does not fit the SCRIPT_NAME %r, so SCRIPT_NAME and PATH_INFO stay as the "
            "front set them. Give the prefix that the front serves the app at (--script-name, in Python script_name).",
            # neither the query nor the user of an absolute-form target, which may hold secrets
            target_path(target) or "",
            script_name,
        )


def _path(target: str) -> str | None:
    """The path of a request target, None if a front could read another one in it."""
    decoded = target_path(target)
    if decoded is None:
        return None
    path = resolve_dots(decoded)
    # nginx and Apache merge slashes before they resolve dots, unless configured not to, and check access by the result.
    # "/admin//../x" is "/x" to them: an app that read "/admin/x" would serve a path that they have not allowed.
    if path != decoded and "//" in decoded and resolve_dots(merge_slashes(decoded)) != merge_slashes(path):
        return None
    return path
