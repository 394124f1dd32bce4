"""The portal: the list of examples, and each of them mounted, with and without a prefix in front."""

from __future__ import annotations

import importlib
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client

from examples import flaskr
from flask_embed.middleware import PrefixMiddleware
from tests.serving import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

LOGIN = {"username": flaskr.USERNAME, "password": flaskr.PASSWORD}


class Links(HTMLParser):
    """The addresses that a page names; ``data:`` ones apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        #: what it leads to or loads
        self.links: set[str] = set()
        #: where it sends forms
        self.forms: set[str] = set()
        self.feed(page)
        self.close()

    @property
    def found(self) -> set[str]:
        """All of them."""
        return self.links | self.forms

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "action") and value is not None and not value.startswith("data:"):
                (self.forms if name == "action" else self.links).add(value)


@pytest.fixture
def portal(empty_flaskr: None) -> ModuleType:
    """The module, imported when flaskr's database is elsewhere: importing it makes a missing one."""
    return importlib.import_module("examples.portal")


@pytest.fixture(params=["", "/yourapplication"], ids=["at the root", "below a prefix"])
def prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(portal: ModuleType, prefix: str) -> Client:
    return Client(PrefixMiddleware(portal.app, prefix))


def post(client: Client, path: str, form: dict[str, str]) -> str:
    return client.post(path, data=form, follow_redirects=True).text


def walk(client: Client, start: str) -> set[str]:
    """Every path that links lead to from *start*, and where forms are sent; each link has to answer."""
    seen: set[str] = set()
    forms: set[str] = set()
    waiting = {start}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        response = client.get(path, follow_redirects=True)
        assert response.status_code == (500 if path.endswith("/middleware/broken") else 200), path
        seen.add(response.request.script_root + response.request.path)
        if response.mimetype == "text/html":
            page = Links(response.text)
            forms |= page.forms
            waiting |= {link.partition("#")[0] for link in page.links} - seen
        response.close()
    return seen | forms


def test_the_index_says_what_is_there_and_how_to_log_in(client: Client, prefix: str) -> None:
    response = client.get(f"{prefix}/")

    assert response.status_code == 200
    assert "<title>Examples | flask_embed</title>" in response.text
    assert f'<a href="{prefix}/flaskr/">Flaskr</a>' in response.text
    assert f"<code>{flaskr.USERNAME} / {flaskr.PASSWORD}</code>" in response.text


def test_every_link_carries_the_prefix_and_leads_to_something(client: Client, portal: ModuleType, prefix: str) -> None:
    seen = walk(client, f"{prefix}/")

    assert {path for path in seen if not path.startswith(f"{prefix}/")} == set()
    assert len(portal.EXAMPLES) == 9
    for example in portal.EXAMPLES:
        assert f"{prefix}{example.prefix}/" in seen
        assert f"{prefix}{example.prefix}/static/style.css" in seen


def test_links_are_right_below_a_prefix_that_is_not_ascii(portal: ModuleType) -> None:
    client = Client(PrefixMiddleware(portal.app, "/büro"))

    assert walk(client, "/b%C3%BCro/") >= {"/b%C3%BCro/flaskr/", "/b%C3%BCro/flaskr/static/style.css"}


def test_the_table_shows_how_each_path_is_split(client: Client, prefix: str) -> None:
    page = client.get(f"{prefix}/").text

    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)]
    assert [[re.sub(r"<.*?>", "", cell) for cell in row] for row in rows if row] == [
        [f"{prefix}/, this page", prefix or "empty", "/"],
        [f"{prefix}/flaskr/login", f"{prefix}/flaskr", "/login"],
        [f"{prefix}/minitwit/public", f"{prefix}/minitwit", "/public"],
    ]


def test_an_address_that_is_nobodys_is_a_page_with_a_way_back(client: Client, prefix: str) -> None:
    response = client.get(f"{prefix}/nothing")

    assert response.status_code == 404
    assert f'<a href="{prefix}/">what there is</a>' in response.text


