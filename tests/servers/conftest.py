"""A browser, and the portal that it looks at: at the root of its server, and below a prefix."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.serving import DEADLINE, portal_files, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.servers.browsing import Site

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    # Imported here, so that without playwright this file can be read and the folder be skipped.
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=DEADLINE * 1000)
    options = ["--disable-gpu"]  # Debian's would draw with one, which is a program here
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # its sandbox does not work for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="module", params=["", "/yourapplication"], ids=["at the root", "below a prefix"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from tests.servers.browsing import Site

    folder = tmp_path_factory.mktemp("portal")
    arguments = ["examples.portal:app", "--bind", "127.0.0.1:0"]
    if request.param:
        arguments += ["--prefix", request.param]
    with serving("gevent", *arguments, variables=portal_files(folder)) as runner:
        yield Site(f"http://127.0.0.1:{runner.port}", request.param, folder)


@pytest.fixture
def open_browser(chromium: Browser, site: Site) -> Iterator[Callable[..., BrowserContext]]:
    """Makes a browser without cookies; at the end no page of any may have failed or asked another host."""
    from tests.servers.browsing import WIDE

    contexts: list[BrowserContext] = []
    errors: list[str] = []
    elsewhere: list[str] = []

    def make(**options: object) -> BrowserContext:
        context = chromium.new_context(**{"viewport": WIDE, **options})  # type: ignore[arg-type]
        context.set_default_timeout(DEADLINE * 1000)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("request", lambda sent: elsewhere.append(sent.url) if not site.owns(sent.url) else None)
        contexts.append(context)
        return context

    try:
        yield make
    finally:
        for context in contexts:
            context.close()
    assert errors == []
    assert elsewhere == []


@pytest.fixture
def page(open_browser: Callable[..., BrowserContext]) -> Page:
    """A page of a browser without cookies."""
    return open_browser().new_page()
