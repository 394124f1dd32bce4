"""The portal in a real browser, through the gevent runner: links, styles, cookies and forms below prefixes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from examples import flaskr
from tests.servers.browsing import NARROW, Site, go_back, log_in_to_flaskr, path_of, press, register_at_minitwit
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXAMPLES = {
    "flaskr": "Flaskr",
    "minitwit": "MiniTwit",
    "uploads": "Uploads",
    "larger_app": "Larger app",
    "middleware": "Middleware",
    "sqlite_patterns": "SQLite patterns",
    "sqlalchemy_declarative": "SQLAlchemy, declarative",
    "sqlalchemy_classical": "SQLAlchemy, classical",
    "sqlalchemy_core": "SQLAlchemy, core",
}


# Styles, links and redirects


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_portal_leads_to_each_example_and_its_style_is_applied(page: Page, site: Site, name: str) -> None:
    page.goto(site.url("/"))
    with page.expect_response(re.compile(r"\.css$")) as style:
        page.get_by_role("link", name=EXAMPLES[name], exact=True).click()

    assert style.value.ok
    assert style.value.url == site.url(f"/{name}/static/style.css")
    assert path_of(page, site).startswith(f"/{name}/")
    # Every stylesheet of the examples takes the browser's margin away.
    expect(page.locator("body")).to_have_css("margin-top", "0px")


def test_a_mount_without_its_slash_leads_to_it(page: Page, site: Site) -> None:
    page.goto(site.url("/flaskr"))

    assert path_of(page, site) == "/flaskr/"


def test_back_and_forth_through_redirects_stays_below_the_mount(page: Page, site: Site) -> None:
    page.goto(site.url("/minitwit/"))  # redirects to the public timeline

    assert path_of(page, site) == "/minitwit/public"
    page.get_by_role("link", name="heron").first.click()
    assert path_of(page, site) == "/minitwit/user/heron"
    go_back(page, page.get_by_role("heading", name="heron"))
    assert path_of(page, site) == "/minitwit/public"


# Flaskr


def test_flaskr_from_login_to_logout(page: Page, site: Site) -> None:
    page.goto(site.url("/"))
    page.get_by_role("link", name="Flaskr", exact=True).click()
    page.get_by_role("link", name="log in", exact=True).first.click()
    page.get_by_label("Username").fill(flaskr.USERNAME)
    page.get_by_label("Password").fill("wrong")
    press(page, "Log in")
    expect(page.get_by_role("alert")).to_have_text("Error: Invalid password")
    expect(page.get_by_label("Username")).to_have_value(flaskr.USERNAME)
    page.get_by_label("Password").fill(flaskr.PASSWORD)
    press(page, "Log in")
    assert path_of(page, site) == "/flaskr/"

    page.get_by_label("Title").fill("<Hello>")
    page.get_by_label("Text").fill("<strong>HTML</strong> allowed here")
    press(page, "Share")

    expect(page.get_by_role("status")).to_have_text("New entry was successfully posted")
    expect(page.get_by_role("heading", name="<Hello>", exact=True)).to_be_visible()
    expect(page.locator(".entries .text strong").first).to_have_text("HTML")
    page.get_by_role("link", name="log out").click()
    expect(page.get_by_role("status")).to_have_text("You were logged out")
    expect(page.get_by_role("button", name="Share")).to_have_count(0)
    assert path_of(page, site) == "/flaskr/"


def test_the_keyboard_is_enough_for_flaskr(page: Page, site: Site) -> None:
    page.goto(site.url("/flaskr/login"))
    for _ in range(3):  # the name of the site, the link to this page, the field
        page.keyboard.press("Tab")
    expect(page.get_by_label("Username")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.type(flaskr.USERNAME)
    page.keyboard.press("Tab")
    page.keyboard.type(flaskr.PASSWORD)
    page.keyboard.press("Enter")

    assert outline == "solid"
    expect(page.get_by_role("status")).to_have_text("You were logged in")


# Logins beside each other


def test_logins_of_flaskr_and_minitwit_do_not_touch(page: Page, site: Site) -> None:
    log_in_to_flaskr(page, site)
    register_at_minitwit(page, site, "beside")
    page.goto(site.url("/flaskr/"))
    expect(page.get_by_role("button", name="Share")).to_be_visible()

    (cookie,) = page.context.cookies(site.url("/flaskr/"))
    assert cookie.get("path") == f"{site.prefix}/flaskr"
    assert cookie.get("httpOnly")
    assert cookie.get("sameSite") == "Lax"

    page.get_by_role("link", name="log out").click()
    page.goto(site.url("/minitwit/"))
    expect(page.get_by_role("heading", name="My timeline")).to_be_visible()
    log_in_to_flaskr(page, site)
    page.goto(site.url("/minitwit/"))
    press(page, "Log out, beside")
    page.goto(site.url("/flaskr/"))
    expect(page.get_by_role("button", name="Share")).to_be_visible()


def test_two_people_write_to_minitwit(open_browser: Callable[..., BrowserContext], site: Site) -> None:
    ada, grace = open_browser().new_page(), open_browser(viewport=NARROW).new_page()
    register_at_minitwit(ada, site, "ada")
    register_at_minitwit(grace, site, "grace")
    ada.get_by_label("What's on your mind, ada?").fill("<script>alert(1)</script>\nsecond line")
    press(ada, "Share")

    grace.goto(site.url("/minitwit/user/ada"))
    press(grace, "Follow ada")
    expect(grace.get_by_role("status")).to_have_text("You follow ada now.")
    grace.get_by_role("link", name="My timeline").click()
    message = grace.locator(".messages .text")
    expect(message).to_have_text("<script>alert(1)</script>\nsecond line", use_inner_text=True)
    grace.get_by_role("link", name="ada", exact=True).click()
    press(grace, "Unfollow ada")
    grace.get_by_role("link", name="My timeline").click()
    expect(message).to_have_count(0)


def test_the_back_button_shows_nothing_private_after_the_logout(page: Page, site: Site) -> None:
    log_in_to_flaskr(page, site)
    page.get_by_role("link", name="log out").click()
    go_back(page, page.get_by_role("link", name="log in", exact=True).first)
    assert path_of(page, site) == "/flaskr/"
    expect(page.get_by_role("link", name="log in", exact=True).first).to_be_visible()
    expect(page.get_by_role("button", name="Share")).to_have_count(0)

    register_at_minitwit(page, site, "gone")
    page.get_by_label("What's on your mind, gone?").fill("not for the next one at this computer")
    press(page, "Share")
    expect(page.get_by_role("status")).to_have_text("Your message is out.")
    press(page, "Log out, gone")
    assert path_of(page, site) == "/minitwit/public"
    go_back(page, page.get_by_role("link", name="Log in"))
    expect(page.get_by_role("heading", name="My timeline")).to_have_count(0)
    expect(page.get_by_role("link", name="Log in")).to_be_visible()


ATTACK = """
from flask_embed import Flask, request

