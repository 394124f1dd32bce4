"""The polls: their pages, the connection of a request, and votes that come at the same time."""

from __future__ import annotations

import re
import runpy
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import QueuePool
from werkzeug.test import Client as AnyClient

from examples import sqlalchemy_core as polls
from examples.sqlalchemy_core import database
from flask_embed.middleware import PrefixMiddleware
from tests.examples.test_portal import Links

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask_embed import Flask
    from flask_embed.testing import Client

THREADS = 4


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    engine = database.connect(str(tmp_path / "polls.db"))
    monkeypatch.setattr(database, "engine", engine)
    database.init_db()
    yield polls.app.test_client()
    engine.dispose()


def ask(client: Client, question: str, *options: str) -> str:
    """The page after the poll was started."""
    form = {"question": question, "options": "\r\n".join(options)}
    return client.post("/new", data=form, follow_redirects=True).text


def stored() -> dict[str, dict[str, int]]:
    """The votes for each option, by question."""
    result: dict[str, dict[str, int]] = {}
    with polls.app.test_request_context():
        for question in polls.get_db().scalars(select(database.polls.c.question)):
            result[question] = {}
        query = select(database.polls.c.question, database.options.c.text, database.options.c.votes)
        for question, text, votes in polls.get_db().execute(query.join(database.options)):
            result[question][text] = votes
    return result


def lines(page: str) -> list[str]:
    """The text of the lists on the page, line by line."""
    items = re.findall(r"<li[ >].*?</li>", page, re.DOTALL)
    return [" ".join(re.sub("<.*?>", "", item).split()) for item in items]


# The polls


def test_an_empty_list_says_so(client: Client) -> None:
    assert lines(client.get("/").text) == ["Nobody has asked anything yet."]


def test_a_poll_is_started_and_shown_escaped(client: Client) -> None:
    page = ask(client, "  <b>Lunch</b>? ", " <i>Soup</i>\0", "", "Pizza   pie", " ")

    assert "<h1>&lt;b&gt;Lunch&lt;/b&gt;?</h1>" in page
    assert "<i>" not in page
    assert lines(page) == ["&lt;i&gt;Soup&lt;/i&gt; 0", "Pizza pie 0"]
    assert stored() == {"<b>Lunch</b>?": {"<i>Soup</i>": 0, "Pizza pie": 0}}


def test_the_list_has_the_newest_first_and_counts_the_votes_of_each(client: Client) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")
    ask(client, "Drink?", "Tea", "Coffee")
    ask(client, "Dance?", "Yes", "No")
    for poll_id, option_id in ((1, 1), (1, 2), (2, 4)):
        client.post(f"/polls/{poll_id}/vote", data={"option": option_id})

    assert lines(client.get("/").text) == ["Dance? 0 votes", "Drink? 1 vote", "Lunch? 2 votes"]


def test_a_poll_without_options_is_on_the_list_too(client: Client) -> None:
    with database.engine.begin() as db:
        db.execute(insert(database.polls).values(question="Why?"))

    assert lines(client.get("/").text) == ["Why? 0 votes"]


def test_a_vote_is_counted_and_shown_as_a_bar_and_in_words(client: Client) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")
    for option_id in (2, 1, 2):
        response = client.post("/polls/1/vote", data={"option": option_id})

    page = client.get("/polls/1").text

    assert response.location == "/polls/1#votes"
    assert stored() == {"Lunch?": {"Soup": 1, "Pizza": 2}}
    assert '<h2 id="votes">3 votes so far</h2>' in page
    assert lines(page) == ["Soup 1, 33%", "Pizza 2, 67%"]
    assert '<label for="votes-2">Pizza</label>' in page
    assert '<meter id="votes-2" value="2" max="3"></meter>' in page


@pytest.mark.parametrize("option", ["3", "", "7", "-1", "one", "1.0", "\0", str(2**63), "9" * 5000])
def test_a_vote_for_no_option_of_the_poll_is_refused(client: Client, option: str) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")
    ask(client, "Drink?", "Tea", "Coffee")

    response = client.post("/polls/1/vote", data={"option": option})

    assert response.status_code == 400
    assert '<p class="error" id="error" role="alert">Choose one of the options.</p>' in response.text
    assert stored() == {"Lunch?": {"Soup": 0, "Pizza": 0}, "Drink?": {"Tea": 0, "Coffee": 0}}


def test_a_vote_without_an_option_is_refused(client: Client) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")

    response = client.post("/polls/1/vote")

    assert response.status_code == 400
    assert "Choose one of the options." in response.text


@pytest.mark.parametrize("poll_id", ["7", str(2**63 - 1), str(2**63), "9" * 5000])
def test_a_poll_that_is_not_there_is_a_404(client: Client, poll_id: str) -> None:
    assert client.get(f"/polls/{poll_id}").status_code == 404
    assert client.post(f"/polls/{poll_id}/vote", data={"option": "1"}).status_code == 404


