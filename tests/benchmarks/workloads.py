"""The requests to every contender, and the right answers.

Wherever a request can hold an id it does, another one each time: 10,000 different paths, forms and cookies, so that
remembering the last few is no short cut.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlencode

from tests.benchmarks import pages
from tests.benchmarks.asking import Ask, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Template

    #: the apps that a contender may have: a function of this name, called with the workload's *size* if it takes one
    Kind = Literal[
        "site",  # all pages below
        "own_page",  # an app whose 404 has a page of its own
        "render",  # the page of the site, by Jinja2 alone
        "hooks",  # *size* functions each before and after a request, and at its end
        "rules",  # *size* rules
        "nested",  # an app with one rule, mounted *size* deep
        "beside",  # so many such apps mounted beside each other
        "rest",  # a rule that takes all segments of a path
    ]

#: how many different ids there are
IDS = 10_000


class Right(NamedTuple):
    """The right answer."""

    #: None: the framework's own, which no two have alike
    body: bytes | None
    status: int = 200
    #: None: as the body, empty: none
    content_type: str | None = pages.HTML
    location: str = ""
    allow: str = ""
    content_range: str = ""
    #: whether the body is known at its beginning, and so has a Content-Length
    sized: bool = True
    #: whether it depends on the session, which an intermediary is told with Vary
    varies: bool = False
    #: the answer to a request with the cookies that this one sets, if it is to set any
    then: bytes | None = None


class Workload(NamedTuple):
    """A kind of request, as a row of the table."""

    name: str
    kind: Kind
    #: the request with an id; the visitor is asked for what the app has sent before
    request: Callable[[int, Visitor], Ask]
    #: the right answer to it
    right: Callable[[int], Right]
    #: how large the app is, where its kind says what that means
    size: int | None = None
    #: how many functions run before, after and at the end of each request
    hooks: int = 0


def _text(text: str, **options: Any) -> Right:
    return Right(text.encode(), **options)


def _user(number: int) -> Right:
    return _text(f"user {number + 1}")


def _get(path: str) -> Callable[[int, Visitor], Ask]:
    return lambda number, visitor: Ask(path.format(number))


def _query(number: int, visitor: Visitor) -> Ask:
    return Ask("/query", f"q={number}")


def _form(number: int) -> dict[str, str]:
    return {"name": f"Ada {number}", "mail": f"ada{number}@example.com", "message": "Grüße & more, from me"}


def _post_form(number: int, visitor: Visitor) -> Ask:
    body = urlencode(_form(number)).encode()
    return Ask("/form", method="POST", body=body, content_type="application/x-www-form-urlencoded")


def _order(number: int) -> dict[str, Any]:
    lines = [{"article": article, "count": article % 3 + 1, "price": 12.5} for article in range(3)]
    return {"customer": number, "name": "Ada", "paid": False, "lines": lines}


def _post_json(number: int, visitor: Visitor) -> Ask:
    return Ask("/json", method="POST", body=json.dumps(_order(number)).encode(), content_type="application/json")


def _json(number: int) -> Right:
    answer = {"id": number, "customer": "Ada", "count": 3, "total": 75.0}
    return Right(json.dumps(answer).encode(), content_type="application/json")


def _with_cookie(path: str) -> Callable[[int, Visitor], Ask]:
    return lambda number, visitor: Ask(path, variables={"HTTP_COOKIE": visitor.cookie(number)})


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(pages.TEMPLATES), autoescape=True)
    return environment.get_template(name) if name else environment.from_string(pages.SOURCE)


def _page(number: int) -> Right:
    return _text(_template(pages.PAGE).render(number=number, rows=pages.ROWS))


def _from_string(number: int) -> Right:
    return _text(_template("").render(name=pages.NAME, number=number))


def _urls(number: int) -> Right:
    return _text(f"/user/{number} /static/{pages.FILE} /query?q={number}")


_FILE = f"/static/{pages.FILE}"


@cache
def _content() -> bytes:
    with open(f"{pages.STATIC}/{pages.FILE}", "rb") as file:
        return file.read()


def _ask_again(number: int, visitor: Visitor) -> Ask:
    return Ask(_FILE, variables=visitor.validators(_FILE))


def _in_range(number: int, visitor: Visitor) -> Ask:
    return Ask(_FILE, variables={"HTTP_RANGE": f"bytes={number % 5000}-{number % 5000 + 999}"})


def _part(number: int) -> Right:
    first = number % 5000
    part = _content()[first : first + 1000]
    return Right(part, 206, "text/css", content_range=f"bytes {first}-{first + 999}/{len(_content())}")


def _stream(number: int) -> Right:
    return Right(b"".join(pages.chunks()), sized=False)


def many_rules(count: int, which: int, name: str) -> Workload:
    """One of *count* rules, each an area and a page with an ``<int:number>``; a miss if there is no such one."""
    right = _user if which < count else lambda number: Right(None, 404, None)
    return Workload(name, "rules", _get(f"{pages.area(which)}/{{}}"), right, count)


def nested(depth: int) -> Workload:
    """An app that is mounted so deep, in dispatchers in each other."""
    name = f"mounted, {depth} deep"
    return Workload(name, "nested", _get(f"{'/mount' * depth}{pages.area(0)}/{{}}"), _user, depth)


def beside(count: int) -> Workload:
    """The last of *count* apps that are mounted beside each other."""
    return Workload(f"{count} mounts", "beside", _get(f"/mount{count - 1}{pages.area(0)}/{{}}"), _user, count)


def hooks(count: int) -> Workload:
    """So many functions each before a request, after it and at its end."""
    name = "hooks, two each" if count == 2 else f"hooks, {count} each"
    return Workload(name, "hooks", _get("/user/{}"), _user, count, hooks=count)


def long_path(segments: int) -> Workload:
    """A rule that takes all of a path, and a path of so many segments."""
    rest = "/".join("x" * 7 for _ in range(segments - 1))
    path = f"/rest/{rest}/{{}}" if rest else "/rest/{}"
    name = f"path of {segments} segments"
    return Workload(name, "rest", _get(path), lambda number: _text(path.removeprefix("/rest/").format(number)))


#: the rows of the table
WORKLOADS = [
    Workload("hello", "site", _get("/"), lambda number: _text(pages.HELLO)),
    Workload("int rule", "site", _get("/user/{}"), _user),
    Workload("query argument", "site", _query, lambda number: _text(str(number))),
    Workload("form", "site", _post_form, lambda number: _text(", ".join(_form(number).values()))),
    Workload("JSON", "site", _post_json, _json),
    Workload("session, read", "site", _with_cookie("/session"), lambda number: _text(str(number), varies=True)),
    Workload(
        "session, read and written",
        "site",
        _with_cookie("/visit"),
        lambda number: _text("1", varies=True, then=b"2"),
    ),
    Workload("template from a file", "site", _get("/page/{}"), _page),
    Workload("render() alone", "render", _get("/page/{}"), _page),
    Workload("template from a string", "site", _get("/string/{}"), _from_string),
    Workload("url_for, three", "site", _get("/urls/{}"), _urls),
    Workload("redirect", "site", _get("/go/{}"), lambda number: Right(None, 302, None, location=f"/user/{number}")),
    Workload("404", "site", _get("/missing/{}"), lambda number: Right(None, 404, None)),
    Workload("404, own page", "own_page", _get("/missing/{}"), lambda number: _text(pages.MISSING, status=404)),
    Workload(
        "405",
        "site",
        lambda number, visitor: Ask(f"/user/{number}", method="DELETE"),
        lambda number: Right(None, 405, None, allow="GET"),
    ),
    Workload("static file", "site", _get(_FILE), lambda number: Right(_content(), content_type="text/css")),
    Workload("static file, 304", "site", _ask_again, lambda number: Right(b"", 304, "", sized=False)),
    Workload("static file, range", "site", _in_range, _part),
    Workload("stream of 100 chunks", "site", _get("/stream"), _stream),
    hooks(2),
    many_rules(1, 0, "1 rule"),
    many_rules(1, 9999, "1 rule, miss"),
    *(
        many_rules(count, which, f"{count:,} rules, {name}")
        for count in (200, 2000)
        for name, which in (("first", 0), ("last", count - 1), ("miss", 9999))
    ),
    nested(1),
    nested(3),
]

#: the points of the plots, by what is plotted against and how much there is of it
PLOTTED = {
    "rules": {count: many_rules(count, count - 1, f"{count} rules") for count in (1, 3, 10, 30, 100, 300, 1000, 3000)},
    "mounts": {count: beside(count) for count in (1, 3, 10, 30, 100, 300, 1000)},
    "depth": {depth: nested(depth) for depth in range(6)},
    "hooks": {count: hooks(count) for count in (0, 1, 2, 4, 8, 16)},
    "path": {segments: long_path(segments) for segments in (1, 2, 4, 8, 16, 32, 64, 128, 256)},
}

#: all of them by name
BY_NAME = {one.name: one for one in [*WORKLOADS, *(one for points in PLOTTED.values() for one in points.values())]}
