"""Apps of six frameworks mounted in our dispatcher: what each can do there, and what it cannot."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware
from tests.guests import falcon_guest, flask_guest
from tests.guests.checks import CHECKS, CHECKS_OVER_HTTP, InProcess, OverHTTP, cells, session, table
from tests.guests.pyramid_guest import LEFT_OPEN
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from _typeshed.wsgi import WSGIApplication

GUESTS = ("flask_embed", "flask", "django", "bottle", "falcon", "pyramid")

#: What is found in each of the layouts below but the last. Anything but "yes" is a trait of the framework:
#: the redirect has scheme and host · Django asks for the prefix of a relative STATIC_URL once in a process · the path
#: of a session's cookie is a setting, "/" at first · Flask's stream_with_context closes twice when the client leaves
#: early, and not at all for HEAD · reverse() and get_url() know the last request of the thread · Pyramid leaves an
#: exception without a view of its own to the server, Django the body of HEAD · Falcon wants an on_head.
EXPECTED = """
                    flask_embed  flask           django              bottle               falcon        pyramid
sees its place      yes          yes             yes                 yes                  yes           yes
without slash       redirects    redirects       answers             answers              answers       answers
builds URLs         yes          yes             yes                 yes                  yes           yes
URLs with letters   yes          yes             yes                 unencoded            yes           yes
redirects           yes          yes             yes                 absolute             yes           absolute
redirects, letters  yes          yes             yes                 absolute, unencoded  yes           absolute
static file         yes          yes             yes                 yes                  yes           yes
URL of static file  yes          yes             the first mount's   yes                  yes           yes
cookie              yes          yes             yes                 yes                  yes           yes
session             yes          shared: Path=/  shared: Path=/      has none             has none      shared: Path=/
upload              yes          yes             yes                 yes                  yes           yes
stream              yes          closed twice    yes                 yes                  yes           yes
URLs in a stream    yes          yes             the last request's  the last request's   yes           yes
letters in path     yes          yes             yes                 yes                  yes           yes
no UTF-8 in path    404          U+FFFD          %FF                 404                  U+FFFD        raises
double slash        404          taken as one    404                 404                  taken as one  404
segment border      yes          yes             yes                 yes                  yes           yes
own 404             yes          yes             yes                 yes                  yes           yes
view that raises    yes          yes             yes                 yes                  yes           raises
HEAD                yes          not closed      sends the body      yes                  405           yes
caller's environ    yes          yes             yes                 yes                  yes           yes
"""
#: What is different in the last layout, below /büro: Bottle takes the bytes of SCRIPT_NAME for letters, Pyramid sends
#: them as latin-1 in Location.
EXPECTED_BELOW_LETTERS = """
                    flask_embed  flask      django              bottle              falcon  pyramid
sees its place      yes          yes        yes                 bytes for letters   yes     yes
builds URLs         yes          unencoded  yes                 a 404               yes     unencoded
URLs with letters   yes          unencoded  yes                 a 404               yes     unencoded
redirects           yes          yes        yes                 absolute, a 404     yes     absolute, a 404
redirects, letters  yes          yes        yes                 absolute, a 404     yes     absolute, a 404
URL of static file  yes          unencoded  the first mount's   a 404               yes     unencoded
URLs in a stream    yes          unencoded  the last request's  the last request's  yes     unencoded
"""
#: What clients of the runners see. Each request has a greenlet or a thread of its own there, and that is all Django and
#: Bottle need for the URLs in a stream; what a guest of ours raises is a 500 of the runner.
EXPECTED_OVER_HTTP = """
                    flask_embed  flask   django  bottle               falcon  pyramid
