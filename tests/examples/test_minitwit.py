"""MiniTwit: several users, each with a client of their own, and visitors who are not logged in."""

from __future__ import annotations

import re
import runpy
import sqlite3
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from html import unescape
from threading import Barrier, BrokenBarrierError
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash
from werkzeug.test import Client as Browser

from examples import minitwit
from flask_embed import session
from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware
from tests.examples.test_portal import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from werkzeug.test import TestResponse

    from flask_embed import Flask
    from flask_embed.testing import Client

    Join = Callable[[str], Client]
    Connections = list[sqlite3.Connection]

PASSWORD = "correct horse"
PARTY = "\N{PARTY POPPER}"
PATHS = ["/", "/public", "/user/ada"]
FORMS = {
    "/register": {"username": "eve", "password": PASSWORD, "password2": PASSWORD},
    "/login": {"username": "bob", "password": PASSWORD},
    "/logout": {},
    "/message": {"text": "forged"},
    "/user/minitwit/follow": {},
    "/user/bob/unfollow": {},
}


def register(client: Browser, name: str, password: str = PASSWORD, again: str = PASSWORD, at: str = "") -> TestResponse:
    return client.post(f"{at}/register", data={"username": name, "password": password, "password2": again})


def login(client: Browser, name: str, password: str = PASSWORD, at: str = "") -> TestResponse:
    return client.post(f"{at}/login", data={"username": name, "password": password})


def write(client: Browser, *messages: str, at: str = "") -> TestResponse:
    return [client.post(f"{at}/message", data={"text": text}) for text in messages][-1]


def is_logged_in(client: Browser, at: str = "") -> bool:
    return client.get(f"{at}/").status_code == 200


def texts(page: TestResponse) -> list[str]:
    """The messages on a page, as they were written."""
    return [unescape(text) for text in re.findall(r'<p class="text">(.*?)</p>', page.text, re.DOTALL)]


def typed(page: TestResponse) -> list[str]:
    """The values in the fields of a form in the answer."""
    found = re.findall(r'<textarea [^>]*>([^<]*)</textarea>|\bvalue="([^"<>]*)"', page.text)
    return [unescape(text or value) for text, value in found]


def rows(query: str) -> list[sqlite3.Row]:
    with closing(minitwit.connect_db()) as db, db:
        return db.execute(query).fetchall()


def usernames() -> list[str]:
    return [row["username"] for row in rows("select username from user order by id")]


def everything() -> list[str]:
    """All that the database holds."""
    with closing(minitwit.connect_db()) as db:
        return list(db.iterdump())


def is_closed(db: sqlite3.Connection) -> bool:
    try:
        db.execute("select 1")
    except sqlite3.ProgrammingError:
        return True
    return False


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Connections]:
    """An empty site that is quick to write to, and the connections that were opened. At the end all are closed."""
    opened: Connections = []
    connect_db = minitwit.connect_db

    def connect_quickly() -> sqlite3.Connection:
        db = connect_db()
        db.execute("pragma synchronous = off")
        opened.append(db)
        return db

    monkeypatch.setattr(minitwit, "DATABASE", str(tmp_path / "minitwit.db"))
    monkeypatch.setattr(minitwit, "HASH_METHOD", "pbkdf2:sha256:1")
    monkeypatch.setattr(minitwit, "connect_db", connect_quickly)
    minitwit.init_db()
    yield opened
    assert all(map(is_closed, opened))


@pytest.fixture
def visitor(site: Connections) -> Client:
    return minitwit.app.test_client()


@pytest.fixture
def join(site: Connections) -> Join:
    """A new client with a new user, logged in."""

    def registered(name: str) -> Client:
        client = minitwit.app.test_client()
        assert register(client, name).status_code == 302
        return client

    return registered


@pytest.fixture
def ada(join: Join) -> Client:
    return join("ada")


@pytest.fixture
def bob(join: Join) -> Client:
    return join("bob")


@pytest.fixture
def three_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minitwit, "PER_PAGE", 3)


# Registering, logging in and out

WRONG_NAMES = ["", " ", "x" * 21, "two words", "a\nb", "a/b", "a\0", "<b>", '"', "é", "٣", "\N{KELVIN SIGN}"]
WRONG_LOGINS = [("ada", "wrong"), ("ada", ""), ("nobody", PASSWORD), ("", ""), ("ada\0", PASSWORD), ('"<b>', PASSWORD)]


