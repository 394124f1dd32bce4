"""The chapter Tutorial: the microblog, one step after the other."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import TemplateNotFound

from flask_embed import Response, g
from tests.reference import microblog
from tests.reference.microblog import HOOKS, INIT_DB, SETUP, VIEWS, write_microblog
from tests.reference.servers import fetch, running

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from flask_embed import Flask
    from flask_embed.testing import Client
    from tests.reference.project import Project


@pytest.fixture
def flaskr(project: Project) -> Any:
    """The module of the finished app, with an empty database."""
    write_microblog(project)
    module = project.load("flaskr")
    module.init_db()
    return module


@pytest.fixture
def client(flaskr: Any) -> Client:
    client: Client = flaskr.app.test_client()
    return client


def log_in(client: Client, username: str = "admin", password: str = "default") -> TestResponse:
    return client.post("/login", data={"username": username, "password": password}, follow_redirects=True)


def post(client: Client, title: str, text: str) -> TestResponse:
    return client.post("/add", data={"title": title, "text": text}, follow_redirects=True)


# Introducing Flaskr


@pytest.mark.section("Tutorial / Introducing Flaskr")
def test_who_signs_in_adds_entries_and_everybody_sees_the_newest_on_top(client: Client) -> None:
    log_in(client)
    post(client, "First", "<em>one</em>")
    post(client, "Second", "<em>two</em>")

    page = client.application.test_client().get("/").text

    assert page.index("Second") < page.index("First")
    assert "<em>one</em>" in page


# Step 0: Creating The Folders


@pytest.mark.section("Tutorial / Step 0: Creating The Folders")
def test_the_folder_of_the_app_is_no_package(project: Project) -> None:
    project.write("flaskr.py", SETUP)
    project.write("static/script.js", "// the script")
    project.write("templates/hello.html", "the template")
    app = project.load("flaskr").app

    static = app.test_client().get("/static/script.js")

    assert (static.status_code, static.text) == (200, "// the script")
    assert static.headers["Content-Type"] == "text/javascript; charset=utf-8"
    with app.test_request_context():
        assert app.jinja_env.get_template("hello.html").render() == "the template"


# Step 1: Database Schema


@pytest.mark.section("Tutorial / Step 1: Database Schema")
def test_the_schema_makes_one_table_and_can_be_run_again(project: Project) -> None:
    schema = project.write("schema.sql", microblog.SCHEMA).read_text()

    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(schema)
        db.execute("insert into entries (title, text) values ('Hello', 'World')")
        rows = db.execute("select id, title, text from entries").fetchall()
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("insert into entries (title) values ('without a text')")
        db.executescript(schema)
        left = db.execute("select count(*) from entries").fetchone()

    assert rows == [(1, "Hello", "World")]
    assert left == (0,)


# Step 2: Application Setup Code


@pytest.mark.section("Tutorial / Step 2: Application Setup Code")
def test_the_app_starts_without_views_and_every_page_is_not_found(project: Project) -> None:
    project.write("flaskr.py", SETUP, 'if __name__ == "__main__":\n    app.run(port=0)\n')

    with running([sys.executable, "flaskr.py"], project.folder) as server:
        answer = fetch(server.wait_for(r"Running on http://\S+:(\d+)")[1])

    assert answer.status == 404
    assert "Not Found" in answer.text


@pytest.mark.section("Tutorial / Step 2: Application Setup Code")
def test_the_configuration_is_that_of_the_module(project: Project) -> None:
    project.write("flaskr.py", SETUP)
    module = project.load("flaskr")

    assert module.app.secret_key == "development key"
    assert module.app.debug is True
    with closing(module.connect_db()) as db:
        assert db.execute("select 1").fetchone() == (1,)
    assert (project.folder / "flaskr.db").exists()


# Step 3: Creating The Database


@pytest.mark.section("Tutorial / Step 3: Creating The Database")
def test_init_db_runs_the_schema_from_the_resource_folder(project: Project) -> None:
    write_microblog(project, SETUP, INIT_DB)
    module = project.load("flaskr")

    module.init_db()

    with closing(sqlite3.connect(project.folder / "flaskr.db")) as db:
        names = [row[1] for row in db.execute("pragma table_info(entries)")]
    assert names == ["id", "title", "text"]


@pytest.mark.section("Tutorial / Step 3: Creating The Database")
def test_init_db_empties_a_database_that_was_used(flaskr: Any, client: Client) -> None:
    log_in(client)
    post(client, "Old news", "text")

    flaskr.init_db()

    assert "Old news" not in client.get("/").text


# Step 4: Request Database Connections


@pytest.mark.section("Tutorial / Step 4: Request Database Connections")
def test_each_request_has_a_connection_that_is_closed_after_it(project: Project) -> None:
    write_microblog(project, SETUP, INIT_DB, HOOKS)
    module = project.load("flaskr")
    module.init_db()
    app: Flask = module.app
    used: list[sqlite3.Connection] = []

    @app.route("/count")
    def count() -> str:
        used.append(g.db)
        return str(g.db.execute("select count(*) from entries").fetchone()[0])

    client = app.test_client()
    texts = [client.get("/count").text, client.get("/count").text]

    assert texts == ["0", "0"]
    assert used[0] is not used[1]
    for connection in used:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("select 1")


@pytest.mark.section("Tutorial / Step 4: Request Database Connections")
def test_an_after_request_function_may_return_a_different_response(project: Project) -> None:
    project.write("flaskr.py", SETUP)
    app: Flask = project.load("flaskr").app
    calls: list[tuple[Any, ...]] = []

    @app.before_request
    def before_request(*arguments: Any) -> None:
        calls.append(arguments)

    @app.after_request
    def after_request(response: Response) -> Response:
        return Response("another one", status=response.status_code)

    response = app.test_client().get("/")

    assert calls == [()]
    assert (response.status_code, response.text) == (404, "another one")


# Step 5: The View Functions


@pytest.mark.section("Tutorial / Step 5: The View Functions")
def test_show_entries_hands_dicts_to_the_template_the_newest_first(project: Project) -> None:
    write_microblog(project)
    template = "{% for entry in entries %}{{ entry.title }}={{ entry.text }};{% endfor %}"
    project.write("templates/show_entries.html", template)
    module = project.load("flaskr")
    module.init_db()
    with closing(module.connect_db()) as db:
        db.executemany("insert into entries (title, text) values (?, ?)", [("a", "1st"), ("b", "2nd")])
        db.commit()

    assert module.app.test_client().get("/").text == "b=2nd;a=1st;"


@pytest.mark.section("Tutorial / Step 5: The View Functions")
def test_add_entry_refuses_who_is_not_logged_in(client: Client) -> None:
    response = client.post("/add", data={"title": "Spam", "text": "spam"})

    assert response.status == "401 UNAUTHORIZED"
    assert "Spam" not in client.get("/").text


@pytest.mark.section("Tutorial / Step 5: The View Functions")
def test_add_entry_answers_post_alone(client: Client) -> None:
    assert client.get("/add").status_code == 405


@pytest.mark.section("Tutorial / Step 5: The View Functions")
def test_add_entry_stores_flashes_and_redirects(client: Client) -> None:
    log_in(client)

    answer = client.post("/add", data={"title": "News", "text": "good"})
    page = client.get("/").text

    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert "New entry was successfully posted" in page
    assert "<h2>News</h2> good" in page
    assert "New entry was successfully posted" not in client.get("/").text


@pytest.mark.section("Tutorial / Step 5: The View Functions")
def test_add_entry_without_a_text_is_a_bad_request(client: Client) -> None:
    log_in(client)

    assert client.post("/add", data={"title": "News"}).status_code == 400


@pytest.mark.section("Tutorial / Step 5: The View Functions")
def test_login_sets_the_key_and_redirects_with_a_message(client: Client) -> None:
    answer = client.post("/login", data={"username": "admin", "password": "default"})
    with client.session_transaction() as session:
        logged_in = session["logged_in"]
    page = client.get("/").text

    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert logged_in is True
    assert "You were logged in" in page


@pytest.mark.section("Tutorial / Step 5: The View Functions")
@pytest.mark.parametrize(
    ("username", "password", "error"),
    [("root", "default", "Invalid username"), ("admin", "guess", "Invalid password")],
)
def test_login_asks_again_after_an_error(client: Client, username: str, password: str, error: str) -> None:
    response = log_in(client, username, password)

    assert response.status_code == 200
    assert error in response.text
    assert 'name="password"' in response.text
    assert "log in" in client.get("/").text


@pytest.mark.section("Tutorial / Step 5: The View Functions")
def test_logout_removes_the_key_if_it_is_there(client: Client) -> None:
    without = client.get("/logout", follow_redirects=True)
    log_in(client)
    after = client.get("/logout", follow_redirects=True)

    assert "You were logged out" in without.text
    assert "You were logged out" in after.text
    with client.session_transaction() as session:
        assert "logged_in" not in session


# Step 6: The Templates


@pytest.mark.section("Tutorial / Step 6: The Templates")
def test_a_view_without_its_template_raises(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("flaskr.py", SETUP, INIT_DB, HOOKS, VIEWS)
    project.write("schema.sql", microblog.SCHEMA)
    module = project.load("flaskr")
    module.init_db()
    with closing(module.connect_db()) as db:
        monkeypatch.setattr(module, "connect_db", lambda: db)

        with pytest.raises(TemplateNotFound, match=r"show_entries\.html"):
            module.app.test_client().get("/")


@pytest.mark.section("Tutorial / Step 6: The Templates")
def test_the_layout_links_to_log_in_or_to_log_out(client: Client) -> None:
    before = client.get("/").text
    log_in(client)
    after = client.get("/").text

    assert before.startswith("<!doctype html>")
    assert '<a href="/login">log in</a>' in before
    assert "log out" not in before
    assert '<a href="/logout">log out</a>' in after
    assert "log in<" not in after


@pytest.mark.section("Tutorial / Step 6: The Templates")
def test_the_layout_shows_flashed_messages_once(client: Client) -> None:
    shown = log_in(client).text

    assert '<p class="flash">You were logged in</p>' in shown
    assert 'class="flash"' not in client.get("/").text


@pytest.mark.section("Tutorial / Step 6: The Templates")
def test_show_entries_has_a_form_for_who_is_logged_in_and_a_line_for_no_entries(client: Client) -> None:
    before = client.get("/").text
    after = log_in(client).text

    assert "No entries here so far" in before
    assert "<form" not in before
    assert '<form action="/add" method="post">' in after
    assert "<title>Flaskr</title>" in after


@pytest.mark.section("Tutorial / Step 6: The Templates")
def test_html_is_kept_in_the_text_and_escaped_in_the_title(client: Client) -> None:
    log_in(client)

    page = post(client, "<Hello>", "<strong>HTML</strong>").text

    assert "<h2>&lt;Hello&gt;</h2> <strong>HTML</strong>" in page


@pytest.mark.section("Tutorial / Step 6: The Templates")
def test_the_login_page_shows_its_error_only_if_there_is_one(client: Client) -> None:
    plain = client.get("/login").text
    wrong = log_in(client, "root").text

    assert 'class="error"' not in plain
    assert '<form action="/login" method="post">' in plain
    assert '<p class="error">Invalid username</p>' in wrong


# Step 7: Adding Style


@pytest.mark.section("Tutorial / Step 7: Adding Style")
def test_the_style_sheet_that_the_layout_links_to_is_served(client: Client) -> None:
    link = 'href="/static/style.css"'

    sheet = client.get("/static/style.css")

    assert link in client.get("/").text
    assert sheet.headers["Content-Type"] == "text/css; charset=utf-8"
    assert ".flash { background: #cee5f5 }" in sheet.text
