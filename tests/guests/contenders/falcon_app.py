"""The site written with Falcon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import falcon

from tests.benchmarks import pages

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from falcon import Request, Response

#: It has neither sessions nor templates, and builds no URLs. Its middleware runs before and after, not at the end.
LACKS = frozenset(
    {
        "session, read",
        "session, read and written",
        "template from a file",
        "template from a string",
        "url_for, three",
        "teardown",
    }
)


def site() -> WSGIApplication:
    return _site()


def _new(middleware: list[Any] | None = None) -> falcon.App[Request, Response]:
    return falcon.App(media_type=pages.HTML, middleware=middleware)


def _site(middleware: list[Any] | None = None) -> falcon.App[Request, Response]:
    app = _new(middleware)
    app.add_route("/", Hello())
    app.add_route("/user/{number:int}", User())
    app.add_route("/query", Query())
    app.add_route("/form", Form())
    app.add_route("/json", Json())
    app.add_route("/go/{number:int}", Go())
    app.add_route("/stream", Stream())
    app.add_static_route("/static", pages.STATIC)
    return app


class Hello:
    def on_get(self, req: Request, resp: Response) -> None:
        resp.text = pages.HELLO


class User:
    def on_get(self, req: Request, resp: Response, number: int) -> None:
        resp.text = f"user {number + 1}"


class Query:
    def on_get(self, req: Request, resp: Response) -> None:
        resp.text = req.get_param("q", required=True)


class Form:
    def on_post(self, req: Request, resp: Response) -> None:
        form = req.get_media()
        resp.text = f"{form['name']}, {form['mail']}, {form['message']}"


class Json:
    def on_post(self, req: Request, resp: Response) -> None:
        order = req.get_media()
        lines = order["lines"]
        total = sum(line["count"] * line["price"] for line in lines)
        resp.content_type = falcon.MEDIA_JSON
        resp.media = {"id": order["customer"], "customer": order["name"], "count": len(lines), "total": total}


class Go:
    def on_get(self, req: Request, resp: Response, number: int) -> None:
        raise falcon.HTTPFound(f"/user/{number}")


class Stream:
    def on_get(self, req: Request, resp: Response) -> None:
        resp.stream = pages.chunks()


def own_page() -> WSGIApplication:
    app = _site()
    app.add_error_handler(falcon.HTTPRouteNotFound, _answer_missing)
    return app


def _answer_missing(req: Request, resp: Response, error: falcon.HTTPRouteNotFound, params: dict[str, Any]) -> None:
    resp.status = falcon.HTTP_404
    resp.text = pages.MISSING


class Counting:
    """A middleware of two hooks."""

    def process_request(self, req: Request, resp: Response) -> None:
        pages.count_before()

    def process_response(self, req: Request, resp: Response, resource: object, req_succeeded: bool) -> None:
        pages.count_after()


def hooks(count: int) -> WSGIApplication:
    return _site([Counting() for _ in range(count)])


def rules(count: int) -> WSGIApplication:
    app = _new()
    for place in range(count):
        app.add_route(f"{pages.area(place)}/{{number:int}}", User())
    return app


class Rest:
    def on_get(self, req: Request, resp: Response, rest: str) -> None:
        resp.text = rest


def rest() -> WSGIApplication:
    app = _new()
    app.add_route("/rest/{rest:path}", Rest())
    return app
