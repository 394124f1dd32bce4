"""The library: its pages, its session, and what its tables hold when two come at once."""

from __future__ import annotations

import re
import runpy
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.pool import QueuePool
from werkzeug.test import Client as AnyClient

from examples import sqlalchemy_declarative as library
from examples.sqlalchemy_declarative import database
from examples.sqlalchemy_declarative.models import Author, Book
from flask_embed.middleware import PrefixMiddleware
from tests.examples.test_portal import Links

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask_embed import Flask
    from flask_embed.testing import Client

ROW = re.compile(r'<span class="title">(.*?)</span>\s*<span class="year">(.*?)</span>')


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    usual, engine = database.engine, database.connect(str(tmp_path / "library.db"))
    monkeypatch.setattr(database, "engine", engine)
    database.db_session.configure(bind=engine)
    database.init_db()
    yield library.app.test_client()
    database.db_session.configure(bind=usual)
    engine.dispose()


def add(client: Client, title: str, author: str = "George Eliot", year: str = "1871") -> str:
    form = {"title": title, "author": author, "year": year}
    return client.post("/add", data=form, follow_redirects=True).text


def books() -> list[tuple[str, str, int]]:
    with library.app.test_request_context():
        rows = database.db_session.execute(select(Author.name, Book.title, Book.year).join(Book).order_by(Book.id))
        return [(name, title, year) for name, title, year in rows]


