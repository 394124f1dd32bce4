"""The chapter Patterns: packages, SQLite, SQLAlchemy, template inheritance and flashing."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.reference.servers import fetch, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.project import Project

# Larger Applications

SINGLE = """
    from flask_embed import Flask, render_template

    app = Flask(__name__)

    @app.route("/")
    def index():
        return render_template("index.html")
"""

PACKAGE = """
    from flask_embed import Flask

    app = Flask(__name__)

    import yourapplication.views
"""

PACKAGE_VIEWS = """
    from flask_embed import render_template
    from yourapplication import app

    @app.route("/")
    def index():
        return render_template("index.html")
"""


@pytest.mark.section("Patterns / Larger Applications")
@pytest.mark.parametrize(
    ("folder", "sources"),
    [
        ("", {"yourapplication.py": SINGLE}),
        ("yourapplication/", {"yourapplication/__init__.py": SINGLE}),
        (
            "yourapplication/",
            {"yourapplication/__init__.py": PACKAGE, "yourapplication/views.py": PACKAGE_VIEWS},
        ),
    ],
    ids=["module", "package", "package with views"],
)
def test_a_module_becomes_a_package_without_a_change_for_its_users(
    project: Project, folder: str, sources: dict[str, str]
) -> None:
    for name, source in sources.items():
        project.write(name, source)
    project.write(f"{folder}static/style.css", "h1 {}")
    project.write(f"{folder}templates/index.html", "<h1>Hello World!</h1>")

    client = project.load("yourapplication").app.test_client()

    assert client.get("/").text == "<h1>Hello World!</h1>"
    assert client.get("/static/style.css").text == "h1 {}"


@pytest.mark.section("Patterns / Larger Applications")
def test_runserver_serves_the_package_in_debug_mode(project: Project) -> None:
    project.write("yourapplication/__init__.py", PACKAGE)
    project.write("yourapplication/views.py", PACKAGE_VIEWS)
    project.write("yourapplication/templates/index.html", "Hello World!")
    project.write("runserver.py", "from yourapplication import app\napp.run(port=0, debug=True)\n")

    with running([sys.executable, "runserver.py"], project.folder) as server:
        port = server.wait_for(r"Running on http://\S+:(\d+)")[1]
        server.wait_for("Debugger is active")
        answer = fetch(port)

    assert (answer.status, answer.text) == (200, "Hello World!")


@pytest.mark.section("Patterns / Circular Imports")
@pytest.mark.parametrize("first", ["yourapplication", "yourapplication.views"])
def test_the_views_and_the_package_import_each_other(project: Project, first: str) -> None:
    project.write("yourapplication/__init__.py", PACKAGE)
    project.write("yourapplication/views.py", PACKAGE_VIEWS)
    project.write("yourapplication/templates/index.html", "Hello World!")

    app = project.load(first).app

    assert app is project.load("yourapplication").app
    assert app.test_client().get("/").text == "Hello World!"


# Using SQLite 3 with Flask

SQLITE = """
    import os
    import sqlite3
    from contextlib import closing

    from flask_embed import Flask, g, request

    app = Flask(__name__)
    DATABASE = os.path.join(app.root_path, "database.db")

    def connect_db():
        return sqlite3.connect(DATABASE)

    def init_db():
        with closing(connect_db()) as db:
            with app.open_resource("schema.sql", "r") as f:
                db.cursor().executescript(f.read())
            db.commit()

    def query_db(query, args=(), one=False):
        cursor = g.db.execute(query, args)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        return (rows[0] if rows else None) if one else rows

    @app.before_request
    def before_request():
        g.db = connect_db()

    @app.after_request
    def after_request(response):
        g.db.close()
        return response

    @app.route("/")
    def users():
        found = query_db("select * from users order by user_id")
        return "\\n".join(f"{user['username']} has the id {user['user_id']}" for user in found)

    @app.route("/find")
    def find():
        name = request.args["name"]
        user = query_db("select * from users where username = ?", [name], one=True)
        if user is None:
            return "No such user"
        return f"{name} has the id {user['user_id']}"

    connections = []

    @app.route("/connection")
    def connection():
        connections.append(g.db)
        return "open" if g.db.execute("select 1").fetchone() else "closed"
"""

USERS = """
    drop table if exists users;
    create table users (
      user_id integer primary key,
      username text not null
    );
    insert into users (username) values ('ada');
    insert into users (username) values ('bob');