def test_who_registers_is_logged_in(visitor: Client) -> None:
    assert register(visitor, " Ada_1 ").headers["Location"] == "/"
    assert "Welcome, Ada_1!" in visitor.get("/").text
    assert usernames() == ["Ada_1"]


@pytest.mark.parametrize(
    ("name", "password", "again", "error"),
    [
        *((name, "secret77", "secret77", "A username has 1 to 20 letters from a to z, ") for name in WRONG_NAMES),
        *((name, "secret77", "secret77", f"There is somebody called {name} already.") for name in ("taken", "TAKEN")),
        *(("ada", secret, secret, "A password has at least 8 characters.") for secret in ("", "secret7")),
        ("ada", "secret77", "Secret77", "The two passwords differ."),
    ],
)
def test_who_registers_wrongly_is_told_and_passwords_do_not_come_back(
    join: Join, visitor: Client, name: str, password: str, again: str, error: str
) -> None:
    join("taken")

    response = register(visitor, name, password, again)

    assert response.status_code == 400
    assert f'role="alert">{error}' in response.text
    assert typed(response) == [name]
    assert "secret7" not in response.text.lower()
    assert usernames() == ["taken"]


def test_each_field_that_is_wrong_has_its_message(visitor: Client) -> None:
    page = register(visitor, "no good name", "secret7", "other").text

    for field in ("username", "password"):
        assert f'<p class="error" id="{field}-error" role="alert">' in page
        assert re.search(rf'id="{field}"[^>]* aria-describedby="{field}-hint {field}-error" aria-invalid="true"', page)
    assert page.count('aria-invalid="true"') == 2


def test_of_two_who_take_one_name_at_once_one_gets_it(site: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    both_are_checked = Barrier(2, timeout=30)

    def hash_together(password: str, method: str) -> str:
        both_are_checked.wait()
        return generate_password_hash(password, method)

    monkeypatch.setattr(minitwit, "generate_password_hash", hash_together)
    clients = [minitwit.app.test_client(), minitwit.app.test_client()]
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda client: register(client, "ada").status_code, clients))

    assert sorted(codes) == [302, 400]
    assert [is_logged_in(client) for client in clients] == [code == 302 for code in codes]
    assert usernames() == ["ada"]


@pytest.mark.parametrize("name", ["login", "static", "public", "user", "_", "0", "x" * 20])
def test_a_name_may_be_that_of_a_page(join: Join, name: str) -> None:
    write(join(name), "here")
    page = join("reader").post(f"/user/{name}/follow", follow_redirects=True)

    assert f"<h1>{name}</h1>" in page.text
    assert texts(page) == ["here"]


def test_a_password_is_stored_as_scrypt_alone(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minitwit, "HASH_METHOD", runpy.run_module("examples.minitwit.__init__")["HASH_METHOD"])
    register(visitor, "ada")

    assert rows("select password_hash from user")[0]["password_hash"].startswith("scrypt:")
    assert PASSWORD not in "".join(everything())
    assert login(visitor, "ada").status_code == 302


@pytest.mark.parametrize("name", ["ada", "ADA", " ada "])
def test_a_name_logs_in_in_any_case(ada: Client, visitor: Client, name: str) -> None:
    assert login(visitor, name).headers["Location"] == "/"
    assert "Hello again, ada." in visitor.get("/").text


@pytest.mark.parametrize(("name", "password"), [*WRONG_LOGINS, ("minitwit", "!"), ("minitwit", "")])
def test_who_is_wrong_or_a_guest_cannot_log_in(visitor: Client, join: Join, name: str, password: str) -> None:
    minitwit.invite_guests()
    join("ada")

    response = login(visitor, name, password)

    assert response.status_code == 400
    assert 'role="alert">There is nobody with this name and password.</p>' in response.text
    assert typed(response) == [name]
    assert not is_logged_in(visitor)


