"""All examples below one app: a page that lists them, and each mounted below its prefix.

``python -m flask_embed.gevent examples.portal:app`` serves it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from examples import flaskr, larger_app, middleware, minitwit, sqlite_patterns, uploads
from flask_embed import Flask, render_template, url_for
from flask_embed.middleware import DispatcherMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication


class Example(NamedTuple):
    """An app that the portal mounts, and what its page says about it."""

    name: str
    prefix: str
    app: WSGIApplication
    about: str
    #: what makes its database if there is none
    prepare: Callable[[], None] | None = None
    #: a path in the app that shows something, for the table of what a mounted app sees
    path: str = ""
    #: how to log in, if one can: written out, so that a password that was changed does not appear here
    login: str = ""


#: what is mounted, in the order of the page; another example is another entry
EXAMPLES = [
    Example(
        "Flaskr",
        "/flaskr",
        flaskr.app,
        "A blog with one author: log in, write an entry, log out.",
        flaskr.ensure_db,
        path="/login",
        login="admin / default",
    ),
    Example(
        "MiniTwit",
        "/minitwit",
        minitwit.app,
        "Short messages by many people, who follow each other. Register, and be one of them.",
        minitwit.init_db,
        path="/public",
    ),
    Example(
        "Uploads",
        "/uploads",
        uploads.app,
        "Send files with a progress bar, and fetch them whole or in part.",
    ),
    Example(
        "Larger app",
        "/larger_app",
        larger_app.app,
        "A field guide to birds, as a package with its views in modules.",
    ),
    Example(
        "Middleware",
        "/middleware",
        middleware.app,
        "An app that wraps itself, and shows what its middleware saw.",
    ),
    Example(
        "SQLite patterns",
        "/sqlite_patterns",
        sqlite_patterns.app,
        "A to-do list: one connection per request, rows by name.",
        sqlite_patterns.init_db,
    ),
]

#: Whether SQLAlchemy is installed, which flask_embed does without.
HAS_SQLALCHEMY = find_spec("sqlalchemy") is not None

if HAS_SQLALCHEMY:
    from examples import sqlalchemy_classical, sqlalchemy_core, sqlalchemy_declarative
    from examples.sqlalchemy_classical import database as expenses
    from examples.sqlalchemy_core import database as polls
    from examples.sqlalchemy_declarative import database as library

    EXAMPLES += [
        Example(
            "SQLAlchemy, declarative",
            "/sqlalchemy_declarative",
            sqlalchemy_declarative.app,
            "A library: classes that are tables.",
            library.init_db,
        ),
        Example(
            "SQLAlchemy, classical",
            "/sqlalchemy_classical",
            sqlalchemy_classical.app,
            "Shared expenses: plain classes, mapped by hand.",
            expenses.init_db,
        ),
        Example(
            "SQLAlchemy, core",
            "/sqlalchemy_core",
            sqlalchemy_core.app,
            "A poll: the SQL layer without the mapper.",
            polls.init_db,
        ),
    ]

for example in EXAMPLES:
    if example.prepare is not None:
        example.prepare()
minitwit.invite_guests()

site = Flask(__name__)


@site.route("/")
def index() -> str:
    """The page that lists the examples."""
    root = url_for("index").removesuffix("/")  # "", or where the portal itself is mounted
    return render_template("portal/index.html", examples=EXAMPLES, root=root, has_sqlalchemy=HAS_SQLALCHEMY)


@site.errorhandler(404)
def not_found() -> tuple[str, int]:
    """The page for an address that is nobody's."""
    return render_template("portal/not_found.html"), 404


app = DispatcherMiddleware(site, {example.prefix: example.app for example in EXAMPLES})
