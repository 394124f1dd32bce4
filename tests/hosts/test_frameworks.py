"""An app of ours mounted in the apps of five other frameworks: what works there, and what does not."""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.http import HttpResponse
from django.urls import re_path
from flask import Flask, session
from werkzeug.middleware.dispatcher import DispatcherMiddleware as WerkzeugDispatcher
from werkzeug.test import run_wsgi_app

from flask_embed.middleware import PrefixMiddleware
from tests.guests import django_guest
from tests.guests.checks import CHECKS, InProcess, cells, table, urls_with_letters
from tests.guests.flask_embed_guest import create
from tests.guests.pyramid_guest import LEFT_OPEN
from tests.hosts import frameworks

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from _typeshed.wsgi import WSGIApplication

HOSTS: dict[str, Callable[[frameworks.Mounts], WSGIApplication]] = {
    "flask": frameworks.flask,
    "django": frameworks.django,
    "bottle": frameworks.bottle,
    "falcon": frameworks.falcon,
    "pyramid": frameworks.pyramid,
}
#: what a host does with its own environ is its own business
NAMES = [name for name in CHECKS if name != "caller's environ"]
#: What is found when it is mounted, with and without a prefix in front. The redirect to the slash and the 404 for a
#: double one are our own. The rest is the host's doing: Bottle puts text into PATH_INFO and takes the mount out of
#: SCRIPT_NAME before the body is read · Pyramid writes scheme and host into Location, drops empty segments and raises
#: for a path that is no text, which Django writes as "%FF" · "answers": the host gives "/" for an empty PATH_INFO.
EXPECTED = """
                    flask      django     bottle         falcon     pyramid
sees its place      yes        yes        yes            yes        yes
without slash       redirects  redirects  answers        redirects  answers
builds URLs         yes        yes        yes            yes        yes
URLs with letters   yes        yes        404            yes        yes
redirects           yes        yes        yes            yes        absolute
redirects, letters  yes        yes        404            yes        absolute
static file         yes        yes        yes            yes        yes
URL of static file  yes        yes        yes            yes        yes
cookie              yes        yes        yes            yes        yes
session             yes        yes        yes            yes        yes
upload              yes        yes        yes            yes        yes
stream              yes        yes        yes            yes        yes
URLs in a stream    yes        yes        without mount  yes        yes
letters in path     yes        yes        404            yes        yes
no UTF-8 in path    404        %FF        404            404        raises
double slash        404        404        404            404        taken as one
segment border      yes        yes        yes            yes        yes
own 404             yes        yes        yes            yes        yes
view that raises    yes        yes        yes            yes        yes
HEAD                yes        yes        yes            yes        yes
"""
#: What is different below /büro: Bottle has decoded SCRIPT_NAME too, and our app refuses what is no UTF-8.
EXPECTED_BELOW_LETTERS = """
                    flask      django     bottle  falcon     pyramid
sees its place      yes        yes        400     yes        yes
without slash       redirects  redirects  400     redirects  answers
builds URLs         yes        yes        400     yes        yes
URLs with letters   yes        yes        400     yes        yes
redirects           yes        yes        400     yes        absolute
redirects, letters  yes        yes        400     yes        absolute
static file         yes        yes        400     yes        yes
URL of static file  yes        yes        a 404   yes        yes
cookie              yes        yes        400     yes        yes
session             yes        yes        400     yes        yes
upload              yes        yes        400     yes        yes
stream              yes        yes        400     yes        yes
URLs in a stream    yes        yes        400     yes        yes
letters in path     yes        yes        400     yes        yes
no UTF-8 in path    404        %FF        400     404        raises
double slash        404        404        400     404        taken as one
own 404             yes        yes        400     yes        yes
view that raises    yes        yes        400     yes        yes
HEAD                yes        yes        400     yes        yes
"""

left_open = pytest.mark.filterwarnings(LEFT_OPEN)


def mounted(host: str) -> InProcess:
    return InProcess("/shop", "/two", app=HOSTS[host]({"/shop": create(), "/two": create()}))


def prefixed(host: str) -> InProcess:
    app = HOSTS[host]({"/shop": create(), "/two": create()})
    return InProcess("/front/shop", "/front/two", app=PrefixMiddleware(app, "/front"))


def below_letters(host: str) -> InProcess:
    return InProcess("/b%C3%BCro", "/two", app=HOSTS[host]({"/büro": create(), "/two": create()}))


@pytest.mark.parametrize(
    ("name", "host"),
    [
        pytest.param(name, host, marks=[left_open] if (name, host) == ("upload", "pyramid") else [])
        for name in NAMES
        for host in HOSTS
    ],
)
def test_our_app_behaves_in_a_host_as_the_matrix_says(name: str, host: str) -> None:
    check = CHECKS[name]

    found = {layout.__name__: check(layout(host)) for layout in (mounted, prefixed, below_letters)}

    cell = cells(EXPECTED)[name][host]
    below = cells(EXPECTED_BELOW_LETTERS).get(name, cells(EXPECTED)[name])[host]
    assert found == {"mounted": cell, "prefixed": cell, "below_letters": below}


@left_open
def test_the_matrix_is_printed() -> None:
    rows = {name: {host: CHECKS[name](mounted(host)) for host in HOSTS} for name in NAMES}
    below = {name: {host: CHECKS[name](below_letters(host)) for host in HOSTS} for name in NAMES}
    differing = {name: row for name, row in below.items() if row != rows[name]}

    print(f"\n\n{table(rows)}\n\nbelow /büro:\n{table(differing)}")

    assert table(rows) == EXPECTED.strip("\n")
    assert table(differing) == EXPECTED_BELOW_LETTERS.strip("\n")


def test_a_host_with_werkzeugs_dispatcher_does_not_find_a_key_that_is_written_with_letters() -> None:
    host = Flask("host")
    host.wsgi_app = WerkzeugDispatcher(host.wsgi_app, {"/büro": create()})  # type: ignore[method-assign]

    assert InProcess("/b%C3%BCro", "/two", app=host).get("/").status == 404


def test_a_view_of_django_has_to_encode_the_paths_of_its_environ_again() -> None:
    """Django writes text over SCRIPT_NAME and PATH_INFO; given on as they are, letters are lost."""
    inner = PrefixMiddleware(create(), "/shop")
    handler = django_guest.create()

    def view(request: Any) -> HttpResponse:
        body, status, _ = run_wsgi_app(inner, request.environ)
        return HttpResponse(b"".join(body), status=int(status[:3]))

    urlconf = (re_path("^shop/", view),)
    site = InProcess("/shop", "/two", app=lambda *call: handler({**call[0], django_guest.URLCONF: urlconf}, call[1]))

    assert site.get("/echo/x").text == "x"
    assert urls_with_letters(site) == "404"


def test_a_session_of_the_host_and_one_of_ours_do_not_disturb_each_other() -> None:
    """Both are called "session", with another secret each: the browser sends both cookies to ours."""
    host = Flask("host")
    host.secret_key = "of the host"
    host.add_url_rule("/in", view_func=_logged_in, methods=["POST"])
    host.wsgi_app = WerkzeugDispatcher(host.wsgi_app, {"/shop": create()})  # type: ignore[method-assign]
    site = InProcess("/shop", "/two", app=host)

    counts = [site.ask("POST", path).text for path in ("/in", "/shop/session", "/in", "/shop/session", "/in")]

    assert counts == ["1", "1", "2", "2", "3"]


def _logged_in() -> str:
    session["visits"] = session.get("visits", 0) + 1
    return str(session["visits"])
