"""The to-do list: its pages, and the patterns for SQLite that it shows."""

from __future__ import annotations

import runpy
import sqlite3
from typing import TYPE_CHECKING

import pytest

from examples import sqlite_patterns as todo

if TYPE_CHECKING:
    from pathlib import Path

    from flask_embed import Flask
    from flask_embed.testing import Client


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Client:
    monkeypatch.setattr(todo, "DATABASE", str(tmp_path / "todo.db"))
    todo.init_db()
    return todo.app.test_client()


def add(client: Client, title: str) -> str:
    return client.post("/tasks", data={"title": title}, follow_redirects=True).text


def tasks() -> list[tuple[str, int]]:
    with todo.app.test_request_context():
        return [(row["title"], row["done"]) for row in todo.query_db("select * from tasks order by id")]


# The list


def test_an_empty_list_says_so(client: Client) -> None:
    assert "Nothing to do." in client.get("/").text


def test_a_task_is_added_and_shown_escaped(client: Client) -> None:
    page = add(client, "  <b>milk</b> ")

    assert "&lt;b&gt;milk&lt;/b&gt;" in page
    assert "<b>" not in page
    assert tasks() == [("<b>milk</b>", 0)]


def test_done_tasks_come_after_open_ones_and_can_be_opened_again(client: Client) -> None:
    add(client, "first")
    add(client, "second")

    page = client.post("/tasks/2/done", data={"done": "yes"}, follow_redirects=True).text
    assert page.index("first") < page.index("second")
    assert tasks() == [("first", 0), ("second", 1)]
    client.post("/tasks/2/done", data={"done": "yes"})
    assert tasks() == [("first", 0), ("second", 1)]
    page = client.post("/tasks/2/done", data={"done": "no"}, follow_redirects=True).text
    assert page.index("second") < page.index("first")


def test_a_task_is_worded_anew(client: Client) -> None:
    add(client, "milk")

    assert 'value="milk"' in client.get("/tasks/1").text
    assert "oat milk" in client.post("/tasks/1", data={"title": "oat milk"}, follow_redirects=True).text
    assert tasks() == [("oat milk", 0)]


def test_the_form_is_there_for_a_client_that_wants_its_headers_only(client: Client) -> None:
    add(client, "milk")

    assert client.head("/tasks/1").status_code == 200


def test_a_task_is_removed(client: Client) -> None:
    add(client, "milk")

    assert "Nothing to do." in client.post("/tasks/1/remove", follow_redirects=True).text


@pytest.mark.parametrize("path", ["/tasks", "/tasks/1"])
@pytest.mark.parametrize(
    ("title", "error"),
    [("", "Write what there is to do."), (" \n", "Write what there is to do."), ("x" * 201, "201 characters")],
)
def test_a_wrong_title_is_refused_and_comes_back(client: Client, path: str, title: str, error: str) -> None:
    add(client, "kept")

    response = client.post(path, data={"title": title})

    assert response.status_code == 400
    assert error in response.text
    assert f'value="{title.strip()}"' in response.text
    assert tasks() == [("kept", 0)]


@pytest.mark.parametrize("task_id", [7, 2**63 - 1, 2**63, 10**50])
def test_a_task_that_is_not_there_is_a_404(client: Client, task_id: int) -> None:
    assert client.get(f"/tasks/{task_id}").status_code == 404
    assert client.post(f"/tasks/{task_id}", data={"title": "x"}).status_code == 404


def test_removing_what_is_gone_does_no_harm(client: Client) -> None:
    assert client.post("/tasks/7/remove").status_code == 302


def test_what_looks_like_sql_is_text(client: Client) -> None:
    add(client, "'); drop table tasks; --")

    assert tasks() == [("'); drop table tasks; --", 0)]


@pytest.mark.parametrize("path", ["/tasks", "/tasks/1", "/tasks/1/done", "/tasks/1/remove"])
def test_forms_of_other_sites_are_refused(client: Client, path: str) -> None:
    add(client, "kept")

    response = client.post(path, data={"title": "forged", "done": "yes"}, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert tasks() == [("kept", 0)]


@pytest.mark.parametrize("path", ["/tasks", "/tasks/1/done", "/tasks/1/remove"])
def test_nothing_changes_by_a_link(client: Client, path: str) -> None:
    assert client.get(path).status_code == 405


# The patterns


def test_query_db_gives_rows_by_name_or_one_or_none(client: Client) -> None:
    add(client, "first")
    add(client, "second")

    with todo.app.test_request_context():
        assert [row["title"] for row in todo.query_db("select title from tasks order by id")] == ["first", "second"]
        assert todo.query_db("select title from tasks where id = ?", [2], one=True)["title"] == "second"
        assert todo.query_db("select title from tasks where id = ?", [3], one=True) is None


def test_a_change_that_fails_changes_nothing(client: Client) -> None:
    add(client, "kept")

    with todo.app.test_request_context():
        with pytest.raises(sqlite3.IntegrityError):
            todo.change_db("update tasks set title = null")
        assert todo.query_db("select title from tasks", one=True)["title"] == "kept"


def test_a_request_has_one_connection_closed_at_its_end(client: Client) -> None:
    with todo.app.test_request_context():
        db = todo.get_db()
        assert todo.get_db() is db
    with pytest.raises(sqlite3.ProgrammingError):
        db.execute("select 1")


def test_the_connection_is_closed_when_the_request_fails(client: Client) -> None:
    seen: list[sqlite3.Connection] = []

    def fail() -> None:
        with todo.app.test_request_context():
            seen.append(todo.get_db())
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    with pytest.raises(sqlite3.ProgrammingError):
        seen[0].execute("select 1")


def test_what_needs_no_database_opens_none(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(todo, "DATABASE", "/nowhere/todo.db")

    response = client.get("/static/style.css")

    assert response.status_code == 200
    assert b"color-scheme" in response.data
    response.close()


def test_init_db_keeps_what_is_there(client: Client) -> None:
    add(client, "kept")

    todo.init_db()

    assert tasks() == [("kept", 0)]


def test_the_environment_names_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TODO_DATABASE", "/srv/todo.db")

    assert runpy.run_module("examples.sqlite_patterns.__init__")["DATABASE"] == "/srv/todo.db"


def test_run_as_a_module_it_serves_with_a_database(
    served: list[Flask], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(todo, "DATABASE", str(tmp_path / "todo.db"))

    runpy.run_module("examples.sqlite_patterns", run_name="__main__")

    assert served == [todo.app]
    assert tasks() == []