app = Flask(__name__)


@app.route("/")
def lure():
    return '''
      <form action="%s" method="post"><input name="title" value="forged"><input name="text" value="forged">
      <button>A nice picture</button></form>
    ''' % request.args["target"]
"""


def test_a_form_of_another_site_is_refused(page: Page, site: Site, tmp_path: Path) -> None:
    (tmp_path / "attack.py").write_text(ATTACK)
    log_in_to_flaskr(page, site)
    with serving("gevent", "attack:app", "--bind", "127.0.0.1:0", cwd=tmp_path) as attacker:
        other = page.context.browser
        assert other is not None
        with other.new_context(storage_state=page.context.storage_state()) as context:
            lured = context.new_page()
            # Another port of the same address is the same site, so that not even SameSite keeps the cookie back.
            lured.goto(f"http://127.0.0.1:{attacker.port}/?target={site.url('/flaskr/add')}")
            with lured.expect_response(site.url("/flaskr/add")) as answer:
                press(lured, "A nice picture")
            assert answer.value.status == 403
            assert "session=" in answer.value.request.all_headers()["cookie"]
            expect(lured.locator("main")).to_contain_text("from a page of another site")
    page.goto(site.url("/flaskr/"))
    expect(page.get_by_role("heading", name="forged")).to_have_count(0)
