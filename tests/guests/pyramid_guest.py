"""The guest written with Pyramid."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.guests.blocks import STATIC, Blocks, measured

with warnings.catch_warnings():
    # WebOb 1.8 imports cgi, which Python 3.13 has no more.
    warnings.filterwarnings("ignore", "'cgi' is deprecated", DeprecationWarning, r"webob\.compat")
    # Pyramid 2.1 imports pkg_resources, which says so, and so once more for each package of the old namespaces.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning, r"pyramid\.asset")
    warnings.filterwarnings("ignore", "Deprecated call to `pkg_resources", DeprecationWarning, "pkg_resources")
    from pyramid.config import Configurator  # type: ignore[import-untyped]
    from pyramid.httpexceptions import HTTPFound  # type: ignore[import-untyped]
    from pyramid.response import Response  # type: ignore[import-untyped]
    from pyramid.session import SignedCookieSessionFactory  # type: ignore[import-untyped]
    from pyramid.wsgi import wsgiapp2  # type: ignore[import-untyped]

__all__ = [
    "LEFT_OPEN",
    "Configurator",
    "HTTPFound",
    "Response",
    "SignedCookieSessionFactory",
    "create",
    "wsgiapp2",
]

#: The filter for a test that sends a large body: WebOb leaves its temporary file to the garbage collector.
LEFT_OPEN = "ignore:unclosed file <_io.BufferedRandom:ResourceWarning"

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def create() -> WSGIApplication:
    """A new app."""
    config = Configurator(session_factory=SignedCookieSessionFactory("guests"))
    views = {
        "/": home,
        "/where/{name}": where,
        "/style": style,
        "/go/{name}": go,
        "/echo/{name}": echo,
        "/count": count,
        "/session": count_in_session,
        "/upload": upload,
        "/stream": stream,
        "/broken": broken,
    }
    for pattern, view in views.items():
        config.add_route(view.__name__, pattern)
        config.add_view(view, route_name=view.__name__)
    config.add_static_view("static", STATIC)
    app: WSGIApplication = config.make_wsgi_app()
    return app


def text(content: str) -> Any:
    return Response(content, content_type="text/plain")


def home(request: Any) -> Any:
    return text(f"{request.script_name}|{request.path_info}")


def where(request: Any) -> Any:
    return text(request.route_path("echo", name=request.matchdict["name"]))


def style(request: Any) -> Any:
    return text(request.static_path(f"{STATIC}/style.css"))


def go(request: Any) -> Any:
    return HTTPFound(request.route_path("echo", name=request.matchdict["name"]))


def echo(request: Any) -> Any:
    return text(request.matchdict["name"])


def count(request: Any) -> Any:
    visits = int(request.cookies.get("visits", "0")) + 1
    response = text(str(visits))
    response.set_cookie("visits", str(visits), path=quote(request.script_name) or "/")
    return response


def count_in_session(request: Any) -> Any:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return text(str(request.session["visits"]))


def upload(request: Any) -> Any:
    return text(measured(request.POST["file"].file))


def stream(request: Any) -> Any:
    return Response(app_iter=Blocks(lambda: str(request.route_path("echo", name="x"))), content_type="text/plain")


def broken(request: Any) -> Any:
    raise RuntimeError("this view is broken")
