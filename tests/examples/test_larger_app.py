"""The field guide: its pages, its catalogue, and a package that can be imported from any of its modules."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client as WerkzeugClient

from examples import larger_app
from examples.larger_app.catalogue import BIRDS, SIZES, Bird, find_bird, find_birds, neighbours
from flask_embed.middleware import PrefixMiddleware
from tests.examples.test_portal import Links

if TYPE_CHECKING:
    from flask_embed import Flask
    from flask_embed.testing import Client


@pytest.fixture
def client() -> Client:
    return larger_app.app.test_client()


def bird(name: str) -> Bird:
    return next(bird for bird in BIRDS if bird.name == name)


def listed(page: str) -> list[str]:
    return re.findall(r'<a href="/birds/[^"?]+">(.*?)</a>', page)


# The pages


def test_the_front_page_leads_to_the_birds_of_each_size(client: Client) -> None:
    page = client.get("/").text

    assert "12 birds" in page
    assert Links(page).found >= {f"/birds/?size={size}" for size in SIZES}


def test_the_list_has_every_bird_by_name(client: Client) -> None:
    page = client.get("/birds/").text

    assert "<h1>All birds</h1>" in page
    assert listed(page) == [bird.name for bird in BIRDS]


@pytest.mark.parametrize("name", ["tit", "  TIT "])
def test_a_search_finds_a_part_of_the_name(client: Client, name: str) -> None:
    page = client.get("/birds/", query_string={"name": name}).text

    assert "<h1>Birds found</h1>" in page
    assert listed(page) == ["Blue tit", "Great tit"]
    assert f'value="{name.strip()}"' in page


def test_a_search_can_be_for_a_size(client: Client) -> None:
    page = client.get("/birds/?name=&size=large").text

    assert listed(page) == ["Collared dove", "Magpie", "Woodpigeon"]
    assert '<option value="large" selected>' in page
    assert page.count(" selected>") == 1


def test_a_search_can_be_for_both(client: Client) -> None:
    assert listed(client.get("/birds/?name=great&size=medium").text) == ["Great spotted woodpecker"]


@pytest.mark.parametrize("name", ["ostrich", "\0", "%", "\udcff"])
def test_a_search_that_finds_nothing_says_so(client: Client, name: str) -> None:
    response = client.get("/birds/", query_string={"name": name.encode("utf-8", "surrogateescape")})

    assert response.status_code == 200
    assert "No bird here is like that." in response.text
    assert listed(response.text) == []


def test_what_was_typed_is_shown_escaped(client: Client) -> None:
    page = client.get("/birds/", query_string={"name": '"><b>'}).text

    assert 'value="&#34;&gt;&lt;b&gt;"' in page
    assert "<b>" not in page


def test_a_search_of_forty_characters_is_fine_and_of_more_is_refused_and_comes_back(client: Client) -> None:
    assert client.get("/birds/", query_string={"name": "x" * 40}).status_code == 200

    response = client.get("/birds/", query_string={"name": "x" * 41, "size": "small"})

    assert response.status_code == 400
    assert "That is 41 characters long; a name to search for has up to 40." in response.text
    assert f'value="{"x" * 41}" aria-describedby="error"' in response.text
    assert '<option value="small" selected>' in response.text
    assert listed(response.text) == []


@pytest.mark.parametrize("size", ["huge", "Small", "\0", "9" * 30])
def test_a_size_that_there_is_not_is_refused(client: Client, size: str) -> None:
    response = client.get("/birds/", query_string={"size": size})

    assert response.status_code == 400
    assert "A bird of this guide is small, medium, large: there is no other size." in response.text


@pytest.mark.parametrize("known", BIRDS, ids=lambda known: known.slug)
def test_each_bird_has_a_page(client: Client, known: Bird) -> None:
    response = client.get(f"/birds/{known.slug}")

    assert response.status_code == 200
    assert f"<title>{known.name} | Garden birds</title>" in response.text
    for text in (known.name, known.latin, f"{known.length} cm", known.looks, known.food, known.voice):
        assert text in response.text


def test_a_page_leads_to_the_birds_before_and_after(client: Client) -> None:
    page = client.get("/birds/magpie").text

    assert '<a href="/birds/house-sparrow" rel="prev">' in page
    assert '<a href="/birds/robin" rel="next">' in page


def test_the_first_page_leads_to_none_before_and_the_last_to_none_after(client: Client) -> None:
    first, last = (client.get(f"/birds/{bird.slug}").text for bird in (BIRDS[0], BIRDS[-1]))

    assert ('rel="prev"' in first, 'rel="next"' in first) == (False, True)
    assert ('rel="prev"' in last, 'rel="next"' in last) == (True, False)


def test_the_pages_about_birds_keep_the_foot_and_add_to_it(client: Client) -> None:
    everywhere = "common in European gardens"
    birds_only = "Lengths are from the tip of the bill"

    assert everywhere in client.get("/about").text
    assert birds_only not in client.get("/about").text
    for path in ("/birds/", "/birds/robin"):
        page = client.get(path).text
        assert page.index(everywhere) < page.index(birds_only)


@pytest.mark.parametrize(
    ("path", "marked"),
    [
        ("/", '<a href="/" aria-current="page">Home</a>'),
        ("/about", '<a href="/about" aria-current="page">About</a>'),
        ("/birds/", '<a href="/birds/" aria-current="page">Birds</a>'),
        ("/birds/wren", '<a href="/birds/" aria-current="true">Birds</a>'),
        ("/birds/dodo", '<a href="/birds/" aria-current="true">Birds</a>'),
    ],
)
def test_the_navigation_marks_where_one_is(client: Client, path: str, marked: str) -> None:
    page = client.get(path).text

    assert marked in page
    assert page.count("aria-current") == 1


def test_an_address_that_is_nobodys_is_a_page_with_a_way_back(client: Client) -> None:
    response = client.get("/nothing")

    assert response.status_code == 404
    assert "<h1>Not Found</h1>" in response.text
    assert '<a href="/birds/">all birds</a>' in response.text
    assert "aria-current" not in response.text


@pytest.mark.parametrize(
    ("slug", "status"), [("dodo", 404), ("Robin", 404), ("9" * 30, 404), ("a/b", 404), ("%00", 400), ("%ff", 404)]
)
def test_a_bird_that_is_not_in_the_guide_has_no_page(client: Client, slug: str, status: int) -> None:
    assert client.get(f"/birds/{slug}").status_code == status


def test_an_unknown_bird_is_answered_in_words_of_our_own(client: Client) -> None:
    assert "There is no such bird in this guide." in client.get("/birds/dodo").text


def test_an_error_page_keeps_the_headers_of_its_error(client: Client) -> None:
    response = client.post("/birds/", data={"name": "robin"})

    assert response.status_code == 405
    assert "<h1>Method Not Allowed</h1>" in response.text
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_below_a_prefix_every_link_carries_it_and_leads_to_something() -> None:
    client = WerkzeugClient(PrefixMiddleware(larger_app.app, "/mounted"))
    seen: set[str] = set()
    waiting = {"/mounted/"}

    while waiting:
        path = waiting.pop()
        seen.add(path)
        assert path.startswith("/mounted/")
        response = client.get(path)
        assert response.status_code == 200, path
        if response.mimetype == "text/html":
            waiting |= Links(response.text).found - seen
        response.close()

    assert seen >= {f"/mounted/birds/{bird.slug}" for bird in BIRDS} | {"/mounted/about", "/mounted/static/robin.svg"}


# The catalogue


def test_birds_stand_by_name_and_no_two_share_an_address() -> None:
    assert [bird.name for bird in BIRDS] == sorted(bird.name for bird in BIRDS)
    assert len({bird.slug for bird in BIRDS}) == len(BIRDS)


def test_a_bird_is_found_by_its_slug() -> None:
    assert find_bird("great-spotted-woodpecker") is bird("Great spotted woodpecker")
    assert find_bird("") is None


def test_birds_are_found_by_their_english_and_by_their_latin_name() -> None:
    assert find_birds("PIGEON") == [bird("Woodpigeon")]
    assert find_birds("troglodytes") == [bird("Wren")]
    assert find_birds() == list(BIRDS)


@pytest.mark.parametrize(("length", "size"), [(15, "small"), (16, "medium"), (30, "medium"), (31, "large")])
def test_the_size_follows_from_the_length(length: int, size: str) -> None:
    assert Bird("Finch", "", length, "", "", "").size == size


def test_every_size_has_its_birds() -> None:
    assert {bird.size for bird in BIRDS} == set(SIZES)
    assert sum(len(find_birds(size=size)) for size in SIZES) == len(BIRDS)


def test_neighbours_go_through_the_guide_in_its_order() -> None:
    assert neighbours(BIRDS[0]) == (None, BIRDS[1])
    assert neighbours(BIRDS[5]) == (BIRDS[4], BIRDS[6])
    assert neighbours(BIRDS[-1]) == (BIRDS[-2], None)


# The package


def test_whichever_module_is_imported_first_the_app_is_whole() -> None:
    script = (
        "from examples.larger_app.views.birds import app\n"
        "print(*sorted(rule.endpoint for rule in app.url_map.iter_rules()))"
    )

    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert answer.stdout.split() == ["about", "home", "show_bird", "show_birds", "static"]


def test_run_as_a_module_it_serves(served: list[Flask]) -> None:
    runpy.run_module("examples.larger_app", run_name="__main__")

    assert served == [larger_app.app]