"""


@pytest.fixture
def sqlite_app(project: Project) -> Any:
    """A module that follows the pattern, with two users in its database."""
    project.write("yourapplication.py", SQLITE)
    project.write("schema.sql", USERS)
    module = project.load("yourapplication")
    module.init_db()
    return module


@pytest.mark.section("Patterns / Using SQLite 3 with Flask")
def test_the_connection_is_open_in_the_request_and_closed_after_it(sqlite_app: Any) -> None:
    client = sqlite_app.app.test_client()

    texts = [client.get("/connection").text, client.get("/connection").text]

    first, second = sqlite_app.connections
    assert texts == ["open", "open"]
    assert first is not second
    for connection in (first, second):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("select 1")


@pytest.mark.section("Patterns / Easy Querying")
def test_query_db_returns_each_row_as_a_dict(sqlite_app: Any) -> None:
    response = sqlite_app.app.test_client().get("/")

    assert response.text == "ada has the id 1\nbob has the id 2"


@pytest.mark.section("Patterns / Easy Querying")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("bob", "bob has the id 2"), ("eve", "No such user"), ("' or '1'='1", "No such user")],
)
def test_query_db_returns_one_row_or_none(sqlite_app: Any, name: str, expected: str) -> None:
    response = sqlite_app.app.test_client().get("/find", query_string={"name": name})

    assert response.text == expected


@pytest.mark.section("Patterns / Initial Schemas")
def test_init_db_makes_the_database_anew(sqlite_app: Any) -> None:
    with closing(sqlite_app.connect_db()) as db:
        db.execute("delete from users")
        db.commit()
    client = sqlite_app.app.test_client()

    before = client.get("/").text
    sqlite_app.init_db()
    after = client.get("/").text

    assert before == ""
    assert after == "ada has the id 1\nbob has the id 2"


# SQLAlchemy in Flask

DATABASE = """
    import os

    from sqlalchemy import create_engine
    from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

    path = os.path.join(os.path.dirname(__file__), "test.db")
    engine = create_engine(f"sqlite:///{path}")
    db_session = scoped_session(sessionmaker(autocommit=False, autoflush=False, bind=engine))

    Base = declarative_base()
    Base.query = db_session.query_property()

    def init_db():
        import yourapplication.models
        Base.metadata.create_all(bind=engine)
"""

MODELS = """
    from sqlalchemy import Column, Integer, String
    from yourapplication.database import Base

    class User(Base):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)
        name = Column(String(50), unique=True)
        email = Column(String(120), unique=True)

        def __init__(self, name=None, email=None):
            self.name = name
            self.email = email

        def __repr__(self):
            return f"<User {self.name!r}>"
"""

DECLARATIVE_APP = """
    from flask_embed import Flask, request
    from yourapplication.database import db_session
    from yourapplication.models import User

    app = Flask(__name__)

    @app.after_request
    def shutdown_session(response):
        db_session.remove()
        return response

    @app.route("/")
    def index():
        return repr(User.query.order_by(User.id).all())

    @app.route("/add", methods=["POST"])
    def add():
        db_session.add(User(request.form["name"], request.form["email"]))
        db_session.commit()
        return "added"

    @app.route("/forget", methods=["POST"])
    def forget():
        db_session.add(User(request.form["name"], request.form["email"]))
        db_session.flush()
        return repr(User.query.order_by(User.id).all())