def statements() -> list[str]:
    """The statements that are sent from now on."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    return sent


def rival(table: str, change: str) -> None:
    """Have another connection make a *change* just before the app first inserts into *table*."""
    waiting = [change]

    def intervene(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(f"INSERT INTO {table} ") and waiting:
            with closing(sqlite3.connect(str(database.engine.url.database))) as db, db:
                db.execute(waiting.pop())

    event.listen(database.engine, "before_cursor_execute", intervene)


# The library


def test_an_empty_library_says_so(client: Client) -> None:
    assert "The shelves are empty." in client.get("/").text


def test_books_stand_with_their_author_by_year_and_escaped(client: Client) -> None:
    add(client, "  <b>Middlemarch</b> ", year="1871")
    add(client, "Silas  Marner", year="1861")
    add(client, "Die Verwandlung", "Franz Kafka", "1915")

    page = client.get("/").text

    assert ROW.findall(page) == [
        ("Die Verwandlung", "1915"),
        ("Silas Marner", "1861"),
        ("&lt;b&gt;Middlemarch&lt;/b&gt;", "1871"),
    ]
    assert page.index("Franz Kafka") < page.index("George Eliot")
    assert ROW.findall(client.get("/authors/1").text) == [
        ("Silas Marner", "1861"),
        ("&lt;b&gt;Middlemarch&lt;/b&gt;", "1871"),
    ]


@pytest.mark.parametrize("typed", ["Émile Zola", "ÉMILE ZOLA", " émile  zola"])
def test_an_author_is_found_in_whatever_case_it_is_written(client: Client, typed: str) -> None:
    add(client, "Germinal", "Émile Zola", "1885")
    add(client, "Nana", typed, "1880")

    assert books() == [("Émile Zola", "Germinal", 1885), ("Émile Zola", "Nana", 1880)]


def test_a_book_that_is_there_is_refused(client: Client) -> None:
    add(client, "Middlemarch")

    response = client.post("/add", data={"title": "Middlemarch", "author": "george eliot", "year": "1999"})

    assert response.status_code == 400
    assert "The library has this book of this author already." in response.text
    assert 'value="1999"' in response.text
    assert books() == [("George Eliot", "Middlemarch", 1871)]


def test_two_authors_may_have_one_title(client: Client) -> None:
    add(client, "Poems", "George Eliot")
    add(client, "Poems", "Emily Dickinson")

    assert [author for author, _, _ in books()] == ["George Eliot", "Emily Dickinson"]


@pytest.mark.parametrize(
    ("field", "wrong", "error"),
    [
        ("title", " \0\n", "Write the title."),
        ("title", "x" * 201, "201 characters long; a title has up to 200"),
        ("author", "", "Write who the author is."),
        ("author", "x" * 101, "101 characters long; a name has up to 100"),
        ("year", "", "a number of up to four digits"),
        ("year", "MDCCC", "a number of up to four digits"),
        ("year", "-50", "a number of up to four digits"),
        ("year", "9" * 5000, "a number of up to four digits"),
    ],
)
def test_a_wrong_field_is_refused_and_all_come_back(client: Client, field: str, wrong: str, error: str) -> None:
    form = {"title": "Middlemarch", "author": "George Eliot", "year": "1871"} | {field: wrong}

    response = client.post("/add", data=form)

    assert response.status_code == 400
    assert f'id="{field}-error"' in response.text
    assert error in response.text
    for name, value in form.items():
        typed = value.strip(" \0\n")
        assert f'<input id="{name}" name="{name}" value="{typed}"' in response.text
    assert books() == []


@pytest.mark.parametrize("missing", ["title", "author", "year"])
def test_a_form_without_a_field_is_refused(client: Client, missing: str) -> None:
    form = {"title": "Middlemarch", "author": "George Eliot", "year": "1871"}
    del form[missing]

    assert client.post("/add", data=form).status_code == 400
    assert books() == []


def test_the_longest_that_is_allowed_is_taken(client: Client) -> None:
    add(client, "t" * 200, "a" * 100, "9999")

    assert books() == [("a" * 100, "t" * 200, 9999)]


def test_the_page_of_an_author_leads_to_a_form_with_the_name(client: Client) -> None:
    add(client, "Persuasion", "Jane & Austen")

    assert '<a href="/add?author=Jane+%26+Austen">' in client.get("/authors/1").text
    assert 'value="Jane &amp; Austen"' in client.get("/add?author=Jane+%26+Austen").text


def test_a_book_is_removed_and_its_author_is_listed_again_with_the_next(client: Client) -> None:
    add(client, "Middlemarch")

    page = client.post("/books/1/remove", follow_redirects=True).text
    assert "No book of this author is here." in page
    assert "The shelves are empty." in client.get("/").text
    add(client, "Romola", "GEORGE ELIOT", "1863")
    assert books() == [("George Eliot", "Romola", 1863)]


def test_a_book_that_is_removed_already_is_no_error(client: Client) -> None:
    response = client.post("/books/7/remove")

    assert response.status_code == 302
    assert response.location == "/"


def test_an_old_page_cannot_remove_a_newer_book(client: Client) -> None:
    add(client, "Middlemarch")
    client.post("/books/1/remove")
    add(client, "Romola")

    client.post("/books/1/remove")

    assert books() == [("George Eliot", "Romola", 1871)]


@pytest.mark.parametrize("author_id", ["7", str(2**63 - 1), str(2**63), "9" * 5000])
def test_an_author_who_is_not_there_is_a_404(client: Client, author_id: str) -> None:
    assert client.get(f"/authors/{author_id}").status_code == 404


def test_a_number_that_no_book_can_have_is_a_404(client: Client) -> None:
    assert client.post(f"/books/{2**63}/remove").status_code == 404


@pytest.mark.parametrize("path", ["/add", "/books/1/remove"])
def test_forms_of_other_sites_are_refused(client: Client, path: str) -> None:
    add(client, "kept")
    form = {"title": "forged", "author": "Nobody", "year": "1"}

    response = client.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert books() == [("George Eliot", "kept", 1871)]


def test_nothing_changes_by_a_link(client: Client) -> None:
    add(client, "kept")

    assert client.get("/books/1/remove").status_code == 405
    client.get("/add?title=forged&author=Nobody&year=1")
    assert books() == [("George Eliot", "kept", 1871)]


def test_the_form_answers_head_like_get(client: Client) -> None:
    assert client.head("/add").status_code == client.get("/add").status_code == 200


def test_mounted_below_a_prefix_all_links_stay_below_it(client: Client) -> None:
    add(client, "Middlemarch")
    mounted = AnyClient(PrefixMiddleware(library.app, "/mounted"))

    for path in ("/", "/authors/1", "/add"):
        links = Links(mounted.get(f"/mounted{path}").text).found
        assert len(links) > 1
        assert {link for link in links if not link.startswith("/mounted/")} == set()
    assert mounted.post("/mounted/books/1/remove").location == "/mounted/authors/1"


# The patterns


def test_the_list_costs_as_many_statements_for_many_authors_as_for_one(client: Client) -> None:
    add(client, "first", "Author 0")
    sent = statements()
    client.get("/")
    for_one = len(sent)
    for number in range(1, 6):
        add(client, "another", f"Author {number}")
    sent.clear()

    assert client.get("/").text.count("<h2>") == 6
    assert len(sent) == for_one == 2


def test_the_same_book_sent_by_two_at_once_is_stored_once(client: Client) -> None:
    add(client, "Romola")
    rival("books", "insert into books (title, year, author_id) values ('Middlemarch', 1, 1)")

    page = add(client, "Middlemarch")

    assert "The library has this book of this author already." in page
    assert books() == [("George Eliot", "Romola", 1871), ("George Eliot", "Middlemarch", 1)]


def test_the_same_new_author_sent_by_two_at_once_is_stored_once(client: Client) -> None:
    rival("authors", "insert into authors (name, key) values ('George ELIOT', 'george eliot')")

    add(client, "Middlemarch", "George Eliot")

    assert books() == [("George ELIOT", "Middlemarch", 1871)]


def test_the_session_is_removed_at_the_end_of_a_request(client: Client) -> None:
    with library.app.test_request_context():
        session = database.db_session()
        assert database.db_session() is session
        session.add(Author("not committed"))
        session.flush()

    assert not database.db_session.registry.has()
    with library.app.test_request_context():
        assert database.db_session.scalar(select(func.count()).select_from(Author)) == 0


def test_the_session_is_removed_when_the_request_fails(client: Client) -> None:
    def fail() -> None:
        with library.app.test_request_context():
            database.db_session.execute(select(Author))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert not database.db_session.registry.has()
    assert isinstance(database.engine.pool, QueuePool)
    assert database.engine.pool.checkedout() == 0


def test_what_needs_no_database_opens_none(client: Client) -> None:
    sent = statements()

    with client.get("/static/style.css") as response:
        assert b"color-scheme" in response.data
    assert client.get("/add").status_code == 200
    assert sent == []


def test_init_db_keeps_what_is_there(client: Client) -> None:
    add(client, "kept")

    database.init_db()

    assert books() == [("George Eliot", "kept", 1871)]


def test_the_environment_names_the_database_which_no_import_makes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIBRARY_DATABASE", str(tmp_path / "50%?.db"))

    engine = runpy.run_path(database.__file__)["engine"]

    assert list(tmp_path.iterdir()) == []
    with engine.connect():
        assert [path.name for path in tmp_path.iterdir()] == ["50%?.db"]
    engine.dispose()


def test_run_as_a_module_it_serves_with_a_database(client: Client, served: list[Flask]) -> None:
    database.Base.metadata.drop_all(database.engine)

    runpy.run_module("examples.sqlalchemy_declarative", run_name="__main__")

    assert served == [library.app]
    assert books() == []
