"""MiniTwit: short messages by many people, who follow each other. ``python -m examples.minitwit`` serves it.

README.md has the rest.
"""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

app = Flask(__name__)

#: the file with users and messages
DATABASE = os.environ.get("MINITWIT_DATABASE") or os.path.join(app.root_path, "minitwit.db")

# The key is enough to log in as any user, so it is in no file that is published. The random one is enough to
# try things out: a restart logs everybody out, and a second worker process would have another key.
app.secret_key = os.environ.get("MINITWIT_SECRET_KEY") or secrets.token_hex()

#: the most bytes of a form: none here has a file
app.max_content_length = 16 * 1024

#: messages on a page of a timeline
PER_PAGE = 30

#: characters that a message may have
LONGEST_MESSAGE = 160

#: characters that a password must have
SHORTEST_PASSWORD = 8

#: how passwords are hashed: slow and hungry for memory, so that a stolen database gives away few of them
HASH_METHOD = "scrypt"

USERNAME = re.compile(r"[A-Za-z0-9_]{1,20}", re.ASCII)

#: the largest id that SQLite can hold
LAST_ID = 2**63 - 1

#: Scripts, styles and forms of this site only: markup that somebody smuggles in would not run.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


# The database


def connect_db() -> sqlite3.Connection:
    """A new connection, whose rows are read by name. While somebody else writes, it waits for up to ten seconds."""
    db = sqlite3.connect(DATABASE, timeout=10)
    db.row_factory = sqlite3.Row
    db.execute("pragma foreign_keys = on")
    return db


def init_db() -> None:
    """Make the tables if they are missing; users and messages that are there stay."""
    with closing(connect_db()) as db:
        run_script(db, "schema.sql")


def invite_guests() -> None:
    """Give an empty site a few users without passwords, with messages to read."""
    with closing(connect_db()) as db:
        if db.execute("select 1 from user limit 1").fetchone() is None:
            with suppress(sqlite3.IntegrityError):  # another process has invited them since we looked
                run_script(db, "guests.sql")


def run_script(db: sqlite3.Connection, name: str) -> None:
    """Run a file of statements that stands beside this one."""
    with app.open_resource(name, "r") as script:
        db.executescript(script.read())


def get_db() -> sqlite3.Connection:
    """The connection of this request, opened when it is first asked for."""
    if "db" not in g:
        g.db = connect_db()
    db: sqlite3.Connection = g.db
    return db


def query_db(query: str, args: Sequence[object] | Mapping[str, object] = (), one: bool = False) -> Any:
    """The rows of a query; with *one* the first of them, or None without a row."""
    with closing(get_db().execute(query, args)) as cursor:
        return cursor.fetchone() if one else cursor.fetchall()


def change_db(statement: str, args: Sequence[object]) -> int:
    """Run a statement that changes something, and commit it; the id of the row if it was an insert."""
    with get_db() as db:
        return db.execute(statement, args).lastrowid or 0


# Around each request

# Forms are taken from our own pages only: a page elsewhere must not write in the name of who is logged in (CSRF).
app.before_request(refuse_cross_origin)


@app.after_request
def guard_pages(response: Response) -> Response:
    """Let pages load nothing from elsewhere, and no cache keep what somebody saw who was logged in."""
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        if "user_id" in session:
            response.headers["Cache-Control"] = "no-store"
    return response


@app.teardown_request
def close_db(error: BaseException | None) -> None:
    """Close the connection if there is one, also when the request has failed."""
    db = g.pop("db", None)
    if db is not None:
        db.close()


@app.errorhandler(HTTPException)
def show_error(error: HTTPException) -> Response:
    """The page for 401, 404 and their like: in the layout, with the status and headers that the error has."""
    response = make_response(error)
    response.data = render_template("error.html", error=error)
    return response


# Users


def current_user() -> Any:
    """The row of who is logged in, or None; looked up once in a request."""
    if "user" not in g:
        user_id = session.get("user_id")
        g.user = user_id and query_db("select * from user where id = ?", [user_id], one=True)
    return g.user


def logged_in_user() -> Any:
    """The row of the user who is logged in; 401 without one."""
    return current_user() or abort(401, "You have to be logged in for that.")


def user_named(username: str) -> Any:
    """The row of the user of that name, in upper or lower case; 404 for an unknown name."""
    user = query_db("select * from user where username = ?", [username], one=True)
    return user or abort(404, "Nobody here has that name.")


def log_in(user_id: int, greeting: str) -> Response:
    """Remember who this is, and show what the people write whom they follow."""
    session.clear()  # nothing that somebody put there before the log-in outlives it
    session["user_id"] = user_id
    flash(greeting)
    return redirect(url_for("timeline"))


def form_text(name: str) -> str:
    """The text of a field, with one character for each end of a line."""
    return request.form[name].replace("\r\n", "\n")


@app.context_processor
def for_templates() -> dict[str, Any]:
    """The variables of every page."""
    return {"user": current_user(), "longest_message": LONGEST_MESSAGE, "shortest_password": SHORTEST_PASSWORD}


@app.route("/register", methods=["GET", "POST"])
def register() -> str | Response | tuple[str, int]:
    """The form that makes a user, and what it is sent to."""
    if request.method != "POST":
        return render_template("register.html", errors={})
    username, password = form_text("username").strip(), form_text("password")
    errors = faults(username, password, form_text("password2"))
    if not errors:
        password_hash = generate_password_hash(password, HASH_METHOD)
        try:
            user_id = change_db("insert into user (username, password_hash) values (?, ?)", [username, password_hash])
        except sqlite3.IntegrityError:  # the table takes each name once, also when two want it at once
            errors["username"] = f"There is somebody called {username} already."
        else:
            return log_in(user_id, f"Welcome, {username}!")
    return render_template("register.html", errors=errors), 400


