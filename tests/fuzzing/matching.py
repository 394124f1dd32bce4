"""The compiled matcher: of many rules one answers a path if it alone would have, and what it found builds that path.

An input is a method (one byte) and a path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.exceptions import BadRequest, MethodNotAllowed, NotFound
from werkzeug.routing import BuildError, RequestRedirect, Rule

from flask_embed.routing import Map
from tests.fuzzing import Target
from tests.security.checks import check, equal, present

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

METHODS = ("GET", "POST", "HEAD", "OPTIONS", "DELETE", "PURGE")
#: texts of rules, with their methods and whether they are strict about the slash at their end
RULES: tuple[tuple[str, tuple[str, ...] | None, bool], ...] = (
    ("/", ("GET",), True),
    ("/a", ("GET",), True),
    ("/a/", ("POST",), True),
    ("/a/b/", ("GET",), True),
    ("/a/<x>", ("GET", "DELETE"), True),
    ("/<x>/b", None, True),
    ("/<int:x>", ("GET",), True),
    ("/<int(signed=True):x>/y/", ("POST",), False),
    ("/f/<float:x>", ("GET",), True),
    ("/u/<uuid:x>", ("GET",), True),
    ("/<any(a, b, 'c d'):x>/z", ("GET",), True),
    ("/p/<path:x>", ("GET",), True),
    ("/q/<path:x>/end", ("GET",), True),
    ("/s/<path:x>/", ("POST",), False),
    ("/<x>-<y>.html", ("GET",), True),
    ("/m/a<x>b<y>c", ("GET",), True),
    ("/l/<string(length=2):x>/<string(minlength=2, maxlength=3):y>", ("GET",), True),
    ("/ü/<x>", ("GET",), True),
)


def rule(number: int) -> Rule:
    text, methods, is_strict = RULES[number]
    return Rule(text, endpoint=str(number), methods=methods, strict_slashes=is_strict)


ALL = Map([rule(number) for number in range(len(RULES))])
ALONE = [Map([rule(number)]) for number in range(len(RULES))]


class Answer(NamedTuple):
    """The answer of a map to a request."""

    #: the number of the rule, -1 if none takes the path
    number: int
    values: dict[str, Any]
    refusal: str = ""


def asked(map_: Map, environ: WSGIEnvironment) -> Answer:
    try:
        found, values = map_.match(environ)
    except RequestRedirect as redirect:
        return Answer(-1, {"to": redirect.new_url}, "slash")
    except MethodNotAllowed as refusal:
        check("OPTIONS" in (refusal.valid_methods or ()), f"405 with {refusal.valid_methods!r}")
        return Answer(-1, {}, "method")
    except (NotFound, BadRequest) as refusal:
        return Answer(-1, {}, type(refusal).__name__)
    return Answer(int(found.endpoint), values)


def run(data: bytes) -> None:
    if not data:
        return
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": METHODS[data[0] % len(METHODS)],
        "SCRIPT_NAME": "",
        "PATH_INFO": data[1:].decode("latin-1"),
        "QUERY_STRING": "q",
        "wsgi.url_scheme": "http",
    }

    found = asked(ALL, environ)

    alone = [asked(map_, environ) for map_ in ALONE]
    takers = [each for each in alone if each.number >= 0]
    if found.number >= 0:
        equal(alone[found.number], found, "what the rule that answers says alone")
        check_built(found, environ)
        return
    refusals = {each.refusal for each in alone}
    if found.refusal == "slash":
        present("slash", " ".join(refusals))
        check(found.values["to"].startswith("/") and found.values["to"][1:2] not in ("/", "\\"), f"to {found.values}")
        return
    equal(takers, [], "the rules that would have answered")
    if found.refusal == "method":
        present("method", " ".join(refusals))
    else:
        equal(refusals, {found.refusal}, "what the rules say alone")


def check_built(found: Answer, environ: WSGIEnvironment) -> None:
    """The URL of what was found leads back to it, if there is one at all."""
    try:
        url = ALL.bind("good.example", "/").build(str(found.number), found.values)
    except (BuildError, ValueError):  # a browser could not send it: a segment of dots
        return
    check(url.startswith("/") and url[1:2] not in ("/", "\\"), f"the URL is {url!r}")
    check(url.isascii() and url.isprintable(), f"the URL is {url!r}")
    from urllib.parse import unquote_to_bytes

    path = unquote_to_bytes(url).decode("latin-1")
    again = asked(ALONE[found.number], {**environ, "PATH_INFO": path})
    equal(again, found, "what is found at the URL that was built")


TARGET = Target(
    run,
    (
        *(
            b"\0" + path
            for path in (b"/", b"/a", b"/a/", b"/a/b", b"/a/b/", b"/a/x", b"/x/b", b"/12", b"/f/1.5", b"//a")
        ),
        *(
            b"\0" + path
            for path in (b"/c d/z", b"/p/x/y", b"/q/x/end", b"/x-y.html", b"/m/axbyc", b"/l/ab/abc", b"/p//")
        ),
        *(b"\1" + path for path in (b"/-12/y", b"/-12/y/", b"/s/x/y", b"/s/x/y/", b"/a/", b"/nothing")),
        b"\0/u/12345678-1234-1234-1234-123456789abc",
        b"\0/\xc3\xbc/\xc3\xbc",
        b"\0/\xff",
        b"\0*",
        b"\0/a\nb",
        b"",
    ),
    (
        b"/",
        b"//",
        b"/a",
        b"/b",
        b"-",
        b".html",
        b"/p/",
        b"/q/",
        b"/end",
        b"/m/a",
        b"/u/",
        b"/f/",
        b"/..",
        b"%2F",
        b"\xc3\xbc",
    ),
    longest=200,
)
