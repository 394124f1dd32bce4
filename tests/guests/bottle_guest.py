"""The guest written with Bottle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import bottle  # type: ignore[import-untyped]

from tests.guests.blocks import STATIC, Blocks, measured

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# The current ones of the thread; what they have is made when it is asked for, which no checker sees.
request: Any = bottle.request
response: Any = bottle.response


def create() -> WSGIApplication:
    """A new app."""
    app = bottle.Bottle()

    def url(name: str) -> str:
        return str(app.get_url("echo", name=name))

    def stream() -> Blocks:
        response.content_type = "text/plain"
        return Blocks(lambda: url("x"))

    app.route("/", callback=home)
    app.route("/where/<name>", callback=url)
    app.route("/style", callback=lambda: app.get_url("static", name="style.css"))
    app.route("/go/<name>", callback=lambda name: bottle.redirect(url(name)))
    app.route("/echo/<name>", name="echo", callback=echo)
    app.route("/count", "POST", callback=count)
    app.route("/upload", "POST", callback=upload)
    app.route("/stream", callback=stream)
    app.route("/broken", callback=broken)
    app.route("/static/<name:path>", name="static", callback=lambda name: bottle.static_file(name, root=STATIC))
    guest: WSGIApplication = app
    return guest


def home() -> str:
    return f"{request.script_name.rstrip('/')}|{request.path}"


def echo(name: str) -> str:
    return name


def count() -> str:
    visits = int(request.get_cookie("visits", "0")) + 1
    # Bottle gives the WSGI string as it is: its characters are bytes.
    response.set_cookie("visits", str(visits), path=quote(request.script_name, encoding="latin-1"))
    return str(visits)


def upload() -> str:
    return measured(request.files["file"].file)


def broken() -> str:
    raise RuntimeError("this view is broken")
