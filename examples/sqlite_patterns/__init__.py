"""A to-do list in SQLite: ``init_db``, ``query_db`` and one connection for each request.

``python -m examples.sqlite_patterns`` serves it, README.md has the rest.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from flask_embed import Flask, Response, abort, g, redirect, refuse_cross_origin, render_template, request, url_for

if TYPE_CHECKING:
    from collections.abc import Sequence

app = Flask(__name__)

#: the file with the tasks
DATABASE = os.environ.get("TODO_DATABASE") or os.path.join(app.root_path, "todo.db")

#: characters that a task may have
LONGEST = 200

#: an id in a path: SQLite has none that is larger, and fails when it is asked for one
ID = f"int(max={2**63 - 1})"


# The patterns


def connect_db() -> sqlite3.Connection:
    """A new connection, whose rows are read by name. While somebody else writes, it waits for up to ten seconds."""
    db = sqlite3.connect(DATABASE, timeout=10)
    db.row_factory = sqlite3.Row
    return db


def init_db() -> None:
    """Make the tables if they are missing; what is in them stays."""
    with closing(connect_db()) as db, app.open_resource("schema.sql", "r") as schema:
        db.executescript(schema.read())


def get_db() -> sqlite3.Connection:
    """The connection of this request, opened when it is first asked for: a stylesheet costs none."""
    if "db" not in g:
        g.db = connect_db()
    db: sqlite3.Connection = g.db
    return db


@app.teardown_request
def close_db(error: BaseException | None) -> None:
    """Close the connection if there is one, also when the request has failed."""
    db = g.pop("db", None)
    if db is not None:
        db.close()


def query_db(query: str, args: Sequence[object] = (), one: bool = False) -> Any:
    """The rows of a query; with *one* the first of them, or None without a row.

    Values go into *args*, with a question mark in the query for each; never into the text of the query.
    """
    with closing(get_db().execute(query, args)) as cursor:
        return cursor.fetchone() if one else cursor.fetchall()


def change_db(statement: str, args: Sequence[object] = ()) -> None:
    """Run a statement that changes something, and commit it; nothing is changed if it fails."""
    with get_db() as db:
        db.execute(statement, args)


# The list

# Forms are taken from our own pages only: a page elsewhere must not change the list (CSRF).
app.before_request(refuse_cross_origin)


@app.route("/")
def show_tasks(error: str = "", typed: str = "") -> str:
    """The tasks, open ones first, and the form for another one; with what was wrong with the last one sent."""
    tasks = query_db("select id, title, done from tasks order by done, id desc")
    return render_template("tasks.html", tasks=tasks, error=error, typed=typed)


@app.route("/tasks", methods=["POST"])
def add_task() -> Response | tuple[str, int]:
    """Put a task on the list."""
    title = request.form["title"].strip()
    if error := fault(title):
        return show_tasks(error, title), 400
    change_db("insert into tasks (title) values (?)", [title])
    return redirect(url_for("show_tasks"))


@app.route(f"/tasks/<{ID}:task_id>", methods=["GET", "POST"])
def edit_task(task_id: int) -> str | Response | tuple[str, int]:
    """The form that words a task anew, and what it is sent to."""
    task = query_db("select id, title from tasks where id = ?", [task_id], one=True)
    if task is None:
        abort(404, "There is no such task: somebody may have removed it.")
    if request.method != "POST":
        return render_template("task.html", task=task, typed=task["title"])
    title = request.form["title"].strip()
    if error := fault(title):
        return render_template("task.html", task=task, typed=title, error=error), 400
    change_db("update tasks set title = ? where id = ?", [title, task_id])
    return redirect(url_for("show_tasks"))


@app.route(f"/tasks/<{ID}:task_id>/done", methods=["POST"])
def tick_task(task_id: int) -> Response:
    """Mark a task as done, or as open again: as the form says, so that sending it twice does no harm."""
    change_db("update tasks set done = ? where id = ?", [request.form["done"] == "yes", task_id])
    return redirect(url_for("show_tasks"))


@app.route(f"/tasks/<{ID}:task_id>/remove", methods=["POST"])
def remove_task(task_id: int) -> Response:
    """Take a task off the list."""
    change_db("delete from tasks where id = ?", [task_id])
    return redirect(url_for("show_tasks"))


def fault(title: str) -> str:
    """The fault of the title of a task; empty without a fault."""
    if not title:
        return "Write what there is to do."
    if len(title) > LONGEST:
        return f"That is {len(title)} characters long; a task has up to {LONGEST}."
    return ""