"""


@pytest.fixture
def declarative(project: Project) -> Iterator[Project]:
    """A package with the three modules of the pattern, and an empty database."""
    project.write("yourapplication/__init__.py", DECLARATIVE_APP)
    project.write("yourapplication/database.py", DATABASE)
    project.write("yourapplication/models.py", MODELS)
    database = project.load("yourapplication.database")
    database.init_db()
    yield project
    database.db_session.remove()
    database.engine.dispose()


@pytest.mark.section("Patterns / SQLAlchemy in Flask / Declarative")
def test_entries_are_inserted_and_queried(declarative: Project) -> None:
    db_session = declarative.load("yourapplication.database").db_session
    user_class = declarative.load("yourapplication.models").User

    db_session.add(user_class("admin", "admin@localhost"))
    db_session.commit()

    assert repr(user_class.query.all()) == "[<User 'admin'>]"
    assert repr(user_class.query.filter(user_class.name == "admin").first()) == "<User 'admin'>"
    assert user_class.query.filter(user_class.name == "nobody").first() is None


@pytest.mark.section("Patterns / SQLAlchemy in Flask / Declarative")
def test_the_session_is_removed_at_the_end_of_each_request(declarative: Project) -> None:
    db_session = declarative.load("yourapplication.database").db_session
    client = declarative.load("yourapplication").app.test_client()

    client.post("/add", data={"name": "ada", "email": "ada@localhost"})
    uncommitted = client.post("/forget", data={"name": "bob", "email": "bob@localhost"})
    left = db_session.registry.has()
    page = client.get("/")

    assert uncommitted.text == "[<User 'ada'>, <User 'bob'>]"
    assert left is False
    assert page.text == "[<User 'ada'>]"


@pytest.mark.section("Patterns / SQLAlchemy in Flask / Manual Object Relational Mapping")
def test_classes_are_mapped_to_tables_by_hand(project: Project) -> None:
    project.write(
        "yourapplication.py",
        """
        from flask_embed import Flask
        from sqlalchemy import Column, Integer, String, Table, create_engine
        from sqlalchemy.orm import registry, scoped_session, sessionmaker

        engine = create_engine("sqlite://")
        db_session = scoped_session(sessionmaker(bind=engine))
        mappers = registry()
        users = Table(
            "users",
            mappers.metadata,
            Column("id", Integer, primary_key=True),
            Column("name", String(50), unique=True),
        )

        class User:
            query = db_session.query_property()

            def __init__(self, name):
                self.name = name

        mappers.map_imperatively(User, users)
        app = Flask(__name__)

        @app.after_request
        def shutdown_session(response):
            db_session.remove()
            return response

        @app.post("/<name>")
        def add(name):
            db_session.add(User(name))
            db_session.commit()
            return "added"

        @app.route("/")
        def names():
            return [user.name for user in User.query.order_by(User.id)]
        """,
    )
    module = project.load("yourapplication")
    with closing(module.engine.connect()) as connection:
        module.mappers.metadata.create_all(bind=connection)
        connection.commit()
    client = module.app.test_client()

    client.post("/ada")
    client.post("/bob")
    names = client.get("/").json
    module.engine.dispose()

    assert names == ["ada", "bob"]


@pytest.mark.section("Patterns / SQLAlchemy in Flask / SQL Abstraction Layer")
def test_tables_are_used_without_classes(project: Project) -> None:
    project.write(
        "yourapplication.py",
        """
        from flask_embed import Flask, g
        from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select

        engine = create_engine("sqlite://")
        metadata = MetaData()
        users = Table(
            "users", metadata, Column("id", Integer, primary_key=True), Column("name", String(50), unique=True)
        )
        app = Flask(__name__)

        @app.before_request
        def connect():
            g.connection = engine.connect()

        @app.after_request
        def close(response):
            g.connection.close()
            return response

        @app.post("/<name>")
        def add(name):
            g.connection.execute(insert(users).values(name=name))
            g.connection.commit()
            return "added"

        @app.route("/")
        def names():
            return list(g.connection.execute(select(users.c.name).order_by(users.c.id)).scalars())
        """,
    )
    module = project.load("yourapplication")
    module.metadata.create_all(bind=module.engine)
    client = module.app.test_client()

    client.post("/ada")
    client.post("/bob")
    names = client.get("/").json
    module.engine.dispose()

    assert names == ["ada", "bob"]


# Template Inheritance

BASE = """
    <!doctype html>
    <head>
    {% block head %}
    <link rel="stylesheet" href="{{ url_for('static', filename='style.css') }}">
    <title>{% block title %}{% endblock %} - My Webpage</title>
    {% endblock %}
    </head>
    <div id="content">{% block content %}{% endblock %}</div>
    <div id="footer">{% block footer %}the default footer{% endblock %}</div>
