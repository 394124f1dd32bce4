"""Mounts, prefixes, the gate and the lifespan through the gevent runner."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from tests.serving import DEADLINE, Runner, fails, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPS = """
import sys

from flask_embed import Flask, redirect, request, session, url_for


def create(name):
    app = Flask(name)
    app.secret_key = "a key"
    app.add_url_rule("/", "index", view_func=lambda: f"{name} {request.script_root}|{request.path}")
    app.add_url_rule("/url/<path:endpoint>", "url", view_func=lambda endpoint: url_for(endpoint))
    app.add_url_rule("/go", "go", view_func=lambda: redirect(url_for("index")))
    app.add_url_rule("/login", "login", view_func=lambda: session.update(name=name) or name)
    app.on_startup(lambda: print(f"{name} is up", file=sys.stderr))
    app.on_shutdown(lambda: print(f"{name} is down", file=sys.stderr))
    return app


site, blog, api = create("site"), create("blog"), create("api")
site.add_url_rule("/blog/old", "old", view_func=lambda: "old")


def create_app(prefix):
    app = create("made")
    app.add_url_rule("/prefix", "prefix", view_func=lambda: prefix)
    return app


def broken():
    raise ZeroDivisionError("the fault of the factory")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apps")
    (folder / "apps.py").write_text(APPS)
    return folder


@pytest.fixture(scope="module")
def runner(folder: Path) -> Iterator[Runner]:
    arguments = ["apps:site", "--bind", "127.0.0.1:0", "--prefix", "/front", "--mount", "/blog=apps:blog"]
    arguments += ["--mount", "api.example.com/v1=apps:api", "--mount", "/büro=apps:create_app()"]
    with serving("gevent", *arguments, cwd=folder) as started:
        yield started


def raw(runner: Runner, request: bytes) -> tuple[int, bytes]:
    """The status of the answer to *request*, and its bytes."""
    with contextlib.closing(socket.create_connection((runner.host, runner.port), DEADLINE)) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return int(answer.split(b" ", 2)[1]) if answer else 0, answer


@pytest.mark.parametrize(
    ("host", "path", "answer"),
    [
        ("localhost", "/front/", "site /front|/"),
        ("localhost", "/front/blog/", "blog /front/blog|/"),
        ("localhost", "/front/v1/", None),
        ("api.example.com", "/front/v1/", "api /front/v1|/"),
        ("API.example.com.:80", "/front/v1/", "api /front/v1|/"),
        ("api.example.com", "/front/blog/", "blog /front/blog|/"),
        ("evilapi.example.com", "/front/v1/", None),
        ("localhost", "/front/b%C3%BCro/prefix", "/front/büro"),
        ("localhost", "/front/blog/url/:index", "/front/"),
        ("localhost", "/front/blog/url/b%C3%BCro:index", "/front/b%C3%BCro/"),
        ("localhost", "/blog/", None),
        ("localhost", "/frontx/", None),
    ],
)
def test_a_mount_answers_for_its_host_and_prefix(runner: Runner, host: str, path: str, answer: str | None) -> None:
    status, _, body = runner.get(path, Host=host)

    if answer is None:
        assert status == 404
    else:
        assert (status, body.decode()) == (200, answer)


def test_redirect_and_cookie_have_the_whole_prefix(runner: Runner) -> None:
    assert runner.get("/front/blog/go")[1]["location"] == "/front/blog/"
    assert runner.get("/front/blog")[1]["location"] == "/front/blog/"
    assert "Path=/front/blog;" in runner.get("/front/blog/login")[1]["set-cookie"] + ";"


def test_a_hidden_rule_is_reported_before_serving(runner: Runner) -> None:
    (line,) = [line for line in runner.lines if " hides the rule " in line]

    assert line == (
        "flask_embed: the mount '/blog' hides the rule '/blog/old' (endpoint 'old'): change the path of one of them\n"
    )


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        (b"OPTIONS * HTTP/1.1", b"Host: a", 204),
        (b"GET * HTTP/1.1", b"Host: a", 400),
        (b"GET front/ HTTP/1.1", b"Host: a", 400),
        (b"GET http://evil/p HTTP/1.1", b"Host: a", 400),
        (b"GE{T /front/ HTTP/1.1", b"Host: a", 400),
        (b"GET /front/ HTTP/1.1", b"Host: a\r\nHost: b", 400),
        (b"GET /front/ HTTP/1.1", b"Host: a@b", 400),
        (b"GET /front/ HTTP/1.1", b"Host: a\r\nX: b\r\n c", 400),
        (b"GET /front/%00 HTTP/1.1", b"Host: a", 400),
        (b"GET /front/%0d%0aX:1 HTTP/1.1", b"Host: a", 400),
        (b"GET /front/%ff HTTP/1.1", b"Host: a", 404),
        (b"GET /front/../blog/ HTTP/1.1", b"Host: a", 400),
        (b"GET /front/blog/%2e%2e/ HTTP/1.1", b"Host: a", 400),
        (b"GET /front/blog/%2e%2e%2f HTTP/1.1", b"Host: a", 400),
        (b"GET /front/. HTTP/1.1", b"Host: a", 400),
        (b"GET /front/.. HTTP/1.1", b"Host: a", 400),
        (b"POST /front/%2E/ HTTP/1.1", b"Host: a\r\nContent-Length: 0", 400),
        (b"GET /front/?/../x HTTP/1.1", b"Host: a", 200),
        (b"GET //front/ HTTP/1.1", b"Host: a", 404),
        (b"GET " + b"/" * 2000 + b" HTTP/1.1", b"Host: a", 404),
        (b"GET /front/ HTTP/1.1", b"Host: a\r\nScript-Name: /y\r\nSCRIPT_NAME: /y\r\nProxy: http://evil", 200),
        (b"GET /front/ HTTP/1.1", b"Host: a\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Host: evil", 200),
    ],
)
def test_a_malformed_request_never_reaches_an_app(
    runner: Runner, request_line: bytes, headers: bytes, status: int
) -> None:
    answered, answer = raw(runner, request_line + b"\r\n" + headers + b"\r\nConnection: close\r\n\r\n")

    assert answered == status
    if status == 200:
        assert answer.endswith(b"site /front|/")


