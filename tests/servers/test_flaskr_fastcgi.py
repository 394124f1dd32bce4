"""Flaskr in a real browser, behind nginx and FastCGI below a prefix, with the configuration that flask-embed writes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from examples import flaskr
from flask_embed.config import Deployment, commands, render
from tests.servers.browsing import Site, go_back, path_of, press
from tests.servers.fronts import nginx, open_folder
from tests.serving import DEADLINE, ROOT, environment, portal_files, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "/yourapplication"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Flaskr by itself, with a database of its own."""
    with open_folder() as folder:
        variables = portal_files(folder)
        create = [sys.executable, "-c", "from examples.flaskr import ensure_db; ensure_db()"]
        subprocess.run(create, cwd=ROOT, env=environment() | variables, check=True, timeout=DEADLINE)
        deployment = Deployment(app="examples.flaskr:app", prefix=PREFIX, socket=f"{folder}/flaskr.sock")
        (command,) = commands("nginx", deployment)

        def text(port: int) -> str:
            return render("nginx", replace(deployment, listen=f"127.0.0.1:{port}"))

        with serving("fastcgi", *command[3:], variables=variables), nginx(text, folder) as front:
            yield Site(front.url, PREFIX, folder)


def log_in(page: Page, site: Site) -> None:
    page.goto(site.url("/login"))
    page.get_by_label("Username").fill(flaskr.USERNAME)
    page.get_by_label("Password").fill(flaskr.PASSWORD)
    press(page, "Log in")
    expect(page.get_by_role("status")).to_have_text("You were logged in")


def test_its_style_is_below_the_prefix_and_applied(page: Page, site: Site) -> None:
    with page.expect_response(re.compile(r"\.css$")) as style:
        page.goto(site.url("/"))

    assert style.value.ok
    assert style.value.url == site.url("/static/style.css")
    expect(page.locator("body")).to_have_css("margin-top", "0px")


def test_the_prefix_without_its_slash_is_the_front_page(page: Page, site: Site) -> None:
    page.goto(site.origin + PREFIX)

    assert path_of(page, site) == "/"
    expect(page.get_by_role("link", name="log in", exact=True).first).to_be_visible()


def test_from_login_to_logout(page: Page, site: Site) -> None:
    page.goto(site.url("/"))
    page.get_by_role("link", name="log in", exact=True).first.click()
    assert path_of(page, site) == "/login"
    page.get_by_label("Username").fill(flaskr.USERNAME)
    page.get_by_label("Password").fill("wrong")
    press(page, "Log in")
    expect(page.get_by_role("alert")).to_have_text("Error: Invalid password")

    log_in(page, site)
    assert path_of(page, site) == "/"
    (cookie,) = page.context.cookies(site.url("/"))
    assert cookie.get("path") == PREFIX
    page.get_by_label("Title").fill("<Grüße>")
    page.get_by_label("Text").fill("<strong>HTML</strong> allowed here")
    press(page, "Share")
    expect(page.get_by_role("status")).to_have_text("New entry was successfully posted")
    expect(page.get_by_role("heading", name="<Grüße>", exact=True)).to_be_visible()
    expect(page.locator(".entries .text strong").first).to_have_text("HTML")

    page.get_by_role("link", name="log out").click()
    expect(page.get_by_role("status")).to_have_text("You were logged out")
    expect(page.get_by_role("button", name="Share")).to_have_count(0)
    assert path_of(page, site) == "/"


def test_the_back_button_shows_nothing_private(page: Page, site: Site) -> None:
    log_in(page, site)
    page.get_by_role("link", name="log out").click()
    go_back(page, page.get_by_role("link", name="log in", exact=True).first)

    expect(page.get_by_role("link", name="log in", exact=True).first).to_be_visible()
    expect(page.get_by_role("button", name="Share")).to_have_count(0)


def test_a_long_entry_arrives_whole(page: Page, site: Site) -> None:
    log_in(page, site)
    text = "word " * 40_000
    page.get_by_label("Title").fill("long")
    page.get_by_label("Text").fill(text)
    press(page, "Share")

    expect(page.get_by_role("heading", name="long", exact=True)).to_be_visible()
    expect(page.locator(".entries .text").first).to_contain_text(text.strip())