def test_an_error_page_of_a_mounted_app_is_its_own(client: Client, prefix: str) -> None:
    response = client.get(f"{prefix}/flaskr/nothing")

    assert response.status_code == 404
    assert f'<a href="{prefix}/flaskr/">Flaskr</a>' in response.text


def test_a_mount_without_its_slash_redirects_to_it(client: Client, prefix: str) -> None:
    response = client.get(f"{prefix}/flaskr")

    assert response.status_code == 307
    assert response.headers["Location"] == f"{prefix}/flaskr/"


def test_a_path_that_only_begins_like_a_mount_is_not_below_it(client: Client, prefix: str) -> None:
    assert "what there is" in client.get(f"{prefix}/flaskrx").text


def test_redirects_and_cookie_of_mounted_flaskr_have_its_prefix(client: Client, prefix: str) -> None:
    response = client.post(f"{prefix}/flaskr/login", data=LOGIN)

    assert response.status_code == 302
    assert response.headers["Location"] == f"{prefix}/flaskr/"
    assert f"Path={prefix}/flaskr" in response.headers["Set-Cookie"].split("; ")


def test_mounted_flaskr_can_be_used_from_login_to_logout(client: Client, prefix: str) -> None:
    root = f"{prefix}/flaskr"

    assert "You were logged in" in post(client, f"{root}/login", LOGIN)
    page = post(client, f"{root}/add", {"title": "<Hello>", "text": "<em>there</em>"})
    assert "&lt;Hello&gt;" in page
    assert "<em>there</em>" in page
    assert Links(page).found == {f"{root}/", f"{root}/add", f"{root}/logout", f"{root}/static/style.css"}
    assert "You were logged out" in client.get(f"{root}/logout", follow_redirects=True).text
    assert client.post(f"{root}/add", data={"title": "late", "text": "late"}).status_code == 401


def test_the_session_of_flaskr_stays_in_flaskr(client: Client, prefix: str) -> None:
    client.post(f"{prefix}/flaskr/login", data=LOGIN)

    assert client.get_cookie("session", path=f"{prefix}/flaskr") is not None
    assert "Cookie" not in client.get(f"{prefix}/").request.headers


def test_importing_the_portal_makes_a_missing_database(
    portal: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(flaskr, "DATABASE", str(tmp_path / "new.db"))

    importlib.reload(portal)

    assert "No entries here so far" in Client(portal.app).get("/flaskr/").text


def test_guests_have_written_to_minitwit_already(client: Client, prefix: str) -> None:
    assert "Standing in the reeds." in client.get(f"{prefix}/minitwit/public").text


def test_without_sqlalchemy_the_other_examples_are_there(portal: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with monkeypatch.context() as without:
            without.setattr("importlib.util.find_spec", lambda name: None)
            importlib.reload(portal)
        client = Client(portal.app)
        page = client.get("/").text

        assert "/sqlalchemy_core/" not in page
        assert 'pip install "flask-embed[sqlalchemy]"' in page
        assert client.get("/sqlite_patterns/").status_code == 200
        assert client.get("/sqlalchemy_core/").status_code == 404
    finally:
        importlib.reload(portal)


@pytest.mark.parametrize(
    "example",
    [
        "larger_app",
        "middleware",
        "minitwit",
        "sqlalchemy_classical",
        "sqlalchemy_core",
        "sqlalchemy_declarative",
        "uploads",
    ],
)
def test_small_examples_have_one_look(example: str) -> None:
    """The text above the line is the same in each, except for the colour of the app."""

    def common(name: str) -> list[str]:
        style = (ROOT / "examples" / name / "static" / "style.css").read_text("utf-8")
        above, line, _ = style.partition("/* The rest is of this app alone")
        assert line
        return [row for row in above.splitlines() if "--accent:" not in row]

    assert common(example) == common("sqlite_patterns")
