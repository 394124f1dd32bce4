"""The smallest app with flask_embed, as a module that a runner imports."""

from __future__ import annotations

from flask_embed import Flask

app = Flask(__name__)


@app.route("/")
def hello() -> str:
    """The one page."""
    return "Hello World!"
