"""Every page of the portal as people see and hear it: two widths, light and dark, and what axe-core finds."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FilePayload, Page, StorageState, expect

from examples import flaskr
from tests.servers.browsing import NARROW, WIDE, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext

#: something to show on the pages, so that none is looked at empty: where it is posted, and what
CONTENT: list[tuple[str, dict[str, str | float | bool]]] = [
    ("/flaskr/login", {"username": flaskr.USERNAME, "password": flaskr.PASSWORD}),
    (
        "/flaskr/add",
        {"title": "A title that needs more than one line on a telephone", "text": "<p>Some <b>text</b></p>"},
    ),
    ("/flaskr/add", {"title": "x" * 200, "text": "<table><tr><td>" + "y" * 200 + "</table>"}),
    ("/minitwit/register", {"username": "w" * 20, "password": "correct horse", "password2": "correct horse"}),
    ("/minitwit/message", {"text": "z" * 160}),
    ("/minitwit/user/heron/follow", {}),
    ("/sqlite_patterns/tasks", {"title": "A task that needs more than one line on a telephone"}),
    ("/sqlite_patterns/tasks", {"title": "t" * 200}),
    ("/sqlite_patterns/tasks/1/done", {"done": "yes"}),
    ("/sqlalchemy_declarative/add", {"title": "b" * 200, "author": "a" * 100, "year": "1969"}),
    ("/sqlalchemy_classical/people", {"name": "Ada"}),
    ("/sqlalchemy_classical/people", {"name": "p" * 50}),
    ("/sqlalchemy_classical/expenses", {"what": "e" * 100, "amount": "123456.78", "payer": "Ada"}),
    ("/sqlalchemy_core/new", {"question": "q" * 200, "options": "one\n" + "o" * 100}),
    ("/sqlalchemy_core/polls/1/vote", {"option": "1"}),
]

#: what a form shows when it is sent with a mistake: where it is posted, and what
MISTAKES: list[tuple[str, dict[str, str]]] = [
    ("/flaskr/login", {"username": "nobody", "password": ""}),
    ("/minitwit/register", {"username": "no good name", "password": "", "password2": ""}),
    ("/minitwit/login", {"username": "nobody", "password": ""}),
    ("/minitwit/message", {"text": "m" * 200}),
    ("/uploads/", {}),
    ("/sqlite_patterns/tasks", {"title": ""}),
    ("/sqlite_patterns/tasks/1", {"title": "t" * 300}),
    ("/sqlalchemy_declarative/add", {"title": "", "author": "", "year": "never"}),
    ("/sqlalchemy_classical/people", {"name": ""}),
    ("/sqlalchemy_classical/expenses", {"what": "", "amount": "much", "payer": "nobody"}),
    ("/sqlalchemy_core/new", {"question": "", "options": "one"}),
    ("/sqlalchemy_core/polls/1/vote", {}),
]

MOUNTS = sorted({path.split("/")[1] for path, _ in CONTENT} | {"uploads", "larger_app", "middleware"})

#: a form with these values, made and sent in the page that is open
SEND = """([action, values]) => {
    const form = document.body.appendChild(document.createElement("form"));
    form.method = "post";
    form.action = action;
    for (const [name, value] of Object.entries(values)) {
        const field = form.appendChild(document.createElement("textarea"));
        field.name = name;
        field.value = value;
    }
    form.submit();
}"""


@pytest.fixture(scope="module")
def cookies(chromium: Browser, site: Site) -> StorageState:
    """The cookies of who is logged in where one can be, after giving every example something to show."""
    with chromium.new_context() as context:
        for path, form in CONTENT:
            answer = context.request.post(site.url(path), form=form)
            assert answer.ok, f"{path}: {answer.status}"
        upload: FilePayload = {"name": "f" * 120 + ".txt", "mimeType": "text/plain", "buffer": b"text"}
        assert context.request.post(site.url("/uploads/"), multipart={"file": upload}).ok
        return context.storage_state()


@pytest.fixture
def filled(open_browser: Callable[..., BrowserContext], cookies: StorageState) -> Page:
    """A page of a browser with these cookies."""
    return open_browser(storage_state=cookies).new_page()


def look(page: Page, what: str) -> None:
    """Hold what is true of every page, at each width and in each scheme."""
    assert page.locator("h1").count() == 1, what
    assert page.title(), what
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert beyond <= 0, f"{what} is {beyond} pixels wider than {size['width']}"
    page.emulate_media(color_scheme="light")
    light = Axe().run(page)
    page.emulate_media(color_scheme="dark")
    dark = Axe().run(page, options={"runOnly": ["color-contrast"]})
    for scheme, found in (("light", light), ("dark", dark)):
        assert found.violations_count == 0, f"{what}, {scheme}: {found.generate_report()}"


def walk(page: Page, site: Site, mount: str) -> Iterator[str]:
    """Open each page that links lead to from the front page of a mount; yields its path."""
    root = site.url(mount)
    seen = [root]
    for url in seen:  # which grows meanwhile
        page.goto(url)
        yield urlsplit(url).path
        for link in page.eval_on_selector_all("a[href]", "links => links.map(link => link.href.split('#')[0])"):
            assert site.owns(link), f"{url} leads to {link}"
            if link.startswith(root) and link not in seen and "/files/" not in link and not link.endswith("/logout"):
                seen.append(link)


@pytest.mark.parametrize("site", [""], ids=["at the root"], indirect=True)
@pytest.mark.parametrize("mount", MOUNTS)
def test_each_page_can_be_seen_and_heard(filled: Page, site: Site, mount: str) -> None:
    paths = []
    for path in walk(filled, site, f"/{mount}/"):
        paths.append(path)
        look(filled, path)

    assert f"/{mount}/" in paths


@pytest.mark.parametrize("site", [""], ids=["at the root"], indirect=True)
def test_the_portal_and_its_error_page_can_be_seen_and_heard(page: Page, site: Site) -> None:
    for path in ("/", "/nothing"):
        page.goto(site.url(path))
        look(page, path)


@pytest.mark.parametrize("site", [""], ids=["at the root"], indirect=True)
@pytest.mark.parametrize(("path", "form"), MISTAKES, ids=[path for path, _ in MISTAKES])
def test_a_mistake_in_a_form_can_be_seen_and_heard(filled: Page, site: Site, path: str, form: dict[str, str]) -> None:
    filled.goto(site.url(f"/{path.split('/')[1]}/"))
    with filled.expect_navigation():
        filled.evaluate(SEND, [site.url(path), form])

    expect(filled.get_by_role("alert").first).to_be_visible()
    look(filled, path)


@pytest.mark.parametrize("site", [""], ids=["at the root"], indirect=True)
@pytest.mark.parametrize("path", ["/flaskr/nothing", "/minitwit/user/nobody", "/minitwit/login", "/minitwit/register"])
def test_what_a_stranger_sees_can_be_seen_and_heard(page: Page, site: Site, path: str) -> None:
    page.goto(site.url(path))

    look(page, path)
