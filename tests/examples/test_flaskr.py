"""Flaskr alone: the tests that the testing chapter ends with, and what a blog must not do."""

from __future__ import annotations

import runpy
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.security import check_password_hash

from examples import flaskr
from flask_embed import Flask, session

if TYPE_CHECKING:
    from flask_embed import Response
    from flask_embed.testing import Client


@pytest.fixture
def client(empty_flaskr: None) -> Client:
    return flaskr.app.test_client()


def login(client: Client, username: str = flaskr.USERNAME, password: str = flaskr.PASSWORD) -> str:
    form = {"username": username, "password": password}
    return client.post("/login", data=form, follow_redirects=True).text


def add(client: Client, title: str, text: str = "text", headers: dict[str, str] | None = None) -> Any:
    return client.post("/add", data={"title": title, "text": text}, headers=headers)


def titles() -> list[str]:
    db = flaskr.connect_db()
    try:
        return [title for (title,) in db.execute("select title from entries order by id")]
    finally:
        db.close()


# The three of the testing chapter


def test_empty_db(client: Client) -> None:
    assert "No entries here so far" in client.get("/").text


def test_login_logout(client: Client) -> None:
    assert "You were logged in" in login(client)
    assert "You were logged out" in client.get("/logout", follow_redirects=True).text
    assert "Invalid username" in login(client, flaskr.USERNAME + "x")
    assert "Invalid password" in login(client, password=flaskr.PASSWORD + "x")


def test_messages(client: Client) -> None:
    login(client)

    form = {"title": "<Hello>", "text": "<strong>HTML</strong> allowed here"}
    page = client.post("/add", data=form, follow_redirects=True).text

    assert "New entry was successfully posted" in page
    assert "No entries here so far" not in page
    assert "&lt;Hello&gt;" in page
    assert "<Hello>" not in page
    assert "<strong>HTML</strong> allowed here" in page


# Entries


def test_entries_are_shown_newest_first(client: Client) -> None:
    login(client)
    for title in ("first", "second", "third"):
        add(client, title)

    page = client.get("/").text

    assert page.index("third") < page.index("second") < page.index("first")


def test_a_title_of_digits_is_kept_as_it_was_written(client: Client) -> None:
    login(client)

    add(client, "007")

    assert titles() == ["007"]


def test_what_looks_like_sql_is_stored_as_text(client: Client) -> None:
    login(client)

    add(client, "'); drop table entries; --")

    assert titles() == ["'); drop table entries; --"]


def test_a_form_without_a_field_is_refused_and_stores_nothing(client: Client) -> None:
    login(client)

    response = client.post("/add", data={"title": "no text"})

    assert response.status_code == 400
    assert titles() == []


def test_entries_of_many_writers_at_once_are_all_stored(client: Client) -> None:
    clients = [flaskr.app.test_client() for _ in range(8)]
    for each in clients:
        login(each)
    start = Barrier(len(clients), timeout=30)

    def write(number: int) -> list[int]:
        start.wait()
        return [add(clients[number], f"{number}-{i}").status_code for i in range(5)]

    with ThreadPoolExecutor(len(clients)) as pool:
        codes = list(pool.map(write, range(len(clients))))

    assert codes == [[302] * 5] * 8
    assert sorted(titles()) == sorted(f"{number}-{i}" for number in range(8) for i in range(5))


# Who may do what


def test_adding_without_a_login_is_a_401_page_with_a_way_to_log_in(client: Client) -> None:
    response = add(client, "unwanted")

    assert response.status_code == 401
    assert '<h1><a href="/">Flaskr</a></h1>' in response.text
    assert '<a href="/login">Log in</a>' in response.text
    assert titles() == []


def test_a_logged_out_author_cannot_add(client: Client) -> None:
    login(client)
    client.get("/logout")

    assert add(client, "too late").status_code == 401


def test_the_form_is_shown_to_the_author_alone(client: Client) -> None:
    before = client.get("/").text
    after = login(client)

    assert 'action="/add"' not in before
    assert 'action="/add"' in after


def test_a_failed_login_leaves_nobody_logged_in(client: Client) -> None:
    login(client, password="wrong")

    assert add(client, "unwanted").status_code == 401


def test_what_a_session_held_before_the_login_is_gone_after_it(client: Client) -> None:
    with client.session_transaction() as before:
        before["planted"] = "by somebody else"

    with client:
        login(client)

        assert dict(session) == {"logged_in": True}


def test_the_username_that_was_typed_comes_back_escaped(client: Client) -> None:
    page = login(client, '"><script>')

    assert 'value="&#34;&gt;&lt;script&gt;"' in page


@pytest.mark.parametrize("path", ["/add", "/login"])
def test_a_form_on_another_site_is_refused(client: Client, path: str) -> None:
    login(client)
    form = {"title": "forged", "text": "", "username": flaskr.USERNAME, "password": flaskr.PASSWORD}

    response = client.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert "from a page of another site" in response.text
    assert titles() == []