@pytest.mark.parametrize(
    ("question", "options", "field", "error"),
    [
        (" \0", ["a", "b"], "question", "Write a question."),
        ("x" * 201, ["a", "b"], "question", "201 characters long; a question has up to 200"),
        ("Why?", [], "options", "Write 2 to 10 options, not 0"),
        ("Why?", ["a", " "], "options", "Write 2 to 10 options, not 1"),
        ("Why?", list("abcdefghijk"), "options", "Write 2 to 10 options, not 11"),
        ("Why?", ["a", "x" * 101], "options", "One option is 101 characters long; it may be up to 100"),
        ("Why?", ["Émile", "b", "ÉMILE"], "options", "Two options are the same"),
    ],
)
def test_a_wrong_poll_is_refused_and_comes_back(
    client: Client, question: str, options: list[str], field: str, error: str
) -> None:
    response = client.post("/new", data={"question": question, "options": "\n".join(options)})

    assert response.status_code == 400
    assert response.text.count('role="alert"') == 1
    assert f'<p class="error" id="{field}-error" role="alert">' in response.text
    assert error in response.text
    assert 'value="{}"'.format(question.strip(" \0")) in response.text
    assert ">{}</textarea>".format("\n".join(options).strip()) in response.text
    assert stored() == {}


@pytest.mark.parametrize("missing", ["question", "options"])
def test_a_form_without_a_field_is_refused(client: Client, missing: str) -> None:
    form = {"question": "Why?", "options": "a\nb"}
    del form[missing]

    assert client.post("/new", data=form).status_code == 400
    assert stored() == {}


def test_the_most_that_is_allowed_is_taken(client: Client) -> None:
    options = [f"{number}{'x' * 99}" for number in range(10)]

    ask(client, "q" * 200, *options)

    assert list(stored()["q" * 200]) == options


@pytest.mark.parametrize("path", ["/new", "/polls/1/vote"])
def test_forms_of_other_sites_are_refused(client: Client, path: str) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")
    form = {"question": "Forged?", "options": "a\nb", "option": "1"}

    response = client.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert stored() == {"Lunch?": {"Soup": 0, "Pizza": 0}}


def test_nothing_changes_by_a_link(client: Client) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")

    assert client.get("/polls/1/vote?option=1").status_code == 405
    client.get("/new?question=Forged&options=a%0Ab")
    assert stored() == {"Lunch?": {"Soup": 0, "Pizza": 0}}


def test_the_form_answers_head_like_get(client: Client) -> None:
    assert client.head("/new").status_code == client.get("/new").status_code == 200


def test_mounted_below_a_prefix_all_links_stay_below_it(client: Client) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")
    mounted = AnyClient(PrefixMiddleware(polls.app, "/mounted"))

    for path in ("/", "/polls/1", "/new"):
        links = Links(mounted.get(f"/mounted{path}").text).found
        assert len(links) > 1
        assert {link for link in links if not link.startswith("/mounted/")} == set()
    assert mounted.post("/mounted/polls/1/vote", data={"option": "1"}).location == "/mounted/polls/1#votes"


# The patterns


def test_no_vote_is_lost_when_several_vote_at_once(client: Client) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")
    everybody = Barrier(THREADS, timeout=10)

    def vote(option_id: int) -> list[int]:
        voter = polls.app.test_client()
        everybody.wait()
        return [voter.post("/polls/1/vote", data={"option": option_id}).status_code for _ in range(5)]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(vote, [1, 1, 1, 2]))

    assert answers == [[302] * 5] * THREADS
    assert stored() == {"Lunch?": {"Soup": 15, "Pizza": 5}}


def test_the_list_is_one_statement(client: Client) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")
    ask(client, "Drink?", "Tea", "Coffee")
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    client.get("/")

    assert len(sent) == 1


def test_a_poll_whose_options_fail_is_not_stored(client: Client) -> None:
    with polls.app.test_request_context(), pytest.raises(IntegrityError):
        polls.store_poll("Why?", ["once", "once"])

    assert stored() == {}


def test_a_request_has_one_connection_given_back_at_its_end(client: Client) -> None:
    with polls.app.test_request_context():
        db = polls.get_db()
        assert polls.get_db() is db
        db.execute(insert(database.polls).values(question="not committed"))

    assert db.closed
    assert stored() == {}


def test_the_connection_is_given_back_when_the_request_fails(client: Client) -> None:
    def fail() -> None:
        with polls.app.test_request_context():
            polls.get_db().execute(select(database.polls))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert isinstance(database.engine.pool, QueuePool)
    assert database.engine.pool.checkedout() == 0


def test_what_needs_no_database_opens_none(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "engine", None)

    with client.get("/static/style.css") as response:
        assert b"color-scheme" in response.data
    assert client.get("/new").status_code == 200


def test_init_db_keeps_what_is_there(client: Client) -> None:
    ask(client, "Lunch?", "Soup", "Pizza")

    database.init_db()

    assert stored() == {"Lunch?": {"Soup": 0, "Pizza": 0}}


def test_the_environment_names_the_database_which_no_import_makes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POLLS_DATABASE", str(tmp_path / "50%?.db"))

    engine = runpy.run_path(database.__file__)["engine"]

    assert list(tmp_path.iterdir()) == []
    with engine.connect():
        assert [path.name for path in tmp_path.iterdir()] == ["50%?.db"]
    engine.dispose()


def test_run_as_a_module_it_serves_with_a_database(client: Client, served: list[Flask]) -> None:
    database.metadata.drop_all(database.engine)

    runpy.run_module("examples.sqlalchemy_core", run_name="__main__")

    assert served == [polls.app]
    assert stored() == {}
