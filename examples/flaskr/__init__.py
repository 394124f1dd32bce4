"""Flaskr: a blog with one author, in SQLite. ``python -m examples.flaskr`` serves it, README.md has the rest."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing

from werkzeug.exceptions import HTTPException
from werkzeug.security import check_password_hash, generate_password_hash

from flask_embed import (
    Flask,
    Response,
    abort,
    flash,
    g,
    make_response,
    redirect,
    refuse_cross_origin,
    render_template,
    request,
    session,
    url_for,
)

app = Flask(__name__)

#: the file with the entries
DATABASE = os.environ.get("FLASKR_DATABASE") or os.path.join(app.root_path, "flaskr.db")

#: who may write: everybody who has read this file, until you change it
USERNAME = "admin"
PASSWORD = "default"

#: What a log-in is compared with. A site keeps nothing but the hash, and not in its source: name it in
#: FLASKR_PASSWORD_HASH, and the password above counts no more.
PASSWORD_HASH = os.environ.get("FLASKR_PASSWORD_HASH") or generate_password_hash(PASSWORD)

# The key is enough to log in without the password, so it is in no file that is published. The random one
# is enough to try things out: a restart logs everybody out, and so does a second worker process, with its own key.
app.secret_key = os.environ.get("FLASKR_SECRET_KEY") or secrets.token_hex()


# The database


def connect_db() -> sqlite3.Connection:
    """A new connection to the database. While somebody else writes, it waits for up to ten seconds."""
    return sqlite3.connect(DATABASE, timeout=10)


def init_db() -> None:
    """Make the database anew, without entries: those that are in it are lost."""
    with closing(connect_db()) as db:
        db.execute("drop table if exists entries")
    ensure_db()


def ensure_db() -> None:
    """Make the database if it is missing; entries that are in it stay."""
    try:
        with closing(connect_db()) as db, app.open_resource("schema.sql", "r") as schema:
            db.executescript(schema.read())
    except sqlite3.OperationalError as error:
        error.add_note(f"The database is {DATABASE!r}; FLASKR_DATABASE names a file elsewhere.")
        raise


# Around each request


# Forms are taken from our own pages only: a page elsewhere must not post in the name of who is logged in (CSRF).
app.before_request(refuse_cross_origin)


@app.before_request
def open_database() -> None:
    """Give each request a connection of its own."""
    g.db = connect_db()


@app.teardown_request
def close_database(error: BaseException | None) -> None:
    """Close the connection, also when the request has failed; without one if it failed before there was one."""
    db = g.pop("db", None)
    if db is not None:
        db.close()


@app.after_request
def keep_private(response: Response) -> Response:
    """Let no cache keep a page that the author saw: after the log-out, the back button asks for it again."""
    if response.mimetype == "text/html" and session.get("logged_in"):
        response.headers["Cache-Control"] = "no-store"
    return response


@app.errorhandler(HTTPException)
def show_error(error: HTTPException) -> Response:
    """The page for 401, 404 and their like: in the layout, with the status and headers that the error has."""
    response = make_response(error)
    response.data = render_template("error.html", error=error)
    return response


# The pages


@app.route("/")
def show_entries() -> str:
    """All entries, the newest first, and the form for another one if the author is looking."""
    rows = g.db.execute("select title, text from entries order by id desc")
    entries = [{"title": title, "text": text} for title, text in rows]
    return render_template("show_entries.html", entries=entries)


@app.route("/add", methods=["POST"])
def add_entry() -> Response:
    """Store an entry; 401 for everybody but the author."""
    if not session.get("logged_in"):
        abort(401, "Only who is logged in can add entries.")
    with g.db:  # commits, or rolls back if something raises
        g.db.execute(
            "insert into entries (title, text) values (?, ?)",
            [request.form["title"], request.form["text"]],
        )
    flash("New entry was successfully posted")
    return redirect(url_for("show_entries"))


@app.route("/login", methods=["GET", "POST"])
def login() -> str | Response:
    """The form to log in with, and what it is sent to."""
    error = None
    if request.method == "POST":
        if request.form["username"] != USERNAME:
            error = "Invalid username"
        elif not check_password_hash(PASSWORD_HASH, request.form["password"]):
            error = "Invalid password"
        else:
            session.clear()  # nothing that somebody put there before the log-in outlives it
            session["logged_in"] = True
            flash("You were logged in")
            return redirect(url_for("show_entries"))
    return render_template("login.html", error=error)


@app.route("/logout")
def logout() -> Response:
    """Forget that the author is logged in."""
    session.pop("logged_in", None)
    flash("You were logged out")
    return redirect(url_for("show_entries"))
