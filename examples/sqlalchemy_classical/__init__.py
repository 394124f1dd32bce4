"""Shared expenses of friends, with a model in plain Python that SQLAlchemy maps to its tables by hand.

``python -m examples.sqlalchemy_classical`` serves it, README.md has the rest.
"""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from examples.sqlalchemy_classical.database import db_session, expenses, people
from examples.sqlalchemy_classical.model import Expense, Person, balances, format_cents, parse_cents, settle
from flask_embed import Flask, Response, redirect, refuse_cross_origin, render_template, request, url_for
from flask_embed.adapters.sqlalchemy_session import remove_session

app = Flask(__name__)
app.jinja_env.filters["money"] = format_cents

#: characters that a name and the title of an expense may have
LONGEST_NAME = 50
LONGEST_WHAT = 100

#: people that there may be
MOST_PEOPLE = 50

#: an id in a path: SQLite has none that is larger, and fails when it is asked for one
ID = f"int(max={2**63 - 1})"


# Around each request

# Forms are taken from our own pages only: a page elsewhere must not change what is owed (CSRF).
app.before_request(refuse_cross_origin)

# The session ends with its request, also when that has failed: what was not committed is gone.
remove_session(app, db_session)


# The page and its forms


@app.route("/")
def show_expenses(typed: dict[str, str] | None = None, errors: dict[str, str] | None = None) -> str:
    """The page with the debts, the expenses and the forms, and the faults of the form that was sent."""
    spent = db_session.scalars(select(Expense).order_by(expenses.c.id.desc())).all()
    # People are read last: were somebody added in between, an expense could be of a payer that we do not know.
    everybody = db_session.scalars(select(Person).order_by(people.c.id)).all()
    left = balances(everybody, spent)
    return render_template(
        "expenses.html", expenses=spent, balances=left, payments=settle(left), typed=typed or {}, errors=errors or {}
    )


@app.route("/people", methods=["POST"])
def add_person() -> Response | tuple[str, int]:
    """Add somebody, who from then on shares everything."""
    name = one_line(request.form["name"])
    error = fault_of_name(name)
    if not error:
        db_session.add(Person(name))
        try:
            db_session.commit()
            return redirect(url_for("show_expenses"))
        except IntegrityError:  # the constraint of the table, which also holds when two send the same at once
            db_session.rollback()
            error = f"{name} is on the list already."
    return show_expenses({"name": name}, {"name": error}), 400


@app.route("/expenses", methods=["POST"])
def add_expense() -> Response | tuple[str, int]:
    """Add what somebody has paid for all."""
    typed = {name: one_line(request.form.get(name, "")) for name in ("what", "amount", "payer")}
    payer = db_session.scalar(select(Person).where(people.c.name == typed["payer"]))
    errors = faults_of_expense(typed["what"], typed["amount"], payer)
    if errors or payer is None:
        return show_expenses(typed, errors), 400
    db_session.add(Expense(typed["what"], parse_cents(typed["amount"]), payer))
    db_session.commit()
    return redirect(url_for("show_expenses"))


@app.route(f"/expenses/<{ID}:expense_id>/remove", methods=["POST"])
def remove_expense(expense_id: int) -> Response:
    """Remove an expense; one that was removed before is ignored."""
    db_session.execute(delete(Expense).where(expenses.c.id == expense_id))
    db_session.commit()
    return redirect(url_for("show_expenses"))


def one_line(text: str) -> str:
    """The text of a field without line breaks, doubled spaces, and the NUL that no page can show."""
    return " ".join(text.replace("\0", "").split())


def fault_of_name(name: str) -> str:
    """The fault of a name; empty if a person of that name can be added."""
    if not name:
        return "Write a name."
    if len(name) > LONGEST_NAME:
        return f"That is {len(name)} characters long; a name has up to {LONGEST_NAME}."
    if db_session.scalars(select(func.count()).select_from(Person)).one() >= MOST_PEOPLE:
        return f"The list is full: it has up to {MOST_PEOPLE} people."
    return ""


def faults_of_expense(what: str, amount: str, payer: Person | None) -> dict[str, str]:
    """The faults of an expense, by field; empty without faults."""
    errors = {}
    if not what:
        errors["what"] = "Write what it was for."
    elif len(what) > LONGEST_WHAT:
        errors["what"] = f"That is {len(what)} characters long; it may be up to {LONGEST_WHAT}."
    try:
        paid = parse_cents(amount)
    except ValueError:
        paid = 0
    if paid == 0:
        errors["amount"] = "Write an amount such as 12.50, from 0.01 to 999999.99."
    if payer is None:
        errors["payer"] = "Choose who has paid: somebody on the list."
    return errors
