"""Any variables of a front or a client: a fixer sets the requested path or changes nothing, and is idempotent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_embed.adapters.lighttpd import CGIRootFix, LighttpdCGIRootFix
from flask_embed.adapters.nginx import PathInfoFromRequestUriFix
from flask_embed.adapters.proxy import ProxyFix
from flask_embed.adapters.serving.gate import behind_gate
from flask_embed.options import Options
from tests.middleware.rules import is_request, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FORWARDED = ["HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT"]
FORWARDED += ["HTTP_X_FORWARDED_PREFIX"]
PIECES = [
    "/",
    "//",
    "/a",
    "a",
    "..",
    "/..",
    "/.",
    "%2e",
    "%2F",
    "%",
    "%zz",
    "\\",
    "?",
    "#",
    "http://",
    "https",
    "good.example",
]
PIECES += [
    "1.2.3.4",
    "[::1]",
    ":80",
    ",",
    ", ",
    " ",
    "\t",
    "\r\n",
    "\0",
    "\xff",
    "\xc3\xbc",
    "\u20ac",
    "\udcff",
    "unknown",
    "*",
    "443",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join) | st.text(max_size=8)
KEYS = ["SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "HTTP_HOST", "REMOTE_ADDR", "SERVER_PORT", *FORWARDED]
SEGMENTS = st.lists(st.sampled_from(["a", "b c", "ü", "%41", "a+b", "x;y", "…", "a.b"]), max_size=3)

FIXERS: dict[str, Callable[[WSGIApplication], WSGIApplication]] = {
    "nginx": PathInfoFromRequestUriFix,
    "nginx, told": lambda app: PathInfoFromRequestUriFix(app, "/a"),
    "nginx, at the root": lambda app: PathInfoFromRequestUriFix(app, "/"),
    "lighttpd": LighttpdCGIRootFix,
    "lighttpd, told": lambda app: CGIRootFix(app, "/a"),
}
#: The SCRIPT_NAME of the fixers that know the prefix: they call the app with it, or answer 404.
PREFIXES = {"nginx, told": "/a", "nginx, at the root": "", "lighttpd, told": "/a"}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The refusals are no use in a report."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def seen_behind(
    put_around: Callable[[WSGIApplication], WSGIApplication], environ: WSGIEnvironment
) -> WSGIEnvironment | None:
    """The environ that an app behind it sees, None if the answer is a 400 or a 404; the caller's is as it was."""
    seen: list[WSGIEnvironment] = []
    statuses: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.append(environ.copy())
        start_response("200 OK", [])
        return []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)

    before = environ.copy()
    b"".join(put_around(app)(environ, start_response))
    assert environ == before
    assert statuses == ["200 OK"] if seen else statuses in (["400 Bad Request"], ["404 Not Found"])
    return seen[0] if seen else None


@pytest.mark.parametrize("name", FIXERS)
@given(changes=st.dictionaries(st.sampled_from(KEYS), TEXTS, max_size=4), missing=st.sets(st.sampled_from(KEYS)))
def test_nothing_is_too_odd_and_the_second_time_there_is_nothing_to_do(
    name: str, changes: dict[str, str], missing: set[str]
) -> None:
    environ = {key: value for key, value in plain(**changes).items() if key not in missing}

    once = seen_behind(FIXERS[name], environ)

    if once is None:
        assert name in PREFIXES
        return
    assert once.get("SCRIPT_NAME", "") == PREFIXES.get(name, once.get("SCRIPT_NAME", ""))
    assert seen_behind(FIXERS[name], once) == once
    path = once.get("PATH_INFO", "")
    assert path[:1] in ("", "/") or path == environ["PATH_INFO"]
    paths = ("SCRIPT_NAME", "PATH_INFO")
    assert {key: value for key, value in once.items() if key not in paths} == {
        key: value for key, value in environ.items() if key not in paths
    }


