"""Any table of mounts and any request: the app that answers is the one of a simple model of the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from flask_embed.errors import PrefixError
from flask_embed.middleware import DispatcherMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HOSTS = [
    "",
    "a.test",
    "b.a.test",
    "*.a.test",
    "*.test",
    "a.test:81",
    "*.a.test:81",
    "*.b.a.test",
    "[::1]",
    "xn--tda.test",
]
PREFIXES = ["", "/a", "/a/b", "/a/b/c", "/ab", "/b", "/ü", "/a/ü", "/a.b"]
ASKED_HOSTS = [
    "a.test",
    "A.Test.",
    "a.test:81",
    "a.test:80",
    "b.a.test",
    "c.b.a.test:81",
    "b.a.test:443",
    "test",
    "eviltest",
    "evila.test",
    "a.test.evil",
    "[::1]:81",
    "[0::1]",
    "xn--tda.test",
    "other",
]
SEGMENTS = ["", "a", "b", "c", "ab", "ü", "a.b", ".", "..", "A", "x", "\udcff", "%61"]

places = st.tuples(st.sampled_from(HOSTS), st.sampled_from(PREFIXES))
#: keys of mounts, each either an app or keys of a dispatcher there
tables = st.dictionaries(places, st.none() | st.lists(places, unique=True, max_size=6), max_size=8)
requests = st.tuples(
    st.lists(st.sampled_from(SEGMENTS), max_size=6).map(
        lambda segments: "".join(f"/{each}" for each in segments).encode("utf-8", "surrogateescape").decode("latin-1")
    ),
    st.sampled_from(ASKED_HOSTS),
    st.sampled_from(["http", "https"]),
    st.sampled_from(["", "/front", "/fr\xc3\xbcnt", "/front/"]),
)


class Told(Exception):
    """Raised by an app that is called, to say who it is and what it saw."""


class Named:
    """A WSGI app that says who it is, and what it sees."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise Told(self.keys, environ["SCRIPT_NAME"], environ["PATH_INFO"])


class Asked(NamedTuple):
    path: str
    host: str
    scheme: str
    script_name: str

    def environ(self) -> WSGIEnvironment:
        return {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": self.script_name,
            "PATH_INFO": self.path,
            "HTTP_HOST": self.host,
            "wsgi.url_scheme": self.scheme,
        }


def key_of(place: tuple[str, str]) -> str:
    host, prefix = place
    return f"{host}{prefix}" if prefix else f"{host}/"


def built(table: Mapping[tuple[str, str], list[tuple[str, str]] | None]) -> DispatcherMiddleware:
    """The dispatcher for a table, with a dispatcher at each place that has a list."""
    return DispatcherMiddleware(
        None,
        {
            key_of(place): Named(key_of(place))
            if inner is None
            else DispatcherMiddleware(None, {key_of(each): Named(key_of(place), key_of(each)) for each in inner})
            for place, inner in table.items()
        },
    )


def answer(dispatcher: DispatcherMiddleware, environ: WSGIEnvironment) -> tuple[tuple[str, ...], str, str] | None:
    """Keys, SCRIPT_NAME and PATH_INFO of the app that is called; None for the 404."""
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)

    try:
        body = list(dispatcher(environ, start_response))
    except Told as told:
        assert statuses == []
        return told.args
    assert (statuses, body) == (["404 Not Found"], [b"Not Found\n"])
    return None


def exactness(host: str, asked: str, scheme: str) -> tuple[int, int, int] | None:
    """The rank of a mount's host for the requested one, the exact host highest; None if it is for others."""
    if not host:
        return (0, 0, 0)
    name, _, port = host.partition("]:" if host.startswith("[") else ":")
    asked_name, _, asked_port = asked.partition("]:" if asked.startswith("[") else ":")
    asked_name = asked_name.lower().removesuffix(".").replace("[0::1", "[::1")
    name, asked_name = name.removesuffix("]"), asked_name.removesuffix("]")
    if port and port != (asked_port or {"http": "80", "https": "443"}[scheme]):
        return None
    if name.startswith("*."):
        if not asked_name.endswith(name[1:]) or asked_name == name[1:]:
            return None
        return (1, name.count("."), int(bool(port)))
    return (2, 0, int(bool(port))) if name == asked_name else None


def expected(places: Iterable[tuple[str, str]], path: str, asked: Asked) -> tuple[tuple[str, str], str, str] | None:
    """The place that gets the request, its prefix as a WSGI string, and the rest of the path: all are tried."""
    found = []
    for host, prefix in places:
        stored = prefix.encode().decode("latin-1")
        rank = exactness(host, asked.host, asked.scheme)
        if rank is not None and (not stored or path == stored or path.startswith(stored + "/")):
            found.append((rank, len(stored), (host, prefix), stored))
    if not found:
        return None
    _, length, place, stored = max(found)
    return place, stored, path[length:]