def faults(username: str, password: str, password2: str) -> dict[str, str]:
    """The faults of a registration form, by field; empty without faults."""
    errors = {}
    if not USERNAME.fullmatch(username):
        errors["username"] = "A username has 1 to 20 letters from a to z, digits and underscores."
    if len(password) < SHORTEST_PASSWORD:
        errors["password"] = f"A password has at least {SHORTEST_PASSWORD} characters."
    elif password != password2:
        errors["password2"] = "The two passwords differ."
    return errors


@app.route("/login", methods=["GET", "POST"])
def login() -> str | Response | tuple[str, int]:
    """The form to log in with, and what it is sent to."""
    if request.method != "POST":
        return render_template("login.html")
    user = query_db("select * from user where username = ?", [form_text("username").strip()], one=True)
    if user is None or not check_password_hash(user["password_hash"], form_text("password")):
        return render_template("login.html", error="There is nobody with this name and password."), 400
    return log_in(user["id"], f"Hello again, {user['username']}.")


@app.route("/logout", methods=["POST"])
def logout() -> Response:
    """Forget who this is."""
    session.clear()
    flash("You are logged out.")
    return redirect(url_for("public_timeline"))


@app.route("/user/<username>/follow", methods=["POST"])
def follow_user(username: str) -> Response:
    """Put what somebody writes on one's own timeline."""
    me, whom = logged_in_user(), user_named(username)
    if me["id"] == whom["id"]:
        abort(400, "Your own messages are on your timeline anyway.")
    change_db("insert or ignore into follower (who_id, whom_id) values (?, ?)", [me["id"], whom["id"]])
    flash(f"You follow {whom['username']} now.")
    return redirect(url_for("user_timeline", username=whom["username"]))


@app.route("/user/<username>/unfollow", methods=["POST"])
def unfollow_user(username: str) -> Response:
    """Take it off again."""
    me, whom = logged_in_user(), user_named(username)
    change_db("delete from follower where who_id = ? and whom_id = ?", [me["id"], whom["id"]])
    flash(f"You no longer follow {whom['username']}.")
    return redirect(url_for("user_timeline", username=whom["username"]))


# Messages

PUBLIC = "select * from timeline where id < :before order by id desc limit :limit"

OF_USER = "select * from timeline where author_id = :user_id and id < :before order by id desc limit :limit"

FOR_USER = """
    select * from timeline
    where (author_id = :user_id or author_id in (select whom_id from follower where who_id = :user_id))
        and id < :before
    order by id desc limit :limit
"""

PROFILE = """
    select username,
        (select count(*) from message where author_id = :user_id) as messages,
        (select count(*) from follower where who_id = :user_id) as follows,
        (select count(*) from follower where whom_id = :user_id) as followers,
        exists (select 1 from follower where who_id = :viewer_id and whom_id = :user_id) as followed
    from user where id = :user_id
"""


@app.route("/")
def timeline() -> str | Response:
    """One's own messages and those of whom one follows; the public timeline for who is not logged in."""
    user = current_user()
    if user is None:
        return redirect(url_for("public_timeline"))
    return show_timeline("My timeline", FOR_USER, user["id"])


@app.route("/public")
def public_timeline() -> str:
    """The messages of everybody."""
    return show_timeline("Public timeline", PUBLIC)


# Below /user/, so that a user may be called "login".
@app.route("/user/<username>")
def user_timeline(username: str) -> str:
    """The messages of one user."""
    author, viewer = user_named(username), current_user()
    ids = {"user_id": author["id"], "viewer_id": viewer and viewer["id"]}
    return show_timeline(author["username"], OF_USER, author["id"], profile=query_db(PROFILE, ids, one=True))


def show_timeline(heading: str, query: str, user_id: int | None = None, **context: Any) -> str:
    """A page of messages, the newest first, with a link to the page of older ones if there are any."""
    before = request.args.get("before", LAST_ID, type=row_id)
    # One row more than a page shows is there if another page follows.
    messages = query_db(query, {"user_id": user_id, "before": before, "limit": PER_PAGE + 1})
    older = messages[PER_PAGE - 1]["id"] if len(messages) > PER_PAGE else None
    context.update(heading=heading, messages=messages[:PER_PAGE], older=older, first_page=before == LAST_ID)
    return render_template("timeline.html", **context)


def row_id(text: str) -> int:
    """The id in a URL; ValueError if it is malformed."""
    number = int(text)
    if not 0 <= number <= LAST_ID:
        raise ValueError(f"{text!r} is not an id")
    return number


@app.route("/message", methods=["POST"])
def add_message() -> Response | tuple[str, int]:
    """Publish a message of who is logged in."""
    user = logged_in_user()
    text = form_text("text").strip()
    if not text:
        return render_template("message.html", text=text, error="A message has at least one character."), 400
    if len(text) > LONGEST_MESSAGE:
        error = f"That has {len(text)} characters; a message has up to {LONGEST_MESSAGE}."
        return render_template("message.html", text=text, error=error), 400
    change_db("insert into message (author_id, text) values (?, ?)", [user["id"], text])
    flash("Your message is out.")
    return redirect(url_for("timeline"))


def moment(timestamp: int, form: str) -> str:
    """Seconds since 1970 as text, in UTC, in a form of strftime."""
    return datetime.fromtimestamp(timestamp, UTC).strftime(form)


app.jinja_env.filters["moment"] = moment
