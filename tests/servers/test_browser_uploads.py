"""Files in a real browser: progress, cancelling, what is too large, and without scripts."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.servers.browsing import Site, path_of, press

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "my film.bin"
    path.write_bytes(os.urandom(8_000_000))
    return path


def slow_down(page: Page, rate: int) -> None:
    """Let the browser send no more than *rate* bytes per second."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate}
    network.send("Network.emulateNetworkConditions", conditions)


#: Notes each step that the page shows: percent, and whether the form could be sent once more.
WATCH = """() => {
    window.steps = [];
    const note = () => steps.push([document.querySelector("progress").value, form.querySelector("button").disabled]);
    const form = document.querySelector(".upload");
    new MutationObserver(note).observe(form.querySelector(".percent"), {childList: true});
}"""


def test_an_upload_shows_its_progress(page: Page, site: Site, film: Path) -> None:
    page.goto(site.url("/uploads/"))
    slow_down(page, 8_000_000)
    page.evaluate(WATCH)
    expect(page.get_by_role("progressbar")).to_be_hidden()
    page.get_by_label("Files to send").set_input_files(film)
    press(page, "Send")
    expect(page.get_by_role("progressbar")).to_be_visible()

    expect(page.get_by_role("status")).to_have_text(re.compile(r"^Stored: my_film(-\d+)?\.bin$"))
    steps = page.evaluate("steps")
    percents = [percent for percent, _ in steps]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert len({percent for percent in percents if 0 < percent < 100}) >= 3
    assert all(disabled for percent, disabled in steps if percent > 0)
    expect(page.get_by_role("status")).to_be_focused()
    stored = page.get_by_role("status").inner_text().removeprefix("Stored: ")
    assert (site.folder / "uploads" / stored).read_bytes() == film.read_bytes()

    with page.expect_download() as download:
        page.get_by_role("link", name=stored, exact=True).click()
    assert download.value.path().read_bytes() == film.read_bytes()
    assert download.value.suggested_filename == stored
    part = page.evaluate(
        """async url => {
            const answer = await fetch(url, {headers: {Range: "bytes=2-4"}});
            const bytes = [...new Uint8Array(await answer.arrayBuffer())];
            return [answer.status, answer.headers.get("Content-Range"), bytes];
        }""",
        site.url(f"/uploads/files/{stored}"),
    )
    assert part == [206, "bytes 2-4/8000000", list(film.read_bytes()[2:5])]
    press(page, f"Remove {stored}")
    expect(page.get_by_role("status")).to_have_text(f"Removed: {stored}")


def test_an_upload_can_be_cancelled_and_tried_again(page: Page, site: Site, film: Path) -> None:
    page.goto(site.url("/uploads/"))
    slow_down(page, 1_000_000)
    page.get_by_label("Files to send").set_input_files(film.rename(film.with_name("cancelled.bin")))
    press(page, "Send")
    expect(page.locator(".percent")).not_to_have_text("0 %")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_have_text("Cancelled: nothing was stored.")
    page.reload()
    expect(page.get_by_role("link", name="cancelled.bin")).to_have_count(0)
    slow_down(page, -1)
    page.get_by_label("Files to send").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"text"})
    press(page, "Send")
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^Stored: a(-\d+)?\.txt$"))


def test_too_large_a_file_is_refused_before_it_is_sent(page: Page, site: Site, tmp_path: Path) -> None:
    with (tmp_path / "large.bin").open("wb") as large:
        large.truncate(65 * 1024 * 1024)  # no blocks of the disk are used for it
    page.goto(site.url("/uploads/"))
    page.get_by_label("Files to send").set_input_files(tmp_path / "large.bin")
    press(page, "Send")

    expect(page.get_by_role("alert")).to_have_text("That is too much at once: choose fewer or smaller files.")


def test_an_upload_works_without_scripts(open_browser: Callable[..., BrowserContext], site: Site) -> None:
    page = open_browser(java_script_enabled=False).new_page()
    page.goto(site.url("/uploads/"))
    page.get_by_label("Files to send").set_input_files({"name": "b.txt", "mimeType": "text/plain", "buffer": b"text"})
    press(page, "Send")

    expect(page.get_by_role("status")).to_have_text(re.compile(r"^Stored: b(-\d+)?\.txt$"))
    assert path_of(page, site) == "/uploads/"