def modelled(
    table: Mapping[tuple[str, str], list[tuple[str, str]] | None], asked: Asked
) -> tuple[tuple[str, ...], str, str] | None:
    """The expected result of :func:`answer`."""
    first = expected(table, asked.path, asked)
    if first is None:
        return None
    place, prefix, rest = first
    inner = table[place]
    if inner is None:
        return (key_of(place),), asked.script_name + prefix, rest
    second = expected(inner, rest, asked)
    if second is None:
        return None
    return (key_of(place), key_of(second[0])), asked.script_name + prefix + second[1], second[2]


@given(tables, requests)
def test_a_request_gets_the_app_that_trying_all_mounts_finds(
    table: dict[tuple[str, str], list[tuple[str, str]] | None], request: tuple[str, str, str, str]
) -> None:
    asked = Asked(*request)
    environ = asked.environ()
    before = dict(environ)
    answered = answer(built(table), environ)
    assert answered == modelled(table, asked)
    assert environ == before
    if answered is not None:
        _, script_name, path_info = answered
        assert script_name + path_info == asked.script_name + asked.path
        assert path_info == "" or path_info.startswith("/")


@given(tables, requests)
def test_the_order_of_mounting_decides_nothing(
    table: dict[tuple[str, str], list[tuple[str, str]] | None], request: tuple[str, str, str, str]
) -> None:
    backwards = {place: inner and inner[::-1] for place, inner in reversed(table.items())}
    environ = Asked(*request).environ()
    assert answer(built(table), environ) == answer(built(backwards), environ)


@given(tables, requests)
def test_explain_tells_what_a_call_does(
    table: dict[tuple[str, str], list[tuple[str, str]] | None], request: tuple[str, str, str, str]
) -> None:
    asked = Asked(request[0] or "/", *request[1:3], script_name="")
    dispatcher = built(table)
    answered = answer(dispatcher, asked.environ())
    told = dispatcher.explain(f"{asked.scheme}://{asked.host}{quote(asked.path, encoding='latin-1')}?a=/b#c")
    if answered is None:
        assert told.outcome.startswith("404: ")
    else:
        keys, script_name, path_info = answered
        assert tuple(told.mounts) == keys
        assert told.script_name == script_name.encode("latin-1").decode()
        assert told.path_info == path_info.encode("latin-1").decode("utf-8", "backslashreplace")
        assert isinstance(told.app, Named)
        assert told.app.keys == keys
    passed_over = {key for key, _ in told.losers}
    assert passed_over.isdisjoint(told.mounts[:1])
    assert passed_over | set(told.mounts[:1]) >= {key_of(place) for place in table} - {"/"}


class Mounting(RuleBasedStateMachine):
    """Mounting and unmounting in any order, beside a dict of what ought to be there."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatcher = DispatcherMiddleware()
        self.there: dict[tuple[str, str], Named] = {}
        self.count = 0

    def made(self, place: tuple[str, str]) -> Named:
        self.count += 1
        return Named(key_of(place), str(self.count))

    @rule(place=places)
    def mount(self, place: tuple[str, str]) -> None:
        app = self.made(place)
        try:
            self.dispatcher.mount(key_of(place), app)
        except PrefixError:
            assert place in self.there
        else:
            assert place not in self.there
            self.there[place] = app

    @rule(place=places)
    def set_item(self, place: tuple[str, str]) -> None:
        self.there[place] = self.dispatcher.mounts[key_of(place)] = self.made(place)

    @rule(place=places)
    def unmount(self, place: tuple[str, str]) -> None:
        try:
            self.dispatcher.unmount(key_of(place))
        except KeyError:
            assert place not in self.there
        else:
            del self.there[place]

    @rule(place=places)
    def delete_item(self, place: tuple[str, str]) -> None:
        assert (self.dispatcher.mounts.pop(key_of(place), None) is None) is (self.there.pop(place, None) is None)

    @rule(request=requests)
    def ask(self, request: tuple[str, str, str, str]) -> None:
        at_once = DispatcherMiddleware(None, {key_of(place): app for place, app in self.there.items()})
        environ = Asked(*request).environ()
        assert answer(self.dispatcher, environ) == answer(at_once, environ)
        found = expected(self.there, request[0], Asked(*request))
        mount = self.dispatcher.find_mount(environ)
        assert (mount and mount.app) is (self.there[found[0]] if found else None)

    @invariant()
    def the_mounts_are_those_that_are_there(self) -> None:
        mounts = {key_of(place): app for place, app in self.there.items()}
        assert list(self.dispatcher.mounts.items()) == list(mounts.items())


TestMounting = Mounting.TestCase
TestMounting.settings = settings(stateful_step_count=12)
