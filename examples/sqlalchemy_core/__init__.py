"""Polls, with SQLAlchemy's SQL and nothing above it: tables, statements, rows.

``python -m examples.sqlalchemy_core`` serves it, README.md has the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from examples.sqlalchemy_core import database
from examples.sqlalchemy_core.database import options, polls
from flask_embed import Flask, Response, abort, g, redirect, refuse_cross_origin, render_template, request, url_for

if TYPE_CHECKING:
    from sqlalchemy import Connection

app = Flask(__name__)

#: characters that a question and an option may have
LONGEST_QUESTION = 200
LONGEST_OPTION = 100

#: options that a poll may have
FEWEST_OPTIONS = 2
MOST_OPTIONS = 10

#: an id in a path: SQLite has none that is larger, and fails when it is asked for one
ID = f"int(max={2**63 - 1})"


# Around each request

# Forms are taken from our own pages only: a page elsewhere must not vote for who looks at it (CSRF).
app.before_request(refuse_cross_origin)


def get_db() -> Connection:
    """The connection of this request, taken from the engine when it is first asked for: a stylesheet costs none."""
    if "db" not in g:
        g.db = database.engine.connect()
    db: Connection = g.db
    return db


@app.teardown_request
def close_db(error: BaseException | None) -> None:
    """Give the connection back if there is one, also when the request has failed; what was not committed is gone."""
    db = g.pop("db", None)
    if db is not None:
        db.close()


# The pages


@app.route("/")
def show_polls() -> str:
    """All polls, the newest first, each with its number of votes: one statement."""
    votes = func.coalesce(func.sum(options.c.votes), 0).label("votes")
    rows = get_db().execute(
        select(polls.c.id, polls.c.question, votes)
        .outerjoin(options)
        .group_by(polls.c.id, polls.c.question)
        .order_by(polls.c.id.desc())
    )
    return render_template("polls.html", polls=rows.all())


@app.route(f"/polls/<{ID}:poll_id>")
def show_poll(poll_id: int, error: str = "") -> str:
    """A poll: what can be voted for, and what was; with what was wrong with the vote that was sent."""
    poll = get_db().execute(select(polls).where(polls.c.id == poll_id)).first()
    if poll is None:
        abort(404, "There is no such poll.")
    rows = get_db().execute(select(options).where(options.c.poll_id == poll_id).order_by(options.c.id)).all()
    votes = sum(option.votes for option in rows)
    return render_template("poll.html", poll=poll, options=rows, votes=votes, error=error)


@app.route(f"/polls/<{ID}:poll_id>/vote", methods=["POST"])
def vote(poll_id: int) -> Response | tuple[str, int]:
    """Count a vote for one of the options of the poll."""
    rows = get_db().execute(select(options.c.id).where(options.c.poll_id == poll_id))
    ids = {str(option_id): option_id for option_id in rows.scalars()}
    option_id = ids.get(request.form.get("option", ""))
    if option_id is None:
        return show_poll(poll_id, "Choose one of the options."), 400
    # The database adds: a number that we read and wrote back would lose the votes that came in between.
    get_db().execute(update(options).where(options.c.id == option_id).values(votes=options.c.votes + 1))
    get_db().commit()
    return redirect(url_for("show_poll", poll_id=poll_id, _anchor="votes"))


@app.route("/new", methods=["GET", "POST"])
def add_poll() -> str | Response | tuple[str, int]:
    """The form for a new poll, and what it is sent to."""
    if request.method != "POST":
        return poll_form("", [], {})
    question = one_line(request.form["question"])
    texts = [text for text in map(one_line, request.form["options"].splitlines()) if text]
    if errors := faults(question, texts):
        return poll_form(question, texts, errors), 400
    return redirect(url_for("show_poll", poll_id=store_poll(question, texts)))


def poll_form(question: str, texts: list[str], errors: dict[str, str]) -> str:
    """The form for a new poll, filled in as it was sent; with what was wrong with that."""
    return render_template(
        "new.html", question=question, texts=texts, errors=errors, fewest=FEWEST_OPTIONS, most=MOST_OPTIONS
    )


def store_poll(question: str, texts: list[str]) -> int:
    """Put a poll with its options into the database: both or nothing. What comes back is its id."""
    db = get_db()
    poll_id: int = db.execute(insert(polls).values(question=question).returning(polls.c.id)).scalar_one()
    db.execute(insert(options), [{"poll_id": poll_id, "text": text} for text in texts])
    db.commit()
    return poll_id


def one_line(text: str) -> str:
    """What somebody typed, without breaks, doubled spaces, and the NUL that no page can show."""
    return " ".join(text.replace("\0", "").split())


def faults(question: str, texts: list[str]) -> dict[str, str]:
    """What is wrong with a poll, by field; empty if nothing is."""
    errors = {}
    if not question:
        errors["question"] = "Write a question."
    elif len(question) > LONGEST_QUESTION:
        errors["question"] = f"That is {len(question)} characters long; a question has up to {LONGEST_QUESTION}."
    if not FEWEST_OPTIONS <= len(texts) <= MOST_OPTIONS:
        errors["options"] = f"Write {FEWEST_OPTIONS} to {MOST_OPTIONS} options, not {len(texts)}, one on each line."
    elif len(longest := max(texts, key=len)) > LONGEST_OPTION:
        errors["options"] = f"One option is {len(longest)} characters long; it may be up to {LONGEST_OPTION}."
    elif len({text.casefold() for text in texts}) < len(texts):
        errors["options"] = "Two options are the same: write each once."
    return errors