@pytest.mark.parametrize(("enter", "name"), [(login, "ada"), (register, "eve")])
def test_what_was_planted_in_a_session_is_gone_after(
    ada: Client, visitor: Client, enter: Callable[..., TestResponse], name: str
) -> None:
    with visitor.session_transaction() as before:
        before["planted"] = "by somebody else"

    with visitor:
        enter(visitor, name)
        visitor.get("/")
        assert dict(session) == {"user_id": usernames().index(name) + 1}


def test_who_logs_out_is_logged_out(ada: Client) -> None:
    assert ada.post("/logout").headers["Location"] == "/public"
    assert "You are logged out." in ada.get("/public").text
    assert not is_logged_in(ada)


def test_a_form_that_is_far_too_large_is_refused_with_a_page(ada: Client) -> None:
    response = write(ada, "x" * 20_000)

    assert response.status_code == 413
    assert 'back to <a href="/public">' in response.text
    assert texts(ada.get("/")) == []


def test_who_is_no_longer_in_the_database_is_logged_out_also_when_others_register(ada: Client, join: Join) -> None:
    rows("delete from user")

    assert write(ada, "still here?").status_code == 401
    join("eve")
    assert not is_logged_in(ada)


def test_a_tampered_cookie_counts_as_logged_out(ada: Client, bob: Client) -> None:
    cookie = ada.get_cookie("session")
    assert cookie is not None
    forged = urlsafe_b64encode(b'{"user_id":2}').decode() + cookie.value[cookie.value.index(".") :]

    for value, is_accepted in ((forged, False), ("nonsense", False), ("", False), (cookie.value, True)):
        ada.set_cookie("session", value)
        assert is_logged_in(ada) is is_accepted


# Messages

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=160)  # no form carries surrogates
TOO_LONG = "That has 161 characters; a message has up to 160."
TOO_SHORT = "A message has at least one character."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert('hi')</script> &amp;", "<script>alert('hi')</script> &amp;"),
        ("'); drop table message; --", "'); drop table message; --"),
        ("  one\r\n\r\ntwo \r\n", "one\n\ntwo"),
        ("x" * 158 + "\r\ny", "x" * 158 + "\ny"),
        (PARTY * 160, PARTY * 160),
        ("a\0b", "a\0b"),
    ],
)
def test_a_message_is_shown_as_it_was_written(ada: Client, text: str, shown: str) -> None:
    page = ada.post("/message", data={"text": text}, follow_redirects=True)

    assert "Your message is out." in page.text
    assert "<script" not in page.text
    assert texts(page) == [shown]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS.filter(str.strip))
def test_any_text_comes_back(ada: Client, text: str) -> None:
    assert write(ada, text).status_code == 302
    assert texts(ada.get("/"))[0] == text.replace("\r\n", "\n").strip()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        *((text, TOO_LONG) for text in ("x" * 161, "x" * 159 + "\r\ny", "<b>" * 53 + "&\0", PARTY * 161)),
        *((text, TOO_SHORT) for text in ("", " ", "\r\n\t", "\N{IDEOGRAPHIC SPACE}\N{EM SPACE}")),
    ],
)
def test_a_message_of_a_wrong_length_is_refused_and_comes_back(ada: Client, text: str, error: str) -> None:
    response = write(ada, text)

    assert response.status_code == 400
    assert error in response.text
    assert typed(response) == [text.replace("\r\n", "\n").strip()]
    assert rows("select * from message") == []


@pytest.mark.parametrize("path", ["/register", "/login", "/message"])
def test_a_form_without_its_fields_is_a_400(ada: Client, path: str) -> None:
    assert ada.post(path).status_code == 400


# Timelines


def older(page: TestResponse) -> str:
    """The target of the link to older messages; empty without one."""
    found = re.search('<a href="([^"]*)" rel="next">Older messages</a>', page.text)
    return unescape(found[1]) if found else ""


def test_each_timeline_shows_its_messages_the_newest_first(join: Join, visitor: Client) -> None:
    ada, bob, cleo = join("ada"), join("bob"), join("cleo")
    ada.post("/user/bob/follow")
    bob.post("/user/cleo/follow")
    for number, client in enumerate([ada, bob, cleo, bob, ada, cleo], 1):
        write(client, str(number))

    assert texts(ada.get("/")) == ["5", "4", "2", "1"]
    assert texts(bob.get("/")) == ["6", "4", "3", "2"]
    assert visitor.get("/").headers["Location"] == "/public"
    assert texts(visitor.get("/public")) == texts(ada.get("/public")) == ["6", "5", "4", "3", "2", "1"]
    assert texts(visitor.get("/user/CLEO")) == texts(ada.get("/user/cleo")) == ["6", "3"]


