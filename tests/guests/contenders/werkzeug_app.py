"""The site written on Werkzeug's Map, Request and Response, with itsdangerous and Jinja2, by a careful author."""

from __future__ import annotations

import hashlib
import json as json_module
from functools import partial
from typing import TYPE_CHECKING, Any

from itsdangerous import BadData, URLSafeTimedSerializer
from jinja2 import Environment, FileSystemLoader
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.utils import redirect, send_from_directory
from werkzeug.wrappers import Request, Response

from tests.benchmarks import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    View = Callable[..., Response]

#: The one who writes it calls what is to be called, so there are no hooks.
LACKS: frozenset[str] = frozenset()

Html = partial(Response, mimetype="text/html")
Json = partial(Response, mimetype="application/json")


class Visit(Request):
    """A request and what its views need."""

    max_content_length = 16 * 1024 * 1024
    adapter: MapAdapter
    site: Site


class Site:
    """A WSGI app: rules, views, and what its templates and sessions are read with."""

    def __init__(self, views: dict[str, tuple[str, tuple[str, ...], View]]) -> None:
        """*views* are rule, methods and function by endpoint."""
        self.map = Map([Rule(rule, endpoint=name, methods=methods) for name, (rule, methods, _) in views.items()])
        self.views = {name: view for name, (_, _, view) in views.items()}
        self.templates = Environment(loader=FileSystemLoader(pages.TEMPLATES), autoescape=True)
        self.greeting = self.templates.from_string(pages.SOURCE)
        signing = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self.serializer = URLSafeTimedSerializer(pages.SECRET, salt="session", signer_kwargs=signing)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Visit(environ)
        request.site = self
        request.adapter = self.map.bind_to_environ(environ)
        try:
            endpoint, values = request.adapter.match()
            response: WSGIApplication = self.views[endpoint](request, **values)
        except HTTPException as error:
            response = self.answer(error, request)
        return response(environ, start_response)

    def answer(self, error: HTTPException, request: Visit) -> WSGIApplication:
        return error


def site() -> WSGIApplication:
    return Site(_views())


def _views() -> dict[str, tuple[str, tuple[str, ...], View]]:
    get, post = ("GET",), ("POST",)
    return {
        "hello": ("/", get, hello),
        "user": ("/user/<int:number>", get, user),
        "query": ("/query", get, query),
        "form": ("/form", post, form),
        "json": ("/json", post, json),
        "login": ("/login/<int:number>", get, login),
        "read": ("/session", get, read),
        "visit": ("/visit", get, visit),
        "page": ("/page/<int:number>", get, page),
        "string": ("/string/<int:number>", get, string),
        "urls": ("/urls/<int:number>", get, urls),
        "go": ("/go/<int:number>", get, go),
        "static": ("/static/<path:name>", get, static),
        "stream": ("/stream", get, stream),
    }


def hello(request: Visit) -> Response:
    return Html(pages.HELLO)


def user(request: Visit, number: int) -> Response:
    return Html(f"user {number + 1}")


def query(request: Visit) -> Response:
    return Html(request.args["q"])


def form(request: Visit) -> Response:
    return Html(f"{request.form['name']}, {request.form['mail']}, {request.form['message']}")


def json(request: Visit) -> Response:
    order: Any = request.get_json()
    lines = order["lines"]
    total = sum(line["count"] * line["price"] for line in lines)
    return Json(
        json_module.dumps({"id": order["customer"], "customer": order["name"], "count": len(lines), "total": total})
    )


def _load(request: Visit) -> dict[str, Any]:
    try:
        session: dict[str, Any] = request.site.serializer.loads(request.cookies["session"], max_age=86400)
    except (KeyError, BadData):
        return {}
    return session


def _save(request: Visit, response: Response, session: dict[str, Any]) -> None:
    value = str(request.site.serializer.dumps(session))
    response.set_cookie("session", value, httponly=True, samesite="Lax", secure=request.is_secure)


def login(request: Visit, number: int) -> Response:
    response = Html("welcome")
    _save(request, response, {"user": number})
    return response


def read(request: Visit) -> Response:
    response = Html(str(_load(request)["user"]))
    response.vary.add("Cookie")
    return response


def visit(request: Visit) -> Response:
    session = _load(request)
    session["visits"] = session.get("visits", 0) + 1
    response = Html(str(session["visits"]))
    response.vary.add("Cookie")
    _save(request, response, session)
    return response


def page(request: Visit, number: int) -> Response:
    return Html(request.site.templates.get_template(pages.PAGE).render(number=number, rows=pages.ROWS))


def string(request: Visit, number: int) -> Response:
    return Html(request.site.greeting.render(name=pages.NAME, number=number))


def urls(request: Visit, number: int) -> Response:
    build = request.adapter.build
    user, file = build("user", {"number": number}), build("static", {"name": pages.FILE})
    return Html(f"{user} {file} {build('query', {'q': number})}")


def go(request: Visit, number: int) -> Response:
    return redirect(f"/user/{number}")


def static(request: Visit, name: str) -> Response:
    return send_from_directory(pages.STATIC, name, request.environ)


def stream(request: Visit) -> Response:
    return Html(pages.chunks())


class SiteWithPage(Site):
    """A site whose 404 has a page of its own."""

    def answer(self, error: HTTPException, request: Visit) -> WSGIApplication:
        return Html(pages.MISSING, 404) if isinstance(error, NotFound) else error


def own_page() -> WSGIApplication:
    return SiteWithPage(_views())


def render() -> WSGIApplication:
    return pages.rendering(Site({}).templates.get_template(pages.PAGE))


def rules(count: int) -> WSGIApplication:
    return Site({f"page{place}": (f"{pages.area(place)}/<int:number>", ("GET",), user) for place in range(count)})


def nested(depth: int) -> WSGIApplication:
    app = rules(1)
    for _ in range(depth):
        app = DispatcherMiddleware(NotFound(), {"/mount": app})
    return app


def beside(count: int) -> WSGIApplication:
    app = rules(1)
    return DispatcherMiddleware(NotFound(), {f"/mount{place}": app for place in range(count)})


def rest() -> WSGIApplication:
    return Site({"rest": ("/rest/<path:rest>", ("GET",), lambda request, rest: Html(rest))})