def test_no_cache_keeps_a_page_that_the_author_saw(client: Client) -> None:
    assert "Cache-Control" not in client.get("/").headers
    login(client)

    assert client.get("/").headers["Cache-Control"] == "no-store"
    assert client.get("/nothing").headers["Cache-Control"] == "no-store"
    style = client.get("/static/style.css")
    assert style.headers["Cache-Control"] == "no-cache"
    style.close()


def test_debug_is_off_and_each_start_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLASKR_SECRET_KEY", raising=False)

    first, second = (runpy.run_module("examples.flaskr.__init__")["app"] for _ in range(2))

    assert first.debug is False
    assert len(first.secret_key) == 64
    assert first.secret_key != second.secret_key


def test_only_a_costly_hash_of_the_password_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLASKR_PASSWORD_HASH", raising=False)

    fresh = runpy.run_module("examples.flaskr.__init__")

    assert fresh["PASSWORD_HASH"].startswith("scrypt:")
    assert check_password_hash(fresh["PASSWORD_HASH"], fresh["PASSWORD"])


def test_the_environment_names_database_key_and_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASKR_DATABASE", "/srv/entries.db")
    monkeypatch.setenv("FLASKR_SECRET_KEY", "a key")
    monkeypatch.setenv("FLASKR_PASSWORD_HASH", "a hash")

    fresh = runpy.run_module("examples.flaskr.__init__")

    assert fresh["DATABASE"] == "/srv/entries.db"
    assert fresh["app"].secret_key == "a key"
    assert fresh["PASSWORD_HASH"] == "a hash"


# Pages


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [("/", 200, "Entries"), ("/login", 200, "Log in"), ("/nothing", 404, "Not Found")],
)
def test_each_page_has_the_layout_and_a_title(client: Client, path: str, status: int, title: str) -> None:
    response = client.get(path)

    assert response.status_code == status
    assert f"<title>{title} | Flaskr</title>" in response.text
    assert '<html lang="en">' in response.text
    assert '<a href="/">Flaskr</a>' in response.text


def test_a_wrong_method_keeps_its_allow_header(client: Client) -> None:
    response = client.get("/add")

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert "<title>Method Not Allowed | Flaskr</title>" in response.text


def test_each_input_has_its_label(client: Client) -> None:
    pages = client.get("/login").text + login(client)

    for name in ("username", "password", "title", "text"):
        assert f'<label for="{name}">' in pages
        assert f'id="{name}"' in pages


def test_the_stylesheet_is_served(client: Client) -> None:
    response = client.get("/static/style.css")

    assert response.status_code == 200
    assert response.mimetype == "text/css"
    assert b"prefers-color-scheme: dark" in response.data
    response.close()


# The database


@pytest.fixture
def connections(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """The connections that requests open from here on."""
    opened: list[sqlite3.Connection] = []
    connect_db = flaskr.connect_db

    def recorded() -> sqlite3.Connection:
        opened.append(connect_db())
        return opened[-1]

    monkeypatch.setattr(flaskr, "connect_db", recorded)
    return opened


def is_closed(db: sqlite3.Connection) -> bool:
    try:
        db.total_changes  # noqa: B018 it is the question
    except sqlite3.ProgrammingError:
        return True
    return False


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/nothing", 404)])
def test_the_connection_of_a_request_is_closed(
    client: Client, connections: list[sqlite3.Connection], path: str, status: int
) -> None:
    assert client.get(path).status_code == status
    assert [is_closed(db) for db in connections] == [True]


def test_the_connection_is_closed_when_the_view_fails(
    client: Client, connections: list[sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> str:
        raise RuntimeError("broken")

    monkeypatch.setitem(flaskr.app.view_functions, "show_entries", broken)
    logged: list[Exception] = []
    monkeypatch.setattr(flaskr.app, "log_exception", logged.append)

    response: Response | Any = client.get("/")

    assert response.status_code == 500
    assert [str(error) for error in logged] == ["broken"]
    assert [is_closed(db) for db in connections] == [True]


def test_a_request_that_is_refused_before_there_is_a_connection_ends_quietly(
    client: Client, connections: list[sqlite3.Connection]
) -> None:
    response = client.post("/login", headers={"Origin": "http://evil.example"})

    assert response.status_code == 403
    assert connections == []


def test_ensure_db_makes_a_missing_database_and_keeps_what_is_in_one(client: Client) -> None:
    Path(flaskr.DATABASE).unlink()
    flaskr.ensure_db()
    login(client)
    add(client, "kept")

    flaskr.ensure_db()

    assert titles() == ["kept"]


def test_init_db_empties_the_database(client: Client) -> None:
    login(client)
    add(client, "lost")

    flaskr.init_db()

    assert titles() == []


def test_a_database_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing" / "flaskr.db")
    monkeypatch.setattr(flaskr, "DATABASE", missing)

    with pytest.raises(sqlite3.OperationalError) as caught:
        flaskr.ensure_db()

    assert caught.value.__notes__ == [f"The database is {missing!r}; FLASKR_DATABASE names a file elsewhere."]


def test_run_as_a_module_it_serves_with_a_database(
    served: list[Flask], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(flaskr, "DATABASE", str(tmp_path / "flaskr.db"))

    runpy.run_module("examples.flaskr", run_name="__main__")

    assert served == [flaskr.app]
    assert titles() == []
