"""The site written with Bottle."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Any

import bottle  # type: ignore[import-untyped]

from tests.benchmarks import pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIApplication

#: Its hooks run before and after a request, none at its end. Its session is a signed cookie, without Vary.
LACKS = frozenset({"teardown", "vary", "render() alone"})

# The current ones of the thread; what they have is made when it is asked for, which no checker sees.
request: Any = bottle.request
response: Any = bottle.response

# The list of folders is part of what it remembers templates by: a new list would be a new template.
_FOLDERS = [pages.TEMPLATES]
_ESCAPING = {"autoescape": True}


def site() -> WSGIApplication:
    return _wsgi(_site())


def _site() -> Any:
    app = bottle.Bottle()

    def urls(number: int) -> str:
        user, file = app.get_url("user", number=number), app.get_url("static", name=pages.FILE)
        return f"{user} {file} {app.get_url('query', q=number)}"

    app.route("/", callback=hello)
    app.route("/user/<number:int>", name="user", callback=user)
    app.route("/query", name="query", callback=query)
    app.route("/form", "POST", callback=form)
    app.route("/json", "POST", callback=json)
    app.route("/login/<number:int>", callback=login)
    app.route("/session", callback=read)
    app.route("/visit", callback=visit)
    app.route("/page/<number:int>", callback=page)
    app.route("/string/<number:int>", callback=string)
    app.route("/urls/<number:int>", callback=urls)
    app.route("/go/<number:int>", callback=go)
    app.route("/stream", callback=stream)
    app.route("/static/<name:path>", name="static", callback=lambda name: bottle.static_file(name, root=pages.STATIC))
    return app


def hello() -> str:
    return pages.HELLO


def user(number: int) -> str:
    return f"user {number + 1}"


def query() -> str:
    return str(request.query.q)


def form() -> str:
    return f"{request.forms.name}, {request.forms.mail}, {request.forms.message}"


def json() -> dict[str, Any]:
    order = request.json
    lines = order["lines"]
    total = sum(line["count"] * line["price"] for line in lines)
    return {"id": order["customer"], "customer": order["name"], "count": len(lines), "total": total}


def _load() -> dict[str, Any]:
    session: dict[str, Any] = json_module.loads(request.get_cookie("session", "{}", secret=pages.SECRET))
    return session


def _save(session: dict[str, Any]) -> None:
    options = {"path": "/", "httponly": True, "samesite": "lax"}
    response.set_cookie("session", json_module.dumps(session), secret=pages.SECRET, **options)


def login(number: int) -> str:
    _save({"user": number})
    return "welcome"


def read() -> str:
    return str(_load()["user"])


def visit() -> str:
    session = _load()
    session["visits"] = session.get("visits", 0) + 1
    _save(session)
    return str(session["visits"])


def page(number: int) -> str:
    return _render(pages.PAGE, number=number, rows=pages.ROWS)


def string(number: int) -> str:
    return _render(pages.SOURCE, name=pages.NAME, number=number)


def _render(template: str, **context: Any) -> str:
    rendered = bottle.jinja2_template(template, template_lookup=_FOLDERS, template_settings=_ESCAPING, **context)
    return str(rendered)


def go(number: int) -> None:
    bottle.redirect(f"/user/{number}", 302)


def stream() -> Iterator[bytes]:
    return pages.chunks()


def own_page() -> WSGIApplication:
    app = _site()
    app.error(404)(lambda error: pages.MISSING)
    return _wsgi(app)


def _wsgi(app: Any) -> WSGIApplication:
    typed: WSGIApplication = app
    return typed


def hooks(count: int) -> WSGIApplication:
    app = _site()
    for _ in range(count):
        app.add_hook("before_request", pages.count_before)
        app.add_hook("after_request", pages.count_after)
    return _wsgi(app)


def _rules(count: int) -> Any:
    app = bottle.Bottle()
    for place in range(count):
        app.route(f"{pages.area(place)}/<number:int>", callback=user)
    return app


def rules(count: int) -> WSGIApplication:
    return _wsgi(_rules(count))


def nested(depth: int) -> WSGIApplication:
    app = _rules(1)
    for _ in range(depth):
        around = bottle.Bottle()
        around.mount("/mount/", app)
        app = around
    return _wsgi(app)


def beside(count: int) -> WSGIApplication:
    app = bottle.Bottle()
    for place in range(count):
        app.mount(f"/mount{place}/", _rules(1))
    return _wsgi(app)


def rest() -> WSGIApplication:
    app = bottle.Bottle()
    app.route("/rest/<rest:path>", callback=lambda rest: rest)
    return _wsgi(app)