@given(SEGMENTS, SEGMENTS, st.sampled_from(["", "?a=/../b", "?"]), st.booleans())
def test_what_a_front_sets_right_is_left_as_it_is(
    prefix_segments: list[str], rest_segments: list[str], query: str, ends_with_slash: bool
) -> None:
    prefix = "".join(f"/{segment.replace('%', '').replace(' ', '')}" for segment in prefix_segments)
    rest = "".join(f"/{segment}" for segment in rest_segments) + "/" * ends_with_slash
    environ = plain(
        SCRIPT_NAME=prefix.encode().decode("latin-1"),
        PATH_INFO=rest.encode().decode("latin-1"),
        REQUEST_URI=quote(prefix + rest) + query,
    )
    if not prefix + rest:
        return  # the root has a slash

    for put_around in (
        PathInfoFromRequestUriFix,
        lambda app: PathInfoFromRequestUriFix(app, prefix or "/"),
        lambda app: CGIRootFix(app, prefix),
    ):
        assert seen_behind(put_around, environ) == environ


@given(
    st.dictionaries(
        st.sampled_from(FORWARDED), st.lists(TEXTS.filter(lambda text: "," not in text), min_size=1, max_size=4)
    ),
    st.integers(1, 3),
    st.lists(TEXTS, min_size=1, max_size=2),
)
def test_what_a_client_writes_to_the_left_changes_nothing(
    values: dict[str, list[str]], hops: int, written: list[str]
) -> None:
    def fix(app: WSGIApplication) -> WSGIApplication:
        return ProxyFix(app, hops, hops, hops, hops, hops)

    # As many as there are proxies, each of which has put one.
    values = {key: (found * hops)[-hops:] for key, found in values.items()}
    honest = plain(SERVER_NAME="s", SERVER_PORT="80", **{key: ",".join(found) for key, found in values.items()})
    forged = {**honest, **{key: ",".join([*written, *found]) for key, found in values.items()}}
    if any(not honest[key].strip(" \t") for key in values):
        return  # a header without any text is none; with a forged one in front of it, it is a value that is empty

    there, here = seen_behind(fix, honest), seen_behind(fix, forged)

    drop = {*FORWARDED, "flask_embed.proxy_fix.orig"}
    assert (there is None) == (here is None)
    if there is not None and here is not None:
        assert {key: value for key, value in there.items() if key not in drop} == {
            key: value for key, value in here.items() if key not in drop
        }


@given(st.dictionaries(st.sampled_from(FORWARDED), TEXTS), st.integers(1, 3))
def test_what_comes_from_somebody_else_counts_for_nothing(values: dict[str, str], hops: int) -> None:
    environ = plain(**values)

    seen = seen_behind(lambda app: ProxyFix(app, hops, hops, hops, hops, hops, trusted=["10.0.0.0/8", "unix"]), environ)

    assert seen == environ


@given(
    st.dictionaries(st.sampled_from(KEYS), TEXTS, max_size=4),
    st.sets(st.sampled_from(KEYS)),
    st.sampled_from(["", "/a", "/p"]),
    st.sampled_from(["", "/a", "/s"]),
    st.sampled_from([(), ("lighttpd-root",), ("nginx-path-info",), ("lighttpd-root", "nginx-path-info")]),
    st.integers(0, 2),
)
def test_behind_all_that_a_runner_puts_there_an_app_sees_a_request(
    changes: dict[str, str], missing: set[str], prefix: str, script_name: str, fix: tuple[str, ...], hops: int
) -> None:
    options = Options(
        prefix=prefix, script_name=script_name, fix=fix, trust_proxy=hops, forwarded_allow_ips=("192.0.2.7", "unix")
    )
    environ = {key: value for key, value in plain(**changes).items() if key not in missing}

    seen = seen_behind(lambda app: behind_gate(app, options), environ)

    if seen is not None:
        assert is_request(seen)
        assert "HTTP_PROXY" not in seen
        if prefix:
            assert seen["SCRIPT_NAME"].endswith(prefix)
        if "nginx-path-info" in fix and script_name and not hops:
            assert seen["SCRIPT_NAME"] == script_name + prefix
