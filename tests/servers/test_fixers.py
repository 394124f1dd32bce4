"""The fixers behind the fronts that they are for: wrong without one, right with it, on every target.

The configurations are those that people copy: the rewrite to a ``.fcgi`` file and the root without
``fix-root-scriptname`` of lighttpd, PATH_INFO from a regular expression and the stock parameters of nginx, and
the three obvious ProxyPass lines of Apache.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.servers.fronts import Front, apache, lighttpd, nginx, open_folder
from tests.servers.ways import APP, HttpLine, Reply
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

P = "/yourapplication"
#: each target, and the path that it asks for: decoded once, dots resolved, slashes as they came
TARGETS = {
    "/": "/",
    P: P,
    f"{P}/": f"{P}/",
    f"{P}/hello": f"{P}/hello",
    f"{P}/hello%20w%2Forld": f"{P}/hello w/orld",
    f"{P}//double//slash": f"{P}//double//slash",
    f"{P}/%C3%BCml%C3%A4ut?x=%26": f"{P}/ümläut".encode().decode("latin-1"),
    "/yourapplicationfoo": "/yourapplicationfoo",
    f"{P}/a/../b": f"{P}/b",
    f"{P}/%2e%2e/b": "/b",
}
#: SCRIPT_NAME and PATH_INFO by target, None where the front has answered itself
Seen = dict[str, tuple[str, str] | None]


class Row(NamedTuple):
    """A configuration that is wrong, and what mends it."""

    start: Callable[[str, Path], AbstractContextManager[Front]]
    #: with SOCKET in the place of the FastCGI runner's
    config: str
    fix: tuple[str, ...]
    #: where the app is then
    script_name: str
    #: targets that the front or the fixer answers: the app is not asked
    own: tuple[str, ...] = ()
    #: whether the front merges slashes, and what comes to the app is the merged path
    merges: bool = False


def _nginx(config: str, folder: Path) -> AbstractContextManager[Front]:
    return nginx(f"listen 127.0.0.1:PORT; {config}", folder)


def _apache(config: str, folder: Path) -> AbstractContextManager[Front]:
    return apache(config, folder, ["proxy", "proxy_fcgi"])


_STOCK = "include /etc/nginx/fastcgi_params;"
#: what is copied first: no PATH_INFO, and what only begins like the prefix comes, too
_BARE_LOCATION = f"location {P} {{ {_STOCK} fastcgi_pass unix:SOCKET; }}"
_LIGHTTPD = '(( "socket" => "SOCKET", "check-local" => "disable" ))'
_OUTSIDE = ("/", "/yourapplicationfoo", f"{P}/%2e%2e/b")
_ENCODED_SLASH = f"{P}/hello%20w%2Forld"  # AllowEncodedSlashes is off

ROWS = {
    "b1 lighttpd at the root": Row(
        lighttpd,
        f'server.modules = ( "mod_fastcgi" )\nfastcgi.server = ( "/" => {_LIGHTTPD} )',
        ("--fix", "lighttpd-root"),
        "",
        merges=True,
    ),
    "b3 lighttpd with a rewrite": Row(
        lighttpd,
        'server.modules = ( "mod_rewrite", "mod_fastcgi" )\n'
        f'fastcgi.server = ( "/yourapplication.fcgi" => {_LIGHTTPD} )\n'
        'url.rewrite-once = ( "^(/static($|/.*))$" => "$1", "^(/.*)$" => "/yourapplication.fcgi$1" )',
        ("--fix", "lighttpd-root"),
        "",
        merges=True,
    ),
    "c nginx with a regular expression": Row(
        _nginx,
        f"location {P}/ {{ {_STOCK} if ($uri ~ ^{P}/(.*)?) {{ set $path_url $1; }}\n"
        f"fastcgi_param PATH_INFO $path_url; fastcgi_param SCRIPT_NAME {P}; fastcgi_pass unix:SOCKET; }}",
        ("--fix", "nginx-path-info"),
        P,
        own=(*_OUTSIDE, P),
    ),
    "g nginx with its parameters alone": Row(
        _nginx,
        f"location / {{ {_STOCK} fastcgi_pass unix:SOCKET; }}",
        ("--fix", "nginx-path-info", "--script-name", P),
        P,
        own=_OUTSIDE,
    ),
    "g nginx with its parameters alone, in a location": Row(
        _nginx, _BARE_LOCATION, ("--fix", "nginx-path-info", "--script-name", P), P, own=_OUTSIDE
    ),
    "g nginx with its parameters alone, at the root": Row(
        _nginx,
        f"location / {{ {_STOCK} fastcgi_pass unix:SOCKET; }}",
        ("--fix", "nginx-path-info", "--script-name", "/"),
        "",
    ),
    "h1 Apache": Row(
        _apache,
        f'ProxyPass "{P}" "unix:SOCKET|fcgi://localhost"',
        ("--fix", "nginx-path-info", "--script-name", P),
        P,
        own=(*_OUTSIDE, _ENCODED_SLASH),
    ),
    "h2 Apache with a slash": Row(
        _apache,
        f'ProxyPass "{P}/" "unix:SOCKET|fcgi://localhost/"',
        ("--fix", "nginx-path-info", "--script-name", P),
        P,
        own=(*_OUTSIDE, _ENCODED_SLASH, P),
    ),
    "h3 Apache with the prefix twice": Row(
        _apache,
        f'ProxyPass "{P}" "unix:SOCKET|fcgi://localhost{P}"',
        ("--fix", "nginx-path-info", "--script-name", P),
        P,
        own=(*_OUTSIDE, _ENCODED_SLASH),
    ),
}


@pytest.fixture(scope="module")
def socket_of() -> Iterator[Callable[[tuple[str, ...]], str]]:
    """Where the runner with these options is reached: one for all configurations that it is to mend."""
    with open_folder() as folder, contextlib.ExitStack() as stack:

        @functools.cache
        def started(fix: tuple[str, ...]) -> str:
            path = f"{folder}/{len(list(folder.iterdir()))}.sock"
            arguments = ["--bind", f"unix:{path}", *fix]
            if os.geteuid() == 0:
                arguments += ["--socket-group", "www-data"]  # of Apache, which leaves root
            stack.enter_context(serving("fastcgi", APP, *arguments))
            return path

        yield started


def asked(row: Row, socket: str) -> Seen:
    """The paths that the app sees for each target."""
    with open_folder() as folder, row.start(row.config.replace("SOCKET", socket), folder) as front:
        return {target: _seen(front, target) for target in TARGETS}


def get(front: Front, target: str, **headers: str) -> Reply:
    line = HttpLine(("127.0.0.1", front.port), f"127.0.0.1:{front.port}")
    with contextlib.closing(line):
        return line.ask("GET", target, [(name.replace("_", "-"), value) for name, value in headers.items()]).reply()


def _seen(front: Front, target: str) -> tuple[str, str] | None:
    reply = get(front, target, X_Tell="environ")
    if reply.header("x-from") != "app":
        return None
    told = json.loads(reply.body)
    return told["SCRIPT_NAME"], told["PATH_INFO"]


def merged(path: str) -> str:
    while "//" in path:
        path = path.replace("//", "/")
    return path


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_fixer_mends_what_the_front_sends(row: Row, socket_of: Callable[[tuple[str, ...]], str]) -> None:
    right: Seen = {}
    for target, path in TARGETS.items():
        whole = merged(path) if row.merges else path
        right[target] = None if target in row.own else (row.script_name, whole.removeprefix(row.script_name))

    without, found = asked(row, socket_of(())), asked(row, socket_of(row.fix))

    wrong = {target for target in TARGETS if without[target] != right[target]}
    assert f"{P}/hello" in wrong
    assert found == right


@pytest.fixture(scope="module")
def bare(socket_of: Callable[[tuple[str, ...]], str]) -> Iterator[Front]:
    """nginx with a location that sends no PATH_INFO, and a runner without a fixer."""
    with open_folder() as folder, _nginx(_BARE_LOCATION.replace("SOCKET", socket_of(())), folder) as front:
        yield front


@pytest.mark.parametrize(
    "target", [P, f"{P}/", f"{P}/hello", f"{P}/hello/", f"{P}/hello/x?q=1", f"{P}foo/hello", f"{P}//"]
)
def test_without_path_info_no_redirect_leads_to_its_own_url(bare: Front, target: str) -> None:
    asked_for = [target]
    reply = get(bare, target)
    while (location := reply.header("location")) is not None:
        assert reply.status == 307, "a browser would keep it when the front is mended"
        assert location not in asked_for
        asked_for.append(location)
        reply = get(bare, location)

    assert reply.header("x-from") == "app"
    assert len(asked_for) <= 2


def test_a_fixer_that_was_told_the_prefix_answers_404_beside_it(socket_of: Callable[[tuple[str, ...]], str]) -> None:
    fixed = socket_of(("--fix", "nginx-path-info", "--script-name", P))
    with open_folder() as folder, _nginx(_BARE_LOCATION.replace("SOCKET", fixed), folder) as front:
        replies = {target: get(front, target) for target in (f"{P}/hello", f"{P}foo/hello/x", f"{P}foo", f"{P}.x/")}

    assert replies.pop(f"{P}/hello").body == b"Hello World!"
    assert {target: (reply.status, reply.body) for target, reply in replies.items()} == dict.fromkeys(
        replies, (404, b"Not Found\n")
    )
