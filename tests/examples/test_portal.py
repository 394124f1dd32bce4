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

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

LOGIN = {"username": flaskr.USERNAME, "password": flaskr.PASSWORD}


class Links(HTMLParser):
    """The addresses that a page leads to, loads or sends forms to; ``data:`` ones apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "action") and value is not None and not value.startswith("data:"):
                self.found.add(value)


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
    """Every path that links lead to from *start*; each has to answer."""
    seen: set[str] = set()
    waiting = {start}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        response = client.get(path)
        assert response.status_code == 200, path
        if response.mimetype == "text/html":
            waiting |= Links(response.text).found - seen
        response.close()
    return seen


def test_the_index_says_what_is_there_and_how_to_log_in(client: Client, prefix: str) -> None:
    response = client.get(f"{prefix}/")

    assert response.status_code == 200
    assert "<title>Examples | flask_embed</title>" in response.text
    assert f'<a href="{prefix}/flaskr/">Flaskr</a>' in response.text
    assert f"<code>{flaskr.USERNAME} / {flaskr.PASSWORD}</code>" in response.text


def test_every_link_carries_the_prefix_and_leads_to_something(client: Client, prefix: str) -> None:
    assert walk(client, f"{prefix}/") == {
        f"{prefix}/",
        f"{prefix}/static/portal.css",
        f"{prefix}/flaskr/",
        f"{prefix}/flaskr/login",
        f"{prefix}/flaskr/static/style.css",
    }


def test_links_are_right_below_a_prefix_that_is_not_ascii(portal: ModuleType) -> None:
    client = Client(PrefixMiddleware(portal.app, "/büro"))

    assert walk(client, "/b%C3%BCro/") >= {"/b%C3%BCro/flaskr/", "/b%C3%BCro/flaskr/static/style.css"}


def test_the_table_shows_how_each_path_is_split(client: Client, prefix: str) -> None:
    page = client.get(f"{prefix}/").text

    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)]
    assert [[re.sub(r"<.*?>", "", cell) for cell in row] for row in rows if row] == [
        [f"{prefix}/, this page", prefix or "empty", "/"],
        [f"{prefix}/flaskr/login", f"{prefix}/flaskr", "/login"],
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

    assert response.status_code == 308
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
