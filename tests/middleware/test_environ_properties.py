"""Any environ that a server could send: the gate passes well-formed requests alone, and apps can rely on them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_embed.middleware import (
    DispatcherMiddleware,
    PathDispatcher,
    PrefixMiddleware,
    StrictEnviron,
    SubdomainDispatcher,
)
from flask_embed.middleware.strict import environ_fault
from tests.middleware.rules import JUDGED, NAME, is_chosen, is_request, passed_on, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

OTHERS = [
    *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_USER", "REQUEST_URI", "CONTENT_TYPE"),
    *(
        "HTTP_COOKIE",
        "HTTP_PROXY",
        "HTTP_X",
        "HTTP_X_FORWARDED_HOST",
        "SSL_CLIENT_CERT",
        "SERVER_SIGNATURE",
        "REDIRECT_URL",
        "wsgi.url_scheme",
        "odd key\n",
        "odd HTTP_KEY",
        "HTTP_ODD\nKEY",
    ),
]
PIECES = [
    *(
        "/",
        "//",
        "/a",
        "/a/b",
        "a",
        "..",
        "/..",
        "/.",
        "\\",
        "?",
        "#",
        "%",
        "%5f",
        "__debugger__",
        "=yes",
        "&",
        "*",
        "+",
    ),
    *(
        "good.example",
        "evil.example",
        "@",
        ",",
        ":",
        ":80",
        "[",
        "]",
        "::1",
        "xn--",
        " ",
        "\t",
        "\r",
        "\n",
        "\0",
        "\x7f",
    ),
    *(
        "\xff",
        "\xc3\xbc",
        "\u20ac",
        "\udc80",
        "\u0661",
        "1",
        "9" * 18,
        "GET",
        "PUT",
        "x" * 21,
        "http",
        "https",
        "-",
        "_",
    ),
]
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=5).map("".join), st.text(max_size=12), st.sampled_from(PIECES)
)
#: what servers that are no better have put there
NO_TEXTS: st.SearchStrategy[Any] = st.sampled_from([None, b"", b"/a", 0, 80, True, 1.5, [], ("a",)])


@st.composite
def environs(draw: Callable[[Any], Any], values: st.SearchStrategy[Any] = TEXTS) -> WSGIEnvironment:
    """The environ of a plain request, of which some is missing and some is odd."""
    environ = plain(**draw(st.dictionaries(st.sampled_from([*JUDGED, *OTHERS]), values, max_size=4)))
    for key in draw(st.lists(st.sampled_from([*JUDGED, *OTHERS]), max_size=3)):
        environ.pop(key, None)
    return environ


class App:
    """Remembers what it was called with."""

    def __init__(self) -> None:
        self.seen: list[WSGIEnvironment] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.seen.append(environ.copy())
        start_response("200 OK", [])
        return [b"app"]


def answer(app: WSGIApplication, environ: WSGIEnvironment) -> tuple[str, bytes]:
    """Status line and body; the environ is as it was before, and all that is sent can be sent."""
    heads: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        assert all(text.isascii() and text.isprintable() for header in headers for text in header)
        heads.append(status)

    before = dict(environ)
    body: Any = app(environ, start_response)
    text = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    assert environ == before
    (status,) = heads
    return status, text


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The thousand refusals are no use in a report."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@given(environs())
def test_what_passes_the_gate_is_a_request_and_all_else_is_refused(environ: WSGIEnvironment) -> None:
    app = App()

    status, body = answer(StrictEnviron(app), environ)

    if is_request(environ):
        assert status == "200 OK"
        assert app.seen == [passed_on(environ)]
    else:
        assert (status, app.seen) == ("400 Bad Request", [])
        assert body == (b"" if environ.get("REQUEST_METHOD") == "HEAD" else b"Bad Request\n")


@given(environs(), st.dictionaries(st.sampled_from(JUDGED), NO_TEXTS, min_size=1, max_size=2))
def test_what_is_no_text_is_no_request(environ: WSGIEnvironment, values: dict[str, Any]) -> None:
    environ.update(values)

    assert answer(StrictEnviron(App()), environ)[0] == "400 Bad Request"


@given(st.dictionaries(st.sampled_from(OTHERS), NO_TEXTS))
def test_but_what_servers_add_may_be_anything(values: dict[str, Any]) -> None:
    environ = plain(**values)

    assert (environ_fault(environ) is None) == (environ["wsgi.url_scheme"] == "http")


@given(environs(TEXTS | NO_TEXTS))
def test_a_fault_is_told_in_one_line_and_without_the_value(environ: WSGIEnvironment) -> None:
    fault = environ_fault(environ)

    if fault is not None:
        assert fault.isascii()
        assert fault.isprintable()
        assert not any(mark in fault for mark in ("evil", "good", "<", "%", "debugger__"))


@given(environs(), st.sampled_from(OTHERS), st.sampled_from(["\0", "\r", "\n", "\u20ac", "\udc80"]), TEXTS, TEXTS)
def test_who_has_chosen_a_value_decides_whether_it_may_have_such_a_character(
    environ: WSGIEnvironment, key: str, char: str, before: str, after: str
) -> None:
    if not is_request(environ) or key == "wsgi.url_scheme":
        return
    environ[key] = before + char + after

    assert (environ_fault(environ) is None) is not is_chosen(key)


@given(environs())
def test_what_the_gate_passes_on_it_passes_again_as_it_is(environ: WSGIEnvironment) -> None:
    once, twice = App(), App()

    answer(StrictEnviron(once), environ)

    for seen in once.seen:
        answer(StrictEnviron(twice), seen)
    assert twice.seen == once.seen


def mounted(app: WSGIApplication) -> DispatcherMiddleware:
    """An app at several places, under hosts and below each other."""
    inner = DispatcherMiddleware(app, {"/b": app, "/b/c": app})
    return DispatcherMiddleware(app, {"/a": inner, "good.example/a": app, "*.example:80/": inner, "[::1]/ü": app})


MIDDLEWARE: dict[str, Callable[[WSGIApplication], WSGIApplication]] = {
    "dispatcher": mounted,
    "prefix": lambda app: PrefixMiddleware(app, "/a"),
    "prefix that was taken off": lambda app: PrefixMiddleware(app, "/a", "stripped"),
    "paths": lambda app: PathDispatcher(app, lambda name: app),
    "subdomains": lambda app: SubdomainDispatcher("example", lambda name: app, default_app=app),
    "all": lambda app: SubdomainDispatcher(
        "example", lambda name: PathDispatcher(mounted(PrefixMiddleware(app, "/b")), lambda name: mounted(app))
    ),
}


@given(environs())
def test_no_environ_is_too_odd_for_what_mounts_apps(environ: WSGIEnvironment) -> None:
    before, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
    others = {key: value for key, value in environ.items() if key not in ("SCRIPT_NAME", "PATH_INFO")}
    for name, put_around in MIDDLEWARE.items():
        app = App()

        status, body = answer(put_around(app), environ)

        assert (status, body) in (("200 OK", b"app"), ("404 Not Found", b"Not Found\n"), ("404 Not Found", b"")), name
        for seen in app.seen:
            script_name, path_info = seen.pop("SCRIPT_NAME", ""), seen.pop("PATH_INFO", "")
            assert script_name.startswith(before), name
            assert script_name + path_info == before + ("/a" if name == "prefix that was taken off" else "") + path, (
                name
            )
            assert path_info == path or path_info[:1] in ("", "/"), name
            seen.pop("flask_embed.mounts", None)
            assert seen == others, name


@given(environs())
def test_what_has_passed_the_gate_passes_it_below_each_mount(environ: WSGIEnvironment) -> None:
    for name, put_around in MIDDLEWARE.items():
        app = App()

        status, _ = answer(StrictEnviron(put_around(StrictEnviron(app))), environ)

        assert (status == "400 Bad Request") is not is_request(environ), name
        for seen in app.seen:
            assert is_request(seen), name
            assert ("//" in seen.get("SCRIPT_NAME", "")) == ("//" in environ.get("SCRIPT_NAME", "").rstrip("/")), name


@given(environs())
def test_only_names_that_can_be_part_of_a_url_are_asked_for(environ: WSGIEnvironment) -> None:
    segments: list[str] = []
    subdomains: list[str] = []

    answer(PathDispatcher(None, segments.append), environ)
    answer(SubdomainDispatcher("example", subdomains.append), environ)

    for name in segments:
        assert environ["PATH_INFO"].encode("latin-1").split(b"/")[1] == name.encode()
        assert name not in ("", ".", "..")
        assert not any(mark in name for mark in "/\\?#\0\r\n\x7f")
    for name in subdomains:
        assert NAME.issuperset(name)
        assert name == name.lower()
        assert "" not in name.split(".") or name == ""