@pytest.mark.parametrize("path", PATHS)
def test_every_message_is_on_one_page(ada: Client, three_a_page: None, path: str) -> None:
    for count, sizes in enumerate([[0], [1], [2], [3], [3, 1], [3, 2], [3, 3], [3, 3, 1]]):
        pages = [ada.get(path)]
        while older(pages[-1]):
            pages.append(ada.get(older(pages[-1])))
        assert [len(texts(page)) for page in pages] == sizes
        assert [text for page in pages for text in texts(page)] == [str(number) for number in range(count)][::-1]
        write(ada, str(count))


def test_a_new_message_moves_no_other_to_the_next_page(ada: Client, three_a_page: None) -> None:
    write(ada, "1", "2", "3", "4", "5")
    first = ada.get("/public")
    write(ada, "6")

    assert texts(ada.get(older(first))) == ["2", "1"]


@pytest.mark.parametrize("path", PATHS)
def test_any_before_gives_a_page(ada: Client, path: str) -> None:
    write(ada, "1", "2")
    shown = {"0": [], "1": [], "2": ["1"], "\N{FULLWIDTH DIGIT TWO}": ["1"], "3": ["2", "1"]}
    nonsense = ["", "x", "-1", "1.5", "2\0", str(2**63), "1" + "0" * 5000]

    for before in [*shown, *nonsense]:
        page = ada.get(path, query_string={"before": before})
        assert page.status_code == 200
        assert texts(page) == shown.get(before, ["2", "1"])
        assert ("There is nothing older." in page.text) is (texts(page) == [])


def test_the_form_is_on_the_first_page_of_ones_own_timeline_alone(ada: Client, visitor: Client) -> None:
    pages = [*map(ada.get, ["/", "/?before=9", "/public", "/user/ada"]), visitor.get("/public")]

    assert ['action="/message"' in page.text for page in pages] == [True, False, False, False, False]


# Following


def profile(page: TestResponse) -> tuple[str, str]:
    """A page's text about a user, and the buttons to follow and unfollow."""
    (counts,) = re.findall(r"\d+ messages?, follows \d+,\s+followed by \d+", page.text)
    return " ".join(counts.split()), " ".join(re.findall(r"<button[^>]*>((?:Follow|Unfollow) \w+)</button>", page.text))


def test_who_is_followed_is_shown_and_twice_is_harmless(ada: Client, join: Join, visitor: Client) -> None:
    write(join("bob"), "hello")
    join("cleo").post("/user/bob/follow")
    assert profile(ada.get("/user/bob")) == ("1 message, follows 0, followed by 1", "Follow bob")

    for _ in range(2):
        page = ada.post("/user/BOB/follow", follow_redirects=True)
        assert "You follow bob now." in page.text
        assert profile(page) == ("1 message, follows 0, followed by 2", "Unfollow bob")
    assert profile(visitor.get("/user/ada")) == ("0 messages, follows 1, followed by 0", "")
    assert texts(ada.get("/")) == ["hello"]

    for _ in range(2):
        page = ada.post("/user/BOB/unfollow", follow_redirects=True)
        assert "You no longer follow bob." in page.text
        assert profile(page) == ("1 message, follows 0, followed by 1", "Follow bob")
    assert texts(ada.get("/")) == []


def test_nobody_follows_themselves(ada: Client) -> None:
    response = ada.post("/user/Ada/follow")

    assert response.status_code == 400
    assert "Your own messages are on your timeline anyway." in response.text
    assert profile(ada.get("/user/ada")) == ("0 messages, follows 0, followed by 0", "")


@pytest.mark.parametrize("name", ["nobody", "%25", "%FF", "x" * 5000])
def test_who_does_not_exist_is_a_404(ada: Client, name: str) -> None:
    pages = [ada.get(f"/user/{name}"), ada.post(f"/user/{name}/follow"), ada.post(f"/user/{name}/unfollow")]

    assert [page.status_code for page in pages] == [404, 404, 404]
    assert all("Nobody here has that name." in page.text for page in pages)


