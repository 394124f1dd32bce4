"""All examples below one app: a page that lists them, and each mounted below its prefix.

``python -m flask_embed.gevent examples.portal:app`` serves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from examples import flaskr
from flask_embed import Flask, render_template, url_for
from flask_embed.middleware import DispatcherMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Example(NamedTuple):
    """An app that the portal mounts, and what its page says about it."""

    name: str
    prefix: str
    app: WSGIApplication
    about: str
    #: a path in the app that shows something, for the table of what a mounted app sees
    path: str = "/"
    #: how to log in, if one can: written out, so that a password that was changed does not appear here
    login: str = ""


#: what is mounted, in the order of the page; another example is another line
EXAMPLES = (
    Example(
        "Flaskr",
        "/flaskr",
        flaskr.app,
        "A blog with one author: log in, write an entry, log out. SQLite, forms, sessions and messages.",
        path="/login",
        login="admin / default",
    ),
)

flaskr.ensure_db()

site = Flask(__name__)


@site.route("/")
def index() -> str:
    """The page that lists the examples."""
    root = url_for("index").removesuffix("/")  # "", or where the portal itself is mounted
    return render_template("portal/index.html", examples=EXAMPLES, root=root)


@site.errorhandler(404)
def not_found() -> tuple[str, int]:
    """The page for an address that is nobody's."""
    return render_template("portal/not_found.html"), 404


app = DispatcherMiddleware(site, {example.prefix: example.app for example in EXAMPLES})
