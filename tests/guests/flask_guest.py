"""The guest written with Flask 3.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, make_response, redirect, request, session, stream_with_context, url_for

from tests.guests.blocks import Blocks, measured

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as WerkzeugResponse


def create() -> Flask:
    """A new app."""
    app = Flask(__name__)
    app.secret_key = "guests"
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/where/<name>", view_func=where)
    app.add_url_rule("/style", view_func=style)
    app.add_url_rule("/go/<name>", view_func=go)
    app.add_url_rule("/echo/<name>", view_func=echo)
    app.add_url_rule("/count", view_func=count, methods=["POST"])
    app.add_url_rule("/session", view_func=count_in_session, methods=["POST"])
    app.add_url_rule("/upload", view_func=upload, methods=["POST"])
    app.add_url_rule("/stream", view_func=stream)
    app.add_url_rule("/broken", view_func=broken)
    return app


def home() -> Response:
    return Response(f"{request.script_root}|{request.path}", mimetype="text/plain")


def where(name: str) -> str:
    return url_for("echo", name=name)


def style() -> str:
    return url_for("static", filename="style.css")


def go(name: str) -> WerkzeugResponse:
    return redirect(url_for("echo", name=name))


def echo(name: str) -> str:
    return name


def count() -> Response:
    visits = int(request.cookies.get("visits", "0")) + 1
    response = make_response(str(visits))
    response.set_cookie("visits", str(visits), path=request.script_root or "/")
    return response


def count_in_session() -> str:
    session["visits"] = session.get("visits", 0) + 1
    return str(session["visits"])


def upload() -> str:
    return measured(request.files["file"].stream)


def stream() -> Response:
    return Response(stream_with_context(Blocks(lambda: url_for("echo", name="x"))), mimetype="text/plain")


def broken() -> str:
    raise RuntimeError("this view is broken")