builds URLs         yes          yes     yes     yes                  yes     yes
URLs with letters   yes          yes     yes     unencoded            yes     yes
redirects           yes          yes     yes     absolute             yes     absolute
redirects, letters  yes          yes     yes     absolute, unencoded  yes     absolute
static file         yes          yes     yes     yes                  yes     yes
upload              yes          yes     yes     yes                  yes     yes
cookie              yes          yes     yes     yes                  yes     yes
no UTF-8 in path    404          U+FFFD  %FF     404                  U+FFFD  500
view that raises    yes          yes     yes     yes                  yes     yes
stream              yes          yes     yes     yes                  yes     yes
"""


def beside(create: Callable[[], WSGIApplication]) -> InProcess:
    app = DispatcherMiddleware(None, {"/one": create(), "/two": create()})
    return InProcess("/one", "/two", app=app)


def nested(create: Callable[[], WSGIApplication]) -> InProcess:
    inner = DispatcherMiddleware(None, {"/inner": create(), "/other": create()})
    return InProcess("/outer/inner", "/outer/other", app=DispatcherMiddleware(None, {"/outer": inner}))


def prefixed(create: Callable[[], WSGIApplication]) -> InProcess:
    app = DispatcherMiddleware(PrefixMiddleware(create(), "/one"), {"/two": create()})
    return InProcess("/front/one", "/front/two", app=PrefixMiddleware(app, "/front"))


def below_letters(create: Callable[[], WSGIApplication]) -> InProcess:
    app = DispatcherMiddleware(None, {"/büro": create(), "/two": create()})
    return InProcess("/b%C3%BCro", "/two", app=app)


def create_of(guest: str) -> Callable[[], WSGIApplication]:
    create: Callable[[], WSGIApplication] = import_module(f"tests.guests.{guest}_guest").create
    return create


def expected(text: str, name: str, guest: str) -> str:
    """A cell of a table, that of the first table where the other one has no such row."""
    return cells(text).get(name, cells(EXPECTED)[name])[guest]


left_open = pytest.mark.filterwarnings(LEFT_OPEN)


@pytest.mark.parametrize(
    ("name", "guest"),
    [
        pytest.param(name, guest, marks=[left_open] if (name, guest) == ("upload", "pyramid") else [])
        for name in CHECKS
        for guest in GUESTS
    ],
)
def test_a_guest_behaves_as_the_matrix_says_in_every_place(name: str, guest: str) -> None:
    check, create = CHECKS[name], create_of(guest)

    found = {layout.__name__: check(layout(create)) for layout in (beside, nested, prefixed, below_letters)}

    cell = expected(EXPECTED, name, guest)
    below = expected(EXPECTED_BELOW_LETTERS, name, guest)
    assert found == {"beside": cell, "nested": cell, "prefixed": cell, "below_letters": below}


@pytest.mark.parametrize("runner_name", ["gevent", "tornado"])
@pytest.mark.parametrize("guest", GUESTS)
def test_a_guest_behaves_so_when_a_runner_serves_it(guest: str, runner_name: str, tmp_path: Path) -> None:
    target = f"tests.guests.{guest}_guest:create()"
    mounts = [f"--mount=/one={target}", f"--mount=/two={target}"]
    arguments = ["tests.guests.blocks:control", "--bind=127.0.0.1:0", *mounts]

    with serving(runner_name, *arguments, cwd=tmp_path, variables={"GUESTS_WAIT": "1"}) as runner:
        site = OverHTTP("/one", "/two", runner=runner)
        found = {name: check(site) for name, check in CHECKS_OVER_HTTP.items()}

    assert found == {name: row[guest] for name, row in cells(EXPECTED_OVER_HTTP).items()}


def test_the_session_of_a_flask_guest_stays_in_its_mount_when_its_path_is_set() -> None:
    apps = {prefix: flask_guest.create() for prefix in ("/one", "/two")}
    for prefix, app in apps.items():
        app.config["SESSION_COOKIE_PATH"] = prefix

    assert session(InProcess("/one", "/two", app=DispatcherMiddleware(None, apps))) == "yes"


def test_a_falcon_guest_leaves_a_static_file_open_after_head() -> None:
    site = beside(falcon_guest.create)

    with pytest.warns(ResourceWarning, match=r"unclosed file .*style\.css"):
        assert site.ask("HEAD", "/one/static/style.css").status == 200


@left_open
def test_the_matrix_is_printed() -> None:
    rows = {name: {guest: check(beside(create_of(guest))) for guest in GUESTS} for name, check in CHECKS.items()}
    below = {name: {guest: CHECKS[name](below_letters(create_of(guest))) for guest in GUESTS} for name in CHECKS}
    differing = {name: row for name, row in below.items() if row != rows[name]}

    print(f"\n\n{table(rows)}\n\nbelow /büro:\n{table(differing)}")

    assert table(rows) == EXPECTED.strip("\n")
    assert table(differing) == EXPECTED_BELOW_LETTERS.strip("\n")


def test_a_guest_of_flask_s_own_is_no_flask_embed_app() -> None:
    dispatcher = DispatcherMiddleware(None, {"/guest": Flask("foreign")})

    found = dispatcher.explain("/guest/x")

    assert (found.endpoint, found.path_info) == (None, "/x")
    assert found.outcome == "given by <Flask 'foreign'>"
    assert list(dispatcher.iter_rules()) == []
