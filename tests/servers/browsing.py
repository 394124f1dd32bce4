"""Helpers of the tests in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, ViewportSize, expect

from examples import flaskr

if TYPE_CHECKING:
    from pathlib import Path

WIDE: ViewportSize = {"width": 1100, "height": 760}
NARROW: ViewportSize = {"width": 360, "height": 640}


class Site(NamedTuple):
    """A portal that is served."""

    origin: str
    prefix: str
    folder: Path

    def url(self, path: str) -> str:
        """The address of a path of the portal."""
        return f"{self.origin}{self.prefix}{path}"

    def owns(self, url: str) -> bool:
        """True if a URL stays on this server."""
        return url.startswith((self.origin + "/", "data:", "blob:"))


def path_of(page: Page, site: Site) -> str:
    """Where the browser is, within the portal."""
    path = urlsplit(page.url).path
    assert path.startswith(site.prefix + "/")
    return path.removeprefix(site.prefix)


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def go_back(page: Page, seen: Locator) -> None:
    """Press the back button once *seen* is there: while pages change places the browser has no history to offer."""
    expect(seen).to_be_visible()
    page.wait_for_load_state()
    page.go_back()


def log_in_to_flaskr(page: Page, site: Site) -> None:
    page.goto(site.url("/flaskr/login"))
    page.get_by_label("Username").fill(flaskr.USERNAME)
    page.get_by_label("Password").fill(flaskr.PASSWORD)
    press(page, "Log in")
    expect(page.get_by_role("status")).to_have_text("You were logged in")


def register_at_minitwit(page: Page, site: Site, name: str) -> None:
    page.goto(site.url("/minitwit/register"))
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill("correct horse")
    page.get_by_label("The password again").fill("correct horse")
    press(page, "Register")
    expect(page.get_by_role("status")).to_have_text(f"Welcome, {name}!")
