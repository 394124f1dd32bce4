"""The links at the top of every page. A context processor gives them to all templates, so no view has to."""

from __future__ import annotations

from typing import NamedTuple

from examples.larger_app import app
from flask_embed import request, url_for

#: the endpoints that are linked to, and what the links say
LINKS = {"home": "Home", "show_birds": "Birds", "about": "About"}

#: endpoints without a link of their own, and the one that they stand below
BELOW = {"show_bird": "show_birds"}


class Link(NamedTuple):
    """A link of the navigation."""

    text: str
    url: str
    #: for aria-current: "page" on the page that it leads to, "true" on the pages below that, empty elsewhere
    current: str


@app.context_processor
def navigation() -> dict[str, list[Link]]:
    """The variable ``navigation`` of the templates."""
    return {"navigation": [Link(text, url_for(endpoint), current(endpoint)) for endpoint, text in LINKS.items()]}


def current(endpoint: str) -> str:
    """The relation of this request's page to that of *endpoint*."""
    here = request.endpoint or ""  # an address without a page has no endpoint
    if here == endpoint:
        return "page"
    return "true" if BELOW.get(here) == endpoint else ""
