"""Apps on demand: the tenant of a request, and the creation, keeping and closing of tenants."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client, TestResponse, create_environ

from flask_embed import Flask, url_for
from flask_embed.lifespan import lifespan
from flask_embed.middleware import DispatcherMiddleware
from flask_embed.middleware.on_demand import PathDispatcher, SubdomainDispatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEADLINE = 20


class Guest:
    """A WSGI app that answers in two parts with its name and where it sees itself, and counts its closes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return self.parts(environ["SCRIPT_NAME"], environ["PATH_INFO"])

    def parts(self, script_name: str, path: str) -> Iterator[bytes]:
        yield f"{self.name} ".encode()
        yield f"{script_name}|{path}".encode("latin-1")

    def close(self) -> None:
        self.closed += 1


def site(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """The default app: answers with where it sees itself."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"site {environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]


class Recorder:
    """A WSGI app that remembers the environs that it got."""

    def __init__(self) -> None:
        self.seen: list[WSGIEnvironment] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        self.seen.append(environ)
        start_response("200 OK", [])
        return []


def nobody(name: str) -> None:
    """A create_app without tenants."""


class Guests:
    """A create_app that remembers what it was asked for and what it made."""

    def __init__(self, *refused: str) -> None:
        self.asked: list[str] = []
        self.made: list[Guest] = []
        self.refused = refused

    def __call__(self, name: str) -> Guest | None:
        self.asked.append(name)
        if name in self.refused:
            return None
        self.made.append(Guest(name))
        return self.made[-1]

    def closed(self) -> list[str]:
        """The names of the apps that are closed, each as often as it was."""
        return [guest.name for guest in self.made for _ in range(guest.closed)]


def call(app: WSGIApplication, path: str, **changes: Any) -> Any:
    """The body of a request, as the app returned it: the caller iterates and closes it."""
    return app({**create_environ(path), **changes}, lambda *args: lambda data: None)


def get(app: WSGIApplication, path: str, base_url: str | None = None) -> TestResponse:
    """The whole response to a request; its body has been closed."""
    return Client(app).get(path, base_url, buffered=True)


def in_threads(*functions: Callable[[], object]) -> None:
    """Run the functions at the same time; what one raises fails the test."""
    failures: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)


# Which request is for which tenant


@pytest.mark.parametrize(
    ("path", "name", "answer"),
    [
        ("/shop", "shop", "shop /shop|"),
        ("/shop/", "shop", "shop /shop|/"),
        ("/shop//x", "shop", "shop /shop|//x"),
        ("/shop/a/../b", "shop", "shop /shop|/a/../b"),
        ("/Shop", "Shop", "Shop /Shop|"),
        ("/%C3%BCber/x", "über", "über /über|/x"),
        ("/a%20b", "a b", "a b /a b|"),
        ("/%2541", "%41", "%41 /%41|"),
        ("/...", "...", "... /...|"),
        ("/<script>", "<script>", "<script> /<script>|"),
    ],
)
def test_the_first_segment_names_the_tenant_and_moves_to_script_name(path: str, name: str, answer: str) -> None:
    guests = Guests()

    response = get(PathDispatcher(site, guests), path)

    assert (response.status_code, response.text) == (200, answer)
    assert guests.asked == [name]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//",
        "//shop",
        "///",
        "shop",
        "*",
        "/.",
        "/..",
        "/../x",
        "/./x",
        "/\xff",
        "/\xc0\xaf",
        "/\xed\xa0\x80",
        "/a\\b",
        "/a\0",
        "/a\nb/c",
        "/a\x1b[31m",
        "/a\x7f",
        "/\xc2\x85",
        "/\xe2\x80\xa8",
        "/a?b",
        "/a#b",
        "/\u20ac",
    ],
    ids=ascii,
)
def test_a_segment_that_can_name_nothing_is_the_default_apps_and_create_app_is_not_asked(path: str) -> None:
    guests = Guests()
    default_app = Recorder()
    environ = {**create_environ("/"), "PATH_INFO": path}

    PathDispatcher(default_app, guests)(environ, lambda *args: lambda data: None)

    assert guests.asked == []
    assert default_app.seen[0] is environ
    assert environ["PATH_INFO"] == path


def test_prefixes_add_up_and_the_callers_environ_is_left_alone() -> None:
    dispatcher = PathDispatcher(site, Guests("none"))
    environ = create_environ("/a/x", "http://localhost/outer")
    before = dict(environ)

    body = b"".join(dispatcher(environ, lambda *args: lambda data: None))

    assert body == b"a /outer/a|/x"
    assert environ == before
    assert get(dispatcher, "/none/x", base_url="http://localhost/outer").text == "site /outer|/none/x"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.com", ""),
        ("EXAMPLE.com.:8000", ""),
        ("blog.example.com", "blog"),
        ("Blog.Example.COM:8080", "blog"),
        ("blog.example.com.", "blog"),
        ("a.b.example.com", "a.b"),
        ("example.com.example.com", "example.com"),
        ("xn--ber-goa.example.com", "xn--ber-goa"),
        ("my_box.example.com", "my_box"),
    ],
)
@pytest.mark.parametrize("domain", ["example.com", "EXAMPLE.com.", "example.com:8080"])
def test_what_stands_before_the_domain_names_the_tenant(host: str, name: str, domain: str) -> None:
    guests = Guests()
    environ = {**create_environ("/x"), "HTTP_HOST": host}
    before = dict(environ)

    body = b"".join(SubdomainDispatcher(domain, guests)(environ, lambda *args: lambda data: None))

    assert guests.asked == [name]
    assert body == f"{name} |/x".encode()
    assert environ == before


@pytest.mark.parametrize(
    "host",
    [
        "evilexample.com",
        "example.com.evil",
        "evil.com",
        "com",
        "",
        ".",
        ".example.com",
        "..example.com",
        "...example.com",
        "a..example.com",
        ".a.example.com",
        "example.com..",
        "a/../b.example.com",
        "a\\b.example.com",
        "<script>.example.com",
        "a b.example.com",
        "a\n.example.com",
        "a%00.example.com",
        "user@example.com",
        "user@a.example.com",
        "evil.com,a.example.com",
        "evil.com:80.example.com",
        "a.example.com:80:80",
        "\xfcber.example.com",
        "[::1]",
        "[::1.example.com",
        "127.0.0.1",
    ],
    ids=ascii,
)
def test_another_host_or_none_is_the_default_apps_and_create_app_is_not_asked(host: str) -> None:
    guests = Guests()
    default_app = Recorder()
    environ = {**create_environ("/"), "HTTP_HOST": host, "SERVER_NAME": "other"}

    SubdomainDispatcher("example.com", guests, default_app=default_app)(environ, lambda *args: lambda data: None)

    assert guests.asked == []
    assert default_app.seen[0] is environ


def test_the_app_of_a_subdomain_gets_the_values_of_the_environ_which_is_left_alone() -> None:
    app = Recorder()
    environ = {**create_environ("/x"), "HTTP_HOST": "a.example.com"}

    SubdomainDispatcher("example.com", lambda name: app)(environ, lambda *args: lambda data: None)

    assert app.seen[0] == {**environ, "flask_embed.mounts": (None, environ, "a.example.com/")}
    assert "flask_embed.mounts" not in environ


def test_without_a_host_header_the_servers_own_name_counts() -> None:
    guests = Guests()
    environ = {**create_environ("/"), "SERVER_NAME": "a.example.com", "SERVER_PORT": "8080"}
    del environ["HTTP_HOST"]

    b"".join(SubdomainDispatcher("example.com", guests)(environ, lambda *args: lambda data: None))

    assert guests.asked == ["a"]


def test_a_domain_beyond_ascii_is_compared_as_browsers_send_it() -> None:
    guests = Guests()

    get(SubdomainDispatcher("bücher.example", guests), "/", base_url="http://a.xn--bcher-kva.example/")

    assert guests.asked == ["a"]


@given(st.text(st.characters(max_codepoint=255), max_size=12))
def test_a_name_is_one_segment_whatever_the_path(path: str) -> None:
    guests = Guests()

    call(PathDispatcher(site, guests), "/", PATH_INFO=f"/{path}", SCRIPT_NAME="")

    for name in guests.asked:
        assert name.encode().decode("latin-1") == path.partition("/")[0]
        assert not {"/", "\\", "?", "#"}.intersection(name)
        assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in name)
        assert name not in ("", ".", "..")


@given(
    st.text(st.sampled_from("aA-_.:/\\@*,\0"), max_size=6),
    st.sampled_from(["example.com", "Example.COM.", "example.com:80"]),
)
def test_a_subdomain_is_made_of_whole_labels_whatever_the_host(before: str, domain: str) -> None:
    guests = Guests()

    call(SubdomainDispatcher("example.com", guests), "/", HTTP_HOST=before + domain)

    name = before.lower().removesuffix(".")
    whole = before.endswith(".") and "" not in name.split(".") and not name.strip("a-_.")
    assert guests.asked == ([name] if whole or not before else [])


# The answers where there is no tenant


@pytest.mark.parametrize(
    "dispatcher", [PathDispatcher(None, nobody), SubdomainDispatcher("localhost", nobody)], ids=["path", "subdomain"]
)
def test_without_a_default_app_a_refusal_is_a_404_that_says_nothing_of_the_request(dispatcher: Any) -> None:
    response = get(dispatcher, "/<script>/x")

    assert (response.status_code, response.text) == (404, "Not Found\n")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Length"] == "10"
    assert Client(dispatcher).head("/x").data == b""


def test_a_refusal_is_not_remembered() -> None:
    guests = Guests("late")
    dispatcher = PathDispatcher(site, guests)
    assert get(dispatcher, "/late/x").text == "site |/late/x"
    guests.refused = ()

    response = get(dispatcher, "/late/x")

    assert response.text == "late /late|/x"
    assert guests.asked == ["late", "late"]


@pytest.mark.parametrize("failure", [RuntimeError("secret\n"), SystemExit(3), ImportError("secret")], ids=repr)
def test_a_create_app_that_raises_is_a_503_for_its_tenant_and_is_asked_again(
    failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [failure]

    def create_app(name: str) -> Guest:
        if name == "bad <one>" and failures:
            raise failures.pop()
        return Guest(name)

    dispatcher = PathDispatcher(site, create_app)

    response = get(dispatcher, "/bad%20<one>/")

    assert (response.status_code, response.text) == (503, "Service Unavailable\n")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Content-Length"] == "20"
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("flask_embed.middleware", logging.ERROR)
    assert record.getMessage() == "The app of the tenant 'bad <one>' could not be created"
    assert record.exc_info is not None
    assert record.exc_info[1] is failure
    assert get(dispatcher, "/good/").text == "good /good|/"
    assert get(dispatcher, "/bad%20<one>/").text == "bad <one> /bad <one>|/"


def test_the_503_of_a_head_request_has_no_body() -> None:
    response = Client(PathDispatcher(site, lambda name: 1 // 0)).head("/a")  # type: ignore[arg-type, return-value]

    assert (response.status_code, response.data) == (503, b"")


def test_what_is_no_app_is_a_503_and_the_log_says_what_to_return(caplog: pytest.LogCaptureFixture) -> None:
    response = get(PathDispatcher(site, lambda name: "wiki:app"), "/a")  # type: ignore[arg-type, return-value]

    assert response.status_code == 503
    assert "create_app('a') returned 'wiki:app'; return a WSGI app, or None" in caplog.text


def test_an_app_that_raises_is_kept_and_its_request_has_ended() -> None:
    guests = Guests()

    class Broken(Guest):
        def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            raise ZeroDivisionError

    broken = Broken("broken")
    dispatcher = PathDispatcher(site, lambda name: broken if name == "broken" else guests(name), max_apps=1)
    with pytest.raises(ZeroDivisionError):
        call(dispatcher, "/broken")
    assert dispatcher.apps == {"broken": broken}

    call(dispatcher, "/a").close()

    assert broken.closed == 1


# How many are kept


def test_an_app_is_created_once_and_the_least_recently_used_one_leaves_first() -> None:
    guests = Guests()
    dispatcher = PathDispatcher(site, guests, max_apps=2)
    for path in ("/a", "/b", "/a", "/c", "/a"):
        get(dispatcher, path)

    assert guests.asked == ["a", "b", "c"]
    assert guests.closed() == ["b"]
    assert list(dispatcher.apps) == ["c", "a"]
    assert dispatcher.apps["a"] is guests.made[0]


def test_apps_is_a_snapshot() -> None:
    dispatcher = PathDispatcher(site, Guests())
    get(dispatcher, "/a")

    dispatcher.apps.clear()

    assert list(dispatcher.apps) == ["a"]


@pytest.mark.parametrize("create_app", [lambda name: None, lambda name: Guest(name), lambda name: 1 // 0])
@pytest.mark.parametrize("kind", ["path", "subdomain"])
def test_any_number_of_names_leaves_nothing_behind(
    kind: str, create_app: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "flask_embed.middleware")
    dispatcher = PathDispatcher(site, create_app, max_apps=3)
    if kind == "subdomain":
        dispatcher = SubdomainDispatcher("example.com", create_app, default_app=site, max_apps=3)  # type: ignore[assignment]
    base = create_environ("/")

    def attack(numbers: range) -> None:
        for number in numbers:
            environ = {**base, "PATH_INFO": f"/{number}", "HTTP_HOST": f"{number}.example.com"}
            body = dispatcher(environ, lambda *args: lambda data: None)
            if isinstance(body, list):
                continue
            body.close()  # type: ignore[attr-defined]

    attack(range(1000))  # fills what has a bound, like the memory of url_root_fault
    gc.collect()
    before = sys.getallocatedblocks()

    attack(range(1000, 6000))

    gc.collect()
    assert sys.getallocatedblocks() - before < 1000
    assert len(dispatcher.apps) <= 3


# When they are closed


def test_an_app_that_leaves_is_closed_when_its_last_body_is() -> None:
    guests = Guests()
    dispatcher = PathDispatcher(site, guests, max_apps=1)
    first, second = call(dispatcher, "/a"), call(dispatcher, "/a")
    call(dispatcher, "/b").close()
    assert list(dispatcher.apps) == ["b"]

    assert b"".join(first) == b"a /a|"
    first.close()
    first.close()
    assert guests.closed() == []
    second.close()
    second.close()

    assert guests.closed() == ["a"]


def test_a_tenant_that_left_is_created_anew_while_its_old_app_still_sends() -> None:
    guests = Guests()
    dispatcher = PathDispatcher(site, guests, max_apps=1)
    old = call(dispatcher, "/a")
    call(dispatcher, "/b").close()
    new = call(dispatcher, "/a")
    assert guests.asked == ["a", "b", "a"]

    old.close()

    assert [guest.closed for guest in guests.made] == [1, 1, 0]
    new.close()
    assert [guest.closed for guest in guests.made] == [1, 1, 0]


@pytest.mark.parametrize("then", ["request", "close"])
def test_a_body_that_nobody_closes_ends_when_it_is_collected_and_what_comes_next_closes_the_app(then: str) -> None:
    guests = Guests()
    dispatcher = PathDispatcher(site, guests, max_apps=1)
    body = call(dispatcher, "/a")
    call(dispatcher, "/b").close()
    del body
    gc.collect()
    assert guests.closed() == []  # a collector runs in the middle of anything: no place for shutdown functions

    if then == "request":
        call(dispatcher, "/b").close()
    else:
        dispatcher.close()

    assert guests.closed() == (["a"] if then == "request" else ["a", "b"])


def test_a_body_can_be_iterated_without_being_held() -> None:
    guests = Guests()
    dispatcher = PathDispatcher(site, guests, max_apps=1)
    parts = iter(call(dispatcher, "/a"))
    next(parts)
    call(dispatcher, "/b").close()
    call(dispatcher, "/b").close()

    assert guests.closed() == []
    assert list(parts) == [b"/a|"]


def test_the_close_of_a_body_is_forwarded_once_and_the_request_ends_even_if_it_fails() -> None:
    calls: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"])

        def close(self) -> None:
            calls.append("body")
            raise OSError("gone")

    def streaming(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        return Body()

    streaming.close = lambda: calls.append("app")  # type: ignore[attr-defined]
    dispatcher = PathDispatcher(site, lambda name: streaming if name == "a" else Guest(name), max_apps=1)
    body = call(dispatcher, "/a")
    call(dispatcher, "/b").close()
    assert list(body) == [b"x"]

    with pytest.raises(OSError, match="gone"):
        body.close()
    body.close()

    assert calls == ["body", "app"]


def test_a_body_that_cannot_be_iterated_is_closed_all_the_same() -> None:
    guests = Guests()
    dispatcher = PathDispatcher(site, lambda name: lambda *args: 5 if name == "a" else guests(name), max_apps=1)  # type: ignore[arg-type, return-value]
    body = call(dispatcher, "/a")

    with pytest.raises(TypeError):
        next(iter(body))

    body.close()


class FileWrapper:
    """As servers have one."""

    def __init__(self, file: object, size: int = 8192) -> None:
        self.file = file


@pytest.mark.parametrize("body", [[b"whole"], (b"whole",), FileWrapper(None)], ids=["list", "tuple", "file"])
def test_a_whole_body_stays_as_it_is_and_needs_its_app_no_more(body: Any) -> None:
    closed: list[str] = []

    def whole(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        return body

    whole.close = lambda: closed.append("whole")  # type: ignore[attr-defined]
    dispatcher = PathDispatcher(site, lambda name: whole if name == "a" else Guest(name), max_apps=1)
    assert call(dispatcher, "/a", **{"wsgi.file_wrapper": FileWrapper}) is body

    call(dispatcher, "/b").close()

    assert closed == ["whole"]


def test_a_file_wrapper_may_be_a_function() -> None:
    """PEP 3333, "Optional Platform-Specific File Handling": it is a callable; uWSGI's is no class."""
    body = call(PathDispatcher(site, Guests()), "/a", **{"wsgi.file_wrapper": lambda file, size=1: file})

    assert b"".join(body) == b"a /a|"


def noting(name: str, calls: list[str]) -> Flask:
    """An app that notes its startup and shutdown functions."""
    app = Flask(name)
    app.on_startup(lambda: calls.append(f"{name} up"))
    app.on_shutdown(lambda: calls.append(f"{name} down"))
    app.add_url_rule("/x", "x", view_func=lambda: url_for("x"))
    app.close = lambda: calls.append(f"{name} close")  # type: ignore[attr-defined]
    return app


def test_a_flask_embed_app_starts_and_stops_with_all_inside_it() -> None:
    calls: list[str] = []
    dispatcher = PathDispatcher(
        site,
        lambda name: DispatcherMiddleware(noting(name, calls), {"/in": noting(f"{name}-in", calls)}),
        max_apps=1,
    )

    assert get(dispatcher, "/a/x").text == "/a/x"
    assert get(dispatcher, "/a/in/x").text == "/a/in/x"
    assert calls == ["a up", "a-in up"]
    get(dispatcher, "/b/x")
    dispatcher.close()

    assert calls[2:] == ["b up", "b-in up", "a-in down", "a down", "b-in down", "b down"]


def test_a_flask_embed_app_is_closed_by_its_functions_alone() -> None:
    calls: list[str] = []
    dispatcher = PathDispatcher(site, lambda name: noting(name, calls))
    get(dispatcher, "/a/x")

    dispatcher.close()

    assert calls == ["a up", "a down"]


def test_a_dispatcher_as_tenant_is_closed_with_its_own_tenants() -> None:
    guests = Guests()
    calls: list[str] = []
    dispatcher = PathDispatcher(None, lambda name: PathDispatcher(noting(name, calls), guests))
    assert get(dispatcher, "/outer/inner/x").text == "inner /outer/inner|/x"

    dispatcher.close()

    assert guests.closed() == ["inner"]
    assert calls == ["outer up", "outer down"]


def test_an_app_whose_start_is_interrupted_is_closed() -> None:
    calls: list[str] = []

    def interrupted() -> None:
        raise KeyboardInterrupt

    def create_app(name: str) -> Flask:
        app = noting(name, calls)
        app.on_startup(interrupted)
        return app

    dispatcher = PathDispatcher(site, create_app)

    with pytest.raises(KeyboardInterrupt):
        call(dispatcher, "/a")

    assert calls == ["a up", "a down"]
    assert dispatcher.apps == {}


def test_a_class_as_app_is_not_closed_itself(caplog: pytest.LogCaptureFixture) -> None:
    class PerRequest:
        def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
            start_response("200 OK", [])

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"])

        def close(self) -> None:
            pass

    dispatcher = PathDispatcher(site, lambda name: PerRequest)
    assert get(dispatcher, "/a").text == "x"

    dispatcher.close()

    assert caplog.records == []


@pytest.mark.parametrize("failure", [RuntimeError("broken"), SystemExit(1)], ids=repr)
def test_an_app_that_cannot_be_closed_is_logged_and_touches_no_other(
    failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Guest):
        def close(self) -> None:
            super().close()
            raise failure

    made: list[Broken] = []

    def create_app(name: str) -> Broken:
        made.append(Broken(name))
        return made[-1]

    dispatcher = PathDispatcher(site, create_app, max_apps=2)
    get(dispatcher, "/a")
    get(dispatcher, "/b")

    assert get(dispatcher, "/c/x").text == "c /c|/x"
    dispatcher.close()

    assert [app.closed for app in made] == [1, 1, 1]
    assert [record.getMessage() for record in caplog.records] == [
        f"The app of the tenant {name!r} could not be closed" for name in "abc"
    ]
    assert all(record.exc_info is not None and record.exc_info[1] is failure for record in caplog.records)


def test_a_request_that_is_ended_while_it_closes_another_app_does_not_count_as_running() -> None:
    class Ended(Guest):
        def close(self) -> None:
            super().close()
            if self.name == "a":
                raise KeyboardInterrupt

    made: dict[str, Ended] = {}
    dispatcher = PathDispatcher(site, lambda name: made.setdefault(name, Ended(name)), max_apps=1)
    call(dispatcher, "/a").close()
    with pytest.raises(KeyboardInterrupt):
        call(dispatcher, "/b")

    dispatcher.close()

    assert made["b"].closed == 1


def test_close_closes_all_and_from_then_on_tenants_are_a_503() -> None:
    guests = Guests()
    dispatcher = PathDispatcher(site, guests)
    get(dispatcher, "/a")
    body = call(dispatcher, "/b")

    dispatcher.close()
    dispatcher.close()

    assert guests.closed() == ["a"]
    assert dispatcher.apps == {}
    assert b"".join(body) == b"b /b|"
    body.close()
    assert guests.closed() == ["a", "b"]
    response = get(dispatcher, "/a")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert get(dispatcher, "/").text == "site |/"
    assert guests.asked == ["a", "b"]


def test_an_app_that_is_being_created_while_close_is_called_answers_its_request_and_is_closed() -> None:
    guests = Guests()

    def create_app(name: str) -> Guest | None:
        dispatcher.close()
        return guests(name)

    dispatcher = PathDispatcher(site, create_app)

    assert get(dispatcher, "/a/x").text == "a /a|/x"

    assert guests.closed() == ["a"]
    assert dispatcher.apps == {}


def test_a_lifespan_around_it_starts_the_default_app_once_and_its_end_closes_the_tenants() -> None:
    calls: list[str] = []
    default_app = noting("site", calls)
    dispatcher = PathDispatcher(default_app, lambda name: noting(name, calls) if name != "x" else None)
    default_app.on_shutdown(dispatcher.close)
    outer = DispatcherMiddleware(None, {"/outer": dispatcher})

    get(outer, "/outer/early/x")
    with lifespan(outer):
        assert get(outer, "/outer/x").text == "/outer/x"
        assert get(outer, "/outer/late/x").text == "/outer/late/x"

    assert calls == ["early up", "site up", "late up", "early down", "late down", "site down"]


# Many at the same time


def test_two_first_requests_for_one_tenant_create_one_app() -> None:
    both_create = threading.Event()
    asked: list[str] = []
    start = threading.Barrier(2)

    def create_app(name: str) -> Guest:
        asked.append(name)
        if len(asked) == 2:
            both_create.set()
        both_create.wait(0.1)  # long enough for the second request to get here, if it could
        return Guest(name)

    dispatcher = PathDispatcher(site, create_app)
    answers: list[str] = []

    def ask() -> None:
        start.wait(DEADLINE)
        answers.append(get(dispatcher, "/a/x").text)

    in_threads(ask, ask)

    assert asked == ["a"]
    assert answers == ["a /a|/x"] * 2


@pytest.mark.parametrize("outcome", ["refused", "failed"])
def test_requests_that_waited_share_what_came_of_it(outcome: str) -> None:
    waiting = threading.Event()
    asked: list[str] = []

    def create_app(name: str) -> None:
        asked.append(name)
        if len(asked) == 2:
            waiting.set()
        waiting.wait(0.1)
        if outcome == "failed":
            raise RuntimeError(name)

    dispatcher = PathDispatcher(site, create_app)
    start = threading.Barrier(2)
    answers: list[tuple[int, str]] = []

    def ask() -> None:
        start.wait(DEADLINE)
        response = get(dispatcher, "/a/x")
        answers.append((response.status_code, response.text))

    in_threads(ask, ask)

    assert asked == ["a"]
    assert answers == [(503, "Service Unavailable\n") if outcome == "failed" else (200, "site |/a/x")] * 2


def test_creating_one_tenant_keeps_no_request_for_another_one_waiting() -> None:
    entered, go_on = threading.Event(), threading.Event()
    in_time: list[bool] = []

    def create_app(name: str) -> Guest:
        if name == "slow":
            entered.set()
            in_time.append(go_on.wait(DEADLINE))
        return Guest(name)

    dispatcher = PathDispatcher(site, create_app)
    get(dispatcher, "/old")

    def others() -> None:
        assert entered.wait(DEADLINE)
        assert get(dispatcher, "/old/x").text == "old /old|/x"
        assert get(dispatcher, "/new/x").text == "new /new|/x"
        assert list(dispatcher.apps) == ["old", "new"]
        go_on.set()

    in_threads(lambda: get(dispatcher, "/slow"), others)

    assert in_time == [True]


def test_closing_one_tenant_keeps_no_request_for_another_one_waiting() -> None:
    entered, go_on = threading.Event(), threading.Event()
    in_time: list[bool] = []

    class Slow(Guest):
        def close(self) -> None:
            entered.set()
            in_time.append(go_on.wait(DEADLINE))

    dispatcher = PathDispatcher(site, lambda name: Slow(name) if name == "slow" else Guest(name), max_apps=1)
    get(dispatcher, "/slow")

    def others() -> None:
        assert entered.wait(DEADLINE)
        assert get(dispatcher, "/b/x").text == "b /b|/x"
        go_on.set()

    in_threads(lambda: get(dispatcher, "/a"), others)

    assert in_time == [True]


def test_one_who_waits_takes_over_when_the_creating_thread_is_ended() -> None:
    first, second = threading.Event(), threading.Event()
    asked: list[str] = []

    def create_app(name: str) -> Guest:
        asked.append(name)
        if len(asked) == 1:
            first.set()
            second.wait(DEADLINE)
            raise KeyboardInterrupt
        return Guest(name)

    dispatcher = PathDispatcher(site, create_app)

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            call(dispatcher, "/a")

    def waits() -> None:
        assert first.wait(DEADLINE)
        second.set()
        assert get(dispatcher, "/a/x").text == "a /a|/x"

    in_threads(interrupted, waits)

    assert asked == ["a", "a"]


def test_a_create_app_that_asks_for_its_own_app_fails_and_does_not_hang(caplog: pytest.LogCaptureFixture) -> None:
    def create_app(name: str) -> Guest:
        get(dispatcher, f"/{name}")
        return Guest(name)

    dispatcher = PathDispatcher(site, create_app)

    assert get(dispatcher, "/a").status_code == 503
    assert "create_app('a') sends a request to the app that it creates" in caplog.text


def test_a_crowd_never_meets_a_closed_app() -> None:
    met_closed: list[str] = []
    made: list[Guest] = []

    class Checked(Guest):
        def parts(self, script_name: str, path: str) -> Iterator[bytes]:
            for part in super().parts(script_name, path):
                if self.closed:
                    met_closed.append(self.name)
                yield part

    def create_app(name: str) -> Guest:
        made.append(Checked(name))
        return made[-1]

    dispatcher = PathDispatcher(site, create_app, max_apps=2)
    start = threading.Barrier(4)

    def ask(shift: int) -> None:
        start.wait(DEADLINE)
        for number in range(150):
            name = "abcde"[(number * shift + number // 7) % 5]
            assert get(dispatcher, f"/{name}/x").text == f"{name} /{name}|/x"

    in_threads(*(lambda shift=shift: ask(shift) for shift in range(1, 5)))
    assert len(dispatcher.apps) == 2
    dispatcher.close()

    assert met_closed == []
    assert {guest.closed for guest in made} == {1}


def test_greenlets_wait_for_the_app_of_their_own_tenant_only() -> None:
    pytest.importorskip("gevent")
    program = """
from gevent import monkey; monkey.patch_all()
import gevent
from gevent.event import Event
from flask_embed.middleware.on_demand import PathDispatcher

asked = []

def create_app(name):
    asked.append(name)
    if asked == ["slow"]:
        Event().wait()
    return lambda environ, start_response: [name.encode()]

dispatcher = PathDispatcher(None, create_app)
ask = lambda name: dispatcher({"PATH_INFO": f"/{name}"}, print)
first, second, third = (gevent.spawn(ask, "slow") for _ in range(3))
gevent.idle()
print(gevent.spawn(ask, "quick").get(), asked)
first.kill()
print(second.get(), third.get(), asked)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE, check=False
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "[b'quick'] ['slow', 'quick']",
        "[b'slow'] [b'slow'] ['slow', 'quick', 'slow']",
    ]


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from("abcde")),
        st.tuples(st.just("close"), st.integers(0, 5)),
        st.tuples(st.just("drop"), st.integers(0, 5)),
    ),
    max_size=30,
)


@given(OPERATIONS, st.integers(1, 4))
def test_the_open_apps_are_bounded_and_each_is_closed_once_and_none_while_it_runs(
    operations: list[tuple[str, Any]], max_apps: int
) -> None:
    guests = Guests("e")
    dispatcher = PathDispatcher(site, guests, max_apps=max_apps)
    kept: list[str] = []  # as it should be, the least recently used first
    running: list[tuple[Guest, Any]] = []

    for operation, value in operations:
        if operation == "ask":
            body = call(dispatcher, f"/{value}")
            if value == "e":
                continue
            kept = [*(name for name in kept if name != value), value][-max_apps:]
            running.append((dispatcher.apps[value], body))  # type: ignore[arg-type]
        elif value < len(running):
            body = running.pop(value)[1]
            if operation == "close":
                body.close()
            else:
                del body
                call(dispatcher, "/e")  # closes what was collected
        assert list(dispatcher.apps) == kept
        needed = {id(app) for app in dispatcher.apps.values()} | {id(guest) for guest, _ in running}
        assert [guest.closed for guest in guests.made] == [int(id(guest) not in needed) for guest in guests.made]
        assert sum(not guest.closed for guest in guests.made) <= max_apps + len(running)

    dispatcher.close()
    assert not any(guest.closed for guest, _ in running)
    for _, body in running:
        body.close()
    assert Counter(guest.closed for guest in guests.made) == Counter({1: len(guests.made)})


# What is refused at construction


@pytest.mark.parametrize("max_apps", [0, -1, 1.5, "100", True, None])
def test_a_max_apps_that_is_no_number_from_1_on_is_refused(max_apps: Any) -> None:
    with pytest.raises(ValueError, match="write how many apps may be kept, 1 or more") as caught:
        PathDispatcher(site, nobody, max_apps=max_apps)

    assert repr(max_apps) in str(caught.value)
    with pytest.raises(ValueError, match="max_apps"):
        SubdomainDispatcher("example.com", nobody, max_apps=max_apps)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PathDispatcher("site:app", nobody), "default_app is 'site:app'; pass a WSGI app, or None"),  # type: ignore[arg-type]
        (lambda: PathDispatcher(site, {}), "create_app is {}; pass a function"),  # type: ignore[arg-type]
        (lambda: SubdomainDispatcher("example.com", None), "create_app is None; pass a function"),  # type: ignore[arg-type]
        (lambda: SubdomainDispatcher(None, nobody), "the domain is None; write it like 'example.com'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_called_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("domain", "hint"),
    [
        ("", "write 'example.com'"),
        ("*.example.com", "write 'example.com': names below it are included"),
        (".example.com", "is malformed"),
        ("a..b", "is malformed"),
        ("http://example.com", "is malformed"),
        ("example.com/x", "is malformed"),
        ("exa mple.com", "is malformed"),
        ("example.com:99999", "port out of range"),
        ("127.0.0.1:80", "an address, which has no names below it"),
        ("[::1]", "an address, which has no names below it"),
    ],
)
def test_what_is_no_domain_is_refused(domain: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r"domain|host") as caught:
        SubdomainDispatcher(domain, nobody)

    assert repr(domain) in str(caught.value)
    assert hint in str(caught.value)
