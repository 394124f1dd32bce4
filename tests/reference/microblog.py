"""The app of the tutorial, in the pieces that its steps add; the chapter on testing tests it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.reference.project import Project

__all__ = ["HOOKS", "INIT_DB", "SCHEMA", "SETUP", "STYLE", "TEMPLATES", "VIEWS", "write_microblog"]

SCHEMA = """
    drop table if exists entries;
    create table entries (
      id integer primary key autoincrement,
      title string not null,
      text string not null
    );
"""

SETUP = """
    import os
    import sqlite3
    from contextlib import closing

    from flask_embed import Flask, abort, flash, g, redirect, render_template, request, session, url_for

    DATABASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flaskr.db")
    DEBUG = True
    SECRET_KEY = "development key"
    USERNAME = "admin"
    PASSWORD = "default"

    app = Flask(__name__)
    app.secret_key = SECRET_KEY
    app.debug = DEBUG

    def connect_db():
        return sqlite3.connect(DATABASE)

"""

INIT_DB = """
    def init_db():
        with closing(connect_db()) as db, app.open_resource("schema.sql", "r") as f:
            db.executescript(f.read())
            db.commit()

"""

HOOKS = """
    @app.before_request
    def before_request():
        g.db = connect_db()

    @app.after_request
    def after_request(response):
        g.db.close()
        return response

"""

VIEWS = """
    @app.route("/")
    def show_entries():
        rows = g.db.execute("select title, text from entries order by id desc")
        entries = [{"title": title, "text": text} for title, text in rows]
        return render_template("show_entries.html", entries=entries)

    @app.route("/add", methods=["POST"])
    def add_entry():
        if not session.get("logged_in"):
            abort(401)
        values = request.form["title"], request.form["text"]
        g.db.execute("insert into entries (title, text) values (?, ?)", values)
        g.db.commit()
        flash("New entry was successfully posted")
        return redirect(url_for("show_entries"))

    @app.route("/login", methods=["GET", "POST"])
    def login():
        error = None
        if request.method == "POST":
            if request.form["username"] != USERNAME:
                error = "Invalid username"
            elif request.form["password"] != PASSWORD:
                error = "Invalid password"
            else:
                session["logged_in"] = True
                flash("You were logged in")
                return redirect(url_for("show_entries"))
        return render_template("login.html", error=error)

    @app.route("/logout")
    def logout():
        session.pop("logged_in", None)
        flash("You were logged out")
        return redirect(url_for("show_entries"))

"""

TEMPLATES = {
    "layout.html": """
        <!doctype html>
        <title>Flaskr</title>
        <link rel="stylesheet" href="{{ url_for('static', filename='style.css') }}">
        <nav>
        {% if not session.logged_in %}
          <a href="{{ url_for('login') }}">log in</a>
        {% else %}
          <a href="{{ url_for('logout') }}">log out</a>
        {% endif %}
        </nav>
        {% for message in get_flashed_messages() %}
        <p class="flash">{{ message }}</p>
        {% endfor %}
        {% block body %}{% endblock %}
    """,
    "show_entries.html": """
        {% extends "layout.html" %}
        {% block body %}
        {% if session.logged_in %}
        <form action="{{ url_for('add_entry') }}" method="post">
          <input name="title">
          <textarea name="text"></textarea>
          <button>Share</button>
        </form>
        {% endif %}
        <ul>
        {% for entry in entries %}
          <li><h2>{{ entry.title }}</h2> {{ entry.text|safe }}
        {% else %}
          <li>No entries here so far
        {% endfor %}
        </ul>
        {% endblock %}
    """,
    "login.html": """
        {% extends "layout.html" %}
        {% block body %}
        {% if error %}<p class="error">{{ error }}</p>{% endif %}
        <form action="{{ url_for('login') }}" method="post">
          <input name="username">
          <input name="password" type="password">
          <button>Login</button>
        </form>
        {% endblock %}
    """,
}

STYLE = """
    .flash { background: #cee5f5 }
    .error { background: #f0d6d6 }
"""


def write_microblog(project: Project, *steps: str) -> None:
    """Write *flaskr.py* out of its pieces, all of them unless *steps* says which, with its other files."""
    project.write("flaskr.py", *(steps or (SETUP, INIT_DB, HOOKS, VIEWS)))
    project.write("schema.sql", SCHEMA)
    project.write("static/style.css", STYLE)
    for name, template in TEMPLATES.items():
        project.write(f"templates/{name}", template)
