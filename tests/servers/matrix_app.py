"""The app that the table of behaviours is asked of, under every server and behind every front.

A request with the header ``X-Tell: environ`` is answered, whatever its path, with the strings of its environ as JSON.
Where a test has to know what happens in the app, or the app has to wait for the test, the app connects to a
:class:`~tests.servers.ways.Gate`, a port of the test that the query names: that works in any process.
"""

from __future__ import annotations

import contextlib
import json
import socket
from hashlib import sha256
from typing import TYPE_CHECKING

from flask_embed import Flask, Response, make_response, redirect, request, session, url_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: what an error page must not show
SECRET = "the word that only the log may hold"
PART = bytes(range(256)) * 256
#: how much the endless answer has at most: a server that never closes it comes to its end
ENDLESS = 256 * 1024**2
#: seconds that the app waits for the test
PATIENCE = 20.0

site = Flask(__name__)
site.secret_key = "of no use to anybody"
site.max_content_length = 64 * 1024**2


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The app, with a look at the environ in front of it."""
    if environ.get("HTTP_X_TELL") != "environ":
        return site(environ, start_response)
    told = {name: value for name, value in environ.items() if type(value) is str}
    body = json.dumps(told).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("X-From", "app")]
    start_response("200 OK", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


@site.after_request
def sign(response: Response) -> Response:
    """Let the test tell what the app answers from what a server does."""
    response.headers["X-From"] = "app"
    return response


@site.errorhandler(404)
def no_page() -> tuple[str, int]:
    return "The app has no such page.", 404


@contextlib.contextmanager
def gate(port: str | None) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(port or 0)), PATIENCE) as connection:
        yield connection


@site.route("/")
@site.route("/hello")
def hello() -> str:
    return "Hello World!"


@site.route("/folder/")
def folder() -> str:
    return "folder"


@site.route("/item/<name>")
def item(name: str) -> dict[str, str]:
    return {"name": name}


@site.route("/urls")
def urls() -> dict[str, str]:
    return {
        "item": url_for("item", name="a ü", q="1&2"),
        "static": url_for("static", filename="numbers.txt"),
        "external": url_for("hello", _external=True),
        "script_root": request.script_root,
    }


@site.route("/away")
def away() -> Response:
    return redirect(url_for("item", name="ü"))


@site.route("/cookies")
def cookies() -> Response:
    session["seen"] = True
    response = make_response("three cookies")
    response.set_cookie("first", "1")
    response.set_cookie("second", "a, b; c")
    return response


@site.route("/form", methods=["POST"])
def form() -> dict[str, object]:
    return {"form": request.form.to_dict(flat=False), "type": request.content_type, "length": request.content_length}


@site.route("/method", methods=["PUT", "DELETE", "PATCH"])
def method() -> str:
    return f"{request.method} {request.get_data(as_text=True)}"


@site.route("/upload", methods=["POST"])
def upload() -> dict[str, object]:
    """The hash of the body; with a gate the test is told of its first part."""
    digest, length = sha256(), 0
    for part in iter(lambda: request.stream.read(64 * 1024), b""):
        if not length and "gate" in request.args:
            with gate(request.args["gate"]) as test:
                test.sendall(b"read\n")
        digest.update(part)
        length += len(part)
    return {"sha256": digest.hexdigest(), "length": length}


@site.route("/unread", methods=["POST"])
def unread() -> tuple[str, int]:
    """An answer that does not wait for the body."""
    return "not read", 403


@site.route("/nothing")
def nothing() -> tuple[str, int]:
    return "", 204


@site.route("/latin")
def latin() -> Response:
    response = make_response("latin-1")
    response.headers["X-Latin"] = "größe £"
    response.headers["X-Utf"] = "größe".encode().decode("latin-1")
    return response


@site.route("/parts")
def parts() -> Response:
    """Three parts; each is made when the test has the one before it."""
    gate_port = request.args["gate"]

    def body() -> Iterator[bytes]:
        with gate(gate_port) as test:
            yield b"first part\n"
            test.recv(1)
            yield b"second part\n"
            test.recv(1)
            yield b"third part\n"

    return Response(body(), mimetype="text/plain")


@site.route("/endless")
def endless() -> Iterator[bytes]:
    """Parts without end; the test is told when they are closed."""
    with gate(request.args["gate"]) as test:
        word = b"closed at its end\n"
        try:
            for _ in range(ENDLESS // len(PART)):
                yield PART
        except GeneratorExit:
            word = b"closed\n"
            raise
        finally:
            test.sendall(word)


@site.route("/fails")
def fails() -> str:
    raise RuntimeError(SECRET)


@site.route("/breaks")
def breaks() -> Response:
    """An answer whose body fails when the test has its first part."""
    gate_port = request.args["gate"]

    def body() -> Iterator[bytes]:
        with gate(gate_port) as test:
            yield PART
            test.recv(1)
            raise RuntimeError(SECRET)

    response = Response(body(), mimetype="application/octet-stream")
    if "length" in request.args:
        response.content_length = 2 * len(PART)
    return response


@site.route("/large")
def large() -> Response:
    """So many parts; with a Content-Length if the query asks for it."""
    number = int(request.args["parts"])
    response = Response((PART for _ in range(number)), mimetype="application/octet-stream")
    if "length" in request.args:
        response.content_length = number * len(PART)
    return response
