"""Apps that are imported with their first request: once, alone, and again after a failure."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from werkzeug.test import Client

from flask_embed.errors import LoadError
from flask_embed.middleware import DispatcherMiddleware, PrefixMiddleware
from flask_embed.middleware import lazy_app as lazy_module
from flask_embed.middleware.lazy_app import RETRY_AFTER, LazyApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEADLINE = 10

T = TypeVar("T")

MODULES = {
    "lazy_sound": """
        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]

        def saying(words):
            def app(environ, start_response):
                start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
                return [words.encode()]
            return app

        def create_app(prefix):
            return saying(f"made for {prefix!r}")

        def create_keyword(*, prefix="none"):
            return saying(f"made for {prefix!r}")

        def create_plain():
            return saying("made plainly")

        def create_positional(prefix, /):
            return saying(prefix)

        def create_with_settings(settings):
            return saying("never")

        def create_with_both(prefix, settings):
            return saying("never")

        def create_nothing(prefix):
            return None

        class Made:
            def __init__(self, prefix):
                self.prefix = prefix

            def __call__(self, environ, start_response):
                return saying(f"object for {self.prefix!r}")(environ, start_response)
    """,
    "lazy_exits": "import sys\nsys.exit('the module ends the process')\n",
    "lazy_fails": "raise ZeroDivisionError('the fault of the module')\n",
    "lazy_imports": "import nothing_of_that_name\n",
    "lazy_syntax": "def app(:\n",
}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from inspect import cleandoc
    from sys import modules

    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(cleandoc(source) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in MODULES:
        modules.pop(name, None)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lazy_module, "monotonic", clock)
    return clock


def named(name: str) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name.encode()]

    return app


def loads_with(monkeypatch: pytest.MonkeyPatch, load: Callable[[], WSGIApplication]) -> list[tuple[str, str]]:
    """Let *load* stand for the import; what is loaded, and with which prefix, is kept in the list."""
    loaded: list[tuple[str, str]] = []

    def load_app(target: str, prefix: str = "") -> WSGIApplication:
        loaded.append((target, prefix))
        return load()

    monkeypatch.setattr(lazy_module, "load_app", load_app)
    return loaded


def test_an_app_is_imported_with_its_first_request_only() -> None:
    from sys import modules

    client = Client(DispatcherMiddleware(named("root"), {"/lazy": "lazy_sound:app"}))
    assert client.get("/").text == "root"
    assert "lazy_sound" not in modules
    assert client.get("/lazy/x").text == "/lazy|/x"
    first = modules["lazy_sound"]
    assert client.get("/lazy//y").text == "/lazy|//y"
    assert modules["lazy_sound"] is first


def asked_at_once(count: int, go: Callable[[], None], ask: Callable[[Client], T]) -> list[T]:
    """The answers to first requests for "some:app" at /lazy, which all have begun when *go* is called."""
    ready = threading.Barrier(count + 1)
    dispatcher = DispatcherMiddleware(None, {"/lazy": "some:app"})

    def answer() -> T:
        ready.wait(DEADLINE)
        return ask(Client(dispatcher))

    with ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(answer) for _ in range(count)]
        ready.wait(DEADLINE)
        go()
        return [answer.result(DEADLINE) for answer in answers]


def test_many_first_requests_at_once_import_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def load() -> WSGIApplication:
        assert go.wait(DEADLINE)
        return named("loaded")

    loaded = loads_with(monkeypatch, load)
    assert asked_at_once(16, go.set, lambda client: client.get("/lazy/x").text) == ["loaded"] * 16
    assert loaded == [("some:app", "/lazy")]


@pytest.mark.parametrize("fails", [False, True])
def test_requests_that_come_while_it_is_imported_wait_for_what_comes_of_it(
    fails: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    arrived = threading.Semaphore(0)

    class Environ(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            arrived.release()  # the app is asked, and looks where it is
            return super().get(key, default)

    def load() -> WSGIApplication:
        for _ in range(8):
            assert arrived.acquire(timeout=DEADLINE)
        if fails:
            raise LookupError("once")
        return named("loaded")

    loaded = loads_with(monkeypatch, load)
    lazy = LazyApp("some:app")

    def ask() -> bytes:
        environ = Environ(SCRIPT_NAME="/lazy", PATH_INFO="/", REQUEST_METHOD="GET")
        return b"".join(lazy(environ, lambda *args: lambda data: None))

    with ThreadPoolExecutor(8) as pool:
        answers = [answer.result(DEADLINE) for answer in [pool.submit(ask) for _ in range(8)]]
    assert answers == [b"Service Unavailable\n" if fails else b"loaded"] * 8
    assert (len(loaded), len(caplog.records)) == (1, int(fails))


def test_other_mounts_answer_while_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    importing, go = threading.Event(), threading.Event()

    def load() -> WSGIApplication:
        importing.set()
        assert go.wait(DEADLINE)
        return named("loaded")

    loads_with(monkeypatch, load)
    dispatcher = DispatcherMiddleware(named("root"), {"/slow": "some:app", "/other": named("other")})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: Client(dispatcher).get("/slow").text)
        try:
            assert importing.wait(DEADLINE)
            assert [Client(dispatcher).get(path).text for path in ("/", "/other")] == ["root", "other"]
            dispatcher.mount("/new", named("new"))
            assert Client(dispatcher).get("/new").text == "new"
            assert not slow.done()
        finally:
            go.set()
        assert slow.result(DEADLINE) == "loaded"


def test_another_lazy_mount_is_imported_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)  # broken if one import waits for the other

    def load() -> WSGIApplication:
        both.wait(DEADLINE)
        return named("loaded")

    loads_with(monkeypatch, load)
    dispatcher = DispatcherMiddleware(None, {"/one": "some:app", "/two": "some:app"})
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda path: Client(dispatcher).get(path).text, ["/one", "/two"]))
    assert answers == ["loaded", "loaded"]


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("lazy_fails:app", "ZeroDivisionError: the fault of the module"),
        ("lazy_imports:app", "nothing_of_that_name"),
        ("lazy_syntax:app", "SyntaxError"),
        ("lazy_exits:app", "SystemExit: the module ends the process"),
        ("lazy_not_there:app", "there is no module 'lazy_not_there'"),
        ("lazy_sound:none", "has no attribute 'none'"),
        ("lazy_sound:create_nothing()", "is not a WSGI callable, it is None"),
        ("lazy_sound:create_with_settings()", "'create_with_settings' needs arguments"),
        ("lazy_sound:create_with_both()", "'create_with_both' needs arguments"),
        ("lazy_sound:create_positional()", "'create_positional' needs arguments"),
    ],
)
def test_what_cannot_be_loaded_is_a_503_for_that_mount_only(
    target: str, shown: str, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    client = Client(DispatcherMiddleware(named("root"), {"/lazy": target, "/other": named("other")}))
    answer = client.get("/lazy/<script>")
    assert (answer.status_code, answer.text) == (503, "Service Unavailable\n")
    assert dict(answer.headers) == {
        "Content-Type": "text/plain; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
        "Retry-After": str(RETRY_AFTER),
        "Content-Length": "20",
    }
    assert [client.get(path).text for path in ("/", "/other")] == ["root", "other"]
    client.get("/lazy")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert target in caplog.records[0].getMessage()
    assert "Traceback" in caplog.text
    assert shown in caplog.text


def test_the_503_has_no_body_for_head(clock: Clock) -> None:
    answer = Client(DispatcherMiddleware(None, {"/lazy": "lazy_fails:app"})).head("/lazy")
    assert (answer.status_code, answer.data, answer.headers["Content-Length"]) == (503, b"", "20")


def test_a_failed_app_is_tried_again_after_the_pause_and_not_within(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    outcomes: list[WSGIApplication | Exception] = [LookupError("1"), LookupError("2"), named("loaded")]

    def load() -> WSGIApplication:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    loaded = loads_with(monkeypatch, load)
    client = Client(DispatcherMiddleware(None, {"/lazy": "some:app"}))
    seen = []
    for pause in (0, 1, RETRY_AFTER - 1.001, 0.001, 0, RETRY_AFTER - 0.001, 0.001, 100):
        clock.now += pause
        seen.append((client.get("/lazy").status_code, len(loaded)))
    assert seen == [(503, 1), (503, 1), (503, 1), (503, 2), (503, 2), (503, 2), (200, 3), (200, 3)]
    assert len(caplog.records) == 2


def test_the_pause_counts_from_the_end_of_the_failed_import(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    def load() -> WSGIApplication:
        clock.now += 60
        raise LookupError

    loaded = loads_with(monkeypatch, load)
    client = Client(DispatcherMiddleware(None, {"/lazy": "some:app"}))
    assert [client.get("/lazy").status_code for _ in range(3)] == [503, 503, 503]
    assert len(loaded) == 1


def test_requests_that_waited_for_a_failing_import_do_not_try_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    go = threading.Event()

    def load() -> WSGIApplication:
        assert go.wait(DEADLINE)
        raise LookupError("once")

    loaded = loads_with(monkeypatch, load)
    assert asked_at_once(8, go.set, lambda client: client.get("/lazy").status_code) == [503] * 8
    assert (len(loaded), len(caplog.records)) == (1, 1)


def test_two_mounts_of_one_failing_target_are_tried_each_for_itself(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    client = Client(DispatcherMiddleware(None, {"/one": "lazy_fails:app", "/two": "lazy_fails:app"}))
    assert [client.get(path).status_code for path in ("/one", "/two", "/one")] == [503, 503, 503]
    assert len(caplog.records) == 2


def test_a_keyboard_interrupt_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> WSGIApplication:
        raise KeyboardInterrupt

    loads_with(monkeypatch, load)
    with pytest.raises(KeyboardInterrupt):
        Client(DispatcherMiddleware(None, {"/lazy": "some:app"})).get("/lazy")


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("create_app()", "made for '/front/ü/lazy'"),
        ("create_keyword()", "made for '/front/ü/lazy'"),
        ("create_plain()", "made plainly"),
        ("Made()", "object for '/front/ü/lazy'"),
    ],
)
def test_a_factory_gets_the_prefix_that_its_app_is_reached_by_as_text(factory: str, words: str) -> None:
    dispatcher = DispatcherMiddleware(None, {"/lazy": f"lazy_sound:{factory}"})
    client = Client(PrefixMiddleware(dispatcher, "/ü"))
    answer = client.get("/ü/lazy/x", base_url="http://localhost/front")
    assert answer.text == words


def test_a_factory_below_a_host_gets_the_prefix_without_it() -> None:
    dispatcher = DispatcherMiddleware(
        None, {"example.com/über": "lazy_sound:create_app()", "*.org/": "lazy_sound:Made()"}
    )
    client = Client(dispatcher)
    assert client.get("/über/x", base_url="http://example.com").text == "made for '/über'"
    assert client.get("/x", base_url="http://www.example.org").text == "object for ''"


def test_a_lazy_app_for_the_rest_is_imported_too() -> None:
    client = Client(DispatcherMiddleware("lazy_sound:app"))  # type: ignore[arg-type]
    assert client.get("/x").text == "|/x"
    assert Client(DispatcherMiddleware(None, {"/": "lazy_sound:create_app()"})).get("/x").text == "made for ''"


def test_a_script_name_that_is_no_utf_8_is_no_fault_of_the_app(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads_with(monkeypatch, lambda: named("loaded"))
    statuses: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/\xff", "PATH_INFO": "/lazy", "wsgi.url_scheme": "http"}
    dispatcher = DispatcherMiddleware(None, {"/lazy": "some:app"})
    dispatcher(environ, lambda status, *rest: statuses.append(status))  # type: ignore[arg-type]
    assert statuses[0][:3] in {"400", "200"}
    assert caplog.records == []
    assert Client(dispatcher).get("/lazy").text == "loaded"


@pytest.mark.parametrize(
    "target", ["", "module", "module:", ":app", "a-b:app", "module:app(1)", "module:__import__('os')"]
)
def test_a_target_that_names_nothing_is_refused_at_once_with_its_key(target: str) -> None:
    for attempt in (
        lambda: DispatcherMiddleware(None, {"example.com/lazy/": target}),
        lambda: DispatcherMiddleware().mount("example.com/lazy/", target),
        lambda: DispatcherMiddleware().mounts.update({"example.com/lazy/": target}),
    ):
        with pytest.raises(LoadError) as caught:
            attempt()
        assert "'example.com/lazy/'" in str(caught.value)
        assert repr(target) in str(caught.value)
        assert "write 'module:app'" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_mounts_show_the_text_that_was_mounted() -> None:
    dispatcher = DispatcherMiddleware(None, {"/lazy": "lazy_sound:app"})
    assert dict(dispatcher.mounts) == {"/lazy": "lazy_sound:app"}
    Client(dispatcher).get("/lazy")
    assert dict(dispatcher.mounts) == {"/lazy": "lazy_sound:app"}


def test_a_lazy_app_says_whether_it_is_loaded() -> None:
    lazy = LazyApp("lazy_sound:app")
    assert (repr(lazy), lazy.app) == ("<lazy_sound:app not loaded>", None)
    assert lazy.load() is lazy.app
    assert repr(lazy) == "<lazy_sound:app loaded>"


def test_preload_imports_all_with_their_prefixes() -> None:
    dispatcher = DispatcherMiddleware(
        named("root"), {"/ü": "lazy_sound:create_app()", "example.com/y": "lazy_sound:Made()"}
    )
    dispatcher.preload("/front")
    client = Client(dispatcher)
    assert client.get("/ü").text == "made for '/front/ü'"
    assert client.get("/y", base_url="http://example.com").text == "object for '/front/y'"


def test_preload_imports_what_is_loaded_already_no_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = loads_with(monkeypatch, lambda: named("loaded"))
    dispatcher = DispatcherMiddleware(None, {"/a": "some:app", "/b": "some:app"})
    Client(dispatcher).get("/a")
    dispatcher.preload()
    dispatcher.preload()
    assert loaded == [("some:app", "/a"), ("some:app", "/b")]


def test_preload_reaches_the_dispatchers_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = loads_with(monkeypatch, lambda: named("loaded"))
    inner = DispatcherMiddleware(None, {"/b": "some:app"})
    DispatcherMiddleware(None, {"/a": PrefixMiddleware(inner, "/p")}).preload("/front")
    assert loaded == [("some:app", "/front/a/p/b")]


def test_preload_names_the_key_of_a_target_that_is_not_there() -> None:
    dispatcher = DispatcherMiddleware(None, {"/sound": "lazy_sound:app", "example.com/x": "lazy_sound:none"})
    with pytest.raises(LoadError, match=r"the mount 'example\.com/x': 'lazy_sound:none'.*has no attribute") as caught:
        dispatcher.preload()
    assert "\n" not in str(caught.value)


def test_preload_names_the_root_where_the_app_for_the_rest_fails() -> None:
    with pytest.raises(LoadError, match="the mount '/'"):
        DispatcherMiddleware("lazy_sound:none").preload()  # type: ignore[arg-type]


def test_preload_names_the_key_beside_what_the_module_raises() -> None:
    with pytest.raises(ZeroDivisionError, match="the fault of the module") as caught:
        DispatcherMiddleware(None, {"/x": "lazy_fails:app"}).preload()
    assert "'/x'" in "".join(caught.value.__notes__)


def test_preload_names_the_key_of_a_module_that_ends_the_process() -> None:
    with pytest.raises((SystemExit, LoadError)) as caught:
        DispatcherMiddleware(None, {"/x": "lazy_exits:app"}).preload()
    assert "'/x'" in "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


def test_after_a_failed_preload_the_first_request_tries_again(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    outcomes: list[Any] = [LookupError("first"), named("loaded")]

    def load() -> WSGIApplication:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome  # type: ignore[no-any-return]

    loads_with(monkeypatch, load)
    dispatcher = DispatcherMiddleware(None, {"/x": "some:app"})
    with pytest.raises(LookupError):
        dispatcher.preload()
    assert Client(dispatcher).get("/x").text == "loaded"


def test_an_app_that_asks_its_own_mount_while_it_is_imported_does_not_hang(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    def load() -> WSGIApplication:
        answer = Client(dispatcher).get("/lazy").status_code
        return named(f"itself: {answer}")

    loads_with(monkeypatch, load)
    dispatcher = DispatcherMiddleware(None, {"/lazy": "some:app"})
    asking = threading.Thread(target=lambda: answers.append(Client(dispatcher).get("/lazy").text), daemon=True)
    answers: list[str] = []
    asking.start()
    asking.join(1)
    assert answers == ["itself: 503"]


def test_a_mount_that_is_removed_while_it_is_imported_answers_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    importing, go = threading.Event(), threading.Event()

    def load() -> WSGIApplication:
        importing.set()
        assert go.wait(DEADLINE)
        return named("loaded")

    loads_with(monkeypatch, load)
    dispatcher = DispatcherMiddleware(named("root"), {"/lazy": "some:app"})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: Client(dispatcher).get("/lazy").text)
        try:
            assert importing.wait(DEADLINE)
            dispatcher.unmount("/lazy")
            assert Client(dispatcher).get("/lazy").text == "root"
        finally:
            go.set()
        assert waiting.result(DEADLINE) == "loaded"
