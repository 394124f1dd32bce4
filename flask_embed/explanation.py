"""The answer of an app to a request, found without calling a view: its part of ``DispatcherMiddleware.explain()``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect

from flask_embed.environ import host_is_trusted

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from flask_embed.app import Flask

__all__ = ["explain_request"]


def explain_request(app: Flask, environ: WSGIEnvironment) -> tuple[str | None, dict[str, Any], str]:
    """Endpoint and values of the rule that matches, and the answer in a few words; without a match None and ``{}``.

    The environ is a well-formed one: :func:`flask_embed.middleware.explain.explain` has checked it as the gate does.
    """
    if app.trusted_hosts is not None and not host_is_trusted(environ, app.trusted_hosts):
        return None, {}, f"400: the host is not among the trusted_hosts of {app.package_name!r}"
    try:
        rule, values = app.url_map.match(environ, app.server_name)
    except RequestRedirect as redirect:
        return None, {}, f"{redirect.code} to {redirect.new_url}"
    except MethodNotAllowed as error:
        methods = ", ".join(sorted(error.valid_methods or ()))
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return None, {}, f"the methods of this path: {methods}"
        return None, {}, f"405: {environ['REQUEST_METHOD']} is not among the methods of this path, {methods}"
    except HTTPException as error:
        return None, {}, f"{error.code}: no rule of {app.package_name!r} matches"
    outcome = f"endpoint {rule.endpoint!r} of {app.package_name!r}" + (f" with {values!r}" if values else "")
    return rule.endpoint, values, outcome
