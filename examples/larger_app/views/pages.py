"""The pages around the guide: the front page, the one about it, and the one for errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException

from examples.larger_app import app
from examples.larger_app.catalogue import BIRDS, SIZES
from flask_embed import make_response, render_template

if TYPE_CHECKING:
    from flask_embed import Response


@app.route("/")
def home() -> str:
    """The front page, with a way to the birds of each size."""
    return render_template("home.html", count=len(BIRDS), sizes=SIZES)


@app.route("/about")
def about() -> str:
    """The page about the guide."""
    return render_template("about.html")


@app.errorhandler(HTTPException)
def show_error(error: HTTPException) -> Response:
    """The page for 404, 405 and their like: in the layout, with the status and headers that the error has."""
    response = make_response(error)
    response.data = render_template("error.html", error=error)
    return response
