"""PATH_INFO as it should be behind an nginx, or an Apache, that sets it wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask_embed.adapters.serving.request_target import merge_slashes, resolve_dots, target_path
from flask_embed.answers import not_found
from flask_embed.environ import escape_controls
from flask_embed.middleware.prefix import below, normalize_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["PathInfoFromRequestUriFix"]

_logger = logging.getLogger("flask_embed.adapters")


class PathInfoFromRequestUriFix:
    """*app* with the PATH_INFO that the client asked for, made anew from REQUEST_URI.

    For an nginx that sends PATH_INFO without its slash or still percent-encoded, and for a front that puts the whole
    path into SCRIPT_NAME: nginx with nothing but its ``fastcgi_params``, Apache's mod_proxy_fcgi and mod_proxy_scgi.
    For those *script_name* has to be given: the prefix that the front serves the app at, as people read it
    (``"/shop"``, ``"/"``). One that cannot be a prefix is a :exc:`~flask_embed.errors.PrefixError`. What does not lie
    below it is answered 404, with one line in the log: no app is called with a SCRIPT_NAME that the client has chosen.
    Without *script_name* SCRIPT_NAME stays the front's.

    The path of REQUEST_URI is decoded, its dot segments are resolved, and what lies below SCRIPT_NAME is PATH_INFO.
    Slashes are given to the app as the client sent them, also where the front has merged them: ``/shop//x`` gives
    ``//x``, as it does without a front. The environ of a front that sets it right keeps its values, apart from that.

    Where REQUEST_URI leaves a doubt the environ stays as it is, and one line in the log says so once: there is none;
    it is no path; the path is not below SCRIPT_NAME; a ``..`` follows an empty segment, so that merging slashes first
    leads elsewhere; or SCRIPT_NAME holds the whole path and PATH_INFO is not empty. Behind a front that rewrites paths
    to others this fixer is of no use: REQUEST_URI is what was there before::

        application = PathInfoFromRequestUriFix(app, script_name="/shop")
    """

    def __init__(self, app: WSGIApplication, script_name: str | None = None) -> None:
        #: what gets the mended environ
        self.app = app
        #: the SCRIPT_NAME that it is given, as a WSGI string; None for the front's own
        self.script_name = None if script_name is None else normalize_prefix(script_name)
        self._told = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        told_script_name = environ.get("SCRIPT_NAME", "")
        told_path_info = environ.get("PATH_INFO", "")
        script_name = told_script_name if self.script_name is None else self.script_name
        path = _path(environ.get("REQUEST_URI", ""))
        path_info = None if path is None else below(path, script_name)
        # With the prefix given, what is not below it is not the app's, and a SCRIPT_NAME from outside is not believed.
        if path_info is None and self.script_name is not None and (path is not None or told_script_name != script_name):
            self._tell_refused(environ)
            return not_found(environ, start_response)
        if path_info is None or (self.script_name is None and not path_info and told_path_info):
            self._tell(environ, script_name)
        elif (told_script_name, told_path_info) != (script_name, path_info):
            environ = environ.copy()
            environ["SCRIPT_NAME"] = script_name
            environ["PATH_INFO"] = path_info
        return self.app(environ, start_response)

    def _tell_refused(self, environ: WSGIEnvironment) -> None:
        if self._told:
            return
        self._told = True
        _logger.warning(
            "REQUEST_URI, with the path %r, does not lie below the prefix %r that the fixer was given: the answer is "
            "404. Let the front pass on what lies below that prefix, with REQUEST_URI, or give the fixer another one "
            "(--script-name, in Python script_name). Other such requests are not logged.",
            escape_controls(target_path(environ.get("REQUEST_URI", "")) or ""),
            escape_controls(self.script_name or "/"),
        )

    def _tell(self, environ: WSGIEnvironment, script_name: str) -> None:
        if self._told:
            return
        self._told = True
        target = environ.get("REQUEST_URI", "")
        if not target:
            _logger.warning(
                "There is no REQUEST_URI to make PATH_INFO from, so it stays as the front set it. Let the front send "
                "one (nginx: fastcgi_param REQUEST_URI $request_uri;), or leave this fixer out; give it the prefix "
                "(--script-name, in Python script_name) if SCRIPT_NAME is wrong too. Other such requests are not "
                "logged."
            )
            return
        _logger.warning(
            "REQUEST_URI, with the path %r, does not tell which PATH_INFO belongs to the SCRIPT_NAME %r, so both stay "
            "as the front set them. Give the prefix that the front serves the app at (--script-name, in Python "
            "script_name). Other such requests are not logged.",
            # neither the query nor the user of an absolute-form target, which may hold secrets
            escape_controls(target_path(target) or ""),
            escape_controls(script_name),
        )


def _path(target: str) -> str | None:
    """The path that was asked for, None if it cannot be told from *target*."""
    decoded = target_path(target)
    if decoded is None:
        return None
    path = resolve_dots(decoded)
    # nginx and Apache merge slashes before they resolve dots, unless told not to, and judge by the result who may see
    # what. "/admin//../x" is "/x" to them: an app that took it for "/admin/x" would serve what they have not let pass.
    if path != decoded and "//" in decoded and resolve_dots(merge_slashes(decoded)) != merge_slashes(path):
        return None
    return path
