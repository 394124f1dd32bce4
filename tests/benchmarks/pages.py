"""The content of the pages of all contenders, and the counters of their hooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from jinja2 import Template

HELLO = "Hello World!"
HTML = "text/html; charset=utf-8"
#: the page of those that have one of their own for a 404
MISSING = "<h1>There is no such page</h1>"
#: what sessions and cookies are signed with
SECRET = "the benchmarks sign with this, and nobody else"

_FOLDER = Path(__file__).parents[1] / "guests" / "contenders"
#: the folder of the static files
STATIC = str(_FOLDER / "static")
#: the file of 10 kB in it
FILE = "rows.css"
#: the folder of the templates
TEMPLATES = str(_FOLDER / "templates")
#: the template in it
PAGE = "page.html"
#: the template that is a string
SOURCE = "<h1>Hello {{ name }}!</h1>{% if number > 5000 %}<p>You are late.</p>{% endif %}"
#: the name that is put into it
NAME = "Ada & Grace"


def area(place: int) -> str:
    """Where one of many rules begins: they lie in areas of 50 pages, as those of a large site do."""
    return f"/area{place // 50}/page{place % 50}"


class Row(NamedTuple):
    """A row of the page."""

    place: int
    name: str
    price: str


#: what the page shows, some of it to be escaped
ROWS = [
    Row(place, f"<row {place}>" if place % 4 == 0 else f"row {place}", f"{place * 1.25:.2f}") for place in range(20)
]


def chunks() -> Iterator[bytes]:
    """A body of 100 chunks."""
    for number in range(100):
        yield b"%02d of a hundred lines, each of them is a chunk of its own\n" % number


def rendering(template: Template) -> WSGIApplication:
    """An app that does nothing but render *template*, the page: what Jinja2 takes of a request."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        number = int(environ["PATH_INFO"].rpartition("/")[2])
        body = template.render(number=number, rows=ROWS).encode()
        start_response("200 OK", [("Content-Type", HTML), ("Content-Length", str(len(body)))])
        return [body]

    return app


class Ran:
    """The number of times that hooks have run in this process."""

    before = 0
    after = 0
    teardown = 0


def count_before() -> None:
    """The hook of a contender before each request."""
    Ran.before += 1


def count_after() -> None:
    """The hook with each response."""
    Ran.after += 1


def count_teardown() -> None:
    """The hook at the end of each request."""
    Ran.teardown += 1
