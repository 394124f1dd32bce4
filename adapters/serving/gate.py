"""The gate between a server and an app: fixers, ProxyFix, StrictEnviron and prefixes, in one order for all runners."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flask_embed.composition import is_flask_embed, parts_of
from flask_embed.environ import is_loopback
from flask_embed.errors import UsageError
from flask_embed.middleware.prefix import PrefixMiddleware
from flask_embed.middleware.strict import StrictEnviron
from flask_embed.options import FIXES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from flask_embed.options import Options

__all__ = ["behind_gate", "whole_server"]


def behind_gate(app: WSGIApplication, options: Options) -> WSGIApplication:
    """*app* as a server calls it.

    A request goes through the fixers for the front, ProxyFix, StrictEnviron (always), the prefix that the front has
    stripped, and the prefix that it sends, as far as the options name them. So StrictEnviron checks the environ that
    the fixers made, and no prefix is compared with a path that it would refuse. The fixer ``nginx-path-info`` handles a
    stripped prefix itself. An app whose class has the method ``flask_embed_gate(app)`` replaces StrictEnviron: the
    probe does, to report what others never see. :exc:`~flask_embed.errors.PrefixError` or
    :exc:`~flask_embed.errors.UsageError` for impossible options, and for a debugger in the app: it is for one person on
    one machine.
    """
    _refuse_debugging(app, options)
    served, own_gate = app, getattr(type(app), "flask_embed_gate", None)
    if options.prefix:
        app = PrefixMiddleware(app, options.prefix, option="--prefix")
    if options.script_name.strip("/") and "nginx-path-info" not in options.fix:
        app = PrefixMiddleware(app, options.script_name, "stripped", option="--script-name")
    app = StrictEnviron(app) if own_gate is None else own_gate(served, app)
    if options.trust_proxy:
        if not options.forwarded_allow_ips:
            raise UsageError(
                "--trust-proxy trusts no peer while --forwarded-allow-ips is empty: name the proxies there"
            )
        from flask_embed.adapters.proxy import ProxyFix

        hops = options.trust_proxy
        try:
            app = ProxyFix(app, hops, hops, hops, hops, hops, trusted=options.forwarded_allow_ips)
        except ValueError as error:
            raise UsageError(str(error)) from None
    for name in reversed(options.fix):
        app = _fixed(app, name, options)
    return app


def _refuse_debugging(app: WSGIApplication, options: Options) -> None:
    """:exc:`~flask_embed.errors.UsageError` if a debugger is in *app*, or debug is on where others reach it.

    A debugger that is not found here (in an app that is loaded later, or behind middleware that hides it) gets none of
    its commands: StrictEnviron refuses them.
    """
    debugger = getattr(sys.modules.get("werkzeug.debug"), "DebuggedApplication", None)
    host = "" if options.bind.startswith(("unix:", "fd://")) else options.bind.rpartition(":")[0]
    is_open = bool(host) and not is_loopback(host) and not options.allow_debug
    if debugger is None and not is_open:
        return
    for part in parts_of(app):
        if debugger is not None and isinstance(part.app, debugger):
            raise UsageError(
                f"{options.title}: DebuggedApplication runs code for every client, so no runner serves it; leave it "
                "out, app.run(debug=True) brings its own"
            )
        if is_open and is_flask_embed(part.app) and part.app.debug:
            raise UsageError(
                f"{options.title}: {part.app.package_name!r} has debug = True, and others reach {options.bind}: set "
                "debug = False, bind it to 127.0.0.1, or give --allow-debug if that is intended"
            )


def _fixed(app: WSGIApplication, name: str, options: Options) -> WSGIApplication:
    if name == "lighttpd-root":
        from flask_embed.adapters.lighttpd import LighttpdCGIRootFix

        return LighttpdCGIRootFix(app)
    if name == "nginx-path-info":
        from flask_embed.adapters.nginx import PathInfoFromRequestUriFix

        return PathInfoFromRequestUriFix(app, options.script_name or None)
    raise UsageError(f"unknown fix {name!r}: write one of {', '.join(FIXES)}")


def whole_server(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A WSGI app for ``OPTIONS *``, which asks the server and none of its apps (RFC 9110 section 9.3.7): a 204."""
    start_response("204 No Content", [])
    return []
