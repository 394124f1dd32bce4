"""The smallest app with Flask, as a module that a runner imports, and a CGI script when it is run itself."""

from __future__ import annotations

from wsgiref.handlers import CGIHandler

from flask import Flask

app = Flask(__name__)


@app.route("/")
def hello() -> str:
    """The one page."""
    return "Hello World!"


if __name__ == "__main__":
    CGIHandler().run(app)
