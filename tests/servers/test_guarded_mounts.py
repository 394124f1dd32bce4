"""A mount that only a rule of the web server guards: no spelling of a path leads around the rule.

The web server judges one path and the mounts another where the two do not read a path alike.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.servers.deployed import deployed, deployment
from tests.servers.fronts import Front, open_folder
from tests.servers.ways import HttpLine, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

#: what an administrator writes to close ``/admin``
RULES = {
    "nginx": "location ^~ /admin { deny all; }",
    "lighttpd": 'server.modules += ( "mod_access" )\n$HTTP["url"] =~ "^/admin(/|$)" { url.access-deny = ( "" ) }',
    "apache": '<Location "/admin">\n    Require all denied\n</Location>',
}
FRONTS = [("nginx", "http"), ("apache", "http"), ("lighttpd", "http"), ("nginx", "fastcgi"), ("apache", "fastcgi")]
#: from ``/admin`` to the shop, if somebody resolves the dots
OUT = [
    "/admin/files/../../shop/",
    "/admin/files/x%2f..%2f..%2f..%2fshop/",
    "/admin/files/x%2F..%2F..%2F..%2Fshop/",
    "/admin/files/x/../../../shop/",
    "/admin/files/./../../shop/",
    "/admin/files/%2e%2e/%2E%2E/shop/",
    "/admin/files/.%2e/%2e./shop/",
    "/admin/files/..%2f../shop/",
]
#: to ``/admin``, for one reader or the other
IN = [
    "/admin",
    "/admin/",
    "/admin/files/x",
    "/admin/files%2fx",
    "/%61dmin/files/x",
    "//admin/files/x",
    "/./admin/files/x",
    "/%2e/admin/files/x",
    "/../admin/files/x",
    "/shop/../admin/files/x",
    "/shop/%2e%2e/admin/files/x",
    "/shop/..%2fadmin/files/x",
    "/shop%2f../admin/files/x",
    "/shop%2f..%2fadmin%2ffiles%2fx",
]
#: likewise, with the slash behind the name encoded
ENCODED_BORDERS = ["/admin%2ffiles/x", "/admin%2Ffiles%2Fx"]


@pytest.fixture(scope="module", params=FRONTS, ids=" ".join)
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    server, via = request.param
    with open_folder() as folder:
        made = deployment(server, via, folder, app="tests.servers.guarded_app:app", runner="gevent")
        with deployed(server, made, folder, RULES[server]) as started:
            yield started


def ask(front: Front, target: str) -> Reply:
    """The answer to a target that is sent as it is written, as ``curl --path-as-is`` does."""
    line = HttpLine(("127.0.0.1", front.port), f"127.0.0.1:{front.port}")
    with contextlib.closing(line):
        return line.ask("GET", target).reply()


def test_the_other_mount_is_open(front: Front) -> None:
    assert ask(front, "/shop/")[::2] == (200, b"a view of the shop")


@pytest.mark.parametrize("target", OUT)
def test_dots_that_lead_out_of_the_guarded_mount_reach_no_view_of_it(front: Front, target: str) -> None:
    reply = ask(front, target)
    # What passes a resolved path on may let the shop answer.
    assert reply.status in (400, 403) or reply.body == b"a view of the shop"


@pytest.mark.parametrize("target", IN)
def test_no_spelling_leads_into_the_guarded_mount(front: Front, target: str) -> None:
    assert ask(front, target).status in (400, 403, 404)


@pytest.mark.parametrize("target", ENCODED_BORDERS)
def test_an_encoded_slash_does_not_lead_into_the_guarded_mount(front: Front, target: str) -> None:
    assert ask(front, target).status in (400, 403, 404)