"""

CHILD = """
    {% extends "layout.html" %}
    {% block title %}Index{% endblock %}
    {% block head %}
    {{ super() }}
    <style>.important { color: #369 }</style>
    {% endblock %}
    {% block content %}<h1>Index</h1>{% endblock %}
"""


def rendered(project: Project, template: str) -> str:
    """The answer of a page that only renders *template*."""
    project.write(
        "application.py",
        f"""
        from flask_embed import Flask, render_template

        app = Flask(__name__)

        @app.route("/")
        def index():
            return render_template({template!r})
        """,
    )
    project.write("templates/layout.html", BASE)
    project.write("templates/index.html", CHILD)
    text: str = project.load("application").app.test_client().get("/").text
    return text


@pytest.mark.section("Patterns / Template Inheritance / Base Template")
def test_the_base_template_is_a_page_with_its_blocks_unfilled(project: Project) -> None:
    page = rendered(project, "layout.html")

    assert '<link rel="stylesheet" href="/static/style.css">' in page
    assert "<title> - My Webpage</title>" in page
    assert '<div id="content"></div>' in page
    assert '<div id="footer">the default footer</div>' in page


@pytest.mark.section("Patterns / Template Inheritance / Child Template")
def test_a_child_template_fills_blocks_and_keeps_the_rest(project: Project) -> None:
    page = rendered(project, "index.html")

    assert page.startswith("<!doctype html>")
    assert "<title>Index - My Webpage</title>" in page
    assert page.index("/static/style.css") < page.index("<style>.important") < page.index("</head>")
    assert '<div id="content"><h1>Index</h1></div>' in page
    assert '<div id="footer">the default footer</div>' in page


# Message Flashing

FLASHING = """
    from flask_embed import Flask, flash, redirect, render_template, request, url_for

    app = Flask(__name__)
    app.secret_key = "the key of this test"

    @app.route("/")
    def index():
        return render_template("index.html")

    @app.route("/login", methods=["GET", "POST"])
    def login():
        error = None
        if request.method == "POST":
            if (request.form["username"], request.form["password"]) != ("admin", "secret"):
                error = "Invalid credentials"
            else:
                flash("You were successfully logged in")
                return redirect(url_for("index"))
        return render_template("login.html", error=error)
"""

FLASHING_TEMPLATES = {
    "layout.html": """
        <!doctype html>
        <title>My Application</title>
        {% with messages = get_flashed_messages() %}
        {% if messages %}
        <ul class="flashes">{% for message in messages %}<li>{{ message }}</li>{% endfor %}</ul>
        {% endif %}
        {% endwith %}
        {% block body %}{% endblock %}
    """,
    "index.html": """
        {% extends "layout.html" %}
        {% block body %}<a href="{{ url_for('login') }}">log in?</a>{% endblock %}
    """,
    "login.html": """
        {% extends "layout.html" %}
        {% block body %}
        {% if error %}<p class="error">{{ error }}</p>{% endif %}
        <form action="" method="post">
          <input name="username" value="{{ request.form.username }}">
          <input name="password" type="password">
        </form>
        {% endblock %}
    """,
}


@pytest.fixture
def flashing_client(project: Project) -> Any:
    """A client of the example's app."""
    project.write("application.py", FLASHING)
    for name, template in FLASHING_TEMPLATES.items():
        project.write(f"templates/{name}", template)
    return project.load("application").app.test_client()


@pytest.mark.section("Patterns / Message Flashing")
def test_a_successful_login_is_told_on_the_next_page_only(flashing_client: Any) -> None:
    credentials = {"username": "admin", "password": "secret"}

    before = flashing_client.get("/").text
    answer = flashing_client.post("/login", data=credentials)
    shown, later = flashing_client.get("/").text, flashing_client.get("/").text

    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert "flashes" not in before
    assert '<ul class="flashes"><li>You were successfully logged in</li></ul>' in shown
    assert '<a href="/login">log in?</a>' in shown
    assert "flashes" not in later


@pytest.mark.section("Patterns / Message Flashing")
def test_a_failed_login_shows_the_error_and_the_name_again(flashing_client: Any) -> None:
    credentials = {"username": '"><script>', "password": "secret"}

    response = flashing_client.post("/login", data=credentials)

    assert response.status_code == 200
    assert '<p class="error">Invalid credentials</p>' in response.text
    assert 'value="&#34;&gt;&lt;script&gt;"' in response.text
    assert "flashes" not in response.text


@pytest.mark.section("Patterns / Message Flashing")
def test_the_empty_form_has_no_name_in_it(flashing_client: Any) -> None:
    page = flashing_client.get("/login").text

    assert '<input name="username" value="">' in page
    assert "error" not in page
