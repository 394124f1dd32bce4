"""The test client: what it leaves behind, and what it takes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from flask_embed import Flask, g, has_request_context, request, session


class Connection:
    """Something that has to be closed."""

    opened: list[Connection] = []  # noqa: RUF012 emptied for each test

    def __init__(self) -> None:
        self.is_open = True
        self.opened.append(self)


def connection() -> Connection:
    """The connection of the request: the pattern of the documentation."""
    if "connection" not in g:
        g.connection = Connection()
    found: Connection = g.connection
    return found


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "key"
    Connection.opened.clear()

    @app.route("/<name>", methods=["GET", "POST"])
    def view(name: str) -> Any:
        connection()
        return {"name": name, "json": request.get_json(silent=True), "user": session.get("user")}

    @app.teardown_request
    def close(error: BaseException | None) -> None:
        found = g.pop("connection", None)
        if found is not None:
            found.is_open = False

    return app


def test_two_clients_in_with_blocks_leave_nothing_bound(app: Flask) -> None:
    with app.test_client() as alice, app.test_client() as bob:
        alice.get("/a")
        bob.get("/b")
        assert request.path == "/b"
        alice.get("/c")
        assert request.path == "/c"
        bob.get("/d")
        alice.get("/e")
        bob.get("/f")
        assert request.path == "/f"
    assert not has_request_context()


@pytest.mark.parametrize("order", ["inner first", "outer first"])
def test_nor_do_clients_that_are_left_in_another_order(app: Flask, order: str) -> None:
    alice, bob = app.test_client().__enter__(), app.test_client().__enter__()
    alice.get("/a")
    bob.get("/b")
    for client in (bob, alice) if order == "inner first" else (alice, bob):
        client.__exit__(None, None, None)
    assert not has_request_context()


def test_the_end_of_another_client_s_block_leaves_the_last_request_readable(app: Flask) -> None:
    with app.test_client() as alice:
        with app.test_client() as bob:
            bob.get("/b")
            alice.get("/a")
        assert request.path == "/a"
    assert not has_request_context()


def test_a_request_within_a_context_of_ones_own_ends_with_that(app: Flask) -> None:
    with app.test_client() as client:
        client.get("/a")
        with app.test_request_context("/own"):
            client.get("/b")
            assert request.path == "/b"
            client.get("/c")
        assert request.path == "/a"
        client.get("/d")
        assert request.path == "/d"
    assert not has_request_context()


def test_leaving_contexts_in_the_wrong_order_is_still_an_error(app: Flask) -> None:
    outer, inner = app.test_request_context("/outer"), app.test_request_context("/inner")
    outer.bind()
    inner.bind()
    with pytest.raises(RuntimeError, match="not the current one"):
        outer.unbind()
    inner.unbind()
    outer.unbind()


def test_what_is_opened_in_a_kept_context_ends_with_it(app: Flask) -> None:
    ended: list[str] = []
    app.teardown_request(lambda error: ended.append(request.path))
    with app.test_client() as client:
        client.get("/a")
        assert [each.is_open for each in Connection.opened] == [False]
        connection()
        client.get("/b")
        assert [each.is_open for each in Connection.opened] == [False, False, False]
        connection()
    assert [each.is_open for each in Connection.opened] == [False] * 4
    assert ended == ["/a", "/a", "/b", "/b"]
    assert not has_request_context()


def test_looking_into_it_ends_nothing_a_second_time(app: Flask) -> None:
    ended: list[str] = []
    app.teardown_request(lambda error: ended.append(request.path))
    with app.test_client() as client:
        client.get("/a?x=1")
        assert (request.args["x"], g.get("connection"), session.get("user")) == ("1", None, None)
    assert ended == ["/a"]


@pytest.mark.parametrize("block", [True, False])
def test_a_request_within_a_session_transaction_works(app: Flask, block: bool) -> None:
    client = app.test_client()
    if block:
        client.__enter__()
    client.get("/before")
    with client.session_transaction() as transaction:
        assert client.get("/within").json == {"name": "within", "json": None, "user": None}
        transaction["user"] = "ada"
    assert client.get("/after").json == {"name": "after", "json": None, "user": "ada"}
    if block:
        assert request.path == "/after"
        client.__exit__(None, None, None)
    assert not has_request_context()


def test_a_session_transaction_that_fails_saves_nothing_and_ends(app: Flask) -> None:
    ended: list[BaseException | None] = []
    app.teardown_request(ended.append)
    client = app.test_client()
    with pytest.raises(ZeroDivisionError), client.session_transaction() as transaction:
        transaction["user"] = 1 / len(transaction)
    assert [type(error) for error in ended] == [ZeroDivisionError]
    assert client.get_cookie("session") is None
    assert not has_request_context()


def test_a_client_may_use_no_cookies(app: Flask) -> None:

    @app.route("/login/<user>")
    def login(user: str) -> str:
        session["user"] = user
        return "in"

    keeping, forgetting = app.test_client(), app.test_client(use_cookies=False)
    for client, user in ((keeping, "ada"), (forgetting, None)):
        client.get("/login/ada")
        assert client.get("/x").json["user"] == user  # type: ignore[index]
    with pytest.raises(TypeError, match="use_cookies=False"), forgetting.session_transaction():
        pass


def test_json_takes_what_jsonify_takes(app: Flask) -> None:
    value = {"day": date(2026, 5, 4), "price": Decimal("1.10"), 1: None}
    sent = {"day": "Mon, 04 May 2026 00:00:00 GMT", "price": "1.10", "1": None}

    assert app.test_client().post("/x", json=value).json["json"] == sent  # type: ignore[index]
    assert app.test_client().open("/x", method="POST", json=value, buffered=True).json["json"] == sent  # type: ignore[index]
    with app.test_request_context("/x", method="POST", json=value):
        assert request.get_json() == sent
