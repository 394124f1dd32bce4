"""The site written with Flask 3.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, redirect, render_template, render_template_string, request, session, url_for
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.benchmarks import pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIApplication
    from werkzeug.wrappers import Response

LACKS: frozenset[str] = frozenset()


def _new() -> Flask:
    app = Flask(__name__)
    app.secret_key = pages.SECRET
    return app


def site() -> Flask:
    app = _new()
    app.add_url_rule("/", view_func=hello)
    app.add_url_rule("/user/<int:number>", view_func=user)
    app.add_url_rule("/query", view_func=query)
    app.add_url_rule("/form", view_func=form, methods=["POST"])
    app.add_url_rule("/json", view_func=json, methods=["POST"])
    app.add_url_rule("/login/<int:number>", view_func=login)
    app.add_url_rule("/session", view_func=read)
    app.add_url_rule("/visit", view_func=visit)
    app.add_url_rule("/page/<int:number>", view_func=page)
    app.add_url_rule("/string/<int:number>", view_func=string)
    app.add_url_rule("/urls/<int:number>", view_func=urls)
    app.add_url_rule("/go/<int:number>", view_func=go)
    app.add_url_rule("/stream", view_func=stream)
    return app


def hello() -> str:
    return pages.HELLO


def user(number: int) -> str:
    return f"user {number + 1}"


def query() -> str:
    value: str = request.args["q"]
    return value


def form() -> str:
    return f"{request.form['name']}, {request.form['mail']}, {request.form['message']}"


def json() -> dict[str, Any]:
    order: Any = request.get_json()
    lines = order["lines"]
    total = sum(line["count"] * line["price"] for line in lines)
    return {"id": order["customer"], "customer": order["name"], "count": len(lines), "total": total}


def login(number: int) -> str:
    session["user"] = number
    return "welcome"


def read() -> str:
    return str(session["user"])


def visit() -> str:
    session["visits"] = session.get("visits", 0) + 1
    return str(session["visits"])


def page(number: int) -> str:
    return render_template(pages.PAGE, number=number, rows=pages.ROWS)


def string(number: int) -> str:
    return render_template_string(pages.SOURCE, name=pages.NAME, number=number)


def urls(number: int) -> str:
    user, file = url_for("user", number=number), url_for("static", filename=pages.FILE)
    return f"{user} {file} {url_for('query', q=number)}"


def go(number: int) -> Response:
    return redirect(f"/user/{number}")


def stream() -> Iterator[bytes]:
    return pages.chunks()


def own_page() -> Flask:
    app = site()
    app.errorhandler(404)(lambda error: (pages.MISSING, 404))
    return app


def render() -> WSGIApplication:
    return pages.rendering(_new().jinja_env.get_template(pages.PAGE))


def hooks(count: int) -> Flask:
    app = site()
    for _ in range(count):
        app.before_request(pages.count_before)
        app.after_request(_after)
        app.teardown_request(lambda error: pages.count_teardown())
    return app


def _after(response: Response) -> Response:
    pages.count_after()
    return response


def rules(count: int) -> Flask:
    app = _new()
    for place in range(count):
        app.add_url_rule(f"{pages.area(place)}/<int:number>", f"page{place}", user)
    return app


def nested(depth: int) -> WSGIApplication:
    app: WSGIApplication = rules(1)
    for _ in range(depth):
        app = DispatcherMiddleware(NotFound(), {"/mount": app})
    return app


def beside(count: int) -> WSGIApplication:
    app = rules(1)
    return DispatcherMiddleware(NotFound(), {f"/mount{place}": app for place in range(count)})


def rest() -> Flask:
    app = _new()
    app.add_url_rule("/rest/<path:rest>", view_func=lambda rest: rest, endpoint="rest")
    return app
