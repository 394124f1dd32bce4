"""Any path and any table of mounts: one app answers, the right one, and sees the path in two parts that add up."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_embed.errors import PrefixError
from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware
from flask_embed.middleware.prefix import normalize_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

pytestmark = pytest.mark.differential


SEGMENTS = ["a", "b", "ab", "A", "a.b", "ü", "…", "a;b", "a=b", "-", "~", "a:b", "app", "appx"]
PREFIXES = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
#: what a client may send, as text; a server hands it on as the bytes of UTF-8
PATHS = st.one_of(
    st.lists(st.sampled_from([*SEGMENTS, "", ".", "..", "%61", "a b", "\\", "x"]), max_size=7).map("/".join),
    st.lists(st.sampled_from([*SEGMENTS, "", "x"]), max_size=7).map(lambda parts: "/" + "/".join(parts)),
    st.text("/ab\0\n\xff%.", max_size=10),
    st.text(),
)
OUTER = st.sampled_from(["", "/", "/outer", "/outer/", "/ü/x"])


def wsgi(text: str) -> str:
    """*text* as a string of an environ (PEP 3333)."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


class Seen:
    """An app that remembers what it was called with."""

    def __init__(self, name: str, log: list[tuple[str, WSGIEnvironment]]) -> None:
        self.name = name
        self.log = log

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen = {key: value for key, value in environ.items() if key != "flask_embed.mounts"}  # what url_for needs
        self.log.append((self.name, seen))
        environ["changed by"] = self.name
        start_response("200 OK", [])
        return [self.name.encode()]


def environ_of(path: str, outer: str) -> WSGIEnvironment:
    return {"REQUEST_METHOD": "GET", "SCRIPT_NAME": wsgi(outer), "PATH_INFO": wsgi(path), "wsgi.url_scheme": "http"}


def status_of(app: WSGIApplication, environ: WSGIEnvironment) -> str:
    """The status that *app* answers with; the environ is the same after it as it was before."""
    heads: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        heads.append(status)
        return None

    before = copy.copy(environ)
    list(app(environ, start_response))
    assert environ == before
    assert len(heads) == 1
    return heads[0]


def lies_below(path: str, prefix: str) -> bool:
    """The rule in its plainest words."""
    return path == prefix or path.startswith(prefix + "/")


@pytest.mark.parametrize("has_root", [True, False])
@given(prefixes=st.lists(PREFIXES, max_size=8, unique=True), path=PATHS, outer=OUTER, near=st.integers(0, 9))
def test_the_app_with_the_longest_prefix_answers_alone(
    has_root: bool, prefixes: list[str], path: str, outer: str, near: int
) -> None:
    if prefixes and near < 6:  # most paths lie below one of the prefixes, or almost
        path = prefixes[near % len(prefixes)] + path
    log: list[tuple[str, WSGIEnvironment]] = []
    dispatcher = DispatcherMiddleware(
        Seen("", log) if has_root else None, {prefix: Seen(prefix, log) for prefix in prefixes}
    )
    environ = environ_of(path, outer)
    expected = max(
        (prefix for prefix in prefixes if lies_below(path, prefix)), key=len, default="" if has_root else None
    )

    status = status_of(dispatcher, environ)

    if expected is None:
        assert (status, log) == ("404 Not Found", [])
        return
    assert status == "200 OK"
    ((name, seen),) = log
    assert name == expected
    assert seen["SCRIPT_NAME"] == environ["SCRIPT_NAME"] + wsgi(expected)
    assert seen["SCRIPT_NAME"] + seen["PATH_INFO"] == environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    assert {key: value for key, value in seen.items() if key not in ("SCRIPT_NAME", "PATH_INFO")} == {
        key: value for key, value in environ.items() if key not in ("SCRIPT_NAME", "PATH_INFO")
    }


