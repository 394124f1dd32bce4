"""An app that answers every request with what it has got: the strings of its environ, and the body."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The app."""
    told = {name: value for name, value in environ.items() if type(value) is str}
    content = environ["wsgi.input"].read().decode("latin-1")
    body = json.dumps({"environ": told, "body": content, "process": os.getpid()}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def make_app() -> object:
    """The app, for what a factory is needed for."""
    return app
