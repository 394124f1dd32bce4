"""Middleware: three layers around an app, and a page that shows what they do.

``python -m examples.middleware`` serves it, README.md has the rest.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException

from examples.middleware.middleware import Recorder, RequestID, SecurityHeaders
from flask_embed import Flask, make_response, render_template, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask_embed import Response

app = Flask(__name__)

# Each line puts a layer around what is there already, so the last one is the outermost: it sees a request first and
# the answer last. The recorder is outside, to measure the others too and to see the bytes as they leave. Which of the
# other two comes first is all the same: neither looks at what the other one does.
app.wsgi_app = RequestID(app.wsgi_app)  # type: ignore[method-assign]
app.wsgi_app = SecurityHeaders(app.wsgi_app)  # type: ignore[method-assign]
app.wsgi_app = recorder = Recorder(app.wsgi_app)  # type: ignore[method-assign]

#: how many lines the slow page has, and the seconds between them
LINES = 5
PAUSE = 0.15


@app.route("/")
def index() -> str:
    """The id of this request, and the requests before it."""
    return render_template("index.html", request_id=request.headers["X-Request-ID"], records=recorder.records())


@app.route("/slow")
def slow() -> Iterator[str]:
    """A page that is sent line by line, while it is made."""
    return app.jinja_env.get_template("slow.html").generate(lines=slowly())


def slowly() -> Iterator[int]:
    """The numbers of the lines, each after a pause."""
    for number in range(1, LINES + 1):
        sleep(PAUSE)
        yield number


@app.route("/broken")
def broken() -> str:
    """A view that fails."""
    raise RuntimeError("This view raises, to show what is recorded then.")


@app.errorhandler(HTTPException)
def show_error(error: HTTPException) -> Response:
    """The page for 404, 405 and their like: in the layout, with the status and headers that the error has."""
    response = make_response(error)
    response.data = render_template("error.html", error=error)
    return response


@app.errorhandler(500)
def show_failure() -> tuple[str, int]:
    """The page for a view that failed, without details; the log has the traceback."""
    return render_template("failure.html"), 500
