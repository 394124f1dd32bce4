"""A microframework whose apps run anywhere: under any prefix, in any host, with the same URLs.

::

    from flask_embed import Flask

    app = Flask(__name__)

    @app.route("/")
    def index():
        return "Hello World!"

The names below are imported when they are first used (PEP 562), so that a runner can patch the standard library
before anything else is loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup, escape
    from werkzeug.utils import secure_filename

    from flask_embed.app import Flask
    from flask_embed.ctx import current_app, g, has_request_context, request, session
    from flask_embed.files import send_file, send_from_directory
    from flask_embed.helpers import (
        abort,
        after_this_request,
        flash,
        get_flashed_messages,
        jsonify,
        make_response,
        redirect,
        refuse_cross_origin,
        stream_with_context,
        url_for,
    )
    from flask_embed.requests import Request
    from flask_embed.responses import Response
    from flask_embed.templating import render_template, render_template_string

__version__ = "0.1.0"

__all__ = [
    "Flask",
    "Markup",
    "Request",
    "Response",
    "abort",
    "after_this_request",
    "current_app",
    "escape",
    "flash",
    "g",
    "get_flashed_messages",
    "has_request_context",
    "jsonify",
    "make_response",
    "redirect",
    "refuse_cross_origin",
    "render_template",
    "render_template_string",
    "request",
    "secure_filename",
    "send_file",
    "send_from_directory",
    "session",
    "stream_with_context",
    "url_for",
]

_MODULES = {
    "flask_embed.app": ("Flask",),
    "flask_embed.ctx": ("current_app", "g", "has_request_context", "request", "session"),
    "flask_embed.files": ("send_file", "send_from_directory"),
    "flask_embed.helpers": (
        "abort",
        "after_this_request",
        "flash",
        "get_flashed_messages",
        "jsonify",
        "make_response",
        "redirect",
        "refuse_cross_origin",
        "stream_with_context",
        "url_for",
    ),
    "flask_embed.templating": ("render_template", "render_template_string"),
    "flask_embed.requests": ("Request",),
    "flask_embed.responses": ("Response",),
    "markupsafe": ("Markup", "escape"),
    "werkzeug.utils": ("secure_filename",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        instead: dict[str, str] = import_module("flask_embed.hints").MODULE
        if name in instead:  # an AttributeError would lose its text on the way to "from flask_embed import …"
            raise ImportError(f"flask_embed has no {name!r}: {instead[name]}", name=__name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
