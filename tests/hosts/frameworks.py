"""Apps of other frameworks with WSGI apps mounted in them, by the means that each of them has for it.

Each function here gives a host for *mounts*, which are written as for our dispatcher: ``{"/shop": app}``.
"""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import falcon as falcon_framework
from bottle import Bottle
from django.http import StreamingHttpResponse
from django.urls import re_path
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware as WerkzeugDispatcher
from werkzeug.test import run_wsgi_app

from flask_embed.middleware import PrefixMiddleware
from tests.guests import django_guest
from tests.guests.pyramid_guest import Configurator, wsgiapp2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from falcon import Request, Response

    Mounts = Mapping[str, WSGIApplication]


def flask(mounts: Mounts) -> WSGIApplication:
    """Flask's own documentation mounts with Werkzeug's dispatcher, whose keys are WSGI strings."""
    app = Flask(__name__)
    keys = {_wsgi(prefix): mounted for prefix, mounted in mounts.items()}
    app.wsgi_app = WerkzeugDispatcher(app.wsgi_app, keys)  # type: ignore[method-assign]
    return app


def _wsgi(text: str) -> str:
    return text.encode().decode("latin-1")


def django(mounts: Mounts) -> WSGIApplication:
    """Django has nothing for it: a view calls the app, PrefixMiddleware moves the prefix."""
    urlconf = tuple(re_path(f"^{prefix[1:]}(?:/|$)", _view(app, prefix)) for prefix, app in mounts.items())
    handler = django_guest.create()

    def host(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return handler({**environ, django_guest.URLCONF: urlconf}, start_response)

    return host


def _view(app: WSGIApplication, prefix: str) -> Callable[[Any], StreamingHttpResponse]:
    mounted = PrefixMiddleware(app, prefix)

    def view(request: Any) -> StreamingHttpResponse:
        # Django has decoded both in place; a WSGI app expects the strings that stand for bytes.
        paths = {name: _wsgi(request.environ[name]) for name in ("SCRIPT_NAME", "PATH_INFO")}
        body, status, headers = run_wsgi_app(mounted, {**request.environ, **paths})
        code, _, reason = status.partition(" ")
        response = StreamingHttpResponse(body, status=int(code), reason=reason)
        del response.headers["Content-Type"]
        for name, value in headers:
            if name.lower() == "set-cookie":  # the one header that Django keeps elsewhere
                response.cookies.load(value)
            else:
                response.headers[name] = value
        return response

    return view


def bottle(mounts: Mounts) -> WSGIApplication:
    """Bottle has ``mount``."""
    app = Bottle()
    for prefix, mounted in mounts.items():
        app.mount(prefix, mounted)
    host: WSGIApplication = app
    return host


def falcon(mounts: Mounts) -> WSGIApplication:
    """Falcon gives everything below a prefix to a sink, which calls the app."""
    app = falcon_framework.App()
    for prefix, mounted in mounts.items():
        app.add_sink(_sink(mounted, prefix), f"{prefix}(?=/|$)")
    return app


def _sink(app: WSGIApplication, prefix: str) -> Callable[..., None]:
    mounted = PrefixMiddleware(app, prefix)

    def sink(req: Request, resp: Response, **kwargs: Any) -> None:
        body, resp.status, headers = run_wsgi_app(mounted, req.env)
        for name, value in headers:
            resp.append_header(name, value)
        resp.stream = body

    return sink


def pyramid(mounts: Mounts) -> WSGIApplication:
    """Pyramid has ``wsgiapp2``, a view that calls an app below the subpath of its route."""
    config = Configurator()
    for prefix, mounted in mounts.items():
        for route in (prefix, f"{prefix}/*subpath"):
            config.add_route(route, route)
            config.add_view(wsgiapp2(mounted), route_name=route)
    host: WSGIApplication = config.make_wsgi_app()
    return host