# Who may change what


def test_the_forms_are_all_that_there_are() -> None:
    rules = [rule.rule for rule in minitwit.app.url_map.iter_rules() if "POST" in (rule.methods or ())]

    assert sorted(rules) == sorted(re.sub("/user/[a-z]+/", "/user/<username>/", path) for path in FORMS)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_of_another_site_is_refused_and_changes_nothing(ada: Client, join: Join, path: str) -> None:
    join("bob")
    join("minitwit")
    ada.post("/user/bob/follow", follow_redirects=True)
    before = everything(), ada.get_cookie("session")

    refused = ada.post(path, data=FORMS[path], headers={"Sec-Fetch-Site": "cross-site"})

    assert refused.status_code == 403
    assert "from a page of another site" in refused.text
    assert (everything(), ada.get_cookie("session")) == before
    assert ada.post(path, data=FORMS[path], headers={"Sec-Fetch-Site": "same-origin"}).status_code == 302
    assert (everything(), ada.get_cookie("session")) != before


@pytest.mark.parametrize("path", list(FORMS)[2:])
def test_nothing_changes_by_a_link(ada: Client, path: str) -> None:
    response = ada.get(path)

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert is_logged_in(ada)


@pytest.mark.parametrize("path", list(FORMS)[3:])
def test_who_is_logged_out_gets_a_page_with_a_way_to_log_in(bob: Client, visitor: Client, path: str) -> None:
    before = everything()
    response = visitor.post(path, data=FORMS[path])

    assert response.status_code == 401
    assert '<a href="/login">Log in</a> or go' in response.text
    assert everything() == before


# Pages, at the root and below a prefix

PUBLIC = ["/public", "/public?before=3", "/public?before=0", "/register", "/login", "/user/bob", "/nothing", "/message"]


