"""The site written with Pyramid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.benchmarks import pages
from tests.guests.pyramid_guest import Configurator, HTTPFound, Response, SignedCookieSessionFactory, wsgiapp2

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: Its templates are packages of their own. What has no view for the method is a 404, its sessions are without Vary.
LACKS = frozenset({"405", "template from a file", "template from a string", "vary"})


def _configured() -> Any:
    # Without a time to reissue it, the cookie is written when the session was, as by the others.
    return Configurator(session_factory=SignedCookieSessionFactory(pages.SECRET, reissue_time=None))


def site() -> WSGIApplication:
    return _wsgi(_site())


def _wsgi(config: Any) -> WSGIApplication:
    app: WSGIApplication = config.make_wsgi_app()
    return app


def _site() -> Any:
    config = _configured()
    views = {
        "/": hello,
        r"/user/{number:\d+}": user,
        "/query": query,
        "/form": form,
        "/json": json,
        r"/login/{number:\d+}": login,
        "/session": read,
        "/visit": visit,
        r"/urls/{number:\d+}": urls,
        r"/go/{number:\d+}": go,
        "/stream": stream,
    }
    for pattern, view in views.items():
        config.add_route(view.__name__, pattern)
        renderer = "json" if view is json else None
        method = "POST" if view in (form, json) else "GET"
        config.add_view(view, route_name=view.__name__, renderer=renderer, request_method=method)
    config.add_static_view("static", pages.STATIC)
    return config


def hello(request: Any) -> Any:
    return Response(pages.HELLO)


def user(request: Any) -> Any:
    return Response(f"user {int(request.matchdict['number']) + 1}")


def query(request: Any) -> Any:
    return Response(request.GET["q"])


def form(request: Any) -> Any:
    form = request.POST
    return Response(f"{form['name']}, {form['mail']}, {form['message']}")


def json(request: Any) -> dict[str, Any]:
    order = request.json_body
    lines = order["lines"]
    total = sum(line["count"] * line["price"] for line in lines)
    return {"id": order["customer"], "customer": order["name"], "count": len(lines), "total": total}


def login(request: Any) -> Any:
    request.session["user"] = int(request.matchdict["number"])
    return Response("welcome")


def read(request: Any) -> Any:
    return Response(str(request.session["user"]))


def visit(request: Any) -> Any:
    session = request.session
    session["visits"] = session.get("visits", 0) + 1
    return Response(str(session["visits"]))


def urls(request: Any) -> Any:
    number = int(request.matchdict["number"])
    user = request.route_path("user", number=number)
    file = request.static_path(f"{pages.STATIC}/{pages.FILE}")
    return Response(f"{user} {file} {request.route_path('query', _query={'q': number})}")


def go(request: Any) -> Any:
    return HTTPFound(f"/user/{request.matchdict['number']}")


def stream(request: Any) -> Any:
    return Response(app_iter=pages.chunks())


def own_page() -> WSGIApplication:
    config = _site()
    config.add_notfound_view(lambda request: Response(pages.MISSING, status=404))
    return _wsgi(config)


def hooks(count: int) -> WSGIApplication:
    config = _site()
    for _ in range(count):
        config.add_subscriber(_begin, "pyramid.interfaces.INewRequest")
        config.add_subscriber(lambda event: pages.count_after(), "pyramid.interfaces.INewResponse")
    return _wsgi(config)


def _begin(event: Any) -> None:
    pages.count_before()
    event.request.add_finished_callback(lambda request: pages.count_teardown())


def _rules(count: int) -> Any:
    config = _configured()
    for place in range(count):
        config.add_route(f"page{place}", rf"{pages.area(place)}/{{number:\d+}}")
        config.add_view(user, route_name=f"page{place}")
    return config


def rules(count: int) -> WSGIApplication:
    return _wsgi(_rules(count))


def nested(depth: int) -> WSGIApplication:
    app = rules(1)
    for _ in range(depth):
        config = _configured()
        config.add_route("mount", "/mount/*subpath")
        config.add_view(wsgiapp2(app), route_name="mount")
        app = _wsgi(config)
    return app


def beside(count: int) -> WSGIApplication:
    app, config = rules(1), _configured()
    for place in range(count):
        config.add_route(f"mount{place}", f"/mount{place}/*subpath")
        config.add_view(wsgiapp2(app), route_name=f"mount{place}")
    return _wsgi(config)


def rest() -> WSGIApplication:
    config = _configured()
    config.add_route("rest", "/rest/*rest")
    config.add_view(lambda request: Response("/".join(request.matchdict["rest"])), route_name="rest")
    return _wsgi(config)