@given(prefixes=st.lists(PREFIXES, min_size=1, max_size=8, unique=True), path=PATHS, data=st.data())
def test_neither_the_order_nor_the_way_of_mounting_matters(prefixes: list[str], path: str, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(prefixes)) + path
    log: list[tuple[str, WSGIEnvironment]] = []
    apps = {prefix: Seen(prefix, log) for prefix in prefixes}
    at_once = DispatcherMiddleware(None, apps)
    shuffled = DispatcherMiddleware(None, {prefix: apps[prefix] for prefix in data.draw(st.permutations(prefixes))})
    one_by_one = DispatcherMiddleware()
    for prefix in prefixes:
        one_by_one.mount(f"{prefix}/", apps[prefix])
        status_of(one_by_one, environ_of(path, ""))
    detour = DispatcherMiddleware(None, {**apps, "/zz": Seen("", log)})
    del detour.mounts["/zz"]
    log.clear()

    for dispatcher in (at_once, shuffled, one_by_one, detour):
        status_of(dispatcher, environ_of(path, "/outer"))

    assert len(log) in (0, 4)
    assert all(entry == log[0] for entry in log)


@given(prefix=PREFIXES, path=PATHS, outer=OUTER, near=st.booleans())
def test_a_single_prefix_is_taken_off_or_a_404(prefix: str, path: str, outer: str, near: bool) -> None:
    path = prefix + path if near else path
    log: list[tuple[str, WSGIEnvironment]] = []
    environ = environ_of(path, outer)

    status = status_of(PrefixMiddleware(Seen("app", log), prefix), environ)

    if lies_below(path, prefix):
        ((_, seen),) = log
        assert (status, seen["SCRIPT_NAME"]) == ("200 OK", environ["SCRIPT_NAME"] + wsgi(prefix))
        assert seen["SCRIPT_NAME"] + seen["PATH_INFO"] == environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    else:
        assert (status, log) == ("404 Not Found", [])


@given(prefix=PREFIXES, path=PATHS, outer=OUTER)
def test_a_prefix_that_the_front_took_off_is_put_back_alone(prefix: str, path: str, outer: str) -> None:
    log: list[tuple[str, WSGIEnvironment]] = []
    environ = environ_of(path, outer)

    status_of(PrefixMiddleware(Seen("app", log), prefix, mode="stripped"), environ)

    ((_, seen),) = log
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == (environ["SCRIPT_NAME"] + wsgi(prefix), environ["PATH_INFO"])


@given(first=PREFIXES, second=PREFIXES, path=PATHS, outer=OUTER)
def test_a_mount_in_a_mount_is_a_mount_at_both(first: str, second: str, path: str, outer: str) -> None:
    path = first + second + path
    log: list[tuple[str, WSGIEnvironment]] = []
    app = Seen("app", log)
    nested = DispatcherMiddleware(None, {first: DispatcherMiddleware(None, {second: app})})
    wrapped = PrefixMiddleware(PrefixMiddleware(app, second), first)
    flat = DispatcherMiddleware(None, {first + second: app})

    statuses = [status_of(mounted, environ_of(path, outer)) for mounted in (nested, wrapped, flat)]

    assert len(set(statuses)) == 1
    assert len(log) == (3 if statuses[0] == "200 OK" else 0)
    assert all(entry == log[0] for entry in log)


@given(st.one_of(PREFIXES, PATHS, st.text("/ab%.\\? \n", max_size=8)))
def test_a_prefix_has_one_form_or_is_refused(text: str) -> None:
    try:
        prefix = normalize_prefix(text)
    except PrefixError as refused:
        told = str(refused)
        assert repr(text) in told
        return
    assert prefix == "" or (prefix.startswith("/") and not prefix.endswith("/"))
    assert not {"", ".", ".."}.intersection(prefix.split("/")[1:])
    written = prefix.encode("latin-1").decode()
    assert not any(mark in written for mark in "\0\r\n\t \\?#%")
    for spelling in (written, f"{written}/"):
        assert normalize_prefix(spelling) == prefix


@given(st.lists(PREFIXES, min_size=1, max_size=6), st.sampled_from(["", "/"]))
def test_a_prefix_is_mounted_once(prefixes: list[str], ending: str) -> None:
    prefixes.append(prefixes[0])
    dispatcher = DispatcherMiddleware()
    mounted: set[str] = set()

    for prefix in prefixes:
        if prefix in mounted:
            with pytest.raises(PrefixError, match="taken"):
                dispatcher.mount(prefix + ending, Seen(prefix, []))
        else:
            dispatcher.mount(prefix + ending, Seen(prefix, []))
        mounted.add(prefix)

    assert set(dispatcher.mounts) == mounted