@pytest.fixture(params=["", "/mounted"], ids=["at the root", "below a prefix"])
def root(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pages(site: Connections, three_a_page: None, root: str) -> list[tuple[TestResponse, bool]]:
    """Every page, with True if its visitor was logged in."""
    visitor, ada, bob, cleo = (Browser(PrefixMiddleware(minitwit.app, root)) for _ in range(4))
    for client, name in ((ada, "ada"), (bob, "bob"), (cleo, "cleo")):
        register(client, name, at=root)
    write(bob, "1", "2", "3", "4", at=root)
    ada.post(f"{root}/user/bob/follow")
    own = ["/", "/?before=3", "/user/ada", "/user/cleo", "/user/nobody"]
    forms = register(visitor, "ada", at=root), login(visitor, "ada", "wrong", at=root), write(visitor, "", at=root)
    return [
        *((page, False) for page in (*forms, *(visitor.get(root + path) for path in PUBLIC))),
        *((page, True) for page in (ada.get(root + path) for path in own + PUBLIC)),
        *((write(ada, text, at=root), True) for text in ("", "x" * 161)),
    ]


def test_each_page_has_a_policy_and_nothing_that_it_forbids(pages: list[tuple[TestResponse, bool]]) -> None:
    for page, _ in pages:
        assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "<h1>" in page.text
        assert re.findall(r"<(?:script|style)\b|\s(?:style|on\w+)\s*=", page.text) == []


def test_no_cache_keeps_what_was_seen_logged_in(pages: list[tuple[TestResponse, bool]]) -> None:
    assert {page.status_code for page, logged_in in pages if logged_in} == {200, 400, 404, 405}
    for page, logged_in in pages:
        assert page.headers.get("Cache-Control") == ("no-store" if logged_in else None)


def test_each_address_on_a_page_carries_the_prefix(pages: list[tuple[TestResponse, bool]], root: str) -> None:
    found = set[str]().union(*(Links(page.text).found for page, _ in pages))

    paths = ["", "static/style.css", "public", "public?before=2", "user/bob", "user/bob?before=2", "?before=2"]
    forms = ["register", "login", "logout", "message", "user/bob/unfollow", "user/cleo/follow"]
    assert found == {f"{root}/{path}" for path in paths + forms}


def test_the_stylesheet_may_be_kept(ada: Client) -> None:
    with ada.get("/static/style.css") as response:
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-cache"
        assert "Content-Security-Policy" not in response.headers


def test_two_mounts_share_no_login(site: Connections) -> None:
    browser = Browser(DispatcherMiddleware(mounts={"/one": minitwit.app, "/two": minitwit.app}))
    response = register(browser, "ada", at="/one")

    assert response.headers["Location"] == "/one/"
    assert {"Path=/one", "HttpOnly", "SameSite=Lax"} <= set(response.headers["Set-Cookie"].split("; "))
    assert browser.get("/two/").headers["Location"] == "/two/public"
    assert write(browser, "at two", at="/two").status_code == 401
    register(browser, "bob", at="/two")
    assert "mind, ada?" in browser.get("/one/").text
    assert browser.post("/one/logout").headers["Location"] == "/one/public"
    assert [is_logged_in(browser, at) for at in ("/one", "/two")] == [False, True]


# The database and the settings


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/user/nobody", 404), ("/public", 500)])
def test_a_request_has_one_connection_that_is_closed_and_headers_also_when_it_fails(
    ada: Client, site: Connections, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    logged: list[Exception] = []
    monkeypatch.setattr(minitwit.app, "log_exception", logged.append)
    monkeypatch.setattr(minitwit, "PUBLIC", "select * from nowhere")
    site.clear()

    response = ada.get(path)

    assert response.status_code == status
    assert [is_closed(db) for db in site] == [True]
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Security-Policy"] == minitwit.CONTENT_SECURITY_POLICY
    assert [str(error) for error in logged] == ["no such table: nowhere"] * (status == 500)


def test_the_database_keeps_its_rules(ada: Client) -> None:
    write(ada, "kept")
    before = everything()

    for statement in (
        "insert into message (author_id, text) values (9, 'by nobody')",
        "insert into follower (who_id, whom_id) values (1, 9)",
        "insert into follower (who_id, whom_id) values (1, 1)",
        "insert into user (username, password_hash) values ('ADA', '!')",
        "delete from user",
    ):
        with minitwit.app.test_request_context(), pytest.raises(sqlite3.IntegrityError):
            minitwit.change_db(statement, [])
    assert everything() == before


def test_what_is_there_is_kept_and_no_guests_come_to_it(ada: Client) -> None:
    write(ada, "kept")
    before = everything()

    minitwit.init_db()
    minitwit.invite_guests()
    assert everything() == before


def test_guests_come_once_to_an_empty_site(visitor: Client) -> None:
    for _ in range(2):
        minitwit.invite_guests()
        assert usernames() == ["minitwit", "heron", "wagtail"]
        assert len(texts(visitor.get("/public"))) == 5


def test_guests_come_once_when_two_workers_start_at_once(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    both_have_looked = Barrier(2, timeout=0.1)
    run_script = minitwit.run_script

    def run_together(db: sqlite3.Connection, name: str) -> None:
        with suppress(BrokenBarrierError):  # no second one comes where looking and writing are one step
            both_have_looked.wait()
        run_script(db, name)

    monkeypatch.setattr(minitwit, "run_script", run_together)
    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(minitwit.invite_guests) for _ in range(2)]

    assert [worker.result() for worker in started] == [None, None]
    assert usernames() == ["minitwit", "heron", "wagtail"]
    assert len(texts(visitor.get("/public"))) == 5


def test_the_environment_names_database_and_key_or_the_key_is_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINITWIT_DATABASE", "/srv/minitwit.db")
    monkeypatch.setenv("MINITWIT_SECRET_KEY", "a key")
    told = runpy.run_module("examples.minitwit.__init__")
    monkeypatch.delenv("MINITWIT_SECRET_KEY")
    keys = {runpy.run_module("examples.minitwit.__init__")["app"].secret_key for _ in range(2)}

    assert (told["DATABASE"], told["app"].secret_key) == ("/srv/minitwit.db", "a key")
    assert [len(key) for key in keys] == [64, 64]


def test_run_as_a_module_it_serves_with_an_empty_database(
    served: list[Flask], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(minitwit, "DATABASE", str(tmp_path / "new.db"))
    runpy.run_module("examples.minitwit", run_name="__main__")

    assert served == [minitwit.app]
    assert minitwit.app.debug is False
    assert usernames() == []
