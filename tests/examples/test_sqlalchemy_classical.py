"""The shared expenses: the model alone, the page, and the mapping that joins them."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import class_mapper
from sqlalchemy.pool import QueuePool
from werkzeug.test import Client as AnyClient

from examples import sqlalchemy_classical as shared
from examples.sqlalchemy_classical import database, model
from examples.sqlalchemy_classical.model import (
    Expense,
    Payment,
    Person,
    balances,
    format_cents,
    parse_cents,
    settle,
)
from flask_embed.middleware import PrefixMiddleware
from tests.examples.test_portal import Links

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask_embed import Flask
    from flask_embed.testing import Client

CENTS = st.integers(1, 99_999_999)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    usual, engine = database.engine, database.connect(str(tmp_path / "expenses.db"))
    monkeypatch.setattr(database, "engine", engine)
    database.db_session.configure(bind=engine)
    database.init_db()
    yield shared.app.test_client()
    database.db_session.configure(bind=usual)
    engine.dispose()


def join(client: Client, *names: str) -> str:
    """The page after the people were added."""
    for name in names:
        assert client.post("/people", data={"name": name}).status_code == 302
    return client.get("/").text


def spend(client: Client, what: str, amount: str, payer: str) -> str:
    """The page after the expense was added."""
    form = {"what": what, "amount": amount, "payer": payer}
    return client.post("/expenses", data=form, follow_redirects=True).text


def spent() -> list[tuple[str, int, str]]:
    with shared.app.test_request_context():
        rows = database.db_session.scalars(select(Expense).order_by(database.expenses.c.id))
        return [(expense.what, expense.cents, expense.payer.name) for expense in rows]


def names() -> list[str]:
    with shared.app.test_request_context():
        return [person.name for person in database.db_session.scalars(select(Person).order_by(database.people.c.id))]


def lines(page: str) -> list[str]:
    """The text of the lists on the page, line by line."""
    items = re.findall(r"<li[ >].*?</li>", page, re.DOTALL)
    return [" ".join(re.sub("<.*?>", "", item).split()) for item in items]


# The model


@st.composite
def groups(draw: st.DrawFn) -> tuple[list[Person], list[Expense]]:
    people = [Person(f"person {number}") for number in range(draw(st.integers(1, 9)))]
    payers = st.sampled_from(people)
    return people, draw(st.lists(st.builds(Expense, st.just("something"), CENTS, payers), max_size=12))


@given(groups())
def test_balances_are_zero_together_and_the_shares_equal_to_a_cent(group: tuple[list[Person], list[Expense]]) -> None:
    people, expenses = group

    result = balances(people, expenses)

    assert list(result) == people
    assert sum(result.values()) == 0
    paid = {person: sum(expense.cents for expense in expenses if expense.payer is person) for person in people}
    shares = [paid[person] - result[person] for person in people]
    assert max(shares) - min(shares) <= 1


@given(groups())
def test_the_payments_even_everything_out(group: tuple[list[Person], list[Expense]]) -> None:
    left = balances(*group)

    payments = settle(left)

    assert len(payments) < len(left)
    for payment in payments:
        assert payment.cents > 0
        left[payment.giver] += payment.cents
        left[payment.taker] -= payment.cents
    assert set(left.values()) == {0}


def test_a_cent_that_cannot_be_divided_is_borne_by_the_first() -> None:
    ada, bob, cleo = people = [Person("Ada"), Person("Bob"), Person("Cleo")]

    assert balances(people, [Expense("ice", 1000, cleo)]) == {ada: -334, bob: -333, cleo: 667}


def test_who_owes_most_pays_who_gets_most() -> None:
    ada, bob, cleo = Person("Ada"), Person("Bob"), Person("Cleo")

    assert settle({ada: 50, bob: -20, cleo: -30}) == [Payment(cleo, ada, 30), Payment(bob, ada, 20)]


def test_nobody_has_no_balance_and_no_payment() -> None:
    assert balances([], []) == {}
    assert settle({}) == []


def test_balances_that_are_not_zero_together_cannot_be_settled() -> None:
    with pytest.raises(ValueError, match="zero together, not 5 cents"):
        settle({Person("Ada"): 5})


def test_people_of_one_name_are_two() -> None:
    assert len(balances([Person("Ada"), Person("Ada")], [])) == 2


@given(CENTS)
def test_an_amount_is_read_as_it_was_written(cents: int) -> None:
    assert parse_cents(format_cents(cents)) == cents
    assert parse_cents(format_cents(cents).replace(".", ",")) == cents


@pytest.mark.parametrize(("text", "cents"), [("12", 1200), ("12.5", 1250), ("0,29", 29), ("007", 700), ("0", 0)])
def test_an_amount_is_read_exactly(text: str, cents: int) -> None:
    assert parse_cents(text) == cents


@pytest.mark.parametrize(
    "text", ["", ".5", "5.", "-1", "+1", "1.234", "1,234.50", "1e3", "1_0", "٣", "nan", "1000000", "9" * 5000, "1\n"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount: write it as"):
        parse_cents(text)


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123456, "1234.56")])
def test_cents_are_shown_as_an_amount(cents: int, text: str) -> None:
    assert format_cents(cents) == text


def test_the_model_is_used_without_sqlalchemy() -> None:
    code = """if True:
        import sys
        from model import Expense, Person, balances, settle

        ada, bob = Person("Ada"), Person("Bob")
        [payment] = settle(balances([ada, bob], [Expense("ice", 300, ada)]))
        print(payment.giver.name, payment.cents, "sqlalchemy" in sys.modules)
    """
    folder = os.path.dirname(model.__file__)

    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)

    assert done.stdout == "Bob 150 False\n"


# The page


def test_an_empty_list_says_so_and_asks_for_nobody_to_have_paid(client: Client) -> None:
    page = client.get("/").text

    assert lines(page) == [
        "Nobody owes anything.",
        "Nobody is on the list: add the first of you.",
        "Nothing was spent.",
    ]
    assert 'name="payer"' not in page


def test_the_page_says_who_pays_whom(client: Client) -> None:
    join(client, "Ada", "Bob", "Cleo")
    spend(client, "pizza", "30,00", "Ada")
    page = spend(client, "ice", "0.02", "Bob")

    assert lines(page) == [
        "Cleo pays Ada 10.00",
        "Bob pays Ada 9.99",
        "Ada gets back 19.99",
        "Bob owes 9.99",
        "Cleo owes 10.00",
        "ice, paid by Bob 0.02 Remove",
        "pizza, paid by Ada 30.00 Remove",
    ]
    assert spent() == [("pizza", 3000, "Ada"), ("ice", 2, "Bob")]


def test_names_and_expenses_are_stripped_and_shown_escaped(client: Client) -> None:
    join(client, "  <b>Ada</b>\0 ")
    page = spend(client, " <i>ice</i>\n", " 1 ", "<b>Ada</b>")

    assert "&lt;b&gt;Ada&lt;/b&gt;" in page
    assert "<b>Ada" not in page
    assert "<i>" not in page
    assert names() == ["<b>Ada</b>"]
    assert spent() == [("<i>ice</i>", 100, "<b>Ada</b>")]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (" ", "Write a name."),
        ("x" * 51, "That is 51 characters long; a name has up to 50."),
        ("ADA", "ADA is on the list already."),
    ],
)
def test_a_wrong_name_is_refused_and_comes_back(client: Client, name: str, error: str) -> None:
    join(client, "Ada")

    response = client.post("/people", data={"name": name})

    assert response.status_code == 400
    assert f'<p class="error" id="name-error" role="alert">{error}</p>' in response.text
    assert f'<input id="name" name="name" value="{name.strip()}"' in response.text
    assert names() == ["Ada"]


def test_the_list_of_people_can_be_full(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MOST_PEOPLE", 2)
    join(client, "Ada", "Bob")

    response = client.post("/people", data={"name": "Cleo"})

    assert response.status_code == 400
    assert "The list is full: it has up to 2 people." in response.text


@pytest.mark.parametrize(
    ("field", "wrong", "error"),
    [
        ("what", "", "Write what it was for."),
        ("what", "x" * 101, "101 characters long; it may be up to 100"),
        ("amount", "", "Write an amount such as 12.50"),
        ("amount", "0.00", "Write an amount such as 12.50"),
        ("amount", "-5", "Write an amount such as 12.50"),
        ("amount", "9" * 5000, "Write an amount such as 12.50, from 0.01 to 999999.99"),
        ("payer", "", "Choose who has paid"),
        ("payer", "Bob", "Choose who has paid"),
    ],
)
def test_a_wrong_expense_is_refused_and_comes_back(client: Client, field: str, wrong: str, error: str) -> None:
    join(client, "Ada")
    form = {"what": "pizza", "amount": "30.00", "payer": "Ada"} | {field: wrong}

    response = client.post("/expenses", data=form)

    assert response.status_code == 400
    assert response.text.count('role="alert"') == 1
    assert f'<p class="error" id="{field}-error" role="alert">' in response.text
    assert error in response.text
    assert f'<input id="what" name="what" value="{form["what"]}"' in response.text
    assert f'<input id="amount" name="amount" value="{form["amount"]}"' in response.text
    assert ('<option value="Ada" selected>' in response.text) == (field != "payer")
    assert spent() == []


@pytest.mark.parametrize("path", ["/people", "/expenses"])
def test_a_form_without_its_fields_is_refused(client: Client, path: str) -> None:
    assert client.post(path).status_code == 400


def test_an_expense_is_removed_and_once_more_is_no_error(client: Client) -> None:
    join(client, "Ada")
    spend(client, "pizza", "30", "Ada")

    for _ in range(2):
        assert "Nothing was spent." in client.post("/expenses/1/remove", follow_redirects=True).text


def test_an_old_page_cannot_remove_a_newer_expense(client: Client) -> None:
    join(client, "Ada")
    spend(client, "pizza", "30", "Ada")
    client.post("/expenses/1/remove")
    spend(client, "ice", "3", "Ada")

    client.post("/expenses/1/remove")

    assert spent() == [("ice", 300, "Ada")]


def test_a_number_that_no_expense_can_have_is_a_404(client: Client) -> None:
    assert client.post(f"/expenses/{2**63 - 1}/remove").status_code == 302
    assert client.post(f"/expenses/{2**63}/remove").status_code == 404


@pytest.mark.parametrize("path", ["/people", "/expenses", "/expenses/1/remove"])
def test_forms_of_other_sites_are_refused(client: Client, path: str) -> None:
    join(client, "Ada")
    spend(client, "kept", "30", "Ada")
    form = {"name": "Forger", "what": "forged", "amount": "1", "payer": "Ada"}

    response = client.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert names() == ["Ada"]
    assert spent() == [("kept", 3000, "Ada")]


@pytest.mark.parametrize("path", ["/people", "/expenses", "/expenses/1/remove"])
def test_nothing_changes_by_a_link(client: Client, path: str) -> None:
    assert client.get(path).status_code == 405


def test_mounted_below_a_prefix_all_links_stay_below_it(client: Client) -> None:
    join(client, "Ada")
    spend(client, "pizza", "30", "Ada")
    mounted = AnyClient(PrefixMiddleware(shared.app, "/mounted"))

    assert Links(mounted.get("/mounted/").text).found == {
        "/mounted/static/style.css",
        "/mounted/people",
        "/mounted/expenses",
        "/mounted/expenses/1/remove",
    }
    assert mounted.post("/mounted/people", data={"name": "Bob"}).location == "/mounted/"


# The mapping


def test_the_classes_are_mapped_once() -> None:
    mapper = class_mapper(Person)

    database.map_classes()
    again = runpy.run_path(database.__file__)

    assert class_mapper(Person) is mapper
    assert again["Person"] is Person


def test_the_session_is_removed_at_the_end_of_a_request(client: Client) -> None:
    with shared.app.test_request_context():
        session = database.db_session()
        assert database.db_session() is session
        session.add(Person("not committed"))
        session.flush()

    assert not database.db_session.registry.has()
    assert names() == []


def test_the_session_is_removed_when_the_request_fails(client: Client) -> None:
    def fail() -> None:
        with shared.app.test_request_context():
            database.db_session.execute(select(Person))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert not database.db_session.registry.has()
    assert isinstance(database.engine.pool, QueuePool)
    assert database.engine.pool.checkedout() == 0


def test_init_db_keeps_what_is_there(client: Client) -> None:
    join(client, "Ada")

    database.init_db()

    assert names() == ["Ada"]


def test_the_environment_names_the_database_which_no_import_makes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EXPENSES_DATABASE", str(tmp_path / "50%?.db"))

    engine = runpy.run_path(database.__file__)["engine"]

    assert list(tmp_path.iterdir()) == []
    with engine.connect():
        assert [path.name for path in tmp_path.iterdir()] == ["50%?.db"]
    engine.dispose()


def test_run_as_a_module_it_serves_with_a_database(client: Client, served: list[Flask]) -> None:
    database.mappers.metadata.drop_all(database.engine)

    runpy.run_module("examples.sqlalchemy_classical", run_name="__main__")

    assert served == [shared.app]
    assert names() == []