def test_startup_and_shutdown_run_once_in_the_worker(folder: Path) -> None:
    with serving("gevent", "apps:site", "--bind", "127.0.0.1:0", "--mount", "/blog=apps:blog", cwd=folder) as started:
        assert [line for line in started.lines if " is " in line and "served" not in line] == [
            "site is up\n",
            "blog is up\n",
        ]
        assert started.stop() == 0
        started.wait_for("site is down")
        assert started.lines[-2:] == ["blog is down\n", "site is down\n"]


COMPOSED = """
from apps import create, site
from flask_embed.middleware import DispatcherMiddleware, PathDispatcher, SubdomainDispatcher

tenants = PathDispatcher(None, lambda name: create(name) if name != "none" else None)
customers = SubdomainDispatcher("example.com", create, default_app=site)
application = DispatcherMiddleware(
    customers, {"/lazy": "apps:blog", "/broken": "nothing:app", "/tenant": tenants, "/in": DispatcherMiddleware(site)}
)
"""


def test_lazy_apps_tenants_and_nested_dispatchers_are_served(folder: Path) -> None:
    (folder / "composed.py").write_text(COMPOSED)
    with serving("gevent", "composed:application", "--bind", "127.0.0.1:0", cwd=folder) as started:
        assert started.get("/lazy/")[2] == b"blog /lazy|/"
        started.wait_for("blog is up")
        status, headers, _ = started.get("/broken/")
        assert (status, headers["retry-after"]) == (503, "5")
        assert started.get("/tenant/ada/")[2] == b"ada /tenant/ada|/"
        assert started.get("/tenant/none/")[0] == 404
        assert started.get("/", Host="grace.example.com")[2] == b"grace |/"
        assert started.get("/url/lazy:index", Host="grace.example.com")[2] == b"/lazy/"
        assert started.get("/in/")[2] == b"site /in|/"
        assert started.get("/lazy/url/in:index")[2] == b"/in/"
        assert started.stop() == 0
        for name in ("ada", "grace", "blog", "site"):
            started.wait_for(f"{name} is down")


def test_a_removed_prefix_comes_from_the_option_or_the_environment(folder: Path) -> None:
    arguments = ["apps:site", "--bind", "127.0.0.1:0"]
    with serving("gevent", *arguments, "--script-name", "/front", cwd=folder) as started:
        assert started.get("/")[2] == b"site /front|/"
        assert started.first_line.split(" at ")[1].startswith(f"http://127.0.0.1:{started.port}/front")
    with serving("gevent", *arguments, cwd=folder, variables={"SCRIPT_NAME": "/env"}) as started:
        assert started.get("/go")[1]["location"] == "/env/"


def test_a_trusted_proxy_says_where_it_is(folder: Path) -> None:
    headers = {"X-Forwarded-Prefix": "/outer", "X-Forwarded-Host": "public.example"}
    with serving("gevent", "apps:site", "--bind", "127.0.0.1:0", "--trust-proxy", "1", cwd=folder) as started:
        assert started.get("/go", **headers)[1]["location"] == "/outer/"
        assert started.get("/go", **{"X-Forwarded-Prefix": "//evil.com"})[0] == 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mount", "blog=apps:blog"], "the key 'blog' has no slash; write '/blog' for a path, 'blog/' for a host"),
        (["--mount", "//blog=apps:blog"], "the prefix '//blog' starts with '//'"),
        (["--mount", "/blog"], "--mount '/blog': write /PREFIX=module:app"),
        (["--mount", "/a=apps:blog", "--mount", "/a/=apps:api"], "the place '/a/' is taken"),
        (["--mount", "/a=apps"], "the mount '/a': 'apps' names no app"),
        (["--mount", "/a=nothing:app"], "the mount '/a': 'nothing:app': there is no module 'nothing'"),
        (["--mount", "/a=apps:nothing"], "the mount '/a': 'apps:nothing': 'apps' has no attribute 'nothing'"),
        (["--prefix", "/a b"], "the prefix '/a b' holds white space"),
        (["--prefix", "/app", "--script-name", "/x/app"], "--prefix /app and SCRIPT_NAME /x/app both contain /app"),
        (["--trust-proxy", "one"], "argument --trust-proxy: 'one' is not a number of proxies between 0 and 100"),
        (["--trust-proxy", "1", "--forwarded-allow-ips", "nobody"], "nobody"),
        (["--fix", "apache"], "invalid choice: 'apache'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_that_names_it(folder: Path, arguments: list[str], message: str) -> None:
    status, stderr = fails("gevent", "apps:site", *arguments, cwd=folder)

    assert status == 2
    assert message in stderr
    assert "Traceback" not in stderr


def test_a_factory_that_raises_is_shown_whole_with_its_mount(folder: Path) -> None:
    status, stderr = fails("gevent", "apps:site", "--mount", "/a=apps:broken()", cwd=folder)

    assert status == 1
    assert "ZeroDivisionError: the fault of the factory" in stderr
    assert "while the app of the mount '/a' was loaded" in stderr
