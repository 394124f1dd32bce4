"""A library of authors and books, with SQLAlchemy's declarative models.

``python -m examples.sqlalchemy_declarative`` serves it, README.md has the rest.
"""

from __future__ import annotations

import re

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from examples.sqlalchemy_declarative.database import db_session
from examples.sqlalchemy_declarative.models import Author, Book
from flask_embed import Flask, Response, abort, redirect, refuse_cross_origin, render_template, request, url_for

app = Flask(__name__)

#: characters that a name and a title may have
LONGEST_NAME = 100
LONGEST_TITLE = 200

#: an id in a path: SQLite has none that is larger, and fails when it is asked for one
ID = f"int(max={2**63 - 1})"


# Around each request

# Forms are taken from our own pages only: a page elsewhere must not change the library (CSRF).
app.before_request(refuse_cross_origin)


@app.teardown_request
def remove_session(error: BaseException | None) -> None:
    """End the session of this request, also when it has failed: what was not committed is gone."""
    db_session.remove()


# The pages


@app.route("/")
def show_authors() -> str:
    """All authors with their books, in two statements, however many authors there are."""
    authors = db_session.scalars(
        select(Author).where(Author.books.any()).options(selectinload(Author.books)).order_by(Author.key)
    )
    return render_template("authors.html", authors=authors.all())


@app.route(f"/authors/<{ID}:author_id>")
def show_author(author_id: int) -> str:
    """One author, with the books that can be removed."""
    author = db_session.get(Author, author_id)
    if author is None:
        abort(404, "There is no such author.")
    return render_template("author.html", author=author)


@app.route("/add", methods=["GET", "POST"])
def add_book() -> str | Response | tuple[str, int]:
    """The form for a book, and what it is sent to."""
    if request.method != "POST":
        return render_template("add.html", typed={"author": request.args.get("author", "")}, errors={})
    typed = {name: one_line(request.form[name]) for name in ("title", "author", "year")}
    errors = faults(**typed)
    if not errors:
        author = author_named(typed["author"])
        author_id = author.id
        db_session.add(Book(title=typed["title"], year=int(typed["year"]), author=author))
        try:
            db_session.commit()
            return redirect(url_for("show_author", author_id=author_id))
        except IntegrityError:  # the constraint of the table, which also holds when two send the same at once
            db_session.rollback()
            errors["title"] = "The library has this book of this author already."
    return render_template("add.html", typed=typed, errors=errors), 400


@app.route(f"/books/<{ID}:book_id>/remove", methods=["POST"])
def remove_book(book_id: int) -> Response:
    """Take a book out of the library. Its author stays, and is on the list again with the next book."""
    author_id = db_session.scalar(delete(Book).where(Book.id == book_id).returning(Book.author_id))
    db_session.commit()
    if author_id is None:  # somebody has removed the book before
        return redirect(url_for("show_authors"))
    return redirect(url_for("show_author", author_id=author_id))


def author_named(name: str) -> Author:
    """The author of that name, in upper or lower case; a new one for an unknown name."""
    found = select(Author).where(Author.key == name.casefold())
    author = db_session.scalar(found)
    if author is not None:
        return author
    author = Author(name)
    db_session.add(author)
    try:
        db_session.commit()
    except IntegrityError:  # somebody has made the same one since we looked
        db_session.rollback()
        return db_session.scalars(found).one()
    return author


def one_line(text: str) -> str:
    """The text of a field without line breaks, doubled spaces, and the NUL that no page can show."""
    return " ".join(text.replace("\0", "").split())


def faults(title: str, author: str, year: str) -> dict[str, str]:
    """The faults of a book, by field; empty without faults."""
    errors = {}
    if not title:
        errors["title"] = "Write the title."
    elif len(title) > LONGEST_TITLE:
        errors["title"] = f"That is {len(title)} characters long; a title has up to {LONGEST_TITLE}."
    if not author:
        errors["author"] = "Write who the author is."
    elif len(author) > LONGEST_NAME:
        errors["author"] = f"That is {len(author)} characters long; a name has up to {LONGEST_NAME}."
    if not re.fullmatch("[0-9]{1,4}", year):
        errors["year"] = "Write the year as a number of up to four digits."
    return errors
