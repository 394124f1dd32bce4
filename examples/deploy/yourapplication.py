"""The app that the files beside this one put behind a web server."""

from __future__ import annotations

from flask_embed import Flask, request, url_for

app = Flask(__name__)


@app.route("/")
def index() -> dict[str, str]:
    """Where a web server has put the app, which is what one wants to see first."""
    return {"script_root": request.script_root, "path": request.path, "hello": url_for("hello", name="you")}


@app.route("/hello/<name>")
def hello(name: str) -> str:
    """A page below the first one."""
    return f"Hello {name}!"
